//! From html5gum's tokenizer to what a reader of bookmark files wants to know: tags with the few
//! attributes that count, text, and nothing of the rest.
//!
//! The tokenizer stays in its first state. A page that is shown must treat what follows
//! `<script>` or `<title>` as text; here an unescaped one in somebody's description would then
//! swallow the bookmarks after it.
//!
//! Always true: nothing is held of a tag beyond its bounds, so that an attribute, name or comment
//! as long as the file takes no memory.

use std::cell::Cell;

use html5gum::{Emitter, Error, State, Tokenizer};

use super::encoding::{Encoding, Source};
use super::text::Bounded;
use super::{ImportError, NOTE_BYTES, limits};

/// Longest name of a tag or attribute that is held: longer ones mean nothing here.
const NAME_BYTES: usize = 32;
/// Longest value that is held of an attribute that has no bound of its own; a list of tags is
/// the longest of them.
const VALUE_BYTES: usize = 8 * 1024;

/// The attributes that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    /// Where a link leads.
    Href,
    /// When it was saved, in seconds since 1970, or so it should be.
    AddDate,
    /// The same in Pocket's files.
    TimeAdded,
    LastModified,
    LastVisit,
    Tags,
    Private,
    /// What Scuttle has in place of a `<DD>`.
    Description,
    /// Marks the folder of a browser's own toolbar.
    PersonalToolbarFolder,
    /// Marks the folder of what a browser was not told where to put.
    UnfiledBookmarksFolder,
    /// Marks a folder that is shown closed.
    Folded,
}

impl Attribute {
    const ALL: [(&'static [u8], Attribute); 11] = [
        (b"href", Attribute::Href),
        (b"add_date", Attribute::AddDate),
        (b"time_added", Attribute::TimeAdded),
        (b"last_modified", Attribute::LastModified),
        (b"last_visit", Attribute::LastVisit),
        (b"tags", Attribute::Tags),
        (b"private", Attribute::Private),
        (b"description", Attribute::Description),
        (b"personal_toolbar_folder", Attribute::PersonalToolbarFolder),
        (b"unfiled_bookmarks_folder", Attribute::UnfiledBookmarksFolder),
        (b"folded", Attribute::Folded),
    ];

    fn of(name: &[u8]) -> Option<Attribute> {
        Attribute::ALL.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }

    fn most(self) -> usize {
        match self {
            // White space may stand around it.
            Attribute::Href => limits::URL_BYTES * 2,
            Attribute::Description => NOTE_BYTES,
            _ => VALUE_BYTES,
        }
    }
}

/// The attributes of one tag that count; of two with one name the first, as the standard has it.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<(Attribute, Bounded)>);

impl Attributes {
    pub(super) fn value(&self, wanted: Attribute) -> Option<&Bounded> {
        self.0.iter().find(|(attribute, _)| *attribute == wanted).map(|(_, value)| value)
    }

    pub(super) fn has_any(&self, wanted: &[Attribute]) -> bool {
        self.0.iter().any(|(attribute, _)| wanted.contains(attribute))
    }
}

/// Who wants to know what a file holds, in its order.
pub(super) trait Listener {
    fn doctype(&mut self, name: &[u8]);
    fn start(&mut self, name: &[u8], attributes: &Attributes, line: u32);
    fn end(&mut self, name: &[u8]);
    fn text(&mut self, text: &[u8]);
    /// Why reading should end here, if it should; asked after everything that is told.
    fn stop(&mut self) -> Option<ImportError>;
}

/// Tells `listener` what the file holds, to its end or until it wants no more.
pub(super) fn tell(bytes: &[u8], listener: &mut impl Listener) -> Result<(), ImportError> {
    let line = Cell::new(1);
    let source = Source::new(bytes, Encoding::of(bytes)?, &line);
    let tokens = Tokens {
        listener,
        line: &line,
        tag_line: 1,
        tag: Tag::None,
        name: Bounded::new(NAME_BYTES),
        attribute: Named::None,
        attribute_name: Bounded::new(NAME_BYTES),
        attributes: Attributes::default(),
    };
    match Tokenizer::new_with_emitter(source, tokens).next() {
        Some(Ok(stop)) => Err(stop),
        None => Ok(()),
    }
}

/// Which tag is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    None,
    Start,
    End,
}

/// How far the attribute that is being read is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// There is none, or it does not count.
    None,
    /// Its name is being read.
    Reading,
    /// It counts, and its value goes to the last of the tag's attributes.
    Last,
}

struct Tokens<'a, L> {
    listener: &'a mut L,
    line: &'a Cell<u32>,
    tag_line: u32,
    tag: Tag,
    name: Bounded,
    attribute: Named,
    attribute_name: Bounded,
    attributes: Attributes,
}

impl<L> Tokens<'_, L> {
    fn restart(&mut self, tag: Tag) {
        self.tag = tag;
        self.name.restart(NAME_BYTES);
        self.attribute = Named::None;
        self.attributes.0.clear();
    }

    /// The name of the attribute is complete: it counts, or its value is passed over.
    fn know_attribute(&mut self) {
        if self.attribute != Named::Reading {
            return;
        }
        self.attribute = Named::None;
        let known = Attribute::of(self.attribute_name.bytes()).filter(|_| !self.attribute_name.is_cut());
        if let Some(attribute) = known.filter(|known| self.attributes.value(*known).is_none()) {
            self.attributes.0.push((attribute, Bounded::new(attribute.most())));
            self.attribute = Named::Last;
        }
    }
}

impl<L: Listener> Emitter for Tokens<'_, L> {
    type Token = ImportError;

    fn set_last_start_tag(&mut self, _: Option<&[u8]>) {}
    fn emit_eof(&mut self) {}
    fn emit_error(&mut self, _: Error) {}

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn pop_token(&mut self) -> Option<ImportError> {
        self.listener.stop()
    }

    fn emit_string(&mut self, text: &[u8]) {
        self.listener.text(text);
    }

    fn start_open_tag(&mut self) {
        self.tag_line = self.line.get();
    }

    fn init_start_tag(&mut self) {
        self.restart(Tag::Start);
    }

    fn init_end_tag(&mut self) {
        self.restart(Tag::End);
    }

    fn push_tag_name(&mut self, name: &[u8]) {
        self.name.push(name);
    }

    fn init_attribute(&mut self) {
        self.know_attribute();
        self.attribute = Named::Reading;
        self.attribute_name.restart(NAME_BYTES);
    }

    fn push_attribute_name(&mut self, name: &[u8]) {
        self.attribute_name.push(name);
    }

    fn push_attribute_value(&mut self, value: &[u8]) {
        self.know_attribute();
        if let (Named::Last, Some((_, last))) = (self.attribute, self.attributes.0.last_mut()) {
            last.push(value);
        }
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.know_attribute();
        if !self.name.is_cut() {
            match self.tag {
                Tag::Start => self.listener.start(self.name.bytes(), &self.attributes, self.tag_line),
                Tag::End => self.listener.end(self.name.bytes()),
                Tag::None => {}
            }
        }
        self.tag = Tag::None;
        None
    }

    fn init_doctype(&mut self) {
        self.restart(Tag::None);
    }

    fn push_doctype_name(&mut self, name: &[u8]) {
        self.name.push(name);
    }

    fn emit_current_doctype(&mut self) {
        self.listener.doctype(self.name.bytes());
    }

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        false
    }

    fn init_comment(&mut self) {}
    fn emit_current_comment(&mut self) {}
    fn set_self_closing(&mut self) {}
    fn set_force_quirks(&mut self) {}
    fn push_comment(&mut self, _: &[u8]) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what it is told of the last tag.
    #[derive(Default)]
    struct Last {
        name: Vec<u8>,
        attributes: Vec<(Attribute, String)>,
        line: u32,
        tags: usize,
    }

    impl Listener for Last {
        fn doctype(&mut self, _: &[u8]) {}
        fn start(&mut self, name: &[u8], attributes: &Attributes, line: u32) {
            let held = |(attribute, value): &(Attribute, Bounded)| (*attribute, value.text().to_owned());
            self.attributes = attributes.0.iter().map(held).collect();
            (self.name, self.line, self.tags) = (name.to_vec(), line, self.tags + 1);
        }
        fn end(&mut self, _: &[u8]) {}
        fn text(&mut self, _: &[u8]) {}
        fn stop(&mut self) -> Option<ImportError> {
            (self.tags == 2).then_some(ImportError::TooMany)
        }
    }

    #[test]
    fn a_tag_has_its_name_line_and_the_first_of_each_attribute_that_counts() {
        let mut last = Last::default();
        let file = b"\n<A\nHREF=a&amp;b href='c' ICON=\"d\" Folded TAGS=\"\">x";
        assert_eq!(tell(file, &mut last), Ok(()));
        assert_eq!((last.name.as_slice(), last.line), (&b"a"[..], 2));
        let held = [(Attribute::Href, "a&b"), (Attribute::Folded, ""), (Attribute::Tags, "")];
        assert_eq!(last.attributes, held.map(|(attribute, value)| (attribute, value.to_owned())));
    }

    #[test]
    fn nothing_is_held_of_names_that_mean_nothing() {
        let mut last = Last::default();
        let file = format!("<{}><p {}=x>", "a".repeat(NAME_BYTES + 1), "href".repeat(NAME_BYTES));
        assert_eq!(tell(file.as_bytes(), &mut last), Ok(()));
        assert_eq!((last.tags, last.attributes.len()), (1, 0));
    }

    #[test]
    fn a_listener_is_told_nothing_after_it_wants_no_more() {
        let mut last = Last::default();
        assert_eq!(tell(b"<a><b><c><d>", &mut last), Err(ImportError::TooMany));
        assert_eq!(last.name, b"b");
    }
}
