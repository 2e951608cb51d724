//! Collected CBOR that must be refused: not well-formed, another form of something good, or made to use up memory.

use std::fs;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER_PERMISSIVE;
use hearth_protocol::encoding::scan;
use hearth_tests::decoders::{ALL, Verdict};
use hearth_tests::shared;
use serde_json::Value;

/// Any refusal takes less, a thousandfold on a quiet machine.
const REFUSAL_LIMIT: Duration = Duration::from_secs(1);

fn vectors(name: &str) -> Option<Vec<Value>> {
    let path = shared::input(&format!("vectors/own/{name}.json"))?;
    let text = fs::read_to_string(path).expect("a vector file is text");
    Some(serde_json::from_str(&text).expect("a vector file is a JSON list"))
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex = HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
    hex.expect("a vector is written in hexadecimal")
}

/// `0x81 * 1000000 + 00`: pieces with plus signs between them, each alone or repeated.
fn built(recipe: &str) -> Vec<u8> {
    let mut built = Vec::new();
    for piece in recipe.split(" + ") {
        let (hex, times) = piece.split_once(" * ").unwrap_or((piece, "1"));
        let times = times.parse().expect("a recipe repeats a number of times");
        built.extend(bytes(hex.trim_start_matches("0x")).repeat(times));
    }
    built
}

#[track_caller]
fn all_refuse(bytes: &[u8], what: &str) {
    for decoder in ALL {
        // The first byte of a body is its kind here, and nothing is known of later kinds.
        if decoder.name == "body" {
            continue;
        }
        let start = Instant::now();
        assert_eq!((decoder.run)(bytes), Verdict::Refused, "{} took {what}", decoder.name);
        assert!(start.elapsed() < REFUSAL_LIMIT, "{} took long over {what}", decoder.name);
    }
}

#[test]
fn what_is_not_well_formed_or_not_canonical_is_refused() {
    let mut tried = 0;
    for name in ["rfc8949_appendix_f", "cbor_malleability"] {
        for vector in vectors(name).unwrap_or_default() {
            let hex = vector["hex"].as_str().expect("each has its bytes");
            // The one good form among them is a map, which canonical bytes do not use.
            assert!(scan(&bytes(hex)).is_err(), "{vector}");
            all_refuse(&bytes(hex), hex);
            tried += 1;
        }
    }
    shared::tell(&format!("{tried} malformed vectors refused"));
}

#[test]
fn what_would_use_up_memory_is_refused_at_once() {
    for vector in vectors("cbor_bombs").unwrap_or_default() {
        let bomb = match (vector["hex"].as_str(), vector["build"].as_str()) {
            (Some(hex), _) => bytes(hex),
            (None, Some(recipe)) => built(recipe),
            (None, None) => panic!("neither bytes nor a recipe: {vector}"),
        };
        all_refuse(&bomb, &vector.to_string());
    }
}

#[test]
fn a_recipe_gives_its_bytes() {
    assert_eq!(built("9a01 + 0x80 * 3 + 00"), [0x9a, 1, 0x80, 0x80, 0x80, 0]);
}
