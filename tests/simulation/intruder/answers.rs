//! What the client answers to what others ask: everything that it has, to everybody.

use hearth_protocol::{
    bytes::{Blob, Bytes, List},
    encoding::encode,
    epoch::{seal_to, sealing_info},
    hello::{Proof, SealedHello, Speaker, StaleHello, Transcript},
    id::{ItemId, OpId},
    key::PublicKey,
    limits,
    link::Carry,
    reconcile::short,
    text::Text,
    wire::{Admission, AnyId, CommunityTag, Fingerprint, Request, Response, SetName},
};

use super::{Heard, Held, Intruder, NO_SET};

impl Intruder {
    pub(super) fn answer(&mut self, peer: &str, request: Request) -> Response {
        let talk = self.talks.entry(peer.to_owned()).or_default();
        match request {
            Request::Hello(theirs) => {
                let nonce: [u8; 32] = self.random.bytes();
                talk.answering = Some(Transcript::new((&self.who.peer, &nonce), (peer.as_bytes(), &theirs.0)));
                Response::Hello(Bytes(nonce))
            }
            Request::Tags(tags, hellos) => self.answer_tags(peer, &tags, &hellos),
            Request::Prove(tag, _) => self.answer_proof(peer, &tag),
            Request::Join(_, sealed) => self.answer_join(peer, sealed.as_slice()),
            Request::Ids(_, set, _, _) => self.list(set),
            // Always other sets, and all in one period.
            Request::Compare(_, sets, ..) => {
                Response::Compare(sets.iter().map(|_| (NO_SET, Blob::default())).collect())
            }
            Request::Periods(..) => Response::Periods(vec![(0, NO_SET)]),
            Request::List(_, set, ..) => Response::List(self.ids_of(set).iter().map(short).collect(), None),
            Request::Take(_, set, ..) => Response::Take(set, self.things(set, &self.ids_of(set)), None),
            Request::Bring(_, set, wanted, _) => {
                let ids = self.ids_of(set).into_iter().filter(|id| wanted.contains(&short(id)));
                Response::Fetch(set, self.things(set, &ids.collect::<Vec<_>>()))
            }
            Request::Fetch(_, set, ids) => Response::Fetch(set, self.things(set, &ids)),
            Request::Keys(_, epochs) => self.answer_keys(peer, &epochs),
            Request::Addresses(_, lists) => Response::Addresses(lists),
            Request::Communities(..) => Response::Communities(Vec::new()),
            Request::Preview(..) | Request::Pair(..) | Request::Restore(..) => nothing(),
        }
    }

    fn answer_tags(&mut self, peer: &str, shown: &[CommunityTag], hellos: &[SealedHello]) -> Response {
        let Some(transcript) = self.talks.get(peer).and_then(|talk| talk.answering) else { return nothing() };
        self.recognise(peer, |held| shown.contains(&transcript.tag(&held.key, Speaker::Asker)));
        let Some(talk) = self.talks.get_mut(peer) else { return nothing() };
        let opened = hellos.iter().filter_map(|hello| StaleHello::open(hello, &transcript, &self.who.sealing));
        talk.theirs = opened.map(|hello| Held { community: hello.community, epoch: None, key: hello.key }).collect();
        let all = talk.theirs.iter().chain(&self.keys).map(|held| transcript.tag(&held.key, Speaker::Answerer));
        let mut tags: Vec<CommunityTag> = all.take(limits::HELLO_TAGS).collect();
        tags.resize_with(limits::HELLO_TAGS, || Bytes(self.random.bytes()));
        Response::Tags(tags)
    }

    fn answer_proof(&mut self, peer: &str, tag: &CommunityTag) -> Response {
        let Some(talk) = self.talks.get(peer) else { return nothing() };
        let Some(transcript) = talk.answering else { return nothing() };
        let mut shown = talk.theirs.iter().chain(&self.keys);
        let Some(held) = shown.find(|held| transcript.tag(&held.key, Speaker::Asker) == *tag) else {
            return nothing();
        };
        let (person, device) = (self.who.person(), &self.who.device);
        let proof = Proof::seal(&transcript, held.community, &held.key, Speaker::Answerer, person, device);
        Response::Prove(Blob::new(proof).expect("a proof is short"))
    }

    /// Lets everybody in, with a key of its own for an epoch that nobody has opened.
    fn answer_join(&mut self, peer: &str, sealed: &[u8]) -> Response {
        let Some(transcript) = self.talks.get(peer).and_then(|talk| talk.answering) else { return nothing() };
        let seal = transcript.join_key(self.community);
        let Ok(bytes) = seal.open(sealed, &[]) else { return nothing() };
        self.heard.push(Heard::Opened(bytes));
        let Some(planted) = self.planted.clone() else { return nothing() };
        let Some((device, kem)) = self.device_of(peer) else { return nothing() };
        // For an epoch that nobody has opened, and for those whose true key it lacks.
        let made_up = OpId::new(self.random.bytes());
        let lacking =
            self.epochs().into_iter().filter(|epoch| !self.keys.iter().any(|held| held.epoch == Some(*epoch)));
        let mut keys = Vec::new();
        for epoch in lacking.chain([made_up]).collect::<Vec<_>>() {
            let info = sealing_info(self.community, &[epoch]);
            keys.extend(seal_to(device, &kem, &planted, &info, &mut self.random).map(|key| (epoch, key)));
        }
        let genesis = self.log.community().signed.clone();
        let admission = Admission { genesis, admit: made_up, keys: List::new(keys).expect("a few keys") };
        Response::Join(Blob::new(seal.seal(&encode(&admission), &[])).expect("a genesis and a key"))
    }

    fn device_of(&self, peer: &str) -> Option<(PublicKey, Bytes<32>)> {
        let member = self.state.members.values().find(|member| member.name == peer)?;
        member.devices.first().map(|cert| (cert.device, cert.kem))
    }

    fn ids_of(&self, set: SetName) -> Vec<AnyId> {
        match set {
            SetName::Operations => self.log.operations().map(|place| place.id.0).collect(),
            SetName::Items => self.carries.keys().map(|id| id.0).collect(),
            _ => Vec::new(),
        }
    }

    fn list(&self, set: SetName) -> Response {
        let mut ids = self.ids_of(set);
        ids.sort_unstable();
        let mut fingerprint = Fingerprint::default();
        ids.iter().for_each(|id| fingerprint.add(id));
        Response::Ids(fingerprint, ids, false)
    }

    fn things(&self, set: SetName, ids: &[AnyId]) -> Vec<Blob<{ 512 * 1024 }>> {
        let thing = |id: &AnyId| match set {
            SetName::Operations => self.log.get(OpId(*id)).map(|place| place.signed.to_bytes()),
            SetName::Items => self.carries.get(&ItemId(*id)).map(Carry::to_bytes),
            _ => None,
        };
        ids.iter().filter_map(thing).map(|bytes| Blob::new(bytes).expect("it fits a frame")).collect()
    }

    fn answer_keys(&mut self, peer: &str, epochs: &[OpId]) -> Response {
        let Some((device, kem)) = self.device_of(peer) else { return Response::Keys(Vec::new()) };
        let mut sealed = Vec::new();
        for held in self.keys.iter().filter(|held| held.epoch.is_some_and(|epoch| epochs.contains(&epoch))) {
            let Some(epoch) = held.epoch else { continue };
            let info = sealing_info(held.community, &[epoch]);
            sealed.extend(seal_to(device, &kem, &held.key, &info, &mut self.random).map(|key| (epoch, key)));
        }
        Response::Keys(sealed)
    }
}

fn nothing() -> Response {
    Response::Refused(Text::exact("unknown".to_owned()).expect("it is short"))
}
