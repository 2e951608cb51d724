//! `hearth label`: a steward hides an item from the members of a community, or shows it again.

use clap::ValueEnum;
use serde_json::json;

use crate::args::filled;
use crate::commands::writing;
use crate::error::Error;
use crate::output::Output;
use crate::session::Session;

/// As a steward, hide an item from all members, or show it again
#[derive(Debug, clap::Args)]
pub(crate) struct Label {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
    /// Which of the two
    #[arg(value_enum)]
    way: Way,
    /// Why; all members see it, with your name
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    reason: String,
    /// The community, where more than one reads the item
    #[arg(long, value_name = "C", value_parser = filled)]
    to: Option<String>,
}

/// What a label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// no list shows it, and who looks it up sees your reason
    Hide,
    /// it is read again
    Show,
}

impl Label {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let to: Vec<String> = self.to.into_iter().collect();
        let is_hidden = self.way == Way::Hide;
        let body = json!({ "kind": "label", "to": to, "target": self.item, "hide": is_hidden, "reason": self.reason });
        let id = crate::view::short(&self.item);
        let (done, next) = if is_hidden {
            ("Hidden, by a label", format!("Show it again: hearth label {id} show --reason TEXT"))
        } else {
            ("Shown, by a label", format!("See it: hearth show {id}"))
        };
        writing::write(body, done, &next, session, out).await
    }
}
