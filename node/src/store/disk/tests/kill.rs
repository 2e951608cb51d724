//! `kill -9` at random points: nothing acknowledged is lost, and no batch is there in part.

use std::{
    io::{BufRead, BufReader, Write},
    ops::Bound,
    path::PathBuf,
    process::{Child, Stdio},
};

use tempfile::tempdir;

use super::{Dice, alone, opened};
use crate::store::disk::{Batch, Direction, Reader};

/// How often the process is killed.
const KILLS: u32 = 20;
/// Acknowledgements that are waited for at most before killing.
const MOST_ACKNOWLEDGED: u64 = 150;

/// The keys and values of batch `number`, and the key that names the last one.
fn numbered(number: u64) -> Batch {
    let mut batch = Batch::new();
    for part in 0..=number % 17 {
        let key = [b"n", &number.to_be_bytes()[..], &part.to_be_bytes()].concat();
        let len = if part == 3 { 20_000 } else { (number * 37 + part * 101) % 700 };
        let value = (number ^ part)
            .to_be_bytes()
            .into_iter()
            .cycle()
            .take(usize::try_from(len).expect("small"))
            .collect::<Vec<_>>();
        batch.put(key, value);
    }
    batch.put("last", number.to_be_bytes());
    batch
}

fn last(reader: &Reader) -> u64 {
    let value = reader.get(b"last").expect("read");
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().expect("written with 8 bytes")))
}

/// Checks that the batches up to the last one are there, whole, and nothing else; answers the last one.
fn check(reader: &Reader) -> u64 {
    let last = last(reader);
    let mut found = reader.scan((Bound::Included(b"m"), Bound::Unbounded), Direction::Forward);
    for number in 1..=last {
        let batch = numbered(number);
        for (key, value) in batch.pending_range((Bound::Included(b"m"), Bound::Unbounded)) {
            let pair = found.next().unwrap_or_else(|| panic!("batch {number} of {last} is not whole")).expect("read");
            assert_eq!((pair.0.as_slice(), Some(pair.1.as_slice())), (key, value), "batch {number} of {last}");
        }
    }
    assert!(found.next().is_none(), "something is there of a batch after {last}");
    last
}

/// Waits for so many acknowledgements and kills the process; answers the last one that it had made by then.
fn kill_after(mut child: Child, acknowledgements: u64, dice: &mut Dice) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut acknowledged = 0;
    let mut take = |line: &str| {
        // A last line may be cut short, and then has no full stop.
        let number = line.split_once("acknowledged ").and_then(|(_, number)| number.strip_suffix('.'));
        acknowledged = number.map_or(acknowledged, |number| number.parse().expect("a number"));
        number.is_some()
    };
    let mut seen = 0;
    while seen < acknowledgements {
        seen += u64::from(take(&lines.next().expect("it goes on until it is killed").expect("read")));
    }
    // Somewhere inside the commits that follow, not always right after one.
    (0..dice.below(400_000)).for_each(|turn| {
        std::hint::black_box(turn);
    });
    child.kill().expect("killed");
    child.wait().expect("ended");
    // What it said before it died counts, read or not.
    for line in lines.map_while(Result::ok) {
        take(&line);
    }
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let mut dice = Dice::cast("nothing_acknowledged_is_lost_when_the_process_is_killed");
    let folder = tempdir().expect("a folder");
    let (mut total, mut unanswered) = (0, 0);
    for round in 0..KILLS {
        let mut child = alone(module_path!(), "commits_until_it_is_killed");
        let child = child.env("FOLDER", folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        // Some die while they open the store.
        let acknowledgements = if round % 5 == 4 { 0 } else { dice.below(MOST_ACKNOWLEDGED) };
        let acknowledged = kill_after(child.expect("started"), acknowledgements, &mut dice);
        let (writer, reader) = opened(folder.path());
        let last = check(&reader);
        assert!(last >= acknowledged, "acknowledged {acknowledged}, found {last}");
        assert_eq!(writer.opened().commits, last);
        unanswered += u64::from(last > acknowledged);
        total = last;
    }
    eprintln!("killed {KILLS} times: {total} batches, none lost, {unanswered} times one was there unanswered");
}

#[test]
#[ignore = "run by nothing_acknowledged_is_lost_when_the_process_is_killed"]
fn commits_until_it_is_killed() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").expect("set by the test that runs this one"));
    let (mut writer, reader) = opened(&folder);
    let mut stdout = std::io::stdout();
    for number in last(&reader) + 1.. {
        // What is put alone outlives the process too; only a power cut may take it back.
        if number % 3 == 1 {
            writer.put(&numbered(number)).expect("put");
        } else {
            writer.commit(&numbered(number)).expect("committed");
        }
        writeln!(stdout, "acknowledged {number}.").expect("somebody listens");
        stdout.flush().expect("somebody listens");
    }
}
