//! The ledger of a community's borders: what crossed, by whom, and what came of it on the other side.
//!
//! Leaves to others: keeping (it is computed from what is kept). Always true: nothing here says who has read what; only
//! what people have said or kept counts.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use hearth_protocol::{
    id::{CommunityId, OpId, PersonId},
    item::{Body, Kind},
    ledger::Ledger as _,
    link::{Direction, Outcome},
    time::DAY_MS,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    App,
    error::{Answered, ApiError},
    resolve,
    sight::Sight,
    take::{Asked, At},
    view::ItemView,
};
use crate::store::{Hop, Listed};

/// Crossings of one direction that a report looks at: the newest, of more than a link lets through in a month.
const CROSSINGS: usize = 1_000;

/// With whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct With {
    with: Option<String>,
}

/// What crossed in one direction, summed up.
#[derive(Debug, Default, Serialize)]
struct Sum {
    crossings: u64,
    shown: u64,
    quarantined: u64,
    held: u64,
    replies: u64,
    saves: u64,
    endorsements: u64,
}

/// A link and a day of it.
type LinkDay = (u64, OpId);

/// What has been seen of all crossings.
#[derive(Debug, Default)]
struct Totals {
    out: Sum,
    into: Sum,
    brokers: BTreeMap<(PersonId, &'static str), Sum>,
    days: BTreeMap<LinkDay, (CommunityId, CommunityId, u64)>,
}

/// What came of an item on the other side.
struct CameOf {
    replies: u64,
    saves: u64,
    endorsements: u64,
}

/// What crossed a community's borders, the newest first, and totals.
pub(super) async fn report(
    State(app): State<App>,
    At(text): At<String>,
    Asked(With { with }): Asked<With>,
) -> Answered<Json<Value>> {
    app.read(move |sight| {
        let community = resolve::community(&sight.snapshot, &text)?;
        let with = with.map(|text| resolve::any_community(&sight.snapshot, &text)).transpose()?;
        let is_other = |other: CommunityId| with.is_none_or(|with| with == other);
        let mut hops = Vec::new();
        for other in sight.communities().into_iter().filter(|other| *other != community && is_other(*other)) {
            let left = sight.store.carried_into(other, CROSSINGS, |envelope| envelope.from == community)?;
            hops.extend(left.into_iter().map(|hop| ("out", hop)));
        }
        let entered = sight.store.carried_into(community, CROSSINGS, |envelope| is_other(envelope.from))?;
        hops.extend(entered.into_iter().map(|hop| ("in", hop)));
        hops.sort_by_key(|(_, hop)| (std::cmp::Reverse(hop.envelope.ts), hop.id));
        let mut totals = Totals::default();
        let mut crossings = Vec::new();
        for (direction, hop) in &hops {
            crossings.extend(crossing(sight, direction, hop, &mut totals)?);
        }
        let days = totals.days.iter().map(|(link_day, used)| day(sight, *link_day, *used)).collect::<Vec<_>>();
        let brokers = totals.brokers.iter().map(|((person, direction), sum)| {
            json!({ "broker": person.to_string(), "broker_name": sight.person_name(*person, &sight.communities()),
                "direction": direction, "sum": sum })
        });
        Ok(Json(json!({
            "community": community.to_string(),
            "name": sight.community_name(community),
            "crossings": crossings,
            "totals": { "out": totals.out, "in": totals.into, "brokers": brokers.collect::<Vec<_>>(), "days": days },
            "unseen": unseen(sight, community, is_other)?,
        })))
    })
    .await
}

fn crossing(sight: &Sight<'_>, direction: &'static str, hop: &Hop, totals: &mut Totals) -> Answered<Option<Value>> {
    let (envelope, to) = (&hop.envelope, hop.envelope.to);
    let Some(listed) = sight.store.listed(envelope.from, envelope.item, None)? else { return Ok(None) };
    let came = came_of(sight, &listed, to)?;
    let mut view = serde_json::to_value(ItemView::of(sight, &listed)).map_err(|_| ApiError::broken())?;
    if let Outcome::Held(why) = hop.outcome {
        view["reason"] = json!(why.name());
        view["error"] = json!(why.to_string());
    }
    let more = json!({
        "envelope": hop.id.to_string(),
        "direction": direction,
        "from": envelope.from.to_string(),
        "from_name": sight.community_name(envelope.from),
        "to": to.to_string(),
        "to_name": sight.community_name(to),
        "broker": envelope.broker.to_string(),
        "broker_name": sight.person_name(envelope.broker, &[to, envelope.from]),
        "note": envelope.note.as_str(),
        "tags_there": envelope.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(),
        "at_ms": envelope.ts.0,
        "state": hop.outcome.name(),
        "replies": came.replies,
        "saves": came.saves,
        "endorsements": came.endorsements,
    });
    if let (Some(view), Value::Object(more)) = (view.as_object_mut(), more) {
        view.extend(more);
    }
    let whole = if direction == "out" { &mut totals.out } else { &mut totals.into };
    for sum in [whole, totals.brokers.entry((envelope.broker, direction)).or_default()] {
        sum.add(hop.outcome, &came);
    }
    if listed.item.header.kind != Kind::TOMBSTONE {
        // Retractions take nobody's turn (R6).
        let day = totals.days.entry((envelope.ts.day(), envelope.in_link)).or_insert((envelope.from, to, 0));
        day.2 += 1;
    }
    Ok(Some(view))
}

impl Sum {
    fn add(&mut self, outcome: Outcome, came: &CameOf) {
        self.crossings += 1;
        match outcome {
            Outcome::Shown => self.shown += 1,
            Outcome::Quarantined => self.quarantined += 1,
            Outcome::Held(_) => self.held += 1,
        }
        self.replies += came.replies;
        self.saves += came.saves;
        self.endorsements += came.endorsements;
    }
}

/// What people of a community have said of an item, or kept of it.
fn came_of(sight: &Sight<'_>, listed: &Listed, to: CommunityId) -> Answered<CameOf> {
    let shown = sight.store.show(listed.item.id, &[to], &[])?;
    let replies = shown.iter().flat_map(|shown| &shown.replies);
    let here = replies.filter(|reply| reply.item.header.community == to && reply.item.header.kind == Kind::REPLY);
    let replies = u64::try_from(here.count()).unwrap_or(u64::MAX);
    let endorsements = u64::try_from(sight.store.endorsers(listed.item.id, to)?.len()).unwrap_or(u64::MAX);
    let mut saves = 0;
    if let Some(Body::Bookmark(bookmark)) = &listed.body
        && let Ok(address) = hearth_protocol::url::normalise(bookmark.url.as_str())
        && let Some(standing) = sight.snapshot.communities.get(&to)
    {
        for person in standing.state.members.keys() {
            if let Some(kept) = sight.store.bookmark(to, *person, &address)? {
                saves += u64::from(!sight.store.is_retracted(kept, *person)?);
            }
        }
    }
    Ok(CameOf { replies, saves, endorsements })
}

/// One day of a link against its quota, which is the smaller of both sides'.
fn day(sight: &Sight<'_>, (day, in_link): LinkDay, (from, to, used): (CommunityId, CommunityId, u64)) -> Value {
    let links = |community: CommunityId| {
        let standing = sight.snapshot.communities.get(&community);
        standing.into_iter().flat_map(|standing| standing.state.links.iter())
    };
    let into = links(to).find(|link| link.id == in_link).map(|link| link.terms.per_day);
    let is_out = |direction: Direction| matches!(direction, Direction::Out { .. });
    let out = links(from).filter(|link| is_out(link.terms.direction) && link.terms.other == to);
    let out = out.map(|link| link.terms.per_day).next_back();
    json!({
        "day_ms": day.saturating_mul(DAY_MS),
        "link": in_link.to_string(),
        "from": from.to_string(),
        "from_name": sight.community_name(from),
        "to": to.to_string(),
        "to_name": sight.community_name(to),
        "used": used,
        "per_day": into.into_iter().chain(out).min(),
    })
}

/// Where items go out to and this node is no member: what became of them there is not known here.
fn unseen(sight: &Sight<'_>, community: CommunityId, is_other: impl Fn(CommunityId) -> bool) -> Answered<Vec<String>> {
    let links = sight.standing(community)?.state.links.iter();
    let out = links.filter(|link| matches!(link.terms.direction, Direction::Out { .. })).map(|link| link.terms.other);
    let mut unseen: Vec<CommunityId> =
        out.filter(|other| is_other(*other) && !sight.snapshot.communities.contains_key(other)).collect();
    unseen.sort();
    unseen.dedup();
    Ok(unseen.iter().map(ToString::to_string).collect())
}
