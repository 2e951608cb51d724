//! A broker's words for one item: note, summary, and tags put into the words of the other side.
//!
//! Leaves to others: carrying (`relay`), and what is kept of the mapping (the engine). Always true: a look at what would
//! leave and the sending of it speak through here, so that they say the same.

use hearth_protocol::{
    desk::TagMap,
    engine::DeskCommand,
    id::{CommunityId, ItemId},
    item::Tag,
    ledger::Ledger as _,
    limits,
    text::Text,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    drafts::some_text,
    error::{Answered, ApiError},
    resolve,
    sight::Sight,
};

/// A tag and what the other side says for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    from: String,
    to: String,
}

impl Mapping {
    pub(super) fn tags(&self) -> Answered<(Tag, Tag)> {
        Ok((tag(&self.from)?, tag(&self.to)?))
    }
}

/// One tag, as it was typed.
pub(super) fn tag(text: &str) -> Answered<Tag> {
    Tag::line(text).map_err(|why| ApiError::field("tag", &why))
}

/// What to carry where, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToCarry {
    item: String,
    to: String,
    note: Option<String>,
    summary: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    /// What is said for tags of the item, from now on.
    #[serde(default)]
    map: Vec<Mapping>,
}

/// The words for one item.
pub(super) struct Spoken {
    pub(super) item: ItemId,
    pub(super) from: CommunityId,
    pub(super) to: CommunityId,
    pub(super) note: Text<{ limits::NOTE_BYTES }>,
    pub(super) summary: Option<Text<{ limits::SUMMARY_BYTES }>>,
    /// All that are said, those of the mapping behind those that were typed.
    pub(super) tags: Vec<String>,
    /// Those of the mapping, with the tag that each is said for.
    pub(super) mapped: Mapped,
    /// What is new in the mapping.
    learned: Mapped,
}

impl ToCarry {
    /// What is said.
    pub(super) fn speak(&self, sight: &Sight<'_>) -> Answered<Spoken> {
        let item = resolve::item(sight, &self.item)?;
        let to = resolve::community(&sight.snapshot, &self.to)?;
        let listed = sight.store.listed(to, item, None)?.ok_or_else(ApiError::broken)?;
        let from = listed.item.header.community;
        let learned = self.map.iter().map(Mapping::tags).collect::<Answered<Vec<_>>>()?;
        let newest = listed.edit.as_ref().unwrap_or(&listed.item);
        let (tags, mapped) = said(sight, (from, to), (&newest.header.tags, &self.tags), &learned)?;
        Ok(Spoken {
            item,
            from,
            to,
            note: some_text("note", self.note.as_deref())?.unwrap_or_default(),
            summary: some_text("summary", self.summary.as_deref())?,
            tags,
            mapped,
            learned,
        })
    }
}

/// Tags, each with what the other side says for it.
pub(super) type Mapped = Vec<(Tag, Tag)>;

/// The other side's tags: those that were typed, then what the mapping says for the item's own.
pub(super) fn said(
    sight: &Sight<'_>,
    (from, to): (CommunityId, CommunityId),
    (own, typed): (&[Tag], &[String]),
    learned: &[(Tag, Tag)],
) -> Answered<(Vec<String>, Mapped)> {
    let mut map: TagMap = sight.store.tag_map(from, to)?;
    for (tag, said) in learned {
        map.map(tag.clone(), said.clone()).map_err(|why| ApiError::typed("too_many", why, FULL))?;
    }
    let mut tags = Vec::new();
    for typed in typed {
        let typed = tag(typed)?.to_string();
        if !tags.contains(&typed) {
            tags.push(typed);
        }
    }
    let mut mapped = map.translate(own);
    mapped.retain(|(_, said)| !tags.iter().any(|typed| typed == said.as_str()));
    // What was typed stays: it is meant for this very item.
    mapped.truncate(limits::TAGS.saturating_sub(tags.len()));
    tags.extend(mapped.iter().map(|(_, said)| said.to_string()));
    Ok((tags, mapped))
}

/// What can be done where a mapping is full.
const FULL: &str = "take out what is not said any more: hearth link tags FROM TO --remove TAG";

impl Spoken {
    /// What a human says who carries: a note is not left out.
    pub(super) fn with_note(self) -> Answered<Spoken> {
        if self.note.as_str().is_empty() { Err(no_note()) } else { Ok(self) }
    }

    /// Keeps what is new in the mapping; none where nothing is.
    pub(super) fn learned(&self) -> Option<DeskCommand> {
        let (from, to, map) = (self.from, self.to, self.learned.clone());
        (!map.is_empty()).then_some(DeskCommand::MapTags { from, to, map, forget: Vec::new() })
    }
}

/// A relay without a word on why.
pub(super) fn no_note() -> ApiError {
    ApiError::typed(
        "no_note",
        "a relay says why the item matters on the other side, and this one says nothing",
        "say it in a sentence, in their words: --note TEXT",
    )
}

/// Pairs of a mapping.
pub(super) fn mapping(pairs: &[(Tag, Tag)]) -> Vec<Value> {
    pairs.iter().map(|(from, to)| json!({ "from": from.as_str(), "to": to.as_str() })).collect()
}
