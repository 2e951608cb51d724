//! Signed structures: a payload kept as the very bytes that were signed, and its signatures.
//!
//! `Rec = [payload : bstr, sigs : [[pk, sig]+]]`, id = `H(ctx, payload)`. No id covers a
//! signature: two valid signature sets of one payload are the same thing (B1).

use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::{
    bytes::{Blob, List},
    encoding::{Malformed, decode, encode},
    id::{Context, hash},
    key::{BadSignature, PublicKey, SecretKey, Signature},
    limits,
};

/// A structure that is signed: its context and its bound.
///
/// Only this crate's structures are: were anybody's bytes a payload, a node's keys could be had to
/// sign them (T28).
///
/// ```compile_fail,E0277
/// use hearth_protocol::{encoding::Malformed, id::Context, signed::Payload};
/// struct Anything(Vec<u8>);
/// impl Payload for Anything {
///     const CONTEXT: Context = Context::OP;
///     const LIMIT: usize = 1024;
///     fn from_canonical(bytes: &[u8]) -> Result<Self, Malformed> { Ok(Anything(bytes.to_vec())) }
///     fn to_canonical(&self) -> Vec<u8> { self.0.clone() }
/// }
/// ```
pub trait Payload: Sized + sealed::Ours {
    /// What its id and signatures are for.
    const CONTEXT: Context;
    /// Most bytes of the payload.
    const LIMIT: usize;

    /// Reads it from canonical bytes.
    ///
    /// # Errors
    /// [`Malformed`] as [`decode`], or when a rule on its fields refuses it.
    fn from_canonical(bytes: &[u8]) -> Result<Self, Malformed>;

    /// Its canonical bytes.
    fn to_canonical(&self) -> Vec<u8>;
}

/// Keeps [`Payload`] to this crate.
pub(crate) mod sealed {
    /// One of ours.
    pub trait Ours {}
}

/// Implements [`Payload`] for a type whose fields serde reads and writes; `check` looks at what
/// the field types cannot say.
macro_rules! payload {
    ($type:ty, $context:expr, $limit:expr, $check:expr) => {
        impl $crate::signed::sealed::Ours for $type {}
        impl $crate::signed::Payload for $type {
            const CONTEXT: $crate::id::Context = $context;
            const LIMIT: usize = $limit;
            fn from_canonical(bytes: &[u8]) -> Result<Self, $crate::encoding::Malformed> {
                let value: Self = $crate::encoding::decode(bytes, Self::LIMIT)?;
                let check: fn(&$type) -> Result<(), &'static str> = $check;
                check(&value).map_err($crate::encoding::Malformed::Field)?;
                Ok(value)
            }
            fn to_canonical(&self) -> Vec<u8> {
                $crate::encoding::encode(self)
            }
        }
    };
}
pub(crate) use payload;

/// A payload and its signatures, as they came: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize_tuple, Deserialize_tuple)]
pub struct Signed {
    /// The canonical bytes that were signed.
    pub payload: Blob<{ limits::GENESIS_BYTES }>,
    /// Who signed, and the signatures, in the ascending order of the keys: nobody but the signers
    /// can make other bytes of the same signatures.
    pub signatures: List<KeyAndSignature, 1, 16>,
}

/// One signature with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyAndSignature(pub PublicKey, pub Signature);

impl Signed {
    /// Signs `value` with each of `keys`.
    ///
    /// # Panics
    /// When `keys` is empty or longer than 16, or the payload is over its limit: callers build
    /// values within limits.
    #[must_use]
    pub fn seal<T: Payload>(value: &T, keys: &[&SecretKey]) -> Signed {
        let payload = value.to_canonical();
        let mut signatures: Vec<KeyAndSignature> =
            keys.iter().map(|key| KeyAndSignature(key.public(), key.sign(T::CONTEXT, &payload))).collect();
        signatures.sort_unstable();
        Signed {
            payload: Blob::new(payload).expect("a value within its limits encodes within its limit"),
            signatures: List::new(signatures).expect("one to sixteen keys sign"),
        }
    }

    /// The id under `T`'s context.
    #[must_use]
    pub fn id<T: Payload>(&self) -> [u8; 32] {
        hash(T::CONTEXT, self.payload.as_slice())
    }

    /// Reads the payload; checks no signature.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read<T: Payload>(&self) -> Result<T, Malformed> {
        T::from_canonical(self.payload.as_slice())
    }

    /// Checks every signature under `T`'s context.
    ///
    /// # Errors
    /// [`BadSignature`] when one does not hold, or the keys are not ascending, each once.
    pub fn verify<T: Payload>(&self) -> Result<(), BadSignature> {
        if !self.signatures.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(BadSignature);
        }
        for KeyAndSignature(key, signature) in &self.signatures {
            key.verify(T::CONTEXT, self.payload.as_slice(), signature)?;
        }
        Ok(())
    }

    /// Whether `key` is among the signers.
    #[must_use]
    pub fn signed_by(&self, key: PublicKey) -> bool {
        self.signatures.iter().any(|s| s.0 == key)
    }

    /// Whether exactly `key` signed, alone.
    #[must_use]
    pub fn signed_only_by(&self, key: PublicKey) -> bool {
        matches!(&*self.signatures, [only] if only.0 == key)
    }

    /// The bytes of the whole.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads the whole from at most `limit` bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Signed, Malformed> {
        decode(bytes, limit)
    }
}

/// Something whose signatures have been checked, with the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    /// What the payload says.
    pub value: T,
    /// The payload and its signatures, as they came.
    pub signed: Signed,
}

/// Why a signed structure is refused before anything is asked about its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// Its bytes are not canonical.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A signature does not hold.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// It is signed by others than it must be.
    #[error("not signed by those who must sign it")]
    WrongSigner,
}

impl Unsound {
    /// The name by which a refusal of this kind is counted and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unsound::Malformed(why) => why.name(),
            Unsound::BadSignature(_) => "bad_signature",
            Unsound::WrongSigner => "wrong_signer",
        }
    }
}

impl<T: Payload> Verified<T> {
    /// Reads the payload and checks every signature.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn check(signed: Signed) -> Result<Self, Unsound> {
        let value = signed.read::<T>()?;
        signed.verify::<T>()?;
        Ok(Verified { value, signed })
    }

    /// Signs `value`: what we made is sound.
    #[must_use]
    pub fn seal(value: T, keys: &[&SecretKey]) -> Self {
        let signed = Signed::seal(&value, keys);
        Verified { value, signed }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        self.signed.id::<T>()
    }
}
