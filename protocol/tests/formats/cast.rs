//! The people of the vectors, made from fixed secrets, and the signing that only tests do: of bytes that no honest
//! node would sign.
//!
//! Leaves to others: what they do (`story`). Always true: the same in every run and on every machine.

use ed25519_dalek::{Signer as _, SigningKey};
use hearth_protocol::{
    bytes::{Blob, Bytes, List},
    epoch::SealingKey,
    id::{Context, PersonId, hash},
    key::{PublicKey, SecretKey, Signature},
    person::{Ladder, PersonRecord},
    signed::{KeyAndSignature, Signed},
    text::Text,
    time::Millis,
};

/// When everything begins: 2025-10-09T08:53:20Z.
pub(crate) const BEGIN: Millis = Millis(1_760_000_000_000);

/// So many minutes later.
pub(crate) fn at(minutes: u64) -> Millis {
    BEGIN.after(minutes * 60_000)
}

/// Somebody with the 24 words and one device.
pub(crate) struct Actor {
    pub(crate) name: &'static str,
    pub(crate) entropy: [u8; 32],
    pub(crate) ladder: Ladder,
    pub(crate) device_seed: [u8; 32],
    pub(crate) device: SecretKey,
    pub(crate) sealing: SealingKey,
}

impl Actor {
    /// Number `n` has the entropy `nn...`, the device seed `(16 + n)...` and the sealing key `(32 + n)...`.
    pub(crate) fn new(name: &'static str, number: u8) -> Actor {
        let (entropy, device_seed) = ([number; 32], [0x10 + number; 32]);
        Actor {
            name,
            entropy,
            ladder: Ladder::new(entropy),
            device_seed,
            device: SecretKey::new(&device_seed),
            sealing: SealingKey::new([0x20 + number; 32]),
        }
    }

    pub(crate) fn id(&self) -> PersonId {
        self.ladder.person()
    }

    pub(crate) fn record(&self) -> PersonRecord {
        self.ladder.record(self.device.public(), self.sealing.public(), BEGIN)
    }
}

/// A list within its bounds.
pub(crate) fn list<T, const MIN: usize, const MAX: usize>(elements: Vec<T>) -> List<T, MIN, MAX> {
    List::new(elements).expect("the samples are within the bounds")
}

/// A text within its bound.
pub(crate) fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::exact(text.to_owned()).expect("the samples are within the bounds")
}

/// Bytes within their bound.
pub(crate) fn blob<const MAX: usize>(bytes: Vec<u8>) -> Blob<MAX> {
    Blob::new(bytes).expect("the samples are within the bounds")
}

/// `Sign(ctx, x)`, written down a second time from the page: Ed25519 over `ctx || 0x00 || H(ctx, x)`.
pub(crate) fn sign(seed: &[u8; 32], context: Context, bytes: &[u8]) -> (PublicKey, Signature) {
    let key = SigningKey::from_bytes(seed);
    let signed = [context.as_str().as_bytes(), &[0], &hash(context, bytes)].concat();
    (PublicKey(Bytes(key.verifying_key().to_bytes())), Signature(Bytes(key.sign(&signed).to_bytes())))
}

/// A signed structure around any bytes, as somebody might make who does not follow the page.
pub(crate) fn signed_by(seeds: &[[u8; 32]], context: Context, payload: &[u8]) -> Signed {
    let mut signatures: Vec<KeyAndSignature> = seeds
        .iter()
        .map(|seed| {
            let (key, signature) = sign(seed, context, payload);
            KeyAndSignature(key, signature)
        })
        .collect();
    signatures.sort_unstable();
    Signed { payload: blob(payload.to_vec()), signatures: list(signatures) }
}
