//! The vectors of `docs/protocol/vectors`: written by this one generator, compared byte for byte, and read back
//! through the public decoders as another implementation would read them.
//!
//! `HEARTH_WRITE_VECTORS=1 cargo test --release -p hearth-protocol --test formats the_vectors_are` writes them anew.
//! A change of any of them is a change of the protocol.

mod encoding;
mod epochs;
mod genesis;
mod handshake;
mod identity;
mod invites;
mod items;
pub(crate) mod json;
mod links;
mod operations;
mod pairing;
mod read_back;
mod signatures;
mod wire;

use std::{env, fs, path::PathBuf};

use hearth_protocol::id::Context;

use crate::decoders;
use json::{Json, hex, object};

/// One file of vectors.
struct File {
    name: &'static str,
    page: &'static str,
    about: &'static str,
    accepted: Vec<Json>,
    refused: Vec<Json>,
    more: Vec<(&'static str, Json)>,
}

impl File {
    fn new(name: &'static str, page: &'static str, about: &'static str) -> File {
        File { name, page, about, accepted: Vec::new(), refused: Vec::new(), more: Vec::new() }
    }

    /// Bytes that `decoder` accepts, with what they were made of.
    fn accept(&mut self, name: impl Into<Json>, decoder: &str, bytes: &[u8], inputs: Json) {
        let name = name.into();
        let read = decoders::read(decoder, bytes).unwrap_or_else(|why| panic!("{name:?} is refused: {why}"));
        assert_eq!(read.bytes, bytes, "{name:?} is written otherwise");
        self.accepted.push(
            object! { "name": name, "decoder": decoder, "bytes": hex(bytes), "id": read.id.map(hex), "inputs": inputs },
        );
    }

    /// Bytes that `decoder` refuses by this name.
    fn refuse(&mut self, name: impl Into<Json>, decoder: &str, bytes: &[u8], refusal: &str) {
        let name = name.into();
        let read = decoders::read(decoder, bytes);
        assert_eq!(read, Err(refusal.to_owned()), "{name:?}");
        self.refused.push(object! { "name": name, "decoder": decoder, "bytes": hex(bytes), "refusal": refusal });
    }

    fn to_json(&self) -> Json {
        let mut fields = vec![
            ("format", Json::from(self.name)),
            ("page", self.page.into()),
            ("about", self.about.into()),
            ("accepted", self.accepted.clone().into()),
            ("refused", self.refused.clone().into()),
        ];
        fields.extend(self.more.iter().cloned());
        Json::Object(fields)
    }
}

fn files() -> Vec<File> {
    vec![
        encoding::file(),
        signatures::file(),
        identity::file(),
        genesis::file(),
        operations::file(),
        items::file(),
        invites::file(),
        epochs::file(),
        handshake::file(),
        pairing::file(),
        wire::file(),
        links::file(),
    ]
}

/// The folder of the vectors.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol/vectors")
}

#[test]
fn the_vectors_are_what_the_code_writes() {
    let rewrite = env::var_os("HEARTH_WRITE_VECTORS").is_some();
    let mut names: Vec<String> = Vec::new();
    for file in files() {
        let (path, text) = (folder().join(format!("{}.json", file.name)), file.to_json().to_file());
        if rewrite {
            fs::write(&path, &text).expect("the folder of the vectors can be written");
        }
        let kept = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let first = kept.lines().zip(text.lines()).position(|(kept, now)| kept != now).map(|line| line + 1);
        assert!(kept == text, "{} differs from what the code writes, first in line {first:?}", path.display());
        names.push(format!("{}.json", file.name));
    }
    let mut kept: Vec<String> = fs::read_dir(folder())
        .expect("the folder of the vectors can be listed")
        .map(|file| file.expect("the folder of the vectors can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    kept.sort_unstable();
    names.sort_unstable();
    assert_eq!(kept, names, "a file of vectors that nobody writes, or that is missing");
}

/// The connection of the handshake's vectors.
pub(crate) fn transcript() -> hearth_protocol::hello::Transcript {
    handshake::transcript()
}

/// Contexts whose signatures travel.
pub(crate) use signatures::SIGNING;

/// The bytes of its transcript.
pub(crate) fn transcript_bytes() -> [u8; 32] {
    handshake::transcript_bytes()
}

/// What a proof over that connection signs.
pub(crate) fn proved_bytes(direction: u8) -> Vec<u8> {
    handshake::proved(&handshake::transcript_bytes(), direction)
}

/// The bytes inside a pasted text that begins so.
pub(crate) fn inside(prefix: &str, text: &str) -> Vec<u8> {
    invites::inside(prefix, text)
}

/// A text with a right check around any bytes.
pub(crate) fn pasted(prefix: &str, check: Context, bytes: &[u8]) -> String {
    invites::pasted(prefix, check, bytes)
}

/// Every case of one list of all files: decoder, name, bytes, and the whole case.
pub(crate) fn cases(list: &str) -> Vec<(String, String, Vec<u8>, serde_json::Value)> {
    read_back::cases(list)
}
