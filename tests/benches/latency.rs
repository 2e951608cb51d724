//! How long a newcomer waits for the first item, and how long a post is on its way to the other nodes.
//!
//! `cargo bench -p hearth-tests --bench latency` runs real nodes on loopback and prints one line a figure.
//! Leaves to others: whether what arrives is right (`scenarios`).
//! Always true: a figure ends where a person could have seen the result, asked for over the HTTP API about every
//! millisecond, and each run starts from empty homes.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use hearth_tests::api::Client;
use hearth_tests::process::Node;
use hearth_tests::world::{Person, World};
use hearth_tests::{seed, wait};
use serde_json::{Value, json};

/// How many newcomers are timed.
const NEWCOMERS: usize = 10;

/// How many posts are timed.
const POSTS: usize = 200;

/// What the newcomers find.
const ITEMS_BEFORE: usize = 50;

fn main() {
    let world = World::new("latency");
    let people = ["alice", "bob", "carol"].map(|name| world.person(name));
    let nodes = people.each_ref().map(|person| person.start());
    let alice = &people[0];
    let garden = alice.hearth(&["community", "create", "garden", "--domain", "growing things"]);
    let garden = garden.text("community");
    let alices = Client::of(&nodes[0]);
    for number in 0..ITEMS_BEFORE {
        let _ = post(&alices, &garden, &format!("before the others came: {number}"));
    }
    let uses = (NEWCOMERS + 2).to_string();
    let key = alice.hearth(&["invite", "create", "garden", "--uses", &uses]).text("key");
    for (person, node) in people.iter().zip(&nodes).skip(1) {
        let _ = until_first_item(person, node, &garden, &key);
    }

    let posts = posts(&nodes, &garden);
    let first = posts.iter().map(|post| post.acknowledged).collect();
    let last = posts.iter().map(|post| post.everywhere).collect();
    tell("post: asked until acknowledged", first);
    tell("post: asked until listed on both other nodes", last);

    let waits = (0..NEWCOMERS).map(|number| {
        let newcomer = world.person(&format!("newcomer-{number}"));
        let node = newcomer.start();
        until_first_item(&newcomer, &node, &garden, &key)
    });
    tell("hearth join KEY: started until the first item is listed", waits.collect());
}

/// From the start of `hearth join KEY` until the newcomer's node lists an item.
fn until_first_item(newcomer: &Person, node: &Node, garden: &str, key: &str) -> Duration {
    let client = Client::of(node);
    thread::scope(|scope| {
        let start = Instant::now();
        let joining = scope.spawn(|| newcomer.hearth(&["join", key]).one());
        let path = format!("/items?in={garden}&limit=1");
        wait::until_close("the newcomer lists an item", wait::SOON, || {
            let seen = client.ask(&path).map_err(|error| error.to_string())?;
            if seen.body["items"][0]["item"].is_string() { Ok(()) } else { Err(seen.body.to_string()) }
        });
        let waited = start.elapsed();
        joining.join().expect("the newcomer joins");
        waited
    })
}

/// How long one post took.
struct Timed {
    acknowledged: Duration,
    everywhere: Duration,
}

/// Posts from each node in turn, each once the one before has arrived on all.
fn posts(nodes: &[Node], garden: &str) -> Vec<Timed> {
    let clients: Vec<_> = nodes.iter().map(Client::of).collect();
    (0..POSTS)
        .map(|number| {
            let (from, text) = (number % clients.len(), format!("number {number}: {:016x}", seed::fresh()));
            let start = Instant::now();
            let item = post(&clients[from], garden, &text);
            let acknowledged = start.elapsed();
            let others = clients.iter().enumerate().filter(|(at, _)| *at != from);
            for (_, other) in others {
                until_listed(other, garden, &item);
            }
            Timed { acknowledged, everywhere: start.elapsed() }
        })
        .collect()
}

fn post(client: &Client, garden: &str, text: &str) -> String {
    let body = json!({"kind": "post", "to": [garden], "text": text, "tags": []});
    let told = client.tell("/items", &body).expect("the node runs");
    let item = told.body["items"][0]["item"].as_str();
    item.unwrap_or_else(|| panic!("not kept: {told:?}")).to_owned()
}

fn until_listed(client: &Client, garden: &str, item: &str) {
    let path = format!("/items?in={garden}&limit=5");
    wait::until_close("the post is listed", wait::SOON, || {
        let seen = client.ask(&path).map_err(|error| error.to_string())?.body;
        let listed = seen["items"].as_array().into_iter().flatten();
        if listed.into_iter().any(|line: &Value| line["item"] == item) { Ok(()) } else { Err(seen.to_string()) }
    });
}

/// Prints the median, the 99th of a hundred and the longest.
fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |hundredth: usize| {
        let place = (times.len() * hundredth).div_ceil(100).max(1) - 1;
        times[place].as_secs_f64() * 1_000.0
    };
    let line =
        format!("{what}: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms, of {}\n", at(50), at(99), at(100), times.len());
    io::stdout().write_all(line.as_bytes()).expect("somebody reads the figures");
}
