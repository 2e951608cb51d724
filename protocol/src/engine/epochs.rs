//! Epoch keys in use: opening an epoch, giving keys to who may have them, asking for those that are
//! missing (section 6).
//!
//! Always true: nothing is sealed under an epoch that does not know of everybody who is out (P16);
//! keys are given to devices of people who are in now (E5).

use super::{
    CommandRefusal, Effect, Engine, Event, Keep, PeerName,
    session::{Peer, Question},
    standing::floor,
};
use crate::{
    authority::{Body, Epoch, Role},
    bytes::{Bytes, List},
    encoding::encode,
    epoch::{EpochBlob, EpochKey, Scope, SealedKey, blob_hash, seal_to, sealing_info},
    hello::Handover,
    id::{CommunityId, OpId, PersonId},
    key::PublicKey,
    limits,
    time::Millis,
    wire::Request,
};

/// Peers that are asked for a missing key at once.
const KEY_PEERS: usize = 3;

impl Engine {
    /// Makes a key and seals it to every device of everybody in the scope (E2).
    pub(super) fn open_epoch(
        &mut self,
        now: Millis,
        community: CommunityId,
        scope: Scope,
    ) -> Result<Vec<Effect>, CommandRefusal> {
        let key = EpochKey::new(self.random.bytes());
        let standing = self.standing(community).ok_or(CommandRefusal::NoCommunity)?;
        let info = sealing_info(community, &standing.parents());
        let devices: Vec<_> = standing
            .state
            .current()
            .filter(|(_, member)| member.role >= floor(scope))
            .flat_map(|(_, member)| member.devices.iter().map(|d| (d.device, d.kem)))
            .collect();
        let mut sealed = Vec::with_capacity(devices.len());
        for (device, kem) in devices {
            // A device with an unusable key shuts nobody out but itself.
            sealed.extend(seal_to(device, &kem, &key, &info, &mut self.random));
        }
        sealed.sort_unstable();
        let blob: Option<EpochBlob> = List::new(sealed).ok();
        let body = Epoch { scope, commit: key.commit(), sealed: blob.as_ref().map(blob_hash) };
        let (id, mut effects) = self.act_with(now, community, Role::Member, Body::Epoch(body), blob.as_ref())?;
        if let Some(blob) = &blob {
            effects.push(Effect::Keep(Keep::Blob(blob_hash(blob), encode(blob))));
        }
        effects.extend(self.take_key(community, id, key));
        Ok(effects)
    }

    /// Opens epochs for the scopes that have none which knows of all who are out (E3). Who may not
    /// open one leaves it to others.
    pub(super) fn renew_epochs(&mut self, now: Millis, community: CommunityId) -> Vec<Effect> {
        let Some(standing) = self.standing(community) else { return Vec::new() };
        let lacking = standing.scopes_in_use().into_iter().filter(|scope| !standing.has_adequate_epoch(*scope));
        let lacking: Vec<Scope> = lacking.collect();
        lacking.into_iter().flat_map(|scope| self.open_epoch(now, community, scope).unwrap_or_default()).collect()
    }

    /// Takes up a key: from now on it may be written under and listened for.
    fn take_key(&mut self, community: CommunityId, epoch: OpId, key: EpochKey) -> Vec<Effect> {
        let Some(standing) = self.standing_mut(community) else { return Vec::new() };
        if standing.keys.get(&epoch) == Some(&key) {
            return Vec::new();
        }
        let keep = Effect::Keep(Keep::EpochKey(community, epoch, *key.as_bytes()));
        standing.keys.insert(epoch, key);
        let mut effects = vec![keep];
        effects.extend(self.listen(community));
        effects
    }

    /// The blob of an Epoch that came with it: opens what is sealed to this device.
    pub(super) fn take_blob(
        &mut self,
        now: Millis,
        community: CommunityId,
        epoch: OpId,
        blob: &EpochBlob,
    ) -> Vec<Effect> {
        let Some(standing) = self.standing(community) else { return Vec::new() };
        let Some(place) = standing.log.get(epoch) else { return Vec::new() };
        let Body::Epoch(says) = &place.operation.body else { return Vec::new() };
        // A key that was handed over before its epoch came may be another's.
        let held = standing.keys.get(&epoch).is_some_and(|key| key.commit() == says.commit);
        if says.sealed != Some(blob_hash(blob)) || held {
            return Vec::new();
        }
        let info = sealing_info(community, &place.operation.parents);
        let tag = self.me.device.public();
        let mine = blob.iter().filter(|sealed| tag.0.as_bytes().starts_with(sealed.0.as_bytes()));
        let mut keys = mine.filter_map(|sealed| self.me.sealing.open(sealed, &info).ok());
        let key = keys.find(|key| key.commit() == says.commit);
        let mut effects = vec![Effect::Keep(Keep::Blob(blob_hash(blob), encode(blob)))];
        if let Some(key) = key {
            effects.extend(self.take_key(community, epoch, key));
            effects.extend(self.use_new_key(now, community));
        }
        effects
    }

    /// Asks some of those who have proven themselves for the keys that are missing (E5).
    pub(super) fn ask_for_keys(&mut self, community: CommunityId) -> Vec<Effect> {
        let proven = self.some_peers(|_, state| state.tag_for(community).is_some());
        proven.iter().flat_map(|peer| self.ask_peer_for_keys(peer, community)).collect()
    }

    /// Some of the connected peers of which this holds.
    fn some_peers(&self, holds: impl Fn(&PeerName, &Peer) -> bool) -> Vec<PeerName> {
        let peers = self.peers.iter().filter(|(name, state)| holds(name, state));
        peers.map(|(name, _)| name.clone()).take(KEY_PEERS).collect()
    }

    /// Asks one of them.
    pub(super) fn ask_peer_for_keys(&mut self, peer: &PeerName, community: CommunityId) -> Option<Effect> {
        let missing = self.standing(community)?.missing_keys(self.me.person());
        if missing.is_empty() {
            return None;
        }
        let tag = self.peers.get(peer)?.tag_for(community)?;
        Some(self.ask(peer, Question::Keys(community), Request::Keys(tag, missing)))
    }

    /// The keys that a device of somebody who is in may have, of those it asks for.
    pub(super) fn keys_answered(
        &mut self,
        community: CommunityId,
        (person, device, kem): (PersonId, PublicKey, Bytes<32>),
        wanted: &[OpId],
    ) -> Vec<(OpId, SealedKey)> {
        let Some(standing) = self.standing(community).cloned() else { return Vec::new() };
        let given = standing.keys_for(person).into_iter().filter(|(epoch, _)| wanted.contains(epoch));
        self.sealed_keys(community, given.collect(), device, kem)
    }

    fn sealed_keys(
        &mut self,
        community: CommunityId,
        keys: Vec<(OpId, EpochKey)>,
        device: PublicKey,
        kem: Bytes<32>,
    ) -> Vec<(OpId, SealedKey)> {
        let seal = |(epoch, key): (OpId, EpochKey)| {
            let info = sealing_info(community, &[epoch]);
            Some((epoch, seal_to(device, &kem, &key, &info, &mut self.random).ok()?))
        };
        keys.into_iter().filter_map(seal).collect()
    }

    /// Genesis and keys for a device of a person.
    pub(super) fn handover(
        &mut self,
        community: CommunityId,
        (person, device, kem): (PersonId, PublicKey, Bytes<32>),
    ) -> Option<Handover> {
        let standing = self.standing(community).cloned()?;
        let newest = standing.keys_for(person).into_iter().take(limits::KEYS_HANDED_OVER).collect();
        let keys = self.sealed_keys(community, newest, device, kem);
        Some(Handover { genesis: standing.log.community().signed.clone(), keys: List::new(keys).ok()? })
    }

    /// Keys that somebody has sealed to this device, each for its epoch.
    pub(super) fn keys_came(&mut self, now: Millis, community: CommunityId, keys: &[(OpId, SealedKey)]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (epoch, sealed) in keys {
            let Ok(key) = self.me.sealing.open(sealed, &sealing_info(community, &[*epoch])) else {
                effects.push(Effect::Tell(Event::Refused("bad_key")));
                continue;
            };
            let epochs = self.standing(community).map(|s| s.state.epochs.as_slice()).unwrap_or_default();
            if epochs.iter().any(|known| known.id == *epoch && known.commit == key.commit()) {
                effects.extend(self.take_key(community, *epoch, key));
            } else {
                effects.push(Effect::Tell(Event::Refused("bad_key")));
            }
        }
        if effects.iter().any(|effect| matches!(effect, Effect::Keep(_))) {
            effects.extend(self.use_new_key(now, community));
        }
        effects
    }

    /// What was written under a new key meanwhile has passed us by, and who did not know us by the old ones
    /// may know us by this.
    fn use_new_key(&mut self, now: Millis, community: CommunityId) -> Vec<Effect> {
        let Some(standing) = self.standing(community) else { return Vec::new() };
        let proven = self.some_peers(|_, state| state.tag_for(community).is_some());
        let others =
            self.some_peers(|name, state| state.tag_for(community).is_none() && standing.book.contains_key(name));
        let mut effects: Vec<Effect> = others.iter().filter_map(|peer| self.hello(peer)).collect();
        for peer in proven {
            effects.extend(self.compare(&peer, community));
            self.compare_later(now, &peer, community);
        }
        effects
    }
}
