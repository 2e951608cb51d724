//! Bringing the tables of an older version up to this one.
//!
//! Version 1 had no index of items by author, and none of items and envelopes by the time that they
//! claim. In version 2 that by author had no times, an item had a row more that said that it is in its
//! set, and one more that listed it, and the items of both scopes were one set, each at the time that it
//! claims. Early stores of version 3 have no index by number, later ones one with rows of eight; in all of them a
//! retraction takes a turn of a day, and what waits for a steward is not found. Always true: a step that was cut off is
//! done again from its beginning; what is written twice is the same.

use std::ops::Bound;

use hearth_protocol::{
    bytes::Bytes,
    id::{CommunityId, EnvelopeId, ItemId},
    ledger::Ledger as _,
    limits,
    link::Envelope,
    wire::{AnyId, SetName},
};

use super::{
    disk::{Direction, Overlay, ReadError, Reader, WriteError, Writer},
    forks,
    keep::{EnvelopeRow, Spot, communities, decode_row, enter, queue, read_item},
    keys::{self, Key, Table},
};

/// Why tables cannot be brought up.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What is written for one row.
type Change = fn(&mut Overlay<'_>, &[u8], &[u8]) -> Result<(), ReadError>;

/// One step: the marker that is there once it is done, for the rows of which tables what is written, in this order, and
/// what is written in the end.
type Step = (Table, &'static [(Table, Change)], fn(&mut Overlay<'_>) -> Result<(), ReadError>);

const STEPS: [Step; 6] = [
    (Table::Indexed, &[(Table::Set, index_author)], |_| Ok(())),
    (Table::Placed, &[(Table::Set, place)], |_| Ok(())),
    (
        Table::Packed,
        &[(Table::AuthorOnce, add_time), (Table::Set, move_item), (Table::Timeline, list_at_place)],
        count_listed,
    ),
    (Table::Numbered, &[(Table::Author, forks::index)], |_| Ok(())),
    (Table::Shortened, &[(Table::NumberOfEight, forks::shorten)], |_| Ok(())),
    (Table::Turned, &[(Table::Envelope, order)], |_| Ok(())),
];

/// Brings the tables up to this version.
///
/// # Errors
/// [`UpgradeError`]; what was there is as it was, or as it will be.
pub fn upgrade(writer: &mut Writer, reader: &Reader) -> Result<(), UpgradeError> {
    for (marker, changes, finish) in STEPS {
        let marker = Key::of(marker).into_vec();
        if Overlay::new(reader).get(&marker)?.is_some() {
            continue;
        }
        for (table, change) in changes {
            change_all(writer, reader, *table, *change)?;
        }
        let mut overlay = Overlay::new(reader);
        finish(&mut overlay)?;
        overlay.put(marker, Vec::new());
        writer.commit(&overlay.into_batch())?;
    }
    Ok(())
}

/// Looks at each row of a table once; a page of them is one commit.
fn change_all(writer: &mut Writer, reader: &Reader, table: Table, change: Change) -> Result<(), UpgradeError> {
    let (mut after, end) = (Key::of(table).into_vec(), [table as u8 + 1]);
    loop {
        let mut overlay = Overlay::new(reader);
        let range = (Bound::Excluded(after.as_slice()), Bound::Excluded(&end[..]));
        let rows: Vec<_> = reader.scan(range, Direction::Forward).take(limits::FETCH).collect::<Result<_, _>>()?;
        for (key, value) in &rows {
            change(&mut overlay, key, value)?;
        }
        writer.commit(&overlay.into_batch())?;
        match rows.into_iter().last() {
            Some((last, _)) => after = last,
            None => return Ok(()),
        }
    }
}

/// What a row of the table of sets says: of which community and set, and what is in it.
fn member(key: &[u8]) -> Option<(CommunityId, u8, AnyId)> {
    let (community, rest) = key.get(1..)?.split_first_chunk::<32>()?;
    let (set, id) = rest.split_first()?;
    Some((CommunityId::new(*community), *set, Bytes(id.try_into().ok()?)))
}

fn index_author(overlay: &mut Overlay<'_>, key: &[u8], _: &[u8]) -> Result<(), ReadError> {
    if let Some((_, set, id)) = member(key)
        && set == SetName::Items.number()
        && let Some((item, _)) = read_item(overlay, ItemId(id))?
    {
        overlay.put(keys::written(&item).into_vec(), Vec::new());
    }
    Ok(())
}

fn place(overlay: &mut Overlay<'_>, key: &[u8], _: &[u8]) -> Result<(), ReadError> {
    let Some((community, number, id)) = member(key) else { return Ok(()) };
    let (set, claimed) = if number == SetName::Items.number() {
        (SetName::Items, read_item(overlay, ItemId(id))?.map(|(item, _)| item.header.ts))
    } else if number == SetName::Envelopes.number() {
        let envelope = overlay.envelope(EnvelopeId(id))?.and_then(|kept| kept.signed.read::<Envelope>().ok());
        (SetName::Envelopes, envelope.map(|envelope| envelope.ts))
    } else {
        return Ok(());
    };
    if let Some(claimed) = claimed {
        overlay.put(keys::place(community, set, claimed.0, &id.0).into_vec(), Vec::new());
    }
    Ok(())
}

fn add_time(overlay: &mut Overlay<'_>, key: &[u8], _: &[u8]) -> Result<(), ReadError> {
    if let Some(id) = keys::last_id(key).map(ItemId::new)
        && let Some((item, _)) = read_item(overlay, id)?
    {
        overlay.put(keys::written(&item).into_vec(), Vec::new());
    }
    overlay.delete(key);
    Ok(())
}

/// Takes the turn of what takes none, and finds what waits for a steward.
fn order(overlay: &mut Overlay<'_>, key: &[u8], row: &[u8]) -> Result<(), ReadError> {
    let (Some(id), Some(EnvelopeRow(signed, outcome))) = (keys::last_id(key).map(EnvelopeId::new), decode_row(row))
    else {
        return Ok(());
    };
    let Ok(envelope) = signed.read::<Envelope>() else { return Ok(()) };
    if read_item(overlay, envelope.item)?.is_some_and(|(item, _)| item.header.kind.needs_no_leave()) {
        overlay.delete(keys::turn(&envelope, id).into_vec());
    }
    queue(overlay, envelope.to, id, outcome);
    Ok(())
}

/// Lists an item where this version does.
fn list_at_place(overlay: &mut Overlay<'_>, key: &[u8], by: &[u8]) -> Result<(), ReadError> {
    let community = key.get(1..33).and_then(|id| id.try_into().ok()).map(CommunityId::new);
    let item = keys::last_id(key).map(ItemId::new);
    let (Some(community), Some(item)) = (community, item) else { return Ok(()) };
    let Some((item, received)) = read_item(overlay, item)? else { return Ok(()) };
    let by = by.try_into().ok().map(EnvelopeId::new);
    overlay.delete(key);
    Spot::of(community, &item, received).list(overlay, by);
    Ok(())
}

/// Counts what is listed, which is kept up from then on.
fn count_listed(overlay: &mut Overlay<'_>) -> Result<(), ReadError> {
    for community in communities(overlay)? {
        let mut listed: u64 = 0;
        for prefix in keys::lists(community) {
            for row in overlay.listed_under(&prefix.into_vec()) {
                row?;
                listed += 1;
            }
        }
        overlay.put(keys::listed(community).into_vec(), listed.to_be_bytes());
    }
    Ok(())
}

/// Moves an item into the set of its scope, a change to where what it changes stands, and takes away the row that said
/// that it is in its set.
fn move_item(overlay: &mut Overlay<'_>, key: &[u8], _: &[u8]) -> Result<(), ReadError> {
    let Some((community, set, id)) = member(key) else { return Ok(()) };
    if set != SetName::Items.number() {
        return Ok(());
    }
    overlay.delete(key);
    let Some((item, _)) = read_item(overlay, ItemId(id))? else { return Ok(()) };
    overlay.delete(keys::place(community, SetName::Items, item.header.ts.0, &id.0).into_vec());
    enter(overlay, community, &item)
}
