//! Clocks that are wrong (F6): what is written stays, what is signed ahead of its time waits and comes when it is due,
//! and whoever's clock was wrong is told so, nobody else is, and sees everything once it is right.

use hearth_protocol::{
    engine::{ClockDoubt, Event, ROUND_MS},
    id::{CommunityId, ItemId},
    ledger::Ledger as _,
    limits,
    testing::{Quick, Simulator},
    time::DAY_MS,
};

use crate::{
    acts::{QUIET_MS, garden_of, post},
    seeds::{play, simulator},
};

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "ferry"];
const MINUTE_MS: u64 = 60_000;
const YEARS_MS: u64 = 3_650 * DAY_MS;

/// How bob's clock is wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// By so much, from the beginning.
    By(i64),
    /// It is put back by an hour in the middle.
    BackAnHour,
    /// A second of it lasts half as long as it should.
    Twice,
}

/// With how far ahead it is in the end, in milliseconds.
const CASES: [(Wrong, u64); 8] = [
    (Wrong::By(-(YEARS_MS as i64)), 0),
    (Wrong::By(-(DAY_MS as i64)), 0),
    (Wrong::By(9 * MINUTE_MS as i64), 9 * MINUTE_MS),
    (Wrong::By(11 * MINUTE_MS as i64), 11 * MINUTE_MS),
    (Wrong::By(DAY_MS as i64), DAY_MS),
    (Wrong::By(YEARS_MS as i64), YEARS_MS),
    (Wrong::BackAnHour, 0),
    (Wrong::Twice, 12 * MINUTE_MS),
];

fn readable(simulator: &Simulator, name: &str, garden: CommunityId, items: &[ItemId]) -> usize {
    let readable = simulator.memory(name).readable(garden);
    items.iter().filter(|item| readable.contains(item)).count()
}

/// What a node was told of its own clock last.
fn doubt(simulator: &Simulator, name: &str) -> Option<ClockDoubt> {
    let told = simulator.events(name).iter().rev().find_map(|event| match event {
        Event::Clock(doubt) => Some(*doubt),
        _ => None,
    });
    let told = told.flatten();
    assert_eq!(simulator.engine(name).clock_doubt().map(|doubt| doubt.is_ahead), told.map(|doubt| doubt.is_ahead));
    told
}

/// Whether bob's clock is ahead, and how far, when all have written; none where it is less than ten minutes off.
fn off(wrong: Wrong, ahead_ms: u64) -> Option<(bool, u64)> {
    match wrong {
        _ if ahead_ms > limits::FUTURE_MS => Some((true, ahead_ms)),
        Wrong::By(ms) if ms < 0 => Some((false, ms.unsigned_abs())),
        Wrong::BackAnHour => Some((false, 60 * MINUTE_MS)),
        Wrong::By(_) | Wrong::Twice => None,
    }
}

/// Everybody writes once, in turn, in so long.
fn write(simulator: &mut Simulator, garden: CommunityId, text: &str, span_ms: u64) -> (Vec<ItemId>, Vec<ItemId>) {
    let (mut bobs, mut others) = (Vec::new(), Vec::new());
    for name in NAMES {
        let item = post(simulator, name, garden, &format!("{text} by {name}")).expect("members write");
        if name == "bob" {
            bobs.push(item)
        } else {
            others.push(item)
        }
        simulator.run_for(span_ms / 5);
    }
    (bobs, others)
}

fn case(seed: u64, wrong: Wrong, ahead_ms: u64) {
    let _quick = Quick::begin();
    let mut simulator = simulator(seed).with(&NAMES);
    let garden = garden_of(&mut simulator, &NAMES);
    match wrong {
        Wrong::By(ms) => simulator.set_clock("bob", ms),
        Wrong::BackAnHour => {}
        Wrong::Twice => simulator.set_pace("bob", 2_000),
    }
    // Less than a minute together, in which nothing that is eleven ahead gets due; or until bob is as far ahead.
    let span_ms = if matches!(wrong, Wrong::Twice) { 12 * MINUTE_MS } else { 20_000 };
    let (mut bobs, mut others) = write(&mut simulator, garden, "first", span_ms);
    if let Wrong::BackAnHour = wrong {
        simulator.set_clock("bob", -3_600_000);
    }
    // A clock that goes too fast is far enough off only now, and has to be heard of from enough of them.
    let more = if matches!(wrong, Wrong::Twice) { &["second", "third", "fourth"][..] } else { &["second"][..] };
    for text in more {
        let (more, most) = write(&mut simulator, garden, text, 10_000);
        bobs.extend(more);
        others.extend(most);
    }
    simulator.run_for(15_000);
    let is_ahead = ahead_ms > limits::FUTURE_MS;
    let seen = |simulator: &Simulator, name| readable(simulator, name, garden, &bobs);
    for name in NAMES {
        let kept = bobs.iter().filter(|item| matches!(simulator.memory(name).item(**item), Ok(Some(_)))).count();
        match (name, is_ahead) {
            ("bob", _) => assert_eq!((seen(&simulator, name), kept), (bobs.len(), bobs.len()), "own items stay"),
            (_, false) => assert_eq!(seen(&simulator, name), bobs.len(), "{wrong:?}: bob's at {name}"),
            // What a clock that goes too fast has signed first was not ahead.
            (_, true) => assert!(kept < bobs.len(), "{wrong:?}: {name} keeps what is ahead"),
        }
    }

    // bob alone is told, by what the others claim; whose clock is right is not, by what bob claims.
    for name in NAMES {
        let told = doubt(&simulator, name);
        match off(wrong, ahead_ms).filter(|_| name == "bob") {
            None => assert_eq!(told, None, "{wrong:?}: {name}"),
            Some((is_ahead, off_ms)) => {
                let told = told.unwrap_or_else(|| panic!("{wrong:?}: bob is told nothing"));
                assert_eq!(told.is_ahead, is_ahead, "{wrong:?}: {told:?}");
                assert!(told.off_ms.abs_diff(off_ms) < MINUTE_MS, "{wrong:?}: {told:?}");
            }
        }
    }

    // bob's clock is right again: whatever others wrote is there within two rounds, bob's own after a restart too.
    simulator.set_pace("bob", 1_000);
    simulator.set_clock("bob", 0);
    simulator.run_for(2 * ROUND_MS + 1_000);
    assert_eq!(readable(&simulator, "bob", garden, &others), others.len(), "{wrong:?}: others' at bob");
    for name in NAMES {
        assert_eq!(doubt(&simulator, name), None, "{wrong:?}: {name}, when all is right");
    }
    simulator.stop("bob");
    assert_eq!(seen(&simulator, "bob"), bobs.len(), "{wrong:?}");

    // What is ahead comes when it is due, with bob gone: the others have it parked.
    simulator.leap(ahead_ms);
    simulator.run_for(2 * ROUND_MS);
    for name in NAMES {
        assert_eq!(seen(&simulator, name), bobs.len(), "{wrong:?}: bob's at {name} when due");
    }
    simulator.start("bob");
    simulator.run_until_quiet(QUIET_MS);
    let everything = simulator.memory("alice").readable(garden);
    for name in NAMES {
        assert_eq!(simulator.memory(name).readable(garden), everything, "{wrong:?}: {name}");
        let blamed = simulator.events(name).iter().any(|event| matches!(event, Event::Struck(_) | Event::Banned(..)));
        assert!(!blamed, "{wrong:?}: a wrong clock is nobody's fault");
    }
}

#[test]
fn nothing_is_lost_or_hidden_for_good_by_a_wrong_clock() {
    // five members, each with each; bob's clock is wrong in eight ways
    play("clocks", 5, |seed| {
        for (wrong, ahead_ms) in CASES {
            case(seed, wrong, ahead_ms);
        }
    });
}

#[test]
fn a_node_whose_clock_was_years_ahead_goes_on_when_it_is_right_again() {
    // alice ── bob
    play("years ahead", 3, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob"]);
        let garden = garden_of(&mut simulator, &["alice", "bob"]);
        simulator.set_clock("bob", YEARS_MS as i64);
        simulator.run_for(2 * ROUND_MS);
        simulator.set_clock("bob", 0);
        simulator.run_for(2 * ROUND_MS);
        // Only bob can dial, and only in a round.
        simulator.cut("alice", "bob");
        simulator.stop("alice");
        simulator.run_for(ROUND_MS);
        simulator.heal();
        simulator.start("alice");
        let dialled = simulator.events("bob").len();
        let item = post(&mut simulator, "alice", garden, "right again").expect("she founded it");
        simulator.run_for(2 * ROUND_MS);
        assert!(simulator.events("bob").len() > dialled);
        assert!(simulator.memory("bob").readable(garden).contains(&item));
        assert!(simulator.now().since(simulator.woken("bob")) <= ROUND_MS, "bob is woken every round");
    });
}
