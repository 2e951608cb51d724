//! Communities: founding, listing, looking, leaving, and who is in them in which role.

use axum::{Json, extract::State};
use hearth_protocol::{
    authority::Role,
    engine::{Answer, Command, CommandRefusal},
    id::CommunityId,
    item::Charter,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    App,
    drafts::{line, some_text, written},
    error::{Answered, ApiError},
    other_answer, resolve,
    sight::Sight,
    take::{At, Id, Told},
};

/// A community as lists have it.
#[derive(Debug, Serialize)]
struct CommunityView {
    community: String,
    name: String,
    role: &'static str,
    members: usize,
    items: u64,
    domain: String,
}

impl CommunityView {
    fn of(sight: &Sight<'_>, community: CommunityId, charter: Option<&Charter>) -> Answered<CommunityView> {
        let standing = sight.standing(community)?;
        Ok(CommunityView {
            community: community.to_string(),
            name: standing.name().to_owned(),
            role: standing.state.role(sight.me).name(),
            members: standing.state.current().count(),
            items: sight.store.count_listed(community)?,
            domain: charter.map(|charter| charter.domain.to_string()).unwrap_or_default(),
        })
    }
}

/// A community whole.
#[derive(Debug, Serialize)]
pub(super) struct Whole {
    #[serde(flatten)]
    community: CommunityView,
    founders: Vec<Value>,
    created_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charter: Option<Value>,
}

/// All of them; the own space first.
pub(super) async fn list(State(app): State<App>) -> Answered<Json<Value>> {
    app.read(|sight| {
        let mut communities = sight.communities();
        communities.sort_by_key(|id| Some(*id) != sight.snapshot.own_space);
        let views: Vec<CommunityView> = communities
            .into_iter()
            .map(|id| CommunityView::of(sight, id, sight.charter(id)?.as_ref()))
            .collect::<Answered<_>>()?;
        Ok(Json(json!({ "communities": views })))
    })
    .await
}

/// One of them, with its founders and its charter.
pub(super) async fn show(State(app): State<App>, At(text): At<String>) -> Answered<Json<Whole>> {
    app.read(move |sight| {
        let id = resolve::community(&sight.snapshot, &text)?;
        let charter = sight.charter(id)?;
        let community = sight.standing(id)?.log.community();
        let founders = community.founders.iter().zip(&community.genesis.founders);
        Ok(Json(Whole {
            community: CommunityView::of(sight, id, charter.as_ref())?,
            founders: founders
                .map(|(person, said)| json!({ "person": person.id.to_string(), "name": said.1.as_str() }))
                .collect(),
            created_ms: community.genesis.ts.0,
            parent: community.genesis.parent.map(|parent| parent.to_string()),
            charter: charter.as_ref().map(charter_view),
        }))
    })
    .await
}

fn charter_view(charter: &Charter) -> Value {
    let topics: Vec<&str> = charter.topics.iter().map(|topic| topic.as_str()).collect();
    json!({
        "domain": charter.domain.as_str(),
        "community": charter.community.as_ref().map(|text| text.as_str()),
        "practice": charter.practice.as_ref().map(|text| text.as_str()),
        "norms": charter.norms.as_ref().map(|text| text.as_str()),
        "topics": topics,
        "start_here": charter.start_here.map(|item| item.to_string()),
        "welcome": charter.welcome.as_ref().map(|text| text.as_str()),
    })
}

/// What a community is founded with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToFound {
    name: String,
    domain: String,
    parent: Option<String>,
}

/// Founds a community.
pub(super) async fn create(State(app): State<App>, id: Id, Told(wanted): Told<ToFound>) -> Answered<Json<Value>> {
    let name = line("name", Some(&wanted.name))?
        .ok_or_else(|| ApiError::field("name", &hearth_protocol::text::TextRefusal::Empty))?;
    let domain = written("domain", Some(&wanted.domain))?;
    let parent =
        wanted.parent.as_deref().map(|text| resolve::any_community(&app.handle.snapshot(), text)).transpose()?;
    let shown = name.as_str().to_owned();
    let Answer::Community(community) = app.command(Command::CreateCommunity { name, domain, parent }, id.0).await?
    else {
        return Err(other_answer());
    };
    Ok(Json(json!({ "community": community.to_string(), "name": shown })))
}

/// Leaves a community.
pub(super) async fn leave(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    let snapshot = app.handle.snapshot();
    let community = resolve::community(&snapshot, &text)?;
    let name = snapshot.communities.get(&community).map(|standing| standing.name().to_owned());
    app.command(Command::Leave(community), id.0).await?;
    Ok(Json(json!({ "community": community.to_string(), "name": name })))
}

/// The body of a request that says all in its path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Those with a role in a community, strongest first.
pub(super) async fn members(State(app): State<App>, At(text): At<String>) -> Answered<Json<Value>> {
    app.read(move |sight| {
        let community = resolve::community(&sight.snapshot, &text)?;
        let profiles = sight.profiles(community)?;
        let mut members: Vec<_> = sight.standing(community)?.state.current().collect();
        members.sort_by_key(|(person, member)| (std::cmp::Reverse(member.role), member.since, **person));
        let view = |(person, member): (&_, &hearth_protocol::authority::Member)| {
            let name = profiles.get(person).map_or(member.name.as_str(), |profile| profile.name.as_str());
            json!({
                "person": person.to_string(),
                "name": name,
                "role": member.role.name(),
                "since_ms": member.since.0,
                "confirmed": member.confirmed,
            })
        };
        Ok(Json(json!({ "members": members.into_iter().map(view).collect::<Vec<_>>() })))
    })
    .await
}

/// A role, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ruling {
    role: String,
    reason: Option<String>,
}

/// Gives somebody a role, or takes it away.
pub(super) async fn rule(
    State(app): State<App>,
    id: Id,
    At((place, who)): At<(String, String)>,
    Told(ruling): Told<Ruling>,
) -> Answered<Json<Value>> {
    let role = role(&ruling.role)?;
    let reason = some_text("reason", ruling.reason.as_deref())?.unwrap_or_default();
    let (community, person) = app
        .read(move |sight| {
            let community = resolve::community(&sight.snapshot, &place)?;
            Ok((community, resolve::person(sight, &[community], &who)?))
        })
        .await?;
    let Answer::Role(role) = app.command(Command::Rule { community, person, role, reason }, id.0).await? else {
        return Err(other_answer());
    };
    Ok(Json(json!({ "person": person.to_string(), "role": role.name() })))
}

/// The role of a word.
pub(super) fn role(name: &str) -> Answered<Role> {
    Role::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        ApiError::from(CommandRefusal::Field("no such role")).hinting(format!("the roles are: {}", known.join(", ")))
    })
}
