//! `hearth profile`: what a community knows of a person, as that person says it.

use serde_json::{Map, Value, json};

use crate::args::filled;
use crate::commands::writing;
use crate::error::Error;
use crate::output::Output;
use crate::session::Session;

/// What a community knows of you
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Profile {
    /// Say who you are in a community; what you leave out stays as it is
    Set(Set),
}

/// The fields of a profile. Those that are lists may be given several times.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// A community; repeat it for several [default: mine]
    #[arg(long, value_name = "C", value_parser = filled)]
    to: Vec<String>,
    /// Your name there
    #[arg(long, value_parser = filled)]
    name: Option<String>,
    /// A few sentences about you
    #[arg(long, value_name = "TEXT")]
    about: Option<String>,
    /// What you practise
    #[arg(long, value_name = "TEXT")]
    practises: Vec<String>,
    /// What you are learning
    #[arg(long, value_name = "TEXT")]
    learning: Vec<String>,
    /// What others may ask you for
    #[arg(long, value_name = "TEXT")]
    offers: Vec<String>,
    /// What you ask others for
    #[arg(long, value_name = "TEXT")]
    asks: Vec<String>,
    /// A language that you read, like en or pt-BR
    #[arg(long, value_name = "LANGUAGE")]
    languages: Vec<String>,
    /// Your time zone, like Europe/Lisbon
    #[arg(long)]
    zone: Option<String>,
}

impl Profile {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let Self::Set(set) = self;
        let to = set.to.clone();
        let fields = set.fields();
        if fields.is_empty() {
            return Err(Error::EmptyInput { what: "profile" });
        }
        let body = json!({ "kind": "profile", "to": to, "tags": [], "fields": fields });
        writing::write(body, "Your profile is set", "See who is there: hearth member list C", session, out).await
    }
}

impl Set {
    fn fields(self) -> Map<String, Value> {
        let texts = [("name", self.name), ("about", self.about), ("zone", self.zone)];
        let lists = [
            ("practises", self.practises),
            ("learning", self.learning),
            ("offers", self.offers),
            ("asks", self.asks),
            ("languages", self.languages),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
        let lists = lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| (name.to_owned(), Value::from(list)));
        texts.chain(lists).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn only_what_was_typed_is_sent() {
        let answer = json!({"items": [{"item": "aa", "community": "bb"}]});
        let line =
            ["profile", "set", "--to", "garden", "--about", "potter", "--asks", "clay", "--asks", "kiln", "--json"];
        let heard = hear(&line, [(201, answer)]).await;
        heard.done.expect("the node said yes");
        let sent = r#"{"fields":{"about":"potter","asks":["clay","kiln"]},"kind":"profile","tags":[],"to":["garden"]}"#;
        assert_eq!(heard.asked, [format!("POST /items {sent}")]);
    }

    #[tokio::test]
    async fn an_empty_profile_is_typed_wrong_and_asks_nothing() {
        let heard = hear(&["profile", "set", "--to", "garden"], []).await;
        assert_eq!(heard.done.expect_err("nothing was typed").exit_code(), 2);
        assert!(heard.asked.is_empty());
    }
}
