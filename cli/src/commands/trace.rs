//! `hearth trace`: the way an item came over the borders of communities, and who carried it.

use serde::Deserialize;

use crate::args::filled;
use crate::commands::show::Label;
use crate::error::Error;
use crate::output::{Form, Output, escape, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, Names, short};

/// The way an item came
#[derive(Debug, clap::Args)]
pub(crate) struct Trace {
    /// The item
    #[arg(value_name = "ID", value_parser = filled)]
    item: String,
}

#[derive(Deserialize)]
struct Way {
    item: String,
    author: String,
    author_name: Option<String>,
    signature: String,
    #[serde(default)]
    hops: Vec<Hop>,
}

#[derive(Deserialize)]
struct Hop {
    from: String,
    from_name: Option<String>,
    to: String,
    to_name: Option<String>,
    broker: String,
    broker_name: Option<String>,
    note: Option<String>,
    at_ms: u64,
    permission: Option<String>,
    refusal: Option<String>,
    label: Option<Label>,
}

impl Trace {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let answer = session.ask(Request::get(&["items", &self.item, "trace"])).await?;
        let names = match out.form() {
            Form::Human => Names::of(session).await?,
            Form::Json => Names::default(),
        };
        out.tell(&answer, || Ok(shown(&view::read(&answer)?, &names)))
    }
}

fn shown(way: &Way, names: &Names) -> String {
    let author = view::named(way.author_name.as_deref(), &way.author);
    let signature = escape::line(&way.signature);
    let mut lines = vec![format!("{} by {author}; the author's signature is {signature}.", short(&way.item))];
    if way.hops.is_empty() {
        lines.push("It crossed no border: it is where it was written.".to_owned());
    }
    for (at, hop) in way.hops.iter().enumerate() {
        let place = |name: &Option<String>, id: &str| escape::line(&name.clone().unwrap_or_else(|| names.name(id)));
        let (from, to) = (place(&hop.from_name, &hop.from), place(&hop.to_name, &hop.to));
        let broker = view::named(hop.broker_name.as_deref(), &hop.broker);
        lines.push(format!("{}. {from} -> {to}, carried by {broker}, {}", at + 1, time::moment(hop.at_ms)));
        if let Some(note) = hop.note.as_deref().filter(|note| !note.is_empty()) {
            lines.push(format!("   \"{}\"", escape::line(note)));
        }
        if let Some(permission) = &hop.permission {
            lines.push(format!("   {}", allowed(permission)));
        }
        if let Some(refusal) = &hop.refusal {
            lines.push(format!("   refused here: {}", escape::line(refusal)));
        }
        if let Some(label) = &hop.label {
            lines.push(format!("   {}", label.line(("declined", "released"))));
        }
    }
    lines.join("\n")
}

/// Whether what is kept here proves that it might cross.
fn allowed(permission: &str) -> String {
    match permission {
        "valid" => "its author, and stewards of both sides, allowed it: checked here, offline".to_owned(),
        "no_proof" | "no_log" | "missing_heads" => {
            format!("what would prove that it was allowed is not here ({permission}): hearth sync")
        }
        other => format!("what is kept here does not allow it: {}", escape::line(other)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn each_border_is_a_line_with_its_broker_note_and_refusal() {
        let way = json!({"item": "ab".repeat(32), "author": "cd".repeat(32), "signature": "valid", "hops": [{
            "from": "11".repeat(32), "to": "22".repeat(32), "to_name": "library", "broker": "ef".repeat(32),
            "broker_name": "ferry", "note": "for the\nshelf", "at_ms": 0, "permission": "no_proof",
            "refusal": "tag_not_linked"}]});
        let known = json!({"communities": [{"community": "11".repeat(32), "name": "garden"}]});
        let heard = hear(&["trace", "ababab"], [(200, way), (200, known)]).await;
        heard.done.expect("the answer is whole");
        let expected = "ababababab by cdcdcdcdcd; the author's signature is valid.\n\
             1. garden -> library, carried by ferry (efefefefef), 1970-01-01 00:00 UTC\n   \
             \"for the\\nshelf\"\n   what would prove that it was allowed is not here (no_proof): hearth sync\n   \
             refused here: tag_not_linked\n";
        assert_eq!(heard.printed, expected);
    }
}
