//! A hello for members who may share no epoch key any more, since one of them missed a change
//! (7.4): sealed to the device that is thought to be at the other end.
//!
//! It carries a fresh key of its own, under which the two go on as under an epoch's: of two
//! members who were apart, each may have a newer epoch that the other knows nothing of. To all who
//! cannot open it, or do not know its sender as a member, it looks like the padding.

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::Transcript;
use crate::{
    bytes::Bytes,
    encoding::{decode, encode},
    epoch::{EpochKey, SealingKey, seal_bytes_to},
    id::{CommunityId, Context, PersonId},
    key::{PublicKey, SecretKey, Signature},
    random::Random,
};

/// `[community, person, device, key, signature]`: four byte strings of 32 and one of 64, each with
/// its head.
const PLAIN_BYTES: usize = 1 + 4 * 34 + 66;
/// With the encapsulated key and the authenticator.
pub const SEALED_HELLO_BYTES: usize = 32 + PLAIN_BYTES + 16;

/// Its bytes on the wire: always as many.
pub type SealedHello = Bytes<SEALED_HELLO_BYTES>;

/// What is sealed: `[community, person, device, key, Sign(device, "hearth/1/stale", T || community
/// || key)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleHello {
    /// Which community.
    pub community: CommunityId,
    /// Who says so.
    pub person: PersonId,
    /// With which device.
    pub device: PublicKey,
    /// What both go on under, on this connection.
    pub key: EpochKey,
}

#[derive(Serialize_tuple, Deserialize_tuple)]
struct Plain {
    community: CommunityId,
    person: PersonId,
    device: PublicKey,
    key: Bytes<32>,
    signature: Signature,
}

fn signed(transcript: &Transcript, community: CommunityId, key: &Bytes<32>) -> Vec<u8> {
    [&transcript.0[..], community.as_bytes(), &key.0].concat()
}

impl StaleHello {
    /// Seals to the device with this X25519 key.
    #[must_use]
    pub fn seal(
        &self,
        transcript: &Transcript,
        device: &SecretKey,
        to: &Bytes<32>,
        random: &mut Random,
    ) -> SealedHello {
        let key = Bytes(*self.key.as_bytes());
        let signature = device.sign(Context::STALE, &signed(transcript, self.community, &key));
        let (community, person) = (self.community, self.person);
        let plain = Plain { community, person, device: self.device, key, signature };
        sealed(&encode(&plain), transcript, to, random).unwrap_or_else(|| padding(transcript, random))
    }

    /// Opens one that was sealed to this device and checks its signature; whether the person is a
    /// member is asked elsewhere. `None` for padding and for what is meant for others.
    #[must_use]
    pub fn open(hello: &SealedHello, transcript: &Transcript, mine: &SealingKey) -> Option<StaleHello> {
        let (enc, ct) = hello.0.split_first_chunk::<32>()?;
        let bytes = mine.open_bytes(enc, ct, &transcript.0).ok()?;
        let plain: Plain = decode(&bytes, PLAIN_BYTES).ok()?;
        let signed = signed(transcript, plain.community, &plain.key);
        plain.device.verify(Context::STALE, &signed, &plain.signature).ok()?;
        let key = EpochKey::new(plain.key.0);
        Some(StaleHello { community: plain.community, person: plain.person, device: plain.device, key })
    }
}

/// What stands where there is nothing to say: sealed to a key that nobody has.
#[must_use]
pub fn padding(transcript: &Transcript, random: &mut Random) -> SealedHello {
    let nobody = SealingKey::new(random.bytes()).public();
    sealed(&[0; PLAIN_BYTES], transcript, &nobody, random).unwrap_or(Bytes([0; SEALED_HELLO_BYTES]))
}

/// `None` when the key is none that can be sealed to: a point of small order.
fn sealed(plain: &[u8], transcript: &Transcript, to: &Bytes<32>, random: &mut Random) -> Option<SealedHello> {
    let (enc, ct) = seal_bytes_to(to, plain, &transcript.0, random).ok()?;
    Bytes::try_from([&enc.0[..], &ct].concat().as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_hello_opens_for_its_device_and_connection_only() {
        let here = Transcript::new((b"a", &[1; 32]), (b"b", &[2; 32]));
        let elsewhere = Transcript::new((b"a", &[1; 32]), (b"b", &[3; 32]));
        let (device, mine, other) = (SecretKey::new(&[6; 32]), SealingKey::new([7; 32]), SealingKey::new([8; 32]));
        let mut random = Random::new(&[0; 32]);
        let hello = StaleHello {
            community: CommunityId::new([1; 32]),
            person: PersonId::new([2; 32]),
            device: device.public(),
            key: EpochKey::new([3; 32]),
        };
        let sealed = hello.seal(&here, &device, &mine.public(), &mut random);
        assert_eq!(StaleHello::open(&sealed, &here, &mine), Some(hello.clone()));
        assert_eq!(StaleHello::open(&sealed, &here, &other), None);
        assert_eq!(StaleHello::open(&sealed, &elsewhere, &mine), None);
        assert_eq!(StaleHello::open(&padding(&here, &mut random), &here, &mine), None);
        let stranger = SecretKey::new(&[9; 32]);
        let forged = hello.seal(&here, &stranger, &mine.public(), &mut random);
        assert_eq!(StaleHello::open(&forged, &here, &mine), None, "another device's signature");
        assert_eq!(hello.seal(&here, &device, &Bytes([0; 32]), &mut random).0.len(), SEALED_HELLO_BYTES);
    }
}
