//! Several nodes, the network between them and their clocks, in memory and from one seed.
//!
//! Each node is an [`Engine`] over a [`Memory`], as a real node is one over a store; everything else is played: frames
//! take a drawn time, gossip gets lost or comes twice, links are cut, nodes stop and start again from what they kept.
//! A hostile node has no engine: the test reads what it receives and sends what it likes.
//!
//! Leaves to others: what is decided (the engine), what is asserted (the test), sockets, disks, and the signatures of
//! address lists (the node). Always true: the same seed and the same calls give the same [`Simulator::trace`]; a frame
//! crosses as its bytes and is decoded and checked where it arrives; a connection's frames arrive in order, gossip in
//! any; nothing happens between two calls.

mod batch;
mod carry_out;
mod gossip;
mod hostile;
mod node;
mod planted;
mod run;
mod tally;
#[cfg(test)]
mod tests;
mod wires;

pub use batch::{FaultTally, Faults};
pub use hostile::Received;
pub use planted::Planted;
pub use tally::{GossipTally, Traffic};

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use self::{
    gossip::Frame,
    node::Node,
    tally::Tally,
    wires::{Connection, Question},
};
use super::{Dice, Memory, START};
use crate::{
    engine::{Command, Engine, Event, Identity, Input},
    id::PersonId,
    text::Text,
    time::Millis,
};

/// What the network is like.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// How long anything is on its way, drawn anew for each frame; [`Simulator::set_latency`] says otherwise for one
    /// link.
    pub latency_ms: RangeInclusive<u64>,
    /// Of a thousand gossip frames, so many are lost.
    pub gossip_lost: usize,
    /// Of a thousand gossip frames, so many come more than once.
    pub gossip_doubled: usize,
    /// How often those come.
    pub gossip_copies: usize,
    /// To how many neighbours a node passes gossip; who they are is drawn anew each time. Gossipsub's mesh has six.
    pub fanout: usize,
    /// What may go wrong with the nodes themselves.
    pub faults: Faults,
    /// Whether strikes lead to bans. Without them a hostile node goes on, and what stands behind bans is tried.
    pub bans: bool,
    /// Most steps of one call. More of them is talk without end.
    pub most_steps: u64,
    /// Whether every step is printed.
    pub aloud: bool,
    /// Whether what is published is kept for [`Simulator::published`].
    pub recorded: bool,
}

impl Default for Conditions {
    fn default() -> Conditions {
        Conditions {
            latency_ms: 5..=120,
            gossip_lost: 0,
            gossip_doubled: 0,
            gossip_copies: 2,
            fanout: 6,
            faults: Faults::default(),
            bans: true,
            most_steps: 20_000_000,
            aloud: false,
            recorded: false,
        }
    }
}

impl Conditions {
    /// Everything arrives at once and in order.
    #[must_use]
    pub fn still() -> Conditions {
        Conditions { latency_ms: 0..=0, fanout: usize::MAX, ..Conditions::default() }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Simulator {
    /// What the network is like; may be changed at any time.
    pub conditions: Conditions,
    seed: u64,
    dice: Dice,
    now: Millis,
    nodes: BTreeMap<String, Node>,
    /// What is due, by time; of equal times in the order in which it was scheduled.
    due: BTreeMap<(Millis, u64), Due>,
    /// How much of what is due is not a timer.
    busy: usize,
    next: u64,
    steps: u64,
    latencies: BTreeMap<(String, String), RangeInclusive<u64>>,
    cuts: BTreeSet<(String, String)>,
    dialling: BTreeSet<(String, String)>,
    connections: BTreeMap<u64, Connection>,
    questions: BTreeMap<u64, Question>,
    tally: Tally,
    published: Vec<std::sync::Arc<Frame>>,
    planted: Option<Planted>,
}

/// What happens at some time.
#[derive(Debug)]
enum Due {
    /// An input that comes from a node itself. Lost when the node has stopped since.
    Own { at: String, life: u64, input: Box<Input> },
    /// A timer runs out; only the one that was set last counts.
    Wake { at: String, life: u64, number: u64 },
    /// A dial reaches its end.
    Dialled { from: String, to: String, life: u64 },
    /// One end of a connection learns that it is there.
    Up { connection: u64, at: String },
    /// One end of a connection learns that it is gone.
    Down { connection: u64, at: String },
    /// A node has parted with a peer, and what it had sent before has had its time.
    Part { connection: u64 },
    /// A request arrives.
    Request { token: u64, bytes: Vec<u8> },
    /// A response arrives.
    Response { token: u64, bytes: Vec<u8> },
    /// A question has waited long enough.
    TooLate { token: u64 },
    /// A late batch is on the disk.
    Kept { at: String, life: u64 },
    /// A node that has crashed starts again.
    Restart { at: String, life: u64 },
    /// Gossip arrives.
    Gossip { connection: u64, from: String, to: String, frame: std::sync::Arc<Frame>, hops: u32 },
}

impl Due {
    fn is_timer(&self) -> bool {
        matches!(self, Due::Wake { .. } | Due::TooLate { .. })
    }
}

impl Simulator {
    /// Nobody yet, at [`START`]. All chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Simulator {
        Simulator {
            conditions: Conditions::default(),
            seed,
            dice: Dice::new(seed),
            now: START,
            nodes: BTreeMap::new(),
            due: BTreeMap::new(),
            busy: 0,
            next: 0,
            steps: 0,
            latencies: BTreeMap::new(),
            cuts: BTreeSet::new(),
            dialling: BTreeSet::new(),
            connections: BTreeMap::new(),
            questions: BTreeMap::new(),
            tally: Tally::default(),
            published: Vec::new(),
            planted: None,
        }
    }

    /// Plants a fault in all nodes, from now on.
    pub fn plant(&mut self, planted: Planted) {
        self.planted = Some(planted);
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time that all clocks go by, unless [`Simulator::set_clock`] has put one ahead or back.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// Adds a running node with its own space. Its keys follow from its name, whatever the seed.
    ///
    /// # Panics
    /// When there is one of this name, or the name is none for a person.
    pub fn add(&mut self, name: &str) {
        assert!(!self.nodes.contains_key(name), "{name} is there already");
        self.nodes.insert(name.to_owned(), Node::new(name));
        self.start(name);
        let own = Text::line(crate::engine::own_space_name()).expect("it is a name");
        let made = self.command(name, Command::CreateCommunity { name: own, domain: Text::default(), parent: None });
        assert!(made.is_ok(), "{name}'s own space: {made:?}");
    }

    /// Adds a running node of this identity with nothing kept: another device of somebody, say.
    pub fn add_as(&mut self, name: &str, identity: Identity) {
        let mut node = Node::new(name);
        node.identity = identity;
        if self.nodes.contains_key(name) {
            self.stop(name);
        }
        self.nodes.insert(name.to_owned(), node);
        self.start(name);
    }

    /// Adds a running node with all that another has kept, and with its keys: a home that somebody has copied. Only the
    /// transport's name is another.
    ///
    /// # Panics
    /// When nobody is called `name`.
    pub fn copy(&mut self, name: &str, copied: &str) {
        let original = self.node(name);
        let (identity, memory) = (original.identity.clone(), original.memory.clone());
        let mut node = Node::new(copied);
        node.identity = Identity { peer: copied.as_bytes().to_vec(), ..identity };
        node.memory = memory;
        self.nodes.insert(copied.to_owned(), node);
        self.start(copied);
    }

    /// Adds each of these: see [`Simulator::add`].
    ///
    /// # Panics
    /// As that.
    #[must_use]
    pub fn with(mut self, names: &[&str]) -> Simulator {
        for name in names {
            self.add(name);
        }
        self
    }

    /// Everybody's names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    fn node(&self, name: &str) -> &Node {
        let node = self.nodes.get(name);
        assert!(node.is_some(), "nobody is called {name}");
        node.expect("it was just looked for")
    }

    fn node_mut(&mut self, name: &str) -> &mut Node {
        let node = self.nodes.get_mut(name);
        assert!(node.is_some(), "nobody is called {name}");
        node.expect("it was just looked for")
    }

    /// What a node's engine knows; of a stopped one, what it knew at the end.
    ///
    /// # Panics
    /// When the node has none: it is hostile, or nobody is called so.
    #[must_use]
    pub fn engine(&self, name: &str) -> &Engine {
        self.node(name).engine.as_ref().expect("a hostile node has no engine")
    }

    /// What a node keeps.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn memory(&self, name: &str) -> &Memory {
        &self.node(name).memory
    }

    /// What a node has told whoever watches, since it was added.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn events(&self, name: &str) -> &[Event] {
        &self.node(name).events
    }

    /// Who a node is, with all its keys.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn identity(&self, name: &str) -> &Identity {
        &self.node(name).identity
    }

    /// The person behind a node.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn person(&self, name: &str) -> PersonId {
        self.node(name).identity.person()
    }

    /// Whether a node runs.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn is_online(&self, name: &str) -> bool {
        self.node(name).online
    }

    /// Puts a node's clock ahead of the others', or back. What it has asked to be woken for comes when it would have
    /// come: a timer counts the time that passes, not the hands of a clock.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn set_clock(&mut self, name: &str, ahead_ms: i64) {
        let now = self.now;
        let node = self.node_mut(name);
        (node.ahead_ms, node.set) = (ahead_ms, now);
    }

    /// Has a node's clock go so many milliseconds in each second of the others, from now on.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn set_pace(&mut self, name: &str, ms_a_second: u64) {
        let now = self.now;
        let node = self.node_mut(name);
        node.ahead_ms = node.ahead_ms(now);
        (node.pace, node.set) = (ms_a_second, now);
    }

    /// When a node was woken last.
    ///
    /// # Panics
    /// When nobody is called so.
    #[must_use]
    pub fn woken(&self, name: &str) -> Millis {
        self.node(name).woken
    }
}
