//! Random histories by people who sign anything at all, in the numbers of the oracle and as real
//! signed operations in a log.
//!
//! Whatever the log refuses is in neither; and the log must refuse exactly what the oracle holds
//! to be malformed, or what nobody could check for want of a join.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
};

use super::oracle::{Act, Cert, Device, Op, Oracle, Step, Under, Who, subjects};
use crate::{
    authority::{Body, Grant, Keys, Log, Operation, OperationRefusal, Role, Rule, State, Subject, evaluate},
    bytes::List,
    id::{CommunityId, OpId},
    invite::InviteKey,
    person::Caps,
    signed::{Signed, Verified},
    testing::{Actor, Dice, NOW, Pen, community, found, root, rule_on},
};

/// People whom a history makes up are counted from here.
const FRESH: Who = 10;

/// Devices that somebody may have in a history.
const DEVICES: Device = 3;
/// Of so many operations that are proposed, [`History::keys`] are Keys.
const KEYS_OF: usize = 24;

/// Somebody at their first device.
pub(super) fn actor(who: Who) -> Arc<Actor> {
    actor_at(who, 0)
}

type Crowd = BTreeMap<(Who, Device), Arc<Actor>>;

/// Making keys takes longer than anything else here, so people are shared by all histories.
pub(super) fn actor_at(who: Who, device: Device) -> Arc<Actor> {
    static CROWD: OnceLock<Mutex<Crowd>> = OnceLock::new();
    let mut crowd = CROWD.get_or_init(Mutex::default).lock().unwrap();
    let made = || Arc::new(if device == 0 { Actor::numbered(who) } else { Actor::numbered(who).at_device(device) });
    Arc::clone(crowd.entry((who, device)).or_insert_with(made))
}

fn knock(who: Who, community: CommunityId) -> Signed {
    static KNOCKS: OnceLock<Mutex<BTreeMap<(Who, CommunityId), Signed>>> = OnceLock::new();
    let mut knocks = KNOCKS.get_or_init(Mutex::default).lock().unwrap();
    knocks.entry((who, community)).or_insert_with(|| actor(who).knock(community)).clone()
}

#[derive(Clone)]
pub(super) struct History {
    pub(super) founders: u32,
    threshold: u32,
    pub(super) log: Log,
    pub(super) steps: Vec<Step>,
    pub(super) ids: Vec<OpId>,
    pub(super) fresh: Who,
    /// How often people say something of their keys.
    pub(super) keys: usize,
    invites: BTreeMap<Cert, Arc<InviteKey>>,
}

impl History {
    /// One to three founders, all majorities.
    pub(super) fn founded(dice: &mut Dice) -> History {
        let founders = 1 + dice.below(3) as u32;
        let all: Vec<_> = (0..founders).map(actor).collect();
        let all: Vec<&Actor> = all.iter().map(Arc::as_ref).collect();
        let unanimous = dice.chance(1, 4);
        let community = if unanimous {
            found("garden", &all, |genesis| genesis.threshold = founders as u8).unwrap()
        } else {
            community("garden", &all)
        };
        let threshold = u32::from(community.genesis.threshold);
        let log = Log::new(community);
        let (parents, signers) = (Vec::new(), Vec::new());
        let genesis = Step { author: None, auth: Under::Root, signers, parents, act: Act::Genesis };
        let ids = vec![OpId::from(log.id())];
        let (steps, invites) = (vec![genesis], BTreeMap::new());
        History { founders, threshold, log, steps, ids, fresh: FRESH, keys: 1, invites }
    }

    /// Three partitions that hear of each other now and then; a fifth of all operations on random
    /// old parents; most of those that would have no effect left out.
    pub(super) fn random(dice: &mut Dice) -> History {
        History::with_keys(dice, 1)
    }

    /// The same, with so many Keys among its operations.
    pub(super) fn with_keys(dice: &mut Dice, keys: usize) -> History {
        let mut history = History { keys, ..History::founded(dice) };
        let size = 30 + dice.below(70);
        let mut views = [BTreeSet::from([0]), BTreeSet::from([0]), BTreeSet::from([0])];
        for _ in 0..20 * size {
            if history.steps.len() >= size {
                break;
            }
            let at = dice.below(3);
            if dice.chance(1, 4) {
                let heard = views[dice.below(3)].clone();
                views[at].extend(heard);
            }
            let mut people: Vec<Option<Who>> = history.people().into_iter().map(Some).collect();
            people.push(None);
            let author = *dice.pick(&people).unwrap();
            let backdate = dice.chance(1, 5);
            let Some(step) = history.propose(dice, author, &views[at], backdate) else { continue };
            // The oracle says beforehand what is worth signing; a part of the rest is tried all
            // the same: it must be refused, or be of no effect.
            if (dice.chance(1, 6) || history.is_worth(&step))
                && let Some(op) = history.add(step)
            {
                views[at].extend(history.with_past(op));
            }
        }
        history
    }

    pub(super) fn state(&self) -> State {
        evaluate(&self.log)
    }

    pub(super) fn oracle(&self) -> Oracle<'_> {
        Oracle::new(&self.steps, self.founders)
    }

    pub(super) fn all(&self) -> BTreeSet<Op> {
        (0..self.steps.len()).collect()
    }

    pub(super) fn people(&self) -> BTreeSet<Who> {
        (0..self.founders).chain(self.steps.iter().flat_map(subjects)).collect()
    }

    pub(super) fn roles(&self, state: &State) -> BTreeMap<Who, Role> {
        let roles = self.people().into_iter().map(|who| (who, state.role(actor(who).person())));
        roles.filter(|(_, role)| *role > Role::None).collect()
    }

    pub(super) fn effective(&self, state: &State) -> Vec<bool> {
        self.ids.iter().map(|id| state.is_effective(&self.log, *id)).collect()
    }

    pub(super) fn heads(&self) -> Vec<Op> {
        let heads = self.log.heads();
        let mut heads: Vec<Op> = heads.iter().map(|id| self.log.number(*id).unwrap()).collect();
        heads.truncate(16);
        heads
    }

    fn is_worth(&mut self, step: &Step) -> bool {
        let op = self.steps.len();
        self.steps.push(step.clone());
        let oracle = self.oracle();
        let worth = oracle.wellformed(op) && oracle.effective(op);
        self.steps.pop();
        worth
    }

    fn with_past(&self, op: Op) -> Vec<Op> {
        (0..self.steps.len()).filter(|earlier| *earlier == op || self.log.past_has(op, *earlier)).collect()
    }

    fn closure(&self, ops: &[Op]) -> Vec<Op> {
        let closure = self.log.closure(&self.named(ops));
        (0..self.steps.len()).filter(|op| closure.has(*op)).collect()
    }

    fn named(&self, ops: &[Op]) -> Vec<OpId> {
        ops.iter().map(|op| self.ids[*op]).collect()
    }

    fn grants_of(&self, who: Option<Who>, universe: &BTreeSet<Op>) -> Vec<Under> {
        let Some(who) = who else { return vec![Under::Root] };
        let own = (who < self.founders).then_some(Under::Gen(who));
        let given = universe.iter().filter(|op| subjects(&self.steps[**op]).contains(&who)).map(|op| Under::Op(*op));
        own.into_iter().chain(given).collect()
    }

    /// Anything that `author` could sign, having seen `universe`; or on old parents.
    pub(super) fn propose(
        &mut self,
        dice: &mut Dice,
        author: Option<Who>,
        universe: &BTreeSet<Op>,
        backdate: bool,
    ) -> Option<Step> {
        let ops: Vec<Op> = universe.iter().copied().collect();
        let mut parents = if backdate {
            (0..1 + dice.below(3)).map(|_| ops[dice.below(ops.len())]).collect()
        } else {
            ops.iter()
                .copied()
                .filter(|op| !ops.iter().any(|later| self.steps[*later].parents.contains(op)))
                .collect::<Vec<_>>()
        };
        let auth = *dice.pick(&self.grants_of(author, universe))?;
        if let Under::Op(op) = auth
            && backdate
            && dice.chance(9, 10)
        {
            parents.push(op);
        }
        let people: Vec<Who> = self.people().into_iter().collect();
        let mut subject = *dice.pick(&people)?;
        if dice.chance(1, 4) {
            self.fresh += 1;
            subject = self.fresh;
        }
        let act = match dice.below(10) {
            _ if dice.chance(self.keys, KEYS_OF) => self.propose_keys(dice, &parents),
            0..=4 => self.propose_rule(dice, subject, &people, &parents),
            5 | 6 => {
                let cert = self.propose_cert(dice, author?, &people, universe)?;
                if let Under::Op(op) = cert.auth {
                    parents.push(op);
                }
                Act::Admit { subject, cert }
            }
            7 => Act::InviteEnd { cert: self.propose_cert(dice, author?, &people, universe)? },
            8 if dice.chance(1, 3) => Act::Leave,
            _ => Act::Policy { key: dice.below(2) as u16, value: dice.below(50) as u32 },
        };
        parents.sort_unstable();
        parents.dedup();
        dice.shuffle(&mut parents);
        parents.truncate(16);
        let signers = match author {
            Some(author) => vec![(author, self.propose_device(dice, author))],
            None => self.founders_for(dice, &parents, &act),
        };
        Some(Step { author, auth, signers, parents, act })
    }

    /// Devices certified or lost, on this rung or a higher one, and with any cut.
    fn propose_keys(&self, dice: &mut Dice, parents: &[Op]) -> Act {
        let mut some = || (0..DEVICES).filter(|_| dice.chance(1, 3)).collect();
        let (certified, revoked) = (some(), some());
        let cut = match dice.below(3) {
            0 => None,
            1 => Some(vec![0]),
            _ => dice.pick(&self.closure(parents)).map(|op| vec![*op]),
        };
        Act::Keys { index: [0, 0, 0, 1, 1, 2][dice.below(6)], certified, revoked, cut }
    }

    /// Mostly one of which the author has said something.
    fn propose_device(&self, dice: &mut Dice, author: Who) -> Device {
        let said = self.steps.iter().filter(|step| step.author == Some(author)).flat_map(|step| match &step.act {
            Act::Keys { certified, .. } => certified.as_slice(),
            _ => &[],
        });
        let known: Vec<Device> = said.copied().chain([0]).collect();
        if dice.chance(1, 16) { dice.below(usize::from(DEVICES)) as Device } else { *dice.pick(&known).unwrap() }
    }

    fn propose_rule(&self, dice: &mut Dice, subject: Who, people: &[Who], parents: &[Op]) -> Act {
        let mut cut = (!parents.is_empty() && parents.len() <= 16 && dice.chance(1, 2)).then(|| parents.to_vec());
        if dice.chance(1, 3) {
            cut = dice.pick(&self.closure(parents)).map(|op| vec![*op]);
        }
        let roles = [Role::None, Role::None, Role::Peripheral, Role::Member, Role::Core, Role::Steward, Role::Steward];
        let role = *dice.pick(&roles).unwrap();
        let mut subjects = vec![subject];
        if dice.chance(1, 8) {
            subjects.extend(dice.pick(people));
        }
        // Mostly with the join of somebody of whom nothing is known yet.
        let closure = self.closure(parents);
        let is_known =
            subject < self.founders || closure.iter().any(|op| super::oracle::joins(&self.steps[*op], subject));
        let joins = subjects.len() == 1 && dice.chance(if is_known { 1 } else { 7 }, 8);
        Act::Rule { subjects, role, vouch: dice.chance(1, 5), cut, joins }
    }

    /// One's own invite, or anybody's: they leak.
    fn propose_cert(&self, dice: &mut Dice, author: Who, people: &[Who], universe: &BTreeSet<Op>) -> Option<Cert> {
        let inviter = if dice.chance(1, 2) { author } else { *dice.pick(people)? };
        let auth = *dice.pick(&self.grants_of(Some(inviter), universe))?;
        Some(Cert { inviter, device: self.propose_device(dice, inviter), auth, number: dice.below(4) as u8 })
    }

    /// Signs a step and offers it to the log.
    pub(super) fn add(&mut self, step: Step) -> Option<Op> {
        let op = self.steps.len();
        let operation = self.sign(&step);
        let id = OpId::from(operation.id());
        self.steps.push(step);
        let expected = self.oracle().wellformed(op);
        let answer = self.log.add(operation, NOW);
        if answer == Ok(false) {
            self.steps.pop();
            return None;
        }
        assert_eq!(answer.is_ok(), expected, "B1: {answer:?} on {:?}", self.steps[op]);
        if answer.is_err() {
            self.steps.pop();
            return None;
        }
        self.ids.push(id);
        Some(op)
    }

    /// An act of the root, by founders who can sign it.
    pub(super) fn root(&mut self, dice: &mut Dice, parents: Vec<Op>, act: Act) -> Step {
        let signers = self.founders_for(dice, &parents, &act);
        Step { author: None, auth: Under::Root, signers, parents, act }
    }

    /// Founders other than those concerned, if that suffices, each with a device that is good as
    /// far as these parents say.
    fn founders_for(&mut self, dice: &mut Dice, parents: &[Op], act: &Act) -> Vec<(Who, Device)> {
        let (parents, act) = (parents.to_vec(), act.clone());
        let step = Step { author: None, auth: Under::Root, signers: Vec::new(), parents, act };
        let concerned = subjects(&step);
        let op = self.steps.len();
        self.steps.push(step);
        let oracle = self.oracle();
        let device = |who: Who| (0..DEVICES).find(|device| oracle.good_in_past(who, *device, op));
        let mut founders: Vec<(Who, Option<Device>)> = (0..self.founders).map(|who| (who, device(who))).collect();
        self.steps.pop();
        dice.shuffle(&mut founders);
        founders.sort_by_key(|(who, device)| (concerned.contains(who), device.is_none()));
        founders.truncate(self.threshold as usize);
        founders.sort_unstable();
        founders.into_iter().map(|(who, device)| (who, device.unwrap_or(0))).collect()
    }

    pub(super) fn under(&self, under: Under) -> Grant {
        match under {
            Under::Root => Grant::Root,
            Under::Gen(founder) => Grant::Founder(founder as u8),
            Under::Op(op) => Grant::Op(self.ids[op]),
        }
    }

    fn invite(&mut self, cert: Cert) -> Arc<InviteKey> {
        let (auth, community) = (self.under(cert.auth), self.log.id());
        let inviter = actor_at(cert.inviter, cert.device);
        let make = || {
            inviter.invite_with(community, auth, cert.number, |terms| {
                terms.max_uses = cert.max_uses() as u32;
                terms.only = cert.only().map(|only| actor(only).person());
            })
        };
        Arc::clone(self.invites.entry(cert).or_insert_with(|| Arc::new(make())))
    }

    pub(super) fn sign(&mut self, step: &Step) -> Verified<Operation> {
        let cut = |cut: &Option<Vec<Op>>| cut.as_ref().map(|cut| List::new(self.named(cut)).unwrap());
        let body = match &step.act {
            Act::Genesis => unreachable!("there is one genesis"),
            Act::Rule { subjects, role, vouch, cut: ops, joins } => {
                let persons: Vec<_> = subjects.iter().map(|who| actor(*who).person()).collect();
                let mut rule = Rule { cut: cut(ops), vouch: *vouch, ..rule_on(&persons, *role) };
                if *joins {
                    let join = Subject::Join(knock(subjects[0], self.log.id()));
                    rule.subjects = List::new(vec![join]).unwrap();
                }
                Body::Rule(rule)
            }
            Act::Admit { subject, cert } => {
                let invite = self.invite(*cert);
                Body::Admit(invite.cert.signed.clone(), actor(*subject).join(&invite))
            }
            Act::InviteEnd { cert } => Body::InviteEnd(self.invite(*cert).cert.id().into()),
            Act::Leave => Body::Leave,
            Act::Policy { key, value } => Body::Policy(*key, *value),
            Act::Keys { index, certified, revoked, cut: ops } => {
                let (who, cut) = (step.signers[0].0, cut(ops));
                let certify = |device: &Device| actor_at(who, *device).certificate(*index, Caps::ALL);
                Body::Keys(Keys {
                    reveals: List::new(vec![actor(who).reveal(*index)]).unwrap(),
                    devices: List::new(certified.iter().map(certify).collect()).unwrap(),
                    revoked: List::new(revoked.iter().map(|d| actor_at(who, *d).device.public()).collect()).unwrap(),
                    cut,
                    feeds: List::none(),
                })
            }
        };
        let (parents, auth) = (self.named(&step.parents), self.under(step.auth));
        let signers: Vec<_> = step.signers.iter().map(|(who, device)| actor_at(*who, *device)).collect();
        match (&step.act, step.author) {
            (_, None) => root(&self.log, &signers.iter().map(Arc::as_ref).collect::<Vec<_>>(), &parents, body),
            (Act::Keys { index, .. }, Some(_)) => {
                let Body::Keys(said) = body else { unreachable!("it was made above") };
                Pen::new(&self.log, &signers[0], auth).on(&parents).keys(*index, |keys| *keys = said)
            }
            (_, Some(_)) => Pen::new(&self.log, &signers[0], auth).on(&parents).sign(body),
        }
    }
}

/// Adds operations to a log in whatever order they come, again and again while some wait for
/// their parents.
pub(super) fn arrive(log: &mut Log, mut operations: Vec<Verified<Operation>>) {
    while !operations.is_empty() {
        let before = operations.len();
        operations.retain(|operation| match log.add(operation.clone(), NOW) {
            Ok(_) => false,
            Err(OperationRefusal::MissingParents(_)) => true,
            Err(other) => panic!("{other:?}"),
        });
        assert!(operations.len() < before, "{before} operations wait for nothing");
    }
}
