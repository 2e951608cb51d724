//! Who may ask: looked at once, before routing, so that no route can forget it.
//!
//! A page of another origin reaches this machine's loopback through the browser, by its own name
//! (DNS rebinding: the `Host` is then foreign), or by ours (the `Origin` is then foreign, and the
//! token is missing). Leaves to others: what is asked. Always true: without the token nothing is
//! answered but the proof of who answers, and nothing else lets anybody in: no cookie, no address.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    App, PREFIX,
    error::{Answered, ApiError},
    take::Asked,
};

/// Hexadecimal digits of a token.
const TOKEN_DIGITS: usize = 64;

/// The secret that a client shows.
pub(super) struct Token(Zeroizing<String>);

impl Token {
    /// None when it is no token: an empty one would let everybody in.
    pub(super) fn new(text: String) -> Option<Token> {
        let text = Zeroizing::new(text);
        (text.len() == TOKEN_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(Token(text))
    }

    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Where a request comes in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Door {
    /// Over a socket on this port.
    Socket(u16),
    /// From this process.
    Here,
}

impl Door {
    /// The hosts by which this machine's own clients call it.
    fn hosts(self) -> Vec<String> {
        match self {
            Door::Socket(port) => ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).to_vec(),
            Door::Here => vec!["localhost".to_owned()],
        }
    }
}

/// What stands before the router.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) app: App,
    pub(super) door: Door,
}

/// Lets a request through, or answers it.
pub(super) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let checked = gate.check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Gate {
    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let hosts = self.door.hosts();
        check_host(&hosts, uri, headers)?;
        check_origin(&hosts, headers)?;
        if method == Method::GET && uri.path() == format!("{PREFIX}/identity") {
            return Ok(());
        }
        check_token(&self.app.token, headers)
    }
}

/// Exactly one `Host`, and one of ours; also of a request whose target names a host.
fn check_host(hosts: &[String], uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let ours = |host: &str| hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    let named = uri.authority().is_none_or(|authority| ours(authority.as_str()));
    if named && only(headers, &header::HOST).is_some_and(|host| ours(&host)) {
        return Ok(());
    }
    let error = "this API answers only to clients on this machine that call it by its own address";
    Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_host", error, "ask at the address that `hearth status` shows"))
}

fn check_origin(hosts: &[String], headers: &HeaderMap) -> Result<(), ApiError> {
    let ours = |origin: &str| {
        hosts.iter().any(|host| origin.strip_prefix("http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host)))
    };
    let fetch_site = HeaderName::from_static("sec-fetch-site");
    let from_here =
        !headers.contains_key(header::ORIGIN) || only(headers, &header::ORIGIN).is_some_and(|origin| ours(&origin));
    let same_site = !headers.contains_key(&fetch_site)
        || only(headers, &fetch_site).is_some_and(|site| matches!(site.as_str(), "same-origin" | "none"));
    if from_here && same_site {
        return Ok(());
    }
    let error = "this API does not answer to pages from elsewhere";
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        error,
        "close the page that asks; nothing was given to it",
    ))
}

fn check_token(token: &Token, headers: &HeaderMap) -> Result<(), ApiError> {
    let shown = only(headers, &header::AUTHORIZATION).map(Zeroizing::new);
    let shown = shown.as_ref().and_then(|shown| shown.strip_prefix("Bearer "));
    if shown.is_some_and(|shown| token.is(shown.as_bytes())) {
        return Ok(());
    }
    let error = "the request does not carry the token of this home";
    Err(ApiError::new(
        StatusCode::UNAUTHORIZED,
        "no_token",
        error,
        "send `Authorization: Bearer` with what the file `token` in the home holds",
    ))
}

/// A header's text where it stands there once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::to_owned),
        _ => None,
    }
}

/// What a client asks before it shows the token.
#[derive(Debug, Deserialize)]
pub(super) struct Challenge {
    nonce: String,
}

/// Proves that this is the home's device.
pub(super) async fn identity(State(app): State<App>, Asked(challenge): Asked<Challenge>) -> Answered<Json<Value>> {
    let nonce =
        HEXLOWER_PERMISSIVE.decode(challenge.nonce.as_bytes()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let nonce = nonce
        .ok_or_else(|| ApiError::typed("bad_nonce", "a nonce is 64 hexadecimal digits", "send 32 random bytes"))?;
    let device = app.me.device.public();
    let signature = app.me.device.prove_api(&nonce);
    Ok(Json(json!({ "device": device.0.to_string(), "signature": HEXLOWER.encode(signature.0.as_ref()) })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: u16 = 4321;
    const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/own/host_header_cases.json");

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            // What no header can hold never reaches us.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        }
        headers
    }

    fn passes(pairs: &[(&str, &str)]) -> bool {
        let (hosts, headers) = (Door::Socket(PORT).hosts(), headers(pairs));
        check_host(&hosts, &Uri::from_static("/api/0/status"), &headers)
            .and_then(|()| check_origin(&hosts, &headers))
            .is_ok()
    }

    #[test]
    fn only_the_hosts_of_this_machine_with_this_port_pass() {
        for host in ["127.0.0.1:4321", "localhost:4321", "[::1]:4321", "LocalHost:4321"] {
            assert!(passes(&[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:1",
            "localhost.:4321",
            "127.1:4321",
            "",
            "null",
            "127.0.0.1:4321 ",
            "0.0.0.0:4321",
        ] {
            assert!(!passes(&[("host", host)]), "{host}");
        }
        assert!(!passes(&[]));
        assert!(!passes(&[("host", "localhost:4321"), ("host", "localhost:4321")]));
        assert!(!passes(&[("host", "evil.example"), ("x-forwarded-host", "localhost:4321")]));
    }

    #[test]
    fn every_host_of_the_shared_vectors_is_judged_as_they_say() {
        let Ok(text) = std::fs::read(VECTORS) else {
            eprintln!("skipped: {VECTORS} is not there");
            return;
        };
        let cases: Value = serde_json::from_slice(&text).unwrap();
        let judged = |list: &str, wanted: bool| {
            let list = cases[list].as_array().unwrap();
            for host in list {
                let host = host.as_str().unwrap().replace("PORT", &PORT.to_string());
                assert_eq!(passes(&[("host", &host)]), wanted, "{host:?}");
            }
            list.len()
        };
        assert_eq!((judged("accept", true), judged("reject", false)), (4, 21));
    }

    #[test]
    fn a_target_that_names_another_host_is_foreign() {
        let (hosts, headers) = (Door::Socket(PORT).hosts(), headers(&[("host", "localhost:4321")]));
        assert!(check_host(&hosts, &Uri::from_static("http://evil.example/api/0/status"), &headers).is_err());
        assert!(check_host(&hosts, &Uri::from_static("http://localhost:4321/api/0/status"), &headers).is_ok());
    }

    #[test]
    fn only_pages_of_this_very_origin_pass() {
        let host = ("host", "127.0.0.1:4321");
        assert!(passes(&[host, ("origin", "http://127.0.0.1:4321")]));
        for origin in [
            "null",
            "https://127.0.0.1:4321",
            "http://127.0.0.1:9",
            "http://evil.example",
            "",
            "http://127.0.0.1:4321.evil.example",
        ] {
            assert!(!passes(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(passes(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(passes(&[host, ("sec-fetch-site", "none")]));
        for site in ["cross-site", "same-site", ""] {
            assert!(!passes(&[host, ("sec-fetch-site", site)]), "{site}");
        }
    }

    #[test]
    fn from_this_process_there_is_no_port_and_over_a_socket_there_is() {
        let bare = headers(&[("host", "localhost")]);
        let uri = Uri::from_static("/");
        assert!(check_host(&Door::Here.hosts(), &uri, &bare).is_ok());
        assert!(check_host(&Door::Socket(PORT).hosts(), &uri, &bare).is_err());
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let right = "0123456789abcdef".repeat(4);
        let token = Token::new(right.clone()).unwrap();
        let shown = |text: &str| check_token(&token, &headers(&[("authorization", text)])).is_ok();
        assert!(shown(&format!("Bearer {right}")));
        let half = &right[..32];
        for wrong in [
            "",
            "Bearer ",
            &right,
            &format!("Basic {right}"),
            &format!("Bearer {half}"),
            &format!("Bearer {right}0"),
            &format!("Bearer {}", "0".repeat(64)),
        ] {
            assert!(!shown(wrong), "{wrong}");
        }
        let twice = [("authorization", format!("Bearer {right}")), ("authorization", format!("Bearer {right}"))];
        let twice: Vec<_> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert!(check_token(&token, &headers(&twice)).is_err());
        assert!(Token::new(String::new()).is_none() && Token::new("x".repeat(64)).is_none());
    }
}
