//! The local API's sockets: how many are open at once, and how long each may take to say what it wants.
//!
//! Leaves to others: the requests (the router), bodies (`take`), who may ask (`auth`).
//! Always true: whoever only holds sockets open keeps nobody out: the socket that has waited longest
//! with no request under way gives its place to the next one. All end when the node stops.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{body::Body, extract::Request, response::Response};
use http::header::{CONNECTION, HeaderValue};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tower::{Service, ServiceExt};

use crate::limits;

/// A socket.
struct Open {
    task: AbortHandle,
    /// Requests of it that are being answered.
    under_way: Arc<AtomicUsize>,
}

/// All open sockets, the oldest first.
#[derive(Default)]
struct Sockets {
    open: VecDeque<Open>,
    tasks: JoinSet<()>,
}

impl Sockets {
    /// Makes room for one more. Answers false where every socket has a request under way.
    fn make_room(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|open| !open.task.is_finished());
        if self.open.len() < limits::API_CONNECTIONS {
            return true;
        }
        let idle = self.open.iter().position(|open| open.under_way.load(Ordering::Acquire) == 0);
        if let Some(open) = idle.and_then(|place| self.open.remove(place)) {
            open.task.abort();
            return true;
        }
        false
    }
}

/// Serves until `stop` says so.
pub(super) async fn serve<S>(listener: TcpListener, service: S, mut stop: watch::Receiver<bool>)
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static,
{
    let mut sockets = Sockets::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Nobody is left to tell us to stop where this fails.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, _)) => {
                // Without room it closes at once, which is an answer.
                if sockets.make_room() {
                    let under_way = Arc::new(AtomicUsize::new(0));
                    let task = sockets.tasks.spawn(one(socket, service.clone(), under_way.clone(), stop.clone()));
                    sockets.open.push_back(Open { task, under_way });
                }
            }
            Err(why) => {
                // Too few descriptors, most likely: some are given back meanwhile.
                tracing::warn!(%why, "the local API cannot take a connection");
                sleep(limits::API_ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while sockets.tasks.join_next().await.is_some() {} };
    if timeout(limits::API_CLOSING_TIME, all).await.is_err() {
        tracing::warn!("some requests to the local API were cut off");
    }
}

/// Counts a request as under way for as long as it lives.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn one<S>(socket: TcpStream, service: S, under_way: Arc<AtomicUsize>, mut stop: watch::Receiver<bool>)
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static,
{
    let stopping = stop.clone();
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let (service, busy) = (service.clone(), UnderWay::new(under_way.clone()));
        let stopping = *stopping.borrow();
        async move {
            let mut response = service.oneshot(request.map(Body::new)).await?;
            if stopping {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            drop(busy);
            Ok::<Response, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::API_HEADER_TIME)
        .max_buf_size(limits::API_HEADER_BYTES)
        .serve_connection(TokioIo::new(socket), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stop.wait_for(|stop| *stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection to the local API ended");
    }
}
