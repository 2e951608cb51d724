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
            () = stopped(&mut stop) => break,
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

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Nobody is left to tell us to stop where this fails.
    let _ = stop.wait_for(|stop| *stop).await;
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
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection to the local API ended");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        time::{Duration, Instant},
    };

    use hearth_protocol::testing::{around, lasted};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        runtime::Runtime,
        sync::Semaphore,
        task::JoinHandle,
    };

    use super::*;

    /// Longer than any honest step on a loaded machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A service of which each answer waits for leave, if there is somebody to give it.
    struct Served {
        at: SocketAddr,
        stop: watch::Sender<bool>,
        serving: JoinHandle<()>,
        /// A permit for each request that has come.
        come: Arc<Semaphore>,
    }

    async fn served(leave: Option<Arc<Semaphore>>) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let come = Arc::new(Semaphore::new(0));
        let coming = come.clone();
        let service = tower::service_fn(move |_: Request| {
            let leave = leave.clone();
            coming.add_permits(1);
            async move {
                if let Some(leave) = leave {
                    leave.acquire().await.unwrap().forget();
                }
                Ok::<_, Infallible>(Response::new(Body::from("here")))
            }
        });
        Served { at, stop, serving: tokio::spawn(serve(listener, service, stopped)), come }
    }

    /// A request whose head has so many bytes.
    fn head(bytes: usize) -> Vec<u8> {
        let (start, end) = ("GET / HTTP/1.1\r\nhost: localhost\r\nx: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len())).into_bytes()
    }

    async fn said(socket: &mut TcpStream) -> String {
        let mut answer = [0; 1024];
        // A reset is an end too.
        let read = timeout(PATIENCE, socket.read(&mut answer)).await.expect("said in time").unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    async fn ask(socket: &mut TcpStream) -> String {
        socket.write_all(&head(100)).await.unwrap();
        said(socket).await
    }

    #[tokio::test]
    async fn whoever_only_holds_sockets_open_keeps_nobody_out() {
        let served = served(None).await;
        let mut held = Vec::new();
        for _ in 0..limits::API_CONNECTIONS {
            held.push(TcpStream::connect(served.at).await.unwrap());
        }
        // All of them are served, the oldest one too.
        for socket in [0, limits::API_CONNECTIONS - 1] {
            assert!(ask(&mut held[socket]).await.starts_with("HTTP/1.1 200"));
        }
        let mut next = TcpStream::connect(served.at).await.unwrap();
        assert!(ask(&mut next).await.starts_with("HTTP/1.1 200"));
        assert_eq!(said(&mut held[0]).await, "", "the oldest one is closed");
        assert!(ask(&mut held[1]).await.starts_with("HTTP/1.1 200"), "and only that one");

        for _ in 0..1_000 {
            held.push(TcpStream::connect(served.at).await.unwrap());
            if held.len() % 100 == 0 {
                let asked = Instant::now();
                let mut honest = TcpStream::connect(served.at).await.unwrap();
                assert!(ask(&mut honest).await.starts_with("HTTP/1.1 200"));
                assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
            }
        }
    }

    #[tokio::test]
    async fn a_request_under_way_keeps_its_socket() {
        let leave = Arc::new(Semaphore::new(0));
        let served = served(Some(leave.clone())).await;
        let mut held = Vec::new();
        for _ in 0..limits::API_CONNECTIONS {
            let mut socket = TcpStream::connect(served.at).await.unwrap();
            socket.write_all(&head(100)).await.unwrap();
            held.push(socket);
        }
        let all = u32::try_from(limits::API_CONNECTIONS).unwrap();
        timeout(PATIENCE, served.come.acquire_many(all)).await.expect("come in time").unwrap().forget();
        let mut beyond = TcpStream::connect(served.at).await.unwrap();
        assert_eq!(said(&mut beyond).await, "", "it is closed at once");
        leave.add_permits(limits::API_CONNECTIONS);
        for mut socket in held {
            assert!(said(&mut socket).await.starts_with("HTTP/1.1 200"));
        }
    }

    #[test]
    fn a_head_is_read_up_to_its_bound() {
        let runtime = Runtime::new().unwrap();
        let served = runtime.block_on(served(None));
        let status = |bytes| {
            runtime.block_on(async {
                let mut socket = TcpStream::connect(served.at).await.unwrap();
                // It may be refused before it is sent whole.
                let _ = socket.write_all(&head(bytes)).await;
                said(&mut socket).await.chars().take(12).collect::<String>()
            })
        };
        let [taken, refused] = ["HTTP/1.1 200", "HTTP/1.1 431"].map(str::to_owned);
        around(limits::API_HEADER_BYTES, [taken.clone(), taken, refused.clone()], status);
        assert_eq!(status(limits::API_HEADER_BYTES * 4), refused);
    }

    #[test]
    fn the_oldest_idle_socket_is_given_up_for_one_too_many() {
        around(limits::API_CONNECTIONS, [true, true, false], |n| {
            Runtime::new().unwrap().block_on(async {
                let served = served(None).await;
                let mut held = Vec::new();
                for _ in 0..n {
                    held.push(TcpStream::connect(served.at).await.unwrap());
                }
                assert!(ask(&mut held[n - 1]).await.starts_with("HTTP/1.1 200"));
                let _ = held[0].write_all(&head(100)).await;
                said(&mut held[0]).await.starts_with("HTTP/1.1 200")
            })
        });
    }

    #[tokio::test]
    async fn who_does_not_say_what_it_wants_is_cut_off_in_time() {
        let served = served(None).await;
        let begun = Instant::now();
        let mut silent = TcpStream::connect(served.at).await.unwrap();
        let mut slow = TcpStream::connect(served.at).await.unwrap();
        slow.write_all(b"GET / HT").await.unwrap();
        let mut idle = TcpStream::connect(served.at).await.unwrap();
        assert!(ask(&mut idle).await.starts_with("HTTP/1.1 200"));
        for socket in [&mut silent, &mut slow, &mut idle] {
            // Whatever is said first: it ends.
            while !said(socket).await.is_empty() {}
        }
        lasted(limits::API_HEADER_TIME, begun.elapsed());
    }

    #[tokio::test]
    async fn the_end_waits_for_requests_under_way_but_not_for_ever() {
        let leave = Arc::new(Semaphore::new(0));
        let served = served(Some(leave.clone())).await;
        let [mut answered, mut never] =
            [TcpStream::connect(served.at).await.unwrap(), TcpStream::connect(served.at).await.unwrap()];
        let mut idle = TcpStream::connect(served.at).await.unwrap();
        answered.write_all(&head(100)).await.unwrap();
        leave.add_permits(1);
        assert!(said(&mut answered).await.starts_with("HTTP/1.1 200"));
        never.write_all(&head(100)).await.unwrap();
        timeout(PATIENCE, served.come.acquire_many(2)).await.expect("come in time").unwrap().forget();
        let stopped = Instant::now();
        served.stop.send_replace(true);
        timeout(PATIENCE, served.serving).await.expect("ended in time").unwrap();
        lasted(limits::API_CLOSING_TIME, stopped.elapsed());
        assert_eq!(said(&mut idle).await, "");
        assert!(TcpStream::connect(served.at).await.is_err());
    }
}
