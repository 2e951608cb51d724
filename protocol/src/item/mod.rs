//! Items: anything signed that people read (section 9).
//!
//! A [`Draft`] is what a person means to say and cannot be out of bounds; signing makes it a
//! [`SignedItem`] and its salted body; checking makes those an [`Item`] and a [`Body`]. The
//! header is kept for ever, the body can be erased.

mod body;
mod draft;
mod header;
mod kind;

pub use body::{Attachment, Body, Bookmark, Charter, Edit, Endorsement, Label, Merit, Post, Profile, Recall, Reply};
pub use draft::{Draft, DraftRefusal};
pub(crate) use header::salted;
pub use header::{Header, Item, SaltedBody, SignedItem, Tag};
pub use kind::Kind;
