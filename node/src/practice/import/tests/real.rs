//! Real bookmark files, which lie beside the project, against counts that another reader took.
//!
//! That reader counted tags: every `<A HREF>`, `<H3>` and `<DD>`, and every `TAGS` that is not
//! empty. Where this one gives something else, the reason stands beside the number.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn data() -> Option<PathBuf> {
    let shared = std::env::var_os("HEARTH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let data = shared.join("data");
    if data.exists() {
        return Some(data);
    }
    let _ = writeln!(std::io::stderr(), "skipped: {} is not here", data.display());
    None
}

/// Where this reader and the other differ in a file: links, tagged, notes.
const DIFFERENCES: [(&str, Differ); 10] = [
    // A file of zero bytes is refused, not read as one without links.
    ("shaarli-parser/empty.htm", Differ { error: Some("unrecognised_file"), ..SAME }),
    // The second link stands inside the first one's note.
    ("shaarli-parser/netscape_extended.htm", Differ { links: -1, ..SAME }),
    // One link is relative to the site that wrote it: rejected, and its tags and note with it.
    ("shaarli-parser/shaarli.htm", Differ { tagged: -1, notes: -1, ..SAME }),
    ("shaarli-parser/shaarli_with_tabs_and_spaces.htm", Differ { tagged: -1, notes: -1, ..SAME }),
    // Notes are in an attribute, one of them empty.
    ("shaarli-parser/scuttle.htm", Differ { notes: 3, ..SAME }),
    // Twelve `<DD>` are empty, and one describes a folder.
    ("shaarli-parser/firefox_flat.htm", Differ { notes: -13, ..SAME }),
    // Folders make tags.
    ("shaarli-parser/google_bookmarks_nested.htm", Differ { tagged: 6, ..SAME }),
    ("shaarli-parser/safari_folded.htm", Differ { tagged: 3, ..SAME }),
    // Eight links are in folders. Four `<DD>` are empty and one describes a folder.
    ("cpan/Bookmarks.html", Differ { tagged: 8, notes: -5, ..SAME }),
    // Of 210 links that are taken, 16 are in no folder but the browser's own.
    ("cpan/mozilla.html", Differ { tagged: 194, ..SAME }),
];

#[derive(Clone, Copy)]
struct Differ {
    error: Option<&'static str>,
    links: i64,
    tagged: i64,
    notes: i64,
}

const SAME: Differ = Differ { error: None, links: 0, tagged: 0, notes: 0 };

/// A scheme as the other reader names it.
fn scheme(link: &Rejected) -> String {
    match &link.reason {
        Reason::Address(AddressRefusal::SchemeNotAllowed { scheme }) => scheme.clone(),
        Reason::Address(AddressRefusal::NoScheme) => "relative".to_owned(),
        reason => panic!("line {}: {reason}", link.line),
    }
}

fn schemes(parsed: &Parsed) -> BTreeMap<String, i64> {
    let taken = parsed.candidates.iter().map(|candidate| candidate.url.split(':').next().unwrap().to_owned());
    let mut schemes = BTreeMap::new();
    for scheme in taken.chain(parsed.rejected.iter().map(scheme)) {
        *schemes.entry(scheme).or_default() += 1;
    }
    schemes
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap()
}

fn compare(name: &str, expected: &Value, parsed: &Parsed) {
    let differ = DIFFERENCES.iter().find(|(file, _)| name.ends_with(file)).map_or(SAME, |(_, differ)| *differ);
    let number = |what: &str| expected[what].as_i64().unwrap();
    let links = count(parsed.candidates.iter()) + count(parsed.rejected.iter());
    assert_eq!(links, number("links") + differ.links, "{name}: links");
    assert_eq!(i64::from(parsed.folders), number("folders"), "{name}: folders");
    let tagged = count(parsed.candidates.iter().filter(|candidate| !candidate.tags.is_empty()));
    assert_eq!(tagged, number("with_tags") + differ.tagged, "{name}: with tags");
    let notes = count(parsed.candidates.iter().filter(|candidate| candidate.note.is_some()));
    assert_eq!(notes, number("descriptions") + differ.notes, "{name}: notes");
    if differ.links == 0 {
        let expected: BTreeMap<String, i64> = serde_json::from_value(expected["schemes"].clone()).unwrap();
        assert_eq!(schemes(parsed), expected, "{name}: schemes");
    }
    if parsed.rejected.is_empty() {
        let distinct = count(parsed.candidates.iter().map(|c| &c.url).collect::<BTreeSet<_>>().iter());
        assert_eq!(distinct, number("distinct_urls") + differ.links, "{name}: distinct addresses");
    }
    assert_eq!(parsed.shortened, 0, "{name}: shortened");
}

#[test]
fn the_counts_of_real_files_are_those_of_another_reader() {
    let Some(data) = data() else { return };
    let expected = std::fs::read_to_string(data.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
    let files =
        expected.iter().filter(|(name, _)| name.starts_with("bookmarks-netscape/") || name.ends_with(".netscape.html"));
    let mut seen = 0;
    for (name, expected) in files {
        seen += 1;
        let bytes = std::fs::read(data.join(name)).unwrap();
        match read(&bytes, None) {
            Ok(parsed) => compare(name, expected, &parsed),
            Err(error) => {
                let differ = DIFFERENCES.iter().find(|(file, _)| name.ends_with(file));
                assert_eq!(differ.and_then(|(_, differ)| differ.error), Some(error.name()), "{name}");
            }
        }
    }
    assert_eq!(seen, 23);
}

#[test]
fn the_awesome_list_has_1741_bookmarks_of_1740_addresses() {
    let Some(data) = data() else { return };
    let bytes = std::fs::read(data.join("derived/awesome-rust.netscape.html")).unwrap();
    let parsed = read(&bytes, None).unwrap();
    assert_eq!((parsed.candidates.len(), parsed.rejected.len()), (1741, 0));
    assert!(parsed.candidates.iter().all(|candidate| candidate.added_ms.is_some() && candidate.private == Some(false)));
    // `https://crates.io` and `https://crates.io/`: an empty path is `/`.
    let Merged { candidates, merged } = merge(parsed.candidates);
    assert_eq!((candidates.len(), merged), (1740, 1));
    let crates = candidates.iter().find(|candidate| candidate.url == "https://crates.io/").unwrap();
    assert_eq!(crates.tags, ["development-tools", "build-system", "registries"]);
}

#[test]
fn the_folders_of_the_awesome_list_are_the_tags_of_its_other_formats() {
    let Some(data) = data() else { return };
    let html = std::fs::read_to_string(data.join("derived/awesome-rust.netscape.html")).unwrap();
    let json = std::fs::read_to_string(data.join("derived/awesome-rust.pinboard.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    let of = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let tags: BTreeMap<String, Vec<String>> =
        rows.iter().map(|row| (of(row, "href"), of(row, "tags").split(' ').map(str::to_owned).collect())).collect();
    // Once as it is, and once without its TAGS, so that the folders alone make them.
    for html in [html.clone(), html.replace(" TAGS=", " X=")] {
        for candidate in parsed(&html).candidates {
            assert_eq!(Some(&candidate.tags), tags.get(&candidate.url), "{}", candidate.url);
        }
    }
}

#[test]
fn every_real_file_that_holds_no_bookmarks_of_this_format_is_refused() {
    let Some(data) = data() else { return };
    let mut seen = 0;
    for folder in [
        "bookmarks-json",
        "bookmarks-csv",
        "link-lists",
        "opml/awesome-rss-feeds",
        "feeds/feed-rs",
        "feeds/feedparser-sanitize",
    ] {
        for file in std::fs::read_dir(data.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let error = read(&std::fs::read(&path).unwrap(), None).map_err(|error| error.name());
            assert_eq!(error.map(|parsed| parsed.candidates), Err("unrecognised_file"), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}
