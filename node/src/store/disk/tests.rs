//! Tests of the disk layer: what is kept, what is refused, and what survives.

mod concurrent;
mod damage;
mod full;
mod kept;
mod kill;
mod overlay;
mod refused;
mod stuck;

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    path::Path,
    process::Command,
};

use super::{Batch, Direction, DiskSettings, Reader, Writer, open, range};

/// Opens a store that must open.
fn opened(folder: &Path) -> (Writer, Reader) {
    open(folder, DiskSettings::default()).expect("the store opens")
}

/// A batch that puts each pair.
fn puts<K: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, V)>) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in pairs {
        batch.put(key.as_ref(), value.as_ref());
    }
    batch
}

/// All that a reader gives.
fn contents(reader: &Reader) -> BTreeMap<Vec<u8>, Vec<u8>> {
    reader.scan(range::ALL, Direction::Forward).collect::<Result<_, _>>().expect("the store can be read")
}

/// A command that runs one test of this program, an ignored one, in a process of its own.
fn alone(module: &str, test: &str) -> Command {
    let path = module.split_once("::").expect("modules lie in a crate").1;
    let mut command = Command::new(std::env::current_exe().expect("a test runs from a file"));
    command.args(["--exact", "--ignored", "--nocapture", "--test-threads=1", &format!("{path}::{test}")]);
    command
}

/// Numbers that look random and can be had again: set `SEED` to the number that was printed.
struct Dice(u64);

impl Dice {
    fn cast(test: &str) -> Self {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        eprintln!("{test}: SEED={seed}");
        Self(seed)
    }

    /// A number under `end` (splitmix64).
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
