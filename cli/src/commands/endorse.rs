//! `hearth endorse`: recommends an item to those who read it, with a reason.

use clap::ValueEnum;
use serde_json::json;

use crate::args::filled;
use crate::commands::writing;
use crate::error::Error;
use crate::output::Output;
use crate::session::Session;

/// Recommend an item to those who read it, with a reason
#[derive(Debug, clap::Args)]
pub(crate) struct Endorse {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
    /// Why
    #[arg(long, value_enum)]
    reason: Reason,
    /// The same in your own words, a line
    line: Option<String>,
}

/// Why an item is recommended. There is no opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reason {
    /// it was useful to you
    Useful,
    /// you tried it, and it works
    TriedIt,
    /// it is right
    Correct,
    /// it says it well
    WellPut,
    /// you would teach from it
    TeachFrom,
}

impl Endorse {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let reason = self.reason.to_possible_value().map(|value| value.get_name().to_owned());
        let body = json!({ "kind": "endorsement", "to": [], "target": self.item, "merit": reason, "text": self.line });
        let id = crate::view::short(&self.item);
        let next = format!("Of yours the latest counts: hearth show {id}\nTake it back: hearth retract ID");
        writing::write(body, "Recommended", &next, session, out).await
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_recommendation_names_its_reason() {
        let written = json!({"items": [{"item": "ab".repeat(32), "community": "cd".repeat(32)}]});
        let known = json!({"communities": [{"community": "cd".repeat(32), "name": "garden"}]});
        let typed = ["endorse", "ffffff", "--reason", "tried-it", "twice"];
        let heard = hear(&typed, [(200, written), (200, known)]).await;
        heard.done.expect("it is written");
        assert!(heard.asked[0].contains(r#""merit":"tried-it""#) && heard.asked[0].contains(r#""text":"twice""#));
        assert!(heard.printed.starts_with("Recommended in `garden` as ababababab."), "{}", heard.printed);
    }
}
