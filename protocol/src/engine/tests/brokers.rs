//! Brokers who ask nobody (T14), who drop what they should carry (T16), and what receivers make of it, between engines.
//!
//! Leaves to others: what an honest broker asks (`border`), what is changed on the way (`mutants`), and the program
//! itself without its checks (`scenarios/relay`). Always true: a broker here signs whatever it likes with its own key,
//! and has no other.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    story::{found, invite, join, post},
    world::World,
};
use crate::{
    authority::Role,
    bytes::List,
    encoding::V1,
    engine::{
        Answer, Command, Event, Keep,
        bundles::{self, Author},
    },
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId},
    item::{Body, Header, Kind, Post, SaltedBody, SignedItem, salted},
    key::SecretKey,
    ledger::Ledger as _,
    link::{Carry, Direction, Envelope, KindSet, LinkTerms, Outcome, ProofBundle, RelayRefusal as No},
    person::PersonRecord,
    signed::Signed,
    testing::Dice,
    text::Text,
    time::DAY_MS,
    wire::Gossip,
};

/// Kinds that only one of the links names; no version shows them yet.
const NOT_LEAVING: Kind = Kind(40);
const NOT_ENTERING: Kind = Kind(41);

/// A link out and the link in that answers it.
pub(super) type Links = (OpId, OpId);

/// alice's garden, dave's library and grace's orchard, and links of several kinds from the first to the second.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) garden: CommunityId,
    pub(super) library: CommunityId,
    pub(super) orchard: CommunityId,
    /// Whoever is asked to take what is carried.
    asked: &'static [&'static str],
    /// Of whatever is signed next in each author's name.
    number: u32,
    /// The end of each broker's chain.
    ends: BTreeMap<String, (u32, EnvelopeId)>,
}

/// Terms that let posts with the tag `rust` pass.
fn terms(world: &World, direction: Direction, other: CommunityId, brokers: &[&str]) -> LinkTerms {
    let kind = if matches!(direction, Direction::Out { .. }) { NOT_ENTERING } else { NOT_LEAVING };
    LinkTerms {
        direction,
        other,
        brokers: List::new(brokers.iter().map(|broker| world.person(broker)).collect()).unwrap(),
        kinds: KindSet::of(&[Kind::POST, kind]),
        tags: List::new(vec![Text::line("rust").unwrap()]).unwrap(),
        max_hops: 1,
        per_day: 2000,
        replies_only: false,
        not_after: world.now().after(90 * DAY_MS),
    }
}

const OUT: Direction = Direction::Out { min_author_role: Role::Member };
const IN: Direction = Direction::In { quarantine: false };

impl Stage {
    /// These of the garden and these of the library; others are there, and join later or never.
    pub(super) fn of(
        in_garden: &[&str],
        in_library: &[&str],
        others: &[&str],
        asked: &'static [&'static str],
    ) -> Stage {
        let mut names: BTreeSet<&str> = ["alice", "dave", "grace"].into();
        names.extend(in_garden.iter().chain(in_library).chain(others));
        let mut world = World::of(&names.into_iter().collect::<Vec<_>>());
        let [garden, library, orchard] = [("alice", "garden"), ("dave", "library"), ("grace", "orchard")]
            .map(|(founder, name)| found(&mut world, founder, name));
        let mut stage = Stage { world, garden, library, orchard, asked, number: 100, ends: BTreeMap::new() };
        in_garden.iter().for_each(|name| stage.take_in("alice", garden, name));
        in_library.iter().for_each(|name| stage.take_in("dave", library, name));
        stage
    }

    pub(super) fn take_in(&mut self, by: &str, community: CommunityId, name: &str) {
        let key = invite(&mut self.world, by, community, 1);
        join(&mut self.world, name, &key).unwrap();
    }

    fn link(&mut self, community: CommunityId, terms: LinkTerms) -> OpId {
        let founder = [(self.garden, "alice"), (self.library, "dave"), (self.orchard, "grace")];
        let (_, founder) = founder.into_iter().find(|(of, _)| *of == community).unwrap();
        let Ok(Answer::Link(id)) = self.world.command(founder, Command::Link(community, terms)) else {
            panic!("no link")
        };
        id
    }

    /// Links from the garden to the library, whose terms were changed.
    pub(super) fn links(&mut self, brokers: &[&str], change: impl Fn(&mut LinkTerms)) -> Links {
        let [mut out, mut into] =
            [(OUT, self.library), (IN, self.garden)].map(|(way, other)| terms(&self.world, way, other, brokers));
        change(&mut out);
        change(&mut into);
        (self.link(self.garden, out), self.link(self.library, into))
    }

    /// Something that `author` signed with this key: a post of the garden with the tag `rust`, but for what is changed.
    pub(super) fn written(
        &mut self,
        author: &str,
        key: &SecretKey,
        change: impl FnOnce(&mut Header),
    ) -> (SignedItem, SaltedBody) {
        self.number += 1;
        let standing = &self.world.node(author).engine.communities()[&self.garden];
        let text = Text::written(&format!("find {}", self.number)).unwrap();
        let said = Body::Post(Post { version: V1, title: None, text, attachments: List::none() }).to_bytes();
        let (body, body_hash, body_len) = salted([7; 16], &said).unwrap();
        let mut header = Header {
            version: V1,
            kind: Kind::POST,
            community: self.garden,
            author: self.world.person(author),
            device: key.public(),
            seq: self.number,
            prev: Some(ItemId::new([5; 32])),
            ts: self.world.now(),
            auth_heads: List::new(standing.log.heads()).unwrap(),
            scope: crate::epoch::Scope::All,
            reach: 1,
            re: List::none(),
            target: None,
            tags: List::new(vec![Text::line("rust").unwrap()]).unwrap(),
            body_hash,
            body_len,
        };
        change(&mut header);
        (SignedItem::seal(&header, key).unwrap(), body)
    }

    /// What proves that a link lets this author's items leave. Proofs are fetched by comparing; here all have them.
    pub(super) fn proof(&mut self, link: OpId, author: &str) -> BundleHash {
        let standing = &self.world.node("alice").engine.communities()[&self.garden];
        let bundle = bundles::bundle(standing, link, (self.world.person(author), Author::AsLinked)).unwrap();
        self.keep_proof(&bundle)
    }

    fn keep_proof(&mut self, bundle: &ProofBundle) -> BundleHash {
        for name in self.asked {
            self.world.put(name, Keep::Bundle(bundle.hash(), bundle.to_bytes()));
        }
        bundle.hash()
    }

    /// An envelope of the broker's, the next of its chain, but for what is changed.
    pub(super) fn envelope(
        &mut self,
        broker: &str,
        item: ItemId,
        links: Links,
        proof: BundleHash,
        change: impl FnOnce(&mut Envelope),
    ) -> Envelope {
        let end = self.ends.get(broker);
        let mut envelope = Envelope {
            version: V1,
            item,
            from: self.garden,
            to: self.library,
            out_link: links.0,
            in_link: links.1,
            hop: 1,
            prev: None,
            seq: end.map_or(0, |(seq, _)| seq + 1),
            prev_by_device: end.map(|(_, id)| *id),
            ts: self.world.now(),
            proof,
            broker: self.world.person(broker),
            device: self.world.device(broker).public(),
            heads: List::new(self.world.node("dave").engine.communities()[&self.library].log.heads()).unwrap(),
            note: Text::written("matters there").unwrap(),
            summary: None,
            tags: List::none(),
        };
        change(&mut envelope);
        let id = EnvelopeId::from(Signed::seal(&envelope, &[&self.world.device(broker)]).id::<Envelope>());
        self.ends.insert(broker.to_owned(), (envelope.seq, id));
        envelope
    }

    /// A carry of it.
    pub(super) fn carry(&self, broker: &str, (item, body): (SignedItem, SaltedBody), envelope: &Envelope) -> Carry {
        let signed = Signed::seal(envelope, &[&self.world.device(broker)]);
        Carry {
            version: V1,
            item,
            body: Some(body),
            envelope: Some(signed),
            bundle: Some(envelope.proof),
            person: None,
        }
    }

    fn shown(&self, name: &str) -> BTreeSet<ItemId> {
        self.world.node(name).memory.readable(self.library)
    }
}

/// Something that is pushed, and what is to become of it.
struct Push {
    by: &'static str,
    to: CommunityId,
    carry: Carry,
    refused: Option<No>,
}

/// What the pushes need: the links there are, and proofs of them.
struct Cheat {
    stage: Stage,
    pushes: Vec<Push>,
    main: Links,
    proof: BundleHash,
}

impl Cheat {
    /// `count` times: something of alice's over the main links, each a little changed, and refused so or not.
    fn push(
        &mut self,
        count: usize,
        refused: impl Into<Option<No>>,
        item: impl Fn(&mut Header),
        envelope: impl Fn(&mut Envelope),
    ) {
        let refused = refused.into();
        let alice = self.stage.world.device("alice");
        for _ in 0..count {
            let written = self.stage.written("alice", &alice, &item);
            self.push_written("ferry", written, refused, &envelope);
        }
    }

    fn push_written(
        &mut self,
        by: &'static str,
        written: (SignedItem, SaltedBody),
        refused: Option<No>,
        envelope: impl Fn(&mut Envelope),
    ) {
        let envelope = self.stage.envelope(by, written.0.id(), self.main, self.proof, envelope);
        // Who is no member of the library has ferry hand on what they sign.
        let carry = self.stage.carry(by, written, &envelope);
        let by = if by == "gil" { "ferry" } else { by };
        self.pushes.push(Push { by, to: envelope.to, carry, refused });
    }

    /// What the author forbids, and what is not theirs.
    fn against_the_author(&mut self) {
        self.push(50, No::BeyondReach, |header| header.reach = 0, |_| {});
        let orchard = self.stage.orchard;
        self.push(30, No::OtherOrigin, |header| header.community = orchard, |_| {});
        let eve = self.stage.world.device("eve");
        for _ in 0..40 {
            let alice = self.stage.world.person("alice");
            let written = self.stage.written("eve", &eve, |header| header.author = alice);
            self.push_written("ferry", written, Some(No::ItemUnproven), |_| {});
        }
        for _ in 0..20 {
            let alice = self.stage.world.device("alice");
            let written = self.stage.written("alice", &alice, |_| {});
            let (kind, target) = (Kind::TOMBSTONE, Some(written.0.id()));
            let (body, body_hash, body_len) = salted([7; 16], &Body::Tombstone.to_bytes()).unwrap();
            let retraction = self.stage.written("alice", &alice, |header| {
                (header.kind, header.target, header.body_hash, header.body_len) = (kind, target, body_hash, body_len);
            });
            let envelope = self.stage.envelope("ferry", retraction.0.id(), self.main, self.proof, |_| {});
            let carry = self.stage.carry("ferry", (retraction.0, body), &envelope);
            self.stage.world.tell("ferry", "dave", self.stage.library, &Gossip::Carry(Box::new(carry)));
            self.push_written("ferry", written, Some(No::Retracted), |_| {});
        }
    }

    /// What the terms of either link forbid.
    fn against_the_terms(&mut self) {
        let far = |envelope: &mut Envelope| (envelope.hop, envelope.prev) = (2, Some(EnvelopeId::new([9; 32])));
        self.push(50, No::BeyondHops, |header| header.reach = 2, far);
        self.push(40, No::KindNotLinked, |header| header.kind = NOT_LEAVING, |_| {});
        self.push(40, No::KindNotLinked, |header| header.kind = NOT_ENTERING, |_| {});
        let cooking = List::new(vec![Text::line("cooking").unwrap()]).unwrap();
        self.push(50, No::TagNotLinked, |header| header.tags = cooking.clone(), |_| {});
        // Over in a moment: these links say so themselves.
        let soon = self.stage.world.now().after(DAY_MS);
        let over = self.stage.links(&["ferry"], |terms| terms.not_after = soon);
        let proof = self.stage.proof(over.0, "alice");
        self.stage.world.leap(2 * DAY_MS);
        let by = |links: Links, proof| {
            move |envelope: &mut Envelope| {
                (envelope.out_link, envelope.in_link, envelope.proof) = (links.0, links.1, proof);
            }
        };
        self.push(50, No::LinkOver, |_| {}, by(over, proof));
        let replies = self.stage.links(&["ferry"], |terms| {
            terms.replies_only = matches!(terms.direction, Direction::In { .. });
        });
        let proof = self.stage.proof(replies.0, "alice");
        self.push(20, No::NotAReply, |_| {}, by(replies, proof));
        let few = self.stage.links(&["ferry"], |terms| terms.per_day = 20);
        let proof = self.stage.proof(few.0, "alice");
        self.push(20, None, |_| {}, by(few, proof));
        self.push(50, No::OverQuota, |_| {}, by(few, proof));
        // Ended after one had come over it.
        let ended = self.stage.links(&["ferry"], |_| {});
        let proof = self.stage.proof(ended.0, "alice");
        let alice = self.stage.world.device("alice");
        let written = self.stage.written("alice", &alice, |_| {});
        let first = self.stage.envelope("ferry", written.0.id(), ended, proof, |_| {});
        let carry = self.stage.carry("ferry", written, &first);
        self.stage.world.tell("ferry", "dave", self.stage.library, &Gossip::Carry(Box::new(carry)));
        let end = Command::EndLink { community: self.stage.library, link: ended.1 };
        self.stage.world.command("dave", end).unwrap();
        self.push(20, No::AfterCut, |_| {}, by(ended, proof));
    }

    /// What nobody has consented to, or nothing proves.
    fn against_consent(&mut self) {
        let eve = self.stage.world.person("eve");
        for (count, by, no) in [(40, "eve", No::BrokerNotNamed), (20, "gil", No::BrokerNoMember)] {
            for _ in 0..count {
                let alice = self.stage.world.device("alice");
                let written = self.stage.written("alice", &alice, |_| {});
                self.push_written(by, written, Some(no), |_| {});
            }
        }
        assert!(
            !self.stage.world.node("dave").engine.communities()[&self.stage.library].state.links[0].terms.names(eve)
        );
        let (orchard, garden) = (self.stage.orchard, self.stage.garden);
        let there = terms(&self.stage.world, OUT, orchard, &["ferry"]);
        let there = self.stage.link(garden, there);
        let proof = self.stage.proof(there, "alice");
        let elsewhere = |envelope: &mut Envelope| (envelope.out_link, envelope.proof) = (there, proof);
        self.push(50, No::OtherDestination, |_| {}, elsewhere);
        // The link out is there; the orchard has none in.
        let heads = List::new(self.stage.world.node("grace").engine.communities()[&orchard].log.heads()).unwrap();
        self.push(
            40,
            No::NoInLink,
            |_| {},
            |envelope| {
                elsewhere(envelope);
                (envelope.to, envelope.heads) = (orchard, heads.clone());
            },
        );
        // A proof of another link, and one of which a signature was changed.
        self.push(20, No::BadProof, |_| {}, |envelope| envelope.proof = proof);
        let standing = &self.stage.world.node("alice").engine.communities()[&garden];
        let mut bundle =
            bundles::bundle(standing, self.main.0, (self.stage.world.person("alice"), Author::AsLinked)).unwrap();
        let mut operations: Vec<Signed> = bundle.operations.iter().cloned().collect();
        let mut signatures: Vec<_> = operations[0].signatures.iter().copied().collect();
        signatures[0].1.0.0[9] ^= 1;
        operations[0].signatures = List::new(signatures).unwrap();
        bundle.operations = List::new(operations).unwrap();
        let changed = self.stage.keep_proof(&bundle);
        self.push(20, No::BadProof, |_| {}, |envelope| envelope.proof = changed);
        // carol came by bob's invite: no steward has confirmed her.
        let standing = &self.stage.world.node("alice").engine.communities()[&garden];
        let mut bundle =
            bundles::bundle(standing, self.main.0, (self.stage.world.person("alice"), Author::AsLinked)).unwrap();
        let carol: PersonRecord = standing.state.members[&self.stage.world.person("carol")].record.clone();
        bundle.persons = List::new(bundle.persons.iter().cloned().chain([carol]).collect()).unwrap();
        let proof = self.stage.keep_proof(&bundle);
        for _ in 0..50 {
            let carol = self.stage.world.device("carol");
            let written = self.stage.written("carol", &carol, |_| {});
            self.push_written("ferry", written, Some(No::AuthorNotConfirmed), |envelope| envelope.proof = proof);
        }
    }
}

/// The id of what was signed by the broker.
fn path(push: &Push) -> EnvelopeId {
    EnvelopeId::from(push.carry.envelope.as_ref().unwrap().id::<Envelope>())
}

/// Whether receivers keep nothing of it, since neither the log nor time can change what they say.
fn is_dropped(push: &Push) -> bool {
    match push.refused {
        None | Some(No::BrokerNoMember | No::NotAReply | No::OverQuota | No::AfterCut | No::Retracted) => false,
        Some(_) => true,
    }
}

/// Somebody comes when all is over, and has it by comparing alone.
fn follow_by_comparing(stage: &mut Stage, pushes: &[Push], newcomer: &str) {
    let library = stage.library;
    stage.take_in("dave", library, newcomer);
    let kept = |stage: &Stage, name| {
        let memory = stage.world.node(name).memory;
        pushes.iter().filter(|push| memory.outcome(path(push)).is_some()).count()
    };
    for round in 0.. {
        let [came, all] = [newcomer, "dave"].map(|name| kept(stage, name));
        assert!(round < 20, "{came} of {all} came");
        stage.world.round();
        if came == all {
            return;
        }
    }
}

/// What a receiver made of each is what it should be, and kept if that may change.
fn assert_outcomes<'a>(stage: &Stage, pushes: impl Iterator<Item = &'a Push>, name: &str) {
    for push in pushes {
        let expected = match push.refused {
            None => Some(Outcome::Shown),
            Some(_) if is_dropped(push) => None,
            Some(why) => Some(Outcome::Held(why)),
        };
        assert_eq!(stage.world.node(name).memory.outcome(path(push)), expected, "{name}: {:?}", push.refused);
    }
}

#[test]
fn of_a_thousand_items_that_a_broker_pushes_only_those_that_may_cross_are_shown_and_each_no_is_named() {
    // alice, bob, carol ── ferry, eve (cheating) ── dave, erin, frank; grace's orchard beside them
    let receivers = ["dave", "erin", "frank"];
    let mut stage = Stage::of(
        &["bob", "ferry", "eve", "gil"],
        &["ferry", "eve", "erin", "frank"],
        &["carol", "heidi"],
        &["dave", "erin", "frank", "grace"],
    );
    let orchard = stage.orchard;
    stage.take_in("grace", orchard, "ferry");
    let (community, person) = (stage.garden, stage.world.person("bob"));
    let rule = Command::Rule { community, person, role: Role::Core, reason: Text::default() };
    stage.world.command("alice", rule).unwrap();
    stage.take_in("bob", community, "carol");
    let main = stage.links(&["ferry", "gil"], |_| {});
    let proof = stage.proof(main.0, "alice");
    let of_bob = stage.proof(main.0, "bob");
    let mut cheat = Cheat { stage, pushes: Vec::new(), main, proof };
    cheat.against_the_terms();
    cheat.against_the_author();
    cheat.against_consent();
    cheat.push(200, None, |_| {}, |_| {});
    for _ in 0..80 {
        let bob = cheat.stage.world.device("bob");
        let written = cheat.stage.written("bob", &bob, |_| {});
        cheat.push_written("ferry", written, None, |envelope| envelope.proof = of_bob);
    }
    let Cheat { mut stage, mut pushes, .. } = cheat;
    assert_eq!(pushes.len(), 1000);
    Dice::new(14).shuffle(&mut pushes);
    let before = receivers.map(|name| stage.shown(name));

    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    for push in &pushes {
        let (library, gossip) = (stage.library, Gossip::Carry(Box::new(push.carry.clone())));
        let who: &[&str] = if push.to == library { &receivers } else { &["grace"] };
        for name in who {
            let told = stage.world.node(name).events.len();
            stage.world.tell(push.by, name, push.to, &gossip);
            let no = push.refused.map(No::name);
            if is_dropped(push) {
                let told = &stage.world.node(name).events[told..];
                assert!(told.contains(&Event::Refused(no.unwrap())), "{name}: {no:?}, {told:?}");
            }
        }
        *refused.entry(push.refused.map_or("shown", No::name)).or_default() += 1;
    }
    follow_by_comparing(&mut stage, &pushes, "heidi");
    for name in receivers.into_iter().chain(["heidi"]) {
        assert_outcomes(&stage, pushes.iter().filter(|push| push.to != orchard), name);
    }
    assert_outcomes(&stage, pushes.iter().filter(|push| push.to == orchard), "grace");
    let may: BTreeSet<ItemId> = pushes.iter().filter(|p| p.refused.is_none()).map(|p| p.carry.item.id()).collect();
    for (name, before) in receivers.iter().zip(before) {
        let shown: BTreeSet<ItemId> = stage.shown(name).difference(&before).copied().collect();
        assert_eq!(shown, may, "{name}");
    }
    let there = stage.world.node("grace").memory.readable(orchard);
    assert!(pushes.iter().all(|push| !there.contains(&push.carry.item.id())));
    assert_eq!((refused.remove("shown"), may.len(), refused.values().sum(), refused.len()), (Some(300), 300, 700, 17));
    eprintln!("T14: 1000 pushed, at 4 receivers 300 shown and 700 refused: {refused:?}");
}

#[test]
fn what_one_broker_drops_comes_by_the_other_and_what_both_carry_is_one_item_with_two_paths() {
    // alice ── ferry (drops all), gil ── dave, erin
    let mut stage = Stage::of(&["ferry", "gil"], &["ferry", "gil", "erin"], &[], &[]);
    let _ = stage.links(&["ferry", "gil"], |_| {});
    let (garden, library) = (stage.garden, stage.library);
    let items: Vec<ItemId> =
        (0..100).map(|n| post(&mut stage.world, "alice", garden, &format!("find {n}"), &["rust"], 1)).collect();
    // What ferry says of the library reaches nobody.
    for name in ["dave", "erin", "gil"] {
        stage.world.cut("ferry", name);
    }
    let mut paths: BTreeMap<ItemId, BTreeSet<EnvelopeId>> = BTreeMap::new();
    for item in &items {
        for broker in ["ferry", "gil"] {
            let note = Text::written("matters there").unwrap();
            let relay = Command::Relay { item: *item, to: library, note, summary: None, tags: vec![] };
            let Ok(Answer::Relayed(path, Outcome::Shown)) = stage.world.command(broker, relay) else {
                panic!("not relayed")
            };
            paths.entry(*item).or_default().insert(path);
        }
    }
    let arrived = |stage: &Stage, name| items.iter().filter(|item| stage.shown(name).contains(item)).count();
    let by_one = ["dave", "erin"].map(|name| arrived(&stage, name));
    assert_eq!(by_one, [100, 100]);
    for item in &items {
        assert_eq!(stage.world.node("dave").memory.envelopes_of(library, *item).unwrap().len(), 1);
    }
    stage.world.heal();
    for _ in 0..4 {
        stage.world.round();
    }
    for name in ["dave", "erin", "gil", "ferry"] {
        let memory = stage.world.node(name).memory;
        for (item, paths) in &paths {
            let kept: BTreeSet<EnvelopeId> = memory.envelopes_of(library, *item).unwrap().into_iter().collect();
            assert_eq!((&kept, kept.len()), (paths, 2), "{name}");
        }
        assert_eq!(items.iter().filter(|item| memory.readable(library).contains(item)).count(), 100);
    }
    eprintln!("T16: 100 items, {by_one:?} came by the one broker alone; with both, each is kept once with two paths");
}
