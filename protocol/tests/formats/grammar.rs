//! The grammar of `docs/protocol/hearth.cddl` describes the vectors, and not what they refuse for its shape.
//!
//! The checker is not ours (cddl-cat). Leaves to others: whether the grammar is the code's in every bound; the
//! vectors hold a case beyond each bound that the grammar can state.

use std::{collections::BTreeSet, fs, path::PathBuf};

use cddl_cat::{ValidateError, cbor::validate_cbor_bytes, flatten::flatten_from_str};
use hearth_protocol::{
    bytes::{Blob, Bytes},
    id::{CommunityId, Context},
    wire::{Admission, Fingerprint, Gossip, Request, Response, SetName},
};

use crate::{
    asks,
    cast::{blob, list, text},
    story::WORLD,
    vectors::{cases, inside},
};

fn grammar() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol/hearth.cddl");
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The rule for what a decoder of the vectors reads; none for what is no CBOR or has no one shape.
fn rule(decoder: &str) -> Option<String> {
    match decoder {
        "cbor" | "invite_key" | "pairing_code" => None,
        "inception" | "person" | "item" | "carry" | "bundle" | "proof" => Some(decoder.to_owned()),
        "invite_cert" => Some("invite-signed".to_owned()),
        "knock" => Some("join-signed".to_owned()),
        "join" => Some("admit".to_owned()),
        "request" | "response" | "gossip" | "preview" | "paired" | "handover" | "handovers" => Some(decoder.to_owned()),
        "epoch_blob" | "join_request" | "preview_request" | "pair_request" | "restore_request" => {
            Some(decoder.replace('_', "-"))
        }
        signed @ ("reveal" | "device" | "genesis" | "operation" | "envelope") => Some(format!("{signed}-signed")),
        body => body.strip_prefix("body ").map(str::to_owned),
    }
}

/// Whether the grammar describes the bytes; an error of any other kind is one of the grammar.
fn fits(rule: &str, grammar: &str, bytes: &[u8]) -> Result<(), String> {
    validate_cbor_bytes(rule, grammar, bytes).map_err(|why| match why {
        mismatch @ (ValidateError::Mismatch(_) | ValidateError::MapCut(_)) => mismatch.to_string(),
        other => panic!("{rule}: {other}"),
    })
}

#[test]
fn the_grammar_describes_every_vector_that_is_accepted() {
    let grammar = grammar();
    let mut checked = 0;
    for (decoder, name, bytes, _) in cases("accepted") {
        if let Some(rule) = rule(&decoder) {
            assert_eq!(fits(&rule, &grammar, &bytes), Ok(()), "{name} ({rule})");
            checked += 1;
        }
    }
    let invite = inside(hearth_protocol::invite::PREFIX, &WORLD.invite.to_text());
    assert_eq!(fits("pasted-invite", &grammar, &invite), Ok(()));
    let code = inside(hearth_protocol::pairing::PREFIX, &asks::code().to_text());
    assert_eq!(fits("pasted-pairing", &grammar, &code), Ok(()));
    let hello = asks::hello_plain(Context::STALE, &asks::hello_signed());
    assert_eq!(fits("stale-hello", &grammar, &hello), Ok(()));
    assert!(checked >= 100, "{checked} checked");
}

/// What the decoders refuse for its shape, the grammar refuses too: all bounds that it can state.
#[test]
fn the_grammar_refuses_what_is_refused_for_its_shape() {
    let grammar = grammar();
    let mut refused = 0;
    for (decoder, name, bytes, case) in cases("refused") {
        let shape = matches!(case["refusal"].as_str(), Some("wrong_shape" | "not_canonical"));
        // A broker that stands twice has the right shape; which names are in a list is a rule of its own.
        if let Some(rule) = rule(&decoder)
            && shape
            && !name.contains("twice")
        {
            assert!(fits(&rule, &grammar, &bytes).is_err(), "{name} ({rule})");
            refused += 1;
        }
    }
    assert!(refused >= 110, "{refused} refused");
}

/// Each frame, as large as its parts may be where that is cheap.
fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let w = &*WORLD;
    let (tag, id) = (Bytes([1; 16]), Bytes([2; 32]));
    let bytes = |request: Request| ("request", request.to_bytes());
    let answer = |response: Response| ("response", response.to_bytes());
    let epoch = w.garden.steps[0].id;
    let sealed = w.blob.first().expect("alice is in the blob").clone();
    let admission = Admission {
        genesis: w.garden.log.community().signed.clone(),
        admit: w.garden.steps[1].id,
        keys: list(vec![(epoch, sealed.clone())]),
    };
    let thing: Blob<{ 512 * 1024 }> = blob(w.items[0].item.to_bytes());
    vec![
        bytes(Request::Hello(id)),
        bytes(Request::Tags(vec![tag; 64], vec![asks::sealed_hello(); 4])),
        bytes(Request::Prove(tag, blob(vec![0; 512]))),
        bytes(Request::Join(tag, blob(vec![0; 2000]))),
        bytes(Request::Ids(tag, SetName::Items, Fingerprint(2, [1, 2, 3, u64::MAX]), Some(id))),
        bytes(Request::Ids(tag, SetName::Operations, Fingerprint(0, [0; 4]), None)),
        bytes(Request::Fetch(tag, SetName::Bundles, vec![id; 500])),
        bytes(Request::Addresses(tag, vec![blob(vec![0; 2048])])),
        bytes(Request::Keys(tag, vec![epoch; 64])),
        bytes(Request::Preview(tag, blob(vec![0; 2048]))),
        bytes(Request::Pair(tag, blob(vec![0; 512]))),
        bytes(Request::Restore(tag, blob(vec![0; 8 * 1024]))),
        bytes(Request::Communities(tag, vec![CommunityId::from(id.0); 16])),
        bytes(Request::Compare(tag, SetName::COMPARED.map(|set| (set, Fingerprint::default())).to_vec(), 0, u16::MAX)),
        bytes(Request::Bring(tag, SetName::Items, vec![tag; 500], vec![tag; 500])),
        bytes(Request::Periods(tag, SetName::Items)),
        bytes(Request::List(tag, SetName::Items, 0, None)),
        bytes(Request::Take(tag, SetName::Envelopes, u64::MAX, Some((u64::MAX, id)))),
        answer(Response::Hello(id)),
        answer(Response::Tags(vec![tag; 64])),
        answer(Response::Prove(blob(Vec::new()))),
        answer(Response::Join(blob(vec![0; 100]))),
        answer(Response::Ids(Fingerprint(1, [0; 4]), vec![id; 3], true)),
        answer(Response::Fetch(SetName::Items, vec![thing])),
        answer(Response::Addresses(Vec::new())),
        answer(Response::Refused(text("not_found"))),
        answer(Response::Keys(vec![(epoch, sealed); 64])),
        answer(Response::Preview(blob(vec![0; 300 * 1024]))),
        answer(Response::Pair(blob(vec![0; 64 * 1024]))),
        answer(Response::Restore(blob(vec![0; 512 * 1024]))),
        answer(Response::Communities(vec![asks::handover(); 16])),
        answer(Response::Compare(vec![(Fingerprint::default(), blob(vec![0; 990_000]))])),
        answer(Response::Periods(vec![(0, Fingerprint::default()); 4096])),
        answer(Response::List(vec![tag; 16_000], Some((7, id)))),
        answer(Response::Take(SetName::Items, vec![blob(Vec::new())], None)),
        ("gossip", Gossip::Operation(w.garden.steps[0].signed.clone()).to_bytes()),
        ("gossip", Gossip::Carry(Box::new(w.relayed.carry.clone())).to_bytes()),
        ("gossip", Gossip::Epoch(w.garden.steps[0].signed.clone(), w.blob.clone()).to_bytes()),
        ("admission", hearth_protocol::encoding::encode(&admission)),
    ]
}

#[test]
fn the_grammar_describes_every_frame() {
    let grammar = grammar();
    for (rule, bytes) in frames() {
        assert_eq!(crate::decoders::read(rule, &bytes).map(|read| read.bytes == bytes), Ok(true), "{rule}");
        assert_eq!(fits(rule, &grammar, &bytes), Ok(()), "{rule}: {bytes:02x?}");
    }
    assert!(fits("request", &grammar, &[0x82, 0x07, 0x00]).is_err());
}

/// The list above is written by hand: it has every frame of the code.
#[test]
fn every_frame_is_held_against_the_grammar() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/wire.rs");
    let code = fs::read_to_string(path).expect("the code lies beside its tests");
    let numbers = |after: &str| -> BTreeSet<u8> {
        let block = code.split_once(after).unwrap_or_else(|| panic!("no `{after}`")).1;
        let lines = block.split("});").next().unwrap_or_default().lines();
        lines.filter_map(|line| line.split_once(" => ")?.0.trim().parse().ok()).collect()
    };
    for (kind, after) in [("request", "frames!(Request {"), ("response", "frames!(Response {")] {
        let held: BTreeSet<u8> = frames().iter().filter(|(of, _)| *of == kind).map(|(_, bytes)| bytes[1]).collect();
        assert!(held.len() >= 12, "{kind}");
        assert_eq!(held, numbers(after), "{kind}");
    }
}

#[test]
fn the_grammar_has_no_rule_that_nothing_uses() {
    let grammar = grammar();
    let rules = flatten_from_str(&grammar).expect("the grammar is CDDL");
    let without_comments: String =
        grammar.lines().map(|line| line.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let words: Vec<&str> = without_comments.split(|letter: char| !letter.is_alphanumeric() && letter != '-').collect();
    for rule in rules.keys() {
        let uses = words.iter().filter(|word| *word == rule).count();
        let starts = rule.chars().all(|letter| letter.is_uppercase());
        assert!(uses >= 2 || starts, "nothing uses `{rule}`");
    }
}
