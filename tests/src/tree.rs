//! What a home folder holds, to compare before and after.
//!
//! Leaves to others: when to look. Always true: two trees are equal only if they hold the same files with the same
//! bytes and the same permissions, apart from the names that are left out, each for a reason.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names that change without anything being written for the person.
const LEFT_OUT: [(&str, &str); 2] =
    [("lock", "says who holds the home at the moment"), ("logs", "tells what was tried")];

/// A file as it counts for comparing.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Leaf {
    mode: u32,
    bytes: Vec<u8>,
}

/// The files and folders under a folder, by path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    leaves: BTreeMap<String, Leaf>,
}

impl Tree {
    /// Reads everything under `folder`.
    ///
    /// # Panics
    ///
    /// When something cannot be read.
    #[must_use]
    pub fn of(folder: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.add(folder, "");
        tree
    }

    fn add(&mut self, folder: &Path, under: &str) {
        let listing = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
        for found in listing {
            let found = found.expect("a folder that could be opened can be listed");
            let name = found.file_name().to_string_lossy().into_owned();
            if LEFT_OUT.iter().any(|(left_out, _)| name == *left_out) || name.ends_with(".log") {
                continue;
            }
            let path = format!("{under}{name}");
            let about = found.metadata().unwrap_or_else(|error| panic!("cannot look at {path}: {error}"));
            let bytes = if about.is_dir() {
                self.add(&found.path(), &format!("{path}/"));
                Vec::new()
            } else {
                fs::read(found.path()).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
            };
            let mode = about.permissions().mode();
            self.leaves.insert(path, Leaf { mode, bytes });
        }
    }

    /// What differs in `after`: the paths that came, went or changed, with how.
    #[must_use]
    pub fn changes(&self, after: &Tree) -> Vec<String> {
        let mut changes = Vec::new();
        for (path, leaf) in &self.leaves {
            match after.leaves.get(path) {
                None => changes.push(format!("{path} is gone")),
                Some(now) if now.bytes != leaf.bytes => changes.push(format!("{path} changed")),
                Some(now) if now.mode != leaf.mode => {
                    changes.push(format!("{path} has other permissions"));
                }
                Some(_) => {}
            }
        }
        let new = after.leaves.keys();
        changes.extend(new.filter(|path| !self.leaves.contains_key(*path)).map(|path| format!("{path} is new")));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_changed_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("kept"), "same").expect("the folder is ours");
        fs::write(at("changed"), "old").expect("the folder is ours");
        fs::write(at("gone"), "").expect("the folder is ours");
        fs::write(at("lock"), "one").expect("the folder is ours");
        let before = Tree::of(folder.path());
        fs::write(at("changed"), "new").expect("the folder is ours");
        fs::remove_file(at("gone")).expect("it was written above");
        fs::write(at("new"), "").expect("the folder is ours");
        fs::write(at("lock"), "two").expect("the folder is ours");
        let changes = before.changes(&Tree::of(folder.path()));
        assert_eq!(changes, ["changed changed", "gone is gone", "new is new"]);
    }
}
