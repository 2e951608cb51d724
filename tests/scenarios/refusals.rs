//! What cannot be done is said in one line, with the right exit code, and changes nothing.
//!
//! Exit codes: 1 could not, 2 typed wrong, 3 refused by a policy.

use std::fs;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hearth_protocol::id::{Context, hash};
use hearth_protocol::invite::PREFIX;
use hearth_tests::process::{Answer, Home, Refusal, answer};
use hearth_tests::seed::Seed;
use hearth_tests::tree::Tree;
use hearth_tests::wait;
use hearth_tests::world::World;

use crate::acts::{found, ids, invite};

/// What a post may hold at most: 200 KiB of text.
const POST_LIMIT: usize = 200 * 1024;

/// Has `home` refuse `args` with `code`: as one JSON object, as one plain line, and without a trace.
#[track_caller]
pub(crate) fn refused(home: &Home, args: &[&str], input: &[u8], code: i32) -> Refusal {
    // Opening the store may tidy it up once; reading it again changes nothing.
    if home.folder().exists() {
        let _ = home.hearth(&["list"]);
        let _ = home.hearth(&["list"]);
    }
    refused_at_once(home, args, input, code)
}

/// The same in a home that cannot be read first.
#[track_caller]
pub(crate) fn refused_at_once(home: &Home, args: &[&str], input: &[u8], code: i32) -> Refusal {
    let look = || match home.folder().exists() {
        true => Tree::of(home.folder()),
        false => Tree::default(),
    };
    let before = look();
    let refusal = home.hearth_given(args, input).refusal(code);
    let plain = answer(home.plain(args), input);
    assert_eq!(plain.code(), Some(code), "{plain}");
    one_clear_line(&plain);
    assert_eq!(before.changes(&look()), Vec::<String>::new(), "{args:?} changed the home");
    refusal
}

/// What a person reads: one line that says what and why, at most a hint under it, and nothing of the inside.
#[track_caller]
pub(crate) fn one_clear_line(said: &Answer) {
    assert_eq!(said.output(), "", "{said}");
    let mut lines = said.errors().lines();
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with("error: "), "{said}");
    assert!(lines.all(|line| !line.starts_with("error: ")), "{said}");
    assert!(!said.errors().contains("panicked"), "{said}");
}

/// Whether one of the refusal's texts has `word` in it.
#[track_caller]
pub(crate) fn mentions(refusal: &Refusal, word: &str) {
    let said = format!("{} {}", refusal.error, refusal.hint).to_lowercase();
    assert!(said.contains(&word.to_lowercase()), "no `{word}` in {refusal:?}");
}

// alice ── bob, who has a spoilt key
#[test]
fn an_invite_key_that_was_spoilt_is_typed_wrong() {
    let mut seed = Seed::take("an_invite_key_that_was_spoilt_is_typed_wrong");
    let world = World::new("spoilt-key");
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let garden = found(&alice, "garden", "growing things");
    let _node = alice.start();
    let key = invite(&alice, &garden, 1);

    for _ in 0..4 {
        let wrong = with_one_wrong_letter(&key, &mut seed);
        let refusal = refused(&bob, &["join", &wrong], b"", 2);
        mentions(&refusal, "key");
        let _ = refused(&bob, &["invite", "inspect", &wrong], b"", 2);
    }
    for length in [0, 7, key.len() / 2, key.len() - 1] {
        let _ = refused(&bob, &["join", "-"], &key.as_bytes()[..length], 2);
    }
    let _ = refused(&bob, &["join", "hearth1"], b"", 2);
    let _ = refused(&bob, &["join", "https://garden.example/join"], b"", 2);

    // The same key, as it was made, works.
    assert_eq!(bob.hearth(&["join", &key]).text("community"), garden.id);
}

/// `key` with one letter after its prefix replaced by another that keys are made of.
fn with_one_wrong_letter(key: &str, seed: &mut Seed) -> String {
    let mut letters: Vec<char> = key.chars().collect();
    let at = seed.between(PREFIX.len(), letters.len());
    let other = letters[PREFIX.len()..].iter().copied().find(|letter| !letter.eq_ignore_ascii_case(&letters[at]));
    letters[at] = other.expect("a key is not one letter over and over");
    letters.into_iter().collect()
}

// alice ── bob, who comes too late
#[test]
fn an_invite_key_that_has_expired_is_refused() {
    let world = World::new("expired-key");
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let garden = found(&alice, "garden", "growing things");
    let _node = alice.start();
    let made = alice.hearth(&["invite", "create", garden.name, "--expires", "1s"]);
    let key = made.text("key");
    wait::until("the key has expired", wait::SOON, || {
        let seen = bob.hearth(&["invite", "inspect", &key]).one();
        if seen["expired"] == true { Ok(()) } else { Err(seen.to_string()) }
    });
    let refusal = refused(&bob, &["join", &key], b"", 3);
    mentions(&refusal, "expired");
}

// alice ── bob, dave
#[test]
fn an_invite_key_opens_one_community_once() {
    let world = World::new("other-key");
    let people = ["alice", "bob", "carol", "dave"].map(|name| world.person(name));
    let [alice, bob, carol, dave] = &people;
    let garden = found(alice, "garden", "growing things");
    let library = found(dave, "library", "books");
    let (_garden, _library) = (alice.start(), dave.start());
    let key = invite(alice, &garden, 1);

    let forged = for_another_community(&key, &garden.id, &library.id);
    assert_eq!(refused(bob, &["join", &forged], b"", 2).reason, "other_community");
    assert_eq!(bob.hearth(&["join", &key]).text("community"), garden.id);

    // This one went out to a member and came back with a no; carol has what she had.
    let refusal = carol.hearth(&["join", &key]).refusal(3);
    mentions(&refusal, "used");
    let left = carol.hearth(&["status"]).one();
    assert_eq!(left["communities"].as_array().map(Vec::len), Some(1), "{left}");
    // Who joined garden knows nothing of library.
    let _ = refused(bob, &["list", "--in", library.name], b"", 2);
    let _ = refused(bob, &["post", "hello", "--to", &library.id], b"", 2);
}

/// `key` with another community's id in it and a check that fits.
fn for_another_community(key: &str, from: &str, to: &str) -> String {
    let hex = |id: &str| HEXLOWER.decode(id.as_bytes()).expect("an id is hexadecimal");
    let (from, to) = (hex(from), hex(to));
    let letters = key[PREFIX.len()..].to_uppercase();
    let mut bytes = BASE32_NOPAD.decode(letters.as_bytes()).expect("a key is base32");
    bytes.truncate(bytes.len() - 4);
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.expect("a key names its community");
    bytes[at..at + to.len()].copy_from_slice(&to);
    let check = hash(Context::INVITE_CHECK, &bytes);
    bytes.extend_from_slice(&check[..4]);
    format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_lowercase())
}

// alice
#[test]
fn a_post_that_is_too_long_empty_or_full_of_control_characters_is_typed_wrong() {
    let world = World::new("bad-post");
    let alice = world.person("alice");
    let limit = "a".repeat(POST_LIMIT);
    let over = "a".repeat(POST_LIMIT + 1);
    let cases: [(&str, &[u8]); 6] = [
        ("long", over.as_bytes()),
        ("empty", b""),
        ("empty", b" \n\t\n"),
        ("control", b"ring \x07 the bell"),
        ("control", b"red \x1b[31m letters"),
        ("UTF-8", b"half a letter \xc3"),
    ];
    for (word, input) in cases {
        let refusal = refused(&alice, &["post", "-"], input, 2);
        mentions(&refusal, word);
    }
    assert_eq!(ids(&alice, "mine").len(), 0);
    let _ = alice.hearth_given(&["post", "-"], limit.as_bytes()).one();
    assert_eq!(ids(&alice, "mine").len(), 1, "what is just at the limit is kept");
    the_same_is_refused_by_a_running_node(&alice, over.as_bytes());
}

#[track_caller]
fn the_same_is_refused_by_a_running_node(alice: &Home, over: &[u8]) {
    let _node = alice.start();
    for input in [over, b"", b"ring \x07 the bell"] {
        let _ = alice.hearth_given(&["post", "-"], input).refusal(2);
    }
    assert_eq!(ids_of(alice), 1);
}

fn ids_of(home: &Home) -> usize {
    home.hearth(&["list", "--in", "mine"]).lines().len()
}

// alice
#[test]
fn a_bookmark_with_an_address_that_is_not_for_pages_is_typed_wrong() {
    let world = World::new("bad-address");
    let alice = world.person("alice");
    for address in ["javascript:alert(1)", "data:text/html,hi", "file:///etc/passwd", "no address", ""] {
        let _ = refused(&alice, &["bookmark", address], b"", 2);
    }
}

// alice
#[test]
fn a_file_without_bookmarks_is_not_imported() {
    let world = World::new("bad-import");
    let alice = world.person("alice");
    let files: [(&str, &[u8]); 5] = [
        ("empty.html", b""),
        ("page.html", b"<!doctype html><title>A page</title><p>Nothing to keep.</p>"),
        ("notes.txt", b"milk, bread, seed potatoes\n"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01"),
        ("cut.json", b"[{\"href\":\"https://seeds.example/"),
    ];
    for (name, bytes) in files {
        let path = world.folder().join(name);
        fs::write(&path, bytes).expect("the folder is the test's own");
        let path = path.to_str().expect("the test's folder is text");
        let refusal = refused(&alice, &["import", path], b"", 1);
        mentions(&refusal, "bookmark");
    }
    let missing = world.folder().join("missing.html");
    let missing = missing.to_str().expect("the test's folder is text");
    mentions(&refused(&alice, &["import", missing], b"", 1), "missing.html");
}
