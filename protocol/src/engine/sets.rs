//! What is compared of each community, kept up to date as things come and go.

use std::collections::BTreeMap;

use crate::{
    id::CommunityId,
    ledger::Ledger,
    limits,
    reconcile::{Place, Position, Sketch, Summary, short},
    wire::{AnyId, Fingerprint, SetName},
};

/// The summary of each set that is not empty.
#[derive(Debug, Default)]
pub(super) struct Sets(BTreeMap<(CommunityId, SetName), Summary>);

impl Sets {
    pub(super) fn add(&mut self, community: CommunityId, set: SetName, position: Position, id: &AnyId) {
        self.0.entry((community, set)).or_default().add(set, position, id);
    }

    pub(super) fn remove(&mut self, community: CommunityId, set: SetName, position: Position, id: &AnyId) {
        self.0.entry((community, set)).or_default().remove(set, position, id);
    }

    /// Counts what is kept of a community.
    pub(super) fn load<L: Ledger>(&mut self, community: CommunityId, ledger: &L) -> Result<(), L::Error> {
        for set in SetName::COMPARED {
            each(community, set, ledger, |(position, id)| self.add(community, set, position, &id))?;
        }
        Ok(())
    }

    pub(super) fn get(&self, community: CommunityId, set: SetName) -> Option<&Summary> {
        self.0.get(&(community, set))
    }

    pub(super) fn fingerprint(&self, community: CommunityId, set: SetName) -> Fingerprint {
        self.get(community, set).map(Summary::fingerprint).unwrap_or_default()
    }

    /// A summary whose sketch has at least so many cells, as far as any may have. The whole set is looked
    /// at for that, once for each doubling.
    pub(super) fn with_cells<L: Ledger>(
        &mut self,
        community: CommunityId,
        set: SetName,
        cells: usize,
        ledger: &L,
    ) -> Result<&Summary, L::Error> {
        let cells = cells.min(limits::CELLS);
        let summary = self.0.entry((community, set)).or_default();
        if summary.sketch().kept() < cells {
            let mut sketch = Sketch::with_cells(cells);
            each(community, set, ledger, |(_, id)| sketch.add(&short(&id)))?;
            summary.lengthen(sketch);
        }
        Ok(summary)
    }
}

/// Everything in a set.
fn each<L: Ledger>(
    community: CommunityId,
    set: SetName,
    ledger: &L,
    mut see: impl FnMut(Place),
) -> Result<(), L::Error> {
    let mut after = None;
    loop {
        let places = ledger.places(community, set, (0, Position::MAX), after, true, limits::IDS_PER_PAGE)?;
        places.iter().copied().for_each(&mut see);
        after = places.last().copied();
        if places.len() < limits::IDS_PER_PAGE {
            return Ok(());
        }
    }
}
