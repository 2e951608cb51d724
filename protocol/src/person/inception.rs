//! The inception of a person and the reveals of its keys.

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::{BAD_COMMITMENT, commitment};
use crate::{
    bytes::{Bytes, List},
    encoding::{IdMark, Malformed, V1, encode},
    id::{Context, PersonId, hash},
    key::{PublicKey, SecretKey},
    limits,
    signed::{Verified, payload},
};

/// `[1, "id", nonce:16, [H("hearth/1/id-commit", pk)]{8}]`. Its hash is the person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize_tuple, Deserialize_tuple)]
pub struct Inception {
    /// 1.
    pub version: V1,
    /// "id".
    pub mark: IdMark,
    /// Derived from the words, so that they alone restore the person.
    pub nonce: Bytes<16>,
    /// Commitments to the keys of the ladder, lowest first.
    pub commitments: List<Bytes<32>, { limits::LADDER }, { limits::LADDER }>,
}

impl Inception {
    /// The person's id.
    #[must_use]
    pub fn id(&self) -> PersonId {
        hash(Context::PERSON, &encode(self)).into()
    }
}

/// `[1, PersonId, i, pk_i]`, signed by the key that it reveals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Reveal {
    /// 1.
    pub version: V1,
    /// Whose key.
    pub person: PersonId,
    /// Which rung of the ladder, 0 to 7.
    pub index: u8,
    /// The key.
    pub key: PublicKey,
}

payload!(Reveal, Context::REVEAL, 128, |reveal| {
    if usize::from(reveal.index) < limits::LADDER { Ok(()) } else { Err("no such rung of the ladder") }
});

impl Reveal {
    /// Reveals `key` as the rung `index` of `person`.
    #[must_use]
    pub fn seal(person: PersonId, index: u8, key: &SecretKey) -> Verified<Reveal> {
        Verified::seal(Reveal { version: V1, person, index, key: key.public() }, &[key])
    }

    /// Whether the inception committed to this key.
    ///
    /// # Errors
    /// [`Malformed::Field`] when it did not.
    pub fn matches(&self, inception: &Inception) -> Result<(), Malformed> {
        let committed = inception.commitments.get(usize::from(self.index)).ok_or(BAD_COMMITMENT)?;
        if self.person == inception.id() && committed.0 == commitment(self.key) { Ok(()) } else { Err(BAD_COMMITMENT) }
    }
}
