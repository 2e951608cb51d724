//! How far one comparison with a peer has come.
//!
//! Leaves to others: what is asked and when it ends (`sync`). Always true: what a peer offers and names is
//! kept within bounds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::serve::rises;
use crate::{
    id::BundleHash,
    limits,
    reconcile::{Cells, Place, ShortId},
    time::Millis,
    wire::{Fingerprint, SetName},
};

/// One comparison under way.
#[derive(Debug)]
pub(super) struct Pull {
    /// The sets that the peer was asked about.
    pub(super) compared: Vec<SetName>,
    /// The sets that are still to be gone through, with what the peer has shown of them.
    pub(super) open: VecDeque<(SetName, Shown)>,
    /// The set that is being gone through.
    pub(super) set: SetName,
    /// What the peer has shown of it so far.
    pub(super) shown: Shown,
    pub(super) step: Step,
    /// Whether the set was gone through by period, after which it is compared once more.
    pub(super) thorough: bool,
    /// What is missing here.
    pub(super) wanted: VecDeque<ShortId>,
    /// What the peer lacks.
    pub(super) offered: Vec<ShortId>,
    /// What was asked for last and may come only in part.
    pub(super) asked: Vec<ShortId>,
    pub(super) asked_for: usize,
    /// What the peer has offered, of whichever set.
    pub(super) offers: BTreeMap<SetName, VecDeque<ShortId>>,
    /// What has come without its body, of whichever set, to be fetched when all else is here.
    pub(super) late: BTreeMap<SetName, VecDeque<ShortId>>,
    /// All of these that there ever were.
    announced: BTreeSet<ShortId>,
    /// Bundles that carries wait for.
    pub(super) bundles: BTreeSet<BundleHash>,
    /// Whether to compare again when this is done.
    pub(super) again: bool,
    /// Whether something was left to other pulls (`once`).
    pub(super) waits: bool,
    /// When it asked last.
    pub(super) asked_at: Millis,
    /// Its question: what answers another one is of a pull that has ended.
    pub(super) question: u64,
}

/// What a peer has shown of a set.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) fingerprint: Fingerprint,
    pub(super) cells: Cells,
}

/// What is asked next of a set when nothing known is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The fingerprints of all sets.
    Begin,
    /// Cells of its sketch, up to so many in all.
    Cells(usize),
    /// Its periods.
    Periods,
    /// What is in the first of these, beyond a place.
    Through(VecDeque<Period>, Option<Place>),
    /// Nothing: on to the next set.
    Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) number: u64,
    /// Whether it is taken whole, since we have little of it.
    pub(super) whole: bool,
}

impl Pull {
    pub(super) fn new(step: Step) -> Pull {
        Pull {
            compared: Vec::new(),
            open: VecDeque::new(),
            set: SetName::Operations,
            shown: Shown::default(),
            step,
            thorough: false,
            wanted: VecDeque::new(),
            offered: Vec::new(),
            asked: Vec::new(),
            asked_for: 0,
            offers: BTreeMap::new(),
            late: BTreeMap::new(),
            announced: BTreeSet::new(),
            bundles: BTreeSet::new(),
            again: false,
            waits: false,
            asked_at: Millis(0),
            question: 0,
        }
    }

    /// Whether this question is its own.
    pub(super) fn waits_for(&self, question: u64) -> bool {
        self.question == question
    }

    /// Whether nothing has come of it so far.
    pub(super) fn has_just_begun(&self) -> bool {
        self.step == Step::Begin && !self.again && self.offers.is_empty()
    }

    /// Notes that something of the set at hand has come without its body. What comes so twice is not asked
    /// for again, nor is what is beyond the bound: the next comparison shows it. Answers false where it is beyond.
    pub(super) fn announce(&mut self, id: ShortId) -> bool {
        if self.announced.len() >= limits::OFFERED {
            return self.announced.contains(&id);
        }
        if self.announced.insert(id) {
            self.late.entry(self.set).or_default().push_back(id);
        }
        true
    }

    /// Notes what the peer has offered of a set, to be fetched after what is being fetched; no more than the bound.
    /// Answers false where some are beyond.
    pub(super) fn offer(&mut self, set: SetName, ids: &[ShortId]) -> bool {
        let offers = self.offers.entry(set).or_default();
        let room = limits::OFFERED.saturating_sub(offers.len());
        offers.extend(ids.iter().take(room));
        ids.len() <= room
    }

    /// Wants what is missing here; what has been announced is wanted later.
    pub(super) fn want(&mut self, missing: Vec<ShortId>) {
        self.wanted.extend(missing.into_iter().filter(|id| !self.announced.contains(id)));
    }

    /// Whether everything that a set has in some period is asked for, or about to be.
    pub(super) fn goes_by_period(&self) -> bool {
        matches!(self.step, Step::Periods | Step::Through(..))
    }

    /// Whether all that differs in the set at hand has been named.
    pub(super) fn knows_what_differs(&self) -> bool {
        matches!(self.step, Step::Begin | Step::Next)
    }

    /// Whether what is missing in the set at hand is being brought, or is about to be.
    pub(super) fn brings(&self) -> bool {
        !self.asked.is_empty() || !self.knows_what_differs()
    }

    /// Whether there is something to ask before the next step.
    pub(super) fn is_fetching(&self) -> bool {
        !self.wanted.is_empty() || !self.offered.is_empty() || !self.bundles.is_empty()
    }

    /// Turns to what the peer has offered, a log first, then to what has come without its body. Answers
    /// whether there is any.
    pub(super) fn next_named(&mut self) -> bool {
        let Some((set, ids)) = self.offers.pop_first().or_else(|| self.late.pop_first()) else { return false };
        self.set = set;
        self.wanted = ids;
        true
    }
}

impl Shown {
    pub(super) fn of(fingerprint: Fingerprint, cells: &[u8]) -> Shown {
        Shown { fingerprint, cells: Cells::from_bytes(cells) }
    }

    /// Adds the cells that follow. Answers false where the peer's set is another one by now, so that they
    /// do not belong together: then there are none, and all are asked for at once.
    pub(super) fn goes_on_with(&mut self, next: Shown) -> bool {
        let is_same = self.cells.count() == 0 || self.fingerprint == next.fingerprint;
        self.fingerprint = next.fingerprint;
        if is_same {
            self.cells.extend(next.cells)
        } else {
            self.cells = Cells::default()
        }
        is_same
    }
}

/// Beyond a page: the next place of the period, or the next period. A peer whose places do not go
/// forward ends the period.
pub(super) fn beyond(set: SetName, mut periods: VecDeque<Period>, after: Option<Place>, next: Option<Place>) -> Step {
    let forward = |next: &Place| after.is_none_or(|after| if rises(set) { *next > after } else { *next < after });
    let next = next.filter(forward);
    if next.is_none() {
        periods.pop_front();
    }
    Step::Through(periods, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bytes::Bytes, testing::around};

    #[test]
    fn no_more_is_noted_to_be_fetched_later_than_the_bound() {
        let most = limits::OFFERED;
        around(limits::OFFERED, [most - 1, most, most], |n| {
            let mut pull = Pull::new(Step::Next);
            let taken = (0..n as u128).filter(|number| pull.announce(Bytes(number.to_be_bytes()))).count();
            assert!(pull.announce(Bytes([0; 16])), "what is noted already is not beyond the bound");
            assert_eq!(pull.late.values().map(VecDeque::len).sum::<usize>(), taken, "the rest is answered for");
            taken
        });
        around(limits::OFFERED, [true, true, false], |n| {
            let mut pull = Pull::new(Step::Next);
            let ids: Vec<ShortId> = (0..n as u128).map(|number| Bytes(number.to_be_bytes())).collect();
            ids.chunks(limits::FETCH).all(|some| pull.offer(SetName::Items, some))
        });
        around(limits::OFFERED, [most - 1, most, most], |n| {
            let mut pull = Pull::new(Step::Next);
            let ids: Vec<ShortId> = (0..n as u128).map(|number| Bytes(number.to_be_bytes())).collect();
            ids.chunks(limits::FETCH).for_each(|some| {
                pull.offer(SetName::Items, some);
            });
            pull.offers.values().map(VecDeque::len).sum()
        });
    }
}
