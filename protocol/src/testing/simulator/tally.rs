//! What is counted of a simulation, and the trace by which two runs are compared.
//!
//! Always true: a frame counts where and when it arrives; nothing is decided by what is counted.

use std::collections::BTreeMap;

use super::{FaultTally, Simulator};
use crate::{bytes::Bytes, time::Millis};

/// Frames that have arrived, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub frames: u64,
    /// How long together.
    pub bytes: u64,
}

impl Traffic {
    fn count(&mut self, bytes: &[u8]) {
        self.frames = self.frames.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
    }

    fn and(self, other: Traffic) -> Traffic {
        Traffic { frames: self.frames.saturating_add(other.frames), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// What became of gossip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GossipTally {
    /// Frames that nodes published of their own.
    pub published: u64,
    /// Frames that brought something to a node for the first time.
    pub first: u64,
    /// Frames that brought a node what it had seen.
    pub again: u64,
    /// Frames that got lost.
    pub lost: u64,
    /// Verdicts that dropped a frame without blame.
    pub ignored: u64,
    /// Verdicts that blamed its sender.
    pub rejected: u64,
    /// Over how many connections those of `first` had come, together.
    pub hops: u64,
    /// Over how many one of them had come at most.
    pub most_hops: u32,
}

impl GossipTally {
    /// How many frames came in vain for each that did not, in thousandths.
    #[must_use]
    pub fn redundancy_permille(&self) -> u64 {
        self.again.saturating_mul(1000).checked_div(self.first).unwrap_or(0)
    }
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// When somebody has kept something last.
    pub(super) kept: Millis,
    pub(super) gossip: GossipTally,
    pub(super) faults: FaultTally,
    /// Everything that was due and has happened.
    pub(super) steps: u64,
    /// Things that answers have brought.
    pub(super) fetched: u64,
    exchange: BTreeMap<(String, String), Traffic>,
    gossips: BTreeMap<(String, String), Traffic>,
    trace: blake3::Hasher,
}

impl Tally {
    /// Adds one step to the trace: what it was, where, and who else had part in it.
    pub(super) fn note(&mut self, now: Millis, step: (&str, &str, &str), bytes: &[u8]) {
        self.trace.update(&now.0.to_le_bytes());
        for part in [step.0.as_bytes(), step.1.as_bytes(), step.2.as_bytes(), bytes] {
            self.trace.update(&(part.len() as u64).to_le_bytes());
            self.trace.update(part);
        }
    }

    pub(super) fn exchanged(&mut self, now: Millis, from: &str, to: &str, bytes: &[u8]) {
        self.note(now, ("exchange", from, to), bytes);
        self.exchange.entry((from.to_owned(), to.to_owned())).or_default().count(bytes);
    }

    pub(super) fn gossiped(&mut self, now: Millis, from: &str, to: &str, bytes: &[u8]) {
        self.note(now, ("gossip", from, to), bytes);
        self.gossips.entry((from.to_owned(), to.to_owned())).or_default().count(bytes);
    }
}

impl Simulator {
    /// A hash of everything that has happened: of every input, frame, event and answer, with its time.
    #[must_use]
    pub fn trace(&self) -> String {
        Bytes(*self.tally.trace.finalize().as_bytes()).to_string()
    }

    /// Requests and responses that have arrived at one node from another.
    #[must_use]
    pub fn exchanged(&self, from: &str, to: &str) -> Traffic {
        self.tally.exchange.get(&(from.to_owned(), to.to_owned())).copied().unwrap_or_default()
    }

    /// Gossip that has arrived at one node from another.
    #[must_use]
    pub fn gossiped(&self, from: &str, to: &str) -> Traffic {
        self.tally.gossips.get(&(from.to_owned(), to.to_owned())).copied().unwrap_or_default()
    }

    /// Everything that has arrived anywhere.
    #[must_use]
    pub fn all_traffic(&self) -> Traffic {
        self.tally.exchange.values().chain(self.tally.gossips.values()).fold(Traffic::default(), |sum, t| sum.and(*t))
    }

    /// How many steps were taken: everything that was due and has happened.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.tally.steps
    }

    /// How many operations, items and other things answers have brought.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.tally.fetched
    }

    /// What became of gossip.
    #[must_use]
    pub fn gossip(&self) -> GossipTally {
        self.tally.gossip
    }
}
