//! Persons: who signs, across devices and changes of key (section 10).
//!
//! A person is the hash of an [`Inception`], which commits to eight keys that all derive from
//! the 24 words. The highest key revealed is the current one (D1); it certifies devices, and
//! devices sign everything else. What a person's devices may do at a point of a community's
//! history is decided by [`crate::authority`] (D0).

mod device;
mod inception;
mod ladder;

pub use device::{Caps, DeviceCert};
pub use inception::{Inception, Reveal};
pub use ladder::{BadWords, Ladder};

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::{
    bytes::List,
    encoding::{Malformed, encode},
    id::{Context, PersonId, hash},
    key::PublicKey,
    limits,
    signed::{Signed, Unsound, Verified},
};

/// `[Inception, [Reveal Rec]{1..8}, [DeviceCert Rec]{1..16}]`: all that others need to check what
/// a person's devices sign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize_tuple, Deserialize_tuple)]
pub struct PersonRecord {
    /// The commitment to the ladder of keys.
    pub inception: Inception,
    /// The keys revealed so far.
    pub reveals: List<Signed, 1, { limits::LADDER }>,
    /// The devices certified so far.
    pub devices: List<Signed, 1, { limits::DEVICES }>,
}

/// A person whose reveals and certificates have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The hash of the inception.
    pub id: PersonId,
    /// The highest index revealed here (D1).
    pub index: u8,
    /// The key of that index.
    pub key: PublicKey,
    /// The devices certified here.
    pub devices: Vec<DeviceCert>,
}

impl PersonRecord {
    /// The person's id.
    #[must_use]
    pub fn id(&self) -> PersonId {
        self.inception.id()
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Checks every reveal against the inception and every certificate against the reveals.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn check(&self) -> Result<Person, Unsound> {
        let id = self.id();
        let mut keys = std::collections::BTreeMap::new();
        for signed in &self.reveals {
            let reveal = Verified::<Reveal>::check(signed.clone())?;
            reveal.value.matches(&self.inception)?;
            if !signed.signed_only_by(reveal.value.key) {
                return Err(Unsound::WrongSigner);
            }
            keys.insert(reveal.value.index, reveal.value.key);
        }
        let mut devices = Vec::with_capacity(self.devices.len());
        for signed in &self.devices {
            let cert = Verified::<DeviceCert>::check(signed.clone())?.value;
            let key = keys.get(&cert.index).ok_or(Unsound::WrongSigner)?;
            if cert.person != id || !signed.signed_only_by(*key) {
                return Err(Unsound::WrongSigner);
            }
            devices.push(cert);
        }
        let (index, key) = keys.pop_last().ok_or(Unsound::WrongSigner)?;
        Ok(Person { id, index, key, devices })
    }
}

impl Person {
    /// The certificate of `device`, if it is certified here.
    #[must_use]
    pub fn device(&self, device: PublicKey) -> Option<&DeviceCert> {
        self.devices.iter().find(|cert| cert.device == device)
    }
}

pub(crate) fn commitment(key: PublicKey) -> [u8; 32] {
    hash(Context::ID_COMMIT, key.0.as_ref())
}

pub(crate) const BAD_COMMITMENT: Malformed = Malformed::Field("the revealed key is not the committed one");
