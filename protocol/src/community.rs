//! Communities: the founding document (section 3). Its hash is the community.

use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::{
    bytes::{Bytes, List},
    encoding::{GenesisMark, V1},
    id::{CommunityId, Context, OpId, PersonId},
    key::SecretKey,
    limits,
    person::{Person, PersonRecord},
    signed::{Signed, Unsound, Verified, payload},
    text::Text,
    time::Millis,
};

/// `[1, "genesis", nonce:32, name, t, founders, policy0, predecessor, parent, ts]`, signed by a
/// device of every founder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Genesis {
    /// 1.
    pub version: V1,
    /// "genesis".
    pub mark: GenesisMark,
    /// Makes the id unguessable (G5).
    pub nonce: Bytes<32>,
    /// What its members call it.
    pub name: Text<{ limits::COMMUNITY_NAME_BYTES }>,
    /// How many founders together are ROOT (G1).
    pub threshold: u8,
    /// Who founds it, with the names they show.
    pub founders: List<Founder, 1, { limits::FOUNDERS }>,
    /// The first policy, keys ascending.
    pub policy: List<(u16, u32), 0, 64>,
    /// The community that this one replaces, at one of its heads (G4).
    pub predecessor: Option<(CommunityId, OpId)>,
    /// The community that this one is a part of.
    pub parent: Option<CommunityId>,
    /// When, as claimed.
    pub ts: Millis,
}

/// One founder: the person and the name shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founder(pub PersonRecord, pub Text<{ limits::NAME_BYTES }>);

payload!(Genesis, Context::COMMUNITY, limits::GENESIS_BYTES, |genesis| {
    let founders = genesis.founders.len();
    // G1: two acts of ROOT always share a signer.
    if usize::from(genesis.threshold).saturating_mul(2) <= founders || usize::from(genesis.threshold) > founders {
        return Err("the threshold is not a majority of the founders");
    }
    if genesis.founders.iter().any(|f| f.0.reveals.len() != 1 || f.0.devices.len() > 2) {
        return Err("a founder has more than one reveal or two devices");
    }
    if genesis.name.as_str().trim().is_empty() {
        return Err("the community has no name");
    }
    if !genesis.policy.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("policy keys are not ascending");
    }
    Ok(())
});

/// A genesis whose founders and signatures have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Community {
    /// The hash of the genesis.
    pub id: CommunityId,
    /// What it says.
    pub genesis: Genesis,
    /// The founders, in the order of the genesis.
    pub founders: Vec<Person>,
    /// The bytes it came in.
    pub signed: Signed,
}

impl Community {
    /// Checks the founders and that a device of each of them signed, and nobody else.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn check(signed: Signed) -> Result<Community, Unsound> {
        let genesis = Verified::<Genesis>::check(signed)?;
        let id = genesis.id().into();
        let mut founders: Vec<Person> = Vec::with_capacity(genesis.value.founders.len());
        for founder in &genesis.value.founders {
            let person = founder.0.check()?;
            if founders.iter().any(|f| f.id == person.id) {
                return Err(Unsound::WrongSigner);
            }
            founders.push(person);
        }
        let signers = &genesis.signed.signatures;
        let complete = signers.len() == founders.len()
            && founders.iter().all(|f| {
                signers.iter().any(|s| f.device(s.0).is_some_and(|c| c.caps.include(crate::person::Caps::OPERATIONS)))
            });
        if !complete {
            return Err(Unsound::WrongSigner);
        }
        Ok(Community { id, genesis: genesis.value, founders, signed: genesis.signed })
    }

    /// Founds a community of one founder.
    ///
    /// # Errors
    /// [`Unsound`] when a field is out of its bounds, as for anybody's genesis.
    pub fn found(
        nonce: [u8; 32],
        name: Text<{ limits::COMMUNITY_NAME_BYTES }>,
        founder: Founder,
        device: &SecretKey,
        parent: Option<CommunityId>,
        ts: Millis,
    ) -> Result<Community, Unsound> {
        let genesis = Genesis {
            version: V1,
            mark: GenesisMark,
            nonce: Bytes(nonce),
            name,
            threshold: 1,
            founders: List::new(vec![founder]).map_err(|_| Unsound::WrongSigner)?,
            policy: List::none(),
            predecessor: None,
            parent,
            ts,
        };
        Community::check(Signed::seal(&genesis, &[device]))
    }

    /// The place of `person` among the founders.
    #[must_use]
    pub fn founder(&self, person: PersonId) -> Option<u8> {
        self.founders.iter().position(|f| f.id == person).and_then(|at| u8::try_from(at).ok())
    }
}
