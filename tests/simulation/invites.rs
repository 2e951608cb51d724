//! Invites that are raced for, used twice, too old or ended (T5, section 5 of the rules).

use hearth_protocol::{
    authority::Role,
    engine::{Command, Event},
    testing::{Dice, Simulator},
    time::DAY_MS,
};
use hearth_tests::shared;

use crate::{
    acts::{QUIET_MS, garden_of, invite, joining, log, refusals, role, state, uses},
    seeds::{play, simulator},
};

const MEMBERS: [&str; 3] = ["alice", "bob", "carol"];
/// Those who find bob only, and those who find carol only.
const AT_BOB: [&str; 2] = ["dave", "p7"];
const AT_CAROL: [&str; 2] = ["ferry", "p8"];

/// Who may have been apart while the newcomers came.
fn part(simulator: &mut Simulator, dice: &mut Dice) {
    simulator.cut_apart(&AT_BOB, &["alice", "carol", "ferry", "p8"]);
    simulator.cut_apart(&AT_CAROL, &["alice", "bob", "dave", "p7"]);
    match dice.below(4) {
        0 => {}
        1 => simulator.cut("bob", "carol"),
        2 => simulator.cut_apart(&["bob"], &["alice", "carol"]),
        _ => {
            simulator.stop("alice");
            if dice.chance(1, 2) {
                simulator.cut("bob", "carol");
            }
        }
    }
}

/// The newcomers come; then the network is mended, and everybody has time.
fn race(simulator: &mut Simulator, dice: &mut Dice, key: &str) {
    part(simulator, dice);
    simulator.conditions.latency_ms = 1..=[50, 500, 3_000][dice.below(3)];
    let mut newcomers = [AT_BOB, AT_CAROL].concat();
    dice.shuffle(&mut newcomers);
    for name in newcomers {
        simulator.run_for(dice.below(400) as u64);
        simulator.order(name, joining(key));
    }
    simulator.run_for(90_000);
    simulator.heal();
    if !simulator.is_online("alice") {
        simulator.start("alice");
    }
    simulator.run_until_quiet(QUIET_MS);
}

#[test]
fn an_invite_for_one_that_four_redeem_at_once_stays_within_its_bound_and_all_agree() {
    // dave, p7 ── bob ══ carol ── ferry, p8; alice, who invited, beside them. ══ may be cut.
    let (mut got_in, mut refused) = ([0; 5], 0);
    play("invites, raced for", 200, |seed| {
        let mut dice = Dice::new(seed ^ 0x1d);
        let mut simulator = simulator(seed).with(&MEMBERS).with(&AT_BOB).with(&AT_CAROL);
        let garden = garden_of(&mut simulator, &MEMBERS);
        let (cert, key) = invite(&mut simulator, "alice", garden, 1);
        race(&mut simulator, &mut dice, &key);
        let (used, admitters) = uses(&simulator, "alice", garden, cert);
        assert!(!used.is_empty() && used.len() <= admitters.len(), "{used:?} by {admitters:?}");
        for name in MEMBERS {
            assert_eq!(uses(&simulator, name, garden, cert), (used.clone(), admitters.clone()), "{name}");
            assert_eq!(state(&simulator, name, garden), state(&simulator, "alice", garden), "{name}");
        }
        for name in [AT_BOB, AT_CAROL].concat() {
            let inside = used.contains(&simulator.person(name));
            assert_eq!(role(&simulator, name, garden, name) > Role::None, inside, "{name}");
            if inside {
                assert_eq!(log(&simulator, name, garden), log(&simulator, "alice", garden), "{name}");
            } else {
                let names = refusals(&simulator, name, garden);
                assert!(names.iter().all(|name| name == "invite_used_up") && !names.is_empty(), "{names:?}");
                refused += 1;
            }
        }
        got_in[used.len()] += 1;
    });
    let [_, one, two, more @ ..] = got_in;
    shared::tell(&format!(
        "invites, raced for: one of four got in {one} times, two {two} times, more {more:?}; {refused} refused by name"
    ));
}

/// Lets somebody ask every member with a key, and says what they answer.
fn asked(simulator: &mut Simulator, name: &str, key: &str) -> Vec<String> {
    let community = hearth_protocol::invite::InviteKey::from_text(key).expect("it is a key").community;
    simulator.command(name, joining(key)).expect("their own node lets them ask");
    simulator.run_until_quiet(QUIET_MS);
    assert!(!simulator.events(name).contains(&Event::Joined(community)), "{name} is not in");
    refusals(simulator, name, community)
}

#[test]
fn an_invite_is_refused_everywhere_by_name_when_used_up_ended_or_too_old() {
    // dave, ferry, eve and p7 ── alice, bob and carol, each with each
    play("invites, worn out", 5, |seed| {
        let mut simulator = simulator(seed).with(&MEMBERS).with(&["dave", "eve", "ferry", "p7"]);
        let garden = garden_of(&mut simulator, &MEMBERS);
        let (_, used) = invite(&mut simulator, "alice", garden, 1);
        simulator.command("dave", joining(&used)).expect("dave may ask");
        simulator.run_until_quiet(QUIET_MS);
        assert_eq!(role(&simulator, "carol", garden, "dave"), Role::Member);
        let times = |name: &str, members: usize| vec![name.to_owned(); members];
        assert_eq!(asked(&mut simulator, "eve", &used), times("invite_used_up", 3));

        let (cert, ended) = invite(&mut simulator, "alice", garden, 10);
        simulator.command("alice", Command::EndInvite { community: garden, cert }).expect("it is alice's own");
        simulator.run_until_quiet(QUIET_MS);
        assert_eq!(asked(&mut simulator, "ferry", &ended), times("invite_ended", 4));

        // Whose clock is behind does not know that the key is too old; the members do.
        let (_, old) = invite(&mut simulator, "alice", garden, 10);
        simulator.leap(8 * DAY_MS);
        simulator.set_clock("p7", -8 * i64::try_from(DAY_MS).expect("a day is short"));
        assert_eq!(asked(&mut simulator, "p7", &old), times("invite_expired", 4));
        for name in MEMBERS {
            for stranger in ["eve", "ferry", "p7"] {
                assert_eq!(role(&simulator, name, garden, stranger), Role::None, "{stranger} at {name}");
            }
        }
    });
}

#[test]
fn who_was_about_to_be_let_in_when_all_members_go_at_once_asks_again_when_they_are_back() {
    // dave ══ alice, bob and carol, each with each; ══ is cut while dave asks
    play("invites, all gone", 20, |seed| {
        let mut dice = Dice::new(seed ^ 0x60);
        let mut simulator = simulator(seed).with(&MEMBERS).with(&["dave"]);
        let garden = garden_of(&mut simulator, &MEMBERS);
        let (_, key) = invite(&mut simulator, "alice", garden, 1);
        simulator.conditions.latency_ms = 50..=500;
        // Of whom nobody answers may not be asked in turn without end.
        simulator.conditions.most_steps = 100_000;
        simulator.command("dave", joining(&key)).expect("dave may ask");
        simulator.run_for(dice.below(3_000) as u64);
        simulator.cut_apart(&["dave"], &MEMBERS);
        simulator.run_for(5_000);
        simulator.heal();
        simulator.run_until_quiet(QUIET_MS);
        assert_eq!(role(&simulator, "carol", garden, "dave"), Role::Member);
        assert_eq!(log(&simulator, "dave", garden), log(&simulator, "alice", garden));
    });
}
