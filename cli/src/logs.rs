//! What the node logs, on standard error.
//!
//! Commands log nothing unless `HEARTH_LOG` asks for it (`HEARTH_LOG=hearth_node=debug`); `run` logs what matters.
//! Always true: no raw control character reaches the terminal, since field values may come from peers.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use crate::output::escape;

const VARIABLE: &str = "HEARTH_LOG";

/// Starts to log: what `HEARTH_LOG` says, else what `usual` says.
pub(crate) fn start(usual: &str) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(usual));
    // A second start changes nothing, and the first one's settings hold.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(|| Escaping(io::stderr()))
        .try_init();
}

/// Escapes what the formatter hands over: one whole line a call.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let end = if line.len() < text.len() { "\n" } else { "" };
        write!(self.0, "{}{end}", escape::line(line))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_name_cannot_steer_the_terminal() {
        let mut kept = Vec::new();
        let line = "peer=\u{1b}[2Jevil\nsecond\u{202e}\n";
        Escaping(&mut kept).write_all(line.as_bytes()).expect("memory takes it");
        assert_eq!(kept, b"peer=\\x1b[2Jevil\\nsecond\\u{202e}\n");
    }
}
