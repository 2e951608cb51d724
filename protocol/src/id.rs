//! Names by hash: one type for each kind of thing that is named, and the contexts that keep them
//! apart (section 2).
//!
//! `H(ctx, x)` is BLAKE3's `derive_key` mode, so equal bytes under two contexts have unrelated
//! hashes (P28).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, WrongLength};

/// What a hash or a signature is for. The text is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Context(&'static str);

impl Context {
    /// The text of the context.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

macro_rules! contexts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        impl Context {
            $($(#[$doc])* pub const $name: Context = Context($text);)+
            /// Every context there is.
            pub const ALL: &'static [Context] = &[$(Context::$name),+];
        }
    };
}

contexts! {
    /// Names a community by its genesis, and signs the genesis.
    COMMUNITY = "hearth/1/community";
    /// Names and signs operations.
    OP = "hearth/1/op";
    /// Names and signs item headers.
    ITEM = "hearth/1/item";
    /// Names item bodies.
    BODY = "hearth/1/body";
    /// Names and signs envelopes.
    ENVELOPE = "hearth/1/envelope";
    /// Names proof bundles.
    PROOF = "hearth/1/proof";
    /// Names and signs invite certificates.
    INVITE = "hearth/1/invite";
    /// Derives the secret key of an invite.
    INVITE_SK = "hearth/1/invite-sk";
    /// The check bytes of a pasted invite key.
    INVITE_CHECK = "hearth/1/invite-check";
    /// Names and signs joins; with a handshake, the tag of a join.
    JOIN = "hearth/1/join";
    /// The key under which a join travels.
    JOIN_SEAL = "hearth/1/join-seal";
    /// Proof, over a handshake, of holding an invite key.
    INVITE_AUTH = "hearth/1/invite-auth";
    /// Names a person by the inception.
    PERSON = "hearth/1/person";
    /// Derives the keys of the ladder from the entropy of the words.
    ID_KEY = "hearth/1/id-key";
    /// Derives the nonce of the inception.
    ID_NONCE = "hearth/1/id-nonce";
    /// Commits to a key of the ladder.
    ID_COMMIT = "hearth/1/id-commit";
    /// Signs reveals.
    REVEAL = "hearth/1/reveal";
    /// Signs device certificates.
    DEVICE = "hearth/1/device";
    /// Derives the recovery certificate's sealing key.
    RECOVERY_KEM = "hearth/1/recovery-kem";
    /// Derives the recovery certificate's device key.
    RECOVERY_SK = "hearth/1/recovery-sk";
    /// Commits to an epoch key.
    EPOCH_COMMIT = "hearth/1/epoch-commit";
    /// The tag that stands before what an epoch key sealed.
    EPOCH_TAG = "hearth/1/epoch-tag";
    /// Names blobs of sealed epoch keys.
    EPOCH_BLOB = "hearth/1/epoch-blob";
    /// The nonce of sealed bytes.
    SEAL = "hearth/1/seal";
    /// Gossip topics.
    TOPIC = "hearth/1/topic";
    /// The transcript of a handshake.
    HELLO = "hearth/1/hello";
    /// Tags of a handshake.
    HELLO_TAG = "hearth/1/hello-tag";
    /// The key of the inner part of a handshake.
    HELLO_KEY = "hearth/1/hello-key";
    /// Signs proofs of identity within a handshake.
    AUTH = "hearth/1/auth";
    /// Signs a hello that is sealed to a member who may share no epoch key with us (7.4).
    STALE = "hearth/1/stale";
    /// Signs a request to look at a community before joining.
    PREVIEW_AUTH = "hearth/1/preview-auth";
    /// The tag of a new device's request to be certified.
    PAIR = "hearth/1/pair";
    /// Seals that request, and its answer.
    PAIR_SEAL = "hearth/1/pair-seal";
    /// Signs that request with the new device.
    PAIR_AUTH = "hearth/1/pair-auth";
    /// The check at the end of a pairing code.
    PAIR_CHECK = "hearth/1/pair-check";
    /// The tag of somebody who has only the 24 words left.
    RESTORE = "hearth/1/restore";
    /// Seals what they ask, and the answer.
    RESTORE_SEAL = "hearth/1/restore-seal";
    /// Signs what they ask with the identity key.
    RESTORE_AUTH = "hearth/1/restore-auth";
    /// Signs the local API's proof of being this home's node.
    API = "hearth/1/api";
    /// Derives the generator that stands in for entropy in sealing.
    RANDOM = "hearth/1/random";
}

/// `H(ctx, x)`: 32 bytes.
#[must_use]
pub fn hash(context: Context, bytes: &[u8]) -> [u8; 32] {
    blake3::derive_key(context.0, bytes)
}

/// `H(ctx, a || b || ...)`: 32 bytes.
#[must_use]
pub fn hash_all(context: Context, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context.0);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Bytes<32>);

        impl $name {
            /// From its 32 bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                $name(Bytes(bytes))
            }
            /// Its 32 bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0.0
            }
        }
        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                $name(Bytes(bytes))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = WrongLength;
            fn from_str(text: &str) -> Result<Self, WrongLength> {
                text.parse().map($name)
            }
        }
    )+};
}

ids! {
    /// A standing selection of this node's person: by chance, and known to nobody else.
    SelectionId;
    /// A person: the hash of the inception.
    PersonId;
    /// A community: the hash of the genesis.
    CommunityId;
    /// An operation of an authority log; a community's id counts as one, with lamport 0.
    OpId;
    /// An item: the hash of its header.
    ItemId;
    /// A body: the hash of its salted bytes.
    BodyHash;
    /// An envelope.
    EnvelopeId;
    /// A proof bundle.
    BundleHash;
    /// An invite certificate.
    CertId;
}

impl From<CommunityId> for OpId {
    fn from(community: CommunityId) -> OpId {
        OpId(community.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_distinct_and_none_is_a_prefix_of_its_own_hash_input() {
        let mut texts: Vec<_> = Context::ALL.iter().map(|c| c.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Context::ALL.len());
        assert!(texts.iter().all(|t| t.starts_with("hearth/1/") && !t.contains('\0')));
    }

    #[test]
    fn equal_bytes_have_different_ids_in_different_contexts() {
        let mut hashes: Vec<_> = Context::ALL.iter().map(|c| hash(*c, b"same")).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), Context::ALL.len(), "P28");
    }
}
