//! `hearth edit`: a new body for an item of one's own, in the community where it is.

use std::io::{self, IsTerminal};

use serde_json::{Value, json};

use crate::args::filled;
use crate::commands::writing;
use crate::error::Error;
use crate::input;
use crate::output::Output;
use crate::session::Session;

/// Give an item of yours a new body; what you leave out stays as it is
#[derive(Debug, clap::Args)]
pub(crate) struct Edit {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
    /// The new text; `-`, or nothing at all with something piped in, reads standard input
    text: Option<String>,
    /// The new headline
    #[arg(long, value_name = "T")]
    title: Option<String>,
    /// The new note of a bookmark
    #[arg(long, value_name = "T")]
    note: Option<String>,
    /// The new tags; repeat it for several
    #[arg(short = 't', long = "tag", value_name = "TAG", value_parser = filled)]
    tags: Vec<String>,
}

impl Edit {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let mut body = json!({ "kind": "edit", "to": [], "target": self.item });
        let changes = [("title", self.title), ("note", self.note)];
        let tags = (!self.tags.is_empty()).then(|| Value::from(self.tags));
        let something = tags.is_some() || changes.iter().any(|(_, change)| change.is_some());
        let text = match self.text {
            // A script's idle standard input is no new text where a flag already says what to change.
            None if something => None,
            None if io::stdin().is_terminal() => return Err(Error::NothingToChange),
            text => Some(input::text(text)?),
        };
        for (name, change) in changes.into_iter().chain([("text", text)]) {
            if let Some(change) = change {
                body[name] = Value::from(change);
            }
        }
        if let Some(tags) = tags {
            body["tags"] = tags;
        }
        let next = format!("See it: hearth show {}", crate::view::short(&self.item));
        writing::write(body, "Edited", &next, session, out).await
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_change_by_flags_alone_sends_no_text() {
        let written = json!({"items": [{"item": "aa", "community": "bb"}]});
        let heard = hear(&["edit", "abcdef", "--title", "T", "-t", "tea", "--json"], [(201, written)]).await;
        heard.done.expect("the node said yes");
        assert_eq!(
            heard.asked,
            [r#"POST /items {"kind":"edit","tags":["tea"],"target":"abcdef","title":"T","to":[]}"#]
        );
    }

    #[tokio::test]
    async fn a_new_text_leaves_the_rest_out() {
        let written = json!({"items": [{"item": "aa", "community": "bb"}]});
        let heard = hear(&["edit", "abcdef", "new", "--json"], [(201, written)]).await;
        heard.done.expect("the node said yes");
        assert_eq!(heard.asked, [r#"POST /items {"kind":"edit","target":"abcdef","text":"new","to":[]}"#]);
    }
}
