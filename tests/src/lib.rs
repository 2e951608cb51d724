//! What the test suites share: the program under test, homes and nodes, waiting, guides, seeds.
//!
//! Leaves to others: what is asserted (`scenarios`, `tidy`, `corpora`) and what is measured (`benches`).
//! Always true: nothing here sleeps for a fixed time, picks a port, or touches the home of the person who runs it.

pub mod answer;
pub mod api;
pub mod decoders;
pub mod guide;
pub mod process;
pub mod program;
pub mod seed;
pub mod shared;
pub mod tree;
pub mod wait;
#[cfg(target_os = "linux")]
pub mod wire;
pub mod world;
