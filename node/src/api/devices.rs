//! This person's devices: listing them, pairing a new one, and revoking those that are gone.
//!
//! The own space's log says which devices there are. One that only another community knows is listed
//! too: for who came back with the 24 words, that is the lost one. Leaves to others: certifying and
//! revoking (the engine). Always true: the recovery certificate is shown to nobody, and a pairing
//! code is kept on no disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{Json, extract::State};
use hearth_protocol::{
    authority::Body,
    engine::{Answer, Command, Event, NextKey, Standing},
    id::PersonId,
    key::PublicKey,
    limits::PAIRING_MS,
    pasted,
    person::{Caps, DeviceCert},
    time::Millis,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    App,
    communities::Nothing,
    error::{Answered, ApiError},
    findings, other_answer, resolve,
    sight::Sight,
    take::{Id, Told},
    wait::{Heard, Waiting},
};
use crate::{clock, handle::Snapshot};

/// What a device may sign, by the words that lists have for it.
const MAY: [(&str, Caps); 3] = [("items", Caps::ITEMS), ("operations", Caps::OPERATIONS), ("admit", Caps::ADMIT)];

/// What is known of a device.
pub(super) struct Known {
    /// None where its certificate is in no log that is here.
    cert: Option<DeviceCert>,
    revoked: bool,
}

/// A device as lists have it.
#[derive(Debug, Serialize)]
struct DeviceView {
    device: String,
    this: bool,
    may: Vec<&'static str>,
    key: Option<u8>,
    since_ms: Option<u64>,
    revoked: bool,
    /// Whether it holds the identity key: known of this device only.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_key: Option<bool>,
    /// The proofs that there are two of it, by community.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forked: Vec<Value>,
}

/// All of them: this one first, those that are revoked last.
pub(super) async fn list(State(app): State<App>) -> Answered<Json<Value>> {
    let mut forked = app.read(forked).await?;
    let (here, holds_key) = (app.me.device.public(), app.me.key.is_some());
    let mut devices: Vec<_> = known(&app.handle.snapshot(), app.me.person()).into_iter().collect();
    let since = |known: &Known| known.cert.as_ref().map_or(0, |cert| cert.ts.0);
    devices.sort_by_key(|(device, known)| (*device != here, known.revoked, since(known), *device));
    let view = |(device, known): (PublicKey, Known)| {
        let caps = known.cert.as_ref().map_or(Caps::NONE, |cert| cert.caps);
        DeviceView {
            device: device.0.to_string(),
            this: device == here,
            may: MAY.iter().filter(|(_, cap)| caps.include(*cap)).map(|(word, _)| *word).collect(),
            key: known.cert.as_ref().map(|cert| cert.index),
            since_ms: known.cert.as_ref().map(|cert| cert.ts.0),
            revoked: known.revoked,
            identity_key: (device == here).then_some(holds_key),
            forked: forked.remove(&device).unwrap_or_default(),
        }
    };
    Ok(Json(json!({ "devices": devices.into_iter().map(view).collect::<Vec<_>>() })))
}

/// What this person's devices have signed twice, wherever that is known.
fn forked(sight: &Sight<'_>) -> Answered<BTreeMap<PublicKey, Vec<Value>>> {
    let mut forked: BTreeMap<PublicKey, Vec<Value>> = BTreeMap::new();
    for community in sight.communities() {
        for twice in findings::twice(sight, sight.standing(community)?)? {
            if twice.person == sight.me {
                let mut proof = twice.proof();
                proof["community"] = json!(community.to_string());
                forked.entry(twice.device).or_default().push(proof);
            }
        }
    }
    Ok(forked)
}

/// Every device that a log here knows of. The own space has the last word on those that it knows;
/// any other is revoked where nobody takes it for good any more.
pub(super) fn known(snapshot: &Snapshot, me: PersonId) -> BTreeMap<PublicKey, Known> {
    let own = snapshot.own_space.and_then(|own| snapshot.communities.get(&own));
    let others = snapshot.communities.values().filter(|s| Some(s.id()) != snapshot.own_space && s.is_in(me));
    let mut all: BTreeMap<PublicKey, Known> = own.map(|own| known_to(own, me)).unwrap_or_default();
    let by_own: BTreeSet<PublicKey> = all.keys().copied().collect();
    for (device, found) in others.flat_map(|standing| known_to(standing, me)) {
        if by_own.contains(&device) {
            continue;
        }
        let known = all.entry(device).or_insert(Known { cert: None, revoked: true });
        known.revoked &= found.revoked;
        known.cert = known.cert.take().or(found.cert);
    }
    all
}

fn known_to(standing: &Standing, me: PersonId) -> BTreeMap<PublicKey, Known> {
    let revoked = standing.state.revoked(me);
    let gone = revoked.iter().map(|device| {
        let cert = certificates(standing, me).into_iter().find(|cert| cert.device == *device);
        (*device, Known { cert, revoked: true })
    });
    let current = standing.state.members.get(&me).map(|member| member.devices.as_slice()).unwrap_or_default();
    let current = current.iter().filter(|cert| cert.caps != Caps::NONE && !revoked.contains(&cert.device));
    gone.chain(current.map(|cert| (cert.device, Known { cert: Some(cert.clone()), revoked: false }))).collect()
}

/// All certificates that the log shows, of revoked devices too.
fn certificates(standing: &Standing, me: PersonId) -> Vec<DeviceCert> {
    let said = standing.log.operations().filter(|place| place.operation.author == me).flat_map(|place| {
        match &place.operation.body {
            Body::Keys(keys) => keys.devices.to_vec(),
            _ => Vec::new(),
        }
    });
    let came_with = standing.state.members.get(&me).map(|member| member.record.devices.to_vec()).unwrap_or_default();
    said.chain(came_with).filter_map(|signed| signed.read::<DeviceCert>().ok()).collect()
}

/// Makes the code with which a new device becomes one of this person's.
pub(super) async fn pair(State(app): State<App>, Told(Nothing {}): Told<Nothing>) -> Answered<Json<Value>> {
    if app.me.key.is_some() && !app.runs() {
        return Err(ApiError::conflict(
            "no_node",
            "the new device has to reach this one, and no node runs here",
            "start it, and make the code from another terminal: hearth run",
        ));
    }
    // Under no request id: what is answered under one is kept on the disk, and this is a secret.
    let Answer::PairingCode(code, until) = app.command(Command::Pair, None).await? else {
        return Err(other_answer());
    };
    Ok(Json(json!({ "code": code, "link": pasted::to_link(&code), "until_ms": until.0 })))
}

/// How long, and for the device of which code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToAwait {
    wait_ms: Option<u64>,
    until_ms: Option<u64>,
}

/// Waits until a device has used the code that is good until then; without that, any code from now on.
pub(super) async fn paired(State(app): State<App>, Told(wanted): Told<ToAwait>) -> Answered<Json<Value>> {
    let limit = Duration::from_millis(wanted.wait_ms.unwrap_or(PAIRING_MS).min(PAIRING_MS));
    let made = wanted.until_ms.map_or_else(clock::now, |until| Millis(until.saturating_sub(PAIRING_MS)));
    let mut waiting = Waiting::new(&app, limit);
    loop {
        if let Some(device) = certified_since(&app, made) {
            return Ok(Json(json!({ "device": device.0.to_string() })));
        }
        match waiting.next().await? {
            Heard::Event(Event::Paired(device)) => return Ok(Json(json!({ "device": device.0.to_string() }))),
            Heard::Event(_) | Heard::Missed => {}
            Heard::Over => {
                let hint = "a code is good for ten minutes and once; for another: hearth device add";
                return Err(ApiError::late("no_answer", "no device has used the code yet", hint));
            }
        }
    }
}

/// The last device beside this one that was certified at that time or later.
fn certified_since(app: &App, made: Millis) -> Option<PublicKey> {
    let (snapshot, here) = (app.handle.snapshot(), app.me.device.public());
    let own = snapshot.communities.get(&snapshot.own_space?)?;
    let fresh = known_to(own, app.me.person()).into_values().filter(|known| !known.revoked);
    let fresh = fresh.filter_map(|known| known.cert).filter(|cert| cert.device != here && cert.ts >= made);
    fresh.max_by_key(|cert| cert.ts).map(|cert| cert.device)
}

/// Which, and from when on what they signed does not stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToRevoke {
    devices: Vec<String>,
    since_ms: Option<u64>,
    /// Whether somebody else may have the identity key too.
    #[serde(default)]
    stolen: bool,
    /// The 24 words, where they are not on this device any more.
    words: Option<String>,
}

/// Revokes devices, in every community.
pub(super) async fn revoke(State(app): State<App>, id: Id, Told(wanted): Told<ToRevoke>) -> Answered<Json<Value>> {
    let known = known(&app.handle.snapshot(), app.me.person());
    let chosen = wanted.devices.iter().map(|text| resolve::device(known.keys(), text));
    let devices: Vec<PublicKey> = chosen.collect::<Answered<BTreeSet<_>>>()?.into_iter().collect();
    if devices.is_empty() {
        let hint = "name one or more: `hearth device list` shows them with their ids";
        return Err(ApiError::typed("missing_field", "no device is named", hint));
    }
    if devices.contains(&app.me.device.public()) {
        let hint = "do it on the device that has your identity key, or make a new one with the 24 words";
        return Err(ApiError::conflict("this_device", "a device cannot revoke itself", hint));
    }
    let since = wanted.since_ms.map(Millis);
    if since.is_some_and(|since| since > clock::now()) {
        let hint = "leave it out, and all that was seen of them until now stands";
        return Err(ApiError::typed("bad_since", "the time from which on nothing stands lies in the future", hint));
    }
    let command =
        Command::RevokeDevices { devices: devices.clone(), since, next: next_key(&app, &wanted).await?.map(Box::new) };
    let Answer::Done = app.command(command, id.0).await? else { return Err(other_answer()) };
    Ok(Json(json!({ "revoked": devices.iter().map(|device| device.0.to_string()).collect::<Vec<_>>() })))
}

/// The next key of the ladder, for devices that were stolen and not only lost (D2): made from the 24 words, which are
/// still on this device or were typed, and put in the place of the one before.
async fn next_key(app: &App, wanted: &ToRevoke) -> Answered<Option<NextKey>> {
    if !wanted.stolen {
        return Ok(None);
    }
    let (snapshot, me) = (app.handle.snapshot(), app.me.person());
    let revealed = snapshot.communities.values().filter_map(|standing| standing.log.rung(me)).max().unwrap_or(0);
    let typed = wanted.words.clone().map(Zeroizing::new);
    let (home, opener) = (app.home.clone(), app.opener.clone());
    let (device, kem) = (app.me.device.public(), app.me.sealing.public());
    let made = tokio::task::spawn_blocking(move || {
        let words = match typed {
            Some(words) => Some(words),
            None => home.words(&opener)?,
        };
        let Some(words) = words else { return Ok(Err(NoNextKey::NoWords)) };
        home.reveal_next(&opener, &words, revealed, (me, device, kem)).map(|next| next.map_err(|()| NoNextKey::LastKey))
    });
    match made.await.map_err(|_| ApiError::broken())?? {
        Ok((key, record)) => Ok(Some(NextKey { key, record })),
        Err(NoNextKey::NoWords) => {
            let hint = "type them: hearth device revoke ID --stolen --words";
            Err(ApiError::conflict(
                "no_words",
                "the next key is made from the 24 words, which are not on this device",
                hint,
            ))
        }
        Err(NoNextKey::LastKey) => {
            let hint = "begin again as a new person, and ask a steward to rule the new one in";
            Err(ApiError::conflict("last_key", "all eight keys of these words were used", hint))
        }
    }
}

enum NoNextKey {
    NoWords,
    LastKey,
}
