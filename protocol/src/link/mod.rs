//! Links: how chosen items cross from one community into another (section 8).
//!
//! A link is two operations, one in each community's log ([`LinkTerms`]). A broker named by both
//! wraps the untouched item in an [`Envelope`] and proves with a [`ProofBundle`] that the
//! community it leaves has allowed it. [`judge_out`] and [`judge_in`] are what every receiver asks, offline, and what
//! an honest broker asks first.

mod envelope;
mod gates;
mod judge;
mod proof;
mod refusal;
mod terms;

pub use envelope::{Carry, Envelope};
pub use gates::{Gate, Gates, Owner, Refused};
pub use judge::{Crossing, Inbound, ask_author, ask_out, judge_in, judge_out};
pub use proof::{ProofBundle, Proven, Stands, bundle_hash};
pub use refusal::{Outcome, RelayRefusal};
pub use terms::{Direction, KindSet, LinkTerms, tag_matches};
