//! Frames of the exchange protocol, `/hearth/0/exchange`: one request, one response.
//!
//! A community is named by the tag that the asker showed for it in the handshake, never by its
//! id. Whoever asks what they may not know gets [`Response::Refused`] with the same bytes as one
//! who asks for what does not exist.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeTuple as _,
};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::{
    bytes::{Blob, Bytes, List},
    encoding::{Malformed, decode, encode},
    epoch::{EpochBlob, Scope, SealedKey},
    hello::{Handover, SealedHello},
    id::{CommunityId, OpId},
    limits,
    signed::Signed,
    text::Text,
};

pub use crate::reconcile::{Fingerprint, Place, ShortId};

/// Cells of a sketch, [`crate::reconcile::CELL_BYTES`] each.
pub type CellBytes = Blob<{ limits::CELLS * crate::reconcile::CELL_BYTES }>;

/// A community, as the asker's tag names it on this connection.
pub type CommunityTag = Bytes<16>;
/// Any 32-byte id.
pub type AnyId = Bytes<32>;

/// What can be compared and fetched of a community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetName {
    /// Operations of its log: 0.
    Operations,
    /// Items written in it for all (E1, scope 0): 1.
    Items,
    /// Envelopes of items that came from elsewhere: 2.
    Envelopes,
    /// Proof bundles; fetched by name, never listed: 3.
    Bundles,
    /// Blobs of sealed epoch keys; fetched by name, never listed: 4.
    Blobs,
    /// Items written in it for the inner circle (E1, scope 1): 5. Asked of nobody who may not have any, and of nobody
    /// where there are none: older nodes cannot read it.
    Inner,
}

impl SetName {
    const ALL: [SetName; 6] =
        [SetName::Operations, SetName::Items, SetName::Envelopes, SetName::Bundles, SetName::Blobs, SetName::Inner];
    /// The sets that are compared, in this order.
    pub const COMPARED: [SetName; 4] = [SetName::Operations, SetName::Items, SetName::Envelopes, SetName::Inner];

    /// The set that items of a scope are in.
    #[must_use]
    pub fn of(scope: Scope) -> SetName {
        match scope {
            Scope::All => SetName::Items,
            Scope::Inner => SetName::Inner,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl Serialize for SetName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for SetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        SetName::ALL.get(usize::from(number)).copied().ok_or_else(|| D::Error::custom("no such set"))
    }
}

/// One thing of a set, as it travels.
pub type Thing = Blob<{ 512 * 1024 }>;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// 0: my nonce (7.1).
    Hello(Bytes<32>),
    /// 1: my tags, always 64, most of them random (7.2); and always 4 sealed hellos, most of them
    /// padding (7.4).
    Tags(Vec<Bytes<16>>, Vec<SealedHello>),
    /// 2: my sealed proof for this community.
    Prove(CommunityTag, Blob<512>),
    /// 3: a sealed [`crate::hello::JoinRequest`] under a join tag.
    Join(CommunityTag, Blob<{ 16 * 1024 }>),
    /// 4: my set's fingerprint; tell me yours, and your ids after this one if they differ. How older
    /// nodes compare.
    Ids(CommunityTag, SetName, Fingerprint, Option<AnyId>),
    /// 5: send me these.
    Fetch(CommunityTag, SetName, Vec<AnyId>),
    /// 6: signed address lists of members that I know; tell me yours.
    Addresses(CommunityTag, Vec<Blob<{ limits::ADDRESS_LIST_BYTES }>>),
    /// 7: the keys of these epochs, sealed to the device that I have proven (E5).
    Keys(CommunityTag, Vec<OpId>),
    /// 8: a sealed [`crate::hello::PreviewRequest`] under a join tag.
    Preview(CommunityTag, Blob<2048>),
    /// 9: a sealed [`crate::hello::PairRequest`] under a pairing tag.
    Pair(Bytes<16>, Blob<512>),
    /// 10: a sealed [`crate::hello::RestoreRequest`] under a restore tag.
    Restore(Bytes<16>, Blob<{ 8 * 1024 }>),
    /// 11: the communities of the person whose own space this is, but for those that I know.
    Communities(CommunityTag, Vec<CommunityId>),
    /// 12: the fingerprints of my sets; tell me yours, and of each that differs, from this cell on, so many.
    Compare(CommunityTag, Vec<(SetName, Fingerprint)>, u16, u16),
    /// 13: send me these of a set, and know that I have those.
    Bring(CommunityTag, SetName, Vec<ShortId>, Vec<ShortId>),
    /// 14: the fingerprint of each period of a set.
    Periods(CommunityTag, SetName),
    /// 15: the ids of a period of a set, those beyond this place.
    List(CommunityTag, SetName, u64, Option<Place>),
    /// 16: all of a period of a set, what is beyond this place.
    Take(CommunityTag, SetName, u64, Option<Place>),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// 0.
    Hello(Bytes<32>),
    /// 1.
    Tags(Vec<Bytes<16>>),
    /// 2.
    Prove(Blob<512>),
    /// 3: a sealed [`Admission`].
    Join(Blob<{ 64 * 1024 }>),
    /// 4: my fingerprint, a page of ids, whether more follow.
    Ids(Fingerprint, Vec<AnyId>, bool),
    /// 5: of which set, and those of the wanted that I have and that fit, in the order asked.
    Fetch(SetName, Vec<Thing>),
    /// 6.
    Addresses(Vec<Blob<{ limits::ADDRESS_LIST_BYTES }>>),
    /// 7: no, with the refusal's name.
    Refused(Text<64>),
    /// 8: those of the wanted keys that I have and may give.
    Keys(Vec<(OpId, SealedKey)>),
    /// 9: a sealed [`crate::hello::Preview`].
    Preview(Blob<{ limits::PREVIEW_BYTES }>),
    /// 10: a sealed [`crate::hello::Paired`].
    Pair(Blob<{ 64 * 1024 }>),
    /// 11: sealed [`Handover`]s, at most 16.
    Restore(Blob<{ limits::HANDOVERS_BYTES }>),
    /// 12: handovers, the keys sealed to the asking device.
    Communities(Vec<Handover>),
    /// 13: for each set that was asked about, its fingerprint and, where they differ, its cells.
    Compare(Vec<(Fingerprint, CellBytes)>),
    /// 14: the periods of a set that are not empty, in rising order.
    Periods(Vec<(u64, Fingerprint)>),
    /// 15: a page of ids, and the place of the last one, if more follow.
    List(Vec<ShortId>, Option<Place>),
    /// 16: of which set, a page of it, and the place of the last one, if more follow.
    Take(SetName, Vec<Thing>, Option<Place>),
}

/// `[genesis, admit, keys]`: what a member hands over with an admission (I3). The log itself is
/// fetched like any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Admission {
    /// The founding document.
    pub genesis: Signed,
    /// The Admit operation.
    pub admit: OpId,
    /// Epoch keys, by the Epoch operation that committed to them.
    pub keys: List<(OpId, SealedKey), 0, { limits::KEYS_HANDED_OVER }>,
}

macro_rules! frames {
    ($type:ident { $($number:literal => $variant:ident($($field:ident : $bound:ty),*);)+ }) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {$(
                    $type::$variant($($field),*) => {
                        let mut seq = serializer.serialize_tuple([$(stringify!($field)),*].len().saturating_add(1))?;
                        seq.serialize_element(&($number as u8))?;
                        $(seq.serialize_element($field)?;)*
                        seq.end()
                    }
                )+}
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Frame;
                impl<'de> Visitor<'de> for Frame {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a frame")
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<$type, A::Error> {
                        let missing = || A::Error::custom("too few fields");
                        match seq.next_element::<u8>()?.ok_or_else(missing)? {
                            $($number => Ok($type::$variant($({
                                let field: $bound = seq.next_element()?.ok_or_else(missing)?;
                                field.into()
                            }),*)),)+
                            _ => Err(A::Error::custom("no such frame")),
                        }
                    }
                }
                deserializer.deserialize_seq(Frame)
            }
        }
    };
}

impl<T, const MIN: usize, const MAX: usize> From<List<T, MIN, MAX>> for Vec<T> {
    fn from(list: List<T, MIN, MAX>) -> Vec<T> {
        list.into_vec()
    }
}

frames!(Request {
    0 => Hello(nonce: Bytes<32>);
    1 => Tags(
        tags: List<Bytes<16>, { limits::HELLO_TAGS }, { limits::HELLO_TAGS }>,
        hellos: List<SealedHello, { limits::SEALED_HELLOS }, { limits::SEALED_HELLOS }>
    );
    2 => Prove(tag: Bytes<16>, proof: Blob<512>);
    3 => Join(tag: Bytes<16>, request: Blob<{ 16 * 1024 }>);
    4 => Ids(tag: Bytes<16>, set: SetName, fingerprint: Fingerprint, after: Option<AnyId>);
    5 => Fetch(tag: Bytes<16>, set: SetName, ids: List<AnyId, 1, { limits::FETCH }>);
    6 => Addresses(tag: Bytes<16>, lists: List<Blob<{ limits::ADDRESS_LIST_BYTES }>, 0, { limits::ADDRESS_LISTS }>);
    7 => Keys(tag: Bytes<16>, epochs: List<OpId, 1, { limits::KEYS_HANDED_OVER }>);
    8 => Preview(tag: Bytes<16>, request: Blob<2048>);
    9 => Pair(tag: Bytes<16>, request: Blob<512>);
    10 => Restore(tag: Bytes<16>, request: Blob<{ 8 * 1024 }>);
    11 => Communities(tag: Bytes<16>, known: List<CommunityId, 0, { limits::COMMUNITIES }>);
    12 => Compare(
        tag: Bytes<16>, sets: List<(SetName, Fingerprint), 1, { SetName::COMPARED.len() }>, from: u16, cells: u16
    );
    13 => Bring(
        tag: Bytes<16>, set: SetName, wanted: List<ShortId, 0, { limits::FETCH }>,
        offered: List<ShortId, 0, { limits::FETCH }>
    );
    14 => Periods(tag: Bytes<16>, set: SetName);
    15 => List(tag: Bytes<16>, set: SetName, period: u64, after: Option<Place>);
    16 => Take(tag: Bytes<16>, set: SetName, period: u64, after: Option<Place>);
});

frames!(Response {
    0 => Hello(nonce: Bytes<32>);
    1 => Tags(tags: List<Bytes<16>, { limits::HELLO_TAGS }, { limits::HELLO_TAGS }>);
    2 => Prove(proof: Blob<512>);
    3 => Join(admission: Blob<{ 64 * 1024 }>);
    4 => Ids(fingerprint: Fingerprint, ids: List<AnyId, 0, { limits::IDS_PER_PAGE }>, more: bool);
    5 => Fetch(set: SetName, things: List<Blob<{ 512 * 1024 }>, 0, { limits::FETCH }>);
    6 => Addresses(lists: List<Blob<{ limits::ADDRESS_LIST_BYTES }>, 0, { limits::ADDRESS_LISTS }>);
    7 => Refused(name: Text<64>);
    8 => Keys(keys: List<(OpId, SealedKey), 0, { limits::KEYS_HANDED_OVER }>);
    9 => Preview(preview: Blob<{ limits::PREVIEW_BYTES }>);
    10 => Pair(paired: Blob<{ 64 * 1024 }>);
    11 => Restore(handovers: Blob<{ limits::HANDOVERS_BYTES }>);
    12 => Communities(handovers: List<Handover, 0, { limits::COMMUNITIES }>);
    13 => Compare(sets: List<(Fingerprint, CellBytes), 1, { SetName::COMPARED.len() }>);
    14 => Periods(periods: List<(u64, Fingerprint), 0, { limits::PERIODS }>);
    15 => List(ids: List<ShortId, 0, { limits::IDS_PER_PAGE }>, next: Option<Place>);
    16 => Take(set: SetName, things: List<Blob<{ 512 * 1024 }>, 0, { limits::FETCH }>, next: Option<Place>);
});

impl Request {
    /// Whether it finds out what differs, or fetches it.
    #[must_use]
    pub fn compares(&self) -> bool {
        use Request::{Bring, Compare, Fetch, Ids, List, Periods, Take};
        matches!(self, Ids(..) | Fetch(..) | Compare(..) | Bring(..) | Periods(..) | List(..) | Take(..))
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Request, Malformed> {
        decode(bytes, limits::REQUEST_BYTES)
    }
}

impl Response {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Response, Malformed> {
        decode(bytes, limits::RESPONSE_BYTES)
    }
}

/// What gossip carries, inside the seal: `[0, operation]`, `[1, carry]` or `[2, operation, blob]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gossip {
    /// An operation.
    Operation(Signed),
    /// An item, perhaps without its body.
    Carry(Box<crate::link::Carry>),
    /// An Epoch, with the blob of its sealed keys, so that nobody has to ask for theirs.
    Epoch(Signed, EpochBlob),
}

impl Serialize for Gossip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Gossip::Operation(signed) => (0u8, signed).serialize(serializer),
            Gossip::Carry(carry) => (1u8, carry).serialize(serializer),
            Gossip::Epoch(signed, blob) => (2u8, signed, blob).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Gossip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Frame;
        impl<'de> Visitor<'de> for Frame {
            type Value = Gossip;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a gossip frame")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Gossip, A::Error> {
                let missing = || A::Error::custom("too few fields");
                match seq.next_element::<u8>()?.ok_or_else(missing)? {
                    0 => seq.next_element()?.map(Gossip::Operation).ok_or_else(missing),
                    1 => seq.next_element()?.map(Gossip::Carry).ok_or_else(missing),
                    2 => {
                        let operation = seq.next_element()?.ok_or_else(missing)?;
                        Ok(Gossip::Epoch(operation, seq.next_element()?.ok_or_else(missing)?))
                    }
                    _ => Err(A::Error::custom("no such frame")),
                }
            }
        }
        deserializer.deserialize_seq(Frame)
    }
}

impl Gossip {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Gossip, Malformed> {
        decode(bytes, limits::GOSSIP_BYTES)
    }
}
