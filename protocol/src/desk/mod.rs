//! A broker's desk: what one person keeps about the borders that they carry over.
//!
//! Leaves to others: carrying (`engine`), and keeping what is decided here (a node's store). Nothing of it is signed or
//! sent: two devices of one person have a desk each. Always true: whatever is kept is bounded, in number and in bytes.

mod selection;
mod tags;

pub use selection::{Candidate, Decision, Selection, Step};
pub use tags::TagMap;

use crate::id::{CommunityId, ItemId, SelectionId};

/// What is to be kept of a desk. Each is whole by itself and takes the place of what was kept under the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// How tags of one community are said in another.
    Tags {
        /// Whose tags.
        from: CommunityId,
        /// Where they are said so.
        to: CommunityId,
        /// How.
        map: TagMap,
    },
    /// A selection.
    Selection(Box<Selection>),
    /// That there is none.
    NoSelection(SelectionId),
    /// A candidate of a selection.
    Candidate(Box<Candidate>),
    /// That the item is none.
    NoCandidate(SelectionId, ItemId),
}
