//! Everything at once, two thousand times (F16).

use hearth_protocol::testing::Quick;
use hearth_tests::shared;

use crate::{
    seeds::{is_long, play},
    storm::{Report, Storm},
};

/// Storms of one run; with `HEARTH_LONG` a hundred thousand.
const STORMS: u64 = 2_000;
const LONG_STORMS: u64 = 100_000;

#[test]
fn whatever_happens_at_once_nothing_acknowledged_is_lost_and_in_peace_all_members_agree() {
    // three to twelve nodes, each with each, and everything that may go wrong
    let mut sum = Report::default();
    play("everything at once", if is_long() { LONG_STORMS } else { STORMS }, |seed| {
        let _quick = Quick::begin();
        let mut storm = Storm::new(seed, None);
        storm.play();
        sum.add(&storm.report);
    });
    shared::tell(&format!("everything at once: {}", sum.line()));
    // Of few storms the mean says nothing.
    if sum.seeds >= STORMS {
        assert!(sum.copies_permille() <= 4_000, "{sum:?}");
        assert!(sum.hops_permille() <= 2_000 && sum.gossip.most_hops <= 11, "{sum:?}");
        assert!(sum.bytes_each() <= 20_000, "{sum:?}");
    }
}
