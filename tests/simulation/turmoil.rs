//! People who do anything that they may, and some things that they may not, while the network falls apart.
//!
//! Leaves to others: what must be true of it. Always true: the founders neither leave nor can be removed, so what their
//! nodes see is what the others' are held against.

use hearth_protocol::{
    authority::Role,
    bytes::List,
    engine::{Answer, Command, Event},
    id::{CommunityId, ItemId, OpId},
    item::{Body, Draft},
    link::{Direction, KindSet, LinkTerms},
    testing::{Dice, Simulator},
    text::Text,
    time::DAY_MS,
};

use crate::{
    acts::{QUIET_MS, bring_in, draft, found, inviting, joining, role},
    seeds::simulator,
};

/// Everybody there may be.
const NAMES: [&str; 12] = ["alice", "bob", "carol", "dave", "ferry", "p7", "p8", "p9", "p10", "p11", "p12", "p13"];
/// The first founds the garden, the second the library.
pub(crate) const FOUNDERS: [&str; 2] = ["alice", "bob"];

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Acts {
    /// They write, invite, relay and link; nothing is taken back.
    Giving,
    /// That, and they rule and leave.
    Ruling,
    /// That, and they retract what they wrote and end links.
    All,
}

/// What is being played.
pub(crate) struct Turmoil {
    pub(crate) simulator: Simulator,
    pub(crate) names: Vec<&'static str>,
    pub(crate) communities: [CommunityId; 2],
    pub(crate) counts: Counts,
    dice: Dice,
    /// What was written, and by whom: each was acknowledged.
    pub(crate) items: Vec<(&'static str, ItemId)>,
    links: Vec<(CommunityId, OpId)>,
    brokers: Vec<&'static str>,
}

/// What has been done, with success.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    posts: usize,
    joins: usize,
    rulings: usize,
    leaves: usize,
    links: usize,
    relays: usize,
    cuts: usize,
    stops: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.posts += other.posts;
        self.joins += other.joins;
        self.rulings += other.rulings;
        self.leaves += other.leaves;
        self.links += other.links;
        self.relays += other.relays;
        self.cuts += other.cuts;
        self.stops += other.stops;
    }
}

/// Forty to eighty acts of three to six people, and then peace.
pub(crate) fn played(seed: u64, acts: Acts) -> Turmoil {
    let mut turmoil = Turmoil::new(seed, 6);
    for _ in 0..40 + turmoil.dice.below(40) {
        turmoil.act(acts);
    }
    turmoil.make_whole();
    turmoil
}

impl Turmoil {
    /// Three people and up to `most`, of whom some are members here and there.
    pub(crate) fn new(seed: u64, most: usize) -> Turmoil {
        let mut dice = Dice::new(seed ^ 0xd1ce);
        let names = NAMES[..3 + dice.below(most - 2)].to_vec();
        let mut simulator = simulator(seed).with(&names);
        let communities = [found(&mut simulator, FOUNDERS[0], "garden"), found(&mut simulator, FOUNDERS[1], "library")];
        for (community, founder) in communities.into_iter().zip(FOUNDERS) {
            for name in names.iter().filter(|name| **name != founder) {
                if dice.chance(2, 3) {
                    bring_in(&mut simulator, founder, community, name);
                }
            }
        }
        simulator.conditions.latency_ms = 5..=[60, 600, 4_000][dice.below(3)];
        simulator.conditions.gossip_lost = [0, 100, 500][dice.below(3)];
        simulator.conditions.gossip_doubled = 50;
        let (items, links, brokers) = Default::default();
        Turmoil { simulator, names, communities, counts: Counts::default(), dice, items, links, brokers }
    }

    /// One thing that somebody does, or that befalls the network.
    pub(crate) fn act(&mut self, acts: Acts) {
        match self.dice.below(26) {
            0..8 => self.write(acts),
            8 | 9 => self.invite(),
            10..14 if acts >= Acts::Ruling => self.rule(),
            14 if acts >= Acts::Ruling => self.leave(),
            15 | 16 => self.link(),
            17..20 => self.relay(),
            20 if acts == Acts::All => self.end_link(),
            21 | 22 => self.cut(),
            23 => self.simulator.heal(),
            24 => self.stop(),
            _ => self.simulator.run_for(self.dice.below(40_000) as u64),
        }
        let pause = self.dice.below(2_500) as u64;
        self.simulator.run_for(pause);
    }

    /// What somebody's command came to: none where it was refused, or the node crashed over it.
    fn command(&mut self, who: &str, command: Command) -> Option<Answer> {
        self.simulator.try_command(who, command)?.ok()
    }

    fn name(&mut self) -> &'static str {
        self.dice.pick(&self.names).expect("there are three at least")
    }

    /// Somebody, whose node runs from now on.
    fn awake(&mut self) -> &'static str {
        let name = self.name();
        self.wake(name)
    }

    /// Somebody who may be a steward of this one: its founder, half of the time.
    fn steward(&mut self, at: usize) -> &'static str {
        let name = if self.dice.chance(1, 2) { FOUNDERS[at] } else { self.name() };
        self.wake(name)
    }

    fn wake(&mut self, name: &'static str) -> &'static str {
        if !self.simulator.is_online(name) {
            self.simulator.start(name);
        }
        name
    }

    /// The garden sees more of everything.
    fn place(&mut self) -> usize {
        usize::from(self.dice.chance(1, 3))
    }

    fn write(&mut self, acts: Acts) {
        let (who, at) = (self.awake(), self.place());
        let mut draft = draft(&format!("text {}", self.items.len()));
        let old = self.dice.pick(&self.items).map(|(_, item)| *item);
        let communities = match old.filter(|_| acts == Acts::All && self.dice.chance(1, 6)) {
            Some(target) => {
                draft = Draft::new(Body::Tombstone);
                draft.target = Some(target);
                Vec::new()
            }
            None => {
                draft = draft.reaching(Some(u8::from(self.dice.chance(2, 3)))).expect("one border at most");
                vec![self.communities[at]]
            }
        };
        if let Some(Answer::Items(items)) = self.command(who, Command::Write { communities, draft }) {
            self.items.extend(items.into_iter().map(|(item, _)| (who, item)));
            self.counts.posts += 1;
        }
    }

    fn invite(&mut self) {
        let (at, uses) = (self.place(), 1 + self.dice.below(3));
        let who = self.steward(at);
        let uses = u32::try_from(uses).expect("it is small");
        let Some(Answer::Invite(_, key)) = self.command(who, inviting(self.communities[at], uses)) else { return };
        for _ in 0..uses {
            let newcomer = self.awake();
            self.counts.joins += usize::from(self.command(newcomer, joining(&key)).is_some());
        }
    }

    fn rule(&mut self) {
        let (at, whom) = (self.place(), self.name());
        let (who, person) = (self.steward(at), self.simulator.person(whom));
        let roles = [Role::None, Role::Peripheral, Role::Member, Role::Core, Role::Steward, Role::Steward];
        let role = *self.dice.pick(&roles).expect("there are six");
        let rule = Command::Rule { community: self.communities[at], person, role, reason: Text::default() };
        self.counts.rulings += usize::from(self.command(who, rule).is_some());
    }

    fn leave(&mut self) {
        let (who, at) = (self.awake(), self.place());
        if !FOUNDERS.contains(&who) {
            let leave = Command::Leave(self.communities[at]);
            self.counts.leaves += usize::from(self.command(who, leave).is_some());
        }
    }

    fn link(&mut self) {
        let name = self.name();
        let broker = self.simulator.person(name);
        let [garden, library] = self.communities;
        let terms = |other, direction| LinkTerms {
            direction,
            other,
            brokers: List::new(vec![broker]).expect("one of eight"),
            kinds: KindSet::ALL,
            tags: List::none(),
            max_hops: 1,
            per_day: 3,
            replies_only: false,
            not_after: self.simulator.now().after(90 * DAY_MS),
        };
        let out = terms(library, Direction::Out { min_author_role: Role::Member });
        let into = terms(garden, Direction::In { quarantine: false });
        for (who, community, terms) in [(FOUNDERS[0], garden, out), (FOUNDERS[1], library, into)] {
            self.wake(who);
            if let Some(Answer::Link(link)) = self.command(who, Command::Link(community, terms)) {
                self.links.push((community, link));
                self.counts.links += 1;
            }
        }
        self.brokers.push(name);
    }

    fn end_link(&mut self) {
        let who = self.awake();
        if let Some((community, link)) = self.dice.pick(&self.links).copied() {
            // Who may not end it is refused, and nothing happens.
            self.command(who, Command::EndLink { community, link });
        }
    }

    fn relay(&mut self) {
        let to = self.communities[1];
        let (Some(who), Some((_, item))) =
            (self.dice.pick(&self.brokers).copied(), self.dice.pick(&self.items).copied())
        else {
            return;
        };
        self.wake(who);
        let note = Text::written("matters there").expect("it is short");
        let relay = Command::Relay { item, to, note, summary: None, tags: Vec::new() };
        self.counts.relays += usize::from(self.command(who, relay).is_some());
    }

    fn cut(&mut self) {
        self.counts.cuts += 1;
        if self.dice.chance(1, 2) {
            let (a, b) = (self.name(), self.name());
            self.simulator.cut(a, b);
            return;
        }
        let mut names = self.names.clone();
        self.dice.shuffle(&mut names);
        let (side, other) = names.split_at(1 + self.dice.below(names.len() - 1));
        self.simulator.cut_apart(side, other);
    }

    fn stop(&mut self) {
        self.counts.stops += 1;
        let name = self.name();
        self.simulator.stop(name);
        if self.dice.chance(1, 2) {
            self.simulator.start(name);
        }
    }

    /// Everything is mended, and everybody has time.
    pub(crate) fn make_whole(&mut self) {
        self.simulator.heal();
        self.simulator.conditions.gossip_lost = 0;
        self.simulator.conditions.latency_ms = 5..=120;
        for name in self.names.clone() {
            self.wake(name);
        }
        self.simulator.run_until_quiet(QUIET_MS);
        self.nobody_was_struck();
    }

    /// All of them are honest, so none has sent what no honest node sends.
    fn nobody_was_struck(&self) {
        for name in &self.names {
            let struck = |event: &&Event| matches!(event, Event::Struck(_) | Event::Banned(..));
            let struck: Vec<&Event> = self.simulator.events(name).iter().filter(struck).collect();
            assert!(struck.is_empty(), "{name} has blamed somebody: {struck:?}");
        }
    }

    /// The nodes of a community's members, as its founder sees them: a removed one is told nothing any more, not even
    /// that. Nor those who have left, whether the others have heard of that or not.
    pub(crate) fn members(&self, at: usize) -> Vec<&'static str> {
        let community = self.communities[at];
        let is_member = |name: &&str| {
            [FOUNDERS[at], *name].iter().all(|seen_by| role(&self.simulator, seen_by, community, name) > Role::None)
        };
        self.names.iter().copied().filter(is_member).collect()
    }
}
