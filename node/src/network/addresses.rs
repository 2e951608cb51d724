//! Peers and addresses as bytes and as text, so that nobody outside needs a type of libp2p.
//!
//! Leaves to others: which addresses are worth keeping or dialling.
//! Always true: an address that leaves this module is at most 256 bytes long and reads back to itself.
//! A peer is the binary form of its libp2p peer id. Host names are not resolved: an address names an IP.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};

use super::limits;

/// Why an address or a peer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not in the form of a multiaddr.
    #[error("\"{text}\" is not an address: {why}")]
    Unreadable {
        /// What was given, cut to a readable length.
        text: String,
        /// What libp2p says about it.
        why: String,
    },
    /// Bytes that are no multiaddr.
    #[error("{bytes} bytes are not an address: {why}")]
    UnreadableBytes {
        /// How many were given.
        bytes: usize,
        /// What libp2p says about them.
        why: String,
    },
    /// Longer than [`limits::ADDRESS_BYTES`], or as text than [`limits::ADDRESS_TEXT`].
    #[error("an address of {bytes} bytes, over the limit of {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// A multiaddr of a form that this node cannot dial.
    #[error(
        "{address} cannot be dialled: an address is /ip4/A/tcp/PORT, /ip4/A/udp/PORT/quic-v1, or the \
         same with /ip6, and may end in /p2p/PEER"
    )]
    NotDialable {
        /// The address.
        address: String,
    },
    /// A multiaddr of a form that this node cannot listen on.
    #[error(
        "{address} cannot be listened on: an address is /ip4/A/tcp/PORT, /ip4/A/udp/PORT/quic-v1, or \
         the same with /ip6"
    )]
    NotListenable {
        /// The address.
        address: String,
    },
    /// The address ends in another peer than the one it was given for.
    #[error("{address} belongs to another peer")]
    ForeignPeer {
        /// The address.
        address: String,
    },
}

/// The peer whose transport key has this ed25519 seed.
pub fn peer_of(secret: &[u8; 32]) -> Vec<u8> {
    peer_id_of(&keypair(*secret)).to_bytes()
}

/// A peer as people see it: base58, or hexadecimal if the bytes are no peer.
pub fn peer_text(peer: &[u8]) -> String {
    match PeerId::from_bytes(peer) {
        Ok(peer) => peer.to_base58(),
        Err(_) => peer.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Reads a peer as [`peer_text`] writes it.
pub fn peer_from_text(text: &str) -> Option<Vec<u8>> {
    // The longest name that a peer can have, with room to spare.
    if text.len() > limits::ADDRESS_BYTES {
        return None;
    }
    text.trim().parse::<PeerId>().ok().map(|peer| peer.to_bytes())
}

/// Reads an address that a person typed or pasted. Returns the peer it names, if any, and the address
/// in its usual form.
pub fn parse_address(text: &str) -> Result<(Option<Vec<u8>>, String), AddressError> {
    let address = read(text.trim())?;
    if !is_dialable(&address) {
        return Err(AddressError::NotDialable { address: address.to_string() });
    }
    Ok((peer_named(&address).map(|peer| peer.to_bytes()), address.to_string()))
}

/// The binary form of an address.
pub fn address_to_bytes(text: &str) -> Result<Vec<u8>, AddressError> {
    read(text).map(|address| address.to_vec())
}

/// The address that has this binary form.
pub fn address_from_bytes(bytes: &[u8]) -> Result<String, AddressError> {
    read_bytes(bytes).map(|address| address.to_string())
}

pub(super) fn keypair(mut secret: [u8; 32]) -> Keypair {
    // libp2p wipes the copy that it is given.
    Keypair::ed25519_from_bytes(&mut secret).expect("any 32 bytes are an ed25519 seed")
}

pub(super) fn peer_id_of(key: &Keypair) -> PeerId {
    key.public().to_peer_id()
}

pub(super) fn read(text: &str) -> Result<Multiaddr, AddressError> {
    if text.len() > limits::ADDRESS_TEXT {
        return Err(AddressError::TooLong { bytes: text.len(), limit: limits::ADDRESS_TEXT });
    }
    let address = text
        .parse::<Multiaddr>()
        .map_err(|why| AddressError::Unreadable { text: text.chars().take(80).collect(), why: why.to_string() })?;
    bounded(address)
}

pub(super) fn read_bytes(bytes: &[u8]) -> Result<Multiaddr, AddressError> {
    if bytes.len() > limits::ADDRESS_BYTES {
        return Err(AddressError::TooLong { bytes: bytes.len(), limit: limits::ADDRESS_BYTES });
    }
    let address = Multiaddr::try_from(bytes.to_vec())
        .map_err(|why| AddressError::UnreadableBytes { bytes: bytes.len(), why: why.to_string() })?;
    bounded(address)
}

/// Refuses the empty address, one that is too long, and one that its own text would not give back.
pub(super) fn bounded(address: Multiaddr) -> Result<Multiaddr, AddressError> {
    if address.len() > limits::ADDRESS_BYTES {
        return Err(AddressError::TooLong { bytes: address.len(), limit: limits::ADDRESS_BYTES });
    }
    let text = address.to_string();
    let again = text.parse::<Multiaddr>().ok();
    if address.is_empty() || again.as_ref() != Some(&address) {
        return Err(AddressError::Unreadable {
            text: text.chars().take(80).collect(),
            why: "it has no usual form".to_owned(),
        });
    }
    Ok(address)
}

/// The peer that an address ends in.
pub(super) fn peer_named(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// The address with the peer at its end, or a refusal if it ends in another.
pub(super) fn with_peer(address: Multiaddr, peer: PeerId) -> Result<Multiaddr, AddressError> {
    address.with_p2p(peer).map_err(|address| AddressError::ForeignPeer { address: address.to_string() })
}

/// The address without the peer at its end.
pub(super) fn without_peer(address: &Multiaddr) -> Multiaddr {
    match peer_named(address) {
        Some(_) => {
            let mut address = address.clone();
            address.pop();
            address
        }
        None => address.clone(),
    }
}

/// A transport that this node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socket {
    Tcp,
    Quic,
}

/// Takes an address apart; `None` if this node does not speak it. A peer at the end is left out.
pub(super) fn socket(address: &Multiaddr) -> Option<(Socket, SocketAddr)> {
    let address = without_peer(address);
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let (socket, port) = match (parts.next()?, parts.next()) {
        (Protocol::Tcp(port), None) => (Socket::Tcp, port),
        (Protocol::Udp(port), Some(Protocol::QuicV1)) => (Socket::Quic, port),
        _ => return None,
    };
    match parts.next() {
        None => Some((socket, SocketAddr::new(ip, port))),
        Some(_) => None,
    }
}

/// Whether this node could dial an address: it names one IP, one port and a transport that we speak.
pub(super) fn is_dialable(address: &Multiaddr) -> bool {
    socket(address).is_some_and(|(_, socket)| socket.port() != 0 && !socket.ip().is_unspecified())
}

/// Reads an address to listen on; port 0 lets the operating system choose.
pub(super) fn parse_listen(text: &str) -> Result<(Multiaddr, Socket, SocketAddr), AddressError> {
    let address = read(text.trim())?;
    match (socket(&address), peer_named(&address)) {
        (Some((kind, socket)), None) => Ok((address, kind, socket)),
        _ => Err(AddressError::NotListenable { address: address.to_string() }),
    }
}

/// Where a trial binding tells whether another program listens at `wanted`.
///
/// The IPv6 wildcard would also claim IPv4, which libp2p's socket does not; loopback stands in for it.
pub(super) fn trial(wanted: SocketAddr) -> SocketAddr {
    match wanted.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), wanted.port()),
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use hearth_protocol::testing::{around, up_to};

    const SECRET: [u8; 32] = [1; 32];

    fn unusual() -> Vec<String> {
        let peer = peer_text(&peer_of(&SECRET));
        [
            "/ip4/127.0.0.1",
            "/ip4/127.0.0.1/tcp/0",
            "/ip4/0.0.0.0/tcp/4001",
            "/ip4/127.0.0.1/udp/4001",
            "/ip4/127.0.0.1/udp/4001/quic",
            "/ip4/127.0.0.1/tcp/4001/ws",
            "/dns4/example.org/tcp/4001",
            "/memory/7",
            &format!("/p2p/{peer}"),
            &format!("/ip4/10.0.0.1/tcp/4001/p2p/{peer}/p2p-circuit"),
            &format!("/ip4/10.0.0.1/tcp/4001/p2p/{peer}/p2p/{peer}"),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    #[test]
    fn a_peer_is_the_same_from_its_seed_and_from_an_address() {
        let peer = peer_of(&SECRET);
        let text = format!("/ip4/192.0.2.1/tcp/4001/p2p/{}", peer_text(&peer));
        assert_eq!(parse_address(&text), Ok((Some(peer), text.clone())));
        assert_eq!(parse_address(" /ip6/::1/udp/4001/quic-v1\n"), Ok((None, "/ip6/::1/udp/4001/quic-v1".to_owned())));
        assert_ne!(peer_of(&SECRET), peer_of(&[2; 32]));
    }

    #[test]
    fn what_cannot_be_dialled_is_named() {
        for text in unusual() {
            let refused = parse_address(&text).expect_err("refused");
            assert_eq!(refused, AddressError::NotDialable { address: text.clone() });
            assert!(refused.to_string().contains(&text));
        }
        for text in ["", "garden", "/ip4/300.1.1.1/tcp/1", "/ip4/1.2.3.4/tcp/70000"] {
            assert!(
                matches!(
                    parse_address(text),
                    Err(AddressError::Unreadable { text: named, .. }) if named == text
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn an_address_is_bounded_in_both_forms() {
        let long = format!("/dns4/{}/tcp/1", "a".repeat(limits::ADDRESS_BYTES - 6));
        let bytes = address_to_bytes(&long).expect("just fits");
        assert_eq!(bytes.len(), limits::ADDRESS_BYTES);
        assert_eq!(address_from_bytes(&bytes), Ok(long));

        let refused = AddressError::TooLong { bytes: limits::ADDRESS_BYTES + 1, limit: limits::ADDRESS_BYTES };
        assert_eq!(address_from_bytes(&[0; limits::ADDRESS_BYTES + 1]), Err(refused.clone()));
        around(limits::ADDRESS_TEXT, [false, false, true], |n| {
            matches!(parse_address(&"x".repeat(n)), Err(AddressError::TooLong { .. }))
        });
        up_to(limits::ADDRESS_BYTES, refused, |n| address_to_bytes(&format!("/dns4/{}/tcp/1", "a".repeat(n - 6))));
    }

    #[test]
    fn listening_takes_port_zero_and_wildcards_but_no_peer() {
        for text in ["/ip4/0.0.0.0/tcp/0", "/ip6/::/udp/0/quic-v1"] {
            assert!(parse_listen(text).is_ok(), "{text}");
        }
        let peer = peer_text(&peer_of(&SECRET));
        for text in [format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}"), "/dns4/example.org/tcp/1".to_owned()] {
            assert_eq!(parse_listen(&text), Err(AddressError::NotListenable { address: text }));
        }
    }

    proptest! {
        #[test]
        fn bytes_that_are_an_address_are_its_only_form(
            bytes in prop::collection::vec(any::<u8>(), 0..40)
        ) {
            if let Ok(text) = address_from_bytes(&bytes) {
                prop_assert_eq!(address_to_bytes(&text), Ok(bytes));
            }
        }

        #[test]
        fn text_never_panics_and_an_address_is_stable(text in "(/(ip4|ip6|tcp|udp|quic-v1|p2p|dns4|[a-z0-9.:]{0,12})){0,6}") {
            if let Ok((_, usual)) = parse_address(&text) {
                prop_assert_eq!(parse_address(&usual).map(|read| read.1), Ok(usual));
            }
        }
    }
}
