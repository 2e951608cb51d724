//! Whatever people do while the network falls apart: once it is whole again, all members see the same.

use std::collections::BTreeSet;

use hearth_protocol::{
    authority::{FeedEnd, Writing},
    engine::Event,
    id::{CommunityId, EnvelopeId, ItemId},
    item::{Header, Item, Kind},
    ledger::Ledger as _,
    link::Envelope,
    reconcile::stands_at,
    testing::{Memory, START, Simulator},
};
use hearth_tests::shared;

use crate::{
    acts::{is_unproven, log, state},
    seeds::play,
    turmoil::{Acts, Counts, FOUNDERS, Turmoil, played},
};

/// Holds every member's node against the founder's.
fn all_see<T: PartialEq + std::fmt::Debug>(turmoil: &Turmoil, what: &str, see: impl Fn(&str, CommunityId) -> T) {
    for (at, community) in turmoil.communities.into_iter().enumerate() {
        let founder = see(FOUNDERS[at], community);
        for name in turmoil.members(at) {
            assert_eq!(see(name, community), founder, "{what} of {community} at {name}, and at its founder");
        }
    }
}

pub(crate) fn same_logs_and_states(turmoil: &Turmoil) {
    all_see(turmoil, "the log", |name, community| log(&turmoil.simulator, name, community));
    all_see(turmoil, "the state", |name, community| state(&turmoil.simulator, name, community));
}

fn item(memory: &Memory, id: ItemId) -> Option<Item> {
    let Ok(found) = memory.item(id);
    found.map(|signed| signed.check().expect("it was checked before it was kept"))
}

/// What a node can show, but for what came over a border and has been retracted where it was written: whether that is
/// known on this side depends on who is on both.
pub(crate) fn readable(turmoil: &Turmoil, name: &str, community: CommunityId) -> BTreeSet<ItemId> {
    let memory = turmoil.simulator.memory(name);
    let is_retracted = |item: &Item| {
        let at = |name: &&str| turmoil.simulator.memory(name).is_retracted(item.id, item.header.author) == Ok(true);
        item.header.community != community && turmoil.names.iter().any(at)
    };
    let shown = memory.readable(community).into_iter();
    shown.filter(|id| item(memory, *id).is_some_and(|item| !is_retracted(&item))).collect()
}

/// What an item is, for whoever looks why one node has it and another has not.
fn described(turmoil: &Turmoil, id: ItemId) -> String {
    let (holder, item) = turmoil
        .names
        .iter()
        .find_map(|name| Some((name, item(turmoil.simulator.memory(name), id)?)))
        .expect("somebody has it");
    let Header { kind, community, author, seq, target, ts, .. } = item.header;
    let author = turmoil.names.iter().find(|name| turmoil.simulator.person(name) == author);
    let refused: BTreeSet<_> = turmoil
        .names
        .iter()
        .flat_map(|name| turmoil.simulator.events(name).iter().map(move |event| (name, event)))
        .filter_map(|(name, event)| if let Event::Refused(why) = event { Some((*name, *why)) } else { None })
        .collect();
    let since = ts.since(START);
    let outcomes: Vec<_> = turmoil
        .names
        .iter()
        .flat_map(|name| {
            let memory = turmoil.simulator.memory(name);
            let envelopes =
                turmoil.communities.into_iter().flat_map(|to| memory.envelopes_of(to, id).unwrap_or_default());
            envelopes.map(move |envelope| (*name, envelope, memory.outcome(envelope)))
        })
        .collect();
    format!(
        "{id} of {kind:?} at {holder}, by {author:?} in {community} at {since} ms, number {seq}, on {target:?}; \
         envelopes: {outcomes:?}; refused: {refused:?}"
    )
}

/// Whether a member is given an item that the founder has: who is a guest, from when they came (E6).
fn is_given(turmoil: &Turmoil, (name, founder): (&str, &str), community: CommunityId, id: ItemId) -> bool {
    let standing = &turmoil.simulator.engine(founder).communities()[&community];
    let Some(came) = standing.came_without_history(turmoil.simulator.person(name)) else { return true };
    let came = standing.log.get(came).expect("it is in the log that names it").operation.ts.0;
    let memory = turmoil.simulator.memory(founder);
    let Some(Item { header, .. }) = item(memory, id) else { return false };
    let Ok((_, position)) = stands_at(&header, memory);
    let Ok(relayed) = memory.envelopes_of(community, id);
    let crossed = |envelope: &EnvelopeId| {
        let Ok(kept) = memory.envelope(*envelope);
        kept.and_then(|kept| kept.signed.read::<Envelope>().ok()).is_some_and(|envelope| envelope.ts.0 >= came)
    };
    if header.community == community { position >= came } else { relayed.iter().any(crossed) }
}

/// Holds the items that every member's node shows against those of the founder's.
pub(crate) fn all_show(turmoil: &Turmoil, what: &str, show: impl Fn(&str, CommunityId) -> BTreeSet<ItemId>) {
    for (at, community) in turmoil.communities.into_iter().enumerate() {
        let founder = show(FOUNDERS[at], community);
        for name in turmoil.members(at) {
            let shown = show(name, community);
            let differ = shown.symmetric_difference(&founder);
            let given = differ.filter(|id| is_given(turmoil, (name, FOUNDERS[at]), community, **id));
            let proven = given.filter(|id| !is_unproven(&turmoil.simulator, [FOUNDERS[at], name], community, **id));
            let differ: Vec<_> = proven.map(|id| described(turmoil, *id)).collect();
            assert!(differ.is_empty(), "{what} of {community} at {name}, and at its founder: {differ:#?}");
        }
    }
}

/// Of these, what was written here and the rules still let stand (T4): an item that was kept before its author lost a
/// role may not.
pub(crate) fn standing(
    simulator: &Simulator,
    name: &str,
    community: CommunityId,
    items: BTreeSet<ItemId>,
) -> BTreeSet<ItemId> {
    items.into_iter().filter(|id| stands(simulator, name, community, *id)).collect()
}

pub(crate) fn stands(simulator: &Simulator, name: &str, community: CommunityId, id: ItemId) -> bool {
    let memory = simulator.memory(name);
    let log = &simulator.engine(name).communities()[&community];
    let Some(Item { header, .. }) = item(memory, id) else { return false };
    let Some(need) = need(memory, &header).filter(|_| header.community == community) else { return false };
    // A change of what does not stand changes nothing.
    if header.kind.need().is_none() && !header.target.is_some_and(|target| stands(simulator, name, community, target)) {
        return false;
    }
    let author = (header.author, header.device);
    match log.state.may_write(&log.log, author, &header.auth_heads, header.scope, need) {
        Ok(Writing::Allowed) => true,
        Ok(Writing::OnChains(ends)) => ends.iter().all(|end| is_on_chain(memory, id, end)),
        Err(_) => false,
    }
}

/// What the item's kind needs: edits what their target needs, tombstones nothing.
fn need(memory: &Memory, header: &Header) -> Option<hearth_protocol::authority::Role> {
    match header.kind {
        Kind::TOMBSTONE => Some(hearth_protocol::authority::Role::None),
        kind => kind.need().or_else(|| item(memory, header.target?)?.header.kind.need()),
    }
}

fn is_on_chain(memory: &Memory, id: ItemId, FeedEnd(_, _, _, end): &FeedEnd) -> bool {
    let mut at = Some(*end);
    while let Some(here) = at {
        if here == id {
            return true;
        }
        at = item(memory, here).and_then(|item| item.header.prev);
    }
    false
}

#[test]
fn after_any_partition_all_members_have_the_same_log_and_it_says_the_same() {
    // three to six nodes, each with each, cut and mended at random
    let mut sum = Counts::default();
    play("convergence of logs", 60, |seed| {
        let turmoil = played(seed, Acts::All);
        same_logs_and_states(&turmoil);
        sum.add(turmoil.counts);
    });
    shared::tell(&format!("convergence of logs: {sum:?}"));
}

#[test]
#[ignore = "who read a removed member before they heard of it goes on showing what others refuse: see the next test"]
fn after_any_partition_all_members_read_the_same() {
    play("convergence of what is read", 100, |seed| {
        let turmoil = played(seed, Acts::All);
        all_show(&turmoil, "what is read", |name, community| readable(&turmoil, name, community));
    });
}

#[test]
fn while_nothing_is_taken_back_all_members_hold_what_stands_after_any_partition() {
    play("convergence of what stands", 60, |seed| {
        let turmoil = played(seed, Acts::Ruling);
        all_show(&turmoil, "what stands", |name, community| {
            standing(&turmoil.simulator, name, community, readable(&turmoil, name, community))
        });
    });
}

#[test]
fn while_nobody_loses_a_role_all_members_read_the_same_after_any_partition() {
    let mut sum = Counts::default();
    play("convergence of what is given", 40, |seed| {
        let turmoil = played(seed, Acts::Giving);
        same_logs_and_states(&turmoil);
        all_show(&turmoil, "what is read", |name, community| readable(&turmoil, name, community));
        sum.add(turmoil.counts);
    });
    shared::tell(&format!("convergence of what is given: {sum:?}"));
}
