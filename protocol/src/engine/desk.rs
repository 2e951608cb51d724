//! The broker's desk, as this node's person and their selections change it.
//!
//! Leaves to others: carrying (`relay`), and finding what a selection selects (the node). Always true: what is kept stays
//! within the desk's bounds; a candidate is decided once, and in the version that was looked at; nothing of the desk
//! leaves this node.

use super::{CommandRefusal, Done, Effect, Engine, Keep, author::item, effect::Answer};
use crate::{
    desk::{Candidate, Decision, Kept, Selection},
    id::{CommunityId, ItemId, SelectionId},
    item::{Kind, Tag},
    ledger::Ledger,
    limits,
    query::Query,
    text::Text,
    time::Millis,
};

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
    /// Make a selection, which is off.
    Select {
        /// Of which community.
        from: CommunityId,
        /// For which.
        to: CommunityId,
        /// What.
        query: Query,
        /// Why it matters there.
        note: Text<{ limits::NOTE_BYTES }>,
        /// Whether what may cross is carried by itself.
        auto: bool,
    },
    /// Switch a selection on, from this number of the store's sequence on; none: off.
    Switch(SelectionId, Option<u64>),
    /// Take a selection away, with all its candidates.
    Unselect(SelectionId),
    /// So much of the store's sequence has been judged.
    Judge {
        /// By which selection.
        selection: SelectionId,
        /// From which number on, up to which.
        judged: (u64, u64),
        /// What it selects, each in its newest version.
        found: Vec<(ItemId, ItemId)>,
        /// How many more their authors keep back.
        kept_back: u64,
    },
    /// Carry a candidate.
    Accept {
        /// Of which selection.
        selection: SelectionId,
        /// Which.
        item: ItemId,
        /// The version that was looked at.
        version: ItemId,
        /// Why it matters there.
        note: Text<{ limits::NOTE_BYTES }>,
        /// What it says, in the other side's words.
        summary: Option<Text<{ limits::SUMMARY_BYTES }>>,
        /// The other side's tags.
        tags: Vec<String>,
    },
    /// Leave a candidate where it is.
    Decline {
        /// Of which selection.
        selection: SelectionId,
        /// Which.
        item: ItemId,
        /// The version that was looked at.
        version: ItemId,
        /// Why.
        reason: Text<{ limits::REASON_BYTES }>,
    },
    /// A candidate about which nothing is left to decide.
    Settle(SelectionId, ItemId),
}

fn done(kept: Vec<Kept>) -> Done {
    Ok((Answer::Done, kept.into_iter().map(|kept| Effect::Keep(Keep::Desk(kept))).collect()))
}

/// Whether one more selection, or one more candidate that waits, finds its place.
fn has_room(kept: usize, most: usize) -> bool {
    kept < most
}

impl Engine {
    pub(super) fn desk<L: Ledger>(&mut self, now: Millis, command: DeskCommand, ledger: &L) -> Result<Done, L::Error> {
        match command {
            DeskCommand::MapTags { from, to, map, forget } => self.map_tags((from, to), map, &forget, ledger),
            DeskCommand::Select { from, to, query, note, auto } => {
                let (on, next, kept_back) = (false, 0, 0);
                let id = SelectionId::new(self.random.bytes());
                let selection = Selection { id, from, to, query, note, auto, on, next, kept_back, made: now };
                self.select(selection, ledger)
            }
            DeskCommand::Switch(id, next) => Ok(match ledger.selection(id)? {
                Some(mut selection) => {
                    (selection.on, selection.next) = (next.is_some(), next.unwrap_or(selection.next));
                    done(vec![Kept::Selection(Box::new(selection))])
                }
                None => Err(CommandRefusal::NotOnDesk),
            }),
            DeskCommand::Unselect(id) => {
                let candidates = ledger.candidates(id)?.into_iter();
                let gone = candidates.map(|candidate| Kept::NoCandidate(id, candidate.item));
                Ok(done(gone.chain([Kept::NoSelection(id)]).collect()))
            }
            DeskCommand::Judge { selection, judged, found, kept_back } => {
                judge(now, selection, judged, (found, kept_back), ledger)
            }
            DeskCommand::Accept { selection, item, version, note, summary, tags } => {
                let (selection, candidate) = match waiting((selection, item, version), ledger)? {
                    Ok(waiting) => waiting,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let (answer, mut effects) = match self.relay(now, item, selection.to, (note, summary, &tags), ledger)? {
                    Ok(relayed) => relayed,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if let Answer::Relayed(envelope, _) = &answer {
                    effects.push(decided(candidate, Decision::Carried(*envelope)));
                }
                Ok(Ok((answer, effects)))
            }
            DeskCommand::Decline { selection, item, version, reason } => {
                Ok(waiting((selection, item, version), ledger)?
                    .map(|(_, candidate)| (Answer::Done, vec![decided(candidate, Decision::Declined(reason))])))
            }
            DeskCommand::Settle(selection, item) => Ok(done(vec![Kept::NoCandidate(selection, item)])),
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
        Ok(done(vec![Kept::Tags { from, to, map: kept }]))
    }

    fn select<L: Ledger>(&self, selection: Selection, ledger: &L) -> Result<Done, L::Error> {
        if let Err(refusal) = self.is_border(selection.from, selection.to) {
            return Ok(Err(refusal));
        }
        if let Err(why) = selection.check() {
            return Ok(Err(CommandRefusal::Field(why)));
        }
        if !has_room(ledger.selections()?.len(), limits::SELECTIONS) {
            return Ok(Err(CommandRefusal::Field("a desk has at most 64 selections: remove one first")));
        }
        let id = selection.id;
        Ok(Ok((Answer::Selection(id), vec![Effect::Keep(Keep::Desk(Kept::Selection(Box::new(selection))))])))
    }
}

/// Notes what was judged, where nobody else has judged it meanwhile.
fn judge<L: Ledger>(
    now: Millis,
    id: SelectionId,
    (first, next): (u64, u64),
    (found, kept_back): (Vec<(ItemId, ItemId)>, u64),
    ledger: &L,
) -> Result<Done, L::Error> {
    let Some(mut selection) = ledger.selection(id)?.filter(|selection| selection.on && selection.next == first) else {
        return Ok(Err(CommandRefusal::NotOnDesk));
    };
    let mut kept = Vec::new();
    let mut waiting = ledger.candidates(id)?.iter().filter(|known| known.state == Decision::Waiting).count();
    for (item, version) in found {
        if ledger.candidate(id, item)?.is_none() {
            if !has_room(waiting, limits::CANDIDATES) {
                return Ok(Err(CommandRefusal::Field("at most 1,000 candidates of a selection wait")));
            }
            waiting = waiting.saturating_add(1);
            let candidate = Candidate { selection: id, item, version, found: now, state: Decision::Waiting };
            kept.push(Kept::Candidate(Box::new(candidate)));
        }
    }
    (selection.next, selection.kept_back) = (next, selection.kept_back.saturating_add(kept_back));
    kept.push(Kept::Selection(Box::new(selection)));
    Ok(done(kept))
}

/// A candidate that waits and is still what was looked at.
fn waiting<L: Ledger>(
    (selection, id, version): (SelectionId, ItemId, ItemId),
    ledger: &L,
) -> Result<Result<(Selection, Candidate), CommandRefusal>, L::Error> {
    let candidate = ledger.candidate(selection, id)?.filter(|candidate| candidate.state == Decision::Waiting);
    let (Some(selection), Some(candidate)) = (ledger.selection(selection)?, candidate) else {
        return Ok(Err(CommandRefusal::NotOnDesk));
    };
    let now = newest_version(id, ledger)?;
    Ok(if now == Some(version) { Ok((selection, candidate)) } else { Err(CommandRefusal::EditedSince) })
}

/// The newest edit of an item by its author, else itself; none where it is not here.
///
/// # Errors
/// The ledger's.
pub fn newest_version<L: Ledger>(id: ItemId, ledger: &L) -> Result<Option<ItemId>, L::Error> {
    let Some(original) = item(ledger, id)? else { return Ok(None) };
    let mut newest = None;
    for edit in ledger.changes(id, Kind::EDIT)? {
        let edit = item(ledger, edit)?.filter(|edit| edit.header.author == original.header.author);
        newest = newest.max(edit.map(|edit| (edit.header.ts, edit.id)));
    }
    Ok(Some(newest.map_or(id, |(_, edit)| edit)))
}

fn decided(mut candidate: Candidate, state: Decision) -> Effect {
    candidate.state = state;
    Effect::Keep(Keep::Desk(Kept::Candidate(Box::new(candidate))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::around;

    #[test]
    fn a_desk_has_room_for_so_many_selections_and_candidates() {
        around(limits::SELECTIONS, [true, false, false], |kept| has_room(kept, limits::SELECTIONS));
        around(limits::CANDIDATES, [true, false, false], |kept| has_room(kept, limits::CANDIDATES));
    }
}
