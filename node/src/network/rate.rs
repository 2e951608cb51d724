//! How fast a peer may send what it was not asked for: requests and gossip.
//!
//! Leaves to others: what becomes of what comes faster (`exchange`, `gossip`). Answers to our own requests are bounded
//! by what was asked for.
//! Always true: over any span of time a peer gets through at most its rate times that span and one burst; coming back
//! over a new connection gives it nothing, and what is kept of a peer is dropped once it says nothing more.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use super::limits;

/// For whom a rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    Stranger,
    Member,
}

impl Standing {
    /// Messages and bytes a second.
    fn rates(self) -> [u32; 2] {
        match self {
            Standing::Stranger => [limits::MESSAGES_PER_SECOND, limits::MESSAGE_BYTES_PER_SECOND],
            Standing::Member => [limits::MESSAGES_PER_SECOND_OF_MEMBERS, limits::MESSAGE_BYTES_PER_SECOND_OF_MEMBERS],
        }
    }
}

/// What all peers may still send. `P` names a peer.
#[derive(Debug)]
pub(super) struct Rates<P> {
    /// When a peer may send a full burst again, in messages and in bytes. Who is not here may at once. What it
    /// sent as a stranger does not count against it as a member.
    full_at: HashMap<(P, Standing), [Instant; 2]>,
}

impl<P> Default for Rates<P> {
    fn default() -> Self {
        Self { full_at: HashMap::new() }
    }
}

impl<P: Eq + Hash> Rates<P> {
    /// Whether a message of so many bytes gets through now. One that does not costs nothing.
    pub(super) fn take(&mut self, peer: P, standing: Standing, bytes: usize, now: Instant) -> bool {
        let key = (peer, standing);
        if self.full_at.len() >= limits::RATES_KEPT {
            self.full_at.retain(|_, full_at| full_at.iter().any(|at| *at > now));
        }
        if self.full_at.len() >= limits::RATES_KEPT && !self.full_at.contains_key(&key) {
            return false;
        }
        let [messages, per_second] = standing.rates();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let costs = [Duration::from_secs(1) / messages, Duration::from_secs(1) * bytes / per_second];
        let [until_messages, until_bytes] = self.full_at.get(&key).copied().unwrap_or([now, now]);
        let next = [until_messages.max(now) + costs[0], until_bytes.max(now) + costs[1]];
        let passes = next.iter().all(|at| at.duration_since(now) <= limits::MESSAGES_BURST_TIME);
        if passes {
            self.full_at.insert(key, next);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    fn taken(rates: &mut Rates<u32>, standing: Standing, bytes: usize, now: Instant) -> u32 {
        (0..).find(|_| !rates.take(1, standing, bytes, now)).expect("it ends")
    }

    #[test]
    fn a_burst_passes_and_then_what_the_rate_allows() {
        let seconds = u32::try_from(limits::MESSAGES_BURST_TIME.as_secs()).expect("few");
        for (standing, rate) in [
            (Standing::Stranger, limits::MESSAGES_PER_SECOND),
            (Standing::Member, limits::MESSAGES_PER_SECOND_OF_MEMBERS),
        ] {
            let (mut rates, begun) = (Rates::default(), Instant::now());
            assert_eq!(taken(&mut rates, standing, 1, begun), rate * seconds);
            let a_bit = Duration::from_secs(1) / rate;
            assert_eq!(taken(&mut rates, standing, 1, begun + a_bit / 2), 0);
            assert_eq!(taken(&mut rates, standing, 1, begun + a_bit), 1);
            assert_eq!(taken(&mut rates, standing, 1, begun + Duration::from_secs(1)), rate - 1);
            // Another peer has a burst of its own; after a long silence this one has it again, and no more.
            assert!(rates.take(2, standing, 1, begun));
            assert_eq!(taken(&mut rates, standing, 1, begun + Duration::from_secs(1_000)), rate * seconds);
        }
    }

    #[test]
    fn bytes_are_counted_beside_messages() {
        let seconds = u32::try_from(limits::MESSAGES_BURST_TIME.as_secs()).expect("few");
        for (standing, rate) in [
            (Standing::Stranger, limits::MESSAGE_BYTES_PER_SECOND),
            (Standing::Member, limits::MESSAGE_BYTES_PER_SECOND_OF_MEMBERS),
        ] {
            let (mut rates, begun) = (Rates::default(), Instant::now());
            let longest = u32::try_from(limits::REQUEST).expect("short");
            let messages = rate * seconds / longest;
            assert_eq!(taken(&mut rates, standing, limits::REQUEST, begun), messages);
            assert!(rates.take(1, standing, 0, begun), "what has no bytes costs none");
        }
    }

    /// Whether so many messages get through a second after a burst.
    fn pass(standing: Standing, messages: u32) -> bool {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        taken(&mut rates, standing, 0, begun);
        (0..messages).all(|_| rates.take(1, standing, 0, begun + Duration::from_secs(1)))
    }

    /// Whether so many bytes do.
    fn bytes_pass(standing: Standing, bytes: u32) -> bool {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        let [_, per_second] = standing.rates();
        let burst = usize::try_from(per_second).expect("small") * 10;
        assert!(rates.take(1, standing, burst, begun));
        rates.take(1, standing, usize::try_from(bytes).expect("small"), begun + Duration::from_secs(1))
    }

    #[test]
    fn after_a_burst_as_much_passes_in_a_second_as_the_rate_says() {
        around(limits::MESSAGES_PER_SECOND, [true, true, false], |n| pass(Standing::Stranger, n));
        around(limits::MESSAGES_PER_SECOND_OF_MEMBERS, [true, true, false], |n| pass(Standing::Member, n));
        around(limits::MESSAGE_BYTES_PER_SECOND, [true, true, false], |n| bytes_pass(Standing::Stranger, n));
        around(limits::MESSAGE_BYTES_PER_SECOND_OF_MEMBERS, [true, true, false], |n| bytes_pass(Standing::Member, n));
        around(limits::MESSAGES_BURST_TIME, [true, true, false], |span| {
            let bytes = span.as_millis() * u128::from(limits::MESSAGE_BYTES_PER_SECOND_OF_MEMBERS) / 1000;
            Rates::default().take(1, Standing::Member, usize::try_from(bytes).expect("small"), Instant::now())
        });
    }

    #[test]
    fn so_many_peers_are_counted_at_once() {
        let (most, now) = (limits::RATES_KEPT, Instant::now());
        around(limits::RATES_KEPT, [most - 1, most, most], |n| {
            let mut rates = Rates::default();
            (0..n).filter(|peer| rates.take(*peer, Standing::Stranger, 1, now)).count()
        });
    }

    #[test]
    fn who_was_refused_loses_nothing_by_it_and_is_forgotten_in_the_end() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        taken(&mut rates, Standing::Stranger, 1, begun);
        let before = rates.full_at[&(1, Standing::Stranger)];
        for _ in 0..1_000 {
            assert!(!rates.take(1, Standing::Stranger, 1, begun));
        }
        assert_eq!(rates.full_at[&(1, Standing::Stranger)], before);
        for peer in 2.. {
            if !rates.take(peer, Standing::Stranger, 1, begun) {
                break;
            }
        }
        assert_eq!(rates.full_at.len(), limits::RATES_KEPT);
        // As soon as they may send a burst again there is nothing to be kept of them.
        assert!(rates.take(0, Standing::Stranger, 1, begun + limits::MESSAGES_BURST_TIME));
        assert_eq!(rates.full_at.len(), 1);
    }
}
