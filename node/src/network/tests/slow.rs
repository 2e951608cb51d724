//! F9: of ten peers one takes its answers a byte a second, and one takes nothing any more. The others do not wait for
//! either, and what waits for the two is bounded.
//!
//! Leaves to others: how much waits at most, to the byte (`exchange`), and one that asks once and reads nothing
//! (`hostile`). Always true: the two have proven a role like the others, so that nothing but their slowness counts.
//!
//! `HEARTH_LONG=1` goes on until the one that takes nothing is cut off.

use std::{
    collections::BTreeMap,
    env, io,
    time::{Duration, Instant},
};

use libp2p::{
    PeerId, StreamProtocol,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, future::join_all},
    request_response::{self, Codec, ProtocolSupport},
};
use tokio::time::sleep;

use super::{
    crash::{DATA, SYN, Secured, agreement, frame, secured},
    hostile::{ask, memory},
    *,
};
use crate::network::limits;

const EXCHANGE: &str = "/hearth/0/exchange";
/// A request that is answered at full length: its length in four bytes, and itself.
const MUCH: [u8; 5] = [0, 0, 0, 1, b'?'];
const OTHERS: u8 = 8;
/// More than the two ask for in a minute.
const NOTED: usize = 1_000;

/// Reads a byte a second.
#[derive(Debug, Clone, Default)]
struct Dripping;

impl Codec for Dripping {
    type Protocol = StreamProtocol;
    type Request = ();
    type Response = ();

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<()> {
        Ok(())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<()> {
        while io.read(&mut [0]).await? > 0 {
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        (): (),
    ) -> io::Result<()> {
        io.write_all(&MUCH).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        (): (),
    ) -> io::Result<()> {
        Ok(())
    }
}

/// Somebody who asks for much again and again, and takes it a byte a second.
async fn dripping(mut bob: Node) -> (Node, tokio::task::JoinHandle<()>) {
    let config = request_response::Config::default()
        .with_max_concurrent_streams(1_000)
        .with_request_timeout(Duration::from_secs(600));
    let protocols = [(StreamProtocol::new(EXCHANGE), ProtocolSupport::Outbound)];
    let mut eve = eve(request_response::Behaviour::with_codec(Dripping, protocols, config), &mut bob).await;
    let to = PeerId::from_bytes(&bob.peer()).expect("a peer");
    let asking = tokio::spawn(async move {
        let mut rounds = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = eve.next() => {}
                _ = rounds.tick() => for _ in 0..8 {
                    eve.behaviour_mut().send_request(&to, ());
                }
            }
        }
    });
    (bob, asking)
}

/// Somebody who asks for much at once and reads nothing from then on. To be kept as long as the connection shall last.
async fn silent(number: u8, to: &Multiaddr) -> Secured {
    let mut io = secured(number, to).await.expect("connected");
    for stream in 0..8_u32 {
        let asks = [agreement(EXCHANGE), MUCH.to_vec()].concat();
        io.write_all(&frame(DATA, SYN, 2 * stream + 1, u32::try_from(asks.len()).expect("short"))).await.expect("sent");
        io.write_all(&asks).await.expect("sent");
    }
    io.flush().await.expect("sent");
    io
}

async fn p99(others: &mut [Node], bob: &[u8], first: u64, until: Instant) -> Duration {
    let each = others.iter_mut().map(|other| ask(other, bob, first, until));
    join_all(each).await.into_iter().max().expect("some")
}

// eve, dave ══ bob ── eight others
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_or_not_at_all_delays_nobody_and_holds_no_more_than_its_share() {
    let is_long = env::var_os("HEARTH_LONG").is_some();
    let held = Duration::from_secs(if is_long { 60 } else { 5 });
    let mut bob = Node::new(2, &[TCP]).await;
    let mut others = Vec::new();
    for number in 0..OTHERS {
        let mut other = Node::new(10 + number, &[]).await;
        other.dial(&bob);
        other.dialed().await;
        bob.connected(&other).await;
        others.push(other);
    }
    let keys = [66, 67].map(|number| addresses::keypair([number; 32]).public().to_peer_id().to_bytes());
    let proven = others.iter().map(Node::peer).chain(keys.clone()).collect();
    bob.order(Order::Reserve { proven, known: vec![], addresses: vec![] });
    let (bob, dripping) = dripping(bob).await;
    let Node { handle, mut reports, listening, task } = bob;
    let answering = handle.clone();
    let (cut, mut cuts) = mpsc::channel(NOTED);
    let (much_of, mut much) = mpsc::channel(NOTED);
    tokio::spawn(async move {
        while let Some(report) = reports.recv().await {
            match report {
                Report::Requested { token, frame, peer } => {
                    let is_much = frame == b"?";
                    let frame = if is_much { vec![7; limits::RESPONSE] } else { frame };
                    if is_much {
                        let _ = much_of.try_send(peer);
                    }
                    answering.order(Order::Respond { token, frame }).await.expect("taken");
                }
                Report::Disconnected { peer, .. } => drop(cut.try_send((peer, Instant::now()))),
                _ => {}
            }
        }
    });
    let to = handle.peer().to_vec();
    // The dripping one has begun already, with little: what is compared with is a node that is not pressed.
    let quiet = p99(&mut others, &to, 0, Instant::now() + Duration::from_secs(2)).await;
    let before = memory();
    let begun = Instant::now();
    let silent = silent(67, &listening[0].parse().expect("an address")).await;
    let beset = p99(&mut others, &to, 1_000_000, begun + held).await;
    let growth = memory().saturating_sub(before);
    let cut = std::iter::from_fn(|| cuts.try_recv().ok()).find(|(peer, _)| *peer == keys[1]);
    let cut = cut.map(|(_, at)| at.duration_since(begun));
    let mut asked = BTreeMap::new();
    while let Ok(peer) = much.try_recv() {
        *asked.entry(usize::from(peer == keys[1])).or_insert(0) += 1;
    }
    let refused: BTreeMap<_, _> = handle.refused().into_iter().collect();
    eprintln!(
        "F9: peers=10 dripping=1 silent=1 asked={asked:?} p99_quiet={quiet:?} p99_beset={beset:?} rss_growth_kib={growth} \
         silent_cut={cut:?} refused={refused:?}"
    );
    assert!(!task.is_finished(), "the network goes on");
    // Both have asked for more than may wait for them, and were not given all of it.
    assert!(
        asked.values().all(|asked| *asked > limits::UNSENT_BYTES / limits::RESPONSE) && asked.len() == 2,
        "{asked:?}"
    );
    assert!(refused.contains_key("unsent_bytes"), "{refused:?}");
    assert!(beset <= Duration::from_secs(1).max(quiet * 2), "{quiet:?}, {beset:?}");
    if is_long {
        assert!(cut.is_some_and(|cut| cut <= Duration::from_secs(60)), "{cut:?}");
        // Other tests of this process take memory too, except where this one runs alone.
        assert!(growth <= 16 * 1024, "{growth} KiB");
    }
    drop(silent);
    dripping.abort();
    handle.stop().await;
    task.await.expect("it has not panicked");
}
