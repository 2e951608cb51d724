//! What people paste: a prefix that says what it is, base32 (RFC 4648, lower case, no padding), and
//! four bytes at its end by which a letter typed wrong is found.
//!
//! A link `hearth:` before it carries the same; white space and capitals are forgiven. Leaves to
//! others: what the bytes mean ([`crate::invite`], [`crate::pairing`]).

use data_encoding::BASE32_NOPAD;

use crate::{
    epoch::first,
    id::{Context, hash},
    limits,
};

/// What a link begins with.
pub const SCHEME: &str = "hearth:";

/// Why a pasted text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PastedRefusal {
    /// It does not begin as it should, or has characters that no such text has.
    #[error("it begins otherwise, or has other characters than the letters a-z and the digits 1-7")]
    Other,
    /// Longer than any.
    #[error("{found} characters are more than it can have")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// The check at its end does not fit: a wrong letter, or an end that is missing.
    #[error("it is damaged: a letter is wrong or its end is missing")]
    Damaged,
}

/// The text to paste.
#[must_use]
pub fn to_text(prefix: &str, check: Context, bytes: &[u8]) -> String {
    let checked = [bytes, &check_bytes(check, bytes)].concat();
    format!("{prefix}{}", BASE32_NOPAD.encode(&checked).to_lowercase())
}

/// The same as a link, in capitals: a QR code needs fewer modules for those.
#[must_use]
pub fn to_link(text: &str) -> String {
    format!("{SCHEME}{text}").to_ascii_uppercase()
}

/// The bytes of a pasted text or link.
///
/// # Errors
/// [`PastedRefusal`].
pub fn from_text(prefix: &str, check: Context, text: &str) -> Result<Vec<u8>, PastedRefusal> {
    if text.len() > limits::INVITE_KEY_CHARS {
        return Err(PastedRefusal::TooLong { found: text.len() });
    }
    let text: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
    let text = text.strip_prefix(&SCHEME.to_ascii_uppercase()).unwrap_or(&text);
    let coded = text.strip_prefix(&prefix.to_ascii_uppercase()).ok_or(PastedRefusal::Other)?;
    if !coded.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)) {
        return Err(PastedRefusal::Other);
    }
    let mut bytes = BASE32_NOPAD.decode(coded.as_bytes()).map_err(|_| PastedRefusal::Damaged)?;
    let (packed, found) = bytes.split_last_chunk::<4>().ok_or(PastedRefusal::Damaged)?;
    if *found != check_bytes(check, packed) {
        return Err(PastedRefusal::Damaged);
    }
    bytes.truncate(bytes.len().saturating_sub(4));
    Ok(bytes)
}

fn check_bytes(check: Context, bytes: &[u8]) -> [u8; 4] {
    first(&hash(check, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_its_link_carry_the_same_bytes() {
        let text = to_text("hearth1", Context::INVITE_CHECK, b"some bytes");
        for form in [text.clone(), to_link(&text), format!("hearth:{text}"), format!(" {}\n", text.to_uppercase())] {
            assert_eq!(from_text("hearth1", Context::INVITE_CHECK, &form).unwrap(), b"some bytes", "{form}");
        }
        assert_eq!(from_text("hearth2", Context::INVITE_CHECK, &text), Err(PastedRefusal::Other));
        assert_eq!(from_text("hearth1", Context::PAIR_CHECK, &text), Err(PastedRefusal::Damaged));
        assert_eq!(from_text("hearth1", Context::INVITE_CHECK, "hearth1"), Err(PastedRefusal::Damaged));
    }
}
