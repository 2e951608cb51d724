//! Keys while people are removed and leave on both sides of a cut network, and after it is whole again (P16, P17, P18).
//!
//! Leaves to others: somebody removed who turns hostile at once (`removal`), one change of keys at a time (the engine's
//! own tests). Always true: all nodes are honest until the end; everything that any of them ever published can be had by
//! those who are out, who try it with every key that they hold.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::{
    authority::{Body as Act, Log, Role, State, evaluate},
    engine::{Command, ROUND_MS},
    epoch::{EpochKey, Scope},
    id::{CommunityId, ItemId, OpId},
    item::Header,
    ledger::Ledger as _,
    signed::Verified,
    testing::{Dice, Simulator},
    text::Text,
    time::{DAY_MS, LAST, Millis},
    wire::Gossip,
};
use hearth_tests::shared;

use crate::{
    acts::{QUIET_MS, draft, garden_of, header, log, role, write},
    intruder::Intruder,
    seeds::{play, simulator},
};

/// The first founds the garden, the second is a steward too.
const NAMES: [&str; 6] = ["alice", "bob", "carol", "dave", "ferry", "p6"];
/// Longer than a node waits at most before it opens an epoch that others could open as well.
const CHORE_MS: u64 = 11 * 60 * 1000;

/// How long a question and its answer take at most, when a round has come.
const ASKING_MS: u64 = 2_000;

/// What all seeds together came to.
#[derive(Debug, Default)]
struct Totals {
    out: usize,
    epochs: usize,
    posts: usize,
    published: usize,
    opened: usize,
    agreed: Vec<u64>,
    regained: usize,
    refused: u64,
}

/// One garden whose members were apart.
struct Apart {
    simulator: Simulator,
    garden: CommunityId,
    dice: Dice,
    names: Vec<&'static str>,
    /// Those with alice, and those with bob.
    sides: [Vec<&'static str>; 2],
    posts: usize,
    /// Roles once all had one log. Whose removal lapses then may read again what was written without them.
    settled: BTreeMap<&'static str, Role>,
}

impl Apart {
    /// Five or six, of whom bob is a steward too; then the network is cut between alice and bob.
    fn new(seed: u64) -> Apart {
        let mut dice = Dice::new(seed ^ 0x16);
        let names = NAMES[..5 + dice.below(2)].to_vec();
        let mut simulator = simulator(seed).with(&names);
        simulator.conditions.recorded = true;
        let garden = garden_of(&mut simulator, &names);
        let sides = [vec!["alice"], vec!["bob"]];
        let mut apart = Apart { simulator, garden, dice, names, sides, posts: 0, settled: BTreeMap::new() };
        apart.rule("alice", "bob", Role::Steward);
        for at in 0..apart.names.len() {
            apart.post(apart.names[at]);
        }
        apart.simulator.run_for(5_000);
        apart.part();
        apart
    }

    fn part(&mut self) {
        let mut others = self.names[2..].to_vec();
        self.dice.shuffle(&mut others);
        let with_alice = self.dice.below(others.len() + 1);
        for (at, name) in others.into_iter().enumerate() {
            self.sides[usize::from(at >= with_alice)].push(name);
        }
        self.simulator.cut_apart(&self.sides[0], &self.sides[1]);
        if self.dice.chance(1, 6) {
            // The epoch is too old for either side (E8).
            self.simulator.leap(31 * DAY_MS);
            self.simulator.run_for(CHORE_MS);
        }
        let latency = [60, 400, 1_500][self.dice.below(3)];
        self.simulator.conditions.latency_ms = 5..=latency;
    }

    /// One thing that somebody does on either side.
    fn act(&mut self) {
        let side = self.dice.below(2);
        let steward = self.sides[side][0];
        let who = *self.dice.pick(&self.sides[side]).expect("a steward is there");
        match self.dice.below(10) {
            0..5 => self.post(who),
            5 | 6 => {
                let whom = self.somebody_else();
                self.rule(steward, whom, Role::None);
            }
            7 => {
                let whom = self.somebody_else();
                // Whoever has left would be let in again.
                if role(&self.simulator, steward, self.garden, whom) > Role::Peripheral {
                    self.rule(steward, whom, Role::Peripheral);
                }
            }
            8 if who != steward => {
                // Who is out already cannot.
                let _ = self.simulator.command(who, Command::Leave(self.garden));
            }
            _ => {}
        }
        let pause = self.dice.below(2_500) as u64;
        self.simulator.run_for(pause);
    }

    /// On whichever side; seldom the other steward.
    fn somebody_else(&mut self) -> &'static str {
        if self.dice.chance(1, 8) { "bob" } else { self.dice.pick(&self.names[2..]).expect("there are three") }
    }

    /// Who may not is refused, and nothing happens.
    fn rule(&mut self, by: &str, whom: &str, role: Role) {
        let (community, person, reason) = (self.garden, self.simulator.person(whom), Text::default());
        let _ = self.simulator.command(by, Command::Rule { community, person, role, reason });
    }

    /// Who knows that they are out cannot.
    fn post(&mut self, who: &str) {
        let mut draft = draft(&format!("number {}", self.posts));
        if self.dice.chance(1, 4) {
            draft.scope = Scope::Inner;
        }
        self.posts += usize::from(write(&mut self.simulator, who, self.garden, draft).is_ok());
    }

    fn state(&self, at: &str) -> &State {
        &self.simulator.engine(at).communities()[&self.garden].state
    }

    /// Those who are in, as alice sees it; she is never out.
    fn members(&self) -> Vec<&'static str> {
        let is_in = |name: &&str| role(&self.simulator, "alice", self.garden, name) > Role::None;
        self.names.iter().copied().filter(is_in).collect()
    }

    /// Those of them who may write posts.
    fn writers(&self) -> Vec<&'static str> {
        let may = |name: &&str| role(&self.simulator, "alice", self.garden, name) >= Role::Member;
        self.names.iter().copied().filter(may).collect()
    }

    fn outside(&self) -> Vec<&'static str> {
        let members = self.members();
        self.names.iter().copied().filter(|name| !members.contains(name)).collect()
    }

    fn keys(&self, at: &str) -> BTreeMap<OpId, EpochKey> {
        let Ok(keys) = self.simulator.memory(at).epoch_keys(self.garden);
        keys.into_iter().map(|(epoch, key)| (epoch, EpochKey::new(key))).collect()
    }

    fn have_one_log(&self) -> bool {
        let whole = log(&self.simulator, "alice", self.garden);
        self.members().into_iter().all(|name| log(&self.simulator, name, self.garden) == whole)
    }

    /// The topic under which all members write, if there is one; and whether each scope that is in use has an epoch
    /// that knows of all who are out, and whose key everybody holds who is in that scope.
    fn agreed(&self) -> Option<String> {
        let members = self.members();
        for scope in [Scope::All, Scope::Inner] {
            let of_scope = || self.state("alice").epochs.iter().filter(|epoch| epoch.scope == scope);
            let is_inside = |name: &&str| role(&self.simulator, name, self.garden, name) >= floor(scope);
            let inside: Vec<&str> = members.iter().copied().filter(is_inside).collect();
            let held = |epoch: &OpId, commit| {
                inside.iter().all(|name| self.keys(name).get(epoch).is_some_and(|key| key.commit() == commit))
            };
            let adequate = of_scope().any(|epoch| epoch.adequate && held(&epoch.id, epoch.commit));
            if of_scope().next().is_some() && !adequate {
                return None;
            }
        }
        let topics: Option<BTreeSet<String>> = members.into_iter().map(|name| self.topic(name)).collect();
        let topics = topics?;
        if topics.len() == 1 { topics.into_iter().next() } else { None }
    }

    /// Of the key under which somebody writes to all.
    fn topic(&self, at: &str) -> Option<String> {
        let standing = &self.simulator.engine(at).communities()[&self.garden];
        standing.tag_keys().first().map(|key| key.topic())
    }
}

/// The role from which on somebody is in a scope (E1).
fn floor(scope: Scope) -> Role {
    match scope {
        Scope::All => Role::Peripheral,
        Scope::Inner => Role::Member,
    }
}

/// What the log said to somebody who knew these heads and their past.
fn view(log: &Log, heads: &[OpId]) -> State {
    let mut past = Log::new(log.community().clone());
    for place in log.operations() {
        if heads.iter().any(|head| *head == place.id || log.is_before(place.id, *head)) {
            let operation = Verified { value: place.operation.clone(), signed: place.signed.clone() };
            past.add(operation, LAST).expect("it was stored, and so was its past");
        }
    }
    evaluate(&past)
}

#[test]
fn keys_follow_who_is_in_however_many_are_removed_and_leave_apart() {
    // alice and some ══ bob and the others; ══ is cut, and mended
    let mut totals = Totals::default();
    play("keys", 100, |seed| {
        let mut apart = Apart::new(seed);
        for _ in 0..8 + apart.dice.below(6) {
            apart.act();
        }
        all_write_under_one_key_within_a_round(&mut apart, &mut totals);
        who_lost_all_keys_gets_them_again_if_they_are_in(&mut apart, &mut totals);
        who_is_out_reads_nothing_of_those_who_knew(&apart, &mut totals);
        who_is_out_asks_in_vain(&mut apart, &mut totals);
        let is_epoch = |body: &Act| matches!(body, Act::Epoch(_));
        let log = &apart.simulator.engine("alice").communities()[&apart.garden].log;
        totals.epochs += log.operations().filter(|place| is_epoch(&place.operation.body)).count();
        totals.posts += apart.posts;
    });
    totals.agreed.sort_unstable();
    let agreed = &totals.agreed;
    shared::tell(&format!(
        "keys: {} out, {} epochs, {} posts; all under one key after {:?} ms (median, longest) with one log; of {} sealed \
         messages those who are out open {} items, all of authors who did not know; {} lost all keys and got \
         them again, {} requests of those who are out refused",
        totals.out,
        totals.epochs,
        totals.posts,
        [agreed.get(agreed.len() / 2), agreed.last()].map(|ms| ms.copied().unwrap_or_default()),
        totals.published,
        totals.opened,
        totals.regained,
        totals.refused,
    ));
}

/// P17. And what they write then goes under that key, and is read by all who are in.
fn all_write_under_one_key_within_a_round(apart: &mut Apart, totals: &mut Totals) {
    apart.simulator.heal();
    apart.simulator.conditions.latency_ms = 5..=120;
    let mut waited = 0;
    while !apart.have_one_log() {
        apart.simulator.run_for(100);
        waited += 100;
        assert!(waited < 5 * ROUND_MS, "no common log");
        // Also under whatever key there is while the logs meet.
        let who = *apart.dice.pick(&apart.names).expect("there are five");
        if apart.dice.chance(1, 8) {
            apart.post(who);
        }
    }
    let since = apart.simulator.now();
    let took = |now: Millis| now.since(since);
    let topic = loop {
        if let Some(topic) = apart.agreed().filter(|_| apart.have_one_log()) {
            break topic;
        }
        apart.simulator.run_for(100);
        assert!(took(apart.simulator.now()) <= ROUND_MS + ASKING_MS, "P17: no common key");
    };
    totals.agreed.push(took(apart.simulator.now()));
    let now = |name: &&'static str| (*name, role(&apart.simulator, "alice", apart.garden, name));
    apart.settled = apart.names.iter().map(now).collect();
    let before = apart.simulator.published().count();
    let writers = apart.writers();
    let written: Vec<ItemId> = writers
        .iter()
        .map(|name| write(&mut apart.simulator, name, apart.garden, draft("after")).expect("they are in"))
        .collect();
    apart.posts += written.len();
    apart.simulator.run_until_quiet(QUIET_MS);
    let used = apart.simulator.published().skip(before).map(|(topic, _)| topic).take(written.len());
    assert!(used.eq(std::iter::repeat_n(topic.as_str(), written.len())), "P17: written under another key");
    for name in apart.members() {
        let readable = apart.simulator.memory(name).readable(apart.garden);
        assert!(written.iter().all(|id| readable.contains(id)), "{name}");
    }
    totals.out += apart.outside().len();
}

/// P18, for a member.
fn who_lost_all_keys_gets_them_again_if_they_are_in(apart: &mut Apart, totals: &mut Totals) {
    let writers = apart.writers();
    let [_, others @ ..] = writers.as_slice() else { return };
    let Some(loser) = apart.dice.pick(others).copied() else { return };
    let garden = apart.garden;
    apart.simulator.stop(loser);
    apart.simulator.forget_keys(loser, garden);
    let meanwhile = write(&mut apart.simulator, "alice", garden, draft("meanwhile")).expect("alice is the founder");
    if apart.dice.chance(1, 2) {
        // The key changes once more.
        let whom = *apart.dice.pick(others).expect("there is one");
        if whom != loser {
            apart.rule("alice", whom, Role::None);
        }
    }
    apart.simulator.run_for(5_000);
    apart.simulator.start(loser);
    assert!(apart.keys(loser).is_empty(), "they are lost");
    apart.simulator.run_until_quiet(QUIET_MS);
    assert_eq!(apart.topic(loser), apart.topic("alice"), "P18");
    assert!(apart.agreed().is_some(), "P18: {loser} lacks a key");
    assert!(apart.simulator.memory(loser).readable(garden).contains(&meanwhile), "P18");
    let back = write(&mut apart.simulator, loser, garden, draft("back again")).expect("they are in");
    apart.simulator.run_for(5_000);
    assert!(apart.simulator.memory("alice").readable(garden).contains(&back));
    apart.posts += 2;
    totals.regained += 1;
}

/// P18, for those who are out: with an honest node that has lost its keys, and by hand with all that it ever had.
fn who_is_out_asks_in_vain(apart: &mut Apart, totals: &mut Totals) {
    let (garden, outside) = (apart.garden, apart.outside());
    let Some(who) = apart.dice.pick(&outside).copied() else { return };
    let memory = apart.simulator.memory(who).clone();
    apart.simulator.stop(who);
    apart.simulator.forget_keys(who, garden);
    apart.simulator.start(who);
    apart.simulator.run_for(2 * ROUND_MS);
    let keys: Vec<OpId> = apart.keys(who).into_keys().collect();
    nothing_newer(apart, who, &keys);

    apart.simulator.hostile(who);
    let mut client = Intruder::new(&apart.simulator, who, &memory, garden);
    for _ in 0..2 {
        for member in apart.members() {
            if apart.simulator.are_connected(who, member) {
                client.greet(&mut apart.simulator, member);
            } else {
                apart.simulator.dial(who, member);
            }
        }
        for _ in 0..20 {
            apart.simulator.run_for(100);
            client.react(&mut apart.simulator);
        }
    }
    let of_garden = client.keys.iter().filter(|held| held.community == garden);
    nothing_newer(apart, who, &of_garden.filter_map(|held| held.epoch).collect::<Vec<_>>());
    let refused = client.refusals.get("Keys unknown").copied().unwrap_or_default();
    assert!(refused > 0, "{who} was heard");
    totals.refused += refused;
}

/// No epoch that was made in knowledge of their being out.
fn nothing_newer(apart: &Apart, who: &str, epochs: &[OpId]) {
    let log = &apart.simulator.engine("alice").communities()[&apart.garden].log;
    let person = apart.simulator.person(who);
    for epoch in epochs.iter().filter(|epoch| log.contains(**epoch)) {
        let knew = view(log, &[*epoch]).members.get(&person).is_some_and(|member| member.role == Role::None);
        assert!(!knew, "P18: {who} has the key of {epoch:?}");
    }
}

/// P16: whatever opens with a key of somebody who is not in its scope was written by somebody to whom they still were;
/// and so was what those who are out were given to read.
fn who_is_out_reads_nothing_of_those_who_knew(apart: &Apart, totals: &mut Totals) {
    totals.published += apart.simulator.published().count();
    for who in apart.names.iter().copied() {
        let now = apart.settled[who];
        let mut read: Vec<(Header, Role)> = Vec::new();
        if now < Role::Member {
            let opened = opened(apart, who).into_iter().map(|header| (floor(header.scope), header));
            read.extend(opened.filter(|(floor, _)| now < *floor).map(|(floor, header)| (header, floor)));
            totals.opened += read.len();
        }
        if now == Role::None {
            let shown = apart.simulator.memory(who).readable(apart.garden);
            let shown = shown.into_iter().filter_map(|id| header(&apart.simulator, who, id));
            // Catching up hands out items of both scopes.
            read.extend(shown.map(|header| (header, Role::Peripheral)));
        }
        let person = apart.simulator.person(who);
        for (header, floor) in read.into_iter().filter(|(header, _)| header.author != person) {
            let author = apart.names.iter().find(|name| apart.simulator.person(name) == header.author);
            let author = author.expect("nobody else writes");
            let log = &apart.simulator.engine(author).communities()[&apart.garden].log;
            // Who had not come yet may be given what was written before.
            let knew = view(log, &header.auth_heads).members.get(&person).is_some_and(|member| member.role < floor);
            assert!(!knew, "P16: {who} reads what {author} wrote, who knew that they were out");
        }
    }
}

/// The items that somebody can open, of all that was ever published.
fn opened(apart: &Apart, who: &str) -> Vec<Header> {
    let keys: BTreeMap<String, EpochKey> = apart.keys(who).into_values().map(|key| (key.topic(), key)).collect();
    let mut opened = Vec::new();
    for (topic, data) in apart.simulator.published() {
        let Some(bytes) = keys.get(topic).and_then(|key| key.open(data, topic.as_bytes()).ok()) else { continue };
        if let Ok(Gossip::Carry(carry)) = Gossip::from_bytes(&bytes) {
            opened.push(carry.item.trusted().expect("honest nodes write what can be read").header);
        }
    }
    opened
}
