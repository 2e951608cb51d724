//! `hearth community`: founding, listing, looking and leaving.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::filled;
use crate::error::Error;
use crate::output::{Output, escape, layout, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, named, quoted, short};

/// Found communities, list them, look at them, leave them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Community {
    /// Found a community, with you as its steward
    Create(Create),
    /// Your communities and your own space
    List,
    /// One community: its domain, its founders, its charter
    Show {
        /// Name or id
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
    },
    /// Leave a community
    Leave {
        /// Name or id
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
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
    charter: Option<Value>,
}

impl Community {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let width = out.width();
        match self {
            Self::Create(create) => create.run(session, out).await,
            Self::List => {
                let list = session.ask_list(Request::get(&["communities"]), "communities").await?;
                out.list(&list, || Ok(view::communities(&view::read_all(&list)?, width)))
            }
            Self::Show { community } => {
                let answer = session.ask(Request::get(&["communities", &community])).await?;
                out.tell(&answer, || Ok(shown(&view::read(&answer)?, width)))
            }
            Self::Leave { community } => {
                let request = Request::post(&["communities", &community, "leave"], json!({}))?;
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

fn shown(shown: &Shown, width: Option<u16>) -> String {
    let community = &shown.community;
    let count = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let founders: Vec<String> = shown.founders.iter().map(founder).collect();
    let mut pairs = vec![
        ("community", community.name.clone()),
        ("id", community.community.clone()),
        ("domain", community.domain.clone().unwrap_or_default()),
        ("your role", community.role.clone().unwrap_or_default()),
        ("members", count(community.members)),
        ("items", count(community.items)),
        ("founders", founders.join(", ")),
        ("founded", shown.created_ms.map_or_else(String::new, time::moment)),
    ];
    for name in ["community", "practice", "norms", "welcome"] {
        let text = shown.charter.as_ref().and_then(|charter| charter.get(name)).and_then(Value::as_str);
        if let Some(text) = text {
            pairs.push((if name == "community" { "people" } else { name }, text.to_owned()));
        }
    }
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
        let answer = json!({"community": "ab".repeat(32), "name": "garden", "role": "member", "members": 3, "items": 7,
            "domain": "tea", "founders": ["cd".repeat(32)], "created_ms": 0, "charter": {"norms": "be\u{1b}[1m kind"}});
        let heard = hear(&["community", "show", "garden"], [(200, answer)]).await;
        heard.done.expect("the answer is whole");
        for part in ["cdcdcdcdcd", "1970-01-01", "be\\x1b[1m kind", "hearth list --in garden"] {
            assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
        }
    }
}
