//! `hearth peer`: connections to other nodes.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::filled;
use crate::error::Error;
use crate::output::{Output, escape, layout, time};
use crate::request::Request;
use crate::session::Session;
use crate::view;

/// Connections to other nodes
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Peer {
    /// Connect to a node
    Add(Add),
    /// The nodes that are known
    List,
}

/// Which node.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Its address, like /ip4/192.0.2.7/tcp/4001/p2p/12D3...
    #[arg(value_name = "ADDR", value_parser = filled)]
    addr: String,
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
        let seen = known.last_seen_ms.filter(|ms| *ms > 0).map_or_else(|| "never".to_owned(), time::ago);
        [
            known.peer.clone(),
            if known.connected { "connected".to_owned() } else { format!("seen {seen}") },
            known.communities.join(", "),
            known.addresses.join(" "),
        ]
    });
    layout::table(["peer", "state", "communities", "addresses"], rows, width)
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
    async fn a_connection_is_asked_for_by_its_address() {
        let addr = "/ip4/127.0.0.1/tcp/1";
        let heard = hear(&["peer", "add", addr, "--json"], [(201, json!({"peer": "12D3a"}))]).await;
        assert_eq!(heard.asked, [format!(r#"POST /peers {{"addr":"{addr}"}}"#)]);
        assert_eq!(heard.printed, "{\"peer\":\"12D3a\"}\n");
    }
}
