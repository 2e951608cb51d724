//! The rules of the normal form, version 1.
//!
//! They are careful: two addresses become one only where the standards say that they are one, or
//! where a part is known to tell the server who follows the link and not what is asked for.
//!
//! 1. The scheme and the host are in lower case, the host in its ASCII form, without the dot that
//!    ends a full domain name; numbers that stand for an IPv4 address are that address (WHATWG
//!    URL, RFC 3986 6.2.2.1).
//! 2. The port is left out where it is the scheme's own (80, 443; gemini's 1965).
//! 3. `.` and `..` in the path are resolved; an empty path is `/`, so `https://crates.io` and
//!    `https://crates.io/` are one. Any other slash at the end counts: servers may give something
//!    else without it.
//! 4. Characters that need no escape are not escaped, the others are, in upper case (RFC 3986
//!    6.2.2.2). A part with a broken escape stays as it is.
//! 5. Of a web address, parameters that are known to follow people around (`utm_...`, `fbclid`, `gclid` ...) are
//!    left out; the others keep their order. A query without anything in it is left out. A gemini
//!    query is an answer that somebody typed: it stays.
//! 6. The fragment is left out, as it names a place in the resource; unless it begins with `!` or
//!    `/`, which is how pages that are programs name what they show.
//! 7. Of a mailto address, the domains are in lower case and spaces are escaped. Nothing else is
//!    changed: who is written to, about what, is what it says.
//! 8. Of a magnet address, only the exact topics (`xt`) stay, in their order: its names, trackers
//!    and sources differ between copies of one thing. `btih` and `btmh` hashes are in lower case.
//!
//! Kept apart on purpose: http and https (they are different origins, and may show different
//! things), `www.` or not, upper and lower case in paths.

use ::url::{Host, Url};

/// Which rules gave a normalised address. A change of any rule raises it, and every stored key is
/// then computed again.
pub const VERSION: u16 = 1;

/// The port on which gemini is served.
const GEMINI_PORT: u16 = 1965;

/// Parameters that advertising and mailing programs add to a link in order to recognise who
/// follows it; in lower case, sorted. `utm_` with anything after it belongs to them.
pub(super) const TRACKING: [&str; 27] = [
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "_openstat",
    "dclid",
    "epik",
    "fbclid",
    "gbraid",
    "gclid",
    "gclsrc",
    "igshid",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "msclkid",
    "oly_anon_id",
    "oly_enc_id",
    "rb_clickid",
    "srsltid",
    "ttclid",
    "twclid",
    "vero_id",
    "wbraid",
    "wickedid",
    "yclid",
];

/// The normal form of an http or https address.
pub(super) fn web(url: &Url) -> String {
    let query = url.query().map(|query| {
        let kept: Vec<String> = query.split('&').map(unescaped).filter(|parameter| !is_tracking(parameter)).collect();
        kept.join("&")
    });
    let host = url.host_str().unwrap_or_default();
    assemble(url, host, url.port(), query)
}

/// The normal form of a gemini address, whose host was read as one of the web.
pub(super) fn gemini(url: &Url, host: &Host) -> String {
    let port = url.port().filter(|port| *port != GEMINI_PORT);
    assemble(url, &host.to_string(), port, url.query().map(unescaped))
}

/// The normal form of a mailto address.
pub(super) fn mailto(url: &Url) -> String {
    let mailboxes: Vec<String> = mailboxes(url)
        .map(|mailbox| match mailbox.rsplit_once('@') {
            Some((who, domain)) => {
                // Once more after the change of case, which the letters of escapes do not take part in.
                let domain = unescaped(&unescaped(domain).to_ascii_lowercase());
                format!("{}@{domain}", unescaped(who))
            }
            None => unescaped(mailbox),
        })
        .collect();
    let mailboxes = mailboxes.join(",").replace(' ', "%20");
    let query = url.query().map(unescaped).filter(|query| !query.is_empty());
    format!("mailto:{mailboxes}{}", query.map(|q| format!("?{q}")).unwrap_or_default())
}

/// The normal form of a magnet address.
pub(super) fn magnet(url: &Url) -> String {
    let topics: Vec<String> = topics(url)
        .map(|(name, topic)| {
            let topic = unescaped(topic);
            let is_hash = topic
                .split_at_checked("urn:btih:".len())
                .is_some_and(|(urn, _)| ["urn:btih:", "urn:btmh:"].iter().any(|known| urn.eq_ignore_ascii_case(known)));
            format!("{name}={}", if is_hash { topic.to_ascii_lowercase() } else { topic })
        })
        .collect();
    format!("magnet:?{}", topics.join("&"))
}

/// Who a mailto address writes to.
pub(super) fn mailboxes(url: &Url) -> impl Iterator<Item = &str> {
    url.path().split(',')
}

/// The exact topics of a magnet address: `xt`, and `xt.1`, `xt.2` ... where there are several.
pub(super) fn topics(url: &Url) -> impl Iterator<Item = (&str, &str)> {
    url.query().unwrap_or_default().split('&').filter_map(|parameter| {
        let (name, topic) = parameter.split_once('=')?;
        let is_topic = name == "xt" || name.strip_prefix("xt.").is_some_and(|n| !n.is_empty());
        (is_topic && !topic.is_empty()).then_some((name, topic))
    })
}

fn assemble(url: &Url, host: &str, port: Option<u16>, query: Option<String>) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut address = format!("{}://{host}", url.scheme());
    if let Some(port) = port {
        address.push_str(&format!(":{port}"));
    }
    let path = unescaped(url.path());
    address.push_str(if path.is_empty() { "/" } else { &path });
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        address.push('?');
        address.push_str(&query);
    }
    if let Some(fragment) = url.fragment().filter(|fragment| fragment.starts_with(['!', '/'])) {
        address.push('#');
        address.push_str(&unescaped(fragment));
    }
    address
}

/// Whether this parameter says who follows a link rather than where it leads.
fn is_tracking(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("utm_") || TRACKING.binary_search(&name.as_str()).is_ok()
}

/// Escapes of unreserved characters undone, the others in upper case; the part as it is where one
/// of its escapes is broken, since undoing others could then make a new one.
fn unescaped(part: &str) -> String {
    let mut pieces = part.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let Some((digits, rest)) = piece.split_at_checked(2) else {
            return part.to_owned();
        };
        let byte = if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            u8::from_str_radix(digits, 16).ok()
        } else {
            None
        };
        let Some(byte) = byte else {
            return part.to_owned();
        };
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&digits.to_ascii_uppercase());
        }
        text.push_str(rest);
    }
    text
}
