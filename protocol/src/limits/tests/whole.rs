//! Bounds on the length of a whole: what is longer is refused by its length, before a byte of it is looked at.

use super::*;
use crate::{
    authority::Operation,
    community::Genesis,
    encoding::Malformed,
    hello::{RestoreRequest, Transcript},
    id::Context,
    invite::{InviteCert, Join},
    item::{Body, Header, Kind},
    link::{Envelope, ProofBundle},
    pasted::{self, PastedRefusal},
    signed::Payload,
    testing::{alice, around, up_to},
    wire::{Gossip, Request, Response},
};

type Read = Option<Malformed>;

/// What becomes of zeros: a zero with bytes after it, as long as they are few enough to be looked at.
fn zeros(most: usize) -> [Read; 3] {
    let looked_at = Some(Malformed::Trailing);
    [looked_at, looked_at, Some(Malformed::TooLong { most, found: most + 1 })]
}

fn payload<T: Payload>(bytes: usize) -> Read {
    T::from_canonical(&vec![0; bytes]).err()
}

#[test]
fn payloads_have_a_length() {
    around(HEADER_BYTES, zeros(HEADER_BYTES), payload::<Header>);
    around(OPERATION_BYTES, zeros(OPERATION_BYTES), payload::<Operation>);
    around(GENESIS_BYTES, zeros(GENESIS_BYTES), payload::<Genesis>);
    around(JOIN_BYTES, zeros(JOIN_BYTES), payload::<Join>);
    around(INVITE_CERT_BYTES, zeros(INVITE_CERT_BYTES), payload::<InviteCert>);
    around(ENVELOPE_BYTES, zeros(ENVELOPE_BYTES), payload::<Envelope>);
}

#[test]
fn frames_and_bundles_have_a_length() {
    around(REQUEST_BYTES, zeros(REQUEST_BYTES), |n| Request::from_bytes(&vec![0; n]).err());
    around(RESPONSE_BYTES, zeros(RESPONSE_BYTES), |n| Response::from_bytes(&vec![0; n]).err());
    around(GOSSIP_BYTES, zeros(GOSSIP_BYTES), |n| Gossip::from_bytes(&vec![0; n]).err());
    around(BUNDLE_BYTES, zeros(BUNDLE_BYTES), |n| ProofBundle::from_bytes(&vec![0; n]).err());
}

#[test]
fn bodies_have_a_length() {
    for kind in [Kind::POST, Kind::REPLY, Kind::BOOKMARK, Kind::EDIT, Kind::TOMBSTONE, Kind::PROFILE, Kind::CHARTER] {
        around(BODY_BYTES, zeros(BODY_BYTES), |n| Body::read(kind, &vec![0; n]).err());
    }
    let too_long = Malformed::TooLong { most: BODY_BYTES, found: BODY_BYTES + 1 };
    up_to(BODY_BYTES, too_long, |n| crate::item::salted([0; 16], &vec![0; n]));
}

#[test]
fn a_person_who_asks_to_be_restored_is_of_bounded_length() {
    // Beside the person stand the new device and a signature.
    let beside = 512;
    let expected = [PERSON_BYTES, PERSON_BYTES].map(|_| Some(Malformed::Trailing));
    let too_long = Malformed::TooLong { most: PERSON_BYTES + beside, found: PERSON_BYTES + beside + 1 };
    let transcript = Transcript::new((b"a", &[1; 32]), (b"b", &[2; 32]));
    around(PERSON_BYTES, [expected[0], expected[1], Some(too_long)], |n| {
        let sealed = transcript.restore_key(alice().person()).seal(&vec![0; n + beside], &[]);
        RestoreRequest::open(&sealed, &transcript, alice().person()).err()
    });
}

#[test]
fn a_pasted_text_is_of_bounded_length_white_space_included() {
    let key = pasted::to_text("hearth1", Context::INVITE_CHECK, b"some bytes");
    up_to(INVITE_KEY_CHARS, PastedRefusal::TooLong { found: INVITE_KEY_CHARS + 1 }, |n| {
        pasted::from_text("hearth1", Context::INVITE_CHECK, &format!("{key:n$}"))
    });
}
