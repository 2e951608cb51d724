//! T28: a signature is worth nothing as any other kind of signature, over all pairs. P28: nor is an id.

use std::collections::BTreeSet;

use hearth_protocol::{
    bytes::Bytes,
    encoding::encode,
    hello::{JoinRequest, PairRequest, PreviewRequest, Proof, RestoreRequest, Speaker, StaleHello},
    id::{Context, hash},
    key::{PublicKey, Signature},
    signed::Signed,
};

use crate::{
    asks::{self, Device},
    cast::{sign, signed_by},
    cbor::Node,
    decoders,
    story::WORLD,
    vectors::{SIGNING, proved_bytes, transcript},
};

/// One signed structure: how it is read, for what its signature is made, what is signed and by whom.
struct Sample {
    decoder: &'static str,
    context: Context,
    payload: Vec<u8>,
    seeds: Vec<[u8; 32]>,
}

impl Sample {
    /// Its bytes, signed for `context`.
    fn signed_for(&self, context: Context) -> Vec<u8> {
        if self.decoder == "item" {
            let (_, signature) = sign(&self.seeds[0], context, &self.payload);
            return Node::Array(vec![Node::Bytes(self.payload.clone()), Node::Bytes(signature.0.0.to_vec())]).write();
        }
        signed_by(&self.seeds, context, &self.payload).to_bytes()
    }
}

fn samples() -> Vec<Sample> {
    let w = &*WORLD;
    let payload = |signed: &Signed| signed.payload.as_slice().to_vec();
    let record = w.alice.record();
    let rung = *w.alice.ladder.key(0).seed();
    let sample = |decoder, context, payload, seeds| Sample { decoder, context, payload, seeds };
    vec![
        sample("genesis", Context::COMMUNITY, payload(&w.garden.log.community().signed), vec![w.alice.device_seed]),
        sample("operation", Context::OP, payload(&w.garden.steps[0].signed), vec![w.alice.device_seed]),
        sample("item", Context::ITEM, w.items[0].item.header.as_slice().to_vec(), vec![w.bob.device_seed]),
        sample("envelope", Context::ENVELOPE, payload(&w.relayed.envelope), vec![w.ferry.device_seed]),
        sample("invite_cert", Context::INVITE, payload(&w.invite.cert.signed), vec![w.alice.device_seed]),
        sample("knock", Context::JOIN, payload(&w.knock), vec![*w.carol.ladder.key(0).seed(), w.carol.device_seed]),
        sample("reveal", Context::REVEAL, payload(&record.reveals[0]), vec![rung]),
        sample("device", Context::DEVICE, payload(&record.devices[0]), vec![rung]),
    ]
}

#[test]
fn what_is_signed_for_one_purpose_is_refused_for_every_other() {
    let mut pairs = 0;
    for sample in samples() {
        for made in Context::ALL {
            let read = decoders::read(sample.decoder, &sample.signed_for(*made));
            if *made == sample.context {
                assert!(read.is_ok(), "{}: {read:?}", sample.decoder);
            } else {
                assert_eq!(read, Err("bad_signature".to_owned()), "{} signed for {made:?}", sample.decoder);
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 8 * (Context::ALL.len() - 1));
}

#[test]
fn the_bytes_of_one_signed_structure_are_no_other() {
    let samples = samples();
    for made in &samples {
        let bytes = made.signed_for(made.context);
        for read in &samples {
            let found = decoders::read(read.decoder, &bytes);
            assert_eq!(found.is_ok(), made.decoder == read.decoder, "{} as {}: {found:?}", made.decoder, read.decoder);
        }
    }
}

/// The signatures that stand in no signed structure: proofs of a handshake, of an invite key, of a new device, of an
/// identity key, of the local API.
#[test]
fn proofs_hold_for_their_own_purpose_only() {
    let w = &*WORLD;
    let (asker, nonce) = (proved_bytes(0), [0x5a; 32]);
    let mut all: Vec<(Context, Vec<u8>, [u8; 32])> =
        samples().into_iter().map(|s| (s.context, s.payload, s.seeds[0])).collect();
    let (new, back) = (Device::paired(), Device::restored());
    all.push((Context::AUTH, asker.clone(), w.bob.device_seed));
    all.push((Context::INVITE_AUTH, asker.clone(), *w.invite.secret().seed()));
    all.push((Context::PREVIEW_AUTH, asker, *w.invite.secret().seed()));
    all.push((Context::STALE, asks::hello_signed(), w.bob.device_seed));
    all.push((Context::PAIR_AUTH, asks::pair_signed(&new), new.seed));
    all.push((Context::RESTORE_AUTH, asks::restore_signed(&back), *w.bob.ladder.key(0).seed()));
    all.push((Context::API, nonce.to_vec(), w.alice.device_seed));
    let made: BTreeSet<Context> = all.iter().map(|(context, ..)| *context).collect();
    assert_eq!(made, SIGNING.into_iter().collect(), "every kind of signature that travels is tried");
    for (made, bytes, seed) in &all {
        let (key, signature) = sign(seed, *made, bytes);
        for (checked, _, _) in &all {
            assert_eq!(key.verify(*checked, bytes, &signature).is_ok(), made == checked, "{made:?} as {checked:?}");
        }
        let api = bytes.as_slice().try_into().is_ok_and(|nonce: &[u8; 32]| key.verify_api(nonce, &signature).is_ok());
        assert_eq!(api, *made == Context::API);
    }
}

/// A proof whose signature was made for something else, or for the other direction.
#[test]
fn a_handshake_takes_no_other_signature_for_a_proof() {
    let w = &*WORLD;
    let (transcript, garden) = (transcript(), w.garden.id());
    let open = |context: Context, direction: u8| {
        let (device, signature): (PublicKey, Signature) = sign(&w.bob.device_seed, context, &proved_bytes(direction));
        let proof = hearth_protocol::encoding::encode(&Proof { person: w.bob.id(), device, signature });
        let sealed = transcript.inner_key(&w.epoch).seal(&proof, &[]);
        Proof::open(&sealed, &transcript, garden, &w.epoch, Speaker::Asker).is_ok()
    };
    for context in Context::ALL {
        assert_eq!(open(*context, 0), *context == Context::AUTH, "{context:?}");
    }
    assert!(!open(Context::AUTH, 1), "a proof of the other direction");
}

/// The same of each thing that is asked before anybody has proven a role: its signature holds if it was made for it, over
/// what it says, and for nothing else.
#[test]
fn what_is_asked_by_those_who_are_not_in_yet_takes_no_other_signature() {
    let (w, t, garden) = (&*WORLD, transcript(), WORLD.garden.id());
    let (new, back, secret) = (Device::paired(), Device::restored(), *w.invite.secret().seed());
    let look = |context: Context, signed: &[u8]| {
        let request = PreviewRequest { invite: sign(&secret, context, signed).1, ..asks::look() };
        PreviewRequest::open(&t.join_key(garden).seal(&encode(&request), &[]), &t, garden).is_ok()
    };
    let join = |context: Context, signed: &[u8]| {
        let invite = sign(&secret, context, signed).1;
        let request = JoinRequest { cert: w.invite.cert.signed.clone(), join: w.join.clone(), invite };
        JoinRequest::open(&t.join_key(garden).seal(&encode(&request), &[]), &t, garden).is_ok()
    };
    let pair = |context: Context, signed: &[u8]| {
        let request = PairRequest { signature: sign(&new.seed, context, signed).1, ..asks::pair() };
        let sealed = t.pair_key(&asks::SECRET).seal(&encode(&request), &[]);
        PairRequest::open(&sealed, &t, &asks::SECRET).is_ok()
    };
    let restore = |context: Context, signed: &[u8]| {
        let signature = sign(&w.bob.ladder.key(0).seed(), context, signed).1;
        let request = RestoreRequest { signature, ..asks::restore() };
        let sealed = t.restore_key(w.bob.id()).seal(&encode(&request), &[]);
        RestoreRequest::open(&sealed, &t, w.bob.id()).is_ok()
    };
    let hello = |context: Context, signed: &[u8]| {
        let sealed = asks::sealed_to_alice(&asks::hello_plain(context, signed));
        let sealed = Bytes::try_from(sealed.as_slice()).expect("it has the one length");
        StaleHello::open(&sealed, &t, &w.alice.sealing).is_some()
    };
    type Opens<'a> = &'a dyn Fn(Context, &[u8]) -> bool;
    let asked: [(&str, Context, Vec<u8>, Opens); 5] = [
        ("look", Context::PREVIEW_AUTH, proved_bytes(0), &look),
        ("join", Context::INVITE_AUTH, proved_bytes(0), &join),
        ("pair", Context::PAIR_AUTH, asks::pair_signed(&new), &pair),
        ("restore", Context::RESTORE_AUTH, asks::restore_signed(&back), &restore),
        ("hello", Context::STALE, asks::hello_signed(), &hello),
    ];
    for (name, own, signed, opens) in &asked {
        for made in Context::ALL {
            assert_eq!(opens(*made, signed), made == own, "{name} signed for {made:?}");
        }
        for (other, _, bytes, _) in asked.iter().filter(|(_, _, bytes, _)| bytes != signed) {
            assert!(!opens(*own, bytes), "{name} signed over what `{other}` signs");
        }
        assert!(!opens(*own, &proved_bytes(1)), "{name} signed in the other direction");
    }
}

/// P28.
#[test]
fn the_id_of_a_payload_is_that_of_one_context_and_unlike_those_of_all_others() {
    for sample in samples() {
        let ids: BTreeSet<[u8; 32]> = Context::ALL.iter().map(|context| hash(*context, &sample.payload)).collect();
        assert_eq!(ids.len(), Context::ALL.len(), "{}", sample.decoder);
        let read = decoders::read(sample.decoder, &sample.signed_for(sample.context)).expect("the samples are valid");
        assert_eq!(read.id, Some(hash(sample.context, &sample.payload)), "{}", sample.decoder);
    }
}
