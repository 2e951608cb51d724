//! The only reader of the clock, and the task that wakes the engine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_protocol::{engine::Input, time::Millis};
use tokio::sync::watch;

use crate::handle::Inbox;

/// Now, by this machine's clock.
#[must_use]
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).after(0)
}

/// Sends [`Input::Woken`] whenever the time that was last asked for has come. Ends when the
/// driver does.
pub(crate) async fn wake(mut wanted: watch::Receiver<Option<Millis>>, inbox: Inbox) {
    loop {
        let at = *wanted.borrow_and_update();
        let wait = at.map_or(Duration::MAX, |at| Duration::from_millis(at.since(now())));
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(wait), if at.is_some() => {
                if inbox.input(Input::Woken).await.is_err() {
                    return;
                }
                // The driver asks anew; until then there is nothing to wait for.
                if wanted.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
