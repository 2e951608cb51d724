//! Why an operation is not stored (B1), and why an item is not kept (T4).

use super::Role;
use crate::{id::OpId, signed::Unsound};

/// A reason of B1. Except for the first three, it holds for ever and on every node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationRefusal {
    /// Its parents are not stored yet.
    #[error("{} of its parents are not known yet", .0.len())]
    MissingParents(Vec<OpId>),
    /// Its time lies in the future; it is taken up when due.
    #[error("its time lies more than 10 minutes ahead")]
    TooEarly,
    /// The log is at its limit.
    #[error("the log is full")]
    LogFull,
    /// Bytes or signatures.
    #[error(transparent)]
    Unsound(#[from] Unsound),
    /// Of another community.
    #[error("it belongs to another community")]
    OtherCommunity,
    /// Not one more than the highest of its parents'.
    #[error("its lamport number does not follow from its parents")]
    BadLamport,
    /// The grant it cites is not in its past.
    #[error("the grant it cites is not in its past")]
    UnknownGrant,
    /// The grant it cites is somebody else's.
    #[error("the grant it cites is somebody else's")]
    OthersGrant,
    /// The grant it cites is too low.
    #[error("it needs the role {}", .0.name())]
    RoleTooLow(Role),
    /// A cut outside its past.
    #[error("its cut is not in its past")]
    BadCut,
    /// Subjects that a ruling may not have together, or oneself.
    #[error("a ruling may not have these subjects")]
    BadSubjects,
    /// The device is not certified for the author in its past.
    #[error("its device is not certified for its author")]
    UnknownDevice,
    /// The invite certificate does not hold.
    #[error("the invite does not hold")]
    BadInvite,
    /// The join does not hold.
    #[error("the join does not hold")]
    BadJoin,
    /// The reveals and certificates do not hold.
    #[error("the keys do not hold")]
    BadKeys,
}

impl OperationRefusal {
    /// The name by which it is counted and shown.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            OperationRefusal::MissingParents(_) => "missing_parents",
            OperationRefusal::TooEarly => "too_early",
            OperationRefusal::LogFull => "log_full",
            OperationRefusal::Unsound(why) => why.name(),
            OperationRefusal::OtherCommunity => "other_community",
            OperationRefusal::BadLamport => "bad_lamport",
            OperationRefusal::UnknownGrant => "unknown_grant",
            OperationRefusal::OthersGrant => "others_grant",
            OperationRefusal::RoleTooLow(_) => "role_too_low",
            OperationRefusal::BadCut => "bad_cut",
            OperationRefusal::BadSubjects => "bad_subjects",
            OperationRefusal::UnknownDevice => "unknown_device",
            OperationRefusal::BadInvite => "bad_invite",
            OperationRefusal::BadJoin => "bad_join",
            OperationRefusal::BadKeys => "bad_keys",
        }
    }
}

/// A reason of T4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteRefusal {
    /// It names operations that are not stored yet.
    #[error("it names {} operations that are not known yet", .0.len())]
    MissingHeads(Vec<OpId>),
    /// The device was not certified for the author, or was revoked.
    #[error("its device is not one of its author's")]
    UnknownDevice,
    /// The author had no role that the kind needs.
    #[error("its author needs the role {} here", .0.name())]
    RoleTooLow(Role),
}

impl WriteRefusal {
    /// The name by which it is counted and shown.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            WriteRefusal::MissingHeads(_) => "missing_heads",
            WriteRefusal::UnknownDevice => "unknown_device",
            WriteRefusal::RoleTooLow(_) => "role_too_low",
        }
    }
}
