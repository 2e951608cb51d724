//! From a request to an answer: who owns the home decides the carrier.
//!
//! Where a node runs, its local API is asked; where none runs, the node is opened in this process. Waits for
//! commands that end and nodes that start, within a bound. Asks for the passphrase where it turns out to be needed. Always true: both carriers bring the same request; the
//! home is given back when the session is closed; nothing is opened before the first request.

mod here;
mod remote;
pub(crate) mod unlock;

use std::io;
use std::pin::Pin;
use std::time::Duration;

use hearth_node::home::Keys;
use hearth_node::pair::PairingCode;
use hearth_node::{Holder, Home, HomeError, Mode, Node, Passphrase};
use serde_json::Value;
use tokio::time::Instant;

use crate::error::Error;
use crate::output::progress::Progress;
use crate::request::Request;
use here::Here;
use remote::Remote;
use unlock::Unlock;

/// How long another command may take to end, or a node to start.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// The lock on a home tells nobody when it is given back, so it is looked at again, this often.
const LOCK_LOOK: Duration = Duration::from_millis(50);
/// What the lock says of its owner when that is a node.
pub(crate) const NODE: &str = "node";
/// The reason of a home that cannot be opened without its passphrase.
const LOCKED: &str = "locked_home";

/// What a carrier brings back.
pub(crate) type Carried<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Vec<u8>>, Error>> + 'a>>;
/// A carrier that ends.
pub(crate) type Ended = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// Brings requests to a node.
pub(crate) trait Carrier {
    /// The node's answer to one request, whatever its status.
    fn carry(&mut self, request: Request) -> Carried<'_>;

    /// Gives the home back where this carrier held it.
    fn end(self: Box<Self>) -> Ended {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a command needs where it opens the node itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// The store is enough.
    Off,
    /// It has to reach other nodes.
    On,
}

/// One command's conversation with the node of a home.
pub(crate) struct Session {
    home: Home,
    command: &'static str,
    network: Network,
    progress: Progress,
    unlock: Unlock,
    carrier: Option<Box<dyn Carrier>>,
}

impl Session {
    /// A conversation that opens at its first request.
    pub(crate) fn new(home: Home, command: &'static str, network: Network, progress: Progress, unlock: Unlock) -> Self {
        Self { home, command, network, progress, unlock, carrier: None }
    }

    /// A conversation with whatever a test made up.
    #[cfg(test)]
    pub(crate) fn carried_by(carrier: impl Carrier + 'static) -> Self {
        Self {
            carrier: Some(Box::new(carrier)),
            ..Self::new(Home::at("/nowhere".into()), "test", Network::Off, Progress::Hidden, Unlock::default())
        }
    }

    /// The home that is asked about.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The way to the home's passphrase.
    pub(crate) fn unlock(&mut self) -> &mut Unlock {
        &mut self.unlock
    }

    /// Makes the home: of a new person, or of the one of these words with the number of their current key. It is
    /// sealed where a passphrase was chosen.
    pub(crate) fn make_home(&self, name: &str, words: Option<(&str, u8)>) -> Result<(), Error> {
        match words {
            None => self.home.create(name, self.unlock.given())?,
            Some((words, rung)) => self.home.restore(name, words, rung, self.unlock.given())?,
        }
        Ok(())
    }

    /// Makes the home of one more device, which another device of the same person certifies.
    pub(crate) async fn pair_home(&self, code: &PairingCode) -> Result<(), Error> {
        Ok(Box::pin(hearth_node::pair::pair(&self.home, code, self.unlock.given())).await?)
    }

    /// The keys of the home, without a node; asks for the passphrase where they are sealed.
    pub(crate) fn unlocked_keys(&mut self) -> Result<Keys, Error> {
        if self.home.is_locked() {
            self.unlock.ask()?;
        }
        Ok(self.home.keys(self.unlock.given())?)
    }

    /// Seals the keys of the home with `new`, or with nothing; what opened them before was asked for before. Waits
    /// for another command to end; refuses at once where a node runs.
    pub(crate) async fn set_passphrase(&self, new: Option<&Passphrase>) -> Result<(), Error> {
        settled(self.progress, LOCK_PATIENCE, async || match self.home.set_passphrase(self.unlock.given(), new) {
            Ok(()) => Ok(Step::Done(())),
            Err(HomeError::Held { holder, .. }) if holder.holder != NODE => Ok(Step::Wait(held(&holder))),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// The node's answer; what it refuses is an error.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Value, Error> {
        if self.carrier.is_none() {
            self.carrier = Some(self.open().await?);
        }
        let carrier = self.carrier.as_mut().expect("it was set above");
        let response = carrier.carry(request).await?;
        let (status, body) = (response.status(), response.body());
        if !status.is_success() {
            return Err(Error::answered(status.as_u16(), body));
        }
        serde_json::from_slice(body).map_err(|error| Error::OddAnswer { what: error.to_string() })
    }

    /// The list under `name` in the node's answer.
    pub(crate) async fn ask_list(&mut self, request: Request, name: &str) -> Result<Vec<Value>, Error> {
        match self.ask(request).await?.get_mut(name).map(Value::take) {
            Some(Value::Array(list)) => Ok(list),
            _ => Err(Error::OddAnswer { what: format!("it has no list `{name}`") }),
        }
    }

    /// Ends the conversation and gives the home back.
    pub(crate) async fn close(self) -> Result<(), Error> {
        match self.carrier {
            Some(carrier) => carrier.end().await,
            None => Ok(()),
        }
    }

    async fn open(&mut self) -> Result<Box<dyn Carrier>, Error> {
        if !self.home.exists() {
            return Err(Error::NoHome { path: self.home.path().to_owned() });
        }
        // A running node may have left a token for us, so that nothing has to be unlocked.
        match self.carrier(self.unlock.given()).await {
            Err(locked) if locked.reason() == LOCKED => match self.unlock.ask()? {
                Some(_) => self.carrier(self.unlock.given()).await,
                None => Err(locked),
            },
            done => done,
        }
    }

    async fn carrier(&self, passphrase: Option<&Passphrase>) -> Result<Box<dyn Carrier>, Error> {
        settled(self.progress, LOCK_PATIENCE, async || match self.home.holder()? {
            None => {
                let mode = Mode::Command { name: self.command.to_owned(), network: self.network == Network::On };
                let opened = opened(&self.home, mode, passphrase).await?;
                Ok(opened.map(|node| Box::new(Here::new(node)) as Box<dyn Carrier>))
            }
            Some(holder) if holder.holder == NODE => self.reach(holder, passphrase).await,
            Some(holder) => Ok(Step::Wait(held(&holder))),
        })
        .await
    }

    async fn reach(&self, holder: Holder, passphrase: Option<&Passphrase>) -> Result<Step<Box<dyn Carrier>>, Error> {
        let Some(api) = holder.api else {
            return Ok(Step::Wait(Error::Starting { pid: holder.pid }));
        };
        match Remote::reach(&self.home, holder.pid, api, passphrase).await {
            Ok(remote) => Ok(Step::Done(Box::new(remote))),
            // It may be on its way down, or just up and not listening yet.
            Err(error @ Error::Unreachable { .. }) => Ok(Step::Wait(error)),
            // Nothing was asked of it yet, so nothing can have been done.
            Err(Error::BrokenOff { api, cause }) => {
                Ok(Step::Wait(Error::Unreachable { pid: holder.pid, api, source: io::Error::other(cause) }))
            }
            Err(error) => Err(error),
        }
    }
}

/// Opens the node that serves this home until it is stopped.
///
/// Waits for a command to end; refuses at once where a node runs already, before it asks for a passphrase.
pub(crate) async fn start_node(
    home: &Home,
    listen: &[String],
    api: Option<&str>,
    progress: Progress,
    unlock: &mut Unlock,
) -> Result<Node, Error> {
    if home.is_locked() && unlock.given().is_none() {
        if let Some(Holder { pid, api, .. }) = home.holder()?.filter(|holder| holder.holder == NODE) {
            return Err(Error::AlreadyRuns { pid, api });
        }
        unlock.ask()?;
    }
    let passphrase = unlock.given();
    let node = settled(progress, LOCK_PATIENCE, async || match home.holder()? {
        None => {
            let mode = Mode::Node { listen: listen.to_vec(), api: api.map(str::to_owned) };
            Ok(opened(home, mode, passphrase).await?.map(Box::new))
        }
        Some(holder) if holder.holder == NODE => Err(Error::AlreadyRuns { pid: holder.pid, api: holder.api }),
        Some(holder) => Ok(Step::Wait(held(&holder))),
    })
    .await?;
    Ok(*node)
}

/// One look at the home.
enum Step<T> {
    Done(T),
    Wait(Error),
}

impl<T> Step<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Done(done) => Step::Done(change(done)),
            Self::Wait(error) => Step::Wait(error),
        }
    }
}

/// Looks until a look settles it or the patience is over; then what was waited for is the error.
async fn settled<T>(
    progress: Progress,
    patience: Duration,
    look: impl AsyncFn() -> Result<Step<T>, Error>,
) -> Result<T, Error> {
    let end = Instant::now() + patience;
    let mut shown = None;
    loop {
        let error = match look().await? {
            Step::Done(done) => return Ok(done),
            Step::Wait(error) => error,
        };
        if Instant::now() >= end {
            return Err(error);
        }
        shown.get_or_insert_with(|| progress.start(&format!("waiting: {error}")));
        tokio::time::sleep(LOCK_LOOK).await;
    }
}

/// Opens the node here; where somebody else was faster, that is something to wait for.
async fn opened(home: &Home, mode: Mode, passphrase: Option<&Passphrase>) -> Result<Step<Node>, Error> {
    match Box::pin(Node::open(home, mode, passphrase)).await {
        Ok(node) => Ok(Step::Done(node)),
        Err(error) => match home.holder() {
            Ok(Some(holder)) if holder.pid != std::process::id() => Ok(Step::Wait(held(&holder))),
            _ => Err(error.into()),
        },
    }
}

fn held(holder: &Holder) -> Error {
    Error::Held { holder: format!("`{}`", holder.holder), pid: holder.pid }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Told;
    use serde_json::json;
    use std::cell::Cell;

    fn busy() -> Step<u8> {
        Step::Wait(Error::Held { holder: "`command import`".to_owned(), pid: 7 })
    }

    #[tokio::test]
    async fn a_home_that_is_given_back_in_time_is_taken() {
        let looks = Cell::new(0);
        let done = settled(Progress::Hidden, LOCK_PATIENCE, async || {
            looks.set(looks.get() + 1);
            Ok(if looks.get() < 3 { busy() } else { Step::Done(9) })
        });
        assert_eq!(done.await.expect("the third look finds it free"), 9);
        assert_eq!(looks.get(), 3);
    }

    #[tokio::test]
    async fn a_home_that_stays_in_use_is_an_error_that_names_its_holder() {
        let looks = Cell::new(0);
        let error = settled(Progress::Hidden, Duration::ZERO, async || {
            looks.set(looks.get() + 1);
            Ok(busy())
        })
        .await;
        assert_eq!(looks.get(), 1);
        let error = error.expect_err("it never was free");
        assert_eq!((error.reason(), error.exit_code()), ("home_in_use", 1));
        assert_eq!(error.to_string(), "the home is in use by `command import` (process 7)");
    }

    #[tokio::test]
    async fn what_waiting_cannot_mend_ends_at_once() {
        let looks = Cell::new(0);
        let done: Result<u8, _> = settled(Progress::Hidden, LOCK_PATIENCE, async || {
            looks.set(looks.get() + 1);
            Err(Error::AlreadyRuns { pid: 7, api: Some("127.0.0.1:1".to_owned()) })
        })
        .await;
        let error = done.expect_err("a node runs");
        assert_eq!(error.to_string(), "a node already runs in this home: process 7, at http://127.0.0.1:1");
        assert_eq!(looks.get(), 1);
    }

    #[tokio::test]
    async fn without_a_home_nothing_is_opened_and_the_hint_makes_one() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("none");
        let mut session =
            Session::new(Home::at(path.clone()), "list", Network::Off, Progress::Hidden, Unlock::default());
        let error = session.ask(Request::get(&["status"])).await.expect_err("there is no home");
        assert_eq!((error.reason(), error.exit_code()), ("no_home", 1));
        assert!(error.hint().contains("hearth init") && error.to_string().contains("none"));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_status_of_an_answer_decides_the_exit_code() {
        for (status, code) in [(400, 2), (401, 1), (403, 3), (404, 1), (409, 1), (500, 1), (504, 1)] {
            let answer = json!({"error": "what", "reason": "why", "hint": "how"});
            let mut session = Session::carried_by(Told::new([(status, answer)]));
            let error = session.ask(Request::get(&["status"])).await.expect_err("it is no success");
            assert_eq!(error.exit_code(), code, "{status}");
            assert_eq!(error.to_json(), json!({"error": "what", "reason": "why", "hint": "how"}));
        }
    }

    #[tokio::test]
    async fn an_error_without_a_body_keeps_its_status() {
        let mut session = Session::carried_by(Told::new([(502, json!("gone"))]));
        let error = session.ask(Request::get(&["status"])).await.expect_err("it is no success");
        assert_eq!((error.reason(), error.exit_code()), ("status_502", 1));
    }
}
