//! What stewards should hear of (4.4): what lapsed, what was meant and has no effect, what looks
//! like a copied device, what is still open.
//!
//! Says what the log says, and decides nothing. Always true: the same findings in the same order
//! whatever the order in which the operations came; each goes away by an operation that somebody
//! can sign.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Body, Grant, Log, Place, Role, State,
    evaluate::Fault,
    log::Newcomer,
    state::GrantState,
    tree::{Held, Ruling, Target, held},
};
use crate::{
    id::{CertId, OpId, PersonId},
    key::PublicKey,
};

/// Why an admission has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Who admitted is no member there: ruled out, gone, or in by an admission that lapsed itself.
    /// Any other member may admit with the same join.
    AdmitterRemoved,
    /// Who invited may not invite there any more. It takes another invite.
    InviterRemoved,
    /// The invite was ended by somebody who had not seen the admission.
    InviteEnded,
    /// The invite had been used up before.
    OverUsed,
    /// Its author admitted somebody else beside it, with the same invite. Any other member may
    /// admit with the same join.
    SelfConcurrent,
    /// The device of the admitter or of the inviter was revoked.
    DeviceRevoked,
}

/// Something that the log shows and that somebody may want to act on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Somebody was admitted and has no role, because the admission lapsed. Ends when they are
    /// admitted or ruled in again, or when a ruling on them has seen it.
    LapsedAdmission {
        /// Their last admission.
        admit: OpId,
        /// Who.
        person: PersonId,
        /// The name that they joined with.
        name: String,
        /// Why it lapsed.
        cause: Cause,
    },
    /// A ruling that would leave somebody less than they have has no effect, because its author
    /// was ruled out by somebody who had not seen it (11.7). Whoever is [`State::entitled`] may
    /// affirm it. Ends by any later ruling on them, but for a vouch.
    LapsedRemoval {
        /// The ruling.
        ruling: OpId,
        /// Its author.
        by: PersonId,
        /// On whom.
        person: PersonId,
        /// The role that it would leave.
        role: Role,
        /// The role that they have.
        role_now: Role,
    },
    /// An invite has let more people in than it has uses, by members who did not know of each
    /// other (11.3). Ends when few enough of them are left, or a steward has confirmed them all.
    OverUsedInvite {
        /// Which.
        cert: CertId,
        /// For how many it is.
        max_uses: u32,
        /// Those whom it admitted and who have a role.
        used: u32,
    },
    /// A ruling on a steward by somebody whose grant is not above theirs: it does nothing, and may
    /// be meant as a request to those who can (11.1). Ends when it came about, or by a later
    /// ruling on them by somebody who could.
    Motion {
        /// The ruling.
        ruling: OpId,
        /// Its author.
        by: PersonId,
        /// On whom.
        person: PersonId,
        /// The role that it would leave.
        role: Role,
        /// Who could do so: each alone, or the founders as the root ([`State::entitled`]).
        entitled: Vec<PersonId>,
    },
    /// A device of a member has signed two operations neither of which knew of the other: perhaps
    /// there are two of it. Ends when the device is revoked or its person has no role.
    SelfConcurrent {
        /// Whose.
        person: PersonId,
        /// Which.
        device: PublicKey,
        /// The lower of the first such pair.
        first: OpId,
        /// The other.
        second: OpId,
    },
    /// Somebody left, and no ruling says yet what of their doing stands (B12). Ends by a ruling
    /// that leaves them the role that they have now.
    UnsealedLeave {
        /// Who.
        person: PersonId,
        /// Their Leave.
        leave: OpId,
    },
}

/// All that the log shows, by the lamport number and id of the operations that show it.
#[must_use]
pub fn findings(log: &Log, state: &State) -> Vec<Finding> {
    let mut found = Found { log, state, higher: BTreeMap::new(), fallen: BTreeMap::new(), all: Vec::new() };
    let in_order = log.in_order();
    found.lapsed_admissions(&in_order);
    found.over_used_invites(&in_order);
    found.rulings(&in_order);
    found.concurrent_devices(&in_order);
    found.unsealed_leaves();
    found.all.sort_unstable();
    found.all.into_iter().map(|(_, _, finding)| finding).collect()
}

struct Found<'a> {
    log: &'a Log,
    state: &'a State,
    /// The grants of those on whom there are rulings, with the role that each gives now.
    higher: BTreeMap<PersonId, Vec<(Role, Target<'a>)>>,
    fallen: BTreeMap<usize, usize>,
    all: Vec<(u32, OpId, Finding)>,
}

impl<'a> Found<'a> {
    fn note(&mut self, place: &Place, finding: Finding) {
        self.all.push((place.operation.lamport, place.id, finding));
    }

    fn lapsed_admissions(&mut self, in_order: &[(usize, &Place)]) {
        let mut last: BTreeMap<PersonId, (&Place, &Newcomer, Cause)> = BTreeMap::new();
        for (at, place) in in_order.iter().filter(|(_, place)| place.cert.is_some()) {
            let cause = self.state.faults.get(at).and_then(|fault| cause(*fault));
            if let (Some(newcomer), Some(cause)) = (&place.newcomer, cause)
                && self.would_admit(*at, newcomer.person.id)
            {
                last.insert(newcomer.person.id, (place, newcomer, cause));
            }
        }
        for (person, (place, newcomer, cause)) in last {
            let (admit, name) = (place.id, newcomer.name.clone());
            self.note(place, Finding::LapsedAdmission { admit, person, name, cause });
        }
    }

    /// Whether an admission would give a role to somebody who has none, had it effect: they did not
    /// leave since, and no ruling took it or has seen it.
    fn would_admit(&self, at: usize, person: PersonId) -> bool {
        let (log, state) = (self.log, self.state);
        let is_over = |leave: &usize| state.effective.has(*leave) && !log.past_has(at, *leave);
        state.role(person) == Role::None
            && !state.bearing(log, person, Held::At(at)).any(|(_, left)| left == Role::None)
            && !self.is_ruled_later(person, at, |_| true)
            && !state.leaves.get(&person).into_iter().flatten().any(is_over)
    }

    fn over_used_invites(&mut self, in_order: &[(usize, &Place)]) {
        let mut first: BTreeMap<CertId, (&Place, u32)> = BTreeMap::new();
        for (at, place) in in_order {
            if let (Some((id, cert)), true) = (&place.cert, self.state.effective.has(*at)) {
                first.entry(*id).or_insert((place, cert.max_uses));
            }
        }
        for (cert, (place, max_uses)) in first {
            let Some(invite) = self.state.invites.get(&cert) else { continue };
            let members = invite.admitted.iter().filter_map(|person| self.state.members.get(person));
            let members: Vec<_> = members.filter(|member| member.role > Role::None).collect();
            let used = u32::try_from(members.len()).unwrap_or(u32::MAX);
            if used > max_uses && !members.iter().all(|member| member.confirmed) {
                self.note(place, Finding::OverUsedInvite { cert, max_uses, used });
            }
        }
    }

    /// Rulings that do not do what they were meant to. Of several by one author on one person to
    /// one effect, the last.
    fn rulings(&mut self, in_order: &[(usize, &Place)]) {
        let (mut lapsed, mut motions) = (BTreeMap::new(), BTreeMap::new());
        for (at, place) in in_order {
            let Some(ruling) = self.state.tree.ruling(*at, place) else { continue };
            let is_effective = self.state.effective.has(*at);
            if !is_effective && !self.lapsed_unseen(*at) {
                continue;
            }
            for person in place.subjects() {
                let key = (place.operation.author, person, ruling.left);
                if is_effective && self.is_motion(person, &ruling, place) {
                    motions.insert(key, (place, ruling.clone()));
                } else if !is_effective && self.higher(person, ruling.left).any(|g| g.left_by(&ruling).is_some()) {
                    lapsed.insert(key, (place, ruling.clone()));
                }
            }
        }
        for ((by, person, role), (place, ruling)) in lapsed {
            if !self.is_ruled_later(person, ruling.at, |_| true) {
                let role_now = self.state.role(person);
                self.note(place, Finding::LapsedRemoval { ruling: place.id, by, person, role, role_now });
            }
        }
        for ((by, person, role), (place, ruling)) in motions {
            let beyond: Vec<Target<'_>> = self.beyond(person, &ruling).cloned().collect();
            if !self.is_ruled_later(person, ruling.at, |later| beyond.iter().all(|target| target.is_under(later))) {
                let entitled = self.state.entitled(self.log, person, role);
                self.note(place, Finding::Motion { ruling: place.id, by, person, role, entitled });
            }
        }
    }

    /// Whether all that makes a ruling void are rulings that had not seen it and that it had not
    /// seen: not what was taken back on purpose, nor what somebody signed who knew better.
    fn lapsed_unseen(&mut self, at: usize) -> bool {
        let (log, state) = (self.log, self.state);
        let fallen = self.fallen(at);
        let Some(op) = log.place(fallen).map(|place| &place.operation) else { return false };
        let (Some(Fault::Ruled), Some(grant)) = (state.faults.get(&fallen), held(log, op.auth)) else { return false };
        let drops = |ruling: usize| state.kept.get(&ruling).is_some_and(|kept| !kept.has(fallen));
        let apart = |ruling| !log.past_has(ruling, at) && !log.past_has(at, ruling);
        let mut bearing = state.bearing(log, op.author, grant);
        bearing.all(|(ruling, left)| left == Role::Steward || !drops(ruling) || apart(ruling))
    }

    /// The void ruling that made this one void, or itself: the highest of the grants that it hangs
    /// from, and that have no effect. Asked parents first, so that it is known for what it cites.
    fn fallen(&mut self, at: usize) -> usize {
        let auth = self.log.place(at).and_then(|place| held(self.log, place.operation.auth));
        let fallen = match (self.state.faults.get(&at), auth) {
            (Some(Fault::Grant), Some(Held::At(granting))) => self.fallen.get(&granting).copied().unwrap_or(granting),
            _ => at,
        };
        self.fallen.insert(at, fallen);
        fallen
    }

    /// Whether a ruling leaves alone what it was meant to lower: a grant of a steward who is not
    /// below its author, of whom the author had seen that they have more than it would leave.
    fn is_motion(&mut self, person: PersonId, ruling: &Ruling, place: &Place) -> bool {
        let had = |held: Held| if let Held::At(at) = held { place.past.has(at) } else { true };
        let grants = self.state.grants_of(person);
        self.beyond(person, ruling).next().is_some()
            && grants.iter().any(|grant| grant.given > ruling.left && had(grant.held))
    }

    /// The grants that a ruling would lower, were it entitled to.
    fn beyond(&mut self, person: PersonId, ruling: &Ruling) -> impl Iterator<Item = &Target<'a>> {
        self.higher(person, ruling.left).filter(|target| target.is_meant_by(ruling) && !target.is_under(ruling))
    }

    /// The grants by which the person has more than `role`.
    fn higher(&mut self, person: PersonId, role: Role) -> impl Iterator<Item = &Target<'a>> {
        let (log, state) = (self.log, self.state);
        let target = |grant: &GrantState| (grant.now(), state.tree.target(log, person, grant.held));
        let all = || state.grants_of(person).iter().map(target).collect();
        let higher = self.higher.entry(person).or_insert_with(all).iter().filter(move |(now, _)| *now > role);
        higher.map(|(_, target)| target)
    }

    /// Whether an effective ruling on the person that `counts` has seen this operation.
    fn is_ruled_later(&self, person: PersonId, at: usize, counts: impl Fn(&Ruling) -> bool) -> bool {
        let is_later = |ruling: &Ruling| self.state.effective.has(ruling.at) && self.log.past_has(ruling.at, at);
        self.state.rulings_on(person).iter().rev().any(|ruling| is_later(ruling) && counts(ruling))
    }

    /// Keys are by an identity key, and an act of ROOT waits for signatures: neither shows a copy.
    fn concurrent_devices(&mut self, in_order: &[(usize, &Place)]) {
        let mut last: BTreeMap<(PersonId, PublicKey), Option<(usize, OpId)>> = BTreeMap::new();
        for (at, place) in in_order {
            let op = &place.operation;
            if matches!(op.body, Body::Keys(_)) || op.auth == Grant::Root {
                continue;
            }
            let (person, device) = (op.author, op.device);
            // The earlier one, none once a pair has been found.
            let earlier = last.entry((person, device)).or_insert(Some((*at, place.id)));
            let Some((before, first)) = *earlier else { continue };
            let is_apart = before != *at && !place.past.has(before);
            *earlier = (!is_apart).then_some((*at, place.id));
            if is_apart && self.state.role(person) > Role::None && self.state.device(person, device).is_some() {
                self.note(place, Finding::SelfConcurrent { person, device, first, second: place.id });
            }
        }
    }

    fn unsealed_leaves(&mut self) {
        for person in self.state.grants.keys() {
            let leaves: BTreeSet<usize> = self.state.unsealed(*person).collect();
            for place in leaves.into_iter().filter_map(|leave| self.log.place(leave)) {
                self.note(place, Finding::UnsealedLeave { person: *person, leave: place.id });
            }
        }
    }
}

/// Why an admission lapsed, by the clause that it fails.
fn cause(fault: Fault) -> Option<Cause> {
    match fault {
        Fault::Role | Fault::Grant | Fault::Ruled | Fault::Left => Some(Cause::AdmitterRemoved),
        Fault::Inviter => Some(Cause::InviterRemoved),
        Fault::Ended => Some(Cause::InviteEnded),
        Fault::UsedUp => Some(Cause::OverUsed),
        Fault::Twice => Some(Cause::SelfConcurrent),
        Fault::Device => Some(Cause::DeviceRevoked),
        Fault::Kind | Fault::Rung => None,
    }
}
