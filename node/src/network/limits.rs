//! Every bound of the network in one place, each with its reason.
//!
//! Leaves to others: the bounds of formats (the protocol crate) and of the store.
//! Always true: each number here is handed to libp2p or checked by us; none is only written down.
//!
//! Where libp2p cannot be given a bound, the reason says so.

use std::time::Duration;

/// Longest request frame in bytes. A request names what is wanted; it carries no items.
pub const REQUEST: usize = 64 * 1024;

/// Longest response frame in bytes: one page of a catch-up.
pub const RESPONSE: usize = 1024 * 1024;

/// How long a request may take from its first byte to the end of its answer. A peer that needs
/// longer is as good as gone, and the next one can be asked.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Requests open on one connection, both directions together. Each may hold one request frame, so a
/// peer costs at most 1 MiB here.
pub const REQUESTS_PER_CONNECTION: usize = 16;

/// Requests of all peers together that wait for our answer. With [`REQUEST`] it bounds them to 32 MiB;
/// the one beyond is dropped, which its sender sees as a closed stream.
pub const REQUESTS_UNANSWERED: usize = 512;

/// Our own requests that wait for an answer. The one beyond fails at once.
pub const REQUESTS_UNDER_WAY: usize = 1024;

/// Longest frame of the gossip protocol in bytes, data, topic and framing together.
pub const GOSSIP_FRAME: usize = 64 * 1024;

/// Longest gossip data in bytes that is published or passed on.
///
/// libp2p-gossipsub 0.50.1 holds its whole read buffer against [`GOSSIP_FRAME`], and that buffer may
/// already hold 8 KiB of the next frame. A longer frame would be refused whenever another follows
/// close behind, and the refusal closes the stream. 55 KiB, a topic and 8 KiB always fit.
pub const GOSSIP_DATA: usize = 55 * 1024;

/// Control bytes that one gossip frame may carry. What a peer says about its mesh is small.
pub const GOSSIP_CONTROL: usize = 16 * 1024;

/// Ids in one IHAVE or asked for in one heartbeat. 400 ids of 34 bytes fit [`GOSSIP_CONTROL`];
/// gossipsub's own default of 5,000 would be refused by every peer that keeps to that bound.
pub const GOSSIP_IDS: usize = 400;

/// Data in one gossip frame. Our own side sends one each; small ones may be packed by others.
pub const GOSSIP_DATA_PER_FRAME: usize = 64;

/// Frames that wait to be sent to one peer: at worst 16 MiB. Beyond it gossip is dropped, and
/// catch-up repairs it.
pub const GOSSIP_QUEUE: usize = 256;

/// How long a peer that we part with has to take what was sent to it before: it may be told there why.
pub const PARTING_TIME: Duration = Duration::from_secs(1);

/// Pauses before a peer that refuses our gossip stream is asked again. Who answers hears before it
/// answers, so that a refusal is rare; after a second and a half it waits for the peer's own stream.
pub const GOSSIP_PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// How long the id of a gossip message is remembered, so that it is told only once.
pub const GOSSIP_MEMORY: Duration = Duration::from_secs(5 * 60);

/// Gossip that waits for a verdict: at worst 16 MiB. Beyond it gossip is dropped and counted.
pub const GOSSIP_UNJUDGED: usize = 256;

/// After this a verdict comes too late: gossipsub keeps what it could pass on for five heartbeats of
/// one second. A place held longer may be given away.
pub const GOSSIP_UNJUDGED_TIME: Duration = Duration::from_secs(10);

/// Mesh peers of a topic that gossipsub aims at.
pub const MESH: usize = 6;

/// Below this many mesh peers new ones are sought.
pub const MESH_LOW: usize = 5;

/// Above this many mesh peers some are let go.
pub const MESH_HIGH: usize = 12;

/// Mesh peers that we dialled ourselves, so that those who dial us cannot fill the mesh. At most half
/// of [`MESH`], as gossipsub requires.
pub const MESH_OUTBOUND: usize = 2;

/// Topics of one peer, and of ourselves: two keys for each of 16 communities, and room for a change
/// of keys.
pub const TOPICS: usize = 64;

/// Longest topic name in bytes: the hex form of a 32-byte hash, with room to spare.
pub const TOPIC_BYTES: usize = 128;

/// Established connections that others opened.
pub const CONNECTIONS_IN: usize = 128;

/// Places among [`CONNECTIONS_IN`] for peers of members: those that have proven a role, and those of
/// which members say so. Strangers can fill all the others.
pub const CONNECTIONS_IN_KEPT: usize = 32;

/// Established connections that one host opened. An IPv6 host has a /64 to choose addresses from, so
/// that counts as one.
pub const CONNECTIONS_PER_HOST: usize = 4;

/// Established connections that hosts of one subnet opened, an IPv4 /24 or an IPv6 /48: so much one
/// customer of a provider may have.
pub const CONNECTIONS_PER_SUBNET: usize = 16;

/// The same as [`CONNECTIONS_PER_HOST`] of peers that have proven a role, who count for themselves: a
/// school or a household behind one address.
pub const CONNECTIONS_PER_HOST_OF_MEMBERS: usize = 16;

/// The same as [`CONNECTIONS_PER_SUBNET`] of peers that have proven a role.
pub const CONNECTIONS_PER_SUBNET_OF_MEMBERS: usize = 64;

/// Established connections that we opened.
pub const CONNECTIONS_OUT: u32 = 16;

/// Established connections with one peer: both may dial at the same moment.
pub const CONNECTIONS_PER_PEER: u32 = 2;

/// Connections that others are opening. Nothing is known of them but where they come from; each costs a
/// descriptor until [`HANDSHAKE_TIME`] is over.
pub const CONNECTIONS_OPENING: usize = 64;

/// Places among [`CONNECTIONS_OPENING`] for hosts that a member is known at.
pub const CONNECTIONS_OPENING_KEPT: usize = 16;

/// Connections that one host is opening. Two, since both ends of a pair may have begun one over each
/// transport. Silent ones fill these and no more.
pub const CONNECTIONS_OPENING_PER_HOST: usize = 2;

/// Connections that hosts of one subnet are opening.
pub const CONNECTIONS_OPENING_PER_SUBNET: usize = 8;

/// Peers, and addresses, that places are kept for: those of 16 communities with 1,000 members each.
pub const PLACES_RESERVED: usize = 16 * 1024;

/// Memory of the process in bytes at which no new connection is taken or made.
pub const MEMORY: usize = 384 * 1024 * 1024;

/// Time for opening a connection, from the first packet to the agreed multiplexer.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// A connection that nothing has used for so long is closed.
pub const IDLE_TIME: Duration = Duration::from_secs(120);

/// A QUIC connection on which nothing at all was heard for so long is dead. Six keep-alive packets fit
/// in, so that a lossy line is not taken for a dead one.
pub const QUIC_SILENCE: Duration = Duration::from_secs(30);

/// Time between pings on a connection.
pub const PING_PAUSE: Duration = Duration::from_secs(15);

/// Time for the answer to a ping; after it the connection is closed.
pub const PING_TIME: Duration = Duration::from_secs(20);

/// Streams of one connection, for yamux and QUIC alike. The 1 GiB receive window of a yamux connection
/// cannot be lowered in libp2p-yamux 0.48; our streams are all read promptly into bounded frames.
pub const STREAMS: u32 = 64;

/// Inbound streams of one connection that have not agreed on a protocol yet.
pub const STREAMS_NEGOTIATING: usize = 32;

/// Unread bytes of one QUIC stream.
pub const QUIC_STREAM_BYTES: u32 = 1024 * 1024;

/// Unread bytes of one QUIC connection.
pub const QUIC_CONNECTION_BYTES: u32 = 2 * 1024 * 1024;

/// Addresses of one peer that are told or dialled.
pub const ADDRESSES: usize = 10;

/// Longest address in binary form, in bytes. The longest that we can dial has 61.
pub const ADDRESS_BYTES: usize = 256;

/// Longest address as text, in bytes, that is read at all.
pub const ADDRESS_TEXT: usize = 1024;

/// Longest signed list of addresses, in bytes.
pub const SIGNED_ADDRESSES_BYTES: usize = 2 * 1024;

/// Addresses that a node listens on.
pub const LISTEN_ADDRESSES: usize = 16;

/// Time for all listen addresses to be bound. The operating system answers at once or never.
pub const LISTEN_TIME: Duration = Duration::from_secs(5);

/// Dials under way at once; each may use a socket for each of its addresses.
pub const DIALS: usize = 16;

/// Dials that wait for their turn: every member of some large communities at a start.
pub const DIALS_WAITING: usize = 1024;

/// Orders that wait for the network task.
pub const ORDERS: usize = 1024;

/// Reports that wait for the driver.
pub const REPORTS: usize = 1024;

/// Places among [`REPORTS`] that gossip leaves to everything else.
pub const REPORTS_KEPT_FREE: usize = 256;

/// Reports that orders may cause while the driver reads none. Beyond it no order is taken.
pub const REPORTS_HELD_BACK: usize = 256;

/// Time for saying goodbye to all peers at the end.
pub const CLOSING_TIME: Duration = Duration::from_secs(1);

/// Time for the last packets to leave after that. They only have to reach the operating system.
pub const LINGER_TIME: Duration = Duration::from_millis(50);
