//! A home as its owner meets it: made, sealed, opened, restored.

use std::os::unix::fs::PermissionsExt as _;

use hearth_protocol::{encoding::encode, hello::Handover, person::Caps};

use crate::clock;

use super::*;

fn folder() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path().join("home"));
    (folder, home)
}

fn beans() -> Passphrase {
    Passphrase::cheap("nine beans in a row")
}

fn file(home: &Home) -> Vec<u8> {
    fs::read(home.file(KEYS)).unwrap()
}

/// The secrets of a home, and who it is.
fn secrets(keys: &Keys) -> (Vec<[u8; 32]>, PersonRecord) {
    let identity = keys.identity.key.as_ref().map(|key| *key.seed());
    let own = [*keys.identity.device.seed(), *keys.identity.sealing.as_bytes(), *keys.transport];
    (identity.into_iter().chain(own).collect(), keys.identity.record.clone())
}

fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret)
}

#[test]
fn a_home_without_a_passphrase_is_plain_and_has_a_token() {
    let (_folder, home) = folder();
    home.create("alice", None).unwrap();
    let keys = home.keys(None).unwrap();
    assert!(!home.is_locked() && !keys.opener.is_of_sealed());
    assert_eq!(home.token(None).unwrap(), home.token_of(&keys).unwrap());
    assert!(secrets(&keys).0.iter().all(|secret| holds(&file(&home), secret)));
    assert_eq!(keys.words.unwrap().split(' ').count(), 24);
    assert_eq!(home.create("eve", None).unwrap_err().reason(), "home_exists");
    assert_eq!(Home::at("/nowhere/at/all".into()).keys(None).unwrap_err().reason(), "no_home");
}

#[test]
fn sealed_keys_are_opened_by_their_passphrase_alone() {
    let (_folder, home) = folder();
    home.create("alice", Some(&beans())).unwrap();
    assert!(home.is_locked());
    let keys = home.keys(Some(&beans())).unwrap();
    assert!(secrets(&keys).0.iter().all(|secret| !holds(&file(&home), secret)));
    assert!(!home.file("token").exists());
    let locked = home.keys(None).unwrap_err();
    assert_eq!(locked.reason(), "locked_home");
    assert!(locked.hint().contains("--passphrase-file"), "{}", locked.hint());
    let wrong = home.keys(Some(&Passphrase::cheap("nine beans"))).unwrap_err();
    assert_eq!(wrong.reason(), "wrong_passphrase");
    assert_eq!(home.token(Some(&beans())).unwrap(), home.token_of(&keys).unwrap());
}

#[test]
fn a_passphrase_is_set_changed_and_removed_and_the_keys_stay() {
    let (_folder, home) = folder();
    home.create("alice", None).unwrap();
    let before = secrets(&home.keys(None).unwrap());
    let first_token = home.token(None).unwrap();
    let other = Passphrase::cheap("another");

    home.set_passphrase(None, Some(&beans())).unwrap();
    assert!(home.is_locked() && !home.file("token").exists());
    assert_eq!(secrets(&home.keys(Some(&beans())).unwrap()), before);
    let sealed = file(&home);

    for old in [None, Some(&other)] {
        assert!(home.set_passphrase(old, Some(&other)).is_err());
        assert_eq!(file(&home), sealed, "nothing was changed");
    }
    home.set_passphrase(Some(&beans()), Some(&other)).unwrap();
    assert_eq!(home.keys(Some(&beans())).unwrap_err().reason(), "wrong_passphrase");
    assert_eq!(secrets(&home.keys(Some(&other)).unwrap()), before);

    home.set_passphrase(Some(&other), None).unwrap();
    assert_eq!(secrets(&home.keys(None).unwrap()), before);
    assert!(!home.is_locked());
    assert_ne!(home.token(None).unwrap(), first_token);
}

#[test]
fn no_passphrase_changes_while_somebody_works_in_the_home() {
    let (_folder, home) = folder();
    home.create("alice", None).unwrap();
    let held = home.lock("node").unwrap();
    let refused = home.set_passphrase(None, Some(&beans())).unwrap_err();
    assert_eq!(refused.reason(), "home_held");
    assert!(refused.to_string().starts_with("node (process "), "{refused}");
    drop(held);
    home.set_passphrase(None, Some(&beans())).unwrap();
}

#[test]
fn the_words_go_from_plain_and_from_sealed_keys_and_the_rest_stays() {
    for passphrase in [None, Some(&beans())] {
        let (_folder, home) = folder();
        home.create("alice", passphrase).unwrap();
        let keys = home.keys(passphrase).unwrap();
        let entropy = *Ladder::from_words(keys.words.as_ref().unwrap()).unwrap().entropy();
        assert_eq!(home.words(passphrase).unwrap(), keys.words);
        // As a running node does it, which has no passphrase any more.
        home.forget_words(&keys.opener).unwrap();
        let after = home.keys(passphrase).unwrap();
        assert!(after.words.is_none() && home.words(&keys.opener).unwrap().is_none());
        assert_eq!(secrets(&after), secrets(&keys));
        assert!(!holds(&file(&home), &entropy));
        assert_eq!(home.is_locked(), passphrase.is_some());
    }
}

#[test]
fn what_opened_the_file_before_does_not_open_it_under_another_passphrase() {
    let (_folder, home) = folder();
    home.create("alice", Some(&beans())).unwrap();
    let opener = home.keys(Some(&beans())).unwrap().opener;
    home.set_passphrase(Some(&beans()), Some(&Passphrase::cheap("another"))).unwrap();
    assert_eq!(home.forget_words(&opener).unwrap_err().reason(), "wrong_passphrase");
}

#[test]
fn the_words_bring_the_same_person_back_on_a_new_device() {
    let (_one, home) = folder();
    home.create("alice", None).unwrap();
    let old = home.keys(None).unwrap();
    let words = old.words.as_ref().unwrap();
    for (rung, passphrase) in [(0, None), (3, Some(&beans()))] {
        let (_other, restored) = folder();
        let typed: String =
            words.to_uppercase().split(' ').enumerate().map(|(at, word)| format!("{:>2}. {word}\n", at + 1)).collect();
        restored.restore("alice again", &typed, rung, passphrase).unwrap();
        let new = restored.keys(passphrase).unwrap();
        assert_eq!(new.identity.person(), old.identity.person());
        assert_eq!(new.words, old.words, "they stay until they are written down");
        let person = new.identity.record.check().unwrap();
        let ladder = Ladder::from_words(words).unwrap();
        assert_eq!((person.index, person.key), (rung, ladder.key(rung).public()));
        assert_eq!(new.identity.key.as_ref().unwrap().public(), person.key);
        assert_eq!(person.device(new.identity.device.public()).unwrap().caps, Caps::ALL);
        for (one, other) in secrets(&new).0.iter().zip(&secrets(&old).0).skip(1) {
            assert_ne!(one, other, "the device is a new one");
        }
    }
}

#[test]
fn words_of_nobody_make_no_home() {
    let (_folder, home) = folder();
    let words = Ladder::new([9; 32]).words();
    let swapped = words.split(' ').rev().collect::<Vec<_>>().join(" ");
    for typed in ["", "abandon abandon", &words[1..], &swapped, &format!("{} extra", *words)] {
        assert_eq!(home.restore("alice", typed, 0, None).unwrap_err().reason(), "bad_words", "{typed}");
    }
    assert_eq!(home.restore("alice", &words, 8, None).unwrap_err().reason(), "bad_rung");
    assert!(!home.path().exists());
    home.restore("alice", &words, 7, None).unwrap();
}

#[test]
fn a_paired_device_has_no_identity_key_and_no_words() {
    let ladder = Ladder::new([9; 32]);
    let (first, second) = (DeviceKeys::fresh().unwrap(), DeviceKeys::fresh().unwrap());
    let mut record = ladder.record(first.device.public(), first.sealing.public(), clock::now());
    let (_folder, home) = folder();
    // Whether it is a genesis is for the engine to see.
    let mine = Handover { genesis: record.devices[0].clone(), keys: hearth_protocol::bytes::List::none() };
    assert_eq!(
        home.adopt("alice", &second, (record.clone(), &mine), None).unwrap_err().reason(),
        "device_not_certified"
    );

    let cert = ladder.certify(0, second.device.public(), second.sealing.public(), Caps::ITEMS, clock::now());
    let devices = record.devices.iter().cloned().chain([cert.signed]).collect();
    record.devices = hearth_protocol::bytes::List::new(devices).unwrap();
    home.adopt("alice", &second, (record.clone(), &mine), Some(&beans())).unwrap();
    assert_eq!(home.handover().unwrap(), Some(mine));
    home.forget_handover().unwrap();
    home.forget_handover().unwrap();
    assert_eq!(home.handover().unwrap(), None);
    let keys = home.keys(Some(&beans())).unwrap();
    assert!(keys.identity.key.is_none() && keys.words.is_none());
    assert_eq!(secrets(&keys).0.len(), 3);
    assert_eq!((keys.identity.person(), &keys.identity.record), (ladder.person(), &record));
    assert_eq!(home.device().unwrap(), second.device.public().0.0);
}

#[test]
fn the_next_key_of_the_ladder_takes_the_place_of_the_one_before() {
    for passphrase in [None, Some(&beans())] {
        let (_folder, home) = folder();
        home.create("alice", passphrase).unwrap();
        let keys = home.keys(passphrase).unwrap();
        let ladder = Ladder::from_words(keys.words.as_ref().unwrap()).unwrap();
        let (device, kem) = (keys.identity.device.public(), keys.identity.sealing.public());
        let record = ladder.record_at(1, device, kem, clock::now());
        let stranger = Ladder::new([9; 32]);
        for (key, record) in [
            (ladder.key(0), record.clone()),
            (ladder.key(1), ladder.record_at(2, device, kem, clock::now())),
            (ladder.key(1), ladder.record_at(1, SecretKey::new(&[1; 32]).public(), kem, clock::now())),
            (stranger.key(1), stranger.record_at(1, device, kem, clock::now())),
        ] {
            let refused = home.replace_identity(passphrase, &key, record).unwrap_err();
            assert_eq!(refused.reason(), "device_not_certified");
        }
        home.replace_identity(&keys.opener, &ladder.key(1), record.clone()).unwrap();
        let after = home.keys(passphrase).unwrap();
        assert_eq!(after.identity.record, record);
        assert_eq!(after.identity.key.unwrap().public(), ladder.key(1).public());
        assert_eq!(after.words, keys.words);
    }
}

#[test]
fn keys_of_version_1_are_read_and_become_version_2_when_they_are_written() {
    let (_folder, home) = folder();
    home.create("alice", None).unwrap();
    let (stored, _) = home.stored(Unlock::With(None)).unwrap();
    let identity = stored.identity.as_ref().unwrap();
    let own = (identity, &stored.device, &stored.sealing, &stored.transport);
    write_private(&home.file(KEYS), &encode(&(1_u8, &stored.entropy, own, &stored.name, &stored.record))).unwrap();
    let keys = home.keys(None).unwrap();
    assert_eq!(file(&home)[1], 1, "reading changes nothing");
    home.forget_words(&keys.opener).unwrap();
    assert_eq!(file(&home)[1], 2);
    assert_eq!(secrets(&home.keys(None).unwrap()), secrets(&keys));
}

#[test]
fn damaged_and_newer_keys_are_told_apart_and_left_alone() {
    for passphrase in [None, Some(&beans())] {
        let (_folder, home) = folder();
        home.create("alice", passphrase).unwrap();
        let whole = file(&home);
        let reason = |bytes: &[u8]| {
            write_private(&home.file(KEYS), bytes).unwrap();
            let reason = home.keys(passphrase).unwrap_err().reason();
            assert_eq!(file(&home), bytes);
            reason
        };
        assert_eq!(reason(&[&[whole[0], 4], &whole[2..]].concat()), "newer_home");
        for cut in [0, 1, 2, whole.len() / 2, whole.len() - 1] {
            assert_eq!(reason(&whole[..cut]), "home_damaged", "cut at {cut}");
        }
        let middle = whole.len() / 2;
        let flipped = [&whole[..middle], &[whole[middle] ^ 1], &whole[middle + 1..]].concat();
        let expected = if passphrase.is_some() { "wrong_passphrase" } else { "home_damaged" };
        assert_eq!(reason(&flipped), expected);
    }
}

#[test]
fn nothing_in_a_home_is_for_others_to_read() {
    let (folder, home) = folder();
    fs::create_dir_all(home.file("store")).unwrap();
    fs::write(home.file("store").join("old"), b"").unwrap();
    fs::write(home.file("keys.new"), b"left by a crash").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (path, loose) in [(home.path(), 0o755), (&home.file("store"), 0o755), (&home.file("store/old"), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(loose)).unwrap();
    }
    home.create("alice", None).unwrap();
    assert_eq!(mode(home.path()), 0o700);
    let _held = home.lock("node").unwrap();
    home.settle().unwrap();
    let files = ["keys", "token", "device.pub", "lock", "store/old"];
    assert!(files.iter().all(|name| mode(&home.file(name)) == 0o600));
    assert_eq!(mode(&home.file("store")), 0o700);
    assert!(!home.file("keys.new").exists());
    drop(folder);
}

#[test]
fn opening_puts_the_token_where_it_belongs() {
    let (_folder, home) = folder();
    home.create("alice", None).unwrap();
    fs::remove_file(home.file("token")).unwrap();
    home.settle().unwrap();
    assert_eq!(home.token(None).unwrap().len(), 64);
    home.set_passphrase(None, Some(&beans())).unwrap();
    write_private(&home.file("token"), b"left by a crash").unwrap();
    home.settle().unwrap();
    assert!(!home.file("token").exists());
}

#[test]
fn what_was_replaced_is_overwritten_unless_it_is_somebodys_copy() {
    use std::io::Read as _;
    let (_folder, home) = folder();
    home.create("alice", None).unwrap();
    let before = file(&home);
    let mut gone = fs::File::open(home.file(KEYS)).unwrap();
    home.forget_words(Unlock::With(None)).unwrap();
    let mut left = Vec::new();
    gone.read_to_end(&mut left).unwrap();
    assert_eq!(left, vec![0; before.len()]);
    let (copy, kept) = (home.file("copy"), file(&home));
    fs::hard_link(home.file(KEYS), &copy).unwrap();
    home.set_passphrase(None, Some(&beans())).unwrap();
    assert_eq!(fs::read(copy).unwrap(), kept);
}
