//! Sketches of a set whose difference names the ids that differ: rateless invertible Bloom lookup
//! tables (Yang, Gilad and Alizadeh, "Practical Rateless Set Reconciliation", SIGCOMM 2024).
//!
//! Each id falls into the first cell and into ever fewer of those after it. A cell sums up what fell
//! into it. Of the difference of two sketches, a cell into which one id fell alone shows that id; it
//! is taken out of all its cells, and so other cells come to show theirs. About 1.4 times as many
//! cells are needed as ids differ, however many there are.

use crate::{bytes::Bytes, wire::AnyId};

/// The first half of an id, which is a hash: enough to tell the ids of one set apart.
pub type ShortId = Bytes<16>;

/// The short form of an id.
#[must_use]
pub fn short(id: &AnyId) -> ShortId {
    let (first, _) = id.0.split_at(16);
    Bytes(first.try_into().unwrap_or_default())
}

/// Bytes of a cell in its binary form: the sum, the check and the count.
pub const CELL_BYTES: usize = 16 + 4 + 2;

/// Cells that are kept up to date from the start: for some 700 ids that differ.
const KEPT: usize = 1024;

/// The sum of some ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cell {
    /// Of the ids, without carry.
    sum: u128,
    /// Of their checks.
    check: u32,
    /// How many there are, wrapping; of a difference, how many more there are than were taken away.
    count: i16,
}

impl Cell {
    fn put(&mut self, symbol: &Symbol, count: i16) {
        self.sum ^= symbol.id;
        self.check ^= symbol.check;
        self.count = self.count.wrapping_add(count);
    }

    /// The id that is here alone, if there is one.
    fn alone(&self) -> Option<Symbol> {
        let symbol = Symbol::of(self.sum);
        (matches!(self.count, 1 | -1) && symbol.check == self.check).then_some(symbol)
    }
}

/// An id, and the check that its cells sum up.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u128,
    check: u32,
}

impl Symbol {
    fn of(id: u128) -> Symbol {
        let (low, high) = halves(id);
        let mixed = mix(low.wrapping_mul(0x9fb2_1c65_1e98_df25) ^ mix(high));
        Symbol { id, check: halves_of(mixed).0 }
    }

    /// The cells that it falls into, the first one first.
    fn cells(&self) -> Falls {
        let (low, high) = halves(self.id);
        Falls { state: low ^ high.rotate_left(32), next: 0.0 }
    }
}

/// The cells that an id falls into: into cell `i` with a chance of 1 in `1 + i/2`.
struct Falls {
    state: u64,
    next: f64,
}

impl Iterator for Falls {
    type Item = usize;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cell beyond all that are kept is none"
    )]
    fn next(&mut self) -> Option<usize> {
        let at = self.next;
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        #[expect(clippy::cast_precision_loss, reason = "the nearest float is the same on every machine")]
        let drawn = mix(self.state) as f64;
        // The distance to the next one, by the inverse of its distribution. Division, root and rounding
        // are exact by IEEE 754, so that all machines agree.
        self.next = at + ((at + 1.5) * (4_294_967_296.0 / (drawn + 1.0).sqrt() - 1.0)).ceil().max(1.0);
        Some(at as usize)
    }
}

/// The finalizer of SplitMix64.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[expect(clippy::cast_possible_truncation, reason = "it takes the halves apart")]
fn halves(word: u128) -> (u64, u64) {
    (word as u64, (word >> 64) as u64)
}

#[expect(clippy::cast_possible_truncation, reason = "it takes the halves apart")]
fn halves_of(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// The first cells of a set's sketch, kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch(Vec<Cell>);

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch(vec![Cell::default(); KEPT])
    }
}

impl Sketch {
    /// The sketch of an empty set, of at least so many cells.
    #[must_use]
    pub fn with_cells(cells: usize) -> Sketch {
        Sketch(vec![Cell::default(); cells.next_power_of_two().max(KEPT)])
    }

    /// Adds an id that was not in the set.
    pub fn add(&mut self, id: &ShortId) {
        self.put(id, 1);
    }

    /// Takes an id out that was in the set.
    pub fn remove(&mut self, id: &ShortId) {
        self.put(id, -1);
    }

    fn put(&mut self, id: &ShortId, count: i16) {
        let symbol = Symbol::of(u128::from_le_bytes(id.0));
        for at in symbol.cells() {
            let Some(cell) = self.0.get_mut(at) else { break };
            cell.put(&symbol, count);
        }
    }

    /// How many cells are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.0.len()
    }

    /// The cells from one up to another, as they travel: at most those that are kept.
    #[must_use]
    pub fn cells(&self, from: usize, to: usize) -> Cells {
        Cells(self.0.iter().take(to).skip(from).copied().collect())
    }

    /// What differs between a peer's set and this one, as far as its cells from the first on show it.
    #[must_use]
    pub fn difference(&self, theirs: &Cells) -> Difference {
        let mut cells: Vec<Cell> = theirs.0.clone();
        cells.truncate(self.0.len());
        for (theirs, ours) in cells.iter_mut().zip(&self.0) {
            theirs.sum ^= ours.sum;
            theirs.check ^= ours.check;
            theirs.count = theirs.count.wrapping_sub(ours.count);
        }
        let estimate = estimate(&cells);
        peel(cells, estimate)
    }
}

/// Cells on their way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cells(Vec<Cell>);

impl Cells {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds those that follow.
    pub fn extend(&mut self, next: Cells) {
        self.0.extend(next.0);
    }

    /// Their bytes: [`CELL_BYTES`] each, numbers with the lowest byte first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(CELL_BYTES));
        for cell in &self.0 {
            bytes.extend_from_slice(&cell.sum.to_le_bytes());
            bytes.extend_from_slice(&cell.check.to_le_bytes());
            bytes.extend_from_slice(&cell.count.to_le_bytes());
        }
        bytes
    }

    /// Reads them. A part of a cell at the end is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Cells {
        let (cells, _) = bytes.as_chunks::<CELL_BYTES>();
        Cells(cells.iter().map(Cell::read).collect())
    }
}

impl Cell {
    fn read(bytes: &[u8; CELL_BYTES]) -> Cell {
        let (sum, rest) = bytes.split_at(16);
        let (check, count) = rest.split_at(4);
        Cell {
            sum: u128::from_le_bytes(sum.try_into().unwrap_or_default()),
            check: u32::from_le_bytes(check.try_into().unwrap_or_default()),
            count: i16::from_le_bytes(count.try_into().unwrap_or_default()),
        }
    }
}

/// What a comparison has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Ids that only the peer has.
    pub theirs: Vec<ShortId>,
    /// Ids that only we have.
    pub ours: Vec<ShortId>,
    /// Whether that is all.
    pub whole: bool,
    /// About how many differ in all.
    pub estimate: usize,
}

impl Difference {
    /// So many cells show so many ids most of the time, also where an estimate is a little too low.
    #[must_use]
    pub fn cells_for(ids: usize) -> usize {
        ids.saturating_add(ids.saturating_mul(9).saturating_div(20)).saturating_add(24)
    }
}

/// Takes out what stands alone until nothing does. Of n cells no more than n ids can be honest.
fn peel(mut cells: Vec<Cell>, estimate: usize) -> Difference {
    let mut shown = Difference { estimate, ..Difference::default() };
    let mut look: Vec<usize> = (0..cells.len()).collect();
    let mut left = cells.len();
    while let Some(at) = look.pop() {
        let Some((symbol, count)) = cells.get(at).and_then(|cell| Some((cell.alone()?, cell.count))) else { continue };
        let Some(fewer) = left.checked_sub(1) else { break };
        left = fewer;
        let id = Bytes(symbol.id.to_le_bytes());
        if count > 0 {
            shown.theirs.push(id)
        } else {
            shown.ours.push(id)
        }
        for at in symbol.cells() {
            let Some(cell) = cells.get_mut(at) else { break };
            cell.put(&symbol, count.wrapping_neg());
            if cell.alone().is_some() {
                look.push(at);
            }
        }
    }
    shown.whole = !cells.is_empty() && cells.iter().all(|cell| *cell == Cell::default());
    if shown.whole {
        shown.estimate = shown.theirs.len().saturating_add(shown.ours.len());
    }
    shown
}

/// Cells that an estimate looks at.
const LOOKED_AT: usize = 64;

/// How many ids differ, by how far the counts stray from what the first one foretells: the count of a
/// cell into which an id falls with chance p varies by p(1-p) for each id.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a guess")]
fn estimate(cells: &[Cell]) -> usize {
    let Some(first) = cells.first() else { return 0 };
    let all = f64::from(first.count);
    let (mut strayed, mut each) = (0.0, 0.0);
    for (cell, chance) in cells.iter().zip(chances()).skip(1) {
        strayed += (f64::from(cell.count) - chance * all).powi(2);
        each += chance * (1.0 - chance);
    }
    if each == 0.0 { all.abs() as usize } else { (strayed / each).max(all.abs()) as usize }
}

/// With which chance an id falls into each of the first cells: nearly 1 in `1 + i/2`, which is not near
/// enough where ten thousand differ on one side.
fn chances() -> Vec<f64> {
    let number = |at: usize| u32::try_from(at).map(f64::from).unwrap_or_default();
    let mut chances: Vec<f64> = vec![1.0];
    for at in 1..LOOKED_AT {
        let from = |(from, chance): (usize, &f64)| {
            // An id in cell `from` falls into none up to `from + gap` with this chance: see `Falls`.
            let misses = |gap: f64| ((number(from) + 1.5) / (number(from) + 1.5 + gap)).powi(2);
            let gap = number(at) - number(from);
            chance * (misses(gap - 1.0) - misses(gap))
        };
        let chance = chances.iter().enumerate().map(from).sum();
        chances.push(chance);
    }
    chances
}

#[cfg(test)]
mod tests;
