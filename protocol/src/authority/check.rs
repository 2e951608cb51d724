//! What is asked of an operation before it is stored (B1).
//!
//! Always true: apart from a full log and a time that has not come yet, the answer depends on the
//! operation and its past alone, so it never changes and is the same on every node (P9).

use super::{
    Body, Grant, Log, Operation, OperationRefusal, Place, Role, Rule, Subject,
    certify::{Statement, check_keys, good_within},
    log::Newcomer,
};
use crate::{
    id::{OpId, PersonId},
    invite::{CheckedJoin, InviteCert},
    key::PublicKey,
    limits,
    person::{Caps, Inception},
    signed::{Signed, Unsound, Verified},
    time::Millis,
};

/// An operation that may be stored, and what it states of somebody's keys.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) place: Place,
    pub(super) stated: Option<(PersonId, Inception, Statement)>,
}

const WRONG_SIGNER: OperationRefusal = OperationRefusal::Unsound(Unsound::WrongSigner);

pub(super) fn check(
    log: &Log,
    id: OpId,
    operation: Verified<Operation>,
    now: Millis,
) -> Result<Checked, OperationRefusal> {
    let Verified { value: op, signed } = operation;
    if op.community != log.id() {
        return Err(OperationRefusal::OtherCommunity);
    }
    if log.len() >= limits::LOG_OPERATIONS {
        return Err(OperationRefusal::LogFull);
    }
    let missing: Vec<OpId> = op.parents.iter().filter(|p| !log.contains(**p)).copied().collect();
    if !missing.is_empty() {
        return Err(OperationRefusal::MissingParents(missing));
    }
    let highest = op.parents.iter().map(|p| log.lamport(*p)).max().unwrap_or(0);
    if highest.checked_add(1) != Some(op.lamport) {
        return Err(OperationRefusal::BadLamport);
    }
    if op.ts > now.after(limits::FUTURE_MS) {
        return Err(OperationRefusal::TooEarly);
    }
    let past = log.closure(&op.parents);
    let mut place = Place { id, operation: op, signed, newcomer: None, cert: None, past };
    check_grant(log, &place, place.operation.author, place.operation.auth, need(&place.operation.body))?;
    let keys = check_signers(log, &place)?;
    let newcomer = check_body(log, &mut place)?;
    let stated = match (keys, &newcomer) {
        (Some(statement), _) => {
            let author = place.operation.author;
            log.persons.get(&author).map(|known| (author, known.inception.clone(), statement))
        }
        (None, Some(newcomer)) => {
            let statement = Statement::of_record(log.next_number(), &newcomer.record, &newcomer.person);
            Some((newcomer.person.id, newcomer.record.inception.clone(), statement))
        }
        (None, None) => None,
    };
    place.newcomer = newcomer;
    Ok(Checked { place, stated })
}

/// The role that an operation of this kind needs. The certificate inside an Admit needs core; it
/// is checked with the Admit.
pub(super) fn need(body: &Body) -> Role {
    match body {
        Body::Rule(_) | Body::Policy(..) | Body::Link(_) | Body::Succeed(_) => Role::Steward,
        // A LinkEnd needs no more of the broker that the link names; whether its author is one is
        // asked when it is evaluated.
        Body::Admit(..) | Body::Epoch(_) | Body::Merge | Body::LinkEnd(_) => Role::Member,
        // Of the inviter; a steward's is asked for when it is evaluated.
        Body::InviteEnd(_) => Role::Core,
        Body::Leave | Body::Keys(_) | Body::Later(_) => Role::None,
    }
}

/// Whether `grant` lies in the past, is `person`'s and gives `need`.
fn check_grant(log: &Log, place: &Place, person: PersonId, grant: Grant, need: Role) -> Result<(), OperationRefusal> {
    let succeeds = matches!(place.operation.body, Body::Succeed(_));
    match grant {
        Grant::Root if succeeds || matches!(place.operation.body, Body::Rule(_)) => Ok(()),
        Grant::Root => Err(OperationRefusal::UnknownGrant),
        // G4: the root alone ends a community.
        _ if succeeds => Err(OperationRefusal::RoleTooLow(need)),
        Grant::Founder(number) => match log.community.founders.get(usize::from(number)) {
            Some(founder) if founder.id == person => Ok(()),
            _ => Err(OperationRefusal::OthersGrant),
        },
        Grant::Op(id) => {
            let before = log.number(id).filter(|at| place.past.has(*at));
            let granting = before.and_then(|at| log.place(at)).ok_or(OperationRefusal::UnknownGrant)?;
            if !granting.gives_to(person) {
                return Err(OperationRefusal::OthersGrant);
            }
            if granting.granted() < need { Err(OperationRefusal::RoleTooLow(need)) } else { Ok(()) }
        }
    }
}

/// The device must be certified for the author in the past, with the bits that the kind needs
/// (D4b); Keys are signed by an identity key instead, and a ROOT act by founders.
fn check_signers(log: &Log, place: &Place) -> Result<Option<Statement>, OperationRefusal> {
    let op = &place.operation;
    if op.auth == Grant::Root {
        return check_root(log, place).map(|()| None);
    }
    if !place.signed.signed_only_by(op.device) {
        return Err(WRONG_SIGNER);
    }
    let caps = match &op.body {
        Body::Keys(keys) => return check_keys(log, place, keys).map(Some),
        Body::Admit(..) => Caps::ADMIT,
        _ => Caps::OPERATIONS,
    };
    if certified(log, place, op.author, op.device, caps) { Ok(None) } else { Err(OperationRefusal::UnknownDevice) }
}

/// At least t distinct founders by devices that are good in the past, the lowest of them named as
/// the author. The id does not cover who signed, so two nodes may hold other signers of one act:
/// what is asked of them is asked here once, and never again.
fn check_root(log: &Log, place: &Place) -> Result<(), OperationRefusal> {
    let op = &place.operation;
    let founders = &log.community.founders;
    let of = |device: PublicKey| founders.iter().position(|f| good_within(log, f.id, device, &place.past));
    let signers: Option<Vec<usize>> = place.signed.signatures.iter().map(|s| of(s.0)).collect();
    let mut signers = signers.ok_or(OperationRefusal::UnknownDevice)?;
    signers.sort_unstable();
    signers.dedup();
    let lowest = signers.first().and_then(|lowest| founders.get(*lowest)).map(|f| f.id);
    let complete = signers.len() >= usize::from(log.community.genesis.threshold)
        && lowest == Some(op.author)
        && place.signed.signed_by(op.device)
        && of(op.device) == signers.first().copied();
    if complete { Ok(()) } else { Err(WRONG_SIGNER) }
}

/// Whether a statement in the past certifies the device with these bits.
fn certified(log: &Log, place: &Place, person: PersonId, device: PublicKey, caps: Caps) -> bool {
    let before = |s: &&Statement| place.past.has(s.at);
    let certifies = |s: &Statement| s.devices.iter().any(|d| d.device == device && d.caps.include(caps));
    log.persons.get(&person).is_some_and(|known| known.statements.iter().filter(before).any(certifies))
}

fn check_body(log: &Log, place: &mut Place) -> Result<Option<Newcomer>, OperationRefusal> {
    match &place.operation.body {
        Body::Rule(rule) => check_rule(log, place, rule),
        Body::Admit(cert, join) => {
            let cert = check_cert(log, place, cert)?;
            let newcomer = check_admitted(place, &cert, join)?;
            place.cert = Some((cert.id().into(), cert.value));
            Ok(Some(newcomer))
        }
        Body::Keys(keys) => check_cut(log, place, keys.cut.as_deref()).map(|()| None),
        Body::Link(terms) if terms.other == log.id() => Err(OperationRefusal::BadSubjects),
        _ => Ok(None),
    }
}

fn check_rule(log: &Log, place: &Place, rule: &Rule) -> Result<Option<Newcomer>, OperationRefusal> {
    check_cut(log, place, rule.cut.as_deref())?;
    let author = place.operation.author;
    // A vouch that takes everything away would vouch for nothing (B14).
    if rule.vouch && rule.role == Role::None {
        return Err(OperationRefusal::BadSubjects);
    }
    if let [Subject::Join(join)] = &*rule.subjects {
        let join = CheckedJoin::check(join.clone(), None).map_err(|_| OperationRefusal::BadJoin)?;
        if join.join.community != log.id() {
            return Err(OperationRefusal::BadJoin);
        }
        return if join.person.id == author { Err(OperationRefusal::BadSubjects) } else { Ok(Some(newcomer(join))) };
    }
    let mut seen = Vec::with_capacity(rule.subjects.len());
    for subject in &rule.subjects {
        match subject {
            Subject::Person(person) if *person != author && !seen.contains(person) => seen.push(*person),
            _ => return Err(OperationRefusal::BadSubjects),
        }
    }
    if rule.role < Role::Member && seen.len() > 1 { Err(OperationRefusal::BadSubjects) } else { Ok(None) }
}

fn check_cut(log: &Log, place: &Place, cut: Option<&[OpId]>) -> Result<(), OperationRefusal> {
    let inside = |id: &OpId| log.number(*id).is_some_and(|at| place.past.has(at));
    if cut.unwrap_or_default().iter().all(inside) { Ok(()) } else { Err(OperationRefusal::BadCut) }
}

/// What of B10 holds of the certificate for ever: its signature, its grant, its window, its one
/// admitter.
fn check_cert(log: &Log, place: &Place, cert: &Signed) -> Result<Verified<InviteCert>, OperationRefusal> {
    let bad = OperationRefusal::BadInvite;
    let cert = Verified::<InviteCert>::check(cert.clone()).map_err(|_| OperationRefusal::BadInvite)?;
    let says = &cert.value;
    check_grant(log, place, says.inviter, says.auth, Role::Core).map_err(|_| OperationRefusal::BadInvite)?;
    let sound = says.community == log.id()
        && cert.signed.signed_only_by(says.device)
        && certified(log, place, says.inviter, says.device, Caps::OPERATIONS)
        && (says.not_before..=says.not_after).contains(&place.operation.ts)
        && says.only.is_none_or(|only| only == place.operation.author);
    if sound { Ok(cert) } else { Err(bad) }
}

impl Log {
    /// Whether an invite is of somebody whom this log knows: signed by a device of theirs, under a
    /// grant that may invite. What has become of either since is another question.
    #[must_use]
    pub fn knows_inviter(&self, cert: &Verified<InviteCert>) -> bool {
        let says = &cert.value;
        let certifies =
            |s: &Statement| s.devices.iter().any(|d| d.device == says.device && d.caps.include(Caps::OPERATIONS));
        let device = self.persons.get(&says.inviter).is_some_and(|known| known.statements.iter().any(certifies));
        let grant = match says.auth {
            Grant::Root => false,
            Grant::Founder(number) => {
                self.community.founders.get(usize::from(number)).is_some_and(|founder| founder.id == says.inviter)
            }
            Grant::Op(id) => {
                self.get(id).is_some_and(|place| place.gives_to(says.inviter) && place.granted() >= Role::Core)
            }
        };
        says.community == self.id() && cert.signed.signed_only_by(says.device) && device && grant
    }
}

fn check_admitted(place: &Place, cert: &Verified<InviteCert>, join: &Signed) -> Result<Newcomer, OperationRefusal> {
    let join = CheckedJoin::check(join.clone(), Some(cert)).map_err(|_| OperationRefusal::BadJoin)?;
    if join.person.id == place.operation.author || join.person.id == cert.value.inviter {
        return Err(OperationRefusal::BadSubjects);
    }
    Ok(newcomer(join))
}

fn newcomer(join: CheckedJoin) -> Newcomer {
    Newcomer { person: join.person, name: join.join.name.as_str().to_owned(), record: join.join.person }
}
