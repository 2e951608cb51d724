//! Real processes on one machine, through the command line and its JSON contract.
//!
//! Leaves to others: what one function does (unit tests) and how the tree looks (`tidy`).
//! Always true: no scenario needs another one, a fixed port, or the network beyond loopback.

mod acts;
mod apart;
mod churn;
mod eclipse;
#[cfg(target_os = "linux")]
mod far;
mod flood;
mod guides;
mod homes;
mod join;
mod keep;
mod many;
mod refusals;
mod relay;
mod removed;
mod secrets;
