//! What is remembered of how peers behave: what each was refused for, what it refused us, strikes
//! and bans.
//!
//! Leaves to others: which refusal is a strike (who refuses), and what a strike and a ban lead to
//! (`bans`). Always true: of what a peer sent only names from this program are kept, with counts;
//! peers and bans are each bounded; a ban is longer than the one before, up to a day.

use std::collections::{BTreeMap, BTreeSet};

use super::PeerName;
use crate::{
    id::CommunityId,
    ledger::Ban,
    limits,
    text::Text,
    time::{LAST, Millis},
};

/// The reason of a ban that this node's person has spoken.
pub const BY_HAND: &str = "by_hand";
/// A peer refuses us by a name that this program does not know.
const OTHER: &str = "other";
/// The names by which a node refuses what it is asked: a peer's own words are not kept.
const THEIR_NAMES: [&str; 18] = [
    "unknown",
    "malformed",
    "busy",
    "key_replaced",
    "invite_void",
    "invite_expired",
    "invite_too_early",
    "invite_for_another_admitter",
    "invite_ended",
    "invite_used_up",
    "inviter_lost_role",
    "role_too_low",
    "no_community",
    "unknown_grant",
    "others_grant",
    "unknown_device",
    "log_full",
    "bad_join",
];

/// How often something was refused, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusals {
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Millis,
}

/// What is remembered of one peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// What it was refused for, by name.
    pub refused: BTreeMap<&'static str, Refusals>,
    /// What it has refused us, by name.
    pub refused_us: BTreeMap<&'static str, Refusals>,
    /// When the last comparison with it was complete, by community.
    pub synced: BTreeMap<CommunityId, Millis>,
    /// Its strikes since the last ban, oldest first; as many as lead to one at most.
    strikes: Vec<Millis>,
    /// When any of this changed last.
    changed: Millis,
}

impl Behaviour {
    /// Its strikes that still count.
    #[must_use]
    pub fn strikes(&self, now: Millis) -> usize {
        self.strikes.iter().filter(|at| now.since(**at) < limits::STRIKES_WITHIN_MS).count()
    }
}

/// What is remembered of all peers, since the start; and their bans, since ever.
#[derive(Debug, Clone, Default)]
pub struct Conduct {
    peers: BTreeMap<PeerName, Behaviour>,
    /// Ended ones too: the next is longer.
    bans: BTreeMap<PeerName, Ban>,
    /// Those whose connections are refused now.
    barred: BTreeSet<PeerName>,
}

impl Conduct {
    /// What was kept.
    pub(super) fn load(bans: Vec<Ban>, now: Millis) -> Conduct {
        let bans = bans.into_iter().map(|ban| (ban.peer.as_slice().to_vec(), ban)).collect();
        let mut conduct = Conduct { bans, ..Conduct::default() };
        conduct.trim(now);
        conduct
    }

    /// A clock that was ahead must not lengthen a ban.
    pub(super) fn trim(&mut self, now: Millis) {
        let latest = now.after(limits::BAN_LONGEST_MS);
        for ban in self.bans.values_mut().filter(|ban| ban.why.as_str() != BY_HAND) {
            ban.until = ban.until.min(latest);
        }
    }

    /// The peers of whom anything is remembered but a ban.
    pub fn peers(&self) -> impl Iterator<Item = (&PeerName, &Behaviour)> {
        self.peers.iter()
    }

    /// What is remembered of a peer.
    #[must_use]
    pub fn of(&self, peer: &[u8]) -> Option<&Behaviour> {
        self.peers.get(peer)
    }

    /// A peer's ban, unless it is over.
    #[must_use]
    pub fn ban(&self, peer: &[u8], now: Millis) -> Option<&Ban> {
        self.bans.get(peer).filter(|ban| ban.until > now)
    }

    /// Whether a peer's connections are refused at present.
    pub(super) fn is_barred(&self, peer: &PeerName) -> bool {
        self.barred.contains(peer)
    }

    /// The bans that are not over.
    pub fn bans(&self, now: Millis) -> impl Iterator<Item = &Ban> {
        self.bans.values().filter(move |ban| ban.until > now)
    }

    /// Notes what a peer was refused for.
    pub(super) fn refused(&mut self, peer: &PeerName, name: &'static str, now: Millis, stays: impl Fn(&[u8]) -> bool) {
        count(&mut self.behaviour(peer, now, stays).refused, name, now);
    }

    /// Notes what a peer has refused us, by its own name for it.
    pub(super) fn refused_us(&mut self, peer: &PeerName, name: &str, now: Millis, stays: impl Fn(&[u8]) -> bool) {
        let name = THEIR_NAMES.iter().find(|known| **known == name).copied().unwrap_or(OTHER);
        count(&mut self.behaviour(peer, now, stays).refused_us, name, now);
    }

    /// Notes that a comparison is complete.
    pub(super) fn synced(&mut self, peer: &PeerName, of: CommunityId, now: Millis, stays: impl Fn(&[u8]) -> bool) {
        self.behaviour(peer, now, stays).synced.insert(of, now);
    }

    /// Notes a strike. Answers how many there are now.
    pub(super) fn strike(&mut self, peer: &PeerName, now: Millis, stays: impl Fn(&[u8]) -> bool) -> usize {
        let behaviour = self.behaviour(peer, now, stays);
        behaviour.strikes.retain(|at| now.since(*at) < limits::STRIKES_WITHIN_MS);
        // Of a peer that is not banned for them the newest are kept.
        if behaviour.strikes.len() >= limits::STRIKES {
            behaviour.strikes.remove(0);
        }
        behaviour.strikes.push(now);
        behaviour.strikes.len()
    }

    /// Bans a peer for its strikes: for ten minutes, and each time for twice as long, up to a day.
    pub(super) fn begin(&mut self, peer: &PeerName, why: &str, now: Millis) -> Option<Ban> {
        let times = self.bans.get(peer).map_or(0, |before| before.times);
        let doubled = limits::BAN_MS.saturating_mul(1u64.checked_shl(times).unwrap_or(u64::MAX));
        let until = now.after(doubled.min(limits::BAN_LONGEST_MS));
        self.put(peer, until, times.saturating_add(1), why)
    }

    /// Bans a peer until its ban is ended.
    pub(super) fn begin_by_hand(&mut self, peer: &PeerName) -> Option<Ban> {
        let times = self.bans.get(peer).map_or(0, |before| before.times);
        self.put(peer, LAST, times, BY_HAND)
    }

    fn put(&mut self, peer: &PeerName, until: Millis, times: u32, why: &str) -> Option<Ban> {
        let (name, why) = (super::peer_blob(peer), Text::exact(why.to_owned()).unwrap_or_default());
        let ban = Ban { peer: name, until, times, why };
        // What is no peer's name cannot be kept, nor be at the other end of a connection.
        if ban.peer.as_slice() != peer.as_slice() {
            return None;
        }
        if let Some(behaviour) = self.peers.get_mut(peer) {
            behaviour.strikes.clear();
        }
        self.bans.insert(peer.clone(), ban.clone());
        self.barred.insert(peer.clone());
        Some(ban)
    }

    /// Takes out the bans that are too many: those that are over for longest, then those that end
    /// next; but not that of `newest`.
    pub(super) fn forget_bans(&mut self, newest: &PeerName) -> Vec<PeerName> {
        let mut gone = Vec::new();
        while self.bans.len() > limits::BANS {
            let others = self.bans.iter().filter(|(peer, _)| *peer != newest);
            let Some(first) = others.min_by_key(|(_, ban)| ban.until).map(|(peer, _)| peer.clone()) else { break };
            self.bans.remove(&first);
            self.barred.remove(&first);
            gone.push(first);
        }
        gone
    }

    /// Forgives: no ban, no strikes, and the next ban is a first one.
    pub(super) fn forgive(&mut self, peer: &PeerName) {
        if let Some(behaviour) = self.peers.get_mut(peer) {
            behaviour.strikes.clear();
        }
        self.barred.remove(peer);
        self.bans.remove(peer);
    }

    /// The peers whose connections are to be refused from now on: at the start.
    pub(super) fn bar(&mut self, now: Millis) -> Vec<PeerName> {
        self.barred = self.bans.iter().filter(|(_, ban)| ban.until > now).map(|(peer, _)| peer.clone()).collect();
        self.barred.iter().cloned().collect()
    }

    /// The peers whose ban has ended since this was asked last.
    pub(super) fn ended(&mut self, now: Millis) -> Vec<PeerName> {
        let over = |peer: &&PeerName| self.bans.get(*peer).is_none_or(|ban| ban.until <= now);
        let over: Vec<PeerName> = self.barred.iter().filter(over).cloned().collect();
        self.barred.retain(|peer| !over.contains(peer));
        over
    }

    /// When the next ban ends.
    pub(super) fn next_end(&self) -> Option<Millis> {
        self.barred.iter().filter_map(|peer| self.bans.get(peer)).map(|ban| ban.until).min()
    }

    /// What is remembered of a peer. Where there is no room, that of another is forgotten: of those
    /// that need not stay the one of whom nothing was heard for longest.
    fn behaviour(&mut self, peer: &PeerName, now: Millis, stays: impl Fn(&[u8]) -> bool) -> &mut Behaviour {
        if !self.peers.contains_key(peer) && self.peers.len() >= limits::PEERS_REMEMBERED {
            let oldest = self.peers.iter().min_by_key(|(name, known)| (stays(name), known.changed));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.peers.remove(&oldest);
            }
        }
        let behaviour = self.peers.entry(peer.clone()).or_default();
        behaviour.changed = now;
        behaviour
    }
}

fn count(names: &mut BTreeMap<&'static str, Refusals>, name: &'static str, now: Millis) {
    let refusals = names.entry(name).or_insert(Refusals { count: 0, last: now });
    refusals.count = refusals.count.saturating_add(1);
    refusals.last = now;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::around;

    const NOW: Millis = Millis(1_700_000_000_000);

    fn peer(number: usize) -> PeerName {
        format!("peer {number:04}").into_bytes()
    }

    fn nobody(_: &[u8]) -> bool {
        false
    }

    #[test]
    fn strikes_count_for_an_hour() {
        let (mut conduct, eve) = (Conduct::default(), peer(1));
        assert_eq!(conduct.strike(&eve, NOW, nobody), 1);
        assert_eq!(conduct.strike(&eve, NOW, nobody), 2);
        around(limits::STRIKES_WITHIN_MS, [(2, 3), (0, 1), (0, 1)], |span_ms| {
            let late = NOW.after(span_ms);
            (conduct.of(&eve).unwrap().strikes(late), conduct.clone().strike(&eve, late, nobody))
        });
        let later = NOW.after(limits::STRIKES_WITHIN_MS);
        // Of one who is not banned for them, as many are remembered as would do.
        for _ in 0..9 {
            conduct.strike(&eve, later, nobody);
        }
        assert_eq!(conduct.of(&eve).unwrap().strikes(later), limits::STRIKES);
    }

    #[test]
    fn of_a_peer_that_is_not_banned_for_them_no_more_strikes_are_kept_than_would_do() {
        around(limits::STRIKES, [limits::STRIKES - 1, limits::STRIKES, limits::STRIKES], |n| {
            let mut conduct = Conduct::default();
            (0..n).fold(0, |_, _| conduct.strike(&peer(1), NOW, nobody))
        });
    }

    #[test]
    fn a_first_ban_is_over_after_ten_minutes_and_no_ban_is_longer_than_a_day() {
        let mut conduct = Conduct::default();
        let eve = peer(1);
        conduct.begin(&eve, "bad_signature", NOW);
        around(limits::BAN_MS, [true, false, false], |span_ms| conduct.ban(&eve, NOW.after(span_ms)).is_some());
        (0..100).for_each(|_| drop(conduct.begin(&eve, "bad_signature", NOW)));
        around(limits::BAN_LONGEST_MS, [true, false, false], |span_ms| conduct.ban(&eve, NOW.after(span_ms)).is_some());
    }

    #[test]
    fn a_thousand_bans_are_kept_and_of_more_the_one_that_ended_first_goes() {
        let ban = |conduct: &mut Conduct, number: usize| {
            let banned = conduct.begin(&peer(number), "bad_signature", NOW.after(number as u64));
            assert!(banned.is_some());
            conduct.forget_bans(&peer(number)).len()
        };
        around(limits::BANS, [0, 0, 1], |n| {
            let mut conduct = Conduct::default();
            let forgotten = (0..n).map(|number| ban(&mut conduct, number)).sum();
            assert_eq!(conduct.bans(NOW).count() + forgotten, n);
            forgotten
        });
        let mut conduct = Conduct::default();
        assert_eq!((0..limits::BANS).map(|number| ban(&mut conduct, number)).sum::<usize>(), 0);
        let next = peer(limits::BANS);
        conduct.begin(&next, "bad_signature", NOW);
        // The newest ends as early as the first, and stays.
        assert_eq!(conduct.forget_bans(&next), [peer(0)]);
        assert_eq!(conduct.bans(NOW).count(), limits::BANS);
        assert!(conduct.ban(&peer(0), NOW).is_none() && conduct.ban(&next, NOW).is_some());
        // What is spoken by hand goes last.
        conduct.begin_by_hand(&peer(1)).unwrap();
        conduct.begin(&peer(0), "bad_signature", NOW);
        assert_eq!(conduct.forget_bans(&peer(0)), [next]);
        assert!(conduct.ban(&peer(1), NOW).is_some());
    }

    #[test]
    fn a_thousand_peers_are_remembered_and_of_more_the_one_heard_of_last_goes() {
        let most = limits::PEERS_REMEMBERED;
        let of = |peers: usize| {
            let mut conduct = Conduct::default();
            (0..peers).for_each(|n| conduct.refused(&peer(n), "truncated", NOW.after(n as u64), nobody));
            conduct
        };
        around(limits::PEERS_REMEMBERED, [most - 1, most, most], |n| of(n).peers().count());
        let mut conduct = of(most);
        // The first is connected, so the second is forgotten.
        conduct.refused(&peer(5_000), "truncated", NOW, |name| name == peer(0));
        assert_eq!(conduct.peers().count(), limits::PEERS_REMEMBERED);
        assert!(conduct.of(&peer(0)).is_some() && conduct.of(&peer(1)).is_none());
        // Where everybody is connected, there is a bound all the same.
        conduct.refused(&peer(5_001), "truncated", NOW, |_| true);
        assert_eq!(conduct.peers().count(), limits::PEERS_REMEMBERED);
    }

    #[test]
    fn of_a_peers_own_words_nothing_is_kept() {
        let (mut conduct, eve) = (Conduct::default(), peer(1));
        for words in ["busy", "\u{1b}[2J", "", "busy", "buy pills"] {
            conduct.refused_us(&eve, words, NOW, nobody);
        }
        let known: Vec<_> = conduct.of(&eve).unwrap().refused_us.iter().map(|(name, of)| (*name, of.count)).collect();
        assert_eq!(known, [("busy", 2), ("other", 3)]);
    }

    #[test]
    fn a_name_that_no_peer_has_is_not_banned() {
        let mut conduct = Conduct::default();
        around(limits::PEER_BYTES, [true, true, false], |n| conduct.begin_by_hand(&vec![1; n]).is_some());
        assert_eq!(conduct.bans(NOW).count(), 2);
    }
}
