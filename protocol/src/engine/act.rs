//! Signing an operation of a community's authority log, as this node's person.

use std::sync::Arc;

use super::{CommandRefusal, Effect, Engine, Event, Keep, Standing};
use crate::{
    authority::{Body, Grant, Operation, Role},
    bytes::List,
    epoch::{EpochBlob, Scope},
    id::{CommunityId, OpId},
    key::SecretKey,
    limits,
    signed::Verified,
    time::Millis,
    wire::{Gossip, SetName},
};

/// What a change of a log comes to: the operation, and the effects that carry it out.
pub(super) type Acted = Result<(OpId, Vec<Effect>), CommandRefusal>;

impl Engine {
    /// Signs an operation under the strongest grant, if it would have effect.
    pub(super) fn act(&mut self, now: Millis, community: CommunityId, need: Role, body: Body) -> Acted {
        self.act_with(now, community, need, body, None)
    }

    /// The same, with the blob of an Epoch's sealed keys.
    pub(super) fn act_with(
        &mut self,
        now: Millis,
        community: CommunityId,
        need: Role,
        body: Body,
        blob: Option<&EpochBlob>,
    ) -> Acted {
        let me = self.me.person();
        let standing = self.standing(community).ok_or(CommandRefusal::NoCommunity)?;
        let have = standing.state.role(me);
        let auth = standing.state.grant(me, need).ok_or(CommandRefusal::RoleTooLow { need, have })?;
        if standing.is_own_space() && !matches!(body, Body::Epoch(_) | Body::Merge) {
            return Err(CommandRefusal::OwnSpace);
        }
        let device = self.me.device.clone();
        self.sign_operation(now, community, auth, &device, body, blob)
    }

    /// Signs what this person's identity key says of their devices (section 10).
    pub(super) fn act_by_identity(&mut self, now: Millis, community: CommunityId, body: Body) -> Acted {
        let key = self.me.key.clone().ok_or(CommandRefusal::NoIdentityKey)?;
        let standing = self.standing(community).ok_or(CommandRefusal::NoCommunity)?;
        // Any grant of the person's will do, even one that was taken away.
        let auth = standing.state.first_grant(self.me.person()).ok_or(CommandRefusal::NoCommunity)?;
        self.sign_operation(now, community, auth, &key, body, None)
    }

    pub(super) fn sign_operation(
        &mut self,
        now: Millis,
        community: CommunityId,
        auth: Grant,
        signer: &SecretKey,
        body: Body,
        blob: Option<&EpochBlob>,
    ) -> Acted {
        let author = self.me.person();
        let standing = self.standing(community).ok_or(CommandRefusal::NoCommunity)?;
        // It is told under the key of before: whom it lowers learns of it, and who has to hear of
        // a new epoch has only the old key.
        let heard = match body {
            Body::Epoch(_) => standing.newest_key(Scope::All),
            _ => standing.writing_key(Scope::All),
        };
        let heard = heard.cloned();
        let parents = standing.parents();
        let lamport = parents
            .iter()
            .filter_map(|p| standing.log.get(*p))
            .map(|p| p.operation.lamport)
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        let parents = List::new(parents).map_err(|_| CommandRefusal::Field("a log has a head"))?;
        let device = signer.public();
        let operation = Operation { community, author, auth, device, lamport, ts: now, parents, body };
        let verified = Verified::seal(operation, &[signer]);
        let id = OpId::from(verified.id());
        let mut changed = Standing::clone(standing);
        changed.log.add(verified.clone(), now)?;
        changed.evaluate();
        changed.unjudged = true;
        if !changed.state.is_effective(&changed.log, id) {
            return Err(CommandRefusal::Inert);
        }
        self.sets.add(community, SetName::Operations, lamport.into(), &id.0);
        self.communities.insert(community, Arc::new(changed));
        let mut effects = vec![keep_operation(community, &verified), Effect::Tell(Event::Authority(community))];
        let gossip = match blob {
            Some(blob) => Gossip::Epoch(verified.signed, blob.clone()),
            None => Gossip::Operation(verified.signed),
        };
        effects.extend(heard.and_then(|key| self.publish(&key, &gossip)));
        effects.extend(self.listen(community));
        Ok((id, effects))
    }

    /// Joins heads before something is written, where an item could not name them all (4.1).
    pub(super) fn merge_heads(&mut self, now: Millis, community: CommunityId) -> Vec<Effect> {
        if self.standing(community).is_none_or(|standing| standing.heads() <= limits::HEADS) {
            return Vec::new();
        }
        // Who may not merge names some of them.
        self.act(now, community, Role::Member, Body::Merge).map(|(_, effects)| effects).unwrap_or_default()
    }
}

/// Keeps an operation.
pub(super) fn keep_operation(community: CommunityId, operation: &Verified<Operation>) -> Effect {
    Effect::Keep(Keep::Operation {
        community,
        id: operation.id().into(),
        lamport: operation.value.lamport,
        signed: operation.signed.clone(),
    })
}
