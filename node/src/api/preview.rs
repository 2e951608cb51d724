//! A look at what a relay would send: the very bytes, and what they tell to whom receives them.
//!
//! Leaves to others: putting it together (the engine's `depart`, by which a relay is sent too). Always true: nothing is
//! signed, kept or sent.

use axum::{Json, extract::State};
use data_encoding::HEXLOWER;
use hearth_protocol::{
    authority::Operation,
    encoding::encode,
    engine::{Departure, Standing, depart},
    id::PersonId,
    item::{Body, Kind},
    ledger::Ledger as _,
    person::{Caps, Person, PersonRecord},
};
use serde_json::{Value, json};

use super::{
    App,
    error::{Answered, ApiError},
    log,
    sight::Sight,
    spoken::{self, Spoken, ToCarry},
    take::Told,
    view::{self, Says},
};
use crate::clock;

/// What would leave, and what it tells.
pub(super) async fn preview(State(app): State<App>, Told(wanted): Told<ToCarry>) -> Answered<Json<Value>> {
    let device = app.me.device.public();
    app.read(move |sight| {
        let spoken = wanted.speak(sight)?;
        let (leaving, entering) = (sight.standing(spoken.from)?, sight.standing(spoken.to)?);
        let words = (spoken.note.clone(), spoken.summary.clone(), spoken.tags.as_slice());
        let me = (sight.me, device);
        let departure = depart(clock::now(), me, spoken.item, (leaving, entering), words, &sight.store)??;
        Ok(Json(json!({
            "item": spoken.item.to_string(),
            "from": spoken.from.to_string(),
            "from_name": leaving.name(),
            "to": spoken.to.to_string(),
            "to_name": entering.name(),
            "quarantined": departure.quarantine,
            "note": spoken.note.as_str(),
            "summary": spoken.summary.as_ref().map(ToString::to_string),
            "tags": spoken.tags,
            "mapped": spoken::mapping(&spoken.mapped),
            "parts": parts(&departure),
            "discloses": discloses(sight, leaving, &spoken, &departure)?,
        })))
    })
    .await
}

/// Each part as it crosses. The envelope's last 64 bytes are zeros: there the broker signs.
fn parts(departure: &Departure) -> Vec<Value> {
    let carry = departure.unsigned();
    let bytes = [
        ("item", encode(&carry.item)),
        ("body", encode(&carry.body)),
        ("envelope", encode(&carry.envelope)),
        ("bundle", departure.bundle.to_bytes()),
    ];
    bytes
        .iter()
        .map(|(part, bytes)| json!({ "part": part, "bytes": bytes.len(), "hex": HEXLOWER.encode(bytes) }))
        .collect()
}

fn discloses(sight: &Sight<'_>, leaving: &Standing, spoken: &Spoken, departure: &Departure) -> Answered<Value> {
    let header = &departure.item.header;
    let body = departure.item.body(&departure.body).map_err(|_| ApiError::broken())?;
    let records = departure.bundle.persons.iter();
    let others: Vec<Person> =
        records.map(PersonRecord::check).collect::<Result<_, _>>().map_err(|_| ApiError::broken())?;
    let founders = &leaving.log.community().founders;
    let known = |person: PersonId| founders.iter().chain(&others).find(|known| known.id == person);
    let whole = |person: &Person| whole(sight, leaving, person);
    let mut operations = Vec::new();
    let mut stewards: Vec<PersonId> = Vec::new();
    for signed in &departure.bundle.operations {
        let operation = signed.read::<Operation>().map_err(|_| ApiError::broken())?;
        if !stewards.contains(&operation.author) {
            stewards.push(operation.author);
        }
        operations.push(json!({
            "kind": operation.body.name(),
            "author": operation.author.to_string(),
            "author_name": sight.person_name(operation.author, &[leaving.id()]),
            "at_ms": operation.ts.0,
            "what": log::what(sight, leaving, &operation),
        }));
    }
    // Of an item that was edited the edits follow, each in an envelope of its own.
    let edits: Vec<String> =
        sight.store.changes(departure.item.id, Kind::EDIT)?.iter().map(ToString::to_string).collect();
    Ok(json!({
        "author": known(header.author).map(whole),
        "signed_by": header.device.0.to_string(),
        "place": { "number": header.seq, "before": header.prev.map(|id| id.to_string()) },
        "says": Says::of(Some(&body)),
        "kind": header.kind.name(),
        "created_ms": header.ts.0,
        "reach": header.reach,
        "own_tags": view::tags_of(&departure.item),
        "replies_to": header.re.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "target": header.target.map(|id| id.to_string()),
        "attachments": attachments(&body),
        "edits": edits,
        "community": { "community": leaving.id().to_string(), "name": leaving.name() },
        "founders": founders.iter().map(whole).collect::<Vec<_>>(),
        "stewards": stewards.iter().filter_map(|id| known(*id)).map(whole).collect::<Vec<_>>(),
        "operations": operations,
        "broker": {
            "person": departure.envelope.broker.to_string(),
            "name": sight.person_name(departure.envelope.broker, &[leaving.id()]),
            "device": departure.envelope.device.0.to_string(),
        },
        "tags": spoken.tags,
    }))
}

/// Somebody whose whole identity goes along: a name only where the genesis has it.
fn whole(sight: &Sight<'_>, leaving: &Standing, person: &Person) -> Value {
    // A certificate that allows nothing is of the words, not of a device.
    let devices = person.devices.iter().filter(|cert| cert.caps != Caps::NONE);
    json!({
        "person": person.id.to_string(),
        "name": sight.person_name(person.id, &[leaving.id()]),
        "named": leaving.log.community().founder(person.id).is_some(),
        "devices": devices.map(|cert| cert.device.0.to_string()).collect::<Vec<_>>(),
    })
}

fn attachments(body: &Body) -> Vec<Value> {
    let Body::Post(post) = body else { return Vec::new() };
    post.attachments
        .iter()
        .map(|file| json!({ "name": file.0.as_str(), "media": file.1.as_str(), "bytes": file.2 }))
        .collect()
}
