//! The terms of a link: what one community consents to (8.1).

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
    ser::SerializeTuple as _,
};

use crate::{
    authority::Role,
    bytes::{Bytes, List},
    id::{CommunityId, PersonId},
    item::Kind,
    limits,
    text::Text,
    time::Millis,
};

/// Which way a link lets items through, with what only that side decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Out of the community in whose log it stands: 0.
    Out {
        /// The least role an author needs.
        min_author_role: Role,
    },
    /// Into the community in whose log it stands: 1.
    In {
        /// Whether stewards look at each item before it is shown (R8).
        quarantine: bool,
    },
}

/// A set of item kinds: 128 bits, the kind's number is the bit, lowest bit of the first byte
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KindSet(pub Bytes<16>);

impl KindSet {
    /// Every kind.
    pub const ALL: KindSet = KindSet(Bytes([0xff; 16]));

    /// The set of these kinds.
    #[must_use]
    pub fn of(kinds: &[Kind]) -> KindSet {
        let mut bits = [0u8; 16];
        for kind in kinds {
            if let Some(byte) = bits.get_mut(usize::from(kind.0 / 8)) {
                *byte |= 1 << (kind.0 % 8);
            }
        }
        KindSet(Bytes(bits))
    }

    /// Whether `kind` is in the set.
    #[must_use]
    pub fn contains(&self, kind: Kind) -> bool {
        self.0.0.get(usize::from(kind.0 / 8)).is_some_and(|byte| byte >> (kind.0 % 8) & 1 == 1)
    }
}

/// One community's standing consent. Out: `[0, other, brokers, kinds, tags, min_author_role,
/// max_hops, per_day, replies_only, not_after]`; in: `[1, other, brokers, kinds, tags, max_hops,
/// per_day, replies_only, quarantine, not_after]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTerms {
    /// Which way.
    pub direction: Direction,
    /// The community on the other side.
    pub other: CommunityId,
    /// Who may carry.
    pub brokers: List<PersonId, 1, { limits::BROKERS }>,
    /// Which kinds.
    pub kinds: KindSet,
    /// Which tags; empty: any.
    pub tags: List<Text<{ limits::TAG_BYTES }>, 0, { limits::LINK_TAGS }>,
    /// Borders that an item may have crossed, this one included.
    pub max_hops: u8,
    /// Envelopes a day.
    pub per_day: u16,
    /// Whether only replies to items of the receiving community pass.
    pub replies_only: bool,
    /// When the consent ends.
    pub not_after: Millis,
}

impl LinkTerms {
    /// Whether an item with these tags is within the link's tags.
    #[must_use]
    pub fn allows_tags(&self, tags: &[Text<{ limits::TAG_BYTES }>]) -> bool {
        self.tags.is_empty()
            || tags.iter().any(|tag| self.tags.iter().any(|named| tag_matches(named.as_str(), tag.as_str())))
    }

    /// Whether the link names this broker.
    #[must_use]
    pub fn names(&self, broker: PersonId) -> bool {
        self.brokers.contains(&broker)
    }

    /// The bounds that the field types cannot say: hops 1 to 3, an author's role of member or
    /// more, distinct brokers.
    ///
    /// # Errors
    /// What is out of bounds.
    pub fn check(&self) -> Result<(), &'static str> {
        if !(1..=limits::HOPS).contains(&self.max_hops) {
            return Err("a link's hops are 1 to 3");
        }
        if matches!(self.direction, Direction::Out { min_author_role } if min_author_role < Role::Member) {
            return Err("a link's authors are members at least");
        }
        if self.brokers.iter().enumerate().any(|(at, b)| self.brokers.iter().take(at).any(|c| c == b)) {
            return Err("a link names a broker twice");
        }
        Ok(())
    }
}

/// Whether `tag` equals `named` or lies under it: `rust/async` lies under `rust`.
#[must_use]
pub fn tag_matches(named: &str, tag: &str) -> bool {
    tag.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Serialize for LinkTerms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_tuple(10)?;
        seq.serialize_element(&match self.direction {
            Direction::Out { .. } => 0u8,
            Direction::In { .. } => 1,
        })?;
        seq.serialize_element(&self.other)?;
        seq.serialize_element(&self.brokers)?;
        seq.serialize_element(&self.kinds)?;
        seq.serialize_element(&self.tags)?;
        if let Direction::Out { min_author_role } = self.direction {
            seq.serialize_element(&min_author_role)?;
        }
        seq.serialize_element(&self.max_hops)?;
        seq.serialize_element(&self.per_day)?;
        seq.serialize_element(&self.replies_only)?;
        if let Direction::In { quarantine } = self.direction {
            seq.serialize_element(&quarantine)?;
        }
        seq.serialize_element(&self.not_after)?;
        seq.end()
    }
}

impl<'de> Deserialize<'de> for LinkTerms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Terms;
        impl<'de> Visitor<'de> for Terms {
            type Value = LinkTerms;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the terms of a link")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LinkTerms, A::Error> {
                fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
                    seq.next_element()?.ok_or_else(|| A::Error::custom("too few terms"))
                }
                let out = match next::<u8, A>(&mut seq)? {
                    0 => true,
                    1 => false,
                    _ => return Err(A::Error::custom("no such direction")),
                };
                let (other, brokers, kinds, tags) =
                    (next(&mut seq)?, next(&mut seq)?, next(&mut seq)?, next(&mut seq)?);
                let min_author_role = if out { next(&mut seq)? } else { Role::None };
                let (max_hops, per_day, replies_only) = (next(&mut seq)?, next(&mut seq)?, next(&mut seq)?);
                let direction = if out {
                    Direction::Out { min_author_role }
                } else {
                    Direction::In { quarantine: next(&mut seq)? }
                };
                let not_after = next(&mut seq)?;
                let terms =
                    LinkTerms { direction, other, brokers, kinds, tags, max_hops, per_day, replies_only, not_after };
                terms.check().map_err(A::Error::custom)?;
                Ok(terms)
            }
        }
        deserializer.deserialize_tuple(10, Terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_lies_under_a_tag_at_a_slash_only() {
        assert!(tag_matches("rust", "rust"));
        assert!(tag_matches("rust", "rust/async"));
        assert!(!tag_matches("rust", "rusty"));
        assert!(!tag_matches("rust/async", "rust"));
    }

    #[test]
    fn a_kind_set_holds_what_was_put_in() {
        let set = KindSet::of(&[Kind::POST, Kind(127), Kind(0)]);
        let held: Vec<u8> = (0..=255).filter(|k| set.contains(Kind(*k))).collect();
        assert_eq!(held, [0, 32, 127]);
    }
}
