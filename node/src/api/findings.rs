//! What a community's log shows that somebody may want to act on (membership 4.4), and which of its
//! members are banned here; each in a sentence and with what to type.

use hearth_protocol::{
    authority::{Cause, Finding, Role, findings},
    engine::{BY_HAND, Conduct, Standing},
    id::{CommunityId, PersonId},
    ledger::Ban,
};
use serde_json::{Value, json};

use super::sight::short;
use crate::{clock, network};

/// All of a community's findings, for this person.
pub(super) fn of(standing: &Standing, me: PersonId) -> Vec<Value> {
    let all = findings(&standing.log, &standing.state);
    all.iter().map(|finding| view(standing, me, finding)).collect()
}

fn view(standing: &Standing, me: PersonId, finding: &Finding) -> Value {
    let Said { kind, person, what, command } = said(standing, me, finding);
    json!({
        "community": standing.id().to_string(),
        "community_name": standing.name(),
        "kind": kind,
        "person": person.map(|person| person.to_string()),
        "what": what,
        "do": command,
    })
}

/// Members whose nodes were banned for what they sent: nobody else is told.
pub(super) fn banned(standing: &Standing, conduct: &Conduct) -> Vec<Value> {
    let view = |ban: &Ban| {
        let person = standing.met_at(ban.peer.as_slice()).filter(|person| standing.state.role(*person) > Role::None)?;
        let (peer, name) = (network::peer_text(ban.peer.as_slice()), standing.name_of(person));
        let name = name.map_or_else(|| short(&person.to_string()), str::to_owned);
        let why = ban.why.as_str();
        let what =
            format!("a node of {name} sent what no honest node sends ({why}) and is banned; it can be let in again");
        Some(json!({
            "community": standing.id().to_string(),
            "community_name": standing.name(),
            "kind": "banned_peer",
            "person": person.to_string(),
            "what": what,
            "do": format!("hearth peer unban {peer}"),
        }))
    };
    conduct.bans(clock::now()).filter(|ban| ban.why.as_str() != BY_HAND).filter_map(view).collect()
}

struct Said {
    kind: &'static str,
    person: Option<PersonId>,
    what: String,
    /// What this person could type; none: it is for others.
    command: Option<String>,
}

fn said(standing: &Standing, me: PersonId, finding: &Finding) -> Said {
    let name = |person: PersonId| standing.name_of(person).map_or_else(|| short(&person.to_string()), str::to_owned);
    let ruling = |person: PersonId, role: Role| {
        let may = standing.state.grant_over(&standing.log, me, person, role).is_some();
        may.then(|| ruling(standing.id(), person, role))
    };
    match finding {
        Finding::LapsedAdmission { person, name, cause, .. } => Said {
            kind: "lapsed_admission",
            person: Some(*person),
            what: format!("{name} was let in, and is not in any more: {}", because(*cause)),
            command: None,
        },
        Finding::LapsedRemoval { by, person, role, role_now, .. } => Said {
            kind: "lapsed_removal",
            person: Some(*person),
            what: format!(
                "{} made {} {}, and that lapsed when {} was ruled out; {} is {} now",
                name(*by),
                name(*person),
                role.name(),
                name(*by),
                name(*person),
                role_now.name()
            ),
            command: ruling(*person, *role),
        },
        Finding::OverUsedInvite { cert, max_uses, used } => Said {
            kind: "over_used_invite",
            person: None,
            what: format!("the invite {} let {used} in and is for {max_uses}", short(&cert.to_string())),
            command: None,
        },
        Finding::Motion { by, person, role, .. } => Said {
            kind: "motion",
            person: Some(*person),
            what: format!("{} asks to make {} {}", name(*by), name(*person), role.name()),
            command: ruling(*person, *role),
        },
        Finding::SelfConcurrent { person, device, .. } => Said {
            kind: "self_concurrent",
            person: Some(*person),
            what: format!(
                "the device {} of {} signed twice at once: perhaps its home was copied",
                short(&device.0.to_string()),
                name(*person)
            ),
            command: (*person == me).then(|| format!("hearth device revoke {}", short(&device.0.to_string()))),
        },
        Finding::UnsealedLeave { person, .. } => Said {
            kind: "unsealed_leave",
            person: Some(*person),
            what: format!("{} left; a steward's node closes that within ten minutes", name(*person)),
            command: None,
        },
    }
}

fn ruling(community: CommunityId, person: PersonId, role: Role) -> String {
    let (community, person) = (short(&community.to_string()), short(&person.to_string()));
    match role {
        Role::None => format!("hearth member remove {community} {person}"),
        role => format!("hearth member set {community} {person} {}", role.name()),
    }
}

fn because(cause: Cause) -> &'static str {
    match cause {
        Cause::AdmitterRemoved => "who let them in was removed meanwhile. Their node asks another member by itself",
        Cause::InviterRemoved => "who invited them may not invite any more. They need another invite",
        Cause::InviteEnded => "the invite was ended meanwhile. They need another one",
        Cause::OverUsed => "the invite had been used up. They need another one",
        Cause::SelfConcurrent => {
            "the member who let them in used one invite twice at once. Their node asks another member by itself"
        }
        Cause::DeviceRevoked => "the device that let them in, or invited them, was revoked",
    }
}
