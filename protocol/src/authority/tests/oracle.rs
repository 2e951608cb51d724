//! A second implementation of B1 to B13 and D0, to compare with: numbers without bytes, and plain
//! recursion where the evaluator has passes.
//!
//! It follows the text of the rules, not the evaluator. A question that comes back to itself
//! panics: P2 is part of what is compared.

use std::{cell::RefCell, collections::BTreeMap};

use crate::authority::Role;

/// A person, by number; founders come first.
pub(super) type Who = u32;
/// One of a person's devices, by number; a founding or a join certifies the first.
pub(super) type Device = u8;
/// An operation, by number; the genesis is 0 and parents come before children.
pub(super) type Op = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Under {
    Root,
    Gen(Who),
    Op(Op),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cert {
    pub(super) inviter: Who,
    pub(super) device: Device,
    pub(super) auth: Under,
    /// Certificates of one grant differ by it; it also says their terms.
    pub(super) number: u8,
}

impl Cert {
    pub(super) fn max_uses(&self) -> usize {
        1 + usize::from(self.number % 2)
    }

    pub(super) fn only(&self) -> Option<Who> {
        (self.number == 3).then_some(self.inviter)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Genesis,
    /// `joins`: with the join of its one subject.
    Rule {
        subjects: Vec<Who>,
        role: Role,
        vouch: bool,
        cut: Option<Vec<Op>>,
        joins: bool,
    },
    Admit {
        subject: Who,
        cert: Cert,
    },
    InviteEnd {
        cert: Cert,
    },
    Leave,
    Policy {
        key: u16,
        value: u32,
    },
    /// By the key of rung `index`, which it reveals.
    Keys {
        index: u8,
        certified: Vec<Device>,
        revoked: Vec<Device>,
        cut: Option<Vec<Op>>,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Nobody in particular for an act of the root.
    pub(super) author: Option<Who>,
    pub(super) auth: Under,
    /// With which devices: the author, or the founders of an act of the root, the lowest first.
    pub(super) signers: Vec<(Who, Device)>,
    pub(super) parents: Vec<Op>,
    pub(super) act: Act,
}

/// A set of operations, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ops(Vec<u64>);

impl Ops {
    fn none(size: usize) -> Ops {
        Ops(vec![0; size / 64 + 1])
    }

    pub(super) fn has(&self, op: Op) -> bool {
        self.0[op / 64] >> (op % 64) & 1 == 1
    }

    fn insert(&mut self, op: Op) {
        self.0[op / 64] |= 1 << (op % 64);
    }

    fn include(&mut self, other: &Ops) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }
}

/// Whether B10 (5) is asked, of an admission and of all that it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    All,
    ButTwice,
}

/// What somebody's identity key says, in a founding, a join or Keys.
struct Statement {
    op: Op,
    index: u8,
    certified: Vec<Device>,
    revoked: Vec<Device>,
    /// Of Keys.
    kept: Option<Ops>,
}

pub(super) struct Oracle<'a> {
    steps: &'a [Step],
    founders: u32,
    statements: BTreeMap<Who, Vec<Statement>>,
    pasts: Vec<Ops>,
    kept: BTreeMap<Op, Ops>,
    rulings: Vec<Op>,
    leaves: Vec<Op>,
    known: RefCell<BTreeMap<(Op, Asked), Option<bool>>>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(steps: &'a [Step], founders: u32) -> Oracle<'a> {
        let mut pasts: Vec<Ops> = Vec::with_capacity(steps.len());
        for step in steps {
            let past = closure(&pasts, &step.parents, steps.len());
            pasts.push(past);
        }
        let mut kept = BTreeMap::new();
        for (op, step) in steps.iter().enumerate() {
            if let Act::Rule { cut, .. } = &step.act {
                kept.insert(op, closure(&pasts, cut.as_ref().unwrap_or(&step.parents), steps.len()));
            }
        }
        let rulings = kept.keys().copied().collect();
        let leaves = (0..steps.len()).filter(|op| steps[*op].act == Act::Leave).collect();
        let statements = statements(steps, founders, &pasts);
        Oracle { steps, founders, statements, pasts, kept, rulings, leaves, known: RefCell::default() }
    }

    pub(super) fn past(&self, of: Op, op: Op) -> bool {
        self.pasts[of].has(op)
    }

    pub(super) fn gives_to(&self, under: Under, who: Option<Who>) -> bool {
        match (under, who) {
            (Under::Root, who) => who.is_none(),
            (Under::Gen(founder), Some(who)) => founder == who && founder < self.founders,
            (Under::Op(op), Some(who)) => self.given(op) > Role::None && subjects(&self.steps[op]).contains(&who),
            _ => false,
        }
    }

    fn given(&self, op: Op) -> Role {
        match &self.steps[op].act {
            Act::Rule { role, .. } => *role,
            Act::Admit { .. } => Role::Member,
            _ => Role::None,
        }
    }

    pub(super) fn role_of(&self, under: Under) -> Role {
        match under {
            Under::Root | Under::Gen(_) => Role::Steward,
            Under::Op(op) => self.given(op),
        }
    }

    fn in_past(&self, under: Under, of: Op) -> bool {
        match under {
            Under::Op(op) => self.past(of, op),
            Under::Root | Under::Gen(_) => true,
        }
    }

    fn statements(&self, who: Who) -> &[Statement] {
        self.statements.get(&who).map(Vec::as_slice).unwrap_or_default()
    }

    /// D0, of those Keys that `seen` has: whether a statement counts.
    fn counts(&self, who: Who, statement: &Statement, seen: &dyn Fn(Op) -> bool) -> bool {
        let higher = |other: &&Statement| other.index > statement.index && self.counts(who, other, seen);
        (statement.kept.is_none() || seen(statement.op))
            && self
                .statements(who)
                .iter()
                .filter(higher)
                .all(|other| other.kept.as_ref().is_none_or(|kept| kept.has(statement.op)))
    }

    /// D0, of those Keys that `seen` has: whether a device speaks for somebody at `at`.
    fn good(&self, who: Who, device: Device, at: Op, seen: &dyn Fn(Op) -> bool) -> bool {
        let mut counting = self.statements(who).iter().filter(|statement| self.counts(who, statement, seen));
        let is_certified =
            counting.clone().any(|statement| statement.certified.contains(&device) && self.past(at, statement.op));
        is_certified
            && counting.all(|keys| !keys.revoked.contains(&device) || keys.kept.as_ref().is_some_and(|k| k.has(at)))
    }

    /// The same under a grant: of the Keys, those that every effective ruling keeps which leaves
    /// less than `level` of the grant.
    fn good_under(&self, who: Who, device: Device, at: Op, grant: Under, level: Role) -> bool {
        let lowering = |ruling: &&Op| {
            self.bears(**ruling, who, grant).is_some_and(|left| left < level) && self.effective(**ruling)
        };
        let has_keys = self.statements(who).iter().any(|said| said.kept.is_some());
        let lowering: Vec<Op> = self.rulings.iter().filter(|_| has_keys).filter(lowering).copied().collect();
        self.good(who, device, at, &|op| lowering.iter().all(|ruling| self.kept[ruling].has(op)))
    }

    /// B1: whether anything in the past of `op` certifies the device, revoked or not.
    pub(super) fn certified(&self, who: Who, device: Device, op: Op) -> bool {
        self.statements(who).iter().any(|said| self.past(op, said.op) && said.certified.contains(&device))
    }

    /// B1, of those who sign with the root: whether the device is good by what `op` has seen.
    pub(super) fn good_in_past(&self, who: Who, device: Device, op: Op) -> bool {
        let seen = |said: Op| self.past(op, said);
        let mut counting = self.statements(who).iter().filter(|said| seen(said.op) && self.counts(who, said, &seen));
        counting.clone().any(|said| said.certified.contains(&device))
            && counting.all(|said| !said.revoked.contains(&device))
    }

    /// B1, as far as it is about who signs.
    fn well_signed(&self, op: Op) -> bool {
        let Step { author, signers, act, .. } = &self.steps[op];
        let Some(author) = author else {
            return signers.iter().all(|(who, device)| self.good_in_past(*who, *device, op))
                && !subjects(&self.steps[op]).contains(&signers[0].0);
        };
        match act {
            Act::Keys { .. } => self.statements(*author).iter().any(|said| self.past(op, said.op)),
            Act::Admit { cert, .. } if !self.certified(cert.inviter, cert.device, op) => false,
            _ => self.certified(*author, signers[0].1, op),
        }
    }

    /// B1.
    pub(super) fn wellformed(&self, op: Op) -> bool {
        let step = &self.steps[op];
        if !self.gives_to(step.auth, step.author)
            || !self.in_past(step.auth, op)
            || self.role_of(step.auth) < need(&step.act)
            || !self.well_signed(op)
        {
            return false;
        }
        match &step.act {
            Act::Keys { cut, .. } => cut.iter().flatten().all(|cut| self.past(op, *cut)) && step.author.is_some(),
            Act::Rule { subjects, role, vouch, cut, .. } => {
                let distinct = subjects.iter().enumerate().all(|(at, s)| !subjects[..at].contains(s));
                cut.iter().flatten().all(|cut| self.past(op, *cut))
                    && !subjects.is_empty()
                    && distinct
                    && (*role >= Role::Member || subjects.len() == 1)
                    && !(*vouch && *role == Role::None)
                    && step.author.is_none_or(|author| !subjects.contains(&author))
            }
            Act::Admit { subject, cert } => {
                step.author.is_some_and(|author| author != *subject && cert.only().is_none_or(|only| only == author))
                    && cert.inviter != *subject
                    && cert.auth != Under::Root
                    && self.gives_to(cert.auth, Some(cert.inviter))
                    && self.in_past(cert.auth, op)
                    && self.role_of(cert.auth) >= Role::Core
            }
            // The root rules and succeeds, nothing else.
            _ => step.author.is_some(),
        }
    }

    /// B3, of grants to one person each: those who share a ruling have one grant each.
    pub(super) fn path(&self, under: Under) -> Vec<(Under, Option<Who>)> {
        match under {
            Under::Root => Vec::new(),
            Under::Gen(_) => vec![(Under::Root, None)],
            Under::Op(op) => {
                let Step { auth, author, .. } = &self.steps[op];
                let mut path = self.path(*auth);
                path.push((*auth, *author));
                path
            }
        }
    }

    /// B4 and B5: the role that a ruling leaves of somebody's grant, if it bears on it.
    pub(super) fn bears(&self, ruling: Op, who: Who, grant: Under) -> Option<Role> {
        let Act::Rule { subjects, role, vouch: false, .. } = &self.steps[ruling].act else { return None };
        let given = self.role_of(grant);
        if !subjects.contains(&who) || *role >= given || grant == Under::Op(ruling) {
            return None;
        }
        let Step { auth, author, .. } = &self.steps[ruling];
        let entitled = *auth == Under::Root || given < Role::Steward || self.path(grant).contains(&(*auth, *author));
        if !entitled {
            return None;
        }
        match grant {
            Under::Op(op) if matches!(self.steps[op].act, Act::Rule { .. }) && self.past(op, ruling) => None,
            _ => Some(*role),
        }
    }

    fn leave_ends(&self, leave: Op, who: Who, grant: Under) -> bool {
        self.steps[leave].author == Some(who) && !matches!(grant, Under::Op(op) if self.past(op, leave))
    }

    pub(super) fn all(&self) -> std::ops::Range<Op> {
        0..self.steps.len()
    }

    /// B7.
    fn stands(&self, who: Option<Who>, grant: Under, at: Op, level: Role, asked: Asked) -> bool {
        let Some(who) = who else { return grant == Under::Root };
        if self.role_of(grant) < level {
            return false;
        }
        if let Under::Op(op) = grant
            && !self.ask(op, asked)
        {
            return false;
        }
        let lowered = self.rulings.iter().any(|ruling| {
            self.bears(*ruling, who, grant).is_some_and(|left| left < level && !self.kept[ruling].has(at))
                && self.effective(*ruling)
        });
        let left = |leave: &Op| {
            self.leave_ends(*leave, who, grant)
                && self.past(at, *leave)
                && self.good_under(who, self.steps[*leave].signers[0].1, *leave, grant, level)
        };
        !lowered && !self.leaves.iter().any(left)
    }

    /// B8.
    pub(super) fn effective(&self, op: Op) -> bool {
        self.ask(op, Asked::All)
    }

    fn ask(&self, op: Op, asked: Asked) -> bool {
        let known = self.known.borrow().get(&(op, asked)).copied();
        if let Some(known) = known {
            return known.unwrap_or_else(|| panic!("P2: {op} waits for itself: {:?}", self.steps[op]));
        }
        self.known.borrow_mut().insert((op, asked), None);
        let answer = self.decide(op, asked);
        self.known.borrow_mut().insert((op, asked), Some(answer));
        answer
    }

    fn decide(&self, op: Op, asked: Asked) -> bool {
        let Step { author, signers, act, .. } = &self.steps[op];
        let all = |_: Op| true;
        let good = |(who, device): (Who, Device)| self.good(who, device, op, &all);
        match (act, author) {
            (Act::Genesis, _) => return true,
            (Act::Leave, _) => return good(signers[0]),
            (Act::Keys { .. }, Some(author)) => {
                return self.statements(*author).iter().any(|said| said.op == op && self.counts(*author, said, &all));
            }
            // One founder of several takes nothing back of what the root did.
            (_, None) if self.founders == 1 && !good(signers[0]) => return false,
            _ => {}
        }
        match act {
            Act::Admit { subject, cert } => self.acts(op, need(act), asked) && self.admits(op, *subject, *cert, asked),
            Act::InviteEnd { .. } => self.acts(op, Role::Core, asked) || self.acts(op, Role::Steward, asked),
            _ => self.acts(op, need(act), asked),
        }
    }

    /// B8, but for what kinds ask beyond it.
    fn acts(&self, op: Op, level: Role, asked: Asked) -> bool {
        let Step { author, auth, signers, .. } = &self.steps[op];
        self.stands(*author, *auth, op, level, asked)
            && author.is_none_or(|author| self.good_under(author, signers[0].1, op, *auth, level))
    }

    /// B10.
    fn admits(&self, op: Op, subject: Who, cert: Cert, asked: Asked) -> bool {
        if !self.stands(Some(cert.inviter), cert.auth, op, Role::Core, Asked::All)
            || !self.good_under(cert.inviter, cert.device, op, cert.auth, Role::Core)
        {
            return false;
        }
        if self.all().any(|end| self.ends(end, cert) && !self.past(end, op)) {
            return false;
        }
        let others = || {
            self.all().filter_map(|other| match &self.steps[other].act {
                Act::Admit { subject: whom, cert: with } if *with == cert && *whom != subject => Some((other, *whom)),
                _ => None,
            })
        };
        let mut used: Vec<Who> = others().filter(|(other, _)| self.past(op, *other)).map(|(_, whom)| whom).collect();
        used.sort_unstable();
        used.dedup();
        if used.len() >= cert.max_uses() {
            return false;
        }
        let concurrent = |other: Op| !self.past(op, other) && !self.past(other, op);
        let twice = |(other, _): (Op, Who)| {
            self.steps[other].author == self.steps[op].author && concurrent(other) && self.ask(other, Asked::ButTwice)
        };
        asked == Asked::ButTwice || !others().any(twice)
    }

    /// B11: one's own for core, anybody's for a steward.
    pub(super) fn ends(&self, end: Op, cert: Cert) -> bool {
        let level = if self.steps[end].author == Some(cert.inviter) { Role::Core } else { Role::Steward };
        self.steps[end].act == (Act::InviteEnd { cert }) && self.acts(end, level, Asked::All)
    }

    pub(super) fn grants_of(&self, who: Who) -> Vec<Under> {
        let own = (who < self.founders).then_some(Under::Gen(who));
        let given = self.all().map(Under::Op).filter(|under| self.gives_to(*under, Some(who)));
        own.into_iter().chain(given).collect()
    }

    /// B9.
    pub(super) fn role(&self, who: Who) -> Role {
        let effective = |grant: &Under| !matches!(grant, Under::Op(op) if !self.effective(*op));
        let left = |grant: Under| {
            if self.leaves.iter().any(|leave| self.leave_ends(*leave, who, grant) && self.effective(*leave)) {
                return Role::None;
            }
            let bearing = self
                .rulings
                .iter()
                .filter_map(|ruling| self.bears(*ruling, who, grant).filter(|_| self.effective(*ruling)));
            bearing.fold(self.role_of(grant), Role::min)
        };
        self.grants_of(who).into_iter().filter(effective).map(left).max().unwrap_or_default()
    }

    /// B13.
    pub(super) fn policy(&self) -> BTreeMap<u16, u32> {
        let mut least = BTreeMap::new();
        let said: Vec<(Op, u16, u32)> = self
            .all()
            .filter_map(|op| match self.steps[op].act {
                Act::Policy { key, value } if self.effective(op) => Some((op, key, value)),
                _ => None,
            })
            .collect();
        for (op, key, value) in &said {
            if !said.iter().any(|(later, other, _)| other == key && self.past(*later, *op)) {
                let least = least.entry(*key).or_insert(*value);
                *least = (*least).min(*value);
            }
        }
        least
    }
}

fn statements(steps: &[Step], founders: u32, pasts: &[Ops]) -> BTreeMap<Who, Vec<Statement>> {
    let joined = |op| Statement { op, index: 0, certified: vec![0], revoked: Vec::new(), kept: None };
    let mut statements: BTreeMap<Who, Vec<Statement>> = (0..founders).map(|who| (who, vec![joined(0)])).collect();
    for (op, step) in steps.iter().enumerate() {
        match &step.act {
            Act::Admit { subject, .. } => statements.entry(*subject).or_default().push(joined(op)),
            Act::Rule { subjects, joins: true, .. } => statements.entry(subjects[0]).or_default().push(joined(op)),
            Act::Keys { index, certified, revoked, cut } => {
                let Some(author) = step.author else { continue };
                let kept = closure(pasts, cut.as_ref().unwrap_or(&step.parents), steps.len());
                let (certified, revoked) = (certified.clone(), revoked.clone());
                let keys = Statement { op, index: *index, certified, revoked, kept: Some(kept) };
                statements.entry(author).or_default().push(keys);
            }
            _ => {}
        }
    }
    statements
}

fn closure(pasts: &[Ops], ops: &[Op], size: usize) -> Ops {
    let mut closure = Ops::none(size);
    for op in ops {
        closure.insert(*op);
        closure.include(&pasts[*op]);
    }
    closure
}

/// Whether somebody joins by this.
pub(super) fn joins(step: &Step, who: Who) -> bool {
    matches!(step.act, Act::Admit { .. } | Act::Rule { joins: true, .. }) && subjects(step) == [who]
}

pub(super) fn subjects(step: &Step) -> Vec<Who> {
    match &step.act {
        Act::Rule { subjects, .. } => subjects.clone(),
        Act::Admit { subject, .. } => vec![*subject],
        _ => Vec::new(),
    }
}

fn need(act: &Act) -> Role {
    match act {
        Act::Rule { .. } | Act::Policy { .. } => Role::Steward,
        Act::InviteEnd { .. } => Role::Core,
        Act::Admit { .. } => Role::Member,
        Act::Genesis | Act::Leave | Act::Keys { .. } => Role::None,
    }
}
