//! Items and bodies, one of each kind.

use hearth_protocol::{
    id::Context,
    item::{Kind, SignedItem},
};

use super::{File, Json, hex, object};
use crate::{
    cast::{sign, signed_by},
    cbor::{NULL, Node, edited, parse, replaced},
    items::{FILE, Written},
    story::WORLD,
};

pub(super) fn file() -> File {
    let about = "Items of the garden: the salt and body, the header that names them, the item that travels. `refused` holds items whose \
                 signature is good and whose header breaks a rule, and bodies that their kind does not take.";
    let mut file = File::new("items", "item.md", about);
    for written in &WORLD.items {
        file.accept(written.title, "item", &written.item.to_bytes(), told(written));
        let word = written.header.kind.name();
        if word != "later" {
            file.accept(
                format!("the body of the {}", written.title),
                &format!("body {word}"),
                &written.body,
                Json::Null,
            );
        }
    }
    refused_headers(&mut file);
    refused_bodies(&mut file);
    file.more.push(("attached_file", object! { "bytes": hex(FILE), "root": hex(blake3::hash(FILE).as_bytes()) }));
    file
}

fn told(written: &Written) -> Json {
    object! {
        "kind": u64::from(written.header.kind.0),
        "author": written.author,
        "device_seed": hex(written.seed),
        "salt": hex(written.salt),
        "body": hex(&written.body),
        "body_hash": hex(written.header.body_hash.as_bytes()),
        "header": hex(written.item.header.as_slice()),
        "signature": hex(written.item.signature.0),
    }
}

/// An item of bob around any bytes.
fn by_bob(header: &[u8]) -> Vec<u8> {
    let (_, signature) = sign(&WORLD.bob.device_seed, Context::ITEM, header);
    Node::Array(vec![Node::Bytes(header.to_vec()), Node::Bytes(signature.0.0.to_vec())]).write()
}

fn refused_headers(file: &mut File) {
    let good = WORLD.items[1].item.header.as_slice();
    let mut refuse = |name: &'static str, at: usize, node: Node, refusal: &str| {
        file.refuse(name, "item", &by_bob(&replaced(good, at, node)), refusal);
    };
    let id = |byte| Node::Bytes(vec![byte; 32]);
    refuse("version 2", 0, Node::Uint(2), "wrong_shape");
    refuse("kind 0", 1, Node::Uint(0), "bad_field");
    refuse("kind 128", 1, Node::Uint(128), "bad_field");
    refuse("an edit without a target", 1, Node::Uint(7), "bad_field");
    refuse("seq 0 with an item before it", 5, Node::Uint(0), "bad_field");
    refuse("seq over 32 bits", 5, Node::Uint(1 << 32), "wrong_shape");
    refuse("seq 1 without an item before it", 6, NULL, "bad_field");
    refuse("a time after the year 9999", 7, Node::Uint(253_402_300_800_000), "wrong_shape");
    refuse("a time that is not the shortest", 7, Node::Raw(vec![0x1b, 0, 0, 0, 0, 0, 0, 0, 1]), "not_shortest");
    refuse("no heads", 8, Node::Array(Vec::new()), "wrong_shape");
    refuse("five heads", 8, Node::Array((0..5).map(id).collect()), "wrong_shape");
    refuse("heads out of order", 8, Node::Array(vec![id(2), id(1)]), "bad_field");
    refuse("the scope 2", 9, Node::Uint(2), "wrong_shape");
    refuse("an inner item that may leave (T2)", 9, Node::Uint(1), "bad_field");
    refuse("reach 4", 10, Node::Uint(4), "bad_field");
    refuse("five references", 11, Node::Array((0..5).map(id).collect()), "wrong_shape");
    refuse("17 tags", 13, Node::Array(vec![Node::Text(b"a".to_vec()); 17]), "wrong_shape");
    refuse("a tag of 65 bytes", 13, Node::Array(vec![Node::Text(vec![b'a'; 65])]), "wrong_shape");
    refuse("a tag that is not UTF-8", 13, Node::Array(vec![Node::Text(vec![0xff])]), "not_utf8");
    refuse("a body of 256 KiB and a byte", 15, Node::Uint(256 * 1024 + 1), "bad_field");
    let long = edited(good, |fields| fields.push(NULL));
    file.refuse("a header with a 17th field", "item", &by_bob(&long), "not_canonical");
    let trailing = [good, &[0]].concat();
    file.refuse("a header followed by a byte", "item", &by_bob(&trailing), "trailing_bytes");
    let chunked = edited(good, |fields| fields[2] = Node::Raw([&[0x5f, 0x58, 0x20][..], &[1; 32], &[0xff]].concat()));
    file.refuse("a header with a byte string in pieces", "item", &by_bob(&chunked), "indefinite_length");
    refused_signatures(file, good);
}

fn refused_signatures(file: &mut File, good: &[u8]) {
    let item = &WORLD.items[1].item;
    let (_, signature) = sign(&WORLD.eve.device_seed, Context::ITEM, good);
    let eves = SignedItem { signature, ..item.clone() };
    file.refuse("signed by another device than it names", "item", &eves.to_bytes(), "bad_signature");
    let (_, signature) = sign(&WORLD.bob.device_seed, Context::ENVELOPE, good);
    let confused = SignedItem { signature, ..item.clone() };
    file.refuse("signed as an envelope", "item", &confused.to_bytes(), "bad_signature");
    let swapped = SignedItem { signature: WORLD.items[0].item.signature, ..item.clone() };
    file.refuse("with the signature of another item", "item", &swapped.to_bytes(), "bad_signature");
    let rec = signed_by(&[WORLD.bob.device_seed], Context::ITEM, good).to_bytes();
    file.refuse("in the form of other signed structures", "item", &rec, "wrong_shape");
    let big = by_bob(&vec![0; 3 * 1024 + 1]);
    file.refuse("a header over 3 KiB", "item", &big, "wrong_shape");
}

fn refused_bodies(file: &mut File) {
    let body = |kind: Kind| {
        WORLD.items.iter().find(|w| w.header.kind == kind).expect("each known kind is written").body.clone()
    };
    let mut refuse = |name: &'static str, kind: Kind, at: usize, node: Node, refusal: &str| {
        file.refuse(name, &format!("body {}", kind.name()), &replaced(&body(kind), at, node), refusal);
    };
    let text = |length| Node::Text(vec![b'a'; length]);
    refuse("post: version 2", Kind::POST, 0, Node::Uint(2), "wrong_shape");
    refuse("post: a title of 301 bytes", Kind::POST, 1, text(301), "wrong_shape");
    refuse("post: no text", Kind::POST, 2, NULL, "wrong_shape");
    refuse(
        "post: 17 attachments",
        Kind::POST,
        3,
        Node::Array(vec![parse(&body(Kind::POST)).elements()[3].elements()[0].clone(); 17]),
        "wrong_shape",
    );
    refuse("reply: no text", Kind::REPLY, 1, NULL, "wrong_shape");
    refuse("bookmark: an address of 4,097 bytes", Kind::BOOKMARK, 1, text(4097), "wrong_shape");
    refuse(
        "bookmark: an address that runs code",
        Kind::BOOKMARK,
        1,
        Node::Text(b"javascript:alert(1)".to_vec()),
        "bad_field",
    );
    refuse("bookmark: no address", Kind::BOOKMARK, 1, text(0), "bad_field");
    refuse("bookmark: no time of adding", Kind::BOOKMARK, 5, NULL, "wrong_shape");
    refuse("edit: a body that is no byte string", Kind::EDIT, 1, Node::Array(vec![Node::Uint(1)]), "wrong_shape");
    refuse("profile: a name of 65 bytes", Kind::PROFILE, 1, text(65), "wrong_shape");
    refuse("profile: 17 offers", Kind::PROFILE, 5, Node::Array(vec![text(1); 17]), "wrong_shape");
    refuse("charter: no domain", Kind::CHARTER, 1, NULL, "wrong_shape");
    refuse("charter: 33 topics", Kind::CHARTER, 5, Node::Array(vec![text(1); 33]), "wrong_shape");
    file.refuse("tombstone: with a field", "body tombstone", &[0x82, 0x01, 0xf6], "not_canonical");
    file.refuse(
        "post: a fifth field",
        "body post",
        &edited(&body(Kind::POST), |fields| fields.push(NULL)),
        "not_canonical",
    );
}

#[test]
fn each_body_that_this_version_reads_is_among_the_vectors() {
    for kind in
        [Kind::POST, Kind::REPLY, Kind::BOOKMARK, Kind::EDIT, Kind::TOMBSTONE, Kind::PROFILE, Kind::CHARTER, Kind(95)]
    {
        assert!(WORLD.items.iter().any(|w| w.header.kind == kind), "no {kind:?}");
    }
}

#[test]
fn the_longest_texts_are_read_and_no_longer_ones() {
    let body = |length| {
        Node::Array(vec![Node::Uint(1), NULL, Node::Text(vec![b'a'; length]), Node::Array(Vec::new())]).write()
    };
    for length in [4095, 4096, 4097, 8192, 200 * 1024] {
        let bytes = body(length);
        assert_eq!(
            crate::decoders::read("body post", &bytes).map(|read| read.bytes == bytes),
            Ok(true),
            "{length} bytes"
        );
    }
    assert_eq!(crate::decoders::read("body post", &body(200 * 1024 + 1)), Err("wrong_shape".to_owned()));
    assert_eq!(crate::decoders::read("body post", &vec![0; 256 * 1024 + 1]), Err("too_long".to_owned()));
    // A character of two bytes across the border of the 4 KiB pieces in which texts are read.
    let split =
        Node::Array(vec![Node::Uint(1), Node::Text([vec![b'a'; 4095], "é".into(), vec![b'a'; 5000]].concat())]).write();
    assert!(crate::decoders::read("body reply", &split).is_ok());
}
