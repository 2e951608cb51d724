//! Who this is, what runs and what is kept.

use axum::{Json, extract::State};
use hearth_protocol::{authority::Role, key::PublicKey};
use serde_json::{Value, json};

use super::{App, error::Answered, findings, sight::Sight};
use crate::{
    clock,
    network::{self, NetworkHandle},
};

/// Everything at a glance; with the node stopped too.
pub(super) async fn status(State(app): State<App>) -> Answered<Json<Value>> {
    let here = app.me.device.public();
    let kept = app.read(move |sight| kept(sight, here)).await?;
    let snapshot = app.handle.snapshot();
    let network = app.network.borrow().clone();
    let dropped = network.as_ref().map(NetworkHandle::dropped);
    let mut refusals = snapshot.refusals.clone();
    refusals.extend(network.iter().flat_map(NetworkHandle::refused));
    let mut jobs = vec![json!({ "name": "driver", "queue": app.handle.queued() })];
    let tended = app.handle.tended();
    let mut job = json!({ "name": "desk", "queue": tended.queue });
    if let Some(error) = tended.error {
        job["error"] = json!(error);
    }
    jobs.push(job);
    if let Some(dropped) = dropped {
        let lost =
            json!({ "gossip_in": dropped.gossip_in, "gossip_out": dropped.gossip_out, "requests": dropped.requests });
        jobs.push(json!({ "name": "network", "queue": 0, "dropped": lost }));
    }
    Ok(Json(json!({
        "running": app.runs(),
        "person": app.me.person().to_string(),
        "name": app.me.name.as_str(),
        "device": app.me.device.public().0.to_string(),
        "peer": network::peer_text(&app.me.peer),
        "listen": app.listening.get().cloned().unwrap_or_default(),
        "api": app.served.get().map(ToString::to_string),
        "peers": snapshot.peers.len(),
        "banned": snapshot.conduct.bans(clock::now()).count(),
        "communities": kept.communities,
        "jobs": jobs,
        "store": { "bytes": kept.bytes, "items": kept.items },
        "refusals": refusals,
        "findings": kept.findings,
    })))
}

struct Kept {
    communities: Vec<Value>,
    findings: Vec<Value>,
    bytes: u64,
    items: u64,
}

fn kept(sight: &Sight<'_>, here: PublicKey) -> Answered<Kept> {
    let mut kept = Kept {
        communities: Vec::new(),
        findings: sight.snapshot.clock.iter().map(findings::clock).collect(),
        bytes: sight.reader.bytes_on_disk()?,
        items: 0,
    };
    let mut communities = sight.communities();
    communities.sort_by_key(|id| Some(*id) != sight.snapshot.own_space);
    for id in communities {
        let standing = sight.standing(id)?;
        let items = sight.store.count_listed(id)?;
        kept.items += items;
        if standing.state.role(sight.me) > Role::None {
            kept.findings.extend(findings::of(sight, standing, here)?);
            kept.findings.extend(findings::banned(standing, &sight.snapshot.conduct));
        }
        kept.communities.push(json!({
            "community": id.to_string(),
            "name": standing.name(),
            "role": standing.state.role(sight.me).name(),
            "members": standing.state.current().count(),
            "items": items,
            "heads": standing.heads(),
            "last_sync_ms": standing.synced.map(|at| at.0),
        }));
    }
    // What is about this person's own devices comes first, whatever the community.
    kept.findings.sort_by_key(|finding| finding["urgent"] != true);
    Ok(kept)
}
