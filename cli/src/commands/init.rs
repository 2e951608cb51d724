//! `hearth init`: makes a home. Without flags it asks nothing.

use hearth_node::HomeError;
use hearth_node::pair::PairingCode;
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::home;
use crate::input;
use crate::output::{Output, escape, layout};
use crate::request::{LONG_PATIENCE, Request};
use crate::session::Session;
use crate::view;

/// Make a home: an identity, a device and your own space `mine`
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// What others see as your name [default: your login name]
    #[arg(long, value_parser = crate::args::filled)]
    name: Option<String>,
    /// Seal the keys with a passphrase: it is asked for twice, or taken from --passphrase-file
    #[arg(long)]
    passphrase: bool,
    /// Come back as the person of the 24 words: they are asked for, or with `-` read from standard input
    #[arg(long, value_name = "-", num_args = 0..=1, default_missing_value = "", value_parser = Words::typed)]
    pub(crate) words: Option<Words>,
    /// Only if a key was changed after a theft: the number that `hearth device list` showed
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        requires = "words",
        value_parser = clap::value_parser!(u8).range(0..=7)
    )]
    pub(crate) rung: u8,
    /// Become one more device of yours: paste the code of `hearth device add`, or with `-` read it from standard input
    #[arg(
        long,
        value_name = "-",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = Words::typed,
        conflicts_with_all = ["words", "name"]
    )]
    pub(crate) pair: Option<Words>,
}

/// Where the 24 words come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// Typed at a question.
    Asked,
    /// From standard input.
    Piped,
}

impl Words {
    pub(crate) fn typed(typed: &str) -> Result<Words, &'static str> {
        match typed {
            "" => Ok(Words::Asked),
            "-" => Ok(Words::Piped),
            _ => Err("a secret is no argument, which other programs see: leave it out to be asked, or give -"),
        }
    }
}

#[derive(Deserialize)]
struct Made {
    person: String,
    device: String,
    name: String,
}

impl Init {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        if session.home().exists() {
            // Before anything is asked for.
            return Err(HomeError::Exists { path: session.home().path().display().to_string() }.into());
        }
        if let Some(from) = self.pair {
            return pair(from, self.passphrase, session, out).await;
        }
        let name = self.name.unwrap_or_else(home::login_name);
        let words = self.words.map(|from| input::words(from, out)).transpose()?;
        // Whoever names a file with a passphrase wants it used.
        let sealed = self.passphrase || session.unlock().file().is_some();
        if sealed {
            session.unlock().choose()?;
        }
        session.make_home(&name, words.as_deref().map(|words| (words.as_str(), self.rung)))?;
        let status = session.ask(Request::get(&["status"])).await?;
        let made: Made = view::read(&status)?;
        let answer = json!({ "person": made.person, "device": made.device, "name": made.name });
        let (path, width) = (session.home().path().display().to_string(), out.width());
        let (title, first) = match words {
            None => ("Made a home.", WRITE_DOWN),
            Some(_) => ("Made a home for the person of these words, on a new device.", TAKE_OFF),
        };
        let seal = (!sealed).then_some(SEAL);
        out.tell(&answer, || {
            let pairs = [("name", made.name), ("person", made.person), ("device", made.device), ("home", path)];
            Ok(format!("{title}\n\n{}\n\n{}", layout::pairs(pairs, width), next(first, seal)))
        })
    }
}

/// Becomes one more device of a person, and fetches what the other one has.
async fn pair(from: Words, sealed: bool, session: &mut Session, out: &mut Output) -> Result<(), Error> {
    let code = PairingCode::from_text(&input::pairing_code(from, out)?)?;
    if sealed || session.unlock().file().is_some() {
        session.unlock().choose()?;
    }
    let shown = out.progress().start("asking your other device");
    let paired = session.pair_home(&code).await;
    drop(shown);
    paired?;
    let shown = out.progress().start("fetching what your other device has");
    for address in hearth_node::pair::addresses(&code) {
        session.ask(Request::post(&["peers"], json!({ "addr": address }))?).await?;
    }
    // The own space names the communities; then those come.
    for _ in 0..2 {
        session.ask(Request::post(&["sync"], json!({}))?.patient(LONG_PATIENCE)).await?;
    }
    drop(shown);
    let status = session.ask(Request::get(&["status"])).await?;
    let made: Made = view::read(&status)?;
    let answer = json!({ "person": made.person, "device": made.device, "name": made.name });
    let (path, width) = (session.home().path().display().to_string(), out.width());
    out.tell(&answer, || {
        let pairs = [("name", made.name.clone()), ("person", made.person), ("device", made.device), ("home", path)];
        Ok(format!(
            "This device is one of {}'s now.\n\n{}\n\nWhat came along: hearth list\nRun it:          hearth run",
            escape::line(&made.name),
            layout::pairs(pairs, width)
        ))
    })
}

/// What is good for what, and what to type for it.
type Step = (&'static str, &'static str);

const WRITE_DOWN: Step = ("Write down the 24 words that bring you back:", "hearth words");
const TAKE_OFF: Step = ("Take the words off this device again:", "hearth words --written");
const SEAL: Step = ("Encrypt the keys on this disk:", "hearth passphrase set");
const ALWAYS: [Step; 3] = [
    ("Keep something:", "hearth bookmark URL -t TAG"),
    ("Bring your bookmarks:", "hearth import bookmarks.html"),
    ("Join a community:", "hearth join KEY"),
];

/// What to type next.
fn next(first: Step, seal: Option<Step>) -> String {
    let steps = [first].into_iter().chain(seal).chain(ALWAYS);
    let lines: Vec<String> = steps.map(|(what, command)| format!("{what:<44} {command}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_next_stands_in_two_columns() {
        let said = next(WRITE_DOWN, Some(SEAL));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "Write down the 24 words that bring you back: hearth words");
        assert_eq!(lines[1], "Encrypt the keys on this disk:               hearth passphrase set");
        assert!(!next(TAKE_OFF, None).contains("passphrase"));
    }
}
