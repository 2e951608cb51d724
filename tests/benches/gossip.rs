//! How long an item is on its way to everybody, beside what gossipsub needs for as many bytes without us.
//!
//! `cargo bench -p hearth-tests --bench gossip`: 20 nodes of one community, all in this process, and 20 items a second
//! for 30 s; then as many swarms that do nothing but gossip, with our settings, the same pairs connected over the same
//! transport, and messages as long as ours. `HEARTH_LONG=1` takes 25 nodes and two minutes: many more of them in one
//! process meet the bound on its memory, and take no more connections.
//! Leaves to others: what is lost when nodes come and go (`scenarios`).
//! Always true: an item counts as arrived when the last of the other nodes tells that it can be read, which it does
//! once it is kept; what has not arrived after all that fails the run.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_node::{Home, Mode, Node, limits};
use hearth_protocol::engine::Event;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    futures::StreamExt,
    gossipsub::{self, IdentTopic, Message, MessageAcceptance, MessageAuthenticity, MessageId, ValidationMode},
    multiaddr::Protocol,
    swarm::SwarmEvent,
};
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

/// Items a second, from all nodes together.
const RATE: u64 = 20;
/// The text of an item.
const TEXT_BYTES: usize = 300;
/// What an item with that text has as gossip: header, signatures, body and seal.
const MESSAGE_BYTES: usize = 677;
/// Where all listen.
const LISTEN: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
/// How many others each must be connected to before it begins.
const NEIGHBOURS: usize = 12;
/// How long the nodes may take to find each other, and what was written to arrive.
const LIMIT: Duration = Duration::from_secs(60);
/// The pause between two looks at whether that is so.
const LOOK: Duration = Duration::from_millis(100);
/// Heartbeats are a second apart: after a few a mesh is what it will be.
const SETTLING: Duration = Duration::from_secs(5);
/// Arrivals that may wait to be counted.
const UNCOUNTED: usize = 4096;

/// What arrived somewhere, by the name of the item.
type Arrival = (Name, Instant);
type Name = Vec<u8>;
/// Numbers of nodes that are connected, the lower one first.
type Pairs = BTreeSet<(usize, usize)>;

fn main() {
    let long = env::var_os("HEARTH_LONG").is_some();
    let (nodes, seconds) = if long { (25, 120) } else { (20, 30) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let items = RATE * seconds;
    let (ours, pairs) = runtime.block_on(ours(nodes, items));
    let bare = runtime.block_on(bare(nodes, &pairs, items));
    print(&format!(
        "gossip: {nodes} nodes, {} pairs connected, {items} items of {MESSAGE_BYTES} bytes as gossip, {RATE} a second",
        pairs.len()
    ));
    tell("ours, asked until acknowledged", &ours.acknowledged);
    tell("ours, acknowledged until on the last list", &ours.everywhere);
    tell("bare, published until at the last swarm", &bare.everywhere);
    let by = |hundredth| at(&ours.everywhere, hundredth) / at(&bare.everywhere, hundredth);
    print(&format!("gossip: ours by bare: p50 {:.2}, p99 {:.2}", by(50), by(99)));
}

/// What a run brought, in milliseconds, the shortest first.
struct Timed {
    acknowledged: Vec<f64>,
    everywhere: Vec<f64>,
}

/// Counts arrivals until every item has arrived at as many nodes as there are others.
async fn count(mut arrivals: mpsc::Receiver<Arrival>, items: u64, others: usize) -> BTreeMap<Name, Instant> {
    let mut last: BTreeMap<Name, (usize, Instant)> = BTreeMap::new();
    let mut everywhere = 0;
    while everywhere < items {
        let next = timeout(LIMIT, arrivals.recv()).await;
        let Ok(Some((name, when))) = next else {
            panic!("{everywhere} of {items} items have arrived everywhere");
        };
        let (count, at) = last.entry(name).or_insert((0, when));
        *count += 1;
        *at = when.max(*at);
        everywhere += u64::from(*count == others);
    }
    last.into_iter().map(|(name, (_, at))| (name, at)).collect()
}

/// Milliseconds from when each item was given to when it was at the last node.
fn delays(given: &BTreeMap<Name, Instant>, last: &BTreeMap<Name, Instant>) -> Vec<f64> {
    let delay = |(name, at): (&Name, &Instant)| {
        let last = last.get(name).expect("it has arrived everywhere");
        last.saturating_duration_since(*at).as_secs_f64() * 1_000.0
    };
    sorted(given.iter().map(delay).collect())
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

/// What so many of a hundred do not exceed.
fn at(times: &[f64], hundredth: usize) -> f64 {
    times[(times.len() * hundredth).div_ceil(100).max(1) - 1]
}

fn tell(what: &str, times: &[f64]) {
    let [p50, p99, longest] = [50, 99, 100].map(|hundredth| at(times, hundredth));
    print(&format!("{what}: p50 {p50:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms, of {}", times.len()));
}

fn print(line: &str) {
    io::stdout().write_all(format!("{line}\n").as_bytes()).expect("somebody reads the figures");
}

/// Nodes of one community, over real homes.
async fn ours(nodes: usize, items: u64) -> (Timed, Pairs) {
    let folder = tempfile::Builder::new().prefix("hearth-gossip-").tempdir().expect("a folder");
    let mut all = Vec::new();
    for number in 0..nodes {
        let home = Home::at(folder.path().join(number.to_string()));
        home.create(&format!("person {number}"), None).expect("a home");
        let mode = Mode::Node { listen: vec![LISTEN.to_owned()], api: None };
        all.push(Arc::new(Node::open(&home, mode, None).await.expect("a node")));
    }
    let garden = together(&all).await;
    let pairs = connected(&all).await;
    let (arrived, arrivals) = mpsc::channel(UNCOUNTED);
    let mut watching = JoinSet::new();
    for node in &all {
        watching.spawn(watch(node.events(), arrived.clone()));
    }
    let counting = tokio::spawn(count(arrivals, items, nodes));
    let mut ticks = interval(Duration::from_millis(1_000 / RATE));
    let mut writing = JoinSet::new();
    for (number, node) in (0..items).zip(all.iter().cycle()) {
        ticks.tick().await;
        let (node, garden) = (node.clone(), garden.clone());
        writing.spawn(async move {
            let text = format!("{number:0>TEXT_BYTES$}");
            let begun = Instant::now();
            let told = post(&node, "items", json!({"kind": "post", "to": [garden], "text": text, "tags": []})).await;
            let acknowledged = Instant::now();
            let item = told["items"][0]["item"].as_str().expect("an id").as_bytes().to_vec();
            (item, acknowledged, acknowledged - begun)
        });
    }
    let written = writing.join_all().await;
    let last = counting.await.expect("everything arrives");
    let given = written.iter().map(|(item, at, _)| (item.clone(), *at)).collect();
    let acknowledged = written.iter().map(|(_, _, took)| took.as_secs_f64() * 1_000.0).collect();
    let timed = Timed { acknowledged: sorted(acknowledged), everywhere: delays(&given, &last) };
    watching.shutdown().await;
    for node in all {
        Arc::into_inner(node).expect("nobody uses it any more").close().await.expect("it ends");
    }
    (timed, pairs)
}

/// Says of each item of a node when it could be read there.
async fn watch(mut events: broadcast::Receiver<Event>, arrived: mpsc::Sender<Arrival>) {
    while let Ok(event) = events.recv().await {
        if let Event::Item(_, item) = event {
            let arrival = (item.to_string().into_bytes(), Instant::now());
            arrived.send(arrival).await.expect("arrivals are counted to the end");
        }
    }
    panic!("a watcher fell behind");
}

/// The first node founds a community, and all others join it and find each other.
async fn together(all: &[Arc<Node>]) -> String {
    let made = post(&all[0], "communities", json!({"name": "garden", "domain": "growing things"})).await;
    let garden = made["community"].as_str().expect("an id").to_owned();
    let terms = json!({"community": garden, "role": "member", "uses": all.len(), "expires_ms": 3_600_000});
    let key = post(&all[0], "invites", terms).await["key"].clone();
    for node in &all[1..] {
        let _ = post(node, "join", json!({"key": key, "wait_ms": 30_000})).await;
    }
    let begun = Instant::now();
    let wanted = NEIGHBOURS.min(all.len() - 1);
    loop {
        let pairs = connected(all).await;
        let of = |number| pairs.iter().filter(|(one, other)| *one == number || *other == number).count();
        if (0..all.len()).all(|number| of(number) >= wanted) {
            sleep(SETTLING).await;
            return garden;
        }
        assert!(begun.elapsed() < LIMIT, "the nodes do not find each other: {} pairs", pairs.len());
        sleep(LOOK).await;
    }
}

/// Which nodes are connected.
async fn connected(all: &[Arc<Node>]) -> Pairs {
    let names: Vec<String> = all.iter().map(|node| node.ready().peer).collect();
    let mut pairs = Pairs::new();
    for (number, node) in all.iter().enumerate() {
        let known = call(node, "GET", "peers", Value::Null).await;
        let peers = known["peers"].as_array().into_iter().flatten().filter(|peer| peer["connected"] == true);
        let others = peers.filter_map(|peer| names.iter().position(|name| peer["peer"] == **name));
        pairs.extend(others.map(|other| (number.min(other), number.max(other))));
    }
    pairs
}

async fn post(node: &Node, path: &str, body: Value) -> Value {
    call(node, "POST", path, body).await
}

/// Asks a node as any command does.
async fn call(node: &Node, method: &str, path: &str, body: Value) -> Value {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/api/0/{path}"))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", node.token()))
        .header("content-type", "application/json")
        .body(body)
        .expect("a request");
    let answer = node.call(request).await;
    let said = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(answer.status().is_success(), "{path}: {said}");
    serde_json::from_str(&said).expect("the API answers in JSON")
}

/// Swarms that do nothing but gossip.
async fn bare(nodes: usize, pairs: &Pairs, items: u64) -> Timed {
    let topic = IdentTopic::new("ab".repeat(32));
    let (arrived, arrivals) = mpsc::channel(UNCOUNTED);
    let mut swarms = Vec::new();
    for _ in 0..nodes {
        let mut swarm = swarm();
        swarm.behaviour_mut().subscribe(&topic).expect("a topic");
        swarm.listen_on(LISTEN.parse().expect("an address")).expect("loopback");
        let address = timeout(LIMIT, async {
            loop {
                if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                    return address.with(Protocol::P2p(*swarm.local_peer_id()));
                }
            }
        });
        let address: Multiaddr = address.await.expect("it listens");
        swarms.push((swarm, address));
    }
    let addresses: Vec<Multiaddr> = swarms.iter().map(|(_, address)| address.clone()).collect();
    for (one, other) in pairs {
        swarms[*one].0.dial(addresses[*other].clone()).expect("a dial begins");
    }
    let mut running = JoinSet::new();
    let mut tell = Vec::new();
    for (swarm, _) in swarms {
        let (given, orders) = mpsc::channel(UNCOUNTED);
        tell.push(given);
        running.spawn(gossip(swarm, topic.clone(), orders, arrived.clone()));
    }
    sleep(SETTLING).await;
    let counting = tokio::spawn(count(arrivals, items, nodes - 1));
    let mut ticks = interval(Duration::from_millis(1_000 / RATE));
    let mut given = BTreeMap::new();
    for (number, publisher) in (0..items).zip(tell.iter().cycle()) {
        ticks.tick().await;
        let mut message = vec![0; MESSAGE_BYTES];
        message[..8].copy_from_slice(&number.to_be_bytes());
        given.insert(message[..8].to_vec(), Instant::now());
        publisher.send(message).await.expect("the swarm runs");
    }
    let last = counting.await.expect("everything arrives");
    running.shutdown().await;
    Timed { acknowledged: Vec::new(), everywhere: delays(&given, &last) }
}

/// Gossipsub as our nodes set it, over the transport that they choose first.
fn swarm() -> Swarm<gossipsub::Behaviour> {
    let config = gossipsub::ConfigBuilder::default()
        .validate_messages()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message: &Message| MessageId::new(blake3::hash(&message.data).as_bytes()))
        .max_transmit_size(limits::GOSSIP_FRAME)
        .max_publish_messages(limits::GOSSIP_DATA_PER_FRAME)
        .max_control_message_size(limits::GOSSIP_CONTROL)
        .max_control_messages_sent(limits::GOSSIP_IDS)
        .connection_handler_queue_len(limits::GOSSIP_QUEUE)
        .duplicate_cache_time(limits::GOSSIP_MEMORY)
        .mesh_n(limits::MESH)
        .mesh_n_low(limits::MESH_LOW)
        .mesh_n_high(limits::MESH_HIGH)
        .mesh_outbound_min(limits::MESH_OUTBOUND)
        .flood_publish(true)
        .build()
        .expect("they are accepted in our nodes");
    let gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).expect("they belong together");
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic_config(|mut config| {
            config.max_concurrent_stream_limit = limits::STREAMS;
            config.max_stream_data = limits::QUIC_STREAM_BYTES;
            config.max_connection_data = limits::QUIC_CONNECTION_BYTES;
            config
        })
        .with_behaviour(|_| gossip)
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(limits::IDLE_TIME))
        .build()
}

/// Publishes what it is given, passes on what comes, and says when that came.
async fn gossip(
    mut swarm: Swarm<gossipsub::Behaviour>,
    topic: IdentTopic,
    mut orders: mpsc::Receiver<Vec<u8>>,
    arrived: mpsc::Sender<Arrival>,
) {
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(message) = order else { return };
                let _ = swarm.behaviour_mut().publish(topic.clone(), message).expect("others listen");
            }
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(gossipsub::Event::Message { propagation_source, message_id, message }) = event {
                    let arrival = (message.data[..8].to_vec(), Instant::now());
                    let from: PeerId = propagation_source;
                    let accept = MessageAcceptance::Accept;
                    swarm.behaviour_mut().report_message_validation_result(&message_id, &from, accept);
                    arrived.send(arrival).await.expect("arrivals are counted to the end");
                }
            }
        }
    }
}
