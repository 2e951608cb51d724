//! The nodes that are known: who they are, how they are reached, and how they behave.
//!
//! Leaves to others: what is remembered of their behaviour, and for how long (the engine). Always
//! true: who a node is said to be was proven by it, in the community that is named beside.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State};
use hearth_protocol::{
    engine::{Behaviour, PeerName, Refusals},
    id::{CommunityId, PersonId},
    ledger::Ledger as _,
};
use serde_json::{Value, json};

use super::{App, error::Answered, invites::address_of, sight::Sight};
use crate::{clock, handle::Reached, network};

/// What is known of one peer.
#[derive(Debug, Default)]
pub(super) struct Known {
    addresses: BTreeSet<String>,
    communities: BTreeSet<String>,
    persons: BTreeMap<PersonId, BTreeSet<CommunityId>>,
    /// When the peer last signed where it is.
    signed_ms: Option<u64>,
}

/// The nodes that are known: connected ones, those of members, and those that were refused something
/// or are banned.
pub(super) async fn list(State(app): State<App>) -> Answered<Json<Value>> {
    let own = app.me.peer.clone();
    let reached = app.handle.reached();
    app.read(move |sight| {
        let connected: BTreeSet<&PeerName> = sight.snapshot.peers.iter().map(|(peer, _)| peer).collect();
        let known = of(sight)?.into_iter().filter(|(peer, _)| *peer != own);
        let view = |(peer, known): (PeerName, Known)| {
            let reached = reached.get(&peer).filter(|_| connected.contains(&peer));
            view(sight, &peer, &known, connected.contains(&peer), reached)
        };
        Ok(Json(json!({ "peers": known.map(view).collect::<Vec<Value>>() })))
    })
    .await
}

/// All of them.
pub(super) fn of(sight: &Sight<'_>) -> Answered<BTreeMap<PeerName, Known>> {
    let mut known: BTreeMap<PeerName, Known> = BTreeMap::new();
    for (id, standing) in &sight.snapshot.communities {
        for list in sight.store.addresses(*id)? {
            let peer = known.entry(list.peer.as_slice().to_vec()).or_default();
            peer.communities.insert(standing.name().to_owned());
            peer.addresses.extend(
                list.addresses.iter().filter_map(|address| address_of(list.peer.as_slice(), address.as_slice())),
            );
            peer.signed_ms = peer.signed_ms.max(Some(list.seq));
        }
    }
    for (peer, proven) in &sight.snapshot.peers {
        let peer = known.entry(peer.clone()).or_default();
        peer.communities
            .extend(proven.iter().filter_map(|community| sight.community_name(*community)).map(str::to_owned));
    }
    let conduct = &sight.snapshot.conduct;
    let behaved = conduct.peers().map(|(peer, _)| peer.clone());
    let banned = conduct.bans(clock::now()).map(|ban| ban.peer.as_slice().to_vec());
    for peer in behaved.chain(banned) {
        known.entry(peer).or_default();
    }
    for (peer, known) in &mut known {
        for (id, standing) in &sight.snapshot.communities {
            if let Some(person) = standing.met_at(peer) {
                known.persons.entry(person).or_default().insert(*id);
            }
        }
    }
    Ok(known)
}

fn view(sight: &Sight<'_>, peer: &PeerName, known: &Known, connected: bool, reached: Option<&Reached>) -> Value {
    let now = clock::now();
    let nothing = Behaviour::default();
    let behaviour = sight.snapshot.conduct.of(peer).unwrap_or(&nothing);
    let ban = sight.snapshot.conduct.ban(peer, now);
    let person = |(person, communities): (&PersonId, &BTreeSet<CommunityId>)| {
        let communities: Vec<CommunityId> = communities.iter().copied().collect();
        let names: Vec<&str> = communities.iter().filter_map(|id| sight.community_name(*id)).collect();
        json!({
            "person": person.to_string(),
            "name": sight.person_name(*person, &communities),
            "communities": names,
        })
    };
    let synced = |(community, at): (&CommunityId, &hearth_protocol::time::Millis)| {
        json!({
            "community": community.to_string(),
            "community_name": sight.community_name(*community),
            "last_sync_ms": at.0,
        })
    };
    json!({
        "peer": network::peer_text(peer),
        "connected": connected,
        "addresses": known.addresses,
        "communities": known.communities,
        "last_seen_ms": if connected { Some(now.0) } else { known.signed_ms.filter(|at| *at <= now.0) },
        "persons": known.persons.iter().map(person).collect::<Vec<Value>>(),
        "reached": reached.map(|reached| json!({
            "address": reached.address,
            "dialed": reached.dialed,
            "transport": reached.transport(),
            "since_ms": reached.since.0,
        })),
        "synced": behaviour.synced.iter().map(synced).collect::<Vec<Value>>(),
        "refused": refusals(&behaviour.refused),
        "refused_us": refusals(&behaviour.refused_us),
        "strikes": behaviour.strikes(now),
        "banned_until_ms": ban.map(|ban| ban.until.0),
        "ban_reason": ban.map(|ban| ban.why.as_str()),
    })
}

fn refusals(names: &BTreeMap<&'static str, Refusals>) -> Vec<Value> {
    let view = |(name, of): (&&str, &Refusals)| json!({ "name": name, "count": of.count, "last_ms": of.last.0 });
    names.iter().map(view).collect()
}
