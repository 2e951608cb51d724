//! Somebody is removed and turns hostile, at any moment and on any network (T13, P21).
//!
//! Leaves to others: what is done in a schedule (`schedule`), how eve speaks (`intruder`) and what she signs (`forgery`).
//! Always true: eve is given all bytes that reach her node, every key that she ever held, every topic that anybody
//! listens on, the ids of all items that there are, and a member who passes on for her whatever she signs; but not that
//! member's keys.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::{
    authority::{Body as Act, Grant, Role, Subject},
    engine::ROUND_MS,
    id::{CommunityId, ItemId, OpId},
    item::Kind,
    testing::{START, Simulator},
};
use hearth_tests::shared;

use crate::{
    acts::{header, is_unproven, log, role, state},
    intruder::{Heard, Intruder},
    schedule::{EFFECTIVE_MS, Schedule},
    seeds::play_on_two,
};

/// Schedules that are always played (T13).
const SEEDS: u64 = 500;

/// What all seeds together came to.
#[derive(Debug, Default)]
struct Totals {
    posts: usize,
    aware: usize,
    heard_bytes: u64,
    heard_unaware: usize,
    forged_items: usize,
    forged_operations: usize,
    accepted_forgeries: usize,
    delays: Vec<u64>,
    /// Of those who were connected and had not greeted to the end.
    greeting: Vec<u64>,
    after_heal: Vec<u64>,
    helped: usize,
    refusals: BTreeMap<String, u64>,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.posts += other.posts;
        self.aware += other.aware;
        self.heard_bytes += other.heard_bytes;
        self.heard_unaware += other.heard_unaware;
        self.forged_items += other.forged_items;
        self.forged_operations += other.forged_operations;
        self.accepted_forgeries += other.accepted_forgeries;
        self.delays.extend(other.delays);
        self.greeting.extend(other.greeting);
        self.after_heal.extend(other.after_heal);
        self.helped += other.helped;
        for (what, times) in other.refusals {
            *self.refusals.entry(what).or_default() += times;
        }
    }
}

#[test]
fn who_was_removed_reads_and_writes_nothing_more_whatever_she_keeps_and_whoever_helps_her() {
    // alice, bob, carol, dave and ferry, all of whom eve knows; dave passes on what eve signs
    let [mut totals, others] = play_on_two("removal", SEEDS, |seed, totals| {
        let mut schedule = Schedule::played(seed);
        she_is_out_in_time(&schedule, totals);
        she_reads_nothing_of_those_who_knew(&schedule, totals);
        nobody_reads_what_is_beyond_the_ruling(&schedule);
        all_agree(&schedule);
        nobody_blames_the_honest(&schedule);
        she_learns_no_more_than_a_stranger(&mut schedule, totals);
    });
    totals.add(others);
    totals.delays.sort_unstable();
    totals.greeting.sort_unstable();
    totals.after_heal.sort_unstable();
    shared::tell(&format!(
        "removal: {} posts, {} of them by authors who knew, of which eve can read none; she received {} KiB, and read {} \
         posts of authors who did not know; {} items and {} operations of hers, {} of these operations are in the log",
        totals.posts,
        totals.aware,
        totals.heard_bytes / 1024,
        totals.heard_unaware,
        totals.forged_items,
        totals.forged_operations,
        totals.accepted_forgeries,
    ));
    shared::tell(&format!(
        "removal: effective after {:?} ms (median, 99th, longest of {}), on {} who still greeted after {:?} ms, after a \
         heal {:?} ms; {} newcomers had to start again; refused {:?}",
        spread(&totals.delays),
        totals.delays.len(),
        totals.greeting.len(),
        spread(&totals.greeting),
        spread(&totals.after_heal),
        totals.helped,
        totals.refusals
    ));
}

fn spread(sorted: &[u64]) -> [u64; 3] {
    let at = |part: usize| sorted.get((sorted.len() * part / 100).min(sorted.len().saturating_sub(1)));
    [50, 99, 100].map(|part| at(part).copied().unwrap_or_default())
}

/// (d) Effective on all who hear each other within ten seconds, on those who still greet soon, and soon after the heal on
/// the others.
fn she_is_out_in_time(schedule: &Schedule, totals: &mut Totals) {
    let watch = schedule.watch.as_ref().expect("she was removed");
    for (name, (delay, bound)) in &watch.delays {
        assert!(!watch.is_reliable || delay <= bound, "{name} knows after {delay} ms, not {bound}");
    }
    assert!(!watch.is_reliable || watch.waiting.is_empty(), "do not know in time: {:?}", watch.waiting);
    totals.delays.extend(watch.delays.values().filter(|(_, bound)| *bound == EFFECTIVE_MS).map(|(delay, _)| delay));
    totals.greeting.extend(watch.delays.values().filter(|(_, bound)| *bound > EFFECTIVE_MS).map(|(delay, _)| delay));
    for (name, after) in &schedule.after_heal {
        assert!(*after <= 3 * ROUND_MS, "{name} knows {after} ms after the heal");
    }
    totals.after_heal.extend(schedule.after_heal.values());
}

/// (a) Of all that has reached her, opened with all that she holds, nothing was written by somebody who knew.
fn she_reads_nothing_of_those_who_knew(schedule: &Schedule, totals: &mut Totals) {
    let eve = schedule.eve.as_ref().expect("she turned hostile");
    let read = marks(eve);
    let standing = &schedule.simulator.engine("alice").communities()[&schedule.garden];
    let knew = |heads: &[OpId]| {
        let knows = |head: &OpId| schedule.rulings.iter().any(|r| r == head || standing.log.is_before(*r, *head));
        heads.iter().any(knows)
    };
    for (number, (id, author)) in schedule.posts.iter().enumerate() {
        totals.posts += 1;
        let Some(header) = header(&schedule.simulator, author, *id) else { continue };
        let aware = *author != "eve" && knew(&header.auth_heads);
        totals.aware += usize::from(aware);
        if read.contains(&number) {
            assert!(!aware, "eve reads post {number} of {author}, who knew of her removal");
            totals.heard_unaware += usize::from(*author != "eve");
        }
    }
    totals.helped += usize::from(schedule.helped);
    totals.heard_bytes += schedule.heard_bytes();
    totals.forged_items += schedule.forged_items;
    totals.forged_operations += schedule.forged_operations.len();
    let stored = schedule.forged_operations.iter().filter(|id| standing.log.contains(**id));
    totals.accepted_forgeries += stored.count();
}

/// The numbers of the posts whose text she has.
pub(crate) fn marks(client: &Intruder) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for heard in &client.heard {
        match heard {
            Heard::Frame(bytes) | Heard::Opened(bytes) => found.extend(marks_in(bytes)),
            Heard::Gossip(topic, data) => {
                found.extend(marks_in(data));
                for held in &client.keys {
                    found.extend(held.key.open(data, topic.as_bytes()).iter().flat_map(|bytes| marks_in(bytes)));
                }
            }
        }
    }
    found
}

fn marks_in(bytes: &[u8]) -> Vec<usize> {
    const MARK: &[u8] = b"mark:";
    let starts = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let number = |at: usize| std::str::from_utf8(bytes.get(at + MARK.len()..at + MARK.len() + 6)?).ok()?.parse().ok();
    starts.filter_map(|(at, _)| number(at)).collect()
}

/// (b) What is readable is by somebody who has a role; or by eve, on the chains where the rulings on her end.
fn nobody_reads_what_is_beyond_the_ruling(schedule: &Schedule) {
    let eve = schedule.simulator.person("eve");
    for name in schedule.judges() {
        let allowed = within_rulings(schedule, name);
        let memory = schedule.simulator.memory(name);
        for id in memory.readable(schedule.garden) {
            let header = header(&schedule.simulator, name, id).expect("what can be read is there");
            let standing = &schedule.simulator.engine(name).communities()[&schedule.garden];
            let stands = standing.state.role(header.author) > Role::None;
            // An author's own tombstone is judged by the device alone (T4).
            let retracts = header.kind == Kind::TOMBSTONE;
            let is_hers = header.author == eve;
            assert!(
                if is_hers { retracts || allowed.contains(&id) } else { stands },
                "{name} shows {id:?}, a {} by {}",
                header.kind.name(),
                if is_hers { "eve" } else { "nobody with a role" },
            );
            // Whom she let in before all that takes her role away stays in (11.2).
            let before_all = |admit: OpId| schedule.rulings.iter().all(|ruling| standing.log.is_before(admit, *ruling));
            let is_guest = matches!(standing.state.came_by(header.author), Some(Grant::Op(admit)) if before_all(admit));
            let is_fine = retracts || allowed.contains(&id) || (!is_hers && is_guest);
            assert!(!schedule.forged.contains(&id) || is_fine, "{name} shows a forgery");
        }
    }
}

/// What of eve's is on the chain of every ruling that takes everything from her, walked here by itself.
fn within_rulings(schedule: &Schedule, name: &str) -> BTreeSet<ItemId> {
    let eve = schedule.simulator.person("eve");
    let standing = &schedule.simulator.engine(name).communities()[&schedule.garden];
    let mut allowed: Option<BTreeSet<ItemId>> = None;
    for place in standing.log.operations() {
        let Act::Rule(rule) = &place.operation.body else { continue };
        let is_on_her = rule.subjects.iter().any(|subject| matches!(subject, Subject::Person(p) if *p == eve));
        if rule.role > Role::None || !is_on_her || !standing.state.is_effective(&standing.log, place.id) {
            continue;
        }
        let mut on = BTreeSet::new();
        for end in &rule.feeds {
            let mut at = Some(end.3);
            while let Some(id) = at {
                on.insert(id);
                at = header(&schedule.simulator, name, id).and_then(|header| header.prev);
            }
        }
        allowed = Some(allowed.map_or(on.clone(), |allowed| allowed.intersection(&on).copied().collect()));
    }
    allowed.unwrap_or_default()
}

/// (c) One log, one meaning, one set of items.
fn all_agree(schedule: &Schedule) {
    let (simulator, garden) = (&schedule.simulator, schedule.garden);
    let judges = schedule.judges();
    let whole = (log(simulator, "alice", garden), state(simulator, "alice", garden));
    let readable = simulator.memory("alice").readable(garden);
    for name in judges {
        assert_eq!(role(simulator, name, garden, "eve"), Role::None, "{name}");
        assert_eq!(log(simulator, name, garden), whole.0, "{name} has another log");
        assert_eq!(state(simulator, name, garden), whole.1, "{name} sees another state");
        let shown = simulator.memory(name).readable(garden);
        let differ = shown.symmetric_difference(&readable).filter(|id| !is_in_vain(schedule, **id));
        let proven = |id: &&ItemId| !is_unproven(simulator, ["alice", name], garden, **id);
        let differ: Vec<_> = differ.filter(proven).collect();
        assert!(differ.is_empty(), "{name} and alice differ in {differ:?}");
        assert_eq!(writes_under(simulator, name), writes_under(simulator, "alice"), "{name} writes under another key");
    }
}

/// Whatever eve has sent them, none of it is passed on in a way for which others would blame them.
fn nobody_blames_the_honest(schedule: &Schedule) {
    for (name, other) in schedule.honest.iter().flat_map(|name| schedule.honest.iter().map(move |other| (name, other)))
    {
        let behaviour = schedule.simulator.engine(name).conduct().of(other.as_bytes());
        // As of long ago, so that no strike is too old to count.
        let strikes = behaviour.map_or(0, |behaviour| behaviour.strikes(START));
        assert_eq!(strikes, 0, "{name} blames {other}: {behaviour:?}");
    }
}

/// Whether it is eve's retraction of something that nobody reads: see the test below that is ignored.
fn is_in_vain(schedule: &Schedule, id: ItemId) -> bool {
    let at = schedule.judges().into_iter().find_map(|name| header(&schedule.simulator, name, id));
    let Some(header) = at.filter(|header| header.kind == Kind::TOMBSTONE) else { return false };
    let reads = |name: &str, target| schedule.simulator.memory(name).readable(schedule.garden).contains(&target);
    header.target.is_some_and(|target| !schedule.judges().iter().any(|name| reads(name, target)))
}

/// The topic of the key that a node writes under in the garden.
fn writes_under(simulator: &Simulator, name: &str) -> Option<String> {
    let mut gardens = simulator.engine(name).communities().values().filter(|standing| standing.name() == "garden");
    gardens.next().and_then(|garden| garden.listening_keys().first().map(|key| key.topic()))
}

/// P21: once all know, whatever she asks has the one answer that everybody gets, and nothing that she is shown means
/// anything to her.
fn she_learns_no_more_than_a_stranger(schedule: &mut Schedule, totals: &mut Totals) {
    let (garden, judges) = (schedule.garden, schedule.judges());
    let known = |eve: &Intruder| {
        let of = |counts: &BTreeMap<(String, CommunityId), u64>| {
            let at = |name: &&str| counts.get(&((*name).to_owned(), garden)).copied().unwrap_or_default();
            judges.iter().map(at).sum::<u64>()
        };
        (of(&eve.accepted), of(&eve.recognised))
    };
    let eve = schedule.eve.as_mut().expect("she turned hostile");
    eve.refusals.clear();
    let before = known(eve);
    schedule.press_all();
    schedule.live(20_000);
    let eve = schedule.eve.as_ref().expect("she turned hostile");
    assert_eq!(known(eve), before, "P21: a proof was taken, or a tag known again");
    for (what, times) in &eve.refusals {
        // Who has an invite is told what became of it.
        let (asked, name) = what.split_once(' ').expect("two words");
        assert!(name == "unknown" || matches!(asked, "Join" | "Preview"), "P21: {what}");
        *totals.refusals.entry(what.clone()).or_default() += times;
    }
    assert!(eve.refusals.get("Prove unknown").is_some_and(|times| *times > 0), "she was heard");
}
