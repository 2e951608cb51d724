//! Links, connections over them, and questions and answers over those.
//!
//! Leaves to others: what is asked and answered. Always true: two nodes have one connection at most; each end learns of
//! its begin and its end by itself, in time; a question is answered once or stays unanswered, and its asker is told
//! which.

use std::ops::RangeInclusive;

use super::{
    Due, Received, Simulator,
    node::{named, read_lists},
};
use crate::{
    engine::{Input, check_response},
    time::Millis,
    wire::{Request, Response},
};

/// How long a question may stay unanswered: the real network's bound.
pub(super) const PATIENCE_MS: u64 = 10_000;

/// How long what was sent to a peer may take, before its connection is closed: as in the real network.
const PARTING_MS: u64 = 1_000;

/// Between two nodes.
#[derive(Debug)]
pub(super) struct Connection {
    ends: [String; 2],
    /// Whether frames still cross.
    pub(super) open: bool,
    /// When each end learns of it: no frame arrives before. Afterwards any may overtake another, since each
    /// question has a stream of its own.
    since: [Millis; 2],
}

impl Connection {
    /// When an end learns of it.
    fn since(&mut self, end: &str) -> &mut Millis {
        let [first, second] = &mut self.since;
        if self.ends.first().is_some_and(|name| name == end) { first } else { second }
    }

    /// The other end's name.
    fn other(&self, end: &str) -> &str {
        let [a, b] = &self.ends;
        if a == end { b } else { a }
    }
}

/// A question under way.
#[derive(Debug)]
pub(super) struct Question {
    connection: u64,
    asker: String,
    pub(super) asked: String,
    /// The asker's own name for it.
    id: u64,
}

/// A pair of names, whichever comes first.
fn pair(a: &str, b: &str) -> (String, String) {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    (a.to_owned(), b.to_owned())
}

impl Simulator {
    /// Gives one link its own latency.
    pub fn set_latency(&mut self, a: &str, b: &str, latency_ms: RangeInclusive<u64>) {
        self.latencies.insert(pair(a, b), latency_ms);
    }

    /// Cuts the link between two nodes: their connection breaks, and no dial gets through.
    pub fn cut(&mut self, a: &str, b: &str) {
        if self.cuts.insert(pair(a, b)) {
            self.disconnect(a, b);
        }
    }

    /// Cuts every link between the one side and the other.
    pub fn cut_apart(&mut self, side: &[&str], other: &[&str]) {
        for a in side {
            for b in other.iter().filter(|b| *b != a) {
                self.cut(a, b);
            }
        }
    }

    /// Mends every cut link. Whoever wants to talk must dial again.
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Whether two nodes have a connection that both know of.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn are_connected(&self, a: &str, b: &str) -> bool {
        let known = self.node(a).peers.get(b);
        known.is_some() && known == self.node(b).peers.get(a) && known.is_some_and(|id| self.is_open(*id))
    }

    /// Whether gossip of the one reaches the other: they are connected, and both have let it flow.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn hears(&self, listener: &str, speaker: &str) -> bool {
        self.are_connected(listener, speaker) && self.flows(speaker, listener)
    }

    /// Breaks the connection of two nodes, if they have one; each can dial again.
    pub fn disconnect(&mut self, a: &str, b: &str) {
        if let Some(id) = self.connection_of(a, b) {
            self.break_off(id);
        }
    }

    /// Lets one node dial another. Nothing happens where it does already, or knows of a connection.
    ///
    /// # Panics
    /// When nobody is called `from`.
    pub fn dial(&mut self, from: &str, to: &str) {
        let way = (from.to_owned(), to.to_owned());
        if from == to || self.node(from).peers.contains_key(to) || !self.dialling.insert(way) {
            return;
        }
        let at = self.now.after(self.latency(from, to));
        let life = self.node(from).life;
        self.schedule(at, Due::Dialled { from: from.to_owned(), to: to.to_owned(), life });
    }

    pub(super) fn is_open(&self, connection: u64) -> bool {
        self.connections.get(&connection).is_some_and(|c| c.open)
    }

    fn connection_of(&self, a: &str, b: &str) -> Option<u64> {
        let ends = [pair(a, b).0, pair(a, b).1];
        self.connections.iter().find(|(_, c)| c.open && c.ends == ends).map(|(id, _)| *id)
    }

    pub(super) fn latency(&mut self, a: &str, b: &str) -> u64 {
        let range = self.latencies.get(&pair(a, b)).unwrap_or(&self.conditions.latency_ms).clone();
        self.dice.within(&range)
    }

    /// When a frame that is sent now gets to an end of a connection.
    fn arrival(&mut self, connection: u64, from: &str, to: &str) -> Millis {
        let at = self.now.after(self.latency(from, to));
        self.connections.get_mut(&connection).map_or(at, |connection| at.max(*connection.since(to)))
    }

    pub(super) fn dialled(&mut self, from: &str, to: &str, life: u64) {
        self.dialling.remove(&(from.to_owned(), to.to_owned()));
        if self.node(from).life != life || self.connection_of(from, to).is_some() {
            return;
        }
        let there = self.nodes.get(to).is_some_and(|node| node.online);
        let banned = self.node(from).banned.contains(to);
        if !there || banned || self.cuts.contains(&pair(from, to)) {
            self.input(from, Input::Unreachable(to.as_bytes().to_vec()));
            return;
        }
        let id = self.number();
        let (a, b) = pair(from, to);
        let later = self.now.after(self.latency(to, from));
        let mut connection = Connection { ends: [a, b], open: true, since: [self.now; 2] };
        *connection.since(from) = later;
        self.connections.insert(id, connection);
        self.schedule(self.now, Due::Up { connection: id, at: to.to_owned() });
        self.schedule(later, Due::Up { connection: id, at: from.to_owned() });
    }

    pub(super) fn up(&mut self, id: u64, end: &str) {
        let Some(connection) = self.connections.get(&id).filter(|c| c.open) else { return };
        let other = connection.other(end).to_owned();
        if self.node(end).banned.contains(&other) {
            // Who is banned learns that there was a connection, and that it is gone.
            return self.break_off(id);
        }
        if let Some(old) = self.node(end).peers.get(&other).copied() {
            self.down(old, end);
        }
        self.node_mut(end).peers.insert(other.clone(), id);
        self.input(end, Input::Connected(other.into_bytes()));
    }

    /// Breaks every connection of a node that stops.
    pub(super) fn break_all(&mut self, name: &str) {
        let own = self.connections.iter().filter(|(_, c)| c.open && c.ends.iter().any(|end| end == name));
        let own: Vec<u64> = own.map(|(id, _)| *id).collect();
        for id in own {
            self.break_off(id);
        }
        self.dialling.retain(|(from, _)| from != name);
    }

    /// A node parts with a peer: no gossip flows from now on; what was sent before still arrives.
    pub(super) fn part(&mut self, name: &str, peer: &str) {
        let node = self.node_mut(name);
        node.hears.remove(peer);
        node.speaks.remove(peer);
        if let Some(connection) = self.connection_of(name, peer) {
            self.schedule(self.now.after(PARTING_MS), Due::Part { connection });
        }
    }

    /// A node refuses a peer: nothing that is on its way arrives.
    pub(super) fn ban(&mut self, name: &str, peer: &str) {
        self.node_mut(name).banned.insert(peer.to_owned());
        if let Some(connection) = self.connection_of(name, peer) {
            self.break_off(connection);
        }
    }

    /// Nothing crosses from now on; each end learns of it in time.
    pub(super) fn break_off(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.open = false;
        let [a, b] = connection.ends.clone();
        for (end, other) in [(&a, &b), (&b, &a)] {
            let at = self.now.after(self.latency(end, other));
            self.schedule(at, Due::Down { connection: id, at: end.clone() });
        }
    }

    pub(super) fn down(&mut self, id: u64, end: &str) {
        let Some(connection) = self.connections.get(&id) else { return };
        let other = connection.other(end).to_owned();
        let node = self.node_mut(end);
        if node.peers.get(&other) == Some(&id) {
            node.peers.remove(&other);
            node.hears.remove(&other);
            node.speaks.remove(&other);
            self.input(end, Input::Disconnected(other.clone().into_bytes()));
        }
        let own = self.questions.iter().filter(|(_, q)| q.connection == id && q.asker == end);
        let own: Vec<(u64, u64)> = own.map(|(token, q)| (*token, q.id)).collect();
        for (token, id) in own {
            self.questions.remove(&token);
            self.input(end, Input::Unanswered { peer: other.clone().into_bytes(), id });
        }
        // Both ends know: nothing asks for it any more.
        if self.node(end).peers.get(&other) != Some(&id) && self.node(&other).peers.get(end) != Some(&id) {
            self.connections.remove(&id);
        }
    }

    /// Sends a request.
    pub(super) fn ask_peer(&mut self, name: &str, peer: &str, id: u64, bytes: Vec<u8>) {
        let connection = self.node(name).peers.get(peer).copied().filter(|id| self.is_open(*id));
        let Some(connection) = connection else {
            self.own_input(name, Input::Unanswered { peer: peer.as_bytes().to_vec(), id });
            return;
        };
        let token = self.number();
        let question = Question { connection, asker: name.to_owned(), asked: peer.to_owned(), id };
        self.questions.insert(token, question);
        let at = self.arrival(connection, name, peer);
        self.schedule(at, Due::Request { token, bytes });
        // An engine answers at once; nobody knows what a hostile node does.
        if self.node(peer).engine.is_none() {
            self.schedule(self.now.after(PATIENCE_MS), Due::TooLate { token });
        }
    }

    /// Sends a response; where the connection is gone, nobody misses it.
    pub(super) fn answer_peer(&mut self, name: &str, token: u64, bytes: Vec<u8>) {
        let Some(question) = self.questions.get(&token).filter(|q| q.asked == name) else { return };
        let (connection, asker) = (question.connection, question.asker.clone());
        if self.is_open(connection) {
            let at = self.arrival(connection, name, &asker);
            self.schedule(at, Due::Response { token, bytes });
        }
    }

    pub(super) fn requested(&mut self, token: u64, bytes: &[u8]) {
        let Some(question) = self.questions.get(&token).filter(|q| self.is_open(q.connection)) else { return };
        let (from, to) = (question.asker.clone(), question.asked.clone());
        self.tally.exchanged(self.now, &from, &to, bytes);
        let peer = from.into_bytes();
        let request = Request::from_bytes(bytes);
        let node = self.node_mut(&to);
        if node.engine.is_none() {
            node.received.push_back(Received::Request { from: named(&peer), token, request });
            return;
        }
        let input = match request {
            Ok(Request::Addresses(tag, lists)) => Input::AddressesAsked { peer, token, tag, lists: read_lists(&lists) },
            request => Input::Asked { peer, token, request },
        };
        self.input(&to, input);
    }

    pub(super) fn responded(&mut self, token: u64, bytes: &[u8]) {
        let Some(question) = self.questions.get(&token).filter(|q| self.is_open(q.connection)) else { return };
        let (from, to, id) = (question.asked.clone(), question.asker.clone(), question.id);
        self.questions.remove(&token);
        self.tally.exchanged(self.now, &from, &to, bytes);
        let node = self.node_mut(&to);
        if node.engine.is_none() {
            node.received.push_back(Received::Response { from, id, response: Response::from_bytes(bytes) });
            return;
        }
        let peer = from.into_bytes();
        match check_response(bytes) {
            Ok((Response::Addresses(lists), _)) => {
                self.input(&to, Input::AddressesAnswered { peer, id, lists: read_lists(&lists) });
            }
            Ok((response, things)) => {
                if let Response::Take(_, _, Some(next)) = response {
                    self.input(&to, Input::Outlined { peer: peer.clone(), id, next });
                }
                self.tally.fetched = self.tally.fetched.saturating_add(things.len() as u64);
                for thing in things {
                    self.input(&to, Input::Arrived { peer: peer.clone(), id, thing: Box::new(thing) });
                }
                self.input(&to, Input::Answered { peer, id, response: Ok(response) });
            }
            Err(why) => self.input(&to, Input::Answered { peer, id, response: Err(why) }),
        }
    }

    pub(super) fn too_late(&mut self, token: u64) {
        if let Some(Question { asker, asked, id, .. }) = self.questions.remove(&token) {
            self.input(&asker, Input::Unanswered { peer: asked.into_bytes(), id });
        }
    }
}
