//! Playing as many random histories as fit into some time, and one of them again.
//!
//! `SEED=` plays that one only; `HEARTH_LONG=1` plays for five minutes.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use crate::testing::Dice;

/// Names the seed when a history fails.
struct Playing<'a>(&'a str, u64);

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}: play it again with SEED={}", self.0, self.1);
        }
    }
}

/// Plays histories for about `seconds`.
pub(super) fn play(test: &str, seconds: u64, mut one: impl FnMut(&mut Dice, u64)) {
    let mut play = |seed: u64| {
        let _playing = Playing(test, seed);
        one(&mut Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), seed);
    };
    if let Ok(seed) = env::var("SEED") {
        return play(seed.parse().expect("SEED is a number"));
    }
    let long = env::var_os("HEARTH_LONG").is_some();
    let limit = Duration::from_secs(if long { 300 } else { seconds });
    let start = Instant::now();
    // Others than last time, or the first hundreds would be the only ones ever played.
    let first = u64::from(std::process::id()) << 32;
    let mut seed = first;
    while start.elapsed() < limit {
        play(seed);
        seed += 1;
    }
    eprintln!("{test}: {} histories, from SEED={first} on, in {:.1} s", seed - first, start.elapsed().as_secs_f64());
}
