//! Proofs of links, checked once (8.3): thousands of items share one.
//!
//! Leaves to others: fetching them. Always true: what is here was checked; what is forgotten is checked again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    id::BundleHash,
    ledger::Ledger,
    limits,
    link::{ProofBundle, Proven, RelayRefusal},
};

/// A checked proof, or why it is none.
pub(super) type Proof = Result<Arc<Proven>, RelayRefusal>;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    checked: BTreeMap<BundleHash, Proof>,
    order: VecDeque<BundleHash>,
}

impl Proofs {
    /// The proof of this name; none while its bytes are not here.
    pub(super) fn get<L: Ledger>(&mut self, hash: BundleHash, ledger: &L) -> Result<Option<Proof>, L::Error> {
        if let Some(proof) = self.checked.get(&hash) {
            return Ok(Some(proof.clone()));
        }
        let Some(bytes) = ledger.bundle(hash)? else { return Ok(None) };
        Ok(Some(match ProofBundle::from_bytes(&bytes) {
            Ok(bundle) => self.check(hash, &bundle),
            Err(_) => Err(RelayRefusal::BadProof),
        }))
    }

    /// What a bundle of this name proves.
    pub(super) fn check(&mut self, hash: BundleHash, bundle: &ProofBundle) -> Proof {
        if let Some(proof) = self.checked.get(&hash) {
            return proof.clone();
        }
        let proof = bundle.check().map(Arc::new);
        self.note(hash, proof.clone());
        proof
    }

    /// Remembers what was checked.
    fn note(&mut self, hash: BundleHash, proof: Proof) {
        if self.checked.insert(hash, proof).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > limits::PROOFS
            && let Some(oldest) = self.order.pop_front()
        {
            self.checked.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::around;

    #[test]
    fn no_more_proofs_are_remembered_than_the_bound() {
        let most = limits::PROOFS;
        around(limits::PROOFS, [most - 1, most, most], |n| {
            let mut proofs = Proofs::default();
            for number in 0..n {
                let hash = BundleHash::new([u8::try_from(number).unwrap(); 32]);
                proofs.note(hash, Err(RelayRefusal::BadProof));
            }
            assert_eq!(proofs.checked.len(), proofs.order.len());
            proofs.order.len()
        });
    }
}
