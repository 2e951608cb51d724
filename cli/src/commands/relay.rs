//! `hearth relay`: carries one item over a link, with the broker's note on why it matters there.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::filled;
use crate::error::Error;
use crate::output::{Output, escape};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, quoted, short};

/// Carry an item over a link, with a note on why it matters there
#[derive(Debug, clap::Args)]
pub(crate) struct Relay {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
    /// The community that it goes to
    #[arg(long, value_name = "C", value_parser = filled)]
    to: String,
    /// Why it matters there
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    note: String,
    /// What it says, in the words of the other side
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    summary: Option<String>,
}

#[derive(Deserialize)]
struct Relayed {
    item: String,
    state: String,
}

impl Relay {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let mut body = json!({ "item": self.item, "to": self.to, "note": self.note, "tags": [] });
        if let Some(summary) = self.summary {
            body["summary"] = Value::from(summary);
        }
        let answer = session.ask(Request::post(&["relay"], body)?).await?;
        out.tell(&answer, || {
            let relayed: Relayed = view::read(&answer)?;
            let id = short(&relayed.item);
            let state = match relayed.state.as_str() {
                "shown" => "everyone there sees it".to_owned(),
                "held" => "it is held, since the link's number for today is used up".to_owned(),
                "quarantined" => "its stewards see it first".to_owned(),
                other => escape::line(other),
            };
            Ok(format!(
                "Relayed {id} to `{}`: {state}.\nThe way it went: hearth trace {id}\nWhat is there: hearth list --in {}",
                escape::line(&self.to),
                quoted(&self.to),
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_relay_says_what_became_of_it() {
        let answer = json!({"envelope": "ee", "item": "ab".repeat(32), "to": "cd", "state": "quarantined"});
        let heard = hear(&["relay", "ababab", "--to", "library", "--note", "why"], [(201, answer)]).await;
        heard.done.expect("the node said yes");
        assert_eq!(heard.asked, [r#"POST /relay {"item":"ababab","note":"why","tags":[],"to":"library"}"#]);
        assert!(heard.printed.starts_with("Relayed ababababab to `library`: its stewards see it first."));
    }

    #[tokio::test]
    async fn a_relay_that_the_author_does_not_want_is_a_refusal() {
        let no = json!({"error": "its author keeps it in garden", "reason": "reach_zero", "hint": "ask the author"});
        let heard = hear(&["relay", "ababab", "--to", "library", "--note", "why", "--json"], [(403, no)]).await;
        let error = heard.done.expect_err("the node said no");
        assert_eq!((error.exit_code(), error.reason()), (3, "reach_zero"));
    }
}
