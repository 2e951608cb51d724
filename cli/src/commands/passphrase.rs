//! `hearth passphrase`: seals the keys of the home, or opens them for good.
//!
//! It asks no node, since none may run meanwhile. Whether a passphrase opens the keys is for the home to say.

use std::path::PathBuf;

use clap::Subcommand;
use hearth_node::HomeError;
use serde_json::json;

use crate::args::passphrase_file;
use crate::error::Error;
use crate::output::Output;
use crate::session::unlock::chosen;
use crate::session::{NODE, Session};

/// Seal the keys of this home with a passphrase, or take it off
#[derive(Debug, Subcommand)]
pub(crate) enum Passphrase {
    /// Seal the keys with a passphrase, or with another one
    Set(Set),
    /// Take the passphrase off: the keys lie open on the disk again
    Remove(Remove),
}

/// Seal the keys with a passphrase, or with another one
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// A file that holds the new passphrase, where it is not to be asked for
    #[arg(long, value_name = "FILE", value_parser = passphrase_file())]
    new_file: Option<PathBuf>,
}

/// Take the passphrase off: the keys lie open on the disk again
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {}

impl Passphrase {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        if !session.home().exists() {
            return Err(Error::NoHome { path: session.home().path().to_owned() });
        }
        // Before anything is asked for.
        if let Some(holder) = session.home().holder()?.filter(|holder| holder.holder == NODE) {
            return Err(HomeError::Held { path: session.home().path().display().to_string(), holder }.into());
        }
        match self {
            Passphrase::Set(set) => set.run(session, out).await,
            Passphrase::Remove(remove) => remove.run(session, out).await,
        }
    }
}

impl Set {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let was_sealed = session.home().is_locked();
        // The file that opens a home is the new one's where nothing has to be opened.
        let named = match was_sealed {
            true => None,
            false => session.unlock().file().map(PathBuf::from),
        };
        let words = session.unlocked_keys()?.words.is_some();
        let new = chosen(self.new_file.or(named).as_deref(), "New passphrase: ")?;
        session.set_passphrase(Some(&new)).await?;
        out.tell(&json!({ "passphrase": true }), || {
            let mut text =
                "The keys of this home are sealed. Whoever forgets the passphrase comes back with the 24 words only."
                    .to_owned();
            if words {
                text += "\nThey are sealed in there too. Write them on paper: hearth words";
            }
            Ok(text)
        })
    }
}

impl Remove {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        if !session.home().is_locked() {
            return Err(Error::NotSealed { path: session.home().path().to_owned() });
        }
        session.unlocked_keys()?;
        session.set_passphrase(None).await?;
        out.tell(&json!({ "passphrase": false }), || {
            Ok("The keys of this home lie open on the disk again: who can read it is you.".to_owned())
        })
    }
}
