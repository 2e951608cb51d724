//! What is kept: the meaning of keys and values over [`disk`].
//!
//! `keep` writes what the engine decides, `ledger` is what the engine reads, `view` is what people read, `seal` hides
//! what is secret in a row, `upgrade` brings up what an older version wrote, `forks` is what one device signed under one
//! number, `desk` is what a broker keeps for themselves. All go through [`Overlay`], so a batch reads what it has itself
//! decided.
//! This module knows nothing of the network.

mod desk;
pub mod disk;
mod forks;
mod keep;
mod keys;
mod ledger;
mod seal;
#[cfg(test)]
mod tests;
mod upgrade;
mod view;

pub use desk::Numbered;
pub use disk::{DiskSettings, OpenError, Overlay, ReadError, Reader, WriteError, Writer};
pub use keep::{keep, keep_answer, kept_answer};
pub use seal::{RowSeal, open};
pub use upgrade::{UpgradeError, upgrade};
pub use view::{Hop, Invite, Listed, Page, Shown};
