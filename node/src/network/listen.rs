//! Binding the addresses that a node listens on.
//!
//! Leaves to others: addresses that come and go later (`task`).
//! Always true: the network starts on all the addresses it was given, or not at all, and the error
//! names the first address that could not be bound.

use std::{collections::HashMap, io, net::SocketAddr};

use libp2p::{
    Multiaddr, TransportError,
    core::transport::ListenerId,
    futures::{FutureExt, StreamExt},
    swarm::SwarmEvent,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    time::timeout,
};

use super::{
    NetworkError,
    addresses::{self, Socket},
    limits,
    task::Task,
};

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    address: Multiaddr,
    kind: Socket,
    socket: SocketAddr,
}

/// Reads the addresses of the settings; one that is given twice counts once.
pub(super) fn plan(listen: &[String]) -> Result<Vec<Wanted>, NetworkError> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for text in listen {
        let (address, kind, socket) = addresses::parse_listen(text)?;
        let one = Wanted { address, kind, socket };
        if socket.port() == 0 || !wanted.contains(&one) {
            wanted.push(one);
        }
    }
    if wanted.len() > limits::LISTEN_ADDRESSES {
        return Err(NetworkError::TooManyAddresses { count: wanted.len(), limit: limits::LISTEN_ADDRESSES });
    }
    Ok(wanted)
}

/// Refuses addresses that the operating system will not give us, with its own reason.
///
/// libp2p shares its TCP ports with every program of the same user (`SO_REUSEPORT`), so binding one
/// that is in use would succeed and each of the two would get half of the connections; and for UDP it
/// hides the reason. Plain sockets tell. All are tried before any is bound, for our own sockets would
/// be in the way of a wildcard.
pub(super) async fn try_each(wanted: &[Wanted]) -> Result<(), NetworkError> {
    for one in wanted {
        let socket = addresses::trial(one.socket);
        match one.kind {
            Socket::Tcp => TcpListener::bind(socket).await.map(drop),
            Socket::Quic => UdpSocket::bind(socket).await.map(drop),
        }
        .map_err(|why| refused(&one.address, why))?;
    }
    Ok(())
}

/// Binds all addresses and returns those that others can reach us at.
pub(super) async fn bind(task: &mut Task, wanted: Vec<Wanted>) -> Result<Vec<String>, NetworkError> {
    let mut waiting = HashMap::new();
    for one in wanted {
        let listener = task.swarm.listen_on(one.address.clone()).map_err(|why| match why {
            TransportError::Other(why) => refused(&one.address, why),
            TransportError::MultiaddrNotSupported(address) => refused(&address, io::ErrorKind::Unsupported.into()),
        })?;
        waiting.insert(listener, one.address);
    }
    let mut bound = Vec::new();
    let all = async {
        while !waiting.is_empty() {
            let event = task.swarm.select_next_some().await;
            note(task, event, &mut waiting, &mut bound)?;
        }
        // A wildcard tells of its interfaces one by one; those already known belong to the start.
        while let Some(Some(event)) = task.swarm.next().now_or_never() {
            note(task, event, &mut waiting, &mut bound)?;
        }
        Ok::<(), NetworkError>(())
    };
    match timeout(limits::LISTEN_TIME, all).await {
        Ok(result) => result?,
        Err(_) => {
            let address = waiting.into_values().next();
            let address = address.map(|address| address.to_string());
            return Err(NetworkError::NotBound { address: address.unwrap_or_default() });
        }
    }
    Ok(bound)
}

fn note(
    task: &mut Task,
    event: SwarmEvent<super::behaviour::BehaviourEvent>,
    waiting: &mut HashMap<ListenerId, Multiaddr>,
    bound: &mut Vec<String>,
) -> Result<(), NetworkError> {
    match event {
        SwarmEvent::NewListenAddr { listener_id, address } => {
            waiting.remove(&listener_id);
            bound.push(task.own(address));
        }
        SwarmEvent::ListenerClosed { listener_id, reason: Err(why), .. } if waiting.contains_key(&listener_id) => {
            return Err(refused(&waiting[&listener_id], why));
        }
        other => task.on_event(other),
    }
    Ok(())
}

fn refused(address: &Multiaddr, why: io::Error) -> NetworkError {
    let address = address.to_string();
    if why.kind() == io::ErrorKind::AddrInUse {
        NetworkError::AddressInUse { address }
    } else {
        NetworkError::Listen { address, source: why }
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    #[test]
    fn so_many_addresses_are_listened_on_and_no_more() {
        let most = limits::LISTEN_ADDRESSES;
        around(limits::LISTEN_ADDRESSES, [None, None, Some((most + 1, most))], |n| {
            plan(&vec!["/ip4/127.0.0.1/tcp/0".to_owned(); n]).err().map(|refused| match refused {
                NetworkError::TooManyAddresses { count, limit } => (count, limit),
                other => panic!("{other}"),
            })
        });
    }
}
