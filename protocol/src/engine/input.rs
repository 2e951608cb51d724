//! What comes into the engine: commands of this node's person, and what peers sent, already
//! decoded and with its signatures checked.

#[cfg(doc)]
use super::Event;
use super::{
    check::{CheckedGossip, Fetched},
    desk::DeskCommand,
    devices::NextKey,
};
use crate::{
    authority::Role,
    hello::Handover,
    id::{CertId, CommunityId, ItemId, OpId, PersonId},
    invite::InviteKey,
    item::{Draft, Kind},
    key::PublicKey,
    ledger::AddressList,
    limits,
    link::LinkTerms,
    reconcile::Place,
    text::Text,
    time::Millis,
    wire::{CommunityTag, Request, Response},
};

/// The binary name of a peer.
pub type PeerName = Vec<u8>;
/// Names a command, so that its answer finds its way back.
pub type Ticket = u64;

/// One thing to be decided.
#[derive(Debug)]
pub enum Input {
    /// This node's person wants something.
    Command(Ticket, Command),
    /// A peer is connected.
    Connected(PeerName),
    /// A peer is no longer connected.
    Disconnected(PeerName),
    /// A dialled peer could not be reached.
    Unreachable(PeerName),
    /// This node can be reached here.
    Listening(AddressList),
    /// A peer asks.
    Asked {
        /// Who.
        peer: PeerName,
        /// Names the question, for the answer.
        token: u64,
        /// What; or why its bytes are none.
        request: Result<Request, crate::encoding::Malformed>,
    },
    /// A page of a period has come in answer, and its things are being checked: the next page may be asked for
    /// meanwhile. They follow with the same id.
    Outlined {
        /// Who.
        peer: PeerName,
        /// Which question.
        id: u64,
        /// Where the next page begins.
        next: Place,
    },
    /// One thing of what a peer sends in answer to a fetch. When all have come,
    /// [`Input::Answered`] follows with the same id.
    Arrived {
        /// Who.
        peer: PeerName,
        /// Which question.
        id: u64,
        /// What.
        thing: Box<Fetched>,
    },
    /// A peer has answered.
    Answered {
        /// Who.
        peer: PeerName,
        /// Which question.
        id: u64,
        /// What; of a fetch, only that it is over; or why its bytes are no answer.
        response: Result<Response, crate::encoding::Malformed>,
    },
    /// A peer says where members can be found, and asks for the same; the lists' signatures have
    /// been checked.
    AddressesAsked {
        /// Who.
        peer: PeerName,
        /// Names the question, for the answer.
        token: u64,
        /// Of which community.
        tag: CommunityTag,
        /// The lists.
        lists: Vec<AddressList>,
    },
    /// A peer answers where members can be found; the lists' signatures have been checked.
    AddressesAnswered {
        /// Who.
        peer: PeerName,
        /// Which question.
        id: u64,
        /// The lists.
        lists: Vec<AddressList>,
    },
    /// A question stays without an answer.
    Unanswered {
        /// Of whom.
        peer: PeerName,
        /// Which question.
        id: u64,
    },
    /// Gossip arrived; it is held until it is judged.
    Gossip {
        /// From whom.
        peer: PeerName,
        /// Names it, for the judgement.
        token: u64,
        /// What it is, opened with the key of this epoch.
        gossip: Result<(CommunityId, CheckedGossip), crate::signed::Unsound>,
    },
    /// The network has refused a frame of a peer that no honest node sends.
    Misbehaved {
        /// Who.
        peer: PeerName,
        /// By which name.
        name: &'static str,
    },
    /// The time that was asked for has come.
    Woken,
}

impl Input {
    /// The peer that it comes from, where it is for that peer to answer for.
    #[must_use]
    pub fn peer(&self) -> Option<&PeerName> {
        match self {
            Input::Connected(peer)
            | Input::Asked { peer, .. }
            | Input::AddressesAsked { peer, .. }
            | Input::Outlined { peer, .. }
            | Input::Arrived { peer, .. }
            | Input::Answered { peer, .. }
            | Input::AddressesAnswered { peer, .. }
            | Input::Unanswered { peer, .. }
            | Input::Misbehaved { peer, .. }
            | Input::Gossip { peer, .. } => Some(peer),
            Input::Command(..)
            | Input::Disconnected(_)
            | Input::Unreachable(_)
            | Input::Listening(_)
            | Input::Woken => None,
        }
    }

    /// What it is, for logs: no text, key or id of anybody.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Input::Command(..) => "command",
            Input::Connected(_) => "connected",
            Input::Disconnected(_) => "disconnected",
            Input::Unreachable(_) => "unreachable",
            Input::Listening(_) => "listening",
            Input::Asked { .. } => "asked",
            Input::AddressesAsked { .. } => "addresses_asked",
            Input::Outlined { .. } => "outlined",
            Input::Arrived { .. } => "arrived",
            Input::Answered { .. } => "answered",
            Input::AddressesAnswered { .. } => "addresses_answered",
            Input::Unanswered { .. } => "unanswered",
            Input::Gossip { .. } => "gossip",
            Input::Misbehaved { .. } => "misbehaved",
            Input::Woken => "woken",
        }
    }
}

/// What this node's person can want.
#[derive(Debug, Clone)]
pub enum Command {
    /// Found a community.
    CreateCommunity {
        /// Its name.
        name: Text<{ limits::COMMUNITY_NAME_BYTES }>,
        /// What it is about; becomes its charter.
        domain: Text<4000>,
        /// The community that it is a part of.
        parent: Option<CommunityId>,
    },
    /// Write an item into each of these communities.
    Write {
        /// Where.
        communities: Vec<CommunityId>,
        /// What.
        draft: Draft,
    },
    /// Write many bookmarks; those whose address is kept already only gain tags.
    Import {
        /// Where.
        community: CommunityId,
        /// What, each with its normalised address.
        bookmarks: Vec<(Draft, String)>,
        /// Count, and change nothing.
        dry_run: bool,
    },
    /// Make an invite.
    Invite {
        /// Into which community.
        community: CommunityId,
        /// The role that it gives.
        role: Role,
        /// How many it admits.
        uses: u32,
        /// How long it lives.
        life_ms: u64,
        /// The one person who may admit with it.
        only: Option<PersonId>,
    },
    /// End an invite.
    EndInvite {
        /// Of which community.
        community: CommunityId,
        /// Which.
        cert: CertId,
    },
    /// Ask to be let in.
    Join(Box<InviteKey>, String),
    /// Stop asking.
    CancelJoin(CommunityId),
    /// Set a role; none removes.
    Rule {
        /// In which community.
        community: CommunityId,
        /// On whom.
        person: PersonId,
        /// Which.
        role: Role,
        /// Why.
        reason: Text<{ limits::REASON_BYTES }>,
    },
    /// Ask those who can to set a role: a ruling that does nothing by itself (4.4, motions).
    Propose {
        /// In which community.
        community: CommunityId,
        /// On whom.
        person: PersonId,
        /// Which.
        role: Role,
        /// Why.
        reason: Text<{ limits::REASON_BYTES }>,
    },
    /// Leave a community.
    Leave(CommunityId),
    /// Make one side of a link.
    Link(CommunityId, LinkTerms),
    /// End a link.
    EndLink {
        /// Of which community.
        community: CommunityId,
        /// Which.
        link: OpId,
    },
    /// Carry an item into another community.
    Relay {
        /// Which item.
        item: ItemId,
        /// Where to.
        to: CommunityId,
        /// Why it matters there.
        note: Text<{ limits::NOTE_BYTES }>,
        /// What it says, in the other side's words.
        summary: Option<Text<{ limits::SUMMARY_BYTES }>>,
        /// The other side's tags.
        tags: Vec<String>,
    },
    /// Change what is kept on the broker's desk.
    Desk(DeskCommand),
    /// Set a value of a community's policy (B13).
    SetPolicy {
        /// Of which community.
        community: CommunityId,
        /// Which.
        key: u16,
        /// To what.
        value: u32,
    },
    /// Look at a community with an invite in hand; [`Event::Looked`] follows.
    Preview(Box<InviteKey>),
    /// Make a pairing code for a new device.
    Pair,
    /// Revoke devices of one's own.
    RevokeDevices {
        /// Which.
        devices: Vec<PublicKey>,
        /// What they signed from then on does not stand; none: all that was seen does.
        since: Option<Millis>,
        /// The next key of the ladder, where the one before may be in a thief's hands (D2).
        next: Option<Box<NextKey>>,
    },
    /// Take up the own space that another device has handed over.
    TakeOver(Box<Handover>),
    /// Refuse a peer until that is taken back.
    Ban(PeerName),
    /// Take back a ban.
    Unban(PeerName),
    /// Compare with every member that can be reached.
    Sync,
}

/// The kind that a link judges an item by: its own, or its target's (8.1).
pub(super) fn judged_kind(kind: Kind, target: Option<Kind>) -> Kind {
    match kind {
        Kind::EDIT | Kind::TOMBSTONE | Kind::RECALL => target.unwrap_or(kind),
        Kind(_) => kind,
    }
}
