//! T1 and F12: a stranger opens thousands of connections and says nothing, while members dial.
//!
//! Each address of 127.0.0.0/8 stands for a host: the node trusts no subnet here, and members come from addresses of
//! their own, through a carrier that passes their bytes on.
//! `HEARTH_LONG=1` takes 10,000 sockets and a minute.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hearth_node::network::{self, Network, Order, Report};
use hearth_protocol::bytes::Bytes;
use hearth_protocol::wire::Request;
use hearth_tests::api::Client;
use hearth_tests::wait;
use hearth_tests::world::World;
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Hosts of the stranger, each in a subnet of its own.
const HOSTS: usize = 8;
const MEMBERS: usize = 20;
/// How many of the members must be connected, and how soon.
const CONNECTED: usize = 19;
const SOON: Duration = Duration::from_secs(5);
/// How much the node may grow, in KiB.
const GROWTH_KIB: u64 = 64 * 1024;
/// How many descriptors the node may have open.
const DESCRIPTORS: usize = 1_024;

/// How hard it is tried.
struct Form {
    sockets: usize,
    held: Duration,
    /// How long a socket that was closed stays so.
    pause: Duration,
}

fn form() -> Form {
    if env::var_os("HEARTH_LONG").is_some() {
        Form { sockets: 10_000, held: Duration::from_secs(60), pause: Duration::from_secs(5) }
    } else {
        Form { sockets: 2_000, held: Duration::from_secs(6), pause: Duration::from_secs(1) }
    }
}

/// What the stranger has done and seen.
#[derive(Default)]
struct Flood {
    over: AtomicBool,
    opened: AtomicU64,
    closed: AtomicU64,
}

async fn from(host: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddrV4::new(host, 0).into())?;
    socket.connect(to).await
}

/// One socket: open and silent, and opened again whenever the node has closed it.
async fn silent(host: Ipv4Addr, to: SocketAddr, pause: Duration, flood: Arc<Flood>) {
    while !flood.over.load(Ordering::Relaxed) {
        if let Ok(mut stream) = from(host, to).await {
            flood.opened.fetch_add(1, Ordering::Relaxed);
            // Silent at this end; the node offers its protocols and waits.
            while matches!(stream.read(&mut [0; 512]).await, Ok(1..)) {}
            flood.closed.fetch_add(1, Ordering::Relaxed);
        }
        sleep(pause).await;
    }
}

/// A member whose bytes come to the node from `host`. Says how long it took until the node answered.
async fn member(number: u8, host: Ipv4Addr, to: SocketAddr, peer: Vec<u8>) -> Result<Duration, String> {
    let carrier = TcpListener::bind("127.0.0.1:0").await.map_err(|why| why.to_string())?;
    let port = carrier.local_addr().map_err(|why| why.to_string())?.port();
    let carrying = tokio::spawn(async move {
        if let Ok((mut here, _)) = carrier.accept().await
            && let Ok(mut there) = from(host, to).await
        {
            // Over when either end is.
            let _ = copy_bidirectional(&mut here, &mut there).await;
        }
    });
    let settings = network::Settings { secret: [number; 32], listen: Vec::new(), trusted_subnets: None };
    let Network { handle, mut reports, .. } = network::start(settings).await.map_err(|why| why.to_string())?;
    let begun = Instant::now();
    let order = Order::Dial { peer: Some(peer.clone()), addresses: vec![format!("/ip4/127.0.0.1/tcp/{port}")] };
    handle.try_order(order).map_err(|why| why.to_string())?;
    let answered = async {
        loop {
            match reports.recv().await {
                // Who dials is told before the other side has decided, so only an answer counts.
                Some(Report::Dialed { .. }) => {
                    let frame = Request::Hello(Bytes([number; 32])).to_bytes();
                    let order = Order::Request { peer: peer.clone(), id: 1, frame };
                    handle.try_order(order).map_err(|why| why.to_string())?;
                }
                Some(Report::Answered { .. }) => return Ok(begun.elapsed()),
                Some(Report::DialFailed { why, .. } | Report::Failed { why, .. }) => return Err(why),
                Some(_) => {}
                None => return Err("the network has ended".to_owned()),
            }
        }
    };
    let took = timeout(SOON, answered).await.unwrap_or_else(|_| Err("not in time".to_owned()));
    handle.stop().await;
    carrying.abort();
    took
}

/// Resident memory in KiB, and open descriptors.
fn cost(id: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    let kib = line.trim().trim_end_matches(" kB").parse().expect("a number");
    let open = fs::read_dir(format!("/proc/{id}/fd")).expect("the node is ours").count();
    (kib, open)
}

// stranger (8 hosts) ══ alice ── 20 members
async fn flood(
    id: u32,
    to: SocketAddr,
    peer: Vec<u8>,
    form: &Form,
) -> (Vec<Result<Duration, String>>, u64, usize, Arc<Flood>) {
    let before = cost(id).0;
    let flood = Arc::new(Flood::default());
    let mut stranger = JoinSet::new();
    for number in 0..form.sockets {
        let host = Ipv4Addr::new(127, 1, u8::try_from(number % HOSTS).expect("few"), 1);
        stranger.spawn(silent(host, to, form.pause, flood.clone()));
    }
    let begun = Instant::now();
    while flood.opened.load(Ordering::Relaxed) < form.sockets as u64 {
        assert!(begun.elapsed() < wait::SOON, "{} sockets opened", flood.opened.load(Ordering::Relaxed));
        sleep(Duration::from_millis(20)).await;
    }
    // Some at a time, all the while.
    let mut dials = JoinSet::new();
    let (mut most_kib, mut most_open) = (before, 0);
    let begun = Instant::now();
    let mut begun_dials = 0;
    while begun.elapsed() < form.held || begun_dials < MEMBERS {
        let due = begun.elapsed().as_secs_f64() / form.held.as_secs_f64() * MEMBERS as f64;
        while begun_dials < MEMBERS && (begun_dials as f64) <= due {
            let number = u8::try_from(begun_dials).expect("few");
            dials.spawn(member(number + 1, Ipv4Addr::new(127, 2, number, 1), to, peer.clone()));
            begun_dials += 1;
        }
        let (kib, open) = cost(id);
        (most_kib, most_open) = (most_kib.max(kib), most_open.max(open));
        sleep(Duration::from_millis(50)).await;
    }
    let took = dials.join_all().await;
    flood.over.store(true, Ordering::Relaxed);
    stranger.shutdown().await;
    (took, most_kib - before, most_open, flood)
}

#[test]
fn members_are_connected_while_a_stranger_holds_thousands_of_silent_sockets() {
    let form = form();
    let world = World::new("flood");
    let alice = world.person("alice");
    fs::write(alice.folder().join("config.toml"), "trusted_subnets = []\n").expect("alice has a home");
    let node = alice.start();
    let listen = node.ready()["listen"].as_array().expect("it listens").clone();
    let tcp = listen.iter().filter_map(|text| text.as_str()).find(|text| text.contains("/tcp/")).expect("over TCP");
    let (peer, address) = network::parse_address(tcp).expect("an address");
    let mut parts = address.split('/').skip(2).step_by(2);
    let host: Ipv4Addr = parts.next().and_then(|host| host.parse().ok()).expect("a host");
    let port = parts.next().and_then(|port| port.parse().ok()).expect("a port");
    let to = SocketAddrV4::new(host, port).into();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (took, growth, open, flood) =
        runtime.block_on(flood(node.id(), to, peer.expect("a node names its peer"), &form));

    let refusals = Client::of(&node).ask("/status").expect("alice still answers").body["refusals"].clone();
    let connected = took.iter().filter(|took| took.is_ok()).count();
    let slowest = took.iter().filter_map(|took| took.as_ref().ok()).max();
    eprintln!(
        "T1, F12: sockets={} opened={} closed={} members={connected}/{MEMBERS} slowest={slowest:?} rss_growth_kib={growth} \
         descriptors={open} refusals={refusals}",
        form.sockets,
        flood.opened.load(Ordering::Relaxed),
        flood.closed.load(Ordering::Relaxed),
    );
    assert!(connected >= CONNECTED, "{took:?}");
    assert!(growth <= GROWTH_KIB, "{growth} KiB");
    assert!(open <= DESCRIPTORS, "{open} descriptors");
    let turned_away = refusals["connections_opening_host"].as_u64().unwrap_or_default();
    assert!(turned_away >= form.sockets as u64 / 2, "{refusals}");
}
