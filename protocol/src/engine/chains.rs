//! Which items are on a chain that was closed at a certain item (T4): what a removed person or a
//! revoked device wrote before.
//!
//! A chain is walked back from its end once, as far as its items are here, and remembered; items
//! come in any order, and one that waits for something itself shows the way all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{author::item, waiting::Waiting};
use crate::{authority::FeedEnd, id::ItemId, item::Item, ledger::Ledger};

/// The chains that somebody was asked about.
#[derive(Debug, Default)]
pub(super) struct Chains(BTreeMap<ItemId, Chain>);

#[derive(Debug)]
struct Chain {
    on: BTreeSet<ItemId>,
    /// The next one back; none when the beginning was reached.
    next: Option<ItemId>,
}

/// Whether an item is on a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnChain {
    Yes,
    No,
    /// This one has to come first.
    Unproven(ItemId),
}

impl Chains {
    pub(super) fn look<L: Ledger>(
        &mut self,
        written: &Item,
        end: &FeedEnd,
        waiting: &Waiting,
        ledger: &L,
    ) -> Result<OnChain, L::Error> {
        let FeedEnd(_, _, last, id) = end;
        if written.header.seq > *last {
            return Ok(OnChain::No);
        }
        let chain = self.0.entry(*id).or_insert_with(|| Chain { on: BTreeSet::new(), next: Some(*id) });
        while let Some(next) = chain.next {
            if next == written.id {
                return Ok(OnChain::Yes);
            }
            let prev = match (item(ledger, next)?, waiting.item(next)) {
                (Some(there), _) => there.header.prev,
                (None, Some(there)) => there.header.prev,
                (None, None) => break,
            };
            chain.on.insert(next);
            chain.next = prev;
        }
        Ok(match chain.next {
            _ if chain.on.contains(&written.id) => OnChain::Yes,
            Some(missing) => OnChain::Unproven(missing),
            None => OnChain::No,
        })
    }

    /// Whether a chain could not be walked further for want of this item.
    pub(super) fn is_waiting_for(&self, id: ItemId) -> bool {
        self.0.values().any(|chain| chain.next == Some(id))
    }
}
