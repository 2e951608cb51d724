//! Every bound that a node sets for itself, each with its reason: its network, its local API, imports, and
//! what waits for its driver.
//!
//! Leaves to others: the bounds that every node has to agree on, which are the protocol's and made
//! alike (`hearth_protocol::limits`), and those of the store's files.
//! Always true: each number here is handed to a library or checked by us, and stands in [`ALL`]; none is
//! only written down. Where libp2p cannot be given a bound, the reason says so.

use std::time::Duration;

pub use hearth_protocol::limits::{
    ADDRESS_BYTES, ADDRESS_LIST_BYTES as SIGNED_ADDRESSES_BYTES, ADDRESSES, GOSSIP_BYTES as GOSSIP_DATA, Limit,
    REQUEST_BYTES as REQUEST, RESPONSE_BYTES as RESPONSE,
};

/// Pauses before a peer that refuses our gossip stream is asked again. Who answers hears before it
/// answers, so that a refusal is rare; after a second and a half it waits for the peer's own stream.
pub const GOSSIP_PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

hearth_protocol::limits! {
    /// How long a request may take from its first byte to the end of its answer. A peer that needs
    /// longer is as good as gone, and the next one can be asked.
    REQUEST_TIME: Duration = Duration::from_secs(10), "ms";
    /// Requests open on one connection, both directions together. Each may hold one request frame, so a
    /// peer costs at most 1 MiB here.
    REQUESTS_PER_CONNECTION: usize = 16, "of a connection";
    /// Requests of all peers together that wait for our answer. With [`REQUEST`] it bounds them to 32 MiB;
    /// the one beyond is dropped, which its sender sees as a closed stream.
    REQUESTS_UNANSWERED: usize = 512, "of all peers";
    /// Our own requests that wait for an answer. The one beyond fails at once.
    REQUESTS_UNDER_WAY: usize = 1024, "of this node";
    /// Requests and gossip a second of a peer that has proven no role. The one beyond is refused.
    MESSAGES_PER_SECOND: u32 = 20, "a second";
    /// The same of a peer that has proven one: catching up asks for much.
    MESSAGES_PER_SECOND_OF_MEMBERS: u32 = 500, "a second";
    /// Bytes of these a second.
    MESSAGE_BYTES_PER_SECOND: u32 = 1024 * 1024, "bytes a second";
    /// The same of a peer that has proven a role.
    MESSAGE_BYTES_PER_SECOND_OF_MEMBERS: u32 = 8 * 1024 * 1024, "bytes a second";
    /// What comes at once may be as much as may come in this time: 200 messages of a stranger, 5,000 of a
    /// member.
    MESSAGES_BURST_TIME: Duration = Duration::from_secs(10), "ms";
    /// Peers of which it is kept how much they have sent lately, until they may send a burst again.
    RATES_KEPT: usize = 4096, "peers";
    /// Bytes of answers that a peer has not taken yet. The answer beyond is withheld, and who stops reading
    /// answers no ping.
    UNSENT_BYTES: usize = 4 * 1024 * 1024, "bytes of a peer";
    /// Longest frame of the gossip protocol in bytes, data, topic and framing together.
    GOSSIP_FRAME: usize = 64 * 1024, "bytes";
    /// Control bytes that one gossip frame may carry. What a peer says about its mesh is small.
    GOSSIP_CONTROL: usize = 16 * 1024, "bytes";
    /// Ids in one IHAVE or asked for in one heartbeat. 400 ids of 34 bytes fit [`GOSSIP_CONTROL`];
    /// gossipsub's own default of 5,000 would be refused by every peer that keeps to that bound.
    GOSSIP_IDS: usize = 400, "of a frame";
    /// Data in one gossip frame. Our own side sends one each; small ones may be packed by others.
    GOSSIP_DATA_PER_FRAME: usize = 64, "of a frame";
    /// Frames that wait to be sent to one peer: at worst 16 MiB. Beyond it gossip is dropped, and
    /// catch-up repairs it.
    GOSSIP_QUEUE: usize = 256, "frames of a peer";
    /// How long a peer that we part with has to take what was sent to it before: it may be told there why.
    PARTING_TIME: Duration = Duration::from_secs(1), "ms";
    /// How long the id of a gossip message is remembered, so that it is told only once.
    GOSSIP_MEMORY: Duration = Duration::from_secs(5 * 60), "ms";
    /// Gossip that waits for a verdict: at worst 16 MiB. Beyond it gossip is dropped and counted.
    GOSSIP_UNJUDGED: usize = 256, "of all peers";
    /// After this a verdict comes too late: gossipsub keeps what it could pass on for five heartbeats of
    /// one second. A place held longer may be given away.
    GOSSIP_UNJUDGED_TIME: Duration = Duration::from_secs(10), "ms";
    /// Mesh peers of a topic that gossipsub aims at.
    MESH: usize = 6, "peers of a topic";
    /// Below this many mesh peers new ones are sought.
    MESH_LOW: usize = 5, "peers of a topic";
    /// Above this many mesh peers some are let go.
    MESH_HIGH: usize = 12, "peers of a topic";
    /// Mesh peers that we dialled ourselves, so that those who dial us cannot fill the mesh. At most half
    /// of [`MESH`], as gossipsub requires.
    MESH_OUTBOUND: usize = 2, "peers of a topic";
    /// Topics of one peer, and of ourselves: two keys for each of 16 communities, and room for a change
    /// of keys.
    TOPICS: usize = 64, "of a peer";
    /// Longest topic name in bytes: the hex form of a 32-byte hash, with room to spare.
    TOPIC_BYTES: usize = 128, "bytes";
    /// Established connections that others opened.
    CONNECTIONS_IN: usize = 128, "of a node";
    /// Places among [`CONNECTIONS_IN`] for peers of members: those that have proven a role, and those of
    /// which members say so. Strangers can fill all the others.
    CONNECTIONS_IN_KEPT: usize = 32, "of a node";
    /// Established connections that one host opened. An IPv6 host has a /64 to choose addresses from, so
    /// that counts as one.
    CONNECTIONS_PER_HOST: usize = 4, "of a host";
    /// Established connections that hosts of one subnet opened, an IPv4 /24 or an IPv6 /48: so much one
    /// customer of a provider may have.
    CONNECTIONS_PER_SUBNET: usize = 16, "of a subnet";
    /// The same as [`CONNECTIONS_PER_HOST`] of peers that have proven a role, who count for themselves: a
    /// school or a household behind one address.
    CONNECTIONS_PER_HOST_OF_MEMBERS: usize = 16, "of a host";
    /// The same as [`CONNECTIONS_PER_SUBNET`] of peers that have proven a role.
    CONNECTIONS_PER_SUBNET_OF_MEMBERS: usize = 64, "of a subnet";
    /// Established connections that we opened.
    CONNECTIONS_OUT: u32 = 16, "of a node";
    /// Established connections with one peer: both may dial at the same moment.
    CONNECTIONS_PER_PEER: u32 = 2, "of a peer";
    /// Connections that others are opening. Nothing is known of them but where they come from; each costs a
    /// descriptor until [`HANDSHAKE_TIME`] is over.
    CONNECTIONS_OPENING: usize = 64, "of a node";
    /// Places among [`CONNECTIONS_OPENING`] for hosts that a member is known at.
    CONNECTIONS_OPENING_KEPT: usize = 16, "of a node";
    /// Connections that one host is opening. Two, since both ends of a pair may have begun one over each
    /// transport. Silent ones fill these and no more.
    CONNECTIONS_OPENING_PER_HOST: usize = 2, "of a host";
    /// Connections that hosts of one subnet are opening.
    CONNECTIONS_OPENING_PER_SUBNET: usize = 8, "of a subnet";
    /// Peers, and addresses, that places are kept for: those of 16 communities with 1,000 members each.
    PLACES_RESERVED: usize = 16 * 1024, "peers, and addresses";
    /// Memory of the process in bytes at which no new connection is taken or made.
    MEMORY: usize = 384 * 1024 * 1024, "bytes";
    /// Time for opening a connection, from the first packet to the agreed multiplexer.
    HANDSHAKE_TIME: Duration = Duration::from_secs(5), "ms";
    /// A connection that nothing has used for so long is closed.
    IDLE_TIME: Duration = Duration::from_secs(120), "ms";
    /// A QUIC connection on which nothing at all was heard for so long is dead. Six keep-alive packets fit
    /// in, so that a lossy line is not taken for a dead one.
    QUIC_SILENCE: Duration = Duration::from_secs(30), "ms";
    /// Time between pings on a connection.
    PING_PAUSE: Duration = Duration::from_secs(15), "ms";
    /// Time for the answer to a ping; after it the connection is closed.
    PING_TIME: Duration = Duration::from_secs(20), "ms";
    /// Streams of one connection, for yamux and QUIC alike. The 1 GiB receive window of a yamux connection
    /// cannot be lowered in libp2p-yamux 0.48; our streams are all read promptly into bounded frames.
    STREAMS: u32 = 64, "of a connection";
    /// Inbound streams of one connection that have not agreed on a protocol yet.
    STREAMS_NEGOTIATING: usize = 32, "of a connection";
    /// Unread bytes of one QUIC stream.
    QUIC_STREAM_BYTES: u32 = 1024 * 1024, "bytes";
    /// Unread bytes of one QUIC connection.
    QUIC_CONNECTION_BYTES: u32 = 2 * 1024 * 1024, "bytes";
    /// How long what others have sent may wait for the disk, so that one sync serves many. Until then a power cut may
    /// take it back, and catch-up brings it again; what this node's person writes is never among it.
    UNSYNCED_TIME: Duration = Duration::from_millis(250), "ms";
    /// Longest address as text, in bytes, that is read at all.
    ADDRESS_TEXT: usize = 1024, "bytes";
    /// Addresses that a node listens on.
    LISTEN_ADDRESSES: usize = 16, "of a node";
    /// Time for all listen addresses to be bound. The operating system answers at once or never.
    LISTEN_TIME: Duration = Duration::from_secs(5), "ms";
    /// Dials under way at once; each may use a socket for each of its addresses.
    DIALS: usize = 16, "of a node";
    /// Dials that wait for their turn: every member of some large communities at a start.
    DIALS_WAITING: usize = 1024, "of a node";
    /// Orders that wait for the network task.
    ORDERS: usize = 1024, "of a node";
    /// Reports that wait for the driver.
    REPORTS: usize = 1024, "of a node";
    /// Places among [`REPORTS`] that gossip leaves to everything else.
    REPORTS_KEPT_FREE: usize = 256, "of a node";
    /// Reports that orders may cause while the driver reads none. Beyond it no order is taken.
    REPORTS_HELD_BACK: usize = 256, "of a node";
    /// Time for saying goodbye to all peers at the end, and for a connection over TCP to be closed: what was sent and
    /// not taken until then is given up.
    CLOSING_TIME: Duration = Duration::from_secs(1), "ms";
    /// Time for the last packets to leave after that. They only have to reach the operating system.
    LINGER_TIME: Duration = Duration::from_millis(50), "ms";
    /// Connections to the local API. Who holds the oldest idle one gives it up for the next.
    API_CONNECTIONS: usize = 64, "sockets";
    /// Time for the head of a request to the local API: clients are on this machine.
    API_HEADER_TIME: Duration = Duration::from_secs(10), "ms";
    /// Longest head of a request to the local API: a token and a path take a few hundred bytes.
    API_HEADER_BYTES: usize = 16 * 1024, "bytes";
    /// Time for the body of a request to the local API: 64 MiB take a second.
    API_BODY_TIME: Duration = Duration::from_secs(10), "ms";
    /// Longest body of a request to the local API, other than an item or a file.
    API_BODY_BYTES: usize = 256 * 1024, "bytes";
    /// Longest body of a request that writes an item: 200 KiB of text, of which each byte may take six.
    API_ITEM_BYTES: usize = 1536 * 1024, "bytes";
    /// Time for requests under way to be answered when the node stops.
    API_CLOSING_TIME: Duration = Duration::from_secs(2), "ms";
    /// Pause after the system could not give the local API a socket.
    API_ACCEPT_PAUSE: Duration = Duration::from_millis(50), "ms";
    /// Items of one list of the local API: more than an import brings.
    API_ITEMS: usize = 100_000, "of an answer";
    /// Bytes that the items of one list say; a client reads answers up to 128 MiB.
    API_ITEMS_BYTES: usize = 64 * 1024 * 1024, "bytes";
    /// Longest file that is imported: a hundred times the largest real one that was looked at, and what
    /// the local API takes as a body.
    IMPORT_FILE_BYTES: usize = 64 * 1024 * 1024, "bytes";
    /// Links of an imported file, taken or rejected: more than anybody was seen to have kept in a life.
    IMPORT_LINKS: usize = 100_000, "of a file";
    /// Folders within folders of an imported file, the outermost list included. Real files have five.
    IMPORT_FOLDERS_DEEP: usize = 32, "levels";
    /// What the tags of all links of an imported file take in memory. A folder's name is repeated for
    /// every link in it, so that a small file could ask for much; 100,000 links with five tags each take
    /// half of this.
    IMPORT_TAGS_BYTES: usize = 32 * 1024 * 1024, "bytes";
    /// Inputs and commands that wait for the driver. Whoever finds it full waits.
    INBOX: usize = 1024, "of a node";
    /// Events that a slow watcher may fall behind; it is told when it has missed some.
    EVENTS: usize = 4096, "of a node";
    /// Inputs that are decided and kept together: a bound on what one failure takes with it.
    BATCH: usize = 512, "of a batch";
    /// Bytes after which a batch is kept, well below the store's own bound.
    BATCH_BYTES: usize = 4 * 1024 * 1024, "bytes";
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

    use super::*;

    /// What the reference page says below its head.
    fn tables() -> String {
        let mut text = String::new();
        let parts = [("What every node keeps to", hearth_protocol::limits::ALL), ("What a node sets for itself", ALL)];
        for (title, limits) in parts {
            write!(text, "\n## {title}\n\n| name | value | | why |\n|---|---|---|---|\n").unwrap();
            for limit in limits {
                let (name, value, unit, reason) = (limit.name(), limit.value, limit.unit, limit.reason());
                writeln!(text, "| `{name}` | {value} | {unit} | {reason} |").unwrap();
            }
        }
        text
    }

    #[test]
    fn the_page_says_what_is_in_force() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/limits.md");
        let text = fs::read_to_string(&page).unwrap();
        let (head, _) = text.split_once("\n## ").unwrap_or((&text, ""));
        let expected = format!("{}\n{}", head.trim_end(), tables());
        if env::var_os("HEARTH_WRITE_LIMITS").is_some() {
            return fs::write(&page, &expected).unwrap();
        }
        let said: BTreeSet<&str> = text.lines().collect();
        let lacking: Vec<&str> = expected.lines().filter(|line| !said.contains(line)).collect();
        assert!(text == expected, "write it anew with HEARTH_WRITE_LIMITS=1; it lacks {lacking:#?}");
    }

    #[test]
    fn no_two_bounds_have_one_name() {
        let all = hearth_protocol::limits::ALL.iter().chain(ALL);
        let names: Vec<String> = all.map(Limit::name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
