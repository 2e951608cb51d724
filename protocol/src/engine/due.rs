//! When this node wants to be woken, by a clock that may be wrong and be put right.
//!
//! Leaves to others: what is done then. Always true: whatever is to be done after a while is done after that while at
//! the latest, however far the clock is put back in between; what is parked is bounded in number and in bytes.

use std::{collections::BTreeMap, sync::Arc};

use super::{CheckedCarry, Effect, Engine, Event};
use crate::{bytes::Bytes, id::CommunityId, limits, time::Millis, wire::AnyId};

impl Engine {
    /// Notes what the clock shows. Where it was put back, all that was to be done after a while is put back with it:
    /// by the clock of before it would be done only when that comes to where it had been.
    pub(super) fn follow_clock(&mut self, now: Millis) {
        let back = self.seen.since(now);
        self.claims.passed(now, now.since(self.seen));
        self.seen = now;
        if back == 0 {
            return;
        }
        self.claims.put_back();
        let comparisons = self.peers.values_mut().flat_map(|peer| peer.compare_at.values_mut());
        let looks = self.looking.iter_mut().map(|(_, until)| until);
        let pairings = self.pairing.iter_mut().map(super::devices::Pairing::until_mut);
        let all = comparisons.chain(self.chores.values_mut()).chain(looks).chain(pairings);
        for at in all.chain([&mut self.next_round]) {
            at.0 = at.0.saturating_sub(back);
        }
        Arc::make_mut(&mut self.conduct).trim(now);
    }

    /// When there is something to do next.
    pub(super) fn next_due(&self, now: Millis) -> Millis {
        if self.has_ready() {
            return now;
        }
        let dues =
            [self.next_chore(), self.next_comparison(), self.conduct.next_end(), self.parked.next(), self.lost.next()];
        dues.into_iter().flatten().fold(self.next_round, Millis::min)
    }

    /// Parks what claims a time that is too far ahead, until it is due (T1). It is not passed on.
    pub(super) fn park(&mut self, community: CommunityId, carry: Box<CheckedCarry>) -> Vec<Effect> {
        let dropped = self.parked.put(community, carry);
        (0..dropped).map(|_| Effect::Tell(Event::Refused("parked_full"))).collect()
    }

    /// Has those that are due looked at when the node is woken next: at once.
    pub(super) fn take_parked(&mut self, now: Millis) {
        self.ready.extend(self.parked.take_due(now));
    }
}

/// Items from the future, by when they are due. What does not fit is listed again by the next comparison; those that
/// are due last go first.
#[derive(Debug, Default)]
pub(super) struct Parked {
    carries: BTreeMap<(Millis, AnyId), (CommunityId, Box<CheckedCarry>)>,
    bytes: usize,
}

impl Parked {
    /// Answers how many found no place, this one or others.
    fn put(&mut self, community: CommunityId, carry: Box<CheckedCarry>) -> usize {
        let name = carry.envelope_id().map_or(carry.id().0, |envelope| envelope.0);
        let bytes = size(&carry);
        if self.carries.insert((due(&carry), name), (community, carry)).is_none() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        let before = self.carries.len();
        while self.carries.len() > limits::PARKED || self.bytes > limits::PARKED_BYTES {
            let Some((_, (_, last))) = self.carries.pop_last() else { break };
            self.bytes = self.bytes.saturating_sub(size(&last));
        }
        before.saturating_sub(self.carries.len())
    }

    /// When the next one is due.
    fn next(&self) -> Option<Millis> {
        self.carries.first_key_value().map(|((due, _), _)| *due)
    }

    fn take_due(&mut self, now: Millis) -> Vec<(CommunityId, Box<CheckedCarry>)> {
        let later = self.carries.split_off(&(now.after(1), Bytes([0; 32])));
        let taken = std::mem::replace(&mut self.carries, later);
        for (_, carry) in taken.values() {
            self.bytes = self.bytes.saturating_sub(size(carry));
        }
        taken.into_values().collect()
    }
}

/// From when on no time that a carry claims is too far ahead.
fn due(carry: &CheckedCarry) -> Millis {
    let relayed = carry.envelope.iter().map(|envelope| envelope.value.ts);
    let last = relayed.fold(carry.item.header.ts, Millis::max);
    Millis(last.0.saturating_sub(limits::FUTURE_MS))
}

/// Whether a carry claims a time that is too far ahead.
pub(super) fn is_ahead(carry: &CheckedCarry, now: Millis) -> bool {
    due(carry) > now
}

fn size(carry: &CheckedCarry) -> usize {
    let body = carry.body.as_ref().map_or(0, |(salted, _)| salted.as_slice().len());
    limits::HEADER_BYTES.saturating_add(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes::List,
        encoding::V1,
        epoch::Scope,
        id::OpId,
        item::{Body, Header, Item, Kind, Post, SignedItem, salted},
        testing::{NOW, alice, around},
        text::Text,
    };

    const GARDEN: CommunityId = CommunityId::new([1; 32]);

    /// A post of this length, so far ahead of [`NOW`].
    fn post(ahead_ms: u64, text: &str) -> Box<CheckedCarry> {
        let post = Post { version: V1, title: None, text: Text::written(text).unwrap(), attachments: List::none() };
        let says = Body::Post(post);
        let (body, body_hash, body_len) = salted([7; 16], &says.to_bytes()).unwrap();
        let header = Header {
            version: V1,
            kind: Kind::POST,
            community: GARDEN,
            author: alice().person(),
            device: alice().device.public(),
            seq: 0,
            prev: None,
            ts: NOW.after(ahead_ms),
            auth_heads: List::new(vec![OpId::new([2; 32])]).unwrap(),
            scope: Scope::All,
            reach: 0,
            re: List::none(),
            target: None,
            tags: List::none(),
            body_hash,
            body_len,
        };
        let signed = SignedItem::seal(&header, &alice().device).unwrap();
        let item = Item { id: signed.id(), header, signed };
        Box::new(CheckedCarry { item, body: Some((body, says)), envelope: None, person: None })
    }

    #[test]
    fn ten_minutes_ahead_is_not_ahead_and_a_millisecond_more_is() {
        around(limits::FUTURE_MS, [false, false, true], |ahead_ms| is_ahead(&post(ahead_ms, "text"), NOW));
    }

    #[test]
    fn what_is_parked_comes_when_it_is_due_and_once() {
        let mut parked = Parked::default();
        for minutes in [30, 20, 20, 40] {
            parked.put(GARDEN, post(minutes * 60_000, "text"));
        }
        assert_eq!(parked.next(), Some(NOW.after(10 * 60_000)));
        assert_eq!(parked.take_due(NOW.after(10 * 60_000 - 1)).len(), 0);
        assert_eq!(parked.take_due(NOW.after(10 * 60_000)).len(), 1, "the same twice is parked once");
        assert_eq!(parked.take_due(NOW.after(60 * 60_000)).len(), 2);
        assert_eq!((parked.next(), parked.bytes), (None, 0));
    }

    #[test]
    fn as_many_as_may_are_parked_and_those_that_are_due_last_go_first() {
        let mut parked = Parked::default();
        around(limits::PARKED, [limits::PARKED - 1, limits::PARKED, limits::PARKED], |n| {
            parked = Parked::default();
            let put = (1..=n).map(|n| parked.put(GARDEN, post(limits::FUTURE_MS + n as u64, "text")));
            let dropped = put.sum::<usize>();
            assert_eq!(parked.carries.len() + dropped, n, "what is dropped is counted");
            parked.carries.len()
        });
        assert!(parked.carries.values().all(|(_, carry)| !is_ahead(carry, NOW.after(limits::PARKED as u64))));
        assert_eq!(parked.put(GARDEN, post(limits::FUTURE_MS + 1, "one more, and due first")), 1);
        assert_eq!(parked.carries.len(), limits::PARKED);
        assert!(parked.carries.values().all(|(_, carry)| !is_ahead(carry, NOW.after(limits::PARKED as u64 - 1))));
    }

    #[test]
    fn long_ones_are_parked_up_to_a_bound_in_bytes() {
        let text = "x".repeat(200 * 1024);
        let each = size(&post(0, &text));
        let others = limits::PARKED_BYTES / each;
        // The last fills what the others leave.
        around(limits::PARKED_BYTES, [others + 1, others + 1, others], |bytes| {
            let mut parked = Parked::default();
            let put = (0..others).map(|n| parked.put(GARDEN, post(limits::FUTURE_MS + 1 + n as u64, &text)));
            assert_eq!(put.sum::<usize>(), 0);
            let left = bytes - parked.bytes;
            let last = post(2 * limits::FUTURE_MS, &"x".repeat(text.len() + left - each));
            assert_eq!(size(&last), left);
            let dropped = parked.put(GARDEN, last);
            assert_eq!(parked.carries.len() + dropped, others + 1, "what is dropped is counted");
            assert!(parked.bytes <= limits::PARKED_BYTES);
            parked.carries.len()
        });
    }
}
