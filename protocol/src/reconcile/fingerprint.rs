//! Telling equal sets apart from different ones.

use serde::{Deserialize, Serialize};

use crate::wire::AnyId;

/// The sum of a set's ids: a count, and four lanes of 64 bits added up without carry between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub u64, pub [u64; 4]);

impl Fingerprint {
    /// How many ids the set has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
    }

    /// Adds an id that was not in the set.
    pub fn add(&mut self, id: &AnyId) {
        self.0 = self.0.wrapping_add(1);
        let (lanes, _) = id.0.as_chunks::<8>();
        for (sum, lane) in self.1.iter_mut().zip(lanes) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*lane));
        }
    }

    /// Takes an id out that was in the set.
    pub fn remove(&mut self, id: &AnyId) {
        self.0 = self.0.wrapping_sub(1);
        let (lanes, _) = id.0.as_chunks::<8>();
        for (sum, lane) in self.1.iter_mut().zip(lanes) {
            *sum = sum.wrapping_sub(u64::from_le_bytes(*lane));
        }
    }
}
