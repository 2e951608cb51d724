//! Letting newcomers in, and being let in (section 5, 7.3).
//!
//! The inviter is not involved: any member verifies the invite from its own log, checks its own
//! clock, signs the Admit and hands over what a newcomer needs to go on alone.

use std::sync::Arc;

use super::{
    Answer, CommandRefusal, Done, Effect, Engine, Event, Keep, PeerName, Standing,
    session::{Question, refused},
};
use crate::{
    authority::{Body, Role},
    bytes::{Blob, List},
    community::Community,
    encoding::{decode, encode},
    epoch::{seal_to, sealing_info},
    hello::{JoinRequest, Transcript, same_tag},
    id::{CertId, CommunityId, OpId, PersonId},
    invite::{CheckedJoin, InviteCert, InviteKey},
    ledger::{Ledger, PendingJoin},
    limits,
    signed::Verified,
    time::Millis,
    wire::{Admission, CommunityTag, Request, Response},
};

impl Engine {
    pub(super) fn ask_to_join(&mut self, now: Millis, key: &InviteKey, text: String) -> Done {
        let community = key.community;
        let me = self.me.person();
        if self.standing(community).is_some_and(|s| s.state.role(me) > Role::None) {
            return Err(CommandRefusal::AlreadyMember);
        }
        if self.communities.len() >= limits::COMMUNITIES {
            return Err(CommandRefusal::TooManyCommunities);
        }
        if now > key.cert.value.not_after {
            return Err(CommandRefusal::InviteExpired);
        }
        if now.after(limits::FUTURE_MS) < key.cert.value.not_before {
            return Err(CommandRefusal::InviteTooEarly);
        }
        let join = key.join(self.me.record.clone(), self.me.name.clone(), &self.me.key, &self.me.device, now);
        let pending = PendingJoin { community, key: text, join };
        self.pending.insert(community, pending.clone());
        let mut effects = vec![Effect::Keep(Keep::Pending(pending))];
        let peers: Vec<PeerName> = self.peers.keys().cloned().collect();
        for peer in peers {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.answered_joins.remove(&community);
            }
            effects.extend(self.greet(&peer));
        }
        effects.extend(self.redial());
        Ok((Answer::Joining(community), effects))
    }

    pub(super) fn cancel_join(&mut self, community: CommunityId) -> Done {
        match self.pending.remove(&community) {
            Some(_) => Ok((Answer::Done, vec![Effect::Keep(Keep::Settled(community))])),
            None => Err(CommandRefusal::NotFound),
        }
    }

    /// 7.3, asking: the join, sealed to those who know the community.
    pub(super) fn present_join(
        &mut self,
        peer: &PeerName,
        transcript: &Transcript,
        community: CommunityId,
    ) -> Option<Effect> {
        let inside = self.standing(community).is_some_and(|s| s.state.role(self.me.person()) > Role::None);
        if inside || self.peers.get(peer)?.answered_joins.contains(&community) {
            return None;
        }
        let pending = self.pending.get(&community)?;
        let key = InviteKey::from_text(&pending.key).ok()?;
        let sealed =
            JoinRequest::seal(transcript, community, key.cert.signed.clone(), pending.join.clone(), &key.secret());
        let request = Request::Join(transcript.join_tag(community), Blob::new(sealed).ok()?);
        Some(self.ask(peer, Question::Join(community), request))
    }

    /// I3: a member verifies from its own log, checks its own clock, signs and hands over. Silent
    /// until the invite's signature over this connection holds (7.3).
    pub(super) fn answer_join<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        tag: CommunityTag,
        sealed: &[u8],
        ledger: &L,
    ) -> Result<(Response, Vec<Effect>), L::Error> {
        let silent = (refused("unknown"), Vec::new());
        let Some(transcript) = self.answering(peer) else { return Ok(silent) };
        let Some(standing) = self.communities.values().find(|s| same_tag(&transcript.join_tag(s.id()), &tag)).cloned()
        else {
            return Ok(silent);
        };
        let community = standing.id();
        let Ok(request) = JoinRequest::open(sealed, &transcript, community) else { return Ok(silent) };
        let Ok(cert) = Verified::<InviteCert>::check(request.cert.clone()) else { return Ok(silent) };
        let Ok(join) = CheckedJoin::check(request.join.clone(), Some(&cert)) else { return Ok(silent) };
        let person = join.person.id;
        if standing.state.role(person) > Role::None {
            // Admitted before: the answer got lost on the way.
            return Ok((self.admission(&standing, &transcript, &join, admit_of(&standing, person)), Vec::new()));
        }
        if let Err(name) = self.may_admit(now, &standing, &cert) {
            return Ok((refused(name), Vec::new()));
        }
        let body = Body::Admit(request.cert, request.join);
        let (admit, mut effects) = match self.act(now, community, Role::Member, body) {
            Ok(acted) => acted,
            Err(CommandRefusal::Inert) => return Ok((refused("invite_void"), Vec::new())),
            Err(refusal) => return Ok((refused(refusal.name()), Vec::new())),
        };
        self.admissions.1 = self.admissions.1.saturating_add(1);
        effects.extend(self.authority_changed(now, community, ledger)?);
        let Some(standing) = self.standing(community).cloned() else { return Ok(silent) };
        Ok((self.admission(&standing, &transcript, &join, Some(admit)), effects))
    }

    /// What an invite's use depends on here and now, by name.
    fn may_admit(&mut self, now: Millis, standing: &Standing, cert: &Verified<InviteCert>) -> Result<(), &'static str> {
        let says = &cert.value;
        let me = self.me.person();
        if standing.is_own_space() || standing.state.grant(me, Role::Member).is_none() {
            return Err("unknown");
        }
        if now > says.not_after {
            return Err("invite_expired");
        }
        if now.after(limits::FUTURE_MS) < says.not_before {
            return Err("invite_too_early");
        }
        if says.only.is_some_and(|only| only != me) {
            return Err("invite_for_another_admitter");
        }
        if let Some(invite) = standing.state.invites.get(&CertId::from(cert.id())) {
            if invite.ended {
                return Err("invite_ended");
            }
            if u32::try_from(invite.admitted.len()).unwrap_or(u32::MAX) >= says.max_uses {
                return Err("invite_used_up");
            }
        }
        if standing.state.role(says.inviter) < Role::Core {
            return Err("inviter_lost_role");
        }
        if self.admissions.0 != now.day() {
            self.admissions = (now.day(), 0);
        }
        if self.admissions.1 >= limits::ADMISSIONS_PER_DAY {
            return Err("busy");
        }
        Ok(())
    }

    fn admission(
        &mut self,
        standing: &Standing,
        transcript: &Transcript,
        join: &CheckedJoin,
        admit: Option<OpId>,
    ) -> Response {
        let (Some(admit), Some(cert)) = (admit, join.person.device(join.device)) else { return refused("unknown") };
        let community = standing.id();
        let mut keys = Vec::new();
        for (epoch, key) in standing.keys_for(standing.state.role(join.person.id)) {
            let info = sealing_info(community, &[epoch]);
            if let Ok(sealed) = seal_to(join.device, &cert.kem, &key, &info, &mut self.random) {
                keys.push((epoch, sealed));
            }
        }
        let Ok(keys) = List::new(keys) else { return refused("busy") };
        let admission = Admission { genesis: standing.log.community().signed.clone(), admit, keys };
        Blob::new(transcript.join_key(community).seal(&encode(&admission), &[]))
            .map_or_else(|_| refused("busy"), Response::Join)
    }

    /// I4: the genesis must be the one in the pasted key; the log, which is fetched next, must
    /// make our own Admit effective.
    pub(super) fn admitted(&mut self, peer: &PeerName, community: CommunityId, sealed: &[u8]) -> Vec<Effect> {
        if !self.pending.contains_key(&community) {
            return Vec::new();
        }
        let Some(transcript) = self.asking(peer) else { return Vec::new() };
        let opened = transcript
            .join_key(community)
            .open(sealed, &[])
            .ok()
            .and_then(|bytes| decode::<Admission>(&bytes, 64 * 1024).ok());
        let checked = opened.and_then(|admission| Some((Community::check(admission.genesis.clone()).ok()?, admission)));
        let Some((founded, admission)) = checked.filter(|(founded, _)| founded.id == community) else {
            return vec![Effect::Tell(Event::Refused("bad_admission"))];
        };
        if let Some(state) = self.peers.get_mut(peer) {
            state.answered_joins.insert(community);
        }
        let mut effects = Vec::new();
        // Who left and comes back has the log up to then.
        let mut standing = self.standing(community).map(|standing| Standing::clone(standing)).unwrap_or_else(|| {
            effects.push(Effect::Keep(Keep::Community(community, founded.signed.clone())));
            Standing::new(founded, self.me.person())
        });
        for (epoch, sealed) in &admission.keys {
            if let Ok(key) = self.me.sealing.open(sealed, &sealing_info(community, &[*epoch])) {
                effects.push(Effect::Keep(Keep::EpochKey(community, *epoch, *key.as_bytes())));
                standing.keys.insert(*epoch, key);
            }
        }
        self.communities.insert(community, Arc::new(standing));
        // Now there is a key by which we share the community. A hello that is under way will find it
        // when the peer's tags come; else a new one does.
        effects.extend(self.greet(peer));
        effects
    }
}

fn admit_of(standing: &Standing, person: PersonId) -> Option<OpId> {
    standing
        .log
        .operations()
        .find(|place| match &place.operation.body {
            Body::Admit(_, join) => join.read::<crate::invite::Join>().is_ok_and(|j| j.person.id() == person),
            _ => false,
        })
        .map(|place| place.id)
}
