//! Catching up with one peer: set by set, page by page, what it has and we have not.
//!
//! Simple, and right: fingerprints first, then all ids where those differ, then what is missing.
//! What arrives enters by the same door as gossip. Operations come before items, since items are
//! judged by them.

use std::collections::{BTreeSet, VecDeque};

use super::{
    Decided, Effect, Engine, Event, Fetched, Keep, PeerName,
    receive::Received,
    session::{Question, refused},
};
use crate::{
    bytes::Blob,
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId},
    ledger::Ledger,
    limits,
    link::Carry,
    time::Millis,
    wire::{AnyId, Fingerprint, Request, Response, SetName},
};

/// Bytes of things in one response; the rest of the frame is left to framing.
const FETCHED_BYTES: usize = limits::RESPONSE_BYTES - 64 * 1024;

/// One comparison under way.
#[derive(Debug)]
pub(super) struct Pull {
    /// The set that is being compared.
    set: SetName,
    /// Where the next page begins; none when all ids have been listed.
    after: Option<AnyId>,
    listed: bool,
    /// What is missing here.
    wanted: VecDeque<AnyId>,
    /// What was asked for last and may come only in part.
    asked: Vec<AnyId>,
    asked_for: usize,
    /// Bundles that carries wait for.
    bundles: BTreeSet<BundleHash>,
    /// Whether anything came that changes the log.
    authority: bool,
    /// Whether the peer has shown since that it knows more.
    again: bool,
}

impl Pull {
    fn new() -> Pull {
        Pull {
            set: SetName::Operations,
            after: None,
            listed: false,
            wanted: VecDeque::new(),
            asked: Vec::new(),
            asked_for: 0,
            bundles: BTreeSet::new(),
            authority: false,
            again: false,
        }
    }
}

impl Engine {
    /// Begins a comparison, unless one is under way.
    pub(super) fn compare(&mut self, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        if state.tag_for(community).is_none() {
            return Vec::new();
        }
        if let Some(pull) = state.pulls.get_mut(&community) {
            pull.again = true;
            return Vec::new();
        }
        state.pulls.insert(community, Pull::new());
        self.next_question_of_pull(peer, community)
    }

    /// Asks what a comparison needs next.
    fn next_question_of_pull(&mut self, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let fingerprints: Vec<Fingerprint> = SetName::COMPARED
            .iter()
            .map(|set| self.standing(community).map(|s| s.fingerprint(*set)).unwrap_or_default())
            .collect();
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        let Some(tag) = state.tag_for(community) else { return Vec::new() };
        let Some(pull) = state.pulls.get_mut(&community) else { return Vec::new() };
        let request = if let Some(bundle) = pull.bundles.pop_first() {
            pull.asked.clear();
            pull.asked_for = 0;
            Request::Fetch(tag, SetName::Bundles, vec![bundle.0])
        } else if !pull.wanted.is_empty() {
            let count = pull.wanted.len().min(limits::FETCH);
            pull.asked = pull.wanted.drain(..count).collect();
            pull.asked_for = count;
            Request::Fetch(tag, pull.set, pull.asked.clone())
        } else {
            let at = SetName::COMPARED.iter().position(|set| *set == pull.set).unwrap_or(0);
            let fingerprint = fingerprints.get(at).copied().unwrap_or_default();
            Request::Ids(tag, pull.set, fingerprint, pull.after)
        };
        vec![self.ask(peer, Question::Pull(community), request)]
    }

    /// An answer to a comparison's question.
    pub(super) fn pulled<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        community: CommunityId,
        response: Response,
        ledger: &L,
    ) -> Decided<L> {
        let mut effects = Vec::new();
        match response {
            Response::Ids(theirs, ids, more) => {
                let Some(ours) = self.standing(community).cloned() else { return Ok(effects) };
                let Some(set) = self.peers.get(peer).and_then(|p| p.pulls.get(&community)).map(|p| p.set) else {
                    return Ok(effects);
                };
                let mut wanted = VecDeque::new();
                let equal = ours.fingerprint(set) == theirs;
                for id in ids.iter().filter(|_| !equal) {
                    if !ledger.holds(community, set, *id)? {
                        wanted.push_back(*id);
                    }
                }
                let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else {
                    return Ok(effects);
                };
                // Ids come in rising order, or a peer could keep us turning pages for ever.
                let forward = ids.first().is_none_or(|first| pull.after.is_none_or(|after| *first > after));
                pull.listed = equal || !more || ids.is_empty() || !forward;
                pull.after = ids.last().copied();
                pull.wanted = wanted;
            }
            Response::Fetch(..) => effects.extend(self.fetched(now, peer, community, ledger)?),
            // The peer does not serve us: removed, or its log is behind. The next hello tries again.
            _ => {
                if let Some(state) = self.peers.get_mut(peer) {
                    state.pulls.remove(&community);
                }
                return Ok(effects);
            }
        }
        effects.extend(self.go_on(now, peer, community));
        Ok(effects)
    }

    /// The last of a fetch has come.
    fn fetched<L: Ledger>(&mut self, now: Millis, peer: &PeerName, community: CommunityId, ledger: &L) -> Decided<L> {
        let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else {
            return Ok(Vec::new());
        };
        // What did not fit is asked for again, as long as something came.
        let left = std::mem::take(&mut pull.asked);
        if left.len() < pull.asked_for {
            for id in left.into_iter().rev() {
                pull.wanted.push_front(id);
            }
        }
        // A log is judged when a whole page of it is here, not after each operation.
        let changed = std::mem::take(&mut pull.authority);
        if changed { self.authority_changed(now, community, ledger) } else { Ok(Vec::new()) }
    }

    /// Goes to the next page, the next set or the end.
    fn go_on(&mut self, now: Millis, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else { return Vec::new() };
        if pull.wanted.is_empty() && pull.bundles.is_empty() && pull.listed {
            let next = SetName::COMPARED.iter().copied().find(|set| *set > pull.set);
            match next {
                Some(set) => {
                    pull.set = set;
                    pull.after = None;
                    pull.listed = false;
                    // The log is whole now: what keys it names is known.
                    let mut effects: Vec<Effect> = self.ask_peer_for_keys(peer, community).into_iter().collect();
                    effects.extend(self.next_question_of_pull(peer, community));
                    return effects;
                }
                None => {
                    let again = pull.again;
                    if let Some(state) = self.peers.get_mut(peer) {
                        state.pulls.remove(&community);
                    }
                    if let Some(standing) = self.standing_mut(community) {
                        standing.synced = Some(now);
                    }
                    let mut effects = vec![Effect::Tell(Event::Synced(community, peer.clone()))];
                    if again {
                        effects.extend(self.compare(peer, community));
                    }
                    // Who left while we fetched what they had written.
                    effects.extend(self.part_with_removed(community));
                    return effects;
                }
            }
        }
        self.next_question_of_pull(peer, community)
    }

    /// One thing of a fetch.
    pub(super) fn arrived<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        id: u64,
        thing: Fetched,
        ledger: &L,
    ) -> Decided<L> {
        let Some(Question::Pull(community)) = self.question_of(peer, id) else { return Ok(Vec::new()) };
        let (name, received, effects) = match thing {
            Fetched::Operation(operation) => {
                let name = OpId::from(operation.id()).0;
                let (received, effects) = self.receive_operation(now, community, *operation);
                (name, received, effects)
            }
            Fetched::Carry(carry) => {
                let name = carry.envelope_id().map_or(carry.id().0, |id| id.0);
                let bundle = carry.envelope.as_ref().map(|e| e.value.proof);
                let (received, effects) = self.receive_carry(now, community, carry, ledger)?;
                if let Some(bundle) =
                    bundle.filter(|b| received == Received::Early && self.waiting_bundles.contains_key(b))
                    && let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community))
                {
                    pull.bundles.insert(bundle);
                }
                (name, received, effects)
            }
            Fetched::Bundle(hash, bytes) => return self.receive_bundle(now, hash, bytes, ledger),
            Fetched::Blob(hash, bytes) => return Ok(vec![Effect::Keep(Keep::Blob(hash, bytes))]),
            Fetched::Refused(why) => return Ok(vec![Effect::Tell(Event::Refused(why.name()))]),
        };
        if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
            pull.asked.retain(|asked| *asked != name);
            pull.authority |= pull.set == SetName::Operations && received == Received::New;
        }
        Ok(effects)
    }

    /// Lists ids, where the sets differ; and looks the other way too, since then the peer may
    /// know more than we do.
    pub(super) fn answer_ids<L: Ledger>(
        &mut self,
        peer: &PeerName,
        community: CommunityId,
        set: SetName,
        theirs: Fingerprint,
        after: Option<AnyId>,
        ledger: &L,
    ) -> Result<(Response, Vec<Effect>), L::Error> {
        let Some(standing) = self.standing(community) else { return Ok((refused("unknown"), Vec::new())) };
        let ours = standing.fingerprint(set);
        if ours == theirs || !SetName::COMPARED.contains(&set) {
            return Ok((Response::Ids(ours, Vec::new(), false), Vec::new()));
        }
        let ids = ledger.ids(community, set, after, limits::IDS_PER_PAGE)?;
        let more = ids.len() == limits::IDS_PER_PAGE;
        let seen = self.peers.get(peer).and_then(|p| p.last_seen(community, set));
        let mut effects = Vec::new();
        if seen != Some(theirs) {
            if let Some(state) = self.peers.get_mut(peer) {
                state.saw(community, set, theirs);
            }
            effects = self.compare(peer, community);
        }
        Ok((Response::Ids(ours, ids, more), effects))
    }

    /// Sends what is asked for and here, as far as it fits.
    pub(super) fn answer_fetch<L: Ledger>(
        &self,
        community: CommunityId,
        set: SetName,
        ids: &[AnyId],
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let mut things = Vec::new();
        let mut room = FETCHED_BYTES;
        for id in ids {
            let bytes = match set {
                SetName::Operations => {
                    self.standing(community).and_then(|s| s.log.get(OpId(*id))).map(|place| place.signed.to_bytes())
                }
                SetName::Items if ledger.holds(community, set, *id)? => {
                    self.plain_carry(ItemId(*id), ledger)?.map(|c| c.to_bytes())
                }
                SetName::Envelopes if ledger.holds(community, set, *id)? => {
                    self.relayed_carry(EnvelopeId(*id), ledger)?.map(|c| c.to_bytes())
                }
                SetName::Bundles => ledger.bundle(BundleHash(*id))?,
                SetName::Blobs => ledger.blob(*id)?,
                SetName::Items | SetName::Envelopes => None,
            };
            let Some(bytes) = bytes else { continue };
            // The frame around each thing takes a few bytes more.
            match room.checked_sub(bytes.len().saturating_add(8)) {
                Some(left) => room = left,
                None => break,
            }
            things.extend(Blob::new(bytes));
        }
        Ok(Response::Fetch(set, things))
    }

    pub(super) fn plain_carry<L: Ledger>(&self, id: ItemId, ledger: &L) -> Result<Option<Carry>, L::Error> {
        let Some(item) = super::author::item(ledger, id)? else { return Ok(None) };
        let body = ledger.body(item.header.body_hash)?;
        Ok(Some(Carry::plain(item.signed, body)))
    }
}
