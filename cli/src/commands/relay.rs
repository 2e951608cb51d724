//! `hearth relay`: carries one item over a link, with the broker's note on why it matters there; or shows beforehand
//! what would be sent.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Mapping, filled, mapping};
use crate::error::Error;
use crate::output::{Output, escape};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, named, quoted, short};

/// Carry an item over a link, with a note on why it matters there
#[derive(Debug, clap::Args)]
pub(crate) struct Relay {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
    /// The community that it goes to
    #[arg(long, value_name = "C", value_parser = filled)]
    to: String,
    /// Why it matters there; only --preview works without
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// What it says, in the words of the other side
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    summary: Option<String>,
    /// A tag of the other side for it
    #[arg(short = 't', long = "tag", value_name = "TAG", value_parser = filled)]
    tags: Vec<String>,
    /// Say a tag of this side, and those under it, as one of the other side; kept for next time
    #[arg(long = "map", value_name = "TAG=THEIRS", value_parser = mapping)]
    map: Vec<Mapping>,
    /// Show what would be sent, and send nothing
    #[arg(long)]
    preview: bool,
}

#[derive(Deserialize)]
struct Relayed {
    item: String,
    state: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    mapped: Vec<Said>,
}

/// A tag, and what is said for it.
#[derive(Deserialize)]
struct Said {
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct Previewed {
    item: String,
    from_name: String,
    to_name: String,
    quarantined: bool,
    note: String,
    summary: Option<String>,
    tags: Vec<String>,
    mapped: Vec<Said>,
    parts: Vec<Part>,
    discloses: Told,
}

#[derive(Deserialize)]
struct Part {
    part: String,
    bytes: u64,
}

/// What the bytes tell.
#[derive(Deserialize)]
struct Told {
    author: Option<Whole>,
    place: Place,
    says: Says,
    kind: String,
    own_tags: Vec<String>,
    replies_to: Vec<String>,
    target: Option<String>,
    attachments: Vec<File>,
    edits: Vec<String>,
    community: Community,
    founders: Vec<Whole>,
    stewards: Vec<Whole>,
    operations: Vec<Operation>,
    broker: Broker,
}

/// Somebody, with all devices.
#[derive(Deserialize)]
struct Whole {
    person: String,
    name: Option<String>,
    named: bool,
    devices: Vec<String>,
}

#[derive(Deserialize)]
struct Place {
    number: u64,
}

#[derive(Deserialize)]
struct Says {
    #[serde(default)]
    title: String,
    #[serde(default)]
    text: String,
    url: Option<String>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct Community {
    community: String,
    name: String,
}

#[derive(Deserialize)]
struct Operation {
    author_name: Option<String>,
    author: String,
    what: String,
}

#[derive(Deserialize)]
struct Broker {
    person: String,
    name: Option<String>,
    device: String,
}

impl Relay {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let map: Vec<Value> = self.map.iter().map(Mapping::to_json).collect();
        let mut body = json!({ "item": self.item, "to": self.to, "tags": self.tags, "map": map });
        for (field, given) in [("note", self.note), ("summary", self.summary)] {
            if let Some(given) = given {
                body[field] = Value::from(given);
            }
        }
        let path: &[&str] = if self.preview { &["relay", "preview"] } else { &["relay"] };
        let answer = session.ask(Request::post(path, body)?).await?;
        out.tell(&answer, || {
            if self.preview { Ok(previewed(&view::read(&answer)?)) } else { relayed(&self.to, &view::read(&answer)?) }
        })
    }
}

fn relayed(to: &str, relayed: &Relayed) -> Result<String, Error> {
    let id = short(&relayed.item);
    let state = match relayed.state.as_str() {
        "shown" => "everyone there sees it".to_owned(),
        "held" => "it is held, since the link's number for today is used up".to_owned(),
        "quarantined" => "its stewards see it first".to_owned(),
        other => escape::line(other),
    };
    Ok(format!(
        "Relayed {id} to `{}`: {state}.\n{}The way it went: hearth trace {id}\nWhat is there: hearth list --in {}",
        escape::line(to),
        if relayed.tags.is_empty() { String::new() } else { format!("{}\n", tagged(&relayed.tags, &relayed.mapped)) },
        quoted(to),
    ))
}

/// The tags that are said, and which of them the mapping says.
fn tagged(tags: &[String], mapped: &[Said]) -> String {
    let tag = |tag: &String| match mapped.iter().find(|said| said.to == *tag) {
        Some(said) => format!("{} (for `{}`)", escape::line(tag), escape::line(&said.from)),
        None => escape::line(tag),
    };
    format!("Its tags there: {}", tags.iter().map(tag).collect::<Vec<_>>().join(", "))
}

/// The bytes, then what they tell, in plain words.
fn previewed(seen: &Previewed) -> String {
    let to = escape::line(&seen.to_name);
    let total: u64 = seen.parts.iter().map(|part| part.bytes).sum();
    let parts: Vec<String> = seen.parts.iter().map(|p| format!("{} {}", escape::line(&p.part), p.bytes)).collect();
    let first = if seen.quarantined { "; its stewards see it first" } else { "" };
    let mut lines = vec![
        format!("Nothing was sent. Of {} these would go to everybody in `{to}`{first}:", short(&seen.item)),
        format!("  {total} bytes: {}", parts.join(", ")),
        "  With --json: the bytes. What changes until it is sent is the time, and where zeros stand your signature."
            .to_owned(),
        String::new(),
        format!("They tell whoever reads `{to}`, now and later:"),
    ];
    lines.extend(item_lines(seen));
    lines.extend(proof_lines(seen));
    lines.extend(broker_lines(seen));
    lines.join("\n")
}

fn line(what: &str, says: &str) -> String {
    format!("  {what:<12} {says}")
}

fn person(whole: &Whole) -> String {
    let devices = match whole.devices.len() {
        1 => "1 device".to_owned(),
        count => format!("{count} devices"),
    };
    let name = if whole.named { "" } else { ", without the name" };
    format!("{}: the id, identity keys and {devices}{name}", named(whole.name.as_deref(), &whole.person))
}

fn item_lines(seen: &Previewed) -> Vec<String> {
    let told = &seen.discloses;
    let mut lines = Vec::new();
    lines.extend(told.author.as_ref().map(|author| line("author", &person(author))));
    for (what, text) in
        [("title", Some(&told.says.title)), ("url", told.says.url.as_ref()), ("text", Some(&told.says.text))]
    {
        let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
        let first: String = escape::line(text.trim()).chars().take(60).collect();
        let more =
            if text.chars().count() > 60 { format!(" … ({} bytes, whole)", text.len()) } else { String::new() };
        lines.push(line(what, &format!("{first}{more}")));
    }
    lines.push(line(
        "kind",
        &format!("{}, the number {} of its device there, with its time", escape::line(&told.kind), told.place.number),
    ));
    if !told.own_tags.is_empty() {
        let tags: Vec<String> = told.own_tags.iter().map(|tag| escape::line(tag)).collect();
        lines.push(line(
            "tags",
            &format!("{} (as it is tagged in `{}`)", tags.join(", "), escape::line(&seen.from_name)),
        ));
    }
    let ids = |ids: &[String]| ids.iter().map(|id| short(id)).collect::<Vec<_>>().join(", ");
    if !told.replies_to.is_empty() {
        lines.push(line("answers", &format!("{}, by id", ids(&told.replies_to))));
    }
    lines.extend(told.target.iter().map(|target| line("changes", &format!("{}, by id", short(target)))));
    for file in &told.attachments {
        lines.push(line("attachment", &format!("{}, {} bytes", escape::line(&file.name), file.bytes)));
    }
    if !told.edits.is_empty() {
        lines.push(line(
            "edits",
            &format!("{} follow it, and so does what it said before: {}", told.edits.len(), ids(&told.edits)),
        ));
    }
    lines
}

fn proof_lines(seen: &Previewed) -> Vec<String> {
    let told = &seen.discloses;
    let mut lines = vec![line(
        "community",
        &format!("{}, with its id", named(Some(&told.community.name), &told.community.community)),
    )];
    lines.extend(told.founders.iter().map(|founder| line("founder", &person(founder))));
    let is_founder = |whole: &&Whole| !told.founders.iter().any(|founder| founder.person == whole.person);
    lines.extend(told.stewards.iter().filter(is_founder).map(|steward| line("steward", &person(steward))));
    for operation in &told.operations {
        let by = named(operation.author_name.as_deref(), &operation.author);
        lines.push(line("decided", &format!("{by} {}", escape::line(&operation.what))));
    }
    lines
}

fn broker_lines(seen: &Previewed) -> Vec<String> {
    let broker = &seen.discloses.broker;
    let name = named(broker.name.as_deref(), &broker.person);
    let mut lines = vec![line("broker", &format!("you, {name}, on the device {}", short(&broker.device)))];
    let note = if seen.note.is_empty() { "none yet: --note TEXT, which a relay asks for" } else { &seen.note };
    lines.push(line("note", &escape::line(note)));
    lines.extend(seen.summary.as_ref().map(|summary| line("summary", &escape::line(summary))));
    if !seen.tags.is_empty() {
        lines.push(format!("  {}", tagged(&seen.tags, &seen.mapped)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_relay_says_what_became_of_it() {
        let answer = json!({"envelope": "ee", "item": "ab".repeat(32), "to": "cd", "state": "quarantined",
            "tags": ["shelves", "programming"], "mapped": [{"from": "rust/async", "to": "programming"}]});
        let line =
            ["relay", "ababab", "--to", "library", "--note", "why", "-t", "shelves", "--map", "rust=programming"];
        let heard = hear(&line, [(201, answer)]).await;
        heard.done.expect("the node said yes");
        let sent = r#"POST /relay {"item":"ababab","map":[{"from":"rust","to":"programming"}],"note":"why","tags":["shelves"],"to":"library"}"#;
        assert_eq!(heard.asked, [sent]);
        let says = "Relayed ababababab to `library`: its stewards see it first.\n\
            Its tags there: shelves, programming (for `rust/async`)\n";
        assert!(heard.printed.starts_with(says), "{}", heard.printed);
    }

    #[tokio::test]
    async fn a_relay_that_the_author_does_not_want_is_a_refusal() {
        let no = json!({"error": "its author keeps it in garden", "reason": "reach_zero", "hint": "ask the author"});
        let heard = hear(&["relay", "ababab", "--to", "library", "--note", "why", "--json"], [(403, no)]).await;
        let error = heard.done.expect_err("the node said no");
        assert_eq!((error.exit_code(), error.reason()), (3, "reach_zero"));
    }

    #[tokio::test]
    async fn a_preview_says_in_plain_words_what_would_be_told() {
        let whole = |id: &str, name, named, devices: usize| {
            json!({"person": id.repeat(32), "name": name, "named": named,
            "devices": vec!["dd"; devices]})
        };
        let answer = json!({
        "item": "ab".repeat(32), "from_name": "garden", "to_name": "library", "quarantined": true, "note": "",
        "summary": null, "tags": [], "mapped": [],
        "parts": [{"part": "item", "bytes": 300}, {"part": "bundle", "bytes": 1000}],
        "discloses": {
            "author": whole("b0", "bob", false, 2), "place": {"number": 7}, "says": {"title": "Frost", "text": "a", "url": null},
            "kind": "post", "own_tags": ["soil/frost"], "replies_to": ["ac".repeat(32)], "target": null, "attachments": [],
            "edits": [], "community": {"community": "ca".repeat(32), "name": "garden"},
            "founders": [whole("a0", "alice", true, 1)], "stewards": [whole("a0", "alice", true, 1)],
            "operations": [{"author": "a0", "author_name": "alice", "what": "let ferry carry items out to library"}],
            "broker": {"person": "fe".repeat(32), "name": "ferry", "device": "de".repeat(32)}
        }});
        let heard = hear(&["relay", "ababab", "--to", "library", "--preview"], [(200, answer)]).await;
        heard.done.expect("the node said yes");
        assert_eq!(heard.asked, [r#"POST /relay/preview {"item":"ababab","map":[],"tags":[],"to":"library"}"#]);
        for part in [
            "Nothing was sent.",
            "in `library`; its stewards see it first:\n  1300 bytes: item 300, bundle 1000",
            "author       bob (b0b0b0b0b0): the id, identity keys and 2 devices, without the name\n",
            "founder      alice (a0a0a0a0a0): the id, identity keys and 1 device\n",
            "tags         soil/frost (as it is tagged in `garden`)\n",
            "answers      acacacacac, by id\n",
            "decided      alice (a0) let ferry carry items out to library\n",
            "note         none yet",
        ] {
            assert!(heard.printed.contains(part), "{part}\n{}", heard.printed);
        }
        assert!(!heard.printed.contains("steward  "), "a founder is told of once: {}", heard.printed);
    }
}
