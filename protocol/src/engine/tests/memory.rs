//! A ledger in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use crate::{
    engine::Keep,
    epoch::Scope,
    id::{BodyHash, BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId},
    item::{Item, Kind, SaltedBody, SignedItem},
    key::PublicKey,
    ledger::{AddressList, KeptEnvelope, Ledger, PendingJoin},
    link::{Envelope, Outcome},
    signed::Signed,
    wire::{AnyId, SetName},
};

/// What one node keeps.
#[derive(Debug, Default)]
pub(super) struct Memory {
    communities: BTreeMap<CommunityId, Signed>,
    operations: BTreeMap<(CommunityId, u32, OpId), Signed>,
    keys: BTreeMap<(CommunityId, OpId), [u8; 32]>,
    pending: BTreeMap<CommunityId, PendingJoin>,
    book: BTreeMap<(CommunityId, Vec<u8>), AddressList>,
    items: BTreeMap<ItemId, Item>,
    bodies: BTreeMap<BodyHash, SaltedBody>,
    addresses: BTreeMap<(CommunityId, PersonId, String), ItemId>,
    envelopes: BTreeMap<EnvelopeId, (Envelope, KeptEnvelope)>,
    bundles: BTreeMap<BundleHash, Vec<u8>>,
    blobs: BTreeMap<AnyId, Vec<u8>>,
    sets: BTreeSet<(CommunityId, SetName, AnyId)>,
}

impl Memory {
    pub(super) fn keep(&mut self, keep: Keep) {
        match keep {
            Keep::Community(id, genesis) => drop(self.communities.insert(id, genesis)),
            Keep::Operation { community, id, lamport, signed } => {
                self.operations.insert((community, lamport, id), signed);
                assert!(self.sets.insert((community, SetName::Operations, id.0)), "an operation is kept once");
            }
            Keep::EpochKey(community, epoch, key) => drop(self.keys.insert((community, epoch), key)),
            Keep::Blob(name, bytes) => drop(self.blobs.insert(name, bytes)),
            Keep::Item { read_in, item, body, by, address, .. } => {
                if by.is_none() {
                    assert!(self.sets.insert((read_in, SetName::Items, item.id.0)), "an item is kept once");
                    if let Some(address) = address {
                        self.addresses.entry((read_in, item.header.author, address)).or_insert(item.id);
                    }
                }
                self.bodies.insert(item.header.body_hash, body);
                self.items.insert(item.id, *item);
            }
            Keep::Envelope { id, envelope, outcome } => {
                assert!(self.sets.insert((envelope.value.to, SetName::Envelopes, id.0)), "an envelope is kept once");
                self.envelopes.insert(id, (envelope.value, KeptEnvelope { signed: envelope.signed, outcome }));
            }
            Keep::Outcome(id, outcome) => self.envelopes.get_mut(&id).unwrap().1.outcome = outcome,
            Keep::Bundle(hash, bytes) => drop(self.bundles.insert(hash, bytes)),
            Keep::Addresses { community, list } => {
                drop(self.book.insert((community, list.peer.as_slice().to_vec()), list))
            }
            Keep::Invite(..) => {}
            Keep::Pending(pending) => drop(self.pending.insert(pending.community, pending)),
            Keep::Settled(community) => drop(self.pending.remove(&community)),
        }
    }

    /// The items that can be read in a community, relayed ones too.
    pub(super) fn readable(&self, community: CommunityId) -> BTreeSet<ItemId> {
        let own = self.sets.iter().filter(|s| s.0 == community && s.1 == SetName::Items).map(|s| ItemId(s.2));
        let relayed = self
            .envelopes
            .values()
            .filter(|(e, kept)| e.to == community && kept.outcome == Outcome::Shown)
            .map(|(e, _)| e.item);
        own.chain(relayed).collect()
    }

    pub(super) fn outcome(&self, id: EnvelopeId) -> Option<Outcome> {
        self.envelopes.get(&id).map(|(_, kept)| kept.outcome)
    }

    fn changes(&self, id: ItemId, kind: Kind) -> impl Iterator<Item = &Item> {
        self.items.values().filter(move |i| i.header.target == Some(id) && i.header.kind == kind)
    }
}

impl Ledger for Memory {
    type Error = Infallible;

    fn communities(&self) -> Result<Vec<Signed>, Infallible> {
        Ok(self.communities.values().cloned().collect())
    }
    fn operations(&self, community: CommunityId) -> Result<Vec<Signed>, Infallible> {
        Ok(self.operations.iter().filter(|(key, _)| key.0 == community).map(|(_, s)| s.clone()).collect())
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
    fn item(&self, id: ItemId) -> Result<Option<SignedItem>, Infallible> {
        Ok(self.items.get(&id).map(|item| item.signed.clone()))
    }
    fn body(&self, hash: BodyHash) -> Result<Option<SaltedBody>, Infallible> {
        Ok(self.bodies.get(&hash).cloned())
    }
    fn chain_end(
        &self,
        community: CommunityId,
        scope: Scope,
        device: PublicKey,
    ) -> Result<Option<(u32, ItemId)>, Infallible> {
        let chain = self
            .items
            .values()
            .filter(|i| i.header.community == community && i.header.scope == scope && i.header.device == device);
        Ok(chain.map(|i| (i.header.seq, i.id)).max())
    }
    fn is_retracted(&self, id: ItemId, author: PersonId) -> Result<bool, Infallible> {
        Ok(self.changes(id, Kind::TOMBSTONE).any(|i| i.header.author == author))
    }
    fn edits(&self, id: ItemId) -> Result<Vec<ItemId>, Infallible> {
        Ok(self.changes(id, Kind::EDIT).map(|i| i.id).collect())
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
    fn relayed_on(&self, in_link: OpId, day: u64) -> Result<Vec<EnvelopeId>, Infallible> {
        let mut found: Vec<_> =
            self.envelopes.iter().filter(|(_, (e, _))| e.in_link == in_link && e.ts.day() == day).collect();
        found.sort_by_key(|(id, (e, _))| (e.broker, e.device, e.seq, **id));
        Ok(found.into_iter().map(|(id, _)| *id).collect())
    }
    fn bundle(&self, hash: BundleHash) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.bundles.get(&hash).cloned())
    }
    fn blob(&self, hash: AnyId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.blobs.get(&hash).cloned())
    }
    fn ids(
        &self,
        community: CommunityId,
        set: SetName,
        after: Option<AnyId>,
        most: usize,
    ) -> Result<Vec<AnyId>, Infallible> {
        let all = self.sets.iter().filter(|s| s.0 == community && s.1 == set && after.is_none_or(|after| s.2 > after));
        Ok(all.map(|s| s.2).take(most).collect())
    }
    fn holds(&self, community: CommunityId, set: SetName, id: AnyId) -> Result<bool, Infallible> {
        Ok(self.sets.contains(&(community, set, id)))
    }
}
