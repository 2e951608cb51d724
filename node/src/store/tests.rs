//! Rows of secrets, as they lie on the disk and as the engine reads them again.

use std::path::Path;

use hearth_protocol::{
    bytes::Bytes,
    engine::{Answer, Keep},
    epoch::SealingKey,
    id::{CertId, CommunityId, OpId},
    key::SecretKey,
    ledger::{Ledger as _, PendingJoin},
    person::Ladder,
    time::Millis,
};

use super::{
    disk::{self, Direction, DiskSettings, Overlay, Reader, Writer},
    keep, keep_answer, kept_answer, open,
    seal::RowSeal,
};

const EPOCH_KEY: [u8; 32] = *b"the key of an epoch of garden...";
const PASTED: &str = "hearth1pasted";
const MADE: &str = "hearth1made";

fn garden() -> CommunityId {
    CommunityId::new([7; 32])
}

fn seal(device: u8) -> RowSeal {
    RowSeal::new(&SealingKey::new([device; 32]))
}

fn sealed(folder: &Path, device: u8) -> (Writer, Reader) {
    open(folder, DiskSettings::default(), seal(device)).unwrap()
}

/// As rows were written before they were sealed.
fn plain(folder: &Path) -> (Writer, Reader) {
    disk::open(folder, DiskSettings::default()).unwrap()
}

fn pending() -> PendingJoin {
    let record = Ladder::new([9; 32]).record(SecretKey::new(&[1; 32]).public(), Bytes([2; 32]), Millis(5));
    let join = record.reveals.first().unwrap().clone();
    PendingJoin { community: garden(), key: PASTED.to_owned(), join }
}

fn keep_secrets(writer: &mut Writer, reader: &Reader) {
    let mut overlay = Overlay::new(reader);
    keep(&mut overlay, Keep::EpochKey(garden(), OpId::new([8; 32]), EPOCH_KEY)).unwrap();
    keep(&mut overlay, Keep::Pending(pending())).unwrap();
    keep_answer(&mut overlay, &[3; 16], Millis(5), &Answer::Invite(CertId::new([4; 32]), MADE.to_owned()));
    assert_all_read(&overlay);
    writer.commit(&overlay.into_batch()).unwrap();
}

#[track_caller]
fn assert_all_read(overlay: &Overlay<'_>) {
    assert_eq!(overlay.epoch_keys(garden()).unwrap(), [(OpId::new([8; 32]), EPOCH_KEY)]);
    assert_eq!(overlay.pending_joins().unwrap(), [pending()]);
    let made = Answer::Invite(CertId::new([4; 32]), MADE.to_owned());
    assert_eq!(kept_answer(overlay, &[3; 16]).unwrap(), Some(made));
    assert_eq!(kept_answer(overlay, &[4; 16]).unwrap(), None);
}

/// How many rows hold one of the secrets as it is.
fn open_secrets(reader: &Reader) -> usize {
    let rows = reader.scan_prefix(b"", Direction::Forward).map(|row| row.unwrap().1);
    let holds = |row: &[u8], secret: &[u8]| row.windows(secret.len()).any(|window| window == secret);
    rows.filter(|row| [&EPOCH_KEY[..], PASTED.as_bytes(), MADE.as_bytes()].iter().any(|secret| holds(row, secret)))
        .count()
}

#[test]
fn secrets_are_sealed_on_the_disk_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = sealed(folder.path(), 1);
    keep_secrets(&mut writer, &reader);
    assert_eq!(open_secrets(&reader), 0);
    drop((writer, reader));
    assert_all_read(&Overlay::new(&sealed(folder.path(), 1).1));
    // The key of another device opens nothing.
    let (_writer, reader) = sealed(folder.path(), 2);
    let overlay = Overlay::new(&reader);
    assert_eq!(overlay.epoch_keys(garden()).unwrap(), []);
    assert_eq!(overlay.pending_joins().unwrap(), []);
    assert_eq!(kept_answer(&overlay, &[3; 16]).unwrap(), None);
}

#[test]
fn rows_written_before_are_read_and_then_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = plain(folder.path());
    keep_secrets(&mut writer, &reader);
    assert_eq!(open_secrets(&reader), 3, "the control: unsealed, they are found");
    // Before anything was sealed: a disk that was full at the first start.
    let as_it_is = reader.clone().with_seal(std::sync::Arc::new(seal(1)));
    assert_all_read(&Overlay::new(&as_it_is));
    drop((writer, reader, as_it_is));

    let (writer, reader) = sealed(folder.path(), 1);
    assert_all_read(&Overlay::new(&reader));
    assert_eq!(open_secrets(&reader), 0);
    let commits = writer.opened().commits;
    drop((writer, reader));
    let (writer, reader) = sealed(folder.path(), 1);
    assert_all_read(&Overlay::new(&reader));
    assert_eq!(writer.opened().commits, commits + 1, "once in the life of a store");
}

#[test]
fn a_sealed_row_is_worth_nothing_under_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = sealed(folder.path(), 1);
    keep_secrets(&mut writer, &reader);
    let row = reader.scan_prefix(b"k", Direction::Forward).next().unwrap().unwrap();
    let mut overlay = Overlay::new(&reader);
    let elsewhere = [&row.0[..row.0.len() - 1], &[0]].concat();
    overlay.put(elsewhere, row.1);
    assert_eq!(overlay.epoch_keys(garden()).unwrap().len(), 1);
}
