//! Randomness that can be played again.
//!
//! Leaves to others: what is drawn. Always true: the seed is printed before the first draw, and `SEED=` in the
//! environment brings back the same draws.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher, Hasher};

/// A small generator (SplitMix64); for choosing where to cut and kill, never for keys.
#[derive(Debug)]
pub struct Seed {
    state: u64,
}

impl Seed {
    /// Takes `SEED` (decimal, or hexadecimal after `0x`) or draws one, and prints it with the name of the test.
    ///
    /// # Panics
    ///
    /// When `SEED` is set and is no number.
    #[must_use]
    pub fn take(test: &str) -> Seed {
        let state = match env::var("SEED") {
            Ok(text) => parse(&text).unwrap_or_else(|| panic!("SEED={text} is no number of 64 bits")),
            Err(_) => fresh(),
        };
        eprintln!("SEED={state:#018x} for {test}");
        Seed { state }
    }

    /// A generator that starts at `state`.
    #[must_use]
    pub fn from_state(state: u64) -> Seed {
        Seed { state }
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from `low` up to and without `high`.
    ///
    /// # Panics
    ///
    /// When `low` is not below `high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        assert!(low < high, "nothing lies from {low} to below {high}");
        let span = u64::try_from(high - low).expect("a usize fits into 64 bits");
        low + usize::try_from(self.draw() % span).expect("it is below a difference of usizes")
    }
}

/// The first of many seeds that are played: `HEARTH_FIRST_SEED`, so that two runs of one tree play the same, or others
/// than last time.
///
/// # Panics
///
/// When `HEARTH_FIRST_SEED` is set and is no number.
#[must_use]
pub fn first() -> u64 {
    match env::var("HEARTH_FIRST_SEED") {
        Ok(text) => parse(&text).unwrap_or_else(|| panic!("HEARTH_FIRST_SEED={text} is no number of 64 bits")),
        Err(_) => fresh() >> 16,
    }
}

/// 64 bits that differ from run to run.
#[must_use]
pub fn fresh() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let draws = |state| {
            let mut seed = Seed::from_state(state);
            [seed.draw(), seed.draw(), seed.draw()]
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn a_draw_between_bounds_keeps_to_them() {
        let mut seed = Seed::from_state(1);
        assert!((0..1000).all(|_| (3..9).contains(&seed.between(3, 9))));
    }

    #[test]
    fn a_seed_is_read_in_both_notations() {
        assert_eq!(parse("17"), Some(17));
        assert_eq!(parse("0x11"), Some(17));
        assert_eq!(parse("seventeen"), None);
    }
}
