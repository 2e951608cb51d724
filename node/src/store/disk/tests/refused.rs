//! What is not opened, and stays as it was.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::tempdir;

use super::{alone, opened, puts};
use crate::store::disk::{DiskSettings, FORMAT, OnLoss, OpenError, open};

/// Every file under a folder with its bytes; folders have none.
fn picture(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for file in fs::read_dir(folder).expect("listed") {
        let path = file.expect("listed").path();
        if path.is_dir() {
            all.extend(picture(&path));
            all.insert(path, None);
        } else {
            let bytes = fs::read(&path).expect("read");
            all.insert(path, Some(bytes));
        }
    }
    all
}

fn refusal(folder: &Path) -> OpenError {
    open(folder, DiskSettings::default()).expect_err("it is refused")
}

#[test]
fn a_newer_or_older_format_is_refused_and_nothing_is_changed() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    writer.commit(&puts([("key", "value")])).expect("committed");
    drop((writer, reader));
    // What a crash may leave, and an open would take away; sled would take it for its newest snapshot.
    let unfinished = folder.path().join("sled").join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(&unfinished, "half").expect("written");
    // What an open would make, if it is missing.
    let mark = folder.path().join("acknowledged");
    let marked = fs::read(&mark).expect("read");
    fs::remove_file(&mark).expect("removed");

    for (text, newer) in
        [(format!("{}\n", FORMAT + 1), true), ("4000000000".to_owned(), true), ("0\n".to_owned(), false)]
    {
        fs::write(folder.path().join("format"), &text).expect("written");
        let before = picture(folder.path());
        match refusal(folder.path()) {
            OpenError::Newer { found, known, .. } => assert!(newer && found > known),
            OpenError::Older { found, known, .. } => assert!(!newer && found < known),
            other => panic!("{other:?}"),
        }
        assert_eq!(picture(folder.path()), before);
    }
    fs::write(folder.path().join("format"), format!("{FORMAT}\n")).expect("written");
    fs::write(&mark, marked).expect("written");
    let (writer, reader) = opened(folder.path());
    assert!(!unfinished.exists());
    assert!(writer.opened().set_aside.is_empty(), "it was nobody's damage");
    assert_eq!(reader.get(b"key").expect("read"), Some(b"value".to_vec()));
}

#[test]
fn a_store_of_the_format_before_is_read_and_becomes_one_of_today() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    writer.commit(&puts([("key", "value")])).expect("committed");
    let tree = reader.shared.tree();
    tree.insert(b"\0version", &1_u64.to_be_bytes()).expect("sled writes");
    tree.flush().expect("sled flushes");
    drop((writer, reader));
    // As it was, and as a crash between the two would leave it.
    for text in ["1\n".to_owned(), "2\n".to_owned(), "3\n".to_owned(), format!("{FORMAT}\n")] {
        fs::write(folder.path().join("format"), text).expect("written");
        let (_writer, reader) = opened(folder.path());
        assert_eq!(reader.get(b"key").expect("read"), Some(b"value".to_vec()));
        let format = fs::read_to_string(folder.path().join("format")).expect("read");
        assert_eq!(format, format!("{FORMAT}\n"));
        let tree = reader.shared.tree();
        let version = tree.insert(b"\0version", &1_u64.to_be_bytes()).expect("sled writes");
        assert_eq!(version.as_deref(), Some(&u64::from(FORMAT).to_be_bytes()[..]));
        tree.flush().expect("sled flushes");
    }
}

#[test]
fn a_format_that_is_no_number_or_missing_is_damage() {
    for damage in [&b"one"[..], b"", b"1 2", b"\xff\xfe", b"99999999999999999999"] {
        let folder = tempdir().expect("a folder");
        drop(opened(folder.path()));
        fs::write(folder.path().join("format"), damage).expect("written");
        let before = picture(folder.path());
        assert!(matches!(refusal(folder.path()), OpenError::Damaged { path, .. } if path.ends_with("format")));
        assert_eq!(picture(folder.path()), before);
    }
    let folder = tempdir().expect("a folder");
    drop(opened(folder.path()));
    fs::remove_file(folder.path().join("format")).expect("removed");
    assert!(matches!(refusal(folder.path()), OpenError::Damaged { .. }));
}

#[test]
fn a_version_inside_the_store_that_is_newer_is_refused_too() {
    let folder = tempdir().expect("a folder");
    let (writer, reader) = opened(folder.path());
    let tree = reader.shared.tree();
    tree.insert(b"\0version", &7_u64.to_be_bytes()).expect("sled writes");
    tree.flush().expect("sled flushes");
    drop((writer, reader));
    assert!(matches!(refusal(folder.path()), OpenError::Newer { found: 7, .. }));
}

#[test]
fn a_store_that_is_open_is_not_opened_twice_and_can_be_opened_once_it_is_closed() {
    let folder = tempdir().expect("a folder");
    let (writer, reader) = opened(folder.path());
    // One that the process at work may just be writing.
    let unfinished = folder.path().join("sled").join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(unfinished, "half").expect("written");
    let before = picture(folder.path());
    assert!(matches!(refusal(folder.path()), OpenError::InUse { .. }));
    drop(writer);
    assert!(matches!(refusal(folder.path()), OpenError::InUse { .. }), "a reader keeps it open");
    assert_eq!(picture(folder.path()), before);
    drop(reader);
    opened(folder.path());
}

#[test]
fn lost_commits_are_refused_until_the_loss_is_accepted() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    for round in 0..5_u8 {
        writer.commit(&puts([([round], "value")])).expect("committed");
    }
    drop((writer, reader));
    fs::remove_file(folder.path().join("sled").join("db")).expect("removed");
    let before = picture(folder.path());
    for _ in 0..2 {
        assert!(matches!(refusal(folder.path()), OpenError::Lost { acknowledged: 5, found: 0, .. }));
    }
    assert_eq!(picture(folder.path()), before);
    let settings = DiskSettings { on_loss: OnLoss::Open, ..DiskSettings::default() };
    let (writer, reader) = open(folder.path(), settings).expect("the loss is accepted");
    assert_eq!((writer.opened().commits, writer.opened().lost), (0, 5));
    drop((writer, reader));
    assert_eq!(opened(folder.path()).0.opened().lost, 0, "accepted once and for all");
}

#[test]
fn a_damaged_count_of_commits_accuses_nobody() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    writer.commit(&puts([("key", "value")])).expect("committed");
    drop((writer, reader));
    fs::write(folder.path().join("acknowledged"), [0xaa; 16]).expect("written");
    assert_eq!(opened(folder.path()).0.opened().commits, 1);
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_nothing_is_missing() {
    let folder = tempdir().expect("a folder");
    let (mut writer, _) = opened(folder.path());
    for round in 0..200_u8 {
        writer.commit(&puts([([round], vec![round; 2_000])])).expect("committed");
    }
    drop(writer);
    drop(opened(folder.path()));
    let snapshot = fs::read_dir(folder.path().join("sled")).expect("listed").map(|file| file.expect("listed").path());
    let snapshot =
        snapshot.into_iter().find(|path| path.to_string_lossy().contains("snap.")).expect("opening makes one");
    let mut bytes = fs::read(&snapshot).expect("read");
    bytes[20] ^= 1;
    fs::write(&snapshot, bytes).expect("written");

    let (writer, reader) = opened(folder.path());
    assert_eq!(writer.opened().set_aside.len(), 1);
    assert!(writer.opened().set_aside[0].exists());
    assert_eq!(super::contents(&reader).len(), 200);
}

#[test]
fn a_folder_that_may_not_be_written_is_refused_by_name() {
    let folder = tempdir().expect("a folder");
    drop(opened(&folder.path().join("old")));
    fs::create_dir(folder.path().join("new")).expect("made");
    for name in ["old", "old/sled", "new"] {
        fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o555)).expect("set");
    }
    for name in ["old/acknowledged", "old/format", "old/sled/db", "old/sled/conf"] {
        fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o444)).expect("set");
    }
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("set");

    let mut child = alone(module_path!(), "opens_the_folders_of_somebody_else");
    child.env("FOLDER", folder.path()).stdin(Stdio::null());
    let mut why_skipped = None;
    if File::create(folder.path().join("new").join("probe")).is_ok() {
        fs::remove_file(folder.path().join("new").join("probe")).expect("removed");
        // Permissions do not bind root: somebody whom they do bind must look.
        child.uid(65_534).gid(65_534);
        why_skipped = Some("permissions do not bind this process, and it may not start another as nobody");
    }
    match (child.output(), why_skipped) {
        (Ok(done), _) => assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout)),
        (Err(error), Some(why)) => {
            eprintln!("SKIPPED a_folder_that_may_not_be_written_is_refused_by_name: {why}: {error}")
        }
        (Err(error), None) => panic!("{error}"),
    }
    for name in ["old", "old/sled", "new"] {
        fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o755)).expect("set back");
    }
}

#[test]
#[ignore = "run by a_folder_that_may_not_be_written_is_refused_by_name"]
fn opens_the_folders_of_somebody_else() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").expect("set by the test that runs this one"));
    let before = picture(&folder);
    for name in ["old", "new", "not/there"] {
        let refused = refusal(&folder.join(name));
        assert!(matches!(refused, OpenError::ReadOnly { .. }), "{name}: {refused:?}");
    }
    assert_eq!(picture(&folder), before);
}
