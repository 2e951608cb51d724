//! What it costs to be sent by gossip what is kept already (F11), beside one check of a signature.
//!
//! `cargo bench -p hearth-tests --bench duplicates` sends a node's own gossip through what a node does with a frame that
//! its network has forgotten, and prints one line a figure.
//! Leaves to others: the network itself, which drops a frame that it remembers by one hash, and that duplicates change
//! nothing (`simulation`).
//! Always true: the store is a real one; each figure is the fastest of many rounds over the same frames, all in one
//! thread, so that what else runs on the machine is seen least.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use hearth_node::store::{self, DiskSettings, Overlay, Reader, disk};
use hearth_node::translate::check_unless_kept;
use hearth_protocol::bytes::List;
use hearth_protocol::encoding::V1;
use hearth_protocol::engine::{Answer, Command, Effect, Engine, Identity, Input, check_gossip};
use hearth_protocol::epoch::{EpochKey, SealingKey};
use hearth_protocol::id::CommunityId;
use hearth_protocol::item::{Body, Draft, Post};
use hearth_protocol::key::SecretKey;
use hearth_protocol::person::Ladder;
use hearth_protocol::text::Text;
use hearth_protocol::time::Millis;

/// How many items are sent again.
const ITEMS: usize = 2_000;

/// How often all of them are.
const ROUNDS: usize = 15;

/// The most that a duplicate may cost.
const GOAL: Duration = Duration::from_micros(20);

/// What a node that has written so many posts has told others, and what it has kept.
struct Written {
    community: CommunityId,
    key: EpochKey,
    frames: Vec<(String, Vec<u8>)>,
}

fn main() {
    let folder = tempfile::tempdir().expect("there is room");
    let (mut writer, reader) = disk::open(folder.path(), DiskSettings::default()).expect("the folder is empty");
    let (empty, fresh) = disk::open(&folder.path().join("other"), DiskSettings::default()).expect("so is this one");
    let mut overlay = Overlay::new(&reader);
    let written = write(&mut overlay);
    writer.commit(&overlay.into_batch()).expect("there is room");

    let device = SecretKey::new(&[1; 32]);
    let (public, nonce) = (device.public(), [7; 32]);
    let signature = device.prove_api(&nonce);
    let check = fastest(|| public.verify_api(&nonce, &signature).is_ok());
    tell("one check of a signature", check, check);
    tell(
        "a frame that is new, checked",
        fastest_of(&written, |w, data, topic| is_checked(w, data, topic, &fresh)),
        check,
    );
    let again = fastest_of(&written, |w, data, topic| !is_checked(w, data, topic, &reader));
    tell("a frame of what is kept", again, check);
    tell(
        "the same, if it were checked",
        fastest_of(&written, |w, data, topic| check_gossip(data, &w.key, topic).is_ok()),
        check,
    );
    let held = if again <= GOAL { "holds" } else { "IS MISSED" };
    print(&format!("the goal of {} µs {held}\n", GOAL.as_micros()));
    drop((writer, empty));
}

/// Whether a frame was sound and looked at whole, since this store has nothing like it.
fn is_checked(written: &Written, data: &[u8], topic: &str, reader: &Reader) -> bool {
    check_unless_kept(data, topic, (written.community, &written.key), reader).is_some_and(|checked| checked.is_ok())
}

fn write(overlay: &mut Overlay<'_>) -> Written {
    let (ladder, device, sealing) = (Ladder::new([9; 32]), SecretKey::new(&[1; 32]), SealingKey::new([2; 32]));
    let record = ladder.record(device.public(), sealing.public(), Millis(1));
    let name = Text::line("alice").expect("it is short");
    let me = Identity { key: Some(ladder.key(0)), device, sealing, record, name, peer: vec![1], restoring: false };
    let mut engine = Engine::load(me, &[3; 32], Millis(5), overlay).expect("it is empty");
    let mut frames = Vec::new();
    let name = Text::line("garden").expect("it is short");
    let found = Command::CreateCommunity { name, domain: Text::default(), parent: None };
    let Answer::Community(community) = carry_out(&mut engine, 5, found, overlay, &mut frames) else {
        panic!("a community was founded")
    };
    frames.clear();
    for number in 0..ITEMS {
        let text = Text::written(&format!("number {number}: {}", "some words ".repeat(20))).expect("it is short");
        let post = Post { version: V1, title: None, text, attachments: List::none() };
        let command = Command::Write { communities: vec![community], draft: Draft::new(Body::Post(post)) };
        let _ = carry_out(&mut engine, 6 + number as u64, command, overlay, &mut frames);
    }
    assert_eq!(frames.len(), ITEMS, "each post is told of once");
    let key = engine.communities()[&community].listening_keys()[0].clone();
    Written { community, key, frames }
}

fn carry_out(
    engine: &mut Engine,
    now: u64,
    command: Command,
    overlay: &mut Overlay<'_>,
    frames: &mut Vec<(String, Vec<u8>)>,
) -> Answer {
    let mut answer = None;
    for effect in engine.handle(Millis(now), Input::Command(1, command), &*overlay).expect("the store is read") {
        match effect {
            Effect::Keep(kept) => store::keep(overlay, kept).expect("the store is read"),
            Effect::Answer(_, Ok(given)) => answer = Some(given),
            Effect::Publish { topic, data } => frames.push((topic, data)),
            _ => {}
        }
    }
    answer.expect("it may do so")
}

/// What one of all frames takes in the fastest round; each has to come to what is expected of it.
fn fastest_of(written: &Written, look: impl Fn(&Written, &[u8], &str) -> bool) -> Duration {
    let round = || {
        let start = Instant::now();
        assert!(
            written.frames.iter().all(|(topic, data)| look(written, data, topic)),
            "it was looked at as it should be"
        );
        start.elapsed() / u32::try_from(written.frames.len()).expect("they are few")
    };
    (0..ROUNDS).map(|_| round()).min().expect("there are rounds")
}

fn fastest(look: impl Fn() -> bool) -> Duration {
    let round = || {
        let start = Instant::now();
        assert!((0..ITEMS).all(|_| look()));
        start.elapsed() / u32::try_from(ITEMS).expect("they are few")
    };
    (0..ROUNDS).map(|_| round()).min().expect("there are rounds")
}

fn tell(what: &str, took: Duration, check: Duration) {
    let (micros, ratio) = (took.as_secs_f64() * 1e6, took.as_secs_f64() / check.as_secs_f64());
    print(&format!("{what}: {micros:.1} µs, {ratio:.2} of a check\n"));
}

fn print(line: &str) {
    io::stdout().write_all(line.as_bytes()).expect("somebody reads the figures");
}
