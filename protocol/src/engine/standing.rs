//! What the engine holds in memory of one community: its log, what that says, and its keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    authority::{Grant, Log, Operation, Role, State, evaluate, policy},
    community::Community,
    epoch::{EpochKey, Scope},
    id::{CommunityId, OpId, PersonId},
    ledger::AddressList,
    limits,
    signed::Verified,
    wire::{AnyId, Fingerprint, SetName},
};

/// Most operations that wait for their parents. A log that arrives in any order needs many; a
/// peer that invents parents fills them no further.
const ORPHANS: usize = limits::LOG_OPERATIONS;
/// Epoch keys that are shown in a handshake and listened under: the newest and those that a node
/// may still be on that has missed a change.
const RECENT_KEYS: usize = 4;

/// One community of this node.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its authority log.
    pub log: Log,
    /// What the log says.
    pub state: State,
    pub(super) keys: BTreeMap<OpId, EpochKey>,
    pub(super) sets: BTreeMap<SetName, Fingerprint>,
    pub(super) orphans: BTreeMap<OpId, Verified<Operation>>,
    pub(super) book: BTreeMap<Vec<u8>, AddressList>,
    /// Topics that are listened on.
    pub(super) topics: BTreeSet<String>,
    /// When the last comparison with a member was complete.
    pub synced: Option<crate::time::Millis>,
    own: bool,
}

impl Standing {
    pub(super) fn new(community: Community, me: PersonId) -> Standing {
        // Nobody else can found a community in my name, so nobody's `mine` passes for my own.
        let own = community.genesis.name.as_str() == own_space_name()
            && matches!(&*community.founders, [only] if only.id == me);
        let log = Log::new(community);
        let state = evaluate(&log);
        Standing {
            log,
            state,
            keys: BTreeMap::new(),
            sets: BTreeMap::new(),
            orphans: BTreeMap::new(),
            book: BTreeMap::new(),
            topics: BTreeSet::new(),
            synced: None,
            own,
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

    pub(super) fn evaluate(&mut self) {
        self.state = evaluate(&self.log);
    }

    /// The keys held, newest first, that the log commits to (E3). While the log has not arrived
    /// yet, whatever was handed over.
    fn keys_held(&self) -> Vec<(&OpId, &EpochKey)> {
        let mut epochs: Vec<_> = self.state.epochs.iter().filter(|e| e.scope == Scope::All).collect();
        epochs.sort_by_key(|e| std::cmp::Reverse((e.adequate, e.lamport, e.id)));
        if epochs.is_empty() {
            return self.keys.iter().collect();
        }
        epochs
            .iter()
            .filter_map(|e| self.keys.get_key_value(&e.id).filter(|(_, key)| key.commit() == e.commit))
            .collect()
    }

    /// The key to write under.
    pub(super) fn key(&self) -> Option<&EpochKey> {
        self.keys_held().first().map(|(_, key)| *key)
    }

    /// The newest keys: those that a handshake shows and gossip is listened for under.
    #[must_use]
    pub fn recent_keys(&self) -> Vec<&EpochKey> {
        self.keys_held().into_iter().take(RECENT_KEYS).map(|(_, key)| key).collect()
    }

    /// The keys that a newcomer of this role is given (E6).
    pub(super) fn keys_for(&self, role: Role) -> Vec<(OpId, EpochKey)> {
        let history = self.state.policy.get(&policy::HISTORY).copied().unwrap_or(1);
        let most = if role >= Role::Member && history == 1 { 64 } else { 1 };
        self.keys_held().into_iter().take(most).map(|(id, key)| (*id, key.clone())).collect()
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

    pub(super) fn fingerprint(&self, set: SetName) -> Fingerprint {
        self.sets.get(&set).copied().unwrap_or_default()
    }

    pub(super) fn count_in(&mut self, set: SetName, id: &AnyId) {
        self.sets.entry(set).or_default().add(id);
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
