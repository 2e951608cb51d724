//! `hearth join`: uses an invite key, and waits until a member lets one in and the first items are there.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::args::{duration, filled, milliseconds};
use crate::error::Error;
use crate::input;
use crate::output::Output;
use crate::request::{PATIENCE, Request};
use crate::session::Session;
use crate::view::{self, named, quoted};

/// Join a community by an invite key
#[derive(Debug, clap::Args)]
pub(crate) struct Join {
    /// The invite key or its link; `-` reads it from standard input, so that it is in no history
    #[arg(conflicts_with = "cancel")]
    pub(crate) key: Option<String>,
    /// How long to wait for an answer; it stays pending afterwards
    #[arg(long, value_name = "D", value_parser = duration, default_value = "30s")]
    pub(crate) wait: Duration,
    /// Give up a join that is pending
    #[arg(long, value_name = "C", value_parser = filled)]
    pub(crate) cancel: Option<String>,
}

#[derive(Deserialize)]
struct Joined {
    community: String,
    name: String,
    role: String,
}

impl Join {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        if let Some(community) = self.cancel {
            let body = json!({ "community": community });
            let answer = session.ask(Request::post(&["join", "cancel"], body)?).await?;
            return out.tell(&answer, || Ok("The join is given up. The key may be used again: hearth join".to_owned()));
        }
        let key = input::key(self.key, out)?;
        let body = json!({ "key": key, "wait_ms": milliseconds(self.wait) });
        let request = Request::post(&["join"], body)?.patient(self.wait.saturating_add(PATIENCE));
        let shown = out.progress().start("looking for a member who lets you in");
        let answer = session.ask(request).await;
        drop(shown);
        let answer = answer?;
        out.tell(&answer, || {
            let joined: Joined = view::read(&answer)?;
            let name = quoted(&joined.name);
            Ok(format!(
                "You are in {} now, as {}.\n\n\
                 What is new:         hearth list --in {name}\n\
                 What it is about:    hearth community show {name}\n\
                 Say who you are:     hearth profile set --to {name} --about TEXT",
                named(Some(&joined.name), &joined.community),
                joined.role,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn a_join_waits_as_long_as_was_typed() {
        let answer = json!({"community": "ab".repeat(32), "name": "garden", "role": "member"});
        let heard = hear(&["join", "hearth1abc", "--wait", "2m"], [(200, answer)]).await;
        heard.done.expect("somebody answered");
        assert_eq!(heard.asked, [r#"POST /join {"key":"hearth1abc","wait_ms":120000}"#]);
        assert!(heard.printed.starts_with("You are in garden (ababababab) now, as member."));
    }

    #[tokio::test]
    async fn a_link_is_taken_as_a_key_is() {
        let answer = json!({"community": "ab".repeat(32), "name": "garden", "role": "member"});
        let heard = hear(&["join", " HEARTH:HEARTH1ABC\n", "--json"], [(200, answer)]).await;
        heard.done.expect("somebody answered");
        assert_eq!(heard.asked, [r#"POST /join {"key":"HEARTH:HEARTH1ABC","wait_ms":30000}"#]);
    }

    #[tokio::test]
    async fn nobody_answering_could_not_and_a_refusal_is_a_policy() {
        for (status, reason, code) in [(504, "no_answer", 1), (403, "invite_ended", 3), (400, "bad_key", 2)] {
            let answer = json!({"error": "no", "reason": reason, "hint": "later"});
            let heard = hear(&["join", "hearth1abc"], [(status, answer)]).await;
            let error = heard.done.expect_err("nobody let us in");
            assert_eq!((error.reason(), error.exit_code()), (reason, code));
        }
    }

    #[tokio::test]
    async fn a_join_is_cancelled_by_its_community() {
        let heard = hear(&["join", "--cancel", "garden", "--json"], [(200, json!({"community": "ab"}))]).await;
        assert_eq!(heard.asked, [r#"POST /join/cancel {"community":"garden"}"#]);
        assert_eq!(heard.printed, "{\"community\":\"ab\"}\n");
    }
}
