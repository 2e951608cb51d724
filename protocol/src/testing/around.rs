//! Bounds, looked at from both sides: one below, at it, and one above.
//!
//! Leaves to others: that no bound is forgotten, which `tests/tidy` looks at; it reads the calls of these functions, so
//! that a bound stands in them by its own name.
//! Always true: whoever says that all three are the same is refused, since no bound would be seen by that.

use std::{fmt::Debug, time::Duration};

/// The type of a bound: what lies next to a value of it.
pub trait Bound: Copy + Debug {
    /// One less; a time of one millisecond less.
    #[must_use]
    fn less(self) -> Self;
    /// One more; a time of one millisecond more.
    #[must_use]
    fn more(self) -> Self;
}

macro_rules! numbers {
    ($($type:ty),+) => {$(
        impl Bound for $type {
            fn less(self) -> Self {
                self.checked_sub(1).expect("a bound is 1 at least")
            }
            fn more(self) -> Self {
                self.checked_add(1).expect("a bound is not the last number of its type")
            }
        }
    )+};
}

numbers!(u8, u32, u64, usize);

impl Bound for Duration {
    fn less(self) -> Self {
        self.checked_sub(Duration::from_millis(1)).expect("a bound is 1 ms at least")
    }
    fn more(self) -> Self {
        self.checked_add(Duration::from_millis(1)).expect("a bound is not the last of all times")
    }
}

/// Looks at what becomes of one less than `bound`, of as much, and of one more.
///
/// # Panics
/// When one of the three is not what is expected of it, or all are expected to be the same.
#[track_caller]
pub fn around<B: Bound, O: PartialEq + Debug>(bound: B, expected: [O; 3], mut look: impl FnMut(B) -> O) {
    let [below, at, above] = expected;
    assert!(below != at || at != above, "nothing would be seen of the bound {bound:?}");
    for (amount, expected) in [(bound.less(), below), (bound, at), (bound.more(), above)] {
        assert_eq!(look(amount), expected, "of {amount:?}, where the bound is {bound:?}");
    }
}

/// Looks whether one less than `bound` and as much are taken, and one more is refused for this reason.
///
/// # Panics
/// As [`around`].
#[track_caller]
pub fn up_to<B: Bound, T, E: PartialEq + Debug>(bound: B, refusal: E, mut look: impl FnMut(B) -> Result<T, E>) {
    around(bound, [None, None, Some(refusal)], |amount| look(amount).err());
}

/// Looks whether a library that keeps to `bound` for us was given it.
///
/// # Panics
/// When it has another value.
#[track_caller]
pub fn given<B: Bound + PartialEq>(bound: B, has: B) {
    assert_eq!(has, bound, "the library was given another bound");
}

/// How much longer than its bound a wait may last where other programs want the machine too.
const SLACK: Duration = Duration::from_secs(5);

/// Looks whether a wait that a clock of the machine ended was as long as its bound, and not much longer.
///
/// # Panics
/// When it was shorter, or longer by more than five seconds.
#[track_caller]
pub fn lasted(bound: Duration, took: Duration) {
    assert!(took >= bound && took.saturating_sub(bound) < SLACK, "it lasted {took:?}, where the bound is {bound:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(most: u8) -> impl Fn(u8) -> Result<(), &'static str> {
        move |amount| if amount > most { Err("too_many") } else { Ok(()) }
    }

    #[test]
    fn a_bound_that_is_kept_passes() {
        up_to(7, "too_many", at_most(7));
        around(Duration::from_millis(3), [2, 3, 4], |time| time.as_millis());
    }

    #[test]
    #[should_panic(expected = "of 8, where the bound is 7")]
    fn one_too_many_is_seen() {
        up_to(7, "too_many", at_most(8));
    }

    #[test]
    #[should_panic(expected = "of 7, where the bound is 7")]
    fn one_too_few_is_seen() {
        up_to(7, "too_many", at_most(6));
    }

    #[test]
    #[should_panic(expected = "of 8, where the bound is 7")]
    fn a_refusal_by_another_name_is_seen() {
        up_to(7, "too_long", at_most(7));
    }

    #[test]
    #[should_panic(expected = "nothing would be seen")]
    fn what_cannot_fail_is_refused() {
        around(7_u8, [(), (), ()], |_| ());
    }

    #[test]
    fn a_wait_lasts_as_long_as_its_bound() {
        let bound = Duration::from_secs(10);
        for (took, is_fine) in [(bound.less(), false), (bound, true), (bound + SLACK, false)] {
            assert_eq!(std::panic::catch_unwind(|| lasted(bound, took)).is_ok(), is_fine, "{took:?}");
        }
    }

    #[test]
    #[should_panic(expected = "was given another bound")]
    fn a_library_that_was_given_something_else_is_seen() {
        given(7_u8, 8);
    }
}
