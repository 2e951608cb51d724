//! The network task: the only place that drives libp2p.
//!
//! Leaves to others: every decision. It carries orders out and reports what happened.
//! Always true: while the driver reads no reports, libp2p waits but orders are still taken, so that
//! neither can wait for the other for ever. Ending it ends every connection.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    sync::Arc,
};

use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::ConnectedPoint,
    futures::StreamExt,
    gossipsub::IdentTopic,
    ping,
    request_response::{InboundRequestId, OutboundRequestId},
    swarm::{ConnectionId, SwarmEvent},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Order, Report,
    behaviour::{Behaviour, BehaviourEvent},
    counts::{self, Counts},
    dials::{self, Dial, Dials},
    exchange::{Unanswered, Unsent},
    gossip::Unjudged,
    limits,
    rate::{Rates, Standing},
};

/// Everything the network task holds.
pub(super) struct Task {
    pub(super) swarm: Swarm<Behaviour>,
    orders: mpsc::Receiver<Order>,
    pub(super) reports: mpsc::Sender<Report>,
    /// Reports that found no room. While there are any, libp2p is not polled.
    held_back: VecDeque<Report>,
    dials: Dials,
    /// The driver's ids of the requests that wait for an answer.
    pub(super) asked: HashMap<OutboundRequestId, u64>,
    pub(super) unanswered: Unanswered,
    pub(super) unsent: Unsent<InboundRequestId>,
    rates: Rates<PeerId>,
    pub(super) unjudged: Unjudged,
    /// Peers that gossip has ended with, and when their connections are closed.
    parting: VecDeque<(Instant, PeerId)>,
    last_token: u64,
    pub(super) counts: Arc<Counts>,
}

impl Task {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        orders: mpsc::Receiver<Order>,
        reports: mpsc::Sender<Report>,
        counts: Arc<Counts>,
    ) -> Self {
        Self {
            swarm,
            orders,
            reports,
            held_back: VecDeque::new(),
            dials: Dials::default(),
            asked: HashMap::new(),
            unanswered: Unanswered::default(),
            unsent: Unsent::default(),
            rates: Rates::default(),
            unjudged: Unjudged::default(),
            parting: VecDeque::new(),
            last_token: 0,
            counts,
        }
    }

    /// Runs until it is told to stop or nobody is left at the other end.
    pub(super) async fn run(mut self) {
        while self.step().await.is_continue() {}
        self.close().await;
    }

    async fn step(&mut self) -> ControlFlow<()> {
        let free = self.held_back.is_empty();
        let parting = self.parting.front().map(|(at, _)| *at);
        tokio::select! {
            () = at(parting) => self.part(),
            order = self.orders.recv(), if self.held_back.len() < limits::REPORTS_HELD_BACK => {
                match order {
                    Some(Order::Stop) | None => return ControlFlow::Break(()),
                    Some(order) => self.on_order(order),
                }
            }
            () = has_room(&self.reports), if !free => self.release(),
            () = self.reports.closed() => return ControlFlow::Break(()),
            event = self.swarm.select_next_some(), if free => self.on_event(event),
        }
        ControlFlow::Continue(())
    }

    fn part(&mut self) {
        if let Some((_, peer)) = self.parting.pop_front() {
            // An error means that it has gone by itself.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn release(&mut self) {
        if let Some(report) = self.held_back.pop_front()
            && let Err(mpsc::error::TrySendError::Full(report)) = self.reports.try_send(report)
        {
            self.held_back.push_front(report);
        }
    }

    /// Lets every peer know, so that none waits for its own time limit.
    async fn close(mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        if peers.is_empty() {
            return;
        }
        for peer in peers {
            // An error means that it has just gone by itself.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let all_gone = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(limits::CLOSING_TIME, all_gone).await.is_err() {
            debug!("some peers were left without a goodbye");
        }
        // QUIC leaves its last packet to tasks of its own, whose end nobody is told.
        sleep(limits::LINGER_TIME).await;
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Dial { peer, addresses } => self.dial(peer, addresses),
            Order::Request { peer, id, frame } => self.request(peer, id, frame),
            Order::Respond { token, frame } => self.respond(token, frame),
            Order::Withhold { token } => drop(self.unanswered.take(token)),
            Order::Subscribe { topic } => self.subscribe(topic),
            Order::Unsubscribe { topic } => {
                let topic = IdentTopic::new(topic);
                self.swarm.behaviour_mut().gossip.unsubscribe(&topic);
            }
            Order::Publish { topic, data } => self.publish(topic, data),
            Order::HearGossip { peer } => self.hear(&peer),
            Order::SpeakGossip { peer } => self.speak(&peer),
            Order::Judge { token, verdict } => self.judge(token, verdict),
            Order::Part { peer } => {
                if let Ok(peer) = PeerId::from_bytes(&peer) {
                    self.swarm.behaviour_mut().gossip.dismiss(&peer);
                    self.parting.push_back((Instant::now() + limits::PARTING_TIME, peer));
                }
            }
            Order::Ban { peer } => {
                if let Ok(peer) = PeerId::from_bytes(&peer) {
                    let behaviour = self.swarm.behaviour_mut();
                    behaviour.gossip.dismiss(&peer);
                    behaviour.banned.block_peer(peer);
                }
            }
            Order::Pardon { peer } => {
                if let Ok(peer) = PeerId::from_bytes(&peer) {
                    self.swarm.behaviour_mut().banned.unblock_peer(peer);
                }
            }
            Order::Disconnect { peer } => {
                if let Ok(peer) = PeerId::from_bytes(&peer) {
                    self.swarm.behaviour_mut().gossip.dismiss(&peer);
                    // An error means that it is not connected, which was the aim.
                    let _ = self.swarm.disconnect_peer_id(peer);
                }
            }
            Order::Reserve { proven, known, addresses } => {
                self.swarm.behaviour_mut().porch.reserve(&proven, &known, &addresses);
            }
            // The loop ends at this one.
            Order::Stop => {}
        }
    }

    pub(super) fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) => self.on_exchange(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, num_established, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint, num_established.get())
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.dials.lost(connection_id);
                if num_established == 0 {
                    self.report(Report::Disconnected { peer: peer_id.to_bytes() });
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(dial) = self.dials.ended(connection_id) {
                    self.dial_failed(dial, dials::why(&error));
                    self.start_dials();
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => self.refused(counts::name_of(error)),
            SwarmEvent::NewListenAddr { address, .. } => {
                let address = self.own(address);
                self.report(Report::Listening { address });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let address = self.own(address);
                self.report(Report::NotListening { address });
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                warn!(?reason, "a listener has closed");
                for address in addresses {
                    let address = self.own(address);
                    self.report(Report::NotListening { address });
                }
            }
            _ => {}
        }
    }

    /// Counts what was turned away. The 1st, 2nd, 4th, 8th ... are told: nobody can fill the log.
    pub(super) fn refused(&self, name: &'static str) {
        let count = self.counts.refuse(name);
        if count.is_power_of_two() {
            info!(name, count, "refused");
        }
    }

    /// Whether what a peer sends without having been asked comes slowly enough. What does not is counted.
    pub(super) fn is_in_time(&mut self, peer: PeerId, bytes: usize) -> bool {
        let behaviour = self.swarm.behaviour();
        // The driver speaks gossip with members at once, and says a little later who has proven a role.
        let is_member = behaviour.gossip.is_spoken_to(&peer) || behaviour.porch.is_proven(&peer);
        let standing = if is_member { Standing::Member } else { Standing::Stranger };
        let passes = self.rates.take(peer, standing, bytes, Instant::now().into_std());
        if !passes {
            self.refused("messages_rate");
        }
        passes
    }

    /// One of our own addresses, with our peer at its end.
    pub(super) fn own(&self, address: Multiaddr) -> String {
        whole(address, *self.swarm.local_peer_id())
    }

    /// Tells the driver, at once or as soon as it has room.
    pub(super) fn report(&mut self, report: Report) {
        if !self.held_back.is_empty() {
            self.held_back.push_back(report);
            return;
        }
        match self.reports.try_send(report) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(report)) => self.held_back.push_back(report),
            // The loop is about to see it.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    /// A token that was never given out before.
    pub(super) fn token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }
}

/// Connections.
impl Task {
    fn dial(&mut self, peer: Option<Vec<u8>>, addresses: Vec<String>) {
        let dial = match Dial::read(peer.as_deref(), addresses) {
            Ok(dial) => dial,
            Err((addresses, why)) => {
                self.report(Report::DialFailed { peer, addresses, why });
                return;
            }
        };
        if dial.peer == Some(*self.swarm.local_peer_id()) {
            self.dial_over(dial, "the address is this node's own");
        } else if self.dials.has_room() {
            self.dials.add(dial);
        } else {
            self.dial_over(dial, "too many dials wait");
        }
        self.start_dials();
    }

    fn start_dials(&mut self) {
        while let Some(mut dial) = self.dials.next() {
            if let Some(peer) = self.connected(dial.peer) {
                self.dialed(dial, peer);
                continue;
            }
            let info = self.swarm.network_info();
            if info.connection_counters().num_established_outgoing() >= limits::CONNECTIONS_OUT {
                self.dial_over(dial, "no more outbound connections are allowed");
                continue;
            }
            let options = dial.options();
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => self.dials.began(connection, dial),
                Err(error) => self.dial_failed(dial, dials::why(&error)),
            }
        }
    }

    /// The peer, if it is connected.
    pub(super) fn connected(&self, peer: Option<PeerId>) -> Option<PeerId> {
        peer.filter(|peer| self.swarm.is_connected(peer))
    }

    fn dialed(&mut self, dial: Dial, peer: PeerId) {
        self.report(Report::Dialed { peer: peer.to_bytes(), addresses: dial.ordered });
    }

    fn dial_failed(&mut self, mut dial: Dial, why: String) {
        if dial.failed(why) {
            self.dials.again(dial);
        } else if let Some(peer) = self.connected(dial.peer) {
            // The peer dialled us meanwhile.
            self.dialed(dial, peer);
        } else {
            self.report(Report::DialFailed {
                peer: dial.peer.map(|peer| peer.to_bytes()),
                why: dial.why(),
                addresses: dial.ordered,
            });
        }
    }

    /// Ends a dial that is not to be tried at all.
    fn dial_over(&mut self, dial: Dial, why: &str) {
        self.report(Report::DialFailed {
            peer: dial.peer.map(|peer| peer.to_bytes()),
            addresses: dial.ordered,
            why: why.to_owned(),
        });
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint, count: u32) {
        if let ConnectedPoint::Dialer { address, .. } = endpoint {
            self.dials.reached(connection, address);
        }
        let outlived = self.swarm.behaviour_mut().gossip.take_outlived();
        if !outlived.is_empty() {
            // It knows nothing any more of what was said before.
            self.report(Report::Disconnected { peer: peer.to_bytes() });
        }
        if count == 1 || !outlived.is_empty() {
            let (address, dialed) = match endpoint {
                ConnectedPoint::Dialer { address, .. } => (whole(address.clone(), peer), true),
                ConnectedPoint::Listener { send_back_addr, .. } => (send_back_addr.to_string(), false),
            };
            self.report(Report::Connected { peer: peer.to_bytes(), address, dialed });
        }
        for connection in outlived {
            self.swarm.close_connection(connection);
        }
        if let Some(dial) = self.dials.ended(connection) {
            self.dialed(dial, peer);
        }
        self.start_dials();
    }

    fn on_ping(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(_) | Err(ping::Failure::Unsupported) => {}
            Err(why) => {
                debug!(peer = %event.peer, %why, "a connection that answers no ping is closed");
                self.swarm.close_connection(event.connection);
            }
        }
    }
}

/// An address with a peer at its end.
fn whole(address: Multiaddr, peer: PeerId) -> String {
    address.with_p2p(peer).unwrap_or_else(|address| address).to_string()
}

/// Waits until then; for ever, where there is nothing to wait for.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Waits for room, which stays: nobody else sends reports. At the end it is `closed` that tells.
async fn has_room(reports: &mpsc::Sender<Report>) {
    if reports.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}
