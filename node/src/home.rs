//! The home folder: keys, token, lock. One home is one device of one person.
//!
//! Files are readable by their owner only. The lock says who works in the home; it is the
//! operating system's, so it goes with the process that held it, however that ended.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hearth_protocol::{
    bytes::Bytes,
    encoding::{decode, encode},
    engine::Identity,
    epoch::SealingKey,
    key::SecretKey,
    person::{Ladder, PersonRecord},
    text::Text,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{clock, network};

const KEYS: &str = "keys";
const TOKEN: &str = "token";
const DEVICE: &str = "device.pub";
const LOCK: &str = "lock";
/// The version of the file of keys.
const KEYS_VERSION: u8 = 1;
/// How often, and for how long, a lock is tried before its holder is believed: another program
/// may just be looking who holds it.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A home folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

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

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// There is a person in it already.
    #[error("there is a home in {path} already")]
    Exists {
        /// The folder.
        path: String,
    },
    /// There is none.
    #[error("there is no home in {path}")]
    Missing {
        /// The folder.
        path: String,
    },
    /// The name is none.
    #[error("the name {why}")]
    Name {
        /// What is wrong with it.
        why: hearth_protocol::text::TextRefusal,
    },
    /// It cannot be read or written.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file of it is damaged.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: String,
    },
    /// It was written by a newer version.
    #[error("the home in {path} was written by a newer Hearth")]
    Newer {
        /// The folder.
        path: String,
    },
    /// Somebody works in it.
    #[error("{} (process {}) works in {path}", .holder.holder, .holder.pid)]
    Held {
        /// The folder.
        path: String,
        /// Who.
        holder: Holder,
    },
}

impl HomeError {
    /// Its name, for scripts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            HomeError::Exists { .. } => "home_exists",
            HomeError::Missing { .. } => "no_home",
            HomeError::Name { .. } => "bad_name",
            HomeError::Io { source, .. } if is_read_only(source) => "read_only_home",
            HomeError::Io { .. } => "home_unusable",
            HomeError::Damaged { .. } => "home_damaged",
            HomeError::Newer { .. } => "newer_home",
            HomeError::Held { .. } => "home_held",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            HomeError::Exists { .. } => "use it as it is, or name another folder with --home".to_owned(),
            HomeError::Missing { .. } => "make one with `hearth init`".to_owned(),
            HomeError::Name { .. } => "give one with `--name`".to_owned(),
            HomeError::Io { source, .. } if is_read_only(source) => {
                "make the folder writable for you, or name another with --home".to_owned()
            }
            HomeError::Io { .. } => "look at the folder, or name another with --home".to_owned(),
            HomeError::Damaged { .. } => {
                "restore it from a backup; the words of `hearth words` restore the person".to_owned()
            }
            HomeError::Newer { .. } => "install the newer Hearth again; nothing was changed".to_owned(),
            HomeError::Held { holder, .. } => match &holder.api {
                Some(api) => format!("it serves at {api}; stop it, or name another folder with --home"),
                None => "wait until it ends, or name another folder with --home".to_owned(),
            },
        }
    }
}

/// Whether the system refused to write for want of permission.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// The secrets of a device, as they lie in the file of keys.
struct StoredKeys {
    version: u8,
    /// None once the words are written down.
    entropy: Option<Bytes<32>>,
    identity: Bytes<32>,
    device: Bytes<32>,
    sealing: Bytes<32>,
    transport: Bytes<32>,
    name: Text<{ hearth_protocol::limits::NAME_BYTES }>,
    record: PersonRecord,
}

/// The secrets of a device.
#[derive(Debug)]
pub struct Keys {
    /// Who signs.
    pub identity: Identity,
    /// The transport's seed.
    pub transport: Zeroizing<[u8; 32]>,
    /// The 24 words, until they are written down.
    pub words: Option<Zeroizing<String>>,
}

impl Home {
    /// The home in this folder, whether there is one or not.
    #[must_use]
    pub fn at(path: PathBuf) -> Home {
        Home { path }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a person in it.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.file(KEYS).exists()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a person and a device.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn create(&self, name: &str) -> Result<(), HomeError> {
        let name = Text::line(name).map_err(|why| HomeError::Name { why })?;
        if self.exists() {
            return Err(HomeError::Exists { path: self.path.display().to_string() });
        }
        let io = |source| self.io(source);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(io)?;
        let ladder = Ladder::new(fresh().map_err(io)?);
        let (device, sealing) = (SecretKey::new(&fresh().map_err(io)?), SealingKey::new(fresh().map_err(io)?));
        let record = ladder.record(device.public(), sealing.public(), clock::now());
        let keys = StoredKeys {
            version: KEYS_VERSION,
            entropy: Some(Bytes(*ladder.entropy())),
            identity: Bytes(*ladder.key(0).seed()),
            device: Bytes(*device.seed()),
            sealing: Bytes(*sealing.as_bytes()),
            transport: Bytes(fresh().map_err(io)?),
            name,
            record,
        };
        let token = HEXLOWER.encode(&fresh::<32>().map_err(io)?);
        write_private(&self.file(TOKEN), token.as_bytes()).map_err(io)?;
        write_private(&self.file(DEVICE), device.public().0.to_string().as_bytes()).map_err(io)?;
        // Last: with it the home exists.
        write_private(&self.file(KEYS), &encode(&as_list(&keys))).map_err(io)
    }

    fn io(&self, source: io::Error) -> HomeError {
        HomeError::Io { path: self.path.display().to_string(), source }
    }

    /// The secrets.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn keys(&self) -> Result<Keys, HomeError> {
        let stored = self.stored_keys()?;
        let words = stored.entropy.map(|entropy| Ladder::new(entropy.0).words());
        let transport = Zeroizing::new(stored.transport.0);
        Ok(Keys {
            identity: Identity {
                key: SecretKey::new(&stored.identity.0),
                device: SecretKey::new(&stored.device.0),
                sealing: SealingKey::new(stored.sealing.0),
                record: stored.record,
                name: stored.name,
                peer: network::peer_of(&transport),
            },
            transport,
            words,
        })
    }

    /// Takes the words off this device. The identity key stays, so that joins can be signed.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn forget_words(&self) -> Result<(), HomeError> {
        let mut stored = self.stored_keys()?;
        stored.entropy = None;
        write_private(&self.file(KEYS), &encode(&as_list(&stored))).map_err(|source| self.io(source))
    }

    fn stored_keys(&self) -> Result<StoredKeys, HomeError> {
        let path = self.file(KEYS);
        let bytes = match fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Err(HomeError::Missing { path: self.path.display().to_string() });
            }
            Err(source) => return Err(HomeError::Io { path: path.display().to_string(), source }),
        };
        if bytes.get(1).is_some_and(|version| (KEYS_VERSION + 1..0x18).contains(version)) {
            return Err(HomeError::Newer { path: self.path.display().to_string() });
        }
        from_list(&bytes).ok_or_else(|| HomeError::Damaged { path: path.display().to_string() })
    }

    /// The token of the local API.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn token(&self) -> Result<String, HomeError> {
        self.text(TOKEN)
    }

    /// The device's public key.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn device(&self) -> Result<[u8; 32], HomeError> {
        let text = self.text(DEVICE)?;
        let damaged = || HomeError::Damaged { path: self.file(DEVICE).display().to_string() };
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)
    }

    fn text(&self, name: &str) -> Result<String, HomeError> {
        match fs::read_to_string(self.file(name)) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                Err(HomeError::Missing { path: self.path.display().to_string() })
            }
            Err(source) => Err(HomeError::Io { path: self.file(name).display().to_string(), source }),
        }
    }

    /// Who works in the home now, if anybody does.
    ///
    /// # Errors
    /// [`HomeError`].
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
                        path: self.path.display().to_string(),
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

/// The hold on a home; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    holder: Holder,
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
    let _ = file.take(4096).read_to_string(&mut text);
    serde_json::from_str(&text).unwrap_or(Holder { holder: "another program".to_owned(), pid: 0, api: None })
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh_path = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh_path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh_path, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn fresh<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Fresh entropy from the operating system.
pub(crate) fn entropy() -> io::Result<[u8; 32]> {
    fresh()
}

type KeysList<'a> = (
    u8,
    &'a Option<Bytes<32>>,
    (&'a Bytes<32>, &'a Bytes<32>, &'a Bytes<32>, &'a Bytes<32>),
    &'a Text<{ hearth_protocol::limits::NAME_BYTES }>,
    &'a PersonRecord,
);

fn as_list(keys: &StoredKeys) -> KeysList<'_> {
    (
        keys.version,
        &keys.entropy,
        (&keys.identity, &keys.device, &keys.sealing, &keys.transport),
        &keys.name,
        &keys.record,
    )
}

fn from_list(bytes: &[u8]) -> Option<StoredKeys> {
    let (version, entropy, (identity, device, sealing, transport), name, record): (
        u8,
        _,
        (_, _, _, _),
        _,
        PersonRecord,
    ) = decode(bytes, hearth_protocol::limits::PERSON_BYTES * 2).ok()?;
    record.check().ok()?;
    (version == KEYS_VERSION).then_some(StoredKeys {
        version,
        entropy,
        identity,
        device,
        sealing,
        transport,
        name,
        record,
    })
}
