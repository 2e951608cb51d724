//! `hearth demo`: the main job on this machine, step by step. The node plays it; here its steps are printed.

use serde_json::json;

use crate::commands::run;
use crate::error::Error;
use crate::logs;
use crate::output::{Form, Output};

/// A demo shows what its people see, not what their nodes log.
const USUAL: &str = "off";

/// Show it all on this machine: four people, two communities, a broker
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// End after the last step, instead of staying up until Ctrl-C
    #[arg(long)]
    exit: bool,
}

impl Demo {
    pub(crate) async fn run(self, out: &mut Output) -> Result<(), Error> {
        logs::start(USUAL);
        let stop = run::stopped()?;
        let mut printed = Ok(());
        let mut print = |line: &str| {
            if printed.is_ok() {
                printed = step(line, out);
            }
        };
        let played = tokio::select! {
            played = Box::pin(hearth_node::demo::play(&mut print, !self.exit)) => played,
            () = stop => Ok(()),
        };
        played.map_err(|error| Error::Demo { line: error.to_string(), reason: error.reason(), hint: error.hint() })?;
        printed
    }
}

fn step(line: &str, out: &mut Output) -> Result<(), Error> {
    match out.form() {
        Form::Human => out.say(line)?,
        Form::Json => out.json(&json!({ "step": line }))?,
    }
    out.flush()
}
