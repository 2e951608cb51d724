//! What a broker's desk keeps, as rows of one table: the byte after the table's says what a row is. And what a desk reads
//! of the other tables: the store's sequence, who endorsed what, and what this person has carried.
//!
//! ```text
//! t, from, to -> how tags of the one community are said in the other
//! s, selection -> selection
//! c, selection, item -> candidate
//! ```
//!
//! Leaves to others: what is kept, and its bounds (the engine). Always true: no other table says the same, so nothing
//! here is made anew when the tables are brought up.

use std::{collections::BTreeSet, ops::Bound};

use hearth_protocol::{
    desk::{Candidate, Kept, Selection, TagMap},
    id::{CommunityId, EnvelopeId, ItemId, PersonId, SelectionId},
    item::Kind,
    ledger::Ledger as _,
    link::Envelope,
    wire::SetName,
};
use serde::Deserialize;

use super::{
    disk::{Direction, Overlay, ReadError},
    keep::{decode_row, encode_row, read_item},
    keys::{self, Key, Table},
    view::Hop,
};

const TAGS: u8 = b't';
const SELECTION: u8 = b's';
const CANDIDATE: u8 = b'c';

/// Most items of one row of the store's sequence.
const SEQUENCE_ROW: u64 = 60;

/// An item with its number in the store's sequence, and where it is read.
pub type Numbered = (u64, CommunityId, ItemId);

fn key(what: u8) -> Key {
    Key::of(Table::Desk).with(&[what])
}

fn tags(from: CommunityId, to: CommunityId) -> Vec<u8> {
    key(TAGS).with(from.as_bytes()).with(to.as_bytes()).into_vec()
}

fn selection_key(id: SelectionId) -> Vec<u8> {
    key(SELECTION).with(id.as_bytes()).into_vec()
}

fn candidate_key(selection: SelectionId, item: ItemId) -> Vec<u8> {
    key(CANDIDATE).with(selection.as_bytes()).with(item.as_bytes()).into_vec()
}

pub(super) fn keep(overlay: &mut Overlay<'_>, kept: Kept) {
    match kept {
        Kept::Tags { from, to, map } if map.iter().next().is_none() => overlay.delete(tags(from, to)),
        Kept::Tags { from, to, map } => overlay.put(tags(from, to), encode_row(&map)),
        Kept::Selection(selection) => overlay.put(selection_key(selection.id), encode_row(&selection)),
        Kept::NoSelection(id) => overlay.delete(selection_key(id)),
        Kept::Candidate(one) => overlay.put(candidate_key(one.selection, one.item), encode_row(&one)),
        Kept::NoCandidate(selection, item) => overlay.delete(candidate_key(selection, item)),
    }
}

fn one<T: for<'de> Deserialize<'de>>(overlay: &Overlay<'_>, key: &[u8]) -> Result<Option<T>, ReadError> {
    Ok(overlay.get(key)?.and_then(|row| decode_row(&row)))
}

fn all<T: for<'de> Deserialize<'de>>(overlay: &Overlay<'_>, prefix: Key) -> Result<Vec<T>, ReadError> {
    let rows = overlay.scan_prefix(&prefix.into_vec(), Direction::Forward);
    rows.filter_map(|row| row.map(|(_, value)| decode_row(&value)).transpose()).collect()
}

pub(super) fn tag_map(overlay: &Overlay<'_>, from: CommunityId, to: CommunityId) -> Result<TagMap, ReadError> {
    Ok(one(overlay, &tags(from, to))?.unwrap_or_default())
}

pub(super) fn selections(overlay: &Overlay<'_>) -> Result<Vec<Selection>, ReadError> {
    let mut selections: Vec<Selection> = all(overlay, key(SELECTION))?;
    selections.sort_by_key(|selection| (selection.made, selection.id));
    Ok(selections)
}

pub(super) fn selection(overlay: &Overlay<'_>, id: SelectionId) -> Result<Option<Selection>, ReadError> {
    one(overlay, &selection_key(id))
}

pub(super) fn candidates(overlay: &Overlay<'_>, selection: SelectionId) -> Result<Vec<Candidate>, ReadError> {
    all(overlay, key(CANDIDATE).with(selection.as_bytes()))
}

pub(super) fn candidate(
    overlay: &Overlay<'_>,
    selection: SelectionId,
    item: ItemId,
) -> Result<Option<Candidate>, ReadError> {
    one(overlay, &candidate_key(selection, item))
}

impl Overlay<'_> {
    /// The number that the next item will have in the store's sequence.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn next_number(&self) -> Result<u64, ReadError> {
        let next = self.get(&Key::of(Table::Next).into_vec())?;
        Ok(next.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// What came from a number of the store's sequence on, at most `most`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn numbered_from(&self, first: u64, most: usize) -> Result<Vec<Numbered>, ReadError> {
        // A row has the number of its first item.
        let low = Key::of(Table::Sequence).number(first.saturating_sub(SEQUENCE_ROW)).into_vec();
        let high = Key::of(Table::Sequence).number(u64::MAX).into_vec();
        let mut found = Vec::new();
        for row in self.scan((Bound::Included(&low), Bound::Included(&high)), Direction::Forward) {
            let (key, value) = row?;
            let Some(number) = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)) else { continue };
            for (number, both) in (number..).zip(value.as_chunks::<64>().0) {
                let (Some(community), Some(item)) = (both.first_chunk::<32>(), both.last_chunk::<32>()) else {
                    continue;
                };
                if number >= first && found.len() < most {
                    found.push((number, CommunityId::new(*community), ItemId::new(*item)));
                }
            }
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// Who endorses an item in a community, other than its author.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn endorsers(&self, item: ItemId, community: CommunityId) -> Result<BTreeSet<PersonId>, ReadError> {
        let author = read_item(self, item)?.map(|(item, _)| item.header.author);
        let mut found = BTreeSet::new();
        for row in self.scan_prefix(&keys::changes(item).into_vec(), Direction::Forward) {
            let (key, value) = row?;
            let Some(id) = keys::last_id(&key).map(ItemId::new).filter(|_| value.first() == Some(&Kind::ENDORSEMENT.0))
            else {
                continue;
            };
            let Some((endorsement, _)) = read_item(self, id)? else { continue };
            let header = &endorsement.header;
            let stands = header.community == community && !self.is_retracted(id, header.author)?;
            if stands && Some(header.author) != author {
                found.insert(header.author);
            }
        }
        Ok(found)
    }

    /// What was carried into a community and is wanted, the newest first, at most `most`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn carried_into(
        &self,
        community: CommunityId,
        most: usize,
        wanted: impl Fn(&Envelope) -> bool,
    ) -> Result<Vec<Hop>, ReadError> {
        let prefix = keys::places(community, SetName::Envelopes).into_vec();
        let mut found = Vec::new();
        for row in self.scan_prefix(&prefix, Direction::Backward) {
            let Some(id) = keys::last_id(&row?.0).map(EnvelopeId::new) else { continue };
            let Some(kept) = self.envelope(id)? else { continue };
            let Ok(envelope) = kept.signed.read::<Envelope>() else { continue };
            if wanted(&envelope) {
                found.push(Hop { id, envelope, outcome: kept.outcome });
            }
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }
}
