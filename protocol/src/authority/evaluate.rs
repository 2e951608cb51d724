//! From a log to what of it has effect: rules B6 to B13 and D0.
//!
//! Why it ends, why the answer does not depend on order, and why nothing here calls itself (4.3):
//! each pass asks only for what an earlier one, or an earlier step of its own, has decided.
//!
//! 0. Keys and Leave, by identity alone.
//! 1. Rulings, in the order of the depth of the grant they cite: whether one has effect depends
//!    on rulings whose grant lies strictly higher in the tree.
//! 2. What rests on rulings only: Policy, Link, Succeed, InviteEnd.
//! 3. Admissions, parents before children, B10 (5) left out.
//! 4. Admissions, with it.
//! 5. Epoch, Merge and LinkEnd, which nothing else rests on.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Body, Grant, LinkEnd, Log, Operation, Place, Role,
    bits::{Bits, both},
    certify::standing_statements,
    check::need,
    derive::derive,
    log::GENESIS,
    state::State,
    tree::{Held, Ruling, Tree, granted, held},
};
use crate::{
    id::{CertId, PersonId},
    invite::InviteCert,
    key::PublicKey,
    person::{Caps, DeviceCert},
};

/// What the log says, worked out from nothing.
#[must_use]
pub fn evaluate(log: &Log) -> State {
    derive(Evaluation::new(log))
}

/// What is known of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Open,
    Void,
    Effective,
}

/// Whether B10 (5) is asked, of an admission and of every admission that it rests on. If it were
/// asked of those that (5) compares with, two persons who admit each other and both admit twice
/// with one invite would wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    Whole,
    ButSelfConcurrency,
}

/// A device of a person, by the statements that stand (D0).
#[derive(Debug, Clone, Default)]
pub(super) struct Device {
    /// Where it is certified.
    pub(super) certs: Vec<(usize, DeviceCert)>,
    /// Where it is revoked.
    pub(super) revoked: Vec<usize>,
    /// What every revocation keeps; `None`: it was never revoked.
    kept: Option<Bits>,
}

/// What limits somebody who acts under one grant (B7).
#[derive(Debug, Default)]
struct Limits {
    /// What every effective ruling that bears on it keeps, by the role that the ruling leaves.
    kept: [Option<Bits>; Role::ALL.len()],
    /// Leaves outside the grant's past; none of them lies before another.
    leaves: Vec<usize>,
}

/// One evaluation: the log, indexes into it, and what has been decided so far.
pub(super) struct Evaluation<'a> {
    pub(super) log: &'a Log,
    pub(super) tree: Tree,
    /// Rulings by the person they are on; vouches, which bear on nothing, left out.
    pub(super) rulings: BTreeMap<PersonId, Vec<Ruling>>,
    /// B6: what each of these keeps.
    kept: BTreeMap<usize, Bits>,
    /// Effective ones, parents before children.
    leaves: BTreeMap<PersonId, Vec<usize>>,
    ends: BTreeMap<CertId, Vec<usize>>,
    admits: BTreeMap<CertId, Vec<usize>>,
    pub(super) devices: BTreeMap<PersonId, BTreeMap<PublicKey, Device>>,
    limits: BTreeMap<(PersonId, Held), Limits>,
    verdicts: Vec<Verdict>,
    /// Of admissions: effective but for B10 (5).
    admissible: Bits,
}

impl<'a> Evaluation<'a> {
    fn new(log: &'a Log) -> Self {
        let mut verdicts = vec![Verdict::Open; log.next_number()];
        if let Some(genesis) = verdicts.get_mut(GENESIS) {
            *genesis = Verdict::Effective;
        }
        let mut evaluation = Evaluation {
            log,
            tree: Tree::new(log),
            rulings: BTreeMap::new(),
            kept: BTreeMap::new(),
            leaves: BTreeMap::new(),
            ends: BTreeMap::new(),
            admits: BTreeMap::new(),
            devices: BTreeMap::new(),
            limits: BTreeMap::new(),
            verdicts,
            admissible: Bits::default(),
        };
        evaluation.decide_keys();
        evaluation.index();
        evaluation.decide_rulings();
        evaluation.decide_each(|body| {
            matches!(body, Body::Policy(..) | Body::Link(_) | Body::Succeed(_) | Body::InviteEnd(_))
        });
        evaluation.decide_admits();
        evaluation.decide_each(|body| matches!(body, Body::Epoch(_) | Body::Merge | Body::LinkEnd(_)));
        evaluation
    }

    /// Pass 0: whose statements stand, and so which devices are whose (D0, D2).
    fn decide_keys(&mut self) {
        for (person, known) in &self.log.persons {
            let devices = self.devices.entry(*person).or_default();
            for statement in standing_statements(&known.statements, |_| true) {
                for cert in &statement.devices {
                    devices.entry(cert.device).or_default().certs.push((statement.at, cert.clone()));
                }
                for revoked in &statement.revoked {
                    let device = devices.entry(*revoked).or_default();
                    device.revoked.push(statement.at);
                    device.kept = both(device.kept.take(), statement.kept.as_ref());
                }
                // A join states too, but whether its Admit has effect is another question.
                if statement.kept.is_some()
                    && let Some(verdict) = self.verdicts.get_mut(statement.at)
                {
                    *verdict = Verdict::Effective;
                }
            }
        }
    }

    /// Lists operations by what will be asked of them, and decides Leave and what is void anyway.
    fn index(&mut self) {
        for (at, place) in self.log.numbered() {
            let op = &place.operation;
            match &op.body {
                Body::Rule(rule) => {
                    if let Some(ruling) = self.tree.ruling(at, place) {
                        for person in place.subjects() {
                            self.rulings.entry(person).or_default().push(ruling.clone());
                        }
                        // What the ruling names as its cut; if it names none, what it had seen.
                        self.kept.insert(at, self.log.closure(rule.cut.as_deref().unwrap_or(&op.parents)));
                    }
                }
                Body::Admit(..) => {
                    if let Some((cert, _)) = &place.cert {
                        self.admits.entry(*cert).or_default().push(at);
                    }
                }
                Body::InviteEnd(cert) => self.ends.entry(*cert).or_default().push(at),
                Body::Leave => {
                    let effective = self.device_good(op.author, op.device, Caps::OPERATIONS, at);
                    self.settle(at, effective);
                    if effective {
                        self.leaves.entry(op.author).or_default().push(at);
                    }
                }
                Body::Keys(_) if self.verdict(at) == Verdict::Open => self.settle(at, false),
                Body::Later(_) => self.settle(at, false),
                _ => {}
            }
        }
    }

    /// Pass 1.
    fn decide_rulings(&mut self) {
        let is_rule = |(at, place): (usize, &Place)| matches!(place.operation.body, Body::Rule(_)).then_some(at);
        let mut rules: Vec<usize> = self.log.numbered().filter_map(is_rule).collect();
        rules.sort_by_key(|at| self.tree.depth_of_auth(*at));
        for at in rules {
            let effective = self.log.place(at).is_some_and(|place| self.acts(at, place, Role::Steward, Clause::Whole));
            self.settle(at, effective);
        }
    }

    /// Passes 2 and 5.
    fn decide_each(&mut self, of_pass: impl Fn(&Body) -> bool) {
        for (at, place) in self.log.numbered() {
            let body = &place.operation.body;
            if !of_pass(body) {
                continue;
            }
            let need = match body {
                Body::LinkEnd(end) if !self.is_broker(end, &place.operation) => Role::Steward,
                _ => need(body),
            };
            let effective = self.acts(at, place, need, Clause::Whole);
            self.settle(at, effective);
        }
    }

    fn is_broker(&self, end: &LinkEnd, op: &Operation) -> bool {
        self.log
            .get(end.link)
            .is_some_and(|link| matches!(&link.operation.body, Body::Link(terms) if terms.names(op.author)))
    }

    /// Passes 3 and 4.
    fn decide_admits(&mut self) {
        let log = self.log;
        for (at, place) in log.numbered() {
            if let Some((id, cert)) = &place.cert
                && self.admissible(at, place, (*id, cert))
            {
                self.admissible.insert(at);
            }
        }
        for (at, place) in log.numbered() {
            if let Some((id, _)) = &place.cert {
                let effective = self.admissible.has(at)
                    && self.acts(at, place, Role::Member, Clause::Whole)
                    && !self.admits_twice(at, place, *id);
                self.settle(at, effective);
            }
        }
    }

    fn settle(&mut self, at: usize, effective: bool) {
        if let Some(verdict) = self.verdicts.get_mut(at) {
            *verdict = if effective { Verdict::Effective } else { Verdict::Void };
        }
    }

    fn verdict(&self, at: usize) -> Verdict {
        self.verdicts.get(at).copied().unwrap_or(Verdict::Void)
    }

    /// B8: whether the operation at this place has effect. It must have been decided.
    pub(super) fn effective(&self, at: usize) -> bool {
        let verdict = self.verdict(at);
        if cfg!(test) {
            assert!(verdict != Verdict::Open, "P2: place {at} is asked for before it is decided");
        }
        verdict == Verdict::Effective
    }

    /// B8: whether the device is good, and the author stands for `need` under the grant cited.
    fn acts(&mut self, at: usize, place: &Place, need: Role, clause: Clause) -> bool {
        let op = &place.operation;
        let caps = if matches!(op.body, Body::Admit(..)) { Caps::ADMIT } else { Caps::OPERATIONS };
        if !self.device_good(op.author, op.device, caps, at) {
            return false;
        }
        // Who else signed a ROOT act was judged when it was stored.
        op.auth == Grant::Root
            || held(self.log, op.auth).is_some_and(|grant| self.stands(op.author, grant, at, need, clause))
    }

    /// D0: whether the device speaks for the person at place `at`.
    fn device_good(&self, person: PersonId, device: PublicKey, caps: Caps, at: usize) -> bool {
        let Some(device) = self.devices.get(&person).and_then(|devices| devices.get(&device)) else { return false };
        device.kept.as_ref().is_none_or(|kept| kept.has(at))
            && device.certs.iter().any(|(cert, says)| says.caps.include(caps) && self.log.past_has(at, *cert))
    }

    /// B7: whether `person`, acting under `grant`, stands at place `at` for `level`.
    fn stands(&mut self, person: PersonId, grant: Held, at: usize, level: Role, clause: Clause) -> bool {
        let log = self.log;
        if granted(log, grant) < level {
            return false;
        }
        if let Held::At(granting) = grant {
            let is_admit =
                clause == Clause::ButSelfConcurrency && log.place(granting).is_some_and(|p| p.cert.is_some());
            if !(if is_admit { self.admissible.has(granting) } else { self.effective(granting) }) {
                return false;
            }
        }
        let limits = self.limits(person, grant);
        let lowered = Role::ALL
            .iter()
            .zip(&limits.kept)
            .any(|(left, kept)| *left < level && kept.as_ref().is_some_and(|k| !k.has(at)));
        !lowered && !limits.leaves.iter().any(|leave| log.past_has(at, *leave))
    }

    fn limits(&mut self, person: PersonId, grant: Held) -> &Limits {
        if !self.limits.contains_key(&(person, grant)) {
            let mut limits = Limits { leaves: self.leaves(person, grant), ..Limits::default() };
            for (ruling, left) in self.bearing(person, grant) {
                if let Some(all) = limits.kept.get_mut(usize::from(left.number())) {
                    *all = both(all.take(), self.kept.get(&ruling));
                }
            }
            self.limits.insert((person, grant), limits);
        }
        self.limits.entry((person, grant)).or_default()
    }

    /// B5: the effective rulings on `person` that bear on `grant`, with the role each leaves.
    pub(super) fn bearing(&self, person: PersonId, grant: Held) -> impl Iterator<Item = (usize, Role)> {
        let target = self.tree.target(self.log, person, grant);
        let rulings = self.rulings.get(&person).map(Vec::as_slice).unwrap_or_default();
        let bears = move |ruling: &Ruling| Some((ruling.at, target.left_by(ruling)?));
        rulings.iter().filter_map(bears).filter(|(ruling, _)| self.effective(*ruling))
    }

    /// The leaves of `person` that end `grant`: those outside its past, the first of each line.
    pub(super) fn leaves(&self, person: PersonId, grant: Held) -> Vec<usize> {
        let outside = |leave: &usize| !matches!(grant, Held::At(at) if self.log.past_has(at, *leave));
        let mut first: Vec<usize> = Vec::new();
        for leave in self.leaves.get(&person).into_iter().flatten().copied().filter(outside) {
            if !first.iter().any(|earlier| self.log.past_has(leave, *earlier)) {
                first.push(leave);
            }
        }
        first
    }

    /// B10, (5) left out: the admitter's grant, the inviter's, the ends, the uses.
    fn admissible(&mut self, at: usize, place: &Place, (id, cert): (CertId, &InviteCert)) -> bool {
        self.acts(at, place, Role::Member, Clause::ButSelfConcurrency)
            && self.invites(at, cert)
            && !self.ended(at, id, cert)
            && !self.used_up(place, id, cert)
    }

    /// B10 (2): the inviter's invites end with the inviter's role, and with the device that signed
    /// the certificate.
    fn invites(&mut self, at: usize, cert: &InviteCert) -> bool {
        self.device_good(cert.inviter, cert.device, Caps::OPERATIONS, at)
            && held(self.log, cert.auth)
                .is_some_and(|grant| self.stands(cert.inviter, grant, at, Role::Core, Clause::Whole))
    }

    /// B10 (3): whether an effective end has not seen the admission.
    fn ended(&mut self, at: usize, id: CertId, cert: &InviteCert) -> bool {
        let ends = self.ends.get(&id).cloned().unwrap_or_default();
        ends.into_iter().any(|end| !self.log.past_has(end, at) && self.effective(end) && self.ends_cert(end, cert))
    }

    /// The certificate of this id, if an Admit has shown it.
    pub(super) fn cert(&self, id: CertId) -> Option<InviteCert> {
        let admit = self.admits.get(&id).and_then(|admits| admits.first());
        admit.and_then(|at| self.log.place(*at)?.cert.as_ref()).map(|(_, cert)| cert.clone())
    }

    /// B11: one's own certificate, or any for a steward.
    pub(super) fn ends_cert(&mut self, end: usize, cert: &InviteCert) -> bool {
        let Some(op) = self.log.place(end).map(|place| &place.operation) else { return false };
        let Some(grant) = held(self.log, op.auth) else { return false };
        op.author == cert.inviter || self.stands(op.author, grant, end, Role::Steward, Clause::Whole)
    }

    /// B10 (4): whether as many others as it is for were admitted with it before, well or not.
    fn used_up(&self, place: &Place, id: CertId, cert: &InviteCert) -> bool {
        let mut used = BTreeSet::new();
        let most = usize::try_from(cert.max_uses).unwrap_or(usize::MAX);
        self.others(place, id).filter(|(other, _)| place.past.has(*other)).any(|(_, other)| {
            used.extend(subject(other));
            used.len() >= most
        })
    }

    /// B10 (5): whether the author has admitted somebody else with the same certificate, the two
    /// admissions unaware of each other.
    fn admits_twice(&self, at: usize, place: &Place, id: CertId) -> bool {
        self.others(place, id).any(|(number, other)| {
            other.operation.author == place.operation.author
                && !place.past.has(number)
                && !other.past.has(at)
                && self.admissible.has(number)
        })
    }

    /// The admissions of other persons with the same certificate.
    fn others(&self, place: &Place, id: CertId) -> impl Iterator<Item = (usize, &'a Place)> {
        let admits = self.admits.get(&id).map(Vec::as_slice).unwrap_or_default();
        let whom = subject(place);
        admits
            .iter()
            .filter_map(|at| Some((*at, self.log.place(*at)?)))
            .filter(move |(_, other)| subject(other) != whom)
    }

    /// The effective operations.
    pub(super) fn effective_places(&self) -> Bits {
        let mut effective = Bits::default();
        let all = self.verdicts.iter().enumerate().filter(|(_, verdict)| **verdict == Verdict::Effective);
        all.for_each(|(at, _)| effective.insert(at));
        effective
    }
}

fn subject(admit: &Place) -> Option<PersonId> {
    admit.newcomer.as_ref().map(|newcomer| newcomer.person.id)
}
