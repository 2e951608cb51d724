//! One node of a simulation.
//!
//! Leaves to others: when it is told what. Always true: a stopped node has nothing but its keys, its memory and what it
//! has told; whatever was on its way to it belongs to a life that is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{super::Memory, batch::Keeping, gossip::Held, hostile::Received};
use crate::{
    bytes::{Blob, List},
    encoding::{decode, encode},
    engine::{Answer, CommandRefusal, Effect, Engine, Event, Identity, Input, Ticket},
    epoch::SealingKey,
    key::SecretKey,
    ledger::AddressList,
    limits,
    person::Ladder,
    text::Text,
    time::Millis,
    wire::{AnyId, Response},
};

/// A node, or what is left of it while it is stopped.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) identity: Identity,
    pub(super) memory: Memory,
    /// None: it is hostile, and the test is its mind.
    pub(super) engine: Option<Engine>,
    pub(super) online: bool,
    /// How often it was started or stopped.
    pub(super) life: u64,
    pub(super) events: Vec<Event>,
    pub(super) answers: BTreeMap<Ticket, Result<Answer, CommandRefusal>>,
    /// The connections that it knows of.
    pub(super) peers: BTreeMap<String, u64>,
    pub(super) topics: BTreeSet<String>,
    /// Those whose gossip it hears, and those to whom it speaks too: of those who are connected.
    pub(super) hears: BTreeSet<String>,
    pub(super) speaks: BTreeSet<String>,
    /// Those whose connections it refuses.
    pub(super) banned: BTreeSet<String>,
    /// Gossip by its hash, and when it came.
    pub(super) seen: BTreeMap<[u8; 32], Millis>,
    /// Gossip that waits for a verdict.
    pub(super) held: BTreeMap<u64, Held>,
    /// The number of the timer that was set last.
    pub(super) wake: u64,
    /// How far its clock was ahead when it was set last, when that was, and how many milliseconds it goes in a second.
    pub(super) ahead_ms: i64,
    pub(super) set: Millis,
    pub(super) pace: u64,
    /// When it was woken last, by the clock of the simulation.
    pub(super) woken: Millis,
    /// The batch that its disk is keeping, and what has come meanwhile.
    pub(super) keeping: Option<Keeping>,
    pub(super) inbox: VecDeque<Input>,
    /// Commands of which nothing was kept.
    pub(super) failed: BTreeSet<Ticket>,
    /// What it has passed on in this batch.
    pub(super) passed_on: Vec<AnyId>,
    /// What a hostile node has received and nobody has read.
    pub(super) received: VecDeque<Received>,
    pub(super) tamper: Option<Tamper>,
}

/// What becomes of a node's answers before they leave it.
pub(super) struct Tamper(pub(super) Box<dyn FnMut(&mut Response)>);

impl std::fmt::Debug for Tamper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tamper")
    }
}

impl Node {
    pub(super) fn new(name: &str) -> Node {
        Node {
            identity: identity(name),
            memory: Memory::default(),
            engine: None,
            online: false,
            life: 0,
            events: Vec::new(),
            answers: BTreeMap::new(),
            peers: BTreeMap::new(),
            topics: BTreeSet::new(),
            hears: BTreeSet::new(),
            speaks: BTreeSet::new(),
            banned: BTreeSet::new(),
            seen: BTreeMap::new(),
            held: BTreeMap::new(),
            wake: 0,
            ahead_ms: 0,
            set: Millis(0),
            pace: 1_000,
            woken: Millis(0),
            keeping: None,
            inbox: VecDeque::new(),
            failed: BTreeSet::new(),
            passed_on: Vec::new(),
            received: VecDeque::new(),
            tamper: None,
        }
    }

    /// The time that its clock shows.
    pub(super) fn clock(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_add_signed(self.ahead_ms(now)))
    }

    /// How far its clock is ahead.
    pub(super) fn ahead_ms(&self, now: Millis) -> i64 {
        let passed = i64::try_from(now.since(self.set)).unwrap_or(i64::MAX);
        let pace = i64::try_from(self.pace).unwrap_or(i64::MAX).saturating_sub(1_000);
        let gained = passed.saturating_mul(pace).checked_div(1_000).unwrap_or(0);
        self.ahead_ms.saturating_add(gained)
    }

    pub(super) fn stop(&mut self) {
        self.online = false;
        self.life = self.life.saturating_add(1);
        self.peers.clear();
        self.topics.clear();
        self.hears.clear();
        self.speaks.clear();
        self.banned.clear();
        self.seen.clear();
        self.held.clear();
        self.passed_on.clear();
    }

    /// Begins a life with an engine; what it does first is given back.
    pub(super) fn load(&mut self, seed: &[u8; 32], now: Millis, bans: bool) -> Vec<Effect> {
        let clock = self.clock(now);
        let Ok(mut engine) = Engine::load(self.identity.clone(), seed, clock, &self.memory);
        if !bans {
            engine.ban_nobody();
        }
        let effects = engine.start(clock);
        self.engine = Some(engine);
        self.online = true;
        effects
    }
}

/// Who somebody of this name is, in every run.
fn identity(name: &str) -> Identity {
    let ladder = Ladder::new(*blake3::hash(name.as_bytes()).as_bytes());
    let derived = |what: &str| *blake3::hash(format!("{name} {what}").as_bytes()).as_bytes();
    let (device, sealing) = (SecretKey::new(&derived("device")), SealingKey::new(derived("sealing")));
    let record = ladder.record(device.public(), sealing.public(), Millis(1));
    Identity {
        key: Some(ladder.key(0)),
        device,
        sealing,
        record,
        name: Text::line(name).expect("names in tests are short"),
        peer: name.as_bytes().to_vec(),
        restoring: false,
    }
}

/// Where a node can be found: its name is its only address. Nothing signs it.
pub(super) fn address_list(name: &[u8], seq: u64) -> Option<AddressList> {
    let peer: Blob<{ limits::PEER_BYTES }> = Blob::new(name.to_vec()).ok()?;
    Some(AddressList {
        seq,
        list: Blob::new(encode(&(&peer, seq))).ok()?,
        addresses: List::new(vec![Blob::new(name.to_vec()).ok()?]).ok()?,
        peer,
    })
}

/// The lists of a frame; what is none is left out.
pub(super) fn read_lists(lists: &[Blob<{ limits::ADDRESS_LIST_BYTES }>]) -> Vec<AddressList> {
    let read = |list: &Blob<{ limits::ADDRESS_LIST_BYTES }>| {
        let (peer, seq): (Blob<{ limits::PEER_BYTES }>, u64) =
            decode(list.as_slice(), limits::ADDRESS_LIST_BYTES).ok()?;
        address_list(peer.as_slice(), seq)
    };
    lists.iter().filter_map(read).collect()
}

/// The node that a peer's name stands for.
pub(super) fn named(peer: &[u8]) -> String {
    String::from_utf8_lossy(peer).into_owned()
}
