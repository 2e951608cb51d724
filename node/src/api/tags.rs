//! How a broker says the tags of one community in another.

use axum::{Json, extract::State};
use hearth_protocol::{
    engine::{Command, DeskCommand},
    id::CommunityId,
    ledger::Ledger as _,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    error::Answered,
    resolve,
    sight::Sight,
    spoken::{self, Mapping},
    take::{At, Id, Told},
};

fn shown(sight: &Sight<'_>, from: CommunityId, to: CommunityId) -> Answered<Value> {
    let map = sight.store.tag_map(from, to)?;
    let pairs: Vec<_> = map.iter().map(|(tag, said)| (tag.clone(), said.clone())).collect();
    Ok(json!({
        "from": from.to_string(),
        "from_name": sight.community_name(from),
        "to": to.to_string(),
        "to_name": sight.community_name(to),
        "tags": spoken::mapping(&pairs),
    }))
}

fn border(sight: &Sight<'_>, from: &str, to: &str) -> Answered<(CommunityId, CommunityId)> {
    Ok((resolve::community(&sight.snapshot, from)?, resolve::community(&sight.snapshot, to)?))
}

/// What is said for which tag.
pub(super) async fn list(State(app): State<App>, At((from, to)): At<(String, String)>) -> Answered<Json<Value>> {
    app.read(move |sight| {
        let (from, to) = border(sight, &from, &to)?;
        shown(sight, from, to).map(Json)
    })
    .await
}

/// What to say from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToMap {
    #[serde(default)]
    map: Vec<Mapping>,
    #[serde(default)]
    remove: Vec<String>,
}

/// Changes it.
pub(super) async fn change(
    State(app): State<App>,
    id: Id,
    At((from, to)): At<(String, String)>,
    Told(wanted): Told<ToMap>,
) -> Answered<Json<Value>> {
    let (from, to) = app.read(move |sight| border(sight, &from, &to)).await?;
    let map = wanted.map.iter().map(Mapping::tags).collect::<Answered<Vec<_>>>()?;
    let forget = wanted.remove.iter().map(|tag| spoken::tag(tag)).collect::<Answered<Vec<_>>>()?;
    app.command(Command::Desk(DeskCommand::MapTags { from, to, map, forget }), id.0).await?;
    app.read(move |sight| shown(sight, from, to).map(Json)).await
}
