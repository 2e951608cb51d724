//! Files made to cost time or memory, or to find a way through.

use proptest::prelude::*;

use hearth_protocol::testing::up_to;

use super::*;
use crate::limits as bounds;
use crate::practice::import::netscape::TAG_OVERHEAD;

fn link(n: usize) -> String {
    format!("<DT><A HREF=\"https://a.example/{n}\">a</A>\n")
}

#[test]
fn a_file_holds_as_many_links_as_the_bound_and_no_more() {
    // The last one is rejected, and counts too.
    up_to(bounds::IMPORT_LINKS, ImportError::TooMany, |n| {
        let file: String = std::iter::once(HEAD.to_owned()).chain((1..n).map(link)).collect();
        let parsed = read(format!("{file}<DT><A>x</A>").as_bytes(), None)?;
        assert_eq!((parsed.candidates.len(), parsed.rejected.len()), (n - 1, 1));
        Ok(())
    });
    assert_eq!(ImportError::TooMany.name(), "too_many_links");
}

#[test]
fn folders_are_as_deep_as_the_bound_and_no_deeper() {
    let file = |deep: usize| format!("{HEAD}{}{}", "<DL>\n".repeat(deep), link(0));
    up_to(bounds::IMPORT_FOLDERS_DEEP, ImportError::TooDeep { line: 36 }, |deep| read(file(deep).as_bytes(), None));
}

#[test]
fn a_file_is_as_large_as_the_bound_and_no_larger() {
    let mut file = format!("{HEAD}{}", link(0)).into_bytes();
    let too_large = ImportError::TooLarge { bytes: bounds::IMPORT_FILE_BYTES + 1 };
    up_to(bounds::IMPORT_FILE_BYTES, too_large, |bytes| {
        file.resize(bytes, b' ');
        read(&file, None)
    });
}

#[test]
fn names_of_folders_do_not_multiply_without_bound() {
    let folder = |n: usize| format!("<DT><H3>{n:02}{}</H3><DL>", "f".repeat(62));
    let folders: String = (0..16).map(folder).collect();
    let links: String = (0..30_000).map(link).collect();
    assert_eq!(refused(&format!("{HEAD}<DL>{folders}{links}")), "too_many_tags");
}

#[test]
fn tags_take_as_much_memory_as_the_bound_and_no_more() {
    // Sixteen tags of 64 bytes, and one that fills what is left.
    let tag = |bytes: usize| format!("{:0>bytes$}", "x");
    let full: Vec<String> = (0..limits::TAGS).map(|n| format!("{n:0>width$}", width = limits::TAG_BYTES)).collect();
    let full = format!("<DT><A HREF=\"https://a.example/\" TAGS=\"{}\">a</A>\n", full.join(","));
    let each = limits::TAGS * (limits::TAG_BYTES + TAG_OVERHEAD);
    let whole = bounds::IMPORT_TAGS_BYTES / each;
    up_to(bounds::IMPORT_TAGS_BYTES, ImportError::TooManyTags, |bytes| {
        let mut left = bytes - whole * each;
        let mut file = format!("{HEAD}{}", full.repeat(whole));
        while left > 0 {
            // What is left for the last one is neither too much for a tag nor too little.
            let next = if left > TAG_OVERHEAD + limits::TAG_BYTES { TAG_OVERHEAD + 32 } else { left };
            file.push_str(&format!("<DT><A HREF=\"https://b.example/\" TAGS=\"{}\">b</A>\n", tag(next - TAG_OVERHEAD)));
            left -= next;
        }
        read(file.as_bytes(), None)
    });
}

/// A test that hangs would be a limit not kept; what they take is measured elsewhere.
#[test]
fn large_files_of_one_thing_come_to_an_end() {
    let bytes = FILE_BYTES / 128;
    for piece in [
        "<dl>",
        "</dl>",
        "<dt>",
        "<dd>",
        "<h3>",
        "<p>",
        "<",
        "&",
        "&amp",
        "&#1",
        "<a ",
        "<a href=x ",
        "<a href='",
        "<!--",
        "<![CDATA[",
        "\"",
        "a=",
        "<script>",
        "</a",
        "<dt><h3>a</h3><dl></dl>",
        "\u{e9}",
        "\u{301}",
        "\r",
        "-->",
        "<!doctype ",
        "=",
    ] {
        let flood = piece.repeat(bytes / piece.len());
        let within = [
            String::new(),
            format!("{HEAD}<DT><A HREF=\""),
            format!("{HEAD}<DT><A HREF=x>"),
            format!("{HEAD}<DT><A HREF=x>x<DD>"),
        ];
        for start in within {
            let _ = read(format!("{start}{flood}").as_bytes(), None);
        }
    }
    let _ = read(&[HEAD.as_bytes(), &vec![0xff; bytes]].concat(), None);
    let _ = read(&[HEAD.as_bytes(), &b"\xe2\x82".repeat(bytes / 2)].concat(), None);
}

/// What `read` promises of everything that it gives.
fn keeps_its_promises(bytes: &[u8], format: Option<Format>) -> Result<(), TestCaseError> {
    let Ok(parsed) = read(bytes, format) else {
        return Ok(());
    };
    prop_assert!(!parsed.candidates.is_empty() || !parsed.rejected.is_empty());
    let lines = u32::try_from(bytes.iter().filter(|b| matches!(b, b'\n' | b'\r')).count()).unwrap() + 1;
    for candidate in &parsed.candidates {
        prop_assert!(url::check(&candidate.url).is_ok());
        prop_assert!((1..=lines).contains(&candidate.line));
        for line in candidate.title.iter().chain(&candidate.tags) {
            prop_assert!(!line.is_empty() && line.trim() == line && !line.contains(char::is_control), "{line:?}");
        }
        prop_assert!(candidate.title.as_ref().is_none_or(|title| title.len() <= limits::TITLE_BYTES));
        prop_assert!(candidate.note.as_ref().is_none_or(|note| !note.is_empty() && note.len() <= NOTE_BYTES));
        prop_assert!(candidate.tags.len() <= limits::TAGS);
        prop_assert!(candidate.tags.iter().all(|tag| tag.len() <= limits::TAG_BYTES));
    }
    let all = parsed.candidates.len();
    let Merged { candidates, merged } = merge(parsed.candidates);
    prop_assert_eq!(candidates.len() + usize::try_from(merged).unwrap(), all);
    prop_assert_eq!(merge(candidates).merged, 0);
    Ok(())
}

/// Pieces of bookmark files, with a few that break them.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "<DL><p>\n",
        "</DL><p>\n",
        "<DT>",
        "<DD>",
        "</A>",
        "<H3>",
        "</H3>",
        "<H3 FOLDED>",
        "<HR>",
        "<br>",
        "<LI>",
        "<A HREF=\"https://a.example/\">",
        "<A HREF=\"https://A.example#x\" ADD_DATE=\"5\" TAGS=\"a,b/c, d e\">",
        "<A HREF='javascript:x' PRIVATE=1>",
        "<A HREF=",
        "<A>",
        "word ",
        "&eacute;",
        "&#0;",
        "&#x202e;",
        "\u{e9}",
        "e\u{301}",
        "\r\n",
        "\r",
        "\u{0}",
        "\u{8}",
        "<!--",
        "-->",
        "<script>",
        "\"",
        ">",
        "TAGS=",
        "\u{a0}",
        "/",
        "-",
        ",",
    ]);
    let bytes =
        prop_oneof![12 => piece.prop_map(|piece| piece.as_bytes().to_vec()), 1 => any::<[u8; 2]>().prop_map(Vec::from)];
    prop::collection::vec(bytes, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        keeps_its_promises(&bytes, None)?;
        keeps_its_promises(&bytes, Some(Format::Netscape))?;
        keeps_its_promises(&[HEAD.as_bytes(), &bytes].concat(), None)?;
    }

    #[test]
    fn whatever_looks_like_a_bookmark_file_is_read_or_refused(soup in soup()) {
        keeps_its_promises(&soup, None)?;
        keeps_its_promises(&[HEAD.as_bytes(), &soup].concat(), None)?;
    }
}
