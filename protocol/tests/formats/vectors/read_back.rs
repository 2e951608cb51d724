//! The files, read as another implementation would read them: from their text alone, through what is public.

use std::fs;

use data_encoding::HEXLOWER;
use hearth_protocol::{
    authority::{Log, Operation, evaluate},
    bytes::Bytes,
    community::Community,
    encoding::{decode, encode},
    epoch::{EpochKey, SealedKey, SealingKey},
    hello::{
        JoinRequest, PairRequest, PreviewRequest, Proof, RestoreRequest, SealedHello, Speaker, StaleHello, Transcript,
    },
    id::{CommunityId, Context, OpId, PersonId, hash},
    invite::InviteKey,
    key::{PublicKey, SecretKey, Signature},
    pairing::PairingCode,
    person::Ladder,
    signed::{Signed, Verified},
    time::Millis,
};
use serde_json::Value;

use super::{folder, links::judged};
use crate::decoders::{self, Read};

pub(super) fn file(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(name)).expect("the vectors lie beside the pages");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

pub(crate) fn texts(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {value}")).to_owned()
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    HEXLOWER.decode(texts(value, field).as_bytes()).expect("bytes are lower-case hexadecimal digits")
}

fn fixed<const N: usize>(value: &Value, field: &str) -> [u8; N] {
    bytes(value, field).try_into().unwrap_or_else(|_| panic!("`{field}` is not of {N} bytes"))
}

pub(super) fn list(value: &Value, field: &str) -> Vec<Value> {
    let found = value[field].as_array().unwrap_or_else(|| panic!("no list `{field}`")).clone();
    assert!(!found.is_empty(), "`{field}` is empty");
    found
}

fn context(value: &Value) -> Context {
    let text = texts(value, "context");
    *Context::ALL.iter().find(|context| context.as_str() == text).unwrap_or_else(|| panic!("no context {text}"))
}

fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("the vectors lie beside the pages");
    files.map(|file| file.expect("the folder can be listed").file_name().to_string_lossy().into_owned()).collect()
}

/// Every accepted and refused case of every file: decoder, name, bytes, and the id or refusal.
pub(crate) fn cases(list: &str) -> Vec<(String, String, Vec<u8>, Value)> {
    let of = |name: String| file(&name)[list].as_array().cloned().unwrap_or_default();
    let cases = names().into_iter().flat_map(of);
    let read = |case: Value| (texts(&case, "decoder"), texts(&case, "name"), bytes(&case, "bytes"), case);
    cases.map(read).collect()
}

#[test]
fn every_accepted_vector_is_read_under_its_id_and_written_the_same() {
    let cases = cases("accepted");
    assert!(cases.len() >= 80, "{} cases", cases.len());
    for (decoder, name, bytes, case) in cases {
        let id = case["id"].as_str().map(|_| fixed(&case, "id"));
        assert_eq!(decoders::read(&decoder, &bytes), Ok(Read { bytes, id }), "{name}");
    }
}

#[test]
fn every_refused_vector_is_refused_by_its_name() {
    let cases = cases("refused");
    assert!(cases.len() >= 190, "{} cases", cases.len());
    for (decoder, name, bytes, case) in cases {
        assert_eq!(decoders::read(&decoder, &bytes), Err(texts(&case, "refusal")), "{name}");
    }
}

#[test]
fn hashes_and_signatures_are_those_of_the_vectors() {
    let file = file("ids-and-signatures.json");
    for case in list(&file, "hashes") {
        assert_eq!(hash(context(&case), &bytes(&case, "input")), fixed(&case, "hash"));
    }
    for case in list(&file, "signatures") {
        let (key, signature) = (PublicKey(Bytes(fixed(&case, "key"))), Signature(Bytes(fixed(&case, "signature"))));
        assert_eq!(SecretKey::new(&fixed(&case, "seed")).public(), key);
        assert!(key.verify(context(&case), &bytes(&case, "input"), &signature).is_ok());
    }
    for case in list(&file, "refused_signatures") {
        let (key, signature) = (PublicKey(Bytes(fixed(&case, "key"))), Signature(Bytes(fixed(&case, "signature"))));
        assert!(key.verify(context(&case), &bytes(&case, "input"), &signature).is_err(), "{}", texts(&case, "name"));
    }
}

#[test]
fn the_ladder_is_that_of_the_vectors() {
    let ladder_of = file("identity.json")["ladder"].clone();
    let ladder = Ladder::from_words(&texts(&ladder_of, "words")).expect("they are 24 words");
    assert_eq!(ladder.entropy(), &fixed(&ladder_of, "entropy"));
    assert_eq!(ladder.person().as_bytes(), &fixed(&ladder_of, "person"));
    assert_eq!(ladder.inception().nonce.0, fixed(&ladder_of, "nonce"));
    assert_eq!(ladder.recovery_sealing().as_bytes(), &fixed(&ladder_of, "recovery_sealing_key"));
    for (index, rung) in (0..).zip(list(&ladder_of, "rungs")) {
        assert_eq!(*ladder.key(index).seed(), fixed(&rung, "seed"));
        assert_eq!(ladder.key(index).public().0.0, fixed(&rung, "key"));
        assert_eq!(ladder.inception().commitments[usize::from(index)].0, fixed(&rung, "commitment"));
    }
}

/// A log from the bytes of a vector, and the vector.
fn log(name: &str) -> (Log, Value) {
    let file = file("operations.json");
    let told = list(&file, "logs").into_iter().find(|log| log["name"] == name).expect("the logs are named");
    let now = Millis(file["now"].as_u64().expect("the time is a number"));
    let genesis = Signed::from_bytes(&bytes(&told, "genesis"), 16 * 1024).expect("the genesis is read");
    let mut log = Log::new(Community::check(genesis).expect("the genesis holds"));
    for step in list(&told, "operations") {
        let signed = Signed::from_bytes(&bytes(&step, "bytes"), 16 * 1024).expect("the operation is read");
        let operation = Verified::<Operation>::check(signed).expect("the operation holds");
        assert_eq!(operation.id(), fixed(&step, "id"));
        assert_eq!(log.add(operation, now), Ok(true), "{}", texts(&step, "name"));
    }
    (log, told)
}

#[test]
fn the_logs_say_what_the_vectors_say() {
    for name in ["garden", "orchard", "library"] {
        let (log, told) = log(name);
        let state = evaluate(&log);
        for step in list(&told, "operations") {
            let id = OpId::new(fixed(&step, "id"));
            assert_eq!(Some(state.is_effective(&log, id)), step["effective"].as_bool(), "{}", texts(&step, "name"));
        }
        let roles = list(&told, "roles");
        assert_eq!(roles.len(), state.members.len());
        for member in roles {
            let role = state.role(PersonId::new(fixed(&member, "person"))).number();
            assert_eq!(Some(u64::from(role)), member["role"].as_u64());
        }
    }
}

#[test]
fn operations_that_the_log_does_not_take_are_refused_by_their_names() {
    let (mut log, _) = log("garden");
    let file = file("operations.json");
    let now = Millis(file["now"].as_u64().expect("the time is a number"));
    for case in list(&file, "not_stored") {
        let signed = Signed::from_bytes(&bytes(&case, "bytes"), 16 * 1024).expect("it is well-formed");
        let operation = Verified::<Operation>::check(signed).expect("its signatures hold");
        let refused = log.add(operation, now).map_err(|why| why.name().to_owned());
        assert_eq!(refused, Err(texts(&case, "refusal")), "{}", texts(&case, "name"));
    }
}

#[test]
fn epoch_keys_seal_and_open_as_in_the_vectors() {
    let file = file("epochs.json");
    for case in list(&file, "keys") {
        let key = EpochKey::new(fixed(&case, "key"));
        assert_eq!(
            (key.commit().0, key.tag(), key.topic()),
            (fixed(&case, "commit"), fixed(&case, "tag"), texts(&case, "topic"))
        );
    }
    for case in list(&file, "seals") {
        let (key, aad) = (EpochKey::new(fixed(&case, "key")), bytes(&case, "aad"));
        assert_eq!(key.seal(&bytes(&case, "plaintext"), &aad), bytes(&case, "sealed"));
        assert_eq!(key.open(&bytes(&case, "sealed"), &aad), Ok(bytes(&case, "plaintext")));
    }
    for case in list(&file, "refused_seals") {
        let key = EpochKey::new(fixed(&case, "key"));
        assert!(key.open(&bytes(&case, "sealed"), &bytes(&case, "aad")).is_err(), "{}", texts(&case, "name"));
    }
    for case in list(&file, "sealed_keys") {
        let sealed: SealedKey = decode(&bytes(&case, "sealed"), 128).expect("it is a sealed key");
        let opened = SealingKey::new(fixed(&case, "sealing_key")).open(&sealed, &bytes(&case, "info"));
        assert_eq!(opened.map(|key| *key.as_bytes()), Ok(fixed(&case, "epoch_key")));
        assert_eq!(sealed.0.0, fixed::<32>(&case, "device")[..8]);
    }
    for case in list(&file, "refused_sealed_keys") {
        let sealed: SealedKey = decode(&bytes(&case, "sealed"), 128).expect("it is a sealed key");
        assert!(
            SealingKey::new(fixed(&case, "sealing_key")).open(&sealed, &bytes(&case, "info")).is_err(),
            "{}",
            texts(&case, "name")
        );
    }
}

#[test]
fn the_handshake_is_that_of_the_vectors() {
    let file = file("handshake.json");
    let told = &file["connection"];
    let ends = |who: &str| (bytes(told, who), fixed::<32>(told, &format!("{who}_nonce")));
    let (asker, answerer) = (ends("asker"), ends("answerer"));
    let transcript = Transcript::new((&asker.0, &asker.1), (&answerer.0, &answerer.1));
    let (key, community) = (EpochKey::new(fixed(told, "epoch_key")), CommunityId::new(fixed(told, "community")));
    assert_eq!(transcript.tag(&key, Speaker::Asker).0, fixed(told, "asker_tag"));
    assert_eq!(transcript.tag(&key, Speaker::Answerer).0, fixed(told, "answerer_tag"));
    assert_eq!(transcript.join_tag(community).0, fixed(told, "join_tag"));
    assert_eq!(transcript.inner_key(&key).as_bytes(), &fixed(told, "inner_key"));
    assert_eq!(transcript.join_key(community).as_bytes(), &fixed(told, "join_key"));
    let sealed = list(&file, "sealed");
    let accepted = list(&file, "accepted");
    for (number, speaker) in [(0, Speaker::Asker), (1, Speaker::Answerer)] {
        let proof = Proof::open(&bytes(&sealed[number], "sealed"), &transcript, community, &key, speaker)
            .expect("the proof opens");
        assert_eq!(encode(&proof), bytes(&accepted[number], "bytes"));
    }
    let join = JoinRequest::open(&bytes(&sealed[2], "sealed"), &transcript, community).expect("the request opens");
    assert_eq!(encode(&join), bytes(&accepted[2], "bytes"));
    let look = PreviewRequest::open(&bytes(&sealed[3], "sealed"), &transcript, community).expect("the request opens");
    assert_eq!(encode(&look), bytes(&accepted[3], "bytes"));
    let seen = transcript.join_key(community).open(&bytes(&sealed[4], "sealed"), &[]).expect("the preview opens");
    assert_eq!(seen, bytes(&accepted[4], "bytes"));
}

/// The transcript of the handshake's connection.
fn connection() -> Transcript {
    let told = &file("handshake.json")["connection"];
    let ends = |who: &str| (bytes(told, who), fixed::<32>(told, &format!("{who}_nonce")));
    let (asker, answerer) = (ends("asker"), ends("answerer"));
    Transcript::new((&asker.0, &asker.1), (&answerer.0, &answerer.1))
}

#[test]
fn sealed_hellos_open_and_padding_does_not_as_in_the_vectors() {
    let (file, transcript) = (file("handshake.json"), connection());
    let hellos = list(&file, "sealed_hellos");
    let sealed = |case: &Value| -> SealedHello { Bytes(fixed(case, "sealed")) };
    let mine = SealingKey::new(fixed(&hellos[0], "sealing_key"));
    let hello = StaleHello::open(&sealed(&hellos[0]), &transcript, &mine).expect("the hello opens");
    assert_eq!(hello.community.as_bytes(), &fixed(&file["connection"], "community"));
    assert_eq!(hello.key.as_bytes(), &fixed(&hellos[0], "key"));
    assert_eq!(hello.device, SecretKey::new(&fixed(&hellos[0], "device_seed")).public());
    let nobody = SealingKey::new(fixed(&hellos[1], "sealing_key"));
    assert_eq!(StaleHello::open(&sealed(&hellos[1]), &transcript, &nobody), None, "zeros are no hello");
    for case in list(&file, "refused_hellos") {
        let mine = SealingKey::new(fixed(&case, "sealing_key"));
        assert_eq!(StaleHello::open(&sealed(&case), &transcript, &mine), None, "{}", texts(&case, "name"));
    }
}

#[test]
fn pairings_and_restores_open_as_in_the_vectors() {
    let (file, transcript) = (file("pairing.json"), connection());
    let told = &file["connection"];
    let (secret, person) = (fixed::<16>(told, "secret"), PersonId::new(fixed(told, "person")));
    assert_eq!(transcript.pair_tag(&secret).0, fixed(told, "pair_tag"));
    assert_eq!(transcript.restore_tag(person).0, fixed(told, "restore_tag"));
    let (sealed, accepted) = (list(&file, "sealed"), list(&file, "accepted"));
    let plain = |decoder: &str| {
        let case = accepted.iter().find(|case| case["decoder"] == decoder).expect("there is one");
        bytes(case, "bytes")
    };
    let pair = PairRequest::open(&bytes(&sealed[0], "sealed"), &transcript, &secret).expect("the pairing opens");
    assert_eq!(encode(&pair), plain("pair_request"));
    let given = transcript.pair_key(&secret).open(&bytes(&sealed[1], "sealed"), &[]).expect("the answer opens");
    assert_eq!(given, plain("paired"));
    let (restore, found) =
        RestoreRequest::open(&bytes(&sealed[2], "sealed"), &transcript, person).expect("the restore opens");
    assert_eq!((encode(&restore), found.id), (plain("restore_request"), person));
    let given = transcript.restore_key(person).open(&bytes(&sealed[3], "sealed"), &[]).expect("the answer opens");
    assert_eq!(given, plain("handovers"));
}

#[test]
fn other_forms_of_a_pasted_text_are_read_as_the_same() {
    for case in list(&file("invites.json"), "forms") {
        let read = InviteKey::from_text(&texts(&case, "form")).map(|key| key.to_text());
        assert_eq!(read, Ok(texts(&case, "text")));
    }
    for case in list(&file("pairing.json"), "forms") {
        let read = PairingCode::from_text(&texts(&case, "form")).map(|code| code.to_text());
        assert_eq!(read, Ok(texts(&case, "text")));
    }
}

#[test]
fn crossings_are_judged_as_in_the_vectors() {
    let (library, _) = log("library");
    for case in list(&file("links.json"), "judgements") {
        let found = judged(&bytes(&case, "carry"), &bytes(&case, "bundle"), &library);
        assert_eq!(found, (case["out"].as_str(), case["in"].as_str()), "{}", texts(&case, "name"));
    }
}
