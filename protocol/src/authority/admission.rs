//! Which admissions have effect, and which ends of invites (B10, B11).
//!
//! The passes 3 and 4 of an [`Evaluation`]: what rests on an admission is asked parents first, and
//! B10 (5), which looks sideways, in a pass of its own.

use std::collections::BTreeSet;

use super::{
    Place, Role,
    evaluate::{Clause, Evaluation, Fault},
    tree::held,
};
use crate::{
    id::{CertId, PersonId},
    invite::InviteCert,
    person::Caps,
};

impl<'a> Evaluation<'a> {
    /// Passes 3 and 4.
    pub(super) fn decide_admits(&mut self) {
        let log = self.log;
        for (at, place) in log.numbered() {
            if let Some((id, cert)) = &place.cert {
                match self.admissible(at, place, (*id, cert)) {
                    Ok(()) => self.admissible.insert(at),
                    void => self.settle(at, void),
                }
            }
        }
        for (at, place) in log.numbered() {
            if let Some((id, _)) = &place.cert
                && self.admissible.has(at)
            {
                let acts = self.acts(at, place, Role::Member, Clause::Whole);
                let twice = self.admits_twice(at, place, *id);
                self.settle(at, if twice { acts.and(Err(Fault::Twice)) } else { acts });
            }
        }
    }

    /// B10, (5) left out: the admitter's grant, the inviter's, the ends, the uses.
    fn admissible(&mut self, at: usize, place: &Place, (id, cert): (CertId, &InviteCert)) -> Result<(), Fault> {
        self.acts(at, place, Role::Member, Clause::ButSelfConcurrency)?;
        self.invites(at, cert)?;
        if self.ended(at, id, cert) {
            return Err(Fault::Ended);
        }
        if self.used_up(place, id, cert) { Err(Fault::UsedUp) } else { Ok(()) }
    }

    /// B10 (2): the inviter's invites end with the inviter's role, and with the device that signed
    /// the certificate.
    fn invites(&mut self, at: usize, cert: &InviteCert) -> Result<(), Fault> {
        let grant = held(self.log, cert.auth).ok_or(Fault::Inviter)?;
        self.stands(cert.inviter, grant, at, Role::Core, Clause::Whole).map_err(|_| Fault::Inviter)?;
        let good = self.device_good_under(cert.inviter, cert.device, Caps::OPERATIONS, at, (grant, Role::Core));
        good.then_some(()).ok_or(Fault::Device)
    }

    /// B10 (3): whether an end that counts has not seen the admission.
    fn ended(&self, at: usize, id: CertId, cert: &InviteCert) -> bool {
        let ends = self.ends.get(&id).map(Vec::as_slice).unwrap_or_default();
        ends.iter().any(|end| !self.log.past_has(*end, at) && self.ends_cert(*end, cert))
    }

    /// B10 (4): whether as many others as it is for were admitted with it before, well or not.
    fn used_up(&self, place: &Place, id: CertId, cert: &InviteCert) -> bool {
        let mut used = BTreeSet::new();
        let most = usize::try_from(cert.max_uses).unwrap_or(usize::MAX);
        self.others(place, id).filter(|(other, _)| place.past.has(*other)).any(|(_, other)| {
            used.extend(subject(other));
            used.len() >= most
        })
    }

    /// B10 (5): whether the author has admitted somebody else with the same certificate, the two
    /// admissions unaware of each other.
    fn admits_twice(&self, at: usize, place: &Place, id: CertId) -> bool {
        self.others(place, id).any(|(number, other)| {
            other.operation.author == place.operation.author
                && !place.past.has(number)
                && !other.past.has(at)
                && self.admissible.has(number)
        })
    }

    /// The admissions of other persons with the same certificate.
    fn others(&self, place: &Place, id: CertId) -> impl Iterator<Item = (usize, &'a Place)> {
        let admits = self.admits.get(&id).map(Vec::as_slice).unwrap_or_default();
        let whom = subject(place);
        admits
            .iter()
            .filter_map(|at| Some((*at, self.log.place(*at)?)))
            .filter(move |(_, other)| subject(other) != whom)
    }

    /// Pass 2, B11: whether an end counts for its author's own invites, and for any.
    pub(super) fn decide_end(&mut self, at: usize, place: &Place) {
        let own = self.acts(at, place, Role::Core, Clause::Whole);
        let any = self.acts(at, place, Role::Steward, Clause::Whole);
        for (answer, counting) in [(own, &mut self.ends_of_own), (any, &mut self.ends_of_any)] {
            if answer.is_ok() {
                counting.insert(at);
            }
        }
        self.settle(at, own.or(any));
    }

    /// B11: whether an end counts for this certificate.
    pub(super) fn ends_cert(&self, end: usize, cert: &InviteCert) -> bool {
        let author = self.log.place(end).map(|place| place.operation.author);
        let counting = if author == Some(cert.inviter) { &self.ends_of_own } else { &self.ends_of_any };
        counting.has(end)
    }

    /// The certificate of this id, if an Admit has shown it.
    pub(super) fn cert(&self, id: CertId) -> Option<&'a InviteCert> {
        let admit = self.admits.get(&id).and_then(|admits| admits.first());
        admit.and_then(|at| self.log.place(*at)?.cert.as_ref()).map(|(_, cert)| cert)
    }
}

fn subject(admit: &Place) -> Option<PersonId> {
    admit.newcomer.as_ref().map(|newcomer| newcomer.person.id)
}
