//! Named people, their communities and the operations that they sign, for tests here and in other
//! crates (feature `testing`).
//!
//! Alice, bob, carol and dave are honest, eve is not, and ferry carries between communities. Their
//! keys are the same in every run. Nothing here is checked: what a [`Pen`] signs may be anything,
//! so that tests can watch it being refused.

mod around;
mod dice;
mod memory;
mod pen;
pub(crate) mod quick;
mod simulator;

pub use around::{Bound, around, given, lasted, up_to};
pub use dice::Dice;
pub use memory::Memory;
pub use pen::{Pen, link_terms, root, rule_on};
pub use quick::Quick;
pub use simulator::{Conditions, FaultTally, Faults, GossipTally, Planted, Received, Simulator, Traffic};

use std::sync::OnceLock;

use crate::{
    authority::{Grant, Log, Operation, Role, State, evaluate},
    bytes::{Blob, Bytes, List},
    community::{Community, Founder, Genesis},
    encoding::{GenesisMark, V1},
    epoch::SealingKey,
    id::{CommunityId, OpId, PersonId},
    invite::{Hint, InviteKey, InviteTerms, Join},
    key::SecretKey,
    person::{Caps, Ladder, PersonRecord, Reveal},
    signed::{Signed, Unsound, Verified},
    text::Text,
    time::{DAY_MS, Millis},
};

/// When the communities of tests are founded: some day of the year 2023.
pub const START: Millis = Millis(1_700_000_000_000);
/// What tests take for the present: a month later.
pub const NOW: Millis = Millis(START.0 + 30 * DAY_MS);
/// The grant of a community's first founder.
pub const FIRST: Grant = Grant::Founder(0);

/// Somebody with all their keys, at one of their devices.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The name that they show.
    pub name: String,
    /// What their 24 words stand for.
    pub ladder: Ladder,
    /// The key of this device.
    pub device: SecretKey,
    /// The key to which epoch keys are sealed.
    pub sealing: SealingKey,
    person: PersonId,
    record: PersonRecord,
}

/// Honest; founds gardens.
#[must_use]
pub fn alice() -> &'static Actor {
    static ACTOR: OnceLock<Actor> = OnceLock::new();
    ACTOR.get_or_init(|| Actor::new("alice", 1))
}

/// Honest.
#[must_use]
pub fn bob() -> &'static Actor {
    static ACTOR: OnceLock<Actor> = OnceLock::new();
    ACTOR.get_or_init(|| Actor::new("bob", 2))
}

/// Honest.
#[must_use]
pub fn carol() -> &'static Actor {
    static ACTOR: OnceLock<Actor> = OnceLock::new();
    ACTOR.get_or_init(|| Actor::new("carol", 3))
}

/// Honest.
#[must_use]
pub fn dave() -> &'static Actor {
    static ACTOR: OnceLock<Actor> = OnceLock::new();
    ACTOR.get_or_init(|| Actor::new("dave", 4))
}

/// Does what she should not.
#[must_use]
pub fn eve() -> &'static Actor {
    static ACTOR: OnceLock<Actor> = OnceLock::new();
    ACTOR.get_or_init(|| Actor::new("eve", 5))
}

/// Carries between communities.
#[must_use]
pub fn ferry() -> &'static Actor {
    static ACTOR: OnceLock<Actor> = OnceLock::new();
    ACTOR.get_or_init(|| Actor::new("ferry", 6))
}

/// Numbers up to this one are those of people with names.
const NAMED: u32 = 16;

impl Actor {
    fn new(name: &str, number: u32) -> Actor {
        let ladder = Ladder::new(seed(b'w', number, 0));
        Actor::at(name.to_owned(), ladder, number, 0)
    }

    fn at(name: String, ladder: Ladder, number: u32, device: u8) -> Actor {
        let sealing = SealingKey::new(seed(b's', number, device));
        let device = SecretKey::new(&seed(b'd', number, device));
        let record = ladder.record(device.public(), sealing.public(), START);
        Actor { name, person: ladder.person(), ladder, device, sealing, record }
    }

    /// One of a crowd, none of whom is one of those with names.
    #[must_use]
    pub fn numbered(number: u32) -> Actor {
        Actor::new(&format!("p{number}"), number.saturating_add(NAMED))
    }

    /// The same person at another device, which nothing certifies yet.
    ///
    /// # Panics
    /// Never: the entropy of words has 32 bytes.
    #[must_use]
    pub fn at_device(&self, device: u8) -> Actor {
        let [_, a, b, c, d, ..] = *self.ladder.entropy();
        Actor::at(self.name.clone(), self.ladder.clone(), u32::from_be_bytes([a, b, c, d]), device)
    }

    /// The person.
    #[must_use]
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// Inception, first key and first device: what a genesis or a join shows.
    #[must_use]
    pub fn record(&self) -> PersonRecord {
        self.record.clone()
    }

    /// The name as formats hold it.
    ///
    /// # Panics
    /// When the name is longer than a name may be.
    #[must_use]
    pub fn shown(&self) -> Text<{ crate::limits::NAME_BYTES }> {
        Text::line(&self.name).expect("names in tests are short")
    }

    /// A certificate of this device by the key of rung `index`.
    #[must_use]
    pub fn certificate(&self, index: u8, caps: Caps) -> Signed {
        self.ladder.certify(index, self.device.public(), self.sealing.public(), caps, START).signed
    }

    /// The reveal of rung `index`.
    #[must_use]
    pub fn reveal(&self, index: u8) -> Signed {
        Reveal::seal(self.person, index, &self.ladder.key(index)).signed
    }

    /// An invite by this person under `auth` for so many; the same `number` makes the same invite.
    ///
    /// # Panics
    /// When `uses` is not 1 to 100.
    #[must_use]
    pub fn invite(&self, community: CommunityId, auth: Grant, uses: u32, number: u8) -> InviteKey {
        self.invite_with(community, auth, number, |terms| terms.max_uses = uses)
    }

    /// The same with other terms; at first they are one use, for members, for 90 days.
    ///
    /// # Panics
    /// When the terms are none that a certificate may have.
    #[must_use]
    pub fn invite_with(
        &self,
        community: CommunityId,
        auth: Grant,
        number: u8,
        change: impl FnOnce(&mut InviteTerms),
    ) -> InviteKey {
        let mut terms = InviteTerms {
            role: Role::Member,
            max_uses: 1,
            only: None,
            not_before: START,
            not_after: START.after(90 * DAY_MS),
        };
        change(&mut terms);
        let hint =
            Hint(Blob::new(vec![0; 38]).expect("38 of 64 bytes"), Blob::new(vec![4; 8]).expect("8 of 256 bytes"));
        let hints = List::new(vec![hint]).expect("one of four");
        InviteKey::create(community, (self.person, auth, &self.device), &terms, hints, [number; 24])
            .expect("terms within their bounds")
    }

    /// This person's answer to an invite.
    #[must_use]
    pub fn join(&self, invite: &InviteKey) -> Signed {
        invite.join(self.record(), self.shown(), &self.ladder.key(0), &self.device, START)
    }

    /// This person's request to be ruled in, without an invite (I7).
    #[must_use]
    pub fn knock(&self, community: CommunityId) -> Signed {
        let join = Join { version: V1, community, cert: None, person: self.record(), name: self.shown(), ts: START };
        Signed::seal(&join, &[&self.ladder.key(0), &self.device])
    }
}

fn seed(purpose: u8, number: u32, device: u8) -> [u8; 32] {
    let [a, b, c, d] = number.to_be_bytes();
    let mut seed = [0; 32];
    seed[..6].copy_from_slice(&[purpose, a, b, c, d, device]);
    seed
}

/// The smallest majority of so many founders.
///
/// # Panics
/// When there are more than 255.
#[must_use]
pub fn majority(founders: usize) -> u8 {
    u8::try_from((founders / 2).saturating_add(1)).expect("a community has seven founders at most")
}

/// A community of these founders, of whom the smallest majority is the root; no policy.
///
/// # Panics
/// When these are no founders of a community: none, more than seven, or one of them twice.
#[must_use]
pub fn community(name: &str, founders: &[&Actor]) -> Community {
    found(name, founders, |_| ()).expect("these may found a community")
}

/// A community whose genesis is changed before its founders sign.
///
/// # Errors
/// [`Unsound`], as for anybody's genesis.
///
/// # Panics
/// When there is no founder, or more than seven.
pub fn found(name: &str, founders: &[&Actor], change: impl FnOnce(&mut Genesis)) -> Result<Community, Unsound> {
    let said = founders.iter().map(|f| Founder(f.record(), f.shown())).collect();
    let mut genesis = Genesis {
        version: V1,
        mark: GenesisMark,
        nonce: Bytes([7; 32]),
        name: Text::line(name).expect("names in tests are short"),
        threshold: majority(founders.len()),
        founders: List::new(said).expect("one to seven founders"),
        policy: List::none(),
        predecessor: None,
        parent: None,
        ts: START,
    };
    change(&mut genesis);
    let devices: Vec<_> = founders.iter().map(|f| &f.device).collect();
    Community::check(Signed::seal(&genesis, &devices))
}

/// A community's log as one node has it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The log.
    pub log: Log,
}

impl Scene {
    /// The garden of these founders.
    ///
    /// # Panics
    /// As [`community`].
    #[must_use]
    pub fn founded_by(founders: &[&Actor]) -> Scene {
        Scene { log: Log::new(community("garden", founders)) }
    }

    /// The genesis, as a parent.
    #[must_use]
    pub fn genesis(&self) -> OpId {
        self.log.id().into()
    }

    /// What `actor` signs under `auth`, on the heads.
    #[must_use]
    pub fn pen<'a>(&'a self, actor: &'a Actor, auth: Grant) -> Pen<'a> {
        Pen::new(&self.log, actor, auth)
    }

    /// Stores an operation that must pass.
    ///
    /// # Panics
    /// When it does not.
    pub fn add(&mut self, operation: Verified<Operation>) -> OpId {
        let id = OpId::from(operation.id());
        self.log.add(operation, NOW).expect("this operation passes B1");
        id
    }

    /// Stores an operation that gives somebody a role, and names it as a grant.
    ///
    /// # Panics
    /// When it does not pass.
    pub fn grant(&mut self, operation: Verified<Operation>) -> Grant {
        Grant::Op(self.add(operation))
    }

    /// What the log says.
    #[must_use]
    pub fn state(&self) -> State {
        evaluate(&self.log)
    }

    /// Somebody's role.
    #[must_use]
    pub fn role(&self, actor: &Actor) -> Role {
        self.state().role(actor.person())
    }

    /// Whether an operation has effect.
    #[must_use]
    pub fn effective(&self, id: OpId) -> bool {
        self.state().is_effective(&self.log, id)
    }
}
