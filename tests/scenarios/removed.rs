//! T13: one who was removed reads nothing more and is shown nowhere, whenever the removal comes.
//!
//! Leaves to others: removals while apart (`apart`), a cheating program. Always true: the removal comes while the one
//! it is about writes, at a moment that the seed draws.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hearth_tests::api::Client;
use hearth_tests::process::Node;
use hearth_tests::seed::Seed;
use hearth_tests::wait;
use hearth_tests::world::{Person, World};
use serde_json::json;

use crate::acts::{Community, found, invite, join, post, text, wait_for_item};

const ROUNDS: usize = 20;

/// Posts that are tried after the removal, while eve's node does not know of it or refuses.
const TRIES: usize = 5;

/// How long two members may take until they show the same; T13 has one sync, of 30 s.
const SAME: Duration = Duration::from_secs(45);

/// What `person` lists by `author`.
#[track_caller]
fn by(person: &Person, garden: &Community, author: &Person) -> BTreeSet<String> {
    let listed = person.hearth(&["list", "--in", garden.name, "--by", author.id(), "--limit", "5000"]);
    listed.lines().iter().map(|item| text(item, "item")).collect()
}

/// Whether the bytes of `needle` are in a file under `folder`.
fn is_in_files(folder: &Path, needle: &str) -> bool {
    let inside = fs::read_dir(folder).expect("the home is the test's own");
    inside.map(|found| found.expect("it can be listed").path()).any(|path| {
        if path.is_dir() {
            return is_in_files(&path, needle);
        }
        // A socket is no file that anything is kept in.
        let bytes = if path.is_file() { fs::read(&path).expect("the test's own file") } else { Vec::new() };
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

// alice ── bob
//   ╲     ╱
//    eve0 … eve19, one after the other
#[test]
fn who_is_removed_while_they_write_reads_nothing_more_and_is_shown_nowhere() {
    let mut seed = Seed::take("who_is_removed_while_they_write_reads_nothing_more_and_is_shown_nowhere");
    let world = World::new("removed");
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let garden = found(&alice, "garden", "growing things");
    let _nodes = (alice.start(), bob.start());
    join(&bob, &invite(&alice, &garden, 1), &garden);
    let key = invite(&alice, &garden, ROUNDS);
    let eves: Vec<Person> = (0..ROUNDS).map(|round| world.person(&format!("eve{round}"))).collect();
    for eve in &eves {
        join(eve, &key, &garden);
    }
    let start = Instant::now();
    let (mut tried, mut listed) = (0, 0);
    for (round, eve) in eves.iter().enumerate() {
        let counts = one_round(&world, [&alice, &bob, eve], &garden, &mut seed);
        tried += counts.0;
        listed += counts.1;
        eprintln!("round {round}: eve wrote {}, shown {}, after {:?}", counts.0, counts.1, start.elapsed());
    }
    eprintln!("{ROUNDS} rounds: eves wrote {tried}, shown {listed}, read 0 of {} after their removal", ROUNDS * 4);
}

/// Gives how many posts eve's node took, and how many of them are shown.
fn one_round(world: &World, people: [&Person; 3], garden: &Community, seed: &mut Seed) -> (usize, usize) {
    let [alice, bob, eve] = people;
    let node = eve.start();
    let welcome = format!("welcome-{:016x}", seed.draw());
    let welcomed = post(alice, garden, &welcome);
    wait_for_item(eve, garden, &welcomed);

    let (taken, shown) = removed_while_writing(alice, eve, &node, garden, seed.between(1, 12));

    let mut markers = Vec::new();
    let mut write = |person: &Person| {
        let marker = format!("marker-{:016x}", seed.draw());
        markers.push(marker.clone());
        post(person, garden, &marker)
    };
    // Eve asks while they write, and after it.
    thread::scope(|scope| {
        let asked = scope.spawn(|| eve.hearth(&["sync"]));
        let hers = write(alice);
        wait::until("bob knows of the removal", SAME, || {
            let members = bob.hearth(&["member", "list", garden.name]).output().to_owned();
            if members.contains(eve.id()) { Err(members) } else { Ok(()) }
        });
        let his = write(bob);
        wait_for_item(bob, garden, &hers);
        wait_for_item(alice, garden, &his);
        let _ = asked.join().expect("asking ends");
    });
    let before = eve.hearth(&["list", "--limit", "5000"]).output().to_owned();
    assert_eq!(node.stop().code(), Some(0));
    // At other ports: her own may have been taken since, and nobody is to find her.
    let node = world.home(eve.name()).start();
    let _ = (write(alice), write(bob));
    let _ = eve.hearth(&["post", "Written after a restart.", "--to", &garden.id]);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| eve.hearth(&["sync"]));
        }
    });
    let after = eve.hearth(&["list", "--limit", "5000"]);
    assert_eq!(after.code(), Some(0), "{after}");
    assert_eq!(node.stop().code(), Some(0));

    assert!(is_in_files(eve.folder(), &welcome), "what eve could read is found in her files");
    for marker in &markers {
        assert!(!before.contains(marker) && !after.output().contains(marker), "{} lists {marker}", eve.name());
        assert!(!is_in_files(eve.folder(), marker), "{} keeps {marker}", eve.name());
    }
    for person in [alice, bob] {
        wait::until(&format!("{} shows what was seen at the removal", person.name()), SAME, || {
            let now = by(person, garden, eve);
            if now == shown { Ok(()) } else { Err(format!("{now:?}, not {shown:?}")) }
        });
    }
    (taken, shown.len())
}

/// Alice removes eve, who writes, when she has seen `moment` posts of hers. Gives how many posts eve's node took, and
/// which of them alice is shown then.
fn removed_while_writing(
    alice: &Person,
    eve: &Person,
    node: &Node,
    garden: &Community,
    moment: usize,
) -> (usize, BTreeSet<String>) {
    // Eve writes for as long as she is let, and some more; the removal comes in between.
    let (is_out, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    let shown = thread::scope(|scope| {
        let client = Client::of(node);
        let (is_out, taken) = (&is_out, &taken);
        scope.spawn(move || {
            let mut left = TRIES;
            let mut number = 0;
            while left > 0 {
                left -= usize::from(is_out.load(Ordering::Relaxed));
                number += 1;
                let body = json!({"kind": "post", "to": [garden.id], "text": format!("number {number}"), "tags": []});
                let told = client.tell("/items", &body);
                taken.fetch_add(
                    usize::from(told.is_ok_and(|told| told.body["items"][0]["item"].is_string())),
                    Ordering::Relaxed,
                );
            }
        });
        let reached = wait::until_or(wait::SOON, || {
            let seen = by(alice, garden, eve).len();
            if seen >= moment { Ok(()) } else { Err(format!("{seen} of {moment} posts")) }
        });
        let removed = alice.hearth(&["member", "remove", garden.name, eve.id()]);
        let shown = by(alice, garden, eve);
        is_out.store(true, Ordering::Relaxed);
        reached.expect("alice is shown what eve writes");
        assert_eq!(removed.text("role"), "none");
        shown
    });
    (taken.into_inner(), shown)
}

// alice ── one after the other, each removed before the next comes
#[test]
fn newcomers_still_arrive_after_many_removals() {
    let world = World::new("removed-often");
    let alice = world.person("alice");
    let garden = found(&alice, "garden", "growing things");
    let _node = alice.start();
    let key = invite(&alice, &garden, ROUNDS);
    for round in 0..ROUNDS {
        let eve = world.person(&format!("eve{round}"));
        let _node = eve.start();
        join(&eve, &key, &garden);
        let removed = alice.hearth(&["member", "remove", garden.name, eve.id()]);
        assert_eq!(removed.text("role"), "none", "in round {round}");
    }
}
