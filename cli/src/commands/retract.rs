//! `hearth retract`: takes an item of one's own back. It is final.

use serde_json::json;

use crate::args::filled;
use crate::commands::writing;
use crate::error::Error;
use crate::output::Output;
use crate::session::Session;

/// Take an item of yours back, for ever
#[derive(Debug, clap::Args)]
pub(crate) struct Retract {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
}

impl Retract {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let body = json!({ "kind": "tombstone", "to": [], "target": self.item });
        let next = "Other nodes stop showing it when they hear of it; who has read it has read it.";
        writing::write(body, "Taken back", next, session, out).await
    }
}
