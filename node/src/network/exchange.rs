//! Requests and answers, as the network task carries them.
//!
//! Leaves to others: how a frame lies on a stream (`codec`), what it asks and what is answered.
//! Always true: an order to request ends in one report; the requests that wait for our answer are
//! bounded, and one that its peer no longer waits for is forgotten; answers that a peer has not taken yet
//! are bounded in bytes, so that one that stops reading costs no more than that.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    io,
    sync::atomic::Ordering,
};

use libp2p::{
    PeerId,
    request_response::{Event, InboundRequestId, Message, OutboundFailure, ResponseChannel},
};
use tracing::{debug, warn};

use super::{
    Report,
    codec::{self, FrameRefusal},
    limits,
    task::Task,
};

/// The name by which a frame of no bytes, or over its limit, is refused.
const BAD_FRAME: &str = "bad_frame";

/// A request of a peer that waits for our answer.
#[derive(Debug)]
pub(super) struct Waiting {
    peer: PeerId,
    request: InboundRequestId,
    channel: ResponseChannel<Vec<u8>>,
}

/// All requests that wait for our answer.
#[derive(Debug, Default)]
pub(super) struct Unanswered(BTreeMap<u64, Waiting>);

impl Unanswered {
    /// Whether another one may wait. Forgets those whose peer no longer does.
    pub(super) fn has_room(&mut self) -> bool {
        if self.0.len() >= limits::REQUESTS_UNANSWERED {
            self.0.retain(|_, waiting| waiting.channel.is_open());
        }
        self.0.len() < limits::REQUESTS_UNANSWERED
    }

    /// Keeps the way back to the peer under a token.
    pub(super) fn hold(
        &mut self,
        token: u64,
        (peer, request): (PeerId, InboundRequestId),
        channel: ResponseChannel<Vec<u8>>,
    ) {
        self.0.insert(token, Waiting { peer, request, channel });
    }

    /// The way back for a token.
    pub(super) fn take(&mut self, token: u64) -> Option<Waiting> {
        self.0.remove(&token)
    }

    /// Forgets a request that nobody waits for any more.
    pub(super) fn forget(&mut self, request: InboundRequestId) {
        self.0.retain(|_, waiting| waiting.request != request);
    }
}

/// Answers that were handed to libp2p and that their peers have not taken yet. `R` names a request.
#[derive(Debug)]
pub(super) struct Unsent<R> {
    answers: HashMap<R, (PeerId, usize)>,
}

impl<R> Default for Unsent<R> {
    fn default() -> Self {
        Self { answers: HashMap::new() }
    }
}

impl<R: Eq + Hash> Unsent<R> {
    /// Notes an answer, unless its peer would then have more than its share to take.
    fn add(&mut self, request: R, peer: PeerId, bytes: usize) -> bool {
        let of_peer = self.answers.values().filter(|(other, _)| *other == peer);
        let waiting: usize = of_peer.map(|(_, bytes)| bytes).sum();
        let fits = waiting.saturating_add(bytes) <= limits::UNSENT_BYTES;
        if fits {
            self.answers.insert(request, (peer, bytes));
        }
        fits
    }

    /// Notes that an answer was taken, or never will be.
    fn remove(&mut self, request: &R) {
        self.answers.remove(request);
    }
}

impl Task {
    pub(super) fn request(&mut self, peer: Vec<u8>, id: u64, frame: Vec<u8>) {
        let to = PeerId::from_bytes(&peer).ok();
        let why = if let Err(why) = codec::check(frame.len(), limits::REQUEST) {
            why.to_string()
        } else if !may_ask(self.asked.len()) {
            "too many requests wait for an answer".to_owned()
        } else if let Some(to) = self.connected(to) {
            let exchange = &mut self.swarm.behaviour_mut().exchange;
            let request = exchange.send_request(&to, frame);
            self.asked.insert(request, id);
            return;
        } else {
            "the peer is not connected".to_owned()
        };
        self.report(Report::Failed { peer, id, why });
    }

    pub(super) fn respond(&mut self, token: u64, frame: Vec<u8>) {
        let Some(Waiting { peer, request, channel }) = self.unanswered.take(token) else {
            debug!(token, "an answer came too late");
            return;
        };
        if let Err(why) = codec::check(frame.len(), limits::RESPONSE) {
            warn!(token, %why, "an answer is not sent");
            return;
        }
        if !channel.is_open() {
            debug!(token, "an answer came too late");
        } else if !self.unsent.add(request, peer, frame.len()) {
            self.refused("unsent_bytes");
        } else if self.swarm.behaviour_mut().exchange.send_response(channel, frame).is_err() {
            self.unsent.remove(&request);
            debug!(token, "an answer came too late");
        }
    }

    pub(super) fn on_exchange(&mut self, event: Event<Vec<u8>, Vec<u8>>) {
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                if request.is_empty() {
                    return self.on_bad_frame(peer);
                }
                if !self.is_in_time(peer, request.len()) {
                    return;
                }
                if !self.unanswered.has_room() {
                    self.counts.requests.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                let token = self.token();
                self.unanswered.hold(token, (peer, request_id), channel);
                self.report(Report::Requested { peer: peer.to_bytes(), token, frame: request });
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                if let Some(id) = self.asked.remove(&request_id) {
                    self.report(Report::Answered { peer: peer.to_bytes(), id, frame: response });
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                if matches!(&error, OutboundFailure::Io(error) if is_refused(error)) {
                    self.report(Report::Misbehaved { peer: peer.to_bytes(), name: BAD_FRAME });
                }
                if let Some(id) = self.asked.remove(&request_id) {
                    self.report(Report::Failed { peer: peer.to_bytes(), id, why: failure(&error) });
                }
            }
            Event::InboundFailure { request_id, .. } => {
                self.unanswered.forget(request_id);
                self.unsent.remove(&request_id);
            }
            Event::ResponseSent { request_id, .. } => self.unsent.remove(&request_id),
        }
    }
}

impl Task {
    /// A frame that was refused counts like a request; who sends more of them than that is cut off, also
    /// where the driver, who counts strikes, is busy.
    fn on_bad_frame(&mut self, peer: PeerId) {
        self.refused("request_frame");
        self.report(Report::Misbehaved { peer: peer.to_bytes(), name: BAD_FRAME });
        if !self.is_in_time(peer, 0) && self.swarm.is_connected(&peer) {
            self.refused("cut_off");
            // An error means that it has just gone by itself.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }
}

/// Whether the codec has refused what a peer sent. A frame of our own that is not sent is invalid
/// input; a stream that ends early is nobody's fault.
fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData && error.get_ref().is_some_and(|why| why.is::<FrameRefusal>())
}

fn failure(error: &OutboundFailure) -> String {
    match error {
        OutboundFailure::DialFailure => "the peer is not connected".to_owned(),
        OutboundFailure::Timeout => {
            format!("no answer within {} s", limits::REQUEST_TIME.as_secs())
        }
        OutboundFailure::ConnectionClosed => "the connection closed before the answer came".to_owned(),
        OutboundFailure::UnsupportedProtocols => {
            format!("the peer does not speak {}", codec::PROTOCOL)
        }
        OutboundFailure::Io(error) => format!("no answer: {error}"),
    }
}

/// Whether one more request may wait for an answer beside these.
fn may_ask(waiting: usize) -> bool {
    waiting < limits::REQUESTS_UNDER_WAY
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    #[test]
    fn answers_that_a_peer_has_not_taken_are_bounded_in_bytes() {
        let (alice, eve) = (PeerId::random(), PeerId::random());
        around(limits::UNSENT_BYTES, [true, true, false], |bytes| {
            let mut unsent = Unsent::default();
            let before = limits::UNSENT_BYTES / limits::RESPONSE - 1;
            for request in 0..before {
                assert!(unsent.add(request, eve, limits::RESPONSE));
            }
            let fits = unsent.add(before, eve, bytes - before * limits::RESPONSE);
            assert!(unsent.add(100, alice, limits::RESPONSE), "nobody else pays for it");
            unsent.remove(&0);
            assert!(unsent.add(101, eve, limits::RESPONSE));
            fits
        });
    }

    #[test]
    fn so_many_requests_are_under_way() {
        around(limits::REQUESTS_UNDER_WAY, [true, true, false], |n| may_ask(n - 1));
    }
}
