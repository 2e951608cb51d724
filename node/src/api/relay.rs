//! Relaying: a broker carries one item over a link, or asks first what would be asked of it.

use axum::{Json, extract::State};
use hearth_protocol::{
    engine::{Answer, Command, CommandRefusal, check_crossing},
    ledger::Ledger as _,
    link::{Gate, Outcome, Owner},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    error::{Answered, ApiError},
    hints, other_answer, resolve,
    spoken::{self, Spoken, ToCarry},
    take::{Asked, At, Id, Told},
};
use crate::clock;

/// Carries an item into another community.
pub(super) async fn relay(State(app): State<App>, id: Id, Told(wanted): Told<ToCarry>) -> Answered<Json<Value>> {
    let spoken = app.read(move |sight| wanted.speak(sight)?.with_note()).await?;
    let (item, to, learned) = (spoken.item, spoken.to, spoken.learned());
    let Spoken { note, summary, tags, mapped, .. } = spoken;
    let said = tags.clone();
    let Answer::Relayed(envelope, outcome) =
        app.command(Command::Relay { item, to, note, summary, tags }, id.0).await?
    else {
        return Err(other_answer());
    };
    if let Some(learned) = learned {
        app.command(Command::Desk(learned), id.part(1)).await?;
    }
    let refusal = if let Outcome::Held(refusal) = outcome { Some(refusal.name()) } else { None };
    Ok(Json(json!({
        "envelope": envelope.to_string(),
        "item": item.to_string(),
        "to": to.to_string(),
        "state": outcome.name(),
        "refusal": refusal,
        "tags": said,
        "mapped": spoken::mapping(&mapped),
    })))
}

/// Where to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Towards {
    to: String,
}

/// Every gate between an item and another community, for this node's person as the broker; nothing is sent.
pub(super) async fn check(
    State(app): State<App>,
    At(item): At<String>,
    Asked(Towards { to }): Asked<Towards>,
) -> Answered<Json<Value>> {
    let device = app.me.device.public();
    app.read(move |sight| {
        let (id, to) = (resolve::item(sight, &item)?, resolve::community(&sight.snapshot, &to)?);
        let signed = sight.store.item(id)?.ok_or_else(|| ApiError::from(CommandRefusal::NoItem))?;
        let carried = signed.trusted().map_err(|_| ApiError::broken())?;
        let from = carried.header.community;
        let (leaving, entering) = (sight.standing(from)?, sight.standing(to)?);
        if leaving.is_own_space() || entering.is_own_space() {
            return Err(CommandRefusal::OwnSpace.into());
        }
        let broker = (sight.me, device);
        let check = check_crossing(clock::now(), broker, &carried, (leaving, entering), &sight.store)?;
        let owner_name = |owner: Owner| match owner {
            Owner::Author => sight.author_name(from, &carried),
            Owner::Leaving => leaving.name().to_owned(),
            Owner::Entering => entering.name().to_owned(),
            Owner::Broker => sight.person_name(sight.me, &[from, to]).unwrap_or_default().to_owned(),
        };
        let gate = |gate: &Gate| {
            let mut view = json!({
                "gate": gate.name(),
                "owner": gate.owner.name(),
                "owner_name": owner_name(gate.owner),
                "passed": gate.passed,
            });
            if !gate.passed {
                view["reason"] = json!(gate.why.name());
                view["error"] = json!(gate.why.to_string());
                view["hint"] = json!(hints::relay_refused(gate.why));
            }
            view
        };
        Ok(Json(json!({
            "item": id.to_string(),
            "from": from.to_string(),
            "from_name": leaving.name(),
            "to": to.to_string(),
            "to_name": entering.name(),
            "crosses": check.gates.refused().is_none(),
            "quarantined": check.quarantine,
            "gates": check.gates.iter().map(gate).collect::<Vec<_>>(),
        })))
    })
    .await
}
