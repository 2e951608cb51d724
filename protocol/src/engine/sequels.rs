//! What follows from something that was kept: what bears it is judged again, and changes are carried over the borders
//! that their target has crossed. Each is an input of its own, since the ledger has then what the one before decided.
//!
//! Leaves to others: judging (`relay`) and carrying (`follow`). Always true: a sequel is kept with what it follows from,
//! and is forgotten together with what it comes to, so that a restart between the two loses nothing.

use super::{
    Decided, Effect, Engine, Event, Keep,
    author::{envelope, item},
    follow::Carried,
    labels::labels_of,
};
use crate::{
    authority::Role,
    id::{CommunityId, EnvelopeId, ItemId, OpId},
    item::{Header, Kind},
    ledger::{Ledger, Sequel},
    time::Millis,
};

impl Engine {
    /// Notes what follows from an item that is kept now, or shown again, or hidden: read in this community, its own or
    /// one that it was carried into.
    pub(super) fn note_sequels<L: Ledger>(
        &mut self,
        read_in: CommunityId,
        (id, header): (ItemId, &Header),
        ledger: &L,
    ) -> Decided<L> {
        let (Some(target), kind) = (header.target, header.kind) else { return Ok(Vec::new()) };
        let mut sequels = Vec::new();
        match kind {
            Kind::LABEL => sequels.push(Sequel::Judge { community: read_in, target }),
            Kind::RECALL if read_in != header.community => sequels.push(Sequel::Judge { community: read_in, target }),
            Kind::TOMBSTONE => {
                if item(ledger, target)?.is_some_and(|target| target.header.kind.bears_on_its_target()) {
                    sequels.push(Sequel::Judge { community: read_in, target });
                }
                for community in self.communities.keys().copied() {
                    if !ledger.envelopes_of(community, target)?.is_empty() {
                        sequels.push(Sequel::Judge { community, target });
                    }
                }
            }
            _ => {}
        }
        if read_in == header.community && matches!(kind, Kind::EDIT | Kind::TOMBSTONE | Kind::RECALL) {
            for to in self.communities.keys().copied() {
                if !ledger.envelopes_of(to, target)?.is_empty() || self.leads(read_in, OpId(target.0), to) {
                    sequels.push(Sequel::Follow { to, change: id });
                }
            }
        }
        self.sequels.extend(&sequels);
        Ok(sequels.into_iter().map(|sequel| Effect::Keep(Keep::Sequel(sequel))).collect())
    }

    /// Whether this is a link of a community's out into that one.
    fn leads(&self, from: CommunityId, link: OpId, to: CommunityId) -> bool {
        let is_it = |known: &crate::authority::LinkState| known.id == link && known.terms.other == to;
        self.standing(from).is_some_and(|standing| standing.state.links.iter().any(is_it))
    }

    /// Does what comes first.
    pub(super) fn take_sequel<L: Ledger>(&mut self, now: Millis, ledger: &L) -> Decided<L> {
        let Some(sequel) = self.sequels.pop_first() else { return Ok(Vec::new()) };
        let mut effects = match sequel {
            Sequel::Judge { community, target } => self.judge_bearers(community, target, ledger)?,
            Sequel::Follow { to, change } => match self.follow(now, to, change, ledger)? {
                Carried::Done(effects) => effects,
                Carried::Tomorrow => {
                    self.tomorrow.insert(sequel);
                    return Ok(Vec::new());
                }
            },
        };
        effects.push(Effect::Keep(Keep::Done(sequel)));
        Ok(effects)
    }

    /// Judges again what a tombstone, label or recall of this target bears on.
    fn judge_bearers<L: Ledger>(&mut self, community: CommunityId, target: ItemId, ledger: &L) -> Decided<L> {
        let Some(standing) = self.standing(community).cloned() else { return Ok(Vec::new()) };
        let mut effects = Vec::new();
        let is_hidden = labels_of(&standing.log, target, ledger)?.first().is_some_and(|(_, label)| label.hide);
        if is_hidden != ledger.is_hidden(community, target)? {
            effects.push(Effect::Keep(Keep::Hidden { community, item: target, is_hidden }));
            let told = if is_hidden { Event::Hidden } else { Event::Item };
            effects.push(Effect::Tell(told(community, target)));
        }
        let mut envelopes = ledger.envelopes_of(community, target)?;
        if envelope(ledger, EnvelopeId(target.0))?.is_some_and(|envelope| envelope.to == community) {
            envelopes.push(EnvelopeId(target.0));
        }
        for id in envelopes {
            effects.extend(self.judge_envelope_again(id, ledger)?.map(|(_, changes)| changes).unwrap_or_default());
        }
        let changed = item(ledger, target)?;
        if changed.is_none() && !ledger.changes(target, Kind::RECALL)?.is_empty() {
            // Of a link: all that came over it.
            effects.extend(self.judge_again(community, ledger)?);
        }
        // What was taken back bore on something itself.
        if let Some(changed) = changed.filter(|changed| changed.header.kind.bears_on_its_target())
            && let Some(target) = changed.header.target
        {
            let sequel = Sequel::Judge { community, target };
            self.sequels.insert(sequel);
            effects.push(Effect::Keep(Keep::Sequel(sequel)));
        }
        Ok(effects)
    }

    /// What the quota of a day left over follows on the next.
    pub(super) fn follow_on_a_new_day(&mut self, now: Millis) {
        if self.followed_on != now.day() {
            self.followed_on = now.day();
            self.sequels.append(&mut self.tomorrow);
        }
    }

    /// Whether this node's person is a member there.
    pub(super) fn am_in(&self, community: CommunityId) -> bool {
        self.standing(community).is_some_and(|standing| standing.state.role(self.me.person()) > Role::None)
    }
}

/// What is still to be done.
pub(super) type Sequels = std::collections::BTreeSet<Sequel>;
