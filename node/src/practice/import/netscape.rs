//! Bookmark files of Netscape's making, as browsers and bookmark sites have written them since
//! 1994.
//!
//! They look like HTML and are not: `<DT><A HREF ADD_DATE TAGS>title</A>`, a `<DD>` after it with
//! a note, and `<DT><H3>name</H3><DL>` for a folder that ends with `</DL>`. Tags are closed or
//! not, and what programs write between them differs, so this reads the stream of tags and keeps
//! no tree. What it makes of them:
//!
//! - Each folder around a link is a tag of it, after its own; a browser's own two folders (its
//!   toolbar, what it was not told where to put) are nobody's words and make none. They are single
//!   tags and not one path (`libraries`, `web`; not `libraries/web`): so do the sites whose
//!   exports have both, their other formats have no folders, and a link between communities that
//!   names `web` is meant for all of it.
//! - `TAGS` are separated by commas. Some sites separate them by white space; that is so in a
//!   file in which no `TAGS` has a comma.
//! - `ADD_DATE` is in seconds; milliseconds and microseconds are told by their size. What is no
//!   time between 1970 and 2100 is no time.
//! - A link inside a note belongs to the note, unless it bears the marks of a bookmark.
//! - Pocket's list is read too: `<LI><A HREF TIME_ADDED TAGS>`, without folders.
//! - Aliases are links like others: they meet on their address. Separators, icons, feeds,
//!   keywords and a folder's own text have no place in a bookmark and are passed over.
//!
//! A file is one of these if it says so in its doctype, or if a link or folder in a list bears
//! their marks, or if it has such a list and nothing that the format does not know before it.

use std::rc::Rc;

use super::sniff::UTF8_MARK;
use super::text::{self, Bounded};
use super::tokens::{self, Attribute, Attributes, Listener};
use super::values::{self, Gap};
use super::{
    Candidate, FOLDERS_DEEP, Format, Found, ImportError, LINKS, NOTE_BYTES, Parsed, Rejected, TAGS_BYTES, limits,
};

/// How the doctype of a bookmark file begins.
const DOCTYPE: &[u8] = b"netscape-bookmark-file";
/// Attributes that only programs that keep bookmarks write.
const MARKS: [Attribute; 6] = [
    Attribute::AddDate,
    Attribute::TimeAdded,
    Attribute::LastModified,
    Attribute::LastVisit,
    Attribute::Tags,
    Attribute::Folded,
];
/// The tags of the format; a page of the web has others before its first list.
const VOCABULARY: [&[u8]; 14] =
    [b"html", b"head", b"meta", b"title", b"body", b"h1", b"h3", b"dl", b"dt", b"dd", b"p", b"a", b"hr", b"br"];
/// What a tag takes beside its bytes.
pub(super) const TAG_OVERHEAD: usize = size_of::<String>();

/// What makes a file one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Its own marks.
    Marks,
    /// Somebody said so.
    Told,
}

/// Reads a file.
pub(super) fn read(bytes: &[u8], trust: Trust) -> Result<Parsed, ImportError> {
    let mut page = Page::new(bytes, trust);
    tokens::tell(bytes, &mut page)?;
    page.finish_link();
    if !page.is_known {
        return Err(ImportError::Unrecognised { found: Found::Markup });
    }
    if page.links.is_empty() && page.rejected.is_empty() {
        return Err(ImportError::Empty { format: Format::Netscape });
    }
    page.parsed()
}

/// The folders around a link.
#[derive(Debug, Clone, Default)]
struct Folders {
    /// Their tags, from the outermost in.
    tags: Rc<[Rc<str>]>,
    /// Whether one of them had to be cut.
    is_cut: bool,
}

/// What the text is that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Nothing,
    Title,
    Note,
    FolderName,
}

/// Where a link is expected, and where one would be part of something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a `<DT>` or `<LI>`.
    Line,
    /// In a description or script.
    Aside,
    Elsewhere,
}

/// A link of which more may follow.
struct Open {
    line: u32,
    address: Option<Bounded>,
    title: Bounded,
    note: Bounded,
    description: Option<Bounded>,
    tags: (String, bool),
    added_ms: Option<u64>,
    private: Option<bool>,
}

/// A candidate whose own tags are not told apart yet: that takes the whole file.
struct Link {
    candidate: Candidate,
    own_tags: String,
    folders: Folders,
    is_cut: bool,
}

struct Page {
    is_known: bool,
    /// Whether nothing was seen yet that the format does not know.
    is_plain: bool,
    /// The lists that are open, each with the tags of all folders down to it.
    lists: Vec<Folders>,
    /// A folder's tag, if it has one, until its list begins.
    next_folder: Option<(Rc<str>, bool)>,
    folder_name: Bounded,
    folder_is_ours: bool,
    place: Place,
    reading: Reading,
    open: Option<Open>,
    links: Vec<Link>,
    rejected: Vec<Rejected>,
    folders: u32,
    has_commas: bool,
    stop: Option<ImportError>,
}

impl Listener for Page {
    fn doctype(&mut self, name: &[u8]) {
        self.is_known |= name.starts_with(DOCTYPE);
    }

    fn start(&mut self, name: &[u8], attributes: &Attributes, line: u32) {
        match name {
            b"a" => self.link(attributes, line),
            b"dt" | b"li" => {
                self.finish_link();
                self.next_folder = None;
                self.place = Place::Line;
            }
            b"dd" => self.describe(),
            b"h3" => self.folder(attributes),
            b"dl" => self.list(line),
            b"hr" | b"h1" | b"h2" | b"ul" | b"ol" => {
                self.finish_link();
                self.place = Place::Elsewhere;
            }
            b"br" | b"p" => self.text(b"\n"),
            b"script" | b"style" if self.reading == Reading::Nothing => self.place = Place::Aside,
            _ => {}
        }
        if !VOCABULARY.contains(&name) {
            self.is_plain = false;
        }
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"a" if self.reading == Reading::Title => self.reading = Reading::Nothing,
            b"h3" => self.finish_folder(),
            b"script" | b"style" if self.reading == Reading::Nothing => self.place = Place::Elsewhere,
            b"dd" | b"dl" | b"ul" | b"ol" => {
                self.finish_link();
                self.place = Place::Elsewhere;
                if name == b"dl" {
                    self.next_folder = None;
                    self.lists.pop();
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &[u8]) {
        match (self.reading, &mut self.open) {
            (Reading::FolderName, _) => self.folder_name.push(text),
            (Reading::Title, Some(open)) => open.title.push(text),
            (Reading::Note, Some(open)) => open.note.push(text),
            (Reading::Nothing | Reading::Title | Reading::Note, _) => {}
        }
    }

    fn stop(&mut self) -> Option<ImportError> {
        self.stop.take()
    }
}

impl Page {
    fn new(bytes: &[u8], trust: Trust) -> Self {
        Page {
            is_known: trust == Trust::Told,
            is_plain: bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes).trim_ascii_start().starts_with(b"<"),
            lists: Vec::new(),
            next_folder: None,
            folder_name: Bounded::of_words(limits::TAG_BYTES),
            folder_is_ours: false,
            place: Place::Elsewhere,
            reading: Reading::Nothing,
            open: None,
            links: Vec::new(),
            rejected: Vec::new(),
            folders: 0,
            has_commas: false,
            stop: None,
        }
    }

    /// Whether what begins here shows that the file is one of these.
    fn know(&mut self, attributes: &Attributes) {
        let in_list = self.is_plain && !self.lists.is_empty();
        self.is_known |= self.place == Place::Line && (attributes.has_any(&MARKS) || in_list);
    }

    fn list(&mut self, line: u32) {
        self.finish_link();
        self.place = Place::Elsewhere;
        if self.lists.len() >= FOLDERS_DEEP {
            self.stop = Some(ImportError::TooDeep { line });
            return;
        }
        let around = self.lists.last().cloned().unwrap_or_default();
        self.lists.push(match self.next_folder.take() {
            Some((tag, is_cut)) => {
                Folders { tags: around.tags.iter().cloned().chain([tag]).collect(), is_cut: around.is_cut || is_cut }
            }
            None => around,
        });
    }

    fn folder(&mut self, attributes: &Attributes) {
        self.finish_link();
        self.know(attributes);
        self.folders = self.folders.saturating_add(1);
        self.folder_name.restart(limits::TAG_BYTES * 4);
        let browsers = [Attribute::PersonalToolbarFolder, Attribute::UnfiledBookmarksFolder];
        self.folder_is_ours = !attributes.has_any(&browsers);
        self.next_folder = None;
        self.reading = Reading::FolderName;
    }

    fn finish_folder(&mut self) {
        if self.reading != Reading::FolderName {
            return;
        }
        self.reading = Reading::Nothing;
        if self.folder_is_ours {
            let tag = text::folder_tag(&self.folder_name);
            self.next_folder = tag.text.map(|text| (Rc::from(text), tag.is_cut));
        }
    }

    fn describe(&mut self) {
        self.finish_folder();
        self.reading = if self.open.is_some() { Reading::Note } else { Reading::Nothing };
        self.place = Place::Aside;
    }

    fn link(&mut self, attributes: &Attributes, line: u32) {
        if self.place == Place::Aside && !attributes.has_any(&MARKS) {
            return;
        }
        self.know(attributes);
        if !self.is_known {
            return;
        }
        self.finish_link();
        if self.links.len() + self.rejected.len() >= LINKS {
            self.stop = Some(ImportError::TooMany);
            return;
        }
        let value = |wanted| attributes.value(wanted);
        let tags = value(Attribute::Tags).map(|tags| (tags.text().to_owned(), tags.is_cut())).unwrap_or_default();
        self.has_commas |= tags.0.contains(',');
        self.reading = Reading::Title;
        self.open = Some(Open {
            line,
            address: value(Attribute::Href).cloned(),
            title: Bounded::of_words(limits::TITLE_BYTES),
            note: Bounded::new(NOTE_BYTES),
            description: value(Attribute::Description).cloned(),
            tags,
            added_ms: value(Attribute::AddDate)
                .or(value(Attribute::TimeAdded))
                .and_then(|date| values::time_ms(date.text())),
            private: value(Attribute::Private).and_then(|private| values::yes_or_no(private.text())),
        });
    }

    /// Ends the text that is being read, and with it the link or folder that it belongs to.
    fn finish_link(&mut self) {
        self.finish_folder();
        self.reading = Reading::Nothing;
        let Some(open) = self.open.take() else { return };
        let line = open.line;
        let url = match values::accept(open.address.as_ref()) {
            Ok(url) => url,
            Err(reason) => return self.rejected.push(Rejected { line, reason }),
        };
        let title = text::title(&open.title);
        let mut note = text::note(&open.note, NOTE_BYTES);
        if let (None, Some(description)) = (&note.text, &open.description) {
            note = text::note(description, NOTE_BYTES);
        }
        let (own_tags, tags_are_cut) = open.tags;
        self.links.push(Link {
            is_cut: title.is_cut || note.is_cut || tags_are_cut,
            candidate: Candidate {
                line,
                url,
                title: title.text,
                note: note.text,
                tags: Vec::new(),
                added_ms: open.added_ms,
                private: open.private,
            },
            own_tags,
            folders: self.lists.last().cloned().unwrap_or_default(),
        });
    }

    /// The whole file is read: tags are told apart.
    fn parsed(self) -> Result<Parsed, ImportError> {
        let mut candidates = Vec::with_capacity(self.links.len());
        let mut shortened = 0u32;
        let mut left = TAGS_BYTES;
        let gap = if self.has_commas { Gap::Comma } else { Gap::Space };
        for link in self.links {
            let (tags, tags_are_cut) = values::tags(&link.own_tags, gap, &link.folders.tags);
            let size: usize = tags.iter().map(|tag| tag.len() + TAG_OVERHEAD).sum();
            left = left.checked_sub(size).ok_or(ImportError::TooManyTags)?;
            shortened += u32::from(link.is_cut || link.folders.is_cut || tags_are_cut);
            candidates.push(Candidate { tags, ..link.candidate });
        }
        let (rejected, folders) = (self.rejected, self.folders);
        Ok(Parsed { format: Format::Netscape, candidates, rejected, folders, shortened })
    }
}
