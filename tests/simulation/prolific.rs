//! A member who writes without end (T7): each node takes her share of the day and defers the rest, and what the others
//! write arrives as soon as it does without her.
//!
//! Leaves to others: how long a machine is busy with it: here a frame takes its drawn time whatever else is under way,
//! and signatures are not computed twice. Always true: her program is changed, since an honest one signs no more than
//! others take.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use hearth_protocol::{
    authority::policy,
    engine::{Command, Event},
    id::{CommunityId, ItemId},
    ledger::Ledger as _,
    limits,
    testing::{Quick, Simulator},
    time::Millis,
};
use hearth_tests::shared;

use crate::{
    acts::{QUIET_MS, garden_of, post},
    seeds::{is_long, play, simulator},
};

const OTHERS: [&str; 10] = ["alice", "bob", "carol", "dave", "ferry", "p1", "p2", "p3", "p4", "p5"];
/// In each minute, each of the others writes one item. She writes all of hers in the first.
const MINUTES: u64 = 4;
const MINUTE_MS: u64 = 60_000;
/// How finely is looked at what has come.
const STEP_MS: u64 = 10;

/// What came of one play.
struct Outcome {
    /// How long each item of the others took to each of them, shortest first.
    delays: Vec<u64>,
    /// How many of hers each of the others keeps.
    taken: Vec<usize>,
    /// How often one of hers was deferred.
    deferred: usize,
    /// How many items each of the others keeps in all.
    kept: Vec<usize>,
}

impl Outcome {
    fn p99(&self) -> u64 {
        self.delays[self.delays.len() * 99 / 100]
    }
}

/// The items of others, when each was written, and who has them.
#[derive(Default)]
struct Watch {
    written: BTreeMap<ItemId, Millis>,
    delays: BTreeMap<(ItemId, &'static str), u64>,
    /// How many of its events were looked at, of each node.
    seen: BTreeMap<&'static str, usize>,
}

impl Watch {
    fn look(&mut self, simulator: &Simulator) {
        for name in OTHERS {
            let seen = self.seen.entry(name).or_default();
            let events = simulator.events(name);
            for event in &events[*seen..] {
                if let Event::Item(_, item) = event
                    && let Some(at) = self.written.get(item)
                {
                    self.delays.entry((*item, name)).or_insert(simulator.now().since(*at));
                }
            }
            *seen = events.len();
        }
    }
}

fn authored(simulator: &Simulator, at: &str, garden: CommunityId, by: &str) -> usize {
    let memory = simulator.memory(at);
    let is_hers = |id: &ItemId| {
        let Ok(item) = memory.item(*id);
        let header = item.expect("what can be read is kept").trusted().expect("it was kept").header;
        header.author == simulator.person(by)
    };
    memory.readable(garden).iter().filter(|id| is_hers(id)).count()
}

/// Plays some minutes, in the first of which she writes so many.
fn played(seed: u64, hers: u64, shown: u32) -> Outcome {
    let mut simulator = simulator(seed);
    simulator.conditions.most_steps = 200_000_000;
    let members: Vec<&str> = OTHERS.iter().copied().chain(["eve"]).collect();
    let mut simulator = simulator.with(&members);
    let garden = garden_of(&mut simulator, &members);
    let command = Command::SetPolicy { community: garden, key: policy::POSTS_DAY, value: shown };
    simulator.command("alice", command).expect("the founder may");
    simulator.run_until_quiet(QUIET_MS);
    // What gets lost comes by comparison, which is where she could be in the way.
    simulator.conditions.gossip_lost = 100;
    simulator.write_beyond_share("eve");
    let mut watch = Watch::default();
    let (mut told, mut written) = (0, 0);
    for step in 0..MINUTES * MINUTE_MS / STEP_MS {
        let at = step * STEP_MS;
        let due = (hers * (at + STEP_MS)).div_ceil(MINUTE_MS).min(hers);
        while written < due {
            post(&mut simulator, "eve", garden, &format!("{written}")).expect("her program is changed");
            written += 1;
        }
        // One after the other.
        while told * MINUTE_MS / (OTHERS.len() as u64) <= at {
            let name = OTHERS[usize::try_from(told).expect("few") % OTHERS.len()];
            let begun = simulator.now();
            let item = post(&mut simulator, name, garden, &format!("{name} {told}")).expect("members write");
            watch.written.insert(item, begun);
            told += 1;
        }
        simulator.run_for(STEP_MS);
        watch.look(&simulator);
    }
    for _ in 0..MINUTE_MS / STEP_MS {
        simulator.run_for(STEP_MS);
        watch.look(&simulator);
    }
    let missing: BTreeSet<_> = watch.written.keys().flat_map(|item| OTHERS.map(|name| (*item, name))).collect();
    let missing: Vec<_> = missing.into_iter().filter(|one| !watch.delays.contains_key(one)).collect();
    assert!(missing.is_empty(), "{} of the others' items have not come", missing.len());
    let mut delays: Vec<u64> = watch.delays.into_values().collect();
    delays.sort_unstable();
    let is_deferred = |event: &&Event| matches!(event, Event::Refused("day_spent"));
    Outcome {
        delays,
        taken: OTHERS.map(|name| authored(&simulator, name, garden, "eve")).to_vec(),
        deferred: OTHERS.iter().map(|name| simulator.events(name).iter().filter(is_deferred).count()).sum(),
        kept: OTHERS.map(|name| simulator.memory(name).readable(garden).len()).to_vec(),
    }
}

#[test]
fn a_member_who_writes_without_end_gets_no_more_than_her_share_and_delays_nobody() {
    // alice, bob … p5 ── eve, each with each
    let (hers, shown) = if is_long() { (100_000, 5_000) } else { (20_000, 1_000) };
    let share = usize::try_from(shown).expect("few") * limits::STORED_TIMES;
    play("prolific", 1, |seed| {
        let _quick = Quick::begin();
        let begun = Instant::now();
        let (quiet, beset) = (played(seed, 0, shown), played(seed, hers, shown));
        let (least, most) = (beset.taken.iter().min().expect("ten"), beset.taken.iter().max().expect("ten"));
        let growth = beset.kept.iter().max().expect("ten") - quiet.kept.iter().min().expect("ten");
        shared::tell(&format!(
            "T7: SEED={seed} members=11 flood={hers} share={share} taken={least}..{most} growth={growth} deferred={} \
             others={} p50_quiet_ms={} p50_beset_ms={} p99_quiet_ms={} p99_beset_ms={} seconds={:.1}",
            beset.deferred,
            beset.delays.len(),
            quiet.delays[quiet.delays.len() / 2],
            beset.delays[beset.delays.len() / 2],
            quiet.p99(),
            beset.p99(),
            begun.elapsed().as_secs_f64(),
        ));
        assert_eq!(quiet.taken, [0; 10]);
        // All of the share, too: what is taken of her is not what somebody happened to hear.
        assert_eq!(beset.taken, [share; 10]);
        assert!(growth <= share, "{growth}");
        // Each of the rest was deferred by somebody at least.
        assert!(beset.deferred >= usize::try_from(hers).expect("few") - share, "{}", beset.deferred);
        assert!(beset.p99() * 2 <= quiet.p99() * 3, "{} ms, {} ms without her", beset.p99(), quiet.p99());
    });
}
