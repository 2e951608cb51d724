//! Keys over time: removal, absence, partition.

use super::{
    story::{self, invite, join, post, role},
    world::World,
};
use crate::{
    authority::Role,
    engine::{Command, Event},
    id::{CommunityId, ItemId},
    invite::InviteKey,
    text::Text,
    time::DAY_MS,
};

/// A garden of alice, its steward, and these, a round later.
fn garden(world: &mut World, members: &[&str]) -> CommunityId {
    let garden = story::garden(world, members);
    world.round();
    garden
}

fn set(world: &mut World, by: &str, community: CommunityId, whom: &str, role: Role) {
    let person = world.person(whom);
    let command = Command::Rule { community, person, role, reason: Text::default() };
    world.command(by, command).unwrap();
}

#[test]
fn who_was_removed_reads_nothing_that_is_written_after() {
    // alice ── bob ── carol, all connected; bob is removed
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world, &["bob", "carol"]);
    let before = post(&mut world, "carol", garden, "before", &[], 0);
    set(&mut world, "alice", garden, "bob", Role::None);
    let after = [post(&mut world, "carol", garden, "after", &[], 0), post(&mut world, "alice", garden, "too", &[], 0)];
    world.pass(120_000);
    let bobs = world.node("bob").memory.readable(garden);
    assert!(bobs.contains(&before));
    assert!(after.iter().all(|id| !bobs.contains(id)));
    let carols = world.node("carol").memory.readable(garden);
    assert!(after.iter().all(|id| carols.contains(id)), "who stays has the new key");
    // Bob heard of it, so his own node says so.
    assert_eq!(role(&world, "bob", garden, "bob"), Role::None);
}

#[test]
fn what_a_removed_member_wrote_beyond_the_cut_is_hidden_again_and_shown_when_the_ruling_lapses() {
    // carol has what bob wrote while alice, apart, removed him
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let garden = garden(&mut world, &["bob", "carol", "dave"]);
    set(&mut world, "alice", garden, "dave", Role::Steward);
    let seen = post(&mut world, "bob", garden, "seen by all", &[], 0);
    world.round();
    world.cut("dave", "bob");
    world.cut("dave", "carol");
    world.cut("dave", "alice");
    let unseen = post(&mut world, "bob", garden, "unseen by dave", &[], 0);
    assert!(world.node("carol").memory.readable(garden).contains(&unseen));
    set(&mut world, "dave", garden, "bob", Role::None);
    world.heal();
    world.pass(60_000);
    for name in ["alice", "carol", "dave"] {
        let readable = world.node(name).memory.readable(garden);
        assert!(readable.contains(&seen) && !readable.contains(&unseen), "{name}");
    }
    // The founder removes dave without having seen dave's ruling: impossible now, so by an early cut
    // of somebody apart.
    assert!(world.node("carol").events.contains(&Event::Hidden(garden, unseen)));
}

#[test]
fn who_missed_a_change_of_keys_catches_up_with_any_member() {
    // carol is away while bob is removed; alice is away when she comes back: only dave is there.
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let garden = garden(&mut world, &["bob", "carol", "dave"]);
    world.stop("carol");
    set(&mut world, "alice", garden, "bob", Role::None);
    let after = post(&mut world, "alice", garden, "while carol was away", &[], 0);
    world.round();
    world.stop("alice");
    world.start("carol");
    world.pass(60_000);
    assert_eq!(role(&world, "carol", garden, "bob"), Role::None);
    assert!(world.node("carol").memory.readable(garden).contains(&after));
    // And is not merely served: it listens under the new key.
    let live = post(&mut world, "dave", garden, "live", &[], 0);
    assert!(world.node("carol").memory.readable(garden).contains(&live));
}

#[test]
fn after_two_removals_apart_the_first_member_to_hear_of_both_makes_a_key_for_neither() {
    // 11.6: alice removes carol, dave, apart, removes erin; frank is a member, eventually with both
    let mut world = World::of(&["alice", "carol", "dave", "erin", "frank"]);
    let garden = garden(&mut world, &["carol", "dave", "erin", "frank"]);
    set(&mut world, "alice", garden, "dave", Role::Steward);
    world.round();
    for name in ["alice", "carol", "frank"] {
        world.cut(name, "dave");
        world.cut(name, "erin");
    }
    set(&mut world, "alice", garden, "carol", Role::None);
    set(&mut world, "dave", garden, "erin", Role::None);
    let (one, two) =
        (post(&mut world, "alice", garden, "one", &[], 0), post(&mut world, "dave", garden, "two", &[], 0));
    world.heal();
    world.pass(180_000);
    let after = post(&mut world, "frank", garden, "after both", &[], 0);
    world.pass(60_000);
    for name in ["alice", "dave", "frank"] {
        let standing = &world.node(name).engine.communities()[&garden];
        assert!(standing.state.epochs.iter().any(|epoch| epoch.adequate), "{name}: P17");
        assert!(!standing.tag_keys().is_empty(), "{name} holds an adequate key: P17");
        let readable = world.node(name).memory.readable(garden);
        assert!([one, two, after].iter().all(|id| readable.contains(id)), "{name}");
    }
    for out in ["carol", "erin"] {
        assert!(!world.node(out).memory.readable(garden).contains(&after), "{out}: P16");
    }
}

#[test]
fn posting_waits_for_nobody() {
    // bob alone hears of carol's leave, and posts before any steward has made a key
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world, &["bob", "carol"]);
    world.stop("alice");
    world.command("carol", Command::Leave(garden)).unwrap();
    let own = post(&mut world, "bob", garden, "right away", &[], 0);
    assert!(world.node("bob").memory.readable(garden).contains(&own));
    let standing = &world.node("bob").engine.communities()[&garden];
    assert!(!standing.tag_keys().is_empty(), "an epoch was opened for it");
    world.pass(60_000);
    assert!(!world.node("carol").memory.readable(garden).contains(&own));
}

#[test]
fn a_leave_is_sealed_and_an_old_epoch_is_replaced() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world, &["bob", "carol"]);
    world.command("carol", Command::Leave(garden)).unwrap();
    world.pass(11 * 60_000);
    let log = &world.node("bob").engine.communities()[&garden].log;
    let seals =
        log.operations().filter(|p| p.operation.body.name() == "rule" && p.operation.author == world.person("alice"));
    let seals = seals.filter(|p| matches!(&p.operation.body, crate::authority::Body::Rule(r) if r.role == Role::None));
    assert_eq!(seals.count(), 1, "B12");
    let epochs = |world: &World| world.node("bob").engine.communities()[&garden].state.epochs.len();
    let before = epochs(&world);
    world.leap(31 * DAY_MS);
    world.pass(40 * 60_000);
    assert!(epochs(&world) > before, "E8");
    assert!(epochs(&world) <= before + 3, "once each at most");
}

#[test]
fn an_admission_that_lapses_is_presented_again() {
    // 11.4, I5: bob admits dave while alice, apart, removes bob; carol is a member too.
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let garden = garden(&mut world, &["bob", "carol"]);
    set(&mut world, "alice", garden, "carol", Role::Core);
    let key = invite(&mut world, "carol", garden, 1);
    world.round();
    for apart in ["alice", "carol"] {
        world.cut(apart, "bob");
        world.cut(apart, "dave");
    }
    world.connect("dave", "bob");
    join(&mut world, "dave", &key).unwrap();
    world.round();
    assert_eq!(role(&world, "dave", garden, "dave"), Role::Member);
    set(&mut world, "alice", garden, "bob", Role::None);
    world.heal();
    world.pass(120_000);
    assert_eq!(role(&world, "alice", garden, "bob"), Role::None);
    for name in ["alice", "carol", "dave"] {
        assert_eq!(role(&world, name, garden, "dave"), Role::Member, "{name}");
    }
    let text = post(&mut world, "dave", garden, "still here", &[], 0);
    world.pass(60_000);
    assert!(world.node("alice").memory.readable(garden).contains(&text));
}

#[test]
fn an_invite_in_hand_shows_name_charter_and_size_before_joining() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world, &["bob"]);
    let key = invite(&mut world, "alice", garden, 1);
    let parsed = crate::invite::InviteKey::from_text(&key).unwrap();
    world.command("carol", Command::Preview(Box::new(parsed))).unwrap();
    let look = world.node("carol").events.iter().find_map(|event| match event {
        Event::Looked(look) => Some(look.clone()),
        _ => None,
    });
    let look = look.unwrap();
    assert_eq!((look.name.as_str(), look.members), ("garden", 2));
    assert!(look.charter.is_some());
    assert!(!world.node("carol").engine.communities().contains_key(&garden), "looking is not joining");
}

/// A garden of eleven, in which carol came in by bob while the others were away, and was away herself when alice
/// removed dave and wrote something. Now alice and bob are there.
fn carol_missed_a_key(seed: u64) -> (World, CommunityId, ItemId) {
    let others = ["dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim"];
    let mut world = World::delayed(seed, &[&["alice", "bob", "carol"], &others[..]].concat());
    let garden = garden(&mut world, &[&["bob"], &others[..]].concat());
    let key = invite(&mut world, "alice", garden, 1);
    world.round();
    for away in ["alice"].iter().chain(&others) {
        world.stop(away);
    }
    // She goes as soon as she is in.
    let join = Command::Join(Box::new(InviteKey::from_text(&key).unwrap()), key);
    world.command_until("carol", join, |world| {
        world.node("carol").engine.communities().get(&garden).is_some_and(|s| s.is_in(world.person("carol")))
    });
    let met = &world.node("carol").engine.communities()[&garden].met;
    assert_eq!(met.values().map(|(person, _)| *person).collect::<Vec<_>>(), [world.person("bob")], "{seed}");
    world.stop("carol");
    world.start("alice");
    set(&mut world, "alice", garden, "dave", Role::None);
    let unseen = post(&mut world, "alice", garden, "unseen", &[], 0);
    world.pass(60_000);
    (world, garden, unseen)
}

#[test]
fn who_missed_a_change_of_keys_is_met_again_at_once_by_whom_they_met() {
    for seed in 0..20 {
        let (mut world, garden, unseen) = carol_missed_a_key(seed);
        world.start("carol");
        world.meet_for("carol", "bob", 5_000);
        assert!(world.node("carol").memory.readable(garden).contains(&unseen), "{seed}: 7.4");
    }
}

#[test]
fn who_is_known_again_in_the_middle_of_their_own_hello_says_another() {
    let (mut alone, mut both) = (0, 0);
    for seed in 0..20 {
        let (mut world, _, _) = carol_missed_a_key(seed);
        world.stop("bob");
        world.start("carol");
        world.meet_for("carol", "alice", 5_000);
        let alice = world.identity("alice").peer.clone();
        let talk = &world.node("carol").engine.peers[&alice];
        let known = talk.answering.as_ref().is_some_and(|answering| !answering.proven.is_empty());
        let knows = talk.asking.as_ref().is_some_and(|asking| !asking.proven.is_empty());
        alone += usize::from(known && !knows);
        both += usize::from(known && knows);
    }
    assert_eq!(alone, 0, "7.4: beside {both} that have proven themselves both ways");
    assert!(both > 0);
}
