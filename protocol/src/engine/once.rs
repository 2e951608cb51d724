//! Each thing is asked for once, though several peers have it (decision 12).
//!
//! Whoever was away meets many members at once, and each of them shows the same differences. What one pull has asked
//! for, the others leave to it for a while, and compare again a little later: by then little differs. So it comes once,
//! and where there is much each peer is asked for a part.
//!
//! Leaves to others: what differs, and what is asked next (`sync`). Always true: nobody can keep something from us by
//! being asked for it: who does not answer within [`PATIENCE_MS`] is not waited for, and what is named by id is left to
//! others for so long, the log and whole periods for a round.

use std::collections::BTreeSet;

use super::{Engine, PeerName, ROUND_MS, pull::Step, serve::missing, sets::Given};
use crate::{id::CommunityId, ledger::Ledger, limits, reconcile::ShortId, time::Millis, wire::SetName};

/// After how long a pull that left something to others compares again. A page takes less on most lines.
const PATIENCE_MS: u64 = 2_000;

impl Engine {
    /// Takes from a pull what other peers have been asked for, if it may still be left to them.
    pub(super) fn leave_to_others<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        community: CommunityId,
        ledger: &L,
    ) -> Result<(), L::Error> {
        let Some(state) = self.peers.get(peer) else { return Ok(()) };
        let Some(pull) = state.pulls.get(&community) else { return Ok(()) };
        let set = pull.set;
        let of_others = self.peers.iter().filter(|(other, _)| *other != peer);
        let others = || {
            let pulls = of_others.clone().filter_map(|(_, state)| state.pulls.get(&community));
            pulls.filter(|other| other.set == set && now.since(other.asked_at) < PATIENCE_MS && other.brings())
        };
        // From who leaves there is no second time.
        if state.is_leaving(community) || others().next().is_none() {
            return Ok(());
        }
        let waited = state.waits_since.get(&community).map_or(0, |since| now.since(*since));
        // Items are judged by the log: whoever has to wait for it waits with all that follows.
        let is_log = set == SetName::Operations && !pull.wanted.is_empty();
        let most = if is_log || pull.goes_by_period() { ROUND_MS } else { PATIENCE_MS };
        let all = (is_log || !pull.knows_what_differs()) && waited < most;
        let mut asked: BTreeSet<ShortId> = BTreeSet::new();
        if waited < PATIENCE_MS {
            asked.extend(others().flat_map(|other| &other.asked));
        }
        let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else { return Ok(()) };
        let mut next: Vec<ShortId> = Vec::new();
        while next.is_empty() && !pull.wanted.is_empty() && !all {
            let some: Vec<ShortId> = pull.wanted.drain(..pull.wanted.len().min(limits::FETCH)).collect();
            let count = some.len();
            next.extend(some.into_iter().filter(|id| !asked.contains(id)));
            pull.waits |= next.len() < count;
            // Some of it may have come from another since it was found missing.
            next = missing((community, Given::ALL), set, &next, ledger)?;
        }
        next.into_iter().rev().for_each(|id| pull.wanted.push_front(id));
        if all {
            pull.waits = true;
            pull.wanted.clear();
            pull.open.clear();
            pull.step = Step::Next;
        }
        Ok(())
    }

    /// A pull has left something to others: it is compared for again. Else it has all.
    pub(super) fn come_back(&mut self, now: Millis, peer: &PeerName, community: CommunityId, waits: bool) {
        let Some(state) = self.peers.get_mut(peer) else { return };
        if waits {
            state.waits_since.entry(community).or_insert(now);
            state.compare_at.entry(community).or_insert(now.after(PATIENCE_MS));
        } else {
            state.waits_since.remove(&community);
        }
    }
}
