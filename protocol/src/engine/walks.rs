//! The chains of envelopes that cuts keep, walked back from their ends as far as they are here (R7).
//!
//! Leaves to others: which cuts there are. Always true: each envelope of a chain is read once, however many are judged
//! by it and in whatever order they come.

use std::collections::BTreeMap;

use super::author::envelope;
use crate::{id::EnvelopeId, ledger::Ledger, limits};

/// An envelope's number among those of its device, and its id.
pub(super) type Place = (u32, EnvelopeId);

/// One walk back from an end.
#[derive(Debug)]
struct Walk {
    /// What was passed.
    passed: BTreeMap<u32, EnvelopeId>,
    /// What comes next, which is not here yet; none at the chain's beginning.
    next: Option<EnvelopeId>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Walks(BTreeMap<EnvelopeId, Walk>);

impl Walks {
    /// Whether an envelope, kept or about to be, is on the chain that ends at this place.
    pub(super) fn holds<L: Ledger>(&mut self, end: Place, envelope: Place, ledger: &L) -> Result<bool, L::Error> {
        if envelope.0 > end.0 {
            return Ok(false);
        }
        let walked: usize = self.0.values().map(|walk| walk.passed.len()).sum();
        if is_full(walked) {
            self.0.clear();
        }
        let new = || Walk { passed: BTreeMap::new(), next: Some(end.1) };
        let walk = self.0.entry(end.1).or_insert_with(new);
        walk.go_on(ledger)?;
        Ok(walk.next == Some(envelope.1) || walk.passed.get(&envelope.0) == Some(&envelope.1))
    }
}

impl Walk {
    fn go_on<L: Ledger>(&mut self, ledger: &L) -> Result<(), L::Error> {
        while let Some(id) = self.next {
            let Some(envelope) = envelope(ledger, id)? else { break };
            // Numbers fall on the way back, or the walk would have no end.
            let falls = self.passed.first_key_value().is_none_or(|(seq, _)| envelope.seq < *seq);
            self.next = envelope.prev_by_device.filter(|_| falls);
            if falls {
                self.passed.insert(envelope.seq, id);
            }
        }
        Ok(())
    }
}

/// Whether so many steps are forgotten before another walk, and walked again where they are asked for.
fn is_full(walked: usize) -> bool {
    walked >= limits::WALKED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::around;

    #[test]
    fn no_more_steps_are_remembered_than_the_bound() {
        around(limits::WALKED, [false, true, true], is_full);
    }
}
