//! The API as its clients meet it: whole nodes on homes of their own, asked in this process and
//! over loopback.

mod alone;
mod bounds;
mod copied;
mod desk;
mod devices;
mod look;
mod peers;
mod together;

use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Home, Mode, Node};

/// A node, its home and its token.
struct Host {
    node: Node,
    home: Home,
    token: String,
    _folder: TempDir,
}

/// An answer: status and JSON.
type Reply = (u16, Value);

impl Host {
    async fn open(name: &str, mode: Mode) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        home.create(name, None).unwrap();
        let node = Box::pin(Node::open(&home, mode, None)).await.unwrap();
        Host { token: node.token().to_owned(), node, home, _folder: folder }
    }

    /// For one command, without a network.
    async fn alone(name: &str) -> Host {
        Host::open(name, Mode::Command { name: "test".to_owned(), network: false }).await
    }

    /// For one command, with a network.
    async fn dialling(name: &str) -> Host {
        Host::open(name, Mode::Command { name: "test".to_owned(), network: true }).await
    }

    /// To run, on loopback.
    async fn running(name: &str) -> Host {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        Host::open(name, Mode::Node { listen, api: Some("127.0.0.1:0".to_owned()) }).await
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Reply {
        let response = self.node.call(request).await;
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status().as_u16(), body)
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let bearer = format!("Bearer {}", self.token);
        Request::builder()
            .method(method)
            .uri(format!("/api/0{path}"))
            .header("host", "localhost")
            .header("authorization", bearer)
    }

    async fn reply(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).body(Vec::new()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_as(path, body, [0; 16]).await
    }

    /// Under this id; zeros: under none.
    async fn post_as(&self, path: &str, body: &Value, id: [u8; 16]) -> Reply {
        let mut request = self.request(Method::POST, path).header("content-type", "application/json");
        if id != [0; 16] {
            request = request.header("x-request-id", data_encoding::HEXLOWER.encode(&id));
        }
        self.send(request.body(body.to_string().into_bytes()).unwrap()).await
    }

    #[track_caller]
    fn done((status, body): Reply) -> Value {
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn get(&self, path: &str) -> Value {
        Host::done(self.reply(path).await)
    }

    async fn tell(&self, path: &str, body: Value) -> Value {
        Host::done(self.post(path, &body).await)
    }

    /// What is refused, with its status and name; the rest of the error is there.
    #[track_caller]
    fn refused((status, body): Reply) -> (u16, String) {
        for part in ["error", "reason", "hint"] {
            assert!(body[part].as_str().is_some_and(|text| !text.is_empty()), "no {part} in {status} {body}");
        }
        (status, body["reason"].as_str().unwrap().to_owned())
    }

    async fn items(&self, query: &str) -> Vec<Value> {
        self.get(&format!("/items?{query}")).await["items"].as_array().unwrap().clone()
    }

    async fn found(&self, name: &str) -> String {
        text(
            &self.tell("/communities", json!({ "name": name, "domain": format!("all about {name}") })).await["community"],
        )
    }

    async fn invite(&self, community: &str, uses: u32) -> String {
        text(&self.tell("/invites", json!({ "community": community, "uses": uses })).await["key"])
    }

    async fn join(&self, key: &str) -> Value {
        self.tell("/join", json!({ "key": key, "wait_ms": 20_000 })).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
