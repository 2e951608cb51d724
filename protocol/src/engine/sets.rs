//! What is compared of each community, kept up to date as things come and go: of each set the whole, and
//! what lies from some position on, for those who are not given what is older.
//!
//! Leaves to others: who is given what (`standing`), and what is made of it (`serve`, `sync`).
//! Always true: a view is made by looking at its part of the set once, when it is first needed; how many
//! are kept, and how much they take, is bounded, whoever asks.

use std::collections::BTreeMap;

use crate::{
    id::CommunityId,
    ledger::Ledger,
    limits,
    reconcile::{Place, Position, Sketch, Summary, short},
    wire::{AnyId, Fingerprint, SetName},
};

/// What two members are both given of a community, by the scopes that both are in (E1) and by when they
/// came (E6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    /// Whether that of the inner circle is.
    inner: bool,
    /// From which position on; of operations all are.
    since: Position,
}

impl Given {
    /// Everything there is.
    pub(super) const ALL: Given = Given { inner: true, since: 0 };

    pub(super) fn new(inner: bool, since: Position) -> Given {
        Given { inner, since }
    }

    /// From which position on a set is given; none where nothing of it is, or it is not compared.
    pub(super) fn from(self, set: SetName) -> Option<Position> {
        match set {
            SetName::Operations => Some(0),
            SetName::Items | SetName::Envelopes => Some(self.since),
            SetName::Inner => self.inner.then_some(self.since),
            SetName::Bundles | SetName::Blobs => None,
        }
    }
}

/// A set of a community from a position on.
type Name = (CommunityId, SetName, Position);

#[derive(Debug, Default)]
struct View {
    summary: Summary,
    /// The higher, the later it was needed.
    needed: u64,
}

/// Something that has come into a set, or gone.
#[derive(Debug, Clone, Copy)]
enum Change {
    Come,
    Gone,
}

/// The views of all sets. The whole ones stay; of the others those that were needed last.
#[derive(Debug, Default)]
pub(super) struct Sets {
    views: BTreeMap<Name, View>,
    /// What this input has changed, and the ledger does not show yet.
    fresh: Vec<(CommunityId, SetName, Place, Change)>,
    needed: u64,
}

impl Sets {
    /// Another input begins: what the ones before it have changed can be read.
    pub(super) fn begin(&mut self) {
        self.fresh.clear();
    }

    pub(super) fn add(&mut self, community: CommunityId, set: SetName, position: Position, id: &AnyId) {
        self.change(community, set, (position, *id), Change::Come);
    }

    pub(super) fn remove(&mut self, community: CommunityId, set: SetName, position: Position, id: &AnyId) {
        self.change(community, set, (position, *id), Change::Gone);
    }

    fn change(&mut self, community: CommunityId, set: SetName, place: Place, change: Change) {
        self.fresh.push((community, set, place, change));
        self.views.entry((community, set, 0)).or_default();
        let of_set = (community, set, 0)..=(community, set, place.0);
        for (_, view) in self.views.range_mut(of_set) {
            change.of(&mut view.summary, set, place);
        }
    }

    /// Counts what is kept of a community.
    pub(super) fn load<L: Ledger>(&mut self, community: CommunityId, ledger: &L) -> Result<(), L::Error> {
        for set in SetName::COMPARED {
            self.view((community, set, 0), ledger)?;
        }
        Ok(())
    }

    /// Of the whole set.
    pub(super) fn fingerprint(&self, community: CommunityId, set: SetName) -> Fingerprint {
        self.made((community, set, 0)).unwrap_or_default()
    }

    /// Of a view, if it has been made.
    pub(super) fn made(&self, name: Name) -> Option<Fingerprint> {
        self.views.get(&name).map(|view| view.summary.fingerprint())
    }

    /// What is in a set from a position on.
    pub(super) fn view<L: Ledger>(&mut self, name: Name, ledger: &L) -> Result<&Summary, L::Error> {
        if !self.views.contains_key(&name) {
            let (_, set, _) = name;
            let mut summary = Summary::default();
            self.each(name, ledger, |place, change| change.of(&mut summary, set, place))?;
            self.views.insert(name, View { summary, needed: 0 });
        }
        Ok(self.need(name))
    }

    /// A summary whose sketch has at least so many cells, as far as any may have. The whole view is looked
    /// at for that, once for each doubling.
    pub(super) fn with_cells<L: Ledger>(&mut self, name: Name, cells: usize, ledger: &L) -> Result<&Summary, L::Error> {
        let cells = cells.min(limits::CELLS);
        if self.view(name, ledger)?.cells() < cells {
            let mut sketch = Sketch::with_cells(cells);
            self.each(name, ledger, |(_, id), change| match change {
                Change::Come => sketch.add(&short(&id)),
                Change::Gone => sketch.remove(&short(&id)),
            })?;
            if let Some(view) = self.views.get_mut(&name) {
                view.summary.lengthen(sketch);
            }
        }
        Ok(self.need(name))
    }

    /// Everything in a view: what the ledger has, and what this input has changed of it.
    fn each<L: Ledger>(
        &self,
        (community, set, since): Name,
        ledger: &L,
        mut see: impl FnMut(Place, Change),
    ) -> Result<(), L::Error> {
        let mut after = None;
        loop {
            let most = limits::IDS_PER_PAGE;
            let places = ledger.places(community, set, (since, Position::MAX), after, true, most)?;
            places.iter().for_each(|place| see(*place, Change::Come));
            after = places.last().copied();
            if places.len() < most {
                break;
            }
        }
        let fresh =
            self.fresh.iter().filter(|(of, in_set, place, _)| (*of, *in_set) == (community, set) && place.0 >= since);
        fresh.for_each(|(_, _, place, change)| see(*place, *change));
        Ok(())
    }

    /// Notes that a view is needed, and drops those that were not for longest where there are too many.
    fn need(&mut self, name: Name) -> &Summary {
        self.needed = self.needed.saturating_add(1);
        let needed = self.needed;
        if name.2 > 0 {
            self.make_room(name);
        }
        let view = self.views.entry(name).or_default();
        view.needed = needed;
        &view.summary
    }

    fn make_room(&mut self, name: Name) {
        loop {
            let (views, cells) = self.size_of_parts();
            if views <= limits::VIEWS && cells <= limits::VIEW_CELLS {
                return;
            }
            let oldest = self.parts().filter(|(other, _)| **other != name).min_by_key(|(_, view)| view.needed);
            let Some(oldest) = oldest.map(|(oldest, _)| *oldest) else { return };
            self.views.remove(&oldest);
        }
    }

    /// The views of a part of a set.
    fn parts(&self) -> impl Iterator<Item = (&Name, &View)> {
        self.views.iter().filter(|((_, _, since), _)| *since > 0)
    }

    /// How many of these are kept, and how many cells they have.
    pub(super) fn size_of_parts(&self) -> (usize, usize) {
        (self.parts().count(), self.parts().map(|(_, view)| view.summary.cells()).sum())
    }
}

impl Change {
    fn of(self, summary: &mut Summary, set: SetName, (position, id): Place) {
        match self {
            Change::Come => summary.add(set, position, &id),
            Change::Gone => summary.remove(set, position, &id),
        }
    }
}
