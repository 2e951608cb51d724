//! What a broker's desk keeps, as rows of one table: the byte after the table's says what a row is.
//!
//! ```text
//! t, from, to -> how tags of the one community are said in the other
//! ```
//!
//! Leaves to others: what is kept, and its bounds (the engine). Always true: no other table says the same, so nothing
//! here is made anew when the tables are brought up.

use hearth_protocol::{
    desk::{Kept, TagMap},
    id::CommunityId,
};

use super::{
    disk::{Overlay, ReadError},
    keep::{decode_row, encode_row},
    keys::{Key, Table},
};

const TAGS: u8 = b't';

fn tags(from: CommunityId, to: CommunityId) -> Vec<u8> {
    Key::of(Table::Desk).with(&[TAGS]).with(from.as_bytes()).with(to.as_bytes()).into_vec()
}

pub(super) fn keep(overlay: &mut Overlay<'_>, kept: Kept) {
    match kept {
        Kept::Tags { from, to, map } if map.iter().next().is_none() => overlay.delete(tags(from, to)),
        Kept::Tags { from, to, map } => overlay.put(tags(from, to), encode_row(&map)),
    }
}

pub(super) fn tag_map(overlay: &Overlay<'_>, from: CommunityId, to: CommunityId) -> Result<TagMap, ReadError> {
    Ok(overlay.get(&tags(from, to))?.and_then(|row| decode_row(&row)).unwrap_or_default())
}
