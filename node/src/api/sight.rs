//! What a handler sees when it looks: the store and the engine's picture of the communities, both
//! as of one moment, and what people and places are called.
//!
//! Leaves to others: finding what somebody typed ([`super::resolve`]) and JSON ([`super::view`]).

use std::{collections::BTreeMap, sync::Arc};

use hearth_protocol::{
    authority::Role,
    engine::Standing,
    id::{CommunityId, PersonId},
    item::{Body, Charter, Item, Kind, Profile},
};

use super::error::{Answered, ApiError};
use crate::{
    handle::Snapshot,
    store::{Overlay, Reader},
};

/// Digits of an id that stand for a name where there is none.
const SHORT_ID: usize = 10;

/// One look at the node.
pub(super) struct Sight<'a> {
    pub(super) store: Overlay<'a>,
    pub(super) reader: &'a Reader,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) me: PersonId,
}

impl<'a> Sight<'a> {
    pub(super) fn new(reader: &'a Reader, snapshot: Arc<Snapshot>, me: PersonId) -> Sight<'a> {
        Sight { store: Overlay::new(reader), reader, snapshot, me }
    }

    /// All communities of this node, the own space among them.
    pub(super) fn communities(&self) -> Vec<CommunityId> {
        self.snapshot.communities.keys().copied().collect()
    }

    /// Those of which this node's person is a steward.
    pub(super) fn stewarded(&self) -> Vec<CommunityId> {
        let is_steward = |standing: &Standing| standing.state.role(self.me) == Role::Steward;
        self.snapshot.communities.iter().filter(|(_, standing)| is_steward(standing)).map(|(id, _)| *id).collect()
    }

    /// A community that was resolved from this very picture.
    pub(super) fn standing(&self, community: CommunityId) -> Answered<&Standing> {
        let found = self.snapshot.communities.get(&community).map(AsRef::as_ref);
        found.ok_or_else(|| ApiError::from(hearth_protocol::engine::CommandRefusal::NoCommunity))
    }

    /// What a community is called, where it is one of ours.
    pub(super) fn community_name(&self, community: CommunityId) -> Option<&str> {
        self.snapshot.communities.get(&community).map(|standing| standing.name())
    }

    /// What a person is called in the first of these communities that knows them.
    pub(super) fn person_name(&self, person: PersonId, communities: &[CommunityId]) -> Option<&str> {
        communities.iter().find_map(|community| self.snapshot.communities.get(community)?.name_of(person))
    }

    /// What an item's author is called where the item is read, else where it was written, else by
    /// the id: the author of a relayed item is in no log that its readers have.
    pub(super) fn author_name(&self, read_in: CommunityId, item: &Item) -> String {
        let name = self.person_name(item.header.author, &[read_in, item.header.community]);
        name.map_or_else(|| short(&item.header.author.to_string()), str::to_owned)
    }

    /// The newest profile of each person in a community.
    pub(super) fn profiles(&self, community: CommunityId) -> Answered<BTreeMap<PersonId, Profile>> {
        let all = self.store.latest_of(community, Kind::PROFILE)?;
        // Oldest first, so the newest stays.
        Ok(all
            .into_iter()
            .filter_map(
                |(item, body)| {
                    if let Body::Profile(profile) = body { Some((item.header.author, profile)) } else { None }
                },
            )
            .collect())
    }

    /// The newest charter of a community.
    pub(super) fn charter(&self, community: CommunityId) -> Answered<Option<Charter>> {
        let all = self.store.latest_of(community, Kind::CHARTER)?;
        Ok(all
            .into_iter()
            .rev()
            .find_map(|(_, body)| if let Body::Charter(charter) = body { Some(charter) } else { None }))
    }
}

/// The first digits of an id.
pub(super) fn short(id: &str) -> String {
    id.chars().take(SHORT_ID).collect()
}
