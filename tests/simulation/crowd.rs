//! Fifty newcomers at once, with one invite, while its maker is away (I3, and the bound of section 5).

use std::collections::BTreeSet;

use hearth_protocol::{
    authority::Role,
    engine::{Event, ROUND_MS},
    id::CommunityId,
    testing::{Dice, Simulator},
};
use hearth_tests::shared;

use crate::{
    acts::{QUIET_MS, garden_of, invite, joining, log, role, state, uses},
    seeds::{play, simulator},
};

const NEWCOMERS: usize = 50;
const MEMBERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Everybody pastes the key within a second.
fn arrive(simulator: &mut Simulator, dice: &mut Dice, newcomers: &[String], key: &str) {
    for name in newcomers {
        simulator.run_for(dice.below(40) as u64);
        simulator.order(name, joining(key));
    }
}

#[test]
fn fifty_newcomers_come_in_at_once_by_one_invite_for_fifty() {
    // p1 ... p50 ── bob, carol and dave; alice, who invited, is away
    play("crowd", 2, |seed| {
        let mut dice = Dice::new(seed ^ 0xc0);
        let mut simulator = simulator(seed).with(&MEMBERS);
        let garden = garden_of(&mut simulator, &MEMBERS);
        let uses_of = u32::try_from(NEWCOMERS).expect("it is small");
        let (cert, key) = invite(&mut simulator, "alice", garden, uses_of);
        simulator.stop("alice");
        let newcomers: Vec<String> = (1..=NEWCOMERS).map(|n| format!("p{n}")).collect();
        for name in &newcomers {
            simulator.add(name);
        }
        simulator.conditions.latency_ms = 5..=[60, 400][dice.below(2)];
        arrive(&mut simulator, &mut dice, &newcomers, &key);
        let took = simulator.run_until_quiet(QUIET_MS);
        let missing: Vec<&String> =
            newcomers.iter().filter(|name| !simulator.events(name).contains(&Event::Joined(garden))).collect();
        assert!(missing.is_empty(), "{missing:?} are not in");

        let (used, admitters) = uses(&simulator, "bob", garden, cert);
        let persons: BTreeSet<_> = newcomers.iter().map(|name| simulator.person(name)).collect();
        assert_eq!(used, persons, "each once, and nobody else");
        assert!(used.len() <= NEWCOMERS * admitters.len(), "section 5");
        all_agree(&simulator, garden, &newcomers, &["bob", "carol", "dave"]);
        let operations = log(&simulator, "bob", garden).len();
        let (traffic, gossip) = (simulator.all_traffic(), simulator.gossip());
        shared::tell(&format!(
            "crowd, SEED={seed}: {NEWCOMERS} in after {took} ms, admitted by {}, {operations} operations; {} frames of \
             {} KiB, gossip first {} again {} ignored {}",
            admitters.len(),
            traffic.frames,
            traffic.bytes / 1024,
            gossip.first,
            gossip.again,
            gossip.ignored,
        ));
        assert!(took < 4 * ROUND_MS, "{took} ms");

        // Who invited comes back, and confirms them all (B14).
        simulator.start("alice");
        let took = simulator.run_until_quiet(QUIET_MS);
        all_agree(&simulator, garden, &newcomers, &MEMBERS);
        let members = &simulator.engine("dave").communities()[&garden].state.members;
        assert!(members.values().all(|member| member.confirmed), "all are confirmed");
        shared::tell(&format!("crowd, SEED={seed}: confirmed after {took} ms"));
    });
}

/// Every newcomer and these see the same, and that each newcomer is a member.
fn all_agree(simulator: &Simulator, garden: CommunityId, newcomers: &[String], members: &[&str]) {
    let (whole, says) = (log(simulator, "bob", garden), state(simulator, "bob", garden));
    for name in newcomers.iter().map(String::as_str).chain(members.iter().copied()) {
        assert!(role(simulator, name, garden, name) >= Role::Member, "{name}");
        assert_eq!(log(simulator, name, garden), whole, "{name}");
        assert_eq!(state(simulator, name, garden), says, "{name}");
    }
}
