//! The gate before gossip: gossipsub meets a peer only when it is told to.
//!
//! Gossipsub announces all its topics to whoever connects, and takes gossip from anybody. So this
//! behaviour stands around it, and every peer starts outside. A peer that has shown that it shares a
//! community is let in by two steps, because the side that answers must accept the other's stream
//! before the other side asks for it: first [`Gate::hear`], then [`Gate::speak`].
//!
//! Leaves to others: who is let in and when (the driver), and everything about gossip (gossipsub).
//! Always true: gossipsub knows the connections of the peers that are spoken to, all of them, and no
//! others; so nothing is announced to, queued for or taken from anybody else. What was opened for a
//! peer holds for all its connections, and ends with the last of them, when the peer is dismissed, or when
//! it has come back: nobody dials a peer that it is connected to, so a second connection that it opens shows
//! that it has lost all others, and it starts like anybody else.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        AddressChange, ConnectionClosed, ConnectionDenied, ConnectionError, ConnectionId, FromSwarm, NetworkBehaviour,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
    },
};
use tokio::time::Instant;
use tracing::warn;

use super::{
    behaviour::Gossip,
    door::{self, Door, Latch, Protocol},
    limits,
};

/// How long the addresses of one dial may compete: more than one may answer, and the dialler keeps the first.
const RACE: Duration = Duration::from_secs(1);

/// How far a peer was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Like a peer of a node that knows no gossip.
    Outside,
    /// Its streams are accepted, and wait.
    Heard,
    /// Gossipsub knows it.
    SpokenTo,
}

/// A peer with at least one connection.
struct Guest {
    stage: Stage,
    /// In the order in which they were established.
    connections: Vec<Connection>,
}

struct Connection {
    id: ConnectionId,
    since: Instant,
    endpoint: ConnectedPoint,
    latch: Latch,
}

/// Gossipsub, and who may meet it. What gossipsub itself offers is reached through it.
pub(super) struct Gate {
    gossip: Gossip,
    protocol: Protocol,
    guests: HashMap<PeerId, Guest>,
    /// Connections that have a handler and are not established yet. Each is gone again before the swarm
    /// does anything else.
    coming: HashMap<ConnectionId, Latch>,
    /// Connections that their peers have lost, and that are to be closed.
    outlived: Vec<ConnectionId>,
}

impl Gate {
    /// A gate before this gossipsub, which must not know any peer yet.
    pub(super) fn new(mut gossip: Gossip) -> Self {
        let protocol = protocol_of(&mut gossip);
        Self { gossip, protocol, guests: HashMap::new(), coming: HashMap::new(), outlived: Vec::new() }
    }

    /// Accepts the gossip streams of a peer from now on. What comes on them waits unread until
    /// [`Gate::speak`]. A peer that is not connected is ignored: it has just gone.
    pub(super) fn hear(&mut self, peer: &PeerId) {
        if let Some(guest) = self.guests.get_mut(peer) {
            guest.stage = guest.stage.max(Stage::Heard);
            for connection in &guest.connections {
                connection.latch.hear();
            }
        }
    }

    /// Hears a peer, and lets gossipsub speak to it. A peer that is not connected is ignored.
    pub(super) fn speak(&mut self, peer: &PeerId) {
        self.hear(peer);
        if let Some(guest) = self.guests.get_mut(peer) {
            guest.stage = Stage::SpokenTo;
            guest.meet(*peer, &mut self.gossip);
        }
    }

    /// Whether gossipsub speaks to a peer, which is so only with members.
    pub(super) fn is_spoken_to(&self, peer: &PeerId) -> bool {
        self.guests.get(peer).is_some_and(|guest| guest.stage == Stage::SpokenTo)
    }

    /// Puts a peer outside at once, whose connections are about to be closed. It can put off their end,
    /// and come back before it; then it starts like anybody else.
    pub(super) fn dismiss(&mut self, peer: &PeerId) {
        if let Some(mut guest) = self.guests.remove(peer) {
            while !guest.connections.is_empty() {
                guest.lose(0, *peer, None, &mut self.gossip);
            }
        }
    }

    /// The connections that their peers have lost, since each has opened a younger one. They are forgotten here, and
    /// for whoever asks to close.
    pub(super) fn take_outlived(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.outlived)
    }

    /// A closed door for a new connection, or one that hears if its peer is heard.
    fn door(&mut self, connection: ConnectionId, peer: PeerId, opens: bool) -> Door {
        let (latch, door) = Door::new(self.protocol.clone());
        if self.guests.get(&peer).is_some_and(|guest| guest.stage >= Stage::Heard && !guest.has_come_back(opens)) {
            latch.hear();
        }
        self.coming.insert(connection, latch);
        door
    }

    fn on_established(&mut self, event: ConnectionEstablished<'_>) {
        let Some(latch) = self.coming.remove(&event.connection_id) else {
            return;
        };
        if self.guests.get(&event.peer_id).is_some_and(|guest| guest.has_come_back(event.endpoint.is_listener())) {
            self.outlive(&event.peer_id);
        }
        let new = || Guest { stage: Stage::Outside, connections: Vec::new() };
        let guest = self.guests.entry(event.peer_id).or_insert_with(new);
        let (id, endpoint) = (event.connection_id, event.endpoint.clone());
        guest.connections.push(Connection { id, since: Instant::now(), endpoint, latch });
        if guest.stage == Stage::SpokenTo {
            guest.meet(event.peer_id, &mut self.gossip);
        }
    }

    fn outlive(&mut self, peer: &PeerId) {
        let lost = self.guests.get(peer).into_iter().flat_map(|guest| &guest.connections);
        self.outlived.extend(lost.map(|connection| connection.id));
        self.dismiss(peer);
    }

    fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        // Without a guest it was dismissed.
        let Some(guest) = self.guests.get_mut(&event.peer_id) else {
            return;
        };
        if let Some(place) = guest.place(event.connection_id) {
            guest.lose(place, event.peer_id, event.cause, &mut self.gossip);
            guest.announce_again(event.peer_id, &mut self.gossip);
        }
        if guest.connections.is_empty() {
            self.guests.remove(&event.peer_id);
        }
    }

    fn on_address_change(&mut self, event: AddressChange<'_>) {
        if let Some(guest) = self.guests.get_mut(&event.peer_id)
            && let Some(place) = guest.place(event.connection_id)
        {
            let connection = &mut guest.connections[place];
            connection.endpoint = event.new.clone();
            if connection.latch.is_open() {
                self.gossip.on_swarm_event(FromSwarm::AddressChange(event));
            }
        }
    }
}

impl Guest {
    /// How many of the connections gossipsub knows.
    fn known(&self) -> usize {
        self.connections.iter().filter(|connection| connection.latch.is_open()).count()
    }

    /// Whether a connection that comes now shows that the peer has lost all others: it has opened one of them too, or
    /// all are so old that the two ends cannot have dialled each other at the same moment.
    fn has_come_back(&self, opens: bool) -> bool {
        let opened = |old: &Connection| opens && old.endpoint.is_listener() && old.since.elapsed() > RACE;
        let is_old = |old: &Connection| old.since.elapsed() > limits::HANDSHAKE_TIME;
        self.connections.iter().any(opened) || self.connections.iter().all(is_old)
    }

    fn place(&self, id: ConnectionId) -> Option<usize> {
        self.connections.iter().position(|connection| connection.id == id)
    }

    fn is_open(&self, id: ConnectionId) -> bool {
        self.place(id).is_some_and(|place| self.connections[place].latch.is_open())
    }

    /// Forgets a connection, and lets gossipsub forget it if it knows it.
    fn lose(&mut self, place: usize, peer_id: PeerId, cause: Option<&ConnectionError>, gossip: &mut Gossip) {
        let lost = self.connections.remove(place);
        if lost.latch.is_open() {
            gossip.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id: lost.id,
                endpoint: &lost.endpoint,
                cause,
                remaining_established: self.known(),
            }));
        }
    }

    /// Has gossipsub announce its topics again if it knows another connection.
    ///
    /// It announces them with the first connection alone. If the peer has crashed and come back, that
    /// one leads nowhere, and the announcement is lost with it. To hear it twice does no harm.
    fn announce_again(&self, peer_id: PeerId, gossip: &mut Gossip) {
        if let Some(connection) = self.connections.iter().find(|connection| connection.latch.is_open()) {
            gossip.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id: connection.id,
                endpoint: &connection.endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
            connection.latch.wake();
        }
    }

    /// Tells gossipsub of each connection that it does not know, as if it were established only now.
    /// With the first one gossipsub announces the topics of this moment.
    fn meet(&mut self, peer: PeerId, gossip: &mut Gossip) {
        let mut known = self.known();
        for connection in self.connections.iter_mut().filter(|connection| !connection.latch.is_open()) {
            let handler = match &connection.endpoint {
                ConnectedPoint::Dialer { address, role_override, port_use } => gossip
                    .handle_established_outbound_connection(connection.id, peer, address, *role_override, *port_use),
                ConnectedPoint::Listener { local_addr, send_back_addr } => {
                    gossip.handle_established_inbound_connection(connection.id, peer, local_addr, send_back_addr)
                }
            };
            match handler {
                Ok(handler) => {
                    gossip.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                        peer_id: peer,
                        connection_id: connection.id,
                        endpoint: &connection.endpoint,
                        // Who dials was told when they failed; gossipsub does not.
                        failed_addresses: &[],
                        other_established: known,
                    }));
                    connection.latch.open(handler);
                    known += 1;
                }
                // It stays without gossip, and works for everything else.
                Err(why) => warn!(%peer, %why, "gossipsub does not want a connection"),
            }
        }
    }
}

/// What the handlers of this gossipsub listen for.
///
/// Gossipsub shows it only in a handler, and gives a handler only for a connection. So it is told of a
/// connection with nobody, and at once that it has closed.
fn protocol_of(gossip: &mut Gossip) -> Protocol {
    let (peer_id, connection_id) = (PeerId::random(), ConnectionId::new_unchecked(0));
    let nowhere = Multiaddr::empty();
    let handler = gossip
        .handle_established_inbound_connection(connection_id, peer_id, &nowhere, &nowhere)
        .expect("gossipsub denies no connection");
    let endpoint = &ConnectedPoint::Listener { local_addr: nowhere.clone(), send_back_addr: nowhere };
    gossip.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
        peer_id,
        connection_id,
        endpoint,
        cause: None,
        remaining_established: 0,
    }));
    door::protocol_of(&handler).expect("a new handler has not given up")
}

impl Deref for Gate {
    type Target = Gossip;

    fn deref(&self) -> &Gossip {
        &self.gossip
    }
}

impl DerefMut for Gate {
    fn deref_mut(&mut self) -> &mut Gossip {
        &mut self.gossip
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = Door;
    type ToSwarm = <Gossip as NetworkBehaviour>::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.gossip.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.door(connection, peer, true))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.gossip.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.door(connection, peer, false))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => return self.on_established(event),
            FromSwarm::ConnectionClosed(event) => return self.on_closed(event),
            FromSwarm::AddressChange(event) => return self.on_address_change(event),
            // Another behaviour may deny a connection after this one has made its handler.
            FromSwarm::DialFailure(event) => drop(self.coming.remove(&event.connection_id)),
            FromSwarm::ListenFailure(event) => drop(self.coming.remove(&event.connection_id)),
            _ => {}
        }
        self.gossip.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        // The connections of a peer that was dismissed may still have something to say.
        if self.guests.get(&peer).is_some_and(|guest| guest.is_open(connection)) {
            self.gossip.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.gossip.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::Wake,
    };

    use libp2p::{
        core::upgrade::UpgradeInfo,
        swarm::{ConnectionHandler, DialError, ListenError, behaviour},
    };

    use super::*;
    use crate::network::behaviour::gossip;

    fn endpoint() -> ConnectedPoint {
        ConnectedPoint::Listener { local_addr: Multiaddr::empty(), send_back_addr: Multiaddr::empty() }
    }

    fn coming(gate: &mut Gate, id: usize, peer: PeerId) -> Door {
        let nowhere = Multiaddr::empty();
        gate.handle_established_inbound_connection(ConnectionId::new_unchecked(id), peer, &nowhere, &nowhere)
            .expect("not denied")
    }

    fn established(gate: &mut Gate, id: usize, peer: PeerId) -> Door {
        let door = coming(gate, id, peer);
        // The gate counts for itself.
        let other_established = usize::MAX;
        gate.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: peer,
            connection_id: ConnectionId::new_unchecked(id),
            endpoint: &endpoint(),
            failed_addresses: &[],
            other_established,
        }));
        door
    }

    fn closed(gate: &mut Gate, id: usize, peer: PeerId) {
        // The gate counts for itself.
        let remaining_established = usize::MAX;
        gate.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id: peer,
            connection_id: ConnectionId::new_unchecked(id),
            endpoint: &endpoint(),
            cause: None,
            remaining_established,
        }));
    }

    fn listens(door: &Door) -> bool {
        door.listen_protocol().upgrade().protocol_info().count() > 0
    }

    #[tokio::test]
    async fn gossipsub_knows_whoever_is_spoken_to_and_nobody_else() {
        let mut gate = Gate::new(gossip());
        let known = |gate: &Gate| gate.all_peers().map(|(peer, _)| *peer).collect::<Vec<_>>();
        let [alice, eve] = [PeerId::random(), PeerId::random()];
        assert!(known(&gate).is_empty());
        let doors = [established(&mut gate, 1, alice), established(&mut gate, 2, eve)];
        assert!(!doors.iter().any(listens));
        gate.hear(&alice);
        assert!(known(&gate).is_empty());
        assert!(listens(&doors[0]) && !listens(&doors[1]));
        for _ in 0..2 {
            gate.speak(&alice);
            assert_eq!(known(&gate), [alice]);
        }
        closed(&mut gate, 2, eve);
        closed(&mut gate, 1, alice);
        assert!(known(&gate).is_empty() && gate.guests.is_empty() && gate.coming.is_empty());

        let door = established(&mut gate, 3, alice);
        assert!(!listens(&door) && known(&gate).is_empty());
    }

    #[tokio::test]
    async fn all_connections_of_a_peer_share_what_was_opened_until_the_last_one_closes() {
        let mut gate = Gate::new(gossip());
        let alice = PeerId::random();
        let first = [established(&mut gate, 1, alice), established(&mut gate, 2, alice)];
        gate.hear(&alice);
        assert!(first.iter().all(listens));
        // It hears before it is established, so that no stream can come too early.
        assert!(listens(&coming(&mut gate, 3, alice)));
        gate.speak(&alice);
        // Gossipsub would panic at the end of a connection that it does not know.
        closed(&mut gate, 1, alice);
        assert!(listens(&established(&mut gate, 4, alice)));
        assert_eq!(gate.guests[&alice].known(), 2);
        closed(&mut gate, 2, alice);
        assert_eq!(gate.all_peers().count(), 1);
        closed(&mut gate, 4, alice);
        assert_eq!(gate.all_peers().count(), 0);
        assert!(gate.guests.is_empty());
    }

    #[tokio::test]
    async fn who_is_dismissed_is_outside_at_once_also_if_it_is_back_before_it_is_gone() {
        let mut gate = Gate::new(gossip());
        let eve = PeerId::random();
        let _old = [established(&mut gate, 1, eve), established(&mut gate, 2, eve)];
        gate.speak(&eve);
        gate.dismiss(&eve);
        assert_eq!(gate.all_peers().count(), 0);
        closed(&mut gate, 1, eve);
        assert!(!listens(&established(&mut gate, 3, eve)));
        assert_eq!(gate.all_peers().count(), 0);
        gate.speak(&eve);
        closed(&mut gate, 2, eve);
        assert_eq!(gate.guests[&eve].known(), 1);
        assert_eq!(gate.all_peers().count(), 1);
        closed(&mut gate, 3, eve);
        assert!(gate.guests.is_empty() && gate.all_peers().next().is_none());
    }

    #[tokio::test]
    async fn whoever_comes_back_before_the_old_connections_have_ended_starts_outside() {
        // The clock goes on while this runs.
        let tick = Duration::from_millis(500);
        let dialler = || ConnectedPoint::Dialer {
            address: Multiaddr::empty(),
            role_override: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        for (old, age, has_come_back) in [
            (endpoint(), RACE - tick, false),
            (endpoint(), RACE + tick, true),
            (dialler(), RACE + tick, false),
            (dialler(), limits::HANDSHAKE_TIME - tick, false),
            (dialler(), limits::HANDSHAKE_TIME + tick, true),
        ] {
            let mut gate = Gate::new(gossip());
            let alice = PeerId::random();
            let _old = [established(&mut gate, 1, alice), established(&mut gate, 2, alice)];
            gate.speak(&alice);
            for connection in &mut gate.guests.get_mut(&alice).expect("connected").connections {
                connection.since -= age;
                connection.endpoint = old.clone();
            }
            let young = established(&mut gate, 3, alice);
            let outlived = if has_come_back { vec![1, 2] } else { vec![] };
            let outlived: Vec<_> = outlived.into_iter().map(ConnectionId::new_unchecked).collect();
            assert_eq!(gate.take_outlived(), outlived, "{old:?} {age:?}");
            assert!(gate.take_outlived().is_empty());
            assert_eq!((listens(&young), gate.is_spoken_to(&alice)), (!has_come_back, !has_come_back));
            gate.speak(&alice);
            closed(&mut gate, 1, alice);
            closed(&mut gate, 2, alice);
            assert_eq!(gate.guests[&alice].known(), 1);
            closed(&mut gate, 3, alice);
            assert!(gate.guests.is_empty() && gate.all_peers().next().is_none());
        }
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_door_is_woken_when_it_hears_when_it_opens_and_when_another_one_is_lost() {
        let mut gate = Gate::new(gossip());
        let alice = PeerId::random();
        let mut doors = [established(&mut gate, 1, alice), established(&mut gate, 2, alice)];
        let orders: [fn(&mut Gate, PeerId); 3] =
            [|gate, alice| gate.hear(&alice), |gate, alice| gate.speak(&alice), |gate, alice| closed(gate, 1, alice)];
        for order in orders {
            let woken = Arc::new(Woken::default());
            let waker = woken.clone().into();
            while doors[1].poll(&mut Context::from_waker(&waker)).is_ready() {}
            order(&mut gate, alice);
            assert!(woken.0.load(Ordering::Relaxed));
        }
    }

    #[tokio::test]
    async fn a_connection_that_another_behaviour_denies_is_forgotten() {
        let mut gate = Gate::new(gossip());
        let eve = PeerId::random();
        coming(&mut gate, 1, eve);
        coming(&mut gate, 2, eve);
        gate.on_swarm_event(FromSwarm::DialFailure(behaviour::DialFailure {
            peer_id: Some(eve),
            error: &DialError::Aborted,
            connection_id: ConnectionId::new_unchecked(1),
        }));
        gate.on_swarm_event(FromSwarm::ListenFailure(behaviour::ListenFailure {
            local_addr: &Multiaddr::empty(),
            send_back_addr: &Multiaddr::empty(),
            error: &ListenError::Aborted,
            connection_id: ConnectionId::new_unchecked(2),
            peer_id: Some(eve),
        }));
        assert!(gate.coming.is_empty() && gate.guests.is_empty());
    }
}
