//! The handshake: transcript, tags, keys, proofs and the sealed join.

use hearth_protocol::{
    encoding::encode,
    hello::{JoinRequest, Proof, Speaker, Transcript},
    id::{Context, hash_all},
};

use super::{File, Json, hex, object};
use crate::{
    cast::sign,
    cbor::{Node, replaced},
    story::WORLD,
};

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
                 the epoch key of the garden; the proofs and the request to join are sealed under keys of this connection, as in epochs.json.";
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
    file.more.push(("connection", connection));
    file.more.push(("sealed", Json::List(sealed())));
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

/// What travels, and under which key.
fn sealed() -> Vec<Json> {
    let (w, transcript, garden) = (&*WORLD, transcript(), WORLD.garden.id());
    let asker = Proof::seal(&transcript, garden, &w.epoch, Speaker::Asker, w.bob.id(), &w.bob.device);
    let answerer = Proof::seal(&transcript, garden, &w.epoch, Speaker::Answerer, w.alice.id(), &w.alice.device);
    let join = JoinRequest::seal(&transcript, garden, w.invite.cert.signed.clone(), w.join.clone(), &w.invite.secret());
    vec![
        object! { "name": "the asker's proof, under inner_key", "sealed": hex(asker) },
        object! { "name": "the answerer's proof, under inner_key", "sealed": hex(answerer) },
        object! { "name": "the request to join, under join_key", "sealed": hex(join) },
    ]
}
