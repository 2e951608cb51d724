//! The network: bytes, peers, topics and addresses over libp2p.
//!
//! A node has one network task. The driver hands it an [`Order`] through a [`NetworkHandle`]; it hands
//! the driver a [`Report`]. Neither names a type of libp2p: a peer is the binary form of its id, an
//! address is text.
//!
//! Leaves to others: what bytes and topics mean, who is a member and so may hear gossip, whom to
//! dial and when to try again, what is kept on disk.
//! Always true: gossip is exchanged only with a peer for whom that was ordered, and passed on only
//! after a verdict; every order to dial or to request ends in exactly one report; everything that waits is bounded, and what does not fit is refused, failed or,
//! for gossip alone, dropped and counted.

mod addresses;
mod behaviour;
mod closing;
mod codec;
mod counts;
mod dials;
mod door;
mod exchange;
mod gate;
mod gossip;
mod listen;
mod origins;
mod porch;
mod rate;
mod signed;
mod task;
#[cfg(test)]
mod tests;
mod transport;

use std::{fmt, io, sync::Arc};

use ipnet::IpNet;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::limits;

pub use self::{
    addresses::{
        AddressError, address_from_bytes, address_to_bytes, parse_address, peer_from_text, peer_of, peer_text,
    },
    counts::Dropped,
    signed::{AddressesRefusal, SignedAddresses, read_signed_addresses, sign_addresses},
    transport::EncryptionError,
};

/// How to start the network.
pub struct Settings {
    /// The ed25519 seed of the transport key. It is not the key of the person or of the device.
    pub secret: [u8; 32],
    /// Where to listen: `/ip4/A/tcp/PORT`, `/ip4/A/udp/PORT/quic-v1`, or the same with `/ip6`. Port 0
    /// takes a free one. None at all is a node that only dials.
    pub listen: Vec<String>,
    /// Subnets whose hosts may open as many connections as there are places, such as `192.0.2.0/24`.
    /// `None` trusts loopback alone.
    pub trusted_subnets: Option<Vec<String>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// What the driver asks of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Connect, unless connected already. Ends in [`Report::Dialed`] or [`Report::DialFailed`].
    Dial {
        /// Who must answer. `None` takes the peer that an address names, or else whoever answers.
        peer: Option<Vec<u8>>,
        /// Where to try, at most [`limits::ADDRESSES`]; those beyond are ignored.
        addresses: Vec<String>,
    },
    /// Send a request to a connected peer. Ends in [`Report::Answered`] or [`Report::Failed`].
    Request {
        /// To whom.
        peer: Vec<u8>,
        /// Chosen by the driver; comes back with the answer.
        id: u64,
        /// From 1 to [`limits::REQUEST`] bytes.
        frame: Vec<u8>,
    },
    /// Answer a request. A token that is unknown or too old is ignored: the peer no longer waits.
    Respond {
        /// From [`Report::Requested`].
        token: u64,
        /// From 1 to [`limits::RESPONSE`] bytes.
        frame: Vec<u8>,
    },
    /// Refuse to answer a request: the peer sees its stream closed.
    Withhold {
        /// From [`Report::Requested`].
        token: u64,
    },
    /// Take part in a topic. At most [`limits::TOPICS`] at once.
    Subscribe {
        /// Its name, from 1 to [`limits::TOPIC_BYTES`] bytes.
        topic: String,
    },
    /// Leave a topic.
    Unsubscribe {
        /// Its name.
        topic: String,
    },
    /// Tell the peers that share a topic. A hint: it is lost where nobody listens or queues are full.
    Publish {
        /// Its name.
        topic: String,
        /// At most [`limits::GOSSIP_DATA`] bytes.
        data: Vec<u8>,
    },
    /// Say what becomes of gossip. Only [`Verdict::Accept`] passes it on.
    Judge {
        /// From [`Report::Gossip`].
        token: u64,
        /// What becomes of it.
        verdict: Verdict,
    },
    /// Accept the gossip streams of a connected peer, before it is told that it may open one. What comes
    /// on them waits until [`Order::SpeakGossip`].
    ///
    /// It takes effect at once: an order given later may already lead the peer to open its stream. It
    /// holds until the last connection with the peer closes. A peer that is not connected is ignored.
    HearGossip {
        /// Whose.
        peer: Vec<u8>,
    },
    /// Exchange gossip with a connected peer: hear it, and announce our topics to it.
    ///
    /// Holds until the last connection with the peer closes, for instance by [`Order::Disconnect`]. A
    /// peer that is not connected is ignored.
    SpeakGossip {
        /// With whom.
        peer: Vec<u8>,
    },
    /// End gossip with a peer at once, and close all connections with it when what was sent before has
    /// had [`limits::PARTING_TIME`] to arrive.
    Part {
        /// With whom.
        peer: Vec<u8>,
    },
    /// Close all connections with a peer at once, and make and take none until [`Order::Pardon`].
    Ban {
        /// With whom.
        peer: Vec<u8>,
    },
    /// Take connections of a peer again.
    Pardon {
        /// Of whom.
        peer: Vec<u8>,
    },
    /// Close all connections with a peer. Gossip with it ends at once, even if it delays their end.
    Disconnect {
        /// With whom.
        peer: Vec<u8>,
    },
    /// Keep places for members, instead of those of the last such order. Of each list those beyond
    /// [`limits::PLACES_RESERVED`] are ignored.
    Reserve {
        /// Peers that have proven a role over a connection that they still have.
        proven: Vec<Vec<u8>>,
        /// Peers that members say are members'.
        known: Vec<Vec<u8>>,
        /// Where those are.
        addresses: Vec<String>,
    },
    /// Say goodbye to all peers and end.
    Stop,
}

/// What becomes of gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Good: pass it on.
    Accept,
    /// Not to be passed on, and nobody's fault.
    Ignore,
    /// Not to be passed on, and the peer who sent it should have known.
    Reject,
}

/// What the network tells the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The node can be reached at one more address. Those of the start are in
    /// [`Network::listening`] instead.
    Listening {
        /// Ends in `/p2p/` and this node's peer.
        address: String,
    },
    /// The node can no longer be reached at an address.
    NotListening {
        /// Ends in `/p2p/` and this node's peer.
        address: String,
    },
    /// A peer is connected that was not, or has come back.
    Connected {
        /// Who.
        peer: Vec<u8>,
        /// If `dialed`, an address of the peer, ending in `/p2p/` and the peer. Otherwise only where
        /// the connection came from: nobody need listen there.
        address: String,
        /// Whether this node opened the connection.
        dialed: bool,
    },
    /// The last connection with a peer has closed; or the peer has lost all that there were, and opened another.
    Disconnected {
        /// Who.
        peer: Vec<u8>,
    },
    /// An [`Order::Dial`] ended well: the peer is connected, perhaps since before.
    Dialed {
        /// Who answered.
        peer: Vec<u8>,
        /// As ordered.
        addresses: Vec<String>,
    },
    /// An [`Order::Dial`] led to no connection.
    DialFailed {
        /// As ordered, or as named by an address.
        peer: Option<Vec<u8>>,
        /// As ordered.
        addresses: Vec<String>,
        /// What went wrong with which address.
        why: String,
    },
    /// A peer asks. It waits for [`limits::REQUEST_TIME`].
    Requested {
        /// Who.
        peer: Vec<u8>,
        /// For [`Order::Respond`].
        token: u64,
        /// From 1 to [`limits::REQUEST`] bytes.
        frame: Vec<u8>,
    },
    /// A peer has answered.
    Answered {
        /// Who.
        peer: Vec<u8>,
        /// Of [`Order::Request`].
        id: u64,
        /// From 1 to [`limits::RESPONSE`] bytes.
        frame: Vec<u8>,
    },
    /// A request has no answer.
    Failed {
        /// Who was asked.
        peer: Vec<u8>,
        /// Of [`Order::Request`].
        id: u64,
        /// What went wrong.
        why: String,
    },
    /// A peer has sent a frame that is none, or one over its bound. It was not read.
    Misbehaved {
        /// Who.
        peer: Vec<u8>,
        /// What it was.
        name: &'static str,
    },
    /// A peer tells something on a topic that this node subscribes to.
    Gossip {
        /// Who passed it on, which says nothing about who wrote it.
        peer: Vec<u8>,
        /// For [`Order::Judge`], within some seconds.
        token: u64,
        /// The topic's name.
        topic: String,
        /// At most [`limits::GOSSIP_DATA`] bytes, from anybody.
        data: Vec<u8>,
    },
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// An address to listen on is not acceptable.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// More addresses to listen on than [`limits::LISTEN_ADDRESSES`].
    #[error("{count} addresses to listen on, over the limit of {limit}")]
    TooManyAddresses {
        /// How many.
        count: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Another program listens there.
    #[error("cannot listen on {address}: the address is in use")]
    AddressInUse {
        /// Where.
        address: String,
    },
    /// The operating system refuses.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing was bound within [`limits::LISTEN_TIME`].
    #[error("cannot listen on {address}: no interface has such an address")]
    NotBound {
        /// Where.
        address: String,
    },
    /// A subnet to trust is none.
    #[error("\"{text}\" is not a subnet: write one like 192.0.2.0/24 or 2001:db8::/48")]
    Subnet {
        /// What was given.
        text: String,
    },
    /// The transport could not be prepared.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
}

/// Why an order was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Too many orders wait. Here is the order back.
    #[error("too many orders to the network wait")]
    Full(Order),
    /// The network has ended.
    #[error("the network has ended")]
    Ended,
}

/// A running network.
#[derive(Debug)]
pub struct Network {
    /// For orders. When the last clone is dropped, the network ends.
    pub handle: NetworkHandle,
    /// What the network tells. When this is dropped, the network ends.
    pub reports: mpsc::Receiver<Report>,
    /// Where the node listens since the start, with real ports, each ending in `/p2p/` and its peer.
    pub listening: Vec<String>,
    /// The network task. It returns when the network has ended; an error is a panic in it.
    pub task: JoinHandle<()>,
}

/// The driver's end of the network; cheap to clone.
#[derive(Debug, Clone)]
pub struct NetworkHandle {
    orders: mpsc::Sender<Order>,
    counts: Arc<counts::Counts>,
    peer: Arc<[u8]>,
}

impl NetworkHandle {
    /// Gives an order without waiting.
    ///
    /// The network takes orders even while nobody reads its reports, up to
    /// [`limits::REPORTS_HELD_BACK`] reports that they cause.
    pub fn try_order(&self, order: Order) -> Result<(), OrderError> {
        self.orders.try_send(order).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(order) => OrderError::Full(order),
            mpsc::error::TrySendError::Closed(_) => OrderError::Ended,
        })
    }

    /// Gives an order, waiting for room. Not for whoever reads the reports: the two would wait for
    /// each other.
    pub async fn order(&self, order: Order) -> Result<(), OrderError> {
        self.orders.send(order).await.map_err(|_| OrderError::Ended)
    }

    /// Ends the network and returns once it has.
    pub async fn stop(&self) {
        // An error means that it has ended already.
        let _ = self.orders.send(Order::Stop).await;
        self.orders.closed().await;
    }

    /// This node's own peer.
    pub fn peer(&self) -> &[u8] {
        &self.peer
    }

    /// What was lost for want of room.
    pub fn dropped(&self) -> Dropped {
        self.counts.dropped()
    }

    /// What was turned away since the start, by name.
    pub fn refused(&self) -> Vec<(&'static str, u64)> {
        self.counts.refused()
    }
}

/// Starts the network inside the current tokio runtime. Returns once it listens on every address.
pub async fn start(settings: Settings) -> Result<Network, NetworkError> {
    let wanted = listen::plan(&settings.listen)?;
    let trusted = trusted(settings.trusted_subnets)?;
    listen::try_each(&wanted).await?;
    let key = addresses::keypair(settings.secret);
    let peer = addresses::peer_id_of(&key);
    let behaviour = behaviour::Behaviour::new(key.public(), trusted);
    let swarm = transport::swarm(key, behaviour)?;

    let (orders, taken_orders) = mpsc::channel(limits::ORDERS);
    let (told_reports, reports) = mpsc::channel(limits::REPORTS);
    let counts = Arc::new(counts::Counts::default());
    let mut task = task::Task::new(swarm, taken_orders, told_reports, counts.clone());
    let listening = listen::bind(&mut task, wanted).await?;
    Ok(Network {
        handle: NetworkHandle { orders, counts, peer: peer.to_bytes().into() },
        reports,
        listening,
        task: tokio::spawn(task.run()),
    })
}

fn trusted(subnets: Option<Vec<String>>) -> Result<Vec<IpNet>, NetworkError> {
    let Some(subnets) = subnets else { return Ok(origins::loopback()) };
    subnets.into_iter().map(|text| text.parse().map_err(|_| NetworkError::Subnet { text })).collect()
}
