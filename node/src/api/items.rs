//! Items: writing, listing, showing one with its thread, and the path by which it came.

use std::cell::Cell;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hearth_protocol::{
    engine::{Answer, Command, labels_of, prove_crossing},
    id::{CommunityId, EnvelopeId, ItemId},
    item::{Body, Endorsement, Item, Kind, SignedItem},
    ledger::Ledger as _,
    link::{Envelope, Outcome, tag_matches},
    signed::{Unsound, Verified},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    App,
    drafts::ToWrite,
    error::{Answered, ApiError},
    other_answer, resolve,
    sight::Sight,
    take::{Asked, At, Id, Told},
    view::{self, ItemView, Says},
};
use crate::{
    clock, limits,
    store::{Hop, Listed, Shown},
};

/// Items of a list that nobody has bounded.
const LIMIT: usize = 50;

/// Writes an item into one or more communities.
pub(super) async fn write(State(app): State<App>, id: Id, Told(wanted): Told<ToWrite>) -> Answered<Json<Value>> {
    let name = app.me.name.as_str().to_owned();
    let writings = app.read(move |sight| wanted.read(sight, &name, clock::now())).await?;
    let several = writings.len() > 1;
    let mut written = Vec::new();
    for (number, (communities, draft)) in (0..).zip(writings) {
        let request = if several { id.part(number) } else { id.0 };
        let Answer::Items(items) = app.command(Command::Write { communities, draft }, request).await? else {
            return Err(other_answer());
        };
        written.extend(
            items
                .iter()
                .map(|(item, community)| json!({ "item": item.to_string(), "community": community.to_string() })),
        );
    }
    Ok(Json(json!({ "items": written })))
}

/// Which items.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(rename = "in")]
    within: Option<String>,
    limit: Option<usize>,
    kind: Option<String>,
    by: Option<String>,
    tag: Option<String>,
}

/// The newest items first.
pub(super) async fn list(State(app): State<App>, Asked(wanted): Asked<Wanted>) -> Answered<Response> {
    // Made into text there too: 100,000 items take a while.
    let text = app
        .read(move |sight| serde_json::to_vec(&Listing { items: wanted.find(sight)? }).map_err(|_| ApiError::broken()))
        .await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

#[derive(Serialize)]
struct Listing {
    items: Vec<ItemView>,
}

impl Wanted {
    fn find(&self, sight: &Sight<'_>) -> Answered<Vec<ItemView>> {
        let limit = self.limit.unwrap_or(LIMIT);
        let most = limits::API_ITEMS;
        if limit > most {
            return Err(ApiError::typed(
                "too_many",
                format!("a list has at most {most} items"),
                format!("ask for --limit {most} or fewer"),
            ));
        }
        let communities = match &self.within {
            Some(text) => vec![resolve::community(&sight.snapshot, text)?],
            None => sight.communities(),
        };
        let kind = match self.kind.as_deref() {
            Some(name) => Some(Kind::from_name(name).ok_or_else(|| no_such_kind(name))?),
            None => None,
        };
        let by = self.by.as_deref().map(|text| resolve::any_person(sight, &communities, text)).transpose()?;
        let bytes = Cell::new(0_usize);
        let wanted = |listed: &Listed| {
            let wanted = bytes.get() <= limits::API_ITEMS_BYTES
                && kind.is_none_or(|kind| listed.item.header.kind == kind)
                && by.is_none_or(|by| listed.item.header.author == by)
                && self
                    .tag
                    .as_deref()
                    .is_none_or(|named| view::tags(listed).iter().any(|tag| tag_matches(named.trim(), tag)));
            if wanted {
                bytes.set(bytes.get().saturating_add(
                    usize::try_from(listed.edit.as_ref().unwrap_or(&listed.item).header.body_len).unwrap_or(usize::MAX),
                ));
            }
            wanted
        };
        let page = sight.store.newest(&communities, limit, wanted)?;
        said(bytes.get(), page.items.len())?;
        Ok(page.items.iter().map(|listed| ItemView::of(sight, listed)).collect())
    }
}

/// Refuses a list whose items say too much.
fn said(bytes: usize, items: usize) -> Answered<()> {
    if bytes <= limits::API_ITEMS_BYTES {
        return Ok(());
    }
    let error = format!("these items say more than {} MiB together", limits::API_ITEMS_BYTES >> 20);
    let hint = format!("ask for --limit {} or fewer", items / 2);
    Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error, hint))
}

fn no_such_kind(name: &str) -> ApiError {
    let known: Vec<&str> = Kind::KNOWN.iter().filter(|(kind, _)| kind.is_listed()).map(|(_, word)| *word).collect();
    ApiError::typed("bad_kind", format!("no kind is called `{name}`"), format!("these are: {}", known.join(", ")))
}

/// An item whole.
#[derive(Debug, Serialize)]
pub(super) struct Whole {
    #[serde(flatten)]
    item: ItemView,
    signature: &'static str,
    replies: Vec<ItemView>,
    history: Vec<Version>,
    endorsements: Vec<EndorsementView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<LabelView>,
}

/// A recommendation.
#[derive(Debug, Serialize)]
struct EndorsementView {
    endorsement: String,
    person: String,
    person_name: String,
    merit: &'static str,
    text: String,
    at_ms: u64,
}

/// The steward's label that counts.
#[derive(Debug, Serialize)]
struct LabelView {
    label: String,
    steward: String,
    steward_name: String,
    hide: bool,
    reason: String,
    at_ms: u64,
}

/// What an item said before.
#[derive(Debug, Serialize)]
struct Version {
    item: String,
    #[serde(flatten)]
    says: Says,
    tags: Vec<String>,
    created_ms: u64,
}

/// One item with its thread and its earlier versions.
pub(super) async fn show(State(app): State<App>, At(item): At<String>) -> Answered<Json<Whole>> {
    app.read(move |sight| whole(sight, &item).map(Json)).await
}

fn whole(sight: &Sight<'_>, text: &str) -> Answered<Whole> {
    let shown = find(sight, text)?;
    let (id, read_in) = (shown.listed.item.id, shown.listed.read_in);
    let mut whole = Whole {
        item: ItemView::of(sight, &shown.listed),
        signature: signature_of(&shown),
        replies: shown.replies.iter().map(|reply| ItemView::of(sight, reply)).collect(),
        history: history(&shown),
        endorsements: endorsements(sight, read_in, id)?,
        label: label(sight, read_in, id)?,
    };
    if shown.waits {
        whole.item.state = Some("quarantined");
    }
    let may_look = shown.listed.item.header.author == sight.me || sight.stewarded().contains(&read_in);
    if shown.hidden {
        whole.item.state = Some("hidden");
    }
    if shown.retracted {
        whole.item.state = Some("retracted");
    }
    if shown.retracted || shown.hidden && !may_look {
        // Its author has taken it back, or a steward hides it; that the bytes may still be here is nobody's to read.
        whole.item.says = Says::default();
        whole.history = Vec::new();
    }
    Ok(whole)
}

/// The steward's word on an item or an envelope that counts in a community.
fn label(sight: &Sight<'_>, community: CommunityId, target: ItemId) -> Answered<Option<LabelView>> {
    let Ok(standing) = sight.standing(community) else { return Ok(None) };
    let label = labels_of(&standing.log, target, &sight.store)?.into_iter().next();
    Ok(label.map(|(item, label)| LabelView {
        label: item.id.to_string(),
        steward: item.header.author.to_string(),
        steward_name: sight.author_name(community, &item),
        hide: label.hide,
        reason: label.reason.to_string(),
        at_ms: item.header.ts.0,
    }))
}

fn history(shown: &Shown) -> Vec<Version> {
    let earlier = shown.history.len().saturating_sub(1);
    let version = |(item, body): &(Item, Option<Body>)| Version {
        item: item.id.to_string(),
        says: Says::of(body.as_ref()),
        tags: view::tags_of(item),
        created_ms: item.header.ts.0,
    };
    shown.history.iter().take(earlier).map(version).collect()
}

fn endorsements(sight: &Sight<'_>, read_in: CommunityId, id: ItemId) -> Answered<Vec<EndorsementView>> {
    let all = sight.store.endorsements(id, &sight.communities())?;
    let view = |(item, said): (Item, Endorsement)| EndorsementView {
        endorsement: item.id.to_string(),
        person: item.header.author.to_string(),
        person_name: sight.author_name(read_in, &item),
        merit: said.merit.name(),
        text: said.line.map(|line| line.to_string()).unwrap_or_default(),
        at_ms: item.header.ts.0,
    };
    Ok(all.into_iter().map(view).collect())
}

/// The signatures of all that is shown of an item, checked now.
fn signature_of(shown: &Shown) -> &'static str {
    let versions = shown.history.iter().map(|(item, _)| &item.signed);
    view::signature({ versions }.try_for_each(check))
}

fn check(signed: &SignedItem) -> Result<(), Unsound> {
    signed.clone().check().map(|_| ())
}

fn find(sight: &Sight<'_>, text: &str) -> Answered<Shown> {
    let id = resolve::item(sight, text)?;
    let shown = sight.store.show(id, &sight.communities(), &sight.stewarded())?;
    shown.ok_or_else(|| {
        ApiError::missing(
            "no_item",
            format!("the item {id} is not read in any of your communities"),
            "`hearth list` shows what is",
        )
    })
}

/// Where an item has been.
#[derive(Debug, Serialize)]
pub(super) struct Way {
    item: String,
    author: String,
    author_name: String,
    signature: &'static str,
    hops: Vec<HopView>,
}

#[derive(Debug, Serialize)]
struct HopView {
    envelope: String,
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_name: Option<String>,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_name: Option<String>,
    broker: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_name: Option<String>,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    tags: Vec<String>,
    at_ms: u64,
    signature: &'static str,
    /// Whether what is kept here proves that it was allowed: `valid`, what is missing, or the gate that says no.
    permission: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'static str>,
    /// What a steward said who released or declined it.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<LabelView>,
}

/// The borders that an item has crossed, with every signature on its way checked now.
pub(super) async fn trace(State(app): State<App>, At(item): At<String>) -> Answered<Json<Way>> {
    app.read(move |sight| way(sight, &item).map(Json)).await
}

fn way(sight: &Sight<'_>, text: &str) -> Answered<Way> {
    let id = resolve::item(sight, text)?;
    let Some(signed) = sight.store.item(id)? else {
        return Err(ApiError::missing("no_item", format!("no item {id} is kept here"), "`hearth list` shows what is"));
    };
    let mut checked = check(&signed);
    let Ok(item) = signed.trusted() else { return Err(ApiError::broken()) };
    let communities = sight.communities();
    let mut hops = Vec::new();
    for hop in sight.store.hops(id, &communities)? {
        let sealed = check_envelope(sight, hop.id)?;
        checked = checked.and(sealed);
        hops.push(hop_view(sight, &item, &hop, sealed)?);
    }
    let read_in = hops_end(sight, &item, &communities)?;
    Ok(Way {
        item: id.to_string(),
        author: item.header.author.to_string(),
        author_name: sight.author_name(read_in, &item),
        signature: view::signature(checked),
        hops,
    })
}

/// Where an item is read; else where it was written.
fn hops_end(sight: &Sight<'_>, item: &Item, communities: &[CommunityId]) -> Answered<CommunityId> {
    let shown = sight.store.show(item.id, communities, &sight.stewarded())?;
    Ok(shown.map_or(item.header.community, |shown| shown.listed.read_in))
}

/// Whether an envelope is signed by its broker's device, and by nobody else.
fn check_envelope(sight: &Sight<'_>, id: EnvelopeId) -> Answered<Result<(), Unsound>> {
    let Some(kept) = sight.store.envelope(id)? else { return Err(ApiError::broken()) };
    Ok(Verified::<Envelope>::check(kept.signed).and_then(|envelope| {
        let alone = envelope.signed.signed_only_by(envelope.value.device);
        if alone { Ok(()) } else { Err(Unsound::WrongSigner) }
    }))
}

fn hop_view(sight: &Sight<'_>, item: &Item, hop: &Hop, sealed: Result<(), Unsound>) -> Answered<HopView> {
    let envelope = &hop.envelope;
    let entering = sight.snapshot.communities.get(&envelope.to).map(AsRef::as_ref);
    let permission = prove_crossing(item, envelope, entering, &sight.store)?;
    Ok(HopView {
        envelope: hop.id.to_string(),
        from: envelope.from.to_string(),
        from_name: sight.community_name(envelope.from).map(str::to_owned),
        to: envelope.to.to_string(),
        to_name: sight.community_name(envelope.to).map(str::to_owned),
        broker: envelope.broker.to_string(),
        broker_name: sight.person_name(envelope.broker, &[envelope.to, envelope.from]).map(str::to_owned),
        note: envelope.note.to_string(),
        summary: envelope.summary.as_ref().map(ToString::to_string),
        tags: envelope.tags.iter().map(ToString::to_string).collect(),
        at_ms: envelope.ts.0,
        signature: view::signature(sealed),
        permission: permission.name(),
        state: hop.outcome.name(),
        refusal: if let Outcome::Held(refusal) = hop.outcome { Some(refusal.name()) } else { None },
        label: label(sight, envelope.to, ItemId(hop.id.0))?,
    })
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    #[test]
    fn the_items_of_a_list_say_so_much_and_no_more() {
        around(limits::API_ITEMS_BYTES, [true, true, false], |bytes| said(bytes, 2).is_ok());
    }
}
