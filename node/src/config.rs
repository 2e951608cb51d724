//! `config.toml`: what a person may set, and the ports that a node has picked and keeps.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};

/// The file's name in the home.
pub const FILE: &str = "config.toml";

/// Settings of one home.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on, as multiaddrs; written at the first start, so that other members
    /// find the node where it was.
    pub listen: Vec<String>,
    /// Address of the local API; written at the first start.
    pub api: Option<String>,
    /// After how many days a steward's node confirms who came by somebody else's invite; 3 where
    /// nothing is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_days: Option<u16>,
    /// Subnets whose hosts may open as many connections as there are places; loopback where nothing
    /// is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_subnets: Option<Vec<String>>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read or written.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// It is not what a configuration looks like.
    #[error("{path} is not a configuration: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong, and where.
        why: String,
    },
}

impl Config {
    /// Reads it from a home; a home without one has none set.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(home: &Path) -> Result<Config, ConfigError> {
        let path = home.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|why| ConfigError::Unreadable {
                path: path.display().to_string(),
                why: why.message().to_owned(),
            }),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Config::default()),
            Err(source) => Err(ConfigError::Io { path: path.display().to_string(), source }),
        }
    }

    /// Writes it into a home.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn write(&self, home: &Path) -> Result<(), ConfigError> {
        let path = home.join(FILE);
        let fail = |source| ConfigError::Io { path: path.display().to_string(), source };
        let text = toml::to_string_pretty(self).map_err(|why| fail(io::Error::other(why)))?;
        crate::home::write_private(&path, text.as_bytes()).map_err(fail)
    }
}
