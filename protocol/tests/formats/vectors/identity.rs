//! A person from the words up: the ladder, reveals, device certificates, the record.

use hearth_protocol::{
    bytes::Bytes,
    encoding::V1,
    id::{Context, hash},
    invite::Join,
    key::SecretKey,
    person::{Caps, PersonRecord, Reveal},
    signed::{Payload as _, Signed},
    time::LAST,
};

use super::{File, Json, hex, object};
use crate::{
    cast::{BEGIN, at, list, signed_by, text},
    cbor::{Node, replaced},
    story::WORLD,
};

pub(super) fn file() -> File {
    let about = "Everything of a person derives from 32 bytes of entropy, which the 24 words spell (BIP 39, English). Device and sealing \
                 keys do not: they are random, and fixed here. `ladder` lists what derives.";
    let mut file = File::new("identity", "identity.md", about);
    let w = &*WORLD;
    for actor in [&w.alice, &w.bob, &w.carol, &w.dave, &w.eve, &w.ferry] {
        let record = actor.record();
        let inputs = object! {
            "entropy": hex(actor.entropy),
            "device_seed": hex(actor.device_seed),
            "sealing_key": hex(actor.sealing.as_bytes()),
            "ts": BEGIN.0,
        };
        file.accept(actor.name, "person", &record.to_bytes(), inputs);
    }
    file.accept(
        "the inception of alice",
        "inception",
        &hearth_protocol::encoding::encode(&w.alice.ladder.inception()),
        Json::Null,
    );
    parts(&mut file);
    refused(&mut file);
    refused_records(&mut file);
    file.more.push(("ladder", ladder()));
    file
}

/// What derives from the entropy of alice.
fn ladder() -> Json {
    let alice = &WORLD.alice;
    let rungs = (0..8).map(|index| {
        let key = alice.ladder.key(index);
        object! {
            "index": u64::from(index),
            "seed": hex(key.seed().as_slice()),
            "key": hex(key.public().0),
            "commitment": hex(hash(Context::ID_COMMIT, key.public().0.as_bytes())),
        }
    });
    let recovery = SecretKey::new(&hash(Context::RECOVERY_SK, &alice.entropy));
    object! {
        "name": alice.name,
        "entropy": hex(alice.entropy),
        "words": alice.ladder.words().as_str(),
        "nonce": hex(&hash(Context::ID_NONCE, &alice.entropy)[..16]),
        "rungs": Json::List(rungs.collect()),
        "person": hex(alice.id().as_bytes()),
        "recovery_device_key": hex(recovery.public().0),
        "recovery_sealing_key": hex(alice.ladder.recovery_sealing().as_bytes()),
        "recovery_sealing_public": hex(alice.ladder.recovery_sealing().public()),
        "sealing_public": hex(alice.sealing.public()),
    }
}

fn parts(file: &mut File) {
    let carol = &WORLD.carol;
    for index in [0, 1, 7] {
        let reveal = Reveal::seal(carol.id(), index, &carol.ladder.key(index));
        let inputs = object! { "index": u64::from(index), "seed": hex(carol.ladder.key(index).seed().as_slice()) };
        file.accept(format!("the reveal of carol's rung {index}"), "reveal", &reveal.signed.to_bytes(), inputs);
    }
    for (name, caps) in [("items only", Caps::ITEMS), ("recovery: nothing", Caps::NONE), ("all", Caps::ALL)] {
        let cert = carol.ladder.certify(0, carol.device.public(), carol.sealing.public(), caps, BEGIN);
        let inputs = object! { "index": 0, "caps": u64::from(caps.0), "ts": BEGIN.0 };
        file.accept(format!("a device certificate of carol: {name}"), "device", &cert.signed.to_bytes(), inputs);
    }
    let anew = &WORLD.carol_anew;
    let mut record = carol.record();
    let second = Reveal::seal(carol.id(), 1, &carol.ladder.key(1));
    let cert = carol.ladder.certify(1, anew.device.public(), anew.sealing.public(), Caps::ALL, at(17));
    record.reveals = list([&record.reveals[..], &[second.signed]].concat());
    record.devices = list([&record.devices[..], &[cert.signed]].concat());
    file.accept("carol with two rungs and three certificates", "person", &record.to_bytes(), Json::Null);
}

fn refused(file: &mut File) {
    let (carol, eve) = (&WORLD.carol, &WORLD.eve);
    let key = carol.ladder.key(0);
    let reveal = Reveal::seal(carol.id(), 0, &key).value.to_canonical();
    let cert =
        carol.ladder.certify(0, carol.device.public(), carol.sealing.public(), Caps::ALL, BEGIN).value.to_canonical();
    let by = |context, payload: &[u8]| signed_by(&[*key.seed()], context, payload).to_bytes();
    let bad = |at, node| by(Context::REVEAL, &replaced(&reveal, at, node));
    file.refuse("a reveal of rung 8", "reveal", &bad(2, Node::Uint(8)), "bad_field");
    file.refuse("a reveal of version 2", "reveal", &bad(0, Node::Uint(2)), "wrong_shape");
    file.refuse(
        "a reveal with a number that is not the shortest",
        "reveal",
        &bad(2, Node::Raw(vec![0x18, 0x00])),
        "not_shortest",
    );
    let other = signed_by(&[*eve.ladder.key(0).seed()], Context::REVEAL, &reveal).to_bytes();
    file.refuse("a reveal that another key signs", "reveal", &other, "wrong_signer");
    let confused = by(Context::DEVICE, &reveal);
    file.refuse("a reveal signed as a device certificate", "reveal", &confused, "bad_signature");
    let bad = |at, node| by(Context::DEVICE, &replaced(&cert, at, node));
    file.refuse("a device certificate with the bit 4", "device", &bad(5, Node::Uint(4)), "bad_field");
    file.refuse(
        "a device certificate of the year 10000",
        "device",
        &bad(6, Node::Uint(253_402_300_800_000)),
        "wrong_shape",
    );
    file.refuse(
        "a device certificate with a device key of 31 bytes",
        "device",
        &bad(3, Node::Bytes(vec![1; 31])),
        "wrong_shape",
    );
    let mut twice = signed_by(&[*key.seed()], Context::DEVICE, &cert);
    twice.signatures = list(vec![twice.signatures[0]; 2]);
    file.refuse("a device certificate that one key signs twice", "device", &twice.to_bytes(), "bad_signature");
}

fn refused_records(file: &mut File) {
    let (carol, eve) = (&WORLD.carol, &WORLD.eve);
    let good = carol.record();
    let with = |reveals: Option<Vec<Signed>>, devices: Option<Vec<Signed>>| {
        let mut record: PersonRecord = good.clone();
        record.reveals = reveals.map_or(record.reveals, list);
        record.devices = devices.map_or(record.devices, list);
        record.to_bytes()
    };
    let reveal = |person: &crate::cast::Actor, id, index| Reveal::seal(id, index, &person.ladder.key(index)).signed;
    let wrong = with(Some(vec![reveal(eve, carol.id(), 0)]), None);
    file.refuse("a record that reveals a key that was not committed to", "person", &wrong, "bad_field");
    let wrong = with(Some(vec![reveal(carol, eve.id(), 0)]), None);
    file.refuse("a record with a reveal of somebody else", "person", &wrong, "bad_field");
    let cert = |index| carol.ladder.certify(index, carol.device.public(), Bytes([2; 32]), Caps::ALL, BEGIN).signed;
    file.refuse(
        "a record with a certificate by a rung that it does not reveal",
        "person",
        &with(None, Some(vec![cert(1)])),
        "wrong_signer",
    );
    let strangers = eve.ladder.certify(0, eve.device.public(), Bytes([2; 32]), Caps::ALL, BEGIN).signed;
    file.refuse(
        "a record with a certificate of somebody else",
        "person",
        &with(None, Some(vec![strangers])),
        "wrong_signer",
    );
    let none = crate::cbor::edited(&good.to_bytes(), |fields| fields[2] = Node::Array(Vec::new()));
    file.refuse("a record without a device", "person", &none, "wrong_shape");
    let long = crate::cbor::edited(&good.to_bytes(), |fields| {
        fields[2] = Node::Array(vec![fields[2].elements()[0].clone(); 17])
    });
    file.refuse("a record with 17 devices", "person", &long, "wrong_shape");
    let name: hearth_protocol::text::Text<8> = text("idea");
    let marked = crate::cbor::edited(&good.to_bytes(), |fields| {
        fields[0].elements()[1] = crate::cbor::parse(&hearth_protocol::encoding::encode(&name));
    });
    file.refuse("a record whose inception has another word than \"id\"", "person", &marked, "wrong_shape");
}

#[test]
fn a_person_with_every_key_and_device_is_within_its_bound() {
    let carol = &WORLD.carol;
    let mut record = carol.record();
    record.reveals =
        list((0..8).map(|index| Reveal::seal(carol.id(), index, &carol.ladder.key(index)).signed).collect());
    let device = |seed: u8| {
        carol.ladder.certify(0, SecretKey::new(&[100 + seed; 32]).public(), Bytes([2; 32]), Caps::ALL, LAST).signed
    };
    record.devices = list((0..16).map(device).collect());
    let bytes = record.to_bytes();
    assert!(crate::decoders::read("person", &bytes).is_ok(), "{} bytes", bytes.len());
    let join = Join {
        version: V1,
        community: WORLD.garden.id(),
        cert: None,
        person: record,
        name: text(&"n".repeat(64)),
        ts: LAST,
    };
    let signed = Signed::seal(&join, &[&carol.ladder.key(7), &SecretKey::new(&[100; 32])]);
    assert!(crate::decoders::read("knock", &signed.to_bytes()).is_ok(), "{} bytes", signed.payload.as_slice().len());
}
