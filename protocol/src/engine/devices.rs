//! A person's devices: certifying one by a pairing code, revoking, coming back with 24 words, and
//! telling all communities (section 10).
//!
//! The log of the own space says which devices the person has; the device that holds the identity
//! key says the same in every other community. Always true: only that device signs Keys, and a
//! device key never travels.

use super::{
    Answer, CommandRefusal, Decided, Done, Effect, Engine, Event, Keep, PeerName, Standing,
    act::Acted,
    session::{Question, refused},
};
use crate::{
    authority::{Body, FeedEnd, Keys},
    bytes::{Blob, Bytes, List},
    community::Community,
    encoding::{V1, decode, encode},
    epoch::{Scope, sealing_info},
    hello::{Handover, PairRequest, Paired, RestoreRequest, Transcript, same_tag},
    id::{CommunityId, OpId, PersonId},
    key::{PublicKey, SecretKey},
    ledger::Ledger,
    limits,
    pairing::PairingCode,
    person::{Caps, DeviceCert, PersonRecord, Reveal},
    signed::{Signed, Verified},
    time::Millis,
    wire::{CommunityTag, Request, Response},
};

/// A pairing code that waits for its device.
#[derive(Debug)]
pub(super) struct Pairing {
    secret: [u8; 16],
    until: Millis,
}

impl Pairing {
    pub(super) fn until_mut(&mut self) -> &mut Millis {
        &mut self.until
    }
}

/// The next key of the ladder, revealed after a theft (D2).
#[derive(Debug, Clone)]
pub struct NextKey {
    /// The key.
    pub key: SecretKey,
    /// The person with that key revealed, and this device certified by it.
    pub record: PersonRecord,
}

/// What is said of one's devices in one Keys.
#[derive(Debug, Default)]
struct Said {
    reveals: Vec<Signed>,
    certs: Vec<Signed>,
    revoked: Vec<PublicKey>,
    cut: Option<Vec<OpId>>,
    feeds: Vec<FeedEnd>,
}

impl Engine {
    /// The rung of this person's identity key.
    fn rung(&self) -> u8 {
        self.me.record.check().map_or(0, |person| person.index)
    }

    /// Certifies a device by the identity key.
    fn certify(&self, now: Millis, device: PublicKey, kem: Bytes<32>, caps: Caps) -> Option<Signed> {
        let (key, person) = (self.me.key.as_ref()?, self.me.person());
        let cert = DeviceCert { version: V1, person, index: self.rung(), device, kem, caps, ts: now };
        Some(Verified::seal(cert, &[key]).signed)
    }

    /// What a genesis shows of a founder: one reveal, and two certificates at most.
    pub(super) fn founding_record(&self) -> PersonRecord {
        let mut record = self.me.record.clone();
        let keep = |cert: &Signed| {
            cert.read::<DeviceCert>().is_ok_and(|c| c.device == self.me.device.public() || c.caps == Caps::NONE)
        };
        record.devices = List::new(record.devices.iter().filter(|cert| keep(cert)).cloned().collect())
            .unwrap_or_else(|_| self.me.record.devices.clone());
        record
    }

    /// What a join shows: all devices that the own space knows.
    pub(super) fn joining_record(&self, now: Millis) -> PersonRecord {
        let mut record = self.me.record.clone();
        let mut certs = record.devices.to_vec();
        certs
            .extend(self.other_devices().iter().filter_map(|cert| self.certify(now, cert.device, cert.kem, cert.caps)));
        if let Ok(devices) = List::new(certs) {
            record.devices = devices;
        }
        record
    }

    /// The devices of this person beside this one, by the own space's log.
    fn other_devices(&self) -> Vec<DeviceCert> {
        let own = self.own_space().and_then(|own| self.standing(own));
        let devices = own.and_then(|own| own.state.members.get(&self.me.person())).map(|member| member.devices.clone());
        let others = devices.unwrap_or_default();
        others.into_iter().filter(|d| d.device != self.me.device.public() && d.caps != Caps::NONE).collect()
    }

    fn say(&mut self, now: Millis, community: CommunityId, said: Said) -> Acted {
        let bounds = |_| CommandRefusal::Field("more devices than one statement names");
        let keys = Keys {
            reveals: List::new(said.reveals).map_err(bounds)?,
            devices: List::new(said.certs).map_err(bounds)?,
            revoked: List::new(said.revoked).map_err(bounds)?,
            cut: said.cut.map(List::new).transpose().map_err(bounds)?,
            feeds: List::new(said.feeds).map_err(bounds)?,
        };
        self.act_by_identity(now, community, Body::Keys(keys))
    }

    // ---- pairing (D4)

    pub(super) fn make_pairing_code(&mut self, now: Millis) -> Done {
        if self.me.key.is_none() {
            return Err(CommandRefusal::NoIdentityKey);
        }
        let own = self.own_space().and_then(|own| self.standing(own)).cloned().ok_or(CommandRefusal::NoCommunity)?;
        // Others know nothing of this code, so this node alone is named.
        let hints: Vec<_> = self.hints(&own)?.iter().take(1).cloned().collect();
        let hints = List::new(hints).map_err(|_| CommandRefusal::NoAddress)?;
        let (secret, until) = (self.random.bytes(), now.after(limits::PAIRING_MS));
        self.pairing = Some(Pairing { secret, until });
        Ok((Answer::PairingCode(PairingCode::new(secret, hints).to_text(), until), Vec::new()))
    }

    /// Certifies the device that shows the secret of the code, once.
    pub(super) fn answer_pair<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        tag: Bytes<16>,
        sealed: &[u8],
        ledger: &L,
    ) -> Result<(Response, Vec<Effect>), L::Error> {
        let silent = (refused("unknown"), Vec::new());
        let (Some(transcript), Some(pairing)) = (self.answering(peer), &self.pairing) else { return Ok(silent) };
        let secret = pairing.secret;
        if now > pairing.until || !same_tag(&transcript.pair_tag(&secret), &tag) {
            return Ok(silent);
        }
        let Ok(request) = PairRequest::open(sealed, &transcript, &secret) else { return Ok(silent) };
        // Once, whatever comes of it.
        self.pairing = None;
        let caps = Caps(Caps::ITEMS.0 | Caps::OPERATIONS.0);
        let Some(cert) = self.certify(now, request.device, request.kem, caps) else { return Ok(silent) };
        let Some(own) = self.own_space() else { return Ok(silent) };
        let said = Said { certs: vec![cert.clone()], ..Said::default() };
        let Ok((_, mut effects)) = self.say(now, own, said) else { return Ok(silent) };
        effects.extend(self.follow_log(now, own, ledger)?);
        effects.extend(self.tell_all_communities(now, ledger)?);
        let mut record = self.me.record.clone();
        if let Ok(devices) = List::new([record.devices.to_vec(), vec![cert]].concat()) {
            record.devices = devices;
        }
        let Some(mine) = self.handover(own, (self.me.person(), request.device, request.kem)) else { return Ok(silent) };
        let paired = Paired { record, name: self.me.name.clone(), mine };
        let response = Blob::new(transcript.pair_key(&secret).seal(&encode(&paired), &[]))
            .map_or_else(|_| refused("busy"), Response::Pair);
        effects.push(Effect::Tell(Event::Paired(request.device)));
        Ok((response, effects))
    }

    /// The own space, as a device was given it when it was paired.
    pub(super) fn take_over_own(&mut self, handover: &Handover) -> Done {
        let effects = self.take_over(handover).ok_or(CommandRefusal::Field("the own space does not check"))?;
        Ok((Answer::Done, effects))
    }

    /// A community that another device, or a co-member, has handed over: its log is to be fetched.
    pub(super) fn take_over(&mut self, handover: &Handover) -> Option<Vec<Effect>> {
        let founded = Community::check(handover.genesis.clone()).ok()?;
        let community = founded.id;
        let mut effects = Vec::new();
        let mut standing = match self.standing(community) {
            Some(known) => Standing::clone(known),
            None if self.communities.len() >= limits::COMMUNITIES => return None,
            None => {
                effects.push(Effect::Keep(Keep::Community(community, founded.signed.clone())));
                Standing::new(founded, self.me.names())
            }
        };
        for (epoch, sealed) in &handover.keys {
            let Ok(key) = self.me.sealing.open(sealed, &sealing_info(community, &[*epoch])) else { continue };
            // Of an epoch that is known, the key that it commits to.
            let fits = match standing.state.epochs.iter().find(|known| known.id == *epoch) {
                Some(known) => known.commit == key.commit(),
                None => !standing.log.contains(*epoch) && !standing.keys.contains_key(epoch),
            };
            if fits && standing.keys.get(epoch) != Some(&key) {
                effects.push(Effect::Keep(Keep::EpochKey(community, *epoch, *key.as_bytes())));
                standing.keys.insert(*epoch, key);
            }
        }
        self.communities.insert(community, std::sync::Arc::new(standing));
        Some(effects)
    }

    // ---- what one's own other devices know

    /// Asks another device of this person for the communities that this one does not know.
    pub(super) fn ask_for_communities(&mut self, peer: &PeerName, own: CommunityId) -> Option<Effect> {
        let tag = self.peers.get(peer)?.tag_for(own)?;
        let known = self.communities.keys().copied().collect();
        Some(self.ask(peer, Question::Communities, Request::Communities(tag, known)))
    }

    pub(super) fn answer_communities(&mut self, peer: &PeerName, tag: CommunityTag, known: &[CommunityId]) -> Response {
        let Some((community, proven)) = self.served(peer, &tag) else { return refused("unknown") };
        if Some(community) != self.own_space() || proven.person != self.me.person() {
            return refused("unknown");
        }
        let handovers = self.handovers((proven.person, proven.device, proven.kem), known);
        Response::Communities(handovers)
    }

    fn handovers(&mut self, to: (PersonId, PublicKey, Bytes<32>), known: &[CommunityId]) -> Vec<Handover> {
        let theirs = self.communities.values().filter(|s| s.is_in(to.0)).map(|s| s.id());
        let theirs: Vec<CommunityId> = theirs.filter(|id| !known.contains(id)).take(limits::COMMUNITIES).collect();
        theirs.into_iter().filter_map(|community| self.handover(community, to)).collect()
    }

    /// Takes over what is not known yet, and looks for it at the peer that told.
    pub(super) fn communities_told(&mut self, peer: &PeerName, handovers: &[Handover]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for handover in handovers {
            let known = Community::check(handover.genesis.clone()).is_ok_and(|c| self.communities.contains_key(&c.id));
            if !known {
                effects.extend(self.take_over(handover).unwrap_or_default());
            }
        }
        if !effects.is_empty() {
            effects.extend(self.hello(peer));
        }
        effects
    }

    // ---- restoring (D6b)

    /// With the 24 words, and nothing else left: asks where this person is a member.
    pub(super) fn ask_to_restore(&mut self, peer: &PeerName, transcript: &Transcript) -> Option<Effect> {
        if !self.me.restoring {
            return None;
        }
        let (person, device) = (self.me.person(), self.me.device.public());
        let record = self.me.record.clone();
        let sealed = RestoreRequest::seal(transcript, record, device, self.me.key.as_ref()?);
        let request = Request::Restore(transcript.restore_tag(person), Blob::new(sealed).ok()?);
        Some(self.ask(peer, Question::Restore, request))
    }

    /// Hands over the communities in which the person is a member now, to their identity key.
    pub(super) fn answer_restore(&mut self, peer: &PeerName, tag: Bytes<16>, sealed: &[u8]) -> Response {
        let Some(transcript) = self.answering(peer) else { return refused("unknown") };
        let members = self.communities.values().flat_map(|s| s.state.current().map(|(person, _)| *person));
        let people: std::collections::BTreeSet<PersonId> = members.collect();
        let Some(person) = people.into_iter().find(|person| same_tag(&transcript.restore_tag(*person), &tag)) else {
            return refused("unknown");
        };
        let Ok((request, checked)) = RestoreRequest::open(sealed, &transcript, person) else {
            return refused("unknown");
        };
        // D1: an older key may be in a thief's hands.
        if self.communities.values().any(|s| s.is_in(person) && s.log.rung(person) > Some(checked.index)) {
            return refused("key_replaced");
        }
        let Some(cert) = checked.device(request.device) else { return refused("unknown") };
        let handovers: Vec<Handover> = self.handovers((person, request.device, cert.kem), &[]);
        let Ok(handovers) = List::<Handover, 0, { limits::COMMUNITIES }>::new(handovers) else {
            return refused("busy");
        };
        self.vouch_for_device(peer, person, cert.clone());
        Blob::new(transcript.restore_key(person).seal(&encode(&handovers), &[]))
            .map_or_else(|_| refused("busy"), Response::Restore)
    }

    pub(super) fn restored(&mut self, peer: &PeerName, sealed: &[u8]) -> Vec<Effect> {
        let Some(transcript) = self.asking(peer) else { return Vec::new() };
        let key = transcript.restore_key(self.me.person());
        let opened = key.open(sealed, &[]).ok();
        let handovers = opened.and_then(|bytes| {
            decode::<List<Handover, 0, { limits::COMMUNITIES }>>(&bytes, limits::HANDOVERS_BYTES).ok()
        });
        match handovers {
            Some(handovers) => self.communities_told(peer, &handovers),
            None => vec![Effect::Tell(Event::Refused("bad_handover"))],
        }
    }

    // ---- saying the same everywhere

    /// Says in a community what the own space knows of this person's devices, where it does not
    /// say so yet. Nothing to do on a device without the identity key.
    pub(super) fn tell_devices<L: Ledger>(&mut self, now: Millis, community: CommunityId, ledger: &L) -> Decided<L> {
        let me = self.me.person();
        let Some(standing) = self.standing(community).cloned() else { return Ok(Vec::new()) };
        if self.me.key.is_none() || !standing.is_in(me) {
            return Ok(Vec::new());
        }
        let known = |device: PublicKey, caps: Caps| {
            standing.state.device(me, device).is_some_and(|cert| cert.caps.include(caps))
        };
        let own = self.own_space().and_then(|own| self.standing(own)).cloned();
        let gone: Vec<PublicKey> = own.map(|own| own.state.revoked(me)).unwrap_or_default();
        let mut said = Said::default();
        // D4b: one device admits; if none does, it is the one with the identity key.
        let admits = |cert: &DeviceCert| cert.caps.include(Caps::ADMIT) && !gone.contains(&cert.device);
        let taken = standing.state.members.get(&me).is_some_and(|member| member.devices.iter().any(admits));
        let mine = if taken { Caps(Caps::ITEMS.0 | Caps::OPERATIONS.0) } else { Caps::ALL };
        let here = self.me.device.public();
        if !known(here, mine) && !standing.state.revoked(me).contains(&here) {
            said.certs.extend(self.certify(now, here, self.me.sealing.public(), mine));
        }
        for cert in self.other_devices() {
            if !known(cert.device, Caps(cert.caps.0 & !Caps::ADMIT.0))
                && !standing.state.revoked(me).contains(&cert.device)
            {
                said.certs.extend(self.certify(now, cert.device, cert.kem, cert.caps));
            }
        }
        said.revoked = gone.into_iter().filter(|device| known(*device, Caps::NONE)).collect();
        if said.certs.is_empty() && said.revoked.is_empty() {
            return Ok(Vec::new());
        }
        if standing.log.rung(me) < Some(self.rung()) {
            said.reveals = self.reveals();
        }
        said.feeds = ends_of_chains(community, &said.revoked, ledger)?;
        let lowers = !said.revoked.is_empty();
        let Ok((_, mut effects)) = self.say(now, community, said) else { return Ok(Vec::new()) };
        if lowers {
            effects.extend(self.renew_epochs(now, community));
        }
        Ok(effects)
    }

    pub(super) fn tell_all_communities<L: Ledger>(&mut self, now: Millis, ledger: &L) -> Decided<L> {
        let others: Vec<CommunityId> =
            self.communities.values().filter(|s| !s.is_own_space()).map(|s| s.id()).collect();
        let mut effects = Vec::new();
        for community in others {
            effects.extend(self.tell_devices(now, community, ledger)?);
        }
        Ok(effects)
    }

    fn reveals(&self) -> Vec<Signed> {
        self.me.record.reveals.iter().filter(|signed| signed.read::<Reveal>().is_ok()).cloned().collect()
    }

    // ---- revoking (D2, D5)

    /// Revokes devices in every community. With `since`, what they signed from then on does not
    /// stand; with the next key of the ladder, neither does what the keys before it said.
    pub(super) fn revoke_devices<L: Ledger>(
        &mut self,
        now: Millis,
        devices: &[PublicKey],
        since: Option<Millis>,
        next: Option<NextKey>,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        if devices.contains(&self.me.device.public()) {
            return Ok(Err(CommandRefusal::Field(
                "this device cannot revoke itself: use another one, or the 24 words",
            )));
        }
        if let Some(next) = next {
            self.me.key = Some(next.key);
            self.me.record = next.record;
        }
        if self.me.key.is_none() {
            return Ok(Err(CommandRefusal::NoIdentityKey));
        }
        let me = self.me.person();
        let communities: Vec<CommunityId> = self.communities.values().filter(|s| s.is_in(me)).map(|s| s.id()).collect();
        let mut effects = Vec::new();
        let (mut revoked, mut refused) = (false, None);
        for community in communities {
            let Some(standing) = self.standing(community).cloned() else { continue };
            let here: Vec<PublicKey> =
                devices.iter().copied().filter(|device| standing.state.device(me, *device).is_some()).collect();
            let raises = standing.log.rung(me) < Some(self.rung());
            if here.is_empty() && !raises {
                continue;
            }
            let mut said = Said { revoked: here.clone(), ..Said::default() };
            if raises {
                said.reveals = self.reveals();
                said.certs.extend(self.certify(now, self.me.device.public(), self.me.sealing.public(), Caps::ALL));
            }
            said.cut = since.map(|since| good_heads(&standing, me, &here, since, raises.then(|| self.rung())));
            said.feeds = match since {
                Some(since) => ends_before(community, &here, since, ledger)?,
                None => ends_of_chains(community, &here, ledger)?,
            };
            // What one community refuses, the others are told all the same.
            match self.say(now, community, said) {
                Ok((_, said)) => effects.extend(said),
                Err(refusal) => {
                    refused = Some(refusal);
                    continue;
                }
            }
            revoked = true;
            effects.extend(self.renew_epochs(now, community));
            effects.extend(self.follow_log(now, community, ledger)?);
        }
        Ok(if revoked { Ok((Answer::Done, effects)) } else { Err(refused.unwrap_or(CommandRefusal::NoDevice)) })
    }
}

/// The last item of each chain of these devices.
fn ends_of_chains<L: Ledger>(
    community: CommunityId,
    devices: &[PublicKey],
    ledger: &L,
) -> Result<Vec<FeedEnd>, L::Error> {
    let mut ends = Vec::new();
    for device in devices {
        for scope in [Scope::All, Scope::Inner] {
            if let Some((seq, id)) = ledger.chain_end(community, scope, *device)? {
                ends.push(FeedEnd(*device, scope, seq, id));
            }
        }
    }
    Ok(ends)
}

/// The last item of each chain that claims to be from before a time.
fn ends_before<L: Ledger>(
    community: CommunityId,
    devices: &[PublicKey],
    since: Millis,
    ledger: &L,
) -> Result<Vec<FeedEnd>, L::Error> {
    let mut ends = Vec::new();
    for mut end in ends_of_chains(community, devices, ledger)? {
        loop {
            let Some(item) = super::author::item(ledger, end.3)? else { break };
            if item.header.ts < since {
                ends.push(end);
                break;
            }
            let Some(prev) = item.header.prev else { break };
            end = FeedEnd(end.0, end.1, end.2.saturating_sub(1), prev);
        }
    }
    Ok(ends)
}

/// The heads of all that does not rest on what stolen devices, or lower keys of the ladder, have
/// signed since.
fn good_heads(standing: &Standing, me: PersonId, devices: &[PublicKey], since: Millis, below: Option<u8>) -> Vec<OpId> {
    let bad = |operation: &crate::authority::Operation| {
        operation.author == me
            && operation.ts >= since
            && (devices.contains(&operation.device) || (below.is_some() && matches!(operation.body, Body::Keys(_))))
    };
    let mut good: std::collections::BTreeSet<OpId> = std::iter::once(OpId::from(standing.id())).collect();
    let mut heads = good.clone();
    // Parents come before children.
    for place in standing.log.operations() {
        let operation = &place.operation;
        if !bad(operation) && operation.parents.iter().all(|parent| good.contains(parent)) {
            good.insert(place.id);
            for parent in &operation.parents {
                heads.remove(parent);
            }
            heads.insert(place.id);
        }
    }
    let mut heads: Vec<OpId> = heads.into_iter().collect();
    heads.sort_by_key(|id| std::cmp::Reverse(standing.log.get(*id).map_or(0, |place| place.operation.lamport)));
    heads.truncate(limits::PARENTS);
    heads.sort_unstable();
    heads
}
