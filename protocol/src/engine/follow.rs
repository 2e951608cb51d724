//! Changes follow what they change over the borders that it has crossed (8.7).
//!
//! Leaves to others: judging (`relay`), and when (`sequels`). Always true: an edit is carried by who carried its target,
//! and asked what its target was asked; a retraction or a recall needs nobody's leave, so that any member of both
//! communities carries it, also over a link that has ended and for a broker who is gone; what somebody has carried
//! already is not carried again; what is over the quota of a day waits for the next.

use super::{
    CommandRefusal, Done, Effect, Engine, Event,
    author::{envelope, item},
    bundles::{Author, bundle},
};
use crate::{
    bytes::List,
    encoding::V1,
    id::{CommunityId, ItemId, OpId},
    item::{Item, Kind},
    ledger::Ledger,
    link::{Direction, Envelope, Owner, ProofBundle, Refused, RelayRefusal},
    text::Text,
    time::Millis,
};

/// What became of one that was to be carried.
pub(super) enum Carried {
    /// It is carried, or needs not or cannot be.
    Done(Vec<Effect>),
    /// The quota of the day is spent.
    Tomorrow,
}

impl Engine {
    /// Carries one change on.
    pub(super) fn follow<L: Ledger>(
        &mut self,
        now: Millis,
        to: CommunityId,
        id: ItemId,
        ledger: &L,
    ) -> Result<Carried, L::Error> {
        let nothing = Ok(Carried::Done(Vec::new()));
        let Some(change) = item(ledger, id)? else { return nothing };
        let Some(target) = change.header.target else { return nothing };
        if !ledger.envelopes_of(to, id)?.is_empty() {
            return nothing;
        }
        let mut paths = Vec::new();
        for path in ledger.envelopes_of(to, target)? {
            paths.extend(envelope(ledger, path)?);
        }
        let is_mine = paths.iter().any(|path| path.broker == self.me.person());
        let carried = if change.header.kind.needs_no_leave() {
            self.carry_unasked(now, change, to, paths.first(), ledger)?
        } else if is_mine {
            self.relay(now, id, to, (Text::default(), None, &[]), ledger)?
        } else {
            return nothing;
        };
        Ok(match carried {
            Ok((_, effects)) => Carried::Done(effects),
            Err(CommandRefusal::Relay(Refused { why: RelayRefusal::OverQuota, .. })) => Carried::Tomorrow,
            Err(refusal) => Carried::Done(vec![Effect::Tell(Event::Refused(refusal.name()))]),
        })
    }

    /// A retraction or a recall takes the way of its target, or of the newest link where it recalls one.
    fn carry_unasked<L: Ledger>(
        &mut self,
        now: Millis,
        change: Item,
        to: CommunityId,
        path: Option<&Envelope>,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let from = change.header.community;
        let Some(entering) = self.standing(to).cloned().filter(|_| self.am_in(to)) else {
            return Ok(Err(CommandRefusal::NoCommunity));
        };
        let link_in = || {
            let into = |link: &&crate::authority::LinkState| {
                link.terms.other == from && matches!(link.terms.direction, Direction::In { .. })
            };
            entering.state.links.iter().rfind(into).map(|link| link.id)
        };
        let links = match (path, change.header.target) {
            (Some(path), _) => Some((path.out_link, path.in_link)),
            (None, Some(target)) => link_in().map(|link| (OpId(target.0), link)),
            (None, None) => None,
        };
        // Where nothing ever came in, there is nothing to call back.
        let Some((out_link, in_link)) = links else { return Ok(Err(CommandRefusal::NotFound)) };
        let bundle = match self.unasked_bundle(&change, out_link, path, ledger)? {
            Ok(bundle) => bundle,
            Err(why) => return Ok(Err(Refused { why, owner: Owner::Leaving }.into())),
        };
        let heads =
            List::new(entering.heads_for(entering.state.grant(self.me.person(), crate::authority::Role::Peripheral)));
        let (Some(body), Ok(heads)) = (ledger.body(&change)?, heads) else { return Ok(Err(CommandRefusal::NoItem)) };
        let device = self.me.device.public();
        let end = ledger.relay_end(from, to, device)?;
        let envelope = Envelope {
            version: V1,
            item: change.id,
            from,
            to,
            out_link,
            in_link,
            hop: 1,
            prev: None,
            seq: end.map_or(0, |(seq, _)| seq.saturating_add(1)),
            prev_by_device: end.map(|(_, id)| id),
            ts: now,
            proof: bundle.hash(),
            broker: self.me.person(),
            device,
            heads,
            note: Text::default(),
            summary: None,
            tags: List::none(),
        };
        self.send_over(now, change, body, envelope, &bundle, ledger)
    }

    /// The proof of its target's way, if that shows its author too; else one from what the log shows now.
    fn unasked_bundle<L: Ledger>(
        &mut self,
        change: &Item,
        out_link: OpId,
        path: Option<&Envelope>,
        ledger: &L,
    ) -> Result<Result<ProofBundle, RelayRefusal>, L::Error> {
        let header = &change.header;
        let shown = if header.kind == Kind::RECALL { Author::Steward } else { Author::Devices };
        if let Some(path) = path.filter(|_| shown == Author::Devices)
            && let Some(Ok(proven)) = self.proofs.get(path.proof, ledger)?
            && proven.certifies_items(header.author, header.device)
            && let Some(Ok(bundle)) = ledger.bundle(path.proof)?.map(|bytes| ProofBundle::from_bytes(&bytes))
        {
            return Ok(Ok(bundle));
        }
        Ok(match self.standing(header.community) {
            Some(leaving) => bundle(leaving, out_link, (header.author, shown)),
            None => Err(RelayRefusal::BadProof),
        })
    }
}
