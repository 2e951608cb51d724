//! `hearth reply`: a text about an item, in the community where that item is.

use serde_json::json;

use crate::args::{REACH, filled};
use crate::commands::writing;
use crate::error::Error;
use crate::input;
use crate::output::Output;
use crate::session::Session;

/// Reply to an item, where that item is
#[derive(Debug, clap::Args)]
pub(crate) struct Reply {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
    /// The text; `-`, or nothing with something piped in, reads standard input
    text: Option<String>,
    /// Borders it may cross, 0 to 3: 1 lets a broker carry it to where the item came from [default: as the community says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(REACH))]
    reach: Option<u8>,
}

impl Reply {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let text = input::text(self.text)?;
        let body = json!({ "kind": "reply", "to": [], "tags": [], "reach": self.reach, "re": self.item, "text": text });
        let next = format!("See it where it belongs: hearth show {}", crate::view::short(&self.item));
        writing::write(body, "Replied", &next, session, out).await
    }
}
