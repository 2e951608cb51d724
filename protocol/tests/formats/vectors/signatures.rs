//! `H`, `Sign` and strict verification.

use hearth_protocol::{
    bytes::Bytes,
    id::{Context, hash},
    key::{PublicKey, Signature},
};

use super::{File, Json, hex, object};
use crate::cast::sign;

/// What is hashed and signed, beside nothing.
const INPUT: &[u8] = b"hearth";
/// Whose key signs.
const SEED: [u8; 32] = [0x11; 32];

/// Contexts whose signatures travel.
pub(crate) const SIGNING: [Context; 15] = [
    Context::COMMUNITY,
    Context::OP,
    Context::ITEM,
    Context::ENVELOPE,
    Context::INVITE,
    Context::JOIN,
    Context::REVEAL,
    Context::DEVICE,
    Context::AUTH,
    Context::STALE,
    Context::INVITE_AUTH,
    Context::PREVIEW_AUTH,
    Context::PAIR_AUTH,
    Context::RESTORE_AUTH,
    Context::API,
];

/// The order of the base point, little-endian: adding it to `s` gives a second form that RFC 8032 refuses.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn with_order_added(signature: &[u8; 64]) -> [u8; 64] {
    let mut altered = *signature;
    let mut carry = 0u16;
    for (to, add) in altered[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*to) + u16::from(add);
        *to = u8::try_from(carry & 0xff).expect("eight bits");
        carry >>= 8;
    }
    altered
}

pub(super) fn file() -> File {
    let about = "H(ctx, x) is BLAKE3 derive_key; Sign(ctx, x) is Ed25519 over ctx || 0x00 || H(ctx, x). Refused signatures are those \
                 that strict verification refuses. Two further lists: hashes and signatures.";
    let mut file = File::new("ids-and-signatures", "README.md", about);
    let hashes = Context::ALL.iter().flat_map(|context| {
        let of = |input: &[u8]| object! { "context": context.as_str(), "input": hex(input), "hash": hex(hash(*context, input)) };
        [of(b""), of(INPUT)]
    });
    let signatures = SIGNING.iter().map(|context| {
        let (key, signature) = sign(&SEED, *context, INPUT);
        let signed = [context.as_str().as_bytes(), &[0], &hash(*context, INPUT)].concat();
        object! {
            "context": context.as_str(),
            "seed": hex(SEED),
            "key": hex(key.0),
            "input": hex(INPUT),
            "signed": hex(signed),
            "signature": hex(signature.0),
        }
    });
    file.more.push(("hashes", Json::List(hashes.collect())));
    file.more.push(("signatures", Json::List(signatures.collect())));
    file.more.push(("refused_signatures", Json::List(refused())));
    file
}

fn refused() -> Vec<Json> {
    let (key, signature) = sign(&SEED, Context::OP, INPUT);
    let mut flipped = signature.0.0;
    flipped[0] ^= 1;
    // A key of order 4 with R = 0 and s = 0 fits every input where the check is lenient.
    let (weak, zero) = (PublicKey(Bytes([0; 32])), Signature(Bytes([0; 64])));
    let mut one = [0; 32];
    one[0] = 1;
    let mut identity = [0; 64];
    identity[0] = 1;
    let cases = [
        ("made for another context", Context::ITEM, key, signature),
        ("one bit of R flipped", Context::OP, key, Signature(Bytes(flipped))),
        ("s not reduced: s + L", Context::OP, key, Signature(Bytes(with_order_added(&signature.0.0)))),
        ("a key of small order", Context::OP, weak, zero),
        ("the neutral element as key and as R, s = 0", Context::OP, PublicKey(Bytes(one)), Signature(Bytes(identity))),
    ];
    let case = |(name, context, key, signature): (&'static str, Context, PublicKey, Signature)| {
        assert!(key.verify(context, INPUT, &signature).is_err(), "{name}");
        object! { "name": name, "context": context.as_str(), "key": hex(key.0), "input": hex(INPUT), "signature": hex(signature.0) }
    };
    cases.into_iter().map(case).collect()
}
