//! Device certificates: what a person's identity key says of a device.

use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::{
    bytes::Bytes,
    encoding::V1,
    id::{Context, PersonId},
    key::PublicKey,
    signed::payload,
    time::Millis,
};

/// What a device may sign: bits, as in D4b.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Caps(pub u8);

impl Caps {
    /// Nothing: the recovery certificate (D6b).
    pub const NONE: Caps = Caps(0);
    /// Items.
    pub const ITEMS: Caps = Caps(1);
    /// Operations of an authority log.
    pub const OPERATIONS: Caps = Caps(2);
    /// Admissions; one device of a person at a time.
    pub const ADMIT: Caps = Caps(8);
    /// All three: a person's first device.
    pub const ALL: Caps = Caps(11);

    /// Whether all of `wanted` are among these.
    #[must_use]
    pub fn include(self, wanted: Caps) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// `[1, PersonId, i, device_pk, kem_pk, caps, ts]`, signed by the identity key of rung `i`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct DeviceCert {
    /// 1.
    pub version: V1,
    /// Whose device.
    pub person: PersonId,
    /// The rung of the key that certifies.
    pub index: u8,
    /// The device's signing key.
    pub device: PublicKey,
    /// The device's X25519 key, to which epoch keys are sealed.
    pub kem: Bytes<32>,
    /// What it may sign.
    pub caps: Caps,
    /// When, as claimed.
    pub ts: Millis,
}

payload!(DeviceCert, Context::DEVICE, 256, |cert| {
    if cert.caps.0 & !Caps::ALL.0 == 0 { Ok(()) } else { Err("unknown capabilities") }
});
