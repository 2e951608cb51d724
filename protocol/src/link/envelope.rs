//! Envelopes and carries: what a broker signs, and what crosses the wire (8.3).

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::Crossing;
use crate::{
    bytes::{Blob, List},
    encoding::{Malformed, V1, decode, encode},
    id::{BundleHash, CommunityId, Context, EnvelopeId, ItemId, OpId, PersonId},
    item::{Item, Kind, SignedItem},
    key::PublicKey,
    limits,
    person::PersonRecord,
    signed::{Signed, payload},
    text::Text,
    time::Millis,
};

/// A broker's signed wrapping of one item, for one crossing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Envelope {
    /// 1.
    pub version: V1,
    /// What is carried.
    pub item: ItemId,
    /// The community it leaves.
    pub from: CommunityId,
    /// The community it enters.
    pub to: CommunityId,
    /// The link in `from`'s log.
    pub out_link: OpId,
    /// The link in `to`'s log.
    pub in_link: OpId,
    /// Borders crossed, this one included.
    pub hop: u8,
    /// The envelope by which it came to `from`; null at the first border.
    pub prev: Option<EnvelopeId>,
    /// This device's count of envelopes from `from` to `to`, from 0.
    pub seq: u32,
    /// This device's envelope before this one on the same way.
    pub prev_by_device: Option<EnvelopeId>,
    /// When, as claimed.
    pub ts: Millis,
    /// The proof that `from` allows it.
    pub proof: BundleHash,
    /// Who carries.
    pub broker: PersonId,
    /// The broker's device, which signs.
    pub device: PublicKey,
    /// Heads of `to`'s log that the broker had seen.
    pub heads: List<OpId, 1, { limits::HEADS }>,
    /// Why it matters on the other side.
    pub note: Text<{ limits::NOTE_BYTES }>,
    /// What it says, in the other side's terms.
    pub summary: Option<Text<{ limits::SUMMARY_BYTES }>>,
    /// The other side's tags for it.
    pub tags: List<Text<{ limits::TAG_BYTES }>, 0, { limits::TAGS }>,
}

payload!(Envelope, Context::ENVELOPE, limits::ENVELOPE_BYTES, |envelope| {
    if !(1..=limits::HOPS).contains(&envelope.hop) {
        return Err("an envelope's hop is 1 to 3");
    }
    if (envelope.hop == 1) != envelope.prev.is_none() {
        return Err("the first border has no envelope before it, and only the first");
    }
    if (envelope.seq == 0) != envelope.prev_by_device.is_none() {
        return Err("the first envelope of a device has none before it, and only the first");
    }
    if envelope.from == envelope.to {
        return Err("an envelope leads into another community");
    }
    if !envelope.heads.is_sorted_by(|a, b| a < b) {
        return Err("heads are not ascending");
    }
    Ok(())
});

impl Envelope {
    /// The crossing that it says it is, of an item that links judge by this kind.
    #[must_use]
    pub fn crossing<'a>(&self, item: &'a Item, kind: Kind) -> Crossing<'a> {
        Crossing {
            item,
            kind,
            from: self.from,
            to: self.to,
            out_link: self.out_link,
            in_link: self.in_link,
            hop: self.hop,
            ts: self.ts,
            broker: self.broker,
            device: self.device,
        }
    }
}

/// `[1, item, salted body|null, envelope|null, bundle hash|null, PersonRecord|null]`: one item on
/// its way, with what its receiver needs. The record is the author's, where the receiver cannot
/// know the device from its log: for relayed items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Carry {
    /// 1.
    pub version: V1,
    /// The header and the author's signature.
    pub item: SignedItem,
    /// `salt:16 || body`; null when only the header is announced, or the body was erased.
    pub body: Option<Blob<{ 16 + limits::BODY_BYTES }>>,
    /// The envelope of a relayed item.
    pub envelope: Option<Signed>,
    /// The proof of that envelope, to be fetched by this name.
    pub bundle: Option<BundleHash>,
    /// The author.
    pub person: Option<PersonRecord>,
}

impl Carry {
    /// Most bytes of a carry.
    pub const LIMIT: usize =
        limits::BODY_BYTES + limits::HEADER_BYTES + limits::ENVELOPE_BYTES + limits::PERSON_BYTES + 1024;

    /// An item of the community that it is read in.
    #[must_use]
    pub fn plain(item: SignedItem, body: Option<Blob<{ 16 + limits::BODY_BYTES }>>) -> Carry {
        Carry { version: V1, item, body, envelope: None, bundle: None, person: None }
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Carry, Malformed> {
        decode(bytes, Carry::LIMIT)
    }
}
