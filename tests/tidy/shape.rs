//! How files look: what they open with, how long they are, and the words they use.

use hearth_tests::shared;

use crate::sources::{Source, code, files, is_of_tests, none, rust, without_tests, words};

/// The crates whose files are looked at; the fuzz targets are ten lines each.
const OURS: [&str; 4] = ["protocol", "node", "cli", "tests"];

/// A file of this many lines is longer than anybody reads in one go.
const LONGEST_LINES: usize = 600;

/// From here on a file is worth a second look.
const LONG_LINES: usize = 400;

/// The glossary has another word for each of these, or for each thing that somebody meant by it.
const NOT_OUR_WORDS: [&str; 14] = [
    "group", "room", "channel", "user", "message", "entry", "record", "manager", "service", "util", "utils", "helper",
    "helpers", "common",
];

/// Names that keep such a word, each for a reason.
const ALLOWED: [(&str, &str, &str); 3] = [
    ("node/src/network", "message", "gossipsub's own word"),
    ("cli/src/commands/service.rs", "service", "the name of the command"),
    ("protocol/src/person/mod.rs", "record", "the format's own name"),
];

/// The folders in which the inputs that lie beside the project may be named; tests of a crate may name them too.
const MAY_NAME_SHARED: [&str; 2] = ["tests/", ".ci/"];

fn without_head(source: &Source) -> Option<String> {
    let mut lines = source.text.lines();
    // Attributes of a whole program must stand before its documentation.
    let first = lines.find(|line| !line.is_empty() && !line.starts_with("#!["));
    match first {
        Some(line) if line.starts_with("//!") => None,
        _ => Some(format!("{}: does not open with //!", source.path)),
    }
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > LONGEST_LINES).then(|| format!("{}: {lines} lines", source.path))
}

/// The name of the file and of the types in it, where they have a word that the glossary does not use.
fn foreign_words(source: &Source) -> Vec<String> {
    let mut names = vec![source.stem().to_owned()];
    let code = code(&source.text);
    let mut before = "";
    for (_, word) in words(&code) {
        if matches!(before, "struct" | "enum" | "trait" | "type" | "union") {
            names.push(word.to_owned());
        }
        before = word;
    }
    let mut complaints = Vec::new();
    for name in names {
        for part in parts(&name) {
            let allowed = ALLOWED.iter().any(|(place, word, _)| source.path.starts_with(place) && part == *word);
            if NOT_OUR_WORDS.contains(&part.as_str()) && !allowed {
                complaints.push(format!("{}: `{part}` in `{name}`", source.path));
            }
        }
    }
    complaints
}

/// The words of a name, in small letters.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut small_before = false;
    for letter in name.chars() {
        if letter == '_' {
            parts.push(String::new());
        } else {
            if letter.is_uppercase() && small_before || parts.is_empty() {
                parts.push(String::new());
            }
            let last = parts.last_mut().expect("one was pushed when there was none");
            last.extend(letter.to_lowercase());
        }
        small_before = letter.is_lowercase() || letter.is_ascii_digit();
    }
    parts
}

fn names_shared(source: &Source) -> Option<String> {
    let may = MAY_NAME_SHARED.iter().any(|folder| source.path.starts_with(folder));
    let shipped = without_tests(&source.text);
    (!may && !is_of_tests(&source.path) && shipped.contains("../shared"))
        .then(|| format!("{}: names what lies beside the project", source.path))
}

#[test]
fn every_module_opens_with_what_it_is_for() {
    none(&rust(&OURS).iter().filter_map(without_head).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long_to_read() {
    let sources = rust(&["protocol", "node", "cli"]);
    for source in &sources {
        let lines = source.text.lines().count();
        if lines > LONG_LINES {
            shared::tell(&format!("long: {} has {lines} lines", source.path));
        }
    }
    none(&sources.iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn files_and_types_are_named_in_the_words_of_the_glossary() {
    none(&rust(&OURS).iter().flat_map(foreign_words).collect::<Vec<_>>());
}

#[test]
fn only_tests_name_what_lies_beside_the_project() {
    none(&files().iter().filter_map(names_shared).collect::<Vec<_>>());
}

#[test]
fn a_file_without_a_head_or_without_an_end_is_found() {
    let example = |text: &str| Source::example("node/src/a.rs", text);
    assert!(without_head(&example("use b;\n//! Late.\n")).is_some());
    assert!(without_head(&example("#![no_main]\n\n//! In time.\n")).is_none());
    assert!(too_long(&example(&"//! a\n".repeat(LONGEST_LINES + 1))).is_some());
    assert!(too_long(&example(&"//! a\n".repeat(LONGEST_LINES))).is_none());
    assert!(names_shared(&example("//! ../shared/data\n")).is_some());
}

#[test]
fn a_foreign_word_is_found_in_names_only() {
    let count = |path, text| foreign_words(&Source::example(path, text)).len();
    assert_eq!(count("node/src/utils.rs", "//! a\n"), 1);
    assert_eq!(count("node/src/a.rs", "pub struct LogEntry;\nenum GroupV2 {}\n"), 2);
    assert_eq!(count("node/src/a.rs", "struct Users; // struct Entry\nlet entry = map.entry(1);\n"), 0);
    assert_eq!(count("node/src/network/gossip.rs", "struct GossipMessage;\n"), 0);
    assert_eq!(parts("HttpReply2Of_peer"), ["http", "reply2", "of", "peer"]);
}
