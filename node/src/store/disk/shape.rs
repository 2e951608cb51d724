//! How keys and values lie in sled's tree.
//!
//! Two properties of sled shape it. A page of the tree that grows over 128 KiB becomes a file of its own, which sled
//! never syncs, and without which it opens as if nothing were wrong and panics later: so a value over [`PIECE_BYTES`]
//! is cut into pieces under keys of their own, and no page can grow that large. And walking backwards, sled looks for
//! the page before a key `k` just under `k`, followed by four `0xff`; where keys with four and more of them in a row
//! lie there, it turns in circles until it panics. So a zero follows every third `0xff` in a row, which keeps the order
//! of keys and their prefixes.
//!
//! It leaves reading and writing to `reader` and `writer`. Always true: keys sort as their stored forms do, and no
//! key of a caller meets one of ours.

use std::ops::Bound;

use super::range::KeyRange;

/// Longest value, and longest piece of one, that is stored under one key. A leaf of sled's tree holds at most 20 of
/// them, and with keys of the greatest length 20 must stay well under 128 KiB.
pub(super) const PIECE_BYTES: usize = 4096;

/// Where the version of the format is kept, as 8 bytes big-endian.
pub(super) const VERSION_KEY: &[u8] = b"\0version";

/// Where the number of commits is kept, as 8 bytes big-endian.
pub(super) const COMMITS_KEY: &[u8] = b"\0commits";

/// First byte of a caller's key.
const CALLER: u8 = 1;
/// First byte of the key of a piece.
const PIECE: u8 = 2;
/// First byte of a value that is stored in one.
const WHOLE: u8 = 0;
/// First byte of what stands for a value that is stored in pieces; its length follows.
const PIECES: u8 = 1;
/// After so many bytes `0xff` in a row a zero follows.
const LONGEST_RUN: u8 = 3;

/// What is stored under a caller's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored<'a> {
    /// The value itself.
    Whole(&'a [u8]),
    /// The value lies in pieces.
    Pieces {
        /// Length of the value in bytes.
        len: usize,
    },
}

impl Stored<'_> {
    /// Length of the value in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(value) => value.len(),
            Self::Pieces { len } => *len,
        }
    }
}

/// The key in sled's tree of a caller's key.
pub(super) fn stored_key(key: &[u8]) -> Vec<u8> {
    marked(CALLER, key)
}

/// The key in sled's tree of piece `number` of the value of a caller's key.
pub(super) fn piece_key(key: &[u8], number: u32) -> Vec<u8> {
    let mut stored = marked(PIECE, key);
    stored.extend_from_slice(&number.to_be_bytes());
    stored
}

/// The range in sled's tree of a range of callers' keys.
pub(super) fn stored_range(range: KeyRange<'_>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let low = match range.0 {
        Bound::Unbounded => Bound::Included(vec![CALLER]),
        bound => bound.map(stored_key),
    };
    let high = match range.1 {
        Bound::Unbounded => Bound::Excluded(vec![CALLER + 1]),
        bound => bound.map(stored_key),
    };
    (low, high)
}

/// The caller's key of a key in sled's tree, if it is one that [`stored_key`] makes.
pub(super) fn caller_key(stored: &[u8]) -> Option<Vec<u8>> {
    let (&CALLER, stuffed) = stored.split_first()? else {
        return None;
    };
    let mut key = Vec::with_capacity(stuffed.len());
    let mut run = 0;
    for &byte in stuffed {
        if run == LONGEST_RUN {
            if byte != 0 {
                return None;
            }
            run = 0;
            continue;
        }
        run = if byte == u8::MAX { run + 1 } else { 0 };
        key.push(byte);
    }
    (run < LONGEST_RUN).then_some(key)
}

/// What is stored under the caller's key itself for `value`.
pub(super) fn head(value: &[u8]) -> Vec<u8> {
    if piece_count(value.len()) == 0 {
        [&[WHOLE], value].concat()
    } else {
        let len = u32::try_from(value.len()).expect("a commit refuses values over MAX_VALUE_BYTES");
        [&[PIECES][..], &len.to_be_bytes()].concat()
    }
}

/// Reads what [`head`] made.
pub(super) fn parse(stored: &[u8]) -> Option<Stored<'_>> {
    match stored.split_first()? {
        (&WHOLE, value) => Some(Stored::Whole(value)),
        (&PIECES, len) => {
            let len = u32::from_be_bytes(len.try_into().ok()?);
            Some(Stored::Pieces { len: usize::try_from(len).ok()? })
        }
        _ => None,
    }
}

/// The number of pieces in which a value of `len` bytes is stored: none when it fits under its own key.
pub(super) fn piece_count(len: usize) -> u32 {
    if len <= PIECE_BYTES {
        return 0;
    }
    u32::try_from(len.div_ceil(PIECE_BYTES)).expect("lengths come from values under MAX_VALUE_BYTES or from 32 bits")
}

/// The pieces of `value`, none when it fits under its own key.
pub(super) fn pieces(value: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let cut = if piece_count(value.len()) == 0 { &[] } else { value };
    (0..).zip(cut.chunks(PIECE_BYTES))
}

fn marked(mark: u8, key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 8);
    stored.push(mark);
    let mut run = 0;
    for &byte in key {
        stored.push(byte);
        run = if byte == u8::MAX { run + 1 } else { 0 };
        if run == LONGEST_RUN {
            stored.push(0);
            run = 0;
        }
    }
    stored
}
