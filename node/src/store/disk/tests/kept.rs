//! What is committed is there, in any shape and size.

use std::{fs, ops::Bound};

use proptest::prelude::*;
use tempfile::tempdir;

use super::{contents, opened, puts};
use crate::limits;
use crate::store::disk::{
    Batch, Direction, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, WriteError, range,
    shape::{self, PIECE_BYTES, caller_key, stored_key},
};

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempdir().expect("a folder");
    let (mut writer, _) = opened(folder.path());
    writer.commit(&puts([("a", "1"), ("b", "2"), ("", "empty key"), ("c", "")])).expect("committed");
    let mut second = puts([("a", "3")]);
    second.delete("b");
    second.delete("never there");
    assert_eq!(writer.commit(&second).expect("committed").number, 2);
    drop(writer);

    let (writer, reader) = opened(folder.path());
    assert_eq!(writer.opened().commits, 2);
    assert_eq!(writer.opened().lost, 0);
    let expected = [(vec![], b"empty key".to_vec()), (b"a".to_vec(), b"3".to_vec()), (b"c".to_vec(), vec![])];
    assert_eq!(contents(&reader), expected.into());
    assert_eq!(reader.get(b"b").expect("read"), None);
}

#[test]
fn what_is_put_is_read_at_once_and_acknowledged_by_the_next_sync_or_commit() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    let acknowledged = || reader.shared.mark.read().expect("read");
    for (number, commits) in [(1, false), (3, true)] {
        let before = acknowledged();
        assert_eq!(writer.put(&puts([("a", number.to_string())])).expect("put").number, number);
        assert_eq!(reader.get(b"a").expect("read"), Some(number.to_string().into_bytes()));
        assert!(writer.sync_within().is_some_and(|left| left <= limits::UNSYNCED_TIME));
        assert_eq!(acknowledged(), before);
        if commits {
            writer.commit(&puts([("b", "2")])).expect("committed");
            assert_eq!(acknowledged(), Some(number + 1));
        } else {
            writer.sync().expect("synced");
            assert_eq!(acknowledged(), Some(number));
            writer.commit(&puts([("b", "1")])).expect("committed");
        }
        assert_eq!(writer.sync_within(), None);
        writer.sync().expect("there is nothing to sync");
    }
    writer.put(&puts([("a", "5")])).expect("put");
    writer.commit(&Batch::default()).expect("of nothing, and of what was put");
    assert_eq!((writer.sync_within(), acknowledged()), (None, Some(5)));
}

#[test]
fn values_of_every_size_come_back_and_leave_nothing_behind() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    let sizes = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 60_000, MAX_VALUE_BYTES];
    for before in sizes {
        for after in sizes {
            writer.commit(&puts([("key", vec![1; before])])).expect("committed");
            writer.commit(&puts([("key", vec![2; after])])).expect("committed");
            assert_eq!(reader.get(b"key").expect("read"), Some(vec![2; after]), "{before} then {after}");
        }
    }
    let mut deletion = Batch::new();
    deletion.delete("key");
    writer.commit(&deletion).expect("committed");
    // What is left in sled's tree: the version and the number of commits.
    assert_eq!(reader.shared.tree().len(), 2);
}

#[test]
fn no_size_of_key_or_value_makes_sled_write_a_file_that_it_does_not_sync() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    let mut batch = Batch::new();
    for number in 0..5_000_u32 {
        // The longest stored form of a key, and no two of them alike before their ends.
        let mut key = vec![u8::MAX; MAX_KEY_BYTES - 4];
        key.extend(number.to_be_bytes());
        let len = if number < 1_000 { PIECE_BYTES } else { 1 };
        batch.put(key, vec![7; len]);
        if batch.len() == 100 {
            writer.commit(&std::mem::take(&mut batch)).expect("committed");
        }
    }
    for number in 0..40_u32 {
        writer.commit(&puts([(number.to_be_bytes(), vec![7; 60_000])])).expect("committed");
    }
    assert_eq!(contents(&reader).len(), 5_040);
    assert_eq!(reader.scan(range::ALL, Direction::Backward).count(), 5_040);
    drop((writer, reader));
    let (_writer, reader) = opened(folder.path());
    assert_eq!(contents(&reader).len(), 5_040);
    let blobs = fs::read_dir(folder.path().join("sled").join("blobs")).expect("sled makes that folder");
    assert_eq!(blobs.count(), 0);
}

#[test]
fn walking_backwards_gets_past_long_runs_of_the_highest_byte() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    let mut expected = 0;
    for first in 0..200_u8 {
        let keys = (0..first % 40 + 12).map(|last| [&[7, first][..], &[u8::MAX; 6], &[last]].concat());
        let batch = puts(keys.map(|key| (key, [1])));
        expected += batch.len();
        writer.commit(&batch).expect("committed");
    }
    let backward: Vec<_> = reader.scan(range::ALL, Direction::Backward).map(|pair| pair.expect("read").0).collect();
    assert_eq!(backward.len(), expected);
    assert!(backward.windows(2).all(|keys| keys[0] > keys[1]));
}

#[test]
fn a_prefix_is_scanned_to_its_end_and_no_further() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    let keys: [&[u8]; 6] = [b"a", b"\xff", b"\xff\xff", b"\xff\xff\xff", b"\xff\xff\xff\xff", b"b\xff"];
    writer.commit(&puts(keys.map(|key| (key, "")))).expect("committed");
    let under = |prefix: &[u8]| reader.scan_prefix(prefix, Direction::Backward).count();
    assert_eq!(under(b""), 6);
    assert_eq!(under(b"\xff"), 4);
    assert_eq!(under(b"\xff\xff\xff"), 2);
    assert_eq!(under(b"b\xff"), 1);
    assert_eq!(under(b"b\xff\0"), 0);
    let crossed = (Bound::Excluded(&b"a"[..]), Bound::Excluded(&b"a"[..]));
    assert_eq!(reader.scan(crossed, Direction::Forward).count(), 0);
}

#[test]
fn limits_are_refused_without_ending_the_writer() {
    let folder = tempdir().expect("a folder");
    let (mut writer, reader) = opened(folder.path());
    let long_key = puts([(vec![1; MAX_KEY_BYTES + 1], vec![])]);
    assert!(matches!(writer.commit(&long_key), Err(WriteError::LongKey { len, .. }) if len == MAX_KEY_BYTES + 1));
    let long_value = puts([(vec![1], vec![1; MAX_VALUE_BYTES + 1])]);
    assert!(matches!(writer.commit(&long_value), Err(WriteError::LongValue { .. })));
    let keys = (0..).take(MAX_BATCH_BYTES / MAX_VALUE_BYTES).map(u32::to_be_bytes);
    let long_batch = puts(keys.map(|key| (key, vec![1; MAX_VALUE_BYTES])));
    assert!(matches!(writer.commit(&long_batch), Err(WriteError::LongBatch { .. })));
    assert!(contents(&reader).is_empty());

    writer.commit(&puts([(vec![1; MAX_KEY_BYTES], vec![1; MAX_VALUE_BYTES])])).expect("the limits themselves are kept");
    assert_eq!(writer.commit(&Batch::new()).expect("nothing to do").number, 1);
}

proptest! {
    #[test]
    fn stored_keys_sort_as_keys_do_and_can_be_read_back(
        a in prop::collection::vec(prop::sample::select(vec![0, 1, 254, 255]), 0..12),
        b in prop::collection::vec(prop::sample::select(vec![0, 1, 254, 255]), 0..12),
    ) {
        prop_assert_eq!(stored_key(&a).cmp(&stored_key(&b)), a.cmp(&b));
        prop_assert_eq!(stored_key(&a).starts_with(&stored_key(&b)), a.starts_with(&b));
        prop_assert_eq!(caller_key(&stored_key(&a)), Some(a.clone()));
        prop_assert!(!stored_key(&a).windows(4).any(|run| run == [255; 4]));
        prop_assert!(!shape::piece_key(&a, 1).windows(4).any(|run| run == [255; 4]));
    }

    #[test]
    fn no_bytes_in_the_tree_can_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let _ = shape::parse(&bytes);
        if let Some(key) = caller_key(&bytes) {
            prop_assert_eq!(stored_key(&key), bytes);
        }
    }
}
