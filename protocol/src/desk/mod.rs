//! A broker's desk: what one person keeps about the borders that they carry over.
//!
//! Leaves to others: carrying (`engine`), and keeping what is decided here (a node's store). Nothing of it is signed or
//! sent: two devices of one person have a desk each. Always true: whatever is kept is bounded, in number and in bytes.

mod tags;

pub use tags::TagMap;

use crate::id::CommunityId;

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
}
