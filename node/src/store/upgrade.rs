//! Bringing the tables of an older version up to this one.
//!
//! Version 1 had no index of items by author. Always true: a step that was cut off is done again
//! from its beginning; what is written twice is the same.

use hearth_protocol::{id::ItemId, ledger::Ledger as _, limits, wire::SetName};

use super::{
    disk::{Overlay, ReadError, Reader, WriteError, Writer},
    keep::read_item,
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

/// Brings the tables up to this version.
///
/// # Errors
/// [`UpgradeError`]; what was there is as it was.
pub fn upgrade(writer: &mut Writer, reader: &Reader) -> Result<(), UpgradeError> {
    let marker = Key::of(Table::Indexed).into_vec();
    if Overlay::new(reader).get(&marker)?.is_some() {
        return Ok(());
    }
    index_authors(writer, reader)?;
    let mut overlay = Overlay::new(reader);
    overlay.put(marker, Vec::new());
    writer.commit(&overlay.into_batch())?;
    Ok(())
}

fn index_authors(writer: &mut Writer, reader: &Reader) -> Result<(), UpgradeError> {
    let communities = Overlay::new(reader).communities()?;
    let founded = communities.iter().filter_map(|genesis| {
        hearth_protocol::community::Community::check(genesis.clone()).ok().map(|community| community.id)
    });
    for community in founded {
        let mut after = None;
        loop {
            let mut overlay = Overlay::new(reader);
            let ids = overlay.ids(community, SetName::Items, after, limits::FETCH)?;
            for id in &ids {
                if let Some((item, _)) = read_item(&overlay, ItemId(*id))? {
                    let key = keys::author(community, item.header.author).with(item.id.as_bytes());
                    overlay.put(key.into_vec(), Vec::new());
                }
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
