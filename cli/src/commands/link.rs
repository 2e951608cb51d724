//! `hearth link`: a community's standing consent that named brokers carry items out to, or in from, another.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::report;
use crate::args::{Mapping, Role, duration, filled, mapping, milliseconds};
use crate::error::Error;
use crate::output::{Output, escape, layout, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, quoted, short};

/// Let brokers carry items between two communities
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Link {
    /// Let brokers carry items out to, or in from, another community; the other one has to agree with a link of its own
    Create(Create),
    /// The links of a community
    List {
        /// Name or id
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
    },
    /// What an item would be asked on its way into another community, by whose rule; nothing is sent
    Check {
        /// The item
        #[arg(value_name = "ITEM", value_parser = filled)]
        item: String,
        /// The community that it would go to
        #[arg(long, value_name = "C", value_parser = filled)]
        to: String,
    },
    /// What crossed a community's borders, by whom, and what came of it on the other side
    Report {
        /// Name or id
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
        /// Only the border with this community
        #[arg(long, value_name = "OTHER", value_parser = filled)]
        with: Option<String>,
    },
    /// How you say the tags of one community in another when you relay; --map and --remove change it
    Tags {
        /// The community whose tags they are
        #[arg(value_name = "FROM", value_parser = filled)]
        from: String,
        /// The community that has other words
        #[arg(value_name = "TO", value_parser = filled)]
        to: String,
        /// Say a tag, and those under it, as one of the other side
        #[arg(long = "map", value_name = "TAG=THEIRS", value_parser = mapping)]
        map: Vec<Mapping>,
        /// Say nothing for a tag any more
        #[arg(long, value_name = "TAG", value_parser = filled)]
        remove: Vec<String>,
    },
    /// End a link before its time
    End {
        /// The link
        #[arg(value_name = "ID", value_parser = filled)]
        link: String,
    },
}

/// The terms of a link.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The community whose consent it is
    #[arg(value_name = "C", value_parser = filled)]
    community: String,
    /// Items may go out to this community
    #[arg(long, value_name = "OTHER", value_parser = filled, conflicts_with = "into", required_unless_present = "into")]
    out: Option<String>,
    /// Items may come in from this community
    #[arg(long = "in", value_name = "OTHER", value_parser = filled)]
    into: Option<String>,
    /// Who may carry them; several may follow
    #[arg(long = "broker", value_name = "PERSON", num_args = 1.., required = true, value_parser = filled)]
    pub(crate) brokers: Vec<String>,
    /// Kinds that may be carried [default: all]
    #[arg(long, value_name = "K", num_args = 1.., value_delimiter = ',', value_parser = filled)]
    pub(crate) kinds: Vec<String>,
    /// Tags of which an item needs one [default: all items]
    #[arg(long, value_name = "T", num_args = 1.., value_delimiter = ',', value_parser = filled)]
    pub(crate) tags: Vec<String>,
    /// At most so many a day
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) per_day: u16,
    /// The role that an author needs
    #[arg(long, value_name = "R", value_enum, default_value = "member")]
    pub(crate) min_role: Role,
    /// Only stewards see what comes in, until one of them lets it through
    #[arg(long)]
    pub(crate) quarantine: bool,
    /// Only replies to items that came from the other side
    #[arg(long)]
    pub(crate) replies_only: bool,
    /// How long it holds, like 12h or 90d
    #[arg(long, value_name = "D", value_parser = duration, default_value = "90d")]
    pub(crate) expires: Duration,
}

#[derive(Deserialize)]
struct Listed {
    link: String,
    direction: String,
    other: String,
    other_name: Option<String>,
    #[serde(default)]
    brokers: Vec<Broker>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    per_day: Option<u64>,
    min_role: Option<String>,
    quarantine: Option<bool>,
    replies_only: Option<bool>,
    not_after_ms: u64,
    ended: bool,
    other_side: Option<String>,
    hint: Option<String>,
}

#[derive(Deserialize)]
struct Checked {
    item: String,
    to_name: String,
    crosses: bool,
    quarantined: bool,
    gates: Vec<Gate>,
}

#[derive(Deserialize)]
struct Gate {
    gate: String,
    owner: String,
    owner_name: String,
    passed: bool,
    error: Option<String>,
    hint: Option<String>,
}

#[derive(Deserialize)]
struct Broker {
    person: String,
    name: Option<String>,
}

impl Link {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let width = out.width();
        match self {
            Self::Create(create) => create.run(session, out).await,
            Self::List { community } => {
                let request = Request::get(&["communities", &community, "links"]);
                let list = session.ask_list(request, "links").await?;
                out.list(&list, || {
                    if list.is_empty() {
                        let name = quoted(&community);
                        return Ok(format!(
                            "No links. Make one: hearth link create {name} --out OTHER --broker PERSON"
                        ));
                    }
                    let links = view::read_all(&list)?;
                    Ok(format!("{}{}", listed(&links, width), missing(&links)))
                })
            }
            Self::Check { item, to } => {
                let answer = session.ask(Request::get(&["items", &item, "crossing"]).query("to", Some(&to))).await?;
                out.tell(&answer, || Ok(checked(&view::read(&answer)?)))
            }
            Self::Report { community, with } => {
                let request = Request::get(&["communities", &community, "report"]).query("with", with.as_deref());
                let answer = session.ask(request).await?;
                let mut lines = answer.get("crossings").and_then(Value::as_array).cloned().unwrap_or_default();
                lines.push(json!({ "totals": answer.get("totals"), "unseen": answer.get("unseen") }));
                out.list(&lines, || Ok(report::shown(&view::read(&answer)?, width)))
            }
            Self::Tags { from, to, map, remove } => {
                let path = ["communities", &from, "tags", &to];
                let request = if map.is_empty() && remove.is_empty() {
                    Request::get(&path)
                } else {
                    let map: Vec<Value> = map.iter().map(Mapping::to_json).collect();
                    Request::post(&path, json!({ "map": map, "remove": remove }))?
                };
                let answer = session.ask(request).await?;
                out.tell(&answer, || mapped(&answer, width))
            }
            Self::End { link } => {
                let answer = session.ask(Request::post(&["links", &link, "end"], json!({}))?).await?;
                out.tell(&answer, || {
                    Ok(format!(
                        "Ended link {}. Nothing new is carried over it; what came until now stays.",
                        short(&link)
                    ))
                })
            }
        }
    }
}

impl Create {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let (direction, other) = match (self.out, self.into) {
            (Some(other), _) => ("out", other),
            (None, other) => ("in", other.unwrap_or_default()),
        };
        let body = json!({
            "community": self.community,
            "direction": direction,
            "other": other,
            "brokers": self.brokers,
            "kinds": self.kinds,
            "tags": self.tags,
            "per_day": self.per_day,
            "min_role": self.min_role.name(),
            "quarantine": self.quarantine,
            "replies_only": self.replies_only,
            "expires_ms": milliseconds(self.expires),
        });
        let answer = session.ask(Request::post(&["links"], body)?).await?;
        out.tell(&answer, || {
            let link = answer.get("link").and_then(Value::as_str).unwrap_or_default();
            let (here, there) = (quoted(&self.community), quoted(&other));
            // In ids: whoever types it may not be in this community, nor know its names.
            let hint = answer.get("hint").and_then(Value::as_str).unwrap_or_default();
            Ok(format!(
                "`{}` lets brokers carry items {direction} {} `{}`: link {}.\n\
                 {}\n\
                 Then a broker carries an item:\n  hearth relay ID --to {} --note TEXT",
                escape::line(&self.community),
                if direction == "out" { "to" } else { "from" },
                escape::line(&other),
                short(link),
                escape::line(hint),
                if direction == "out" { &there } else { &here },
            ))
        })
    }
}

/// A tag, and what is said for it.
#[derive(Deserialize)]
struct Said {
    from: String,
    to: String,
}

fn mapped(answer: &Value, width: Option<u16>) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Mapped {
        from_name: String,
        to_name: String,
        tags: Vec<Said>,
    }
    let seen: Mapped = view::read(answer)?;
    let (from, to) = (quoted(&seen.from_name), quoted(&seen.to_name));
    if seen.tags.is_empty() {
        return Ok(format!(
            "You have no words of `{}` for the tags of `{}`. Find some: hearth link tags {from} {to} --map TAG=THEIRS",
            escape::line(&seen.to_name),
            escape::line(&seen.from_name),
        ));
    }
    let rows = seen.tags.into_iter().map(|said| [said.from, said.to]);
    let table = layout::table([seen.from_name.as_str(), seen.to_name.as_str()], rows, width);
    Ok(format!(
        "{table}\n\nA tag includes those under it, and the nearest one counts. Taken out again: hearth link tags {from} {to} \
         --remove TAG"
    ))
}

fn listed(links: &[Listed], width: Option<u16>) -> String {
    let rows = links.iter().map(|link| {
        let brokers = link.brokers.iter().map(|broker| match broker.name.as_deref() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => short(&broker.person),
        });
        let other = link.other_name.clone().unwrap_or_else(|| short(&link.other));
        [
            short(&link.link),
            format!("{} {other}", link.direction),
            brokers.collect::<Vec<_>>().join(", "),
            terms(link),
            if link.ended { "ended".to_owned() } else { format!("until {}", time::moment(link.not_after_ms)) },
        ]
    });
    layout::table(["link", "direction", "brokers", "what", "state"], rows, width)
}

/// What is still to be said, by whom, before anything crosses.
fn missing(links: &[Listed]) -> String {
    let mut lines = String::new();
    for link in links {
        let Some(hint) = link.hint.as_deref() else { continue };
        let other = escape::line(&link.other_name.clone().unwrap_or_else(|| short(&link.other)));
        let why = match link.other_side.as_deref() {
            Some("missing") => format!("nothing crosses yet: `{other}` has no link that answers it"),
            _ => format!("whether `{other}` agrees is not known here"),
        };
        lines.push_str(&format!("\nLink {}: {why}; {}", short(&link.link), escape::line(hint)));
    }
    lines
}

/// Every gate on a line, those that refuse with what can be done.
fn checked(check: &Checked) -> String {
    let (id, to) = (short(&check.item), escape::line(&check.to_name));
    let shut = check.gates.iter().filter(|gate| !gate.passed).count();
    let mut lines = vec![match (check.crosses, check.quarantined) {
        (true, false) => {
            format!("{id} may cross into `{to}`: hearth relay {id} --to {} --note TEXT", quoted(&check.to_name))
        }
        (true, true) => format!(
            "{id} may cross into `{to}`, where stewards look at it first: hearth relay {id} --to {} --note TEXT",
            quoted(&check.to_name)
        ),
        (false, _) => format!("{id} may not cross into `{to}`: {shut} of {} gates refuse.", check.gates.len()),
    }];
    for gate in &check.gates {
        let whose = match gate.owner.as_str() {
            "author" => format!("its author, {}", escape::line(&gate.owner_name)),
            "broker" => "you, who carry it".to_owned(),
            _ => escape::line(&gate.owner_name),
        };
        let answer = if gate.passed { "yes" } else { "no" };
        lines.push(format!("  {answer:<3}  {:<17}  {whose}", escape::line(&gate.gate)));
        if let Some(error) = &gate.error {
            lines.push(format!("       {}", escape::line(error)));
        }
        if let Some(hint) = &gate.hint {
            lines.push(format!("       Next: {}", escape::line(hint)));
        }
    }
    lines.join("\n")
}

fn terms(link: &Listed) -> String {
    let listed = |all: &str, some: &[String]| {
        if some.is_empty() { all.to_owned() } else { some.join(" ") }
    };
    let mut terms = vec![listed("all kinds", &link.kinds), listed("all tags", &link.tags)];
    terms.extend(link.per_day.map(|count| format!("{count} a day")));
    terms.extend(link.min_role.as_ref().map(|role| format!("by {role} and up")));
    terms.extend(link.quarantine.filter(|yes| *yes).map(|_| "quarantined".to_owned()));
    terms.extend(link.replies_only.filter(|yes| *yes).map(|_| "replies only".to_owned()));
    terms.join(", ")
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn a_link_sends_its_terms_and_says_what_the_other_side_types() {
        let line = [
            "link",
            "create",
            "garden",
            "--out",
            "the library",
            "--broker",
            "ferry",
            "--kinds",
            "post",
            "--tags",
            "rust",
        ];
        let hint = "a steward of library types: hearth link create library --in 0123 --broker 4567";
        let heard = hear(&line, [(201, json!({"link": "ab".repeat(32), "hint": hint}))]).await;
        heard.done.expect("the node said yes");
        let sent = heard.asked[0].strip_prefix("POST /links ").expect("it is a link");
        let sent: Value = serde_json::from_str(sent).expect("it is JSON");
        assert_eq!(
            sent,
            json!({
                "community": "garden", "direction": "out", "other": "the library", "brokers": ["ferry"], "kinds": ["post"],
                "tags": ["rust"], "per_day": 20, "min_role": "member", "quarantine": false, "replies_only": false,
                "expires_ms": 7_776_000_000_u64,
            })
        );
        assert!(heard.printed.contains(hint), "{}", heard.printed);
        assert!(heard.printed.contains("hearth relay ID --to 'the library' --note TEXT"), "{}", heard.printed);
    }

    #[tokio::test]
    async fn a_report_has_a_line_for_each_crossing_and_one_of_totals() {
        let crossing = json!({"item": "ab".repeat(32), "kind": "bookmark", "community": "f0", "author": "b0",
            "author_name": "bob", "title": "Frost", "text": "", "tags": [], "created_ms": 0, "state": "held",
            "error": "the link has ended", "from": "f0", "from_name": "garden", "to": "10", "to_name": "library",
            "broker": "fe", "broker_name": "ferry", "at_ms": 0, "replies": 1, "saves": 2, "endorsements": 3});
        let sum = json!({"crossings": 1, "shown": 0, "quarantined": 0, "held": 1, "replies": 1, "saves": 2, "endorsements": 3});
        let none = json!({"crossings": 0, "shown": 0, "quarantined": 0, "held": 0, "replies": 0, "saves": 0, "endorsements": 0});
        let day = json!({"day_ms": 1_793_491_200_000_u64, "from": "f0", "from_name": "garden", "to": "10", "to_name": "library",
            "used": 1, "per_day": 20});
        let brokers = [json!({"broker": "fe", "broker_name": "ferry", "direction": "out", "sum": sum})];
        let answer = json!({"name": "garden", "crossings": [crossing], "unseen": ["cd".repeat(32)],
            "totals": {"out": sum, "in": none, "brokers": brokers, "days": [day]}});
        let line = ["link", "report", "garden", "--with", "library"];
        let heard = hear(&line, [(200, answer.clone())]).await;
        heard.done.expect("the answer is whole");
        assert_eq!(heard.asked, ["GET /communities/garden/report?with=library"]);
        for part in [
            "garden to library",
            "ferry",
            "Frost",
            "held: the link has ended",
            "Out: 1 crossed, 0 shown, 0 with stewards, 1 held; 1 replies, 2 saves, 3 endorsements there.\n",
            "  by ferry, out: 1 crossed",
            "2026-11-01",
            "1 of 20",
            "What went out to cdcdcdcdcd is not known here",
        ] {
            assert!(heard.printed.contains(part), "{part}\n{}", heard.printed);
        }
        let heard = hear(&["link", "report", "garden", "--json"], [(200, answer)]).await;
        let lines: Vec<Value> =
            heard.printed.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
        assert_eq!((lines.len(), &lines[1]["totals"]["out"]["held"]), (2, &json!(1)));
    }

    #[tokio::test]
    async fn the_other_direction_is_in() {
        let line = ["link", "create", "library", "--in", "garden", "--broker", "ferry", "--quarantine"];
        let heard = hear(&line, [(201, json!({"link": "ab".repeat(32)}))]).await;
        assert!(heard.asked[0].contains(r#""direction":"in""#) && heard.asked[0].contains(r#""other":"garden""#));
        assert!(heard.asked[0].contains(r#""quarantine":true"#));
        assert!(heard.printed.contains("hearth relay ID --to library"), "{}", heard.printed);
    }

    #[tokio::test]
    async fn a_check_says_of_each_gate_whose_it_is_and_of_each_no_what_can_be_done() {
        let gate =
            |gate, owner, name, passed| json!({"gate": gate, "owner": owner, "owner_name": name, "passed": passed});
        let mut no = gate("tags", "from", "garden", false);
        no["error"] = json!("the link names none of the item's tags");
        no["hint"] = json!("`hearth link list C` shows what the link lets through");
        let answer = json!({"item": "ab".repeat(32), "to_name": "library", "crosses": false, "quarantined": false,
            "gates": [gate("reach", "author", "alice", true), no]});
        let heard = hear(&["link", "check", "ababab", "--to", "library"], [(200, answer.clone())]).await;
        heard.done.expect("a no is an answer");
        assert_eq!(heard.asked, ["GET /items/ababab/crossing?to=library"]);
        let expected = "ababababab may not cross into `library`: 1 of 2 gates refuse.\n  yes  reach              its author, alice\n  \
            no   tags               garden\n       the link names none of the item's tags\n       \
            Next: `hearth link list C` shows what the link lets through\n";
        assert_eq!(heard.printed, expected);
        let mut yes = answer;
        (yes["crosses"], yes["quarantined"]) = (json!(true), json!(true));
        let heard = hear(&["link", "check", "ababab", "--to", "library"], [(200, yes)]).await;
        assert!(
            heard.printed.starts_with("ababababab may cross into `library`, where stewards look at it first: hearth")
        );
    }

    #[tokio::test]
    async fn a_link_that_nobody_answers_says_what_is_missing() {
        let link = json!({"link": "ab".repeat(32), "direction": "out", "other": "cd".repeat(32), "other_name": "library",
            "not_after_ms": 0, "ended": false, "other_side": "missing", "hint": "a steward types: hearth link create x"});
        let heard = hear(&["link", "list", "garden"], [(200, json!({"links": [link]}))]).await;
        let says =
            "Link ababababab: nothing crosses yet: `library` has no link that answers it; a steward types: hearth";
        assert!(heard.printed.contains(says), "{}", heard.printed);
    }

    #[tokio::test]
    async fn listed_links_say_their_terms() {
        let link = json!({"link": "ab".repeat(32), "direction": "out", "other": "cd".repeat(32), "other_name": "library",
            "brokers": [{"person": "ef".repeat(32), "name": "ferry"}], "kinds": [], "tags": ["rust"], "per_day": 20,
            "min_role": "member", "quarantine": false, "replies_only": true, "not_after_ms": 0, "ended": true});
        let heard = hear(&["link", "list", "garden"], [(200, json!({"links": [link]}))]).await;
        let row = heard.printed.lines().nth(1).expect("there is a row");
        for part in ["out library", "ferry", "all kinds, rust, 20 a day, by member and up, replies only", "ended"] {
            assert!(row.contains(part), "{part} in {row}");
        }
    }
}
