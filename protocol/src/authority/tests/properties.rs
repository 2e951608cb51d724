//! The properties that hold whatever anybody signs (P3 to P8, P10 to P13), on random histories.
//! Whoever is up to something also says what they like of their own keys and devices.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::{
    differential::assert_agreed,
    histories::History,
    oracle::{Act, Op, Oracle, Step, Under, Who},
    seeds::play,
};
use crate::{
    authority::{Role, State},
    testing::Dice,
};

/// Operations that somebody tries in one property.
pub(super) const TRIES: usize = 25;

/// What the properties compare before and after.
pub(super) struct Before {
    roles: BTreeMap<Who, Role>,
    effective: Vec<bool>,
    policy: BTreeMap<u16, u32>,
}

impl Before {
    pub(super) fn of(history: &History) -> (Before, State) {
        let state = history.state();
        (
            Before { roles: history.roles(&state), effective: history.effective(&state), policy: state.policy.clone() },
            state,
        )
    }

    pub(super) fn with(&self, roles: RangeInclusive<Role>) -> Vec<Who> {
        self.roles.iter().filter(|(_, role)| roles.contains(role)).map(|(who, _)| *who).collect()
    }

    fn stewards(&self) -> Vec<Who> {
        self.with(Role::Steward..=Role::Steward)
    }
}

/// Whatever `authors` sign, up to so many operations, Keys often among them; those that `keep`
/// refuses are left out.
pub(super) fn spree(
    history: &mut History,
    dice: &mut Dice,
    authors: &[Who],
    tries: usize,
    backdate: (usize, usize),
    mut keep: impl FnMut(&mut Step, &mut Dice) -> bool,
) -> Vec<Op> {
    let mut added = Vec::new();
    history.keys = 4;
    // Most of what people without a role propose cannot even be signed.
    for _ in 0..4 * tries {
        if added.len() >= tries {
            break;
        }
        let author = dice.pick(authors).copied();
        let universe = history.all();
        let late = dice.chance(backdate.0, backdate.1);
        if let Some(mut step) = history.propose(dice, author, &universe, late)
            && keep(&mut step, dice)
        {
            added.extend(history.add(step));
        }
    }
    added
}

/// What is judged by identity alone, whatever role is left.
fn is_own_affair(step: &Step) -> bool {
    matches!(step.act, Act::Leave | Act::Keys { .. })
}

/// Those whose grants are all taken by effective rulings of others than themselves.
fn gone(history: &History, oracle: &Oracle<'_>) -> Vec<Who> {
    let taken = |who: Who, grant: Under, gone: Option<&BTreeSet<Who>>| {
        oracle.all().any(|ruling| {
            oracle.bears(ruling, who, grant) == Some(Role::None)
                && oracle.effective(ruling)
                && history.steps[ruling].author.is_none_or(|author| gone.is_none_or(|gone| !gone.contains(&author)))
        })
    };
    let taken_all =
        |who: Who, gone: Option<&BTreeSet<Who>>| oracle.grants_of(who).into_iter().all(|grant| taken(who, grant, gone));
    let mut gone: BTreeSet<Who> = history
        .people()
        .into_iter()
        .filter(|who| !oracle.grants_of(*who).is_empty() && taken_all(*who, None))
        .collect();
    loop {
        let still: BTreeSet<Who> = gone.iter().copied().filter(|who| taken_all(*who, Some(&gone))).collect();
        if still == gone {
            return gone.into_iter().collect();
        }
        gone = still;
    }
}

/// P3: what removed people sign, of their keys too, changes nothing, on whatever parents.
fn the_removed_do_nothing(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let gone = gone(&history, &history.oracle());
    if gone.is_empty() {
        return 0;
    }
    let (before, _) = Before::of(&history);
    let added = spree(&mut history, dice, &gone, TRIES, (1, 1), |_, _| true);
    assert_agreed(&history);
    let (after, _) = Before::of(&history);
    for (op, step) in history.steps.iter().enumerate() {
        let had = before.effective.get(op).copied().unwrap_or(false);
        let is_theirs = step.author.is_some_and(|author| gone.contains(&author)) && is_own_affair(step);
        assert!(after.effective[op] == had || is_theirs, "P3: {op} {step:?}");
    }
    assert_eq!((after.roles, after.policy), (before.roles, before.policy), "P3");
    added.len()
}

/// P3b: nor do their invites, with whatever device they sign them, in the hands of those who are
/// still inside.
fn the_invites_of_the_removed_admit_nobody(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let oracle = history.oracle();
    let gone = gone(&history, &oracle);
    let invites = |who: Who| oracle.grants_of(who).into_iter().map(move |grant| (who, grant));
    let inviters: Vec<(Who, Under)> =
        gone.iter().flat_map(|who| invites(*who)).filter(|(_, grant)| oracle.role_of(*grant) >= Role::Core).collect();
    let colluders = Before::of(&history).0.with(Role::Member..=Role::Core);
    if inviters.is_empty() || colluders.is_empty() {
        return 0;
    }
    let is_keys = |step: &mut Step, _: &mut Dice| matches!(step.act, Act::Keys { .. });
    spree(&mut history, dice, &gone, TRIES / 5, (1, 1), is_keys);
    let used = spree(&mut history, dice, &colluders, TRIES, (1, 2), |step, dice| {
        let Act::Admit { cert, .. } = &mut step.act else { return false };
        (cert.inviter, cert.auth) = *dice.pick(&inviters).expect("it is not empty");
        cert.device = dice.below(3) as u8;
        step.parents.extend(if let Under::Op(op) = cert.auth { Some(op) } else { None });
        step.parents.sort_unstable();
        step.parents.dedup();
        step.parents.len() <= 16
    });
    let effective = history.effective(&history.state());
    assert!(used.iter().all(|op| !effective[*op]), "P3b");
    used.len()
}

/// P4: whatever a steward signs, what stewards not below sign keeps its effect.
fn a_steward_reaches_nobody_beside_or_above(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, _) = Before::of(&history);
    let stewards = before.stewards();
    let Some(steward) = dice.pick(&stewards).copied().filter(|_| stewards.len() > 1) else { return 0 };
    // Below a founder who is the root alone is everybody.
    if history.founders == 1 && steward == 0 {
        return 0;
    }
    let oracle = history.oracle();
    let below = |op: Op| {
        let Step { auth, author, .. } = &history.steps[op];
        *author == Some(steward) || oracle.path(*auth).iter().any(|(_, above)| *above == Some(steward))
    };
    let senior = |op: &Op| matches!(history.steps[*op].act, Act::Rule { .. } | Act::Policy { .. }) && !below(*op);
    let safe: Vec<Op> = oracle.all().filter(senior).collect();
    let added = spree(&mut history, dice, &[steward], TRIES, (1, 1), |_, _| true);
    let (after, _) = Before::of(&history);
    for op in safe {
        assert_eq!(after.effective[op], before.effective[op], "P4: {steward} reached {:?}", history.steps[op]);
    }
    added.len()
}

/// P5: those who never held more than member raise nobody above that, lower nobody but those whom
/// they admitted, and change no policy.
fn members_raise_and_lower_nobody(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, _) = Before::of(&history);
    let oracle = history.oracle();
    let low = |who: &Who| oracle.grants_of(*who).iter().all(|grant| oracle.role_of(*grant) <= Role::Member);
    let lows: Vec<Who> = before.with(Role::Peripheral..=Role::Member).into_iter().filter(low).collect();
    if lows.is_empty() {
        return 0;
    }
    // Whom they admitted, and whom those admitted by that admission.
    let mut rests = BTreeSet::new();
    let mut exempt: BTreeSet<Who> = lows.iter().copied().collect();
    for (op, step) in history.steps.iter().enumerate() {
        let by_low = step.author.is_some_and(|author| lows.contains(&author));
        let below = matches!(step.auth, Under::Op(admit) if rests.contains(&admit));
        if let (Act::Admit { subject, .. }, true) = (&step.act, by_low || below) {
            rests.insert(op);
            exempt.insert(*subject);
        }
    }
    let added = spree(&mut history, dice, &lows, TRIES, (1, 1), |_, _| true);
    let (after, _) = Before::of(&history);
    assert_eq!(after.policy, before.policy, "P5");
    for (who, role) in &after.roles {
        let had = before.roles.get(who).copied().unwrap_or_default();
        assert!(*role <= had.max(Role::Member), "P5: {who} rose from {had:?} to {role:?}");
    }
    for (who, had) in before.roles.iter().filter(|(who, _)| !exempt.contains(who)) {
        assert!(after.roles.get(who) >= Some(had), "P5: {who} fell");
    }
    added.len()
}

/// P6: a steward's spree, with all the stewards made on the way, is undone by the root's removal
/// with the cut before it.
fn a_removal_with_an_early_cut_restores(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, _) = Before::of(&history);
    let Some(steward) = dice.pick(&before.stewards()).copied() else { return 0 };
    let heads = history.heads();
    let act = || Act::Rule {
        subjects: vec![steward],
        role: Role::None,
        vouch: false,
        cut: Some(heads.clone()),
        joins: false,
    };
    let mut never = history.clone();
    // A root of which the steward is the lowest founder needed cannot remove them.
    let removal = never.root(dice, heads.clone(), act());
    if never.add(removal).is_none() {
        return 0;
    }
    let mut crew = vec![steward];
    let mut added = 0;
    for _ in 0..TRIES {
        let fresh = history.fresh;
        let ops = spree(&mut history, dice, &crew, 1, (1, 2), |step, _| step.act != Act::Leave);
        added += ops.len();
        for op in ops {
            if let Act::Rule { subjects, role: Role::Steward, .. } = &history.steps[op].act {
                crew.extend(subjects.iter().filter(|subject| **subject > fresh));
            }
        }
    }
    let removal = history.root(dice, history.heads(), act());
    let needed = removal.signers.iter().any(|(founder, _)| *founder == steward);
    if history.add(removal).is_none() {
        assert!(needed, "P6: it could be signed before");
        return 0;
    }
    let (after, _) = Before::of(&history);
    let (expected, _) = Before::of(&never);
    assert_eq!((after.roles, after.policy), (expected.roles, expected.policy), "P6");
    added
}

/// P7: no invite lifts a removal.
fn no_invite_lifts_a_removal(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, _) = Before::of(&history);
    let removed = |who: &Who| {
        !before.roles.contains_key(who)
            && history.steps.iter().zip(&before.effective).any(|(step, effective)| {
                *effective && matches!(&step.act, Act::Rule { subjects, role: Role::None, vouch: false, .. } if subjects.contains(who))
            })
    };
    let out: Vec<Who> = history.people().into_iter().filter(removed).collect();
    let members = before.with(Role::Member..=Role::Core);
    if out.is_empty() || members.is_empty() {
        return 0;
    }
    let whom = out[dice.below(out.len())];
    let added = spree(&mut history, dice, &members, 3 * TRIES, (1, 2), |step, _| match &mut step.act {
        Act::Admit { subject, .. } => {
            *subject = whom;
            true
        }
        _ => false,
    });
    let (after, _) = Before::of(&history);
    assert!(out.iter().all(|who| !after.roles.contains_key(who)), "P7");
    added.len()
}

/// P8: an invite admits at most its uses times those who admit with it, and exactly its uses when
/// it names its admitter.
fn invites_keep_to_their_bounds(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, _) = Before::of(&history);
    let members = before.with(Role::Member..=Role::Core);
    let certs: Vec<_> = history
        .steps
        .iter()
        .filter_map(|step| if let Act::Admit { cert, .. } = step.act { Some(cert) } else { None })
        .collect();
    let Some(cert) = dice.pick(&certs).copied().filter(|_| !members.is_empty()) else { return 0 };
    let people: Vec<Who> = members.iter().copied().chain([cert.inviter]).collect();
    let added = spree(&mut history, dice, &people, 3 * TRIES, (2, 3), |step, _| {
        if let Under::Op(op) = cert.auth
            && step.parents.len() < 16
            && !step.parents.contains(&op)
        {
            step.parents.push(op);
        }
        match &mut step.act {
            Act::Admit { cert: with, .. } => {
                *with = cert;
                true
            }
            _ => false,
        }
    });
    let (after, _) = Before::of(&history);
    let mut used: BTreeMap<_, (BTreeSet<Who>, BTreeSet<Option<Who>>)> = BTreeMap::new();
    for (step, effective) in history.steps.iter().zip(&after.effective) {
        if let (Act::Admit { subject, cert }, true) = (&step.act, effective) {
            let (admitted, admitters) = used.entry(*cert).or_default();
            admitted.insert(*subject);
            admitters.insert(step.author);
        }
    }
    for (cert, (admitted, admitters)) in used {
        assert!(admitted.len() <= cert.max_uses() * admitters.len(), "P8: {cert:?}");
        assert!(cert.only().is_none() || admitted.len() <= cert.max_uses(), "P8, exactly: {cert:?}");
    }
    added.len()
}

/// P10: every steward has an unbroken chain of effective grants to a founder. P11: what is signed
/// later changes no path.
fn every_steward_hangs_from_a_founder(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, state) = Before::of(&history);
    let unbroken = |grant: Under| {
        let oracle = history.oracle();
        let effective = |under: &Under| !matches!(under, Under::Op(op) if !before.effective[*op]);
        effective(&grant)
            && oracle.path(grant).iter().all(|(under, _)| effective(under))
            && matches!(oracle.path(grant).first(), Some((Under::Root, None)))
    };
    for who in before.stewards() {
        let grants = history.oracle().grants_of(who);
        let steward = |grant: &&Under| history.oracle().role_of(**grant) == Role::Steward;
        assert!(grants.iter().filter(steward).any(|grant| unbroken(*grant)), "P10: {who}");
    }
    let people: Vec<Who> = history.people().into_iter().collect();
    spree(&mut history, dice, &people, TRIES, (1, 2), |_, _| true);
    let later = history.state();
    for (person, grants) in &state.grants {
        let rulings = |of: &State| of.rulings.get(person).cloned().unwrap_or_default();
        for grant in grants {
            let left = |of: &State| -> Vec<_> {
                let target = of.tree.target(&history.log, *person, grant.held);
                let known = rulings(of).into_iter().filter(|ruling| ruling.at < before.effective.len());
                known.map(|ruling| (ruling.at, target.left_by(&ruling))).collect()
            };
            assert_eq!(left(&state), left(&later), "P11");
        }
    }
    before.roles.len()
}

/// P12: sealing a leave changes no role, and what the leaver signs later without having seen the
/// leave is void.
fn a_seal_closes_a_leave(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, _) = Before::of(&history);
    let left = |who: &Who| {
        !before.roles.contains_key(who)
            && history.steps.iter().any(|step| step.act == Act::Leave && step.author == Some(*who))
    };
    let leavers: Vec<Who> = history.people().into_iter().filter(left).collect();
    let Some(leaver) = dice.pick(&leavers).copied() else { return 0 };
    let parents = history.heads();
    if history.log.heads().len() > parents.len() {
        return 0;
    }
    let act = Act::Rule { subjects: vec![leaver], role: Role::None, vouch: false, cut: None, joins: false };
    let seal = history.root(dice, parents, act);
    if history.add(seal).is_none() {
        return 0;
    }
    let (sealed, _) = Before::of(&history);
    assert_eq!((&sealed.roles, &sealed.policy), (&before.roles, &before.policy), "P12");
    let added = spree(&mut history, dice, &[leaver], TRIES, (1, 1), |_, _| true);
    let (after, _) = Before::of(&history);
    assert_eq!((&after.roles, &after.policy), (&before.roles, &before.policy), "P12");
    for op in &added {
        assert!(!after.effective[*op] || is_own_affair(&history.steps[*op]), "P12: {:?}", history.steps[*op]);
    }
    added.len()
}

/// P13: what a thief of somebody's keys and devices does is undone by the next rung, with the cut
/// before it: as if it had never been.
fn the_next_rung_undoes_a_theft(dice: &mut Dice) -> usize {
    let mut history = History::random(dice);
    let (before, _) = Before::of(&history);
    let people: Vec<Who> = before.roles.keys().copied().collect();
    let Some(victim) = dice.pick(&people).copied() else { return 0 };
    let heads = history.heads();
    let grants = history.oracle().grants_of(victim);
    let grant = *dice.pick(&grants).expect("a role comes of a grant");
    // Rungs and devices up to the second are those that histories make use of.
    let act = Act::Keys { index: 3, certified: vec![3], revoked: vec![0, 1, 2], cut: Some(heads.clone()) };
    let recovery =
        |parents| Step { author: Some(victim), auth: grant, signers: vec![(victim, 0)], parents, act: act.clone() };
    let mut never = history.clone();
    // Nobody cites more heads than sixteen, so what cites some may not have seen the grant.
    if never.add(recovery(heads.clone())).is_none() {
        return 0;
    }
    let added = spree(&mut history, dice, &[victim], TRIES, (1, 2), |_, _| true);
    let later = history.heads().into_iter().filter(|op| !heads.contains(op));
    let parents = heads.iter().copied().chain(later).take(16).collect();
    history.add(recovery(parents)).expect("it could be signed before");
    assert_agreed(&history);
    let (after, expected) = (Before::of(&history).0, Before::of(&never).0);
    assert_eq!((after.roles, after.policy), (expected.roles, expected.policy), "P13");
    added.len()
}

#[test]
fn what_the_removed_sign_changes_nothing() {
    play("P3", the_removed_do_nothing);
}

#[test]
fn what_the_removed_invite_stays_outside() {
    play("P3b", the_invites_of_the_removed_admit_nobody);
}

#[test]
fn a_steward_voids_nothing_of_those_who_are_not_below() {
    play("P4", a_steward_reaches_nobody_beside_or_above);
}

#[test]
fn whoever_never_was_more_than_a_member_raises_and_lowers_nobody() {
    play("P5", members_raise_and_lower_nobody);
}

#[test]
fn a_removal_with_the_cut_before_a_spree_makes_it_never_have_been() {
    play("P6", a_removal_with_an_early_cut_restores);
}

#[test]
fn no_invite_brings_back_whom_a_ruling_removed() {
    play("P7", no_invite_lifts_a_removal);
}

#[test]
fn invites_admit_no_more_than_their_bound() {
    play("P8", invites_keep_to_their_bounds);
}

#[test]
fn every_stewards_grant_hangs_unbroken_from_a_founder() {
    play("P10, P11", every_steward_hangs_from_a_founder);
}

#[test]
fn a_sealed_leave_stays_closed() {
    play("P12", a_seal_closes_a_leave);
}

#[test]
fn a_higher_rung_makes_a_theft_never_have_been() {
    play("P13", the_next_rung_undoes_a_theft);
}
