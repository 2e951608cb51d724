//! Waiting for a condition, with a limit.
//!
//! Leaves to others: what the condition is. Always true: it looks at least once and at least once more after the
//! limit has passed, and gives up with the words of the last look, so that a failure says how far it came.

use std::thread;
use std::time::{Duration, Instant};

/// Enough for anything that happens on one machine without bulk; generous, since CI has two cores for everything.
pub const SOON: Duration = Duration::from_secs(30);

/// Enough for a whole collection to be imported, signed, carried and checked on every node.
pub const BULK: Duration = Duration::from_secs(180);

/// The first pause between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The pause of who measures: small against what is measured, long enough to leave the core to the nodes.
const CLOSE_PAUSE: Duration = Duration::from_millis(1);

/// The longest pause between two looks: what a condition may be late by.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Looks until `look` gives `Ok`, and returns what it gave. `Err` says what was seen instead.
///
/// # Panics
///
/// When `limit` has passed, with `what` and what was seen last.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Result<T, String>) -> T {
    until_or(limit, look).unwrap_or_else(|seen| gave_up(what, limit, &seen))
}

/// The same for measuring: looks about every millisecond from first to last.
///
/// # Panics
///
/// As [`until`].
#[track_caller]
pub fn until_close<T>(what: &str, limit: Duration, look: impl FnMut() -> Result<T, String>) -> T {
    look_until(limit, CLOSE_PAUSE, look).unwrap_or_else(|seen| gave_up(what, limit, &seen))
}

/// Looks until `look` gives `Ok`; gives what was seen last when `limit` has passed.
///
/// # Errors
///
/// The last look's `Err`.
pub fn until_or<T>(limit: Duration, look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    look_until(limit, LONGEST_PAUSE, look)
}

fn look_until<T>(limit: Duration, longest: Duration, mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE.min(longest);
    loop {
        let last = start.elapsed() >= limit;
        match look() {
            Ok(found) => return Ok(found),
            Err(seen) if last => return Err(seen),
            Err(_) => rest(pause),
        }
        pause = (pause * 3 / 2).min(longest);
    }
}

#[track_caller]
fn gave_up(what: &str, limit: Duration, seen: &str) -> ! {
    panic!("gave up after {limit:?} waiting until {what}; last seen: {seen}")
}

/// The one pause of the test suites: between two looks, never instead of one.
#[expect(clippy::disallowed_methods, reason = "a pause between two looks at a condition")]
fn rest(pause: Duration) {
    thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_as_soon_as_the_condition_holds() {
        let mut looks = 0;
        let found = until("the third look", SOON, || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("look {looks}")) }
        });
        assert_eq!(found, 3);
    }

    #[test]
    fn giving_up_tells_what_was_seen_last() {
        let seen = until_or(Duration::ZERO, || Err::<(), _>("nothing yet".to_owned()));
        assert_eq!(seen, Err("nothing yet".to_owned()));
    }
}
