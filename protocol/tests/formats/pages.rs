//! The pages say what the code does: every bound, every refusal, every context.
//!
//! Leaves to others: the shapes (`grammar`) and the bytes (`vectors`).

use std::{collections::BTreeMap, fs, path::PathBuf};

use hearth_protocol::{id::Context, item::Kind, limits};

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// All pages in one text.
fn pages() -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol");
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder).expect("the pages can be listed").filter_map(|file| Some(file.ok()?.path())).collect();
    names.sort_unstable();
    let pages = names.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| fs::read_to_string(path).expect("the pages can be read")).collect()
}

#[test]
fn the_table_of_bounds_is_that_of_the_code() {
    let bounds: BTreeMap<String, u64> =
        limits::ALL.iter().map(|limit| (limit.name().to_ascii_uppercase(), limit.value)).collect();
    let page = read("../docs/protocol/README.md");
    let table: BTreeMap<String, u64> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let (name, number) = (cells.next()?, cells.next()?);
            let is_name = name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
            Some((name.to_owned(), number.parse().ok().filter(|_| is_name)?))
        })
        .collect();
    assert!(table.len() >= 50, "{} bounds", table.len());
    assert_eq!(table, bounds);
}

/// The literals of a function or macro of the code that begin with this and end with a quotation mark.
fn literals(code: &str, before: &str) -> Vec<String> {
    code.match_indices(before)
        .filter_map(|(at, _)| Some(code[at + before.len()..].split_once('"')?.0.to_owned()))
        .collect()
}

#[test]
fn every_refusal_of_the_formats_has_its_name_on_a_page() {
    let pages = pages();
    let mut names = Vec::new();
    let files = ["encoding", "signed", "authority/refusal", "link/refusal", "invite", "pairing"];
    for file in files.map(|file| format!("src/{file}.rs")) {
        names.extend(literals(&read(&file), "=> \""));
    }
    assert!(names.len() >= 54, "{} names", names.len());
    // States of an envelope, not refusals of one.
    let states = ["shown", "held", "quarantined"];
    for name in names.iter().filter(|name| !states.contains(&name.as_str())) {
        assert!(pages.contains(&format!("`{name}`")), "no page says `{name}`");
    }
}

#[test]
fn every_context_of_the_formats_stands_on_a_page() {
    let pages = pages();
    // Not of the formats: the node's own door, and the generator that stands in for entropy.
    let others = [Context::API, Context::RANDOM];
    for context in Context::ALL.iter().filter(|context| !others.contains(context)) {
        assert!(pages.contains(context.as_str()), "no page says {}", context.as_str());
    }
}

#[test]
fn every_kind_of_item_stands_on_its_page() {
    let page = read("../docs/protocol/item.md");
    for (kind, word) in Kind::KNOWN {
        assert!(page.contains(&format!("{} {word}", kind.0)), "{} {word}", kind.0);
    }
}
