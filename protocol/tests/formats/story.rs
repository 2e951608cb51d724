//! What happens in the vectors: three communities, their logs, their items and one relayed item.
//!
//! `garden` (founder alice) and `library` (founder dave), with ferry as the broker between them; `orchard`, founded by
//! alice, bob and carol, of whom two are ROOT. Leaves to others: how it is written down (`vectors`).
//! Always true: every operation here passed B1 in its log, in the order of its steps.

use std::sync::LazyLock;

use hearth_protocol::{
    authority::{Body, Epoch, FeedEnd, Grant, Keys, LinkCut, LinkEnd, Log, Operation, Role, Rule, Subject, policy},
    bytes::{Bytes, List},
    community::{Community, Founder, Genesis},
    encoding::{GenesisMark, V1},
    epoch::{EpochBlob, EpochKey, Scope, SealingKey, blob_hash, seal_to, sealing_info},
    id::{CommunityId, ItemId, OpId},
    invite::{Hint, InviteCert, InviteKey, InviteTerms, Join},
    item::Kind,
    key::SecretKey,
    link::{Direction, KindSet, LinkTerms},
    person::{Caps, Reveal},
    random::Random,
    signed::{Signed, Verified},
    text::Text,
    time::{DAY_MS, Millis},
};

use crate::{
    cast::{Actor, BEGIN, at, blob, list, text},
    items::{self, Written},
    relay::{self, Relayed},
};

/// The founder's own grant where there is one founder.
pub(crate) const FIRST: Grant = Grant::Founder(0);

/// One operation of a log.
pub(crate) struct Step {
    pub(crate) title: &'static str,
    pub(crate) id: OpId,
    pub(crate) signed: Signed,
}

/// A log and how it came about.
pub(crate) struct Story {
    pub(crate) log: Log,
    pub(crate) steps: Vec<Step>,
}

impl Story {
    fn new(community: Community) -> Story {
        Story { log: Log::new(community), steps: Vec::new() }
    }

    pub(crate) fn id(&self) -> CommunityId {
        self.log.id()
    }

    /// What `actor` would sign now, on these parents.
    pub(crate) fn draft(&self, actor: &Actor, auth: Grant, parents: Vec<OpId>, body: Body) -> Operation {
        let lamports = parents.iter().map(|id| self.log.get(*id).map_or(0, |place| place.operation.lamport));
        let minutes = u64::try_from(self.steps.len()).expect("a story is short") + 10;
        Operation {
            community: self.id(),
            author: actor.id(),
            auth,
            device: actor.device.public(),
            lamport: lamports.max().unwrap_or(0) + 1,
            ts: at(minutes),
            parents: list(parents),
            body,
        }
    }

    fn keep(&mut self, title: &'static str, operation: Verified<Operation>) -> OpId {
        let (id, signed) = (OpId::from(operation.id()), operation.signed.clone());
        let kept = self.log.add(operation, at(1000));
        assert_eq!(kept, Ok(true), "{title}");
        self.steps.push(Step { title, id, signed });
        id
    }

    fn act_on(&mut self, title: &'static str, actor: &Actor, auth: Grant, parents: Vec<OpId>, body: Body) -> OpId {
        let operation = self.draft(actor, auth, parents, body);
        self.keep(title, Verified::seal(operation, &[&actor.device]))
    }

    fn act(&mut self, title: &'static str, actor: &Actor, auth: Grant, body: Body) -> OpId {
        self.act_on(title, actor, auth, self.log.heads(), body)
    }
}

/// Everything.
pub(crate) struct World {
    pub(crate) alice: Actor,
    pub(crate) bob: Actor,
    pub(crate) carol: Actor,
    pub(crate) dave: Actor,
    pub(crate) eve: Actor,
    pub(crate) ferry: Actor,
    /// Carol's second device.
    pub(crate) carol_anew: Actor,
    pub(crate) garden: Story,
    pub(crate) library: Story,
    pub(crate) orchard: Story,
    /// The invite that bob used in the garden.
    pub(crate) invite: InviteKey,
    /// Bob's join by it.
    pub(crate) join: Signed,
    /// Carol's join without an invite.
    pub(crate) knock: Signed,
    pub(crate) epoch: EpochKey,
    pub(crate) blob: EpochBlob,
    /// In the garden, in the order in which they were written.
    pub(crate) items: Vec<Written>,
    pub(crate) relayed: Relayed,
}

/// The one world.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::make);

/// The seed of the stand-in for entropy when the garden's first key is sealed.
pub(crate) const SEALING_SEED: [u8; 32] = [0x61; 32];

/// What the invite of bob is made of: 16 bytes of secret, 8 of salt.
pub(crate) const INVITE_ENTROPY: [u8; 24] = [0x51; 24];

/// What a person's key says, without secrets of a second device.
fn second_device(carol: &Actor) -> Actor {
    let seed = [0x1a; 32];
    Actor {
        name: "carol",
        entropy: carol.entropy,
        ladder: carol.ladder.clone(),
        device_seed: seed,
        device: SecretKey::new(&seed),
        sealing: SealingKey::new([0x2a; 32]),
    }
}

pub(crate) fn found(name: &str, nonce: u8, founder: &Actor) -> Community {
    let shown = Founder(founder.record(), text(founder.name));
    Community::found([nonce; 32], text(name), shown, &founder.device, None, BEGIN).expect("it is a good genesis")
}

/// Founded by three, of whom two are ROOT; in place of a garden of before.
pub(crate) fn orchard_genesis(founders: [&Actor; 3], before: CommunityId) -> Genesis {
    Genesis {
        version: V1,
        mark: GenesisMark,
        nonce: Bytes([0x33; 32]),
        name: text("orchard"),
        threshold: 2,
        founders: list(founders.iter().map(|f| Founder(f.record(), text(f.name))).collect()),
        policy: list(vec![(policy::DEFAULT_REACH, 0), (policy::HISTORY, 1)]),
        predecessor: Some((before, OpId::from(before))),
        parent: Some(before),
        ts: at(5),
    }
}

pub(crate) fn ruling(subjects: Vec<Subject>, role: Role, vouch: bool) -> Rule {
    Rule {
        subjects: list(subjects),
        role,
        vouch,
        cut: None,
        feeds: List::none(),
        links: List::none(),
        reason: text(""),
    }
}

fn confirm(person: &Actor) -> Body {
    Body::Rule(ruling(vec![Subject::Person(person.id())], Role::Member, true))
}

/// A peer's binary name (the identity multihash of its Ed25519 key) and `/ip4/127.0.0.1/tcp/4001`.
pub(crate) fn hint(actor: &Actor) -> Hint {
    let name = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20], actor.device.public().0.as_bytes().as_slice()].concat();
    Hint(blob(name), blob(vec![0x04, 127, 0, 0, 1, 0x06, 0x0f, 0xa1]))
}

pub(crate) fn week_of_one() -> InviteTerms {
    InviteTerms {
        role: Role::Member,
        max_uses: 1,
        only: None,
        not_before: BEGIN,
        not_after: Millis(BEGIN.0 + 7 * DAY_MS),
    }
}

pub(crate) fn invite(community: CommunityId, inviter: &Actor, entropy: [u8; 24]) -> InviteKey {
    let by = (inviter.id(), FIRST, &inviter.device);
    InviteKey::create(community, by, &week_of_one(), list(vec![hint(inviter)]), entropy)
        .expect("the terms are within I1")
}

pub(crate) fn join(invite: &InviteKey, newcomer: &Actor) -> Signed {
    invite.join(newcomer.record(), text(newcomer.name), &newcomer.ladder.key(0), &newcomer.device, at(2))
}

/// A join without an invite, which only a steward can answer (I7).
pub(crate) fn knock(community: CommunityId, newcomer: &Actor) -> Signed {
    let join =
        Join { version: V1, community, cert: None, person: newcomer.record(), name: text(newcomer.name), ts: at(3) };
    Signed::seal(&join, &[&newcomer.ladder.key(0), &newcomer.device])
}

pub(crate) fn seal_first(community: CommunityId, founder: &Actor, key: &EpochKey) -> EpochBlob {
    let info = sealing_info(community, &[OpId::from(community)]);
    let mut random = Random::new(&SEALING_SEED);
    let sealed = seal_to(founder.device.public(), &founder.sealing.public(), key, &info, &mut random);
    list(vec![sealed.expect("the key is no point of small order")])
}

pub(crate) fn terms(other: CommunityId, broker: &Actor, direction: Direction) -> LinkTerms {
    let tags: Vec<Text<64>> = match direction {
        Direction::Out { .. } => vec![text("rust")],
        Direction::In { .. } => Vec::new(),
    };
    LinkTerms {
        direction,
        other,
        brokers: list(vec![broker.id()]),
        kinds: KindSet::of(&[Kind::POST, Kind::BOOKMARK]),
        tags: list(tags),
        max_hops: 1,
        per_day: 20,
        replies_only: false,
        not_after: Millis(BEGIN.0 + 90 * DAY_MS),
    }
}

/// Carol's second rung, a new device under it, and the end of the first one.
fn rotation(carol: &Actor, anew: &Actor, last: ItemId) -> Keys {
    let reveal = Reveal::seal(carol.id(), 1, &carol.ladder.key(1));
    let cert = carol.ladder.certify(1, anew.device.public(), anew.sealing.public(), Caps::ALL, at(17));
    Keys {
        reveals: list(vec![reveal.signed]),
        devices: list(vec![cert.signed]),
        revoked: list(vec![carol.device.public()]),
        cut: None,
        feeds: list(vec![FeedEnd(carol.device.public(), Scope::All, 0, last)]),
    }
}

impl World {
    fn make() -> World {
        let [alice, bob, carol, dave, eve, ferry] =
            [("alice", 1), ("bob", 2), ("carol", 3), ("dave", 4), ("eve", 5), ("ferry", 6)]
                .map(|(name, number)| Actor::new(name, number));
        let carol_anew = second_device(&carol);
        let mut garden = Story::new(found("garden", 0x31, &alice));
        let mut library = Story::new(found("library", 0x32, &dave));
        let epoch = EpochKey::new([0x41; 32]);
        let blob = seal_first(garden.id(), &alice, &epoch);
        let (invite, join) = settle(&mut garden, &alice, [&bob, &ferry], (&epoch, &blob));
        let knock = knock(garden.id(), &carol);
        let core = ruling(vec![Subject::Join(knock.clone())], Role::Core, false);
        let carol_grant =
            Grant::Op(garden.act("rule: alice takes in carol, who knocked, as core", &alice, FIRST, Body::Rule(core)));
        let bob_grant =
            garden.log.get(garden.steps[2].id).map(|place| Grant::Op(place.id)).expect("alice confirmed bob");
        garden.act(
            "policy: at most 1,000 items a day and person are shown",
            &alice,
            FIRST,
            Body::Policy(policy::POSTS_DAY, 1000),
        );
        let items = items::write(&garden, [&alice, &bob, &carol]);
        let last = items.iter().find(|w| w.author == "carol").map(|w| w.item.id()).expect("carol wrote something");
        let anew = rotation(&carol, &carol_anew, last);
        let keys = garden.draft(&carol, carol_grant, garden.log.heads(), Body::Keys(anew));
        let (rung, keys) = (carol.ladder.key(1), Operation { device: carol.ladder.key(1).public(), ..keys });
        garden.keep(
            "keys: carol reveals her second key, certifies a new device with it and revokes the old one",
            Verified::seal(keys, &[&rung]),
        );
        let out = terms(library.id(), &ferry, Direction::Out { min_author_role: Role::Member });
        let out_link = garden.act("link: out of the garden into the library, by ferry", &alice, FIRST, Body::Link(out));
        let in_link = open_library(&mut library, &dave, &ferry, garden.id());
        let relayed = relay::relay((&garden, out_link), (&library, in_link), &items, [&bob, &ferry]);
        fork_and_merge(&mut garden, &alice, &bob, bob_grant, &invite);
        let last = garden.act("leave: carol goes", &carol_anew, carol_grant, Body::Leave);
        end(&mut garden, &alice, (&carol_anew, &ferry), last, &relayed);
        let orchard = orchard([&alice, &bob, &carol], garden.id());
        World {
            alice,
            bob,
            carol,
            dave,
            eve,
            ferry,
            carol_anew,
            garden,
            library,
            orchard,
            invite,
            join,
            knock,
            epoch,
            blob,
            items,
            relayed,
        }
    }
}

/// The first key, then bob and ferry, each invited and confirmed by alice. Answers bob's invite and join.
fn settle(
    garden: &mut Story,
    alice: &Actor,
    newcomers: [&Actor; 2],
    (key, blob): (&EpochKey, &EpochBlob),
) -> (InviteKey, Signed) {
    let epoch = Epoch { scope: Scope::All, commit: key.commit(), sealed: Some(blob_hash(blob)) };
    garden.act("epoch: the garden's first key", alice, FIRST, Body::Epoch(epoch));
    let [bob, ferry] = newcomers;
    let first = invite(garden.id(), alice, INVITE_ENTROPY);
    let joined = join(&first, bob);
    garden.act(
        "admit: bob, by an invite of alice",
        alice,
        FIRST,
        Body::Admit(first.cert.signed.clone(), joined.clone()),
    );
    garden.act("rule: alice confirms bob", alice, FIRST, confirm(bob));
    let second = invite(garden.id(), alice, [0x52; 24]);
    let ferried = join(&second, ferry);
    garden.act(
        "admit: ferry, by another invite of alice",
        alice,
        FIRST,
        Body::Admit(second.cert.signed.clone(), ferried),
    );
    garden.act("rule: alice confirms ferry", alice, FIRST, confirm(ferry));
    (first, joined)
}

/// The library takes in ferry and opens a link from the garden. Answers the link.
fn open_library(library: &mut Story, dave: &Actor, ferry: &Actor, garden: CommunityId) -> OpId {
    let key = invite(library.id(), dave, [0x53; 24]);
    let joined = join(&key, ferry);
    library.act("admit: ferry, by an invite of dave", dave, FIRST, Body::Admit(key.cert.signed.clone(), joined));
    let terms = terms(garden, ferry, Direction::In { quarantine: false });
    library.act("link: into the library from the garden, by ferry", dave, FIRST, Body::Link(terms))
}

/// Two operations that do not know of each other, and a third that joins them.
fn fork_and_merge(garden: &mut Story, alice: &Actor, bob: &Actor, bob_grant: Grant, invite: &InviteKey) {
    let before = garden.log.heads();
    let inner = Epoch { scope: Scope::Inner, commit: EpochKey::new([0x42; 32]).commit(), sealed: None };
    garden.act_on("epoch: bob opens an inner epoch", bob, bob_grant, before.clone(), Body::Epoch(inner));
    let cert = InviteCert::id_of(&invite.cert.signed);
    garden.act_on("invite_end: alice ends bob's invite, beside it", alice, FIRST, before, Body::InviteEnd(cert));
    garden.act("merge: bob joins the two heads", bob, bob_grant, Body::Merge);
}

/// The removals, the end of the link, something of a later version, and the end of the garden.
fn end(garden: &mut Story, alice: &Actor, (carol, ferry): (&Actor, &Actor), leave: OpId, relayed: &Relayed) {
    let seal = Rule {
        cut: Some(list(vec![leave])),
        reason: text("closes what carol left open"),
        ..ruling(vec![Subject::Person(carol.id())], Role::None, false)
    };
    garden.act("rule: alice closes the chains of carol, who left", alice, FIRST, Body::Rule(seal));
    let (device, envelope) = (ferry.device.public(), relayed.envelope_id());
    let removal = Rule {
        feeds: list(vec![FeedEnd(device, Scope::All, 3, ItemId::new([0x77; 32]))]),
        links: list(vec![LinkCut(relayed.out_link, device, 0, envelope)]),
        reason: text("relays without notes"),
        ..ruling(vec![Subject::Person(ferry.id())], Role::None, false)
    };
    garden.act("rule: alice removes ferry; what it wrote and relayed so far stays", alice, FIRST, Body::Rule(removal));
    let over = LinkEnd { link: relayed.out_link, cuts: list(vec![(device, 0, envelope)]) };
    garden.act("link_end: alice ends the link to the library", alice, FIRST, Body::LinkEnd(over));
    garden.act("later: an operation of a later version, kept and without effect", alice, FIRST, Body::Later(64));
    let heads = garden.log.heads();
    let root = garden.draft(alice, Grant::Root, heads, Body::Succeed(CommunityId::new([0x33; 32])));
    garden.keep("succeed: ROOT names the community that follows", Verified::seal(root, &[&alice.device]));
}

/// Two of three founders remove the third.
fn orchard(founders: [&Actor; 3], before: CommunityId) -> Story {
    let genesis = orchard_genesis(founders, before);
    let keys: Vec<&SecretKey> = founders.iter().map(|f| &f.device).collect();
    let community = Community::check(Signed::seal(&genesis, &keys)).expect("it is a good genesis");
    let mut orchard = Story::new(community);
    let [alice, bob, carol] = founders;
    let removal = Body::Rule(ruling(vec![Subject::Person(carol.id())], Role::None, false));
    let root = orchard.draft(alice, Grant::Root, orchard.log.heads(), removal);
    orchard.keep(
        "rule: ROOT, which is alice and bob here, takes carol's role",
        Verified::seal(root, &[&alice.device, &bob.device]),
    );
    orchard
}
