//! A full protocol client in a test's hand, for a node without an engine: it says hello, shows tags, proves itself,
//! asks, answers, listens, and opens whatever it can.
//!
//! Leaves to others: what it signs (`forgery`), when it does what, and what is asserted. Always true: it has no keys but
//! those that it was given or has opened; everything that has reached it is in `heard`.

mod answers;

use std::collections::{BTreeMap, VecDeque};

use hearth_protocol::{
    authority::{Body, Log, Operation, State, evaluate},
    bytes::{Blob, Bytes, List},
    community::{Community, Genesis},
    encoding::decode,
    engine::Identity,
    epoch::{EpochBlob, EpochKey, SealedKey, sealing_info},
    hello::{
        Handover, JoinRequest, PreviewRequest, Proof, RestoreRequest, SealedHello, Speaker, StaleHello, Transcript,
        padding,
    },
    id::{CommunityId, ItemId, OpId},
    invite::InviteKey,
    ledger::Ledger,
    limits,
    link::Carry,
    random::Random,
    reconcile::short,
    signed::{Signed, Verified},
    testing::{Memory, Received, Simulator},
    time::Millis,
    wire::{Admission, AnyId, CommunityTag, Fingerprint, Gossip, Request, Response, SetName},
};

/// The fingerprint of no set, so that whoever is shown it finds that sets differ.
const NO_SET: Fingerprint = Fingerprint(u64::MAX, [1; 4]);

/// A key, and of what it is.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) community: CommunityId,
    pub(crate) epoch: Option<OpId>,
    pub(crate) key: EpochKey,
}

/// What has reached a client.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A request or a response.
    Frame(Vec<u8>),
    /// Sealed bytes on a topic.
    Gossip(String, Vec<u8>),
    /// What was sealed inside a frame, and opened.
    Opened(Vec<u8>),
}

/// A question under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Hello,
    Tags,
    Prove(CommunityTag),
    Ids(CommunityTag, SetName),
    Compare,
    Periods(CommunityTag, SetName),
    List,
    Fetch(SetName),
    Keys,
    Addresses,
    Communities,
    Join,
    Preview,
    Restore,
}

/// One connection.
#[derive(Debug, Default)]
struct Talk {
    nonce: Option<[u8; 32]>,
    asking: Option<Transcript>,
    answering: Option<Transcript>,
    /// Keys for this connection only (7.4): of our own making, and of the other side's.
    fresh: Vec<Held>,
    theirs: Vec<Held>,
    /// What was shown of which community, in our own hello.
    shown: BTreeMap<CommunityTag, CommunityId>,
}

/// See the module's documentation.
pub(crate) struct Intruder {
    pub(crate) name: String,
    pub(crate) who: Identity,
    pub(crate) community: CommunityId,
    pub(crate) log: Log,
    pub(crate) state: State,
    orphans: VecDeque<Verified<Operation>>,
    pub(crate) keys: Vec<Held>,
    /// What it gives to whoever asks.
    pub(crate) carries: BTreeMap<ItemId, Carry>,
    pub(crate) heard: Vec<Heard>,
    /// Invites by which it asks to be let in, on every connection.
    pub(crate) invites: Vec<InviteKey>,
    /// A key that it hands to whoever asks to be let in: of no epoch.
    pub(crate) planted: Option<EpochKey>,
    /// Items that it asks everybody for.
    pub(crate) wanted: Vec<AnyId>,
    /// What it was refused, by what it asked.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Proofs that somebody took, and tags of theirs that it knew again: whose, and of which community.
    pub(crate) accepted: BTreeMap<(String, CommunityId), u64>,
    pub(crate) recognised: BTreeMap<(String, CommunityId), u64>,
    talks: BTreeMap<String, Talk>,
    asked: BTreeMap<u64, Asked>,
    pub(crate) random: Random,
    news: bool,
}

impl Intruder {
    /// Plays `name`, with what a node of this memory has kept of `community`.
    pub(crate) fn new(simulator: &Simulator, name: &str, memory: &Memory, community: CommunityId) -> Intruder {
        let Ok(founded) = memory.communities();
        let founded = founded.into_iter().filter_map(|genesis| Community::check(genesis).ok());
        let founded = founded.into_iter().find(|founded| founded.id == community).expect("it was a member");
        let log = Log::new(founded);
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&simulator.seed().to_le_bytes());
        seed[8] = name.bytes().last().unwrap_or_default();
        let mut client = Intruder {
            name: name.to_owned(),
            who: simulator.identity(name).clone(),
            community,
            state: evaluate(&log),
            log,
            orphans: VecDeque::new(),
            keys: Vec::new(),
            carries: BTreeMap::new(),
            heard: Vec::new(),
            invites: Vec::new(),
            planted: None,
            wanted: Vec::new(),
            refusals: BTreeMap::new(),
            accepted: BTreeMap::new(),
            recognised: BTreeMap::new(),
            talks: BTreeMap::new(),
            asked: BTreeMap::new(),
            random: Random::new(&seed),
            news: false,
        };
        client.learn(memory, simulator.now());
        client
    }

    /// Takes over what a memory holds: keys of every community; operations and items of this one.
    pub(crate) fn learn(&mut self, memory: &Memory, now: Millis) {
        let Ok(communities) = memory.communities();
        for community in communities.iter().map(|genesis| CommunityId::from(genesis.id::<Genesis>())) {
            let Ok(keys) = memory.epoch_keys(community);
            for (epoch, key) in keys {
                self.hold(Held { community, epoch: Some(epoch), key: EpochKey::new(key) });
            }
        }
        let Ok(operations) = memory.operations(self.community);
        for signed in operations {
            self.absorb(signed, now);
        }
        let Ok(items) = memory.ids(self.community, SetName::Items, None, usize::MAX);
        for id in items.into_iter().filter(|id| !self.carries.contains_key(&ItemId(*id))).collect::<Vec<_>>() {
            let Ok(carried) = memory.carried(ItemId(id));
            let Some((signed, body)) = carried else { continue };
            self.carries.insert(ItemId(id), Carry::plain(signed, body));
        }
    }

    pub(crate) fn hold(&mut self, held: Held) {
        if !self.keys.iter().any(|known| known.key == held.key) {
            self.keys.push(held);
            self.news = true;
        }
    }

    /// The epochs of its community.
    fn epochs(&self) -> Vec<OpId> {
        let is_epoch = |body: &Body| matches!(body, Body::Epoch(_));
        self.log.operations().filter(|place| is_epoch(&place.operation.body)).map(|place| place.id).collect()
    }

    /// The keys of its community.
    pub(crate) fn own_keys(&self) -> impl Iterator<Item = &EpochKey> {
        self.keys.iter().filter(|held| held.community == self.community).map(|held| &held.key)
    }

    pub(crate) fn absorb(&mut self, signed: Signed, now: Millis) {
        // Before its signatures are checked: this is asked many times of everything.
        let id = OpId::from(signed.id::<Operation>());
        if self.log.contains(id) || self.orphans.iter().any(|orphan| OpId::from(orphan.id()) == id) {
            return;
        }
        let Ok(operation) = Verified::<Operation>::check(signed) else { return };
        if operation.value.community != self.community {
            return;
        }
        self.orphans.push_back(operation);
        let mut changed = false;
        loop {
            let before = self.orphans.len();
            for _ in 0..before {
                let Some(orphan) = self.orphans.pop_front() else { break };
                let ready = orphan.value.parents.iter().all(|parent| self.log.contains(*parent));
                if ready {
                    changed |= self.log.add(orphan, now) == Ok(true);
                } else {
                    self.orphans.push_back(orphan);
                }
            }
            if self.orphans.len() == before {
                break;
            }
        }
        if changed {
            self.state = evaluate(&self.log);
        }
    }

    /// Handles all that has come since, and listens for everything that it can name.
    pub(crate) fn react(&mut self, simulator: &mut Simulator) {
        for received in simulator.received(&self.name.clone()) {
            match received {
                Received::Connected(peer) => self.greet(simulator, &peer),
                Received::Disconnected(peer) => drop(self.talks.remove(&peer)),
                Received::Unreachable(_) => {}
                Received::Request { from, token, request } => {
                    let request = request.expect("honest nodes send what can be read");
                    self.heard.push(Heard::Frame(request.to_bytes()));
                    let response = self.answer(&from, request);
                    simulator.send_response(&self.name, token, &response);
                }
                Received::Response { from, id, response } => {
                    let response = response.expect("honest nodes send what can be read");
                    self.heard.push(Heard::Frame(response.to_bytes()));
                    if let Some(asked) = self.asked.remove(&id) {
                        self.answered(simulator, &from, asked, response);
                    }
                }
                Received::Unanswered { id, .. } => drop(self.asked.remove(&id)),
                Received::Gossip { topic, data, .. } => {
                    self.overhear(&topic, &data, simulator.now());
                    self.heard.push(Heard::Gossip(topic, data));
                }
            }
        }
        for held in &self.keys {
            simulator.listen_on(&self.name, &held.key.topic());
        }
        if std::mem::take(&mut self.news) {
            for peer in self.talks.keys().cloned().collect::<Vec<_>>() {
                self.greet(simulator, &peer);
            }
        }
    }

    /// Begins a hello, whatever came of the one before.
    pub(crate) fn greet(&mut self, simulator: &mut Simulator, peer: &str) {
        let nonce = self.random.bytes();
        self.talks.entry(peer.to_owned()).or_default().nonce = Some(nonce);
        self.ask(simulator, peer, Asked::Hello, &Request::Hello(Bytes(nonce)));
    }

    /// Those that it is connected with.
    pub(crate) fn peers(&self) -> Vec<String> {
        self.talks.keys().cloned().collect()
    }

    fn ask(&mut self, simulator: &mut Simulator, peer: &str, asked: Asked, request: &Request) {
        let id = simulator.send_request(&self.name, peer, request);
        self.asked.insert(id, asked);
    }

    /// Everything that can be asked after a nonce has come: who it was, who it is, and what there is.
    fn press(&mut self, simulator: &mut Simulator, peer: &str, theirs: &[u8; 32]) {
        let Some(nonce) = self.talks.get_mut(peer).and_then(|talk| talk.nonce.take()) else { return };
        let transcript = Transcript::new((&self.who.peer, &nonce), (peer.as_bytes(), theirs));
        self.press_to_come_in(simulator, peer, &transcript);
        let fresh = Held { community: self.community, epoch: None, key: EpochKey::new(self.random.bytes()) };
        let hellos = self.sealed_hellos(peer, &transcript, &fresh.key);
        let mut shown = self.keys.clone();
        shown.push(fresh.clone());
        let tag = |held: &Held| transcript.tag(&held.key, Speaker::Asker);
        let mut tags: Vec<CommunityTag> = shown.iter().map(tag).take(limits::HELLO_TAGS).collect();
        tags.resize_with(limits::HELLO_TAGS, || Bytes(self.random.bytes()));
        if let Some(talk) = self.talks.get_mut(peer) {
            talk.asking = Some(transcript);
            talk.fresh = vec![fresh];
            talk.shown = shown.iter().map(|held| (tag(held), held.community)).collect();
        }
        self.ask(simulator, peer, Asked::Tags, &Request::Tags(tags, hellos));
        for held in &shown {
            let (person, device) = (self.who.person(), &self.who.device);
            let proof = Proof::seal(&transcript, held.community, &held.key, Speaker::Asker, person, device);
            let request = Request::Prove(tag(held), Blob::new(proof).expect("a proof is short"));
            self.ask(simulator, peer, Asked::Prove(tag(held)), &request);
        }
        for held in &shown {
            self.want(simulator, peer, tag(held));
        }
    }

    /// As somebody who was let in once, looks, or comes back with their words.
    fn press_to_come_in(&mut self, simulator: &mut Simulator, peer: &str, transcript: &Transcript) {
        let Some(identity) = self.who.key.clone() else { return };
        let now = simulator.now();
        for invite in self.invites.clone() {
            let join = invite.join(self.who.record.clone(), self.who.name.clone(), &identity, &self.who.device, now);
            let (tag, cert) = (transcript.join_tag(invite.community), invite.cert.signed.clone());
            let sealed = JoinRequest::seal(transcript, invite.community, cert.clone(), join, &invite.secret());
            let request = Request::Join(tag, Blob::new(sealed).expect("a join is short"));
            self.ask(simulator, peer, Asked::Join, &request);
            let sealed = PreviewRequest::seal(transcript, invite.community, cert, &invite.secret());
            let request = Request::Preview(tag, Blob::new(sealed).expect("a look is short"));
            self.ask(simulator, peer, Asked::Preview, &request);
        }
        let person = self.who.person();
        let sealed = RestoreRequest::seal(transcript, self.who.record.clone(), self.who.device.public(), &identity);
        let request = Request::Restore(transcript.restore_tag(person), Blob::new(sealed).expect("it is short"));
        self.ask(simulator, peer, Asked::Restore, &request);
    }

    /// Sealed to each device that may be at the other end: its person's, by the name that they joined with.
    fn sealed_hellos(&mut self, peer: &str, transcript: &Transcript, key: &EpochKey) -> Vec<SealedHello> {
        let devices = self.state.members.values().filter(|member| peer.starts_with(&member.name));
        let kems: Vec<Bytes<32>> = devices.flat_map(|member| &member.devices).map(|cert| cert.kem).collect();
        let hello = StaleHello {
            community: self.community,
            person: self.who.person(),
            device: self.who.device.public(),
            key: key.clone(),
        };
        let seal = |kem: &Bytes<32>| hello.seal(transcript, &self.who.device, kem, &mut self.random);
        let mut hellos: Vec<_> = kems.iter().take(limits::SEALED_HELLOS).map(seal).collect();
        hellos.resize_with(limits::SEALED_HELLOS, || padding(transcript, &mut self.random));
        hellos
    }

    /// Asks for everything under a tag.
    fn want(&mut self, simulator: &mut Simulator, peer: &str, tag: CommunityTag) {
        for set in SetName::COMPARED {
            self.ask(simulator, peer, Asked::Ids(tag, set), &Request::Ids(tag, set, NO_SET, None));
            self.ask(simulator, peer, Asked::Compare, &Request::Compare(tag, vec![(set, NO_SET)], 0, 48));
            self.ask(simulator, peer, Asked::Periods(tag, set), &Request::Periods(tag, set));
            // What she has heard of without having it.
            let wanted = self.wanted.iter().rev().take(limits::FETCH).map(short).collect();
            self.ask(simulator, peer, Asked::Fetch(set), &Request::Bring(tag, set, wanted, Vec::new()));
        }
        let blobs = self.log.operations().filter_map(|place| match &place.operation.body {
            Body::Epoch(epoch) => epoch.sealed,
            _ => None,
        });
        let (epochs, blobs): (Vec<OpId>, Vec<AnyId>) = (self.epochs(), blobs.collect());
        if !epochs.is_empty() {
            self.ask(simulator, peer, Asked::Keys, &Request::Keys(tag, epochs));
        }
        let items = self.wanted.iter().rev().take(limits::FETCH).copied().collect::<Vec<_>>();
        for (set, ids) in [(SetName::Items, items), (SetName::Blobs, blobs)] {
            if !ids.is_empty() {
                self.ask(simulator, peer, Asked::Fetch(set), &Request::Fetch(tag, set, ids));
            }
        }
        self.ask(simulator, peer, Asked::Addresses, &Request::Addresses(tag, Vec::new()));
        self.ask(simulator, peer, Asked::Communities, &Request::Communities(tag, Vec::new()));
    }

    fn answered(&mut self, simulator: &mut Simulator, peer: &str, asked: Asked, response: Response) {
        let transcript = self.talks.get(peer).and_then(|talk| talk.asking);
        match (asked, response) {
            (Asked::Hello, Response::Hello(nonce)) => self.press(simulator, peer, &nonce.0),
            (Asked::Prove(tag), Response::Prove(_)) => {
                let shown = self.talks.get(peer).and_then(|talk| talk.shown.get(&tag));
                if let Some(community) = shown {
                    *self.accepted.entry((peer.to_owned(), *community)).or_default() += 1;
                }
                self.want(simulator, peer, tag);
            }
            (Asked::Tags, Response::Tags(tags)) => {
                let key = |held: &Held| transcript.is_some_and(|t| tags.contains(&t.tag(&held.key, Speaker::Answerer)));
                self.recognise(peer, key);
            }
            (Asked::Ids(tag, set), Response::Ids(_, ids, _)) => {
                let unknown = ids.into_iter().filter(|id| match set {
                    SetName::Operations => !self.log.contains(OpId(*id)),
                    _ => !self.carries.contains_key(&ItemId(*id)),
                });
                let unknown: Vec<AnyId> = unknown.take(limits::FETCH).collect();
                if !unknown.is_empty() {
                    self.ask(simulator, peer, Asked::Fetch(set), &Request::Fetch(tag, set, unknown));
                }
            }
            (Asked::Periods(tag, set), Response::Periods(periods)) => {
                for (period, _) in periods {
                    self.ask(simulator, peer, Asked::Fetch(set), &Request::Take(tag, set, period, None));
                    self.ask(simulator, peer, Asked::List, &Request::List(tag, set, period, None));
                }
            }
            (Asked::Fetch(_), Response::Fetch(set, things) | Response::Take(set, things, _)) => {
                things.into_iter().for_each(|thing| self.fetched(set, thing.as_slice(), simulator.now()));
            }
            (Asked::Keys, Response::Keys(keys)) => self.take_keys(self.community, &keys),
            (Asked::Join, Response::Join(sealed)) => self.let_in(transcript, sealed.as_slice()),
            (Asked::Preview, Response::Preview(sealed)) => {
                let key = transcript.map(|transcript| transcript.join_key(self.community));
                self.heard.extend(key.and_then(|key| key.open(sealed.as_slice(), &[]).ok()).map(Heard::Opened));
            }
            (Asked::Restore, Response::Restore(sealed)) => self.restored(transcript, sealed.as_slice()),
            (Asked::Communities, Response::Communities(handovers)) => self.take_handovers(&handovers),
            (asked, Response::Refused(name)) => {
                let asked = format!("{asked:?}");
                let asked = asked.split('(').next().unwrap_or_default();
                *self.refusals.entry(format!("{asked} {}", name.as_str())).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Counts the keys that somebody has shown.
    fn recognise(&mut self, peer: &str, is_shown: impl Fn(&Held) -> bool) {
        for held in self.keys.iter().filter(|held| is_shown(held)) {
            *self.recognised.entry((peer.to_owned(), held.community)).or_default() += 1;
        }
    }

    fn fetched(&mut self, set: SetName, bytes: &[u8], now: Millis) {
        match set {
            SetName::Operations => {
                if let Ok(signed) = Signed::from_bytes(bytes, limits::RESPONSE_BYTES) {
                    self.absorb(signed, now);
                }
            }
            SetName::Items => {
                if let Ok(carry) = Carry::from_bytes(bytes) {
                    self.carries.insert(carry.item.id(), carry);
                }
            }
            SetName::Blobs => {
                if let Ok(blob) = decode::<EpochBlob>(bytes, limits::EPOCH_BLOB_BYTES) {
                    self.take_blob(&blob);
                }
            }
            SetName::Inner | SetName::Envelopes | SetName::Bundles => {}
        }
    }

    /// Whatever of a blob opens, for any epoch that it may be of.
    fn take_blob(&mut self, blob: &EpochBlob) {
        let infos: Vec<(OpId, Vec<u8>)> = self
            .log
            .operations()
            .filter(|place| matches!(place.operation.body, Body::Epoch(_)) && !self.has_key_of(place.id))
            .map(|place| (place.id, sealing_info(self.community, &place.operation.parents)))
            .collect();
        let mine: Vec<&SealedKey> = blob.iter().filter(|sealed| self.is_to_me(sealed)).collect();
        for (epoch, info) in &infos {
            for sealed in &mine {
                if let Ok(key) = self.who.sealing.open(sealed, info) {
                    self.hold(Held { community: self.community, epoch: Some(*epoch), key });
                }
            }
        }
    }

    /// Whether it has the key to which an epoch of its community has committed: no other would open anything more.
    fn has_key_of(&self, epoch: OpId) -> bool {
        let commit = self.log.get(epoch).and_then(|place| match &place.operation.body {
            Body::Epoch(epoch) => Some(epoch.commit),
            _ => None,
        });
        self.keys.iter().any(|held| held.epoch == Some(epoch) && Some(held.key.commit()) == commit)
    }

    fn is_to_me(&self, sealed: &SealedKey) -> bool {
        self.who.device.public().0.as_bytes().starts_with(sealed.0.as_bytes())
    }

    fn take_keys(&mut self, community: CommunityId, keys: &[(OpId, SealedKey)]) {
        for (epoch, sealed) in keys.iter().filter(|(epoch, _)| !self.has_key_of(*epoch)).collect::<Vec<_>>() {
            if let Ok(key) = self.who.sealing.open(sealed, &sealing_info(community, &[*epoch])) {
                self.hold(Held { community, epoch: Some(*epoch), key });
            }
        }
    }

    fn take_handovers(&mut self, handovers: &[Handover]) {
        for handover in handovers {
            if let Ok(founded) = Community::check(handover.genesis.clone()) {
                self.take_keys(founded.id, &handover.keys);
            }
        }
    }

    fn let_in(&mut self, transcript: Option<Transcript>, sealed: &[u8]) {
        let key = transcript.map(|transcript| transcript.join_key(self.community));
        let Some(bytes) = key.and_then(|key| key.open(sealed, &[]).ok()) else { return };
        if let Ok(admission) = decode::<Admission>(&bytes, limits::RESPONSE_BYTES) {
            self.take_keys(self.community, &admission.keys);
        }
        self.heard.push(Heard::Opened(bytes));
    }

    fn restored(&mut self, transcript: Option<Transcript>, sealed: &[u8]) {
        let key = transcript.map(|transcript| transcript.restore_key(self.who.person()));
        let Some(bytes) = key.and_then(|key| key.open(sealed, &[]).ok()) else { return };
        let handovers = decode::<List<Handover, 0, { limits::COMMUNITIES }>>(&bytes, limits::HANDOVERS_BYTES);
        if let Ok(handovers) = handovers {
            self.take_handovers(&handovers);
        }
        self.heard.push(Heard::Opened(bytes));
    }

    fn overhear(&mut self, topic: &str, data: &[u8], now: Millis) {
        let opened = self.keys.iter().find_map(|held| held.key.open(data, topic.as_bytes()).ok());
        match opened.and_then(|bytes| Gossip::from_bytes(&bytes).ok()) {
            Some(Gossip::Operation(signed)) => self.absorb(signed, now),
            Some(Gossip::Epoch(signed, blob)) => {
                self.absorb(signed, now);
                self.take_blob(&blob);
            }
            Some(Gossip::Carry(carry)) => drop(self.carries.insert(carry.item.id(), *carry)),
            None => {}
        }
    }
}
