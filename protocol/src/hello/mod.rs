//! The handshake by which two nodes find out which communities they share, and prove who they
//! are in each (section 7): the transcript, the padded tags and the proofs of 7.1 and 7.2.
//!
//! `stale` is for members who share no current key (7.4); `ask` is what somebody asks who is not
//! in yet: to join or look (7.3), to be one more device (D4), to come back with 24 words (D6b).

mod ask;
mod stale;

pub use ask::{Handover, JoinRequest, PairRequest, Paired, Preview, PreviewRequest, RestoreRequest};
pub use stale::{SEALED_HELLO_BYTES, SealedHello, StaleHello, padding};

use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subtle::ConstantTimeEq as _;

use crate::{
    bytes::Bytes,
    encoding::{Malformed, decode, encode},
    epoch::{EpochKey, first},
    id::{CommunityId, Context, PersonId, hash_all},
    key::{PublicKey, SecretKey, Signature},
};

const UNPROVEN: Malformed = Malformed::Field("what is shown is not proven");

/// `T`: what both sides have seen of one connection. Names both ends, so a man in the middle has
/// another one; holds both nonces, so nothing can be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transcript([u8; 32]);

/// Who speaks: the direction keeps a tag or proof from being mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The end that asks.
    Asker,
    /// The end that answers.
    Answerer,
}

impl Speaker {
    fn byte(self) -> u8 {
        match self {
            Speaker::Asker => 0,
            Speaker::Answerer => 1,
        }
    }
}

impl Transcript {
    /// `H("hearth/1/hello", lo_peer || hi_peer || nonce_lo || nonce_hi)`, each peer's name led by
    /// its length.
    #[must_use]
    pub fn new(mine: (&[u8], &[u8; 32]), theirs: (&[u8], &[u8; 32])) -> Transcript {
        let (lo, hi) = if mine.0 <= theirs.0 { (mine, theirs) } else { (theirs, mine) };
        let length = |name: &[u8]| u8::try_from(name.len()).unwrap_or(u8::MAX);
        Transcript(hash_all(Context::HELLO, &[&[length(lo.0)], lo.0, &[length(hi.0)], hi.0, lo.1, hi.1]))
    }

    /// The mark of a community of whose epoch `key` is, as `speaker` shows it.
    #[must_use]
    pub fn tag(&self, key: &EpochKey, speaker: Speaker) -> Bytes<16> {
        Bytes(first(&hash_all(Context::HELLO_TAG, &[key.as_bytes(), &self.0, &[speaker.byte()]])))
    }

    /// The mark under which somebody asks to join `community`.
    #[must_use]
    pub fn join_tag(&self, community: CommunityId) -> Bytes<16> {
        Bytes(first(&hash_all(Context::JOIN, &[community.as_bytes(), &self.0])))
    }

    /// The key of what is said inside, to those who share the epoch.
    #[must_use]
    pub fn inner_key(&self, key: &EpochKey) -> EpochKey {
        EpochKey::new(hash_all(Context::HELLO_KEY, &[key.as_bytes(), &self.0]))
    }

    /// The key under which a join travels, to those who know the community's id.
    #[must_use]
    pub fn join_key(&self, community: CommunityId) -> EpochKey {
        EpochKey::new(hash_all(Context::JOIN_SEAL, &[community.as_bytes(), &self.0]))
    }

    /// The mark of a new device that holds a pairing code's secret.
    #[must_use]
    pub fn pair_tag(&self, secret: &[u8; 16]) -> Bytes<16> {
        Bytes(first(&hash_all(Context::PAIR, &[secret, &self.0])))
    }

    /// The key under which a pairing travels, to those who know the code's secret.
    #[must_use]
    pub fn pair_key(&self, secret: &[u8; 16]) -> EpochKey {
        EpochKey::new(hash_all(Context::PAIR_SEAL, &[secret, &self.0]))
    }

    /// The mark of somebody who comes back with their words.
    #[must_use]
    pub fn restore_tag(&self, person: PersonId) -> Bytes<16> {
        Bytes(first(&hash_all(Context::RESTORE, &[person.as_bytes(), &self.0])))
    }

    /// The key under which a restore travels, to those who know the person.
    #[must_use]
    pub fn restore_key(&self, person: PersonId) -> EpochKey {
        EpochKey::new(hash_all(Context::RESTORE_SEAL, &[person.as_bytes(), &self.0]))
    }

    fn proved(&self, community: CommunityId, speaker: Speaker) -> Vec<u8> {
        [&self.0[..], community.as_bytes(), &[speaker.byte()]].concat()
    }
}

/// Whether two tags are equal, in constant time.
#[must_use]
pub fn same_tag(a: &Bytes<16>, b: &Bytes<16>) -> bool {
    a.0.ct_eq(&b.0).into()
}

/// `[PersonId, device, Sign(device, "hearth/1/auth", T || community || direction)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Proof {
    /// Who says so.
    pub person: PersonId,
    /// With which device.
    pub device: PublicKey,
    /// The device's signature over the transcript.
    pub signature: Signature,
}

impl Proof {
    /// Proves this device for `community`, sealed under the inner key.
    #[must_use]
    pub fn seal(
        transcript: &Transcript,
        community: CommunityId,
        key: &EpochKey,
        speaker: Speaker,
        person: PersonId,
        device: &SecretKey,
    ) -> Vec<u8> {
        let signature = device.sign(Context::AUTH, &transcript.proved(community, speaker));
        let proof = Proof { person, device: device.public(), signature };
        transcript.inner_key(key).seal(&encode(&proof), &[])
    }

    /// Opens and checks a proof; whether the person has a role is asked elsewhere.
    ///
    /// # Errors
    /// [`Malformed::Field`] when it does not open or the signature does not hold.
    pub fn open(
        sealed: &[u8],
        transcript: &Transcript,
        community: CommunityId,
        key: &EpochKey,
        speaker: Speaker,
    ) -> Result<Proof, Malformed> {
        let bytes = transcript.inner_key(key).open(sealed, &[]).map_err(|_| UNPROVEN)?;
        let proof: Proof = decode(&bytes, 256)?;
        proof
            .device
            .verify(Context::AUTH, &transcript.proved(community, speaker), &proof.signature)
            .map_err(|_| UNPROVEN)?;
        Ok(proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_have_the_same_transcript_and_another_connection_has_another() {
        let (a, b) = ((&b"peer a"[..], &[1; 32]), (&b"peer b"[..], &[2; 32]));
        assert_eq!(Transcript::new(a, b), Transcript::new(b, a));
        assert_ne!(Transcript::new(a, b), Transcript::new(a, (b.0, &[3; 32])));
        assert_ne!(Transcript::new(a, b), Transcript::new(a, (b"peer c", b.1)));
    }

    #[test]
    fn a_tag_never_verifies_in_the_other_direction() {
        let transcript = Transcript::new((b"a", &[1; 32]), (b"b", &[2; 32]));
        let key = EpochKey::new([5; 32]);
        assert!(!same_tag(&transcript.tag(&key, Speaker::Asker), &transcript.tag(&key, Speaker::Answerer)), "P20");
        assert!(same_tag(&transcript.tag(&key, Speaker::Asker), &transcript.tag(&key, Speaker::Asker)));
    }

    #[test]
    fn a_proof_holds_for_its_connection_community_and_direction_only() {
        let transcript = Transcript::new((b"a", &[1; 32]), (b"b", &[2; 32]));
        let other = Transcript::new((b"a", &[1; 32]), (b"c", &[2; 32]));
        let (key, device, person) = (EpochKey::new([5; 32]), SecretKey::new(&[6; 32]), PersonId::new([7; 32]));
        let (garden, library) = (CommunityId::new([8; 32]), CommunityId::new([9; 32]));
        let sealed = Proof::seal(&transcript, garden, &key, Speaker::Asker, person, &device);
        assert_eq!(Proof::open(&sealed, &transcript, garden, &key, Speaker::Asker).unwrap().person, person);
        assert!(Proof::open(&sealed, &transcript, garden, &key, Speaker::Answerer).is_err());
        assert!(Proof::open(&sealed, &transcript, library, &key, Speaker::Asker).is_err());
        assert!(Proof::open(&sealed, &other, garden, &key, Speaker::Asker).is_err());
    }
}
