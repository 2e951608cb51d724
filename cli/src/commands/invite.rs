//! `hearth invite`: keys that newcomers paste.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Role, duration, filled, milliseconds};
use crate::error::Error;
use crate::input;
use crate::output::{Output, layout, qr, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, quoted, short};

/// Invite people with a key that they paste
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Invite {
    /// Make an invite key
    Create(Create),
    /// What an invite key says, without using it
    Inspect {
        /// The key or its link; `-` reads it from standard input
        key: Option<String>,
    },
    /// The invites of a community
    List {
        /// Name or id
        #[arg(value_name = "C", value_parser = filled)]
        community: String,
    },
    /// End an invite before its time
    End {
        /// The invite
        #[arg(value_name = "ID", value_parser = filled)]
        invite: String,
    },
}

/// What an invite grants.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The community
    #[arg(value_name = "C", value_parser = filled)]
    community: String,
    /// The role that the newcomer gets
    #[arg(long, value_name = "R", value_enum, default_value = "member")]
    pub(crate) role: Role,
    /// How many people may use it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) uses: u32,
    /// How long it is good for, like 12h or 7d
    #[arg(long, value_name = "D", value_parser = duration, default_value = "7d")]
    pub(crate) expires: Duration,
    /// Only this person may use it
    #[arg(long, value_name = "PERSON", value_parser = filled)]
    pub(crate) only: Option<String>,
    /// Show the key as a QR code too
    #[arg(long)]
    qr: bool,
}

#[derive(Deserialize)]
struct Made {
    invite: String,
    key: String,
    #[serde(default)]
    link: String,
}

#[derive(Deserialize)]
struct Inspected {
    community: String,
    community_name: Option<String>,
    inviter: String,
    inviter_name: Option<String>,
    role: String,
    uses: u64,
    not_after_ms: u64,
    expired: bool,
    #[serde(default)]
    hints: Vec<Value>,
}

#[derive(Deserialize)]
struct Listed {
    invite: String,
    role: String,
    uses: u64,
    used: u64,
    not_after_ms: u64,
    ended: bool,
}

impl Invite {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let width = out.width();
        match self {
            Self::Create(create) => create.run(session, out).await,
            Self::Inspect { key } => {
                let key = input::key(key, out)?;
                let answer = session.ask(Request::post(&["invites", "inspect"], json!({ "key": key }))?).await?;
                out.tell(&answer, || Ok(inspected(&view::read(&answer)?, width)))
            }
            Self::List { community } => {
                let request = Request::get(&["communities", &community, "invites"]);
                let list = session.ask_list(request, "invites").await?;
                out.list(&list, || {
                    if list.is_empty() {
                        return Ok(format!("No invites. Make one: hearth invite create {}", quoted(&community)));
                    }
                    Ok(listed(&view::read_all(&list)?, width))
                })
            }
            Self::End { invite } => {
                let answer = session.ask(Request::post(&["invites", &invite, "end"], json!({}))?).await?;
                out.tell(&answer, || {
                    Ok(format!("Ended invite {}. Nobody who asks from now on is let in by it.", short(&invite)))
                })
            }
        }
    }
}

impl Create {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let mut body = json!({
            "community": self.community,
            "role": self.role.name(),
            "uses": self.uses,
            "expires_ms": milliseconds(self.expires),
        });
        if let Some(only) = &self.only {
            body["only"] = Value::from(only.as_str());
        }
        let answer = session.ask(Request::post(&["invites"], body)?).await?;
        let width = out.width();
        out.tell(&answer, || {
            let made: Made = view::read(&answer)?;
            let people = if self.uses == 1 { "one person".to_owned() } else { format!("{} people", self.uses) };
            let until = time::moment(time::now_ms().saturating_add(milliseconds(self.expires)));
            let code = if self.qr { format!("{}\n\n", qr::drawn(&made.link, width)) } else { String::new() };
            Ok(format!(
                "An invite key to `{}` for {people}, as {}, until {until}.\n\
                 Who has it can join: send it where only they read it.\n\n{}\n\n{code}\
                 They type: hearth join        and paste it\n\
                 To end it: hearth invite end {}",
                self.community,
                self.role.name(),
                made.key,
                short(&made.invite),
            ))
        })
    }
}

fn inspected(invite: &Inspected, width: Option<u16>) -> String {
    let until = time::moment(invite.not_after_ms);
    let pairs = [
        ("community", view::named(invite.community_name.as_deref(), &invite.community)),
        ("invited by", view::named(invite.inviter_name.as_deref(), &invite.inviter)),
        ("role", invite.role.clone()),
        ("uses", invite.uses.to_string()),
        (if invite.expired { "expired" } else { "good until" }, until),
        ("found by", format!("{} addresses", invite.hints.len())),
    ];
    let next = if invite.expired { "Ask for a new one." } else { "Use it: hearth join        and paste it" };
    format!("{}\n\n{next}", layout::pairs(pairs, width))
}

fn listed(invites: &[Listed], width: Option<u16>) -> String {
    let now = time::now_ms();
    let rows = invites.iter().map(|invite| {
        let state = match (invite.ended, invite.not_after_ms < now, invite.used >= invite.uses) {
            (true, ..) => "ended",
            (_, true, _) => "expired",
            (_, _, true) => "used up",
            _ => "open",
        };
        [
            short(&invite.invite),
            invite.role.clone(),
            format!("{} of {}", invite.used, invite.uses),
            time::moment(invite.not_after_ms),
            state.to_owned(),
        ]
    });
    layout::table(["invite", "role", "used", "until", "state"], rows, width)
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn an_invite_has_its_defaults_and_the_key_stands_alone() {
        let answer = json!({"invite": "ab".repeat(32), "key": "hearth1abc"});
        let heard = hear(&["invite", "create", "garden"], [(201, answer.clone())]).await;
        heard.done.expect("the node said yes");
        assert_eq!(
            heard.asked,
            [r#"POST /invites {"community":"garden","expires_ms":604800000,"role":"member","uses":1}"#]
        );
        assert!(heard.printed.contains("\n\nhearth1abc\n\n"), "{}", heard.printed);
        let heard = hear(&["invite", "create", "garden", "--only", "bob", "--json"], [(201, answer.clone())]).await;
        assert!(heard.asked[0].contains(r#""only":"bob""#));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&heard.printed).expect("it is JSON"), answer);
    }

    #[tokio::test]
    async fn a_qr_code_is_for_people_only() {
        let answer = json!({"invite": "ab".repeat(32), "key": "hearth1abc", "link": "HEARTH:HEARTH1ABC"});
        let heard = hear(&["invite", "create", "garden", "--qr"], [(201, answer.clone())]).await;
        let code = crate::output::qr::drawn("HEARTH:HEARTH1ABC", None);
        assert!(heard.printed.contains(&format!("\n\nhearth1abc\n\n{code}\n\n")), "{}", heard.printed);
        let heard = hear(&["invite", "create", "garden", "--qr", "--json"], [(201, answer.clone())]).await;
        assert_eq!(serde_json::from_str::<serde_json::Value>(&heard.printed).expect("it is JSON"), answer);
        let heard = hear(&["invite", "create", "garden"], [(201, answer)]).await;
        assert!(!heard.printed.contains('█'));
    }

    #[tokio::test]
    async fn a_key_is_inspected_without_its_blanks() {
        let answer = json!({"community": "aa", "inviter": "bb", "role": "member", "uses": 1, "not_after_ms": 0,
            "expired": true, "hints": [{}]});
        let heard = hear(&["invite", "inspect", " hearth1abc\n"], [(200, answer)]).await;
        heard.done.expect("the answer is whole");
        assert_eq!(heard.asked, [r#"POST /invites/inspect {"key":"hearth1abc"}"#]);
        assert!(heard.printed.contains("expired") && heard.printed.contains("Ask for a new one."));
    }

    #[tokio::test]
    async fn a_link_is_inspected_as_a_key_is() {
        let answer = json!({"community": "aa", "inviter": "bb", "role": "member", "uses": 1, "not_after_ms": 0,
            "expired": false});
        let heard = hear(&["invite", "inspect", "HEARTH:HEARTH1ABC"], [(200, answer)]).await;
        heard.done.expect("the answer is whole");
        assert_eq!(heard.asked, [r#"POST /invites/inspect {"key":"HEARTH:HEARTH1ABC"}"#]);
    }

    #[tokio::test]
    async fn a_listed_invite_says_whether_it_can_still_be_used() {
        let invite = |used: u64, until: u64, ended: bool| json!({"invite": "ab".repeat(32), "role": "member", "uses": 1, "used": used, "not_after_ms": until, "ended": ended});
        let far = 32_503_680_000_000;
        let all = [invite(0, far, false), invite(1, far, false), invite(0, 1, false), invite(0, far, true)];
        let heard = hear(&["invite", "list", "garden"], [(200, json!({ "invites": all }))]).await;
        let rows: Vec<&str> = heard.printed.lines().skip(1).collect();
        for (row, state) in rows.iter().zip(["open", "used up", "expired", "ended"]) {
            assert!(row.ends_with(state), "{row}");
        }
        assert_eq!(rows.len(), 4);
    }
}
