//! The engine: one input in, effects out. It decides; network, disk and screen obey.
//!
//! [`Engine::handle`] is the only door. It reads through a [`Ledger`], never writes, never waits,
//! knows no clock and no socket. All effects of an input are returned at once, in the order in
//! which they must be carried out: what is kept stands before what is told.
//!
//! The parts: `author` is what this node's person does, `receive` is what arrives, `relay` is
//! what crosses borders, `session` is talk with one peer, `sync` is catching up with it.

mod author;
mod authorize;
mod check;
mod effect;
mod input;
mod join;
mod receive;
mod relay;
mod session;
mod standing;
mod sync;
#[cfg(test)]
mod tests;

pub use check::{CheckedCarry, CheckedGossip, Fetched, check_gossip, check_response};
pub use effect::{Answer, CommandRefusal, Effect, Event, Keep, Verdict};
pub use input::{Command, Input, PeerName, Ticket};
pub use standing::{Standing, own_space_name};

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    bytes::Blob,
    epoch::{EpochKey, SealingKey},
    id::{BundleHash, CommunityId, ItemId, PersonId},
    key::SecretKey,
    ledger::{AddressList, Ledger, PendingJoin},
    limits,
    person::PersonRecord,
    random::Random,
    text::Text,
    time::Millis,
    wire::SetName,
};

/// How often every member that is connected is compared with, and those that are not are dialled.
pub const ROUND_MS: u64 = 30_000;
/// Most carries that wait for a bundle or for the item that they change.
const WAITING: usize = 1_000;

/// Who this node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The person's identity key, with which joins are signed.
    pub key: SecretKey,
    /// The key that signs.
    pub device: SecretKey,
    /// The key that opens what is sealed to this device.
    pub sealing: SealingKey,
    /// What others need to check this device.
    pub record: PersonRecord,
    /// The name shown.
    pub name: Text<{ limits::NAME_BYTES }>,
    /// The transport's name of this node.
    pub peer: PeerName,
}

impl Identity {
    /// The person.
    #[must_use]
    pub fn person(&self) -> PersonId {
        self.record.id()
    }
}

/// Decides for one node. See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    me: Identity,
    random: Random,
    /// The communities of this node; shared with whoever draws pictures of them.
    communities: BTreeMap<CommunityId, Arc<Standing>>,
    peers: BTreeMap<PeerName, session::Peer>,
    pending: BTreeMap<CommunityId, PendingJoin>,
    listening: Option<AddressList>,
    /// Carries whose proof bundle is not here yet.
    waiting_bundles: BTreeMap<BundleHash, Vec<(CommunityId, Box<CheckedCarry>)>>,
    /// Edits and tombstones whose target is not here yet.
    waiting_targets: BTreeMap<ItemId, VecDeque<(CommunityId, Box<CheckedCarry>)>>,
    next_question: u64,
    next_round: Millis,
    admissions: (u64, usize),
}

/// What a command comes to.
type Done = Result<(Answer, Vec<Effect>), CommandRefusal>;
/// What a step of the engine comes to.
type Decided<L> = Result<Vec<Effect>, <L as Ledger>::Error>;

impl Engine {
    /// An engine that knows what is kept.
    ///
    /// # Errors
    /// The ledger's. What is kept and does not check is left out: the store names it elsewhere.
    pub fn load<L: Ledger>(me: Identity, seed: &[u8; 32], now: Millis, ledger: &L) -> Result<Engine, L::Error> {
        let mut engine = Engine {
            me,
            random: Random::new(seed),
            communities: BTreeMap::new(),
            peers: BTreeMap::new(),
            pending: BTreeMap::new(),
            listening: None,
            waiting_bundles: BTreeMap::new(),
            waiting_targets: BTreeMap::new(),
            next_question: 0,
            next_round: now,
            admissions: (0, 0),
        };
        for genesis in ledger.communities()? {
            let Ok(community) = crate::community::Community::check(genesis) else { continue };
            let mut standing = Standing::new(community, engine.me.person());
            let id = standing.id();
            for signed in ledger.operations(id)? {
                if let Ok(operation) = signed.read() {
                    // Checked before it was kept; kept in an order in which parents come first.
                    let known =
                        standing.log.add(crate::signed::Verified { value: operation, signed }, crate::time::LAST);
                    debug_assert!(known.is_ok(), "a kept operation passes B1 again: {known:?}");
                }
            }
            standing.evaluate();
            standing.keys = ledger.epoch_keys(id)?.into_iter().map(|(op, key)| (op, EpochKey::new(key))).collect();
            standing.book =
                ledger.addresses(id)?.into_iter().map(|list| (list.peer.as_slice().to_vec(), list)).collect();
            for set in SetName::COMPARED {
                let mut after = None;
                loop {
                    let ids = ledger.ids(id, set, after, limits::IDS_PER_PAGE)?;
                    for found in &ids {
                        standing.count_in(set, found);
                    }
                    after = ids.last().copied();
                    if ids.len() < limits::IDS_PER_PAGE {
                        break;
                    }
                }
            }
            engine.communities.insert(id, Arc::new(standing));
        }
        for join in ledger.pending_joins()? {
            engine.pending.insert(join.community, join);
        }
        Ok(engine)
    }

    /// What a node does first: listens on its topics, and asks to be woken.
    pub fn start(&mut self, now: Millis) -> Vec<Effect> {
        let ids: Vec<CommunityId> = self.communities.keys().copied().collect();
        let mut effects: Vec<Effect> = ids.into_iter().flat_map(|id| self.listen(id)).collect();
        self.next_round = now;
        effects.push(Effect::Wake(now));
        effects
    }

    /// Decides one input.
    ///
    /// # Errors
    /// The ledger's; then nothing of the input has been decided, and this engine must not be used
    /// on.
    pub fn handle<L: Ledger>(&mut self, now: Millis, input: Input, ledger: &L) -> Decided<L> {
        match input {
            Input::Command(ticket, command) => self.command(now, ticket, command, ledger),
            Input::Connected(peer) => Ok(self.connected(&peer)),
            Input::Disconnected(peer) => {
                self.peers.remove(&peer);
                Ok(Vec::new())
            }
            Input::Unreachable(peer) => Ok(vec![Effect::Tell(Event::Unreachable(peer))]),
            Input::Listening(list) => {
                self.listening = Some(list);
                Ok(Vec::new())
            }
            Input::Asked { peer, token, request } => self.asked(now, &peer, token, request, ledger),
            Input::AddressesAsked { peer, token, tag, lists } => Ok(self.addresses_asked(&peer, token, tag, lists)),
            Input::Arrived { peer, id, thing } => self.arrived(now, &peer, id, *thing, ledger),
            Input::Answered { peer, id, response } => self.answered(now, &peer, id, response, ledger),
            Input::AddressesAnswered { peer, id, lists } => Ok(self.addresses_answered(&peer, id, lists)),
            Input::Unanswered { peer, id } => Ok(self.unanswered(&peer, id)),
            Input::Gossip { peer, token, gossip } => self.gossip(now, &peer, token, gossip, ledger),
            Input::Woken => Ok(self.woken(now)),
        }
    }

    /// The communities, for showing.
    #[must_use]
    pub fn communities(&self) -> &BTreeMap<CommunityId, Arc<Standing>> {
        &self.communities
    }

    /// The joins that wait for an answer.
    #[must_use]
    pub fn pending(&self) -> &BTreeMap<CommunityId, PendingJoin> {
        &self.pending
    }

    /// The peers that are connected, with the communities in which each has proven a role.
    #[must_use]
    pub fn connected_peers(&self) -> Vec<(PeerName, Vec<CommunityId>)> {
        self.peers.iter().map(|(name, peer)| (name.clone(), peer.proven_in())).collect()
    }

    /// This node's person's own space.
    #[must_use]
    pub fn own_space(&self) -> Option<CommunityId> {
        self.communities.values().find(|s| s.is_own_space()).map(|s| s.id())
    }

    fn standing(&self, community: CommunityId) -> Option<&Arc<Standing>> {
        self.communities.get(&community)
    }

    fn standing_mut(&mut self, community: CommunityId) -> Option<&mut Standing> {
        self.communities.get_mut(&community).map(Arc::make_mut)
    }

    /// Compares with every member that is connected, and dials those that are not.
    fn woken(&mut self, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        if now >= self.next_round {
            self.next_round = now.after(ROUND_MS);
            effects.extend(self.round());
        }
        effects.push(Effect::Wake(self.next_round));
        effects
    }

    fn round(&mut self) -> Vec<Effect> {
        let mut effects: Vec<Effect> = Vec::new();
        let peers: Vec<PeerName> = self.peers.keys().cloned().collect();
        for peer in peers {
            effects.extend(self.greet(&peer));
        }
        effects.extend(self.redial());
        effects
    }

    /// Dials every member whose address is known and who is not connected, and the hints of
    /// pending joins.
    fn redial(&self) -> Vec<Effect> {
        let mut wanted: BTreeMap<PeerName, Vec<Vec<u8>>> = BTreeMap::new();
        for standing in self.communities.values() {
            for (peer, list) in &standing.book {
                wanted.insert(peer.clone(), list.addresses.iter().map(|a| a.as_slice().to_vec()).collect());
            }
        }
        for pending in self.pending.values() {
            if let Ok(key) = crate::invite::InviteKey::from_text(&pending.key) {
                for hint in &key.hints {
                    let addresses = wanted.entry(hint.0.as_slice().to_vec()).or_default();
                    if !addresses.iter().any(|a| a == hint.1.as_slice()) {
                        addresses.push(hint.1.as_slice().to_vec());
                    }
                }
            }
        }
        wanted
            .into_iter()
            .filter(|(peer, _)| *peer != self.me.peer && !self.peers.contains_key(peer))
            .map(|(peer, addresses)| Effect::Dial { peer, addresses })
            .collect()
    }

    /// Subscribes to the topics of a community's keys, and to no others.
    fn listen(&mut self, community: CommunityId) -> Vec<Effect> {
        let person = self.me.person();
        let Some(standing) = self.standing_mut(community) else { return Vec::new() };
        let member = standing.state.role(person) > crate::authority::Role::None;
        let wanted = if standing.is_own_space() || !member {
            Default::default()
        } else {
            standing.recent_keys().into_iter().map(EpochKey::topic).collect()
        };
        let before = std::mem::replace(&mut standing.topics, wanted);
        let gone = before.difference(&standing.topics).cloned().map(Effect::Unsubscribe);
        let come = standing.topics.difference(&before).cloned().map(Effect::Subscribe);
        gone.chain(come).collect()
    }

    /// Seals and publishes, without the body where it does not fit.
    fn publish(&self, community: CommunityId, gossip: &crate::wire::Gossip) -> Option<Effect> {
        let standing = self.standing(community).filter(|s| !s.is_own_space())?;
        let key = standing.key()?;
        let topic = key.topic();
        let mut bytes = gossip.to_bytes();
        if bytes.len().saturating_add(crate::epoch::SEAL_OVERHEAD) > limits::GOSSIP_BYTES {
            let crate::wire::Gossip::Carry(carry) = gossip else { return None };
            let mut header = carry.clone();
            header.body = None;
            bytes = crate::wire::Gossip::Carry(header).to_bytes();
        }
        let data = key.seal(&bytes, topic.as_bytes());
        Some(Effect::Publish { topic, data })
    }

    fn question(&mut self) -> u64 {
        self.next_question = self.next_question.wrapping_add(1);
        self.next_question
    }
}

/// A peer's name as it stands in formats; empty when it is longer than any real one.
fn peer_blob(peer: &[u8]) -> Blob<{ limits::PEER_BYTES }> {
    Blob::new(peer.to_vec()).unwrap_or_else(|_| Blob::new(Vec::new()).expect("nothing is short enough"))
}
