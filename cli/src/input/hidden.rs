//! One line typed on a terminal that does not show it.
//!
//! Leaves to others: what the line means. Always true: the terminal is as it was before, however the typing ended;
//! what was typed is held in memory that is wiped.

use std::io::{self, IsTerminal as _, Write as _};

use zeroize::{Zeroize as _, Zeroizing};

use super::utf8;
use crate::error::Error;

/// What a key on the keyboard sends.
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const KILL_LINE: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Asks on standard error and reads from standard input; none where that is no terminal.
pub(super) fn line(question: &str, limit: usize) -> Result<Option<Zeroizing<String>>, Error> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let quiet = Quiet::begin().map_err(Error::Reading)?;
    // A closed standard error makes the question invisible, not impossible to answer.
    let _ = write!(io::stderr(), "{question}").and_then(|()| io::stderr().flush());
    let typed = typed(limit, next_byte);
    drop(quiet);
    let _ = writeln!(io::stderr());
    let mut bytes = typed?;
    utf8("passphrase", std::mem::take(&mut *bytes)).map(|text| Some(Zeroizing::new(text)))
}

/// Gathers one line from the bytes that the keyboard sends.
fn typed(limit: usize, mut next: impl FnMut() -> io::Result<Option<u8>>) -> Result<Zeroizing<Vec<u8>>, Error> {
    // With room for the longest line nothing is moved, and nothing left behind.
    let mut line = Zeroizing::new(Vec::with_capacity(limit + 1));
    loop {
        match next().map_err(Error::Reading)? {
            Some(b'\n' | b'\r') => return Ok(line),
            None | Some(END) if !line.is_empty() => return Ok(line),
            None | Some(END | INTERRUPT) => return Err(Error::NoPassphrase),
            Some(BACKSPACE | DELETE) => take_back(&mut line),
            Some(KILL_LINE) => line.zeroize(),
            Some(_) if line.len() > limit => {
                return Err(Error::TooLong { what: "passphrase", limit: limit as u64 });
            }
            Some(byte) => line.push(byte),
        }
    }
}

/// Takes the last letter away, however many bytes it has.
fn take_back(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        if byte & 0b1100_0000 != 0b1000_0000 {
            return;
        }
    }
}

#[cfg(unix)]
use unix::{Quiet, next_byte};

#[cfg(unix)]
mod unix {
    use std::io;

    use rustix::{
        io::{Errno, read},
        stdio::stdin,
        termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
    };
    use zeroize::Zeroizing;

    /// The terminal while it shows nothing; as before when dropped.
    pub(super) struct Quiet {
        before: Termios,
    }

    impl Quiet {
        /// Ctrl-C comes as a byte too, so that it cannot end the program while the terminal is quiet.
        pub(super) fn begin() -> io::Result<Quiet> {
            let before = tcgetattr(stdin())?;
            let mut quiet = before.clone();
            quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
            quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
            quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(stdin(), OptionalActions::Now, &quiet)?;
            Ok(Quiet { before })
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            // Where the terminal is gone, there is nothing to put back.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        }
    }

    /// One byte past all buffers, where it would stay; none at the end.
    pub(super) fn next_byte() -> io::Result<Option<u8>> {
        let mut byte = Zeroizing::new([0]);
        loop {
            match read(stdin(), byte.as_mut_slice()) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(not(unix))]
struct Quiet;

#[cfg(not(unix))]
impl Quiet {
    fn begin() -> io::Result<Quiet> {
        Err(io::Error::other("this system has no terminal that can be made quiet"))
    }
}

#[cfg(not(unix))]
fn next_byte() -> io::Result<Option<u8>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[u8]) -> Result<Vec<u8>, Error> {
        let mut keys = keys.iter().copied();
        typed(8, || Ok(keys.next())).map(|line| line.to_vec())
    }

    #[test]
    fn a_line_ends_with_enter_and_may_be_mended() {
        for (keys, line) in [
            (&b"beans\n"[..], &b"beans"[..]),
            (b"beans\rmore", b"beans"),
            (b"beand\x7fs\n", b"beans"),
            ("bü\u{8}eans\n".as_bytes(), b"beans"),
            (b"\x7f\x7fbeans\n", b"beans"),
            (b"peas\x15beans\n", b"beans"),
            (b"beans\x04", b"beans"),
            (b"beans", b"beans"),
            (b"\n", b""),
        ] {
            assert_eq!(read(keys).expect("it is a line"), line, "{keys:?}");
        }
    }

    #[test]
    fn nothing_is_typed_where_it_is_broken_off() {
        for keys in [&b""[..], b"\x04", b"\x03", b"bea\x03ns\n"] {
            let error = read(keys).expect_err("it was broken off");
            assert_eq!((error.reason(), error.exit_code()), ("no_passphrase", 1), "{keys:?}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        assert_eq!(read(b"12345678\n").expect("it is at the limit").len(), 8);
        let error = read(&[b'x'; 100]).expect_err("it is over the limit");
        assert!(matches!(error, Error::TooLong { limit: 8, .. }));
    }
}
