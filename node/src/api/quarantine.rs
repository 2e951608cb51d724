//! What waits for a steward before members read it (R8): listed with what its broker says of it, released or declined.
//!
//! Leaves to others: what a label comes to (`engine::labels_of`). Always true: a decision names one envelope, and so one
//! version of one item: an edit of it comes in an envelope of its own.

use axum::Json;
use hearth_protocol::{
    encoding::V1,
    engine::{Answer, Command},
    id::{CommunityId, EnvelopeId, ItemId},
    item::{Body, Draft, Label},
    limits,
    text::Text,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    App,
    error::{Answered, ApiError},
    other_answer, resolve,
    sight::Sight,
    take::Id,
    view::ItemView,
};
use crate::store::Hop;

/// One that waits.
#[derive(Debug, Serialize)]
pub(super) struct WaitingView {
    envelope: String,
    /// What it is read as, once it is released.
    #[serde(flatten)]
    item: ItemView,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_name: Option<String>,
    to_name: String,
    broker: String,
    broker_name: String,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    tags_there: Vec<String>,
    at_ms: u64,
}

/// What waits, of one community or of all, the oldest first.
pub(super) fn list(sight: &Sight<'_>, within: Option<CommunityId>) -> Answered<Vec<WaitingView>> {
    let mut waiting = Vec::new();
    for (community, hop) in all(sight, within)? {
        if let Some(listed) = sight.store.listed(community, hop.envelope.item, Some(hop.id))? {
            waiting.push(view(sight, community, &hop, ItemView::of(sight, &listed)));
        }
    }
    Ok(waiting)
}

/// What waits for this node's person.
fn all(sight: &Sight<'_>, within: Option<CommunityId>) -> Answered<Vec<(CommunityId, Hop)>> {
    let mut waiting = Vec::new();
    for community in sight.stewarded().into_iter().filter(|community| within.is_none_or(|asked| asked == *community)) {
        waiting.extend(sight.store.waiting_in(community, None)?.into_iter().map(|hop| (community, hop)));
    }
    waiting.sort_by_key(|(_, hop)| (hop.envelope.ts, hop.id));
    Ok(waiting)
}

fn view(sight: &Sight<'_>, community: CommunityId, hop: &Hop, mut item: ItemView) -> WaitingView {
    let envelope = &hop.envelope;
    item.state = Some(hop.outcome.name());
    WaitingView {
        envelope: hop.id.to_string(),
        item,
        from_name: sight.community_name(envelope.from).map(str::to_owned),
        to_name: sight.community_name(community).unwrap_or_default().to_owned(),
        broker: envelope.broker.to_string(),
        broker_name: sight.person_name(envelope.broker, &[community]).unwrap_or_default().to_owned(),
        note: envelope.note.to_string(),
        summary: envelope.summary.as_ref().map(ToString::to_string),
        tags_there: envelope.tags.iter().map(ToString::to_string).collect(),
        at_ms: envelope.ts.0,
    }
}

/// One that is decided on: where it waits, in which envelope, and what it is.
pub(super) type Waits = (CommunityId, EnvelopeId, ItemId);

/// Releases or declines what waits.
pub(super) async fn decide(
    app: &App,
    id: &Id,
    waits: Vec<Waits>,
    (hide, reason): (bool, &str),
) -> Answered<Json<Value>> {
    let reason: Text<{ limits::REASON_BYTES }> = match reason.trim() {
        "" => Text::default(),
        reason => Text::line(reason).map_err(|why| ApiError::field("reason", &why))?,
    };
    let state = if hide { "declined" } else { "shown" };
    let mut decided = Vec::new();
    for (number, (community, envelope, item)) in (0..).zip(waits) {
        let body = Body::Label(Label { version: V1, hide, reason: reason.clone() });
        let draft = Draft { target: Some(ItemId(envelope.0)), ..Draft::new(body) };
        let command = Command::Write { communities: vec![community], draft };
        let Answer::Items(labels) = app.command(command, id.part(number)).await? else { return Err(other_answer()) };
        decided.push(json!({
            "envelope": envelope.to_string(),
            "item": item.to_string(),
            "community": community.to_string(),
            "label": labels.first().map(|(label, _)| label.to_string()),
        }));
    }
    let item = decided.first().map(|one| one["item"].clone());
    let to = decided.first().map(|one| one["community"].clone());
    Ok(Json(json!({ "item": item, "to": to, "state": state, "reason": reason.as_str(), "decided": decided })))
}

/// What waits under an id or its beginning, an envelope's or an item's: in the latter case by whichever brokers it came.
/// None where nothing fits.
pub(super) fn find(sight: &Sight<'_>, text: &str) -> Answered<Vec<Waits>> {
    let waiting = all(sight, None)?;
    let ids: Vec<Waits> = waiting.into_iter().map(|(community, hop)| (community, hop.id, hop.envelope.item)).collect();
    let known: Vec<String> =
        ids.iter().flat_map(|(_, envelope, item)| [envelope.to_string(), item.to_string()]).collect();
    let Some(meant) = resolve::waiting(text.trim(), &known)? else { return Ok(Vec::new()) };
    let is_meant = |(_, envelope, item): &Waits| envelope.to_string() == meant || item.to_string() == meant;
    Ok(ids.into_iter().filter(is_meant).collect())
}
