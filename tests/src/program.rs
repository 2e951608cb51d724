//! The program under test: found, or built once.
//!
//! Leaves to others: running it (`process`). Always true: `HEARTH_BIN` is the program, else it is built in the
//! suite's own profile; what was built keeps its own file while cargo builds the next.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::shared;

/// The switch that a program built for it reads: its own checks of what it relays are left out.
const BYPASS_SWITCH: (&str, &str) = ("HEARTH_TEST_BYPASS_RELAY_CHECKS", "1");

/// A built `hearth`.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    environment: Vec<(&'static str, &'static str)>,
}

impl Program {
    /// The program under test: `HEARTH_BIN`, else what `cargo build --release --package hearth-cli` makes.
    #[must_use]
    pub fn under_test() -> &'static Program {
        static PROGRAM: OnceLock<Program> = OnceLock::new();
        PROGRAM.get_or_init(|| Program {
            path: from_environment("HEARTH_BIN").unwrap_or_else(|| build("hearth", &[])),
            environment: Vec::new(),
        })
    }

    /// The same program, built with the feature `test-bypass` and told to leave out its own checks of what it
    /// relays: a broker who cheats. `HEARTH_BYPASS_BIN` names one that was built before.
    #[must_use]
    pub fn without_relay_checks() -> &'static Program {
        static PROGRAM: OnceLock<Program> = OnceLock::new();
        PROGRAM.get_or_init(|| Program {
            path: from_environment("HEARTH_BYPASS_BIN")
                .unwrap_or_else(|| build("hearth-bypass", &["--features", "test-bypass"])),
            environment: vec![BYPASS_SWITCH],
        })
    }

    /// A program that was built by other means.
    #[must_use]
    pub fn at(path: &Path) -> Program {
        Program { path: path.to_path_buf(), environment: Vec::new() }
    }

    /// Where the program is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command of this program that knows nothing of the homes of whoever runs the test. What it writes to its
    /// platform's folders would land under `elsewhere`.
    #[must_use]
    pub fn command(&self, elsewhere: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env_remove("HEARTH_HOME")
            .env_remove("HEARTH_LOG")
            .env_remove("HEARTH_PASSPHRASE_FILE")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .env("HOME", elsewhere)
            .env("USER", "somebody")
            .envs(self.environment.iter().copied());
        command
    }
}

fn from_environment(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(name)?);
    let whole = path.canonicalize().unwrap_or_else(|error| panic!("{name}={}: {error}", path.display()));
    Some(whole)
}

/// Builds `hearth` in the suite's own profile and gives it a name of its own, since cargo keeps one file for all
/// sets of features.
fn build(name: &str, features: &[&str]) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let built = Command::new(cargo)
        .current_dir(shared::root())
        .args(["build", "--release", "--locked", "--package", "hearth-cli"])
        .args(["--bin", "hearth", "--message-format=json-render-diagnostics"])
        .args(features)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs these tests, so it can be run");
    assert!(built.status.success(), "the program under test does not build");
    let artifacts = String::from_utf8_lossy(&built.stdout).into_owned();
    let program = artifacts
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["target"]["name"] == "hearth")
        .find_map(|line| line["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program it built");
    set_aside(&program, name)
}

/// Links `program` into a folder of its own, under `name`: the next build replaces the file, not the link.
fn set_aside(program: &Path, name: &str) -> PathBuf {
    let folder = program.parent().expect("a program lies in a folder").join("under-test");
    fs::create_dir_all(&folder).expect("cargo's folder for what it builds is ours");
    let (new, path) = (folder.join(format!("{name}.{}", std::process::id())), folder.join(name));
    // A link rather than a copy: a file that was just written by a process with threads may still be open for
    // writing in a child of another thread, and cannot be run then.
    fs::hard_link(program, &new).expect("both lie in cargo's folder");
    fs::rename(&new, &path).expect("both lie in cargo's folder");
    // Renaming onto another link of the same file leaves both.
    let _ = fs::remove_file(&new);
    path
}
