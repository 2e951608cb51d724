//! Founding documents.

use hearth_protocol::{
    community::{Founder, Genesis},
    id::Context,
    person::PersonRecord,
    signed::{Payload as _, Signed},
};

use super::{File, Json, hex, object};
use crate::{
    cast::{Actor, BEGIN, list, signed_by, text},
    cbor::{NULL, Node, parse, replaced},
    story::{Story, WORLD, orchard_genesis},
};

pub(super) fn file() -> File {
    let about = "The genesis of each community of these vectors. The id of a community is the hash of the payload; the signatures are \
                 by one device of each founder.";
    let mut file = File::new("genesis", "genesis.md", about);
    let w = &*WORLD;
    let told = |story: &Story, founders: &[&Actor]| {
        let genesis = &story.log.community().genesis;
        object! {
            "nonce": hex(genesis.nonce),
            "community_name": genesis.name.as_str(),
            "threshold": u64::from(genesis.threshold),
            "founders": Json::List(founders.iter().map(|f| f.name.into()).collect()),
            "device_seeds": Json::List(founders.iter().map(|f| hex(f.device_seed)).collect()),
            "ts": genesis.ts.0,
            "payload": hex(story.log.community().signed.payload.as_slice()),
        }
    };
    let mut accept = |name: &'static str, story: &Story, founders: &[&Actor]| {
        file.accept(name, "genesis", &story.log.community().signed.to_bytes(), told(story, founders));
    };
    accept("garden: one founder", &w.garden, &[&w.alice]);
    accept("library: one founder", &w.library, &[&w.dave]);
    accept(
        "orchard: ROOT is two of three, it follows the garden and is a part of it",
        &w.orchard,
        &[&w.alice, &w.bob, &w.carol],
    );
    refused_fields(&mut file);
    refused_founders(&mut file);
    refused_signers(&mut file);
    file
}

fn refused_fields(file: &mut File) {
    let alice = &WORLD.alice;
    let payload = WORLD.garden.log.community().signed.payload.as_slice();
    let mut refuse = |name: &'static str, at: usize, node: Node, refusal: &str| {
        let altered = signed_by(&[alice.device_seed], Context::COMMUNITY, &replaced(payload, at, node));
        file.refuse(name, "genesis", &altered.to_bytes(), refusal);
    };
    refuse("version 2", 0, Node::Uint(2), "wrong_shape");
    refuse("another word than \"genesis\"", 1, Node::Text(b"genesys".to_vec()), "wrong_shape");
    refuse("a nonce of 31 bytes", 2, Node::Bytes(vec![0; 31]), "wrong_shape");
    refuse("a name of white space", 3, Node::Text(b" ".to_vec()), "bad_field");
    refuse("a name of 81 bytes", 3, Node::Text(vec![b'a'; 81]), "wrong_shape");
    refuse("a threshold of 0", 4, Node::Uint(0), "bad_field");
    refuse("a threshold of 2 of 1", 4, Node::Uint(2), "bad_field");
    refuse("no founders", 5, Node::Array(Vec::new()), "wrong_shape");
    let pair = |key, value| Node::Array(vec![Node::Uint(key), Node::Uint(value)]);
    refuse("policy keys out of order", 6, Node::Array(vec![pair(2, 1), pair(1, 0)]), "bad_field");
    refuse("a policy key twice", 6, Node::Array(vec![pair(1, 1), pair(1, 0)]), "bad_field");
    refuse("a policy value over 32 bits", 6, Node::Array(vec![pair(1, 1 << 32)]), "wrong_shape");
    refuse("a predecessor without its head", 7, Node::Array(vec![Node::Bytes(vec![1; 32])]), "wrong_shape");
    refuse("no time", 9, NULL, "wrong_shape");
    refuse("an eleventh field", 9, Node::Raw(vec![0x00, 0x00]), "trailing_bytes");
}

fn refused_founders(file: &mut File) {
    let w = &*WORLD;
    let mut refuse = |name: &'static str, genesis: &Genesis, seeds: &[[u8; 32]], refusal: &str| {
        let signed = signed_by(seeds, Context::COMMUNITY, &genesis.to_canonical());
        file.refuse(name, "genesis", &signed.to_bytes(), refusal);
    };
    let seeds = [w.alice.device_seed, w.bob.device_seed, w.carol.device_seed];
    let good = orchard_genesis([&w.alice, &w.bob, &w.carol], w.garden.id());
    let lax = Genesis { threshold: 1, ..good.clone() };
    refuse("a threshold of 1 of 3, no majority (G1)", &lax, &seeds, "bad_field");
    let alike = Genesis { founders: list([&good.founders[..2], &good.founders[..1]].concat()), ..good.clone() };
    refuse("one founder twice", &alike, &seeds[..2], "wrong_signer");
    let mut record: PersonRecord = w.carol.record();
    let third = w.carol.ladder.certify(
        0,
        w.carol_anew.device.public(),
        w.carol_anew.sealing.public(),
        hearth_protocol::person::Caps::ALL,
        BEGIN,
    );
    record.devices = list([&record.devices[..], &[third.signed]].concat());
    let founders = [&good.founders[..2], &[Founder(record, text("carol"))]].concat();
    refuse(
        "a founder with three device certificates",
        &Genesis { founders: list(founders), ..good },
        &seeds,
        "bad_field",
    );
}

fn refused_signers(file: &mut File) {
    let w = &*WORLD;
    let payload = w.orchard.log.community().signed.payload.as_slice();
    let [alice, bob, carol, eve] = [&w.alice, &w.bob, &w.carol, &w.eve].map(|a| a.device_seed);
    let mut refuse =
        |name: &'static str, signed: &Signed, refusal: &str| file.refuse(name, "genesis", &signed.to_bytes(), refusal);
    refuse("one founder has not signed", &signed_by(&[alice, bob], Context::COMMUNITY, payload), "wrong_signer");
    refuse(
        "somebody else has signed in place of one",
        &signed_by(&[alice, bob, eve], Context::COMMUNITY, payload),
        "wrong_signer",
    );
    refuse(
        "somebody else has signed too",
        &signed_by(&[alice, bob, carol, eve], Context::COMMUNITY, payload),
        "wrong_signer",
    );
    refuse("signed as an operation", &signed_by(&[alice, bob, carol], Context::OP, payload), "bad_signature");
    let mut swapped = signed_by(&[alice, bob, carol], Context::COMMUNITY, payload);
    let mut signatures = swapped.signatures.to_vec();
    signatures.reverse();
    swapped.signatures = list(signatures);
    refuse("the signatures out of the order of their keys", &swapped, "bad_signature");
    let recovery = hearth_protocol::id::hash(Context::RECOVERY_SK, &w.alice.entropy);
    refuse(
        "signed by the recovery certificate's key, which may sign nothing",
        &signed_by(&[recovery, bob, carol], Context::COMMUNITY, payload),
        "wrong_signer",
    );
    let none = Node::Array(vec![Node::Bytes(payload.to_vec()), Node::Array(Vec::new())]).write();
    file.refuse("no signature", "genesis", &none, "wrong_shape");
    let bare = parse(payload).write();
    file.refuse("the payload alone", "genesis", &bare, "wrong_shape");
}
