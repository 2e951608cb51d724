//! `hearth queue`: what waits for your word, as a steward or as a broker, and what you have sent that waits on the other
//! side.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::filled;
use crate::error::Error;
use crate::output::{Output, escape, layout};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, quoted, short};

/// What waits for your word: candidates of your selections, and what you have sent
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Queue {
    /// Only of the borders of this community
    #[arg(value_name = "C", value_parser = filled)]
    community: Option<String>,
    #[command(subcommand)]
    decision: Option<Decision>,
}

/// A decision on a candidate.
#[derive(Debug, clap::Subcommand)]
enum Decision {
    /// Release what was brought in, or carry a candidate over the border
    Accept {
        /// The item
        #[arg(value_name = "ID", value_parser = filled)]
        item: String,
        /// Why it matters there [default: the selection's note]
        #[arg(long, value_name = "TEXT", value_parser = filled)]
        note: Option<String>,
        /// What it says, in the words of the other side
        #[arg(long, value_name = "TEXT", value_parser = filled)]
        summary: Option<String>,
        /// A tag of the other side for it
        #[arg(short = 't', long = "tag", value_name = "TAG", value_parser = filled)]
        tags: Vec<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Decline what was brought in, or leave a candidate where it is, for good
    Decline {
        /// The item
        #[arg(value_name = "ID", value_parser = filled)]
        item: String,
        /// Why; you read it again in the queue, and nobody else does
        #[arg(long, value_name = "TEXT", value_parser = filled)]
        reason: String,
        #[command(flatten)]
        which: Which,
    },
}

/// Which candidate, where the item alone does not say it.
#[derive(Debug, clap::Args)]
struct Which {
    /// The version that you looked at, of an item that was edited since it was selected
    #[arg(long, value_name = "ID", value_parser = filled)]
    version: Option<String>,
    /// For which community, where it waits for several
    #[arg(long, value_name = "C", value_parser = filled)]
    to: Option<String>,
}

#[derive(Deserialize)]
struct Seen {
    #[serde(default, rename = "in")]
    entering: Vec<Entering>,
    out: Vec<Waiting>,
    #[serde(default)]
    kept_back: u64,
}

/// What a broker has brought into a community of which I am a steward.
#[derive(Deserialize)]
struct Entering {
    #[serde(flatten)]
    item: view::Item,
    #[serde(default)]
    from_name: Option<String>,
    to_name: String,
    broker_name: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
struct Waiting {
    #[serde(flatten)]
    item: view::Item,
    #[serde(default)]
    from_name: Option<String>,
    to_name: Option<String>,
    selection: Option<String>,
    version: Option<String>,
    #[serde(default)]
    edited: bool,
    gate: Option<String>,
    owner_name: Option<String>,
    error: Option<String>,
    declined: Option<String>,
}

impl Waiting {
    fn state(&self) -> &str {
        self.item.state.as_deref().unwrap_or_default()
    }

    fn border(&self) -> String {
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        format!("{} to {}", name(&self.from_name), name(&self.to_name))
    }
}

impl Queue {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let width = out.width();
        let (item, verb, body) = match self.decision {
            None => {
                let request = Request::get(&["queue"]).query("in", self.community.as_deref());
                let answer = session.ask(request).await?;
                let part = |name| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                let lines = [part("in"), part("out")].concat();
                return out.list(&lines, || Ok(queue(&view::read(&answer)?, width)));
            }
            Some(Decision::Accept { item, note, summary, tags, which }) => {
                let body =
                    json!({"note": note, "summary": summary, "tags": tags, "version": which.version, "to": which.to});
                (item, "accept", body)
            }
            Some(Decision::Decline { item, reason, which }) => {
                (item, "decline", json!({"reason": reason, "version": which.version, "to": which.to}))
            }
        };
        let answer = session.ask(Request::post(&["queue", &item, verb], body)?).await?;
        out.tell(&answer, || {
            let id = short(answer.get("item").and_then(Value::as_str).unwrap_or_default());
            let is_of_steward = answer.get("decided").is_some();
            Ok(match answer.get("state").and_then(Value::as_str).unwrap_or_default() {
                "shown" if is_of_steward => format!("Released {id}: members read it now.\nSee it: hearth show {id}"),
                "declined" if is_of_steward => {
                    format!("Declined {id}: members do not see it; who brought it reads your reason.")
                }
                "shown" => format!("Relayed {id}: everyone there sees it.\nThe way it went: hearth trace {id}"),
                "quarantined" => {
                    format!("Relayed {id}: its stewards see it first.\nUntil then it stays here: hearth queue")
                }
                "declined" => format!("{id} stays where it is, and is not proposed again."),
                other => format!("Relayed {id}: {}.", escape::line(other)),
            })
        })
    }
}

fn queue(seen: &Seen, width: Option<u16>) -> String {
    let mut parts = Vec::new();
    parts.extend(entering(&seen.entering, width));
    let of = |state: &'static str| seen.out.iter().filter(move |one| one.state() == state).collect::<Vec<_>>();
    let table = |title: &str, ones: &[&Waiting], why: &str, tell: &dyn Fn(&Waiting) -> String| {
        let rows = ones.iter().map(|one| {
            [short(&one.item.item), one.item.kind.clone(), one.item.by(), one.border(), one.item.glance(), tell(one)]
        });
        format!("{title}\n{}", layout::table(["id", "kind", "by", "border", "what", why], rows, width))
    };
    let waiting = of("waiting");
    if !waiting.is_empty() {
        let by = |one: &Waiting| one.selection.as_deref().map(short).unwrap_or_default();
        let mut part = table("These wait for you:", &waiting, "selected by", &by);
        for one in waiting.iter().filter(|one| one.edited) {
            let (id, version) = (short(&one.item.item), short(one.version.as_deref().unwrap_or_default()));
            part.push_str(&format!("\n{id} was edited since it was selected: accept it with --version {version}"));
        }
        part.push_str(
            "\n\nhearth show ID | hearth queue accept ID --note TEXT | hearth queue decline ID --reason TEXT",
        );
        parts.push(part);
    }
    let refused = of("refused");
    if !refused.is_empty() {
        let why = |one: &Waiting| {
            format!("{} ({})", one.gate.clone().unwrap_or_default(), one.owner_name.clone().unwrap_or_default())
        };
        let to = quoted(refused.first().and_then(|one| one.to_name.as_deref()).unwrap_or_default());
        let part = table(
            "These may not cross as things stand; whose no it is stands beside it:",
            &refused,
            "refused by",
            &why,
        );
        parts.push(format!("{part}\n\nMore on each: hearth link check ID --to {to}"));
    }
    let mut sent = of("quarantined");
    sent.extend(of("held"));
    if !sent.is_empty() {
        let where_it_is = |one: &Waiting| match &one.error {
            Some(error) => format!("held: {error}"),
            None => "its stewards look first".to_owned(),
        };
        parts.push(table("You have sent these, and nobody there sees them yet:", &sent, "why", &where_it_is));
    }
    let declined = of("declined");
    if !declined.is_empty() {
        let why = |one: &Waiting| one.declined.clone().unwrap_or_default();
        parts.push(table("You have declined these:", &declined, "why", &why));
    }
    if seen.kept_back > 0 {
        let (more, whose) = if seen.kept_back == 1 {
            ("1 more was".to_owned(), "its author lets it")
        } else {
            (format!("{} more were", seen.kept_back), "their authors let them")
        };
        parts.push(format!("{more} selected, but {whose} cross no border."));
    }
    if parts.is_empty() {
        parts.push("Nothing waits. What you always want to see: hearth select create FROM --to C --tag TAG".to_owned());
    }
    parts.join("\n\n")
}

/// What members read once a steward releases it.
fn entering(waiting: &[Entering], width: Option<u16>) -> Option<String> {
    let rows = waiting.iter().map(|one| {
        let border = format!("{} to {}", one.from_name.as_deref().unwrap_or("elsewhere"), one.to_name);
        let item = &one.item;
        [
            short(&item.item),
            item.kind.clone(),
            item.by(),
            border,
            item.glance(),
            one.broker_name.clone(),
            one.note.clone(),
        ]
    });
    let table = layout::table(["id", "kind", "by", "border", "what", "brought by", "why it matters"], rows, width);
    (!waiting.is_empty()).then(|| {
        format!(
            "These were brought in, and no member reads them before a steward has looked:\n{table}\n\
             hearth show ID | hearth queue accept ID | hearth queue decline ID --reason TEXT\n\
             Ask back: hearth reply ID TEXT"
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::{Value, json};

    fn one(id: &str, state: &str, more: &Value) -> Value {
        let mut one = json!({"item": id.repeat(32), "kind": "post", "community": "f0", "author": "b0", "author_name": "bob",
            "title": "", "text": format!("text of {id}"), "tags": [], "created_ms": 0, "state": state,
            "from_name": "garden", "to_name": "the library"});
        let more = more.as_object().expect("the test gives an object").clone();
        one.as_object_mut().expect("it is an object").extend(more);
        one
    }

    #[tokio::test]
    async fn a_queue_says_what_waits_for_whom() {
        let out = [
            one("a1", "waiting", &json!({"selection": "5e".repeat(32), "edited": true, "version": "e0".repeat(32)})),
            one("a2", "refused", &json!({"gate": "tags", "owner_name": "garden"})),
            one("a3", "quarantined", &json!({})),
            one("a4", "held", &json!({"error": "the link has ended"})),
            one("a5", "declined", &json!({"declined": "not for them"})),
        ];
        let heard = hear(&["queue", "garden"], [(200, json!({"out": out, "kept_back": 2}))]).await;
        heard.done.expect("the answer is whole");
        assert_eq!(heard.asked, ["GET /queue?in=garden"]);
        for part in [
            "a1a1a1a1a1 was edited since it was selected: accept it with --version e0e0e0e0e0\n",
            "tags (garden)",
            "hearth link check ID --to 'the library'",
            "its stewards look first",
            "held: the link has ended",
            "not for them",
            "2 more were selected, but their authors let them cross no border.",
        ] {
            assert!(heard.printed.contains(part), "{part}\n{}", heard.printed);
        }
        let heard = hear(&["queue"], [(200, json!({"out": [], "kept_back": 0}))]).await;
        assert!(heard.printed.starts_with("Nothing waits."));
    }

    #[tokio::test]
    async fn a_decision_sends_what_was_typed() {
        let done = json!({"item": "ab".repeat(32), "state": "quarantined"});
        let heard = hear(&["queue", "accept", "ababab", "--note", "why", "--version", "e0e0e0"], [(200, done)]).await;
        let sent = r#"POST /queue/ababab/accept {"note":"why","summary":null,"tags":[],"to":null,"version":"e0e0e0"}"#;
        assert_eq!(heard.asked, [sent]);
        assert!(heard.printed.starts_with("Relayed ababababab: its stewards see it first."));
        let done = json!({"item": "ab".repeat(32), "state": "declined"});
        let heard = hear(&["queue", "decline", "ababab", "--reason", "no", "--to", "library"], [(200, done)]).await;
        assert_eq!(heard.asked, [r#"POST /queue/ababab/decline {"reason":"no","to":"library","version":null}"#]);
    }
}
