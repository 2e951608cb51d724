//! What every Hearth node must agree on, and the engine that decides.
//!
//! This crate is true without any IO: it has no runtime, socket, file, clock, thread, logger or
//! source of entropy. Time and entropy are arguments; collections are ordered; the same inputs
//! give the same bytes on every machine. The rules that it implements are numbered in
//! `docs/protocol`, and the numbers (B5, R7, T4 ...) are cited where they are carried out.
//!
//! Reading order: [`encoding`] and [`signed`] say what bytes are accepted; [`person`],
//! [`community`], [`authority`], [`item`], [`invite`], [`epoch`] and [`link`] are the formats and
//! their rules; [`engine`] ties them together: one input in, effects out.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::panic))]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod authority;
pub mod bytes;
pub mod community;
pub mod desk;
pub mod encoding;
pub mod engine;
pub mod epoch;
pub mod hello;
pub mod id;
pub mod invite;
pub mod item;
pub mod key;
pub mod ledger;
pub mod limits;
pub mod link;
pub mod pairing;
pub mod pasted;
pub mod person;
pub mod query;
pub mod random;
pub mod reconcile;
pub mod signed;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod time;
pub mod url;
pub mod wire;
