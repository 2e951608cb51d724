//! Talk with one peer: finding out which communities are shared, proving who we are in each, and
//! telling where others can be found (7.1, 7.2).
//!
//! Each end asks and is asked. What this node asks runs under the transcript of its own hello;
//! what it answers runs under the transcript of the peer's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decided, Effect, Engine, Event, Keep, PeerName, Standing, peer_blob, sync::Pull};
use crate::{
    authority::Role,
    bytes::{Blob, Bytes},
    encoding::Malformed,
    epoch::EpochKey,
    hello::{Proof, Speaker, Transcript, same_tag},
    id::{CommunityId, PersonId},
    ledger::{AddressList, Ledger},
    limits,
    text::Text,
    time::Millis,
    wire::{CommunityTag, Fingerprint, Request, Response, SetName},
};

/// One connected peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Questions that await an answer.
    questions: BTreeMap<u64, Question>,
    /// The nonce of our running hello.
    nonce: Option<[u8; 32]>,
    /// What our own hello came to.
    asking: Option<Asking>,
    /// What the peer's hello came to.
    answering: Option<Answering>,
    /// Comparisons under way.
    pub(super) pulls: BTreeMap<CommunityId, Pull>,
    /// The fingerprints that the peer showed when it asked last: the same again is no news.
    seen: BTreeMap<(CommunityId, SetName), Fingerprint>,
    /// Communities into which this peer was asked to let us, and has said yes or no.
    pub(super) answered_joins: BTreeSet<CommunityId>,
}

#[derive(Debug)]
struct Asking {
    transcript: Transcript,
    /// The communities that both have, and the key that showed it.
    shared: BTreeMap<CommunityId, EpochKey>,
    /// Those in which both have proven who they are.
    proven: BTreeSet<CommunityId>,
}

#[derive(Debug)]
struct Answering {
    transcript: Transcript,
    /// Who has proven what to us, by the tag that they use.
    proven: BTreeMap<CommunityTag, (CommunityId, PersonId)>,
}

/// What a question was about, for its answer.
#[derive(Debug, Clone)]
pub(super) enum Question {
    Hello,
    Tags,
    Prove(CommunityId),
    Join(CommunityId),
    Addresses(CommunityId),
    Pull(CommunityId),
}

impl Peer {
    pub(super) fn proven_in(&self) -> Vec<CommunityId> {
        let asked = self.asking.iter().flat_map(|a| a.proven.iter().copied());
        let answered = self.answering.iter().flat_map(|a| a.proven.values().map(|(community, _)| *community));
        asked.chain(answered).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The tag under which we may ask about a community.
    pub(super) fn tag_for(&self, community: CommunityId) -> Option<CommunityTag> {
        let asking = self.asking.as_ref().filter(|a| a.proven.contains(&community))?;
        Some(asking.transcript.tag(asking.shared.get(&community)?, Speaker::Asker))
    }

    pub(super) fn last_seen(&self, community: CommunityId, set: SetName) -> Option<Fingerprint> {
        self.seen.get(&(community, set)).copied()
    }

    pub(super) fn saw(&mut self, community: CommunityId, set: SetName, fingerprint: Fingerprint) {
        self.seen.insert((community, set), fingerprint);
    }

    fn proven_by(&self, tag: &CommunityTag) -> Option<(CommunityId, PersonId)> {
        self.answering.as_ref()?.proven.get(tag).copied()
    }
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

    pub(super) fn connected(&mut self, peer: &PeerName) -> Vec<Effect> {
        self.peers.insert(peer.clone(), Peer::default());
        let mut effects = vec![Effect::Tell(Event::PeerConnected(peer.clone()))];
        effects.extend(self.greet(peer));
        effects
    }

    /// Begins a hello where there is something left to prove; compares where there is not.
    pub(super) fn greet(&mut self, peer: &PeerName) -> Vec<Effect> {
        let Some(state) = self.peers.get(peer) else { return Vec::new() };
        let proven = state.asking.as_ref().map(|a| a.proven.clone()).unwrap_or_default();
        // Nobody else is in the own space.
        let unproven = self.communities.values().any(|s| !s.is_own_space() && !proven.contains(&s.id()));
        let wanting =
            unproven || state.asking.is_none() || self.pending.keys().any(|c| !state.answered_joins.contains(c));
        let mut effects: Vec<Effect> = if wanting { self.hello(peer).into_iter().collect() } else { Vec::new() };
        for community in proven {
            effects.extend(self.compare(peer, community));
        }
        effects
    }

    /// Begins a hello, unless one is under way.
    fn hello(&mut self, peer: &PeerName) -> Option<Effect> {
        let nonce = self.random.bytes();
        let state = self.peers.get_mut(peer).filter(|state| state.nonce.is_none())?;
        state.nonce = Some(nonce);
        Some(self.ask(peer, Question::Hello, Request::Hello(Bytes(nonce))))
    }

    pub(super) fn ask(&mut self, peer: &PeerName, about: Question, request: Request) -> Effect {
        let id = self.question();
        if let Some(state) = self.peers.get_mut(peer) {
            state.questions.insert(id, about);
        }
        Effect::Ask { peer: peer.clone(), id, request }
    }

    pub(super) fn question_of(&self, peer: &PeerName, id: u64) -> Option<Question> {
        self.peers.get(peer)?.questions.get(&id).cloned()
    }

    pub(super) fn unanswered(&mut self, peer: &PeerName, id: u64) -> Vec<Effect> {
        let Some(state) = self.peers.get_mut(peer) else { return Vec::new() };
        match state.questions.remove(&id) {
            Some(Question::Hello | Question::Tags) => state.nonce = None,
            // The next round begins anew.
            Some(Question::Pull(community)) => {
                state.pulls.remove(&community);
            }
            Some(Question::Prove(_) | Question::Join(_) | Question::Addresses(_)) | None => {}
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
            effects.push(Effect::Tell(Event::Refused("malformed_response")));
            return Ok(effects);
        };
        if let Some(state) = self.peers.get_mut(peer) {
            state.questions.remove(&id);
        }
        Ok(match (question, response) {
            (Question::Hello, Response::Hello(nonce)) => self.show_tags(peer, &nonce.0),
            (Question::Tags, Response::Tags(tags)) => self.match_tags(peer, &tags),
            (Question::Prove(community), Response::Prove(proof)) => self.proven(peer, community, proof.as_slice()),
            (Question::Join(community), Response::Join(admission)) => {
                self.admitted(peer, community, admission.as_slice())
            }
            (Question::Join(community), Response::Refused(name)) => {
                if let Some(state) = self.peers.get_mut(peer) {
                    state.answered_joins.insert(community);
                }
                vec![Effect::Tell(Event::JoinRefused(community, name.as_str().to_owned()))]
            }
            (Question::Pull(community), response) => self.pulled(now, peer, community, response, ledger)?,
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
            (Question::Join(_) | Question::Addresses(_), _) => Vec::new(),
        })
    }

    /// 7.2, asking: a tag for each key of each community, padded with random ones to 64.
    fn show_tags(&mut self, peer: &PeerName, theirs: &[u8; 32]) -> Vec<Effect> {
        let Some(nonce) = self.peers.get(peer).and_then(|p| p.nonce) else { return Vec::new() };
        let transcript = Transcript::new((&self.me.peer, &nonce), (peer, theirs));
        let tags = self.tags(&transcript, Speaker::Asker);
        let mut effects = Vec::new();
        let joins: Vec<CommunityId> = self.pending.keys().copied().collect();
        for community in joins {
            effects.extend(self.present_join(peer, &transcript, community));
        }
        if let Some(state) = self.peers.get_mut(peer) {
            // Comparisons under the old tags end here; they begin anew when all is proven.
            state.pulls.clear();
            state.questions.retain(|_, question| !matches!(question, Question::Pull(_)));
            state.asking = Some(Asking { transcript, shared: BTreeMap::new(), proven: BTreeSet::new() });
        }
        effects.push(self.ask(peer, Question::Tags, Request::Tags(tags)));
        effects
    }

    fn tags(&mut self, transcript: &Transcript, speaker: Speaker) -> Vec<Bytes<16>> {
        let mut tags: Vec<Bytes<16>> = self
            .communities
            .values()
            .filter(|s| s.state.role(self.me.person()) > Role::None || self.pending.contains_key(&s.id()))
            .flat_map(|s| s.recent_keys().into_iter().map(|key| transcript.tag(key, speaker)).collect::<Vec<_>>())
            .take(limits::HELLO_TAGS)
            .collect();
        while tags.len() < limits::HELLO_TAGS {
            tags.push(Bytes(self.random.bytes()));
        }
        // The order must say nothing; tags look random, so sorting shuffles.
        tags.sort_unstable();
        tags
    }

    fn match_tags(&mut self, peer: &PeerName, tags: &[Bytes<16>]) -> Vec<Effect> {
        let Some(transcript) = self.asking(peer) else { return Vec::new() };
        let mut shared: Vec<(CommunityId, EpochKey)> = Vec::new();
        for standing in self.communities.values() {
            let common = standing.recent_keys().into_iter().find(|key| {
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
        if let Some(state) = self.peers.get_mut(peer) {
            state.nonce = None;
        }
        effects
    }

    /// The peer has proven itself to us: tell where members are, and compare.
    fn proven(&mut self, peer: &PeerName, community: CommunityId, proof: &[u8]) -> Vec<Effect> {
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
        // A newcomer has no log yet to look a role up in; what is then fetched proves itself.
        if !self.pending.contains_key(&community) && !is_current(&standing, &proof) {
            return vec![Effect::Tell(Event::Refused("not_a_member"))];
        }
        if let Some(asking) = self.peers.get_mut(peer).and_then(|p| p.asking.as_mut()) {
            asking.proven.insert(community);
        }
        let mut effects = Vec::new();
        let tag = transcript.tag(&key, Speaker::Asker);
        let lists = self.address_lists(&standing);
        effects.push(self.ask(peer, Question::Addresses(community), Request::Addresses(tag, lists)));
        effects.extend(self.compare(peer, community));
        effects
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
        let response = match request {
            Err(why) => {
                effects.push(Effect::Tell(Event::Refused(why.name())));
                refused("malformed")
            }
            Ok(Request::Hello(nonce)) => self.answer_hello(peer, &nonce.0),
            // Which of them are ours is the peer's to find out: it proves what it finds.
            Ok(Request::Tags(_)) => self.answer_tags(peer),
            Ok(Request::Prove(tag, proof)) => {
                let (response, hello) = self.answer_proof(peer, tag, proof.as_slice());
                effects.extend(hello);
                response
            }
            Ok(Request::Join(tag, sealed)) => {
                let (response, acted) = self.answer_join(now, peer, tag, sealed.as_slice(), ledger)?;
                effects.extend(acted);
                response
            }
            Ok(Request::Ids(tag, set, fingerprint, after)) => match self.served(peer, &tag) {
                Some(community) => {
                    let (response, nudged) = self.answer_ids(peer, community, set, fingerprint, after, ledger)?;
                    effects.extend(nudged);
                    response
                }
                None => refused("unknown"),
            },
            Ok(Request::Fetch(tag, set, ids)) => match self.served(peer, &tag) {
                Some(community) => self.answer_fetch(community, set, &ids, ledger)?,
                None => refused("unknown"),
            },
            // Its lists are checked by the network layer and come as their own input.
            Ok(Request::Addresses(..)) => refused("unknown"),
        };
        effects.push(Effect::Respond { token, response });
        Ok(effects)
    }

    /// The community that a peer may ask about under this tag: it has proven a role that it still
    /// has.
    fn served(&self, peer: &PeerName, tag: &CommunityTag) -> Option<CommunityId> {
        let (community, person) = self.peers.get(peer)?.proven_by(tag)?;
        (self.standing(community)?.state.role(person) > Role::None).then_some(community)
    }

    fn answer_hello(&mut self, peer: &PeerName, theirs: &[u8; 32]) -> Response {
        let nonce: [u8; 32] = self.random.bytes();
        let transcript = Transcript::new((&self.me.peer, &nonce), (peer, theirs));
        if let Some(state) = self.peers.get_mut(peer) {
            state.answering = Some(Answering { transcript, proven: BTreeMap::new() });
        }
        Response::Hello(Bytes(nonce))
    }

    fn answer_tags(&mut self, peer: &PeerName) -> Response {
        let Some(transcript) = self.answering(peer) else {
            return refused("unknown");
        };
        // The same number of tags to everybody, whatever we share.
        Response::Tags(self.tags(&transcript, Speaker::Answerer))
    }

    /// Checks a peer's proof and answers with ours. Where we have not proven ourselves to the peer
    /// in this community, we do so at once: it may have become a member since we last asked.
    fn answer_proof(&mut self, peer: &PeerName, tag: CommunityTag, sealed: &[u8]) -> (Response, Option<Effect>) {
        let unknown = (refused("unknown"), None);
        let Some(transcript) = self.answering(peer) else { return unknown };
        let found = self.communities.values().find_map(|standing| {
            let key =
                standing.recent_keys().into_iter().find(|key| same_tag(&transcript.tag(key, Speaker::Asker), &tag))?;
            let proof = Proof::open(sealed, &transcript, standing.id(), key, Speaker::Asker).ok()?;
            is_current(standing, &proof).then(|| (standing.id(), key.clone(), proof.person))
        });
        let Some((community, key, person)) = found else { return unknown };
        let own = Proof::seal(&transcript, community, &key, Speaker::Answerer, self.me.person(), &self.me.device);
        let (Ok(own), Some(state)) = (Blob::new(own), self.peers.get_mut(peer)) else { return unknown };
        if let Some(answering) = &mut state.answering {
            answering.proven.insert(tag, (community, person));
        }
        // Shared: our own proof has been taken, or is on its way.
        let proving = state.asking.as_ref().is_some_and(|asking| asking.shared.contains_key(&community));
        let hello = if proving { None } else { self.hello(peer) };
        (Response::Prove(own), hello)
    }

    fn address_lists(&self, standing: &Standing) -> Vec<Blob<{ limits::ADDRESS_LIST_BYTES }>> {
        let own = self.listening.iter().map(|list| list.list.clone());
        let others = standing.book.values().map(|list| list.list.clone());
        own.chain(others).take(limits::ADDRESS_LISTS).collect()
    }

    pub(super) fn addresses_asked(
        &mut self,
        peer: &PeerName,
        token: u64,
        tag: CommunityTag,
        lists: Vec<AddressList>,
    ) -> Vec<Effect> {
        let Some(community) = self.served(peer, &tag) else {
            return vec![Effect::Respond { token, response: refused("unknown") }];
        };
        let answer = self.standing(community).map(|s| self.address_lists(s)).unwrap_or_default();
        let mut effects = self.note_addresses(community, lists);
        effects.push(Effect::Respond { token, response: Response::Addresses(answer) });
        effects
    }

    pub(super) fn addresses_answered(&mut self, peer: &PeerName, id: u64, lists: Vec<AddressList>) -> Vec<Effect> {
        let question = self.peers.get_mut(peer).and_then(|p| p.questions.remove(&id));
        let Some(Question::Addresses(community)) = question else { return Vec::new() };
        let mut effects = self.note_addresses(community, lists);
        effects.extend(self.redial());
        effects
    }

    fn note_addresses(&mut self, community: CommunityId, lists: Vec<AddressList>) -> Vec<Effect> {
        let own = peer_blob(&self.me.peer);
        let Some(standing) = self.standing_mut(community) else { return Vec::new() };
        let mut effects = Vec::new();
        for list in lists {
            let name = list.peer.as_slice().to_vec();
            let newer = standing.book.get(&name).is_none_or(|known| known.seq < list.seq);
            // As many addresses as a community can have members on one node's disk.
            if list.peer != own && newer && standing.book.len() < 1_000 {
                standing.book.insert(name, list.clone());
                effects.push(Effect::Keep(Keep::Addresses { community, list }));
            }
        }
        effects
    }
}

/// Whether the proof is of a person with a role now, by a device that speaks for them now.
fn is_current(standing: &Standing, proof: &Proof) -> bool {
    standing.state.role(proof.person) > Role::None && standing.state.device(proof.person, proof.device).is_some()
}

pub(super) fn refused(name: &str) -> Response {
    Response::Refused(Text::exact(name.to_owned()).unwrap_or_default())
}
