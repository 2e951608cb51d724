//! The broker's desk: what is said for tags, and what a relay would tell. One person is everybody here.

use serde_json::{Value, json};

use super::{Host, text};
use crate::{Mode, Node};

/// A person who founded garden and library and carries from the one into the other.
pub(super) struct Desk {
    pub(super) host: Host,
    pub(super) garden: String,
}

impl Desk {
    pub(super) async fn open() -> Desk {
        let host = Host::alone("ferry").await;
        let garden = host.found("garden").await;
        host.found("library").await;
        let out = json!({ "community": "garden", "direction": "out", "other": "library", "brokers": ["ferry"] });
        host.tell("/links", out).await;
        let into =
            json!({ "community": "library", "direction": "in", "other": "garden", "brokers": ["ferry"], "per_day": 3 });
        host.tell("/links", into).await;
        Desk { host, garden }
    }

    pub(super) async fn post(&self, says: &str, tags: &[&str], reach: u8) -> String {
        let post = json!({ "kind": "post", "to": ["garden"], "text": says, "tags": tags, "reach": reach });
        text(&self.host.tell("/items", post).await["items"][0]["item"])
    }

    /// The same home, opened once more.
    pub(super) async fn again(self) -> Desk {
        let Host { node, home, token, _folder } = self.host;
        node.close().await.unwrap();
        let mode = Mode::Command { name: "test".to_owned(), network: false };
        let node = Box::pin(Node::open(&home, mode, None)).await.unwrap();
        Desk { host: Host { node, home, token, _folder }, ..self }
    }
}

fn carried(item: &str, more: &Value) -> Value {
    let mut body = json!({ "item": item, "to": "library", "note": "for the shelves" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn what_is_said_for_a_tag_is_remembered_and_said_again() {
    let desk = Desk::open().await;
    let first = desk.post("one", &["rust/async", "tea"], 1).await;
    let map = json!([{ "from": "rust", "to": "programming" }]);
    let relayed = desk.host.tell("/relay", carried(&first, &json!({ "tags": ["drinks"], "map": map }))).await;
    assert_eq!(relayed["tags"], json!(["drinks", "programming"]));
    assert_eq!(relayed["mapped"], json!([{ "from": "rust/async", "to": "programming" }]));
    let hop = &desk.host.get(&format!("/items/{first}/trace")).await["hops"][0];
    assert_eq!(hop["tags"], relayed["tags"], "as it is signed");

    let desk = desk.again().await;
    let second = desk.post("two", &["rust/macros"], 1).await;
    assert_eq!(desk.host.tell("/relay", carried(&second, &json!({}))).await["tags"], json!(["programming"]));
    let path = "/communities/garden/tags/library";
    assert_eq!(desk.host.get(path).await["tags"], map);
    assert_eq!(desk.host.get("/communities/library/tags/garden").await["tags"], json!([]), "the other way is another");
    let changed = json!({ "map": [{ "from": "tea", "to": "drinks" }], "remove": ["rust"] });
    assert_eq!(desk.host.tell(path, changed).await["tags"], json!([{ "from": "tea", "to": "drinks" }]));
    let third = desk.post("three", &["rust"], 1).await;
    assert_eq!(desk.host.tell("/relay", carried(&third, &json!({}))).await["tags"], json!([]));
    // What is refused teaches nothing.
    let stays = desk.post("four", &["snow"], 0).await;
    let refused =
        desk.host.post("/relay", &carried(&stays, &json!({ "map": [{ "from": "snow", "to": "ice" }] }))).await;
    assert_eq!(Host::refused(refused), (403, "beyond_reach".to_owned()));
    assert_eq!(desk.host.get(path).await["tags"].as_array().unwrap().len(), 1);
    let own = desk.host.post("/communities/mine/tags/library", &json!({ "map": map })).await;
    assert_eq!(Host::refused(own), (400, "own_space".to_owned()));
}

#[tokio::test]
async fn a_relay_says_why_and_a_look_at_it_may_come_before() {
    let desk = Desk::open().await;
    let parent = desk.post("a question", &["rust"], 1).await;
    let reply = json!({ "kind": "reply", "re": parent, "text": "an answer", "reach": 1 });
    let reply = text(&desk.host.tell("/items", reply).await["items"][0]["item"]);
    for note in [json!({ "note": null }), json!({ "note": " \n" })] {
        let refused = desk.host.post("/relay", &carried(&reply, &note)).await;
        assert_eq!(Host::refused(refused), (400, "no_note".to_owned()));
    }
    let seen = desk.host.tell("/relay/preview", carried(&reply, &json!({ "note": null }))).await;
    let sizes: Vec<usize> = seen["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| {
            let bytes = data_encoding::HEXLOWER.decode(part["hex"].as_str().unwrap().as_bytes()).unwrap();
            assert_eq!(json!(bytes.len()), part["bytes"]);
            bytes.len()
        })
        .collect();
    assert_eq!(sizes.len(), 4);
    let told = &seen["discloses"];
    assert_eq!((&told["replies_to"], &told["says"]["text"]), (&json!([parent]), &json!("an answer")));
    assert_eq!((&told["community"]["community"], &told["author"]["name"]), (&json!(desk.garden), &json!("ferry")));
    assert_eq!((&told["author"]["devices"].as_array().unwrap().len(), &told["author"]["named"]), (&1, &json!(true)));
    assert_eq!(told["stewards"][0]["name"], "ferry");
    assert_eq!(told["operations"][0]["what"], "let ferry carry items out to library, 20 a day at most");
    assert!(desk.host.items("in=library").await.is_empty(), "nothing is sent");
    let stays = desk.post("for us", &["rust"], 0).await;
    let refused = desk.host.post("/relay/preview", &carried(&stays, &json!({}))).await;
    assert_eq!(Host::refused(refused), (403, "beyond_reach".to_owned()), "what may not leave is not put together");
}
