//! Scenarios over real sockets on loopback, each drawn above its test.
//!
//! Leaves to others: what a single file can test alone, which stands in that file.
//! Always true: no fixed ports, no sleeping; whatever is awaited has a limit.

mod connections;
mod crash;
mod exchange;
mod gate;
mod gossip;
mod hostile;
mod life;
mod privacy;
mod slow;

use std::time::Duration;

use libp2p::{
    Multiaddr, Swarm,
    futures::StreamExt,
    swarm::{NetworkBehaviour, SwarmEvent},
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use super::{Network, NetworkHandle, Order, Report, Settings, addresses, peer_of, start, transport};

/// Longer than any honest step on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A node and everything that its driver would hold.
struct Node {
    handle: NetworkHandle,
    reports: mpsc::Receiver<Report>,
    listening: Vec<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    async fn new(number: u8, listen: &[&str]) -> Self {
        Self::that_trusts(None, number, listen).await
    }

    async fn that_trusts(trusted_subnets: Option<Vec<String>>, number: u8, listen: &[&str]) -> Self {
        let listen = listen.iter().map(|text| (*text).to_owned()).collect();
        let Network { handle, reports, listening, task } =
            start(Settings { secret: [number; 32], listen, trusted_subnets }).await.expect("started");
        Self { handle, reports, listening, task }
    }

    fn peer(&self) -> Vec<u8> {
        self.handle.peer().to_vec()
    }

    fn order(&self, order: Order) {
        self.handle.try_order(order).expect("room for an order");
    }

    fn dial(&self, other: &Node) {
        self.order(Order::Dial { peer: Some(other.peer()), addresses: other.listening.clone() });
    }

    fn hear(&self, peer: Vec<u8>) {
        self.order(Order::HearGossip { peer });
    }

    fn speak(&self, peer: Vec<u8>) {
        self.order(Order::SpeakGossip { peer });
    }

    /// The next report that `wanted` makes something of; others are skipped.
    async fn wait<T>(&mut self, mut wanted: impl FnMut(Report) -> Option<T>) -> T {
        let found = async {
            loop {
                let report = self.reports.recv().await.expect("the network runs");
                if let Some(found) = wanted(report) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("reported in time")
    }

    async fn dialed(&mut self) -> Vec<u8> {
        self.wait(|report| match report {
            Report::Dialed { peer, .. } => Some(peer),
            Report::DialFailed { why, .. } => panic!("dial failed: {why}"),
            _ => None,
        })
        .await
    }

    async fn dial_failed(&mut self) -> String {
        self.wait(|report| match report {
            Report::DialFailed { why, .. } => Some(why),
            Report::Dialed { .. } => panic!("dialed"),
            _ => None,
        })
        .await
    }

    async fn connected(&mut self, other: &Node) -> (String, bool) {
        let other = other.peer();
        self.wait(|report| match report {
            Report::Connected { peer, address, dialed } if peer == other => Some((address, dialed)),
            _ => None,
        })
        .await
    }

    async fn requested(&mut self) -> (u64, Vec<u8>) {
        self.wait(|report| match report {
            Report::Requested { token, frame, .. } => Some((token, frame)),
            _ => None,
        })
        .await
    }

    /// What became of the request `wanted`.
    async fn answer(&mut self, wanted: u64) -> Result<Vec<u8>, String> {
        self.wait(|report| match report {
            Report::Answered { id, frame, .. } if id == wanted => Some(Ok(frame)),
            Report::Failed { id, why, .. } if id == wanted => Some(Err(why)),
            _ => None,
        })
        .await
    }

    async fn gossip(&mut self) -> (u64, String, Vec<u8>) {
        self.wait(|report| match report {
            Report::Gossip { token, topic, data, .. } => Some((token, topic, data)),
            _ => None,
        })
        .await
    }

    /// Everything reported so far, up to the failure of a request that is bound to fail.
    async fn so_far(&mut self) -> Vec<Report> {
        self.order(Order::Request { peer: self.peer(), id: u64::MAX, frame: b"to nobody".to_vec() });
        let mut seen = Vec::new();
        self.wait(|report| match report {
            Report::Failed { id: u64::MAX, .. } => Some(()),
            report => {
                seen.push(report);
                None
            }
        })
        .await;
        seen
    }
}

// alice ── bob
async fn pair(listen: &str) -> (Node, Node) {
    let mut alice = Node::new(1, &[]).await;
    let mut bob = Node::new(2, &[listen]).await;
    alice.dial(&bob);
    let (address, dialed) = alice.connected(&bob).await;
    assert!(dialed);
    assert_eq!([address], bob.listening[..]);
    assert_eq!(alice.dialed().await, bob.peer());
    let (_, dialed) = bob.connected(&alice).await;
    assert!(!dialed);
    (alice, bob)
}

/// Addresses where nobody listens.
async fn dead() -> [String; 2] {
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = tcp.local_addr().expect("an address").port();
    let first = format!("/ip4/127.0.0.1/tcp/{port}");
    let again = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = again.local_addr().expect("an address").port();
    [first, format!("/ip4/127.0.0.1/tcp/{port}")]
}

/// Somebody who speaks only `behaviour`, and is connected to a node.
async fn eve<B: NetworkBehaviour>(behaviour: B, to: &mut Node) -> Swarm<B> {
    let mut swarm = transport::swarm(addresses::keypair([66; 32]), behaviour).expect("a swarm");
    let address: Multiaddr = to.listening[0].parse().expect("an address");
    swarm.dial(address).expect("dialling");
    let established =
        async { while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {} };
    timeout(PATIENCE, established).await.expect("connected");
    to.wait(|report| matches!(report, Report::Connected { .. }).then_some(())).await;
    swarm
}
