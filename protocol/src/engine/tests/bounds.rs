//! Bounds that an engine keeps, looked at from both sides: commands, chores, and what strangers ask.

use super::{
    devices::{code, pair},
    story::{found, garden, invite, join, role},
    world::World,
};
use crate::{
    authority::{Body, Role},
    bytes::{Blob, Bytes},
    engine::{
        Answer, Command, CommandRefusal, Event, Standing,
        bundles::{Author, bundle},
        chores::Chore,
    },
    epoch::{Scope, SealingKey},
    hello::{PairRequest, Transcript},
    id::CommunityId,
    invite::InviteKey,
    key::SecretKey,
    limits,
    link::{Direction, RelayRefusal},
    pairing::PairingCode,
    testing::{Actor, FIRST, Scene, alice, around, link_terms, up_to},
    text::Text,
    time::{DAY_MS, Millis},
    wire::{Request, Response},
};

fn out() -> Direction {
    Direction::Out { min_author_role: Role::Member }
}

/// Alice, in all but one of so many communities.
fn nearly_in(world: &mut World, communities: usize) {
    while world.node("alice").engine.communities().len() < communities - 1 {
        found(world, "alice", "garden");
    }
}

#[test]
fn a_node_is_in_so_many_communities_and_no_more() {
    up_to(limits::COMMUNITIES, CommandRefusal::TooManyCommunities, |n| {
        let mut world = World::of(&["alice"]);
        nearly_in(&mut world, n);
        let name = Text::line("library").unwrap();
        world.command("alice", Command::CreateCommunity { name, domain: Text::default(), parent: None })
    });
    up_to(limits::COMMUNITIES, CommandRefusal::TooManyCommunities, |n| {
        let mut world = World::of(&["alice", "bob"]);
        let library = found(&mut world, "bob", "library");
        let key = invite(&mut world, "bob", library, 1);
        nearly_in(&mut world, n);
        join(&mut world, "alice", &key)
    });
}

#[test]
fn a_link_lives_for_half_a_year_at_most() {
    let refusal = CommandRefusal::Field("a link lives for 180 days at most");
    up_to(limits::LINK_LIFE_MS, refusal, |life_ms| {
        let mut world = World::of(&["alice"]);
        let garden = found(&mut world, "alice", "garden");
        let mut terms = link_terms(out(), CommunityId::new([9; 32]), alice());
        // A command is given a millisecond later.
        terms.not_after = world.now().after(1 + life_ms);
        world.command("alice", Command::Link(garden, terms))
    });
}

#[test]
fn a_path_of_grants_that_receivers_do_not_follow_is_not_sent() {
    up_to(limits::PATH_DEPTH, RelayRefusal::BadProof, |grants| {
        let mut scene = Scene::founded_by(&[alice()]);
        let (mut by, mut grant) = (alice().clone(), FIRST);
        for number in 0..grants {
            let next = Actor::numbered(u32::try_from(number).unwrap());
            scene.add(scene.pen(alice(), FIRST).take_in(&next, Role::Member));
            grant = scene.grant(scene.pen(&by, grant).rule(&next, Role::Steward));
            by = next;
        }
        let link = scene.add(scene.pen(&by, grant).link(link_terms(out(), CommunityId::new([9; 32]), &by)));
        let me = (alice().person(), alice().device.public());
        let mut standing = Standing::new(scene.log.community().clone(), me);
        standing.log = scene.log;
        standing.evaluate();
        let bundle = bundle(&standing, link, (alice().person(), Author::AsLinked))?;
        Ok(bundle.check().unwrap().link(link).cloned().expect("what is sent is followed"))
    });
}

#[test]
fn a_bundle_shows_so_many_endings_of_its_link() {
    let most = limits::BUNDLE_ENDS;
    around(limits::BUNDLE_ENDS, [most - 1, most, most], |ends| {
        let mut scene = Scene::founded_by(&[alice()]);
        let terms = link_terms(out(), CommunityId::new([9; 32]), alice());
        let link = scene.add(scene.pen(alice(), FIRST).link(terms));
        for _ in 0..ends {
            scene.add(scene.pen(alice(), FIRST).end_link(link));
        }
        let me = (alice().person(), alice().device.public());
        let mut standing = Standing::new(scene.log.community().clone(), me);
        standing.log = scene.log;
        standing.evaluate();
        let bundle = bundle(&standing, link, (alice().person(), Author::Steward)).unwrap();
        bundle.check().unwrap().ends(link, me).len()
    });
}

/// When the newest operation that is so was signed.
fn signed_at(world: &World, who: &str, garden: CommunityId, is: impl Fn(&Body) -> bool) -> Millis {
    let standing = &world.node(who).engine.communities()[&garden];
    standing.log.operations().filter(|place| is(&place.operation.body)).map(|place| place.operation.ts).max().unwrap()
}

#[test]
fn an_epoch_is_to_be_renewed_after_thirty_days() {
    let mut world = World::of(&["alice"]);
    let garden = found(&mut world, "alice", "garden");
    let begun = signed_at(&world, "alice", garden, |body| matches!(body, Body::Epoch(_)));
    around(limits::EPOCH_MS, [false, false, true], |span_ms| {
        let chores = world.node("alice").engine.chores_of(begun.after(span_ms), garden);
        chores.contains(&Chore::Epoch(Scope::All))
    });
}

#[test]
fn a_leave_that_nobody_has_heard_of_is_told_for_thirty_days() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world, &["bob"]);
    world.stop("alice");
    world.command("bob", Command::Leave(garden)).unwrap();
    let left = signed_at(&world, "bob", garden, |body| matches!(body, Body::Leave));
    around(limits::LEAVE_TOLD_MS, [true, false, false], |span_ms| {
        world.node("bob").engine.communities()[&garden].has_untold_leave(left.after(span_ms))
    });
}

#[test]
fn a_pairing_code_is_good_for_ten_minutes() {
    around(limits::PAIRING_MS, [true, true, false], |span_ms| {
        let mut world = World::of(&["alice"]);
        let code = code(&mut world, "alice");
        world.leap(span_ms);
        pair(&mut world, "alice", &code, "tablet").is_some()
    });
}

#[test]
fn sixty_are_let_in_by_one_node_in_a_day() {
    let newcomers: Vec<String> = (0..=limits::ADMISSIONS_PER_DAY).map(|number| format!("p{number}")).collect();
    let mut world = World::of(&["alice"]);
    let garden = found(&mut world, "alice", "garden");
    let key = invite(&mut world, "alice", garden, 100);
    // The day is as young as can be.
    world.leap(DAY_MS - world.now().0 % DAY_MS);
    let mut admitted = Vec::new();
    for name in &newcomers {
        world.add_new(name);
        join(&mut world, name, &key).unwrap();
        admitted.push(role(&world, "alice", garden, name) == Role::Member);
        let busy = Event::JoinRefused(garden, "busy".to_owned());
        assert_ne!(world.node(name).events.contains(&busy), admitted[admitted.len() - 1]);
        world.stop(name);
    }
    around(limits::ADMISSIONS_PER_DAY, [true, true, false], |n| admitted[n - 1]);
}

/// Somebody connects to alice and says hello.
fn hello(world: &mut World, name: &str) -> Transcript {
    world.arrive(name, "alice");
    let nonce = [9; 32];
    let Response::Hello(theirs) = world.ask_as(name, "alice", &Request::Hello(Bytes(nonce))) else { panic!() };
    Transcript::new((name.as_bytes(), &nonce), (b"alice", &theirs.0))
}

/// They ask for something that nobody gives them.
fn ask_in_vain(world: &mut World, name: &str) {
    let answer = world.ask_as(name, "alice", &Request::Restore(Bytes([7; 16]), Blob::default()));
    assert!(matches!(answer, Response::Refused(_)), "{answer:?}");
}

/// How often alice has counted that she did not look.
fn counted(world: &World) -> usize {
    world.node("alice").events.iter().filter(|event| **event == Event::Refused("vain_asks")).count()
}

/// Whether it is looked at when they show a pairing code that is good.
fn is_looked_at(world: &mut World, name: &str, transcript: &Transcript, code: &str) -> bool {
    let code = PairingCode::from_text(code).unwrap();
    let sealing = SealingKey::new([2; 32]);
    let sealed = PairRequest::seal(transcript, code.secret(), &SecretKey::new(&[1; 32]), sealing.public());
    let request = Request::Pair(transcript.pair_tag(code.secret()), Blob::new(sealed).unwrap());
    matches!(world.ask_as(name, "alice", &request), Response::Pair(_))
}

#[test]
fn who_asked_too_often_in_vain_is_not_looked_at_on_that_connection() {
    around(limits::VAIN_ASKS, [true, false, false], |n| {
        let mut world = World::of(&["alice"]);
        let code = code(&mut world, "alice");
        let transcript = hello(&mut world, "eve");
        (0..n).for_each(|_| ask_in_vain(&mut world, "eve"));
        let before = counted(&world);
        assert_eq!(before, usize::try_from(n.saturating_sub(limits::VAIN_ASKS)).unwrap());
        let is_looked_at = is_looked_at(&mut world, "eve", &transcript, &code);
        assert_eq!(counted(&world) - before, usize::from(!is_looked_at));
        is_looked_at
    });
}

#[test]
fn when_all_have_asked_too_often_in_vain_nobody_is_looked_at_until_the_next_minute() {
    around(limits::VAIN_ASKS_PER_MINUTE, [true, false, false], |n| {
        let mut world = World::of(&["alice"]);
        world.leap(60_000 - world.now().0 % 60_000);
        let code = code(&mut world, "alice");
        for asked in 0..n {
            if asked % limits::VAIN_ASKS == 0 {
                hello(&mut world, "eve");
            }
            ask_in_vain(&mut world, "eve");
        }
        let transcript = hello(&mut world, "tablet");
        let at_once = is_looked_at(&mut world, "tablet", &transcript, &code);
        world.leap(60_000);
        let transcript = hello(&mut world, "tablet");
        // The code is good once.
        assert_ne!(is_looked_at(&mut world, "tablet", &transcript, &code), at_once);
        at_once
    });
}

#[test]
fn an_invite_has_a_hundred_uses_at_most() {
    let key = |uses| {
        let mut world = World::of(&["alice"]);
        let garden = found(&mut world, "alice", "garden");
        let command = Command::Invite { community: garden, role: Role::Member, uses, life_ms: DAY_MS, only: None };
        world.command("alice", command).map(|answer| match answer {
            Answer::Invite(_, key) => InviteKey::from_text(&key).unwrap().cert.value.max_uses,
            other => panic!("{other:?}"),
        })
    };
    let refusal = CommandRefusal::Field("an invite has 1 to 100 uses (I1)");
    up_to(limits::INVITE_USES, refusal, key);
}
