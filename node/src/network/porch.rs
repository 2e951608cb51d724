//! The porch: where connections of others are turned away before they cost anything.
//!
//! libp2p's own limits count connections of all hosts together, so that one host can take every place.
//!
//! Leaves to others: the counting (`origins`), what is opened by this node (libp2p's limits).
//! Always true: nothing is read from a connection before it has a place; a place is given back when
//! its connection ends, however it ends.

use std::{
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
};

use ipnet::IpNet;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};

use super::{
    addresses, limits,
    origins::{self, Members, Origins},
};

/// Bounds what others open.
pub(super) struct Porch {
    origins: Origins<ConnectionId, PeerId>,
}

impl Porch {
    /// A porch on which the hosts of some subnets have no share to keep to.
    pub(super) fn new(trusted: Vec<IpNet>) -> Self {
        Self { origins: Origins::new(trusted) }
    }

    /// Whether a peer has proven a role, as far as the driver has said.
    pub(super) fn is_proven(&self, peer: &PeerId) -> bool {
        self.origins.is_proven(peer)
    }

    /// Keeps places for members. What cannot be read is left out, and so is what is beyond the bound.
    pub(super) fn reserve(&mut self, proven: &[Vec<u8>], known: &[Vec<u8>], addresses: &[String]) {
        let peers = |all: &[Vec<u8>]| {
            let all = all.iter().take(limits::PLACES_RESERVED);
            all.filter_map(|peer| PeerId::from_bytes(peer).ok()).collect()
        };
        let addresses = addresses.iter().take(limits::PLACES_RESERVED);
        let hosts = addresses.filter_map(|text| addresses::read(text).ok()).filter_map(|address| ip_of(&address));
        let hosts = hosts.map(origins::host).collect();
        self.origins.reserve(Members { proven: peers(proven), known: peers(known), hosts });
    }
}

/// The host at the near end of an address. `None` where it names none: then only counts bound it.
pub(super) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(address) => Some(address.into()),
        Protocol::Ip6(address) => Some(address.into()),
        _ => None,
    }
}

impl NetworkBehaviour for Porch {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.origins.begin(connection, ip_of(from)).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.origins.arrive(connection, peer, ip_of(from)).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            // Also when another behaviour denies what has a place here.
            FromSwarm::ListenFailure(event) => self.origins.end(event.connection_id),
            FromSwarm::ConnectionClosed(event) => self.origins.end(event.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    #[test]
    fn places_are_kept_for_so_many_and_no_more() {
        around(limits::PLACES_RESERVED, [true, true, false], |n| {
            let all: Vec<PeerId> = (0..n).map(|_| PeerId::random()).collect();
            let mut porch = Porch::new(Vec::new());
            porch.reserve(&all.iter().map(|peer| peer.to_bytes()).collect::<Vec<_>>(), &[], &[]);
            all.last().is_some_and(|last| porch.is_proven(last))
        });
    }
}
