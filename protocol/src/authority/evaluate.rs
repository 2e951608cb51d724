//! From a log to what of it has effect: rules B6 to B9 and D0; B10 and B11 stand in
//! [`super::admission`].
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

use std::collections::BTreeMap;

use super::{
    Body, Grant, LinkEnd, Log, Operation, Place, Role,
    bits::{Bits, both},
    certify::{Device, devices, devices_within, standing_statements},
    check::need,
    derive::derive,
    log::GENESIS,
    state::State,
    tree::{Held, Ruling, Tree, granted, held},
};
use crate::{
    id::{CertId, PersonId},
    key::PublicKey,
    person::Caps,
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
    Void(Fault),
    Effective,
}

/// The first clause by which an operation has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No version so far gives it any.
    Kind,
    /// D2: a higher rung does not keep these Keys.
    Rung,
    /// D0: its device, or the one that signed the certificate of an Admit.
    Device,
    /// B7: the grant that it cites gives less than it needs.
    Role,
    /// B7: the grant that it cites has no effect.
    Grant,
    /// B7: rulings on that grant do not keep it.
    Ruled,
    /// B7: its author had left.
    Left,
    /// B10 (2): its inviter, by any of these.
    Inviter,
    /// B10 (3): the invite was ended.
    Ended,
    /// B10 (4): the invite was used up.
    UsedUp,
    /// B10 (5): its author admitted somebody else beside it.
    Twice,
}

/// Whether B10 (5) is asked, of an admission and of every admission that it rests on. If it were
/// asked of those that (5) compares with, two persons who admit each other and both admit twice
/// with one invite would wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    Whole,
    ButSelfConcurrency,
}

/// What limits somebody who acts under one grant (B7).
#[derive(Debug, Default)]
struct Limits {
    /// What every effective ruling that bears on it keeps, by the role that the ruling leaves.
    kept: [Option<Bits>; Role::ALL.len()],
    /// Leaves outside the grant's past.
    leaves: Vec<usize>,
}

/// One evaluation: the log, indexes into it, and what has been decided so far.
pub(super) struct Evaluation<'a> {
    pub(super) log: &'a Log,
    pub(super) tree: Tree,
    /// Rulings by the person they are on; vouches, which bear on nothing, left out.
    pub(super) rulings: BTreeMap<PersonId, Vec<Ruling>>,
    /// B6: what each of these keeps.
    pub(super) kept: BTreeMap<usize, Bits>,
    /// Parents before children.
    pub(super) leaves: BTreeMap<PersonId, Vec<usize>>,
    pub(super) ends: BTreeMap<CertId, Vec<usize>>,
    /// B11: those that count for their author's own invites, and for any.
    pub(super) ends_of_own: Bits,
    pub(super) ends_of_any: Bits,
    pub(super) admits: BTreeMap<CertId, Vec<usize>>,
    pub(super) devices: BTreeMap<PersonId, BTreeMap<PublicKey, Device>>,
    /// Where rulings leave some Keys out of account: what the others say.
    devices_under: BTreeMap<(PersonId, Held, Role), Option<BTreeMap<PublicKey, Device>>>,
    limits: BTreeMap<(PersonId, Held), Limits>,
    verdicts: Vec<Verdict>,
    /// Of admissions: effective but for B10 (5).
    pub(super) admissible: Bits,
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
            ends_of_own: Bits::default(),
            ends_of_any: Bits::default(),
            admits: BTreeMap::new(),
            devices: BTreeMap::new(),
            devices_under: BTreeMap::new(),
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
            let standing = standing_statements(&known.statements, |_| true);
            // A join states too, but whether its Admit has effect is another question.
            for keys in standing.iter().filter(|statement| statement.kept.is_some()) {
                if let Some(verdict) = self.verdicts.get_mut(keys.at) {
                    *verdict = Verdict::Effective;
                }
            }
            self.devices.insert(*person, devices(&standing));
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
                        self.kept.insert(at, self.log.kept(place, rule));
                    }
                }
                Body::Admit(..) => {
                    if let Some((cert, _)) = &place.cert {
                        self.admits.entry(*cert).or_default().push(at);
                    }
                }
                Body::InviteEnd(cert) => self.ends.entry(*cert).or_default().push(at),
                Body::Leave => {
                    let good = self.device_good(op.author, op.device, Caps::OPERATIONS, at);
                    self.settle(at, good.then_some(()).ok_or(Fault::Device));
                    self.leaves.entry(op.author).or_default().push(at);
                }
                Body::Keys(_) if self.verdict(at) == Verdict::Open => self.settle(at, Err(Fault::Rung)),
                Body::Later(_) => self.settle(at, Err(Fault::Kind)),
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
            if let Some(place) = self.log.place(at) {
                let acts = self.acts(at, place, Role::Steward, Clause::Whole);
                self.settle(at, acts);
            }
        }
    }

    /// Passes 2 and 5.
    fn decide_each(&mut self, of_pass: impl Fn(&Body) -> bool) {
        for (at, place) in self.log.numbered() {
            let body = &place.operation.body;
            if !of_pass(body) {
                continue;
            }
            if matches!(body, Body::InviteEnd(_)) {
                self.decide_end(at, place);
                continue;
            }
            let need = match body {
                Body::LinkEnd(end) if !self.is_broker(end, &place.operation) => Role::Steward,
                _ => need(body),
            };
            let acts = self.acts(at, place, need, Clause::Whole);
            self.settle(at, acts);
        }
    }

    fn is_broker(&self, end: &LinkEnd, op: &Operation) -> bool {
        self.log
            .get(end.link)
            .is_some_and(|link| matches!(&link.operation.body, Body::Link(terms) if terms.names(op.author)))
    }

    pub(super) fn settle(&mut self, at: usize, answer: Result<(), Fault>) {
        if let Some(verdict) = self.verdicts.get_mut(at) {
            *verdict = answer.map_or_else(Verdict::Void, |()| Verdict::Effective);
        }
    }

    fn verdict(&self, at: usize) -> Verdict {
        self.verdicts.get(at).copied().unwrap_or(Verdict::Open)
    }

    /// B8: whether the operation at this place has effect. It must have been decided.
    pub(super) fn effective(&self, at: usize) -> bool {
        let verdict = self.verdict(at);
        if cfg!(test) {
            assert!(verdict != Verdict::Open, "P2: place {at} is asked for before it is decided");
        }
        verdict == Verdict::Effective
    }

    /// B8: whether the author stands for `need` under the grant cited, and the device is good.
    pub(super) fn acts(&mut self, at: usize, place: &Place, need: Role, clause: Clause) -> Result<(), Fault> {
        let op = &place.operation;
        let caps = if matches!(op.body, Body::Admit(..)) { Caps::ADMIT } else { Caps::OPERATIONS };
        let good = if op.auth == Grant::Root {
            // Who signed was judged when it was stored. One founder of several takes nothing of it
            // back; one who is the root alone may have been robbed.
            self.log.community.genesis.threshold > 1 || self.device_good(op.author, op.device, caps, at)
        } else {
            let grant = held(self.log, op.auth).ok_or(Fault::Grant)?;
            self.stands(op.author, grant, at, need, clause)?;
            self.device_good_under(op.author, op.device, caps, at, (grant, need))
        };
        good.then_some(()).ok_or(Fault::Device)
    }

    /// D0, with every Keys that stands: whether the device speaks for the person at place `at`.
    fn device_good(&self, person: PersonId, device: PublicKey, caps: Caps, at: usize) -> bool {
        let device = self.devices.get(&person).and_then(|devices| devices.get(&device));
        device.is_some_and(|device| device.good(self.log, caps, at))
    }

    /// D0 for what is signed under a grant: what its rulings do not keep of the person's Keys has
    /// no say in what they do keep, or whoever was removed could take back all they ever did.
    pub(super) fn device_good_under(
        &mut self,
        person: PersonId,
        device: PublicKey,
        caps: Caps,
        at: usize,
        (grant, need): (Held, Role),
    ) -> bool {
        if !self.devices_under.contains_key(&(person, grant, need)) {
            let log = self.log;
            let below = Role::ALL.iter().zip(&self.limits(person, grant).kept).filter(|(left, _)| **left < need);
            let seen = below.fold(None, |seen, (_, kept)| both(seen, kept.as_ref()));
            let others = seen.and_then(|seen| devices_within(log, person, &seen));
            self.devices_under.insert((person, grant, need), others);
        }
        match self.devices_under.get(&(person, grant, need)) {
            Some(Some(devices)) => devices.get(&device).is_some_and(|device| device.good(self.log, caps, at)),
            _ => self.device_good(person, device, caps, at),
        }
    }

    /// B7: whether `person`, acting under `grant`, stands at place `at` for `level`.
    pub(super) fn stands(
        &mut self,
        person: PersonId,
        grant: Held,
        at: usize,
        level: Role,
        clause: Clause,
    ) -> Result<(), Fault> {
        let log = self.log;
        if granted(log, grant) < level {
            return Err(Fault::Role);
        }
        if let Held::At(granting) = grant {
            let is_admit =
                clause == Clause::ButSelfConcurrency && log.place(granting).is_some_and(|p| p.cert.is_some());
            if !(if is_admit { self.admissible.has(granting) } else { self.effective(granting) }) {
                return Err(Fault::Grant);
            }
        }
        let limits = self.limits(person, grant);
        let mut kept = Role::ALL.iter().zip(&limits.kept);
        if kept.any(|(left, kept)| *left < level && kept.as_ref().is_some_and(|k| !k.has(at))) {
            return Err(Fault::Ruled);
        }
        let seen: Vec<usize> = limits.leaves.iter().copied().filter(|leave| log.past_has(at, *leave)).collect();
        let left = |leave: usize| {
            let device = log.place(leave).map(|place| place.operation.device);
            device.is_some_and(|device| self.device_good_under(person, device, Caps::OPERATIONS, leave, (grant, level)))
        };
        if seen.into_iter().any(left) { Err(Fault::Left) } else { Ok(()) }
    }

    fn limits(&mut self, person: PersonId, grant: Held) -> &Limits {
        if !self.limits.contains_key(&(person, grant)) {
            let mut limits = Limits { leaves: self.leaves_after(person, grant).collect(), ..Limits::default() };
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
        let rulings = self.rulings.get(&person).map(Vec::as_slice).unwrap_or_default();
        self.tree.bearing(self.log, rulings, person, grant).filter(|(ruling, _)| self.effective(*ruling))
    }

    /// The leaves of `person` outside the past of `grant`, good device or not.
    fn leaves_after(&self, person: PersonId, grant: Held) -> impl Iterator<Item = usize> {
        let outside = move |leave: &usize| !matches!(grant, Held::At(at) if self.log.past_has(at, *leave));
        self.leaves.get(&person).into_iter().flatten().copied().filter(outside)
    }

    /// The leaves of `person` that end `grant`, the first of each line.
    pub(super) fn leaves(&self, person: PersonId, grant: Held) -> Vec<usize> {
        let mut first: Vec<usize> = Vec::new();
        for leave in self.leaves_after(person, grant).filter(|leave| self.effective(*leave)) {
            if !first.iter().any(|earlier| self.log.past_has(leave, *earlier)) {
                first.push(leave);
            }
        }
        first
    }

    /// The effective operations, and why the others are none.
    pub(super) fn verdicts(&self) -> (Bits, BTreeMap<usize, Fault>) {
        let (mut effective, mut faults) = (Bits::default(), BTreeMap::new());
        for (at, verdict) in self.verdicts.iter().enumerate() {
            match verdict {
                Verdict::Effective => effective.insert(at),
                Verdict::Void(fault) => drop(faults.insert(at, *fault)),
                Verdict::Open => {}
            }
        }
        (effective, faults)
    }
}
