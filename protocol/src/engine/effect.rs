//! What comes out of the engine: everything that network, disk and screen shall do, in order.

use serde::{Deserialize, Serialize};

use super::{
    clock::ClockDoubt,
    input::{PeerName, Ticket},
};
use crate::{
    authority::{OperationRefusal, Role, WriteRefusal},
    desk,
    id::{BundleHash, CertId, CommunityId, EnvelopeId, ItemId, OpId, PersonId, SelectionId},
    item::{Charter, Item, SaltedBody},
    key::PublicKey,
    ledger::{AddressList, Ban, PendingJoin, Sequel},
    link::{Envelope, Outcome, Refused},
    signed::{Signed, Unsound, Verified},
    time::Millis,
    wire::{AnyId, Request, Response},
};

/// One thing to be done.
#[derive(Debug)]
pub enum Effect {
    /// Keep, before anything else is done.
    Keep(Keep),
    /// Tell whoever watches.
    Tell(Event),
    /// Answer a command.
    Answer(Ticket, Result<Answer, CommandRefusal>),
    /// Ask a peer.
    Ask {
        /// Whom.
        peer: PeerName,
        /// Which question.
        id: u64,
        /// What.
        request: Request,
    },
    /// Answer a peer.
    Respond {
        /// Which question.
        token: u64,
        /// What.
        response: Response,
    },
    /// Pass sealed bytes to whoever listens on a topic.
    Publish {
        /// The topic.
        topic: String,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Listen on a topic.
    Subscribe(String),
    /// Listen no longer.
    Unsubscribe(String),
    /// Let held gossip go on, or not.
    Judge {
        /// Which.
        token: u64,
        /// How.
        verdict: Verdict,
    },
    /// Reach out.
    Dial {
        /// Whom.
        peer: PeerName,
        /// Binary addresses.
        addresses: Vec<Vec<u8>>,
    },
    /// Part with a peer: no gossip to it from now on; what was sent before has a second to arrive.
    Disconnect(PeerName),
    /// Close all connections with a peer at once, and refuse those to come until [`Effect::Pardon`].
    Ban(PeerName),
    /// Take connections of a peer again.
    Pardon(PeerName),
    /// From now on take gossip from a peer: it has proven itself (7.5).
    HearGossip(PeerName),
    /// The same, and begin to gossip with it: it has our proof too.
    SpeakGossip(PeerName),
    /// Wake the engine then; no time that was named before counts any more.
    Wake(Millis),
}

/// What becomes of gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Sound and new: pass it on.
    Accept,
    /// Not for us to judge, or known: drop it without blame.
    Ignore,
    /// Unsound: drop it, and hold it against who sent it.
    Reject,
}

/// What is to be kept. Each is whole by itself; those of one batch are kept together or not at
/// all.
#[derive(Debug)]
pub enum Keep {
    /// A community's founding document.
    Community(CommunityId, Signed),
    /// An operation of its log.
    Operation {
        /// Whose log.
        community: CommunityId,
        /// Its id.
        id: OpId,
        /// Its place in time.
        lamport: u32,
        /// Its bytes.
        signed: Signed,
    },
    /// An epoch's key.
    EpochKey(CommunityId, OpId, [u8; 32]),
    /// A blob of sealed epoch keys.
    Blob(AnyId, Vec<u8>),
    /// An item with its body.
    Item {
        /// Where it is read: its own community, or the one that it was relayed into.
        read_in: CommunityId,
        /// The item.
        item: Box<Item>,
        /// Its body.
        body: SaltedBody,
        /// When it came.
        received: Millis,
        /// The envelope that brought it, when it was relayed.
        by: Option<EnvelopeId>,
        /// The normalised address of a bookmark.
        address: Option<String>,
    },
    /// An envelope.
    Envelope {
        /// Its id.
        id: EnvelopeId,
        /// What it says.
        envelope: Box<Verified<Envelope>>,
        /// What becomes of it.
        outcome: Outcome,
    },
    /// A kept item that stands again: show it and give it to others.
    Show(CommunityId, ItemId),
    /// A kept item that does not stand any more: shown nowhere, given to nobody.
    Hide(CommunityId, ItemId),
    /// Who a peer has proven to be in a community.
    Met {
        /// Where.
        community: CommunityId,
        /// Which peer.
        peer: PeerName,
        /// Who.
        person: PersonId,
        /// With which device.
        device: PublicKey,
    },
    /// A peer's ban, in the place of the one before.
    Ban(Ban),
    /// Nothing is kept of a peer's bans any more.
    Forgiven(PeerName),
    /// Another outcome of an envelope.
    Outcome(EnvelopeId, Outcome),
    /// Whether stewards hide an item from the readers of a community, from now on.
    Hidden {
        /// Whose readers.
        community: CommunityId,
        /// Which item; it may not be here yet.
        item: ItemId,
        /// Whether they do.
        is_hidden: bool,
    },
    /// What is to be done when all of the batch is kept, and is found again after a restart.
    Sequel(Sequel),
    /// It is done.
    Done(Sequel),
    /// A proof bundle.
    Bundle(BundleHash, Vec<u8>),
    /// A member's signed address list.
    Addresses {
        /// Of which community.
        community: CommunityId,
        /// Whose, and the list.
        list: AddressList,
    },
    /// An invite of this node's person.
    Invite(CommunityId, Signed),
    /// A join that waits.
    Pending(PendingJoin),
    /// A join that waits no longer.
    Settled(CommunityId),
    /// Something of the broker's desk.
    Desk(desk::Kept),
}

/// What whoever watches is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An item can be read.
    Item(CommunityId, ItemId),
    /// A log changed.
    Authority(CommunityId),
    /// This node's person is in.
    Joined(CommunityId),
    /// An item does not stand any more.
    Hidden(CommunityId, ItemId),
    /// This node's person's admission has lost its effect; the join is presented again (I5).
    Lapsed(CommunityId),
    /// What can be seen of a community before joining.
    Looked(Box<Look>),
    /// A member refused a look, by this name.
    LookRefused(CommunityId, String),
    /// A device was certified by a pairing code.
    Paired(PublicKey),
    /// A member refused the join, by this name; null: those who could be asked did not answer.
    JoinRefused(CommunityId, String),
    /// A comparison with a peer is complete.
    Synced(CommunityId, PeerName),
    /// A peer was sent some of what it lacked.
    Served(CommunityId, PeerName),
    /// A peer is connected.
    PeerConnected(PeerName),
    /// A dialled peer could not be reached.
    Unreachable(PeerName),
    /// Something from a peer was refused, by this name.
    Refused(&'static str),
    /// It was what no honest node sends.
    Struck(&'static str),
    /// A peer is refused until then.
    Banned(PeerName, Millis),
    /// This node's clock seems to be wrong, or further from right than before; none: no more (F6).
    Clock(Option<ClockDoubt>),
}

/// What can be seen of a community with an invite in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which.
    pub community: CommunityId,
    /// Its name.
    pub name: String,
    /// Its newest charter, if a founder wrote it.
    pub charter: Option<Charter>,
    /// Its members, as the answering one claims.
    pub members: u32,
}

/// What a command has brought about. Serde writes it as a map, for this node's own disk only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A community.
    Community(CommunityId),
    /// Items, each with where it is.
    Items(Vec<(ItemId, CommunityId)>),
    /// An import: new, and known already.
    Imported {
        /// Written.
        new: u64,
        /// Known already.
        known: u64,
    },
    /// An invite and the text to paste.
    Invite(CertId, String),
    /// A role.
    Role(Role),
    /// A link.
    Link(OpId),
    /// A crossing.
    Relayed(EnvelopeId, Outcome),
    /// A selection.
    Selection(SelectionId),
    /// A join is on its way.
    Joining(CommunityId),
    /// A look at a community is on its way.
    Looking(CommunityId),
    /// A pairing code, and until when it is good.
    PairingCode(String, Millis),
    /// Peers that are being compared with.
    Syncing(u64),
    /// It is done.
    Done,
}

/// Why a command cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// No such community here.
    #[error("this node is in no such community")]
    NoCommunity,
    /// No such item here.
    #[error("no such item is kept here")]
    NoItem,
    /// No such person there.
    #[error("no such person is known there")]
    NoPerson,
    /// No such invite or link there.
    #[error("no such invite or link is known there")]
    NotFound,
    /// The role does not allow it.
    #[error("this needs the role {} there; yours is {}", .need.name(), .have.name())]
    RoleTooLow {
        /// What it needs.
        need: Role,
        /// What the person has.
        have: Role,
    },
    /// The log refuses the operation.
    #[error("the community's rules refuse it: {0}")]
    Operation(#[from] OperationRefusal),
    /// The operation would have no effect.
    #[error("it would have no effect: only those above a steward's own grant can rule on a steward")]
    Inert,
    /// The item may not be written.
    #[error("the community's rules refuse it: {0}")]
    Write(#[from] WriteRefusal),
    /// The item may not cross.
    #[error("it may not cross: {0}")]
    Relay(#[from] Refused),
    /// A field is out of bounds.
    #[error("{0}")]
    Field(&'static str),
    /// Something cannot be built within the format's bounds.
    #[error(transparent)]
    Unsound(#[from] Unsound),
    /// Only the author changes an item.
    #[error("only its author can change an item")]
    NotAuthor,
    /// The node has as many communities as it can hold.
    #[error("a node is in at most 16 communities")]
    TooManyCommunities,
    /// Others take no more of this person's items of today (T6).
    #[error("members take no more of what you write there today")]
    DaySpent,
    /// Already in.
    #[error("you are a member already")]
    AlreadyMember,
    /// The invite has expired.
    #[error("the invite expired")]
    InviteExpired,
    /// The invite is not valid yet.
    #[error("the invite is not valid yet: is this device's clock right?")]
    InviteTooEarly,
    /// No address to put into an invite key.
    #[error("an invite key says where to find you, and this node has no address yet")]
    NoAddress,
    /// The own space has no members and no borders.
    #[error("`mine` is your own space: it has no invites, members or links")]
    OwnSpace,
    /// Only the device with the identity key can.
    #[error("this device does not have your identity key: do it on the device that has it, or with the 24 words")]
    NoIdentityKey,
    /// No such device.
    #[error("none of your communities knows such a device of yours, or it was revoked already")]
    NoDevice,
    /// Devices of one's own are revoked, not banned.
    #[error("that is a device of your own: what it may do is taken away by revoking it")]
    OwnDevice,
    /// No such thing on the desk.
    #[error("no such selection or candidate is on your desk, or it is decided already")]
    NotOnDesk,
    /// A decision is about the version that was looked at.
    #[error("its author has edited it since you looked")]
    EditedSince,
    /// No ban to end.
    #[error("that peer is not banned")]
    NotBanned,
}

impl CommandRefusal {
    /// The name that commands and the API show.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            CommandRefusal::NoCommunity => "no_community",
            CommandRefusal::NoItem => "no_item",
            CommandRefusal::NoPerson => "no_person",
            CommandRefusal::NotFound => "not_found",
            CommandRefusal::RoleTooLow { .. } => "role_too_low",
            CommandRefusal::Operation(why) => why.name(),
            CommandRefusal::Inert => "inert",
            CommandRefusal::Write(why) => why.name(),
            CommandRefusal::Relay(refused) => refused.why.name(),
            CommandRefusal::Field(_) => "bad_field",
            CommandRefusal::Unsound(why) => why.name(),
            CommandRefusal::NotAuthor => "not_author",
            CommandRefusal::TooManyCommunities => "too_many_communities",
            CommandRefusal::DaySpent => "day_spent",
            CommandRefusal::AlreadyMember => "already_member",
            CommandRefusal::InviteExpired => "invite_expired",
            CommandRefusal::InviteTooEarly => "invite_too_early",
            CommandRefusal::NoAddress => "no_address",
            CommandRefusal::OwnSpace => "own_space",
            CommandRefusal::NoIdentityKey => "no_identity_key",
            CommandRefusal::NoDevice => "no_device",
            CommandRefusal::OwnDevice => "own_device",
            CommandRefusal::NotOnDesk => "not_on_desk",
            CommandRefusal::EditedSince => "edited_since",
            CommandRefusal::NotBanned => "not_banned",
        }
    }

    /// Whether a policy said no, as against a mistake in what was asked for.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        matches!(
            self,
            CommandRefusal::RoleTooLow { .. }
                | CommandRefusal::Operation(_)
                | CommandRefusal::Inert
                | CommandRefusal::Write(_)
                | CommandRefusal::Relay(_)
                | CommandRefusal::NotAuthor
                | CommandRefusal::DaySpent
                | CommandRefusal::InviteExpired
                | CommandRefusal::InviteTooEarly
        )
    }
}
