//! Who takes part in gossip, and who does not.
//!
//! Always true: a peer to whom nobody opened the gate is told nothing and is not listened to, in
//! whatever way it speaks the protocol.

use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::{
    PeerId, StreamProtocol,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    gossipsub::{self, IdentTopic, PublishError},
    request_response::{self, Codec, Event, Message, OutboundFailure, ProtocolSupport},
    swarm::{
        ConnectionId,
        behaviour::toggle::Toggle,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use super::{
    gossip::{introduce, pass},
    *,
};
use crate::network::{
    Dropped,
    behaviour::{self, Exchange, Gossip},
    codec::Frames,
    gate::Gate,
    limits,
};

/// Requests and answers after which whatever was sent before them has long arrived.
const ROUNDS: u64 = 20;

/// Streams of gossipsub's protocol with any bytes on them.
#[derive(Debug, Clone)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = ();

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut first = vec![0];
        io.read_exact(&mut first).await?;
        Ok(first)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, _: &mut T) -> std::io::Result<()>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(())
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, frame: Vec<u8>) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&frame).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, _: &mut T, (): ()) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Ok(())
    }
}

/// A gossip frame that subscribes to "t", tells `data` there and asks to be in the mesh.
fn frame(data: &[u8]) -> Vec<u8> {
    let field =
        |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).expect("short")], bytes].concat();
    let subscription = [&[1 << 3, 1], &field(2, b"t")[..]].concat();
    let told = [field(2, data), field(4, b"t")].concat();
    let graft = field(3, &field(1, b"t"));
    let whole = [field(1, &subscription), field(2, &told), field(3, &graft)].concat();
    [&[u8::try_from(whole.len()).expect("short")], &whole[..]].concat()
}

/// A stranger, who speaks gossipsub as it comes, or any bytes in its name.
#[derive(NetworkBehaviour)]
struct Stranger {
    gossip: Toggle<Gossip>,
    raw: Toggle<request_response::Behaviour<Raw>>,
    exchange: Exchange,
}

impl Stranger {
    fn plain() -> Self {
        let mut gossip = behaviour::gossip();
        gossip.subscribe(&IdentTopic::new("t")).expect("subscribed");
        Self { gossip: Some(gossip).into(), raw: None.into(), exchange: behaviour::exchange(Frames::default()) }
    }

    fn raw() -> Self {
        let protocols = ["/meshsub/1.0.0", "/meshsub/1.1.0", "/meshsub/1.2.0", "/meshsub/1.3.0"];
        let raw = request_response::Behaviour::with_codec(
            Raw,
            protocols.map(|name| (StreamProtocol::new(name), ProtocolSupport::Full)),
            request_response::Config::default(),
        );
        Self { gossip: None.into(), raw: Some(raw).into(), exchange: behaviour::exchange(Frames::default()) }
    }
}

fn id_of(node: &Node) -> PeerId {
    PeerId::from_bytes(&node.peer()).expect("a peer")
}

fn subscribe(node: &Node, topic: &str) {
    node.order(Order::Subscribe { topic: topic.to_owned() });
}

/// Publishes something new on "t".
fn publish(node: &Node) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let data = format!("new {}", COUNT.fetch_add(1, Ordering::Relaxed)).into_bytes();
    node.order(Order::Publish { topic: "t".to_owned(), data });
}

/// Eve asks and bob answers, again and again, while bob publishes. What else happens to both.
async fn rounds(eve: &mut Swarm<Stranger>, bob: &mut Node) -> (Vec<StrangerEvent>, Vec<Report>) {
    let (mut events, mut reports) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        publish(bob);
        eve.behaviour_mut().exchange.send_request(&id_of(bob), b"?".to_vec());
        let asking = async {
            loop {
                match eve.select_next_some().await {
                    SwarmEvent::Behaviour(StrangerEvent::Exchange(Event::Message {
                        message: Message::Response { .. },
                        ..
                    })) => return,
                    SwarmEvent::Behaviour(event) => events.push(event),
                    _ => {}
                }
            }
        };
        let answering = async {
            let asked = |report| match report {
                Report::Requested { token, .. } => Some(token),
                other => {
                    reports.push(other);
                    None
                }
            };
            let token = bob.wait(asked).await;
            bob.order(Order::Respond { token, frame: b"!".to_vec() });
        };
        timeout(PATIENCE, async { tokio::join!(asking, answering) }).await.expect("answered in time");
    }
    (events, reports)
}

// eve ── bob
async fn a_stranger_with_gossipsub(listen: &str) {
    let mut bob = Node::new(2, &[listen]).await;
    subscribe(&bob, "t");
    let mut eve = eve(Stranger::plain(), &mut bob).await;
    let (events, reports) = rounds(&mut eve, &mut bob).await;

    assert!(reports.is_empty(), "{reports:?}");
    let [StrangerEvent::Gossip(gossipsub::Event::GossipsubNotSupported { .. })] = events[..] else {
        panic!("{events:?}");
    };
    let gossip = eve.behaviour_mut().gossip.as_mut().expect("there");
    assert!(gossip.all_peers().all(|(_, topics)| topics.is_empty()));
    let nobody = gossip.publish(IdentTopic::new("t"), "eve was here");
    assert!(matches!(nobody, Err(PublishError::NoPeersSubscribedToTopic)), "{nobody:?}");
    assert_eq!(bob.handle.dropped(), Dropped::default());
}

#[tokio::test]
async fn a_stranger_with_gossipsub_is_told_nothing_over_tcp() {
    a_stranger_with_gossipsub(TCP).await;
}

#[tokio::test]
async fn a_stranger_with_gossipsub_is_told_nothing_over_quic() {
    a_stranger_with_gossipsub(QUIC).await;
}

/// What becomes of a gossip frame of eve's.
async fn sent(eve: &mut Swarm<Stranger>, bob: &Node, data: &[u8]) -> Result<(), OutboundFailure> {
    let raw = eve.behaviour_mut().raw.as_mut().expect("there");
    let sent = raw.send_request(&id_of(bob), frame(data));
    let ended = async {
        loop {
            match eve.select_next_some().await {
                SwarmEvent::Behaviour(StrangerEvent::Raw(Event::Message {
                    message: Message::Response { request_id, .. },
                    ..
                })) if request_id == sent => return Ok(()),
                SwarmEvent::Behaviour(StrangerEvent::Raw(Event::OutboundFailure { request_id, error, .. }))
                    if request_id == sent =>
                {
                    return Err(error);
                }
                SwarmEvent::Behaviour(other) => panic!("{other:?}"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, ended).await.expect("ended in time")
}

// eve ── bob
async fn a_stranger_with_frames_of_its_own(listen: &str) {
    let mut bob = Node::new(2, &[listen]).await;
    subscribe(&bob, "t");
    let mut eve = eve(Stranger::raw(), &mut bob).await;
    for _ in 0..3 {
        let refused = sent(&mut eve, &bob, b"outside").await;
        assert!(matches!(refused, Err(OutboundFailure::UnsupportedProtocols)), "{refused:?}");
    }
    let (events, reports) = rounds(&mut eve, &mut bob).await;
    assert!(events.is_empty() && reports.is_empty(), "{events:?} {reports:?}");

    // Heard, but not spoken to: one stream waits, and it is the last one.
    bob.hear(eve.local_peer_id().to_bytes());
    bob.so_far().await;
    for data in [&b"first"[..], b"last"] {
        sent(&mut eve, &bob, data).await.expect("accepted");
    }
    let (events, reports) = rounds(&mut eve, &mut bob).await;
    assert!(events.is_empty() && reports.is_empty(), "{events:?} {reports:?}");

    bob.speak(eve.local_peer_id().to_bytes());
    let (events, reports) = rounds(&mut eve, &mut bob).await;
    let told: Vec<_> = reports.iter().filter(|report| matches!(report, Report::Gossip { .. })).collect();
    assert!(matches!(&told[..], [Report::Gossip { data, .. }] if data == b"last"), "{reports:?}");
    let opened = |event: &StrangerEvent| {
        matches!(event, StrangerEvent::Raw(Event::Message { message: Message::Request { .. }, .. }))
    };
    assert!(events.iter().any(opened), "{events:?}");
}

#[tokio::test]
async fn any_gossip_frame_is_refused_then_kept_waiting_then_taken_over_tcp() {
    a_stranger_with_frames_of_its_own(TCP).await;
}

#[tokio::test]
async fn any_gossip_frame_is_refused_then_kept_waiting_then_taken_over_quic() {
    a_stranger_with_frames_of_its_own(QUIC).await;
}

/// What happens before gossip flows.
#[derive(Debug, Clone, Copy)]
enum Step {
    AliceHears,
    AliceSpeaks,
    BobHears,
    BobSpeaks,
    /// Requests and answers pass.
    Rounds,
    /// Longer than anybody asks again by the clock.
    GivenUp,
}

/// Alice asks and bob answers, again and again, while both publish. What they are told.
async fn quiet_rounds(alice: &mut Node, bob: &mut Node) {
    for id in 0..ROUNDS {
        publish(alice);
        publish(bob);
        alice.order(Order::Request { peer: bob.peer(), id, frame: b"?".to_vec() });
        let told = |report| match report {
            Report::Requested { token, .. } => Some(token),
            other => panic!("{other:?}"),
        };
        let token = bob.wait(told).await;
        bob.order(Order::Respond { token, frame: b"!".to_vec() });
        let told = |report| match report {
            Report::Answered { .. } => Some(()),
            other => panic!("{other:?}"),
        };
        alice.wait(told).await;
    }
}

// alice ── bob
async fn flows_after(listen: &str, steps: &[Step]) {
    let (mut alice, mut bob) = pair(listen).await;
    for node in [&alice, &bob] {
        subscribe(node, "t");
    }
    for step in steps {
        match step {
            Step::AliceHears => alice.hear(bob.peer()),
            Step::AliceSpeaks => alice.speak(bob.peer()),
            Step::BobHears => bob.hear(alice.peer()),
            Step::BobSpeaks => bob.speak(alice.peer()),
            Step::Rounds => quiet_rounds(&mut alice, &mut bob).await,
            Step::GivenUp => {
                let all: Duration = limits::GOSSIP_PAUSES.iter().sum();
                timeout(all * 2, alice.gossip()).await.expect_err("nothing is heard");
            }
        }
    }
    pass("t", &alice, &mut bob).await;
    pass("t", &bob, &mut alice).await;
}

#[tokio::test]
async fn gossip_flows_both_ways_in_whatever_order_the_gates_are_opened() {
    use Step::{AliceHears, AliceSpeaks, BobHears, BobSpeaks, Rounds};
    for listen in [TCP, QUIC] {
        // As in a handshake: who answers hears first, and speaks when the other has proven itself too.
        flows_after(listen, &[BobHears, AliceSpeaks, BobSpeaks]).await;
        flows_after(listen, &[BobHears, Rounds, AliceSpeaks, Rounds, BobSpeaks]).await;
        flows_after(listen, &[AliceHears, BobHears, BobSpeaks, Rounds, AliceSpeaks]).await;
        // Too early.
        flows_after(listen, &[AliceSpeaks, BobHears, BobSpeaks]).await;
        flows_after(listen, &[AliceSpeaks, Rounds, BobHears, Rounds, BobSpeaks]).await;
        flows_after(listen, &[BobSpeaks, Rounds, AliceSpeaks]).await;
    }
}

#[tokio::test]
async fn gossip_flows_both_ways_also_after_one_side_has_given_up_over_tcp() {
    flows_after(TCP, &[Step::AliceSpeaks, Step::GivenUp, Step::BobHears, Step::Rounds, Step::BobSpeaks]).await;
}

#[tokio::test]
async fn gossip_flows_both_ways_also_after_one_side_has_given_up_over_quic() {
    flows_after(QUIC, &[Step::BobSpeaks, Step::GivenUp, Step::AliceSpeaks]).await;
}

async fn disconnected(node: &mut Node) {
    node.wait(|report| matches!(report, Report::Disconnected { .. }).then_some(())).await;
}

// alice ── bob
async fn closed_again(listen: &str) {
    let (mut alice, mut bob) = pair(listen).await;
    for node in [&alice, &bob] {
        subscribe(node, "t");
    }
    introduce(&alice, &bob);
    pass("t", &alice, &mut bob).await;
    pass("t", &bob, &mut alice).await;

    bob.order(Order::Disconnect { peer: alice.peer() });
    disconnected(&mut alice).await;
    disconnected(&mut bob).await;
    alice.dial(&bob);
    alice.dialed().await;
    bob.connected(&alice).await;
    quiet_rounds(&mut alice, &mut bob).await;
    // One side alone cannot open both.
    alice.speak(bob.peer());
    quiet_rounds(&mut alice, &mut bob).await;

    introduce(&alice, &bob);
    pass("t", &alice, &mut bob).await;
    pass("t", &bob, &mut alice).await;
}

#[tokio::test]
async fn who_is_disconnected_and_comes_back_stands_outside_over_tcp() {
    closed_again(TCP).await;
}

#[tokio::test]
async fn who_is_disconnected_and_comes_back_stands_outside_over_quic() {
    closed_again(QUIC).await;
}

// alice ══ bob
#[tokio::test]
async fn two_that_dial_each_other_at_once_exchange_gossip() {
    for listen in [TCP, QUIC] {
        let mut alice = Node::new(1, &[listen]).await;
        let mut bob = Node::new(2, &[listen]).await;
        for node in [&alice, &bob] {
            subscribe(node, "t");
        }
        for _ in 0..5 {
            alice.dial(&bob);
            bob.dial(&alice);
            alice.dialed().await;
            bob.dialed().await;
            introduce(&alice, &bob);
            pass("t", &alice, &mut bob).await;
            pass("t", &bob, &mut alice).await;
            alice.order(Order::Disconnect { peer: bob.peer() });
            disconnected(&mut alice).await;
            disconnected(&mut bob).await;
        }
    }
}

#[tokio::test]
async fn opening_a_gate_for_who_is_not_there_is_ignored() {
    let mut alice = Node::new(1, &[]).await;
    for peer in [peer_of(&[2; 32]), b"no peer".to_vec()] {
        alice.hear(peer.clone());
        alice.speak(peer);
    }
    let reports = alice.so_far().await;
    assert!(reports.is_empty(), "{reports:?}");
}

/// What bob tells carol of his topics next.
async fn announced(carol: &mut Swarm<Gate>) -> (String, bool) {
    let announced = async {
        loop {
            match carol.select_next_some().await {
                SwarmEvent::Behaviour(gossipsub::Event::Subscribed { topic, .. }) => {
                    return (topic.into_string(), true);
                }
                SwarmEvent::Behaviour(gossipsub::Event::Unsubscribed { topic, .. }) => {
                    return (topic.into_string(), false);
                }
                SwarmEvent::Behaviour(other) => panic!("{other:?}"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, announced).await.expect("announced in time")
}

/// Runs both until `wanted` makes something of what happens to the second.
async fn until<T>(
    one: &mut Swarm<Gate>,
    other: &mut Swarm<Gate>,
    mut wanted: impl FnMut(SwarmEvent<gossipsub::Event>) -> Option<T>,
) -> T {
    let found = async {
        loop {
            tokio::select! {
                _ = one.select_next_some() => {}
                event = other.select_next_some() => if let Some(found) = wanted(event) {
                    return found;
                }
            }
        }
    };
    timeout(PATIENCE, found).await.expect("happened in time")
}

/// Has bob dial carol, and returns carol's connection.
async fn dialed_by(bob: &mut Swarm<Gate>, carol: &mut Swarm<Gate>) -> ConnectionId {
    let address = carol.listeners().next().expect("listening").clone();
    let dial = DialOpts::peer_id(*carol.local_peer_id()).condition(PeerCondition::Always).addresses(vec![address]);
    bob.dial(dial.build()).expect("dialling");
    until(bob, carol, |event| match event {
        SwarmEvent::ConnectionEstablished { connection_id, .. } => Some(connection_id),
        _ => None,
    })
    .await
}

// bob ══ carol
#[tokio::test]
async fn topics_are_announced_again_when_one_of_two_connections_ends() {
    let [mut bob, mut carol] = [2, 3].map(|number| {
        let gate = Gate::new(behaviour::gossip());
        transport::swarm(addresses::keypair([number; 32]), gate).expect("a swarm")
    });
    let subscribed = |event| matches!(event, SwarmEvent::Behaviour(gossipsub::Event::Subscribed { .. })).then_some(());
    carol.behaviour_mut().subscribe(&IdentTopic::new("t")).expect("subscribed");
    carol.listen_on(TCP.parse().expect("an address")).expect("listening");
    let listening = |event| matches!(event, SwarmEvent::NewListenAddr { .. }).then_some(());
    until(&mut bob, &mut carol, listening).await;

    let first = dialed_by(&mut bob, &mut carol).await;
    bob.behaviour_mut().speak(carol.local_peer_id());
    carol.behaviour_mut().speak(bob.local_peer_id());
    until(&mut carol, &mut bob, subscribed).await;
    let second = dialed_by(&mut bob, &mut carol).await;
    assert!(carol.close_connection(first));
    until(&mut carol, &mut bob, subscribed).await;

    dialed_by(&mut bob, &mut carol).await;
    assert!(carol.close_connection(second));
    until(&mut carol, &mut bob, subscribed).await;
}

// bob ── carol
#[tokio::test]
async fn only_the_topics_of_the_moment_of_opening_are_announced() {
    let mut bob = Node::new(2, &[TCP]).await;
    subscribe(&bob, "before");
    subscribe(&bob, "kept");
    let mut carol = eve(Gate::new(behaviour::gossip()), &mut bob).await;
    let unsubscribe = |topic: &str| Order::Unsubscribe { topic: topic.to_owned() };
    bob.order(unsubscribe("before"));
    // More often than any queue is long; carol would be told each time.
    for number in 0..2 * limits::GOSSIP_QUEUE {
        let topic = format!("changed {number}");
        bob.handle.order(Order::Subscribe { topic: topic.clone() }).await.expect("taken");
        bob.handle.order(unsubscribe(&topic)).await.expect("taken");
    }
    subscribe(&bob, "last");
    bob.hear(carol.local_peer_id().to_bytes());
    bob.order(unsubscribe("last"));
    subscribe(&bob, "last of all");
    bob.so_far().await;

    carol.behaviour_mut().speak(&id_of(&bob));
    bob.speak(carol.local_peer_id().to_bytes());
    let mut first = [announced(&mut carol).await, announced(&mut carol).await];
    first.sort_unstable();
    assert_eq!(first, [("kept".to_owned(), true), ("last of all".to_owned(), true)]);
    bob.order(unsubscribe("kept"));
    assert_eq!(announced(&mut carol).await, ("kept".to_owned(), false));
    subscribe(&bob, "later");
    assert_eq!(announced(&mut carol).await, ("later".to_owned(), true));
}
