//! That the simulated network does what it says.

use super::*;
use crate::{
    authority::Role,
    bytes::Bytes,
    encoding::V1,
    engine::{Answer, ROUND_MS},
    id::CommunityId,
    invite::InviteKey,
    item::{Body, Draft, Post},
    time::DAY_MS,
    wire::{Request, Response},
};

/// A garden of alice, into which the others have come.
fn garden(simulator: &mut Simulator, others: &[&str]) -> CommunityId {
    let name = Text::line("garden").unwrap();
    let created = simulator.command("alice", Command::CreateCommunity { name, domain: Text::default(), parent: None });
    let Ok(Answer::Community(garden)) = created else { panic!("{created:?}") };
    for name in others {
        let terms = Command::Invite { community: garden, role: Role::Member, uses: 1, life_ms: DAY_MS, only: None };
        let Ok(Answer::Invite(_, key)) = simulator.command("alice", terms) else { panic!("no invite") };
        let join = Command::Join(Box::new(InviteKey::from_text(&key).unwrap()), key);
        simulator.command(name, join).unwrap();
        simulator.run_for(5_000);
        assert!(simulator.events(name).contains(&Event::Joined(garden)), "{name}");
    }
    simulator.run_until_quiet(10 * ROUND_MS);
    garden
}

fn writing(community: CommunityId, text: &str) -> Command {
    let attachments = crate::bytes::List::none();
    let post = Post { version: V1, title: None, text: Text::written(text).unwrap(), attachments };
    Command::Write { communities: vec![community], draft: Draft::new(Body::Post(post)) }
}

fn post(simulator: &mut Simulator, name: &str, community: CommunityId, text: &str) {
    simulator.command(name, writing(community, text)).unwrap();
}

fn readable(simulator: &Simulator, name: &str, community: CommunityId) -> usize {
    simulator.memory(name).readable(community).len()
}

#[test]
fn a_cut_is_learned_of_at_both_ends_and_a_round_after_it_heals_all_talk_again() {
    // alice ── bob
    let mut simulator = Simulator::new(1).with(&["alice", "bob"]);
    let garden = garden(&mut simulator, &["bob"]);
    assert!(simulator.are_connected("alice", "bob"));
    simulator.cut("alice", "bob");
    simulator.run_for(1_000);
    assert!(simulator.engine("alice").connected_peers().is_empty());
    assert!(simulator.engine("bob").connected_peers().is_empty());
    post(&mut simulator, "alice", garden, "apart");
    simulator.run_for(3 * ROUND_MS);
    assert_eq!(readable(&simulator, "bob", garden), 1, "only the charter");
    assert!(simulator.events("bob").contains(&Event::Unreachable(b"alice".to_vec())));
    simulator.heal();
    simulator.run_until_quiet(10 * ROUND_MS);
    assert_eq!(readable(&simulator, "bob", garden), 2);
}

#[test]
fn gossip_goes_from_neighbour_to_neighbour_and_is_counted() {
    // alice ── bob ── carol
    let mut simulator = Simulator::new(2).with(&["alice", "bob", "carol"]);
    let garden = garden(&mut simulator, &["bob", "carol"]);
    simulator.run_until_quiet(10 * ROUND_MS);
    simulator.cut("alice", "carol");
    simulator.run_for(1_000);
    let before = (simulator.gossip(), simulator.gossiped("bob", "carol"));
    post(&mut simulator, "alice", garden, "passed on");
    simulator.run_for(1_000);
    assert_eq!(readable(&simulator, "carol", garden), 2);
    let after = (simulator.gossip(), simulator.gossiped("bob", "carol"));
    assert_eq!((after.0.published - before.0.published, after.0.first - before.0.first), (1, 2));
    assert_eq!(after.1.frames - before.1.frames, 1);
    assert!(after.1.bytes - before.1.bytes > 200);
}

#[test]
fn what_gossip_loses_comparison_brings_and_what_comes_twice_is_judged_once() {
    let mut simulator = Simulator::new(3).with(&["alice", "bob", "carol"]);
    simulator.conditions.gossip_lost = 500;
    simulator.conditions.gossip_doubled = 500;
    let garden = garden(&mut simulator, &["bob", "carol"]);
    for n in 0..20 {
        post(&mut simulator, "alice", garden, &format!("text {n}"));
    }
    simulator.run_until_quiet(10 * ROUND_MS);
    for name in ["alice", "bob", "carol"] {
        assert_eq!(readable(&simulator, name, garden), 21, "{name}");
    }
    let gossip = simulator.gossip();
    assert!(gossip.lost > 5 && gossip.again > 5 && gossip.redundancy_permille() > 0, "{gossip:?}");
}

#[test]
fn a_stopped_node_hears_nothing_and_goes_on_from_what_it_kept() {
    let mut simulator = Simulator::new(4).with(&["alice", "bob"]);
    let garden = garden(&mut simulator, &["bob"]);
    simulator.stop("bob");
    post(&mut simulator, "alice", garden, "while bob is away");
    simulator.run_for(2 * ROUND_MS);
    assert_eq!(readable(&simulator, "bob", garden), 1);
    assert!(!simulator.is_online("bob"));
    simulator.start("bob");
    simulator.run_until_quiet(10 * ROUND_MS);
    assert_eq!(readable(&simulator, "bob", garden), 2);
}

#[test]
fn questions_over_a_connection_overtake_one_another_and_none_is_lost() {
    // eve ── dave, both without engines
    let mut simulator = Simulator::new(5);
    for name in ["eve", "dave"] {
        simulator.hostile(name);
    }
    simulator.conditions.latency_ms = 0..=2_000;
    simulator.dial("eve", "dave");
    simulator.run_for(10_000);
    assert!(simulator.are_connected("eve", "dave"));
    simulator.received("dave");
    for n in 0..50 {
        simulator.send_request("eve", "dave", &Request::Hello(Bytes([n; 32])));
    }
    simulator.run_for(5_000);
    let mut nonces: Vec<u8> = simulator
        .received("dave")
        .into_iter()
        .map(|received| match received {
            Received::Request { request: Ok(Request::Hello(nonce)), .. } => nonce.0[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(!nonces.is_sorted());
    nonces.sort_unstable();
    assert_eq!(nonces, (0..50).collect::<Vec<u8>>());
    simulator.disconnect("eve", "dave");
    simulator.run_for(5_000);
    let left = simulator.received("eve");
    let unanswered = left.iter().filter(|received| matches!(received, Received::Unanswered { .. })).count();
    assert_eq!(unanswered, 50, "{left:?}");
    assert!(left.iter().any(|received| matches!(received, Received::Disconnected(peer) if peer == "dave")));
}

#[test]
fn a_hostile_node_asks_like_any_other_and_may_stay_silent() {
    // eve (without an engine) ── alice
    let mut simulator = Simulator::new(6).with(&["alice"]);
    simulator.hostile("eve");
    let answer = simulator.ask("eve", "alice", &Request::Hello(Bytes([1; 32])));
    assert!(matches!(answer, Some(Response::Hello(_))), "{answer:?}");
    // alice has said hello too, and waits.
    let silent = simulator.received("eve");
    let asks = |received: &&Received| matches!(received, Received::Request { request: Ok(Request::Hello(_)), .. });
    assert!(silent.iter().any(|received| asks(&received)), "{silent:?}");
    assert!(!simulator.questions.is_empty());
    // She says it once more, and then no more before the next round.
    simulator.run_for(21_000);
    assert!(simulator.questions.is_empty(), "nobody waits longer than ten seconds");
    assert_eq!(simulator.ask("eve", "nobody", &Request::Hello(Bytes([1; 32]))), None);
}

#[test]
fn a_node_that_turns_hostile_keeps_its_keys_and_hears_nothing_before_it_proves_itself() {
    let mut simulator = Simulator::new(7).with(&["alice", "bob"]);
    let garden = garden(&mut simulator, &["bob"]);
    let key = simulator.engine("bob").communities()[&garden].listening_keys()[0].clone();
    simulator.hostile("bob");
    assert_eq!(crate::ledger::Ledger::epoch_keys(simulator.memory("bob"), garden).unwrap()[0].1, *key.as_bytes());
    let topic = key.topic();
    simulator.listen_on("bob", &topic);
    simulator.dial("bob", "alice");
    simulator.run_for(1_000);
    post(&mut simulator, "alice", garden, "for members");
    simulator.run_for(1_000);
    let heard = simulator.received("bob");
    assert!(!heard.iter().any(|r| matches!(r, Received::Gossip { .. })), "{heard:?}");
}

#[test]
fn time_leaps_and_clocks_differ_where_a_test_says_so() {
    let mut simulator = Simulator::new(8).with(&["alice", "bob"]);
    let garden = garden(&mut simulator, &["bob"]);
    simulator.leap(DAY_MS);
    assert!(simulator.now() >= START.after(DAY_MS));
    simulator.set_clock("bob", -60_000);
    post(&mut simulator, "bob", garden, "a minute ago");
    simulator.run_until_quiet(10 * ROUND_MS);
    assert_eq!(readable(&simulator, "alice", garden), 2);
}

#[test]
fn a_node_may_crash_at_any_place_of_a_batch_and_keeps_all_of_it_or_nothing() {
    let (mut answered, mut kept, mut lost) = (0, 0, 0);
    for seed in 0..60 {
        let mut simulator = Simulator::new(seed).with(&["alice"]);
        let garden = garden(&mut simulator, &[]);
        simulator.conditions.faults.crashes = 10_000;
        let answer = simulator.try_command("alice", writing(garden, "text"));
        simulator.conditions.faults = Faults::default();
        assert!(!simulator.is_online("alice"), "it has crashed");
        let shown = readable(&simulator, "alice", garden) == 2;
        assert!(shown || answer.is_none(), "what was acknowledged is kept");
        simulator.run_for(60_000);
        assert!(simulator.is_online("alice"), "it has started again");
        let loaded = simulator.engine("alice").communities().contains_key(&garden);
        assert!(loaded && (readable(&simulator, "alice", garden) == 2) == shown);
        answered += usize::from(answer.is_some());
        kept += usize::from(shown);
        lost += usize::from(!shown);
    }
    assert!(answered > 5 && kept > answered && lost > 5, "{answered} answered, {kept} kept, {lost} not");
}

#[test]
fn a_disk_that_refuses_keeps_and_tells_nothing_and_the_node_goes_on() {
    let mut simulator = Simulator::new(9).with(&["alice", "bob"]);
    let garden = garden(&mut simulator, &["bob"]);
    let (events, gossip) = (simulator.events("alice").len(), simulator.gossip().published);
    simulator.conditions.faults.refused = 10_000;
    assert_eq!(simulator.try_command("alice", writing(garden, "refused")), None);
    simulator.conditions.faults = Faults::default();
    assert_eq!((readable(&simulator, "alice", garden), simulator.faults().refused), (1, 1));
    assert!(!simulator.events("alice")[events..].iter().any(|event| matches!(event, Event::Item(..))));
    assert_eq!(simulator.gossip().published, gossip);
    post(&mut simulator, "alice", garden, "kept");
    simulator.run_until_quiet(10 * ROUND_MS);
    assert_eq!(readable(&simulator, "bob", garden), 2);
}

#[test]
fn a_late_disk_holds_back_what_follows_and_what_comes_meanwhile() {
    let mut simulator = Simulator::new(10).with(&["alice", "bob"]);
    let garden = garden(&mut simulator, &["bob"]);
    simulator.conditions.faults = Faults { late: 10_000, late_ms: 3_000..=3_000, ..Faults::default() };
    let start = simulator.now();
    post(&mut simulator, "alice", garden, "late");
    assert!(simulator.now().since(start) >= 3_000, "the answer waits for the disk");
    assert_eq!(readable(&simulator, "bob", garden), 1, "and so does gossip");
    let first = simulator.order("alice", writing(garden, "first"));
    simulator.run_for(1_000);
    let second = simulator.order("alice", writing(garden, "second, while the first is being kept"));
    simulator.run_for(4_000);
    assert!(simulator.answer("alice", first).is_some() && simulator.answer("alice", second).is_none());
    simulator.run_for(2_000);
    assert!(simulator.answer("alice", second).is_some(), "it was the next batch");
    simulator.conditions.faults = Faults::default();
    simulator.run_until_quiet(10 * ROUND_MS);
    assert_eq!(readable(&simulator, "bob", garden), 4);
    // A node that stops meanwhile has kept it or has not.
    simulator.conditions.faults = Faults { late: 10_000, late_ms: 3_000..=3_000, ..Faults::default() };
    for _ in 0..20 {
        let before = readable(&simulator, "alice", garden);
        let ticket = simulator.order("alice", writing(garden, "perhaps"));
        simulator.run_for(1_000);
        simulator.start("alice");
        assert!(simulator.answer("alice", ticket).is_none());
        assert!((before..=before + 1).contains(&readable(&simulator, "alice", garden)));
        simulator.run_for(10_000);
    }
    assert!((6..24).contains(&readable(&simulator, "alice", garden)), "some are kept and some are not");
}

#[test]
fn a_clock_may_go_at_another_pace_and_its_timers_follow_the_time_that_passes() {
    let mut simulator = Simulator::new(11).with(&["alice", "bob"]);
    let garden = garden(&mut simulator, &["bob"]);
    simulator.set_pace("bob", 2_000);
    simulator.run_for(60_000);
    let before = simulator.memory("bob").readable(garden);
    post(&mut simulator, "bob", garden, "a minute ahead");
    let after = simulator.memory("bob").readable(garden);
    let new = after.difference(&before).next().unwrap();
    let item = crate::ledger::Ledger::item(simulator.memory("bob"), *new).unwrap().unwrap().trusted().unwrap();
    let ahead = item.header.ts.since(simulator.now());
    assert!((59_000..=61_000).contains(&ahead), "{ahead}");
    simulator.set_pace("bob", 1_000);
    simulator.run_for(60_000);
    assert!(simulator.now().since(simulator.woken("bob")) <= ROUND_MS, "it is woken as before");
}
