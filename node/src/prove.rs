//! How a client of the local API knows that it talks to this home's node, before it shows the
//! token: the node signs the client's nonce with the device key.

use hearth_protocol::{
    bytes::Bytes,
    key::{PublicKey, Signature},
};

/// Whether `signature` is the device's over `nonce`.
#[must_use]
pub fn check(device: [u8; 32], nonce: [u8; 32], signature: [u8; 64]) -> bool {
    PublicKey(Bytes(device)).verify_api(&nonce, &Signature(Bytes(signature))).is_ok()
}
