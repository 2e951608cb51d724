//! A Hearth node: what runs in a person's home folder.
//!
//! Decisions are made in `hearth-protocol`; this crate carries them out. Inside it, libp2p is
//! known only to [`network`], sled only to [`store`], axum only to [`api`]; `store` and `network`
//! do not know of each other, [`driver`] brings them together.
//!
//! Reading order: [`node`] puts a node together from its parts, [`driver`] is the one thread that
//! decides and writes, [`translate`] makes inputs of what the network reports.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api;
pub mod clock;
pub mod config;
pub mod demo;
mod desk;
pub mod driver;
pub mod handle;
pub mod home;
pub mod limits;
pub mod network;
pub mod node;
pub mod pair;
pub mod practice;
pub mod prove;
pub mod reserve;
pub mod store;
pub mod translate;

pub use home::{Holder, Home, HomeError, Passphrase};
pub use node::{Mode, Node, NodeError, Ready, StartError};
