//! The query: what is asked of one item, and whether it is so.
//!
//! Leaves to others: finding the items, and reading what somebody typed. Always true: a query that [`Query::check`] lets
//! through asks for something, and for at most [`limits::QUERY_TERMS`] things.

use serde::{Deserialize, Serialize};

use crate::{
    id::PersonId,
    item::{Kind, Tag},
    limits,
    link::tag_matches,
};

/// What is asked. Each kind of term that is there must be met: of tags, kinds and persons by one, of words by all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// A tag of the item is one of these, or lies under it.
    pub tags: Vec<Tag>,
    /// The item is of one of these kinds.
    pub kinds: Vec<Kind>,
    /// One of these wrote it.
    pub by: Vec<PersonId>,
    /// Each of these stands in what it says, in small letters or large.
    pub words: Vec<Tag>,
    /// So many people have endorsed it.
    pub endorsed: u32,
}

/// An item, as far as a query asks.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What it is.
    pub kind: Kind,
    /// Who wrote it.
    pub author: PersonId,
    /// Its tags now.
    pub tags: &'a [Tag],
    /// What it says now, in as many texts as it has.
    pub says: &'a [&'a str],
    /// How many people other than its author have endorsed it.
    pub endorsers: usize,
}

impl Query {
    /// Whether it is within its bounds, and asks for something.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        let terms = [self.tags.len(), self.kinds.len(), self.by.len(), self.words.len()];
        let terms = terms.iter().fold(0usize, |sum, some| sum.saturating_add(*some));
        if terms == 0 && self.endorsed == 0 {
            return Err("a selection says what it selects: a tag, a kind, a person, words, or how many endorse it");
        }
        if terms > limits::QUERY_TERMS {
            return Err("at most 32 tags, kinds, persons and words together");
        }
        Ok(())
    }

    /// Whether the item is what is asked for.
    #[must_use]
    pub fn matches(&self, seen: &Seen<'_>) -> bool {
        let is_tagged = |named: &Tag| seen.tags.iter().any(|tag| tag_matches(named.as_str(), tag.as_str()));
        let says: Vec<String> =
            if self.words.is_empty() { Vec::new() } else { seen.says.iter().map(|text| text.to_lowercase()).collect() };
        let is_said = |word: &Tag| says.iter().any(|text| text.contains(&word.as_str().to_lowercase()));
        (self.tags.is_empty() || self.tags.iter().any(is_tagged))
            && (self.kinds.is_empty() || self.kinds.contains(&seen.kind))
            && (self.by.is_empty() || self.by.contains(&seen.author))
            && self.words.iter().all(is_said)
            && usize::try_from(self.endorsed).is_ok_and(|needed| seen.endorsers >= needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::up_to;

    fn tag(text: &str) -> Tag {
        Tag::line(text).unwrap()
    }

    fn person(number: u8) -> PersonId {
        PersonId::new([number; 32])
    }

    #[test]
    fn every_kind_of_term_is_met_or_it_is_another_item() {
        let tags = ["rust/async", "tea"].map(tag);
        let says = ["Frost in Sprintime", "of seeds"];
        let seen = Seen { kind: Kind::POST, author: person(1), tags: &tags, says: &says, endorsers: 2 };
        let whole = Query {
            tags: vec![tag("snow"), tag("rust")],
            kinds: vec![Kind::BOOKMARK, Kind::POST],
            by: vec![person(2), person(1)],
            words: vec![tag("FROST"), tag("seed")],
            endorsed: 2,
        };
        assert!(whole.matches(&seen));
        let others = [
            Query { tags: vec![tag("rust/async/tokio")], ..whole.clone() },
            Query { kinds: vec![Kind::BOOKMARK], ..whole.clone() },
            Query { by: vec![person(2)], ..whole.clone() },
            Query { words: vec![tag("frost"), tag("hail")], ..whole.clone() },
            Query { endorsed: 3, ..whole.clone() },
        ];
        for other in others {
            assert!(!other.matches(&seen), "{other:?}");
        }
        assert!(Query::default().matches(&seen));
        assert!(!Query { tags: vec![tag("tea")], ..Query::default() }.matches(&Seen { tags: &[], ..seen }));
    }

    #[test]
    fn a_query_asks_for_something_and_not_for_too_much() {
        assert!(Query::default().check().is_err());
        assert!(Query { endorsed: 1, ..Query::default() }.check().is_ok());
        let too_much = "at most 32 tags, kinds, persons and words together";
        up_to(limits::QUERY_TERMS, too_much, |count| {
            let by = (1..count).map(|n| person(u8::try_from(n).unwrap())).collect();
            Query { kinds: vec![Kind::POST], by, ..Query::default() }.check()
        });
    }
}
