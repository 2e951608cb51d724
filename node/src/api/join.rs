//! Joining: presents an invite key, and waits until a member has let us in and the first
//! comparison is complete.

use std::{collections::BTreeSet, time::Duration};

use axum::{Json, extract::State};
use hearth_protocol::{
    authority::Role,
    engine::{Answer, Command, Event, PeerName},
    id::CommunityId,
    invite::InviteKey,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    error::{Answered, ApiError},
    other_answer, resolve,
    take::{Id, Told},
    wait::{Heard, Waiting},
};

/// How long to wait where nobody says.
const WAIT_MS: u64 = 30_000;
/// How long to wait at most; the join goes on all the same.
const LONGEST_WAIT_MS: u64 = 10 * 60_000;
/// What a peer says that knows no such community; it may be right, and another may know it.
const UNKNOWN: &str = "unknown";

/// A key, and how long to wait.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToJoin {
    key: String,
    wait_ms: Option<u64>,
}

/// Asks to be let in, and waits.
pub(super) async fn join(State(app): State<App>, id: Id, Told(wanted): Told<ToJoin>) -> Answered<Json<Value>> {
    let key = InviteKey::from_text(&wanted.key)?;
    let community = key.community;
    let limit = Duration::from_millis(wanted.wait_ms.unwrap_or(WAIT_MS).min(LONGEST_WAIT_MS));
    let mut progress = Progress {
        community,
        hints: key.hints.iter().map(|hint| hint.0.as_slice().to_vec()).collect(),
        unknown: 0,
        synced: false,
    };
    let mut waiting = Waiting::new(&app, limit);
    let Answer::Joining(_) = app.command(Command::Join(Box::new(key), wanted.key), id.0).await? else {
        return Err(other_answer());
    };
    loop {
        if let Some((name, role)) = progress.done(&app) {
            return Ok(Json(json!({ "community": community.to_string(), "name": name, "role": role.name() })));
        }
        match waiting.next().await? {
            Heard::Event(event) => {
                if let Err(error) = progress.heard(&app, event) {
                    // Asking again would be answered the same.
                    let cancelled = app.command(Command::CancelJoin(community), None).await;
                    tracing::debug!(?cancelled, "a refused join waits no longer");
                    return Err(error);
                }
            }
            Heard::Missed => {}
            Heard::Over => return Err(progress.over(&app)),
        }
    }
}

/// How far a join has come.
struct Progress {
    community: CommunityId,
    /// The peers that the key names.
    hints: BTreeSet<PeerName>,
    /// Peers that know no such community.
    unknown: usize,
    synced: bool,
}

impl Progress {
    /// The community's name and our role, once we are in and the first comparison is complete.
    fn done(&self, app: &App) -> Option<(String, Role)> {
        let snapshot = app.handle.snapshot();
        let standing = snapshot.communities.get(&self.community)?;
        let role = standing.state.role(app.me.person());
        (role > Role::None && (self.synced || standing.synced.is_some())).then(|| (standing.name().to_owned(), role))
    }

    fn heard(&mut self, app: &App, event: Event) -> Answered<()> {
        match event {
            Event::Synced(community, _) if community == self.community => self.synced = true,
            Event::JoinRefused(community, name) if community == self.community => {
                // Nobody has said no where nobody could be asked.
                if name == UNKNOWN || name.is_empty() {
                    self.unknown += usize::from(name == UNKNOWN);
                    return self.anybody_left(app);
                }
                return Err(ApiError::refused_by_member(&name));
            }
            _ => {}
        }
        Ok(())
    }

    /// Each connected peer answers once; those that the key names may not have been reached yet.
    fn anybody_left(&self, app: &App) -> Answered<()> {
        let connected = app.handle.snapshot().peers.iter().map(|(peer, _)| peer.clone()).collect::<BTreeSet<_>>();
        if self.unknown < connected.union(&self.hints).count() {
            return Ok(());
        }
        let error = "nobody at the addresses in this key belongs to that community";
        Err(ApiError::conflict("unknown_community", error, "ask whoever invited you for a new key"))
    }

    fn over(&self, app: &App) -> ApiError {
        let snapshot = app.handle.snapshot();
        let joined = snapshot
            .communities
            .get(&self.community)
            .is_some_and(|standing| standing.state.role(app.me.person()) > Role::None);
        if joined {
            let error = "you are in, but not everything has arrived yet";
            return ApiError::late(
                "not_synced",
                error,
                "the rest comes by itself while the node runs; or: hearth sync",
            );
        }
        let error = "no member has answered yet; the join stays pending";
        let hint = format!(
            "leave the node running, and it goes on asking: hearth run; to give up: hearth join --cancel {}",
            self.community
        );
        ApiError::late("no_answer", error, hint)
    }
}

/// Which join.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToCancel {
    community: String,
}

/// Gives up a join that waits.
pub(super) async fn cancel(State(app): State<App>, id: Id, Told(wanted): Told<ToCancel>) -> Answered<Json<Value>> {
    let community = resolve::pending(&app.handle.snapshot(), &wanted.community)?;
    app.command(Command::CancelJoin(community), id.0).await?;
    Ok(Json(json!({ "community": community.to_string() })))
}
