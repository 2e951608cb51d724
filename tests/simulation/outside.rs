//! Those who are not members, or no longer, with every key that they ever had (T1, T13).

use hearth_protocol::{
    authority::Role,
    engine::{Command, Event, ROUND_MS, check_gossip},
    epoch::EpochKey,
    id::{CommunityId, ItemId, OpId},
    item::SignedItem,
    ledger::Ledger as _,
    testing::{Dice, Received, Simulator},
    text::Text,
    wire::{Fingerprint, Request, Response, SetName},
};

use crate::{
    acts::{QUIET_MS, garden_of, post},
    client::{Talk, forge, push},
    seeds::{play, simulator},
};

const MEMBERS: [&str; 2] = ["alice", "bob"];

/// What eve takes along.
struct Kept {
    garden: CommunityId,
    key: EpochKey,
    /// The heads of the log when she was removed, and before that.
    heads: Vec<OpId>,
    written: SignedItem,
}

/// eve is a member, writes, is removed, and keeps everything.
fn removed(simulator: &mut Simulator, dice: &mut Dice) -> Kept {
    let garden = garden_of(simulator, &["alice", "bob", "eve"]);
    simulator.conditions.latency_ms = 1..=[40, 400][dice.below(2)];
    let written = post(simulator, "eve", garden, "before").expect("eve is a member");
    simulator.run_until_quiet(QUIET_MS);
    let standing = &simulator.engine("eve").communities()[&garden];
    let (key, heads) = (standing.listening_keys()[0].clone(), standing.log.heads());
    simulator.hostile("eve");
    let (person, reason) = (simulator.person("eve"), Text::default());
    let rule = Command::Rule { community: garden, person, role: Role::None, reason };
    simulator.command("alice", rule).expect("the founder may");
    simulator.run_until_quiet(QUIET_MS);
    let Ok(written) = simulator.memory("eve").item(written);
    Kept { garden, key, heads, written: written.expect("it is her own") }
}

#[test]
fn a_stranger_with_a_full_client_is_told_nothing() {
    // eve ── alice ── bob
    play("a stranger", 5, |seed| {
        let mut simulator = simulator(seed).with(&MEMBERS);
        let garden = garden_of(&mut simulator, &MEMBERS);
        let text = post(&mut simulator, "alice", garden, "for members").expect("alice is the founder");
        simulator.hostile("eve");
        let talk = Talk::begin(&mut simulator, "eve", "alice").expect("anybody is answered");
        // She knows the community's id, an item's and who its members are; what she lacks is a key.
        let key = EpochKey::new(*garden.as_bytes());
        assert!(!talk.prove(&mut simulator, garden, &key));
        assert_eq!(talk.ids(&mut simulator, &key, SetName::Items), None);
        assert_eq!(talk.fetch(&mut simulator, &key, SetName::Items, text.0), 0);
        simulator.listen_on("eve", &key.topic());
        post(&mut simulator, "alice", garden, "again").expect("alice is the founder");
        simulator.run_for(ROUND_MS);
        let heard = simulator.received("eve");
        assert!(!heard.iter().any(|received| matches!(received, Received::Gossip { .. })), "{heard:?}");
    });
}

#[test]
fn a_removed_member_is_served_nothing_and_writes_nothing_with_old_keys_or_old_dates() {
    // eve, who was a member ── alice, bob
    play("removed", 40, |seed| {
        let mut dice = Dice::new(seed ^ 0xe0e);
        let mut simulator = simulator(seed).with(&["alice", "bob", "eve"]);
        let kept = removed(&mut simulator, &mut dice);
        let text = post(&mut simulator, "alice", kept.garden, "without eve").expect("alice is the founder");
        for with in MEMBERS {
            let talk = Talk::begin(&mut simulator, "eve", with).expect("anybody is answered");
            assert!(!talk.prove(&mut simulator, kept.garden, &kept.key), "{with}");
            for set in SetName::COMPARED {
                assert_eq!(talk.ids(&mut simulator, &kept.key, set), None, "{with}");
            }
            assert_eq!(talk.fetch(&mut simulator, &kept.key, SetName::Items, text.0), 0, "{with}");
        }
        let forged = forgeries(&mut simulator, &kept, &mut dice);
        simulator.run_until_quiet(QUIET_MS);
        for name in MEMBERS {
            let refused = simulator.events(name).iter().filter(|event| matches!(event, Event::Refused(_))).count();
            assert!(refused >= forged.len(), "{name} has refused {refused} of {}", forged.len());
        }
        for name in MEMBERS {
            let readable = simulator.memory(name).readable(kept.garden);
            assert!(forged.iter().all(|id| !readable.contains(id)), "{name}");
        }
    });
}

/// Pushes what eve writes after her removal to both, on heads that she chooses, with dates that she chooses.
fn forgeries(simulator: &mut Simulator, kept: &Kept, dice: &mut Dice) -> Vec<ItemId> {
    let now_heads = simulator.engine("alice").communities()[&kept.garden].log.heads();
    let mut forged = Vec::new();
    for (number, heads) in [kept.heads.clone(), now_heads, vec![OpId::from(kept.garden)]].into_iter().enumerate() {
        for backdated in [false, true] {
            let before = kept.written.clone().check().expect("it is her own");
            let after = simulator.now();
            let seq = if dice.chance(1, 2) { 0 } else { u32::try_from(number).expect("it is small") + 1 };
            let made = forge(simulator, "eve", &kept.written, heads.clone(), |header| {
                header.ts = if backdated { header.ts.after(1) } else { after };
                header.seq = seq;
                header.prev = (seq > 0).then_some(before.id);
            });
            forged.push(made.0.id);
            for to in MEMBERS {
                push(simulator, "eve", to, &kept.key, made.clone());
            }
        }
    }
    forged
}

#[test]
fn a_removed_member_who_listens_on_reads_nothing_new() {
    // eve, who was a member ── alice, bob
    play("listening on", 20, |seed| {
        let mut dice = Dice::new(seed ^ 0xe0e);
        let mut simulator = simulator(seed).with(&["alice", "bob", "eve"]);
        let kept = removed(&mut simulator, &mut dice);
        simulator.listen_on("eve", &kept.key.topic());
        for with in MEMBERS {
            Talk::begin(&mut simulator, "eve", with).expect("anybody is answered");
        }
        post(&mut simulator, "alice", kept.garden, "without eve").expect("alice is the founder");
        simulator.run_for(ROUND_MS);
        let read = simulator.received("eve").into_iter().filter(|received| match received {
            Received::Gossip { topic, data, .. } => check_gossip(data, &kept.key, topic).is_ok(),
            _ => false,
        });
        assert_eq!(read.count(), 0);
    });
}

#[test]
fn a_tag_of_another_connection_opens_nothing() {
    // eve, who still is a member ── alice; she uses what she proved to alice at bob
    play("another's tag", 5, |seed| {
        let mut simulator = simulator(seed).with(&["alice", "bob", "eve"]);
        let garden = garden_of(&mut simulator, &["alice", "bob", "eve"]);
        let key = simulator.engine("eve").communities()[&garden].listening_keys()[0].clone();
        simulator.hostile("eve");
        let alice = Talk::begin(&mut simulator, "eve", "alice").expect("anybody is answered");
        assert!(alice.prove(&mut simulator, garden, &key), "she is a member");
        assert!(alice.ids(&mut simulator, &key, SetName::Operations).is_some());
        let bob = Talk::begin(&mut simulator, "eve", "bob").expect("anybody is answered");
        assert_eq!(bob.ids(&mut simulator, &key, SetName::Operations), None, "she has proven nothing to bob");
        let stolen = Request::Ids(alice.tag(&key), SetName::Operations, Fingerprint::default(), None);
        let refused = bob.ask(&mut simulator, &stolen);
        assert!(matches!(refused, Some(Response::Refused(_))), "{refused:?}");
    });
}
