//! The kinds of item. Their numbers are part of the format: 1-31 need peripheral, 32-95 member,
//! 96-127 steward; edits and tombstones need what their target needs (T4).

use serde::{Deserialize, Serialize};

use crate::authority::Role;

/// A kind by its number; there may be kinds that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(pub u8);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)+) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Kind = Kind($number);)+
            /// Every kind of the format, with its word.
            pub const KNOWN: &'static [(Kind, &'static str)] = &[$((Kind($number), $word)),+];
        }
    };
}

kinds! {
    /// A question.
    QUESTION = 1, "question";
    /// A reply to any item.
    REPLY = 2, "reply";
    /// A recommendation with a reason.
    ENDORSEMENT = 3, "endorsement";
    /// An asker's acceptance of an answer.
    ACCEPTANCE = 4, "acceptance";
    /// Whether somebody comes to an event.
    ATTENDANCE = 5, "attendance";
    /// What a person says of themselves in a community.
    PROFILE = 6, "profile";
    /// A new body for an earlier item.
    EDIT = 7, "edit";
    /// The end of an earlier item.
    TOMBSTONE = 8, "tombstone";
    /// A text.
    POST = 32, "post";
    /// An answer to a question.
    ANSWER = 33, "answer";
    /// An address worth keeping.
    BOOKMARK = 34, "bookmark";
    /// A remark on a passage.
    ANNOTATION = 35, "annotation";
    /// An ordered choice of items.
    COLLECTION = 36, "collection";
    /// Something that takes place.
    EVENT = 37, "event";
    /// Something learned by doing it together.
    PROJECT = 38, "project";
    /// A file that the practice uses.
    ARTIFACT = 39, "artifact";
    /// Whether an artifact or answer still holds.
    VERIFICATION = 40, "verification";
    /// What a community says of itself.
    CHARTER = 96, "charter";
    /// A steward's hiding or showing of an item.
    LABEL = 97, "label";
    /// A steward's calling back of relayed items.
    RECALL = 98, "recall";
}

impl Kind {
    /// Its word; `later` for a kind of a later version.
    #[must_use]
    pub fn name(self) -> &'static str {
        Kind::KNOWN.iter().find(|(kind, _)| *kind == self).map_or("later", |(_, word)| word)
    }

    /// The kind of this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::KNOWN.iter().find(|(_, word)| *word == name).map(|(kind, _)| *kind)
    }

    /// The role that writing it needs. `None` for edits and tombstones, which need what their
    /// target needs, and for numbers outside the format.
    #[must_use]
    pub fn need(self) -> Option<Role> {
        match self {
            Kind::EDIT | Kind::TOMBSTONE => None,
            Kind(1..=31) => Some(Role::Peripheral),
            Kind(32..=95) => Some(Role::Member),
            Kind(96..=127) => Some(Role::Steward),
            Kind(_) => None,
        }
    }

    /// Whether it crosses borders by nobody's leave but its author's, and takes no turn of a quota (8.7).
    #[must_use]
    pub fn needs_no_leave(self) -> bool {
        matches!(self, Kind::TOMBSTONE | Kind::RECALL)
    }

    /// Whether what it names as its target may be shown, or shown no more, by it.
    #[must_use]
    pub fn bears_on_its_target(self) -> bool {
        matches!(self, Kind::TOMBSTONE | Kind::LABEL | Kind::RECALL)
    }

    /// Whether it stands in lists by itself. The others change or accompany what does.
    #[must_use]
    pub fn is_listed(self) -> bool {
        !matches!(
            self,
            Kind::REPLY
                | Kind::PROFILE
                | Kind::EDIT
                | Kind::TOMBSTONE
                | Kind::CHARTER
                | Kind::LABEL
                | Kind::RECALL
                | Kind::ENDORSEMENT
                | Kind::ACCEPTANCE
                | Kind::ATTENDANCE
                | Kind::VERIFICATION
        ) && Kind::KNOWN.iter().any(|(kind, _)| *kind == self)
    }
}
