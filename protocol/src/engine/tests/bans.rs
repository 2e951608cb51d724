//! Which refusals are strikes, and what strikes lead to.
//!
//! Always true: alice is the one who refuses; bob is a member and honest, and what a test says in his
//! name is handed to her engine as if it had come over the wire.

use std::collections::BTreeSet;

use super::{
    devices::tablet,
    story::{self, draft, post},
    world::World,
};
use crate::{
    authority::{Body, Operation, Role},
    bytes::{Blob, List},
    encoding::Malformed,
    engine::{
        CheckedCarry, CheckedGossip, Command, CommandRefusal, Effect, Event, Fetched, Input, Keep, Verdict,
        check_gossip,
    },
    id::{CommunityId, OpId},
    item::{Header, SignedItem},
    key::BadSignature,
    ledger::{Ban, Ledger as _},
    limits,
    link::Carry,
    reconcile::short,
    signed::{Unsound, Verified},
    testing::{Dice, around},
    time::{DAY_MS, Millis},
    wire::{AnyId, Fingerprint, Gossip, Request, Response, SetName},
};

/// A garden of alice and bob, who are connected.
pub(super) fn garden() -> (World, CommunityId) {
    let mut world = World::of(&["alice", "bob"]);
    let garden = story::garden(&mut world, &["bob"]);
    post(&mut world, "bob", garden, "hello", &[], 0);
    world.round();
    (world, garden)
}

pub(super) fn bob() -> Vec<u8> {
    b"bob".to_vec()
}

fn strikes(world: &World, peer: &str) -> usize {
    let behaviour = world.node("alice").engine.conduct().of(peer.as_bytes());
    behaviour.map_or(0, |behaviour| behaviour.strikes(world.now()))
}

fn bans(effects: &[Effect]) -> Vec<Ban> {
    effects.iter().filter_map(|e| if let Effect::Keep(Keep::Ban(ban)) = e { Some(ban.clone()) } else { None }).collect()
}

fn gossip(community: CommunityId, what: CheckedGossip) -> Input {
    Input::Gossip { peer: bob(), token: 1, gossip: Ok((community, what)) }
}

/// What bob wrote, signed again by him with something changed.
fn written(world: &World, garden: CommunityId, change: impl FnOnce(&mut Header)) -> Box<CheckedCarry> {
    let memory = world.node("bob").memory;
    let item = |id| memory.item(id).unwrap().unwrap().check().unwrap();
    let mut all = memory.readable(garden).into_iter().map(item);
    let item = all.find(|item| item.header.author == world.person("bob")).unwrap();
    let body = memory.body(&item).unwrap();
    let mut header = item.header;
    change(&mut header);
    let signed = SignedItem::seal(&header, &world.device("bob")).unwrap();
    Box::new(CheckedCarry::check(Carry::plain(signed, body)).unwrap())
}

/// A merge by bob, with something changed.
pub(super) fn operation(
    world: &World,
    garden: CommunityId,
    change: impl FnOnce(&mut Operation),
) -> Box<Verified<Operation>> {
    let standing = &world.node("bob").engine.communities()[&garden];
    let author = world.person("bob");
    let mut says = Operation {
        community: garden,
        author,
        auth: standing.state.grant(author, Role::Member).unwrap(),
        device: world.device("bob").public(),
        lamport: standing.log.next_lamport(),
        ts: world.now(),
        parents: List::new(standing.log.heads()).unwrap(),
        body: Body::Merge,
    };
    change(&mut says);
    Box::new(Verified::seal(says, &[&world.device("bob")]))
}

/// What alice asks bob in what was decided.
pub(super) fn asked(effects: &[Effect]) -> Option<(u64, &Request)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask { id, request, .. } => Some((*id, request)),
        _ => None,
    })
}

/// Alice compares with bob: her question, which nobody has answered.
fn question(world: &mut World) -> u64 {
    let effects = world.decide("alice", Input::Command(1_000, Command::Sync));
    match asked(&effects) {
        Some((id, Request::Compare(..))) => id,
        other => panic!("she compares with him: {other:?}"),
    }
}

/// Bob answers, and alice asks on.
pub(super) fn goes_on(world: &mut World, id: u64, response: Response) -> (u64, Request) {
    let effects = world.decide("alice", Input::Answered { peer: bob(), id, response: Ok(response) });
    let (id, request) = asked(&effects).expect("she asks on");
    (id, request.clone())
}

/// Fingerprints as if bob had others of everything, and no cells.
fn others() -> Response {
    Response::Compare(vec![(Fingerprint(9, [9; 4]), Blob::default()); 3])
}

/// The same, until alice asks for the periods of the log.
pub(super) fn periods(world: &mut World) -> u64 {
    let id = question(world);
    match goes_on(world, id, others()) {
        (id, Request::Periods(_, SetName::Operations)) => id,
        other => panic!("{other:?}"),
    }
}

/// The same, until she asks for what is missing of the first.
fn fetching(world: &mut World, wanted: AnyId) -> u64 {
    let id = periods(world);
    let (id, _) = goes_on(world, id, Response::Periods(vec![(0, Fingerprint(9, [9; 4]))]));
    match goes_on(world, id, Response::List(vec![short(&wanted)], None)) {
        (id, Request::Bring(_, SetName::Operations, ids, _)) if ids == [short(&wanted)] => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_honest_node_sends_is_a_strike() {
    type Case = (&'static str, fn(&mut World, CommunityId) -> Input);
    let cases: [Case; 16] = [
        ("truncated", |_, _| Input::Asked { peer: bob(), token: 1, request: Err(Malformed::Truncated) }),
        ("not_canonical", |_, _| Input::Gossip { peer: bob(), token: 1, gossip: Err(Malformed::NotCanonical.into()) }),
        ("bad_signature", |_, _| Input::Gossip { peer: bob(), token: 1, gossip: Err(BadSignature.into()) }),
        ("other_community", |world, garden| {
            let carry = written(world, garden, |header| header.community = CommunityId::new([1; 32]));
            gossip(garden, CheckedGossip::Carry(carry))
        }),
        ("bad_lamport", |world, garden| {
            gossip(garden, CheckedGossip::Operation(operation(world, garden, |says| says.lamport += 1)))
        }),
        ("malformed_response", |world, _| {
            let id = question(world);
            Input::Answered { peer: bob(), id, response: Err(Malformed::TooDeep) }
        }),
        ("not_asked_for", |world, _| {
            let id = question(world);
            Input::Answered { peer: bob(), id, response: Ok(Response::Fetch(SetName::Items, Vec::new())) }
        }),
        ("not_asked_for", |world, _| Input::AddressesAnswered { peer: bob(), id: question(world), lists: Vec::new() }),
        ("not_asked_for", |world, _| {
            let Response::Compare(mut sets) = others() else { unreachable!() };
            sets.pop();
            Input::Answered { peer: bob(), id: question(world), response: Ok(Response::Compare(sets)) }
        }),
        ("not_asked_for", |world, _| {
            let more = Blob::new(vec![0; 22 * 49]).unwrap();
            let response = Ok(Response::Compare(vec![(Fingerprint(9, [9; 4]), more); 3]));
            Input::Answered { peer: bob(), id: question(world), response }
        }),
        ("periods_out_of_order", |world, _| {
            let response = Ok(Response::Periods([2, 1].map(|number| (number, Fingerprint(2, [2; 4]))).to_vec()));
            Input::Answered { peer: bob(), id: periods(world), response }
        }),
        ("not_asked_for", |world, _| {
            let response = Ok(Response::Take(SetName::Operations, Vec::new(), None));
            Input::Answered { peer: bob(), id: periods(world), response }
        }),
        ("not_asked_for", |world, garden| {
            let id = fetching(world, crate::bytes::Bytes([7; 32]));
            let thing = Fetched::Operation(operation(world, garden, |_| {}));
            Input::Arrived { peer: bob(), id, thing: Box::new(thing) }
        }),
        ("bad_signature", |world, _| {
            let id = fetching(world, crate::bytes::Bytes([7; 32]));
            Input::Arrived { peer: bob(), id, thing: Box::new(Fetched::Refused(BadSignature.into())) }
        }),
        ("bad_lamport", |world, garden| {
            let operation = operation(world, garden, |says| says.lamport += 1);
            let id = fetching(world, OpId::from(operation.id()).0);
            Input::Arrived { peer: bob(), id, thing: Box::new(Fetched::Operation(operation)) }
        }),
        ("too_long", |_, _| Input::Misbehaved { peer: bob(), name: "too_long" }),
    ];
    for (name, make) in cases {
        let (mut world, garden) = garden();
        let input = make(&mut world, garden);
        let effects = world.decide("alice", input);
        assert!(effects.iter().any(|e| matches!(e, Effect::Tell(Event::Struck(told)) if *told == name)), "{name}");
        assert!(!effects.iter().any(|e| matches!(e, Effect::Keep(_))), "{name}: {effects:?}");
        assert_eq!(strikes(&world, "bob"), 1, "{name}");
        let behaviour = world.node("alice").engine.conduct().of(b"bob").unwrap();
        assert_eq!(behaviour.refused[name].count, 1, "{name}");
    }
}

#[test]
fn what_an_honest_node_may_send_is_no_strike() {
    type Case = (&'static str, fn(&mut World, CommunityId) -> Input);
    let cases: [Case; 11] = [
        ("a newer kind of operation", |_, _| Input::Gossip {
            peer: bob(),
            token: 1,
            gossip: Err(Unsound::Malformed(Malformed::NEWER)),
        }),
        ("an operation whose parents are not here", |world, garden| {
            let unknown = List::new(vec![OpId::new([5; 32])]).unwrap();
            gossip(garden, CheckedGossip::Operation(operation(world, garden, |says| says.parents = unknown)))
        }),
        ("an operation of tomorrow", |world, garden| {
            let tomorrow = world.now().after(DAY_MS);
            gossip(garden, CheckedGossip::Operation(operation(world, garden, |says| says.ts = tomorrow)))
        }),
        ("an item of tomorrow", |world, garden| {
            let tomorrow = world.now().after(DAY_MS);
            gossip(garden, CheckedGossip::Carry(written(world, garden, |header| header.ts = tomorrow)))
        }),
        ("an item that names heads which are not here", |world, garden| {
            let unknown = List::new(vec![OpId::new([5; 32])]).unwrap();
            gossip(garden, CheckedGossip::Carry(written(world, garden, |header| header.auth_heads = unknown)))
        }),
        ("an item that its author may not write", |world, garden| {
            let steward = crate::item::Kind(127);
            gossip(garden, CheckedGossip::Carry(written(world, garden, |header| header.kind = steward)))
        }),
        ("an item that is here", |world, garden| gossip(garden, CheckedGossip::Carry(written(world, garden, |_| {})))),
        ("a no", |world, _| {
            let no = Response::Refused(crate::text::Text::exact("unknown".to_owned()).unwrap());
            Input::Answered { peer: bob(), id: question(world), response: Ok(no) }
        }),
        ("silence", |world, _| Input::Unanswered { peer: bob(), id: question(world) }),
        ("an answer that came too late", |_, _| {
            let response = Ok(Response::Fetch(SetName::Items, Vec::new()));
            Input::Answered { peer: bob(), id: 77_777, response }
        }),
        ("what was asked for", |world, garden| {
            let operation = operation(world, garden, |_| {});
            let id = fetching(world, OpId::from(operation.id()).0);
            Input::Arrived { peer: bob(), id, thing: Box::new(Fetched::Operation(operation)) }
        }),
    ];
    for (what, make) in cases {
        let (mut world, garden) = garden();
        let input = make(&mut world, garden);
        let effects = world.decide("alice", input);
        assert!(!effects.iter().any(|e| matches!(e, Effect::Tell(Event::Struck(_)))), "{what}");
        assert_eq!(strikes(&world, "bob"), 0, "{what}");
    }
}

#[test]
fn three_strikes_make_a_ban_that_ends_in_time_and_is_longer_each_time() {
    // eve (hostile) ── alice
    let mut world = World::of(&["alice"]);
    let connected = |world: &World| world.node("alice").engine.connected_peers().iter().any(|(peer, _)| peer == b"eve");
    let mut spans = Vec::new();
    for _ in 0..10 {
        world.arrive("eve", "alice");
        for sent in 1..=3 {
            assert!(connected(&world), "before strike {sent}");
            assert_eq!(strikes(&world, "eve"), sent - 1);
            world.send_bytes("eve", "alice", vec![0xff; 9]);
        }
        assert!(!connected(&world));
        let now = world.now();
        let ban = world.node("alice").engine.conduct().ban(b"eve", now).cloned().expect("banned");
        assert_eq!(world.node("alice").events.last(), Some(&Event::Banned(b"eve".to_vec(), ban.until)));
        spans.push(ban.until.since(now));
        // Nothing of hers is let in until the last moment, not even by a node that has started anew.
        world.arrive("eve", "alice");
        assert!(!connected(&world));
        world.start("alice");
        world.leap(ban.until.since(world.now()) - 1);
        world.arrive("eve", "alice");
        assert!(!connected(&world));
        let kept = world.node("alice").memory.bans().unwrap();
        assert_eq!((kept.len(), kept[0].until), (1, ban.until));
        world.pass(1);
    }
    let minutes = [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440];
    assert_eq!(spans, minutes.map(|minutes: u64| minutes * 60_000));
}

#[test]
fn the_third_strike_is_a_ban_and_no_earlier_one() {
    around(limits::STRIKES, [0, 1, 1], |n| {
        let (mut world, _) = garden();
        for _ in 0..n {
            world.decide("alice", Input::Misbehaved { peer: bob(), name: "too_long" });
        }
        world.node("alice").engine.conduct().bans(world.now()).count()
    });
}

#[test]
fn what_still_comes_from_a_banned_peer_is_not_looked_at() {
    let (mut world, garden) = garden();
    let fresh = gossip(garden, CheckedGossip::Operation(operation(&world, garden, |_| {})));
    for _ in 0..limits::STRIKES {
        world.decide("alice", Input::Misbehaved { peer: bob(), name: "too_long" });
    }
    let judged = world.decide("alice", fresh);
    assert!(matches!(judged[..], [Effect::Judge { token: 1, verdict: Verdict::Ignore }]), "{judged:?}");
    let hello = Ok(Request::Hello(crate::bytes::Bytes([1; 32])));
    assert!(world.decide("alice", Input::Asked { peer: bob(), token: 2, request: hello }).is_empty());
    // The network may not have heard of the ban.
    let connected = world.decide("alice", Input::Connected(bob()));
    assert!(matches!(&connected[..], [Effect::Ban(peer)] if *peer == bob()), "{connected:?}");
    assert!(world.node("alice").engine.connected_peers().is_empty());
    assert!(world.decide("alice", Input::Misbehaved { peer: bob(), name: "too_long" }).is_empty());
}

#[test]
fn a_banned_member_is_not_dialled_and_their_ban_can_be_taken_back() {
    // alice ── bob
    let (mut world, garden) = garden();
    assert_eq!(world.command("alice", Command::Unban(bob())), Err(CommandRefusal::NotBanned));
    world.command("alice", Command::Ban(bob())).unwrap();
    world.pass(3 * DAY_MS / 24);
    let is_connected = |world: &World| !world.node("alice").engine.connected_peers().is_empty();
    assert!(!is_connected(&world));
    let missed = post(&mut world, "bob", garden, "unheard", &[], 0);
    let dials = world.decide("alice", Input::Command(1, Command::Sync));
    assert!(!dials.iter().any(|effect| matches!(effect, Effect::Dial { peer, .. } if *peer == bob())));
    assert!(!world.node("alice").memory.readable(garden).contains(&missed));
    world.command("alice", Command::Unban(bob())).unwrap();
    world.round();
    assert!(is_connected(&world) && world.node("alice").memory.readable(garden).contains(&missed));
    assert!(world.node("alice").memory.bans().unwrap().is_empty());
}

#[test]
fn a_device_of_ones_own_is_never_banned() {
    // tablet ── alice
    let mut world = World::of(&["alice"]);
    tablet(&mut world);
    let tablet = b"tablet".to_vec();
    for _ in 0..5 {
        let effects = world.decide("alice", Input::Misbehaved { peer: tablet.clone(), name: "too_long" });
        assert!(bans(&effects).is_empty());
    }
    assert_eq!(strikes(&world, "tablet"), limits::STRIKES);
    for own in [tablet, b"alice".to_vec()] {
        assert_eq!(world.command("alice", Command::Ban(own)), Err(CommandRefusal::OwnDevice));
    }
}

#[test]
fn of_ten_thousand_changed_items_none_is_kept_and_every_third_bans_its_sender() {
    const MUTANTS: usize = 10_000;
    let (mut world, garden) = garden();
    let Ok(_) = world.command("bob", Command::Write { communities: vec![garden], draft: draft("x", &["a"], 0) }) else {
        panic!("he is a member")
    };
    let memory = world.node("bob").memory;
    let items: BTreeSet<_> = memory.readable(garden);
    let carries: Vec<Vec<u8>> = items
        .iter()
        .map(|id| {
            let signed = memory.item(*id).unwrap().unwrap();
            let body = memory.body(&signed.clone().check().unwrap()).unwrap();
            Gossip::Carry(Box::new(Carry::plain(signed, body))).to_bytes()
        })
        .collect();
    let key = world.node("alice").engine.communities()[&garden].listening_keys()[0].clone();
    let topic = key.topic();
    let (mut dice, mut sound, mut banned, mut senders) = (Dice::new(7), 0, 0, 0);
    let mut sender = None;
    for number in 0..MUTANTS {
        let peer: Vec<u8> = match sender.take() {
            Some(peer) => peer,
            None => {
                senders += 1;
                let peer = format!("mallory {number}").into_bytes();
                world.decide("alice", Input::Connected(peer.clone()));
                peer
            }
        };
        let original = dice.pick(&carries).unwrap().clone();
        let changed = mutant(&original, &mut dice);
        let checked = check_gossip(&key.seal(&changed, topic.as_bytes()), &key, &topic);
        let is_sound = checked.is_ok();
        let gossip = checked.map(|gossip| (garden, gossip));
        let effects = world.decide("alice", Input::Gossip { peer: peer.clone(), token: 1, gossip });
        let kept = effects
            .iter()
            .any(|e| matches!(e, Effect::Keep(keep) if !matches!(keep, Keep::Ban(_) | Keep::Forgiven(_))));
        assert!(!kept, "{effects:?}");
        let verdict =
            effects.iter().find_map(|e| if let Effect::Judge { verdict, .. } = e { Some(*verdict) } else { None });
        if is_sound {
            // The change undid itself, or took the body away: nothing that anybody would lack.
            sound += 1;
            assert_eq!(verdict, Some(Verdict::Ignore));
        } else {
            assert_eq!(verdict, Some(Verdict::Reject));
        }
        if bans(&effects).is_empty() {
            sender = Some(peer);
        } else {
            banned += 1;
        }
    }
    assert_eq!(world.node("alice").memory.readable(garden), items);
    assert_eq!(banned, (MUTANTS - sound) / limits::STRIKES);
    assert_eq!(senders, banned + usize::from(sender.is_some()));
    assert!(sound * 20 < MUTANTS, "{sound} of {MUTANTS} were sound");
}

/// One small change: a bit, a byte, a piece cut out, doubled, or cut off.
fn mutant(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = dice.below(bytes.len());
    let until = at + 1 + dice.below(bytes.len() - at);
    match dice.below(5) {
        0 => changed[at] ^= 1 << dice.below(8),
        1 => changed[at] = dice.draw().to_le_bytes()[0],
        2 => drop(changed.drain(at..until)),
        3 => drop(changed.splice(at..at, bytes[at..until].iter().copied())),
        _ => changed.truncate(at),
    }
    changed
}

#[test]
fn a_clock_that_was_ahead_does_not_lengthen_a_ban() {
    let mut world = World::of(&["alice"]);
    world.arrive("eve", "alice");
    for _ in 0..limits::STRIKES {
        world.decide("alice", Input::Misbehaved { peer: b"eve".to_vec(), name: "too_long" });
    }
    let conduct = world.node("alice").engine.conduct().clone();
    let ban = conduct.bans(world.now()).next().unwrap().clone();
    let early = Millis(ban.until.0 - 9 * DAY_MS);
    let loaded = crate::engine::Conduct::load(vec![ban], early);
    assert_eq!(loaded.bans(early).next().unwrap().until, early.after(limits::BAN_LONGEST_MS));
}
