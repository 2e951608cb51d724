//! The libp2p behaviours that a node combines, and how each is set.
//!
//! Leaves to others: sockets and encryption (`transport`), what to do with events (`task`).
//! Always true: gossip names no author and no sequence number, is passed on only after a verdict, and
//! its id is the BLAKE3 hash of its bytes; gossipsub meets nobody but through the gate; nothing dials by itself; identify says the same of every node.

use ipnet::IpNet;
use libp2p::{
    allow_block_list::{self, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    gossipsub::{
        self, AllowAllSubscriptionFilter, ConfigBuilder, IdentityTransform, MaxCountSubscriptionFilter, Message,
        MessageAuthenticity, MessageId, ValidationMode,
    },
    identify,
    identity::PublicKey,
    memory_connection_limits, ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};

use super::{
    codec::{self, Frames},
    gate::Gate,
    limits,
    porch::Porch,
};

/// The version of the protocol family, as told to every peer.
const FAMILY: &str = "/hearth/0";

/// The program, as told to every peer. No version: it would tell devices apart.
const AGENT: &str = "hearth";

/// Gossipsub with a bound on the topics of a peer.
pub(super) type Gossip =
    gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<AllowAllSubscriptionFilter>>;

/// Requests and responses in our own frames.
pub(super) type Exchange = request_response::Behaviour<Frames>;

/// Everything a node speaks. Bans and the three limits come first, so that a refused connection costs nothing.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) banned: allow_block_list::Behaviour<BlockedPeers>,
    pub(super) porch: Porch,
    connections: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) exchange: Exchange,
    pub(super) gossip: Gate,
}

impl Behaviour {
    /// All behaviours, for the node with this key, which trusts these subnets.
    pub(super) fn new(key: PublicKey, trusted: Vec<IpNet>) -> Self {
        Self {
            banned: allow_block_list::Behaviour::default(),
            porch: Porch::new(trusted),
            connections: connection_limits::Behaviour::new(connection_limits()),
            memory: memory_connection_limits::Behaviour::with_max_bytes(limits::MEMORY),
            identify: identify(key),
            ping: ping::Behaviour::new(pings()),
            exchange: exchange(Frames::default()),
            gossip: Gate::new(gossip()),
        }
    }
}

/// What does not depend on where a connection comes from; for the rest there is the porch.
fn connection_limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_established_outgoing(Some(limits::CONNECTIONS_OUT))
        .with_max_established_per_peer(Some(limits::CONNECTIONS_PER_PEER))
}

fn identify(key: PublicKey) -> identify::Behaviour {
    identify::Behaviour::new(
        identify::Config::new(FAMILY.to_owned(), key)
            .with_agent_version(AGENT.to_owned())
            // Addresses are for members, who get them as signed lists.
            .with_hide_listen_addrs(true)
            // What a stranger claims about its addresses is never dialled.
            .with_cache_size(0),
    )
}

/// The request protocol with the given limits.
pub(super) fn exchange(frames: Frames) -> Exchange {
    request_response::Behaviour::with_codec(frames, [(codec::PROTOCOL, ProtocolSupport::Full)], requests())
}

fn requests() -> request_response::Config {
    request_response::Config::default()
        .with_request_timeout(limits::REQUEST_TIME)
        .with_max_concurrent_streams(limits::REQUESTS_PER_CONNECTION)
}

fn pings() -> ping::Config {
    ping::Config::new().with_interval(limits::PING_PAUSE).with_timeout(limits::PING_TIME)
}

/// Gossipsub with our settings.
pub(super) fn gossip() -> Gossip {
    Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, gossip_config(), topics())
        .expect("anonymous authenticity and anonymous validation belong together")
}

fn gossip_config() -> gossipsub::Config {
    ConfigBuilder::default()
        .validate_messages()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(message_id)
        .max_transmit_size(limits::GOSSIP_FRAME)
        .max_publish_messages(limits::GOSSIP_DATA_PER_FRAME)
        .max_control_message_size(limits::GOSSIP_CONTROL)
        .max_control_messages_sent(limits::GOSSIP_IDS)
        .connection_handler_queue_len(limits::GOSSIP_QUEUE)
        .duplicate_cache_time(limits::GOSSIP_MEMORY)
        .mesh_n(limits::MESH)
        .mesh_n_low(limits::MESH_LOW)
        .mesh_n_high(limits::MESH_HIGH)
        .mesh_outbound_min(limits::MESH_OUTBOUND)
        .flood_publish(true)
        .build()
        .expect("these settings do not depend on any input and a test builds them")
}

fn topics() -> MaxCountSubscriptionFilter<AllowAllSubscriptionFilter> {
    MaxCountSubscriptionFilter {
        filter: AllowAllSubscriptionFilter {},
        max_subscribed_topics: limits::TOPICS,
        max_subscriptions_per_request: limits::TOPICS,
    }
}

fn message_id(message: &Message) -> MessageId {
    MessageId::new(blake3::hash(&message.data).as_bytes())
}

// gossipsub checks its mesh rules only for topics that are set one by one, so they are checked here.
const _: () = {
    assert!(limits::MESH_OUTBOUND <= limits::MESH_LOW);
    assert!(limits::MESH_LOW <= limits::MESH && limits::MESH <= limits::MESH_HIGH);
    assert!(limits::MESH_OUTBOUND * 2 <= limits::MESH);
    // The frame around the data: five tags and lengths, and the topic.
    assert!(
        limits::GOSSIP_DATA + limits::TOPIC_BYTES + 64 + 8 * 1024 <= limits::GOSSIP_FRAME,
        "a frame and 8 KiB of the next one must fit the read buffer"
    );
    assert!(limits::GOSSIP_IDS * 34 + limits::TOPIC_BYTES + 64 <= limits::GOSSIP_CONTROL);
    assert!(limits::REPORTS_KEPT_FREE < limits::REPORTS);
};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_protocol::testing::given;

    use super::*;
    use crate::network::transport::shown;

    #[tokio::test]
    async fn the_gossip_settings_are_accepted_by_gossipsub() {
        let gossip = gossip();
        assert_eq!(gossip.topics().count(), 0);
    }

    #[test]
    fn gossipsub_is_given_its_bounds() {
        let config = gossip_config();
        given(limits::GOSSIP_FRAME, config.max_transmit_size());
        given(limits::GOSSIP_DATA_PER_FRAME, config.max_publish_messages());
        given(limits::GOSSIP_CONTROL, config.max_control_message_size());
        given(limits::GOSSIP_IDS, config.max_control_messages_sent());
        given(limits::GOSSIP_QUEUE, config.connection_handler_queue_len());
        given(limits::GOSSIP_MEMORY, config.duplicate_cache_time());
        given(limits::MESH, config.mesh_n());
        given(limits::MESH_LOW, config.mesh_n_low());
        given(limits::MESH_HIGH, config.mesh_n_high());
        given(limits::MESH_OUTBOUND, config.mesh_outbound_min());
        let topics = topics();
        given(limits::TOPICS, topics.max_subscribed_topics);
        given(limits::TOPICS, topics.max_subscriptions_per_request);
    }

    #[test]
    fn requests_and_pings_are_given_their_bounds() {
        let seconds = |text: String| Duration::from_secs(text.trim_end_matches('s').parse().expect("whole seconds"));
        given(limits::REQUEST_TIME, seconds(shown(&requests(), "request_timeout")));
        let streams = shown(&requests(), "max_concurrent_streams");
        given(limits::REQUESTS_PER_CONNECTION, streams.parse().expect("a number"));
        given(limits::PING_PAUSE, seconds(shown(&pings(), "interval")));
        given(limits::PING_TIME, seconds(shown(&pings(), "timeout")));
    }

    #[tokio::test]
    async fn the_memory_at_which_connections_are_refused_is_given() {
        let behaviour = Behaviour::new(crate::network::addresses::keypair([1; 32]).public(), Vec::new());
        given(limits::MEMORY, behaviour.memory.max_allowed_bytes());
    }

    #[test]
    fn a_gossip_id_depends_on_the_bytes_alone() {
        let message = |source, topic: &str, data: &[u8]| Message {
            source,
            data: data.to_vec(),
            sequence_number: None,
            topic: gossipsub::TopicHash::from_raw(topic),
        };
        let one = message_id(&message(None, "a", b"x"));
        let same = message_id(&message(Some(libp2p::PeerId::random()), "b", b"x"));
        assert_eq!(one, same);
        assert_ne!(one, message_id(&message(None, "a", b"y")));
        assert_eq!(one.0, blake3::hash(b"x").as_bytes());
    }
}
