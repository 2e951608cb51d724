//! `hearth show`: one item whole, with its replies.

use serde::Deserialize;
use serde_json::Value;

use crate::args::filled;
use crate::error::Error;
use crate::output::{Form, Output, escape, layout, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, Item, Names, named, short};

/// Show an item with its replies
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(flatten)]
    item: Item,
    note: Option<String>,
    signature: Option<String>,
    #[serde(default)]
    replies: Vec<Value>,
    #[serde(default)]
    history: Vec<Value>,
    #[serde(default)]
    endorsements: Vec<Endorsement>,
    label: Option<Label>,
}

#[derive(Deserialize)]
struct Endorsement {
    person_name: String,
    merit: String,
    #[serde(default)]
    text: String,
}

/// What a steward has said of an item, or of the envelope that it came in.
#[derive(Deserialize)]
pub(crate) struct Label {
    steward_name: String,
    hide: bool,
    #[serde(default)]
    reason: String,
}

impl Label {
    /// Who, what and why, on one line.
    pub(crate) fn line(&self, (hidden, shown): (&str, &str)) -> String {
        let what = if self.hide { hidden } else { shown };
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", escape::line(&self.reason)) };
        format!("{what} by {}{reason}", escape::line(&self.steward_name))
    }
}

impl Show {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let answer = session.ask(Request::get(&["items", &self.item])).await?;
        let names = match out.form() {
            Form::Human => Names::of(session).await?,
            Form::Json => Names::default(),
        };
        let width = out.width();
        out.tell(&answer, || Ok(shown(&view::read(&answer)?, &names, width)))
    }
}

fn shown(whole: &Whole, names: &Names, width: Option<u16>) -> String {
    let item = &whole.item;
    let from = item.relayed_from.as_deref();
    let pairs = [
        ("title", item.title.clone().unwrap_or_default()),
        ("address", item.url.clone().unwrap_or_default()),
        ("kind", item.kind.clone()),
        ("by", named(item.author_name.as_deref(), &item.author)),
        ("in", names.name(&item.community)),
        ("relayed from", from.map_or_else(String::new, |from| names.name(from))),
        ("written", format!("{} ({})", time::moment(item.created_ms), time::ago(item.created_ms))),
        ("tags", item.tags.join(", ")),
        ("reach", item.reach.map_or_else(String::new, |reach| reach.to_string())),
        ("state", item.state.clone().unwrap_or_default()),
        ("signature", whole.signature.clone().unwrap_or_default()),
        ("edited", edits(whole.history.len())),
        ("id", item.item.clone()),
    ];
    let mut parts = vec![layout::pairs(pairs, width)];
    for text in [&item.text, &whole.note].into_iter().flatten() {
        if !text.trim().is_empty() {
            parts.push(layout::wrapped(text, width));
        }
    }
    if let Some(label) = &whole.label {
        parts.push(label.line(("hidden", "shown again")));
    }
    if !whole.endorsements.is_empty() {
        parts.push(whole.endorsements.iter().map(recommended).collect::<Vec<_>>().join("\n"));
    }
    if !whole.replies.is_empty() {
        parts.push(whole.replies.iter().map(reply).collect::<Vec<_>>().join("\n"));
    }
    let id = short(&item.item);
    parts.push(match from {
        Some(_) => format!("How it came here: hearth trace {id}\nReply: hearth reply {id} TEXT"),
        None => format!("Reply: hearth reply {id} TEXT"),
    });
    parts.join("\n\n")
}

fn recommended(by: &Endorsement) -> String {
    let line = if by.text.is_empty() { String::new() } else { format!(", {}", escape::line(&by.text)) };
    format!("recommended by {}: {}{line}", escape::line(&by.person_name), escape::line(&by.merit))
}

fn edits(history: usize) -> String {
    match history {
        0 => String::new(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    }
}

/// A reply on a line: whole where the node sent it so, else its id.
fn reply(value: &Value) -> String {
    if let Ok(item) = view::read::<Item>(value) {
        let (by, what) = (escape::line(&item.by()), escape::line(&item.glance()));
        return format!("reply {} by {by}, {}: {what}", short(&item.item), time::ago(item.created_ms));
    }
    let id = value.as_str().or_else(|| value.get("item").and_then(Value::as_str));
    format!("reply {}", short(id.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::{Value, json};

    fn whole() -> Value {
        let mut reply = json!({
            "item": "11".repeat(32), "kind": "reply", "community": "cc".repeat(32), "author": "ef".repeat(32),
            "author_name": "bob\nerror: no", "title": null, "text": "yes\u{1b}[2J", "url": null, "tags": [],
            "reach": 0, "created_ms": 1000, "received_ms": 1000,
        });
        let one = reply.clone();
        reply["item"] = json!("22".repeat(32));
        reply["kind"] = json!("post");
        reply["author_name"] = json!("alice");
        reply["title"] = json!("Tea\u{202e}");
        reply["text"] = json!("first\n\nsecond \u{9b}31m");
        reply["relayed_from"] = json!("dd".repeat(32));
        reply["signature"] = json!("valid");
        reply["replies"] = json!([one, "33".repeat(32)]);
        reply["history"] = json!([{}]);
        reply
    }

    #[tokio::test]
    async fn an_item_is_shown_whole_and_harmless() {
        let communities = json!({"communities": [{"community": "cc".repeat(32), "name": "garden"}]});
        let heard = hear(&["show", "222222"], [(200, whole()), (200, communities)]).await;
        heard.done.expect("the answer is whole");
        let parts = [
            "Tea\\u{202e}",
            "alice (efefefefef)",
            "garden",
            "dddddddddd",
            "valid",
            "once",
            "first\n\nsecond \\u{9b}31m",
            "reply 1111111111 by bob\\nerror: no",
            "yes\\x1b[2J",
            "reply 3333333333",
            "hearth trace 2222222222",
        ];
        for part in parts {
            assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
        }
    }

    #[tokio::test]
    async fn scripts_get_the_item_as_it_came() {
        let heard = hear(&["show", "222222", "--json"], [(200, whole())]).await;
        let printed: Value = serde_json::from_str(&heard.printed).expect("it is JSON");
        assert_eq!(printed, whole());
        assert_eq!(heard.asked, ["GET /items/222222"]);
    }
}
