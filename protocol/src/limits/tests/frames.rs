//! Bounds of the fields of requests and responses.

use super::*;
use crate::{
    bytes::{Blob, Bytes},
    encoding::Malformed,
    epoch::SealedKey,
    hello::{Handover, Transcript, padding},
    id::OpId,
    random::Random,
    reconcile::CELL_BYTES,
    testing::{alice, around, community, up_to},
    text::Text,
    wire::{Fingerprint, Request, Response, SetName},
};

/// What is not of the type that is read.
const SHAPE: Malformed = Malformed::WrongShape;
const TAG: Bytes<16> = Bytes([1; 16]);

/// Reads a request one field of which is another; field 0 is the number of the frame.
fn asked(request: &Request, at: usize, field: Value) -> Result<Request, Malformed> {
    Request::from_bytes(&put(&request.to_bytes(), &[at], field))
}

fn answered(response: &Response, at: usize, field: Value) -> Result<Response, Malformed> {
    Response::from_bytes(&put(&response.to_bytes(), &[at], field))
}

#[test]
fn a_handshake_has_as_many_tags_and_sealed_hellos_as_it_always_has() {
    let exactly = [Some(SHAPE), None, Some(SHAPE)];
    let transcript = Transcript::new((b"a", &[1; 32]), (b"b", &[2; 32]));
    let hello = padding(&transcript, &mut Random::new(&[1; 32]));
    let request = Request::Tags(vec![TAG; HELLO_TAGS], vec![hello; SEALED_HELLOS]);
    around(HELLO_TAGS, exactly, |n| asked(&request, 1, ids(n, 16)).err());
    around(SEALED_HELLOS, exactly, |n| asked(&request, 2, list(n, |_| field(&hello))).err());
    let response = Response::Tags(vec![TAG; HELLO_TAGS]);
    around(HELLO_TAGS, exactly, |n| answered(&response, 1, ids(n, 16)).err());
}

#[test]
fn what_is_asked_for_at_once_is_bounded() {
    let set = SetName::Items;
    up_to(FETCH, SHAPE, |n| asked(&Request::Fetch(TAG, set, vec![Bytes([1; 32])]), 3, ids(n, 32)));
    let bring = Request::Bring(TAG, set, vec![], vec![]);
    up_to(FETCH, SHAPE, |n| asked(&bring, 3, ids(n, 16)));
    up_to(FETCH, SHAPE, |n| asked(&bring, 4, ids(n, 16)));
    up_to(KEYS_HANDED_OVER, SHAPE, |n| asked(&Request::Keys(TAG, vec![OpId::new([1; 32])]), 2, ids(n, 32)));
    up_to(COMMUNITIES, SHAPE, |n| asked(&Request::Communities(TAG, vec![]), 2, ids(n, 32)));
    let addresses = Request::Addresses(TAG, vec![Blob::default()]);
    up_to(ADDRESS_LISTS, SHAPE, |n| asked(&addresses, 2, ids(n, 16)));
    up_to(ADDRESS_LIST_BYTES, SHAPE, |n| asked(&addresses, 2, list(1, |_| blob(n))));
}

#[test]
fn what_is_sent_at_once_is_bounded() {
    let set = SetName::Items;
    up_to(FETCH, SHAPE, |n| answered(&Response::Fetch(set, vec![]), 2, ids(n, 16)));
    up_to(FETCH, SHAPE, |n| answered(&Response::Take(set, vec![], None), 2, ids(n, 16)));
    let key = field(&(OpId::new([1; 32]), SealedKey(Bytes([0; 8]), Bytes([0; 32]), Bytes([0; 48]))));
    up_to(KEYS_HANDED_OVER, SHAPE, |n| answered(&Response::Keys(vec![]), 1, list(n, |_| key.clone())));
    let genesis = community("garden", &[alice()]).signed;
    let handover = field(&Handover { genesis, keys: crate::bytes::List::none() });
    up_to(COMMUNITIES, SHAPE, |n| answered(&Response::Communities(vec![]), 1, list(n, |_| handover.clone())));
    up_to(ADDRESS_LISTS, SHAPE, |n| answered(&Response::Addresses(vec![]), 1, ids(n, 16)));
    up_to(ADDRESS_LIST_BYTES, SHAPE, |n| answered(&Response::Addresses(vec![]), 1, list(1, |_| blob(n))));
    up_to(PREVIEW_BYTES, SHAPE, |n| answered(&Response::Preview(Blob::default()), 1, blob(n)));
    up_to(HANDOVERS_BYTES, SHAPE, |n| answered(&Response::Restore(Blob::default()), 1, blob(n)));
    assert_eq!(answered(&Response::Refused(Text::default()), 1, text(65)), Err(SHAPE), "a name is short");
}

#[test]
fn a_page_of_a_comparison_is_bounded() {
    up_to(IDS_PER_PAGE, SHAPE, |n| answered(&Response::Ids(Fingerprint::default(), vec![], false), 2, ids(n, 32)));
    up_to(IDS_PER_PAGE, SHAPE, |n| answered(&Response::List(vec![], None), 1, ids(n, 16)));
    let period = field(&(1_u64, Fingerprint::default()));
    up_to(PERIODS, SHAPE, |n| answered(&Response::Periods(vec![]), 1, list(n, |_| period.clone())));
    up_to(CELLS, SHAPE, |n| {
        let set = Value::Array(vec![field(&Fingerprint::default()), blob(n * CELL_BYTES)]);
        answered(&Response::Compare(vec![]), 1, Value::Array(vec![set]))
    });
}
