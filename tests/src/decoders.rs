//! Every decoder that bytes from outside reach, with what must hold of each: it never panics, and what it accepts
//! it writes back as the same bytes.
//!
//! The fuzz targets and the corpora suite run the same list; a new decoder gets a row here and a target in `fuzz`.
//! Leaves to others: which bytes are tried. Always true: nothing here depends on more than `hearth_protocol`.

use hearth_protocol::authority::{self, Operation};
use hearth_protocol::bytes::List;
use hearth_protocol::community::{Community, Genesis};
use hearth_protocol::encoding::{Malformed, decode, encode, scan};
use hearth_protocol::epoch::{EpochBlob, EpochKey, SealingKey};
use hearth_protocol::hello::{
    Handover, JoinRequest, PairRequest, Paired, Preview, PreviewRequest, Proof, RestoreRequest, SealedHello, Speaker,
    StaleHello, Transcript,
};
use hearth_protocol::id::{CommunityId, PersonId};
use hearth_protocol::invite::{InviteCert, InviteKey, Join};
use hearth_protocol::item::{Body, Kind, SignedItem};
use hearth_protocol::limits;
use hearth_protocol::link::{Carry, Envelope, ProofBundle};
use hearth_protocol::pairing::PairingCode;
use hearth_protocol::pasted::SCHEME;
use hearth_protocol::person::PersonRecord;
use hearth_protocol::signed::{Payload, Signed};
use hearth_protocol::url;
use hearth_protocol::wire::{Admission, Gossip, Request, Response};

/// What a decoder made of some bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// They are one of what it reads.
    Accepted,
    /// They are not.
    Refused,
}

/// A decoder and its name, which is also that of its fuzz target and its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// The name.
    pub name: &'static str,
    /// Tries some bytes; panics when what must hold does not.
    pub run: fn(&[u8]) -> Verdict,
}

/// All of them.
pub const ALL: [Decoder; 21] = [
    row("address", address),
    row("body", body),
    row("bundle", bundle),
    row("carry", carry),
    row("cbor", cbor),
    row("envelope", payload::<Envelope>),
    row("epoch_blob", epoch_blob),
    row("genesis", genesis),
    row("gossip", gossip),
    row("handshake", handshake),
    row("invite_cert", payload::<InviteCert>),
    row("invite_key", invite_key),
    row("join", payload::<Join>),
    row("operation", operation),
    row("pairing_code", pairing_code),
    row("person", person),
    row("request", request),
    row("response", response),
    row("sealed", sealed),
    row("sealed_hello", sealed_hello),
    row("signed_item", signed_item),
];

const fn row(name: &'static str, run: fn(&[u8]) -> Verdict) -> Decoder {
    Decoder { name, run }
}

/// The decoder of a name.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn named(name: &str) -> Decoder {
    let found = ALL.iter().find(|decoder| decoder.name == name);
    *found.unwrap_or_else(|| panic!("no decoder is named {name}"))
}

/// What holds of all canonical bytes: they are accepted only if writing them again gives the same.
fn same<T, E>(read: Result<T, E>, bytes: &[u8], write: impl Fn(&T) -> Vec<u8>) -> Verdict {
    let Ok(value) = read else {
        return Verdict::Refused;
    };
    assert!(scan(bytes).is_ok(), "accepted, but not well-formed");
    assert_eq!(write(&value), bytes, "accepted, but not the one encoding");
    Verdict::Accepted
}

fn payload<T: Payload>(bytes: &[u8]) -> Verdict {
    let verdict = same(T::from_canonical(bytes), bytes, T::to_canonical);
    if verdict == Verdict::Accepted {
        assert!(bytes.len() <= T::LIMIT, "accepted over its limit");
    }
    verdict
}

fn genesis(bytes: &[u8]) -> Verdict {
    if let Ok(signed) = Signed::from_bytes(bytes, limits::GENESIS_BYTES * 2) {
        let _ = Community::check(signed);
    }
    payload::<Genesis>(bytes)
}

/// The body of a later version's operation is kept in the signed bytes only, so it cannot be written again.
fn operation(bytes: &[u8]) -> Verdict {
    match Operation::from_canonical(bytes) {
        Ok(Operation { body: authority::Body::Later(_), .. }) => {
            assert!(scan(bytes).is_ok(), "accepted, but not well-formed");
            Verdict::Accepted
        }
        read => same(read, bytes, Operation::to_canonical),
    }
}

fn signed_item(bytes: &[u8]) -> Verdict {
    let read = SignedItem::from_bytes(bytes);
    if let Ok(item) = &read {
        let _ = item.clone().check();
    }
    same(read, bytes, SignedItem::to_bytes)
}

/// The first byte says the kind.
fn body(bytes: &[u8]) -> Verdict {
    let Some((kind, bytes)) = bytes.split_first() else {
        return Verdict::Refused;
    };
    match Body::read(Kind(*kind), bytes) {
        // Nothing is known of what a later version wrote, so all of it is taken.
        Ok(Body::Later) => Verdict::Accepted,
        read => same(read, bytes, Body::to_bytes),
    }
}

fn carry(bytes: &[u8]) -> Verdict {
    same(Carry::from_bytes(bytes), bytes, Carry::to_bytes)
}

fn bundle(bytes: &[u8]) -> Verdict {
    let read = ProofBundle::from_bytes(bytes);
    if let Ok(bundle) = &read {
        let _ = bundle.check();
    }
    same(read, bytes, ProofBundle::to_bytes)
}

fn person(bytes: &[u8]) -> Verdict {
    let read = decode::<PersonRecord>(bytes, limits::PERSON_BYTES);
    if let Ok(record) = &read {
        let _ = record.check();
    }
    same(read, bytes, encode)
}

fn request(bytes: &[u8]) -> Verdict {
    same(Request::from_bytes(bytes), bytes, Request::to_bytes)
}

fn response(bytes: &[u8]) -> Verdict {
    same(Response::from_bytes(bytes), bytes, Response::to_bytes)
}

fn gossip(bytes: &[u8]) -> Verdict {
    same(Gossip::from_bytes(bytes), bytes, Gossip::to_bytes)
}

/// A value ends where it ends: a byte more or less is none. As everywhere, the length is asked first.
fn cbor(bytes: &[u8]) -> Verdict {
    if bytes.len() > limits::REQUEST_BYTES || scan(bytes).is_err() {
        return Verdict::Refused;
    }
    assert_eq!(scan(&[bytes, &[0]].concat()), Err(Malformed::Trailing));
    let (_, before) = bytes.split_last().expect("no value takes no bytes");
    assert!(scan(before).is_err(), "a value without its last byte is one");
    Verdict::Accepted
}

/// What was sealed to others does not open, however it was altered.
fn epoch_blob(bytes: &[u8]) -> Verdict {
    let read = decode::<EpochBlob>(bytes, limits::EPOCH_BLOB_BYTES);
    if let Ok(blob) = &read {
        let key = SealingKey::new([1; 32]);
        // One costs as much as all the rest of a run.
        for sealed in blob.iter().take(1) {
            assert!(key.open(sealed, b"place").is_err(), "it opens by chance");
        }
    }
    same(read, bytes, encode)
}

/// Both ends of the connection on which the rows below are tried.
fn connection() -> Transcript {
    Transcript::new((b"lo", &[3; 32]), (b"hi", &[4; 32]))
}

/// The community that is asked for there.
const GARDEN: CommunityId = CommunityId::new([5; 32]);
/// The secret of the pairing code.
const SECRET: [u8; 16] = [6; 16];

/// What is said inside a handshake; the first byte says what.
fn handshake(bytes: &[u8]) -> Verdict {
    let Some((what, bytes)) = bytes.split_first() else {
        return Verdict::Refused;
    };
    asked(bytes);
    match what {
        0 => same(decode::<Proof>(bytes, 256), bytes, encode),
        1 => same(decode::<JoinRequest>(bytes, 16 * 1024), bytes, encode),
        2 => same(decode::<Admission>(bytes, 64 * 1024), bytes, encode),
        3 => same(decode::<PreviewRequest>(bytes, 2048), bytes, encode),
        4 => same(decode::<PairRequest>(bytes, 512), bytes, encode),
        5 => same(decode::<RestoreRequest>(bytes, limits::PERSON_BYTES + 512), bytes, encode),
        6 => paired(bytes),
        7 => preview(bytes),
        8 => handover(bytes),
        9 => same(decode::<List<Handover, 0, { limits::COMMUNITIES }>>(bytes, limits::HANDOVERS_BYTES), bytes, encode),
        _ => Verdict::Refused,
    }
}

/// The bytes as what somebody asks who is not in yet, sealed by whoever holds the key. What opens is the one encoding.
fn asked(bytes: &[u8]) {
    let t = connection();
    let join = t.join_key(GARDEN).seal(bytes, &[]);
    if let Ok(request) = JoinRequest::open(&join, &t, GARDEN) {
        assert_eq!(encode(&request), bytes, "opened, but not the one encoding");
    }
    if let Ok(request) = PreviewRequest::open(&join, &t, GARDEN) {
        assert_eq!(encode(&request), bytes, "opened, but not the one encoding");
    }
    let pair = t.pair_key(&SECRET).seal(bytes, &[]);
    if let Ok(request) = PairRequest::open(&pair, &t, &SECRET) {
        assert_eq!(encode(&request), bytes, "opened, but not the one encoding");
    }
    // Whose tag it was shown under decides the key; here it is that of whoever the bytes name.
    let named = decode::<RestoreRequest>(bytes, limits::PERSON_BYTES + 512).map(|request| request.record.id());
    let person = named.unwrap_or(PersonId::new([7; 32]));
    let restore = t.restore_key(person).seal(bytes, &[]);
    if let Ok((request, checked)) = RestoreRequest::open(&restore, &t, person) {
        assert_eq!(encode(&request), bytes, "opened, but not the one encoding");
        assert!(checked.id == person && checked.device(request.device).is_some(), "opened for another one");
    }
}

fn paired(bytes: &[u8]) -> Verdict {
    let read = decode::<Paired>(bytes, 64 * 1024);
    if let Ok(paired) = &read {
        let _ = paired.record.check();
        let _ = Community::check(paired.mine.genesis.clone());
    }
    same(read, bytes, encode)
}

fn preview(bytes: &[u8]) -> Verdict {
    let read = decode::<Preview>(bytes, limits::PREVIEW_BYTES);
    if let Ok(preview) = &read {
        let _ = Community::check(preview.genesis.clone());
        let _ = preview.charter.as_ref().map(|charter| carry(charter.as_slice()));
    }
    same(read, bytes, encode)
}

/// What was sealed to others does not open.
fn handover(bytes: &[u8]) -> Verdict {
    let read = decode::<Handover>(bytes, 64 * 1024);
    if let Ok(handover) = &read {
        let _ = Community::check(handover.genesis.clone());
        let key = SealingKey::new([1; 32]);
        for (_, sealed) in handover.keys.iter().take(1) {
            assert!(key.open(sealed, b"place").is_err(), "it opens by chance");
        }
    }
    same(read, bytes, encode)
}

/// The bytes as they came, and as what somebody sealed who holds the key.
fn sealed(bytes: &[u8]) -> Verdict {
    let key = EpochKey::new([2; 32]);
    let (transcript, topic) = (connection(), key.topic());
    let _ = Proof::open(bytes, &transcript, GARDEN, &key, Speaker::Asker);
    let _ = JoinRequest::open(bytes, &transcript, GARDEN);
    let _ = PreviewRequest::open(bytes, &transcript, GARDEN);
    let _ = PairRequest::open(bytes, &transcript, &SECRET);
    let _ = RestoreRequest::open(bytes, &transcript, PersonId::new([7; 32]));
    let sealed = key.seal(bytes, topic.as_bytes());
    assert_eq!(key.open(&sealed, topic.as_bytes()).as_deref(), Ok(bytes));
    assert!(key.open(&sealed, b"").is_err(), "opened as something else");
    let inner = transcript.inner_key(&key).seal(bytes, &[]);
    let _ = Proof::open(&inner, &transcript, GARDEN, &key, Speaker::Asker);
    asked(bytes);
    match key.open(bytes, b"") {
        Ok(_) => Verdict::Accepted,
        Err(_) => Verdict::Refused,
    }
}

/// A hello that may be sealed to this device. One opens on its own connection only.
fn sealed_hello(bytes: &[u8]) -> Verdict {
    let Ok(hello) = SealedHello::try_from(bytes) else {
        return Verdict::Refused;
    };
    let mine = SealingKey::new([1; 32]);
    if StaleHello::open(&hello, &connection(), &mine).is_none() {
        return Verdict::Refused;
    }
    let elsewhere = Transcript::new((b"lo", &[3; 32]), (b"hi", &[9; 32]));
    assert_eq!(StaleHello::open(&hello, &elsewhere, &mine), None, "it opens on another connection");
    assert_eq!(StaleHello::open(&hello, &connection(), &SealingKey::new([2; 32])), None, "it opens for another device");
    Verdict::Accepted
}

/// A pasted text may come in capitals, with blanks and as a link; otherwise it has one form.
fn pasted<E>(bytes: &[u8], read: impl Fn(&str) -> Result<String, E>) -> Verdict {
    let Ok(text) = str::from_utf8(bytes) else {
        return Verdict::Refused;
    };
    let Ok(written) = read(text) else {
        return Verdict::Refused;
    };
    let pasted: String = text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_lowercase();
    assert_eq!(written, pasted.strip_prefix(SCHEME).unwrap_or(&pasted), "accepted, but not the one form");
    Verdict::Accepted
}

fn invite_key(bytes: &[u8]) -> Verdict {
    pasted(bytes, |text| InviteKey::from_text(text).map(|key| key.to_text()))
}

fn pairing_code(bytes: &[u8]) -> Verdict {
    pasted(bytes, |text| PairingCode::from_text(text).map(|code| code.to_text()))
}

/// An address that bookmarks take has a normal form, which is its own unless escaping made it too long for one.
fn address(bytes: &[u8]) -> Verdict {
    let Ok(text) = str::from_utf8(bytes) else {
        return Verdict::Refused;
    };
    if url::check(text).is_err() {
        return Verdict::Refused;
    }
    let normal = url::normalise(text).expect("an address that is taken has a normal form");
    if normal.len() <= limits::URL_BYTES {
        let again = url::normalise(&normal);
        assert_eq!(again.as_ref(), Ok(&normal), "the normal form has another one");
    }
    Verdict::Accepted
}
