//! Communities: founding, listing, showing, leaving, and who is in them in which role.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State};
use hearth_protocol::{
    authority::Role,
    engine::{Answer, Command, CommandRefusal, Standing},
    id::{CommunityId, PersonId},
    item::Charter,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    App,
    drafts::{line, some_text, written},
    error::{Answered, ApiError},
    findings, other_answer, policy, resolve,
    sight::Sight,
    take::{At, Id, Told},
};
use crate::clock;

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
    parent_name: Option<String>,
    /// Of a part of another community: its brokers to that one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    representatives: Vec<Value>,
    /// The communities of this node that name it as their parent, with theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charter: Option<Value>,
    /// The values of its policy that are set, by name.
    policy: BTreeMap<String, u32>,
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

/// One of them, with its founders, its charter and its policy: the same for every role.
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
            parent_name: community.genesis.parent.and_then(|parent| sight.community_name(parent)).map(str::to_owned),
            representatives: representatives(sight, id)?,
            parts: parts(sight, id)?,
            charter: charter.as_ref().map(charter_view),
            policy: policy::values(sight.standing(id)?),
        }))
    })
    .await
}

/// Who represents a community in the one that it is a part of: the brokers of its links with that one which are in force.
fn representatives(sight: &Sight<'_>, community: CommunityId) -> Answered<Vec<Value>> {
    let standing = sight.standing(community)?;
    let Some(parent) = standing.log.community().genesis.parent else { return Ok(Vec::new()) };
    let now = clock::now();
    let links = standing
        .state
        .links
        .iter()
        .filter(|link| link.terms.other == parent && link.ends.is_empty() && now <= link.terms.not_after);
    let brokers: BTreeSet<PersonId> = links.flat_map(|link| link.terms.brokers.iter().copied()).collect();
    let members = brokers.into_iter().filter(|broker| standing.state.role(*broker) > Role::None);
    Ok(members
        .map(|person| json!({ "person": person.to_string(), "name": sight.person_name(person, &[community, parent]) }))
        .collect())
}

/// The communities of this node that are a part of this one.
fn parts(sight: &Sight<'_>, community: CommunityId) -> Answered<Vec<Value>> {
    let mut parts = Vec::new();
    for (id, standing) in &sight.snapshot.communities {
        if standing.log.community().genesis.parent == Some(community) {
            parts.push(json!({
                "community": id.to_string(),
                "name": standing.name(),
                "representatives": representatives(sight, *id)?,
            }));
        }
    }
    Ok(parts)
}

fn charter_view(charter: &Charter) -> Value {
    json!({
        "domain": charter.domain.as_str(),
        "community": charter.community.as_ref().map(|text| text.as_str()),
        "practice": charter.practice.as_ref().map(|text| text.as_str()),
        "norms": charter.norms.as_ref().map(|text| text.as_str()),
        "topics": topics(charter),
        "start_here": charter.start_here.map(|item| item.to_string()),
        "welcome": charter.welcome.as_ref().map(|text| text.as_str()),
    })
}

/// What it talks about.
pub(super) fn topics(charter: &Charter) -> Vec<String> {
    charter.topics.iter().map(ToString::to_string).collect()
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

/// Whether somebody means it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToLeave {
    #[serde(default)]
    sure: bool,
}

/// Leaves a community. Whom it cannot do without has to be sure.
pub(super) async fn leave(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(wanted): Told<ToLeave>,
) -> Answered<Json<Value>> {
    let snapshot = app.handle.snapshot();
    let community = resolve::community(&snapshot, &text)?;
    let standing = snapshot.communities.get(&community);
    let name = standing.map(|standing| standing.name().to_owned());
    if let Some(why) = standing.filter(|_| !wanted.sure).and_then(|standing| needed(standing, app.me.person())) {
        return Err(why);
    }
    app.command(Command::Leave(community), id.0).await?;
    Ok(Json(json!({ "community": community.to_string(), "name": name })))
}

/// What a community would lose with this person, where nobody could make up for it.
fn needed(standing: &Standing, me: PersonId) -> Option<ApiError> {
    const SURE: &str = "to leave all the same: hearth community leave C --sure";
    if standing.is_own_space() || !standing.is_in(me) {
        return None;
    }
    let others = || standing.state.current().filter(|(person, _)| **person != me);
    let stewards = others().filter(|(_, member)| member.role == Role::Steward).count();
    let only_founder = matches!(standing.log.community().founders.as_slice(), [only] if only.id == me);
    let name = standing.name();
    let (error, hint) = if others().next().is_none() {
        let error = format!("nobody else is in {name}: when you leave, nobody can let anybody in any more");
        (error, SURE.to_owned())
    } else if stewards == 0 && (only_founder || standing.state.role(me) == Role::Steward) {
        let error =
            format!("you are the last steward of {name}: when you leave, nobody can decide about roles any more");
        (error, format!("name a steward first: hearth member set C PERSON steward; {SURE}"))
    } else if only_founder {
        let error = format!(
            "you are the only founder of {name}: when you leave, nobody can decide about its stewards any more"
        );
        (error, SURE.to_owned())
    } else {
        return None;
    };
    Some(ApiError::conflict("last_steward", error, hint))
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
        let standing = sight.standing(community)?;
        let twice = findings::twice(sight, standing)?;
        let mut members: Vec<_> = standing.state.current().collect();
        members.sort_by_key(|(person, member)| (std::cmp::Reverse(member.role), member.since, **person));
        let view = |(person, member): (&_, &hearth_protocol::authority::Member)| {
            let name = profiles.get(person).map_or(member.name.as_str(), |profile| profile.name.as_str());
            let mut view = json!({
                "person": person.to_string(),
                "name": name,
                "role": member.role.name(),
                "since_ms": member.since.0,
                "confirmed": member.confirmed,
            });
            let devices: BTreeSet<_> = twice.iter().filter(|twice| twice.person == *person).map(|t| t.device).collect();
            if !devices.is_empty() {
                view["forked"] = devices.iter().map(|device| json!(device.0.to_string())).collect();
            }
            view
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
    /// Where it would do nothing: ask those who can.
    #[serde(default)]
    propose: bool,
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
    let command = if ruling.propose {
        Command::Propose { community, person, role, reason }
    } else {
        Command::Rule { community, person, role, reason }
    };
    let proposed = match app.command(command, id.0).await? {
        Answer::Role(_) => false,
        Answer::Done => true,
        _ => return Err(other_answer()),
    };
    Ok(Json(json!({ "person": person.to_string(), "role": role.name(), "proposed": proposed })))
}

/// The role of a word.
pub(super) fn role(name: &str) -> Answered<Role> {
    Role::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        ApiError::from(CommandRefusal::Field("no such role")).hinting(format!("the roles are: {}", known.join(", ")))
    })
}
