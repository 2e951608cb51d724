//! Reading: single keys and scans, from any number of threads.
//!
//! A reader sees a commit as soon as it is applied, a moment before the disk has it and the writer answers; each key is
//! seen as one commit left it, but a scan is no snapshot: commits made meanwhile may show in the part that is still
//! ahead. It leaves reading through undecided changes to `overlay`. It carries what opens sealed values for whoever knows
//! which they are, and looks into none itself.

use std::{fmt, ops::Bound, sync::Arc};

use super::{
    Direction, KeyRange, Pair, ReadError,
    error::Failure,
    panics::caught,
    range,
    shape::{self, Stored},
    shared::{self, Shared},
};
use crate::store::seal::RowSeal;

/// Reads the store. Clones are cheap and share everything; the files stay open until the last one and the writer are
/// gone.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
    seal: Option<Arc<RowSeal>>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, seal: None }
    }

    /// The same, with what seals and opens the values that are secrets.
    pub(in crate::store) fn with_seal(self, seal: Arc<RowSeal>) -> Self {
        Self { seal: Some(seal), ..self }
    }

    /// What seals and opens the values that are secrets.
    pub(in crate::store) fn seal(&self) -> Option<&RowSeal> {
        self.seal.as_deref()
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// When the files are damaged or cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.value(key).map_err(|failure| self.error(failure))
    }

    /// All keys in `range` with their values. Ends after the first error.
    #[must_use]
    pub fn scan(&self, range: KeyRange<'_>, direction: Direction) -> Scan {
        let steps = (!range::is_empty(range)).then(|| {
            let range = shape::stored_range(range);
            self.shared.tree().range::<Vec<u8>, (Bound<Vec<u8>>, Bound<Vec<u8>>)>(range)
        });
        Scan { steps, reader: self.clone(), direction }
    }

    /// All keys that start with `prefix`, with their values. Ends after the first error.
    #[must_use]
    pub fn scan_prefix(&self, prefix: &[u8], direction: Direction) -> Scan {
        let end = range::prefix_end(prefix);
        self.scan((Bound::Included(prefix), end.as_ref().map(Vec::as_slice)), direction)
    }

    /// Bytes that the store takes on the disk. It never shrinks: what is deleted leaves its space to later writes.
    ///
    /// # Errors
    ///
    /// When the files cannot be read.
    pub fn bytes_on_disk(&self) -> Result<u64, ReadError> {
        self.shared.bytes_on_disk().map_err(|failure| self.error(failure))
    }

    fn error(&self, failure: Failure) -> ReadError {
        ReadError::from_failure(&self.shared.layout.folder, failure)
    }
}

/// A walk over keys and values, see [`Reader::scan`].
pub struct Scan {
    /// Declared before `reader`, so that sled is let go before the store is closed. None when the walk is over.
    steps: Option<sled::Iter>,
    reader: Reader,
    direction: Direction,
}

impl Scan {
    fn step(&mut self) -> Result<Option<Pair>, Failure> {
        while let Some(steps) = &mut self.steps {
            let step = caught(|| match self.direction {
                Direction::Forward => steps.next(),
                Direction::Backward => steps.next_back(),
            });
            let Some((stored_key, stored)) = step.map_err(Failure::Panicked)?.transpose()? else {
                return Ok(None);
            };
            let key = shape::caller_key(&stored_key)
                .ok_or_else(|| Failure::Damaged("a key has an unknown shape".to_owned()))?;
            let value = match shared::parse(&stored)? {
                Stored::Whole(value) => Some(value.to_vec()),
                Stored::Pieces { .. } => self.reader.shared.value(&key)?,
            };
            // A value in pieces that is gone by now was deleted since the walk began.
            if let Some(value) = value {
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    }
}

impl Iterator for Scan {
    type Item = Result<Pair, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.steps = None;
        }
        step.map_err(|failure| self.reader.error(failure)).transpose()
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("reader", &self.reader).field("direction", &self.direction).finish_non_exhaustive()
    }
}
