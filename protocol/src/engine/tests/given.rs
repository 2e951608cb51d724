//! What a peer may be given decides what it is compared on: guests and the inner circle (E1), those who came
//! without history (E6).

use std::collections::BTreeSet;

use super::{
    story::{self, draft, join, post},
    world::World,
};
use crate::{
    authority::{Role, policy},
    bytes::{Bytes, List},
    encoding::V1,
    engine::{Answer, Command, Effect, Input, sets::Sets},
    epoch::Scope,
    id::{CommunityId, ItemId},
    item::{Body, Draft, Profile},
    ledger::Ledger as _,
    limits,
    reconcile::{Place, Position, period, short},
    testing::{Memory, around},
    text::Text,
    time::DAY_MS,
    wire::{AnyId, CommunityTag, Fingerprint, Request, Response, SetName},
};

/// alice's garden with bob, a member from the first.
fn garden(world: &mut World) -> CommunityId {
    story::garden(world, &["bob"])
}

/// Lets somebody in with a role.
fn admit(world: &mut World, who: &str, garden: CommunityId, role: Role) {
    let invite = Command::Invite { community: garden, role, uses: 1, life_ms: DAY_MS, only: None };
    let Ok(Answer::Invite(_, key)) = world.command("alice", invite) else { panic!("invited") };
    join(world, who, &key).unwrap();
    world.round();
    assert_eq!(story::role(world, who, garden, who), role);
}

fn set_history(world: &mut World, garden: CommunityId, value: u32) {
    world.command("alice", Command::SetPolicy { community: garden, key: policy::HISTORY, value }).unwrap();
}

fn write(world: &mut World, who: &str, garden: CommunityId, draft: Draft) -> ItemId {
    match world.command(who, Command::Write { communities: vec![garden], draft }) {
        Ok(Answer::Items(items)) => items[0].0,
        other => panic!("{other:?}"),
    }
}

fn inner(text: &str) -> Draft {
    Draft { scope: Scope::Inner, ..draft(text, &[], 0) }
}

fn changing(target: ItemId, body: Body) -> Draft {
    let mut change = Draft::new(body);
    change.target = Some(target);
    change
}

fn edited(text: &str) -> Body {
    let body = crate::bytes::Blob::new(draft(text, &[], 0).body.to_bytes()).unwrap();
    Body::Edit(crate::item::Edit { version: V1, body })
}

fn profile(name: &str) -> Draft {
    Draft::new(Body::Profile(Profile::named(Text::line(name).unwrap())))
}

fn has(world: &World, who: &str, garden: CommunityId, items: &[ItemId]) -> Vec<bool> {
    let readable = world.node(who).memory.readable(garden);
    items.iter().map(|id| readable.contains(id)).collect()
}

/// Whether soon two rounds between them cost no more than one question each way: then their sets are equal.
fn agree(world: &mut World, one: &str, other: &str) -> bool {
    let mut cost = || {
        let before = world.exchanged_frames(one, other);
        world.round();
        world.exchanged_frames(one, other) - before
    };
    // Keys that are renewed and members who are confirmed meanwhile cost more.
    (0..6).any(|_| (cost(), cost()) == (4, 4))
}

/// What comes of a question that a member asks who has proven who they are.
fn asked(world: &mut World, (who, of): (&str, &str), garden: CommunityId, ask: &Ask) -> Vec<Effect> {
    let (asker, asked) = (world.identity(who).peer.clone(), world.identity(of).peer.clone());
    let tag = world.node(who).engine.peers[&asked].tag_for(garden).expect("they have met");
    world.decide(of, Input::Asked { peer: asker, token: 7, request: Ok(ask(tag)) })
}

/// The answer to it.
fn answer(world: &mut World, pair: (&str, &str), garden: CommunityId, ask: &Ask) -> Response {
    let mut responses = asked(world, pair, garden, ask).into_iter().filter_map(|effect| match effect {
        Effect::Respond { response, .. } => Some(response),
        _ => None,
    });
    responses.next_back().expect("every question is answered")
}

type Ask = dyn Fn(CommunityTag) -> Request;

/// Every question that names an id.
fn by_name(id: AnyId) -> Vec<Box<Ask>> {
    let mut asks: Vec<Box<Ask>> = Vec::new();
    for set in [SetName::Items, SetName::Inner, SetName::Envelopes, SetName::Bundles, SetName::Blobs] {
        asks.push(Box::new(move |tag| Request::Fetch(tag, set, vec![id])));
        asks.push(Box::new(move |tag| Request::Bring(tag, set, vec![short(&id)], Vec::new())));
    }
    asks
}

/// Every question about a whole set, or what is near a place in it.
fn by_place((position, id): Place) -> Vec<Box<Ask>> {
    let near = [None, Some((position + 1, id)), Some((position, Bytes([0xff; 32]))), Some((u64::MAX, id))];
    let mut asks: Vec<Box<Ask>> = Vec::new();
    for set in [SetName::Items, SetName::Inner, SetName::Envelopes] {
        for after in near {
            let period = period(set, position);
            asks.push(Box::new(move |tag| Request::List(tag, set, period, after)));
            asks.push(Box::new(move |tag| Request::Take(tag, set, period, after)));
        }
        let one = Fingerprint(1, [1; 4]);
        asks.push(Box::new(move |tag| Request::Periods(tag, set)));
        asks.push(Box::new(move |tag| Request::Ids(tag, set, one, None)));
        for fingerprint in [one, Fingerprint::default()] {
            asks.push(Box::new(move |tag| Request::Compare(tag, vec![(set, fingerprint)], 0, 48)));
            asks.push(Box::new(move |tag| Request::Compare(tag, vec![(set, fingerprint)], 1_000, 9_000)));
        }
    }
    asks
}

/// Whether an answer shows an item: the item itself, its id, or a cell into which it alone fell. That others
/// name it as the one before them is no answer.
fn shows(response: &Response, memory: &Memory, id: ItemId) -> bool {
    let item = memory.item(id).unwrap().expect("it is there").to_bytes();
    let part = match response {
        Response::Take(..) | Response::Fetch(..) => item.as_slice(),
        _ => &short(&id.0).0,
    };
    response.to_bytes().windows(part.len()).any(|window| window == part)
}

#[test]
fn what_is_for_the_inner_circle_is_compared_with_no_guest() {
    // bob is a member, carol a guest
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world);
    admit(&mut world, "carol", garden, Role::Peripheral);
    world.stop("bob");
    let among_us: Vec<ItemId> = (0..40).map(|n| write(&mut world, "alice", garden, inner(&format!("{n}")))).collect();
    let edit = write(&mut world, "alice", garden, changing(among_us[0], edited("again")));
    world.start("bob");
    assert!(agree(&mut world, "alice", "carol"));
    assert!(agree(&mut world, "alice", "bob"));
    assert!(has(&world, "bob", garden, &among_us).into_iter().all(|has| has));
    assert!(has(&world, "carol", garden, &among_us).into_iter().all(|has| !has));
    // A change is for those who have what it changes.
    assert_eq!(["bob", "carol"].map(|who| has(&world, who, garden, &[edit])[0]), [true, false]);

    // A guest who becomes a member has it all, and a member who becomes a guest gets no more of it.
    let rule = |person, role| Command::Rule { community: garden, person, role, reason: Text::default() };
    world.command("alice", rule(world.person("carol"), Role::Member)).unwrap();
    world.command("alice", rule(world.person("bob"), Role::Peripheral)).unwrap();
    let later = write(&mut world, "alice", garden, inner("later"));
    assert!(agree(&mut world, "alice", "carol") && agree(&mut world, "alice", "bob"));
    assert!(has(&world, "carol", garden, &among_us).into_iter().all(|has| has));
    assert_eq!(["bob", "carol"].map(|who| has(&world, who, garden, &[later])[0]), [false, true]);
}

#[test]
fn nobody_is_asked_about_an_inner_circle_that_nobody_has_opened() {
    // An older node would not know what the question means.
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world);
    world.round();
    let compared = |world: &World| {
        let given = world.node("alice").engine.given(garden, world.person("bob"));
        world.node("alice").engine.compared(garden, given)
    };
    assert_eq!(compared(&world), [SetName::Operations, SetName::Items, SetName::Envelopes]);
    write(&mut world, "bob", garden, inner("between us"));
    world.round();
    assert_eq!(compared(&world), SetName::COMPARED);
}

#[test]
fn a_guest_who_asks_for_what_is_inner_gets_what_an_unknown_id_gets_by_every_question() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world);
    admit(&mut world, "carol", garden, Role::Peripheral);
    post(&mut world, "alice", garden, "for all", &[], 0);
    world.round();
    let unknown = Bytes([9; 32]);
    let around: Place = (world.now().0, unknown);
    let ask_all = |world: &mut World, asks: &[Box<Ask>]| -> Vec<Response> {
        asks.iter().map(|ask| answer(world, ("carol", "alice"), garden, ask)).collect()
    };
    let before = ask_all(&mut world, &by_place(around));
    let hidden: Vec<ItemId> = (0..3).map(|n| write(&mut world, "alice", garden, inner(&format!("{n}")))).collect();
    world.round();
    for id in &hidden {
        assert_eq!(ask_all(&mut world, &by_name(id.0)), ask_all(&mut world, &by_name(unknown)));
    }
    assert_eq!(ask_all(&mut world, &by_place(around)), before);
    // bob, who is a member, is given them.
    let mut shown: BTreeSet<ItemId> = BTreeSet::new();
    for ask in by_place((world.now().0, unknown)).iter().chain(&by_name(hidden[0].0)) {
        let response = answer(&mut world, ("bob", "alice"), garden, ask);
        shown.extend(hidden.iter().copied().filter(|id| shows(&response, world.node("alice").memory, *id)));
    }
    assert_eq!(shown.len(), hidden.len());
}

#[test]
fn an_offered_id_is_wanted_whether_it_is_held_back_or_unknown() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world);
    let old = post(&mut world, "alice", garden, "old", &[], 0);
    set_history(&mut world, garden, 0);
    admit(&mut world, "carol", garden, Role::Peripheral);
    let hidden = write(&mut world, "alice", garden, inner("hidden"));
    let new = post(&mut world, "alice", garden, "new", &[], 0);
    world.round();
    let mut wants = |id: AnyId| {
        let offer = move |tag| Request::Bring(tag, SetName::Items, Vec::new(), vec![short(&id)]);
        let effects = asked(&mut world, ("carol", "alice"), garden, &offer);
        let wanted = |effect: &Effect| matches!(effect, Effect::Ask { request: Request::Bring(_, SetName::Items, ids, _), .. } if *ids == [short(&id)]);
        let wants = effects.iter().any(wanted);
        // What it has asked is lost, or the next offer would wait behind it.
        world.stop("carol");
        world.start("carol");
        world.round();
        wants
    };
    assert_eq!([old.0, hidden.0, Bytes([9; 32]), new.0].map(&mut wants), [true, true, true, false]);
}

#[test]
fn who_comes_without_history_is_given_what_was_written_since_and_what_everybody_needs() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world);
    let old: Vec<ItemId> = (0..40).map(|n| post(&mut world, "bob", garden, &format!("old {n}"), &[], 0)).collect();
    let reply = write(&mut world, "bob", garden, Draft { re: List::new(vec![old[0]]).unwrap(), ..draft("re", &[], 0) });
    let known = write(&mut world, "bob", garden, profile("Bob"));
    let gone = write(&mut world, "alice", garden, profile("Alice"));
    let retraction = write(&mut world, "alice", garden, changing(gone, Body::Tombstone));
    let charter = world.node("alice").memory.charter(garden).unwrap().expect("a community is founded with one");
    set_history(&mut world, garden, 0);
    world.leap(40 * DAY_MS);
    admit(&mut world, "carol", garden, Role::Member);
    let late_edit = write(&mut world, "bob", garden, changing(old[1], edited("old, but told anew")));
    let late_reply =
        write(&mut world, "bob", garden, Draft { re: List::new(vec![old[2]]).unwrap(), ..draft("re", &[], 0) });
    let new: Vec<ItemId> = (0..40).map(|n| post(&mut world, "bob", garden, &format!("new {n}"), &[], 0)).collect();
    let edit = write(&mut world, "bob", garden, changing(new[0], edited("better")));
    let taken_back = write(&mut world, "bob", garden, changing(new[1], Body::Tombstone));
    // By gossip, and by comparison alone.
    for _ in 0..2 {
        for (one, other) in [("alice", "carol"), ("bob", "carol"), ("alice", "bob")] {
            assert!(agree(&mut world, one, other), "{one} and {other}");
        }
        assert!(has(&world, "carol", garden, &new).into_iter().all(|has| has));
        let given = [late_reply, edit, taken_back, known, gone, retraction, charter];
        assert_eq!(has(&world, "carol", garden, &given), [true; 7]);
        assert_eq!(has(&world, "carol", garden, &[reply, late_edit]), [false; 2]);
        assert!(has(&world, "carol", garden, &old).into_iter().all(|has| !has));
        assert!(has(&world, "bob", garden, &old).into_iter().all(|has| has));
        world.stop("carol");
        world.lose_gossip();
        world.start("carol");
    }

    // Two who came without history compare what the later one is given.
    world.stop("alice");
    let between = post(&mut world, "carol", garden, "between", &[], 0);
    assert!(agree(&mut world, "bob", "carol"));
    assert_eq!(has(&world, "bob", garden, &[between]), [true]);

    // When history is given again, it comes.
    world.start("alice");
    set_history(&mut world, garden, 1);
    assert!(agree(&mut world, "alice", "carol"));
    assert_eq!(has(&world, "carol", garden, &[reply, late_edit]), [true; 2]);
    assert!(has(&world, "carol", garden, &old).into_iter().all(|has| has));
}

#[test]
fn who_asks_for_what_was_before_them_gets_what_an_unknown_id_gets_by_every_question() {
    for role in [Role::Peripheral, Role::Member] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        let garden = garden(&mut world);
        let old: Vec<ItemId> = (0..3).map(|n| post(&mut world, "alice", garden, &format!("old {n}"), &[], 0)).collect();
        let edit = write(&mut world, "alice", garden, changing(old[0], edited("older")));
        let before = world.now().0;
        if role == Role::Member {
            // Guests are given none in any case.
            set_history(&mut world, garden, 0);
        }
        admit(&mut world, "carol", garden, role);
        let new = post(&mut world, "alice", garden, "new", &[], 0);
        let late = write(&mut world, "alice", garden, changing(old[1], Body::Tombstone));
        world.round();
        let unknown = Bytes([9; 32]);
        for id in [old[0], old[1], old[2], edit, late] {
            for (ask, of_unknown) in by_name(id.0).iter().zip(by_name(unknown)) {
                let pair = ("carol", "alice");
                assert_eq!(answer(&mut world, pair, garden, ask), answer(&mut world, pair, garden, &of_unknown));
            }
            for ask in by_place((before, unknown)).iter().chain(&by_place((0, unknown))) {
                let response = answer(&mut world, ("carol", "alice"), garden, ask);
                assert!(!shows(&response, world.node("alice").memory, id), "{role:?}");
            }
        }
        // The same questions do show what there is to those who are given it.
        let shown = |world: &mut World, who: &str, id: ItemId| {
            let asks = by_place((before, unknown)).into_iter().chain(by_name(id.0));
            let answers: Vec<Response> = asks.map(|ask| answer(world, (who, "alice"), garden, &ask)).collect();
            answers.iter().filter(|response| shows(response, world.node("alice").memory, id)).count()
        };
        assert!(shown(&mut world, "carol", new) >= 5);
        assert!(old.iter().all(|id| shown(&mut world, "bob", *id) >= 5), "{role:?}");
    }
}

#[test]
fn where_one_log_is_behind_a_comparison_ends_and_both_agree_later() {
    // carol has everything when history is ended while she is away; dave comes meanwhile.
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let garden = garden(&mut world);
    for n in 0..30 {
        post(&mut world, "alice", garden, &format!("old {n}"), &[], 0);
    }
    admit(&mut world, "carol", garden, Role::Member);
    world.stop("carol");
    set_history(&mut world, garden, 0);
    admit(&mut world, "dave", garden, Role::Member);
    let news = post(&mut world, "alice", garden, "news", &[], 0);
    world.lose_gossip();
    world.stop("alice");
    world.stop("bob");
    // dave alone knows of the change, carol alone has what was before.
    world.start("carol");
    let own = post(&mut world, "carol", garden, "from afar", &[], 0);
    assert!(agree(&mut world, "carol", "dave"));
    assert_eq!(has(&world, "carol", garden, &[news, own]), [true, true]);
    assert_eq!(has(&world, "dave", garden, &[news, own]), [true, true]);
    assert_eq!(world.node("dave").memory.readable(garden).len(), 2 + 1, "and the charter");
    world.start("alice");
    world.start("bob");
    for (one, other) in [("alice", "carol"), ("bob", "carol"), ("alice", "dave"), ("carol", "dave")] {
        assert!(agree(&mut world, one, other), "{one} and {other}");
    }
}

/// Sets over a garden of so many posts, and where they stand.
fn sets_of(world: &mut World, posts: usize) -> (CommunityId, Sets, Vec<Place>) {
    let garden = garden(world);
    for n in 0..posts {
        post(world, "alice", garden, &format!("{n}"), &[], 0);
        world.leap(1_000);
    }
    let mut sets = Sets::default();
    let memory = world.node("alice").memory;
    sets.load(garden, memory).unwrap();
    let all = (0, Position::MAX);
    let places = memory.places(garden, SetName::Items, all, None, true, usize::MAX).unwrap();
    (garden, sets, places)
}

#[test]
fn a_view_is_kept_up_to_date_as_things_come_and_go() {
    let mut world = World::of(&["alice", "bob"]);
    let (garden, mut sets, places) = sets_of(&mut world, 20);
    let memory = world.node("alice").memory;
    let since = places[10].0;
    let view = (garden, SetName::Items, since);
    let made = sets.view(view, memory).unwrap().clone();
    assert_eq!(made.fingerprint().count(), places.len() as u64 - 10);
    let come: Vec<Place> = (0..6u8).map(|n| (since - 3 + u64::from(n), Bytes([n; 32]))).collect();
    for (position, id) in &come {
        sets.add(garden, SetName::Items, *position, id);
    }
    sets.remove(garden, SetName::Items, places[12].0, &places[12].1);
    let changed = sets.view(view, memory).unwrap().clone();
    assert_eq!(changed.fingerprint().count(), made.fingerprint().count() + 3 - 1);
    // Made in the middle of an input, of which the ledger does not know yet, it is the same.
    let mut anew = Sets::default();
    anew.load(garden, memory).unwrap();
    for (position, id) in &come {
        anew.add(garden, SetName::Items, *position, id);
    }
    anew.remove(garden, SetName::Items, places[12].0, &places[12].1);
    let fresh = anew.with_cells(view, 5_000, memory).unwrap();
    let same = |one: &crate::reconcile::Summary| (one.fingerprint(), one.periods().clone(), one.sketch().cells(0, 900));
    assert_eq!(same(fresh), same(&changed));
}

#[test]
fn views_are_bounded_in_number_and_size_and_those_needed_last_stay() {
    let mut world = World::of(&["alice", "bob"]);
    let (garden, mut sets, places) = sets_of(&mut world, 2);
    let memory = world.node("alice").memory;
    let view = |number: usize| (garden, SetName::Items, places[0].0 + number as u64);
    around(limits::VIEWS, [limits::VIEWS - 1, limits::VIEWS, limits::VIEWS], |n| {
        let mut sets = Sets::default();
        for number in 0..n {
            sets.view(view(number), memory).unwrap();
        }
        sets.size_of_parts().0
    });
    // Sketches double: the last view takes what the others leave, or twice that.
    let each = limits::VIEW_CELLS / limits::VIEWS;
    around(limits::VIEW_CELLS, [limits::VIEWS, limits::VIEWS, limits::VIEWS - 1], |n| {
        let mut sets = Sets::default();
        let others = limits::VIEWS - 1;
        for number in 0..others {
            sets.with_cells(view(number), each, memory).unwrap();
        }
        sets.with_cells(view(others), n - others * each, memory).unwrap();
        assert_eq!(sets.size_of_parts().1, limits::VIEW_CELLS);
        sets.size_of_parts().0
    });
    for number in 0..limits::VIEWS + 50 {
        sets.view(view(number), memory).unwrap();
        sets.view(view(0), memory).unwrap();
    }
    assert_eq!(sets.size_of_parts(), (limits::VIEWS, limits::VIEWS * 1_024));
    assert!(sets.made(view(0)).is_some() && sets.made(view(1)).is_none());
    assert!(sets.made((garden, SetName::Items, 0)).is_some(), "whole sets stay");
    for number in 0..100 {
        let cells = sets.with_cells(view(number), usize::MAX, memory).unwrap().cells();
        assert!(cells >= limits::CELLS);
        assert!(sets.size_of_parts().1 <= limits::VIEW_CELLS, "{:?}", sets.size_of_parts());
    }
    assert!(sets.made(view(99)).is_some());
}

#[test]
fn no_response_is_longer_for_what_is_held_back() {
    // A guest asks for everything, and counts bytes.
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world);
    admit(&mut world, "carol", garden, Role::Peripheral);
    world.round();
    let all = [SetName::Items, SetName::Envelopes, SetName::Inner];
    let ask = move |tag| Request::Compare(tag, all.map(|set| (set, Fingerprint(1, [1; 4]))).to_vec(), 0, 48);
    let before = answer(&mut world, ("carol", "alice"), garden, &ask);
    for n in 0..50 {
        write(&mut world, "alice", garden, inner(&format!("{n}")));
    }
    let after = answer(&mut world, ("carol", "alice"), garden, &ask);
    assert_eq!(after, before);
    let Response::Compare(sets) = after else { panic!("{after:?}") };
    assert_eq!(sets[2].0, Fingerprint::default());
}
