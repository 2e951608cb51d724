//! What is kept: the meaning of keys and values over [`disk`].
//!
//! `keep` writes what the engine decides, `ledger` is what the engine reads, `view` is what
//! people read. All three go through [`Overlay`], so a batch reads what it has itself decided.
//! This module knows nothing of the network.

pub mod disk;
mod keep;
mod keys;
mod ledger;
mod view;

pub use disk::{DiskSettings, OpenError, Overlay, ReadError, Reader, WriteError, Writer, open};
pub use keep::{keep, keep_answer, kept_answer};
pub use view::{Hop, Invite, Listed, Page, Shown};
