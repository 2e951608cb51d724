//! Frames of the exchange, and what gossip carries.

use hearth_protocol::{
    bytes::Bytes,
    encoding::encode,
    hello::{SealedHello, Speaker, padding},
    random::Random,
    reconcile::Sketch,
    wire::{Fingerprint, Gossip, Request, Response, SetName},
};

use super::{File, Json, hex, object, transcript};
use crate::{
    asks::{self, Device, SECRET},
    cast::{blob, text},
    cbor::{NULL, Node, edited, replaced},
    story::WORLD,
};

/// The seed of the tags that mean nothing.
const TAGS_SEED: [u8; 32] = [0x66; 32];

pub(super) fn file() -> File {
    let about = "One frame of each kind. Not final, as the name of the stream protocol says. Sealed parts are those of handshake.json and \
                 pairing.json, or fillers.";
    let mut file = File::new("wire", "wire.md", about);
    for (name, request) in requests() {
        file.accept(name, "request", &request.to_bytes(), Json::Null);
    }
    for (name, response) in responses() {
        file.accept(name, "response", &response.to_bytes(), Json::Null);
    }
    let (w, step) = (&*WORLD, &WORLD.garden.steps[0]);
    let epoch = Gossip::Epoch(step.signed.clone(), w.blob.clone());
    let inputs = object! { "epoch": hex(step.id.as_bytes()), "epoch_key": hex(w.epoch.as_bytes()) };
    file.accept("gossip of an operation", "gossip", &Gossip::Operation(step.signed.clone()).to_bytes(), Json::Null);
    let carry = Gossip::Carry(Box::new(w.relayed.carry.clone()));
    file.accept("gossip of a relayed item", "gossip", &carry.to_bytes(), Json::Null);
    file.accept("gossip of an Epoch with its sealed keys", "gossip", &epoch.to_bytes(), inputs);
    refused(&mut file, &epoch.to_bytes());
    file
}

/// Bob's tags and hellos: one of each means something.
pub(crate) fn shown() -> Request {
    let (transcript, mut random) = (transcript(), Random::new(&TAGS_SEED));
    let mut tags: Vec<Bytes<16>> = (0..63).map(|_| Bytes(random.bytes())).collect();
    tags.push(transcript.tag(&WORLD.epoch, Speaker::Asker));
    tags.sort_unstable();
    let mut hellos: Vec<SealedHello> = (0..3).map(|_| padding(&transcript, &mut random)).collect();
    hellos.push(asks::sealed_hello());
    hellos.sort_unstable();
    Request::Tags(tags, hellos)
}

fn requests() -> Vec<(&'static str, Request)> {
    let (w, transcript) = (&*WORLD, transcript());
    let (tag, garden) = (transcript.tag(&w.epoch, Speaker::Asker), w.garden.id());
    let epoch = w.garden.steps[0].id;
    let look = transcript.join_key(garden).seal(&encode(&asks::look()), &[]);
    let pair = transcript.pair_key(&SECRET).seal(&encode(&asks::pair()), &[]);
    let restore = transcript.restore_key(w.bob.id()).seal(&encode(&asks::restore()), &[]);
    vec![
        ("hello", Request::Hello(Bytes([0xa1; 32]))),
        ("64 tags and 4 sealed hellos, of each of which one means something", shown()),
        ("a proof", Request::Prove(tag, blob(vec![0; 3]))),
        ("a request to join", Request::Join(transcript.join_tag(garden), blob(vec![0; 3]))),
        ("a comparison", Request::Ids(tag, SetName::Items, Fingerprint(2, [1, 2, 3, u64::MAX]), Some(Bytes([2; 32])))),
        ("the first comparison", Request::Ids(tag, SetName::Operations, Fingerprint(0, [0; 4]), None)),
        ("a fetch", Request::Fetch(tag, SetName::Blobs, vec![Bytes([2; 32])])),
        ("address lists", Request::Addresses(tag, vec![blob(vec![0; 3])])),
        ("keys are asked for (E5)", Request::Keys(tag, vec![epoch])),
        ("a request to look", Request::Preview(transcript.join_tag(garden), blob(look))),
        ("a pairing", Request::Pair(transcript.pair_tag(&SECRET), blob(pair))),
        ("a restore", Request::Restore(transcript.restore_tag(w.bob.id()), blob(restore))),
        ("one's communities are asked for", Request::Communities(tag, vec![garden])),
        ("all of one's communities", Request::Communities(tag, Vec::new())),
        ("sets are compared", Request::Compare(tag, FIRST_SETS.map(|set| (set, SUM)).to_vec(), 0, 48)),
        (
            "some are asked for and some offered",
            Request::Bring(tag, SetName::Items, vec![Bytes([2; 16])], vec![Bytes([3; 16])]),
        ),
        ("periods are asked for", Request::Periods(tag, SetName::Envelopes)),
        ("a period is listed", Request::List(tag, SetName::Items, 692, None)),
        ("more of a period is taken", Request::Take(tag, SetName::Items, 692, Some((u64::MAX, Bytes([2; 32]))))),
        (
            "the inner circle's set is compared too",
            Request::Compare(tag, SetName::COMPARED.map(|set| (set, SUM)).to_vec(), 0, 48),
        ),
        ("some of it are asked for", Request::Bring(tag, SetName::Inner, vec![Bytes([2; 16])], Vec::new())),
    ]
}

/// The sets that every member compares with every other.
const FIRST_SETS: [SetName; 3] = [SetName::Operations, SetName::Items, SetName::Envelopes];

/// The fingerprint of two ids.
const SUM: Fingerprint = Fingerprint(2, [1, 2, 3, u64::MAX]);

/// The first two cells of the sketch of two ids.
fn cells() -> Vec<u8> {
    let mut sketch = Sketch::default();
    [[2; 16], [3; 16]].iter().for_each(|id| sketch.add(&Bytes(*id)));
    sketch.cells(0, 2).to_bytes()
}

fn responses() -> Vec<(&'static str, Response)> {
    let w = &*WORLD;
    let mut random = Random::new(&TAGS_SEED);
    let tags = (0..64).map(|_| Bytes(random.bytes())).collect();
    let epoch = w.garden.steps[0].id;
    let key = asks::handed(w.garden.id(), epoch, &w.epoch, &Device::restored());
    vec![
        ("hello", Response::Hello(Bytes([0xb2; 32]))),
        ("64 tags", Response::Tags(tags)),
        ("a proof", Response::Prove(blob(vec![0; 3]))),
        ("an admission", Response::Join(blob(vec![0; 3]))),
        ("a page of ids", Response::Ids(Fingerprint(1, [1, 0, 0, 0]), vec![Bytes([2; 32])], true)),
        ("what was fetched", Response::Fetch(SetName::Items, vec![blob(w.items[0].item.to_bytes())])),
        ("address lists", Response::Addresses(Vec::new())),
        ("a refusal", Response::Refused(text("unknown"))),
        ("keys (E5)", Response::Keys(vec![(epoch, key)])),
        ("no keys", Response::Keys(Vec::new())),
        ("a preview", Response::Preview(blob(vec![0; 3]))),
        ("what a new device is given", Response::Pair(blob(vec![0; 3]))),
        ("what somebody is given who comes back", Response::Restore(blob(vec![0; 3]))),
        ("one's communities", Response::Communities(vec![asks::handover()])),
        (
            "a set that is equal, and two cells of one that is not",
            Response::Compare(vec![(SUM, blob(Vec::new())), (SUM, blob(cells()))]),
        ),
        ("two periods", Response::Periods(vec![(691, SUM), (692, SUM)])),
        ("a page of short ids", Response::List(vec![Bytes([2; 16])], Some((7, Bytes([2; 32]))))),
        ("the last page of a period", Response::Take(SetName::Items, vec![blob(w.items[0].item.to_bytes())], None)),
    ]
}

fn refused(file: &mut File, epoch: &[u8]) {
    let shown = shown().to_bytes();
    let fewer = |at: usize| edited(&shown, |fields| drop(fields[at].elements().pop()));
    let more = |at: usize| {
        edited(&shown, |fields| {
            let last = fields[at].elements()[0].clone();
            fields[at].elements().push(last);
        })
    };
    file.refuse("63 tags", "request", &fewer(1), "wrong_shape");
    file.refuse("65 tags", "request", &more(1), "wrong_shape");
    file.refuse("3 sealed hellos", "request", &fewer(2), "wrong_shape");
    file.refuse("5 sealed hellos", "request", &more(2), "wrong_shape");
    for length in [250, 252] {
        let other = edited(&shown, |fields| fields[2].elements()[0] = Node::Bytes(vec![0; length]));
        file.refuse(format!("a sealed hello of {length} bytes"), "request", &other, "wrong_shape");
    }
    let without = edited(&shown, |fields| drop(fields.pop()));
    file.refuse("tags without sealed hellos", "request", &without, "wrong_shape");
    let (tag, id) = (Node::Bytes(vec![1; 16]), Node::Bytes(vec![2; 32]));
    let request = |number: u64, second: Node| Node::Array(vec![Node::Uint(number), tag.clone(), second]).write();
    let ids = |count: usize| Node::Array(vec![id.clone(); count]);
    file.refuse("a request for the keys of no epoch", "request", &request(7, ids(0)), "wrong_shape");
    file.refuse("a request for 65 keys", "request", &request(7, ids(65)), "wrong_shape");
    file.refuse("a look of 2,049 bytes", "request", &request(8, Node::Bytes(vec![0; 2049])), "wrong_shape");
    file.refuse("a pairing of 513 bytes", "request", &request(9, Node::Bytes(vec![0; 513])), "wrong_shape");
    file.refuse("17 communities that are known", "request", &request(11, ids(17)), "wrong_shape");
    file.refuse("a request of the number 12", "request", &request(12, ids(0)), "wrong_shape");
    file.refuse("a response of the number 13", "response", &[0x82, 0x0d, 0x80], "wrong_shape");
    file.refuse("a response of keys that are null", "response", &[0x82, 0x08, 0xf6], "wrong_shape");
    file.refuse("gossip of the number 3", "gossip", &replaced(epoch, 0, Node::Uint(3)), "wrong_shape");
    file.refuse("gossip of an Epoch without its keys", "gossip", &edited(epoch, |f| drop(f.pop())), "wrong_shape");
    file.refuse("gossip of an Epoch with a fourth field", "gossip", &edited(epoch, |f| f.push(NULL)), "not_canonical");
    let bare = edited(epoch, |fields| fields[0] = Node::Uint(0));
    file.refuse("gossip of an operation with a blob", "gossip", &bare, "not_canonical");
}
