//! The worked examples of the rules: what happens when people act apart, or against each other.

use std::collections::BTreeMap;

use crate::{
    authority::{Body, Cause, FeedEnd, Finding, Grant, Keys, Role, Rule, State, Writing, findings},
    bytes::List,
    epoch::Scope,
    id::{ItemId, OpId, PersonId},
    person::Caps,
    testing::{Actor, FIRST, Scene, alice, bob, carol, dave, eve, ferry, root, rule_on},
};

/// The operation of a grant, as a parent.
fn op(grant: Grant) -> OpId {
    match grant {
        Grant::Op(id) => id,
        Grant::Root | Grant::Founder(_) => panic!("a grant by an operation"),
    }
}

fn roles(state: &State) -> BTreeMap<PersonId, Role> {
    state.members.iter().map(|(person, member)| (*person, member.role)).filter(|(_, role)| *role > Role::None).collect()
}

#[test]
fn two_siblings_who_remove_each_other_both_stay() {
    // 11.1 (a), whether they act apart or one after the other.
    for apart in [true, false] {
        let mut scene = Scene::founded_by(&[alice()]);
        let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Steward));
        let carols = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Steward));
        let one = scene.add(scene.pen(bob(), bobs).rule(carol(), Role::None));
        let parents = if apart { vec![op(carols)] } else { vec![one] };
        scene.add(scene.pen(carol(), carols).on(&parents).rule(bob(), Role::None));
        assert_eq!((scene.role(bob()), scene.role(carol())), (Role::Steward, Role::Steward));
        // Two motions to alice, who decides one.
        let asked = |scene: &Scene| {
            let motion = |finding| match finding {
                Finding::Motion { person, entitled, .. } => (person, entitled),
                other => panic!("{other:?}"),
            };
            findings(&scene.log, &scene.state()).into_iter().map(motion).collect::<BTreeMap<_, _>>()
        };
        let of = |actor: &Actor| (actor.person(), vec![alice().person()]);
        assert_eq!(asked(&scene), BTreeMap::from([of(bob()), of(carol())]));
        scene.add(scene.pen(alice(), FIRST).rule(carol(), Role::None));
        assert_eq!((scene.role(bob()), scene.role(carol())), (Role::Steward, Role::None));
        assert_eq!(asked(&scene), BTreeMap::from([of(bob())]));
    }
}

#[test]
fn those_who_share_one_ruling_are_siblings_in_what_they_grant_too() {
    // 11.1 (a), B4: a grant is an operation and a person.
    let mut scene = Scene::founded_by(&[alice()]);
    for actor in [bob(), carol(), dave()] {
        scene.add(scene.pen(alice(), FIRST).take_in(actor, Role::Peripheral));
    }
    let both = rule_on(&[bob().person(), carol().person()], Role::Steward);
    let shared = scene.grant(scene.pen(alice(), FIRST).sign(Body::Rule(both)));
    scene.add(scene.pen(bob(), shared).rule(dave(), Role::Steward));
    scene.add(scene.pen(carol(), shared).rule(dave(), Role::None));
    scene.add(scene.pen(carol(), shared).rule(bob(), Role::None));
    assert_eq!((scene.role(bob()), scene.role(dave())), (Role::Steward, Role::Steward));
    scene.add(scene.pen(bob(), shared).rule(dave(), Role::Core));
    assert_eq!(scene.role(dave()), Role::Core);
}

#[test]
fn of_a_steward_and_the_one_who_made_them_one_the_elder_removes_the_younger() {
    // 11.1 (b)
    let mut scene = Scene::founded_by(&[alice()]);
    let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Steward));
    let carols = scene.grant(scene.pen(bob(), bobs).take_in(carol(), Role::Steward));
    scene.add(scene.pen(bob(), bobs).on(&[op(carols)]).rule(carol(), Role::None));
    scene.add(scene.pen(carol(), carols).on(&[op(carols)]).rule(bob(), Role::None));
    assert_eq!((scene.role(bob()), scene.role(carol())), (Role::Steward, Role::None));
}

#[test]
fn a_founder_whom_the_others_removed_does_nothing_more_on_whatever_parents() {
    // 11.1 (c)
    let mut scene = Scene::founded_by(&[alice(), bob(), carol()]);
    let genesis = [scene.genesis()];
    let daves = scene.add(scene.pen(bob(), Grant::Founder(1)).take_in(dave(), Role::Member));
    let removal = Body::Rule(rule_on(&[carol().person()], Role::None));
    scene.add(root(&scene.log, &[alice(), bob()], &[daves], removal));
    let carols = Grant::Founder(2);
    scene.add(scene.pen(carol(), carols).on(&genesis).take_in(eve(), Role::Steward));
    scene.add(scene.pen(carol(), carols).on(&[daves]).rule(dave(), Role::None));
    scene.add(scene.pen(carol(), carols).on(&genesis).rule(alice(), Role::None));
    let roles = [alice(), bob(), carol(), dave(), eve()].map(|actor| scene.role(actor));
    assert_eq!(roles, [Role::Steward, Role::Steward, Role::None, Role::Member, Role::None]);
}

#[test]
fn one_founder_alone_cannot_remove_another() {
    // 11.1 (c), G3
    let mut scene = Scene::founded_by(&[alice(), bob(), carol()]);
    scene.add(scene.pen(alice(), FIRST).rule(bob(), Role::None));
    assert_eq!(scene.role(bob()), Role::Steward);
}

#[test]
fn what_a_removed_member_invites_on_old_parents_admits_nobody() {
    // 11.2: a friend who is still inside signs the admissions.
    let mut scene = Scene::founded_by(&[alice()]);
    let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Core));
    let friend = scene.grant(scene.pen(alice(), FIRST).take_in(eve(), Role::Member));
    let id = scene.log.id();
    let before = bob().invite(id, bobs, 5, 1);
    scene.add(scene.pen(eve(), friend).admit(&before, carol()));
    let heads = scene.log.heads();
    let device = bob().device.public();
    let last = FeedEnd(device, Scope::All, 7, ItemId::new([7; 32]));
    let removal = Rule { feeds: List::new(vec![last.clone()]).unwrap(), ..rule_on(&[bob().person()], Role::None) };
    let removal = scene.add(scene.pen(alice(), FIRST).sign(Body::Rule(removal)));
    let after = bob().invite(id, bobs, 5, 2);
    for (number, parents) in [vec![op(friend)], heads.clone(), vec![removal]].into_iter().enumerate() {
        for (invite, newcomer) in [(&before, dave()), (&after, ferry())] {
            let late = scene.add(scene.pen(eve(), friend).on(&parents).admit(invite, newcomer));
            assert!(!scene.effective(late), "{number}");
        }
    }
    scene.add(scene.pen(bob(), bobs).on(&heads).admit(&after, &Actor::numbered(1)));
    let roles = [bob(), carol(), dave(), ferry(), &Actor::numbered(1)].map(|actor| scene.role(actor));
    assert_eq!(roles, [Role::None, Role::Member, Role::None, Role::None, Role::None], "what bob did before stands");
    // Of bob's items, those up to the last that alice had seen, wherever the others say they stand.
    for position in [&heads, &vec![removal]] {
        let writing = scene.state().may_write(&scene.log, (bob().person(), device), position, Scope::All, Role::Member);
        assert_eq!(writing, Ok(Writing::OnChains(vec![last.clone()])));
    }
}

#[test]
fn an_invite_for_one_may_admit_two_apart_and_no_third() {
    // 11.3
    let mut scene = Scene::founded_by(&[alice()]);
    let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Member));
    let carols = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Member));
    let invite = alice().invite(scene.log.id(), FIRST, 1, 1);
    let heads = scene.log.heads();
    let one = scene.add(scene.pen(bob(), bobs).on(&heads).admit(&invite, dave()));
    scene.add(scene.pen(carol(), carols).on(&heads).admit(&invite, eve()));
    assert_eq!((scene.role(dave()), scene.role(eve())), (Role::Member, Role::Member));
    let state = scene.state();
    let used = state.invites.values().next().unwrap();
    assert_eq!((used.admitted.len(), used.ended), (2, false));
    let over_used = [Finding::OverUsedInvite { cert: invite.cert.id().into(), max_uses: 1, used: 2 }];
    assert_eq!(findings(&scene.log, &state), over_used);
    scene.add(scene.pen(carol(), carols).admit(&invite, ferry()));
    scene.add(scene.pen(carol(), carols).on(&[one]).admit(&invite, ferry()));
    assert_eq!(scene.role(ferry()), Role::None);
    // Nobody is evicted but by a steward.
    scene.add(scene.pen(alice(), FIRST).rule(eve(), Role::None));
    assert_eq!([dave(), eve(), ferry()].map(|actor| scene.role(actor)), [Role::Member, Role::None, Role::None]);
}

#[test]
fn whoever_admits_two_at_once_with_one_invite_admits_neither() {
    // 11.3, the malicious case; both go to another admitter.
    let mut scene = Scene::founded_by(&[alice()]);
    let eves = scene.grant(scene.pen(alice(), FIRST).take_in(eve(), Role::Member));
    let carols = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Member));
    let invite = alice().invite(scene.log.id(), FIRST, 2, 1);
    let heads = scene.log.heads();
    let one = scene.add(scene.pen(eve(), eves).on(&heads).admit(&invite, dave()));
    assert_eq!(scene.role(dave()), Role::Member);
    scene.add(scene.pen(eve(), eves).on(&heads).admit(&invite, bob()));
    assert_eq!((scene.role(dave()), scene.role(bob())), (Role::None, Role::None));
    // One after the other is no such proof.
    scene.add(scene.pen(eve(), eves).on(&[one]).admit(&invite, ferry()));
    assert_eq!(scene.role(ferry()), Role::None, "it is beside bob's too");
    scene.add(scene.pen(carol(), carols).admit(&invite, dave()));
    assert_eq!(scene.role(dave()), Role::None, "two others were admitted before, well or not");
    let other = alice().invite(scene.log.id(), FIRST, 1, 2);
    scene.add(scene.pen(carol(), carols).admit(&other, dave()));
    assert_eq!(scene.role(dave()), Role::Member);
}

#[test]
fn an_admission_lapses_with_its_admitter_and_another_member_admits_again() {
    // 11.4
    let mut scene = Scene::founded_by(&[alice()]);
    let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Member));
    let carols = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Member));
    let invite = alice().invite(scene.log.id(), FIRST, 1, 1);
    let heads = scene.log.heads();
    let admitted = scene.add(scene.pen(bob(), bobs).on(&heads).admit(&invite, dave()));
    let mut confirmed = scene.clone();
    let mut again = scene.clone();
    scene.add(scene.pen(alice(), FIRST).on(&heads).rule(bob(), Role::None));
    assert_eq!(scene.role(dave()), Role::None);
    assert!(!scene.state().members.contains_key(&dave().person()), "who was never admitted is nobody");
    let (person, name, cause) = (dave().person(), "dave".to_owned(), Cause::AdmitterRemoved);
    let lapsed = [Finding::LapsedAdmission { admit: admitted, person, name, cause }];
    assert_eq!(findings(&scene.log, &scene.state()), lapsed);
    again.add(scene.pen(alice(), FIRST).on(&heads).rule(bob(), Role::None));
    again.add(again.pen(carol(), carols).admit(&invite, dave()));
    assert_eq!(again.role(dave()), Role::Member);
    // Once confirmed, nothing of it matters (B14).
    confirmed.add(confirmed.pen(alice(), FIRST).on(&[admitted]).vouch(&[dave().person()]));
    assert!(confirmed.state().members[&dave().person()].confirmed);
    confirmed.add(confirmed.pen(alice(), FIRST).on(&heads).rule(bob(), Role::None));
    assert_eq!(confirmed.role(dave()), Role::Member);
}

#[test]
fn a_removal_lapses_with_its_steward_and_is_affirmed_again() {
    // 11.7
    let mut scene = Scene::founded_by(&[alice()]);
    let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Steward));
    let troll = scene.grant(scene.pen(alice(), FIRST).take_in(eve(), Role::Member));
    let removal = scene.add(scene.pen(bob(), bobs).rule(eve(), Role::None));
    assert_eq!(scene.role(eve()), Role::None);
    let unseen = scene.add(scene.pen(alice(), FIRST).on(&[op(troll)]).rule(bob(), Role::None));
    assert_eq!(scene.role(eve()), Role::Member);
    let (by, person) = (bob().person(), eve().person());
    let lapsed = [Finding::LapsedRemoval { ruling: removal, by, person, role: Role::None, role_now: Role::Member }];
    assert_eq!(findings(&scene.log, &scene.state()), lapsed);
    scene.add(scene.pen(alice(), FIRST).on(&[removal, unseen]).rule(eve(), Role::None));
    assert_eq!((scene.role(eve()), findings(&scene.log, &scene.state())), (Role::None, Vec::new()));
}

/// Dave, a steward who has ruled before, and a thief with dave's device and the key of rung 0.
struct Stolen {
    scene: Scene,
    daves: Grant,
    tablet: Actor,
    good: Vec<OpId>,
}

fn stolen() -> Stolen {
    let mut scene = Scene::founded_by(&[alice()]);
    let daves = scene.grant(scene.pen(alice(), FIRST).take_in(dave(), Role::Steward));
    scene.add(scene.pen(dave(), daves).take_in(bob(), Role::Core));
    scene.add(scene.pen(alice(), FIRST).take_in(carol(), Role::Member));
    let good = scene.log.heads();
    Stolen { scene, daves, tablet: dave().at_device(1), good }
}

impl Stolen {
    /// What dave's 24 words still can: the next rung, a new device, and the last good heads.
    fn recover(&mut self, parents: &[OpId]) -> OpId {
        let thief = dave().at_device(2);
        let keys = self.scene.pen(dave(), self.daves).on(parents).keys(1, |keys: &mut Keys| {
            keys.reveals = List::new(vec![dave().reveal(1)]).unwrap();
            keys.devices = List::new(vec![self.tablet.certificate(1, Caps::ALL)]).unwrap();
            keys.revoked = List::new(vec![dave().device.public(), thief.device.public()]).unwrap();
            keys.cut = Some(List::new(self.good.clone()).unwrap());
        });
        self.scene.add(keys)
    }
}

#[test]
fn a_stolen_key_does_nothing_that_the_next_rung_does_not_undo() {
    // 11.8, P13
    let mut never = stolen();
    let good = never.good.clone();
    never.recover(&good);
    let mut theft = stolen();
    let thief = dave().at_device(2);
    let scene = &mut theft.scene;
    let genesis = scene.genesis();
    // The thief certifies a device of theirs, and revokes dave's from before anything dave did.
    let early = Some(List::new(vec![op(theft.daves)]).unwrap());
    let certificate = List::new(vec![thief.certificate(0, Caps::ALL)]).unwrap();
    let revoked = List::new(vec![dave().device.public()]).unwrap();
    let stolen_keys = scene
        .pen(dave(), theft.daves)
        .keys(0, |keys| (keys.devices, keys.revoked, keys.cut) = (certificate, revoked, early));
    let stolen = [scene.add(stolen_keys)];
    assert_eq!(scene.role(bob()), Role::None, "what dave ruled is void for now");
    scene.add(scene.pen(&thief, theft.daves).take_in(eve(), Role::Steward));
    scene.add(scene.pen(&thief, theft.daves).rule(carol(), Role::None));
    scene.add(scene.pen(&thief, theft.daves).on(&stolen).policy(1, 7));
    let left = scene.add(scene.pen(&thief, theft.daves).on(&stolen).leave());
    scene.add(scene.pen(dave(), theft.daves).on(&good).rule(carol(), Role::Core));
    assert_eq!([eve(), dave(), carol()].map(|actor| scene.role(actor)), [Role::Steward, Role::None, Role::None]);
    assert!(scene.effective(left));
    let heads = scene.log.heads();
    theft.recover(&heads);
    let scene = &mut theft.scene;
    let (state, expected) = (scene.state(), never.scene.state());
    assert_eq!(roles(&state), roles(&expected));
    assert_eq!(state.policy, expected.policy);
    assert_eq!(state.members[&dave().person()].devices, expected.members[&dave().person()].devices);
    // Whatever the thief says later with the lower rung, on whatever parents, is void too.
    let again = scene.pen(dave(), theft.daves).on(&[genesis, op(theft.daves)]).keys(0, |keys| {
        keys.devices = List::new(vec![thief.certificate(0, Caps::ALL)]).unwrap();
        keys.revoked = List::new(vec![theft.tablet.device.public()]).unwrap();
    });
    let again = scene.add(again);
    scene.add(scene.pen(&thief, theft.daves).on(&[again]).rule(carol(), Role::None));
    assert_eq!(roles(&scene.state()), roles(&expected));
    // Dave acts from the new device, under the old grant.
    let grant = scene.state().grant(dave().person(), Role::Steward).unwrap();
    assert_eq!(grant, theft.daves);
    scene.add(scene.pen(&theft.tablet, grant).rule(carol(), Role::Core));
    assert_eq!(scene.role(carol()), Role::Core);
}

#[test]
fn of_two_rungs_the_higher_one_says_which_devices_count() {
    // 11.8, D1, D2: what rung 2 keeps of rung 1 stands, rung 0 or not.
    let mut theft = stolen();
    let good = theft.good.clone();
    let first = theft.recover(&good);
    let phone = dave().at_device(3);
    let keys = |cut: OpId| {
        theft.scene.pen(dave(), theft.daves).keys(2, |keys| {
            keys.reveals = List::new(vec![dave().reveal(2)]).unwrap();
            keys.devices = List::new(vec![phone.certificate(2, Caps::ALL)]).unwrap();
            keys.cut = Some(List::new(vec![cut]).unwrap());
        })
    };
    let (keeps, drops) = (keys(first), keys(good[0]));
    for (keys, tablet_counts) in [(keeps, true), (drops, false)] {
        let mut scene = theft.scene.clone();
        scene.add(keys);
        let state = scene.state();
        assert!(state.device(dave().person(), phone.device.public()).is_some());
        assert_eq!(state.device(dave().person(), theft.tablet.device.public()).is_some(), tablet_counts);
        // When the rung that revoked it is dropped, the old device is back.
        assert_eq!(state.device(dave().person(), dave().device.public()).is_none(), tablet_counts);
    }
}

#[test]
fn who_was_removed_takes_nothing_back_of_what_was_kept() {
    // 11.2, P3, with devices: bob's own Keys, on whatever parents, with the key that he has always had
    // or with the next one.
    let mut scene = Scene::founded_by(&[alice()]);
    let bobs = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Steward));
    scene.add(scene.pen(alice(), FIRST).take_in(eve(), Role::Member));
    scene.add(scene.pen(bob(), bobs).take_in(carol(), Role::Core));
    scene.add(scene.pen(bob(), bobs).rule(eve(), Role::None));
    let kept = scene.log.heads();
    let roles = |scene: &Scene| [bob(), carol(), eve()].map(|actor| scene.role(actor));
    assert_eq!(roles(&scene), [Role::Steward, Role::Core, Role::None]);
    let take_back = |scene: &mut Scene, parents: &[OpId], index: u8| {
        let keys = scene.pen(bob(), bobs).on(parents).keys(index, |keys| {
            keys.reveals = List::new(vec![bob().reveal(index)]).unwrap();
            keys.revoked = List::new(vec![bob().device.public()]).unwrap();
            keys.cut = Some(List::new(vec![scene.genesis()]).unwrap());
        });
        scene.add(keys);
    };
    // As long as bob is in, that is bob's right.
    let mut before = scene.clone();
    take_back(&mut before, &kept, 0);
    assert_eq!(roles(&before), [Role::Steward, Role::None, Role::Member]);
    scene.add(scene.pen(alice(), FIRST).rule(bob(), Role::None));
    for index in [0, 1] {
        take_back(&mut scene, &[op(bobs)], index);
        take_back(&mut scene, &kept, index);
        assert_eq!(roles(&scene), [Role::None, Role::Core, Role::None]);
    }
    // What was kept of the Keys counts on.
    before.add(before.pen(alice(), FIRST).rule(bob(), Role::None));
    assert_eq!(roles(&before), [Role::None, Role::None, Role::Member]);
}

#[test]
fn one_founder_of_three_takes_no_act_of_the_root_back() {
    // 11.1 (c), P3
    let mut scene = Scene::founded_by(&[alice(), bob(), carol()]);
    let genesis = [scene.genesis()];
    scene.add(root(&scene.log, &[alice(), bob()], &genesis, Body::Rule(rule_on(&[carol().person()], Role::None))));
    scene.add(scene.pen(alice(), FIRST).keys(0, |keys| {
        keys.revoked = List::new(vec![alice().device.public()]).unwrap();
        keys.cut = Some(List::new(genesis.to_vec()).unwrap());
    }));
    assert_eq!(scene.role(carol()), Role::None);
}
