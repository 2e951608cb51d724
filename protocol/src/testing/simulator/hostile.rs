//! Nodes without an engine: whoever has keys and a connection, and does with them what the test says.
//!
//! Leaves to others: what is sent, and what is made of what comes. Always true: a hostile node has no more than its own
//! keys, its own memory and the wires; what it sends arrives like anybody's, and is checked like anybody's.

use super::{
    Simulator,
    gossip::Frame,
    node::{Node, Tamper, named},
};
use crate::{
    encoding::Malformed,
    engine::{Input, Keep},
    wire::{Request, Response},
};

/// What a hostile node receives.
#[derive(Debug)]
pub enum Received {
    /// A connection with this node.
    Connected(String),
    /// It is gone.
    Disconnected(String),
    /// A dialled node could not be reached.
    Unreachable(String),
    /// A question.
    Request {
        /// Who asks.
        from: String,
        /// Names it, for [`Simulator::send_response`].
        token: u64,
        /// What.
        request: Result<Request, Malformed>,
    },
    /// An answer.
    Response {
        /// Who answers.
        from: String,
        /// To which question, as [`Simulator::send_request`] named it.
        id: u64,
        /// What.
        response: Result<Response, Malformed>,
    },
    /// A question stays without an answer.
    Unanswered {
        /// Of whom it was asked.
        by: String,
        /// Which.
        id: u64,
    },
    /// Sealed bytes on a topic.
    Gossip {
        /// Who passed them on.
        from: String,
        /// The topic.
        topic: String,
        /// The bytes.
        data: Vec<u8>,
    },
}

impl Received {
    /// What a node without an engine makes of an input.
    pub(super) fn of(input: Input) -> Option<Received> {
        match input {
            Input::Connected(peer) => Some(Received::Connected(named(&peer))),
            Input::Disconnected(peer) => Some(Received::Disconnected(named(&peer))),
            Input::Unreachable(peer) => Some(Received::Unreachable(named(&peer))),
            Input::Unanswered { peer, id } => Some(Received::Unanswered { by: named(&peer), id }),
            // Frames come to it as they are; nobody else speaks to it.
            _ => None,
        }
    }
}

impl Simulator {
    /// From now on a node that has an engine does this to its answers before they leave it.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn tamper(&mut self, name: &str, with: impl FnMut(&mut Response) + 'static) {
        self.node_mut(name).tamper = Some(Tamper(Box::new(with)));
    }

    /// Adds a node without an engine; or takes the engine of one that is there and breaks its connections, and leaves
    /// it its keys and all that it has kept.
    pub fn hostile(&mut self, name: &str) {
        if self.nodes.contains_key(name) {
            self.stop(name);
        }
        let node = self.nodes.entry(name.to_owned()).or_insert_with(|| Node::new(name));
        node.engine = None;
        node.online = true;
    }

    /// What a hostile node has received since it was asked last.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn received(&mut self, name: &str) -> Vec<Received> {
        self.node_mut(name).received.drain(..).collect()
    }

    /// Sends a request; the answer will have this number.
    ///
    /// # Panics
    /// When nobody is called `from`.
    pub fn send_request(&mut self, from: &str, to: &str, request: &Request) -> u64 {
        self.send_request_bytes(from, to, request.to_bytes())
    }

    /// The same with bytes that may be no request.
    ///
    /// # Panics
    /// When nobody is called `from`.
    pub fn send_request_bytes(&mut self, from: &str, to: &str, bytes: Vec<u8>) -> u64 {
        let id = self.number();
        self.ask_peer(from, to, id, bytes);
        id
    }

    /// Answers a question; where the connection has gone, nothing happens.
    ///
    /// # Panics
    /// When nobody is called `from`.
    pub fn send_response(&mut self, from: &str, token: u64, response: &Response) {
        self.answer_peer(from, token, response.to_bytes());
    }

    /// Connects, if need be, asks, and runs until there is an answer or none will come. Whatever else has come in the
    /// meantime is kept for [`Simulator::received`].
    ///
    /// # Panics
    /// When nobody is called `from`.
    pub fn ask(&mut self, from: &str, to: &str, request: &Request) -> Option<Response> {
        self.steps = 0;
        self.dial(from, to);
        while !self.node(from).peers.contains_key(to) && self.dialling.contains(&(from.to_owned(), to.to_owned())) {
            self.step();
        }
        // Its own end learns of the connection a little later.
        while self.busy > 0 && !self.are_connected(from, to) {
            self.step();
        }
        let wanted = self.send_request(from, to, request);
        loop {
            let received = &mut self.node_mut(from).received;
            let at = received.iter().position(|received| match received {
                Received::Response { id, .. } | Received::Unanswered { id, .. } => *id == wanted,
                _ => false,
            });
            match at.and_then(|at| received.remove(at)) {
                Some(Received::Response { response, .. }) => return response.ok(),
                Some(_) => return None,
                None => assert!(self.step(), "a question is answered or stays unanswered"),
            }
        }
    }

    /// Listens on a topic.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn listen_on(&mut self, name: &str, topic: &str) {
        self.node_mut(name).topics.insert(topic.to_owned());
    }

    /// Puts something into what a node keeps, which its engine has not asked for: its program was changed.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn put(&mut self, name: &str, keep: Keep) {
        self.node_mut(name).memory.keep(keep);
    }

    /// Sends bytes on a topic to one node that it is connected with, whoever else listens.
    ///
    /// # Panics
    /// When the two are not connected: that would prove nothing.
    pub fn send_gossip(&mut self, from: &str, to: &str, topic: &str, data: Vec<u8>) {
        assert!(self.are_connected(from, to), "{from} and {to} are not connected");
        let frame = Frame::new(topic, data);
        self.send(from, to, &frame, 0);
    }
}
