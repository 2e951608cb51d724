//! What stewards hear of (4.4): that it is found, whatever the order of arrival, and goes away.

use super::{
    histories::{History, actor, actor_at, arrive},
    oracle::{Act, Who},
    seeds::play,
};
use crate::{
    authority::{Body, Cause, Finding, Grant, Log, Operation, Role, State, evaluate, findings},
    bytes::List,
    id::{CertId, OpId, PersonId},
    signed::Verified,
    testing::{Actor, Dice, FIRST, NOW, Pen, Scene, alice, bob, carol, dave, eve, ferry, root, rule_on},
};

/// Alice's garden with bob a steward, carol a core member and dave a member.
struct Garden {
    scene: Scene,
    bob: Grant,
    carol: Grant,
    dave: Grant,
    heads: Vec<OpId>,
}

fn garden() -> Garden {
    let mut scene = Scene::founded_by(&[alice()]);
    let bob = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Steward));
    let carol = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Core));
    let dave = scene.grant(scene.pen(alice(), FIRST).take_in(dave(), Role::Member));
    let heads = scene.log.heads();
    Garden { scene, bob, carol, dave, heads }
}

/// The same log, as it came to somebody else.
fn elsewhere(log: &Log, dice: &mut Dice) -> Log {
    let operations = log.operations().cloned();
    let mut operations: Vec<_> =
        operations.map(|place| Verified { value: place.operation, signed: place.signed }).collect();
    dice.shuffle(&mut operations);
    let mut other = Log::new(log.community().clone());
    arrive(&mut other, operations);
    other
}

/// What is found, here and elsewhere.
fn found(scene: &Scene) -> Vec<Finding> {
    let found = findings(&scene.log, &scene.state());
    for seed in 0..4 {
        let other = elsewhere(&scene.log, &mut Dice::new(seed));
        assert_eq!(findings(&other, &evaluate(&other)), found);
    }
    found
}

fn lost(g: &Garden, actor: &Actor, grant: Grant) -> Verified<Operation> {
    g.scene.pen(actor, grant).on(&g.heads).keys(0, |keys| {
        keys.revoked = List::new(vec![actor.device.public()]).unwrap();
    })
}

#[test]
fn an_admission_that_lapsed_is_found_with_its_cause_until_they_are_in_or_ruled_on() {
    // Dave admits eve by carol's invite for one, on the heads, and beside it something happens.
    type Beside = fn(&mut Garden);
    let cases: [(Cause, Beside); 7] = [
        (Cause::AdmitterRemoved, |g| {
            g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(dave(), Role::None));
        }),
        (Cause::InviterRemoved, |g| {
            g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(carol(), Role::Member));
        }),
        (Cause::InviteEnded, |g| {
            let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
            g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).end_invite(&invite));
        }),
        (Cause::OverUsed, |g| {
            let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
            g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).admit(&invite, ferry()));
            g.scene.add(g.scene.pen(bob(), g.bob).admit(&invite, &Actor::numbered(1)));
        }),
        (Cause::SelfConcurrent, |g| {
            let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
            g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).admit(&invite, ferry()));
        }),
        (Cause::DeviceRevoked, |g| {
            g.scene.add(lost(g, dave(), g.dave));
        }),
        (Cause::DeviceRevoked, |g| {
            g.scene.add(lost(g, carol(), g.carol));
        }),
    ];
    for (expected, beside) in cases {
        let mut g = garden();
        let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
        let admitted = g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
        assert_eq!(found(&g.scene), []);
        beside(&mut g);
        let lapsed: Vec<_> =
            found(&g.scene).into_iter().filter(|f| matches!(f, Finding::LapsedAdmission { .. })).collect();
        // With the invite used up, it is not eve who stays outside, but who came after.
        let (whom, name) =
            if expected == Cause::OverUsed { (Actor::numbered(1), "p1") } else { (eve().clone(), "eve") };
        let Some(Finding::LapsedAdmission { admit, person, name: said, cause }) = lapsed.first() else {
            panic!("{expected:?}: {lapsed:?}")
        };
        assert_eq!((*person, said.as_str(), *cause), (whom.person(), name, expected));
        assert!(expected == Cause::OverUsed || *admit == admitted);
        for role in [Role::Member, Role::None] {
            let mut scene = g.scene.clone();
            scene.add(scene.pen(alice(), FIRST).rule(&whom, role));
            let is_over =
                |f: &Finding| !matches!(f, Finding::LapsedAdmission { person, .. } if *person == whom.person());
            assert!(found(&scene).iter().all(is_over), "{expected:?}");
        }
    }
}

#[test]
fn whoever_left_or_was_removed_after_an_admission_is_no_lapse() {
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
    let admitted = g.scene.grant(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
    let mut gone = g.scene.clone();
    gone.add(gone.pen(eve(), admitted).leave());
    gone.add(gone.pen(alice(), FIRST).on(&g.heads).rule(dave(), Role::None));
    assert_eq!(found(&gone), []);
    g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(eve(), Role::None));
    g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(dave(), Role::None));
    assert!(!found(&g.scene).iter().any(|f| matches!(f, Finding::LapsedAdmission { .. })));
}

#[test]
fn a_removal_that_lapsed_is_found_until_somebody_rules_again() {
    // 11.7
    let mut g = garden();
    let eves = g.scene.add(g.scene.pen(alice(), FIRST).take_in(eve(), Role::Member));
    let removal = g.scene.add(g.scene.pen(bob(), g.bob).rule(eve(), Role::None));
    assert_eq!(found(&g.scene), []);
    g.scene.add(g.scene.pen(alice(), FIRST).on(&[eves]).rule(bob(), Role::None));
    let (by, person) = (bob().person(), eve().person());
    let lapsed = Finding::LapsedRemoval { ruling: removal, by, person, role: Role::None, role_now: Role::Member };
    assert_eq!(found(&g.scene), std::slice::from_ref(&lapsed));
    assert_eq!(g.scene.state().entitled(&g.scene.log, person, Role::None), [alice().person()]);
    // To confirm somebody, as nodes do by themselves, is no answer to it.
    g.scene.add(g.scene.pen(alice(), FIRST).vouch(&[person]));
    assert_eq!(found(&g.scene), [lapsed]);
    for role in [Role::None, Role::Member] {
        let mut scene = g.scene.clone();
        scene.add(scene.pen(alice(), FIRST).rule(eve(), role));
        assert_eq!((found(&scene), scene.role(eve())), (Vec::new(), role));
    }
}

#[test]
fn a_removal_by_one_whose_steward_lapsed_is_found_too() {
    // Bob makes carol a steward, who removes dave; alice, apart, removes bob.
    let mut g = garden();
    let carols = g.scene.grant(g.scene.pen(bob(), g.bob).rule(carol(), Role::Steward));
    let removal = g.scene.add(g.scene.pen(carol(), carols).rule(dave(), Role::None));
    g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(bob(), Role::None));
    assert_eq!([carol(), dave()].map(|actor| g.scene.role(actor)), [Role::Core, Role::Member]);
    assert!(matches!(&found(&g.scene)[..], [Finding::LapsedRemoval { ruling, .. }] if *ruling == removal));
}

#[test]
fn what_was_taken_back_on_purpose_or_signed_knowing_better_has_not_lapsed() {
    let mut g = garden();
    let mut known = g.scene.clone();
    g.scene.add(g.scene.pen(bob(), g.bob).rule(dave(), Role::None));
    // Alice has seen it, and draws the cut before it.
    g.scene.add(g.scene.pen(alice(), FIRST).rule_cut(bob(), Role::None, &g.heads));
    assert_eq!((g.scene.role(dave()), found(&g.scene)), (Role::Member, Vec::new()));
    // Bob knows that he was removed.
    known.add(known.pen(alice(), FIRST).rule(bob(), Role::None));
    known.add(known.pen(bob(), g.bob).rule(dave(), Role::None));
    assert_eq!((known.role(dave()), found(&known)), (Role::Member, Vec::new()));
}

#[test]
fn an_invite_that_let_in_more_than_it_may_is_found_until_few_enough_are_left_or_all_are_confirmed() {
    // 11.3
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
    g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).admit(&invite, eve()));
    assert_eq!(found(&g.scene), []);
    g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).admit(&invite, ferry()));
    let cert = CertId::from(invite.cert.id());
    assert_eq!(found(&g.scene), [Finding::OverUsedInvite { cert, max_uses: 1, used: 2 }]);
    let mut out = g.scene.clone();
    out.add(out.pen(bob(), g.bob).rule(ferry(), Role::None));
    assert_eq!(found(&out), []);
    g.scene.add(g.scene.pen(bob(), g.bob).vouch(&[ferry().person(), eve().person()]));
    assert_eq!(found(&g.scene), []);
}

#[test]
fn a_siblings_ruling_on_a_steward_is_a_motion_to_those_above_until_they_rule() {
    // 11.1 (a)
    let mut g = garden();
    let raised = g.scene.add(g.scene.pen(alice(), FIRST).rule(carol(), Role::Steward));
    let motion = g.scene.add(g.scene.pen(bob(), g.bob).rule(carol(), Role::Core));
    let (by, person) = (bob().person(), carol().person());
    let entitled = vec![alice().person()];
    let asked = Finding::Motion { ruling: motion, by, person, role: Role::Core, entitled };
    assert_eq!(found(&g.scene), std::slice::from_ref(&asked));
    // To confirm somebody, as nodes do by themselves, is no answer; to ask again is one motion.
    g.scene.add(g.scene.pen(alice(), FIRST).vouch(&[person]));
    assert_eq!(found(&g.scene), std::slice::from_ref(&asked));
    let motion = g.scene.add(g.scene.pen(bob(), g.bob).rule(carol(), Role::Core));
    let Finding::Motion { entitled, .. } = asked else { panic!("a motion") };
    let asked = Finding::Motion { ruling: motion, by, person, role: Role::Core, entitled };
    assert_eq!(found(&g.scene), std::slice::from_ref(&asked));
    assert_eq!(g.scene.state().grant_over(&g.scene.log, alice().person(), person, Role::Core), Some(FIRST));
    assert_eq!(g.scene.state().grant_over(&g.scene.log, by, person, Role::Core), None);
    for role in [Role::Core, Role::Steward, Role::None] {
        let mut scene = g.scene.clone();
        scene.add(scene.pen(alice(), FIRST).rule(carol(), role));
        assert_eq!((found(&scene), scene.role(carol())), (Vec::new(), role));
    }
    // A ruling by alice that has not seen it does not answer it, unless it does the same.
    let mut scene = g.scene.clone();
    scene.add(scene.pen(alice(), FIRST).on(&[raised]).rule(carol(), Role::Steward));
    assert!(found(&scene).contains(&asked));
    scene.add(scene.pen(alice(), FIRST).on(&[raised]).rule(carol(), Role::Member));
    assert!(found(&scene).iter().all(|f| !matches!(f, Finding::Motion { .. })));
}

#[test]
fn a_ruling_on_a_founder_is_a_motion_to_the_other_founders_together() {
    let mut scene = Scene::founded_by(&[alice(), bob(), carol()]);
    scene.add(scene.pen(alice(), FIRST).rule(bob(), Role::None));
    let [Finding::Motion { entitled, .. }] = &found(&scene)[..] else { panic!("one motion") };
    let mut others = vec![alice().person(), carol().person()];
    others.sort_unstable();
    assert_eq!(*entitled, others);
    let removal = Body::Rule(rule_on(&[bob().person()], Role::None));
    scene.add(root(&scene.log, &[alice(), carol()], &scene.log.heads(), removal));
    assert_eq!(found(&scene), []);
}

#[test]
fn a_ruling_that_meant_to_raise_somebody_is_no_motion() {
    // Bob makes dave a core member; alice, apart, a steward.
    let mut g = garden();
    g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(dave(), Role::Steward));
    g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).rule(dave(), Role::Core));
    assert_eq!((g.scene.role(dave()), found(&g.scene)), (Role::Steward, Vec::new()));
    // To remove somebody who became a steward meanwhile is one.
    let removal = g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).rule(dave(), Role::None));
    let motions = found(&g.scene);
    assert!(motions.iter().any(|f| matches!(f, Finding::Motion { ruling, .. } if *ruling == removal)), "{motions:?}");
}

#[test]
fn a_device_that_signs_twice_apart_is_found_until_it_is_revoked() {
    let mut g = garden();
    let (one, two) = (
        g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).merge()),
        g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).epoch(crate::epoch::Scope::All, 1)),
    );
    g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).epoch(crate::epoch::Scope::All, 2));
    let shown = found(&g.scene);
    let [Finding::SelfConcurrent { person, device, first, second }] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((*person, *device), (dave().person(), dave().device.public()));
    assert!(first < second && [one, two].iter().any(|id| [first, second].contains(&id)));
    let mut out = g.scene.clone();
    out.add(out.pen(alice(), FIRST).rule(dave(), Role::None));
    assert_eq!(found(&out), []);
    let lost = List::new(vec![dave().device.public()]).unwrap();
    g.scene.add(g.scene.pen(dave(), g.dave).keys(0, |keys| keys.revoked = lost));
    assert_eq!(found(&g.scene), []);
}

#[test]
fn keys_and_acts_of_the_root_beside_others_show_no_copied_device() {
    let mut scene = Scene::founded_by(&[alice(), bob(), carol()]);
    let genesis = [scene.genesis()];
    scene.add(scene.pen(alice(), FIRST).on(&genesis).take_in(dave(), Role::Member));
    let act = Body::Rule(rule_on(&[carol().person()], Role::Member));
    scene.add(root(&scene.log, &[alice(), bob()], &genesis, act));
    for index in [0, 1] {
        let reveal = List::new(vec![alice().reveal(index)]).unwrap();
        scene.add(scene.pen(alice(), FIRST).on(&genesis).keys(index, |keys| keys.reveals = reveal));
    }
    assert_eq!(found(&scene), []);
}

#[test]
fn a_leave_is_found_until_it_is_sealed() {
    // B12
    let mut g = garden();
    let leave = g.scene.add(g.scene.pen(dave(), g.dave).leave());
    let person = dave().person();
    assert_eq!(found(&g.scene), [Finding::UnsealedLeave { person, leave }]);
    assert!(g.scene.state().is_unsealed(person));
    // A ruling that left more is none.
    let mut lowered = g.scene.clone();
    lowered.add(lowered.pen(bob(), g.bob).on(&g.heads).rule(dave(), Role::Peripheral));
    assert_eq!(found(&lowered), [Finding::UnsealedLeave { person, leave }]);
    // A removal beside it closes the same.
    for parents in [g.scene.log.heads(), g.heads.clone()] {
        let mut scene = g.scene.clone();
        scene.add(scene.pen(bob(), g.bob).on(&parents).rule(dave(), Role::None));
        assert_eq!(found(&scene), []);
        assert!(!scene.state().is_unsealed(person));
    }
}

#[test]
fn a_steward_who_left_and_came_back_as_a_member_is_sealed_as_one() {
    let mut g = garden();
    let left = g.scene.add(g.scene.pen(bob(), g.bob).leave());
    g.scene.add(g.scene.pen(alice(), FIRST).rule(bob(), Role::Member));
    // That bob was ruled in again as less says already what stands of the time before.
    assert_eq!((g.scene.role(bob()), found(&g.scene)), (Role::Member, Vec::new()));
    // By an invite, it does not.
    let mut g = garden();
    let leave = g.scene.add(g.scene.pen(bob(), g.bob).leave());
    assert_eq!(leave, left);
    let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, bob()));
    assert_eq!(g.scene.role(bob()), Role::Member);
    assert_eq!(found(&g.scene), [Finding::UnsealedLeave { person: bob().person(), leave }]);
    g.scene.add(g.scene.pen(alice(), FIRST).rule(bob(), Role::Member));
    assert_eq!((g.scene.role(bob()), found(&g.scene)), (Role::Member, Vec::new()));
}

/// Somebody in a history, at a device that speaks for them now.
fn at_hand(history: &History, state: &State, person: PersonId) -> Option<std::sync::Arc<Actor>> {
    let who: Who = history.people().into_iter().find(|who| actor(*who).person() == person)?;
    let devices = (0..4).map(|device| actor_at(who, device));
    devices.into_iter().find(|actor| state.device(person, actor.device.public()).is_some())
}

/// What comes of it when each who may rules on `person`; nothing if nobody can sign it.
fn ruled(history: &History, state: &State, dice: &mut Dice, person: PersonId, role: Role) -> Vec<(Log, State)> {
    let log = &history.log;
    let mut after = Vec::new();
    for by in state.entitled(log, person, role) {
        let mut log = log.clone();
        let added = match (state.grant_over(&log, by, person, role), at_hand(history, state, by)) {
            (Some(grant), Some(actor)) => {
                let ruling = Body::Rule(rule_on(&[person], role));
                let operation = Pen::new(&log, &actor, grant).on(&log.heads()).sign(ruling);
                assert_eq!(log.add(operation, NOW), Ok(true), "whoever is entitled can sign it");
                true
            }
            (Some(_), None) => false,
            (None, _) => {
                let subjects = vec![history.people().into_iter().find(|who| actor(*who).person() == person).unwrap()];
                let act = Act::Rule { subjects, role, vouch: false, cut: None, joins: false };
                let mut history = history.clone();
                let step = history.root(dice, history.heads(), act);
                history.add(step).map(|_| log = history.log).is_some()
            }
        };
        if added {
            let state = evaluate(&log);
            after.push((log, state));
        }
    }
    after
}

#[test]
fn whatever_is_found_is_found_by_all_and_whoever_is_entitled_settles_it() {
    let mut kinds = [0; 6];
    play("findings", |dice| {
        let history = History::random(dice);
        let (log, state) = (&history.log, history.state());
        let all = findings(log, &state);
        let other = elsewhere(log, dice);
        assert_eq!(findings(&other, &evaluate(&other)), all, "P1");
        // Nobody cites more.
        if log.heads().len() > 16 {
            return 0;
        }
        let mut settled = 0;
        for finding in &all {
            kinds[match finding {
                Finding::LapsedAdmission { .. } => 0,
                Finding::LapsedRemoval { .. } => 1,
                Finding::OverUsedInvite { .. } => 2,
                Finding::Motion { .. } => 3,
                Finding::SelfConcurrent { .. } => 4,
                Finding::UnsealedLeave { .. } => 5,
            }] += 1;
            let (person, role) = match finding {
                Finding::LapsedRemoval { person, role, role_now, .. } => {
                    assert!(*role_now > *role && *role_now == state.role(*person));
                    (*person, *role)
                }
                Finding::Motion { person, role, entitled, .. } => {
                    assert_eq!(*entitled, state.entitled(log, *person, *role));
                    (*person, *role)
                }
                Finding::UnsealedLeave { person, .. } => (*person, state.role(*person)),
                Finding::LapsedAdmission { person, .. } => (*person, Role::None),
                Finding::OverUsedInvite { .. } | Finding::SelfConcurrent { .. } => continue,
            };
            for (log, after) in ruled(&history, &state, dice, person, role) {
                let lowered = after.role(person);
                assert!(lowered <= role, "{finding:?}");
                assert!(!findings(&log, &after).contains(finding), "{finding:?}");
                settled += 1;
            }
        }
        settled
    });
    eprintln!("admissions, removals, invites, motions, devices, leaves: {kinds:?}");
}
