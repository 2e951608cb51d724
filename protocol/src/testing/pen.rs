//! Signing operations.

use super::{Actor, START};
use crate::{
    authority::{Body, Epoch, Grant, Keys, LinkEnd, Log, Operation, Role, Rule, Subject},
    bytes::List,
    epoch::{EpochKey, Scope},
    id::{CertId, CommunityId, OpId, PersonId},
    invite::InviteKey,
    link::{Direction, KindSet, LinkTerms},
    signed::Verified,
    text::Text,
    time::{DAY_MS, Millis},
};

/// Who signs, under which grant, on which parents, when.
#[derive(Debug, Clone)]
pub struct Pen<'a> {
    log: &'a Log,
    actor: &'a Actor,
    auth: Grant,
    parents: Vec<OpId>,
    ts: Option<Millis>,
}

impl<'a> Pen<'a> {
    /// Signs on the heads of `log`, a second later for each step.
    #[must_use]
    pub fn new(log: &'a Log, actor: &'a Actor, auth: Grant) -> Pen<'a> {
        Pen { log, actor, auth, parents: log.heads(), ts: None }
    }

    /// The same on these parents.
    #[must_use]
    pub fn on(mut self, parents: &[OpId]) -> Self {
        self.parents = parents.to_vec();
        self
    }

    /// The same at this time.
    #[must_use]
    pub fn at(mut self, ts: Millis) -> Self {
        self.ts = Some(ts);
        self
    }

    /// The operation before it is signed.
    ///
    /// # Panics
    /// When there are no parents, or more than 16.
    #[must_use]
    pub fn draft(&self, body: Body) -> Operation {
        draft(self.log, (self.actor, self.auth), &self.parents, self.ts, body)
    }

    /// Signs whatever it is.
    ///
    /// # Panics
    /// As [`Pen::draft`].
    #[must_use]
    pub fn sign(&self, body: Body) -> Verified<Operation> {
        Verified::seal(self.draft(body), &[&self.actor.device])
    }

    /// Gives somebody a role, or takes it away.
    #[must_use]
    pub fn rule(&self, subject: &Actor, role: Role) -> Verified<Operation> {
        self.sign(Body::Rule(rule_on(&[subject.person()], role)))
    }

    /// The same, and of what the subject did only `cut` stands.
    ///
    /// # Panics
    /// When the cut has more than 16 ids, or none.
    #[must_use]
    pub fn rule_cut(&self, subject: &Actor, role: Role, cut: &[OpId]) -> Verified<Operation> {
        let cut = Some(List::new(cut.to_vec()).expect("one to sixteen ids"));
        self.sign(Body::Rule(Rule { cut, ..rule_on(&[subject.person()], role) }))
    }

    /// Gives a role to somebody who knocks (I7).
    ///
    /// # Panics
    /// Never: one subject is within the bounds.
    #[must_use]
    pub fn take_in(&self, newcomer: &Actor, role: Role) -> Verified<Operation> {
        let join = Subject::Join(newcomer.knock(self.log.id()));
        self.sign(Body::Rule(Rule {
            subjects: List::new(vec![join]).expect("one subject"),
            ..rule_on(&[newcomer.person()], role)
        }))
    }

    /// Confirms members (B14).
    #[must_use]
    pub fn vouch(&self, subjects: &[PersonId]) -> Verified<Operation> {
        self.sign(Body::Rule(Rule { vouch: true, ..rule_on(subjects, Role::Member) }))
    }

    /// Admits somebody by an invite.
    #[must_use]
    pub fn admit(&self, invite: &InviteKey, newcomer: &Actor) -> Verified<Operation> {
        self.sign(Body::Admit(invite.cert.signed.clone(), newcomer.join(invite)))
    }

    /// Leaves.
    #[must_use]
    pub fn leave(&self) -> Verified<Operation> {
        self.sign(Body::Leave)
    }

    /// Ends an invite.
    #[must_use]
    pub fn end_invite(&self, invite: &InviteKey) -> Verified<Operation> {
        self.sign(Body::InviteEnd(CertId::from(invite.cert.id())))
    }

    /// Sets a value of the policy.
    #[must_use]
    pub fn policy(&self, key: u16, value: u32) -> Verified<Operation> {
        self.sign(Body::Policy(key, value))
    }

    /// Says something of one's own keys, signed by the key of rung `index`; at first it says
    /// nothing.
    #[must_use]
    pub fn keys(&self, index: u8, change: impl FnOnce(&mut Keys)) -> Verified<Operation> {
        let mut keys = Keys {
            reveals: List::none(),
            devices: List::none(),
            revoked: List::none(),
            cut: None,
            feeds: List::none(),
        };
        change(&mut keys);
        let key = self.actor.ladder.key(index);
        let operation = Operation { device: key.public(), ..self.draft(Body::Keys(keys)) };
        Verified::seal(operation, &[&key])
    }

    /// Opens an epoch whose key follows from `number`.
    #[must_use]
    pub fn epoch(&self, scope: Scope, number: u8) -> Verified<Operation> {
        self.sign(Body::Epoch(Epoch { scope, commit: EpochKey::new([number; 32]).commit(), sealed: None }))
    }

    /// Lets items out or in.
    #[must_use]
    pub fn link(&self, terms: LinkTerms) -> Verified<Operation> {
        self.sign(Body::Link(terms))
    }

    /// Ends a link; nothing that it brought stands.
    #[must_use]
    pub fn end_link(&self, link: OpId) -> Verified<Operation> {
        self.sign(Body::LinkEnd(LinkEnd { link, cuts: List::none() }))
    }

    /// Joins heads.
    #[must_use]
    pub fn merge(&self) -> Verified<Operation> {
        self.sign(Body::Merge)
    }
}

fn draft(log: &Log, by: (&Actor, Grant), parents: &[OpId], ts: Option<Millis>, body: Body) -> Operation {
    let mut parents = parents.to_vec();
    parents.sort_unstable();
    parents.dedup();
    let highest = parents.iter().filter_map(|id| log.get(*id)).map(|place| place.operation.lamport).max().unwrap_or(0);
    let lamport = highest.saturating_add(1);
    Operation {
        community: log.id(),
        author: by.0.person(),
        auth: by.1,
        device: by.0.device.public(),
        lamport,
        ts: ts.unwrap_or(START.after(u64::from(lamport).saturating_mul(1000))),
        parents: List::new(parents).expect("one to sixteen parents"),
        body,
    }
}

/// An act of the root, signed by these founders; the first of them is named as its author.
///
/// # Panics
/// When there is no signer, or no parent.
#[must_use]
pub fn root(log: &Log, signers: &[&Actor], parents: &[OpId], body: Body) -> Verified<Operation> {
    let first = signers.first().expect("somebody signs");
    let keys: Vec<_> = signers.iter().map(|actor| &actor.device).collect();
    Verified::seal(draft(log, (first, Grant::Root), parents, None, body), &keys)
}

/// A ruling on these with nothing else in it.
///
/// # Panics
/// When there is nobody, or more than 32.
#[must_use]
pub fn rule_on(subjects: &[PersonId], role: Role) -> Rule {
    let subjects = subjects.iter().copied().map(Subject::Person).collect();
    Rule {
        subjects: List::new(subjects).expect("one to 32 subjects"),
        role,
        vouch: false,
        cut: None,
        feeds: List::none(),
        links: List::none(),
        reason: Text::default(),
    }
}

/// Terms that let everything pass by this broker for ninety days.
///
/// # Panics
/// Never: one broker is within the bounds.
#[must_use]
pub fn link_terms(direction: Direction, other: CommunityId, broker: &Actor) -> LinkTerms {
    LinkTerms {
        direction,
        other,
        brokers: List::new(vec![broker.person()]).expect("one of eight"),
        kinds: KindSet::ALL,
        tags: List::none(),
        max_hops: 1,
        per_day: 100,
        replies_only: false,
        not_after: START.after(90 * DAY_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FIRST, NOW, Scene, alice, bob};

    #[test]
    fn what_a_pen_signs_passes_and_reads_back() {
        let mut scene = Scene::founded_by(&[alice()]);
        let bob_in = scene.add(scene.pen(alice(), FIRST).take_in(bob(), Role::Member));
        let signed = scene.pen(bob(), Grant::Op(bob_in)).epoch(Scope::All, 1);
        let read = Verified::<Operation>::check(signed.signed.clone()).unwrap();
        assert_eq!(read, signed);
        assert_eq!(scene.log.add(read, NOW), Ok(true));
    }
}
