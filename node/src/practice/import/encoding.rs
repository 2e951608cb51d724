//! The bytes of a file as UTF-8, handed to the tokenizer piece by piece, with its lines counted.
//!
//! Old files are in windows-1252 and often say nothing, or the wrong thing, about it. Valid UTF-8
//! is UTF-8 whatever the file says. Otherwise the word of the file counts, if it names one of the
//! western encodings that browsers read as windows-1252; and without such a word, the evidence:
//! at least as many characters of several bytes as stray bytes make it UTF-8 with a few faults,
//! which become U+FFFD, and anything else windows-1252. A file in another encoding is refused,
//! since its titles would come out as nonsense and be signed as such.
//!
//! Always true: what comes out is valid UTF-8, and no copy of the file is made.

use std::cell::Cell;
use std::convert::Infallible;

use html5gum::Reader;

use super::ImportError;
use super::sniff::UTF8_MARK;

/// How far into a file it may say its encoding: twice what browsers look at.
const DECLARATION_BYTES: usize = 2048;
/// How much of a declared name is repeated in an error, in characters.
const NAME_CHARS: usize = 40;

/// Names under which windows-1252 is declared (WHATWG Encoding).
const WESTERN: [&str; 8] =
    ["ascii", "cp1252", "iso-8859-1", "iso8859-1", "latin1", "us-ascii", "windows-1252", "x-cp1252"];
/// Names under which UTF-8 is declared.
const UNICODE: [&str; 3] = ["utf-8", "utf8", "unicode-1-1-utf-8"];

/// The characters 0x80 to 0x9f of windows-1252; the five that it leaves open are U+FFFD.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}', //
    '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
];

/// How the bytes of a file stand for characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Windows1252,
}

impl Encoding {
    /// By the rules of this module.
    pub(super) fn of(bytes: &[u8]) -> Result<Encoding, ImportError> {
        if std::str::from_utf8(bytes).is_ok() {
            return Ok(Encoding::Utf8);
        }
        let (mut characters, mut strays) = (0usize, 0usize);
        for chunk in bytes.utf8_chunks() {
            if !chunk.invalid().is_empty() {
                strays += 1;
            }
            // Bytes that begin a character of several.
            characters += chunk.valid().bytes().filter(|byte| *byte >= 0xc0).count();
        }
        match declared(bytes) {
            Some(name) if WESTERN.contains(&name.as_str()) => Ok(Encoding::Windows1252),
            Some(name) if !UNICODE.contains(&name.as_str()) => Err(ImportError::Encoding { declared: name }),
            _ if characters >= strays => Ok(Encoding::Utf8),
            _ => Ok(Encoding::Windows1252),
        }
    }
}

/// What follows the first `charset=`, in lower case.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = bytes[..bytes.len().min(DECLARATION_BYTES)].to_ascii_lowercase();
    let at = head.windows(b"charset=".len()).position(|window| window == b"charset=")?;
    let name: String = head[at + b"charset=".len()..]
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(|c| matches!(c, '"' | '\'' | ' '))
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
        .take(NAME_CHARS)
        .collect();
    (!name.is_empty()).then_some(name)
}

/// A file on its way to the tokenizer.
#[derive(Debug)]
pub(super) struct Source<'a> {
    encoding: Encoding,
    /// Bytes that go out as they are.
    run: &'a [u8],
    /// What the character after `run` becomes, and how much of that is left.
    character: [u8; 4],
    left: std::ops::Range<usize>,
    /// What has not been looked at.
    rest: &'a [u8],
    /// The line of the byte that goes out next.
    line: &'a Cell<u32>,
    after_return: bool,
}

impl<'a> Source<'a> {
    /// The file from its first byte; `line` is kept up to date as it is read.
    pub(super) fn new(bytes: &'a [u8], encoding: Encoding, line: &'a Cell<u32>) -> Self {
        line.set(1);
        let rest = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
        Source { encoding, run: &[], character: [0; 4], left: 0..0, rest, line, after_return: false }
    }

    /// Whether there is anything more, made ready in `run` or `left`.
    fn ready(&mut self) -> bool {
        while self.run.is_empty() && self.left.is_empty() {
            if self.rest.is_empty() {
                return false;
            }
            let (run, character, width) = match self.encoding {
                Encoding::Utf8 => match self.rest.utf8_chunks().next() {
                    Some(chunk) => {
                        let invalid = chunk.invalid().len();
                        (chunk.valid().len(), (invalid > 0).then_some(char::REPLACEMENT_CHARACTER), invalid)
                    }
                    None => return false,
                },
                Encoding::Windows1252 => {
                    let run = self.rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(self.rest.len());
                    (run, self.rest.get(run).map(|byte| western(*byte)), 1)
                }
            };
            let (run, after) = self.rest.split_at(run);
            self.run = run;
            self.rest = after;
            if let Some(character) = character {
                self.left = 0..character.encode_utf8(&mut self.character).len();
                self.rest = &after[width..];
            }
        }
        true
    }

    /// Counts the lines that end in what goes out: at a line feed, or a carriage return that no
    /// line feed follows, as on old Macs.
    fn count(&mut self, bytes: &[u8]) {
        let mut line = self.line.get();
        for byte in bytes {
            let ends = *byte == b'\r' || (*byte == b'\n' && !self.after_return);
            line = line.saturating_add(u32::from(ends));
            self.after_return = *byte == b'\r';
        }
        self.line.set(line);
    }
}

fn western(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

impl Reader for Source<'_> {
    type Error = Infallible;

    fn read_byte(&mut self) -> Result<Option<u8>, Infallible> {
        if !self.ready() {
            return Ok(None);
        }
        if let Some((byte, run)) = self.run.split_first() {
            self.run = run;
            self.count(&[*byte]);
            return Ok(Some(*byte));
        }
        Ok(self.left.next().map(|at| self.character[at]))
    }

    fn try_read_string(&mut self, wanted: &[u8], case_sensitive: bool) -> Result<bool, Infallible> {
        // A wanted string is ASCII and without a line's end, so it can only lie within one run.
        if !self.ready() {
            return Ok(false);
        }
        let Some((found, run)) = self.run.split_at_checked(wanted.len()) else {
            return Ok(false);
        };
        let same = if case_sensitive { found == wanted } else { found.eq_ignore_ascii_case(wanted) };
        if same {
            self.run = run;
            self.after_return = false;
        }
        Ok(same)
    }

    fn read_until<'b>(&'b mut self, needle: &[u8], _: &'b mut [u8; 4]) -> Result<Option<&'b [u8]>, Infallible> {
        if !self.ready() {
            return Ok(None);
        }
        if self.run.is_empty() {
            // No needle is part of a character of several bytes.
            let left = std::mem::take(&mut self.left);
            return Ok(Some(&self.character[left]));
        }
        let end = self.run.iter().position(|byte| needle.contains(byte)).unwrap_or(self.run.len());
        let (out, run) = self.run.split_at(end.max(1));
        self.run = run;
        self.count(out);
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(bytes: &[u8], encoding: Encoding) -> (String, u32) {
        let line = Cell::new(0);
        let mut source = Source::new(bytes, encoding, &line);
        let mut out = Vec::new();
        while let Ok(Some(byte)) = source.read_byte() {
            out.push(byte);
        }
        let mut pieces = Vec::new();
        let mut source = Source::new(bytes, encoding, &line);
        while let Ok(Some(piece)) = source.read_until(b"<&\n", &mut [0; 4]) {
            pieces.extend_from_slice(piece);
        }
        assert_eq!(out, pieces, "both ways of reading give the same");
        (String::from_utf8(out).expect("what comes out is UTF-8"), line.get())
    }

    #[test]
    fn valid_utf8_is_utf8_whatever_the_file_says() {
        let bytes = "<meta charset=iso-8859-1> caf\u{e9} \u{1f980}".as_bytes();
        assert_eq!(Encoding::of(bytes), Ok(Encoding::Utf8));
        assert_eq!(through(bytes, Encoding::Utf8).0.as_bytes(), bytes);
    }

    #[test]
    fn the_mark_before_utf8_is_no_part_of_the_text() {
        assert_eq!(through(b"\xef\xbb\xbfa", Encoding::Utf8).0, "a");
    }

    #[test]
    fn a_declared_western_encoding_is_windows_1252() {
        let bytes = b"<META CONTENT='text/html; charset=ISO-8859-1'> caf\xe9 \x93x\x94 \x80\x81";
        assert_eq!(Encoding::of(bytes), Ok(Encoding::Windows1252));
        assert!(through(bytes, Encoding::Windows1252).0.ends_with("caf\u{e9} \u{201c}x\u{201d} \u{20ac}\u{fffd}"));
    }

    #[test]
    fn without_a_word_the_evidence_decides() {
        assert_eq!(Encoding::of(b"caf\xe9"), Ok(Encoding::Windows1252));
        assert_eq!(Encoding::of(b"charset=utf-8 caf\xe9"), Ok(Encoding::Windows1252));
        let faulty = b"caf\xc3\xa9 \xe2\x82\xac na\xc3\xafve \xff.";
        assert_eq!(Encoding::of(faulty), Ok(Encoding::Utf8));
        assert_eq!(through(faulty, Encoding::Utf8).0, "caf\u{e9} \u{20ac} na\u{ef}ve \u{fffd}.");
    }

    #[test]
    fn an_encoding_that_is_not_read_is_named() {
        let refused = Encoding::of(b"<meta charset=\"Shift_JIS\"> \x83\x65");
        assert_eq!(refused, Err(ImportError::Encoding { declared: "shift_jis".to_owned() }));
    }

    #[test]
    fn lines_end_in_each_of_the_three_ways() {
        for (bytes, line) in [(&b"a\nb\nc"[..], 3), (b"a\r\nb\r\nc", 3), (b"a\rb\rc", 3), (b"a\n\r\nb\r\r\nc", 5)] {
            assert_eq!(through(bytes, Encoding::Utf8).1, line, "{}", bytes.escape_ascii());
        }
    }
}
