//! Everything at once: people who do what they may while the network falls apart, nodes crash between any two steps,
//! disks refuse and are late, clocks are wrong, and old frames come again; then peace.
//!
//! Leaves to others: what people do (`turmoil`), how often it is played (`everything`). Always true: what must hold at
//! any time is asked after each act, what must hold in the end when nothing moves any more.

use std::collections::BTreeMap;

use hearth_protocol::{
    engine::ROUND_MS,
    ledger::Ledger as _,
    testing::{Dice, FaultTally, Faults, GossipTally, Planted},
    time::{DAY_MS, Millis},
};

use crate::{
    acts::{header, is_unproven},
    convergence::{all_show, readable, same_logs_and_states, standing, stands},
    turmoil::{Acts, Turmoil},
};

/// How far a clock may be wrong, in milliseconds: more than ten minutes ahead, what it signs has to wait.
const WRONG_MS: [i64; 6] = [-YEARS_MS, -(DAY_MS as i64), -3_600_000, 9 * MINUTE_MS, 11 * MINUTE_MS, DAY_MS as i64];
const MINUTE_MS: i64 = 60_000;
const YEARS_MS: i64 = 3_650 * DAY_MS as i64;

/// See the module's documentation.
pub(crate) struct Storm {
    pub(crate) turmoil: Turmoil,
    dice: Dice,
    /// How many steps it lasts.
    steps: u64,
    /// When a clock was touched last.
    touched: BTreeMap<&'static str, Millis>,
    pub(crate) report: Report,
}

/// What was played.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) seeds: u64,
    pub(crate) nodes: u64,
    /// Steps of the storm, and of what came before and after.
    pub(crate) steps: u64,
    pub(crate) calm_steps: u64,
    pub(crate) acts: u64,
    pub(crate) items: u64,
    pub(crate) clocks: u64,
    pub(crate) replays: u64,
    pub(crate) faults: FaultTally,
    pub(crate) gossip: GossipTally,
    pub(crate) fetched: u64,
    /// Operations and items that nodes keep in the end, each counted at each.
    pub(crate) kept: u64,
    pub(crate) bytes: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Report) {
        self.seeds += other.seeds;
        self.nodes += other.nodes;
        self.steps += other.steps;
        self.calm_steps += other.calm_steps;
        self.acts += other.acts;
        self.items += other.items;
        self.clocks += other.clocks;
        self.replays += other.replays;
        self.faults.crashed += other.faults.crashed;
        self.faults.refused += other.faults.refused;
        self.faults.late += other.faults.late;
        self.gossip.first += other.gossip.first;
        self.gossip.again += other.gossip.again;
        self.gossip.lost += other.gossip.lost;
        self.gossip.hops += other.gossip.hops;
        self.gossip.most_hops = self.gossip.most_hops.max(other.gossip.most_hops);
        self.fetched += other.fetched;
        self.kept += other.kept;
        self.bytes += other.bytes;
    }

    /// How many copies came of each thing that a node keeps, by gossip and in answers, in thousandths.
    pub(crate) fn copies_permille(&self) -> u64 {
        (self.gossip.first + self.gossip.again + self.fetched) * 1_000 / self.kept.max(1)
    }

    /// Over how many connections gossip had come that brought something new, in thousandths.
    pub(crate) fn hops_permille(&self) -> u64 {
        self.gossip.hops * 1_000 / self.gossip.first.max(1)
    }

    /// How many bytes crossed for each thing that a node keeps: hellos, comparisons and all.
    pub(crate) fn bytes_each(&self) -> u64 {
        self.bytes / self.kept.max(1)
    }

    /// On one line.
    pub(crate) fn line(&self) -> String {
        let Report { seeds, nodes, steps, calm_steps, acts, items, clocks, replays, faults, gossip, .. } = self;
        let FaultTally { crashed, refused, late } = faults;
        let (copies, hops, bytes) = (self.copies_permille(), self.hops_permille(), self.bytes_each());
        format!(
            "{seeds} seeds, {nodes} nodes, {steps} steps and {calm_steps} before and after, {acts} acts, {items} items, \
             {crashed} crashes, {refused} refused and {late} late batches, {clocks} clocks, {replays} old frames; hops \
             {}.{:03}, {} at most; copies {}.{:03} of each thing; {} frames of gossip lost; {bytes} bytes for each; \
             misses 0",
            hops / 1_000,
            hops % 1_000,
            gossip.most_hops,
            copies / 1_000,
            copies % 1_000,
            gossip.lost,
        )
    }
}

impl Storm {
    /// Three to twelve people, of whom the founders have let some in while all was well.
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Storm {
        let mut dice = Dice::new(seed ^ 0x5702);
        let mut turmoil = Turmoil::new(seed, 12);
        turmoil.simulator.conditions.recorded = true;
        turmoil.simulator.conditions.faults = Faults {
            crashes: [0, 5, 50][dice.below(3)],
            refused: [0, 5, 50][dice.below(3)],
            late: [0, 50, 500][dice.below(3)],
            ..Faults::default()
        };
        turmoil.simulator.conditions.gossip_doubled = [0, 50, 1000][dice.below(3)];
        if let Some(planted) = planted {
            turmoil.simulator.plant(planted);
        }
        let steps = 500 + dice.below(1_501) as u64;
        Storm { turmoil, dice, steps, touched: BTreeMap::new(), report: Report::default() }
    }

    /// The storm and the peace after it, with all that must be true.
    pub(crate) fn play(&mut self) {
        let calm = self.turmoil.simulator.steps();
        while self.turmoil.simulator.steps() - calm < self.steps {
            match self.dice.below(12) {
                0 => self.mistake_time(),
                1 => self.play_back(),
                _ => self.turmoil.act(Acts::Ruling),
            }
            self.report.acts += 1;
            self.holds_now();
            if self.dice.chance(1, 10) {
                self.shows_what_stands();
            }
        }
        self.report.steps = self.turmoil.simulator.steps() - calm;
        self.calm_down();
        self.holds_now();
        self.holds_in_peace();
        self.report_all();
    }

    /// Somebody's clock is wrong from now on, or right again, or goes too fast or too slowly for a while.
    fn mistake_time(&mut self) {
        self.report.clocks += 1;
        let name = *self.dice.pick(&self.turmoil.names).expect("there are three at least");
        self.touched.insert(name, self.turmoil.simulator.now());
        match self.dice.below(4) {
            0 => {
                self.turmoil.simulator.set_pace(name, 1_000);
                self.turmoil.simulator.set_clock(name, 0);
            }
            1 => self.turmoil.simulator.set_pace(name, [500, 2_000][self.dice.below(2)]),
            _ => {
                let wrong = *self.dice.pick(&WRONG_MS).expect("there are some");
                self.turmoil.simulator.set_clock(name, wrong);
            }
        }
    }

    /// Frames of any age come again, from any neighbour.
    fn play_back(&mut self) {
        let frames: Vec<(String, Vec<u8>)> =
            self.turmoil.simulator.published().map(|(topic, data)| (topic.to_owned(), data.to_vec())).collect();
        for _ in 0..5 {
            let (Some((topic, data)), Some(from), Some(to)) =
                (self.dice.pick(&frames), self.dice.pick(&self.turmoil.names), self.dice.pick(&self.turmoil.names))
            else {
                return;
            };
            if from != to && self.turmoil.simulator.are_connected(from, to) {
                self.turmoil.simulator.send_gossip(from, to, topic, data.clone());
                self.report.replays += 1;
            }
        }
    }

    /// Disks, clocks and wires are well again, and so much time passes that all that was signed ahead of its time is due.
    fn calm_down(&mut self) {
        let simulator = &mut self.turmoil.simulator;
        simulator.conditions.faults = Faults::default();
        simulator.conditions.gossip_doubled = 0;
        for name in &self.turmoil.names {
            simulator.set_pace(name, 1_000);
            simulator.set_clock(name, 0);
        }
        simulator.run_for(10_000);
        simulator.leap(DAY_MS);
        self.turmoil.make_whole();
    }

    fn running(&self) -> impl Iterator<Item = &'static str> {
        self.turmoil.names.iter().copied().filter(|name| self.turmoil.simulator.is_online(name))
    }

    /// What is true at any time: what was acknowledged is kept, and nobody sleeps through a round.
    fn holds_now(&self) {
        let simulator = &self.turmoil.simulator;
        for (who, item) in &self.turmoil.items {
            let kept = matches!(simulator.memory(who).item(*item), Ok(Some(_)));
            assert!(kept, "{who} has acknowledged {item} and does not keep it");
        }
        for name in self.running() {
            // A clock that is put back puts a round off by what has passed since it was looked at last.
            let awake = self.touched.get(name).copied().unwrap_or_default().max(simulator.woken(name));
            let asleep = simulator.now().since(awake);
            // At half the pace a round takes twice as long; a batch may be late.
            assert!(asleep <= 2 * ROUND_MS + 6_000, "{name} was not woken for {asleep} ms");
        }
    }

    /// No node shows what its own rules say it may not. What lies behind a gap is left out: an item that waits for
    /// another fills it for the engine, and cannot be seen from here.
    fn shows_what_stands(&self) {
        let simulator = &self.turmoil.simulator;
        for name in self.running() {
            for community in self.turmoil.communities {
                if !simulator.engine(name).communities().contains_key(&community) {
                    continue;
                }
                let memory = simulator.memory(name);
                let own = memory
                    .readable(community)
                    .into_iter()
                    .filter(|id| header(simulator, name, *id).is_some_and(|header| header.community == community));
                let wrong: Vec<_> = own
                    .filter(|id| !stands(simulator, name, community, *id))
                    .filter(|id| !is_unproven(simulator, [name; 2], community, *id))
                    .collect();
                assert!(wrong.is_empty(), "{name} shows what may not stand in {community}: {wrong:?}");
            }
        }
    }

    fn holds_in_peace(&self) {
        self.shows_what_stands();
        same_logs_and_states(&self.turmoil);
        all_show(&self.turmoil, "what stands", |name, community| {
            standing(&self.turmoil.simulator, name, community, readable(&self.turmoil, name, community))
        });
    }

    fn report_all(&mut self) {
        let simulator = &self.turmoil.simulator;
        self.report.seeds = 1;
        self.report.nodes = self.turmoil.names.len() as u64;
        self.report.calm_steps = simulator.steps() - self.report.steps;
        self.report.items = self.turmoil.items.len() as u64;
        self.report.faults = simulator.faults();
        self.report.gossip = simulator.gossip();
        self.report.fetched = simulator.fetched();
        self.report.bytes = simulator.all_traffic().bytes;
        for name in &self.turmoil.names {
            let things =
                simulator.engine(name).communities().iter().map(|(community, standing)| {
                    standing.log.len() + simulator.memory(name).readable(*community).len()
                });
            self.report.kept += things.sum::<usize>() as u64;
        }
    }
}
