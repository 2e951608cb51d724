//! What a community's log shows that somebody may want to act on (membership 4.4), which devices signed two things under
//! one number, and which of its members are banned here; each in a sentence and with what to type.

use hearth_protocol::{
    authority::{Cause, Finding, Role, findings},
    engine::{BY_HAND, ClockDoubt, Conduct, Forked, Standing},
    id::{CommunityId, ItemId, OpId, PersonId},
    key::PublicKey,
    ledger::Ban,
    time::DAY_MS,
};
use serde_json::{Value, json};

use super::{
    error::Answered,
    sight::{Sight, short},
};
use crate::{clock, network};

/// All of a community's findings, for this person; devices that may be two come first.
pub(super) fn of(sight: &Sight<'_>, standing: &Standing, here: PublicKey) -> Answered<Vec<Value>> {
    let mut all: Vec<Value> =
        twice(sight, standing)?.iter().map(|twice| twice.view(standing, sight.me, here)).collect();
    let others = findings(&standing.log, &standing.state);
    all.extend(others.iter().filter_map(|finding| view(standing, sight.me, finding)));
    Ok(all)
}

/// A device that has signed two things of which it can have signed one: its home folder was copied, or somebody else
/// has its key. The proof is both of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Twice {
    pub(super) person: PersonId,
    pub(super) device: PublicKey,
    proof: Proof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Under this number.
    Items(u32, ItemId, ItemId),
    /// Neither in knowledge of the other.
    Operations(OpId, OpId),
}

/// The devices of a community's members of which that is known, by items before that by operations.
pub(super) fn twice(sight: &Sight<'_>, standing: &Standing) -> Answered<Vec<Twice>> {
    let forked = standing.forked(&sight.store)?;
    let by_items = forked.into_iter().map(|Forked { person, fork }| {
        let proof = Proof::Items(fork.seq, fork.first, fork.second);
        Twice { person, device: fork.device, proof }
    });
    let found = findings(&standing.log, &standing.state);
    let by_operations = found.into_iter().filter_map(|finding| match finding {
        Finding::SelfConcurrent { person, device, first, second } => {
            Some(Twice { person, device, proof: Proof::Operations(first, second) })
        }
        _ => None,
    });
    Ok(by_items.chain(by_operations).collect())
}

impl Twice {
    /// What was signed, as lists have it.
    pub(super) fn proof(&self) -> Value {
        match self.proof {
            Proof::Items(number, first, second) => {
                json!({ "number": number, "first": first.to_string(), "second": second.to_string() })
            }
            Proof::Operations(first, second) => json!({ "first": first.to_string(), "second": second.to_string() }),
        }
    }

    fn view(&self, standing: &Standing, me: PersonId, here: PublicKey) -> Value {
        let device = short(&self.device.0.to_string());
        let (kind, signed) = match self.proof {
            Proof::Items(number, first, second) => (
                "forked_device",
                format!(
                    "two different things under the number {number} ({} and {})",
                    short(&first.to_string()),
                    short(&second.to_string())
                ),
            ),
            Proof::Operations(first, second) => (
                "self_concurrent",
                format!(
                    "two operations neither of which knew of the other ({} and {})",
                    short(&first.to_string()),
                    short(&second.to_string())
                ),
            ),
        };
        let because = "its home folder was copied and both run, or somebody else has its key";
        let revoke = format!("hearth device revoke {device}");
        let what = if self.device == here {
            format!(
                "THIS device signed {signed}: {because}. Every member sees that. Stop the copy at once; if you know of \
                 none, the key was stolen. Then revoke this device, on another one of yours that has your identity key \
                 or that `hearth init --words` makes"
            )
        } else if self.person == me {
            format!(
                "your device {device} signed {signed}: {because}. Every member sees that. Stop the copy, and revoke it"
            )
        } else {
            let name = standing.name_of(self.person).map_or_else(|| short(&self.person.to_string()), str::to_owned);
            let ask = format!("Tell {name}, who can revoke it with `{revoke}`");
            let or_rule =
                "where that is not to be expected, a steward can take their role away, with `hearth member remove`";
            format!("the device {device} of {name} signed {signed}: {because}. {ask}; {or_rule}")
        };
        let mut view = json!({
            "community": standing.id().to_string(),
            "community_name": standing.name(),
            "kind": kind,
            "person": self.person.to_string(),
            "device": self.device.0.to_string(),
            "proof": self.proof(),
            "what": what,
            "do": (self.person == me).then_some(revoke),
        });
        if self.person == me {
            view["urgent"] = json!(true);
        }
        view
    }
}

fn view(standing: &Standing, me: PersonId, finding: &Finding) -> Option<Value> {
    let Said { kind, person, what, command } = said(standing, me, finding)?;
    Some(json!({
        "community": standing.id().to_string(),
        "community_name": standing.name(),
        "kind": kind,
        "person": person.map(|person| person.to_string()),
        "what": what,
        "do": command,
    }))
}

/// That this device's clock is wrong, by what members claim in what they sign.
pub(super) fn clock(doubt: &ClockDoubt) -> Value {
    let ClockDoubt { is_ahead, off_ms, persons, heard } = doubt;
    let (off, which, comes) = if *is_ahead {
        (span(*off_ms), "ahead", "others hold back what you write until its time has come for them")
    } else {
        (span(*off_ms), "behind", "what others write is held back here until its time has come")
    };
    json!({
        "community": null,
        "community_name": null,
        "kind": "wrong_clock",
        "person": null,
        "what": format!(
            "the clock of this device is {off} {which}, by what {persons} of the {heard} members have signed who were \
             heard in the last hour; theirs agree, so it is this one that is wrong. Until it is set right, {comes}"
        ),
        "do": cfg!(target_os = "linux").then_some("timedatectl set-ntp true"),
        "urgent": true,
        "clock": { "ahead": is_ahead, "off_ms": off_ms, "persons": persons, "heard": heard },
    })
}

/// A span of time, in the largest unit of which there are two.
fn span(ms: u64) -> String {
    const MINUTE_MS: u64 = 60_000;
    let units = [(DAY_MS, "days"), (60 * MINUTE_MS, "hours")];
    let unit = units.into_iter().find(|(unit, _)| ms >= 2 * unit);
    let (unit, name) = unit.unwrap_or((MINUTE_MS, "minutes"));
    format!("{} {name}", ms / unit)
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

fn said(standing: &Standing, me: PersonId, finding: &Finding) -> Option<Said> {
    let name = |person: PersonId| standing.name_of(person).map_or_else(|| short(&person.to_string()), str::to_owned);
    let ruling = |person: PersonId, role: Role| {
        let may = standing.state.grant_over(&standing.log, me, person, role).is_some();
        may.then(|| ruling(standing.id(), person, role))
    };
    Some(match finding {
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
        Finding::UnsealedLeave { person, .. } => Said {
            kind: "unsealed_leave",
            person: Some(*person),
            what: format!("{} left; a steward's node closes that within ten minutes", name(*person)),
            command: None,
        },
        // Said together with devices that signed two items: see `twice`.
        Finding::SelfConcurrent { .. } => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_with_how_far_and_by_whom() {
        let minute = 60_000;
        for (off_ms, said) in [
            (11 * minute, "11 minutes"),
            (119 * minute, "119 minutes"),
            (120 * minute, "2 hours"),
            (47 * 60 * minute, "47 hours"),
            (3_650 * DAY_MS, "3650 days"),
        ] {
            assert_eq!(span(off_ms), said);
        }
        for (is_ahead, which) in [(true, "2 days ahead"), (false, "2 days behind")] {
            let told = clock(&ClockDoubt { is_ahead, off_ms: 2 * DAY_MS, persons: 3, heard: 4 });
            let what = told["what"].as_str().unwrap();
            assert!(what.contains(which) && what.contains("3 of the 4 members"), "{what}");
            assert_eq!((&told["urgent"], &told["clock"]["ahead"]), (&json!(true), &json!(is_ahead)));
        }
    }
}
