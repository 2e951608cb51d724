//! What somebody signs who was removed, or is about to be: items and operations on whatever place of the log and of
//! their own chain suits them.
//!
//! Leaves to others: to whom it is sent. Always true: it is signed with the keys of its author, whole and well formed,
//! so that only the rules can refuse it.

use hearth_protocol::{
    authority::{Body as Act, Epoch, Grant, Keys, Operation, Role, Subject},
    bytes::{Blob, List},
    encoding::V1,
    engine::Identity,
    epoch::{EpochBlob, EpochKey, Scope, blob_hash, seal_to, sealing_info},
    id::{Context, ItemId, OpId, hash},
    item::{Draft, Header, SignedItem},
    key::SecretKey,
    link::Carry,
    person::{Caps, DeviceCert},
    signed::{Signed, Verified},
    time::Millis,
};

use crate::intruder::{Held, Intruder};

/// Where on a chain an item is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Behind the last one.
    Last,
    /// Behind one somewhere before: a fork.
    Some(usize),
}

/// An item's own places: the heads that it says to have known, and when it says to have been written.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) heads: Vec<OpId>,
    pub(crate) ts: Millis,
    pub(crate) after: After,
}

impl Intruder {
    /// The operations that give it a role, as far as its log goes, the first first.
    pub(crate) fn grants(&self) -> Vec<Grant> {
        let me = self.who.person();
        let names = |subject: &Subject| matches!(subject, Subject::Person(person) if *person == me);
        let gives = |body: &Act| match body {
            Act::Rule(rule) => rule.role > Role::None && rule.subjects.iter().any(names),
            Act::Admit(_, join) => {
                join.read::<hearth_protocol::invite::Join>().is_ok_and(|join| join.person.id() == me)
            }
            _ => false,
        };
        self.log.operations().filter(|place| gives(&place.operation.body)).map(|place| Grant::Op(place.id)).collect()
    }

    /// Its own chain of a scope, the first item first.
    pub(crate) fn chain(&self, scope: Scope) -> Vec<(u32, ItemId)> {
        let device = self.who.device.public();
        let mut chain: Vec<(u32, ItemId)> = self
            .carries
            .values()
            .filter_map(|carry| carry.item.clone().trusted().ok())
            .filter(|item| {
                let header = &item.header;
                header.device == device && header.scope == scope && header.community == self.community
            })
            .map(|item| (item.header.seq, item.id))
            .collect();
        chain.sort_unstable();
        chain
    }

    /// Signs an item. It is kept, to be given to whoever asks.
    pub(crate) fn forge_item(&mut self, draft: &Draft, claim: &Claim) -> Carry {
        let chain = self.chain(draft.scope);
        let after = match claim.after {
            After::Last => chain.last(),
            After::Some(at) => at.checked_rem(chain.len()).and_then(|at| chain.get(at)),
        };
        let after = after.copied();
        let who = self.who.clone();
        let carry = self.sign_item(&who, draft, claim, after);
        self.carries.insert(carry.item.id(), carry.clone());
        carry
    }

    /// Signs an item in the name of somebody else whose keys it has.
    pub(crate) fn sign_item(
        &mut self,
        who: &Identity,
        draft: &Draft,
        claim: &Claim,
        after: Option<(u32, ItemId)>,
    ) -> Carry {
        let body = draft.body.to_bytes();
        let salted = [&self.random.bytes::<16>()[..], &body].concat();
        let mut heads = claim.heads.clone();
        heads.sort_unstable();
        heads.dedup();
        heads.truncate(4);
        let header = Header {
            version: V1,
            kind: draft.kind(),
            community: self.community,
            author: who.person(),
            device: who.device.public(),
            seq: after.map_or(0, |(seq, _)| seq + 1),
            prev: after.map(|(_, id)| id),
            ts: claim.ts,
            auth_heads: List::new(heads).expect("one to four heads"),
            scope: draft.scope,
            reach: 0,
            re: List::none(),
            target: draft.target,
            tags: List::none(),
            body_hash: hash(Context::BODY, &salted).into(),
            body_len: u32::try_from(body.len()).expect("it is short"),
        };
        let item = SignedItem::seal(&header, &who.device).expect("it is well formed");
        Carry::plain(item, Some(Blob::new(salted).expect("it is short")))
    }

    /// Signs an operation under `auth` on `parents`. Its own log takes it up, where B1 lets it.
    pub(crate) fn forge(&mut self, auth: Grant, parents: &[OpId], ts: Millis, body: Act) -> Signed {
        let device = self.who.device.clone();
        self.forge_by(auth, parents, ts, body, &device)
    }

    fn forge_by(&mut self, auth: Grant, parents: &[OpId], ts: Millis, body: Act, key: &SecretKey) -> Signed {
        let mut parents = parents.to_vec();
        parents.sort_unstable();
        parents.dedup();
        parents.truncate(16);
        let lamport = |id: &OpId| self.log.get(*id).map_or(0, |place| place.operation.lamport);
        let operation = Operation {
            community: self.community,
            author: self.who.person(),
            auth,
            device: key.public(),
            lamport: parents.iter().map(lamport).max().unwrap_or(0) + 1,
            ts,
            parents: List::new(parents).expect("one to sixteen parents"),
            body,
        };
        let signed = Verified::seal(operation, &[key]).signed;
        self.absorb(signed.clone(), ts);
        signed
    }

    /// An Epoch whose key everybody is given, and it keeps.
    pub(crate) fn forge_epoch(&mut self, auth: Grant, parents: &[OpId], ts: Millis) -> (Signed, EpochBlob) {
        let key = EpochKey::new(self.random.bytes());
        let mut sorted = parents.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let info = sealing_info(self.community, &sorted);
        let devices: Vec<DeviceCert> =
            self.state.members.values().flat_map(|member| member.devices.iter().cloned()).collect();
        let seal = |cert: &DeviceCert| seal_to(cert.device, &cert.kem, &key, &info, &mut self.random).ok();
        let mut sealed: Vec<_> = devices.iter().filter_map(seal).collect();
        sealed.sort_unstable();
        let blob: EpochBlob = List::new(sealed).expect("a few members");
        let body = Epoch { scope: Scope::All, commit: key.commit(), sealed: Some(blob_hash(&blob)) };
        let signed = self.forge(auth, &sorted, ts, Act::Epoch(body));
        let epoch = OpId::from(signed.id::<Operation>());
        self.hold(Held { community: self.community, epoch: Some(epoch), key });
        (signed, blob)
    }

    /// A device of its own making, certified by its identity key.
    pub(crate) fn forge_device(&mut self, auth: Grant, parents: &[OpId], ts: Millis) -> (Signed, SecretKey) {
        let device = SecretKey::new(&self.random.bytes());
        let identity = self.who.key.clone().expect("it has its identity key");
        let (person, kem) = (self.who.person(), self.who.sealing.public());
        let cert = DeviceCert { version: V1, person, index: 0, device: device.public(), kem, caps: Caps::ALL, ts };
        let keys = Keys {
            reveals: List::none(),
            devices: List::new(vec![Verified::seal(cert, &[&identity]).signed]).expect("one device"),
            revoked: List::none(),
            cut: None,
            feeds: List::none(),
        };
        (self.forge_by(auth, parents, ts, Act::Keys(keys), &identity), device)
    }
}
