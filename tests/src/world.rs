//! A folder for one test, with the homes of its people in it.
//!
//! Leaves to others: what the people do. Always true: it is gone when the test passed, and kept, with its path
//! printed, when the test failed.

use std::path::Path;
use std::thread;

use tempfile::TempDir;

use crate::process::{Home, Program};

/// The folder of one test.
#[derive(Debug)]
pub struct World {
    folder: Option<TempDir>,
}

impl World {
    /// Makes the folder, with `name` in its own.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> World {
        let folder = tempfile::Builder::new()
            .prefix(&format!("hearth-{name}-"))
            .tempdir()
            .expect("a folder can be made where the system keeps temporary ones");
        World { folder: Some(folder) }
    }

    /// Where it is.
    ///
    /// # Panics
    ///
    /// Never: the folder goes with the world.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let folder = self.folder.as_ref();
        folder.expect("it is taken only when the world ends").path()
    }

    /// A home that does not exist yet.
    #[must_use]
    pub fn home(&self, name: &str) -> Home {
        Home::new(name, self.folder(), Program::under_test())
    }

    /// A home that `hearth init` made.
    ///
    /// # Panics
    ///
    /// When `init` fails.
    #[must_use]
    pub fn person(&self, name: &str) -> Person {
        World::settled(self.home(name))
    }

    /// Has `hearth init` make this home.
    ///
    /// # Panics
    ///
    /// When `init` fails.
    #[must_use]
    pub fn settled(home: Home) -> Person {
        let made = home.hearth(&["init", "--name", home.name()]);
        let id = made.text("person");
        Person { home, id }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take()
            && thread::panicking()
        {
            eprintln!("the homes are kept in {}", folder.keep().display());
        }
    }
}

/// A home and who it belongs to.
#[derive(Debug)]
pub struct Person {
    home: Home,
    id: String,
}

impl Person {
    /// The full id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl std::ops::Deref for Person {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}
