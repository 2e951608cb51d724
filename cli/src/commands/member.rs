//! `hearth member`: who is in a community, in which role, and how that came about.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Role, filled};
use crate::error::Error;
use crate::output::{Output, escape, layout, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, named, quoted, short};

/// Members and their roles
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Member {
    /// The members of a community
    List {
        /// Name or id
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
    },
    /// Give a person a role
    Set {
        /// The community
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
        /// The person
        #[arg(value_parser = filled)]
        person: String,
        /// The role
        #[arg(value_enum)]
        role: Role,
        /// Where it is not yours to decide: ask those who can
        #[arg(long)]
        propose: bool,
    },
    /// Take a person's role away
    Remove {
        /// The community
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
        /// The person
        #[arg(value_parser = filled)]
        person: String,
        /// Why; every member can read it
        #[arg(long, value_name = "T", value_parser = filled)]
        reason: Option<String>,
        /// Where it is not yours to decide: ask those who can
        #[arg(long)]
        propose: bool,
    },
    /// Everything that decided about membership
    Log {
        /// The community
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
    },
}

#[derive(Deserialize)]
struct Listed {
    person: String,
    name: Option<String>,
    role: String,
    since_ms: Option<u64>,
    confirmed: Option<bool>,
    #[serde(default)]
    forked: Vec<String>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    author: String,
    author_name: Option<String>,
    at_ms: u64,
    effective: bool,
    what: String,
}

impl Member {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let width = out.width();
        match self {
            Self::List { community } => {
                let request = Request::get(&["communities", &community, "members"]);
                let list = session.ask_list(request, "members").await?;
                out.list(&list, || Ok(listed(&view::read_all(&list)?, width)))
            }
            Self::Set { community, person, role, propose } => {
                let answer = rule(&community, &person, (role.name(), None, propose), session).await?;
                out.tell(&answer, || {
                    if answer["proposed"] == true {
                        return Ok(asked(&community));
                    }
                    Ok(format!(
                        "{} has the role {} in {} now.\nSee everyone: hearth member list {}",
                        escape::line(&person),
                        role.name(),
                        escape::line(&community),
                        quoted(&community),
                    ))
                })
            }
            Self::Remove { community, person, reason, propose } => {
                let answer = rule(&community, &person, ("none", reason, propose), session).await?;
                out.tell(&answer, || {
                    if answer["proposed"] == true {
                        return Ok(asked(&community));
                    }
                    Ok(format!(
                        "{} is no member of {} any more. What they wrote until now stays.\nSee how it is told: hearth member log {}",
                        escape::line(&person),
                        escape::line(&community),
                        quoted(&community),
                    ))
                })
            }
            Self::Log { community } => {
                let request = Request::get(&["communities", &community, "log"]);
                let list = session.ask_list(request, "operations").await?;
                out.list(&list, || Ok(logged(&view::read_all(&list)?, width)))
            }
        }
    }
}

async fn rule(
    community: &str,
    person: &str,
    (role, reason, propose): (&str, Option<String>, bool),
    session: &mut Session,
) -> Result<Value, Error> {
    let mut body = json!({ "role": role });
    if let Some(reason) = reason {
        body["reason"] = Value::from(reason);
    }
    if propose {
        body["propose"] = Value::from(true);
    }
    session.ask(Request::post(&["communities", community, "members", person], body)?).await
}

fn asked(community: &str) -> String {
    format!(
        "Asked. Those who can decide see it in `hearth status`.\nSee how it is told: hearth member log {}",
        quoted(community)
    )
}

fn listed(members: &[Listed], width: Option<u16>) -> String {
    let rows = members.iter().map(|member| {
        [
            member.name.clone().unwrap_or_default(),
            short(&member.person),
            member.role.clone(),
            member.since_ms.map_or_else(String::new, time::ago),
            match member.confirmed {
                Some(true) => "by a steward".to_owned(),
                _ => "not yet".to_owned(),
            },
        ]
    });
    let mut shown = layout::table(["name", "id", "role", "since", "confirmed"], rows, width);
    for member in members.iter().filter(|member| !member.forked.is_empty()) {
        let devices: Vec<String> = member.forked.iter().map(|device| short(device)).collect();
        shown.push_str(&format!(
            "\n\n{} signed two different things under one number, with the device {}. What to do: hearth status",
            named(member.name.as_deref(), &member.person),
            devices.join(", "),
        ));
    }
    shown
}

fn logged(operations: &[Operation], width: Option<u16>) -> String {
    let rows = operations.iter().map(|operation| {
        [
            short(&operation.op),
            time::moment(operation.at_ms),
            operation.author_name.clone().unwrap_or_else(|| short(&operation.author)),
            operation.what.clone(),
            if operation.effective { String::new() } else { "not in effect".to_owned() },
        ]
    });
    layout::table(["operation", "when", "by", "what", ""], rows, width)
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_role_is_given_and_taken() {
        let answer = (200, json!({"person": "ab", "role": "core"}));
        let heard = hear(&["member", "set", "garden", "bob", "core", "--json"], [answer.clone()]).await;
        assert_eq!(heard.asked, [r#"POST /communities/garden/members/bob {"role":"core"}"#]);
        let line = ["member", "remove", "garden", "bob", "--reason", "spam"];
        let heard = hear(&line, [answer]).await;
        assert_eq!(heard.asked, [r#"POST /communities/garden/members/bob {"reason":"spam","role":"none"}"#]);
        assert!(heard.printed.starts_with("bob is no member of garden any more."));
    }

    #[tokio::test]
    async fn members_and_log_are_tables_for_people() {
        let members = json!({"members": [{"person": "ab".repeat(32), "name": "b\u{8}ob", "role": "member",
            "since_ms": 0, "confirmed": false}]});
        let heard = hear(&["member", "list", "garden"], [(200, members)]).await;
        let cells: Vec<&str> = heard.printed.lines().nth(1).expect("there is a row").split_whitespace().collect();
        assert_eq!(cells, ["b\\x08ob", "ababababab", "member", "1970-01-01", "not", "yet"]);
        assert!(!heard.printed.contains("hearth status"), "nothing was signed twice");
        let members = json!({"members": [{"person": "ab".repeat(32), "name": "b\u{8}ob", "role": "member",
            "since_ms": 0, "confirmed": false, "forked": ["cd".repeat(32)]}]});
        let heard = hear(&["member", "list", "garden"], [(200, members)]).await;
        let told =
            "\n\nb\\x08ob (ababababab) signed two different things under one number, with the device cdcdcdcdcd.";
        assert!(heard.printed.contains(told) && heard.printed.contains("hearth status"), "{}", heard.printed);
        let log = json!({"operations": [{"op": "cd".repeat(32), "kind": "rule", "author": "ab".repeat(32),
            "author_name": null, "at_ms": 0, "effective": false, "what": "bob is core"}]});
        let heard = hear(&["member", "log", "garden"], [(200, log)]).await;
        assert!(heard.printed.contains("bob is core") && heard.printed.contains("not in effect"), "{}", heard.printed);
    }
}
