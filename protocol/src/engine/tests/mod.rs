//! Engines that talk to each other without a network: every rule of joining, catching up,
//! writing and relaying, seen from both ends.

mod bans;
mod border;
mod bounds;
mod brokers;
mod crossings;
mod devices;
mod epochs;
mod given;
mod lost;
mod mutants;
mod numbers;
mod shares;
mod stewards;
mod story;
mod sync;
mod world;
