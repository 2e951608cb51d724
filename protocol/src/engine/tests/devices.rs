//! A person's devices: pairing, revoking, coming back with the words.

use super::{
    story::{found, invite, join, post, role},
    world::World,
};
use crate::{
    authority::Role,
    bytes::{Blob, Bytes},
    encoding::decode,
    engine::{Answer, Command, CommandRefusal, Identity, NextKey},
    epoch::SealingKey,
    hello::{PairRequest, Paired, Transcript},
    id::CommunityId,
    key::SecretKey,
    limits,
    pairing::PairingCode,
    person::{Caps, Ladder},
    signed::Verified,
    time::Millis,
    wire::{Request, Response},
};

/// What a new device does with a pairing code, and what it is given.
pub(super) fn pair(world: &mut World, with: &str, code: &str, name: &str) -> Option<(Paired, Identity)> {
    let code = PairingCode::from_text(code).unwrap();
    let derived = |what: &str| *blake3::hash(format!("{name} {what}").as_bytes()).as_bytes();
    let (device, sealing) = (SecretKey::new(&derived("device")), SealingKey::new(derived("sealing")));
    let peer = name.as_bytes().to_vec();
    world.arrive(name, with);
    let nonce = [9; 32];
    let Response::Hello(theirs) = world.ask_as(name, with, &Request::Hello(Bytes(nonce))) else { panic!() };
    let transcript = Transcript::new((&peer, &nonce), (with.as_bytes(), &theirs.0));
    let sealed = PairRequest::seal(&transcript, code.secret(), &device, sealing.public());
    let request = Request::Pair(transcript.pair_tag(code.secret()), Blob::new(sealed).unwrap());
    let Response::Pair(paired) = world.ask_as(name, with, &request) else { return None };
    let bytes = transcript.pair_key(code.secret()).open(paired.as_slice(), &[]).unwrap();
    let paired: Paired = decode(&bytes, limits::RESPONSE_BYTES).unwrap();
    let identity = Identity {
        key: None,
        device,
        sealing,
        record: paired.record.clone(),
        name: paired.name.clone(),
        peer,
        restoring: false,
    };
    Some((paired, identity))
}

pub(super) fn code(world: &mut World, who: &str) -> String {
    match world.command(who, Command::Pair) {
        Ok(Answer::PairingCode(code, _)) => code,
        other => panic!("{other:?}"),
    }
}

/// Alice's second device, in everything that alice is in.
pub(super) fn tablet(world: &mut World) {
    let code = code(world, "alice");
    let (paired, identity) = pair(world, "alice", &code, "tablet").unwrap();
    world.add("tablet", identity);
    world.command("tablet", Command::TakeOver(Box::new(paired.mine))).unwrap();
    world.connect("tablet", "alice");
    world.pass(60_000);
}

fn garden(world: &mut World) -> CommunityId {
    let garden = found(world, "alice", "garden");
    let key = invite(world, "alice", garden, 1);
    join(world, "bob", &key).unwrap();
    world.round();
    garden
}

#[test]
fn a_second_device_is_in_everything_and_the_own_space_syncs_between_the_two() {
    // tablet ── alice ── bob
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world);
    let mine = world.node("alice").engine.own_space().unwrap();
    let private = post(&mut world, "alice", mine, "private", &[], 0);
    let shared = post(&mut world, "bob", garden, "shared", &[], 0);
    tablet(&mut world);
    assert_eq!(world.node("tablet").engine.own_space(), Some(mine));
    assert!(world.node("tablet").memory.readable(mine).contains(&private));
    assert!(world.node("tablet").memory.readable(garden).contains(&shared));
    let own = post(&mut world, "tablet", mine, "from the tablet", &[], 0);
    let out = post(&mut world, "tablet", garden, "to the garden", &[], 0);
    world.pass(60_000);
    assert!(world.node("alice").memory.readable(mine).contains(&own));
    assert!(world.node("bob").memory.readable(garden).contains(&out));
    assert!(!world.node("bob").engine.communities().contains_key(&mine), "nobody else has it");
    // A community that the first device joins later.
    let library = found(&mut world, "bob", "library");
    let key = invite(&mut world, "bob", library, 1);
    join(&mut world, "alice", &key).unwrap();
    world.pass(90_000);
    assert_eq!(role(&world, "tablet", library, "alice"), Role::Member);
    // The second one has no identity key.
    let key = invite(&mut world, "bob", library, 1);
    assert_eq!(join(&mut world, "tablet", &key).unwrap_err(), CommandRefusal::AlreadyMember);
    assert_eq!(world.command("tablet", Command::Pair).unwrap_err(), CommandRefusal::NoIdentityKey);
}

#[test]
fn a_pairing_code_is_good_once_and_for_ten_minutes() {
    let mut world = World::of(&["alice", "bob"]);
    let first = code(&mut world, "alice");
    assert!(pair(&mut world, "alice", &first, "one").is_some());
    assert!(pair(&mut world, "alice", &first, "two").is_none(), "once");
    let second = code(&mut world, "alice");
    assert!(pair(&mut world, "alice", &first, "two").is_none(), "a later code does not revive it");
    assert!(pair(&mut world, "bob", &second, "two").is_none(), "another's node");
    world.leap(limits::PAIRING_MS + 1);
    assert!(pair(&mut world, "alice", &second, "two").is_none(), "too late");
    let third = code(&mut world, "alice");
    world.leap(limits::PAIRING_MS - 1000);
    assert!(pair(&mut world, "alice", &third, "two").is_some());
}

#[test]
fn a_revoked_device_reads_and_writes_nothing_more_anywhere() {
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world);
    tablet(&mut world);
    let mine = world.node("alice").engine.own_space().unwrap();
    let before = post(&mut world, "tablet", garden, "before", &[], 0);
    world.round();
    let device = world.device("tablet").public();
    let revoke = Command::RevokeDevices { devices: vec![device], since: None, next: None };
    world.cut("tablet", "alice");
    world.cut("tablet", "bob");
    world.command("alice", revoke).unwrap();
    let late = post(&mut world, "tablet", garden, "after", &[], 0);
    let (secret, shared) =
        (post(&mut world, "alice", mine, "private", &[], 0), post(&mut world, "bob", garden, "new", &[], 0));
    world.heal();
    world.connect("tablet", "bob");
    world.connect("tablet", "alice");
    world.pass(120_000);
    for name in ["alice", "bob"] {
        let readable = world.node(name).memory.readable(garden);
        assert!(readable.contains(&before) && !readable.contains(&late), "{name}");
    }
    assert!(!world.node("tablet").memory.readable(garden).contains(&shared));
    assert!(!world.node("tablet").memory.readable(mine).contains(&secret));
    let again = Command::RevokeDevices { devices: vec![device], since: None, next: None };
    assert_eq!(world.command("alice", again).unwrap_err(), CommandRefusal::NoDevice);
}

/// Alice on a new machine, with nothing but her words.
fn restored(world: &World, rung: u8) -> Identity {
    let ladder = Ladder::new(*blake3::hash(b"alice").as_bytes());
    let old = world.identity("alice");
    let derived = |what: &str| *blake3::hash(format!("laptop {what}").as_bytes()).as_bytes();
    let (device, sealing) = (SecretKey::new(&derived("device")), SealingKey::new(derived("sealing")));
    let record = next_record(&ladder, rung, device.public(), sealing.public());
    let (name, peer) = (old.name.clone(), b"laptop".to_vec());
    Identity { key: Some(ladder.key(rung)), device, sealing, record, name, peer, restoring: true }
}

fn next_record(
    ladder: &Ladder,
    rung: u8,
    device: crate::key::PublicKey,
    kem: Bytes<32>,
) -> crate::person::PersonRecord {
    let mut record = ladder.record(device, kem, Millis(2));
    let reveals = (0..=rung).map(|i| crate::person::Reveal::seal(ladder.person(), i, &ladder.key(i)).signed);
    record.reveals = crate::bytes::List::new(reveals.collect()).unwrap();
    let cert: Verified<_> = ladder.certify(rung, device, kem, Caps::ALL, Millis(2));
    record.devices = crate::bytes::List::new(vec![cert.signed, record.devices[1].clone()]).unwrap();
    record
}

#[test]
fn with_the_words_alone_somebody_is_back_where_they_were_a_member() {
    // alice's machine is gone; bob is there
    let mut world = World::of(&["alice", "bob"]);
    let garden = garden(&mut world);
    let text = post(&mut world, "alice", garden, "from the old laptop", &[], 0);
    world.stop("alice");
    let identity = restored(&world, 0);
    world.add("laptop", identity);
    world.connect("laptop", "bob");
    world.pass(90_000);
    assert_eq!(role(&world, "laptop", garden, "alice"), Role::Steward);
    assert!(world.node("laptop").memory.readable(garden).contains(&text));
    let new = post(&mut world, "laptop", garden, "from the new one", &[], 0);
    world.pass(60_000);
    assert!(world.node("bob").memory.readable(garden).contains(&new), "the new device is certified");
    // The lost one is revoked; the new one may let people in then (D4b).
    let device = world.device("alice").public();
    let revoke = Command::RevokeDevices { devices: vec![device], since: None, next: None };
    world.command("laptop", revoke).unwrap();
    world.pass(60_000);
    let at_bob = &world.node("bob").engine.communities()[&garden].state;
    assert!(at_bob.device(world.person("alice"), device).is_none());
    let laptop = world.device("laptop").public();
    let cert = at_bob.device(world.person("alice"), laptop).unwrap();
    assert!(cert.caps.include(Caps::ADMIT));
}

#[test]
fn a_thief_with_the_old_key_is_shut_out_by_the_next_one() {
    // 11.8 between nodes: the thief holds alice's laptop and key 0, and acts; alice has her words
    let mut world = World::of(&["alice", "bob", "carol"]);
    let garden = garden(&mut world);
    let key = invite(&mut world, "alice", garden, 1);
    join(&mut world, "carol", &key).unwrap();
    world.round();
    let theft = world.now().after(1);
    let rule = Command::Rule {
        community: garden,
        person: world.person("bob"),
        role: Role::None,
        reason: crate::text::Text::default(),
    };
    world.command("alice", rule).unwrap();
    let fake = post(&mut world, "alice", garden, "alice is a thief now", &[], 0);
    world.round();
    world.stop("alice");
    let identity = restored(&world, 0);
    world.add("laptop", identity);
    world.connect("laptop", "carol");
    world.pass(60_000);
    let next = restored(&world, 1);
    let next = NextKey { key: next.key.unwrap(), record: next.record };
    let devices = vec![world.device("alice").public()];
    let command = Command::RevokeDevices { devices, since: Some(theft), next: Some(Box::new(next)) };
    world.command("laptop", command).unwrap();
    world.pass(120_000);
    for name in ["laptop", "carol"] {
        assert_eq!(role(&world, name, garden, "bob"), Role::Member, "{name}: the removal is void");
        assert!(!world.node(name).memory.readable(garden).contains(&fake), "{name}");
        assert_eq!(role(&world, name, garden, "alice"), Role::Steward);
    }
    let own = post(&mut world, "laptop", garden, "it is me again", &[], 0);
    world.pass(60_000);
    assert!(world.node("carol").memory.readable(garden).contains(&own));
    // Somebody with the old words' first key comes back to nothing.
    let mut thief = restored(&world, 0);
    thief.peer = b"thief".to_vec();
    world.add("thief", thief);
    world.connect("thief", "carol");
    world.pass(60_000);
    assert!(!world.node("thief").engine.communities().contains_key(&garden));
}
