//! Members who were connected until lately: they are looked for more often than once a round.
//!
//! One of them is dialled every two seconds, in turn. Leaves to others: whom to dial every round, and how
//! (`Engine::redial`).
//! Always true: it costs one dial in two seconds, however many are lost, and ends ten minutes after the last was.

use std::{collections::BTreeMap, ops::Bound};

use super::{Effect, Engine, PeerName};
use crate::{limits, time::Millis};

/// How often one of them is dialled.
const PROBE_MS: u64 = 2_000;
/// For how long: who is away for longer is found by a round.
const LATELY_MS: u64 = 10 * 60 * 1000;

/// Who was lost lately, and when.
#[derive(Debug, Default)]
pub(super) struct Lost {
    since: BTreeMap<PeerName, Millis>,
    /// Who was dialled last.
    last: Option<PeerName>,
    /// When the next one is; none while there are none.
    next: Option<Millis>,
}

impl Lost {
    /// When the next one is to be dialled.
    pub(super) fn next(&self) -> Option<Millis> {
        self.next
    }

    /// The one after whom was dialled last, from the first on after the last.
    fn turn(&mut self, now: Millis) -> Option<PeerName> {
        self.since.retain(|_, since| now.since(*since) < LATELY_MS);
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let next =
            self.since.range::<PeerName, _>((after, Bound::Unbounded)).next().or_else(|| self.since.iter().next());
        self.last = next.map(|(peer, _)| peer.clone());
        self.last.clone()
    }
}

impl Engine {
    /// A peer is gone; a member is looked for.
    pub(super) fn lose(&mut self, now: Millis, peer: &PeerName) {
        let is_known = self.communities.values().any(|standing| standing.book.contains_key(peer));
        if is_known && self.lost.since.len() < limits::PEERS_REMEMBERED {
            self.lost.since.insert(peer.clone(), now);
            self.lost.next.get_or_insert(now.after(PROBE_MS));
        }
    }

    /// A peer is there.
    ///
    /// The others who are lost are not dialled for it: a connection may be refused as soon as it is there, as one too
    /// many of a peer that was killed and is back, and each such one would lead to more.
    pub(super) fn found_again(&mut self, peer: &PeerName) {
        self.lost.since.remove(peer);
    }

    /// Dials one of the lost, if it is time.
    pub(super) fn probe(&mut self, now: Millis) -> Vec<Effect> {
        if self.lost.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let turn = self.lost.turn(now);
        self.lost.next = turn.is_some().then(|| now.after(PROBE_MS));
        turn.map(|lost| self.dial_those(|peer| *peer == lost)).unwrap_or_default()
    }
}
