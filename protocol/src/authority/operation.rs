//! Operations: the signed steps of a community's authority log (4.1).

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::role::Role;
use crate::{
    bytes::{Bytes, List},
    encoding::{Malformed, Nothing, V1, decode_element, elements, encode},
    epoch::Scope,
    id::{CertId, CommunityId, Context, EnvelopeId, ItemId, OpId, PersonId},
    key::PublicKey,
    limits,
    link::LinkTerms,
    signed::{Payload, Signed},
    text::Text,
    time::Millis,
};

/// The grant under which an author acts: `OpId | Gen(i) | ROOT`, written as the id's bytes, the
/// founder's number, or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// At least t founders together (G3).
    Root,
    /// The founder of this number, in the order of the genesis.
    Founder(u8),
    /// A Rule or an Admit.
    Op(OpId),
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Grant::Root => serializer.serialize_none(),
            Grant::Founder(number) => serializer.serialize_u8(*number),
            Grant::Op(id) => id.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Grant;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("null, a founder's number or an operation's id")
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Grant, E> {
                Ok(Grant::Root)
            }
            fn visit_none<E: serde::de::Error>(self) -> Result<Grant, E> {
                Ok(Grant::Root)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Grant, E> {
                match u8::try_from(number) {
                    Ok(number) if usize::from(number) < limits::FOUNDERS => Ok(Grant::Founder(number)),
                    _ => Err(E::custom("no such founder")),
                }
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Grant, E> {
                Bytes::try_from(bytes).map(|id| Grant::Op(OpId(id))).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Whom a ruling is on: a known person, or a newcomer with their join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person.
    Person(PersonId),
    /// A Join, which names and proves the person (I7).
    Join(Signed),
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Subject::Person(person) => person.serialize(serializer),
            Subject::Join(join) => join.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Subject;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a person or a join")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Subject, E> {
                Bytes::try_from(bytes).map(|id| Subject::Person(PersonId(id))).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Subject, A::Error> {
                let payload = seq.next_element()?.ok_or_else(|| A::Error::custom("no payload"))?;
                let signatures = seq.next_element()?.ok_or_else(|| A::Error::custom("no signatures"))?;
                Ok(Subject::Join(Signed { payload, signatures }))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// `[device, scope, seq, item_id]`: the last item of a chain that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEnd(pub PublicKey, pub Scope, pub u32, pub ItemId);

/// `[link_id, device, seq, env_id]`: the last envelope of a broker's chain that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCut(pub OpId, pub PublicKey, pub u32, pub EnvelopeId);

/// Admits, promotes, demotes or removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Rule {
    /// On whom.
    pub subjects: List<Subject, 1, { limits::SUBJECTS }>,
    /// The role that it gives.
    pub role: Role,
    /// Whether it only confirms: a grant that bears on nothing (B14).
    pub vouch: bool,
    /// What of the subjects' doing stands; null: all that the ruler had seen (B6).
    pub cut: Option<List<OpId, 1, { limits::PARENTS }>>,
    /// Where the subjects' chains of items end.
    pub feeds: List<FeedEnd, 0, { limits::FEEDS }>,
    /// Where the subjects' chains of envelopes end.
    pub links: List<LinkCut, 0, 16>,
    /// Why.
    pub reason: Text<{ limits::REASON_BYTES }>,
}

/// What a person says of their own keys (section 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Keys {
    /// Rungs revealed.
    pub reveals: List<Signed, 0, { limits::LADDER }>,
    /// Devices certified.
    pub devices: List<Signed, 0, { limits::DEVICES }>,
    /// Devices revoked.
    pub revoked: List<PublicKey, 0, { limits::DEVICES }>,
    /// What the revoked devices and lower rungs signed that stands; null: all that was seen.
    pub cut: Option<List<OpId, 1, { limits::PARENTS }>>,
    /// Where the revoked devices' chains of items end.
    pub feeds: List<FeedEnd, 0, { limits::FEEDS }>,
}

/// Opens an epoch (E2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Epoch {
    /// Whom it is for.
    pub scope: Scope,
    /// The commitment to its key.
    pub commit: Bytes<32>,
    /// The name of the blob of sealed keys; null above the blob's bound.
    pub sealed: Option<Bytes<32>>,
}

/// Ends a link, with the last envelopes that stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct LinkEnd {
    /// Which link.
    pub link: OpId,
    /// `[device, seq, env_id]` of each broker's device.
    pub cuts: List<(PublicKey, u32, EnvelopeId), 0, 16>,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// 1.
    Rule(Rule),
    /// 2: `[cert, join]`.
    Admit(Signed, Signed),
    /// 3.
    Leave,
    /// 4.
    InviteEnd(CertId),
    /// 5: key and value.
    Policy(u16, u32),
    /// 6.
    Keys(Keys),
    /// 7.
    Epoch(Epoch),
    /// 8.
    Link(LinkTerms),
    /// 9.
    LinkEnd(LinkEnd),
    /// 10: the community that follows this one.
    Succeed(CommunityId),
    /// 11: joins heads.
    Merge,
    /// 64 to 127: of a later version; kept, inert, valid as a parent.
    Later(u8),
}

impl Body {
    /// The number of its kind.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Body::Rule(_) => 1,
            Body::Admit(..) => 2,
            Body::Leave => 3,
            Body::InviteEnd(_) => 4,
            Body::Policy(..) => 5,
            Body::Keys(_) => 6,
            Body::Epoch(_) => 7,
            Body::Link(_) => 8,
            Body::LinkEnd(_) => 9,
            Body::Succeed(_) => 10,
            Body::Merge => 11,
            Body::Later(kind) => *kind,
        }
    }

    /// The word for its kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Body::Rule(_) => "rule",
            Body::Admit(..) => "admit",
            Body::Leave => "leave",
            Body::InviteEnd(_) => "invite_end",
            Body::Policy(..) => "policy",
            Body::Keys(_) => "keys",
            Body::Epoch(_) => "epoch",
            Body::Link(_) => "link",
            Body::LinkEnd(_) => "link_end",
            Body::Succeed(_) => "succeed",
            Body::Merge => "merge",
            Body::Later(_) => "later",
        }
    }

    fn read(kind: u8, bytes: &[u8]) -> Result<Body, Malformed> {
        Ok(match kind {
            1 => Body::Rule(decode_element(bytes)?),
            2 => {
                let (cert, join) = decode_element(bytes)?;
                Body::Admit(cert, join)
            }
            3 => decode_element::<Nothing>(bytes).map(|_| Body::Leave)?,
            4 => Body::InviteEnd(decode_element::<(CertId,)>(bytes)?.0),
            5 => {
                let (key, value) = decode_element(bytes)?;
                Body::Policy(key, value)
            }
            6 => Body::Keys(decode_element(bytes)?),
            7 => Body::Epoch(decode_element(bytes)?),
            8 => Body::Link(decode_element(bytes)?),
            9 => Body::LinkEnd(decode_element(bytes)?),
            10 => Body::Succeed(decode_element::<(CommunityId,)>(bytes)?.0),
            11 => decode_element::<Nothing>(bytes).map(|_| Body::Merge)?,
            64..=127 => Body::Later(kind),
            _ => return Err(Malformed::NEWER),
        })
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Body::Rule(body) => encode(body),
            Body::Admit(cert, join) => encode(&(cert, join)),
            Body::Leave | Body::Merge | Body::Later(_) => encode(&Nothing),
            Body::InviteEnd(cert) => encode(&(cert,)),
            Body::Policy(key, value) => encode(&(key, value)),
            Body::Keys(body) => encode(body),
            Body::Epoch(body) => encode(body),
            Body::Link(body) => encode(body),
            Body::LinkEnd(body) => encode(body),
            Body::Succeed(community) => encode(&(community,)),
        }
    }
}

/// `[1, community, author, auth, device, lamport, ts, parents, kind, body]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Whose log.
    pub community: CommunityId,
    /// Who acts; of a ROOT act, the lowest founder who signed.
    pub author: PersonId,
    /// Under which grant.
    pub auth: Grant,
    /// The device that signs.
    pub device: PublicKey,
    /// One more than the highest of the parents'.
    pub lamport: u32,
    /// When, as claimed; never decides a conflict.
    pub ts: Millis,
    /// The heads that the author had seen, ascending.
    pub parents: List<OpId, 1, { limits::PARENTS }>,
    /// What it does.
    pub body: Body,
}

impl crate::signed::sealed::Ours for Operation {}

impl Payload for Operation {
    const CONTEXT: Context = Context::OP;
    const LIMIT: usize = limits::OPERATION_BYTES;

    fn from_canonical(bytes: &[u8]) -> Result<Self, Malformed> {
        let [version, community, author, auth, device, lamport, ts, parents, kind, body] =
            elements(bytes, Self::LIMIT)?;
        decode_element::<V1>(version)?;
        let parents: List<OpId, 1, { limits::PARENTS }> = decode_element(parents)?;
        if !parents.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::Field("parents are not ascending"));
        }
        Ok(Operation {
            community: decode_element(community)?,
            author: decode_element(author)?,
            auth: decode_element(auth)?,
            device: decode_element(device)?,
            lamport: decode_element(lamport)?,
            ts: decode_element(ts)?,
            parents,
            body: Body::read(decode_element(kind)?, body)?,
        })
    }

    fn to_canonical(&self) -> Vec<u8> {
        let head = (
            V1,
            self.community,
            self.author,
            self.auth,
            self.device,
            self.lamport,
            self.ts,
            &self.parents,
            self.body.kind(),
        );
        let mut bytes = encode(&head);
        // The head was written as an array of nine; the body is its tenth element.
        if let Some(first) = bytes.first_mut() {
            *first = 0x8a;
        }
        bytes.extend_from_slice(&self.body.write());
        bytes
    }
}
