//! Every bound that a person can run into, with its reason.
//!
//! The numbers are those that the code checks by; here they are only listed.

use axum::Json;
use hearth_protocol::{engine, limits, time::DAY_MS};
use serde_json::{Value, json};

use crate::{network::limits as network, practice::import};

/// Name, value, unit, reason.
type Row = (&'static str, u64, &'static str, &'static str);

/// All of them.
pub(super) async fn list() -> Json<Value> {
    let rows = items().into_iter().chain(communities()).chain(crossing()).chain(reaching());
    let view =
        |(name, value, unit, reason): Row| json!({ "name": name, "value": value, "unit": unit, "reason": reason });
    Json(json!({ "limits": rows.map(view).collect::<Vec<_>>() }))
}

fn items() -> Vec<Row> {
    vec![
        ("text", limits::TEXT_BYTES as u64, "bytes", "real newsletters take 20 to 60 KB; three times that leaves room"),
        ("body", limits::BODY_BYTES as u64, "bytes", "an item whole, with all its fields"),
        ("title", limits::TITLE_BYTES as u64, "bytes", "a headline, not a text"),
        (
            "tag",
            limits::TAG_BYTES as u64,
            "bytes",
            "of 2,895 tagged bookmarks looked at, 104 have a tag of more than 32 bytes",
        ),
        ("tags", limits::TAGS as u64, "of an item", "more than that sort nothing"),
        ("address", limits::URL_BYTES as u64, "bytes", "longer addresses are data, not places"),
        ("attachments", limits::ATTACHMENTS as u64, "of an item", "a collection holds more"),
        ("future", limits::FUTURE_MS, "ms", "how far a clock may be ahead before what it dates is held back"),
        ("import_file", import::FILE_BYTES as u64, "bytes", "a hundred times the largest real file that was looked at"),
        ("import_links", import::LINKS as u64, "of a file", "more than anybody was seen to have kept in a life"),
        ("import_folders", import::FOLDERS_DEEP as u64, "levels", "real files have five"),
    ]
}

fn communities() -> Vec<Row> {
    vec![
        (
            "communities",
            limits::COMMUNITIES as u64,
            "of a node",
            "what a handshake can show without telling how many there are",
        ),
        ("community_name", limits::COMMUNITY_NAME_BYTES as u64, "bytes", "a name fits on a line"),
        ("name", limits::NAME_BYTES as u64, "bytes", "a name fits on a line"),
        ("founders", limits::FOUNDERS as u64, "of a community", "a genesis with their keys fits into 12 KiB"),
        ("reason", limits::REASON_BYTES as u64, "bytes", "what every member keeps for ever is short"),
        ("devices", limits::DEVICES as u64, "of a person", "each is sealed to with every new key"),
        ("log", limits::LOG_OPERATIONS as u64, "operations", "a log is held in memory"),
        ("invite_uses", u64::from(limits::INVITE_USES), "of an invite", "a key that lets more in is an open door"),
        ("invite_life", limits::INVITE_LIFE_MS, "ms", "a forgotten key is worth nothing after 90 days"),
        ("admissions", limits::ADMISSIONS_PER_DAY as u64, "a day", "a stolen key cannot flood a community"),
        ("invite_key", limits::INVITE_KEY_CHARS as u64, "characters", "four long addresses fit"),
    ]
}

fn crossing() -> Vec<Row> {
    vec![
        ("brokers", limits::BROKERS as u64, "of a link", "those who are trusted by both sides are few"),
        ("link_tags", limits::LINK_TAGS as u64, "of a link", "what a link names is read before it is agreed to"),
        ("link_life", limits::LINK_LIFE_MS, "ms", "consent is asked for again after 180 days"),
        ("reach", u64::from(limits::HOPS), "borders", "the format's bound; this version relays over one"),
        ("note", limits::NOTE_BYTES as u64, "bytes", "a broker says why, and does not write the item again"),
        ("summary", limits::SUMMARY_BYTES as u64, "bytes", "shorter than what it sums up"),
    ]
}

fn reaching() -> Vec<Row> {
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    vec![
        (
            "connections",
            network::CONNECTIONS_IN as u64 + u64::from(network::CONNECTIONS_OUT),
            "of a node",
            "what a small machine can hold open",
        ),
        ("connections_in", network::CONNECTIONS_IN as u64, "of a node", "opened by others"),
        ("memory", network::MEMORY as u64, "bytes", "above it no connection is taken or made"),
        ("gossip", network::GOSSIP_DATA as u64, "bytes", "what is longer is announced, and fetched"),
        ("request", network::REQUEST as u64, "bytes", "a request names what is wanted; it carries no items"),
        ("response", network::RESPONSE as u64, "bytes", "one page of a catch-up"),
        ("request_time", ms(network::REQUEST_TIME), "ms", "a peer that needs longer is as good as gone"),
        ("idle_time", ms(network::IDLE_TIME), "ms", "a connection that nothing has used for so long is closed"),
        ("round", engine::ROUND_MS, "ms", "how often members who are connected are compared with"),
        ("day", DAY_MS, "ms", "what is counted by the day is counted by days of UTC"),
        ("api_body", super::JSON_BYTES as u64, "bytes", "a request to the local API, other than an item or a file"),
    ]
}
