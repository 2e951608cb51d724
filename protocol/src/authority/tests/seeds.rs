//! Playing so many random histories, others in every run, and one of them again.
//!
//! `SEED=` plays that one only; `HEARTH_LONG=1` plays twenty times as many.

use std::{env, thread, time::Instant};

use crate::testing::Dice;

/// How many histories each property plays.
const SHARES: [(&str, usize); 16] = [
    ("P1", 60),
    ("P2", 300),
    ("P3", 50),
    ("P3b", 50),
    ("P4", 50),
    ("P5", 50),
    ("P6", 50),
    ("P7", 50),
    ("P8", 50),
    ("P9", 60),
    ("P10, P11", 50),
    ("P12", 50),
    ("P13", 50),
    ("P14", 30),
    ("P15", 50),
    ("findings", 60),
];
/// How many times as many in a long run.
const LONG: usize = 20;

// A thousand in every run, twenty thousand in a long one.
const _: () = {
    let (mut all, mut at) = (0, 0);
    while at < SHARES.len() {
        all += SHARES[at].1;
        at += 1;
    }
    assert!(all >= 1_000 && all * LONG >= 20_000);
};

/// Of so many histories one at least must have what a property asks for.
const RARE: usize = 20;

/// Names the seed when a history fails.
struct Playing<'a>(&'a str, u64);

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}: play it again with SEED={}", self.0, self.1);
        }
    }
}

/// Plays a property's share of histories. `one` says how many operations it tried; a history in
/// which there was nothing to try does not count.
pub(super) fn play(property: &str, mut one: impl FnMut(&mut Dice) -> usize) {
    let mut play = |seed: u64| {
        let _playing = Playing(property, seed);
        one(&mut Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    };
    if let Ok(seed) = env::var("SEED") {
        let tried = play(seed.parse().expect("SEED is a number"));
        return eprintln!("{property}: SEED={seed} alone, {tried} operations tried");
    }
    let times = if env::var("HEARTH_LONG").is_ok_and(|long| long == "1") { LONG } else { 1 };
    let share = SHARES.iter().find(|(name, _)| *name == property).expect("it has a share").1 * times;
    // Others than last time, or the first hundreds would be the only ones ever played.
    let given = env::var("HEARTH_FIRST_SEED").ok();
    let first = given.map_or_else(|| u64::from(std::process::id()) << 32, |seed| seed.parse().expect("it is a number"));
    let start = Instant::now();
    let (mut seed, mut played, mut tried) = (first, 0, 0);
    while played < share {
        let operations = play(seed);
        played += usize::from(operations > 0);
        tried += operations;
        seed += 1;
        let drawn = usize::try_from(seed - first).unwrap();
        assert!(
            drawn <= RARE * (played + 10),
            "{property}: {played} of {drawn} histories from SEED={first} on have it"
        );
    }
    eprintln!(
        "{property}: {played} of {} histories from SEED={first} on, {tried} operations tried, {:.1} s",
        seed - first,
        start.elapsed().as_secs_f64()
    );
}
