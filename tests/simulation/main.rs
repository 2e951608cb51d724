//! Many nodes in one process, on a simulated network: races, partitions, restarts and hostile peers, seed after seed.
//!
//! Leaves to others: one rule at a time (the engine's own tests), sockets, disks and processes (`scenarios`).
//! Always true: a failing seed is printed, and `SEED=` plays it again, step by step where `HEARTH_ALOUD` is set.

mod acts;
mod again;
mod attack;
mod client;
mod clocks;
mod convergence;
mod crowd;
mod everything;
mod forgery;
mod forks;
mod guesses;
mod intruder;
mod invites;
mod keys;
mod later;
mod mended;
mod outside;
mod planted;
mod probes;
mod prolific;
mod removal;
mod repeats;
mod schedule;
mod seeds;
mod storm;
mod turmoil;
