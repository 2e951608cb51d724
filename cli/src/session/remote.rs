//! The carrier to a running node: HTTP/1.1 over a loopback socket.
//!
//! Always true: on each connection the node proves that it is this home's device before the token goes out; a
//! request is sent again at most once, with the same id, and only to the same process.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hearth_node::{Home, Passphrase, prove};
use http::header;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{Carried, Carrier, NODE};
use crate::error::Error;
use crate::request::Request;

/// A socket on this machine opens at once or not at all, and a proof is one signature.
const PROOF_PATIENCE: Duration = Duration::from_secs(5);
/// A list of 10,000 items of a few KiB fits; an endless answer does not.
const ANSWER_BYTES: usize = 128 * 1024 * 1024;

/// Whether the bytes are this device's signature over the nonce.
type Check = fn([u8; 32], [u8; 32], [u8; 64]) -> bool;
type Sender = SendRequest<Full<Bytes>>;
type Answer = http::Response<Vec<u8>>;

/// The API of another process.
pub(super) struct Remote {
    home: Home,
    pid: u32,
    api: String,
    device: [u8; 32],
    token: Zeroizing<String>,
    check: Check,
}

#[derive(Deserialize)]
struct Identity {
    signature: String,
}

impl Remote {
    /// The node of `home` at `api`, once it has proved that it is the one.
    pub(super) async fn reach(
        home: &Home,
        pid: u32,
        api: String,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, Error> {
        let device = home.device()?;
        let (home, token) = (Home::at(home.path().to_owned()), home.token(passphrase)?);
        let remote = Self { home, pid, api, device, token, check: prove::check };
        remote.connected(PROOF_PATIENCE, async |sender| remote.proved(sender).await).await?;
        Ok(remote)
    }

    /// Does something over one connection, which is open only as long as that takes.
    async fn connected<T>(
        &self,
        patience: Duration,
        over: impl AsyncFnOnce(&mut Sender) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let exchange = async {
            let stream = TcpStream::connect(&self.api).await.map_err(|source| Error::Unreachable {
                pid: self.pid,
                api: self.api.clone(),
                source,
            })?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken_off(&error))?;
            let asked = async move {
                let done = over(&mut sender).await;
                // The connection ends with its last sender.
                drop(sender);
                done
            };
            // What breaks the connection breaks the exchange too, which tells more of it.
            let (done, _) = tokio::join!(asked, connection);
            done
        };
        tokio::time::timeout(patience, exchange)
            .await
            .unwrap_or_else(|_| Err(Error::TooSlow { api: self.api.clone(), seconds: patience.as_secs() }))
    }

    /// Asks for a signature over fresh bytes. No token goes along.
    async fn proved(&self, sender: &mut Sender) -> Result<(), Error> {
        let foreign = || Error::ForeignNode { api: self.api.clone() };
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)?;
        let request = http::Request::builder()
            .uri(format!("/api/0/identity?nonce={}", HEXLOWER.encode(&nonce)))
            .header(header::HOST, &self.api)
            .body(Full::default())
            .map_err(|error| Error::OddRequest { cause: error.to_string() })?;
        let answer = self.exchange(sender, request).await?;
        let identity: Identity = serde_json::from_slice(answer.body()).map_err(|_| foreign())?;
        let signature = HEXLOWER
            .decode(identity.signature.as_bytes())
            .ok()
            .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
            .ok_or_else(foreign)?;
        if (self.check)(self.device, nonce, signature) { Ok(()) } else { Err(foreign()) }
    }

    async fn exchange(&self, sender: &mut Sender, request: http::Request<Full<Bytes>>) -> Result<Answer, Error> {
        let response = sender.send_request(request).await.map_err(|error| self.broken_off(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|error| self.broken_off(&*error))?;
        Ok(http::Response::from_parts(head, body.to_bytes().into()))
    }

    async fn once(&self, request: http::Request<Full<Bytes>>, patience: Duration) -> Result<Answer, Error> {
        self.connected(patience, async |sender| {
            self.proved(sender).await?;
            self.exchange(sender, request).await
        })
        .await
    }

    async fn carried(&self, request: Request) -> Result<Answer, Error> {
        let patience = request.patience;
        let request = request.into_http(&self.api, &self.token)?.map(|body| Full::new(Bytes::from(body)));
        match self.once(request.clone(), patience).await {
            Err(broken @ Error::BrokenOff { .. }) if self.is_still_there() => {
                // Where it fails again, the first failure says what may have been done.
                self.once(request, patience).await.map_err(|_| broken)
            }
            done => done,
        }
    }

    /// The node remembers request ids while it runs; another process would write a second time.
    fn is_still_there(&self) -> bool {
        matches!(self.home.holder(), Ok(Some(holder)) if holder.holder == NODE && holder.pid == self.pid)
    }

    fn broken_off(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::BrokenOff { api: self.api.clone(), cause: error.to_string() }
    }
}

impl Carrier for Remote {
    fn carry(&mut self, request: Request) -> Carried<'_> {
        Box::pin(self.carried(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const TOKEN: &str = "secret-token";

    /// Serves one connection for each script: one body a request, then the connection is closed. Gives back what was
    /// asked on each.
    async fn serve(listener: TcpListener, scripts: Vec<Vec<String>>) -> Vec<String> {
        let mut heard = Vec::new();
        for script in scripts {
            let (mut stream, _) = listener.accept().await.expect("the carrier connects");
            let mut asked = String::new();
            for body in script {
                asked += &head(&mut stream).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.expect("the carrier listens");
            }
            asked += &head(&mut stream).await;
            heard.push(asked);
        }
        heard
    }

    /// A request without a body; nothing where the other side closed.
    async fn head(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(bytes).expect("a head is text")
    }

    fn identity() -> String {
        json!({"device": "07".repeat(32), "signature": "09".repeat(64)}).to_string()
    }

    async fn remote(check: Check) -> (TcpListener, Remote) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let api = listener.local_addr().expect("it is bound").to_string();
        let home = Home::at("/nowhere".into());
        (listener, Remote { home, pid: 1, api, device: [7; 32], token: TOKEN.to_owned().into(), check })
    }

    #[tokio::test]
    async fn the_token_goes_out_after_the_proof_on_the_same_connection() {
        let (listener, mut remote) = remote(|device, _, signature| device == [7; 32] && signature == [9; 64]).await;
        let scripts = vec![vec![identity(), "{}".to_owned()]];
        let (heard, answer) = tokio::join!(serve(listener, scripts), remote.carry(Request::get(&["status"])));
        assert_eq!(answer.expect("the node answers").body(), b"{}");
        let (proof, rest) = heard[0].split_once("\r\n\r\n").expect("two requests came");
        assert!(proof.starts_with("GET /api/0/identity?nonce=") && !proof.contains(TOKEN), "{proof}");
        assert!(rest.starts_with("GET /api/0/status ") && rest.contains("Bearer secret-token"), "{rest}");
    }

    #[tokio::test]
    async fn who_cannot_prove_to_be_the_device_never_sees_the_token() {
        for body in [identity(), "{}".to_owned(), "no json".to_owned(), json!({"signature": "09"}).to_string()] {
            let (listener, mut remote) = remote(|_, _, _| false).await;
            let scripts = vec![vec![body]];
            let (heard, answer) = tokio::join!(serve(listener, scripts), remote.carry(Request::get(&["status"])));
            let error = answer.expect_err("it is another's node");
            assert_eq!((error.reason(), error.exit_code()), ("foreign_node", 1));
            assert!(!heard[0].contains(TOKEN), "{}", heard[0]);
        }
    }

    #[tokio::test]
    async fn each_proof_is_over_fresh_bytes() {
        let (listener, mut remote) = remote(|_, _, _| true).await;
        let scripts = vec![vec![identity(), "{}".to_owned()]; 2];
        let (heard, ()) = tokio::join!(serve(listener, scripts), async {
            for _ in 0..2 {
                remote.carry(Request::get(&["status"])).await.expect("the node answers");
            }
        });
        assert_ne!(heard[0].lines().next(), heard[1].lines().next());
    }

    /// A node that breaks off once and would answer a second time.
    fn broken_once() -> Vec<Vec<String>> {
        vec![vec![identity()], vec![identity(), "{}".to_owned()]]
    }

    #[tokio::test]
    async fn a_node_that_is_gone_is_not_asked_again() {
        let (listener, mut remote) = remote(|_, _, _| true).await;
        // The home is nobody's, so the process that broke off is gone.
        let answer = tokio::select! {
            heard = serve(listener, broken_once()) => panic!("it was asked again: {heard:?}"),
            answer = remote.carry(Request::get(&["status"])) => answer,
        };
        assert_eq!(answer.expect_err("it broke off").reason(), "broken_off");
    }

    #[tokio::test]
    async fn the_same_node_is_asked_again_under_the_same_id() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("lock");
        let holder = json!({"holder": "node", "pid": 1, "api": "127.0.0.1:1", "device": "07".repeat(32)});
        fs::write(&path, holder.to_string()).expect("a file can be written");
        let lock = fs::File::open(&path).expect("it was just written");
        lock.lock().expect("nobody else holds it");
        let (listener, mut remote) = remote(|_, _, _| true).await;
        remote.home = Home::at(folder.path().to_owned());
        let request = Request::post(&["sync"], json!({})).expect("there is entropy");
        let (heard, answer) =
            tokio::try_join!(async { Ok(serve(listener, broken_once()).await) }, remote.carry(request))
                .expect("it answers at the second time");
        assert_eq!(answer.body(), b"{}");
        let id = |asked: &str| {
            let line = asked.lines().find(|line| line.starts_with("x-request-id: "));
            line.expect("a write has an id").to_owned()
        };
        assert_eq!(id(&heard[0]), id(&heard[1]));
    }

    #[tokio::test]
    async fn nobody_listening_is_unreachable() {
        let (listener, mut remote) = remote(|_, _, _| true).await;
        drop(listener);
        let answer = remote.carry(Request::get(&["status"])).await;
        assert_eq!(answer.expect_err("nobody listens").reason(), "node_unreachable");
    }
}
