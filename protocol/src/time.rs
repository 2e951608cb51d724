//! Points and spans of time, as values. Nothing in this crate reads a clock: `now` is an argument.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The last millisecond of the year 9999; no later time is accepted, so that every time can be
/// shown as a date and survives JSON's 2^53.
pub const LAST: Millis = Millis(253_402_300_799_999);

/// One day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// This time, later by `span_ms`; never past [`LAST`].
    #[must_use]
    pub fn after(self, span_ms: u64) -> Millis {
        Millis(self.0.saturating_add(span_ms)).min(LAST)
    }

    /// Milliseconds from `earlier` to this time; 0 when `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The day that this time lies in, counted from 1970.
    #[must_use]
    pub fn day(self) -> u64 {
        self.0 / DAY_MS
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = Millis(u64::deserialize(deserializer)?);
        if time > LAST {
            return Err(D::Error::custom("time after the year 9999"));
        }
        Ok(time)
    }
}
