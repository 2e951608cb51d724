//! A disk that fills up.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::{TempDir, tempdir};

use super::{Dice, contents, opened, puts};
use crate::store::disk::{
    Batch, DiskSettings, OpenError, WriteError,
    error::Failure,
    open,
    space::{Load, RESERVE_BYTES, kept_free, need},
    writer::{apply, sync},
};

const MIB: u64 = 1024 * 1024;

#[test]
fn of_the_reserve_and_two_in_a_hundred_the_smaller_is_kept_free() {
    let kept = |total| kept_free(total, RESERVE_BYTES);
    assert_eq!(kept(1024 * 1024 * MIB), 256 * MIB, "a large disk");
    assert_eq!(kept(5_000 * MIB), 100 * MIB, "a small disk");
    assert_eq!(kept(64 * MIB), 16 * MIB, "the floor");
    assert!(need(16 * MIB, Load::Puts(MIB)) > 17 * MIB);
    assert_eq!(need(u64::MAX, Load::Puts(u64::MAX)), u64::MAX);
}

#[test]
fn a_full_disk_is_refused_before_writing_and_passes() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    writer.commit(&puts([("old", "1")])).expect("committed");
    let before = fs::metadata(folder.path().join("sled").join("db")).expect("there").len();
    writer.keep_free = u64::MAX;
    let full = writer.commit(&puts([("new", "2")])).expect_err("no disk has so much");
    assert!(matches!(full, WriteError::Full { free, need, .. } if free < need));
    assert_eq!(fs::metadata(folder.path().join("sled").join("db")).expect("there").len(), before);
    let mut deletion = Batch::new();
    deletion.delete("old");
    writer.commit(&deletion).expect("deleting goes on");
    writer.keep_free = 0;
    writer.commit(&puts([("new", "2")])).expect("there is space again");
    assert_eq!(contents(&reader), [(b"new".to_vec(), b"2".to_vec())].into());
}

/// A small file system of its own, as long as this lives.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(mib: u64) -> Option<Self> {
        let folder = tempdir().expect("a folder");
        let size = format!("size={mib}m");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output().ok()?;
        done.status.success().then_some(Self(folder))
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    /// Fills the disk to the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.path().join("filling");
        fs::write(&path, vec![1; 256 * 1024 * 1024]).expect_err("it does not fit");
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// Commits until it is refused; answers how many keys there are then.
fn commit_until_refused(store: &Path, dice: &mut Dice, mut number: u32) -> (u32, WriteError) {
    let (mut writer, reader) = opened(store);
    assert_eq!(contents(&reader).len(), number as usize);
    loop {
        let len = usize::try_from(dice.below(40_000)).expect("small");
        match writer.commit(&puts([(number.to_be_bytes(), vec![9; len])])) {
            Ok(_) => number += 1,
            Err(error) => {
                assert_eq!(contents(&reader).len(), number as usize, "reading goes on");
                return (number, error);
            }
        }
    }
}

#[test]
fn a_disk_that_fills_up_loses_nothing_and_the_store_opens_again_and_goes_on() {
    let Some(disk) = SmallDisk::mount(64) else {
        eprintln!(
            "SKIPPED a_disk_that_fills_up_loses_nothing_and_the_store_opens_again_and_goes_on: mounting needs root"
        );
        return;
    };
    let mut dice = Dice::cast("a_disk_that_fills_up");
    let (number, error) = commit_until_refused(&disk.store(), &mut dice, 0);
    assert!(matches!(error, WriteError::Full { .. }), "{error:?}");
    assert!(number > 100, "{number}");
    // It opens within the reserve, and is refused again at once.
    let (again, error) = commit_until_refused(&disk.store(), &mut dice, number);
    assert!(matches!(error, WriteError::Full { .. }), "{error:?}");

    // Somebody else takes the reserve as well.
    let (mut writer, reader) = opened(&disk.store());
    let filling = disk.fill();
    assert!(matches!(writer.commit(&puts([("x", "y")])), Err(WriteError::Full { free: 0, .. })));
    assert_eq!(contents(&reader).len(), again as usize, "reading goes on");
    // Without looking first, sled meets the end of the disk, once it has used up what is free within its file.
    let mut fitted = Vec::new();
    let end = (0..=u8::MAX).find_map(|round| {
        let mut changes = sled::Batch::default();
        (0..200_u8).for_each(|number| changes.insert(&[2, round, number], vec![number; 4_000]));
        let end = apply(&reader.shared, changes).and_then(|()| sync(&writer.log)).err();
        fitted.extend(end.is_none().then_some(round));
        end
    });
    assert!(matches!(end, Some(Failure::Io(_))), "{end:?} after {fitted:?}");
    let left = again as usize + fitted.len() * 200;
    drop((writer, reader));
    let full = open(&disk.store(), DiskSettings::default()).map(drop);
    eprintln!("opening on a disk without a byte free: {full:?}");
    assert!(matches!(full, Ok(()) | Err(OpenError::Full { .. })));
    fs::remove_file(filling).expect("removed");
    let (mut writer, reader) = opened(&disk.store());
    assert_eq!(contents(&reader).len(), left);
    assert!(matches!(writer.commit(&puts([("x", "y")])), Err(WriteError::Full { .. })));
    for key in contents(&reader).into_keys() {
        let mut deletion = Batch::new();
        deletion.delete(key);
        writer.commit(&deletion).expect("deleting goes on");
    }
    assert!(contents(&reader).is_empty());
}
