//! F14: nodes that come and go while others write.
//!
//! Leaves to others: what one home keeps through `kill -9` (`keep`). Always true: nothing counts as written before its
//! writer was told so.

use std::collections::BTreeSet;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hearth_tests::api::Client;
use hearth_tests::process::Node;
use hearth_tests::seed::Seed;
use hearth_tests::wait;
use hearth_tests::world::{Person, World};
use serde_json::json;

use crate::acts::{Community, found, invite, join, text};

/// How often somebody writes.
const PAUSE: Duration = Duration::from_millis(200);
/// How long after the last restart everybody may take to have everything.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a node lives, in seconds, from and up to.
const LIFE: (usize, usize) = (10, 30);

/// What the nodes and those who write to them share.
struct Churn {
    people: Vec<Person>,
    garden: Community,
    /// Clients of the nodes that run.
    up: Vec<Mutex<Option<Client>>>,
    acknowledged: Mutex<BTreeSet<String>>,
    unanswered: AtomicUsize,
    starts: AtomicUsize,
    over: AtomicBool,
}

impl Churn {
    /// Kills one node and starts it again, after times drawn from `seed`; it runs at the end.
    fn come_and_go(&self, number: usize, node: Node, mut seed: Seed) -> Node {
        let mut node = node;
        loop {
            let life = Duration::from_secs(seed.between(LIFE.0, LIFE.1) as u64);
            if self.is_over_within(life) {
                return node;
            }
            *self.up[number].lock().expect("nobody panics") = None;
            node.kill();
            node = self.people[number].start();
            self.starts.fetch_add(1, Ordering::Relaxed);
            *self.up[number].lock().expect("nobody panics") = Some(Client::of(&node));
        }
    }

    fn is_over_within(&self, time: Duration) -> bool {
        let over = || if self.over.load(Ordering::Relaxed) { Ok(()) } else { Err(String::new()) };
        wait::until_or(time, over).is_ok()
    }

    /// Writes to nodes in turn until the end.
    fn write(&self) {
        for number in 0.. {
            if self.is_over_within(PAUSE) {
                return;
            }
            let Some(client) = self.up[number % self.up.len()].lock().expect("nobody panics").clone() else { continue };
            let body = json!({"kind": "post", "to": [self.garden.id], "text": format!("number {number}"), "tags": []});
            match client.tell("/items", &body) {
                Ok(told) if told.status == 200 => {
                    let item = text(&told.body["items"][0], "item");
                    self.acknowledged.lock().expect("nobody panics").insert(item);
                }
                // Killed before it answered, or not ready yet: either way nothing was promised.
                _ => drop(self.unanswered.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }
}

// eight nodes, each connected to whoever runs
#[test]
fn whatever_was_acknowledged_is_on_every_node_soon_after_they_have_stopped_to_come_and_go() {
    let long = env::var_os("HEARTH_LONG").is_some();
    let (nodes, time) = if long { (20, Duration::from_secs(180)) } else { (8, Duration::from_secs(60)) };
    let mut seed = Seed::take("nodes that come and go");
    let world = World::new("churn");
    let people: Vec<Person> = (0..nodes).map(|number| world.person(&format!("person-{number}"))).collect();
    let garden = found(&people[0], "garden", "growing things");
    let running: Vec<Node> = people.iter().map(|person| person.start()).collect();
    let key = invite(&people[0], &garden, nodes);
    for person in &people[1..] {
        join(person, &key, &garden);
    }
    let churn = Churn {
        up: running.iter().map(|node| Mutex::new(Some(Client::of(node)))).collect(),
        people,
        garden,
        acknowledged: Mutex::default(),
        unanswered: AtomicUsize::new(0),
        starts: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let running: Vec<Node> = thread::scope(|scope| {
        let churn = &churn;
        let nodes = running.into_iter().enumerate();
        let coming: Vec<_> = nodes
            .map(|(number, node)| {
                let seed = Seed::from_state(seed.draw());
                scope.spawn(move || churn.come_and_go(number, node, seed))
            })
            .collect();
        scope.spawn(|| churn.write());
        let _ = churn.is_over_within(time);
        churn.over.store(true, Ordering::Relaxed);
        coming.into_iter().map(|node| node.join().expect("it comes back")).collect()
    });

    let begun = Instant::now();
    let acknowledged = churn.acknowledged.lock().expect("nobody panics");
    let path = format!("/items?in={}&limit=100000", churn.garden.id);
    for (node, person) in running.iter().zip(&churn.people) {
        let client = Client::of(node);
        let left = LIMIT.saturating_sub(begun.elapsed());
        wait::until(&format!("{} has all that was acknowledged", person.name()), left, || {
            let listed = client.ask(&path).map_err(|why| why.to_string())?.body;
            let items: BTreeSet<&str> =
                listed["items"].as_array().into_iter().flatten().filter_map(|item| item["item"].as_str()).collect();
            let missing = acknowledged.iter().filter(|item| !items.contains(item.as_str())).count();
            if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} missing", acknowledged.len())) }
        });
    }
    eprintln!(
        "F14: nodes={nodes} seconds={} kills={} acknowledged={} unanswered={} everywhere_after={:.1?}",
        time.as_secs(),
        churn.starts.load(Ordering::Relaxed),
        acknowledged.len(),
        churn.unanswered.load(Ordering::Relaxed),
        begun.elapsed()
    );
    assert!(churn.starts.load(Ordering::Relaxed) >= nodes, "nobody was killed");
    assert!(acknowledged.len() as u64 >= time.as_secs() * 2, "hardly anything was written");
}
