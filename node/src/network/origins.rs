//! Where the connections come from that others open, and how many may come from there.
//!
//! Leaves to others: sockets and libp2p (`porch`), who is a member (the driver).
//! Always true: no host and no subnet holds more places than its share, whatever it sends; strangers
//! never hold the places that are kept for members. An IPv4 address inside an IPv6 one counts as IPv4.
//!
//! Before the handshake only the address is known, so its share of the places is all that can be
//! bounded. After it the peer is known too: who has proven a role counts with members.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::limits;

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Crowded {
    #[error("too many connections are being opened")]
    Opening,
    #[error("too many connections are being opened by hosts that no member is known at")]
    OpeningStrangers,
    #[error("too many connections are being opened by this host")]
    OpeningHost,
    #[error("too many connections are being opened from this subnet")]
    OpeningSubnet,
    #[error("too many connections were opened by others")]
    Inbound,
    #[error("too many connections were opened by strangers")]
    InboundStrangers,
    #[error("too many connections with this host")]
    Host,
    #[error("too many connections with this subnet")]
    Subnet,
}

impl Crowded {
    /// The name under which it is counted.
    pub(super) fn name(self) -> &'static str {
        match self {
            Crowded::Opening => "connections_opening",
            Crowded::OpeningStrangers => "connections_opening_strangers",
            Crowded::OpeningHost => "connections_opening_host",
            Crowded::OpeningSubnet => "connections_opening_subnet",
            Crowded::Inbound => "connections_in",
            Crowded::InboundStrangers => "connections_in_strangers",
            Crowded::Host => "connections_host",
            Crowded::Subnet => "connections_subnet",
        }
    }
}

/// Whom places are kept for.
#[derive(Debug)]
pub(super) struct Members<P> {
    /// Peers that have proven a role over a connection that they still have.
    pub(super) proven: HashSet<P>,
    /// Peers of whom members say that they are members'. One liar can name many, so this gives a kept
    /// place and no larger share of a host.
    pub(super) known: HashSet<P>,
    /// Where those are.
    pub(super) hosts: HashSet<IpNet>,
}

impl<P> Default for Members<P> {
    fn default() -> Self {
        Self { proven: HashSet::new(), known: HashSet::new(), hosts: HashSet::new() }
    }
}

/// The connections that others have opened or are opening. `C` names a connection, `P` a peer.
#[derive(Debug)]
pub(super) struct Origins<C, P> {
    /// Where shares do not count.
    trusted: Vec<IpNet>,
    opening: HashMap<C, Option<IpAddr>>,
    inbound: HashMap<C, (P, Option<IpAddr>)>,
    members: Members<P>,
}

impl<C: Copy + Eq + Hash, P: Eq + Hash> Origins<C, P> {
    /// Nobody yet.
    pub(super) fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted, opening: HashMap::new(), inbound: HashMap::new(), members: Members::default() }
    }

    /// From now on places are kept for these.
    pub(super) fn reserve(&mut self, members: Members<P>) {
        self.members = members;
    }

    /// A connection that begins. `Err` leaves nothing behind.
    pub(super) fn begin(&mut self, connection: C, from: Option<IpAddr>) -> Result<(), Crowded> {
        let from = from.map(|address| address.to_canonical());
        let opening = self.opening.len();
        refuse_at(opening, limits::CONNECTIONS_OPENING, Crowded::Opening)?;
        if let Some(from) = from.filter(|from| !self.is_trusted(*from)) {
            let of = |part: fn(IpAddr) -> IpNet| share(self.opening.values().copied(), part, from);
            refuse_at(of(host), limits::CONNECTIONS_OPENING_PER_HOST, Crowded::OpeningHost)?;
            refuse_at(of(subnet), limits::CONNECTIONS_OPENING_PER_SUBNET, Crowded::OpeningSubnet)?;
            if !self.members.hosts.contains(&host(from)) {
                let strangers = self.opening.values().filter(|from| !self.is_of_members(**from)).count();
                let places = limits::CONNECTIONS_OPENING - limits::CONNECTIONS_OPENING_KEPT;
                refuse_at(strangers, places, Crowded::OpeningStrangers)?;
            }
        }
        self.opening.insert(connection, from);
        Ok(())
    }

    /// A connection whose peer has shown who it is. Whether or not it is taken, it is no longer opening.
    pub(super) fn arrive(&mut self, connection: C, peer: P, from: Option<IpAddr>) -> Result<(), Crowded> {
        self.opening.remove(&connection);
        let from = from.map(|address| address.to_canonical());
        refuse_at(self.inbound.len(), limits::CONNECTIONS_IN, Crowded::Inbound)?;
        let is_proven = self.members.proven.contains(&peer);
        if let Some(from) = from.filter(|from| !self.is_trusted(*from)) {
            // Members count among members, and strangers among strangers: neither takes the other's share.
            let alike = self.inbound.values().filter(|(peer, _)| self.members.proven.contains(peer) == is_proven);
            let alike: Vec<Option<IpAddr>> = alike.map(|(_, from)| *from).collect();
            let of = |part: fn(IpAddr) -> IpNet| share(alike.iter().copied(), part, from);
            let (per_host, per_subnet) = if is_proven {
                (limits::CONNECTIONS_PER_HOST_OF_MEMBERS, limits::CONNECTIONS_PER_SUBNET_OF_MEMBERS)
            } else {
                (limits::CONNECTIONS_PER_HOST, limits::CONNECTIONS_PER_SUBNET)
            };
            refuse_at(of(host), per_host, Crowded::Host)?;
            refuse_at(of(subnet), per_subnet, Crowded::Subnet)?;
        }
        if !self.is_member(&peer) {
            let strangers = self.inbound.values().filter(|(peer, _)| !self.is_member(peer)).count();
            let places = limits::CONNECTIONS_IN - limits::CONNECTIONS_IN_KEPT;
            refuse_at(strangers, places, Crowded::InboundStrangers)?;
        }
        self.inbound.insert(connection, (peer, from));
        Ok(())
    }

    /// A connection that is no more, or came to nothing.
    pub(super) fn end(&mut self, connection: C) {
        self.opening.remove(&connection);
        self.inbound.remove(&connection);
    }

    /// Whether a peer has proven a role.
    pub(super) fn is_proven(&self, peer: &P) -> bool {
        self.members.proven.contains(peer)
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    fn is_member(&self, peer: &P) -> bool {
        self.members.proven.contains(peer) || self.members.known.contains(peer)
    }

    /// Whether it opens from where a member is known. Places of trusted subnets are nobody's share.
    fn is_of_members(&self, from: Option<IpAddr>) -> bool {
        from.is_none_or(|from| self.is_trusted(from) || self.members.hosts.contains(&host(from)))
    }
}

/// How many of these come from the same part of the network.
fn share(all: impl Iterator<Item = Option<IpAddr>>, part: fn(IpAddr) -> IpNet, from: IpAddr) -> usize {
    let mine = part(from);
    all.flatten().filter(|other| part(*other) == mine).count()
}

fn refuse_at(count: usize, limit: usize, why: Crowded) -> Result<(), Crowded> {
    if count < limit { Ok(()) } else { Err(why) }
}

/// Where one host is: its IPv4 address, or the /64 that every IPv6 host may choose addresses from.
pub(super) fn host(address: IpAddr) -> IpNet {
    part(address, 32, 64)
}

/// Where a subnet is that one customer of a provider may have: an IPv4 /24 or an IPv6 /48.
pub(super) fn subnet(address: IpAddr) -> IpNet {
    part(address, 24, 48)
}

/// Where a provider or a large network is: an IPv4 /16 or an IPv6 /32.
pub(super) fn region(address: IpAddr) -> IpNet {
    part(address, 16, 32)
}

fn part(address: IpAddr, of_v4: u8, of_v6: u8) -> IpNet {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { of_v4 } else { of_v6 };
    IpNet::new_assert(address, bits).trunc()
}

/// Loopback: programs of this machine, which can harm it in other ways.
pub(super) fn loopback() -> Vec<IpNet> {
    vec![IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8).trunc(), IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128)]
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::up_to;

    use super::*;

    type Tried = Origins<usize, u32>;

    fn nobody() -> Tried {
        Origins::new(Vec::new())
    }

    /// The n-th of many hosts that have no subnet in common.
    fn afar(n: usize) -> Option<IpAddr> {
        let n = u16::try_from(n).expect("few");
        Some(Ipv4Addr::new(10, n.to_be_bytes()[0], n.to_be_bytes()[1], 1).into())
    }

    fn at(address: &str) -> Option<IpAddr> {
        Some(address.parse().expect("an address"))
    }

    /// How many of `tries` are taken one after another, and why the first of the others is not.
    fn taken(tries: impl Iterator<Item = Result<(), Crowded>>) -> (usize, Option<Crowded>) {
        let mut count = 0;
        for tried in tries {
            match tried {
                Ok(()) => count += 1,
                Err(why) => return (count, Some(why)),
            }
        }
        (count, None)
    }

    fn members(proven: &[u32], known: &[u32], hosts: &[IpAddr]) -> Members<u32> {
        let hosts = hosts.iter().map(|address| host(*address)).collect();
        Members { proven: proven.iter().copied().collect(), known: known.iter().copied().collect(), hosts }
    }

    /// What becomes of the last of so many, all others of which are taken.
    fn last(count: usize, mut tried: impl FnMut(usize) -> Result<(), Crowded>) -> Result<(), Crowded> {
        (1..count).for_each(|n| tried(n).expect("there is room"));
        tried(count)
    }

    fn opening(count: usize, members: Members<u32>, from: impl Fn(usize) -> Option<IpAddr>) -> Result<(), Crowded> {
        let mut origins = nobody();
        origins.reserve(members);
        last(count, |n| origins.begin(n, from(n)))
    }

    fn arriving(count: usize, members: Members<u32>, from: impl Fn(usize) -> Option<IpAddr>) -> Result<(), Crowded> {
        let mut origins = nobody();
        origins.reserve(members);
        last(count, |n| origins.arrive(n, u32::try_from(n).expect("few"), from(n)))
    }

    fn of_subnet(n: usize) -> Option<IpAddr> {
        at(&format!("192.0.2.{n}"))
    }

    #[test]
    fn what_opens_is_bounded_by_host_by_subnet_and_in_all() {
        let one = |_| at("192.0.2.7");
        let homes: Vec<IpAddr> = (1..=limits::CONNECTIONS_OPENING + 1).filter_map(afar).collect();
        up_to(limits::CONNECTIONS_OPENING_PER_HOST, Crowded::OpeningHost, |n| opening(n, Members::default(), one));
        up_to(limits::CONNECTIONS_OPENING_PER_SUBNET, Crowded::OpeningSubnet, |n| {
            opening(n, Members::default(), of_subnet)
        });
        up_to(limits::CONNECTIONS_OPENING, Crowded::Opening, |n| opening(n, members(&[], &[], &homes), afar));
        // Beside those of strangers, who have taken all that they may.
        let strangers = limits::CONNECTIONS_OPENING - limits::CONNECTIONS_OPENING_KEPT;
        up_to(limits::CONNECTIONS_OPENING_KEPT, Crowded::Opening, |n| {
            opening(strangers + n, members(&[], &[], &homes[strangers..]), afar)
        });
    }

    #[test]
    fn what_is_open_is_bounded_by_host_by_subnet_and_in_all() {
        let one = |_| at("192.0.2.7");
        let all: Vec<u32> = (0..1_000).collect();
        let proven = || members(&all, &[], &[]);
        up_to(limits::CONNECTIONS_PER_HOST, Crowded::Host, |n| arriving(n, Members::default(), one));
        up_to(limits::CONNECTIONS_PER_SUBNET, Crowded::Subnet, |n| arriving(n, Members::default(), of_subnet));
        up_to(limits::CONNECTIONS_PER_HOST_OF_MEMBERS, Crowded::Host, |n| arriving(n, proven(), one));
        up_to(limits::CONNECTIONS_PER_SUBNET_OF_MEMBERS, Crowded::Subnet, |n| arriving(n, proven(), of_subnet));
        up_to(limits::CONNECTIONS_IN, Crowded::Inbound, |n| arriving(n, members(&[], &all, &[]), afar));
        let strangers = limits::CONNECTIONS_IN - limits::CONNECTIONS_IN_KEPT;
        up_to(limits::CONNECTIONS_IN_KEPT, Crowded::Inbound, |n| {
            arriving(strangers + n, members(&[], &all[strangers + 1..], &[]), afar)
        });
    }

    #[test]
    fn a_host_opens_so_many_at_once_and_no_more() {
        for same in ["192.0.2.7", "2001:db8::7"] {
            let mut origins = nobody();
            let tried = taken((0..100).map(|n| origins.begin(n, at(same))));
            assert_eq!(tried, (limits::CONNECTIONS_OPENING_PER_HOST, Some(Crowded::OpeningHost)));
            origins.end(0);
            assert_eq!(origins.begin(200, at(same)), Ok(()));
            assert_eq!(origins.begin(201, at(same)), Err(Crowded::OpeningHost));
        }
    }

    #[test]
    fn an_address_written_in_the_other_family_is_the_same_host() {
        let mut origins = nobody();
        let written = ["192.0.2.7", "::ffff:192.0.2.7"];
        let tried = taken((0..100).map(|n| origins.begin(n, at(written[n % 2]))));
        assert_eq!(tried, (limits::CONNECTIONS_OPENING_PER_HOST, Some(Crowded::OpeningHost)));
        // And all addresses that one IPv6 host can take.
        let mut origins = nobody();
        let tried = taken((0..100).map(|n| origins.begin(n, at(&format!("2001:db8::{n:x}:1")))));
        assert_eq!(tried, (limits::CONNECTIONS_OPENING_PER_HOST, Some(Crowded::OpeningHost)));
    }

    #[test]
    fn a_subnet_opens_so_many_at_once_and_no_more() {
        for net in ["192.0.2.", "2001:db8:7:"] {
            let mut origins = nobody();
            let each = |n: usize| if net.contains(':') { format!("{net}{n:x}::1") } else { format!("{net}{n}") };
            let tried = taken((0..100).map(|n| origins.begin(n, at(&each(n)))));
            assert_eq!(tried, (limits::CONNECTIONS_OPENING_PER_SUBNET, Some(Crowded::OpeningSubnet)));
            assert_eq!(origins.begin(200, afar(1)), Ok(()));
        }
    }

    #[test]
    fn strangers_open_all_but_the_places_kept_and_members_those_too() {
        let mut origins = nobody();
        let home = at("198.51.100.1").expect("an address");
        let tried = taken((0..200).map(|n| origins.begin(n, afar(n))));
        let places = limits::CONNECTIONS_OPENING - limits::CONNECTIONS_OPENING_KEPT;
        assert_eq!(tried, (places, Some(Crowded::OpeningStrangers)));
        assert_eq!(origins.begin(300, Some(home)), Err(Crowded::OpeningStrangers));
        let homes: Vec<IpAddr> = (400..500).filter_map(afar).collect();
        origins.reserve(members(&[], &[], &homes));
        let tried = taken((400..500).map(|n| origins.begin(n, afar(n))));
        assert_eq!(tried, (limits::CONNECTIONS_OPENING_KEPT, Some(Crowded::Opening)));
        // What is trusted counts too, where it is about descriptors.
        origins.trusted = vec![host(home)];
        assert_eq!(origins.begin(600, Some(home)), Err(Crowded::Opening));
        origins.end(0);
        assert_eq!(origins.begin(600, Some(home)), Ok(()));
    }

    #[test]
    fn a_host_holds_so_many_and_no_more() {
        let mut origins = nobody();
        let peer = |n: usize| u32::try_from(n).expect("few");
        let tried = taken((0..100).map(|n| origins.arrive(n, peer(n), at("192.0.2.7"))));
        assert_eq!(tried, (limits::CONNECTIONS_PER_HOST, Some(Crowded::Host)));
        // Who has proven a role makes room, up to a share of its own.
        let all: Vec<u32> = (0..100).collect();
        origins.reserve(members(&all[..50], &all, &[]));
        let tried = taken((50..100).map(|n| origins.arrive(n, peer(n), at("::ffff:192.0.2.7"))));
        assert_eq!(tried, (limits::CONNECTIONS_PER_HOST, Some(Crowded::Host)));
        let tried = taken((10..50).map(|n| origins.arrive(n, peer(n), at("192.0.2.7"))));
        let more = limits::CONNECTIONS_PER_HOST_OF_MEMBERS - limits::CONNECTIONS_PER_HOST;
        assert_eq!(tried, (more, Some(Crowded::Host)));
        origins.end(0);
        assert_eq!(origins.arrive(300, 49, at("192.0.2.7")), Ok(()));
        assert_eq!(origins.arrive(301, 49, at("192.0.2.7")), Err(Crowded::Host));
    }

    #[test]
    fn a_subnet_holds_so_many_and_no_more() {
        let each = |n: usize| at(&format!("192.0.2.{n}"));
        let peer = |n: usize| u32::try_from(n).expect("few");
        let mut origins = nobody();
        let tried = taken((0..100).map(|n| origins.arrive(n, peer(n), each(n))));
        assert_eq!(tried, (limits::CONNECTIONS_PER_SUBNET, Some(Crowded::Subnet)));
        let mut origins = nobody();
        origins.reserve(members(&(0..100).collect::<Vec<_>>(), &[], &[]));
        let tried = taken((0..100).map(|n| origins.arrive(n, peer(n), each(n))));
        assert_eq!(tried, (limits::CONNECTIONS_PER_SUBNET_OF_MEMBERS, Some(Crowded::Subnet)));
    }

    #[test]
    fn strangers_hold_all_but_the_places_kept_and_members_those_too() {
        let mut origins = nobody();
        origins.reserve(members(&[], &(1_000..2_000).collect::<Vec<_>>(), &[]));
        let peer = |n: usize| u32::try_from(n).expect("few");
        let tried = taken((0..500).map(|n| origins.arrive(n, peer(n), afar(n))));
        let places = limits::CONNECTIONS_IN - limits::CONNECTIONS_IN_KEPT;
        assert_eq!(tried, (places, Some(Crowded::InboundStrangers)));
        let tried = taken((1_000..2_000).map(|n| origins.arrive(n, peer(n), afar(n))));
        assert_eq!(tried, (limits::CONNECTIONS_IN_KEPT, Some(Crowded::Inbound)));
        origins.end(1_000);
        assert_eq!(origins.arrive(3_000, 500, afar(500)), Err(Crowded::InboundStrangers));
        assert_eq!(origins.arrive(3_000, 1_999, afar(1_999)), Ok(()));
    }

    #[test]
    fn a_trusted_subnet_has_no_share_to_keep_to() {
        let mut origins: Tried = Origins::new(loopback());
        for n in 0..limits::CONNECTIONS_OPENING {
            let from = if n % 2 == 0 { "127.0.0.1" } else { "::1" };
            assert_eq!(origins.begin(n, at(from)), Ok(()));
        }
        assert_eq!(origins.begin(200, at("127.9.9.9")), Err(Crowded::Opening));
        for n in 0..limits::CONNECTIONS_OPENING {
            assert_eq!(origins.arrive(n, 1, at("127.0.0.1")), Ok(()));
        }
        assert_eq!(origins.begin(200, at("127.9.9.9")), Ok(()));
    }

    #[test]
    fn what_ended_or_was_refused_leaves_nothing_behind() {
        let mut origins = nobody();
        for n in 0..1_000 {
            let _ = origins.begin(n, at("192.0.2.7"));
            let _ = origins.arrive(n, 1, at("192.0.2.7"));
        }
        for n in 0..1_000 {
            origins.end(n);
        }
        assert!(origins.opening.is_empty() && origins.inbound.is_empty());
    }
}
