//! Sets of places in a log, one bit each, in pieces that sets share.
//!
//! Always true: the past of an operation shares with its parents' pasts every piece in which they
//! agree. A log grows at its end, so nearly all of them do: 50,000 pasts take tens of megabytes
//! where one bit for each pair would take 312.

use std::sync::Arc;

/// Words of a piece: 1,024 places in 128 bytes. Smaller ones cost more pointers, larger ones more
/// copying; between 8 and 32 it makes little difference.
const WORDS: usize = 16;
const PLACES: usize = WORDS * 64;

type Piece = [u64; WORDS];

/// A set of small numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<Arc<Piece>>);

impl Bits {
    pub(super) fn insert(&mut self, at: usize) {
        let piece = at / PLACES;
        while self.0.len() <= piece {
            self.0.push(Arc::default());
        }
        let word = self.0.get_mut(piece).and_then(|piece| Arc::make_mut(piece).get_mut(at % PLACES / 64));
        if let Some(word) = word {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn has(&self, at: usize) -> bool {
        let word = self.0.get(at / PLACES).and_then(|piece| piece.get(at % PLACES / 64));
        word.is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Takes in all that `other` has.
    pub(super) fn include(&mut self, other: &Bits) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            if Arc::ptr_eq(mine, theirs) || within(theirs, mine) {
                continue;
            }
            if within(mine, theirs) {
                *mine = Arc::clone(theirs);
                continue;
            }
            for (word, other) in Arc::make_mut(mine).iter_mut().zip(theirs.iter()) {
                *word |= other;
            }
        }
        self.0.extend(other.0.iter().skip(self.0.len()).cloned());
    }

    /// Gives up all that `other` has not.
    pub(super) fn keep_only(&mut self, other: &Bits) {
        self.0.truncate(other.0.len());
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            if Arc::ptr_eq(mine, theirs) || within(mine, theirs) {
                continue;
            }
            if within(theirs, mine) {
                *mine = Arc::clone(theirs);
                continue;
            }
            for (word, other) in Arc::make_mut(mine).iter_mut().zip(theirs.iter()) {
                *word &= other;
            }
        }
    }

    /// Where its pieces lie.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> impl Iterator<Item = *const ()> {
        self.0.iter().map(|piece| Arc::as_ptr(piece).cast())
    }

    /// Whether `other` has nothing that this has not.
    pub(super) fn has_all(&self, other: &Bits) -> bool {
        other.0.iter().enumerate().all(|(at, theirs)| match self.0.get(at) {
            Some(mine) => Arc::ptr_eq(mine, theirs) || within(theirs, mine),
            None => theirs.iter().all(|word| *word == 0),
        })
    }
}

/// The places that are in both; `None` has all.
pub(super) fn both(one: Option<Bits>, other: Option<&Bits>) -> Option<Bits> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.keep_only(other);
            Some(one)
        }
        (one, other) => one.or_else(|| other.cloned()),
    }
}

fn within(small: &Piece, large: &Piece) -> bool {
    small.iter().zip(large).all(|(small, large)| small & !large == 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::Dice;

    fn drawn(dice: &mut Dice) -> (Bits, BTreeSet<usize>) {
        let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
        let reach = 1 + dice.below(4000);
        for _ in 0..dice.below(200) {
            let at = dice.below(reach);
            bits.insert(at);
            set.insert(at);
        }
        (bits, set)
    }

    #[test]
    fn a_set_of_bits_is_a_set() {
        let mut dice = Dice::new(1);
        for _ in 0..200 {
            let ((one, one_set), (other, other_set)) = (drawn(&mut dice), drawn(&mut dice));
            let (mut union, mut common) = (one.clone(), one.clone());
            union.include(&other);
            common.keep_only(&other);
            for at in 0..4100 {
                assert_eq!(one.has(at), one_set.contains(&at));
                assert_eq!(union.has(at), one_set.contains(&at) || other_set.contains(&at));
                assert_eq!(common.has(at), one_set.contains(&at) && other_set.contains(&at));
            }
            assert_eq!(one.has_all(&other), one_set.is_superset(&other_set));
            assert!(union.has_all(&one) && union.has_all(&other) && one.has_all(&common));
        }
    }

    #[test]
    fn sets_that_grow_from_one_share_their_pieces() {
        let mut past = Bits::default();
        (0..10 * PLACES).for_each(|at| past.insert(at));
        let (mut one, mut other) = (past.clone(), past.clone());
        one.insert(10 * PLACES);
        other.insert(10 * PLACES + 1);
        one.include(&other);
        let shared = one.0.iter().zip(&past.0).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, 10);
        assert!(one.has(10 * PLACES) && one.has(10 * PLACES + 1) && !past.has(10 * PLACES));
    }
}
