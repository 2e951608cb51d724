//! The public decoders, by the names that the vectors use: what each accepts, under which id, and by which name it
//! refuses.
//!
//! Always true: nothing here is looser than what a node asks of bytes from outside before it looks at its state.

use hearth_protocol::{
    authority::Operation,
    bytes::List,
    community::Community,
    encoding::{Malformed, decode, encode, scan},
    epoch::EpochBlob,
    hello::{Handover, JoinRequest, PairRequest, Paired, Preview, PreviewRequest, Proof, RestoreRequest},
    id::{Context, hash},
    invite::{CheckedJoin, InviteCert, InviteKey, Join},
    item::{Body, Kind, SignedItem},
    limits,
    link::{Carry, Envelope, ProofBundle},
    pairing::PairingCode,
    person::{DeviceCert, Inception, PersonRecord, Reveal},
    signed::{Payload, Signed, Unsound, Verified},
    wire::{Admission, Gossip, Request, Response},
};
use serde::{Serialize, de::DeserializeOwned};

/// What a decoder accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The bytes, written again.
    pub(crate) bytes: Vec<u8>,
    /// What it is called.
    pub(crate) id: Option<[u8; 32]>,
}

/// The name of a refusal.
pub(crate) type Refusal = String;

fn malformed(why: Malformed) -> Refusal {
    why.name().to_owned()
}

fn unsound(why: impl Into<Unsound>) -> Refusal {
    why.into().name().to_owned()
}

/// Tries `bytes` with the decoder of this name.
pub(crate) fn read(decoder: &str, bytes: &[u8]) -> Result<Read, Refusal> {
    let same = |bytes: Vec<u8>| Read { bytes, id: None };
    match decoder {
        "cbor" => scan(bytes).map(|()| same(bytes.to_vec())).map_err(malformed),
        "inception" => decode::<Inception>(bytes, 512)
            .map(|i| Read { bytes: encode(&i), id: Some(*i.id().as_bytes()) })
            .map_err(malformed),
        "person" => person(bytes),
        "reveal" => alone::<Reveal>(bytes, |reveal, signed| signed.signed_only_by(reveal.key)),
        "device" => alone::<DeviceCert>(bytes, |_, signed| signed.signatures.len() == 1),
        "genesis" => genesis(bytes),
        "operation" => alone::<Operation>(bytes, |op, signed| signed.signed_by(op.device)),
        "item" => item(bytes),
        "invite_cert" => alone::<InviteCert>(bytes, |cert, signed| signed.signed_only_by(cert.device)),
        "knock" => join(bytes, None),
        "join" => join_with_cert(bytes),
        "invite_key" => invite_key(bytes),
        "envelope" => alone::<Envelope>(bytes, |envelope, signed| signed.signed_only_by(envelope.device)),
        "carry" => carry(bytes),
        "bundle" => bundle(bytes),
        "epoch_blob" => decode::<EpochBlob>(bytes, limits::EPOCH_BLOB_BYTES)
            .map(|blob| Read { bytes: encode(&blob), id: Some(hash(Context::EPOCH_BLOB, &encode(&blob))) })
            .map_err(malformed),
        "proof" => plain::<Proof>(bytes, 256),
        "join_request" => plain::<JoinRequest>(bytes, 16 * 1024),
        "preview_request" => plain::<PreviewRequest>(bytes, 2048),
        "preview" => plain::<Preview>(bytes, limits::PREVIEW_BYTES),
        "pairing_code" => pairing_code(bytes),
        "pair_request" => plain::<PairRequest>(bytes, 512),
        "paired" => plain::<Paired>(bytes, 64 * 1024),
        "restore_request" => plain::<RestoreRequest>(bytes, limits::PERSON_BYTES + 512),
        "handover" => plain::<Handover>(bytes, 64 * 1024),
        "handovers" => plain::<List<Handover, 0, { limits::COMMUNITIES }>>(bytes, limits::HANDOVERS_BYTES),
        "admission" => plain::<Admission>(bytes, 64 * 1024),
        "request" => Request::from_bytes(bytes).map(|frame| same(frame.to_bytes())).map_err(malformed),
        "response" => Response::from_bytes(bytes).map(|frame| same(frame.to_bytes())).map_err(malformed),
        "gossip" => Gossip::from_bytes(bytes).map(|frame| same(frame.to_bytes())).map_err(malformed),
        body => match body.strip_prefix("body ").and_then(Kind::from_name) {
            Some(kind) => Body::read(kind, bytes).map(|body| same(body.to_bytes())).map_err(malformed),
            None => panic!("there is no decoder `{decoder}`"),
        },
    }
}

/// What travels sealed and has no signature around it: its form alone.
fn plain<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<Read, Refusal> {
    decode::<T>(bytes, limit).map(|value| Read { bytes: encode(&value), id: None }).map_err(malformed)
}

/// A signature and its key take this many bytes at most, with their heads.
const SIGNATURE_BYTES: usize = 1 + 34 + 66;

/// The longest signed structure of a type: 16 signatures around its payload.
pub(crate) fn longest<T: Payload>() -> usize {
    T::LIMIT + 16 * SIGNATURE_BYTES + 8
}

fn alone<T: Payload>(bytes: &[u8], by: impl Fn(&T, &Signed) -> bool) -> Result<Read, Refusal> {
    let signed = Signed::from_bytes(bytes, longest::<T>()).map_err(malformed)?;
    let checked = Verified::<T>::check(signed).map_err(unsound)?;
    if !by(&checked.value, &checked.signed) {
        return Err(unsound(Unsound::WrongSigner));
    }
    Ok(Read { bytes: checked.signed.to_bytes(), id: Some(checked.id()) })
}

fn person(bytes: &[u8]) -> Result<Read, Refusal> {
    let record: PersonRecord = decode(bytes, limits::PERSON_BYTES).map_err(malformed)?;
    let person = record.check().map_err(unsound)?;
    Ok(Read { bytes: record.to_bytes(), id: Some(*person.id.as_bytes()) })
}

fn genesis(bytes: &[u8]) -> Result<Read, Refusal> {
    let signed = Signed::from_bytes(bytes, longest::<hearth_protocol::community::Genesis>()).map_err(malformed)?;
    let community = Community::check(signed).map_err(unsound)?;
    Ok(Read { bytes: community.signed.to_bytes(), id: Some(*community.id.as_bytes()) })
}

fn item(bytes: &[u8]) -> Result<Read, Refusal> {
    let item = SignedItem::from_bytes(bytes).map_err(malformed)?.check().map_err(unsound)?;
    Ok(Read { bytes: item.signed.to_bytes(), id: Some(*item.id.as_bytes()) })
}

fn join(bytes: &[u8], cert: Option<&Verified<InviteCert>>) -> Result<Read, Refusal> {
    let signed = Signed::from_bytes(bytes, longest::<Join>()).map_err(malformed)?;
    let checked = CheckedJoin::check(signed, cert).map_err(unsound)?;
    Ok(Read { bytes: checked.signed.to_bytes(), id: Some(checked.signed.id::<Join>()) })
}

/// `[cert, join]`: the body of an Admit, since a join means nothing without its certificate.
fn join_with_cert(bytes: &[u8]) -> Result<Read, Refusal> {
    let (cert, newcomer): (Signed, Signed) = decode(bytes, limits::OPERATION_BYTES).map_err(malformed)?;
    let cert = Verified::<InviteCert>::check(cert).map_err(unsound)?;
    if !cert.signed.signed_only_by(cert.value.device) {
        return Err(unsound(Unsound::WrongSigner));
    }
    let checked = join(&newcomer.to_bytes(), Some(&cert))?;
    Ok(Read { bytes: encode(&(cert.signed, newcomer)), id: checked.id })
}

fn invite_key(text: &[u8]) -> Result<Read, Refusal> {
    let text = str::from_utf8(text).map_err(|_| "not_an_invite_key".to_owned())?;
    let key = InviteKey::from_text(text).map_err(|why| why.name().to_owned())?;
    Ok(Read { bytes: key.to_text().into_bytes(), id: Some(key.cert.id()) })
}

fn pairing_code(text: &[u8]) -> Result<Read, Refusal> {
    let text = str::from_utf8(text).map_err(|_| "not_a_pairing_code".to_owned())?;
    let code = PairingCode::from_text(text).map_err(|why| why.name().to_owned())?;
    Ok(Read { bytes: code.to_text().into_bytes(), id: None })
}

fn carry(bytes: &[u8]) -> Result<Read, Refusal> {
    let carry = Carry::from_bytes(bytes).map_err(malformed)?;
    let item = carry.item.clone().check().map_err(unsound)?;
    if let Some(salted) = &carry.body {
        item.body(salted).map_err(malformed)?;
    }
    if let Some(signed) = &carry.envelope {
        let envelope = Verified::<Envelope>::check(signed.clone()).map_err(unsound)?;
        let says = &envelope.value;
        if says.item != item.id || !envelope.signed.signed_only_by(says.device) || carry.bundle != Some(says.proof) {
            return Err(unsound(Unsound::WrongSigner));
        }
    }
    if let Some(record) = &carry.person {
        record.check().map_err(unsound)?;
    }
    Ok(Read { bytes: carry.to_bytes(), id: Some(*item.id.as_bytes()) })
}

fn bundle(bytes: &[u8]) -> Result<Read, Refusal> {
    let bundle = ProofBundle::from_bytes(bytes).map_err(malformed)?;
    bundle.check().map_err(|why| why.name().to_owned())?;
    Ok(Read { bytes: bundle.to_bytes(), id: Some(*bundle.hash().as_bytes()) })
}
