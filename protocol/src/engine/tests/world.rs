//! Several engines without a network to speak of: a [`Simulator`] whose frames arrive at once and in order. What a test
//! wants lost, it disconnects.

use crate::{
    engine::{Answer, Command, CommandRefusal, Effect, Engine, Event, Identity, Input, Keep, ROUND_MS},
    id::{CommunityId, PersonId},
    key::SecretKey,
    testing::{Conditions, Memory, Simulator},
    time::Millis,
    wire::{Gossip, Request, Response},
};

/// All of them.
pub(super) struct World(Simulator);

/// One node, to be looked at.
pub(super) struct Node<'a> {
    pub(super) engine: &'a Engine,
    pub(super) memory: &'a Memory,
    pub(super) events: &'a [Event],
}

impl World {
    pub(super) fn of(names: &[&str]) -> World {
        let mut simulator = Simulator::new(0);
        simulator.conditions = Conditions::still();
        World(simulator.with(names))
    }

    /// The same with a network to speak of, in which each seed delays other frames.
    pub(super) fn delayed(seed: u64, names: &[&str]) -> World {
        World(Simulator::new(seed).with(names))
    }

    pub(super) fn node(&self, name: &str) -> Node<'_> {
        Node { engine: self.0.engine(name), memory: self.0.memory(name), events: self.0.events(name) }
    }

    pub(super) fn person(&self, name: &str) -> PersonId {
        self.0.person(name)
    }

    /// The device key of a node, for doing with it what its engine would not.
    pub(super) fn device(&self, name: &str) -> SecretKey {
        self.0.identity(name).device.clone()
    }

    pub(super) fn now(&self) -> Millis {
        self.0.now()
    }

    /// Gives a command a millisecond later, and waits until all has been said that it leads to.
    pub(super) fn command(&mut self, name: &str, command: Command) -> Result<Answer, CommandRefusal> {
        self.0.run_for(1);
        let answer = self.0.command(name, command);
        self.0.settle();
        answer
    }

    /// Gives a command, and waits until something has come of it, and no longer.
    pub(super) fn command_until(&mut self, name: &str, command: Command, come: impl Fn(&World) -> bool) {
        self.0.command(name, command).unwrap();
        while !come(self) {
            self.0.run_for(1);
        }
    }

    /// Something arrives at a node as gossip of a community, sealed as it must be.
    pub(super) fn tell(&mut self, from: &str, to: &str, community: CommunityId, gossip: &Gossip) {
        let key = self.0.engine(from).communities()[&community].listening_keys()[0].clone();
        let topic = key.topic();
        self.0.send_gossip(from, to, &topic, key.seal(&gossip.to_bytes(), topic.as_bytes()));
        self.0.settle();
    }

    /// What somebody's changed program keeps, and so gives to who asks.
    pub(super) fn put(&mut self, name: &str, keep: Keep) {
        self.0.put(name, keep);
    }

    /// From now on this person's program signs more than others take.
    pub(super) fn write_beyond_share(&mut self, name: &str) {
        self.0.write_beyond_share(name);
    }

    /// From now on gossip is lost: comparison alone must bring everything.
    pub(super) fn lose_gossip(&mut self) {
        self.0.conditions.gossip_lost = 1000;
    }

    /// Half a minute passes.
    pub(super) fn round(&mut self) {
        self.0.run_for(ROUND_MS);
        self.0.settle();
    }

    /// So much time passes at once.
    pub(super) fn leap(&mut self, span_ms: u64) {
        self.0.leap(span_ms);
        self.0.settle();
    }

    pub(super) fn stop(&mut self, name: &str) {
        self.0.stop(name);
        self.0.settle();
    }

    /// Starts a node again from what it has kept.
    pub(super) fn start(&mut self, name: &str) {
        self.0.start(name);
        self.0.settle();
    }

    /// From now on these two cannot reach each other.
    pub(super) fn cut(&mut self, a: &str, b: &str) {
        self.0.cut(a, b);
        self.0.settle();
    }

    /// Everybody can reach everybody again.
    pub(super) fn heal(&mut self) {
        self.0.heal();
    }

    pub(super) fn connect(&mut self, a: &str, b: &str) {
        self.0.dial(a, b);
        self.0.settle();
    }

    /// From now on somebody does this to what they answer.
    pub(super) fn tamper(&mut self, name: &str, with: impl FnMut(&mut Response) + 'static) {
        self.0.tamper(name, with);
    }

    /// Bytes of requests and responses between two, both ways.
    pub(super) fn exchanged(&self, a: &str, b: &str) -> u64 {
        self.0.exchanged(a, b).bytes + self.0.exchanged(b, a).bytes
    }

    /// How many there were.
    pub(super) fn exchanged_frames(&self, a: &str, b: &str) -> u64 {
        self.0.exchanged(a, b).frames + self.0.exchanged(b, a).frames
    }

    /// Two meet, and so much later may still be talking.
    pub(super) fn meet_for(&mut self, a: &str, b: &str, span_ms: u64) {
        self.0.dial(a, b);
        self.0.run_for(span_ms);
    }

    /// Time passes.
    pub(super) fn pass(&mut self, span_ms: u64) {
        self.0.run_for(span_ms);
        self.0.settle();
    }

    /// Adds somebody with nothing kept.
    pub(super) fn add_new(&mut self, name: &str) {
        self.0.add(name);
        self.0.settle();
    }

    /// Adds a node of this identity, with nothing kept.
    pub(super) fn add(&mut self, name: &str, identity: Identity) {
        self.0.add_as(name, identity);
        self.0.settle();
    }

    pub(super) fn identity(&self, name: &str) -> &Identity {
        self.0.identity(name)
    }

    /// Somebody connects who runs no engine.
    pub(super) fn arrive(&mut self, from: &str, at: &str) {
        self.0.hostile(from);
        self.0.dial(from, at);
        self.0.settle();
    }

    /// What they send, which may be no request.
    pub(super) fn send_bytes(&mut self, from: &str, to: &str, bytes: Vec<u8>) {
        self.0.send_request_bytes(from, to, bytes);
        self.0.settle();
    }

    /// One input, decided on the spot; nothing of what follows is carried out.
    pub(super) fn decide(&mut self, name: &str, input: Input) -> Vec<Effect> {
        self.0.decide(name, input)
    }

    /// What they ask.
    pub(super) fn ask_as(&mut self, from: &str, to: &str, request: &Request) -> Response {
        self.0.ask(from, to, request).expect("every question is answered")
    }
}
