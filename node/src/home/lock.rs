//! The lock on a home, and who holds it.
//!
//! Leaves to others: what is done while it is held. Always true: the lock is the operating
//! system's, so it goes with the process that held it, however that ended; what the file says is
//! believed only while it is locked.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Home, HomeError};

const LOCK: &str = "lock";
/// How often, and for how long, a lock is tried before its holder is believed: another program
/// may just be looking who holds it.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Bytes that a holder needs at most to say who it is.
const HOLDER_BYTES: u64 = 4096;

/// Who works in a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `node`, or `command` and its name.
    pub holder: String,
    /// Its process.
    pub pid: u32,
    /// Where its API is served, once it is.
    pub api: Option<String>,
}

/// The hold on a home; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    holder: Holder,
}

impl Home {
    /// Who works in the home now, if anybody does.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn holder(&self) -> Result<Option<Holder>, HomeError> {
        let mut file = match File::open(self.file(LOCK)) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(HomeError::Io { path: self.file(LOCK).display().to_string(), source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
            Err(TryLockError::Error(source)) => Err(self.io(source)),
        }
    }

    /// Takes the home for oneself.
    ///
    /// # Errors
    /// [`HomeError::Held`] while somebody else works in it.
    pub(crate) fn lock(&self, holder: &str) -> Result<Lock, HomeError> {
        let path = self.file(LOCK);
        let io = |source| HomeError::Io { path: path.display().to_string(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        for tried in 0.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tried < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(HomeError::Held {
                        path: self.path().display().to_string(),
                        holder: read_holder(&mut file),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        let mut lock = Lock { file, holder: Holder { holder: holder.to_owned(), pid: std::process::id(), api: None } };
        lock.write().map_err(io)?;
        Ok(lock)
    }
}

impl Lock {
    /// Says where the API is served.
    pub(crate) fn serves(&mut self, api: &str) -> io::Result<()> {
        self.holder.api = Some(api.to_owned());
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.holder).map_err(io::Error::other)?;
        self.file.rewind()?;
        self.file.write_all(&text)?;
        self.file.set_len(text.len() as u64)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock itself goes with the file; an old name in it would only mislead.
        let _ = self.file.set_len(0);
    }
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let _ = file.rewind();
    let _ = file.take(HOLDER_BYTES).read_to_string(&mut text);
    serde_json::from_str(&text).unwrap_or(Holder { holder: "another program".to_owned(), pid: 0, api: None })
}
