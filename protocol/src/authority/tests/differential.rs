//! Random histories, judged by the evaluator and by the oracle; and in another order of arrival.

use super::{
    histories::{History, actor, arrive},
    oracle::Act,
    said,
    seeds::play,
};
use crate::{
    authority::{Body, Grant, Log, Place, evaluate},
    bytes::List,
    epoch::Scope,
    id::{CommunityId, OpId},
    link::Direction,
    person::Caps,
    signed::Verified,
    testing::{Dice, NOW, Pen, link_terms},
};

/// The same operations have effect, the same people the same roles, the policy the same values.
pub(super) fn assert_agreed(history: &History) {
    let state = history.state();
    let oracle = history.oracle();
    for (op, id) in history.ids.iter().enumerate() {
        assert_eq!(state.is_effective(&history.log, *id), oracle.effective(op), "operation {op} of\n{}", told(history));
    }
    for who in history.people() {
        assert_eq!(state.role(actor(who).person()), oracle.role(who), "person {who} of\n{}", told(history));
    }
    assert_eq!(state.policy, oracle.policy(), "{}", told(history));
}

fn told(history: &History) -> String {
    history.steps.iter().enumerate().map(|(op, step)| format!("{op}: {step:?}\n")).collect()
}

/// Operations of the kinds that the oracle does not know, by anybody, on whatever parents.
fn add_others(history: &mut History, dice: &mut Dice) -> usize {
    let before = history.log.len();
    let people: Vec<_> = history.people().into_iter().map(actor).collect();
    for _ in 0..60 {
        let Some(author) = dice.pick(&people) else { break };
        let known: Vec<&Place> = history.log.operations().collect();
        let grants: Vec<Grant> =
            known.iter().filter(|place| place.gives_to(author.person())).map(|place| Grant::Op(place.id)).collect();
        let founded = history.log.community().founder(author.person()).map(Grant::Founder);
        let Some(grant) = founded.or_else(|| dice.pick(&grants).copied()) else { continue };
        let mut parents: Vec<OpId> = (0..2).filter_map(|_| dice.pick(&known).map(|place| place.id)).collect();
        parents.extend(if let Grant::Op(id) = grant { Some(id) } else { None });
        let links: Vec<OpId> =
            known.iter().filter(|place| matches!(place.operation.body, Body::Link(_))).map(|place| place.id).collect();
        let pen = Pen::new(&history.log, author, grant).on(&parents);
        let tablet = author.at_device(1);
        let operation = match dice.below(8) {
            0 => pen.epoch(Scope::All, 1),
            1 => pen.epoch(Scope::Inner, 2),
            2 => pen.merge(),
            3 => pen.link(link_terms(Direction::In { quarantine: false }, CommunityId::new([1; 32]), author)),
            4 => match dice.pick(&links) {
                Some(link) => pen.end_link(*link),
                None => continue,
            },
            5 => pen.keys(0, |keys| keys.devices = List::new(vec![tablet.certificate(0, Caps::ALL)]).unwrap()),
            6 => pen.keys(0, |keys| keys.revoked = List::new(vec![author.device.public()]).unwrap()),
            _ => pen.keys(1, |keys| {
                keys.reveals = List::new(vec![author.reveal(1)]).unwrap();
                keys.devices = List::new(vec![tablet.certificate(1, Caps::ALL)]).unwrap();
                keys.cut = dice.chance(1, 2).then(|| List::new(vec![history.ids[0]]).unwrap());
            }),
        };
        let _ = history.log.add(operation, NOW);
    }
    history.log.len() - before
}

/// Another order of arrival, with retries, gives the same log and the same state (P1, P9).
fn assert_order_is_nothing(history: &History, dice: &mut Dice) {
    let mut operations: Vec<_> = history
        .log
        .operations()
        .map(|place| Verified { value: place.operation.clone(), signed: place.signed.clone() })
        .collect();
    // Some twice.
    operations.extend_from_within(..operations.len() / 4);
    dice.shuffle(&mut operations);
    let mut other = Log::new(history.log.community().clone());
    arrive(&mut other, operations);
    assert_eq!(other.len(), history.log.len());
    assert_eq!(said(&other, &evaluate(&other)), said(&history.log, &history.state()));
}

#[test]
fn the_order_of_arrival_is_nothing_whatever_the_operations_are() {
    play("P1", |dice| {
        let mut history = History::random(dice);
        add_others(&mut history, dice);
        assert_order_is_nothing(&history, dice);
        history.log.len()
    });
}

#[test]
fn histories_are_judged_as_the_oracle_judges_them() {
    // P2 as well: both panic when they ask of an operation what they are about to answer.
    let (mut operations, mut effective, mut keys) = (0, 0, 0);
    play("P2", |dice| {
        let often = [0, 1, 4][dice.below(3)];
        let history = History::with_keys(dice, often);
        assert_agreed(&history);
        operations += history.steps.len();
        effective += history.effective(&history.state()).iter().filter(|effective| **effective).count();
        keys += history.steps.iter().filter(|step| matches!(step.act, Act::Keys { .. })).count();
        history.steps.len()
    });
    eprintln!("{operations} operations, {effective} of them with effect, {keys} Keys");
}
