//! The broker's desk, as this node's person changes it.
//!
//! Leaves to others: carrying (`relay`). Always true: what is kept stays within the desk's bounds, and nothing of it
//! leaves this node.

use super::{CommandRefusal, Done, Effect, Engine, Keep, effect::Answer};
use crate::{desk::Kept, id::CommunityId, item::Tag, ledger::Ledger, time::Millis};

/// What this node's person can want of their desk.
#[derive(Debug, Clone)]
pub enum DeskCommand {
    /// Say tags of one community otherwise in another.
    MapTags {
        /// Whose tags.
        from: CommunityId,
        /// Where they are said otherwise.
        to: CommunityId,
        /// Each with what is said for it.
        map: Vec<(Tag, Tag)>,
        /// Those for which nothing is said any more.
        forget: Vec<Tag>,
    },
}

impl Engine {
    pub(super) fn desk<L: Ledger>(&mut self, _now: Millis, command: DeskCommand, ledger: &L) -> Result<Done, L::Error> {
        match command {
            DeskCommand::MapTags { from, to, map, forget } => self.map_tags((from, to), map, &forget, ledger),
        }
    }

    /// Whether somebody could carry from the one into the other.
    fn is_border(&self, from: CommunityId, to: CommunityId) -> Result<(), CommandRefusal> {
        let (Some(leaving), Some(entering)) = (self.standing(from), self.standing(to)) else {
            return Err(CommandRefusal::NoCommunity);
        };
        if leaving.is_own_space() || entering.is_own_space() {
            return Err(CommandRefusal::OwnSpace);
        }
        if from == to { Err(CommandRefusal::Field("a border lies between two communities")) } else { Ok(()) }
    }

    fn map_tags<L: Ledger>(
        &self,
        (from, to): (CommunityId, CommunityId),
        map: Vec<(Tag, Tag)>,
        forget: &[Tag],
        ledger: &L,
    ) -> Result<Done, L::Error> {
        if let Err(refusal) = self.is_border(from, to) {
            return Ok(Err(refusal));
        }
        let mut kept = ledger.tag_map(from, to)?;
        for tag in forget {
            kept.forget(tag);
        }
        for (tag, said) in map {
            if let Err(why) = kept.map(tag, said) {
                return Ok(Err(CommandRefusal::Field(why)));
            }
        }
        Ok(Ok((Answer::Done, vec![Effect::Keep(Keep::Desk(Kept::Tags { from, to, map: kept }))])))
    }
}
