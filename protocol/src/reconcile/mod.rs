//! What differs between two sets of ids, found at the cost of the difference.
//!
//! Each side keeps a [`Summary`] of each set as ids come and go, so that no comparison looks at all
//! of them: a [`Fingerprint`], a [`Sketch`], and a fingerprint of each period. Equal fingerprints end
//! a comparison. Else one side subtracts the other's sketch from its own, and what remains names the
//! ids that only one of them has. Where too many differ for that, the periods say where to look.
//!
//! Leaves to others: who may ask, what is asked next, and the frames (`engine::sync`, `wire`).
//! Always true: what it costs is bounded by the cells and periods that are looked at, whatever a
//! peer sends.

mod fingerprint;
mod place;
mod sketch;

use std::collections::BTreeMap;

pub use self::{
    fingerprint::Fingerprint,
    place::{FRONT, item_position, stands_at},
    sketch::{CELL_BYTES, Cells, Difference, ShortId, Sketch, short},
};
use crate::wire::{AnyId, SetName};

/// Where an id stands in its set: operations by their lamport number, envelopes by the time that they
/// claim, in milliseconds, items by [`item_position`].
pub type Position = u64;

/// How many positions of a log make a period.
const OPERATIONS: u64 = 4096;
/// How many milliseconds make one of the other sets: 30 days.
const MILLIS: u64 = 30 * crate::time::DAY_MS;

/// A place in a set: the position, and the id there.
pub type Place = (Position, AnyId);

/// The period that a position lies in.
#[must_use]
pub fn period(set: SetName, position: Position) -> u64 {
    let length = if set == SetName::Operations { OPERATIONS } else { MILLIS };
    position.checked_div(length).unwrap_or_default()
}

/// The positions of a period, the last one included.
#[must_use]
pub fn positions(set: SetName, period: u64) -> (Position, Position) {
    let length = if set == SetName::Operations { OPERATIONS } else { MILLIS };
    let first = period.saturating_mul(length);
    (first, first.saturating_add(length.saturating_sub(1)))
}

/// What is kept up to date of one set.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    all: Fingerprint,
    periods: BTreeMap<u64, Fingerprint>,
    sketch: Sketch,
}

impl Summary {
    /// Adds an id that was not in the set.
    pub fn add(&mut self, set: SetName, position: Position, id: &AnyId) {
        self.all.add(id);
        self.periods.entry(period(set, position)).or_default().add(id);
        self.sketch.add(&short(id));
    }

    /// Takes an id out that was in the set.
    pub fn remove(&mut self, set: SetName, position: Position, id: &AnyId) {
        self.all.remove(id);
        self.sketch.remove(&short(id));
        let period = period(set, position);
        if let Some(fingerprint) = self.periods.get_mut(&period) {
            fingerprint.remove(id);
            if fingerprint.count() == 0 {
                self.periods.remove(&period);
            }
        }
    }

    /// Of the whole set.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.all
    }

    /// Of each period that has ids.
    #[must_use]
    pub fn periods(&self) -> &BTreeMap<u64, Fingerprint> {
        &self.periods
    }

    /// The set's sketch.
    #[must_use]
    pub fn sketch(&self) -> &Sketch {
        &self.sketch
    }

    /// How many cells its sketch has.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.sketch.kept()
    }

    /// Puts a longer sketch of the same set in the place of this one.
    pub fn lengthen(&mut self, sketch: Sketch) {
        self.sketch = sketch;
    }
}
