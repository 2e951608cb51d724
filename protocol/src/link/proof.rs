//! Proof bundles: what shows, offline, that a community lets an author's items leave by a link
//! (8.3, R3).
//!
//! Only signatures, kinds, subjects and `auth` links are checked, not parents. Devices are proven
//! by the persons in the bundle. What a bundle cannot show is that the community has not since
//! changed its mind (8.5).

use std::collections::BTreeMap;

use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::{LinkTerms, RelayRefusal};
use crate::{
    authority::{Body, Grant, Operation, Role, Rule, Subject},
    bytes::List,
    community::Community,
    encoding::{Malformed, V1, decode, encode},
    id::{BundleHash, CommunityId, Context, EnvelopeId, OpId, PersonId, hash},
    key::PublicKey,
    limits,
    person::{Caps, Person, PersonRecord},
    signed::{Signed, Verified},
    time::Millis,
};

/// `[1, Genesis, ops{..32}, persons]`, at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ProofBundle {
    /// 1.
    pub version: V1,
    /// The community that the item leaves.
    pub genesis: Signed,
    /// The link, the grants above its author, and the grants that give the item's author a role.
    pub operations: List<Signed, 1, { limits::BUNDLE_OPERATIONS }>,
    /// The persons whose devices signed those, and the item's author; founders stand in the
    /// genesis.
    pub persons: List<PersonRecord, 0, { limits::BUNDLE_OPERATIONS }>,
}

/// What stands of a device's envelopes after an end that the community which they left gave a link or a mandate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// The chain that ends with the envelope of this number and id.
    ChainTo(u32, EnvelopeId),
    /// What claims no later time: who ended it had seen no envelope of the device.
    ClaimedUntil(Millis),
}

/// What a checked bundle proves.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The community that the item leaves.
    pub from: CommunityId,
    operations: BTreeMap<OpId, Operation>,
    persons: BTreeMap<PersonId, Person>,
    founders: Vec<PersonId>,
}

impl ProofBundle {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<ProofBundle, Malformed> {
        decode(bytes, limits::BUNDLE_BYTES)
    }

    /// Its name.
    #[must_use]
    pub fn hash(&self) -> BundleHash {
        bundle_hash(&self.to_bytes())
    }

    /// Checks every signature of genesis, persons and operations.
    ///
    /// # Errors
    /// [`RelayRefusal::BadProof`].
    pub fn check(&self) -> Result<Proven, RelayRefusal> {
        let community = Community::check(self.genesis.clone()).map_err(|_| RelayRefusal::BadProof)?;
        let founders: Vec<PersonId> = community.founders.iter().map(|p| p.id).collect();
        let mut persons: BTreeMap<PersonId, Person> = BTreeMap::new();
        for record in &self.persons {
            let person = record.check().map_err(|_| RelayRefusal::BadProof)?;
            persons.insert(person.id, person);
        }
        for founder in community.founders {
            let known = persons.entry(founder.id).or_insert_with(|| founder.clone());
            known.devices.extend(founder.devices);
        }
        let mut operations = BTreeMap::new();
        for signed in &self.operations {
            let op = Verified::<Operation>::check(signed.clone()).map_err(|_| RelayRefusal::BadProof)?;
            let id = OpId::from(op.id());
            let certified = |device: PublicKey| {
                persons
                    .get(&op.value.author)
                    .and_then(|p| p.device(device))
                    .is_some_and(|c| c.caps.include(Caps::OPERATIONS))
            };
            let sound = op.value.community == community.id
                && match op.value.auth {
                    Grant::Root => root_signed(&op.signed, &founders, &persons, community.genesis.threshold),
                    Grant::Founder(_) | Grant::Op(_) => {
                        op.signed.signed_only_by(op.value.device) && certified(op.value.device)
                    }
                };
            if !sound {
                return Err(RelayRefusal::BadProof);
            }
            operations.insert(id, op.value);
        }
        Ok(Proven { from: community.id, operations, persons, founders })
    }
}

/// The name of a bundle's bytes.
#[must_use]
pub fn bundle_hash(bytes: &[u8]) -> BundleHash {
    hash(Context::PROOF, bytes).into()
}

fn root_signed(signed: &Signed, founders: &[PersonId], persons: &BTreeMap<PersonId, Person>, threshold: u8) -> bool {
    let may_sign = |person: &Person, key| person.device(key).is_some_and(|cert| cert.caps.include(Caps::OPERATIONS));
    let signs =
        |founder: &&PersonId| persons.get(founder).is_some_and(|p| signed.signatures.iter().any(|s| may_sign(p, s.0)));
    let signers = founders.iter().filter(signs).count();
    signers >= usize::from(threshold)
}

impl Proven {
    /// Whether the bundle certifies `device` for `person` to sign items.
    #[must_use]
    pub fn certifies_items(&self, person: PersonId, device: PublicKey) -> bool {
        self.persons.get(&person).and_then(|p| p.device(device)).is_some_and(|c| c.caps.include(Caps::ITEMS))
    }

    /// The terms of the link `id`, if its author holds a proven steward's grant.
    ///
    /// # Errors
    /// [`RelayRefusal::BadProof`].
    pub fn link(&self, id: OpId) -> Result<&LinkTerms, RelayRefusal> {
        let op = self.operations.get(&id).ok_or(RelayRefusal::BadProof)?;
        match &op.body {
            Body::Link(terms) if self.holds(op.author, op.auth, Role::Steward, 0) => Ok(terms),
            _ => Err(RelayRefusal::BadProof),
        }
    }

    /// What has ended a broker's mandate on the link, as far as the bundle shows, and how much of what one of the
    /// broker's devices has carried stands all the same (R7).
    #[must_use]
    pub fn ends(&self, link: OpId, (broker, device): (PersonId, PublicKey)) -> Vec<(RelayRefusal, Stands)> {
        let Ok(terms) = self.link(link) else { return Vec::new() };
        let end_of = |op: &Operation| {
            let by_steward = self.holds(op.author, op.auth, Role::Steward, 0);
            let (why, last) = match &op.body {
                Body::LinkEnd(end) if end.link == link => {
                    let by_broker = terms.names(op.author) && self.holds(op.author, op.auth, Role::Member, 0);
                    let last = end.cuts.iter().find(|cut| cut.0 == device).map(|cut| (cut.1, cut.2));
                    (by_steward || by_broker).then_some((RelayRefusal::LinkOver, last))?
                }
                Body::Rule(rule) if by_steward && rule.role < Role::Member && names(rule, broker) => {
                    let last = rule.links.iter().find(|cut| cut.0 == link && cut.1 == device);
                    (RelayRefusal::AfterCut, last.map(|cut| (cut.2, cut.3)))
                }
                _ => return None,
            };
            Some((why, last.map_or(Stands::ClaimedUntil(op.ts), |(seq, id)| Stands::ChainTo(seq, id))))
        };
        self.operations.values().filter_map(end_of).collect()
    }

    /// The highest role that the bundle proves for `person`: by being a founder, or by a ruling.
    #[must_use]
    pub fn role(&self, person: PersonId) -> Role {
        if self.founders.contains(&person) {
            return Role::Steward;
        }
        self.operations
            .iter()
            .filter_map(|(id, op)| match &op.body {
                Body::Rule(rule) if self.holds(person, Grant::Op(*id), Role::Peripheral, 0) => Some(rule.role),
                _ => None,
            })
            .max()
            .unwrap_or(Role::None)
    }

    /// Whether `grant` gives `person` at least `role`, by an unbroken path to a founder.
    fn holds(&self, person: PersonId, grant: Grant, role: Role, depth: usize) -> bool {
        if depth > limits::PATH_DEPTH {
            return false;
        }
        match grant {
            Grant::Root => true,
            Grant::Founder(number) => self.founders.get(usize::from(number)) == Some(&person),
            Grant::Op(id) => self.operations.get(&id).is_some_and(|op| match &op.body {
                Body::Rule(rule) => {
                    names(rule, person)
                        && rule.role >= role
                        && self.holds(op.author, op.auth, Role::Steward, depth.saturating_add(1))
                }
                _ => false,
            }),
        }
    }
}

fn names(rule: &Rule, person: PersonId) -> bool {
    rule.subjects.iter().any(|subject| matches!(subject, Subject::Person(named) if *named == person))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Actor, FIRST, Scene, alice, link_terms, up_to};

    #[test]
    fn a_path_of_grants_is_followed_so_far_and_no_further() {
        up_to(limits::PATH_DEPTH, RelayRefusal::BadProof, |grants| {
            let mut scene = Scene::founded_by(&[alice()]);
            let (mut by, mut grant) = (alice().clone(), FIRST);
            let (mut persons, mut operations) = (Vec::new(), Vec::new());
            for number in 0..grants {
                let next = Actor::numbered(u32::try_from(number).unwrap());
                scene.add(scene.pen(alice(), FIRST).take_in(&next, Role::Member));
                let ruling = scene.pen(&by, grant).rule(&next, Role::Steward);
                operations.push(ruling.signed.clone());
                grant = scene.grant(ruling);
                persons.push(next.record());
                by = next;
            }
            let out = crate::link::Direction::Out { min_author_role: Role::Member };
            let terms = link_terms(out, CommunityId::new([9; 32]), &by);
            let link = scene.pen(&by, grant).link(terms);
            operations.push(link.signed.clone());
            let bundle = ProofBundle {
                version: V1,
                genesis: scene.log.community().signed.clone(),
                operations: List::new(operations).unwrap(),
                persons: List::new(persons).unwrap(),
            };
            ProofBundle::from_bytes(&bundle.to_bytes()).unwrap().check()?.link(link.id().into()).cloned()
        });
    }
}
