//! What persons say of their own keys, and which of it stands (D0, D1, D2).
//!
//! Always true: the ladder is judged from its top. What a higher rung says keeps or drops what
//! lower ones said, never the other way round, so no two statements wait for each other.

use std::collections::BTreeMap;

use super::{
    Keys, Log, OperationRefusal, Place,
    bits::{Bits, both},
};
use crate::{
    id::PersonId,
    key::PublicKey,
    limits,
    person::{Caps, DeviceCert, Inception, Person, PersonRecord, Reveal},
    signed::Verified,
};

/// A person, and what their identity keys have said in one log.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) inception: Inception,
    /// A founding or a join first: Keys need one in their past.
    pub(super) statements: Vec<Statement>,
}

/// What a person's identity key says of their devices, at one place of the log.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// Where it stands.
    pub(super) at: usize,
    /// The rung of the key that says so.
    pub(super) index: u8,
    pub(super) devices: Vec<DeviceCert>,
    pub(super) revoked: Vec<PublicKey>,
    revealed: Vec<(u8, PublicKey)>,
    /// Of Keys: what they keep of the lower rungs and of the devices that they revoke.
    pub(super) kept: Option<Bits>,
}

impl Statement {
    /// What a genesis or a join says.
    pub(super) fn of_record(at: usize, record: &PersonRecord, person: &Person) -> Statement {
        let reveals = record.reveals.iter().filter_map(|signed| signed.read::<Reveal>().ok());
        Statement {
            at,
            index: person.index,
            devices: person.devices.clone(),
            revoked: Vec::new(),
            revealed: reveals.map(|reveal| (reveal.index, reveal.key)).collect(),
            kept: None,
        }
    }
}

/// Checks a Keys operation, which its author's identity key signs (B1), and says what it states.
pub(super) fn check_keys(log: &Log, place: &Place, keys: &Keys) -> Result<Statement, OperationRefusal> {
    let bad = |_| OperationRefusal::BadKeys;
    let (person, signer) = (place.operation.author, place.operation.device);
    let known = log.persons.get(&person).ok_or(OperationRefusal::BadKeys)?;
    let before = || known.statements.iter().filter(|s| place.past.has(s.at));
    // Whether the person is known may depend on nothing but the past.
    if before().next().is_none() {
        return Err(OperationRefusal::BadKeys);
    }
    let mut revealed = Vec::with_capacity(keys.reveals.len());
    for signed in &keys.reveals {
        let reveal = Verified::<Reveal>::check(signed.clone()).map_err(|_| OperationRefusal::BadKeys)?;
        reveal.value.matches(&known.inception).map_err(bad)?;
        if !reveal.signed.signed_only_by(reveal.value.key) {
            return Err(OperationRefusal::BadKeys);
        }
        revealed.push((reveal.value.index, reveal.value.key));
    }
    // The highest, should somebody have put one key on two rungs.
    let all = before().flat_map(|s| &s.revealed).chain(&revealed);
    let index =
        all.filter(|(_, key)| *key == signer).map(|(index, _)| *index).max().ok_or(OperationRefusal::BadKeys)?;
    let mut devices = Vec::with_capacity(keys.devices.len());
    for signed in &keys.devices {
        let cert = Verified::<DeviceCert>::check(signed.clone()).map_err(|_| OperationRefusal::BadKeys)?;
        if cert.value.person != person || cert.value.index != index || !cert.signed.signed_only_by(signer) {
            return Err(OperationRefusal::BadKeys);
        }
        devices.push(cert.value);
    }
    let kept = log.closure(keys.cut.as_deref().unwrap_or(&place.operation.parents));
    let at = log.next_number();
    Ok(Statement { at, index, devices, revoked: keys.revoked.to_vec(), revealed, kept: Some(kept) })
}

/// Of the statements that `seen` has, those that every effective Keys of a higher rung keeps.
pub(super) fn standing_statements(statements: &[Statement], seen: impl Fn(usize) -> bool) -> Vec<&Statement> {
    let mut standing = Vec::new();
    let mut above: Option<Bits> = None;
    for index in (0..limits::LADDER).rev() {
        let mut here = None;
        for statement in statements.iter().filter(|s| usize::from(s.index) == index && seen(s.at)) {
            if above.as_ref().is_none_or(|kept| kept.has(statement.at)) {
                here = both(here, statement.kept.as_ref());
                standing.push(statement);
            }
        }
        above = both(above, here.as_ref());
    }
    standing
}

/// A device of a person, by the statements that stand (D0).
#[derive(Debug, Clone, Default)]
pub(super) struct Device {
    /// Where it is certified.
    pub(super) certs: Vec<(usize, DeviceCert)>,
    /// Where it is revoked.
    pub(super) revoked: Vec<usize>,
    /// What every revocation keeps; `None`: it was never revoked.
    kept: Option<Bits>,
}

impl Device {
    /// D0: whether it speaks for its person at place `at`.
    pub(super) fn good(&self, log: &Log, caps: Caps, at: usize) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.has(at))
            && self.certs.iter().any(|(cert, says)| says.caps.include(caps) && log.past_has(at, *cert))
    }
}

/// The devices of a person by these statements.
pub(super) fn devices(standing: &[&Statement]) -> BTreeMap<PublicKey, Device> {
    let mut devices: BTreeMap<PublicKey, Device> = BTreeMap::new();
    for statement in standing {
        for cert in &statement.devices {
            devices.entry(cert.device).or_default().certs.push((statement.at, cert.clone()));
        }
        for revoked in &statement.revoked {
            let device = devices.entry(*revoked).or_default();
            device.revoked.push(statement.at);
            device.kept = both(device.kept.take(), statement.kept.as_ref());
        }
    }
    devices
}

/// The devices of a person by those statements alone that lie in `seen`; `None` where no Keys lies
/// outside it, and so all of them count.
pub(super) fn devices_within(log: &Log, person: PersonId, seen: &Bits) -> Option<BTreeMap<PublicKey, Device>> {
    let statements = &log.persons.get(&person)?.statements;
    let is_late = statements.iter().any(|statement| statement.kept.is_some() && !seen.has(statement.at));
    is_late.then(|| devices(&standing_statements(statements, |at| seen.has(at))))
}

/// D0 within a past, which nothing that comes later changes: for those who sign a ROOT act beside
/// its author, because the id of the act does not cover who they are.
pub(super) fn good_within(log: &Log, person: PersonId, device: PublicKey, past: &Bits) -> bool {
    let Some(known) = log.persons.get(&person) else { return false };
    let standing = standing_statements(&known.statements, |at| past.has(at));
    let certifies = |s: &&Statement| s.devices.iter().any(|d| d.device == device && d.caps.include(Caps::OPERATIONS));
    standing.iter().any(certifies) && !standing.iter().any(|s| s.revoked.contains(&device))
}
