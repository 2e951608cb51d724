//! What a broker changes on the way (T15): ten thousand carries that differ a little from sound ones, each given to a
//! receiver.
//!
//! Leaves to others: brokers who change nothing and ask nobody (`brokers`). Always true: a broker signs as itself
//! whatever it likes; what it makes of a carry follows from the seed; what may be shown is worked out here anew, from
//! what was signed at first, and not by the gates.

use std::collections::BTreeMap;

use super::brokers::{Links, Stage};
use crate::{
    bytes::List,
    engine::{CheckedCarry, CheckedGossip, Effect, Event, Input, Keep},
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId},
    item::{Header, SaltedBody, SignedItem},
    key::SecretKey,
    link::{Carry, Envelope, Outcome},
    signed::Signed,
    testing::Dice,
    text::Text,
    time::{DAY_MS, Millis},
    wire::Gossip,
};

const MUTANTS: u64 = 10_000;

/// Something that its author signed.
struct Original {
    author: PersonId,
    signed: SignedItem,
    body: SaltedBody,
    envelope: Envelope,
    /// Over which link out, if any.
    may_leave_by: Option<OpId>,
}

/// What the broker has to work with.
struct Workshop {
    originals: Vec<Original>,
    /// Two pairs of links; over the second only what is tagged `cooking` may pass.
    links: [Links; 2],
    /// Of which link and author each is.
    proofs: Vec<(BundleHash, OpId, PersonId)>,
    communities: [CommunityId; 3],
    people: Vec<PersonId>,
    now: Millis,
    ferry: SecretKey,
    eve: SecretKey,
}

/// What is changed; each is done one time in so many.
const CHANGES: [&str; 10] = [
    "bits flipped",
    "cut off or longer",
    "envelope changed",
    "envelope and links changed",
    "envelope of another signer",
    "item of another",
    "author changed",
    "header changed and signed by the broker",
    "body of another or none",
    "chain in another order",
];

impl Workshop {
    fn pick<'a, T>(dice: &mut Dice, all: &'a [T]) -> &'a T {
        dice.pick(all).unwrap()
    }

    /// Changes a carry in one way; gives its bytes.
    fn change(&self, dice: &mut Dice, way: usize) -> Vec<u8> {
        let original = Workshop::pick(dice, &self.originals);
        let other = Workshop::pick(dice, &self.originals);
        let (mut item, mut body) = (original.signed.clone(), Some(original.body.clone()));
        let mut envelope = original.envelope.clone();
        let mut signers = vec![&self.ferry];
        match way {
            2 => self.change_words(dice, &mut envelope),
            3 => {
                self.change_way(dice, &mut envelope);
                if dice.chance(1, 2) {
                    self.change_way(dice, &mut envelope);
                }
            }
            4 => {
                signers = Workshop::pick(dice, &[vec![&self.eve], vec![&self.eve, &self.ferry]]).clone();
                if dice.chance(1, 2) {
                    envelope.device = self.eve.public();
                    envelope.broker = *Workshop::pick(dice, &self.people);
                }
            }
            5 => {
                // With the envelope's name of the item changed along, or not.
                (item, body) = (other.signed.clone(), Some(other.body.clone()));
                if dice.chance(3, 4) {
                    envelope.item = other.signed.id();
                }
            }
            6 | 7 => {
                item = self.change_header(dice, &item, way == 7);
                if dice.chance(7, 8) {
                    envelope.item = item.id();
                }
            }
            8 => body = Some(other.body.clone()).filter(|_| dice.chance(3, 4)),
            9 => {
                envelope.seq = other.envelope.seq;
                envelope.prev_by_device = other.envelope.prev_by_device;
                envelope.note = Text::written(&format!("again {}", dice.below(1000))).unwrap();
            }
            _ => {}
        }
        let bundle = if way == 3 && dice.chance(1, 8) { Workshop::pick(dice, &self.proofs).0 } else { envelope.proof };
        let signed = Some(Signed::seal(&envelope, &signers));
        let carry = Carry {
            version: crate::encoding::V1,
            item,
            body,
            envelope: signed.filter(|_| way != 8 || dice.chance(7, 8)),
            bundle: Some(bundle),
            person: None,
        };
        let mut bytes = carry.to_bytes();
        match way {
            0 => {
                for _ in 0..=dice.below(4) {
                    let at = dice.below(bytes.len());
                    bytes[at] ^= 1 << dice.below(8);
                }
            }
            1 if dice.chance(1, 2) => bytes.truncate(dice.below(bytes.len())),
            1 => bytes.extend(vec![0; 1 + dice.below(9)]),
            _ => {}
        }
        bytes
    }

    /// What the broker may say as it likes.
    fn change_words(&self, dice: &mut Dice, envelope: &mut Envelope) {
        match dice.below(3) {
            0 => envelope.note = Text::written(&format!("look {}", dice.below(1000))).unwrap(),
            1 => envelope.summary = Some(Text::written(&format!("short {}", dice.below(1000))).unwrap()),
            _ => envelope.tags = List::new(vec![Text::line("theirs").unwrap()]).unwrap(),
        }
        envelope.ts = Millis(self.now.0 - dice.below(60_000) as u64);
    }

    /// What the gates ask about.
    fn change_way(&self, dice: &mut Dice, envelope: &mut Envelope) {
        let links = self.links.map(|(out, into)| [out, into]).concat();
        match dice.below(9) {
            0 => envelope.item = Workshop::pick(dice, &self.originals).signed.id(),
            1 => envelope.from = *Workshop::pick(dice, &self.communities[1..]),
            2 => envelope.to = *Workshop::pick(dice, &[self.communities[0], self.communities[2]]),
            3 => envelope.out_link = *Workshop::pick(dice, &links),
            4 => envelope.in_link = *Workshop::pick(dice, &links),
            5 => {
                envelope.hop = 2 + u8::from(dice.chance(1, 2));
                envelope.prev = Some(EnvelopeId::new([3; 32])).filter(|_| dice.chance(7, 8));
            }
            6 => envelope.proof = Workshop::pick(dice, &self.proofs).0,
            7 => envelope.broker = *Workshop::pick(dice, &self.people),
            _ => envelope.ts = Millis(self.now.0 + 89 * DAY_MS + dice.draw() % (3 * DAY_MS)),
        }
        if dice.chance(1, 16) {
            let [a, b] = self.links;
            (envelope.out_link, envelope.in_link) = *Workshop::pick(dice, &[(a.0, b.1), (b.0, a.1), b]);
        }
    }

    /// Another header: under the old signature, or under one of the broker's.
    fn change_header(&self, dice: &mut Dice, item: &SignedItem, sign: bool) -> SignedItem {
        let mut header: Header = item.clone().trusted().unwrap().header;
        match dice.below(if sign { 6 } else { 2 }) {
            0 => header.author = *Workshop::pick(dice, &self.people),
            1 => header.device = Workshop::pick(dice, &[&self.ferry, &self.eve]).public(),
            2 => header.reach = 1 + header.reach % 3,
            3 => header.tags = List::new(vec![Text::line("rust").unwrap()]).unwrap(),
            4 => header.ts = Millis(header.ts.0 - 1),
            _ => header.community = *Workshop::pick(dice, &self.communities),
        }
        if sign {
            header.device = self.ferry.public();
        }
        let sealed = SignedItem::seal(&header, &self.ferry).unwrap();
        if sign { sealed } else { SignedItem { header: sealed.header, signature: item.signature } }
    }

    /// Whether this envelope of that original may be shown in the library, from what was agreed on.
    fn may_show(&self, original: &Original, envelope: &Envelope) -> bool {
        let [garden, library, _] = self.communities;
        // alice has founded the garden, and is in each of its proofs.
        let proves = |author| author == original.author || original.author == self.people[3];
        let is_proven = self
            .proofs
            .iter()
            .any(|(proof, link, author)| (proof, link) == (&envelope.proof, &envelope.out_link) && proves(*author));
        (envelope.from, envelope.to) == (garden, library)
            && self.links.contains(&(envelope.out_link, envelope.in_link))
            && original.may_leave_by == Some(envelope.out_link)
            && (envelope.hop, envelope.prev) == (1, None)
            && (envelope.broker, envelope.device) == (self.people[0], self.ferry.public())
            && envelope.ts <= self.now.after(10 * 60_000)
            && is_proven
    }
}

/// alice, bob and carol have written; ferry and eve are in both communities, and only ferry is named.
fn workshop() -> (Stage, Workshop) {
    let names = ["alice", "bob", "carol"];
    let mut stage = Stage::of(&["bob", "carol", "ferry", "eve"], &["ferry", "eve"], &[], &["dave"]);
    let main = stage.links(&["ferry"], |terms| terms.per_day = 60_000);
    let cooking = stage.links(&["ferry"], |terms| {
        terms.tags = List::new(vec![Text::line("cooking").unwrap()]).unwrap();
    });
    let mut proofs = Vec::new();
    for (links, name) in [main, cooking].into_iter().flat_map(|links| names.map(|name| (links, name))) {
        proofs.push((stage.proof(links.0, name), links.0, stage.world.person(name)));
    }
    let mut originals = Vec::new();
    // What may leave by the main links, by the others, and not at all.
    for number in 0..60 {
        let author = names[number % 3];
        let key = stage.world.device(author);
        let (tag, reach) = [("rust", 1), ("rust", 3), ("cooking", 1), ("rust", 0), ("private", 1)][number % 5];
        let (signed, body) = stage.written(author, &key, |header| {
            header.tags = List::new(vec![Text::line(tag).unwrap()]).unwrap();
            header.reach = reach;
        });
        let links = if tag == "cooking" { cooking } else { main };
        let proof = stage.proof(links.0, author);
        let envelope = stage.envelope("ferry", signed.id(), links, proof, |_| {});
        let may_leave_by = Some(links.0).filter(|_| reach > 0 && tag != "private");
        originals.push(Original { author: stage.world.person(author), signed, body, envelope, may_leave_by });
    }
    let people = ["ferry", "eve", "dave", "alice", "bob", "carol"].map(|name| stage.world.person(name)).to_vec();
    let (ferry, eve) = (stage.world.device("ferry"), stage.world.device("eve"));
    let communities = [stage.garden, stage.library, stage.orchard];
    let now = stage.world.now();
    (stage, Workshop { originals, links: [main, cooking], proofs, communities, people, now, ferry, eve })
}

/// What a receiver decides about these bytes.
fn decide(stage: &mut Stage, number: u64, bytes: &[u8]) -> Vec<Effect> {
    let gossip = Carry::from_bytes(bytes).map_err(Into::into).and_then(CheckedCarry::check);
    let gossip = gossip.map(|carry| (stage.library, CheckedGossip::Carry(Box::new(carry))));
    // Each from another peer: who sends such things is banned soon.
    let peer = number.to_be_bytes().to_vec();
    stage.world.decide("dave", Input::Gossip { peer, token: number, gossip })
}

#[test]
fn of_ten_thousand_changed_carries_none_is_shown_that_was_not_signed_and_let_through_as_it_is() {
    // alice, bob, carol ── ferry (changing what it carries) ── dave
    let (mut stage, workshop) = workshop();
    let originals: BTreeMap<ItemId, &Original> = workshop.originals.iter().map(|o| (o.signed.id(), o)).collect();
    // One that is sound is shown: the control, and what a replay repeats.
    let first = &workshop.originals[0];
    let sound = stage.carry("ferry", (first.signed.clone(), first.body.clone()), &first.envelope);
    let library = stage.library;
    stage.world.tell("ferry", "dave", library, &Gossip::Carry(Box::new(sound.clone())));
    assert!(stage.world.node("dave").memory.readable(library).contains(&first.signed.id()));
    assert!(decide(&mut stage, u64::MAX, &sound.to_bytes()).iter().all(|effect| !matches!(effect, Effect::Keep(_))));

    let mut dice = Dice::new(15);
    let mut became: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..MUTANTS {
        let way = dice.below(CHANGES.len());
        let bytes = workshop.change(&mut dice, way);
        let (mut shown, mut kept) = (None, None);
        for effect in decide(&mut stage, number, &bytes) {
            match effect {
                Effect::Keep(Keep::Item { item, body, .. }) => {
                    let original =
                        originals.get(&item.id).unwrap_or_else(|| panic!("{}: nobody signed it", CHANGES[way]));
                    assert_eq!((item.header.author, &item.signed), (original.author, &original.signed), "{number}");
                    assert_eq!(body, original.body, "{number}");
                    kept = Some(*original);
                }
                Effect::Keep(Keep::Envelope { envelope, outcome, .. }) => shown = Some((envelope, outcome)),
                Effect::Tell(Event::Refused(name)) => *names.entry(name).or_default() += 1,
                _ => {}
            }
        }
        let outcome = match (kept, shown) {
            (Some(original), Some((envelope, Outcome::Shown))) => {
                assert_eq!(envelope.value.item, original.signed.id());
                assert!(workshop.may_show(original, &envelope.value), "{number}, {}: {envelope:?}", CHANGES[way]);
                "shown as signed"
            }
            (Some(_), Some(_)) => "held",
            (None, None) => "refused",
            other => panic!("{number}: an item and its envelope are kept together: {:?}", other.1),
        };
        *became.entry(outcome).or_default() += 1;
    }
    eprintln!("T15: {MUTANTS} mutants: {became:?}; refused as {names:?}");
    assert!(became.len() == 3 && became.values().all(|times| *times >= 20), "{became:?}");
    assert!(names.len() >= 10, "{names:?}");
}
