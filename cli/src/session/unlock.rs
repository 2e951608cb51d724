//! Where the passphrase of a home comes from: a file that was named, or somebody who types it.
//!
//! Leaves to others: when it is needed. Always true: it is asked for once a command, never taken from an argument or
//! from standard input, and never printed.

use std::path::{Path, PathBuf};

use hearth_node::Passphrase;

use crate::error::Error;
use crate::input;

/// The way to the passphrase, and the passphrase once it was there.
#[derive(Debug, Default)]
pub(crate) struct Unlock {
    file: Option<PathBuf>,
    given: Option<Passphrase>,
}

impl Unlock {
    /// From this file, else from whoever sits at the terminal.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file, given: None }
    }

    /// The file that was named.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The passphrase, once it was there.
    pub(crate) fn given(&self) -> Option<&Passphrase> {
        self.given.as_ref()
    }

    /// Gets the passphrase that opens the home; none where there is neither file nor terminal.
    pub(crate) fn ask(&mut self) -> Result<Option<&Passphrase>, Error> {
        if self.given.is_none() {
            self.given = match &self.file {
                Some(file) => Some(input::passphrase_in(file)?),
                None => input::passphrase("Passphrase: ")?,
            };
        }
        Ok(self.given())
    }

    /// Gets a passphrase for a home that is to be made.
    pub(crate) fn choose(&mut self) -> Result<(), Error> {
        self.given = Some(chosen(self.file(), "Passphrase: ")?);
        Ok(())
    }
}

/// A new passphrase: from this file, else typed twice.
pub(crate) fn chosen(file: Option<&Path>, question: &str) -> Result<Passphrase, Error> {
    if let Some(file) = file {
        return input::passphrase_in(file);
    }
    let typed = input::passphrase(question)?.ok_or(Error::NoPassphrase)?;
    let again = input::passphrase("Once more: ")?.ok_or(Error::NoPassphrase)?;
    if typed == again { Ok(typed) } else { Err(Error::PassphrasesDiffer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_is_read_once() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("passphrase");
        std::fs::write(&file, "nine beans\n").expect("the folder is ours");
        let mut unlock = Unlock::new(Some(file.clone()));
        assert!(unlock.given().is_none());
        let expected = Passphrase::new("nine beans").expect("it is one");
        assert_eq!(unlock.ask().expect("the file is there"), Some(&expected));
        std::fs::remove_file(&file).expect("it was written above");
        assert_eq!(unlock.ask().expect("it was read before"), Some(&expected));
        assert_eq!(unlock.choose().expect_err("the file is gone").reason(), "file_unreadable");
    }
}
