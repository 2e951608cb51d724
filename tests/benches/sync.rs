//! What it costs to find out what differs between two sets of ids: cargo bench -p hearth-tests --bench sync
//!
//! As nodes do it, beside negentropy as it comes, in one run: by sketches, and where too many differ by periods and
//! lists of ids. Both find the same ids, or the run ends. `HEARTH_LONG=1` goes on to a million ids and 100,000
//! differences, spread over all of time or all of the last month;
//! `HEARTH_PLOT=docs/performance/sync.svg` draws what was measured of those that are spread.

use std::{
    env,
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use hearth_protocol::{
    bytes::Bytes,
    reconcile::{Place, ShortId, positions},
    testing::Dice,
    wire::SetName,
};
use negentropy::{Id, Negentropy, NegentropyStorageVector};

use self::ours::Side;

#[path = "sync/ours.rs"]
mod ours;
#[path = "sync/plot.rs"]
mod plot;

/// The periods over which ids are spread: two years.
const PERIODS: u64 = 24;

/// Prints a line.
macro_rules! say {
    ($($part:tt)*) => {
        writeln!(io::stdout(), $($part)*).expect("somebody reads the figures")
    };
}

/// What one way of finding out has cost.
#[derive(Default)]
struct Cost {
    rounds: usize,
    bytes: usize,
    ours: Duration,
    theirs: Duration,
}

impl Cost {
    /// Time on the processor of the side that takes longer.
    fn side_ms(&self) -> f64 {
        self.ours.max(self.theirs).as_secs_f64() * 1e3
    }
}

/// Where in time the ids lie that differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// As all others do.
    Ever,
    /// In the newest period, as after a line was cut.
    Lately,
}

fn main() {
    let long = env::var_os("HEARTH_LONG").is_some();
    let sizes: &[usize] = if long { &[1_000, 10_000, 100_000, 1_000_000] } else { &[1_000, 10_000, 100_000] };
    let differences: &[usize] =
        if long { &[1, 10, 100, 1_000, 10_000, 20_000, 50_000, 100_000] } else { &[1, 10, 100, 1_000] };
    say!(
        "ids       differ    when   | ours: rounds  lists     bytes     CPU a side ms | negentropy: rounds  bytes     CPU a side ms"
    );
    let mut measured = Vec::new();
    for size in sizes {
        for differ in differences.iter().filter(|differ| **differ <= *size) {
            measured.push(one(*size, *differ, When::Ever));
        }
    }
    if long {
        for (size, differ) in [(100_000, 50_000), (1_000_000, 50_000), (1_000_000, 100_000)] {
            let _ = one(size, differ, When::Lately);
        }
    }
    spread(if long { 400 } else { 100 });
    if let Some(file) = env::var_os("HEARTH_PLOT") {
        plot::draw(&measured, Path::new(&file)).expect("the plot can be written");
    }
}

/// What was measured for two sets.
struct Measured {
    size: usize,
    differ: usize,
    sketches: Cost,
    ranges: Cost,
}

/// So many ids, from this period on.
fn places(dice: &mut Dice, count: usize, from: u64) -> Vec<Place> {
    let id =
        |dice: &mut Dice| Bytes([(); 4].map(|()| dice.draw().to_le_bytes()).concat().try_into().expect("32 bytes"));
    let times = positions(SetName::Items, from).0..=positions(SetName::Items, PERIODS - 1).1;
    (0..count).map(|_| (dice.within(&times), id(dice))).collect()
}

/// Two sets that have so many ids each, of which half of the differing ones are on each side.
fn sets(dice: &mut Dice, size: usize, differ: usize, when: When) -> (Vec<Place>, Vec<Place>) {
    let common = places(dice, size - differ / 2, 0);
    let from = if when == When::Ever { 0 } else { PERIODS - 1 };
    let with = |more: Vec<Place>| common.iter().copied().chain(more).collect();
    (with(places(dice, differ / 2, from)), with(places(dice, differ - differ / 2, from)))
}

fn one(size: usize, differ: usize, when: When) -> Measured {
    let mut dice = Dice::new((size * 7 + differ) as u64);
    let (ours, theirs) = sets(&mut dice, size, differ, when);
    let (sketches, lists) = by_sketch(&ours, &theirs, differ);
    let ranges = by_negentropy(&ours, &theirs, differ);
    say!(
        "{size:<9} {differ:<9} {:<6} |       {:>6} {:>6} {:>9} {:>13.3}      |             {:>6} {:>9} {:>13.3}",
        if when == When::Ever { "ever" } else { "lately" },
        sketches.rounds,
        lists,
        sketches.bytes,
        sketches.side_ms(),
        ranges.rounds,
        ranges.bytes,
        ranges.side_ms(),
    );
    Measured { size, differ, sketches, ranges }
}

/// As nodes ask; what they keep of their sets is there before. Also how often ids were listed.
fn by_sketch(ours: &[Place], theirs: &[Place], differ: usize) -> (Cost, usize) {
    let (mut our_side, mut their_side) = (Side::new(ours, differ), Side::new(theirs, differ));
    let found = ours::compare(&mut our_side, &mut their_side);
    let all: Vec<&ShortId> = our_side.names().collect();
    assert!(their_side.names().eq(all.iter().copied()), "both have the same in the end");
    assert_eq!(all.len(), ours.len() + differ - differ / 2, "and nothing is left out");
    let [ours, theirs] = found.took;
    (Cost { rounds: found.rounds, bytes: found.bytes, ours, theirs }, found.lists)
}

fn storage(of: &[Place]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::with_capacity(of.len());
    for (time, id) in of {
        storage.insert(*time, Id::from_byte_array(id.0)).expect("it is not sealed yet");
    }
    storage.seal().expect("it is sealed once");
    storage
}

/// As the crate comes; the storages are sealed before, as they would be kept.
fn by_negentropy(ours: &[Place], theirs: &[Place], differ: usize) -> Cost {
    let (ours, theirs) = (storage(ours), storage(theirs));
    let mut client = Negentropy::borrowed(&ours, 64 * 1024).expect("a frame of 64 KiB is allowed");
    let mut server = Negentropy::borrowed(&theirs, 64 * 1024).expect("a frame of 64 KiB is allowed");
    let mut cost = Cost::default();
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    let mut message = Some(client.initiate().expect("it begins"));
    cost.ours += begin.elapsed();
    while let Some(question) = message.take() {
        let begin = Instant::now();
        let answer = server.reconcile(&question).expect("it is a message");
        cost.theirs += begin.elapsed();
        cost.rounds += 1;
        cost.bytes += question.len() + answer.len();
        let begin = Instant::now();
        message = client.reconcile_with_ids(&answer, &mut have, &mut need).expect("it is a message");
        cost.ours += begin.elapsed();
    }
    assert_eq!(have.len() + need.len(), differ);
    cost
}

/// What a hundred differences of 100,000 cost, over many pairs of sets.
fn spread(times: u64) {
    let mut bytes = Vec::new();
    let mut rounds = Vec::new();
    for seed in 0..times {
        let mut dice = Dice::new(seed);
        // What is common cancels out, so that few are enough here.
        let (ours, theirs) = sets(&mut dice, 2_000, 100, When::Ever);
        let (cost, _) = by_sketch(&ours, &theirs, 100);
        bytes.push(cost.bytes);
        rounds.push(cost.rounds);
    }
    bytes.sort_unstable();
    rounds.sort_unstable();
    let at = |list: &[usize], part: usize| list[(list.len() * part / 100).min(list.len() - 1)];
    say!(
        "a hundred differences, {times} pairs of sets: bytes p50 {} p90 {} most {}; rounds p50 {} p90 {} most {}",
        at(&bytes, 50),
        at(&bytes, 90),
        at(&bytes, 100),
        at(&rounds, 50),
        at(&rounds, 90),
        at(&rounds, 100),
    );
}
