//! The formats, looked at from outside the crate: that their bytes never change, that nothing but those bytes is
//! accepted, and that a signature is worth what it was made for.
//!
//! One program of many modules, since linking is what costs.

mod asks;
mod cast;
mod cbor;
mod corpora;
mod cross_context;
mod decoders;
mod grammar;
mod items;
mod mutations;
mod pages;
mod properties;
mod relay;
mod story;
mod vectors;
