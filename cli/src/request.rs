//! One request to the node's API, before a carrier turns it into HTTP.
//!
//! Always true: names and ids in a path are percent-encoded, so that no name can become another path; a writing
//! request has an id that stays the same when it is sent again, so that it is never written twice.

use std::fmt::{self, Write as _};
use std::time::Duration;

use data_encoding::HEXLOWER;
use http::{HeaderValue, Method, header};
use serde_json::Value;

use crate::error::Error;

const PREFIX: &str = "/api/0";
const ID_BYTES: usize = 16;

/// Anything but long work: reads, and writes that wait for one flush of the disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// 100,000 bookmarks are signed and written, on a slow disk.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What is asked of the node.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: Method,
    target: String,
    body: Body,
    /// How long the answer may take where it comes from another process.
    pub(crate) patience: Duration,
    id: Option<[u8; ID_BYTES]>,
}

#[derive(Debug, Clone)]
enum Body {
    Nothing,
    Json(Value),
    Bytes(Vec<u8>),
}

impl Request {
    /// Asks for what is there. `path` is one segment each: `["communities", id, "log"]`.
    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path, Body::Nothing, None)
    }

    /// Asks for something to be done, as JSON says.
    pub(crate) fn post(path: &[&str], body: Value) -> Result<Self, Error> {
        Ok(Self::new(Method::POST, path, Body::Json(body), Some(fresh_id()?)))
    }

    /// Hands over a file.
    pub(crate) fn send(path: &[&str], bytes: Vec<u8>) -> Result<Self, Error> {
        Ok(Self::new(Method::POST, path, Body::Bytes(bytes), Some(fresh_id()?)))
    }

    fn new(method: Method, path: &[&str], body: Body, id: Option<[u8; ID_BYTES]>) -> Self {
        let mut target = PREFIX.to_owned();
        for segment in path {
            target.push('/');
            encode(segment, &mut target);
        }
        Self { method, target, body, patience: PATIENCE, id }
    }

    /// Adds `name=value` to the query where there is a value.
    pub(crate) fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.target.push(if self.target.contains('?') { '&' } else { '?' });
            self.target.push_str(name);
            self.target.push('=');
            encode(value, &mut self.target);
        }
        self
    }

    /// Lets the answer take longer than usual.
    pub(crate) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The request as HTTP, for the node that answers as `host` and knows `token`.
    pub(crate) fn into_http(self, host: &str, token: &str) -> Result<http::Request<Vec<u8>>, Error> {
        let odd = |cause: &dyn fmt::Display| Error::OddRequest { cause: cause.to_string() };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| odd(&error))?;
        bearer.set_sensitive(true);
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(self.target)
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, bearer);
        if let Some(id) = self.id {
            request = request.header("x-request-id", HEXLOWER.encode(&id));
        }
        let body = match self.body {
            Body::Nothing => Vec::new(),
            Body::Json(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                value.to_string().into_bytes()
            }
            Body::Bytes(bytes) => {
                request = request.header(header::CONTENT_TYPE, "application/octet-stream");
                bytes
            }
        };
        request.body(body).map_err(|error| odd(&error))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {}", self.method, self.target.strip_prefix(PREFIX).unwrap_or(&self.target))?;
        match &self.body {
            Body::Nothing => Ok(()),
            Body::Json(value) => write!(to, " {value}"),
            Body::Bytes(bytes) => write!(to, " {} bytes", bytes.len()),
        }
    }
}

fn fresh_id() -> Result<[u8; ID_BYTES], Error> {
    let mut id = [0; ID_BYTES];
    getrandom::fill(&mut id)?;
    Ok(id)
}

/// Percent-encodes all but letters, digits, `-`, `_` and `~`; a dot too, since `.` and `..` are steps in a path.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            write!(into, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_name_becomes_another_path() {
        for (name, path) in [
            ("a/b", "/api/0/communities/a%2Fb/leave"),
            ("..", "/api/0/communities/%2E%2E/leave"),
            ("tea & 茶?#", "/api/0/communities/tea%20%26%20%E8%8C%B6%3F%23/leave"),
        ] {
            let http = Request::get(&["communities", name, "leave"])
                .into_http("localhost", "t")
                .expect("every name makes a path");
            assert_eq!(http.uri().path(), path);
            assert_eq!(http.uri().query(), None);
        }
    }

    #[test]
    fn a_query_holds_what_is_there() {
        let request =
            Request::get(&["items"]).query("in", Some("a&b=c")).query("kind", None).query("limit", Some("50"));
        assert_eq!(request.to_string(), "GET /items?in=a%26b%3Dc&limit=50");
    }

    #[test]
    fn a_write_keeps_its_id_and_two_writes_differ() {
        let id = |request: Request| {
            let http = request.into_http("localhost", "t").expect("it is a plain request");
            http.headers()["x-request-id"].clone()
        };
        let one = Request::post(&["sync"], json!({})).expect("there is entropy");
        let other = Request::post(&["sync"], json!({})).expect("there is entropy");
        assert_eq!(id(one.clone()), id(one.clone()));
        assert_ne!(id(one.clone()), id(other));
        assert_eq!(id(one).len(), 32);
    }

    #[test]
    fn a_request_names_host_token_and_type() {
        let request = Request::post(&["items"], json!({"kind": "post"})).expect("there is entropy");
        let http = request.into_http("127.0.0.1:7", "cafe").expect("it is a plain request");
        assert_eq!(http.headers()["host"], "127.0.0.1:7");
        assert_eq!(http.headers()["authorization"], "Bearer cafe");
        assert_eq!(http.headers()["content-type"], "application/json");
        assert!(!format!("{http:?}").contains("cafe"), "the token is not printed");
    }

    #[test]
    fn a_token_with_a_line_break_is_refused() {
        let error = Request::get(&["status"]).into_http("localhost", "a\r\nb");
        assert!(matches!(error, Err(Error::OddRequest { .. })));
    }
}
