//! What people do in the scenarios, each as one line of a test.
//!
//! Leaves to others: what is expected of it. Always true: an act that fails ends the test with what was asked and
//! what was answered.

use std::collections::BTreeSet;
use std::time::Duration;

use hearth_tests::process::Node;
use hearth_tests::wait;
use hearth_tests::world::Person;
use serde_json::{Value, json};

/// More than any scenario keeps in one community.
const ALL: &str = "5000";

/// A community and what its founder calls it.
#[derive(Clone, Debug)]
pub(crate) struct Community {
    pub(crate) id: String,
    pub(crate) name: &'static str,
}

/// `person` founds a community.
#[track_caller]
pub(crate) fn found(person: &Person, name: &'static str, domain: &str) -> Community {
    let made = person.hearth(&["community", "create", name, "--domain", domain]);
    assert_eq!(made.text("name"), name);
    Community { id: made.text("community"), name }
}

/// A key that lets `uses` people in.
#[track_caller]
pub(crate) fn invite(person: &Person, community: &Community, uses: usize) -> String {
    let uses = uses.to_string();
    let made = person.hearth(&["invite", "create", community.name, "--uses", &uses]);
    made.text("key")
}

/// `person` pastes the key, and is a member afterwards.
#[track_caller]
pub(crate) fn join(person: &Person, key: &str, community: &Community) {
    let joined = person.hearth_given(&["join", "-"], key.as_bytes()).one();
    let expected = json!({"community": community.id, "name": community.name, "role": "member"});
    assert_eq!(only(&joined, &["community", "name", "role"]), expected);
}

/// `person` posts `text`; gives the item's id.
#[track_caller]
pub(crate) fn post(person: &Person, community: &Community, text: &str) -> String {
    let kept = person.hearth(&["post", text, "--to", community.name]);
    assert_eq!(kept.text("community"), community.id);
    kept.text("item")
}

/// What `person` has in `community`, newest first, each item once.
#[track_caller]
pub(crate) fn items(person: &Person, community: &str) -> Vec<Value> {
    let listed = person.hearth(&["list", "--in", community, "--limit", ALL]);
    let items = listed.lines();
    let distinct: BTreeSet<_> = items.iter().map(|item| item["item"].as_str()).collect();
    assert_eq!(distinct.len(), items.len(), "an item is listed twice: {listed}");
    items
}

/// The ids of what `person` has in `community`.
#[track_caller]
pub(crate) fn ids(person: &Person, community: &str) -> BTreeSet<String> {
    let items = items(person, community);
    items.iter().map(|item| text(item, "item")).collect()
}

/// Waits until `person` has at least `count` items in `community`, and gives their ids.
#[track_caller]
pub(crate) fn wait_for_items(
    person: &Person,
    community: &Community,
    count: usize,
    limit: Duration,
) -> BTreeSet<String> {
    let what = format!("{} has {count} items of {}", person.name(), community.name);
    wait::until(&what, limit, || {
        let has = items_counted(person, community);
        if has >= u64::try_from(count).expect("a count fits into 64 bits") {
            Ok(())
        } else {
            Err(format!("{has} items"))
        }
    });
    ids(person, community.name)
}

/// Waits until `person` has `item` in `community`.
#[track_caller]
pub(crate) fn wait_for_item(person: &Person, community: &Community, item: &str) {
    let what = format!("{} has {item}", person.name());
    wait::until(&what, wait::SOON, || {
        let has = ids(person, community.name);
        if has.contains(item) { Ok(()) } else { Err(format!("{has:?}")) }
    });
}

/// How many items `status` counts in `community`; none where the person is not in it.
#[track_caller]
fn items_counted(person: &Person, community: &Community) -> u64 {
    let status = person.hearth(&["status"]).one();
    let communities = status["communities"].as_array();
    communities
        .into_iter()
        .flatten()
        .find(|found| found["community"] == community.id.as_str())
        .and_then(|found| found["items"].as_u64())
        .unwrap_or(0)
}

/// `kill -9` to all of them.
pub(crate) fn kill_all(nodes: Vec<Node>) {
    for node in nodes {
        node.kill();
    }
}

/// The text under `key`.
#[track_caller]
pub(crate) fn text(object: &Value, key: &str) -> String {
    let text = object[key].as_str();
    text.unwrap_or_else(|| panic!("no text `{key}` in {object}")).to_owned()
}

/// The named fields of an object: fields may be added to the contract, so the others do not count.
pub(crate) fn only(object: &Value, keys: &[&str]) -> Value {
    let fields = keys.iter().map(|key| ((*key).to_owned(), object[*key].clone()));
    Value::Object(fields.collect())
}

/// Whether `text` is a full id: 32 bytes in small hexadecimal digits.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
