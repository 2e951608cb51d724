//! Drafts: what a person means to say, within every bound, before it is signed.

use super::{Body, Kind, Tag};
use crate::{bytes::List, epoch::Scope, id::ItemId, limits, text::TextRefusal, url::AddressRefusal};

/// An item to be. It cannot be out of bounds; whether its author may write it is asked when it
/// is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What it says.
    pub body: Body,
    /// Its tags.
    pub tags: List<Tag, 0, { limits::TAGS }>,
    /// Borders that it may cross; `None`: what the community's policy says (8.2).
    pub reach: Option<u8>,
    /// Who may read it.
    pub scope: Scope,
    /// Items that it answers.
    pub re: List<ItemId, 0, { limits::REFERENCES }>,
    /// The item that it changes.
    pub target: Option<ItemId>,
}

/// Why what somebody typed is no draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftRefusal {
    /// A text field.
    #[error("the {field} {why}")]
    Text {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        why: TextRefusal,
    },
    /// The address of a bookmark.
    #[error("the address is refused: {0}")]
    Address(#[from] AddressRefusal),
    /// More of something than an item takes.
    #[error("{found} {field}; at most {most} are allowed")]
    TooMany {
        /// Of what.
        field: &'static str,
        /// The bound.
        most: usize,
        /// How many there are.
        found: usize,
    },
    /// A reach that no item has.
    #[error("a reach of {0}; it is 0 (stays here) to 3")]
    Reach(u8),
}

impl DraftRefusal {
    /// The name that commands and the API show.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            DraftRefusal::Text { why: TextRefusal::TooLong { .. }, .. } => "too_long",
            DraftRefusal::Text { why: TextRefusal::Control { .. }, .. } => "control_character",
            DraftRefusal::Text { why: TextRefusal::Empty, .. } => "empty",
            DraftRefusal::Address(why) => why.name(),
            DraftRefusal::TooMany { .. } => "too_many",
            DraftRefusal::Reach(_) => "bad_reach",
        }
    }
}

impl Draft {
    /// A draft of `body` alone: no tags, the community's reach, for all.
    #[must_use]
    pub fn new(body: Body) -> Draft {
        Draft { body, tags: List::none(), reach: None, scope: Scope::All, re: List::none(), target: None }
    }

    /// With these tags, each trimmed, once.
    ///
    /// # Errors
    /// [`DraftRefusal`].
    pub fn tagged(mut self, tags: &[String]) -> Result<Draft, DraftRefusal> {
        let mut kept: Vec<Tag> = Vec::new();
        for tag in tags {
            let tag = Tag::line(tag).map_err(|why| DraftRefusal::Text { field: "tag", why })?;
            if !kept.contains(&tag) {
                kept.push(tag);
            }
        }
        let found = kept.len();
        self.tags = List::new(kept).map_err(|_| DraftRefusal::TooMany { field: "tags", most: limits::TAGS, found })?;
        Ok(self)
    }

    /// With this reach.
    ///
    /// # Errors
    /// [`DraftRefusal::Reach`].
    pub fn reaching(mut self, reach: Option<u8>) -> Result<Draft, DraftRefusal> {
        match reach {
            Some(reach) if reach > limits::HOPS => Err(DraftRefusal::Reach(reach)),
            reach => {
                self.reach = reach;
                Ok(self)
            }
        }
    }

    /// Its kind.
    ///
    /// # Panics
    /// Never: a draft is of this version's kinds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.body.kind().expect("a draft is of a known kind")
    }
}
