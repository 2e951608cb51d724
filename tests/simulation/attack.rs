//! What eve does once she has turned, and what her friend does for her.
//!
//! Leaves to others: when (`schedule`), how it is signed (`forgery`) and how it travels (`intruder`). Always true: her
//! friend is a member who gives her none of his keys.

use hearth_protocol::{
    authority::{Body as Act, Grant, Operation, Role},
    bytes::{Blob, List},
    epoch::{EpochKey, Scope},
    id::OpId,
    invite::{Hint, InviteKey, InviteTerms},
    item::{Body, Draft},
    link::Carry,
    testing::{START, Simulator, rule_on},
    time::{DAY_MS, Millis},
    wire::Gossip,
};

use crate::{
    acts::draft,
    forgery::{After, Claim},
    intruder::{Held, Intruder},
    schedule::{NEWCOMER, PUPPET, Schedule},
};

/// Another node of dave's, who is a member, and eve's friend.
const ALLY: &str = "dave2";

impl Schedule {
    /// eve's honest node ends; from now on she is played by hand, with everything that it had.
    pub(crate) fn turn(&mut self) {
        let simulator = &mut self.simulator;
        simulator.hostile("eve");
        let mut eve = Intruder::new(simulator, "eve", simulator.memory("eve"), self.garden);
        let planted = EpochKey::new(eve.random.bytes());
        eve.hold(Held { community: self.garden, epoch: None, key: planted.clone() });
        eve.planted = Some(planted);
        eve.wanted = self.posts.iter().map(|(id, _)| id.0).collect();
        eve.invites = self.hers.iter().filter_map(|key| InviteKey::from_text(key).ok()).collect();
        if self.has_ally {
            let mut identity = simulator.identity("dave").clone();
            identity.peer = ALLY.as_bytes().to_vec();
            simulator.add_as(ALLY, identity);
            simulator.hostile(ALLY);
            self.ally = Some(Intruder::new(simulator, ALLY, simulator.memory("dave"), self.garden));
        }
        self.eve = Some(eve);
        self.heard_before = self.all_heard_bytes();
    }

    /// Says hello to everybody, with all that she has.
    pub(crate) fn press_all(&mut self) {
        for name in self.honest.clone().into_iter().chain([NEWCOMER]) {
            self.press(name);
        }
    }

    fn press(&mut self, name: &str) {
        let Schedule { simulator, eve, ally, .. } = self;
        for client in eve.iter_mut().chain(ally.iter_mut()) {
            if simulator.are_connected(&client.name, name) {
                client.greet(simulator, name);
            } else {
                simulator.dial(&client.name, name);
            }
        }
    }

    /// One thing that she does.
    pub(crate) fn attack(&mut self) {
        if self.eve.is_none() {
            return;
        }
        match self.dice.below(8) {
            0 => self.press_all(),
            1 => {
                let name = *self.dice.pick(&self.honest).expect("there is alice");
                self.press(name);
            }
            2..5 => self.forge_item(),
            5 | 6 => self.forge_operation(),
            _ => self.forge_puppet(),
        }
    }

    /// Heads that say nothing of her removal; all that she knows of; or an old operation.
    fn heads(&mut self) -> Vec<OpId> {
        let eve = self.eve.as_ref().expect("she has turned");
        let innocent = innocent(eve, &self.rulings);
        match self.dice.below(4) {
            0 => eve.log.heads(),
            1 => self.dice.pick(&innocent).map_or_else(|| eve.log.heads(), |old| vec![*old]),
            _ => heads_of(eve, &innocent),
        }
    }

    fn ts(&mut self) -> Millis {
        let now = self.simulator.now();
        Millis(now.0 - self.dice.below(2) as u64 * self.dice.below(300_000) as u64)
    }

    fn forge_item(&mut self) {
        let (heads, ts, scope) =
            (self.heads(), self.ts(), [Scope::All, Scope::Inner][usize::from(self.dice.chance(1, 5))]);
        let after = if self.dice.chance(2, 3) { After::Last } else { After::Some(self.dice.below(8)) };
        let (target, retracts) = (self.dice.below(8), self.dice.chance(1, 8));
        let eve = self.eve.as_mut().expect("she has turned");
        let mut item = draft("forged");
        item.scope = scope;
        let chain = eve.chain(scope);
        if let Some((_, target)) = chain.get(target).filter(|_| retracts) {
            item = Draft::new(Body::Tombstone);
            item.target = Some(*target);
        }
        let carry = eve.forge_item(&item, &Claim { heads, ts, after });
        self.send_item(&carry);
    }

    fn send_item(&mut self, carry: &Carry) {
        self.forged_items += 1;
        self.forged.insert(carry.item.id());
        let through_ally = self.dice.chance(1, 2);
        let Schedule { simulator, eve, ally, .. } = self;
        let gossip = Gossip::Carry(Box::new(carry.clone()));
        for client in eve.iter_mut().chain(ally.iter_mut().filter(|_| through_ally)) {
            client.carries.insert(carry.item.id(), carry.clone());
            spread(simulator, client, &gossip);
        }
    }

    fn forge_operation(&mut self) {
        let (parents, ts, kind) = (self.heads(), self.ts(), self.dice.below(7));
        let (puppet, bob) = (self.simulator.person(PUPPET), self.simulator.person("bob"));
        let eve = self.eve.as_mut().expect("she has turned");
        let grants = eve.grants();
        let Some(auth) = self.dice.pick(&grants).copied() else { return };
        let rule = |person, role| Act::Rule(rule_on(&[person], role));
        let gossip = match kind {
            0 => {
                let (signed, blob) = eve.forge_epoch(auth, &parents, ts);
                Gossip::Epoch(signed, blob)
            }
            1 => Gossip::Operation(eve.forge(auth, &parents, ts, rule(puppet, Role::Steward))),
            2 => Gossip::Operation(eve.forge(auth, &parents, ts, rule(bob, Role::None))),
            3 => Gossip::Operation(eve.forge(auth, &parents, ts, Act::Policy(2, 1))),
            4 => Gossip::Operation(eve.forge(auth, &parents, ts, Act::Leave)),
            5 => Gossip::Operation(eve.forge(auth, &parents, ts, Act::Merge)),
            _ => {
                let (signed, device) = eve.forge_device(auth, &parents, ts);
                let certified = OpId::from(signed.id::<Operation>());
                let mut who = eve.who.clone();
                who.device = device;
                let claim = Claim { heads: vec![certified], ts, after: After::Last };
                let carry = eve.sign_item(&who, &draft("forged on another device"), &claim, None);
                self.send_operation(&Gossip::Operation(signed));
                return self.send_item(&carry);
            }
        };
        self.send_operation(&gossip);
    }

    /// Lets in somebody of her own by an invite of before: she herself, or her friend. Who came so writes.
    fn forge_puppet(&mut self) {
        let (parents, ts, by_ally) = (self.heads(), self.ts(), self.dice.chance(2, 3));
        let key = self.invite();
        let puppet = self.simulator.identity(PUPPET).clone();
        let identity = puppet.key.clone().expect("it has its identity key");
        let join = key.join(puppet.record.clone(), puppet.name.clone(), &identity, &puppet.device, ts);
        let body = Act::Admit(key.cert.signed.clone(), join);
        let admitter = if by_ally { self.ally.as_mut().or(self.eve.as_mut()) } else { self.eve.as_mut() };
        let admitter = admitter.expect("she has turned");
        let Some(auth) = admitter.grants().first().copied() else { return };
        let signed = admitter.forge(auth, &parents, ts, body);
        let admit = OpId::from(signed.id::<Operation>());
        let claim = Claim { heads: vec![admit], ts, after: After::Last };
        let carry = admitter.sign_item(&puppet, &draft("forged by a puppet"), &claim, None);
        self.send_operation(&Gossip::Operation(signed));
        self.send_item(&carry);
    }

    /// One that she has made while she could; else one that she could never make.
    fn invite(&mut self) -> InviteKey {
        if let Some(key) = self.dice.pick(&self.hers) {
            return InviteKey::from_text(key).expect("it was made");
        }
        let eve = self.eve.as_mut().expect("she has turned");
        let auth = eve.grants().last().copied().unwrap_or(Grant::Founder(0));
        let terms = InviteTerms {
            role: Role::Member,
            max_uses: 9,
            only: None,
            not_before: START,
            not_after: START.after(90 * DAY_MS),
        };
        let hint = Hint(Blob::new(b"eve".to_vec()).expect("short"), Blob::new(b"eve".to_vec()).expect("short"));
        let hints = List::new(vec![hint]).expect("one of four");
        let inviter = (eve.who.person(), auth, &eve.who.device);
        InviteKey::create(self.garden, inviter, &terms, hints, eve.random.bytes()).expect("within bounds")
    }

    fn send_operation(&mut self, gossip: &Gossip) {
        let (Gossip::Operation(signed) | Gossip::Epoch(signed, _)) = gossip else { return };
        self.forged_operations.insert(OpId::from(signed.id::<Operation>()));
        let now = self.simulator.now();
        let Schedule { simulator, eve, ally, .. } = self;
        for client in eve.iter_mut().chain(ally.iter_mut()) {
            client.absorb(signed.clone(), now);
            spread(simulator, client, gossip);
        }
    }
}

/// To everybody that it is connected with, under every key of the community that it has.
fn spread(simulator: &mut Simulator, client: &Intruder, gossip: &Gossip) {
    let bytes = gossip.to_bytes();
    for peer in client.peers() {
        for key in client.own_keys() {
            if simulator.are_connected(&client.name, &peer) {
                let topic = key.topic();
                let sealed = key.seal(&bytes, topic.as_bytes());
                simulator.send_gossip(&client.name, &peer, &topic, sealed);
            }
        }
    }
}

/// Operations that know nothing of these rulings, and come after her own first grant.
fn innocent(eve: &Intruder, rulings: &[OpId]) -> Vec<OpId> {
    let Some(Grant::Op(first)) = eve.grants().first().copied() else { return Vec::new() };
    let knows = |id: OpId| rulings.iter().any(|ruling| *ruling == id || eve.log.is_before(*ruling, id));
    let after = |id: OpId| id == first || eve.log.is_before(first, id);
    eve.log.operations().map(|place| place.id).filter(|id| after(*id) && !knows(*id)).collect()
}

/// Those of them that none of the others has in its past; four at most.
fn heads_of(eve: &Intruder, all: &[OpId]) -> Vec<OpId> {
    let is_head = |id: &&OpId| !all.iter().any(|other| eve.log.is_before(**id, *other));
    let mut heads: Vec<OpId> = all.iter().filter(is_head).copied().collect();
    heads.truncate(4);
    if heads.is_empty() { eve.log.heads() } else { heads }
}
