//! Those who were connected until lately, and how soon they are found again.

use super::{story, world::World};
use crate::engine::{Effect, Input, ROUND_MS};

fn is_connected(world: &World, a: &str, b: &str) -> bool {
    let peer = &world.identity(b).peer;
    world.node(a).engine.connected_peers().iter().any(|(connected, _)| connected == peer)
}

/// Alice, bob and carol in one community, all connected; then alice is cut off from both.
fn cut_off() -> World {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let _ = story::garden(&mut world, &["bob", "carol"]);
    world.round();
    assert!(is_connected(&world, "alice", "bob") && is_connected(&world, "alice", "carol"));
    world.cut("alice", "bob");
    world.cut("alice", "carol");
    world
}

#[test]
fn who_was_lost_lately_is_found_within_seconds_and_not_only_in_the_next_round() {
    let mut world = cut_off();
    // Just after a round, so that the next one is far.
    world.pass(2 * ROUND_MS);
    assert!(!is_connected(&world, "alice", "bob"));
    world.heal();
    world.pass(2_500);
    assert!(is_connected(&world, "alice", "bob") && is_connected(&world, "alice", "carol"));
}

#[test]
fn of_the_lost_one_is_dialled_every_two_seconds_and_none_after_ten_minutes() {
    let mut world = cut_off();
    let dials = |world: &mut World| {
        let effects = world.decide("alice", Input::Woken);
        effects.iter().filter(|effect| matches!(effect, Effect::Dial { .. })).count()
    };
    // A round, which dials both.
    world.leap(ROUND_MS);
    let _ = dials(&mut world);
    for _ in 0..10 {
        world.leap(2_000);
        assert_eq!(dials(&mut world), 1);
    }
    world.leap(10 * 60 * 1000);
    let _ = dials(&mut world);
    world.leap(3_000);
    assert_eq!(dials(&mut world), 0, "they are left to the rounds");
}
