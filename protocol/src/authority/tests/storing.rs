//! P9: what B1 says of an operation never changes as the log grows.

use std::collections::BTreeMap;

use super::{
    histories::{History, actor, actor_at},
    seeds::play,
};
use crate::{
    authority::{Body, Grant, Log, Operation, Role},
    bytes::List,
    id::{CommunityId, OpId},
    signed::Verified,
    testing::{Dice, NOW},
};

/// Operations looked at in each history.
const TRIES: usize = 6;

/// The operations of a history that are in the past of `parents`, and of the others as many as
/// `more` takes, with their pasts.
fn part(history: &History, parents: &[OpId], mut more: impl FnMut() -> bool) -> Log {
    let past = history.log.closure(parents);
    let mut log = Log::new(history.log.community().clone());
    for (at, place) in history.log.numbered() {
        let follows = place.operation.parents.iter().all(|parent| log.contains(*parent));
        if past.has(at) || (follows && more()) {
            let operation = Verified { value: place.operation.clone(), signed: place.signed.clone() };
            assert_eq!(log.add(operation, NOW), Ok(true), "P9: it was stored before");
        }
    }
    log
}

/// Somebody's operation with one thing changed, signed all the same.
fn spoil(history: &History, dice: &mut Dice, signed: &Verified<Operation>) -> Verified<Operation> {
    let mut operation = signed.value.clone();
    let people: Vec<_> = history.people().into_iter().collect();
    let signer = actor_at(*dice.pick(&people).unwrap(), dice.below(3) as u8);
    let any = history.ids[dice.below(history.ids.len())];
    match dice.below(8) {
        0 => operation.lamport += 1,
        1 => operation.auth = Grant::Op(any),
        2 => operation.auth = Grant::Founder(dice.below(4) as u8),
        3 => operation.author = actor(*dice.pick(&people).unwrap()).person(),
        4 => operation.community = CommunityId::new([9; 32]),
        5 => operation.device = signer.device.public(),
        6 => {
            if let Body::Rule(rule) = &mut operation.body {
                rule.cut = Some(List::new(vec![any]).unwrap());
                rule.role = *dice.pick(&Role::ALL).unwrap();
            }
        }
        _ => operation.auth = Grant::Root,
    }
    let owner = people.iter().flat_map(|who| (0..3).map(|device| actor_at(*who, device)));
    let owner = owner.into_iter().find(|actor| actor.device.public() == operation.device).unwrap_or(signer);
    Verified::seal(operation, &[&owner.device])
}

#[test]
fn what_is_asked_of_an_operation_has_the_same_answer_whatever_else_is_stored() {
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    play("P9", |dice| {
        let mut history = History::random(dice);
        let universe = history.all();
        for _ in 0..TRIES {
            let people: Vec<_> = history.people().into_iter().map(Some).chain([None]).collect();
            let author = *dice.pick(&people).unwrap();
            let backdate = dice.chance(1, 2);
            let Some(step) = history.propose(dice, author, &universe, backdate) else { continue };
            let mut operation = history.sign(&step);
            if dice.chance(1, 2) {
                operation = spoil(&history, dice, &operation);
            }
            let parents: Vec<OpId> = operation.value.parents.to_vec();
            if history.log.contains(operation.id().into()) {
                continue;
            }
            let answer = part(&history, &parents, || false).add(operation.clone(), NOW);
            let half = part(&history, &parents, || dice.chance(1, 2)).add(operation.clone(), NOW);
            let whole = history.log.clone().add(operation, NOW);
            assert_eq!((&half, &whole), (&answer, &answer), "P9: {step:?}");
            *answers.entry(answer.as_ref().map_or_else(|refusal| refusal.name(), |_| "stored")).or_default() += 1;
        }
        TRIES
    });
    eprintln!("{answers:?}");
}
