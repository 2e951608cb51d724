//! Quick signatures and seals, so that a simulation can be played thousands of times.
//!
//! While a [`Quick`] lives, two things go faster on its thread. A signature that was made or found good on it since is
//! known by its hash and found good again without counting; every other one is verified as ever, so nothing is accepted
//! that would not be. And what is sealed to a device (HPKE) is sealed under a hash of its public key instead: it opens
//! for the same devices with the same `info`, but would for whoever knows the public key, too. So this is for tests in
//! which nobody tries that; those about keys and outsiders do without.
//!
//! Always true: all else is decided and checked as ever, and without a [`Quick`] nothing here has any effect.

use std::{cell::RefCell, collections::BTreeSet};

use zeroize::Zeroizing;

use crate::{bytes::Bytes, epoch::OpenError, random::Random};

thread_local! {
    /// The signatures that are known to be good, while somebody wants that.
    static KNOWN: RefCell<Option<BTreeSet<[u8; 32]>>> = const { RefCell::new(None) };
}

/// What came of opening.
type Opened = Result<Zeroizing<Vec<u8>>, OpenError>;

/// As long as it lives, what the module says is so on this thread.
#[derive(Debug)]
pub struct Quick(());

impl Quick {
    /// Begins with nothing known.
    ///
    /// # Panics
    /// When there is one on this thread already.
    #[must_use]
    pub fn begin() -> Quick {
        let before = KNOWN.with(|known| known.borrow_mut().replace(BTreeSet::new()));
        assert!(before.is_none(), "one at a time");
        Quick(())
    }
}

impl Drop for Quick {
    fn drop(&mut self) {
        KNOWN.with(|known| *known.borrow_mut() = None);
    }
}

fn name(key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> [u8; 32] {
    *blake3::Hasher::new().update(key).update(signature).update(bytes).finalize().as_bytes()
}

/// Whether a signature was found good before.
pub(crate) fn is_known(key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> bool {
    KNOWN.with(|known| known.borrow().as_ref().is_some_and(|known| known.contains(&name(key, bytes, signature))))
}

/// Notes a signature that is good.
pub(crate) fn note(key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) {
    KNOWN.with(|known| {
        if let Some(known) = known.borrow_mut().as_mut() {
            known.insert(name(key, bytes, signature));
        }
    });
}

fn is_quick() -> bool {
    KNOWN.with(|known| known.borrow().is_some())
}

/// What stands for the public key of an X25519 secret key.
pub(crate) fn public(secret: &[u8; 32]) -> Option<Bytes<32>> {
    is_quick().then(|| Bytes(blake3::derive_key("hearth testing: quick public key", secret)))
}

/// Seals: what encapsulates the secret, and the bytes with 16 more, as HPKE does. `None` where nobody is quick.
pub(crate) fn seal(to: &Bytes<32>, plaintext: &[u8], info: &[u8], random: &mut Random) -> Option<(Bytes<32>, Vec<u8>)> {
    if !is_quick() {
        return None;
    }
    let enc = Bytes(random.bytes());
    let key = key(to, &enc.0);
    let mut sealed = crossed(&key, plaintext);
    sealed.extend_from_slice(&mark(&key, plaintext, info));
    Some((enc, sealed))
}

/// Opens what [`seal`] has sealed. `None` where nobody is quick.
pub(crate) fn open(secret: &[u8; 32], enc: &[u8; 32], sealed: &[u8], info: &[u8]) -> Option<Opened> {
    let key = key(&public(secret)?, enc);
    let Some((crossed_out, marked)) = sealed.split_last_chunk::<16>() else { return Some(Err(OpenError::Altered)) };
    let plaintext = Zeroizing::new(crossed(&key, crossed_out));
    Some(if mark(&key, &plaintext, info) == *marked { Ok(plaintext) } else { Err(OpenError::Altered) })
}

fn key(public: &Bytes<32>, enc: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("hearth testing: quick seal", &[public.0, *enc].concat())
}

/// The bytes, each crossed with one of the key's.
fn crossed(key: &[u8; 32], bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0; bytes.len()];
    blake3::Hasher::new_keyed(key).finalize_xof().fill(&mut stream);
    stream.iter().zip(bytes).map(|(a, b)| a ^ b).collect()
}

/// What only whoever has the key can make of a plaintext and its place.
fn mark(key: &[u8; 32], plaintext: &[u8], info: &[u8]) -> [u8; 16] {
    let length = (info.len() as u64).to_le_bytes();
    let hash = blake3::Hasher::new_keyed(key).update(&length).update(info).update(plaintext).finalize();
    crate::epoch::first(hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        epoch::{SealingKey, seal_bytes_to},
        id::Context,
        key::SecretKey,
    };

    #[test]
    fn a_quick_seal_opens_for_its_device_and_place_only_and_is_as_long() {
        let mut random = Random::new(&[1; 32]);
        let (mine, other) = (SealingKey::new([7; 32]), SealingKey::new([8; 32]));
        let slow = seal_bytes_to(&mine.public(), b"a key", b"here", &mut random).unwrap().1.len();
        let _quick = Quick::begin();
        let (enc, mut sealed) = seal_bytes_to(&mine.public(), b"a key", b"here", &mut random).unwrap();
        assert_eq!(sealed.len(), slow);
        assert_eq!(**mine.open_bytes(&enc.0, &sealed, b"here").unwrap(), *b"a key");
        assert!(other.open_bytes(&enc.0, &sealed, b"here").is_err());
        assert!(mine.open_bytes(&enc.0, &sealed, b"there").is_err());
        for at in 0..sealed.len() {
            sealed[at] ^= 1;
            assert!(mine.open_bytes(&enc.0, &sealed, b"here").is_err(), "byte {at}");
            sealed[at] ^= 1;
        }
        assert!(mine.open_bytes(&enc.0, &[1; 15], b"here").is_err());
    }

    #[test]
    fn a_known_signature_holds_and_no_other_and_nothing_is_known_afterwards() {
        let key = SecretKey::new(&[7; 32]);
        let quick = Quick::begin();
        let mut signature = key.sign(Context::API, b"bytes");
        assert!(key.public().verify(Context::API, b"bytes", &signature).is_ok());
        assert!(key.public().verify(Context::API, b"other", &signature).is_err());
        assert!(SecretKey::new(&[8; 32]).public().verify(Context::API, b"bytes", &signature).is_err());
        signature.0.0[0] ^= 1;
        assert!(key.public().verify(Context::API, b"bytes", &signature).is_err());
        drop(quick);
        assert!(KNOWN.with(|known| known.borrow().is_none()));
    }
}
