//! Catching up with one peer, at the cost of what differs.
//!
//! All sets are compared by fingerprint at once; where they differ, the first cells of the peer's
//! sketch name what differs, or tell how many more cells would. What only the peer has is fetched, and
//! what only we have is offered to it. Where too many differ, the sets are gone through by period: a
//! period of which we have little is taken whole, of others the ids are listed. What arrives enters by
//! the same door as gossip. Operations come before items, since items are judged by them.
//!
//! Leaves to others: what is answered (`serve`), sketches and periods (`reconcile`).
//! Always true: a pull asks one question at a time, and each ends it or leads it on: sets only in
//! their order, a set at most twice, cells only more, periods and places only forward.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Decided, Effect, Engine, Event, Fetched, Keep, PeerName,
    bans::struck_by,
    receive::Received,
    serve::{missing, rises},
    session::Question,
};
use crate::{
    id::{BundleHash, CommunityId, OpId},
    ledger::Ledger,
    limits,
    reconcile::{CELL_BYTES, Cells, Difference, Place, ShortId, short},
    time::Millis,
    wire::{Fingerprint, Request, Response, SetName},
};

/// Cells of each set that are asked for at first: some 30 ids that differ are shown by them, and about
/// how many more do.
const FIRST_CELLS: usize = 48;

/// How long gossip takes to come up, at most: topics are told of, and a heartbeat of one second puts
/// peers into the mesh.
const GOSSIP_UP_MS: u64 = 3_000;

/// One comparison under way.
#[derive(Debug)]
pub(super) struct Pull {
    /// The sets that are still to be gone through, with what the peer has shown of them.
    open: VecDeque<(SetName, Shown)>,
    /// The set that is being gone through.
    set: SetName,
    /// What the peer has shown of it so far.
    shown: Shown,
    step: Step,
    /// Whether the set was gone through by period, after which it is compared once more.
    thorough: bool,
    /// What is missing here.
    wanted: VecDeque<ShortId>,
    /// What the peer lacks.
    offered: Vec<ShortId>,
    /// What was asked for last and may come only in part.
    asked: Vec<ShortId>,
    asked_for: usize,
    /// What the peer has offered, of whichever set.
    offers: BTreeMap<SetName, VecDeque<ShortId>>,
    /// Bundles that carries wait for.
    bundles: BTreeSet<BundleHash>,
    /// Whether to compare again when this is done.
    again: bool,
    /// Its question: what answers another one is of a pull that has ended.
    question: u64,
}

/// What a peer has shown of a set.
#[derive(Debug, Clone, Default)]
struct Shown {
    fingerprint: Fingerprint,
    cells: Cells,
}

/// What is asked next of a set when nothing known is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The fingerprints of all sets.
    Begin,
    /// Cells of its sketch, up to so many in all.
    Cells(usize),
    /// Its periods.
    Periods,
    /// What is in the first of these, beyond a place.
    Through(VecDeque<Period>, Option<Place>),
    /// Nothing: on to the next set.
    Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    number: u64,
    /// Whether it is taken whole, since we have little of it.
    whole: bool,
}

impl Pull {
    fn new(step: Step) -> Pull {
        Pull {
            open: VecDeque::new(),
            set: SetName::Operations,
            shown: Shown::default(),
            step,
            thorough: false,
            wanted: VecDeque::new(),
            offered: Vec::new(),
            asked: Vec::new(),
            asked_for: 0,
            offers: BTreeMap::new(),
            bundles: BTreeSet::new(),
            again: false,
            question: 0,
        }
    }

    /// Whether this question is its own.
    pub(super) fn waits_for(&self, question: u64) -> bool {
        self.question == question
    }

    /// Whether nothing has come of it so far.
    fn has_just_begun(&self) -> bool {
        self.step == Step::Begin && !self.again && self.offers.is_empty()
    }

    /// Whether there is something to ask before the next step.
    fn is_fetching(&self) -> bool {
        !self.wanted.is_empty() || !self.offered.is_empty() || !self.bundles.is_empty()
    }
}

impl Engine {
    /// Begins a comparison, unless one is under way.
    pub(super) fn compare(&mut self, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        self.pull(peer, community, |pull| pull.again = true, || Pull::new(Step::Begin))
    }

    /// The same with a peer that has just proven itself, unless it compares by itself: one of two is
    /// enough.
    pub(super) fn compare_first(&mut self, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let compares = self.peers.get(peer).is_some_and(|state| state.compares.contains(&community));
        if compares && self.has_synced(community) { Vec::new() } else { self.compare(peer, community) }
    }

    /// Compares once more when gossip has come up: what was written in between has passed both by.
    pub(super) fn compare_later(&mut self, now: Millis, peer: &PeerName, community: CommunityId) {
        if let Some(state) = self.peers.get_mut(peer) {
            state.compare_at.insert(community, now.after(GOSSIP_UP_MS));
        }
    }

    /// When the next of these comparisons is due.
    pub(super) fn next_comparison(&self) -> Option<Millis> {
        self.peers.values().flat_map(|state| state.compare_at.values()).min().copied()
    }

    /// Begins those that are due.
    pub(super) fn compare_due(&mut self, now: Millis) -> Vec<Effect> {
        let mut due = Vec::new();
        for (peer, state) in &mut self.peers {
            let of_peer = state.compare_at.iter().filter(|(_, at)| **at <= now);
            due.extend(of_peer.map(|(community, _)| (peer.clone(), *community)));
            state.compare_at.retain(|_, at| *at > now);
        }
        due.into_iter().flat_map(|(peer, community)| self.compare(&peer, community)).collect()
    }

    /// A peer compares its sets with ours. Of two who begin at the same moment, the one with the lower
    /// name goes on.
    pub(super) fn compared_by(
        &mut self,
        now: Millis,
        peer: &PeerName,
        community: CommunityId,
        theirs: &[(SetName, Fingerprint)],
    ) -> Vec<Effect> {
        let may_leave = self.has_synced(community) && self.me.peer > *peer;
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        state.compares.insert(community);
        if may_leave && state.pulls.get(&community).is_some_and(Pull::has_just_begun) {
            state.pulls.remove(&community);
        }
        let equal = |(set, theirs): &(SetName, Fingerprint)| self.sets.fingerprint(community, *set) == *theirs;
        if theirs.len() == SetName::COMPARED.len() && theirs.iter().all(equal) {
            return self.synced(now, peer, community);
        }
        Vec::new()
    }

    /// A peer goes through its sets by period, and so will find what it lacks, but not what we do.
    pub(super) fn compare_in_turn(&mut self, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let compares = self.peers.get_mut(peer).is_some_and(|state| state.compares.remove(&community));
        if compares { self.compare(peer, community) } else { Vec::new() }
    }

    /// Nothing is known that a peer has and we have not.
    fn synced(&mut self, now: Millis, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        if let Some(standing) = self.standing_mut(community) {
            standing.synced = Some(now);
        }
        vec![Effect::Tell(Event::Synced(community, peer.clone()))]
    }

    fn has_synced(&self, community: CommunityId) -> bool {
        self.standing(community).is_some_and(|standing| standing.synced.is_some())
    }

    /// Fetches what a peer has offered, after what is being fetched from it.
    pub(super) fn fetch_offered(
        &mut self,
        peer: &PeerName,
        community: CommunityId,
        set: SetName,
        ids: &[ShortId],
    ) -> Vec<Effect> {
        let take = |pull: &mut Pull| {
            let offers = pull.offers.entry(set).or_default();
            offers.extend(ids.iter().take(limits::OFFERED.saturating_sub(offers.len())));
        };
        self.pull(peer, community, take, || {
            let mut pull = Pull::new(Step::Next);
            take(&mut pull);
            pull.next_offer();
            pull
        })
    }

    /// Adds to the pull that is under way, or begins one.
    fn pull(
        &mut self,
        peer: &PeerName,
        community: CommunityId,
        add: impl Fn(&mut Pull),
        begin: impl Fn() -> Pull,
    ) -> Vec<Effect> {
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        if state.tag_for(community).is_none() {
            // In the middle of a hello: what is offered now is lost, and so compared for afterwards.
            state.compares.remove(&community);
            return Vec::new();
        }
        if let Some(pull) = state.pulls.get_mut(&community) {
            add(pull);
            return Vec::new();
        }
        state.pulls.insert(community, begin());
        self.next_question_of_pull(peer, community)
    }

    /// Asks what a comparison needs next.
    fn next_question_of_pull(&mut self, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        let Some(tag) = state.tag_for(community) else { return Vec::new() };
        let Some(pull) = state.pulls.get_mut(&community) else { return Vec::new() };
        let set = pull.set;
        pull.asked.clear();
        pull.asked_for = 0;
        let ours = |set| self.sets.fingerprint(community, set);
        let request = if let Some(bundle) = pull.bundles.pop_first() {
            Request::Fetch(tag, SetName::Bundles, vec![bundle.0])
        } else if pull.is_fetching() {
            let (wanted, offered) = (pull.wanted.len().min(limits::FETCH), pull.offered.len().min(limits::FETCH));
            // What was offered twice is asked for once.
            let mut once = BTreeSet::new();
            pull.asked = pull.wanted.drain(..wanted).filter(|id| once.insert(*id)).collect();
            pull.asked_for = pull.asked.len();
            Request::Bring(tag, set, pull.asked.clone(), pull.offered.drain(..offered).collect())
        } else {
            let one = vec![(set, ours(set))];
            let cells = |cells| u16::try_from(cells).unwrap_or(u16::MAX);
            match &pull.step {
                Step::Begin => {
                    let all = SetName::COMPARED.map(|set| (set, ours(set))).to_vec();
                    Request::Compare(tag, all, 0, cells(FIRST_CELLS))
                }
                Step::Cells(most) => {
                    let from = pull.shown.cells.count();
                    Request::Compare(tag, one, cells(from), cells(most.saturating_sub(from)))
                }
                Step::Periods => Request::Periods(tag, set),
                Step::Through(periods, after) => match periods.front() {
                    Some(period) if period.whole => Request::Take(tag, set, period.number, *after),
                    Some(period) => Request::List(tag, set, period.number, *after),
                    None => return Vec::new(),
                },
                Step::Next => return Vec::new(),
            }
        };
        let asked = self.ask(peer, Question::Pull(community), request);
        let question = self.next_question;
        if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
            pull.question = question;
        }
        vec![asked]
    }

    /// An answer to a comparison's question.
    pub(super) fn pulled<L: Ledger>(
        &mut self,
        now: Millis,
        (peer, id): (&PeerName, u64),
        community: CommunityId,
        response: Response,
        ledger: &L,
    ) -> Decided<L> {
        // A log is judged when a whole page of it is here, not after each operation; also where the pull
        // that brought it has ended meanwhile.
        let mut effects = match self.standing(community).is_some_and(|standing| standing.outgrown) {
            true => self.authority_changed(now, community, ledger)?,
            false => Vec::new(),
        };
        let pull = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community));
        let Some(pull) = pull.filter(|pull| pull.waits_for(id)) else { return Ok(effects) };
        let set = pull.set;
        match (response, pull.step.clone()) {
            (Response::Fetch(..), _) => self.fetched(peer, community),
            (Response::Compare(sets), Step::Begin) => {
                let shown = sets.into_iter().map(|(fingerprint, cells)| Shown::of(fingerprint, cells.as_slice()));
                pull.open = SetName::COMPARED.into_iter().zip(shown).collect();
                pull.step = Step::Next;
            }
            (Response::Compare(sets), Step::Cells(_)) => {
                let next = sets.first().map(|(fingerprint, cells)| Shown::of(*fingerprint, cells.as_slice()));
                if pull.shown.goes_on_with(next.unwrap_or_default()) {
                    self.look_into(peer, community, set, ledger)?;
                }
            }
            (Response::Periods(periods), Step::Periods) => {
                let periods = self.periods_to_go(community, set, &periods);
                if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
                    pull.step = Step::Through(periods, None);
                }
            }
            (Response::List(ids, next), Step::Through(periods, after)) => {
                pull.wanted.extend(missing(community, set, &ids, ledger)?);
                pull.step = beyond(set, periods, after, next);
            }
            (Response::Take(of, _, next), Step::Through(periods, after)) if of == set => {
                pull.step = beyond(set, periods, after, next);
            }
            // The peer does not serve us: we are removed, its log is behind, or it has forgotten our proof, since its
            // disk refused a batch. The next round's hello tries again.
            (response, _) => {
                if let Some(state) = self.peers.get_mut(peer) {
                    state.pulls.remove(&community);
                    if matches!(&response, Response::Refused(name) if name.as_str() == "unknown") {
                        state.is_unknown_in(community);
                    }
                }
                return Ok(effects);
            }
        }
        effects.extend(self.go_on(now, peer, community, ledger)?);
        Ok(effects)
    }

    /// What of a set differs, by what the peer has shown of it.
    fn look_into<L: Ledger>(
        &mut self,
        peer: &PeerName,
        community: CommunityId,
        set: SetName,
        ledger: &L,
    ) -> Result<(), L::Error> {
        let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else { return Ok(()) };
        let (ours, theirs) = (self.sets.fingerprint(community, set), &pull.shown);
        let cells = theirs.cells.count();
        let difference = match ours == theirs.fingerprint {
            true => Difference { whole: true, ..Difference::default() },
            false => self.sets.with_cells(community, set, cells, ledger)?.sketch().difference(&theirs.cells),
        };
        let counts = ours.count().abs_diff(theirs.fingerprint.count());
        let counts = usize::try_from(counts).unwrap_or(usize::MAX);
        let more = Difference::cells_for(difference.estimate.max(counts)).max(cells.saturating_add(cells.div_ceil(4)));
        // Beyond this, to list all ids costs less.
        let all = usize::try_from(theirs.fingerprint.count()).unwrap_or(usize::MAX).saturating_mul(16);
        let affordable = more <= limits::CELLS && more.saturating_mul(CELL_BYTES) < all;
        // Who sends fewer than were asked for would have us ask for ever.
        let enough = cells > 0 && !matches!(pull.step, Step::Cells(most) if cells < most);
        if difference.whole {
            pull.wanted.extend(difference.theirs);
            pull.offered.extend(difference.ours);
            pull.step = Step::Next;
        } else if enough && affordable {
            pull.step = Step::Cells(more);
        } else {
            pull.step = if pull.thorough { Step::Next } else { Step::Periods };
            pull.thorough = true;
        }
        Ok(())
    }

    /// The periods of a set that differ, those to go through first first.
    fn periods_to_go(&self, community: CommunityId, set: SetName, theirs: &[(u64, Fingerprint)]) -> VecDeque<Period> {
        let summary = self.sets.get(community, set);
        let ours = |number| summary.and_then(|s| s.periods().get(&number)).copied().unwrap_or_default();
        let differ = theirs.iter().filter(|(number, fingerprint)| ours(*number) != *fingerprint);
        // Few of those that come are then known already.
        let whole = |number, theirs: &Fingerprint| ours(number).count().saturating_mul(16) < theirs.count();
        let mut periods: Vec<Period> =
            differ.map(|(number, theirs)| Period { number: *number, whole: whole(*number, theirs) }).collect();
        periods.sort_by_key(|period| period.number);
        periods.dedup_by_key(|period| period.number);
        if !rises(set) {
            periods.reverse();
        }
        periods.into()
    }

    /// The last of a fetch has come.
    fn fetched(&mut self, peer: &PeerName, community: CommunityId) {
        let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else { return };
        // What did not fit is asked for again, as long as something came.
        let left = std::mem::take(&mut pull.asked);
        if left.len() < pull.asked_for {
            for id in left.into_iter().rev() {
                pull.wanted.push_front(id);
            }
        }
    }

    /// Goes to the next question, the next set or the end.
    fn go_on<L: Ledger>(&mut self, now: Millis, peer: &PeerName, community: CommunityId, ledger: &L) -> Decided<L> {
        let mut effects = Vec::new();
        loop {
            let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else {
                return Ok(effects);
            };
            if let Step::Through(periods, _) = &pull.step
                && periods.is_empty()
            {
                // What differs in spite of it, or on our side only, is little now.
                pull.step = Step::Cells(FIRST_CELLS);
                pull.shown = Shown::default();
            }
            if pull.is_fetching() || pull.step != Step::Next {
                effects.extend(self.next_question_of_pull(peer, community));
                return Ok(effects);
            }
            let Some((set, shown)) = pull.open.pop_front() else {
                if pull.next_offer() {
                    // Some of it has come since.
                    let (set, offered) = (pull.set, Vec::from(std::mem::take(&mut pull.wanted)));
                    pull.wanted = missing(community, set, &offered, ledger)?.into();
                    continue;
                }
                effects.extend(self.caught_up(now, peer, community));
                return Ok(effects);
            };
            if pull.set != set {
                // The log is whole now: what keys it names is known.
                effects.extend(self.ask_peer_for_keys(peer, community));
            }
            if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
                pull.set = set;
                pull.shown = shown;
                pull.thorough = false;
            }
            self.look_into(peer, community, set, ledger)?;
        }
    }

    /// All sets have been gone through.
    fn caught_up(&mut self, now: Millis, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let again = self.peers.get_mut(peer).and_then(|state| state.pulls.remove(&community)).is_some_and(|p| p.again);
        let mut effects = self.synced(now, peer, community);
        if again {
            effects.extend(self.compare(peer, community));
        }
        // Who left while we fetched what they had written.
        effects.extend(self.part_with_removed(community));
        effects
    }

    /// A page of a period is here, and what is on it will be: the next one is asked for meanwhile.
    pub(super) fn outlined(&mut self, peer: &PeerName, id: u64, next: Place) -> Vec<Effect> {
        let Some(Question::Pull(community)) = self.question_of(peer, id) else { return Vec::new() };
        let pull = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community));
        let Some(pull) = pull.filter(|pull| pull.waits_for(id)) else { return Vec::new() };
        let Step::Through(periods, after) = pull.step.clone() else { return Vec::new() };
        match beyond(pull.set, periods, after, Some(next)) {
            // Where this does not go forward, its end will tell.
            step @ Step::Through(_, Some(_)) => {
                pull.step = step;
                self.next_question_of_pull(peer, community)
            }
            _ => Vec::new(),
        }
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
        let (name, received, mut effects) = match thing {
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
            Fetched::Refused(why) => return Ok(struck_by(why)),
        };
        effects.extend(received.strike());
        if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
            let name = short(&name);
            pull.asked.retain(|asked| *asked != name);
        }
        Ok(effects)
    }
}

impl Pull {
    /// Turns to what the peer has offered, a log first. Answers whether there is any.
    fn next_offer(&mut self) -> bool {
        let Some((set, ids)) = self.offers.pop_first() else { return false };
        self.set = set;
        self.wanted = ids;
        true
    }
}

impl Shown {
    fn of(fingerprint: Fingerprint, cells: &[u8]) -> Shown {
        Shown { fingerprint, cells: Cells::from_bytes(cells) }
    }

    /// Adds the cells that follow. Answers false where the peer's set is another one by now, so that they
    /// do not belong together: then there are none, and all are asked for at once.
    fn goes_on_with(&mut self, next: Shown) -> bool {
        let is_same = self.cells.count() == 0 || self.fingerprint == next.fingerprint;
        self.fingerprint = next.fingerprint;
        if is_same {
            self.cells.extend(next.cells)
        } else {
            self.cells = Cells::default()
        }
        is_same
    }
}

/// Beyond a page: the next place of the period, or the next period. A peer whose places do not go
/// forward ends the period.
fn beyond(set: SetName, mut periods: VecDeque<Period>, after: Option<Place>, next: Option<Place>) -> Step {
    let forward = |next: &Place| after.is_none_or(|after| if rises(set) { *next > after } else { *next < after });
    let next = next.filter(forward);
    if next.is_none() {
        periods.pop_front();
    }
    Step::Through(periods, next)
}
