//! Every bound is looked at: one below, at it, and one above; or, where a library keeps to it, that it was given.
//!
//! Leaves to others: what is looked at, which the tests say with the functions of `hearth_protocol::testing`.
//! Always true: a bound is named here once at most, and only where no test names it.

use std::collections::BTreeSet;

use crate::sources::{Source, code, none, rust};

/// The files in which all bounds stand.
const LISTS: [&str; 2] = ["protocol/src/limits.rs", "node/src/limits.rs"];

/// The functions of `hearth_protocol::testing` by which a test says that it looks at a bound.
const LOOKS: [&str; 4] = ["around", "up_to", "given", "lasted"];

/// What nobody looks at, and why not.
const NOT_LOOKED_AT: [(&str, &str); 5] = [
    ("IDLE_TIME", "the swarm's settings neither show it nor say it, and two minutes are too long for a test"),
    ("STREAMS_NEGOTIATING", "the swarm's settings neither show it nor say it"),
    ("LISTEN_TIME", "the operating system binds at once or refuses at once"),
    ("LINGER_TIME", "a pause after which nothing is left to be seen"),
    ("API_ACCEPT_PAUSE", "the system gives out sockets as long as it has descriptors, and a test leaves it some"),
];

/// The names in a list of bounds: `NAME: Type = value, "unit";`.
fn bounds(list: &Source) -> Vec<String> {
    let text = code(&list.text);
    let inside = text.split_once("limits! {").map_or("", |(_, inside)| inside);
    let inside = inside.split_once("\n}").map_or(inside, |(inside, _)| inside);
    let names = inside.split(';').filter_map(|one| one.split_once(':')).map(|(name, _)| name.trim());
    names.filter(|name| is_constant(name)).map(str::to_owned).collect()
}

fn is_constant(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
}

/// The constants that stand first in a call of one of the functions.
fn looked_at(source: &Source) -> BTreeSet<String> {
    let text = code(&source.text);
    let is_of_a_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = BTreeSet::new();
    for look in LOOKS {
        for (at, _) in text.match_indices(&format!("{look}(")) {
            if text[..at].ends_with(is_of_a_name) {
                continue;
            }
            let first = text[at + look.len() + 1..].split([',', ')']).next().unwrap_or_default().trim();
            let name = first.rsplit("::").next().unwrap_or_default();
            found.extend(is_constant(name).then(|| name.to_owned()));
        }
    }
    found
}

/// Bounds that nobody looks at, and exceptions that are none.
fn complaints(bounds: &[String], looked_at: &BTreeSet<String>, exceptions: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for name in bounds {
        let is_excepted = exceptions.iter().any(|(except, _)| except == name);
        match (looked_at.contains(name), is_excepted) {
            (true, true) => complaints.push(format!("{name}: a test looks at it, so it is no exception")),
            (false, false) => complaints.push(format!("{name}: no test looks at it")),
            _ => {}
        }
    }
    let none = |name: &str| !bounds.iter().any(|bound| bound == name);
    complaints.extend(exceptions.iter().filter(|(name, _)| none(name)).map(|(name, _)| format!("{name}: no bound")));
    complaints
}

#[test]
fn every_bound_is_looked_at_from_both_sides() {
    let sources = rust(&["protocol", "node", "cli", "tests"]);
    let mut all = Vec::new();
    for list in LISTS {
        let list = sources.iter().find(|source| source.path == list).expect("the list of bounds is here");
        let names = bounds(list);
        assert!(names.len() > 50, "{} of {}", names.len(), list.path);
        all.extend(names);
    }
    let looked_at: BTreeSet<String> = sources.iter().flat_map(looked_at).collect();
    none(&complaints(&all, &looked_at, &NOT_LOOKED_AT));
}

#[test]
fn a_bound_without_a_test_and_an_exception_without_need_are_found() {
    let list = "limits! {\n    /// Most: 3.\n    ONE: usize = 1 + 2, \"a\";\n    /// b\n    TWO_BYTES: Duration = Duration::ZERO, \"b\";\n}\n";
    let names = bounds(&Source::example("limits.rs", list));
    assert_eq!(names, ["ONE", "TWO_BYTES"]);
    let seen = |text: &str| looked_at(&Source::example("node/src/a.rs", text));
    for text in ["up_to(limits::ONE, x, |n| n);", "around(\n    ONE,\n    [1, 2, 3]", "given(crate::limits::ONE, 1)"] {
        assert_eq!(seen(text), BTreeSet::from(["ONE".to_owned()]), "{text}");
    }
    for text in ["turn_around(ONE, 1)", "// up_to(ONE, 1)", "up_to(one, 1)", "check(limits::ONE)", "\"given(ONE, 1)\""]
    {
        assert_eq!(seen(text), BTreeSet::new(), "{text}");
    }
    let one = BTreeSet::from(["ONE".to_owned()]);
    assert_eq!(complaints(&names, &one, &[]), ["TWO_BYTES: no test looks at it"]);
    assert_eq!(complaints(&names, &one, &[("TWO_BYTES", "why")]), [""; 0]);
    let needless = [("ONE", "why"), ("TWO_BYTES", "why"), ("THREE", "why")];
    assert_eq!(
        complaints(&names, &one, &needless),
        ["ONE: a test looks at it, so it is no exception", "THREE: no bound"]
    );
}
