//! Where members can be found: signed lists of addresses, told among members only.

use super::{
    Effect, Engine, Event, Keep, PeerName, Standing, peer_blob,
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

    /// Takes a list that is newer than what is known of its peer; of a peer that is not known, where there is room.
    fn note(&mut self, list: &AddressList) -> Noted {
        let name = list.peer.as_slice();
        let noted = match self.book.get(name) {
            Some(known) if known.seq >= list.seq => Noted::Known,
            None if self.book.len() >= limits::ADDRESS_BOOK => Noted::NoRoom,
            Some(_) | None => Noted::New,
        };
        if noted == Noted::New {
            self.book.insert(name.to_vec(), list.clone());
        }
        noted
    }
}

/// What became of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    New,
    /// It is no newer than what is known of its peer.
    Known,
    NoRoom,
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
            if list.peer == own {
                continue;
            }
            match standing.note(&list) {
                Noted::New => effects.push(Effect::Keep(Keep::Addresses { community, list })),
                Noted::Known => {}
                Noted::NoRoom => effects.push(Effect::Tell(Event::Refused("book_full"))),
            }
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes::List,
        testing::{alice, around, community},
    };

    fn list(peer: usize, seq: u64) -> AddressList {
        let peer = Blob::new(peer.to_be_bytes().to_vec()).unwrap();
        AddressList { peer, seq, list: Blob::default(), addresses: List::none() }
    }

    #[test]
    fn lists_of_so_many_peers_are_kept_and_newer_ones_of_these_replace_them() {
        let most = limits::ADDRESS_BOOK;
        let mut standing = Standing::new(community("garden", &[alice()]), (alice().person(), alice().device.public()));
        around(limits::ADDRESS_BOOK, [most - 1, most, most], |n| {
            standing.book.clear();
            let noted: Vec<Noted> = (0..n).map(|peer| standing.note(&list(peer, 1))).collect();
            let count = |which: Noted| noted.iter().filter(|noted| **noted == which).count();
            assert_eq!(count(Noted::NoRoom), n.saturating_sub(most), "what is dropped is counted");
            count(Noted::New)
        });
        assert_eq!(standing.book.len(), most);
        assert_eq!(standing.note(&list(0, 2)), Noted::New, "a peer that is known has moved");
        assert_eq!([2, 1].map(|seq| standing.note(&list(0, seq))), [Noted::Known; 2], "nothing new");
        assert_eq!(standing.note(&list(most, 1)), Noted::NoRoom, "there is no room for another one");
    }
}
