//! `hearth sync`: one round of catching up with everyone who can be reached.

use serde_json::{Value, json};

use crate::error::Error;
use crate::output::Output;
use crate::request::Request;
use crate::session::Session;

/// Catch up with everyone who can be reached
#[derive(Debug, clap::Args)]
pub(crate) struct Sync {}

impl Sync {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let shown = out.progress().start("catching up");
        let answer = session.ask(Request::post(&["sync"], json!({}))?).await;
        drop(shown);
        let answer = answer?;
        out.tell(&answer, || {
            Ok(match answer.get("peers").and_then(Value::as_u64) {
                Some(0) | None => "Nobody could be reached. Try an address: hearth peer add ADDR".to_owned(),
                Some(1) => "Caught up with one peer. What is new: hearth list".to_owned(),
                Some(peers) => format!("Caught up with {peers} peers. What is new: hearth list"),
            })
        })
    }
}
