//! Relaying: a broker carries one item over a link.

use axum::{Json, extract::State};
use hearth_protocol::{
    engine::{Answer, Command},
    link::Outcome,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    drafts::{some_text, written},
    error::Answered,
    other_answer, resolve,
    take::{Id, Told},
};

/// What to carry where, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToCarry {
    item: String,
    to: String,
    note: String,
    summary: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

/// Carries an item into another community.
pub(super) async fn relay(State(app): State<App>, id: Id, Told(wanted): Told<ToCarry>) -> Answered<Json<Value>> {
    let note = written("note", Some(&wanted.note))?;
    let summary = some_text("summary", wanted.summary.as_deref())?;
    let tags = wanted.tags;
    let (item, to) = app
        .read(move |sight| Ok((resolve::item(sight, &wanted.item)?, resolve::community(&sight.snapshot, &wanted.to)?)))
        .await?;
    let Answer::Relayed(envelope, outcome) =
        app.command(Command::Relay { item, to, note, summary, tags }, id.0).await?
    else {
        return Err(other_answer());
    };
    let refusal = if let Outcome::Held(refusal) = outcome { Some(refusal.name()) } else { None };
    Ok(Json(json!({
        "envelope": envelope.to_string(),
        "item": item.to_string(),
        "to": to.to_string(),
        "state": outcome.name(),
        "refusal": refusal,
    })))
}
