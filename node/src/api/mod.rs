//! The local HTTP API: requests in, JSON out. Its client is whoever has the home's token.
//!
//! [`auth`](self) stands before the router; each area of the API has a file of its own. A request
//! from this process takes the same way as one over a socket (`Api::call`). Leaves to others:
//! deciding (the engine, by commands to the driver) and keeping (the store).
//!
//! Always true: handlers wait for the driver, the network or a blocking thread, never in one; what
//! reads the store runs in a blocking thread and sees everything that was acknowledged before.

mod auth;
mod communities;
mod devices;
mod drafts;
mod error;
mod findings;
mod hints;
mod import;
mod invites;
mod items;
mod join;
mod known;
mod limits;
mod links;
mod log;
mod look;
mod peers;
mod policy;
mod preview;
mod quarantine;
mod queue;
mod relay;
mod report;
mod resolve;
mod selections;
mod serve;
mod sight;
mod spoken;
mod status;
mod tags;
mod take;
#[cfg(test)]
mod tests;
mod view;
mod wait;
mod words;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use hearth_protocol::engine::{Answer, Command, Identity, own_space_name};
use hearth_protocol::text::Text;
use tokio::sync::watch;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::{
    handle::{Failure, Handle, RequestId},
    home::{Home, HomeError, Keys, Opener},
    limits as bounds,
    network::NetworkHandle,
    store::Reader,
};
use auth::{Door, Gate, Token};
use error::{Answered, ApiError};
use sight::Sight;

/// What every path begins with.
const PREFIX: &str = "/api/0";

/// The API of one node.
#[derive(Debug, Clone)]
pub struct Api {
    app: App,
}

type App = Arc<Shared>;

/// What all handlers share.
#[derive(Debug)]
struct Shared {
    home: Home,
    /// What opens the file of keys once more.
    opener: Opener,
    me: Identity,
    token: Token,
    handle: Handle,
    reader: Reader,
    network: watch::Receiver<Option<NetworkHandle>>,
    /// Where the node listens since its start.
    listening: OnceLock<Vec<String>>,
    /// Where the API is served, once it is: then a node runs.
    served: OnceLock<SocketAddr>,
    /// Says when the node stops, once it runs.
    stop: OnceLock<watch::Receiver<bool>>,
}

impl Api {
    pub(crate) fn new(
        home: Home,
        (keys, token): (&Keys, &str),
        handle: Handle,
        reader: Reader,
        network: watch::Receiver<Option<NetworkHandle>>,
    ) -> Result<Api, HomeError> {
        let damaged = || HomeError::Damaged { path: home.path().join("token").display().to_string() };
        let token = Token::new(token.to_owned()).ok_or_else(damaged)?;
        let (listening, served, stop) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Api {
            app: Arc::new(Shared {
                opener: keys.opener.clone(),
                me: keys.identity.clone(),
                token,
                home,
                handle,
                reader,
                network,
                listening,
                served,
                stop,
            }),
        })
    }

    /// Says where the node listens; the first word counts.
    pub(crate) fn listens_at(&self, addresses: Vec<String>) {
        let _ = self.app.listening.set(addresses);
    }

    /// Makes the person's own space, in a home that has none yet, or takes up the one that another device has handed
    /// over.
    pub(crate) async fn prepare(&self) -> Result<(), PrepareError> {
        let mut snapshot = self.app.handle.snapshot.clone();
        // The driver's first picture; before it there is nothing to be seen.
        snapshot.changed().await.map_err(|_| Failure::Stopping)?;
        if snapshot.borrow_and_update().own_space.is_some() {
            return Ok(());
        }
        let command = match self.app.home.handover()? {
            // Another device of this person has it already.
            Some(handover) => Command::TakeOver(Box::new(handover)),
            None => found_own_space(),
        };
        self.app.handle.command(command, None).await?;
        snapshot.wait_for(|seen| seen.own_space.is_some()).await.map_err(|_| Failure::Stopping)?;
        self.app.home.forget_handover()?;
        Ok(())
    }

    /// Answers a request of this process: the same router, the same checks.
    pub(crate) async fn call(&self, request: http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        let request = request.map(axum::body::Body::from);
        let gated = gated(self.app.clone(), Door::Here);
        let response = gated.oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        // Our own answers are whole in memory.
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        http::Response::from_parts(parts, bytes.into())
    }

    /// Answers requests over the socket until `stop` says so.
    pub(crate) async fn serve(self, listener: tokio::net::TcpListener, stop: watch::Receiver<bool>) {
        let address = match listener.local_addr() {
            Ok(address) => address,
            Err(why) => {
                tracing::error!(%why, "the local API has no address");
                return;
            }
        };
        let _ = self.app.served.set(address);
        let _ = self.app.stop.set(stop.clone());
        let gated = gated(self.app, Door::Socket(address.port()));
        serve::serve(listener, gated, stop).await;
    }
}

impl Shared {
    /// Looks at what is kept, in a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Sight<'_>) -> Answered<T> + Send + 'static,
    ) -> Answered<T> {
        let (reader, snapshot, me) = (self.reader.clone(), self.handle.snapshot(), self.me.person());
        let looked = tokio::task::spawn_blocking(move || look(&Sight::new(&reader, snapshot, me))).await;
        looked.unwrap_or_else(|why| {
            tracing::error!(%why, "a look at the store panicked");
            Err(ApiError::broken())
        })
    }

    /// Has a command carried out.
    async fn command(&self, command: Command, request: Option<RequestId>) -> Answered<Answer> {
        Ok(self.handle.command(command, request).await?)
    }

    /// Whether a node runs, as against one command.
    fn runs(&self) -> bool {
        self.served.get().is_some()
    }
}

/// Founds a person's own space.
fn found_own_space() -> Command {
    let name = Text::line(own_space_name()).expect("the own space has a name within its bound");
    Command::CreateCommunity { name, domain: Text::default(), parent: None }
}

/// Why a home cannot be used yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// The answer to a request id that something else was asked under before.
fn other_answer() -> ApiError {
    ApiError::conflict(
        "request_id_used",
        "something else was asked under this request id before",
        "send it again with a fresh `X-Request-Id`",
    )
}

/// The router behind the gate.
fn gated(
    app: App,
    door: Door,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static {
    let gate = Gate { app: app.clone(), door };
    middleware::from_fn_with_state(gate, auth::guard).layer(router(app))
}

fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/identity", get(auth::identity))
        .route("/status", get(status::status))
        .route(
            "/items",
            get(items::list).merge(post(items::write).layer(DefaultBodyLimit::max(bounds::API_ITEM_BYTES))),
        )
        .route("/items/{item}", get(items::show))
        .route("/items/{item}/trace", get(items::trace))
        .route("/items/{item}/crossing", get(relay::check))
        .route("/import", post(import::import).layer(DefaultBodyLimit::max(bounds::IMPORT_FILE_BYTES)))
        .route("/communities", get(communities::list).post(communities::create))
        .route("/communities/{community}", get(communities::show))
        .route("/communities/{community}/leave", post(communities::leave))
        .route("/communities/{community}/members", get(communities::members))
        .route("/communities/{community}/policy", post(policy::set))
        .route("/communities/{community}/members/{person}", post(communities::rule))
        .route("/communities/{community}/log", get(log::log))
        .route("/communities/{community}/invites", get(invites::list))
        .route("/communities/{community}/links", get(links::list))
        .route("/communities/{community}/report", get(report::report))
        .route("/invites", post(invites::create))
        .route("/invites/inspect", post(invites::inspect))
        .route("/invites/{invite}/end", post(invites::end))
        .route("/look", post(look::look))
        .route("/join", post(join::join))
        .route("/join/cancel", post(join::cancel))
        .route("/devices", get(devices::list))
        .route("/devices/pair", post(devices::pair))
        .route("/devices/pair/wait", post(devices::paired))
        .route("/devices/revoke", post(devices::revoke))
        .route("/links", post(links::create))
        .route("/links/{link}/end", post(links::end))
        .route("/relay", post(relay::relay))
        .route("/relay/preview", post(preview::preview))
        .route("/selections", get(selections::list).post(selections::create))
        .route("/selections/{selection}/try", get(selections::attempt))
        .route("/selections/{selection}/on", post(selections::on))
        .route("/selections/{selection}/off", post(selections::off))
        .route("/selections/{selection}/remove", post(selections::remove))
        .route("/queue", get(queue::list))
        .route("/queue/{item}/accept", post(queue::accept))
        .route("/queue/{item}/decline", post(queue::decline))
        .route("/communities/{community}/tags/{other}", get(tags::list).post(tags::change))
        .route("/peers", get(known::list).post(peers::add))
        .route("/peers/{peer}/ban", post(peers::ban))
        .route("/peers/{peer}/unban", post(peers::unban))
        .route("/sync", post(peers::sync))
        .route("/words", get(words::show))
        .route("/words/written", post(words::written))
        .route("/limits", get(limits::list))
        .layer(DefaultBodyLimit::max(bounds::API_BODY_BYTES))
        .with_state(app);
    Router::new().nest(PREFIX, routes).fallback(no_such_path).method_not_allowed_fallback(no_such_method)
}

async fn no_such_path() -> Response {
    ApiError::missing("no_such_path", "this API has no such path", "look at its paths; they all begin with /api/0")
        .into_response()
}

async fn no_such_method() -> Response {
    let status = http::StatusCode::METHOD_NOT_ALLOWED;
    ApiError::new(status, "no_such_method", "this path is not asked this way", "read with GET, write with POST")
        .into_response()
}
