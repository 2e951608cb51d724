//! How much of the disk is left alone.
//!
//! sled cannot open a store on a full disk, so the store stops writing while there is still enough to start again, to
//! read, and to delete. Always true: the check comes before anything is written.

use std::{io, path::Path};

/// What is kept free unless the settings say otherwise, on disks where 2 % are more than that.
pub(super) const RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// What is kept free on however small a disk, and what batches that only delete may still use up to: opening writes a
/// snapshot of the page table (4 MB for a million keys) and fills up one segment (512 KiB).
const LEAST_RESERVE_BYTES: u64 = 16 * 1024 * 1024;

/// The share of the disk that is enough to keep free: one part in 50.
const RESERVE_SHARE: u64 = 50;

/// Bytes that sled may write for each byte that a batch adds or takes away. Pages are written anew when they split,
/// merge or have gathered ten changes; in trials with values of 20 bytes to 1 MiB, in and out of order, 5.4 times the
/// batch and 128 KiB was the most.
const AMPLIFICATION: u64 = 6;
/// What a change counts beside its bytes: its place in a page and in the log.
pub(super) const CHANGE_BYTES: u64 = 64;
/// What any batch may take: a segment of the log.
const SEGMENT_BYTES: u64 = 512 * 1024;

/// The state of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disk {
    /// Bytes that are free for us.
    pub(super) free: u64,
    /// Bytes of the whole file system.
    pub(super) total: u64,
}

/// What a batch does to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// It adds values, or puts them in the place of others: bytes of both.
    Puts(u64),
    /// It only takes keys away, which must go on when the disk is full: bytes of what goes.
    Deletes(u64),
}

/// Asks the system about the file system of `path`.
pub(super) fn disk(path: &Path) -> io::Result<Disk> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(Disk { free: stat.f_bavail.saturating_mul(stat.f_frsize), total: stat.f_blocks.saturating_mul(stat.f_frsize) })
}

/// Bytes of a disk of `total` bytes to keep free, when `reserve` is wished for.
///
/// Of the reserve and 2 % of the disk the smaller counts: 2 % of a large disk would keep gigabytes from a person who
/// has them free, and 256 MiB of a small one would refuse every write. A floor under both keeps opening possible.
pub(super) fn kept_free(total: u64, reserve: u64) -> u64 {
    reserve.min(total / RESERVE_SHARE).max(LEAST_RESERVE_BYTES)
}

/// Bytes that must be free before a batch may be written.
pub(super) fn need(kept_free: u64, load: Load) -> u64 {
    let (kept_free, bytes) = match load {
        Load::Puts(bytes) => (kept_free, bytes),
        Load::Deletes(bytes) => (LEAST_RESERVE_BYTES / 2, bytes),
    };
    kept_free.saturating_add(bytes.saturating_mul(AMPLIFICATION)).saturating_add(SEGMENT_BYTES)
}
