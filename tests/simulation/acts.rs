//! What people do in these tests, and what can be seen of it.

use std::collections::BTreeSet;

use hearth_protocol::{
    authority::{Body as Act, Role},
    bytes::List,
    encoding::V1,
    engine::{Answer, Command, CommandRefusal, Event, ROUND_MS},
    id::{CertId, CommunityId, ItemId, OpId, PersonId},
    invite::InviteKey,
    item::{Body, Draft, Header, Post},
    ledger::Ledger as _,
    testing::Simulator,
    text::Text,
    time::DAY_MS,
};

/// Longer than it ever takes until nothing moves any more.
pub(crate) const QUIET_MS: u64 = 40 * ROUND_MS;

/// Founds a community.
pub(crate) fn found(simulator: &mut Simulator, who: &str, name: &str) -> CommunityId {
    let name = Text::line(name).expect("it is a short line");
    match simulator.command(who, Command::CreateCommunity { name, domain: Text::default(), parent: None }) {
        Ok(Answer::Community(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// Makes an invite for members that lives for a week.
pub(crate) fn invite(simulator: &mut Simulator, who: &str, community: CommunityId, uses: u32) -> (CertId, String) {
    match try_invite(simulator, who, community, uses) {
        Ok(made) => made,
        Err(refusal) => panic!("{refusal:?}"),
    }
}

/// The same by somebody who may not be allowed to.
pub(crate) fn try_invite(
    simulator: &mut Simulator,
    who: &str,
    community: CommunityId,
    uses: u32,
) -> Result<(CertId, String), CommandRefusal> {
    simulator.command(who, inviting(community, uses)).map(|answer| match answer {
        Answer::Invite(cert, key) => (cert, key),
        other => panic!("{other:?}"),
    })
}

/// The command that makes such an invite.
pub(crate) fn inviting(community: CommunityId, uses: u32) -> Command {
    Command::Invite { community, role: Role::Member, uses, life_ms: 7 * DAY_MS, only: None }
}

/// The command that pastes a key.
pub(crate) fn joining(key: &str) -> Command {
    let parsed = InviteKey::from_text(key).expect("it is an invite key");
    Command::Join(Box::new(parsed), key.to_owned())
}

/// Founds the garden at the first, and brings the others in one after another.
pub(crate) fn garden_of(simulator: &mut Simulator, names: &[&str]) -> CommunityId {
    let (first, others) = names.split_first().expect("somebody founds it");
    let garden = found(simulator, first, "garden");
    for name in others {
        bring_in(simulator, first, garden, name);
    }
    simulator.run_until_quiet(QUIET_MS);
    garden
}

/// Lets somebody invite and somebody else join, while nothing hinders them.
pub(crate) fn bring_in(simulator: &mut Simulator, who: &str, community: CommunityId, newcomer: &str) {
    let (_, key) = invite(simulator, who, community, 1);
    simulator.command(newcomer, joining(&key)).expect("they may ask");
    simulator.run_for(2_000);
    assert!(simulator.events(newcomer).contains(&Event::Joined(community)), "{newcomer} is in");
}

/// The draft of a post.
pub(crate) fn draft(text: &str) -> Draft {
    let text = Text::written(text).expect("it is a short text");
    Draft::new(Body::Post(Post { version: V1, title: None, text, attachments: List::none() }))
}

/// Writes a post.
pub(crate) fn post(
    simulator: &mut Simulator,
    who: &str,
    community: CommunityId,
    text: &str,
) -> Result<ItemId, CommandRefusal> {
    write(simulator, who, community, draft(text))
}

/// Writes anything.
pub(crate) fn write(
    simulator: &mut Simulator,
    who: &str,
    community: CommunityId,
    draft: Draft,
) -> Result<ItemId, CommandRefusal> {
    simulator.command(who, Command::Write { communities: vec![community], draft }).map(|answer| match answer {
        Answer::Items(items) => items.first().expect("one community, one item").0,
        other => panic!("{other:?}"),
    })
}

/// The header of an item that a node has kept.
pub(crate) fn header(simulator: &Simulator, at: &str, id: ItemId) -> Option<Header> {
    let Ok(item) = simulator.memory(at).item(id);
    Some(item?.trusted().expect("it was kept").header)
}

/// Whether one of two nodes has never had some of the chain between an item and the end that a ruling names, without
/// which it cannot know that the item is on it: of two rulings made apart one ends a chain later, what lies between is
/// shown by nobody, and so given to nobody.
pub(crate) fn is_unproven(simulator: &Simulator, names: [&str; 2], community: CommunityId, id: ItemId) -> bool {
    let Some(item) = names.into_iter().find_map(|name| header(simulator, name, id)) else { return false };
    let lacks = |name: &str, end: ItemId| {
        let mut at = end;
        loop {
            match header(simulator, name, at) {
                None => return true,
                Some(Header { seq, prev: Some(prev), .. }) if seq > item.seq => at = prev,
                Some(_) => return false,
            }
        }
    };
    let standing = &simulator.engine(names[0]).communities()[&community];
    standing.log.operations().any(|place| match &place.operation.body {
        Act::Rule(rule) => {
            let mut ends = rule.feeds.iter().filter(|end| (end.0, end.1) == (item.device, item.scope));
            ends.any(|end| names.into_iter().any(|name| lacks(name, end.3)))
        }
        _ => false,
    })
}

/// A person's role, as one node sees it.
pub(crate) fn role(simulator: &Simulator, at: &str, community: CommunityId, who: &str) -> Role {
    role_of(simulator, at, community, simulator.person(who))
}

/// The same by the person's id.
pub(crate) fn role_of(simulator: &Simulator, at: &str, community: CommunityId, who: PersonId) -> Role {
    let standing = simulator.engine(at).communities().get(&community);
    standing.map(|standing| standing.state.role(who)).unwrap_or_default()
}

/// Whom an invite has let in, and who has signed for that, as one node sees it.
pub(crate) fn uses(
    simulator: &Simulator,
    at: &str,
    community: CommunityId,
    cert: CertId,
) -> (BTreeSet<PersonId>, BTreeSet<PersonId>) {
    let standing = &simulator.engine(at).communities()[&community];
    let listed = standing.state.invites.get(&cert).map(|invite| invite.admitted.clone()).unwrap_or_default();
    let used: BTreeSet<PersonId> = listed.iter().copied().collect();
    assert_eq!(used.len(), listed.len(), "each is listed once");
    let admits = standing.log.operations().filter(|place| match &place.operation.body {
        Act::Admit(shown, _) => hearth_protocol::invite::InviteCert::id_of(shown) == cert,
        _ => false,
    });
    let effective = admits.filter(|place| standing.state.is_effective(&standing.log, place.id));
    (used, effective.map(|place| place.operation.author).collect())
}

/// A log as one node has it.
pub(crate) fn log(simulator: &Simulator, at: &str, community: CommunityId) -> BTreeSet<OpId> {
    let standing = simulator.engine(at).communities().get(&community);
    standing.into_iter().flat_map(|standing| standing.log.operations().map(|place| place.id)).collect()
}

/// Everything that a log says to one node.
pub(crate) fn state(simulator: &Simulator, at: &str, community: CommunityId) -> String {
    let state = &simulator.engine(at).communities()[&community].state;
    format!("{:?}", (&state.members, &state.links, &state.invites, &state.policy, &state.epochs))
}

/// The names by which members have refused somebody.
pub(crate) fn refusals(simulator: &Simulator, who: &str, community: CommunityId) -> Vec<String> {
    let named = |event: &Event| match event {
        Event::JoinRefused(at, name) if *at == community => Some(name.clone()),
        _ => None,
    };
    simulator.events(who).iter().filter_map(named).collect()
}
