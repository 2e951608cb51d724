//! Sockets, encryption and multiplexing: TCP with noise and yamux, and QUIC.
//!
//! Leaves to others: what is spoken over a connection (`behaviour`).
//! Always true: every connection is encrypted and bound to the key of its peer, Nagle's delay is off,
//! opening one takes no longer than the handshake limit, and closing one no longer than the closing time.

use libp2p::{
    Swarm, SwarmBuilder, Transport as _,
    core::upgrade,
    identity::Keypair,
    noise, quic,
    swarm::{Config, NetworkBehaviour},
    tcp, yamux,
};

use super::{closing::InTime, limits};

/// The keys for noise could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare encryption")]
pub struct EncryptionError(#[from] noise::Error);

/// A swarm over both transports. Must be called inside a tokio runtime.
pub(super) fn swarm<B: NetworkBehaviour>(key: Keypair, behaviour: B) -> Result<Swarm<B>, EncryptionError> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(noise::Config::new(&key)?)
        .multiplex(multiplexer())
        .map(|(peer, connection), _| (peer, InTime::new(connection)));
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_quic_config(quic)
        .with_other_transport(|_| tcp)
        .unwrap_or_else(|impossible| match impossible {})
        .with_behaviour(|_| behaviour)
        .unwrap_or_else(|impossible| match impossible {})
        .with_swarm_config(settings)
        .with_connection_timeout(limits::HANDSHAKE_TIME)
        .build();
    Ok(swarm)
}

fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(usize::try_from(limits::STREAMS).unwrap_or(usize::MAX));
    config
}

fn quic(mut config: quic::Config) -> quic::Config {
    config.handshake_timeout = limits::HANDSHAKE_TIME;
    config.max_idle_timeout = u32::try_from(limits::QUIC_SILENCE.as_millis()).unwrap_or(u32::MAX);
    config.max_concurrent_stream_limit = limits::STREAMS;
    config.max_stream_data = limits::QUIC_STREAM_BYTES;
    config.max_connection_data = limits::QUIC_CONNECTION_BYTES;
    config
}

fn settings(config: Config) -> Config {
    config
        .with_idle_connection_timeout(limits::IDLE_TIME)
        .with_max_negotiating_inbound_streams(limits::STREAMS_NEGOTIATING)
        // QUIC first and TCP a little later: otherwise every dial leaves a half-open connection at the
        // other side, where it counts against our address.
        .with_smart_dial()
}

/// What the settings of a library that cannot be asked show of one of them.
#[cfg(test)]
pub(super) fn shown(settings: &impl std::fmt::Debug, name: &str) -> String {
    let text = format!("{settings:?}");
    let (_, after) = text.split_once(&format!("{name}: ")).unwrap_or_else(|| panic!("no {name} in {text}"));
    after.split([',', ' ', '}', ')']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_protocol::testing::given;

    use super::*;

    #[test]
    fn quic_and_yamux_are_given_their_bounds() {
        let config = quic(quic::Config::new(&Keypair::generate_ed25519()));
        given(limits::HANDSHAKE_TIME, config.handshake_timeout);
        given(limits::QUIC_SILENCE, Duration::from_millis(config.max_idle_timeout.into()));
        given(limits::STREAMS, config.max_concurrent_stream_limit);
        given(limits::QUIC_STREAM_BYTES, config.max_stream_data);
        given(limits::QUIC_CONNECTION_BYTES, config.max_connection_data);
        given(limits::STREAMS, shown(&multiplexer(), "max_num_streams").parse().expect("a number"));
    }
}
