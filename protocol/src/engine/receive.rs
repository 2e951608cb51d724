//! What arrives from peers, by gossip or by comparison: one door, one set of checks.
//!
//! Signatures have been checked before. What is asked here, cheapest first: is it known? is it of
//! this community? may its author do this (B1, T4)? Each "no" is a named refusal.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    CheckedCarry, CheckedGossip, Decided, Effect, Engine, Event, Keep, PeerName, Verdict,
    act::keep_operation,
    author::{item, keep_item},
    bans::struck_by,
    chains::OnChain,
    clock,
    due::is_ahead,
    shares::Shared,
};
use crate::{
    authority::{Operation, OperationRefusal, Role, WriteRefusal, Writing},
    id::{CommunityId, ItemId, OpId, PersonId},
    item::{Body, Item, Kind},
    ledger::Ledger,
    reconcile::stands_at,
    signed::{Unsound, Verified},
    time::Millis,
    wire::SetName,
};

/// What became of something that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Received {
    /// Kept.
    New,
    /// It was here before.
    Known,
    /// Something is missing that comparison will bring; nothing was kept.
    Early,
    /// It claims a time that is too far ahead, and is parked until then (T1).
    Ahead,
    /// Beyond what is taken of its author today, by this name (T6); nothing was kept.
    Deferred(&'static str),
    /// Unsound, by this name: whoever passes it on could have known.
    Refused(&'static str),
    /// Forbidden by what our log says, by this name. Another log may say otherwise, and be older or
    /// newer: nobody is blamed.
    Forbidden(&'static str),
}

impl Received {
    /// Who passed it on answers for what they could have known.
    pub(super) fn strike(&self) -> Option<Effect> {
        match self {
            Received::Refused(name) => Some(Effect::Tell(Event::Struck(name))),
            Received::New
            | Received::Known
            | Received::Early
            | Received::Ahead
            | Received::Deferred(_)
            | Received::Forbidden(_) => None,
        }
    }
}

impl Engine {
    pub(super) fn gossip<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        token: u64,
        gossip: Result<(CommunityId, CheckedGossip), Unsound>,
        ledger: &L,
    ) -> Decided<L> {
        let (community, gossip) = match gossip {
            Ok(gossip) => gossip,
            Err(why) => {
                let mut effects = vec![Effect::Judge { token, verdict: Verdict::Reject }];
                effects.extend(struck_by(why));
                return Ok(effects);
            }
        };
        let claim = clock::of_gossip(&gossip);
        let (received, mut effects) = match gossip {
            CheckedGossip::Operation(operation) => {
                let (received, mut effects) = self.receive_operation(now, community, *operation);
                if received == Received::New {
                    effects.extend(self.authority_changed(now, community, ledger)?);
                }
                (received, effects)
            }
            CheckedGossip::Epoch(operation, blob) => {
                let id = OpId::from(operation.id());
                let (received, mut effects) = self.receive_operation(now, community, *operation);
                if received == Received::New {
                    // The key first: what follows from the change of the log may need it.
                    if let Some(standing) = self.standing_mut(community) {
                        standing.evaluate();
                    }
                    effects.extend(self.take_blob(now, community, id, &blob));
                    effects.extend(self.follow_log(now, community, ledger)?);
                } else if received == Received::Known {
                    effects.extend(self.take_blob(now, community, id, &blob));
                }
                (received, effects)
            }
            CheckedGossip::Carry(carry) => self.receive_carry(now, community, carry, ledger)?,
        };
        let verdict = match &received {
            Received::New => Verdict::Accept,
            Received::Known | Received::Early | Received::Ahead | Received::Deferred(_) | Received::Forbidden(_) => {
                Verdict::Ignore
            }
            Received::Refused(_) => Verdict::Reject,
        };
        if received == Received::Early {
            effects.extend(self.compare(peer, community));
        }
        effects.extend(received.strike());
        effects.extend(self.hear_claim(now, community, Some(peer), claim));
        // The judgement first: others wait for it.
        effects.insert(0, Effect::Judge { token, verdict });
        Ok(effects)
    }

    /// Stores an operation by B1, and those that waited for it.
    pub(super) fn receive_operation(
        &mut self,
        now: Millis,
        community: CommunityId,
        operation: Verified<Operation>,
    ) -> (Received, Vec<Effect>) {
        let Some(standing) = self.standing_mut(community) else {
            return (Received::Forbidden("no_community"), Vec::new());
        };
        let first = match standing.log.add(operation.clone(), now) {
            Ok(true) => operation,
            Ok(false) => return (Received::Known, Vec::new()),
            Err(OperationRefusal::MissingParents(_)) => {
                standing.park(operation);
                return (Received::Early, Vec::new());
            }
            Err(OperationRefusal::TooEarly) => return (Received::Early, Vec::new()),
            // How full a log is depends on what came first.
            Err(refusal @ OperationRefusal::LogFull) => {
                return (Received::Forbidden(refusal.name()), vec![Effect::Tell(Event::Refused(refusal.name()))]);
            }
            Err(refusal) => {
                return (Received::Refused(refusal.name()), vec![Effect::Tell(Event::Refused(refusal.name()))]);
            }
        };
        standing.outgrown = true;
        let mut kept = vec![first];
        // Those that waited: again as long as one of them finds its parents.
        loop {
            let ready: Vec<OpId> = standing
                .orphans
                .iter()
                .filter(|(_, op)| op.value.parents.iter().all(|p| standing.log.contains(*p)))
                .map(|(id, _)| *id)
                .collect();
            if ready.is_empty() {
                break;
            }
            for id in ready {
                if let Some(orphan) = standing.orphans.remove(&id)
                    && standing.log.add(orphan.clone(), now) == Ok(true)
                {
                    kept.push(orphan);
                }
            }
        }
        for operation in &kept {
            let (id, lamport) = (OpId::from(operation.id()), operation.value.lamport);
            self.sets.add(community, SetName::Operations, lamport.into(), &id.0);
        }
        (Received::New, kept.iter().map(|op| keep_operation(community, op)).collect())
    }

    /// Works out what the log says now, and what follows from it.
    pub(super) fn authority_changed<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        ledger: &L,
    ) -> Decided<L> {
        if let Some(standing) = self.standing_mut(community) {
            standing.evaluate();
        }
        self.follow_log(now, community, ledger)
    }

    /// What follows from a change of a log: roles, topics, keys, chores, and items and envelopes
    /// that are judged again.
    pub(super) fn follow_log<L: Ledger>(&mut self, now: Millis, community: CommunityId, ledger: &L) -> Decided<L> {
        let mut effects = vec![Effect::Tell(Event::Authority(community))];
        effects.extend(self.judge_items_again(community, ledger)?);
        effects.extend(self.note_all_met(community));
        effects.extend(self.settle_join(community));
        effects.extend(self.listen(community));
        effects.extend(self.part_with_removed(community));
        effects.extend(self.ask_for_keys(community));
        if Some(community) == self.own_space() {
            effects.extend(self.tell_all_communities(now, ledger)?);
        }
        effects.extend(self.tell_devices(now, community, ledger)?);
        effects.extend(self.judge_again(community, ledger)?);
        self.plan_chores(now, community);
        effects.extend(self.do_chores(now, ledger)?);
        Ok(effects)
    }

    /// T4, again, where that has not followed from what was decided: after the start, and after what this node's person
    /// has signed.
    pub(super) fn judge_unjudged<L: Ledger>(&mut self, ledger: &L) -> Decided<L> {
        let unjudged = self.communities.values().filter(|standing| standing.unjudged).map(|standing| standing.id());
        let mut effects = Vec::new();
        for community in unjudged.collect::<Vec<_>>() {
            effects.extend(self.judge_items_again(community, ledger)?);
        }
        Ok(effects)
    }

    /// T4, again, for those about whom the log says something else than before. What does not stand
    /// any more is shown nowhere and given to nobody; what stands again is.
    fn judge_items_again<L: Ledger>(&mut self, community: CommunityId, ledger: &L) -> Decided<L> {
        self.shares.ask_again();
        let Some(standing) = self.standing_mut(community) else { return Ok(Vec::new()) };
        let changed = standing.judged_anew();
        let mut effects = Vec::new();
        for person in changed {
            effects.extend(self.judge_items_of(community, person, ledger)?);
        }
        Ok(effects)
    }

    pub(super) fn judge_items_of<L: Ledger>(
        &mut self,
        community: CommunityId,
        person: PersonId,
        ledger: &L,
    ) -> Decided<L> {
        let mut effects = Vec::new();
        for id in ledger.written_by(community, person)? {
            let Some(written) = item(ledger, id)? else { continue };
            let need = match written.header.target.filter(|_| written.header.kind.need().is_none()) {
                Some(_) if written.header.kind == Kind::TOMBSTONE => Some(Role::None),
                Some(target) => item(ledger, target)?.and_then(|target| target.header.kind.need()),
                None => written.header.kind.need(),
            };
            let stands = matches!(self.judge_writing(community, &written, need, ledger)?, Judged::Keep);
            let (set, position) = stands_at(&written.header, ledger)?;
            let shown = ledger.holds(community, set, id.0)?;
            match (stands, shown) {
                (true, false) => {
                    self.sets.add(community, set, position, &id.0);
                    effects.extend(self.note_sequels(community, (id, &written.header), ledger)?);
                    effects.push(Effect::Keep(Keep::Show(community, id)));
                    effects.push(Effect::Tell(Event::Item(community, id)));
                }
                (false, true) => {
                    self.sets.remove(community, set, position, &id.0);
                    effects.extend(self.note_sequels(community, (id, &written.header), ledger)?);
                    effects.push(Effect::Keep(Keep::Hide(community, id)));
                    effects.push(Effect::Tell(Event::Hidden(community, id)));
                }
                _ => {}
            }
        }
        Ok(effects)
    }

    /// An item, written here or relayed here.
    pub(super) fn receive_carry<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        carry: Box<CheckedCarry>,
        ledger: &L,
    ) -> Result<(Received, Vec<Effect>), L::Error> {
        if carry.envelope.is_some() {
            return self.receive_envelope(now, community, carry, ledger);
        }
        let id = carry.id();
        let is_kept = ledger.item(id)?.is_some();
        if is_kept && ledger.holds(community, SetName::of(carry.item.header.scope), id.0)? {
            return Ok((Received::Known, Vec::new()));
        }
        match self.judge_item(now, community, &carry, ledger)? {
            Judged::Ahead => {
                let dropped = self.park(community, carry);
                Ok((Received::Ahead, dropped))
            }
            Judged::Keep => {
                let shared = if is_kept { Shared::Within } else { self.shared(community, &carry.item, ledger)? };
                match shared {
                    Shared::Within => {}
                    Shared::Beyond(name) => {
                        return Ok((Received::Deferred(name), vec![Effect::Tell(Event::Refused(name))]));
                    }
                    Shared::Waits(missing) => return Ok(self.let_wait(missing, community, carry)),
                }
                let Some((salted, says)) = carry.body else { return Ok((Received::Early, Vec::new())) };
                let (set, position) = stands_at(&carry.item.header, ledger)?;
                self.sets.add(community, set, position, &id.0);
                let author = carry.item.header.author;
                let mut effects = self.note_sequels(community, (id, &carry.item.header), ledger)?;
                effects.extend(if is_kept {
                    // It did not stand before, and was kept all the same.
                    vec![Effect::Keep(Keep::Show(community, id)), Effect::Tell(Event::Item(community, id))]
                } else {
                    self.shares.kept(community, &carry.item.header);
                    vec![keep_item(community, carry.item, salted, &says, now), Effect::Tell(Event::Item(community, id))]
                });
                self.go_on_with_waiting(community, id, author);
                Ok((Received::New, effects))
            }
            Judged::Waits(missing) => Ok(self.let_wait(missing, community, carry)),
            Judged::Early => Ok((Received::Early, Vec::new())),
            Judged::Refused(name) => Ok((Received::Refused(name), vec![Effect::Tell(Event::Refused(name))])),
            Judged::Forbidden(name) => Ok((Received::Forbidden(name), vec![Effect::Tell(Event::Refused(name))])),
        }
    }

    /// Lets an item wait for one that is not here yet.
    fn let_wait(
        &mut self,
        missing: ItemId,
        community: CommunityId,
        carry: Box<CheckedCarry>,
    ) -> (Received, Vec<Effect>) {
        let (id, author) = (carry.id(), carry.item.header.author);
        self.waiting.wait(missing, community, carry);
        // Those behind it on its chain need no more than to know that it is there.
        self.go_on_with_waiting(community, id, author);
        (Received::Early, Vec::new())
    }

    /// What waited for an item that is here now is looked at again when the node is woken, and the
    /// item can be read.
    fn go_on_with_waiting(&mut self, community: CommunityId, id: ItemId, author: PersonId) {
        self.ready.extend(self.waiting.take(id));
        if self.chains.is_waiting_for(id) {
            self.unproven.insert((community, author));
        }
    }

    /// Whether something is to be looked at again, when it is woken: at once.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.unproven.is_empty() || !self.behind.is_empty() || !self.sequels.is_empty()
    }

    /// Looks again at what has become ready; then, in an input of their own, at those whose chain it
    /// may have completed.
    pub(super) fn take_ready<L: Ledger>(&mut self, now: Millis, ledger: &L) -> Decided<L> {
        self.waking = None;
        let mut effects = Vec::new();
        if self.ready.is_empty() {
            for (community, person) in std::mem::take(&mut self.unproven) {
                effects.extend(self.judge_items_of(community, person, ledger)?);
            }
            effects.extend(self.judge_behind(ledger)?);
            effects.extend(self.take_sequel(now, ledger)?);
            return Ok(effects);
        }
        // The turn of an envelope (R6) is known only when those before it are in the ledger: each has an input of its own.
        let plain = self.ready.iter().take_while(|(_, carry)| carry.envelope.is_none()).count();
        let later = self.ready.split_off(plain.max(1));
        let mut seen = BTreeSet::new();
        for (community, carry) in std::mem::replace(&mut self.ready, later) {
            if seen.insert((community, carry.id())) {
                effects.extend(self.receive_carry(now, community, carry, ledger)?.1);
            }
        }
        Ok(effects)
    }

    fn judge_item<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        carry: &CheckedCarry,
        ledger: &L,
    ) -> Result<Judged, L::Error> {
        let header = &carry.item.header;
        if header.community != community {
            return Ok(Judged::Refused("other_community"));
        }
        if carry.body.is_none() {
            return Ok(Judged::Early);
        }
        if is_ahead(carry, now) {
            return Ok(Judged::Ahead);
        }
        match header.target {
            Some(target) if header.kind.need().is_none() => self.judge_change(community, carry, target, ledger),
            _ => self.judge_writing(community, &carry.item, header.kind.need(), ledger),
        }
    }

    /// Edits and tombstones: by the author of the target, and within what the target's kind needs.
    fn judge_change<L: Ledger>(
        &mut self,
        community: CommunityId,
        carry: &CheckedCarry,
        target: ItemId,
        ledger: &L,
    ) -> Result<Judged, L::Error> {
        let Some(target) = item(ledger, target)? else { return Ok(Judged::Waits(target)) };
        let header = &carry.item.header;
        if target.header.author != header.author {
            return Ok(Judged::Refused("not_author"));
        }
        // Its author's node does not ask the rest before it signs, so the author is not blamed.
        if target.header.community != header.community {
            return Ok(Judged::Forbidden("not_author"));
        }
        // Who has the one has the other.
        if target.header.scope != header.scope {
            return Ok(Judged::Forbidden("other_scope"));
        }
        if let Some((_, Body::Edit(edit))) = &carry.body {
            if matches!(Body::read(target.header.kind, edit.body.as_slice()), Err(_) | Ok(Body::Later)) {
                return Ok(Judged::Forbidden("bad_field"));
            }
            if header.reach > target.header.reach {
                return Ok(Judged::Forbidden("beyond_reach"));
            }
        }
        // An author's own tombstone is judged by the device alone (T4).
        let need = if header.kind == Kind::TOMBSTONE { Some(Role::None) } else { target.header.kind.need() };
        self.judge_writing(community, &carry.item, need, ledger)
    }

    /// T4.
    pub(super) fn judge_writing<L: Ledger>(
        &mut self,
        community: CommunityId,
        written: &Item,
        need: Option<Role>,
        ledger: &L,
    ) -> Result<Judged, L::Error> {
        let Some(standing) = self.communities.get(&community).map(Arc::as_ref) else {
            return Ok(Judged::Forbidden("no_community"));
        };
        let header = &written.header;
        let Some(need) = need else { return Ok(Judged::Forbidden("bad_field")) };
        let author: (PersonId, _) = (header.author, header.device);
        match standing.state.may_write(&standing.log, author, &header.auth_heads, header.scope, need) {
            Ok(Writing::Allowed) => Ok(Judged::Keep),
            Ok(Writing::OnChains(ends)) => {
                for end in &ends {
                    match self.chains.look(written, end, &self.waiting, ledger)? {
                        OnChain::Yes => {}
                        OnChain::Unproven(missing) => return Ok(Judged::Waits(missing)),
                        OnChain::No => return Ok(Judged::Forbidden("after_cut")),
                    }
                }
                Ok(Judged::Keep)
            }
            Err(WriteRefusal::MissingHeads(_)) => Ok(Judged::Early),
            Err(refusal) => Ok(Judged::Forbidden(refusal.name())),
        }
    }
}

/// What an item comes to by the rules.
pub(super) enum Judged {
    Keep,
    /// For an item that is not here yet: its target, or one between it and the end of its chain.
    Waits(ItemId),
    Early,
    Ahead,
    Refused(&'static str),
    Forbidden(&'static str),
}
