//! `hearth link`: a community's standing consent that named brokers carry items out to, or in from, another.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Role, duration, filled, milliseconds};
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
                    Ok(listed(&view::read_all(&list)?, width))
                })
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
    async fn the_other_direction_is_in() {
        let line = ["link", "create", "library", "--in", "garden", "--broker", "ferry", "--quarantine"];
        let heard = hear(&line, [(201, json!({"link": "ab".repeat(32)}))]).await;
        assert!(heard.asked[0].contains(r#""direction":"in""#) && heard.asked[0].contains(r#""other":"garden""#));
        assert!(heard.asked[0].contains(r#""quarantine":true"#));
        assert!(heard.printed.contains("hearth relay ID --to library"), "{}", heard.printed);
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
