//! Whether this node's own clock is wrong, by the times that members claim in what they sign (F6).
//!
//! Leaves to others: whether something is sound (`receive`), and what becomes of it where it claims a time that is too
//! far ahead (`due`). Always true: nothing here changes what is kept or shown; a person has one say, however many
//! devices they have and whatever they sign, and only in a community in which they have a role; what they signed last
//! is what they say; a clock that others have wrong is not doubted here, nor one of which fewer than
//! [`limits::CLOCK_PERSONS`] say so.
//!
//! Nobody can make another's signature claim a time that has not come, but anybody can hold one back. So what claims an
//! old time counts only where it comes by gossip, which is sent when something is signed, and only where several persons have told of
//! such things: nobody alone can have held back what all the others say.

use std::collections::BTreeMap;

use super::{CheckedGossip, Effect, Engine, Event, Fetched, PeerName, ROUND_MS};
use crate::{
    authority::Role,
    id::{CommunityId, PersonId},
    key::PublicKey,
    limits,
    time::Millis,
};

/// A node that was not woken for so long was asleep, or its clock was put ahead. What the system had taken from the
/// network before may come now, and be old.
const ASLEEP_MS: u64 = 4 * ROUND_MS;
/// For so long after that.
const WAKING_MS: u64 = 10_000;

/// That this node's clock seems to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDoubt {
    /// Whether it is ahead of the others; else it is behind.
    pub is_ahead: bool,
    /// How far, by the person in the middle of those who say so.
    pub off_ms: u64,
    /// How many persons say so.
    pub persons: usize,
    /// How many were heard lately.
    pub heard: usize,
}

/// What was signed by somebody, when, and with which device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim(PersonId, PublicKey, Millis);

/// What persons have said of the time, each once.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// When it was heard, and what it claims.
    said: BTreeMap<PersonId, (Millis, Millis)>,
    /// Whose nodes have told of something old, and when last.
    tellers: BTreeMap<PersonId, Millis>,
    doubt: Option<ClockDoubt>,
    /// Until then what is old says nothing.
    waking: Option<Millis>,
}

impl Claims {
    /// Notes who has told of something old.
    fn note_teller(&mut self, now: Millis, person: PersonId) {
        self.tellers.retain(|_, told| is_recent(*told, now));
        if self.tellers.len() < limits::CLOCK_CLAIMS || self.tellers.contains_key(&person) {
            self.tellers.insert(person, now);
        }
    }

    /// Notes what somebody claims, unless what they claimed lately is later.
    fn note(&mut self, now: Millis, person: PersonId, claimed: Millis) {
        let is_taken = match self.said.get(&person) {
            Some((heard, before)) => *before <= claimed || !is_recent(*heard, now),
            None => {
                if self.said.len() >= limits::CLOCK_CLAIMS {
                    self.said.retain(|_, (heard, _)| is_recent(*heard, now));
                }
                self.said.len() < limits::CLOCK_CLAIMS
            }
        };
        if is_taken {
            self.said.insert(person, (now, claimed));
        }
    }

    /// What all of that comes to.
    fn doubt(&self, now: Millis) -> Option<ClockDoubt> {
        let recent: Vec<_> = self.said.values().filter(|(heard, _)| is_recent(*heard, now)).collect();
        let off = |ahead: bool| {
            let off = |(heard, claimed): &&(Millis, Millis)| {
                if ahead { heard.since(*claimed) } else { claimed.since(*heard) }
            };
            let mut off: Vec<u64> = recent.iter().map(off).filter(|off| *off > limits::FUTURE_MS).collect();
            off.sort_unstable();
            (off, ahead)
        };
        let (off, is_ahead) = [off(true), off(false)].into_iter().max_by_key(|(off, _)| off.len())?;
        let (persons, heard) = (off.len(), recent.len());
        let is_most = persons.saturating_mul(2) > heard;
        let tellers = self.tellers.values().filter(|told| is_recent(**told, now)).count();
        let is_told = !is_ahead || tellers >= limits::CLOCK_TELLERS;
        let off_ms = *off.get(persons / 2)?;
        (persons >= limits::CLOCK_PERSONS && is_most && is_told).then_some(ClockDoubt {
            is_ahead,
            off_ms,
            persons,
            heard,
        })
    }

    /// Works it out anew; answers what is to be told.
    fn judge(&mut self, now: Millis) -> Option<Effect> {
        let doubt = self.doubt(now);
        let before = std::mem::replace(&mut self.doubt, doubt);
        let is_told = match (before, doubt) {
            (None, None) => true,
            (Some(before), Some(doubt)) => {
                before.is_ahead == doubt.is_ahead && before.off_ms.abs_diff(doubt.off_ms) <= limits::FUTURE_MS
            }
            _ => false,
        };
        (!is_told).then_some(Effect::Tell(Event::Clock(doubt)))
    }

    /// The clock was put back: what was heard by what it showed before says nothing of it now.
    pub(super) fn put_back(&mut self) {
        *self = Claims { doubt: self.doubt, ..Claims::default() };
    }

    /// So long after the last input there is another one.
    pub(super) fn passed(&mut self, now: Millis, ms: u64) {
        if ms > ASLEEP_MS {
            self.waking = Some(now.after(WAKING_MS));
        }
    }
}

fn is_recent(heard: Millis, now: Millis) -> bool {
    now.since(heard) < limits::CLOCK_WITHIN_MS
}

/// What gossip claims; of an item that was relayed it is another community that knows its author.
pub(super) fn of_gossip(gossip: &CheckedGossip) -> Option<Claim> {
    match gossip {
        CheckedGossip::Operation(operation) | CheckedGossip::Epoch(operation, _) => {
            let signed = &operation.value;
            Some(Claim(signed.author, signed.device, signed.ts))
        }
        CheckedGossip::Carry(carry) => of_carry(carry),
    }
}

/// The same of what was fetched.
pub(super) fn of_fetched(fetched: &Fetched) -> Option<Claim> {
    match fetched {
        Fetched::Operation(operation) => {
            let signed = &operation.value;
            Some(Claim(signed.author, signed.device, signed.ts))
        }
        Fetched::Carry(carry) => of_carry(carry),
        Fetched::Bundle(..) | Fetched::Blob(..) | Fetched::Refused(_) => None,
    }
}

fn of_carry(carry: &super::CheckedCarry) -> Option<Claim> {
    let header = &carry.item.header;
    carry.envelope.is_none().then_some(Claim(header.author, header.device, header.ts))
}

impl Engine {
    /// Hears what a member claims; `by` is the peer that has just told of it, none where it was fetched.
    pub(super) fn hear_claim(
        &mut self,
        now: Millis,
        community: CommunityId,
        by: Option<&PeerName>,
        claim: Option<Claim>,
    ) -> Option<Effect> {
        let Claim(person, device, claimed) = claim?;
        let standing = self.communities.get(&community)?;
        let is_member = standing.state.role(person) > Role::None && standing.state.device(person, device).is_some();
        let is_own = person == self.me.person();
        if !is_member || is_own {
            return None;
        }
        let is_old = now.since(claimed) > limits::FUTURE_MS;
        if is_old {
            let teller = standing.met_at(by?).filter(|teller| *teller != self.me.person())?;
            if standing.state.role(teller) == Role::None || self.claims.waking.is_some_and(|until| now <= until) {
                return None;
            }
            self.claims.note_teller(now, teller);
        }
        self.claims.note(now, person, claimed);
        let is_off = is_old || claimed.since(now) > limits::FUTURE_MS;
        // Whoever is right ends a doubt in the next round.
        if is_off { self.claims.judge(now) } else { None }
    }

    /// What was claimed long ago counts no more.
    pub(super) fn doubt_again(&mut self, now: Millis) -> Option<Effect> {
        self.claims.judge(now)
    }

    /// That this node's clock seems to be wrong, as of the last round.
    #[must_use]
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.claims.doubt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes::Bytes,
        testing::{NOW, around},
    };

    fn person(number: usize) -> PersonId {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&(number as u64).to_be_bytes());
        PersonId(Bytes(name))
    }

    /// So many say that it is so much later than this node believes, and so many that it is right.
    fn said(later: usize, by_ms: u64, right: usize) -> Claims {
        let mut claims = Claims::default();
        (0..later).for_each(|number| claims.note(NOW, person(number), NOW.after(by_ms)));
        (later..later + right).for_each(|number| claims.note(NOW, person(number), NOW));
        claims
    }

    #[test]
    fn so_many_persons_make_a_doubt_and_fewer_do_not() {
        around(limits::CLOCK_PERSONS, [false, true, true], |persons| {
            said(persons, limits::FUTURE_MS + 1, 0).doubt(NOW).is_some()
        });
        around(limits::FUTURE_MS, [false, false, true], |ms| said(5, ms, 0).doubt(NOW).is_some());
    }

    #[test]
    fn what_is_old_needs_several_who_tell_of_it() {
        around(limits::CLOCK_TELLERS, [false, true, true], |tellers| {
            let mut claims = Claims::default();
            (0..9).for_each(|number| claims.note(NOW, person(number), Millis(NOW.0 - 2 * limits::FUTURE_MS)));
            // Each of them many times.
            (0..tellers * 9).for_each(|number| claims.note_teller(NOW, person(number % tellers)));
            claims.doubt(NOW).is_some()
        });
        let most = limits::CLOCK_CLAIMS;
        around(limits::CLOCK_CLAIMS, [most - 1, most, most], |tellers| {
            let mut claims = Claims::default();
            (0..tellers).for_each(|number| claims.note_teller(NOW, person(number)));
            claims.tellers.len()
        });
    }

    #[test]
    fn one_person_has_one_say_whatever_they_sign() {
        let mut claims = Claims::default();
        (1..1_000).for_each(|n| claims.note(NOW, person(0), NOW.after(n * limits::FUTURE_MS)));
        (1..1_000).for_each(|n| claims.note(NOW, person(0), Millis(NOW.0 - n * limits::FUTURE_MS)));
        assert_eq!((claims.said.len(), claims.doubt(NOW)), (1, None));
    }

    #[test]
    fn it_takes_more_than_half_of_those_who_were_heard() {
        for (right, is_doubt) in [(0, true), (4, true), (5, false), (6, false)] {
            assert_eq!(said(5, 2 * limits::FUTURE_MS, right).doubt(NOW).is_some(), is_doubt, "{right}");
        }
        // Three who are later and three who are earlier: it may be any of them.
        let mut claims = said(3, 2 * limits::FUTURE_MS, 0);
        (3..6).for_each(|number| claims.note(NOW, person(number), Millis(NOW.0 - 2 * limits::FUTURE_MS)));
        assert_eq!(claims.doubt(NOW), None);
    }

    #[test]
    fn what_was_heard_counts_for_an_hour_and_until_the_clock_is_put_back() {
        around(limits::CLOCK_WITHIN_MS, [true, false, false], |ms| said(3, ms, 0).doubt(NOW.after(ms)).is_some());
        let mut claims = said(3, limits::FUTURE_MS + 1, 0);
        claims.put_back();
        assert_eq!(claims.doubt(NOW), None);
    }

    #[test]
    fn so_many_persons_are_heard_at_a_time() {
        let most = limits::CLOCK_CLAIMS;
        around(limits::CLOCK_CLAIMS, [most - 1, most, most], |persons| said(persons, 1, 0).said.len());
        let mut claims = said(most, 1, 0);
        claims.note(NOW.after(limits::CLOCK_WITHIN_MS), person(most), NOW);
        assert_eq!(claims.said.len(), 1, "those who have not been heard for long give their places");
    }

    #[test]
    fn a_doubt_is_told_once_with_the_person_in_the_middle_and_so_is_its_end() {
        let mut claims = Claims::default();
        let hours = |n: u64| n * 60 * 60 * 1000;
        for (number, ahead_ms) in [hours(1), hours(3), hours(50)].into_iter().enumerate() {
            claims.note(NOW, person(number), Millis(NOW.0 - ahead_ms));
        }
        assert_eq!(claims.doubt(NOW), None, "nobody has told of it");
        (0..3).for_each(|number| claims.note_teller(NOW, person(number)));
        let doubt = ClockDoubt { is_ahead: true, off_ms: hours(3), persons: 3, heard: 3 };
        assert!(matches!(claims.judge(NOW), Some(Effect::Tell(Event::Clock(Some(told)))) if told == doubt));
        assert!(claims.judge(NOW.after(1)).is_none());
        claims.put_back();
        assert!(matches!(claims.judge(NOW), Some(Effect::Tell(Event::Clock(None)))));
        assert!(claims.judge(NOW).is_none());
    }
}
