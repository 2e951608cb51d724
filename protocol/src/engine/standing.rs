//! What the engine holds in memory of one community: its log, what that says, and its keys.

use std::collections::{BTreeMap, BTreeSet};

use super::sets::Given;
use crate::{
    authority::{Body, Grant, Log, Operation, Role, State, evaluate, policy},
    community::Community,
    epoch::{EpochKey, Scope},
    id::{CommunityId, OpId, PersonId},
    key::PublicKey,
    ledger::AddressList,
    limits,
    person::Caps,
    signed::Verified,
    time::Millis,
};

/// Most operations that wait for their parents. A log that arrives in any order needs many; a
/// peer that invents parents fills them no further.
const ORPHANS: usize = limits::LOG_OPERATIONS;
/// Epoch keys of a community that are shown in a handshake (7.2).
const TAG_KEYS: usize = 4;
/// Epoch keys of a scope whose topics are listened on (7.5).
const LISTENING_KEYS: usize = 2;

/// The role from which on somebody is in a scope (E1).
pub(super) fn floor(scope: Scope) -> Role {
    match scope {
        Scope::All => Role::Peripheral,
        Scope::Inner => Role::Member,
    }
}

struct KeyHeld<'a> {
    id: OpId,
    key: &'a EpochKey,
    lamport: u32,
    adequate: bool,
}

/// One community of this node.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its authority log.
    pub log: Log,
    /// What the log says.
    pub state: State,
    pub(super) keys: BTreeMap<OpId, EpochKey>,
    pub(super) orphans: BTreeMap<OpId, Verified<Operation>>,
    pub(super) book: BTreeMap<Vec<u8>, AddressList>,
    /// Peers that have proven themselves here, with whom they are.
    pub(super) met: BTreeMap<Vec<u8>, (PersonId, PublicKey)>,
    /// Topics that are listened on.
    pub(super) topics: BTreeSet<String>,
    /// When the last comparison with a member was complete.
    pub synced: Option<crate::time::Millis>,
    /// Whether this node's person had a role when its log was last followed.
    pub(super) was_in: bool,
    /// Whether the log has grown since `state` was worked out.
    pub(super) outgrown: bool,
    /// Whether the log may say something of somebody by which what they wrote was not judged yet: this node's person
    /// has just signed it, or the node stopped after it was kept.
    pub(super) unjudged: bool,
    /// What the log said of each person when their items were last judged.
    judged: BTreeMap<PersonId, Vec<usize>>,
    own: bool,
    me: PersonId,
    device: PublicKey,
}

impl Standing {
    pub(super) fn new(community: Community, me: (PersonId, PublicKey)) -> Standing {
        let (me, device) = me;
        // Nobody else can found a community in my name, so nobody's `mine` passes for my own.
        let own = community.genesis.name.as_str() == own_space_name()
            && matches!(&*community.founders, [only] if only.id == me);
        let log = Log::new(community);
        let state = evaluate(&log);
        Standing {
            log,
            state,
            keys: BTreeMap::new(),
            orphans: BTreeMap::new(),
            book: BTreeMap::new(),
            met: BTreeMap::new(),
            topics: BTreeSet::new(),
            synced: None,
            was_in: false,
            outgrown: false,
            unjudged: true,
            judged: BTreeMap::new(),
            own,
            me,
            device,
        }
    }

    /// The community's id.
    #[must_use]
    pub fn id(&self) -> CommunityId {
        self.log.id()
    }

    /// The community's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.log.community().genesis.name.as_str()
    }

    /// Whether this is somebody's own space: see [`own_space_name`].
    #[must_use]
    pub fn is_own_space(&self) -> bool {
        self.own
    }

    /// Whether nobody else reads here: the own space of a person who has this device only.
    pub(super) fn is_private(&self) -> bool {
        let devices = self.state.members.get(&self.me).map(|member| member.devices.as_slice()).unwrap_or_default();
        self.own && devices.iter().all(|cert| cert.caps == Caps::NONE || cert.device == self.device)
    }

    /// Those of whom the log says something else than when this was asked last, as far as it decides
    /// which of their items stand.
    pub(super) fn judged_anew(&mut self) -> Vec<PersonId> {
        self.unjudged = false;
        let mut now = BTreeMap::new();
        for person in self.state.judged() {
            now.insert(person, self.state.judged_by(person));
        }
        let before = std::mem::replace(&mut self.judged, now);
        let people: BTreeSet<PersonId> = before.keys().chain(self.judged.keys()).copied().collect();
        people.into_iter().filter(|person| before.get(person) != self.judged.get(person)).collect()
    }

    pub(super) fn evaluate(&mut self) {
        self.outgrown = false;
        self.state = evaluate(&self.log);
    }

    /// Whether this node's person has a role here now.
    #[must_use]
    pub fn is_in(&self, me: PersonId) -> bool {
        self.state.role(me) > Role::None
    }

    /// Whether the log that makes this node's person a member has yet to come. Who was a member
    /// once, and is none now, waits for nothing.
    pub(super) fn is_arriving(&self, me: PersonId) -> bool {
        self.log.is_empty() || !self.state.members.contains_key(&me)
    }

    /// Whether this node's person has left, and nobody's operation shows yet that others know: they
    /// are told for as long as others may be away.
    pub(super) fn has_untold_leave(&self, now: Millis) -> bool {
        let left = self
            .log
            .operations()
            .filter(|place| matches!(place.operation.body, Body::Leave) && place.operation.author == self.me);
        let told = |leave: OpId| {
            self.log.operations().any(|place| place.operation.author != self.me && self.log.is_before(leave, place.id))
        };
        let newest = left.max_by_key(|place| place.operation.lamport);
        !self.is_in(self.me)
            && newest.is_some_and(|leave| now.since(leave.operation.ts) < limits::LEAVE_TOLD_MS && !told(leave.id))
    }

    /// The keys that this node shows in a handshake, where it has something to say here.
    pub(super) fn hello_keys(&self, now: Millis) -> Vec<&EpochKey> {
        if self.is_private() {
            Vec::new()
        } else if self.is_in(self.me) || self.is_arriving(self.me) {
            self.tag_keys()
        } else if self.has_untold_leave(now) {
            // Those of before: by our own log none is adequate any more.
            self.keys_held(Scope::All).into_iter().take(TAG_KEYS).map(|held| held.key).collect()
        } else {
            Vec::new()
        }
    }

    /// The keys by which this node knows others again: those that it shows; and, for somebody whose
    /// log has yet to come, all that were handed over with one that has yet to come.
    /// Nothing tells which of these is current, and there may be more than it can show.
    pub(super) fn known_keys(&self, now: Millis) -> Vec<&EpochKey> {
        let mut keys = self.hello_keys(now);
        if self.is_arriving(self.me) {
            keys.extend(self.keys.iter().filter(|(id, _)| !self.log.contains(**id)).map(|(_, key)| key));
        }
        keys
    }

    /// Whether the log may be fetched from somebody who has shown a key of this community: a
    /// newcomer, or a new device, of whom our log has not heard yet, may. What comes proves itself.
    pub(super) fn may_fetch_from(&self, person: PersonId, device: PublicKey) -> bool {
        let known = self.state.members.get(&person);
        known.is_none_or(|member| member.role > Role::None) && !self.state.revoked(person).contains(&device)
    }

    /// The keys held of a scope: those of adequate epochs first, the newest first among each (E3).
    /// A key of an epoch that has not come yet was handed over together with a log to fetch: it is
    /// the newest that there is, for somebody whose log has yet to come. For others it
    /// counts once its epoch is there: until then nothing says who is to have it, or who made it.
    fn keys_held(&self, scope: Scope) -> Vec<KeyHeld<'_>> {
        let known = |id: &OpId| self.state.epochs.iter().find(|epoch| epoch.id == *id);
        let mut held: Vec<KeyHeld<'_>> = self
            .keys
            .iter()
            .filter_map(|(id, key)| match known(id) {
                Some(epoch) if epoch.scope == scope && epoch.commit == key.commit() => {
                    Some(KeyHeld { id: *id, key, lamport: epoch.lamport, adequate: epoch.adequate })
                }
                None if scope == Scope::All && !self.log.contains(*id) && self.is_arriving(self.me) => {
                    Some(KeyHeld { id: *id, key, lamport: u32::MAX, adequate: true })
                }
                _ => None,
            })
            .collect();
        held.sort_by_key(|held| std::cmp::Reverse((held.adequate, held.lamport, held.id)));
        held
    }

    /// The key to write under: of the adequate epochs whose key is held, the one with the highest
    /// (lamport, id) (E3).
    pub(super) fn writing_key(&self, scope: Scope) -> Option<&EpochKey> {
        self.keys_held(scope).into_iter().find(|held| held.adequate).map(|held| held.key)
    }

    /// The newest key held, adequate or not: what others may still be on.
    pub(super) fn newest_key(&self, scope: Scope) -> Option<&EpochKey> {
        self.keys_held(scope).into_iter().next().map(|held| held.key)
    }

    /// The keys that a handshake shows (7.2): of adequate epochs only, so that who was removed
    /// recognises nothing.
    #[must_use]
    pub fn tag_keys(&self) -> Vec<&EpochKey> {
        let adequate = self.keys_held(Scope::All).into_iter().filter(|held| held.adequate);
        adequate.take(TAG_KEYS).map(|held| held.key).collect()
    }

    /// The keys under which gossip is listened for (7.5): the one to write under, and the one
    /// before it, which those are still on who have not heard of the change.
    #[must_use]
    pub fn listening_keys(&self) -> Vec<&EpochKey> {
        let of = |scope| self.keys_held(scope).into_iter().take(LISTENING_KEYS).map(|held| held.key);
        of(Scope::All).chain(of(Scope::Inner)).collect()
    }

    /// Whether there is an epoch made in knowledge of everything that lowers a role, whoever holds
    /// its key.
    pub(super) fn has_adequate_epoch(&self, scope: Scope) -> bool {
        self.state.epochs.iter().any(|epoch| epoch.scope == scope && epoch.adequate)
    }

    /// The adequate epochs of whose scope the person is, and whose key is not held.
    pub(super) fn missing_keys(&self, me: PersonId) -> Vec<OpId> {
        let role = self.state.role(me);
        let mut missing: Vec<_> = self
            .state
            .epochs
            .iter()
            .filter(|epoch| epoch.adequate && role >= floor(epoch.scope))
            .filter(|epoch| self.keys.get(&epoch.id).is_none_or(|key| key.commit() != epoch.commit))
            .collect();
        missing.sort_by_key(|epoch| std::cmp::Reverse((epoch.lamport, epoch.id)));
        missing.into_iter().take(limits::KEYS_HANDED_OVER).map(|epoch| epoch.id).collect()
    }

    /// By which operation somebody came who is not given what was there before them (E6): a peripheral
    /// member, and any other where the policy says so. None of founders, who have been there from the
    /// first, and of those who have no role.
    #[must_use]
    pub fn came_without_history(&self, person: PersonId) -> Option<OpId> {
        let history = self.state.policy.get(&policy::HISTORY).copied().unwrap_or(1) == 1;
        match self.state.came_by(person) {
            Some(Grant::Op(id)) if self.state.role(person) < Role::Member || !history => Some(id),
            _ => None,
        }
    }

    /// What two members are both given (E1, E6): of who came later without history, from the time of the
    /// operation that let them in. Devices of one person keep nothing from each other.
    pub(super) fn given(&self, one: PersonId, other: PersonId) -> Given {
        let inner = [one, other].iter().all(|person| self.state.role(*person) >= floor(Scope::Inner));
        if one == other {
            return Given::new(inner, 0);
        }
        let came = [one, other].into_iter().filter_map(|person| self.came_without_history(person));
        let times = came.filter_map(|id| self.log.get(id)).map(|place| place.operation.ts.0);
        Given::new(inner, times.max().unwrap_or_default())
    }

    /// The keys that a person is given, newest first (E5, E6): of the scopes that their role has; all
    /// of them, where the policy keeps history for members, else from the epoch on that was current
    /// when they came.
    pub(super) fn keys_for(&self, person: PersonId) -> Vec<(OpId, EpochKey)> {
        let role = self.state.role(person);
        let came = self.came_without_history(person);
        let mut given = Vec::new();
        for scope in [Scope::All, Scope::Inner].into_iter().filter(|scope| role >= floor(*scope)) {
            let held = self.keys_held(scope);
            let before = |held: &KeyHeld<'_>| came.is_some_and(|came| self.log.is_before(held.id, came));
            let current = held.iter().filter(|held| before(held)).max_by_key(|held| (held.lamport, held.id));
            let current = current.map(|held| held.id);
            let allowed = held.iter().filter(|held| !before(held) || Some(held.id) == current);
            // Of an epoch that has not come nobody can tell whether it knows that somebody is out.
            let allowed = allowed.filter(|held| self.log.contains(held.id));
            given.extend(allowed.map(|held| (held.id, held.key.clone())));
        }
        given
    }

    /// Up to four heads that an item names as what its author knew, the author's grant among
    /// their past (T4).
    pub(super) fn heads_for(&self, grant: Option<Grant>) -> Vec<OpId> {
        let mut heads = self.log.heads();
        if heads.len() > limits::HEADS {
            // Only until a Merge joins them: those nearest to the end, and the grant itself.
            heads.sort_by_key(|id| std::cmp::Reverse(self.log.get(*id).map(|p| p.operation.lamport)));
            heads.truncate(limits::HEADS.saturating_sub(1));
            if let Some(Grant::Op(id)) = grant {
                heads.push(id);
            }
            heads.sort_unstable();
            heads.dedup();
        }
        heads
    }

    /// The scopes that epochs are kept for: all, and the inner one once somebody has opened it.
    pub(super) fn scopes_in_use(&self) -> Vec<Scope> {
        let inner = self.state.epochs.iter().any(|epoch| epoch.scope == Scope::Inner);
        [Scope::All, Scope::Inner].into_iter().filter(|scope| *scope == Scope::All || inner).collect()
    }

    /// By whose invite somebody came.
    pub(super) fn invited_by(&self, person: PersonId) -> Option<PersonId> {
        let admitted = self.state.invites.values().find(|invite| invite.admitted.contains(&person));
        Some(admitted?.cert.as_ref()?.inviter)
    }

    /// How many newcomers somebody has confirmed on a day.
    pub(super) fn confirmed_on(&self, who: PersonId, day: u64) -> usize {
        let vouches = |operation: &Operation| {
            operation.author == who
                && operation.ts.day() == day
                && matches!(&operation.body, Body::Rule(rule) if rule.vouch)
        };
        self.log.operations().filter(|place| vouches(&place.operation)).count()
    }

    /// The parents of an operation that is signed now.
    pub(super) fn parents(&self) -> Vec<OpId> {
        let mut parents = self.log.heads();
        parents.truncate(limits::PARENTS);
        parents
    }

    pub(super) fn park(&mut self, operation: Verified<Operation>) {
        if self.orphans.len() < ORPHANS {
            self.orphans.insert(operation.id().into(), operation);
        }
    }

    /// How many heads its log has: more than one where members have acted apart.
    #[must_use]
    pub fn heads(&self) -> usize {
        self.log.heads().len()
    }

    /// Who a peer has proven to be here, when it did so last.
    #[must_use]
    pub fn met_at(&self, peer: &[u8]) -> Option<PersonId> {
        self.met.get(peer).map(|(person, _)| *person)
    }

    /// The name that a person joined with.
    #[must_use]
    pub fn name_of(&self, person: PersonId) -> Option<&str> {
        self.state.members.get(&person).map(|member| member.name.as_str())
    }
}

/// The name of every person's own space: a community of one, made with the home.
#[must_use]
pub fn own_space_name() -> &'static str {
    "mine"
}
