//! `hearth peer`: connections to other nodes.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::filled;
use crate::error::Error;
use crate::output::{Output, escape, layout, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, named};

/// The reason of a ban that the person has spoken.
const BY_HAND: &str = "by_hand";

/// Connections to other nodes
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Peer {
    /// Connect to a node
    Add(Add),
    /// The nodes that are known: who they are, and how they behave
    List,
    /// Refuse a node until that is taken back
    Ban(Named),
    /// Take back a ban, whoever spoke it
    Unban(Named),
}

/// Which node.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Its address, like /ip4/192.0.2.7/tcp/4001/p2p/12D3...
    #[arg(value_name = "ADDR", value_parser = filled)]
    addr: String,
}

/// Which of those that are known.
#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    /// Its peer, as `hearth peer list` shows it
    #[arg(value_name = "PEER", value_parser = filled)]
    peer: String,
}

/// How many of a name.
#[derive(Deserialize)]
struct Refused {
    name: String,
    count: u64,
}

#[derive(Deserialize)]
struct Somebody {
    person: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Reached {
    dialed: bool,
    transport: String,
    since_ms: u64,
}

#[derive(Deserialize)]
struct Synced {
    community_name: Option<String>,
    last_sync_ms: u64,
}

#[derive(Deserialize)]
struct Known {
    peer: String,
    connected: bool,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    communities: Vec<String>,
    last_seen_ms: Option<u64>,
    #[serde(default)]
    persons: Vec<Somebody>,
    reached: Option<Reached>,
    #[serde(default)]
    synced: Vec<Synced>,
    #[serde(default)]
    refused: Vec<Refused>,
    #[serde(default)]
    refused_us: Vec<Refused>,
    #[serde(default)]
    strikes: u64,
    banned_until_ms: Option<u64>,
    ban_reason: Option<String>,
}

impl Peer {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        match self {
            Self::Add(Add { addr }) => {
                let answer = session.ask(Request::post(&["peers"], json!({ "addr": addr }))?).await?;
                out.tell(&answer, || {
                    let peer = answer.get("peer").and_then(Value::as_str).unwrap_or_default();
                    Ok(format!("Connected to {}.\nWho else is known: hearth peer list", escape::line(peer)))
                })
            }
            Self::Ban(Named { peer }) => {
                let answer = session.ask(Request::post(&["peers", &peer, "ban"], json!({}))?).await?;
                out.tell(&answer, || {
                    let peer = escape::line(&peer);
                    Ok(format!("{peer} is refused from now on.\nTo take it back: hearth peer unban {peer}"))
                })
            }
            Self::Unban(Named { peer }) => {
                let answer = session.ask(Request::post(&["peers", &peer, "unban"], json!({}))?).await?;
                out.tell(&answer, || Ok(format!("{} may connect again.", escape::line(&peer))))
            }
            Self::List => {
                let list = session.ask_list(Request::get(&["peers"]), "peers").await?;
                let width = out.width();
                out.list(&list, || {
                    if list.is_empty() {
                        return Ok("No other node is known yet. Join a community: hearth join KEY".to_owned());
                    }
                    Ok(listed(&view::read_all(&list)?, width))
                })
            }
        }
    }
}

fn listed(peers: &[Known], width: Option<u16>) -> String {
    let rows = peers.iter().map(|known| {
        [
            known.peer.clone(),
            joined(&known.persons, |somebody| named(somebody.name.as_deref(), &somebody.person)),
            state(known),
            known.communities.join(", "),
            joined(&known.synced, |synced| {
                let at = time::ago(synced.last_sync_ms);
                synced.community_name.as_ref().map_or_else(|| at.clone(), |name| format!("{name} {at}"))
            }),
            refused(known),
            joined(&known.refused_us, counted),
            known.addresses.join(" "),
        ]
    });
    let header = ["peer", "who", "state", "communities", "last sync", "refused for", "refused us", "addresses"];
    layout::table(header, rows, width)
}

fn joined<T>(all: &[T], shown: impl Fn(&T) -> String) -> String {
    all.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn counted(refused: &Refused) -> String {
    format!("{} ({})", refused.name, refused.count)
}

/// How it is reached, or why it is not.
fn state(known: &Known) -> String {
    match (known.banned_until_ms, &known.reached) {
        (Some(_), _) if known.ban_reason.as_deref() == Some(BY_HAND) => "banned by you".to_owned(),
        (Some(until), _) => {
            let why = known.ban_reason.as_deref().map_or_else(String::new, |why| format!(" for {why}"));
            format!("banned{why} until {}", time::moment(until))
        }
        (None, Some(reached)) => {
            let how = if reached.dialed { "dialled" } else { "came" };
            format!("connected by {}, {how} {}", reached.transport, time::ago(reached.since_ms))
        }
        (None, None) if known.connected => "connected".to_owned(),
        (None, None) => {
            let seen = known.last_seen_ms.filter(|ms| *ms > 0).map_or_else(|| "never".to_owned(), time::ago);
            format!("seen {seen}")
        }
    }
}

fn refused(known: &Known) -> String {
    let names = joined(&known.refused, counted);
    match known.strikes {
        0 => names,
        1 => format!("{names}; 1 strike"),
        many => format!("{names}; {many} strikes"),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::json;

    #[tokio::test]
    async fn known_nodes_are_listed_with_what_we_share() {
        let peers = json!({"peers": [
            {"peer": "12D3a", "connected": true, "addresses": ["/ip4/127.0.0.1/tcp/1"], "communities": ["garden"], "last_seen_ms": 1},
            {"peer": "12D3b", "connected": false, "addresses": [], "communities": [], "last_seen_ms": null},
        ]});
        let heard = hear(&["peer", "list"], [(200, peers)]).await;
        heard.done.expect("the answer is whole");
        assert!(heard.printed.contains("connected") && heard.printed.contains("seen never"), "{}", heard.printed);
    }

    #[tokio::test]
    async fn who_misbehaves_is_shown_with_what_for_and_until_when() {
        let peers = json!({"peers": [
            {"peer": "12D3a", "connected": true, "addresses": [], "communities": ["garden"], "last_seen_ms": 1,
             "persons": [{"person": "ab".repeat(32), "name": "dave", "communities": ["garden"]}],
             "reached": {"address": "/ip4/1.2.3.4/tcp/5", "dialed": true, "transport": "tcp", "since_ms": 1_000},
             "synced": [{"community": "ef", "community_name": "garden", "last_sync_ms": 1_000}],
             "refused": [{"name": "bad_signature", "count": 2, "last_ms": 1}], "strikes": 2,
             "refused_us": [{"name": "busy", "count": 7, "last_ms": 1}], "banned_until_ms": null, "ban_reason": null},
            {"peer": "12D3b", "connected": false, "banned_until_ms": 1_800_000_000_000_u64, "ban_reason": "too_long"},
            {"peer": "12D3c", "connected": false, "banned_until_ms": 253_402_300_799_999_u64, "ban_reason": "by_hand"},
        ]});
        let heard = hear(&["peer", "list"], [(200, peers)]).await;
        heard.done.expect("the answer is whole");
        for part in [
            "dave (ababababab)",
            "connected by tcp, dialled 1970-01-01",
            "garden 1970-01-01",
            "bad_signature (2); 2 strikes",
            "busy (7)",
            "banned for too_long until 2027-01-15 08:00 UTC",
            "banned by you",
        ] {
            assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
        }
    }

    #[tokio::test]
    async fn a_ban_is_spoken_and_taken_back_by_the_peer() {
        let peer = "12D3a";
        let banned = hear(&["peer", "ban", peer], [(200, json!({"peer": peer, "banned_until_ms": 1}))]).await;
        assert_eq!(banned.asked, ["POST /peers/12D3a/ban {}"]);
        assert!(banned.printed.contains("hearth peer unban 12D3a"), "{}", banned.printed);
        let free = hear(&["peer", "unban", peer, "--json"], [(200, json!({"peer": peer}))]).await;
        assert_eq!(free.asked, ["POST /peers/12D3a/unban {}"]);
        assert_eq!(free.printed, "{\"peer\":\"12D3a\"}\n");
    }

    #[tokio::test]
    async fn a_connection_is_asked_for_by_its_address() {
        let addr = "/ip4/127.0.0.1/tcp/1";
        let heard = hear(&["peer", "add", addr, "--json"], [(201, json!({"peer": "12D3a"}))]).await;
        assert_eq!(heard.asked, [format!(r#"POST /peers {{"addr":"{addr}"}}"#)]);
        assert_eq!(heard.printed, "{\"peer\":\"12D3a\"}\n");
    }
}
