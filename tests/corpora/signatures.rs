//! Which edge cases of Ed25519 our one check accepts: the same on every node, so they must not differ.
//!
//! The vectors are collected from others; where an implementation may choose, the choice of `verify_strict` is
//! written down here.

use std::fs;

use data_encoding::HEXLOWER_PERMISSIVE;
use hearth_protocol::key::verify_raw;
use hearth_tests::shared;
use serde_json::Value;

/// The accepted ones of the 914 vectors of `cctv-ed25519`, by number.
const CCTV_ACCEPTED: [u64; 43] = [
    7, 29, 50, 117, 139, 161, 182, 249, 305, 411, 425, 438, 465, 473, 481, 489, 497, 511, 525, 538, 565, 573, 581, 589,
    597, 611, 625, 638, 665, 673, 681, 689, 697, 711, 725, 738, 765, 773, 781, 789, 797, 832, 899,
];

/// The accepted one of the 12 cases of `ed25519-speccheck`.
const SPECCHECK_ACCEPTED: [usize; 1] = [3];

fn vectors(name: &str) -> Option<Value> {
    let path = shared::input(&format!("vectors/{name}"))?;
    let text = fs::read_to_string(path).expect("a vector file is text");
    Some(serde_json::from_str(&text).expect("a vector file is JSON"))
}

fn bytes(vector: &Value, key: &str) -> Vec<u8> {
    let hex = vector[key].as_str().expect("a vector has its parts");
    let hex = HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
    hex.expect("a vector is written in hexadecimal")
}

/// Keys and signatures of another length than ours cannot even be asked about.
fn accepted(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), signature.try_into()) else {
        return false;
    };
    verify_raw(key, message, signature).is_ok()
}

#[test]
fn of_all_combinations_of_edge_points_the_same_few_are_accepted() {
    let Some(vectors) = vectors("cctv-ed25519/ed25519vectors.json") else {
        return;
    };
    let vectors = vectors.as_array().expect("it is a list");
    assert_eq!(vectors.len(), 914);
    let kept = vectors.iter().filter(|vector| {
        let message = vector["msg"].as_str().expect("a vector has its parts");
        accepted(&bytes(vector, "key"), message.as_bytes(), &bytes(vector, "sig"))
    });
    let kept: Vec<_> = kept.filter_map(|vector| vector["number"].as_u64()).collect();
    assert_eq!(kept, CCTV_ACCEPTED);
}

#[test]
fn of_the_cases_on_which_implementations_differ_one_is_accepted() {
    let Some(cases) = vectors("ed25519-speccheck/cases.json") else {
        return;
    };
    let cases = cases.as_array().expect("it is a list");
    assert_eq!(cases.len(), 12);
    let kept = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| accepted(&bytes(case, "pub_key"), &bytes(case, "message"), &bytes(case, "signature")));
    let kept: Vec<_> = kept.map(|(number, _)| number).collect();
    assert_eq!(kept, SPECCHECK_ACCEPTED);
}

#[test]
fn what_everybody_accepts_or_refuses_is_accepted_or_refused() {
    let Some(file) = vectors("wycheproof/ed25519_test.json") else {
        return;
    };
    let mut counts = [0, 0];
    for group in file["testGroups"].as_array().expect("it has groups of cases") {
        let key = bytes(&group["publicKey"], "pk");
        for case in group["tests"].as_array().expect("a group has cases") {
            let valid = case["result"] == "valid";
            let kept = accepted(&key, &bytes(case, "msg"), &bytes(case, "sig"));
            assert_eq!(kept, valid, "{case}");
            counts[usize::from(valid)] += 1;
        }
    }
    assert_eq!(counts, [63, 88]);
}
