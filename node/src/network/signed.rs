//! Lists of addresses signed by the peer they lead to, so that others can hand them on.
//!
//! The form is libp2p's: a peer record (RFC 0003) in a signed envelope (RFC 0002), in the variant that
//! Go and JavaScript share.
//! Leaves to others: which of two lists is newer (the higher `seq`), and whose peer it is.
//! Always true: a list that was read is signed by the peer it names, has at most 10 addresses in at
//! most 2 KiB, and its envelope has no second form.

use libp2p::{
    Multiaddr,
    core::{PeerRecord, SignedEnvelope, peer_record::FromEnvelopeError},
};

use super::{
    addresses::{self, AddressError},
    limits,
};

/// Separates these signatures from all others by the same key.
const DOMAIN: &str = "libp2p-peer-record";

/// The multicodec of a peer record.
const KIND: [u8; 2] = [0x03, 0x01];

/// A list of addresses whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAddresses {
    /// The peer that signed, and to whom all the addresses lead.
    pub peer: Vec<u8>,
    /// Chosen by the signer: the list with the highest number counts.
    pub seq: u64,
    /// The addresses, each ending in `/p2p/` and the peer. Not all need be of a form that this node can
    /// dial.
    pub addresses: Vec<String>,
}

/// Why a list of addresses is not signed or not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressesRefusal {
    /// Longer than [`limits::SIGNED_ADDRESSES_BYTES`].
    #[error("a signed list of addresses of {bytes} bytes, over the limit of {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// More addresses than [`limits::ADDRESSES`].
    #[error("{count} addresses of one peer, over the limit of {limit}")]
    TooMany {
        /// How many.
        count: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Not a signed list of addresses at all, or not in its only form.
    #[error("not a signed list of addresses")]
    Unreadable,
    /// The signature is not good, or not by the peer that the list names.
    #[error("the list of addresses is not signed by its peer")]
    NotSigned,
    /// One of the addresses is not acceptable.
    #[error("an address in the list is not acceptable")]
    Address(#[from] AddressError),
}

/// Signs the addresses of the peer with this key. The peer at the end of an address may be left out;
/// it may be no other.
pub fn sign_addresses(secret: &[u8; 32], seq: u64, addresses: &[String]) -> Result<Vec<u8>, AddressesRefusal> {
    within(addresses.len(), limits::ADDRESSES)?;
    let key = addresses::keypair(*secret);
    let peer = addresses::peer_id_of(&key);
    let mut list = Vec::with_capacity(addresses.len());
    for text in addresses {
        let address = addresses::with_peer(addresses::read(text)?, peer)?;
        list.push(addresses::without_peer(&addresses::bounded(address)?));
    }
    let payload = payload(&peer.to_bytes(), seq, &list);
    let bytes = SignedEnvelope::new(&key, DOMAIN.to_owned(), KIND.to_vec(), payload)
        .expect("an ed25519 key in memory always signs")
        .into_protobuf_encoding();
    short(bytes.len())?;
    Ok(bytes)
}

/// Reads a list of addresses and checks its bounds and its signature.
pub fn read_signed_addresses(bytes: &[u8]) -> Result<SignedAddresses, AddressesRefusal> {
    short(bytes.len())?;
    let envelope = SignedEnvelope::from_protobuf_encoding(bytes).map_err(|_| AddressesRefusal::Unreadable)?;
    if envelope.clone().into_protobuf_encoding() != bytes {
        return Err(AddressesRefusal::Unreadable);
    }
    let list = PeerRecord::from_signed_envelope_interop(envelope).map_err(|why| match why {
        FromEnvelopeError::BadPayload(_) | FromEnvelopeError::MismatchedSignature => AddressesRefusal::NotSigned,
        FromEnvelopeError::InvalidPeerRecord(_)
        | FromEnvelopeError::InvalidPeerId(_)
        | FromEnvelopeError::InvalidMultiaddr(_) => AddressesRefusal::Unreadable,
    })?;
    within(list.addresses().len(), limits::ADDRESSES)?;
    let peer = list.peer_id();
    let mut texts = Vec::with_capacity(list.addresses().len());
    for address in list.addresses() {
        let address = addresses::with_peer(address.clone(), peer)?;
        texts.push(addresses::bounded(address)?.to_string());
    }
    Ok(SignedAddresses { peer: peer.to_bytes(), seq: list.seq(), addresses: texts })
}

fn short(bytes: usize) -> Result<(), AddressesRefusal> {
    let limit = limits::SIGNED_ADDRESSES_BYTES;
    if bytes > limit {
        return Err(AddressesRefusal::TooLong { bytes, limit });
    }
    Ok(())
}

fn within(count: usize, limit: usize) -> Result<(), AddressesRefusal> {
    if count > limit {
        return Err(AddressesRefusal::TooMany { count, limit });
    }
    Ok(())
}

/// A peer record in protobuf, written by hand: libp2p's own constructor reads the clock for `seq`.
fn payload(peer: &[u8], seq: u64, list: &[Multiaddr]) -> Vec<u8> {
    let mut bytes = Vec::new();
    field(&mut bytes, 1, peer);
    // Protobuf leaves a zero out.
    if seq != 0 {
        bytes.push(2 << 3);
        varint(&mut bytes, seq);
    }
    for address in list {
        let mut wrapped = Vec::new();
        field(&mut wrapped, 1, address.as_ref());
        field(&mut bytes, 3, &wrapped);
    }
    bytes
}

fn field(bytes: &mut Vec<u8>, number: u8, content: &[u8]) {
    /// Protobuf's wire type of a length and that many bytes.
    const WITH_LENGTH: u8 = 2;
    bytes.push(number << 3 | WITH_LENGTH);
    varint(bytes, content.len().try_into().unwrap_or(u64::MAX));
    bytes.extend_from_slice(content);
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::network::addresses::{peer_of, peer_text};

    const SECRET: [u8; 32] = [3; 32];

    fn home(port: usize) -> String {
        format!("/ip4/192.0.2.1/tcp/{port}")
    }

    fn homes(count: usize) -> Vec<String> {
        (1..=count).map(home).collect()
    }

    #[test]
    fn signed_addresses_are_read_again_with_their_peer() {
        let peer = peer_of(&SECRET);
        for seq in [0, 1, 127, 128, 1_763_000_000_000, u64::MAX] {
            let full = format!("{}/p2p/{}", home(1), peer_text(&peer));
            let given = [home(2), full.clone()];
            let bytes = sign_addresses(&SECRET, seq, &given).expect("signed");
            let read = read_signed_addresses(&bytes).expect("read");
            assert_eq!(read.peer, peer);
            assert_eq!(read.seq, seq);
            let second = format!("{}/p2p/{}", home(2), peer_text(&peer));
            assert_eq!(read.addresses, [second, full]);
        }
        let none = sign_addresses(&SECRET, 1, &[]).expect("signed");
        let read = read_signed_addresses(&none).expect("read");
        assert!(read.addresses.is_empty());
    }

    #[test]
    fn our_form_is_the_one_that_libp2p_writes() {
        let key = addresses::keypair(SECRET);
        let list = vec![home(1).parse().expect("address")];
        let theirs = PeerRecord::new_interop(&key, list).expect("signed");
        let ours = sign_addresses(&SECRET, theirs.seq(), &[home(1)]).expect("signed");
        assert_eq!(ours, theirs.into_signed_envelope().into_protobuf_encoding());
    }

    #[test]
    fn a_list_changed_in_any_byte_is_refused() {
        let bytes = sign_addresses(&SECRET, 9, &homes(2)).expect("signed");
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                assert!(read_signed_addresses(&changed).is_err(), "byte {place}, bit {bit}");
            }
            assert!(read_signed_addresses(&bytes[..place]).is_err(), "{place}");
        }
        let mut longer = bytes.clone();
        // An unknown field, which protobuf would skip.
        longer.extend([15 << 3, 1]);
        assert_eq!(read_signed_addresses(&longer), Err(AddressesRefusal::Unreadable));
    }

    #[test]
    fn nobody_signs_for_another_peer() {
        let key = addresses::keypair([4; 32]);
        let payload = payload(&peer_of(&SECRET), 1, &[]);
        let envelope = SignedEnvelope::new(&key, DOMAIN.to_owned(), KIND.to_vec(), payload)
            .expect("signed")
            .into_protobuf_encoding();
        assert_eq!(read_signed_addresses(&envelope), Err(AddressesRefusal::NotSigned));
        let foreign = format!("{}/p2p/{}", home(1), peer_text(&peer_of(&[4; 32])));
        assert_eq!(
            sign_addresses(&SECRET, 1, std::slice::from_ref(&foreign)),
            Err(AddressError::ForeignPeer { address: foreign }.into())
        );
    }

    #[test]
    fn ten_addresses_pass_and_eleven_do_not() {
        assert!(sign_addresses(&SECRET, 1, &homes(limits::ADDRESSES)).is_ok());
        let refused = AddressesRefusal::TooMany { count: limits::ADDRESSES + 1, limit: limits::ADDRESSES };
        let many = homes(limits::ADDRESSES + 1);
        assert_eq!(sign_addresses(&SECRET, 1, &many), Err(refused.clone()));

        let key = addresses::keypair(SECRET);
        let list = many.iter().map(|text| text.parse().expect("address"));
        let theirs = PeerRecord::new_interop(&key, list.collect()).expect("signed");
        let bytes = theirs.into_signed_envelope().into_protobuf_encoding();
        assert_eq!(read_signed_addresses(&bytes), Err(refused));
    }

    #[test]
    fn a_list_over_two_kibibytes_is_refused_unread() {
        let long = |index: usize| {
            let name = "a".repeat(limits::ADDRESS_BYTES - 50);
            format!("/dns4/{name}/tcp/{}", 1 + index)
        };
        let list: Vec<_> = (0..limits::ADDRESSES).map(long).collect();
        assert!(matches!(sign_addresses(&SECRET, 1, &list), Err(AddressesRefusal::TooLong { .. })));
        assert!(sign_addresses(&SECRET, 1, &list[..8]).is_ok());
        assert!(matches!(
            read_signed_addresses(&[0; limits::SIGNED_ADDRESSES_BYTES + 1]),
            Err(AddressesRefusal::TooLong { .. })
        ));
        assert_eq!(read_signed_addresses(&[0; limits::SIGNED_ADDRESSES_BYTES]), Err(AddressesRefusal::Unreadable));
    }

    proptest! {
        #[test]
        fn bytes_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read_signed_addresses(&bytes).is_err());
        }
    }
}
