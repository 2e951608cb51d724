//! The engine: one input in, effects out. It decides; network, disk and screen obey.
//!
//! [`Engine::handle`] is the only door. It reads through a [`Ledger`], never writes, never waits,
//! knows no clock and no socket. All effects of an input are returned at once, in the order in
//! which they must be carried out: what is kept stands before what is told.
//!
//! The parts: `author` and `authorize` are what this node's person does, `devices` what they do
//! about their own devices, `chores` what the node does by itself; `receive` is what arrives,
//! `relay` what crosses borders, `departure` what leaves with it, `desk` what a broker keeps about it; `session` is talk with one peer, `handshake` its beginning, `sync`
//! catching up with it, `pull` how far that has come, `serve` its other end, `sets` what is compared;
//! `shares` is how much of one author is taken, `clock` whether this node's own clock is wrong, `forks` which devices signed two things under one number;
//! `epochs` is about keys; `conduct` is what is remembered of peers' behaviour, and `bans` what becomes of
//! those that misbehave.

mod act;
mod addresses;
mod author;
mod authorize;
mod bans;
mod bundles;
mod chains;
mod check;
mod chores;
mod clock;
mod conduct;
mod crossing;
mod departure;
mod desk;
mod devices;
mod due;
mod effect;
mod epochs;
mod follow;
mod forks;
mod handshake;
mod input;
mod join;
mod labels;
mod lost;
mod once;
mod proofs;
mod pull;
mod recall;
mod receive;
mod relay;
mod sequels;
mod serve;
mod session;
mod sets;
mod shares;
mod standing;
mod sync;
#[cfg(test)]
mod tests;
mod waiting;
mod walks;

pub use check::{
    CheckedCarry, CheckedGossip, Fetched, OpenedGossip, Unchecked, check_gossip, check_response, open_gossip,
    read_response,
};
pub use clock::ClockDoubt;
pub use conduct::{BY_HAND, Behaviour, Conduct, Refusals};
pub use crossing::{Check, Permission, check_crossing, prove_crossing};
pub use departure::{Departure, Words, depart};
pub use desk::{DeskCommand, newest_version};
pub use devices::NextKey;
pub use effect::{Answer, CommandRefusal, Effect, Event, Keep, Look, Verdict};
pub use forks::Forked;
pub use input::{Command, Input, PeerName, Ticket};
pub use labels::labels_of;
pub use standing::{Standing, own_space_name};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    bytes::Blob,
    epoch::{EpochKey, SealingKey},
    id::{BundleHash, CommunityId, EnvelopeId, PersonId},
    key::SecretKey,
    ledger::{AddressList, Ledger, PendingJoin},
    limits,
    person::PersonRecord,
    random::Random,
    text::Text,
    time::Millis,
};

/// How often every member that is connected is compared with, and those that are not are dialled.
pub const ROUND_MS: u64 = 30_000;
/// Most carries that wait for a bundle or for another item.
const WAITING: usize = 1_000;
/// After how long a steward's node confirms who came by others' invites, where nobody says otherwise
/// (B14): 3 days.
const CONFIRM_AFTER_MS: u64 = 3 * crate::time::DAY_MS;

/// Who this node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The person's identity key, with which joins and Keys are signed. One device has it (D3).
    pub key: Option<SecretKey>,
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
    /// Whether this home was made from the 24 words and still asks co-members where its person is a
    /// member (D6b).
    pub restoring: bool,
}

impl Identity {
    /// The person.
    #[must_use]
    pub fn person(&self) -> PersonId {
        self.record.id()
    }

    /// The person and the device.
    fn names(&self) -> (PersonId, crate::key::PublicKey) {
        (self.person(), self.device.public())
    }
}

/// Decides for one node. See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    me: Identity,
    random: Random,
    /// The communities of this node; shared with whoever draws pictures of them.
    communities: BTreeMap<CommunityId, Arc<Standing>>,
    /// What is compared with others, of each community.
    sets: sets::Sets,
    peers: BTreeMap<PeerName, session::Peer>,
    pending: BTreeMap<CommunityId, PendingJoin>,
    listening: Option<AddressList>,
    /// Carries whose proof bundle is not here yet.
    waiting_bundles: BTreeMap<BundleHash, Vec<(CommunityId, Box<CheckedCarry>)>>,
    /// Items that wait for another: their target, or one between them and the end of their chain.
    waiting: waiting::Waiting,
    /// Those that have waited long enough.
    ready: Vec<(CommunityId, Box<CheckedCarry>)>,
    /// Whose kept items are to be judged again, since a gap in a chain is filled.
    unproven: BTreeSet<(CommunityId, PersonId)>,
    /// Envelopes that were held for want of a later one which is here now (R7).
    behind: BTreeSet<EnvelopeId>,
    /// What is still to be done of what follows from what was kept.
    sequels: sequels::Sequels,
    /// What is over the quota of the day on which others followed.
    tomorrow: sequels::Sequels,
    followed_on: u64,
    proofs: proofs::Proofs,
    walks: walks::Walks,
    chains: chains::Chains,
    /// Items from further ahead than may be (T1).
    parked: due::Parked,
    /// What time it is by what others claim (F6).
    claims: clock::Claims,
    /// How much of each author was taken (T6).
    shares: shares::Shares,
    chores: BTreeMap<(CommunityId, chores::Chore), Millis>,
    confirm_after_ms: u64,
    pairing: Option<devices::Pairing>,
    /// The invite whose community is being looked at, and until when.
    looking: Option<(crate::invite::InviteKey, Millis)>,
    next_question: u64,
    /// What the clock showed last.
    seen: Millis,
    next_round: Millis,
    lost: lost::Lost,
    /// When it was last asked to be woken.
    waking: Option<Millis>,
    admissions: (u64, usize),
    /// A minute, and what was asked in vain in it.
    vain: (u64, u32),
    /// How much may be asked in vain: on one connection, and in a minute.
    most_vain: (u32, u32),
    /// How peers behave; shared with whoever shows it.
    conduct: Arc<Conduct>,
    /// Whether strikes lead to bans.
    bans_peers: bool,
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
        let mut random = Random::new(seed);
        // An answer to what the engine before this one has asked is an answer to nothing: where the disk refused a
        // batch, peers are still connected and answer.
        let next_question = u64::from_le_bytes(random.bytes());
        let mut engine = Engine {
            me,
            random,
            communities: BTreeMap::new(),
            sets: sets::Sets::default(),
            peers: BTreeMap::new(),
            pending: BTreeMap::new(),
            listening: None,
            waiting_bundles: BTreeMap::new(),
            waiting: waiting::Waiting::default(),
            ready: Vec::new(),
            unproven: BTreeSet::new(),
            behind: BTreeSet::new(),
            sequels: ledger.sequels()?.into_iter().collect(),
            tomorrow: sequels::Sequels::new(),
            followed_on: now.day(),
            proofs: proofs::Proofs::default(),
            walks: walks::Walks::default(),
            chains: chains::Chains::default(),
            parked: due::Parked::default(),
            claims: clock::Claims::default(),
            shares: shares::Shares::default(),
            chores: BTreeMap::new(),
            confirm_after_ms: CONFIRM_AFTER_MS,
            pairing: None,
            looking: None,
            next_question,
            seen: now,
            next_round: now,
            lost: lost::Lost::default(),
            waking: None,
            admissions: (0, 0),
            vain: (0, 0),
            most_vain: (limits::VAIN_ASKS, limits::VAIN_ASKS_PER_MINUTE),
            conduct: Arc::new(Conduct::load(ledger.bans()?, now)),
            bans_peers: true,
        };
        for genesis in ledger.communities()? {
            let Ok(community) = crate::community::Community::check(genesis) else { continue };
            let mut standing = Standing::new(community, engine.me.names());
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
            standing.was_in = standing.is_in(engine.me.person());
            standing.met = ledger.met(id)?.into_iter().map(|(peer, person, device)| (peer, (person, device))).collect();
            standing.keys = ledger.epoch_keys(id)?.into_iter().map(|(op, key)| (op, EpochKey::new(key))).collect();
            standing.book =
                ledger.addresses(id)?.into_iter().map(|list| (list.peer.as_slice().to_vec(), list)).collect();
            engine.sets.load(id, ledger)?;
            engine.communities.insert(id, Arc::new(standing));
        }
        for join in ledger.pending_joins()? {
            engine.pending.insert(join.community, join);
        }
        Ok(engine)
    }

    /// After how long a steward's node confirms newcomers (B14).
    pub fn confirm_after(&mut self, ms: u64) {
        self.confirm_after_ms = ms;
    }

    /// Looks at whatever is asked from outside, however often it was in vain: for tests that want to
    /// know whether checks are missing behind that limit.
    #[cfg(any(test, feature = "testing"))]
    pub fn look_at_all_asks(&mut self) {
        self.most_vain = (u32::MAX, u32::MAX);
    }

    /// What a node does first: listens on its topics, and asks to be woken.
    pub fn start(&mut self, now: Millis) -> Vec<Effect> {
        let ids: Vec<CommunityId> = self.communities.keys().copied().collect();
        let mut effects = self.bar_banned(now);
        effects.extend(ids.into_iter().flat_map(|id| self.listen(id)));
        self.next_round = now;
        self.waking = Some(now);
        effects.push(Effect::Wake(now));
        effects
    }

    /// Decides one input.
    ///
    /// # Errors
    /// The ledger's; then nothing of the input has been decided, and this engine must not be used
    /// on.
    pub fn handle<L: Ledger>(&mut self, now: Millis, input: Input, ledger: &L) -> Decided<L> {
        self.follow_clock(now);
        if matches!(input, Input::Woken) {
            self.take_parked(now);
        }
        if let Some(effects) = self.turns_away(now, &input) {
            return Ok(effects);
        }
        self.sets.begin();
        self.shares.begin(now);
        let from = input.peer().cloned();
        self.note_refusal(now, &input);
        let mut effects = match input {
            // By itself: the ledger does not have yet what one input keeps, and what it shows once it
            // would show again.
            Input::Woken if self.has_ready() => self.take_ready(now, ledger)?,
            input => match self.unasked(&input) {
                Some(name) => self.refuse_answer(&input, name),
                None => self.decide(now, input, ledger)?,
            },
        };
        effects.extend(self.judge_unjudged(ledger)?);
        if let Some(peer) = &from {
            self.account(now, peer, &mut effects);
        }
        let at = self.next_due(now);
        if self.waking != Some(at) {
            self.waking = Some(at);
            effects.push(Effect::Wake(at));
        }
        Ok(effects)
    }

    fn decide<L: Ledger>(&mut self, now: Millis, input: Input, ledger: &L) -> Decided<L> {
        match input {
            Input::Command(ticket, command) => self.command(now, ticket, command, ledger),
            Input::Connected(peer) => Ok(self.connected(&peer)),
            Input::Disconnected(peer) => {
                self.lose(now, &peer);
                Ok(self.disconnected(&peer))
            }
            Input::Unreachable(peer) => Ok(vec![Effect::Tell(Event::Unreachable(peer))]),
            Input::Listening(list) => {
                self.listening = Some(list);
                Ok(Vec::new())
            }
            Input::Asked { peer, token, request } => self.asked(now, &peer, token, request, ledger),
            Input::AddressesAsked { peer, token, tag, lists } => Ok(self.addresses_asked(&peer, token, tag, lists)),
            Input::Outlined { peer, id, next } => Ok(self.outlined(&peer, id, next)),
            Input::Arrived { peer, id, thing } => self.arrived(now, &peer, id, *thing, ledger),
            Input::Answered { peer, id, response } => self.answered(now, &peer, id, response, ledger),
            Input::AddressesAnswered { peer, id, lists } => Ok(self.addresses_answered(&peer, id, lists)),
            Input::Unanswered { peer, id } => Ok(self.unanswered(&peer, id)),
            Input::Gossip { peer, token, gossip } => self.gossip(now, &peer, token, gossip, ledger),
            Input::Misbehaved { name, .. } => Ok(bans::struck(name).into()),
            Input::Woken => self.woken(now, ledger),
        }
    }

    /// The communities, for showing.
    #[must_use]
    pub fn communities(&self) -> &BTreeMap<CommunityId, Arc<Standing>> {
        &self.communities
    }

    /// The communities whose members have not answered a join yet.
    #[must_use]
    pub fn pending(&self) -> Vec<CommunityId> {
        self.wanted_joins()
    }

    /// The peers that are connected, with the communities in which each has proven a role.
    #[must_use]
    pub fn connected_peers(&self) -> Vec<(PeerName, Vec<CommunityId>)> {
        self.peers.iter().map(|(name, peer)| (name.clone(), peer.proven_in())).collect()
    }

    /// This node's person's own space. After a restore there may be two: the older one counts.
    #[must_use]
    pub fn own_space(&self) -> Option<CommunityId> {
        let own = self.communities.values().filter(|s| s.is_own_space());
        own.min_by_key(|s| (s.log.community().genesis.ts, s.id())).map(|s| s.id())
    }

    fn standing(&self, community: CommunityId) -> Option<&Arc<Standing>> {
        self.communities.get(&community)
    }

    fn standing_mut(&mut self, community: CommunityId) -> Option<&mut Standing> {
        self.communities.get_mut(&community).map(Arc::make_mut)
    }

    /// Every round compares with every member that is connected and dials those that are not; does what is due.
    fn woken<L: Ledger>(&mut self, now: Millis, ledger: &L) -> Decided<L> {
        self.waking = None;
        let mut effects = self.lift_bans(now);
        if now >= self.next_round {
            self.next_round = now.after(ROUND_MS);
            self.follow_on_a_new_day(now);
            let communities: Vec<CommunityId> = self.communities.keys().copied().collect();
            communities.into_iter().for_each(|community| self.plan_chores(now, community));
            effects.extend(self.forget_expired(now));
            effects.extend(self.doubt_again(now));
            effects.extend(self.round());
        }
        effects.extend(self.probe(now));
        effects.extend(self.compare_due(now));
        effects.extend(self.do_chores(now, ledger)?);
        Ok(effects)
    }

    fn round(&mut self) -> Vec<Effect> {
        let mut effects: Vec<Effect> = Vec::new();
        let peers: Vec<PeerName> = self.peers.keys().cloned().collect();
        for peer in peers {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.greeted_again = false;
            }
            effects.extend(self.greet(&peer));
        }
        effects.extend(self.redial());
        effects
    }

    /// Dials every member whose address is known and who is not connected, and the hints of
    /// pending joins. Nobody who is banned.
    fn redial(&self) -> Vec<Effect> {
        self.dial_those(|_| true)
    }

    /// The same of those that `wanted` says.
    fn dial_those(&self, is_wanted: impl Fn(&PeerName) -> bool) -> Vec<Effect> {
        let mut wanted: BTreeMap<PeerName, Vec<Vec<u8>>> = BTreeMap::new();
        for standing in self.communities.values() {
            // Who is known to be out is not looked for.
            let out = |peer: &PeerName| standing.met.get(peer).is_some_and(|(person, _)| !standing.is_in(*person));
            for (peer, list) in standing.book.iter().filter(|(peer, _)| !out(peer)) {
                wanted.insert(peer.clone(), list.addresses.iter().map(|a| a.as_slice().to_vec()).collect());
            }
        }
        let joins = self.wanted_joins().into_iter().filter_map(|community| self.pending.get(&community));
        let keys = joins.filter_map(|pending| crate::invite::InviteKey::from_text(&pending.key).ok());
        let looking = self.looking.iter().map(|(key, _)| key.clone());
        for hint in keys.chain(looking).flat_map(|key| key.hints.to_vec()) {
            let addresses = wanted.entry(hint.0.as_slice().to_vec()).or_default();
            if !addresses.iter().any(|a| a == hint.1.as_slice()) {
                addresses.push(hint.1.as_slice().to_vec());
            }
        }
        wanted
            .into_iter()
            .filter(|(peer, _)| {
                *peer != self.me.peer
                    && is_wanted(peer)
                    && !self.peers.contains_key(peer)
                    && !self.conduct.is_barred(peer)
            })
            .map(|(peer, addresses)| Effect::Dial { peer, addresses })
            .collect()
    }

    /// Subscribes to the topics of a community's keys, and to no others.
    fn listen(&mut self, community: CommunityId) -> Vec<Effect> {
        let person = self.me.person();
        let Some(standing) = self.standing_mut(community) else { return Vec::new() };
        let wanted = if standing.is_private() || !standing.is_in(person) {
            Default::default()
        } else {
            standing.listening_keys().into_iter().map(EpochKey::topic).collect()
        };
        let before = std::mem::replace(&mut standing.topics, wanted);
        let gone = before.difference(&standing.topics).cloned().map(Effect::Unsubscribe);
        let come = standing.topics.difference(&before).cloned().map(Effect::Subscribe);
        gone.chain(come).collect()
    }

    /// Publishes what was written under the key to write under. Where there is none, an epoch is
    /// opened first; who may not open one leaves the rest to comparison. Nothing waits for it (E3).
    fn publish_in(
        &mut self,
        now: Millis,
        community: CommunityId,
        scope: crate::epoch::Scope,
        gossip: &crate::wire::Gossip,
    ) -> Vec<Effect> {
        let Some(standing) = self.standing(community).filter(|s| !s.is_private()) else { return Vec::new() };
        let mut effects = Vec::new();
        if standing.writing_key(scope).is_none() {
            effects.extend(self.open_epoch(now, community, scope).unwrap_or_default());
        }
        let key = self.standing(community).and_then(|standing| standing.writing_key(scope)).cloned();
        effects.extend(key.and_then(|key| self.publish(&key, gossip)));
        effects
    }

    /// Seals and publishes, without the body where it does not fit.
    fn publish(&self, key: &EpochKey, gossip: &crate::wire::Gossip) -> Option<Effect> {
        use crate::wire::Gossip;
        let topic = key.topic();
        let fits = |bytes: &[u8]| bytes.len().saturating_add(crate::epoch::SEAL_OVERHEAD) <= limits::GOSSIP_BYTES;
        let mut bytes = gossip.to_bytes();
        if !fits(&bytes) {
            bytes = match gossip {
                Gossip::Carry(carry) => {
                    let mut header = carry.clone();
                    header.body = None;
                    Gossip::Carry(header).to_bytes()
                }
                // Without the keys: they are asked for.
                Gossip::Epoch(operation, _) => Gossip::Operation(operation.clone()).to_bytes(),
                Gossip::Operation(_) => return None,
            };
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
