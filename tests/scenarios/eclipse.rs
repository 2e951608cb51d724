//! T6: many strangers, each with the whole network client, take every place at the nodes of a few members that strangers
//! can take, at once and all the time. What members write still reaches all members, and a member who starts again
//! among them finds the others.
//!
//! Leaves to others: connections that say nothing (`flood`), newcomers, who are strangers until they have joined. Always
//! true: all come from one trusted host, so that nothing holds the strangers back but places and proofs; they answer
//! what they are asked as nodes do that share nothing, and come back whenever they are cut off.
//!
//! `HEARTH_LONG=1` has eight members, more strangers than there are places twice over, and more items.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hearth_node::network::{self, Network, Order, Report};
use hearth_protocol::bytes::Bytes;
use hearth_protocol::text::Text;
use hearth_protocol::wire::{Request, Response};
use hearth_tests::api::Client;
use hearth_tests::process::Node;
use hearth_tests::wait;
use hearth_tests::world::{Person, World};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::acts::{found, invite, join};

/// Until when a member who starts among them must have everything.
const RECOVERED: Duration = Duration::from_secs(60);
/// How long the last of an item's ways may be, of a hundred items; on a machine that does nothing else two seconds.
const AT_MOST: Duration = Duration::from_secs(10);

/// As many of those that others open as are not kept for members: three quarters.
const STRANGERS_AT_ONCE: u64 = 96;

struct Form {
    members: usize,
    strangers: u16,
    items: usize,
}

fn form() -> Form {
    if env::var_os("HEARTH_LONG").is_some() {
        Form { members: 8, strangers: 240, items: 100 }
    } else {
        Form { members: 4, strangers: 110, items: 12 }
    }
}

/// What the strangers have done.
#[derive(Default)]
struct Sybils {
    over: AtomicBool,
    connected: AtomicU64,
    denied: AtomicU64,
    said: AtomicU64,
}

/// One stranger: at every node, whenever there is a place.
async fn sybil(number: u16, nodes: Arc<Vec<(Vec<u8>, String)>>, sybils: Arc<Sybils>) {
    let mut secret = [0xee; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let settings = network::Settings { secret, listen, trusted_subnets: None };
    let Network { handle, mut reports, .. } = network::start(settings).await.expect("a network");
    let dial = |peer: &Vec<u8>, address: &String| {
        // Where it has no room for an order it has enough to do.
        let _ = handle.try_order(Order::Dial { peer: Some(peer.clone()), addresses: vec![address.clone()] });
    };
    nodes.iter().for_each(|(peer, address)| dial(peer, address));
    let mut asked = 0;
    while !sybils.over.load(Ordering::Relaxed) {
        let report = tokio::select! {
            report = reports.recv() => report,
            () = sleep(Duration::from_millis(500)) => {
                nodes.iter().for_each(|(peer, address)| dial(peer, address));
                continue;
            }
        };
        match report {
            Some(Report::Connected { peer, .. }) => {
                sybils.connected.fetch_add(1, Ordering::Relaxed);
                // A hello, and addresses of a community that it may be in.
                let hello = Request::Hello(Bytes([7; 32])).to_bytes();
                let addresses = Request::Addresses(Bytes([9; 16]), Vec::new()).to_bytes();
                for frame in [hello, addresses] {
                    asked += 1;
                    let _ = handle.try_order(Order::Request { peer: peer.clone(), id: asked, frame });
                }
            }
            Some(Report::Requested { token, frame, .. }) => {
                sybils.said.fetch_add(1, Ordering::Relaxed);
                let unknown = || Response::Refused(Text::line("unknown").expect("a short line"));
                let answer = match Request::from_bytes(&frame) {
                    Ok(Request::Hello(_)) => Response::Hello(Bytes([8; 32])),
                    Ok(Request::Tags(..)) => Response::Tags(vec![Bytes([5; 16]); 64]),
                    _ => unknown(),
                };
                let _ = handle.try_order(Order::Respond { token, frame: answer.to_bytes() });
            }
            Some(Report::DialFailed { .. }) => drop(sybils.denied.fetch_add(1, Ordering::Relaxed)),
            Some(_) => {}
            None => break,
        }
    }
    handle.stop().await;
}

/// A member's node, as strangers see it.
fn address(node: &Node) -> (Vec<u8>, String) {
    let listen = node.ready()["listen"].as_array().expect("it listens").clone();
    let tcp = listen.iter().filter_map(Value::as_str).find(|text| text.contains("/tcp/")).expect("over TCP");
    let (peer, address) = network::parse_address(tcp).expect("an address");
    (peer.expect("a node names its peer"), address)
}

fn items(client: &Client) -> u64 {
    let status = client.ask("/status").expect("the node answers").body;
    let communities = status["communities"].as_array().into_iter().flatten();
    let garden = communities.filter(|community| community["name"] == "garden");
    garden.filter_map(|garden| garden["items"].as_u64()).sum()
}

/// Each writes in turn; how long each item took until the last of them had it, shortest first.
fn write(clients: &[Client], garden: &str, count: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for (number, client) in (0..count).zip(clients.iter().cycle()) {
        let all = items(client) + 1;
        let begun = Instant::now();
        let post = json!({"kind": "post", "to": [garden], "text": format!("text {number}"), "tags": []});
        let told = client.tell("/items", &post).expect("the node answers");
        assert!(told.status < 300, "{told:?}");
        wait::until_close("everybody has it", wait::SOON, || {
            let have: Vec<u64> = clients.iter().map(items).collect();
            if have.iter().all(|have| *have >= all) { Ok(()) } else { Err(format!("{have:?} of {all}")) }
        });
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took
}

/// How many peers each is connected to.
fn peers(clients: &[Client]) -> Vec<u64> {
    let of = |client: &Client| client.ask("/status").expect("the node answers").body["peers"].as_u64();
    clients.iter().filter_map(of).collect()
}

fn refused(clients: &[Client]) -> u64 {
    let of = |client: &Client| client.ask("/status").expect("the node answers").body["refusals"].clone();
    let turned_away = |name: &String| name.starts_with("connections_");
    let sum = |refusals: Value| -> u64 {
        let all = refusals.as_object().cloned().unwrap_or_default();
        all.iter().filter(|(name, _)| turned_away(name)).filter_map(|(_, count)| count.as_u64()).sum()
    };
    clients.iter().map(of).map(sum).sum()
}

/// So many members of the garden, who run.
fn members(world: &World, count: usize) -> (Vec<Person>, Vec<Node>, String) {
    let names = ["alice", "bob", "carol", "dave", "ferry", "gil", "hugo", "ida"];
    let people: Vec<Person> = names.iter().take(count).map(|name| world.person(name)).collect();
    let garden = found(&people[0], "garden", "growing things");
    let mut nodes = vec![people[0].start()];
    let key = invite(&people[0], &garden, count);
    for newcomer in &people[1..] {
        nodes.push(newcomer.start());
        join(newcomer, &key, &garden);
    }
    (people, nodes, garden.id)
}

// strangers ══ alice ── bob ── carol ── dave, each with each
#[test]
fn strangers_who_take_all_places_that_they_can_cut_no_member_off() {
    let form = form();
    let world = World::new("eclipse");
    let (people, mut nodes, garden) = members(&world, form.members);
    let clients: Vec<Client> = nodes.iter().map(Client::of).collect();
    let quiet = write(&clients, &garden, form.items);

    // All at once, while they write.
    let sybils = Arc::new(Sybils::default());
    let targets = Arc::new(nodes.iter().map(address).collect::<Vec<_>>());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut strangers = JoinSet::new();
    for number in 0..form.strangers {
        strangers.spawn_on(sybil(number, targets.clone(), sybils.clone()), runtime.handle());
    }
    let beset = write(&clients, &garden, form.items);
    let full = wait::until_close("the places of strangers are taken", wait::SOON, || {
        let (peers, refused) = (peers(&clients), refused(&clients));
        let full = peers.iter().all(|peers| *peers >= STRANGERS_AT_ONCE);
        if full && refused > 0 { Ok(refused) } else { Err(format!("{peers:?} connected, {refused} refused")) }
    });
    let besieged = write(&clients, &garden, form.items);

    // One of them starts cold, among strangers who know where it listens and come at once.
    let last = nodes.pop().expect("the last of them");
    last.kill();
    let (others, missed) = (&clients[..clients.len() - 1], 5);
    let _ = write(others, &garden, missed);
    let all = items(&others[0]);
    // Whatever place there was is tried for again.
    let (before, more) = (refused(others), u64::from(form.strangers) / 2);
    wait::until_close("strangers have come again", wait::SOON, || {
        let since = refused(others) - before;
        if since >= more { Ok(()) } else { Err(format!("{since} of {more}")) }
    });
    let begun = Instant::now();
    let again = people[form.members - 1].start();
    let port = address(&again);
    let at_once = Arc::new(vec![port]);
    for number in 0..form.strangers {
        let number = number + form.strangers;
        strangers.spawn_on(sybil(number, at_once.clone(), sybils.clone()), runtime.handle());
    }
    let client = Client::of(&again);
    wait::until_close("who started again has everything", RECOVERED, || {
        let has = items(&client);
        if has >= all { Ok(()) } else { Err(format!("{has} of {all}")) }
    });
    let recovered = begun.elapsed();
    let clients: Vec<Client> = others.iter().cloned().chain([client]).collect();
    let cold = write(&clients, &garden, form.items);

    let p99 = |took: &[Duration]| took[took.len() * 99 / 100];
    eprintln!(
        "T6: members={} strangers={} connected={} refused={} asked={} p99_quiet={:?} p99_flash={:?} p99_full={:?} \
         recovered={recovered:?} p99_after={:?} peers={:?}",
        form.members,
        form.strangers,
        sybils.connected.load(Ordering::Relaxed),
        full,
        sybils.said.load(Ordering::Relaxed),
        p99(&quiet),
        p99(&beset),
        p99(&besieged),
        p99(&cold),
        peers(&clients),
    );
    sybils.over.store(true, Ordering::Relaxed);
    runtime.block_on(async { while strangers.join_next().await.is_some() {} });
    for took in [&beset, &besieged, &cold] {
        assert!(p99(took) <= AT_MOST, "{took:?}");
    }
    assert!(recovered <= RECOVERED, "{recovered:?}");
    drop((nodes, again));
}
