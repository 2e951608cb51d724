//! The main job, end to end, between engines.

use super::world::World;
use crate::{
    authority::{Role, policy},
    bytes::List,
    encoding::V1,
    engine::{Answer, Command, CommandRefusal, Event, ROUND_MS},
    id::{CommunityId, ItemId},
    invite::InviteKey,
    item::{Body, Draft, Kind, Post},
    ledger::Ledger as _,
    limits,
    link::Carry,
    text::Text,
    time::DAY_MS,
    wire::Gossip,
};

pub(super) fn found(world: &mut World, who: &str, name: &str) -> CommunityId {
    let command = Command::CreateCommunity { name: Text::line(name).unwrap(), domain: Text::default(), parent: None };
    match world.command(who, command) {
        Ok(Answer::Community(id)) => id,
        other => panic!("{other:?}"),
    }
}

pub(super) fn invite(world: &mut World, who: &str, community: CommunityId, uses: u32) -> String {
    let command = Command::Invite { community, role: Role::Member, uses, life_ms: 7 * DAY_MS, only: None };
    match world.command(who, command) {
        Ok(Answer::Invite(_, key)) => key,
        other => panic!("{other:?}"),
    }
}

pub(super) fn join(world: &mut World, who: &str, key: &str) -> Result<Answer, CommandRefusal> {
    let parsed = InviteKey::from_text(key).unwrap();
    world.command(who, Command::Join(Box::new(parsed), key.to_owned()))
}

/// A garden of alice, its steward, and these.
pub(super) fn garden(world: &mut World, members: &[&str]) -> CommunityId {
    let garden = found(world, "alice", "garden");
    for member in members {
        let key = invite(world, "alice", garden, 1);
        join(world, member, &key).unwrap();
    }
    garden
}

pub(super) fn draft(text: &str, tags: &[&str], reach: u8) -> Draft {
    let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
    let post = Post { version: V1, title: None, text: Text::written(text).unwrap(), attachments: List::none() };
    Draft::new(Body::Post(post)).tagged(&tags).unwrap().reaching(Some(reach)).unwrap()
}

pub(super) fn post(
    world: &mut World,
    who: &str,
    community: CommunityId,
    text: &str,
    tags: &[&str],
    reach: u8,
) -> ItemId {
    match world.command(who, Command::Write { communities: vec![community], draft: draft(text, tags, reach) }) {
        Ok(Answer::Items(items)) => items[0].0,
        other => panic!("{other:?}"),
    }
}

pub(super) fn role(world: &World, at: &str, community: CommunityId, who: &str) -> Role {
    world.node(at).engine.communities().get(&community).map(|s| s.state.role(world.person(who))).unwrap_or_default()
}

#[test]
fn a_newcomer_is_admitted_and_reads_what_was_written_before_and_after() {
    // alice ── bob
    let mut world = World::of(&["alice", "bob"]);
    let garden = found(&mut world, "alice", "garden");
    let early = post(&mut world, "alice", garden, "before", &[], 0);
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    assert_eq!(role(&world, "bob", garden, "bob"), Role::Member);
    assert_eq!(role(&world, "alice", garden, "bob"), Role::Member);
    assert!(world.node("bob").events.contains(&Event::Joined(garden)));
    let late = post(&mut world, "alice", garden, "after", &[], 0);
    let own = post(&mut world, "bob", garden, "hello", &[], 0);
    for name in ["alice", "bob"] {
        let readable = world.node(name).memory.readable(garden);
        assert!([early, late, own].iter().all(|id| readable.contains(id)), "{name}");
    }
    // B14: whoever came by a steward's own invite is confirmed at once.
    assert!(world.node("bob").engine.communities()[&garden].state.members[&world.person("bob")].confirmed);
}

#[test]
fn any_member_admits_while_the_inviter_is_away_and_uses_are_counted() {
    // alice (away)   bob ── carol, dave
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let garden = found(&mut world, "alice", "garden");
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    let second = invite(&mut world, "alice", garden, 1);
    world.stop("alice");
    join(&mut world, "carol", &second).unwrap();
    assert_eq!(role(&world, "bob", garden, "carol"), Role::Member);
    join(&mut world, "dave", &second).unwrap();
    assert_eq!(role(&world, "bob", garden, "dave"), Role::None);
    assert!(world.node("dave").events.contains(&Event::JoinRefused(garden, "invite_used_up".to_owned())));
}

#[test]
fn who_cannot_let_anybody_in_delays_nobody() {
    // alice ── ferry ── dave: alice is of another community, and may be asked first.
    let mut asked_in_vain = 0;
    for seed in 0..30 {
        let mut world = World::delayed(seed, &["alice", "ferry", "dave"]);
        let garden = found(&mut world, "alice", "garden");
        let library = found(&mut world, "dave", "library");
        let key = invite(&mut world, "alice", garden, 1);
        join(&mut world, "ferry", &key).unwrap();
        assert_eq!(role(&world, "ferry", garden, "ferry"), Role::Member, "seed {seed}");
        let key = invite(&mut world, "dave", library, 1);
        let begun = world.now();
        join(&mut world, "ferry", &key).unwrap();
        while role(&world, "ferry", library, "ferry") == Role::None {
            world.pass(100);
            assert!(world.now() < begun.after(ROUND_MS / 3), "seed {seed}: waits for the next round");
        }
        let vain = Event::JoinRefused(library, "unknown".to_owned());
        asked_in_vain += usize::from(world.node("ferry").events.contains(&vain));
    }
    assert!(asked_in_vain > 3, "{asked_in_vain}");
}

#[test]
fn who_joins_or_looks_while_a_hello_is_under_way_is_asked_for_at_once() {
    // alice ── bob, who have just met: each span ends at another step of their hellos.
    for span in (0..400).step_by(10) {
        let mut world = World::delayed(span, &["alice", "bob"]);
        let garden = found(&mut world, "alice", "garden");
        let key = InviteKey::from_text(&invite(&mut world, "alice", garden, 1)).unwrap();
        world.meet_for("bob", "alice", span);
        let begun = world.now();
        let _ = world.command("bob", Command::Preview(Box::new(key.clone()))).unwrap();
        let _ = world.command("bob", Command::Join(Box::new(key.clone()), key.to_text())).unwrap();
        let looked = |world: &World| world.node("bob").events.iter().any(|event| matches!(event, Event::Looked(_)));
        while role(&world, "bob", garden, "bob") == Role::None || !looked(&world) {
            world.pass(100);
            assert!(world.now() < begun.after(ROUND_MS / 3), "after {span} ms: waits for the next round");
        }
    }
}

#[test]
fn comparison_alone_brings_everything_to_whoever_was_away() {
    // alice ── bob ── carol, gossip off
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = found(&mut world, "alice", "garden");
    for who in ["bob", "carol"] {
        let key = invite(&mut world, "alice", garden, 1);
        join(&mut world, who, &key).unwrap();
    }
    world.lose_gossip();
    world.stop("carol");
    let mut written: Vec<ItemId> =
        (0..600).map(|n| post(&mut world, "alice", garden, &format!("text {n}"), &[], 0)).collect();
    let big = "long ".repeat(20_000);
    written.extend((0..20).map(|n| post(&mut world, "bob", garden, &format!("{big}{n}"), &[], 0)));
    world.stop("alice");
    world.start("carol");
    world.round();
    world.start("alice");
    world.round();
    for name in ["alice", "bob", "carol"] {
        let readable = world.node(name).memory.readable(garden);
        assert_eq!(written.iter().filter(|id| !readable.contains(id)).count(), 0, "{name}");
    }
}

#[test]
fn two_members_find_each_other_without_the_inviter_after_all_have_stopped() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = found(&mut world, "alice", "garden");
    for who in ["bob", "carol"] {
        let key = invite(&mut world, "alice", garden, 1);
        join(&mut world, who, &key).unwrap();
    }
    world.round();
    for name in ["alice", "bob", "carol"] {
        world.stop(name);
    }
    world.start("bob");
    world.start("carol");
    let text = post(&mut world, "carol", garden, "only us two", &[], 0);
    world.round();
    assert!(world.node("bob").memory.readable(garden).contains(&text));
}

/// The body of a post, as an edit carries it.
pub(super) fn written(text: &str) -> crate::bytes::Blob<{ limits::BODY_BYTES }> {
    let text = Text::written(text).unwrap();
    let post = Post { version: V1, title: None, text, attachments: List::none() };
    crate::bytes::Blob::new(Body::Post(post).to_bytes()).unwrap()
}

#[test]
fn edits_and_tombstones_are_their_authors_and_arrive_in_any_order() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = found(&mut world, "alice", "garden");
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    world.stop("bob");
    let text = post(&mut world, "alice", garden, "first", &[], 0);
    let body = written("second");
    let mut edit = Draft::new(Body::Edit(crate::item::Edit { version: V1, body }));
    edit.target = Some(text);
    world.command("alice", Command::Write { communities: vec![], draft: edit.clone() }).unwrap();
    let mut tombstone = Draft::new(Body::Tombstone);
    tombstone.target = Some(text);
    assert_eq!(tombstone.kind(), Kind::TOMBSTONE);
    world.start("bob");
    world.round();
    let refused = world.command("bob", Command::Write { communities: vec![], draft: tombstone.clone() });
    assert_eq!(refused, Err(CommandRefusal::NotAuthor));
    assert_eq!(world.node("bob").memory.changes(text, Kind::EDIT).unwrap().len(), 1);
    world.command("alice", Command::Write { communities: vec![], draft: tombstone }).unwrap();
    assert!(world.node("bob").memory.is_retracted(text, world.person("alice")).unwrap());
}

#[test]
fn what_is_of_another_community_or_of_no_member_is_refused() {
    let mut world = World::of(&["alice", "bob", "eve"]);
    let garden = found(&mut world, "alice", "garden");
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    // eve has got hold of the key of the epoch, but has no role.
    let heads = world.node("alice").engine.communities()[&garden].log.heads();
    let own = world.node("eve").engine.own_space().unwrap();
    let mine = post(&mut world, "eve", own, "mine", &[], 0);
    let stolen = world.node("eve").memory.item(mine).unwrap().unwrap();
    let body = world.node("eve").memory.body(&stolen.clone().check().unwrap()).unwrap();
    let told = |item, body| Gossip::Carry(Box::new(Carry::plain(item, body)));
    world.tell("alice", "bob", garden, &told(stolen.clone(), body.clone()));
    assert!(world.node("bob").events.contains(&Event::Refused("other_community")));
    let mut header = stolen.check().unwrap().header;
    header.community = garden;
    header.auth_heads = List::new(heads).unwrap();
    let forged = crate::item::SignedItem::seal(&header, &world.device("eve")).unwrap();
    world.tell("alice", "bob", garden, &told(forged, body));
    assert!(world.node("bob").events.contains(&Event::Refused("unknown_device")), "{:?}", world.node("bob").events);
}

#[test]
fn an_edit_reaches_as_far_as_what_it_changes_whatever_the_default_is_by_then() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world, &["bob"]);
    let text = post(&mut world, "alice", garden, "first", &[], 0);
    let further = Command::SetPolicy { community: garden, key: policy::DEFAULT_REACH, value: 2 };
    world.command("alice", further).unwrap();
    let mut edit = Draft::new(Body::Edit(crate::item::Edit { version: V1, body: written("second") }));
    edit.target = Some(text);
    world.command("alice", Command::Write { communities: vec![], draft: edit.clone() }).unwrap();
    assert_eq!(world.node("bob").memory.changes(text, Kind::EDIT).unwrap().len(), 1);
    edit.reach = Some(1);
    let refused = world.command("alice", Command::Write { communities: vec![], draft: edit });
    assert!(matches!(refused, Err(CommandRefusal::Field(_))), "{refused:?}");
}

#[test]
fn who_was_removed_or_left_neither_writes_nor_is_served() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = found(&mut world, "alice", "garden");
    for who in ["bob", "carol"] {
        let key = invite(&mut world, "alice", garden, 1);
        join(&mut world, who, &key).unwrap();
    }
    let before = post(&mut world, "bob", garden, "before", &[], 0);
    world
        .command(
            "alice",
            Command::Rule { community: garden, person: world.person("bob"), role: Role::None, reason: Text::default() },
        )
        .unwrap();
    assert_eq!(role(&world, "carol", garden, "bob"), Role::None);
    assert!(world.node("carol").memory.readable(garden).contains(&before), "what was there stays");
    let refused = world.command("bob", Command::Write { communities: vec![garden], draft: draft("after", &[], 0) });
    assert!(matches!(refused, Err(CommandRefusal::RoleTooLow { .. } | CommandRefusal::Write(_))), "{refused:?}");
    world.lose_gossip();
    let after = post(&mut world, "alice", garden, "after", &[], 0);
    world.stop("bob");
    world.start("bob");
    world.round();
    assert!(!world.node("bob").memory.readable(garden).contains(&after), "a removed person is not served");
    world.command("carol", Command::Leave(garden)).unwrap();
    assert_eq!(role(&world, "carol", garden, "carol"), Role::None);
}

#[test]
fn who_left_comes_back_by_another_invite() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = found(&mut world, "alice", "garden");
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    world.command("bob", Command::Leave(garden)).unwrap();
    assert_eq!(role(&world, "alice", garden, "bob"), Role::None);
    assert_eq!(role(&world, "bob", garden, "bob"), Role::None);
    let meanwhile = post(&mut world, "alice", garden, "meanwhile", &[], 0);
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    assert_eq!(role(&world, "alice", garden, "bob"), Role::Member);
    assert_eq!(role(&world, "bob", garden, "bob"), Role::Member);
    assert!(world.node("bob").memory.readable(garden).contains(&meanwhile));
}

#[test]
fn a_restart_changes_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = found(&mut world, "alice", "garden");
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "bob", &key).unwrap();
    post(&mut world, "bob", garden, "text", &[], 0);
    let before: Vec<_> = ["alice", "bob"].map(|n| world.node(n).memory.readable(garden)).into();
    for name in ["alice", "bob"] {
        world.stop(name);
    }
    for name in ["alice", "bob"] {
        world.start(name);
    }
    world.round();
    let after: Vec<_> = ["alice", "bob"].map(|n| world.node(n).memory.readable(garden)).into();
    assert_eq!(before, after);
    let next = post(&mut world, "bob", garden, "next", &[], 0);
    assert!(world.node("alice").memory.readable(garden).contains(&next), "the chain goes on after a restart");
}
