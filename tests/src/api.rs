//! A small client of the local HTTP API, for what would be too slow to ask a new process each time.
//!
//! Leaves to others: what is asked. Always true: one connection a request, no redirects, no TLS, loopback only.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::process::Node;
use crate::seed;

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Speaks to one node.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
    token: String,
}

/// An answer: the status and the JSON, `null` where there is none.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Client {
    /// A client of `node`, with the token of its home.
    ///
    /// # Panics
    ///
    /// When the node printed no address, or keeps no token.
    #[must_use]
    pub fn of(node: &Node) -> Client {
        let api = node.ready()["api"].as_str();
        let api = api.unwrap_or_else(|| panic!("no `api` in {}", node.ready()));
        let address = api.trim_start_matches("http://").trim_end_matches('/');
        let token = fs::read_to_string(node.home().join("token")).expect("a node keeps its token in its home");
        Client { address: address.to_owned(), token: token.trim().to_owned() }
    }

    /// `GET /api/0` and `path`.
    ///
    /// # Errors
    ///
    /// When the node cannot be reached or its answer cannot be read.
    pub fn ask(&self, path: &str) -> io::Result<Reply> {
        self.send("GET", path, None)
    }

    /// `POST /api/0` and `path`, with a request id of its own.
    ///
    /// # Errors
    ///
    /// When the node cannot be reached or its answer cannot be read.
    pub fn tell(&self, path: &str, body: &Value) -> io::Result<Reply> {
        self.send("POST", path, Some(body))
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut request = format!(
            "{method} /api/0{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n",
            self.address, self.token
        );
        let body = body.map(Value::to_string).unwrap_or_default();
        if method == "POST" {
            let id = format!("{:016x}{:016x}", seed::fresh(), seed::fresh());
            request += &format!("X-Request-Id: {id}\r\nContent-Type: application/json\r\n");
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += &body;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read(&answer)
    }
}

/// Takes an answer apart.
fn read(answer: &[u8]) -> io::Result<Reply> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let text = str::from_utf8(answer).map_err(|_| broken("not UTF-8"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| broken("no end of the header"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken("no status"))?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { joined(body).ok_or_else(|| broken("cut short"))? } else { body.to_owned() };
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&body)? };
    Ok(Reply { status, body })
}

/// The chunks of a body, joined.
fn joined(mut chunks: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (length, rest) = chunks.split_once("\r\n")?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body += rest.get(..length)?;
        chunks = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_in_chunks() {
        let whole = read(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
        let whole = whole.expect("it is a good answer");
        assert_eq!((whole.status, whole.body["a"].as_u64()), (200, Some(1)));
        let parts = read(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n");
        let parts = parts.expect("it is a good answer");
        assert_eq!((parts.status, parts.body["a"].as_u64()), (404, Some(1)));
    }

    #[test]
    fn an_answer_cut_short_is_an_error() {
        assert!(read(b"HTTP/1.1 200 OK\r\n").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"a").is_err());
    }
}
