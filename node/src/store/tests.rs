//! Rows of secrets, as they lie on the disk and as the engine reads them again.

use std::path::Path;

use hearth_protocol::{
    bytes::{Blob, Bytes, List},
    encoding::{V1, encode},
    engine::{Answer, Command, Effect, Engine, Identity, Input, Keep},
    epoch::{Scope, SealingKey},
    id::{CertId, CommunityId, ItemId, OpId, PersonId},
    item::{Body, Draft, Edit, Post},
    key::SecretKey,
    ledger::{Ban, Ledger as _, PendingJoin},
    person::Ladder,
    reconcile::FRONT,
    text::Text,
    time::{DAY_MS, Millis},
    wire::SetName,
};

use super::{
    disk::{self, Direction, DiskSettings, Overlay, Reader, Writer},
    keep,
    keep::ItemRow,
    keep_answer, kept_answer,
    keys::{self, Key, Table},
    open,
    seal::RowSeal,
    upgrade,
};

const EPOCH_KEY: [u8; 32] = *b"the key of an epoch of garden...";
const PASTED: &str = "hearth1pasted";
const MADE: &str = "hearth1made";

fn garden() -> CommunityId {
    CommunityId::new([7; 32])
}

fn seal(device: u8) -> RowSeal {
    RowSeal::new(&SealingKey::new([device; 32]))
}

fn sealed(folder: &Path, device: u8) -> (Writer, Reader) {
    open(folder, DiskSettings::default(), seal(device)).unwrap()
}

/// As rows were written before they were sealed.
fn plain(folder: &Path) -> (Writer, Reader) {
    disk::open(folder, DiskSettings::default()).unwrap()
}

fn pending() -> PendingJoin {
    let record = Ladder::new([9; 32]).record(SecretKey::new(&[1; 32]).public(), Bytes([2; 32]), Millis(5));
    let join = record.reveals.first().unwrap().clone();
    PendingJoin { community: garden(), key: PASTED.to_owned(), join }
}

fn keep_secrets(writer: &mut Writer, reader: &Reader) {
    let mut overlay = Overlay::new(reader);
    keep(&mut overlay, Keep::EpochKey(garden(), OpId::new([8; 32]), EPOCH_KEY)).unwrap();
    keep(&mut overlay, Keep::Pending(pending())).unwrap();
    keep_answer(&mut overlay, &[3; 16], Millis(5), &Answer::Invite(CertId::new([4; 32]), MADE.to_owned()));
    assert_all_read(&overlay);
    writer.commit(&overlay.into_batch()).unwrap();
}

#[track_caller]
fn assert_all_read(overlay: &Overlay<'_>) {
    assert_eq!(overlay.epoch_keys(garden()).unwrap(), [(OpId::new([8; 32]), EPOCH_KEY)]);
    assert_eq!(overlay.pending_joins().unwrap(), [pending()]);
    let made = Answer::Invite(CertId::new([4; 32]), MADE.to_owned());
    assert_eq!(kept_answer(overlay, &[3; 16]).unwrap(), Some(made));
    assert_eq!(kept_answer(overlay, &[4; 16]).unwrap(), None);
}

/// How many rows hold one of the secrets as it is.
fn open_secrets(reader: &Reader) -> usize {
    let rows = reader.scan_prefix(b"", Direction::Forward).map(|row| row.unwrap().1);
    let holds = |row: &[u8], secret: &[u8]| row.windows(secret.len()).any(|window| window == secret);
    rows.filter(|row| [&EPOCH_KEY[..], PASTED.as_bytes(), MADE.as_bytes()].iter().any(|secret| holds(row, secret)))
        .count()
}

#[test]
fn secrets_are_sealed_on_the_disk_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = sealed(folder.path(), 1);
    keep_secrets(&mut writer, &reader);
    assert_eq!(open_secrets(&reader), 0);
    drop((writer, reader));
    assert_all_read(&Overlay::new(&sealed(folder.path(), 1).1));
    // The key of another device opens nothing.
    let (_writer, reader) = sealed(folder.path(), 2);
    let overlay = Overlay::new(&reader);
    assert_eq!(overlay.epoch_keys(garden()).unwrap(), []);
    assert_eq!(overlay.pending_joins().unwrap(), []);
    assert_eq!(kept_answer(&overlay, &[3; 16]).unwrap(), None);
}

#[test]
fn rows_written_before_are_read_and_then_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = plain(folder.path());
    keep_secrets(&mut writer, &reader);
    assert_eq!(open_secrets(&reader), 3, "the control: unsealed, they are found");
    // Before anything was sealed: a disk that was full at the first start.
    let as_it_is = reader.clone().with_seal(std::sync::Arc::new(seal(1)));
    assert_all_read(&Overlay::new(&as_it_is));
    drop((writer, reader, as_it_is));

    let (writer, reader) = sealed(folder.path(), 1);
    assert_all_read(&Overlay::new(&reader));
    assert_eq!(open_secrets(&reader), 0);
    let commits = writer.opened().commits;
    drop((writer, reader));
    let (writer, reader) = sealed(folder.path(), 1);
    assert_all_read(&Overlay::new(&reader));
    assert_eq!(writer.opened().commits, commits + 1, "once in the life of a store");
}

#[test]
fn a_sealed_row_is_worth_nothing_under_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = sealed(folder.path(), 1);
    keep_secrets(&mut writer, &reader);
    let row = reader.scan_prefix(b"k", Direction::Forward).next().unwrap().unwrap();
    let mut overlay = Overlay::new(&reader);
    let elsewhere = [&row.0[..row.0.len() - 1], &[0]].concat();
    overlay.put(elsewhere, row.1);
    assert_eq!(overlay.epoch_keys(garden()).unwrap().len(), 1);
}

/// Keeps what somebody's engine keeps who founds a community and writes in it: a post, a change of it, and a post for
/// the inner circle.
fn found_and_write(overlay: &mut Overlay<'_>) -> (CommunityId, ItemId) {
    let (ladder, device, sealing) = (Ladder::new([9; 32]), SecretKey::new(&[1; 32]), SealingKey::new([2; 32]));
    let record = ladder.record(device.public(), sealing.public(), Millis(1));
    let name = Text::line("alice").unwrap();
    let me = Identity { key: Some(ladder.key(0)), device, sealing, record, name, peer: vec![1], restoring: false };
    let mut engine = Engine::load(me, &[3; 32], Millis(5), overlay).unwrap();
    let mut answered = |now, command| {
        let mut answer = None;
        for effect in engine.handle(Millis(now), Input::Command(1, command), overlay).unwrap() {
            match effect {
                Effect::Keep(kept) => keep(overlay, kept).unwrap(),
                Effect::Answer(_, Ok(given)) => answer = Some(given),
                _ => {}
            }
        }
        answer.unwrap()
    };
    let name = Text::line("garden").unwrap();
    let found = Command::CreateCommunity { name, domain: Text::default(), parent: None };
    let Answer::Community(community) = answered(5, found) else { panic!("a community was founded") };
    let text = Text::written("as it was before").unwrap();
    let draft = Draft::new(Body::Post(Post { version: V1, title: None, text, attachments: List::none() }));
    let mut written =
        |now, draft: &Draft| match answered(now, Command::Write { communities: vec![community], draft: draft.clone() })
        {
            Answer::Items(items) => items[0].0,
            other => panic!("{other:?}"),
        };
    let post = written(6, &draft);
    written(7, &Draft { scope: Scope::Inner, ..draft.clone() });
    let body = Blob::new(draft.body.to_bytes()).unwrap();
    let mut edit = Draft::new(Body::Edit(Edit { version: V1, body }));
    edit.target = Some(post);
    written(8, &edit);
    (community, post)
}

/// Every row of a table, with its value.
fn rows(reader: &Reader, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    reader.scan_prefix(&Key::of(table).into_vec(), Direction::Forward).map(Result::unwrap).collect()
}

/// The tables that an upgrade writes, whole.
fn upgraded(reader: &Reader) -> Vec<(Vec<u8>, Vec<u8>)> {
    [
        Table::Place,
        Table::Author,
        Table::AuthorOnce,
        Table::Timeline,
        Table::Listed,
        Table::Set,
        Table::Number,
        Table::NumberOfEight,
        Table::Fork,
    ]
    .into_iter()
    .flat_map(|table| rows(reader, table))
    .collect()
}

/// A store as version 2 left it: bodies in rows of their own, all items in one set with a row for each, changes at the
/// time that they claim, a row under the author without a time, and one for the list.
fn as_version_2(writer: &mut Writer, reader: &Reader, community: CommunityId) {
    let mut overlay = Overlay::new(reader);
    for (key, _) in rows(reader, Table::Author) {
        let (author, id) = (&key[33..65], keys::last_id(&key).unwrap());
        overlay.put(Key::of(Table::AuthorOnce).with(&key[1..33]).with(author).with(&id).into_vec(), Vec::new());
        overlay.delete(key);
    }
    for (key, value) in rows(reader, Table::Place) {
        let id = keys::last_id(&key).unwrap();
        let claimed = overlay.item(ItemId::new(id)).unwrap().unwrap().trusted().unwrap().header.ts.0;
        overlay.delete(key);
        overlay.put(keys::set(community, SetName::Items).with(&id).into_vec(), Vec::new());
        overlay.put(keys::place(community, SetName::Items, claimed, &id).into_vec(), Vec::new());
        if !value.is_empty() {
            overlay.put(keys::timeline(community).number(claimed).with(&id).into_vec(), Vec::new());
        }
    }
    for (key, value) in rows(reader, Table::Item) {
        let row = ItemRow::read(&value).unwrap();
        let hash = row.signed.clone().trusted().unwrap().header.body_hash;
        overlay.put(keys::body(hash).into_vec(), row.body.unwrap().as_slice());
        overlay.put(key, encode(&(row.signed, row.received)));
    }
    for table in [Table::Number, Table::Fork] {
        for (key, _) in rows(reader, table) {
            overlay.delete(key);
        }
    }
    overlay.delete(keys::listed(community).into_vec());
    overlay.put(Key::of(Table::Indexed).into_vec(), Vec::new());
    overlay.put(Key::of(Table::Placed).into_vec(), Vec::new());
    writer.commit(&overlay.into_batch()).unwrap();
}

/// The same as version 1 left it: with places for nothing, and without an index by author.
fn as_version_1(writer: &mut Writer, reader: &Reader, community: CommunityId) {
    as_version_2(writer, reader, community);
    let mut overlay = Overlay::new(reader);
    for table in [Table::AuthorOnce, Table::Place, Table::Indexed, Table::Placed] {
        for (key, _) in rows(reader, table) {
            overlay.delete(key);
        }
    }
    writer.commit(&overlay.into_batch()).unwrap();
}

/// The same as version 3 left it: with rows for eight numbers and whole ids in the index by number.
fn as_version_3(writer: &mut Writer, reader: &Reader, _: CommunityId) {
    let mut overlay = Overlay::new(reader);
    for (key, _) in rows(reader, Table::Number) {
        overlay.delete(key);
    }
    for (_, value) in rows(reader, Table::Item) {
        let item = ItemRow::read(&value).unwrap().signed.trusted().unwrap();
        let header = &item.header;
        let chain = Key::of(Table::NumberOfEight).with(header.community.as_bytes()).with(&[header.scope.number()]);
        let key = chain.with(header.device.0.as_ref()).with(&(header.seq >> 3).to_be_bytes()).into_vec();
        let low = u8::try_from(header.seq & 7).unwrap();
        let known = overlay.get(&key).unwrap().unwrap_or_default();
        overlay.put(key, [&known, [low].as_slice(), item.id.as_bytes()].concat());
    }
    for marker in [Table::Indexed, Table::Placed, Table::Packed, Table::Numbered] {
        overlay.put(Key::of(marker).into_vec(), Vec::new());
    }
    writer.commit(&overlay.into_batch()).unwrap();
}

#[test]
fn what_older_versions_wrote_is_brought_up_once() {
    for older in [as_version_1, as_version_2, as_version_3] {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, reader) = sealed(folder.path(), 1);
        let mut overlay = Overlay::new(&reader);
        let (community, item) = found_and_write(&mut overlay);
        writer.commit(&overlay.into_batch()).unwrap();
        let whole = upgraded(&reader);
        assert_eq!(rows(&reader, Table::Number).len(), 2, "one for each chain");
        let positions = [SetName::Items, SetName::Inner].map(|set| {
            let places = Overlay::new(&reader).places(community, set, (0, u64::MAX), None, true, 100).unwrap();
            places.iter().map(|place| place.0).collect::<Vec<_>>()
        });
        // The post and its change, the charter; what is inner.
        assert_eq!(positions, [vec![6, 6, FRONT], vec![7]]);
        let shown = |reader: &Reader| {
            let overlay = Overlay::new(reader);
            let page = overlay.newest(&[community], 9, |_| true).unwrap();
            assert_eq!(overlay.count_listed(community).unwrap(), 2);
            assert!(overlay.holds(community, SetName::Items, item.0).unwrap());
            page.items.into_iter().map(|listed| (listed.item.id, listed.body)).collect::<Vec<_>>()
        };
        let before = shown(&reader);
        assert_eq!((before.len(), before[1].0), (2, item));
        assert!(before.iter().all(|(_, body)| body.is_some()));

        older(&mut writer, &reader, community);
        assert_ne!(upgraded(&reader), whole, "the control");
        upgrade(&mut writer, &reader).unwrap();
        assert_eq!(upgraded(&reader), whole);
        assert_eq!(shown(&reader), before);

        // Cut off before it was marked as done, it is done again and comes to the same.
        let mut overlay = Overlay::new(&reader);
        overlay.delete(Key::of(Table::Packed).into_vec());
        writer.commit(&overlay.into_batch()).unwrap();
        upgrade(&mut writer, &reader).unwrap();
        assert_eq!(upgraded(&reader), whole);

        // What is marked as done is not done again.
        let mut overlay = Overlay::new(&reader);
        overlay.delete(keys::listed(community).into_vec());
        writer.commit(&overlay.into_batch()).unwrap();
        upgrade(&mut writer, &reader).unwrap();
        assert_eq!(rows(&reader, Table::Listed), []);
    }
}

#[test]
fn places_are_paged_both_ways_and_end_where_they_are_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let (_, reader) = sealed(folder.path(), 1);
    let mut overlay = Overlay::new(&reader);
    let place = |at: u64| (at * 10, Bytes([u8::try_from(at).unwrap(); 32]));
    for at in 1..=9 {
        overlay.put(keys::place(garden(), SetName::Items, place(at).0, &place(at).1.0).into_vec(), Vec::new());
    }
    let pages = |rising: bool, (first, last): (u64, u64)| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = overlay.places(garden(), SetName::Items, (first, last), after, rising, 2).unwrap();
            after = page.last().copied();
            found.extend(page.iter().map(|place| place.0 / 10));
            if page.len() < 2 {
                return found;
            }
        }
    };
    assert_eq!(pages(true, (0, u64::MAX)), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(pages(false, (0, u64::MAX)), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(pages(true, (20, 40)), [2, 3, 4]);
    assert_eq!(pages(false, (15, 41)), [4, 3, 2]);
    assert_eq!(pages(true, (91, u64::MAX)), [] as [u64; 0]);
    // A place outside is as good as none.
    let outside = overlay.places(garden(), SetName::Items, (20, 40), Some(place(9)), true, 9).unwrap();
    assert_eq!(outside.len(), 3);
}

#[test]
fn what_somebody_wrote_is_counted_by_the_day_that_it_claims() {
    let folder = tempfile::tempdir().unwrap();
    let (_, reader) = sealed(folder.path(), 1);
    let mut overlay = Overlay::new(&reader);
    let (alice, bob) = (PersonId::new([1; 32]), PersonId::new([2; 32]));
    let mut write = |who, at: u64| {
        let id = blake3::hash(&at.to_be_bytes());
        overlay.put(keys::author(garden(), who).number(at).with(id.as_bytes()).into_vec(), Vec::new());
    };
    for at in [0, 1, DAY_MS - 1, DAY_MS, DAY_MS * 2 - 1, DAY_MS * 2, u64::MAX] {
        write(alice, at);
    }
    write(bob, DAY_MS);
    let counted = |who, day| overlay.written_on(garden(), who, day).unwrap();
    assert_eq!([0, 1, 2, 3].map(|day| counted(alice, day)), [3, 2, 1, 0]);
    assert_eq!([0, 1].map(|day| counted(bob, day)), [0, 1]);
    // The last day has no end, and nobody writes there: what is so far ahead is parked.
    assert_eq!(counted(alice, u64::MAX / DAY_MS), 0);
    assert_eq!(overlay.written_on(CommunityId::new([9; 32]), alice, 0).unwrap(), 0);
}

#[test]
fn a_ban_is_kept_over_a_restart_and_forgiven() {
    let folder = tempfile::tempdir().unwrap();
    let ban = |peer: &[u8], until| Ban {
        peer: Blob::new(peer.to_vec()).unwrap(),
        until: Millis(until),
        times: 2,
        why: Text::exact("bad_signature".to_owned()).unwrap(),
    };
    let (mut writer, reader) = sealed(folder.path(), 1);
    let mut overlay = Overlay::new(&reader);
    for kept in [ban(b"bob", 5), ban(b"eve", 6), ban(b"eve", 7)] {
        keep(&mut overlay, Keep::Ban(kept)).unwrap();
    }
    writer.commit(&overlay.into_batch()).unwrap();
    drop((writer, reader));

    let (mut writer, reader) = sealed(folder.path(), 1);
    let mut overlay = Overlay::new(&reader);
    assert_eq!(overlay.bans().unwrap(), [ban(b"bob", 5), ban(b"eve", 7)]);
    keep(&mut overlay, Keep::Forgiven(b"bob".to_vec())).unwrap();
    writer.commit(&overlay.into_batch()).unwrap();
    assert_eq!(Overlay::new(&reader).bans().unwrap(), [ban(b"eve", 7)]);
}
