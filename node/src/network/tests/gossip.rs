//! Gossip between nodes.
//!
//! Always true: a verdict stands between what comes in and what is passed on.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::network::{Dropped, Verdict, limits};

/// Opens both gates, subscribes both and returns once gossip passes from `from` to `to`.
async fn share(topic: &str, from: &Node, to: &mut Node) {
    introduce(from, to);
    for node in [from, &*to] {
        node.order(Order::Subscribe { topic: topic.to_owned() });
    }
    pass(topic, from, to).await;
}

/// Opens the gates of two that are connected, as after a handshake.
pub(super) fn introduce(asker: &Node, answerer: &Node) {
    answerer.hear(asker.peer());
    asker.speak(answerer.peer());
    answerer.speak(asker.peer());
}

/// Returns once gossip passes from `from` to `to`.
pub(super) async fn pass(topic: &str, from: &Node, to: &mut Node) {
    static TRIES: AtomicU64 = AtomicU64::new(0);
    // Nothing reports a subscription, so it is tried until it works.
    let arrived = async {
        loop {
            let tries = TRIES.fetch_add(1, Ordering::Relaxed);
            from.order(Order::Publish { topic: topic.to_owned(), data: format!("hello {tries}").into_bytes() });
            let pause = Duration::from_millis(50);
            if let Ok((token, ..)) = timeout(pause, to.gossip()).await {
                to.order(Order::Judge { token, verdict: Verdict::Ignore });
                return;
            }
        }
    };
    timeout(PATIENCE, arrived).await.expect("subscribed in time");
}

async fn gossip_of(node: &mut Node, wanted: &[u8]) -> u64 {
    loop {
        let (token, _, data) = node.gossip().await;
        if data == wanted {
            return token;
        }
        node.order(Order::Judge { token, verdict: Verdict::Ignore });
    }
}

// alice ── bob ── carol
async fn line(listen: &str) -> (Node, Node, Node) {
    let (alice, mut bob) = pair(listen).await;
    let mut carol = Node::new(3, &[]).await;
    carol.dial(&bob);
    carol.dialed().await;
    bob.connected(&carol).await;
    share("t", &bob, &mut carol).await;
    share("t", &alice, &mut bob).await;
    (alice, bob, carol)
}

async fn passed_on_only_if_accepted(listen: &str) {
    let (alice, mut bob, mut carol) = line(listen).await;
    let verdicts = [
        (b"ignored", Verdict::Ignore),
        (b"refused", Verdict::Reject),
        (b"not yet", Verdict::Accept),
        (b"allowed", Verdict::Accept),
    ];
    let mut tokens = Vec::new();
    for (data, _) in verdicts {
        alice.order(Order::Publish { topic: "t".to_owned(), data: data.to_vec() });
        tokens.push(gossip_of(&mut bob, data).await);
    }
    // All verdicts but one, the good one last: what comes to carol comes in this order.
    for place in [0, 1, 3] {
        bob.order(Order::Judge { token: tokens[place], verdict: verdicts[place].1 });
    }
    let (_, topic, data) = carol.gossip().await;
    assert_eq!((topic.as_str(), &data[..]), ("t", &b"allowed"[..]));
    bob.order(Order::Judge { token: tokens[2], verdict: verdicts[2].1 });
    let (_, _, data) = carol.gossip().await;
    assert_eq!(data, b"not yet");
    let rest = carol.so_far().await;
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn gossip_is_passed_on_only_after_it_was_accepted_over_tcp() {
    passed_on_only_if_accepted(TCP).await;
}

#[tokio::test]
async fn gossip_is_passed_on_only_after_it_was_accepted_over_quic() {
    passed_on_only_if_accepted(QUIC).await;
}

#[tokio::test]
async fn the_longest_gossip_arrives_also_when_much_of_it_comes_at_once() {
    let (alice, mut bob) = pair(TCP).await;
    let topic = "a".repeat(limits::TOPIC_BYTES);
    share(&topic, &alice, &mut bob).await;
    let count: u8 = 100;
    for number in 0..count {
        alice.order(Order::Publish { topic: topic.clone(), data: vec![number; limits::GOSSIP_DATA] });
        alice.order(Order::Publish { topic: topic.clone(), data: vec![number; limits::GOSSIP_DATA + 1] });
    }
    let mut next = 0;
    while next < count {
        let (token, _, data) = bob.gossip().await;
        bob.order(Order::Judge { token, verdict: Verdict::Accept });
        if data.len() < 100 {
            continue;
        }
        assert_eq!(data.len(), limits::GOSSIP_DATA);
        assert_eq!(data[0], next);
        next += 1;
    }
    assert_eq!(bob.handle.dropped(), Dropped::default());
}

#[tokio::test]
async fn gossip_without_a_verdict_is_dropped_and_counted_beyond_the_bound() {
    let (alice, mut bob) = pair(TCP).await;
    share("t", &alice, &mut bob).await;
    bob.so_far().await;
    let more = 10;
    for number in 0..limits::GOSSIP_UNJUDGED + more {
        let data = format!("gossip {number}");
        // One at a time, so that alice's queue is never full.
        alice.order(Order::Publish { topic: "t".to_owned(), data: data.clone().into_bytes() });
        if number < limits::GOSSIP_UNJUDGED {
            let (_, _, arrived) = bob.gossip().await;
            assert_eq!(arrived, data.into_bytes());
        }
    }
    let counted = async {
        while bob.handle.dropped().gossip_in < more as u64 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("counted");
    let reports = bob.so_far().await;
    assert!(reports.is_empty(), "{reports:?}");
}
