//! The overlay answers as the store will once its batch is committed.

use std::{collections::BTreeMap, ops::Bound};

use proptest::prelude::*;
use tempfile::tempdir;

use super::{contents, opened};
use crate::store::disk::{Direction, Overlay, range};

/// Something done to an overlay.
#[derive(Debug, Clone)]
enum Act {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    /// Commits what is pending and begins anew.
    Commit,
    /// Closes the store and opens it again, without what is pending.
    Reopen,
    Get(Vec<u8>),
    Scan(Bound<Vec<u8>>, Bound<Vec<u8>>),
    Prefix(Vec<u8>),
}

/// Few keys, close together, with the bytes at which carrying and runs go wrong.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0, 1, 255]), 0..6)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (4_000_usize..13_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![key().prop_map(Bound::Included), key().prop_map(Bound::Excluded), Just(Bound::Unbounded)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (key(), value()).prop_map(|(key, value)| Act::Put(key, value)),
        5 => key().prop_map(Act::Delete),
        3 => Just(Act::Commit),
        1 => Just(Act::Reopen),
        4 => key().prop_map(Act::Get),
        4 => (bound(), bound()).prop_map(|(low, high)| Act::Scan(low, high)),
        2 => key().prop_map(Act::Prefix),
    ]
}

/// A model's keys between two bounds, by a plain comparison.
fn within(key: &[u8], low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>) -> bool {
    let over = match low {
        Bound::Included(low) => key >= low.as_slice(),
        Bound::Excluded(low) => key > low.as_slice(),
        Bound::Unbounded => true,
    };
    over && match high {
        Bound::Included(high) => key <= high.as_slice(),
        Bound::Excluded(high) => key < high.as_slice(),
        Bound::Unbounded => true,
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn chosen(model: &Model, choose: impl Fn(&[u8]) -> bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    model.iter().filter(|(key, _)| choose(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn check(overlay: &Overlay<'_>, model: &Model, act: &Act) -> Result<(), TestCaseError> {
    for direction in [Direction::Forward, Direction::Backward] {
        let (found, mut expected) = match act {
            Act::Get(key) => {
                let found = overlay.get(key).expect("read");
                prop_assert_eq!(found.as_ref(), model.get(key));
                continue;
            }
            Act::Scan(low, high) => (
                overlay.scan((low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice)), direction),
                chosen(model, |key| within(key, low, high)),
            ),
            Act::Prefix(prefix) => {
                (overlay.scan_prefix(prefix, direction), chosen(model, |key| key.starts_with(prefix)))
            }
            Act::Put(..) | Act::Delete(_) | Act::Commit | Act::Reopen => {
                (overlay.scan(range::ALL, direction), chosen(model, |_| true))
            }
        };
        if direction == Direction::Backward {
            expected.reverse();
        }
        let found = found.collect::<Result<Vec<_>, _>>().expect("read");
        prop_assert_eq!(found, expected);
    }
    Ok(())
}

fn play(acts: &[Act]) -> Result<(), TestCaseError> {
    let folder = tempdir().expect("a folder");
    let (mut committed, mut model) = (Model::new(), Model::new());
    let (mut writer, mut reader) = opened(folder.path());
    let mut left = acts;
    // Each turn is one batch: it reads through an overlay until something ends it.
    while !left.is_empty() {
        let mut overlay = Overlay::new(&reader);
        let mut last = None;
        while let Some((act, rest)) = left.split_first() {
            left = rest;
            last = Some(act);
            match act {
                Act::Put(key, value) => {
                    overlay.put(key.clone(), value.clone());
                    model.insert(key.clone(), value.clone());
                }
                Act::Delete(key) => {
                    overlay.delete(key.clone());
                    model.remove(key);
                }
                Act::Commit | Act::Reopen => break,
                Act::Get(_) | Act::Scan(..) | Act::Prefix(_) => check(&overlay, &model, act)?,
            }
        }
        check(&overlay, &model, &Act::Commit)?;
        let batch = overlay.into_batch();
        if matches!(last, Some(Act::Reopen)) {
            drop((writer, reader));
            (writer, reader) = opened(folder.path());
            model = committed.clone();
        } else {
            writer.commit(&batch).expect("committed");
            committed = model.clone();
        }
        prop_assert_eq!(&contents(&reader), &committed);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_overlay_equals_the_model_at_every_cut(acts in prop::collection::vec(act(), 1..120)) {
        play(&acts)?;
    }
}
