//! Reading for people: lists, one item with its thread and history, and the paths by which
//! relayed items came.

use std::collections::BTreeMap;

use hearth_protocol::{
    id::{CommunityId, EnvelopeId, ItemId, PersonId},
    invite::InviteCert,
    item::{Body, Endorsement, Item, Kind},
    ledger::Ledger as _,
    limits,
    link::{Envelope, Outcome},
    signed::Verified,
    time::Millis,
    wire::SetName,
};

use super::{
    disk::{Direction, Overlay, Pair, ReadError},
    keep::{is_listed, read_item},
    keys::{self, Key, Table},
};

/// An item as it stands in a list: with its newest body and tags.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Where it is read.
    pub read_in: CommunityId,
    /// The original.
    pub item: Item,
    /// What it says now; none when its body is not here.
    pub body: Option<Body>,
    /// The edit that made it so; none for the original.
    pub edit: Option<Item>,
    /// When it came.
    pub received: Millis,
    /// The envelope that brought it here, when it was relayed.
    pub by: Option<Envelope>,
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Newest first.
    pub items: Vec<Listed>,
}

/// One item with what belongs to it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The item.
    pub listed: Listed,
    /// Whether its author has retracted it.
    pub retracted: bool,
    /// Whether stewards hide it there.
    pub hidden: bool,
    /// Whether it waits for a steward there (R8).
    pub waits: bool,
    /// Replies, oldest first.
    pub replies: Vec<Listed>,
    /// Earlier and later versions, oldest first: the original and its author's edits.
    pub history: Vec<(Item, Option<Body>)>,
}

/// One border that an item has crossed.
#[derive(Debug, Clone)]
pub struct Hop {
    /// Which envelope.
    pub id: EnvelopeId,
    /// What it says.
    pub envelope: Envelope,
    /// What became of it.
    pub outcome: Outcome,
}

/// An invite of this node's person.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The certificate.
    pub cert: Verified<InviteCert>,
}

impl Overlay<'_> {
    /// The newest items of these communities, each item once, at most `most` that `wanted`
    /// accepts.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn newest(
        &self,
        communities: &[CommunityId],
        most: usize,
        wanted: impl Fn(&Listed) -> bool,
    ) -> Result<Page, ReadError> {
        let mut lines = Vec::new();
        for community in communities {
            for prefix in keys::lists(*community) {
                lines.push((*community, self.listed_under(&prefix.into_vec()).peekable()));
            }
        }
        let mut page = Page::default();
        let mut seen = std::collections::BTreeSet::new();
        while page.items.len() < most {
            // The newest of what stands at the head of each line.
            let mut newest: Option<(usize, Vec<u8>)> = None;
            for (at, (_, line)) in lines.iter_mut().enumerate() {
                let head = match line.peek() {
                    Some(Ok((key, _))) => key.last_chunk::<40>().map(|head| head.to_vec()).unwrap_or_default(),
                    Some(Err(_)) => Vec::new(),
                    None => continue,
                };
                if newest.as_ref().is_none_or(|(_, best)| head > *best || head.is_empty()) {
                    newest = Some((at, head));
                }
            }
            let Some((read_in, line)) = newest.and_then(|(at, _)| lines.get_mut(at)) else { break };
            let Some(row) = line.next() else { break };
            let (key, by) = row?;
            let Some(id) = keys::last_id(&key).map(ItemId::new) else { continue };
            let by = by.as_slice().try_into().ok().map(EnvelopeId::new);
            if seen.insert(id)
                && let Some(listed) = self.listed(*read_in, id, by)?
                && wanted(&listed)
            {
                page.items.push(listed);
            }
        }
        Ok(page)
    }

    /// The rows of a table of times that a list shows, newest first.
    pub(super) fn listed_under(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Pair, ReadError>> + use<'_> {
        let is_place = prefix.first() == Some(&(Table::Place as u8));
        self.scan_prefix(prefix, Direction::Backward)
            .filter(move |row| row.as_ref().map_or(true, |(_, value)| !is_place || is_listed(value)))
    }

    /// The first envelope by which an item is shown in a community that it was carried into.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn shown_by(&self, community: CommunityId, id: ItemId) -> Result<Option<EnvelopeId>, ReadError> {
        for envelope in self.envelopes_of(community, id)? {
            if self.envelope(envelope)?.is_some_and(|kept| kept.outcome == Outcome::Shown) {
                return Ok(Some(envelope));
            }
        }
        Ok(None)
    }

    /// How many items a list of the community shows.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn count_listed(&self, community: CommunityId) -> Result<u64, ReadError> {
        let kept = self.get(&keys::listed(community).into_vec())?;
        Ok(kept.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// An item with its newest body.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn listed(
        &self,
        read_in: CommunityId,
        id: ItemId,
        by: Option<EnvelopeId>,
    ) -> Result<Option<Listed>, ReadError> {
        let Some((item, received)) = read_item(self, id)? else { return Ok(None) };
        let by = match by {
            Some(by) => self.envelope(by)?.and_then(|kept| kept.signed.read::<Envelope>().ok()),
            None => None,
        };
        let edit = self.history(read_in, &item)?.pop().filter(|(edit, _)| edit.id != item.id);
        let (edit, body) = match edit {
            Some((edit, body)) => (Some(edit), body),
            None => (None, self.body_of(&item)?),
        };
        Ok(Some(Listed { read_in, item, body, edit, received, by }))
    }

    fn body_of(&self, item: &Item) -> Result<Option<Body>, ReadError> {
        Ok(self.body(item)?.and_then(|salted| item.body(&salted).ok()))
    }

    /// The original and its author's edits as far as they are read there, the one that counts last (T5: highest time,
    /// then id).
    fn history(&self, read_in: CommunityId, item: &Item) -> Result<Vec<(Item, Option<Body>)>, ReadError> {
        let mut edits = Vec::new();
        for id in self.changes(item.id, Kind::EDIT)? {
            let Some((edit, _)) = read_item(self, id)? else { continue };
            if edit.header.author != item.header.author {
                continue;
            }
            // One that was carried after its item may wait, or have been refused.
            if edit.header.community != read_in && self.shown_by(read_in, id)?.is_none() {
                continue;
            }
            if let Some(Body::Edit(new)) = self.body_of(&edit)? {
                let body = Body::read(item.header.kind, new.body.as_slice()).ok();
                edits.push((edit, body));
            }
        }
        edits.sort_by_key(|(edit, _)| (edit.header.ts, edit.id));
        let mut history = vec![(item.clone(), self.body_of(item)?)];
        history.extend(edits);
        Ok(history)
    }

    /// One item with its thread and history. Of the communities in which it can be read, the one that it was written in
    /// comes first. What waits in quarantine can be read in those of which the reader is a steward.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn show(
        &self,
        id: ItemId,
        communities: &[CommunityId],
        stewarded: &[CommunityId],
    ) -> Result<Option<Shown>, ReadError> {
        let Some((item, _)) = read_item(self, id)? else { return Ok(None) };
        let mut place = self.read_in(&item, communities)?.map(|(community, by)| (community, by, false));
        for community in stewarded {
            if place.is_none() {
                let waits = self.waiting_in(*community, Some(id))?;
                place = waits.into_iter().next().map(|hop| (*community, Some(hop.id), true));
            }
        }
        let Some((read_in, by, waits)) = place else { return Ok(None) };
        let Some(listed) = self.listed(read_in, id, by)? else { return Ok(None) };
        let mut replies = Vec::new();
        let prefix = keys::replies(id).into_vec();
        for row in self.scan_prefix(&prefix, Direction::Forward) {
            let Some(reply) = keys::last_id(&row?.0).map(ItemId::new) else { continue };
            let Some((found, _)) = read_item(self, reply)? else { continue };
            let answers = found.header.kind == Kind::REPLY || found.header.kind.is_listed();
            if !answers || self.is_retracted(reply, found.header.author)? {
                continue;
            }
            if let Some((read_in, by)) = self.read_in(&found, communities)?
                && !self.is_hidden(read_in, reply)?
            {
                replies.extend(self.listed(read_in, reply, by)?);
            }
        }
        replies.sort_by_key(|reply| (reply.item.header.ts, reply.item.id));
        let retracted = self.is_retracted(id, item.header.author)?;
        let hidden = self.is_hidden(read_in, id)?;
        let history = self.history(read_in, &item)?;
        Ok(Some(Shown { listed, retracted, hidden, waits, replies, history }))
    }

    /// The first of these communities in which an item is read, and the envelope that brought it there. What does not
    /// stand is not read where it was written, and what no envelope shows not where it was carried.
    fn read_in(
        &self,
        item: &Item,
        communities: &[CommunityId],
    ) -> Result<Option<(CommunityId, Option<EnvelopeId>)>, ReadError> {
        let written_in = item.header.community;
        let set = SetName::of(item.header.scope);
        if communities.contains(&written_in) && self.holds(written_in, set, item.id.0)? {
            return Ok(Some((written_in, None)));
        }
        for community in communities {
            if let by @ Some(_) = self.shown_by(*community, item.id)? {
                return Ok(Some((*community, by)));
            }
        }
        Ok(None)
    }

    /// What waits for a steward of a community: the envelopes of one item, or all, in the order of their ids.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn waiting_in(&self, community: CommunityId, item: Option<ItemId>) -> Result<Vec<Hop>, ReadError> {
        let mut waiting = Vec::new();
        for row in self.scan_prefix(&keys::quarantine(community).into_vec(), Direction::Forward) {
            let Some(id) = keys::last_id(&row?.0).map(EnvelopeId::new) else { continue };
            let Some(kept) = self.envelope(id)? else { continue };
            if let Ok(envelope) = kept.signed.read::<Envelope>()
                && item.is_none_or(|item| item == envelope.item)
            {
                waiting.push(Hop { id, envelope, outcome: kept.outcome });
            }
        }
        Ok(waiting)
    }

    /// The endorsements of an item that can be read in these communities: of each person the latest, oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn endorsements(&self, id: ItemId, communities: &[CommunityId]) -> Result<Vec<(Item, Endorsement)>, ReadError> {
        let mut latest: BTreeMap<PersonId, (Item, Endorsement)> = BTreeMap::new();
        for said in self.changes(id, Kind::ENDORSEMENT)? {
            let Some((item, _)) = read_item(self, said)? else { continue };
            let author = item.header.author;
            if self.is_retracted(said, author)? || self.read_in(&item, communities)?.is_none() {
                continue;
            }
            let is_later = |known: &(Item, Endorsement)| (known.0.header.ts, known.0.id) < (item.header.ts, item.id);
            if latest.get(&author).is_none_or(is_later)
                && let Some(Body::Endorsement(body)) = self.body_of(&item)?
            {
                latest.insert(author, (item, body));
            }
        }
        let mut endorsements: Vec<_> = latest.into_values().collect();
        endorsements.sort_by_key(|(item, _)| (item.header.ts, item.id));
        Ok(endorsements)
    }

    /// The borders that an item has crossed, as far as this node has seen.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn hops(&self, id: ItemId, communities: &[CommunityId]) -> Result<Vec<Hop>, ReadError> {
        let mut hops = Vec::new();
        for community in communities {
            for envelope in self.envelopes_of(*community, id)? {
                let Some(kept) = self.envelope(envelope)? else { continue };
                if let Ok(says) = kept.signed.read::<Envelope>() {
                    hops.push(Hop { id: envelope, envelope: says, outcome: kept.outcome });
                }
            }
        }
        hops.sort_by_key(|hop| (hop.envelope.hop, hop.envelope.ts, hop.id));
        Ok(hops)
    }

    /// All profiles or charters of a community that stand, oldest first (T5).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn latest_of(&self, community: CommunityId, kind: Kind) -> Result<Vec<(Item, Body)>, ReadError> {
        let mut latest: Vec<(Item, Body)> = Vec::new();
        for row in self.scan_prefix(&keys::slot(community, kind).into_vec(), Direction::Forward) {
            let Some(id) = keys::last_id(&row?.0).map(ItemId::new) else { continue };
            let Some((item, _)) = read_item(self, id)? else { continue };
            if !self.is_retracted(id, item.header.author)?
                && let Some(body) = self.body_of(&item)?
            {
                latest.push((item, body));
            }
        }
        latest.sort_by_key(|(item, _)| (item.header.ts, item.id));
        Ok(latest)
    }

    /// Ids that begin with these hexadecimal digits, at most `most`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn items_like(&self, digits: &str, most: usize) -> Result<Vec<ItemId>, ReadError> {
        let whole = digits.get(..digits.len() / 2 * 2).unwrap_or_default();
        let Ok(bytes) = data_encoding::HEXLOWER_PERMISSIVE.decode(whole.as_bytes()) else { return Ok(Vec::new()) };
        let prefix = Key::of(Table::Item).with(&bytes).into_vec();
        let mut found = Vec::new();
        for row in self.scan_prefix(&prefix, Direction::Forward) {
            let Some(id) = keys::last_id(&row?.0).map(ItemId::new) else { continue };
            if id.to_string().starts_with(&digits.to_ascii_lowercase()) {
                found.push(id);
            }
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// This node's person's invites into a community.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn own_invites(&self, community: CommunityId) -> Result<Vec<Invite>, ReadError> {
        let mut invites = Vec::new();
        for row in self.scan_prefix(&keys::invites(community).into_vec(), Direction::Forward) {
            let (_, value) = row?;
            let signed = hearth_protocol::signed::Signed::from_bytes(&value, limits::INVITE_CERT_BYTES * 2);
            invites.extend(signed.ok().and_then(|signed| Verified::check(signed).ok()).map(|cert| Invite { cert }));
        }
        Ok(invites)
    }
}
