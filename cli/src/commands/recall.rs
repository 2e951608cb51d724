//! `hearth recall`: a steward calls an item back from where brokers have carried it.

use serde_json::json;

use crate::args::filled;
use crate::commands::writing;
use crate::error::Error;
use crate::output::Output;
use crate::session::Session;

/// As a steward, call an item of your community back from where brokers have carried it
#[derive(Debug, clap::Args)]
pub(crate) struct Recall {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
    /// Why; the other side sees it, with your name
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    reason: String,
}

impl Recall {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let body = json!({ "kind": "recall", "to": [], "target": self.item, "reason": self.reason });
        let next = "Any member of both communities carries it over; here the item stays.\n\
                    Take the recall back: hearth retract ID";
        writing::write(body, "Called back", next, session, out).await
    }
}
