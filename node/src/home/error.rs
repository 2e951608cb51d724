//! Why a home cannot be used, with a name for scripts and what to do about it.
//!
//! Always true: no secret is part of an error, and each says which folder or file it is about.

use std::io;

use hearth_protocol::text::TextRefusal;

use super::{Holder, PassphraseRefusal};

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
        why: TextRefusal,
    },
    /// The words are those of nobody.
    #[error("these are not the 24 words of a person: one is misspelt, missing or in another place")]
    Words,
    /// The ladder of keys has no such rung.
    #[error("there is no key number {rung}: they are numbered from 0 to 7")]
    Rung {
        /// The number.
        rung: u8,
    },
    /// What a person says of themselves does not fit these keys.
    #[error("what the person says of themselves does not certify this device")]
    Uncertified,
    /// A passphrase that cannot be one.
    #[error("the passphrase {why}")]
    Passphrase {
        /// What is wrong with it.
        why: PassphraseRefusal,
    },
    /// The keys are sealed, and nobody gave the passphrase.
    #[error("the keys in {path} are sealed with a passphrase, and none was given")]
    Locked {
        /// The folder.
        path: String,
    },
    /// The keys are sealed with another passphrase.
    #[error("this is not the passphrase of the home in {path}")]
    WrongPassphrase {
        /// The folder.
        path: String,
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
            HomeError::Words => "bad_words",
            HomeError::Rung { .. } => "bad_rung",
            HomeError::Uncertified => "device_not_certified",
            HomeError::Passphrase { .. } => "bad_passphrase",
            HomeError::Locked { .. } => "locked_home",
            HomeError::WrongPassphrase { .. } => "wrong_passphrase",
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
            HomeError::Words => "look at the paper again; they are English words, in the order of their numbers".to_owned(),
            HomeError::Rung { .. } => "leave --rung out, unless `hearth device list` showed a number other than 0".to_owned(),
            HomeError::Uncertified => "pair the two devices again".to_owned(),
            HomeError::Passphrase { .. } => "choose another: several words that nobody would guess".to_owned(),
            HomeError::Locked { .. } => {
                "type it on a terminal, where it is asked for, or name a file that holds it: --passphrase-file FILE, or HEARTH_PASSPHRASE_FILE"
                    .to_owned()
            }
            HomeError::WrongPassphrase { .. } => {
                "type it again; if it is surely the right one, `keys` in the home is damaged: restore it from a backup, or the person from the 24 words with `hearth init --words`"
                    .to_owned()
            }
            HomeError::Io { source, .. } if is_read_only(source) => {
                "make the folder writable for you, or name another with --home".to_owned()
            }
            HomeError::Io { .. } => "look at the folder, or name another with --home".to_owned(),
            HomeError::Damaged { .. } => {
                "restore it from a backup; the 24 words restore the person in another folder: `hearth init --words`".to_owned()
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
