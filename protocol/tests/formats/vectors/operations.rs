//! Operations: each kind, the logs they make up, what their bytes may not be, and what B1 refuses.

use hearth_protocol::{
    authority::{Body, FeedEnd, Grant, Operation, Role, Rule, Subject, evaluate},
    epoch::Scope,
    id::{CommunityId, Context, ItemId, OpId},
    invite::{InviteKey, InviteTerms},
    link::Direction,
    signed::{Payload as _, Signed, Verified},
};

use super::{File, Json, hex, object};
use crate::{
    cast::{Actor, at, list, signed_by},
    cbor::{NULL, Node, edited, replaced},
    story::{FIRST, Story, WORLD, hint, invite, join, knock, ruling, terms, week_of_one},
};

/// When the logs are looked at.
pub(crate) const NOW_MINUTES: u64 = 1000;

pub(super) fn file() -> File {
    let about = "Each kind of operation, in the logs of the garden and the orchard. `logs` lists them in an order in which parents come \
                 first, with what the whole log says of each: whether it has effect (B8), and of each person: the role (B9). `not_stored` \
                 are well-formed operations that B1 refuses at the end of the garden's log, read at `now`.";
    let mut file = File::new("operations", "operations.md", about);
    for story in [&WORLD.garden, &WORLD.orchard] {
        for step in &story.steps {
            let inputs = object! { "payload": hex(step.signed.payload.as_slice()) };
            file.accept(step.title, "operation", &step.signed.to_bytes(), inputs);
        }
    }
    refused_heads(&mut file);
    refused_bodies(&mut file);
    file.more.push(("now", at(NOW_MINUTES).0.into()));
    file.more.push((
        "logs",
        Json::List(
            [("garden", &WORLD.garden), ("orchard", &WORLD.orchard), ("library", &WORLD.library)].map(log).to_vec(),
        ),
    ));
    file.more.push(("not_stored", Json::List(not_stored())));
    file
}

fn log((name, story): (&'static str, &Story)) -> Json {
    let state = evaluate(&story.log);
    let steps = story.steps.iter().map(|step| {
        object! { "name": step.title, "id": hex(step.id.as_bytes()), "bytes": hex(step.signed.to_bytes()), "effective": state.is_effective(&story.log, step.id) }
    });
    let roles = state
        .members
        .iter()
        .map(|(id, member)| object! { "person": hex(id.as_bytes()), "role": u64::from(member.role.number()) });
    let policy = state
        .policy
        .iter()
        .map(|(key, value)| Json::List(vec![Json::Number((*key).into()), Json::Number((*value).into())]));
    object! {
        "name": name,
        "genesis": hex(story.log.community().signed.to_bytes()),
        "operations": Json::List(steps.collect()),
        "roles": Json::List(roles.collect()),
        "policy": Json::List(policy.collect()),
    }
}

/// The payload of the garden's step whose title begins so, and the seed that signed it.
fn step(title: &str) -> Vec<u8> {
    let found = WORLD.garden.steps.iter().find(|step| step.title.starts_with(title));
    found.unwrap_or_else(|| panic!("no step is called {title}")).signed.payload.as_slice().to_vec()
}

fn by_alice(payload: &[u8]) -> Vec<u8> {
    signed_by(&[WORLD.alice.device_seed], Context::OP, payload).to_bytes()
}

fn refused_heads(file: &mut File) {
    let payload = step("policy");
    let mut refuse = |name: &'static str, at: usize, node: Node, refusal: &str| {
        file.refuse(name, "operation", &by_alice(&replaced(&payload, at, node)), refusal);
    };
    refuse("version 2", 0, Node::Uint(2), "wrong_shape");
    refuse("a community of 31 bytes", 1, Node::Bytes(vec![0; 31]), "wrong_shape");
    refuse("the grant of an eighth founder", 3, Node::Uint(7), "wrong_shape");
    refuse("a grant of 16 bytes", 3, Node::Bytes(vec![0; 16]), "wrong_shape");
    refuse("a lamport number over 32 bits", 5, Node::Uint(1 << 32), "wrong_shape");
    refuse("a time after the year 9999", 6, Node::Uint(253_402_300_800_000), "wrong_shape");
    refuse("no parents", 7, Node::Array(Vec::new()), "wrong_shape");
    let id = |byte| Node::Bytes(vec![byte; 32]);
    refuse("17 parents", 7, Node::Array((0..17).map(id).collect()), "wrong_shape");
    refuse("parents out of order", 7, Node::Array(vec![id(2), id(1)]), "bad_field");
    refuse("a parent twice", 7, Node::Array(vec![id(1), id(1)]), "bad_field");
    refuse("kind 0", 8, Node::Uint(0), "bad_field");
    refuse("kind 12, of no version yet", 8, Node::Uint(12), "bad_field");
    refuse("kind 128", 8, Node::Uint(128), "bad_field");
    refuse("a kind over 8 bits", 8, Node::Uint(256), "wrong_shape");
    refuse("a kind that is not the shortest", 8, Node::Raw(vec![0x18, 0x05]), "not_shortest");
    let short = edited(&payload, |fields| {
        fields.pop();
    });
    file.refuse("without a body", "operation", &by_alice(&short), "wrong_shape");
    let long = edited(&payload, |fields| fields.push(NULL));
    file.refuse("with an eleventh field", "operation", &by_alice(&long), "wrong_shape");
    let big = replaced(&step("later"), 9, Node::Array(vec![Node::Bytes(vec![0; 8192])]));
    file.refuse("a payload over 8 KiB", "operation", &by_alice(&big), "too_long");
    let eve = signed_by(&[WORLD.eve.device_seed], Context::OP, &payload);
    file.refuse("signed by another device than it names", "operation", &eve.to_bytes(), "wrong_signer");
    let item = signed_by(&[WORLD.alice.device_seed], Context::ITEM, &payload);
    file.refuse("signed as an item", "operation", &item.to_bytes(), "bad_signature");
}

fn refused_bodies(file: &mut File) {
    let mut refuse = |name: &'static str, title: &str, edit: &dyn Fn(&mut Vec<Node>), refusal: &str| {
        let payload = edited(&step(title), |fields| edit(fields[9].elements()));
        file.refuse(name, "operation", &by_alice(&payload), refusal);
    };
    let bytes = |byte, length| Node::Bytes(vec![byte; length]);
    refuse("rule: no subjects", "rule: alice confirms bob", &|body| body[0] = Node::Array(Vec::new()), "wrong_shape");
    refuse(
        "rule: 33 subjects",
        "rule: alice confirms bob",
        &|body| body[0] = Node::Array((0..33).map(|n| bytes(n, 32)).collect()),
        "wrong_shape",
    );
    refuse("rule: the role 5", "rule: alice confirms bob", &|body| body[1] = Node::Uint(5), "wrong_shape");
    refuse(
        "rule: a vouch that is a number",
        "rule: alice confirms bob",
        &|body| body[2] = Node::Uint(1),
        "wrong_shape",
    );
    refuse("rule: an empty cut", "rule: alice confirms bob", &|body| body[3] = Node::Array(Vec::new()), "wrong_shape");
    refuse(
        "rule: a reason of 257 bytes",
        "rule: alice confirms bob",
        &|body| body[6] = Node::Text(vec![b'a'; 257]),
        "wrong_shape",
    );
    refuse("rule: an eighth field", "rule: alice confirms bob", &|body| body.push(NULL), "not_canonical");
    refuse("leave: with a field", "leave", &|body| body.push(NULL), "wrong_shape");
    refuse("invite_end: an id of 31 bytes", "invite_end", &|body| body[0] = bytes(0, 31), "wrong_shape");
    refuse("policy: a key over 16 bits", "policy", &|body| body[0] = Node::Uint(65536), "wrong_shape");
    refuse("policy: a value over 32 bits", "policy", &|body| body[1] = Node::Uint(1 << 32), "wrong_shape");
    refuse("epoch: the scope 2", "epoch: the garden", &|body| body[0] = Node::Uint(2), "wrong_shape");
    refuse("link: the direction 2", "link:", &|body| body[0] = Node::Uint(2), "wrong_shape");
    refuse("link: no brokers", "link:", &|body| body[2] = Node::Array(Vec::new()), "wrong_shape");
    refuse(
        "link: a broker twice",
        "link:",
        &|body| body[2] = Node::Array(vec![bytes(1, 32), bytes(1, 32)]),
        "wrong_shape",
    );
    refuse("link: authors with the role 1", "link:", &|body| body[5] = Node::Uint(1), "wrong_shape");
    refuse("link: no hops", "link:", &|body| body[6] = Node::Uint(0), "wrong_shape");
    refuse("link: four hops", "link:", &|body| body[6] = Node::Uint(4), "wrong_shape");
    refuse("link_end: without cuts", "link_end", &|body| drop(body.pop()), "wrong_shape");
}

/// A well-formed operation, who signs it, and the name by which the garden's log refuses it.
type Unwanted = (&'static str, Operation, &'static Actor, &'static str);

/// Well-formed operations that the garden's log does not take, by the names of B1.
fn not_stored() -> Vec<Json> {
    let cases = [unwanted_heads(), unwanted_grants(), unwanted_rulings(), unwanted_newcomers()].concat();
    let sealed = cases
        .into_iter()
        .map(|(name, op, actor, refusal)| (name, Verified::seal(op, &[&actor.device]).signed, refusal));
    let mut log = WORLD.garden.log.clone();
    let told = sealed.chain(signed_wrongly()).map(|(name, signed, refusal)| {
        let operation = Verified::<Operation>::check(signed.clone()).unwrap_or_else(|why| panic!("{name}: {why}"));
        let found = log.add(operation, at(NOW_MINUTES)).expect_err(name);
        assert_eq!(found.name(), refusal, "{name}");
        object! { "name": name, "bytes": hex(signed.to_bytes()), "refusal": refusal }
    });
    told.collect()
}

/// What `actor` would sign at the end of the garden's log.
fn draft(actor: &Actor, auth: Grant, body: Body) -> Operation {
    WORLD.garden.draft(actor, auth, WORLD.garden.log.heads(), body)
}

/// A policy of alice, with something changed.
fn policy(change: impl FnOnce(&mut Operation)) -> Operation {
    let mut operation = draft(&WORLD.alice, FIRST, Body::Policy(4, 10));
    change(&mut operation);
    operation
}

/// A ruling of alice that makes bob core, with something changed.
fn rule(change: impl FnOnce(&mut Rule)) -> Operation {
    let mut rule = ruling(vec![Subject::Person(WORLD.bob.id())], Role::Core, false);
    change(&mut rule);
    draft(&WORLD.alice, FIRST, Body::Rule(rule))
}

/// An operation that nobody has.
const UNSEEN: OpId = OpId::new([0x77; 32]);
/// A community that nobody founded.
const NOWHERE: CommunityId = CommunityId::new([9; 32]);

fn unwanted_heads() -> Vec<Unwanted> {
    let alice = &WORLD.alice;
    vec![
        ("unknown parents", policy(|op| op.parents = list(vec![UNSEEN])), alice, "missing_parents"),
        ("eleven minutes ahead", policy(|op| op.ts = at(NOW_MINUTES + 11)), alice, "too_early"),
        ("of another community", policy(|op| op.community = NOWHERE), alice, "other_community"),
        ("a lamport number too high", policy(|op| op.lamport += 1), alice, "bad_lamport"),
        ("a lamport number too low", policy(|op| op.lamport -= 1), alice, "bad_lamport"),
    ]
}

fn unwanted_grants() -> Vec<Unwanted> {
    let (w, admit) = (&*WORLD, WORLD.garden.steps[1].id);
    let carol = Grant::Op(w.garden.steps[5].id);
    let stranger = policy(|op| op.device = w.eve.device.public());
    let itself = terms(w.garden.id(), &w.ferry, Direction::In { quarantine: true });
    vec![
        ("a grant that is not in its past", policy(|op| op.auth = Grant::Op(UNSEEN)), &w.alice, "unknown_grant"),
        ("a grant of somebody else", policy(|op| op.auth = Grant::Op(admit)), &w.alice, "others_grant"),
        ("a policy by a member", draft(&w.bob, Grant::Op(admit), Body::Policy(4, 10)), &w.bob, "role_too_low"),
        (
            "a policy by ROOT, which only rules and succeeds",
            policy(|op| op.auth = Grant::Root),
            &w.alice,
            "unknown_grant",
        ),
        ("a succession by a steward alone", draft(&w.alice, FIRST, Body::Succeed(NOWHERE)), &w.alice, "role_too_low"),
        ("a device that nobody certified", stranger, &w.eve, "unknown_device"),
        ("somebody without a grant", draft(&w.eve, carol, Body::Leave), &w.eve, "others_grant"),
        ("a link to itself", draft(&w.alice, FIRST, Body::Link(itself)), &w.alice, "bad_subjects"),
    ]
}

fn unwanted_rulings() -> Vec<Unwanted> {
    let (w, alice) = (&*WORLD, &WORLD.alice);
    let on = |subjects: Vec<Subject>| rule(|rule| rule.subjects = list(subjects));
    let person = |actor: &Actor| Subject::Person(actor.id());
    let removal = rule(|rule| {
        (rule.role, rule.subjects) = (Role::None, list(vec![person(&w.bob), person(&w.ferry)]));
        rule.feeds = list(vec![FeedEnd(w.bob.device.public(), Scope::All, 0, ItemId::new([1; 32]))]);
    });
    let vouch = rule(|rule| (rule.role, rule.vouch) = (Role::None, true));
    vec![
        ("a cut outside its past", rule(|rule| rule.cut = Some(list(vec![UNSEEN]))), alice, "bad_cut"),
        ("a ruling on its author", on(vec![person(alice)]), alice, "bad_subjects"),
        ("a ruling on one person twice", on(vec![person(&w.bob), person(&w.bob)]), alice, "bad_subjects"),
        ("a removal of two", removal, alice, "bad_subjects"),
        ("a vouch for no role", vouch, alice, "bad_subjects"),
        ("a join beside a person", on(vec![person(&w.bob), Subject::Join(w.knock.clone())]), alice, "bad_subjects"),
        ("a join of another community", on(vec![Subject::Join(knock(w.library.id(), &w.eve))]), alice, "bad_join"),
    ]
}

fn unwanted_newcomers() -> Vec<Unwanted> {
    let (w, alice) = (&*WORLD, &WORLD.alice);
    let strange = join(&invite(w.garden.id(), alice, [0x54; 24]), &w.eve);
    let foreign = invite(w.library.id(), &w.dave, [0x55; 24]).cert.signed;
    let own = w.invite.cert.signed.clone();
    let admit = |cert: Signed| draft(alice, FIRST, Body::Admit(cert, strange.clone()));
    let before = InviteKey::create(
        w.garden.id(),
        (alice.id(), FIRST, &alice.device),
        &InviteTerms { not_before: at(1), not_after: at(2), ..week_of_one() },
        list(vec![hint(alice)]),
        [0x57; 24],
    );
    let over = before.expect("the terms are within I1");
    let over = draft(alice, FIRST, Body::Admit(over.cert.signed.clone(), join(&over, &w.eve)));
    vec![
        ("an admission by an invite of another community", admit(foreign), alice, "bad_invite"),
        ("an admission by another invite than the join's", admit(own), alice, "bad_join"),
        ("an admission after the invite's end", over, alice, "bad_invite"),
    ]
}

/// Signatures that hold, by those who may not give them.
fn signed_wrongly() -> Vec<(&'static str, Signed, &'static str)> {
    let w = &*WORLD;
    let policy = policy(|_| ());
    let [alice, eve, bob] = [&w.alice, &w.eve, &w.bob].map(|actor| actor.device_seed);
    let by = |seeds: &[[u8; 32]], operation: &Operation| signed_by(seeds, Context::OP, &operation.to_canonical());
    let root = Operation { auth: Grant::Root, body: Body::Succeed(NOWHERE), ..policy.clone() };
    let blamed = Operation { author: w.bob.id(), device: w.bob.device.public(), ..root.clone() };
    let keys = step("keys");
    let own = by(
        &[w.carol.device_seed],
        &Operation { device: w.carol.device.public(), ..Operation::from_canonical(&keys).expect("it was accepted") },
    );
    vec![
        ("signed by another device than it names, though one of the community", by(&[bob], &policy), "wrong_signer"),
        ("signed by somebody else too", by(&[alice, eve], &policy), "wrong_signer"),
        ("an act of ROOT without a founder", by(&[eve], &root), "unknown_device"),
        ("an act of ROOT that somebody else signs too", by(&[alice, eve], &root), "unknown_device"),
        ("an act of ROOT put down to somebody who did not sign", by(&[alice], &blamed), "wrong_signer"),
        ("keys signed by a device in place of the identity key", own, "bad_keys"),
    ]
}

#[test]
fn each_kind_of_operation_and_each_final_refusal_of_b1_is_among_the_vectors() {
    let kinds =
        |story: &Story| -> Vec<u8> { story.log.operations().map(|place| place.operation.body.kind()).collect() };
    let kinds = kinds(&WORLD.garden);
    for kind in (1..=11).chain([64]) {
        assert!(kinds.contains(&kind), "no operation of the kind {kind}");
    }
    let text = Json::List(not_stored()).to_file();
    let names = [
        "missing_parents",
        "too_early",
        "other_community",
        "bad_lamport",
        "unknown_grant",
        "others_grant",
        "role_too_low",
        "bad_cut",
        "bad_subjects",
        "unknown_device",
        "bad_invite",
        "bad_join",
        "bad_keys",
        "wrong_signer",
    ];
    for name in names {
        assert!(text.contains(&format!("\"refusal\": \"{name}\"")), "no operation is refused as {name}");
    }
}
