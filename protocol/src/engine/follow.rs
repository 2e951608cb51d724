//! Edits and retractions follow what they change over the borders that it has crossed (8.7).
//!
//! Leaves to others: judging (`relay`). Always true: an edit is carried by who carried its target, and asked what its
//! target was asked; a retraction needs nobody's leave, so that any member of both communities carries it, also over a
//! link that has ended and for a broker who is gone; what somebody has carried already is not carried
//! again; what is over the quota of a day waits for the next.

use super::{
    CommandRefusal, Decided, Done, Effect, Engine, Event,
    author::{envelope, item},
};
use crate::{
    authority::Role,
    bytes::List,
    id::{CommunityId, ItemId},
    item::{Item, Kind},
    ledger::Ledger,
    link::{Envelope, ProofBundle, Refused, RelayRefusal},
    text::Text,
    time::Millis,
};

impl Engine {
    /// Notes where a change has to go that is being kept now.
    pub(super) fn note_change<L: Ledger>(
        &mut self,
        id: ItemId,
        (kind, target): (Kind, Option<ItemId>),
        ledger: &L,
    ) -> Result<(), L::Error> {
        let Some(target) = target.filter(|_| matches!(kind, Kind::EDIT | Kind::TOMBSTONE)) else { return Ok(()) };
        for to in self.communities.keys().copied() {
            if !ledger.envelopes_of(to, target)?.is_empty() {
                self.following.insert((to, id));
            }
        }
        Ok(())
    }

    /// Carries one change on. Each is an input of its own, since each envelope names the one before it.
    pub(super) fn follow_next<L: Ledger>(&mut self, now: Millis, ledger: &L) -> Decided<L> {
        let Some((to, id)) = self.following.pop_first() else { return Ok(Vec::new()) };
        let Some(change) = item(ledger, id)? else { return Ok(Vec::new()) };
        let Some(target) = change.header.target else { return Ok(Vec::new()) };
        if !ledger.envelopes_of(to, id)?.is_empty() {
            return Ok(Vec::new());
        }
        let mut paths = Vec::new();
        for path in ledger.envelopes_of(to, target)? {
            paths.extend(envelope(ledger, path)?);
        }
        let is_mine = paths.iter().any(|path| path.broker == self.me.person());
        let carried = match paths.into_iter().next() {
            Some(path) if change.header.kind == Kind::TOMBSTONE => self.carry_retraction(now, change, &path, ledger)?,
            Some(_) if is_mine => self.relay(now, id, to, (Text::default(), None, &[]), ledger)?,
            _ => return Ok(Vec::new()),
        };
        Ok(match carried {
            Ok((_, effects)) => effects,
            Err(CommandRefusal::Relay(Refused { why: RelayRefusal::OverQuota, .. })) => {
                self.tomorrow.insert((to, id));
                Vec::new()
            }
            Err(refusal) => vec![Effect::Tell(Event::Refused(refusal.name()))],
        })
    }

    /// What the quota of a day left over follows on the next.
    pub(super) fn follow_on_a_new_day(&mut self, now: Millis) {
        if self.followed_on != now.day() {
            self.followed_on = now.day();
            self.following.append(&mut self.tomorrow);
        }
    }

    /// A retraction takes the way of what it retracts, with the proof that names its author.
    fn carry_retraction<L: Ledger>(
        &mut self,
        now: Millis,
        retraction: Item,
        path: &Envelope,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let unproven = Err(CommandRefusal::NoItem);
        let Some(entering) = self.standing(path.to).cloned() else { return Ok(unproven) };
        let Some(bundle) = ledger.bundle(path.proof)?.and_then(|bytes| ProofBundle::from_bytes(&bytes).ok()) else {
            return Ok(unproven);
        };
        let me = self.me.person();
        let heads = List::new(entering.heads_for(entering.state.grant(me, Role::Peripheral)));
        let (Some(body), Ok(heads)) = (ledger.body(&retraction)?, heads) else { return Ok(unproven) };
        if entering.state.role(me) == Role::None {
            return Ok(Err(CommandRefusal::NoCommunity));
        }
        let device = self.me.device.public();
        let end = ledger.relay_end(path.from, path.to, device)?;
        let envelope = Envelope {
            item: retraction.id,
            seq: end.map_or(0, |(seq, _)| seq.saturating_add(1)),
            prev_by_device: end.map(|(_, id)| id),
            ts: now,
            broker: me,
            device,
            heads,
            note: Text::default(),
            summary: None,
            tags: List::none(),
            ..path.clone()
        };
        self.send_over(now, retraction, body, envelope, &bundle, ledger)
    }
}

/// Where a change goes.
pub(super) type Following = std::collections::BTreeSet<(CommunityId, ItemId)>;
