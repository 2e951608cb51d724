//! T3: packets with which a stranger could end programs that were built on the same libraries, each written by hand and
//! sent again and again over connections of their own.
//!
//! Leaves to others: that versions with these holes are not built in (`tests/tidy/supply`); what can only be said within
//! a QUIC handshake, which no test here writes by hand. Always true: what is for a stream is sent once the node has agreed
//! to its protocol, and a panic in any task counts, also where nobody waits for its end.
//!
//! `HEARTH_LONG=1` sends each a thousand times.

use std::{
    env, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use libp2p::{
    core::{
        Endpoint, Transport,
        transport::{DialOpts, PortUse},
        upgrade::OutboundConnectionUpgrade,
    },
    futures::{AsyncReadExt, AsyncWriteExt},
    noise, tcp,
};
use tokio::net::UdpSocket;

use super::{gossip::introduce, *};

/// What names the threads whose panics count.
const THREADS: &str = "crash packets";
const TOPIC: &str = "a topic of the node";

type Socket = <tcp::tokio::Transport as Transport>::Output;
pub(super) type Secured = noise::Output<Socket>;

/// Where a packet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// On the bare socket.
    Socket,
    /// In place of the noise handshake.
    Noise,
    /// As frames of yamux.
    Frames,
    /// On a stream of this protocol.
    Stream(&'static str),
    /// As datagrams to the port of QUIC.
    Datagrams,
}

struct Packet {
    name: &'static str,
    at: At,
    bytes: Vec<u8>,
}

const GOSSIP: At = At::Stream("/meshsub/1.2.0");

/// The head of a yamux frame.
pub(super) fn frame(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    let mut head = vec![0, kind];
    head.extend(flags.to_be_bytes());
    head.extend(stream.to_be_bytes());
    head.extend(length.to_be_bytes());
    head
}

pub(super) const DATA: u8 = 0;
const WINDOW: u8 = 1;
const PING: u8 = 2;
const GO_AWAY: u8 = 3;
pub(super) const SYN: u16 = 1;
const FIN: u16 = 4;
const RST: u16 = 8;

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// A field of a protobuf message that holds bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A message of gossipsub with this control message, with its length before it.
fn control(control: &[u8]) -> Vec<u8> {
    let rpc = field(3, control);
    [varint(rpc.len() as u64), rpc].concat()
}

fn prune(topic: &str, backoff: u64) -> Vec<u8> {
    let backoff = [varint(3 << 3), varint(backoff)].concat();
    field(4, &[field(1, topic.as_bytes()), backoff].concat())
}

fn graft(topic: &str) -> Vec<u8> {
    field(3, &field(1, topic.as_bytes()))
}

/// In the order of the layers.
fn packets() -> Vec<Packet> {
    let packet = |name, at, bytes| Packet { name, at, bytes };
    let subscribe = {
        let subscription = [varint(1 << 3), varint(1), field(2, TOPIC.as_bytes())].concat();
        let rpc = field(1, &subscription);
        [varint(rpc.len() as u64), rpc].concat()
    };
    let gossip = |bytes: Vec<u8>| [subscribe.clone(), bytes].concat();
    let backoffs = [u64::MAX, u64::MAX / 1_000, 1 << 63, (1 << 63) - 1, i64::MAX as u64 / 1_000, 1 << 53, 1 << 32];
    let unknown = |number: u64| format!("nobody's topic {number}");
    // About a hundred connections' worth of streams, each opened and given up at once.
    let given_up = (0..5_000_u32).flat_map(|n| [frame(WINDOW, SYN, 2 * n + 1, 0), frame(WINDOW, RST, 2 * n + 1, 0)]);
    let window = |credit| frame(WINDOW, 0, 1, credit);
    vec![
        packet("multistream_garbage", At::Socket, [&[0x80_u8; 64][..], &[0xff; 64]].concat()),
        packet("multistream_longest", At::Socket, [&[0xff, 0x7f][..], &vec![b'/'; 16_383]].concat()),
        packet("noise_garbage", At::Noise, [&[0xff, 0xff][..], &vec![7; 65_535]].concat()),
        packet("noise_empty", At::Noise, vec![0; 64]),
        // GHSA-vxx9-2994-q338: data that opens a stream and is longer than its window.
        packet("yamux_syn_over_window", At::Frames, [frame(DATA, SYN, 1, 262_145), vec![0; 262_145]].concat()),
        packet("yamux_syn_longest", At::Frames, [frame(DATA, SYN, 1, u32::MAX), vec![0; 1_000]].concat()),
        // CVE-2026-31814: a window that grows beyond what its number holds.
        packet(
            "yamux_window_overflow",
            At::Frames,
            [frame(WINDOW, SYN, 1, u32::MAX), window(u32::MAX), window(u32::MAX), window(1)].concat(),
        ),
        // GHSA-3999-5ffv-wp2r: more answers to make than anybody reads.
        packet("yamux_streams_given_up", At::Frames, given_up.flatten().collect()),
        packet(
            "yamux_flags",
            At::Frames,
            [
                frame(DATA, SYN | FIN | RST, 1, 0),
                frame(WINDOW, SYN | FIN, 3, 0),
                frame(DATA, SYN, 0, 0),
                frame(DATA, SYN, 2, 0),
                frame(PING, SYN | RST, u32::MAX, u32::MAX),
                frame(GO_AWAY, SYN, 1, u32::MAX),
            ]
            .concat(),
        ),
        packet("yamux_no_frame", At::Frames, vec![0xff; 1_200]),
        // GHSA-gc42-3jg7-rxr2 and its sibling: a pause that no clock can be set to, or hardly.
        packet(
            "prune_backoff",
            GOSSIP,
            gossip(backoffs.iter().flat_map(|backoff| control(&prune(TOPIC, *backoff))).collect()),
        ),
        packet(
            "prune_graft_unknown",
            GOSSIP,
            gossip(
                (0..200)
                    .flat_map(|n| [control(&prune(&unknown(n), 60)), control(&graft(&unknown(n + 100)))].concat())
                    .collect(),
            ),
        ),
        packet("graft_while_pruned", GOSSIP, gossip(control(&graft(TOPIC).repeat(100)).repeat(10))),
        packet("gossip_longest", GOSSIP, gossip([varint(u64::MAX), vec![0; 100]].concat())),
        packet("gossip_field_longest", GOSSIP, {
            let inner = [varint(3 << 3 | 2), varint(u64::MAX), vec![0; 100]].concat();
            gossip([varint(inner.len() as u64), inner].concat())
        }),
        packet("gossip_groups", GOSSIP, gossip([varint(2_000), vec![0x0b; 2_000]].concat())),
        packet("identify", At::Stream("/ipfs/id/1.0.0"), [varint(u64::MAX), vec![0xff; 5_000]].concat()),
        packet("ping", At::Stream("/ipfs/ping/1.0.0"), vec![0xff; 33]),
        packet("quic", At::Datagrams, Vec::new()),
    ]
}

/// One datagram each: nothing, short, long heads with lengths that are none, and no version.
fn datagrams(seed: u8) -> Vec<Vec<u8>> {
    let initial = [0xc3, 0, 0, 0, 1];
    let lengths = [&initial[..], &[20], &[seed; 20], &[20], &[seed; 20]].concat();
    vec![
        Vec::new(),
        vec![0x40],
        vec![0xff; 1_200],
        [&initial[..], &[255], &[seed; 1_195]].concat(),
        [&lengths[..], &[0xff; 8], &[seed; 1_147]].concat(),
        [&lengths[..], &[0, 0x44, 0xb0], &[seed; 1_200]].concat(),
        [&[0xc3, 0, 0, 0, 0, 8], &[seed; 8][..], &[8], &[seed; 8], &[0; 200]].concat(),
    ]
}

/// A line of multistream.
fn line(text: &str) -> Vec<u8> {
    [varint(text.len() as u64 + 1), text.as_bytes().to_vec(), b"\n".to_vec()].concat()
}

/// Both lines by which a protocol is agreed upon; the other side says the same.
pub(super) fn agreement(protocol: &str) -> Vec<u8> {
    [line("/multistream/1.0.0"), line(protocol)].concat()
}

async fn agree<T>(io: &mut T, protocol: &str) -> io::Result<()>
where
    T: libp2p::futures::AsyncRead + libp2p::futures::AsyncWrite + Unpin,
{
    let lines = agreement(protocol);
    io.write_all(&lines).await?;
    io.flush().await?;
    let mut said = vec![0; lines.len()];
    io.read_exact(&mut said).await?;
    if said == lines { Ok(()) } else { Err(io::Error::other("another protocol")) }
}

async fn socket(to: &Multiaddr) -> io::Result<Socket> {
    let mut transport = tcp::tokio::Transport::default();
    let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    transport.dial(to.clone(), opts).map_err(io::Error::other)?.await
}

pub(super) async fn secured(number: u8, to: &Multiaddr) -> io::Result<Secured> {
    let mut io = socket(to).await?;
    agree(&mut io, "/noise").await?;
    let noise = noise::Config::new(&addresses::keypair([number; 32])).map_err(io::Error::other)?;
    let (_, mut io) = noise.upgrade_outbound(io, "/noise").await.map_err(io::Error::other)?;
    agree(&mut io, "/yamux/1.0.0").await?;
    Ok(io)
}

/// Reads until these bytes have come.
async fn read_until(io: &mut Secured, wanted: &[u8]) -> io::Result<()> {
    let mut said = Vec::new();
    let mut piece = [0; 4_096];
    while !said.windows(wanted.len()).any(|window| window == wanted) {
        match io.read(&mut piece).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => said.extend_from_slice(&piece[..count]),
        }
    }
    Ok(())
}

/// Reads what comes until the node has closed, or for so long.
async fn read_out<T: libp2p::futures::AsyncRead + Unpin>(io: &mut T, most: Duration) {
    let closed = async { while matches!(io.read(&mut [0; 4_096]).await, Ok(1..)) {} };
    let _ = timeout(most, closed).await;
}

/// How long a connection stays up that the node does not close.
const STAYS: Duration = Duration::from_millis(30);

/// Sends one packet over a connection of its own.
async fn send(packet: &Packet, number: u8, bob: &mut Node) -> io::Result<()> {
    let over =
        |transport: &str| bob.listening.iter().find(|text| text.contains(transport)).expect("it listens").clone();
    let to: Multiaddr = over("/tcp/").parse().expect("an address");
    match packet.at {
        At::Socket | At::Noise => {
            let mut io = socket(&to).await?;
            if packet.at == At::Noise {
                agree(&mut io, "/noise").await?;
            }
            io.write_all(&packet.bytes).await?;
            io.flush().await?;
            read_out(&mut io, STAYS).await;
        }
        At::Frames => {
            let mut io = secured(number, &to).await?;
            // What stands behind a frame that ends the connection is not taken any more.
            let _ = io.write_all(&packet.bytes).await;
            let _ = io.flush().await;
            read_out(&mut io, STAYS).await;
        }
        At::Stream(protocol) => {
            let mut io = secured(number, &to).await?;
            // A frame as a member, so that gossip comes to gossipsub.
            let eve = addresses::keypair([number; 32]).public().to_peer_id().to_bytes();
            bob.wait(|report| matches!(&report, Report::Connected { peer, .. } if *peer == eve).then_some(())).await;
            bob.hear(eve.clone());
            bob.speak(eve);
            bob.so_far().await;
            let lines = agreement(protocol);
            io.write_all(&frame(DATA, SYN, 1, u32::try_from(lines.len()).expect("short"))).await?;
            io.write_all(&lines).await?;
            io.flush().await?;
            read_until(&mut io, line(protocol).as_slice()).await?;
            for piece in packet.bytes.chunks(16 * 1024) {
                io.write_all(&frame(DATA, 0, 1, u32::try_from(piece.len()).expect("short"))).await?;
                io.write_all(piece).await?;
            }
            io.flush().await?;
            read_out(&mut io, STAYS).await;
        }
        At::Datagrams => {
            let port = over("/udp/").split('/').nth(4).and_then(|port| port.parse().ok()).expect("a port");
            let udp = UdpSocket::bind("127.0.0.1:0").await?;
            for datagram in datagrams(number) {
                udp.send_to(&datagram, SocketAddr::from(([127, 0, 0, 1], port))).await?;
            }
        }
    }
    Ok(())
}

/// Counts panics on the threads of this test.
fn count_panics() -> Arc<AtomicU64> {
    let panics = Arc::new(AtomicU64::new(0));
    let counted = panics.clone();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if thread::current().name() == Some(THREADS) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    panics
}

#[test]
fn no_packet_that_ended_such_programs_ends_a_task_or_keeps_it_from_answering() {
    let panics = count_panics();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_name(THREADS).enable_all().build().expect("a runtime");
    // On a thread of the runtime, so that a panic of the node's own tasks counts wherever they run.
    runtime.block_on(async { tokio::spawn(replay(panics)).await.expect("no panic") });
}

// eve, over and over ══ bob ── alice
async fn replay(panics: Arc<AtomicU64>) {
    let times = if env::var_os("HEARTH_LONG").is_some() { 1_000 } else { 10 };
    let begun = Instant::now();
    let mut alice = Node::new(1, &[]).await;
    let mut bob = Node::new(2, &[TCP, QUIC]).await;
    alice.dial(&bob);
    alice.dialed().await;
    bob.connected(&alice).await;
    introduce(&alice, &bob);
    bob.order(Order::Subscribe { topic: TOPIC.to_owned() });
    let packets = packets();
    let (mut sent, mut refused) = (0_u64, 0_u64);
    for packet in &packets {
        for _ in 0..times {
            // Not a peer that was cut off just now.
            let number = 100 + u8::try_from(sent % 100).expect("below 100");
            match send(packet, number, &mut bob).await {
                Ok(()) => sent += 1,
                Err(why) if matches!(packet.at, At::Stream(_)) => panic!("{}: not sent: {why}", packet.name),
                // Closed before the end of what it would not read.
                Err(_) => (sent, refused) = (sent + 1, refused + 1),
            }
            // It goes on, and nobody has to wait for room for what it reports.
            bob.so_far().await;
        }
        let mut slowest = Duration::ZERO;
        for id in 0..3 {
            let asked = Instant::now();
            alice.order(Order::Request { peer: bob.peer(), id: sent * 10 + id, frame: vec![1; 100] });
            let (token, frame) = bob.requested().await;
            bob.order(Order::Respond { token, frame });
            let answer = alice.answer(sent * 10 + id).await;
            assert!(answer.is_ok(), "{}: {answer:?}", packet.name);
            slowest = slowest.max(asked.elapsed());
        }
        assert!(slowest < PATIENCE / 4, "{}: an answer took {slowest:?}", packet.name);
        assert!(!bob.task.is_finished(), "{}: the network has ended", packet.name);
        assert_eq!(panics.load(Ordering::Relaxed), 0, "{}: a task has panicked", packet.name);
    }
    // Two heartbeats of gossipsub: what a packet has set may be counted with later.
    let (mut heard, until) = (0, Instant::now() + Duration::from_millis(2_500));
    while Instant::now() < until {
        alice.order(Order::Request { peer: bob.peer(), id: u64::MAX / 2 + heard, frame: vec![1; 100] });
        let (token, frame) = bob.requested().await;
        bob.order(Order::Respond { token, frame });
        assert!(alice.answer(u64::MAX / 2 + heard).await.is_ok());
        heard += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let panics = panics.load(Ordering::Relaxed);
    eprintln!(
        "T3: packets={} replays={times} sent={sent} cut_short={refused} panics={panics} answered={heard} \
         seconds={:.1} refused={:?}",
        packets.len(),
        begun.elapsed().as_secs_f64(),
        bob.handle.refused(),
    );
    assert_eq!(panics, 0);
    assert!(!bob.task.is_finished(), "the network goes on");
    bob.handle.stop().await;
    bob.task.await.expect("it has not panicked");
}
