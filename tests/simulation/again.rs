//! The same seed plays the same, to the last byte.

use std::collections::BTreeSet;

use hearth_protocol::{engine::ROUND_MS, testing::Simulator};

use crate::{
    acts::{QUIET_MS, garden_of, post},
    seeds::{play, simulator},
};

/// Some of everything that chance has part in.
fn played(seed: u64) -> Simulator {
    // alice ── bob ── carol, each with each, now and then
    let names = ["alice", "bob", "carol"];
    let mut simulator = simulator(seed).with(&names);
    let garden = garden_of(&mut simulator, &names);
    simulator.conditions.gossip_lost = 200;
    simulator.conditions.gossip_doubled = 200;
    simulator.cut("alice", "carol");
    for n in 0..5 {
        for name in names {
            post(&mut simulator, name, garden, &format!("text {n}")).expect("members write");
        }
        simulator.run_for(700);
    }
    simulator.stop("bob");
    simulator.run_for(ROUND_MS);
    simulator.heal();
    simulator.start("bob");
    simulator.run_until_quiet(QUIET_MS);
    for name in names {
        assert_eq!(simulator.memory(name).readable(garden).len(), 16, "{name}");
    }
    simulator
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let mut traces = BTreeSet::new();
    let mut seeds = 0;
    play("again", 8, |seed| {
        let trace = played(seed).trace();
        assert_eq!(trace, played(seed).trace());
        assert!(traces.insert(trace), "another seed gave this trace");
        seeds += 1;
    });
    assert_eq!(traces.len(), seeds);
}
