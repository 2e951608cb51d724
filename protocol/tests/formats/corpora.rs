//! Collected vectors of others, which lie beside the project: hostile CBOR, edge cases of Ed25519, XChaCha20-Poly1305.
//!
//! Leaves to others: vectors of our own (`vectors`). Always true: where they are not there, a test says so on a line
//! that the runner does not swallow, and passes.

use std::{
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER_PERMISSIVE;
use hearth_protocol::{encoding::scan, epoch::EpochKey, key::verify_raw};
use serde_json::Value;

use crate::decoders;

/// A file of the collection, if it is there.
fn collected(name: &str) -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let path = env::var_os("HEARTH_SHARED").map_or_else(beside, PathBuf::from).join("vectors").join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("the collection is JSON")),
        Err(_) => {
            // A broken pipe must not fail a test over what it has to tell.
            let _ = writeln!(io::stderr(), "skipped: {} is not here", path.display());
            None
        }
    }
}

fn cases(value: &Value) -> &[Value] {
    value.as_array().expect("the file is a list")
}

fn hex(case: &Value, field: &str) -> Vec<u8> {
    let digits = case[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {case}"));
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).expect("bytes are hexadecimal digits")
}

/// Decoders that take bytes from outside.
pub(crate) const DECODERS: [&str; 36] = [
    "inception",
    "person",
    "reveal",
    "device",
    "genesis",
    "operation",
    "item",
    "invite_cert",
    "knock",
    "join",
    "invite_key",
    "envelope",
    "carry",
    "bundle",
    "epoch_blob",
    "proof",
    "join_request",
    "preview_request",
    "preview",
    "pairing_code",
    "pair_request",
    "paired",
    "restore_request",
    "handover",
    "handovers",
    "admission",
    "request",
    "response",
    "gossip",
    "body post",
    "body reply",
    "body bookmark",
    "body edit",
    "body tombstone",
    "body profile",
    "body charter",
];

#[test]
fn what_rfc_8949_calls_not_well_formed_is_refused() {
    let Some(file) = collected("own/rfc8949_appendix_f.json") else { return };
    assert_eq!(cases(&file).len(), 94);
    for case in cases(&file) {
        assert!(scan(&hex(case, "hex")).is_err(), "{case}");
    }
}

/// The one form that the list lets pass is a map, which our bytes never are: all twelve are refused.
#[test]
fn one_value_in_twelve_encodings_is_refused_in_all_of_them_since_none_is_an_array() {
    let Some(file) = collected("own/cbor_malleability.json") else { return };
    assert_eq!(cases(&file).len(), 12);
    for case in cases(&file) {
        let bytes = hex(case, "hex");
        assert!(scan(&bytes).is_err(), "{case}");
        for decoder in DECODERS {
            assert!(decoders::read(decoder, &bytes).is_err(), "{decoder}: {case}");
        }
    }
}

#[test]
fn a_map_with_a_key_twice_is_refused() {
    let Some(file) = collected("dag-cbor-negative/duplicate-keys.json") else { return };
    for case in cases(&file) {
        assert!(scan(&hex(case, "hex")).is_err(), "{case}");
    }
}

/// `0x81 * 1000000 + 00`, as the list writes long inputs; or plain digits.
fn built(case: &Value) -> Vec<u8> {
    if case["hex"].is_string() {
        return hex(case, "hex");
    }
    let recipe = case["build"].as_str().expect("a case has bytes or says how to make them");
    let piece = |piece: &str| {
        let (digits, times) = piece.split_once(" * ").unwrap_or((piece, "1"));
        let digits = digits.trim().trim_start_matches("0x");
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).expect("pieces are hexadecimal digits");
        bytes.repeat(times.trim().parse().expect("a number of times"))
    };
    recipe.split(" + ").flat_map(piece).collect()
}

/// What a decoder may take for itself, whatever it is given.
fn allowance(input: usize) -> u64 {
    u64::try_from(4 * input + 64 * 1024).expect("inputs are small")
}

/// What a refusal may take.
const QUICK: Duration = Duration::from_millis(40);

/// For how long a quick run is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The least of many runs, as other programs share the machine; the first that is quick is enough.
fn quickest(mut run: impl FnMut()) -> Duration {
    let (begin, mut least) = (Instant::now(), Duration::MAX);
    while least > QUICK && begin.elapsed() < PATIENCE {
        let start = Instant::now();
        run();
        least = least.min(start.elapsed());
    }
    least
}

#[test]
fn bombs_are_refused_by_every_decoder_within_their_time_and_memory() {
    let Some(file) = collected("own/cbor_bombs.json") else { return };
    assert_eq!(cases(&file).len(), 10);
    for case in cases(&file) {
        let bytes = built(case);
        let mut well_formed = false;
        let scanned = allocation_counter::measure(|| well_formed = scan(&bytes).is_ok());
        // Lists of nothing are well-formed; no type has a million elements.
        assert_eq!(
            well_formed,
            case["name"].as_str().is_some_and(|name| name.starts_with("1,000,000 empty")),
            "{case}"
        );
        assert_eq!(scanned.count_total, 0, "scanning allocates: {}", case["name"]);
        for decoder in DECODERS {
            let mut refused = false;
            let used = allocation_counter::measure(|| refused = decoders::read(decoder, &bytes).is_err());
            assert!(refused, "{decoder} takes {}", case["name"]);
            assert!(
                used.bytes_max <= allowance(bytes.len()),
                "{decoder} took {} bytes for {}",
                used.bytes_max,
                case["name"]
            );
            let time = quickest(|| drop(decoders::read(decoder, &bytes)));
            assert!(time <= QUICK, "{decoder} took {time:?} for {}", case["name"]);
        }
    }
}

/// Lists of the most elements that a frame may have, and of more than its type takes.
#[test]
fn what_a_frame_may_hold_takes_no_more_memory_than_its_bytes_allow() {
    let ids = [
        &[0x84, 0x04, 0x82, 0x00, 0x84, 0, 0, 0, 0][..],
        &[0x99, 0x3e, 0x80],
        &[&[0x58, 0x20][..], &[7; 32]].concat().repeat(16_000),
        &[0xf4],
    ]
    .concat();
    let long = [&[0x82, 0x06][..], &[0x9a, 0x00, 0x0f, 0x00, 0x00], &[0x40].repeat(0x000f_0000)].concat();
    for (bytes, accepted) in [(ids, true), (long, false)] {
        let mut read = None;
        let used = allocation_counter::measure(|| read = Some(decoders::read("response", &bytes).is_ok()));
        assert_eq!(read, Some(accepted));
        assert!(used.bytes_max <= allowance(bytes.len()), "{} bytes for {}", used.bytes_max, bytes.len());
    }
}

fn holds(key: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    match (key.try_into(), signature.try_into()) {
        (Ok(key), Ok(signature)) => verify_raw(key, bytes, signature).is_ok(),
        _ => false,
    }
}

/// The flags of the collection that a strict check never lets pass.
const NEVER: [&str; 5] = ["low_order_R", "low_order_A", "non_canonical_R", "non_canonical_A", "reencoded_k"];

#[test]
fn of_the_edge_cases_of_ed25519_exactly_those_are_accepted_that_strict_verification_accepts() {
    let Some(file) = collected("cctv-ed25519/ed25519vectors.json") else { return };
    assert_eq!(cases(&file).len(), 914);
    let mut accepted = 0;
    for case in cases(&file) {
        let message = case["msg"].as_str().expect("a message is text").as_bytes();
        let good = holds(&hex(case, "key"), message, &hex(case, "sig"));
        let flags: Vec<&str> = case["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // What is left: a component of small order that the check without cofactor does not see.
        let expected = !flags.iter().any(|flag| NEVER.contains(flag)) && !flags.contains(&"low_order_residue");
        assert_eq!(good, expected, "{case}");
        accepted += usize::from(good);
    }
    assert_eq!(accepted, 43);
}

#[test]
fn of_the_speccheck_only_the_fourth_is_accepted() {
    let Some(file) = collected("ed25519-speccheck/cases.json") else { return };
    assert_eq!(cases(&file).len(), 12);
    let holds = |case: &Value| holds(&hex(case, "pub_key"), &hex(case, "message"), &hex(case, "signature"));
    let accepted: Vec<usize> = (0..12).filter(|number| holds(&cases(&file)[*number])).collect();
    assert_eq!(accepted, [3]);
}

fn tests(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let members = file["testGroups"].as_array().expect("the file has lists of tests");
    members.iter().flat_map(|list| list["tests"].as_array().into_iter().flatten().map(move |test| (list, test)))
}

#[test]
fn wycheproofs_signatures_are_judged_as_it_says() {
    let Some(file) = collected("wycheproof/ed25519_test.json") else { return };
    let mut count = 0;
    for (list, test) in tests(&file) {
        let good = holds(&hex(&list["publicKey"], "pk"), &hex(test, "msg"), &hex(test, "sig"));
        assert_eq!(good, test["result"] == "valid", "{test}");
        count += 1;
    }
    assert_eq!(count, 151);
}

#[test]
fn wycheproofs_ciphertexts_open_as_it_says() {
    let Some(file) = collected("wycheproof/xchacha20_poly1305_test.json") else { return };
    let (mut opened, mut refused, mut other) = (0, 0, 0);
    for (_, test) in tests(&file) {
        let (key, nonce) = (hex(test, "key"), hex(test, "iv"));
        let Ok(key) = <[u8; 32]>::try_from(key) else { panic!("{test}") };
        if nonce.len() != 24 {
            // Our nonces have one length.
            other += 1;
            continue;
        }
        let key = EpochKey::new(key);
        let sealed = [&key.tag()[..], &nonce, &hex(test, "ct"), &hex(test, "tag")].concat();
        let plaintext = key.open(&sealed, &hex(test, "aad")).ok();
        let expected = (test["result"] == "valid").then(|| hex(test, "msg"));
        assert_eq!(plaintext, expected, "{test}");
        if expected.is_some() { opened += 1 } else { refused += 1 }
    }
    assert_eq!(opened + refused + other, 315);
    assert!(opened >= 200 && refused >= 30, "{opened} opened, {refused} refused, {other} of another length");
}
