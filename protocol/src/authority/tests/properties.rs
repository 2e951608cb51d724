//! The properties that hold whatever anybody signs (P3 to P8, P10 to P13), on random histories.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::{
    differential::assert_agreed,
    histories::{History, actor},
    oracle::{Act, Op, Oracle, Step, Under, Who},
    seeds::play,
};
use crate::{
    authority::{Log, Role, State, evaluate},
    bytes::List,
    id::OpId,
    person::Caps,
    testing::{Dice, NOW, Pen},
};

/// Operations that somebody tries in one property.
const TRIES: usize = 25;

/// What the properties compare before and after.
struct Before {
    roles: BTreeMap<Who, Role>,
    effective: Vec<bool>,
    policy: BTreeMap<u16, u32>,
}

impl Before {
    fn of(history: &History) -> (Before, State) {
        let state = history.state();
        (
            Before { roles: history.roles(&state), effective: history.effective(&state), policy: state.policy.clone() },
            state,
        )
    }

    fn with(&self, roles: RangeInclusive<Role>) -> Vec<Who> {
        self.roles.iter().filter(|(_, role)| roles.contains(role)).map(|(who, _)| *who).collect()
    }

    fn stewards(&self) -> Vec<Who> {
        self.with(Role::Steward..=Role::Steward)
    }
}

/// Whatever `authors` sign, up to so many operations; those that `keep` refuses are left out.
fn spree(
    history: &mut History,
    dice: &mut Dice,
    authors: &[Who],
    tries: usize,
    backdate: (usize, usize),
    keep: impl Fn(&mut Step) -> bool,
) -> Vec<Op> {
    let mut added = Vec::new();
    // Most of what people without a role propose cannot even be signed.
    for _ in 0..4 * tries {
        if added.len() >= tries {
            break;
        }
        let author = dice.pick(authors).copied();
        let universe = history.all();
        let late = dice.chance(backdate.0, backdate.1);
        if let Some(mut step) = history.propose(dice, author, &universe, late)
            && keep(&mut step)
        {
            added.extend(history.add(dice, step));
        }
    }
    added
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

/// P3: what removed people sign changes nothing, on whatever parents. P3b: nor do their invites in
/// the hands of those who are still inside.
fn the_removed_do_nothing(mut history: History, dice: &mut Dice) -> usize {
    let gone = gone(&history, &history.oracle());
    if gone.is_empty() {
        return 0;
    }
    let (before, _) = Before::of(&history);
    let mut colluding = history.clone();
    let added = spree(&mut history, dice, &gone, TRIES, (1, 1), |_| true);
    let (after, _) = Before::of(&history);
    assert_eq!(after.effective[..before.effective.len()], before.effective[..]);
    for op in &added {
        assert!(!after.effective[*op] || history.steps[*op].act == Act::Leave, "{:?}", history.steps[*op]);
    }
    assert_eq!((after.roles, after.policy), (before.roles.clone(), before.policy.clone()));
    let colluders = before.with(Role::Member..=Role::Core);
    if !colluders.is_empty() {
        let leaked = |step: &mut Step| matches!(step.act, Act::Admit { cert, .. } if gone.contains(&cert.inviter));
        let used = spree(&mut colluding, dice, &colluders, 3 * TRIES, (1, 2), leaked);
        let effective = colluding.effective(&colluding.state());
        assert!(used.iter().all(|op| !effective[*op]), "P3b");
    }
    added.len()
}

/// P4: whatever a steward signs, what stewards not below sign keeps its effect.
fn a_steward_reaches_nobody_beside_or_above(mut history: History, dice: &mut Dice) -> usize {
    let (before, _) = Before::of(&history);
    let stewards = before.stewards();
    let Some(steward) = dice.pick(&stewards).copied().filter(|_| stewards.len() > 1) else { return 0 };
    let oracle = history.oracle();
    let below = |op: Op| {
        let Step { auth, author, .. } = &history.steps[op];
        *author == Some(steward) || oracle.path(*auth).iter().any(|(_, above)| *above == Some(steward))
    };
    let senior = |op: &Op| matches!(history.steps[*op].act, Act::Rule { .. } | Act::Policy { .. }) && !below(*op);
    let safe: Vec<Op> = oracle.all().filter(senior).collect();
    let added = spree(&mut history, dice, &[steward], TRIES, (1, 1), |_| true);
    let (after, _) = Before::of(&history);
    for op in safe {
        assert_eq!(after.effective[op], before.effective[op], "P4: {steward} reached {:?}", history.steps[op]);
    }
    added.len()
}

/// P5: those who never held more than member raise nobody above that, lower nobody but those whom
/// they admitted, and change no policy.
fn members_raise_and_lower_nobody(mut history: History, dice: &mut Dice) -> usize {
    let (before, _) = Before::of(&history);
    let oracle = history.oracle();
    let low = |who: &Who| oracle.grants_of(*who).iter().all(|grant| oracle.role_of(*grant) <= Role::Member);
    let lows: Vec<Who> = before.with(Role::Peripheral..=Role::Member).into_iter().filter(low).collect();
    if lows.is_empty() {
        return 0;
    }
    let by_low = |who: Who| {
        history.steps.iter().any(|step| {
            matches!(step.act, Act::Admit { subject, .. } if subject == who)
                && step.author.is_some_and(|author| lows.contains(&author))
        })
    };
    let exempt: BTreeSet<Who> = history.people().into_iter().filter(|who| lows.contains(who) || by_low(*who)).collect();
    let added = spree(&mut history, dice, &lows, TRIES, (1, 1), |_| true);
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
fn a_removal_with_an_early_cut_restores(mut history: History, dice: &mut Dice) -> usize {
    let (before, _) = Before::of(&history);
    let Some(steward) = dice.pick(&before.stewards()).copied() else { return 0 };
    let heads = history.heads();
    let removal = |parents: Vec<Op>| Step {
        author: None,
        auth: Under::Root,
        parents,
        act: Act::Rule { subjects: vec![steward], role: Role::None, vouch: false, cut: Some(heads.clone()) },
    };
    let mut never = history.clone();
    // A root of which the steward is the lowest founder needed cannot remove them.
    if never.add(dice, removal(heads.clone())).is_none() {
        return 0;
    }
    let mut crew = vec![steward];
    let mut added = 0;
    for _ in 0..TRIES {
        let fresh = history.fresh;
        let ops = spree(&mut history, dice, &crew, 1, (1, 2), |step| step.act != Act::Leave);
        added += ops.len();
        for op in ops {
            if let Act::Rule { subjects, role: Role::Steward, .. } = &history.steps[op].act {
                crew.extend(subjects.iter().filter(|subject| **subject > fresh));
            }
        }
    }
    history.add(dice, removal(history.heads())).expect("it could be signed before");
    let (after, _) = Before::of(&history);
    let (expected, _) = Before::of(&never);
    assert_eq!((after.roles, after.policy), (expected.roles, expected.policy), "P6");
    added
}

/// P7: no invite lifts a removal.
fn no_invite_lifts_a_removal(mut history: History, dice: &mut Dice) -> usize {
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
    let added = spree(&mut history, dice, &members, 3 * TRIES, (1, 2), |step| match &mut step.act {
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
fn invites_keep_to_their_bounds(mut history: History, dice: &mut Dice) -> usize {
    let (before, _) = Before::of(&history);
    let members = before.with(Role::Member..=Role::Core);
    let certs: Vec<_> = history
        .steps
        .iter()
        .filter_map(|step| if let Act::Admit { cert, .. } = step.act { Some(cert) } else { None })
        .collect();
    let Some(cert) = dice.pick(&certs).copied().filter(|_| !members.is_empty()) else { return 0 };
    let people: Vec<Who> = members.iter().copied().chain([cert.inviter]).collect();
    let added = spree(&mut history, dice, &people, 3 * TRIES, (2, 3), |step| {
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
fn every_steward_hangs_from_a_founder(mut history: History, dice: &mut Dice) -> usize {
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
    spree(&mut history, dice, &people, TRIES, (1, 2), |_| true);
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
fn a_seal_closes_a_leave(mut history: History, dice: &mut Dice) -> usize {
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
    let act = Act::Rule { subjects: vec![leaver], role: Role::None, vouch: false, cut: None };
    if history.add(dice, Step { author: None, auth: Under::Root, parents, act }).is_none() {
        return 0;
    }
    let (sealed, _) = Before::of(&history);
    assert_eq!((&sealed.roles, &sealed.policy), (&before.roles, &before.policy), "P12");
    let added = spree(&mut history, dice, &[leaver], TRIES, (1, 1), |_| true);
    let (after, _) = Before::of(&history);
    assert_eq!((&after.roles, &after.policy), (&before.roles, &before.policy), "P12");
    for op in &added {
        assert!(!after.effective[*op] || history.steps[*op].act == Act::Leave, "P12: {:?}", history.steps[*op]);
    }
    added.len()
}

/// P13: what a thief of somebody's key and device does is undone by the next rung, with the cut
/// before it: as if it had never been.
fn the_next_rung_undoes_a_theft(mut history: History, dice: &mut Dice) -> usize {
    let (before, state) = Before::of(&history);
    let victims: Vec<Who> = before.roles.keys().copied().collect();
    let Some(victim) = dice.pick(&victims).copied() else { return 0 };
    let owner = actor(victim);
    let Some(grant) = state.grant(owner.person(), Role::Peripheral) else { return 0 };
    let heads: Vec<_> = history.heads().iter().map(|op| history.ids[*op]).collect();
    let good = List::new(heads.clone()).unwrap();
    let tablet = owner.at_device(1);
    let recover = |log: &Log, parents: &[OpId]| {
        Pen::new(log, &owner, grant).on(parents).keys(1, |keys| {
            keys.reveals = List::new(vec![owner.reveal(1)]).unwrap();
            keys.devices = List::new(vec![tablet.certificate(1, Caps::ALL)]).unwrap();
            keys.revoked = List::new(vec![owner.device.public()]).unwrap();
            keys.cut = Some(good.clone());
        })
    };
    let mut never = history.log.clone();
    if never.add(recover(&never, &heads), NOW).is_err() {
        return 0;
    }
    let never = evaluate(&never);
    let added = spree(&mut history, dice, &[victim], TRIES, (1, 2), |_| true);
    let mut after = history.log.clone();
    let thief = owner.at_device(2);
    let stolen = Pen::new(&after, &owner, grant).on(&heads).keys(0, |keys| {
        keys.devices = List::new(vec![thief.certificate(0, Caps::ALL)]).unwrap();
        keys.revoked = List::new(vec![owner.device.public()]).unwrap();
        keys.cut = Some(List::new(vec![history.ids[0]]).unwrap());
    });
    if after.add(stolen, NOW).is_err() {
        return 0;
    }
    let parents: Vec<OpId> = after.heads().into_iter().take(16).collect();
    after.add(recover(&after, &parents), NOW).expect("it could be signed before");
    let after = evaluate(&after);
    assert_eq!(history.roles(&after), history.roles(&never), "P13");
    assert_eq!(after.policy, never.policy, "P13");
    added.len()
}

#[test]
fn no_history_makes_anybody_more_than_the_rules_say() {
    type Property = fn(History, &mut Dice) -> usize;
    let properties: [(&str, Property); 9] = [
        ("P3", the_removed_do_nothing),
        ("P4", a_steward_reaches_nobody_beside_or_above),
        ("P5", members_raise_and_lower_nobody),
        ("P6", a_removal_with_an_early_cut_restores),
        ("P7", no_invite_lifts_a_removal),
        ("P8", invites_keep_to_their_bounds),
        ("P10, P11", every_steward_hangs_from_a_founder),
        ("P12", a_seal_closes_a_leave),
        ("P13", the_next_rung_undoes_a_theft),
    ];
    let mut tried = [(0, 0); 9];
    play("properties", 10, |dice, _| {
        let history = History::random(dice);
        assert_agreed(&history);
        // Two of them in each history.
        for _ in 0..2 {
            let at = dice.below(properties.len());
            let operations = properties[at].1(history.clone(), dice);
            tried[at].0 += usize::from(operations > 0);
            tried[at].1 += operations;
        }
    });
    for ((name, _), (histories, operations)) in properties.iter().zip(tried) {
        eprintln!("{name}: {histories} histories, {operations} operations tried");
    }
}
