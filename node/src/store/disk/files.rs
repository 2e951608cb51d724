//! The plain files beside sled's folder: the version of the format, and the number of acknowledged commits.
//!
//! They exist because sled writes as soon as it opens a store and drops a damaged end of its log without a word. The
//! version is therefore read before sled is asked, and the number says afterwards whether sled brought everything back.
//!
//! Always true: the number on the disk is never ahead of what was synced. It is written after the sync and not synced
//! itself: it survives `kill -9` exactly, and after a power cut it may lag, which hides nothing that was promised later
//! than the last time the system wrote it out, and accuses nobody wrongly.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::OpenError;

/// The format that this program writes. In version 1 rows of secrets were not sealed; in version 2 an item had two rows
/// more, its body always one of its own, and the items of both scopes were one set; in version 3 the index by number had
/// whole ids.
pub const FORMAT: u32 = 4;
/// The oldest that it reads; it becomes [`FORMAT`] when it is opened.
const OLDEST: u32 = 1;

/// Bytes of `format` that are read at most. A decimal number of 32 bits and its line end need eleven.
const FORMAT_FILE_BYTES: u64 = 64;
/// Bytes of the number in `acknowledged`: the number, and its complement to know a damaged one by.
const MARK_BYTES: usize = 16;
/// How long to try for the lock: a process that is just being started by a program which closed the store a moment ago
/// holds a copy of it until it runs its own program.
const LOCK_LIMIT: Duration = Duration::from_millis(250);
/// How often to try meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// Folders and files hold private items.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Where things lie in the folder of a store.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The folder itself.
    pub(super) folder: PathBuf,
}

impl Layout {
    pub(super) fn format(&self) -> PathBuf {
        self.folder.join("format")
    }

    pub(super) fn mark(&self) -> PathBuf {
        self.folder.join("acknowledged")
    }

    pub(super) fn engine(&self) -> PathBuf {
        self.folder.join("sled")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.engine().join("db")
    }

    pub(super) fn set_aside(&self) -> PathBuf {
        self.folder.join("set-aside")
    }
}

/// Refuses a store of another format. Reads only. A folder without anything in it is a new store.
pub(super) fn check_format(layout: &Layout) -> Result<(), OpenError> {
    let path = layout.format();
    let damaged = |why: &str| OpenError::Damaged { path: path.clone(), why: why.to_owned() };
    let text = match read_at_most(&path, FORMAT_FILE_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| damaged("it is not text"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The number is made before the engine's folder, so a folder without it has lost it.
            return match layout.engine().try_exists() {
                Ok(false) => Ok(()),
                Ok(true) => Err(damaged("it is missing, so the format of the store is not known")),
                Err(error) => Err(OpenError::from_io(&layout.engine(), error)),
            };
        }
        Err(error) => return Err(OpenError::from_io(&path, error)),
    };
    let found = text.trim_end().parse().map_err(|_| damaged("it does not hold a number"))?;
    judge_format(layout, found)
}

/// Refuses a format that is not ours.
pub(super) fn judge_format(layout: &Layout, found: u32) -> Result<(), OpenError> {
    let path = layout.folder.clone();
    match found {
        ..OLDEST => Err(OpenError::Older { path, found, known: OLDEST }),
        OLDEST..=FORMAT => Ok(()),
        _ => Err(OpenError::Newer { path, found, known: FORMAT }),
    }
}

/// Makes the folder of the store, for its owner only.
pub(super) fn make_folder(layout: &Layout) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&layout.folder);
    made.map_err(|error| OpenError::from_io(&layout.folder, error))
}

/// Writes the format of a new store, durably, before anything else of it exists.
pub(super) fn make_format(layout: &Layout) -> io::Result<()> {
    if layout.format().try_exists()? {
        return Ok(());
    }
    write_format(layout)
}

/// Writes the format of this program over that of the one before, durably, before anything is written that the
/// other would not understand.
pub(super) fn write_format(layout: &Layout) -> io::Result<()> {
    let fresh = layout.folder.join("format.new");
    let mut file = private(OpenOptions::new().create(true).truncate(true)).open(&fresh)?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&fresh, layout.format())?;
    sync_folder(&layout.folder)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// How many commits were acknowledged; its file is locked as long as this lives.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
}

impl Mark {
    /// Takes the store for this process.
    pub(super) fn take(layout: &Layout) -> Result<Self, OpenError> {
        let path = layout.mark();
        let opened = private(OpenOptions::new().read(true).create(true).truncate(false)).open(&path);
        let file = opened.map_err(|error| OpenError::from_io(&path, error))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file }),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_LIMIT => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse { path: layout.folder.clone() });
                }
                Err(TryLockError::Error(error)) => return Err(OpenError::from_io(&path, error)),
            }
        }
    }

    /// The number, or nothing when the file is new or its content is no number.
    pub(super) fn read(&self) -> io::Result<Option<u64>> {
        let mut bytes = [0; MARK_BYTES];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(parse_mark(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the number over the one before.
    pub(super) fn write(&self, number: u64) -> io::Result<()> {
        self.file.write_all_at(&[number.to_be_bytes(), (!number).to_be_bytes()].concat(), 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn parse_mark(bytes: [u8; MARK_BYTES]) -> Option<u64> {
    let both = u128::from_be_bytes(bytes);
    let number = u64::try_from(both >> u64::BITS).expect("the upper half has 64 bits");
    let complement = u64::try_from(both & u128::from(u64::MAX)).expect("masked to 64 bits");
    (number == !complement).then_some(number)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.write(true).mode(FILE_MODE)
}

fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
