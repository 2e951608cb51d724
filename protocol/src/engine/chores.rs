//! What a node does by itself, a while after it has become due: opening epochs, sealing leaves,
//! ending invites that have expired, confirming newcomers.
//!
//! Every node that may do a chore waits for a random while of its own and looks again then, so
//! that mostly one of them does it (4.1). Always true: a chore is carried out only while it is
//! still to be done.

use std::collections::BTreeSet;

use super::{Decided, Effect, Engine};
use crate::{
    authority::{Body, Role, Rule, Subject, policy},
    bytes::List,
    epoch::Scope,
    id::{CertId, CommunityId, OpId, PersonId},
    ledger::Ledger,
    limits,
    text::Text,
    time::Millis,
};

/// How long a node waits at most before it does what others could do as well: 10 minutes.
const WAIT_MS: u64 = 10 * 60 * 1000;
/// A member leaves it to stewards and core to open an epoch for half an hour (E3).
const MEMBER_WAIT_MS: u64 = 30 * 60 * 1000;
/// Those do it at once, but not all in the same moment.
const STEWARD_WAIT_MS: u64 = 2_000;
/// Newcomers that one node confirms in a day where the policy says nothing (B14).
const CONFIRMED_A_DAY: usize = 32;

/// One thing to be done in a community.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chore {
    /// Open an epoch: none is adequate, or the newest is too old (E3, E8).
    Epoch(Scope),
    /// Close what a leaver could still backdate (B12).
    Seal(PersonId),
    /// End an invite after its time (I6).
    EndInvite(CertId),
    /// Make somebody's standing hang on a steward's grant (B14).
    Confirm(PersonId),
}

impl Engine {
    /// Notes what has become due in a community, and forgets what is done. To be called when its
    /// log has changed, and every round.
    pub(super) fn plan_chores(&mut self, now: Millis, community: CommunityId) {
        let wanted: BTreeSet<Chore> = self.chores_of(now, community).into_iter().collect();
        self.chores.retain(|(of, chore), _| *of != community || wanted.contains(chore));
        for chore in wanted {
            let wait = self.longest_wait(community, &chore);
            let at = now.after(u64::from_le_bytes(self.random.bytes()).checked_rem(wait).unwrap_or(0));
            self.chores.entry((community, chore)).or_insert(at);
        }
    }

    /// When the next chore is due.
    pub(super) fn next_chore(&self) -> Option<Millis> {
        self.chores.values().min().copied()
    }

    /// Does what is due.
    pub(super) fn do_chores<L: Ledger>(&mut self, now: Millis, ledger: &L) -> Decided<L> {
        let due: Vec<(CommunityId, Chore)> =
            self.chores.iter().filter(|(_, at)| **at <= now).map(|(chore, _)| chore.clone()).collect();
        let mut effects = Vec::new();
        for (community, chore) in due {
            self.chores.remove(&(community, chore.clone()));
            // Somebody else may have been faster.
            if self.chores_of(now, community).contains(&chore) {
                effects.extend(self.do_chore(now, community, &chore, ledger)?);
            }
        }
        Ok(effects)
    }

    fn do_chore<L: Ledger>(&mut self, now: Millis, community: CommunityId, chore: &Chore, ledger: &L) -> Decided<L> {
        // What a role does not allow any more is left to others.
        Ok(match chore {
            Chore::Epoch(scope) => self.open_epoch(now, community, *scope).unwrap_or_default(),
            Chore::Seal(person) => {
                let sealed = self.rule(now, community, *person, Role::None, &Text::default(), ledger)?;
                sealed.map(|(_, effects)| effects).unwrap_or_default()
            }
            Chore::EndInvite(cert) => {
                let ended = self.act(now, community, Role::Core, Body::InviteEnd(*cert));
                ended.map(|(_, effects)| effects).unwrap_or_default()
            }
            Chore::Confirm(person) => self.confirm(now, community, *person),
        })
    }

    /// B14: a vouch, one subject each, with nothing else in it, so that a proof shows nobody else.
    pub(super) fn confirm(&mut self, now: Millis, community: CommunityId, person: PersonId) -> Vec<Effect> {
        let Ok(subjects) = List::new(vec![Subject::Person(person)]) else { return Vec::new() };
        let vouch = Rule {
            subjects,
            role: Role::Member,
            vouch: true,
            cut: None,
            feeds: List::none(),
            links: List::none(),
            reason: Text::default(),
        };
        self.act(now, community, Role::Steward, Body::Rule(vouch)).map(|(_, effects)| effects).unwrap_or_default()
    }

    fn longest_wait(&self, community: CommunityId, chore: &Chore) -> u64 {
        let me = self.me.person();
        let Some(standing) = self.standing(community) else { return WAIT_MS };
        match chore {
            Chore::Epoch(scope) if !standing.has_adequate_epoch(*scope) => {
                if standing.state.role(me) >= Role::Core {
                    STEWARD_WAIT_MS
                } else {
                    MEMBER_WAIT_MS
                }
            }
            Chore::Confirm(person) if standing.invited_by(*person) == Some(me) => 0,
            Chore::Epoch(_) | Chore::Confirm(_) | Chore::Seal(_) | Chore::EndInvite(_) => WAIT_MS,
        }
    }

    /// What is to be done here that this node may do.
    pub(super) fn chores_of(&self, now: Millis, community: CommunityId) -> Vec<Chore> {
        let me = self.me.person();
        let Some(standing) = self.standing(community) else { return Vec::new() };
        let state = &standing.state;
        // A device that is not certified yet, or was revoked, signs nothing.
        if state.device(me, self.me.device.public()).is_none() {
            return Vec::new();
        }
        let role = [Role::Steward, Role::Core, Role::Member].into_iter().find(|role| state.grant(me, *role).is_some());
        let Some(role) = role else { return Vec::new() };
        let mut chores = Vec::new();
        for scope in standing.scopes_in_use() {
            let made = |id: OpId| standing.log.get(id).map(|place| place.operation.ts);
            let adequate = state.epochs.iter().filter(|epoch| epoch.scope == scope && epoch.adequate);
            let newest = adequate.filter_map(|epoch| made(epoch.id)).max();
            if newest.is_none_or(|ts| now.since(ts) > limits::EPOCH_MS) {
                chores.push(Chore::Epoch(scope));
            }
        }
        if standing.is_own_space() {
            return chores;
        }
        if role == Role::Steward {
            chores.extend(self.seals(community));
            chores.extend(self.confirmations(now, community));
        }
        for (id, invite) in &state.invites {
            let Some(cert) = &invite.cert else { continue };
            let mine = role == Role::Steward || (role == Role::Core && cert.inviter == me);
            let open = !invite.ended && u32::try_from(invite.admitted.len()).unwrap_or(u32::MAX) < cert.max_uses;
            if mine && open && now > cert.not_after.after(limits::FUTURE_MS) {
                chores.push(Chore::EndInvite(*id));
            }
        }
        chores
    }

    /// B12: those who left, and whom this steward's ruling would reach.
    fn seals(&self, community: CommunityId) -> Vec<Chore> {
        let me = self.me.person();
        let Some(standing) = self.standing(community) else { return Vec::new() };
        let state = &standing.state;
        // Who comes back needs no seal; a steward is sealed by those above them.
        let reachable = |person: &PersonId| {
            *person != me
                && state.role(*person) == Role::None
                && state.is_unsealed(*person)
                && state.grant_over(&standing.log, me, *person, Role::None).is_some()
        };
        state.members.keys().copied().filter(reachable).map(Chore::Seal).collect()
    }

    /// B14: who came by one's own invite at once, others after some days, so many in a day.
    fn confirmations(&self, now: Millis, community: CommunityId) -> Vec<Chore> {
        let me = self.me.person();
        let Some(standing) = self.standing(community) else { return Vec::new() };
        let state = &standing.state;
        let per_day = state.policy.get(&policy::CONFIRM_PER_DAY).map(|n| usize::try_from(*n).unwrap_or(usize::MAX));
        if per_day == Some(0) {
            return Vec::new();
        }
        let waits: Vec<_> =
            state.current().filter(|(_, member)| member.role >= Role::Member && !member.confirmed).collect();
        let own = waits.iter().filter(|(person, _)| standing.invited_by(**person) == Some(me));
        let old = |member: &&(&PersonId, &crate::authority::Member)| {
            standing.invited_by(*member.0) != Some(me) && now.since(member.1.since) >= self.confirm_after_ms
        };
        if waits.is_empty() {
            return Vec::new();
        }
        let today = standing.confirmed_on(me, now.day());
        let left = per_day.unwrap_or(CONFIRMED_A_DAY).saturating_sub(today);
        own.chain(waits.iter().filter(old).take(left)).map(|(person, _)| Chore::Confirm(**person)).collect()
    }
}
