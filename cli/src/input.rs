//! What comes in from outside the arguments: piped text, typed answers, files. All of it bounded.
//!
//! Always true: nothing longer than its bound is held in memory, and text is whole UTF-8 that is not blank; what is
//! secret is not shown where it is typed, but for the words, which nobody types right unseen.

mod hidden;

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

use hearth_node::Passphrase;
use hearth_node::home::PASSPHRASE_BYTES;
use zeroize::Zeroizing;

use crate::commands::init::Words;
use crate::error::Error;
use crate::output::Output;

/// Text of one item: what the node takes. Real newsletters have 20 to 60 KB.
pub(crate) const TEXT_BYTES: u64 = 200 * 1024;
/// An invite key has 3,000 characters at the most; the rest is for the line breaks of a letter that carried it.
const KEY_BYTES: u64 = 4 * 1024;
/// A bookmark file: what the node takes.
pub(crate) const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// One answer typed at a question.
const ANSWER_BYTES: u64 = 256;

/// 24 words, with their numbers and some air between them.
const SECRET_BYTES: u64 = 2 * 1024;

/// Asks for standard input instead of an argument.
const STDIN: &str = "-";

/// The text of an item: as typed, or from standard input for `-` and where nothing was typed but something is piped in.
pub(crate) fn text(typed: Option<String>) -> Result<String, Error> {
    const WHAT: &str = "text";
    let stdin = io::stdin();
    let typed = or_piped(WHAT, typed, || !stdin.is_terminal())?;
    given(WHAT, TEXT_BYTES, typed, &mut stdin.lock())
}

/// A pairing code, typed at a question or piped in.
pub(crate) fn pairing_code(from: Words, out: &mut Output) -> Result<Zeroizing<String>, Error> {
    secret(from, "pairing code", "Paste the pairing code: ", out)
}

/// An invite key, as typed, piped in, or asked for on a terminal: so that it is in no history. Blanks around it are cut off.
pub(crate) fn key(typed: Option<String>, out: &mut Output) -> Result<String, Error> {
    const WHAT: &str = "invite key";
    let stdin = io::stdin();
    let typed = if typed.is_none() && stdin.is_terminal() {
        out.prompt("Paste the invite key: ");
        line(&mut stdin.lock(), WHAT, KEY_BYTES)?
    } else {
        or_piped(WHAT, typed, || true)?
    };
    let key = given(WHAT, KEY_BYTES, typed, &mut stdin.lock())?;
    Ok(key.trim().to_owned())
}

/// A passphrase typed unseen after a question on standard error; none where there is no terminal.
pub(crate) fn passphrase(question: &str) -> Result<Option<Passphrase>, Error> {
    let typed = hidden::line(question, PASSPHRASE_BYTES)?;
    Ok(typed.map(|typed| Passphrase::new(&typed)).transpose()?)
}

/// The passphrase that a file holds: its one line, without the end of the line.
pub(crate) fn passphrase_in(path: &Path) -> Result<Passphrase, Error> {
    let unreadable = |source| Error::File { path: path.to_owned(), source };
    // With room for the longest one nothing is moved, and nothing left behind.
    let mut bytes = Zeroizing::new(vec![0; PASSPHRASE_BYTES + 2]);
    let mut filled = 0;
    let mut file = File::open(path).map_err(unreadable)?;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    let text = str::from_utf8(&bytes[..filled])
        .map_err(|error| Error::NotText { what: "passphrase", at: error.valid_up_to() + 1 })?;
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Passphrase::new(line)?)
}

/// The 24 words: from standard input, or typed after a question.
pub(crate) fn words(from: Words, out: &mut Output) -> Result<Zeroizing<String>, Error> {
    secret(from, "list of the 24 words", "The 24 words, in their order: ", out)
}

fn secret(from: Words, what: &'static str, question: &str, out: &mut Output) -> Result<Zeroizing<String>, Error> {
    let stdin = io::stdin();
    let typed = match from {
        Words::Piped => STDIN.to_owned(),
        Words::Asked if stdin.is_terminal() => {
            out.prompt(question);
            line(&mut stdin.lock(), what, SECRET_BYTES)?
        }
        Words::Asked => return Err(Error::NoInput { what }),
    };
    given(what, SECRET_BYTES, typed, &mut stdin.lock()).map(Zeroizing::new)
}

/// One line typed after a question on standard error.
pub(crate) fn answer(question: &str, out: &mut Output) -> Result<String, Error> {
    const WHAT: &str = "answer";
    out.prompt(question);
    let answer = line(&mut io::stdin().lock(), WHAT, ANSWER_BYTES)?;
    filled(WHAT, ANSWER_BYTES, answer).map(|answer| answer.trim().to_owned())
}

/// A whole file of at most [`FILE_BYTES`].
pub(crate) fn file(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::File { path: path.to_owned(), source };
    let opened = File::open(path).map_err(unreadable)?;
    let bytes = at_most(FILE_BYTES, opened).map_err(unreadable)?;
    bytes.ok_or_else(|| Error::FileTooLong { path: path.to_owned(), limit: FILE_BYTES })
}

/// What was typed; where nothing was, a dash if something is piped in.
fn or_piped(what: &'static str, typed: Option<String>, is_piped: impl FnOnce() -> bool) -> Result<String, Error> {
    typed.or_else(|| is_piped().then(|| STDIN.to_owned())).ok_or(Error::NoInput { what })
}

/// The typed text, or what `stdin` holds where a dash was typed.
fn given(what: &'static str, limit: u64, typed: String, stdin: &mut impl Read) -> Result<String, Error> {
    if typed != STDIN {
        return filled(what, limit, typed);
    }
    let bytes = at_most(limit, stdin).map_err(Error::Reading)?;
    let bytes = bytes.ok_or(Error::TooLong { what, limit })?;
    filled(what, limit, utf8(what, bytes)?)
}

fn utf8(what: &'static str, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| Error::NotText { what, at: error.utf8_error().valid_up_to() + 1 })
}

fn filled(what: &'static str, limit: u64, text: String) -> Result<String, Error> {
    if text.len() as u64 > limit {
        return Err(Error::TooLong { what, limit });
    }
    if text.trim().is_empty() {
        return Err(Error::EmptyInput { what });
    }
    Ok(text)
}

/// Everything there is to read, or nothing where it is more than `limit` bytes.
fn at_most(limit: u64, from: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn line(from: &mut impl BufRead, what: &'static str, limit: u64) -> Result<String, Error> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_until(b'\n', &mut bytes).map_err(Error::Reading)?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLong { what, limit });
    }
    utf8(what, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: Option<&str>, piped: &[u8]) -> Result<String, Error> {
        let typed = or_piped("text", typed.map(str::to_owned), || true)?;
        given("text", 8, typed, &mut &piped[..])
    }

    #[test]
    fn typed_text_wins_over_piped_text() {
        assert_eq!(read(Some("typed"), b"piped").expect("both are fine"), "typed");
    }

    #[test]
    fn piped_text_is_read_for_a_dash_and_for_nothing() {
        assert_eq!(read(Some("-"), b"piped\n").expect("it is fine"), "piped\n");
        assert_eq!(read(None, b"piped\n").expect("it is fine"), "piped\n");
    }

    #[test]
    fn nothing_typed_on_a_terminal_is_typed_wrong() {
        let error = or_piped("text", None, || false).expect_err("nothing is there");
        assert!(matches!(error, Error::NoInput { .. }));
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn text_may_reach_its_limit_and_not_pass_it() {
        assert_eq!(read(None, b"12345678").expect("it is at the limit").len(), 8);
        for error in [read(None, b"123456789"), read(Some("123456789"), b"")] {
            let error = error.expect_err("it is over the limit");
            assert!(matches!(error, Error::TooLong { limit: 8, .. }));
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn an_endless_pipe_is_not_read_to_its_end() {
        let error = given("text", 8, STDIN.to_owned(), &mut io::repeat(b'x'));
        assert!(matches!(error, Err(Error::TooLong { .. })));
    }

    #[test]
    fn blank_text_is_empty() {
        assert!(matches!(read(None, b" \n\t"), Err(Error::EmptyInput { .. })));
        assert!(matches!(read(None, b""), Err(Error::EmptyInput { .. })));
        assert!(matches!(read(Some(""), b"piped"), Err(Error::EmptyInput { .. })));
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_the_first() {
        let error = read(None, b"ab\xffcd").expect_err("it is not UTF-8");
        assert!(matches!(error, Error::NotText { at: 3, .. }));
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn one_line_is_taken_and_a_long_one_refused() {
        let taken = line(&mut &b"one\ntwo\n"[..], "answer", 8).expect("it is short");
        assert_eq!(taken, "one\n");
        let error = line(&mut &b"123456789\n"[..], "answer", 8);
        assert!(matches!(error, Err(Error::TooLong { .. })));
    }

    #[test]
    fn the_one_line_of_a_file_is_the_passphrase() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("passphrase");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("the folder is ours");
            passphrase_in(&path)
        };
        let expected = Passphrase::new("nine beans").expect("it is one");
        for bytes in [&b"nine beans"[..], b"nine beans\n", b"nine beans\r\n"] {
            assert_eq!(read(bytes).expect("it holds one"), expected);
        }
        assert_ne!(read(b" nine beans\n").expect("it holds one"), expected, "a blank counts");
        assert!(read(&[b'x'; PASSPHRASE_BYTES]).is_ok());
        for (bytes, reason) in [
            (&b""[..], "bad_passphrase"),
            (b"\n", "bad_passphrase"),
            (b"nine\nbeans\n", "bad_passphrase"),
            (&[b'x'; PASSPHRASE_BYTES + 1], "bad_passphrase"),
            (&[b'x'; 64 * 1024], "bad_passphrase"),
            (b"nine \xff", "not_text"),
        ] {
            let error = read(bytes).expect_err("it holds none");
            assert_eq!((error.reason(), error.exit_code()), (reason, 2));
        }
        let missing = passphrase_in(Path::new("/nowhere/passphrase")).expect_err("it is not there");
        assert_eq!((missing.reason(), missing.exit_code()), ("file_unreadable", 1));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = file(Path::new("/nowhere/bookmarks.html")).expect_err("it is not there");
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().starts_with("/nowhere/bookmarks.html could not be read"));
    }
}
