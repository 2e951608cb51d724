//! Faults that are planted in every node are found by what must be true in a storm.
//!
//! Always true: what found a fault is a seed that finds it again, in the same way and with the same trace, and that
//! finds nothing without the fault.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hearth_protocol::testing::{Planted, Quick};
use hearth_tests::shared;

use crate::{seeds::first_seed, storm::Storm};

/// So many storms are played at most until a fault is found.
const MOST: u64 = 400;

/// What a storm came to: what was not true, and the trace up to there.
fn played(seed: u64, planted: Option<Planted>) -> (Option<String>, String) {
    let _quick = Quick::begin();
    let mut storm = Storm::new(seed, planted);
    let found = catch_unwind(AssertUnwindSafe(|| storm.play())).err();
    let said = found.map(|found| match found.downcast::<String>() {
        Ok(said) => *said,
        Err(found) => found.downcast_ref::<&str>().map_or(String::new(), |said| (*said).to_owned()),
    });
    (said, storm.turmoil.simulator.trace())
}

/// Looks for a fault, storm by storm; `expected` is part of what is said when it is found.
fn is_found(planted: Planted, expected: &[&str]) {
    let first = first_seed();
    let storms = (first..first + MOST).map(|seed| (seed, played(seed, Some(planted))));
    let (seed, found) = storms.into_iter().find(|(_, (said, _))| said.is_some()).expect("it is found");
    let said = found.0.clone().unwrap_or_default();
    shared::tell(&format!("planted {planted:?}: found by storm {} with SEED={seed}: {said:.120}", seed - first + 1));
    assert!(expected.iter().any(|part| said.contains(part)), "{said}");
    assert_eq!(played(seed, Some(planted)), found, "SEED={seed} plays the same");
    assert_eq!(played(seed, None).0, None, "SEED={seed} without the fault");
}

#[test]
fn gossip_that_is_passed_on_before_it_is_judged_is_found() {
    is_found(Planted::ForwardsUnjudged, &["has passed on what it does not keep"]);
}

#[test]
fn a_lost_wake_up_is_found() {
    is_found(Planted::LosesWakes, &["was not woken"]);
}

#[test]
fn an_answer_that_ends_early_is_found() {
    is_found(Planted::EndsEarly, &["what stands", "the log of", "the state of"]);
}

#[test]
fn an_acknowledgement_before_it_is_kept_is_found() {
    is_found(Planted::AcknowledgesEarly, &["does not keep it"]);
}
