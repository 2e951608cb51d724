//! Topics, and what is passed along them.
//!
//! Leaves to others: sealing, opening and judging. Always true: gossip crosses only between connected nodes of which
//! both listen on its topic and both let it flow; a node passes on what its engine has accepted, once, and not back;
//! the same bytes are judged once in five minutes.

use std::sync::Arc;

use super::{Due, Simulator, node::Node};
use crate::{
    engine::{CheckedGossip, Input, check_gossip},
    epoch::EpochKey,
    id::{CommunityId, OpId},
    wire::AnyId,
};

/// How long a node knows what it has seen: the real network's memory.
const MEMORY_MS: u64 = 5 * 60 * 1000;

/// Sealed bytes on a topic.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) topic: String,
    pub(super) data: Vec<u8>,
    hash: [u8; 32],
}

/// Gossip that waits for a verdict.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) from: String,
    pub(super) frame: Arc<Frame>,
    /// How many nodes it has come over.
    pub(super) hops: u32,
    /// What it brings, where that is sound.
    pub(super) id: Option<AnyId>,
}

impl Frame {
    pub(super) fn new(topic: &str, data: Vec<u8>) -> Arc<Frame> {
        let hash = *blake3::hash(&data).as_bytes();
        Arc::new(Frame { topic: topic.to_owned(), data, hash })
    }
}

impl Simulator {
    /// A node's own gossip, to its neighbours; what it has sent or seen before goes nowhere.
    pub(super) fn publish(&mut self, name: &str, topic: &str, data: Vec<u8>) {
        let frame = Frame::new(topic, data);
        if self.is_new(name, &frame) {
            self.published.extend(self.conditions.recorded.then(|| Arc::clone(&frame)));
            self.tally.gossip.published = self.tally.gossip.published.saturating_add(1);
            self.spread(name, None, &frame, 0);
        }
    }

    /// Whatever nodes with an engine have published while [`Conditions::recorded`](super::Conditions) was set: topic
    /// and sealed bytes, each once for every node that did.
    pub fn published(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.published.iter().map(|frame| (frame.topic.as_str(), frame.data.as_slice()))
    }

    /// Whether a node sees this for the first time; from now on it does not.
    fn is_new(&mut self, name: &str, frame: &Frame) -> bool {
        let now = self.now;
        let before = self.node_mut(name).seen.insert(frame.hash, now);
        before.is_none_or(|at| now.since(at) >= MEMORY_MS)
    }

    /// Whether gossip crosses from the one to the other.
    pub(super) fn flows(&self, from: &str, to: &str) -> bool {
        let (Some(speaker), Some(hearer)) = (self.nodes.get(from), self.nodes.get(to)) else { return false };
        // A hostile node takes what it can get.
        let hostile = hearer.engine.is_none();
        speaker.speaks.contains(to) && (hostile || hearer.speaks.contains(from) || hearer.hears.contains(from))
    }

    /// Passes gossip to neighbours on its topic, not back to where it came from.
    pub(super) fn spread(&mut self, name: &str, source: Option<&str>, frame: &Arc<Frame>, hops: u32) {
        let listens = |peer: &str| self.nodes.get(peer).is_some_and(|node| node.topics.contains(&frame.topic));
        let mut to: Vec<String> = self
            .node(name)
            .peers
            .iter()
            .filter(|(peer, connection)| {
                Some(peer.as_str()) != source && self.is_open(**connection) && listens(peer) && self.flows(name, peer)
            })
            .map(|(peer, _)| peer.clone())
            .collect();
        if to.len() > self.conditions.fanout {
            self.dice.shuffle(&mut to);
            to.truncate(self.conditions.fanout);
        }
        for peer in to {
            self.send(name, &peer, frame, hops);
        }
    }

    /// Sends gossip over one connection, as reliably as conditions are.
    pub(super) fn send(&mut self, from: &str, to: &str, frame: &Arc<Frame>, hops: u32) {
        let Some(connection) = self.node(from).peers.get(to).copied() else { return };
        let again = self.dice.chance(self.conditions.gossip_doubled, 1000);
        for _ in 0..if again { self.conditions.gossip_copies } else { 1 } {
            if self.dice.chance(self.conditions.gossip_lost, 1000) {
                self.tally.gossip.lost = self.tally.gossip.lost.saturating_add(1);
                continue;
            }
            let at = self.now.after(self.latency(from, to));
            let (from, to, frame) = (from.to_owned(), to.to_owned(), Arc::clone(frame));
            let hops = hops.saturating_add(1);
            self.schedule(at, Due::Gossip { connection, from, to, frame, hops });
        }
    }

    pub(super) fn gossip_arrives(&mut self, connection: u64, (from, to): (&str, &str), frame: &Arc<Frame>, hops: u32) {
        if !self.is_open(connection) || !self.node(to).online {
            return;
        }
        self.tally.gossiped(self.now, from, to, &frame.data);
        let hostile = self.node(to).engine.is_none();
        if hostile {
            let gossip =
                super::Received::Gossip { from: from.to_owned(), topic: frame.topic.clone(), data: frame.data.clone() };
            self.node_mut(to).received.push_back(gossip);
            return;
        }
        if !self.node(to).topics.contains(&frame.topic) {
            return;
        }
        if !self.is_new(to, frame) {
            self.tally.gossip.again = self.tally.gossip.again.saturating_add(1);
            return;
        }
        self.tally.gossip.first = self.tally.gossip.first.saturating_add(1);
        self.tally.gossip.hops = self.tally.gossip.hops.saturating_add(hops.into());
        self.tally.gossip.most_hops = self.tally.gossip.most_hops.max(hops);
        let Some((community, key)) = self.node(to).key_of(&frame.topic) else { return };
        let gossip = check_gossip(&frame.data, &key, &frame.topic).map(|gossip| (community, gossip));
        let token = self.number();
        let id = gossip.as_ref().ok().map(|(_, gossip)| named(gossip));
        let held = Held { from: from.to_owned(), frame: Arc::clone(frame), hops, id };
        self.node_mut(to).held.insert(token, held);
        self.input(to, Input::Gossip { peer: from.as_bytes().to_vec(), token, gossip });
    }
}

/// The id of what gossip brings.
fn named(gossip: &CheckedGossip) -> AnyId {
    match gossip {
        CheckedGossip::Operation(operation) | CheckedGossip::Epoch(operation, _) => OpId::from(operation.id()).0,
        CheckedGossip::Carry(carry) => carry.envelope_id().map_or(carry.id().0, |envelope| envelope.0),
    }
}

impl Node {
    /// The key that opens what comes on a topic.
    fn key_of(&self, topic: &str) -> Option<(CommunityId, EpochKey)> {
        self.engine.iter().flat_map(|engine| engine.communities().values()).find_map(|standing| {
            let key = standing.listening_keys().into_iter().find(|key| key.topic() == topic)?;
            Some((standing.id(), key.clone()))
        })
    }
}
