//! The reader of other programs' bookmark files, with what must hold of all that it takes from them.
//!
//! The fuzz target and the corpora suite run the same function. Leaves to others: which bytes are tried.

use hearth_node::practice::import::{Candidate, Format, NOTE_BYTES, Parsed, merge, read};
use hearth_protocol::{limits, url};
use hearth_tests::decoders::Verdict;

/// Reads a file as what it shows to be, and as what somebody says it is.
pub fn import(bytes: &[u8]) -> Verdict {
    let shown = read(bytes, None);
    let told = read(bytes, Some(Format::Netscape));
    for parsed in [&shown, &told].into_iter().flatten() {
        parsed.candidates.iter().for_each(good);
        merged(parsed);
    }
    if shown.is_ok() { Verdict::Accepted } else { Verdict::Refused }
}

/// A candidate can become a bookmark as it is.
fn good(candidate: &Candidate) {
    assert!(url::check(&candidate.url).is_ok(), "an address that bookmarks do not take");
    let fits = |text: &Option<String>, most: usize| text.as_ref().is_none_or(|text| text.len() <= most);
    assert!(fits(&candidate.title, limits::TITLE_BYTES), "a title that is too long");
    assert!(fits(&candidate.note, NOTE_BYTES), "a note that is too long");
    assert!(candidate.tags.len() <= limits::TAGS, "too many tags");
    assert!(candidate.tags.iter().all(|tag| !tag.is_empty() && tag.len() <= limits::TAG_BYTES), "a tag out of bounds");
}

/// Merging leaves nothing to merge.
fn merged(parsed: &Parsed) {
    let once = merge(parsed.candidates.clone());
    assert!(once.candidates.len() <= parsed.candidates.len(), "merging makes more of them");
    let twice = merge(once.candidates.clone());
    assert_eq!(twice.merged, 0, "something was left to merge");
    assert_eq!(twice.candidates, once.candidates, "merging again changes something");
}
