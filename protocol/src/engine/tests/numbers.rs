//! T9: items and operations of a member, well signed, with any number in them.
//!
//! Leaves to others: numbers that do not fit their field, and those of all other formats (the corpora suite).
//! Always true: whatever is accepted changes nothing of what was there, and its order.

use super::{
    bans::{bob, garden, operation},
    story::{draft, post},
    world::World,
};
use crate::{
    authority::Operation,
    engine::{CheckedCarry, CheckedGossip, Command, Effect, Event, Input, Keep, Verdict},
    id::{CommunityId, ItemId},
    item::{Header, SignedItem},
    ledger::Ledger as _,
    link::Carry,
    time::Millis,
};

/// 0, 1, the ends of numbers of 8, 16, 31, 32, 53, 63 and 64 bits, and what comes next.
const NUMBERS: [u64; 17] = [
    0,
    1,
    0xff,
    0x100,
    0xffff,
    0x1_0000,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64 - 1,
    u32::MAX as u64,
    1 << 32,
    (1 << 53) - 1,
    1 << 53,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// A number in a header, where it fits.
type InHeader = (&'static str, fn(&mut Header, u64) -> Option<()>);
type InOperation = (&'static str, fn(&mut Operation, u64) -> Option<()>);

const HEADER: [InHeader; 5] = [
    ("seq", |header, number| put(&mut header.seq, u32::try_from(number).ok())),
    ("ts", |header, number| put(&mut header.ts, Some(Millis(number)))),
    ("kind", |header, number| put(&mut header.kind.0, u8::try_from(number).ok())),
    ("reach", |header, number| put(&mut header.reach, u8::try_from(number).ok())),
    ("body_len", |header, number| put(&mut header.body_len, u32::try_from(number).ok())),
];

const OPERATION: [InOperation; 2] = [
    ("lamport", |operation, number| put(&mut operation.lamport, u32::try_from(number).ok())),
    ("ts", |operation, number| put(&mut operation.ts, Some(Millis(number)))),
];

/// Puts a number where it is to stand, if it fits.
fn put<T>(place: &mut T, number: Option<T>) -> Option<()> {
    *place = number?;
    Some(())
}

/// The items of the garden in the order in which alice's set has them.
fn order(world: &World, garden: CommunityId) -> Vec<ItemId> {
    let memory = world.node("alice").memory;
    let header = |id: &ItemId| memory.item(*id).unwrap().unwrap().trusted().unwrap().header;
    let mut items: Vec<ItemId> = memory.readable(garden).into_iter().collect();
    items.sort_by_key(|id| (header(id).ts, *id));
    items
}

/// What became of gossip: a verdict, and by which name where it was refused.
fn judged(effects: &[Effect]) -> (Verdict, Option<&'static str>) {
    let verdict = effects.iter().find_map(|effect| match effect {
        Effect::Judge { verdict, .. } => Some(*verdict),
        _ => None,
    });
    let name = effects.iter().find_map(|effect| match effect {
        Effect::Tell(Event::Refused(name) | Event::Struck(name)) => Some(*name),
        _ => None,
    });
    (verdict.expect("all gossip is judged"), name)
}

/// What came of all numbers in all fields.
#[derive(Debug, Default)]
struct Tally {
    tried: usize,
    unsound: usize,
    refused: usize,
    parked: usize,
    kept: usize,
}

impl Tally {
    fn count(&mut self, about: &str, effects: &[Effect]) {
        match judged(effects) {
            (Verdict::Accept, _) => self.kept += 1,
            (Verdict::Reject | Verdict::Ignore, Some(_)) => self.refused += 1,
            // Of a time to come, or for parents that are not here.
            (Verdict::Ignore, None) => self.parked += 1,
            (Verdict::Reject, None) => panic!("{about}: refused without a name"),
        }
    }
}

#[test]
fn whatever_number_a_member_signs_is_refused_by_name_or_changes_no_order() {
    let (mut world, garden) = garden();
    for n in 0..5 {
        post(&mut world, "alice", garden, &format!("text {n}"), &[], 0);
    }
    let before = order(&world, garden);
    let mut tally = Tally::default();
    for (field, change) in HEADER {
        for number in NUMBERS {
            let about = format!("header, {field} {number}");
            let Some(carry) = carry(&world, garden, |header| change(header, number)) else { continue };
            tally.tried += 1;
            let Some(carry) = carry else {
                // By name: so says the type.
                tally.unsound += 1;
                continue;
            };
            let id = carry.id();
            let gossip = Ok((garden, CheckedGossip::Carry(carry)));
            let effects = world.decide("alice", Input::Gossip { peer: bob(), token: 1, gossip });
            tally.count(&about, &effects);
            // Nothing but the item itself is kept, and nothing is hidden for it.
            for effect in &effects {
                match effect {
                    Effect::Keep(Keep::Item { item, .. }) => assert_eq!(item.id, id, "{about}"),
                    Effect::Keep(other) => panic!("{about}: {other:?}"),
                    _ => {}
                }
            }
        }
    }
    for (field, change) in OPERATION {
        for number in NUMBERS {
            let mut fits = true;
            let operation = operation(&world, garden, |operation| fits = change(operation, number).is_some());
            if !fits {
                continue;
            }
            tally.tried += 1;
            let gossip = Ok((garden, CheckedGossip::Operation(operation)));
            let effects = world.decide("alice", Input::Gossip { peer: bob(), token: 1, gossip });
            tally.count(&format!("operation, {field} {number}"), &effects);
        }
    }
    eprintln!("T9: signed {tally:?}");
    assert!(tally.tried >= 70 && tally.unsound >= 10 && tally.parked >= 10 && tally.kept >= 10, "{tally:?}");
    assert!(tally.refused > 0, "{tally:?}");
    // The engine goes on, however long it waits, and all is in the order in which it was.
    for span in [1, 30_000, 1 << 40] {
        world.leap(span);
        world.decide("alice", Input::Woken);
    }
    assert_eq!(order(&world, garden), before);
    let written = Command::Write { communities: vec![garden], draft: draft("after", &[], 0) };
    let effects = world.decide("alice", Input::Command(7, written));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Keep(Keep::Item { .. }))), "{effects:?}");
}

/// What bob wrote, signed again with something changed: outer none where the number does not fit, inner none where
/// what it makes is no item.
#[expect(clippy::option_option, reason = "two ways of not being there, told apart by the one caller")]
fn carry(
    world: &World,
    garden: CommunityId,
    change: impl FnOnce(&mut Header) -> Option<()>,
) -> Option<Option<Box<CheckedCarry>>> {
    let memory = world.node("bob").memory;
    let item = |id| memory.item(id).unwrap().unwrap().check().unwrap();
    let mut all = memory.readable(garden).into_iter().map(item);
    let item = all.find(|item| item.header.author == world.person("bob")).unwrap();
    let body = memory.body(&item).unwrap();
    let mut header = item.header;
    // Another one than that which is here.
    header.reach = 1;
    change(&mut header)?;
    let sealed = SignedItem::seal(&header, &world.device("bob")).ok();
    Some(sealed.and_then(|signed| CheckedCarry::check(Carry::plain(signed, body)).ok()).map(Box::new))
}
