//! From a request to a draft: each kind's fields, within their bounds.
//!
//! What an edit, a profile or a charter leaves out stays as it was. Leaves to others: signing, and
//! whether the author may write it. Always true: an error names the field.

use hearth_protocol::{
    bytes::{Blob, List},
    encoding::V1,
    id::{CommunityId, ItemId},
    item::{
        Body, Bookmark, Charter, Draft, DraftRefusal, Edit, Endorsement, Kind, Label, Merit, Post, Profile, Recall,
        Reply,
    },
    limits,
    text::{Text, TextRefusal},
    time::Millis,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    error::{Answered, ApiError},
    resolve,
    sight::Sight,
    view,
};

/// The kinds that can be written.
const WRITABLE: &str = "post, bookmark, reply, endorsement, edit, tombstone, profile, charter, label, recall";

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToWrite {
    kind: String,
    #[serde(default)]
    to: Vec<String>,
    title: Option<String>,
    text: Option<String>,
    url: Option<String>,
    note: Option<String>,
    tags: Option<Vec<String>>,
    reach: Option<u8>,
    re: Option<String>,
    target: Option<String>,
    merit: Option<String>,
    hide: Option<bool>,
    reason: Option<String>,
    fields: Option<Value>,
}

/// One command's worth: what to write, and where. Nowhere: where its target is.
pub(super) type Writing = (Vec<CommunityId>, Draft);

impl ToWrite {
    /// What it comes to, in the order in which it is written.
    pub(super) fn read(&self, sight: &Sight<'_>, name: &str, now: Millis) -> Answered<Vec<Writing>> {
        let to = self.to.iter().map(|text| resolve::community(&sight.snapshot, text)).collect::<Answered<Vec<_>>>()?;
        Ok(match Kind::from_name(&self.kind) {
            Some(Kind::POST) => vec![(to, self.draft(Body::Post(self.post()?))?)],
            Some(Kind::BOOKMARK) => vec![(to, self.draft(Body::Bookmark(self.bookmark(now)?))?)],
            Some(Kind::REPLY) => vec![self.reply(sight, to)?],
            Some(Kind::EDIT) => vec![(to, self.edit(sight)?)],
            Some(Kind::TOMBSTONE) => {
                let target = resolve::item(sight, required("target", self.target.as_deref())?)?;
                vec![(to, Draft { target: Some(target), ..Draft::new(Body::Tombstone) })]
            }
            Some(Kind::ENDORSEMENT) => vec![self.naming(sight, to, Body::Endorsement(self.endorsement()?))?],
            Some(Kind::LABEL) => {
                let hide = self.hide.ok_or_else(|| missing("hide"))?;
                vec![self.naming(sight, to, Body::Label(Label { version: V1, hide, reason: self.reason()? }))?]
            }
            Some(Kind::RECALL) => {
                vec![self.naming(sight, to, Body::Recall(Recall { version: V1, reason: self.reason()? }))?]
            }
            Some(Kind::PROFILE) => {
                let to = if to.is_empty() { sight.snapshot.own_space.into_iter().collect() } else { to };
                to.into_iter()
                    .map(|community| {
                        Ok((vec![community], self.draft(Body::Profile(self.profile(sight, community, name)?))?))
                    })
                    .collect::<Answered<_>>()?
            }
            Some(Kind::CHARTER) => {
                if to.is_empty() {
                    return Err(missing("to"));
                }
                to.into_iter()
                    .map(|community| Ok((vec![community], self.draft(Body::Charter(self.charter(sight, community)?))?)))
                    .collect::<Answered<_>>()?
            }
            _ => {
                return Err(ApiError::typed(
                    "bad_kind",
                    format!("`{}` is no kind that can be written", self.kind),
                    format!("these can be: {WRITABLE}"),
                ));
            }
        })
    }

    fn draft(&self, body: Body) -> Answered<Draft> {
        let tags = self.tags.as_deref().unwrap_or_default();
        Ok(Draft::new(body).tagged(tags)?.reaching(self.reach)?)
    }

    fn post(&self) -> Answered<Post> {
        Ok(Post {
            version: V1,
            title: line("title", self.title.as_deref())?,
            text: written("text", self.text.as_deref())?,
            attachments: List::none(),
        })
    }

    fn bookmark(&self, now: Millis) -> Answered<Bookmark> {
        let url = required("url", self.url.as_deref())?;
        hearth_protocol::url::check(url)?;
        Ok(Bookmark {
            version: V1,
            url: Text::exact(url.to_owned()).map_err(|why| ApiError::field("address", &why))?,
            title: line("title", self.title.as_deref())?,
            note: some_text("note", self.note.as_deref())?,
            excerpt: None,
            added: now,
            source: None,
        })
    }

    /// A reply goes to where its parent is read: of a relayed item, not to where that was written.
    fn reply(&self, sight: &Sight<'_>, mut to: Vec<CommunityId>) -> Answered<Writing> {
        let re = resolve::item(sight, required("re", self.re.as_deref())?)?;
        if to.is_empty() {
            let shown = sight.store.show(re, &sight.communities(), &sight.stewarded())?;
            to.push(shown.ok_or_else(|| not_readable(re))?.listed.read_in);
        }
        let mut draft = self.draft(Body::Reply(Reply { version: V1, text: written("text", self.text.as_deref())? }))?;
        draft.re = List::new(vec![re]).map_err(|_| ApiError::broken())?;
        Ok((to, draft))
    }

    /// What is said of an item is for those who read it where this node's person does.
    fn naming(&self, sight: &Sight<'_>, mut to: Vec<CommunityId>, body: Body) -> Answered<Writing> {
        let target = resolve::item(sight, required("target", self.target.as_deref())?)?;
        if to.is_empty() {
            let shown = sight.store.show(target, &sight.communities(), &sight.stewarded())?;
            to.push(shown.ok_or_else(|| not_readable(target))?.listed.read_in);
        }
        Ok((to, Draft { target: Some(target), ..self.draft(body)? }))
    }

    fn endorsement(&self) -> Answered<Endorsement> {
        let named = required("merit", self.merit.as_deref())?;
        let merit = Merit::from_name(named.trim()).ok_or_else(|| {
            let merits = Merit::ALL.map(Merit::name).join(", ");
            ApiError::typed(
                "bad_merit",
                format!("`{named}` is no reason to recommend an item"),
                format!("these are: {merits}"),
            )
        })?;
        Ok(Endorsement { version: V1, merit, line: line("text", self.text.as_deref())? })
    }

    fn reason(&self) -> Answered<Text<{ limits::REASON_BYTES }>> {
        Text::line(required("reason", self.reason.as_deref())?).map_err(|why| ApiError::field("reason", &why))
    }

    fn edit(&self, sight: &Sight<'_>) -> Answered<Draft> {
        let target = resolve::item(sight, required("target", self.target.as_deref())?)?;
        let shown = sight.store.show(target, &sight.communities(), &[])?.ok_or_else(|| not_readable(target))?;
        if shown.retracted {
            return Err(ApiError::conflict(
                "retracted",
                "it was taken back, which is final",
                "write it anew: hearth post TEXT",
            ));
        }
        if self.url.is_some() {
            return Err(ApiError::typed(
                "address_stays",
                "the address of a bookmark does not change",
                "keep the other address: hearth bookmark URL",
            ));
        }
        let body = match &shown.listed.body {
            Some(Body::Post(old)) => Body::Post(Post {
                title: changed_line("title", self.title.as_deref(), &old.title)?,
                text: self.changed(&old.text)?,
                ..old.clone()
            }),
            Some(Body::Reply(old)) => Body::Reply(Reply { text: self.changed(&old.text)?, ..old.clone() }),
            Some(Body::Bookmark(old)) => Body::Bookmark(Bookmark {
                title: changed_line("title", self.title.as_deref(), &old.title)?,
                note: changed_text("note", self.note.as_deref().or(self.text.as_deref()), &old.note)?,
                ..old.clone()
            }),
            _ => {
                return Err(ApiError::typed(
                    "not_editable",
                    "this kind of item is not edited",
                    "profiles and charters are written anew; posts, replies and bookmarks are edited",
                ));
            }
        };
        let body = Blob::new(body.to_bytes()).map_err(|_| {
            ApiError::field("text", &TextRefusal::TooLong { most: limits::BODY_BYTES, found: body.to_bytes().len() })
        })?;
        let tags = self.tags.clone().unwrap_or_else(|| view::tags(&shown.listed));
        let draft = Draft::new(Body::Edit(Edit { version: V1, body })).tagged(&tags)?;
        Ok(Draft { target: Some(target), reach: Some(shown.listed.item.header.reach), ..draft })
    }

    fn changed<const MAX: usize>(&self, old: &Text<MAX>) -> Answered<Text<MAX>> {
        self.text.as_deref().map_or_else(|| Ok(old.clone()), |text| written("text", Some(text)))
    }

    fn profile(&self, sight: &Sight<'_>, community: CommunityId, name: &str) -> Answered<Profile> {
        let fields: ProfileFields = fields(self.fields.as_ref())?;
        let old = sight.profiles(community)?.remove(&sight.me);
        let old = match old {
            Some(old) => old,
            None => Profile::named(Text::line(name).map_err(|why| ApiError::field("name", &why))?),
        };
        Ok(Profile {
            version: V1,
            name: line("name", fields.name.as_deref())?.unwrap_or(old.name),
            about: changed_text("about", fields.about.as_deref(), &old.about)?,
            practises: lines("practises", fields.practises, old.practises)?,
            learning: lines("learning", fields.learning, old.learning)?,
            offers: lines("offers", fields.offers, old.offers)?,
            asks: lines("asks", fields.asks, old.asks)?,
            languages: lines("languages", fields.languages, old.languages)?,
            zone: changed_line("zone", fields.zone.as_deref(), &old.zone)?,
        })
    }

    fn charter(&self, sight: &Sight<'_>, community: CommunityId) -> Answered<Charter> {
        let fields: CharterFields = fields(self.fields.as_ref())?;
        let old = sight.charter(community)?;
        let old = old.unwrap_or_else(|| Charter {
            version: V1,
            domain: Text::default(),
            community: None,
            practice: None,
            norms: None,
            topics: List::none(),
            start_here: None,
            welcome: None,
        });
        let start_here = match fields.start_here.as_deref().map(str::trim) {
            None => old.start_here,
            Some("") => None,
            Some(text) => Some(resolve::item(sight, text)?),
        };
        Ok(Charter {
            version: V1,
            domain: fields.domain.as_deref().map_or_else(|| Ok(old.domain), |text| written("domain", Some(text)))?,
            community: changed_text("community", fields.community.as_deref(), &old.community)?,
            practice: changed_text("practice", fields.practice.as_deref(), &old.practice)?,
            norms: changed_text("norms", fields.norms.as_deref(), &old.norms)?,
            topics: lines("topics", fields.topics, old.topics)?,
            start_here,
            welcome: changed_text("welcome", fields.welcome.as_deref(), &old.welcome)?,
        })
    }
}

/// What a profile may say; what is left out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProfileFields {
    name: Option<String>,
    about: Option<String>,
    practises: Option<Vec<String>>,
    learning: Option<Vec<String>>,
    offers: Option<Vec<String>>,
    asks: Option<Vec<String>>,
    languages: Option<Vec<String>>,
    zone: Option<String>,
}

/// What a charter may say; what is left out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CharterFields {
    domain: Option<String>,
    community: Option<String>,
    practice: Option<String>,
    norms: Option<String>,
    topics: Option<Vec<String>>,
    start_here: Option<String>,
    welcome: Option<String>,
}

fn fields<T: DeserializeOwned>(given: Option<&Value>) -> Answered<T> {
    let given = given.ok_or_else(|| missing("fields"))?;
    T::deserialize(given).map_err(|why| {
        ApiError::typed(
            "bad_field",
            format!("`fields` is not what is expected: {why}"),
            "look at the names of the fields",
        )
    })
}

fn not_readable(item: ItemId) -> ApiError {
    let hint = "`hearth list` shows what can be read here";
    ApiError::missing("no_item", format!("the item {item} is not read in any of your communities"), hint)
}

fn required<'a>(field: &'static str, given: Option<&'a str>) -> Answered<&'a str> {
    given.ok_or_else(|| missing(field))
}

fn missing(field: &'static str) -> ApiError {
    ApiError::typed("missing_field", format!("`{field}` is missing"), format!("send `{field}`"))
}

/// A text that has to be there.
pub(super) fn written<const MAX: usize>(field: &'static str, given: Option<&str>) -> Answered<Text<MAX>> {
    some_text(field, given)?.ok_or_else(|| DraftRefusal::Text { field, why: TextRefusal::Empty }.into())
}

/// A text that may be there; white space alone is none.
pub(super) fn some_text<const MAX: usize>(field: &'static str, given: Option<&str>) -> Answered<Option<Text<MAX>>> {
    let Some(given) = given.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    Text::written(given).map(Some).map_err(|why| ApiError::field(field, &why))
}

/// A line that may be there; white space alone is none.
pub(super) fn line<const MAX: usize>(field: &'static str, given: Option<&str>) -> Answered<Option<Text<MAX>>> {
    let Some(given) = given.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    Text::line(given).map(Some).map_err(|why| ApiError::field(field, &why))
}

fn changed_text<const MAX: usize>(
    field: &'static str,
    given: Option<&str>,
    old: &Option<Text<MAX>>,
) -> Answered<Option<Text<MAX>>> {
    if given.is_none() { Ok(old.clone()) } else { some_text(field, given) }
}

fn changed_line<const MAX: usize>(
    field: &'static str,
    given: Option<&str>,
    old: &Option<Text<MAX>>,
) -> Answered<Option<Text<MAX>>> {
    if given.is_none() { Ok(old.clone()) } else { line(field, given) }
}

/// Lines of a list field.
fn lines<const BYTES: usize, const MAX: usize>(
    field: &'static str,
    given: Option<Vec<String>>,
    old: List<Text<BYTES>, 0, MAX>,
) -> Answered<List<Text<BYTES>, 0, MAX>> {
    let Some(given) = given else { return Ok(old) };
    let found = given.len();
    let lines = given
        .iter()
        .map(|text| Text::line(text).map_err(|why| ApiError::field(field, &why)))
        .collect::<Answered<Vec<_>>>()?;
    List::new(lines).map_err(|_| DraftRefusal::TooMany { field, most: MAX, found }.into())
}
