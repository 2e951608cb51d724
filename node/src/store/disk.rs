//! The disk under the store: ordered keys to values in one tree, changed by atomic batches from one writer.
//!
//! This is the one place that knows sled, and its face is narrow so that another engine could take sled's place.
//! It leaves to the rest of the store what keys and values mean: prefixes, sequences, counters and their encoding.
//!
//! What is always true:
//!
//! * [`Writer::commit`] answers `Ok` only when the batch would survive a power cut: applied, flushed, and synced on a
//!   handle of our own, because sled's `flush` alone does not sync on Linux.
//! * After a write that failed there is no second try: the writer is done, and every later commit says why.
//! * A store of a newer format is refused before anything on the disk is touched.
//! * No panic of sled reaches the caller. It comes back as an error that names the folder.
//! * sled never writes a file of its own for a large value: it neither syncs those files nor notices one that is
//!   gone, so large values are cut into pieces that stay inside its log (`shape`).
//!
//! The folder holds `format` (the version, readable without sled), `acknowledged` (how many commits were promised;
//! locked while the store is open), `sled` (the engine's own files) and, after a repair, `set-aside`.

mod batch;
mod error;
mod files;
mod open;
mod overlay;
mod panics;
mod range;
mod reader;
mod shape;
mod shared;
mod space;
mod watchdog;
mod writer;

pub use batch::{Batch, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
pub use error::{OpenError, ReadError, WriteError};
pub use files::FORMAT;
pub use open::{DiskSettings, OnLoss, Opened, open};
pub use overlay::{Overlay, OverlayScan};
pub use range::{Direction, KeyRange};
pub use reader::{Reader, Scan};
pub use watchdog::{COMMIT_LIMIT, OPEN_LIMIT, STUCK_EXIT};
pub use writer::{Committed, Writer};

/// A key and its value, as scans give them.
pub type Pair = (Vec<u8>, Vec<u8>);

#[cfg(test)]
mod tests;
