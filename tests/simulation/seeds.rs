//! Playing seed after seed, or one of them again.
//!
//! `SEED=` plays that one only; `HEARTH_LONG=1` plays for five minutes; `HEARTH_ALOUD=1` prints every step.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use hearth_protocol::testing::Simulator;
use hearth_tests::{seed, shared};

/// How long one test plays with `HEARTH_LONG`.
const LONG: Duration = Duration::from_secs(300);

/// Names the seed when a play fails.
struct Playing<'a>(&'a str, u64);

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            shared::tell(&format!("{}: play it again with SEED={}", self.0, self.1));
        }
    }
}

/// Plays so many seeds.
pub(crate) fn play(test: &str, times: u64, mut one: impl FnMut(u64)) {
    let mut play = |seed: u64| {
        let _playing = Playing(test, seed);
        one(seed);
    };
    if let Ok(seed) = env::var("SEED") {
        return play(seed.parse().expect("SEED is a number"));
    }
    let long = is_long();
    let start = Instant::now();
    // Others than last time, or the same few would be the only ones ever played.
    let first = seed::fresh() >> 16;
    let mut played = 0;
    while played < times || long && start.elapsed() < LONG {
        play(first + played);
        played += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    shared::tell(&format!("{test}: {played} seeds from SEED={first} on in {seconds:.1} s"));
}

/// Whether there is time for more than usual.
pub(crate) fn is_long() -> bool {
    env::var_os("HEARTH_LONG").is_some()
}

/// An empty simulation.
pub(crate) fn simulator(seed: u64) -> Simulator {
    let mut simulator = Simulator::new(seed);
    simulator.conditions.aloud = env::var_os("HEARTH_ALOUD").is_some();
    simulator
}
