//! The store as it will be once a batch is committed.
//!
//! The decisions inside one batch read through it, so that the second of two inputs that arrive together already sees
//! the first. It leaves committing to the writer. Always true: it answers as the store would after the commit.

use std::{cmp::Ordering, fmt, iter::Peekable, ops::Bound};

use super::{Batch, Direction, KeyRange, Pair, ReadError, Reader, Scan, range};
use crate::store::seal::RowSeal;

/// A batch over the store: what is put and deleted here hides what lies below.
#[derive(Debug)]
pub struct Overlay<'a> {
    reader: &'a Reader,
    batch: Batch,
}

impl<'a> Overlay<'a> {
    /// Begins with nothing decided.
    #[must_use]
    pub fn new(reader: &'a Reader) -> Self {
        Self { reader, batch: Batch::new() }
    }

    /// What seals and opens the values that are secrets: the reader's.
    pub(in crate::store) fn seal(&self) -> Option<&'a RowSeal> {
        self.reader.seal()
    }

    /// The value that `key` will have.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.batch.pending(key) {
            Some(decided) => Ok(decided.map(<[u8]>::to_vec)),
            None => self.reader.get(key),
        }
    }

    /// All keys that `range` will have, with their values. Ends after the first error.
    #[must_use]
    pub fn scan(&self, range: KeyRange<'_>, direction: Direction) -> OverlayScan<'_> {
        let pending = self.batch.pending_range(range);
        let pending: Box<dyn Iterator<Item = Decided<'_>>> = match direction {
            Direction::Forward => Box::new(pending),
            Direction::Backward => Box::new(pending.rev()),
        };
        OverlayScan { below: self.reader.scan(range, direction).peekable(), pending: pending.peekable(), direction }
    }

    /// All keys that will start with `prefix`, with their values. Ends after the first error.
    #[must_use]
    pub fn scan_prefix(&self, prefix: &[u8], direction: Direction) -> OverlayScan<'_> {
        let end = range::prefix_end(prefix);
        self.scan((Bound::Included(prefix), end.as_ref().map(Vec::as_slice)), direction)
    }

    /// Decides that `key` has `value`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.batch.put(key, value);
    }

    /// The same of a key that has no value: see [`Batch::add`].
    pub fn add(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.batch.add(key, value);
    }

    /// See [`Batch::lengthen_last`].
    pub fn lengthen_last(&mut self, prefix: &[u8], more: &[u8], most: usize) -> bool {
        self.batch.lengthen_last(prefix, more, most)
    }

    /// Decides that `key` is gone.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.batch.delete(key);
    }

    /// What has been decided so far.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What has been decided, to be committed.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }
}

/// A key of the batch and what is decided about it.
type Decided<'a> = (&'a [u8], Option<&'a [u8]>);

/// A walk over keys and values, see [`Overlay::scan`].
pub struct OverlayScan<'a> {
    below: Peekable<Scan>,
    pending: Peekable<Box<dyn Iterator<Item = Decided<'a>> + 'a>>,
    direction: Direction,
}

impl OverlayScan<'_> {
    /// Which of the two next keys comes first: that below, that of the batch, or both when they are the same.
    fn order(&mut self) -> Option<Ordering> {
        match (self.below.peek(), self.pending.peek()) {
            (None, None) => None,
            // An error from below comes first, whatever else is left.
            (Some(Err(_)) | Some(Ok(_)), None) | (Some(Err(_)), Some(_)) => Some(Ordering::Less),
            (None, Some(_)) => Some(Ordering::Greater),
            (Some(Ok((below, _))), Some((pending, _))) => Some(match self.direction {
                Direction::Forward => below.as_slice().cmp(pending),
                Direction::Backward => (*pending).cmp(below.as_slice()),
            }),
        }
    }
}

impl Iterator for OverlayScan<'_> {
    type Item = Result<Pair, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = self.order()?;
            if order == Ordering::Less {
                return self.below.next();
            }
            if order == Ordering::Equal {
                self.below.next();
            }
            if let Some((key, Some(value))) = self.pending.next() {
                return Some(Ok((key.to_vec(), value.to_vec())));
            }
        }
    }
}

impl fmt::Debug for OverlayScan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverlayScan").field("direction", &self.direction).finish_non_exhaustive()
    }
}
