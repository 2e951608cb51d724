//! Everything comes many times, in any order, and once more a week later (F11): each thing is kept once, and all is as
//! if it had come once.

use std::collections::BTreeMap;

use hearth_protocol::{
    engine::Event,
    id::ItemId,
    testing::{Dice, Quick, Simulator},
    time::DAY_MS,
};
use hearth_tests::shared;

use crate::{
    acts::{QUIET_MS, garden_of, log, post, state},
    seeds::{is_long, play, simulator},
};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// How often each comes.
const TIMES: usize = 10;
/// Frames are out of order by so many at most.
const WINDOW: usize = 1_000;
/// A little longer than gossip is remembered: what comes then is looked at anew.
const FORGOTTEN_MS: u64 = 5 * 60 * 1000 + 1_000;

/// How often each item was told of, at one node.
fn told(simulator: &Simulator, name: &str) -> BTreeMap<ItemId, usize> {
    let mut told = BTreeMap::new();
    for event in simulator.events(name) {
        if let Event::Item(_, item) = event {
            *told.entry(*item).or_default() += 1;
        }
    }
    told
}

/// Sends frames to everybody from everybody else, out of order.
fn send_again(simulator: &mut Simulator, dice: &mut Dice, frames: &[(String, Vec<u8>)]) -> usize {
    let mut sent = 0;
    for window in frames.chunks(WINDOW) {
        let mut window: Vec<_> = window.iter().collect();
        dice.shuffle(&mut window);
        for (topic, data) in window {
            for from in NAMES {
                let to = NAMES[(dice.below(2) + 1 + NAMES.iter().position(|name| *name == from).unwrap_or(0)) % 3];
                simulator.send_gossip(from, to, topic, data.clone());
                sent += 1;
            }
        }
        simulator.run_for(5_000);
    }
    sent
}

#[test]
fn what_comes_ten_times_out_of_order_and_again_a_week_later_is_kept_once() {
    // alice ── bob ── carol, each with each
    let items = if is_long() { 100_000 } else { 10_000 };
    play("repeats", 1, |seed| {
        let _quick = Quick::begin();
        let mut dice = Dice::new(seed ^ 0x4e);
        let mut simulator = simulator(seed).with(&NAMES);
        let garden = garden_of(&mut simulator, &NAMES);
        let conditions = &mut simulator.conditions;
        (conditions.recorded, conditions.gossip_doubled, conditions.gossip_copies) = (true, 1_000, TIMES);
        conditions.latency_ms = 5..=2_000;
        for n in 0..items {
            let author = *dice.pick(&NAMES).expect("there are three");
            post(&mut simulator, author, garden, &format!("text {n}")).expect("members write");
            simulator.run_for(10);
        }
        simulator.run_until_quiet(QUIET_MS);
        let kept = |simulator: &Simulator| NAMES.map(|name| simulator.memory(name).readable(garden));
        let says =
            |simulator: &Simulator| NAMES.map(|name| (log(simulator, name, garden), state(simulator, name, garden)));
        let (shown, said) = (kept(&simulator), says(&simulator));
        assert!(shown.iter().all(|shown| shown.len() == items + 1), "all, and the charter");
        let again = simulator.gossip().again;
        assert!(again > (items * (TIMES - 1)) as u64, "{again}");

        // A week later everybody starts again, and every frame comes as often once more: the network has forgotten it.
        simulator.leap(7 * DAY_MS);
        for name in NAMES {
            simulator.start(name);
        }
        simulator.run_until_quiet(QUIET_MS);
        let before = NAMES.map(|name| told(&simulator, name));
        let frames: Vec<(String, Vec<u8>)> =
            simulator.published().map(|(topic, data)| (topic.to_owned(), data.to_vec())).collect();
        let first = simulator.gossip().first;
        let mut sent = 0;
        for _ in 0..3 {
            sent += send_again(&mut simulator, &mut dice, &frames);
            simulator.leap(FORGOTTEN_MS);
            simulator.run_until_quiet(QUIET_MS);
        }
        let looked_at = simulator.gossip().first - first;
        assert!(looked_at > 3 * items as u64, "{looked_at} frames of {sent} were looked at");
        assert_eq!(kept(&simulator), shown);
        for (name, (log, state)) in NAMES.iter().zip(says(&simulator)) {
            let (before, _) = &said[0];
            assert!(log.is_superset(before), "{name}");
            assert!(!state.is_empty());
        }
        let after = NAMES.map(|name| told(&simulator, name));
        assert_eq!(after, before, "nothing is told of a second time");
        shared::tell(&format!("repeats, SEED={seed}: {items} items, {again} copies, {sent} frames again"));
    });
}
