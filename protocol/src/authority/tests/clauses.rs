//! Clause by clause: B10 to B14, and when an epoch is adequate (E3).

use super::said;
use crate::{
    authority::{Body, Grant, Log, Operation, Role, evaluate},
    bytes::List,
    epoch::Scope,
    id::{CertId, OpId},
    signed::Verified,
    testing::{Actor, Dice, FIRST, NOW, Scene, alice, bob, carol, dave, eve, ferry, found, rule_on},
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

#[test]
fn an_admission_needs_an_admitter_who_is_a_member() {
    // B10 (1): a role that still suffices lets it stand, a lower one does not.
    for (left, role) in [
        (Role::Core, Role::Member),
        (Role::Member, Role::Member),
        (Role::Peripheral, Role::None),
        (Role::None, Role::None),
    ] {
        let mut g = garden();
        let invite = carol().invite(g.scene.log.id(), g.carol, 1, 1);
        g.scene.add(g.scene.pen(bob(), g.bob).admit(&invite, eve()));
        let ruling = g.scene.pen(alice(), FIRST).on(&g.heads).rule(bob(), left);
        g.scene.add(ruling);
        assert_eq!(g.scene.role(eve()), role, "{left:?}");
    }
}

#[test]
fn open_invites_end_with_the_role_of_their_inviter_and_with_their_device() {
    // B10 (2)
    for (left, role) in [(Role::Core, Role::Member), (Role::Member, Role::None)] {
        let mut g = garden();
        let invite = bob().invite(g.scene.log.id(), g.bob, 1, 1);
        g.scene.add(g.scene.pen(alice(), FIRST).rule(bob(), left));
        g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
        assert_eq!(g.scene.role(eve()), role, "{left:?}");
    }
    // What was signed with a lost device admits nobody after the cut, whoever uses it.
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 5, 1);
    let before = g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
    let lost = g
        .scene
        .pen(carol(), g.carol)
        .on(&[before])
        .keys(0, |keys| keys.revoked = List::new(vec![carol().device.public()]).unwrap());
    g.scene.add(lost);
    g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).admit(&invite, &Actor::numbered(1)));
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, ferry()));
    let roles = [carol(), eve(), ferry(), &Actor::numbered(1)].map(|actor| g.scene.role(actor));
    assert_eq!(roles, [Role::Core, Role::Member, Role::None, Role::None]);
}

#[test]
fn an_invite_is_ended_by_its_inviter_or_a_steward() {
    // B10 (3), B11
    let ended_by = |by: &Actor, grant: fn(&Garden) -> Grant, demoted: Option<Role>| {
        let mut g = garden();
        let invite = alice().invite(g.scene.log.id(), FIRST, 3, 1);
        let seen = g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
        if let Some(role) = demoted {
            g.scene.add(g.scene.pen(alice(), FIRST).rule(by, role));
        }
        g.scene.add(g.scene.pen(by, grant(&g)).end_invite(&invite));
        g.scene.add(g.scene.pen(carol(), g.carol).on(&[seen]).admit(&invite, ferry()));
        assert_eq!(g.scene.role(eve()), Role::Member, "admitted before the end");
        let state = g.scene.state();
        let ended = state.invites[&CertId::from(invite.cert.id())].ended;
        assert_eq!(ended, state.role(ferry().person()) == Role::None);
        ended
    };
    assert!(ended_by(alice(), |_| FIRST, None));
    assert!(ended_by(bob(), |g| g.bob, None));
    assert!(!ended_by(carol(), |g| g.carol, None), "somebody else's");
    assert!(!ended_by(bob(), |g| g.bob, Some(Role::Core)), "no steward any more");
    // The inviter ends their own, under whatever grant of core they hold now.
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 3, 1);
    let newer = g.scene.grant(g.scene.pen(alice(), FIRST).rule(carol(), Role::Core));
    g.scene.add(g.scene.pen(carol(), newer).end_invite(&invite));
    assert!(g.scene.state().invites[&CertId::from(invite.cert.id())].ended, "nobody has seen it, it may be carol's");
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
    assert_eq!(g.scene.role(eve()), Role::None);
}

#[test]
fn whoever_is_a_steward_no_more_keeps_no_say_in_the_invites_of_others_that_they_ended() {
    // B11, P3: with the grant lowered to core, bob may end bob's own invites still, and take that
    // back by revoking the device; what he ended as a steward, he ended as a steward.
    let mut g = garden();
    let (alices, bobs) = (alice().invite(g.scene.log.id(), FIRST, 3, 1), bob().invite(g.scene.log.id(), g.bob, 3, 2));
    for invite in [&alices, &bobs] {
        g.scene.add(g.scene.pen(bob(), g.bob).end_invite(invite));
    }
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&alices, eve()));
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&bobs, ferry()));
    g.scene.add(g.scene.pen(alice(), FIRST).rule(bob(), Role::Core));
    let roles = |scene: &Scene| [eve(), ferry()].map(|actor| scene.role(actor));
    assert_eq!(roles(&g.scene), [Role::None, Role::None]);
    let genesis = g.scene.genesis();
    g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).keys(0, |keys| {
        keys.revoked = List::new(vec![bob().device.public()]).unwrap();
        keys.cut = Some(List::new(vec![genesis]).unwrap());
    }));
    // Bob's own invite is signed by that device too.
    assert_eq!(roles(&g.scene), [Role::None, Role::None]);
    assert_eq!(
        [alices, bobs].map(|invite| g.scene.state().invites[&CertId::from(invite.cert.id())].ended),
        [true, false]
    );
}

#[test]
fn uses_are_counted_in_the_past_by_person_and_void_ones_too() {
    // B10 (4)
    let mut g = garden();
    let invite = alice().invite(g.scene.log.id(), FIRST, 2, 1);
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
    g.scene.add(g.scene.pen(carol(), g.carol).admit(&invite, eve()));
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, ferry()));
    assert_eq!(g.scene.role(ferry()), Role::Member, "eve counts once");
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, &Actor::numbered(1)));
    assert_eq!(g.scene.role(&Actor::numbered(1)), Role::None);
    g.scene.add(g.scene.pen(carol(), g.carol).admit(&invite, eve()));
    assert_eq!(g.scene.role(eve()), Role::Member);
}

#[test]
fn those_who_admit_each_other_and_admit_twice_do_not_make_the_rules_wait_for_themselves() {
    // B10 (5), P2: with (5) asked of what (5) compares with, `first` would be effective if and
    // only if it is.
    let mut g = garden();
    let id = g.scene.log.id();
    let (one, other) = (alice().invite(id, FIRST, 5, 1), alice().invite(id, FIRST, 5, 2));
    let first = g.scene.add(g.scene.pen(carol(), g.carol).on(&g.heads).admit(&one, dave()));
    let second = g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).admit(&other, carol()));
    let third = g.scene.add(g.scene.pen(carol(), Grant::Op(second)).on(&[second]).admit(&one, eve()));
    let fourth = g.scene.add(g.scene.pen(dave(), Grant::Op(first)).on(&[first]).admit(&other, ferry()));
    let expected = said(&g.scene.log, &g.scene.state());
    for admit in [first, second, third, fourth] {
        assert!(!g.scene.effective(admit));
    }
    let mut dice = Dice::new(1);
    for _ in 0..10 {
        let mut operations: Vec<_> = g.scene.log.operations().cloned().collect();
        dice.shuffle(&mut operations);
        let operations = operations.into_iter().map(|place| Verified { value: place.operation, signed: place.signed });
        let mut log = Log::new(g.scene.log.community().clone());
        super::histories::arrive(&mut log, operations.collect());
        assert_eq!(said(&log, &evaluate(&log)), expected);
    }
}

#[test]
fn an_invite_never_lifts_a_removal_and_a_later_ruling_does() {
    // B5
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 5, 1);
    g.scene.add(g.scene.pen(alice(), FIRST).rule(dave(), Role::None));
    let again = g.scene.add(g.scene.pen(carol(), g.carol).admit(&invite, dave()));
    assert!(g.scene.effective(again));
    assert_eq!(g.scene.role(dave()), Role::None);
    g.scene.add(g.scene.pen(alice(), FIRST).rule(dave(), Role::Member));
    assert_eq!(g.scene.role(dave()), Role::Member);
}

#[test]
fn of_two_rulings_apart_the_lower_holds_until_a_later_one() {
    // B9
    let mut g = garden();
    let core = g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(dave(), Role::Core));
    let low = g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).rule(dave(), Role::Peripheral));
    assert_eq!(g.scene.role(dave()), Role::Peripheral);
    g.scene.add(g.scene.pen(bob(), g.bob).on(&[core, low]).rule(dave(), Role::Core));
    assert_eq!(g.scene.role(dave()), Role::Core);
}

#[test]
fn leaving_ends_a_role_and_voids_nothing_before_it() {
    // B7, B12
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 5, 1);
    g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
    let left = g.scene.add(g.scene.pen(dave(), g.dave).leave());
    let after = g.scene.add(g.scene.pen(dave(), g.dave).on(&[left]).admit(&invite, ferry()));
    let beside = g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).epoch(Scope::All, 1));
    assert_eq!([dave(), eve(), ferry()].map(|actor| g.scene.role(actor)), [Role::None, Role::Member, Role::None]);
    assert!(!g.scene.effective(after));
    assert!(g.scene.effective(beside), "the window that the seal closes");
    // Coming back takes a new grant; the old one stays ended.
    let back = g.scene.grant(g.scene.pen(alice(), FIRST).rule(dave(), Role::Member));
    assert_eq!(g.scene.role(dave()), Role::Member);
    assert_eq!(g.scene.state().grant(dave().person(), Role::Member), Some(back));
}

#[test]
fn a_seal_changes_no_role_and_closes_the_time_before_the_leave() {
    // B12, P12
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 5, 1);
    let before = g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
    g.scene.add(g.scene.pen(dave(), g.dave).leave());
    let roles = |scene: &Scene| [alice(), bob(), carol(), dave(), eve()].map(|actor| scene.role(actor));
    let unsealed = roles(&g.scene);
    g.scene.add(g.scene.pen(bob(), g.bob).rule(dave(), Role::None));
    assert_eq!(roles(&g.scene), unsealed);
    let late = g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).admit(&invite, ferry()));
    assert!(!g.scene.effective(late));
    assert!(g.scene.effective(before));
    assert_eq!(roles(&g.scene), unsealed);
}

#[test]
fn a_policy_is_the_least_of_what_nothing_later_has_replaced() {
    // B13
    let founded =
        found("garden", &[alice()], |genesis| genesis.policy = List::new(vec![(1, 3), (2, 1)]).unwrap()).unwrap();
    let mut scene = Scene { log: Log::new(founded) };
    let value = |scene: &Scene| scene.state().policy.get(&1).copied();
    assert_eq!(value(&scene), Some(3));
    let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Steward));
    let heads = scene.log.heads();
    let high = scene.add(scene.pen(alice(), FIRST).on(&heads).policy(1, 9));
    assert_eq!(value(&scene), Some(9), "a later one decides, even upwards");
    let low = scene.add(scene.pen(bob(), bobs).on(&heads).policy(1, 5));
    assert_eq!(value(&scene), Some(5));
    scene.add(scene.pen(alice(), FIRST).on(&[high]).policy(1, 8));
    assert_eq!(value(&scene), Some(5));
    scene.add(scene.pen(alice(), FIRST).on(&[high, low]).policy(1, 7));
    assert_eq!(value(&scene), Some(7), "nothing is left of the first three; eight lies beside seven");
    assert_eq!(scene.state().policy.get(&2), Some(&1));
    // What has no effect decides nothing, and replaces nothing.
    scene.add(scene.pen(alice(), FIRST).on(&heads).rule(bob(), Role::Core));
    scene.add(scene.pen(bob(), bobs).policy(1, 0));
    assert_eq!(value(&scene), Some(7));
}

#[test]
fn a_confirmation_holds_without_admitter_and_inviter_and_lowers_nobody() {
    // B14
    let mut g = garden();
    let invite = carol().invite(g.scene.log.id(), g.carol, 5, 1);
    let admitted = g.scene.add(g.scene.pen(dave(), g.dave).admit(&invite, eve()));
    assert!(!g.scene.state().members[&eve().person()].confirmed);
    // A vouch beside a promotion: as a plain ruling it would win as the lower value.
    let promoted = g.scene.add(g.scene.pen(alice(), FIRST).on(&[admitted]).rule(eve(), Role::Core));
    let vouched = g.scene.add(g.scene.pen(bob(), g.bob).on(&[admitted]).vouch(&[eve().person(), carol().person()]));
    assert_eq!([eve(), carol()].map(|actor| g.scene.role(actor)), [Role::Core, Role::Core]);
    assert!(g.scene.state().members[&eve().person()].confirmed);
    // Admitter and inviter go, from before the admission; then the promoter's word is lowered.
    g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(dave(), Role::None));
    g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(carol(), Role::None));
    assert!(!g.scene.effective(admitted));
    assert_eq!(g.scene.role(eve()), Role::Core);
    // It is lifted by a later removal, as any grant.
    g.scene.add(g.scene.pen(bob(), g.bob).on(&[promoted, vouched]).rule(eve(), Role::None));
    assert_eq!(g.scene.role(eve()), Role::None);
}

/// What somebody signs next.
type Change = fn(&Garden) -> Verified<Operation>;

/// Whether each epoch so far is adequate, in the order of their lamport numbers and ids.
fn adequate(scene: &Scene, epochs: &[OpId]) -> Vec<bool> {
    let state = scene.state();
    epochs
        .iter()
        .map(|id| state.epochs.iter().find(|epoch| epoch.id == *id).is_some_and(|epoch| epoch.adequate))
        .collect()
}

#[test]
fn an_epoch_is_adequate_when_it_knows_of_all_who_may_no_longer_read() {
    // E3: removals, demotions, leaves and lost devices, each for the scopes that it concerns.
    let cases: [(&str, Change, [bool; 2]); 9] = [
        ("a removal", |g| g.scene.pen(alice(), FIRST).rule(dave(), Role::None), [false, false]),
        ("a demotion", |g| g.scene.pen(alice(), FIRST).rule(carol(), Role::Peripheral), [true, false]),
        (
            "a demotion among those who read all",
            |g| g.scene.pen(alice(), FIRST).rule(carol(), Role::Member),
            [true, true],
        ),
        ("a leave", |g| g.scene.pen(dave(), g.dave).leave(), [false, false]),
        ("a newcomer", |g| g.scene.pen(alice(), FIRST).take_in(eve(), Role::Peripheral), [true, true]),
        ("a ruling that bears on nothing", |g| g.scene.pen(bob(), g.bob).rule(alice(), Role::None), [true, true]),
        (
            "a lost device",
            |g| {
                let lost = List::new(vec![dave().device.public()]).unwrap();
                g.scene.pen(dave(), g.dave).keys(0, |keys| keys.revoked = lost)
            },
            [false, false],
        ),
        (
            "a device that was never there",
            |g| {
                let lost = List::new(vec![dave().at_device(9).device.public()]).unwrap();
                g.scene.pen(dave(), g.dave).keys(0, |keys| keys.revoked = lost)
            },
            [true, true],
        ),
        (
            "a rung that drops the rung below",
            |g| {
                g.scene.pen(dave(), g.dave).keys(1, |keys| {
                    keys.reveals = List::new(vec![dave().reveal(1)]).unwrap();
                    keys.cut = Some(List::new(vec![g.scene.genesis()]).unwrap());
                })
            },
            [false, false],
        ),
    ];
    for (what, change, expected) in cases {
        let mut g = garden();
        let epochs = [
            g.scene.add(g.scene.pen(bob(), g.bob).epoch(Scope::All, 1)),
            g.scene.add(g.scene.pen(bob(), g.bob).epoch(Scope::Inner, 2)),
        ];
        assert_eq!(adequate(&g.scene, &epochs), [true, true], "{what}");
        g.scene.add(change(&g));
        assert_eq!(adequate(&g.scene, &epochs), expected, "{what}");
        let later = [
            g.scene.add(g.scene.pen(bob(), g.bob).epoch(Scope::All, 3)),
            g.scene.add(g.scene.pen(bob(), g.bob).epoch(Scope::Inner, 4)),
        ];
        assert_eq!(adequate(&g.scene, &later), [true, true], "{what}");
    }
}

#[test]
fn two_epochs_over_two_removals_apart_are_both_inadequate() {
    // 11.6
    let mut g = garden();
    let one = g.scene.add(g.scene.pen(alice(), FIRST).on(&g.heads).rule(dave(), Role::None));
    let other = g.scene.add(g.scene.pen(bob(), g.bob).on(&g.heads).rule(carol(), Role::None));
    let first = g.scene.add(g.scene.pen(alice(), FIRST).on(&[one]).epoch(Scope::All, 1));
    let second = g.scene.add(g.scene.pen(bob(), g.bob).on(&[other]).epoch(Scope::All, 2));
    assert_eq!(adequate(&g.scene, &[first, second]), [false, false]);
    let third = g.scene.add(g.scene.pen(bob(), g.bob).on(&[first, second]).epoch(Scope::All, 3));
    assert_eq!(adequate(&g.scene, &[first, second, third]), [false, false, true]);
}

#[test]
fn one_who_was_removed_makes_no_epoch_stale_by_leaving_as_well() {
    let mut g = garden();
    let removed = g.scene.add(g.scene.pen(alice(), FIRST).rule(dave(), Role::None));
    let epoch = g.scene.add(g.scene.pen(bob(), g.bob).on(&[removed]).epoch(Scope::All, 1));
    g.scene.add(g.scene.pen(dave(), g.dave).on(&g.heads).leave());
    let lost = g
        .scene
        .pen(dave(), g.dave)
        .on(&g.heads)
        .keys(0, |keys| keys.revoked = List::new(vec![dave().device.public()]).unwrap());
    g.scene.add(lost);
    assert_eq!(adequate(&g.scene, &[epoch]), [true]);
}

#[test]
fn links_are_ended_by_stewards_and_by_the_broker_whom_they_name() {
    let mut g = garden();
    let other = crate::testing::community("library", &[eve()]).id;
    let terms = crate::testing::link_terms(crate::link::Direction::In { quarantine: false }, other, dave());
    let link = g.scene.add(g.scene.pen(bob(), g.bob).link(terms));
    let ends = |scene: &Scene| scene.state().links.iter().find(|l| l.id == link).map_or(0, |l| l.ends.len());
    assert!(g.scene.state().link_at(&g.scene.log, link, &g.heads).is_none());
    assert!(g.scene.state().link_at(&g.scene.log, link, &[link]).is_some());
    for (by, grant, demoted, counts) in [
        (carol(), g.carol, None, 0),
        (bob(), g.bob, None, 1),
        (dave(), g.dave, None, 1),
        (bob(), g.bob, Some(Role::Core), 0),
    ] {
        let mut scene = g.scene.clone();
        if let Some(role) = demoted {
            scene.add(scene.pen(alice(), FIRST).rule(by, role));
        }
        // On parents that have not seen the link, too: what counts is the set.
        scene.add(scene.pen(by, grant).end_link(link));
        assert_eq!(ends(&scene), counts, "{} {demoted:?}", by.name);
    }
}

#[test]
fn a_log_of_one_genesis_says_who_founded_it() {
    let scene = Scene::founded_by(&[alice(), bob()]);
    let state = scene.state();
    assert_eq!(state.members.len(), 2);
    let member = &state.members[&alice().person()];
    assert_eq!((member.role, member.name.as_str(), member.confirmed), (Role::Steward, "alice", true));
    assert_eq!(member.record, alice().record());
    assert_eq!(state.grant(bob().person(), Role::Core), Some(Grant::Founder(1)));
    assert!(state.is_effective(&scene.log, scene.genesis()));
    assert!(scene.log.is_empty() && scene.log.contains(scene.genesis()) && scene.log.get(scene.genesis()).is_none());
    let member = rule_on(&[alice().person()], Role::Member);
    assert_eq!(scene.log.clone().add(scene.pen(bob(), Grant::Founder(1)).sign(Body::Rule(member)), NOW), Ok(true));
}
