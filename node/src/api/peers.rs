//! Other nodes: connecting, refusing, and one round of comparing with everyone who can be reached.
//!
//! Leaves to others: what is known of them (`known`).

use std::{collections::BTreeSet, time::Duration};

use axum::{Json, extract::State};
use hearth_protocol::engine::{Answer, Command, Event, PeerName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    communities::Nothing,
    error::{Answered, ApiError},
    known, other_answer,
    take::{At, Id, Told},
    wait::{Heard, Waiting},
};
use crate::{
    clock,
    network::{self, NetworkHandle, Order},
};

/// How long a connection may take to be made.
const DIAL_TIME: Duration = Duration::from_secs(15);
/// How long a command that has just started its network waits for the first connection.
const FIRST_TIME: Duration = Duration::from_secs(5);
/// How long one round of comparing may take until it is answered as far as it has come.
const ROUND_TIME: Duration = Duration::from_secs(30);

/// Where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToDial {
    addr: String,
}

/// Connects to a node.
pub(super) async fn add(State(app): State<App>, Told(wanted): Told<ToDial>) -> Answered<Json<Value>> {
    let (peer, address) = network::parse_address(&wanted.addr)?;
    let no_peer = || {
        ApiError::typed(
            "no_peer",
            "the address does not say which node is meant",
            "give it whole, with /p2p/ and the peer at its end: `hearth status` on that node shows it",
        )
    };
    let peer = peer.ok_or_else(no_peer)?;
    let network = network_of(&app)?;
    if network.peer() == peer {
        return Err(ApiError::typed(
            "own_address",
            "that is this node's own address",
            "give the address of another node",
        ));
    }
    if app.handle.snapshot().conduct.ban(&peer, clock::now()).is_some() {
        let hint = format!("take it back first: hearth peer unban {}", network::peer_text(&peer));
        return Err(ApiError::conflict("banned", "that peer is banned", hint));
    }
    let mut waiting = Waiting::new(&app, DIAL_TIME);
    if !is_connected(&app, &peer) {
        let order = Order::Dial { peer: Some(peer.clone()), addresses: vec![address.clone()] };
        network.order(order).await.map_err(|_| ApiError::stopping())?;
        connected(&app, &peer, &address, &mut waiting).await?;
    }
    if !app.runs() {
        // The command's process ends after this; what the connection is for happens before.
        Waiting::new(&app, ROUND_TIME).caught_up(&app).await?;
    }
    Ok(Json(json!({ "peer": network::peer_text(&peer) })))
}

/// The network, if this process has one.
pub(super) fn network_of(app: &App) -> Answered<NetworkHandle> {
    let network = app.network.borrow().clone();
    network.ok_or_else(|| {
        ApiError::conflict(
            "no_network",
            "this node was started without its network",
            "start it with its network: hearth run",
        )
    })
}

fn is_connected(app: &App, peer: &[u8]) -> bool {
    app.handle.snapshot().peers.iter().any(|(known, _)| known == peer)
}

async fn connected(app: &App, peer: &PeerName, address: &str, waiting: &mut Waiting) -> Answered<()> {
    loop {
        match waiting.next().await? {
            Heard::Event(Event::PeerConnected(who)) if who == *peer => return Ok(()),
            Heard::Event(Event::Unreachable(who)) if who == *peer => break,
            Heard::Event(_) => {}
            Heard::Missed if is_connected(app, peer) => return Ok(()),
            Heard::Missed => {}
            Heard::Over => break,
        }
    }
    let hint = "look whether that node runs and whether the address is one of those that its `hearth status` shows";
    Err(ApiError::late("unreachable", format!("nobody could be reached at {address}"), hint))
}

/// Refuses a peer until that is taken back.
pub(super) async fn ban(
    State(app): State<App>,
    At(peer): At<String>,
    id: Id,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    let name = named(&peer)?;
    app.command(Command::Ban(name.clone()), id.0).await?;
    let snapshot = app.handle.snapshot();
    let until = snapshot.conduct.ban(&name, clock::now()).map(|ban| ban.until.0);
    Ok(Json(json!({ "peer": peer, "banned_until_ms": until })))
}

/// Takes back a ban.
pub(super) async fn unban(
    State(app): State<App>,
    At(peer): At<String>,
    id: Id,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    app.command(Command::Unban(named(&peer)?), id.0).await?;
    Ok(Json(json!({ "peer": peer })))
}

fn named(peer: &str) -> Answered<PeerName> {
    network::peer_from_text(peer).ok_or_else(|| {
        let error = "that is no peer: one looks like 12D3KooW...";
        ApiError::typed("bad_peer", error, "`hearth peer list` shows those that are known")
    })
}

/// Compares with everyone who can be reached.
pub(super) async fn sync(State(app): State<App>, id: Id, Told(Nothing {}): Told<Nothing>) -> Answered<Json<Value>> {
    network_of(&app)?;
    if app.handle.snapshot().peers.is_empty() {
        first_connection(&app).await?;
    }
    let mut waiting = Waiting::new(&app, ROUND_TIME);
    let Answer::Syncing(_) = app.command(Command::Sync, id.0).await? else { return Err(other_answer()) };
    let compared = waiting.caught_up(&app).await?;
    Ok(Json(json!({ "peers": compared.len() })))
}

/// Waits until one of those whose addresses are known is connected, or none of them can be.
async fn first_connection(app: &App) -> Answered<()> {
    let mut waiting = Waiting::new(app, FIRST_TIME);
    let own = app.me.peer.clone();
    let mut hoped_for: BTreeSet<PeerName> =
        app.read(move |sight| Ok(known::of(sight)?.into_keys().filter(|peer| *peer != own).collect())).await?;
    while !hoped_for.is_empty() && app.handle.snapshot().peers.is_empty() {
        match waiting.next().await? {
            Heard::Event(Event::Unreachable(peer)) => drop(hoped_for.remove(&peer)),
            Heard::Event(Event::PeerConnected(_)) | Heard::Over => return Ok(()),
            Heard::Event(_) | Heard::Missed => {}
        }
    }
    Ok(())
}
