//! A first look at a file: what is plainly no bookmark file is refused before it is read.
//!
//! Leaves to the reader of a format: telling a bookmark file from any other page, which its marks
//! show only once it is read.

use super::ImportError;

/// How much of a file is looked at, in bytes: several times what stands before the first link.
const GLANCE_BYTES: usize = 4096;
/// The mark that some programs put before UTF-8.
pub(super) const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// The same before UTF-16, in both orders.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// What a file that is no bookmark file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    /// Nothing, or white space only.
    #[error("it is empty")]
    Nothing,
    /// Bytes that are no text.
    #[error("it is not text")]
    Binary,
    /// Text in UTF-16.
    #[error("it is text in utf-16; save it as utf-8 first")]
    Utf16,
    /// JSON.
    #[error("it looks like json, of which no format is read yet")]
    Json,
    /// Values between commas, semicolons or tabs.
    #[error("it looks like a table, of which no format is read yet")]
    Table,
    /// Some page, feed or other document.
    #[error("it looks like html or xml, but not like a list of bookmarks")]
    Markup,
    /// Anything else.
    #[error("it looks like plain text")]
    Text,
}

/// Refuses what cannot hold a bookmark in any format that is read.
pub(super) fn glance(bytes: &[u8]) -> Result<(), ImportError> {
    let refused = |found| Err(ImportError::Unrecognised { found });
    let head = &bytes[..bytes.len().min(GLANCE_BYTES)];
    if UTF16_MARKS.iter().any(|mark| head.starts_with(mark)) {
        return refused(Found::Utf16);
    }
    let head = head.strip_prefix(UTF8_MARK).unwrap_or(head).trim_ascii_start();
    let Some(first) = head.first() else {
        let rest = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
        return if rest.trim_ascii_start().is_empty() { refused(Found::Nothing) } else { Ok(()) };
    };
    if head.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace() && *byte != 0x1b) {
        return refused(Found::Binary);
    }
    if matches!(first, b'{' | b'[') {
        return refused(Found::Json);
    }
    if !head.contains(&b'<') {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_table = [b',', b';', b'\t'].iter().any(|gap| line.contains(gap));
        return refused(if is_table { Found::Table } else { Found::Text });
    }
    Ok(())
}
