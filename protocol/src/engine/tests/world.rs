//! Several engines and the wires between them. Delivery is in order and at once; what a test
//! wants lost, it disconnects.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::memory::Memory;
use crate::{
    bytes::{Blob, List},
    engine::{
        Answer, Command, CommandRefusal, Effect, Engine, Event, Identity, Input, Verdict, check_gossip, check_response,
    },
    epoch::SealingKey,
    id::{CommunityId, PersonId},
    key::SecretKey,
    ledger::AddressList,
    person::Ladder,
    text::Text,
    time::Millis,
    wire::{Gossip, Request},
};

/// One node.
pub(super) struct Node {
    pub(super) engine: Engine,
    pub(super) memory: Memory,
    pub(super) person: PersonId,
    pub(super) events: Vec<Event>,
    identity: Identity,
    topics: BTreeSet<String>,
    peers: BTreeSet<String>,
    online: bool,
    answers: BTreeMap<u64, Result<Answer, CommandRefusal>>,
}

/// All of them.
pub(super) struct World {
    pub(super) now: Millis,
    pub(super) nodes: BTreeMap<String, Node>,
    inputs: VecDeque<(String, Input)>,
    asked: BTreeMap<u64, (String, String, u64)>,
    gossip: BTreeMap<u64, (String, String, Vec<u8>)>,
    tokens: u64,
    tickets: u64,
    /// Whether gossip is delivered; without it comparison alone must bring everything.
    pub(super) gossiping: bool,
}

fn identity(name: &str) -> Identity {
    let seed = blake3::hash(name.as_bytes());
    let ladder = Ladder::new(*seed.as_bytes());
    let derived = |what: &str| *blake3::hash(format!("{name} {what}").as_bytes()).as_bytes();
    let (device, sealing) = (SecretKey::new(&derived("device")), SealingKey::new(derived("sealing")));
    let record = ladder.record(device.public(), sealing.public(), Millis(1));
    Identity {
        key: ladder.key(0),
        device,
        sealing,
        record,
        name: Text::line(name).unwrap(),
        peer: name.as_bytes().to_vec(),
    }
}

impl World {
    pub(super) fn of(names: &[&str]) -> World {
        let mut world = World {
            now: Millis(1_700_000_000_000),
            nodes: BTreeMap::new(),
            inputs: VecDeque::new(),
            asked: BTreeMap::new(),
            gossip: BTreeMap::new(),
            tokens: 0,
            tickets: 0,
            gossiping: true,
        };
        for name in names {
            let identity = identity(name);
            let memory = Memory::default();
            let engine =
                Engine::load(identity.clone(), blake3::hash(name.as_bytes()).as_bytes(), world.now, &memory).unwrap();
            let node = Node {
                engine,
                memory,
                person: identity.person(),
                events: Vec::new(),
                identity,
                topics: BTreeSet::new(),
                peers: BTreeSet::new(),
                online: true,
                answers: BTreeMap::new(),
            };
            world.nodes.insert((*name).to_owned(), node);
            world.listening(name);
            world
                .command(
                    name,
                    Command::CreateCommunity {
                        name: Text::line("mine").unwrap(),
                        domain: Text::default(),
                        parent: None,
                    },
                )
                .unwrap();
        }
        world
    }

    fn listening(&mut self, name: &str) {
        let list = AddressList {
            peer: Blob::new(name.as_bytes().to_vec()).unwrap(),
            seq: self.now.0,
            list: Blob::new(name.as_bytes().to_vec()).unwrap(),
            addresses: List::new(vec![Blob::new(name.as_bytes().to_vec()).unwrap()]).unwrap(),
        };
        self.inputs.push_back((name.to_owned(), Input::Listening(list)));
        self.settle();
    }

    pub(super) fn node(&self, name: &str) -> &Node {
        &self.nodes[name]
    }

    pub(super) fn person(&self, name: &str) -> PersonId {
        self.nodes[name].person
    }

    pub(super) fn command(&mut self, name: &str, command: Command) -> Result<Answer, CommandRefusal> {
        self.tickets += 1;
        let ticket = self.tickets;
        self.now = self.now.after(1);
        self.inputs.push_back((name.to_owned(), Input::Command(ticket, command)));
        self.settle();
        self.nodes.get_mut(name).unwrap().answers.remove(&ticket).expect("a command is answered")
    }

    /// The device key of a node, for doing with it what its engine would not.
    pub(super) fn device(&self, name: &str) -> SecretKey {
        self.nodes[name].identity.device.clone()
    }

    /// Something arrives at a node as gossip of a community, sealed as it must be.
    pub(super) fn tell(&mut self, from: &str, to: &str, community: CommunityId, gossip: &Gossip) {
        let key = self.nodes[from].engine.communities()[&community].recent_keys()[0].clone();
        let topic = key.topic();
        let sealed = key.seal(&gossip.to_bytes(), topic.as_bytes());
        self.tokens += 1;
        self.gossip.insert(self.tokens, (to.to_owned(), topic.clone(), sealed.clone()));
        let gossip = check_gossip(&sealed, &key, &topic).map(|gossip| (community, gossip));
        let input = Input::Gossip { peer: from.as_bytes().to_vec(), token: self.tokens, gossip };
        self.inputs.push_back((to.to_owned(), input));
        self.settle();
    }

    /// Half a minute passes.
    pub(super) fn round(&mut self) {
        self.now = self.now.after(super::super::ROUND_MS);
        let names: Vec<String> = self.nodes.iter().filter(|(_, n)| n.online).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.inputs.push_back((name, Input::Woken));
            self.settle();
        }
    }

    pub(super) fn stop(&mut self, name: &str) {
        self.nodes.get_mut(name).unwrap().online = false;
        let peers = std::mem::take(&mut self.nodes.get_mut(name).unwrap().peers);
        for peer in peers {
            self.nodes.get_mut(&peer).unwrap().peers.remove(name);
            self.inputs.push_back((peer, Input::Disconnected(name.as_bytes().to_vec())));
        }
        self.settle();
    }

    /// Starts a node again from what it has kept.
    pub(super) fn start(&mut self, name: &str) {
        let node = self.nodes.get_mut(name).unwrap();
        node.engine = Engine::load(
            node.identity.clone(),
            blake3::hash(&self.now.0.to_be_bytes()).as_bytes(),
            self.now,
            &node.memory,
        )
        .unwrap();
        node.online = true;
        node.topics.clear();
        let effects = node.engine.start(self.now);
        self.carry_out(name, effects);
        self.listening(name);
        self.inputs.push_back((name.to_owned(), Input::Woken));
        self.settle();
    }

    fn settle(&mut self) {
        let mut steps = 0;
        while let Some((name, input)) = self.inputs.pop_front() {
            steps += 1;
            assert!(steps < 200_000, "the nodes talk without end");
            let now = self.now;
            let Some(node) = self.nodes.get_mut(&name).filter(|n| n.online) else { continue };
            let effects = node.engine.handle(now, input, &node.memory).unwrap();
            self.carry_out(&name, effects);
        }
    }

    fn carry_out(&mut self, name: &str, effects: Vec<Effect>) {
        for effect in effects {
            let node = self.nodes.get_mut(name).unwrap();
            match effect {
                Effect::Keep(keep) => node.memory.keep(keep),
                Effect::Tell(event) => node.events.push(event),
                Effect::Answer(ticket, answer) => drop(node.answers.insert(ticket, answer)),
                Effect::Ask { peer, id, request } => self.ask(name, &peer, id, &request),
                Effect::Respond { token, response } => {
                    let (_, asker, id) = self.asked.remove(&token).expect("an answer has a question");
                    let bytes = response.to_bytes();
                    assert!(bytes.len() <= crate::limits::RESPONSE_BYTES, "a response fits its frame");
                    self.answered(name, &asker, id, &bytes);
                }
                Effect::Publish { topic, data } => self.spread(name, &topic, &data),
                Effect::Subscribe(topic) => drop(node.topics.insert(topic)),
                Effect::Unsubscribe(topic) => drop(node.topics.remove(&topic)),
                Effect::Judge { token, verdict } => {
                    let (at, topic, data) = self.gossip.remove(&token).expect("a verdict is of something");
                    if verdict == Verdict::Accept {
                        self.spread(&at, &topic, &data);
                    }
                }
                Effect::Dial { peer, .. } => self.connect(name, &String::from_utf8(peer).unwrap()),
                Effect::Wake(_) => {}
            }
        }
    }

    pub(super) fn connect(&mut self, a: &str, b: &str) {
        if a == b || !self.nodes.get(b).is_some_and(|n| n.online) || self.nodes[a].peers.contains(b) {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            self.nodes.get_mut(from).unwrap().peers.insert(to.to_owned());
            self.inputs.push_back((from.to_owned(), Input::Connected(to.as_bytes().to_vec())));
        }
    }

    fn ask(&mut self, name: &str, peer: &[u8], id: u64, request: &Request) {
        let peer = String::from_utf8(peer.to_vec()).unwrap();
        if !self.nodes[name].peers.contains(&peer) {
            self.inputs.push_back((name.to_owned(), Input::Unanswered { peer: peer.into_bytes(), id }));
            return;
        }
        self.tokens += 1;
        let token = self.tokens;
        self.asked.insert(token, (peer.clone(), name.to_owned(), id));
        let bytes = request.to_bytes();
        assert!(bytes.len() <= crate::limits::REQUEST_BYTES, "a request fits its frame");
        let input = match Request::from_bytes(&bytes) {
            Ok(Request::Addresses(tag, lists)) => {
                let lists = lists.iter().map(|l| self.list_of(l.as_slice())).collect();
                Input::AddressesAsked { peer: name.as_bytes().to_vec(), token, tag, lists }
            }
            request => Input::Asked { peer: name.as_bytes().to_vec(), token, request },
        };
        self.inputs.push_back((peer, input));
    }

    fn list_of(&self, name: &[u8]) -> AddressList {
        let blob = || Blob::new(name.to_vec()).unwrap();
        AddressList {
            peer: blob(),
            seq: self.now.0,
            list: Blob::new(name.to_vec()).unwrap(),
            addresses: List::new(vec![Blob::new(name.to_vec()).unwrap()]).unwrap(),
        }
    }

    fn answered(&mut self, by: &str, asker: &str, id: u64, bytes: &[u8]) {
        let peer = by.as_bytes().to_vec();
        match check_response(bytes) {
            Ok((crate::wire::Response::Addresses(lists), _)) => {
                let lists = lists.iter().map(|l| self.list_of(l.as_slice())).collect();
                self.inputs.push_back((asker.to_owned(), Input::AddressesAnswered { peer, id, lists }));
            }
            Ok((response, things)) => {
                for thing in things {
                    self.inputs.push_back((
                        asker.to_owned(),
                        Input::Arrived { peer: peer.clone(), id, thing: Box::new(thing) },
                    ));
                }
                self.inputs.push_back((asker.to_owned(), Input::Answered { peer, id, response: Ok(response) }));
            }
            Err(why) => self.inputs.push_back((asker.to_owned(), Input::Answered { peer, id, response: Err(why) })),
        }
    }

    fn spread(&mut self, from: &str, topic: &str, data: &[u8]) {
        if !self.gossiping {
            return;
        }
        let peers: Vec<String> = self.nodes[from].peers.iter().cloned().collect();
        for peer in peers {
            let Some((community, key)) = self.key_of(&peer, topic) else { continue };
            self.tokens += 1;
            self.gossip.insert(self.tokens, (peer.clone(), topic.to_owned(), data.to_vec()));
            let gossip = check_gossip(data, &key, topic).map(|gossip| (community, gossip));
            self.inputs.push_back((peer, Input::Gossip { peer: from.as_bytes().to_vec(), token: self.tokens, gossip }));
        }
    }

    fn key_of(&self, name: &str, topic: &str) -> Option<(CommunityId, crate::epoch::EpochKey)> {
        let node = self.nodes.get(name).filter(|n| n.topics.contains(topic))?;
        node.engine
            .communities()
            .values()
            .find_map(|s| Some((s.id(), s.recent_keys().into_iter().find(|k| k.topic() == topic)?.clone())))
    }
}
