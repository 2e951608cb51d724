//! Making a home: of a new person, of one who comes back from the words, or of one more device.
//!
//! Leaves to others: opening it again. Always true: the file of keys is written last, and with it the home exists;
//! whatever failed before leaves none.

use std::io;

use hearth_protocol::{
    epoch::SealingKey,
    hello::Handover,
    key::SecretKey,
    limits::LADDER,
    person::{Ladder, PersonRecord},
    text::Text,
};
use zeroize::Zeroizing;

use super::{
    DEVICE, Home, HomeError, Passphrase,
    keys::{Secret, StoredKeys},
    opener,
    private::{fresh, make_folder, write_private},
};
use crate::clock;

/// The secrets that a device makes for itself and never gives away.
#[derive(Debug, Clone)]
pub struct DeviceKeys {
    /// Signs.
    pub device: SecretKey,
    /// Opens what is sealed to the device.
    pub sealing: SealingKey,
    /// The transport's seed.
    pub transport: Zeroizing<[u8; 32]>,
}

impl DeviceKeys {
    /// Those of a new device.
    ///
    /// # Errors
    /// When the system has no entropy.
    pub fn fresh() -> io::Result<DeviceKeys> {
        Ok(DeviceKeys {
            device: SecretKey::new(&Zeroizing::new(fresh()?)),
            sealing: SealingKey::new(fresh()?),
            transport: Zeroizing::new(fresh()?),
        })
    }
}

impl Home {
    /// Makes a person and a device; with a passphrase, their keys are sealed from the first byte.
    ///
    /// # Errors
    /// [`HomeError::Exists`], [`HomeError::Name`], [`HomeError::Io`].
    pub fn create(&self, name: &str, passphrase: Option<&Passphrase>) -> Result<(), HomeError> {
        let ladder = Ladder::new(fresh().map_err(|source| self.io(source))?);
        self.create_for(name, &ladder, 0, passphrase)
    }

    /// Makes a new device of the person whose 24 words these are. `rung` is the number of the person's current key: 0
    /// unless the key was ever changed.
    ///
    /// # Errors
    /// [`HomeError::Words`], [`HomeError::Rung`]; else as [`Home::create`].
    pub fn restore(&self, name: &str, words: &str, rung: u8, passphrase: Option<&Passphrase>) -> Result<(), HomeError> {
        if usize::from(rung) >= LADDER {
            return Err(HomeError::Rung { rung });
        }
        let ladder = Ladder::from_words(&plain_words(words)).map_err(|_| HomeError::Words)?;
        self.create_for(name, &ladder, rung, passphrase)?;
        self.begin_restoring()
    }

    fn create_for(
        &self,
        name: &str,
        ladder: &Ladder,
        rung: u8,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), HomeError> {
        let own = DeviceKeys::fresh().map_err(|source| self.io(source))?;
        let record = ladder.record_at(rung, own.device.public(), own.sealing.public(), clock::now());
        let (entropy, identity) = (Secret::new(*ladder.entropy()), Secret(ladder.key(rung).seed()));
        self.make(name, &own, record, (Some(entropy), Some(identity)), passphrase)
    }

    /// Makes the home of a device that another device of the same person has certified, and handed the own space
    /// over to. It holds neither the words nor the identity key.
    ///
    /// # Errors
    /// [`HomeError::Uncertified`] when `record` says nothing of this device; else as [`Home::create`].
    pub fn adopt(
        &self,
        name: &str,
        own: &DeviceKeys,
        (record, mine): (PersonRecord, &Handover),
        passphrase: Option<&Passphrase>,
    ) -> Result<(), HomeError> {
        if self.exists() {
            return Err(HomeError::Exists { path: self.shown() });
        }
        make_folder(&self.path).map_err(|source| self.io(source))?;
        self.keep_handover(mine)?;
        self.make(name, own, record, (None, None), passphrase)
    }

    fn make(
        &self,
        name: &str,
        own: &DeviceKeys,
        record: PersonRecord,
        (entropy, identity): (Option<Secret>, Option<Secret>),
        passphrase: Option<&Passphrase>,
    ) -> Result<(), HomeError> {
        let name = Text::line(name).map_err(|why| HomeError::Name { why })?;
        if self.exists() {
            return Err(HomeError::Exists { path: self.shown() });
        }
        let stored = StoredKeys {
            entropy,
            identity,
            device: Secret(own.device.seed()),
            sealing: Secret::new(*own.sealing.as_bytes()),
            transport: Secret(own.transport.clone()),
            name,
            record,
        };
        if !stored.fit() {
            return Err(HomeError::Uncertified);
        }
        let io = |source| self.io(source);
        let opener = opener(passphrase).map_err(io)?;
        make_folder(&self.path).map_err(io)?;
        self.forget_token().map_err(io)?;
        write_private(&self.file(DEVICE), own.device.public().0.to_string().as_bytes()).map_err(io)?;
        // With it the home exists.
        self.write_keys(&stored, &opener)?;
        self.settle_token().map_err(io)
    }
}

/// Words as people type them from paper: in capitals, over several lines, with the numbers that `hearth words` shows.
pub(crate) fn plain_words(typed: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(typed.len()));
    for word in typed.split_whitespace().filter(|word| word.trim_end_matches(['.', ')']).parse::<u8>().is_err()) {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
    }
    plain
}
