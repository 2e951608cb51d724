//! One good example or more of whatever a decoder reads, made here from fixed keys.
//!
//! They are the first inputs of the fuzz targets, as files under `tests/fuzz/corpus/NAME`. When a format changes,
//! `HEARTH_WRITE_CORPUS=1 cargo test --release -p hearth-tests --test corpora` writes them anew.
//! Always true: the same in every run.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use hearth_protocol::authority::{self, Epoch, Grant, Keys, LinkEnd, Operation, Role, Rule, Subject};
use hearth_protocol::bytes::{Blob, Bytes, List};
use hearth_protocol::community::{Community, Founder};
use hearth_protocol::encoding::{V1, encode};
use hearth_protocol::epoch::{EpochKey, Scope, SealedKey, SealingKey};
use hearth_protocol::hello::{Handover, SealedHello, StaleHello, Transcript, padding};
use hearth_protocol::id::{CommunityId, Context, ItemId, OpId, PersonId, hash};
use hearth_protocol::invite::{Hint, InviteKey, InviteTerms};
use hearth_protocol::item::{
    Body, Bookmark, Charter, Edit, Endorsement, Header, Kind, Label, Merit, Post, Profile, Recall, Reply, SaltedBody,
    SignedItem,
};
use hearth_protocol::key::SecretKey;
use hearth_protocol::link::{Carry, Direction, Envelope, KindSet, LinkTerms, ProofBundle};
use hearth_protocol::pairing::PairingCode;
use hearth_protocol::pasted::to_link;
use hearth_protocol::person::{Ladder, PersonRecord};
use hearth_protocol::random::Random;
use hearth_protocol::signed::{Payload, Signed};
use hearth_protocol::text::Text;
use hearth_protocol::time::Millis;
use hearth_protocol::wire::{Admission, Fingerprint, Gossip, Request, Response, SetName};
use hearth_tests::decoders::{ALL, Verdict};
use hearth_tests::shared;
use serde_json::Value;

const NOW: Millis = Millis(1_700_000_000_000);

/// Somebody with one device.
struct Somebody {
    ladder: Ladder,
    device: SecretKey,
    record: PersonRecord,
}

impl Somebody {
    fn new(seed: u8) -> Somebody {
        let (ladder, device) = (Ladder::new([seed; 32]), SecretKey::new(&[seed + 100; 32]));
        let kem = SealingKey::new([seed + 200; 32]).public();
        let record = ladder.record(device.public(), kem, NOW);
        Somebody { ladder, device, record }
    }

    fn founds(&self, name: &str) -> Community {
        let founder = Founder(self.record.clone(), line("alice"));
        let found = Community::found([7; 32], line(name), founder, &self.device, None, NOW);
        found.expect("it is a good genesis")
    }

    /// An operation of the founder of `community`.
    fn operation(&self, community: &Community, body: authority::Body) -> Operation {
        Operation {
            community: community.id,
            author: self.ladder.person(),
            auth: Grant::Founder(0),
            device: self.device.public(),
            lamport: 1,
            ts: NOW,
            parents: list(vec![OpId::new(*community.id.as_bytes())]),
            body,
        }
    }

    fn item(&self, community: &Community, kind: Kind, salted: &SaltedBody) -> SignedItem {
        let length = salted.as_slice().len() - 16;
        let header = Header {
            version: V1,
            kind,
            community: community.id,
            author: self.ladder.person(),
            device: self.device.public(),
            seq: 0,
            prev: None,
            ts: NOW,
            auth_heads: list(vec![OpId::new(*community.id.as_bytes())]),
            scope: Scope::All,
            reach: 1,
            re: List::none(),
            target: None,
            tags: list(vec![line("seeds"), line("winter/storage")]),
            body_hash: hash(Context::BODY, salted.as_slice()).into(),
            body_len: u32::try_from(length).expect("an example is short"),
        };
        SignedItem::seal(&header, &self.device).expect("it is a good header")
    }
}

fn line<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::line(text).expect("an example is short")
}

fn list<T, const MIN: usize, const MAX: usize>(elements: Vec<T>) -> List<T, MIN, MAX> {
    List::new(elements).expect("an example has few")
}

fn blob<const MAX: usize>(bytes: &[u8]) -> Blob<MAX> {
    Blob::new(bytes.to_vec()).expect("an example is short")
}

fn bodies() -> Vec<(Kind, Body)> {
    let post =
        Post { version: V1, title: Some(line("Frost")), text: line("It came early."), attachments: List::none() };
    let bookmark = Bookmark {
        version: V1,
        url: line("https://seeds.example/saving"),
        title: Some(line("Saving seed")),
        note: None,
        excerpt: None,
        added: NOW,
        source: Some(line("firefox")),
    };
    let edit = Edit { version: V1, body: blob(&Body::Post(post.clone()).to_bytes()) };
    let profile = Profile {
        version: V1,
        name: line("alice"),
        about: Some(line("Grows beans.")),
        practises: list(vec![line("pruning")]),
        learning: List::none(),
        offers: List::none(),
        asks: list(vec![line("a ladder")]),
        languages: list(vec![line("de")]),
        zone: Some(line("Europe/Vienna")),
    };
    let charter = Charter {
        version: V1,
        domain: line("growing things"),
        community: None,
        practice: None,
        norms: Some(line("Bring back the tools.")),
        topics: list(vec![line("seeds"), line("soil")]),
        start_here: Some(ItemId::new([9; 32])),
        welcome: None,
    };
    vec![
        (Kind::POST, Body::Post(post)),
        (Kind::REPLY, Body::Reply(Reply { version: V1, text: line("Here too.") })),
        (Kind::BOOKMARK, Body::Bookmark(bookmark)),
        (Kind::EDIT, Body::Edit(edit)),
        (Kind::TOMBSTONE, Body::Tombstone),
        (Kind::PROFILE, Body::Profile(profile)),
        (Kind::CHARTER, Body::Charter(charter)),
        (
            Kind::ENDORSEMENT,
            Body::Endorsement(Endorsement { version: V1, merit: Merit::TriedIt, line: Some(line("twice")) }),
        ),
        (Kind::LABEL, Body::Label(Label { version: V1, hide: true, reason: line("not ours") })),
        (Kind::RECALL, Body::Recall(Recall { version: V1, reason: line("it was wrong") })),
    ]
}

fn terms(direction: Direction, other: &Community, broker: &Somebody) -> LinkTerms {
    LinkTerms {
        direction,
        other: other.id,
        brokers: list(vec![broker.ladder.person()]),
        kinds: KindSet::of(&[Kind::POST, Kind::BOOKMARK]),
        tags: list(vec![line("seeds")]),
        max_hops: 1,
        per_day: 20,
        replies_only: false,
        not_after: NOW.after(90 * 24 * 3_600_000),
    }
}

/// Everything that takes part in one relay.
struct Scene {
    alice: Somebody,
    ferry: Somebody,
    garden: Community,
    library: Community,
    key: InviteKey,
    join: Signed,
}

impl Scene {
    fn new() -> Scene {
        let (alice, ferry, dave) = (Somebody::new(1), Somebody::new(2), Somebody::new(3));
        let (garden, library) = (alice.founds("garden"), dave.founds("library"));
        let terms = InviteTerms {
            role: Role::Member,
            max_uses: 3,
            only: None,
            not_before: NOW,
            not_after: NOW.after(1_000_000),
        };
        let inviter = (alice.ladder.person(), Grant::Founder(0), &alice.device);
        let hints = list(vec![Hint(blob(&[0, 36, 8]), blob(&[4, 127, 0, 0, 1, 6, 15, 160]))]);
        let key = InviteKey::create(garden.id, inviter, &terms, hints, [5; 24]).expect("they are good terms");
        let join = key.join(ferry.record.clone(), line("ferry"), &ferry.ladder.key(0), &ferry.device, NOW);
        Scene { alice, ferry, garden, library, key, join }
    }

    fn code(&self) -> PairingCode {
        PairingCode::new([11; 16], self.key.hints.clone())
    }

    fn operations(&self) -> Vec<Operation> {
        use authority::Body as Does;
        let rule = Rule {
            subjects: list(vec![Subject::Person(self.ferry.ladder.person()), Subject::Join(self.join.clone())]),
            role: Role::Core,
            vouch: false,
            cut: Some(list(vec![OpId::new([3; 32])])),
            feeds: List::none(),
            links: List::none(),
            reason: line("good work"),
        };
        let keys = Keys {
            reveals: List::none(),
            devices: list(self.ferry.record.devices.to_vec()),
            revoked: list(vec![self.ferry.device.public()]),
            cut: None,
            feeds: List::none(),
        };
        let out = Direction::Out { min_author_role: Role::Member };
        let inward = Direction::In { quarantine: true };
        let bodies = vec![
            Does::Rule(rule),
            Does::Admit(self.key.cert.signed.clone(), self.join.clone()),
            Does::Leave,
            Does::InviteEnd(self.key.cert.id().into()),
            Does::Policy(4, 100),
            Does::Keys(keys),
            Does::Epoch(Epoch { scope: Scope::All, commit: Bytes([6; 32]), sealed: None }),
            Does::Link(terms(out, &self.library, &self.ferry)),
            Does::Link(terms(inward, &self.library, &self.ferry)),
            Does::LinkEnd(LinkEnd { link: OpId::new([2; 32]), cuts: List::none() }),
            Does::Succeed(self.library.id),
            Does::Merge,
            Does::Later(64),
        ];
        bodies.into_iter().map(|body| self.alice.operation(&self.garden, body)).collect()
    }

    fn bundle(&self) -> ProofBundle {
        let signed =
            self.operations().iter().skip(7).take(1).map(|link| Signed::seal(link, &[&self.alice.device])).collect();
        ProofBundle {
            version: V1,
            genesis: self.garden.signed.clone(),
            operations: list(signed),
            persons: list(vec![self.ferry.record.clone()]),
        }
    }

    fn carries(&self) -> [Carry; 2] {
        let (kind, body) = bodies().swap_remove(2);
        let salted: SaltedBody = blob(&[&[8; 16][..], &body.to_bytes()].concat());
        let item = self.alice.item(&self.garden, kind, &salted);
        let plain = Carry::plain(item.clone(), Some(salted.clone()));
        let envelope = Signed::seal(&self.envelope(&item), &[&self.ferry.device]);
        let relayed = Carry {
            version: V1,
            item,
            body: Some(salted),
            envelope: Some(envelope),
            bundle: Some(self.bundle().hash()),
            person: Some(self.alice.record.clone()),
        };
        [plain, relayed]
    }

    fn envelope(&self, item: &SignedItem) -> Envelope {
        Envelope {
            version: V1,
            item: item.id(),
            from: self.garden.id,
            to: self.library.id,
            out_link: OpId::new([1; 32]),
            in_link: OpId::new([2; 32]),
            hop: 1,
            prev: None,
            seq: 0,
            prev_by_device: None,
            ts: NOW,
            proof: self.bundle().hash(),
            broker: self.ferry.ladder.person(),
            device: self.ferry.device.public(),
            heads: list(vec![OpId::new(*self.library.id.as_bytes())]),
            note: line("for the shelves"),
            summary: None,
            tags: list(vec![line("gardening")]),
        }
    }

    fn gossip(&self) -> Vec<Vec<u8>> {
        let operation = Signed::seal(&self.operations()[4], &[&self.alice.device]);
        let mut frames = vec![Gossip::Operation(operation)];
        frames.extend(self.carries().map(|carry| Gossip::Carry(Box::new(carry))));
        let epoch = Signed::seal(&self.operations()[6], &[&self.alice.device]);
        frames.push(Gossip::Epoch(epoch, list(vec![sealed_key()])));
        frames.iter().map(Gossip::to_bytes).collect()
    }
}

fn sealed_key() -> SealedKey {
    SealedKey(Bytes([1; 8]), Bytes([2; 32]), Bytes([3; 48]))
}

/// A hello to the device that the decoder's row is, on its connection; and padding.
fn hellos() -> Vec<SealedHello> {
    let transcript = Transcript::new((b"lo", &[3; 32]), (b"hi", &[4; 32]));
    let (device, mine) = (SecretKey::new(&[6; 32]), SealingKey::new([1; 32]));
    let hello = StaleHello {
        community: CommunityId::new([5; 32]),
        person: PersonId::new([7; 32]),
        device: device.public(),
        key: EpochKey::new([8; 32]),
    };
    let mut random = Random::new(&[9; 32]);
    let mut hellos = vec![hello.seal(&transcript, &device, &mine.public(), &mut random)];
    hellos.extend((0..3).map(|_| padding(&transcript, &mut random)));
    hellos
}

fn requests() -> Vec<Vec<u8>> {
    let (tag, id) = (Bytes([1; 16]), Bytes([2; 32]));
    let requests = [
        Request::Hello(id),
        Request::Tags(vec![tag; 64], hellos()),
        Request::Prove(tag, blob(&[3; 200])),
        Request::Join(tag, blob(&[4; 300])),
        Request::Ids(tag, SetName::Items, Fingerprint(3, [1, 2, 3, 4]), Some(id)),
        Request::Fetch(tag, SetName::Operations, vec![id; 3]),
        Request::Addresses(tag, vec![blob(&[5; 40])]),
        Request::Keys(tag, vec![OpId::new([6; 32]); 2]),
        Request::Preview(tag, blob(&[7; 300])),
        Request::Pair(tag, blob(&[8; 200])),
        Request::Restore(tag, blob(&[9; 900])),
        Request::Communities(tag, vec![CommunityId::new([10; 32])]),
        Request::Compare(tag, vec![(SetName::Items, Fingerprint(3, [1, 2, 3, 4]))], 48, 100),
        Request::Bring(tag, SetName::Items, vec![tag; 3], vec![tag; 2]),
        Request::Periods(tag, SetName::Items),
        Request::List(tag, SetName::Items, 692, Some((7, id))),
        Request::Take(tag, SetName::Operations, 0, None),
    ];
    requests.iter().map(Request::to_bytes).collect()
}

fn responses() -> Vec<Vec<u8>> {
    let (tag, id) = (Bytes([1; 16]), Bytes([2; 32]));
    let responses = [
        Response::Hello(id),
        Response::Tags(vec![tag; 64]),
        Response::Prove(blob(&[3; 200])),
        Response::Join(blob(&[4; 300])),
        Response::Ids(Fingerprint(3, [1, 2, 3, 4]), vec![id; 3], true),
        Response::Fetch(SetName::Items, vec![blob(&[6; 100])]),
        Response::Compare(vec![(Fingerprint(3, [1, 2, 3, 4]), blob(&[5; 220]))]),
        Response::Periods(vec![(692, Fingerprint(3, [1, 2, 3, 4]))]),
        Response::List(vec![tag; 3], Some((7, id))),
        Response::Take(SetName::Items, vec![blob(&[6; 100])], Some((7, id))),
        Response::Addresses(vec![blob(&[5; 40])]),
        Response::Refused(line("not_known")),
        Response::Keys(vec![(OpId::new([6; 32]), sealed_key())]),
        Response::Preview(blob(&[7; 300])),
        Response::Pair(blob(&[8; 300])),
        Response::Restore(blob(&[9; 300])),
        Response::Communities(vec![Handover {
            genesis: Scene::new().garden.signed,
            keys: list(vec![(OpId::new([6; 32]), sealed_key())]),
        }]),
    ];
    responses.iter().map(Response::to_bytes).collect()
}

/// What the vectors of the protocol accept, for decoders that read several things by a first byte or none.
fn vectors(file: &str, decoder: &str, first: &[u8]) -> Vec<Vec<u8>> {
    let path = shared::root().join("docs/protocol/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let vectors: Value = serde_json::from_str(&text).expect("vectors are JSON");
    let accepted = vectors["accepted"].as_array().into_iter().flatten();
    let own = accepted.filter(|case| case["decoder"] == decoder);
    let bytes = own.map(|case| {
        let hex = case["bytes"].as_str().expect("a vector has bytes");
        [first, &HEXLOWER.decode(hex.as_bytes()).expect("bytes are hexadecimal digits")].concat()
    });
    bytes.collect()
}

/// A pasted text, and its link.
fn forms(text: &str) -> Vec<Vec<u8>> {
    vec![text.as_bytes().to_vec(), to_link(text).into_bytes()]
}

/// Good examples by the name of their decoder.
pub(crate) fn examples() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let scene = Scene::new();
    let carries = scene.carries();
    let admission = encode(&Admission {
        genesis: scene.garden.signed.clone(),
        admit: OpId::new([4; 32]),
        keys: list(vec![(OpId::new([5; 32]), sealed_key())]),
    });
    let addresses = [
        "https://seeds.example/Saving?x=1&y=%20#top",
        "HTTP://[2001:db8::1]:8080/a/../b/",
        "gemini://capsule.example/tools/hoe.gmi",
        "mailto:ask@garden.example?subject=beans",
        "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
    ];
    let bodies = bodies().into_iter().map(|(kind, body)| [&[kind.0][..], &body.to_bytes()].concat());
    BTreeMap::from([
        ("address", addresses.iter().map(|text| text.as_bytes().to_vec()).collect()),
        ("body", bodies.collect()),
        ("bundle", vec![scene.bundle().to_bytes()]),
        ("carry", carries.iter().map(Carry::to_bytes).collect()),
        ("cbor", vectors("encoding.json", "cbor", &[])),
        ("envelope", vec![scene.envelope(&carries[0].item).to_canonical()]),
        ("epoch_blob", vectors("epochs.json", "epoch_blob", &[])),
        ("genesis", vec![scene.garden.signed.payload.as_slice().to_vec()]),
        ("gossip", scene.gossip()),
        (
            "handshake",
            [
                vectors("handshake.json", "proof", &[0]),
                vectors("handshake.json", "join_request", &[1]),
                vec![[&[2][..], &admission].concat()],
                vectors("handshake.json", "preview_request", &[3]),
                vectors("pairing.json", "pair_request", &[4]),
                vectors("pairing.json", "restore_request", &[5]),
                vectors("pairing.json", "paired", &[6]),
                vectors("handshake.json", "preview", &[7]),
                vectors("pairing.json", "handover", &[8]),
                vectors("pairing.json", "handovers", &[9]),
            ]
            .concat(),
        ),
        ("invite_cert", vec![scene.key.cert.signed.payload.as_slice().to_vec()]),
        ("invite_key", forms(&scene.key.to_text())),
        ("join", vec![scene.join.payload.as_slice().to_vec()]),
        ("operation", scene.operations().iter().map(Operation::to_canonical).collect()),
        ("pairing_code", forms(&scene.code().to_text())),
        ("person", vec![scene.alice.record.to_bytes()]),
        ("request", requests()),
        ("response", responses()),
        ("sealed", vec![EpochKey::new([2; 32]).seal(b"beans", b"")]),
        ("sealed_hello", hellos().iter().take(1).map(|hello| hello.0.to_vec()).collect()),
        ("signed_item", carries.iter().take(1).map(|carry| carry.item.to_bytes()).collect()),
    ])
}

/// Where the first inputs of a fuzz target are.
pub(crate) fn corpus(name: &str) -> PathBuf {
    shared::root().join("tests/fuzz/corpus").join(name)
}

#[test]
fn every_decoder_accepts_its_examples() {
    let examples = examples();
    for decoder in ALL {
        let own = examples.get(decoder.name);
        let own = own.unwrap_or_else(|| panic!("no example of {}", decoder.name));
        for (number, bytes) in own.iter().enumerate() {
            let verdict = (decoder.run)(bytes);
            assert_eq!(verdict, Verdict::Accepted, "{} {number}", decoder.name);
        }
    }
}

#[test]
fn the_fuzz_targets_start_from_these_examples() {
    let write = env::var_os("HEARTH_WRITE_CORPUS").is_some();
    for (name, own) in examples() {
        for (number, bytes) in own.iter().enumerate() {
            let path = corpus(name).join(format!("example-{number:02}"));
            if write {
                fs::create_dir_all(corpus(name)).expect("the corpus can be written");
                fs::write(&path, bytes).expect("the corpus can be written");
            }
            let found = fs::read(&path).unwrap_or_default();
            assert!(found == *bytes, "{} is another one: HEARTH_WRITE_CORPUS=1 writes it anew", path.display());
        }
    }
}

#[test]
fn every_decoder_has_a_fuzz_target() {
    for decoder in ALL {
        let path = shared::root().join(format!("tests/fuzz/fuzz_targets/{}.rs", decoder.name));
        let target = fs::read_to_string(&path).unwrap_or_default();
        let names_it = target.contains(&format!("target!(\"{}\")", decoder.name));
        assert!(names_it, "{} does not fuzz {}", path.display(), decoder.name);
    }
}
