//! What crosses borders: a broker's relaying, and every receiver's judging (R1 to R8).
//!
//! An honest broker asks the same questions as its receivers before it signs. Receivers believe
//! nothing of that and ask again, offline.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Answer, CheckedCarry, CommandRefusal, Decided, Done, Effect, Engine, Event, Keep, Standing, WAITING,
    author::item,
    bans::struck,
    crossing::{Check, ask_kept, check_crossing, crossing, quota_rank, turns_of},
    due::is_ahead,
    follow::{NOT_THEIRS, is_theirs},
    proofs::Proof,
    receive::Received,
};
use crate::{
    authority::{Body as Does, Role},
    bytes::List,
    encoding::V1,
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId},
    item::{Body, Item, Kind, SaltedBody, Tag},
    ledger::{KeptEnvelope, Ledger},
    limits,
    link::{
        Carry, Direction, Envelope, Gates, Inbound, Outcome, Owner, ProofBundle, Proven, Refused, RelayRefusal,
        ask_author, bundle_hash, judge_in, judge_out,
    },
    person::PersonRecord,
    signed::{Signed, Verified},
    text::Text,
    time::Millis,
    wire::{Gossip, SetName},
};

/// The broker's words: note, summary, tags.
type Words<'a> = (Text<{ limits::NOTE_BYTES }>, Option<Text<{ limits::SUMMARY_BYTES }>>, &'a [String]);

impl Engine {
    pub(super) fn relay<L: Ledger>(
        &mut self,
        now: Millis,
        id: ItemId,
        to: CommunityId,
        words: Words<'_>,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let Some(carried) = item(ledger, id)? else { return Ok(Err(CommandRefusal::NoItem)) };
        let Some(body) = ledger.body(&carried)? else { return Ok(Err(CommandRefusal::NoItem)) };
        let from = carried.header.community;
        let (Some(leaving), Some(entering)) = (self.standing(from).cloned(), self.standing(to).cloned()) else {
            return Ok(Err(CommandRefusal::NoCommunity));
        };
        if leaving.is_own_space() || entering.is_own_space() {
            return Ok(Err(CommandRefusal::OwnSpace));
        }
        let me = (self.me.person(), self.me.device.public());
        let Check { gates, links, place, .. } = check_crossing(now, me, &carried, (&leaving, &entering), ledger)?;
        let (out_link, in_link) = match (gates.refused(), links) {
            (None, Some(links)) => links,
            (Some(_), Some(links)) if cfg!(feature = "test-bypass") => links,
            (Some(refused), _) => return Ok(Err(refused.into())),
            (None, None) => return Ok(Err(CommandRefusal::NotFound)),
        };
        let bundle = match build_bundle(&leaving, out_link, carried.header.author) {
            Ok(bundle) => bundle,
            Err(why) => return Ok(Err(Refused { why, owner: Owner::Leaving }.into())),
        };
        let (note, summary, tags) = words;
        let Some(tags) = words_tags(tags) else {
            return Ok(Err(CommandRefusal::Field("at most 16 tags of at most 64 bytes")));
        };
        let Ok(heads) = List::new(entering.heads_for(entering.state.grant(self.me.person(), Role::Member))) else {
            return Ok(Err(CommandRefusal::Field("more heads than an envelope names")));
        };
        let envelope = Envelope {
            version: V1,
            item: id,
            from,
            to,
            out_link,
            in_link,
            hop: 1,
            prev: None,
            seq: place.0,
            prev_by_device: place.1,
            ts: now,
            proof: bundle.hash(),
            broker: me.0,
            device: me.1,
            heads,
            note,
            summary,
            tags,
        };
        self.following.extend(ledger.edits(id)?.into_iter().map(|edit| (to, edit)));
        self.send_over(now, carried, body, envelope, &bundle, ledger)
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
        let proven = match bundle.check() {
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
        let bytes = bundle.to_bytes();
        let mut effects = vec![Effect::Keep(Keep::Bundle(bundle_hash(&bytes), bytes))];
        effects.extend(self.keep_envelope(now, carried.clone(), body.clone(), verified.clone(), outcome, ledger)?);
        let carry = Carry {
            version: V1,
            item: carried.signed,
            body: Some(body),
            bundle: Some(verified.value.proof),
            envelope: Some(verified.signed),
            person: None,
        };
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
        let crossing = crossing(carried, envelope, ledger)?;
        if carried.header.kind == Kind::TOMBSTONE {
            // It needs nobody's leave but its author's (8.7).
            ask_author(proven, &crossing, &mut gates);
            gates.ask(Owner::Broker, NOT_THEIRS, is_theirs(carried, ledger)?);
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
        }
        Ok(Ok(match (gates.refused(), entry) {
            (Some(refused), _) => Outcome::Held(refused.why),
            (None, Some(Inbound { quarantine: true, .. })) => Outcome::Quarantined,
            (None, _) => Outcome::Shown,
        }))
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
            && carried.header.kind != Kind::TOMBSTONE
            && let Some(moved) = self.moved_out(&envelope.value, id, ledger)?
        {
            effects.push(Effect::Keep(Keep::Outcome(moved, Outcome::Held(RelayRefusal::OverQuota))));
        }
        self.sets.add(community, SetName::Envelopes, envelope.value.ts.0, &id.0);
        let address = match carried.body(&body) {
            Ok(Body::Bookmark(bookmark)) => crate::url::normalise(bookmark.url.as_str()).ok(),
            _ => None,
        };
        if let Some(target) = carried.header.target.filter(|_| carried.header.kind == Kind::TOMBSTONE) {
            effects.extend(self.hide_retracted(target, carried.header.author, ledger)?);
        }
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

    fn moved_out<L: Ledger>(
        &self,
        envelope: &Envelope,
        id: EnvelopeId,
        ledger: &L,
    ) -> Result<Option<EnvelopeId>, L::Error> {
        let Some(standing) = self.standing(envelope.to) else { return Ok(None) };
        let Some(link) = standing.state.links.iter().find(|l| l.id == envelope.in_link) else { return Ok(None) };
        let per_day = usize::from(link.terms.per_day);
        let day = (envelope.in_link, envelope.ts.day());
        if quota_rank(day, (envelope.broker, envelope.device, envelope.seq, id), ledger)? >= per_day {
            return Ok(None);
        }
        let today = turns_of(day, ledger)?;
        Ok(per_day.checked_sub(1).and_then(|last| today.get(last)).map(|turn| turn.3))
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
        let proof = bundle.check().map(Arc::new);
        self.proofs.note(hash, proof.clone());
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
    fn judge_envelope_again<L: Ledger>(
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

    /// What came over borders and is retracted by this person now is shown no longer (R5, P25).
    pub(super) fn hide_retracted<L: Ledger>(&self, target: ItemId, by: PersonId, ledger: &L) -> Decided<L> {
        let mut effects = Vec::new();
        if item(ledger, target)?.is_none_or(|target| target.header.author != by) {
            return Ok(effects);
        }
        for community in self.communities.keys().copied() {
            for id in ledger.envelopes_of(community, target)? {
                let is_held = ledger.envelope(id)?.is_none_or(|kept| matches!(kept.outcome, Outcome::Held(_)));
                if !is_held {
                    effects.push(Effect::Keep(Keep::Outcome(id, Outcome::Held(RelayRefusal::Retracted))));
                    effects.push(Effect::Tell(Event::Item(community, target)));
                }
            }
        }
        Ok(effects)
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

fn words_tags(tags: &[String]) -> Option<List<Tag, 0, { limits::TAGS }>> {
    let tags: Option<Vec<Tag>> = tags.iter().map(|tag| Tag::line(tag).ok()).collect();
    List::new(tags?).ok()
}

/// 8.3: the link, the grants above its author, and those that give the item's author a role.
pub(super) fn build_bundle(leaving: &Standing, link: OpId, author: PersonId) -> Result<ProofBundle, RelayRefusal> {
    let place = leaving.log.get(link).ok_or(RelayRefusal::NoOutLink)?;
    let Does::Link(terms) = &place.operation.body else { return Err(RelayRefusal::NoOutLink) };
    let Direction::Out { min_author_role } = terms.direction else { return Err(RelayRefusal::NoOutLink) };
    let grant =
        leaving.state.ruled_grant(&leaving.log, author, min_author_role).ok_or(RelayRefusal::AuthorNotConfirmed)?;
    let mut ids: BTreeSet<OpId> = BTreeSet::from([link]);
    for grant in [place.operation.auth, grant] {
        ids.extend(Engine::grant_path(leaving, grant).ok_or(RelayRefusal::BadProof)?);
    }
    let operations: Vec<Signed> = ids.iter().filter_map(|id| leaving.log.get(*id)).map(|p| p.signed.clone()).collect();
    let people: BTreeSet<PersonId> =
        ids.iter().filter_map(|id| leaving.log.get(*id)).map(|p| p.operation.author).chain([author]).collect();
    let community = leaving.log.community();
    let records: Vec<PersonRecord> = people
        .into_iter()
        .filter(|person| community.founder(*person).is_none())
        .filter_map(|person| leaving.state.members.get(&person).map(|m| m.record.clone()))
        .collect();
    let bundle = ProofBundle {
        version: V1,
        genesis: community.signed.clone(),
        operations: List::new(operations).map_err(|_| RelayRefusal::BadProof)?,
        persons: List::new(records).map_err(|_| RelayRefusal::BadProof)?,
    };
    if bundle.to_bytes().len() > limits::BUNDLE_BYTES { Err(RelayRefusal::BadProof) } else { Ok(bundle) }
}
