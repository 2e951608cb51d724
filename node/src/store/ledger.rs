//! Reading for decisions: the engine's [`Ledger`] over the store and the batch in hand.

use std::ops::Bound;

use hearth_protocol::{
    bytes::{Blob, Bytes},
    desk::{Candidate, Selection, TagMap},
    encoding::decode,
    epoch::Scope,
    id::{BodyHash, BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId, SelectionId},
    item::{Header, Item, Kind, SaltedBody, SignedItem},
    key::PublicKey,
    ledger::{AddressList, Ban, Fork, KeptEnvelope, Ledger, Met, PendingJoin, Sequel, Turn},
    limits,
    reconcile::{Place, Position, ShortId, stands_at},
    signed::{Payload as _, Signed},
    time::DAY_MS,
    wire::{AnyId, SetName},
};

use super::{
    desk,
    disk::{Direction, Overlay, ReadError},
    forks,
    keep::{EnvelopeRow, ItemRow, decode_row, read_item},
    keys::{self, Key, Table},
};

impl Overlay<'_> {
    fn value<T>(&self, key: Key, read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, ReadError> {
        Ok(self.get(&key.into_vec())?.and_then(|bytes| read(&bytes)))
    }

    /// The values, and the keys without the prefix, of all rows under a prefix.
    fn rows<T>(&self, prefix: Key, read: impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<Vec<T>, ReadError> {
        let prefix = prefix.into_vec();
        let mut rows = Vec::new();
        for row in self.scan_prefix(&prefix, Direction::Forward) {
            let (key, value) = row?;
            rows.extend(read(key.get(prefix.len()..).unwrap_or_default(), &value));
        }
        Ok(rows)
    }

    fn long_body(&self, hash: BodyHash) -> Result<Option<SaltedBody>, ReadError> {
        self.value(keys::body(hash), |bytes| Blob::new(bytes.to_vec()).ok())
    }

    /// The same of a table whose values are secrets.
    fn secrets<T>(&self, prefix: Key, read: impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<Vec<T>, ReadError> {
        let whole = prefix.clone().into_vec();
        self.rows(prefix, |key, value| read(key, &self.opened(&[&whole, key].concat(), value)))
    }
}

impl Ledger for Overlay<'_> {
    type Error = ReadError;

    fn communities(&self) -> Result<Vec<Signed>, ReadError> {
        self.rows(Key::of(Table::Community), |_, value| signed(value))
    }

    fn operations(&self, community: CommunityId) -> Result<Vec<Signed>, ReadError> {
        self.rows(keys::operations(community), |_, value| signed(value))
    }

    fn epoch_keys(&self, community: CommunityId) -> Result<Vec<(OpId, [u8; 32])>, ReadError> {
        self.secrets(keys::epoch_keys(community), |key, value| {
            Some((OpId::new(keys::last_id(key)?), value.try_into().ok()?))
        })
    }

    fn pending_joins(&self) -> Result<Vec<PendingJoin>, ReadError> {
        self.secrets(Key::of(Table::Pending), |key, value| {
            let (text, join): (String, Signed) = decode(value, value.len()).ok()?;
            Some(PendingJoin { community: CommunityId::new(keys::last_id(key)?), key: text, join })
        })
    }

    fn addresses(&self, community: CommunityId) -> Result<Vec<AddressList>, ReadError> {
        self.rows(keys::address_book(community), |_, value| decode(value, value.len()).ok())
    }

    fn met(&self, community: CommunityId) -> Result<Vec<Met>, ReadError> {
        self.rows(keys::met(community), |peer, value| {
            let (person, device) = decode(value, value.len()).ok()?;
            Some((peer.to_vec(), person, device))
        })
    }

    fn bans(&self) -> Result<Vec<Ban>, ReadError> {
        self.rows(Key::of(Table::Ban), |_, value| decode(value, value.len()).ok())
    }

    fn written_by(&self, community: CommunityId, person: PersonId) -> Result<Vec<ItemId>, ReadError> {
        self.rows(keys::author(community, person), |key, _| keys::last_id(key).map(ItemId::new))
    }

    fn written_on(&self, community: CommunityId, person: PersonId, day: u64) -> Result<usize, ReadError> {
        let at = |day: u64| keys::author(community, person).number(day.saturating_mul(DAY_MS)).into_vec();
        let (first, end) = (at(day), at(day.saturating_add(1)));
        let range = (Bound::Included(first.as_slice()), Bound::Excluded(end.as_slice()));
        self.scan(range, Direction::Forward).try_fold(0usize, |count, row| row.map(|_| count.saturating_add(1)))
    }

    fn charter(&self, community: CommunityId) -> Result<Option<ItemId>, ReadError> {
        Ok(self.latest_of(community, Kind::CHARTER)?.pop().map(|(item, _)| item.id))
    }

    fn item(&self, id: ItemId) -> Result<Option<SignedItem>, ReadError> {
        self.value(keys::item(id), |bytes| ItemRow::read(bytes).map(|row| row.signed))
    }

    fn body(&self, item: &Item) -> Result<Option<SaltedBody>, ReadError> {
        match self.value(keys::item(item.id), ItemRow::read)?.and_then(|row| row.body) {
            None => self.long_body(item.header.body_hash),
            body => Ok(body),
        }
    }

    fn carried(&self, id: ItemId) -> Result<Option<(SignedItem, Option<SaltedBody>)>, ReadError> {
        let Some(row) = self.value(keys::item(id), ItemRow::read)? else { return Ok(None) };
        let body = match (row.body, Header::from_canonical(row.signed.header.as_slice())) {
            (None, Ok(header)) => self.long_body(header.body_hash)?,
            (body, _) => body,
        };
        Ok(Some((row.signed, body)))
    }

    fn chain_end(
        &self,
        community: CommunityId,
        scope: Scope,
        device: PublicKey,
    ) -> Result<Option<(u32, ItemId)>, ReadError> {
        self.value(keys::chain_end(community, scope, device), |bytes| decode(bytes, bytes.len()).ok())
    }

    fn forks(&self, community: CommunityId) -> Result<Vec<Fork>, ReadError> {
        forks::all(self, community)
    }

    fn is_retracted(&self, id: ItemId, author: PersonId) -> Result<bool, ReadError> {
        for change in self.changes(id, Kind::TOMBSTONE)? {
            if read_item(self, change)?.is_some_and(|(item, _)| item.header.author == author) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn changes(&self, target: ItemId, kind: Kind) -> Result<Vec<ItemId>, ReadError> {
        self.rows(keys::changes(target), |key, value| {
            (value == [kind.0]).then(|| keys::last_id(key).map(ItemId::new))?
        })
    }

    fn is_hidden(&self, community: CommunityId, item: ItemId) -> Result<bool, ReadError> {
        Ok(self.get(&keys::hidden(community, item).into_vec())?.is_some())
    }

    fn sequels(&self) -> Result<Vec<Sequel>, ReadError> {
        self.rows(Key::of(Table::Sequel), |key, _| decode_row(key))
    }

    fn bookmark(
        &self,
        community: CommunityId,
        author: PersonId,
        normalised: &str,
    ) -> Result<Option<ItemId>, ReadError> {
        let found = self
            .value(keys::address(community, author, normalised), |bytes| Some(ItemId::new(bytes.try_into().ok()?)))?;
        Ok(match found {
            // A retracted bookmark may be kept again.
            Some(id) if self.is_retracted(id, author)? => None,
            found => found,
        })
    }

    fn envelope(&self, id: EnvelopeId) -> Result<Option<KeptEnvelope>, ReadError> {
        self.value(keys::envelope(id), |bytes| {
            decode_row::<EnvelopeRow>(bytes).map(|EnvelopeRow(signed, outcome)| KeptEnvelope { signed, outcome })
        })
    }

    fn envelopes_of(&self, community: CommunityId, item: ItemId) -> Result<Vec<EnvelopeId>, ReadError> {
        self.rows(keys::paths(community, item), |key, _| keys::last_id(key).map(EnvelopeId::new))
    }

    fn relay_end(
        &self,
        from: CommunityId,
        to: CommunityId,
        device: PublicKey,
    ) -> Result<Option<(u32, EnvelopeId)>, ReadError> {
        self.value(keys::relay_end(from, to, device), |bytes| decode(bytes, bytes.len()).ok())
    }

    fn turns(&self, in_link: OpId, day: u64, most: usize) -> Result<Vec<Turn>, ReadError> {
        let rows = self.scan_prefix(&keys::quota(in_link, day).into_vec(), Direction::Forward).take(most);
        rows.filter_map(|row| row.map(|(key, _)| keys::read_turn(&key)).transpose()).collect()
    }

    fn bundle(&self, hash: BundleHash) -> Result<Option<Vec<u8>>, ReadError> {
        self.get(&keys::bundle(hash).into_vec())
    }

    fn blob(&self, hash: AnyId) -> Result<Option<Vec<u8>>, ReadError> {
        self.get(&keys::blob(&hash).into_vec())
    }

    fn tag_map(&self, from: CommunityId, to: CommunityId) -> Result<TagMap, ReadError> {
        desk::tag_map(self, from, to)
    }

    fn selections(&self) -> Result<Vec<Selection>, ReadError> {
        desk::selections(self)
    }

    fn selection(&self, id: SelectionId) -> Result<Option<Selection>, ReadError> {
        desk::selection(self, id)
    }

    fn candidates(&self, selection: SelectionId) -> Result<Vec<Candidate>, ReadError> {
        desk::candidates(self, selection)
    }

    fn candidate(&self, selection: SelectionId, item: ItemId) -> Result<Option<Candidate>, ReadError> {
        desk::candidate(self, selection, item)
    }

    fn find(&self, community: CommunityId, set: SetName, half: ShortId) -> Result<Option<AnyId>, ReadError> {
        let prefix = if is_of_items(set) { Key::of(Table::Item) } else { keys::set(community, set) };
        for row in self.scan_prefix(&prefix.with(&half.0).into_vec(), Direction::Forward) {
            let Some(id) = keys::last_id(&row?.0).map(Bytes) else { continue };
            if self.holds(community, set, id)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn ids(
        &self,
        community: CommunityId,
        set: SetName,
        after: Option<AnyId>,
        most: usize,
    ) -> Result<Vec<AnyId>, ReadError> {
        let prefix = if is_of_items(set) { Key::of(Table::Item) } else { keys::set(community, set) };
        let first = prefix.clone().with(after.as_ref().map_or(&[][..], |id| &id.0)).into_vec();
        let last = [&prefix.into_vec()[..], &[0xff; 33]].concat();
        let low = if after.is_some() { Bound::Excluded(first.as_slice()) } else { Bound::Included(first.as_slice()) };
        let mut ids = Vec::new();
        for row in self.scan((low, Bound::Excluded(last.as_slice())), Direction::Forward) {
            let Some(id) = keys::last_id(&row?.0).map(Bytes) else { continue };
            // The rows of all communities' items are one table.
            if !is_of_items(set) || self.holds(community, set, id)? {
                ids.push(id);
            }
            if ids.len() >= most {
                break;
            }
        }
        Ok(ids)
    }

    fn places(
        &self,
        community: CommunityId,
        set: SetName,
        (first, last): (Position, Position),
        after: Option<Place>,
        rising: bool,
        most: usize,
    ) -> Result<Vec<Place>, ReadError> {
        let key = |(position, id): Place| keys::place(community, set, position, &id.0).into_vec();
        let (mut low, mut high) =
            (Bound::Included(key((first, Bytes([0; 32])))), Bound::Included(key((last, Bytes([0xff; 32])))));
        if let Some(after) = after.filter(|after| (first..=last).contains(&after.0)) {
            *(if rising { &mut low } else { &mut high }) = Bound::Excluded(key(after));
        }
        let direction = if rising { Direction::Forward } else { Direction::Backward };
        let range = (low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
        let mut places = Vec::new();
        for row in self.scan(range, direction).take(most) {
            places.extend(keys::read_place(set, &row?.0));
        }
        Ok(places)
    }

    fn holds(&self, community: CommunityId, set: SetName, id: AnyId) -> Result<bool, ReadError> {
        let key = if is_of_items(set) {
            let Some((item, _)) = read_item(self, ItemId(id))? else { return Ok(false) };
            match stands_at(&item.header, self)? {
                (stands_in, position) if stands_in == set => keys::place(community, set, position, &id.0),
                _ => return Ok(false),
            }
        } else {
            keys::set(community, set).with(&id.0)
        };
        Ok(self.get(&key.into_vec())?.is_some())
    }
}

/// Whether a set is of items, whose ids are one table.
fn is_of_items(set: SetName) -> bool {
    matches!(set, SetName::Items | SetName::Inner)
}

fn signed(bytes: &[u8]) -> Option<Signed> {
    Signed::from_bytes(bytes, limits::GENESIS_BYTES.saturating_mul(2)).ok()
}
