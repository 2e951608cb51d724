//! What a log says: members, links, invites, policy, epochs; and who may write at which point.

use std::collections::BTreeMap;

use super::{
    Body, FeedEnd, Grant, Keys, LinkCut, LinkEnd, Log, Role, Rule, Subject, WriteRefusal,
    bits::{Bits, both},
    certify::{Device, devices_within},
    evaluate::Fault,
    tree::{Held, Ruling, Target, Tree},
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
    /// Why the others are void.
    pub(super) faults: BTreeMap<usize, Fault>,
    pub(super) tree: Tree,
    /// The grants of each person, by lamport number and id.
    pub(super) grants: BTreeMap<PersonId, Vec<GrantState>>,
    /// Rulings by the person they are on; vouches left out.
    pub(super) rulings: BTreeMap<PersonId, Vec<Ruling>>,
    /// B6: what each of them keeps.
    pub(super) kept: BTreeMap<usize, Bits>,
    pub(super) devices: BTreeMap<PersonId, BTreeMap<PublicKey, Device>>,
    /// The Leaves of each person.
    pub(super) leaves: BTreeMap<PersonId, Vec<usize>>,
}

impl State {
    /// The person's role now (B9).
    #[must_use]
    pub fn role(&self, person: PersonId) -> Role {
        self.grants_of(person).iter().map(GrantState::now).max().unwrap_or_default()
    }

    pub(super) fn grants_of(&self, person: PersonId) -> &[GrantState] {
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

    /// The grant by which the person first came.
    #[must_use]
    pub fn first_grant(&self, person: PersonId) -> Option<Grant> {
        self.grants_of(person).first().map(|grant| grant.id)
    }

    /// The earliest of the grants by which the person has a role now.
    #[must_use]
    pub fn came_by(&self, person: PersonId) -> Option<Grant> {
        self.grants_of(person).iter().find(|grant| grant.now() > Role::None).map(|grant| grant.id)
    }

    /// Whether somebody has no role because they left, and not because a ruling took it away.
    #[must_use]
    pub fn has_left(&self, person: PersonId) -> bool {
        self.role(person) == Role::None
            && self.grants_of(person).iter().any(|grant| !grant.leaves.is_empty() && grant.left > Role::None)
    }

    /// The devices of a person that somebody has revoked.
    #[must_use]
    pub fn revoked(&self, person: PersonId) -> Vec<PublicKey> {
        let devices = self.devices.get(&person).into_iter().flatten();
        devices.filter(|(_, device)| !device.revoked.is_empty()).map(|(key, _)| *key).collect()
    }

    /// Everything in effect that decides which items of a person stand (T4): their grants, the
    /// rulings on them, and what they said of devices that they revoked. Numbers of this node's log.
    #[must_use]
    pub(crate) fn judged_by(&self, person: PersonId) -> Vec<usize> {
        let grants = self.grants_of(person).iter().filter_map(|grant| match grant.held {
            Held::At(at) => Some(at),
            Held::Root | Held::Founder(_) => None,
        });
        let rulings = self.rulings.get(&person).into_iter().flatten().map(|ruling| ruling.at);
        let revoked = self.devices.get(&person).into_iter().flatten().flat_map(|(_, device)| device.revoked.clone());
        let mut all: Vec<usize> = rulings.filter(|at| self.effective.has(*at)).chain(revoked).chain(grants).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// All of whom [`State::judged_by`] says anything.
    pub(crate) fn judged(&self) -> impl Iterator<Item = PersonId> {
        self.grants.keys().chain(self.rulings.keys()).copied().collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// The grant under which `by` could set `person`'s role to `role` now: a steward's, from which
    /// every grant hangs that gives more. None: the root alone could, or nobody.
    #[must_use]
    pub fn grant_over(&self, log: &Log, by: PersonId, person: PersonId, role: Role) -> Option<Grant> {
        if by == person { None } else { self.grant_above(log, by, &self.above(log, person, role)) }
    }

    /// Who could set `person`'s role to `role` now, by one ruling: those for whom there is a
    /// [`State::grant_over`]; where there is nobody, the other founders, as the root.
    #[must_use]
    pub fn entitled(&self, log: &Log, person: PersonId, role: Role) -> Vec<PersonId> {
        let above = self.above(log, person, role);
        let mut entitled: Vec<PersonId> = self.grants.keys().copied().collect();
        entitled.retain(|by| *by != person && self.grant_above(log, *by, &above).is_some());
        if entitled.is_empty() {
            entitled = log.community.founders.iter().map(|founder| founder.id).collect();
            entitled.retain(|founder| *founder != person);
            entitled.sort_unstable();
        }
        entitled
    }

    /// Grants of stewards by which a person has more than `role`, or had before they left: others
    /// take no particular steward to lower.
    fn above<'a>(&self, log: &'a Log, person: PersonId, role: Role) -> Vec<Target<'a>> {
        let above = self.grants_of(person).iter().filter(|grant| grant.left > role && grant.given == Role::Steward);
        above.map(|grant| self.tree.target(log, person, grant.held)).collect()
    }

    fn grant_above(&self, log: &Log, by: PersonId, above: &[Target<'_>]) -> Option<Grant> {
        let covers = |grant: &&GrantState| {
            let branch = self.tree.branch(log, by, grant.held);
            branch.is_some_and(|branch| above.iter().all(|target| target.is_below(&branch)))
        };
        let usable = |grant: &&GrantState| grant.leaves.is_empty() && grant.left == Role::Steward;
        self.grants_of(by).iter().filter(usable).find(covers).map(|grant| grant.id)
    }

    /// Whether somebody left, and no ruling says yet what of their doing stands (B12): what they
    /// sign as if they had not left would still count. A ruling seals it that leaves them the role
    /// that they have now.
    #[must_use]
    pub fn is_unsealed(&self, person: PersonId) -> bool {
        self.unsealed(person).next().is_some()
    }

    /// The leaves that ended a grant which still gives more than the person has now.
    pub(super) fn unsealed(&self, person: PersonId) -> impl Iterator<Item = usize> {
        let role = self.role(person);
        let open = self.grants_of(person).iter().filter(move |grant| grant.left > role);
        open.flat_map(|grant| grant.leaves.iter().copied())
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
        let end = |(_, rule): (usize, &Rule)| rule.feeds.iter().find(|f| f.0 == device && f.1 == scope).cloned();
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
    ) -> impl Iterator<Item = (usize, &'a Rule)> + use<'a> {
        let rule = |at: usize| {
            let place = log.place(at)?;
            if let Body::Rule(rule) = &place.operation.body { Some((at, rule)) } else { None }
        };
        let lowers = move |(at, left)| (left < role).then_some(at);
        self.bearing(log, person, grant.held).filter_map(lowers).filter_map(rule)
    }

    /// Rulings on somebody; vouches left out.
    pub(super) fn rulings_on(&self, person: PersonId) -> &[Ruling] {
        self.rulings.get(&person).map(Vec::as_slice).unwrap_or_default()
    }

    /// B5: the effective rulings that bear on a grant, with the role each leaves.
    pub(super) fn bearing<'a>(
        &'a self,
        log: &'a Log,
        person: PersonId,
        grant: Held,
    ) -> impl Iterator<Item = (usize, Role)> + use<'a> {
        let rulings = self.rulings_on(person);
        self.tree.bearing(log, rulings, person, grant).filter(|(ruling, _)| self.effective.has(*ruling))
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
        let mut refusal = WriteRefusal::UnknownDevice;
        if self.device_chains(log, broker, Caps::ITEMS, &closure, Scope::All).is_ok() {
            refusal = WriteRefusal::RoleTooLow(Role::Member);
        }
        let grants = self.grants_of(broker.0).iter().filter(|grant| grant.applies(Role::Member, &closure));
        let cuts = |grant| self.carrier_cuts(log, broker, grant, &closure);
        grants.filter_map(cuts).min_by_key(Vec::len).ok_or(refusal)
    }

    /// The cuts on what a broker carries under a grant, if the device is good. What rulings do not
    /// keep of the broker's Keys has no say in what they keep: what has been carried is others'.
    fn carrier_cuts(
        &self,
        log: &Log,
        broker: (PersonId, PublicKey),
        grant: &GrantState,
        closure: &Bits,
    ) -> Option<Vec<Vec<LinkCut>>> {
        let (mut seen, mut cuts) = (None, Vec::new());
        for (at, rule) in self.lowering(log, broker.0, grant, Role::Member) {
            seen = both(seen, self.kept.get(&at));
            cuts.push(rule.links.to_vec());
        }
        let others = seen.and_then(|seen| devices_within(log, broker.0, &seen));
        let devices = others.as_ref().or_else(|| self.devices.get(&broker.0))?;
        ends(log, devices, broker.1, Caps::ITEMS, closure, Scope::All).ok().map(|_| cuts)
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
        let devices = self.devices.get(&author.0).ok_or(WriteRefusal::UnknownDevice)?;
        ends(log, devices, author.1, caps, closure, scope)
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

/// Where the chain of `key` must end by the Keys that revoke it, if it is certified in `closure`.
fn ends(
    log: &Log,
    devices: &BTreeMap<PublicKey, Device>,
    key: PublicKey,
    caps: Caps,
    closure: &Bits,
    scope: Scope,
) -> Result<Vec<FeedEnd>, WriteRefusal> {
    let device = devices.get(&key).ok_or(WriteRefusal::UnknownDevice)?;
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
