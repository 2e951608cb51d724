//! Waiting for what the engine tells, up to a time.
//!
//! Always true: whoever waits has subscribed before asking for what is waited for, and looks at
//! the engine's picture again where events were missed.

use std::{collections::BTreeSet, time::Duration};

use hearth_protocol::{
    engine::{Event, PeerName},
    id::CommunityId,
};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use super::{
    App,
    error::{Answered, ApiError},
};
use crate::limits::REQUEST_TIME;

/// After so long without news, all that peers have shown to share is taken to have been shown.
const QUIET: Duration = Duration::from_millis(1500);
/// After so long without any event, a comparison under way has stalled: a request is answered
/// sooner or not at all.
const STALLED: Duration = REQUEST_TIME;

/// Events from a moment on, up to another.
pub(super) struct Waiting {
    events: broadcast::Receiver<Event>,
    stop: Option<watch::Receiver<bool>>,
    until: Instant,
}

/// What waiting brings.
#[derive(Debug)]
pub(super) enum Heard {
    Event(Event),
    /// Some events were missed: look at the engine's picture.
    Missed,
    /// The time is over.
    Over,
}

impl Waiting {
    pub(super) fn new(app: &App, limit: Duration) -> Waiting {
        Waiting { events: app.handle.events(), stop: app.stop.get().cloned(), until: Instant::now() + limit }
    }

    /// Waits for the next event, until the time is over.
    pub(super) async fn next(&mut self) -> Answered<Heard> {
        self.next_before(self.until).await
    }

    async fn next_before(&mut self, until: Instant) -> Answered<Heard> {
        let heard = tokio::select! {
            heard = tokio::time::timeout_at(until, self.events.recv()) => heard,
            () = stopped(&mut self.stop) => return Err(ApiError::stopping()),
        };
        match heard {
            Ok(Ok(event)) => Ok(Heard::Event(event)),
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => Ok(Heard::Missed),
            Ok(Err(broadcast::error::RecvError::Closed)) => Err(ApiError::stopping()),
            Err(_) => Ok(Heard::Over),
        }
    }

    /// Waits until every connected peer has been compared with in all that it has shown to share,
    /// nothing new has been shown for a while, and none has fetched anything for as long. Answers with the peers that were compared with.
    pub(super) async fn caught_up(&mut self, app: &App) -> Answered<BTreeSet<PeerName>> {
        let mut compared: BTreeSet<(CommunityId, PeerName)> = BTreeSet::new();
        let mut quiet = Instant::now() + QUIET;
        let mut stalled = Instant::now() + STALLED;
        loop {
            let snapshot = app.handle.snapshot();
            let shared = |community: &CommunityId| snapshot.communities.contains_key(community);
            let all = snapshot
                .peers
                .iter()
                .flat_map(|(peer, proven)| proven.iter().filter(|c| shared(c)).map(|c| (*c, peer.clone())));
            let complete = { all }.all(|one| compared.contains(&one));
            let until = if complete { quiet } else { stalled };
            let heard = self.next_before(until.min(self.until)).await?;
            stalled = Instant::now() + STALLED;
            match heard {
                Heard::Event(Event::Synced(community, peer)) => {
                    compared.insert((community, peer));
                    quiet = Instant::now() + QUIET;
                }
                Heard::Event(Event::PeerConnected(_) | Event::Joined(_) | Event::Served(..)) => {
                    quiet = Instant::now() + QUIET
                }
                Heard::Event(_) | Heard::Missed => {}
                Heard::Over => return Ok(compared.into_iter().map(|(_, peer)| peer).collect()),
            }
        }
    }
}

/// Ends when the node is told to stop; never in a process that has no node to run.
async fn stopped(stop: &mut Option<watch::Receiver<bool>>) {
    match stop {
        // An error: who would tell us is gone, and so is the node.
        Some(stop) => drop(stop.wait_for(|stop| *stop).await),
        None => std::future::pending().await,
    }
}
