//! Links between documents lead somewhere: to a file or folder of the project, and to a heading in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hearth_tests::shared;

use crate::sources::{Source, files, none};

/// A link and the line it stands on.
struct Link {
    line: usize,
    target: String,
}

/// The lines of a document outside its code blocks, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fence: Option<&str> = None;
    let mut prose = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let start = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|marker| start.starts_with(marker));
        match (fence, marker) {
            (None, None) => prose.push((number, line)),
            (None, Some(marker)) => fence = Some(marker),
            (Some(open), Some(marker)) if open == marker => fence = None,
            (Some(_), _) => {}
        }
    }
    prose
}

/// A line with blanks for the code in it.
fn without_code(line: &str) -> String {
    let mut pieces = line.split('`');
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    let mut inside = true;
    for piece in pieces {
        kept.push(' ');
        if !inside {
            kept += piece;
        }
        inside = !inside;
    }
    kept
}

fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        for (at, found) in line.match_indices("](") {
            let rest = &line[at + found.len()..];
            if let Some(end) = rest.find(')') {
                links.extend(link(number, &rest[..end]));
            }
        }
        if let Some((name, target)) = line.split_once("]: ")
            && name.starts_with('[')
            && !name.starts_with("[^")
        {
            links.extend(link(number, target));
        }
    }
    links
}

/// A target without its title and brackets; none where it leads out of the project.
fn link(line: usize, target: &str) -> Option<Link> {
    let target = target.split_whitespace().next()?;
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let outside = ["http:", "https:", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
    (!outside).then(|| Link { line, target: target.to_owned() })
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug = slug(&shown(heading.trim()));
        let seen = times.entry(slug.clone()).or_default();
        anchors.insert(if *seen == 0 { slug } else { format!("{slug}-{seen}") });
        *seen += 1;
    }
    anchors
}

/// A heading without the targets of its links.
fn shown(heading: &str) -> String {
    let mut pieces = heading.split("](");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown += piece.split_once(')').map_or(piece, |(_, after)| after);
    }
    shown
}

fn slug(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let letters = letters.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// `target` as seen from the document at `from`; none where it leads out of the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn broken(document: &Source, documents: &BTreeMap<String, BTreeSet<String>>, root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for link in links(&document.text) {
        let (path, anchor) = match link.target.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor)),
            None => (link.target.as_str(), None),
        };
        let place = if path.is_empty() {
            Some(document.path.clone())
        } else {
            resolve(&document.path, path).filter(|place| root.join(place).exists())
        };
        let found = match (place, anchor) {
            (None, _) => false,
            (Some(_), None) => true,
            // Other files have lines, not headings.
            (Some(place), Some(anchor)) => documents.get(&place).is_none_or(|anchors| anchors.contains(anchor)),
        };
        if !found {
            complaints.push(format!("{}:{}: {}", document.path, link.line, link.target));
        }
    }
    complaints
}

fn with_anchors(documents: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    documents.iter().map(|document| (document.path.clone(), anchors(&document.text))).collect()
}

#[test]
fn links_between_documents_resolve() {
    let mut documents = files();
    documents.retain(|file| file.path.ends_with(".md"));
    let anchors = with_anchors(&documents);
    let root = shared::root();
    none(&documents.iter().flat_map(|document| broken(document, &anchors, &root)).collect::<Vec<_>>());
}

#[test]
fn a_broken_link_is_found() {
    let text = "# One `two`, three!\n\n## One two three\n\n[good](../Cargo.toml#L3) and [good](#one-two-three-1) `[code](x)`\n\
                [good](https://example.org/a) and [good][ref]\n\n[ref]: a.md#one-two-three\n\n```\n[code](y)\n# no heading\n```\n\
                [bad](missing.md), [bad](#no-heading), [bad](../../outside.md)\n\n[worse]: a.md#four\n";
    let document = Source::example("docs/a.md", text);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["docs/a.md", "Cargo.toml"] {
        let path = folder.path().join(name);
        let parent = path.parent().expect("it lies in a folder");
        std::fs::create_dir_all(parent).expect("the folder is ours");
        std::fs::write(path, text).expect("the folder is ours");
    }
    let anchors = with_anchors(std::slice::from_ref(&document));
    let complaints = broken(&document, &anchors, folder.path());
    let expected = [
        "docs/a.md:14: missing.md",
        "docs/a.md:14: #no-heading",
        "docs/a.md:14: ../../outside.md",
        "docs/a.md:16: a.md#four",
    ];
    assert_eq!(complaints, expected);
}
