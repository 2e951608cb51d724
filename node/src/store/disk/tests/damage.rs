//! Damaged files: an error or the truth, never a panic, never for ever.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use tempfile::tempdir;

use super::{Dice, contents, opened, puts};
use crate::store::disk::{Direction, DiskSettings, open, range};

/// How many damages are tried.
const DAMAGES: u32 = 100;
/// How long one of them may take.
const LIMIT: Duration = Duration::from_secs(60);

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// What became of a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It was not opened.
    Refused,
    /// It was opened, and reading or writing said that something is wrong.
    Noticed,
    /// All is there.
    Whole,
    /// Something is missing or wrong, and nobody said so.
    Silent,
}

/// Makes two stores of several segments with a snapshot, and says what is in both: one as closing leaves it, and one as
/// `kill -9` does, with commits that the snapshot does not know.
fn build(closed: &Path, killed: &Path) -> Contents {
    for part in 0..3_u32 {
        let (mut writer, _) = opened(closed);
        for number in 0..150_u32 {
            let key = (part * 150 + number).to_be_bytes();
            let len = if number % 30 == 7 { 9_000 } else { 1_500 };
            writer.commit(&puts([(key, vec![key[3]; len])])).expect("committed");
        }
        if part == 2 {
            copy(closed, killed);
        }
    }
    contents(&opened(closed).1)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for file in fs::read_dir(from).expect("listed") {
        let path = file.expect("listed").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// Damages one file; answers in words how.
fn damage(folder: &Path, dice: &mut Dice) -> String {
    let sled = folder.join("sled");
    let snapshot = fs::read_dir(&sled).expect("listed").map(|file| file.expect("listed").path());
    let snapshot = snapshot.into_iter().find(|path| path.to_string_lossy().contains("snap."));
    let file = match dice.below(20) {
        0 => snapshot.expect("opening made one"),
        1 => sled.join("conf"),
        2 => folder.join("acknowledged"),
        3 => folder.join("format"),
        _ => sled.join("db"),
    };
    let mut bytes = fs::read(&file).expect("read");
    let at = usize::try_from(dice.below(bytes.len() as u64)).expect("small");
    let how = match dice.below(6) {
        0 => {
            bytes.truncate(at);
            "cut"
        }
        1 => {
            let end = (at + 4_096).min(bytes.len());
            bytes[at..end].fill(0);
            "zeroed"
        }
        2 => {
            let end = (at + 4_096).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte = dice.below(256).to_le_bytes()[0]);
            "overwritten"
        }
        3 => {
            fs::remove_file(&file).expect("removed");
            return format!("{} removed", file.display());
        }
        _ => {
            bytes[at] ^= 1 << dice.below(8);
            "flipped"
        }
    };
    fs::write(&file, bytes).expect("written");
    format!("{how} {} at {at}", file.strip_prefix(folder).expect("inside").display())
}

/// Opens, reads all, reads each, writes, and opens again.
fn try_out(folder: &Path, expected: &Contents) -> Outcome {
    let Ok((mut writer, reader)) = open(folder, DiskSettings::default()) else {
        return Outcome::Refused;
    };
    let forward: Result<Contents, _> = reader.scan(range::ALL, Direction::Forward).collect();
    let backward: Result<Contents, _> = reader.scan(range::ALL, Direction::Backward).collect();
    let single: Result<Vec<_>, _> = expected.keys().map(|key| reader.get(key)).collect();
    let written = writer.commit(&puts([("new", "value")]));
    let (Ok(forward), Ok(backward), Ok(single), Ok(_)) = (forward, backward, single, written) else {
        return Outcome::Noticed;
    };
    let all_single = single.into_iter().zip(expected.values()).all(|(found, value)| found.as_ref() == Some(value));
    if forward == *expected && backward == *expected && all_single { Outcome::Whole } else { Outcome::Silent }
}

#[test]
fn damaged_files_never_panic_or_hang() {
    let mut dice = Dice::cast("damaged_files_never_panic_or_hang");
    let (closed, killed) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let expected = build(closed.path(), killed.path());
    let mut outcomes = Vec::new();
    for round in 0..DAMAGES {
        let folder = tempdir().expect("a folder");
        let bad: PathBuf = folder.path().join("store");
        copy(if round % 2 == 0 { closed.path() } else { killed.path() }, &bad);
        let how = damage(&bad, &mut dice);
        let (done, outcome) = sync_channel(1);
        let expected = expected.clone();
        let trial = thread::spawn(move || done.send(try_out(&bad, &expected)));
        let outcome = outcome.recv_timeout(LIMIT).unwrap_or_else(|error| panic!("{how}: {error}"));
        trial.join().expect("it answered").expect("somebody listened");
        if outcome == Outcome::Silent {
            eprintln!("nobody noticed: {how}");
            assert!(!how.starts_with("cut"), "a log that was cut short is noticed");
        }
        outcomes.push(outcome);
    }
    let count = |outcome| outcomes.iter().filter(|found| **found == outcome).count();
    let counts =
        [Outcome::Refused, Outcome::Noticed, Outcome::Whole, Outcome::Silent].map(|outcome| (outcome, count(outcome)));
    eprintln!("{DAMAGES} damages: {counts:?}");
}
