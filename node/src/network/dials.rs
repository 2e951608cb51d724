//! The dials that were ordered and have not ended yet.
//!
//! Leaves to others: dialling itself (`task`), and whom to dial and when to try again (the driver).
//! Always true: a dial that was taken ends exactly once; at most one is under way for a peer that is
//! named; how many are under way and how many wait is bounded; who would be the first of a region is
//! dialled before those of regions that were reached already, so that one provider does not hold all
//! that this node dials.

use std::{
    collections::{HashMap, VecDeque},
    error::Error,
    net::IpAddr,
};

use ipnet::IpNet;
use libp2p::{
    Multiaddr, PeerId,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use super::{addresses, limits, origins, porch};

/// One order to dial.
#[derive(Debug)]
pub(super) struct Dial {
    /// Who must answer; `None` takes anybody.
    pub(super) peer: Option<PeerId>,
    /// The addresses as they were ordered, for the report.
    pub(super) ordered: Vec<String>,
    /// What was not tried yet.
    left: VecDeque<Multiaddr>,
    /// Where it may lead to.
    regions: Vec<IpNet>,
    /// What went wrong so far.
    failures: Vec<String>,
}

impl Dial {
    /// Reads an order. `Err` gives back the addresses, and says why none of them can be dialled.
    pub(super) fn read(peer: Option<&[u8]>, ordered: Vec<String>) -> Result<Self, (Vec<String>, String)> {
        let Ok(mut peer) = peer.map(PeerId::from_bytes).transpose() else {
            return Err((ordered, "the peer id is not readable".to_owned()));
        };
        let mut left = VecDeque::new();
        let mut failures = Vec::new();
        for text in ordered.iter().take(limits::ADDRESSES) {
            match addresses::read(text) {
                Ok(address) if addresses::is_dialable(&address) => left.push_back(address),
                Ok(address) => failures.push(format!("{address}: not a form that can be dialled")),
                Err(why) => failures.push(why.to_string()),
            }
        }
        if peer.is_none() {
            peer = left.iter().find_map(addresses::peer_named);
        }
        if let Some(peer) = peer {
            left.retain(|address| match addresses::with_peer(address.clone(), peer) {
                Ok(_) => true,
                Err(why) => {
                    failures.push(why.to_string());
                    false
                }
            });
        }
        if left.is_empty() {
            failures.push("no address left to dial".to_owned());
            return Err((ordered, failures.join("; ")));
        }
        let regions = left.iter().filter_map(region_of).collect();
        Ok(Self { peer, ordered, left, regions, failures })
    }

    /// What to hand to libp2p: all addresses at once for a peer that is named, else the next one.
    pub(super) fn options(&mut self) -> DialOpts {
        // A port of its own: two nodes that dial each other at once from their listening ports would
        // open one TCP connection with two dialling ends, and both would fail.
        match self.peer {
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .allocate_new_port()
                .addresses(self.left.drain(..).collect())
                .build(),
            None => DialOpts::unknown_peer_id()
                .address(self.left.pop_front().expect("a dial waits only while an address is left"))
                .allocate_new_port()
                .build(),
        }
    }

    /// Notes a failure; `true` if there is another address to try.
    pub(super) fn failed(&mut self, why: String) -> bool {
        self.failures.push(why);
        !self.left.is_empty()
    }

    /// Everything that went wrong, in one line.
    pub(super) fn why(&self) -> String {
        self.failures.join("; ")
    }
}

/// All dials that have not ended.
#[derive(Debug, Default)]
pub(super) struct Dials {
    under_way: HashMap<ConnectionId, Dial>,
    waiting: VecDeque<Dial>,
    /// Where those that ended well have led to, as long as the connection lasts.
    reached: HashMap<ConnectionId, IpNet>,
}

impl Dials {
    /// Whether one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < limits::DIALS_WAITING
    }

    /// Takes a dial that has not begun.
    pub(super) fn add(&mut self, dial: Dial) {
        self.waiting.push_back(dial);
    }

    /// Puts a dial with more addresses to try before all that wait.
    pub(super) fn again(&mut self, dial: Dial) {
        self.waiting.push_front(dial);
    }

    /// The next dial whose turn it is.
    pub(super) fn next(&mut self) -> Option<Dial> {
        if self.under_way.len() >= limits::DIALS {
            return None;
        }
        let may_begin =
            |waiting: &&Dial| waiting.peer.is_none() || self.under_way.values().all(|dial| dial.peer != waiting.peer);
        let is_new = |waiting: &Dial| waiting.regions.iter().all(|region| !self.is_reached(*region));
        let places = self.waiting.iter().enumerate().filter(|(_, waiting)| may_begin(waiting));
        // The first of a new region, or else the first.
        let (place, _) = places.min_by_key(|(place, waiting)| (!is_new(waiting), *place))?;
        self.waiting.remove(place)
    }

    /// Notes that a dial was handed to libp2p.
    pub(super) fn began(&mut self, connection: ConnectionId, dial: Dial) {
        self.under_way.insert(connection, dial);
    }

    /// Notes where a connection leads to that this node opened.
    pub(super) fn reached(&mut self, connection: ConnectionId, address: &Multiaddr) {
        if let Some(region) = region_of(address) {
            self.reached.insert(connection, region);
        }
    }

    /// Notes that a connection is no more.
    pub(super) fn lost(&mut self, connection: ConnectionId) {
        self.reached.remove(&connection);
    }

    fn is_reached(&self, region: IpNet) -> bool {
        let mut under_way = self.under_way.values().flat_map(|dial| &dial.regions);
        self.reached.values().any(|reached| *reached == region) || under_way.any(|other| *other == region)
    }

    /// The dial of this connection, which is no longer under way.
    pub(super) fn ended(&mut self, connection: ConnectionId) -> Option<Dial> {
        self.under_way.remove(&connection)
    }
}

/// The region that an address lies in. Those that are no one's own, such as addresses within a house,
/// lie in none: everybody lists the same ones.
fn region_of(address: &Multiaddr) -> Option<IpNet> {
    let address = porch::ip_of(address)?.to_canonical();
    let is_local = match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    (!is_local).then(|| origins::region(address))
}

/// Why a dial failed, in one line without libp2p's wrapping.
pub(super) fn why(error: &DialError) -> String {
    match error {
        DialError::Transport(failures) => failures
            .iter()
            .map(|(address, error)| format!("{address}: {}", innermost(error)))
            .collect::<Vec<_>>()
            .join("; "),
        DialError::WrongPeerId { obtained, address } => {
            format!("{address}: answered by another peer, {obtained}")
        }
        DialError::LocalPeerId { address } => format!("{address}: this is the node itself"),
        DialError::NoAddresses => "every address is one of the node's own".to_owned(),
        DialError::Denied { cause } => innermost(cause).to_string(),
        DialError::Aborted => "given up".to_owned(),
        DialError::DialPeerConditionFalse(_) => "already connected or dialling".to_owned(),
    }
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    fn peer(number: u8) -> Vec<u8> {
        addresses::peer_of(&[number; 32])
    }

    fn home(port: u16) -> String {
        format!("/ip4/192.0.2.1/tcp/{port}")
    }

    fn of(number: u8) -> Dial {
        Dial::read(Some(&peer(number)), vec![home(1)]).expect("dialable")
    }

    #[test]
    fn a_peer_is_dialled_once_at_a_time_and_others_meanwhile() {
        let mut dials = Dials::default();
        for number in [1, 1, 2] {
            dials.add(of(number));
        }
        let mut first = dials.next().expect("the first");
        let connection = first.options().connection_id();
        dials.began(connection, first);
        let second = dials.next().expect("the other peer");
        assert_eq!(second.peer, of(2).peer);
        assert!(dials.next().is_none());
        assert!(dials.ended(connection).is_some());
        assert!(dials.ended(connection).is_none());
        assert_eq!(dials.next().expect("the one that waited").peer, of(1).peer);
    }

    #[test]
    fn dials_under_way_and_waiting_are_bounded() {
        let anybody = || Dial::read(None, vec![home(1)]).expect("dialable");
        let waiting = |count: usize| {
            let mut dials = Dials::default();
            (0..count).for_each(|_| dials.add(anybody()));
            dials
        };
        around(limits::DIALS_WAITING, [true, true, false], |n| waiting(n - 1).has_room());
        around(limits::DIALS, [true, true, false], |n| {
            let mut dials = waiting(n);
            for _ in 1..n {
                let mut dial = dials.next().expect("room under way");
                dials.began(dial.options().connection_id(), dial);
            }
            dials.next().is_some()
        });
    }

    fn at(number: u8, addresses: &[&str]) -> Dial {
        Dial::read(Some(&peer(number)), addresses.iter().map(|text| (*text).to_owned()).collect()).expect("dialable")
    }

    #[test]
    fn who_is_alone_in_a_region_is_dialled_before_the_second_of_another() {
        let mut dials = Dials::default();
        let within = "/ip4/192.168.1.5/tcp/1";
        dials.add(at(1, &["/ip4/203.0.113.1/tcp/1", within]));
        dials.add(at(2, &["/ip4/203.0.200.2/udp/1/quic-v1", within]));
        dials.add(at(3, &["/ip6/2001:db8:1::1/tcp/1", within]));
        dials.add(at(4, &["/ip6/2001:db8:2::1/tcp/1"]));
        dials.add(at(5, &["/ip4/198.51.100.1/tcp/1"]));
        dials.add(at(6, &[within]));
        let mut order = Vec::new();
        let mut connections = Vec::new();
        while let Some(mut dial) = dials.next() {
            order.push(dial.peer.expect("named"));
            connections.push(dial.options().connection_id());
            dials.began(connections[connections.len() - 1], dial);
        }
        let expected: Vec<PeerId> = [1, 3, 5, 6, 2, 4].map(|number| of(number).peer.expect("named")).to_vec();
        assert_eq!(order, expected);

        // As long as the connection lasts, and no longer.
        for connection in &connections {
            dials.ended(*connection);
        }
        dials.reached(connections[0], &"/ip4/203.0.113.1/tcp/1".parse().expect("an address"));
        for (number, lost) in [(7, false), (8, true)] {
            if lost {
                dials.lost(connections[0]);
            }
            dials.add(at(2, &["/ip4/203.0.200.2/tcp/1"]));
            dials.add(at(number, &["/ip4/198.51.100.1/tcp/1"]));
            let first = if lost { 2 } else { number };
            assert_eq!(dials.next().expect("one waits").peer, of(first).peer);
            dials.next().expect("the other one");
        }
    }

    #[test]
    fn an_address_that_names_its_peer_needs_no_other_hint() {
        let named = format!("{}/p2p/{}", home(1), addresses::peer_text(&peer(1)));
        let dial = Dial::read(None, vec![home(2), named]).expect("dialable");
        assert_eq!(dial.peer, of(1).peer);
        assert_eq!(dial.left.len(), 2);
    }

    #[test]
    fn addresses_of_another_peer_are_left_out_and_named() {
        let foreign = format!("{}/p2p/{}", home(1), addresses::peer_text(&peer(2)));
        let dial = Dial::read(Some(&peer(1)), vec![foreign.clone(), home(2)]).expect("one left");
        assert_eq!(dial.left.len(), 1);
        assert!(dial.why().contains(&foreign));

        let (ordered, why) = Dial::read(Some(&peer(1)), vec![foreign.clone()]).expect_err("none");
        assert_eq!(ordered, std::slice::from_ref(&foreign));
        assert!(why.contains(&foreign));
    }

    #[test]
    fn unreadable_orders_are_given_back_with_a_reason() {
        for (peer, addresses) in [
            (Some(b"no peer".to_vec()), vec![home(1)]),
            (None, vec![]),
            (None, vec!["garden".to_owned()]),
            (None, vec!["/dns4/example.org/tcp/1".to_owned()]),
        ] {
            let (given, why) = Dial::read(peer.as_deref(), addresses.clone()).expect_err("refused");
            assert_eq!(given, addresses);
            assert!(!why.is_empty());
        }
    }

    #[test]
    fn without_a_peer_addresses_are_tried_one_after_another() {
        let mut dial = Dial::read(None, vec![home(1), home(2)]).expect("dialable");
        dial.options();
        assert!(dial.failed("first".to_owned()));
        dial.options();
        assert!(!dial.failed("second".to_owned()));
        assert_eq!(dial.why(), "first; second");
    }
}
