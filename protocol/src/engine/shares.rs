//! How much of one author a node takes in a day: items of one claimed day (T6), and bytes that come in one day.
//!
//! Leaves to others: whether the author may write at all (`receive`). Always true: what is beyond a share is kept by
//! nobody here, passed on to nobody and no reason for blame; it is not fetched again before the next day, or before the
//! log changes; nothing of this holds in the own space, nor the bytes for what this node's person has written.

use std::collections::{BTreeMap, BTreeSet};

use super::{CommandRefusal, Engine, receive::Judged};
use crate::{
    authority::{Role, policy},
    id::{CommunityId, ItemId, PersonId},
    item::{Header, Item},
    ledger::Ledger,
    limits,
    reconcile::{ShortId, short},
    time::Millis,
};

/// What was taken of authors.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// Items of an author that claim a day. Counted when that is first asked, and kept up to date from then on.
    items: BTreeMap<(CommunityId, PersonId, u64), usize>,
    /// Bytes of an author that have come since the day began.
    bytes: BTreeMap<(CommunityId, PersonId), u64>,
    /// What was deferred since then.
    deferred: BTreeSet<(CommunityId, ShortId)>,
    /// That day.
    today: u64,
    /// Whether this node's own person writes on beyond their share.
    #[cfg(any(test, feature = "testing"))]
    boundless: bool,
}

impl Shares {
    /// Another input begins: what the ones before it have kept can be counted.
    pub(super) fn begin(&mut self, now: Millis) {
        if self.items.len() > limits::AUTHOR_DAYS {
            self.items.clear();
        }
        if self.today != now.day() {
            self.today = now.day();
            self.bytes.clear();
            self.deferred.clear();
        }
    }

    /// What was deferred may be taken now.
    pub(super) fn ask_again(&mut self) {
        self.deferred.clear();
    }

    /// An item is kept.
    pub(super) fn kept(&mut self, community: CommunityId, header: &Header) {
        // What was never asked for is counted with all else when it is.
        if let Some(count) = self.items.get_mut(&(community, header.author, header.ts.day())) {
            *count = count.saturating_add(1);
        }
        let bytes = self.bytes.entry((community, header.author)).or_default();
        *bytes = bytes.saturating_add(header.body_len.into());
    }

    fn defer(&mut self, community: CommunityId, id: ItemId) {
        if self.deferred.len() < limits::DEFERRED {
            self.deferred.insert((community, short(&id.0)));
        }
    }

    /// Whether so many more bytes of an author are taken today.
    fn has_bytes(&self, community: CommunityId, author: PersonId, more: u64) -> bool {
        let taken = self.bytes.get(&(community, author)).copied().unwrap_or(0);
        taken.saturating_add(more) <= limits::AUTHOR_BYTES_PER_DAY
    }

    /// Those of these that were not deferred.
    pub(super) fn untried(&self, community: CommunityId, mut ids: Vec<ShortId>) -> Vec<ShortId> {
        ids.retain(|id| !self.deferred.contains(&(community, *id)));
        ids
    }
}

/// Items of one day that are taken of whoever has this role.
fn share(role: Role, policy: &BTreeMap<u16, u32>) -> usize {
    let (key, default) = match role {
        Role::Peripheral => (policy::POSTS_DAY_PERIPHERAL, limits::ITEMS_PER_DAY_PERIPHERAL),
        _ => (policy::POSTS_DAY, limits::ITEMS_PER_DAY),
    };
    let shown = policy.get(&key).copied().unwrap_or(default);
    usize::try_from(shown).unwrap_or(usize::MAX).saturating_mul(limits::STORED_TIMES)
}

/// What becomes of an item by its author's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// It is taken.
    Within,
    /// It is not, by this name.
    Beyond(&'static str),
    /// This one has to come first: it shows what the author was when they wrote.
    Waits(ItemId),
}

impl Engine {
    /// How many more items of an author a node takes that claim this day, of those that they wrote in this role.
    fn room<L: Ledger>(
        &mut self,
        community: CommunityId,
        (author, role): (PersonId, Role),
        day: u64,
        ledger: &L,
    ) -> Result<usize, L::Error> {
        let most = match self.standing(community) {
            Some(standing) if !standing.is_own_space() => share(role, &standing.state.policy),
            _ => return Ok(usize::MAX),
        };
        let kept = match self.shares.items.get(&(community, author, day)) {
            Some(kept) => *kept,
            None => {
                let kept = ledger.written_on(community, author, day)?;
                self.shares.items.insert((community, author, day), kept);
                kept
            }
        };
        Ok(most.saturating_sub(kept))
    }

    /// Whether an item that has come is within its author's share.
    pub(super) fn shared<L: Ledger>(
        &mut self,
        community: CommunityId,
        item: &Item,
        ledger: &L,
    ) -> Result<Shared, L::Error> {
        let name = match self.has_room(community, item, ledger)? {
            Shared::Within if self.has_bytes_for(community, &item.header) => return Ok(Shared::Within),
            Shared::Within => "bytes_spent",
            Shared::Beyond(name) => name,
            Shared::Waits(missing) => return Ok(Shared::Waits(missing)),
        };
        self.shares.defer(community, item.id);
        Ok(Shared::Beyond(name))
    }

    /// The share is that of today's role. Of a peripheral member it is that of members for what would stand if members
    /// alone could write it: it was written before they were made peripheral, and lies on the chain that was closed then.
    fn has_room<L: Ledger>(&mut self, community: CommunityId, item: &Item, ledger: &L) -> Result<Shared, L::Error> {
        let header = &item.header;
        let (author, day) = (header.author, header.ts.day());
        let role = self.role_of(community, author);
        if self.room(community, (author, role), day, ledger)? > 0 {
            return Ok(Shared::Within);
        }
        // Asked only now: hardly anybody writes so much.
        if role == Role::Peripheral && self.room(community, (author, Role::Member), day, ledger)? > 0 {
            match self.judge_writing(community, item, Some(Role::Member), ledger)? {
                Judged::Keep => return Ok(Shared::Within),
                Judged::Waits(missing) => return Ok(Shared::Waits(missing)),
                Judged::Early | Judged::Ahead | Judged::Refused(_) | Judged::Forbidden(_) => {}
            }
        }
        Ok(Shared::Beyond("day_spent"))
    }

    fn role_of(&self, community: CommunityId, person: PersonId) -> Role {
        self.standing(community).map_or(Role::None, |standing| standing.state.role(person))
    }

    fn has_bytes_for(&self, community: CommunityId, header: &Header) -> bool {
        let is_bounded = self.standing(community).is_some_and(|standing| !standing.is_own_space());
        let more = header.body_len.into();
        !is_bounded || header.author == self.me.person() || self.shares.has_bytes(community, header.author, more)
    }

    /// Whether others will take so many more items of this node's person today.
    pub(super) fn may_write_more<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        items: usize,
        ledger: &L,
    ) -> Result<Result<(), CommandRefusal>, L::Error> {
        #[cfg(any(test, feature = "testing"))]
        if self.shares.boundless {
            return Ok(Ok(()));
        }
        let me = self.me.person();
        let room = self.room(community, (me, self.role_of(community, me)), now.day(), ledger)?;
        Ok(if items <= room { Ok(()) } else { Err(CommandRefusal::DaySpent) })
    }

    /// Has this node's person write on beyond their share, as a changed program would: for tests of those who take it.
    #[cfg(any(test, feature = "testing"))]
    pub fn write_beyond_share(&mut self) {
        self.shares.boundless = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bytes::Bytes, testing::around};

    const GARDEN: CommunityId = CommunityId(Bytes([1; 32]));

    fn named(number: usize) -> [u8; 32] {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&(number as u64).to_be_bytes());
        name
    }

    #[test]
    fn a_share_is_what_is_shown_several_times() {
        let is_taken = |role, count: usize| count <= share(role, &BTreeMap::new());
        let times = |shown: u32| shown as usize * limits::STORED_TIMES;
        around(limits::ITEMS_PER_DAY, [true, true, false], |shown| is_taken(Role::Member, times(shown)));
        around(limits::ITEMS_PER_DAY_PERIPHERAL, [true, true, false], |shown| is_taken(Role::Peripheral, times(shown)));
        let named = BTreeMap::from([(policy::POSTS_DAY, 1)]);
        around(limits::STORED_TIMES, [true, true, false], |count| count <= share(Role::Steward, &named));
    }

    #[test]
    fn bytes_of_an_author_are_bounded_by_the_day() {
        let author = PersonId(Bytes([2; 32]));
        around(limits::AUTHOR_BYTES_PER_DAY, [true, true, false], |bytes| {
            let mut shares = Shares::default();
            shares.bytes.insert((GARDEN, author), 1);
            shares.has_bytes(GARDEN, author, bytes - 1)
        });
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let most = limits::DEFERRED;
        around(limits::DEFERRED, [most - 1, most, most], |count| {
            let mut shares = Shares::default();
            (0..count).for_each(|number| shares.defer(GARDEN, ItemId(Bytes(named(number)))));
            shares.deferred.len()
        });
        let most = limits::AUTHOR_DAYS;
        around(limits::AUTHOR_DAYS, [most - 1, most, 0], |count| {
            let authors = (0..count).map(|number| ((GARDEN, PersonId(Bytes(named(number))), 0), 1));
            let mut shares = Shares { items: authors.collect(), ..Shares::default() };
            shares.begin(Millis(0));
            shares.items.len()
        });
    }
}
