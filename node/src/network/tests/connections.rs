//! Dialling and being dialled.
//!
//! Always true: every dial ends in one report, every connected peer is told of once.

use std::time::Instant;

use hearth_protocol::testing::{around, lasted, up_to};
use libp2p::swarm::dummy;
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::*;
use crate::network::{limits, peer_text};

#[tokio::test]
async fn a_dial_of_dead_addresses_is_reported_once_with_each_address() {
    let mut alice = Node::new(1, &[]).await;
    let dead = dead().await;
    for peer in [None, Some(peer_of(&[2; 32]))] {
        alice.order(Order::Dial { peer, addresses: dead.to_vec() });
        let why = alice.dial_failed().await;
        for address in &dead {
            assert!(why.contains(address), "{why}");
        }
        assert!(why.contains("refused"), "{why}");
    }
    let rest = alice.so_far().await;
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn one_good_address_among_dead_ones_is_enough() {
    let bob = Node::new(2, &[TCP, QUIC]).await;
    for number in [1, 3] {
        let mut alice = Node::new(number, &[]).await;
        let mut addresses = dead().await.to_vec();
        addresses.push("/dns4/example.org/tcp/1".to_owned());
        addresses.extend(bob.listening.iter().map(|text| {
            let address = text.parse().expect("an address");
            addresses::without_peer(&address).to_string()
        }));
        alice.order(Order::Dial { peer: (number == 1).then(|| bob.peer()), addresses });
        assert_eq!(alice.dialed().await, bob.peer());
    }
}

#[tokio::test]
async fn every_dial_of_a_peer_ends_and_it_is_connected_once() {
    let bob = Node::new(2, &[TCP, QUIC]).await;
    let mut alice = Node::new(1, &[]).await;
    let dials = 5;
    for _ in 0..dials {
        alice.dial(&bob);
    }
    let mut connected = 0;
    let mut dialed = 0;
    while dialed < dials {
        alice
            .wait(|report| {
                match report {
                    Report::Connected { .. } => connected += 1,
                    Report::Dialed { .. } => dialed += 1,
                    other => panic!("{other:?}"),
                }
                Some(())
            })
            .await;
    }
    assert_eq!(connected, 1);
    alice.dial(&bob);
    assert_eq!(alice.dialed().await, bob.peer());
}

#[tokio::test]
async fn a_node_that_dials_itself_is_told_so() {
    let wildcards = ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"];
    let mut alice = Node::new(1, &wildcards).await;
    let all = alice.listening.clone();
    let mut orders =
        vec![(Some(alice.peer()), all.clone()), (Some(alice.peer()), dead().await.to_vec()), (None, all.clone())];
    let on_loopback = all.iter().filter(|text| text.contains("/127.0.0.1/"));
    for text in on_loopback {
        let address = addresses::without_peer(&text.parse().expect("an address")).to_string();
        orders.push((None, vec![address.clone()]));
        // The wildcard answers here too, which libp2p learns only from the key at the other end.
        orders.push((None, vec![address.replace("127.0.0.1", "127.0.0.2")]));
    }
    assert_eq!(orders.len(), 7);
    alice.so_far().await;
    for (peer, addresses) in orders {
        alice.order(Order::Dial { peer, addresses });
        let why = alice.dial_failed().await;
        assert!(why.contains("own") || why.contains("itself"), "{why}");
    }
    let rest = alice.so_far().await;
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn another_peer_behind_an_address_is_not_taken_for_the_one_that_was_meant() {
    let mut bob = Node::new(2, &[TCP]).await;
    let mut alice = Node::new(1, &[]).await;
    let address = addresses::without_peer(&bob.listening[0].parse().expect("an address"));
    alice.order(Order::Dial { peer: Some(peer_of(&[9; 32])), addresses: vec![address.to_string()] });
    let why = alice.dial_failed().await;
    assert!(why.contains(&peer_text(&bob.peer())), "{why}");
    alice.dial(&bob);
    alice.dialed().await;
    bob.connected(&alice).await;
}

// alice ══ bob
async fn both_dial(listen: &str) {
    let mut alice = Node::new(1, &[listen]).await;
    let mut bob = Node::new(2, &[listen]).await;
    for _ in 0..10 {
        alice.dial(&bob);
        bob.dial(&alice);
        alice.dialed().await;
        bob.dialed().await;
        // Both have said Connected before Dialed, and say it no second time.
        for node in [&mut alice, &mut bob] {
            let rest = node.so_far().await;
            assert!(rest.is_empty(), "{rest:?}");
        }
        alice.order(Order::Request { peer: bob.peer(), id: 1, frame: b"?".to_vec() });
        let (token, _) = bob.requested().await;
        bob.order(Order::Respond { token, frame: b"!".to_vec() });
        assert_eq!(alice.answer(1).await.as_deref(), Ok(&b"!"[..]));

        alice.order(Order::Disconnect { peer: bob.peer() });
        for (node, other) in [(&mut alice, bob.peer()), (&mut bob, peer_of(&[1; 32]))] {
            let gone = node
                .wait(|report| match report {
                    Report::Disconnected { peer } => Some(peer),
                    other => panic!("{other:?}"),
                })
                .await;
            assert_eq!(gone, other);
        }
    }
}

#[tokio::test]
async fn two_that_dial_each_other_at_once_are_connected_once_over_tcp() {
    both_dial(TCP).await;
}

#[tokio::test]
async fn two_that_dial_each_other_at_once_are_connected_once_over_quic() {
    both_dial(QUIC).await;
}

// alice, ... ══ bob, from one host
#[tokio::test]
async fn a_host_has_its_share_of_connections_and_who_proves_a_role_counts_with_members() {
    let mut bob = Node::that_trusts(Some(Vec::new()), 99, &[TCP]).await;
    let mut all = Vec::new();
    for number in 1..=u8::try_from(limits::CONNECTIONS_PER_HOST).expect("few") {
        let node = Node::new(number, &[]).await;
        node.dial(&bob);
        bob.connected(&node).await;
        all.push(node);
    }
    // Who dials learns it only when the connection ends at once.
    let mut eve = Node::new(66, &[]).await;
    eve.dial(&bob);
    eve.dialed().await;
    eve.wait(|report| matches!(report, Report::Disconnected { .. }).then_some(())).await;
    assert_eq!(bob.handle.refused(), [("connections_host", 1)]);

    let carol = Node::new(67, &[]).await;
    let proven = all.iter().chain([&carol]).map(Node::peer).collect();
    bob.order(Order::Reserve { proven, known: Vec::new(), addresses: Vec::new() });
    carol.dial(&bob);
    bob.connected(&carol).await;
    // Nobody of the others counts against eve any more.
    eve.dial(&bob);
    bob.connected(&eve).await;
    assert_eq!(bob.handle.refused(), [("connections_host", 1)]);
}

#[tokio::test]
async fn a_subnet_that_is_none_is_named() {
    let settings = Settings { secret: [1; 32], listen: Vec::new(), trusted_subnets: Some(vec!["home".to_owned()]) };
    let why = start(settings).await.expect_err("refused").to_string();
    assert!(why.contains("\"home\""), "{why}");
}

#[tokio::test]
async fn who_opens_a_connection_and_says_nothing_is_cut_off_in_time_and_counted() {
    let bob = Node::new(2, &[TCP]).await;
    let port = bob.listening[0].split('/').nth(4).expect("a port");
    let begun = Instant::now();
    let mut silent = TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("connected");
    let end = async { while matches!(silent.read(&mut [0; 64]).await, Ok(1..)) {} };
    timeout(PATIENCE, end).await.expect("cut off");
    lasted(limits::HANDSHAKE_TIME, begun.elapsed());
    let counted = async {
        while bob.handle.refused() != [("connections_handshake", 1)] {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("counted");
}

// eve ══ bob
#[tokio::test]
async fn one_peer_has_so_many_connections_and_no_more() {
    let mut bob = Node::new(2, &[TCP]).await;
    let mut held = vec![eve(dummy::Behaviour, &mut bob).await];
    let mut kept = vec![true];
    for number in 2..=limits::CONNECTIONS_PER_PEER + 1 {
        let mut swarm = transport::swarm(addresses::keypair([66; 32]), dummy::Behaviour).expect("a swarm");
        swarm.dial(bob.listening[0].parse::<Multiaddr>().expect("an address")).expect("dialling");
        // Who dials is told first, and sees the end of what is denied.
        let ended = async {
            loop {
                if matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {
                    return;
                }
            }
        };
        let stays = timeout(Duration::from_secs(1), ended).await.is_err();
        kept.push(stays);
        assert_eq!(kept.len(), usize::try_from(number).expect("few"));
        held.push(swarm);
    }
    around(limits::CONNECTIONS_PER_PEER, [true, true, false], |n| kept[usize::try_from(n).expect("few") - 1]);
    assert_eq!(bob.handle.refused(), [("connections_peer", 1)]);
}

// alice ── 17 others
#[tokio::test]
async fn a_node_opens_so_many_connections_and_no_more() {
    let mut alice = Node::new(99, &[]).await;
    let (mut others, mut dialed) = (Vec::new(), Vec::new());
    for number in 1..=u8::try_from(limits::CONNECTIONS_OUT + 1).expect("few") {
        let other = Node::new(number, &[TCP]).await;
        alice.dial(&other);
        let became = alice.wait(|report| match report {
            Report::Dialed { .. } => Some(Ok(())),
            Report::DialFailed { why, .. } => Some(Err(why)),
            _ => None,
        });
        dialed.push(became.await);
        others.push(other);
    }
    let refusal = "no more outbound connections are allowed".to_owned();
    up_to(limits::CONNECTIONS_OUT, refusal, |n| dialed[usize::try_from(n).expect("few") - 1].clone());
    alice.order(Order::Disconnect { peer: others[0].peer() });
    alice.wait(|report| matches!(report, Report::Disconnected { .. }).then_some(())).await;
    alice.dial(&others[usize::try_from(limits::CONNECTIONS_OUT).expect("few")]);
    alice.dialed().await;
}

// alice ── bob
#[tokio::test]
async fn a_banned_peer_is_cut_off_and_neither_taken_nor_dialled_until_it_is_pardoned() {
    let mut alice = Node::new(1, &[TCP]).await;
    let mut bob = Node::new(2, &[TCP]).await;
    bob.dial(&alice);
    alice.connected(&bob).await;
    bob.connected(&alice).await;

    alice.order(Order::Ban { peer: bob.peer() });
    for node in [&mut alice, &mut bob] {
        node.wait(|report| matches!(report, Report::Disconnected { .. }).then_some(())).await;
    }
    alice.dial(&bob);
    alice.dial_failed().await;
    // Bob may be told that he is connected, and then that he is not; alice's driver hears nothing of it.
    bob.dial(&alice);
    bob.wait(|report| matches!(report, Report::Disconnected { .. } | Report::DialFailed { .. }).then_some(())).await;
    let reports = alice.so_far().await;
    assert!(reports.is_empty(), "{reports:?}");

    alice.order(Order::Pardon { peer: bob.peer() });
    alice.dial(&bob);
    alice.connected(&bob).await;
}
