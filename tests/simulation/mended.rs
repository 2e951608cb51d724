//! Faults that storms have found, each alone: disks that refuse, crashes between two inputs, rulings of one's own.

use hearth_protocol::{
    authority::Role,
    engine::{Command, Event, ROUND_MS},
    id::CommunityId,
    testing::{Dice, Faults, Quick, Simulator},
    text::Text,
};

use crate::{
    acts::{QUIET_MS, draft, garden_of, log, post, role},
    seeds::{is_one, play, simulator},
};

fn rule(simulator: &mut Simulator, who: &str, community: CommunityId, whom: &str, role: Role) {
    let (person, reason) = (simulator.person(whom), Text::default());
    let rule = Command::Rule { community, person, role, reason };
    simulator.command(who, rule).expect("the founder may");
}

/// Has a node's disk refuse what a post comes to.
fn refuse_one(simulator: &mut Simulator, who: &str, community: CommunityId) {
    simulator.conditions.faults.refused = 10_000;
    let write = Command::Write { communities: vec![community], draft: draft("refused") };
    assert_eq!(simulator.try_command(who, write), None, "nobody is told that it was kept");
    simulator.conditions.faults = Faults::default();
}

#[test]
fn who_has_forgotten_a_proof_after_its_disk_refused_is_shown_it_again() {
    // alice ── bob, without gossip
    play("a forgotten proof", 5, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob"]);
        let garden = garden_of(&mut simulator, &["alice", "bob"]);
        simulator.conditions.gossip_lost = 1_000;
        refuse_one(&mut simulator, "bob", garden);
        assert!(simulator.are_connected("alice", "bob"), "the connection is as it was");
        let item = post(&mut simulator, "bob", garden, "kept").expect("the disk is well again");
        simulator.run_for(3 * ROUND_MS);
        assert!(simulator.memory("alice").readable(garden).contains(&item));
    });
}

#[test]
fn an_answer_to_what_was_asked_before_the_disk_refused_is_nobodys_fault() {
    // alice, bob and carol, each with each, who ask and answer all the time
    play("an old answer", 40, |seed| {
        let _quick = Quick::begin();
        let mut dice = Dice::new(seed ^ 0x01d);
        let names = ["alice", "bob", "carol"];
        let mut simulator = simulator(seed).with(&names);
        let garden = garden_of(&mut simulator, &names);
        simulator.conditions.latency_ms = 5..=600;
        simulator.conditions.gossip_lost = 1_000;
        for n in 0..20 {
            post(&mut simulator, "alice", garden, &format!("text {n}")).expect("she founded it");
            refuse_one(&mut simulator, "bob", garden);
            simulator.run_for(dice.below(4_000) as u64);
            simulator.command("bob", Command::Sync).expect("anybody may");
            simulator.run_for(dice.below(800) as u64);
        }
        simulator.conditions.gossip_lost = 0;
        simulator.run_until_quiet(QUIET_MS);
        let struck: Vec<&Event> =
            simulator.events("bob").iter().filter(|event| matches!(event, Event::Struck(_))).collect();
        assert!(struck.is_empty(), "{struck:?}");
    });
}

#[test]
fn a_ruling_of_ones_own_is_judged_by_at_once() {
    // alice ── bob: she lacks his second item when she removes him, and so cannot know that the first is on his chain
    play("a ruling of one's own", 5, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob"]);
        let garden = garden_of(&mut simulator, &["alice", "bob"]);
        let first = post(&mut simulator, "bob", garden, "first").expect("bob is a member");
        simulator.run_for(1_000);
        simulator.conditions.gossip_lost = 1_000;
        let second = post(&mut simulator, "bob", garden, "second").expect("bob is a member");
        simulator.conditions.gossip_lost = 0;
        let third = post(&mut simulator, "bob", garden, "third").expect("bob is a member");
        simulator.run_for(200);
        let shown = simulator.memory("alice").readable(garden);
        assert!(shown.contains(&first) && !shown.contains(&second) && shown.contains(&third));
        simulator.cut("alice", "bob");
        rule(&mut simulator, "alice", garden, "bob", Role::None);
        assert!(!simulator.memory("alice").readable(garden).contains(&first), "T4: it is unproven");
        assert!(simulator.events("alice").contains(&Event::Hidden(garden, first)));
    });
}

#[test]
fn who_stops_between_hearing_of_a_ruling_and_judging_by_it_judges_when_it_starts() {
    // alice ══ bob ── dave, who writes on unaware; ══ is cut while alice makes dave a guest, and bob stops when he has
    // kept that
    let mut stopped = 0;
    play("stopped before judging", 20, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob", "dave"]);
        let garden = garden_of(&mut simulator, &["alice", "bob", "dave"]);
        simulator.cut_apart(&["alice"], &["bob", "dave"]);
        rule(&mut simulator, "alice", garden, "dave", Role::Peripheral);
        let text = post(&mut simulator, "dave", garden, "unaware").expect("dave does not know");
        simulator.run_for(5_000);
        assert!(simulator.memory("bob").readable(garden).contains(&text));
        simulator.stop("dave");
        let before = log(&simulator, "bob", garden);
        simulator.heal();
        simulator.conditions.faults = Faults { late: 10_000, late_ms: 1_000..=1_000, ..Faults::default() };
        for _ in 0..5_000 {
            simulator.run_for(20);
            if log(&simulator, "bob", garden) != before {
                break;
            }
        }
        simulator.conditions.faults = Faults::default();
        simulator.start("bob");
        stopped += usize::from(log(&simulator, "bob", garden) != before);
        simulator.run_until_quiet(QUIET_MS);
        assert_eq!(role(&simulator, "bob", garden, "dave"), Role::Peripheral);
        assert!(!simulator.memory("bob").readable(garden).contains(&text), "T4: it is outside the cut");
    });
    assert!(is_one() || stopped > 0, "in some the ruling was kept");
}
