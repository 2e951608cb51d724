//! Gossip, as the network task carries it.
//!
//! Leaves to others: sealing and opening, every verdict, and with whom gossip is exchanged (`gate`).
//! Always true: nothing is passed on without a verdict; what waits for one is bounded, and what does
//! not fit is dropped and counted, since catch-up repairs it.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Instant};

use libp2p::{
    PeerId,
    gossipsub::{Event, IdentTopic, MessageAcceptance, MessageId, PublishError, TopicHash},
};
use tracing::{debug, warn};

use super::{Report, Verdict, limits, task::Task};

/// Gossip that gossipsub holds back until it is judged.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: MessageId,
    pub(super) peer: PeerId,
    since: Instant,
}

/// All gossip that waits for a verdict, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unjudged(BTreeMap<u64, Held>);

impl Unjudged {
    /// Whether another one may wait. Gives away the oldest place if its verdict would come too late.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        if self.0.len() < limits::GOSSIP_UNJUDGED {
            return true;
        }
        match self.0.first_entry() {
            Some(oldest) if now.duration_since(oldest.get().since) >= limits::GOSSIP_UNJUDGED_TIME => {
                oldest.remove();
                true
            }
            _ => false,
        }
    }

    /// Keeps gossip under a token. Tokens only grow.
    pub(super) fn hold(&mut self, token: u64, id: MessageId, peer: PeerId, since: Instant) {
        self.0.insert(token, Held { id, peer, since });
    }

    /// What was held under a token.
    pub(super) fn take(&mut self, token: u64) -> Option<Held> {
        self.0.remove(&token)
    }
}

impl Task {
    pub(super) fn subscribe(&mut self, topic: String) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !is_topic(&topic) || !is_room_for_a_topic(gossip.topics().count()) {
            warn!("a topic is not subscribed to: its name is too long, or there are too many");
            return;
        }
        if let Err(why) = gossip.subscribe(&IdentTopic::new(topic)) {
            warn!(%why, "a topic is not subscribed to");
        }
    }

    pub(super) fn hear(&mut self, peer: &[u8]) {
        if let Ok(peer) = PeerId::from_bytes(peer) {
            self.swarm.behaviour_mut().gossip.hear(&peer);
        }
    }

    pub(super) fn speak(&mut self, peer: &[u8]) {
        if let Ok(peer) = PeerId::from_bytes(peer) {
            self.swarm.behaviour_mut().gossip.speak(&peer);
        }
    }

    pub(super) fn publish(&mut self, topic: String, data: Vec<u8>) {
        if !is_topic(&topic) || data.len() > limits::GOSSIP_DATA {
            warn!(bytes = data.len(), "gossip over the limit is not published");
            return;
        }
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.publish(TopicHash::from_raw(topic), data) {
            Ok(_) => {}
            // Peers whose queue is full are counted with the slow ones.
            Err(
                why @ (PublishError::Duplicate
                | PublishError::NoPeersSubscribedToTopic
                | PublishError::AllQueuesFull(_)),
            ) => debug!(%why, "gossip reached nobody"),
            Err(why) => warn!(%why, "gossip is not published"),
        }
    }

    pub(super) fn judge(&mut self, token: u64, verdict: Verdict) {
        let Some(held) = self.unjudged.take(token) else {
            debug!(token, "a verdict came too late");
            return;
        };
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&held.id, &held.peer, acceptance);
    }

    pub(super) fn on_gossip(&mut self, event: Event) {
        match event {
            Event::Message { propagation_source: peer, message_id, message } => {
                let now = Instant::now();
                let is_in_time = self.is_in_time(peer, message.data.len());
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                if message.data.len() > limits::GOSSIP_DATA {
                    let verdict = MessageAcceptance::Reject;
                    gossip.report_message_validation_result(&message_id, &peer, verdict);
                    self.report(Report::Misbehaved { peer: peer.to_bytes(), name: "too_long" });
                    return;
                }
                if !is_in_time {
                    let verdict = MessageAcceptance::Ignore;
                    gossip.report_message_validation_result(&message_id, &peer, verdict);
                    return;
                }
                let room = is_room_for_gossip(self.reports.capacity());
                if !room || !self.unjudged.has_room(now) {
                    self.counts.gossip_in.fetch_add(1, Ordering::Relaxed);
                    let verdict = MessageAcceptance::Ignore;
                    gossip.report_message_validation_result(&message_id, &peer, verdict);
                    return;
                }
                let token = self.token();
                self.unjudged.hold(token, message_id, peer, now);
                self.report(Report::Gossip {
                    peer: peer.to_bytes(),
                    token,
                    topic: message.topic.into_string(),
                    data: message.data,
                });
            }
            Event::SlowPeer { peer_id, failed_messages } => {
                let lost = failed_messages.priority + failed_messages.non_priority;
                let lost = u64::try_from(lost).unwrap_or(u64::MAX);
                debug!(peer = %peer_id, lost, "a peer does not take gossip fast enough");
                self.counts.gossip_out.fetch_add(lost, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// Whether a topic may have this name.
fn is_topic(topic: &str) -> bool {
    (1..=limits::TOPIC_BYTES).contains(&topic.len())
}

/// Whether one more topic may be subscribed to beside these.
fn is_room_for_a_topic(topics: usize) -> bool {
    topics < limits::TOPICS
}

/// Whether gossip may take one of the places that are left for reports.
fn is_room_for_gossip(places: usize) -> bool {
    places > limits::REPORTS_KEPT_FREE
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    #[test]
    fn topics_are_bounded_in_number_and_in_length() {
        around(limits::TOPICS, [true, true, false], |n| is_room_for_a_topic(n - 1));
        around(limits::TOPIC_BYTES, [true, true, false], |n| is_topic(&"t".repeat(n)));
        assert!(!is_topic(""));
    }

    #[test]
    fn gossip_leaves_places_to_all_other_reports() {
        around(limits::REPORTS_KEPT_FREE, [false, false, true], is_room_for_gossip);
    }

    /// So many that wait since then.
    fn waiting(count: usize, since: Instant) -> Unjudged {
        let mut unjudged = Unjudged::default();
        for token in 0..count {
            unjudged.hold(token as u64, MessageId::new(b"x"), PeerId::random(), since);
        }
        unjudged
    }

    #[test]
    fn so_much_gossip_waits_and_so_long() {
        let start = Instant::now();
        around(limits::GOSSIP_UNJUDGED, [true, true, false], |n| waiting(n - 1, start).has_room(start));
        around(limits::GOSSIP_UNJUDGED_TIME, [false, true, true], |age| {
            waiting(limits::GOSSIP_UNJUDGED, start).has_room(start + age)
        });
    }

    #[test]
    fn gossip_beyond_the_bound_waits_only_for_places_that_are_too_old() {
        let start = Instant::now();
        let peer = PeerId::random();
        let id = MessageId::new(b"x");
        let mut unjudged = Unjudged::default();
        let bound = u64::try_from(limits::GOSSIP_UNJUDGED).expect("small");
        for token in 0..bound {
            assert!(unjudged.has_room(start));
            unjudged.hold(token, id.clone(), peer, start);
        }
        assert!(!unjudged.has_room(start));
        assert!(unjudged.take(7).is_some());
        assert!(unjudged.take(7).is_none());
        assert!(unjudged.has_room(start));
        unjudged.hold(bound, id, peer, start);

        assert!(!unjudged.has_room(start));
        assert!(unjudged.has_room(start + limits::GOSSIP_UNJUDGED_TIME));
        assert!(unjudged.take(0).is_none());
        assert!(unjudged.take(1).is_some());
    }
}
