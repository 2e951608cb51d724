//! Catching up with one peer, at the cost of what differs.
//!
//! All sets that both are given are compared by fingerprint at once, each from where on both are given it;
//! where they differ, the first cells of the peer's sketch name what differs, or tell how many more cells
//! would. What only the peer has is fetched, and what only we have is offered to it. Where too many differ,
//! the sets are gone through by period: a period of which we have little is taken whole, of others the ids
//! are listed. What arrives enters by the same door as gossip. Operations come before items, since items are
//! judged by them.
//!
//! Leaves to others: what is answered (`serve`), sketches and periods (`reconcile`).
//! Always true: a pull asks one question at a time, or one ahead while a page is checked, and each ends it
//! or leads it on: sets only in their order, a set at most twice, cells only more, periods and places only
//! forward.

use std::{
    cell::Cell,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Decided, Effect, Engine, Event, Fetched, Keep, PeerName, Standing,
    bans::struck_by,
    clock,
    pull::{Period, Pull, Shown, Step, beyond},
    receive::Received,
    serve::{Reader, missing, rises},
    session::Question,
    sets::Given,
};
use crate::{
    epoch::Scope,
    id::{CommunityId, OpId, PersonId},
    ledger::Ledger,
    limits,
    reconcile::{CELL_BYTES, Difference, Place, ShortId, short},
    time::Millis,
    wire::{Fingerprint, Request, Response, SetName},
};

/// More was offered, or announced by its header, than waits to be fetched from one peer. The next comparison shows the
/// rest.
const OFFERS_FULL: Effect = Effect::Tell(Event::Refused("offers_full"));

/// Cells of each set that are asked for at first: some 30 ids that differ are shown by them, and about
/// how many more do.
const FIRST_CELLS: usize = 48;

/// How long gossip takes to come up, at most: topics are told of, and a heartbeat of one second puts
/// peers into the mesh.
const GOSSIP_UP_MS: u64 = 3_000;

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
    pub(super) fn compared_by<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        (community, given): Reader,
        theirs: &[(SetName, Fingerprint)],
        ledger: &L,
    ) -> Decided<L> {
        let may_leave = self.has_synced(community) && self.me.peer > *peer;
        let compared = self.compared(community, given);
        let Some(state) = self.peers.get_mut(peer) else { return Ok(Vec::new()) };
        state.compares.insert(community);
        if may_leave && state.pulls.get(&community).is_some_and(Pull::has_just_begun) {
            state.pulls.remove(&community);
        }
        if !theirs.iter().map(|(set, _)| *set).eq(compared) {
            return Ok(Vec::new());
        }
        for (set, theirs) in theirs {
            let since = given.from(*set).unwrap_or_default();
            if self.sets.view((community, *set, since), ledger)?.fingerprint() != *theirs {
                return Ok(Vec::new());
            }
        }
        Ok(self.synced(now, peer, community))
    }

    /// What this node and somebody else are both given of a community.
    pub(super) fn given(&self, community: CommunityId, other: PersonId) -> Given {
        let given = self.standing(community).map(|standing| standing.given(self.me.person(), other));
        given.unwrap_or(Given::new(false, 0))
    }

    /// The same of whoever is at the other end.
    fn given_with(&self, peer: &PeerName, community: CommunityId) -> Given {
        let asking = self.peers.get(peer).and_then(|state| state.asking.as_ref());
        let other = asking.and_then(|asking| asking.proven.get(&community)).map(|(person, _)| *person);
        other.map_or(Given::new(false, 0), |other| self.given(community, other))
    }

    /// The sets that are compared: that of the inner circle where both are in it, and anything may be in it.
    pub(super) fn compared(&self, community: CommunityId, given: Given) -> Vec<SetName> {
        let opened = |standing: &Arc<Standing>| standing.scopes_in_use().contains(&Scope::Inner);
        let in_use = self.standing(community).is_some_and(opened)
            || self.sets.fingerprint(community, SetName::Inner).count() > 0;
        let given = |set: &SetName| given.from(*set).is_some() && (*set != SetName::Inner || in_use);
        SetName::COMPARED.into_iter().filter(given).collect()
    }

    /// A peer goes through our sets by period, and so will find what it lacks, but not what we do. Once in a round:
    /// where one keeps what the other does not take, it does the same in its turn, and both would go on for ever.
    pub(super) fn compare_in_turn(&mut self, peer: &PeerName, community: CommunityId) -> Vec<Effect> {
        let round = self.next_round;
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        if state.turned.get(&community) == Some(&round) || !state.compares.remove(&community) {
            return Vec::new();
        }
        state.turned.insert(community, round);
        self.compare(peer, community)
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
        let all_taken = Cell::new(true);
        let take = |pull: &mut Pull| all_taken.set(pull.offer(set, ids));
        let mut effects = self.pull(peer, community, take, || {
            let mut pull = Pull::new(Step::Next);
            take(&mut pull);
            pull.next_named();
            pull
        });
        if !all_taken.get() {
            effects.push(OFFERS_FULL);
        }
        effects
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
        let given = self.given_with(peer, community);
        let compared = self.compared(community, given);
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        let Some(tag) = state.tag_for(community) else { return Vec::new() };
        let Some(pull) = state.pulls.get_mut(&community) else { return Vec::new() };
        let set = pull.set;
        pull.asked.clear();
        pull.asked_for = 0;
        // A view that is not made yet is told as an empty one; it is made when the answer is looked into.
        let ours = |set| given.from(set).and_then(|since| self.sets.made((community, set, since))).unwrap_or_default();
        if given.from(set).is_none() {
            pull.offered.clear();
        }
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
                    pull.compared = compared;
                    let all = pull.compared.iter().map(|set| (*set, ours(*set))).collect();
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
        let (question, asked_at) = (self.next_question, self.seen);
        if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
            pull.question = question;
            pull.asked_at = asked_at;
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
                pull.open = pull.compared.iter().copied().zip(shown).collect();
                pull.step = Step::Next;
            }
            (Response::Compare(sets), Step::Cells(_)) => {
                let next = sets.first().map(|(fingerprint, cells)| Shown::of(*fingerprint, cells.as_slice()));
                if pull.shown.goes_on_with(next.unwrap_or_default()) {
                    self.look_into(peer, community, set, ledger)?;
                }
            }
            (Response::Periods(periods), Step::Periods) => {
                let periods = self.periods_to_go(peer, (community, set), &periods, ledger)?;
                if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
                    pull.step = Step::Through(periods, None);
                }
            }
            (Response::List(ids, next), Step::Through(periods, after)) => {
                let missing = missing((community, Given::ALL), set, &ids, ledger)?;
                pull.want(self.shares.untried(community, missing));
                pull.step = beyond(set, periods, after, next);
            }
            (Response::Take(of, _, next), Step::Through(periods, after)) if of == set => {
                pull.step = beyond(set, periods, after, next);
            }
            // The peer does not serve us: we are removed, its log is behind, or it has forgotten our proof, since it has
            // crashed or its disk refused a batch.
            (response, _) => {
                let is_unknown = matches!(&response, Response::Refused(name) if name.as_str() == "unknown");
                if let Some(state) = self.peers.get_mut(peer) {
                    state.pulls.remove(&community);
                    if is_unknown {
                        state.is_unknown_in(community);
                    }
                }
                if is_unknown {
                    effects.extend(self.greet_again(peer));
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
        let since = self.given_with(peer, community).from(set);
        let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else { return Ok(()) };
        let Some(since) = since else {
            // It was, by the log of a moment ago.
            pull.step = Step::Next;
            return Ok(());
        };
        let view = (community, set, since);
        let ours = self.sets.view(view, ledger)?.fingerprint();
        let theirs = &pull.shown;
        let cells = theirs.cells.count();
        let difference = match ours == theirs.fingerprint {
            true => Difference { whole: true, ..Difference::default() },
            false => self.sets.with_cells(view, cells, ledger)?.sketch().difference(&theirs.cells),
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
            pull.want(self.shares.untried(community, difference.theirs));
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
    fn periods_to_go<L: Ledger>(
        &mut self,
        peer: &PeerName,
        (community, set): (CommunityId, SetName),
        theirs: &[(u64, Fingerprint)],
        ledger: &L,
    ) -> Result<VecDeque<Period>, L::Error> {
        let since = self.given_with(peer, community).from(set).unwrap_or_default();
        let periods = self.sets.view((community, set, since), ledger)?.periods();
        let ours = |number| periods.get(&number).copied().unwrap_or_default();
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
        Ok(periods.into())
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
            self.leave_to_others(now, peer, community, ledger)?;
            let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) else {
                return Ok(effects);
            };
            if pull.is_fetching() || pull.step != Step::Next {
                effects.extend(self.next_question_of_pull(peer, community));
                return Ok(effects);
            }
            let Some((set, shown)) = pull.open.pop_front() else {
                if pull.next_named() {
                    // Some of it has come since.
                    let (set, offered) = (pull.set, Vec::from(std::mem::take(&mut pull.wanted)));
                    let missing = missing((community, Given::ALL), set, &offered, ledger)?;
                    pull.wanted = self.shares.untried(community, missing).into();
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
        let compared = self.compared(community, self.given_with(peer, community));
        let ended = self.peers.get_mut(peer).and_then(|state| state.pulls.remove(&community));
        // Also where the log that has come shows that both are given more than was thought.
        let more = |pull: &Pull| !pull.compared.is_empty() && compared.iter().any(|set| !pull.compared.contains(set));
        let waits = ended.as_ref().is_some_and(|pull| pull.waits);
        let again = ended.is_some_and(|pull| !waits && (pull.again || more(&pull)));
        self.come_back(now, peer, community, waits);
        let mut effects = if waits { Vec::new() } else { self.synced(now, peer, community) };
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
        let claim = clock::of_fetched(&thing);
        let (name, received, mut effects) = match thing {
            Fetched::Operation(operation) => {
                let name = OpId::from(operation.id()).0;
                let (received, effects) = self.receive_operation(now, community, *operation);
                (name, received, effects)
            }
            Fetched::Carry(carry) => {
                let name = carry.envelope_id().map_or(carry.id().0, |id| id.0);
                let bundle = carry.envelope.as_ref().map(|e| e.value.proof);
                let is_announced = carry.body.is_none();
                let (received, effects) = self.receive_carry(now, community, carry, ledger)?;
                if let Some(bundle) =
                    bundle.filter(|b| received == Received::Early && self.waiting_bundles.contains_key(b))
                    && let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community))
                {
                    pull.bundles.insert(bundle);
                }
                let mut effects = effects;
                if is_announced
                    && received == Received::Early
                    && let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community))
                    && !pull.announce(short(&name))
                {
                    effects.push(OFFERS_FULL);
                }
                (name, received, effects)
            }
            Fetched::Bundle(hash, bytes) => return self.receive_bundle(now, hash, bytes, ledger),
            Fetched::Blob(hash, bytes) => return Ok(vec![Effect::Keep(Keep::Blob(hash, bytes))]),
            Fetched::Refused(why) => return Ok(struck_by(why)),
        };
        effects.extend(received.strike());
        effects.extend(self.hear_claim(now, community, None, claim));
        if let Some(pull) = self.peers.get_mut(peer).and_then(|p| p.pulls.get_mut(&community)) {
            let name = short(&name);
            pull.asked.retain(|asked| *asked != name);
        }
        Ok(effects)
    }
}
