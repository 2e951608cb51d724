//! Bounds of requests, looked at from both sides.

use hearth_protocol::testing::around;
use http::Method;
use tokio::runtime::Runtime;

use super::{Host, Reply};
use crate::limits;

/// A node, and what runs it between two questions.
struct Asked {
    runtime: Runtime,
    host: Host,
}

impl Asked {
    fn new() -> Asked {
        let runtime = Runtime::new().unwrap();
        let host = runtime.block_on(Host::alone("alice"));
        Asked { runtime, host }
    }

    /// Whether a body of so many blanks is refused for its length alone.
    fn is_too_large(&self, path: &str, media: &str, bytes: usize) -> bool {
        let request = self.host.request(Method::POST, path).header("content-type", media);
        let reply: Reply = self.runtime.block_on(self.host.send(request.body(vec![b' '; bytes]).unwrap()));
        let (status, name) = Host::refused(reply);
        assert_eq!(status == 413, name == "too_large", "{status} {name}");
        status == 413
    }
}

#[test]
fn a_body_is_as_long_as_its_path_takes_and_no_longer() {
    let asked = Asked::new();
    let json = "application/json";
    let refused = [false, false, true];
    around(limits::API_BODY_BYTES, refused, |n| asked.is_too_large("/communities", json, n));
    around(limits::API_ITEM_BYTES, refused, |n| asked.is_too_large("/items", json, n));
    around(limits::IMPORT_FILE_BYTES, refused, |n| asked.is_too_large("/import", "application/octet-stream", n));
}

#[test]
fn a_list_has_so_many_items_and_no_more() {
    let asked = Asked::new();
    let taken = (200, String::new());
    around(limits::API_ITEMS, [taken.clone(), taken, (400, "too_many".to_owned())], |n| {
        let (status, body) = asked.runtime.block_on(asked.host.reply(&format!("/items?limit={n}")));
        (status, body["reason"].as_str().unwrap_or_default().to_owned())
    });
}
