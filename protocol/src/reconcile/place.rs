//! Where items stand in their set.
//!
//! Leaves to others: who is given what from where on (`engine::standing`). Always true: it follows from
//! the item and what it changes alone, so that every node that has both says the same.

use super::Position;
use crate::{
    id::ItemId,
    item::{Header, Kind},
    ledger::Ledger,
    time::Millis,
    wire::SetName,
};

/// Where charters and profiles stand, and changes of them: everybody is given these, whatever their age,
/// and before anything else.
pub const FRONT: Position = Position::MAX;

/// Changes of changes that are followed. What lies deeper stands at the very end.
const DEEP: usize = 4;

/// In which set an item is, and where it stands in it.
///
/// # Errors
/// The ledger's.
pub fn stands_at<L: Ledger>(header: &Header, ledger: &L) -> Result<(SetName, Position), L::Error> {
    let position = item_position(header.kind, header.ts, header.target, ledger)?;
    Ok((SetName::of(header.scope), position))
}

/// Where an item of this kind stands that claims this time, in milliseconds: a change, where what it
/// changes does, so that nobody is given one without the other; others at the time that they claim.
///
/// # Errors
/// The ledger's.
pub fn item_position<L: Ledger>(
    mut kind: Kind,
    mut claimed: Millis,
    mut target: Option<ItemId>,
    ledger: &L,
) -> Result<Position, L::Error> {
    for _ in 0..=DEEP {
        if matches!(kind, Kind::CHARTER | Kind::PROFILE) {
            return Ok(FRONT);
        }
        let Some(changed) = target.filter(|_| kind.need().is_none()) else { return Ok(claimed.0) };
        let Some(changed) = ledger.item(changed)?.and_then(|signed| signed.trusted().ok()) else {
            return Ok(claimed.0);
        };
        (kind, claimed, target) = (changed.header.kind, changed.header.ts, changed.header.target);
    }
    Ok(0)
}
