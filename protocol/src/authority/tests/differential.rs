//! Random histories, judged by the evaluator and by the oracle; and in another order of arrival.

use super::{
    histories::{History, actor, arrive},
    said,
    seeds::play,
};
use crate::{
    authority::{Log, evaluate},
    signed::Verified,
    testing::Dice,
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

/// Another order of arrival, with retries, gives the same log and the same state (P1, P9).
fn assert_order_is_nothing(history: &History, dice: &mut Dice) {
    let mut operations: Vec<_> =
        history.log.operations().map(|place| Verified { value: place.operation.clone(), signed: place.signed.clone() }).collect();
    // Some twice.
    operations.extend_from_within(..operations.len() / 4);
    dice.shuffle(&mut operations);
    let mut other = Log::new(history.log.community().clone());
    arrive(&mut other, operations);
    assert_eq!(other.len(), history.log.len());
    assert_eq!(said(&other, &evaluate(&other)), said(&history.log, &history.state()));
}

#[test]
fn histories_are_judged_as_the_oracle_judges_them() {
    let (mut operations, mut effective) = (0, 0);
    play("differential", 10, |dice, seed| {
        let history = History::random(dice);
        assert_agreed(&history);
        if seed % 4 == 0 {
            assert_order_is_nothing(&history, dice);
        }
        operations += history.steps.len();
        effective += history.effective(&history.state()).iter().filter(|effective| **effective).count();
    });
    eprintln!("differential: {operations} operations, {effective} of them with effect");
}
