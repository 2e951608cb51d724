//! What stewards say of items: hidden and shown, released from quarantine and declined, called back over a border.

use super::{
    border::{Border, border, change, relay, renew},
    story::{found, invite, join, post, written},
    world::World,
};
use crate::{
    authority::Role,
    bytes::List,
    encoding::V1,
    engine::{Answer, Command, CommandRefusal, ROUND_MS, labels_of},
    id::{CommunityId, EnvelopeId, ItemId},
    item::{Body, Draft, Edit, Kind, Label, Recall, Reply},
    ledger::Ledger as _,
    link::{Direction, LinkTerms, Outcome, RelayRefusal},
    text::Text,
    time::DAY_MS,
};

fn label(hide: bool) -> Body {
    Body::Label(Label { version: V1, hide, reason: Text::line("off topic").unwrap() })
}

fn recall() -> Body {
    Body::Recall(Recall { version: V1, reason: Text::line("it was wrong").unwrap() })
}

/// Writes what has a target into a community.
fn say(
    world: &mut World,
    who: &str,
    community: CommunityId,
    target: ItemId,
    body: Body,
) -> Result<ItemId, &'static str> {
    let draft = Draft { target: Some(target), ..Draft::new(body) };
    let answer = world.command(who, Command::Write { communities: vec![community], draft });
    world.round();
    match answer {
        Ok(Answer::Items(items)) => Ok(items[0].0),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.name()),
    }
}

fn reads(world: &World, who: &str, community: CommunityId, item: ItemId) -> bool {
    world.node(who).memory.readable(community).contains(&item)
}

/// alice and bob are stewards of a garden in which carol is a member.
fn garden_of_two(world: &mut World) -> CommunityId {
    let garden = found(world, "alice", "garden");
    for who in ["bob", "carol"] {
        let key = invite(world, "alice", garden, 1);
        join(world, who, &key).unwrap();
    }
    let (person, reason) = (world.person("bob"), Text::default());
    world.command("alice", Command::Rule { community: garden, person, role: Role::Steward, reason }).unwrap();
    garden
}

#[test]
fn stewards_hide_an_item_from_all_members_and_show_it_again() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden_of_two(&mut world);
    let item = post(&mut world, "carol", garden, "a joke", &[], 0);
    assert_eq!(say(&mut world, "carol", garden, item, label(true)), Err("role_too_low"));
    for (who, hide) in [("alice", true), ("bob", false), ("bob", true), ("alice", false)] {
        let named = say(&mut world, who, garden, item, label(hide)).unwrap();
        for reader in ["alice", "bob", "carol"] {
            assert_eq!(reads(&world, reader, garden, item), !hide, "{who} {hide} {reader}");
            let log = &world.node(reader).engine.communities()[&garden].log;
            let last = labels_of(log, item, world.node(reader).memory).unwrap();
            assert_eq!(last.iter().map(|(item, _)| item.id).collect::<Vec<_>>(), [named]);
        }
    }
    let hidden = say(&mut world, "alice", garden, item, label(true)).unwrap();
    change(&mut world, "alice", hidden, Body::Tombstone);
    world.round();
    assert!(["alice", "bob", "carol"].iter().all(|who| reads(&world, who, garden, item)), "a label taken back");
}

#[test]
fn of_stewards_who_saw_nothing_of_each_other_the_one_who_hides_counts_in_any_order() {
    for (first, second) in [("alice", "bob"), ("bob", "alice")] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        let garden = garden_of_two(&mut world);
        let item = post(&mut world, "carol", garden, "a joke", &[], 0);
        say(&mut world, "alice", garden, item, label(true)).unwrap();
        world.cut("alice", "bob");
        world.cut("carol", "bob");
        say(&mut world, first, garden, item, label(false)).unwrap();
        say(&mut world, second, garden, item, label(true)).unwrap();
        world.heal();
        world.round();
        world.round();
        assert!(["alice", "bob", "carol"].iter().all(|who| !reads(&world, who, garden, item)));
        // Who has seen both has the last word.
        say(&mut world, "bob", garden, item, label(false)).unwrap();
        assert!(["alice", "bob", "carol"].iter().all(|who| reads(&world, who, garden, item)));
    }
}

#[test]
fn a_label_of_somebody_who_is_no_steward_any_more_counts_as_far_as_it_was_seen() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden_of_two(&mut world);
    let item = post(&mut world, "carol", garden, "a joke", &[], 0);
    world.cut("alice", "bob");
    world.cut("carol", "bob");
    let (person, reason) = (world.person("bob"), Text::default());
    world.command("alice", Command::Rule { community: garden, person, role: Role::Member, reason }).unwrap();
    say(&mut world, "bob", garden, item, label(true)).unwrap();
    assert!(!reads(&world, "bob", garden, item));
    world.heal();
    world.round();
    world.round();
    assert!(["alice", "bob", "carol"].iter().all(|who| reads(&world, who, garden, item)), "it does not stand");
}

fn carried(world: &mut World, item: ItemId, library: CommunityId) -> (EnvelopeId, Outcome) {
    match relay(world, item, library) {
        Ok(Answer::Relayed(id, outcome)) => (id, outcome),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_waits_in_quarantine_is_released_or_declined_by_a_steward_of_that_side() {
    // alice ── ferry ── dave, erin
    let mut world = World::of(&["alice", "dave", "erin", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let key = invite(&mut world, "dave", library, 1);
    join(&mut world, "erin", &key).unwrap();
    renew(&mut world, "dave", library, |terms| terms.direction = Direction::In { quarantine: true });
    let items: Vec<ItemId> =
        (0..2).map(|n| post(&mut world, "alice", garden, &format!("find {n}"), &["rust"], 1)).collect();
    let (good, waits) = carried(&mut world, items[0], library);
    let (bad, _) = carried(&mut world, items[1], library);
    world.round();
    assert_eq!(waits, Outcome::Quarantined);
    assert!(items.iter().all(|item| !reads(&world, "erin", library, *item)));
    assert_eq!(say(&mut world, "erin", library, ItemId(good.0), label(false)), Err("role_too_low"));
    say(&mut world, "dave", library, ItemId(good.0), label(false)).unwrap();
    say(&mut world, "dave", library, ItemId(bad.0), label(true)).unwrap();
    for who in ["dave", "erin", "ferry"] {
        assert!(reads(&world, who, library, items[0]) && !reads(&world, who, library, items[1]), "{who}");
        let declined = Some(Outcome::Held(RelayRefusal::Declined));
        assert_eq!(world.node(who).memory.outcome(bad), declined, "{who}");
    }
}

#[test]
fn stewards_of_the_origin_call_an_item_back_by_whoever_is_in_both() {
    // alice ── ferry, bob ── dave: ferry, who carried it, is gone
    let mut world = World::of(&["alice", "bob", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    for (founder, community) in [("alice", garden), ("dave", library)] {
        let key = invite(&mut world, founder, community, 1);
        join(&mut world, "bob", &key).unwrap();
    }
    let item = post(&mut world, "bob", garden, "a find", &["rust"], 1);
    let (envelope, _) = carried(&mut world, item, library);
    world.round();
    world.stop("ferry");
    assert_eq!(say(&mut world, "dave", library, item, recall()), Err("bad_field"));
    let called = say(&mut world, "alice", garden, item, recall()).unwrap();
    world.round();
    assert_eq!(world.node("dave").memory.outcome(envelope), Some(Outcome::Held(RelayRefusal::Recalled)));
    assert!(reads(&world, "alice", garden, item), "a recall is for the other side");
    // Taken back, it may be read again.
    change(&mut world, "alice", called, Body::Tombstone);
    world.round();
    world.round();
    assert!(reads(&world, "dave", library, item));
}

#[test]
fn what_is_still_to_follow_is_not_lost_with_a_restart() {
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let items: Vec<ItemId> =
        (0..3).map(|n| post(&mut world, "alice", garden, &format!("find {n}"), &["rust"], 1)).collect();
    for item in &items {
        carried(&mut world, *item, library);
    }
    let mut draft = Draft::new(Body::Edit(Edit { version: V1, body: written("mended") }));
    (draft.target, draft.tags) = (Some(items[0]), List::new(vec![Text::line("rust").unwrap()]).unwrap());
    world.command("alice", Command::Write { communities: vec![], draft }).unwrap();
    world.round();
    let waits = |world: &World| world.node("ferry").memory.sequels().unwrap().len();
    assert_eq!(waits(&world), 1, "three a day, and this is the fourth");
    world.stop("ferry");
    world.start("ferry");
    world.leap(DAY_MS);
    world.round();
    world.round();
    assert_eq!(world.node("dave").memory.changes(items[0], Kind::EDIT).unwrap().len(), 1);
    assert_eq!(waits(&world), 0, "what is done is forgotten");
}

#[test]
fn the_end_of_a_link_is_told_to_the_other_side_with_its_proof() {
    // alice ── ferry, bob ── dave: ferry goes on carrying for those who have not heard
    let mut world = World::of(&["alice", "bob", "dave", "ferry"]);
    let Border { garden, library, out } = border(&mut world);
    for (founder, community) in [("alice", garden), ("dave", library)] {
        let key = invite(&mut world, founder, community, 1);
        join(&mut world, "bob", &key).unwrap();
    }
    let items: Vec<ItemId> =
        (0..2).map(|n| post(&mut world, "alice", garden, &format!("find {n}"), &["rust"], 1)).collect();
    world.round();
    carried(&mut world, items[0], library);
    world.round();
    for (one, other) in [("ferry", "alice"), ("ferry", "bob"), ("bob", "dave")] {
        world.cut(one, other);
    }
    world.command("alice", Command::EndLink { community: garden, link: out }).unwrap();
    world.leap(ROUND_MS);
    let (late, outcome) = carried(&mut world, items[1], library);
    assert_eq!(outcome, Outcome::Shown, "it has not heard");
    world.round();
    world.heal();
    world.round();
    world.round();
    let notice = world.node("dave").memory.outcome(late);
    assert_eq!(notice, Some(Outcome::Held(RelayRefusal::LinkOver)));
    assert!(reads(&world, "dave", library, items[0]), "it left lawfully");
}

#[test]
fn the_removal_of_a_broker_is_told_to_the_other_side_with_its_proof() {
    let mut world = World::of(&["alice", "bob", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    for (founder, community) in [("alice", garden), ("dave", library)] {
        let key = invite(&mut world, founder, community, 1);
        join(&mut world, "bob", &key).unwrap();
    }
    let items: Vec<ItemId> =
        (0..2).map(|n| post(&mut world, "alice", garden, &format!("find {n}"), &["rust"], 1)).collect();
    carried(&mut world, items[0], library);
    world.round();
    for (one, other) in [("ferry", "alice"), ("ferry", "bob"), ("bob", "dave")] {
        world.cut(one, other);
    }
    let (person, reason) = (world.person("ferry"), Text::default());
    world.command("alice", Command::Rule { community: garden, person, role: Role::None, reason }).unwrap();
    world.leap(ROUND_MS);
    let (late, _) = carried(&mut world, items[1], library);
    world.heal();
    world.round();
    world.round();
    assert_eq!(world.node("dave").memory.outcome(late), Some(Outcome::Held(RelayRefusal::AfterCut)));
    assert!(reads(&world, "dave", library, items[0]), "it left lawfully");
}

#[test]
fn a_reply_flows_back_over_a_link_for_replies_only_and_nothing_else_does() {
    let mut world = World::of(&["alice", "dave", "ferry"]);
    let Border { garden, library, .. } = border(&mut world);
    let item = post(&mut world, "alice", garden, "a find", &["rust"], 1);
    carried(&mut world, item, library);
    world.round();
    let back = |direction, other, world: &World| LinkTerms {
        direction,
        other,
        brokers: List::new(vec![world.person("ferry")]).unwrap(),
        kinds: crate::link::KindSet::ALL,
        tags: List::none(),
        max_hops: 1,
        per_day: 3,
        replies_only: true,
        not_after: world.now().after(90 * DAY_MS),
    };
    let out = back(Direction::Out { min_author_role: Role::Member }, garden, &world);
    world.command("dave", Command::Link(library, out)).unwrap();
    let into = back(Direction::In { quarantine: false }, library, &world);
    world.command("alice", Command::Link(garden, into)).unwrap();
    let mut draft = Draft::new(Body::Reply(Reply { version: V1, text: Text::written("thank you").unwrap() }));
    (draft.re, draft.reach) = (List::new(vec![item]).unwrap(), Some(1));
    // It is written where its author reads what it answers.
    let Ok(Answer::Items(replies)) = world.command("dave", Command::Write { communities: vec![], draft }) else {
        panic!("not written")
    };
    assert_eq!(replies[0].1, library);
    let other = post(&mut world, "dave", library, "our news", &[], 1);
    world.round();
    let (reply, shown) = (replies[0].0, Outcome::Shown);
    assert_eq!(carried(&mut world, reply, garden).1, shown);
    assert!(reads(&world, "alice", garden, reply));
    match relay(&mut world, other, garden) {
        Err(CommandRefusal::Relay(refused)) => assert_eq!(refused.why, RelayRefusal::NotAReply),
        other => panic!("{other:?}"),
    }
}
