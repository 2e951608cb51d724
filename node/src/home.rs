//! The home folder: one home is one device of one person. This opens its keys, changes and seals them.
//!
//! Its parts: `make` makes it, `keys` is what the file of keys says, `seal` closes it with a passphrase, `token` is who
//! may ask the node, `lock` says who works in the home, `private` writes files for their owner alone. Leaves to others: the store,
//! the configuration, and all that is decided with the keys.
//!
//! Always true: a secret is on the disk in the file of keys alone, and in none where that is sealed; it changes whole
//! or not at all; what was secret in memory is wiped.

mod begin;
mod error;
mod keys;
mod lock;
mod make;
mod private;
mod seal;
#[cfg(test)]
mod tests;
mod token;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use data_encoding::HEXLOWER_PERMISSIVE;
use hearth_protocol::{
    bytes::Bytes,
    engine::Identity,
    epoch::SealingKey,
    id::PersonId,
    key::{PublicKey, SecretKey},
    limits,
    person::{Ladder, PersonRecord},
};
use zeroize::Zeroizing;

use crate::{clock, network};
use keys::{Form, Secret, StoredKeys};
use private::replace_secret;
use seal::{FileKey, Sealed};

pub use error::HomeError;
pub(crate) use error::is_read_only;
pub use lock::Holder;
pub(crate) use lock::Lock;
pub use make::DeviceKeys;
pub(crate) use private::{entropy, write_private};
pub use seal::{PASSPHRASE_BYTES, Passphrase, PassphraseRefusal};
pub(crate) use token::LeftToken;

const KEYS: &str = "keys";
const DEVICE: &str = "device.pub";
/// Who holds the home while its passphrase changes.
const CHANGING: &str = "command passphrase";

/// A home folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
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
    /// What opens the file of keys once more.
    pub opener: Opener,
}

/// What opens the file of keys once more without the passphrase: for a node, which asks for it once and may have to
/// change the file later. Clones share it; it is wiped when the last is dropped.
#[derive(Debug, Clone)]
pub struct Opener(Option<Arc<FileKey>>);

impl Opener {
    /// Whether the keys are sealed.
    #[must_use]
    pub fn is_of_sealed(&self) -> bool {
        self.0.is_some()
    }
}

/// What opens the file of keys.
#[derive(Debug, Clone, Copy)]
pub enum Unlock<'a> {
    /// What somebody typed; none opens plain keys only.
    With(Option<&'a Passphrase>),
    /// That it was opened before.
    Again(&'a Opener),
}

impl<'a> From<Option<&'a Passphrase>> for Unlock<'a> {
    fn from(passphrase: Option<&'a Passphrase>) -> Unlock<'a> {
        Unlock::With(passphrase)
    }
}

impl<'a> From<&'a Opener> for Unlock<'a> {
    fn from(opener: &'a Opener) -> Unlock<'a> {
        Unlock::Again(opener)
    }
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

    /// Whether its keys are sealed, so that a passphrase is needed to open them.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.read_keys().is_ok_and(|bytes| keys::form(&bytes) == Some(Form::Sealed))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn io(&self, source: io::Error) -> HomeError {
        HomeError::Io { path: self.path.display().to_string(), source }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The secrets.
    ///
    /// # Errors
    /// [`HomeError::Locked`] and [`HomeError::WrongPassphrase`] where they are sealed; [`HomeError::Missing`],
    /// [`HomeError::Newer`], [`HomeError::Damaged`], [`HomeError::Io`].
    pub fn keys(&self, passphrase: Option<&Passphrase>) -> Result<Keys, HomeError> {
        let (stored, opener) = self.stored(passphrase.into())?;
        Ok(Keys {
            words: words_of(&stored),
            identity: Identity {
                key: stored.identity.as_ref().map(|identity| SecretKey::new(&identity.0)),
                device: SecretKey::new(&stored.device.0),
                sealing: SealingKey::new(*stored.sealing.0),
                record: stored.record,
                name: stored.name,
                peer: network::peer_of(&stored.transport.0),
                restoring: self.is_restoring(),
            },
            transport: stored.transport.0,
            opener,
        })
    }

    /// The 24 words, until they are taken off this device.
    ///
    /// # Errors
    /// As [`Home::keys`].
    pub fn words<'a>(&self, unlock: impl Into<Unlock<'a>>) -> Result<Option<Zeroizing<String>>, HomeError> {
        self.stored(unlock.into()).map(|(stored, _)| words_of(&stored))
    }

    /// Takes the words off this device. The identity key stays, so that joins can be signed.
    ///
    /// # Errors
    /// As [`Home::keys`].
    pub fn forget_words<'a>(&self, unlock: impl Into<Unlock<'a>>) -> Result<(), HomeError> {
        let (mut stored, opener) = self.stored(unlock.into())?;
        stored.entropy = None;
        self.write_keys(&stored, &opener)
    }

    /// Puts a person's next identity key, and what the person says of themselves with it, in the place of the ones
    /// before. For whoever holds the home: it is not locked here.
    ///
    /// # Errors
    /// [`HomeError::Uncertified`] when `record` does not certify this device under that key, or is of another person;
    /// else as [`Home::keys`]. Then nothing is changed.
    pub fn replace_identity<'a>(
        &self,
        unlock: impl Into<Unlock<'a>>,
        identity: &SecretKey,
        record: PersonRecord,
    ) -> Result<(), HomeError> {
        let (mut stored, opener) = self.stored(unlock.into())?;
        if record.id() != stored.record.id() {
            return Err(HomeError::Uncertified);
        }
        stored.identity = Some(Secret(identity.seed()));
        stored.record = record;
        if !stored.fit() {
            return Err(HomeError::Uncertified);
        }
        self.write_keys(&stored, &opener)
    }

    /// Makes the key after `revealed` of the ladder from the 24 words, and puts it in the place of the one before;
    /// none when there is none after it. The person, this device and its sealing key are those that it certifies.
    ///
    /// # Errors
    /// [`HomeError::Words`] when the words are none, or another person's; else as [`Home::replace_identity`].
    pub(crate) fn reveal_next(
        &self,
        opener: &Opener,
        words: &str,
        revealed: u8,
        (person, device, kem): (PersonId, PublicKey, Bytes<32>),
    ) -> Result<Result<(SecretKey, PersonRecord), ()>, HomeError> {
        let ladder = Ladder::from_words(&make::plain_words(words)).map_err(|_| HomeError::Words)?;
        if ladder.person() != person {
            return Err(HomeError::Words);
        }
        let rung = revealed.saturating_add(1);
        if usize::from(rung) >= limits::LADDER {
            return Ok(Err(()));
        }
        let (key, record) = (ladder.key(rung), ladder.record_at(rung, device, kem, clock::now()));
        self.replace_identity(opener, &key, record.clone())?;
        Ok(Ok((key, record)))
    }

    /// Seals the keys with `new` in the place of `old`; without `new` they lie plain again. The token goes from the
    /// home and comes back with that.
    ///
    /// # Errors
    /// [`HomeError::Held`] while somebody works in the home; else as [`Home::keys`].
    pub fn set_passphrase(&self, old: Option<&Passphrase>, new: Option<&Passphrase>) -> Result<(), HomeError> {
        if !self.exists() {
            return Err(HomeError::Missing { path: self.shown() });
        }
        let _held = self.lock(CHANGING)?;
        let (stored, _) = self.stored(old.into())?;
        let io = |source| self.io(source);
        let opener = opener(new).map_err(io)?;
        self.write_keys(&stored, &opener)?;
        self.settle_token().map_err(io)
    }

    /// Puts right what a crash or an earlier version left, for whoever has locked the home: the token is where it
    /// belongs, and no file is for others to read.
    pub(crate) fn settle(&self) -> Result<(), HomeError> {
        let settled = self.settle_token().and_then(|()| private::keep_all_from_others(&self.path));
        settled.map_err(|source| self.io(source))
    }

    /// The device's public key.
    ///
    /// # Errors
    /// [`HomeError::Missing`], [`HomeError::Damaged`], [`HomeError::Io`].
    pub fn device(&self) -> Result<[u8; 32], HomeError> {
        let text = self.text(DEVICE)?;
        let damaged = || HomeError::Damaged { path: self.file(DEVICE).display().to_string() };
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)
    }

    fn text(&self, name: &str) -> Result<String, HomeError> {
        match fs::read_to_string(self.file(name)) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Err(HomeError::Missing { path: self.shown() }),
            Err(source) => Err(HomeError::Io { path: self.file(name).display().to_string(), source }),
        }
    }

    fn read_keys(&self) -> Result<Zeroizing<Vec<u8>>, HomeError> {
        let path = self.file(KEYS);
        match fs::read(&path) {
            Ok(bytes) => Ok(Zeroizing::new(bytes)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Err(HomeError::Missing { path: self.shown() }),
            Err(source) => Err(HomeError::Io { path: path.display().to_string(), source }),
        }
    }

    fn stored(&self, unlock: Unlock<'_>) -> Result<(StoredKeys, Opener), HomeError> {
        let bytes = self.read_keys()?;
        let damaged = || HomeError::Damaged { path: self.file(KEYS).display().to_string() };
        match keys::form(&bytes).ok_or_else(damaged)? {
            Form::Newer => Err(HomeError::Newer { path: self.shown() }),
            Form::Plain => Ok((StoredKeys::from_plain(&bytes).ok_or_else(damaged)?, Opener(None))),
            Form::Sealed => {
                let sealed = Sealed::read(&bytes).ok_or_else(damaged)?;
                let key = match unlock {
                    Unlock::With(Some(passphrase)) => {
                        Arc::new(sealed.key(passphrase).map_err(|source| self.io(source))?)
                    }
                    Unlock::Again(Opener(Some(key))) => key.clone(),
                    Unlock::With(None) | Unlock::Again(Opener(None)) => {
                        return Err(HomeError::Locked { path: self.shown() });
                    }
                };
                let plain = sealed.open(&key).ok_or_else(|| HomeError::WrongPassphrase { path: self.shown() })?;
                Ok((StoredKeys::from_plain(&plain).ok_or_else(damaged)?, Opener(Some(key))))
            }
        }
    }

    fn write_keys(&self, stored: &StoredKeys, opener: &Opener) -> Result<(), HomeError> {
        let plain = stored.to_plain();
        let path = self.file(KEYS);
        let done = match &opener.0 {
            None => replace_secret(&path, &plain),
            Some(key) => key.seal(&plain).and_then(|sealed| replace_secret(&path, &sealed)),
        };
        done.map_err(|source| self.io(source))
    }
}

/// What opens a file that is yet to be written.
fn opener(passphrase: Option<&Passphrase>) -> io::Result<Opener> {
    Ok(Opener(passphrase.map(FileKey::fresh).transpose()?.map(Arc::new)))
}

fn words_of(stored: &StoredKeys) -> Option<Zeroizing<String>> {
    stored.entropy.as_ref().map(|entropy| Ladder::new(*entropy.0).words())
}
