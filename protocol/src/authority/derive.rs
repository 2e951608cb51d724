//! From what has effect to what the log says: members, links, invites, policy, epochs.
//!
//! Always true: everything is listed by lamport number and id or by name, so that two nodes with
//! the same operations have the same lists (P1).

use std::collections::BTreeMap;

use super::{
    Body, Grant, Log, Place, Role,
    bits::Bits,
    certify::{Device, standing_statements},
    evaluate::Evaluation,
    log::GENESIS,
    state::{EpochState, GrantState, LinkState, Member, State},
    tree::{Held, founding, granted},
};
use crate::{
    epoch::Scope,
    id::PersonId,
    person::{DeviceCert, PersonRecord},
    time::Millis,
};

pub(super) fn derive(evaluation: Evaluation<'_>) -> State {
    let log = evaluation.log;
    let (effective, faults) = evaluation.verdicts();
    let mut in_order = log.in_order();
    in_order.retain(|(at, _)| effective.has(*at));
    let mut state = State::default();
    let mut lowering = Lowering::default();
    derive_grants(&evaluation, &in_order, &mut state, &mut lowering);
    derive_members(&evaluation, &in_order, &mut state);
    derive_links(&in_order, &mut state);
    derive_invites(&evaluation, &in_order, &mut state);
    derive_policy(log, &in_order, &mut state);
    derive_epochs(&in_order, &mut state, &lowering);
    state.effective = effective;
    state.faults = faults;
    state.kept = evaluation.kept;
    state.tree = evaluation.tree;
    state.rulings = evaluation.rulings;
    state.devices = evaluation.devices;
    state.leaves = evaluation.leaves;
    state
}

/// What lowers somebody below those whom an epoch is for (E3).
#[derive(Debug, Default)]
struct Lowering {
    all: Bits,
    inner: Bits,
}

impl Lowering {
    /// Notes what took somebody from one role to another.
    fn note(&mut self, at: usize, from: Role, to: Role) {
        for (floor, lowering) in [(Role::Peripheral, &mut self.all), (Role::Member, &mut self.inner)] {
            if from >= floor && to < floor {
                lowering.insert(at);
            }
        }
    }
}

fn derive_grants(
    evaluation: &Evaluation<'_>,
    in_order: &[(usize, &Place)],
    state: &mut State,
    lowering: &mut Lowering,
) {
    let log = evaluation.log;
    let mut held: BTreeMap<PersonId, Vec<Held>> = BTreeMap::new();
    for founder in &log.community.founders {
        held.entry(founder.id).or_default().extend(founding(log, founder.id));
    }
    for (at, place) in in_order.iter().filter(|(_, place)| place.granted() > Role::None) {
        for person in place.subjects() {
            held.entry(person).or_default().push(Held::At(*at));
        }
    }
    for (person, held) in held {
        let grants: Vec<_> = held.into_iter().map(|grant| grant_state(evaluation, person, grant, lowering)).collect();
        let role = grants.iter().map(GrantState::now).max().unwrap_or_default();
        note_keys(evaluation, person, role, lowering);
        state.grants.insert(person, grants);
    }
}

/// B9: a grant, lowered by every effective ruling that bears on it.
fn grant_state(evaluation: &Evaluation<'_>, person: PersonId, held: Held, lowering: &mut Lowering) -> GrantState {
    let log = evaluation.log;
    let given = granted(log, held);
    let mut left = given;
    for (ruling, role) in evaluation.bearing(person, held) {
        lowering.note(ruling, given, role);
        left = left.min(role);
    }
    let leaves = evaluation.leaves(person, held);
    for leave in &leaves {
        lowering.note(*leave, left, Role::None);
    }
    let id = match held {
        Held::Root => Grant::Root,
        Held::Founder(number) => Grant::Founder(number),
        Held::At(at) => log.place(at).map_or(Grant::Root, |place| Grant::Op(place.id)),
    };
    GrantState { held, id, given, left, leaves }
}

/// Those of somebody with a role who take a device away: by name, or because they drop the
/// statement that certified it.
fn note_keys(evaluation: &Evaluation<'_>, person: PersonId, role: Role, lowering: &mut Lowering) {
    let revoked = evaluation.devices.get(&person).into_iter().flat_map(BTreeMap::values);
    for device in revoked.filter(|device| !device.certs.is_empty()) {
        device.revoked.iter().for_each(|at| lowering.note(*at, role, Role::None));
    }
    let statements = evaluation.log.persons.get(&person).map(|known| known.statements.as_slice()).unwrap_or_default();
    let standing = standing_statements(statements, |_| true);
    if standing.len() < statements.len() {
        for keys in standing {
            let drops = |at: usize| keys.kept.as_ref().is_some_and(|kept| !kept.has(at));
            if statements.iter().any(|s| s.index < keys.index && drops(s.at)) {
                lowering.note(keys.at, role, Role::None);
            }
        }
    }
}

fn derive_members(evaluation: &Evaluation<'_>, in_order: &[(usize, &Place)], state: &mut State) {
    let log = evaluation.log;
    let mut since: BTreeMap<PersonId, Millis> = BTreeMap::new();
    // As they joined last, if that had effect; as they joined first, if no joining had.
    let mut said: BTreeMap<PersonId, (&str, &PersonRecord)> = BTreeMap::new();
    for founder in &log.community.genesis.founders {
        since.insert(founder.0.id(), log.community.genesis.ts);
        said.insert(founder.0.id(), (founder.1.as_str(), &founder.0));
    }
    for (_, place) in in_order.iter().filter(|(_, place)| place.granted() > Role::None) {
        for person in place.subjects() {
            since.entry(person).or_insert(place.operation.ts);
        }
        if let Some(newcomer) = &place.newcomer {
            said.insert(newcomer.person.id, (&newcomer.name, &newcomer.record));
        }
    }
    for newcomer in log.in_order().iter().filter_map(|(_, place)| place.newcomer.as_ref()) {
        said.entry(newcomer.person.id).or_insert((&newcomer.name, &newcomer.record));
    }
    for (person, grants) in &state.grants {
        // A ruling may name somebody of whom no join has come yet.
        let (Some((name, record)), Some(since)) = (said.get(person), since.get(person)) else { continue };
        let role = grants.iter().map(GrantState::now).max().unwrap_or_default();
        let confirmed = grants.iter().any(|grant| grant.now() > Role::None && is_ruling(log, grant));
        let devices = evaluation.devices.get(person).into_iter().flatten();
        let devices = devices.filter_map(|(_, device)| current_cert(log, device)).collect();
        let member =
            Member { role, name: (*name).to_owned(), since: *since, confirmed, devices, record: (*record).clone() };
        state.members.insert(*person, member);
    }
}

fn is_ruling(log: &Log, grant: &GrantState) -> bool {
    match grant.held {
        Held::Root | Held::Founder(_) => true,
        Held::At(at) => log.place(at).is_some_and(|place| matches!(place.operation.body, Body::Rule(_))),
    }
}

/// The newest certificate of a device that nobody has revoked.
fn current_cert(log: &Log, device: &Device) -> Option<DeviceCert> {
    let stated = |at: usize| log.place(at).map(|place| (place.operation.lamport, place.id));
    let newest = device.certs.iter().max_by_key(|(at, cert)| (cert.index, stated(*at), cert.ts, cert.caps, cert.kem));
    newest.filter(|_| device.revoked.is_empty()).map(|(_, cert)| cert.clone())
}

fn derive_links(in_order: &[(usize, &Place)], state: &mut State) {
    for (_, place) in in_order {
        if let Body::Link(terms) = &place.operation.body {
            let (author, terms) = (place.operation.author, terms.clone());
            state.links.push(LinkState { id: place.id, author, terms, ends: Vec::new() });
        }
    }
    // An end may have come without having seen its link.
    for (_, place) in in_order {
        if let Body::LinkEnd(end) = &place.operation.body
            && let Some(link) = state.links.iter_mut().find(|link| link.id == end.link)
        {
            link.ends.push(end.clone());
        }
    }
}

fn derive_invites(evaluation: &Evaluation<'_>, in_order: &[(usize, &Place)], state: &mut State) {
    for (_, place) in in_order {
        if let (Some((id, cert)), Some(newcomer)) = (&place.cert, &place.newcomer) {
            let invite = state.invites.entry(*id).or_default();
            invite.cert = Some(cert.clone());
            if !invite.admitted.contains(&newcomer.person.id) {
                invite.admitted.push(newcomer.person.id);
            }
        }
    }
    for (at, place) in in_order {
        if let Body::InviteEnd(id) = &place.operation.body {
            // Before the certificate has been seen, nobody can tell whose it is.
            let ends = evaluation.cert(*id).is_none_or(|cert| evaluation.ends_cert(*at, cert));
            state.invites.entry(*id).or_default().ended |= ends;
        }
    }
}

/// B13: the least value among those that no later one has replaced.
fn derive_policy(log: &Log, in_order: &[(usize, &Place)], state: &mut State) {
    let mut last: BTreeMap<u16, Vec<(usize, u32)>> = BTreeMap::new();
    for (key, value) in &log.community.genesis.policy {
        last.insert(*key, vec![(GENESIS, *value)]);
    }
    for (at, place) in in_order {
        if let Body::Policy(key, value) = place.operation.body {
            let values = last.entry(key).or_default();
            values.retain(|(earlier, _)| !place.past.has(*earlier));
            values.push((*at, value));
        }
    }
    let least = |values: Vec<(usize, u32)>| values.into_iter().map(|(_, value)| value).min();
    state.policy = last.into_iter().filter_map(|(key, values)| Some((key, least(values)?))).collect();
}

/// E3: an epoch is adequate when its past holds everything effective that takes somebody out of
/// those whom it is for.
fn derive_epochs(in_order: &[(usize, &Place)], state: &mut State, lowering: &Lowering) {
    for (_, place) in in_order {
        if let Body::Epoch(epoch) = &place.operation.body {
            let lowering = match epoch.scope {
                Scope::All => &lowering.all,
                Scope::Inner => &lowering.inner,
            };
            let adequate = place.past.has_all(lowering);
            let (lamport, scope, commit) = (place.operation.lamport, epoch.scope, epoch.commit);
            state.epochs.push(EpochState { id: place.id, lamport, scope, commit, adequate });
        }
    }
}
