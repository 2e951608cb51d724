//! Proofs of what may cross a border, put together from a community's log (8.3).
//!
//! Leaves to others: checking them (`link::ProofBundle`). Always true: a bundle names nobody but the author, the brokers
//! of its link, and the stewards above what it shows.

use std::collections::BTreeSet;

use super::{Engine, Standing};
use crate::{
    authority::{Body, Grant, Keys, Role, Rule, Subject},
    bytes::List,
    encoding::V1,
    id::{OpId, PersonId},
    limits,
    link::{Direction, LinkTerms, ProofBundle, RelayRefusal},
    person::{PersonRecord, Reveal},
    signed::Signed,
};

/// What a bundle shows of an item's author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// The role that the link asks for: items and edits.
    AsLinked,
    /// Their devices alone: retractions.
    Devices,
    /// That they are a steward: recalls.
    Steward,
}

/// The proof for a crossing by a link: the link, the grants above its author, and what shows the item's author; for a
/// recall also what has ended the link, or its brokers' mandate.
///
/// # Errors
/// Why there is none.
pub(super) fn bundle(
    leaving: &Standing,
    link: OpId,
    (author, shown): (PersonId, Author),
) -> Result<ProofBundle, RelayRefusal> {
    let place = leaving.log.get(link).ok_or(RelayRefusal::NoOutLink)?;
    let Body::Link(terms) = &place.operation.body else { return Err(RelayRefusal::NoOutLink) };
    let Direction::Out { min_author_role } = terms.direction else { return Err(RelayRefusal::NoOutLink) };
    let ruled = |role| leaving.state.ruled_grant(&leaving.log, author, role).ok_or(RelayRefusal::AuthorNotConfirmed);
    let mut shows = BTreeSet::from([link]);
    let mut grants = vec![place.operation.auth];
    match shown {
        Author::AsLinked => grants.push(ruled(min_author_role)?),
        Author::Devices => {}
        Author::Steward => {
            grants.push(ruled(Role::Steward)?);
            for (id, grant) in endings(leaving, link, terms) {
                shows.insert(id);
                grants.push(grant);
            }
        }
    }
    for grant in grants {
        shows.extend(Engine::grant_path(leaving, grant).ok_or(RelayRefusal::BadProof)?);
    }
    let places: Vec<_> = shows.iter().filter_map(|id| leaving.log.get(*id)).collect();
    let people: BTreeSet<PersonId> = places.iter().map(|place| place.operation.author).chain([author]).collect();
    let bundle = ProofBundle {
        version: V1,
        genesis: leaving.log.community().signed.clone(),
        operations: List::new(places.into_iter().map(|place| place.signed.clone()).collect())
            .map_err(|_| RelayRefusal::BadProof)?,
        persons: List::new(people.into_iter().filter_map(|person| record(leaving, person)).collect())
            .map_err(|_| RelayRefusal::BadProof)?,
    };
    if bundle.to_bytes().len() > limits::BUNDLE_BYTES { Err(RelayRefusal::BadProof) } else { Ok(bundle) }
}

/// The operations that have ended a link, or lowered one of its brokers below a member, the newest of them, each with
/// the grant that it was signed under.
fn endings(leaving: &Standing, link: OpId, terms: &LinkTerms) -> Vec<(OpId, Grant)> {
    let ends = |body: &Body| match body {
        Body::LinkEnd(end) => end.link == link,
        Body::Rule(rule) => rule.role < Role::Member && terms.brokers.iter().any(|broker| is_on(rule, *broker)),
        _ => false,
    };
    let mut found: Vec<_> = leaving
        .log
        .operations()
        .filter(|place| ends(&place.operation.body) && leaving.state.is_effective(&leaving.log, place.id))
        .map(|place| (place.operation.lamport, place.id, place.operation.auth))
        .collect();
    found.sort_unstable_by_key(|(lamport, id, _)| std::cmp::Reverse((*lamport, *id)));
    found.truncate(limits::BUNDLE_ENDS);
    found.into_iter().map(|(_, id, auth)| (id, auth)).collect()
}

fn is_on(rule: &Rule, person: PersonId) -> bool {
    rule.subjects.iter().any(|subject| matches!(subject, Subject::Person(named) if *named == person))
}

/// All that a log shows of a person's keys and devices; none for a founder of whom the genesis shows as much.
fn record(leaving: &Standing, person: PersonId) -> Option<PersonRecord> {
    let mut record = leaving.state.members.get(&person)?.record.clone();
    let (mut reveals, mut devices) = (record.reveals.to_vec(), record.devices.to_vec());
    let (known_reveals, known_devices) = (reveals.len(), devices.len());
    for place in leaving.log.operations().filter(|place| place.operation.author == person) {
        let Body::Keys(Keys { reveals: more, devices: certified, .. }) = &place.operation.body else { continue };
        if leaving.state.is_effective(&leaving.log, place.id) {
            add(&mut reveals, more, |signed| signed.read::<Reveal>().ok().map(|reveal| reveal.index));
            add(&mut devices, certified, |signed| Some(signed.clone()));
        }
    }
    let is_founder = leaving.log.community().founder(person).is_some();
    if is_founder && (reveals.len(), devices.len()) == (known_reveals, known_devices) {
        return None;
    }
    // The newest, where there are more than a record holds.
    devices.drain(..devices.len().saturating_sub(limits::DEVICES));
    record.reveals = List::new(reveals).ok()?;
    record.devices = List::new(devices).ok()?;
    Some(record)
}

/// Adds those that are not there yet, by what tells them apart.
fn add<T: PartialEq>(known: &mut Vec<Signed>, more: &[Signed], name: impl Fn(&Signed) -> T) {
    for signed in more {
        if !known.iter().any(|other| name(other) == name(signed)) {
            known.push(signed.clone());
        }
    }
}
