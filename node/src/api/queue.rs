//! The queue: what waits for this person's word, as the steward of a community that it enters or as a broker; what they
//! have sent that waits on the other side; and what they have declined.
//!
//! Leaves to others: what comes in (`quarantine`), and every decision (the engine). Always true: a decision names the
//! version that was looked at.

use axum::{Json, extract::State};
use hearth_protocol::{
    desk::{Candidate, Decision, Selection},
    engine::{Answer, Command, CommandRefusal, DeskCommand, newest_version},
    id::{CommunityId, ItemId},
    ledger::Ledger as _,
    limits,
    link::Outcome,
    text::Text,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    drafts::{some_text, written},
    error::{Answered, ApiError},
    other_answer, quarantine, resolve, selections,
    sight::Sight,
    spoken,
    take::{Asked, At, Id, Told},
    view::ItemView,
};
use crate::desk::{self, Desk};

/// What was sent and waits, of one community: more than a link lets through in weeks.
const SENT: usize = 200;

/// Of which community.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    #[serde(rename = "in")]
    within: Option<String>,
}

/// Everything on the desk, of one community's borders or of all.
pub(super) async fn list(State(app): State<App>, Asked(of): Asked<Of>) -> Answered<Json<Value>> {
    let device = app.me.device.public();
    app.read(move |sight| {
        let only = of.within.as_deref().map(|text| resolve::community(&sight.snapshot, text)).transpose()?;
        let desk = Desk { store: &sight.store, snapshot: &sight.snapshot, me: (sight.me, device) };
        let (mut out, mut kept_back) = (Vec::new(), 0);
        for selection in sight.store.selections()? {
            if only.is_some_and(|only| only != selection.from && only != selection.to) {
                continue;
            }
            kept_back += selection.kept_back;
            for candidate in sight.store.candidates(selection.id)? {
                out.extend(shown(sight, &desk, &selection, &candidate)?);
            }
        }
        for community in sight.communities() {
            out.extend(sent(sight, community, only)?);
        }
        Ok(Json(json!({ "in": quarantine::list(sight, only)?, "out": out, "kept_back": kept_back })))
    })
    .await
}

fn shown(sight: &Sight<'_>, desk: &Desk<'_>, selection: &Selection, candidate: &Candidate) -> Answered<Option<Value>> {
    if matches!(candidate.state, Decision::Carried(_)) || desk.is_carried(selection, candidate.item)? {
        return Ok(None);
    }
    let Some(listed) = desk.standing_item(selection, candidate.item)? else { return Ok(None) };
    let mut view = selections::candidate_of(sight, desk, selection, &listed)?;
    let version = newest_version(candidate.item, &sight.store)?.unwrap_or(candidate.item);
    view["version"] = json!(version.to_string());
    view["edited"] = json!(version != candidate.version);
    view["found_ms"] = json!(candidate.found.0);
    view["state"] = match &candidate.state {
        Decision::Declined(reason) => {
            view["declined"] = json!(reason.as_str());
            json!("declined")
        }
        _ if view["crosses"] == true => json!("waiting"),
        _ => json!("refused"),
    };
    Ok(Some(view))
}

/// What this person has carried into a community and is not shown there.
fn sent(sight: &Sight<'_>, to: CommunityId, only: Option<CommunityId>) -> Answered<Vec<Value>> {
    let mine = |from: CommunityId| only.is_none_or(|only| only == from || only == to);
    let me = sight.me;
    let hops = sight.store.carried_into(to, SENT, |envelope| envelope.broker == me && mine(envelope.from))?;
    let mut views = Vec::new();
    for hop in hops.into_iter().filter(|hop| hop.outcome != Outcome::Shown) {
        let Some(listed) = sight.store.listed(hop.envelope.from, hop.envelope.item, None)? else { continue };
        let mut view = serde_json::to_value(ItemView::of(sight, &listed)).map_err(|_| ApiError::broken())?;
        view["state"] = json!(hop.outcome.name());
        view["envelope"] = json!(hop.id.to_string());
        view["from_name"] = json!(sight.community_name(hop.envelope.from));
        view["to"] = json!(to.to_string());
        view["to_name"] = json!(sight.community_name(to));
        view["note"] = json!(hop.envelope.note.as_str());
        view["at_ms"] = json!(hop.envelope.ts.0);
        if let Outcome::Held(why) = hop.outcome {
            view["reason"] = json!(why.name());
            view["error"] = json!(why.to_string());
        }
        views.push(view);
    }
    Ok(views)
}

/// What is meant by an id in the queue.
struct Meant {
    candidates: Vec<(Selection, Candidate)>,
    item: ItemId,
    version: ItemId,
}

/// The candidates of one item that wait, for one community.
fn meant(sight: &Sight<'_>, text: &str, version: Option<&str>, to: Option<&str>) -> Answered<Meant> {
    let item = resolve::item(sight, text)?;
    let to = to.map(|text| resolve::community(&sight.snapshot, text)).transpose()?;
    let mut candidates = Vec::new();
    for selection in sight.store.selections()? {
        let candidate = sight.store.candidate(selection.id, item)?.filter(|known| known.state == Decision::Waiting);
        candidates.extend(candidate.filter(|_| to.is_none_or(|to| to == selection.to)).map(|known| (selection, known)));
    }
    let Some((first, known)) = candidates.first() else { return Err(CommandRefusal::NotOnDesk.into()) };
    if candidates.iter().any(|(selection, _)| selection.to != first.to) {
        return Err(ApiError::typed("ambiguous", "it waits for several communities", "say for which: --to C"));
    }
    let looked_at = version.map(|text| resolve::item(sight, text)).transpose()?.unwrap_or(known.version);
    let newest = newest_version(item, &sight.store)?;
    if newest != Some(looked_at) {
        let version = newest.map(|id| id.to_string()).unwrap_or_default();
        let hint = format!("look at it, then decide again with --version {version}: hearth show {item}");
        return Err(ApiError::from(CommandRefusal::EditedSince).hinting(hint));
    }
    Ok(Meant { candidates, item, version: looked_at })
}

/// The broker's words for a candidate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToAccept {
    version: Option<String>,
    to: Option<String>,
    note: Option<String>,
    summary: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

/// Carries a candidate, or releases what waits for a steward.
pub(super) async fn accept(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(wanted): Told<ToAccept>,
) -> Answered<Json<Value>> {
    let asked = text.clone();
    let waits = app.read(move |sight| quarantine::find(sight, &asked)).await?;
    if !waits.is_empty() && wanted.to.is_none() {
        return quarantine::decide(&app, &id, waits, (false, wanted.note.as_deref().unwrap_or_default())).await;
    }
    let note: Option<Text<{ limits::NOTE_BYTES }>> = some_text("note", wanted.note.as_deref())?;
    let summary = some_text("summary", wanted.summary.as_deref())?;
    let (meant, tags) = app
        .read(move |sight| {
            let meant = meant(sight, &text, wanted.version.as_deref(), wanted.to.as_deref())?;
            let (selection, _) = meant.candidates.first().ok_or(CommandRefusal::NotOnDesk)?;
            let listed = sight.store.listed(selection.from, meant.item, None)?.ok_or_else(ApiError::broken)?;
            let border = (selection.from, selection.to);
            let (tags, _) = spoken::said(sight, border, (desk::tags(&listed), &wanted.tags), &[])?;
            Ok((meant, tags))
        })
        .await?;
    let Meant { candidates, item, version } = meant;
    let (selection, _) = candidates.into_iter().next().ok_or(CommandRefusal::NotOnDesk)?;
    let note = note.unwrap_or_else(|| selection.note.clone());
    if note.as_str().is_empty() {
        return Err(spoken::no_note());
    }
    let said = tags.clone();
    let command = DeskCommand::Accept { selection: selection.id, item, version, note, summary, tags };
    let Answer::Relayed(envelope, outcome) = app.command(Command::Desk(command), id.0).await? else {
        return Err(other_answer());
    };
    Ok(Json(json!({
        "envelope": envelope.to_string(),
        "item": item.to_string(),
        "to": selection.to.to_string(),
        "state": outcome.name(),
        "tags": said,
    })))
}

/// Why a candidate stays where it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToDecline {
    reason: String,
    version: Option<String>,
    to: Option<String>,
}

/// Declines what waits for a steward, or leaves a candidate where it is, for good, whichever selection proposes it for that community.
pub(super) async fn decline(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(wanted): Told<ToDecline>,
) -> Answered<Json<Value>> {
    let reason: Text<{ limits::REASON_BYTES }> = written("reason", Some(&wanted.reason))?;
    let asked = text.clone();
    let waits = app.read(move |sight| quarantine::find(sight, &asked)).await?;
    if !waits.is_empty() && wanted.to.is_none() {
        return quarantine::decide(&app, &id, waits, (true, reason.as_str())).await;
    }
    let meant = app.read(move |sight| meant(sight, &text, wanted.version.as_deref(), wanted.to.as_deref())).await?;
    let (item, version) = (meant.item, meant.version);
    let to = meant.candidates.first().map(|(selection, _)| selection.to.to_string());
    for (number, (selection, _)) in (0..).zip(meant.candidates) {
        let command = DeskCommand::Decline { selection: selection.id, item, version, reason: reason.clone() };
        app.command(Command::Desk(command), id.part(number)).await?;
    }
    Ok(Json(json!({ "item": item.to_string(), "to": to, "state": "declined", "reason": reason.as_str() })))
}
