//! What is made of bookmark files and of what is none.

#![allow(clippy::panic)]

mod hostile;
mod real;

use super::*;

const HEAD: &str = "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n";

fn parsed(file: &str) -> Parsed {
    read(file.as_bytes(), None).unwrap_or_else(|error| panic!("{error}: {file}"))
}

/// The only candidate of a file with this list.
fn only(list: &str) -> Candidate {
    let mut parsed = parsed(&format!("{HEAD}{list}"));
    assert_eq!((parsed.candidates.len(), parsed.rejected.len()), (1, 0), "{list}");
    parsed.candidates.remove(0)
}

fn tags(list: &str) -> Vec<String> {
    only(list).tags
}

fn refused(file: &str) -> &'static str {
    read(file.as_bytes(), None).expect_err(file).name()
}

#[test]
fn a_link_becomes_a_candidate_with_all_that_is_said_of_it() {
    let candidate = only(
        "<DL><p>\n  <DT><A HREF=\" https://example.org/?a=1&amp;b=2&c=3 \" ADD_DATE=\"1418928862\" PRIVATE=\"1\"\n\
         TAGS=\"rust, Web design,rust\" ICON=\"data:image/png;base64,AAAA\">Caf&eacute; &#8212;\n a <b>b</b></A>\n\
         <DD>First\n  second &amp; third\n<DT>",
    );
    let expected = Candidate {
        line: 5,
        url: "https://example.org/?a=1&b=2&c=3".to_owned(),
        title: Some("Caf\u{e9} \u{2014} a b".to_owned()),
        note: Some("First\n  second & third".to_owned()),
        tags: vec!["rust".to_owned(), "Web-design".to_owned()],
        added_ms: Some(1_418_928_862_000),
        private: Some(true),
    };
    assert_eq!(candidate, expected);
}

#[test]
fn folders_are_tags_from_the_outermost_in() {
    let file = parsed(&format!(
        "{HEAD}<DL><p>\n<DT><H3 ADD_DATE=\"1\">Build system</H3>\n<DD>what it is for\n<DL><p>\n<DT><A HREF=\"https://a.example/\" TAGS=\"make,Build-System\">a</A>\n\
         <DT><H3>C/C++</H3><DL><p><DT><A HREF=\"https://b.example/\">b</A></DL><p>\n<DT><A HREF=\"https://c.example/\">c</A>\n</DL><p>\n\
         <DT><A HREF=\"https://d.example/\">d</A></DL>"
    ));
    let tags: Vec<&[String]> = file.candidates.iter().map(|candidate| candidate.tags.as_slice()).collect();
    assert_eq!(tags, [&["make", "Build-System"][..], &["build-system", "c-c++"], &["build-system"], &[]]);
    assert_eq!(file.folders, 2);
}

#[test]
fn a_folder_without_a_list_tags_nothing() {
    let list = "<DL><DT><H3>gone</H3><DT><HR><DL><DT><A HREF=\"https://a.example/\">a</A></DL></DL>";
    assert_eq!(tags(list), [""; 0]);
}

#[test]
fn a_browsers_own_folders_are_no_tags() {
    for root in ["PERSONAL_TOOLBAR_FOLDER=\"true\"", "UNFILED_BOOKMARKS_FOLDER=\"true\""] {
        let list = format!(
            "<DL><DT><H3 {root}>Bookmarks bar</H3><DL><DT><H3>Mine</H3><DL><DT><A HREF=\"https://a.example/\">a</A></DL></DL></DL>"
        );
        assert_eq!(tags(&list), ["mine"]);
    }
}

#[test]
fn tags_are_apart_by_commas_unless_the_file_has_none() {
    let link = |name: &str, tags: &str| format!("<DT><A HREF=\"https://{name}.example/\" TAGS=\"{tags}\">x</A>\n");
    let file = parsed(&format!("{HEAD}{}{}", link("a", "public hello"), link("b", "world")));
    assert_eq!(file.candidates[0].tags, ["public", "hello"]);
    let file = parsed(&format!("{HEAD}{}{}", link("a", "machine learning"), link("b", "x,y")));
    assert_eq!(file.candidates[0].tags, ["machine-learning"]);
}

#[test]
fn what_is_not_closed_ends_where_the_next_begins() {
    let file = parsed(&format!(
        "{HEAD}<DL>\n<DT><H3>one\n<DL>\n<DT><A HREF=\"https://a.example/\">a\n<DD>note of a\n<A HREF=\"https://b.example/\" ADD_DATE=\"5\">b\n\
         <DT><A HREF=\"https://c.example/\">c<HR>not c<DD>nobody's\n</DL>\n<DT><A HREF=\"https://d.example/\">d"
    ));
    let seen: Vec<_> =
        file.candidates.iter().map(|c| (c.line, c.title.as_deref(), c.note.as_deref(), c.tags.join(" "))).collect();
    let one = || "one".to_owned();
    assert_eq!(
        seen,
        [
            (7, Some("a"), Some("note of a"), one()),
            (9, Some("b"), None, one()),
            (10, Some("c"), None, one()),
            (12, Some("d"), None, String::new()),
        ]
    );
}

#[test]
fn a_link_inside_a_note_belongs_to_the_note() {
    let candidate = only(
        "<DT><A HREF=\"https://a.example/\">a</A><DD>see <a href=\"https://b.example/\">there</a><br>and &lt;there&gt;",
    );
    assert_eq!(candidate.note.as_deref(), Some("see there\nand <there>"));
}

#[test]
fn an_unescaped_script_in_a_note_does_not_swallow_what_follows() {
    let file = parsed(&format!(
        "{HEAD}<DT><A HREF=\"https://a.example/\">the <title> and <plaintext> tags</A><DD>how <script> and <textarea> work\n\
         <DT><A HREF=\"https://b.example/\">b</A>\n</DL><script>x = '<a href=\"https://evil.example/\">'</script>"
    ));
    assert_eq!(file.candidates.len(), 2);
    assert_eq!(file.candidates[0].note.as_deref(), Some("how  and  work"));
}

#[test]
fn times_are_told_by_their_size() {
    for (date, added_ms) in [
        ("1616337559", Some(1_616_337_559_000)),
        ("1616337559000", Some(1_616_337_559_000)),
        ("1616337559000000", Some(1_616_337_559_000)),
        (" 5 ", Some(5_000)),
        ("4102444799", Some(4_102_444_799_000)),
        ("4102444800", None),
        ("0", None),
        ("-5", None),
        ("invaliddate", None),
        ("10/Oct/2000:13:55:36 +0300", None),
        ("99999999999999999999999", None),
    ] {
        let link = format!("<DT><A HREF=\"https://a.example/\" ADD_DATE=\"{date}\">a</A>");
        assert_eq!(only(&link).added_ms, added_ms, "{date}");
    }
}

#[test]
fn every_rejected_link_is_listed_with_line_and_reason() {
    let file = parsed(&format!(
        "{HEAD}<DL>\n<DT><A HREF=\"place:sort=8\">p</A>\n<DT><A HREF=\"javascript:alert(1)\">j</A>\n<DT><A NAME=\"x\">n</A>\n\
         <DT><A HREF=\"\">e</A>\n<DT><A HREF=\"?lY47tw\">r</A>\n<DT><A HREF=\"https://{}\">l</A>\n<DT><A HREF=\"https://a:b@c.example/\">c</A>\n</DL>",
        "a".repeat(100_000)
    ));
    let listed: Vec<(u32, &str)> = file.rejected.iter().map(|link| (link.line, link.reason.name())).collect();
    assert_eq!(
        listed,
        [
            (5, "scheme_not_allowed"),
            (6, "scheme_not_allowed"),
            (7, "no_address"),
            (8, "address_empty"),
            (9, "no_scheme"),
            (10, "address_too_long"),
            (11, "credentials"),
        ]
    );
    assert_eq!(file.rejected[5].reason, AddressRefusal::TooLong { bytes: 100_008 }.into());
    assert_eq!(file.candidates, []);
}

#[test]
fn what_does_not_fit_an_item_is_cut_and_counted() {
    let many: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let file = parsed(&format!(
        "{HEAD}<DL><DT><H3>Folder</H3><DL>\n<DT><A HREF=\"https://a.example/\" TAGS=\"{}\">a</A>\n<DT><A HREF=\"https://b.example/\">{}</A>\n\
         <DT><A HREF=\"https://c.example/\">c</A><DD>{}\n<DT><A HREF=\"https://d.example/\" TAGS=\"{}\">d</A>\n<DT><A HREF=\"https://e.example/\">e</A>\n\
         <DT><H3>{}</H3><DL><DT><A HREF=\"https://f.example/\">f</A>",
        many.join(","),
        "x".repeat(limits::TITLE_BYTES + 1),
        "y".repeat(NOTE_BYTES + 1),
        "z".repeat(limits::TAG_BYTES + 1),
        "F".repeat(limits::TAG_BYTES + 1),
    ));
    let [a, b, c, d, e, f] = file.candidates.as_slice() else { panic!("six links") };
    assert_eq!(a.tags, many[..limits::TAGS]);
    assert_eq!(b.title.as_ref().map(String::len), Some(limits::TITLE_BYTES));
    assert_eq!(c.note.as_ref().map(String::len), Some(NOTE_BYTES));
    assert_eq!(d.tags, ["z".repeat(limits::TAG_BYTES), "folder".to_owned()]);
    assert_eq!(e.tags, ["folder"]);
    assert_eq!(f.tags, ["folder".to_owned(), "f".repeat(limits::TAG_BYTES)]);
    assert_eq!(file.shortened, 5);
}

#[test]
fn old_encodings_give_the_same_words() {
    let file = |head: &str| format!("{head}{HEAD}<DT><A HREF=\"https://a.example/\">caf\u{e9} na\u{ef}ve</A>");
    let with_mark = parsed(&file("\u{feff}"));
    let western: Vec<u8> = file("").chars().map(|c| u8::try_from(u32::from(c)).expect("below 256")).collect();
    let western = read(&western, None).expect("it is a bookmark file");
    assert_eq!(with_mark, western);
    assert_eq!(western.candidates[0].title.as_deref(), Some("caf\u{e9} na\u{ef}ve"));
    let returns = parsed(&file("").replace('\n', "\r"));
    assert_eq!(returns, western);
}

#[test]
fn files_without_the_doctype_are_known_by_their_marks() {
    let known = [
        "<DL><p><DT><H3 ADD_DATE=\"5\">a</H3><DL><DT><A HREF=\"https://a.example/\">a</A></DL></DL>",
        "<div><script>x</script><dl><dt><a href=https://a.example/ add_date=5>a</a></dl>",
        "<html><body><h1>Links</h1><dl><dt><a href=https://a.example/>a</a><dd>note</dl>",
        "<!DOCTYPE html><html><body><ul><li><a href=https://a.example/ time_added=5 tags=x>a</a></ul>",
    ];
    for file in known {
        assert_eq!(parsed(file).candidates.len(), 1, "{file}");
    }
}

#[test]
fn what_is_no_bookmark_file_is_refused_by_what_it_is() {
    for (file, found) in [
        ("", Found::Nothing),
        ("\u{feff} \n", Found::Nothing),
        ("{\"roots\":{}}", Found::Json),
        ("[{\"href\":\"https://a.example/\"}]", Found::Json),
        ("title,url,time_added\na,https://a.example/,5\n", Found::Table),
        ("https://a.example/\nhttps://b.example/\n", Found::Text),
        ("PK\u{3}\u{4}\u{0}<DT>", Found::Binary),
        ("<!DOCTYPE html><p><a href=https://a.example/>a</a>", Found::Markup),
        ("<html><div><dl><dt><a href=https://a.example/>a</a></dl>", Found::Markup),
        ("<?xml version=\"1.0\"?><opml><body><outline xmlUrl=\"https://a.example/\"/></body></opml>", Found::Markup),
    ] {
        let error = read(file.as_bytes(), None).expect_err(file);
        assert_eq!(error, ImportError::Unrecognised { found }, "{file:?}");
    }
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(HEAD.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&utf16, None), Err(ImportError::Unrecognised { found: Found::Utf16 }));
}

#[test]
fn a_bookmark_file_without_a_link_is_empty() {
    assert_eq!(refused(HEAD), "no_bookmarks");
    assert_eq!(refused(&format!("{HEAD}<DL><p><DT><H3>a</H3><DL><p></DL><p></DL><p>")), "no_bookmarks");
}

#[test]
fn a_page_is_read_if_somebody_says_that_it_is_a_bookmark_file() {
    let page = b"<div><a href=https://a.example/>a</a></div>";
    assert!(read(page, None).is_err());
    assert_eq!(read(page, Some(Format::Netscape)).map(|parsed| parsed.candidates.len()), Ok(1));
    assert_eq!(read(b"{}", Some(Format::Netscape)).map_err(|error| error.name()), Err("unrecognised_file"));
}

#[test]
fn links_of_one_resource_are_merged_into_the_first() {
    let file = parsed(&format!(
        "{HEAD}<DT><A HREF=\"https://a.example\" ADD_DATE=\"7\" TAGS=\"x,y\" PRIVATE=\"0\"></A>\n<DT><A HREF=\"https://b.example/\">b</A>\n\
         <DT><A HREF=\"https://A.example/?utm_source=z\" ADD_DATE=\"5\" TAGS=\"y,z\" PRIVATE=\"1\">a</A><DD>n\n<DT><A HREF=\"https://a.example/#p\">later</A>"
    ));
    let Merged { candidates, merged } = merge(file.candidates);
    assert_eq!(merged, 2);
    let expected = Candidate {
        line: 4,
        url: "https://a.example".to_owned(),
        title: Some("a".to_owned()),
        note: Some("n".to_owned()),
        tags: vec!["x".to_owned(), "y".to_owned(), "z".to_owned()],
        added_ms: Some(5_000),
        private: Some(true),
    };
    assert_eq!(candidates[0], expected);
    assert_eq!((candidates.len(), candidates[1].url.as_str()), (2, "https://b.example/"));
}

#[test]
fn formats_are_known_by_their_names() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(*format));
    }
    let unknown = "netscap".parse::<Format>().expect_err("it is misspelled").to_string();
    assert_eq!(unknown, "no format is called netscap; there is netscape");
}
