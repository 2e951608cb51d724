//! Checks that need no state: decoding and signatures. They cost most, so nodes run them beside
//! the engine, on other threads; what comes out is safe to decide upon.

use crate::{
    authority::Operation,
    bytes::Bytes,
    encoding::Malformed,
    epoch::{EpochBlob, EpochKey},
    id::{BundleHash, EnvelopeId, ItemId},
    item::{Body, Header, Item, SaltedBody},
    key::KnownKeys,
    limits,
    link::{Carry, Envelope},
    person::{Person, PersonRecord},
    signed::{Payload as _, Signed, Unsound, Verified},
    wire::{AnyId, Gossip, Response, SetName, Thing},
};

/// An item whose signature holds, whose body is the one it names, and whose envelope, if any, is
/// its broker's.
#[derive(Debug, Clone)]
pub struct CheckedCarry {
    /// The item.
    pub item: Item,
    /// Its salted body, and what it says.
    pub body: Option<(SaltedBody, Body)>,
    /// The envelope of a relayed item.
    pub envelope: Option<Verified<Envelope>>,
    /// The author, as the sender says.
    pub person: Option<(Person, PersonRecord)>,
}

impl CheckedCarry {
    /// Checks a carry.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn check(carry: Carry) -> Result<CheckedCarry, Unsound> {
        CheckedCarry::check_with(carry, &mut KnownKeys::default())
    }

    fn check_with(carry: Carry, keys: &mut KnownKeys) -> Result<CheckedCarry, Unsound> {
        let item = carry.item.check_with(keys)?;
        let body = match carry.body {
            Some(salted) => {
                let body = item.body(&salted)?;
                Some((salted, body))
            }
            None => None,
        };
        let envelope = carry.envelope.map(Verified::<Envelope>::check).transpose()?;
        if let Some(envelope) = &envelope {
            let says = &envelope.value;
            if says.item != item.id || !envelope.signed.signed_only_by(says.device) || carry.bundle != Some(says.proof)
            {
                return Err(Unsound::WrongSigner);
            }
        }
        let person = match carry.person {
            Some(record) => Some((record.check()?, record)),
            None => None,
        };
        Ok(CheckedCarry { item, body, envelope, person })
    }

    /// The item's id.
    #[must_use]
    pub fn id(&self) -> ItemId {
        self.item.id
    }

    /// The envelope's id.
    #[must_use]
    pub fn envelope_id(&self) -> Option<EnvelopeId> {
        self.envelope.as_ref().map(|envelope| envelope.id().into())
    }
}

/// Gossip whose seal has been opened and whose signatures hold.
#[derive(Debug)]
pub enum CheckedGossip {
    /// An operation.
    Operation(Box<Verified<Operation>>),
    /// An item.
    Carry(Box<CheckedCarry>),
    /// An Epoch with its sealed keys.
    Epoch(Box<Verified<Operation>>, EpochBlob),
}

/// Gossip whose seal has been opened, and no more.
#[derive(Debug)]
pub struct OpenedGossip(Gossip);

/// Opens gossip that was sealed under `key` for `topic`.
///
/// # Errors
/// [`Unsound`].
pub fn open_gossip(sealed: &[u8], key: &EpochKey, topic: &str) -> Result<OpenedGossip, Unsound> {
    let bytes = key.open(sealed, topic.as_bytes()).map_err(|_| Malformed::Field("the seal does not open"))?;
    Ok(OpenedGossip(Gossip::from_bytes(&bytes)?))
}

impl OpenedGossip {
    /// What it would bring, and into which set: who has that need not check it. None where a second copy may bring
    /// something else than the first, such as the keys of an epoch.
    #[must_use]
    pub fn brings(&self) -> Option<(SetName, AnyId)> {
        match &self.0 {
            Gossip::Operation(signed) => Some((SetName::Operations, Bytes(signed.id::<Operation>()))),
            Gossip::Carry(carry) if carry.envelope.is_none() => {
                let header = Header::from_canonical(carry.item.header.as_slice()).ok()?;
                Some((SetName::of(header.scope), carry.item.id().0))
            }
            Gossip::Carry(_) | Gossip::Epoch(..) => None,
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn check(self) -> Result<CheckedGossip, Unsound> {
        Ok(match self.0 {
            Gossip::Operation(signed) => CheckedGossip::Operation(Box::new(Verified::check(signed)?)),
            Gossip::Carry(carry) => CheckedGossip::Carry(Box::new(CheckedCarry::check(*carry)?)),
            Gossip::Epoch(signed, blob) => CheckedGossip::Epoch(Box::new(Verified::check(signed)?), blob),
        })
    }
}

/// Opens and checks gossip that was sealed under `key` for `topic`.
///
/// # Errors
/// [`Unsound`].
pub fn check_gossip(sealed: &[u8], key: &EpochKey, topic: &str) -> Result<CheckedGossip, Unsound> {
    open_gossip(sealed, key, topic)?.check()
}

/// One fetched thing; those that are unsound are named and left out.
#[derive(Debug)]
pub enum Fetched {
    /// Of [`SetName::Operations`].
    Operation(Box<Verified<Operation>>),
    /// Of [`SetName::Items`] and [`SetName::Envelopes`].
    Carry(Box<CheckedCarry>),
    /// Of [`SetName::Bundles`].
    Bundle(BundleHash, Vec<u8>),
    /// Of [`SetName::Blobs`].
    Blob(AnyId, Vec<u8>),
    /// Unsound.
    Refused(Unsound),
}

/// Reads a response frame, and checks what a fetch brings: the frame, emptied, and the things.
///
/// # Errors
/// [`Malformed`] when it is no frame; what is unsound within it is left out by name.
pub fn check_response(bytes: &[u8]) -> Result<(Response, Vec<Fetched>), Malformed> {
    let (response, things) = read_response(bytes)?;
    Ok((response, things.check()))
}

/// Reads a response frame: the frame, emptied, and what it brings.
///
/// # Errors
/// [`Malformed`] when it is no frame.
pub fn read_response(bytes: &[u8]) -> Result<(Response, Unchecked), Malformed> {
    let nothing = Unchecked { set: SetName::Operations, things: Vec::new() };
    Ok(match Response::from_bytes(bytes)? {
        Response::Fetch(set, things) => (Response::Fetch(set, Vec::new()), Unchecked { set, things }),
        Response::Take(set, things, next) => (Response::Take(set, Vec::new(), next), Unchecked { set, things }),
        plain => (plain, nothing),
    })
}

/// Things of a set, as they came.
#[derive(Debug)]
pub struct Unchecked {
    set: SetName,
    things: Vec<Thing>,
}

impl Unchecked {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.things.len()
    }

    /// Takes the last ones away, to be checked elsewhere, and leaves so many.
    #[must_use]
    pub fn split_off(&mut self, first: usize) -> Unchecked {
        let things = self.things.split_off(first.min(self.things.len()));
        Unchecked { set: self.set, things }
    }

    /// Checks each. What is unsound is left out by name.
    #[must_use]
    pub fn check(self) -> Vec<Fetched> {
        let Unchecked { set, things } = self;
        let mut keys = KnownKeys::default();
        let mut check = |thing: Thing| check_fetched(set, thing.into_vec(), &mut keys).unwrap_or_else(Fetched::Refused);
        things.into_iter().map(&mut check).collect()
    }
}

fn check_fetched(set: SetName, bytes: Vec<u8>, keys: &mut KnownKeys) -> Result<Fetched, Unsound> {
    Ok(match set {
        SetName::Operations => Fetched::Operation(Box::new(Verified::check(Signed::from_bytes(
            &bytes,
            limits::OPERATION_BYTES.saturating_add(2048),
        )?)?)),
        SetName::Items | SetName::Inner | SetName::Envelopes => {
            Fetched::Carry(Box::new(CheckedCarry::check_with(Carry::from_bytes(&bytes)?, keys)?))
        }
        SetName::Bundles => {
            if bytes.len() > limits::BUNDLE_BYTES {
                return Err(Malformed::TooLong { most: limits::BUNDLE_BYTES, found: bytes.len() }.into());
            }
            Fetched::Bundle(crate::link::bundle_hash(&bytes), bytes)
        }
        SetName::Blobs => {
            let blob: crate::epoch::EpochBlob = crate::encoding::decode(&bytes, limits::EPOCH_BLOB_BYTES)?;
            Fetched::Blob(crate::epoch::blob_hash(&blob), bytes)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{around, up_to};

    #[test]
    fn what_is_fetched_is_no_longer_than_it_may_be() {
        let fetched = |set, bytes| check_fetched(set, vec![0; bytes], &mut KnownKeys::default()).err();
        let zeros = Some(Unsound::Malformed(Malformed::Trailing));
        let too_long = |most: usize| Unsound::Malformed(Malformed::TooLong { most, found: most + 1 });
        let blobs = [zeros, zeros, Some(too_long(limits::EPOCH_BLOB_BYTES))];
        around(limits::EPOCH_BLOB_BYTES, blobs, |n| fetched(SetName::Blobs, n));
        up_to(limits::BUNDLE_BYTES, too_long(limits::BUNDLE_BYTES), |n| {
            check_fetched(SetName::Bundles, vec![0; n], &mut KnownKeys::default())
        });
        // Beside the operation stand its signatures.
        let beside = 2048;
        let operations = [zeros, zeros, Some(too_long(limits::OPERATION_BYTES + beside))];
        around(limits::OPERATION_BYTES, operations, |n| fetched(SetName::Operations, n + beside));
    }
}
