//! Invites: a bearer certificate inside the pasted key, and the join that answers it (section 5).
//!
//! The newcomer proves the invite over their own identity, so a replayed join admits the same
//! person only (I2). Whether an admission stands is decided by [`crate::authority`] (B10).

use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use zeroize::Zeroizing;

use crate::{
    authority::{Grant, Role},
    bytes::{Blob, Bytes, List},
    encoding::{Malformed, V1, decode, encode},
    id::{CertId, CommunityId, Context, PersonId, hash_all},
    key::{PublicKey, SecretKey, Signature},
    limits,
    pasted::{self, PastedRefusal},
    person::{Person, PersonRecord},
    signed::{KeyAndSignature, Payload as _, Signed, Unsound, Verified, payload},
    text::Text,
    time::Millis,
};

/// What every pasted invite key begins with.
pub const PREFIX: &str = "hearth1";

/// `[1, community, inviter, auth, device, invite_pk, role, max_uses, only, not_before, not_after,
/// salt]`, signed by the inviter's device; at most 512 bytes with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct InviteCert {
    /// 1.
    pub version: V1,
    /// Into which community.
    pub community: CommunityId,
    /// Who invites.
    pub inviter: PersonId,
    /// The grant under which they invite.
    pub auth: Grant,
    /// The inviter's device, which signs.
    pub device: PublicKey,
    /// The key whose secret half is in the pasted text.
    pub invite: PublicKey,
    /// Peripheral or member (I1).
    pub role: Role,
    /// Persons that it admits, 1 to 100.
    pub max_uses: u32,
    /// The one person who may admit with it.
    pub only: Option<PersonId>,
    /// From when.
    pub not_before: Millis,
    /// Until when; at most 90 days later.
    pub not_after: Millis,
    /// Makes equal certificates differ.
    pub salt: Bytes<8>,
}

payload!(InviteCert, Context::INVITE, limits::INVITE_CERT_BYTES, |cert| {
    if !matches!(cert.role, Role::Peripheral | Role::Member) {
        return Err("an invite gives the role peripheral or member (I1)");
    }
    if !(1..=limits::INVITE_USES).contains(&cert.max_uses) {
        return Err("an invite has 1 to 100 uses (I1)");
    }
    if cert.not_after <= cert.not_before || cert.not_after.since(cert.not_before) > limits::INVITE_LIFE_MS {
        return Err("an invite lives for 90 days at most (I1)");
    }
    Ok(())
});

impl InviteCert {
    /// The id of a certificate as it came.
    #[must_use]
    pub fn id_of(signed: &Signed) -> CertId {
        signed.id::<InviteCert>().into()
    }
}

/// `[1, community, cert_id|null, PersonRecord, display_name, ts]`, signed by the invite key (where
/// there is a certificate), the identity key and the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Join {
    /// 1.
    pub version: V1,
    /// Into which community.
    pub community: CommunityId,
    /// By which certificate; null: a knock (I7).
    pub cert: Option<CertId>,
    /// Who.
    pub person: PersonRecord,
    /// The name that they show.
    pub name: Text<{ limits::NAME_BYTES }>,
    /// When, as claimed.
    pub ts: Millis,
}

payload!(Join, Context::JOIN, limits::JOIN_BYTES, |_| Ok(()));

/// A join whose person and signatures have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedJoin {
    /// What it says.
    pub join: Join,
    /// The newcomer.
    pub person: Person,
    /// The device that signed.
    pub device: PublicKey,
    /// The bytes it came in.
    pub signed: Signed,
}

impl CheckedJoin {
    /// Checks the person, and that the identity key, one certified device and, with a
    /// certificate, its invite key signed, and nobody else (B10 (8)).
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn check(signed: Signed, cert: Option<&Verified<InviteCert>>) -> Result<CheckedJoin, Unsound> {
        let join = Verified::<Join>::check(signed)?;
        let person = join.value.person.check()?;
        let named = cert.map(|c| CertId::from(c.id()));
        if join.value.cert != named || cert.is_some_and(|c| c.value.community != join.value.community) {
            return Err(Unsound::WrongSigner);
        }
        let signers = &join.signed.signatures;
        let invite = cert.map(|c| c.value.invite);
        let device = signers
            .iter()
            .map(|s| s.0)
            .find(|key| Some(*key) != invite && *key != person.key && person.device(*key).is_some())
            .ok_or(Unsound::WrongSigner)?;
        let wanted = if invite.is_some() { 3 } else { 2 };
        let complete = signers.len() == wanted
            && join.signed.signed_by(person.key)
            && invite.is_none_or(|key| join.signed.signed_by(key));
        if !complete {
            return Err(Unsound::WrongSigner);
        }
        Ok(CheckedJoin { join: join.value, person, device, signed: join.signed })
    }
}

/// Where a member can be found: the peer's binary name and one address in its binary form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint(pub Blob<{ limits::PEER_BYTES }>, pub Blob<{ limits::ADDRESS_BYTES }>);

/// What a newcomer pastes. Whoever holds it can join.
#[derive(Debug, Clone)]
pub struct InviteKey {
    /// Into which community.
    pub community: CommunityId,
    seed: Zeroizing<[u8; 16]>,
    /// The certificate.
    pub cert: Verified<InviteCert>,
    /// Where members can be found.
    pub hints: List<Hint, 1, 4>,
}

/// Why a pasted text is no invite key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteKeyRefusal {
    /// It is no pasted text of ours, or damaged.
    #[error("this is not an invite key: {0}")]
    Text(#[from] PastedRefusal),
    /// The check fits, but what it holds is not a key of this version.
    #[error("the invite key cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// The certificate inside was not made for this community and this key.
    #[error("the certificate in the invite key does not belong to its community")]
    OtherCommunity,
}

impl InviteKeyRefusal {
    /// The name that commands and the API show.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            InviteKeyRefusal::Text(PastedRefusal::Other) => "not_an_invite_key",
            InviteKeyRefusal::Text(PastedRefusal::TooLong { .. }) => "too_long",
            InviteKeyRefusal::Text(PastedRefusal::Damaged) => "damaged_invite_key",
            InviteKeyRefusal::Malformed(_) => "unreadable_invite_key",
            InviteKeyRefusal::OtherCommunity => "other_community",
        }
    }
}

/// The binary form: `[1, community, seed:16, [inviter, auth, device, role, max_uses, only,
/// not_before, not_after, salt, sig], hints]`. What follows from seed and community is left out.
#[derive(Serialize_tuple, Deserialize_tuple)]
struct Packed {
    version: V1,
    community: CommunityId,
    seed: Bytes<16>,
    cert: PackedCert,
    hints: List<Hint, 1, 4>,
}

#[derive(Serialize_tuple, Deserialize_tuple)]
struct PackedCert {
    inviter: PersonId,
    auth: Grant,
    device: PublicKey,
    role: Role,
    max_uses: u32,
    only: Option<PersonId>,
    not_before: Millis,
    not_after: Millis,
    salt: Bytes<8>,
    signature: Signature,
}

/// What an inviter chooses; the rest of a certificate follows.
#[derive(Debug, Clone)]
pub struct InviteTerms {
    /// Peripheral or member.
    pub role: Role,
    /// 1 to 100.
    pub max_uses: u32,
    /// The one person who may admit with it.
    pub only: Option<PersonId>,
    /// From when.
    pub not_before: Millis,
    /// Until when.
    pub not_after: Millis,
}

impl InviteKey {
    /// Makes an invite. `entropy` becomes the secret seed and the salt.
    ///
    /// # Errors
    /// [`Malformed::Field`] when the terms are out of bounds (I1).
    pub fn create(
        community: CommunityId,
        inviter: (PersonId, Grant, &SecretKey),
        terms: &InviteTerms,
        hints: List<Hint, 1, 4>,
        entropy: [u8; 24],
    ) -> Result<InviteKey, Malformed> {
        let (seed, salt) = entropy.split_at(16);
        let seed: [u8; 16] = seed.try_into().map_err(|_| Malformed::WrongShape)?;
        let (person, auth, device) = inviter;
        let cert = InviteCert {
            version: V1,
            community,
            inviter: person,
            auth,
            device: device.public(),
            invite: secret(&seed, community).public(),
            role: terms.role,
            max_uses: terms.max_uses,
            only: terms.only,
            not_before: terms.not_before,
            not_after: terms.not_after,
            salt: Bytes::try_from(salt).map_err(|_| Malformed::WrongShape)?,
        };
        InviteCert::from_canonical(&encode(&cert))?;
        Ok(InviteKey { community, seed: Zeroizing::new(seed), cert: Verified::seal(cert, &[device]), hints })
    }

    /// The text to paste: see [`pasted`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let cert = &self.cert.value;
        let signature = self.cert.signed.signatures.first().map_or(Signature(Bytes([0; 64])), |s| s.1);
        let bytes = encode(&Packed {
            version: V1,
            community: self.community,
            seed: Bytes(*self.seed),
            cert: PackedCert {
                inviter: cert.inviter,
                auth: cert.auth,
                device: cert.device,
                role: cert.role,
                max_uses: cert.max_uses,
                only: cert.only,
                not_before: cert.not_before,
                not_after: cert.not_after,
                salt: cert.salt,
                signature,
            },
            hints: self.hints.clone(),
        });
        pasted::to_text(PREFIX, Context::INVITE_CHECK, &bytes)
    }

    /// Reads a pasted text or a `hearth:` link; white space and capitals are forgiven.
    ///
    /// # Errors
    /// [`InviteKeyRefusal`].
    pub fn from_text(text: &str) -> Result<InviteKey, InviteKeyRefusal> {
        let bytes = pasted::from_text(PREFIX, Context::INVITE_CHECK, text)?;
        let packed: Packed = decode(&bytes, limits::INVITE_KEY_CHARS)?;
        let seed = packed.seed.0;
        let cert = InviteCert {
            version: V1,
            community: packed.community,
            inviter: packed.cert.inviter,
            auth: packed.cert.auth,
            device: packed.cert.device,
            invite: secret(&seed, packed.community).public(),
            role: packed.cert.role,
            max_uses: packed.cert.max_uses,
            only: packed.cert.only,
            not_before: packed.cert.not_before,
            not_after: packed.cert.not_after,
            salt: packed.cert.salt,
        };
        let signed = Signed {
            payload: Blob::new(encode(&cert)).map_err(|_| PastedRefusal::Damaged)?,
            signatures: List::new(vec![KeyAndSignature(cert.device, packed.cert.signature)])
                .map_err(|_| PastedRefusal::Damaged)?,
        };
        let cert = Verified::<InviteCert>::check(signed).map_err(|why| match why {
            Unsound::Malformed(why) => InviteKeyRefusal::Malformed(why),
            Unsound::BadSignature(_) | Unsound::WrongSigner => InviteKeyRefusal::OtherCommunity,
        })?;
        Ok(InviteKey { community: packed.community, seed: Zeroizing::new(seed), cert, hints: packed.hints })
    }

    /// The secret half of the invite.
    #[must_use]
    pub fn secret(&self) -> SecretKey {
        secret(&self.seed, self.community)
    }

    /// Signs a join with it.
    #[must_use]
    pub fn join(
        &self,
        person: PersonRecord,
        name: Text<{ limits::NAME_BYTES }>,
        identity: &SecretKey,
        device: &SecretKey,
        ts: Millis,
    ) -> Signed {
        let join = Join { version: V1, community: self.community, cert: Some(self.cert.id().into()), person, name, ts };
        Signed::seal(&join, &[&self.secret(), identity, device])
    }
}

fn secret(seed: &[u8; 16], community: CommunityId) -> SecretKey {
    SecretKey::new(&Zeroizing::new(hash_all(Context::INVITE_SK, &[seed, community.as_bytes()])))
}
