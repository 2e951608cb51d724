//! T24: what a thief finds who reads a home, its logs and the process list. With a passphrase: no key, no word, no
//! token, no invite key.
//!
//! The scan is held against a home without a passphrase, where it must find what lies there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL, Encoding, HEXLOWER, HEXUPPER};
use hearth_node::home::Keys;
use hearth_node::store::{self, DiskSettings, Overlay, RowSeal};
use hearth_node::{Home, Passphrase};
use hearth_protocol::invite::PREFIX;
use hearth_protocol::ledger::Ledger;
use hearth_protocol::person::Ladder;
use hearth_tests::process::Answer;
use hearth_tests::world::{Person, World};
use hearth_tests::{shared, wait};

use crate::acts::{Community, ids, join};
use crate::refusals::{mentions, refused};

const PASSPHRASE: &str = "nine bean rows and a hive";

/// Bytes by which what is looked for is found; nothing that is looked for is shorter.
const HEAD: usize = 8;
/// Words in a row that no text has by chance.
const IN_A_ROW: usize = 3;

/// Where the seed of an invite key lies in its bytes: behind the head of the list, its version, and the community.
const SEED: std::ops::Range<usize> = 37..53;

/// What was found: of which secret, and where.
type Hit = (String, String);

/// All forms of all secrets, found in one walk over the bytes.
#[derive(Default)]
struct Scan {
    forms: HashMap<[u8; HEAD], Vec<(Vec<u8>, String)>>,
    secrets: BTreeSet<String>,
    bytes: usize,
    hits: BTreeSet<Hit>,
}

impl Scan {
    /// Looks for these very bytes.
    fn form(&mut self, what: &str, bytes: &[u8]) {
        let head = *bytes.first_chunk().unwrap_or_else(|| panic!("{what} is too short to look for"));
        self.forms.entry(head).or_default().push((bytes.to_vec(), what.to_owned()));
        self.secrets.insert(what.to_owned());
    }

    /// Looks for a secret as it is, and as it would be written.
    fn secret(&mut self, what: &str, bytes: &[u8]) {
        self.form(what, bytes);
        self.form(what, HEXLOWER.encode(bytes).as_bytes());
        self.form(what, HEXUPPER.encode(bytes).as_bytes());
        for (encoding, bits) in [(BASE32_NOPAD, 5), (BASE64, 6), (BASE64URL, 6)] {
            for before in 0..bits {
                let written = inside(&encoding, bits, before, bytes);
                self.form(what, written.as_bytes());
                if bits == 5 {
                    self.form(what, written.to_lowercase().as_bytes());
                }
            }
        }
    }

    /// Looks for the secrets of a home.
    fn keys(&mut self, name: &str, keys: &Keys, token: &str) {
        let words = keys.words.as_ref().expect("the words are on the device until they are taken off");
        let ladder = Ladder::from_words(words).expect("they are the person's");
        self.secret(&format!("{name}'s entropy"), ladder.entropy());
        let identity = keys.identity.key.as_ref().expect("a first device has the identity key");
        self.secret(&format!("{name}'s identity key"), identity.seed().as_slice());
        self.secret(&format!("{name}'s device key"), keys.identity.device.seed().as_slice());
        self.secret(&format!("{name}'s sealing key"), keys.identity.sealing.as_bytes());
        self.secret(&format!("{name}'s transport key"), keys.transport.as_slice());
        let words: Vec<&str> = words.split(' ').collect();
        for phrase in words.windows(IN_A_ROW) {
            self.form(&format!("{name}'s words"), phrase.join(" ").as_bytes());
        }
        self.secret(&format!("{name}'s token"), &HEXLOWER.decode(token.as_bytes()).expect("a token is hexadecimal"));
    }

    /// Looks for an invite key: whole, and the secret in it.
    fn invite_key(&mut self, what: &str, key: &str) {
        self.form(what, key.as_bytes());
        self.secret(what, &seed_of(key));
    }

    /// Looks through `bytes`, which lie at `place`.
    fn through(&mut self, place: &str, bytes: &[u8]) {
        self.bytes += bytes.len();
        for (at, head) in bytes.windows(HEAD).enumerate() {
            for (form, what) in self.forms.get(head).into_iter().flatten() {
                if bytes[at..].starts_with(form) {
                    self.hits.insert((what.clone(), place.to_owned()));
                }
            }
        }
    }

    /// Looks through all files under `folder`, and their names; gives how many they are.
    fn under(&mut self, folder: &Path) -> usize {
        let files = files(folder);
        for path in files.keys() {
            let place = path.strip_prefix(folder).expect("it lies in there").display().to_string();
            self.through(&format!("the name {place}"), place.as_bytes());
            self.through(&place, &fs::read(path).expect("the test's own file"));
        }
        files.len()
    }
}

/// The letters that stand for `bytes` alone where they are written behind `before` other bytes.
fn inside(encoding: &Encoding, bits: usize, before: usize, bytes: &[u8]) -> String {
    let whole = encoding.encode(&[&vec![0; before][..], bytes].concat());
    let first = (before * 8).div_ceil(bits);
    let end = (before + bytes.len()) * 8 / bits;
    whole[first..end].to_owned()
}

fn seed_of(key: &str) -> Vec<u8> {
    let letters = key[PREFIX.len()..].to_uppercase();
    BASE32_NOPAD.decode(letters.as_bytes()).expect("a key is base32")[SEED].to_vec()
}

/// The files under a folder, each with its mode.
fn files(folder: &Path) -> BTreeMap<PathBuf, u32> {
    listed(folder).into_iter().filter(|(path, _)| path.is_file()).collect()
}

/// The folder and everything under it, each with its mode.
fn listed(folder: &Path) -> BTreeMap<PathBuf, u32> {
    let mode = |path: &Path| fs::symlink_metadata(path).expect("it was listed").permissions().mode() & 0o7777;
    let mut found = BTreeMap::from([(folder.to_path_buf(), mode(folder))]);
    for inside in fs::read_dir(folder).expect("the test's folder can be listed") {
        let path = inside.expect("the test's folder can be listed").path();
        if path.is_dir() {
            found.extend(listed(&path));
        } else {
            found.insert(path.clone(), mode(&path));
        }
    }
    found
}

#[track_caller]
fn all_private(folder: &Path) {
    for (path, mode) in listed(folder) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} has the mode {mode:o}", path.display());
    }
}

/// What others on the machine can see of what runs: command lines, and the environments that the system shows.
fn process_list() -> Vec<u8> {
    let mut seen = Vec::new();
    // A process may end while it is looked at, and a system may have no such folder, or no such program.
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        for file in ["cmdline", "environ"] {
            seen.extend(fs::read(process.path().join(file)).unwrap_or_default());
        }
    }
    seen.extend(Command::new("ps").arg("-ef").output().map(|said| said.stdout).unwrap_or_default());
    seen
}

/// What was logged and what could be seen, while people worked.
#[derive(Default)]
struct Seen {
    logs: Vec<u8>,
    processes: Vec<u8>,
}

impl Seen {
    /// Has `person` do something; what that prints as its answer is meant to be seen, what it logs is not.
    #[track_caller]
    fn did(&mut self, person: &Person, args: &[&str]) -> Answer {
        let answer = person.hearth(args);
        self.logs.extend(answer.errors().as_bytes());
        self.processes.extend(process_list());
        answer
    }

    /// Keeps something, founds garden, runs a node and makes a key; gives the key.
    fn lives(&mut self, person: &Person) -> (Community, String) {
        let made = self.did(person, &["community", "create", "garden", "--domain", "growing things"]);
        let garden = Community { id: made.text("community"), name: "garden" };
        let bookmarks = shared::fixture("bookmarks.html");
        let bookmarks = bookmarks.to_str().expect("the project's path is text");
        let _ = self.did(person, &["import", bookmarks, "--to", "garden"]).one();
        assert_eq!(self.did(person, &["words"]).text("words").split(' ').count(), 24);
        let node = person.start();
        let key = self.did(person, &["invite", "create", "garden", "--uses", "2"]).text("key");
        let _ = self.did(person, &["words"]).one();
        let _ = self.did(person, &["post", "while the node runs", "--to", "garden"]).one();
        self.logs.extend(node.said().as_bytes());
        assert_eq!(node.stop().code(), Some(0));
        (garden, key)
    }
}

fn home_of(person: &Person) -> Home {
    Home::at(person.folder().to_path_buf())
}

// alice, with and without her passphrase
#[test]
fn a_home_with_a_passphrase_is_opened_by_it_alone() {
    let world = World::new("passphrase");
    let file = |name: &str, says: &str| {
        let path = world.folder().join(name);
        fs::write(&path, says).expect("the folder is the test's own");
        path.into_os_string().into_string().expect("the test's folder is text")
    };
    let (right, wrong) = (file("right", PASSPHRASE), file("wrong", "eight bean rows"));
    let runtime = world.folder().join("run");
    fs::DirBuilder::new().mode(0o700).create(&runtime).expect("the folder is the test's own");
    // The same home, as its owner opens it and as others of the same login would.
    let bare = world.home("alice").with("XDG_RUNTIME_DIR", &runtime);
    let alice =
        World::settled(world.home("alice").with("XDG_RUNTIME_DIR", &runtime).with("HEARTH_PASSPHRASE_FILE", &right));
    let opened_by = |file: &str| bare.hearth(&["list", "--passphrase-file", file]);
    assert_eq!(refused(&bare, &["list"], b"", 1).reason, "locked_home");
    assert_eq!(refused(&bare, &["list", "--passphrase-file", &wrong], b"", 2).reason, "wrong_passphrase");
    assert_eq!(opened_by(&right).code(), Some(0));

    let node = alice.start();
    assert_eq!(bare.hearth(&["status"]).one()["running"], true, "the node has left a token for this login");
    assert_eq!(bare.hearth(&["words"]).text("words").split(' ').count(), 24);
    assert_eq!(world.home("alice").hearth(&["status"]).refusal(1).reason, "locked_home");
    let held = bare.hearth(&["passphrase", "remove", "--passphrase-file", &right]).refusal(1);
    assert_eq!(held.reason, "home_held");
    mentions(&held, &node.id().to_string());
    assert_eq!(node.stop().code(), Some(0));

    let changed = bare.hearth(&["passphrase", "set", "--passphrase-file", &right, "--new-file", &wrong]).one();
    assert_eq!(changed["passphrase"], true);
    assert_eq!(opened_by(&right).refusal(2).reason, "wrong_passphrase");
    let removed = bare.hearth(&["passphrase", "remove", "--passphrase-file", &wrong]).one();
    assert_eq!(removed["passphrase"], false);
    assert_eq!(bare.hearth(&["status"]).text("person"), alice.id());
    assert_eq!(bare.hearth(&["passphrase", "remove"]).refusal(1).reason, "not_sealed");
    assert_eq!(bare.hearth(&["init", "--passphrase"]).refusal(1).reason, "home_exists");
}

// alice, and alice on another machine
#[test]
fn the_words_bring_a_person_back_on_a_new_device() {
    let world = World::new("restore");
    let (alice, again) = (world.person("alice"), world.home("again"));
    let words = alice.hearth(&["words"]).text("words");
    let first = words.split(' ').next().expect("there are 24");
    let swapped = words.replacen(first, "", 1) + " " + first;
    let cases = [("", "empty"), ("abandon ability", "bad_words"), (&swapped, "bad_words")];
    for (typed, reason) in cases {
        let refusal = refused(&again, &["init", "--words", "-"], typed.as_bytes(), 2);
        assert_eq!(refusal.reason, reason);
        assert!(!again.folder().exists());
    }
    let made = again.hearth_given(&["init", "--words", "-", "--name", "alice"], words.as_bytes());
    assert_eq!(made.text("person"), alice.id());
    assert_ne!(made.one()["device"], alice.hearth(&["status"]).one()["device"]);
    assert_eq!(again.hearth(&["words"]).text("words"), words);
    let _ = again.hearth(&["post", "back again"]).one();
}

// alice ── bob, carol who waits; dave has no passphrase
#[test]
fn a_thief_of_a_home_with_a_passphrase_finds_no_secret_in_it() {
    let world = World::new("secrets");
    let (file, runtime) = (world.folder().join("passphrase"), world.folder().join("run"));
    fs::write(&file, format!("{PASSPHRASE}\n")).expect("the folder is the test's own");
    fs::DirBuilder::new().mode(0o700).create(&runtime).expect("the folder is the test's own");
    let people = ["alice", "bob", "carol"].map(|name| {
        let home = world.home(name).with("HEARTH_PASSPHRASE_FILE", &file);
        World::settled(home.with("XDG_RUNTIME_DIR", &runtime).with("HEARTH_LOG", "trace"))
    });
    let [alice, bob, carol] = &people;
    let dave = World::settled(world.home("dave").with("HEARTH_LOG", "trace"));

    let mut seen = Seen::default();
    let (garden, key) = seen.lives(alice);
    let node = alice.start();
    join(bob, &key, &garden);
    let read = ids(bob, "garden").len();
    assert!(read > 10, "bob reads garden: {read}");
    seen.logs.extend(node.said().as_bytes());
    assert_eq!(node.stop().code(), Some(0));
    waits(carol, &key, &mut seen);
    let (_, daves_key) = seen.lives(&dave);

    people.iter().chain([&dave]).for_each(|person| all_private(person.folder()));
    assert_eq!(files(&runtime).len(), 0, "the token went with the node");
    let passphrase = Passphrase::new(PASSPHRASE).expect("it is one");
    let mut scan = Scan::default();
    scan.secret("the passphrase", PASSPHRASE.as_bytes());
    scan.invite_key("the invite key", &key);
    for person in &people {
        let keys = home_of(person).keys(Some(&passphrase)).expect("it is the passphrase");
        let token = home_of(person).token(Some(&passphrase)).expect("it is the passphrase");
        scan.keys(person.name(), &keys, &token);
    }
    // The control, first: the forms are right, and what lies open is found.
    let (mut control, keys) = (Scan::default(), home_of(&dave).keys(None).expect("they lie open"));
    let token = home_of(&dave).token(None).expect("it lies open");
    control.keys("dave", &keys, &token);
    control.invite_key("the invite key", &daves_key);
    let found = found_in_the_open(&mut control, &dave, &daves_key);

    let kept: usize = people.iter().map(|person| scan.under(person.folder())).sum();
    scan.through("the logs", &seen.logs);
    scan.through("the process list", &seen.processes);
    assert_eq!(scan.hits, BTreeSet::new());
    secrets_of_stores(&people, &passphrase, &key);
    shared::tell(&format!(
        "secrets: {} of {} people in {kept} files, {} bytes of logs and {} of process lists: {} hits; control: {found} \
         found in the open",
        scan.secrets.len(),
        people.len(),
        seen.logs.len(),
        seen.processes.len(),
        scan.hits.len(),
    ));
}

/// `carol` pastes a key that nobody answers, so that it stays pending; meanwhile the process list is looked at.
fn waits(carol: &Person, key: &str, seen: &mut Seen) {
    thread::scope(|scope| {
        let joining = scope.spawn(|| carol.hearth_given(&["join", "-", "--wait", "2s"], key.as_bytes()));
        wait::until("the join has given up", wait::SOON, || {
            seen.processes.extend(process_list());
            if joining.is_finished() { Ok(()) } else { Err("it waits".to_owned()) }
        });
        let answer = joining.join().expect("running a command does not panic");
        seen.logs.extend(answer.errors().as_bytes());
        let last = answer.errors().lines().last().unwrap_or_default().to_owned();
        assert_eq!((answer.code(), last.contains("no_answer")), (Some(1), true), "{answer}");
    });
}

/// What the scan finds where nothing is sealed: exactly what the reference says of a home's files.
fn found_in_the_open(control: &mut Scan, dave: &Person, key: &str) -> usize {
    control.through("the key's text", key.as_bytes());
    control.under(dave.folder());
    let hits: BTreeSet<(&str, &str)> =
        control.hits.iter().map(|(what, place)| (what.as_str(), place.as_str())).collect();
    let expected = [
        ("dave's device key", "keys"),
        ("dave's entropy", "keys"),
        ("dave's identity key", "keys"),
        ("dave's sealing key", "keys"),
        ("dave's token", "token"),
        ("dave's transport key", "keys"),
        ("the invite key", "the key's text"),
    ];
    assert_eq!(hits, BTreeSet::from(expected));
    // A secret in the middle of something longer is found in every encoding.
    let seed = keys_seed(dave);
    for before in 0..7 {
        let longer = [&vec![0xa5; before][..], &seed, &[0x5a; 9]].concat();
        for written in [BASE32_NOPAD.encode(&longer), BASE64.encode(&longer), HEXUPPER.encode(&longer)] {
            control.hits.clear();
            control.through("written", written.as_bytes());
            assert_eq!(control.hits.len(), 1, "{written}");
        }
    }
    expected.len()
}

fn keys_seed(dave: &Person) -> Vec<u8> {
    let keys = home_of(dave).keys(None).expect("they lie open");
    keys.identity.device.seed().to_vec()
}

/// The keys of epochs and the pending join are there, and nowhere in the files as they are. Last, since reading a
/// store opens it.
fn secrets_of_stores(people: &[Person], passphrase: &Passphrase, key: &str) {
    let mut counts = (0, 0);
    for person in people {
        let keys = home_of(person).keys(Some(passphrase)).expect("it is the passphrase");
        let (folder, seal) = (person.folder().join("store"), RowSeal::new(&keys.identity.sealing));
        let (_writer, reader) = store::open(&folder, DiskSettings::default(), seal).expect("nobody works in the home");
        let (overlay, mut scan) = (Overlay::new(&reader), Scan::default());
        for genesis in overlay.communities().expect("the store can be read") {
            let community = hearth_protocol::community::Community::check(genesis).expect("what is kept is sound").id;
            for (epoch, key) in overlay.epoch_keys(community).expect("the store can be read") {
                scan.secret(&format!("the key of epoch {epoch}"), &key);
                counts.0 += 1;
            }
        }
        let pending = overlay.pending_joins().expect("the store can be read");
        counts.1 += pending.iter().filter(|join| join.key.trim() == key).count();
        scan.under(person.folder());
        assert_eq!(scan.hits, BTreeSet::new(), "in {}'s store", person.name());
    }
    assert!(counts.0 >= 4 && counts.1 == 1, "epoch keys and pending joins: {counts:?}");
}
