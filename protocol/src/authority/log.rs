//! The log: operations that passed B1, in an order in which parents come before children.
//!
//! What is asked of a new operation stands in [`super::check`]; what stored ones amount to, in
//! [`super::evaluate`](super::evaluate()). Always true: places are only ever added, at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Body, Operation, OperationRefusal, Role, Rule, Subject,
    bits::Bits,
    certify::{Known, Statement},
    check::{Checked, check},
};
use crate::{
    community::Community,
    id::{CertId, CommunityId, OpId, PersonId},
    invite::InviteCert,
    person::{Person, PersonRecord},
    signed::{Signed, Verified},
    time::Millis,
};

/// One stored operation with what was worked out about it once.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its id.
    pub id: OpId,
    /// What it says.
    pub operation: Operation,
    /// The bytes it came in.
    pub signed: Signed,
    /// The newcomer that an Admit or a ruling on a join names.
    pub(super) newcomer: Option<Newcomer>,
    /// The certificate of an Admit.
    pub(super) cert: Option<(CertId, InviteCert)>,
    /// All places before it.
    pub(super) past: Bits,
}

/// Somebody who joined, as their join proves them.
#[derive(Debug, Clone)]
pub(super) struct Newcomer {
    pub(super) person: Person,
    pub(super) name: String,
    pub(super) record: PersonRecord,
}

/// The authority log of one community. Place 0 is the genesis.
#[derive(Debug, Clone)]
pub struct Log {
    pub(super) community: Community,
    /// Place i stands at number i + 1. Shared, so that a log is cheap to copy for a trial.
    pub(super) places: Vec<Arc<Place>>,
    index: BTreeMap<OpId, usize>,
    heads: BTreeSet<OpId>,
    pub(super) persons: BTreeMap<PersonId, Known>,
}

/// The number of the genesis among the places.
pub(super) const GENESIS: usize = 0;

impl Log {
    /// The log of a community that has only its genesis.
    #[must_use]
    pub fn new(community: Community) -> Log {
        let known = |(person, said): (&Person, &crate::community::Founder)| {
            let statements = vec![Statement::of_record(GENESIS, &said.0, person)];
            (person.id, Known { inception: said.0.inception.clone(), statements })
        };
        let persons = community.founders.iter().zip(&community.genesis.founders).map(known).collect();
        let id = OpId::from(community.id);
        Log {
            community,
            places: Vec::new(),
            index: BTreeMap::from([(id, GENESIS)]),
            heads: BTreeSet::from([id]),
            persons,
        }
    }

    /// The community.
    #[must_use]
    pub fn community(&self) -> &Community {
        &self.community
    }

    /// The community's id.
    #[must_use]
    pub fn id(&self) -> CommunityId {
        self.community.id
    }

    /// Operations without children: what a new one takes as parents.
    #[must_use]
    pub fn heads(&self) -> Vec<OpId> {
        self.heads.iter().copied().collect()
    }

    /// Whether the operation, or the genesis, is stored.
    #[must_use]
    pub fn contains(&self, id: OpId) -> bool {
        self.index.contains_key(&id)
    }

    /// A stored operation; none for the genesis.
    #[must_use]
    pub fn get(&self, id: OpId) -> Option<&Place> {
        self.index.get(&id).and_then(|at| self.place(*at))
    }

    /// All operations, parents before children.
    pub fn operations(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().map(Arc::as_ref)
    }

    /// How many operations there are, the genesis not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is only the genesis.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The lamport number of an operation that follows the present heads.
    #[must_use]
    pub fn next_lamport(&self) -> u32 {
        self.heads.iter().map(|id| self.lamport(*id)).max().unwrap_or(0).saturating_add(1)
    }

    /// Whether `earlier` lies in the past of `later`.
    #[must_use]
    pub fn is_before(&self, earlier: OpId, later: OpId) -> bool {
        matches!((self.number(earlier), self.number(later)), (Some(earlier), Some(later)) if self.past_has(later, earlier))
    }

    /// The highest key of the ladder that the person has revealed here (D1).
    #[must_use]
    pub fn rung(&self, person: PersonId) -> Option<u8> {
        self.persons.get(&person)?.statements.iter().map(|statement| statement.index).max()
    }

    /// Stores an operation whose signatures have been checked (B1). Answers false when it was
    /// stored before.
    ///
    /// # Errors
    /// [`OperationRefusal`].
    pub fn add(&mut self, operation: Verified<Operation>, now: Millis) -> Result<bool, OperationRefusal> {
        let id = OpId::from(operation.id());
        if self.contains(id) {
            return Ok(false);
        }
        let checked = check(self, id, operation, now)?;
        self.store(checked);
        Ok(true)
    }

    pub(super) fn store(&mut self, Checked { place, stated }: Checked) {
        if let Some((person, inception, statement)) = stated {
            let known = self.persons.entry(person).or_insert_with(|| Known { inception, statements: Vec::new() });
            known.statements.push(statement);
        }
        for parent in &place.operation.parents {
            self.heads.remove(parent);
        }
        self.heads.insert(place.id);
        self.index.insert(place.id, self.next_number());
        self.places.push(Arc::new(place));
    }

    /// The number that the next place will have.
    pub(super) fn next_number(&self) -> usize {
        self.places.len().saturating_add(1)
    }

    pub(super) fn place(&self, at: usize) -> Option<&Place> {
        at.checked_sub(1).and_then(|at| self.places.get(at)).map(Arc::as_ref)
    }

    /// Every place with its number, parents before children, the genesis left out.
    pub(super) fn numbered(&self) -> impl DoubleEndedIterator<Item = (usize, &Place)> + ExactSizeIterator {
        self.places.iter().enumerate().map(|(at, place)| (at.saturating_add(1), place.as_ref()))
    }

    /// The same by lamport number and id, so that what is listed does not tell in which order the
    /// operations came (P1).
    pub(super) fn in_order(&self) -> Vec<(usize, &Place)> {
        let mut places: Vec<_> = self.numbered().collect();
        places.sort_unstable_by_key(|(_, place)| (place.operation.lamport, place.id));
        places
    }

    pub(super) fn number(&self, id: OpId) -> Option<usize> {
        self.index.get(&id).copied()
    }

    /// Whether place `at` lies before place `of`.
    pub(super) fn past_has(&self, of: usize, at: usize) -> bool {
        self.place(of).is_some_and(|place| place.past.has(at))
    }

    /// `cl(ids)`: these and all before them. Unknown ones add nothing.
    pub(super) fn closure(&self, ids: &[OpId]) -> Bits {
        let mut closure = Bits::default();
        for at in ids.iter().filter_map(|id| self.index.get(id)) {
            if let Some(place) = self.place(*at) {
                closure.include(&place.past);
            }
            closure.insert(*at);
        }
        closure
    }

    /// B6: what a ruling keeps. What it names as its cut; if it names none, what it had seen.
    pub(super) fn kept(&self, place: &Place, rule: &Rule) -> Bits {
        self.closure(rule.cut.as_deref().unwrap_or(&place.operation.parents))
    }

    pub(super) fn lamport(&self, id: OpId) -> u32 {
        self.get(id).map_or(0, |place| place.operation.lamport)
    }
}

impl Place {
    /// Whether it is a grant to `person` (B2).
    pub(super) fn gives_to(&self, person: PersonId) -> bool {
        match &self.operation.body {
            Body::Rule(rule) => rule.role > Role::None && self.names(person),
            Body::Admit(..) => self.names(person),
            _ => false,
        }
    }

    /// Whether it is a ruling on `person`, or admits them.
    pub(super) fn names(&self, person: PersonId) -> bool {
        match (&self.operation.body, &self.newcomer) {
            (Body::Rule(_) | Body::Admit(..), Some(newcomer)) => newcomer.person.id == person,
            (Body::Rule(rule), None) => rule.subjects.iter().any(|s| matches!(s, Subject::Person(p) if *p == person)),
            _ => false,
        }
    }

    /// Those that it is on.
    pub(super) fn subjects(&self) -> Vec<PersonId> {
        let person = |subject: &Subject| match subject {
            Subject::Person(person) => Some(*person),
            Subject::Join(_) => None,
        };
        match (&self.operation.body, &self.newcomer) {
            (Body::Rule(_) | Body::Admit(..), Some(newcomer)) => vec![newcomer.person.id],
            (Body::Rule(rule), None) => rule.subjects.iter().filter_map(person).collect(),
            _ => Vec::new(),
        }
    }

    /// The role that it gives (B2).
    pub(super) fn granted(&self) -> Role {
        match (&self.operation.body, &self.cert) {
            (Body::Rule(rule), _) => rule.role,
            (Body::Admit(..), Some((_, cert))) => cert.role.min(Role::Member),
            _ => Role::None,
        }
    }
}
