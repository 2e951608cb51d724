//! Bookmarks of other programs: a file's bytes in, candidates for bookmark items out.
//!
//! Reads a whole file or refuses it: nothing is kept of a file that breaks a limit half-way.
//! Within a file that is read, what cannot be a bookmark is listed with its line and a reason,
//! never dropped in silence.
//!
//! Leaves to others: reading the file, signing and keeping items, and asking the store which
//! addresses it knows.
//!
//! Always true: it has no clock and no IO; the time it takes grows with the length of the file
//! and nothing else in it, so that [`FILE_BYTES`] also bounds the seconds; every candidate's
//! address passes [`hearth_protocol::url::check`], and its title, note and tags fit the limits of
//! items. Bytes from outside never panic it.

mod encoding;
mod netscape;
mod sniff;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod values;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use hearth_protocol::limits;
use hearth_protocol::url::{self, AddressRefusal};

pub use sniff::Found;

pub use crate::limits::{
    IMPORT_FILE_BYTES as FILE_BYTES, IMPORT_FOLDERS_DEEP as FOLDERS_DEEP, IMPORT_LINKS as LINKS,
    IMPORT_TAGS_BYTES as TAGS_BYTES,
};

/// Longest note: the text of an item may be as long.
pub const NOTE_BYTES: usize = limits::TEXT_BYTES;

/// What a file is written in. More will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The bookmark file of Netscape, which browsers and bookmark sites write; also the list
    /// of links that Pocket wrote.
    Netscape,
}

impl Format {
    /// All of them, in the order in which they are shown.
    pub const ALL: &'static [Format] = &[Format::Netscape];

    /// Its name, as `--format` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Netscape => "netscape",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no [`Format`]'s.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no format is called {given}; there is {}", Format::ALL.iter().map(|f| f.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownFormat {
    /// The name.
    pub given: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Format::ALL.iter().find(|format| format.name() == name);
        found.copied().ok_or_else(|| UnknownFormat { given: name.to_owned() })
    }
}

/// A link that can become a bookmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The line of the file on which it begins, from 1.
    pub line: u32,
    /// Its address, as the file has it.
    pub url: String,
    /// One line of NFC, at most [`limits::TITLE_BYTES`].
    pub title: Option<String>,
    /// Plain text in NFC, at most [`NOTE_BYTES`].
    pub note: Option<String>,
    /// At most [`limits::TAGS`] of [`limits::TAG_BYTES`], none twice: its own, then those of the
    /// folders around it, from the outermost in.
    pub tags: Vec<String>,
    /// When it was saved, in milliseconds since 1970; it may lie in the future.
    pub added_ms: Option<u64>,
    /// Whether the file marks it as private, if it says either.
    pub private: Option<bool>,
}

/// A link that cannot become a bookmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The line of the file on which it begins, from 1.
    pub line: u32,
    /// Why.
    pub reason: Reason,
}

/// Why a link cannot become a bookmark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It leads nowhere.
    #[error("the link has no address")]
    NoAddress,
    /// Its address is not taken.
    #[error(transparent)]
    Address(#[from] AddressRefusal),
}

impl Reason {
    /// Its name, for scripts and lists.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Reason::NoAddress => "no_address",
            Reason::Address(refusal) => refusal.name(),
        }
    }
}

/// What a file held, in its own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What it was written in.
    pub format: Format,
    /// The links that can become bookmarks; several may have one address. None if all were rejected.
    pub candidates: Vec<Candidate>,
    /// The links that cannot.
    pub rejected: Vec<Rejected>,
    /// How many folders there were.
    pub folders: u32,
    /// How many candidates have a title, note or tag that was cut, or tags that were left out, to
    /// fit the limits of items.
    pub shortened: u32,
}

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is in none of the formats.
    #[error("this is no bookmark file: {found}")]
    Unrecognised {
        /// What it looks like.
        found: Found,
    },
    /// It is a bookmark file without a bookmark.
    #[error("there is no bookmark in this {format} file")]
    Empty {
        /// What it is written in.
        format: Format,
    },
    /// Longer than [`FILE_BYTES`].
    #[error("the file is {bytes} bytes long; at most {FILE_BYTES} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// More links than [`LINKS`].
    #[error("the file holds more than {LINKS} links")]
    TooMany,
    /// Folders nested more deeply than [`FOLDERS_DEEP`].
    #[error("folders are nested more than {FOLDERS_DEEP} deep on line {line}")]
    TooDeep {
        /// Where.
        line: u32,
    },
    /// More text in tags than [`TAGS_BYTES`].
    #[error("the tags of all links together take more than {TAGS_BYTES} bytes")]
    TooManyTags,
    /// Text in an encoding that is not read.
    #[error("the text is in the encoding {declared}; only utf-8 and windows-1252 are read")]
    Encoding {
        /// What the file says of itself.
        declared: String,
    },
}

impl ImportError {
    /// Its name, for scripts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            ImportError::Unrecognised { .. } => "unrecognised_file",
            ImportError::Empty { .. } => "no_bookmarks",
            ImportError::TooLarge { .. } => "file_too_large",
            ImportError::TooMany => "too_many_links",
            ImportError::TooDeep { .. } => "folders_too_deep",
            ImportError::TooManyTags => "too_many_tags",
            ImportError::Encoding { .. } => "unknown_encoding",
        }
    }
}

/// Reads a file. Without a `format` it has to show its own; with one, any file with links is
/// read, unless it is plainly something else.
///
/// # Errors
/// [`ImportError`]; nothing of the file is then to be kept.
pub fn read(bytes: &[u8], format: Option<Format>) -> Result<Parsed, ImportError> {
    if bytes.len() > FILE_BYTES {
        return Err(ImportError::TooLarge { bytes: bytes.len() });
    }
    sniff::glance(bytes)?;
    match format {
        None => netscape::read(bytes, netscape::Trust::Marks),
        Some(Format::Netscape) => netscape::read(bytes, netscape::Trust::Told),
    }
}

/// What is left when the links of one resource are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// No two of them have one normalised address.
    pub candidates: Vec<Candidate>,
    /// How many were merged into an earlier one.
    pub merged: u32,
}

/// Makes one of all links that have one normalised address: it stands where the first stood, with
/// its line and address; the first title and note there are, the tags of all as far as
/// they fit, the earliest time, and it is private if any of them was.
#[must_use]
pub fn merge(candidates: Vec<Candidate>) -> Merged {
    let mut kept: Vec<Candidate> = Vec::with_capacity(candidates.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(candidates.len());
    let mut merged = 0;
    for candidate in candidates {
        // What is no address is nobody else's: it meets only its own text.
        let key = url::normalise(&candidate.url).unwrap_or_else(|_| candidate.url.clone());
        let place = *places.entry(key).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(first) => {
                unite(first, candidate);
                merged += 1;
            }
            None => kept.push(candidate),
        }
    }
    Merged { candidates: kept, merged }
}

fn unite(first: &mut Candidate, later: Candidate) {
    first.title = first.title.take().or(later.title);
    first.note = first.note.take().or(later.note);
    first.added_ms = match (first.added_ms, later.added_ms) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    first.private = match (first.private, later.private) {
        (Some(one), Some(other)) => Some(one || other),
        (one, other) => one.or(other),
    };
    for tag in later.tags {
        if first.tags.len() < limits::TAGS && !first.tags.contains(&tag) {
            first.tags.push(tag);
        }
    }
}
