//! One person, alone: what was kept is there again, once, whatever happened in between.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hearth_tests::api::Client;
use hearth_tests::process::Node;
use hearth_tests::seed::Seed;
use hearth_tests::wait;
use hearth_tests::world::{Person, World};
use hearth_tests::{process, shared};
use serde_json::{Value, json};

use crate::acts::{ids, is_id, items, only, text};

/// How many posts the kill may come after.
const KILL_AFTER: std::ops::Range<usize> = 5..60;

// alice
#[test]
fn a_first_call_makes_a_person_with_a_device() {
    let world = World::new("init");
    let alice = world.home("alice");
    let made = alice.hearth(&["init", "--name", "Alice"]);
    assert_eq!(made.text("name"), "Alice");
    assert!(is_id(&made.text("person")), "{made}");
    assert!(is_id(&made.text("device")), "{made}");
    assert_ne!(made.text("person"), made.text("device"));

    let status = alice.hearth(&["status"]).one();
    assert_eq!(status["running"], false);
    assert_eq!(status["person"], made.one()["person"]);
    assert_eq!(status["device"], made.one()["device"]);
    let own: Vec<_> = status["communities"].as_array().into_iter().flatten().collect();
    assert_eq!(own.len(), 1, "{status}");
    assert_eq!(own[0]["name"], "mine");
}

// alice
#[test]
fn what_is_kept_is_listed_shown_edited_and_retracted() {
    let world = World::new("keep");
    let alice = world.person("alice");
    let posted = alice.hearth(&["post", "The frost came early.", "-t", "weather", "--title", "Frost"]);
    let (post, mine) = (posted.text("item"), posted.text("community"));
    let marked = alice.hearth(&[
        "bookmark",
        "https://seeds.example/Saving?x=1#top",
        "-t",
        "seeds",
        "-t",
        "winter",
        "--title",
        "Saving seed",
        "--note",
        "dry and dark",
    ]);
    let bookmark = marked.text("item");
    assert_eq!(marked.text("community"), mine);

    let listed = items(&alice, "mine");
    assert_eq!(listed.len(), 2);
    assert_eq!(text(&listed[0], "item"), bookmark, "the newest comes first");
    let expected = json!({
        "kind": "bookmark", "community": mine, "author": alice.id(), "author_name": "alice", "title": "Saving seed",
        "url": "https://seeds.example/Saving?x=1#top", "tags": ["seeds", "winter"], "reach": 0,
    });
    let keys = ["kind", "community", "author", "author_name", "title", "url", "tags", "reach"];
    assert_eq!(only(&listed[0], &keys), expected);
    let expected = json!({"kind": "post", "title": "Frost", "text": "The frost came early.", "tags": ["weather"]});
    assert_eq!(only(&listed[1], &["kind", "title", "text", "tags"]), expected);

    let shown = alice.hearth(&["show", &post[..6]]).one();
    assert_eq!(only(&shown, &["item", "signature"]), json!({"item": post, "signature": "valid"}));

    let _ = alice.hearth(&["edit", &post, "The frost came late."]).one();
    let shown = alice.hearth(&["show", &post]).one();
    assert_eq!(shown["text"], "The frost came late.");
    assert_eq!(shown["history"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(ids(&alice, "mine").len(), 2, "an edit is no item of its own on a list");

    let _ = alice.hearth(&["retract", &bookmark]).one();
    assert_eq!(ids(&alice, "mine"), BTreeSet::from([post]));
}

// alice
#[test]
fn a_text_from_standard_input_is_kept_byte_for_byte() {
    let world = World::new("stdin");
    let alice = world.person("alice");
    let typed = "# Erde prüfen\n\n- Glas\n- Wasser ☃\n\n```sh\necho 'done'\n```\n";
    let item = alice.hearth_given(&["post", "-"], typed.as_bytes()).text("item");
    assert_eq!(alice.hearth(&["show", &item]).one()["text"], typed);
}

// alice
#[test]
fn a_bookmark_file_is_imported_once_however_often_it_is_given() {
    let world = World::new("import");
    let alice = world.person("alice");
    let file = shared::fixture("bookmarks.html");
    let path = file.to_str().expect("the project's path is text");
    let lines = fs::read_to_string(&file).expect("the fixture is there");
    let refused = lines.lines().position(|line| line.contains("javascript:"));
    let refused = refused.expect("the fixture has one") + 1;

    let dry = alice.hearth(&["import", path, "--dry-run"]).one();
    assert_eq!(only(&dry, &["read", "new", "known"]), json!({"read": 13, "new": 11, "known": 1}));
    assert_eq!(items(&alice, "mine").len(), 0, "a dry run keeps nothing");

    let first = alice.hearth(&["import", path]).one();
    assert_eq!(only(&first, &["read", "new", "known"]), json!({"read": 13, "new": 11, "known": 1}));
    assert_eq!(first["rejected"].as_array().map(Vec::len), Some(1), "{first}");
    assert_eq!(first["rejected"][0]["line"], refused, "{first}");
    let kept = ids(&alice, "mine");
    assert_eq!(kept.len(), 11);

    let again = alice.hearth(&["import", path]).one();
    assert_eq!(only(&again, &["read", "new", "known"]), json!({"read": 13, "new": 0, "known": 12}));
    assert_eq!(ids(&alice, "mine"), kept);
    the_import_kept_what_the_file_said(&alice);
}

#[track_caller]
fn the_import_kept_what_the_file_said(alice: &Person) {
    let listed = items(alice, "mine");
    let find = |url: &str| {
        let found = listed.iter().find(|item| item["url"] == url);
        found.unwrap_or_else(|| panic!("{url} is not there"))
    };
    let saving = find("https://seeds.example/saving");
    assert_eq!(saving["title"], "Saving seed over the winter");
    let tags: Vec<_> = saving["tags"].as_array().into_iter().flatten().collect();
    for tag in ["seeds", "winter", "storage"] {
        assert!(tags.iter().any(|found| *found == tag), "{tag} in {tags:?}");
    }
    assert_eq!(find("https://seeds.example/beans#runner")["title"], "Runner beans & what climbs with them");
    let scythe = find("https://tools.example/scythe");
    let dates = [&scythe["created_ms"], &scythe["added_ms"]];
    assert!(dates.iter().any(|date| **date == 1_700_001_100_000_u64), "{scythe}");
}

// alice
#[test]
fn a_real_collection_is_imported_whole() {
    let Some(file) = shared::input("data/derived/awesome-rust.netscape.html") else {
        return;
    };
    let world = World::new("collection");
    let alice = world.person("alice");
    let path = file.to_str().expect("the path is text");
    let expected = json!({"read": 1741, "new": 1740, "known": 1, "rejected": []});
    assert_eq!(alice.hearth(&["import", path]).one(), expected);
    let kept = ids(&alice, "mine");
    assert_eq!(kept.len(), 1740);
    let expected = json!({"read": 1741, "new": 0, "known": 1741, "rejected": []});
    assert_eq!(alice.hearth(&["import", path]).one(), expected);
    assert_eq!(ids(&alice, "mine"), kept);
}

// alice
#[test]
fn a_command_says_the_same_with_the_node_running_and_stopped() {
    let world = World::new("carriers");
    let alice = world.person("alice");
    let _ = alice.hearth(&["post", "written while it was stopped"]).one();
    let stopped = items(&alice, "mine");
    let node = alice.start();
    assert_eq!(alice.hearth(&["status"]).one()["running"], true);
    assert_eq!(items(&alice, "mine"), stopped);
    let _ = alice.hearth(&["post", "written while it was running"]).one();
    let running = items(&alice, "mine");
    assert_eq!(running.len(), 2);
    assert_eq!(node.stop().code(), Some(0), "SIGTERM is no accident");
    assert_eq!(alice.hearth(&["status"]).one()["running"], false);
    assert_eq!(items(&alice, "mine"), running);
}

// alice
#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut seed = Seed::take("what_was_acknowledged_survives_kill_9");
    let world = World::new("kill");
    let alice = world.person("alice");
    let mut acknowledged = BTreeSet::new();
    for round in 0..3 {
        let after = seed.between(KILL_AFTER.start, KILL_AFTER.end);
        let node = alice.start();
        acknowledged.extend(posts_until_killed(node, after, round));
        let stopped = ids(&alice, "mine");
        assert_eq!(acknowledged.difference(&stopped).next(), None, "an acknowledged item is lost");
        // At most the one that was on its way when the node was killed.
        assert!(stopped.len() <= acknowledged.len() + round + 1);
        let again = alice.start();
        assert_eq!(ids(&alice, "mine"), stopped, "the same ids with the node running");
        again.kill();
    }
}

/// Posts one after the other from a thread, kills the node once `after` were acknowledged, and gives the
/// acknowledged ids.
fn posts_until_killed(node: Node, after: usize, round: usize) -> Vec<String> {
    let client = Client::of(&node);
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write_until_refused(&client, &count, round));
        wait::until("enough posts are acknowledged", wait::SOON, || {
            let so_far = count.load(Ordering::SeqCst);
            if so_far >= after { Ok(()) } else { Err(format!("{so_far} of {after}")) }
        });
        node.kill();
        writer.join().expect("the writer ends where the node does")
    })
}

fn write_until_refused(client: &Client, count: &AtomicUsize, round: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    loop {
        let number = acknowledged.len();
        let body = json!({"kind": "post", "to": [], "text": format!("{round}: {number}"), "tags": []});
        let Ok(reply) = client.tell("/items", &body) else {
            return acknowledged;
        };
        assert!((200..300).contains(&reply.status), "{reply:?}");
        acknowledged.push(text(&reply.body["items"][0], "item"));
        count.store(acknowledged.len(), Ordering::SeqCst);
    }
}

// alice
#[test]
fn a_shortened_id_must_be_long_enough_and_unique() {
    let world = World::new("prefix");
    let alice = world.person("alice");
    let item = alice.hearth(&["post", "one"]).text("item");
    assert_eq!(alice.hearth(&["show", &item[..6]]).text("item"), item);
    let _ = alice.hearth(&["show", &item[..5]]).refusal(2);
}

// alice
#[test]
fn help_and_version_are_there_without_a_home() {
    let world = World::new("help");
    let alice = world.home("alice");
    for flag in ["--help", "--version"] {
        let said = process::answer(alice.plain(&[flag]), b"");
        assert_eq!(said.code(), Some(0), "{said}");
        assert!(said.output().contains("hearth"), "{said}");
    }
    assert!(!alice.folder().exists(), "asking for help makes no home");
    let unknown: Value = json!({"code": alice.hearth(&["plant", "a", "tree"]).code()});
    assert_eq!(unknown, json!({"code": 2}));
}
