//! Who may write and carry at which point of the log (T4, R4).

use crate::{
    authority::{Body, FeedEnd, Grant, LinkCut, Role, Rule, WriteRefusal, Writing},
    bytes::List,
    epoch::Scope,
    id::{EnvelopeId, ItemId, OpId},
    key::PublicKey,
    person::Caps,
    testing::{Actor, FIRST, Scene, alice, bob, carol, dave, eve, rule_on},
};

/// Alice's garden with bob a member and dave peripheral.
struct Garden {
    scene: Scene,
    bob: Grant,
    dave: Grant,
    heads: Vec<OpId>,
}

fn garden() -> Garden {
    let mut scene = Scene::founded_by(&[alice()]);
    let bob = scene.grant(scene.pen(alice(), FIRST).take_in(bob(), Role::Member));
    let dave = scene.grant(scene.pen(alice(), FIRST).take_in(dave(), Role::Peripheral));
    let heads = scene.log.heads();
    Garden { scene, bob, dave, heads }
}

fn end(device: PublicKey, scope: Scope, seq: u32) -> FeedEnd {
    FeedEnd(device, scope, seq, ItemId::new([u8::try_from(seq).unwrap(); 32]))
}

fn write(scene: &Scene, actor: &Actor, heads: &[OpId], role: Role) -> Result<Writing, WriteRefusal> {
    scene.state().may_write(&scene.log, (actor.person(), actor.device.public()), heads, Scope::All, role)
}

fn removal(subject: &Actor, role: Role, feeds: Vec<FeedEnd>) -> Body {
    Body::Rule(Rule { feeds: List::new(feeds).unwrap(), ..rule_on(&[subject.person()], role) })
}

const ALLOWED: Result<Writing, WriteRefusal> = Ok(Writing::Allowed);

#[test]
fn a_member_writes_where_the_grant_is_known_and_suffices() {
    let Garden { scene, bob: Grant::Op(bobs), heads, .. } = garden() else { panic!("an operation's") };
    let low = |role| Err(WriteRefusal::RoleTooLow(role));
    assert_eq!(write(&scene, bob(), &heads, Role::Member), ALLOWED);
    assert_eq!(write(&scene, bob(), &[bobs], Role::Member), ALLOWED);
    assert_eq!(write(&scene, bob(), &heads, Role::Steward), low(Role::Steward));
    assert_eq!(write(&scene, alice(), &[scene.genesis()], Role::Steward), ALLOWED);
    assert_eq!(write(&scene, dave(), &heads, Role::Peripheral), ALLOWED);
    assert_eq!(write(&scene, dave(), &heads, Role::Member), low(Role::Member));
    // Dave's grant and device lie behind these heads; eve was never heard of.
    assert_eq!(write(&scene, dave(), &[bobs], Role::Peripheral), Err(WriteRefusal::UnknownDevice));
    assert_eq!(write(&scene, eve(), &heads, Role::Peripheral), Err(WriteRefusal::UnknownDevice));
    assert_eq!(write(&scene, &bob().at_device(1), &heads, Role::Member), Err(WriteRefusal::UnknownDevice));
    let unknown = OpId::new([9; 32]);
    assert_eq!(write(&scene, bob(), &[bobs, unknown], Role::Member), Err(WriteRefusal::MissingHeads(vec![unknown])));
}

#[test]
fn a_grant_that_came_later_lets_nobody_write_before_it() {
    let Garden { mut scene, heads, .. } = garden();
    let raised = scene.add(scene.pen(alice(), FIRST).rule(dave(), Role::Member));
    assert_eq!(write(&scene, dave(), &heads, Role::Member), Err(WriteRefusal::RoleTooLow(Role::Member)));
    assert_eq!(write(&scene, dave(), &[raised], Role::Member), ALLOWED);
}

#[test]
fn after_a_removal_only_what_lies_on_the_chains_it_names_may_stand() {
    let Garden { mut scene, heads, .. } = garden();
    let last = end(bob().device.public(), Scope::All, 7);
    let removed = scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::None, vec![last.clone()])));
    for position in [&heads, &vec![removed]] {
        assert_eq!(write(&scene, bob(), position, Role::Member), Ok(Writing::OnChains(vec![last.clone()])));
    }
    // In the other scope nothing of bob's had been seen.
    let state = scene.state();
    let inner =
        state.may_write(&scene.log, (bob().person(), bob().device.public()), &heads, Scope::Inner, Role::Member);
    assert_eq!(inner, Err(WriteRefusal::RoleTooLow(Role::Member)));
    // Taken in again, bob writes at the new place; the old time stays closed.
    let back = scene.add(scene.pen(alice(), FIRST).rule(bob(), Role::Member));
    assert_eq!(write(&scene, bob(), &[back], Role::Member), ALLOWED);
    assert_eq!(write(&scene, bob(), &heads, Role::Member), Ok(Writing::OnChains(vec![last])));
}

#[test]
fn a_removal_that_names_no_chain_leaves_nothing() {
    let Garden { mut scene, heads, .. } = garden();
    scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::None, Vec::new())));
    assert_eq!(write(&scene, bob(), &heads, Role::Member), Err(WriteRefusal::RoleTooLow(Role::Member)));
}

#[test]
fn a_demotion_closes_what_the_lower_role_may_not_write() {
    let Garden { mut scene, heads, .. } = garden();
    let last = end(bob().device.public(), Scope::All, 7);
    let demoted = scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::Peripheral, vec![last.clone()])));
    assert_eq!(write(&scene, bob(), &heads, Role::Member), Ok(Writing::OnChains(vec![last])));
    assert_eq!(write(&scene, bob(), &heads, Role::Peripheral), ALLOWED);
    assert_eq!(write(&scene, bob(), &[demoted], Role::Peripheral), ALLOWED);
}

#[test]
fn two_removals_apart_both_bound_what_stands() {
    let Garden { mut scene, heads, .. } = garden();
    let carols = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Steward));
    let (early, late) = (end(bob().device.public(), Scope::All, 5), end(bob().device.public(), Scope::All, 7));
    let base = scene.log.heads();
    scene.add(scene.pen(alice(), FIRST).on(&base).sign(removal(bob(), Role::None, vec![late.clone()])));
    scene.add(scene.pen(carol(), carols).on(&base).sign(removal(bob(), Role::None, vec![early.clone()])));
    let Ok(Writing::OnChains(mut ends)) = write(&scene, bob(), &heads, Role::Member) else { panic!("bound by both") };
    ends.sort_by_key(|end| end.2);
    assert_eq!(ends, [early, late]);
}

#[test]
fn of_two_grants_the_one_that_reaches_further_counts() {
    let Garden { mut scene, heads, .. } = garden();
    let (early, late) = (end(bob().device.public(), Scope::All, 5), end(bob().device.public(), Scope::All, 9));
    scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::None, vec![early.clone()])));
    let back = scene.add(scene.pen(alice(), FIRST).rule(bob(), Role::Member));
    scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::None, vec![late.clone()])));
    assert_eq!(write(&scene, bob(), &[back], Role::Member), Ok(Writing::OnChains(vec![late.clone()])));
    let Ok(Writing::OnChains(mut ends)) = write(&scene, bob(), &heads, Role::Member) else { panic!("bound by both") };
    ends.sort_by_key(|end| end.2);
    assert_eq!(ends, [early, late], "the second removal bears on the first grant too");
}

#[test]
fn who_left_wrote_before_and_the_seal_says_until_when() {
    let Garden { mut scene, bob: bobs, heads, .. } = garden();
    let left = scene.add(scene.pen(bob(), bobs).leave());
    assert_eq!(write(&scene, bob(), &[left], Role::Peripheral), Err(WriteRefusal::RoleTooLow(Role::Peripheral)));
    assert_eq!(write(&scene, bob(), &heads, Role::Member), ALLOWED);
    let last = end(bob().device.public(), Scope::All, 7);
    scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::None, vec![last.clone()])));
    assert_eq!(write(&scene, bob(), &heads, Role::Member), Ok(Writing::OnChains(vec![last])));
    assert_eq!(write(&scene, bob(), &[left], Role::Member), Err(WriteRefusal::RoleTooLow(Role::Member)));
}

#[test]
fn a_lost_device_wrote_what_its_owner_says_and_others_write_on() {
    let Garden { mut scene, bob: bobs, heads, .. } = garden();
    let tablet = bob().at_device(1);
    let certificate = List::new(vec![tablet.certificate(0, Caps::ITEMS)]).unwrap();
    let certified = scene.add(scene.pen(bob(), bobs).keys(0, |keys| keys.devices = certificate));
    assert_eq!(write(&scene, &tablet, &heads, Role::Member), Err(WriteRefusal::UnknownDevice));
    assert_eq!(write(&scene, &tablet, &[certified], Role::Member), ALLOWED);
    let last = end(bob().device.public(), Scope::All, 7);
    for feeds in [Vec::new(), vec![last.clone()]] {
        let mut scene = scene.clone();
        let revoked = List::new(vec![bob().device.public()]).unwrap();
        let expected =
            if feeds.is_empty() { Err(WriteRefusal::UnknownDevice) } else { Ok(Writing::OnChains(feeds.clone())) };
        let lost = scene.add(
            scene.pen(bob(), bobs).keys(0, |keys| (keys.revoked, keys.feeds) = (revoked, List::new(feeds).unwrap())),
        );
        for position in [&heads, &vec![lost]] {
            assert_eq!(write(&scene, bob(), position, Role::Member), expected);
            // An author's own tombstone is judged by the device alone.
            assert_eq!(write(&scene, bob(), position, Role::None), expected);
        }
        assert_eq!(write(&scene, &tablet, &[lost], Role::Member), ALLOWED);
    }
    // A device that may sign operations only writes nothing.
    let third = bob().at_device(2);
    let certificate = List::new(vec![third.certificate(0, Caps::OPERATIONS)]).unwrap();
    let certified = scene.add(scene.pen(bob(), bobs).keys(0, |keys| keys.devices = certificate));
    assert_eq!(write(&scene, &third, &[certified], Role::Member), Err(WriteRefusal::UnknownDevice));
}

#[test]
fn a_tombstone_asks_for_no_role() {
    let Garden { mut scene, heads, .. } = garden();
    let removed = scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::None, Vec::new())));
    assert_eq!(write(&scene, bob(), &heads, Role::None), ALLOWED);
    assert_eq!(write(&scene, bob(), &[removed], Role::None), ALLOWED);
    assert_eq!(write(&scene, eve(), &heads, Role::None), Err(WriteRefusal::UnknownDevice));
}

#[test]
fn a_broker_carries_as_a_member_and_after_a_removal_within_its_cuts() {
    let Garden { mut scene, bob: bobs, dave: daves, heads } = garden();
    let carry = |scene: &Scene, actor: &Actor, at: &[OpId]| {
        scene.state().may_carry(&scene.log, (actor.person(), actor.device.public()), at)
    };
    let low = Err(WriteRefusal::RoleTooLow(Role::Member));
    assert_eq!(carry(&scene, bob(), &heads), Ok(Vec::new()));
    assert_eq!(carry(&scene, dave(), &heads), low);
    assert_eq!(carry(&scene, eve(), &heads), Err(WriteRefusal::UnknownDevice));
    assert_eq!(carry(&scene, bob(), &[OpId::new([9; 32])]), Err(WriteRefusal::MissingHeads(vec![OpId::new([9; 32])])));
    let left = scene.add(scene.pen(dave(), daves).leave());
    assert_eq!(carry(&scene, dave(), &[left]), low);
    let cut = LinkCut(OpId::new([1; 32]), bob().device.public(), 40, EnvelopeId::new([40; 32]));
    let removal = Rule { links: List::new(vec![cut.clone()]).unwrap(), ..rule_on(&[bob().person()], Role::None) };
    scene.add(scene.pen(alice(), FIRST).sign(Body::Rule(removal)));
    assert_eq!(carry(&scene, bob(), &heads), Ok(vec![vec![cut]]));
    let left = scene.add(scene.pen(bob(), bobs).leave());
    assert_eq!(carry(&scene, bob(), &[left]), low);
}

#[test]
fn an_act_of_the_root_or_of_a_removed_steward_makes_nobody_a_writer_by_itself() {
    // What a grant is worth depends on who gave it: eve, made a steward by a steward who is then
    // removed unseen, has written nothing that stands.
    let Garden { mut scene, heads, .. } = garden();
    let carols = scene.grant(scene.pen(alice(), FIRST).take_in(carol(), Role::Steward));
    let before = scene.log.heads();
    let eves = scene.add(scene.pen(carol(), carols).take_in(eve(), Role::Steward));
    assert_eq!(write(&scene, eve(), &[eves], Role::Steward), ALLOWED);
    scene.add(scene.pen(alice(), FIRST).on(&before).rule(carol(), Role::None));
    assert_eq!(write(&scene, eve(), &[eves], Role::Peripheral), Err(WriteRefusal::RoleTooLow(Role::Peripheral)));
    assert_eq!(write(&scene, bob(), &heads, Role::Member), ALLOWED);
}

#[test]
fn whose_items_a_ruling_bounds_may_give_up_some_of_them_and_adds_none_by_their_keys() {
    // T4: of what is their own, the removed may still take back, as by tombstones; the rulings say
    // what stands at most.
    let Garden { mut scene, bob: bobs, heads, .. } = garden();
    let last = end(bob().device.public(), Scope::All, 7);
    let removed = scene.add(scene.pen(alice(), FIRST).sign(removal(bob(), Role::None, vec![last.clone()])));
    let tablet = bob().at_device(1);
    let far = end(bob().device.public(), Scope::All, 9);
    for index in [0, 1] {
        let mut scene = scene.clone();
        let keys = scene.pen(bob(), bobs).on(&heads).keys(index, |keys| {
            keys.reveals = List::new(vec![bob().reveal(index)]).unwrap();
            keys.devices = List::new(vec![tablet.certificate(index, Caps::ALL)]).unwrap();
            keys.feeds = List::new(vec![far.clone()]).unwrap();
        });
        let keys = scene.add(keys);
        for position in [&heads, &vec![keys], &vec![removed]] {
            assert_eq!(write(&scene, bob(), position, Role::Member), Ok(Writing::OnChains(vec![last.clone()])));
            assert!(write(&scene, &tablet, position, Role::Peripheral).is_err());
        }
        let revoked = List::new(vec![bob().device.public()]).unwrap();
        let genesis = scene.genesis();
        scene.add(scene.pen(bob(), bobs).on(&heads).keys(0, |keys| {
            keys.revoked = revoked;
            keys.cut = Some(List::new(vec![genesis]).unwrap());
        }));
        // A higher rung that has not seen the lower one's word drops it.
        let own = write(&scene, bob(), &heads, Role::Member);
        let kept = Ok(Writing::OnChains(vec![last.clone()]));
        assert_eq!(own, if index == 0 { Err(WriteRefusal::UnknownDevice) } else { kept });
    }
}

#[test]
fn a_broker_who_was_removed_takes_back_nothing_that_they_carried() {
    // P3: what they carried is somebody else's.
    let Garden { mut scene, bob: bobs, heads, .. } = garden();
    let carry = |scene: &Scene| scene.state().may_carry(&scene.log, (bob().person(), bob().device.public()), &heads);
    let lost = |scene: &Scene| {
        scene.pen(bob(), bobs).on(&heads).keys(0, |keys| {
            keys.revoked = List::new(vec![bob().device.public()]).unwrap();
            keys.cut = Some(List::new(vec![scene.genesis()]).unwrap());
        })
    };
    // A broker who is in may: the device may have been in other hands.
    let mut before = scene.clone();
    before.add(lost(&before));
    assert_eq!(carry(&before), Err(WriteRefusal::UnknownDevice));
    let cut = LinkCut(OpId::new([1; 32]), bob().device.public(), 40, EnvelopeId::new([40; 32]));
    let removal = Rule { links: List::new(vec![cut.clone()]).unwrap(), ..rule_on(&[bob().person()], Role::None) };
    scene.add(scene.pen(alice(), FIRST).sign(Body::Rule(removal)));
    scene.add(lost(&scene));
    assert_eq!(carry(&scene), Ok(vec![vec![cut]]));
}
