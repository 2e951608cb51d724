//! The files of the project, and Rust source without its comments and literals.
//!
//! Leaves to others: what is looked for. Always true: what cargo and git keep for themselves is left out, and
//! blanked source has the lines of the original.

use std::fs;
use std::path::Path;

use hearth_tests::shared;

/// Folders that hold nothing written by hand.
const NOT_WRITTEN: [&str; 5] = ["target", ".git", "artifacts", "corpus", "found"];

/// A file and its place in the project.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// From the root, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// An example, for a check to be held against.
    pub(crate) fn example(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// The name without folders and `.rs`.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".rs").unwrap_or(name)
    }
}

/// All files of text in the project.
pub(crate) fn files() -> Vec<Source> {
    let mut found = Vec::new();
    add(&shared::root(), "", &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 20, "this is not the project's root");
    found
}

/// The Rust files under the given folders of the root.
pub(crate) fn rust(folders: &[&str]) -> Vec<Source> {
    let mut found = files();
    found.retain(|file| {
        file.path.ends_with(".rs") && folders.iter().any(|folder| file.path.starts_with(&format!("{folder}/")))
    });
    found
}

fn add(folder: &Path, under: &str, found: &mut Vec<Source>) {
    for inside in fs::read_dir(folder).expect("the project can be read") {
        let inside = inside.expect("the project can be read");
        let name = inside.file_name().to_string_lossy().into_owned();
        let path = format!("{under}{name}");
        if inside.path().is_dir() {
            if !NOT_WRITTEN.contains(&name.as_str()) {
                add(&inside.path(), &format!("{path}/"), found);
            }
        } else if let Ok(text) = fs::read_to_string(inside.path()) {
            found.push(Source { path, text });
        }
    }
}

/// Fails with all complaints, one a line.
#[track_caller]
pub(crate) fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Rust source with blanks for comments and the insides of literals.
pub(crate) fn code(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = skipped(&letters, at);
        for letter in &letters[at..end] {
            code.push(if *letter == '\n' { '\n' } else { ' ' });
        }
        if end == at {
            code.push(letters[at]);
            at += 1;
        } else {
            at = end;
        }
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at` when none does.
fn skipped(letters: &[char], at: usize) -> usize {
    let next = letters.get(at + 1);
    match (letters[at], next) {
        ('/', Some('/')) => until(letters, at, |rest| rest.starts_with(&['\n'])),
        ('/', Some('*')) => comment_end(letters, at),
        ('"', _) => match raw_hashes(letters, at) {
            Some(hashes) => raw_end(letters, at, hashes),
            None => quoted_end(letters, at, '"'),
        },
        ('\'', Some('\\')) => quoted_end(letters, at, '\''),
        ('\'', Some(_)) if letters.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn until(letters: &[char], at: usize, end: impl Fn(&[char]) -> bool) -> usize {
    (at..letters.len()).find(|at| end(&letters[*at..])).unwrap_or(letters.len())
}

fn comment_end(letters: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < letters.len() {
        let (step, change) = match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (2, 1),
            ('*', Some('/')) => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_end(letters: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < letters.len() && letters[at] != quote {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(letters.len())
}

/// How many hashes stand between an `r` and this quote; none where it opens no raw string.
fn raw_hashes(letters: &[char], quote: usize) -> Option<usize> {
    let before = &letters[..quote];
    let hashes = before.iter().rev().take_while(|letter| **letter == '#').count();
    let mut prefix = before[..quote - hashes].iter().rev();
    (prefix.next() == Some(&'r')).then_some(())?;
    let outside = match prefix.next() {
        Some('b' | 'c') => prefix.next(),
        other => other,
    };
    let word = outside.is_some_and(|letter| letter.is_alphanumeric() || *letter == '_');
    (!word).then_some(hashes)
}

fn raw_end(letters: &[char], quote: usize, hashes: usize) -> usize {
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let end = until(letters, quote + 1, |rest| rest.starts_with(&closing));
    (end + closing.len()).min(letters.len())
}

/// Whether a file holds nothing but the tests of the one beside it.
pub(crate) fn is_of_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The part of blanked source before its own tests, which stand last.
pub(crate) fn without_tests(code: &str) -> &str {
    let mut start = 0;
    let mut lines = code.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let module = lines.peek().is_some_and(|next| {
            let next = next.trim();
            next.starts_with("mod ") && next.ends_with('{')
        });
        if line.trim() == "#[cfg(test)]" && module {
            return &code[..start];
        }
        start += line.len();
    }
    code
}

/// The identifiers and keywords of blanked source, with their line numbers.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(code.lines()).flat_map(|(number, line)| {
        line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .filter(|word| !word.is_empty())
            .map(move |word| (number, word))
    })
}

#[test]
fn comments_and_literals_are_blanked_and_the_rest_is_kept() {
    let source = "let a = \"x // y\"; // gone\n/* b /* c */ d */ let e = r#\"f \"g\"#; 'h: loop {}\n\
                  let i = '\\''; let j = '\"'; let k = br\"l\\\"; m(); for\"n\"\n";
    let kept: Vec<_> = words(&code(source)).map(|(line, word)| format!("{line}{word}")).collect();
    let expected = [
        "1let", "1a", "2let", "2e", "2r", "2h", "2loop", "3let", "3i", "3let", "3j", "3let", "3k", "3br", "3m", "3for",
    ];
    assert_eq!(kept, expected);
}

#[test]
fn the_tests_of_a_file_are_left_out() {
    let source = "fn a() {}\n\n#[cfg(test)]\nuse b;\n\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";
    assert_eq!(without_tests(source), "fn a() {}\n\n#[cfg(test)]\nuse b;\n\n");
}
