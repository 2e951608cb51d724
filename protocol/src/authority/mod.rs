//! Who may do what in a community: its log of signed operations, and the pure function from that
//! log to roles, links, invites, policy and epochs (section 4).
//!
//! [`Log`] stores operations by B1, which looks only at an operation and its past; so all honest
//! nodes keep the same ones. [`evaluate`] decides by B2 to B14 which of them have effect: a
//! function of the set, whatever the order in which they came.

mod admission;
mod bits;
mod certify;
mod check;
mod derive;
mod evaluate;
mod findings;
mod log;
mod operation;
mod refusal;
mod role;
mod state;
#[cfg(test)]
mod tests;
mod tree;

pub use evaluate::evaluate;
pub use findings::{Cause, Finding, findings};
pub use log::{Log, Place};
pub use operation::{Body, Epoch, FeedEnd, Grant, Keys, LinkCut, LinkEnd, Operation, Rule, Subject};
pub use refusal::{OperationRefusal, WriteRefusal};
pub use role::Role;
pub use state::{EpochState, InviteState, LinkState, Member, State, Writing};

/// Policy keys (B13).
pub mod policy {
    /// The reach of items whose author says nothing.
    pub const DEFAULT_REACH: u16 = 1;
    /// Whether newcomers get earlier epoch keys (E6).
    pub const HISTORY: u16 = 2;
    /// Items a day and person that are shown.
    pub const POSTS_DAY: u16 = 4;
    /// The same for peripheral members.
    pub const POSTS_DAY_PERIPHERAL: u16 = 5;
    /// Admissions that one member's node signs in a day (I3).
    pub const ADMITS_DAY: u16 = 6;
    /// Newcomers that one steward's node confirms in a day; 0: by hand only (B14).
    pub const CONFIRM_PER_DAY: u16 = 7;
}
