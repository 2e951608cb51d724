//! Talk with one peer: what was asked of it, what it asks, and who it has proven to be.
//!
//! Each end asks and is asked. What this node asks runs under the transcript of its own hello;
//! what it answers runs under the transcript of the peer's. How the two come to know what they
//! share is in `handshake`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Decided, Effect, Engine, Event, PeerName,
    bans::{Awaited, struck},
    handshake::Shown,
    pull::Pull,
};
use crate::{
    bytes::Bytes,
    encoding::Malformed,
    epoch::EpochKey,
    hello::{Speaker, Transcript},
    id::{CommunityId, PersonId},
    key::PublicKey,
    ledger::Ledger,
    person::DeviceCert,
    text::Text,
    time::Millis,
    wire::{CommunityTag, Request, Response},
};

/// One connected peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Questions that await an answer.
    pub(super) questions: BTreeMap<u64, Question>,
    /// What may come in answer to them.
    pub(super) awaited: BTreeMap<u64, Awaited>,
    /// The nonce of our running hello.
    pub(super) nonce: Option<[u8; 32]>,
    /// It was greeted again since the last round, because something went unanswered or unrecognised.
    pub(super) greeted_again: bool,
    /// Hellos that we have begun: sealed ones go to other devices each time (7.4).
    pub(super) hellos: usize,
    /// What our own hello came to.
    pub(super) asking: Option<Asking>,
    /// Communities that it has shown to share before our hello found them. Where the hello that ends next
    /// does not find them either, another follows.
    pub(super) shown: BTreeSet<CommunityId>,
    /// What the peer's hello came to.
    pub(super) answering: Option<Answering>,
    /// A device that has shown its person's identity key, and is in no log yet (D6b).
    pub(super) vouched: Option<(PersonId, DeviceCert)>,
    /// Comparisons under way.
    pub(super) pulls: BTreeMap<CommunityId, Pull>,
    /// Communities whose sets the peer has compared with ours: what we lack it offers.
    pub(super) compares: BTreeSet<CommunityId>,
    /// In which round we last compared in turn.
    pub(super) turned: BTreeMap<CommunityId, Millis>,
    /// When to compare once more, since gossip has only just come up.
    pub(super) compare_at: BTreeMap<CommunityId, Millis>,
    /// Communities of which something is left to other peers, and since when.
    pub(super) waits_since: BTreeMap<CommunityId, Millis>,
    /// Communities that its person has left, while what they wrote before is fetched.
    leaving: BTreeSet<CommunityId>,
    /// What it asked in vain without being in: see [`crate::limits::VAIN_ASKS`].
    vain: u32,
    /// Communities into which this peer was asked to let us, and has said yes or no.
    pub(super) answered_joins: BTreeSet<CommunityId>,
    /// Those of which it has said nothing; it is asked again once it has answered a hello.
    pub(super) unanswered_joins: BTreeSet<CommunityId>,
}

#[derive(Debug)]
pub(super) struct Asking {
    pub(super) transcript: Transcript,
    /// Keys of our own making, sealed to the device that may be there (7.4).
    pub(super) fresh: Vec<(CommunityId, EpochKey)>,
    /// The communities that both have, and the key that showed it.
    pub(super) shared: BTreeMap<CommunityId, EpochKey>,
    /// Those in which both have proven who they are, and who the peer is there.
    pub(super) proven: BTreeMap<CommunityId, (PersonId, PublicKey)>,
}

#[derive(Debug)]
pub(super) struct Answering {
    pub(super) transcript: Transcript,
    /// Keys that members have sealed to us, who may share no other (7.4).
    pub(super) fresh: Vec<(CommunityId, EpochKey)>,
    /// Who has proven what to us, by the tag that they use.
    pub(super) proven: BTreeMap<CommunityTag, (CommunityId, Proven)>,
}

/// Somebody at the other end, as they have proven it for one community.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proven {
    pub(super) person: PersonId,
    pub(super) device: PublicKey,
    /// The device's X25519 key.
    pub(super) kem: Bytes<32>,
}

/// What a question was about, for its answer.
#[derive(Debug, Clone)]
pub(super) enum Question {
    Hello,
    Tags,
    Prove(CommunityId),
    Join(CommunityId),
    Preview(CommunityId),
    Addresses(CommunityId),
    Keys(CommunityId),
    Communities,
    Restore,
    Pull(CommunityId),
}

impl Peer {
    pub(super) fn proven_in(&self) -> Vec<CommunityId> {
        let asked = self.asking.iter().flat_map(|a| a.proven.keys().copied());
        let answered = self.answering.iter().flat_map(|a| a.proven.values().map(|(community, _)| *community));
        asked.chain(answered).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The tag under which we may ask about a community.
    pub(super) fn tag_for(&self, community: CommunityId) -> Option<CommunityTag> {
        let asking = self.asking.as_ref().filter(|a| a.proven.contains_key(&community))?;
        Some(asking.transcript.tag(asking.shared.get(&community)?, Speaker::Asker))
    }

    /// The peer does not know what we have proven to it: a hello has to show it again.
    pub(super) fn is_unknown_in(&mut self, community: CommunityId) {
        if let Some(asking) = &mut self.asking {
            asking.proven.remove(&community);
        }
    }

    /// Whether its person has left a community, and what they wrote there is being fetched.
    pub(super) fn is_leaving(&self, community: CommunityId) -> bool {
        self.leaving.contains(&community)
    }

    fn proven_by(&self, tag: &CommunityTag) -> Option<(CommunityId, Proven)> {
        self.answering.as_ref()?.proven.get(tag).copied()
    }
}

impl Engine {
    pub(super) fn connected(&mut self, peer: &PeerName) -> Vec<Effect> {
        self.peers.insert(peer.clone(), Peer::default());
        self.found_again(peer);
        let mut effects = vec![Effect::Tell(Event::PeerConnected(peer.clone()))];
        effects.extend(self.greet(peer));
        effects
    }

    /// A peer is gone. Whoever waits to be let in does not wait for the next round.
    pub(super) fn disconnected(&mut self, peer: &PeerName) -> Vec<Effect> {
        self.peers.remove(peer);
        let wanted = self.wanted_joins();
        let asked = wanted.iter().flat_map(|community| self.ask_others(Some(peer), *community));
        let mut effects: Vec<Effect> = asked.collect();
        if !wanted.is_empty() {
            effects.extend(self.redial());
        }
        effects
    }

    /// Begins a hello where there is something left to prove; compares where there is not.
    pub(super) fn greet(&mut self, peer: &PeerName) -> Vec<Effect> {
        let Some(state) = self.peers.get(peer) else { return Vec::new() };
        let proven: Vec<CommunityId> = state.asking.iter().flat_map(|a| a.proven.keys().copied()).collect();
        let unproven = self.communities.values().any(|s| !s.is_private() && !proven.contains(&s.id()));
        let asks = |wanted: &CommunityId| !state.answered_joins.contains(wanted);
        // Of whom nothing is proven is asked every round, also by a node of no community: a stranger counts (P19).
        let wanting = unproven || proven.is_empty() || self.wanted_joins().iter().any(asks);
        let mut effects: Vec<Effect> = if wanting { self.hello(peer).into_iter().collect() } else { Vec::new() };
        for community in proven {
            if Some(community) == self.own_space() {
                effects.extend(self.ask_for_communities(peer, community));
            }
            effects.extend(self.compare(peer, community));
        }
        effects
    }

    /// Greets a peer that did not answer, or does not know us, without waiting for the next round: it may have crashed
    /// and come back, or a connection beside the one that is left has ended. Once a round, or two could keep each other
    /// busy.
    pub(super) fn greet_again(&mut self, peer: &PeerName) -> Vec<Effect> {
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        if std::mem::replace(&mut state.greeted_again, true) { Vec::new() } else { self.greet(peer) }
    }

    /// Begins a hello, unless one is under way.
    pub(super) fn hello(&mut self, peer: &PeerName) -> Option<Effect> {
        let nonce: [u8; 32] = self.random.bytes();
        let state = self.peers.get_mut(peer).filter(|state| state.nonce.is_none())?;
        state.nonce = Some(nonce);
        Some(self.ask(peer, Question::Hello, Request::Hello(Bytes(nonce))))
    }

    pub(super) fn ask(&mut self, peer: &PeerName, about: Question, request: Request) -> Effect {
        let id = self.question();
        if let Some(state) = self.peers.get_mut(peer) {
            state.questions.insert(id, about);
            state.awaited.insert(id, Awaited::by(&request));
        }
        Effect::Ask { peer: peer.clone(), id, request }
    }

    pub(super) fn question_of(&self, peer: &PeerName, id: u64) -> Option<Question> {
        self.peers.get(peer)?.questions.get(&id).cloned()
    }

    pub(super) fn unanswered(&mut self, peer: &PeerName, id: u64) -> Vec<Effect> {
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        match state.questions.remove(&id) {
            Some(Question::Hello | Question::Tags) => {
                state.nonce = None;
                return self.greet_again(peer);
            }
            Some(Question::Pull(community)) => {
                if state.pulls.get(&community).is_some_and(|pull| pull.waits_for(id)) {
                    state.pulls.remove(&community);
                    return self.greet_again(peer);
                }
            }
            Some(Question::Join(community)) => {
                // Or two that have both gone would be asked in turn until the network says so.
                state.unanswered_joins.insert(community);
                return self.ask_others(Some(peer), community);
            }
            Some(
                Question::Prove(_)
                | Question::Preview(_)
                | Question::Addresses(_)
                | Question::Keys(_)
                | Question::Communities
                | Question::Restore,
            )
            | None => {}
        }
        Vec::new()
    }

    pub(super) fn answered<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        id: u64,
        response: Result<Response, Malformed>,
        ledger: &L,
    ) -> Decided<L> {
        let Some(question) = self.question_of(peer, id) else { return Ok(Vec::new()) };
        let Ok(response) = response else {
            let mut effects = self.unanswered(peer, id);
            effects.extend(struck("malformed_response"));
            return Ok(effects);
        };
        if let Some(state) = self.peers.get_mut(peer) {
            state.questions.remove(&id);
        }
        Ok(match (question, response) {
            (Question::Hello, Response::Hello(nonce)) => self.show_tags(now, peer, &nonce.0),
            (Question::Tags, Response::Tags(tags)) => self.match_tags(now, peer, &tags),
            (Question::Prove(community), Response::Prove(proof)) => self.proven(now, peer, community, proof.as_slice()),
            (Question::Join(community), Response::Join(admission)) => {
                self.admitted(peer, community, admission.as_slice())
            }
            (Question::Join(community), Response::Refused(name)) => self.not_admitted(peer, community, name.as_str()),
            (Question::Preview(community), Response::Refused(name)) if name.as_str() != "unknown" => {
                vec![Effect::Tell(Event::LookRefused(community, name.as_str().to_owned()))]
            }
            (Question::Preview(community), Response::Preview(sealed)) => {
                self.looked(peer, community, sealed.as_slice())
            }
            (Question::Keys(community), Response::Keys(keys)) => self.keys_came(now, community, &keys),
            (Question::Communities, Response::Communities(handovers)) => self.communities_told(peer, &handovers),
            (Question::Restore, Response::Restore(sealed)) => self.restored(peer, sealed.as_slice()),
            (Question::Pull(community), response) => self.pulled(now, (peer, id), community, response, ledger)?,
            (Question::Hello | Question::Tags, _) => {
                if let Some(state) = self.peers.get_mut(peer) {
                    state.nonce = None;
                }
                Vec::new()
            }
            (Question::Prove(community), _) => {
                if let Some(asking) = self.peers.get_mut(peer).and_then(|p| p.asking.as_mut()) {
                    asking.shared.remove(&community);
                }
                Vec::new()
            }
            (Question::Restore, Response::Refused(name)) if name.as_str() == "key_replaced" => {
                vec![Effect::Tell(Event::Refused("key_replaced"))]
            }
            (
                Question::Join(_)
                | Question::Preview(_)
                | Question::Addresses(_)
                | Question::Keys(_)
                | Question::Communities
                | Question::Restore,
                _,
            ) => Vec::new(),
        })
    }

    /// Answers a peer.
    pub(super) fn asked<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        token: u64,
        request: Result<Request, Malformed>,
        ledger: &L,
    ) -> Decided<L> {
        let mut effects = Vec::new();
        let from_outside =
            matches!(request, Ok(Request::Join(..) | Request::Preview(..) | Request::Pair(..) | Request::Restore(..)));
        let response = match request {
            Err(why) => {
                effects.extend(struck(why.name()));
                refused("malformed")
            }
            Ok(Request::Hello(nonce)) => self.answer_hello(peer, &nonce.0),
            // Which of them are ours is the peer's to find out: it proves what it finds.
            Ok(Request::Tags(_, hellos)) => self.answer_tags(now, peer, &hellos),
            Ok(Request::Prove(tag, proof)) => {
                let Shown { response, effects: shown } = self.answer_proof(now, peer, tag, proof.as_slice());
                effects.extend(shown);
                response
            }
            Ok(Request::Join(..) | Request::Preview(..) | Request::Pair(..) | Request::Restore(..))
                if !self.may_ask(now, peer) =>
            {
                // Counted here; who asks is told what they are told of anything that does not exist.
                effects.push(Effect::Tell(Event::Refused("vain_asks")));
                refused("unknown")
            }
            Ok(Request::Join(tag, sealed)) => {
                let (response, acted) = self.answer_join(now, peer, tag, sealed.as_slice(), ledger)?;
                effects.extend(acted);
                response
            }
            Ok(Request::Preview(tag, sealed)) => self.answer_look(now, peer, tag, sealed.as_slice(), ledger)?,
            Ok(Request::Pair(tag, sealed)) => {
                let (response, acted) = self.answer_pair(now, peer, tag, sealed.as_slice(), ledger)?;
                effects.extend(acted);
                response
            }
            Ok(Request::Restore(tag, sealed)) => self.answer_restore(peer, tag, sealed.as_slice()),
            Ok(Request::Communities(tag, known)) => self.answer_communities(peer, tag, &known),
            Ok(Request::Keys(tag, epochs)) => match self.served(peer, &tag) {
                Some((community, proven)) => {
                    let to = (proven.person, proven.device, proven.kem);
                    Response::Keys(self.keys_answered(community, to, &epochs))
                }
                None => refused("unknown"),
            },
            Ok(
                request @ (Request::Ids(tag, ..)
                | Request::Fetch(tag, ..)
                | Request::Compare(tag, ..)
                | Request::Bring(tag, ..)
                | Request::Periods(tag, ..)
                | Request::List(tag, ..)
                | Request::Take(tag, ..)),
            ) => match self.served(peer, &tag) {
                Some((community, proven)) => {
                    let reader = (community, proven.person);
                    let (response, acted) = self.serve(now, peer, reader, request, ledger)?;
                    effects.extend(acted);
                    response
                }
                None => refused("unknown"),
            },
            // Its lists are checked by the network layer and come as their own input.
            Ok(Request::Addresses(..)) => refused("unknown"),
        };
        if from_outside && matches!(response, Response::Refused(_)) {
            self.asked_in_vain(peer);
        }
        effects.push(Effect::Respond { token, response });
        Ok(effects)
    }

    /// Whether what somebody asks who is not in is looked at (T5).
    fn may_ask(&mut self, now: Millis, peer: &PeerName) -> bool {
        let minute = now.0 / 60_000;
        if self.vain.0 != minute {
            self.vain = (minute, 0);
        }
        let (on_one, in_all) = self.most_vain;
        self.vain.1 < in_all && self.peers.get(peer).is_some_and(|state| state.vain < on_one)
    }

    fn asked_in_vain(&mut self, peer: &PeerName) {
        self.vain.1 = self.vain.1.saturating_add(1);
        if let Some(state) = self.peers.get_mut(peer) {
            state.vain = state.vain.saturating_add(1);
        }
    }

    /// The community that a peer may ask about under this tag: it has proven a role, and a device,
    /// that it still has.
    pub(super) fn served(&self, peer: &PeerName, tag: &CommunityTag) -> Option<(CommunityId, Proven)> {
        let (community, proven) = self.peers.get(peer)?.proven_by(tag)?;
        self.is_current(peer, community, proven.person, proven.device).then_some((community, proven))
    }

    /// Ends serving whoever is no member any more, and parts with peers that share nothing else.
    pub(super) fn part_with_removed(&mut self, community: CommunityId) -> Vec<Effect> {
        let names: Vec<PeerName> = self.peers.keys().cloned().collect();
        let mut effects = Vec::new();
        for name in names {
            let Some(peer) = self.peers.get(&name) else { continue };
            let Some(standing) = self.standing(community) else { continue };
            let answered = peer.answering.iter().flat_map(|a| a.proven.values()).filter(|(of, _)| *of == community);
            let mut answered = answered.map(|(_, p)| self.is_current(&name, community, p.person, p.device));
            let mut asked = peer.asking.iter().filter_map(|a| a.proven.get(&community));
            let stays =
                answered.all(|current| current) && asked.all(|(who, device)| standing.may_fetch_from(*who, *device));
            if stays {
                continue;
            }
            let leaving = peer.asking.as_ref().and_then(|a| a.proven.get(&community));
            let leaving = leaving.is_some_and(|(who, _)| standing.state.has_left(*who));
            let Some(peer) = self.peers.get_mut(&name) else { continue };
            if let Some(answering) = &mut peer.answering {
                answering.proven.retain(|_, (of, _)| *of != community);
            }
            if leaving && peer.leaving.insert(community) {
                // What they wrote before they left is asked for; they can offer nothing any more.
                effects.extend(self.compare(&name, community));
            }
            let Some(peer) = self.peers.get_mut(&name) else { continue };
            if leaving && peer.pulls.contains_key(&community) {
                // This comes again at its end.
                continue;
            }
            peer.leaving.remove(&community);
            if let Some(asking) = &mut peer.asking {
                asking.proven.remove(&community);
                asking.shared.remove(&community);
            }
            peer.pulls.remove(&community);
            if peer.proven_in().is_empty() {
                effects.push(Effect::Disconnect(name));
            }
        }
        effects
    }
}

pub(super) fn refused(name: &str) -> Response {
    Response::Refused(Text::exact(name.to_owned()).unwrap_or_default())
}
