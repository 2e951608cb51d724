//! One schedule of a removal: who is there, what befalls them, when eve is removed and when she turns.
//!
//! Leaves to others: what must be true of it. Always true: eve's honest node runs until she turns; after everything
//! everything is mended, and she goes on until nothing changes any more.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::{
    authority::{Body as Act, Operation, Role},
    engine::{Command, ROUND_MS},
    epoch::{EpochKey, Scope},
    id::{CommunityId, ItemId, OpId},
    testing::{Dice, Simulator},
    text::Text,
    time::Millis,
};

use crate::{
    acts::{bring_in, draft, found, garden_of, invite, joining, log, role, write},
    intruder::Intruder,
    seeds::simulator,
};

/// Everybody honest that there may be.
const HONEST: [&str; 5] = ["alice", "bob", "carol", "dave", "ferry"];
/// Comes in by an invite, around the time of the removal.
pub(crate) const NEWCOMER: &str = "p1";
/// Of whom nobody has heard; eve has their keys.
pub(crate) const PUPPET: &str = "p66";

/// How long a removal may take among those who hear each other, where nothing is cut and nothing gets lost.
pub(crate) const EFFECTIVE_MS: u64 = 10_000;
/// The same for those who have a connection and are still greeting on it: seven messages, each of which takes up to two
/// seconds here, come before the first word of gossip.
pub(crate) const GREETING_MS: u64 = 20_000;

/// How long it takes until those who are connected know of the removal.
pub(crate) struct Watch {
    pub(crate) at: Millis,
    /// Those who do not know yet, each with how long they may take.
    pub(crate) waiting: BTreeMap<&'static str, u64>,
    /// How long each took, and might have.
    pub(crate) delays: BTreeMap<&'static str, (u64, u64)>,
    /// Nothing got lost and nothing was cut since.
    pub(crate) is_reliable: bool,
    is_open: bool,
}

/// See the module's documentation.
pub(crate) struct Schedule {
    pub(crate) simulator: Simulator,
    pub(crate) garden: CommunityId,
    pub(crate) eve: Option<Intruder>,
    pub(crate) watch: Option<Watch>,
    pub(crate) rulings: Vec<OpId>,
    /// Each with its author; the text of each is its number.
    pub(crate) posts: Vec<(ItemId, &'static str)>,
    pub(crate) forged: BTreeSet<ItemId>,
    pub(crate) forged_items: usize,
    pub(crate) forged_operations: BTreeSet<OpId>,
    /// How long after the heal each knows who did not know before.
    pub(crate) after_heal: BTreeMap<&'static str, u64>,
    /// Whether the newcomer had to start again.
    pub(crate) helped: bool,
    pub(crate) ally: Option<Intruder>,
    pub(crate) honest: Vec<&'static str>,
    pub(crate) dice: Dice,
    /// Keys of invites that eve has made, and one by which the newcomer may come.
    pub(crate) hers: Vec<String>,
    bobs: Option<String>,
    pub(crate) has_ally: bool,
    is_calm: bool,
    loss: usize,
    pub(crate) heard_before: u64,
    healed: Option<Millis>,
    unaware_at_heal: BTreeSet<&'static str>,
}

impl Schedule {
    /// Everything, up to when nothing changes any more.
    pub(crate) fn played(seed: u64) -> Schedule {
        let mut schedule = Schedule::new(seed);
        let acts = 12 + schedule.dice.below(6);
        let removal = 3 + schedule.dice.below(5);
        let turning = removal + schedule.dice.below(6) - 2;
        for at in 0..acts {
            if at == removal {
                schedule.remove();
            }
            if at == turning {
                schedule.turn();
            }
            schedule.act();
        }
        schedule.make_whole();
        schedule
    }

    fn new(seed: u64) -> Schedule {
        let mut dice = Dice::new(seed ^ 0x1337);
        let honest = HONEST[..4 + dice.below(2)].to_vec();
        let mut simulator = simulator(seed);
        // What is tried here must hold of whoever is not banned for it.
        simulator.conditions.bans = false;
        let mut simulator = simulator.with(&honest).with(&["eve", NEWCOMER]);
        simulator.hostile(PUPPET);
        let members: Vec<&str> = honest.iter().copied().chain(["eve"]).collect();
        let garden = garden_of(&mut simulator, &members);
        let mut schedule = Schedule {
            simulator,
            garden,
            eve: None,
            watch: None,
            rulings: Vec::new(),
            posts: Vec::new(),
            forged: BTreeSet::new(),
            forged_items: 0,
            forged_operations: BTreeSet::new(),
            after_heal: BTreeMap::new(),
            helped: false,
            ally: None,
            honest,
            hers: Vec::new(),
            bobs: None,
            has_ally: dice.chance(1, 2),
            is_calm: dice.chance(2, 3),
            loss: [0, 0, 150][dice.below(3)],
            heard_before: 0,
            healed: None,
            unaware_at_heal: BTreeSet::new(),
            dice,
        };
        schedule.give_roles();
        schedule.neighbours();
        for name in members {
            schedule.post(HONEST.into_iter().chain(["eve"]).find(|known| *known == name).expect("one of them"));
        }
        schedule.simulator.run_for(5_000);
        let latency = [60, 400, 2_000][schedule.dice.below(3)];
        schedule.simulator.conditions.latency_ms = 5..=latency;
        schedule.simulator.conditions.gossip_lost = schedule.loss;
        schedule.simulator.conditions.gossip_doubled = 50;
        schedule
    }

    /// bob may be a steward or core, eve may be anything; both make invites where they may.
    fn give_roles(&mut self) {
        let bobs = [Role::Steward, Role::Core][self.dice.below(2)];
        self.rule("alice", "bob", bobs);
        match self.dice.below(4) {
            0 | 1 => self.rule("alice", "eve", Role::Core),
            2 => self.rule("alice", "eve", Role::Steward),
            _ => {}
        }
        self.simulator.run_for(5_000);
        self.bobs = Some(invite(&mut self.simulator, "bob", self.garden, 1).1);
        if role(&self.simulator, "eve", self.garden, "eve") >= Role::Core {
            self.hers.push(invite(&mut self.simulator, "eve", self.garden, 3).1);
        }
    }

    /// Some of them meet in the library too, where nobody removes eve.
    fn neighbours(&mut self) {
        if self.dice.chance(1, 3) {
            let library = found(&mut self.simulator, "bob", "library");
            for name in ["eve", "carol", NEWCOMER] {
                bring_in(&mut self.simulator, "bob", library, name);
            }
        }
    }

    fn rule(&mut self, by: &str, whom: &str, role: Role) {
        let person = self.simulator.person(whom);
        let command = Command::Rule { community: self.garden, person, role, reason: Text::default() };
        self.simulator.command(by, command).expect("the founder may");
    }

    /// Those whose nodes are honest and in: what they show counts.
    pub(crate) fn judges(&self) -> Vec<&'static str> {
        let is_in = |name: &&str| role(&self.simulator, "alice", self.garden, name) > Role::None;
        self.honest.iter().copied().chain([NEWCOMER]).filter(is_in).collect()
    }

    /// What eve's node has received since she turned.
    pub(crate) fn heard_bytes(&self) -> u64 {
        self.all_heard_bytes() - self.heard_before
    }

    pub(crate) fn all_heard_bytes(&self) -> u64 {
        let from =
            |name: &str| self.simulator.exchanged(name, "eve").bytes + self.simulator.gossiped(name, "eve").bytes;
        self.honest.iter().copied().chain([NEWCOMER]).map(from).sum()
    }

    // ---- what happens

    /// One thing that somebody does, or that befalls the network.
    fn act(&mut self) {
        match self.dice.below(14) {
            0..5 => {
                let author = self.author();
                self.post(author);
            }
            5 | 6 => self.cut(),
            7 => self.simulator.heal(),
            8 => self.restart(),
            9 => self.come_in(),
            10 => self.live(20_000),
            _ => self.attack(),
        }
        let pause = self.dice.below(2_500) as u64;
        self.live(pause);
    }

    fn author(&mut self) -> &'static str {
        let mut authors = self.honest.clone();
        if self.eve.is_none() {
            authors.push("eve");
        }
        if role(&self.simulator, NEWCOMER, self.garden, NEWCOMER) > Role::None {
            authors.push(NEWCOMER);
        }
        let author = *self.dice.pick(&authors).expect("there is alice");
        self.wake(author);
        author
    }

    fn wake(&mut self, name: &str) {
        if !self.simulator.is_online(name) {
            self.simulator.start(name);
        }
    }

    fn post(&mut self, author: &'static str) {
        let mut draft = draft(&format!("mark:{:06}; by {author}", self.posts.len()));
        if self.dice.chance(1, 6) {
            draft.scope = Scope::Inner;
        }
        // Who was removed, and knows it, may not.
        if let Ok(id) = write(&mut self.simulator, author, self.garden, draft) {
            self.posts.push((id, author));
            if let Some(eve) = &mut self.eve {
                eve.wanted.push(id.0);
            }
        }
    }

    fn come_in(&mut self) {
        let keys: Vec<&String> = self.hers.iter().chain(&self.bobs).collect();
        let Some(key) = self.dice.pick(&keys).map(|key| (*key).clone()) else { return };
        self.wake(NEWCOMER);
        // Who is in already is told so.
        let _ = self.simulator.command(NEWCOMER, joining(&key));
    }

    /// Whether the network is left as it is for as long as the removal takes.
    fn is_watched(&self) -> bool {
        self.is_calm && self.watch.as_ref().is_some_and(|watch| watch.is_open)
    }

    fn cut(&mut self) {
        if self.is_watched() {
            return;
        }
        self.doubt();
        let mut names: Vec<&str> = self.honest.iter().copied().chain(["eve", NEWCOMER]).collect();
        self.dice.shuffle(&mut names);
        if self.dice.chance(1, 2) {
            self.simulator.cut(names[0], names[1]);
            return;
        }
        let (side, other) = names.split_at(1 + self.dice.below(names.len() - 1));
        self.simulator.cut_apart(side, other);
    }

    fn restart(&mut self) {
        if self.is_watched() {
            return;
        }
        self.doubt();
        let name = *self.dice.pick(&self.honest).expect("there is alice");
        self.simulator.stop(name);
        if self.dice.chance(1, 2) {
            self.simulator.start(name);
        }
    }

    /// Who was connected may be so no longer.
    fn doubt(&mut self) {
        if let Some(watch) = self.watch.as_mut().filter(|watch| watch.is_open) {
            watch.is_reliable = false;
        }
    }

    /// alice removes eve, or bob does where he may, or both at once.
    fn remove(&mut self) {
        let mut stewards = vec!["alice"];
        let garden = self.garden;
        let bob_may = role(&self.simulator, "bob", garden, "bob") == Role::Steward
            && role(&self.simulator, "bob", garden, "eve") < Role::Steward;
        if bob_may && self.dice.chance(1, 2) {
            stewards.push("bob");
            stewards.rotate_left(self.dice.below(2));
            stewards.truncate(1 + self.dice.below(2));
        }
        for by in &stewards {
            self.wake(by);
        }
        let eve = self.simulator.person("eve");
        for by in stewards {
            self.rule(by, "eve", Role::None);
            let log = &self.simulator.engine(by).communities()[&garden].log;
            let author = self.simulator.person(by);
            let is_it = |operation: &Operation| {
                operation.author == author
                    && operation.body.name() == "rule"
                    && matches!(&operation.body, Act::Rule(rule) if rule.role == Role::None)
            };
            let last = log.operations().filter(|place| is_it(&place.operation)).last();
            self.rulings.push(last.expect("it was just signed").id);
            assert_eq!(role(&self.simulator, by, garden, "eve"), Role::None, "{eve:?}");
            if self.watch.is_none() {
                self.watch(by);
            }
        }
    }

    fn watch(&mut self, by: &'static str) {
        let is_linked = |a: &str, b: &str| {
            let proven = |at: &str, peer: &str| {
                let peers = self.simulator.engine(at).connected_peers();
                peers.iter().any(|(name, proven)| name == peer.as_bytes() && proven.contains(&self.garden))
            };
            self.simulator.are_connected(a, b) && proven(a, b) && proven(b, a)
        };
        let hears = |a: &str, b: &str| is_linked(a, b) && self.simulator.hears(a, b);
        let (greeting, hearing) = (self.reached(by, is_linked), self.reached(by, hears));
        let bound = |name| if hearing.contains(name) { EFFECTIVE_MS } else { GREETING_MS };
        let waiting = greeting.into_iter().map(|name| (name, bound(name))).collect();
        let (at, is_reliable) = (self.simulator.now(), self.loss == 0);
        let delays = BTreeMap::new();
        self.watch = Some(Watch { at, waiting, delays, is_reliable, is_open: true });
    }

    /// All honest members whom one reaches, over others too; without itself.
    fn reached(&self, by: &'static str, is_linked: impl Fn(&str, &str) -> bool) -> BTreeSet<&'static str> {
        let mut reached = BTreeSet::from([by]);
        loop {
            let more = self
                .honest
                .iter()
                .find(|name| !reached.contains(*name) && reached.iter().any(|other| is_linked(name, other)));
            match more {
                Some(name) => reached.insert(*name),
                None => break,
            };
        }
        reached.remove(by);
        reached
    }

    /// Lets time pass, in which everybody reacts.
    pub(crate) fn live(&mut self, span_ms: u64) {
        let end = self.simulator.now().after(span_ms);
        while self.simulator.now() < end {
            let slice = if self.watch.as_ref().is_some_and(|watch| watch.is_open) { 100 } else { 500 };
            self.simulator.run_for(slice.min(end.since(self.simulator.now())));
            self.look();
            self.react();
        }
    }

    fn look(&mut self) {
        let (now, garden) = (self.simulator.now(), self.garden);
        let knows = |simulator: &Simulator, name: &str| role(simulator, name, garden, "eve") == Role::None;
        if let Some(watch) = self.watch.as_mut().filter(|watch| watch.is_open) {
            let passed = now.since(watch.at);
            let mut told = Vec::new();
            watch.waiting.retain(|name, bound| {
                let is_told = knows(&self.simulator, name);
                told.extend(is_told.then_some((*name, (passed, *bound))));
                !is_told
            });
            watch.delays.extend(told);
            watch.is_open = passed <= EFFECTIVE_MS || watch.waiting.values().any(|bound| passed <= *bound);
        }
        if let Some(healed) = self.healed {
            let waiting: Vec<&'static str> = self.unaware_at_heal.iter().copied().collect();
            for name in waiting.into_iter().filter(|name| knows(&self.simulator, name)) {
                self.unaware_at_heal.remove(name);
                self.after_heal.insert(name, now.since(healed));
            }
        }
    }

    fn react(&mut self) {
        let Schedule { simulator, eve, ally, honest, .. } = self;
        let Some(eve) = eve else { return };
        eve.react(simulator);
        for name in honest.iter().copied().chain([NEWCOMER]) {
            let standings = simulator.engine(name).communities().values();
            let topics: Vec<String> =
                standings.flat_map(|standing| standing.listening_keys()).map(EpochKey::topic).collect();
            topics.iter().for_each(|topic| simulator.listen_on("eve", topic));
        }
        if let Some(ally) = ally {
            ally.learn(&simulator.memory("dave").clone(), simulator.now());
            ally.react(simulator);
        }
    }

    /// Everything is mended; eve goes on for a while, and everybody writes once more.
    fn make_whole(&mut self) {
        self.simulator.heal();
        self.simulator.conditions.gossip_lost = 0;
        self.simulator.conditions.latency_ms = 5..=120;
        for name in self.honest.clone().into_iter().chain([NEWCOMER]) {
            self.wake(name);
        }
        let garden = self.garden;
        let unaware = |name: &&str| role(&self.simulator, name, garden, "eve") > Role::None;
        self.unaware_at_heal = self.honest.iter().copied().filter(unaware).collect();
        self.healed = Some(self.simulator.now());
        for _ in 0..8 {
            self.attack();
            self.live(ROUND_MS / 4);
        }
        self.live_until_quiet();
        for name in self.judges() {
            self.post(name);
        }
        self.press_all();
        self.live(10_000);
        self.live_until_quiet();
        self.help_newcomer();
        assert!(self.unaware_at_heal.is_empty(), "{:?} never hear of it", self.unaware_at_heal);
    }

    /// Who was let in while eve told them otherwise, and was refused by those who had not heard of it yet, asks again on
    /// another connection.
    fn help_newcomer(&mut self) {
        let garden = self.garden;
        let is_in = role(&self.simulator, "alice", garden, NEWCOMER) > Role::None;
        if is_in && log(&self.simulator, NEWCOMER, garden) != log(&self.simulator, "alice", garden) {
            self.helped = true;
            self.simulator.start(NEWCOMER);
            self.live(ROUND_MS);
            self.live_until_quiet();
        }
    }

    fn live_until_quiet(&mut self) {
        let (mut before, mut still) = (self.kept(), 0);
        for _ in 0..4 * 60 {
            self.live(ROUND_MS / 4);
            let now = self.kept();
            still = if now == before { still + 1 } else { 0 };
            before = now;
            if still == 8 {
                return;
            }
        }
        panic!("not quiet after sixty rounds");
    }

    /// What could still change.
    fn kept(&self) -> Vec<(usize, usize, BTreeSet<ItemId>)> {
        let garden = self.garden;
        let kept = |name: &str| {
            let standing = self.simulator.engine(name).communities().get(&garden);
            let readable = self.simulator.memory(name).readable(garden);
            (standing.map_or(0, |s| s.log.len()), standing.map_or(0, |s| s.tag_keys().len()), readable)
        };
        self.honest.iter().copied().chain([NEWCOMER]).map(kept).collect()
    }
}
