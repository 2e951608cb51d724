//! What two of our nodes ask each other to find out what differs, question by question, over sets that lie in memory.
//!
//! The frames, the bounds, sketches, fingerprints and periods are the real ones; which question follows is as in
//! `engine::sync`, since no engine can be given a million items here that nobody has signed.
//! Leaves to others: the sets and the figures (`sync`), the items themselves, which are not counted.
//! Always true: it ends with both sides having everything, or not at all; what is not the finding out, keeping what was
//! fetched and making a sketch longer, is on nobody's clock.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    time::{Duration, Instant},
};

use hearth_protocol::{
    bytes::{Blob, Bytes},
    limits,
    reconcile::{CELL_BYTES, Cells, Difference, Place, ShortId, Sketch, Summary, positions, short},
    wire::{Fingerprint, Request, Response, SetName},
};

/// The cells that are asked for first, as the engine does.
const FIRST: usize = 48;
/// The set that is compared.
const SET: SetName = SetName::Items;
/// The sets that the first question names: the others do not differ.
const COMPARED: [SetName; 3] = [SetName::Operations, SetName::Items, SetName::Envelopes];
/// A community.
const TAG: Bytes<16> = Bytes([7; 16]);

/// What finding out has cost.
#[derive(Default)]
pub(super) struct Found {
    /// Round trips in which something else was asked than to be sent what is named.
    pub(super) rounds: usize,
    /// Those in which ids were listed.
    pub(super) lists: usize,
    /// Of all questions, and of all answers but those that are the items.
    pub(super) bytes: usize,
    /// Time on the processor of each side.
    pub(super) took: [Duration; 2],
}

/// What one node has, and how far it is with the other.
pub(super) struct Side {
    places: BTreeSet<Place>,
    names: BTreeMap<ShortId, Place>,
    summary: Summary,
    pull: Option<Pull>,
    /// Whether the other one compares by itself.
    compares: bool,
    /// Whether it has compared in its turn.
    turned: bool,
    took: Duration,
}

/// One comparison under way.
#[derive(Default)]
struct Pull {
    step: Step,
    fingerprint: Fingerprint,
    cells: Cells,
    thorough: bool,
    wanted: Vec<ShortId>,
    offered: Vec<ShortId>,
    offers: Vec<ShortId>,
    again: bool,
}

#[derive(Default, Clone)]
enum Step {
    #[default]
    Begin,
    Cells(usize),
    Periods,
    Through(VecDeque<u64>, Option<Place>),
    Next,
}

impl Side {
    /// Has these, and keeps a sketch that is long enough for so many differences, if any is.
    pub(super) fn new(places: &[Place], differ: usize) -> Side {
        let mut summary = Summary::default();
        let mut sketch = Sketch::with_cells((3 * differ + FIRST).min(limits::CELLS));
        for (position, id) in places {
            summary.add(SET, *position, id);
            sketch.add(&short(id));
        }
        summary.lengthen(sketch);
        Side {
            places: places.iter().copied().collect(),
            names: places.iter().map(|place| (short(&place.1), *place)).collect(),
            summary,
            pull: None,
            compares: false,
            turned: false,
            took: Duration::ZERO,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &ShortId> {
        self.names.keys()
    }

    fn keep(&mut self, place: Place) {
        if self.names.insert(short(&place.1), place).is_none() {
            self.places.insert(place);
            self.summary.add(SET, place.0, &place.1);
        }
    }

    fn missing(&self, ids: &[ShortId]) -> Vec<ShortId> {
        ids.iter().filter(|id| !self.names.contains_key(*id)).copied().collect()
    }

    /// The next question of a comparison.
    fn question(&mut self) -> Request {
        let ours = self.summary.fingerprint();
        let pull = self.pull.as_mut().expect("it compares");
        if !pull.wanted.is_empty() || !pull.offered.is_empty() {
            let (wanted, offered) = (pull.wanted.len().min(limits::FETCH), pull.offered.len().min(limits::FETCH));
            return Request::Bring(
                TAG,
                SET,
                pull.wanted.drain(..wanted).collect(),
                pull.offered.drain(..offered).collect(),
            );
        }
        let number = |cells: usize| u16::try_from(cells).expect("no more than there ever are");
        match &pull.step {
            Step::Begin => {
                let all = COMPARED.map(|set| (set, if set == SET { ours } else { Fingerprint::default() }));
                Request::Compare(TAG, all.to_vec(), 0, number(FIRST))
            }
            Step::Cells(most) => {
                let from = pull.cells.count();
                Request::Compare(TAG, vec![(SET, ours)], number(from), number(most - from))
            }
            Step::Periods => Request::Periods(TAG, SET),
            Step::Through(periods, after) => {
                Request::List(TAG, SET, *periods.front().expect("else there is no such step"), *after)
            }
            Step::Next => unreachable!("it has ended"),
        }
    }

    /// Answers the other one; items are not sent here.
    fn answer(&mut self, request: Request) -> Response {
        match request {
            Request::Compare(_, sets, from, cells) => {
                self.compares = true;
                let (from, to) = (usize::from(from), usize::from(from) + usize::from(cells));
                let of = |(set, theirs): (SetName, Fingerprint)| {
                    let ours = if set == SET { self.summary.fingerprint() } else { theirs };
                    let differ = ours != theirs;
                    assert!(!differ || to <= self.summary.cells(), "the sketch is long enough");
                    let shown = if differ { self.summary.sketch().cells(from, to).to_bytes() } else { Vec::new() };
                    (ours, Blob::new(shown).expect("no more than there ever are"))
                };
                Response::Compare(sets.into_iter().map(of).collect())
            }
            Request::Bring(_, set, _, offered) => {
                let missing = self.missing(&offered);
                if !missing.is_empty() {
                    match &mut self.pull {
                        Some(pull) => pull.offers.extend(missing),
                        None => self.pull = Some(Pull { step: Step::Next, wanted: missing, ..Pull::default() }),
                    }
                }
                Response::Fetch(set, Vec::new())
            }
            Request::Periods(..) => {
                if !self.turned && mem::take(&mut self.compares) {
                    self.turned = true;
                    match &mut self.pull {
                        Some(pull) => pull.again = true,
                        None => self.pull = Some(Pull::default()),
                    }
                }
                Response::Periods(self.summary.periods().iter().map(|(number, of)| (*number, *of)).collect())
            }
            Request::List(_, set, period, after) => {
                let (first, last) = positions(set, period);
                let within = self.places.range((first, Bytes([0; 32]))..=after.unwrap_or((last, Bytes([0xff; 32]))));
                let beyond = within.rev().filter(|place| Some(**place) != after);
                let page: Vec<Place> = beyond.take(limits::IDS_PER_PAGE).copied().collect();
                let next = page.last().copied().filter(|_| page.len() == limits::IDS_PER_PAGE);
                Response::List(page.iter().map(|(_, id)| short(id)).collect(), next)
            }
            other => unreachable!("nobody asks {other:?}"),
        }
    }

    /// Makes of an answer what is asked next.
    fn pulled(&mut self, response: Response) {
        let pull = self.pull.as_mut().expect("it compares");
        match (response, pull.step.clone()) {
            (Response::Fetch(..), _) => {}
            (Response::Compare(mut sets), step) => {
                let of_set = if matches!(step, Step::Begin) { 1 } else { 0 };
                let (fingerprint, cells) = sets.swap_remove(of_set);
                // Cells of two sets, the one of before and the one of now, do not belong together.
                let is_same = pull.cells.count() == 0 || pull.fingerprint == fingerprint;
                pull.fingerprint = fingerprint;
                if is_same {
                    pull.cells.extend(Cells::from_bytes(cells.as_slice()));
                    self.look_into();
                } else {
                    pull.cells = Cells::default();
                }
            }
            (Response::Periods(theirs), _) => {
                let ours = |number: &u64| self.summary.periods().get(number).copied().unwrap_or_default();
                let differ = theirs.iter().filter(|(number, of)| ours(number) != *of);
                let differ: VecDeque<u64> = differ.map(|(number, _)| *number).rev().collect();
                // A newcomer's case is another measurement.
                let known = |(number, of): &(u64, Fingerprint)| ours(number).count() * 16 >= of.count();
                assert!(theirs.iter().all(known), "each has more than a sixteenth of each period");
                pull.step = Step::Through(differ, None);
            }
            (Response::List(ids, next), Step::Through(mut periods, _)) => {
                if next.is_none() {
                    periods.pop_front();
                }
                pull.step = Step::Through(periods, next);
                let missing = self.missing(&ids);
                self.pull.as_mut().expect("it compares").wanted.extend(missing);
            }
            (other, _) => unreachable!("nobody has asked for {other:?}"),
        }
        self.go_on();
    }

    fn look_into(&mut self) {
        let pull = self.pull.as_mut().expect("it compares");
        let (ours, cells) = (self.summary.fingerprint(), pull.cells.count());
        if ours == pull.fingerprint {
            pull.step = Step::Next;
            return;
        }
        let difference = self.summary.sketch().difference(&pull.cells);
        let counts = usize::try_from(ours.count().abs_diff(pull.fingerprint.count())).expect("a count");
        let more = Difference::cells_for(difference.estimate.max(counts)).max(cells + cells.div_ceil(4));
        let all = usize::try_from(pull.fingerprint.count()).expect("a count") * 16;
        if difference.whole {
            pull.wanted.extend(difference.theirs);
            pull.offered.extend(difference.ours);
            pull.step = Step::Next;
        } else if cells > 0 && more <= limits::CELLS && more * CELL_BYTES < all {
            pull.step = Step::Cells(more);
        } else {
            pull.step = if pull.thorough { Step::Next } else { Step::Periods };
            pull.thorough = true;
        }
    }

    fn go_on(&mut self) {
        let Some(pull) = &mut self.pull else { return };
        if matches!(&pull.step, Step::Through(periods, _) if periods.is_empty()) {
            pull.step = Step::Cells(FIRST);
            pull.cells = Cells::default();
        }
        if !pull.wanted.is_empty() || !pull.offered.is_empty() || !matches!(pull.step, Step::Next) {
            return;
        }
        let (offers, again) = (mem::take(&mut pull.offers), pull.again);
        let wanted = self.missing(&offers);
        self.pull = match (wanted.is_empty(), again) {
            (false, _) => Some(Pull { step: Step::Next, wanted, again, ..Pull::default() }),
            (true, true) => Some(Pull::default()),
            (true, false) => None,
        };
    }
}

/// Has both compare until neither has anything left to ask. The first one begins.
pub(super) fn compare(ours: &mut Side, theirs: &mut Side) -> Found {
    let mut found = Found::default();
    ours.pull = Some(Pull::default());
    while ours.pull.is_some() || theirs.pull.is_some() {
        let mut asked = ask(ours, theirs, &mut found);
        asked |= ask(theirs, ours, &mut found);
        found.rounds += usize::from(asked);
    }
    found.took = [ours.took, theirs.took];
    found
}

/// One question and its answer, if one side has any. Says whether it was another than for the items.
fn ask(asking: &mut Side, serving: &mut Side, found: &mut Found) -> bool {
    if asking.pull.is_none() {
        return false;
    }
    let begin = Instant::now();
    let question = asking.question().to_bytes();
    asking.took += begin.elapsed();
    let begin = Instant::now();
    let request = Request::from_bytes(&question).expect("it is a question");
    let wanted = if let Request::Bring(_, _, wanted, _) = &request { wanted.clone() } else { Vec::new() };
    let brings = matches!(request, Request::Bring(..));
    found.lists += usize::from(matches!(request, Request::List(..)));
    let answer = serving.answer(request).to_bytes();
    serving.took += begin.elapsed();
    found.bytes += question.len() + if brings { 0 } else { answer.len() };
    for id in wanted {
        asking.keep(*serving.names.get(&id).expect("they have shown that they have it"));
    }
    let begin = Instant::now();
    asking.pulled(Response::from_bytes(&answer).expect("it is an answer"));
    asking.took += begin.elapsed();
    !brings
}
