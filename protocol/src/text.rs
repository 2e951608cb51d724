//! Text of bounded length.
//!
//! Authors write Unicode's NFC, except in addresses; receivers accept any valid UTF-8 (9.1).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Visitor};
use unicode_normalization::UnicodeNormalization as _;

/// At most `MAX` bytes of UTF-8; a CBOR text string.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// Why a text that somebody here wrote is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextRefusal {
    /// Longer than the bound.
    #[error("{found} bytes long; at most {most} are allowed")]
    TooLong {
        /// The bound, in bytes.
        most: usize,
        /// Its length, in bytes.
        found: usize,
    },
    /// A control character other than line feed and tab.
    #[error("holds the control character U+{code:04X} at byte {at}")]
    Control {
        /// The character.
        code: u32,
        /// Where it stands.
        at: usize,
    },
    /// Nothing, or white space only.
    #[error("is empty")]
    Empty,
}

impl<const MAX: usize> Text<MAX> {
    /// What an author wrote: NFC, line ends as line feeds, no control characters but line feed
    /// and tab.
    ///
    /// # Errors
    /// [`TextRefusal`] when it is too long or holds a control character.
    pub fn written(text: &str) -> Result<Self, TextRefusal> {
        let text: String = text.replace("\r\n", "\n").nfc().collect();
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(TextRefusal::Control { code: u32::from(c), at });
        }
        Text::exact(text)
    }

    /// What an author wrote on one line: as [`Text::written`], trimmed, not empty, no line feed.
    ///
    /// # Errors
    /// [`TextRefusal`] when it is too long, empty or holds a control character.
    pub fn line(text: &str) -> Result<Self, TextRefusal> {
        let text = Text::written(text.trim())?;
        if text.0.is_empty() {
            return Err(TextRefusal::Empty);
        }
        if let Some((at, c)) = text.0.char_indices().find(|(_, c)| c.is_control()) {
            return Err(TextRefusal::Control { code: u32::from(c), at });
        }
        Ok(text)
    }

    /// These very bytes, whatever they hold.
    ///
    /// # Errors
    /// [`TextRefusal::TooLong`].
    pub fn exact(text: String) -> Result<Self, TextRefusal> {
        if text.len() > MAX {
            return Err(TextRefusal::TooLong { most: MAX, found: text.len() });
        }
        Ok(Text(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<const MAX: usize>;
        impl<const MAX: usize> Visitor<'_> for Bounded<MAX> {
            type Value = Text<MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "text of at most {MAX} bytes")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<MAX>, E> {
                Text::exact(text.to_owned()).map_err(E::custom)
            }
            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Text<MAX>, E> {
                Text::exact(text).map_err(E::custom)
            }
        }
        // Not `deserialize_str`: ciborium reads that into a scratch space of 4 KiB.
        deserializer.deserialize_string(Bounded)
    }
}
