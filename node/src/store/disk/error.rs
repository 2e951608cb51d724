//! The errors of opening, reading and writing, and how sled's own errors become them.
//!
//! Always true: no type of sled is part of an error, and each error names the path that it is about.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store was written by a newer version of the program. Nothing on the disk was changed.
    #[error("the store at {} has format {found}, newer than {known}, the newest known here", path.display())]
    Newer {
        /// The folder of the store.
        path: PathBuf,
        /// The format found there.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// The store was written by an older version of the program, and nothing here brings it up to date.
    #[error("the store at {} has format {found}, older than {known}, the oldest read here", path.display())]
    Older {
        /// The folder of the store.
        path: PathBuf,
        /// The format found there.
        found: u32,
        /// The oldest format that this program reads.
        known: u32,
    },
    /// The folder cannot be written to, by permission or because its file system is mounted read-only.
    #[error("the store at {} cannot be written to", path.display())]
    ReadOnly {
        /// What could not be written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The files are not what a store writes.
    #[error("the store is damaged: {}: {why}", path.display())]
    Damaged {
        /// The damaged file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Commits that were acknowledged are no longer there. Signing with this store's counters would sign twice under
    /// one number, so it is not opened unless [`OnLoss::Open`](super::OnLoss::Open) asks for it.
    #[error("the store at {} has lost {} of {acknowledged} acknowledged commits", path.display(), acknowledged - found)]
    Lost {
        /// The folder of the store.
        path: PathBuf,
        /// How many commits were acknowledged.
        acknowledged: u64,
        /// How many are there.
        found: u64,
    },
    /// sled panicked, as it does on some damaged files.
    #[error("the store at {} cannot be read, its engine gave up: {why}", path.display())]
    Panicked {
        /// The folder of the store.
        path: PathBuf,
        /// The text of the panic and its place.
        why: String,
    },
    /// Another process, or another part of this one, has the store open.
    #[error("the store at {} is open already", path.display())]
    InUse {
        /// The folder of the store.
        path: PathBuf,
    },
    /// The disk is too full even to open the store.
    #[error("the disk is too full to open the store at {}", path.display())]
    Full {
        /// What could not be written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system failed otherwise.
    #[error("the store at {} could not be opened", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a value could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// What was read is not what was written.
    #[error("the store is damaged: {}: {why}", path.display())]
    Damaged {
        /// The folder of the store.
        path: PathBuf,
        /// What is wrong with it.
        why: Arc<str>,
    },
    /// sled panicked, as it does on some damaged files.
    #[error("the store at {} cannot be read, its engine gave up: {why}", path.display())]
    Panicked {
        /// The folder of the store.
        path: PathBuf,
        /// The text of the panic and its place.
        why: Arc<str>,
    },
    /// The system failed.
    #[error("the store at {} could not be read", path.display())]
    Io {
        /// The folder of the store.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
}

/// Why a batch was not committed.
///
/// [`Full`](Self::Full) and the three limits change nothing and end nothing: a later commit may succeed. After any
/// other error the batch may be on the disk or not, as a whole, and the writer repeats the error for every later
/// commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// Writing would eat into the space that is kept free, without which a full disk could not be recovered from.
    #[error("{} has {free} bytes free and needs {need}", path.display())]
    Full {
        /// The folder of the store.
        path: PathBuf,
        /// Bytes that are free for us.
        free: u64,
        /// Bytes that must be free for this batch.
        need: u64,
    },
    /// A key is over [`MAX_KEY_BYTES`](super::MAX_KEY_BYTES).
    #[error("a key has {len} bytes, and {limit} are the most")]
    LongKey {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// A value is over [`MAX_VALUE_BYTES`](super::MAX_VALUE_BYTES).
    #[error("a value has {len} bytes, and {limit} are the most")]
    LongValue {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// The batch is over [`MAX_BATCH_BYTES`](super::MAX_BATCH_BYTES).
    #[error("a batch has {len} bytes, and {limit} are the most")]
    LongBatch {
        /// Its bytes.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// The engine found damage.
    #[error("the store is damaged and takes no more writes: {}: {why}", path.display())]
    Damaged {
        /// The folder of the store.
        path: PathBuf,
        /// What is wrong with it.
        why: Arc<str>,
    },
    /// sled panicked.
    #[error("the store at {} takes no more writes, its engine gave up: {why}", path.display())]
    Panicked {
        /// The folder of the store.
        path: PathBuf,
        /// The text of the panic and its place.
        why: Arc<str>,
    },
    /// The system failed while writing.
    #[error("the store at {} could not be written, and takes no more writes until it is opened again", path.display())]
    Io {
        /// The folder of the store.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
}

impl OpenError {
    /// Sorts an error of the system.
    pub(super) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn from_failure(path: &Path, failure: Failure) -> Self {
        match failure {
            Failure::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged { path: path.to_owned(), why: "a file is cut short".to_owned() }
            }
            Failure::Io(source) => Self::from_io(path, source),
            Failure::Damaged(why) => Self::Damaged { path: path.to_owned(), why },
            Failure::Panicked(why) => Self::Panicked { path: path.to_owned(), why },
        }
    }
}

impl ReadError {
    pub(super) fn from_failure(path: &Path, failure: Failure) -> Self {
        let path = path.to_owned();
        match failure {
            Failure::Io(source) => Self::Io { path, source: Arc::new(source) },
            Failure::Damaged(why) => Self::Damaged { path, why: why.into() },
            Failure::Panicked(why) => Self::Panicked { path, why: why.into() },
        }
    }
}

impl WriteError {
    pub(super) fn from_failure(path: &Path, failure: Failure) -> Self {
        let path = path.to_owned();
        match failure {
            Failure::Io(source) => Self::Io { path, source: Arc::new(source) },
            Failure::Damaged(why) => Self::Damaged { path, why: why.into() },
            Failure::Panicked(why) => Self::Panicked { path, why: why.into() },
        }
    }
}

/// What can go wrong below: in sled, or in the calls to the system that stand beside it.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    Damaged(String),
    Panicked(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}
