//! Relay: terms, envelope, bundle and carry, and what receivers say of a crossing.

use hearth_protocol::{
    authority::{Body, Role, Rule, Subject, evaluate},
    id::Context,
    item::{Item, Kind, SignedItem},
    link::{Carry, Direction, Envelope, Gates, LinkTerms, ProofBundle, judge_in, judge_out},
    signed::{Payload as _, Signed, Verified},
    text::Text,
};

use super::{File, Json, hex, object};
use crate::{
    cast::{at, list, signed_by, text},
    cbor::{NULL, Node, edited, replaced},
    relay::BOOKMARK,
    story::{FIRST, WORLD, ruling, terms},
};

pub(super) fn file() -> File {
    let about = "The bookmark of bob crosses from the garden into the library, carried by ferry. `judgements` are crossings that a receiver \
                 judges from the carry, the bundle and the library's log (operations.json): `out` are R1 to R3, `in` is R4; null is \
                 yes, else the name of the gate that refuses.";
    let mut file = File::new("links", "links.md", about);
    let w = &*WORLD;
    let relayed = &w.relayed;
    let inputs =
        object! { "device_seed": hex(w.ferry.device_seed), "payload": hex(relayed.envelope.payload.as_slice()) };
    file.accept("the envelope of ferry", "envelope", &relayed.envelope.to_bytes(), inputs);
    file.accept("the bundle: link, confirmation and bob", "bundle", &relayed.bundle.to_bytes(), Json::Null);
    file.accept("the carry that crosses", "carry", &relayed.carry.to_bytes(), Json::Null);
    let plain = Carry::plain(w.items[0].item.clone(), Some(w.items[0].salted()));
    file.accept("a carry within the garden", "carry", &plain.to_bytes(), Json::Null);
    file.accept("a carry that announces a header", "carry", &Carry { body: None, ..plain }.to_bytes(), Json::Null);
    refused_envelopes(&mut file);
    refused_carries(&mut file);
    refused_bundles(&mut file);
    file.more.push(("library", hex(w.library.id().as_bytes())));
    file.more.push(("judgements", Json::List(judgements())));
    file
}

fn refused_envelopes(file: &mut File) {
    let payload = WORLD.relayed.envelope.payload.as_slice();
    let mut refuse = |name: &'static str, at: usize, node: Node, refusal: &str| {
        let altered = signed_by(&[WORLD.ferry.device_seed], Context::ENVELOPE, &replaced(payload, at, node));
        file.refuse(name, "envelope", &altered.to_bytes(), refusal);
    };
    let id = |byte| Node::Bytes(vec![byte; 32]);
    refuse("hop 0", 6, Node::Uint(0), "bad_field");
    refuse("hop 4", 6, Node::Uint(4), "bad_field");
    refuse("hop 2 without an envelope before it", 6, Node::Uint(2), "bad_field");
    refuse("hop 1 with an envelope before it", 7, id(1), "bad_field");
    refuse("seq 1 without an envelope of the device before it", 8, Node::Uint(1), "bad_field");
    refuse("seq 0 with an envelope of the device before it", 9, id(1), "bad_field");
    refuse("from where it leads to", 3, Node::Bytes(WORLD.garden.id().as_bytes().to_vec()), "bad_field");
    refuse("no heads", 14, Node::Array(Vec::new()), "wrong_shape");
    refuse("heads out of order", 14, Node::Array(vec![id(2), id(1)]), "bad_field");
    refuse("a note of 2,001 bytes", 15, Node::Text(vec![b'a'; 2001]), "wrong_shape");
    refuse("a summary of 4,001 bytes", 16, Node::Text(vec![b'a'; 4001]), "wrong_shape");
    refuse("17 tags", 17, Node::Array(vec![Node::Text(b"a".to_vec()); 17]), "wrong_shape");
    let eves = signed_by(&[WORLD.eve.device_seed], Context::ENVELOPE, payload);
    file.refuse("signed by another device than it names", "envelope", &eves.to_bytes(), "wrong_signer");
    let confused = signed_by(&[WORLD.ferry.device_seed], Context::OP, payload);
    file.refuse("signed as an operation", "envelope", &confused.to_bytes(), "bad_signature");
}

fn refused_carries(file: &mut File) {
    let w = &*WORLD;
    let good = &w.relayed.carry;
    let mut refuse =
        |name: &'static str, carry: &Carry, refusal: &str| file.refuse(name, "carry", &carry.to_bytes(), refusal);
    let salted = w.items[0].salted();
    refuse("with the body of another item", &Carry { body: Some(salted), ..good.clone() }, "bad_field");
    refuse(
        "with a body of 15 bytes: no salt",
        &Carry { body: Some(crate::cast::blob(vec![0; 15])), ..good.clone() },
        "truncated",
    );
    refuse(
        "with the envelope of another item",
        &Carry { item: w.items[0].item.clone(), body: None, ..good.clone() },
        "wrong_signer",
    );
    refuse("with an envelope and no bundle", &Carry { bundle: None, ..good.clone() }, "wrong_signer");
    refuse(
        "with another bundle than the envelope's",
        &Carry { bundle: Some([1; 32].into()), ..good.clone() },
        "wrong_signer",
    );
    let long = edited(&good.to_bytes(), |fields| fields.push(NULL));
    file.refuse("with a seventh field", "carry", &long, "not_canonical");
    let stretched = edited(&good.to_bytes(), |fields| fields[0] = Node::Raw(vec![0x18, 0x01]));
    file.refuse("with a version that is not the shortest", "carry", &stretched, "not_shortest");
}

fn refused_bundles(file: &mut File) {
    let w = &*WORLD;
    let good = &w.relayed.bundle;
    let mut refuse = |name: &'static str, bundle: &ProofBundle, refusal: &str| {
        file.refuse(name, "bundle", &bundle.to_bytes(), refusal)
    };
    refuse(
        "with an operation of another community",
        &ProofBundle { genesis: w.library.log.community().signed.clone(), ..good.clone() },
        "bad_proof",
    );
    let link = good.operations[0].payload.as_slice();
    let eves = signed_by(&[w.eve.device_seed], Context::OP, link);
    refuse(
        "with an operation that another device signed",
        &ProofBundle { operations: list(vec![eves]), ..good.clone() },
        "bad_proof",
    );
    let root = w.garden.draft(
        &w.alice,
        hearth_protocol::authority::Grant::Root,
        w.garden.log.heads(),
        Body::Rule(ruling(vec![Subject::Person(w.eve.id())], Role::Steward, false)),
    );
    let recovery = hearth_protocol::id::hash(Context::RECOVERY_SK, &w.alice.entropy);
    let root = signed_by(&[recovery], Context::OP, &root.to_canonical());
    refuse(
        "with an act of ROOT by a key that may sign nothing",
        &ProofBundle { operations: list(vec![root]), ..good.clone() },
        "bad_proof",
    );
    let none = edited(&good.to_bytes(), |fields| fields[2] = Node::Array(Vec::new()));
    file.refuse("without operations", "bundle", &none, "wrong_shape");
}

/// A crossing as its receiver reads it: the bytes, and what is asked of them.
pub(crate) fn judged(
    carry: &[u8],
    bundle: &[u8],
    library: &hearth_protocol::authority::Log,
) -> (Option<&'static str>, Option<&'static str>) {
    let carry = Carry::from_bytes(carry).expect("judgements are of carries that are read");
    let item: Item = carry.item.check().expect("judgements are of items that hold");
    let envelope = Verified::<Envelope>::check(carry.envelope.expect("it crosses"))
        .expect("judgements are of envelopes that hold")
        .value;
    let proven = ProofBundle::from_bytes(bundle).expect("judgements are of bundles that are read").check();
    let crossing = envelope.crossing(&item, item.header.kind);
    let name = |gates: &Gates| gates.refused().map(|refused| refused.why.name());
    let (mut out, mut into) = (Gates::default(), Gates::default());
    let unproven = match proven {
        Ok(proven) => {
            judge_out(&proven, &crossing, &mut out);
            None
        }
        Err(why) => Some(why.name()),
    };
    judge_in(library, &evaluate(library), &envelope.heads, &crossing, &mut into);
    (unproven.or(name(&out)), name(&into))
}

/// What is different in one crossing.
struct Change {
    name: &'static str,
    item: Option<SignedItem>,
    bundle: Option<ProofBundle>,
    envelope: Box<dyn Fn(&mut Envelope)>,
    refused: (Option<&'static str>, Option<&'static str>),
}

impl Change {
    fn new(name: &'static str, out: Option<&'static str>, into: Option<&'static str>) -> Change {
        Change { name, item: None, bundle: None, envelope: Box::new(|_| ()), refused: (out, into) }
    }

    fn item(self, change: impl Fn(&mut hearth_protocol::item::Header)) -> Change {
        let mut header = WORLD.items[BOOKMARK].header.clone();
        change(&mut header);
        Change {
            item: Some(SignedItem::seal(&header, &WORLD.bob.device).expect("the samples follow the rules")),
            ..self
        }
    }

    fn envelope(self, change: impl Fn(&mut Envelope) + 'static) -> Change {
        Change { envelope: Box::new(change), ..self }
    }

    /// A bundle whose link has other terms.
    fn terms(self, change: impl Fn(&mut LinkTerms)) -> Change {
        let w = &*WORLD;
        let mut changed = terms(w.library.id(), &w.ferry, Direction::Out { min_author_role: Role::Member });
        change(&mut changed);
        let place = w.garden.log.get(w.relayed.out_link).expect("it is in the log");
        let mut operation = place.operation.clone();
        operation.body = Body::Link(changed);
        let sealed = Verified::seal(operation, &[&w.alice.device]);
        let link = hearth_protocol::id::OpId::from(sealed.id());
        let bundle = ProofBundle {
            operations: list(vec![sealed.signed, w.relayed.bundle.operations[1].clone()]),
            ..w.relayed.bundle.clone()
        };
        Change { bundle: Some(bundle), ..self }.envelope(move |envelope| envelope.out_link = link)
    }

    /// A bundle with only these of the operations.
    fn only(self, numbers: &[usize]) -> Change {
        let good = &WORLD.relayed.bundle;
        let operations = numbers.iter().map(|number| good.operations[*number].clone()).collect();
        Change { bundle: Some(ProofBundle { operations: list(operations), ..good.clone() }), ..self }
    }

    fn told(self) -> Json {
        let w = &*WORLD;
        let bundle = self.bundle.unwrap_or_else(|| w.relayed.bundle.clone());
        let item = self.item.unwrap_or_else(|| w.items[BOOKMARK].item.clone());
        let mut envelope = Envelope::from_canonical(w.relayed.envelope.payload.as_slice()).expect("it was accepted");
        (envelope.item, envelope.proof) = (item.id(), bundle.hash());
        (self.envelope)(&mut envelope);
        let envelope = Signed::seal(&envelope, &[&w.ferry.device]);
        let carry = Carry {
            item,
            body: None,
            envelope: Some(envelope),
            bundle: Some(bundle.hash()),
            ..w.relayed.carry.clone()
        };
        let found = judged(&carry.to_bytes(), &bundle.to_bytes(), &w.library.log);
        assert_eq!(found, self.refused, "{}", self.name);
        object! { "name": self.name, "carry": hex(carry.to_bytes()), "bundle": hex(bundle.to_bytes()), "out": found.0, "in": found.1 }
    }
}

fn judgements() -> Vec<Json> {
    let w = &*WORLD;
    let late = WORLD.relayed.bundle.clone();
    let stranger = ProofBundle { persons: list(vec![w.eve.record()]), ..late };
    let eve = w.eve.id();
    let forged = {
        let place = w.garden.log.get(w.relayed.out_link).expect("it is in the log");
        // Bob, a confirmed member, is no steward: a link of his opens nothing.
        let mut operation = place.operation.clone();
        (operation.author, operation.device) = (w.bob.id(), w.bob.device.public());
        operation.auth = hearth_protocol::authority::Grant::Op(w.garden.steps[2].id);
        let sealed = Verified::seal(operation, &[&w.bob.device]);
        let id = hearth_protocol::id::OpId::from(sealed.id());
        let bundle = ProofBundle {
            operations: list(vec![sealed.signed, w.relayed.bundle.operations[1].clone()]),
            ..w.relayed.bundle.clone()
        };
        Change { bundle: Some(bundle), ..Change::new("a link by somebody who is no steward", Some("bad_proof"), None) }
            .envelope(move |e| e.out_link = id)
    };
    let changes = vec![
        Change::new("as it should be", None, None),
        Change::new("the author's reach is 0", Some("beyond_reach"), None).item(|header| header.reach = 0),
        Change::new("a tag that the link does not name", Some("tag_not_linked"), None)
            .item(|header| header.tags = list(vec![text("rusty")])),
        Change::new("no tag at all", Some("tag_not_linked"), None)
            .item(|header| header.tags = list(Vec::<Text<64>>::new())),
        Change::new("a kind that neither link names", Some("kind_not_linked"), Some("kind_not_linked"))
            .item(|header| header.kind = Kind::QUESTION),
        Change::new("written in another community", Some("other_origin"), None)
            .item(|header| header.community = [9; 32].into()),
        Change {
            bundle: Some(stranger),
            ..Change::new("the proof does not certify the author's device", Some("item_unproven"), None)
        },
        Change::new("the proof lacks the confirmation of the author", Some("author_not_confirmed"), None).only(&[0]),
        Change::new("the proof lacks the link", Some("bad_proof"), None).only(&[1]),
        forged,
        Change::new("the link leads elsewhere", Some("other_destination"), None)
            .terms(|terms| terms.other = [9; 32].into()),
        Change::new("the link names another broker", Some("broker_not_named"), None)
            .terms(move |terms| terms.brokers = list(vec![eve])),
        Change::new("the link asks for authors with the role core", Some("author_not_confirmed"), None)
            .terms(|terms| terms.direction = Direction::Out { min_author_role: Role::Core }),
        Change::new("the link was over before", Some("link_over"), None).terms(|terms| terms.not_after = at(1)),
        Change::new("carried after both links were over", Some("link_over"), Some("link_over"))
            .envelope(|envelope| envelope.ts = at(200 * 24 * 60)),
        Change::new("a second border, which neither link allows", Some("beyond_reach"), Some("beyond_hops")).envelope(
            |envelope| {
                (envelope.hop, envelope.prev) = (2, Some([1; 32].into()));
            },
        ),
        Change::new("by somebody whom neither link names", Some("broker_not_named"), Some("broker_not_named"))
            .envelope(move |envelope| envelope.broker = eve),
        Change::new("by a device that is not the broker's", None, Some("broker_no_member"))
            .envelope(|envelope| envelope.device = WORLD.eve.device.public()),
        Change::new("by a link that the library does not have", None, Some("no_in_link"))
            .envelope(|envelope| envelope.in_link = [9; 32].into()),
        Change::new("before the library had the link", None, Some("no_in_link"))
            .envelope(|envelope| envelope.heads = list(vec![WORLD.library.steps[0].id])),
        Change::new("from another community than the bundle's", Some("other_origin"), Some("other_destination"))
            .envelope(|envelope| envelope.from = [9; 32].into()),
        Change::new("into another community than the link's", Some("other_destination"), None)
            .envelope(|envelope| envelope.to = [9; 32].into()),
    ];
    changes.into_iter().map(Change::told).collect()
}

#[test]
fn a_ruling_in_a_bundle_gives_a_role_to_those_it_names_only() {
    let w = &*WORLD;
    let proven = w.relayed.bundle.check().expect("the bundle holds");
    assert_eq!(
        [&w.alice, &w.bob, &w.ferry, &w.eve].map(|who| proven.role(who.id())),
        [Role::Steward, Role::Member, Role::None, Role::None]
    );
    let rule: Rule = ruling(vec![Subject::Person(w.eve.id())], Role::Steward, false);
    let eves = w.garden.draft(&w.eve, FIRST, w.garden.log.heads(), Body::Rule(rule));
    let eves = Verified::seal(eves, &[&w.eve.device]).signed;
    let bundle =
        ProofBundle { operations: list(vec![eves]), persons: list(vec![w.eve.record()]), ..w.relayed.bundle.clone() };
    let proven = bundle.check().expect("its signatures hold");
    assert_eq!(proven.role(w.eve.id()), Role::None, "nobody takes a founder's number");
}
