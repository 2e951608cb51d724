//! Addresses of bookmarks: which are taken, and when two of them mean one resource.
//!
//! [`check`] is asked before an address is signed and when one is received; what it accepts is
//! kept byte by byte as it was typed. [`normalise`] gives the key on which items about one
//! resource meet; nobody signs it, shows it or follows it. Its rules are in [`rules`], and have a
//! [`VERSION`], so that a store knows which keys to compute again.
//!
//! Leaves to others: following an address, and guarding what a fetch may reach.
//!
//! Always true: an accepted address is absolute, at most [`URL_BYTES`] long, carries no password,
//! and holds nothing that reorders what is seen. Its host is ASCII, so a look-alike from another
//! script shows as `xn--...` on every screen that prints it. A normalised address is ASCII, is
//! its own normal form, and is accepted unless it is longer than the bound.

pub mod rules;
#[cfg(test)]
mod tests;

use ::url::{Host, ParseError, Url};

use crate::limits::URL_BYTES;

pub use rules::VERSION;

/// The schemes that a bookmark may have. Each names something to read or somebody to write to;
/// none runs code, opens a file of the reader's machine or starts another program with arguments.
pub const SCHEMES: [&str; 5] = ["http", "https", "gemini", "mailto", "magnet"];

/// How much of a refused scheme or host is repeated in the refusal, in bytes: enough to recognise
/// it, too little to fill a list of refusals.
const REPEATED_BYTES: usize = 64;

/// Why an address is not taken as a bookmark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefusal {
    /// There is no address.
    #[error("the address is empty")]
    Empty,
    /// Longer than [`URL_BYTES`].
    #[error("the address is {bytes} bytes long; at most {URL_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// White space before or after it.
    #[error("the address begins or ends with white space")]
    OuterWhitespace,
    /// A control character anywhere, tab and line feed included: browsers drop some of them, so
    /// that the scheme that is seen is not the one that is followed.
    #[error("the address holds the control character U+{code:04X}")]
    ControlCharacter {
        /// The character.
        code: u32,
    },
    /// A character that reorders what is seen, or is not seen at all.
    #[error("the address holds the hidden character U+{code:04X}")]
    HiddenCharacter {
        /// The character.
        code: u32,
    },
    /// No scheme at its start: a path, a host without `https://`, or plain words.
    #[error("the address names no scheme, as https:// does")]
    NoScheme,
    /// A scheme that is not among [`SCHEMES`].
    #[error("the scheme {scheme} is not taken; http, https, gemini, mailto and magnet are")]
    SchemeNotAllowed {
        /// The scheme in lower case, cut if it is very long.
        scheme: String,
    },
    /// A backslash before the query: browsers read it as a slash and others do not, so the host
    /// depends on who follows it.
    #[error("the address holds a backslash before its query")]
    Backslash,
    /// A name or password before the host.
    #[error("the address carries a name or a password before its host")]
    Credentials,
    /// Nothing where the host should stand.
    #[error("the address names no host")]
    NoHost,
    /// A host that is not plain ASCII. It is taken in its `xn--` form.
    #[error("the host is not plain ascii; write it as {punycode}")]
    HostNotAscii {
        /// The host as it has to be written, cut if it is very long.
        punycode: String,
    },
    /// A mailto address without a mailbox, or a magnet address without an exact topic.
    #[error("the {scheme} address names nothing")]
    NamesNothing {
        /// `mailto` or `magnet`.
        scheme: &'static str,
    },
    /// It breaks the rules of the URL standard.
    #[error("the address is malformed")]
    Malformed {
        /// Which rule.
        #[source]
        source: ParseError,
    },
}

impl AddressRefusal {
    /// Its name, for scripts and lists.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            AddressRefusal::Empty => "address_empty",
            AddressRefusal::TooLong { .. } => "address_too_long",
            AddressRefusal::OuterWhitespace => "outer_whitespace",
            AddressRefusal::ControlCharacter { .. } => "control_character",
            AddressRefusal::HiddenCharacter { .. } => "hidden_character",
            AddressRefusal::NoScheme => "no_scheme",
            AddressRefusal::SchemeNotAllowed { .. } => "scheme_not_allowed",
            AddressRefusal::Backslash => "backslash",
            AddressRefusal::Credentials => "credentials",
            AddressRefusal::NoHost => "no_host",
            AddressRefusal::HostNotAscii { .. } => "host_not_ascii",
            AddressRefusal::NamesNothing { .. } => "names_nothing",
            AddressRefusal::Malformed { .. } => "address_malformed",
        }
    }
}

/// Whether this address may be a bookmark.
///
/// # Errors
/// [`AddressRefusal`]: the first rule that it breaks.
pub fn check(address: &str) -> Result<(), AddressRefusal> {
    read(address).map(|_| ())
}

/// The key on which items about one resource meet, by the rules of [`VERSION`].
///
/// It may be up to three times as long as the address, where that holds characters that have to
/// be escaped.
///
/// # Errors
/// [`AddressRefusal`] when [`check`] refuses the address.
pub fn normalise(address: &str) -> Result<String, AddressRefusal> {
    read(address).map(|accepted| match accepted {
        Accepted::Web(url) => rules::web(&url),
        Accepted::Gemini(url, host) => rules::gemini(&url, &host),
        Accepted::Mailto(url) => rules::mailto(&url),
        Accepted::Magnet(url) => rules::magnet(&url),
    })
}

/// An address that broke no rule.
enum Accepted {
    Web(Url),
    /// The standard leaves hosts of such schemes as they are; ours was read as one of the web.
    Gemini(Url, Host),
    Mailto(Url),
    Magnet(Url),
}

fn read(address: &str) -> Result<Accepted, AddressRefusal> {
    characters(address)?;
    let (scheme, rest) = scheme(address)?;
    match scheme.as_str() {
        "http" | "https" => {
            authority(rest)?;
            let url = parse(address)?;
            let host = url.host().ok_or(AddressRefusal::NoHost)?;
            named(&host.to_owned())?;
            Ok(Accepted::Web(url))
        }
        "gemini" => {
            authority(rest)?;
            let url = parse(address)?;
            let host = url.host_str().ok_or(AddressRefusal::NoHost)?;
            let host = Host::parse(host).map_err(|source| AddressRefusal::Malformed { source })?;
            named(&host)?;
            Ok(Accepted::Gemini(url, host))
        }
        "mailto" => {
            let url = parse(address)?;
            let somebody = rules::mailboxes(&url)
                .any(|mailbox| mailbox.rsplit_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty()));
            // A path that begins with a slash would be read as a host's (RFC 6068 knows none).
            let named = url.cannot_be_a_base() && (somebody || url.query().is_some_and(|query| query.contains('@')));
            named.then_some(Accepted::Mailto(url)).ok_or(AddressRefusal::NamesNothing { scheme: "mailto" })
        }
        "magnet" => {
            let url = parse(address)?;
            let named = rest.starts_with('?') && rules::topics(&url).next().is_some();
            named.then_some(Accepted::Magnet(url)).ok_or(AddressRefusal::NamesNothing { scheme: "magnet" })
        }
        _ => Err(AddressRefusal::SchemeNotAllowed { scheme: start(&scheme) }),
    }
}

/// The rules about single characters.
fn characters(address: &str) -> Result<(), AddressRefusal> {
    if address.is_empty() {
        return Err(AddressRefusal::Empty);
    }
    if address.len() > URL_BYTES {
        return Err(AddressRefusal::TooLong { bytes: address.len() });
    }
    if address.trim().len() != address.len() {
        return Err(AddressRefusal::OuterWhitespace);
    }
    for c in address.chars() {
        if c.is_control() {
            return Err(AddressRefusal::ControlCharacter { code: u32::from(c) });
        }
        if is_hidden(c) {
            return Err(AddressRefusal::HiddenCharacter { code: u32::from(c) });
        }
    }
    Ok(())
}

/// Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9), line and
/// paragraph separators, and characters without width. The two joiners U+200C and U+200D stay:
/// words of several languages are not spelled right without them.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{00ad}'
            | '\u{061c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The scheme in lower case, and what follows its colon.
fn scheme(address: &str) -> Result<(String, &str), AddressRefusal> {
    let (scheme, rest) = address.split_once(':').ok_or(AddressRefusal::NoScheme)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if is_scheme { Ok((scheme.to_ascii_lowercase(), rest)) } else { Err(AddressRefusal::NoScheme) }
}

/// The rules about what stands between `//` and the path, looked at as it was typed: parsers
/// mend much of it silently, each in its own way.
fn authority(rest: &str) -> Result<(), AddressRefusal> {
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    if rest.split_at_checked(path_end).is_some_and(|(path, _)| path.contains('\\')) {
        return Err(AddressRefusal::Backslash);
    }
    let authority = rest.strip_prefix("//").ok_or(AddressRefusal::NoHost)?;
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(AddressRefusal::Credentials);
    }
    if authority.is_empty() {
        return Err(AddressRefusal::NoHost);
    }
    if !authority.is_ascii() || authority.contains('%') {
        let ascii = parse(&format!("https://{authority}"))?;
        let punycode = start(ascii.host_str().unwrap_or_default());
        return Err(AddressRefusal::HostNotAscii { punycode });
    }
    Ok(())
}

/// A name with an empty part, but for the dot that may end it, is nobody's name.
fn named(host: &Host) -> Result<(), AddressRefusal> {
    match host {
        Host::Domain(domain) => {
            let domain = domain.strip_suffix('.').unwrap_or(domain);
            if domain.split('.').any(str::is_empty) {
                return Err(AddressRefusal::NoHost);
            }
            Ok(())
        }
        Host::Ipv4(_) | Host::Ipv6(_) => Ok(()),
    }
}

fn parse(address: &str) -> Result<Url, AddressRefusal> {
    Url::parse(address).map_err(|source| AddressRefusal::Malformed { source })
}

/// The first [`REPEATED_BYTES`] of ASCII.
fn start(ascii: &str) -> String {
    ascii.chars().take(REPEATED_BYTES).collect()
}
