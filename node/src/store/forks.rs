//! Which items a device signed under one number: an index by number, and what stands twice in it.
//!
//! Leaves to others: what to say of it (the engine and the API). Always true: of each number the two lowest ids are
//! kept, whatever the order in which they came and however often; a row has eight numbers, so that it is bounded and an
//! item costs no row of its own.

use std::{collections::BTreeSet, ops::Bound};

use hearth_protocol::{
    bytes::Bytes,
    epoch::Scope,
    id::{CommunityId, ItemId},
    item::Item,
    key::PublicKey,
    ledger::Fork,
};

use super::{
    disk::{Direction, Overlay, ReadError},
    keep::read_item,
    keys,
};

/// A number of a row, and an item's id.
const ENTRY_BYTES: usize = 33;

/// Puts an item under its number.
pub(super) fn number(overlay: &mut Overlay<'_>, item: &Item) -> Result<(), ReadError> {
    let header = &item.header;
    let key = keys::numbers(header).into_vec();
    let row = overlay.get(&key)?.unwrap_or_default();
    let [low, ..] = (header.seq & 7).to_le_bytes();
    let mut entries: BTreeSet<[u8; ENTRY_BYTES]> = row.as_chunks().0.iter().copied().collect();
    let mut entry = [low; ENTRY_BYTES];
    entry[1..].copy_from_slice(item.id.as_bytes());
    entries.insert(entry);
    let same: Vec<[u8; ENTRY_BYTES]> = entries.iter().filter(|entry| entry[0] == low).copied().collect();
    if let [first, second, beyond @ ..] = &same[..] {
        overlay.put(keys::fork(header).into_vec(), [&first[1..], &second[1..]].concat());
        entries.retain(|entry| !beyond.contains(entry));
    }
    overlay.put(key, entries.into_iter().flatten().collect::<Vec<u8>>());
    Ok(())
}

/// Indexes an item that was kept before there was this index, by its author's row.
pub(super) fn index(overlay: &mut Overlay<'_>, key: &[u8], _: &[u8]) -> Result<(), ReadError> {
    match keys::last_id(key).map(|id| read_item(overlay, ItemId::new(id))).transpose()?.flatten() {
        Some((item, _)) => number(overlay, &item),
        None => Ok(()),
    }
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
        encoding::V1,
        id::{BodyHash, OpId, PersonId},
        item::{Header, Kind, SignedItem},
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
            prev: None,
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
        let signed = SignedItem { header: Blob::default(), signature: Signature(Bytes([0; 64])) };
        Item { id: ItemId::new([id; 32]), header, signed }
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
                number(&mut overlay, item).unwrap();
            }
            assert_eq!(all_of(&overlay), found, "{turn}");
        }
    }

    fn all_of(overlay: &Overlay<'_>) -> Vec<Fork> {
        super::all(overlay, GARDEN).unwrap()
    }

    #[test]
    fn a_row_has_two_items_of_each_of_eight_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader) = disk::open(folder.path(), DiskSettings::default()).unwrap();
        let mut overlay = Overlay::new(&reader);
        for id in 0..=255 {
            number(&mut overlay, &item(1, Scope::All, u32::from(id) % 8, id)).unwrap();
        }
        let row = overlay.get(&keys::numbers(&item(1, Scope::All, 0, 0).header).into_vec()).unwrap().unwrap();
        assert_eq!(row.len(), 8 * 2 * ENTRY_BYTES);
    }
}
