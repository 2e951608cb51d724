//! B1: each refusal by its name, for what honest people get wrong and for what eve tries.

use std::collections::BTreeSet;

use crate::{
    authority::{Body, Grant, Keys, Log, Operation, OperationRefusal, Role, Rule, Subject},
    bytes::List,
    id::{CommunityId, OpId},
    invite::{CheckedJoin, InviteKey},
    key::SecretKey,
    limits,
    link::Direction,
    person::Caps,
    signed::{Signed, Unsound, Verified},
    testing::{
        Actor, FIRST, NOW, Pen, START, Scene, alice, bob, carol, community, dave, eve, found, link_terms, root,
        rule_on, up_to,
    },
    time::{DAY_MS, Millis},
};

/// Alice's garden, with bob a steward, carol a core member and dave a member.
struct Garden {
    scene: Scene,
    bob: Grant,
    carol: Grant,
    dave: Grant,
}

fn garden() -> Garden {
    let mut scene = Scene::founded_by(&[alice()]);
    let bob = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Steward));
    let carol = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Core));
    let dave = scene.grant(scene.pen(alice(), FIRST).take_in(dave(), Role::Member));
    Garden { scene, bob, carol, dave }
}

fn name(log: &Log, operation: Verified<Operation>) -> &'static str {
    log.clone().add(operation, NOW).map_or_else(|refusal| refusal.name(), |_| "stored")
}

/// Changes what was drafted, and signs it after all.
fn changed(pen: &Pen<'_>, body: Body, device: &SecretKey, change: impl FnOnce(&mut Operation)) -> Verified<Operation> {
    let mut draft = pen.draft(body);
    change(&mut draft);
    Verified::seal(draft, &[device])
}

fn rule(change: impl FnOnce(&mut Rule)) -> Body {
    let mut rule = rule_on(&[dave().person()], Role::Core);
    change(&mut rule);
    Body::Rule(rule)
}

fn persons(subjects: &[&Actor]) -> List<Subject, 1, { limits::SUBJECTS }> {
    List::new(subjects.iter().map(|actor| Subject::Person(actor.person())).collect()).unwrap()
}

#[test]
fn what_waits_is_taken_up_later_and_what_is_known_is_not_stored_again() {
    let mut garden = garden();
    let parent = garden.scene.pen(bob(), garden.bob).policy(1, 1);
    let mut ahead = garden.scene.clone();
    ahead.add(parent.clone());
    let child = ahead.pen(bob(), garden.bob).policy(1, 2);
    let log = &mut garden.scene.log;
    assert_eq!(log.add(child.clone(), NOW), Err(OperationRefusal::MissingParents(vec![parent.id().into()])));
    assert_eq!(log.add(parent.clone(), NOW), Ok(true));
    assert_eq!(log.add(child.clone(), NOW), Ok(true));
    assert_eq!(log.add(child, NOW), Ok(false));
    let soon = Millis(NOW.0 + limits::FUTURE_MS);
    up_to(limits::FUTURE_MS, OperationRefusal::TooEarly, |ahead_ms| {
        log.clone().add(Pen::new(log, bob(), garden.bob).at(NOW.after(ahead_ms)).policy(1, 3), NOW)
    });
    let early = Pen::new(log, bob(), garden.bob).at(Millis(soon.0 + 1)).policy(1, 3);
    assert_eq!(log.add(early, Millis(NOW.0 + 1)), Ok(true));
}

#[test]
fn what_is_of_elsewhere_or_out_of_step_is_refused() {
    let Garden { scene, bob: grant, .. } = garden();
    let pen = scene.pen(bob(), grant);
    let policy = || Body::Policy(1, 1);
    let told = |change: fn(&mut Operation)| name(&scene.log, changed(&pen, policy(), &bob().device, change));
    assert_eq!(told(|_| ()), "stored");
    assert_eq!(told(|op| op.community = CommunityId::new([9; 32])), "other_community");
    assert_eq!(told(|op| op.lamport += 1), "bad_lamport");
    assert_eq!(told(|op| op.lamport -= 1), "bad_lamport");
    assert_eq!(told(|op| op.lamport = u32::MAX), "bad_lamport");
    assert_eq!(told(|op| op.parents = List::new(vec![OpId::new([9; 32])]).unwrap()), "missing_parents");
}

#[test]
fn only_the_device_of_the_author_signs_for_the_author() {
    let Garden { scene, bob: grant, dave: daves, .. } = garden();
    let pen = scene.pen(bob(), grant);
    let policy = || Body::Policy(1, 1);
    // Eve with her own device in bob's name; with bob's device named and her signature; with both.
    assert_eq!(
        name(&scene.log, changed(&pen, policy(), &eve().device, |op| op.device = eve().device.public())),
        "unknown_device"
    );
    assert_eq!(name(&scene.log, changed(&pen, policy(), &eve().device, |_| ())), "wrong_signer");
    let both = Verified::seal(pen.draft(policy()), &[&bob().device, &eve().device]);
    assert_eq!(name(&scene.log, both), "wrong_signer");
    // A signature that does not hold is found before anything is asked of the log.
    let mut altered = pen.policy(1, 1).signed;
    altered.signatures = pen.policy(1, 2).signed.signatures;
    assert_eq!(Verified::<Operation>::check(altered).unwrap_err().name(), "bad_signature");
    // Bob's second device has no certificate; with one for items only it may not sign either.
    let tablet = bob().at_device(1);
    assert_eq!(name(&scene.log, scene.pen(&tablet, grant).policy(1, 1)), "unknown_device");
    for (caps, admits) in
        [(Caps::ITEMS, "unknown_device"), (Caps::OPERATIONS, "unknown_device"), (Caps::ADMIT, "stored")]
    {
        let mut scene = scene.clone();
        let certificate = List::new(vec![tablet.certificate(0, caps)]).unwrap();
        scene.add(scene.pen(bob(), grant).keys(0, |keys| keys.devices = certificate));
        let stored = if caps == Caps::OPERATIONS { "stored" } else { "unknown_device" };
        assert_eq!(name(&scene.log, scene.pen(&tablet, grant).policy(1, 1)), stored, "{caps:?}");
        let invite = alice().invite(scene.log.id(), FIRST, 1, 1);
        assert_eq!(name(&scene.log, scene.pen(&tablet, grant).admit(&invite, eve())), admits, "{caps:?}");
        // A certificate that the parents have not seen is none.
        let before = scene.log.get(scene.log.heads()[0]).unwrap().operation.parents.to_vec();
        assert_eq!(name(&scene.log, scene.pen(&tablet, grant).on(&before).policy(1, 1)), "unknown_device");
    }
    // Dave's device is dave's, whatever grant it cites.
    assert_eq!(name(&scene.log, scene.pen(dave(), daves).epoch(crate::epoch::Scope::All, 1)), "stored");
    assert_eq!(name(&scene.log, scene.pen(dave(), grant).policy(1, 1)), "others_grant");
}

#[test]
fn a_grant_is_in_the_past_ones_own_and_high_enough() {
    let Garden { mut scene, bob: bobs, carol: carols, dave: daves } = garden();
    let of = |id: &Grant| if let Grant::Op(id) = id { *id } else { panic!("an operation's") };
    let before = [scene.genesis()];
    let sealed = |scene: &Scene, pen: Pen<'_>, body: Body| name(&scene.log, pen.sign(body));
    let policy = || Body::Policy(1, 1);
    assert_eq!(sealed(&scene, scene.pen(bob(), bobs).on(&before), policy()), "unknown_grant");
    assert_eq!(sealed(&scene, scene.pen(bob(), Grant::Op(OpId::new([9; 32]))), policy()), "unknown_grant");
    assert_eq!(sealed(&scene, scene.pen(bob(), carols), policy()), "others_grant");
    assert_eq!(sealed(&scene, scene.pen(bob(), FIRST), policy()), "others_grant");
    assert_eq!(sealed(&scene, scene.pen(alice(), Grant::Founder(1)), policy()), "others_grant");
    let no_grant = scene.add(scene.pen(bob(), bobs).policy(1, 1));
    assert_eq!(sealed(&scene, scene.pen(bob(), Grant::Op(no_grant)), policy()), "others_grant");
    let removal = scene.add(scene.pen(alice(), FIRST).rule(dave(), Role::None));
    assert_eq!(sealed(&scene, scene.pen(dave(), Grant::Op(removal)), Body::Leave), "others_grant");
    // What each role may sign, by the grant that is cited.
    let invite = alice().invite(scene.log.id(), FIRST, 1, 1);
    let admit = |scene: &Scene, actor: &Actor, grant| name(&scene.log, scene.pen(actor, grant).admit(&invite, eve()));
    let peripheral = scene.grant(scene.pen(bob(), bobs).on(&[of(&daves)]).take_in(eve(), Role::Peripheral));
    let link = || Body::Link(link_terms(Direction::In { quarantine: false }, CommunityId::new([1; 32]), dave()));
    assert_eq!(sealed(&scene, scene.pen(dave(), daves), rule(|r| r.subjects = persons(&[carol()]))), "role_too_low");
    assert_eq!(sealed(&scene, scene.pen(carol(), carols), policy()), "role_too_low");
    assert_eq!(sealed(&scene, scene.pen(carol(), carols), link()), "role_too_low");
    assert_eq!(sealed(&scene, scene.pen(dave(), daves), Body::InviteEnd(invite.cert.id().into())), "role_too_low");
    assert_eq!(sealed(&scene, scene.pen(eve(), peripheral), Body::Merge), "role_too_low");
    assert_eq!(sealed(&scene, scene.pen(eve(), peripheral), Body::Leave), "stored");
    assert_eq!(sealed(&scene, scene.pen(bob(), bobs), link()), "stored");
    assert_eq!(admit(&scene, dave(), daves), "stored");
    // The root rules and succeeds, nothing else, and nobody succeeds for it.
    let succeed = || Body::Succeed(CommunityId::new([2; 32]));
    let heads = scene.log.heads();
    assert_eq!(sealed(&scene, scene.pen(alice(), FIRST), succeed()), "role_too_low");
    assert_eq!(name(&scene.log, root(&scene.log, &[alice()], &heads, succeed())), "stored");
    assert_eq!(name(&scene.log, root(&scene.log, &[alice()], &heads, policy())), "unknown_grant");
}

#[test]
fn the_root_is_a_majority_of_distinct_founders_and_names_the_lowest() {
    let (a, b, c) = (alice(), bob(), carol());
    let mut scene = Scene::founded_by(&[a, b, c]);
    let genesis = [scene.genesis()];
    let body = || Body::Rule(rule_on(&[dave().person()], Role::Member));
    let told = |scene: &Scene, signers: &[&Actor]| name(&scene.log, root(&scene.log, signers, &genesis, body()));
    assert_eq!(told(&scene, &[a, b]), "stored");
    assert_eq!(told(&scene, &[b, c]), "stored");
    assert_eq!(told(&scene, &[a, b, c]), "stored");
    assert_eq!(told(&scene, &[a]), "wrong_signer");
    assert_eq!(told(&scene, &[b, a]), "wrong_signer", "bob is named, alice is lower");
    assert_eq!(told(&scene, &[a, eve()]), "unknown_device");
    assert_eq!(told(&scene, &[a, b, eve()]), "unknown_device");
    // Two devices of one founder are one founder.
    let tablet = a.at_device(1);
    let certificate = List::new(vec![tablet.certificate(0, Caps::ALL)]).unwrap();
    let heads = [scene.add(scene.pen(a, FIRST).keys(0, |keys| keys.devices = certificate))];
    assert_eq!(name(&scene.log, root(&scene.log, &[a, &tablet], &heads, body())), "wrong_signer");
    assert_eq!(name(&scene.log, root(&scene.log, &[&tablet, b], &heads, body())), "stored");
    // A device that its founder has revoked signs no later act.
    let revoked = List::new(vec![b.device.public()]).unwrap();
    let heads = [scene.add(scene.pen(b, Grant::Founder(1)).keys(0, |keys| keys.revoked = revoked))];
    assert_eq!(name(&scene.log, root(&scene.log, &[a, b], &heads, body())), "unknown_device");
    assert_eq!(name(&scene.log, root(&scene.log, &[a, b], &genesis, body())), "stored");
}

#[test]
fn a_ruling_has_subjects_that_go_together_and_a_cut_that_was_seen() {
    let Garden { mut scene, bob: bobs, dave: daves, .. } = garden();
    let told = |scene: &Scene, body: Body| name(&scene.log, scene.pen(bob(), bobs).sign(body));
    let other = community("library", &[carol()]).id;
    assert_eq!(told(&scene, rule(|r| r.subjects = persons(&[carol(), dave()]))), "stored");
    let refused: [(&str, Body); 8] = [
        ("bad_subjects", rule(|r| r.subjects = persons(&[bob()]))),
        ("bad_subjects", rule(|r| r.subjects = persons(&[carol(), bob()]))),
        ("bad_subjects", rule(|r| r.subjects = persons(&[carol(), carol()]))),
        ("bad_subjects", rule(|r| (r.subjects, r.role) = (persons(&[carol(), dave()]), Role::Peripheral))),
        ("bad_subjects", rule(|r| (r.vouch, r.role) = (true, Role::None))),
        ("bad_subjects", Body::Link(link_terms(Direction::In { quarantine: true }, scene.log.id(), dave()))),
        ("bad_subjects", rule(|r| r.subjects = List::new(vec![Subject::Join(bob().knock(scene.log.id()))]).unwrap())),
        ("bad_join", rule(|r| r.subjects = List::new(vec![Subject::Join(eve().knock(other))]).unwrap())),
    ];
    for (expected, body) in refused {
        assert_eq!(told(&scene, body.clone()), expected, "{body:?}");
    }
    let knock = Subject::Join(eve().knock(scene.log.id()));
    let two = List::new(vec![knock, Subject::Person(dave().person())]).unwrap();
    assert_eq!(told(&scene, rule(|r| r.subjects = two)), "bad_subjects");
    // The cut: the genesis and all that was seen, nothing else; of Keys too.
    let unseen = scene.add(scene.pen(alice(), FIRST).policy(1, 1));
    let before = scene.log.get(unseen).unwrap().operation.parents.to_vec();
    let cut = |ids: &[OpId]| Some(List::new(ids.to_vec()).unwrap());
    for (ids, expected) in [
        (vec![scene.genesis()], "stored"),
        (before.clone(), "stored"),
        (vec![unseen], "bad_cut"),
        (vec![OpId::new([9; 32])], "bad_cut"),
    ] {
        assert_eq!(name(&scene.log, scene.pen(bob(), bobs).on(&before).sign(rule(|r| r.cut = cut(&ids)))), expected);
        assert_eq!(
            name(&scene.log, scene.pen(dave(), daves).on(&before).keys(0, |keys| keys.cut = cut(&ids))),
            expected
        );
    }
}

fn admit(scene: &Scene, pen: &Pen<'_>, invite: &InviteKey, join: Signed) -> &'static str {
    name(&scene.log, pen.sign(Body::Admit(invite.cert.signed.clone(), join)))
}

#[test]
fn an_invite_must_hold_where_it_is_used() {
    let Garden { scene, carol: carols, dave: daves, .. } = garden();
    let id = scene.log.id();
    let told = |invite: &InviteKey| admit(&scene, &scene.pen(dave(), daves), invite, eve().join(invite));
    assert_eq!(told(&carol().invite(id, carols, 1, 1)), "stored");
    let day = |days: u64| Millis(NOW.0 + days * DAY_MS);
    let with = |change: fn(&mut crate::invite::InviteTerms)| carol().invite_with(id, carols, 1, change);
    assert_eq!(told(&with(|t| (t.not_before, t.not_after) = (START, Millis(START.0 + 1)))), "bad_invite", "expired");
    assert_eq!(told(&with(|t| (t.not_before, t.not_after) = (NOW, Millis(NOW.0 + 1)))), "bad_invite", "not yet");
    assert_eq!(told(&with(|t| t.only = Some(bob().person()))), "bad_invite", "for another admitter");
    assert_eq!(told(&with(|t| t.only = Some(dave().person()))), "stored");
    assert_eq!(told(&dave().invite(id, daves, 1, 1)), "bad_invite", "by a member");
    assert_eq!(told(&eve().invite(id, carols, 1, 1)), "bad_invite", "under somebody else's grant");
    assert_eq!(told(&carol().invite(id, Grant::Root, 1, 1)), "bad_invite", "of the root");
    assert_eq!(told(&carol().at_device(1).invite(id, carols, 1, 1)), "bad_invite", "by an unknown device");
    assert_eq!(told(&carol().invite(community("library", &[carol()]).id, carols, 1, 1)), "bad_invite", "elsewhere");
    // A window may lie anywhere, as long as the claimed time lies in it.
    let late = with(|t| (t.not_before, t.not_after) = (NOW, Millis(NOW.0 + DAY_MS)));
    let pen = scene.pen(dave(), daves).at(day(1));
    assert_eq!(scene.log.clone().add(pen.admit(&late, eve()), day(1)), Ok(true));
}

#[test]
fn an_invite_admits_others_than_its_inviter_and_its_admitter() {
    let Garden { scene, carol: carols, dave: daves, .. } = garden();
    let invite = carol().invite(scene.log.id(), carols, 1, 1);
    let told = |by: &Actor, grant, whom: &Actor| admit(&scene, &scene.pen(by, grant), &invite, whom.join(&invite));
    assert_eq!(told(dave(), daves, dave()), "bad_subjects");
    assert_eq!(told(dave(), daves, carol()), "bad_subjects");
    assert_eq!(told(carol(), carols, eve()), "stored");
}

#[test]
fn a_join_is_worth_something_for_its_own_person_and_certificate_only() {
    let Garden { scene, carol: carols, dave: daves, .. } = garden();
    let (invite, other) = (carol().invite(scene.log.id(), carols, 1, 1), carol().invite(scene.log.id(), carols, 1, 2));
    let pen = scene.pen(dave(), daves);
    let join = eve().join(&invite);
    assert_eq!(admit(&scene, &pen, &invite, join.clone()), "stored");
    assert_eq!(admit(&scene, &pen, &other, join.clone()), "bad_join", "of another invite");
    assert_eq!(admit(&scene, &pen, &invite, eve().knock(scene.log.id())), "bad_join", "without the invite key");
    // P14: whatever bit is flipped in join or certificate.
    let mut refused = BTreeSet::new();
    let cert = &invite.cert.signed;
    for (signed, certificate) in [(&join, false), (cert, true)] {
        let bytes = signed.payload.as_slice().len();
        for at in (0..bytes).step_by(7) {
            let mut payload = signed.payload.as_slice().to_vec();
            payload[at] ^= 1 << (at % 8);
            let altered =
                Signed { payload: crate::bytes::Blob::new(payload).unwrap(), signatures: signed.signatures.clone() };
            let body =
                if certificate { Body::Admit(altered, join.clone()) } else { Body::Admit(cert.clone(), altered) };
            refused.insert(name(&scene.log, pen.sign(body)));
        }
    }
    assert_eq!(refused, BTreeSet::from(["bad_invite", "bad_join"]));
    // A person put together from two is nobody's.
    let checked = CheckedJoin::check(join, Some(&invite.cert)).unwrap();
    let mut mixed = checked.join;
    mixed.person.inception = carol().record().inception;
    let mixed = Signed::seal(&mixed, &[&invite.secret(), &eve().ladder.key(0), &eve().device]);
    assert_eq!(admit(&scene, &pen, &invite, mixed), "bad_join");
}

#[test]
fn keys_are_signed_by_a_rung_that_was_committed_to_and_revealed() {
    let Garden { scene, dave: daves, .. } = garden();
    let told = |change: &dyn Fn(&mut Keys), index: u8| {
        let refusal = scene.log.clone().add(scene.pen(dave(), daves).keys(index, |keys| change(keys)), NOW);
        refusal.map_or_else(|refusal| refusal.name(), |_| "stored")
    };
    let reveals = |signed: Signed| List::new(vec![signed]).unwrap();
    let tablet = dave().at_device(1);
    assert_eq!(told(&|_| (), 0), "stored");
    assert_eq!(told(&|_| (), 1), "bad_keys", "not revealed");
    assert_eq!(told(&|keys| keys.reveals = reveals(dave().reveal(1)), 1), "stored");
    assert_eq!(told(&|keys| keys.reveals = reveals(dave().reveal(2)), 1), "bad_keys", "another rung revealed");
    assert_eq!(told(&|keys| keys.reveals = reveals(eve().reveal(1)), 0), "bad_keys", "somebody else's");
    let forged = Signed::seal(&dave().reveal(1).read::<crate::person::Reveal>().unwrap(), &[&eve().device]);
    assert_eq!(told(&|keys| keys.reveals = reveals(forged.clone()), 0), "bad_keys", "revealed by another");
    assert_eq!(told(&|keys| keys.devices = reveals2(tablet.certificate(0, Caps::ALL)), 0), "stored");
    assert_eq!(
        told(&|keys| keys.devices = reveals2(tablet.certificate(1, Caps::ALL)), 0),
        "bad_keys",
        "by another rung"
    );
    assert_eq!(
        told(&|keys| keys.devices = reveals2(eve().certificate(0, Caps::ALL)), 0),
        "bad_keys",
        "of another person"
    );
    // A device is no identity key.
    let body = Body::Keys(Keys {
        reveals: List::none(),
        devices: List::none(),
        revoked: List::none(),
        cut: None,
        feeds: List::none(),
    });
    assert_eq!(name(&scene.log, scene.pen(dave(), daves).sign(body)), "bad_keys");
}

fn reveals2<const MAX: usize>(signed: Signed) -> List<Signed, 0, MAX> {
    List::new(vec![signed]).unwrap()
}

#[test]
fn keys_on_parents_that_do_not_know_the_person_are_refused_whatever_else_is_stored() {
    // Alice rules on eve by name only; eve's join stands beside it.
    let mut scene = Scene::founded_by(&[alice()]);
    let genesis = [scene.genesis()];
    let named = scene.add(scene.pen(alice(), FIRST).rule(eve(), Role::Member));
    let reveal = || List::new(vec![eve().reveal(0)]).unwrap();
    let keys = scene.pen(eve(), Grant::Op(named)).on(&[named]).keys(0, |keys| keys.reveals = reveal());
    assert_eq!(name(&scene.log, keys.clone()), "bad_keys");
    let joined = scene.add(scene.pen(alice(), FIRST).on(&genesis).take_in(eve(), Role::Member));
    assert_eq!(name(&scene.log, keys), "bad_keys", "P9");
    let after = scene.pen(eve(), Grant::Op(named)).on(&[named, joined]).keys(0, |keys| keys.reveals = reveal());
    assert_eq!(name(&scene.log, after), "stored");
}

#[test]
fn two_signature_sets_of_one_act_are_one_operation_and_say_the_same() {
    let (a, b, c) = (alice(), bob(), carol());
    let mut scenes = [Scene::founded_by(&[a, b, c]), Scene::founded_by(&[a, b, c])];
    let genesis = [scenes[0].genesis()];
    let body = Body::Rule(Rule {
        subjects: List::new(vec![Subject::Join(dave().knock(scenes[0].log.id()))]).unwrap(),
        ..rule_on(&[dave().person()], Role::Core)
    });
    let acts = [root(&scenes[0].log, &[a, b], &genesis, body.clone()), root(&scenes[0].log, &[a, c], &genesis, body)];
    assert_eq!(acts[0].id(), acts[1].id());
    assert_ne!(acts[0].signed, acts[1].signed);
    // Bob says that his device had been lost before; one node holds his signature, one does not.
    let revoked = List::new(vec![b.device.public()]).unwrap();
    let cut = Some(List::new(genesis.to_vec()).unwrap());
    for (at, scene) in scenes.iter_mut().enumerate() {
        scene.add(acts[at].clone());
        assert_eq!(scene.log.add(acts[1 - at].clone(), NOW), Ok(false));
        let lost = scene
            .pen(b, Grant::Founder(1))
            .on(&genesis)
            .keys(0, |keys| (keys.revoked, keys.cut) = (revoked.clone(), cut.clone()));
        scene.add(lost);
    }
    let [one, other] = scenes.map(|scene| super::said(&scene.log, &scene.state()));
    assert_eq!(one, other);
    assert!(one.contains("Core"), "{one}");
}

#[test]
fn a_community_of_two_thresholds_is_refused() {
    let (a, b) = (alice(), bob());
    assert_eq!(found("garden", &[a, b], |genesis| genesis.threshold = 1).unwrap_err().name(), "bad_field", "G1");
    assert!(found("garden", &[a, b], |genesis| genesis.threshold = 2).is_ok());
    assert_eq!(found("garden", &[a, a], |_| ()).unwrap_err().name(), "bad_signature");
}

#[test]
fn every_refusal_has_a_name_of_its_own() {
    let refusals = [
        OperationRefusal::MissingParents(Vec::new()),
        OperationRefusal::TooEarly,
        OperationRefusal::LogFull,
        OperationRefusal::Unsound(Unsound::WrongSigner),
        OperationRefusal::OtherCommunity,
        OperationRefusal::BadLamport,
        OperationRefusal::UnknownGrant,
        OperationRefusal::OthersGrant,
        OperationRefusal::RoleTooLow(Role::Core),
        OperationRefusal::BadCut,
        OperationRefusal::BadSubjects,
        OperationRefusal::UnknownDevice,
        OperationRefusal::BadInvite,
        OperationRefusal::BadJoin,
        OperationRefusal::BadKeys,
    ];
    let names: BTreeSet<_> = refusals.iter().map(OperationRefusal::name).collect();
    assert_eq!(names.len(), refusals.len());
    assert!(refusals.iter().all(|refusal| refusal.to_string().chars().next().is_some_and(|c| !c.is_uppercase())));
}
