//! Entropy as a value: a generator that is seeded from outside once and never asks again.
//!
//! It is BLAKE3's extendable output over the seed. The same seed gives the same bytes, so
//! simulations replay; a node seeds it from the operating system at start.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

use crate::id::Context;

/// A stream of bytes that nobody without the seed can foretell.
pub struct Random(blake3::OutputReader);

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(Context::RANDOM.as_str());
        hasher.update(seed);
        Random(hasher.finalize_xof())
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

impl TryRng for Random {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random {}
