//! The command line of Hearth: arguments become a request, a carrier brings it to the node, the answer is printed.
//!
//! It asks and decides nothing: what a community allows, which name means whom and what an item may hold is the
//! node's to say. Always true: the same request goes the same way whether a node runs (over its local HTTP API) or
//! not (to the same router in this process); all text on a terminal is free of raw control characters; the exit
//! code is 0 done, 1 could not, 2 typed wrong, 3 refused by a policy.

mod args;
mod commands;
mod error;
mod home;
mod input;
mod logs;
mod output;
mod request;
mod session;
#[cfg(test)]
mod testing;
mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::Args;
use crate::error::Error;
use crate::output::{Form, Output};

/// The grammar of the command line, for generating its reference and completions.
pub fn grammar() -> clap::Command {
    Args::command()
}

/// Runs one command line (`arguments[0]` is the program's name) and returns the exit code it ends with.
///
/// Needs a tokio runtime with time and IO. Prints to standard output and standard error; a reader of standard
/// output that went away is not an error.
pub async fn run(arguments: Vec<OsString>) -> ExitCode {
    let form = Form::asked_for(&arguments);
    let mut out = Output::standard(form);
    let done = match Args::try_parse_from(arguments) {
        Ok(args) => Box::pin(commands::run(args, &mut out)).await,
        Err(error) => typed(&error, &mut out),
    };
    let done = done.and_then(|()| out.flush());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Printing(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// What clap has to say: help and version are answers, the rest was typed wrong.
fn typed(error: &clap::Error, out: &mut Output) -> Result<(), Error> {
    if !error.use_stderr() {
        return out.say(&error.render().to_string());
    }
    Err(Error::typed_wrong(error))
}
