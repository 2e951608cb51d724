//! Starting to listen, and ending.
//!
//! Always true: a node listens everywhere it was told to, or says where it cannot.

use super::*;
use crate::network::{NetworkError, OrderError, limits, parse_address, peer_text};
use hearth_protocol::testing::lasted;
use tokio::sync::oneshot;

#[tokio::test]
async fn a_node_listens_on_both_transports_and_tells_its_real_ports() {
    let node = Node::new(1, &[TCP, QUIC]).await;
    assert_eq!(node.listening.len(), 2);
    let peer = peer_text(&peer_of(&[1; 32]));
    for address in &node.listening {
        let (named, usual) = parse_address(address).expect("dialable");
        assert_eq!(named, Some(node.peer()));
        assert_eq!(&usual, address);
        assert!(address.ends_with(&format!("/p2p/{peer}")), "{address}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = other.local_addr().expect("an address").port();
    let tcp = format!("/ip4/127.0.0.1/tcp/{port}");

    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = socket.local_addr().expect("an address").port();
    let quic = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");

    let node = Node::new(1, &[TCP, QUIC]).await;
    let without_peer = |text: &String| {
        let address = text.parse().expect("an address");
        addresses::without_peer(&address).to_string()
    };
    let of_nodes: Vec<String> = node.listening.iter().map(without_peer).collect();

    for taken in [tcp, quic].into_iter().chain(of_nodes) {
        let refused =
            start(Settings { secret: [2; 32], listen: vec![TCP.to_owned(), taken.clone()], trusted_subnets: None })
                .await
                .expect_err("in use");
        assert!(matches!(&refused, NetworkError::AddressInUse { address } if *address == taken), "{refused:?}");
        assert!(refused.to_string().contains(&taken), "{refused}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_named() {
    for wrong in ["/ip4/192.0.2.1/tcp/0", "/ip4/192.0.2.1/udp/0/quic-v1", "/dns4/example.org/tcp/1", "garden"] {
        let refused = start(Settings { secret: [1; 32], listen: vec![wrong.to_owned()], trusted_subnets: None })
            .await
            .expect_err("refused");
        assert!(refused.to_string().contains(wrong), "{refused}");
    }
    let many = vec![TCP.to_owned(); limits::LISTEN_ADDRESSES + 1];
    let refused = start(Settings { secret: [1; 32], listen: many, trusted_subnets: None }).await.expect_err("refused");
    assert!(matches!(refused, NetworkError::TooManyAddresses { .. }));
}

// alice ── bob
async fn goodbye(listen: &'static str) {
    let mut bob = Node::new(2, &[listen]).await;
    let alice_dials = Order::Dial { peer: None, addresses: bob.listening.clone() };
    let (seen, is_seen) = oneshot::channel();
    // A runtime of her own, which ends with her as a process would.
    let alice = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            // Her test is looked at after every step of a task, so that she ends without mercy.
            .event_interval(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut alice = Node::new(1, &[]).await;
            alice.order(alice_dials);
            alice.dialed().await;
            // The dialling end is done with the handshake a moment earlier.
            timeout(PATIENCE, is_seen).await.expect("in time").expect("seen");
            let stop = alice.handle.stop();
            timeout(PATIENCE, stop).await.expect("stopped");
            let stopped = alice.handle.try_order(Order::Stop);
            assert_eq!(stopped, Err(OrderError::Ended));
        });
    });
    bob.wait(|report| matches!(report, Report::Connected { .. }).then_some(())).await;
    seen.send(()).expect("alice waits");
    let gone = bob.wait(|report| match report {
        Report::Disconnected { peer } => Some(peer),
        _ => None,
    });
    // Well before bob could have noticed by himself.
    let gone = timeout(limits::QUIC_SILENCE / 3, gone).await.expect("told");
    assert_eq!(gone, peer_of(&[1; 32]));
    alice.join().expect("no panic");
}

#[tokio::test]
async fn a_network_that_stops_says_goodbye_over_tcp() {
    goodbye(TCP).await;
}

#[tokio::test]
async fn a_network_that_stops_says_goodbye_over_quic() {
    goodbye(QUIC).await;
}

#[tokio::test]
async fn a_network_whose_handles_are_dropped_ends() {
    let alice = Node::new(1, &[TCP]).await;
    drop(alice.handle);
    timeout(PATIENCE, alice.task).await.expect("ended").expect("no panic");
    drop(alice.reports);
}

#[tokio::test]
async fn a_network_whose_reports_nobody_wants_ends() {
    let alice = Node::new(1, &[TCP]).await;
    drop(alice.reports);
    timeout(PATIENCE, alice.task).await.expect("ended").expect("no panic");
}

#[tokio::test]
async fn a_stopped_node_can_be_started_again_at_the_same_addresses() {
    let (alice, bob) = pair(TCP).await;
    let address = addresses::without_peer(&bob.listening[0].parse().expect("an address"));
    bob.handle.stop().await;
    bob.task.await.expect("no panic");
    let again = Node::new(2, &[&address.to_string()]).await;
    assert_eq!(again.listening, bob.listening);
    drop(alice);
}

// alice ── bob
#[tokio::test]
async fn who_is_parted_with_has_a_moment_to_take_what_was_sent_before() {
    let (alice, mut bob) = pair(TCP).await;
    let begun = std::time::Instant::now();
    alice.order(Order::Part { peer: bob.peer() });
    bob.wait(|report| matches!(report, Report::Disconnected { .. }).then_some(())).await;
    lasted(limits::PARTING_TIME, begun.elapsed());
}
