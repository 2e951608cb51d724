//! Ends the process when the engine hangs.
//!
//! sled has deadlocked in trials. A node that hangs holds its lock and answers nobody for ever; one that ends is
//! started again and has lost nothing that it acknowledged. So a thread named `store-watchdog`, owned by the writer and
//! ending with it, looks on while the writer works.
//!
//! The thread counts looks, not time: a process that was stopped (`Ctrl-Z`, a debugger, a sleeping laptop) finds that
//! much time gone but only one look made.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long one commit may take. sled may make 100 MB of the largest batch, which take a card of 5 MB/s 20 s.
pub const COMMIT_LIMIT: Duration = Duration::from_secs(60);

/// How long opening may take: recovery reads the whole log when its snapshot is lost, at the speed of the disk.
pub const OPEN_LIMIT: Duration = Duration::from_secs(600);

/// Exit code of a process whose store hung (`EX_IOERR` of `sysexits.h`).
pub const STUCK_EXIT: i32 = 74;

/// Looks at one piece of work before it counts as hanging.
const LOOKS: u32 = 12;

/// No work is going on.
const IDLE: u64 = 0;

/// Watches one thread's work.
#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) watch: Arc<Watch>,
    thread: Option<JoinHandle<()>>,
    begun: u64,
}

#[derive(Debug)]
pub(super) struct Watch {
    /// The number of the work that is going on, or [`IDLE`].
    working: AtomicU64,
    over: AtomicBool,
}

impl Watchdog {
    /// Starts the thread. `folder` and `what` are named when it ends the process.
    pub(super) fn start(folder: &Path, what: &'static str, limit: Duration) -> io::Result<Self> {
        let watch = Arc::new(Watch { working: AtomicU64::new(IDLE), over: AtomicBool::new(false) });
        let seen = watch.clone();
        let folder = folder.to_owned();
        let thread = thread::Builder::new().name("store-watchdog".to_owned()).spawn(move || {
            if seen.look_on(limit) == Verdict::Stuck {
                give_up(&folder, what, limit);
            }
        })?;
        Ok(Self { watch, thread: Some(thread), begun: IDLE })
    }

    /// Does `work` while the thread looks on.
    pub(super) fn watch<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.begun += 1;
        self.watch.working.store(self.begun, Ordering::Release);
        let done = work();
        self.watch.working.store(IDLE, Ordering::Release);
        done
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.watch.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It holds nothing and panics nowhere; were it otherwise, there would be nothing left to do.
            let _ended = thread.join();
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Over,
    Stuck,
}

impl Watch {
    fn look_on(&self, limit: Duration) -> Verdict {
        let (mut last, mut looks) = (IDLE, 0);
        loop {
            self.pause(limit / LOOKS);
            if self.over.load(Ordering::Acquire) {
                return Verdict::Over;
            }
            let working = self.working.load(Ordering::Acquire);
            looks = if working != IDLE && working == last { looks + 1 } else { 0 };
            last = working;
            if looks == LOOKS {
                return Verdict::Stuck;
            }
        }
    }

    /// Waits for `pause`, or until it is all over.
    fn pause(&self, pause: Duration) {
        let begun = Instant::now();
        while let Some(left) = pause.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            if self.over.load(Ordering::Acquire) {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

fn give_up(folder: &Path, what: &str, limit: Duration) -> ! {
    eprintln!(
        "hearth: the store at {} did not finish {what} within {} s and seems to hang; ending, so that it can be \
         started again (nothing acknowledged is lost)",
        folder.display(),
        limit.as_secs_f32()
    );
    std::process::exit(STUCK_EXIT)
}
