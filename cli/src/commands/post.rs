//! `hearth post`: a text for one's own space or for communities.

use serde_json::{Value, json};

use crate::args::{REACH, filled};
use crate::commands::writing;
use crate::error::Error;
use crate::input;
use crate::output::Output;
use crate::session::Session;
use crate::view::quoted;

/// The longest text that is repeated in a hint.
const SHORT_TEXT: usize = 60;

/// Write a post
#[derive(Debug, clap::Args)]
pub(crate) struct Post {
    /// The text; `-`, or nothing with something piped in, reads standard input
    pub(crate) text: Option<String>,
    /// Where it goes.
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Where something goes, under which words, and how far.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// A community; repeat it for several [default: mine]
    #[arg(long, value_name = "C", value_parser = filled)]
    pub(crate) to: Vec<String>,
    /// A tag; repeat it for several
    #[arg(short = 't', long = "tag", value_name = "TAG", value_parser = filled)]
    pub(crate) tags: Vec<String>,
    /// A headline
    #[arg(long, value_name = "T", value_parser = filled)]
    pub(crate) title: Option<String>,
    /// How many borders between communities it may cross [default: 0, none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(REACH))]
    pub(crate) reach: Option<u8>,
}

impl Place {
    /// The fields of an item of `kind` that goes there.
    pub(crate) fn item(self, kind: &str) -> Value {
        let mut item = json!({ "kind": kind, "to": self.to, "tags": self.tags, "reach": self.reach });
        if let Some(title) = self.title {
            item["title"] = Value::from(title);
        }
        item
    }
}

impl Post {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let text = input::text(self.text)?;
        let next = if self.place.to.is_empty() { share_hint(&text) } else { "See it: hearth show ID".to_owned() };
        let done = if self.place.to.is_empty() { "Kept" } else { "Posted" };
        let mut item = self.place.item("post");
        item["text"] = Value::from(text);
        writing::write(item, done, &next, session, out).await
    }
}

fn share_hint(text: &str) -> String {
    let short = text.len() <= SHORT_TEXT && !text.contains('\n');
    let text = if short { quoted(text) } else { "-".to_owned() };
    format!("To share it, post it to a community (`hearth community list` names yours): hearth post {text} --to C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hear;

    fn written() -> (u16, Value) {
        (201, json!({"items": [{"item": "ab".repeat(32), "community": "cd".repeat(32)}]}))
    }

    fn communities() -> (u16, Value) {
        let mine = json!({"community": "cd".repeat(32), "name": "mine"});
        (200, json!({"communities": [mine]}))
    }

    #[tokio::test]
    async fn without_to_a_post_is_kept_in_mine_and_says_how_to_share_it() {
        let heard = hear(&["post", "it's tea", "-t", "tea"], [written(), communities()]).await;
        heard.done.expect("the node said yes");
        assert_eq!(
            heard.asked,
            [
                r#"POST /items {"kind":"post","reach":null,"tags":["tea"],"text":"it's tea","to":[]}"#,
                "GET /communities"
            ]
        );
        assert!(heard.printed.starts_with("Kept in `mine` as ababababab: nobody else gets it.\n"), "{}", heard.printed);
        assert!(heard.printed.contains(r"hearth post 'it'\''s tea' --to C"), "{}", heard.printed);
    }

    #[tokio::test]
    async fn scripts_get_a_line_for_each_community_and_ask_once() {
        let two = json!({"items": [{"item": "a1", "community": "c1"}, {"item": "a2", "community": "c2"}]});
        let line = ["post", "hello", "--to", "garden", "--to", "library", "--title", "T", "--reach", "1", "--json"];
        let heard = hear(&line, [(201, two)]).await;
        assert_eq!(
            heard.asked,
            [r#"POST /items {"kind":"post","reach":1,"tags":[],"text":"hello","title":"T","to":["garden","library"]}"#]
        );
        assert_eq!(heard.printed, "{\"community\":\"c1\",\"item\":\"a1\"}\n{\"community\":\"c2\",\"item\":\"a2\"}\n");
    }

    #[tokio::test]
    async fn a_written_post_is_a_success_even_where_its_place_cannot_be_named() {
        let heard = hear(&["post", "hello", "--to", "garden"], [written(), (500, json!({}))]).await;
        heard.done.expect("it is written");
        assert!(heard.printed.starts_with("Posted in `cdcdcdcdcd` as ababababab."), "{}", heard.printed);
    }

    #[tokio::test]
    async fn a_policy_that_says_no_is_exit_code_three() {
        let no =
            json!({"error": "peripheral members do not post here", "reason": "role_too_low", "hint": "reply instead"});
        let heard = hear(&["post", "hello", "--to", "garden"], [(403, no)]).await;
        let error = heard.done.expect_err("the node said no");
        assert_eq!((error.exit_code(), error.reason(), error.hint().as_str()), (3, "role_too_low", "reply instead"));
        assert_eq!(heard.printed, "");
    }

    #[tokio::test]
    async fn a_text_over_the_limit_is_refused_before_anything_is_asked() {
        let limit = usize::try_from(input::TEXT_BYTES).expect("200 KiB fit");
        let heard = hear(&["post", &"x".repeat(limit + 1)], []).await;
        assert_eq!(heard.done.expect_err("it is too long").exit_code(), 2);
        let heard = hear(&["post", &"x".repeat(limit), "--json"], [written()]).await;
        heard.done.expect("it is just short enough");
    }

    #[test]
    fn a_long_text_is_not_repeated() {
        assert!(share_hint(&"x".repeat(61)).contains("hearth post - --to C"));
        assert!(share_hint("a\nb").contains("hearth post - --to C"));
    }
}
