//! Why an item does not cross a border: one name for each gate of R1 to R8.

use serde::{Deserialize, Serialize};

/// A gate that refuses, and whose rule it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum RelayRefusal {
    /// R1.
    #[error("the item is not signed by a device that the proof certifies for its author (R1)")]
    ItemUnproven,
    /// R1.
    #[error("the item was not written in the community that the envelope says it leaves (R1)")]
    OtherOrigin,
    /// R2.
    #[error("its author lets it cross fewer borders than this: the reach is too small (R2)")]
    BeyondReach,
    /// R2.
    #[error("a link lets items cross fewer borders than this (R2)")]
    BeyondHops,
    /// R3.
    #[error("the proof does not hold (R3)")]
    BadProof,
    /// R3, R4.
    #[error("the link does not name this broker (R3, R4)")]
    BrokerNotNamed,
    /// R3, R4.
    #[error("the link leads into another community (R3, R4)")]
    OtherDestination,
    /// R3, R4.
    #[error("the link does not name this kind of item (R3, R4)")]
    KindNotLinked,
    /// R3, R4.
    #[error("the link names none of the item's tags (R3, R4)")]
    TagNotLinked,
    /// R3.
    #[error("its author has no role given by a steward that the link asks for: a steward must confirm them (R3)")]
    AuthorNotConfirmed,
    /// R3, R4.
    #[error("the link has ended or expired (R3, R4)")]
    LinkOver,
    /// R3.
    #[error("the community it leaves has no link to the other one (R3)")]
    NoOutLink,
    /// R4.
    #[error("the community it enters has no link from the other one (R4)")]
    NoInLink,
    /// R4.
    #[error("the broker is no member of the community it enters (R4)")]
    BrokerNoMember,
    /// R5.
    #[error("the item has been in this community before (R5)")]
    OnItsPath,
    /// R5.
    #[error("its author has retracted it (R5)")]
    Retracted,
    /// R6.
    #[error("today's quota of the link is spent (R6)")]
    OverQuota,
    /// R7.
    #[error("it was relayed after the broker's mandate had ended (R7)")]
    AfterCut,
    /// The link carries replies only, and it is none to an item of the receiving community.
    #[error("the link lets only replies to the other side's items pass (8.7)")]
    NotAReply,
    /// 8.7.
    #[error("the stewards of the community it left have called it back (8.7)")]
    Recalled,
    /// R8.
    #[error("the stewards of the community it enters have declined it (R8)")]
    Declined,
    /// The author has no role any more in the community it leaves (8.5).
    #[error("its author is no longer a member of the community it leaves (8.5)")]
    AuthorLeft,
}

impl RelayRefusal {
    /// The name that commands, counters and the API show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RelayRefusal::ItemUnproven => "item_unproven",
            RelayRefusal::OtherOrigin => "other_origin",
            RelayRefusal::BeyondReach => "beyond_reach",
            RelayRefusal::BeyondHops => "beyond_hops",
            RelayRefusal::BadProof => "bad_proof",
            RelayRefusal::BrokerNotNamed => "broker_not_named",
            RelayRefusal::OtherDestination => "other_destination",
            RelayRefusal::KindNotLinked => "kind_not_linked",
            RelayRefusal::TagNotLinked => "tag_not_linked",
            RelayRefusal::AuthorNotConfirmed => "author_not_confirmed",
            RelayRefusal::LinkOver => "link_over",
            RelayRefusal::NoOutLink => "no_out_link",
            RelayRefusal::NoInLink => "no_in_link",
            RelayRefusal::BrokerNoMember => "broker_no_member",
            RelayRefusal::OnItsPath => "on_its_path",
            RelayRefusal::Retracted => "retracted",
            RelayRefusal::OverQuota => "over_quota",
            RelayRefusal::AfterCut => "after_cut",
            RelayRefusal::NotAReply => "not_a_reply",
            RelayRefusal::Recalled => "recalled",
            RelayRefusal::Declined => "declined",
            RelayRefusal::AuthorLeft => "author_left",
        }
    }

    /// Whether the envelope is dropped for ever; else it is kept hidden and judged again when
    /// the log changes (8.4).
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            RelayRefusal::ItemUnproven
                | RelayRefusal::OtherOrigin
                | RelayRefusal::BeyondReach
                | RelayRefusal::BeyondHops
                | RelayRefusal::BadProof
        )
    }
}

/// What becomes of an envelope that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Members read it.
    Shown,
    /// Kept, not shown, judged again when the log changes.
    Held(RelayRefusal),
    /// Shown to stewards until one of them releases it (R8).
    Quarantined,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Shown => "shown",
            Outcome::Held(_) => "held",
            Outcome::Quarantined => "quarantined",
        }
    }
}
