//! What a node's driver does with inputs: has them decided, kept, and then carries out the rest; and what may go wrong
//! on the way, with the disk or with the whole node.
//!
//! The order is that of the real driver. Verdicts on gossip and the questions of a comparison go out at once; then the
//! batch is kept, whole or not at all; then the rest follows, in the engine's order. A node may crash before each of
//! these steps and after the last. A disk may be slow: what comes meanwhile waits and is one batch afterwards. Or it
//! refuses: then nothing of the batch is kept or told, whoever waits for an answer is told so, and the engine is loaded
//! again from what is kept.
//!
//! Leaves to others: what each effect does (`carry_out`). Always true: of what is not kept nothing is told, answered or
//! published; without [`Faults`] nothing goes wrong.

use std::{collections::VecDeque, ops::RangeInclusive};

use super::{Due, Memory, Received, Simulator};
use crate::{
    engine::{Effect, Input, Ticket},
    testing::START,
    wire::AnyId,
};

/// What may go wrong with a node and its disk, for each batch of inputs that it decides.
#[derive(Debug, Clone)]
pub struct Faults {
    /// Of ten thousand batches, so many end in a crash at a drawn place in them.
    pub crashes: usize,
    /// How long a crashed node is away, in milliseconds.
    pub away_ms: RangeInclusive<u64>,
    /// Of ten thousand batches, so many are refused by the disk, if they keep something.
    pub refused: usize,
    /// Of ten thousand batches, so many are kept late, if they keep something.
    pub late: usize,
    /// How late, in milliseconds. Peers wait for ten seconds.
    pub late_ms: RangeInclusive<u64>,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults { crashes: 0, away_ms: 0..=20_000, refused: 0, late: 0, late_ms: 1..=5_000 }
    }
}

/// How often something went wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultTally {
    /// Batches in which a node crashed.
    pub crashed: u64,
    /// Batches that the disk refused.
    pub refused: u64,
    /// Batches that were kept late.
    pub late: u64,
}

/// What goes wrong with one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Crash,
    Refuse,
    Late(u64),
}

/// A batch that is being kept.
#[derive(Debug)]
pub(super) struct Keeping {
    /// What was kept before it.
    before: Memory,
    /// What follows when it is kept.
    later: Vec<Effect>,
}

/// One batch, decided.
#[derive(Debug, Default)]
struct Decided {
    /// What does not wait for the disk.
    at_once: Vec<Effect>,
    later: Vec<Effect>,
    keeps: bool,
    /// The commands in it.
    tickets: Vec<Ticket>,
    /// The questions in it.
    asked: Vec<u64>,
}

/// An input on one line.
fn brief(input: &Input) -> String {
    let mut line = format!("{} {input:?}", input.name());
    // A letter of more than one byte may stand there.
    let end = (0..=300.min(line.len())).rev().find(|at| line.is_char_boundary(*at));
    line.truncate(end.unwrap_or(0));
    line
}

impl Simulator {
    /// Hands an input to whoever plays the node.
    pub(super) fn input(&mut self, name: &str, input: Input) {
        self.tally.note(self.now, (input.name(), name, ""), &[]);
        if self.conditions.aloud {
            eprintln!("{} {name}: {}", self.now.since(START), brief(&input));
        }
        let node = self.node_mut(name);
        if !node.online {
            return;
        }
        if node.engine.is_none() {
            node.received.extend(Received::of(input));
        } else if node.keeping.is_some() {
            node.inbox.push_back(input);
        } else {
            self.run_batch(name, VecDeque::from([input]));
        }
    }

    /// Decides inputs, has the disk keep what they come to, and carries out the rest.
    fn run_batch(&mut self, name: &str, inputs: VecDeque<Input>) {
        let fault = self.draw_fault();
        let before = fault.is_some().then(|| self.node(name).memory.clone());
        let batch = self.decide_batch(name, inputs);
        match (fault.filter(|fault| batch.keeps || *fault == Fault::Crash), before) {
            (Some(Fault::Crash), Some(before)) => self.crash_within(name, batch, before),
            (Some(Fault::Refuse), Some(before)) => self.refuse(name, batch, before),
            (Some(Fault::Late(ms)), Some(before)) => {
                self.tally.faults.late = self.tally.faults.late.saturating_add(1);
                self.carry_out(name, batch.at_once);
                let node = self.node_mut(name);
                node.keeping = Some(Keeping { before, later: batch.later });
                let life = node.life;
                self.schedule(self.now.after(ms), Due::Kept { at: name.to_owned(), life });
            }
            _ => {
                self.carry_out(name, batch.at_once);
                self.passes_on_what_it_keeps(name);
                self.carry_out(name, batch.later);
            }
        }
    }

    fn draw_fault(&mut self) -> Option<Fault> {
        let Faults { crashes, refused, late, .. } = self.conditions.faults;
        if crashes == 0 && refused == 0 && late == 0 {
            return None;
        }
        let drawn = self.dice.below(10_000);
        if drawn < crashes {
            Some(Fault::Crash)
        } else if drawn < crashes.saturating_add(refused) {
            Some(Fault::Refuse)
        } else if drawn < crashes.saturating_add(refused).saturating_add(late) {
            let late_ms = self.conditions.faults.late_ms.clone();
            Some(Fault::Late(self.dice.within(&late_ms)))
        } else {
            None
        }
    }

    fn decide_batch(&mut self, name: &str, inputs: VecDeque<Input>) -> Decided {
        let mut batch = Decided::default();
        for input in inputs {
            match &input {
                Input::Command(ticket, _) => batch.tickets.push(*ticket),
                Input::Asked { token, .. } | Input::AddressesAsked { token, .. } => batch.asked.push(*token),
                Input::Woken => self.node_mut(name).woken = self.now,
                _ => {}
            }
            let token = if let Input::Gossip { token, .. } = &input { Some(*token) } else { None };
            let mut effects = self.decide(name, input);
            if let Some(planted) = self.planted {
                planted.change(token, &mut effects);
            }
            for effect in effects {
                match effect {
                    Effect::Keep(keep) => {
                        batch.keeps = true;
                        self.tally.kept = self.now;
                        self.node_mut(name).memory.keep(keep);
                    }
                    effect if self.goes_at_once(&effect) => batch.at_once.push(effect),
                    effect => batch.later.push(effect),
                }
            }
        }
        batch
    }

    /// Whether an effect does not wait for the disk: others wait for verdicts, and a question tells nothing.
    fn goes_at_once(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Judge { .. } => true,
            Effect::Ask { request, .. } => request.compares(),
            Effect::Answer(..) => self.planted.is_some_and(|planted| planted.acknowledges_early()),
            _ => false,
        }
    }

    /// The node crashes before one of the steps or after the last. What was kept survives.
    fn crash_within(&mut self, name: &str, batch: Decided, before: Memory) {
        let (at_once, later) = (batch.at_once.len(), batch.later.len());
        let done = self.dice.below(at_once.saturating_add(later).saturating_add(2));
        self.carry_out(name, batch.at_once.into_iter().take(done).collect());
        if done > at_once {
            let told = done.saturating_sub(at_once).saturating_sub(1);
            self.carry_out(name, batch.later.into_iter().take(told).collect());
        } else {
            self.node_mut(name).memory = before;
        }
        self.crash(name);
    }

    /// Stops a node where it is, and starts it after a drawn while.
    fn crash(&mut self, name: &str) {
        self.tally.faults.crashed = self.tally.faults.crashed.saturating_add(1);
        self.tally.note(self.now, ("crash", name, ""), &[]);
        self.stop(name);
        let away_ms = self.conditions.faults.away_ms.clone();
        let at = self.now.after(self.dice.within(&away_ms));
        let life = self.node(name).life;
        self.schedule(at, Due::Restart { at: name.to_owned(), life });
    }

    /// Nothing of the batch is kept: whoever waits is told, and the engine forgets what it had decided.
    fn refuse(&mut self, name: &str, batch: Decided, before: Memory) {
        self.tally.faults.refused = self.tally.faults.refused.saturating_add(1);
        self.carry_out(name, batch.at_once);
        let node = self.node_mut(name);
        node.memory = before;
        node.passed_on.clear();
        self.tally.note(self.now, ("refused", name, ""), &[]);
        // Nobody answers these any more: those who asked wait in vain.
        for token in batch.asked {
            self.schedule(self.now.after(super::wires::PATIENCE_MS), Due::TooLate { token });
        }
        let connected = self.engine(name).connected_peers();
        self.node_mut(name).failed.extend(batch.tickets);
        self.load(name);
        for (peer, _) in connected {
            self.own_input(name, Input::Connected(peer));
        }
    }

    /// A late batch is on the disk; what came meanwhile is the next one.
    pub(super) fn kept(&mut self, name: &str) {
        let node = self.node_mut(name);
        let Some(keeping) = node.keeping.take() else { return };
        let waiting = std::mem::take(&mut node.inbox);
        self.carry_out(name, keeping.later);
        if !waiting.is_empty() {
            self.run_batch(name, waiting);
        }
    }

    /// What becomes of a batch that was being kept when its node stopped: it is on the disk or it is not.
    pub(super) fn break_off_keeping(&mut self, name: &str) {
        let is_kept = self.node(name).keeping.is_some() && self.dice.chance(1, 2);
        let node = self.node_mut(name);
        node.inbox.clear();
        if let Some(keeping) = node.keeping.take().filter(|_| !is_kept) {
            node.memory = keeping.before;
        }
    }

    /// Whoever passes gossip on has judged it, and so keeps it: others are told nothing that it would not stand by.
    fn passes_on_what_it_keeps(&mut self, name: &str) {
        let node = self.node_mut(name);
        let passed: Vec<AnyId> = std::mem::take(&mut node.passed_on);
        let not_kept: Vec<&AnyId> = passed.iter().filter(|id| !node.memory.has(id)).collect();
        assert!(not_kept.is_empty(), "SEED={}: {name} has passed on what it does not keep: {not_kept:?}", self.seed);
    }

    /// How often something went wrong.
    #[must_use]
    pub fn faults(&self) -> FaultTally {
        self.tally.faults
    }

    /// Whether an order came to nothing, since the disk refused to keep what followed from it; said once.
    ///
    /// # Panics
    /// When nobody is called so.
    pub fn has_failed(&mut self, name: &str, ticket: Ticket) -> bool {
        self.node_mut(name).failed.remove(&ticket)
    }
}
