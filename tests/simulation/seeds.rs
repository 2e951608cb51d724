//! Playing seed after seed, or one of them again.
//!
//! `SEED=` plays that one only; `HEARTH_LONG=1` plays for five minutes; `HEARTH_ALOUD=1` prints every step.

use std::{
    env,
    panic::resume_unwind,
    sync::atomic::{AtomicU64, Ordering},
    thread,
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

/// The seeds of one test.
struct Seeds<'a> {
    test: &'a str,
    times: u64,
    /// The one that `SEED=` names, if it does.
    only: Option<u64>,
    first: u64,
    start: Instant,
    played: AtomicU64,
}

impl<'a> Seeds<'a> {
    fn new(test: &'a str, times: u64) -> Seeds<'a> {
        let only = env::var_os("SEED").map(|_| first_seed());
        // Others than last time, or the same few would be the only ones ever played.
        let first = first_seed();
        Seeds { test, times, only, first, start: Instant::now(), played: AtomicU64::new(0) }
    }

    /// Plays one after the other, until there are none left.
    fn play(&self, mut one: impl FnMut(u64)) {
        while let Ok(nth) = self.played.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |nth| {
            let more = if self.only.is_some() { nth == 0 } else { nth < self.times || self.has_time() };
            more.then_some(nth + 1)
        }) {
            let _playing = Playing(self.test, self.first + nth);
            one(self.first + nth);
        }
    }

    fn has_time(&self) -> bool {
        is_long() && self.start.elapsed() < LONG
    }

    fn tell(&self) {
        let (played, seconds) = (self.played.load(Ordering::Relaxed), self.start.elapsed().as_secs_f64());
        shared::tell(&format!("{}: {played} seeds from SEED={} on in {seconds:.1} s", self.test, self.first));
    }
}

/// Plays so many seeds.
pub(crate) fn play(test: &str, times: u64, one: impl FnMut(u64)) {
    let seeds = Seeds::new(test, times);
    seeds.play(one);
    seeds.tell();
}

/// Plays so many seeds on two threads, for a test that takes longer than all others; gives what each of the two came to.
pub(crate) fn play_on_two<T: Default + Send>(test: &str, times: u64, one: impl Fn(u64, &mut T) + Sync) -> [T; 2] {
    let seeds = Seeds::new(test, times);
    let half = || {
        let mut total = T::default();
        seeds.play(|seed| one(seed, &mut total));
        total
    };
    let totals = thread::scope(|scope| {
        [scope.spawn(half), scope.spawn(half)].map(|half| half.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    seeds.tell();
    totals
}

/// The seed that `SEED=` names, else the first of those that are played.
pub(crate) fn first_seed() -> u64 {
    env::var("SEED").ok().map_or_else(seed::first, |seed| seed.parse().expect("SEED is a number"))
}

/// Whether one seed only is played, since `SEED=` names it.
pub(crate) fn is_one() -> bool {
    env::var_os("SEED").is_some()
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
