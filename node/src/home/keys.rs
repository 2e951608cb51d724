//! The file of keys: which version it is, and what the plain ones say.
//!
//! Version 2, which is written: `[2, entropy|null, identity|null, [device, sealing, transport], name, record]`.
//! Version 1, which is read: `[1, entropy|null, [identity, device, sealing, transport], name, record]`.
//! Version 3 is version 2, sealed (`seal`). All of them are canonical CBOR.
//!
//! Leaves to others: sealing, and where the file lies. Always true: secrets that fit together are read or none are: the
//! record certifies this device, the identity key is its current one, and the words are this person's.

use hearth_protocol::{
    bytes::Bytes,
    encoding::scan,
    epoch::SealingKey,
    key::SecretKey,
    limits,
    person::{Ladder, Person, PersonRecord},
    text::Text,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize as _, Zeroizing};

use super::seal::SEALED_VERSION;

/// The version that is written where there is no passphrase.
const PLAIN_VERSION: u8 = 2;
/// The version before it, in which every device had the identity key.
const FIRST_VERSION: u8 = 1;
/// Bytes of a plain file at most: a person, five secrets and a name.
const PLAIN_BYTES: usize = limits::PERSON_BYTES * 2;

/// A name as it stands in the file.
pub(super) type Name = Text<{ limits::NAME_BYTES }>;

/// 32 secret bytes; wiped when dropped.
#[derive(Clone)]
pub(super) struct Secret(pub(super) Zeroizing<[u8; 32]>);

impl Secret {
    pub(super) fn new(bytes: [u8; 32]) -> Secret {
        Secret(Zeroizing::new(bytes))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_slice())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = Bytes::<32>::deserialize(deserializer)?;
        let secret = Secret::new(bytes.0);
        bytes.0.zeroize();
        Ok(secret)
    }
}

/// The secrets of a device, as they lie in the file.
pub(super) struct StoredKeys {
    /// None once the words are written down, and on a device that never had them.
    pub(super) entropy: Option<Secret>,
    /// None on a device that was paired.
    pub(super) identity: Option<Secret>,
    pub(super) device: Secret,
    pub(super) sealing: Secret,
    pub(super) transport: Secret,
    pub(super) name: Name,
    pub(super) record: PersonRecord,
}

/// What a file of keys is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Sealed,
    /// Of a version that this program does not know.
    Newer,
}

/// What the bytes of a file are; none when they are nothing of ours.
pub(super) fn form(bytes: &[u8]) -> Option<Form> {
    // A list of less than 24 elements begins with one byte; a number over 23 has more than one.
    let version = match bytes {
        [0x80..=0x97, 0x18..=0x1b, ..] => u8::MAX,
        [0x80..=0x97, version @ 0..0x18, ..] => *version,
        _ => return None,
    };
    match version {
        FIRST_VERSION | PLAIN_VERSION => Some(Form::Plain),
        SEALED_VERSION => Some(Form::Sealed),
        0 => None,
        _ => Some(Form::Newer),
    }
}

type Plain<'a> =
    (u8, &'a Option<Secret>, &'a Option<Secret>, (&'a Secret, &'a Secret, &'a Secret), &'a Name, &'a PersonRecord);
type PlainRead = (u8, Option<Secret>, Option<Secret>, (Secret, Secret, Secret), Name, PersonRecord);
type FirstRead = (u8, Option<Secret>, (Secret, Secret, Secret, Secret), Name, PersonRecord);

impl StoredKeys {
    /// The plain file, in memory that is wiped.
    pub(super) fn to_plain(&self) -> Zeroizing<Vec<u8>> {
        let secrets = (&self.device, &self.sealing, &self.transport);
        let list: Plain<'_> = (PLAIN_VERSION, &self.entropy, &self.identity, secrets, &self.name, &self.record);
        written(&list)
    }

    /// Reads a plain file; none when it is damaged.
    pub(super) fn from_plain(bytes: &[u8]) -> Option<StoredKeys> {
        if bytes.len() > PLAIN_BYTES || scan(bytes).is_err() {
            return None;
        }
        let keys = if bytes.get(1) == Some(&FIRST_VERSION) {
            let list: FirstRead = ciborium::from_reader(bytes).ok()?;
            let canonical = written(&list);
            let (_, entropy, (identity, device, sealing, transport), name, record) = list;
            (canonical.as_slice() == bytes).then_some(StoredKeys {
                entropy,
                identity: Some(identity),
                device,
                sealing,
                transport,
                name,
                record,
            })?
        } else {
            let list: PlainRead = ciborium::from_reader(bytes).ok()?;
            let canonical = written(&list);
            let (version, entropy, identity, (device, sealing, transport), name, record) = list;
            (version == PLAIN_VERSION && canonical.as_slice() == bytes).then_some(StoredKeys {
                entropy,
                identity,
                device,
                sealing,
                transport,
                name,
                record,
            })?
        };
        keys.fit().then_some(keys)
    }

    /// Whether the secrets belong together.
    pub(super) fn fit(&self) -> bool {
        let Ok(person) = self.record.check() else { return false };
        let words = self.entropy.as_ref().map(|entropy| Ladder::new(*entropy.0).person());
        let identity = self.identity.as_ref().map(|identity| SecretKey::new(&identity.0).public());
        self.is_certified(&person)
            && words.is_none_or(|id| id == person.id)
            && identity.is_none_or(|key| key == person.key)
    }

    fn is_certified(&self, person: &Person) -> bool {
        let (device, kem) = (SecretKey::new(&self.device.0).public(), SealingKey::new(*self.sealing.0).public());
        person.devices.iter().any(|cert| cert.device == device && cert.kem == kem)
    }
}

/// Canonical bytes, in memory that is wiped and never moved.
fn written<T: Serialize>(list: &T) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES));
    ciborium::into_writer(list, &mut *bytes).expect("writing to memory does not fail");
    bytes
}

#[cfg(test)]
mod tests {
    use hearth_protocol::{encoding::encode, time::Millis};

    use super::*;

    fn keys() -> StoredKeys {
        let ladder = Ladder::new([9; 32]);
        let (device, sealing) = (SecretKey::new(&[1; 32]), SealingKey::new([2; 32]));
        StoredKeys {
            entropy: Some(Secret::new([9; 32])),
            identity: Some(Secret::new(*ladder.key(0).seed())),
            device: Secret::new([1; 32]),
            sealing: Secret::new([2; 32]),
            transport: Secret::new([3; 32]),
            name: Text::line("alice").unwrap(),
            record: ladder.record(device.public(), sealing.public(), Millis(1_760_000_000_000)),
        }
    }

    /// As version 1 was written.
    fn first(keys: &StoredKeys) -> Vec<u8> {
        let identity = keys.identity.as_ref().unwrap();
        let secrets = (identity, &keys.device, &keys.sealing, &keys.transport);
        encode(&(1_u8, &keys.entropy, secrets, &keys.name, &keys.record))
    }

    #[test]
    fn both_plain_versions_say_the_same_and_the_second_is_written() {
        let keys = keys();
        assert_eq!(form(&first(&keys)), Some(Form::Plain));
        let read = StoredKeys::from_plain(&first(&keys)).unwrap();
        assert_eq!(read.to_plain(), keys.to_plain());
        assert_eq!(&keys.to_plain()[..4], [0x86, 2, 0x58, 0x20]);
        assert_eq!(StoredKeys::from_plain(&keys.to_plain()).unwrap().to_plain(), keys.to_plain());
    }

    #[test]
    fn the_bytes_of_both_plain_versions_stay_what_they_are() {
        let digits = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        assert_eq!(digits(&first(&keys())), "e07978c99bc1069f5c1938e50e4f83a89b358c2201de8944aff02d510b6a8885");
        assert_eq!(digits(&keys().to_plain()), "698f3163577071fd77b7655d79f3777c74e71f063c94ce41f9504ea35d4cb673");
    }

    #[test]
    fn a_device_without_words_and_identity_key_is_read() {
        let paired = StoredKeys { entropy: None, identity: None, ..keys() };
        let read = StoredKeys::from_plain(&paired.to_plain()).unwrap();
        assert!(read.entropy.is_none() && read.identity.is_none());
    }

    #[test]
    fn secrets_that_do_not_belong_together_are_damage() {
        let other = || Some(Secret::new([8; 32]));
        for wrong in [
            StoredKeys { entropy: other(), ..keys() },
            StoredKeys { identity: other(), ..keys() },
            StoredKeys { device: Secret::new([8; 32]), ..keys() },
            StoredKeys { sealing: Secret::new([8; 32]), ..keys() },
            StoredKeys {
                record: Ladder::new([8; 32]).record(
                    SecretKey::new(&[1; 32]).public(),
                    SealingKey::new([2; 32]).public(),
                    Millis(1),
                ),
                ..keys()
            },
        ] {
            assert!(StoredKeys::from_plain(&wrong.to_plain()).is_none());
        }
        // The identity key of a rung that was left behind is no current one.
        let (device, kem) = (SecretKey::new(&[1; 32]).public(), SealingKey::new([2; 32]).public());
        let later = StoredKeys { record: Ladder::new([9; 32]).record_at(1, device, kem, Millis(1)), ..keys() };
        assert!(StoredKeys::from_plain(&later.to_plain()).is_none());
    }

    #[test]
    fn bytes_that_are_not_a_file_of_keys_are_told_from_those_of_a_newer_one() {
        for (bytes, expected) in [
            (&[0x86, 2, 0xf6][..], Some(Form::Plain)),
            (&[0x85, 3, 0x50], Some(Form::Sealed)),
            (&[0x83, 4, 0x00], Some(Form::Newer)),
            (&[0x83, 0x17, 0x00], Some(Form::Newer)),
            (&[0x83, 0x18, 0xff], Some(Form::Newer)),
            (&[0x83, 0x00], None),
            (&[0x83, 0x50], None),
            (b"keys", None),
            (b"", None),
        ] {
            assert_eq!(form(bytes), expected, "{bytes:?}");
        }
        let whole = keys().to_plain();
        assert!((0..whole.len()).all(|cut| StoredKeys::from_plain(&whole[..cut]).is_none()));
        assert!(StoredKeys::from_plain(&[&whole[..], &[0]].concat()).is_none());
    }
}
