//! What the dependencies may be: versions above the floors, licences on the list, one source.
//!
//! The facts stand in `deny.toml`, where `cargo deny` reads them too. Advisories and yanked versions need a
//! database from elsewhere and are not looked at here.

use std::fs;

use hearth_tests::shared;
use serde_json::Value;

use crate::crates::{at, manifest, metadata};
use crate::sources::none;

/// A package of a lock file.
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
}

/// What `deny.toml` says.
struct Rules {
    /// Names and the first version that is allowed.
    floors: Vec<(String, Version)>,
    licences: Vec<String>,
    registries: Vec<String>,
}

/// The three numbers of a version; what may follow them makes no difference here.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Version(u64, u64, u64);

impl Version {
    fn parse(text: &str) -> Option<Version> {
        let numbers = text.split(['-', '+']).next()?;
        let mut numbers = numbers.split('.').map(str::parse);
        let version = Version(numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        numbers.next().is_none().then_some(version)
    }
}

fn rules() -> Rules {
    let deny = manifest("deny.toml");
    let list = |path: &[&str]| -> Vec<toml::Value> {
        let found = at(&deny, path).and_then(toml::Value::as_array);
        found.unwrap_or_else(|| panic!("deny.toml has no list {path:?}")).clone()
    };
    let texts = |path: &[&str]| -> Vec<String> {
        let found = list(path);
        found.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
    };
    let floors = list(&["bans", "deny"]);
    let floors = floors.iter().map(|floor| floor.get("crate").and_then(toml::Value::as_str).and_then(read_floor));
    Rules {
        floors: floors.collect::<Option<_>>().expect("each floor of deny.toml is written `name:<1.2.3`"),
        licences: texts(&["licenses", "allow"]),
        registries: texts(&["sources", "allow-registry"]),
    }
}

/// `name:<1.2.3`.
fn read_floor(text: &str) -> Option<(String, Version)> {
    let (name, version) = text.split_once(":<")?;
    Some((name.to_owned(), Version::parse(version)?))
}

fn locked(lock: &str) -> Vec<Locked> {
    let lock: toml::Table = lock.parse().expect("a lock file is TOML");
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.expect("a lock file lists packages");
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    packages
        .iter()
        .map(|package| Locked {
            name: text(package, "name").expect("a package has a name"),
            version: text(package, "version").expect("a package has a version"),
            source: text(package, "source"),
        })
        .collect()
}

/// Packages below a floor, or from anywhere but the registries on the list. Our own come from no source.
fn refused(lock: &str, rules: &Rules) -> Vec<String> {
    let mut complaints = Vec::new();
    for Locked { name, version, source } in locked(lock) {
        let from = format!("{name} {version}");
        let floor = rules.floors.iter().find(|(bounded, _)| *bounded == name);
        match (floor, Version::parse(&version)) {
            (_, None) => complaints.push(format!("{from}: not a version")),
            (Some((_, floor)), Some(version)) if version < *floor => {
                complaints.push(format!("{from}: below its floor {floor:?}"));
            }
            _ => {}
        }
        let known = match &source {
            None => name.starts_with("hearth-"),
            Some(source) => rules.registries.iter().any(|registry| *source == format!("registry+{registry}")),
        };
        if !known {
            complaints.push(format!("{from}: from {}", source.as_deref().unwrap_or("a folder")));
        }
    }
    complaints
}

/// Packages whose licence cannot be met with the list alone.
fn unlicensed(metadata: &Value, rules: &Rules) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| {
            let licence = package["license"].as_str().unwrap_or_default();
            let met = met(licence, &rules.licences);
            (!met).then(|| format!("{} {}: licence `{licence}`", package["name"], package["version"]))
        })
        .collect()
}

/// Whether an SPDX expression can be met with the allowed licences; `/` is an old way to write `OR`.
fn met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    matches!(any_of(&words, allowed), Some((true, [])))
}

type Met<'a, 'w> = Option<(bool, &'a [&'w str])>;

fn any_of<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> Met<'a, 'w> {
    let (mut met, mut rest) = all_of(words, allowed)?;
    while let Some(after) = rest.strip_prefix(&["OR"]) {
        let (other, end) = all_of(after, allowed)?;
        (met, rest) = (met || other, end);
    }
    Some((met, rest))
}

fn all_of<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> Met<'a, 'w> {
    let (mut met, mut rest) = one(words, allowed)?;
    while let Some(after) = rest.strip_prefix(&["AND"]) {
        let (other, end) = one(after, allowed)?;
        (met, rest) = (met && other, end);
    }
    Some((met, rest))
}

fn one<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> Met<'a, 'w> {
    let (first, rest) = words.split_first()?;
    match (*first, rest) {
        ("(", _) => {
            let (met, rest) = any_of(rest, allowed)?;
            Some((met, rest.strip_prefix(&[")"])?))
        }
        (")" | "OR" | "AND" | "WITH", _) => None,
        (name, ["WITH", exception, rest @ ..]) => Some((allowed.contains(&format!("{name} WITH {exception}")), rest)),
        (name, _) => Some((allowed.iter().any(|licence| licence == name), rest)),
    }
}

fn seeded(name: &str) -> Vec<String> {
    let path = shared::fixture(&format!("locks/{name}.lock"));
    let lock = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    refused(&lock, &rules())
}

#[test]
fn every_locked_package_is_above_its_floor_and_from_the_registry() {
    let lock = fs::read_to_string(shared::root().join("Cargo.lock")).expect("the lock file is part of the project");
    none(&refused(&lock, &rules()));
}

#[test]
fn every_package_has_a_licence_on_the_list() {
    none(&unlicensed(metadata(), &rules()));
}

#[test]
fn the_floors_are_all_there() {
    let rules = rules();
    let floor = |name: &str| rules.floors.iter().find(|(bounded, _)| bounded == name).map(|(_, floor)| *floor);
    let expected = [
        ("ammonia", Version(4, 1, 4)),
        ("h2", Version(0, 4, 16)),
        ("hickory-proto", Version(0, 26, 1)),
        ("hickory-resolver", Version(0, 26, 1)),
        ("libp2p-gossipsub", Version(0, 50, 1)),
        ("libp2p-quic", Version(0, 13, 1)),
        ("libp2p-relay", Version(0, 22, 0)),
        ("libp2p-rendezvous", Version(0, 17, 1)),
        ("quinn-proto", Version(0, 11, 15)),
        ("yamux", Version(0, 13, 10)),
    ];
    for (name, lowest) in expected {
        assert!(floor(name) >= Some(lowest), "{name}: {:?}", floor(name));
    }
}

#[test]
fn a_lock_with_an_old_gossipsub_fails() {
    assert_eq!(seeded("gossipsub-0.49.2"), ["libp2p-gossipsub 0.49.2: below its floor Version(0, 50, 1)"]);
}

#[test]
fn a_lock_with_an_old_yamux_fails() {
    assert_eq!(seeded("yamux-0.12.1"), ["yamux 0.12.1: below its floor Version(0, 13, 10)"]);
}

#[test]
fn a_lock_with_another_source_fails() {
    let expected = [
        "blake3 1.8.2: from git+https://example.org/blake3#4f00",
        "sled 0.34.7: from registry+https://example.org/index",
        "tokio 1.54.0: from a folder",
    ];
    assert_eq!(seeded("other-sources"), expected);
}

#[test]
fn a_licence_expression_is_met_or_not() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR (MIT AND ISC)",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
        "MIT AND (Apache-2.0 OR ISC)",
    ] {
        assert!(met(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND Apache-2.0", "Apache-2.0", "(MIT", "MIT OR", "MIT ISC", "OR MIT"] {
        assert!(!met(bad, &allowed), "{bad}");
    }
}
