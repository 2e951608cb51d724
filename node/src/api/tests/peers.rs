//! Other nodes as a person sees them: who they are, how they behave, and who is refused.

use hearth_protocol::{
    engine::{Input, PeerName},
    limits,
};
use serde_json::{Value, json};

use super::{Host, text};

/// A garden of alice and bob, whose nodes run and are connected.
async fn garden() -> (Host, Host) {
    let alice = Host::running("alice").await;
    alice.found("garden").await;
    let key = alice.invite("garden", 1).await;
    let bob = Host::running("bob").await;
    bob.join(&key).await;
    (alice, bob)
}

fn peer(host: &Host) -> PeerName {
    host.home.keys(None).unwrap().identity.peer.clone()
}

async fn until(host: &Host, seen: impl FnMut(&std::sync::Arc<crate::handle::Snapshot>) -> bool) {
    let mut snapshot = host.node.api().app.handle.snapshot.clone();
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), snapshot.wait_for(seen));
    drop(waited.await.expect("it comes in time").expect("the node runs"));
}

async fn listed(host: &Host, peer: &str) -> Value {
    let peers = host.get("/peers").await;
    let found = peers["peers"].as_array().unwrap().iter().find(|known| known["peer"] == peer);
    found.unwrap_or_else(|| panic!("{peers}")).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_listed_with_who_it_is_how_it_is_reached_and_what_was_refused() {
    // bob ── alice
    let (alice, bob) = garden().await;
    let bobs = text(&bob.get("/status").await["peer"]);
    let person = text(&bob.get("/status").await["person"]);
    until(&alice, |seen| seen.conduct.of(&peer(&bob)).is_some_and(|bob| !bob.synced.is_empty())).await;
    let known = listed(&alice, &bobs).await;
    assert_eq!(known["persons"], json!([{ "person": person, "name": "bob", "communities": ["garden"] }]));
    assert_eq!((&known["connected"], &known["reached"]["transport"]), (&json!(true), &json!("tcp")));
    assert!(text(&known["reached"]["address"]).starts_with("/ip4/127.0.0.1/tcp/"), "{known}");
    assert!(known["reached"]["dialed"].is_boolean() && known["reached"]["since_ms"].is_u64(), "{known}");
    assert_eq!(known["synced"][0]["community_name"], "garden");
    assert_eq!((&known["strikes"], &known["banned_until_ms"]), (&json!(0), &Value::Null));

    let inbox = alice.node.api().app.handle.inbox.clone();
    let strike = async || inbox.input(Input::Misbehaved { peer: peer(&bob), name: "too_long" }).await.unwrap();
    strike().await;
    until(&alice, |seen| seen.conduct.of(&peer(&bob)).is_some_and(|bob| !bob.refused.is_empty())).await;
    let known = listed(&alice, &bobs).await;
    assert_eq!((&known["refused"][0]["name"], &known["refused"][0]["count"]), (&json!("too_long"), &json!(1)));
    assert_eq!((&known["strikes"], &alice.get("/status").await["banned"]), (&json!(1), &json!(0)));

    for _ in 1..limits::STRIKES {
        strike().await;
    }
    until(&alice, |seen| seen.peers.is_empty()).await;
    until(&bob, |seen| seen.peers.is_empty()).await;
    let known = listed(&alice, &bobs).await;
    assert_eq!((&known["connected"], &known["ban_reason"]), (&json!(false), &json!("too_long")));
    assert!(known["banned_until_ms"].is_u64() && known["reached"].is_null(), "{known}");
    let status = alice.get("/status").await;
    assert_eq!(status["banned"], 1);
    let told = status["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == "banned_peer");
    let told = told.unwrap_or_else(|| panic!("{status}"));
    assert_eq!((&told["person"], &told["do"]), (&json!(person), &json!(format!("hearth peer unban {bobs}"))));

    alice.tell(&format!("/peers/{bobs}/unban"), json!({})).await;
    until(&alice, |seen| !seen.peers.is_empty()).await;
    assert_eq!(alice.get("/status").await["banned"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_refused_by_hand_until_that_is_taken_back() {
    // bob ── alice
    let (alice, bob) = garden().await;
    let (bobs, own) = (text(&bob.get("/status").await["peer"]), text(&alice.get("/status").await["peer"]));
    let unban = format!("/peers/{bobs}/unban");
    assert_eq!(Host::refused(alice.post(&unban, &json!({})).await), (404, "not_banned".to_owned()));
    let refused = alice.post(&format!("/peers/{own}/ban"), &json!({})).await;
    assert_eq!(Host::refused(refused), (409, "own_device".to_owned()));
    for nobody in ["bob", "12D3KooW", "%00"] {
        let refused = alice.post(&format!("/peers/{nobody}/ban"), &json!({})).await;
        assert_eq!(Host::refused(refused), (400, "bad_peer".to_owned()), "{nobody}");
    }

    let banned = alice.tell(&format!("/peers/{bobs}/ban"), json!({})).await;
    assert!(banned["banned_until_ms"].is_u64(), "{banned}");
    until(&bob, |seen| seen.peers.is_empty()).await;
    assert_eq!(listed(&alice, &bobs).await["ban_reason"], "by_hand");
    // It is the person's own wish, so it is no finding.
    assert_eq!(alice.get("/status").await["findings"], json!([]));
    let address = text(&bob.get("/status").await["listen"][0]);
    let refused = alice.post("/peers", &json!({ "addr": address })).await;
    assert_eq!(Host::refused(refused), (409, "banned".to_owned()));
    alice.tell(&unban, json!({})).await;
    alice.tell("/peers", json!({ "addr": address })).await;
    until(&alice, |seen| !seen.peers.is_empty()).await;
}
