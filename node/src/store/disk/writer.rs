//! The one writer: a batch is applied, flushed and synced, and only then acknowledged.
//!
//! What need not be acknowledged is put alone, and synced with what comes next, or in time.
//! It leaves gathering batches to the caller: one commit of a hundred changes costs little more than a commit of one.
//! Always true: there is one writer for a store; after a failed write it writes nothing more, because what a failed
//! sync left on the disk cannot be known; each batch raises the number of commits by one; the disk has them in their
//! order, so that a later one is never there without an earlier one.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Batch, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Opened, WriteError,
    batch::Change,
    error::Failure,
    panics::caught,
    range, shape,
    shared::{self, Shared},
    space::{self, CHANGE_BYTES, Load},
    watchdog::Watchdog,
};
use crate::limits;

/// Writes the store. It blocks, so it belongs on a thread of its own.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    /// Our own handle of sled's log, to sync what sled only flushes.
    pub(super) log: File,
    watchdog: Watchdog,
    /// Bytes of the disk to leave free.
    pub(super) keep_free: u64,
    opened: Opened,
    commits: u64,
    /// Since when something is put and not synced.
    unsynced: Option<Instant>,
    failed: Option<WriteError>,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The number of this commit, counted from 1 over the life of the store. An empty batch has that of the last one.
    pub number: u64,
    /// Bytes of the keys and values in the batch.
    pub bytes: usize,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, log: File, watchdog: Watchdog, keep_free: u64, opened: Opened) -> Self {
        let commits = opened.commits;
        Self { shared, log, watchdog, keep_free, opened, commits, unsynced: None, failed: None }
    }

    /// What was found, and put right, when the store was opened.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Makes all changes of `batch` durable, and all that was put before it, even where it is empty.
    ///
    /// # Errors
    ///
    /// As [`Writer::put`] and [`Writer::sync`].
    pub fn commit(&mut self, batch: &Batch) -> Result<Committed, WriteError> {
        let committed = self.put(batch)?;
        self.sync()?;
        Ok(committed)
    }

    /// Makes all changes of `batch`: readers see them at once, they outlive this process, and a power cut may take them
    /// back, as a whole, until the next [`Writer::sync`] or [`Writer::commit`]. For what nobody was promised and others
    /// have too.
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`] and the limits on keys, values and batches are found before anything is written and pass.
    /// Every other error stays: the batch may or may not be there when the store is opened again, as a whole, and each
    /// later commit answers the same.
    pub fn put(&mut self, batch: &Batch) -> Result<Committed, WriteError> {
        self.check()?;
        check_limits(batch)?;
        let bytes = batch.bytes();
        if batch.is_empty() {
            return Ok(Committed { number: self.commits, bytes });
        }
        let number = self.commits + 1;
        let Self { shared, watchdog, keep_free, .. } = self;
        match watchdog.watch(|| write(shared, *keep_free, batch, number)) {
            Ok(Fit::Fits) => {
                self.commits = number;
                self.unsynced.get_or_insert_with(Instant::now);
                Ok(Committed { number, bytes })
            }
            Ok(Fit::Short { free, need }) => {
                Err(WriteError::Full { path: self.shared.layout.folder.clone(), free, need })
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    /// Has the disk keep all that was put.
    ///
    /// # Errors
    ///
    /// The disk's, which stays.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.check()?;
        if self.unsynced.take().is_none() {
            return Ok(());
        }
        let Self { shared, log, watchdog, commits, .. } = self;
        let done = watchdog.watch(|| {
            sync(log)?;
            Ok(shared.mark.write(*commits)?)
        });
        done.map_err(|failure| self.fail(failure))
    }

    /// How long what was put may still wait for the disk; none where nothing waits.
    #[must_use]
    pub fn sync_within(&self) -> Option<Duration> {
        self.unsynced.map(|since| left(since.elapsed()))
    }

    fn check(&self) -> Result<(), WriteError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, failure: Failure) -> WriteError {
        let error = WriteError::from_failure(&self.shared.layout.folder, failure);
        self.failed.insert(error).clone()
    }
}

/// How long what has waited for so long may still wait.
fn left(waited: Duration) -> Duration {
    limits::UNSYNCED_TIME.saturating_sub(waited)
}

fn check_limits(batch: &Batch) -> Result<(), WriteError> {
    for (key, value) in batch.pending_range(range::ALL) {
        if key.len() > MAX_KEY_BYTES {
            return Err(WriteError::LongKey { len: key.len(), limit: MAX_KEY_BYTES });
        }
        let len = value.map_or(0, <[u8]>::len);
        if len > MAX_VALUE_BYTES {
            return Err(WriteError::LongValue { len, limit: MAX_VALUE_BYTES });
        }
    }
    match batch.bytes() {
        len if len > MAX_BATCH_BYTES => Err(WriteError::LongBatch { len, limit: MAX_BATCH_BYTES }),
        _ => Ok(()),
    }
}

/// Whether the disk had space for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It had, and the batch is written.
    Fits,
    /// It had not, and nothing was written.
    Short { free: u64, need: u64 },
}

/// Writes `batch` as commit `number`; the disk has it after the next sync.
pub(super) fn write(shared: &Shared, keep_free: u64, batch: &Batch, number: u64) -> Result<Fit, Failure> {
    let Changes { mut changes, load } = stored_changes(shared, batch)?;
    let free = space::disk(&shared.layout.folder)?.free;
    let need = space::need(keep_free, load);
    if free < need {
        return Ok(Fit::Short { free, need });
    }
    changes.insert(shape::COMMITS_KEY, &number.to_be_bytes());
    apply(shared, changes)?;
    Ok(Fit::Fits)
}

/// Returns when the operating system has it: it outlives this process, and not a power cut.
pub(super) fn apply(shared: &Shared, changes: sled::Batch) -> Result<(), Failure> {
    {
        let _alone = shared.apply_alone();
        caught(|| shared.tree().apply_batch(changes)).map_err(Failure::Panicked)??;
    }
    caught(|| shared.tree().flush()).map_err(Failure::Panicked)??;
    Ok(())
}

/// Returns when the disk has all that was applied.
pub(super) fn sync(log: &File) -> Result<(), Failure> {
    Ok(log.sync_data()?)
}

/// What a batch comes to in sled's tree.
struct Changes {
    changes: sled::Batch,
    load: Load,
}

fn stored_changes(shared: &Shared, batch: &Batch) -> Result<Changes, Failure> {
    let mut changes = sled::Batch::default();
    let mut bytes = 0;
    for (key, change) in batch.changes() {
        let (stored_key, value) = (shape::stored_key(key), change.value());
        let before = match change {
            Change::Add(_) => None,
            Change::Put(_) | Change::Delete => shared.stored(&stored_key)?,
        };
        let before = before.as_deref().map(shared::parse).transpose()?.map(|stored| stored.len());
        let (len_before, len_after) = (before.unwrap_or(0), value.map_or(0, <[u8]>::len));
        bytes += (key.len() + len_before + len_after) as u64 + CHANGE_BYTES;
        for number in shape::piece_count(len_after)..shape::piece_count(len_before) {
            changes.remove(shape::piece_key(key, number));
        }
        match value {
            Some(value) => {
                for (number, piece) in shape::pieces(value) {
                    changes.insert(shape::piece_key(key, number), piece);
                }
                changes.insert(stored_key, shape::head(value));
            }
            // sled logs the removal of a key that is not there, too.
            None if before.is_some() => changes.remove(stored_key),
            None => {}
        }
    }
    let load = if batch.only_deletes() { Load::Deletes(bytes) } else { Load::Puts(bytes) };
    Ok(Changes { changes, load })
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    #[test]
    fn what_is_put_waits_for_the_disk_no_longer_than_its_bound() {
        around(limits::UNSYNCED_TIME, [false, true, true], |waited| left(waited).is_zero());
    }
}
