//! What stewards call back of what has left their community: one item, or what was carried over a link after its end, or
//! after that of a broker's mandate (8.7, 8.8).
//!
//! Leaves to others: carrying recalls over (`follow`). Always true: a recall counts where its way shows a steward's grant
//! for its author; one that its author retracts counts no more.

use super::{
    Decided, Engine,
    author::{envelope, item},
    walks::Place,
};
use crate::{
    authority::Role,
    encoding::V1,
    epoch::Scope,
    id::{CommunityId, ItemId},
    item::{Body, Draft, Kind, Recall},
    ledger::Ledger,
    limits,
    link::{Crossing, Direction, Envelope, Gates, Owner, RelayRefusal, Stands},
    text::Text,
    time::Millis,
};

impl Engine {
    /// What the stewards of the community that it left have called back (8.7, 8.8), as far as it has come here.
    pub(super) fn ask_recalls<L: Ledger>(
        &mut self,
        crossing: &Crossing<'_>,
        place: Place,
        ledger: &L,
        gates: &mut Gates,
    ) -> Result<(), L::Error> {
        let recalls = recalls_of(crossing.item.id, (crossing.from, crossing.to), ledger)?;
        gates.ask(Owner::Leaving, RelayRefusal::Recalled, recalls.is_empty());
        for recall in recalls_of(ItemId(crossing.out_link.0), (crossing.from, crossing.to), ledger)? {
            let Some(Ok(proven)) = self.proofs.get(recall.proof, ledger)? else { continue };
            for (why, stands) in proven.ends(crossing.out_link, (crossing.broker, crossing.device)) {
                let is_before = match stands {
                    Stands::ChainTo(seq, id) => self.walks.holds((seq, id), place, ledger)?,
                    Stands::ClaimedUntil(ts) => crossing.ts <= ts,
                };
                gates.ask(Owner::Leaving, why, is_before);
            }
        }
        Ok(())
    }

    /// Tells the other side of what a steward has ended here: a recall of each link that it concerns. Whoever is a member
    /// of both carries it, with the proof (8.5).
    pub(super) fn give_notice<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        ends: impl Fn(&crate::authority::LinkState) -> bool,
        reason: &Text<{ limits::REASON_BYTES }>,
        ledger: &L,
    ) -> Decided<L> {
        let Some(standing) = self.standing(community).cloned() else { return Ok(Vec::new()) };
        let mut effects = Vec::new();
        if standing.state.role(self.me.person()) < Role::Steward {
            return Ok(effects);
        }
        // What this writes is not in the ledger yet.
        let mut end = ledger.chain_end(community, Scope::All, self.me.device.public())?;
        let is_out = |link: &&crate::authority::LinkState| matches!(link.terms.direction, Direction::Out { .. });
        for link in standing.state.links.iter().filter(is_out).filter(|link| ends(link)) {
            let recall = Recall { version: V1, reason: reason.clone() };
            let mut draft = Draft::new(Body::Recall(recall));
            draft.target = Some(ItemId(link.id.0));
            if let Ok(((id, header), written)) = self.sign((now, now.0), community, &draft, end) {
                end = Some((header.seq, id));
                effects.extend(written);
                effects.extend(self.note_sequels(community, (id, &header), ledger)?);
            }
        }
        Ok(effects)
    }
}

/// The envelopes that brought recalls of this target which are not taken back.
fn recalls_of<L: Ledger>(
    target: ItemId,
    (from, to): (CommunityId, CommunityId),
    ledger: &L,
) -> Result<Vec<Envelope>, L::Error> {
    let mut recalls = Vec::new();
    for id in ledger.changes(target, Kind::RECALL)? {
        let Some(recall) = item(ledger, id)?.filter(|recall| recall.header.community == from) else { continue };
        if ledger.is_retracted(id, recall.header.author)? {
            continue;
        }
        for path in ledger.envelopes_of(to, id)? {
            recalls.extend(envelope(ledger, path)?.filter(|path| path.from == from));
        }
    }
    Ok(recalls)
}
