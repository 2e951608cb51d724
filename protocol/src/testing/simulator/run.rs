//! Running: commands, time, nodes that stop and start, and the one step that everything is made of.
//!
//! Leaves to others: what each step does. Always true: steps are taken by the time at which they are due, those of one
//! time in the order in which they were scheduled; a stopped node takes none.

use super::{Due, Simulator, node};
use crate::{
    engine::{Answer, Command, CommandRefusal, Effect, Input, ROUND_MS, Ticket},
    id::CommunityId,
    time::Millis,
};

impl Simulator {
    /// Gives a command and runs until it is answered.
    ///
    /// # Errors
    /// The engine's.
    ///
    /// # Panics
    /// When it is never answered, or the node does not run.
    pub fn command(&mut self, name: &str, command: Command) -> Result<Answer, CommandRefusal> {
        let answer = self.try_command(name, command);
        assert!(answer.is_some(), "SEED={}: {name} does not answer", self.seed);
        answer.expect("it was just looked for")
    }

    /// The same where the node may crash or its disk refuse: then there is no answer.
    ///
    /// # Errors
    /// The engine's.
    ///
    /// # Panics
    /// When the node goes on and never answers, or does not run.
    pub fn try_command(&mut self, name: &str, command: Command) -> Option<Result<Answer, CommandRefusal>> {
        let (ticket, life) = (self.order(name, command), self.node(name).life);
        self.steps = 0;
        loop {
            if let Some(answer) = self.answer(name, ticket) {
                return Some(answer);
            }
            if self.has_failed(name, ticket) || self.node(name).life != life {
                return None;
            }
            assert!(self.step(), "SEED={}: {name} does not answer", self.seed);
        }
    }

    /// Gives a command that is decided with whatever else is due now; [`Simulator::answer`] has what it came to.
    ///
    /// # Panics
    /// When the node does not run.
    pub fn order(&mut self, name: &str, command: Command) -> Ticket {
        assert!(self.node(name).online, "{name} does not run");
        let ticket = self.number();
        self.own_input(name, Input::Command(ticket, command));
        ticket
    }

    /// What an order came to, once.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn answer(&mut self, name: &str, ticket: Ticket) -> Option<Result<Answer, CommandRefusal>> {
        self.node_mut(name).answers.remove(&ticket)
    }

    /// Has a node look at whatever it is asked from outside: see [`crate::engine::Engine::look_at_all_asks`].
    ///
    /// # Panics
    /// When the node has no engine.
    pub fn look_at_all_asks(&mut self, name: &str) {
        self.node_mut(name).engine.as_mut().expect("a hostile node has no engine").look_at_all_asks();
    }

    /// Has a node's person write on beyond their share: see [`crate::engine::Engine::write_beyond_share`].
    ///
    /// # Panics
    /// When the node has no engine.
    pub fn write_beyond_share(&mut self, name: &str) {
        self.node_mut(name).engine.as_mut().expect("a hostile node has no engine").write_beyond_share();
    }

    /// Decides one input on the spot, and gives the effects back in place of carrying them out: for a test that plays
    /// the network itself, millions of times.
    ///
    /// # Panics
    /// When the node has no engine.
    pub fn decide(&mut self, name: &str, input: Input) -> Vec<Effect> {
        let now = self.now;
        let node = self.node_mut(name);
        let (clock, engine) = (node.clock(now), node.engine.as_mut().expect("a hostile node has no engine"));
        let Ok(effects) = engine.handle(clock, input, &node.memory);
        effects
    }

    /// Runs for so long.
    ///
    /// # Panics
    /// When the nodes talk without end.
    pub fn run_for(&mut self, span_ms: u64) {
        self.steps = 0;
        let end = self.now.after(span_ms);
        while self.due.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Lets the time pass by at once: what was due in it happens now.
    pub fn leap(&mut self, span_ms: u64) {
        self.now = self.now.after(span_ms);
    }

    /// Runs until nothing is on its way and only timers are left.
    ///
    /// # Panics
    /// When the nodes talk without end.
    pub fn settle(&mut self) {
        self.steps = 0;
        while self.busy > 0 && self.step() {}
    }

    /// Runs until for two whole rounds nobody has kept anything. Answers how long it took until the last thing was
    /// kept.
    ///
    /// # Panics
    /// When that takes longer than `most_ms`.
    pub fn run_until_quiet(&mut self, most_ms: u64) -> u64 {
        let start = self.now;
        self.tally.kept = start;
        while self.now.since(self.tally.kept) < ROUND_MS.saturating_mul(2) {
            self.run_for(ROUND_MS / 4);
            assert!(self.now.since(start) <= most_ms, "SEED={}: not quiet after {most_ms} ms", self.seed);
        }
        self.tally.kept.since(start)
    }

    /// Stops a node: what it has kept is left.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn stop(&mut self, name: &str) {
        self.break_off_keeping(name);
        self.break_all(name);
        self.node_mut(name).stop();
    }

    /// Takes the epoch keys of a community from a stopped node, and everything that one was sealed in.
    ///
    /// # Panics
    /// When the node runs, or nobody is called so.
    pub fn forget_keys(&mut self, name: &str, community: CommunityId) {
        let node = self.node_mut(name);
        assert!(!node.online, "{name} runs, and holds them");
        node.memory.forget_keys(community);
    }

    /// Starts a node, again or for the first time, from what it has kept.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn start(&mut self, name: &str) {
        self.stop(name);
        self.load(name);
        let list = node::address_list(name.as_bytes(), self.now.0).expect("a name is an address");
        self.own_input(name, Input::Listening(list));
    }

    /// Gives a node an engine that knows what is kept.
    pub(super) fn load(&mut self, name: &str) {
        let seed = self.entropy();
        let (now, bans) = (self.now, self.conditions.bans);
        let node = self.node_mut(name);
        node.woken = now;
        let effects = node.load(&seed, now, bans);
        self.carry_out(name, effects);
    }

    /// One thing that is due. Answers false when nothing is.
    pub(super) fn step(&mut self) -> bool {
        let Some(((at, _), due)) = self.due.pop_first() else { return false };
        self.now = self.now.max(at);
        if !due.is_timer() {
            self.busy = self.busy.saturating_sub(1);
        }
        self.steps = self.steps.saturating_add(1);
        self.tally.steps = self.tally.steps.saturating_add(1);
        assert!(self.steps <= self.conditions.most_steps, "SEED={}: the nodes talk without end", self.seed);
        match due {
            Due::Own { at, life, input } => {
                if self.node(&at).life == life {
                    self.input(&at, *input);
                }
            }
            Due::Wake { at, life, number } => {
                let node = self.node(&at);
                if node.life == life && node.wake == number {
                    self.input(&at, Input::Woken);
                }
            }
            Due::Dialled { from, to, life } => self.dialled(&from, &to, life),
            Due::Up { connection, at } => self.up(connection, &at),
            Due::Down { connection, at } => self.down(connection, &at),
            Due::Part { connection } => self.break_off(connection),
            Due::Request { token, bytes } => self.requested(token, &bytes),
            Due::Response { token, bytes } => self.responded(token, &bytes),
            Due::TooLate { token } => self.too_late(token),
            Due::Kept { at, life } => {
                if self.node(&at).life == life {
                    self.kept(&at);
                }
            }
            Due::Restart { at, life } => {
                if self.node(&at).life == life {
                    self.start(&at);
                }
            }
            Due::Gossip { connection, from, to, frame, hops } => {
                self.gossip_arrives(connection, (&from, &to), &frame, hops);
            }
        }
        true
    }

    /// An input that comes from the node itself.
    pub(super) fn own_input(&mut self, name: &str, input: Input) {
        let life = self.node(name).life;
        self.schedule(self.now, Due::Own { at: name.to_owned(), life, input: Box::new(input) });
    }

    pub(super) fn schedule(&mut self, at: Millis, due: Due) {
        let number = self.number();
        if !due.is_timer() {
            self.busy = self.busy.saturating_add(1);
        }
        self.due.insert((at.max(self.now), number), due);
    }

    /// A number that was not given before.
    pub(super) fn number(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }

    pub(super) fn entropy(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.dice.draw().to_le_bytes());
        }
        bytes
    }
}
