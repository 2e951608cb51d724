//! Requests and answers, as the network task carries them.
//!
//! Leaves to others: how a frame lies on a stream (`codec`), what it asks and what is answered.
//! Always true: an order to request ends in one report; the requests that wait for our answer are
//! bounded, and one that its peer no longer waits for is forgotten.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use libp2p::{
    PeerId,
    request_response::{Event, InboundRequestId, Message, OutboundFailure, ResponseChannel},
};
use tracing::{debug, warn};

use super::{Report, codec, limits, task::Task};

/// A request of a peer that waits for our answer.
#[derive(Debug)]
struct Waiting {
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
    pub(super) fn hold(&mut self, token: u64, request: InboundRequestId, channel: ResponseChannel<Vec<u8>>) {
        self.0.insert(token, Waiting { request, channel });
    }

    /// The way back for a token.
    pub(super) fn take(&mut self, token: u64) -> Option<ResponseChannel<Vec<u8>>> {
        self.0.remove(&token).map(|waiting| waiting.channel)
    }

    /// Forgets a request that nobody waits for any more.
    pub(super) fn forget(&mut self, request: InboundRequestId) {
        self.0.retain(|_, waiting| waiting.request != request);
    }
}

impl Task {
    pub(super) fn request(&mut self, peer: Vec<u8>, id: u64, frame: Vec<u8>) {
        let to = PeerId::from_bytes(&peer).ok();
        let why = if let Err(why) = codec::check(frame.len(), limits::REQUEST) {
            why.to_string()
        } else if self.asked.len() >= limits::REQUESTS_UNDER_WAY {
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
        let Some(channel) = self.unanswered.take(token) else {
            debug!(token, "an answer came too late");
            return;
        };
        if let Err(why) = codec::check(frame.len(), limits::RESPONSE) {
            warn!(token, %why, "an answer is not sent");
            return;
        }
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        if exchange.send_response(channel, frame).is_err() {
            debug!(token, "an answer came too late");
        }
    }

    pub(super) fn on_exchange(&mut self, event: Event<Vec<u8>, Vec<u8>>) {
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                if !self.unanswered.has_room() {
                    self.counts.requests.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                let token = self.token();
                self.unanswered.hold(token, request_id, channel);
                self.report(Report::Requested { peer: peer.to_bytes(), token, frame: request });
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                if let Some(id) = self.asked.remove(&request_id) {
                    self.report(Report::Answered { peer: peer.to_bytes(), id, frame: response });
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                if let Some(id) = self.asked.remove(&request_id) {
                    self.report(Report::Failed { peer: peer.to_bytes(), id, why: failure(&error) });
                }
            }
            Event::InboundFailure { request_id, .. } => self.unanswered.forget(request_id),
            Event::ResponseSent { .. } => {}
        }
    }
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
