//! What crosses a border, what follows it, and what is refused there, between engines.

use super::{
    story::{found, invite, join, post, written},
    world::World,
};
use crate::{
    authority::Role,
    bytes::List,
    encoding::V1,
    engine::{Answer, Command, CommandRefusal, Event, check_crossing, depart},
    id::{CommunityId, ItemId, OpId},
    item::{Body, Draft, Kind},
    ledger::Ledger as _,
    link::{Carry, Direction, Envelope, KindSet, LinkTerms, Outcome, Owner, Refused, RelayRefusal},
    signed::Signed,
    text::Text,
    time::DAY_MS,
    wire::Gossip,
};

pub(super) struct Border {
    pub(super) garden: CommunityId,
    pub(super) library: CommunityId,
    pub(super) out: OpId,
}

/// alice's garden and dave's library; ferry is a member of both and may carry `rust`.
pub(super) fn border(world: &mut World) -> Border {
    border_of(world, KindSet::ALL, KindSet::ALL)
}

/// A border over which these kinds may leave, and these may enter.
fn border_of(world: &mut World, leave: KindSet, enter: KindSet) -> Border {
    let garden = found(world, "alice", "garden");
    let library = found(world, "dave", "library");
    let key = invite(world, "alice", garden, 1);
    join(world, "ferry", &key).unwrap();
    let key = invite(world, "dave", library, 1);
    join(world, "ferry", &key).unwrap();
    let ferry = world.person("ferry");
    let terms = |other, direction| LinkTerms {
        direction,
        other,
        brokers: List::new(vec![ferry]).unwrap(),
        kinds: if matches!(direction, Direction::Out { .. }) { leave } else { enter },
        tags: List::new(vec![Text::line("rust").unwrap()]).unwrap(),
        max_hops: 1,
        per_day: 3,
        replies_only: false,
        not_after: world.now().after(90 * DAY_MS),
    };
    let out = terms(library, Direction::Out { min_author_role: Role::Member });
    let into = terms(garden, Direction::In { quarantine: false });
    let Ok(Answer::Link(out)) = world.command("alice", Command::Link(garden, out)) else { panic!("no out-link") };
    world.command("dave", Command::Link(library, into)).unwrap();
    Border { garden, library, out }
}

/// A newer link in the place of the last one.
pub(super) fn renew(world: &mut World, who: &str, community: CommunityId, change: impl Fn(&mut LinkTerms)) {
    let links = &world.node(who).engine.communities()[&community].state.links;
    let mut terms = links.last().expect("there is a link").terms.clone();
    change(&mut terms);
    world.command(who, Command::Link(community, terms)).unwrap();
}

pub(super) fn relay(world: &mut World, item: ItemId, to: CommunityId) -> Result<Answer, CommandRefusal> {
    let note = Text::written("matters there").unwrap();
    world.command("ferry", Command::Relay { item, to, note, summary: None, tags: vec![] })
}

#[test]
fn an_item_crosses_with_consent_of_all_three_and_is_checked_by_who_never_met_its_author() {
    // alice ── ferry ── dave
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let item = post(&mut world, "alice", garden, "a find", &["rust/async"], 1);
    let Ok(Answer::Relayed(envelope, Outcome::Shown)) = relay(&mut world, item, library) else { panic!("not relayed") };
    assert!(world.node("dave").memory.readable(library).contains(&item));
    assert_eq!(world.node("dave").memory.outcome(envelope), Some(Outcome::Shown));
    assert!(!world.node("dave").engine.communities().contains_key(&garden));
    let again = Refused { why: RelayRefusal::OnItsPath, owner: Owner::Entering };
    assert_eq!(relay(&mut world, item, library), Err(CommandRefusal::Relay(again)));
}

#[test]
fn what_is_looked_at_beforehand_is_what_is_sent() {
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let item = post(&mut world, "alice", garden, "a find", &["rust/async"], 1);
    let (note, summary) = (Text::written("matters there").unwrap(), Some(Text::written("in short").unwrap()));
    let tags = vec!["shelves".to_owned()];
    let ferry = world.node("ferry");
    let me = (world.person("ferry"), world.device("ferry").public());
    let sides = (&*ferry.engine.communities()[&garden], &*ferry.engine.communities()[&library]);
    let words = (note.clone(), summary.clone(), tags.as_slice());
    let departure = depart(world.now(), me, item, sides, words, ferry.memory).unwrap().unwrap();
    assert!(ferry.memory.envelopes_of(library, item).unwrap().is_empty(), "a look sends nothing");
    let command = Command::Relay { item, to: library, note, summary, tags };
    let Ok(Answer::Relayed(envelope, Outcome::Shown)) = world.command("ferry", command) else { panic!("not relayed") };
    // As it lies at dave's, who has it from ferry alone.
    let dave = world.node("dave").memory;
    let signed = dave.envelope(envelope).unwrap().unwrap().signed;
    let sent: Envelope = signed.read().unwrap();
    let (kept, body) = dave.carried(item).unwrap().unwrap();
    let looked_at = departure.unsigned();
    assert_eq!((&looked_at.item, &looked_at.body, looked_at.bundle), (&kept, &body, Some(sent.proof)));
    assert_eq!(dave.bundle(sent.proof).unwrap(), Some(departure.bundle.to_bytes()));
    assert_eq!(Envelope { ts: sent.ts, ..departure.envelope }, sent);
    // In bytes: but for the time, a number of one length, and the signature.
    let as_sent = Carry { envelope: Some(signed), ..looked_at.clone() };
    assert_eq!(looked_at.to_bytes().len(), as_sent.to_bytes().len());
    let differ = looked_at.to_bytes().iter().zip(as_sent.to_bytes()).filter(|(a, b)| **a != *b).count();
    assert!((1..=64 + 8).contains(&differ), "{differ} bytes differ");
}

#[test]
fn each_gate_of_a_border_refuses_by_its_name() {
    let mut world = World::of(&["alice", "bob", "dave", "ferry"]);
    let Border { garden, library, out } = border(&mut world);
    let refused = |world: &mut World, item| match relay(world, item, library) {
        Err(CommandRefusal::Relay(refused)) => refused.why.name(),
        other => panic!("{other:?}"),
    };
    let stays = post(&mut world, "alice", garden, "private", &["rust"], 0);
    assert_eq!(refused(&mut world, stays), "beyond_reach");
    let other_tag = post(&mut world, "alice", garden, "cake", &["cooking"], 1);
    assert_eq!(refused(&mut world, other_tag), "tag_not_linked");
    let untagged = post(&mut world, "alice", garden, "cake", &[], 1);
    assert_eq!(refused(&mut world, untagged), "tag_not_linked");
    let items: Vec<ItemId> =
        (0..4).map(|n| post(&mut world, "alice", garden, &format!("find {n}"), &["rust"], 1)).collect();
    for item in &items[..3] {
        relay(&mut world, *item, library).unwrap();
    }
    assert_eq!(refused(&mut world, items[3]), "over_quota");
    world.leap(DAY_MS);
    relay(&mut world, items[3], library).unwrap();
    world.command("alice", Command::EndLink { community: garden, link: out }).unwrap();
    let later = post(&mut world, "alice", garden, "late", &["rust"], 1);
    assert_eq!(refused(&mut world, later), "link_over");
}

#[test]
fn of_three_who_must_consent_each_no_is_named_with_whose_it_is() {
    // All eight combinations of the author's reach, the link out and the link in.
    for (author, leaving, entering) in (0..8).map(|n| (n & 1 == 1, n & 2 == 2, n & 4 == 4)) {
        let mut world = World::of(&["alice", "dave", "ferry"]);
        let kinds = |yes| if yes { KindSet::ALL } else { KindSet::of(&[Kind::BOOKMARK]) };
        let Border { garden, library, .. } = border_of(&mut world, kinds(leaving), kinds(entering));
        let item = post(&mut world, "alice", garden, "a find", &["rust"], u8::from(author));
        let expected: Vec<Refused> = [
            (author, RelayRefusal::BeyondReach, Owner::Author),
            (leaving, RelayRefusal::KindNotLinked, Owner::Leaving),
            (entering, RelayRefusal::KindNotLinked, Owner::Entering),
        ]
        .into_iter()
        .filter(|(yes, ..)| !yes)
        .map(|(_, why, owner)| Refused { why, owner })
        .collect();
        let ferry = world.node("ferry");
        let standing = |community| &*ferry.engine.communities()[&community];
        let carried = ferry.memory.item(item).unwrap().unwrap().check().unwrap();
        let broker = (world.person("ferry"), world.device("ferry").public());
        let sides = (standing(garden), standing(library));
        let check = check_crossing(world.now(), broker, &carried, sides, ferry.memory).unwrap();
        let refused = check.gates.iter().filter(|gate| !gate.passed);
        let refused: Vec<Refused> = refused.map(|gate| Refused { why: gate.why, owner: gate.owner }).collect();
        assert_eq!(refused, expected);
        let relayed = relay(&mut world, item, library);
        match expected.first() {
            Some(refused) => assert_eq!(relayed, Err(CommandRefusal::Relay(*refused))),
            None => assert!(matches!(relayed, Ok(Answer::Relayed(_, Outcome::Shown))), "{relayed:?}"),
        }
        assert_eq!(world.node("dave").memory.readable(library).contains(&item), expected.is_empty());
    }
}

#[test]
fn a_link_out_for_replies_only_lets_nothing_else_leave() {
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    renew(&mut world, "alice", garden, |terms| terms.replies_only = true);
    let item = post(&mut world, "alice", garden, "a find", &["rust"], 1);
    let refused = Refused { why: RelayRefusal::NotAReply, owner: Owner::Leaving };
    assert_eq!(relay(&mut world, item, library), Err(CommandRefusal::Relay(refused)));
}

pub(super) fn change(world: &mut World, who: &str, target: ItemId, body: Body) -> ItemId {
    let mut draft = Draft::new(body);
    draft.target = Some(target);
    let Ok(Answer::Items(items)) = world.command(who, Command::Write { communities: vec![], draft }) else {
        panic!("not written")
    };
    items[0].0
}

#[test]
fn edits_and_retractions_follow_what_they_change_over_a_border() {
    // alice ── ferry ── dave
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, out } = border(&mut world);
    let item = post(&mut world, "alice", garden, "a find", &["rust"], 1);
    let early = post(&mut world, "alice", garden, "another", &["rust"], 1);
    let edit = |text| Body::Edit(crate::item::Edit { version: V1, body: written(text) });
    let tagged = |world: &mut World, target, text| {
        let mut draft = Draft::new(edit(text)).tagged(&["rust".to_owned()]).unwrap();
        draft.target = Some(target);
        world.command("alice", Command::Write { communities: vec![], draft }).unwrap();
    };
    // Edited before it is carried, and after.
    tagged(&mut world, early, "another, mended");
    for item in [item, early] {
        relay(&mut world, item, library).unwrap();
    }
    tagged(&mut world, item, "a better find");
    world.round();
    // Three a day: the second edit waits.
    assert!(world.node("dave").memory.changes(item, Kind::EDIT).unwrap().is_empty());
    world.leap(DAY_MS);
    world.round();
    for item in [item, early] {
        let edits = world.node("dave").memory.changes(item, Kind::EDIT).unwrap();
        assert_eq!(edits.len(), 1);
        let paths = world.node("dave").memory.envelopes_of(library, edits[0]).unwrap();
        assert_eq!(paths.len(), 1, "carried once");
    }
    // What the link does not let through does not follow.
    change(&mut world, "alice", item, edit("without the tag"));
    world.round();
    assert_eq!(world.node("dave").memory.changes(item, Kind::EDIT).unwrap().len(), 1);
    assert!(world.node("ferry").events.contains(&Event::Refused("tag_not_linked")));
    // A retraction needs no link.
    world.command("alice", Command::EndLink { community: garden, link: out }).unwrap();
    let retraction = change(&mut world, "alice", item, Body::Tombstone);
    world.round();
    let dave = world.node("dave").memory;
    assert!(dave.is_retracted(item, world.person("alice")).unwrap());
    assert!(!dave.readable(library).contains(&item) && dave.readable(library).contains(&early));
    assert_eq!(dave.envelopes_of(library, retraction).unwrap().len(), 1);
}

#[test]
fn a_retraction_is_carried_by_whoever_is_in_both_communities_and_takes_nobodys_turn() {
    // alice ── ferry, bob ── dave: ferry, who carried it, is gone
    let mut world = World::of(&["alice", "bob", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    for (founder, community) in [("alice", garden), ("dave", library)] {
        let key = invite(&mut world, founder, community, 1);
        join(&mut world, "bob", &key).unwrap();
    }
    let items: Vec<ItemId> =
        (0..3).map(|n| post(&mut world, "alice", garden, &format!("find {n}"), &["rust"], 1)).collect();
    relay(&mut world, items[0], library).unwrap();
    world.round();
    world.stop("ferry");
    change(&mut world, "alice", items[0], Body::Tombstone);
    world.round();
    assert!(!world.node("dave").memory.readable(library).contains(&items[0]));
    // Of three a day two are left: the retraction took none.
    world.start("ferry");
    world.round();
    for item in &items[1..] {
        relay(&mut world, *item, library).unwrap();
        assert!(world.node("dave").memory.readable(library).contains(item));
    }
}

#[test]
fn nobody_retracts_over_a_border_what_is_not_theirs() {
    // alice, bob ── ferry ── dave
    let mut world = World::of(&["alice", "bob", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    let item = post(&mut world, "alice", garden, "a find", &["rust"], 1);
    let own = post(&mut world, "bob", garden, "bob's", &["rust"], 1);
    world.leap(4 * DAY_MS);
    let person = world.person("bob");
    let (role, reason) = (Role::Core, Text::default());
    world.command("alice", Command::Rule { community: garden, person, role, reason }).unwrap();
    for item in [item, own] {
        relay(&mut world, item, library).unwrap();
    }
    let of_own = change(&mut world, "bob", own, Body::Tombstone);
    world.round();
    let ferry = world.node("ferry").memory;
    let path = ferry.envelopes_of(library, of_own).unwrap()[0];
    let mut envelope: Envelope = ferry.envelope(path).unwrap().unwrap().signed.read().unwrap();
    // bob signs that alice's is retracted, and ferry carries it.
    let carried = ferry.item(of_own).unwrap().unwrap().check().unwrap();
    let body = ferry.body(&carried).unwrap();
    let header = crate::item::Header { target: Some(item), seq: 9, ..carried.header.clone() };
    let signed = crate::item::SignedItem::seal(&header, &world.device("bob")).unwrap();
    envelope.item = signed.id();
    (envelope.seq, envelope.prev_by_device) = (envelope.seq + 1, Some(path));
    let envelope = Signed::seal(&envelope, &[&world.device("ferry")]);
    let bundle = Some(ferry.envelope(path).unwrap().unwrap().signed.read::<Envelope>().unwrap().proof);
    let carry = Carry { version: V1, item: signed, body, envelope: Some(envelope), bundle, person: None };
    world.tell("ferry", "dave", library, &Gossip::Carry(Box::new(carry)));
    assert!(world.node("dave").events.contains(&Event::Refused("item_unproven")));
    assert!(world.node("dave").memory.readable(library).contains(&item));
    assert!(!world.node("dave").memory.readable(library).contains(&own));
}

#[test]
fn a_broker_who_asks_nobody_is_refused_by_every_receiver() {
    // alice ── ferry (cheating) ── dave
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let honest = post(&mut world, "alice", garden, "a find", &["rust"], 1);
    let Ok(Answer::Relayed(first, _)) = relay(&mut world, honest, library) else { panic!("not relayed") };
    world.round();
    let cases = [("private", vec!["rust"], 0, "beyond_reach"), ("cake", vec!["cooking"], 1, "tag_not_linked")];
    for (text, tags, reach, refusal) in cases {
        let item = post(&mut world, "alice", garden, text, &tags, reach);
        let memory = &world.node("ferry").memory;
        let kept = memory.envelope(first).unwrap().unwrap();
        let mut envelope: Envelope = kept.signed.read().unwrap();
        let carried = memory.item(item).unwrap().unwrap();
        let body = memory.body(&carried.clone().check().unwrap()).unwrap();
        envelope.item = item;
        envelope.seq = 1;
        envelope.prev_by_device = Some(first);
        let signed = Signed::seal(&envelope, &[&world.device("ferry")]);
        let carry = Carry {
            version: V1,
            item: carried,
            body,
            envelope: Some(signed),
            bundle: Some(envelope.proof),
            person: None,
        };
        world.tell("ferry", "dave", library, &Gossip::Carry(Box::new(carry)));
        assert!(
            world.node("dave").events.contains(&Event::Refused(refusal)),
            "{refusal}: {:?}",
            world.node("dave").events
        );
        assert!(!world.node("dave").memory.readable(library).contains(&item), "{refusal}");
    }
}

#[test]
fn beyond_a_quota_so_much_is_kept_and_no_more() {
    // alice ── ferry (cheating) ── dave: one a day
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    renew(&mut world, "dave", library, |terms| terms.per_day = 1);
    let honest = post(&mut world, "alice", garden, "a find", &["rust"], 1);
    let Ok(Answer::Relayed(mut last, _)) = relay(&mut world, honest, library) else { panic!("not relayed") };
    let first: Envelope = world.node("ferry").memory.envelope(last).unwrap().unwrap().signed.read().unwrap();
    let mut kept = Vec::new();
    for seq in 1..=9 {
        let item = post(&mut world, "alice", garden, &format!("find {seq}"), &["rust"], 1);
        let memory = &world.node("ferry").memory;
        let mut envelope = first.clone();
        let (carried, body) = memory.carried(item).unwrap().unwrap();
        (envelope.item, envelope.seq, envelope.prev_by_device) = (item, seq, Some(last));
        let bundle = Some(envelope.proof);
        let sealed = crate::signed::Verified::seal(envelope, &[&world.device("ferry")]);
        last = sealed.id().into();
        let envelope = Some(sealed.signed);
        let carry = Carry { version: V1, item: carried, body, envelope, bundle, person: None };
        world.tell("ferry", "dave", library, &Gossip::Carry(Box::new(carry)));
        kept.push(world.node("dave").memory.outcome(last));
    }
    let held = Some(Outcome::Held(RelayRefusal::OverQuota));
    assert_eq!(kept, [[held; 7].as_slice(), &[None; 2]].concat());
}

#[test]
fn who_was_only_invited_is_not_carried_until_a_steward_has_confirmed_them() {
    let mut world = World::of(&["alice", "bob", "carol", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    let text = post(&mut world, "bob", garden, "bob's", &["rust"], 1);
    relay(&mut world, text, library).unwrap();
    world.round();
    assert!(world.node("dave").memory.readable(library).contains(&text), "a vouched member is carried");
    world
        .command(
            "alice",
            Command::Rule { community: garden, person: world.person("bob"), role: Role::Core, reason: Text::default() },
        )
        .unwrap();
    let key = invite(&mut world, "bob", garden, 1);
    join(&mut world, "carol", &key).unwrap();
    let text = post(&mut world, "carol", garden, "carol's", &["rust"], 1);
    let refused = Refused { why: RelayRefusal::AuthorNotConfirmed, owner: Owner::Leaving };
    assert_eq!(relay(&mut world, text, library), Err(CommandRefusal::Relay(refused)));
}
