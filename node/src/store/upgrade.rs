//! Bringing the tables of an older version up to this one.
//!
//! Version 1 had no index of items by author, and none of items and envelopes by their place. Version 2 had
//! the items of both scopes in one set, each at the time that it claims. Always true: a step that was cut
//! off is done again from its beginning; what is written twice
//! is the same.

use hearth_protocol::{
    id::{CommunityId, EnvelopeId, ItemId},
    ledger::Ledger as _,
    limits,
    link::Envelope,
    wire::{AnyId, SetName},
};

use super::{
    disk::{Overlay, ReadError, Reader, WriteError, Writer},
    keep::{put_in_items, read_item},
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

/// What is written for one thing of a set.
type Index = fn(&mut Overlay<'_>, CommunityId, AnyId) -> Result<(), ReadError>;

/// The marker that is there once a step is done, and for which set what is written.
const STEPS: [(Table, &[(SetName, Index)]); 3] = [
    (Table::Indexed, &[(SetName::Items, index_author)]),
    (Table::Placed, &[(SetName::Items, place_item), (SetName::Envelopes, place_envelope)]),
    (Table::Parted, &[(SetName::Items, part_item)]),
];

/// Brings the tables up to this version.
///
/// # Errors
/// [`UpgradeError`]; what was there is as it was.
pub fn upgrade(writer: &mut Writer, reader: &Reader) -> Result<(), UpgradeError> {
    for (marker, indexes) in STEPS {
        let marker = Key::of(marker).into_vec();
        if Overlay::new(reader).get(&marker)?.is_some() {
            continue;
        }
        for (set, index) in indexes {
            index_all(writer, reader, *set, *index)?;
        }
        let mut overlay = Overlay::new(reader);
        overlay.put(marker, Vec::new());
        writer.commit(&overlay.into_batch())?;
    }
    Ok(())
}

fn index_all(writer: &mut Writer, reader: &Reader, set: SetName, index: Index) -> Result<(), UpgradeError> {
    let communities = Overlay::new(reader).communities()?;
    let founded = communities.iter().filter_map(|genesis| {
        hearth_protocol::community::Community::check(genesis.clone()).ok().map(|community| community.id)
    });
    for community in founded {
        let mut after = None;
        loop {
            let mut overlay = Overlay::new(reader);
            let ids = overlay.ids(community, set, after, limits::FETCH)?;
            for id in &ids {
                index(&mut overlay, community, *id)?;
            }
            after = ids.last().copied();
            writer.commit(&overlay.into_batch())?;
            if ids.len() < limits::FETCH {
                break;
            }
        }
    }
    Ok(())
}

fn index_author(overlay: &mut Overlay<'_>, community: CommunityId, id: AnyId) -> Result<(), ReadError> {
    if let Some((item, _)) = read_item(overlay, ItemId(id))? {
        overlay.put(keys::author(community, item.header.author).with(&id.0).into_vec(), Vec::new());
    }
    Ok(())
}

fn place_item(overlay: &mut Overlay<'_>, community: CommunityId, id: AnyId) -> Result<(), ReadError> {
    if let Some((item, _)) = read_item(overlay, ItemId(id))? {
        overlay.put(keys::place(community, SetName::Items, item.header.ts.0, &id.0).into_vec(), Vec::new());
    }
    Ok(())
}

/// Moves an item into the set of its scope, and a change to where what it changes stands.
fn part_item(overlay: &mut Overlay<'_>, community: CommunityId, id: AnyId) -> Result<(), ReadError> {
    let Some((item, _)) = read_item(overlay, ItemId(id))? else { return Ok(()) };
    overlay.delete(keys::set(community, SetName::Items).with(&id.0).into_vec());
    overlay.delete(keys::place(community, SetName::Items, item.header.ts.0, &id.0).into_vec());
    put_in_items(overlay, community, &item)
}

fn place_envelope(overlay: &mut Overlay<'_>, community: CommunityId, id: AnyId) -> Result<(), ReadError> {
    let envelope = overlay.envelope(EnvelopeId(id))?.and_then(|kept| kept.signed.read::<Envelope>().ok());
    if let Some(envelope) = envelope {
        overlay.put(keys::place(community, SetName::Envelopes, envelope.ts.0, &id.0).into_vec(), Vec::new());
    }
    Ok(())
}
