//! Which items a device signed under one number: an index by number, and what stands twice in it.
//!
//! A row has the numbers of 256 items that follow each other, and of each how its id begins. That is enough to find the
//! item under a number which is taken, since items are kept by their ids; most are not, and then nothing is looked up.
//!
//! Leaves to others: what to say of it (the engine and the API). Always true: of each number under which there are two
//! items, the two lowest ids are kept, whatever the order in which they came and however often; a row is bounded, and an
//! item costs none of its own.

use std::{collections::BTreeSet, ops::Bound};

use hearth_protocol::{
    bytes::Bytes,
    epoch::Scope,
    id::{CommunityId, ItemId},
    item::{Header, Item},
    key::PublicKey,
    ledger::Fork,
};

use super::{
    disk::{Direction, Overlay, ReadError},
    keep::{ItemRow, read_item},
    keys::{self, Key, Table},
};

/// The last byte of a number, and the first four of an item's id: whoever wants many items that begin alike has to try
/// four thousand million times for each.
const ENTRY_BYTES: usize = 5;
/// The same before version 4: the last three bits, and the whole id.
const WHOLE_ENTRY_BYTES: usize = 33;

/// Puts an item, which is kept already, under its number.
pub(super) fn number(overlay: &mut Overlay<'_>, item: &Item) -> Result<(), ReadError> {
    let start = take(overlay, keys::numbers(&item.header), item.header.seq, item.id.as_bytes())?;
    start.map_or(Ok(()), |start| compare(overlay, item, &start))
}

/// Puts an id's beginning under its number; answers with the one that is there already.
fn take(overlay: &mut Overlay<'_>, row: Key, seq: u32, id: &[u8; 32]) -> Result<Option<[u8; 4]>, ReadError> {
    let key = row.into_vec();
    let mut row = overlay.get(&key)?.unwrap_or_default();
    let [low, ..] = seq.to_le_bytes();
    let entries = row.as_chunks::<ENTRY_BYTES>().0;
    let at = entries.partition_point(|[number, ..]| *number < low);
    if let Some([number, start @ ..]) = entries.get(at)
        && *number == low
    {
        return Ok(Some(*start));
    }
    let at = at * ENTRY_BYTES;
    row.splice(at..at, [low, id[0], id[1], id[2], id[3]]);
    overlay.put(key, row);
    Ok(None)
}

/// Keeps the two lowest ids of a number: of this item, of those that are known to have it, and of the one that begins
/// like this.
fn compare(overlay: &mut Overlay<'_>, item: &Item, start: &[u8]) -> Result<(), ReadError> {
    let key = keys::fork(&item.header).into_vec();
    let known = overlay.get(&key)?.unwrap_or_default();
    let mut ids: BTreeSet<[u8; 32]> = known.as_chunks().0.iter().copied().collect();
    if ids.is_empty() {
        for row in overlay.scan_prefix(&Key::of(Table::Item).with(start).into_vec(), Direction::Forward) {
            let (key, value) = row?;
            let other = ItemRow::read(&value).and_then(|row| row.signed.trusted().ok());
            if other.is_some_and(|other| chain(&other.header) == chain(&item.header)) {
                ids.extend(keys::last_id(&key));
            }
        }
    }
    ids.insert(*item.id.as_bytes());
    let mut lowest = ids.iter();
    if let (Some(first), Some(second)) = (lowest.next(), lowest.next()) {
        overlay.put(key, [*first, *second].concat());
    }
    Ok(())
}

/// Where an item stands in its device's chain: two of the same are a fork.
fn chain(header: &Header) -> (CommunityId, Scope, PublicKey, u32) {
    (header.community, header.scope, header.device, header.seq)
}

/// Indexes an item that was kept before there was this index, by its author's row.
pub(super) fn index(overlay: &mut Overlay<'_>, key: &[u8], _: &[u8]) -> Result<(), ReadError> {
    match keys::last_id(key).map(|id| read_item(overlay, ItemId::new(id))).transpose()?.flatten() {
        Some((item, _)) => number(overlay, &item),
        None => Ok(()),
    }
}

/// Brings over a row of eight numbers, as they were before version 4. What stands twice there is known.
pub(super) fn shorten(overlay: &mut Overlay<'_>, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
    overlay.delete(key);
    let Some((chain, eights)) = key.get(1..).and_then(|rest| rest.split_last_chunk()) else { return Ok(()) };
    for [low, id @ ..] in value.as_chunks::<WHOLE_ENTRY_BYTES>().0 {
        let seq = u32::from_be_bytes(*eights) << 3 | u32::from(low & 7);
        take(overlay, keys::numbers_of(chain, seq), seq, id)?;
    }
    Ok(())
}

/// The first number of each device under which it has signed twice. A device may have as many as it likes; one row of
/// each is read.
pub(super) fn all(overlay: &Overlay<'_>, community: CommunityId) -> Result<Vec<Fork>, ReadError> {
    let prefix = keys::forks(community).into_vec();
    let (mut after, end) = (prefix.clone(), [&prefix[..], &[0xff; 38]].concat());
    let mut forks = Vec::new();
    loop {
        let range = (Bound::Excluded(after.as_slice()), Bound::Excluded(end.as_slice()));
        let Some(row) = overlay.scan(range, Direction::Forward).next() else { return Ok(forks) };
        let (key, value) = row?;
        let Some(device) = key.get(prefix.len()..).and_then(|rest| rest.first_chunk::<32>()) else { return Ok(forks) };
        forks.extend(read(&key, *device, &value));
        // Beyond all numbers of this device.
        after = [&prefix[..], device, &[0xff; 6]].concat();
    }
}

fn read(key: &[u8], device: [u8; 32], value: &[u8]) -> Option<Fork> {
    let [scope, seq @ ..] = key.last_chunk::<5>()?;
    let scope = [Scope::All, Scope::Inner].into_iter().find(|known| known.number() == *scope)?;
    let (first, second) = value.split_first_chunk::<32>()?;
    let (first, second) = (ItemId::new(*first), ItemId::new(second.try_into().ok()?));
    Some(Fork { device: PublicKey(Bytes(device)), scope, seq: u32::from_be_bytes(*seq), first, second })
}

#[cfg(test)]
mod tests {
    use hearth_protocol::{
        bytes::{Blob, List},
        encoding::{V1, encode},
        id::{BodyHash, OpId, PersonId},
        item::{Kind, SignedItem},
        key::Signature,
        time::Millis,
    };

    use super::*;
    use crate::store::{DiskSettings, disk};

    const GARDEN: CommunityId = CommunityId::new([1; 32]);

    /// An item of this id; nothing here looks at its signature.
    fn item(device: u8, scope: Scope, seq: u32, id: u8) -> Item {
        let header = Header {
            version: V1,
            kind: Kind::POST,
            community: GARDEN,
            author: PersonId::new([2; 32]),
            device: PublicKey(Bytes([device; 32])),
            seq,
            prev: (seq > 0).then(|| ItemId::new([4; 32])),
            ts: Millis(5),
            auth_heads: List::new(vec![OpId::new([2; 32])]).unwrap(),
            scope,
            reach: 0,
            re: List::none(),
            target: None,
            tags: List::none(),
            body_hash: BodyHash::new([3; 32]),
            body_len: 0,
        };
        let signed = SignedItem { header: Blob::new(encode(&header)).unwrap(), signature: Signature(Bytes([0; 64])) };
        Item { id: ItemId::new([id; 32]), header, signed }
    }

    /// Keeps an item and puts it under its number.
    fn keep(overlay: &mut Overlay<'_>, item: &Item) {
        overlay.put(keys::item(item.id).into_vec(), encode(&(&item.signed, Millis(5))));
        number(overlay, item).unwrap();
    }

    fn fork(device: u8, scope: Scope, seq: u32, ids: [u8; 2]) -> Fork {
        let [first, second] = ids.map(|id| ItemId::new([id; 32]));
        Fork { device: PublicKey(Bytes([device; 32])), scope, seq, first, second }
    }

    #[test]
    fn what_is_signed_twice_is_found_whatever_the_order_and_its_first_number_named() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader) = disk::open(folder.path(), DiskSettings::default()).unwrap();
        let (all, inner) = (Scope::All, Scope::Inner);
        // The first device signs twice from 9 on and, on its other chain, at 3; the second one never; the third at 7,
        // thrice, and with the last number that there is.
        let mut items = vec![item(2, all, 7, 60), item(2, inner, 7, 61), item(2, all, 15, 62), item(2, all, 8, 63)];
        items.extend((0..20).map(|seq| item(1, all, seq, 1 + u8::try_from(seq).unwrap())));
        items.extend((9..20).map(|seq| item(1, all, seq, 30 + u8::try_from(seq).unwrap())));
        items.extend([item(1, inner, 3, 70), item(1, inner, 3, 71)]);
        items.extend(
            [(7, 82), (7, 80), (7, 81), (u32::MAX, 83), (u32::MAX, 84)].map(|(seq, id)| item(255, all, seq, id)),
        );
        let found = [fork(1, all, 9, [10, 39]), fork(255, all, 7, [80, 81])];
        for turn in 0..3 {
            let mut overlay = Overlay::new(&reader);
            match turn {
                0 => {}
                1 => items.reverse(),
                _ => items.sort_by_key(|item| item.id.as_bytes()[0] % 7),
            }
            // Some come twice: shown again after they were hidden.
            for item in items.iter().chain(items.iter().take(9)) {
                keep(&mut overlay, item);
            }
            assert_eq!(all_of(&overlay), found, "{turn}");
        }
    }

    fn all_of(overlay: &Overlay<'_>) -> Vec<Fork> {
        super::all(overlay, GARDEN).unwrap()
    }

    #[test]
    fn items_that_begin_alike_are_told_apart_by_all_of_their_ids() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader) = disk::open(folder.path(), DiskSettings::default()).unwrap();
        let mut overlay = Overlay::new(&reader);
        let alike = |seq, scope, last| {
            let mut item = item(1, scope, seq, 9);
            item.id.0.0[31] = last;
            item
        };
        let others = [alike(4, Scope::All, 1), alike(5, Scope::Inner, 2), alike(5, Scope::All, 3)];
        others.iter().chain(&others).for_each(|item| keep(&mut overlay, item));
        assert_eq!(all_of(&overlay), []);
        keep(&mut overlay, &alike(5, Scope::All, 7));
        keep(&mut overlay, &alike(5, Scope::All, 5));
        let [first, second] = [3, 5].map(|last| alike(5, Scope::All, last).id);
        assert_eq!(all_of(&overlay), [Fork { first, second, ..fork(1, Scope::All, 5, [0, 0]) }]);
    }

    #[test]
    fn a_row_has_256_numbers_and_of_each_one_item() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader) = disk::open(folder.path(), DiskSettings::default()).unwrap();
        let mut overlay = Overlay::new(&reader);
        for id in (0..=255_u8).rev().chain(0..=255) {
            let seq = 256 + (u32::from(id) * 37) % 256;
            keep(&mut overlay, &item(1, Scope::All, seq, id));
            keep(&mut overlay, &item(1, Scope::All, seq, id / 2));
        }
        let row = overlay.get(&keys::numbers(&item(1, Scope::All, 300, 0).header).into_vec()).unwrap().unwrap();
        assert_eq!(row.len(), 256 * ENTRY_BYTES);
        assert!(row.as_chunks::<ENTRY_BYTES>().0.is_sorted());
    }

    #[test]
    fn rows_of_eight_numbers_are_brought_over_and_what_comes_then_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader) = disk::open(folder.path(), DiskSettings::default()).unwrap();
        let (mut overlay, mut fresh) = (Overlay::new(&reader), Overlay::new(&reader));
        let chain = [GARDEN.as_bytes(), [Scope::All.number()].as_slice(), &[1; 32]].concat();
        for row in 0..24_u8 {
            let eights = if row == 23 { u32::MAX >> 3 } else { 20 + u32::from(row) };
            let ids = (0..8).map(|low| (low, row * 8 + u8::try_from(low).unwrap()));
            // Under the third of each row there were two.
            let entries = ids.chain([(3, 250)]).map(|(low, id)| {
                let item = item(1, Scope::All, eights * 8 + low, id);
                overlay.put(keys::item(item.id).into_vec(), encode(&(&item.signed, Millis(5))));
                keep(&mut fresh, &item);
                let mut entry = [id; WHOLE_ENTRY_BYTES];
                entry[0] = u8::try_from(low).unwrap();
                entry
            });
            let mut entries: Vec<_> = entries.collect();
            entries.sort_unstable();
            let key = Key::of(Table::NumberOfEight).with(&chain).with(&eights.to_be_bytes());
            overlay.put(key.into_vec(), entries.concat());
        }
        let rows = |overlay: &Overlay<'_>, table| -> Vec<_> {
            overlay.scan_prefix(&Key::of(table).into_vec(), Direction::Forward).map(Result::unwrap).collect()
        };
        let before = rows(&overlay, Table::NumberOfEight);
        assert_eq!(before.len(), 24);
        for (key, value) in before {
            shorten(&mut overlay, &key, &value).unwrap();
        }
        assert_eq!(rows(&overlay, Table::NumberOfEight), []);
        assert_eq!(rows(&overlay, Table::Number), rows(&fresh, Table::Number));
        // What was kept before has its number.
        keep(&mut overlay, &item(1, Scope::All, 344, 200));
        assert_eq!(all_of(&overlay), []);
        keep(&mut overlay, &item(1, Scope::All, 257, 201));
        assert_eq!(all_of(&overlay), [fork(1, Scope::All, 257, [97, 201])]);
    }
}
