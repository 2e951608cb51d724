//! Items that came before one that they need: their target, or one between them and the end of a
//! closed chain.
//!
//! They are looked at again when that one comes; a chain may be walked over items that wait
//! themselves. Bounded: what does not fit is listed again by the next comparison.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckedCarry, WAITING};
use crate::{
    id::{CommunityId, ItemId},
    item::Item,
};

/// What waits, and for what.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    carries: BTreeMap<ItemId, (CommunityId, Box<CheckedCarry>)>,
    for_them: BTreeMap<ItemId, BTreeSet<ItemId>>,
}

impl Waiting {
    /// Lets a carry wait for an item.
    pub(super) fn wait(&mut self, missing: ItemId, community: CommunityId, carry: Box<CheckedCarry>) {
        if self.carries.len() < WAITING || self.carries.contains_key(&carry.id()) {
            self.for_them.entry(missing).or_default().insert(carry.id());
            self.carries.insert(carry.id(), (community, carry));
        }
    }

    /// Those that waited for this item.
    pub(super) fn take(&mut self, come: ItemId) -> Vec<(CommunityId, Box<CheckedCarry>)> {
        let waited = self.for_them.remove(&come).unwrap_or_default();
        waited.into_iter().filter_map(|id| self.carries.remove(&id)).collect()
    }

    /// An item that waits: its signature holds, whatever else is asked of it.
    pub(super) fn item(&self, id: ItemId) -> Option<&Item> {
        self.carries.get(&id).map(|(_, carry)| &carry.item)
    }
}
