//! Pairing, listing and revoking, with a second device that speaks to the node as a new one does.

use hearth_protocol::{
    bytes::{Blob, Bytes},
    engine::Event,
    epoch::SealingKey,
    hello::{PairRequest, Transcript},
    key::{PublicKey, SecretKey},
    pairing::PairingCode,
    wire::{Request, Response},
};
use serde_json::{Value, json};

use super::{Host, text};
use crate::network::{self, Order, Report, Settings};

/// A new device that has nothing but a code. Each waits for the other's answer.
struct Newcomer {
    network: network::Network,
    device: SecretKey,
}

impl Newcomer {
    async fn new(seed: u8) -> Newcomer {
        let network =
            network::start(Settings { secret: [seed; 32], listen: Vec::new(), trusted_subnets: None }).await.unwrap();
        Newcomer { network, device: SecretKey::new(&[seed; 32]) }
    }

    async fn ask(&mut self, peer: &[u8], request: &Request) -> Response {
        let order = Order::Request { peer: peer.to_vec(), id: 1, frame: request.to_bytes() };
        self.network.handle.order(order).await.unwrap();
        loop {
            if let Report::Answered { frame, .. } = self.network.reports.recv().await.unwrap() {
                return Response::from_bytes(&frame).unwrap();
            }
        }
    }

    /// Uses the code; answers whether it was taken.
    async fn pair(&mut self, code: &str) -> bool {
        let code = PairingCode::from_text(code).unwrap();
        let (peer, address) = (code.hints[0].0.as_slice().to_vec(), code.hints[0].1.as_slice());
        let addresses = vec![network::address_from_bytes(address).unwrap()];
        self.network.handle.order(Order::Dial { peer: Some(peer.clone()), addresses }).await.unwrap();
        while !matches!(self.network.reports.recv().await.unwrap(), Report::Dialed { .. }) {}
        let nonce = [9; 32];
        let Response::Hello(theirs) = self.ask(&peer, &Request::Hello(Bytes(nonce))).await else { panic!() };
        let transcript = Transcript::new((self.network.handle.peer(), &nonce), (&peer, &theirs.0));
        let sealing = SealingKey::new([7; 32]).public();
        let sealed = PairRequest::seal(&transcript, code.secret(), &self.device, sealing);
        let request = Request::Pair(transcript.pair_tag(code.secret()), Blob::new(sealed).unwrap());
        matches!(self.ask(&peer, &request).await, Response::Pair(_))
    }

    fn id(&self) -> String {
        self.device.public().0.to_string()
    }
}

/// A node that says of itself that it runs.
async fn running(name: &str) -> Host {
    let host = Host::running(name).await;
    while host.get("/status").await["running"] != true {
        tokio::task::yield_now().await;
    }
    host
}

fn device<'a>(devices: &'a Value, id: &str) -> &'a Value {
    let all = devices["devices"].as_array().unwrap();
    all.iter().find(|device| device["device"] == id).unwrap_or_else(|| panic!("{id} is not in {devices}"))
}

#[tokio::test]
async fn a_person_with_one_device_sees_it_and_makes_no_code_without_a_node() {
    let alice = Host::alone("alice").await;
    let devices = alice.get("/devices").await;
    let here = text(&alice.get("/status").await["device"]);
    assert_eq!(devices["devices"].as_array().unwrap().len(), 1, "the recovery certificate is no device: {devices}");
    let seen = device(&devices, &here);
    assert_eq!((&seen["this"], &seen["identity_key"], &seen["revoked"]), (&json!(true), &json!(true), &json!(false)));
    assert_eq!((&seen["may"], &seen["key"]), (&json!(["items", "operations", "admit"]), &json!(0)));
    assert!(seen["since_ms"].as_u64().unwrap() > 0);

    assert_eq!(Host::refused(alice.post("/devices/pair", &json!({})).await), (409, "no_node".to_owned()));
    let wait = json!({ "wait_ms": 10 });
    assert_eq!(Host::refused(alice.post("/devices/pair/wait", &wait).await), (504, "no_answer".to_owned()));
    for (body, status, reason) in [
        (json!({ "devices": [] }), 400, "missing_field"),
        (json!({ "devices": ["abc"] }), 400, "too_short"),
        (json!({ "devices": ["tablet"] }), 400, "bad_id"),
        (json!({ "devices": ["abcdef0"] }), 404, "no_device"),
        (json!({ "devices": [here[..8]] }), 409, "this_device"),
        (json!({ "devices": ["abcdef0"], "later": 1 }), 400, "bad_json"),
    ] {
        assert_eq!(Host::refused(alice.post("/devices/revoke", &body).await), (status, reason.to_owned()), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_is_paired_seen_and_revoked_everywhere() {
    // tablet ── alice
    let alice = running("alice").await;
    let garden = alice.found("garden").await;
    let code = alice.tell("/devices/pair", json!({})).await;
    assert!(code["link"].as_str().unwrap().starts_with("HEARTH:HEARTHPAIR1"), "{code}");
    let again = alice.tell("/devices/pair", json!({})).await;
    assert_ne!(code["code"], again["code"]);

    let mut tablet = Newcomer::new(3).await;
    assert!(!tablet.pair(&text(&code["code"])).await, "a later code takes the place of an earlier one");
    let api = alice.node.api().clone();
    let body = json!({ "wait_ms": 20_000 }).to_string().into_bytes();
    let request = alice.request(http::Method::POST, "/devices/pair/wait").header("content-type", "application/json");
    let waiting = tokio::spawn(async move { api.call(request.body(body).unwrap()).await });
    assert!(tablet.pair(&text(&again["link"])).await);
    let answer: Value = serde_json::from_slice(waiting.await.unwrap().body()).unwrap();
    // The wait may have begun after the pairing; who gives the code's time learns of it all the same.
    assert!(answer["device"] == tablet.id() || answer["reason"] == "no_answer", "{answer}");
    let wait = json!({ "wait_ms": 20_000, "until_ms": again["until_ms"] });
    assert_eq!(alice.tell("/devices/pair/wait", wait).await, json!({ "device": tablet.id() }));

    let devices = alice.get("/devices").await;
    let seen = device(&devices, &tablet.id());
    assert_eq!((&seen["this"], &seen["revoked"], &seen["identity_key"]), (&json!(false), &json!(false), &Value::Null));
    assert_eq!(seen["may"], json!(["items", "operations"]));
    assert_eq!(devices["devices"][0]["this"], true, "this one comes first");

    let ahead = json!({ "devices": [tablet.id()], "since_ms": crate::clock::now().0 + 60_000 });
    assert_eq!(Host::refused(alice.post("/devices/revoke", &ahead).await), (400, "bad_since".to_owned()));
    let body = json!({ "devices": [tablet.id()[..6], tablet.id()], "since_ms": 1 });
    let revoked = alice.tell("/devices/revoke", body.clone()).await;
    assert_eq!(revoked, json!({ "revoked": [tablet.id()] }));
    let seen = alice.get("/devices").await;
    let seen = device(&seen, &tablet.id());
    assert_eq!((&seen["revoked"], &seen["may"]), (&json!(true), &json!(["items", "operations"])));
    assert!(seen["since_ms"].as_u64().unwrap() > 0);
    assert_eq!(Host::refused(alice.post("/devices/revoke", &body).await), (404, "no_device".to_owned()));
    let log = alice.get(&format!("/communities/{garden}/log")).await;
    let said = |what: &str| log["operations"].as_array().unwrap().iter().any(|op| op["what"] == what);
    assert!(said("certified a device") && said("revoked a device"), "{log}");
    alice.node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_device_hears_of_it_at_once() {
    let alice = running("alice").await;
    let events = &alice.node.api().app.handle.events;
    let nobody = events.receiver_count();
    let api = alice.node.api().clone();
    let body = json!({ "wait_ms": 60_000 }).to_string().into_bytes();
    let request = alice.request(http::Method::POST, "/devices/pair/wait").header("content-type", "application/json");
    let waiting = tokio::spawn(async move { api.call(request.body(body).unwrap()).await });
    while events.receiver_count() == nobody {
        tokio::task::yield_now().await;
    }
    events.send(Event::Paired(PublicKey(Bytes([8; 32])))).unwrap();
    let answer: Value = serde_json::from_slice(waiting.await.unwrap().body()).unwrap();
    assert_eq!(answer, json!({ "device": "08".repeat(32) }));
    alice.node.close().await.unwrap();
}
