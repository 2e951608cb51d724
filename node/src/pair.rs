//! Pairing, from the new device's side: with a code from another device of the same person it is
//! certified, told who it is, and given the own space (D4).
//!
//! There is no engine yet, and no home: both are made of what comes back. The other side is the
//! engine's.

use std::time::Duration;

pub use hearth_protocol::pairing::{PairingCode, PairingCodeRefusal};
use hearth_protocol::{
    bytes::{Blob, Bytes},
    encoding::decode,
    hello::{PairRequest, Paired, Transcript},
    limits,
    wire::{Request, Response},
};
use tokio::time::timeout;

use crate::{
    home::{self, DeviceKeys, Home, HomeError, Passphrase},
    network::{self, Network, Order, Report},
};

/// How long the other device may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why this device was not paired.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// No network.
    #[error("the network cannot start: {0}")]
    Network(#[from] network::NetworkError),
    /// No entropy.
    #[error("the system gives no random numbers: {0}")]
    Entropy(#[from] std::io::Error),
    /// The other device did not answer.
    #[error("the other device cannot be reached: {why}")]
    Unreachable {
        /// Why.
        why: String,
    },
    /// It knows nothing of the code.
    #[error("the other device does not take this code: a code is good for ten minutes, and once")]
    Refused,
    /// What it answered does not check.
    #[error("what the other device answered does not check")]
    Unsound,
}

impl PairError {
    /// Its name, for scripts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            PairError::Home(why) => why.reason(),
            PairError::Network(_) => "no_network",
            PairError::Entropy(_) => "no_entropy",
            PairError::Unreachable { .. } => "no_answer",
            PairError::Refused => "pairing_code_refused",
            PairError::Unsound => "bad_pairing",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            PairError::Home(why) => why.hint(),
            PairError::Network(_) | PairError::Entropy(_) => "look at what the system says, then try again".to_owned(),
            PairError::Unreachable { .. } => {
                "start the node of your other device (hearth run), and try again while it runs".to_owned()
            }
            PairError::Refused | PairError::Unsound => {
                "make a new code on your other device: hearth device add".to_owned()
            }
        }
    }
}

/// Where the other device can be found, as text.
#[must_use]
pub fn addresses(code: &PairingCode) -> Vec<String> {
    let whole = |hint: &hearth_protocol::invite::Hint| {
        let address = network::address_from_bytes(hint.1.as_slice()).ok()?;
        let peer = network::peer_text(hint.0.as_slice());
        Some(if address.contains("/p2p/") { address } else { format!("{address}/p2p/{peer}") })
    };
    code.hints.iter().filter_map(whole).collect()
}

/// Pairs this device, and makes its home.
///
/// # Errors
/// [`PairError`]; then there is no home.
pub async fn pair(home: &Home, code: &PairingCode, passphrase: Option<&Passphrase>) -> Result<(), PairError> {
    if home.exists() {
        return Err(HomeError::Exists { path: home.path().display().to_string() }.into());
    }
    let own = DeviceKeys::fresh()?;
    let running =
        network::start(network::Settings { secret: *own.transport, listen: Vec::new(), trusted_subnets: None }).await?;
    let mut talk = Talk { running, peer: Vec::new(), next: 0 };
    let asked = timeout(PATIENCE, talk.ask_to_be_paired(code, &own)).await;
    talk.running.handle.stop().await;
    let paired = asked.unwrap_or_else(|_| Err(PairError::Unreachable { why: "it does not answer".to_owned() }))?;
    home.adopt(paired.name.as_str(), &own, (paired.record, &paired.mine), passphrase)?;
    Ok(())
}

/// The talk with the other device.
struct Talk {
    running: Network,
    peer: Vec<u8>,
    next: u64,
}

impl Talk {
    async fn ask_to_be_paired(&mut self, code: &PairingCode, own: &DeviceKeys) -> Result<Paired, PairError> {
        self.connect(code).await?;
        let nonce = home::entropy()?;
        let Response::Hello(theirs) = self.ask(&Request::Hello(Bytes(nonce))).await? else {
            return Err(PairError::Unsound);
        };
        let mine = network::peer_of(&own.transport);
        let transcript = Transcript::new((&mine, &nonce), (&self.peer, &theirs.0));
        let sealed = PairRequest::seal(&transcript, code.secret(), &own.device, own.sealing.public());
        let sealed = Blob::new(sealed).map_err(|_| PairError::Unsound)?;
        match self.ask(&Request::Pair(transcript.pair_tag(code.secret()), sealed)).await? {
            Response::Pair(sealed) => {
                let opened = transcript.pair_key(code.secret()).open(sealed.as_slice(), &[]);
                let bytes = opened.map_err(|_| PairError::Unsound)?;
                decode(&bytes, limits::RESPONSE_BYTES).map_err(|_| PairError::Unsound)
            }
            _ => Err(PairError::Refused),
        }
    }

    async fn connect(&mut self, code: &PairingCode) -> Result<(), PairError> {
        let unreachable = |why: &str| PairError::Unreachable { why: why.to_owned() };
        let first = code.hints.first().ok_or(PairError::Unsound)?;
        self.peer = first.0.as_slice().to_vec();
        let same = code.hints.iter().filter(|hint| hint.0 == first.0);
        let addresses = same.filter_map(|hint| network::address_from_bytes(hint.1.as_slice()).ok()).collect();
        self.order(Order::Dial { peer: Some(self.peer.clone()), addresses }).await?;
        loop {
            match self.running.reports.recv().await {
                Some(Report::Dialed { .. }) => return Ok(()),
                Some(Report::DialFailed { why, .. }) => return Err(unreachable(&why)),
                Some(_) => {}
                None => return Err(unreachable("the network has ended")),
            }
        }
    }

    async fn ask(&mut self, request: &Request) -> Result<Response, PairError> {
        let unreachable = |why: &str| PairError::Unreachable { why: why.to_owned() };
        self.next += 1;
        let id = self.next;
        self.order(Order::Request { peer: self.peer.clone(), id, frame: request.to_bytes() }).await?;
        loop {
            match self.running.reports.recv().await {
                Some(Report::Answered { id: of, frame, .. }) if of == id => {
                    return Response::from_bytes(&frame).map_err(|_| PairError::Unsound);
                }
                Some(Report::Failed { id: of, why, .. }) if of == id => return Err(unreachable(&why)),
                Some(_) => {}
                None => return Err(unreachable("the network has ended")),
            }
        }
    }

    async fn order(&self, order: Order) -> Result<(), PairError> {
        let ended = |_| PairError::Unreachable { why: "the network has ended".to_owned() };
        self.running.handle.order(order).await.map_err(ended)
    }
}
