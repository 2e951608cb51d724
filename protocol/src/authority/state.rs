//! What a log says: members, links, invites, policy, epochs; and who may write at which point.

use std::collections::BTreeMap;

use super::{
    Body, FeedEnd, Grant, Keys, LinkCut, LinkEnd, Log, Role, Rule, Subject, WriteRefusal,
    bits::Bits,
    evaluate::Device,
    tree::{Held, Ruling, Tree},
};
use crate::{
    bytes::Bytes,
    epoch::Scope,
    id::{CertId, OpId, PersonId},
    invite::InviteCert,
    key::PublicKey,
    link::LinkTerms,
    person::{Caps, DeviceCert, PersonRecord},
    time::Millis,
};

/// A person with a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The role (B9); [`Role::None`] for those who had one.
    pub role: Role,
    /// The name that they joined with.
    pub name: String,
    /// When they came, as their first grant claims.
    pub since: Millis,
    /// Whether their standing hangs on a steward's grant (B14).
    pub confirmed: bool,
    /// The devices that are certified and not revoked.
    pub devices: Vec<DeviceCert>,
    /// The record that they founded or joined with.
    pub record: PersonRecord,
}

/// A link of this community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Its id.
    pub id: OpId,
    /// Who made it.
    pub author: PersonId,
    /// Its terms.
    pub terms: LinkTerms,
    /// The operations that ended it, with the envelopes that stand.
    pub ends: Vec<LinkEnd>,
}

/// An invite that somebody used or ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InviteState {
    /// Its certificate, once an Admit has shown it.
    pub cert: Option<InviteCert>,
    /// Those whom it admitted.
    pub admitted: Vec<PersonId>,
    /// Whether it was ended.
    pub ended: bool,
}

/// An epoch of this community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochState {
    /// The operation.
    pub id: OpId,
    /// What orders epochs (E3).
    pub lamport: u32,
    /// Whom it is for.
    pub scope: Scope,
    /// The commitment to its key.
    pub commit: Bytes<32>,
    /// Whether it was made in knowledge of everything that lowers a role (E3).
    pub adequate: bool,
}

/// Whether an item may stand (T4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writing {
    /// It may.
    Allowed,
    /// It may if it is on each of the chains that end here.
    OnChains(Vec<FeedEnd>),
}

/// A grant that has effect.
#[derive(Debug, Clone)]
pub(super) struct GrantState {
    pub(super) held: Held,
    pub(super) id: Grant,
    /// The role that it gives.
    pub(super) given: Role,
    /// The role that effective rulings leave of it.
    pub(super) left: Role,
    /// Leaves that end it.
    pub(super) leaves: Vec<usize>,
}

/// Everything that the log says. A function of the set of operations.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// All who have or had a role.
    pub members: BTreeMap<PersonId, Member>,
    /// Links that have effect.
    pub links: Vec<LinkState>,
    /// Invites that left a trace in the log.
    pub invites: BTreeMap<CertId, InviteState>,
    /// Policy values (B13).
    pub policy: BTreeMap<u16, u32>,
    /// Epochs that have effect.
    pub epochs: Vec<EpochState>,
    pub(super) effective: Bits,
    pub(super) tree: Tree,
    /// The grants of each person, by lamport number and id.
    pub(super) grants: BTreeMap<PersonId, Vec<GrantState>>,
    /// Rulings by the person they are on; vouches left out.
    pub(super) rulings: BTreeMap<PersonId, Vec<Ruling>>,
    pub(super) devices: BTreeMap<PersonId, BTreeMap<PublicKey, Device>>,
}

impl State {
    /// The person's role now (B9).
    #[must_use]
    pub fn role(&self, person: PersonId) -> Role {
        self.grants_of(person).iter().map(GrantState::now).max().unwrap_or_default()
    }

    fn grants_of(&self, person: PersonId) -> &[GrantState] {
        self.grants.get(&person).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the operation has effect.
    #[must_use]
    pub fn is_effective(&self, log: &Log, id: OpId) -> bool {
        log.number(id).is_some_and(|at| self.effective.has(at))
    }

    /// A grant under which the person may act now with at least `role`: the highest, then the
    /// earliest.
    #[must_use]
    pub fn grant(&self, person: PersonId, role: Role) -> Option<Grant> {
        let usable = self.grants_of(person).iter().filter(|grant| grant.leaves.is_empty() && grant.left >= role);
        usable.rev().max_by_key(|grant| grant.given).map(|grant| grant.id)
    }

    /// A grant of at least `role` that a proof can show (8.3): a founder's, or a ruling on this
    /// person alone; not an admission.
    #[must_use]
    pub fn ruled_grant(&self, log: &Log, person: PersonId, role: Role) -> Option<Grant> {
        let shows = |grant: &&GrantState| match grant.held {
            Held::Root | Held::Founder(_) => true,
            Held::At(at) => match log.place(at).map(|place| &place.operation.body) {
                Some(Body::Rule(rule)) => matches!(&*rule.subjects, [Subject::Person(only)] if *only == person),
                _ => false,
            },
        };
        let usable = |grant: &&GrantState| grant.leaves.is_empty() && grant.left >= role;
        self.grants_of(person).iter().filter(usable).find(shows).map(|grant| grant.id)
    }

    /// The device's certificate, if it speaks for the person now.
    #[must_use]
    pub fn device(&self, person: PersonId, device: PublicKey) -> Option<&DeviceCert> {
        self.members.get(&person)?.devices.iter().find(|cert| cert.device == device)
    }

    /// Members with a role, and their devices.
    pub fn current(&self) -> impl Iterator<Item = (&PersonId, &Member)> {
        self.members.iter().filter(|(_, member)| member.role > Role::None)
    }

    /// The link of this id, if it has effect at `heads`.
    #[must_use]
    pub fn link_at(&self, log: &Log, id: OpId, heads: &[OpId]) -> Option<&LinkState> {
        let closure = log.closure(heads);
        self.links.iter().find(|link| link.id == id && log.number(id).is_some_and(|at| closure.has(at)))
    }

    /// T4, on the log's side: whether somebody may write, at the position that `heads` name, what
    /// needs `role`. [`Role::None`] asks for the device alone: an author's own tombstone.
    ///
    /// # Errors
    /// [`WriteRefusal`].
    pub fn may_write(
        &self,
        log: &Log,
        author: (PersonId, PublicKey),
        heads: &[OpId],
        scope: Scope,
        role: Role,
    ) -> Result<Writing, WriteRefusal> {
        let closure = known_closure(log, heads)?;
        let mut chains = self.device_chains(log, author, Caps::ITEMS, &closure, scope)?;
        if role > Role::None {
            chains.extend(self.grant_chains(log, author, &closure, scope, role).ok_or(WriteRefusal::RoleTooLow(role))?);
        }
        Ok(if chains.is_empty() { Writing::Allowed } else { Writing::OnChains(chains) })
    }

    /// Where the author's chain must end under the grant that lets it reach furthest.
    fn grant_chains(
        &self,
        log: &Log,
        author: (PersonId, PublicKey),
        closure: &Bits,
        scope: Scope,
        role: Role,
    ) -> Option<Vec<FeedEnd>> {
        let (person, device) = author;
        let end = |rule: &Rule| rule.feeds.iter().find(|f| f.0 == device && f.1 == scope).cloned();
        let grants = self.grants_of(person).iter().filter(|grant| grant.applies(role, closure));
        let ends =
            grants.filter_map(|grant| self.lowering(log, person, grant, role).map(end).collect::<Option<Vec<_>>>());
        // The last of equals is the earliest grant.
        ends.collect::<Vec<_>>()
            .into_iter()
            .rev()
            .max_by_key(|ends| ends.iter().map(|end| end.2).min().unwrap_or(u32::MAX))
    }

    /// The effective rulings that leave less than `role` of a grant.
    fn lowering<'a>(
        &'a self,
        log: &'a Log,
        person: PersonId,
        grant: &GrantState,
        role: Role,
    ) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let target = self.tree.target(log, person, grant.held);
        let rulings = self.rulings.get(&person).map(Vec::as_slice).unwrap_or_default();
        let bears = move |ruling: &&Ruling| target.left_by(ruling).is_some_and(|left| left < role);
        let rule = |ruling: &Ruling| match &log.place(ruling.at)?.operation.body {
            Body::Rule(rule) => Some(rule),
            _ => None,
        };
        rulings.iter().filter(|ruling| self.effective.has(ruling.at)).filter(bears).filter_map(rule)
    }

    /// Whether the broker could carry at the position that `heads` name (R4); with the cuts that
    /// the envelope must then be within (R7).
    ///
    /// # Errors
    /// [`WriteRefusal`].
    pub fn may_carry(
        &self,
        log: &Log,
        broker: (PersonId, PublicKey),
        heads: &[OpId],
    ) -> Result<Vec<Vec<LinkCut>>, WriteRefusal> {
        let closure = known_closure(log, heads)?;
        self.device_chains(log, broker, Caps::ITEMS, &closure, Scope::All)?;
        let grants = self.grants_of(broker.0).iter().filter(|grant| grant.applies(Role::Member, &closure));
        let cuts = |grant| {
            self.lowering(log, broker.0, grant, Role::Member).map(|rule| rule.links.to_vec()).collect::<Vec<_>>()
        };
        grants.map(cuts).min_by_key(Vec::len).ok_or(WriteRefusal::RoleTooLow(Role::Member))
    }

    /// D0 for what is not in the log: certified before, and on the chain of every revocation.
    fn device_chains(
        &self,
        log: &Log,
        author: (PersonId, PublicKey),
        caps: Caps,
        closure: &Bits,
        scope: Scope,
    ) -> Result<Vec<FeedEnd>, WriteRefusal> {
        let (person, key) = author;
        let device =
            self.devices.get(&person).and_then(|devices| devices.get(&key)).ok_or(WriteRefusal::UnknownDevice)?;
        if !device.certs.iter().any(|(at, cert)| cert.caps.include(caps) && closure.has(*at)) {
            return Err(WriteRefusal::UnknownDevice);
        }
        let end = |keys: &Keys| keys.feeds.iter().find(|f| f.0 == key && f.1 == scope).cloned();
        let end_at = |at: &usize| match &log.place(*at)?.operation.body {
            Body::Keys(keys) => end(keys),
            _ => None,
        };
        device.revoked.iter().map(|at| end_at(at).ok_or(WriteRefusal::UnknownDevice)).collect()
    }
}

impl GrantState {
    /// The role that it gives now.
    pub(super) fn now(&self) -> Role {
        if self.leaves.is_empty() { self.left } else { Role::None }
    }

    /// B7, but for the rulings: whether it is a grant of `role` at this position, before any leave.
    fn applies(&self, role: Role, closure: &Bits) -> bool {
        let before = match self.held {
            Held::At(at) => closure.has(at),
            Held::Root | Held::Founder(_) => true,
        };
        self.given >= role && before && !self.leaves.iter().any(|leave| closure.has(*leave))
    }
}

fn known_closure(log: &Log, heads: &[OpId]) -> Result<Bits, WriteRefusal> {
    let missing: Vec<OpId> = heads.iter().filter(|id| !log.contains(**id)).copied().collect();
    if missing.is_empty() { Ok(log.closure(heads)) } else { Err(WriteRefusal::MissingHeads(missing)) }
}
