//! The one port through which decisions read what is kept. A node's store implements it; so does
//! a map in memory.

use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::{
    bytes::{Blob, List},
    desk::{Candidate, Selection, TagMap},
    epoch::Scope,
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId, SelectionId},
    item::{Item, Kind, SaltedBody, SignedItem},
    key::PublicKey,
    limits,
    link::Outcome,
    reconcile::{Place, Position, ShortId},
    signed::Signed,
    text::Text,
    time::Millis,
    wire::{AnyId, SetName},
};

/// An envelope as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEnvelope {
    /// The bytes it came in; checked before they were kept.
    pub signed: Signed,
    /// What became of it.
    pub outcome: Outcome,
}

/// A request to join that nobody has answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingJoin {
    /// Into which community.
    pub community: CommunityId,
    /// The pasted key.
    pub key: String,
    /// The signed join that is presented to each member until one admits.
    pub join: Signed,
}

/// Where one peer can be found, as that peer has signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct AddressList {
    /// Which peer.
    pub peer: Blob<{ limits::PEER_BYTES }>,
    /// The higher number replaces the lower.
    pub seq: u64,
    /// The list as its peer signed it.
    pub list: Blob<{ limits::ADDRESS_LIST_BYTES }>,
    /// The addresses in it, in their binary form.
    pub addresses: List<Blob<{ limits::ADDRESS_BYTES }>, 0, { limits::ADDRESSES }>,
}

/// A time in which a peer is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Ban {
    /// Which peer.
    pub peer: Blob<{ limits::PEER_BYTES }>,
    /// Until when; what is past is kept to make the next ban longer.
    pub until: Millis,
    /// How often strikes have led to one.
    pub times: u32,
    /// The name of the last strike, or that it was spoken by hand.
    pub why: Text<32>,
}

/// Two items that one device signed under one number of one chain (T2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fork {
    /// The device.
    pub device: PublicKey,
    /// Of which of its chains.
    pub scope: Scope,
    /// The number.
    pub seq: u32,
    /// The lower id of the two.
    pub first: ItemId,
    /// The other.
    pub second: ItemId,
}

/// What follows from something that was kept, and is done in an input of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sequel {
    /// To judge again what bears this id: an item, an envelope, or a link.
    Judge {
        /// Where it is read.
        community: CommunityId,
        /// What.
        target: ItemId,
    },
    /// To carry a change of an item where that has been carried (8.7).
    Follow {
        /// Where to.
        to: CommunityId,
        /// The change.
        change: ItemId,
    },
}

/// Whose turn an envelope is on its day (R6).
pub type Turn = (PersonId, PublicKey, u32, EnvelopeId);

/// A peer that has proven itself in a community: its name, who it is, and with which device.
pub type Met = (Vec<u8>, PersonId, PublicKey);

/// What is kept, to be read. Every read sees what was decided before it, kept on disk or not yet.
pub trait Ledger {
    /// What reading can fail with.
    type Error: std::fmt::Debug;

    /// The genesis of every community of this node.
    fn communities(&self) -> Result<Vec<Signed>, Self::Error>;
    /// The operations of a community, lowest lamport first.
    fn operations(&self, community: CommunityId) -> Result<Vec<Signed>, Self::Error>;
    /// The epoch keys that this node holds.
    fn epoch_keys(&self, community: CommunityId) -> Result<Vec<(OpId, [u8; 32])>, Self::Error>;
    /// Joins that wait for an answer.
    fn pending_joins(&self) -> Result<Vec<PendingJoin>, Self::Error>;
    /// Where members of a community can be found.
    fn addresses(&self, community: CommunityId) -> Result<Vec<AddressList>, Self::Error>;

    /// Who peers have proven to be in a community.
    fn met(&self, community: CommunityId) -> Result<Vec<Met>, Self::Error>;

    /// The bans, ended ones among them.
    fn bans(&self) -> Result<Vec<Ban>, Self::Error>;

    /// The items that a person wrote in a community, those that do not stand among them.
    fn written_by(&self, community: CommunityId, person: PersonId) -> Result<Vec<ItemId>, Self::Error>;
    /// How many items a person wrote in a community that claim this day, those that do not stand among them.
    fn written_on(&self, community: CommunityId, person: PersonId, day: u64) -> Result<usize, Self::Error>;
    /// The newest charter of a community.
    fn charter(&self, community: CommunityId) -> Result<Option<ItemId>, Self::Error>;
    /// An item's header and signature.
    fn item(&self, id: ItemId) -> Result<Option<SignedItem>, Self::Error>;
    /// An item's salted body.
    fn body(&self, item: &Item) -> Result<Option<SaltedBody>, Self::Error>;
    /// An item with its salted body, where that is here.
    fn carried(&self, id: ItemId) -> Result<Option<(SignedItem, Option<SaltedBody>)>, Self::Error>;
    /// The last item of a device's chain (T2).
    fn chain_end(
        &self,
        community: CommunityId,
        scope: Scope,
        device: PublicKey,
    ) -> Result<Option<(u32, ItemId)>, Self::Error>;
    /// Of each device that has signed twice under one number of a chain: the first such number, and the two lowest ids
    /// of what is kept under it, those that do not stand among them.
    fn forks(&self, community: CommunityId) -> Result<Vec<Fork>, Self::Error>;
    /// Whether the author has retracted the item.
    fn is_retracted(&self, id: ItemId, author: PersonId) -> Result<bool, Self::Error>;
    /// The items of a kind that have this target, by anybody.
    fn changes(&self, target: ItemId, kind: Kind) -> Result<Vec<ItemId>, Self::Error>;
    /// Whether stewards hide an item from the readers of a community (T5).
    fn is_hidden(&self, community: CommunityId, item: ItemId) -> Result<bool, Self::Error>;
    /// What was noted to be done and is not done yet.
    fn sequels(&self) -> Result<Vec<Sequel>, Self::Error>;
    /// The author's bookmark of this normalised address in a community.
    fn bookmark(
        &self,
        community: CommunityId,
        author: PersonId,
        normalised: &str,
    ) -> Result<Option<ItemId>, Self::Error>;

    /// An envelope.
    fn envelope(&self, id: EnvelopeId) -> Result<Option<KeptEnvelope>, Self::Error>;
    /// The envelopes that brought an item into a community.
    fn envelopes_of(&self, community: CommunityId, item: ItemId) -> Result<Vec<EnvelopeId>, Self::Error>;
    /// The last envelope of a device from one community into another.
    fn relay_end(
        &self,
        from: CommunityId,
        to: CommunityId,
        device: PublicKey,
    ) -> Result<Option<(u32, EnvelopeId)>, Self::Error>;
    /// The envelopes of an in-link on one claimed day, in the order of R6, at most `most`. What needs nobody's leave
    /// takes nobody's turn.
    fn turns(&self, in_link: OpId, day: u64, most: usize) -> Result<Vec<Turn>, Self::Error>;
    /// A proof bundle's bytes.
    fn bundle(&self, hash: BundleHash) -> Result<Option<Vec<u8>>, Self::Error>;
    /// A blob of sealed epoch keys.
    fn blob(&self, hash: AnyId) -> Result<Option<Vec<u8>>, Self::Error>;

    /// How tags of one community are said in another, by this node's person.
    fn tag_map(&self, from: CommunityId, to: CommunityId) -> Result<TagMap, Self::Error>;
    /// The selections of this node's person.
    fn selections(&self) -> Result<Vec<Selection>, Self::Error>;
    /// One of them.
    fn selection(&self, id: SelectionId) -> Result<Option<Selection>, Self::Error>;
    /// What a selection has selected, whatever became of it.
    fn candidates(&self, selection: SelectionId) -> Result<Vec<Candidate>, Self::Error>;
    /// One of them.
    fn candidate(&self, selection: SelectionId, item: ItemId) -> Result<Option<Candidate>, Self::Error>;

    /// The id in a set whose first half this is.
    fn find(&self, community: CommunityId, set: SetName, half: ShortId) -> Result<Option<AnyId>, Self::Error>;
    /// Ids of a set after `after`, ascending, at most `most`.
    fn ids(
        &self,
        community: CommunityId,
        set: SetName,
        after: Option<AnyId>,
        most: usize,
    ) -> Result<Vec<AnyId>, Self::Error>;
    /// What lies in a set from one position to another, both included, beyond `after`: with rising
    /// positions and ids, or with falling ones. At most `most`.
    fn places(
        &self,
        community: CommunityId,
        set: SetName,
        positions: (Position, Position),
        after: Option<Place>,
        rising: bool,
        most: usize,
    ) -> Result<Vec<Place>, Self::Error>;
    /// Whether the community's set holds the id.
    fn holds(&self, community: CommunityId, set: SetName, id: AnyId) -> Result<bool, Self::Error>;
}
