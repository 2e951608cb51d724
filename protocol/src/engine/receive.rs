//! What arrives from peers, by gossip or by comparison: one door, one set of checks.
//!
//! Signatures have been checked before. What is asked here, cheapest first: is it known? is it of
//! this community? may its author do this (B1, T4)? Each "no" is a named refusal.

use std::sync::Arc;

use super::{
    CheckedCarry, CheckedGossip, Decided, Effect, Engine, Event, PeerName, Verdict, WAITING,
    author::{item, keep_item},
    authorize::keep_operation,
};
use crate::{
    authority::{FeedEnd, Operation, OperationRefusal, Role, WriteRefusal, Writing},
    id::{CommunityId, OpId, PersonId},
    item::{Body, Item, Kind},
    ledger::Ledger,
    limits,
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
    /// Refused, by this name.
    Refused(&'static str),
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
                return Ok(vec![
                    Effect::Judge { token, verdict: Verdict::Reject },
                    Effect::Tell(Event::Refused(why.name())),
                ]);
            }
        };
        let (received, mut effects) = match gossip {
            CheckedGossip::Operation(operation) => {
                let (received, mut effects) = self.receive_operation(now, community, *operation);
                if received == Received::New {
                    effects.extend(self.authority_changed(now, community, ledger)?);
                }
                (received, effects)
            }
            CheckedGossip::Carry(carry) => self.receive_carry(now, community, carry, ledger)?,
        };
        let verdict = match &received {
            Received::New => Verdict::Accept,
            Received::Known | Received::Early => Verdict::Ignore,
            Received::Refused(_) => Verdict::Reject,
        };
        if received == Received::Early {
            effects.extend(self.compare(peer, community));
        }
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
            return (Received::Refused("no_community"), Vec::new());
        };
        let first = match standing.log.add(operation.clone(), now) {
            Ok(true) => operation,
            Ok(false) => return (Received::Known, Vec::new()),
            Err(OperationRefusal::MissingParents(_)) => {
                standing.park(operation);
                return (Received::Early, Vec::new());
            }
            Err(OperationRefusal::TooEarly) => return (Received::Early, Vec::new()),
            Err(refusal) => {
                return (Received::Refused(refusal.name()), vec![Effect::Tell(Event::Refused(refusal.name()))]);
            }
        };
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
            standing.count_in(SetName::Operations, &OpId::from(operation.id()).0);
        }
        (Received::New, kept.iter().map(|op| keep_operation(community, op)).collect())
    }

    /// What follows when a log has grown: roles, topics, confirmations, and envelopes that are
    /// judged again.
    pub(super) fn authority_changed<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        ledger: &L,
    ) -> Decided<L> {
        let me = self.me.person();
        if let Some(standing) = self.standing_mut(community) {
            standing.evaluate();
        }
        let mut effects = vec![Effect::Tell(Event::Authority(community))];
        effects.extend(self.confirm_own(now, community));
        effects.extend(self.listen(community));
        let in_now = self.standing(community).is_some_and(|s| s.state.role(me) > Role::None);
        if in_now && self.pending.remove(&community).is_some() {
            effects.push(Effect::Keep(super::Keep::Settled(community)));
            effects.push(Effect::Tell(Event::Joined(community)));
        }
        effects.extend(self.judge_again(community, ledger)?);
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
        if ledger.holds(community, SetName::Items, id.0)? {
            return Ok((Received::Known, Vec::new()));
        }
        let (received, mut effects) = match self.judge_item(now, community, &carry, ledger)? {
            Judged::Keep => {
                let Some((salted, says)) = carry.body.clone() else { return Ok((Received::Early, Vec::new())) };
                if let Some(standing) = self.standing_mut(community) {
                    standing.count_in(SetName::Items, &id.0);
                }
                (
                    Received::New,
                    vec![
                        keep_item(community, carry.item.clone(), salted, &says, now),
                        Effect::Tell(Event::Item(community, id)),
                    ],
                )
            }
            Judged::NeedsTarget => {
                self.wait_for_target(community, carry);
                return Ok((Received::Early, Vec::new()));
            }
            Judged::Early => return Ok((Received::Early, Vec::new())),
            Judged::Refused(name) => return Ok((Received::Refused(name), vec![Effect::Tell(Event::Refused(name))])),
        };
        for (community, waiting) in self.waiting_targets.remove(&id).unwrap_or_default() {
            // The item that they change is about to be kept; they are judged as if it were.
            if let Judged::Keep = self.judge_change(community, &waiting, Some(&carry.item), ledger)?
                && let Some((salted, says)) = waiting.body.clone()
            {
                if let Some(standing) = self.standing_mut(community) {
                    standing.count_in(SetName::Items, &waiting.id().0);
                }
                effects.push(keep_item(community, waiting.item.clone(), salted, &says, now));
                effects.push(Effect::Tell(Event::Item(community, waiting.id())));
            }
        }
        Ok((received, effects))
    }

    fn judge_item<L: Ledger>(
        &self,
        now: Millis,
        community: CommunityId,
        carry: &CheckedCarry,
        ledger: &L,
    ) -> Result<Judged, L::Error> {
        let header = &carry.item.header;
        if header.community != community {
            return Ok(Judged::Refused("other_community"));
        }
        if header.ts > now.after(limits::FUTURE_MS) {
            return Ok(Judged::Early);
        }
        if carry.body.is_none() {
            return Ok(Judged::Early);
        }
        match header.target {
            Some(target) if header.kind.need().is_none() => {
                let target = item(ledger, target)?;
                self.judge_change(community, carry, target.as_ref(), ledger)
            }
            _ => self.judge_writing(community, &carry.item, header.kind.need(), ledger),
        }
    }

    /// Edits and tombstones: by the author of the target, and within what the target's kind needs.
    fn judge_change<L: Ledger>(
        &self,
        community: CommunityId,
        carry: &CheckedCarry,
        target: Option<&Item>,
        ledger: &L,
    ) -> Result<Judged, L::Error> {
        let Some(target) = target else { return Ok(Judged::NeedsTarget) };
        let header = &carry.item.header;
        if target.header.author != header.author || target.header.community != header.community {
            return Ok(Judged::Refused("not_author"));
        }
        if let Some((_, Body::Edit(edit))) = &carry.body {
            if matches!(Body::read(target.header.kind, edit.body.as_slice()), Err(_) | Ok(Body::Later)) {
                return Ok(Judged::Refused("bad_field"));
            }
            if header.reach > target.header.reach {
                return Ok(Judged::Refused("beyond_reach"));
            }
        }
        // An author's own tombstone is judged by the device alone (T4).
        let need = if header.kind == Kind::TOMBSTONE { Some(Role::None) } else { target.header.kind.need() };
        self.judge_writing(community, &carry.item, need, ledger)
    }

    /// T4.
    fn judge_writing<L: Ledger>(
        &self,
        community: CommunityId,
        written: &Item,
        need: Option<Role>,
        ledger: &L,
    ) -> Result<Judged, L::Error> {
        let Some(standing) = self.standing(community).map(Arc::as_ref) else {
            return Ok(Judged::Refused("no_community"));
        };
        let header = &written.header;
        let Some(need) = need else { return Ok(Judged::Refused("bad_field")) };
        let author: (PersonId, _) = (header.author, header.device);
        match standing.state.may_write(&standing.log, author, &header.auth_heads, header.scope, need) {
            Ok(Writing::Allowed) => Ok(Judged::Keep),
            Ok(Writing::OnChains(ends)) => {
                for end in &ends {
                    if !on_chain(written, end, ledger)? {
                        return Ok(Judged::Refused("after_cut"));
                    }
                }
                Ok(Judged::Keep)
            }
            Err(WriteRefusal::MissingHeads(_)) => Ok(Judged::Early),
            Err(refusal) => Ok(Judged::Refused(refusal.name())),
        }
    }

    fn wait_for_target(&mut self, community: CommunityId, carry: Box<CheckedCarry>) {
        let Some(target) = carry.item.header.target else { return };
        if self.waiting_targets.values().map(std::collections::VecDeque::len).sum::<usize>() < WAITING {
            let waiting = self.waiting_targets.entry(target).or_default();
            if !waiting.iter().any(|(_, other)| other.id() == carry.id()) {
                waiting.push_back((community, carry));
            }
        }
    }
}

enum Judged {
    Keep,
    NeedsTarget,
    Early,
    Refused(&'static str),
}

/// Whether `written` is on the chain that ends at `end`: walks back from the end.
fn on_chain<L: Ledger>(written: &Item, end: &FeedEnd, ledger: &L) -> Result<bool, L::Error> {
    let FeedEnd(_, _, last, id) = end;
    if written.header.seq > *last {
        return Ok(false);
    }
    let mut at = *id;
    loop {
        if at == written.id {
            return Ok(true);
        }
        match item(ledger, at)? {
            Some(later) if later.header.seq > written.header.seq => match later.header.prev {
                Some(prev) => at = prev,
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
    }
}
