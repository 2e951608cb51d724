//! What this node's person writes: from a draft to a signed item in one or more communities.

use std::borrow::Cow;

use super::{Answer, CommandRefusal, Done, Effect, Engine, Event, Keep, Standing, labels::labels_of};
use crate::{
    authority::{Role, WriteRefusal, Writing, policy},
    bytes::List,
    encoding::V1,
    epoch::Scope,
    id::{CommunityId, EnvelopeId, ItemId},
    item::{Body, Draft, Edit, Header, Item, Kind, SaltedBody, SignedItem, Tag, salted},
    ledger::Ledger,
    limits,
    link::{Carry, Envelope},
    reconcile::{Position, item_position},
    signed::Unsound,
    time::Millis,
    wire::{Gossip, SetName},
};

/// Gossip that one command may cause. More than this reaches others by comparison, which costs
/// less than as many messages.
const GOSSIP_PER_COMMAND: usize = 64;

/// The last item of this device's chain.
type ChainEnd = Option<(u32, ItemId)>;
/// What writing one item comes to.
type Written = Result<(ItemId, Vec<Effect>), CommandRefusal>;

impl Engine {
    pub(super) fn write_into<L: Ledger>(
        &mut self,
        now: Millis,
        communities: &[CommunityId],
        draft: &Draft,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let communities = match self.destinations(communities, draft, ledger)? {
            Ok(communities) => communities,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Asked of all before anything is signed for any.
        for community in &communities {
            if let Err(refusal) = self.may_write(*community, draft, ledger)? {
                return Ok(Err(refusal));
            }
            if let Err(refusal) = self.may_write_more(now, *community, 1, ledger)? {
                return Ok(Err(refusal));
            }
        }
        let mut effects = Vec::new();
        let mut items = Vec::new();
        for community in communities {
            match self.write(now, community, draft, ledger)? {
                Ok((item, written)) => {
                    items.push((item, community));
                    effects.extend(written);
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok((Answer::Items(items), effects)))
    }

    /// Where a draft goes: as asked; else to where its target or what it answers was written;
    /// else into the own space.
    fn destinations<L: Ledger>(
        &self,
        asked: &[CommunityId],
        draft: &Draft,
        ledger: &L,
    ) -> Result<Result<Vec<CommunityId>, CommandRefusal>, L::Error> {
        if !asked.is_empty() {
            let mut asked = asked.to_vec();
            asked.dedup();
            return Ok(Ok(asked));
        }
        Ok(match draft.target.or(draft.re.first().copied()) {
            Some(parent) => match self.readers_of(parent, ledger)?.first() {
                Some(community) => Ok(vec![*community]),
                None => Err(CommandRefusal::NoItem),
            },
            None => self.own_space().map(|own| vec![own]).ok_or(CommandRefusal::NoCommunity),
        })
    }

    /// The communities of this node whose members read an item: first its own, then those that it was carried into.
    fn readers_of<L: Ledger>(&self, id: ItemId, ledger: &L) -> Result<Vec<CommunityId>, L::Error> {
        let Some(item) = item(ledger, id)? else { return Ok(Vec::new()) };
        let own = item.header.community;
        let mut readers: Vec<CommunityId> = self.communities.contains_key(&own).then_some(own).into_iter().collect();
        for community in self.communities.keys().copied() {
            if !ledger.envelopes_of(community, id)?.is_empty() {
                readers.push(community);
            }
        }
        Ok(readers)
    }

    /// Whether what stewards say of something, and what is recommended, has a target there.
    fn may_name<L: Ledger>(
        &self,
        standing: &Standing,
        draft: &Draft,
        ledger: &L,
    ) -> Result<Result<(), CommandRefusal>, L::Error> {
        let community = standing.id();
        if !matches!(draft.kind(), Kind::ENDORSEMENT | Kind::LABEL | Kind::RECALL) {
            return Ok(Ok(()));
        }
        let Some(target) = draft.target else { return Ok(Err(CommandRefusal::Field("it has no target"))) };
        let is_read = self.readers_of(target, ledger)?.contains(&community);
        Ok(match draft.kind() {
            Kind::LABEL => {
                let carried = envelope(ledger, EnvelopeId(target.0))?;
                if is_read || carried.is_some_and(|carried| carried.to == community) {
                    Ok(())
                } else {
                    Err(CommandRefusal::NoItem)
                }
            }
            Kind::RECALL => match item(ledger, target)? {
                Some(target) if target.header.community == community => Ok(()),
                Some(_) => Err(CommandRefusal::Field("only the community that it was written in calls an item back")),
                None if standing.state.links.iter().any(|link| link.id.0 == target.0) => Ok(()),
                None => Err(CommandRefusal::NoItem),
            },
            _ if is_read => Ok(()),
            _ => Err(CommandRefusal::NoItem),
        })
    }

    /// Whether this node's person may write the draft there.
    fn may_write<L: Ledger>(
        &self,
        community: CommunityId,
        draft: &Draft,
        ledger: &L,
    ) -> Result<Result<(), CommandRefusal>, L::Error> {
        let Some(standing) = self.standing(community) else { return Ok(Err(CommandRefusal::NoCommunity)) };
        let me = self.me.person();
        if let Err(refusal) = self.may_name(standing, draft, ledger)? {
            return Ok(Err(refusal));
        }
        let need = match (draft.kind().need(), draft.target) {
            (Some(need), _) => need,
            (None, Some(target)) => match item(ledger, target)? {
                Some(target) if target.header.author != me => return Ok(Err(CommandRefusal::NotAuthor)),
                Some(target) => target.header.kind.need().unwrap_or(Role::Peripheral),
                None => return Ok(Err(CommandRefusal::NoItem)),
            },
            (None, None) => return Ok(Err(CommandRefusal::Field("an edit or tombstone has a target"))),
        };
        // A tombstone is its author's right, whatever role is left (T4).
        if draft.kind() == Kind::TOMBSTONE {
            return Ok(Ok(()));
        }
        let author = (me, self.me.device.public());
        let heads = standing.heads_for(standing.state.grant(me, need));
        Ok(match standing.state.may_write(&standing.log, author, &heads, draft.scope, need) {
            Ok(Writing::Allowed) => Ok(()),
            // What is written now lies behind every end of a chain.
            Ok(Writing::OnChains(_)) => Err(CommandRefusal::RoleTooLow { need, have: standing.state.role(me) }),
            Err(WriteRefusal::RoleTooLow(need)) => {
                Err(CommandRefusal::RoleTooLow { need, have: standing.state.role(me) })
            }
            Err(refusal) => Err(refusal.into()),
        })
    }

    /// Signs a draft for one community, at the end of this device's chain.
    pub(super) fn write<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        draft: &Draft,
        ledger: &L,
    ) -> Result<Written, L::Error> {
        let changes = draft.target.filter(|_| draft.kind().need().is_none());
        let changed = changes.map(|target| item(ledger, target)).transpose()?.flatten();
        let draft = match changed.map(|target| as_far_as(draft, &target.header)) {
            None => self.follow_on(community, draft, ledger)?,
            Some(Ok(change)) => Cow::Owned(change),
            Some(Err(refusal)) => return Ok(Err(refusal)),
        };
        let end = ledger.chain_end(community, draft.scope, self.me.device.public())?;
        let position = item_position(draft.kind(), now, draft.target, ledger)?;
        let (header, mut effects) = match self.sign((now, position), community, &draft, end) {
            Ok(signed) => signed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        effects.extend(self.note_sequels(community, (header.0, &header.1), ledger)?);
        Ok(Ok((header.0, effects)))
    }

    /// A label names those that it follows on (T5); it and an endorsement are for those who read their target.
    fn follow_on<'a, L: Ledger>(
        &self,
        community: CommunityId,
        draft: &'a Draft,
        ledger: &L,
    ) -> Result<Cow<'a, Draft>, L::Error> {
        let (Some(target), Some(standing)) = (draft.target, self.standing(community)) else {
            return Ok(Cow::Borrowed(draft));
        };
        if !matches!(draft.kind(), Kind::LABEL | Kind::ENDORSEMENT) {
            return Ok(Cow::Borrowed(draft));
        }
        let mut named = draft.clone();
        if let Some(target) = item(ledger, target)? {
            named.scope = target.header.scope;
        }
        if draft.kind() == Kind::LABEL {
            let known = labels_of(&standing.log, target, ledger)?;
            let known = known.into_iter().map(|(label, _)| label.id).take(limits::REFERENCES).collect();
            named.re = List::new(known).unwrap_or_default();
        }
        Ok(Cow::Owned(named))
    }

    /// Signs a draft as the item after `end`, which stands in its set at a position.
    pub(super) fn sign(
        &mut self,
        (now, position): (Millis, Position),
        community: CommunityId,
        draft: &Draft,
        end: ChainEnd,
    ) -> Result<((ItemId, Header), Vec<Effect>), CommandRefusal> {
        let device = self.me.device.clone();
        let mut effects = self.merge_heads(now, community);
        let standing = self.standing(community).cloned().ok_or(CommandRefusal::NoCommunity)?;
        let (body, hash, length) = salted(self.random.bytes(), &draft.body.to_bytes()).map_err(Unsound::from)?;
        let need = draft.kind().need().unwrap_or(Role::Peripheral);
        let auth_heads = List::new(standing.heads_for(standing.state.grant(self.me.person(), need)))
            .map_err(|_| CommandRefusal::Field("more heads than an item names"))?;
        let header = Header {
            version: V1,
            kind: draft.kind(),
            community,
            author: self.me.person(),
            device: device.public(),
            seq: end.map_or(0, |(seq, _)| seq.saturating_add(1)),
            prev: end.map(|(_, id)| id),
            ts: now,
            auth_heads,
            scope: draft.scope,
            reach: reach_of(draft, &standing),
            re: draft.re.clone(),
            target: draft.target,
            tags: draft.tags.clone(),
            body_hash: hash,
            body_len: length,
        };
        let signed = SignedItem::seal(&header, &device).map_err(Unsound::from)?;
        let item = Item { id: signed.id(), header: header.clone(), signed };
        let id = item.id;
        self.sets.add(community, SetName::of(item.header.scope), position, &id.0);
        self.shares.kept(community, &item.header);
        let gossip = Gossip::Carry(Box::new(Carry::plain(item.signed.clone(), Some(body.clone()))));
        effects.extend([keep_item(community, item, body, &draft.body, now), Effect::Tell(Event::Item(community, id))]);
        effects.extend(self.publish_in(now, community, draft.scope, &gossip));
        Ok(((id, header), effects))
    }

    pub(super) fn import<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        bookmarks: &[(Draft, String)],
        dry_run: bool,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let (mut new, mut known) = (0u64, 0u64);
        if let Some((draft, _)) = bookmarks.first()
            && let Err(refusal) = self.may_write(community, draft, ledger)?
        {
            return Ok(Err(refusal));
        }
        let mut drafts = Vec::new();
        for (draft, address) in bookmarks {
            let me = self.me.person();
            drafts.extend(match ledger.bookmark(community, me, address)? {
                None => {
                    new = new.saturating_add(1);
                    Some(draft.clone())
                }
                Some(id) => {
                    known = known.saturating_add(1);
                    more_tags(id, draft, ledger)?
                }
            });
        }
        if let Err(refusal) = self.may_write_more(now, community, drafts.len(), ledger)? {
            return Ok(Err(refusal));
        }
        let mut effects = Vec::new();
        // What this import has written is not in the ledger yet.
        let mut end = ledger.chain_end(community, Scope::All, self.me.device.public())?;
        let many = drafts.len() > GOSSIP_PER_COMMAND;
        for (nth, draft) in drafts.into_iter().filter(|_| !dry_run).enumerate() {
            let quiet = nth >= GOSSIP_PER_COMMAND;
            let position = item_position(draft.kind(), now, draft.target, ledger)?;
            match self.sign((now, position), community, &draft, end) {
                Ok(((id, header), written)) => {
                    end = Some((header.seq, id));
                    effects.extend(written.into_iter().filter(|e| !quiet || !matches!(e, Effect::Publish { .. })));
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        if many && !dry_run {
            // Too many to tell one by one: others notice when they are asked to compare.
            effects.extend(self.round());
        }
        Ok(Ok((Answer::Imported { new, known }, effects)))
    }
}

/// Reach is signed, and stays 0 unless the author or the community's policy says otherwise (8.2).
fn reach_of(draft: &Draft, standing: &Standing) -> u8 {
    if draft.scope == Scope::Inner || standing.is_own_space() {
        return 0;
    }
    let default = standing.state.policy.get(&policy::DEFAULT_REACH).copied().unwrap_or(0);
    draft.reach.unwrap_or(u8::try_from(default).unwrap_or(0).min(limits::HOPS))
}

/// A change is for those who have what it changes, and reaches as far, or less far where its author says so.
fn as_far_as(draft: &Draft, changed: &Header) -> Result<Draft, CommandRefusal> {
    match draft.reach {
        Some(asked) if asked > changed.reach => {
            Err(CommandRefusal::Field("a change reaches no further than what it changes"))
        }
        asked => Ok(Draft { reach: asked.or(Some(changed.reach)), scope: changed.scope, ..draft.clone() }),
    }
}

/// An edit that adds the tags which a known bookmark lacks; none when it lacks none.
fn more_tags<L: Ledger>(id: ItemId, draft: &Draft, ledger: &L) -> Result<Option<Draft>, L::Error> {
    let Some(known) = item(ledger, id)? else { return Ok(None) };
    let mut latest = known.header.clone();
    for edit in ledger.changes(id, Kind::EDIT)? {
        if let Some(edit) = item(ledger, edit)?
            && edit.header.author == known.header.author
            && (edit.header.ts, edit.id) > (latest.ts, id)
        {
            latest = edit.header;
        }
    }
    let mut tags: Vec<Tag> = latest.tags.to_vec();
    tags.extend(draft.tags.iter().filter(|tag| !latest.tags.contains(tag)).cloned());
    tags.truncate(limits::TAGS);
    if tags.len() == latest.tags.len() {
        return Ok(None);
    }
    let Some(body) = ledger.body(&known)? else { return Ok(None) };
    let Ok(Body::Bookmark(_)) = known.body(&body) else { return Ok(None) };
    let Some(Ok(body)) = body.as_slice().get(16..).map(|b| crate::bytes::Blob::new(b.to_vec())) else {
        return Ok(None);
    };
    let mut edit = Draft::new(Body::Edit(Edit { version: V1, body }));
    edit.target = Some(id);
    edit.tags = List::new(tags).unwrap_or_default();
    edit.reach = Some(known.header.reach);
    Ok(Some(edit))
}

/// Keeps an item of the community that it was written in.
pub(super) fn keep_item(community: CommunityId, item: Item, body: SaltedBody, says: &Body, received: Millis) -> Effect {
    let address = match says {
        Body::Bookmark(bookmark) => crate::url::normalise(bookmark.url.as_str()).ok(),
        _ => None,
    };
    Effect::Keep(Keep::Item { read_in: community, item: Box::new(item), body, received, by: None, address })
}

/// A kept item, read.
pub(super) fn item<L: Ledger>(ledger: &L, id: ItemId) -> Result<Option<Item>, L::Error> {
    // What was kept was checked; damage is found by the store's own verification.
    Ok(ledger.item(id)?.and_then(|signed| signed.trusted().ok()))
}

/// A kept envelope, read.
pub(super) fn envelope<L: Ledger>(ledger: &L, id: EnvelopeId) -> Result<Option<Envelope>, L::Error> {
    Ok(ledger.envelope(id)?.and_then(|kept| kept.signed.read().ok()))
}
