//! Epoch keys: what derives from them, what they seal, and how they are sealed to devices.

use hearth_protocol::{
    bytes::Bytes,
    encoding::encode,
    epoch::{EpochKey, SealedKey, blob_hash, seal_to, sealing_info},
    id::OpId,
    random::Random,
};

use super::{File, Json, hex, object};
use crate::{
    cast::Actor,
    cbor::{Node, parse},
    story::{SEALING_SEED, WORLD},
};

pub(super) fn file() -> File {
    let about = "`keys`: what derives from an epoch key. `seals`: XChaCha20-Poly1305 with a nonce that derives from key and plaintext. \
                 `sealed_keys`: HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, empty associated data; `ikm` \
                 is what DeriveKeyPair of RFC 9180 makes the ephemeral key from. `refused_*` do not open.";
    let mut file = File::new("epochs", "epochs.md", about);
    let w = &*WORLD;
    file.accept(
        "the blob of the garden's first epoch",
        "epoch_blob",
        &encode(&w.blob),
        object! { "commit": hex(w.epoch.commit()) },
    );
    file.accept("an empty blob", "epoch_blob", &[0x80], Json::Null);
    let triple = parse(&encode(&w.blob)).elements()[0].clone();
    let with = |at: usize, node: Node| {
        let mut triple = triple.clone();
        triple.elements()[at] = node;
        Node::Array(vec![triple]).write()
    };
    file.refuse("a blob with a tag of 7 bytes", "epoch_blob", &with(0, Node::Bytes(vec![0; 7])), "wrong_shape");
    file.refuse(
        "a blob with a ciphertext of 47 bytes",
        "epoch_blob",
        &with(2, Node::Bytes(vec![0; 47])),
        "wrong_shape",
    );
    file.more.push(("keys", Json::List([[0; 32], [0x41; 32], [0xff; 32]].map(key).to_vec())));
    file.more.push(("seals", Json::List(seals())));
    file.more.push(("refused_seals", Json::List(refused_seals())));
    file.more.push(("sealed_keys", Json::List(sealed_keys())));
    file.more.push(("refused_sealed_keys", Json::List(refused_sealed_keys())));
    assert_eq!(
        blob_hash(&w.blob).0,
        hearth_protocol::id::hash(hearth_protocol::id::Context::EPOCH_BLOB, &encode(&w.blob))
    );
    file
}

fn key(bytes: [u8; 32]) -> Json {
    let key = EpochKey::new(bytes);
    object! { "key": hex(bytes), "commit": hex(key.commit()), "tag": hex(key.tag()), "topic": key.topic() }
}

fn seals() -> Vec<Json> {
    let key = EpochKey::new([0x41; 32]);
    let topic = key.topic();
    let cases: [(&str, &[u8], &[u8]); 3] = [
        ("nothing", b"", b""),
        ("a text", b"hearth", b""),
        ("a text as gossip: the topic is associated data", b"hearth", topic.as_bytes()),
    ];
    let seal = |(name, plaintext, aad): (&'static str, &[u8], &[u8])| {
        let sealed = key.seal(plaintext, aad);
        object! { "name": name, "key": hex(key.as_bytes()), "plaintext": hex(plaintext), "aad": hex(aad), "sealed": hex(sealed) }
    };
    cases.into_iter().map(seal).collect()
}

fn refused_seals() -> Vec<Json> {
    let key = EpochKey::new([0x41; 32]);
    let good = key.seal(b"hearth", b"");
    let flipped = |at: usize| {
        let mut altered = good.clone();
        altered[at] ^= 1;
        altered
    };
    let cases = vec![
        ("nothing", Vec::new(), Vec::new()),
        ("the tag alone", good[..8].to_vec(), Vec::new()),
        ("the tag of another key", flipped(0), Vec::new()),
        ("another nonce", flipped(8), Vec::new()),
        ("another ciphertext", flipped(32), Vec::new()),
        ("another authenticator", flipped(good.len() - 1), Vec::new()),
        ("cut short by a byte", good[..good.len() - 1].to_vec(), Vec::new()),
        ("a byte too many", [&good[..], &[0]].concat(), Vec::new()),
        ("other associated data", good.clone(), b"topic".to_vec()),
    ];
    let case = |(name, sealed, aad): (&'static str, Vec<u8>, Vec<u8>)| {
        assert!(key.open(&sealed, &aad).is_err(), "{name}");
        object! { "name": name, "key": hex(key.as_bytes()), "aad": hex(aad), "sealed": hex(sealed) }
    };
    cases.into_iter().map(case).collect()
}

/// One epoch key sealed to one device: what goes in, and what comes out.
fn sealed(name: &'static str, to: &Actor, key: &EpochKey, info: &[u8], seed: [u8; 32]) -> (Json, SealedKey) {
    let ikm: [u8; 32] = Random::new(&seed).bytes();
    let sealed =
        seal_to(to.device.public(), &to.sealing.public(), key, info, &mut Random::new(&seed)).expect("a usable key");
    let told = object! {
        "name": name,
        "device": hex(to.device.public().0),
        "sealing_key": hex(to.sealing.as_bytes()),
        "sealing_public": hex(to.sealing.public()),
        "info": hex(info),
        "ikm": hex(ikm),
        "epoch_key": hex(key.as_bytes()),
        "sealed": hex(encode(&sealed)),
    };
    (told, sealed)
}

fn sealed_keys() -> Vec<Json> {
    let w = &*WORLD;
    let genesis = sealing_info(w.garden.id(), &[OpId::from(w.garden.id())]);
    let (first, made) = sealed("the garden's first key, to alice", &w.alice, &w.epoch, &genesis, SEALING_SEED);
    assert_eq!(Some(&made), w.blob.first(), "the blob holds what is told here");
    let two = sealing_info(w.garden.id(), &[OpId::new([1; 32]), OpId::new([2; 32])]);
    let (second, _) =
        sealed("another key, to bob, on two parents", &w.bob, &EpochKey::new([0x42; 32]), &two, [0x62; 32]);
    vec![first, second]
}

fn refused_sealed_keys() -> Vec<Json> {
    let w = &*WORLD;
    let info = sealing_info(w.garden.id(), &[OpId::from(w.garden.id())]);
    let other = sealing_info(w.library.id(), &[OpId::from(w.library.id())]);
    let good = w.blob.first().expect("alice is in the blob").clone();
    let altered = |enc: bool| {
        let mut sealed = good.clone();
        let byte = if enc { &mut sealed.1.0[0] } else { &mut sealed.2.0[0] };
        *byte ^= 1;
        sealed
    };
    let small = SealedKey(good.0, Bytes([0; 32]), good.2);
    let cases = vec![
        ("for another device", w.bob.sealing.clone(), info.clone(), good.clone()),
        ("at another place of the log", w.alice.sealing.clone(), other, good.clone()),
        ("with another encapsulated key", w.alice.sealing.clone(), info.clone(), altered(true)),
        ("with another ciphertext", w.alice.sealing.clone(), info.clone(), altered(false)),
        ("with an encapsulated key of small order", w.alice.sealing.clone(), info, small),
    ];
    let case = |(name, key, info, sealed): (&'static str, hearth_protocol::epoch::SealingKey, Vec<u8>, SealedKey)| {
        assert!(key.open(&sealed, &info).is_err(), "{name}");
        object! { "name": name, "sealing_key": hex(key.as_bytes()), "info": hex(info), "sealed": hex(encode(&sealed)) }
    };
    cases.into_iter().map(case).collect()
}
