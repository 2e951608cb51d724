//! What the network counts: what was lost for want of room, and what was turned away, by name.
//!
//! Leaves to others: showing it.
//! Always true: the task writes and the handles read; no count is ever set back.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use libp2p::{connection_limits, memory_connection_limits, swarm::ListenError};

use super::origins::Crowded;

/// How much was lost for want of room since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Gossip that came in and was not reported.
    pub gossip_in: u64,
    /// Gossip that could not be queued for a peer, counted once for each peer.
    pub gossip_out: u64,
    /// Requests of peers that were closed unreported.
    pub requests: u64,
}

/// The counts behind [`Dropped`] and the refusals, shared by the task and the handles.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) gossip_in: AtomicU64,
    pub(super) gossip_out: AtomicU64,
    pub(super) requests: AtomicU64,
    /// A few names, all of them constants. Nothing is awaited while it is held.
    refused: Mutex<Vec<(&'static str, u64)>>,
}

impl Counts {
    /// What was lost so far.
    pub(super) fn dropped(&self) -> Dropped {
        Dropped {
            gossip_in: self.gossip_in.load(Ordering::Relaxed),
            gossip_out: self.gossip_out.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
        }
    }

    /// Counts a refusal. Answers how often it has this name by now.
    pub(super) fn refuse(&self, name: &'static str) -> u64 {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match refused.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                refused.push((name, 1));
                1
            }
        }
    }

    /// Every refusal so far.
    pub(super) fn refused(&self) -> Vec<(&'static str, u64)> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The name of what ended a connection that others were opening.
pub(super) fn name_of(error: ListenError) -> &'static str {
    let ListenError::Denied { cause } = error else {
        // Silence, another protocol, or a line that broke: nobody can tell which.
        return "connections_handshake";
    };
    let cause = match cause.downcast::<Crowded>() {
        Ok(crowded) => return crowded.name(),
        Err(cause) => cause,
    };
    match cause.downcast::<memory_connection_limits::MemoryUsageLimitExceeded>() {
        Ok(_) => "connections_memory",
        // Of what libp2p bounds itself, only this is about connections of others.
        Err(cause) if cause.downcast_ref::<connection_limits::Exceeded>().is_some() => "connections_peer",
        Err(_) => "connections_denied",
    }
}
