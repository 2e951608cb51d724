//! How the tags of one community are said in another.
//!
//! Always true: a tag has one translation at most, and a map has at most [`limits::TAG_MAPPINGS`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{item::Tag, limits};

/// Tags of one community, each with the other side's tag for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagMap(BTreeMap<Tag, Tag>);

impl TagMap {
    /// From now on `from` and what lies under it is said as `to`.
    ///
    /// # Errors
    /// What is out of bounds.
    pub fn map(&mut self, from: Tag, to: Tag) -> Result<(), &'static str> {
        if self.0.len() >= limits::TAG_MAPPINGS && !self.0.contains_key(&from) {
            return Err("at most 256 tags are mapped from one community into another");
        }
        self.0.insert(from, to);
        Ok(())
    }

    /// From now on `from` is not said at all, unless a tag above it is. Answers whether it was.
    pub fn forget(&mut self, from: &Tag) -> bool {
        self.0.remove(from).is_some()
    }

    /// Each mapped tag with what is said for it.
    pub fn iter(&self) -> impl Iterator<Item = (&Tag, &Tag)> {
        self.0.iter()
    }

    /// What the other side says for a tag: what it is mapped to, else the nearest tag above it. What lies below the
    /// mapped tag is not said: those are words of the side that the item leaves.
    #[must_use]
    pub fn of(&self, tag: &Tag) -> Option<&Tag> {
        let mut name = tag.as_str();
        loop {
            if let Some(said) = Tag::exact(name.to_owned()).ok().and_then(|named| self.0.get(&named)) {
                return Some(said);
            }
            name = name.rsplit_once('/')?.0;
        }
    }

    /// What the other side says for these, each once, with the tag that it is said for.
    #[must_use]
    pub fn translate(&self, tags: &[Tag]) -> Vec<(Tag, Tag)> {
        let mut said: Vec<(Tag, Tag)> = Vec::new();
        for tag in tags {
            if let Some(to) = self.of(tag)
                && said.iter().all(|(_, known)| known != to)
            {
                said.push((tag.clone(), to.clone()));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::up_to;

    fn tag(text: &str) -> Tag {
        Tag::line(text).unwrap()
    }

    fn map(pairs: &[(&str, &str)]) -> TagMap {
        let mut map = TagMap::default();
        pairs.iter().for_each(|(from, to)| map.map(tag(from), tag(to)).unwrap());
        map
    }

    #[test]
    fn a_tag_is_said_as_the_nearest_mapped_one_at_or_above_it() {
        let map = map(&[("rust", "programming"), ("rust/async", "concurrency"), ("tea", "drinks")]);
        let said = |text: &str| map.of(&tag(text)).map(ToString::to_string);
        assert_eq!(said("rust").as_deref(), Some("programming"));
        assert_eq!(said("rust/macros/derive").as_deref(), Some("programming"));
        assert_eq!(said("rust/async").as_deref(), Some("concurrency"));
        assert_eq!(said("rust/async/tokio").as_deref(), Some("concurrency"));
        assert_eq!(said("rusty"), None);
        assert_eq!(said("cooking/rust"), None);
        assert_eq!(said("/"), None);
    }

    #[test]
    fn what_several_tags_come_to_is_said_once() {
        let mut map = map(&[("rust", "programming"), ("go", "programming"), ("tea", "drinks")]);
        let said = |map: &TagMap| {
            let tags = ["rust/async", "go", "snow", "tea"].map(tag);
            map.translate(&tags).iter().map(|(from, to)| format!("{from}={to}")).collect::<Vec<_>>()
        };
        assert_eq!(said(&map), ["rust/async=programming", "tea=drinks"]);
        assert!(map.forget(&tag("rust")) && !map.forget(&tag("rust")));
        assert_eq!(said(&map), ["go=programming", "tea=drinks"]);
    }

    #[test]
    fn a_map_is_bounded_and_a_full_one_can_still_be_changed() {
        let full = |count: usize| {
            let mut map = TagMap::default();
            (0..count).try_for_each(|n| map.map(tag(&format!("t{n}")), tag("there")))?;
            Ok::<_, &str>(map)
        };
        up_to(limits::TAG_MAPPINGS, "at most 256 tags are mapped from one community into another", full);
        let mut map = full(limits::TAG_MAPPINGS).unwrap();
        map.map(tag("t0"), tag("elsewhere")).unwrap();
        assert_eq!(map.of(&tag("t0")), Some(&tag("elsewhere")));
    }
}
