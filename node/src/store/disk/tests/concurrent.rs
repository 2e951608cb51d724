//! Readers beside the writer.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use tempfile::tempdir;

use super::{opened, puts};
use crate::store::disk::Direction;

#[test]
fn a_value_is_read_as_one_commit_left_it_while_the_writer_changes_it() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    writer.commit(&puts([("key", vec![0; 50_000])])).expect("committed");
    let over = AtomicBool::new(false);
    let reads = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut reads = 0_u32;
            while !over.load(Ordering::Acquire) {
                let got = reader.get(b"key").expect("read").expect("it is always there");
                let scanned =
                    reader.scan_prefix(b"key", Direction::Backward).next().expect("it is there").expect("read").1;
                for value in [got, scanned] {
                    assert!(value.iter().all(|byte| *byte == value[0]), "torn");
                    assert_eq!(value.len(), 50_000 + usize::from(value[0]) * 100);
                }
                reads += 1;
            }
            reads
        });
        for round in 1..=200_u8 {
            writer.commit(&puts([("key", vec![round; 50_000 + usize::from(round) * 100])])).expect("committed");
        }
        over.store(true, Ordering::Release);
        watching.join().expect("the reader saw whole values only")
    });
    assert!(reads > 0);
}

#[test]
fn a_reader_outlives_the_writer_and_then_the_store_can_be_opened_again() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    writer.commit(&puts([("key", "value")])).expect("committed");
    drop(writer);
    let mut scan = reader.scan_prefix(b"", Direction::Forward);
    drop(reader);
    assert!(scan.next().is_some());
    drop(scan);
    let (_, reader) = opened(folder.path());
    assert_eq!(reader.get(b"key").expect("read"), Some(b"value".to_vec()));
}
