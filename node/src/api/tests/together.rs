//! Nodes that meet over loopback: sockets, joins and borders.

use http::Method;
use serde_json::{Value, json};

use super::{Host, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_node_answers_over_its_socket_only_whom_it_should() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let alice = Host::running("alice").await;
    let api = alice.node.ready().api.unwrap();
    let ask = async |head: String| {
        let mut stream = tokio::net::TcpStream::connect(&api).await.unwrap();
        stream
            .write_all(format!("GET /api/0/status HTTP/1.1\r\n{head}connection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    };
    let token = format!("authorization: Bearer {}\r\n", alice.token);
    let said = ask(format!("host: {api}\r\n{token}")).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains(r#""running":true"#), "{said}");
    assert!(said.contains(&format!(r#""api":"{api}""#)) && said.contains("/p2p/"), "{said}");
    for head in [
        format!("host: localhost\r\n{token}"),
        format!("host: evil.example\r\n{token}"),
        format!("host: {api}\r\nhost: {api}\r\n{token}"),
    ] {
        let said = ask(head).await;
        assert!(said.starts_with("HTTP/1.1 403 ") || said.starts_with("HTTP/1.1 400 "), "{said}");
    }
    assert!(ask(format!("host: {api}\r\n")).await.starts_with("HTTP/1.1 401 "));
    alice.node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_lets_somebody_in_once_and_nobody_where_nobody_answers() {
    let alice = Host::running("alice").await;
    let garden = alice.found("garden").await;
    let post = text(
        &alice.tell("/items", json!({ "kind": "post", "to": ["garden"], "text": "welcome" })).await["items"][0]["item"],
    );
    let key = alice.invite("garden", 1).await;
    let bob = Host::dialling("bob").await;
    let seen = bob.tell("/invites/inspect", json!({ "key": key })).await;
    assert_eq!((&seen["community"], &seen["uses"], &seen["expired"]), (&json!(garden), &json!(1), &json!(false)));
    assert!(text(&seen["hints"][0]).contains("/p2p/"));
    assert_eq!(bob.join(&key).await, json!({ "community": garden, "name": "garden", "role": "member" }));
    assert_eq!(bob.items("in=garden").await[0]["item"], post.as_str());
    assert_eq!(Host::refused(bob.post("/join", &json!({ "key": key })).await), (409, "already_member".to_owned()));

    let invites = alice.get("/communities/garden/invites").await;
    assert_eq!((&invites["invites"][0]["used"], &invites["invites"][0]["ended"]), (&json!(1), &json!(false)));
    let carol = Host::dialling("carol").await;
    let refused = carol.post("/join", &json!({ "key": key })).await;
    assert_eq!(Host::refused(refused), (403, "invite_used_up".to_owned()));
    let refused = carol.post("/join/cancel", &json!({ "community": garden })).await;
    assert_eq!(Host::refused(refused), (400, "no_pending_join".to_owned()), "a refused join waits no longer");

    let key = alice.invite("garden", 1).await;
    let invite = text(&alice.get("/communities/garden/invites").await["invites"][0]["invite"]);
    alice.tell(&format!("/invites/{}/end", &invite[..8]), json!({})).await;
    let refused = carol.post("/join", &json!({ "key": key })).await;
    assert_eq!(Host::refused(refused), (403, "invite_ended".to_owned()));

    let key = alice.invite("garden", 1).await;
    let address = text(&alice.get("/status").await["listen"][0]);
    alice.node.close().await.unwrap();
    let dave = Host::dialling("dave").await;
    let refused = dave.post("/join", &json!({ "key": key, "wait_ms": 500 })).await;
    assert_eq!(Host::refused(refused), (504, "no_answer".to_owned()));
    assert_eq!(dave.tell("/join/cancel", json!({ "community": garden })).await, json!({ "community": garden }));
    assert_eq!(Host::refused(dave.post("/peers", &json!({ "addr": address })).await), (504, "unreachable".to_owned()));
    assert_eq!(dave.tell("/sync", json!({})).await, json!({ "peers": 0 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_told_when_the_node_stops() {
    let (alice, bob) = (Host::running("alice").await, Host::running("bob").await);
    alice.found("garden").await;
    let key = alice.invite("garden", 1).await;
    alice.node.close().await.unwrap();
    let joining = bob.node.api().clone();
    let body = json!({ "key": key, "wait_ms": 60_000 }).to_string().into_bytes();
    let request = bob.request(Method::POST, "/join").header("content-type", "application/json").body(body).unwrap();
    let waiting = tokio::spawn(async move { joining.call(request).await });
    while bob.node.api().app.handle.snapshot().pending.is_empty() {
        tokio::task::yield_now().await;
    }
    bob.node.close().await.unwrap();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_address_answers_but_knows_no_such_community_is_told_apart() {
    use hearth_protocol::{
        bytes::{Blob, List},
        invite::{Hint, InviteKey, InviteTerms},
    };
    let alice = Host::running("alice").await;
    let bob = Host::running("bob").await;
    // A key of alice's own making into a community that nobody has.
    let listening = text(&alice.get("/status").await["listen"][0]);
    let keys = alice.home.keys(None).unwrap();
    let address = crate::network::address_to_bytes(&listening).unwrap();
    let hint = Hint(Blob::new(keys.identity.peer.clone()).unwrap(), Blob::new(address).unwrap());
    let now = crate::clock::now();
    let terms = InviteTerms {
        role: hearth_protocol::authority::Role::Member,
        max_uses: 1,
        only: None,
        not_before: now,
        not_after: now.after(1_000_000),
    };
    let inviter = (keys.identity.person(), hearth_protocol::authority::Grant::Founder(0), &keys.identity.device);
    let key = InviteKey::create([7; 32].into(), inviter, &terms, List::new(vec![hint]).unwrap(), [1; 24]).unwrap();
    let refused = bob.post("/join", &json!({ "key": key.to_text(), "wait_ms": 20_000 })).await;
    assert_eq!(Host::refused(refused), (409, "unknown_community".to_owned()));
}

/// garden, library and the broker between them; both sides have agreed.
struct Border {
    alice: Host,
    dave: Host,
    ferry: Host,
    garden: String,
    library: String,
}

/// What ferry says of an item.
fn carried(item: &str) -> Value {
    json!({ "item": item, "to": "library", "note": "for the shelves" })
}

impl Border {
    async fn open() -> Border {
        let (alice, dave) = (Host::running("alice").await, Host::running("dave").await);
        let ferry = Host::running("ferry").await;
        let (garden, library) = (alice.found("garden").await, dave.found("library").await);
        ferry.join(&alice.invite("garden", 1).await).await;
        ferry.join(&dave.invite("library", 1).await).await;
        let border = Border { alice, dave, ferry, garden, library };
        border.agree().await;
        border
    }

    async fn agree(&self) {
        let (garden, library, person) = (&self.garden, &self.library, self.ferry_id().await);
        let out = json!({
            "community": "garden", "direction": "out", "other": library, "brokers": ["ferry"],
            "kinds": ["post"], "tags": ["shelves"],
        });
        let made = self.alice.tell("/links", out).await;
        let answer = format!("hearth link create {library} --in {garden} --broker {person}");
        assert!(text(&made["hint"]).contains(&answer), "{made}");
        let inward = json!({ "community": "library", "direction": "in", "other": garden, "brokers": [person] });
        self.dave.tell("/links", inward).await;
    }

    async fn ferry_id(&self) -> String {
        text(&self.ferry.get("/status").await["person"])
    }

    /// Alice's, which ferry has then.
    async fn post(&self, says: &str, tag: &str, reach: u8) -> String {
        let post = json!({ "kind": "post", "to": ["garden"], "text": says, "tags": [tag], "reach": reach });
        let item = text(&self.alice.tell("/items", post).await["items"][0]["item"]);
        self.ferry.tell("/sync", json!({})).await;
        item
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_crosses_a_border_and_shows_its_path() {
    let border = Border::open().await;
    let (garden, library) = (json!(border.garden), json!(border.library));
    let item = border.post("for all", "shelves", 1).await;
    let relayed = border.ferry.tell("/relay", carried(&item)).await;
    assert_eq!((&relayed["item"], &relayed["to"], &relayed["state"]), (&json!(item), &library, &json!("shown")));

    border.dave.tell("/sync", json!({})).await;
    let seen = border.dave.items("in=library").await;
    assert_eq!((seen.len(), &seen[0]["item"]), (1, &json!(item)));
    assert_eq!((&seen[0]["relayed_from"], &seen[0]["community"]), (&garden, &library));
    let author = text(&border.alice.get("/status").await["person"]);
    assert_eq!((&seen[0]["author"], &seen[0]["author_name"]), (&json!(author), &json!(author[..10])));

    let trace = border.dave.get(&format!("/items/{item}/trace")).await;
    let hop = &trace["hops"][0];
    assert_eq!((&trace["signature"], &hop["signature"]), (&json!("valid"), &json!("valid")));
    assert_eq!((&hop["from"], &hop["to"], &hop["refusal"]), (&garden, &library, &Value::Null));
    assert_eq!(hop["permission"], "valid");
    assert_eq!((&hop["broker_name"], &hop["note"]), (&json!("ferry"), &json!("for the shelves")));

    // A reply goes to where the item is read.
    let reply = json!({ "kind": "reply", "to": [], "re": item, "text": "thank you" });
    assert_eq!(border.dave.tell("/items", reply).await["items"][0]["community"], library);
    let peers = border.dave.get("/peers").await;
    let met = |peer: &Value| peer["connected"] == true && peer["communities"] == json!(["library"]);
    assert!(peers["peers"].as_array().unwrap().iter().any(met), "{peers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_community_shows_who_represents_it() {
    let (alice, ferry) = (Host::running("alice").await, Host::running("ferry").await);
    let garden = alice.found("garden").await;
    ferry.join(&alice.invite("garden", 1).await).await;
    let roses = json!({ "name": "roses", "domain": "growing roses", "parent": "garden" });
    let roses = text(&ferry.tell("/communities", roses).await["community"]);
    let shown = ferry.get("/communities/roses").await;
    assert_eq!((&shown["parent"], &shown["parent_name"]), (&json!(garden), &json!("garden")));
    assert_eq!(shown["representatives"], Value::Null, "nobody yet");
    let out = json!({ "community": "roses", "direction": "out", "other": garden, "brokers": ["ferry"] });
    let link = text(&ferry.tell("/links", out).await["link"]);
    assert_eq!(ferry.get("/communities/roses").await["representatives"][0]["name"], "ferry");
    let parts = ferry.get("/communities/garden").await["parts"].clone();
    assert_eq!((&parts[0]["community"], &parts[0]["representatives"][0]["name"]), (&json!(roses), &json!("ferry")));
    ferry.tell(&format!("/links/{link}/end"), json!({})).await;
    assert_eq!(ferry.get("/communities/roses").await["representatives"], Value::Null, "the link has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_cross_is_refused_by_the_name_of_the_rule() {
    let border = Border::open().await;
    let listed = border.alice.get("/communities/garden/links").await["links"][0].clone();
    assert_eq!((&listed["direction"], &listed["kinds"]), (&json!("out"), &json!(["post"])));
    assert_eq!((&listed["brokers"][0]["name"], &listed["min_role"]), (&json!("ferry"), &json!("member")));
    assert_eq!((&listed["per_day"], &listed["ended"]), (&json!(20), &json!(false)));
    let (stays, other) = (border.post("for us", "shelves", 0).await, border.post("else", "soil", 1).await);
    let relay = async |item: &str| Host::refused(border.ferry.post("/relay", &carried(item)).await);
    assert_eq!(relay(&stays).await, (403, "beyond_reach".to_owned()));
    assert_eq!(relay(&other).await, (403, "tag_not_linked".to_owned()));
    let check = border.ferry.get(&format!("/items/{stays}/crossing?to=library")).await;
    let gates = check["gates"].as_array().unwrap();
    let no: Vec<&Value> = gates.iter().filter(|gate| gate["passed"] == false).collect();
    assert_eq!((check["crosses"].as_bool(), no.len(), gates.len() > 15), (Some(false), 1, true), "{check}");
    assert_eq!(
        (&no[0]["gate"], &no[0]["owner"], &no[0]["reason"]),
        (&json!("reach"), &json!("author"), &json!("beyond_reach"))
    );
    assert_eq!(no[0]["owner_name"], "alice");
    let check = border.ferry.get(&format!("/items/{other}/crossing?to=library")).await;
    let no = check["gates"].as_array().unwrap().iter().find(|gate| gate["passed"] == false).unwrap().clone();
    assert_eq!((&no["gate"], &no["owner"], &no["owner_name"]), (&json!("tags"), &json!("from"), &json!("garden")));
    assert_eq!(border.ferry.items("in=library").await.len(), 0, "nothing is sent");

    border.alice.tell(&format!("/links/{}/end", text(&listed["link"])), json!({})).await;
    assert_eq!(border.alice.get("/communities/garden/links").await["links"][0]["ended"], true);
    let late = border.post("too late", "shelves", 1).await;
    assert_eq!(relay(&late).await, (403, "link_over".to_owned()));

    let ruling = json!({ "role": "none", "reason": "moved away" });
    let ruled = border.alice.tell("/communities/garden/members/ferry", ruling).await;
    assert_eq!(ruled, json!({ "person": border.ferry_id().await, "role": "none", "proposed": false }));
    let log = border.alice.get("/communities/garden/log").await;
    let removed = |operation: &Value| operation["what"] == "removed ferry: moved away";
    assert!(log["operations"].as_array().unwrap().iter().any(removed), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_released_or_declined_by_a_steward() {
    let border = Border::open().await;
    let (ferry, dave, alice) = (&border.ferry, &border.dave, &border.alice);
    let erin = Host::running("erin").await;
    erin.join(&dave.invite("library", 1).await).await;
    let (garden, person) = (&border.garden, border.ferry_id().await);
    let looked_at =
        json!({ "community": "library", "direction": "in", "other": garden, "brokers": [person], "quarantine": true });
    dave.tell("/links", looked_at).await;
    ferry.tell("/sync", json!({})).await;
    let (good, bad) = (border.post("good", "shelves", 1).await, border.post("bad", "shelves", 1).await);
    for item in [&good, &bad] {
        assert_eq!(ferry.tell("/relay", carried(item)).await["state"], "quarantined");
    }
    for host in [dave, &erin] {
        host.tell("/sync", json!({})).await;
        assert!(host.items("in=library").await.is_empty());
    }
    assert_eq!(Host::refused(erin.reply(&format!("/items/{good}")).await), (404, "no_item".to_owned()));
    assert_eq!(erin.get("/queue").await["in"], json!([]), "she is no steward");
    let waiting = dave.get("/queue?in=library").await["in"].clone();
    assert_eq!(
        (waiting.as_array().unwrap().len(), &waiting[0]["item"], &waiting[1]["text"]),
        (2, &json!(good), &json!("bad"))
    );
    assert_eq!((&waiting[0]["broker_name"], &waiting[0]["note"]), (&json!("ferry"), &json!("for the shelves")));
    assert_eq!(dave.get(&format!("/items/{good}")).await["state"], "quarantined");

    let silent = dave.post(&format!("/queue/{bad}/decline"), &json!({ "reason": " " })).await;
    assert_eq!(Host::refused(silent), (400, "empty".to_owned()));
    let declined = dave.tell(&format!("/queue/{}/decline", &bad[..8]), json!({ "reason": "not ours" })).await;
    assert_eq!((&declined["item"], &declined["state"]), (&json!(bad), &json!("declined")));
    dave.tell(&format!("/queue/{}/accept", text(&waiting[0]["envelope"])), json!({})).await;
    let again = dave.post(&format!("/queue/{good}/accept"), &json!({})).await;
    assert_eq!(Host::refused(again), (404, "not_on_desk".to_owned()));
    erin.tell("/sync", json!({})).await;
    let seen = erin.items("in=library").await;
    assert_eq!((seen.len(), &seen[0]["text"]), (1, &json!("good")));
    let hop = erin.get(&format!("/items/{bad}/trace")).await["hops"][0].clone();
    assert_eq!((&hop["refusal"], &hop["label"]["reason"]), (&json!("declined"), &json!("not ours")));

    // An edit waits like what it changes.
    let edit = json!({ "kind": "edit", "to": [], "target": good, "text": "better" });
    alice.tell("/items", edit).await;
    for host in [ferry, dave, &erin] {
        host.tell("/sync", json!({})).await;
    }
    assert_eq!(erin.items("in=library").await[0]["text"], "good");
    let waiting = dave.get("/queue").await["in"][0].clone();
    assert_eq!(waiting["kind"], "edit");
    dave.tell(&format!("/queue/{}/accept", text(&waiting["item"])), json!({})).await;
    erin.tell("/sync", json!({})).await;
    assert_eq!(erin.items("in=library").await[0]["text"], "better");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_recommend_and_stewards_hide_and_call_back() {
    let border = Border::open().await;
    let (ferry, dave, alice) = (&border.ferry, &border.dave, &border.alice);
    let erin = Host::running("erin").await;
    erin.join(&dave.invite("library", 1).await).await;
    let good = border.post("good", "shelves", 1).await;
    ferry.tell("/relay", carried(&good)).await;
    for host in [dave, &erin] {
        host.tell("/sync", json!({})).await;
    }
    let praise = json!({ "kind": "endorsement", "to": [], "target": good, "merit": "tried-it", "text": "twice" });
    assert_eq!(erin.tell("/items", praise).await["items"][0]["community"], border.library);
    let praise = json!({ "kind": "endorsement", "to": [], "target": good, "merit": "correct" });
    erin.tell("/items", praise).await;
    let shown = erin.get(&format!("/items/{good}")).await;
    let praised = &shown["endorsements"];
    assert_eq!((praised.as_array().unwrap().len(), &praised[0]["merit"]), (1, &json!("correct")), "the latest counts");

    let label = |hide| json!({ "kind": "label", "to": [], "target": good, "hide": hide, "reason": "old" });
    let refused = Host::refused(erin.post("/items", &label(true)).await);
    assert_eq!(refused, (403, "role_too_low".to_owned()));
    for (hide, count) in [(true, 0), (false, 1)] {
        dave.tell("/items", label(hide)).await;
        erin.tell("/sync", json!({})).await;
        assert_eq!(erin.items("in=library").await.len(), count);
        let shown = erin.get(&format!("/items/{good}")).await;
        assert_eq!((&shown["label"]["steward_name"], shown["text"] == ""), (&json!("dave"), hide));
    }
    let recall = json!({ "kind": "recall", "to": [], "target": good, "reason": "wrong" });
    alice.tell("/items", recall).await;
    for host in [ferry, dave, &erin] {
        host.tell("/sync", json!({})).await;
    }
    assert!(erin.items("in=library").await.is_empty());
    assert_eq!(alice.items("in=garden").await.len(), 1, "there it stays");
}
