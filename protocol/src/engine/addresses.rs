//! Where members can be found: signed lists of addresses, told among members only.

use super::{
    Effect, Engine, Keep, PeerName, Standing, peer_blob,
    session::{Question, refused},
};
use crate::{
    bytes::Blob,
    id::CommunityId,
    ledger::AddressList,
    limits,
    wire::{CommunityTag, Response},
};

impl Standing {
    /// Where members can be found, as members have told.
    pub fn address_book(&self) -> impl Iterator<Item = &AddressList> {
        self.book.values()
    }
}

impl Engine {
    pub(super) fn address_lists(&self, standing: &Standing) -> Vec<Blob<{ limits::ADDRESS_LIST_BYTES }>> {
        let own = self.listening.iter().map(|list| list.list.clone());
        let others = standing.book.values().map(|list| list.list.clone());
        own.chain(others).take(limits::ADDRESS_LISTS).collect()
    }

    pub(super) fn addresses_asked(
        &mut self,
        peer: &PeerName,
        token: u64,
        tag: CommunityTag,
        lists: Vec<AddressList>,
    ) -> Vec<Effect> {
        let Some((community, _)) = self.served(peer, &tag) else {
            return vec![Effect::Respond { token, response: refused("unknown") }];
        };
        let answer = self.standing(community).map(|s| self.address_lists(s)).unwrap_or_default();
        let mut effects = self.note_addresses(community, lists);
        // It has our proof, so it listens for our gossip.
        effects.push(Effect::SpeakGossip(peer.clone()));
        effects.push(Effect::Respond { token, response: Response::Addresses(answer) });
        effects
    }

    pub(super) fn addresses_answered(&mut self, peer: &PeerName, id: u64, lists: Vec<AddressList>) -> Vec<Effect> {
        let question = self.peers.get_mut(peer).and_then(|p| p.questions.remove(&id));
        let Some(Question::Addresses(community)) = question else { return Vec::new() };
        let mut effects = self.note_addresses(community, lists);
        effects.extend(self.redial());
        effects
    }

    fn note_addresses(&mut self, community: CommunityId, lists: Vec<AddressList>) -> Vec<Effect> {
        let own = peer_blob(&self.me.peer);
        let Some(standing) = self.standing_mut(community) else { return Vec::new() };
        let mut effects = Vec::new();
        for list in lists {
            let name = list.peer.as_slice().to_vec();
            let newer = standing.book.get(&name).is_none_or(|known| known.seq < list.seq);
            if list.peer != own && newer && standing.book.len() < limits::ADDRESS_BOOK {
                standing.book.insert(name, list.clone());
                effects.push(Effect::Keep(Keep::Addresses { community, list }));
            }
        }
        effects
    }
}
