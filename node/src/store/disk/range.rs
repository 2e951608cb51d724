//! Ranges of keys and the two directions to walk them.
//!
//! It leaves the walking to `reader` and `overlay`. Always true: a range that can hold no key is recognised here, since
//! a `BTreeMap` panics on some of them.

use std::ops::Bound;

/// The lower and the upper end of a range of keys.
pub type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Every key.
pub(super) const ALL: KeyRange<'static> = (Bound::Unbounded, Bound::Unbounded);

/// The order in which a scan gives its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key to the largest.
    Forward,
    /// From the largest key to the smallest.
    Backward,
}

/// Whether no key at all can lie in `range`.
pub(super) fn is_empty(range: KeyRange<'_>) -> bool {
    match range {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}

/// The end of the range of all keys that start with `prefix`: the first key after them, if there is one.
pub(super) fn prefix_end(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}
