//! Items as JSON shows them.
//!
//! Leaves to others: reading them. Always true: fields are added, never renamed; what an item does
//! not have is empty or null, and what is only sometimes there is left out.

use hearth_protocol::{
    item::{Body, Item},
    signed::Unsound,
    text::Text,
};
use serde::Serialize;

use super::sight::Sight;
use crate::store::Listed;

/// What a body says, in the fields that all kinds share.
#[derive(Debug, Default, Serialize)]
pub(super) struct Says {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) url: Option<String>,
    /// When a bookmark was first kept, here or elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) added_ms: Option<u64>,
}

impl Says {
    pub(super) fn of(body: Option<&Body>) -> Says {
        match body {
            Some(Body::Post(post)) => {
                Says { title: text(post.title.as_ref()), text: post.text.to_string(), ..Says::default() }
            }
            Some(Body::Reply(reply)) => Says { text: reply.text.to_string(), ..Says::default() },
            Some(Body::Bookmark(bookmark)) => Says {
                title: text(bookmark.title.as_ref()),
                text: text(bookmark.note.as_ref()),
                url: Some(bookmark.url.to_string()),
                added_ms: Some(bookmark.added.0),
            },
            Some(Body::Profile(profile)) => {
                Says { title: profile.name.to_string(), text: text(profile.about.as_ref()), ..Says::default() }
            }
            Some(Body::Charter(charter)) => Says { text: charter.domain.to_string(), ..Says::default() },
            Some(Body::Endorsement(said)) => {
                Says { title: said.merit.name().to_owned(), text: text(said.line.as_ref()), ..Says::default() }
            }
            Some(Body::Label(said)) => {
                let title = if said.hide { "hide" } else { "show" };
                Says { title: title.to_owned(), text: said.reason.to_string(), ..Says::default() }
            }
            Some(Body::Recall(said)) => Says { text: said.reason.to_string(), ..Says::default() },
            Some(Body::Edit(_) | Body::Tombstone | Body::Later) | None => Says::default(),
        }
    }
}

fn text<const MAX: usize>(text: Option<&Text<MAX>>) -> String {
    text.map(Text::to_string).unwrap_or_default()
}

/// An item as lists have it.
#[derive(Debug, Serialize)]
pub(super) struct ItemView {
    pub(super) item: String,
    pub(super) kind: &'static str,
    /// Where it is read.
    pub(super) community: String,
    pub(super) author: String,
    pub(super) author_name: String,
    #[serde(flatten)]
    pub(super) says: Says,
    pub(super) tags: Vec<String>,
    pub(super) reach: u8,
    pub(super) created_ms: u64,
    pub(super) received_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) relayed_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<&'static str>,
}

impl ItemView {
    pub(super) fn of(sight: &Sight<'_>, listed: &Listed) -> ItemView {
        let header = &listed.item.header;
        ItemView {
            item: listed.item.id.to_string(),
            kind: header.kind.name(),
            community: listed.read_in.to_string(),
            author: header.author.to_string(),
            author_name: sight.author_name(listed.read_in, &listed.item),
            says: Says::of(listed.body.as_ref()),
            tags: tags(listed),
            reach: header.reach,
            created_ms: header.ts.0,
            received_ms: listed.received.0,
            relayed_from: listed.by.as_ref().map(|envelope| envelope.from.to_string()),
            state: None,
        }
    }
}

/// An item's tags: those of its newest edit, where there is one.
pub(super) fn tags(listed: &Listed) -> Vec<String> {
    tags_of(listed.edit.as_ref().unwrap_or(&listed.item))
}

pub(super) fn tags_of(item: &Item) -> Vec<String> {
    item.header.tags.iter().map(Text::to_string).collect()
}

/// The word for a signature that is looked at now.
pub(super) fn signature(checked: Result<(), Unsound>) -> &'static str {
    match checked {
        Ok(()) => "valid",
        Err(why) => why.name(),
    }
}
