//! People come together by pasted keys, and find each other again.

use std::time::Instant;

use hearth_tests::api::Client;
use hearth_tests::wait;
use hearth_tests::world::World;
use serde_json::{Value, json};

use crate::acts::{found, ids, invite, join, kill_all, only, post, text, wait_for_item, wait_for_items};

// alice ── bob
#[test]
fn a_pasted_key_makes_a_member_who_reads_and_writes() {
    let world = World::new("join-two");
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let garden = found(&alice, "garden", "growing things");
    let before = post(&alice, &garden, "Written before bob came.");
    let _nodes = (alice.start(), bob.start());
    let key = invite(&alice, &garden, 1);

    let seen = bob.hearth(&["invite", "inspect", &key]).one();
    let expected = json!({"community": garden.id, "role": "member", "uses": 1, "expired": false});
    assert_eq!(only(&seen, &["community", "role", "uses", "expired"]), expected);

    join(&bob, &key, &garden);
    assert!(ids(&bob, "garden").contains(&before), "joining ends with the first sync");

    let hers = post(&alice, &garden, "Welcome.");
    wait_for_item(&bob, &garden, &hers);
    let his = post(&bob, &garden, "Thank you.");
    wait_for_item(&alice, &garden, &his);
    let reply = bob.hearth(&["reply", &hers, "What grows now?"]).text("item");
    wait::until("alice is shown the reply", wait::SOON, || {
        let shown = alice.hearth(&["show", &hers]).one();
        let replies = shown["replies"].to_string();
        if replies.contains(&reply) { Ok(()) } else { Err(replies) }
    });
    both_see_the_same_members(&[&alice, &bob]);
}

#[track_caller]
fn both_see_the_same_members(people: &[&hearth_tests::world::Person]) {
    let members = |person: &hearth_tests::world::Person| {
        let mut lines = person.hearth(&["member", "list", "garden"]).lines();
        lines.sort_by_key(|line| text(line, "person"));
        let lines = lines.iter().map(|line| only(line, &["person", "name", "role"]));
        lines.collect::<Vec<Value>>()
    };
    let expected = members(people[0]);
    assert_eq!(expected.len(), people.len());
    for person in people {
        assert_eq!(members(person), expected, "as {} sees it", person.name());
    }
}

// alice ── bob, whose node does not run
#[test]
fn joining_needs_no_running_node() {
    let world = World::new("join-stopped");
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let garden = found(&alice, "garden", "growing things");
    let item = post(&alice, &garden, "Written before bob came.");
    let node = alice.start();
    let key = invite(&alice, &garden, 1);
    join(&bob, &key, &garden);
    node.kill();
    assert!(ids(&bob, "garden").contains(&item));
    assert_eq!(bob.hearth(&["status"]).one()["running"], false);
}

// alice (stopped) ── bob
#[test]
fn a_key_that_nobody_answers_stays_pending_until_somebody_does() {
    let world = World::new("join-pending");
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let garden = found(&alice, "garden", "growing things");
    let node = alice.start();
    let key = invite(&alice, &garden, 1);
    node.kill();
    let refusal = bob.hearth(&["join", &key, "--wait", "1s"]).refusal(1);
    assert_eq!(refusal.reason, "no_answer");
    let _nodes = (alice.start(), bob.start());
    // Nobody pastes the key again.
    wait::until("bob is a member", wait::SOON, || {
        let status = bob.hearth(&["status"]).one();
        if status.to_string().contains(&garden.id) { Ok(()) } else { Err(status.to_string()) }
    });
}

//        bob
//         │
// carol ─ alice ─ dave
//         │
//       ferry
#[test]
fn five_join_one_catches_up_and_two_find_each_other_without_the_inviter() {
    let world = World::new("join-five");
    let people = ["alice", "bob", "carol", "dave", "ferry"].map(|name| world.person(name));
    let [alice, bob, carol, dave, ferry] = &people;
    let garden = found(alice, "garden", "growing things");
    let mut nodes = vec![alice.start()];
    let key = invite(alice, &garden, 4);
    let mut carols = None;
    for newcomer in [bob, carol, dave, ferry] {
        let node = newcomer.start();
        join(newcomer, &key, &garden);
        match newcomer.name() {
            "carol" => carols = Some(node),
            _ => nodes.push(node),
        }
    }
    let carols = carols.expect("carol has joined");
    assert_eq!(carols.stop().code(), Some(0));

    let writers = [alice, bob, dave, ferry];
    let mut written: Vec<String> = Vec::new();
    for number in 0..5 {
        written
            .extend(writers.map(|writer| post(writer, &garden, &format!("{} writes number {number}.", writer.name()))));
    }
    let expected = wait_for_items(alice, &garden, written.len(), wait::SOON);
    for person in writers {
        let has = wait_for_items(person, &garden, written.len(), wait::SOON);
        assert_eq!(has, expected, "as {} sees it", person.name());
    }

    // Carol was away; she catches up by herself.
    nodes.push(carol.start());
    assert_eq!(wait_for_items(carol, &garden, written.len(), wait::SOON), expected);

    // All go down; two who never saw each other's key come up, without the one who invited them.
    kill_all(nodes);
    let _nodes = (carol.start(), dave.start());
    let late = post(carol, &garden, "Is anybody there?");
    wait_for_item(dave, &garden, &late);
    let answer = post(dave, &garden, "I am.");
    wait_for_item(carol, &garden, &answer);
}

// alice ── bob
#[test]
fn a_post_is_there_on_the_other_node_within_moments() {
    let world = World::new("moments");
    let (alice, bob) = (world.person("alice"), world.person("bob"));
    let garden = found(&alice, "garden", "growing things");
    let alices = alice.start();
    let bobs = bob.start();
    join(&bob, &invite(&alice, &garden, 1), &garden);
    let (alices, bobs) = (Client::of(&alices), Client::of(&bobs));
    let start = Instant::now();
    for number in 0..20 {
        let body = json!({"kind": "post", "to": [garden.id], "text": format!("number {number}"), "tags": []});
        let told = alices.tell("/items", &body).expect("alice's node runs");
        let item = text(&told.body["items"][0], "item");
        let path = format!("/items?in={}&limit=1", garden.id);
        wait::until("bob has it", wait::SOON, || {
            let seen = bobs.ask(&path).expect("bob's node runs").body;
            if seen["items"][0]["item"] == item.as_str() { Ok(()) } else { Err(seen.to_string()) }
        });
    }
    // Gossip brings them; sync alone, every 30 s, would take minutes.
    assert!(start.elapsed() < wait::SOON, "20 posts took {:?}", start.elapsed());
}
