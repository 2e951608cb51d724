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

impl Desk {
    async fn select(&self, more: &Value) -> String {
        let mut body = json!({ "from": "garden", "to": "library", "tags": ["rust"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        text(&self.host.tell("/selections", body).await["selection"])
    }

    async fn switch(&self, selection: &str, to: &str) {
        self.host.tell(&format!("/selections/{selection}/{to}"), json!({})).await;
    }

    /// The desk once nothing is left to judge, and so many are in the queue.
    async fn queue(&self, count: usize) -> Vec<Value> {
        let mut seen = Value::Null;
        for _ in 0..400 {
            let (status, queue) = (self.host.get("/status").await, self.host.get("/queue").await);
            let jobs = status["jobs"].as_array().unwrap();
            let job = jobs.iter().find(|job| job["name"] == "desk").unwrap();
            let out = queue["out"].as_array().unwrap().clone();
            if job["queue"] == 0 && job["error"].is_null() && out.len() == count {
                return out;
            }
            seen = json!([job, queue]);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{seen}");
    }

    /// The same home, running.
    async fn runs(self) -> Desk {
        let Host { node, home, token, _folder } = self.host;
        node.close().await.unwrap();
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let mode = Mode::Node { listen, api: Some("127.0.0.1:0".to_owned()) };
        let node = Box::pin(Node::open(&home, mode, None)).await.unwrap();
        Desk { host: Host { node, home, token, _folder }, ..self }
    }

    async fn edit(&self, item: &str, says: &str) -> String {
        let edit = json!({ "kind": "edit", "target": item, "text": says, "tags": ["rust"] });
        text(&self.host.tell("/items", edit).await["items"][0]["item"])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selection_proposes_what_is_written_while_the_node_is_off_and_while_it_runs_once() {
    let desk = Desk::open().await;
    let before = desk.post("before", &["rust"], 1).await;
    let selection = desk.select(&json!({})).await;
    desk.post("still off", &["rust"], 1).await;
    let tried = desk.host.get(&format!("/selections/{}/try", &selection[..8])).await;
    let found: Vec<&Value> = tried["items"].as_array().unwrap().iter().map(|item| &item["item"]).collect();
    assert_eq!((found.len(), found.contains(&&json!(before)), &tried["on"]), (2, true, &json!(false)));
    desk.switch(&selection, "on").await;
    let first = desk.post("one", &["rust/async"], 1).await;
    let stays = desk.post("kept back", &["rust"], 0).await;
    desk.post("another thing", &["tea"], 1).await;
    assert_eq!(desk.host.get("/selections").await["selections"][0]["behind"], 3, "nothing judges while no node runs");

    let desk = desk.runs().await;
    let queue = desk.queue(1).await;
    assert_eq!((&queue[0]["item"], &queue[0]["state"]), (&json!(first), &json!("waiting")));
    assert_eq!(desk.host.get("/queue").await["kept_back"], 1);
    let second = desk.post("two", &["rust"], 1).await;
    desk.queue(2).await;
    let done = desk.host.tell(&format!("/queue/{first}/accept"), json!({ "note": "for the shelves" })).await;
    assert_eq!(done["state"], "shown");
    let declined = desk.host.tell(&format!("/queue/{second}/decline"), json!({ "reason": "not for them" })).await;
    assert_eq!(declined["state"], "declined");
    desk.edit(&second, "two, mended").await;

    let desk = desk.runs().await;
    let queue = desk.queue(1).await;
    assert_eq!((&queue[0]["item"], &queue[0]["declined"]), (&json!(second), &json!("not for them")));
    let again = desk.host.post(&format!("/queue/{second}/accept"), &json!({ "note": "all the same" })).await;
    assert_eq!(Host::refused(again), (404, "not_on_desk".to_owned()));
    let there: Vec<Value> = desk.host.items("in=library").await.iter().map(|item| item["item"].clone()).collect();
    assert_eq!(there, [json!(first)]);
    assert!(!there.contains(&json!(stays)));
    desk.host.tell(&format!("/selections/{selection}/remove"), json!({})).await;
    desk.queue(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_about_the_version_that_was_looked_at() {
    let desk = Desk::open().await.runs().await;
    let selection = desk.select(&json!({ "note": "for the shelves" })).await;
    desk.switch(&selection, "on").await;
    let item = desk.post("one", &["rust"], 1).await;
    assert_eq!(desk.queue(1).await[0]["edited"], false);
    let edit = desk.edit(&item, "quite another").await;
    let queue = desk.queue(1).await;
    assert_eq!((&queue[0]["edited"], &queue[0]["version"]), (&json!(true), &json!(edit)));
    for what in ["accept", "decline"] {
        let refused = desk.host.post(&format!("/queue/{item}/{what}"), &json!({ "reason": "why" })).await;
        let refused =
            if what == "accept" { desk.host.post(&format!("/queue/{item}/accept"), &json!({})).await } else { refused };
        assert!(text(&refused.1["hint"]).contains(&format!("--version {edit}")), "{}", refused.1);
        assert_eq!(Host::refused(refused), (409, "edited_since".to_owned()));
    }
    let done = desk.host.tell(&format!("/queue/{item}/accept"), json!({ "version": edit })).await;
    assert_eq!(done["state"], "shown");
    let hop = &desk.host.get(&format!("/items/{item}/trace")).await["hops"][0];
    assert_eq!(hop["note"], "for the shelves", "the selection's, where none is typed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_by_itself_stays_within_the_quota_and_says_why() {
    let desk = Desk::open().await;
    let silent = json!({ "from": "garden", "to": "library", "tags": ["rust"], "auto": true });
    assert_eq!(Host::refused(desk.host.post("/selections", &silent).await), (400, "no_note".to_owned()));
    let nothing = json!({ "from": "garden", "to": "library" });
    assert_eq!(Host::refused(desk.host.post("/selections", &nothing).await), (400, "bad_field".to_owned()));
    let selection = desk.select(&json!({ "auto": true, "note": "by itself" })).await;
    desk.switch(&selection, "on").await;
    // The link in lets three through a day.
    for number in 0..5 {
        desk.post(&format!("find {number}"), &["rust"], 1).await;
    }
    let desk = desk.runs().await;
    let queue = desk.queue(2).await;
    for left in queue {
        assert_eq!(
            (&left["state"], &left["reason"], &left["owner_name"]),
            (&json!("refused"), &json!("over_quota"), &json!("library"))
        );
    }
    let there = desk.host.items("in=library").await;
    assert_eq!(there.len(), 3);
    let hop = &desk.host.get(&format!("/items/{}/trace", text(&there[0]["item"]))).await["hops"][0];
    assert_eq!(hop["note"], "by itself");
    assert_eq!(desk.host.get("/selections").await["selections"][0]["carried"], 3);
}

#[tokio::test]
async fn a_report_says_what_crossed_by_whom_and_what_came_of_it() {
    let desk = Desk::open().await;
    let mark = |to: &str, address: &str| json!({ "kind": "bookmark", "to": [to], "url": address, "reach": 1 });
    let marked =
        async |to: &str, address: &str| text(&desk.host.tell("/items", mark(to, address)).await["items"][0]["item"]);
    let first = marked("garden", "https://seeds.example/a?b=1").await;
    let second = marked("garden", "https://tools.example/").await;
    for item in [&first, &second] {
        desk.host.tell("/relay", carried(item, &json!({}))).await;
    }
    let empty = desk.host.get("/communities/library/report?with=garden").await["totals"]["in"].clone();
    assert_eq!((&empty["crossings"], &empty["saves"], &empty["replies"]), (&json!(2), &json!(0), &json!(0)));
    // The same address otherwise written, and a reply on each side, of which one is on the other side.
    marked("library", "HTTPS://seeds.example:443/a?b=1").await;
    for to in ["garden", "library"] {
        let reply = json!({ "kind": "reply", "to": [to], "re": first, "text": "thank you" });
        desk.host.tell("/items", reply).await;
    }
    let seen = desk.host.get("/communities/garden/report").await;
    let crossings = seen["crossings"].as_array().unwrap();
    let of = |item: &str| crossings.iter().find(|one| one["item"] == item).unwrap();
    assert_eq!(crossings.len(), 2);
    let one = of(&first);
    assert_eq!(
        (&one["direction"], &one["broker_name"], &one["state"]),
        (&json!("out"), &json!("ferry"), &json!("shown"))
    );
    assert_eq!((&one["replies"], &one["saves"], &one["endorsements"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!((&of(&second)["replies"], &of(&second)["saves"]), (&json!(0), &json!(0)));
    let days = &seen["totals"]["days"];
    assert_eq!((&days[0]["used"], &days[0]["per_day"]), (&json!(2), &json!(3)), "the smaller of both sides");
    assert_eq!(seen["totals"]["brokers"][0]["sum"]["crossings"], 2);
    assert_eq!(seen["unseen"], json!([]));
    assert_eq!(desk.host.get("/communities/garden/report?with=mine").await["crossings"], json!([]));
}
