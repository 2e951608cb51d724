//! Standing selections: what a broker always wants to see of one community, for another.
//!
//! Leaves to others: asking the gates of a border, and carrying (`engine`). Always true: an item is a candidate of a
//! selection once; what was declined stays declined.

use serde::{Deserialize, Serialize};

use crate::{
    id::{CommunityId, EnvelopeId, ItemId, SelectionId},
    limits,
    link::{Owner, Refused},
    query::Query,
    text::Text,
    time::Millis,
};

/// What to select of one community for another, and what to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Its id, by chance.
    pub id: SelectionId,
    /// Where items are written.
    pub from: CommunityId,
    /// Where they may be carried.
    pub to: CommunityId,
    /// Which.
    pub query: Query,
    /// Why they matter there; may be empty where a person looks at each.
    pub note: Text<{ limits::NOTE_BYTES }>,
    /// Whether what may cross is carried without a person's look.
    pub auto: bool,
    /// Whether it selects now.
    pub on: bool,
    /// The number, in the store's own sequence, of the first item that has not been judged.
    pub next: u64,
    /// Items that it selects and whose authors let them cross no border.
    pub kept_back: u64,
    /// When it was made.
    pub made: Millis,
}

/// An item that a selection has selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// By which selection.
    pub selection: SelectionId,
    /// Which item.
    pub item: ItemId,
    /// Its newest edit when it was selected, else itself.
    pub version: ItemId,
    /// When.
    pub found: Millis,
    /// What became of it.
    pub state: Decision,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Nobody has decided yet.
    Waiting,
    /// It was carried.
    Carried(EnvelopeId),
    /// It stays where it is, for this reason.
    Declined(Text<{ limits::REASON_BYTES }>),
}

/// What a selection does next with an item that it selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its author lets it cross no border, or has taken it back: nobody is asked.
    KeepBack,
    /// A person looks at it; or it waits until a gate opens that others hold.
    Wait,
    /// It is carried.
    Carry,
}

impl Selection {
    /// What it does with an item that it selects, by the first gate that refuses it.
    #[must_use]
    pub fn step(&self, refused: Option<Refused>) -> Step {
        match refused {
            Some(Refused { owner: Owner::Author, .. }) => Step::KeepBack,
            Some(_) => Step::Wait,
            None if self.on && self.auto => Step::Carry,
            None => Step::Wait,
        }
    }

    /// Whether all is within its bounds.
    ///
    /// # Errors
    /// What is not.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.auto && self.note.as_str().trim().is_empty() {
            return Err("what is relayed by itself says why it matters there: give a note");
        }
        self.query.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{item::Kind, link::RelayRefusal};

    fn selection(auto: bool) -> Selection {
        Selection {
            id: SelectionId::new([1; 32]),
            from: CommunityId::new([2; 32]),
            to: CommunityId::new([3; 32]),
            query: Query { kinds: vec![Kind::POST], ..Query::default() },
            note: Text::written("for the shelves").unwrap(),
            auto,
            on: true,
            next: 0,
            kept_back: 0,
            made: Millis(0),
        }
    }

    #[test]
    fn only_what_all_let_pass_is_carried_and_only_where_that_was_said() {
        let by_itself = selection(true);
        let refused = |why, owner| Some(Refused { why, owner });
        assert_eq!(by_itself.step(None), Step::Carry);
        assert_eq!(selection(false).step(None), Step::Wait);
        assert_eq!(Selection { on: false, ..by_itself.clone() }.step(None), Step::Wait);
        for owner in [Owner::Leaving, Owner::Entering, Owner::Broker] {
            assert_eq!(by_itself.step(refused(RelayRefusal::OverQuota, owner)), Step::Wait);
        }
        assert_eq!(by_itself.step(refused(RelayRefusal::BeyondReach, Owner::Author)), Step::KeepBack);
    }

    #[test]
    fn what_goes_by_itself_says_why() {
        let silent = Selection { note: Text::default(), ..selection(true) };
        assert!(silent.check().is_err());
        assert!(Selection { auto: false, ..silent }.check().is_ok());
        assert!(Selection { query: Query::default(), ..selection(true) }.check().is_err());
    }
}
