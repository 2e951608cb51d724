//! What may be named where: each heavy crate has one folder that knows it, and `protocol` knows no IO.

use crate::sources::{Source, code, is_of_tests, none, rust, without_tests, words};

/// Measurements call the library bare, to hold ours against it.
const MEASUREMENTS: &str = "tests/benches/";

/// The one folder of `node` that may name a crate.
const KNOWN_IN: [(&str, &str); 4] = [
    ("libp2p", "node/src/network"),
    ("sled", "node/src/store"),
    ("tantivy", "node/src/search"),
    ("axum", "node/src/api"),
];

/// What `protocol` does without: whatever waits, reads a clock, or gives another order in every run.
const NOT_IN_PROTOCOL: [&str; 7] = ["async", "await", "SystemTime", "Instant", "HashMap", "HashSet", "RandomState"];

/// The parts of the standard library that `protocol` does without: whatever touches the machine it runs on.
const NO_PART_OF_STD: [&str; 5] = ["fs", "net", "thread", "env", "process"];

/// Names of crates outside the folder that may name them.
fn out_of_place(source: &Source) -> Vec<String> {
    let code = code(&source.text);
    let mut complaints = Vec::new();
    for (number, word) in words(&code) {
        let owner = KNOWN_IN.iter().find(|(name, _)| word == *name || word.starts_with(&format!("{name}_")));
        if let Some((name, folder)) = owner
            && source.path != format!("{folder}.rs")
            && !source.path.starts_with(&format!("{folder}/"))
            && !source.path.starts_with(MEASUREMENTS)
        {
            complaints.push(format!("{}:{number}: {name} is known in {folder} only", source.path));
        }
    }
    complaints
}

/// Words and parts of the standard library that a file of `protocol` must not use.
fn impure(source: &Source) -> Vec<String> {
    let code = code(&source.text);
    let code = without_tests(&code);
    let mut complaints: Vec<_> = words(code)
        .filter(|(_, word)| NOT_IN_PROTOCOL.contains(word))
        .map(|(number, word)| format!("{}:{number}: {word}", source.path))
        .collect();
    let parts = parts_of_std(code);
    let parts = parts.into_iter().filter(|part| NO_PART_OF_STD.contains(part));
    complaints.extend(parts.map(|part| format!("{}: std::{part}", source.path)));
    complaints
}

/// The modules that stand directly after `std::`, also in braces.
fn parts_of_std(code: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for (at, found) in code.match_indices("std::") {
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            None => parts.extend(first_word(rest)),
            Some(inside) => {
                let mut depth = 1_u32;
                for piece in inside.split_inclusive([',', '{', '}']) {
                    if depth == 1 {
                        parts.extend(first_word(piece.trim_start()));
                    }
                    match piece.chars().last() {
                        Some('{') => depth += 1,
                        Some('}') => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    parts
}

fn first_word(text: &str) -> Option<&str> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let word = &text[..end.unwrap_or(text.len())];
    (!word.is_empty()).then_some(word)
}

#[test]
fn each_heavy_crate_is_named_in_its_own_folder_only() {
    let sources = rust(&["protocol", "node", "cli", "tests"]);
    none(&sources.iter().flat_map(out_of_place).collect::<Vec<_>>());
}

#[test]
fn protocol_has_no_async_no_clock_no_io_and_no_chance_order() {
    let mut sources = rust(&["protocol/src"]);
    sources.retain(|source| !is_of_tests(&source.path));
    none(&sources.iter().flat_map(impure).collect::<Vec<_>>());
}

#[test]
fn a_crate_named_in_the_wrong_folder_is_found() {
    let wrong = Source::example("node/src/driver.rs", "use libp2p::PeerId;\n");
    assert_eq!(out_of_place(&wrong).len(), 1);
    let wrong = Source::example("cli/src/main.rs", "fn a(b: libp2p_core::X) {}\n");
    assert_eq!(out_of_place(&wrong).len(), 1);
    let right = Source::example("node/src/network/gossip.rs", "use libp2p::PeerId; // sled\n");
    assert_eq!(out_of_place(&right), Vec::<String>::new());
}

#[test]
fn io_in_protocol_is_found() {
    let count = |text| impure(&Source::example("protocol/src/time.rs", text)).len();
    assert_eq!(count("async fn a() {}\n"), 1);
    assert_eq!(count("fn a() -> std::time::Instant { std::fs::read(b) }\n"), 2);
    assert_eq!(count("use std::{\n    collections::{BTreeMap, btree_map},\n    net::IpAddr,\n};\n"), 1);
    assert_eq!(count("use std::{fmt, time::Duration};\n// async std::fs\n"), 0);
    assert_eq!(count("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"), 0);
}
