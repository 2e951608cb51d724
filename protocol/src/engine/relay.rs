//! What crosses borders: a broker's relaying, and every receiver's judging (R1 to R8).
//!
//! An honest broker asks the same questions as its receivers before it signs. Receivers believe
//! nothing of that and ask again, offline.

use super::{
    Answer, CheckedCarry, CommandRefusal, Decided, Done, Effect, Engine, Event, Keep, Standing, WAITING,
    author::item,
    bans::struck,
    crossing::{ask_kept, kind},
    departure::{Departure, Words, carry, depart},
    due::is_ahead,
    labels::labels_of,
    proofs::Proof,
    receive::Received,
};
use crate::{
    authority::Role,
    encoding::V1,
    id::{BundleHash, CommunityId, EnvelopeId, ItemId},
    item::{Body, Item, Kind, Label, SaltedBody},
    ledger::{KeptEnvelope, Ledger, Sequel},
    limits,
    link::{
        Carry, Crossing, Envelope, Gates, Inbound, Outcome, Owner, ProofBundle, Proven, Refused, RelayRefusal,
        ask_author, bundle_hash, judge_in, judge_out,
    },
    signed::Verified,
    time::Millis,
    wire::{Gossip, SetName},
};

impl Engine {
    pub(super) fn relay<L: Ledger>(
        &mut self,
        now: Millis,
        id: ItemId,
        to: CommunityId,
        words: Words<'_>,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let Some(from) = item(ledger, id)?.map(|carried| carried.header.community) else {
            return Ok(Err(CommandRefusal::NoItem));
        };
        let (Some(leaving), Some(entering)) = (self.standing(from).cloned(), self.standing(to).cloned()) else {
            return Ok(Err(CommandRefusal::NoCommunity));
        };
        let me = (self.me.person(), self.me.device.public());
        let Departure { item, body, envelope, bundle, .. } =
            match depart(now, me, id, (&leaving, &entering), words, ledger)? {
                Ok(departure) => departure,
                Err(refusal) => return Ok(Err(refusal)),
            };
        let edits = ledger.changes(id, Kind::EDIT)?.into_iter().map(|change| Sequel::Follow { to, change });
        let sequels: Vec<Sequel> = edits.collect();
        let sent = self.send_over(now, item, body, envelope, &bundle, ledger)?;
        Ok(sent.map(|(answer, mut effects)| {
            self.sequels.extend(&sequels);
            effects.extend(sequels.into_iter().map(|sequel| Effect::Keep(Keep::Sequel(sequel))));
            (answer, effects)
        }))
    }

    /// Judges, signs, keeps and publishes an envelope of our own.
    pub(super) fn send_over<L: Ledger>(
        &mut self,
        now: Millis,
        carried: Item,
        body: SaltedBody,
        envelope: Envelope,
        bundle: &ProofBundle,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let to = envelope.to;
        let bytes = bundle.to_bytes();
        let proven = match self.proofs.check(bundle_hash(&bytes), bundle) {
            Ok(proven) => proven,
            Err(why) => return Ok(Err(Refused { why, owner: Owner::Broker }.into())),
        };
        let verified = Verified::seal(envelope, &[&self.me.device]);
        let id = EnvelopeId::from(verified.id());
        let outcome = match self.judge_crossing(&carried, &verified.value, id, &proven, ledger)? {
            Ok(Outcome::Held(why)) if !cfg!(feature = "test-bypass") => {
                return Ok(Err(Refused { why, owner: Owner::Entering }.into()));
            }
            Err(refused) if !cfg!(feature = "test-bypass") => return Ok(Err(refused.into())),
            Ok(outcome) => outcome,
            Err(_) => Outcome::Shown,
        };
        let mut effects = vec![Effect::Keep(Keep::Bundle(bundle_hash(&bytes), bytes))];
        effects.extend(self.keep_envelope(now, carried.clone(), body.clone(), verified.clone(), outcome, ledger)?);
        let carry = carry(carried.signed, body, &verified.value, verified.signed);
        effects.extend(self.publish_in(now, to, crate::epoch::Scope::All, &Gossip::Carry(Box::new(carry))));
        Ok(Ok((Answer::Relayed(id, outcome), effects)))
    }

    /// R1 to R8. An error is final; a held envelope is judged again when the log changes.
    fn judge_crossing<L: Ledger>(
        &mut self,
        carried: &Item,
        envelope: &Envelope,
        id: EnvelopeId,
        proven: &Proven,
        ledger: &L,
    ) -> Result<Result<Outcome, Refused>, L::Error> {
        let mut gates = Gates::default();
        let crossing = envelope.crossing(carried, kind(carried, ledger)?);
        if carried.header.kind.needs_no_leave() {
            ask_unasked(proven, &crossing, ledger, &mut gates)?;
            return Ok(gates.refused().map_or(Ok(Outcome::Shown), Err));
        }
        judge_out(proven, &crossing, &mut gates);
        if let Some(refused) = gates.refused() {
            return Ok(Err(refused));
        }
        let Some(standing) = self.standing(envelope.to).cloned() else {
            return Ok(Err(Refused { why: RelayRefusal::OtherDestination, owner: Owner::Broker }));
        };
        let out_replies_only = proven.link(envelope.out_link).is_ok_and(|terms| terms.replies_only);
        let entry = judge_in(&standing.log, &standing.state, &envelope.heads, &crossing, &mut gates);
        if let Some(entry) = &entry
            && gates.refused().is_none()
        {
            let place = (envelope.seq, id);
            ask_kept(&crossing, place, (entry, out_replies_only), ledger, &mut self.walks, &mut gates)?;
            self.ask_recalls(&crossing, place, ledger, &mut gates)?;
        }
        // R8: a steward's word on this envelope.
        let label = labels_of(&standing.log, ItemId(id.0), ledger)?.into_iter().next().map(|(_, label)| label);
        Ok(match (gates.refused(), label, entry) {
            (Some(refused), ..) if is_settled(&refused, &crossing, &standing) => Err(refused),
            (Some(refused), ..) => Ok(Outcome::Held(refused.why)),
            (None, Some(Label { hide: true, .. }), _) => Ok(Outcome::Held(RelayRefusal::Declined)),
            (None, None, Some(Inbound { quarantine: true, .. })) => Ok(Outcome::Quarantined),
            (None, ..) => Ok(Outcome::Shown),
        })
    }

    /// An item with its envelope, from a peer.
    pub(super) fn receive_envelope<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        carry: Box<CheckedCarry>,
        ledger: &L,
    ) -> Result<(Received, Vec<Effect>), L::Error> {
        let Some(envelope) = &carry.envelope else { return Ok((Received::Early, Vec::new())) };
        if envelope.value.to != community {
            let name = "other_community";
            return Ok((Received::Refused(name), vec![Effect::Tell(Event::Refused(name))]));
        }
        match self.proofs.get(envelope.value.proof, ledger)? {
            Some(proof) => self.receive_proven(now, community, carry, &proof, ledger),
            None if ledger.holds(community, SetName::Envelopes, EnvelopeId::from(envelope.id()).0)? => {
                Ok((Received::Known, Vec::new()))
            }
            None => {
                self.wait_for_bundle(community, envelope.value.proof, carry);
                Ok((Received::Early, Vec::new()))
            }
        }
    }

    /// An item with its envelope, whose proof is here.
    fn receive_proven<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        carry: Box<CheckedCarry>,
        proof: &Proof,
        ledger: &L,
    ) -> Result<(Received, Vec<Effect>), L::Error> {
        let Some(envelope) = carry.envelope.clone() else { return Ok((Received::Early, Vec::new())) };
        let id = EnvelopeId::from(envelope.id());
        if ledger.holds(community, SetName::Envelopes, id.0)? {
            return Ok((Received::Known, Vec::new()));
        }
        let Some((body, _)) = carry.body.clone() else { return Ok((Received::Early, Vec::new())) };
        if is_ahead(&carry, now) {
            let dropped = self.park(community, carry);
            return Ok((Received::Ahead, dropped));
        }
        let Some(standing) = self.standing(community) else {
            return Ok((Received::Forbidden("no_community"), Vec::new()));
        };
        if envelope.value.heads.iter().any(|head| !standing.log.contains(*head)) {
            return Ok((Received::Early, Vec::new()));
        }
        let judged = match proof {
            Ok(proven) => self.judge_crossing(&carry.item, &envelope.value, id, proven, ledger)?,
            Err(why) => Err(Refused { why: *why, owner: Owner::Broker }),
        };
        match judged {
            // What kind a change is judged by depends on whether its target is here.
            Err(Refused { why, .. }) => {
                Ok((Received::Forbidden(why.name()), vec![Effect::Tell(Event::Refused(why.name()))]))
            }
            Ok(Outcome::Held(why @ RelayRefusal::OverQuota)) if self.is_far_over(&envelope.value, id, ledger)? => {
                Ok((Received::Deferred(why.name()), vec![Effect::Tell(Event::Refused(why.name()))]))
            }
            Ok(outcome) => {
                if outcome != Outcome::Held(RelayRefusal::AfterCut) {
                    // One that came before this one on its chain may have been held for want of it.
                    self.behind.extend(envelope.value.prev_by_device);
                }
                let mut effects = self.keep_envelope(now, carry.item, body, envelope, outcome, ledger)?;
                if let Outcome::Held(refusal) = outcome {
                    effects.push(Effect::Tell(Event::Refused(refusal.name())));
                }
                Ok((Received::New, effects))
            }
        }
    }

    fn keep_envelope<L: Ledger>(
        &mut self,
        now: Millis,
        carried: Item,
        body: SaltedBody,
        envelope: Verified<Envelope>,
        outcome: Outcome,
        ledger: &L,
    ) -> Decided<L> {
        let id = EnvelopeId::from(envelope.id());
        let community = envelope.value.to;
        let mut effects = Vec::new();
        // R6: an envelope that comes earlier in the day's order moves the last one out.
        if outcome != Outcome::Held(RelayRefusal::OverQuota)
            && !carried.header.kind.needs_no_leave()
            && let Some(moved) = self.moved_out(&envelope.value, id, ledger)?
        {
            effects.push(Effect::Keep(Keep::Outcome(moved, Outcome::Held(RelayRefusal::OverQuota))));
        }
        self.sets.add(community, SetName::Envelopes, envelope.value.ts.0, &id.0);
        let address = match carried.body(&body) {
            Ok(Body::Bookmark(bookmark)) => crate::url::normalise(bookmark.url.as_str()).ok(),
            _ => None,
        };
        effects.extend(self.note_sequels(community, (carried.id, &carried.header), ledger)?);
        let item = carried.id;
        effects.push(Effect::Keep(Keep::Item {
            read_in: community,
            item: Box::new(carried),
            body,
            received: now,
            by: Some(id),
            address,
        }));
        effects.push(Effect::Keep(Keep::Envelope { id, envelope: Box::new(envelope), outcome }));
        effects.push(Effect::Tell(Event::Item(community, item)));
        Ok(effects)
    }

    /// Whether so many come before it on its day that even all of a link's brokers, apart from each other, cannot have
    /// meant to stay within its quota: it is never shown, and not kept.
    fn is_far_over<L: Ledger>(&self, envelope: &Envelope, id: EnvelopeId, ledger: &L) -> Result<bool, L::Error> {
        let Some(standing) = self.standing(envelope.to) else { return Ok(true) };
        let Some(link) = standing.state.links.iter().find(|l| l.id == envelope.in_link) else { return Ok(false) };
        let most = usize::from(link.terms.per_day).saturating_mul(limits::BROKERS);
        let turn = (envelope.broker, envelope.device, envelope.seq, id);
        let today = ledger.turns(envelope.in_link, envelope.ts.day(), most)?;
        Ok(today.len() >= most && today.last().is_none_or(|last| *last < turn))
    }

    fn moved_out<L: Ledger>(
        &self,
        envelope: &Envelope,
        id: EnvelopeId,
        ledger: &L,
    ) -> Result<Option<EnvelopeId>, L::Error> {
        let Some(standing) = self.standing(envelope.to) else { return Ok(None) };
        let Some(link) = standing.state.links.iter().find(|l| l.id == envelope.in_link) else { return Ok(None) };
        let per_day = usize::from(link.terms.per_day);
        let today = ledger.turns(envelope.in_link, envelope.ts.day(), per_day)?;
        let last = per_day.checked_sub(1).and_then(|last| today.get(last));
        let turn = (envelope.broker, envelope.device, envelope.seq, id);
        Ok(last.filter(|last| turn < **last).map(|last| last.3))
    }

    /// A proof that carries waited for.
    pub(super) fn receive_bundle<L: Ledger>(
        &mut self,
        now: Millis,
        hash: BundleHash,
        bytes: Vec<u8>,
        ledger: &L,
    ) -> Decided<L> {
        let Some(waiting) = self.waiting_bundles.remove(&hash) else { return Ok(Vec::new()) };
        let Ok(bundle) = ProofBundle::from_bytes(&bytes) else {
            return Ok(struck(RelayRefusal::BadProof.name()).into());
        };
        let proof = self.proofs.check(hash, &bundle);
        let mut effects = vec![Effect::Keep(Keep::Bundle(hash, bytes))];
        // The turn of the second (R6) is known when the first is in the ledger.
        let mut waiting = waiting.into_iter();
        if let Some((community, carry)) = waiting.next() {
            effects.extend(self.receive_proven(now, community, carry, &proof, ledger)?.1);
        }
        self.ready.extend(waiting);
        Ok(effects)
    }

    fn wait_for_bundle(&mut self, community: CommunityId, bundle: BundleHash, carry: Box<CheckedCarry>) {
        if self.waiting_bundles.values().map(Vec::len).sum::<usize>() < WAITING {
            self.waiting_bundles.entry(bundle).or_default().push((community, carry));
        }
    }

    /// Judges every envelope of a community again, after its log has changed.
    pub(super) fn judge_again<L: Ledger>(&mut self, community: CommunityId, ledger: &L) -> Decided<L> {
        let mut effects = Vec::new();
        if self.sets.fingerprint(community, SetName::Envelopes).count() == 0 {
            return Ok(effects);
        }
        let mut after = None;
        loop {
            let ids = ledger.ids(community, SetName::Envelopes, after, limits::IDS_PER_PAGE)?;
            for id in ids.iter().map(|id| EnvelopeId(*id)) {
                effects.extend(self.judge_envelope_again(id, ledger)?.map(|(_, changes)| changes).unwrap_or_default());
            }
            after = ids.last().copied();
            if ids.len() < limits::IDS_PER_PAGE {
                return Ok(effects);
            }
        }
    }

    /// Judges those again that an envelope which came after them shows to be on a chain (R7), back to the first that
    /// stays as it was.
    pub(super) fn judge_behind<L: Ledger>(&mut self, ledger: &L) -> Decided<L> {
        let mut effects = Vec::new();
        for later in std::mem::take(&mut self.behind) {
            let mut at = Some(later);
            while let Some(id) = at {
                let is_held = |kept: KeptEnvelope| kept.outcome == Outcome::Held(RelayRefusal::AfterCut);
                if !ledger.envelope(id)?.is_some_and(is_held) {
                    break;
                }
                let Some((envelope, changes)) = self.judge_envelope_again(id, ledger)? else { break };
                at = envelope.prev_by_device.filter(|_| !changes.is_empty());
                effects.extend(changes);
            }
        }
        Ok(effects)
    }

    /// What changes for one envelope that is kept; none where something of it is not here.
    pub(super) fn judge_envelope_again<L: Ledger>(
        &mut self,
        id: EnvelopeId,
        ledger: &L,
    ) -> Result<Option<(Envelope, Vec<Effect>)>, L::Error> {
        let Some(KeptEnvelope { signed, outcome }) = ledger.envelope(id)? else { return Ok(None) };
        let Ok(envelope) = signed.read::<Envelope>() else { return Ok(None) };
        let Some(carried) = item(ledger, envelope.item)? else { return Ok(None) };
        let Some(Ok(proven)) = self.proofs.get(envelope.proof, ledger)? else { return Ok(None) };
        let judged = self.judge_crossing(&carried, &envelope, id, &proven, ledger)?;
        let now = judged.unwrap_or_else(|refused| Outcome::Held(refused.why));
        let event = Effect::Tell(Event::Item(envelope.to, envelope.item));
        let changes = if now == outcome { Vec::new() } else { vec![Effect::Keep(Keep::Outcome(id, now)), event] };
        Ok(Some((envelope, changes)))
    }

    /// A relayed item, for sending on.
    pub(super) fn relayed_carry<L: Ledger>(&self, id: EnvelopeId, ledger: &L) -> Result<Option<Carry>, L::Error> {
        let Some(kept) = ledger.envelope(id)? else { return Ok(None) };
        let Ok(envelope) = kept.signed.read::<Envelope>() else { return Ok(None) };
        let Some((carried, body)) = ledger.carried(envelope.item)? else { return Ok(None) };
        Ok(Some(Carry {
            version: V1,
            item: carried,
            body,
            bundle: Some(envelope.proof),
            envelope: Some(kept.signed),
            person: None,
        }))
    }
}

/// R1 for what needs nobody's leave but its author's: a retraction is by the author of what it retracts, a recall by a
/// steward of the community that its target left (8.7).
fn ask_unasked<L: Ledger>(
    proven: &Proven,
    crossing: &Crossing<'_>,
    ledger: &L,
    gates: &mut Gates,
) -> Result<(), L::Error> {
    ask_author(proven, crossing, gates);
    let header = &crossing.item.header;
    let target = header.target.map(|target| item(ledger, target)).transpose()?.flatten();
    let is_theirs = match header.kind {
        Kind::RECALL => {
            let is_steward = proven.role(header.author) == Role::Steward;
            is_steward && target.is_none_or(|target| target.header.community == header.community)
        }
        _ => target.is_none_or(|target| target.header.author == header.author),
    };
    gates.ask(Owner::Broker, RelayRefusal::ItemUnproven, is_theirs);
    Ok(())
}

/// Whether no operation that may still come changes the answer: then the envelope is dropped. Only what the log may come
/// to allow is kept (8.4).
fn is_settled(refused: &Refused, crossing: &Crossing<'_>, entering: &Standing) -> bool {
    refused.owner == Owner::Entering
        && match refused.why {
            // Its heads are here, and so is all that was before them.
            RelayRefusal::NoInLink => !entering.log.contains(crossing.in_link),
            RelayRefusal::OtherDestination
            | RelayRefusal::BrokerNotNamed
            | RelayRefusal::BeyondHops
            | RelayRefusal::TagNotLinked => true,
            // What a change is judged by depends on whether its target is here.
            RelayRefusal::KindNotLinked => crossing.item.header.target.is_none(),
            _ => false,
        }
}
