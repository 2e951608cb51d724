//! A batch: the changes that one commit makes, all of them or none.
//!
//! It leaves writing to `writer`. Always true: it holds at most one change for each key, the last one decided.

use std::{collections::BTreeMap, ops::Bound};

use super::range::{self, KeyRange};

/// Longest key, in bytes. sled keeps up to 320 keys in one page of its index, and a page over 128 KiB would become a
/// file of its own; 256 bytes hold a prefix, two ids, a time and a long tag with some to spare.
pub const MAX_KEY_BYTES: usize = 256;

/// Longest value, in bytes: four times the largest item body (256 KiB).
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// Most bytes of keys and values in one batch. Readers wait while a batch is applied, and all of it is in memory three
/// times by then; 16 MiB are a whole import of bookmarks.
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What is decided about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It has this value, whatever it had before.
    Put(Vec<u8>),
    /// It has this value, and had none.
    Add(Vec<u8>),
    /// It is gone.
    Delete,
}

impl Change {
    /// The value that the key will have.
    pub(super) fn value(&self) -> Option<&[u8]> {
        match self {
            Change::Put(value) | Change::Add(value) => Some(value),
            Change::Delete => None,
        }
    }

    fn len(&self) -> usize {
        self.value().map_or(0, <[u8]>::len)
    }
}

/// Changes that are committed together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Change>,
    /// Of all keys and values.
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides that `key` has `value`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let (key, value) = (key.into(), value.into());
        let is_added = matches!(self.changes.get(&key), Some(Change::Add(_)));
        self.change(key, if is_added { Change::Add(value) } else { Change::Put(value) });
    }

    /// The same of a key under which the store has nothing, which saves looking there. Whoever is wrong in that leaves
    /// pieces of a longer value behind, and nothing worse.
    pub fn add(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.change(key.into(), Change::Add(value.into()));
    }

    /// Decides that `key` is gone.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.change(key.into(), Change::Delete);
    }

    fn change(&mut self, key: Vec<u8>, change: Change) {
        let (key_bytes, length) = (key.len(), change.len());
        self.bytes += length;
        match self.changes.insert(key, change) {
            Some(before) => self.bytes -= before.len(),
            None => self.bytes += key_bytes,
        }
    }

    /// Lengthens the value of the last key with this prefix that this batch gives a value to, unless it would get
    /// longer than `most` bytes. Answers whether it did.
    pub fn lengthen_last(&mut self, prefix: &[u8], more: &[u8], most: usize) -> bool {
        let end = range::prefix_end(prefix);
        let range = (Bound::Included(prefix), end.as_ref().map(Vec::as_slice));
        let last = self.changes.range_mut::<[u8], _>(range).next_back().map(|(_, change)| change);
        let Some(Change::Put(value) | Change::Add(value)) = last else { return false };
        let fits = value.len() + more.len() <= most;
        if fits {
            value.extend_from_slice(more);
            self.bytes += more.len();
        }
        fits
    }

    /// All that is decided, in the order of the keys.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&[u8], &Change)> {
        self.changes.iter().map(|(key, change)| (key.as_slice(), change))
    }

    /// The number of keys that are changed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The bytes of all keys and values, which [`MAX_BATCH_BYTES`] bounds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What this batch decides about `key`: nothing (`None`), that it is gone (`Some(None)`), or its value.
    #[must_use]
    pub fn pending(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.changes.get(key).map(Change::value)
    }

    /// What this batch decides about the keys in `range`, in the order of the keys.
    pub fn pending_range<'a>(
        &'a self,
        range: KeyRange<'_>,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        // The tree map panics on a range whose ends cross; such a range holds nothing.
        let range = if range::is_empty(range) { (Bound::Included(&[][..]), Bound::Excluded(&[][..])) } else { range };
        self.changes.range::<[u8], _>(range).map(|(key, change)| (key.as_slice(), change.value()))
    }

    /// Whether this batch only takes keys away.
    #[must_use]
    pub fn only_deletes(&self) -> bool {
        self.changes.values().all(|change| *change == Change::Delete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes_are_those_of_the_last_changes() {
        let mut batch = Batch::new();
        for (key, value) in [("a", Some("12345")), ("bb", None), ("a", Some("1")), ("bb", Some("22")), ("a", None)] {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
            let summed: usize = batch.changes.iter().map(|(key, change)| key.len() + change.len()).sum();
            assert_eq!(batch.bytes(), summed);
        }
        assert_eq!((batch.bytes(), batch.len()), (1 + 2 + 2, 2));
    }
}
