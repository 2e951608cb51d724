//! One node by itself: what is written, read and refused.

use http::{Method, Request};
use serde_json::{Value, json};

use super::{Host, Reply, text};

#[tokio::test]
async fn what_is_written_is_listed_shown_edited_and_taken_back() {
    let alice = Host::alone("alice").await;
    let written = alice
        .tell(
            "/items",
            json!({ "kind": "post", "to": [], "title": "Frost", "text": "It came early.", "tags": ["weather/cold"] }),
        )
        .await;
    let post = text(&written["items"][0]["item"]);
    let bookmark = json!({ "kind": "bookmark", "to": ["mine"], "url": "https://seeds.example/A?x#y", "note": "dry and dark", "tags": [], "reach": null });
    let bookmark = text(&alice.tell("/items", bookmark).await["items"][0]["item"]);

    let listed = alice.items("in=mine").await;
    assert_eq!(listed.len(), 2);
    assert!(listed[0]["created_ms"].as_u64() >= listed[1]["created_ms"].as_u64(), "the newest comes first");
    let find = |id: &str| listed.iter().find(|item| item["item"] == id).unwrap();
    assert_eq!(find(&bookmark)["url"], "https://seeds.example/A?x#y");
    assert_eq!((&find(&bookmark)["text"], &find(&bookmark)["title"]), (&json!("dry and dark"), &json!("")));
    assert_eq!((&find(&post)["author_name"], &find(&post)["reach"]), (&json!("alice"), &json!(0)));
    for (query, count) in
        [("kind=post", 1), ("tag=weather", 1), ("tag=weat", 0), ("by=alice", 2), ("limit=1", 1), ("kind=event", 0)]
    {
        assert_eq!(alice.items(query).await.len(), count, "{query}");
    }

    alice.tell("/items", json!({ "kind": "edit", "to": [], "target": post, "text": "It came late." })).await;
    let shown = alice.get(&format!("/items/{}", &post[..6])).await;
    assert_eq!(
        (&shown["text"], &shown["title"], &shown["tags"]),
        (&json!("It came late."), &json!("Frost"), &json!(["weather/cold"]))
    );
    assert_eq!(
        (&shown["signature"], &shown["history"][0]["text"], shown["history"].as_array().unwrap().len()),
        (&json!("valid"), &json!("It came early."), 1)
    );

    alice.tell("/items", json!({ "kind": "reply", "to": [], "re": post, "text": "Indeed." })).await;
    assert_eq!(alice.get(&format!("/items/{post}")).await["replies"][0]["text"], "Indeed.");
    let trace = alice.get(&format!("/items/{post}/trace")).await;
    assert_eq!((&trace["signature"], &trace["hops"]), (&json!("valid"), &json!([])));

    alice.tell("/items", json!({ "kind": "tombstone", "to": [], "target": bookmark })).await;
    assert!(alice.items("kind=bookmark").await.is_empty());
    let shown = alice.get(&format!("/items/{bookmark}")).await;
    assert_eq!((&shown["state"], &shown["url"]), (&json!("retracted"), &Value::Null));
    let edit = alice.post("/items", &json!({ "kind": "edit", "target": bookmark, "note": "again" })).await;
    assert_eq!(Host::refused(edit), (409, "retracted".to_owned()));
}

#[tokio::test]
async fn a_request_that_comes_twice_is_carried_out_once() {
    let alice = Host::alone("alice").await;
    let body = json!({ "kind": "post", "to": [], "text": "once" });
    let first = Host::done(alice.post_as("/items", &body, [7; 16]).await);
    assert_eq!(Host::done(alice.post_as("/items", &body, [7; 16]).await), first);
    assert_eq!(alice.items("").await.len(), 1);
    assert_ne!(Host::done(alice.post_as("/items", &body, [8; 16]).await), first);
    let found = json!({ "name": "garden", "domain": "growing" });
    assert_eq!(
        Host::refused(alice.post_as("/communities", &found, [7; 16]).await),
        (409, "request_id_used".to_owned())
    );
    assert_eq!(alice.get("/communities").await["communities"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_typed_wrong_is_named_and_keeps_nothing() {
    let alice = Host::alone("alice").await;
    let garden = alice.found("garden").await;
    let long = "a".repeat(200 * 1024 + 1);
    let cases = [
        ("/items", json!({ "kind": "post", "text": " \n" }), 400, "empty"),
        ("/items", json!({ "kind": "post" }), 400, "empty"),
        ("/items", json!({ "kind": "post", "text": "ring \u{7}" }), 400, "control_character"),
        ("/items", json!({ "kind": "post", "text": long }), 400, "too_long"),
        ("/items", json!({ "kind": "post", "text": "a", "reach": 4 }), 400, "bad_reach"),
        ("/items", json!({ "kind": "post", "text": "a", "tags": ["a\nb"] }), 400, "control_character"),
        ("/items", json!({ "kind": "post", "text": "a", "to": ["nowhere"] }), 400, "no_community"),
        ("/items", json!({ "kind": "post", "text": "a", "to": ["ab".repeat(32)] }), 400, "no_community"),
        ("/items", json!({ "kind": "post", "text": "a", "txt": "b" }), 400, "bad_json"),
        ("/items", json!({ "kind": "poem", "text": "a" }), 400, "bad_kind"),
        ("/items", json!({ "kind": "bookmark", "url": "javascript:alert(1)" }), 400, "scheme_not_allowed"),
        ("/items", json!({ "kind": "reply", "re": "ab".repeat(32), "text": "a" }), 404, "no_item"),
        ("/items", json!({ "kind": "reply", "re": "abcde", "text": "a" }), 400, "too_short"),
        ("/communities", json!({ "name": "mine", "domain": "d" }), 400, "bad_field"),
        ("/communities", json!({ "name": " ", "domain": "d" }), 400, "empty"),
        ("/invites", json!({ "community": garden, "role": "steward" }), 409, "no_address"),
        ("/invites", json!({ "community": "mine" }), 400, "own_space"),
        ("/join", json!({ "key": "hearth1abc" }), 400, "damaged_invite_key"),
        ("/join", json!({ "key": "abc" }), 400, "not_an_invite_key"),
        ("/join/cancel", json!({ "community": garden }), 400, "no_pending_join"),
        (
            "/links",
            json!({ "community": "garden", "direction": "out", "other": "ab".repeat(32), "brokers": [] }),
            400,
            "missing_field",
        ),
        (
            "/links",
            json!({ "community": "garden", "direction": "out", "other": "garden", "brokers": ["alice"] }),
            400,
            "same_community",
        ),
        ("/peers", json!({ "addr": "example.org" }), 400, "bad_address"),
        ("/peers", json!({ "addr": "/ip4/127.0.0.1/tcp/1" }), 400, "no_peer"),
        ("/sync", json!({}), 409, "no_network"),
        ("/relay", json!({ "item": "ab".repeat(32), "to": "garden", "note": "why" }), 404, "no_item"),
        ("/nothing", json!({}), 404, "no_such_path"),
        ("/status", json!({}), 405, "no_such_method"),
        ("/communities/garden/members/bob", json!({ "role": "core" }), 400, "no_person"),
    ];
    for (path, body, status, reason) in cases {
        let refused = Host::refused(alice.post(path, &body).await);
        assert_eq!(
            refused,
            (status, reason.to_owned()),
            "{path} {}",
            body.to_string().chars().take(80).collect::<String>()
        );
    }
    assert!(alice.items("").await.is_empty());
    for (path, status, reason) in [
        ("/items?limit=100001", 400, "too_many"),
        ("/items?limit=x", 400, "bad_query"),
        ("/items?kind=poem", 400, "bad_kind"),
        ("/items?by=nobody", 400, "no_person"),
        ("/items/frost", 400, "bad_id"),
        ("/communities/%FF", 400, "bad_path"),
        ("/identity?nonce=ab", 400, "bad_nonce"),
    ] {
        assert_eq!(Host::refused(alice.reply(path).await), (status, reason.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_text_at_the_limit_is_kept_however_its_json_is_written() {
    let alice = Host::alone("alice").await;
    // Each byte as six: the longest that 200 KiB can become.
    let escaped = format!(r#"{{"kind":"post","text":"{}"}}"#, r"\u0061".repeat(200 * 1024));
    let request = alice.request(Method::POST, "/items").header("content-type", "application/json");
    Host::done(alice.send(request.body(escaped.into_bytes()).unwrap()).await);
    assert_eq!(alice.items("").await[0]["text"].as_str().unwrap().len(), 200 * 1024);
    let request = alice.request(Method::POST, "/communities").header("content-type", "application/json");
    let over = Host::refused(alice.send(request.body(vec![b' '; 256 * 1024 + 1]).unwrap()).await);
    assert_eq!(over, (413, "too_large".to_owned()));
}

/// Every path with a way to ask it.
const ROUTES: [(&str, &str); 55] = [
    ("GET", "/identity?nonce=0000000000000000000000000000000000000000000000000000000000000000"),
    ("GET", "/status"),
    ("GET", "/items"),
    ("POST", "/items"),
    ("GET", "/items/abcdef"),
    ("GET", "/items/abcdef/trace"),
    ("POST", "/import"),
    ("GET", "/communities"),
    ("POST", "/communities"),
    ("GET", "/communities/mine"),
    ("POST", "/communities/mine/leave"),
    ("GET", "/communities/mine/members"),
    ("POST", "/communities/mine/members/alice"),
    ("GET", "/communities/mine/log"),
    ("GET", "/communities/mine/invites"),
    ("GET", "/communities/mine/links"),
    ("GET", "/communities/mine/report"),
    ("POST", "/invites"),
    ("POST", "/invites/inspect"),
    ("POST", "/invites/abcdef/end"),
    ("POST", "/communities/mine/policy"),
    ("GET", "/devices"),
    ("POST", "/devices/pair"),
    ("POST", "/devices/pair/wait"),
    ("POST", "/devices/revoke"),
    ("POST", "/look"),
    ("POST", "/join"),
    ("POST", "/join/cancel"),
    ("GET", "/items/abcdef/crossing?to=mine"),
    ("POST", "/links"),
    ("POST", "/links/abcdef/end"),
    ("POST", "/relay"),
    ("POST", "/relay/preview"),
    ("GET", "/communities/mine/tags/mine"),
    ("GET", "/selections"),
    ("POST", "/selections"),
    ("GET", "/selections/abcdef/try"),
    ("POST", "/selections/abcdef/on"),
    ("POST", "/selections/abcdef/off"),
    ("POST", "/selections/abcdef/remove"),
    ("GET", "/queue"),
    ("POST", "/queue/abcdef/accept"),
    ("POST", "/queue/abcdef/decline"),
    ("POST", "/communities/mine/tags/mine"),
    ("GET", "/peers"),
    ("POST", "/peers"),
    ("POST", "/peers/abcdef/ban"),
    ("POST", "/peers/abcdef/unban"),
    ("POST", "/sync"),
    ("GET", "/words"),
    ("POST", "/words/written"),
    ("GET", "/limits"),
    ("GET", "/nowhere"),
    ("OPTIONS", "/items"),
    ("PUT", "/items"),
];

#[tokio::test]
async fn no_route_answers_without_the_token_or_to_another_host_or_origin() {
    let alice = Host::alone("alice").await;
    for (method, path) in ROUTES {
        let ask = |host: &str, origin: Option<&str>, token: Option<&str>| {
            let mut request = Request::builder().method(method).uri(format!("/api/0{path}")).header("host", host);
            request = request.header("content-type", "application/json");
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            alice.send(request.body(b"{}".to_vec()).unwrap())
        };
        let token = Some(alice.token.as_str());
        let refused = |reply: Reply| Host::refused(reply);
        assert_eq!(
            refused(ask("evil.example", None, token).await),
            (403, "foreign_host".to_owned()),
            "{method} {path}"
        );
        assert_eq!(
            refused(ask("localhost", Some("http://evil.example"), token).await),
            (403, "foreign_origin".to_owned()),
            "{method} {path}"
        );
        assert_eq!(
            refused(ask("localhost", Some("null"), token).await),
            (403, "foreign_origin".to_owned()),
            "{method} {path}"
        );
        let unproven = if path.starts_with("/identity") { 200 } else { 401 };
        for token in [None, Some("0".repeat(64).as_str())] {
            let (status, body) = ask("localhost", None, token).await;
            assert_eq!(status, unproven, "{method} {path} {body}");
        }
    }
}

#[tokio::test]
async fn json_is_taken_only_under_its_own_name() {
    let alice = Host::alone("alice").await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let request = alice.request(Method::POST, "/items").header("content-type", kind);
        let body = json!({ "kind": "post", "text": "a" }).to_string().into_bytes();
        assert_eq!(
            Host::refused(alice.send(request.body(body).unwrap()).await),
            (415, "wrong_type".to_owned()),
            "{kind}"
        );
    }
    assert!(alice.items("").await.is_empty());
}

#[tokio::test]
async fn the_node_proves_that_it_is_the_device_of_its_home() {
    let alice = Host::alone("alice").await;
    let nonce = [9; 32];
    let proof = alice.get(&format!("/identity?nonce={}", data_encoding::HEXLOWER.encode(&nonce))).await;
    let hex = |name: &str| data_encoding::HEXLOWER.decode(proof[name].as_str().unwrap().as_bytes()).unwrap();
    let device: [u8; 32] = hex("device").try_into().unwrap();
    assert_eq!(device, alice.home.device().unwrap());
    let signature: [u8; 64] = hex("signature").try_into().unwrap();
    assert!(crate::prove::check(device, nonce, signature));
    assert!(!crate::prove::check(device, [8; 32], signature));
}

const FILE: &str = r#"<!DOCTYPE NETSCAPE-Bookmark-file-1>
<DL><p>
<DT><A HREF="https://seeds.example/a" ADD_DATE="1700001100" TAGS="seeds">Saving seed</A>
<DT><A HREF="https://seeds.example/a#" TAGS="winter">The same</A>
<DT><A HREF="javascript:alert(1)">No</A>
<DT><A HREF="https://tools.example/b">Tools</A>
</DL>"#;

#[tokio::test]
async fn a_bookmark_file_is_kept_once_and_its_counts_add_up() {
    let alice = Host::alone("alice").await;
    let import = async |query: &str, bytes: &str| {
        let request =
            alice.request(Method::POST, &format!("/import{query}")).header("content-type", "application/octet-stream");
        alice.send(request.body(bytes.as_bytes().to_vec()).unwrap()).await
    };
    let rejected = json!([{ "line": 5, "reason": "scheme_not_allowed" }]);
    let dry = Host::done(import("?dry_run=1", FILE).await);
    assert_eq!(dry, json!({ "read": 4, "new": 2, "known": 1, "rejected": rejected }));
    assert!(alice.items("").await.is_empty());
    assert_eq!(Host::done(import("?to=mine&reach=1", FILE).await), dry);
    let again = Host::done(import("", FILE).await);
    assert_eq!(again, json!({ "read": 4, "new": 0, "known": 3, "rejected": rejected }));
    let listed = alice.items("").await;
    assert_eq!(listed.len(), 2);
    let seeds = listed.iter().find(|item| item["url"] == "https://seeds.example/a").unwrap();
    assert_eq!((&seeds["title"], &seeds["added_ms"]), (&json!("Saving seed"), &json!(1_700_001_100_000_u64)));
    assert_eq!(seeds["tags"], json!(["seeds", "winter"]));
    assert_eq!(Host::refused(import("", "<p>nothing</p>").await).0, 422);
    assert_eq!(Host::refused(import("?format=opml", FILE).await), (400, "unknown_format".to_owned()));
    assert_eq!(Host::refused(import("?to=nowhere", FILE).await), (400, "no_community".to_owned()));
}

#[tokio::test]
async fn the_words_are_shown_until_two_of_them_are_typed_back() {
    let alice = Host::alone("alice").await;
    let words = text(&alice.get("/words").await["words"]);
    let words: Vec<&str> = words.split(' ').collect();
    assert_eq!(words.len(), 24);
    let wrong = json!({ "answers": { "3": words[2], "17": "wrong" } });
    assert_eq!(Host::refused(alice.post("/words/written", &wrong).await), (400, "wrong_word".to_owned()));
    alice.get("/words").await;
    alice.tell("/words/written", json!({ "answers": { "3": words[2], "17": words[16] } })).await;
    assert_eq!(Host::refused(alice.reply("/words").await), (404, "written".to_owned()));
}

#[tokio::test]
async fn a_community_shows_what_it_was_founded_with_and_what_was_said_since() {
    let alice = Host::alone("alice").await;
    let garden = alice.found("garden").await;
    alice
        .tell(
            "/items",
            json!({ "kind": "charter", "to": ["garden"], "fields": { "norms": "Be kind.", "topics": ["soil"] } }),
        )
        .await;
    alice
        .tell(
            "/items",
            json!({ "kind": "profile", "to": ["garden"], "fields": { "name": "Alice A.", "practises": ["grafting"] } }),
        )
        .await;
    alice.tell("/items", json!({ "kind": "profile", "to": ["garden"], "fields": { "about": "hello" } })).await;
    let shown = alice.get("/communities/garden").await;
    assert_eq!(
        (&shown["community"], &shown["role"], &shown["members"], &shown["items"]),
        (&json!(garden), &json!("steward"), &json!(1), &json!(0))
    );
    assert_eq!((&shown["domain"], &shown["charter"]["norms"]), (&json!("all about garden"), &json!("Be kind.")));
    let members = alice.get(&format!("/communities/{garden}/members")).await;
    assert_eq!(
        (&members["members"][0]["name"], &members["members"][0]["confirmed"]),
        (&json!("Alice A."), &json!(true))
    );
    let log = alice.get("/communities/garden/log").await;
    let kinds: Vec<&str> =
        log["operations"].as_array().unwrap().iter().map(|op| op["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["genesis", "epoch"]);
    assert_eq!(log["operations"][0]["what"], "alice founded garden");
    let status = alice.get("/status").await;
    assert_eq!(
        (&status["running"], &status["communities"][0]["name"], &status["communities"][1]["heads"]),
        (&json!(false), &json!("mine"), &json!(1))
    );
    assert_eq!(status["store"]["items"], 0);
    assert!(alice.get("/limits").await["limits"].as_array().unwrap().len() > 30);

    alice.found("garden").await;
    let refused = alice.reply("/communities/garden").await;
    assert!(text(&refused.1["hint"]).contains(&garden));
    assert_eq!(Host::refused(refused), (400, "ambiguous".to_owned()));
}
