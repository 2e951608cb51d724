//! Words of a file made fit for items: bounded, NFC, without control characters.
//!
//! A tag is one word of paths: white space inside it becomes `-`, empty parts between slashes are
//! left out. Its letters stay as they were typed. A tag made of a folder's name is a slug, in
//! lower case and without slashes and commas, as bookmark sites write them, so that a folder
//! `Build system` and a tag `build-system` are one; its slashes are not nesting.
//!
//! What is too long is cut where a character ends. A cut tag is better than none: it is still
//! found by its beginning.
//!
//! Always true: nothing is held of a word beyond its bound, however long it is in the file.

use hearth_protocol::limits;
use unicode_normalization::UnicodeNormalization as _;

/// How much more of a word is held than is kept of it, for the white space that is left out and
/// the characters that become shorter in NFC.
const SLACK: usize = 4;

/// Bytes of which no more than a bound are held.
#[derive(Debug, Default, Clone)]
pub(super) struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    given: usize,
}

impl Bounded {
    /// Holds `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Bounded { bytes: Vec::new(), most, given: 0 }
    }

    /// Holds a line or text of which `most` bytes will be kept.
    pub(super) fn of_words(most: usize) -> Self {
        Bounded::new(most.saturating_mul(SLACK))
    }

    /// Empty again, for at most `most` bytes; its memory is used again unless it is large.
    pub(super) fn restart(&mut self, most: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(limits::URL_BYTES);
        self.most = most;
        self.given = 0;
    }

    /// Adds what fits.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let left = self.most - self.bytes.len();
        self.given = self.given.saturating_add(bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(left)]);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes were given, whether they fitted or not.
    pub(super) fn given(&self) -> usize {
        self.given
    }

    /// Whether something did not fit.
    pub(super) fn is_cut(&self) -> bool {
        self.given > self.bytes.len()
    }

    /// As text, without a last character of which only a part fitted.
    pub(super) fn text(&self) -> &str {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(error) => {
                let (valid, _) = self.bytes.split_at(error.valid_up_to());
                std::str::from_utf8(valid).unwrap_or_default()
            }
        }
    }
}

/// Words that fit an item, and whether something had to be cut for that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    pub(super) text: Option<String>,
    pub(super) is_cut: bool,
}

/// One line: white space of any kind and length is one space.
pub(super) fn title(words: &Bounded) -> Fitted {
    let line = words.text().split(|c: char| c.is_whitespace() || c.is_control());
    let line: Vec<&str> = line.filter(|word| !word.is_empty()).collect();
    let mut line: String = line.join(" ").nfc().collect();
    let is_cut = cut(&mut line, limits::TITLE_BYTES) || words.is_cut();
    line.truncate(line.trim_end().len());
    Fitted { text: (!line.is_empty()).then_some(line), is_cut }
}

/// A text: its lines stay, with what they are indented by.
pub(super) fn note(words: &Bounded, most: usize) -> Fitted {
    let kept = words.text().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    let text: String = kept.nfc().collect();
    let first_line = text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len());
    let start = text[..first_line].rfind('\n').map_or(first_line, |feed| feed + 1);
    let mut text = text[start..].trim_end().to_owned();
    let is_cut = cut(&mut text, most) || words.is_cut();
    text.truncate(text.trim_end().len());
    Fitted { text: (!text.is_empty()).then_some(text), is_cut }
}

/// A tag as its owner typed it.
pub(super) fn tag(typed: &str) -> Fitted {
    path(typed, limits::TAG_BYTES)
}

/// The tag that a folder's name makes.
pub(super) fn folder_tag(name: &Bounded) -> Fitted {
    let plain = name.text().to_lowercase().replace(['/', ','], " ");
    let Fitted { text, is_cut } = path(&plain, limits::TAG_BYTES);
    Fitted { text, is_cut: is_cut || name.is_cut() }
}

fn path(typed: &str, most: usize) -> Fitted {
    let parts: Vec<String> = typed.split('/').map(part).filter(|part| !part.is_empty()).collect();
    let mut tag: String = parts.join("/").nfc().collect();
    let is_cut = cut(&mut tag, most);
    tag.truncate(tag.trim_end_matches(['-', '/']).len());
    Fitted { text: (!tag.is_empty()).then_some(tag), is_cut }
}

/// The words of a part with `-` between them; dashes that stand alone join like white space.
fn part(typed: &str) -> String {
    let words = typed.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| word.contains(|c| c != '-')).collect();
    words.join("-")
}

/// Cuts a text to its first `most` bytes or a little less, where a character ends.
fn cut(text: &mut String, most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Bounded {
        let mut words = Bounded::of_words(limits::TITLE_BYTES);
        words.push(text.as_bytes());
        words
    }

    fn whole(text: &str) -> Fitted {
        Fitted { text: Some(text.to_owned()), is_cut: false }
    }

    #[test]
    fn a_title_is_one_line_of_nfc() {
        assert_eq!(title(&words(" a \n\tb\u{a0}\u{0}c\u{7f} cafe\u{301} ")), whole("a b c caf\u{e9}"));
        assert_eq!(title(&words(" \n ")), Fitted { text: None, is_cut: false });
    }

    #[test]
    fn a_title_is_cut_where_a_character_ends() {
        let fits = "x".repeat(limits::TITLE_BYTES);
        assert_eq!(title(&words(&fits)), whole(&fits));
        let long = title(&words(&format!("x{}", "\u{e9}".repeat(limits::TITLE_BYTES))));
        let kept = format!("x{}", "\u{e9}".repeat((limits::TITLE_BYTES - 1) / 2));
        assert_eq!(long, Fitted { text: Some(kept), is_cut: true });
    }

    #[test]
    fn a_note_keeps_its_lines_and_what_they_are_indented_by() {
        let text = "\n\n  - a\n    - b\u{8}\n\n\tc  \n\n";
        assert_eq!(note(&words(text), 100), whole("  - a\n    - b\n\n\tc"));
        assert_eq!(note(&words("  a\n b"), 100), whole("a\n b"));
        assert_eq!(note(&words("abc def"), 4), Fitted { text: Some("abc".to_owned()), is_cut: true });
    }

    #[test]
    fn a_tag_is_a_path_of_words() {
        for (typed, tag_) in [
            ("rust", "rust"),
            (" Machine  learning\t", "Machine-learning"),
            ("a - b", "a-b"),
            ("c++", "c++"),
            ("self-hosted", "self-hosted"),
            ("/rust//async/", "rust/async"),
            ("cafe\u{301}", "caf\u{e9}"),
        ] {
            assert_eq!(tag(typed), whole(tag_), "{typed:?}");
        }
        for nothing in ["", " ", "/", "-", " - / -- "] {
            assert_eq!(tag(nothing).text, None, "{nothing:?}");
        }
    }

    #[test]
    fn a_tag_is_as_long_as_the_bound_and_no_longer() {
        let fits = "t".repeat(limits::TAG_BYTES);
        assert_eq!(tag(&fits), whole(&fits));
        assert_eq!(tag(&format!("{fits}t")), Fitted { text: Some(fits.clone()), is_cut: true });
        let (start, _) = fits.split_at(limits::TAG_BYTES - 1);
        assert_eq!(tag(&format!("{start} end")).text.as_deref(), Some(start));
    }

    #[test]
    fn a_folder_is_a_slug() {
        for (name, slug) in
            [("Build system", "build-system"), ("TCP/IP, UDP", "tcp-ip-udp"), ("\u{c9}t\u{e9}", "\u{e9}t\u{e9}")]
        {
            assert_eq!(folder_tag(&words(name)), whole(slug));
        }
    }

    #[test]
    fn nothing_is_held_beyond_the_bound() {
        let mut words = Bounded::new(5);
        words.push("ab\u{e9}".as_bytes());
        assert!(!words.is_cut());
        words.push("\u{e9}".as_bytes());
        assert_eq!((words.text(), words.is_cut(), words.bytes().len()), ("ab\u{e9}", true, 5));
    }
}
