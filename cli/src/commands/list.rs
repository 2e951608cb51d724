//! `hearth list`: items, newest first.

use crate::args::filled;
use crate::error::Error;
use crate::output::{Form, Output};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, Item, Names};

/// List items, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only of this community
    #[arg(long = "in", value_name = "C", value_parser = filled)]
    pub(crate) within: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Only of this kind, like post or bookmark
    #[arg(long, value_parser = filled)]
    pub(crate) kind: Option<String>,
    /// Only by this person
    #[arg(long, value_name = "PERSON", value_parser = filled)]
    pub(crate) by: Option<String>,
    /// Only with this tag
    #[arg(short = 't', long = "tag", value_name = "TAG", value_parser = filled)]
    pub(crate) tag: Option<String>,
}

impl List {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let request = Request::get(&["items"])
            .query("in", self.within.as_deref())
            .query("limit", Some(&self.limit.to_string()))
            .query("kind", self.kind.as_deref())
            .query("by", self.by.as_deref())
            .query("tag", self.tag.as_deref());
        let items = session.ask_list(request, "items").await?;
        let names = match out.form() {
            Form::Human => Names::of(session).await?,
            Form::Json => Names::default(),
        };
        let width = out.width();
        out.list(&items, || {
            if items.is_empty() {
                return Ok("Nothing yet. Keep something: hearth bookmark URL -t TAG".to_owned());
            }
            let items: Vec<Item> = view::read_all(&items)?;
            Ok(format!("{}\n\nOne of them whole: hearth show ID", view::items(&items, &names, width)))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_list_asks_for_what_was_typed() {
        let line =
            ["list", "--in", "tea garden", "--kind", "post", "--by", "bob", "-t", "a/b", "--limit", "3", "--json"];
        let heard = hear(&line, [(200, json!({"items": []}))]).await;
        heard.done.expect("an empty list is fine");
        assert_eq!(heard.asked, ["GET /items?in=tea%20garden&limit=3&kind=post&by=bob&tag=a%2Fb"]);
        assert_eq!(heard.printed, "", "an empty list has no lines");
    }

    #[tokio::test]
    async fn people_see_a_table_with_names() {
        let item = json!({
            "item": "ab".repeat(32), "kind": "bookmark", "community": "cd".repeat(32), "author": "ef".repeat(32),
            "author_name": "alice", "title": "A\u{1b}]0;title\u{7}", "text": null, "url": "https://a.example/",
            "tags": ["tea"], "reach": 1, "created_ms": 0, "received_ms": 0,
        });
        let known = json!({"communities": [{"community": "cd".repeat(32), "name": "garden"}]});
        let heard = hear(&["list"], [(200, json!({"items": [item]})), (200, known)]).await;
        heard.done.expect("the answer is whole");
        let row = heard.printed.lines().nth(1).expect("there is one item");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["ababababab", "bookmark", "1970-01-01", "garden", "alice", "A\\x1b]0;title\\x07"]);
    }

    #[tokio::test]
    async fn an_answer_without_a_list_is_odd() {
        let heard = hear(&["list"], [(200, json!({"things": []}))]).await;
        assert_eq!(heard.done.expect_err("there is no list").reason(), "odd_answer");
    }
}
