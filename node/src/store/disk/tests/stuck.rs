//! Failing and hanging writes, and panics of the engine.

use std::{
    fs::File,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tempfile::tempdir;

use super::{alone, contents, opened, puts};
use crate::store::disk::{STUCK_EXIT, WriteError, panics::caught, watchdog::Watchdog};

#[test]
fn after_a_failed_sync_the_writer_writes_no_more_and_says_why_each_time() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    writer.commit(&puts([("before", "1")])).expect("committed");
    // A device that cannot be synced.
    let good = std::mem::replace(&mut writer.log, File::open("/dev/null").expect("there is one"));
    let first = writer.commit(&puts([("during", "2")])).expect_err("the sync fails");
    assert!(matches!(first, WriteError::Io { .. }));
    writer.log = good;
    for _ in 0..2 {
        let later = writer.commit(&puts([("after", "3")])).expect_err("it has stopped");
        assert_eq!(format!("{later:?}"), format!("{first:?}"));
    }
    assert_eq!(reader.get(b"before").expect("reading goes on"), Some(b"1".to_vec()));
    drop((writer, reader));

    let (mut writer, reader) = opened(folder.path());
    assert!(!contents(&reader).contains_key(&b"after"[..]));
    writer.commit(&puts([("after", "4")])).expect("opened again, it writes");
}

/// How long the work of a test may take.
const SHORT_LIMIT: Duration = Duration::from_millis(120);

#[test]
fn a_commit_that_hangs_ends_the_process_with_one_clear_line() {
    let begun = Instant::now();
    let done = alone(module_path!(), "hangs").output().expect("it runs");
    assert_eq!(done.status.code(), Some(STUCK_EXIT), "{:?}", done.status.signal());
    let text = String::from_utf8(done.stdout).expect("text");
    assert!(text.contains("much work was done"), "work that ends is left alone: {text}");
    let line = String::from_utf8(done.stderr).expect("text");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains("/the/store") && line.contains("a commit"), "{line}");
    assert!(begun.elapsed() < 100 * SHORT_LIMIT);
}

#[test]
#[ignore = "run by a_commit_that_hangs_ends_the_process_with_one_clear_line"]
fn hangs() {
    let mut watchdog = Watchdog::start(Path::new("/the/store"), "a commit", SHORT_LIMIT).expect("started");
    let begun = Instant::now();
    while begun.elapsed() < 4 * SHORT_LIMIT {
        watchdog.watch(thread::yield_now);
    }
    writeln!(std::io::stdout(), "much work was done").expect("somebody listens");
    watchdog.watch(|| {
        loop {
            thread::park();
        }
    });
}

#[test]
fn a_watchdog_ends_with_its_owner_at_once() {
    let watchdog = Watchdog::start(Path::new("/the/store"), "a commit", Duration::from_secs(3_600)).expect("started");
    let seen = std::sync::Arc::downgrade(&watchdog.watch);
    drop(watchdog);
    assert!(seen.upgrade().is_none(), "its thread is gone");
}

#[test]
fn a_caught_panic_becomes_one_short_line_and_others_pass() {
    let caught_text = caught(|| panic!("first line\nsecond line of {}", 3)).expect_err("it panics");
    assert!(caught_text.starts_with("first line at ") && caught_text.contains("stuck.rs"), "{caught_text}");
    assert!(caught(|| panic!("{}", "long ".repeat(1_000))).expect_err("it panics").len() < 400);
    assert_eq!(caught(|| 5), Ok(5));

    let done = alone(module_path!(), "panics_inside_and_outside").output().expect("it runs");
    let text = String::from_utf8(done.stderr).expect("text");
    assert!(text.contains("shown") && !text.contains("hidden"), "{text}");
}

#[test]
#[ignore = "run by a_caught_panic_becomes_one_short_line_and_others_pass"]
fn panics_inside_and_outside() {
    assert!(caught(|| panic!("hidden")).is_err());
    panic!("shown");
}
