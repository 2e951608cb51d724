//! The tree stays as the design draws it: which crate knows which, what may be named where, how files look, and
//! what the dependencies may be.
//!
//! Each check is a function from text to complaints. It is held against the tree, where it must find nothing, and
//! against a small bad example, where it must find something.
//!
//! Leaves to others: lints, which know types (`[workspace.lints]`, `.clippy.toml`).
//! Always true: no check needs the network or any tool but cargo.

mod boundaries;
mod bounds;
mod crates;
mod links;
mod shape;
mod sources;
mod supply;
