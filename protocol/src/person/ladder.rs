//! The ladder of identity keys, derived from the entropy of 24 words (BIP 39).
//!
//! `sk_i = H("hearth/1/id-key", E || i)`; the inception is a function of the entropy, so the
//! words alone restore the person (D1, D7).

use bip39::Mnemonic;
use zeroize::Zeroizing;

use super::{Caps, DeviceCert, Inception, PersonRecord, Reveal, commitment};
use crate::{
    bytes::{Bytes, List},
    encoding::{IdMark, V1},
    epoch::SealingKey,
    id::{Context, PersonId, hash, hash_all},
    key::{PublicKey, SecretKey},
    limits,
    signed::Verified,
    time::Millis,
};

/// The 32 bytes from which all keys of a person derive; wiped when dropped.
#[derive(Clone)]
pub struct Ladder {
    entropy: Zeroizing<[u8; 32]>,
}

/// Words that are not the 24 words of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are not 24 words of the BIP 39 English list with a right checksum")]
pub struct BadWords;

impl Ladder {
    /// A new person from fresh entropy.
    #[must_use]
    pub fn new(entropy: [u8; 32]) -> Self {
        Ladder { entropy: Zeroizing::new(entropy) }
    }

    /// The person of these 24 words.
    ///
    /// # Errors
    /// [`BadWords`].
    pub fn from_words(words: &str) -> Result<Self, BadWords> {
        let mnemonic = Mnemonic::parse_normalized(words).map_err(|_| BadWords)?;
        let entropy: [u8; 32] = mnemonic.to_entropy().try_into().map_err(|_| BadWords)?;
        Ok(Ladder::new(entropy))
    }

    /// The 24 words.
    ///
    /// # Panics
    /// Never: 32 bytes are a length of BIP 39.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::from_entropy(self.entropy.as_slice()).expect("32 bytes are a BIP 39 length");
        Zeroizing::new(mnemonic.to_string())
    }

    /// The entropy, for keeping.
    #[must_use]
    pub fn entropy(&self) -> &[u8; 32] {
        &self.entropy
    }

    /// The identity key of rung `index`.
    #[must_use]
    pub fn key(&self, index: u8) -> SecretKey {
        SecretKey::new(&Zeroizing::new(hash_all(Context::ID_KEY, &[self.entropy.as_slice(), &[index]])))
    }

    /// The inception.
    ///
    /// # Panics
    /// Never: the ladder has as many rungs as an inception has commitments.
    #[must_use]
    pub fn inception(&self) -> Inception {
        let nonce = hash(Context::ID_NONCE, self.entropy.as_slice());
        let nonce = Bytes::try_from(nonce.get(..16).unwrap_or_default()).expect("16 of 32 bytes");
        let commitments = (0..8).map(|index| Bytes(commitment(self.key(index).public()))).collect();
        Inception { version: V1, mark: IdMark, nonce, commitments: List::new(commitments).expect("eight commitments") }
    }

    /// The person's id.
    #[must_use]
    pub fn person(&self) -> PersonId {
        self.inception().id()
    }

    /// Certifies a device under rung `index`.
    #[must_use]
    pub fn certify(
        &self,
        index: u8,
        device: PublicKey,
        kem: Bytes<32>,
        caps: Caps,
        ts: Millis,
    ) -> Verified<DeviceCert> {
        let cert = DeviceCert { version: V1, person: self.person(), index, device, kem, caps, ts };
        Verified::seal(cert, &[&self.key(index)])
    }

    /// The record of a person with one device, and the recovery certificate (D6b), under the lowest rung.
    #[must_use]
    pub fn record(&self, device: PublicKey, kem: Bytes<32>, ts: Millis) -> PersonRecord {
        self.record_at(0, device, kem, ts)
    }

    /// The same under a higher rung: every rung up to `rung` is revealed, each by its own key (D1), and the highest
    /// certifies.
    ///
    /// # Panics
    /// When the ladder has no such rung: there are [`limits::LADDER`], counted from 0.
    #[must_use]
    pub fn record_at(&self, rung: u8, device: PublicKey, kem: Bytes<32>, ts: Millis) -> PersonRecord {
        let person = self.person();
        let reveals = (0..=rung).map(|index| Reveal::seal(person, index, &self.key(index)).signed).collect();
        let recovery =
            self.certify(rung, self.recovery_device().public(), self.recovery_sealing().public(), Caps::NONE, ts);
        let device = self.certify(rung, device, kem, Caps::ALL, ts);
        PersonRecord {
            inception: self.inception(),
            reveals: List::new(reveals).expect("the rung is one of the ladder's eight"),
            devices: List::new(vec![device.signed, recovery.signed]).expect("two of sixteen"),
        }
    }

    /// The key by which a mailbox copy can be read again after every device is lost (D6b).
    #[must_use]
    pub fn recovery_sealing(&self) -> SealingKey {
        SealingKey::new(hash(Context::RECOVERY_KEM, self.entropy.as_slice()))
    }

    fn recovery_device(&self) -> SecretKey {
        SecretKey::new(&Zeroizing::new(hash(Context::RECOVERY_SK, self.entropy.as_slice())))
    }
}

impl std::fmt::Debug for Ladder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ladder({:?})", self.person())
    }
}

const _: () = assert!(limits::LADDER == 8, "the rungs are counted in one byte above");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_restore_the_person() {
        let ladder = Ladder::new([9; 32]);
        let restored = Ladder::from_words(&ladder.words()).unwrap();
        assert_eq!(restored.person(), ladder.person());
        assert_eq!(ladder.words().split(' ').count(), 24);
        assert_eq!(Ladder::from_words("abandon abandon").unwrap_err(), BadWords);
    }

    #[test]
    fn a_record_of_any_rung_reveals_all_up_to_it_and_certifies_under_the_highest() {
        let ladder = Ladder::new([9; 32]);
        let device = SecretKey::new(&[1; 32]).public();
        let at = |rung| ladder.record_at(rung, device, Bytes([2; 32]), Millis(5));
        assert_eq!(at(0), ladder.record(device, Bytes([2; 32]), Millis(5)));
        for rung in 0..8 {
            let record = at(rung);
            let person = record.check().unwrap();
            assert_eq!((person.id, person.index, person.key), (ladder.person(), rung, ladder.key(rung).public()));
            assert_eq!(record.reveals.len(), usize::from(rung) + 1);
            assert!(person.devices.iter().all(|cert| cert.index == rung));
            assert_eq!(person.device(device).map(|cert| cert.caps), Some(Caps::ALL));
            assert!(record.to_bytes().len() <= limits::PERSON_BYTES, "{}", record.to_bytes().len());
        }
    }

    #[test]
    fn a_record_proves_its_device_and_a_stranger_cannot_join_it() {
        let ladder = Ladder::new([9; 32]);
        let device = SecretKey::new(&[1; 32]);
        let mut record = ladder.record(device.public(), Bytes([2; 32]), Millis(5));
        let person = record.check().unwrap();
        assert!(person.device(device.public()).is_some());
        let forged =
            Ladder::new([8; 32]).certify(0, SecretKey::new(&[3; 32]).public(), Bytes([2; 32]), Caps::ALL, Millis(5));
        record.devices = List::new(vec![forged.signed]).unwrap();
        assert!(record.check().is_err());
    }
}
