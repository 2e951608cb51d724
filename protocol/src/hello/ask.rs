//! What somebody asks a member who is not in yet, and what is handed over to them. All of it
//! travels sealed, and nothing is answered until a signature over this very connection holds.

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::{Speaker, Transcript, UNPROVEN};
use crate::{
    bytes::{Blob, Bytes, List},
    encoding::{Malformed, decode, encode},
    epoch::SealedKey,
    id::{CommunityId, Context, OpId, PersonId},
    invite::InviteCert,
    key::{PublicKey, SecretKey, Signature},
    limits,
    person::{Person, PersonRecord},
    signed::Signed,
    text::Text,
};

/// `[genesis, keys]`: what is needed to go on alone in a community. The log is fetched like any
/// other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Handover {
    /// The founding document.
    pub genesis: Signed,
    /// Epoch keys, by the Epoch operation that committed to them; `info` is that operation's id
    /// after the community's.
    pub keys: List<(OpId, SealedKey), 0, { limits::KEYS_HANDED_OVER }>,
}

/// `[cert, join, invite signature over T]`: what a newcomer sends, sealed (7.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct JoinRequest {
    /// The certificate.
    pub cert: Signed,
    /// The join.
    pub join: Signed,
    /// The invite key's signature over the transcript: until it holds, a member stays silent.
    pub invite: Signature,
}

impl JoinRequest {
    /// Signs the transcript with the invite key, and seals.
    #[must_use]
    pub fn seal(
        transcript: &Transcript,
        community: CommunityId,
        cert: Signed,
        join: Signed,
        invite: &SecretKey,
    ) -> Vec<u8> {
        let signature = invite.sign(Context::INVITE_AUTH, &transcript.proved(community, Speaker::Asker));
        transcript.join_key(community).seal(&encode(&JoinRequest { cert, join, invite: signature }), &[])
    }

    /// Opens it, and checks the invite key's signature over this very connection.
    ///
    /// # Errors
    /// [`Malformed`] when it does not open, or the signature does not hold.
    pub fn open(sealed: &[u8], transcript: &Transcript, community: CommunityId) -> Result<JoinRequest, Malformed> {
        let bytes = transcript.join_key(community).open(sealed, &[]).map_err(|_| UNPROVEN)?;
        let request: JoinRequest = decode(&bytes, 16 * 1024)?;
        let cert = request.cert.read::<crate::invite::InviteCert>()?;
        cert.invite
            .verify(Context::INVITE_AUTH, &transcript.proved(community, Speaker::Asker), &request.invite)
            .map_err(|_| UNPROVEN)?;
        Ok(request)
    }
}

/// `[cert, invite signature over T]`: a look before joining (7.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct PreviewRequest {
    /// The certificate.
    pub cert: Signed,
    /// The invite key's signature over the transcript.
    pub invite: Signature,
}

impl PreviewRequest {
    /// Signs the transcript with the invite key, and seals.
    #[must_use]
    pub fn seal(transcript: &Transcript, community: CommunityId, cert: Signed, invite: &SecretKey) -> Vec<u8> {
        let invite = invite.sign(Context::PREVIEW_AUTH, &transcript.proved(community, Speaker::Asker));
        transcript.join_key(community).seal(&encode(&PreviewRequest { cert, invite }), &[])
    }

    /// Opens it, and checks the signature.
    ///
    /// # Errors
    /// [`Malformed`] when it does not open, or the signature does not hold.
    pub fn open(sealed: &[u8], transcript: &Transcript, community: CommunityId) -> Result<PreviewRequest, Malformed> {
        let bytes = transcript.join_key(community).open(sealed, &[]).map_err(|_| UNPROVEN)?;
        let request: PreviewRequest = decode(&bytes, limits::REQUEST_BYTES)?;
        let cert = request.cert.read::<InviteCert>()?;
        cert.invite
            .verify(Context::PREVIEW_AUTH, &transcript.proved(community, Speaker::Asker), &request.invite)
            .map_err(|_| UNPROVEN)?;
        Ok(request)
    }
}

/// `[genesis, charter, members]`: what a holder of an invite sees of a community. The number of
/// members is what the answering member claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Preview {
    /// The founding document.
    pub genesis: Signed,
    /// The newest charter, as a carry.
    pub charter: Option<Blob<{ limits::PREVIEW_BYTES }>>,
    /// How many members there are.
    pub members: u32,
}

/// `[device, kem, Sign(device, "hearth/1/pair-auth", T || kem)]`: a new device asks to be certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct PairRequest {
    /// Its signing key.
    pub device: PublicKey,
    /// Its X25519 key.
    pub kem: Bytes<32>,
    /// Proves that it holds the signing key.
    pub signature: Signature,
}

impl PairRequest {
    /// Signs the transcript with the new device, and seals.
    #[must_use]
    pub fn seal(transcript: &Transcript, secret: &[u8; 16], device: &SecretKey, kem: Bytes<32>) -> Vec<u8> {
        let signature = device.sign(Context::PAIR_AUTH, &[&transcript.0[..], &kem.0].concat());
        let request = PairRequest { device: device.public(), kem, signature };
        transcript.pair_key(secret).seal(&encode(&request), &[])
    }

    /// Opens it, and checks the signature.
    ///
    /// # Errors
    /// [`Malformed`] when it does not open, or the signature does not hold.
    pub fn open(sealed: &[u8], transcript: &Transcript, secret: &[u8; 16]) -> Result<PairRequest, Malformed> {
        let bytes = transcript.pair_key(secret).open(sealed, &[]).map_err(|_| UNPROVEN)?;
        let request: PairRequest = decode(&bytes, 512)?;
        let signed = [&transcript.0[..], &request.kem.0].concat();
        request.device.verify(Context::PAIR_AUTH, &signed, &request.signature).map_err(|_| UNPROVEN)?;
        Ok(request)
    }
}

/// `[record, name, handover]`: what a new device is given: who it is, and the own space. The other
/// communities are told there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Paired {
    /// The person, with the certificate of the new device.
    pub record: PersonRecord,
    /// The name shown.
    pub name: Text<{ limits::NAME_BYTES }>,
    /// The own space.
    pub mine: Handover,
}

/// `[record, Sign(identity key, "hearth/1/restore-auth", T || device)]`: somebody who has the 24
/// words asks where they are a member (D6b). The record certifies the new device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RestoreRequest {
    /// Who.
    pub record: PersonRecord,
    /// The new device.
    pub device: PublicKey,
    /// By the current identity key.
    pub signature: Signature,
}

impl RestoreRequest {
    /// Signs the transcript with the identity key, and seals.
    #[must_use]
    pub fn seal(transcript: &Transcript, record: PersonRecord, device: PublicKey, identity: &SecretKey) -> Vec<u8> {
        let person = record.id();
        let signature = identity.sign(Context::RESTORE_AUTH, &[&transcript.0[..], device.0.as_bytes()].concat());
        transcript.restore_key(person).seal(&encode(&RestoreRequest { record, device, signature }), &[])
    }

    /// Opens it, and checks the person, and the signature by their highest key in it.
    ///
    /// # Errors
    /// [`Malformed`] when it does not open, or does not hold.
    pub fn open(
        sealed: &[u8],
        transcript: &Transcript,
        person: PersonId,
    ) -> Result<(RestoreRequest, Person), Malformed> {
        let bytes = transcript.restore_key(person).open(sealed, &[]).map_err(|_| UNPROVEN)?;
        let request: RestoreRequest = decode(&bytes, limits::PERSON_BYTES.saturating_add(512))?;
        let checked = request.record.check().map_err(|_| UNPROVEN)?;
        let signed = [&transcript.0[..], request.device.0.as_bytes()].concat();
        checked.key.verify(Context::RESTORE_AUTH, &signed, &request.signature).map_err(|_| UNPROVEN)?;
        if checked.id != person || checked.device(request.device).is_none() {
            return Err(UNPROVEN);
        }
        Ok((request, checked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{epoch::SealingKey, person::Ladder, time::Millis};

    fn connection(nonce: u8) -> Transcript {
        Transcript::new((b"a", &[1; 32]), (b"b", &[nonce; 32]))
    }

    #[test]
    fn a_pairing_holds_for_its_secret_and_connection_only() {
        let (device, kem) = (SecretKey::new(&[6; 32]), SealingKey::new([7; 32]).public());
        let sealed = PairRequest::seal(&connection(1), &[5; 16], &device, kem);
        assert_eq!(PairRequest::open(&sealed, &connection(1), &[5; 16]).unwrap().device, device.public());
        assert!(PairRequest::open(&sealed, &connection(1), &[4; 16]).is_err());
        assert!(PairRequest::open(&sealed, &connection(2), &[5; 16]).is_err());
    }

    #[test]
    fn a_restore_holds_for_its_person_and_connection_only() {
        let (ladder, thief) = (Ladder::new([9; 32]), Ladder::new([8; 32]));
        let device = SecretKey::new(&[6; 32]).public();
        let record = || ladder.record(device, SealingKey::new([7; 32]).public(), Millis(1));
        let sealed = RestoreRequest::seal(&connection(1), record(), device, &ladder.key(0));
        assert!(RestoreRequest::open(&sealed, &connection(1), ladder.person()).is_ok());
        assert!(RestoreRequest::open(&sealed, &connection(2), ladder.person()).is_err());
        assert!(RestoreRequest::open(&sealed, &connection(1), thief.person()).is_err());
        let forged = RestoreRequest::seal(&connection(1), record(), device, &thief.key(0));
        assert!(RestoreRequest::open(&forged, &connection(1), ladder.person()).is_err());
    }
}
