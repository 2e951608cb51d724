//! Requests and answers between nodes.
//!
//! Always true: a request has one end, and nothing over a limit gets through from either side.

use super::*;
use crate::network::{
    OrderError,
    behaviour::{self, Exchange},
    codec::Frames,
    limits,
};
use hearth_protocol::testing::{around, given, lasted};
use libp2p::request_response::{Event, Message, OutboundFailure};

async fn exchange(listen: &str) {
    let (mut alice, mut bob) = pair(listen).await;
    let request = vec![1; limits::REQUEST];
    alice.order(Order::Request { peer: bob.peer(), id: 7, frame: request.clone() });
    let (token, frame) = bob.requested().await;
    assert!(frame == request);
    let response = vec![2; limits::RESPONSE];
    bob.order(Order::Respond { token, frame: response.clone() });
    assert!(alice.answer(7).await == Ok(response));
}

#[tokio::test]
async fn the_longest_request_and_response_pass_over_tcp() {
    exchange(TCP).await;
}

#[tokio::test]
async fn the_longest_request_and_response_pass_over_quic() {
    exchange(QUIC).await;
}

#[tokio::test]
async fn a_request_over_the_limit_or_empty_fails_before_it_is_sent() {
    let (mut alice, mut bob) = pair(TCP).await;
    for (id, bytes) in [(1, 0), (2, limits::REQUEST + 1)] {
        alice.order(Order::Request { peer: bob.peer(), id, frame: vec![0; bytes] });
        let why = alice.answer(id).await.expect_err("refused");
        assert!(why.contains("frame"), "{why}");
    }
    let arrived = bob.so_far().await;
    assert!(arrived.is_empty(), "{arrived:?}");
}

/// Somebody who keeps to no limit.
async fn lawless(to: &mut Node) -> Swarm<Exchange> {
    let frames = Frames { request: usize::MAX, response: usize::MAX };
    eve(behaviour::exchange(frames), to).await
}

// eve ── bob
#[tokio::test]
async fn a_request_over_the_limit_is_refused_by_the_peer_that_gets_it() {
    let mut bob = Node::new(2, &[TCP]).await;
    let mut eve = lawless(&mut bob).await;
    let to = libp2p::PeerId::from_bytes(&bob.peer()).expect("a peer");
    eve.behaviour_mut().send_request(&to, vec![0; limits::REQUEST + 1]);
    let refused = async {
        loop {
            if let SwarmEvent::Behaviour(event) = eve.select_next_some().await {
                return event;
            }
        }
    };
    let event = timeout(PATIENCE, refused).await.expect("refused in time");
    assert!(matches!(event, Event::OutboundFailure { error: OutboundFailure::Io(_), .. }), "{event:?}");
    // Who sent it is named, and nothing else is reported.
    let who = eve.local_peer_id().to_bytes();
    bob.wait(|report| (report == Report::Misbehaved { peer: who.clone(), name: "bad_frame" }).then_some(())).await;
    let reports = bob.so_far().await;
    assert!(reports.is_empty(), "{reports:?}");
}

// eve ── bob
#[tokio::test]
async fn an_answer_over_the_limit_fails_the_request() {
    let mut bob = Node::new(2, &[TCP]).await;
    let mut eve = lawless(&mut bob).await;
    bob.order(Order::Request { peer: eve.local_peer_id().to_bytes(), id: 3, frame: b"?".to_vec() });
    let answering = async {
        loop {
            if let SwarmEvent::Behaviour(Event::Message { message: Message::Request { channel, .. }, .. }) =
                eve.select_next_some().await
            {
                let long = vec![0; limits::RESPONSE + 1];
                eve.behaviour_mut().send_response(channel, long).expect("bob waits");
            }
        }
    };
    let mut blamed = 0;
    let refused = bob.wait(|report| match report {
        Report::Misbehaved { name: "bad_frame", .. } => {
            blamed += 1;
            None
        }
        Report::Failed { id: 3, why, .. } => Some(why),
        _ => None,
    });
    let why = tokio::select! {
        why = refused => why,
        () = answering => unreachable!("eve answers until bob has refused"),
    };
    assert_eq!(blamed, 1);
    assert!(why.contains("1048577 bytes, over the limit"), "{why}");
}

#[tokio::test]
async fn a_request_that_is_withheld_or_answered_out_of_bounds_fails_at_once() {
    let (mut alice, mut bob) = pair(TCP).await;
    let refusals: [fn(u64) -> Order; 3] = [
        |token| Order::Withhold { token },
        |token| Order::Respond { token, frame: Vec::new() },
        |token| Order::Respond { token, frame: vec![0; limits::RESPONSE + 1] },
    ];
    for (id, refusal) in (1..).zip(refusals) {
        alice.order(Order::Request { peer: bob.peer(), id, frame: b"?".to_vec() });
        let (token, _) = bob.requested().await;
        bob.order(refusal(token));
        // Not only once its time is over.
        let answer = timeout(limits::REQUEST_TIME / 2, alice.answer(id)).await;
        answer.expect("at once").expect_err("no answer");
    }
}

#[tokio::test]
async fn a_request_to_a_peer_that_is_not_connected_fails() {
    let mut alice = Node::new(1, &[]).await;
    for peer in [peer_of(&[2; 32]), b"no peer".to_vec()] {
        alice.order(Order::Request { peer, id: 1, frame: b"?".to_vec() });
        let why = alice.answer(1).await.expect_err("nobody there");
        assert_eq!(why, "the peer is not connected");
    }
}

#[tokio::test]
async fn a_driver_that_reads_nothing_still_has_its_orders_taken_up_to_a_bound() {
    let mut alice = Node::new(1, &[]).await;
    let fail = |id| Order::Request { peer: peer_of(&[2; 32]), id, frame: b"?".to_vec() };
    // Reports in the driver's reach, reports held back, and orders that are not taken any more.
    given(limits::ORDERS, alice.handle.orders.max_capacity());
    given(limits::REPORTS, alice.reports.max_capacity());
    let room = limits::REPORTS + limits::REPORTS_HELD_BACK + limits::ORDERS;
    let room = u64::try_from(room).expect("small");
    let given = async {
        for id in 0..room {
            alice.handle.order(fail(id)).await.expect("taken");
        }
    };
    timeout(PATIENCE, given).await.expect("no order waits");
    let one_more = alice.handle.try_order(fail(room));
    assert_eq!(one_more, Err(OrderError::Full(fail(room))));
    let taken = usize::try_from(room).expect("small");
    around(limits::REPORTS_HELD_BACK, [true, true, false], |held| limits::REPORTS + held + limits::ORDERS <= taken);
    for id in 0..room {
        alice.answer(id).await.expect_err("nobody there");
    }
    alice.order(fail(room));
    alice.answer(room).await.expect_err("nobody there");
}

// alice ── bob, who answers nothing
#[tokio::test]
async fn an_answer_is_waited_for_and_no_longer_than_it_may_take() {
    let (mut alice, bob) = pair(TCP).await;
    let begun = std::time::Instant::now();
    alice.order(Order::Request { peer: bob.peer(), id: 1, frame: b"?".to_vec() });
    let why = alice.answer(1).await.expect_err("nobody answers");
    lasted(limits::REQUEST_TIME, begun.elapsed());
    assert_eq!(why, "no answer within 10 s");
}

// 33 others ── bob, who answers nothing
#[tokio::test]
async fn so_many_requests_wait_for_an_answer_and_one_more_is_dropped_and_counted() {
    let mut bob = Node::new(99, &[TCP]).await;
    let mut others = Vec::new();
    let peers = limits::REQUESTS_UNANSWERED / limits::REQUESTS_PER_CONNECTION;
    for number in 1..=peers {
        let other = Node::new(u8::try_from(number).expect("few"), &[]).await;
        other.dial(&bob);
        bob.connected(&other).await;
        others.push(other);
    }
    let last = Node::new(98, &[]).await;
    last.dial(&bob);
    bob.connected(&last).await;
    let mut told = 0;
    for other in &others {
        for id in 0..limits::REQUESTS_PER_CONNECTION {
            other.order(Order::Request { peer: bob.peer(), id: id as u64, frame: b"?".to_vec() });
            bob.requested().await;
            told += 1;
        }
    }
    last.order(Order::Request { peer: bob.peer(), id: 1, frame: b"?".to_vec() });
    let counted = async {
        while bob.handle.dropped().requests == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(limits::REQUEST_TIME / 2, counted).await.expect("counted");
    around(limits::REQUESTS_UNANSWERED, [true, true, false], |n| n <= told);
}

// eve ── bob
#[tokio::test]
async fn who_asks_faster_than_it_may_is_refused_and_counted_and_served_again_later() {
    let (mut eve, bob) = pair(TCP).await;
    let Node { handle, mut reports, listening: _listening, task: _task } = bob;
    let (peer, answering) = (handle.peer().to_vec(), handle.clone());
    tokio::spawn(async move {
        while let Some(report) = reports.recv().await {
            if let Report::Requested { token, .. } = report {
                answering.order(Order::Respond { token, frame: b"!".to_vec() }).await.expect("taken");
            }
        }
    });
    let begun = std::time::Instant::now();
    let (tries, mut answered) = (limits::MESSAGES_PER_SECOND * 20, 0_u32);
    for id in 0..u64::from(tries) {
        eve.order(Order::Request { peer: peer.clone(), id, frame: b"?".to_vec() });
        answered += u32::from(eve.answer(id).await.is_ok());
    }
    let burst = limits::MESSAGES_PER_SECOND * 10;
    let later = u32::try_from(begun.elapsed().as_secs() + 1).expect("soon") * limits::MESSAGES_PER_SECOND;
    assert!((burst..=burst + later).contains(&answered), "{answered} of {tries}");
    assert_eq!(handle.refused(), [("messages_rate", u64::from(tries - answered))]);

    // Who has proven a role may ask for much.
    handle.order(Order::Reserve { proven: vec![eve.peer()], known: vec![], addresses: vec![] }).await.expect("taken");
    eve.order(Order::Request { peer: peer.clone(), id: 1_000_000, frame: b"?".to_vec() });
    let mut id = 1_000_001;
    // The order may be taken a little after the request.
    while eve.answer(id - 1).await.is_err() {
        eve.order(Order::Request { peer: peer.clone(), id, frame: b"?".to_vec() });
        id += 1;
    }
    for id in 2_000_000..2_000_100 {
        eve.order(Order::Request { peer: peer.clone(), id, frame: b"?".to_vec() });
        assert!(eve.answer(id).await.is_ok());
    }
}
