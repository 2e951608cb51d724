//! Writing: each [`Keep`] of the engine becomes rows of one batch.

use hearth_protocol::{
    encoding::{decode, encode},
    engine::{Answer, Keep},
    id::{CommunityId, EnvelopeId, ItemId},
    invite::InviteCert,
    item::{Item, Kind, SaltedBody, SignedItem},
    ledger::Ledger as _,
    link::{Envelope, Outcome},
    reconcile::stands_at,
    signed::{Signed, Verified},
    time::Millis,
    wire::SetName,
};
use serde::{Deserialize, Serialize};

use super::{
    desk,
    disk::{Direction, Overlay, ReadError},
    forks::number,
    keys::{self, Key, Table},
};

/// Longest salted body, in bytes, that stands in its item's row. Most are shorter than the key and the place of a row of
/// their own would be; a longer one would make all rows beside it slow to change.
const SHORT_BODY_BYTES: usize = 1024;

/// Bytes of a row of the sequence at most: 60 items.
const SEQUENCE_ROW_BYTES: usize = 60 * 64;

/// The value of a place at which a list shows the item.
const LISTED: [u8; 1] = [1];

/// An item's row: as it was signed, when it came, and its salted body where that is short.
#[derive(Debug)]
pub(super) struct ItemRow {
    pub(super) signed: SignedItem,
    pub(super) received: Millis,
    pub(super) body: Option<SaltedBody>,
}

impl ItemRow {
    pub(super) fn read(bytes: &[u8]) -> Option<ItemRow> {
        let whole = decode::<(SignedItem, Millis, SaltedBody)>(bytes, bytes.len());
        let row = whole.map(|(signed, received, body)| (signed, received, Some(body)));
        let bare =
            |_| decode::<(SignedItem, Millis)>(bytes, bytes.len()).map(|(signed, received)| (signed, received, None));
        let (signed, received, body) = row.or_else(bare).ok()?;
        Some(ItemRow { signed, received, body })
    }
}

/// An envelope's row. The outcome is the store's own, not part of any signed format.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EnvelopeRow(pub(super) Signed, pub(super) Outcome);

/// Writes one thing into the batch.
///
/// # Errors
/// [`ReadError`] when what it changes cannot be read.
pub fn keep(overlay: &mut Overlay<'_>, keep: Keep) -> Result<(), ReadError> {
    match keep {
        Keep::Community(id, genesis) => overlay.put(keys::community(id).into_vec(), genesis.to_bytes()),
        Keep::Operation { community, id, lamport, signed } => {
            overlay.put(keys::operation(community, lamport, id).into_vec(), signed.to_bytes());
            // Its row says its place.
            overlay.put(keys::set(community, SetName::Operations).with(id.as_bytes()).into_vec(), Vec::new());
        }
        Keep::EpochKey(community, epoch, key) => {
            overlay.put_secret(keys::epoch_keys(community).with(epoch.as_bytes()).into_vec(), &key)
        }
        Keep::Blob(name, bytes) => overlay.put(keys::blob(&name).into_vec(), bytes),
        Keep::Item { read_in, item, body, received, by, address } => {
            keep_item(overlay, &item, &body, received, by)?;
            follow(overlay, read_in, &item)?;
            refer(overlay, &item);
            if by.is_none() {
                enter(overlay, read_in, &item)?;
                number(overlay, &item)?;
                place_own(overlay, read_in, &item, received, address)?;
            }
        }
        Keep::Show(community, id) => show(overlay, community, id)?,
        Keep::Hide(community, id) => hide(overlay, community, id)?,
        Keep::Met { community, peer, person, device } => {
            overlay.put(keys::met(community).with(&peer).into_vec(), encode(&(person, device)))
        }
        Keep::Ban(ban) => overlay.put(keys::ban(ban.peer.as_slice()).into_vec(), encode(&ban)),
        Keep::Forgiven(peer) => overlay.delete(keys::ban(&peer).into_vec()),
        Keep::Envelope { id, envelope, outcome } => keep_envelope(overlay, id, &envelope, outcome)?,
        Keep::Outcome(id, outcome) => change_outcome(overlay, id, outcome)?,
        Keep::Hidden { community, item, is_hidden } => change_hidden(overlay, community, item, is_hidden)?,
        Keep::Sequel(sequel) => overlay.put(keys::sequel(&sequel).into_vec(), Vec::new()),
        Keep::Done(sequel) => overlay.delete(keys::sequel(&sequel).into_vec()),
        Keep::Bundle(hash, bytes) => overlay.put(keys::bundle(hash).into_vec(), bytes),
        Keep::Addresses { community, list } => {
            overlay.put(keys::address_book(community).with(list.peer.as_slice()).into_vec(), encode(&list))
        }
        Keep::Invite(community, cert) => {
            overlay.put(keys::invite(community, InviteCert::id_of(&cert)).into_vec(), cert.to_bytes())
        }
        Keep::Pending(pending) => {
            overlay.put_secret(keys::pending(pending.community).into_vec(), &encode(&(pending.key, pending.join)))
        }
        Keep::Settled(community) => overlay.delete(keys::pending(community).into_vec()),
        Keep::Desk(kept) => desk::keep(overlay, kept),
    }
    Ok(())
}

/// Puts an item into the set of its scope.
pub(super) fn enter(overlay: &mut Overlay<'_>, community: CommunityId, item: &Item) -> Result<(), ReadError> {
    let (set, position) = stands_at(&item.header, overlay)?;
    overlay.add(keys::place(community, set, position, item.id.as_bytes()).into_vec(), Vec::new());
    Ok(())
}

/// An item that was written here is kept once; a relayed one may be here already.
fn keep_item(
    overlay: &mut Overlay<'_>,
    item: &Item,
    body: &SaltedBody,
    received: Millis,
    by: Option<EnvelopeId>,
) -> Result<(), ReadError> {
    let key = keys::item(item.id).into_vec();
    let known = if by.is_some() { overlay.get(&key)? } else { None };
    if known.as_deref().and_then(ItemRow::read).is_some_and(|row| row.body.is_some()) {
        return Ok(());
    }
    if known.is_none() && body.as_slice().len() <= SHORT_BODY_BYTES {
        overlay.add(key, encode(&(&item.signed, received, body)));
        return Ok(());
    }
    if known.is_none() {
        overlay.add(key, encode(&(&item.signed, received)));
    }
    overlay.put(keys::body(item.header.body_hash).into_vec(), body.as_slice());
    Ok(())
}

/// Gives the item the next number of the store's sequence.
fn follow(overlay: &mut Overlay<'_>, read_in: CommunityId, item: &Item) -> Result<(), ReadError> {
    let next_key = Key::of(Table::Next).into_vec();
    let next = overlay.get(&next_key)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    let entry = [read_in.as_bytes().as_slice(), item.id.as_bytes()].concat();
    let table = Key::of(Table::Sequence);
    if !overlay.lengthen_last(&table.clone().into_vec(), &entry, SEQUENCE_ROW_BYTES) {
        overlay.add(table.number(next).into_vec(), entry);
    }
    overlay.put(next_key, (next + 1).to_be_bytes());
    Ok(())
}

/// Under what it changes or answers, an item is found from there.
fn refer(overlay: &mut Overlay<'_>, item: &Item) {
    let header = &item.header;
    if let Some(target) = header.target {
        overlay.put(keys::changes(target).with(item.id.as_bytes()).into_vec(), [header.kind.0]);
    }
    for parent in &header.re {
        overlay.put(keys::replies(*parent).with(item.id.as_bytes()).into_vec(), Vec::new());
    }
}

/// Puts back what [`hide`] took away.
fn show(overlay: &mut Overlay<'_>, community: CommunityId, id: ItemId) -> Result<(), ReadError> {
    let Some((item, received)) = read_item(overlay, id)? else { return Ok(()) };
    enter(overlay, community, &item)?;
    refer(overlay, &item);
    place_own(overlay, community, &item, received, None)
}

/// Takes an item that does not stand out of every list, and out of what others are given. Its bytes
/// stay: what took its standing away may lapse.
fn hide(overlay: &mut Overlay<'_>, community: CommunityId, id: ItemId) -> Result<(), ReadError> {
    let Some((item, received)) = read_item(overlay, id)? else { return Ok(()) };
    let header = &item.header;
    unlist(overlay, community, &item, received)?;
    let (set, position) = stands_at(header, overlay)?;
    overlay.delete(keys::place(community, set, position, id.as_bytes()).into_vec());
    for parent in &header.re {
        overlay.delete(keys::replies(*parent).with(id.as_bytes()).into_vec());
    }
    overlay.delete(keys::slot(community, header.kind).with(id.as_bytes()).into_vec());
    if let Some(target) = header.target {
        overlay.delete(keys::changes(target).with(id.as_bytes()).into_vec());
        // It is of its target's scope, and so of its set.
        let back = header.kind == Kind::TOMBSTONE && overlay.holds(community, set, target.0)?;
        if back && let Some((target, received)) = read_item(overlay, target)? {
            place_own(overlay, community, &target, received, None)?;
        }
    }
    Ok(())
}

/// What only the community of its writing has: author, chain, the index of addresses, and its place in lists.
fn place_own(
    overlay: &mut Overlay<'_>,
    community: CommunityId,
    item: &Item,
    received: Millis,
    address: Option<String>,
) -> Result<(), ReadError> {
    let header = &item.header;
    overlay.add(keys::written(item).into_vec(), Vec::new());
    let end = overlay.chain_end(community, header.scope, header.device)?;
    if end.is_none_or(|(seq, _)| header.seq > seq) {
        overlay.put(keys::chain_end(community, header.scope, header.device).into_vec(), encode(&(header.seq, item.id)));
    }
    if let Some(address) = address {
        let key = keys::address(community, header.author, &address).into_vec();
        if overlay.get(&key)?.is_none() {
            overlay.add(key, item.id.as_bytes());
        }
    }
    if header.kind == Kind::TOMBSTONE
        && let Some(target) = header.target
    {
        retract(overlay, target)?;
    }
    if matches!(header.kind, Kind::PROFILE | Kind::CHARTER) {
        overlay.put(keys::slot(community, header.kind).with(item.id.as_bytes()).into_vec(), Vec::new());
    }
    if header.kind.is_listed() && is_readable(overlay, community, item)? {
        list(overlay, community, item, received, None)?;
    }
    Ok(())
}

/// Whether neither its author nor a steward takes an item away from the readers of a community.
fn is_readable(overlay: &Overlay<'_>, community: CommunityId, item: &Item) -> Result<bool, ReadError> {
    // Most items have neither.
    let mut changes = overlay.scan_prefix(&keys::changes(item.id).into_vec(), Direction::Forward);
    if changes.next().transpose()?.is_none() {
        return Ok(true);
    }
    Ok(!overlay.is_retracted(item.id, item.header.author)? && !overlay.is_hidden(community, item.id)?)
}

/// Hides an item from the readers of a community, or shows it again: where it stands, or where a shown envelope brought
/// it. What is not here yet is found hidden when it comes.
fn change_hidden(
    overlay: &mut Overlay<'_>,
    community: CommunityId,
    id: ItemId,
    is_hidden: bool,
) -> Result<(), ReadError> {
    let key = keys::hidden(community, id).into_vec();
    if is_hidden {
        overlay.put(key, Vec::new());
    } else {
        overlay.delete(key);
    }
    let Some((item, received)) = read_item(overlay, id)? else { return Ok(()) };
    if item.header.community != community {
        return place_relayed(overlay, community, id);
    }
    if is_hidden {
        return unlist(overlay, community, &item, received);
    }
    let stands = overlay.holds(community, SetName::of(item.header.scope), id.0)?;
    if stands && item.header.kind.is_listed() && is_readable(overlay, community, &item)? {
        list(overlay, community, &item, received, None)?;
    }
    Ok(())
}

/// Where a list finds an item: at the earlier of the time that it claims and the time that it came (T3).
pub(super) enum Spot {
    /// At its place in the set.
    Place(Vec<u8>),
    /// Under a row of its own: it was relayed, or came before the time that it claims.
    Row(Vec<u8>),
}

impl Spot {
    pub(super) fn of(community: CommunityId, item: &Item, received: Millis) -> Spot {
        let (id, claimed) = (item.id.as_bytes(), item.header.ts);
        if item.header.community == community && claimed <= received {
            // What is listed changes nothing, and so stands at the time that it claims.
            Spot::Place(keys::place(community, SetName::of(item.header.scope), claimed.0, id).into_vec())
        } else {
            Spot::Row(keys::timeline(community).number(claimed.min(received).0).with(id).into_vec())
        }
    }

    pub(super) fn list(self, overlay: &mut Overlay<'_>, by: Option<EnvelopeId>) {
        match self {
            Spot::Place(key) => overlay.put(key, LISTED),
            Spot::Row(key) => overlay.put(key, by.map_or_else(Vec::new, |id| id.as_bytes().to_vec())),
        }
    }

    fn is_listed(&self, overlay: &Overlay<'_>) -> Result<bool, ReadError> {
        Ok(match self {
            Spot::Place(key) => overlay.get(key)?.is_some_and(|value| is_listed(&value)),
            Spot::Row(key) => overlay.get(key)?.is_some(),
        })
    }
}

/// Whether a list shows the item at the place that has this value.
pub(super) fn is_listed(value: &[u8]) -> bool {
    value == LISTED
}

/// Shows an item in the lists of a community.
pub(super) fn list(
    overlay: &mut Overlay<'_>,
    community: CommunityId,
    item: &Item,
    received: Millis,
    by: Option<EnvelopeId>,
) -> Result<(), ReadError> {
    let spot = Spot::of(community, item, received);
    if !spot.is_listed(overlay)? {
        count(overlay, community, |listed| listed.saturating_add(1))?;
    }
    spot.list(overlay, by);
    Ok(())
}

/// Shows it there no more.
fn unlist(overlay: &mut Overlay<'_>, community: CommunityId, item: &Item, received: Millis) -> Result<(), ReadError> {
    let spot = Spot::of(community, item, received);
    if spot.is_listed(overlay)? {
        count(overlay, community, |listed| listed.saturating_sub(1))?;
        match spot {
            Spot::Place(key) => overlay.put(key, Vec::new()),
            Spot::Row(key) => overlay.delete(key),
        }
    }
    Ok(())
}

fn count(overlay: &mut Overlay<'_>, community: CommunityId, change: fn(u64) -> u64) -> Result<(), ReadError> {
    let listed = overlay.count_listed(community)?;
    overlay.put(keys::listed(community).into_vec(), change(listed).to_be_bytes());
    Ok(())
}

/// Takes a retracted item out of every list; its author's tombstone has been checked.
fn retract(overlay: &mut Overlay<'_>, target: ItemId) -> Result<(), ReadError> {
    let Some((item, received)) = read_item(overlay, target)? else { return Ok(()) };
    for community in communities(overlay)? {
        unlist(overlay, community, &item, received)?;
    }
    Ok(())
}

fn keep_envelope(
    overlay: &mut Overlay<'_>,
    id: EnvelopeId,
    envelope: &Verified<Envelope>,
    outcome: Outcome,
) -> Result<(), ReadError> {
    let says = &envelope.value;
    overlay.put(keys::envelope(id).into_vec(), encode_row(&EnvelopeRow(envelope.signed.clone(), outcome)));
    overlay.put(keys::set(says.to, SetName::Envelopes).with(id.as_bytes()).into_vec(), Vec::new());
    overlay.put(keys::place(says.to, SetName::Envelopes, says.ts.0, id.as_bytes()).into_vec(), Vec::new());
    overlay.put(keys::paths(says.to, says.item).with(id.as_bytes()).into_vec(), Vec::new());
    if read_item(overlay, says.item)?.is_some_and(|(item, _)| !item.header.kind.needs_no_leave()) {
        overlay.put(keys::turn(says, id).into_vec(), Vec::new());
    }
    let end = overlay.relay_end(says.from, says.to, says.device)?;
    if end.is_none_or(|(seq, _)| says.seq > seq) {
        overlay.put(keys::relay_end(says.from, says.to, says.device).into_vec(), encode(&(says.seq, id)));
    }
    queue(overlay, says.to, id, outcome);
    place_relayed(overlay, says.to, says.item)
}

/// What waits for a steward is found by that.
pub(super) fn queue(overlay: &mut Overlay<'_>, to: CommunityId, id: EnvelopeId, outcome: Outcome) {
    let key = keys::quarantine(to).with(id.as_bytes()).into_vec();
    if outcome == Outcome::Quarantined {
        overlay.put(key, Vec::new());
    } else {
        overlay.delete(key);
    }
}

fn change_outcome(overlay: &mut Overlay<'_>, id: EnvelopeId, outcome: Outcome) -> Result<(), ReadError> {
    let Some(kept) = overlay.envelope(id)? else { return Ok(()) };
    overlay.put(keys::envelope(id).into_vec(), encode_row(&EnvelopeRow(kept.signed.clone(), outcome)));
    match kept.signed.read::<Envelope>() {
        Ok(envelope) => {
            queue(overlay, envelope.to, id, outcome);
            place_relayed(overlay, envelope.to, envelope.item)
        }
        Err(_) => Ok(()),
    }
}

/// Lists a relayed item, or takes it away: it is shown while one of its envelopes is.
fn place_relayed(overlay: &mut Overlay<'_>, community: CommunityId, id: ItemId) -> Result<(), ReadError> {
    let Some((item, received)) = read_item(overlay, id)? else { return Ok(()) };
    match overlay.shown_by(community, id)? {
        by @ Some(_) if item.header.kind.is_listed() && is_readable(overlay, community, &item)? => {
            list(overlay, community, &item, received, by)
        }
        _ => unlist(overlay, community, &item, received),
    }
}

pub(super) fn read_item(overlay: &Overlay<'_>, id: ItemId) -> Result<Option<(Item, Millis)>, ReadError> {
    let Some(bytes) = overlay.get(&keys::item(id).into_vec())? else { return Ok(None) };
    Ok(ItemRow::read(&bytes).and_then(|row| Some((row.signed.trusted().ok()?, row.received))))
}

pub(super) fn communities(overlay: &Overlay<'_>) -> Result<Vec<CommunityId>, ReadError> {
    overlay
        .scan_prefix(&Key::of(Table::Community).into_vec(), Direction::Forward)
        .map(|row| row.map(|(key, _)| keys::last_id(&key).map(CommunityId::new)))
        .filter_map(Result::transpose)
        .collect()
}

/// Rows that hold enums are maps, which signed bytes never are.
pub(super) fn encode_row<T: Serialize>(row: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(row, &mut bytes).expect("writing to memory does not fail");
    bytes
}

pub(super) fn decode_row<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<T> {
    ciborium::from_reader(bytes).ok()
}

/// Remembers what a request came to, so that a retry writes nothing twice.
pub fn keep_answer(overlay: &mut Overlay<'_>, request: &[u8; 16], now: Millis, answer: &Answer) {
    overlay.put_secret(keys::answer(request).into_vec(), &encode_row(&(now, answer)));
}

/// What a request came to before.
///
/// # Errors
/// [`ReadError`].
pub fn kept_answer(overlay: &Overlay<'_>, request: &[u8; 16]) -> Result<Option<Answer>, ReadError> {
    let key = keys::answer(request).into_vec();
    let row = overlay.get(&key)?;
    let row = row.and_then(|bytes| decode_row::<(Millis, Answer)>(&overlay.opened(&key, &bytes)));
    Ok(row.map(|(_, answer)| answer))
}
