//! Epoch keys: one random key for each period of a community, and what it seals (section 6).
//!
//! Whether an epoch is the right one to write under is decided by [`crate::authority`]; this
//! module makes, seals, opens and names.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload as AeadPayload},
};
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    bytes::{Bytes, List},
    encoding::encode,
    id::{CommunityId, Context, OpId, hash, hash_all},
    key::PublicKey,
    limits,
    random::Random,
};

/// Bytes that sealing adds: tag, nonce and authenticator.
pub const SEAL_OVERHEAD: usize = 8 + 24 + 16;

/// Who an epoch is for (E1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Peripheral members and up: 0.
    All,
    /// Members and up: 1.
    Inner,
}

impl Scope {
    /// Its number in the formats.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Scope::All => 0,
            Scope::Inner => 1,
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Scope::All),
            1 => Ok(Scope::Inner),
            _ => Err(serde::de::Error::custom("no such scope")),
        }
    }
}

/// The random key of one epoch; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochKey(Zeroizing<[u8; 32]>);

/// Why sealed bytes do not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Sealed under another key.
    #[error("sealed under another epoch's key")]
    OtherEpoch,
    /// Too short, or altered on the way.
    #[error("the sealed bytes were altered")]
    Altered,
}

impl EpochKey {
    /// From its 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        EpochKey(Zeroizing::new(bytes))
    }

    /// Its bytes, for keeping.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What an Epoch operation commits to (E2).
    #[must_use]
    pub fn commit(&self) -> Bytes<32> {
        Bytes(hash(Context::EPOCH_COMMIT, self.0.as_slice()))
    }

    /// The opaque mark before what it sealed (E7).
    #[must_use]
    pub fn tag(&self) -> [u8; 8] {
        first(&hash(Context::EPOCH_TAG, self.0.as_slice()))
    }

    /// The gossip topic of this epoch: 64 hexadecimal digits (7.5).
    #[must_use]
    pub fn topic(&self) -> String {
        Bytes(hash(Context::TOPIC, self.0.as_slice())).to_string()
    }

    /// `[epoch_tag:8, nonce:24, ct]`: XChaCha20-Poly1305 under a nonce that derives from key and
    /// plaintext, so that equal items seal to equal bytes (E7).
    ///
    /// # Panics
    /// Never: the cipher refuses only plaintexts of 256 GiB.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Vec<u8> {
        let nonce: [u8; 24] = first(&hash_all(Context::SEAL, &[self.0.as_slice(), plaintext]));
        let sealed = XChaCha20Poly1305::new(self.0.as_slice().try_into().expect("32 bytes are a key"))
            .encrypt(&XNonce::from(nonce), AeadPayload { msg: plaintext, aad })
            .expect("a frame is shorter than 256 GiB");
        [&self.tag()[..], &nonce, &sealed].concat()
    }

    /// The plaintext of sealed bytes.
    ///
    /// # Errors
    /// [`OpenError`].
    ///
    /// # Panics
    /// Never: a key has 32 bytes.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (tag, rest) = sealed.split_first_chunk::<8>().ok_or(OpenError::Altered)?;
        if *tag != self.tag() {
            return Err(OpenError::OtherEpoch);
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<24>().ok_or(OpenError::Altered)?;
        XChaCha20Poly1305::new(self.0.as_slice().try_into().expect("32 bytes are a key"))
            .decrypt(&XNonce::from(*nonce), AeadPayload { msg: ciphertext, aad })
            .map_err(|_| OpenError::Altered)
    }
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EpochKey({:?})", Bytes(self.tag()))
    }
}

/// A device's X25519 secret key, to which epoch keys are sealed; wiped when dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// From its 32 secret bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        SealingKey(Zeroizing::new(bytes))
    }

    /// Its secret bytes, for keeping.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its public key.
    ///
    /// # Panics
    /// Never: any 32 bytes are an X25519 secret key.
    #[must_use]
    pub fn public(&self) -> Bytes<32> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(public) = crate::testing::quick::public(&self.0) {
            return public;
        }
        let public = X25519HkdfSha256::sk_to_pk(&self.private()).to_bytes();
        Bytes::try_from(public.as_slice()).expect("an X25519 public key has 32 bytes")
    }

    fn private(&self) -> <X25519HkdfSha256 as hpke::Kem>::PrivateKey {
        <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(self.0.as_slice())
            .expect("any 32 bytes are an X25519 secret key")
    }

    /// Opens an epoch key that was sealed to this device.
    ///
    /// # Errors
    /// [`OpenError::Altered`] when it was sealed to another device, for another place in the log,
    /// or altered.
    pub fn open(&self, sealed: &SealedKey, info: &[u8]) -> Result<EpochKey, OpenError> {
        let key = self.open_bytes(&sealed.1.0, &sealed.2.0, info)?;
        Ok(EpochKey::new(key.as_slice().try_into().map_err(|_| OpenError::Altered)?))
    }

    /// Opens bytes that were sealed to this key with HPKE.
    pub(crate) fn open_bytes(&self, enc: &[u8; 32], ct: &[u8], info: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(opened) = crate::testing::quick::open(&self.0, enc, ct, info) {
            return opened;
        }
        let encapped = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(enc).map_err(|_| OpenError::Altered)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private(),
            &encapped,
            info,
            ct,
            &[],
        )
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Altered)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey({:?})", self.public())
    }
}

/// `[device_tag:8, enc:32, ct:48]`: an epoch key sealed to one device with HPKE (RFC 9180, base
/// mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305). The tag is the first 8
/// bytes of the device's signing key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SealedKey(pub Bytes<8>, pub Bytes<32>, pub Bytes<48>);

/// The sealed keys of one Epoch operation, ascending, at most 64 KiB; named by
/// `H("hearth/1/epoch-blob", bytes)` (E2).
pub type EpochBlob = List<SealedKey, 0, 600>;

/// The name of a blob.
#[must_use]
pub fn blob_hash(blob: &EpochBlob) -> Bytes<32> {
    Bytes(hash(Context::EPOCH_BLOB, &encode(blob)))
}

/// What a sealed key is bound to (E2): `community || op parents`.
#[must_use]
pub fn sealing_info(community: CommunityId, parents: &[OpId]) -> Vec<u8> {
    let mut info = community.as_bytes().to_vec();
    for parent in parents {
        info.extend_from_slice(parent.as_bytes());
    }
    info
}

/// Seals `key` to a device.
///
/// # Errors
/// [`OpenError::Altered`] when `kem` is no usable X25519 key (a point of small order).
pub fn seal_to(
    device: PublicKey,
    kem: &Bytes<32>,
    key: &EpochKey,
    info: &[u8],
    random: &mut Random,
) -> Result<SealedKey, OpenError> {
    let (enc, ct) = seal_bytes_to(kem, key.as_bytes(), info, random)?;
    let ct = Bytes::try_from(ct.as_slice()).map_err(|_| OpenError::Altered)?;
    Ok(SealedKey(Bytes(first(device.0.as_bytes())), enc, ct))
}

/// Seals bytes to a key with HPKE: what encapsulates the secret, and the bytes with 16 more.
pub(crate) fn seal_bytes_to(
    kem: &Bytes<32>,
    plaintext: &[u8],
    info: &[u8],
    random: &mut Random,
) -> Result<(Bytes<32>, Vec<u8>), OpenError> {
    #[cfg(any(test, feature = "testing"))]
    if let Some(sealed) = crate::testing::quick::seal(kem, plaintext, info, random) {
        return Ok(sealed);
    }
    let public = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(&kem.0).map_err(|_| OpenError::Altered)?;
    let (encapped, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        info,
        plaintext,
        &[],
        random,
    )
    .map_err(|_| OpenError::Altered)?;
    Ok((Bytes::try_from(encapped.to_bytes().as_slice()).map_err(|_| OpenError::Altered)?, sealed))
}

/// The first `N` of 32 bytes.
pub(crate) fn first<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    const { assert!(N <= 32, "32 bytes have no more") };
    let mut taken = [0; N];
    for (to, from) in taken.iter_mut().zip(bytes) {
        *to = *from;
    }
    taken
}

const _: () = assert!(limits::EPOCH_BLOB_BYTES >= 600 * (1 + 9 + 34 + 50), "a full blob fits its bound");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn sealed_bytes_open_under_their_key_and_aad_only() {
        let key = EpochKey::new([1; 32]);
        let sealed = key.seal(b"text", b"topic");
        assert_eq!(sealed.len(), 4 + SEAL_OVERHEAD);
        assert_eq!(key.open(&sealed, b"topic").unwrap(), b"text");
        assert_eq!(key.open(&sealed, b"other"), Err(OpenError::Altered));
        assert_eq!(EpochKey::new([2; 32]).open(&sealed, b"topic"), Err(OpenError::OtherEpoch));
        assert_eq!(sealed, key.seal(b"text", b"topic"), "equal items seal to equal bytes");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key.open(&altered, b"topic").is_err());
        }
    }

    #[test]
    fn a_key_is_sealed_to_one_device_at_one_place() {
        let (device, mine, other) =
            (SecretKey::new(&[3; 32]).public(), SealingKey::new([4; 32]), SealingKey::new([5; 32]));
        let key = EpochKey::new([6; 32]);
        let sealed = seal_to(device, &mine.public(), &key, b"place", &mut Random::new(&[0; 32])).unwrap();
        assert_eq!(mine.open(&sealed, b"place").unwrap(), key);
        assert!(mine.open(&sealed, b"elsewhere").is_err());
        assert!(other.open(&sealed, b"place").is_err());
    }
}
