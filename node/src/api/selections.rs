//! Standing selections: made, tried, switched, removed.
//!
//! Leaves to others: working through them (`crate::desk`), and what is kept of them (the engine).

use std::cell::Cell;

use axum::{Json, extract::State};
use hearth_protocol::{
    desk::{Decision, Selection},
    engine::{Answer, Command, CommandRefusal, DeskCommand},
    id::{CommunityId, PersonId, SelectionId},
    item::{Kind, Tag},
    ledger::Ledger as _,
    link::{Gate, Owner, Refused},
    query::Query,
    time::DAY_MS,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    communities::Nothing,
    drafts::some_text,
    error::{Answered, ApiError},
    hints, other_answer, resolve,
    sight::Sight,
    spoken,
    take::{At, Id, Told},
    view::ItemView,
};
use crate::{
    clock,
    desk::{self, Desk},
    store::Listed,
};

/// How far back a try looks.
const TRY_MS: u64 = 30 * DAY_MS;
/// Items that a try shows at most: each is asked of every gate.
const TRIED: usize = 500;

/// What to select.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToSelect {
    from: String,
    to: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    by: Vec<String>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    endorsed: u32,
    note: Option<String>,
    #[serde(default)]
    auto: bool,
}

impl ToSelect {
    fn query(&self, sight: &Sight<'_>, from: CommunityId) -> Answered<Query> {
        let tags = |texts: &[String]| texts.iter().map(|text| spoken::tag(text)).collect::<Answered<Vec<Tag>>>();
        let kind = |name: &String| {
            let known: Vec<&str> = Kind::KNOWN.iter().map(|(_, word)| *word).collect();
            let hint = format!("these are: {}", known.join(", "));
            Kind::from_name(name)
                .ok_or_else(|| ApiError::typed("bad_kind", format!("no kind is called `{name}`"), hint))
        };
        Ok(Query {
            tags: tags(&self.tags)?,
            kinds: self.kinds.iter().map(kind).collect::<Answered<Vec<_>>>()?,
            by: self.by.iter().map(|text| resolve::any_person(sight, &[from], text)).collect::<Answered<Vec<_>>>()?,
            words: tags(&self.words)?,
            endorsed: self.endorsed,
        })
    }
}

/// Makes one, which is off.
pub(super) async fn create(State(app): State<App>, id: Id, Told(wanted): Told<ToSelect>) -> Answered<Json<Value>> {
    let note = some_text("note", wanted.note.as_deref())?.unwrap_or_default();
    if wanted.auto && note.as_str().is_empty() {
        return Err(spoken::no_note());
    }
    let auto = wanted.auto;
    let (from, to, query) = app
        .read(move |sight| {
            let from = resolve::community(&sight.snapshot, &wanted.from)?;
            let to = resolve::community(&sight.snapshot, &wanted.to)?;
            Ok((from, to, wanted.query(sight, from)?))
        })
        .await?;
    let command = DeskCommand::Select { from, to, query, note, auto };
    let Answer::Selection(selection) = app.command(Command::Desk(command), id.0).await? else {
        return Err(other_answer());
    };
    app.read(move |sight| one(sight, selection)).await
}

fn one(sight: &Sight<'_>, id: SelectionId) -> Answered<Json<Value>> {
    let selection = sight.store.selection(id)?.ok_or(CommandRefusal::NotOnDesk)?;
    Ok(Json(view(sight, &selection)?))
}

/// All of them.
pub(super) async fn list(State(app): State<App>) -> Answered<Json<Value>> {
    app.read(move |sight| {
        let all = sight.store.selections()?;
        let views = all.iter().map(|selection| view(sight, selection)).collect::<Answered<Vec<_>>>()?;
        Ok(Json(json!({ "selections": views })))
    })
    .await
}

fn view(sight: &Sight<'_>, selection: &Selection) -> Answered<Value> {
    let query = &selection.query;
    let person = |person: &PersonId| json!({ "person": person.to_string(), "name": sight.person_name(*person, &[selection.from]) });
    let (mut waiting, mut carried, mut declined) = (0, 0, 0);
    for candidate in sight.store.candidates(selection.id)? {
        match candidate.state {
            Decision::Waiting => waiting += 1,
            Decision::Carried(_) => carried += 1,
            Decision::Declined(_) => declined += 1,
        }
    }
    let behind = if selection.on { sight.store.next_number()?.saturating_sub(selection.next) } else { 0 };
    Ok(json!({
        "selection": selection.id.to_string(),
        "from": selection.from.to_string(),
        "from_name": sight.community_name(selection.from),
        "to": selection.to.to_string(),
        "to_name": sight.community_name(selection.to),
        "tags": query.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(),
        "kinds": query.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
        "by": query.by.iter().map(person).collect::<Vec<_>>(),
        "words": query.words.iter().map(|word| word.as_str()).collect::<Vec<_>>(),
        "endorsed": query.endorsed,
        "note": selection.note.as_str(),
        "auto": selection.auto,
        "on": selection.on,
        "waiting": waiting,
        "carried": carried,
        "declined": declined,
        "kept_back": selection.kept_back,
        "behind": behind,
        "made_ms": selection.made.0,
    }))
}

/// What the last 30 days would have given, and which gates would refuse it now.
pub(super) async fn attempt(State(app): State<App>, At(text): At<String>) -> Answered<Json<Value>> {
    let device = app.me.device.public();
    app.read(move |sight| {
        let id = resolve::selection(sight, &text)?;
        let selection = sight.store.selection(id)?.ok_or(CommandRefusal::NotOnDesk)?;
        let desk = Desk { store: &sight.store, snapshot: &sight.snapshot, me: (sight.me, device) };
        let since = clock::now().0.saturating_sub(TRY_MS);
        let (failed, more) = (Cell::new(None), Cell::new(0_usize));
        let wanted = |listed: &Listed| {
            if listed.item.header.ts.0 < since || listed.by.is_some() {
                return false;
            }
            let selects = desk.selects(&selection, listed).unwrap_or_else(|why| {
                failed.set(Some(why));
                false
            });
            more.set(more.get() + usize::from(selects));
            selects && more.get() <= TRIED
        };
        let page = sight.store.newest(&[selection.from], TRIED, wanted)?;
        if let Some(why) = failed.take() {
            return Err(why.into());
        }
        let items: Vec<Value> =
            page.items.iter().map(|listed| tried(sight, &desk, &selection, listed)).collect::<Answered<_>>()?;
        let mut shown = view(sight, &selection)?;
        shown["items"] = json!(items);
        Ok(Json(shown))
    })
    .await
}

fn tried(sight: &Sight<'_>, desk: &Desk<'_>, selection: &Selection, listed: &Listed) -> Answered<Value> {
    let mut view = serde_json::to_value(ItemView::of(sight, listed)).map_err(|_| ApiError::broken())?;
    let (refused, quarantined) = desk.refused(selection, listed)?;
    view["crosses"] = json!(refused.is_none());
    view["quarantined"] = json!(quarantined);
    if let Some(refused) = refused {
        say_refused(sight, selection, listed, refused, &mut view);
    }
    Ok(view)
}

/// By which gate an item is refused, and whose that is.
pub(super) fn say_refused(
    sight: &Sight<'_>,
    selection: &Selection,
    listed: &Listed,
    refused: Refused,
    view: &mut Value,
) {
    let owner_name = match refused.owner {
        Owner::Author => sight.author_name(selection.from, &listed.item),
        Owner::Leaving => sight.community_name(selection.from).unwrap_or_default().to_owned(),
        Owner::Entering => sight.community_name(selection.to).unwrap_or_default().to_owned(),
        Owner::Broker => sight.person_name(sight.me, &[selection.from]).unwrap_or_default().to_owned(),
    };
    view["gate"] = json!(Gate { owner: refused.owner, why: refused.why, passed: false }.name());
    view["owner"] = json!(refused.owner.name());
    view["owner_name"] = json!(owner_name);
    view["reason"] = json!(refused.why.name());
    view["error"] = json!(refused.why.to_string());
    view["hint"] = json!(hints::relay_refused(refused.why));
}

/// Switches one on: what is written from now on is judged.
pub(super) async fn on(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    let switch = |sight: &Sight<'_>, selection: &Selection| {
        // One that is on goes on where it is.
        Ok(Some(if selection.on { selection.next } else { sight.store.next_number()? }))
    };
    switched(app, id, text, switch).await
}

/// Switches one off; its candidates stay.
pub(super) async fn off(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    switched(app, id, text, |_, _| Ok(None)).await
}

async fn switched(
    app: App,
    id: Id,
    text: String,
    from: impl FnOnce(&Sight<'_>, &Selection) -> Answered<Option<u64>> + Send + 'static,
) -> Answered<Json<Value>> {
    let (selection, next) = app
        .read(move |sight| {
            let id = resolve::selection(sight, &text)?;
            let selection = sight.store.selection(id)?.ok_or(CommandRefusal::NotOnDesk)?;
            Ok((id, from(sight, &selection)?))
        })
        .await?;
    app.command(Command::Desk(DeskCommand::Switch(selection, next)), id.0).await?;
    app.read(move |sight| one(sight, selection)).await
}

/// Takes one away, with its candidates.
pub(super) async fn remove(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    let selection = app.read(move |sight| resolve::selection(sight, &text)).await?;
    app.command(Command::Desk(DeskCommand::Unselect(selection)), id.0).await?;
    Ok(Json(json!({ "selection": selection.to_string() })))
}

/// What a candidate is, for the queue.
pub(super) fn candidate_of(
    sight: &Sight<'_>,
    desk: &Desk<'_>,
    selection: &Selection,
    listed: &Listed,
) -> Answered<Value> {
    let mut view = tried(sight, desk, selection, listed)?;
    let own = desk::tags(listed);
    let (tags, _) = spoken::said(sight, (selection.from, selection.to), (own, &[]), &[])?;
    view["tags_there"] = json!(tags);
    view["selection"] = json!(selection.id.to_string());
    view["to"] = json!(selection.to.to_string());
    view["to_name"] = json!(sight.community_name(selection.to));
    view["from_name"] = json!(sight.community_name(selection.from));
    view["note"] = json!(selection.note.as_str());
    Ok(view)
}
