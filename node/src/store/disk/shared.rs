//! The opened tree, which the writer and all readers share.
//!
//! It leaves batches to `writer` and scans to `reader`. Always true: every call of sled goes through
//! [`caught`], and a value in pieces is read as a whole, as one commit left it.

use std::{
    fmt,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    error::Failure,
    files::{Layout, Mark},
    panics::caught,
    shape::{self, Stored},
};

/// What the writer and the readers of a store share. The store is closed when the last of them is gone.
pub(super) struct Shared {
    /// There until `drop`, which is the one that takes it.
    db: Option<sled::Db>,
    pub(super) layout: Layout,
    /// Locked for this process; dropped after `db`, so that nobody opens files that are still in use.
    pub(super) mark: Mark,
    /// Held while a batch is applied, and while the pieces of a value are gathered: sled shows single keys as one
    /// commit left them, but not several. A lock, because readers are on other threads and pieces have no versions.
    applying: RwLock<()>,
}

impl Shared {
    pub(super) fn new(db: sled::Db, layout: Layout, mark: Mark) -> Self {
        Self { db: Some(db), layout, mark, applying: RwLock::new(()) }
    }

    pub(super) fn tree(&self) -> &sled::Tree {
        self.db.as_ref().expect("it is taken in drop only")
    }

    /// Keeps readers of pieces out; sled keeps all other readers out by itself.
    pub(super) fn apply_alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.applying.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a caller's key.
    pub(super) fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let stored_key = shape::stored_key(key);
        let Some(stored) = self.stored(&stored_key)? else {
            return Ok(None);
        };
        match parse(&stored)? {
            Stored::Whole(value) => Ok(Some(value.to_vec())),
            Stored::Pieces { .. } => self.gathered(key, &stored_key),
        }
    }

    /// What lies under a key of sled's tree.
    pub(super) fn stored(&self, stored_key: &[u8]) -> Result<Option<sled::IVec>, Failure> {
        Ok(caught(|| self.tree().get(stored_key)).map_err(Failure::Panicked)??)
    }

    pub(super) fn bytes_on_disk(&self) -> Result<u64, Failure> {
        let db = self.db.as_ref().expect("it is taken in drop only");
        Ok(caught(|| db.size_on_disk()).map_err(Failure::Panicked)??)
    }

    /// Reads a value in pieces. The key is read again, since a commit may have come between.
    fn gathered(&self, key: &[u8], stored_key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let _applying: RwLockReadGuard<'_, ()> = self.applying.read().unwrap_or_else(PoisonError::into_inner);
        let Some(stored) = self.stored(stored_key)? else {
            return Ok(None);
        };
        let len = match parse(&stored)? {
            Stored::Whole(value) => return Ok(Some(value.to_vec())),
            Stored::Pieces { len } => len,
        };
        let mut value = Vec::new();
        for number in 0..shape::piece_count(len) {
            let piece = self.stored(&shape::piece_key(key, number))?;
            value.extend_from_slice(
                &piece.ok_or_else(|| Failure::Damaged(format!("piece {number} of a value is missing")))?,
            );
        }
        if value.len() != len {
            return Err(Failure::Damaged(format!("a value of {len} bytes has {} in its pieces", value.len())));
        }
        Ok(Some(value))
    }
}

/// What is stored under a key, or damage.
pub(super) fn parse(stored: &[u8]) -> Result<Stored<'_>, Failure> {
    shape::parse(stored).ok_or_else(|| Failure::Damaged("a value has an unknown shape".to_owned()))
}

impl Drop for Shared {
    fn drop(&mut self) {
        let db = self.db.take();
        // Closing flushes, and sled panics when that fails. Nothing is lost: what was acknowledged is synced already.
        let _closed = caught(move || drop(db));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("layout", &self.layout).finish_non_exhaustive()
    }
}
