//! The properties of the formats, by their numbers: P14 of invites, P19 and P20 of the handshake, P26 and P27 of the
//! encoding. P28 is in `cross_context`; P26 also in `mutations`, over what is signed; P27 also in `corpora`.
//!
//! Leaves to others: what a whole node shows and answers (the tests of the engine). `SEED` replays a run.

mod encoding;
mod handshake;
mod invites;

use hearth_protocol::random::Random;

use crate::mutations::{seed, tell};

/// A stream of bytes for this run, told with its seed.
fn random(test: &str) -> Random {
    let seed = seed();
    tell(&format!("{test}: SEED={seed:#x}"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Random::new(&bytes)
}
