//! `hearth community`: founding, listing, looking, setting its policy and leaving.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{filled, milliseconds};
use crate::error::Error;
use crate::input;
use crate::output::{Output, escape, layout, time};
use crate::request::{PATIENCE, Request};
use crate::session::Session;
use crate::view::{self, named, quoted, short};

/// How long a look waits for a member.
const LOOK: Duration = Duration::from_secs(30);
/// What can be set of a community.
const POLICY: [&str; 6] =
    ["default_reach", "history", "admits_day", "posts_day", "posts_day_peripheral", "confirm_per_day"];

/// Found communities, list them, look at them, set their policy, leave them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Community {
    /// Found a community, with you as its steward
    Create(Create),
    /// Your communities and your own space
    List,
    /// One community: its domain, its founders, its charter; with an invite key, before joining it
    Show {
        /// Name or id; or an invite key or its link, which `-` reads from standard input
        #[arg(value_name = "C|KEY", value_parser = filled)]
        community: String,
    },
    /// Set a value of its policy
    Set(Set),
    /// Leave a community
    Leave {
        /// Name or id
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
        /// Leave also where nobody can decide any more without you
        #[arg(long)]
        sure: bool,
    },
}

/// What a community is founded with.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Its name
    #[arg(value_parser = filled)]
    name: String,
    /// The shared concern, in a sentence
    #[arg(long, value_name = "TEXT", value_parser = filled)]
    domain: String,
    /// The community that it is a part of
    #[arg(long, value_name = "C", value_parser = filled)]
    parent: Option<String>,
}

/// A value of a community's policy.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// Name or id
    #[arg(value_name = "C", value_parser = filled)]
    community: String,
    /// Which value
    #[arg(value_name = "KEY", value_parser = POLICY)]
    key: String,
    /// A number. `history` is 1 for yes; with 0, who joins is given by other members what was written since they
    /// joined, with the charter and the profiles, and no keys of before. It takes nothing back from those who
    /// have it, and hinders nobody from passing it on. Guests are given no history in any case
    value: u32,
}

#[derive(Deserialize)]
struct Named {
    community: String,
    name: String,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    community: view::Community,
    #[serde(default)]
    founders: Vec<Value>,
    created_ms: Option<u64>,
    parent: Option<String>,
    parent_name: Option<String>,
    #[serde(default)]
    representatives: Vec<Value>,
    #[serde(default)]
    parts: Vec<Part>,
    charter: Option<Value>,
    #[serde(default)]
    policy: BTreeMap<String, u64>,
}

/// A community that names the one shown as its parent.
#[derive(Deserialize)]
struct Part {
    name: String,
    #[serde(default)]
    representatives: Vec<Value>,
}

impl Part {
    fn line(&self) -> String {
        let people: Vec<String> = self.representatives.iter().map(founder).collect();
        let name = escape::line(&self.name);
        if people.is_empty() { name } else { format!("{name} ({})", people.join(", ")) }
    }
}

/// A community from outside.
#[derive(Deserialize)]
struct Seen {
    community: String,
    name: String,
    members: u64,
    role: String,
    inviter: String,
    inviter_name: Option<String>,
    not_after_ms: u64,
}

impl Community {
    /// Whether this is a look through an invite key, for which others have to be asked.
    pub(crate) fn looks(&self) -> bool {
        matches!(self, Self::Show { community } if is_key(community))
    }

    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let width = out.width();
        match self {
            Self::Create(create) => create.run(session, out).await,
            Self::List => {
                let list = session.ask_list(Request::get(&["communities"]), "communities").await?;
                out.list(&list, || Ok(view::communities(&view::read_all(&list)?, width)))
            }
            Self::Show { community } if is_key(&community) => look(community, session, out).await,
            Self::Show { community } => {
                let answer = session.ask(Request::get(&["communities", &community])).await?;
                out.tell(&answer, || Ok(shown(&view::read(&answer)?, width)))
            }
            Self::Set(set) => set.run(session, out).await,
            Self::Leave { community, sure } => {
                let body = if sure { json!({ "sure": true }) } else { json!({}) };
                let request = Request::post(&["communities", &community, "leave"], body)?;
                let answer = session.ask(request).await?;
                out.tell(&answer, || {
                    let left: Named = view::read(&answer)?;
                    Ok(format!(
                        "You left {}. What you wrote there stays with its members.\n\
                         To come back, ask a member for an invite key: hearth join KEY",
                        named(Some(&left.name), &left.community)
                    ))
                })
            }
        }
    }
}

impl Create {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let mut body = json!({ "name": self.name, "domain": self.domain });
        if let Some(parent) = self.parent {
            body["parent"] = Value::from(parent);
        }
        let answer = session.ask(Request::post(&["communities"], body)?).await?;
        out.tell(&answer, || {
            let made: Named = view::read(&answer)?;
            let name = quoted(&made.name);
            Ok(format!(
                "Founded {}. You are its steward.\n\n\
                 Invite somebody:  hearth invite create {name}\n\
                 Write something:  hearth post TEXT --to {name}",
                named(Some(&made.name), &made.community)
            ))
        })
    }
}

impl Set {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let body = json!({ "key": self.key, "value": self.value });
        let answer = session.ask(Request::post(&["communities", &self.community, "policy"], body)?).await?;
        out.tell(&answer, || {
            let name = escape::line(&self.community);
            let see = quoted(&self.community);
            Ok(format!("{} is {} in {name} now.\nSee it all: hearth community show {see}", self.key, self.value))
        })
    }
}

/// Whether that is an invite key or its link, or a dash in its place, and no name.
fn is_key(typed: &str) -> bool {
    let typed = typed.trim().to_ascii_lowercase();
    typed == "-" || typed.starts_with("hearth1") || typed.starts_with("hearth:")
}

/// The front page of a community that one is not in.
async fn look(key: String, session: &mut Session, out: &mut Output) -> Result<(), Error> {
    let key = input::key(Some(key), out)?;
    let body = json!({ "key": key, "wait_ms": milliseconds(LOOK) });
    let request = Request::post(&["look"], body)?.patient(LOOK.saturating_add(PATIENCE));
    let asking = out.progress().start("asking a member what there is to be seen");
    let answer = session.ask(request).await;
    drop(asking);
    let answer = answer?;
    let width = out.width();
    out.tell(&answer, || Ok(seen(&view::read(&answer)?, &answer, width)))
}

fn seen(seen: &Seen, answer: &Value, width: Option<u16>) -> String {
    let members = if seen.members == 1 { "1 person".to_owned() } else { format!("{} people", seen.members) };
    let mut pairs = vec![("community", seen.name.clone()), ("id", seen.community.clone())];
    pairs.extend(charter(Some(answer), "community_text"));
    pairs.extend([
        ("members", members),
        ("your role", format!("{}, by this key", seen.role)),
        ("invited by", named(seen.inviter_name.as_deref(), &seen.inviter)),
        ("key good until", time::moment(seen.not_after_ms)),
    ]);
    format!("{}\n\nJoin: hearth join        and paste the key", layout::pairs(pairs, width))
}

/// The parts of a charter that there are; `people` is what it says of the community.
fn charter(charter: Option<&Value>, people: &str) -> Vec<(&'static str, String)> {
    let part = |name: &str| match charter.and_then(|charter| charter.get(name)) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    vec![
        ("domain", part("domain")),
        ("people", part(people)),
        ("practice", part("practice")),
        ("norms", part("norms")),
        ("topics", part("topics")),
        ("start here", part("start_here")),
        ("welcome", part("welcome")),
    ]
}

fn shown(shown: &Shown, width: Option<u16>) -> String {
    let community = &shown.community;
    let count = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let founders: Vec<String> = shown.founders.iter().map(founder).collect();
    let mut pairs = vec![
        ("community", community.name.clone()),
        ("id", community.community.clone()),
        ("your role", community.role.clone().unwrap_or_default()),
        ("members", count(community.members)),
        ("items", count(community.items)),
        ("founders", founders.join(", ")),
        ("founded", shown.created_ms.map_or_else(String::new, time::moment)),
        ("part of", shown.parent_name.as_ref().or(shown.parent.as_ref()).cloned().unwrap_or_default()),
        ("represented by", shown.representatives.iter().map(founder).collect::<Vec<_>>().join(", ")),
        ("parts", shown.parts.iter().map(Part::line).collect::<Vec<_>>().join(", ")),
    ];
    pairs.extend(charter(shown.charter.as_ref(), "community"));
    let policy: Vec<String> = shown.policy.iter().map(|(name, value)| format!("{name} {value}")).collect();
    pairs.push(("policy", policy.join(", ")));
    let name = quoted(&community.name);
    format!(
        "{}\n\nWhat is new: hearth list --in {name}\nWho is there: hearth member list {name}",
        layout::pairs(pairs, width)
    )
}

/// A founder as an id or as an object with a name.
fn founder(value: &Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match value.as_str() {
        Some(id) => short(id),
        None => escape::line(text("name").or_else(|| text("person")).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn founding_sends_what_was_typed_and_says_what_to_type_next() {
        let answer = json!({"community": "ab".repeat(32), "name": "tea garden"});
        let line = ["community", "create", "tea garden", "--domain", "growing tea"];
        let heard = hear(&line, [(201, answer)]).await;
        heard.done.expect("the node said yes");
        assert_eq!(heard.asked, [r#"POST /communities {"domain":"growing tea","name":"tea garden"}"#]);
        assert!(heard.printed.contains("hearth invite create 'tea garden'"), "{}", heard.printed);
    }

    #[tokio::test]
    async fn a_list_is_one_object_a_line() {
        let answer = json!({"communities": [
            {"community": "aa", "name": "mine", "role": "steward", "members": 1, "items": 0, "domain": ""},
            {"community": "bb", "name": "garden", "role": "member", "members": 3, "items": 7, "domain": "tea", "later": 1},
        ]});
        let heard = hear(&["community", "list", "--json"], [(200, answer)]).await;
        let lines: Vec<serde_json::Value> =
            heard.printed.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[1]["name"], &lines[1]["later"]), (&json!("garden"), &json!(1)));
    }

    #[tokio::test]
    async fn a_community_is_shown_with_its_charter() {
        let answer = json!({"community": "ab".repeat(32), "name": "garden", "role": "peripheral", "members": 3,
            "items": 7, "domain": "tea", "founders": ["cd".repeat(32)], "created_ms": 0, "parent": "ef".repeat(32),
            "representatives": [{"person": "aa", "name": "ferry"}],
            "parts": [{"name": "roses", "representatives": [{"person": "bb", "name": "rosa"}]}, {"name": "herbs"}],
            "charter": {"domain": "growing tea", "community": "neighbours", "norms": "be\u{1b}[1m kind",
                "topics": ["soil", "frost"], "start_here": "12".repeat(32), "practice": null},
            "policy": {"default_reach": 2, "history": 0}});
        let heard = hear(&["community", "show", "garden"], [(200, answer)]).await;
        heard.done.expect("the answer is whole");
        let (parent, start) = ("ef".repeat(32), "12".repeat(32));
        for part in [
            "cdcdcdcdcd",
            "1970-01-01",
            "be\\x1b[1m kind",
            "hearth list --in garden",
            "growing tea",
            "neighbours",
            "soil, frost",
            "default_reach 2, history 0",
            "ferry",
            "roses (rosa), herbs",
            &parent,
            &start,
        ] {
            assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
        }
        assert!(!heard.printed.contains("practice"), "what is not there is left out");
    }

    #[tokio::test]
    async fn a_key_shows_the_front_page_before_joining() {
        let answer = json!({"community": "ab".repeat(32), "name": "garden", "domain": "growing tea",
            "community_text": "neighbours", "practice": null, "norms": "be\u{7} kind", "topics": [], "welcome": "Come in.",
            "members": 3, "role": "peripheral", "inviter": "cd".repeat(32), "not_after_ms": 1_795_000_600_000_u64});
        for key in ["hearth1abc", "HEARTH:HEARTH1ABC", "hearth:hearth1abc"] {
            let heard = hear(&["community", "show", key], [(200, answer.clone())]).await;
            heard.done.expect("a member answered");
            assert_eq!(heard.asked, [format!(r#"POST /look {{"key":"{key}","wait_ms":30000}}"#)]);
            for part in [
                "growing tea",
                "neighbours",
                "be\\x07 kind",
                "Come in.",
                "3 people",
                "peripheral, by this key",
                "cdcdcdcdcd",
                "2026-11-18 11:16 UTC",
                "Join: hearth join",
            ] {
                assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
            }
        }
        let heard = hear(&["community", "show", "hearth1abc", "--json"], [(200, answer.clone())]).await;
        assert_eq!(serde_json::from_str::<serde_json::Value>(&heard.printed).expect("it is JSON"), answer);
        let late = json!({"error": "nobody", "reason": "no_answer", "hint": "later"});
        let heard = hear(&["community", "show", "hearth1abc"], [(504, late)]).await;
        assert_eq!(heard.done.expect_err("nobody answered").exit_code(), 1);
    }

    #[tokio::test]
    async fn a_value_is_set_and_one_that_there_is_not_is_typed_wrong() {
        let answer = json!({"community": "ab".repeat(32), "key": "default_reach", "value": 2});
        let heard = hear(&["community", "set", "garden", "default_reach", "2"], [(200, answer)]).await;
        heard.done.expect("the node said yes");
        assert_eq!(heard.asked, [r#"POST /communities/garden/policy {"key":"default_reach","value":2}"#]);
        assert!(heard.printed.starts_with("default_reach is 2 in garden now."), "{}", heard.printed);
        for wrong in [["garden", "colour", "2"], ["garden", "history", "-1"], ["garden", "history", "yes"]] {
            let line = [&["hearth", "community", "set"], &wrong[..]].concat();
            assert!(<crate::args::Args as clap::Parser>::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn who_is_sure_says_so() {
        let left = (200, json!({"community": "ab".repeat(32), "name": "garden"}));
        let heard = hear(&["community", "leave", "garden"], [left.clone()]).await;
        assert_eq!(heard.asked, ["POST /communities/garden/leave {}"]);
        let heard = hear(&["community", "leave", "garden", "--sure"], [left]).await;
        assert_eq!(heard.asked, [r#"POST /communities/garden/leave {"sure":true}"#]);
        assert!(heard.printed.starts_with("You left garden"), "{}", heard.printed);
    }
}
