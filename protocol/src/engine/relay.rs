//! What crosses borders: a broker's relaying, and every receiver's judging (R1 to R8).
//!
//! An honest broker asks the same questions as its receivers before it signs. Receivers believe
//! nothing of that and ask again, offline.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Answer, CheckedCarry, CommandRefusal, Decided, Done, Effect, Engine, Event, Keep, Standing, WAITING, author::item,
    bans::struck, due::is_ahead, input::judged_kind, receive::Received,
};
use crate::{
    authority::{Body as Does, Role},
    bytes::List,
    encoding::V1,
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId},
    item::{Body, Item, SaltedBody, Tag},
    ledger::{KeptEnvelope, Ledger},
    limits,
    link::{
        Carry, Crossing, Direction, Envelope, Inbound, Outcome, ProofBundle, Proven, RelayRefusal, bundle_hash,
        judge_in, judge_out,
    },
    person::PersonRecord,
    signed::{Signed, Verified},
    text::Text,
    time::Millis,
    wire::{Gossip, SetName},
};

/// The broker's words: note, summary, tags.
type Words<'a> = (Text<{ limits::NOTE_BYTES }>, Option<Text<{ limits::SUMMARY_BYTES }>>, &'a [String]);
/// A checked proof, or why it is none.
type Proof = Result<Arc<Proven>, RelayRefusal>;

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
        if let Err(refusal) = self.before_relay(&carried, &leaving, to, ledger)? {
            return Ok(Err(refusal.into()));
        }
        let (out_link, in_link) = match self.pick_links(now, &leaving, &entering) {
            Ok(links) => links,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let device = self.me.device.public();
        let end = ledger.relay_end(from, to, device)?;
        let bundle = match build_bundle(&leaving, out_link, carried.header.author) {
            Ok(bundle) => bundle,
            Err(refusal) => return Ok(Err(refusal.into())),
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
            seq: end.map_or(0, |(seq, _)| seq.saturating_add(1)),
            prev_by_device: end.map(|(_, id)| id),
            ts: now,
            proof: bundle.hash(),
            broker: self.me.person(),
            device,
            heads,
            note,
            summary,
            tags,
        };
        self.send_over(now, carried, body, envelope, &bundle, ledger)
    }

    /// What an honest broker asks beyond what its receivers can (8.5, R5).
    fn before_relay<L: Ledger>(
        &self,
        carried: &Item,
        leaving: &Standing,
        to: CommunityId,
        ledger: &L,
    ) -> Result<Result<(), RelayRefusal>, L::Error> {
        if ledger.is_retracted(carried.id, carried.header.author)? {
            return Ok(Err(RelayRefusal::Retracted));
        }
        if leaving.state.role(carried.header.author) == Role::None {
            return Ok(Err(RelayRefusal::AuthorLeft));
        }
        // Receivers cannot know it yet.
        if leaving.state.role(self.me.person()) == Role::None {
            return Ok(Err(RelayRefusal::AfterCut));
        }
        // Another broker's envelope is one more path; a second one of our own says nothing new.
        for id in ledger.envelopes_of(to, carried.id)? {
            let kept = ledger.envelope(id)?.and_then(|kept| kept.signed.read::<Envelope>().ok());
            if kept.is_some_and(|envelope| envelope.broker == self.me.person()) {
                return Ok(Err(RelayRefusal::OnItsPath));
            }
        }
        Ok(Ok(()))
    }

    /// The links on both sides that name this broker and are not over.
    fn pick_links(&self, now: Millis, leaving: &Standing, entering: &Standing) -> Result<(OpId, OpId), RelayRefusal> {
        let me = self.me.person();
        let pick = |standing: &Standing, other: CommunityId, out: bool, missing: RelayRefusal| {
            let towards: Vec<_> = standing
                .state
                .links
                .iter()
                .filter(|l| l.terms.other == other && matches!(l.terms.direction, Direction::Out { .. }) == out)
                .collect();
            if towards.is_empty() {
                return Err(missing);
            }
            let named: Vec<_> = towards.into_iter().filter(|l| l.terms.names(me)).collect();
            if named.is_empty() {
                return Err(RelayRefusal::BrokerNotNamed);
            }
            // The newest of those in force: renewed terms replace older ones.
            let live = named.into_iter().rfind(|l| l.ends.is_empty() && now <= l.terms.not_after);
            live.map(|l| l.id).ok_or(RelayRefusal::LinkOver)
        };
        let out = pick(leaving, entering.id(), true, RelayRefusal::NoOutLink)?;
        Ok((out, pick(entering, leaving.id(), false, RelayRefusal::NoInLink)?))
    }

    /// Judges, signs, keeps and publishes an envelope of our own.
    fn send_over<L: Ledger>(
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
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let verified = Verified::seal(envelope, &[&self.me.device]);
        let id = EnvelopeId::from(verified.id());
        let outcome = match self.judge_crossing(&carried, &verified.value, id, &proven, ledger)? {
            Ok(Outcome::Held(refusal)) | Err(refusal) if !cfg!(feature = "test-bypass") => {
                return Ok(Err(refusal.into()));
            }
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
        &self,
        carried: &Item,
        envelope: &Envelope,
        id: EnvelopeId,
        proven: &Proven,
        ledger: &L,
    ) -> Result<Result<Outcome, RelayRefusal>, L::Error> {
        let target = match carried.header.target {
            Some(target) => item(ledger, target)?.map(|t| t.header.kind),
            None => None,
        };
        let crossing = Crossing {
            item: carried,
            kind: judged_kind(carried.header.kind, target),
            from: envelope.from,
            to: envelope.to,
            out_link: envelope.out_link,
            in_link: envelope.in_link,
            hop: envelope.hop,
            ts: envelope.ts,
            broker: envelope.broker,
            device: envelope.device,
        };
        if let Err(refusal) = judge_out(proven, &crossing) {
            return Ok(Err(refusal));
        }
        let Some(standing) = self.standing(envelope.to) else { return Ok(Err(RelayRefusal::OtherDestination)) };
        Ok(Ok(match judge_in(&standing.log, &standing.state, &envelope.heads, &crossing) {
            Err(refusal) => Outcome::Held(refusal),
            Ok(entry) => self.judge_kept(carried, envelope, id, &entry, ledger)?,
        }))
    }

    /// R5 to R8: what depends on what is kept here.
    fn judge_kept<L: Ledger>(
        &self,
        carried: &Item,
        envelope: &Envelope,
        id: EnvelopeId,
        entry: &Inbound,
        ledger: &L,
    ) -> Result<Outcome, L::Error> {
        if carried.header.community == envelope.to {
            return Ok(Outcome::Held(RelayRefusal::OnItsPath));
        }
        if ledger.is_retracted(carried.id, carried.header.author)? {
            return Ok(Outcome::Held(RelayRefusal::Retracted));
        }
        for (seq, end) in &entry.cuts {
            if !on_relay_chain(envelope, id, *seq, *end, ledger)? {
                return Ok(Outcome::Held(RelayRefusal::AfterCut));
            }
        }
        if entry.replies_only {
            let mut answers = false;
            for parent in &carried.header.re {
                answers |= item(ledger, *parent)?.is_some_and(|parent| parent.header.community == envelope.to);
            }
            if !answers {
                return Ok(Outcome::Held(RelayRefusal::NotAReply));
            }
        }
        let rank = quota_rank(envelope, id, ledger)?;
        if rank >= usize::from(entry.per_day) {
            return Ok(Outcome::Held(RelayRefusal::OverQuota));
        }
        Ok(if entry.quarantine { Outcome::Quarantined } else { Outcome::Shown })
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
        match proven(envelope.value.proof, ledger)? {
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
            Err(refusal) => Err(*refusal),
        };
        match judged {
            // What kind a change is judged by depends on whether its target is here.
            Err(refusal) => {
                Ok((Received::Forbidden(refusal.name()), vec![Effect::Tell(Event::Refused(refusal.name()))]))
            }
            Ok(outcome) => {
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
            && let Some(moved) = self.moved_out(&envelope.value, id, ledger)?
        {
            effects.push(Effect::Keep(Keep::Outcome(moved, Outcome::Held(RelayRefusal::OverQuota))));
        }
        self.sets.add(community, SetName::Envelopes, envelope.value.ts.0, &id.0);
        let address = match carried.body(&body) {
            Ok(Body::Bookmark(bookmark)) => crate::url::normalise(bookmark.url.as_str()).ok(),
            _ => None,
        };
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
        if quota_rank(envelope, id, ledger)? >= per_day {
            return Ok(None);
        }
        let today = ledger.relayed_on(envelope.in_link, envelope.ts.day())?;
        Ok(per_day.checked_sub(1).and_then(|last| today.get(last)).copied())
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
        let mut effects = vec![Effect::Keep(Keep::Bundle(hash, bytes))];
        let mut seen = BTreeSet::new();
        for (community, carry) in waiting {
            if seen.insert((community, carry.envelope_id())) {
                let (_, received) = self.receive_proven(now, community, carry, &proof, ledger)?;
                effects.extend(received);
            }
        }
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
                let Some(KeptEnvelope { signed, outcome }) = ledger.envelope(id)? else { continue };
                let Ok(envelope) = signed.read::<Envelope>() else { continue };
                let Some(carried) = item(ledger, envelope.item)? else { continue };
                let Some(Ok(proven)) = proven(envelope.proof, ledger)? else { continue };
                let now = self.judge_crossing(&carried, &envelope, id, &proven, ledger)?.unwrap_or_else(Outcome::Held);
                if now != outcome {
                    effects.push(Effect::Keep(Keep::Outcome(id, now)));
                    effects.push(Effect::Tell(Event::Item(community, envelope.item)));
                }
            }
            after = ids.last().copied();
            if ids.len() < limits::IDS_PER_PAGE {
                return Ok(effects);
            }
        }
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

/// The checked proof of this name; none while its bytes are not here.
fn proven<L: Ledger>(hash: BundleHash, ledger: &L) -> Result<Option<Proof>, L::Error> {
    Ok(ledger.bundle(hash)?.map(|bytes| {
        let bundle = ProofBundle::from_bytes(&bytes).map_err(|_| RelayRefusal::BadProof)?;
        bundle.check().map(Arc::new)
    }))
}

/// How many of the day's envelopes come before this one (R6).
fn quota_rank<L: Ledger>(envelope: &Envelope, id: EnvelopeId, ledger: &L) -> Result<usize, L::Error> {
    let place = |e: &Envelope, id: EnvelopeId| (e.broker, e.device, e.seq, id);
    let mut before = 0usize;
    for other in ledger.relayed_on(envelope.in_link, envelope.ts.day())? {
        let Some(kept) = ledger.envelope(other)? else { continue };
        let earlier =
            kept.signed.read::<Envelope>().is_ok_and(|other_says| place(&other_says, other) < place(envelope, id));
        before = before.saturating_add(usize::from(earlier));
    }
    Ok(before)
}

/// Whether an envelope is on the chain that ends at `end`: walks back from the end (R7).
fn on_relay_chain<L: Ledger>(
    envelope: &Envelope,
    id: EnvelopeId,
    last: u32,
    end: EnvelopeId,
    ledger: &L,
) -> Result<bool, L::Error> {
    if envelope.seq > last {
        return Ok(false);
    }
    let mut at = end;
    loop {
        if at == id {
            return Ok(true);
        }
        let later = ledger.envelope(at)?.and_then(|kept| kept.signed.read::<Envelope>().ok());
        match later {
            Some(later) if later.seq > envelope.seq => match later.prev_by_device {
                Some(prev) => at = prev,
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
    }
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
