//! The nasty cases of membership, with nodes that are cut off from each other and meet again: a node that is to be
//! apart does not run, and its home goes on without it.
//!
//! Leaves to others: the same rules over thousands of histories (`protocol`). Always true: what is looked at is
//! looked at after both sides have met.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_tests::process::Node;
use hearth_tests::wait;
use hearth_tests::world::{Person, World};
use serde_json::Value;

use crate::acts::{Community, found, ids, invite, join, kill_all, post, text, wait_for_item};

/// Enough for three rounds of 30 s, in which nodes look after what they left open.
const ROUNDS: Duration = Duration::from_secs(90);

/// How long those who meet again may take: a round, and the time to act on what it brought.
const MEETING: Duration = Duration::from_secs(45);

/// Alice founds garden and lets the others in, each with a role; all know all of it, and then all nodes stop.
fn together(people: &[(&Person, &str)]) -> Community {
    let (alice, _) = people[0];
    let garden = found(alice, "garden", "growing things");
    let first = alice.start();
    let key = invite(alice, &garden, people.len());
    let mut nodes = Vec::new();
    for (person, _) in &people[1..] {
        nodes.push(person.start());
        join(person, &key, &garden);
    }
    for (person, role) in &people[1..] {
        if *role != "member" {
            let _ = alice.hearth(&["member", "set", garden.name, person.id(), role]).one();
        }
    }
    nodes.push(first);
    for (person, _) in people {
        wait_for_roles(person, people, MEETING);
    }
    kill_all(nodes);
    garden
}

/// Who has which role, as `person` sees it.
#[track_caller]
fn roles(person: &Person) -> BTreeMap<String, String> {
    let listed = person.hearth(&["member", "list", "garden"]).lines();
    listed.iter().map(|member| (text(member, "person"), text(member, "role"))).collect()
}

/// Waits until `person` sees these members, and no others.
#[track_caller]
fn wait_for_roles(person: &Person, expected: &[(&Person, &str)], limit: Duration) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(member, role)| (member.id().to_owned(), (*role).to_owned())).collect();
    wait::until(&format!("{} sees the members {expected:?}", person.name()), limit, || {
        let seen = roles(person);
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

/// The decisions of `kind` that `person` knows, made by `author`.
#[track_caller]
fn decisions(person: &Person, kind: &str, author: &Person) -> Vec<Value> {
    let log = person.hearth(&["member", "log", "garden"]).lines();
    log.into_iter().filter(|line| line["kind"] == kind && line["author"] == author.id()).collect()
}

/// `person` connects to a node by its address.
#[track_caller]
fn meet(person: &Person, node: &Node) {
    let address = node.ready()["listen"][0].as_str().expect("a node that serves has an address");
    let answer = person.hearth(&["peer", "add", address]);
    assert_eq!(answer.code(), Some(0), "{answer}");
}

#[track_caller]
fn remove(person: &Person, other: &Person) {
    let said = person.hearth(&["member", "remove", "garden", other.id()]);
    assert_eq!(said.text("role"), "none");
}

/// `person` asks for the removal of one who is not under them: it would be a motion, and is refused as that.
#[track_caller]
fn cannot_remove(person: &Person, other: &Person) {
    let refusal = person.hearth(&["member", "remove", "garden", other.id()]).refusal(3);
    assert_eq!(refusal.reason, "inert");
}

//     alice
//    ╱     ╲
// bob   ╳   carol
#[test]
fn case_11_1_a_two_siblings_who_remove_each_other_apart_both_stay() {
    let world = World::new("apart-siblings");
    let (alice, bob, carol) = (world.person("alice"), world.person("bob"), world.person("carol"));
    let all = [(&alice, "steward"), (&bob, "steward"), (&carol, "steward")];
    let garden = together(&all);
    cannot_remove(&bob, &carol);
    cannot_remove(&carol, &bob);
    let (bobs, carols) = (post(&bob, &garden, "Bob without carol."), post(&carol, &garden, "Carol without bob."));

    let alices = alice.start();
    let _nodes = (bob.start(), carol.start());
    meet(&bob, &alices);
    meet(&carol, &alices);
    for person in [&alice, &bob, &carol] {
        wait_for_item(person, &garden, &bobs);
        wait_for_item(person, &garden, &carols);
        wait_for_roles(person, &all, MEETING);
    }
}

//     alice, who is to be told
//    ╱     ╲
// bob   ╳   carol
#[test]
fn case_11_1_a_the_removals_of_two_siblings_reach_the_founder_as_motions() {
    let world = World::new("apart-motions");
    let (alice, bob, carol) = (world.person("alice"), world.person("bob"), world.person("carol"));
    let all = [(&alice, "steward"), (&bob, "steward"), (&carol, "steward")];
    let _garden = together(&all);
    for (person, other) in [(&bob, &carol), (&carol, &bob)] {
        let _ = person.hearth(&["member", "remove", "garden", other.id(), "--propose"]).one();
    }
    let alices = alice.start();
    let _nodes = (bob.start(), carol.start());
    meet(&bob, &alices);
    meet(&carol, &alices);
    wait::until("both motions are shown to who can decide", MEETING, || {
        let status = alice.hearth(&["status"]).one();
        let findings = status["findings"].as_array().cloned().unwrap_or_default();
        let motions = findings.iter().filter(|finding| finding["kind"] == "motion" && finding["do"].is_string());
        if motions.count() == 2 { Ok(()) } else { Err(format!("{findings:?}")) }
    });
    wait_for_roles(&alice, &all, MEETING);
}

// alice ── bob ──╳── carol, whom bob made a steward ── dave
#[test]
fn case_11_1_b_of_a_steward_and_the_one_who_made_them_one_the_elder_wins() {
    let world = World::new("apart-elder");
    let people = ["alice", "bob", "carol", "dave"].map(|name| world.person(name));
    let [alice, bob, carol, dave] = &people;
    let _garden = together(&[(alice, "steward"), (bob, "steward"), (carol, "member"), (dave, "member")]);
    let bobs = bob.start();
    let (alices, carols) = (alice.start(), carol.start());
    let _ = bob.hearth(&["member", "set", "garden", carol.id(), "steward"]).one();
    for person in [alice, carol] {
        meet(person, &bobs);
        wait_for_roles(person, &[(alice, "steward"), (bob, "steward"), (carol, "steward"), (dave, "member")], MEETING);
    }
    kill_all(vec![alices, bobs, carols]);
    remove(bob, carol);
    cannot_remove(carol, bob);
    // What carol may do where she is still a steward.
    let _ = carol.hearth(&["member", "set", "garden", dave.id(), "core"]).one();

    // Carol's side is heard first, and bears for as long as nobody knows better.
    let alices = alice.start();
    let _carols = carol.start();
    meet(carol, &alices);
    wait_for_roles(alice, &[(alice, "steward"), (bob, "steward"), (carol, "steward"), (dave, "core")], MEETING);
    let _nodes = (bob.start(), dave.start());
    meet(bob, &alices);
    meet(dave, &alices);
    for person in [alice, bob, dave] {
        wait_for_roles(person, &[(alice, "steward"), (bob, "steward"), (dave, "member")], ROUNDS);
    }
}

// alice ── dave  |  bob (removed) ── carol ── pia, pim
#[test]
fn case_11_2_what_a_removed_one_and_a_friend_do_apart_bears_nowhere() {
    let world = World::new("apart-puppets");
    let people = ["alice", "bob", "carol", "dave", "pia", "pim"].map(|name| world.person(name));
    let [alice, bob, carol, dave, pia, pim] = &people;
    let garden = together(&[(alice, "steward"), (bob, "core"), (carol, "member"), (dave, "member")]);
    let nodes = [alice, bob, carol, dave].map(|person| person.start());
    let earlier = post(bob, &garden, "Written while bob was in.");
    for person in [alice, carol, dave] {
        wait_for_item(person, &garden, &earlier);
    }
    kill_all(nodes.into());
    remove(alice, bob);

    // The other side, which knows nothing of it: bob invites, and carol lets the puppets in.
    let bobs = bob.start();
    let key = invite(bob, &garden, 2);
    let later = post(bob, &garden, "Written after bob was out.");
    let carols = carol.start();
    meet(carol, &bobs);
    wait_for_item(carol, &garden, &later);
    bobs.kill();
    for puppet in [pia, pim] {
        let node = puppet.start();
        meet(puppet, &carols);
        join(puppet, &key, &garden);
        let _ = post(puppet, &garden, "Written by a puppet.");
        node.kill();
    }
    assert_eq!(decisions(carol, "admit", carol).len(), 2, "carol has let both in");

    // All meet.
    let alices = alice.start();
    let _nodes = [bob, dave, pia, pim].map(|person| person.start());
    for person in [bob, carol, dave, pia, pim] {
        meet(person, &alices);
    }
    let last = post(alice, &garden, "Written when all have met.");
    for person in [alice, carol, dave] {
        wait_for_roles(person, &[(alice, "steward"), (carol, "member"), (dave, "member")], MEETING);
        wait_for_item(person, &garden, &last);
        wait::until("the admissions are known, and bear nothing", MEETING, || {
            let admits = decisions(person, "admit", carol);
            let idle = admits.iter().filter(|line| line["effective"] == false).count();
            if (admits.len(), idle) == (2, 2) { Ok(()) } else { Err(format!("as {}: {admits:?}", person.name())) }
        });
        let shown = ids(person, garden.name);
        assert_eq!(shown, [earlier.clone(), last.clone()].into(), "as {} sees it", person.name());
    }
    let _ = bob.hearth(&["post", "Written after all have met.", "--to", garden.name]);
    let end = post(dave, &garden, "The last one.");
    wait_for_item(carol, &garden, &end);
    for person in [alice, carol, dave] {
        wait_for_item(person, &garden, &end);
        let shown = ids(person, garden.name);
        assert_eq!(shown, [&earlier, &last, &end].map(String::clone).into(), "as {} sees it", person.name());
        wait_for_roles(person, &[(alice, "steward"), (carol, "member"), (dave, "member")], MEETING);
    }
    for outside in [bob, pia, pim] {
        let has = ids_or_none(outside, &garden);
        assert!(!has.contains(&last) && !has.contains(&end), "{} reads on: {has:?}", outside.name());
    }
}

/// What a home lists of a community that it may know no more.
fn ids_or_none(person: &Person, garden: &Community) -> Vec<String> {
    let listed = person.hearth(&["list", "--in", &garden.id, "--limit", "5000"]);
    if listed.code() == Some(0) { listed.lines().iter().map(|item| text(item, "item")).collect() } else { Vec::new() }
}

//        alice
// bob ── xenia  |  carol ── yara
#[test]
fn case_11_3_an_invite_for_one_used_at_two_who_are_apart_lets_both_in_and_no_third() {
    let world = World::new("apart-invite");
    let people = ["alice", "bob", "carol", "xenia", "yara", "zoe"].map(|name| world.person(name));
    let [alice, bob, carol, xenia, yara, zoe] = &people;
    let garden = together(&[(alice, "steward"), (bob, "member"), (carol, "member")]);
    let alices = alice.start();
    let key = invite(alice, &garden, 1);
    alices.kill();
    for (member, newcomer) in [(bob, xenia), (carol, yara)] {
        let nodes = (member.start(), newcomer.start());
        meet(newcomer, &nodes.0);
        join(newcomer, &key, &garden);
        kill_all(vec![nodes.0, nodes.1]);
    }

    let alices = alice.start();
    let _nodes = [bob, carol, xenia, yara].map(|person| person.start());
    for person in [bob, carol, xenia, yara] {
        meet(person, &alices);
    }
    let all = [(alice, "steward"), (bob, "member"), (carol, "member"), (xenia, "member"), (yara, "member")];
    for (person, _) in &all {
        wait_for_roles(person, &all, MEETING);
    }
    let made = text(&zoe.hearth(&["invite", "inspect", &key]).one(), "invite");
    for (person, _) in &all {
        let listed = person.hearth(&["invite", "list", garden.name]).lines();
        let shown = listed.iter().find(|line| line["invite"] == made.as_str()).expect("the invite is listed");
        assert_eq!((&shown["used"], &shown["uses"]), (&2.into(), &1.into()), "as {} sees it", person.name());
    }
    assert_eq!(zoe.hearth(&["join", &key]).refusal(3).reason, "invite_used_up");
}

// alice ──╳── bob ── xenia ── carol, who invited
#[test]
fn case_11_4_a_newcomer_whose_admitter_was_removed_presents_themselves_to_another_member() {
    let world = World::new("apart-admitter");
    let people = ["alice", "bob", "carol", "xenia"].map(|name| world.person(name));
    let [alice, bob, carol, xenia] = &people;
    let garden = together(&[(alice, "steward"), (bob, "member"), (carol, "core")]);
    let carols = carol.start();
    let key = invite(carol, &garden, 1);
    carols.kill();
    let (bobs, xenias) = (bob.start(), xenia.start());
    meet(xenia, &bobs);
    join(xenia, &key, &garden);
    assert_eq!(decisions(xenia, "admit", bob).len(), 1, "bob has let xenia in");
    kill_all(vec![bobs, xenias]);
    remove(alice, bob);
    let (alices, carols) = (alice.start(), carol.start());
    meet(carol, &alices);
    wait_for_roles(carol, &[(alice, "steward"), (carol, "core")], MEETING);
    alices.kill();

    // Nobody pastes the key again.
    let _xenias = xenia.start();
    meet(xenia, &carols);
    for person in [carol, xenia] {
        wait_for_roles(person, &[(alice, "steward"), (carol, "core"), (xenia, "member")], ROUNDS);
    }
    assert_eq!(decisions(carol, "admit", carol).len(), 1, "carol has let xenia in");
    let hers = post(xenia, &garden, "Here I am again.");
    wait_for_item(carol, &garden, &hers);
}

// alice ──╳── xaver
//   │
// carol
//   │
//  bob ──╳── yann
#[test]
fn case_11_6_two_stewards_who_remove_somebody_each_apart_end_with_a_key_for_neither() {
    let world = World::new("apart-epochs");
    let people = ["alice", "bob", "carol", "xaver", "yann"].map(|name| world.person(name));
    let [alice, bob, carol, xaver, yann] = &people;
    let garden =
        together(&[(alice, "steward"), (bob, "steward"), (carol, "member"), (xaver, "member"), (yann, "member")]);
    remove(alice, xaver);
    let ones = post(alice, &garden, "Written where xaver is out.");
    remove(bob, yann);
    let others = post(bob, &garden, "Written where yann is out.");

    let alices = alice.start();
    let _nodes = [bob, carol, xaver, yann].map(|person| person.start());
    for person in [bob, carol, xaver, yann] {
        meet(person, &alices);
    }
    let inside = [alice, bob, carol];
    for person in inside {
        wait_for_roles(person, &[(alice, "steward"), (bob, "steward"), (carol, "member")], MEETING);
        wait_for_item(person, &garden, &ones);
        wait_for_item(person, &garden, &others);
    }
    let later = inside.map(|person| post(person, &garden, &format!("Written by {} after both.", person.name())));
    for person in inside {
        for item in &later {
            wait_for_item(person, &garden, item);
        }
    }
    for outside in [xaver, yann] {
        let _ = outside.hearth(&["sync"]);
        let has = ids_or_none(outside, &garden);
        assert!(later.iter().all(|item| !has.contains(item)), "{} reads on: {has:?}", outside.name());
    }
}
