//! The main job, end to end: two communities, a broker between them, and what may not cross.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use hearth_tests::api::Client;
use hearth_tests::process::{Node, Program};
use hearth_tests::world::{Person, World};
use hearth_tests::{shared, wait};
use serde_json::{Value, json};

use crate::acts::{
    Community, found, ids, invite, items, join, kill_all, only, post, text, wait_for_item, wait_for_items,
};

/// How many bookmarks the broker carries over.
const CARRIED: usize = 5;

/// What is brought into garden, and what of it the link names.
struct Collection {
    file: PathBuf,
    counts: Value,
    new: usize,
    named_tag: &'static str,
    other_tag: &'static str,
}

impl Collection {
    /// The real collection where it is, else the fixture.
    fn find() -> Collection {
        match shared::input("data/derived/awesome-rust.netscape.html") {
            Some(file) => Collection {
                file,
                counts: json!({"read": 1741, "new": 1740, "known": 1}),
                new: 1740,
                named_tag: "applications",
                other_tag: "libraries",
            },
            None => Collection {
                file: shared::fixture("bookmarks.html"),
                counts: json!({"read": 13, "new": 11, "known": 1}),
                new: 11,
                named_tag: "seeds",
                other_tag: "tools",
            },
        }
    }
}

/// Texts as long as newsletters are.
fn letters() -> Vec<String> {
    let names = ["2023-01-11", "2023-01-18", "2023-01-25"];
    names
        .iter()
        .map(|date| {
            let name = format!("data/posts/this-week-in-rust/{date}-this-week-in-rust.md");
            match shared::input(&name) {
                Some(path) => fs::read_to_string(path).expect("it is a file of text"),
                None => format!("# Letter of {date}\n\n{}", "A line of it.\n".repeat(2_000)),
            }
        })
        .collect()
}

/// The five, and the two communities between which ferry stands.
struct Stage {
    alice: Person,
    bob: Person,
    carol: Person,
    dave: Person,
    ferry: Person,
    garden: Community,
    library: Community,
    collection: Collection,
}

impl Stage {
    /// Everybody has a home, and the communities are founded.
    fn new(world: &World) -> Stage {
        let [alice, bob, carol, dave, ferry] =
            ["alice", "bob", "carol", "dave", "ferry"].map(|name| world.person(name));
        let garden = found(&alice, "garden", "growing things");
        let library = found(&dave, "library", "books and where to find them");
        Stage { alice, bob, carol, dave, ferry, garden, library, collection: Collection::find() }
    }

    fn people(&self) -> [&Person; 5] {
        [&self.alice, &self.bob, &self.carol, &self.dave, &self.ferry]
    }

    /// bob, carol and ferry join garden; ferry joins library.
    fn everybody_joins(&self) {
        let key = invite(&self.alice, &self.garden, 3);
        for newcomer in [&self.bob, &self.carol, &self.ferry] {
            join(newcomer, &key, &self.garden);
        }
        join(&self.ferry, &invite(&self.dave, &self.library, 1), &self.library);
    }

    /// alice brings the collection and three letters; gives how many items that makes.
    fn alice_fills_garden(&self) -> usize {
        let path = self.collection.file.to_str().expect("the path is text");
        let args = ["import", path, "--to", "garden", "--reach", "1"];
        let counts = self.alice.hearth(&args).one();
        assert_eq!(only(&counts, &["read", "new", "known"]), self.collection.counts);
        let letters = letters();
        for letter in &letters {
            let args = ["post", "-", "--to", "garden", "--title", "This week"];
            let _ = self.alice.hearth_given(&args, letter.as_bytes()).one();
        }
        self.collection.new + letters.len()
    }

    /// Both stewards let ferry carry what has the named tag, and ferry has heard of it.
    fn stewards_link(&self) {
        let (tag, ferry) = (self.collection.named_tag, self.ferry.id());
        let (garden, library) = (self.garden.id.as_str(), self.library.id.as_str());
        let out = ["link", "create", "garden", "--out", library, "--broker", ferry, "--tags", tag];
        let out = self.alice.hearth(&out).text("link");
        let inward = ["link", "create", "library", "--in", garden, "--broker", ferry];
        let inward = self.dave.hearth(&inward).text("link");
        for (community, link) in [("garden", out), ("library", inward)] {
            wait::until(&format!("ferry knows {community}'s link"), wait::SOON, || {
                let known = self.ferry.hearth(&["link", "list", community]).lines();
                let found = known.iter().any(|line| line["link"] == link.as_str());
                if found { Ok(()) } else { Err(format!("{known:?}")) }
            });
        }
    }

    /// What ferry may carry over: bookmarks with the named tag.
    fn to_carry(&self) -> Vec<Value> {
        let mut found = items(&self.ferry, "garden");
        found.retain(|item| item["kind"] == "bookmark" && has_tag(item, self.collection.named_tag));
        found.truncate(CARRIED);
        assert_eq!(found.len(), CARRIED);
        found
    }

    /// A bookmark that the link does not name.
    fn not_to_carry(&self) -> String {
        let found = items(&self.ferry, "garden");
        let other = found
            .iter()
            .find(|item| has_tag(item, self.collection.other_tag) && !has_tag(item, self.collection.named_tag));
        text(other.expect("the collection has one"), "item")
    }

    fn relay(&self, item: &str, note: &str) -> hearth_tests::process::Answer {
        let args = ["relay", item, "--to", "library", "--note", note];
        self.ferry.hearth(&args)
    }

    /// The ids that each has in each community, to compare before and after.
    fn ids_everywhere(&self) -> Vec<(String, BTreeSet<String>)> {
        let places = self.people().map(|person| match person.name() {
            "dave" => vec![(person, "library")],
            "ferry" => vec![(person, "garden"), (person, "library")],
            _ => vec![(person, "garden")],
        });
        let places = places.into_iter().flatten();
        places
            .map(|(person, community)| {
                let place = format!("{} in {community}", person.name());
                (place, ids(person, community))
            })
            .collect()
    }
}

fn has_tag(item: &Value, tag: &str) -> bool {
    let tags = item["tags"].as_array();
    tags.into_iter().flatten().any(|found| found == tag)
}

//   garden                       library
// alice ── bob                     dave
//   │  ╲                            │
// carol  ferry ─────────────────────┘
#[test]
fn what_two_communities_allow_crosses_with_its_path_and_nothing_else_does() {
    let world = World::new("relay");
    let stage = Stage::new(&world);
    let mut nodes: Vec<Node> = stage.people().map(|person| person.start()).into();
    stage.everybody_joins();
    let carols = nodes.remove(2);
    assert_eq!(carols.stop().code(), Some(0));

    let count = stage.alice_fills_garden();
    let expected = wait_for_items(&stage.alice, &stage.garden, count, wait::BULK);
    assert_eq!(expected.len(), count);
    for (person, node) in [(&stage.bob, &nodes[1]), (&stage.ferry, &nodes[3])] {
        assert_eq!(wait_for_items(person, &stage.garden, count, wait::BULK), expected);
        every_signature_is_checked(node, &expected);
    }
    nodes.push(stage.carol.start());
    assert_eq!(wait_for_items(&stage.carol, &stage.garden, count, wait::BULK), expected);

    stage.stewards_link();
    let carried = stage.to_carry();
    ferry_carries(&stage, &carried);
    dave_reads(&stage, &nodes, &carried);
    ferry_is_refused(&stage);

    let before = stage.ids_everywhere();
    kill_all(nodes);
    assert_eq!(stage.ids_everywhere(), before, "with all nodes killed");
    let _nodes = stage.people().map(|person| person.start());
    assert_eq!(stage.ids_everywhere(), before, "with all nodes started again");
    let shown = stage.dave.hearth(&["trace", &text(&carried[0], "item")]).one();
    assert_eq!(shown["signature"], "valid");
}

/// Asks for each item by its id: a node answers `valid` only for what it has checked.
#[track_caller]
fn every_signature_is_checked(node: &Node, items: &BTreeSet<String>) {
    let client = Client::of(node);
    for item in items {
        let reply = client.ask(&format!("/items/{item}")).expect("the node runs");
        assert_eq!(reply.body["signature"], "valid", "{reply:?}");
    }
}

#[track_caller]
fn ferry_carries(stage: &Stage, carried: &[Value]) {
    for (number, item) in carried.iter().enumerate() {
        let item = text(item, "item");
        let done = stage.relay(&item, &note(number)).one();
        let expected = json!({"item": item, "to": stage.library.id, "state": "shown"});
        assert_eq!(only(&done, &["item", "to", "state"]), expected);
    }
}

fn note(number: usize) -> String {
    format!("Number {number}: for those who build the shelves.")
}

/// Dave's node, which never met alice's, has what ferry carried, with alice's signature and the path.
#[track_caller]
fn dave_reads(stage: &Stage, nodes: &[Node], carried: &[Value]) {
    let has = wait_for_items(&stage.dave, &stage.library, carried.len(), wait::SOON);
    let sent: BTreeSet<_> = carried.iter().map(|item| text(item, "item")).collect();
    assert_eq!(has, sent);
    for (number, original) in carried.iter().enumerate() {
        let item = text(original, "item");
        let listed = items(&stage.dave, "library");
        let seen = listed.iter().find(|seen| seen["item"] == item.as_str());
        let seen = seen.expect("the sets of ids are equal");
        let same = ["kind", "author", "title", "url", "tags", "reach", "created_ms"];
        assert_eq!(only(seen, &same), only(original, &same));
        assert_eq!(seen["author"], stage.alice.id());
        assert_eq!(seen["relayed_from"], stage.garden.id.as_str());

        let trace = stage.dave.hearth(&["trace", &item]).one();
        let expected = json!({"item": item, "author": stage.alice.id(), "signature": "valid"});
        assert_eq!(only(&trace, &["item", "author", "signature"]), expected);
        let hops = trace["hops"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [hop] = hops else { panic!("not one hop: {trace}") };
        let expected = json!({
            "from": stage.garden.id, "to": stage.library.id, "broker": stage.ferry.id(), "note": note(number),
        });
        assert_eq!(only(hop, &["from", "to", "broker", "note"]), expected);
        assert!(hop["refusal"].is_null(), "{trace}");
    }
    let alices = &nodes[0].ready()["peer"];
    let daves = nodes.iter().find(|node| node.home() == stage.dave.folder());
    let peers = Client::of(daves.expect("dave's node runs")).ask("/peers");
    let peers = peers.expect("dave's node runs").body;
    let met = peers["peers"].as_array().into_iter().flatten();
    assert!(met.into_iter().all(|peer| peer["peer"] != *alices), "dave met alice: {peers}");
}

/// Ferry's own node says no to what may not cross, by name.
#[track_caller]
fn ferry_is_refused(stage: &Stage) {
    let stays = stage.alice.hearth(&[
        "bookmark",
        "https://garden.example/only-for-us",
        "--to",
        "garden",
        "-t",
        stage.collection.named_tag,
    ]);
    let stays = stays.text("item");
    wait_for_item(&stage.ferry, &stage.garden, &stays);
    assert_eq!(stage.relay(&stays, "nice").refusal(3).reason, "beyond_reach");
    let other = stage.not_to_carry();
    assert_eq!(stage.relay(&other, "nice").refusal(3).reason, "tag_not_linked");
    let has = ids(&stage.dave, "library");
    assert!(!has.contains(&stays) && !has.contains(&other));
}

//  garden          library
//  alice ── ferry ── dave        ferry's node leaves out its own checks
#[test]
fn a_broker_who_cheats_is_refused_by_who_receives() {
    let world = World::new("cheat");
    let stage = Stage::new(&world);
    let (_alices, daves) = (stage.alice.start(), stage.dave.start());
    let honest = stage.ferry.start();
    join(&stage.ferry, &invite(&stage.alice, &stage.garden, 1), &stage.garden);
    join(&stage.ferry, &invite(&stage.dave, &stage.library, 1), &stage.library);
    stage.stewards_link();
    let mark = |address: &str, tag: &str, reach: &str| {
        let args = ["bookmark", address, "--to", "garden", "-t", tag, "--reach", reach];
        let item = stage.alice.hearth(&args).text("item");
        wait_for_item(&stage.ferry, &stage.garden, &item);
        item
    };
    let named = stage.collection.named_tag;
    let good = mark("https://garden.example/for-all", named, "1");
    let stays = mark("https://garden.example/for-us", named, "0");
    let other = mark("https://garden.example/else", "elsewhere", "1");
    assert_eq!(honest.stop().code(), Some(0));

    let _cheat = stage.ferry.start_as(Program::without_relay_checks());
    for (item, reason) in [(&stays, "beyond_reach"), (&other, "tag_not_linked")] {
        let sent = stage.relay(item, "I should not");
        assert_eq!(sent.text("item"), *item, "the cheat's own node lets it go");
        wait::until(&format!("dave's node refuses with {reason}"), wait::SOON, || {
            let said = daves.said();
            if said.contains(reason) { Ok(()) } else { Err(said) }
        });
    }
    // What may cross still does, so it was not the way that was closed.
    let _ = stage.relay(&good, "for the shelves").one();
    wait_for_item(&stage.dave, &stage.library, &good);
    assert_eq!(ids(&stage.dave, "library"), BTreeSet::from([good]));
    let written = post(&stage.dave, &stage.library, "The library is open.");
    wait_for_item(&stage.ferry, &stage.library, &written);
}
