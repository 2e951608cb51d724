//! `hearth run`: runs the node until SIGINT or SIGTERM.

use hearth_node::{Home, Ready};
use serde_json::json;

use crate::error::Error;
use crate::home;
use crate::logs;
use crate::output::{Form, Output, layout};
use crate::session;
use crate::session::unlock::Unlock;

/// What a running node logs where `HEARTH_LOG` says nothing.
///
/// Gossipsub has a line for every frame that a slow peer does not take; the node counts them, and `status` shows it.
const USUAL: &str = "warn,hearth_node=info,libp2p_gossipsub=error";

/// Run the node until it is stopped
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Addresses for other nodes, like /ip4/0.0.0.0/tcp/4001 [default: free ports, kept]
    #[arg(long, value_name = "ADDR", num_args = 1.., value_parser = crate::args::filled)]
    listen: Vec<String>,
    /// The address of the local API, like 127.0.0.1:4180 [default: a free port]
    #[arg(long, value_name = "ADDR", value_parser = crate::args::filled)]
    api: Option<String>,
}

impl Run {
    pub(crate) async fn run(self, home: &Home, mut unlock: Unlock, out: &mut Output) -> Result<(), Error> {
        logs::start(USUAL);
        if !home.exists() {
            if unlock.file().is_some() {
                unlock.choose()?;
            }
            home.create(&home::login_name(), unlock.given())?;
            if out.form() == Form::Human {
                out.say(&format!("Made a home in {}.", home.path().display()))?;
            }
        }
        let node = session::start_node(home, &self.listen, self.api.as_deref(), out.progress(), &mut unlock).await?;
        let stop = stopped()?;
        match tell(&node.ready(), out) {
            Ok(()) => Box::pin(node.run_until(stop)).await?,
            Err(error) => {
                // Whoever waited for the node to be ready is gone: it ends in order, and so does the command.
                Box::pin(node.close()).await?;
                return Err(error);
            }
        }
        if out.form() == Form::Human {
            out.say("Stopped.")?;
        }
        Ok(())
    }
}

fn tell(ready: &Ready, out: &mut Output) -> Result<(), Error> {
    let answer = json!({ "ready": true, "api": ready.api, "listen": ready.listen, "peer": ready.peer });
    let width = out.width();
    out.tell(&answer, || {
        let pairs = [("api", ready.api.clone().unwrap_or_default()), ("peer", ready.peer.clone())];
        let listening = ready.listen.iter().map(|address| ("listening", address.clone()));
        Ok(format!(
            "The node runs. Ctrl-C stops it.\n\n{}\n\nFrom another terminal: hearth status",
            layout::pairs(pairs.into_iter().chain(listening), width)
        ))
    })?;
    out.flush()
}

/// Ends at SIGINT or SIGTERM. From now on neither ends the process by itself.
#[cfg(unix)]
pub(super) fn stopped() -> Result<impl Future<Output = ()>, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends at Ctrl-C.
#[cfg(not(unix))]
pub(super) fn stopped() -> Result<impl Future<Output = ()>, Error> {
    Ok(async {
        // Without a handler, Ctrl-C ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
