//! How two nodes find out which communities they share, and prove who they are in each (7.1, 7.2),
//! also where one of them missed a change of keys (7.4).
//!
//! Always true: what a peer sees that shares no community with this node has the same form whatever
//! this node is in (P19).

use super::{
    Effect, Engine, Event, Keep, PeerName, Standing,
    session::{Answering, Asking, Proven, Question, refused},
};
use crate::{
    bytes::{Blob, Bytes},
    epoch::EpochKey,
    hello::{Proof, SealedHello, Speaker, StaleHello, Transcript, padding, same_tag},
    id::{CommunityId, PersonId},
    key::PublicKey,
    limits,
    person::{Caps, DeviceCert},
    time::Millis,
    wire::{CommunityTag, Request, Response},
};

/// An answer to a proof, and what is done with it.
pub(super) struct Shown {
    pub(super) response: Response,
    pub(super) effects: Vec<Effect>,
}

impl Engine {
    /// The transcript of our own hello to a peer.
    pub(super) fn asking(&self, peer: &PeerName) -> Option<Transcript> {
        self.peers.get(peer)?.asking.as_ref().map(|asking| asking.transcript)
    }

    /// The transcript of a peer's hello to us.
    pub(super) fn answering(&self, peer: &PeerName) -> Option<Transcript> {
        self.peers.get(peer)?.answering.as_ref().map(|answering| answering.transcript)
    }

    /// 7.2, asking: a tag for each current key of each community, padded with random ones to 64;
    /// and four sealed hellos.
    pub(super) fn show_tags(&mut self, now: Millis, peer: &PeerName, theirs: &[u8; 32]) -> Vec<Effect> {
        let Some(nonce) = self.peers.get(peer).and_then(|p| p.nonce) else { return Vec::new() };
        let transcript = Transcript::new((&self.me.peer, &nonce), (peer, theirs));
        let tags = self.tags(now, &transcript, Speaker::Asker, &[]);
        let (hellos, fresh) = self.sealed_hellos(now, peer, &transcript);
        if let Some(state) = self.peers.get_mut(peer) {
            // Comparisons under the old tags end here; they begin anew when all is proven.
            state.pulls.clear();
            state.compares.clear();
            state.questions.retain(|_, question| !matches!(question, Question::Pull(_)));
            state.hellos = state.hellos.wrapping_add(1);
            state.unanswered_joins.clear();
            state.asking = Some(Asking { transcript, fresh, shared: Default::default(), proven: Default::default() });
        }
        let mut effects = Vec::new();
        let joins: Vec<CommunityId> = self.pending.keys().copied().collect();
        for community in joins {
            effects.extend(self.present_join(peer, &transcript, community));
        }
        effects.extend(self.look_at(peer, &transcript));
        effects.extend(self.ask_to_restore(peer, &transcript));
        effects.push(self.ask(peer, Question::Tags, Request::Tags(tags, hellos)));
        effects
    }

    fn tags(
        &mut self,
        now: Millis,
        transcript: &Transcript,
        speaker: Speaker,
        fresh: &[(CommunityId, EpochKey)],
    ) -> Vec<Bytes<16>> {
        let mut tags: Vec<Bytes<16>> = self
            .communities
            .values()
            .flat_map(|s| s.hello_keys(now).into_iter().map(|key| transcript.tag(key, speaker)).collect::<Vec<_>>())
            .chain(fresh.iter().map(|(_, key)| transcript.tag(key, speaker)))
            .take(limits::HELLO_TAGS)
            .collect();
        while tags.len() < limits::HELLO_TAGS {
            tags.push(Bytes(self.random.bytes()));
        }
        // The order must say nothing; tags look random, so sorting shuffles.
        tags.sort_unstable();
        tags
    }

    /// 7.4: to the devices that this peer may be, by the logs that we have; the rest padding.
    fn sealed_hellos(
        &mut self,
        now: Millis,
        peer: &PeerName,
        transcript: &Transcript,
    ) -> (Vec<SealedHello>, Vec<(CommunityId, EpochKey)>) {
        let nth = self.peers.get(peer).map_or(0, |state| state.hellos);
        let to = self.devices_at(now, peer, nth);
        let (person, device) = (self.me.person(), self.me.device.clone());
        let mut fresh: Vec<(CommunityId, EpochKey)> = Vec::new();
        let mut hellos = Vec::with_capacity(limits::SEALED_HELLOS);
        for (community, kem) in to {
            let key = match fresh.iter().find(|(of, _)| *of == community) {
                Some((_, key)) => key.clone(),
                None => {
                    let key = EpochKey::new(self.random.bytes());
                    fresh.push((community, key.clone()));
                    key
                }
            };
            let hello = StaleHello { community, person, device: device.public(), key };
            hellos.push(hello.seal(transcript, &device, &kem, &mut self.random));
        }
        while hellos.len() < limits::SEALED_HELLOS {
            hellos.push(padding(transcript, &mut self.random));
        }
        // Which of them mean something is nobody's business either.
        hellos.sort_unstable();
        (hellos, fresh)
    }

    /// The devices that may be at the other end: the one that has proven itself there before; else,
    /// where a list of addresses of members names the peer, some of the members' devices, others
    /// each time.
    fn devices_at(&self, now: Millis, peer: &PeerName, nth: usize) -> Vec<(CommunityId, Bytes<32>)> {
        let me = self.me.person();
        let (mut known, mut guesses) = (Vec::new(), Vec::new());
        let answering = self.peers.get(peer).and_then(|state| state.answering.as_ref());
        // Whoever has proven themselves to us takes us for a member, whatever our own log says.
        let is_called = |s: &Standing| answering.is_some_and(|a| a.proven.values().any(|(of, _)| *of == s.id()));
        let speaks =
            |s: &&std::sync::Arc<Standing>| !s.is_private() && (s.is_in(me) || s.has_untold_leave(now) || is_called(s));
        for standing in self.communities.values().filter(speaks) {
            let community = standing.id();
            if let Some((person, device)) = standing.met.get(peer) {
                let cert = standing.state.device(*person, *device).filter(|_| standing.is_in(*person));
                known.extend(cert.map(|cert| (community, cert.kem)));
            } else if standing.book.contains_key(peer) {
                let met: Vec<PublicKey> = standing.met.values().map(|(_, device)| *device).collect();
                let here = self.me.device.public();
                let other =
                    |cert: &&DeviceCert| cert.caps != Caps::NONE && cert.device != here && !met.contains(&cert.device);
                let devices = standing.state.current().flat_map(|(_, member)| &member.devices).filter(other);
                guesses.extend(devices.map(|cert| (community, cert.kem)));
            }
        }
        let mut chosen = turn(&known, nth, limits::SEALED_HELLOS);
        let left = limits::SEALED_HELLOS.saturating_sub(chosen.len());
        chosen.extend(turn(&guesses, nth, left));
        chosen
    }

    pub(super) fn match_tags(&mut self, now: Millis, peer: &PeerName, tags: &[Bytes<16>]) -> Vec<Effect> {
        let Some(asking) = self.peers.get(peer).and_then(|p| p.asking.as_ref()) else { return Vec::new() };
        let (transcript, fresh) = (asking.transcript, asking.fresh.clone());
        let mut shared: Vec<(CommunityId, EpochKey)> = Vec::new();
        for standing in self.communities.values().filter(|s| !s.is_private()) {
            let sealed = fresh.iter().filter(|(of, _)| *of == standing.id()).map(|(_, key)| key);
            let common = standing.known_keys(now).into_iter().chain(sealed).find(|key| {
                let theirs = transcript.tag(key, Speaker::Answerer);
                tags.iter().any(|tag| same_tag(tag, &theirs))
            });
            shared.extend(common.map(|key| (standing.id(), key.clone())));
        }
        let mut effects = Vec::new();
        for (community, key) in shared {
            let proof = Proof::seal(&transcript, community, &key, Speaker::Asker, self.me.person(), &self.me.device);
            let tag = transcript.tag(&key, Speaker::Asker);
            if let Some(asking) = self.peers.get_mut(peer).and_then(|p| p.asking.as_mut()) {
                asking.shared.insert(community, key);
            }
            if let Ok(proof) = Blob::new(proof) {
                effects.push(self.ask(peer, Question::Prove(community), Request::Prove(tag, proof)));
            }
        }
        let Some(state) = self.peers.get_mut(peer) else { return effects };
        state.nonce = None;
        let found = |community: &CommunityId| state.asking.as_ref().is_some_and(|a| a.shared.contains_key(community));
        if !std::mem::take(&mut state.shown).iter().all(found) {
            effects.extend(self.hello(peer));
        }
        effects
    }

    /// The peer has proven itself to us: tell where members are, and compare.
    pub(super) fn proven(&mut self, now: Millis, peer: &PeerName, community: CommunityId, proof: &[u8]) -> Vec<Effect> {
        let Some((transcript, key)) = self.peers.get(peer).and_then(|p| {
            let asking = p.asking.as_ref()?;
            Some((asking.transcript, asking.shared.get(&community)?.clone()))
        }) else {
            return Vec::new();
        };
        let Ok(proof) = Proof::open(proof, &transcript, community, &key, Speaker::Answerer) else {
            return vec![Effect::Tell(Event::Refused("bad_proof"))];
        };
        let Some(standing) = self.standing(community).cloned() else { return Vec::new() };
        if !standing.may_fetch_from(proof.person, proof.device) {
            return vec![Effect::Tell(Event::Refused("not_a_member"))];
        }
        if let Some(asking) = self.peers.get_mut(peer).and_then(|p| p.asking.as_mut()) {
            asking.proven.insert(community, (proof.person, proof.device));
        }
        // It has checked our proof before it gave its own, so it listens.
        let mut effects = vec![Effect::SpeakGossip(peer.clone())];
        if self.is_current(peer, community, proof.person, proof.device) {
            effects.extend(self.note_met(peer, community, proof.person, proof.device));
        }
        let tag = transcript.tag(&key, Speaker::Asker);
        let lists = self.address_lists(&standing);
        effects.push(self.ask(peer, Question::Addresses(community), Request::Addresses(tag, lists)));
        if standing.is_own_space() {
            effects.extend(self.ask_for_communities(peer, community));
        }
        effects.extend(self.ask_peer_for_keys(peer, community));
        effects.extend(self.compare_first(peer, community));
        self.compare_later(now, peer, community);
        effects
    }

    pub(super) fn answer_hello(&mut self, peer: &PeerName, theirs: &[u8; 32]) -> Response {
        let nonce: [u8; 32] = self.random.bytes();
        let transcript = Transcript::new((&self.me.peer, &nonce), (peer, theirs));
        if let Some(state) = self.peers.get_mut(peer) {
            state.answering = Some(Answering { transcript, fresh: Vec::new(), proven: Default::default() });
        }
        Response::Hello(Bytes(nonce))
    }

    /// The same number of tags to everybody, whatever we share. Of sealed hellos those of members
    /// count: the key in them is shown like an epoch's.
    pub(super) fn answer_tags(&mut self, now: Millis, peer: &PeerName, hellos: &[SealedHello]) -> Response {
        let Some(transcript) = self.answering(peer) else {
            return refused("unknown");
        };
        let opened = hellos.iter().filter_map(|hello| StaleHello::open(hello, &transcript, &self.me.sealing));
        // Also where we are out, by our own log: who takes us for a member may know that it lapsed.
        let current = |hello: &StaleHello| {
            self.standing(hello.community).is_some_and(|s| !s.is_private())
                && self.is_current(peer, hello.community, hello.person, hello.device)
        };
        let fresh: Vec<(CommunityId, EpochKey)> =
            opened.filter(current).map(|hello| (hello.community, hello.key)).collect();
        let tags = self.tags(now, &transcript, Speaker::Answerer, &fresh);
        if let Some(answering) = self.peers.get_mut(peer).and_then(|p| p.answering.as_mut()) {
            answering.fresh = fresh;
        }
        Response::Tags(tags)
    }

    /// Checks a peer's proof and answers with ours. Where we have not proven ourselves to the peer
    /// in this community, we do so at once: it may have become a member since we last asked.
    pub(super) fn answer_proof(&mut self, now: Millis, peer: &PeerName, tag: CommunityTag, sealed: &[u8]) -> Shown {
        let unknown = || Shown { response: refused("unknown"), effects: Vec::new() };
        let Some(answering) = self.peers.get(peer).and_then(|p| p.answering.as_ref()) else { return unknown() };
        let (transcript, fresh) = (answering.transcript, answering.fresh.clone());
        let found = self.communities.values().filter(|s| !s.is_private()).find_map(|standing| {
            let sealed_ones = fresh.iter().filter(|(of, _)| *of == standing.id()).map(|(_, key)| key);
            let mut keys = standing.hello_keys(now).into_iter().chain(sealed_ones);
            let key = keys.find(|key| same_tag(&transcript.tag(key, Speaker::Asker), &tag))?;
            let proof = Proof::open(sealed, &transcript, standing.id(), key, Speaker::Asker).ok()?;
            let kem = self.kem_of(peer, standing, proof.person, proof.device)?;
            Some((standing.id(), key.clone(), Proven { person: proof.person, device: proof.device, kem }))
        });
        let Some((community, key, proven)) = found else { return unknown() };
        let own = Proof::seal(&transcript, community, &key, Speaker::Answerer, self.me.person(), &self.me.device);
        let (Ok(own), Some(state)) = (Blob::new(own), self.peers.get_mut(peer)) else { return unknown() };
        if let Some(answering) = &mut state.answering {
            answering.proven.insert(tag, (community, proven));
        }
        // Shared: our own proof has been taken, or is on its way.
        let proving = state.asking.as_ref().is_some_and(|asking| asking.shared.contains_key(&community));
        if !proving {
            // A hello that is under way may be sealed to others: it knew less.
            state.shown.insert(community);
        }
        let mut effects = vec![Effect::HearGossip(peer.clone())];
        effects.extend(self.note_met(peer, community, proven.person, proven.device));
        if !proving {
            effects.extend(self.hello(peer));
        }
        Shown { response: Response::Prove(own), effects }
    }

    /// Whether somebody has a role now, and the device speaks for them now: by the log, or by the
    /// identity key, on this connection.
    pub(super) fn is_current(
        &self,
        peer: &PeerName,
        community: CommunityId,
        person: PersonId,
        device: PublicKey,
    ) -> bool {
        self.standing(community).is_some_and(|standing| self.kem_of(peer, standing, person, device).is_some())
    }

    fn kem_of(&self, peer: &PeerName, standing: &Standing, person: PersonId, device: PublicKey) -> Option<Bytes<32>> {
        if !standing.is_in(person) {
            return None;
        }
        let vouched = self.peers.get(peer).and_then(|state| state.vouched.as_ref());
        let vouched = vouched.filter(|(who, cert)| {
            *who == person && cert.device == device && !standing.state.revoked(person).contains(&device)
        });
        let cert = standing.state.device(person, device).or(vouched.map(|(_, cert)| cert))?;
        Some(cert.kem)
    }

    pub(super) fn vouch_for_device(&mut self, peer: &PeerName, person: PersonId, cert: DeviceCert) {
        if let Some(state) = self.peers.get_mut(peer) {
            state.vouched = Some((person, cert));
        }
    }

    /// Remembers who a peer has proven to be, to seal a hello to next time.
    pub(super) fn note_met(
        &mut self,
        peer: &PeerName,
        community: CommunityId,
        person: PersonId,
        device: PublicKey,
    ) -> Option<Effect> {
        if self.standing(community)?.met.get(peer) == Some(&(person, device)) {
            return None;
        }
        self.standing_mut(community)?.met.insert(peer.clone(), (person, device));
        Some(Effect::Keep(Keep::Met { community, peer: peer.clone(), person, device }))
    }

    /// The same of those who have proven themselves before the log came that knows them.
    pub(super) fn note_all_met(&mut self, community: CommunityId) -> Vec<Effect> {
        let current = self.peers.iter().filter_map(|(peer, state)| {
            let (person, device) = *state.asking.as_ref()?.proven.get(&community)?;
            self.is_current(peer, community, person, device).then(|| (peer.clone(), person, device))
        });
        let current: Vec<_> = current.collect();
        let note =
            |(peer, person, device): (PeerName, PersonId, PublicKey)| self.note_met(&peer, community, person, device);
        current.into_iter().filter_map(note).collect()
    }
}

/// The `nth` handful of these, going round.
fn turn<T: Clone>(all: &[T], nth: usize, most: usize) -> Vec<T> {
    let most = most.min(all.len());
    let start = nth.checked_mul(most).and_then(|at| at.checked_rem(all.len())).unwrap_or(0);
    all.iter().cycle().skip(start).take(most).cloned().collect()
}
