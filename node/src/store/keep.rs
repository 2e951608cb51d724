//! Writing: each [`Keep`] of the engine becomes rows of one batch.

use hearth_protocol::{
    encoding::{decode, encode},
    engine::{Answer, Keep},
    id::{CommunityId, EnvelopeId, ItemId},
    invite::InviteCert,
    item::{Header, Item, Kind, SaltedBody},
    ledger::Ledger as _,
    link::{Envelope, Outcome},
    reconcile::{Position, item_position},
    signed::{Signed, Verified},
    time::Millis,
    wire::{AnyId, SetName},
};
use serde::{Deserialize, Serialize};

use super::{
    disk::{Direction, Overlay, ReadError},
    keys::{self, Key, Table},
};

/// An item's row.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ItemRow(pub(super) hearth_protocol::item::SignedItem, pub(super) Millis);

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
            keep_item(overlay, read_in, &item, &body, received)?;
            if by.is_none() {
                put_in_items(overlay, read_in, &item)?;
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
    }
    Ok(())
}

fn put_in_set(overlay: &mut Overlay<'_>, community: CommunityId, set: SetName, position: Position, id: &AnyId) {
    overlay.put(keys::set(community, set).with(&id.0).into_vec(), Vec::new());
    overlay.put(keys::place(community, set, position, &id.0).into_vec(), Vec::new());
}

/// Puts an item into the set of its scope.
pub(super) fn put_in_items(overlay: &mut Overlay<'_>, community: CommunityId, item: &Item) -> Result<(), ReadError> {
    let (set, position) = stands_at(overlay, &item.header)?;
    put_in_set(overlay, community, set, position, &item.id.0);
    Ok(())
}

/// In which set an item is, and where.
pub(super) fn stands_at(overlay: &Overlay<'_>, header: &Header) -> Result<(SetName, Position), ReadError> {
    let position = item_position(header.kind, header.ts, header.target, overlay)?;
    Ok((SetName::of(header.scope), position))
}

fn keep_item(
    overlay: &mut Overlay<'_>,
    read_in: CommunityId,
    item: &Item,
    body: &SaltedBody,
    received: Millis,
) -> Result<(), ReadError> {
    let key = keys::item(item.id).into_vec();
    if overlay.get(&key)?.is_none() {
        overlay.put(key, encode(&ItemRow(item.signed.clone(), received)));
    }
    overlay.put(keys::body(item.header.body_hash).into_vec(), body.as_slice());
    refer(overlay, item);
    let next_key = Key::of(Table::Next).into_vec();
    let next = overlay.get(&next_key)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    let place = [read_in.as_bytes().as_slice(), item.id.as_bytes()].concat();
    overlay.put(Key::of(Table::Sequence).number(next).into_vec(), place);
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
    put_in_items(overlay, community, &item)?;
    refer(overlay, &item);
    place_own(overlay, community, &item, received, None)
}

/// Takes an item that does not stand out of every list, and out of what others are given. Its bytes
/// stay: what took its standing away may lapse.
fn hide(overlay: &mut Overlay<'_>, community: CommunityId, id: ItemId) -> Result<(), ReadError> {
    let Some((item, received)) = read_item(overlay, id)? else { return Ok(()) };
    let header = &item.header;
    let (set, position) = stands_at(overlay, header)?;
    overlay.delete(keys::set(community, set).with(id.as_bytes()).into_vec());
    overlay.delete(keys::place(community, set, position, id.as_bytes()).into_vec());
    for parent in &header.re {
        overlay.delete(keys::replies(*parent).with(id.as_bytes()).into_vec());
    }
    overlay.delete(keys::slot(community, header.kind).with(id.as_bytes()).into_vec());
    overlay.delete(keys::timeline(community).number(header.ts.min(received).0).with(id.as_bytes()).into_vec());
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

/// What only the community of its writing has: chain, timeline, and the index of addresses.
fn place_own(
    overlay: &mut Overlay<'_>,
    community: CommunityId,
    item: &Item,
    received: Millis,
    address: Option<String>,
) -> Result<(), ReadError> {
    let header = &item.header;
    overlay.put(keys::author(community, header.author).with(item.id.as_bytes()).into_vec(), Vec::new());
    let end = overlay.chain_end(community, header.scope, header.device)?;
    if end.is_none_or(|(seq, _)| header.seq > seq) {
        overlay.put(keys::chain_end(community, header.scope, header.device).into_vec(), encode(&(header.seq, item.id)));
    }
    if let Some(address) = address {
        let key = keys::address(community, header.author, &address).into_vec();
        if overlay.get(&key)?.is_none() {
            overlay.put(key, item.id.as_bytes());
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
    if header.kind.is_listed() && !overlay.is_retracted(item.id, header.author)? {
        place(overlay, community, item.id, header.ts.min(received), None);
    }
    Ok(())
}

/// T3: an item stands at the earlier of the time it claims and the time it came.
fn place(overlay: &mut Overlay<'_>, community: CommunityId, item: ItemId, shown: Millis, by: Option<EnvelopeId>) {
    let value = by.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    overlay.put(keys::timeline(community).number(shown.0).with(item.as_bytes()).into_vec(), value);
}

/// Takes a retracted item out of every list; its author's tombstone has been checked.
fn retract(overlay: &mut Overlay<'_>, target: ItemId) -> Result<(), ReadError> {
    let Some((item, received)) = read_item(overlay, target)? else { return Ok(()) };
    let shown = item.header.ts.min(received);
    for community in communities(overlay)? {
        overlay.delete(keys::timeline(community).number(shown.0).with(target.as_bytes()).into_vec());
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
    put_in_set(overlay, says.to, SetName::Envelopes, says.ts.0, &id.0);
    overlay.put(keys::paths(says.to, says.item).with(id.as_bytes()).into_vec(), Vec::new());
    let quota = keys::quota(says.in_link, says.ts.day())
        .with(says.broker.as_bytes())
        .with(says.device.0.as_ref())
        .with(&says.seq.to_be_bytes())
        .with(id.as_bytes());
    overlay.put(quota.into_vec(), Vec::new());
    let end = overlay.relay_end(says.from, says.to, says.device)?;
    if end.is_none_or(|(seq, _)| says.seq > seq) {
        overlay.put(keys::relay_end(says.from, says.to, says.device).into_vec(), encode(&(says.seq, id)));
    }
    place_relayed(overlay, says)
}

fn change_outcome(overlay: &mut Overlay<'_>, id: EnvelopeId, outcome: Outcome) -> Result<(), ReadError> {
    let Some(kept) = overlay.envelope(id)? else { return Ok(()) };
    overlay.put(keys::envelope(id).into_vec(), encode_row(&EnvelopeRow(kept.signed.clone(), outcome)));
    match kept.signed.read::<Envelope>() {
        Ok(envelope) => place_relayed(overlay, &envelope),
        Err(_) => Ok(()),
    }
}

/// Places a relayed item, or takes it away: it is shown while one of its envelopes is.
fn place_relayed(overlay: &mut Overlay<'_>, envelope: &Envelope) -> Result<(), ReadError> {
    let Some((item, received)) = read_item(overlay, envelope.item)? else { return Ok(()) };
    let shown = item.header.ts.min(received);
    let mut by = None;
    for id in overlay.envelopes_of(envelope.to, envelope.item)? {
        if overlay.envelope(id)?.is_some_and(|kept| kept.outcome == Outcome::Shown) {
            by = by.or(Some(id));
        }
    }
    let retracted = overlay.is_retracted(item.id, item.header.author)?;
    match by {
        Some(by) if item.header.kind.is_listed() && !retracted => place(overlay, envelope.to, item.id, shown, Some(by)),
        _ => overlay.delete(keys::timeline(envelope.to).number(shown.0).with(item.id.as_bytes()).into_vec()),
    }
    Ok(())
}

pub(super) fn read_item(overlay: &Overlay<'_>, id: ItemId) -> Result<Option<(Item, Millis)>, ReadError> {
    let Some(bytes) = overlay.get(&keys::item(id).into_vec())? else { return Ok(None) };
    let row: Option<ItemRow> = decode(&bytes, bytes.len()).ok();
    Ok(row.and_then(|ItemRow(signed, received)| Some((signed.trusted().ok()?, received))))
}

fn communities(overlay: &Overlay<'_>) -> Result<Vec<CommunityId>, ReadError> {
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
