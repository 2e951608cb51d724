//! Points in time as people read them: how long ago while it is fresh, a date afterwards.
//!
//! Dates are in UTC and say so. Always true: any number of milliseconds gives some text.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// After a month the date says more than a count of days.
const FRESH: u64 = 31 * DAY;

/// The clock of this machine, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, crate::args::milliseconds)
}

/// How long ago something was, seen from the clock of this machine.
pub(crate) fn ago(then_ms: u64) -> String {
    ago_from(now_ms(), then_ms)
}

/// A date with its time of day.
pub(crate) fn moment(ms: u64) -> String {
    formatted(ms, "%Y-%m-%d %H:%M UTC")
}

fn ago_from(now_ms: u64, then_ms: u64) -> String {
    let Some(past) = now_ms.checked_sub(then_ms) else {
        return if then_ms - now_ms < MINUTE { "just now".to_owned() } else { moment(then_ms) };
    };
    match past {
        ..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => format!("{} min ago", past / MINUTE),
        HOUR..DAY => format!("{} h ago", past / HOUR),
        DAY..FRESH if past / DAY == 1 => "yesterday".to_owned(),
        DAY..FRESH => format!("{} days ago", past / DAY),
        _ => formatted(then_ms, "%Y-%m-%d"),
    }
}

fn formatted(ms: u64, format: &str) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| format!("{ms} ms"), |time| time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    #[test]
    fn what_is_fresh_is_counted_back() {
        assert_eq!(ago_from(NOW, NOW), "just now");
        assert_eq!(ago_from(NOW, NOW - 59_999), "just now");
        assert_eq!(ago_from(NOW, NOW - MINUTE), "1 min ago");
        assert_eq!(ago_from(NOW, NOW - 3 * HOUR), "3 h ago");
        assert_eq!(ago_from(NOW, NOW - DAY), "yesterday");
        assert_eq!(ago_from(NOW, NOW - 30 * DAY), "30 days ago");
    }

    #[test]
    fn what_is_old_has_a_date() {
        assert_eq!(ago_from(NOW, 0), "1970-01-01");
        assert_eq!(ago_from(NOW, NOW - 40 * DAY), "2026-10-09");
    }

    #[test]
    fn another_clock_may_be_ahead() {
        assert_eq!(ago_from(NOW, NOW + 30_000), "just now");
        assert_eq!(ago_from(NOW, NOW + DAY), "2026-11-19 11:06 UTC");
    }

    #[test]
    fn a_time_beyond_all_calendars_is_a_number() {
        assert_eq!(moment(u64::MAX), format!("{} ms", u64::MAX));
        assert_eq!(ago_from(NOW, u64::MAX), format!("{} ms", u64::MAX));
    }
}
