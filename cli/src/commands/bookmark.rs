//! `hearth bookmark`: an address worth keeping.

use serde_json::Value;

use crate::args::filled;
use crate::commands::{post, writing};
use crate::error::Error;
use crate::output::Output;
use crate::session::Session;
use crate::view::quoted;

/// Keep an address
#[derive(Debug, clap::Args)]
pub(crate) struct Bookmark {
    /// The address: http, https, gemini, mailto or magnet. It is not fetched
    #[arg(value_parser = filled)]
    url: String,
    /// Where it goes.
    #[command(flatten)]
    place: post::Place,
    /// Why it is worth keeping
    #[arg(long, value_name = "T", value_parser = filled)]
    note: Option<String>,
}

impl Bookmark {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let (done, next) = if self.place.to.is_empty() {
            let url = quoted(&self.url);
            let share = "To share it (`hearth community list` names your communities)";
            ("Kept", format!("{share}: hearth bookmark {url} --to C"))
        } else {
            ("Bookmarked", "See it: hearth show ID".to_owned())
        };
        let mut item = self.place.item("bookmark");
        item["url"] = Value::from(self.url);
        if let Some(note) = self.note {
            item["note"] = Value::from(note);
        }
        writing::write(item, done, &next, session, out).await
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_bookmark_keeps_the_address_as_typed() {
        let written = json!({"items": [{"item": "aa", "community": "bb"}]});
        let url = "HTTPS://Example.org/a?b=1&c#d";
        let heard = hear(&["bookmark", url, "-t", "tea", "--note", "why", "--json"], [(201, written)]).await;
        heard.done.expect("the node said yes");
        let sent = format!(r#"{{"kind":"bookmark","note":"why","reach":null,"tags":["tea"],"to":[],"url":"{url}"}}"#);
        assert_eq!(heard.asked, [format!("POST /items {sent}")]);
    }
}
