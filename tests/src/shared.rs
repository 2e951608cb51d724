//! Real inputs, which lie beside the project and are not part of it.
//!
//! Leaves to others: what is done with them. Always true: a test that cannot find its input says so on a line that
//! the test runner does not swallow, and goes on to its end without it.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder that holds `tests`, which is the root of the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the manifest of this crate lies in a folder of the project")
        .to_path_buf()
}

/// Where `name` of the shared inputs is (`HEARTH_SHARED`, else `../shared` beside the project), if it is there.
#[must_use]
pub fn input(name: &str) -> Option<PathBuf> {
    let folder = match env::var_os("HEARTH_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("../shared"),
    };
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not here", path.display()));
    None
}

/// A file of `tests/fixtures`, which is always there.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}

/// Prints that something was skipped, and why, past the test runner's capture.
pub fn skipped(why: &str) {
    tell(&format!("skipped: {why}"));
}

/// Prints a line past the test runner's capture.
pub fn tell(line: &str) {
    // A broken pipe must not fail a test over what it has to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
