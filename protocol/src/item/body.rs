//! Bodies: what an item says. Every body is `[1, fields...]`; absent fields are null.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use super::Kind;
use crate::{
    bytes::{Blob, Bytes, List},
    encoding::{Malformed, V1, decode, encode},
    id::ItemId,
    limits,
    text::Text,
    time::Millis,
};

type Title = Text<{ limits::TITLE_BYTES }>;
type Markdown = Text<{ limits::TEXT_BYTES }>;
type Line = Text<{ limits::TITLE_BYTES }>;

/// `[name, media, size, root:32]`: a file that travels beside an item. Root is the BLAKE3 hash
/// of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment(pub Title, pub Text<128>, pub u64, pub Bytes<32>);

/// A text in Markdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Post {
    /// 1.
    pub version: V1,
    /// A headline.
    pub title: Option<Title>,
    /// The text.
    pub text: Markdown,
    /// Files beside it.
    pub attachments: List<Attachment, 0, { limits::ATTACHMENTS }>,
}

/// A text about another item; shown only where that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Reply {
    /// 1.
    pub version: V1,
    /// The text.
    pub text: Markdown,
}

/// An address worth keeping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Bookmark {
    /// 1.
    pub version: V1,
    /// The address as typed; never changed.
    pub url: Text<{ limits::URL_BYTES }>,
    /// Its headline.
    pub title: Option<Title>,
    /// Why it is worth keeping.
    pub note: Option<Markdown>,
    /// A passage of it.
    pub excerpt: Option<Markdown>,
    /// When it was first kept, here or elsewhere.
    pub added: Millis,
    /// The program that it was brought from.
    pub source: Option<Text<64>>,
}

/// A new body for the target: canonical bytes of a body of the target's kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Edit {
    /// 1.
    pub version: V1,
    /// The new body.
    pub body: Blob<{ limits::BODY_BYTES }>,
}

/// What a person says of themselves in one community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Profile {
    /// 1.
    pub version: V1,
    /// The name shown.
    pub name: Text<{ limits::NAME_BYTES }>,
    /// A few sentences.
    pub about: Option<Text<4000>>,
    /// What they practise.
    pub practises: List<Line, 0, 16>,
    /// What they are learning.
    pub learning: List<Line, 0, 16>,
    /// What they offer.
    pub offers: List<Line, 0, 16>,
    /// What they ask for.
    pub asks: List<Line, 0, 16>,
    /// Languages, as BCP 47 tags.
    pub languages: List<Text<35>, 0, 16>,
    /// Their time zone, by its IANA name.
    pub zone: Option<Text<64>>,
}

impl Profile {
    /// One that says no more than a name.
    #[must_use]
    pub fn named(name: Text<{ limits::NAME_BYTES }>) -> Profile {
        Profile {
            version: V1,
            name,
            about: None,
            practises: List::none(),
            learning: List::none(),
            offers: List::none(),
            asks: List::none(),
            languages: List::none(),
            zone: None,
        }
    }
}

/// What a community says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Charter {
    /// 1.
    pub version: V1,
    /// The shared concern.
    pub domain: Text<4000>,
    /// Who they are to each other.
    pub community: Option<Text<4000>>,
    /// What they share.
    pub practice: Option<Text<4000>>,
    /// How they treat each other.
    pub norms: Option<Text<16000>>,
    /// What they talk about.
    pub topics: List<Line, 0, 32>,
    /// The collection that a newcomer reads first.
    pub start_here: Option<ItemId>,
    /// What a newcomer is greeted with.
    pub welcome: Option<Text<4000>>,
}

/// Why somebody recommends an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Merit {
    /// It was useful.
    Useful,
    /// They tried it, and it works.
    TriedIt,
    /// It is right.
    Correct,
    /// It is well put.
    WellPut,
    /// They would teach from it.
    TeachFrom,
}

impl Merit {
    /// Every merit, in the order of their numbers.
    pub const ALL: [Merit; 5] = [Merit::Useful, Merit::TriedIt, Merit::Correct, Merit::WellPut, Merit::TeachFrom];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Merit::Useful => "useful",
            Merit::TriedIt => "tried-it",
            Merit::Correct => "correct",
            Merit::WellPut => "well-put",
            Merit::TeachFrom => "teach-from",
        }
    }

    /// The merit of this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Merit> {
        Merit::ALL.into_iter().find(|merit| merit.name() == name)
    }
}

impl Serialize for Merit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl<'de> Deserialize<'de> for Merit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = usize::from(u8::deserialize(deserializer)?);
        Merit::ALL.get(number).copied().ok_or_else(|| serde::de::Error::custom("no such merit"))
    }
}

/// A recommendation of the target, with a reason. One of each person counts; there is no opposite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Endorsement {
    /// 1.
    pub version: V1,
    /// Why.
    pub merit: Merit,
    /// The same, in their own words.
    pub line: Option<Line>,
}

/// A steward's word on whether the target is shown: an item, or the envelope of one that waits in quarantine (R8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Label {
    /// 1.
    pub version: V1,
    /// Hidden, or shown.
    pub hide: bool,
    /// Why.
    pub reason: Text<{ limits::REASON_BYTES }>,
}

/// A steward's calling back of what was carried out of their community: of the item that is the target, or, where that
/// is a link, of what was carried over it after the end that the log gives it (8.7, 8.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Recall {
    /// 1.
    pub version: V1,
    /// Why.
    pub reason: Text<{ limits::REASON_BYTES }>,
}

/// The body of an item, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Of a post.
    Post(Post),
    /// Of a reply.
    Reply(Reply),
    /// Of a bookmark.
    Bookmark(Bookmark),
    /// Of an edit.
    Edit(Edit),
    /// Of a tombstone: `[1]`.
    Tombstone,
    /// Of a profile.
    Profile(Profile),
    /// Of a charter.
    Charter(Charter),
    /// Of an endorsement.
    Endorsement(Endorsement),
    /// Of a label.
    Label(Label),
    /// Of a recall.
    Recall(Recall),
    /// Of a kind that this version keeps and passes on, but does not show.
    Later,
}

impl Body {
    /// Reads the body of an item of `kind`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(kind: Kind, bytes: &[u8]) -> Result<Body, Malformed> {
        let limit = limits::BODY_BYTES;
        Ok(match kind {
            Kind::POST => Body::Post(decode(bytes, limit)?),
            Kind::REPLY => Body::Reply(decode(bytes, limit)?),
            Kind::BOOKMARK => {
                let bookmark: Bookmark = decode(bytes, limit)?;
                crate::url::check(bookmark.url.as_str())
                    .map_err(|_| Malformed::Field("an address that bookmarks do not take"))?;
                Body::Bookmark(bookmark)
            }
            Kind::EDIT => Body::Edit(decode(bytes, limit)?),
            Kind::TOMBSTONE => decode::<(V1,)>(bytes, limit).map(|_| Body::Tombstone)?,
            Kind::PROFILE => Body::Profile(decode(bytes, limit)?),
            Kind::CHARTER => Body::Charter(decode(bytes, limit)?),
            Kind::ENDORSEMENT => Body::Endorsement(decode(bytes, limit)?),
            Kind::LABEL => Body::Label(decode(bytes, limit)?),
            Kind::RECALL => Body::Recall(decode(bytes, limit)?),
            Kind(_) => Body::Later,
        })
    }

    /// Its kind; `None` for a later version's.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Body::Post(_) => Kind::POST,
            Body::Reply(_) => Kind::REPLY,
            Body::Bookmark(_) => Kind::BOOKMARK,
            Body::Edit(_) => Kind::EDIT,
            Body::Tombstone => Kind::TOMBSTONE,
            Body::Profile(_) => Kind::PROFILE,
            Body::Charter(_) => Kind::CHARTER,
            Body::Endorsement(_) => Kind::ENDORSEMENT,
            Body::Label(_) => Kind::LABEL,
            Body::Recall(_) => Kind::RECALL,
            Body::Later => return None,
        })
    }

    /// Its canonical bytes; none for a later version's.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Body::Post(body) => encode(body),
            Body::Reply(body) => encode(body),
            Body::Bookmark(body) => encode(body),
            Body::Edit(body) => encode(body),
            Body::Tombstone => encode(&(V1,)),
            Body::Profile(body) => encode(body),
            Body::Charter(body) => encode(body),
            Body::Endorsement(body) => encode(body),
            Body::Label(body) => encode(body),
            Body::Recall(body) => encode(body),
            Body::Later => Vec::new(),
        }
    }
}
