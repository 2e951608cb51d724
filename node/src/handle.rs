//! The way to the driver: bounded, and shared by everyone who wants something decided.

use std::{collections::BTreeMap, sync::Arc};

use hearth_protocol::{
    engine::{Answer, ClockDoubt, Command, CommandRefusal, Conduct, Event, Input, PeerName, Standing},
    id::CommunityId,
    time::Millis,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::desk::Tended;

/// A request's own id: the same again is the same request.
pub type RequestId = [u8; 16];

/// Work for the driver.
#[derive(Debug)]
pub(crate) enum Work {
    Input(Box<Input>),
    Command {
        command: Box<Command>,
        request: Option<RequestId>,
        reply: oneshot::Sender<Result<Answer, Failure>>,
    },
    /// The network is there: listen and dial.
    Start,
    Stop,
}

/// Why a command has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The engine says no.
    #[error(transparent)]
    Refused(#[from] CommandRefusal),
    /// The disk is too full to take it.
    #[error("{0}")]
    DiskFull(String),
    /// The store cannot be read or written.
    #[error("{0}")]
    Store(String),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// The driver has ended.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the node is stopping")]
pub struct Ended;

/// The driver's inbox.
#[derive(Debug, Clone)]
pub(crate) struct Inbox(pub(crate) mpsc::Sender<Work>);

impl Inbox {
    pub(crate) async fn input(&self, input: Input) -> Result<(), Ended> {
        self.0.send(Work::Input(Box::new(input))).await.map_err(|_| Ended)
    }

    pub(crate) async fn stop(&self) {
        // An error means that it has stopped already.
        let _ = self.0.send(Work::Stop).await;
    }
}

/// What can be seen of the engine from outside: as of the last batch that was kept.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The communities.
    pub communities: BTreeMap<CommunityId, Arc<Standing>>,
    /// This node's person's own space.
    pub own_space: Option<CommunityId>,
    /// Communities that this node waits to join.
    pub pending: Vec<CommunityId>,
    /// Connected peers, each with the communities it has proven a role in.
    pub peers: Vec<(PeerName, Vec<CommunityId>)>,
    /// Refusals so far, by name.
    pub refusals: BTreeMap<&'static str, u64>,
    /// How peers behave, and who is banned.
    pub conduct: Arc<Conduct>,
    /// That this node's clock seems to be wrong.
    pub clock: Option<ClockDoubt>,
}

/// For commands and for watching; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) inbox: Inbox,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(crate) reached: watch::Receiver<Arc<Reaches>>,
    pub(crate) tended: watch::Receiver<Tended>,
}

/// The connections of a node, by peer.
pub(crate) type Reaches = BTreeMap<PeerName, Reached>;

/// How a peer is reached that is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Of the peer, where this node dialled it; else only where the connection came from.
    pub(crate) address: String,
    /// Whether this node opened the connection.
    pub(crate) dialed: bool,
    /// Since when.
    pub(crate) since: Millis,
}

impl Reached {
    /// What the connection runs over.
    pub(crate) fn transport(&self) -> &'static str {
        if self.address.contains("/quic") { "quic" } else { "tcp" }
    }
}

impl Handle {
    /// Has a command carried out; answers when what it wrote is on the disk.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn command(&self, command: Command, request: Option<RequestId>) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Command { command: Box::new(command), request, reply };
        self.inbox.0.send(work).await.map_err(|_| Failure::Stopping)?;
        answer.await.map_err(|_| Failure::Stopping)?
    }

    /// What the engine holds now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// How those that are connected are reached.
    pub(crate) fn reached(&self) -> Arc<Reaches> {
        self.reached.borrow().clone()
    }

    /// How far the selections are worked through.
    pub(crate) fn tended(&self) -> Tended {
        self.tended.borrow().clone()
    }

    /// Things that wait for the driver.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inbox.0.max_capacity() - self.inbox.0.capacity()
    }
}
