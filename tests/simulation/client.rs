//! A full client of the protocol for nodes without an engine: what an outsider, or a removed member with old keys, can
//! say by the rules.
//!
//! Leaves to others: what it is used for. Always true: it asks as an engine does, and believes nothing.

use hearth_protocol::{
    bytes::{Blob, Bytes},
    epoch::EpochKey,
    hello::{Proof, Speaker, Transcript},
    id::{CommunityId, OpId},
    item::{Item, SaltedBody, SignedItem},
    ledger::Ledger as _,
    link::Carry,
    testing::Simulator,
    wire::{AnyId, Fingerprint, Gossip, Request, Response, SetName},
};

/// A hello between a hostile node and somebody.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    me: String,
    pub(crate) with: String,
    transcript: Transcript,
}

impl Talk {
    /// Says hello.
    pub(crate) fn begin(simulator: &mut Simulator, me: &str, with: &str) -> Option<Talk> {
        let nonce = [7; 32];
        let Some(Response::Hello(theirs)) = simulator.ask(me, with, &Request::Hello(Bytes(nonce))) else { return None };
        let transcript = Transcript::new((me.as_bytes(), &nonce), (with.as_bytes(), &theirs.0));
        Some(Talk { me: me.to_owned(), with: with.to_owned(), transcript })
    }

    /// The tag of a community, to whoever holds its key.
    pub(crate) fn tag(&self, key: &EpochKey) -> Bytes<16> {
        self.transcript.tag(key, Speaker::Asker)
    }

    /// Proves who it is with its own device; whether the other side answers with a proof.
    pub(crate) fn prove(&self, simulator: &mut Simulator, community: CommunityId, key: &EpochKey) -> bool {
        let who = simulator.identity(&self.me).clone();
        let proof = Proof::seal(&self.transcript, community, key, Speaker::Asker, who.person(), &who.device);
        let request = Request::Prove(self.tag(key), Blob::new(proof).expect("a proof is short"));
        matches!(self.ask(simulator, &request), Some(Response::Prove(_)))
    }

    /// The ids of a set, if they are told.
    pub(crate) fn ids(&self, simulator: &mut Simulator, key: &EpochKey, set: SetName) -> Option<Vec<AnyId>> {
        match self.ask(simulator, &Request::Ids(self.tag(key), set, Fingerprint::default(), None)) {
            Some(Response::Ids(_, ids, _)) => Some(ids),
            _ => None,
        }
    }

    /// Things of a set, if they are given.
    pub(crate) fn fetch(&self, simulator: &mut Simulator, key: &EpochKey, set: SetName, id: AnyId) -> usize {
        match self.ask(simulator, &Request::Fetch(self.tag(key), set, vec![id])) {
            Some(Response::Fetch(_, things)) => things.len(),
            _ => 0,
        }
    }

    pub(crate) fn ask(&self, simulator: &mut Simulator, request: &Request) -> Option<Response> {
        simulator.ask(&self.me, &self.with, request)
    }
}

/// Signs an item like one that the node has written before, with other words and at a place in the log of its choice.
pub(crate) fn forge(
    simulator: &Simulator,
    who: &str,
    like: &SignedItem,
    heads: Vec<OpId>,
    change: impl FnOnce(&mut hearth_protocol::item::Header),
) -> (Item, SaltedBody) {
    let written = like.clone().check().expect("it is its own");
    let body = simulator.memory(who).body(&written);
    let body = body.expect("memory does not fail").expect("it wrote it");
    let mut header = written.header;
    header.auth_heads = hearth_protocol::bytes::List::new(heads).expect("one to four heads");
    change(&mut header);
    let signed = SignedItem::seal(&header, &simulator.identity(who).device).expect("it is within bounds");
    (Item { id: signed.id(), header, signed }, body)
}

/// Sends an item as gossip to one node, sealed under a key that may be an old one.
pub(crate) fn push(simulator: &mut Simulator, from: &str, to: &str, key: &EpochKey, (item, body): (Item, SaltedBody)) {
    let topic = key.topic();
    let gossip = Gossip::Carry(Box::new(Carry::plain(item.signed, Some(body))));
    simulator.send_gossip(from, to, &topic, key.seal(&gossip.to_bytes(), topic.as_bytes()));
}
