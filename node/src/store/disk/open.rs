//! Opening a store: refuse, take, repair, recover, check, in this order.
//!
//! It leaves the plain files to `files` and writing to `writer`. Always true: a store of another format, or one that is
//! open elsewhere, is left as it was; what a repair takes out of sled's way is moved, not deleted.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    OpenError, Reader, Writer,
    error::Failure,
    files::{self, FORMAT, Layout, Mark},
    panics::caught,
    shape::{COMMITS_KEY, VERSION_KEY},
    shared::Shared,
    space,
    watchdog::{COMMIT_LIMIT, OPEN_LIMIT, Watchdog},
    writer,
};

/// sled's cache unless the settings say otherwise. It counts pages as they lie on the disk, which take about twice as
/// much in memory. More was not faster in trials; sled's own default is 1 GiB.
const CACHE_BYTES: u64 = 40 * 1024 * 1024;

/// How long to wait for threads of sled that still hold the file after this process closed the store.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// How often to try again meanwhile.
const RELEASE_PAUSE: Duration = Duration::from_millis(5);

/// What can be set for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSettings {
    /// Bytes of memory for sled's cache: 64 MiB, unless set.
    pub cache_bytes: u64,
    /// Bytes of the disk that writing leaves free: 256 MiB, unless set. On a disk of which that is more than 2 %, 2 %
    /// count instead; less than 16 MiB it never is.
    pub reserve_bytes: u64,
    /// What to do with a store that has lost acknowledged commits: refuse, unless set.
    pub on_loss: OnLoss,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self { cache_bytes: CACHE_BYTES, reserve_bytes: space::RESERVE_BYTES, on_loss: OnLoss::Refuse }
    }
}

/// What to do with a store that has lost acknowledged commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLoss {
    /// Answer [`OpenError::Lost`].
    Refuse,
    /// Open it as it is, and say in [`Opened::lost`] how much is gone. Its counters are behind: whoever signs by them
    /// must learn the last ones from others first.
    Open,
}

/// What was found, and put right, when a store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// The number of commits in the store.
    pub commits: u64,
    /// The number of acknowledged commits that are gone.
    pub lost: u64,
    /// Where snapshots of sled's page table are now that were damaged and moved out of its way. They hold no data of
    /// their own.
    pub set_aside: Vec<PathBuf>,
}

/// Opens the store in the folder `dir`, which is made if it is not there.
///
/// # Errors
///
/// See [`OpenError`]; after `Newer`, `Older` and `InUse` everything on the disk is as it was.
pub fn open(dir: &Path, settings: DiskSettings) -> Result<(Writer, Reader), OpenError> {
    let layout = Layout { folder: dir.to_owned() };
    files::check_format(&layout)?;
    files::make_folder(&layout)?;
    let mark = Mark::take(&layout)?;
    // Again, now that nobody else can be making it.
    files::check_format(&layout)?;
    files::make_format(&layout).map_err(|error| OpenError::from_io(dir, error))?;
    let acknowledged = mark.read().map_err(|error| OpenError::from_io(&layout.mark(), error))?;
    check_log_is_there(&layout, acknowledged, settings.on_loss)?;

    let in_dir = |error| OpenError::from_io(dir, error);
    let mut opening = Watchdog::start(dir, "opening", OPEN_LIMIT).map_err(in_dir)?;
    let (db, set_aside) = opening.watch(|| recover(&layout, settings.cache_bytes))?;
    drop(opening);
    let shared = Arc::new(Shared::new(db, layout, mark));
    let log = OpenOptions::new().write(true).open(shared.layout.log()).map_err(in_dir)?;
    sync_everything(&shared.layout, &log).map_err(in_dir)?;
    let mut opened = check(&shared, &log, acknowledged, settings.on_loss)?;
    opened.set_aside = set_aside;

    let watchdog = Watchdog::start(dir, "a commit", COMMIT_LIMIT).map_err(in_dir)?;
    let keep_free = space::kept_free(space::disk(dir).map_err(in_dir)?.total, settings.reserve_bytes);
    let reader = Reader::new(shared.clone());
    Ok((Writer::new(shared, log, watchdog, keep_free, opened), reader))
}

/// sled would make a missing log anew, empty.
fn check_log_is_there(layout: &Layout, acknowledged: Option<u64>, on_loss: OnLoss) -> Result<(), OpenError> {
    let (log, acknowledged) = (layout.log(), acknowledged.unwrap_or(0));
    let there = log.try_exists().map_err(|error| OpenError::from_io(&log, error))?;
    if there || acknowledged == 0 || on_loss == OnLoss::Open {
        return Ok(());
    }
    Err(OpenError::Lost { path: layout.folder.clone(), acknowledged, found: 0 })
}

/// Opens sled, with the two repairs that trials have shown to work.
fn recover(layout: &Layout, cache_bytes: u64) -> Result<(sled::Db, Vec<PathBuf>), OpenError> {
    let in_engine = |failure| OpenError::from_failure(&layout.engine(), failure);
    // Left by a process that ended while it wrote one; sled would take it for a snapshot.
    for unfinished in snapshots(layout, Snapshots::Unfinished).map_err(|error| in_engine(error.into()))? {
        fs::remove_file(&unfinished).map_err(|error| OpenError::from_io(&unfinished, error))?;
    }
    match open_engine(layout, cache_bytes)? {
        Err(sled::Error::Corruption { .. }) => {}
        Err(error) => return Err(in_engine(error.into())),
        Ok(db) => return Ok((db, Vec::new())),
    }
    let moved = set_snapshots_aside(layout).map_err(|error| in_engine(error.into()))?;
    let db = open_engine(layout, cache_bytes)?.map_err(|error| in_engine(error.into()))?;
    Ok((db, moved))
}

/// Asks sled to open its folder. Threads of sled that are about to end may still hold a file that this process closed
/// a moment ago; they are waited for, since `acknowledged` is locked and nobody else can be at it.
fn open_engine(layout: &Layout, cache_bytes: u64) -> Result<sled::Result<sled::Db>, OpenError> {
    // No flushing in the background: a commit flushes. `mode` is left out, since 0.34.7 reads it nowhere.
    let config = sled::Config::new()
        .path(layout.engine())
        .cache_capacity(cache_bytes)
        .flush_every_ms(None)
        .use_compression(false);
    let begun = Instant::now();
    loop {
        let opened = caught(|| config.open())
            .map_err(|why| OpenError::from_failure(&layout.engine(), Failure::Panicked(why)))?;
        match &opened {
            Err(sled::Error::Io(error)) if is_lock_refusal(error) => {}
            _ => return Ok(opened),
        }
        if begun.elapsed() > RELEASE_LIMIT {
            return Err(OpenError::InUse { path: layout.folder.clone() });
        }
        thread::sleep(RELEASE_PAUSE);
    }
}

/// sled reports a lock that it did not get as an error of no kind, in words.
fn is_lock_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().starts_with("could not acquire lock")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Snapshots {
    Unfinished,
    All,
}

fn snapshots(layout: &Layout, which: Snapshots) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let folder = match fs::read_dir(layout.engine()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        folder => folder?,
    };
    for file in folder {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("snap.") && (which == Snapshots::All || name.ends_with(".generating")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn set_snapshots_aside(layout: &Layout) -> io::Result<Vec<PathBuf>> {
    let aside = layout.set_aside();
    fs::create_dir_all(&aside)?;
    let mut moved = Vec::new();
    for snapshot in snapshots(layout, Snapshots::All)? {
        let target = aside.join(snapshot.file_name().unwrap_or_default());
        fs::rename(&snapshot, &target)?;
        moved.push(target);
    }
    files::sync_folder(&aside)?;
    files::sync_folder(&layout.engine())?;
    Ok(moved)
}

/// What sled has made or repaired must last before the first commit is built on it: it syncs neither its settings file
/// nor the names of its files. No file is made later on, so commits need to sync the log only.
fn sync_everything(layout: &Layout, log: &File) -> io::Result<()> {
    log.sync_all()?;
    File::open(layout.engine().join("conf"))?.sync_all()?;
    files::sync_folder(&layout.engine().join("blobs"))?;
    files::sync_folder(&layout.engine())?;
    files::sync_folder(&layout.folder)?;
    match layout.folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => files::sync_folder(parent),
        _ => Ok(()),
    }
}

/// Checks the version inside the store and the number of commits, and writes both into a new one.
fn check(shared: &Shared, log: &File, acknowledged: Option<u64>, on_loss: OnLoss) -> Result<Opened, OpenError> {
    let failed = |failure| OpenError::from_failure(&shared.layout.engine(), failure);
    let commits = number(shared, COMMITS_KEY).map_err(failed)?.unwrap_or(0);
    let lost = acknowledged.unwrap_or(0).saturating_sub(commits);
    if lost > 0 && on_loss == OnLoss::Refuse {
        let (path, acknowledged) = (shared.layout.folder.clone(), commits.saturating_add(lost));
        return Err(OpenError::Lost { path, acknowledged, found: commits });
    }
    match number(shared, VERSION_KEY).map_err(failed)? {
        Some(version) => {
            files::judge_format(&shared.layout, u32::try_from(version).unwrap_or(u32::MAX))?;
            if version < u64::from(FORMAT) {
                files::write_format(&shared.layout)
                    .map_err(|error| OpenError::from_io(&shared.layout.format(), error))?;
                write_version(shared, log).map_err(failed)?;
            }
        }
        None => begin(shared, log).map_err(failed)?,
    }
    if acknowledged != Some(commits) {
        let marked = shared.mark.write(commits).and_then(|()| shared.mark.sync());
        marked.map_err(|error| OpenError::from_io(&shared.layout.mark(), error))?;
    }
    Ok(Opened { commits, lost, set_aside: Vec::new() })
}

/// Writes the version into a store that has nothing in it.
fn begin(shared: &Shared, log: &File) -> Result<(), Failure> {
    let first = caught(|| shared.tree().first()).map_err(Failure::Panicked)??;
    if first.is_some() {
        return Err(Failure::Damaged("the version of its format is missing".to_owned()));
    }
    write_version(shared, log)
}

fn write_version(shared: &Shared, log: &File) -> Result<(), Failure> {
    let mut changes = sled::Batch::default();
    changes.insert(VERSION_KEY, &u64::from(FORMAT).to_be_bytes());
    writer::apply(shared, changes)?;
    writer::sync(log)
}

fn number(shared: &Shared, key: &[u8]) -> Result<Option<u64>, Failure> {
    let Some(stored) = shared.stored(key)? else {
        return Ok(None);
    };
    let bytes = stored.as_ref().try_into();
    let bytes = bytes.map_err(|_| Failure::Damaged("one of its numbers has a wrong length".to_owned()))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}
