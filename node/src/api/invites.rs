//! Invites: making a key, looking into one, listing and ending them.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use hearth_protocol::{
    engine::{Answer, Command},
    id::CertId,
    invite::{InviteCert, InviteKey},
    limits, pasted,
    time::DAY_MS,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    communities::{Nothing, role},
    error::Answered,
    other_answer, resolve,
    take::{At, Id, Told},
};
use crate::{clock, network};

/// The life of an invite that nobody has bounded.
const LIFE_MS: u64 = 7 * DAY_MS;

/// What an invite grants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToInvite {
    community: String,
    role: Option<String>,
    uses: Option<u32>,
    expires_ms: Option<u64>,
    only: Option<String>,
}

/// Makes an invite key.
pub(super) async fn create(State(app): State<App>, id: Id, Told(wanted): Told<ToInvite>) -> Answered<Json<Value>> {
    let role = role(wanted.role.as_deref().unwrap_or("member"))?;
    let (uses, life_ms) = (wanted.uses.unwrap_or(1), wanted.expires_ms.unwrap_or(LIFE_MS));
    let (community, only) = app
        .read(move |sight| {
            let community = resolve::community(&sight.snapshot, &wanted.community)?;
            let only = wanted.only.as_deref().map(|text| resolve::person(sight, &[community], text)).transpose()?;
            Ok((community, only))
        })
        .await?;
    let command = Command::Invite { community, role, uses, life_ms, only };
    let Answer::Invite(cert, key) = app.command(command, id.0).await? else { return Err(other_answer()) };
    Ok(Json(json!({ "invite": cert.to_string(), "link": pasted::to_link(&key), "key": key })))
}

/// A pasted key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pasted {
    key: String,
}

/// What a key says, without using it.
pub(super) async fn inspect(State(app): State<App>, Told(pasted): Told<Pasted>) -> Answered<Json<Value>> {
    let key = InviteKey::from_text(&pasted.key)?;
    let cert = &key.cert.value;
    let snapshot = app.handle.snapshot();
    let standing = snapshot.communities.get(&key.community);
    let hints: Vec<String> =
        key.hints.iter().filter_map(|hint| address_of(hint.0.as_slice(), hint.1.as_slice())).collect();
    Ok(Json(json!({
        "invite": CertId::from(key.cert.id()).to_string(),
        "community": key.community.to_string(),
        "community_name": standing.map(|standing| standing.name()),
        "inviter": cert.inviter.to_string(),
        "inviter_name": standing.and_then(|standing| standing.name_of(cert.inviter)),
        "role": cert.role.name(),
        "uses": cert.max_uses,
        "only": cert.only.map(|person| person.to_string()),
        "not_before_ms": cert.not_before.0,
        "not_after_ms": cert.not_after.0,
        "expired": clock::now() > cert.not_after,
        "hints": hints,
    })))
}

/// An address as text, with the peer at its end.
pub(super) fn address_of(peer: &[u8], address: &[u8]) -> Option<String> {
    let text = network::address_from_bytes(address).ok()?;
    Some(if text.contains("/p2p/") { text } else { format!("{text}/p2p/{}", network::peer_text(peer)) })
}

/// A community's invites: those made here, and those of others that somebody has used.
pub(super) async fn list(State(app): State<App>, At(text): At<String>) -> Answered<Json<Value>> {
    app.read(move |sight| {
        let community = resolve::community(&sight.snapshot, &text)?;
        let states = &sight.standing(community)?.state.invites;
        let own = sight.store.own_invites(community)?;
        let mut certs: BTreeMap<CertId, InviteCert> =
            own.into_iter().map(|invite| (InviteCert::id_of(&invite.cert.signed), invite.cert.value)).collect();
        for (id, state) in states {
            if let Some(cert) = &state.cert {
                certs.entry(*id).or_insert_with(|| cert.clone());
            }
        }
        let mut certs: Vec<_> = certs.into_iter().collect();
        certs.sort_by_key(|(id, cert)| (std::cmp::Reverse(cert.not_before), *id));
        let view = |(id, cert): &(CertId, InviteCert)| {
            let state = states.get(id);
            json!({
                "invite": id.to_string(),
                "inviter": cert.inviter.to_string(),
                "role": cert.role.name(),
                "uses": cert.max_uses,
                "used": state.map_or(0, |state| state.admitted.len()),
                "not_after_ms": cert.not_after.0,
                "ended": state.is_some_and(|state| state.ended),
            })
        };
        Ok(Json(json!({ "invites": certs.iter().map(view).collect::<Vec<_>>() })))
    })
    .await
}

/// Ends an invite before its time.
pub(super) async fn end(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(Nothing {}): Told<Nothing>,
) -> Answered<Json<Value>> {
    let (community, cert) = app.read(move |sight| resolve::invite(sight, &text)).await?;
    app.command(Command::EndInvite { community, cert }, id.0).await?;
    Ok(Json(json!({ "invite": cert.to_string() })))
}

const _: () = assert!(LIFE_MS <= limits::INVITE_LIFE_MS, "the usual life of an invite is one that it may have");
