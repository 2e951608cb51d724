//! A ledger in memory, for one node of a test.
//!
//! Leaves to others: what is kept, and when (the engine). Always true: nothing is kept twice that an engine must keep
//! once, and what was kept is read back as it came.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use crate::{
    bytes::Bytes,
    desk::{Candidate, Kept, Selection, TagMap},
    engine::Keep,
    epoch::Scope,
    id::{BodyHash, BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId, SelectionId},
    item::{Header, Item, Kind, SaltedBody, SignedItem},
    key::PublicKey,
    ledger::{AddressList, Ban, Fork, KeptEnvelope, Ledger, Met, PendingJoin, Sequel, Turn},
    link::{Envelope, Outcome},
    reconcile::{Place, Position, ShortId, short, stands_at},
    signed::Signed,
    wire::{AnyId, SetName},
};

/// What one node keeps.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    communities: BTreeMap<CommunityId, Signed>,
    operations: BTreeMap<(CommunityId, u32, OpId), Signed>,
    keys: BTreeMap<(CommunityId, OpId), [u8; 32]>,
    pending: BTreeMap<CommunityId, PendingJoin>,
    book: BTreeMap<(CommunityId, Vec<u8>), AddressList>,
    items: BTreeMap<ItemId, Item>,
    bodies: BTreeMap<BodyHash, SaltedBody>,
    chain_ends: BTreeMap<(CommunityId, Scope, PublicKey), (u32, ItemId)>,
    addresses: BTreeMap<(CommunityId, PersonId, String), ItemId>,
    envelopes: BTreeMap<EnvelopeId, (Envelope, KeptEnvelope)>,
    bundles: BTreeMap<BundleHash, Vec<u8>>,
    blobs: BTreeMap<AnyId, Vec<u8>>,
    sets: BTreeSet<(CommunityId, SetName, AnyId)>,
    places: BTreeSet<(CommunityId, SetName, Position, AnyId)>,
    met: BTreeMap<(CommunityId, Vec<u8>), (PersonId, PublicKey)>,
    bans: BTreeMap<Vec<u8>, Ban>,
    hidden: BTreeSet<(CommunityId, ItemId)>,
    sequels: BTreeSet<Sequel>,
    tags: BTreeMap<(CommunityId, CommunityId), TagMap>,
    selections: BTreeMap<SelectionId, Selection>,
    candidates: BTreeMap<(SelectionId, ItemId), Candidate>,
}

impl Memory {
    /// Keeps.
    ///
    /// # Panics
    /// When an operation, an item or an envelope is kept a second time, or the outcome of an envelope that is not here:
    /// the engine must not ask for that.
    pub fn keep(&mut self, keep: Keep) {
        match keep {
            Keep::Community(id, genesis) => drop(self.communities.insert(id, genesis)),
            Keep::Operation { community, id, lamport, signed } => {
                self.operations.insert((community, lamport, id), signed);
                let is_new = self.put(community, SetName::Operations, lamport.into(), id.0);
                assert!(is_new, "an operation is kept once");
            }
            Keep::EpochKey(community, epoch, key) => drop(self.keys.insert((community, epoch), key)),
            Keep::Blob(name, bytes) => drop(self.blobs.insert(name, bytes)),
            Keep::Item { read_in, item, body, by, address, .. } => {
                if by.is_none() {
                    let (set, position) = self.stands(&item);
                    let is_new = self.put(read_in, set, position, item.id.0);
                    assert!(is_new, "an item is kept once");
                    if let Some(address) = address {
                        self.addresses.entry((read_in, item.header.author, address)).or_insert(item.id);
                    }
                }
                let header = &item.header;
                let end = self.chain_ends.entry((header.community, header.scope, header.device));
                let end = end.or_insert((header.seq, item.id));
                *end = (*end).max((header.seq, item.id));
                self.bodies.insert(item.header.body_hash, body);
                self.items.insert(item.id, *item);
            }
            Keep::Show(community, id) => {
                let (set, position) = self.stands_at(id);
                assert!(self.put(community, set, position, id.0), "what is shown was hidden")
            }
            Keep::Hide(community, id) => {
                let (set, position) = self.stands_at(id);
                assert!(self.places.remove(&(community, set, position, id.0)), "it stands where it stood");
                assert!(self.sets.remove(&(community, set, id.0)), "what is hidden was shown")
            }
            Keep::Met { community, peer, person, device } => {
                self.met.insert((community, peer), (person, device));
            }
            Keep::Ban(ban) => drop(self.bans.insert(ban.peer.as_slice().to_vec(), ban)),
            Keep::Forgiven(peer) => drop(self.bans.remove(&peer)),
            Keep::Envelope { id, envelope, outcome } => {
                let is_new = self.put(envelope.value.to, SetName::Envelopes, envelope.value.ts.0, id.0);
                assert!(is_new, "an envelope is kept once");
                self.envelopes.insert(id, (envelope.value, KeptEnvelope { signed: envelope.signed, outcome }));
            }
            Keep::Outcome(id, outcome) => {
                self.envelopes.get_mut(&id).expect("an outcome is of a kept envelope").1.outcome = outcome;
            }
            Keep::Hidden { community, item, is_hidden: true } => drop(self.hidden.insert((community, item))),
            Keep::Hidden { community, item, is_hidden: false } => drop(self.hidden.remove(&(community, item))),
            Keep::Sequel(sequel) => drop(self.sequels.insert(sequel)),
            Keep::Done(sequel) => drop(self.sequels.remove(&sequel)),
            Keep::Bundle(hash, bytes) => drop(self.bundles.insert(hash, bytes)),
            Keep::Addresses { community, list } => {
                drop(self.book.insert((community, list.peer.as_slice().to_vec()), list))
            }
            Keep::Invite(..) => {}
            Keep::Pending(pending) => drop(self.pending.insert(pending.community, pending)),
            Keep::Settled(community) => drop(self.pending.remove(&community)),
            Keep::Desk(kept) => self.keep_on_desk(kept),
        }
    }

    /// The items that can be read in a community, relayed ones too.
    #[must_use]
    pub fn readable(&self, community: CommunityId) -> BTreeSet<ItemId> {
        let own = self.sets.iter().filter(|s| s.0 == community && matches!(s.1, SetName::Items | SetName::Inner));
        let relayed = self
            .envelopes
            .values()
            .filter(|(e, kept)| e.to == community && kept.outcome == Outcome::Shown)
            .map(|(e, _)| e.item);
        let all = own.map(|s| ItemId(s.2)).chain(relayed);
        all.filter(|id| !self.hidden.contains(&(community, *id))).collect()
    }

    /// Whether this is the id of an operation, an item or an envelope that is kept.
    pub(super) fn has(&self, id: &AnyId) -> bool {
        self.items.contains_key(&ItemId(*id))
            || self.envelopes.contains_key(&EnvelopeId(*id))
            || self.communities.keys().any(|of| self.sets.contains(&(*of, SetName::Operations, *id)))
    }

    /// Loses the epoch keys of a community, and everything that one was sealed in.
    pub(super) fn forget_keys(&mut self, community: CommunityId) {
        self.keys.retain(|(of, _), _| *of != community);
        self.blobs.clear();
    }

    /// What became of an envelope.
    #[must_use]
    pub fn outcome(&self, id: EnvelopeId) -> Option<Outcome> {
        self.envelopes.get(&id).map(|(_, kept)| kept.outcome)
    }

    fn keep_on_desk(&mut self, kept: Kept) {
        match kept {
            Kept::Tags { from, to, map } => drop(self.tags.insert((from, to), map)),
            Kept::Selection(selection) => drop(self.selections.insert(selection.id, *selection)),
            Kept::NoSelection(id) => drop(self.selections.remove(&id)),
            Kept::Candidate(one) => drop(self.candidates.insert((one.selection, one.item), *one)),
            Kept::NoCandidate(selection, item) => drop(self.candidates.remove(&(selection, item))),
        }
    }

    fn put(&mut self, community: CommunityId, set: SetName, position: Position, id: AnyId) -> bool {
        self.places.insert((community, set, position, id)) && self.sets.insert((community, set, id))
    }

    fn stands_at(&self, id: ItemId) -> (SetName, Position) {
        self.stands(self.items.get(&id).expect("what is shown or hidden was kept"))
    }

    fn stands(&self, item: &Item) -> (SetName, Position) {
        let Ok(place) = stands_at(&item.header, self);
        place
    }

    /// Those that stand, or came over a border.
    fn changing(&self, id: ItemId, kind: Kind) -> impl Iterator<Item = &Item> {
        let stands = |item: &Item| {
            self.sets.contains(&(item.header.community, SetName::of(item.header.scope), item.id.0))
                || self.envelopes.values().any(|(envelope, _)| envelope.item == item.id)
        };
        self.items.values().filter(move |i| i.header.target == Some(id) && i.header.kind == kind && stands(i))
    }
}

impl Ledger for Memory {
    type Error = Infallible;

    fn communities(&self) -> Result<Vec<Signed>, Infallible> {
        Ok(self.communities.values().cloned().collect())
    }
    fn operations(&self, community: CommunityId) -> Result<Vec<Signed>, Infallible> {
        let all = self.operations.range((community, 0, OpId::new([0; 32]))..);
        Ok(all.take_while(|(key, _)| key.0 == community).map(|(_, s)| s.clone()).collect())
    }
    fn epoch_keys(&self, community: CommunityId) -> Result<Vec<(OpId, [u8; 32])>, Infallible> {
        Ok(self.keys.iter().filter(|(key, _)| key.0 == community).map(|(key, k)| (key.1, *k)).collect())
    }
    fn pending_joins(&self) -> Result<Vec<PendingJoin>, Infallible> {
        Ok(self.pending.values().cloned().collect())
    }
    fn addresses(&self, community: CommunityId) -> Result<Vec<AddressList>, Infallible> {
        Ok(self.book.iter().filter(|(key, _)| key.0 == community).map(|(_, list)| list.clone()).collect())
    }
    fn met(&self, community: CommunityId) -> Result<Vec<Met>, Infallible> {
        let met = self.met.iter().filter(|(key, _)| key.0 == community);
        Ok(met.map(|(key, (person, device))| (key.1.clone(), *person, *device)).collect())
    }
    fn bans(&self) -> Result<Vec<Ban>, Infallible> {
        Ok(self.bans.values().cloned().collect())
    }
    fn written_by(&self, community: CommunityId, person: PersonId) -> Result<Vec<ItemId>, Infallible> {
        let by = self.items.values().filter(|i| i.header.community == community && i.header.author == person);
        Ok(by.map(|i| i.id).collect())
    }
    fn written_on(&self, community: CommunityId, person: PersonId, day: u64) -> Result<usize, Infallible> {
        let by = |h: &Header| h.community == community && h.author == person && h.ts.day() == day;
        Ok(self.items.values().filter(|i| by(&i.header)).count())
    }
    fn charter(&self, community: CommunityId) -> Result<Option<ItemId>, Infallible> {
        let charters = self
            .items
            .values()
            .filter(|i| i.header.kind == Kind::CHARTER && self.sets.contains(&(community, SetName::Items, i.id.0)));
        Ok(charters.max_by_key(|i| (i.header.ts, i.id)).map(|i| i.id))
    }
    fn item(&self, id: ItemId) -> Result<Option<SignedItem>, Infallible> {
        Ok(self.items.get(&id).map(|item| item.signed.clone()))
    }
    fn body(&self, item: &Item) -> Result<Option<SaltedBody>, Infallible> {
        Ok(self.bodies.get(&item.header.body_hash).cloned())
    }
    fn carried(&self, id: ItemId) -> Result<Option<(SignedItem, Option<SaltedBody>)>, Infallible> {
        let item = self.items.get(&id);
        Ok(item.map(|item| (item.signed.clone(), self.bodies.get(&item.header.body_hash).cloned())))
    }
    fn chain_end(
        &self,
        community: CommunityId,
        scope: Scope,
        device: PublicKey,
    ) -> Result<Option<(u32, ItemId)>, Infallible> {
        Ok(self.chain_ends.get(&(community, scope, device)).copied())
    }
    fn forks(&self, community: CommunityId) -> Result<Vec<Fork>, Infallible> {
        let mut signed: BTreeMap<(PublicKey, u8, u32), Vec<&Item>> = BTreeMap::new();
        for item in self.items.values().filter(|item| item.header.community == community) {
            let header = &item.header;
            signed.entry((header.device, header.scope.number(), header.seq)).or_default().push(item);
        }
        let mut forks: BTreeMap<PublicKey, Fork> = BTreeMap::new();
        for ((device, _, seq), items) in signed {
            if let [first, second, ..] = items[..] {
                let fork = Fork { device, scope: first.header.scope, seq, first: first.id, second: second.id };
                forks.entry(device).or_insert(fork);
            }
        }
        Ok(forks.into_values().collect())
    }
    fn is_retracted(&self, id: ItemId, author: PersonId) -> Result<bool, Infallible> {
        Ok(self.changing(id, Kind::TOMBSTONE).any(|i| i.header.author == author))
    }
    fn changes(&self, target: ItemId, kind: Kind) -> Result<Vec<ItemId>, Infallible> {
        Ok(self.changing(target, kind).map(|i| i.id).collect())
    }
    fn is_hidden(&self, community: CommunityId, item: ItemId) -> Result<bool, Infallible> {
        Ok(self.hidden.contains(&(community, item)))
    }
    fn sequels(&self) -> Result<Vec<Sequel>, Infallible> {
        Ok(self.sequels.iter().copied().collect())
    }
    fn bookmark(
        &self,
        community: CommunityId,
        author: PersonId,
        normalised: &str,
    ) -> Result<Option<ItemId>, Infallible> {
        Ok(self.addresses.get(&(community, author, normalised.to_owned())).copied())
    }
    fn envelope(&self, id: EnvelopeId) -> Result<Option<KeptEnvelope>, Infallible> {
        Ok(self.envelopes.get(&id).map(|(_, kept)| kept.clone()))
    }
    fn envelopes_of(&self, community: CommunityId, item: ItemId) -> Result<Vec<EnvelopeId>, Infallible> {
        Ok(self.envelopes.iter().filter(|(_, (e, _))| e.to == community && e.item == item).map(|(id, _)| *id).collect())
    }
    fn relay_end(
        &self,
        from: CommunityId,
        to: CommunityId,
        device: PublicKey,
    ) -> Result<Option<(u32, EnvelopeId)>, Infallible> {
        let chain = self.envelopes.iter().filter(|(_, (e, _))| e.from == from && e.to == to && e.device == device);
        Ok(chain.map(|(id, (e, _))| (e.seq, *id)).max())
    }
    fn turns(&self, in_link: OpId, day: u64, most: usize) -> Result<Vec<Turn>, Infallible> {
        let takes_one = |e: &Envelope| self.items.get(&e.item).is_some_and(|i| !i.header.kind.needs_no_leave());
        let days = self.envelopes.iter().filter(|(_, (e, _))| e.in_link == in_link && e.ts.day() == day);
        let turns = days.filter(|(_, (e, _))| takes_one(e)).map(|(id, (e, _))| (e.broker, e.device, e.seq, *id));
        let turns: BTreeSet<Turn> = turns.collect();
        Ok(turns.into_iter().take(most).collect())
    }
    fn bundle(&self, hash: BundleHash) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.bundles.get(&hash).cloned())
    }
    fn blob(&self, hash: AnyId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.blobs.get(&hash).cloned())
    }
    fn tag_map(&self, from: CommunityId, to: CommunityId) -> Result<TagMap, Infallible> {
        Ok(self.tags.get(&(from, to)).cloned().unwrap_or_default())
    }
    fn selections(&self) -> Result<Vec<Selection>, Infallible> {
        Ok(self.selections.values().cloned().collect())
    }
    fn selection(&self, id: SelectionId) -> Result<Option<Selection>, Infallible> {
        Ok(self.selections.get(&id).cloned())
    }
    fn candidates(&self, selection: SelectionId) -> Result<Vec<Candidate>, Infallible> {
        Ok(self.candidates.values().filter(|one| one.selection == selection).cloned().collect())
    }
    fn candidate(&self, selection: SelectionId, item: ItemId) -> Result<Option<Candidate>, Infallible> {
        Ok(self.candidates.get(&(selection, item)).cloned())
    }
    fn find(&self, community: CommunityId, set: SetName, half: ShortId) -> Result<Option<AnyId>, Infallible> {
        let mut first = [0; 32];
        first[..16].copy_from_slice(&half.0);
        let found = self.sets.range((community, set, Bytes(first))..).next();
        Ok(found.filter(|s| s.0 == community && s.1 == set && short(&s.2) == half).map(|s| s.2))
    }
    fn ids(
        &self,
        community: CommunityId,
        set: SetName,
        after: Option<AnyId>,
        most: usize,
    ) -> Result<Vec<AnyId>, Infallible> {
        let first = (community, set, after.unwrap_or(Bytes([0; 32])));
        let all = self.sets.range(first..).take_while(|s| s.0 == community && s.1 == set);
        Ok(all.map(|s| s.2).filter(|id| Some(*id) != after).take(most).collect())
    }
    fn places(
        &self,
        community: CommunityId,
        set: SetName,
        positions: (Position, Position),
        after: Option<Place>,
        rising: bool,
        most: usize,
    ) -> Result<Vec<Place>, Infallible> {
        let first = (community, set, positions.0, Bytes([0; 32]));
        let last = (community, set, positions.1, Bytes([0xff; 32]));
        let within = self.places.range(first..=last).map(|place| (place.2, place.3));
        let beyond = |place: &Place| after.is_none_or(|after| if rising { *place > after } else { *place < after });
        Ok(if rising {
            within.filter(beyond).take(most).collect()
        } else {
            within.rev().filter(beyond).take(most).collect()
        })
    }
    fn holds(&self, community: CommunityId, set: SetName, id: AnyId) -> Result<bool, Infallible> {
        Ok(self.sets.contains(&(community, set, id)))
    }
}
