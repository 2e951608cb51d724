//! A node, put together: home, store, driver, network, API. `open` starts the parts from the
//! inside out, `close` ends them from the outside in.

use std::{future::Future, net::SocketAddr, sync::Arc, thread::JoinHandle};

use hearth_protocol::{
    engine::{Engine, Event},
    time::DAY_MS,
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};
use zeroize::Zeroizing;

use crate::{
    api::Api,
    clock,
    config::{Config, ConfigError},
    desk,
    driver::Driver,
    handle::{Handle, Inbox, Reaches, Snapshot},
    home::{self, Home, HomeError, Keys, LeftToken, Lock, Passphrase},
    limits,
    network::{self, NetworkError, NetworkHandle},
    reserve,
    store::{self, DiskSettings, OpenError, Overlay, Reader, RowSeal},
    translate,
};

/// Where a node listens when nobody says where: any free port, over TCP and QUIC.
const LISTEN: [&str; 2] = ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"];
/// Where the API is served when nobody says where: any free port, on this machine only.
const API: &str = "127.0.0.1:0";

/// What a node is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// To run until it is told to stop.
    Node {
        /// Multiaddrs; empty: those of the configuration, or free ports.
        listen: Vec<String>,
        /// Address of the API; none: that of the configuration, or a free port.
        api: Option<String>,
    },
    /// For one command.
    Command {
        /// Its name.
        name: String,
        /// Whether it needs other nodes.
        network: bool,
    },
}

/// Where a node serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The API's address.
    pub api: Option<String>,
    /// Multiaddrs with the peer at their end.
    pub listen: Vec<String>,
    /// The peer.
    pub peer: String,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The API's address.
    #[error("cannot serve the local API at {address}: {source}")]
    Api {
        /// Where.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The API's address is not on this machine alone.
    #[error("{address} is not an address of this machine alone: the local API is served on 127.0.0.1 or [::1]")]
    ApiNotLocal {
        /// Where.
        address: String,
    },
    /// What is kept cannot be read.
    #[error("cannot read what is kept: {0}")]
    Read(String),
    /// The system has no threads or entropy left.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

impl StartError {
    /// Its name, for scripts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            StartError::Home(why) => why.reason(),
            StartError::Config(ConfigError::Io { source, .. }) if home::is_read_only(source) => "read_only_home",
            StartError::Config(_) => "bad_configuration",
            StartError::Store(OpenError::Newer { .. }) => "newer_home",
            StartError::Store(OpenError::ReadOnly { .. }) => "read_only_home",
            StartError::Store(OpenError::Full { .. }) => "disk_full",
            StartError::Store(OpenError::InUse { .. }) => "home_held",
            StartError::Store(_) => "store_unusable",
            StartError::Network(NetworkError::AddressInUse { .. }) => "address_in_use",
            StartError::Network(_) => "bad_address",
            StartError::Api { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => "address_in_use",
            StartError::Api { .. } | StartError::ApiNotLocal { .. } => "bad_address",
            StartError::Read(_) => "store_unusable",
            StartError::System(_) => "system",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            StartError::Home(why) => why.hint(),
            StartError::Config(_) => "mend or delete `config.toml` in the home".to_owned(),
            StartError::Store(OpenError::Newer { .. }) => "install the newer Hearth again; nothing was changed".to_owned(),
            StartError::Store(OpenError::ReadOnly { .. }) => "make the folder writable for you, or name another with --home".to_owned(),
            StartError::Store(OpenError::Full { .. }) => "free some space on that disk".to_owned(),
            StartError::Store(OpenError::InUse { .. }) => "another program has it open; stop that, or name another folder with --home".to_owned(),
            StartError::Store(_) | StartError::Read(_) => "restore it from a backup, or start with another --home and join again: members keep what they have of you".to_owned(),
            StartError::Network(NetworkError::AddressInUse { .. }) => "stop the program that listens there, or choose with --listen (port 0 takes a free one)".to_owned(),
            StartError::Network(_) => "an address looks like /ip4/0.0.0.0/tcp/4001".to_owned(),
            StartError::Api { .. } => "choose another with --api, such as 127.0.0.1:0 for a free port".to_owned(),
            StartError::ApiNotLocal { .. } => "choose another with --api, such as 127.0.0.1:0".to_owned(),
            StartError::System(_) => "look at the limits of this account".to_owned(),
        }
    }
}

/// Why a node ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A part of it has ended by itself.
    #[error("the {part} of the node has ended by itself")]
    Ended {
        /// Which.
        part: &'static str,
    },
}

impl NodeError {
    /// Its name, for scripts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        "node_ended"
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        "start it again; nothing that was acknowledged is lost".to_owned()
    }
}

/// A node at work.
#[derive(Debug)]
pub struct Node {
    api: Api,
    handle: Handle,
    reader: Reader,
    network: watch::Sender<Option<NetworkHandle>>,
    reached: watch::Sender<Arc<Reaches>>,
    tending: watch::Sender<desk::Tended>,
    ready: Ready,
    driver: JoinHandle<()>,
    /// Each returns its name when it ends.
    tasks: JoinSet<&'static str>,
    /// Ends the API.
    stop: watch::Sender<bool>,
    token: Zeroizing<String>,
    /// The token where the commands of this login find it, while the node runs. Goes before the lock does.
    left: Option<LeftToken>,
    lock: Lock,
}

impl Node {
    /// Opens the home, with its passphrase where it has one, and starts what `mode` asks for.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running.
    pub async fn open(home: &Home, mode: Mode, passphrase: Option<&Passphrase>) -> Result<Node, StartError> {
        let keys = home.keys(passphrase)?;
        let holder = match &mode {
            Mode::Node { .. } => "node".to_owned(),
            Mode::Command { name, .. } => format!("command {name}"),
        };
        let lock = home.lock(&holder)?;
        home.settle()?;
        let config = Config::read(home.path())?;
        let mut node = Node::with_driver(home, &keys, lock, config.confirm_days)?;
        match node.start(home, &keys, config, mode).await {
            Ok(()) => Ok(node),
            Err(why) => {
                node.end().await;
                Err(why)
            }
        }
    }

    /// Store, engine, driver and clock: what every mode needs.
    fn with_driver(home: &Home, keys: &Keys, lock: Lock, confirm_days: Option<u16>) -> Result<Node, StartError> {
        let confirm_after_ms = confirm_days.map(|days| u64::from(days) * DAY_MS);
        let (mut writer, reader) =
            store::open(&home.file("store"), DiskSettings::default(), RowSeal::new(&keys.identity.sealing))?;
        store::upgrade(&mut writer, &reader).map_err(|why| StartError::Read(why.to_string()))?;
        let overlay = Overlay::new(&reader);
        let engine = Engine::load(keys.identity.clone(), &home::entropy()?, clock::now(), &overlay)
            .map_err(|why| StartError::Read(why.to_string()))?;
        drop(overlay);
        let (work, inbox) = mpsc::channel(limits::INBOX);
        let (events, _) = broadcast::channel(limits::EVENTS);
        let (snapshots, snapshot) = watch::channel(Arc::new(Snapshot::default()));
        let (wake, woken) = watch::channel(None);
        let (network, networks) = watch::channel(None);
        let (reached, reaches) = watch::channel(Arc::default());
        let (tending, tended) = watch::channel(desk::Tended::default());
        let handle = Handle { inbox: Inbox(work), events: events.clone(), snapshot, reached: reaches, tended };
        let driver = Driver {
            engine,
            identity: keys.identity.clone(),
            confirm_after_ms,
            writer,
            reader: reader.clone(),
            inbox,
            events,
            snapshot: snapshots,
            wake,
            network: networks,
            runtime: tokio::runtime::Handle::current(),
            state: crate::driver::Running::default(),
        }
        .spawn()?;
        let mut tasks = JoinSet::new();
        let inbox = handle.inbox.clone();
        tasks.spawn(async move {
            clock::wake(woken, inbox).await;
            "clock"
        });
        let peer = network::peer_text(&keys.identity.peer);
        let token = home.token_of(keys)?;
        let api = Api::new(home.clone(), (keys, &token), handle.clone(), reader.clone(), network.subscribe())?;
        let ready = Ready { api: None, listen: Vec::new(), peer };
        Ok(Node {
            api,
            handle,
            reader,
            network,
            reached,
            tending,
            ready,
            driver,
            tasks,
            stop: watch::channel(false).0,
            token,
            left: None,
            lock,
        })
    }

    /// Network and API, as far as the mode wants them.
    async fn start(&mut self, home: &Home, keys: &Keys, mut config: Config, mode: Mode) -> Result<(), StartError> {
        self.api.prepare().await.map_err(|why| StartError::Read(why.to_string()))?;
        let before = config.clone();
        match mode {
            Mode::Node { listen, api } => {
                let listen = match (listen.is_empty(), config.listen.is_empty()) {
                    (false, _) => listen,
                    (true, false) => config.listen.clone(),
                    (true, true) => LISTEN.map(str::to_owned).to_vec(),
                };
                let address = api.or(config.api.clone()).unwrap_or_else(|| API.to_owned());
                let (listener, api) = bind_api(&address).await?;
                self.start_network(keys, listen, config.trusted_subnets.clone()).await?;
                config.listen = self.ready.listen.iter().map(|a| without_peer(a)).collect();
                config.api = Some(api.to_string());
                self.left = home.leave_token(keys);
                self.serve_api(listener, api)?;
                let me = (keys.identity.person(), keys.identity.device.public());
                let tending = desk::tend(self.handle.clone(), self.reader.clone(), me, self.tending.clone());
                self.tasks.spawn(async move {
                    tending.await;
                    "desk"
                });
            }
            // A command listens nowhere: it dials, and ends.
            Mode::Command { network: true, .. } => {
                self.start_network(keys, Vec::new(), config.trusted_subnets.clone()).await?;
            }
            Mode::Command { network: false, .. } => {
                // Where the node listens when it runs: what an invite key made now says.
                let _ = translate::announce(&keys.transport, &config.listen, &self.handle.inbox).await;
            }
        }
        if config != before {
            config.write(home.path())?;
        }
        Ok(())
    }

    async fn start_network(
        &mut self,
        keys: &Keys,
        listen: Vec<String>,
        trusted_subnets: Option<Vec<String>>,
    ) -> Result<(), StartError> {
        let network = network::start(network::Settings { secret: *keys.transport, listen, trusted_subnets }).await?;
        self.ready.listen = network.listening.clone();
        self.api.listens_at(network.listening.clone());
        self.network.send_replace(Some(network.handle.clone()));
        // Before anybody can ask for an invite key, which says where to find this node.
        let _ = translate::announce(&keys.transport, &network.listening, &self.handle.inbox).await;
        let translating = translate::translate(
            network.reports,
            network.handle.clone(),
            keys.transport.clone(),
            network.listening,
            (self.handle.snapshot.clone(), self.reached.clone()),
            (self.handle.inbox.clone(), self.reader.clone()),
        );
        self.tasks.spawn(async move {
            translating.await;
            "network"
        });
        let reserving = reserve::reserve(self.handle.snapshot.clone(), network.handle.clone());
        self.tasks.spawn(async move {
            reserving.await;
            "network"
        });
        let running = network.task;
        self.tasks.spawn(async move {
            if let Err(why) = running.await {
                tracing::error!(%why, "the network task panicked");
            }
            "network"
        });
        // What the engine has asked for before there was a network: topics, and addresses to dial.
        let _ = self.handle.inbox.0.send(crate::handle::Work::Start).await;
        Ok(())
    }

    fn serve_api(&mut self, listener: tokio::net::TcpListener, address: SocketAddr) -> Result<(), StartError> {
        let serving = self.api.clone().serve(listener, self.stop.subscribe());
        self.tasks.spawn(async move {
            serving.await;
            "api"
        });
        self.ready.api = Some(address.to_string());
        self.lock.serves(&address.to_string())?;
        Ok(())
    }

    /// Where the node serves.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.ready.clone()
    }

    /// The token that its API asks for: for clients in this process.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The API, for its own tests.
    #[cfg(test)]
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Everything that happens from now on, told once it is kept: whoever hears that there is an item finds it in the
    /// list. Who falls [`limits::EVENTS`] behind is told how many they have missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.handle.events()
    }

    /// Asks the local API without a socket: the same router, the same checks.
    pub async fn call(&self, request: http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        self.api.call(request).await
    }

    /// Runs until `stop` comes.
    ///
    /// # Errors
    /// [`NodeError`] when a part ends by itself.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), NodeError> {
        let ended = tokio::select! {
            () = stop => None,
            part = self.tasks.join_next() => Some(part.and_then(Result::ok).unwrap_or("driver")),
        };
        self.end().await;
        match ended {
            None => Ok(()),
            Some(part) => Err(NodeError::Ended { part }),
        }
    }

    /// Ends all parts; what was acknowledged is kept.
    ///
    /// # Errors
    /// None today; the driver's last commit has been answered before.
    pub async fn close(self) -> Result<(), NodeError> {
        self.end().await;
        Ok(())
    }

    async fn end(mut self) {
        self.stop.send_replace(true);
        let network = self.network.borrow().clone();
        if let Some(network) = network {
            network.stop().await;
        }
        self.handle.inbox.stop().await;
        let driver = self.driver;
        let joined = tokio::task::spawn_blocking(move || driver.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the driver panicked");
        }
        self.tasks.shutdown().await;
    }
}

async fn bind_api(address: &str) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let fail = |source| StartError::Api { address: address.to_owned(), source };
    let parsed: SocketAddr =
        address.parse().map_err(|why| fail(std::io::Error::new(std::io::ErrorKind::InvalidInput, why)))?;
    if !parsed.ip().is_loopback() {
        return Err(StartError::ApiNotLocal { address: address.to_owned() });
    }
    let listener = tokio::net::TcpListener::bind(parsed).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

/// An address as it is listened on, without the peer at its end.
fn without_peer(address: &str) -> String {
    address.split_once("/p2p/").map_or(address, |(before, _)| before).to_owned()
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::{around, given};

    use super::*;

    #[tokio::test]
    async fn what_waits_for_the_driver_and_for_watchers_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        home.create("alice", None).unwrap();
        let mode = Mode::Command { name: "test".to_owned(), network: false };
        let node = Box::pin(Node::open(&home, mode, None)).await.unwrap();
        given(limits::INBOX, node.handle.inbox.0.max_capacity());
        // Once this is answered the driver has nothing more to tell of its start.
        let _ = node.handle.command(hearth_protocol::engine::Command::Pair, None).await;
        around(limits::EVENTS, [true, true, false], |n| {
            let mut events = node.events();
            for _ in 0..n {
                let _ = node.handle.events.send(hearth_protocol::engine::Event::Refused("unknown"));
            }
            events.try_recv().is_ok()
        });
        node.end().await;
    }

    #[tokio::test]
    async fn a_command_is_answered_when_the_disk_has_what_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        home.create("alice", None).unwrap();
        let mode = Mode::Command { name: "test".to_owned(), network: false };
        let node = Box::pin(Node::open(&home, mode, None)).await.unwrap();
        let acknowledged = || std::fs::read(folder.path().join("home/store/acknowledged")).unwrap();
        for _ in 0..3 {
            let before = acknowledged();
            let name = hearth_protocol::text::Text::line("garden").unwrap();
            let domain = hearth_protocol::text::Text::default();
            let found = hearth_protocol::engine::Command::CreateCommunity { name, domain, parent: None };
            node.handle.command(found, None).await.unwrap();
            assert_ne!(acknowledged(), before);
        }
        node.end().await;
    }
}
