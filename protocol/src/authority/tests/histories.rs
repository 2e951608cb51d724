//! Random histories by people who sign anything at all, in the numbers of the oracle and as real
//! signed operations in a log.
//!
//! Whatever the log refuses is in neither; and the log must refuse exactly what the oracle holds
//! to be malformed, or what nobody could check for want of a join.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
};

use super::oracle::{Act, Cert, Op, Oracle, Step, Under, Who, subjects};
use crate::{
    authority::{Body, Grant, Log, Operation, OperationRefusal, Role, Rule, State, Subject, evaluate},
    bytes::List,
    id::{CommunityId, OpId},
    invite::InviteKey,
    signed::{Signed, Verified},
    testing::{Actor, Dice, NOW, Pen, community, found, root, rule_on},
};

/// People whom a history makes up are counted from here.
const FRESH: Who = 10;

/// Making keys takes longer than anything else here, so people are shared by all histories.
pub(super) fn actor(who: Who) -> Arc<Actor> {
    static CROWD: OnceLock<Mutex<BTreeMap<Who, Arc<Actor>>>> = OnceLock::new();
    let mut crowd = CROWD.get_or_init(Mutex::default).lock().unwrap();
    Arc::clone(crowd.entry(who).or_insert_with(|| Arc::new(Actor::numbered(who))))
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
    /// Who joined where.
    joins: Vec<(Op, Who)>,
    pub(super) fresh: Who,
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
        let genesis = Step { author: None, auth: Under::Root, parents: Vec::new(), act: Act::Genesis };
        let joins = (0..founders).map(|founder| (0, founder)).collect();
        let ids = vec![OpId::from(log.id())];
        History { founders, threshold, log, steps: vec![genesis], ids, joins, fresh: FRESH, invites: BTreeMap::new() }
    }

    /// Three partitions that hear of each other now and then; a fifth of all operations on random
    /// old parents; most of those that would have no effect left out.
    pub(super) fn random(dice: &mut Dice) -> History {
        let mut history = History::founded(dice);
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
                && let Some(op) = history.add(dice, step)
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
        Some(Step { author, auth, parents, act })
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
        Act::Rule { subjects, role, vouch: dice.chance(1, 5), cut }
    }

    /// One's own invite, or anybody's: they leak.
    fn propose_cert(&self, dice: &mut Dice, author: Who, people: &[Who], universe: &BTreeSet<Op>) -> Option<Cert> {
        let inviter = if dice.chance(1, 2) { author } else { *dice.pick(people)? };
        let auth = *dice.pick(&self.grants_of(Some(inviter), universe))?;
        Some(Cert { inviter, auth, number: dice.below(4) as u8 })
    }

    /// Signs a step and offers it to the log.
    pub(super) fn add(&mut self, dice: &mut Dice, step: Step) -> Option<Op> {
        let op = self.steps.len();
        let signers = self.signers(dice, &step);
        let operation = self.sign(dice, &step, &signers);
        let id = OpId::from(operation.id());
        let checkable = self.checkable(&step, &signers);
        self.steps.push(step);
        let expected = checkable && self.oracle().wellformed(op);
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
        if let Some(joined) =
            self.log.get(id).and_then(|place| place.newcomer.as_ref()).map(|newcomer| newcomer.person.id)
        {
            let who = subjects(&self.steps[op]).into_iter().find(|who| actor(*who).person() == joined).unwrap();
            self.joins.push((op, who));
        }
        Some(op)
    }

    /// Whether those who sign can be checked: they joined in the past; and an act of the root is
    /// not on its own author.
    fn checkable(&self, step: &Step, signers: &[Who]) -> bool {
        let closure = self.log.closure(&self.named(&step.parents));
        let joined = |who: Who| self.joins.iter().any(|(at, joined)| *joined == who && closure.has(*at));
        let inviter = match step.act {
            Act::Admit { cert, .. } => joined(cert.inviter),
            _ => true,
        };
        inviter && step.author.map_or_else(|| !subjects(step).contains(&signers[0]), joined)
    }

    fn signers(&self, dice: &mut Dice, step: &Step) -> Vec<Who> {
        if step.author.is_some() {
            return Vec::new();
        }
        let mut founders: Vec<Who> = (0..self.founders).collect();
        dice.shuffle(&mut founders);
        // Somebody other than those concerned, if that suffices.
        founders.sort_by_key(|founder| subjects(step).contains(founder));
        founders.truncate(self.threshold as usize);
        founders.sort_unstable();
        founders
    }

    fn under(&self, under: Under) -> Grant {
        match under {
            Under::Root => Grant::Root,
            Under::Gen(founder) => Grant::Founder(founder as u8),
            Under::Op(op) => Grant::Op(self.ids[op]),
        }
    }

    fn invite(&mut self, cert: Cert) -> Arc<InviteKey> {
        let (auth, community) = (self.under(cert.auth), self.log.id());
        let inviter = actor(cert.inviter);
        let make = || {
            inviter.invite_with(community, auth, cert.number, |terms| {
                terms.max_uses = cert.max_uses() as u32;
                terms.only = cert.only().map(|only| actor(only).person());
            })
        };
        Arc::clone(self.invites.entry(cert).or_insert_with(|| Arc::new(make())))
    }

    fn sign(&mut self, dice: &mut Dice, step: &Step, signers: &[Who]) -> Verified<Operation> {
        let body = match &step.act {
            Act::Genesis => unreachable!("there is one genesis"),
            Act::Rule { subjects, role, vouch, cut } => {
                let cut = cut.as_ref().map(|cut| List::new(self.named(cut)).unwrap());
                Body::Rule(Rule { cut, vouch: *vouch, ..self.rule(dice, step, subjects, *role) })
            }
            Act::Admit { subject, cert } => {
                let invite = self.invite(*cert);
                Body::Admit(invite.cert.signed.clone(), actor(*subject).join(&invite))
            }
            Act::InviteEnd { cert } => Body::InviteEnd(self.invite(*cert).cert.id().into()),
            Act::Leave => Body::Leave,
            Act::Policy { key, value } => Body::Policy(*key, *value),
        };
        let parents = self.named(&step.parents);
        match step.author {
            Some(author) => Pen::new(&self.log, &actor(author), self.under(step.auth)).on(&parents).sign(body),
            None => {
                let signers: Vec<_> = signers.iter().map(|who| actor(*who)).collect();
                root(&self.log, &signers.iter().map(Arc::as_ref).collect::<Vec<_>>(), &parents, body)
            }
        }
    }

    /// Mostly with the join of somebody of whom nothing is known yet.
    fn rule(&self, dice: &mut Dice, step: &Step, subjects: &[Who], role: Role) -> Rule {
        let persons: Vec<_> = subjects.iter().map(|who| actor(*who).person()).collect();
        let rule = rule_on(&persons, role);
        let closure = self.log.closure(&self.named(&step.parents));
        match subjects {
            [only] => {
                let joined = self.joins.iter().any(|(at, who)| who == only && closure.has(*at));
                if dice.chance(if joined { 1 } else { 7 }, 8) {
                    let join = Subject::Join(knock(*only, self.log.id()));
                    Rule { subjects: List::new(vec![join]).unwrap(), ..rule }
                } else {
                    rule
                }
            }
            _ => rule,
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
