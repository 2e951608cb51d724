//! Devices that signed two different items under one number (T2, T8): there are two of it, or somebody else has its key.
//!
//! Leaves to others: finding them (the ledger), and two operations neither of which knew of the other, which the log
//! itself shows ([`Finding::SelfConcurrent`](crate::authority::Finding::SelfConcurrent)). Always true: both items stand
//! as if each were alone, and who passes them on is not blamed; two nodes that have the same items and the same log say
//! the same of the same devices; it is said no more once the device is revoked, or its person has no role.

use super::Standing;
use crate::{
    authority::Role,
    id::PersonId,
    ledger::{Fork, Ledger},
};

/// A member's device that has signed two different items under one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forked {
    /// Whose.
    pub person: PersonId,
    /// Which device, and the two items.
    pub fork: Fork,
}

impl Standing {
    /// The devices of this community that have signed two items under one number.
    ///
    /// # Errors
    /// The ledger's.
    pub fn forked<L: Ledger>(&self, ledger: &L) -> Result<Vec<Forked>, L::Error> {
        let mut forked = Vec::new();
        for fork in ledger.forks(self.id())? {
            let Some(item) = super::author::item(ledger, fork.first)? else { continue };
            let person = item.header.author;
            if self.state.role(person) > Role::None && self.state.device(person, fork.device).is_some() {
                forked.push(Forked { person, fork });
            }
        }
        Ok(forked)
    }
}
