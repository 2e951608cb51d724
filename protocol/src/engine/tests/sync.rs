//! Catching up at the cost of what differs.

use super::{
    bans,
    story::{self, invite, join, post},
    world::World,
};
use crate::{
    authority::Role,
    bytes::{Blob, Bytes},
    engine::{Command, Effect, Event, Fetched, Input, ROUND_MS, session},
    id::{CommunityId, ItemId},
    ledger::Ledger as _,
    limits,
    time::DAY_MS,
    wire::{Fingerprint, Request, Response, SetName},
};

/// A garden of two that has so many posts, which both have.
fn garden(world: &mut World, posts: usize) -> CommunityId {
    let garden = story::garden(world, &["bob"]);
    write(world, "alice", garden, posts);
    world.round();
    assert_eq!(items(world, "bob", garden), items(world, "alice", garden));
    garden
}

fn write(world: &mut World, who: &str, garden: CommunityId, posts: usize) -> Vec<ItemId> {
    (0..posts).map(|number| post(world, who, garden, &format!("post {number} of {who}"), &[], 0)).collect()
}

fn items(world: &World, who: &str, garden: CommunityId) -> usize {
    world.node(who).memory.readable(garden).len()
}

/// Both write so much while they are apart. Answers the bytes that went either way until both have all.
fn apart(world: &mut World, garden: CommunityId, each: usize) -> u64 {
    world.cut("alice", "bob");
    write(world, "alice", garden, each);
    write(world, "bob", garden, each);
    world.heal();
    let before = world.exchanged("alice", "bob");
    world.connect("alice", "bob");
    world.round();
    let after = world.exchanged("alice", "bob");
    assert_eq!(items(world, "bob", garden), items(world, "alice", garden));
    after - before
}

/// The bytes of so many items, as they travel.
fn carried(world: &World, garden: CommunityId) -> u64 {
    let memory = world.node("alice").memory;
    let bytes = |id: &ItemId| {
        let (item, body) = memory.carried(*id).unwrap().unwrap();
        crate::link::Carry::plain(item, body).to_bytes().len() as u64
    };
    let all: Vec<u64> = memory.readable(garden).iter().map(bytes).collect();
    all.iter().sum::<u64>() / all.len() as u64
}

#[test]
fn what_few_differences_cost_does_not_grow_with_the_sets() {
    let cost = |posts| {
        let mut world = World::of(&["alice", "bob"]);
        let garden = garden(&mut world, posts);
        apart(&mut world, garden, 10)
    };
    let (few, many) = (cost(50), cost(1_000));
    assert!(many < few + few / 10, "{few} bytes among 50, {many} among 1,000");
}

#[test]
fn a_hundred_differences_cost_8_kib_beyond_the_items() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world, 1_000);
    // What meeting again costs by itself.
    let meeting = apart(&mut world, garden, 0);
    let bytes = apart(&mut world, garden, 50);
    let beyond = bytes - meeting - 100 * carried(&world, garden);
    assert!(beyond <= 8 * 1024, "{beyond} bytes");
}

#[test]
fn a_newcomer_is_sent_everything_at_hardly_more_than_its_own_bytes() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world, 1_500);
    let each = carried(&world, garden);
    let key = invite(&mut world, "alice", garden, 1);
    world.stop("bob");
    let before = world.exchanged("alice", "carol");
    join(&mut world, "carol", &key).unwrap();
    world.round();
    assert_eq!(items(&world, "carol", garden), items(&world, "alice", garden));
    let bytes = world.exchanged("alice", "carol") - before;
    let most = 1_500 * each * 115 / 100;
    assert!(bytes <= most, "{bytes} bytes for {} of items", 1_500 * each);
}

#[test]
fn the_newest_come_first_and_who_was_cut_off_goes_on() {
    // A year of posts that bob, who was away, has in part when he is cut off.
    let mut world = World::delayed(1, &["alice", "bob"]);
    let garden = garden(&mut world, 0);
    world.cut("alice", "bob");
    let mut written = Vec::new();
    for _ in 0..12 {
        written.push(write(&mut world, "alice", garden, 150));
        world.leap(30 * DAY_MS);
    }
    world.heal();
    while items(&world, "bob", garden) < 600 {
        world.meet_for("bob", "alice", 5);
    }
    world.cut("alice", "bob");
    let has = |world: &World, month: &[ItemId]| {
        let readable = world.node("bob").memory.readable(garden);
        month.iter().filter(|id| readable.contains(id)).count()
    };
    let counts: Vec<usize> = written.iter().map(|month| has(&world, month)).collect();
    let some = counts.iter().filter(|count| **count > 0).count();
    assert!((1..12).contains(&some), "{counts:?}");
    assert!(counts.is_sorted(), "the newest first: {counts:?}");
    let rest: usize = counts.iter().map(|count| 150 - count).sum();
    let each = carried(&world, garden);
    world.heal();
    let before = world.exchanged("alice", "bob");
    world.connect("alice", "bob");
    world.round();
    assert_eq!(items(&world, "bob", garden), items(&world, "alice", garden));
    let bytes = world.exchanged("alice", "bob") - before;
    // What had come does not come again; of the month in which it was cut the ids are listed.
    assert!(bytes <= rest as u64 * each * 115 / 100 + 20_000, "{bytes} for {rest} of {each}");
}

#[test]
fn equal_sets_cost_one_question() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world, 100);
    world.round();
    let before = world.exchanged_frames("alice", "bob");
    let events = world.node("bob").events.len();
    world.round();
    let synced = |event: &Event| matches!(event, Event::Synced(of, _) if *of == garden);
    assert!(world.node("bob").events[events..].iter().any(synced));
    // Each asks once a round, and is answered.
    assert_eq!(world.exchanged_frames("alice", "bob") - before, 4);
}

#[test]
fn a_longer_sketch_is_that_of_the_set() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world, 700);
    let node = world.node("alice");
    let mut sets = crate::engine::sets::Sets::default();
    sets.load(garden, node.memory).unwrap();
    for set in SetName::COMPARED {
        let whole = (garden, set, 0);
        let short = sets.view(whole, node.memory).unwrap().sketch().cells(0, 1_024);
        let long = sets.with_cells(whole, 5_000, node.memory).unwrap();
        assert!(long.sketch().kept() >= 5_000);
        assert_eq!(long.sketch().cells(0, short.count()), short);
        let most = crate::limits::CELLS;
        assert!(sets.with_cells(whole, usize::MAX, node.memory).unwrap().sketch().kept() < 2 * most);
    }
}

#[test]
fn a_peer_that_shows_other_cells_than_those_of_its_set_is_asked_few_questions_and_brings_what_it_has() {
    for kind in 0..4 {
        let mut world = World::of(&["alice", "bob"]);
        let garden = garden(&mut world, 30);
        world.cut("alice", "bob");
        let unseen = write(&mut world, "alice", garden, 20);
        world.heal();
        let mut number = 0;
        world.tamper("alice", move |response| {
            number += 1;
            if let Response::Compare(sets) = response {
                for (fingerprint, cells) in sets {
                    let length = cells.as_slice().len();
                    let noise = (0..length).map(|at| (at * 31 + number).to_le_bytes()[0]).collect();
                    match kind {
                        // Noise; no cells; one cell of many; another set each time.
                        0 => *cells = Blob::new(noise).unwrap(),
                        1 => *cells = Blob::default(),
                        2 => *cells = Blob::new(cells.as_slice().iter().copied().take(22).collect()).unwrap(),
                        _ => fingerprint.1[0] = number as u64,
                    }
                }
            }
        });
        world.connect("alice", "bob");
        let before = world.exchanged_frames("alice", "bob");
        world.round();
        world.round();
        let frames = world.exchanged_frames("alice", "bob") - before;
        assert!(frames < 200, "{kind}: {frames}");
        let bobs = world.node("bob").memory.readable(garden);
        assert!(unseen.iter().all(|id| bobs.contains(id)), "{kind}");
    }
}

#[test]
fn what_somebody_wrote_before_they_left_arrives_after_they_have_left() {
    for seed in 0..50 {
        let mut world = World::delayed(seed, &["alice", "bob"]);
        let garden = garden(&mut world, 3);
        world.cut("alice", "bob");
        let last = write(&mut world, "bob", garden, 3);
        world.command("bob", Command::Leave(garden)).unwrap();
        world.stop("bob");
        world.heal();
        world.start("bob");
        world.meet_for("bob", "alice", 5_000);
        assert_eq!(world.node("alice").engine.communities()[&garden].state.role(world.person("bob")), Role::None);
        let arrived = world.node("alice").memory.readable(garden);
        assert!(last.iter().all(|id| arrived.contains(id)), "{seed}");
    }
}

#[test]
fn what_gossip_loses_while_it_comes_up_is_compared_for_soon_after() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world, 3);
    world.cut("alice", "bob");
    world.heal();
    world.lose_gossip();
    world.connect("alice", "bob");
    let unheard = write(&mut world, "alice", garden, 1);
    world.pass(5_000);
    assert!(world.node("bob").memory.readable(garden).contains(&unheard[0]));
}

#[test]
fn who_is_not_answered_or_not_known_any_more_greets_again_at_once_and_then_in_the_next_round() {
    let unknown = |id| Input::Answered { peer: bans::bob(), id, response: Ok(session::refused("unknown")) };
    let unanswered = |id| Input::Unanswered { peer: bans::bob(), id };
    let asks = |world: &mut World, input| {
        let effects = world.decide("alice", input);
        bans::asked(&effects).map(|(id, request)| (id, request.clone()))
    };
    for forgotten in [true, false] {
        let (mut world, _) = bans::garden();
        let id = bans::periods(&mut world);
        let input = if forgotten { unknown(id) } else { unanswered(id) };
        let (again, request) = asks(&mut world, input).expect("a question");
        // Where the proof still holds there is nothing to prove.
        assert_eq!(matches!(request, Request::Hello(_)), forgotten, "{request:?}");
        assert_eq!(matches!(request, Request::Compare(..)), !forgotten, "{request:?}");
        assert_eq!(asks(&mut world, unanswered(again)), None, "once a round");
        world.leap(ROUND_MS);
        assert!(asks(&mut world, Input::Woken).is_some());
    }
}

#[test]
fn the_next_page_is_asked_for_while_the_things_of_one_are_checked() {
    let (mut world, garden) = bans::garden();
    let id = bans::periods(&mut world);
    let all = Response::Periods(vec![(0, Fingerprint(1_000, [9; 4]))]);
    let (id, request) = bans::goes_on(&mut world, id, all);
    assert!(matches!(request, Request::Take(_, SetName::Operations, 0, None)), "{request:?}");
    let next = (7, Bytes([1; 32]));
    let outlined = |world: &mut World, id, next| {
        let effects = world.decide("alice", Input::Outlined { peer: bans::bob(), id, next });
        bans::asked(&effects).map(|(id, request)| (id, request.clone()))
    };
    assert_eq!(outlined(&mut world, id + 1, next), None, "nobody was asked that");
    let (ahead, request) = outlined(&mut world, id, next).expect("the next page");
    assert!(matches!(request, Request::Take(_, SetName::Operations, 0, Some(after)) if after == next), "{request:?}");
    assert_eq!(outlined(&mut world, id, (8, Bytes([1; 32]))), None, "once for a page");

    // What is on the first page is taken, and its end asks for nothing more.
    let thing = Box::new(Fetched::Operation(bans::operation(&world, garden, |_| {})));
    let effects = world.decide("alice", Input::Arrived { peer: bans::bob(), id, thing });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Keep(_))), "{effects:?}");
    let end = Ok(Response::Take(SetName::Operations, Vec::new(), Some(next)));
    let effects = world.decide("alice", Input::Answered { peer: bans::bob(), id, response: end });
    assert_eq!(bans::asked(&effects), None);

    // She goes on from the page that she asked for; a place behind it ends the period.
    let before = (6, Bytes([1; 32]));
    assert_eq!(outlined(&mut world, ahead, before), None);
    let end = Response::Take(SetName::Operations, Vec::new(), Some(before));
    assert!(matches!(bans::goes_on(&mut world, ahead, end).1, Request::Compare(..)));
}

/// 1,000 posts of ten months, of which 50 take 200 KiB each: the small ones by month, the oldest first, and the large.
fn long_and_short(world: &mut World, garden: CommunityId) -> (Vec<Vec<ItemId>>, Vec<ItemId>) {
    let long = "long ".repeat(limits::TEXT_BYTES / 5 - 10);
    let (mut months, mut large) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        large.extend((0..5).map(|number| post(world, "alice", garden, &format!("{long}{number}"), &[], 0)));
        months.push(write(world, "alice", garden, 95));
        world.leap(30 * DAY_MS);
    }
    (months, large)
}

#[test]
fn everything_small_comes_before_the_first_large_body_the_newest_first_and_nothing_twice_after_a_cut() {
    let mut world = World::delayed(1, &["alice", "bob"]);
    let garden = garden(&mut world, 0);
    world.cut("alice", "bob");
    let (months, large) = long_and_short(&mut world, garden);
    let sizes: u64 = carried(&world, garden) * items(&world, "alice", garden) as u64;
    world.heal();
    let before = world.exchanged("alice", "bob");
    let here = |world: &World, of: &[ItemId]| {
        let readable = world.node("bob").memory.readable(garden);
        of.iter().filter(|id| readable.contains(id)).count()
    };
    let (mut parts, mut cuts) = (0, 0);
    while here(&world, &large) < large.len() {
        world.meet_for("bob", "alice", 5);
        let counts: Vec<usize> = months.iter().map(|month| here(&world, month)).collect();
        let small: usize = counts.iter().sum();
        parts += usize::from((1..950).contains(&small));
        assert!(counts.is_sorted(), "the newest first: {counts:?}");
        assert!(small == 950 || here(&world, &large) == 0, "{small} small ones, and a large one");
        // Once among the small ones, and once among the large.
        let is_due = [500..950, 965..990].get(cuts).is_some_and(|due| due.contains(&(small + here(&world, &large))));
        if is_due {
            cuts += 1;
            world.cut("alice", "bob");
            world.heal();
        }
    }
    assert!(cuts == 2 && parts > 3, "{cuts} cuts, {parts} looks at a part");
    world.round();
    assert_eq!(items(&world, "bob", garden), items(&world, "alice", garden));
    let bytes = world.exchanged("alice", "bob") - before;
    // One large one more would be 200 KiB.
    assert!(bytes < sizes + 150 * 1024, "{bytes} for {sizes}");
}

/// What carol is sent who was away while so many posts were written, and meets these.
fn sent_to_who_was_away(posts: usize, meets: &[&str]) -> u64 {
    let others = ["alice", "bob", "dave"];
    let mut world = World::delayed(7, &["alice", "bob", "dave", "carol"]);
    let garden = story::garden(&mut world, &["bob", "dave", "carol"]);
    world.round();
    others.iter().for_each(|other| world.cut(other, "carol"));
    let written = write(&mut world, "alice", garden, posts);
    world.round();
    world.lose_gossip();
    let sent = |world: &World| others.iter().map(|other| world.exchanged(other, "carol")).sum::<u64>();
    let before = sent(&world);
    world.heal();
    others.iter().filter(|other| !meets.contains(other)).for_each(|other| world.cut(other, "carol"));
    meets.iter().for_each(|other| world.meet_for(other, "carol", 0));
    world.round();
    let here = world.node("carol").memory.readable(garden);
    assert!(written.iter().all(|item| here.contains(item)), "{posts} posts, {meets:?}");
    sent(&world) - before
}

#[test]
fn who_meets_several_at_once_is_sent_each_thing_once() {
    // Few are named by id, more by a longer sketch, nearly all by period.
    for posts in [10, 60, 700] {
        let (one, three) =
            (sent_to_who_was_away(posts, &["alice"]), sent_to_who_was_away(posts, &["alice", "bob", "dave"]));
        // Each is said hello to, and compares.
        assert!(three < one + one / 10 + 20_000, "{posts} posts: {one} bytes from one, {three} from three");
    }
}
