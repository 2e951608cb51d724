//! Chance that can be played again.

use std::ops::RangeInclusive;

/// A small generator (SplitMix64), for choosing what a test does; never for keys.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        self.draw().checked_rem(bound).map_or(0, |drawn| usize::try_from(drawn).unwrap_or_default())
    }

    /// A number of a range, its ends among them.
    pub fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        let span = usize::try_from(range.end().saturating_sub(*range.start())).unwrap_or(usize::MAX);
        range.start().saturating_add(self.below(span.saturating_add(1)) as u64)
    }

    /// Whether something happens that happens `times` in `of`.
    pub fn chance(&mut self, times: usize, of: usize) -> bool {
        self.below(of) < times
    }

    /// One of `all`, if there is any.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// Puts `all` into another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at.saturating_add(1)));
        }
    }
}
