//! Which crate knows which, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use hearth_tests::shared;
use serde_json::{Value, json};

use crate::sources::none;

/// Which of our crates each may depend on. Nothing may depend on `hearth-tests`.
const DIRECTIONS: [(&str, &[&str]); 4] = [
    ("hearth-protocol", &[]),
    ("hearth-node", &["hearth-protocol"]),
    ("hearth-cli", &["hearth-node", "hearth-protocol"]),
    ("hearth-tests", &["hearth-cli", "hearth-node", "hearth-protocol"]),
];

/// What `protocol` is built from: encodings, hashes, ciphers, text. A new one is a decision.
const PROTOCOL_BUILDS_ON: [&str; 18] = [
    "bip39",
    "blake3",
    "chacha20poly1305",
    "ciborium",
    "data-encoding",
    "ed25519-dalek",
    "hpke",
    "proptest", // behind the feature `testing` only
    "rand_core",
    "serde",
    "serde_bytes",
    "serde_tuple",
    "subtle",
    "thiserror",
    "unicode-normalization",
    "url",
    "x25519-dalek",
    "zeroize",
];

/// What must not come into `protocol` by any path: runtimes, sockets, stores, loggers.
const NEVER_IN_PROTOCOL: [&str; 11] = [
    "async-std",
    "axum",
    "futures-executor",
    "hyper",
    "libp2p",
    "mio",
    "sled",
    "smol",
    "tantivy",
    "tokio",
    "tracing-subscriber",
];

/// What only `node` may depend on directly.
const ONLY_IN_NODE: [&str; 4] = ["axum", "libp2p", "sled", "tantivy"];

/// What cargo knows of all packages that are built on this kind of machine.
pub(crate) fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let args = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host()];
        serde_json::from_str(&said("CARGO", "cargo", &args)).expect("cargo prints JSON")
    })
}

/// The kind of machine. Without it cargo would want the packages of every other kind too, which were never fetched.
fn host() -> String {
    let said = said("RUSTC", "rustc", &["-vV"]);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

fn said(variable: &str, program: &str, args: &[&str]) -> String {
    let program = env::var_os(variable).unwrap_or_else(|| program.into());
    let output = Command::new(&program).current_dir(shared::root()).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("tools of Rust print UTF-8")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// The names of a package's direct dependencies of one kind (`null` for normal ones).
fn direct<'a>(package: &'a Value, kind: &'a Value) -> impl Iterator<Item = &'a str> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    all.filter(move |dependency| dependency["kind"] == *kind).filter_map(|dependency| dependency["name"].as_str())
}

/// Dependencies between our own crates that go up or sideways, and heavy crates outside `node`.
fn against_the_grain(metadata: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages(metadata) {
        let name = package["name"].as_str().unwrap_or_default();
        let allowed = DIRECTIONS.iter().find(|(ours, _)| *ours == name).map(|(_, allowed)| *allowed);
        let kinds = [Value::Null, json!("dev"), json!("build")];
        for (kind, dependency) in kinds.iter().flat_map(|kind| direct(package, kind).map(move |name| (kind, name))) {
            let ours = dependency.starts_with("hearth-");
            let up = ours && !allowed.is_some_and(|allowed| allowed.contains(&dependency));
            // Measurements among the tests call the library bare; where, `boundaries` says.
            let may = name == "hearth-node" || (name == "hearth-tests" && *kind == json!("dev"));
            let heavy = allowed.is_some() && !may && ONLY_IN_NODE.contains(&dependency);
            if up || heavy {
                complaints.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    complaints
}

/// Direct dependencies of `protocol` that are not on its list.
fn unlisted_in_protocol(metadata: &Value) -> Vec<String> {
    let protocol = packages(metadata).filter(|package| package["name"] == "hearth-protocol");
    let dependencies = protocol.flat_map(|package| {
        direct(package, &Value::Null).chain(
            package["dependencies"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|dependency| dependency["kind"] == "build")
                .filter_map(|dependency| dependency["name"].as_str()),
        )
    });
    dependencies
        .filter(|name| !PROTOCOL_BUILDS_ON.contains(name))
        .map(|name| format!("hearth-protocol depends on {name}, which is not on its list"))
        .collect()
}

/// Everything that is linked into `protocol`, by name.
fn all_under_protocol(metadata: &Value) -> BTreeSet<String> {
    let names: BTreeMap<&str, &str> =
        packages(metadata).filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let nodes: BTreeMap<&str, &Value> = nodes.filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let start = names.iter().find(|(_, name)| **name == "hearth-protocol");
    let mut waiting: Vec<&str> = start.map(|(id, _)| *id).into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).and_then(|node| node["deps"].as_array());
        for dependency in dependencies.into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
            if kinds.into_iter().any(|kind| kind["kind"].is_null()) {
                waiting.extend(dependency["pkg"].as_str());
            }
        }
    }
    seen.iter().filter_map(|id| names.get(id)).map(|name| (*name).to_owned()).collect()
}

/// Members whose manifest does not take the lints of the workspace, or a workspace that allows `unsafe`.
fn without_lints(root: &toml::Table, members: &[(String, toml::Table)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let unsafe_code = at(root, &["workspace", "lints", "rust", "unsafe_code"]);
    if unsafe_code.and_then(toml::Value::as_str) != Some("forbid") {
        complaints.push("the workspace does not forbid unsafe_code".to_owned());
    }
    for (name, member) in members {
        let inherits = at(member, &["lints", "workspace"]).and_then(toml::Value::as_bool);
        if inherits != Some(true) {
            complaints.push(format!("{name} does not take the lints of the workspace"));
        }
    }
    complaints
}

/// The value at a path of keys.
pub(crate) fn at<'a>(table: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Value> {
    let (first, rest) = path.split_first()?;
    let found = table.get(*first)?;
    if rest.is_empty() { Some(found) } else { at(found.as_table()?, rest) }
}

/// A TOML file of the root.
pub(crate) fn manifest(path: &str) -> toml::Table {
    let text = fs::read_to_string(shared::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn cli_knows_node_node_knows_protocol_and_nothing_knows_tests() {
    none(&against_the_grain(metadata()));
    let ours: BTreeSet<_> = packages(metadata()).filter_map(|package| package["name"].as_str()).collect();
    for (name, _) in DIRECTIONS {
        assert!(ours.contains(name), "{name} is no package of the workspace");
    }
}

#[test]
fn protocol_builds_on_what_is_listed_and_on_no_runtime() {
    none(&unlisted_in_protocol(metadata()));
    let under = all_under_protocol(metadata());
    assert!(under.contains("blake3"), "nothing was found under protocol: {under:?}");
    let never: Vec<_> = NEVER_IN_PROTOCOL.iter().filter(|name| under.contains(**name)).collect();
    assert!(never.is_empty(), "under protocol: {never:?}");
}

#[test]
fn every_crate_takes_the_lints_that_forbid_unsafe_code() {
    let members = ["protocol", "node", "cli", "tests"];
    let members = members.map(|name| (name.to_owned(), manifest(&format!("{name}/Cargo.toml"))));
    none(&without_lints(&manifest("Cargo.toml"), &members));
}

#[test]
fn a_dependency_in_the_wrong_direction_is_found() {
    let package = |name: &str, on: &[&str]| {
        let on: Vec<_> = on.iter().map(|on| json!({"name": on, "kind": null})).collect();
        json!({"name": name, "id": name, "dependencies": on})
    };
    let wrong = json!({"packages": [
        package("hearth-protocol", &["hearth-node", "tokio", "serde"]),
        package("hearth-cli", &["hearth-node", "sled"]),
        package("hearth-node", &["hearth-protocol", "sled", "hearth-tests"]),
        package("hearth-tests", &["hearth-node", "sled"]),
    ]});
    let expected = [
        "hearth-protocol must not depend on hearth-node",
        "hearth-cli must not depend on sled",
        "hearth-node must not depend on hearth-tests",
        "hearth-tests must not depend on sled",
    ];
    assert_eq!(against_the_grain(&wrong), expected);
    assert_eq!(unlisted_in_protocol(&wrong).len(), 2);
}

#[test]
fn a_crate_without_the_lints_is_found() {
    let table = |text: &str| text.parse::<toml::Table>().expect("it is TOML");
    let good = table("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n");
    let weak = table("[workspace.lints.rust]\nunsafe_code = \"warn\"\n");
    let takes = || ("takes".to_owned(), table("[lints]\nworkspace = true\n"));
    let lacks = || ("lacks".to_owned(), table("[package]\nname = \"lacks\"\n"));
    assert_eq!(without_lints(&good, &[takes()]), Vec::<String>::new());
    assert_eq!(without_lints(&weak, &[takes(), lacks()]).len(), 2);
}
