//! Why a command did not do what it was asked, as one clear line, a name for scripts, a hint and an exit code.
//!
//! What the node refuses comes through as the node said it. Always true: every error has a reason in snake_case and
//! an exit code of 1 (could not), 2 (typed wrong) or 3 (refused by a policy).

use std::io;
use std::path::PathBuf;

use hearth_node::pair::{PairError, PairingCodeRefusal};
use hearth_node::{HomeError, NodeError, StartError};
use serde_json::{Value, json};

/// The node's reasons for not starting that the person can only mend by typing something else.
const TYPED_WRONG: [&str; 6] =
    ["bad_address", "bad_name", "bad_passphrase", "bad_rung", "bad_words", "wrong_passphrase"];

const COULD_NOT: u8 = 1;
const TYPED: u8 = 2;
const REFUSED: u8 = 3;

/// What keeps a command from its answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// clap could not make sense of the arguments.
    #[error("{line}")]
    Arguments {
        /// One line for `--json`.
        line: String,
        /// What to type next.
        hint: String,
        /// Everything clap says, for people.
        rendered: String,
    },
    /// The node understood and said no.
    #[error("{error}")]
    Answered {
        /// The HTTP status, which decides the exit code.
        status: u16,
        /// What was refused and why.
        error: String,
        /// The refusal's name.
        reason: String,
        /// What the person can do.
        hint: String,
    },
    /// The home folder is not as it should be.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The pasted text is no pairing code.
    #[error(transparent)]
    PairingCode(#[from] PairingCodeRefusal),
    /// No other device has taken this one.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The node could not be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node stopped with an error.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The demo could not go on.
    #[error("{line}")]
    Demo {
        /// What failed.
        line: String,
        /// Its name.
        reason: &'static str,
        /// What to do.
        hint: String,
    },
    /// There is no home where one was looked for.
    #[error("there is no home in {}", path.display())]
    NoHome {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The platform names no data folder.
    #[error("this system names no folder for data, so there is nowhere to look for a home")]
    NoDataFolder,
    /// Another command did not give the home back in time.
    #[error("the home is in use by {holder} (process {pid})")]
    Held {
        /// What the lock says of its owner.
        holder: String,
        /// The owner's process.
        pid: u32,
    },
    /// A node owns the home but serves no API yet.
    #[error("the node of this home (process {pid}) is starting and does not answer yet")]
    Starting {
        /// The node's process.
        pid: u32,
    },
    /// A node owns the home and its API cannot be reached.
    #[error("the node of this home (process {pid}) does not answer at {api}")]
    Unreachable {
        /// The node's process.
        pid: u32,
        /// Where it should answer.
        api: String,
        /// What the socket said.
        #[source]
        source: io::Error,
    },
    /// `run` where a node runs.
    #[error("a node already runs in this home: process {pid}, {}", address(api.as_deref()))]
    AlreadyRuns {
        /// The running node's process.
        pid: u32,
        /// Where it answers, once it does.
        api: Option<String>,
    },
    /// Who answers is not this home's device. The token was not sent.
    #[error("what answers at {api} is not the node of this home")]
    ForeignNode {
        /// The address that was asked.
        api: String,
    },
    /// The connection broke after the request was on its way.
    #[error("the node at {api} broke off before it answered: {cause}")]
    BrokenOff {
        /// The address that was asked.
        api: String,
        /// What hyper said.
        cause: String,
    },
    /// The node took too long.
    #[error("the node at {api} did not answer within {seconds} s")]
    TooSlow {
        /// The address that was asked.
        api: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The node's answer is not what the API promises.
    #[error("the node's answer could not be read: {what}")]
    OddAnswer {
        /// What is wrong with it.
        what: String,
    },
    /// The request could not be put into HTTP.
    #[error("the request could not be written: {cause}")]
    OddRequest {
        /// What is wrong with it.
        cause: String,
    },
    /// No text, neither as an argument nor on standard input.
    #[error("there is no {what}: none was typed, and nothing is piped in")]
    NoInput {
        /// What is missing.
        what: &'static str,
    },
    /// Text that holds nothing but blanks.
    #[error("the {what} is empty")]
    EmptyInput {
        /// What is empty.
        what: &'static str,
    },
    /// A file over its limit.
    #[error("{} is longer than {limit} bytes", path.display())]
    FileTooLong {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Text over its limit.
    #[error("the {what} is longer than {limit} bytes")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// Text that is not text.
    #[error("the {what} is not UTF-8 text (byte {at} is wrong)")]
    NotText {
        /// What is not text.
        what: &'static str,
        /// The first wrong byte, from 1.
        at: usize,
    },
    /// A passphrase is needed, and nobody gave one.
    #[error("there is no passphrase: none was typed, and no file was named")]
    NoPassphrase,
    /// A new passphrase was typed once so and once otherwise.
    #[error("the two passphrases are not the same")]
    PassphrasesDiffer,
    /// There is no passphrase that could be taken off.
    #[error("the keys in {} are not sealed with a passphrase", path.display())]
    NotSealed {
        /// The folder.
        path: PathBuf,
    },
    /// An edit that changes nothing.
    #[error("there is nothing to change")]
    NothingToChange,
    /// Standard input failed.
    #[error("standard input could not be read")]
    Reading(#[source] io::Error),
    /// A file failed.
    #[error("{} could not be read: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An import that found nothing.
    #[error("{} holds nothing that could be imported", path.display())]
    NothingRead {
        /// Which file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Entropy(#[from] getrandom::Error),
    /// SIGINT and SIGTERM cannot be listened for.
    #[error("signals cannot be listened for")]
    Signals(#[source] io::Error),
    /// Standard output failed.
    #[error("the answer could not be printed: {0}")]
    Printing(#[source] io::Error),
}

impl Error {
    /// A usage error of clap's, cut to one line, with the help to ask for.
    pub(crate) fn typed_wrong(error: &clap::Error) -> Self {
        let rendered = error.render().to_string();
        let line: Vec<&str> = rendered.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
        let behind = |name: &str| rendered.lines().find_map(|line| line.trim_start().strip_prefix(name));
        let hint = behind("tip: ").or_else(|| behind("Usage: ")).unwrap_or("hearth --help");
        let line = line.join(" ");
        Self::Arguments {
            line: line.strip_prefix("error: ").unwrap_or(&line).to_owned(),
            hint: hint.to_owned(),
            rendered,
        }
    }

    /// What the node said with an error status; a body that is no error object keeps its status at least.
    pub(crate) fn answered(status: u16, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let field = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        Self::Answered {
            status,
            error: field("error").unwrap_or_else(|| format!("the node answered with status {status}")),
            reason: field("reason").unwrap_or_else(|| format!("status_{status}")),
            hint: field("hint").unwrap_or_default(),
        }
    }

    /// 1: could not; 2: typed wrong; 3: refused by a policy.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Answered { status: 400, .. }
            | Self::Arguments { .. }
            | Self::NoInput { .. }
            | Self::EmptyInput { .. }
            | Self::TooLong { .. }
            | Self::NotText { .. }
            | Self::PassphrasesDiffer
            | Self::NothingToChange => TYPED,
            Self::Answered { status: 403, .. } => REFUSED,
            Self::PairingCode(_) => TYPED,
            Self::Start(error) if TYPED_WRONG.contains(&error.reason()) => TYPED,
            Self::Home(error) if TYPED_WRONG.contains(&error.reason()) => TYPED,
            _ => COULD_NOT,
        }
    }

    /// The name that scripts may compare with.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Answered { reason, .. } => reason,
            Self::Home(error) => error.reason(),
            Self::PairingCode(refusal) => refusal.name(),
            Self::Pair(error) => error.reason(),
            Self::Start(error) => error.reason(),
            Self::Node(error) => error.reason(),
            Self::Demo { reason, .. } => reason,
            Self::Arguments { .. } => "typed_wrong",
            Self::NoHome { .. } => "no_home",
            Self::NoDataFolder => "no_data_folder",
            Self::Held { .. } => "home_in_use",
            Self::Starting { .. } => "node_starting",
            Self::Unreachable { .. } => "node_unreachable",
            Self::AlreadyRuns { .. } => "already_running",
            Self::ForeignNode { .. } => "foreign_node",
            Self::BrokenOff { .. } => "broken_off",
            Self::TooSlow { .. } => "too_slow",
            Self::OddAnswer { .. } => "odd_answer",
            Self::OddRequest { .. } => "odd_request",
            Self::NoInput { .. } => "no_input",
            Self::EmptyInput { .. } => "empty",
            Self::TooLong { .. } => "too_long",
            Self::NotText { .. } => "not_text",
            Self::NoPassphrase => "no_passphrase",
            Self::PassphrasesDiffer => "passphrases_differ",
            Self::NotSealed { .. } => "not_sealed",
            Self::NothingToChange => "nothing_to_change",
            Self::Reading(_) => "input_unreadable",
            Self::File { .. } => "file_unreadable",
            Self::FileTooLong { .. } => "file_too_long",
            Self::NothingRead { .. } => "nothing_read",
            Self::Entropy(_) => "no_entropy",
            Self::Signals(_) => "no_signals",
            Self::Printing(_) => "output_unwritable",
        }
    }

    /// What to type or do next; empty where there is nothing to say.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Answered { hint, .. } | Self::Arguments { hint, .. } | Self::Demo { hint, .. } => hint.clone(),
            Self::Home(error) => error.hint(),
            Self::PairingCode(_) => "make one on your other device, and paste it whole: hearth device add".to_owned(),
            Self::Pair(error) => error.hint(),
            Self::Start(error) => error.hint(),
            Self::Node(error) => error.hint(),
            Self::NoHome { .. } => "`hearth init` makes one; --home DIR or HEARTH_HOME names another folder".to_owned(),
            Self::NoDataFolder => "name a folder: --home DIR or HEARTH_HOME".to_owned(),
            Self::Held { .. } => "try again when it has ended".to_owned(),
            Self::Starting { .. } => "try again in a moment, or look at what `hearth run` prints".to_owned(),
            Self::Unreachable { pid, .. } => {
                format!("if process {pid} hangs, end it; this home then opens by itself")
            }
            Self::AlreadyRuns { .. } => "`hearth status` asks it; stop it before you start another".to_owned(),
            Self::ForeignNode { .. } => {
                "the token was not sent; stop what listens there, then start `hearth run` again".to_owned()
            }
            Self::BrokenOff { .. } => {
                "it may have been done or not: look with `hearth status` and `hearth list` before you repeat it"
                    .to_owned()
            }
            Self::TooSlow { .. } => "`hearth status` shows what the node is busy with".to_owned(),
            Self::OddAnswer { .. } | Self::OddRequest { .. } => {
                "`hearth --version` and the running node may differ: restart the node".to_owned()
            }
            Self::NoInput { what } => format!("type the {what}, or pipe it in and give -"),
            Self::EmptyInput { what } => format!("write something into the {what}"),
            Self::TooLong { .. } | Self::FileTooLong { .. } => "cut it into parts".to_owned(),
            Self::NotText { .. } => "save it as UTF-8 first, for instance with `iconv -t utf-8`".to_owned(),
            Self::NoPassphrase => {
                "type it on a terminal, where it is asked for, or name a file that holds it: --passphrase-file FILE"
                    .to_owned()
            }
            Self::PassphrasesDiffer => "nothing was changed; type the command again".to_owned(),
            Self::NotSealed { .. } => "`hearth passphrase set` seals them".to_owned(),
            Self::NothingToChange => "give the new text, or --title, --note or -t".to_owned(),
            Self::File { .. } => "check the name and who may read it".to_owned(),
            Self::NothingRead { .. } => {
                "give a bookmark export of a browser (HTML), or name the format with --format".to_owned()
            }
            Self::Reading(_) | Self::Entropy(_) | Self::Signals(_) | Self::Printing(_) => String::new(),
        }
    }

    /// The object that `--json` prints on standard error.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": self.to_string(), "reason": self.reason(), "hint": self.hint() })
    }
}

fn address(api: Option<&str>) -> String {
    api.map_or_else(|| "still starting".to_owned(), |api| format!("at http://{api}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::Parser as _;

    fn typed(line: &str) -> Error {
        Error::typed_wrong(&Args::try_parse_from(line.split(' ')).expect_err("the test types a wrong line"))
    }

    #[test]
    fn what_was_typed_wrong_is_one_line_with_a_hint() {
        let error = typed("hearth lst");
        assert_eq!(error.to_string(), "unrecognized subcommand 'lst'");
        assert_eq!((error.reason(), error.exit_code()), ("typed_wrong", 2));
        assert!(error.hint().contains("'list'"), "{}", error.hint());
        let error = typed("hearth relay abcdef");
        assert!(error.to_string().contains("--to <C>"), "{error}");
        assert!(error.hint().starts_with("hearth relay"), "{}", error.hint());
        let error = typed("hearth post x --reach 9");
        assert_eq!(error.hint(), "hearth --help");
    }

    #[test]
    fn a_refusal_of_the_node_comes_through_whole() {
        let body = br#"{"error":"what","reason":"why","hint":"how","later":1}"#;
        let error = Error::answered(403, body);
        assert_eq!(error.to_json(), json!({"error": "what", "reason": "why", "hint": "how"}));
        assert_eq!(error.exit_code(), 3);
        let error = Error::answered(500, b"<html>");
        assert_eq!(error.to_string(), "the node answered with status 500");
        assert_eq!((error.reason(), error.exit_code()), ("status_500", 1));
    }
}
