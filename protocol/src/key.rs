//! Signing keys and signatures: Ed25519 (RFC 8032), checked strictly.
//!
//! `Sign(ctx, x)` signs `ctx || 0x00 || H(ctx, x)`, so a signature made for one purpose is worth
//! nothing for another (T28). Only the typed structures of this crate are ever signed: there is
//! no call that signs bytes of somebody's choice.

use std::collections::{BTreeMap, btree_map::Entry};

use ed25519_dalek::{Signature as DalekSignature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    bytes::Bytes,
    id::{Context, hash},
};

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(pub Bytes<32>);

/// An Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(pub Bytes<64>);

/// A signature that does not hold, or a key that may not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// An Ed25519 secret key; wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// From its 32 secret bytes (RFC 8032's seed).
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(Bytes(self.0.verifying_key().to_bytes()))
    }

    /// Its 32 secret bytes, for keeping.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// `Sign(ctx, bytes)`. Callers are the typed structures of this crate.
    pub(crate) fn sign(&self, context: Context, bytes: &[u8]) -> Signature {
        let bytes = signed_bytes(context, bytes);
        let signature = self.0.sign(&bytes).to_bytes();
        #[cfg(any(test, feature = "testing"))]
        crate::testing::quick::note(self.0.verifying_key().as_bytes(), &bytes, &signature);
        Signature(Bytes(signature))
    }

    /// Answers the challenge of a client of the local API: `Sign("hearth/1/api", nonce)`.
    #[must_use]
    pub fn prove_api(&self, nonce: &[u8; 32]) -> Signature {
        self.sign(Context::API, nonce)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({:?})", self.public())
    }
}

impl PublicKey {
    /// Whether `signature` is this key's over `bytes` in `context`.
    ///
    /// # Errors
    /// [`BadSignature`] for keys of small order too, and for all that RFC 8032 leaves open:
    /// every node must accept the same set.
    pub fn verify(&self, context: Context, bytes: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        verify_raw(&self.0.0, &signed_bytes(context, bytes), &signature.0.0)
    }

    /// Whether a client of the local API was answered by the holder of this device key.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify_api(&self, nonce: &[u8; 32], signature: &Signature) -> Result<(), BadSignature> {
        self.verify(Context::API, nonce, signature)
    }
}

/// Public keys that have been read, for checking many signatures of few devices: to read a key takes an eighth of the
/// time of a check.
#[derive(Debug, Default)]
pub struct KnownKeys(BTreeMap<[u8; 32], VerifyingKey>);

impl KnownKeys {
    /// As [`PublicKey::verify`].
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(
        &mut self,
        key: &PublicKey,
        context: Context,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.verify_raw(&key.0.0, &signed_bytes(context, bytes), &signature.0.0)
    }

    fn verify_raw(&mut self, key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        #[cfg(any(test, feature = "testing"))]
        if crate::testing::quick::is_known(key, bytes, signature) {
            return Ok(());
        }
        let known = match self.0.entry(*key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let read = VerifyingKey::from_bytes(key).map_err(|_| BadSignature)?;
                if read.is_weak() {
                    return Err(BadSignature);
                }
                new.insert(read)
            }
        };
        known.verify_strict(bytes, &DalekSignature::from_bytes(signature)).map_err(|_| BadSignature)?;
        #[cfg(any(test, feature = "testing"))]
        crate::testing::quick::note(key, bytes, signature);
        Ok(())
    }
}

/// Strict verification of one signature over the very bytes that were signed.
///
/// # Errors
/// [`BadSignature`] unless `verify_strict` accepts it and the key is not weak.
pub fn verify_raw(key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
    KnownKeys::default().verify_raw(key, bytes, signature)
}

fn signed_bytes(context: Context, bytes: &[u8]) -> Vec<u8> {
    [context.as_str().as_bytes(), &[0], &hash(context, bytes)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_in_its_own_context_only() {
        let key = SecretKey::new(&[7; 32]);
        for made in Context::ALL {
            let signature = key.sign(*made, b"bytes");
            for checked in Context::ALL {
                let holds = key.public().verify(*checked, b"bytes", &signature).is_ok();
                assert_eq!(holds, made == checked, "T28: {made:?} as {checked:?}");
            }
        }
    }
}
