//! `hearth select`: what a broker always wants to see of one community, for another.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::filled;
use crate::error::Error;
use crate::output::{Output, escape, layout};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, quoted, short};

/// What you always want to see of one community, for another
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Select {
    /// Make a selection; it is off until you switch it on
    Create(Create),
    /// Your selections
    List,
    /// What the last 30 days would have given, and which gates refuse it now; nothing is kept or sent
    Try {
        /// The selection
        #[arg(value_name = "ID", value_parser = filled)]
        selection: String,
    },
    /// Switch a selection on: what is written from now on goes into your queue
    On {
        /// The selection
        #[arg(value_name = "ID", value_parser = filled)]
        selection: String,
    },
    /// Switch a selection off; what is in your queue stays there
    Off {
        /// The selection
        #[arg(value_name = "ID", value_parser = filled)]
        selection: String,
    },
    /// Take a selection away, with what it has put into your queue
    Remove {
        /// The selection
        #[arg(value_name = "ID", value_parser = filled)]
        selection: String,
    },
}

/// What to select.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The community in which it is written
    #[arg(value_name = "FROM", value_parser = filled)]
    from: String,
    /// The community for which it is
    #[arg(long, value_name = "C", value_parser = filled)]
    to: String,
    /// A tag of it, or one above; of several, any
    #[arg(short = 't', long = "tag", value_name = "TAG", value_parser = filled)]
    tags: Vec<String>,
    /// Its kind, like post or bookmark; of several, any
    #[arg(long = "kind", value_name = "K", value_parser = filled)]
    kinds: Vec<String>,
    /// Who wrote it; of several, any
    #[arg(long = "by", value_name = "PERSON", value_parser = filled)]
    by: Vec<String>,
    /// Words that it holds, all of them, in small letters or large
    #[arg(long = "words", value_name = "W", value_parser = filled)]
    words: Vec<String>,
    /// How many people have to endorse it
    #[arg(long, value_name = "N", default_value_t = 0)]
    endorsed: u32,
    /// Why it matters there; with --auto each relay says so
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    note: Option<String>,
    /// Relay what both links let pass without asking you, as far as the quota goes
    #[arg(long, requires = "note")]
    auto: bool,
}

#[derive(Deserialize)]
struct Selection {
    selection: String,
    from_name: Option<String>,
    from: String,
    to_name: Option<String>,
    to: String,
    tags: Vec<String>,
    kinds: Vec<String>,
    by: Vec<Person>,
    words: Vec<String>,
    endorsed: u64,
    auto: bool,
    on: bool,
    waiting: u64,
    carried: u64,
    behind: u64,
    #[serde(default)]
    items: Vec<Tried>,
}

#[derive(Deserialize)]
struct Person {
    person: String,
    name: Option<String>,
}

/// An item that would have been selected.
#[derive(Deserialize)]
struct Tried {
    #[serde(flatten)]
    item: view::Item,
    crosses: bool,
    gate: Option<String>,
    owner_name: Option<String>,
}

impl Select {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let width = out.width();
        let (selection, verb) = match self {
            Self::Create(create) => return create.run(session, out).await,
            Self::List => {
                let list = session.ask_list(Request::get(&["selections"]), "selections").await?;
                return out.list(&list, || {
                    if list.is_empty() {
                        return Ok("No selections. Make one: hearth select create FROM --to C --tag TAG".to_owned());
                    }
                    Ok(listed(&view::read_all(&list)?, width))
                });
            }
            Self::Try { selection } => {
                let answer = session.ask(Request::get(&["selections", &selection, "try"])).await?;
                return out.tell(&answer, || Ok(tried(&view::read(&answer)?, width)));
            }
            Self::On { selection } => (selection, "on"),
            Self::Off { selection } => (selection, "off"),
            Self::Remove { selection } => (selection, "remove"),
        };
        let answer = session.ask(Request::post(&["selections", &selection, verb], json!({}))?).await?;
        out.tell(&answer, || {
            let id = short(answer.get("selection").and_then(Value::as_str).unwrap_or_default());
            Ok(match verb {
                "on" => format!(
                    "{id} is on: what is written from now on is judged while your node runs.\nWhat it finds: hearth queue"
                ),
                "off" => format!("{id} is off. What it found before stays in your queue: hearth queue"),
                _ => format!("Removed {id}, and what it had put into your queue."),
            })
        })
    }
}

impl Create {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let body = json!({
            "from": self.from, "to": self.to, "tags": self.tags, "kinds": self.kinds, "by": self.by,
            "words": self.words, "endorsed": self.endorsed, "note": self.note, "auto": self.auto,
        });
        let answer = session.ask(Request::post(&["selections"], body)?).await?;
        out.tell(&answer, || {
            let made: Selection = view::read(&answer)?;
            let id = short(&made.selection);
            let then = if made.auto {
                "relays by itself what both links let pass"
            } else {
                "puts what it finds into your queue"
            };
            Ok(format!(
                "Selection {id}, from `{}` for `{}`: {}. It is off; once on, it {then}.\n\
                 What the last 30 days would have given: hearth select try {id}\nSwitch it on: hearth select on {id}",
                name(made.from_name.as_ref(), &made.from),
                name(made.to_name.as_ref(), &made.to),
                escape::line(&terms(&made)),
            ))
        })
    }
}

fn name(name: Option<&String>, id: &str) -> String {
    name.map_or_else(|| short(id), |name| escape::line(name))
}

/// What is asked, in words.
fn terms(selection: &Selection) -> String {
    let any = |what: &str, some: &[String]| (!some.is_empty()).then(|| format!("{what} {}", some.join(" or ")));
    let by: Vec<String> = selection.by.iter().map(|person| name(person.name.as_ref(), &person.person)).collect();
    let words = (!selection.words.is_empty()).then(|| format!("with {}", selection.words.join(" and ")));
    let endorsed = (selection.endorsed > 0).then(|| format!("endorsed by {}", selection.endorsed));
    let terms = [any("tag", &selection.tags), any("kind", &selection.kinds), any("by", &by), words, endorsed];
    terms.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn listed(all: &[Selection], width: Option<u16>) -> String {
    let rows = all.iter().map(|one| {
        let state = match (one.on, one.auto) {
            (false, _) => "off",
            (true, false) => "on",
            (true, true) => "on, by itself",
        };
        let behind = if one.behind > 0 { format!(", {} to judge", one.behind) } else { String::new() };
        [
            short(&one.selection),
            format!("{} to {}", name(one.from_name.as_ref(), &one.from), name(one.to_name.as_ref(), &one.to)),
            terms(one),
            format!("{state}{behind}"),
            one.waiting.to_string(),
            one.carried.to_string(),
        ]
    });
    layout::table(["selection", "border", "what", "state", "waiting", "carried"], rows, width)
}

fn tried(seen: &Selection, width: Option<u16>) -> String {
    let id = short(&seen.selection);
    if seen.items.is_empty() {
        return format!(
            "Of the last 30 days it would have given nothing. Switch it on all the same: hearth select on {id}"
        );
    }
    let pass = seen.items.iter().filter(|tried| tried.crosses).count();
    let rows = seen.items.iter().map(|tried| {
        let gate = match (&tried.gate, &tried.owner_name) {
            (Some(gate), Some(owner)) => format!("no: {gate} ({owner})"),
            _ => "yes".to_owned(),
        };
        [short(&tried.item.item), tried.item.kind.clone(), tried.item.by(), tried.item.glance(), gate]
    });
    let table = layout::table(["id", "kind", "by", "what", "may cross now"], rows, width);
    let to = quoted(seen.to_name.as_deref().unwrap_or_default());
    format!(
        "{table}\n\n{} of the last 30 days, of which {pass} may cross now. Nothing was kept or sent.\n\n\
         Why not: hearth link check ID --to {to}\nCarry one: hearth relay ID --to {to} --note TEXT\nSwitch it on: hearth select on {id}",
        seen.items.len()
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::{Value, json};

    fn selection() -> Value {
        json!({"selection": "ab".repeat(32), "from": "f0".repeat(32), "from_name": "garden", "to": "10".repeat(32),
            "to_name": "library", "tags": ["rust", "go"], "kinds": ["post"], "by": [{"person": "b0", "name": "bob"}],
            "words": ["frost"], "endorsed": 2, "auto": false, "on": false, "waiting": 0, "carried": 0, "behind": 0})
    }

    #[tokio::test]
    async fn a_selection_sends_its_terms_and_says_what_comes_next() {
        let line = [
            "select",
            "create",
            "garden",
            "--to",
            "library",
            "-t",
            "rust",
            "--kind",
            "post",
            "--by",
            "bob",
            "--words",
            "frost",
            "--endorsed",
            "2",
            "--note",
            "why",
            "--auto",
        ];
        let heard = hear(&line, [(200, selection())]).await;
        heard.done.expect("the node said yes");
        let sent: Value =
            serde_json::from_str(heard.asked[0].strip_prefix("POST /selections ").expect("it is a selection"))
                .expect("it is JSON");
        assert_eq!(
            sent,
            json!({"from": "garden", "to": "library", "tags": ["rust"], "kinds": ["post"], "by": ["bob"],
            "words": ["frost"], "endorsed": 2, "note": "why", "auto": true})
        );
        let says = "Selection ababababab, from `garden` for `library`: tag rust or go, kind post, by bob, with frost, endorsed by 2.";
        assert!(heard.printed.starts_with(says), "{}", heard.printed);
        assert!(heard.printed.contains("hearth select try ababababab"));
    }

    #[tokio::test]
    async fn a_try_says_of_each_whether_it_may_cross_and_whose_no_it_is() {
        let mut tried = selection();
        let item = json!({"item": "cd".repeat(32), "kind": "post", "community": "f0", "author": "b0", "author_name": "bob",
            "title": "", "text": "a find", "tags": [], "created_ms": 0, "crosses": false, "gate": "reach", "owner_name": "bob"});
        let mut other = item.clone();
        (other["crosses"], other["gate"]) = (json!(true), Value::Null);
        tried["items"] = json!([item, other]);
        let heard = hear(&["select", "try", "ababab"], [(200, tried)]).await;
        assert_eq!(heard.asked, ["GET /selections/ababab/try"]);
        for part in [
            "no: reach (bob)",
            "yes",
            "2 of the last 30 days, of which 1 may cross now.",
            "hearth select on ababababab",
        ] {
            assert!(heard.printed.contains(part), "{part}\n{}", heard.printed);
        }
    }
}
