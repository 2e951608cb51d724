//! `hearth charter`: what a community says that it is about.

use serde_json::{Map, Value, json};

use crate::args::filled;
use crate::commands::writing;
use crate::error::Error;
use crate::output::Output;
use crate::session::Session;
use crate::view::quoted;

/// What a community is about
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Charter {
    /// Change a community's charter; what you leave out stays, and "" takes a part away
    Edit(Edit),
}

/// The parts of a charter.
#[derive(Debug, clap::Args)]
pub(crate) struct Edit {
    /// The community
    #[arg(value_name = "C", value_parser = filled)]
    to: String,
    /// The shared concern
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    domain: Option<String>,
    /// Who its members are to each other
    #[arg(long, value_name = "TEXT")]
    community: Option<String>,
    /// What they share: stories, tools, ways of doing things
    #[arg(long, value_name = "TEXT")]
    practice: Option<String>,
    /// How they treat each other
    #[arg(long, value_name = "TEXT")]
    norms: Option<String>,
    /// What a newcomer is greeted with
    #[arg(long, value_name = "TEXT")]
    welcome: Option<String>,
}

impl Charter {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let Self::Edit(edit) = self;
        let to = edit.to.clone();
        let see = format!("See it: hearth community show {}", quoted(&to));
        let fields = edit.fields();
        if fields.is_empty() {
            return Err(Error::EmptyInput { what: "charter" });
        }
        let body = json!({ "kind": "charter", "to": [to], "tags": [], "fields": fields });
        writing::write(body, "The charter is set", &see, session, out).await
    }
}

impl Edit {
    fn fields(self) -> Map<String, Value> {
        let parts = [
            ("domain", self.domain),
            ("community", self.community),
            ("practice", self.practice),
            ("norms", self.norms),
            ("welcome", self.welcome),
        ];
        parts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn only_the_parts_that_were_typed_are_sent() {
        let answer = json!({"items": [{"item": "aa", "community": "bb"}]});
        let line = ["charter", "edit", "garden", "--norms", "Be kind.", "--welcome", "", "--json"];
        let heard = hear(&line, [(201, answer)]).await;
        heard.done.expect("the node said yes");
        let sent = r#"{"fields":{"norms":"Be kind.","welcome":""},"kind":"charter","tags":[],"to":["garden"]}"#;
        assert_eq!(heard.asked, [format!("POST /items {sent}")]);
        assert_eq!(heard.printed, "{\"community\":\"bb\",\"item\":\"aa\"}\n");
    }

    #[tokio::test]
    async fn a_charter_without_a_part_is_typed_wrong_and_asks_nothing() {
        let heard = hear(&["charter", "edit", "garden"], []).await;
        assert_eq!(heard.done.expect_err("nothing was typed").exit_code(), 2);
        assert!(heard.asked.is_empty());
    }
}
