//! How much of one author is taken in a day (T6).
//!
//! Always true: bob's program is changed where a test says so, and signs what an honest one would not.

use super::{
    story::{self, draft, post},
    world::World,
};
use crate::{
    authority::{Role, policy},
    bytes::List,
    encoding::V1,
    engine::{Command, CommandRefusal, Event},
    id::{CommunityId, ItemId},
    item::{Body, Reply},
    ledger::Ledger as _,
    limits,
    text::Text,
    time::DAY_MS,
};

/// Items of a person and day that the garden of these tests shows; four times as many are taken.
const SHOWN: u32 = 2;
const TAKEN: usize = 8;

/// alice ── bob, where a person has few items a day.
fn garden() -> (World, CommunityId) {
    let mut world = World::of(&["alice", "bob"]);
    let garden = story::garden(&mut world, &["bob"]);
    set(&mut world, garden, policy::POSTS_DAY, SHOWN);
    (world, garden)
}

fn set(world: &mut World, community: CommunityId, key: u16, value: u32) {
    world.command("alice", Command::SetPolicy { community, key, value }).unwrap();
}

/// How many of bob's items stand at alice.
fn at_alice(world: &World, garden: CommunityId) -> usize {
    let memory = world.node("alice").memory;
    let author = |id: &ItemId| memory.item(*id).unwrap().unwrap().trusted().unwrap().header.author;
    memory.readable(garden).iter().filter(|id| author(id) == world.person("bob")).count()
}

fn refused(world: &World, name: &str) -> usize {
    world.node("alice").events.iter().filter(|event| matches!(event, Event::Refused(of) if *of == name)).count()
}

fn write(world: &mut World, community: CommunityId, text: &str) -> Result<(), CommandRefusal> {
    world.command("bob", Command::Write { communities: vec![community], draft: draft(text, &[], 0) }).map(|_| ())
}

#[test]
fn who_writes_honestly_is_told_when_others_would_take_no_more() {
    let (mut world, garden) = garden();
    for n in 0..TAKEN {
        write(&mut world, garden, &format!("text {n}")).unwrap();
    }
    assert!(matches!(write(&mut world, garden, "one more"), Err(CommandRefusal::DaySpent)));
    assert_eq!(at_alice(&world, garden), TAKEN);
    // Nobody else is concerned, nor is the own space; and tomorrow is another day.
    post(&mut world, "alice", garden, "hello", &[], 0);
    let own = world.node("bob").engine.own_space().unwrap();
    for n in 0..=TAKEN {
        write(&mut world, own, &format!("note {n}")).unwrap();
    }
    world.leap(DAY_MS);
    write(&mut world, garden, "one more").unwrap();
    assert_eq!((at_alice(&world, garden), refused(&world, "day_spent")), (TAKEN + 1, 0));
}

#[test]
fn what_is_beyond_a_share_is_deferred_by_name_and_fetched_when_the_policy_allows_it() {
    let (mut world, garden) = garden();
    world.write_beyond_share("bob");
    for n in 0..50 {
        write(&mut world, garden, &format!("text {n}")).unwrap();
    }
    assert_eq!((at_alice(&world, garden), refused(&world, "day_spent")), (TAKEN, 50 - TAKEN));
    // It is nobody's fault, and comparing does not fetch it again and again.
    world.round();
    world.round();
    assert_eq!((at_alice(&world, garden), refused(&world, "day_spent")), (TAKEN, 50 - TAKEN));
    let behaviour = world.node("alice").engine.conduct().of(b"bob").unwrap();
    assert_eq!(behaviour.strikes(world.now()), 0);
    // What was kept is counted again after a restart; what was deferred comes again, and is deferred again.
    world.stop("alice");
    world.start("alice");
    world.connect("alice", "bob");
    world.round();
    assert_eq!((at_alice(&world, garden), refused(&world, "day_spent")), (TAKEN, 2 * (50 - TAKEN)));
    set(&mut world, garden, policy::POSTS_DAY, 12);
    world.round();
    assert_eq!(at_alice(&world, garden), 48);
    set(&mut world, garden, policy::POSTS_DAY, 100);
    world.round();
    assert_eq!(at_alice(&world, garden), 50);
}

#[test]
fn bytes_beyond_a_day_come_on_the_next() {
    let (mut world, garden) = garden();
    set(&mut world, garden, policy::POSTS_DAY, 1_000);
    let text = "x".repeat(limits::TEXT_BYTES);
    let fit = usize::try_from(limits::AUTHOR_BYTES_PER_DAY).unwrap() / text.len();
    world.write_beyond_share("bob");
    for _ in 0..fit + 10 {
        write(&mut world, garden, &text).unwrap();
    }
    world.round();
    // With what surrounds a text a few less fit, and something short still does.
    let taken = at_alice(&world, garden);
    assert!((fit - 2..=fit).contains(&taken), "{taken} of {fit}");
    assert!(refused(&world, "bytes_spent") >= 10);
    post(&mut world, "alice", garden, "hello", &[], 0);
    world.leap(DAY_MS);
    world.round();
    assert_eq!(at_alice(&world, garden), fit + 10);
}

#[test]
fn what_somebody_wrote_as_a_member_has_a_members_share_after_they_were_made_peripheral() {
    // bob ── alice ── carol
    let mut world = World::of(&["alice", "bob"]);
    let garden = story::garden(&mut world, &["bob"]);
    set(&mut world, garden, policy::POSTS_DAY, 10);
    set(&mut world, garden, policy::POSTS_DAY_PERIPHERAL, 1);
    world.write_beyond_share("bob");
    let ids: Vec<ItemId> = (0..20).map(|n| post(&mut world, "bob", garden, &format!("text {n}"), &[], 0)).collect();
    assert_eq!(at_alice(&world, garden), 20);
    // bob does not hear that he is made peripheral, and writes on: replies, as a peripheral member may.
    world.cut("alice", "bob");
    let (community, person) = (garden, world.person("bob"));
    let lower = Command::Rule { community, person, role: Role::Peripheral, reason: Text::default() };
    world.command("alice", lower).unwrap();
    for n in 0..10 {
        let mut reply = draft(&format!("reply {n}"), &[], 0);
        reply.body = Body::Reply(Reply { version: V1, text: Text::written(&format!("reply {n}")).unwrap() });
        reply.re = List::new(vec![ids[0]]).unwrap();
        world.command("bob", Command::Write { communities: vec![garden], draft: reply }).unwrap();
    }
    world.heal();
    world.connect("alice", "bob");
    world.round();
    // What he wrote then is not on the chain that was closed, whatever log it names: it has the small share, and that
    // is spent.
    assert_eq!((at_alice(&world, garden), refused(&world, "day_spent")), (20, 10));
    // A newcomer takes from alice all that he wrote as a member.
    world.stop("bob");
    let key = story::invite(&mut world, "alice", garden, 1);
    world.add_new("carol");
    story::join(&mut world, "carol", &key).unwrap();
    world.round();
    world.round();
    assert_eq!(world.node("carol").memory.readable(garden), world.node("alice").memory.readable(garden));
}
