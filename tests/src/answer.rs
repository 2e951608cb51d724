//! One command run to its end, and what it said.
//!
//! Leaves to others: which command (`process`). Always true: it ends within a limit or the test fails, and whoever
//! asks for what it did not say is shown all that it said.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that one command may take; an import of a whole collection is the longest of them.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Answer {
    asked: String,
    code: Option<i32>,
    output: String,
    errors: String,
}

impl Answer {
    /// The exit code; none when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    /// Its standard output.
    #[must_use]
    pub fn output(&self) -> &str {
        &self.output
    }

    /// Its standard error.
    #[must_use]
    pub fn errors(&self) -> &str {
        &self.errors
    }

    /// The lines of its output as JSON, of a command that was done (exit code 0).
    ///
    /// # Panics
    ///
    /// When it was not done, or a line is no JSON.
    #[track_caller]
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        assert_eq!(self.code, Some(0), "{self}");
        let parsed = self.output.lines().map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// The one object that a command printed.
    ///
    /// # Panics
    ///
    /// When it was not done, or printed anything but one object.
    #[track_caller]
    #[must_use]
    pub fn one(&self) -> Value {
        let mut lines = self.lines();
        match lines.pop() {
            Some(line) if lines.is_empty() && line.is_object() => line,
            _ => panic!("not one object: {self}"),
        }
    }

    /// The text that the one object holds under `key`.
    ///
    /// # Panics
    ///
    /// As [`Answer::one`], and when there is no such text.
    #[track_caller]
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        match self.one()[key].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no text `{key}`: {self}"),
        }
    }

    /// The object on standard error of a command that ended with `code`: `error`, `reason` and `hint`, none empty.
    ///
    /// # Panics
    ///
    /// When it ended otherwise, or said something else.
    #[track_caller]
    #[must_use]
    pub fn refusal(&self, code: i32) -> Refusal {
        assert_eq!(self.code, Some(code), "{self}");
        assert_eq!(self.output, "", "nothing is printed when nothing was done: {self}");
        let said: Value = serde_json::from_str(self.errors.trim_end())
            .unwrap_or_else(|error| panic!("not one JSON object on standard error ({error}): {self}"));
        let part = |key: &str| match said[key].as_str() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => panic!("no `{key}`: {self}"),
        };
        Refusal { error: part("error"), reason: part("reason"), hint: part("hint") }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "`{}` ended with {:?}", self.asked, self.code)?;
        writeln!(f, "--- output:\n{}", last(&self.output))?;
        write!(f, "--- errors:\n{}", last(&self.errors))
    }
}

/// How a command said no.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// What and why.
    pub error: String,
    /// The name of it.
    pub reason: String,
    /// What can be typed next.
    pub hint: String,
}

/// Runs `command` to its end with `input` on its standard input.
///
/// # Panics
///
/// When it cannot be started, or does not end in time.
pub fn answer(mut command: Command, input: &[u8]) -> Answer {
    let asked = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {asked}: {error}"));
    let mut stdin = child.stdin.take().expect("it was asked for above");
    let given = input.to_vec();
    // A command that does not read its input to the end closes the pipe: not our fault, nor its own.
    let writer = thread::spawn(move || drop(stdin.write_all(&given)));
    let output = read_all(child.stdout.take().expect("it was asked for above"));
    let errors = read_all(child.stderr.take().expect("it was asked for above"));
    let end = Instant::now() + COMMAND_LIMIT;
    let mut take = |from: Receiver<Vec<u8>>| match from.recv_timeout(end.saturating_duration_since(Instant::now())) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => {
            // It fails only where the child has ended already.
            let _ = child.kill();
            panic!("{asked} did not end within {COMMAND_LIMIT:?}");
        }
    };
    let (output, errors) = (take(output), take(errors));
    let status = child.wait().expect("the child is ours");
    writer.join().expect("writing to a pipe does not panic");
    Answer { asked, code: status.code(), output, errors }
}

/// Reads to the end on a thread of its own, so that neither pipe can fill up and hold the child.
fn read_all(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (to, bytes) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut all = Vec::new();
        // What was read before an error is still worth showing; nobody listens any more after the limit.
        let _ = from.read_to_end(&mut all);
        let _ = to.send(all);
    });
    bytes
}

/// The end of a long text.
pub(crate) fn last(text: &str) -> &str {
    const SHOWN: usize = 4_000;
    let mut start = text.len().saturating_sub(SHOWN);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_gives_its_output_its_errors_and_its_code() {
        let answer = answer(shell("cat; echo no >&2; exit 3"), b"given");
        assert_eq!(answer.code(), Some(3));
        assert_eq!(answer.output(), "given");
        assert_eq!(answer.errors(), "no\n");
    }

    #[test]
    fn a_refusal_has_its_three_parts() {
        let said = r#"echo '{"error":"what","reason":"named","hint":"type"}' >&2; exit 3"#;
        let refusal = answer(shell(said), b"").refusal(3);
        assert_eq!(refusal.reason, "named");
    }

    #[test]
    #[should_panic(expected = "no `hint`")]
    fn a_refusal_without_a_hint_is_none() {
        let said = r#"echo '{"error":"what","reason":"named","hint":""}' >&2; exit 3"#;
        let _ = answer(shell(said), b"").refusal(3);
    }

    #[test]
    fn a_long_text_is_shown_from_its_end() {
        let text = "ä".repeat(4_000) + "end";
        assert!(last(&text).ends_with("end"));
        assert!(last(&text).len() <= 4_000);
    }
}
