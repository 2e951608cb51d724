//! Who comes later, or was away, sees what those see who were there: one case at a time.
//!
//! Each was a fault of the engine that the random tests found, and is the smallest that shows it.

use hearth_protocol::{
    authority::{Body as Act, Role},
    bytes::List,
    engine::{Answer, Command, CommandRefusal, Event, ROUND_MS},
    id::{CommunityId, EnvelopeId, ItemId},
    item::{Body, Draft},
    link::{Direction, KindSet, LinkTerms, Outcome, Owner, Refused, RelayRefusal},
    testing::Simulator,
    text::Text,
    time::DAY_MS,
};

use crate::{
    acts::{QUIET_MS, bring_in, found, garden_of, post, role, write},
    seeds::{play, simulator},
};

fn remove(simulator: &mut Simulator, who: &str, community: CommunityId, whom: &str) {
    let (person, reason) = (simulator.person(whom), Text::default());
    let rule = Command::Rule { community, person, role: Role::None, reason };
    simulator.command(who, rule).expect("the founder may");
}

fn retract(simulator: &mut Simulator, who: &str, community: CommunityId, target: ItemId) -> ItemId {
    let mut tombstone = Draft::new(Body::Tombstone);
    tombstone.target = Some(target);
    write(simulator, who, community, tombstone).expect("authors may")
}

/// How many rounds it takes until one node shows what another does; none: it stays without.
fn rounds_until_same(simulator: &mut Simulator, at: &str, as_at: &str, community: CommunityId) -> Option<u32> {
    let same =
        |simulator: &Simulator| simulator.memory(at).readable(community) == simulator.memory(as_at).readable(community);
    (0..60).find(|_| {
        simulator.run_for(ROUND_MS);
        same(simulator)
    })
}

#[test]
fn who_comes_after_a_removal_reads_what_was_left_of_the_removed_one() {
    // alice ── dave, then alice ── carol
    play("after a removal", 3, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "carol", "dave"]);
        let garden = garden_of(&mut simulator, &["alice", "dave"]);
        for n in 0..20 {
            post(&mut simulator, "dave", garden, &format!("text {n}")).expect("dave is a member");
        }
        simulator.run_until_quiet(QUIET_MS);
        remove(&mut simulator, "alice", garden, "dave");
        bring_in(&mut simulator, "alice", garden, "carol");
        let rounds = rounds_until_same(&mut simulator, "carol", "alice", garden);
        assert!(rounds.is_some_and(|rounds| rounds <= 1), "{rounds:?}");
    });
}

#[test]
fn who_comes_after_a_removal_is_not_held_up_by_a_last_item_that_retracts_another() {
    // alice ── dave, then alice ── carol
    play("after a removal and a retraction", 3, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "carol", "dave"]);
        let garden = garden_of(&mut simulator, &["alice", "dave"]);
        let text = post(&mut simulator, "dave", garden, "rash").expect("dave is a member");
        retract(&mut simulator, "dave", garden, text);
        simulator.run_until_quiet(QUIET_MS);
        remove(&mut simulator, "alice", garden, "dave");
        bring_in(&mut simulator, "alice", garden, "carol");
        let rounds = rounds_until_same(&mut simulator, "carol", "alice", garden);
        assert!(rounds.is_some(), "never");
    });
}

#[test]
fn what_somebody_wrote_after_their_removal_unaware_of_it_is_shown_nowhere() {
    // alice ══ bob ── dave; ══ is cut while alice removes dave
    play("written unaware", 3, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob", "dave"]);
        let garden = garden_of(&mut simulator, &["alice", "bob", "dave"]);
        simulator.cut_apart(&["alice"], &["bob", "dave"]);
        remove(&mut simulator, "alice", garden, "dave");
        let text = post(&mut simulator, "dave", garden, "unaware").expect("dave does not know");
        simulator.run_until_quiet(QUIET_MS);
        assert!(simulator.memory("bob").readable(garden).contains(&text));
        simulator.heal();
        simulator.run_until_quiet(QUIET_MS);
        assert_eq!(role(&simulator, "bob", garden, "dave"), Role::None);
        assert!(!simulator.memory("alice").readable(garden).contains(&text));
        assert!(!simulator.memory("bob").readable(garden).contains(&text), "T4: it is outside the cut");
    });
}

#[test]
fn who_passes_on_what_a_ruling_elsewhere_forbids_is_not_blamed() {
    // alice ── bob ── dave: bob hears dave before he hears of the removal
    play("blame", 20, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob", "dave"]);
        let garden = garden_of(&mut simulator, &["alice", "bob", "dave"]);
        simulator.cut("alice", "dave");
        simulator.run_for(1_000);
        simulator.set_latency("alice", "bob", 1_000..=2_000);
        remove(&mut simulator, "alice", garden, "dave");
        for n in 0..5 {
            post(&mut simulator, "dave", garden, &format!("unaware {n}")).expect("dave does not know");
        }
        simulator.run_until_quiet(QUIET_MS);
        assert_eq!(simulator.gossip().rejected, 0, "everybody is honest");
    });
}

#[test]
fn who_leaves_while_apart_has_left_for_everybody_once_the_network_is_whole() {
    // alice ── bob ══ dave
    play("left apart", 3, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob", "dave"]);
        let garden = garden_of(&mut simulator, &["alice", "bob", "dave"]);
        simulator.cut_apart(&["dave"], &["alice", "bob"]);
        simulator.command("dave", Command::Leave(garden)).expect("anybody may");
        simulator.run_for(ROUND_MS);
        simulator.heal();
        simulator.run_until_quiet(QUIET_MS);
        for name in ["alice", "bob"] {
            assert_eq!(role(&simulator, name, garden, "dave"), Role::None, "as {name} sees it");
        }
    });
}

struct Border {
    garden: CommunityId,
    library: CommunityId,
    into: hearth_protocol::id::OpId,
}

/// alice's garden and dave's library, and ferry who may carry everything from the one into the other.
fn border(simulator: &mut Simulator) -> Border {
    let (garden, library) = (found(simulator, "alice", "garden"), found(simulator, "dave", "library"));
    bring_in(simulator, "alice", garden, "ferry");
    bring_in(simulator, "dave", library, "ferry");
    let terms = |other, direction| LinkTerms {
        direction,
        other,
        brokers: List::new(vec![simulator.person("ferry")]).expect("one of eight"),
        kinds: KindSet::ALL,
        tags: List::none(),
        max_hops: 1,
        per_day: 100,
        replies_only: false,
        not_after: simulator.now().after(90 * DAY_MS),
    };
    let out = terms(library, Direction::Out { min_author_role: Role::Member });
    let into = terms(garden, Direction::In { quarantine: false });
    simulator.command("alice", Command::Link(garden, out)).expect("the founder may");
    let Ok(Answer::Link(into)) = simulator.command("dave", Command::Link(library, into)) else { panic!("no link") };
    simulator.run_until_quiet(QUIET_MS);
    Border { garden, library, into }
}

fn relay(simulator: &mut Simulator, item: ItemId, to: CommunityId) -> EnvelopeId {
    match try_relay(simulator, item, to) {
        Ok(Answer::Relayed(id, Outcome::Shown)) => id,
        other => panic!("{other:?}"),
    }
}

fn try_relay(simulator: &mut Simulator, item: ItemId, to: CommunityId) -> Result<Answer, CommandRefusal> {
    let note = Text::written("matters there").expect("it is short");
    simulator.command("ferry", Command::Relay { item, to, note, summary: None, tags: Vec::new() })
}

fn find(simulator: &mut Simulator, garden: CommunityId, text: &str) -> ItemId {
    let draft = crate::acts::draft(text).reaching(Some(1)).expect("one border");
    let item = write(simulator, "alice", garden, draft).expect("alice is the founder");
    simulator.run_for(5_000);
    item
}

#[test]
fn case_11_5_what_a_removed_broker_carries_on_is_shown_until_the_other_side_cuts_it_and_hidden_then() {
    // alice ══ ferry ── carol ══ dave; ══ is cut while alice removes ferry, and tells dave in person: nothing carries a
    // ruling across a border yet
    play("case 11.5", 2, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "carol", "dave", "ferry"]);
        let Border { garden, library, .. } = border(&mut simulator);
        bring_in(&mut simulator, "dave", library, "carol");
        let finds: Vec<ItemId> = (0..45).map(|n| find(&mut simulator, garden, &format!("find {n}"))).collect();
        let (before, after) = finds.split_at(40);
        let kept: Vec<EnvelopeId> = before.iter().map(|item| relay(&mut simulator, *item, library)).collect();
        simulator.run_until_quiet(QUIET_MS);
        simulator.cut_apart(&["carol", "ferry"], &["alice", "dave"]);
        remove(&mut simulator, "alice", garden, "ferry");
        // On old dates.
        simulator.set_clock("ferry", -300_000);
        let late: Vec<EnvelopeId> = after.iter().map(|item| relay(&mut simulator, *item, library)).collect();
        simulator.run_until_quiet(QUIET_MS);
        let shown = simulator.memory("carol").readable(library);
        assert!(finds.iter().all(|item| shown.contains(item)), "nothing in the library said no");

        remove(&mut simulator, "dave", library, "ferry");
        let log = &simulator.engine("dave").communities()[&library].log;
        let cuts = log.operations().filter_map(|place| match &place.operation.body {
            Act::Rule(rule) => rule.links.first().map(|cut| (cut.2, cut.3)),
            _ => None,
        });
        assert_eq!(cuts.collect::<Vec<_>>(), [(39, kept[39])]);
        simulator.heal();
        simulator.run_until_quiet(QUIET_MS);
        for name in ["carol", "dave"] {
            let shown = simulator.memory(name).readable(library);
            assert!(before.iter().all(|item| shown.contains(item)), "{name}: they left the garden lawfully");
            assert!(!after.iter().any(|item| shown.contains(item)), "R7 at {name}");
            let held = |id: &EnvelopeId| {
                let outcome = simulator.memory(name).outcome(*id);
                outcome.is_none_or(|outcome| outcome == Outcome::Held(RelayRefusal::AfterCut))
            };
            assert!(late.iter().all(held), "{name}");
        }
    });
}

#[test]
fn a_broker_who_knows_that_they_were_removed_where_an_item_comes_from_carries_nothing_more() {
    // alice ── ferry ── dave
    play("a broker who knows", 2, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "dave", "ferry"]);
        let Border { garden, library, .. } = border(&mut simulator);
        let item = find(&mut simulator, garden, "a find");
        remove(&mut simulator, "alice", garden, "ferry");
        simulator.run_until_quiet(QUIET_MS);
        let refused = try_relay(&mut simulator, item, library);
        let why = Refused { why: RelayRefusal::AfterCut, owner: Owner::Leaving };
        assert_eq!(refused, Err(CommandRefusal::Relay(why)));
    });
}

#[test]
fn who_comes_after_a_link_ended_reads_what_had_come_over_it() {
    // alice ── ferry ── dave, then dave ── carol
    play("after a link", 3, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "carol", "dave", "ferry"]);
        let Border { garden, library, into } = border(&mut simulator);
        for n in 0..6 {
            let item = find(&mut simulator, garden, &format!("find {n}"));
            relay(&mut simulator, item, library);
        }
        simulator.run_until_quiet(QUIET_MS);
        simulator.command("dave", Command::EndLink { community: library, link: into }).expect("it is dave's own");
        bring_in(&mut simulator, "dave", library, "carol");
        let rounds = rounds_until_same(&mut simulator, "carol", "dave", library);
        assert!(rounds.is_some(), "never");
    });
}

#[test]
fn whether_a_retraction_or_what_it_retracts_comes_first_makes_no_difference_beyond_a_border() {
    // alice ── ferry ── dave, who is in the garden too
    play("retracted beyond", 3, |seed| {
        let mut outcomes = Vec::new();
        for retracted_first in [false, true] {
            let mut simulator = simulator(seed).with(&["alice", "dave", "ferry"]);
            let Border { garden, library, .. } = border(&mut simulator);
            bring_in(&mut simulator, "alice", garden, "dave");
            let item = find(&mut simulator, garden, "a find");
            let (early, late) = if retracted_first { ("ferry", "alice") } else { ("alice", "ferry") };
            simulator.cut("dave", early);
            relay(&mut simulator, item, library);
            simulator.cut("alice", "ferry");
            retract(&mut simulator, "alice", garden, item);
            simulator.run_for(2 * ROUND_MS);
            simulator.heal();
            simulator.cut("dave", late);
            simulator.run_until_quiet(QUIET_MS);
            assert!(simulator.events("dave").contains(&Event::Item(library, item)));
            outcomes.push(simulator.memory("dave").readable(library).contains(&item));
        }
        assert_eq!(outcomes[0], outcomes[1], "P30");
    });
}
