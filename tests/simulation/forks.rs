//! A device that forks its chain (T8, F13): two homes with one device's keys write apart.
//!
//! Both variants are accepted everywhere, and all nodes come to the same verdict: which items there are, and which of
//! them stand under one number; and all say of the same device that it signed twice, with the same proof.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::{
    engine::{Event, Forked},
    id::{CommunityId, ItemId},
    testing::{Dice, Quick, Simulator},
};
use hearth_tests::shared;

use crate::{
    acts::{QUIET_MS, garden_of, header, log, post, state},
    seeds::{play, simulator},
};

const NAMES: [&str; 10] = ["alice", "bob", "carol", "dave", "ferry", "p7", "p8", "p9", "p10", "p11"];
const COPY: &str = "bob's copy";

/// The numbers under which bob's device has signed more than one item, as one node sees it.
fn forks(simulator: &Simulator, at: &str, garden: CommunityId) -> BTreeMap<u32, BTreeSet<ItemId>> {
    let bob = simulator.identity("bob").device.public();
    let mut numbers: BTreeMap<u32, BTreeSet<ItemId>> = BTreeMap::new();
    for id in simulator.memory(at).readable(garden) {
        let header = header(simulator, at, id).expect("what is shown is kept");
        if header.device == bob {
            numbers.entry(header.seq).or_default().insert(id);
        }
    }
    numbers.retain(|_, items| items.len() > 1);
    numbers
}

/// What one node says of devices that signed twice.
fn said(simulator: &Simulator, at: &str, garden: CommunityId) -> Vec<Forked> {
    let Ok(forked) = simulator.engine(at).communities()[&garden].forked(simulator.memory(at));
    forked
}

#[test]
fn a_forking_device_brings_the_same_verdict_everywhere() {
    // bob and four ══ bob's copy and five; ══ is cut while both write, or gossip races
    let (mut forked, mut deepest) = (0, 0);
    play("forks", 200, |seed| {
        let _quick = Quick::begin();
        let mut dice = Dice::new(seed ^ 0xf0);
        let mut simulator = simulator(seed).with(&NAMES);
        let garden = garden_of(&mut simulator, &NAMES);
        post(&mut simulator, "bob", garden, "before").expect("bob is a member");
        simulator.run_for(5_000);
        assert_eq!(said(&simulator, "alice", garden), [], "the control");
        simulator.copy("bob", COPY);
        if dice.chance(3, 4) {
            let (with_bob, with_copy) = NAMES.split_at(5);
            let with_copy: Vec<&str> = with_copy.iter().copied().chain([COPY]).collect();
            simulator.cut_apart(with_bob, &with_copy);
        }
        simulator.run_for(2_000);
        for n in 0..1 + dice.below(4) {
            post(&mut simulator, "bob", garden, &format!("one {n}")).expect("bob is a member");
            post(&mut simulator, COPY, garden, &format!("other {n}")).expect("so is the copy");
            simulator.run_for(dice.below(3_000) as u64);
        }
        simulator.heal();
        simulator.run_until_quiet(QUIET_MS);
        // And on from there, on whichever end each takes for the last.
        post(&mut simulator, "bob", garden, "after").expect("bob is a member");
        simulator.run_until_quiet(QUIET_MS);
        let (verdict, shown) = (forks(&simulator, "alice", garden), simulator.memory("alice").readable(garden));
        assert!(!verdict.is_empty(), "the device has forked");
        let flags = said(&simulator, "alice", garden);
        let [flag] = flags[..] else { panic!("one device has signed twice: {flags:?}") };
        let bob = simulator.identity("bob");
        assert_eq!((flag.person, flag.fork.device), (bob.person(), bob.device.public()));
        let (first, items) = verdict.first_key_value().expect("it is not empty");
        let proof: Vec<ItemId> = items.iter().take(2).copied().collect();
        assert_eq!((flag.fork.seq, vec![flag.fork.first, flag.fork.second]), (*first, proof));
        for name in NAMES.into_iter().chain([COPY]) {
            assert_eq!(forks(&simulator, name, garden), verdict, "{name}");
            assert_eq!(said(&simulator, name, garden), flags, "{name}, whose own device it may be");
            assert_eq!(simulator.memory(name).readable(garden), shown, "{name}");
            assert_eq!(log(&simulator, name, garden), log(&simulator, "alice", garden), "{name}");
            assert_eq!(state(&simulator, name, garden), state(&simulator, "alice", garden), "{name}");
            let blamed =
                simulator.events(name).iter().any(|event| matches!(event, Event::Struck(_) | Event::Banned(..)));
            assert!(!blamed, "{name}: whoever passes a fork on has done nothing");
        }
        forked += 1;
        deepest = deepest.max(verdict.len());
    });
    shared::tell(&format!("forks: {forked} seeds, at most {deepest} numbers signed twice"));
}
