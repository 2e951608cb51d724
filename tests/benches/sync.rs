//! What it costs to find out what differs between two sets of ids: cargo bench -p hearth-tests --bench sync
//!
//! Sketches as nodes keep them, beside negentropy as it comes, in one run. Both find the same ids, or the run ends.
//! `HEARTH_LONG=1` goes on to a million ids and 20,000 differences, the most that a sketch is asked about;
//! `HEARTH_PLOT=docs/performance/sync.svg` draws what was measured.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use hearth_protocol::{
    bytes::Bytes,
    reconcile::{CELL_BYTES, Cells, Difference, ShortId, Sketch, short},
    testing::Dice,
};
use negentropy::{Id, Negentropy, NegentropyStorageVector};

/// Bytes that each answer carries beside its cells, and each question: fingerprints, tags and framing.
const FRAMING: usize = 140;
/// The cells that are asked for first, as the engine does.
const FIRST: usize = 48;

#[path = "sync/plot.rs"]
mod plot;

type AnyId = Bytes<32>;

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

fn main() {
    let long = env::var_os("HEARTH_LONG").is_some();
    let sizes: &[usize] = if long { &[1_000, 10_000, 100_000, 1_000_000] } else { &[1_000, 10_000, 100_000] };
    let differences: &[usize] = if long { &[1, 10, 100, 1_000, 10_000, 20_000] } else { &[1, 10, 100, 1_000] };
    say!("ids       differ    | sketch: rounds  bytes     CPU a side ms | negentropy: rounds  bytes     CPU a side ms");
    let mut measured = Vec::new();
    for size in sizes {
        for differ in differences.iter().filter(|differ| **differ <= *size) {
            measured.push(one(*size, *differ));
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

fn ids(dice: &mut Dice, count: usize) -> Vec<AnyId> {
    let id =
        |dice: &mut Dice| Bytes([(); 4].map(|()| dice.draw().to_le_bytes()).concat().try_into().expect("32 bytes"));
    (0..count).map(|_| id(dice)).collect()
}

/// Two sets that have so many ids each, of which half of the differing ones are on each side.
fn sets(dice: &mut Dice, size: usize, differ: usize) -> (Vec<AnyId>, Vec<AnyId>) {
    let common = ids(dice, size - differ / 2);
    let with = |more: Vec<AnyId>| common.iter().copied().chain(more).collect();
    (with(ids(dice, differ / 2)), with(ids(dice, differ - differ / 2)))
}

fn one(size: usize, differ: usize) -> Measured {
    let mut dice = Dice::new((size * 7 + differ) as u64);
    let (ours, theirs) = sets(&mut dice, size, differ);
    let sketches = by_sketch(&ours, &theirs, differ);
    let ranges = by_negentropy(&ours, &theirs, differ);
    say!(
        "{size:<9} {differ:<9} |         {:>6} {:>9} {:>13.3}      |             {:>6} {:>9} {:>13.3}",
        sketches.rounds,
        sketches.bytes,
        sketches.side_ms(),
        ranges.rounds,
        ranges.bytes,
        ranges.side_ms(),
    );
    Measured { size, differ, sketches, ranges }
}

fn sketch(of: &[AnyId], cells: usize) -> Sketch {
    let mut sketch = Sketch::with_cells(cells);
    of.iter().for_each(|id| sketch.add(&short(id)));
    sketch
}

/// As the engine asks; the sketches are there before, as a node keeps them.
fn by_sketch(ours: &[AnyId], theirs: &[AnyId], differ: usize) -> Cost {
    let (our_sketch, their_sketch) = (sketch(ours, 3 * differ + FIRST), sketch(theirs, 3 * differ + FIRST));
    let mut cost = Cost::default();
    let (mut shown, mut to) = (Cells::default(), FIRST);
    let found = loop {
        let begin = Instant::now();
        let sent = their_sketch.cells(shown.count(), to).to_bytes();
        cost.theirs += begin.elapsed();
        cost.rounds += 1;
        cost.bytes += FRAMING + sent.len();
        let begin = Instant::now();
        shown.extend(Cells::from_bytes(&sent));
        let difference = our_sketch.difference(&shown);
        cost.ours += begin.elapsed();
        assert_eq!(sent.len() % CELL_BYTES, 0);
        if difference.whole {
            break difference;
        }
        to = Difference::cells_for(difference.estimate).max(to + to.div_ceil(4));
    };
    // What we lack is named once, and what they lack twice: when it is offered and when it is fetched.
    cost.bytes += 17 * (found.theirs.len() + 2 * found.ours.len());
    let (ours, theirs): (BTreeSet<ShortId>, BTreeSet<ShortId>) =
        (ours.iter().map(short).collect(), theirs.iter().map(short).collect());
    assert_eq!(found.theirs.into_iter().collect::<BTreeSet<_>>(), theirs.difference(&ours).copied().collect());
    assert_eq!(found.ours.into_iter().collect::<BTreeSet<_>>(), ours.difference(&theirs).copied().collect());
    cost
}

fn storage(of: &[AnyId]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::with_capacity(of.len());
    for id in of {
        // Ids are spread over time as they are over their own space.
        let (first, _) = id.0.split_at(8);
        let time = u64::from_be_bytes(first.try_into().expect("8 bytes")) >> 32;
        storage.insert(time, Id::from_byte_array(id.0)).expect("it is not sealed yet");
    }
    storage.seal().expect("it is sealed once");
    storage
}

/// As the crate comes; the storages are sealed before, as they would be kept.
fn by_negentropy(ours: &[AnyId], theirs: &[AnyId], differ: usize) -> Cost {
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
        let (ours, theirs) = sets(&mut dice, 2_000, 100);
        let cost = by_sketch(&ours, &theirs, 100);
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
