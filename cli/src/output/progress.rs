//! A sign of life on standard error while something takes long.
//!
//! Always true: it shows only where both standard output and standard error are terminals and `--json` was not
//! asked for, and it is gone when what it stands for is over.

use std::time::Duration;

use indicatif::ProgressBar;

use super::escape;

/// Often enough to look alive, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(120);

/// Whether long work may show that it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// People look at a terminal.
    Shown,
    /// A script or a pipe reads.
    Hidden,
}

/// Shows until it is dropped.
#[derive(Debug)]
pub(crate) struct Shown(Option<ProgressBar>);

impl Progress {
    /// Starts to show what is being done.
    pub(crate) fn start(self, what: &str) -> Shown {
        Shown((self == Self::Shown).then(|| {
            let bar = ProgressBar::new_spinner().with_message(escape::line(what));
            bar.enable_steady_tick(TICK);
            bar
        }))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
