//! Looking before joining, and what a community shows to those who are in it.

use hearth_protocol::invite::InviteKey;
use serde_json::{Value, json};

use super::{Host, text};

async fn garden_with_charter(alice: &Host) -> String {
    let garden = alice.found("garden").await;
    let fields = json!({
        "community": "neighbours", "practice": "sowing", "norms": "Be kind.", "topics": ["soil"], "welcome": "Come in.",
    });
    alice.tell("/items", json!({ "kind": "charter", "to": ["garden"], "fields": fields })).await;
    garden
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_key_sees_the_front_page_and_joins_nothing() {
    // bob ── alice
    let alice = Host::running("alice").await;
    let garden = garden_with_charter(&alice).await;
    let made = alice.tell("/invites", json!({ "community": "garden", "role": "peripheral" })).await;
    let (key, link) = (text(&made["key"]), text(&made["link"]));
    let (read, of_link) = (InviteKey::from_text(&key).unwrap(), InviteKey::from_text(&link).unwrap());
    assert_eq!(of_link.to_text(), read.to_text(), "a link carries the same key");

    let bob = Host::dialling("bob").await;
    let seen = bob.tell("/look", json!({ "key": link })).await;
    assert_eq!((&seen["community"], &seen["name"], &seen["members"]), (&json!(garden), &json!("garden"), &json!(1)));
    assert_eq!((&seen["domain"], &seen["norms"]), (&json!("all about garden"), &json!("Be kind.")));
    assert_eq!((&seen["community_text"], &seen["practice"]), (&json!("neighbours"), &json!("sowing")));
    assert_eq!((&seen["welcome"], &seen["topics"]), (&json!("Come in."), &json!(["soil"])));
    assert_eq!((&seen["role"], &seen["inviter"]), (&json!("peripheral"), &alice.get("/status").await["person"]));
    assert_eq!(bob.get("/communities").await["communities"].as_array().unwrap().len(), 1, "nothing is joined");
    assert_eq!(alice.get("/communities/garden/invites").await["invites"][0]["used"], 0);

    // The link lets in as the key does; and what is shown inside is shown to every role.
    let joined = bob.join(&link).await;
    assert_eq!((&joined["community"], &joined["role"]), (&json!(garden), &json!("peripheral")));
    let (whole, theirs) = (alice.get("/communities/garden").await, bob.get("/communities/garden").await);
    for part in ["domain", "founders", "created_ms", "charter", "policy", "members"] {
        assert_eq!(whole[part], theirs[part], "{part}");
    }
    assert_eq!(theirs["charter"]["norms"], "Be kind.");
    // From inside, nobody has to be asked.
    let seen = alice.tell("/look", json!({ "key": key })).await;
    assert_eq!((&seen["members"], &seen["inviter_name"]), (&json!(2), &json!("alice")));
    alice.node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_or_will_answer_a_look_says_so() {
    let alice = Host::running("alice").await;
    alice.found("garden").await;
    let ended = alice.tell("/invites", json!({ "community": "garden" })).await;
    alice.tell(&format!("/invites/{}/end", text(&ended["invite"])), json!({})).await;
    let bob = Host::dialling("bob").await;
    let look = async |host: &Host, key: &Value| {
        Host::refused(host.post("/look", &json!({ "key": key, "wait_ms": 1500 })).await)
    };
    assert_eq!(look(&bob, &ended["key"]).await, (504, "no_answer".to_owned()));
    let short = alice.tell("/invites", json!({ "community": "garden", "expires_ms": 1 })).await;
    let until = InviteKey::from_text(&text(&short["key"])).unwrap().cert.value.not_after;
    while crate::clock::now() <= until {
        tokio::task::yield_now().await;
    }
    assert_eq!(look(&bob, &short["key"]).await, (403, "invite_expired".to_owned()));
    let key = alice.tell("/invites", json!({ "community": "garden" })).await["key"].clone();
    let carol = Host::alone("carol").await;
    assert_eq!(look(&carol, &key).await, (409, "no_network".to_owned()));
    assert_eq!(look(&carol, &json!("garden")).await, (400, "not_an_invite_key".to_owned()));
    alice.node.close().await.unwrap();
    // Well before the time is over: nobody listens there any more.
    let dave = Host::dialling("dave").await;
    let began = std::time::Instant::now();
    let refused = dave.post("/look", &json!({ "key": key, "wait_ms": 60_000 })).await;
    assert!(text(&refused.1["error"]).contains("addresses in this key"), "{refused:?}");
    assert_eq!(Host::refused(refused), (504, "no_answer".to_owned()));
    assert!(began.elapsed().as_secs() < 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stewards_set_a_policy_and_others_read_it() {
    let alice = Host::running("alice").await;
    alice.found("garden").await;
    let bob = Host::dialling("bob").await;
    bob.join(&alice.invite("garden", 1).await).await;
    let set = json!({ "key": "default_reach", "value": 2 });
    let done = alice.tell("/communities/garden/policy", set.clone()).await;
    assert_eq!((&done["key"], &done["value"]), (&json!("default_reach"), &json!(2)));
    assert_eq!(alice.get("/communities/garden").await["policy"], json!({ "default_reach": 2 }));
    let post = alice.tell("/items", json!({ "kind": "post", "to": ["garden"], "text": "hello" })).await;
    let item = text(&post["items"][0]["item"]);
    assert_eq!(alice.get(&format!("/items/{item}")).await["reach"], 2);
    let log = alice.get("/communities/garden/log").await;
    let said = |op: &Value| op["what"] == "set the reach of items whose author says nothing to 2";
    assert!(log["operations"].as_array().unwrap().iter().any(said), "{log}");

    bob.tell("/sync", json!({})).await;
    assert_eq!(bob.get("/communities/garden").await["policy"], json!({ "default_reach": 2 }));
    assert_eq!(Host::refused(bob.post("/communities/garden/policy", &set).await), (403, "role_too_low".to_owned()));
    let charter = json!({ "kind": "charter", "to": ["garden"], "fields": { "norms": "mine" } });
    assert_eq!(Host::refused(bob.post("/items", &charter).await).0, 403);
    for (body, reason) in [
        (json!({ "key": "default_reach", "value": 4 }), "bad_value"),
        (json!({ "key": "colour", "value": 1 }), "unknown_policy"),
        (json!({ "key": "history", "value": "yes" }), "bad_json"),
    ] {
        let refused = alice.post("/communities/garden/policy", &body).await;
        assert_eq!(Host::refused(refused), (400, reason.to_owned()), "{body}");
    }
    let own = alice.post("/communities/mine/policy", &set).await;
    assert_eq!(Host::refused(own), (400, "own_space".to_owned()));
    alice.node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_community_cannot_do_without_has_to_be_sure_to_leave() {
    let alice = Host::running("alice").await;
    alice.found("garden").await;
    let key = alice.invite("garden", 1).await;
    let leave = async |host: &Host, community: &str, body: Value| {
        host.post(&format!("/communities/{community}/leave"), &body).await
    };
    let refused = leave(&alice, "garden", json!({})).await;
    assert!(text(&refused.1["error"]).contains("nobody else is in garden"), "{refused:?}");
    assert_eq!(Host::refused(refused), (409, "last_steward".to_owned()));
    let bob = Host::dialling("bob").await;
    bob.join(&alice.invite("garden", 1).await).await;
    let refused = leave(&alice, "garden", json!({ "sure": false })).await;
    assert!(text(&refused.1["hint"]).contains("hearth member set C PERSON steward"), "{refused:?}");
    assert_eq!(Host::refused(refused), (409, "last_steward".to_owned()));
    // With another steward the only founder is still missed.
    alice.tell("/communities/garden/members/bob", json!({ "role": "steward" })).await;
    let refused = leave(&alice, "garden", json!({})).await;
    assert!(text(&refused.1["error"]).contains("only founder"), "{refused:?}");
    assert_eq!(Host::refused(refused), (409, "last_steward".to_owned()));
    assert_eq!(Host::refused(leave(&alice, "mine", json!({})).await), (400, "own_space".to_owned()));
    // Who is neither just leaves.
    bob.tell("/sync", json!({})).await;
    assert_eq!(Host::done(leave(&bob, "garden", json!({})).await)["name"], "garden");
    assert_eq!(Host::done(leave(&alice, "garden", json!({ "sure": true })).await)["name"], "garden");
    assert_eq!(alice.get("/communities/garden").await["role"], "none");
    // The only address in it is alice's own, and nobody is connected.
    bob.node.close().await.unwrap();
    while !alice.node.api().app.handle.snapshot().peers.is_empty() {
        tokio::task::yield_now().await;
    }
    let refused = Host::refused(alice.post("/look", &json!({ "key": key, "wait_ms": 60_000 })).await);
    assert_eq!(refused, (504, "no_answer".to_owned()));
    alice.node.close().await.unwrap();
}
