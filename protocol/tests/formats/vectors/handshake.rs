//! The handshake: transcript, tags, keys, proofs, sealed hellos, the sealed join, and the look before it.

use hearth_protocol::{
    bytes::Bytes,
    encoding::encode,
    epoch::SealingKey,
    hello::{
        JoinRequest, PreviewRequest, Proof, SEALED_HELLO_BYTES, SealedHello, Speaker, StaleHello, Transcript, padding,
    },
    id::{Context, hash_all},
    random::Random,
};

use super::{File, Json, hex, object};
use crate::{
    asks::{self, HELLO_SEED, hello_plain, hello_signed, hpke_open, hpke_seal, sealed_to_alice},
    cast::sign,
    cbor::{NULL, Node, edited, replaced},
    story::WORLD,
};

/// The seed of the padding.
pub(super) const PADDING_SEED: [u8; 32] = [0x64; 32];

/// Binary names of two peers, and their nonces.
pub(crate) const ASKER: (&[u8], [u8; 32]) = (b"peer of the asker", [0xa1; 32]);
/// The other end.
pub(crate) const ANSWERER: (&[u8], [u8; 32]) = (b"other peer", [0xb2; 32]);

pub(crate) fn transcript() -> Transcript {
    Transcript::new((ASKER.0, &ASKER.1), (ANSWERER.0, &ANSWERER.1))
}

/// `T`, written down a second time from the page.
pub(crate) fn transcript_bytes() -> [u8; 32] {
    let (lo, hi) = if ASKER.0 <= ANSWERER.0 { (ASKER, ANSWERER) } else { (ANSWERER, ASKER) };
    let length = |name: &[u8]| u8::try_from(name.len()).expect("short names");
    hash_all(Context::HELLO, &[&[length(lo.0)], lo.0, &[length(hi.0)], hi.0, &lo.1, &hi.1])
}

pub(super) fn file() -> File {
    let about = "One connection between an asker and an answerer. `connection` has the transcript T and all that derives from it and from \
                 the epoch key of the garden; the proofs and the requests to join and to look are sealed under keys of this connection, as in \
                 epochs.json. `sealed_hellos`: HPKE as in epochs.json, `info` is T; `ikm` is what DeriveKeyPair of RFC 9180 makes the \
                 ephemeral key from. `refused_hellos` do not open, or do not hold.";
    let mut file = File::new("handshake", "handshake.md", about);
    let (w, t, transcript) = (&*WORLD, transcript_bytes(), transcript());
    let garden = w.garden.id();
    let tag = |byte: u8| hex(&hash_all(Context::HELLO_TAG, &[w.epoch.as_bytes(), &t, &[byte]])[..16]);
    for (byte, speaker) in [(0, Speaker::Asker), (1, Speaker::Answerer)] {
        assert_eq!(
            transcript.tag(&w.epoch, speaker).0,
            hash_all(Context::HELLO_TAG, &[w.epoch.as_bytes(), &t, &[byte]])[..16]
        );
    }
    let connection = object! {
        "asker": hex(ASKER.0),
        "asker_nonce": hex(ASKER.1),
        "answerer": hex(ANSWERER.0),
        "answerer_nonce": hex(ANSWERER.1),
        "transcript": hex(t),
        "community": hex(garden.as_bytes()),
        "epoch_key": hex(w.epoch.as_bytes()),
        "asker_tag": tag(0),
        "answerer_tag": tag(1),
        "join_tag": hex(transcript.join_tag(garden)),
        "inner_key": hex(transcript.inner_key(&w.epoch).as_bytes()),
        "join_key": hex(transcript.join_key(garden).as_bytes()),
    };
    proofs(&mut file, &t);
    joins(&mut file, &t);
    looks(&mut file, &t);
    file.more.push(("connection", connection));
    file.more.push(("sealed", Json::List(sealed())));
    file.more.push(("sealed_hellos", Json::List(vec![sealed_hello(), padded()])));
    file.more.push(("refused_hellos", Json::List(refused_hellos())));
    file
}

pub(crate) fn proved(t: &[u8; 32], direction: u8) -> Vec<u8> {
    [&t[..], WORLD.garden.id().as_bytes(), &[direction]].concat()
}

fn proofs(file: &mut File, t: &[u8; 32]) {
    let w = &*WORLD;
    for (byte, name, actor) in
        [(0, "bob proves himself as the asker", &w.bob), (1, "alice proves herself as the answerer", &w.alice)]
    {
        let (device, signature) = sign(&actor.device_seed, Context::AUTH, &proved(t, byte));
        let proof = encode(&Proof { person: actor.id(), device, signature });
        file.accept(
            name,
            "proof",
            &proof,
            object! { "device_seed": hex(actor.device_seed), "signed": hex(proved(t, byte)) },
        );
        if byte == 0 {
            file.refuse(
                "a proof with a signature of 63 bytes",
                "proof",
                &replaced(&proof, 2, Node::Bytes(vec![0; 63])),
                "wrong_shape",
            );
            file.refuse(
                "a proof with a number that is not the shortest",
                "proof",
                &[&[0x98, 0x03], &proof[1..]].concat(),
                "not_shortest",
            );
        }
    }
}

fn joins(file: &mut File, t: &[u8; 32]) {
    let w = &*WORLD;
    let (_, invite) = sign(&w.invite.secret().seed(), Context::INVITE_AUTH, &proved(t, 0));
    let request = encode(&JoinRequest { cert: w.invite.cert.signed.clone(), join: w.join.clone(), invite });
    let inputs = object! { "invite_secret": hex(w.invite.secret().seed().as_slice()), "signed": hex(proved(t, 0)) };
    file.accept("bob asks to join", "join_request", &request, inputs);
}

fn looks(file: &mut File, t: &[u8; 32]) {
    let w = &*WORLD;
    let request = encode(&asks::look());
    let inputs = object! { "invite_secret": hex(w.invite.secret().seed().as_slice()), "signed": hex(proved(t, 0)) };
    file.accept("bob asks to look before joining", "preview_request", &request, inputs);
    let short = replaced(&request, 1, Node::Bytes(vec![0; 63]));
    file.refuse("a request to look with a signature of 63 bytes", "preview_request", &short, "wrong_shape");
    let long = edited(&request, |fields| fields.push(NULL));
    file.refuse("a request to look with a third field", "preview_request", &long, "not_canonical");
    let seen = encode(&asks::seen());
    file.accept("what bob sees: genesis, charter, three members", "preview", &seen, Json::Null);
    file.accept("a preview without a charter", "preview", &replaced(&seen, 1, NULL), Json::Null);
    let many = replaced(&seen, 2, Node::Uint(1 << 32));
    file.refuse("a preview with more members than 32 bits count", "preview", &many, "wrong_shape");
}

/// Bob's hello to alice, written down a second time from the page.
fn sealed_hello() -> Json {
    let (w, t) = (&*WORLD, transcript_bytes());
    let plain = hello_plain(Context::STALE, &hello_signed());
    let sealed = sealed_to_alice(&plain);
    assert_eq!(asks::sealed_hello().0, *sealed.as_slice(), "the code seals as the page says");
    assert_eq!(SEALED_HELLO_BYTES, sealed.len());
    let ikm: [u8; 32] = Random::new(&HELLO_SEED).bytes();
    object! {
        "name": "bob says hello to alice in the garden",
        "sealing_key": hex(w.alice.sealing.as_bytes()),
        "sealing_public": hex(w.alice.sealing.public()),
        "info": hex(t),
        "ikm": hex(ikm),
        "device_seed": hex(w.bob.device_seed),
        "signed": hex(hello_signed()),
        "key": hex(asks::FRESH),
        "plain": hex(plain),
        "sealed": hex(sealed),
    }
}

/// What is in padding: as many zeros, sealed to a key that is thrown away.
fn padded() -> Json {
    let t = transcript_bytes();
    let made = padding(&transcript(), &mut Random::new(&PADDING_SEED));
    let mut random = Random::new(&PADDING_SEED);
    let nobody = SealingKey::new(random.bytes());
    let ikm: [u8; 32] = {
        let mut random = Random::new(&PADDING_SEED);
        let _: [u8; 32] = random.bytes();
        random.bytes()
    };
    let zeros = vec![0; SEALED_HELLO_BYTES - 48];
    assert_eq!(made.0, *hpke_seal(&nobody.public(), &zeros, &t, &mut random).as_slice());
    assert_eq!(hpke_open(&made.0, &nobody, &t), Some(zeros.clone()));
    object! {
        "name": "padding",
        "sealing_key": hex(nobody.as_bytes()),
        "sealing_public": hex(nobody.public()),
        "info": hex(t),
        "ikm": hex(ikm),
        "device_seed": Json::Null,
        "signed": Json::Null,
        "key": Json::Null,
        "plain": hex(zeros),
        "sealed": hex(made),
    }
}

fn refused_hellos() -> Vec<Json> {
    let (w, transcript) = (&*WORLD, transcript());
    let plain = hello_plain(Context::STALE, &hello_signed());
    let (good, to_bob) = (sealed_to_alice(&plain), w.bob.sealing.public());
    let flipped = |at: usize| {
        let mut altered = good.clone();
        altered[at] ^= 1;
        altered
    };
    let elsewhere = [&[0; 32][..], &hello_signed()[32..]].concat();
    let other_community = replaced(&plain, 0, Node::Bytes(w.library.id().as_bytes().to_vec()));
    let mut random = Random::new(&HELLO_SEED);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("padding", padding(&transcript, &mut Random::new(&PADDING_SEED)).0.to_vec()),
        ("sealed to another device", hpke_seal(&to_bob, &plain, &transcript_bytes(), &mut random)),
        ("sealed on another connection", hpke_seal(&w.alice.sealing.public(), &plain, &[0; 32], &mut random)),
        ("with another encapsulated key", flipped(0)),
        ("with another ciphertext", flipped(32)),
        ("with another authenticator", flipped(good.len() - 1)),
        ("with a signature of another connection", sealed_to_alice(&hello_plain(Context::STALE, &elsewhere))),
        ("signed as a proof", sealed_to_alice(&hello_plain(Context::AUTH, &hello_signed()))),
        ("with another community than was signed", sealed_to_alice(&other_community)),
        ("with another key than was signed", sealed_to_alice(&replaced(&plain, 3, Node::Bytes(vec![0; 32])))),
        (
            "with another device than signed",
            sealed_to_alice(&replaced(&plain, 2, Node::Bytes(w.eve.device.public().0.0.to_vec()))),
        ),
    ];
    let case = |(name, sealed): (&'static str, Vec<u8>)| {
        let hello: SealedHello = Bytes::try_from(sealed.as_slice()).expect("each has the one length");
        assert_eq!(StaleHello::open(&hello, &transcript, &w.alice.sealing), None, "{name}");
        object! { "name": name, "sealing_key": hex(w.alice.sealing.as_bytes()), "sealed": hex(sealed) }
    };
    cases.into_iter().map(case).collect()
}

/// What travels, and under which key.
fn sealed() -> Vec<Json> {
    let (w, transcript, garden) = (&*WORLD, transcript(), WORLD.garden.id());
    let asker = Proof::seal(&transcript, garden, &w.epoch, Speaker::Asker, w.bob.id(), &w.bob.device);
    let answerer = Proof::seal(&transcript, garden, &w.epoch, Speaker::Answerer, w.alice.id(), &w.alice.device);
    let join = JoinRequest::seal(&transcript, garden, w.invite.cert.signed.clone(), w.join.clone(), &w.invite.secret());
    let (cert, secret) = (w.invite.cert.signed.clone(), w.invite.secret());
    let look = PreviewRequest::seal(&transcript, garden, cert, &secret);
    let under_join_key = |plain: &[u8]| transcript.join_key(garden).seal(plain, &[]);
    assert_eq!(look, under_join_key(&encode(&asks::look())), "the code seals as the page says");
    vec![
        object! { "name": "the asker's proof, under inner_key", "sealed": hex(asker) },
        object! { "name": "the answerer's proof, under inner_key", "sealed": hex(answerer) },
        object! { "name": "the request to join, under join_key", "sealed": hex(join) },
        object! { "name": "the request to look, under join_key", "sealed": hex(look) },
        object! { "name": "the preview, under join_key", "sealed": hex(under_join_key(&encode(&asks::seen()))) },
    ]
}
