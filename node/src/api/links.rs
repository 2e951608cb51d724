//! Links: one community's standing consent that brokers carry certain items.

use axum::{Json, extract::State};
use hearth_protocol::{
    authority::{LinkState, Role},
    bytes::List,
    engine::{Answer, Command},
    id::{CommunityId, PersonId},
    item::{DraftRefusal, Kind, Tag},
    limits,
    link::{Direction, KindSet, LinkTerms},
    text::Text,
    time::DAY_MS,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    communities::{Nothing, role},
    error::{Answered, ApiError},
    other_answer, resolve,
    sight::Sight,
    take::{At, Id, Told},
};
use crate::clock;

/// The life of a link that nobody has bounded.
const LIFE_MS: u64 = 90 * DAY_MS;
/// What a link that nobody has bounded lets through in a day.
const PER_DAY: u16 = 20;
/// Borders that an item may have crossed: this version relays over one.
const MAX_HOPS: u8 = 1;

/// The terms of a link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToLink {
    community: String,
    direction: String,
    other: String,
    brokers: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    per_day: Option<u16>,
    min_role: Option<String>,
    #[serde(default)]
    quarantine: bool,
    #[serde(default)]
    replies_only: bool,
    expires_ms: Option<u64>,
}

impl ToLink {
    fn terms(&self, sight: &Sight<'_>) -> Answered<(CommunityId, LinkTerms)> {
        let community = resolve::community(&sight.snapshot, &self.community)?;
        let other = resolve::any_community(&sight.snapshot, &self.other)?;
        if other == community {
            return Err(ApiError::typed(
                "same_community",
                "a link leads into another community",
                "name the other community",
            ));
        }
        let direction = match self.direction.as_str() {
            "out" => Direction::Out {
                min_author_role: self.min_role.as_deref().map(role).transpose()?.unwrap_or(Role::Member),
            },
            "in" => Direction::In { quarantine: self.quarantine },
            given => {
                return Err(ApiError::typed(
                    "bad_direction",
                    format!("a link goes out or in, not `{given}`"),
                    "give --out OTHER or --in OTHER",
                ));
            }
        };
        let per_day = self.per_day.unwrap_or(PER_DAY);
        if per_day == 0 {
            return Err(ApiError::typed(
                "bad_field",
                "a link of 0 items a day lets nothing through",
                "give --per-day 1 or more",
            ));
        }
        Ok((
            community,
            LinkTerms {
                direction,
                other,
                brokers: self.brokers(sight, community, other)?,
                kinds: self.kinds()?,
                tags: self.tags()?,
                max_hops: MAX_HOPS,
                per_day,
                replies_only: self.replies_only,
                not_after: clock::now().after(self.expires_ms.unwrap_or(LIFE_MS)),
            },
        ))
    }

    fn brokers(
        &self,
        sight: &Sight<'_>,
        community: CommunityId,
        other: CommunityId,
    ) -> Answered<List<PersonId, 1, { limits::BROKERS }>> {
        // A broker is a member of both; of the other side this node may know nothing.
        let known: Vec<CommunityId> =
            [community, other].into_iter().filter(|id| sight.snapshot.communities.contains_key(id)).collect();
        let mut brokers: Vec<PersonId> = Vec::new();
        for text in &self.brokers {
            let broker = resolve::any_person(sight, &known, text)?;
            if !brokers.contains(&broker) {
                brokers.push(broker);
            }
        }
        let found = brokers.len();
        List::new(brokers).map_err(|_| match found {
            0 => ApiError::typed("missing_field", "a link names a broker", "give --broker PERSON"),
            found => DraftRefusal::TooMany { field: "brokers", most: limits::BROKERS, found }.into(),
        })
    }

    fn kinds(&self) -> Answered<KindSet> {
        if self.kinds.is_empty() {
            return Ok(KindSet::ALL);
        }
        let kind = |name: &String| {
            let known: Vec<&str> = Kind::KNOWN.iter().map(|(_, word)| *word).collect();
            let error = || {
                ApiError::typed(
                    "bad_kind",
                    format!("no kind is called `{name}`"),
                    format!("these are: {}", known.join(", ")),
                )
            };
            Kind::from_name(name).ok_or_else(error)
        };
        Ok(KindSet::of(&self.kinds.iter().map(kind).collect::<Answered<Vec<_>>>()?))
    }

    fn tags(&self) -> Answered<List<Tag, 0, { limits::LINK_TAGS }>> {
        let tags = self
            .tags
            .iter()
            .map(|tag| Text::line(tag).map_err(|why| ApiError::field("tag", &why)))
            .collect::<Answered<Vec<_>>>()?;
        let found = tags.len();
        List::new(tags).map_err(|_| DraftRefusal::TooMany { field: "tags", most: limits::LINK_TAGS, found }.into())
    }
}

/// Makes one side of a link.
pub(super) async fn create(State(app): State<App>, id: Id, Told(wanted): Told<ToLink>) -> Answered<Json<Value>> {
    let (community, terms, hint) = app
        .read(move |sight| {
            let (community, terms) = wanted.terms(sight)?;
            let hint = missing_side(sight, community, &terms);
            Ok((community, terms, hint))
        })
        .await?;
    let Answer::Link(link) = app.command(Command::Link(community, terms), id.0).await? else {
        return Err(other_answer());
    };
    Ok(Json(json!({ "link": link.to_string(), "hint": hint })))
}

/// Whether the other side has agreed, as far as this node sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OtherSide {
    Agrees,
    Missing,
    /// This node is not in that community.
    Unknown,
}

impl OtherSide {
    fn name(self) -> &'static str {
        match self {
            OtherSide::Agrees => "agrees",
            OtherSide::Missing => "missing",
            OtherSide::Unknown => "unknown",
        }
    }
}

fn other_side(sight: &Sight<'_>, community: CommunityId, terms: &LinkTerms) -> OtherSide {
    let now = clock::now();
    let out = matches!(terms.direction, Direction::Out { .. });
    let answers = |link: &LinkState| {
        let opposite = matches!(link.terms.direction, Direction::Out { .. }) != out;
        opposite
            && link.terms.other == community
            && link.ends.is_empty()
            && now <= link.terms.not_after
            && terms.brokers.iter().any(|broker| link.terms.names(*broker))
    };
    match sight.snapshot.communities.get(&terms.other) {
        Some(standing) if standing.state.links.iter().any(answers) => OtherSide::Agrees,
        Some(_) => OtherSide::Missing,
        None => OtherSide::Unknown,
    }
}

/// What the other side still has to say; none when this node sees that it has.
fn missing_side(sight: &Sight<'_>, community: CommunityId, terms: &LinkTerms) -> Option<String> {
    if other_side(sight, community, terms) == OtherSide::Agrees {
        return None;
    }
    let out = matches!(terms.direction, Direction::Out { .. });
    let other = sight.community_name(terms.other).map_or_else(|| terms.other.to_string(), str::to_owned);
    let brokers: Vec<String> = terms.brokers.iter().map(ToString::to_string).collect();
    let way = if out { "--in" } else { "--out" };
    Some(format!(
        "a steward of the other side has to agree: hearth link create {other} {way} {community} --broker {}",
        brokers.join(" ")
    ))
}

/// A community's links, ended ones too.
pub(super) async fn list(State(app): State<App>, At(text): At<String>) -> Answered<Json<Value>> {
    app.read(move |sight| {
        let community = resolve::community(&sight.snapshot, &text)?;
        let links: Vec<Value> =
            sight.standing(community)?.state.links.iter().map(|link| view(sight, community, link)).collect();
        Ok(Json(json!({ "links": links })))
    })
    .await
}

fn view(sight: &Sight<'_>, community: CommunityId, link: &LinkState) -> Value {
    let terms = &link.terms;
    let (direction, min_role, quarantine) = match terms.direction {
        Direction::Out { min_author_role } => ("out", Some(min_author_role.name()), None),
        Direction::In { quarantine } => ("in", None, Some(quarantine)),
    };
    let broker = |person: &PersonId| json!({ "person": person.to_string(), "name": sight.person_name(*person, &[community, terms.other]) });
    let all = terms.kinds == KindSet::ALL;
    let kinds: Vec<&str> =
        Kind::KNOWN.iter().filter(|(kind, _)| !all && terms.kinds.contains(*kind)).map(|(_, word)| *word).collect();
    let tags: Vec<&str> = terms.tags.iter().map(|tag| tag.as_str()).collect();
    let is_over = !link.ends.is_empty() || clock::now() > terms.not_after;
    json!({
        "link": link.id.to_string(),
        "other_side": other_side(sight, community, terms).name(),
        "hint": if is_over { None } else { missing_side(sight, community, terms) },
        "direction": direction,
        "other": terms.other.to_string(),
        "other_name": sight.community_name(terms.other),
        "brokers": terms.brokers.iter().map(broker).collect::<Vec<_>>(),
        "kinds": kinds,
        "tags": tags,
        "per_day": terms.per_day,
        "min_role": min_role,
        "quarantine": quarantine,
        "replies_only": terms.replies_only,
        "not_after_ms": terms.not_after.0,
        "ended": !link.ends.is_empty(),
    })
}

/// Ends a link before its time.
pub(super) async fn end(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    let (community, link) = resolve::link(&app.handle.snapshot(), &text)?;
    app.command(Command::EndLink { community, link }, id.0).await?;
    Ok(Json(json!({ "link": link.to_string() })))
}
