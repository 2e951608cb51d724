//! Sealing the rows that hold secrets: keys of epochs, joins that wait (each with its invite key), answers that are
//! kept for a retry (some with an invite key that was made).
//!
//! The key derives from the device's sealing key, which lies in the file of keys; so these rows are as safe as that
//! file is. Each row has a key of its own, since a nonce derives from what it seals, and equal values may stand in two
//! rows. Leaves to others: which rows these are (`keep`, `ledger`). Always true: a row that was written before rows
//! were sealed is read as it is, and sealed at the next start.

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

use hearth_protocol::epoch::{EpochKey, SealingKey};
use zeroize::Zeroizing;

use super::{
    disk::{self, Batch, Direction, DiskSettings, OpenError, Overlay, ReadError, Reader, WriteError, Writer},
    keys::{Key, Table},
};

/// What derives the key of all rows. Part of the format on disk, version 2.
const CONTEXT: &str = "hearth/1/store-rows";
/// The tables whose values are secret.
const SECRET: [Table; 3] = [Table::EpochKey, Table::Pending, Table::Answer];
/// Bytes of rows that are sealed in one commit, well below the disk's own bound.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Seals and opens rows; wiped when dropped.
pub struct RowSeal(Zeroizing<[u8; 32]>);

impl RowSeal {
    /// That of the device which has this sealing key.
    #[must_use]
    pub fn new(sealing: &SealingKey) -> RowSeal {
        RowSeal(Zeroizing::new(blake3::derive_key(CONTEXT, sealing.as_bytes())))
    }

    fn of_row(&self, key: &[u8]) -> EpochKey {
        EpochKey::new(*blake3::keyed_hash(&self.0, key).as_bytes())
    }

    fn seal(&self, key: &[u8], value: &[u8]) -> Vec<u8> {
        self.of_row(key).seal(value, key)
    }

    /// None when the value is not one that this has sealed for this row.
    fn open(&self, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        self.of_row(key).open(value, key).ok()
    }
}

impl fmt::Debug for RowSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowSeal")
    }
}

impl Overlay<'_> {
    /// Decides that a row holds this secret.
    pub(super) fn put_secret(&mut self, key: Vec<u8>, value: &[u8]) {
        let value = self.seal().map_or_else(|| value.to_vec(), |seal| seal.seal(&key, value));
        self.put(key, value);
    }

    /// What a row of secrets says, sealed or not.
    pub(super) fn opened<'v>(&self, key: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
        self.seal().and_then(|seal| seal.open(key, value)).map_or(Cow::Borrowed(value), Cow::Owned)
    }
}

/// Opens the store in `folder`, which is made if it is not there, and seals its rows of secrets with `seal`.
///
/// # Errors
/// [`OpenError`].
pub fn open(folder: &Path, settings: DiskSettings, seal: RowSeal) -> Result<(Writer, Reader), OpenError> {
    let (mut writer, reader) = disk::open(folder, settings)?;
    let reader = reader.with_seal(Arc::new(seal));
    if let Err(why) = seal_old_rows(&mut writer, &reader) {
        // They are read as they are; the disk may be full, and the next start tries again.
        tracing::warn!(%why, "rows of secrets that were written before stay unsealed");
    }
    Ok((writer, reader))
}

#[derive(Debug, thiserror::Error)]
enum SealError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Seals what was written before rows were sealed, once in the life of a store.
fn seal_old_rows(writer: &mut Writer, reader: &Reader) -> Result<(), SealError> {
    let done = Key::of(Table::Sealed).into_vec();
    let Some(seal) = reader.seal() else { return Ok(()) };
    if reader.get(&done)?.is_some() {
        return Ok(());
    }
    let mut batch = Batch::new();
    for table in SECRET {
        for row in reader.scan_prefix(&Key::of(table).into_vec(), Direction::Forward).collect::<Vec<_>>() {
            let (key, value) = row?;
            if seal.open(&key, &value).is_none() {
                let sealed = seal.seal(&key, &value);
                batch.put(key, sealed);
            }
            if batch.bytes() > BATCH_BYTES {
                writer.commit(&std::mem::take(&mut batch))?;
            }
        }
    }
    batch.put(done, Vec::new());
    writer.commit(&batch)?;
    Ok(())
}
