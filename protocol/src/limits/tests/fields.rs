//! Bounds of the fields of what is signed and kept.

use super::*;
use crate::{
    authority::{Operation, Role},
    bytes::{Bytes, List},
    community::{Founder, Genesis},
    encoding::{Malformed, V1, decode},
    epoch::{Scope, SealedKey},
    hello::Handover,
    id::{BodyHash, BundleHash, CommunityId, EnvelopeId, ItemId, OpId},
    invite::{Hint, InviteCert},
    item::{Attachment, Body, Header, Kind, Post, Profile},
    ledger::AddressList,
    link::{Direction, Envelope, LinkTerms, ProofBundle},
    person::{Caps, PersonRecord, Reveal},
    signed::Payload,
    testing::{Actor, FIRST, START, Scene, alice, around, bob, link_terms, up_to},
    text::Text,
    wire::Admission,
};

/// What is not of the type that is read.
const SHAPE: Malformed = Malformed::WrongShape;

/// Reads a payload one field of which is another.
fn with<T: Payload>(whole: &[u8], path: &[usize], field: Value) -> Result<T, Malformed> {
    T::from_canonical(&put(whole, path, field))
}

fn post(at: usize, field: Value) -> Result<Body, Malformed> {
    let post = Post { version: V1, title: None, text: Text::default(), attachments: List::none() };
    Body::read(Kind::POST, &put(&encode(&post), &[at], field))
}

#[test]
fn what_an_item_says_is_bounded() {
    up_to(TITLE_BYTES, SHAPE, |n| post(1, text(n)));
    up_to(TEXT_BYTES, SHAPE, |n| post(2, text(n)));
    let attachment = Attachment(Text::default(), Text::default(), 1, Bytes([0; 32]));
    up_to(ATTACHMENTS, SHAPE, |n| post(3, list(n, |_| field(&attachment))));
    let profile = encode(&Profile::named(Text::default()));
    up_to(NAME_BYTES, SHAPE, |n| Body::read(Kind::PROFILE, &put(&profile, &[1], text(n))));
}

#[test]
fn a_header_is_bounded() {
    let header = encode(&Header {
        version: V1,
        kind: Kind::POST,
        community: CommunityId::new([1; 32]),
        author: alice().person(),
        device: alice().device.public(),
        seq: 0,
        prev: None,
        ts: START,
        auth_heads: List::new(vec![OpId::new([2; 32])]).unwrap(),
        scope: Scope::All,
        reach: 0,
        re: List::none(),
        target: None,
        tags: List::new(vec![Text::line("seeds").unwrap()]).unwrap(),
        body_hash: BodyHash::new([3; 32]),
        body_len: 1,
    });
    let header = |path: &[usize], field| with::<Header>(&header, path, field);
    up_to(HEADS, SHAPE, |n| header(&[8], ids(n, 32)));
    up_to(HOPS, Malformed::Field("an item's reach is 0 to 3"), |n| header(&[10], n.into()));
    up_to(REFERENCES, SHAPE, |n| header(&[11], ids(n, 32)));
    up_to(TAGS, SHAPE, |n| header(&[13], list(n, |_| text(8))));
    up_to(TAG_BYTES, SHAPE, |n| header(&[13, 0], text(n)));
    up_to(BODY_BYTES, Malformed::Field("the body is over its limit"), |n| header(&[15], (n as u64).into()));
}

#[test]
fn a_ruling_is_bounded() {
    let scene = Scene::founded_by(&[alice()]);
    let ruling = scene.pen(alice(), FIRST).rule(bob(), Role::Member).value.to_canonical();
    let ruling = |path: &[usize], field| with::<Operation>(&ruling, path, field);
    up_to(FOUNDERS, SHAPE, |n| ruling(&[3], (n as u64 - 1).into()));
    up_to(PARENTS, SHAPE, |n| ruling(&[7], ids(n, 32)));
    up_to(SUBJECTS, SHAPE, |n| ruling(&[9, 0], ids(n, 32)));
    up_to(PARENTS, SHAPE, |n| ruling(&[9, 3], ids(n, 32)));
    let end = crate::authority::FeedEnd(alice().device.public(), Scope::All, 1, ItemId::new([4; 32]));
    up_to(FEEDS, SHAPE, |n| ruling(&[9, 4], list(n, |_| field(&end))));
    up_to(REASON_BYTES, SHAPE, |n| ruling(&[9, 6], text(n)));
}

#[test]
fn what_a_person_says_of_their_keys_is_bounded() {
    let scene = Scene::founded_by(&[alice()]);
    let keys = scene.pen(alice(), FIRST).keys(0, |_| ()).value.to_canonical();
    let keys = |path: &[usize], field| with::<Operation>(&keys, path, field);
    let (reveal, device) = (field(&alice().reveal(0)), field(&alice().certificate(0, Caps::ALL)));
    up_to(LADDER, SHAPE, |n| keys(&[9, 0], list(n, |_| reveal.clone())));
    up_to(DEVICES, SHAPE, |n| keys(&[9, 1], list(n, |_| device.clone())));
    up_to(DEVICES, SHAPE, |n| keys(&[9, 2], list(n, |_| field(&alice().device.public()))));
    up_to(PARENTS, SHAPE, |n| keys(&[9, 3], ids(n, 32)));
    let record = encode(&alice().record());
    let record = |path: &[usize], field| decode::<PersonRecord>(&put(&record, path, field), PERSON_BYTES);
    up_to(LADDER, SHAPE, |n| record(&[1], list(n, |_| reveal.clone())));
    up_to(DEVICES, SHAPE, |n| record(&[2], list(n, |_| device.clone())));
    around(LADDER, [Some(SHAPE), None, Some(SHAPE)], |n| record(&[0, 3], ids(n, 32)).err());
    let shown = alice().reveal(0);
    up_to(LADDER, Malformed::Field("no such rung of the ladder"), |n| {
        with::<Reveal>(shown.payload.as_slice(), &[2], (n as u64 - 1).into())
    });
}

#[test]
fn a_genesis_is_bounded() {
    let scene = Scene::founded_by(&[alice()]);
    let genesis = scene.log.community().signed.payload.as_slice().to_vec();
    let founder = |n: usize| {
        let actor = Actor::numbered(u32::try_from(n).unwrap());
        field(&Founder(actor.record(), actor.shown()))
    };
    up_to(FOUNDERS, SHAPE, |n| {
        let threshold = crate::testing::majority(n);
        with::<Genesis>(&put(&genesis, &[4], threshold.into()), &[5], list(n, founder))
    });
    up_to(COMMUNITY_NAME_BYTES, SHAPE, |n| with::<Genesis>(&genesis, &[3], text(n)));
    up_to(NAME_BYTES, SHAPE, |n| with::<Genesis>(&genesis, &[5, 0, 1], text(n)));
}

#[test]
fn an_invite_is_bounded() {
    let scene = Scene::founded_by(&[alice()]);
    let invite = alice().invite(scene.log.id(), FIRST, 1, 1);
    let cert = invite.cert.signed.payload.as_slice();
    up_to(INVITE_USES, Malformed::Field("an invite has 1 to 100 uses (I1)"), |n| {
        with::<InviteCert>(cert, &[7], n.into())
    });
    up_to(INVITE_LIFE_MS, Malformed::Field("an invite lives for 90 days at most (I1)"), |n| {
        with::<InviteCert>(cert, &[10], (invite.cert.value.not_before.0 + n).into())
    });
    let hint = encode(&invite.hints[0]);
    let hint = |at: usize, field| decode::<Hint>(&put(&hint, &[at], field), 1024);
    up_to(PEER_BYTES, SHAPE, |n| hint(0, blob(n)));
    up_to(ADDRESS_BYTES, SHAPE, |n| hint(1, blob(n)));
}

#[test]
fn the_terms_of_a_link_are_bounded() {
    let out = Direction::Out { min_author_role: Role::Member };
    let terms = encode(&link_terms(out, CommunityId::new([5; 32]), bob()));
    let terms = |path: &[usize], field| decode::<LinkTerms>(&put(&terms, path, field), OPERATION_BYTES);
    up_to(BROKERS, SHAPE, |n| terms(&[2], ids(n, 32)));
    up_to(LINK_TAGS, SHAPE, |n| terms(&[4], list(n, |_| text(8))));
    up_to(TAG_BYTES, SHAPE, |n| terms(&[4], list(1, |_| text(n))));
    up_to(HOPS, SHAPE, |n| terms(&[6], n.into()));
}

#[test]
fn an_envelope_is_bounded() {
    let envelope = encode(&Envelope {
        version: V1,
        item: ItemId::new([1; 32]),
        from: CommunityId::new([2; 32]),
        to: CommunityId::new([3; 32]),
        out_link: OpId::new([4; 32]),
        in_link: OpId::new([5; 32]),
        hop: 2,
        prev: Some(EnvelopeId::new([6; 32])),
        seq: 0,
        prev_by_device: None,
        ts: START,
        proof: BundleHash::new([7; 32]),
        broker: bob().person(),
        device: bob().device.public(),
        heads: List::new(vec![OpId::new([8; 32])]).unwrap(),
        note: Text::default(),
        summary: None,
        tags: List::none(),
    });
    let envelope = |at: usize, field| with::<Envelope>(&envelope, &[at], field);
    up_to(HOPS, Malformed::Field("an envelope's hop is 1 to 3"), |n| envelope(6, n.into()));
    up_to(HEADS, SHAPE, |n| envelope(14, ids(n, 32)));
    up_to(NOTE_BYTES, SHAPE, |n| envelope(15, text(n)));
    up_to(SUMMARY_BYTES, SHAPE, |n| envelope(16, text(n)));
    up_to(TAGS, SHAPE, |n| envelope(17, list(n, |_| text(8))));
    up_to(TAG_BYTES, SHAPE, |n| envelope(17, list(1, |_| text(n))));
}

#[test]
fn a_bundle_and_what_is_handed_over_are_bounded() {
    let scene = Scene::founded_by(&[alice()]);
    let operation = scene.pen(alice(), FIRST).rule(bob(), Role::Member).signed;
    let genesis = scene.log.community().signed.clone();
    let operations = List::new(vec![operation.clone()]).unwrap();
    let bundle = ProofBundle { version: V1, genesis: genesis.clone(), operations, persons: List::none() }.to_bytes();
    let bundle = |at: usize, element: Value| {
        let bundle = bundle.clone();
        move |n| ProofBundle::from_bytes(&put(&bundle, &[at], list(n, |_| element.clone())))
    };
    up_to(BUNDLE_OPERATIONS, SHAPE, bundle(2, field(&operation)));
    up_to(BUNDLE_OPERATIONS, SHAPE, bundle(3, field(&alice().record())));
    let key = field(&(OpId::new([1; 32]), SealedKey(Bytes([0; 8]), Bytes([0; 32]), Bytes([0; 48]))));
    let handover = encode(&Handover { genesis: genesis.clone(), keys: List::none() });
    let admission = encode(&Admission { genesis, admit: OpId::new([1; 32]), keys: List::none() });
    up_to(KEYS_HANDED_OVER, SHAPE, |n| {
        decode::<Handover>(&put(&handover, &[1], list(n, |_| key.clone())), HANDOVERS_BYTES)
    });
    up_to(KEYS_HANDED_OVER, SHAPE, |n| {
        decode::<Admission>(&put(&admission, &[2], list(n, |_| key.clone())), RESPONSE_BYTES)
    });
}

#[test]
fn where_a_peer_is_found_is_bounded() {
    let addresses = List::new(vec![crate::bytes::Blob::default()]).unwrap();
    let found = AddressList { peer: Default::default(), seq: 1, list: Default::default(), addresses };
    let found = encode(&found);
    let found = |path: &[usize], field| decode::<AddressList>(&put(&found, path, field), 16 * 1024);
    up_to(PEER_BYTES, SHAPE, |n| found(&[0], blob(n)));
    up_to(ADDRESS_LIST_BYTES, SHAPE, |n| found(&[2], blob(n)));
    up_to(ADDRESSES, SHAPE, |n| found(&[3], list(n, |_| blob(8))));
    up_to(ADDRESS_BYTES, SHAPE, |n| found(&[3, 0], blob(n)));
}
