//! Letting newcomers in, and being let in (section 5, 7.3).
//!
//! The inviter is not involved: any member verifies the invite from its own log, checks its own
//! clock, signs the Admit and hands over what a newcomer needs to go on alone.

use super::{
    Answer, CommandRefusal, Done, Effect, Engine, Event, Keep, Look, PeerName, Standing,
    session::{Peer, Question, refused},
};
use crate::{
    authority::{Body, Role, policy},
    bytes::Blob,
    community::Community,
    encoding::{decode, encode},
    hello::{Handover, JoinRequest, Preview, PreviewRequest, Transcript, same_tag},
    id::{CertId, CommunityId, OpId, PersonId},
    invite::{CheckedJoin, InviteCert, InviteKey},
    item::{Body as ItemBody, Kind},
    ledger::{Ledger, PendingJoin},
    limits,
    link::Carry,
    signed::Verified,
    time::Millis,
    wire::{Admission, CommunityTag, Request, Response},
};

/// How long a look at a community is asked for: a minute.
const LOOK_MS: u64 = 60_000;

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
        let Some(identity) = self.me.key.clone() else { return Err(CommandRefusal::NoIdentityKey) };
        let join = key.join(self.joining_record(now), self.me.name.clone(), &identity, &self.me.device, now);
        let pending = PendingJoin { community, key: text, join };
        self.pending.insert(community, pending.clone());
        let mut effects = vec![Effect::Keep(Keep::Pending(pending))];
        effects.extend(self.ask_anew(community));
        Ok((Answer::Joining(community), effects))
    }

    /// The joins that wait for a member's answer. Those that were answered are kept until they are
    /// confirmed, to be presented again should the admission lapse (I5).
    pub(super) fn wanted_joins(&self) -> Vec<CommunityId> {
        let me = self.me.person();
        let out = |community: &&CommunityId| self.standing(**community).is_none_or(|s| !s.is_in(me));
        self.pending.keys().filter(out).copied().collect()
    }

    /// What a change of the log means for the join that brought this node's person here.
    pub(super) fn settle_join(&mut self, community: CommunityId) -> Vec<Effect> {
        let me = self.me.person();
        let Some(standing) = self.standing_mut(community) else { return Vec::new() };
        let (is_in, arriving) = (standing.is_in(me), standing.is_arriving(me));
        let was_in = std::mem::replace(&mut standing.was_in, is_in);
        let confirmed = standing.state.members.get(&me).is_some_and(|member| member.confirmed);
        let mut effects = Vec::new();
        if !self.pending.contains_key(&community) {
            return effects;
        }
        if is_in && !was_in {
            effects.push(Effect::Tell(Event::Joined(community)));
        }
        // Nothing to present again: it hangs on a steward's grant now, or it was taken away.
        if (is_in && confirmed) || (was_in && !is_in && !arriving) {
            self.pending.remove(&community);
            effects.push(Effect::Keep(Keep::Settled(community)));
        } else if was_in && arriving {
            effects.push(Effect::Tell(Event::Lapsed(community)));
            effects.extend(self.ask_anew(community));
        }
        effects
    }

    /// Presents a join to whoever is connected, whatever they answered before, and looks for others.
    fn ask_anew(&mut self, community: CommunityId) -> Vec<Effect> {
        for peer in self.peers.values_mut() {
            peer.answered_joins.remove(&community);
        }
        let mut effects = self.ask_others(None, community);
        effects.extend(self.redial());
        effects
    }

    /// Forgets what has had its time: a look that nobody answered, and joins that brought us in and
    /// whose invite admits nobody any more.
    pub(super) fn forget_expired(&mut self, now: Millis) -> Vec<Effect> {
        self.looking.take_if(|(_, until)| now > *until);
        let wanted = self.wanted_joins();
        let expired =
            |pending: &PendingJoin| InviteKey::from_text(&pending.key).is_ok_and(|key| now > key.cert.value.not_after);
        let settled = self.pending.iter().filter(|(of, pending)| !wanted.contains(of) && expired(pending));
        let settled: Vec<CommunityId> = settled.map(|(of, _)| *of).collect();
        settled.iter().for_each(|of| drop(self.pending.remove(of)));
        settled.into_iter().map(|of| Effect::Keep(Keep::Settled(of))).collect()
    }

    /// A member does not let us in: the next one is asked. Who has done enough for today may be asked
    /// again.
    pub(super) fn not_admitted(&mut self, peer: &PeerName, community: CommunityId, why: &str) -> Vec<Effect> {
        if why != "busy"
            && let Some(state) = self.peers.get_mut(peer)
        {
            state.answered_joins.insert(community);
        }
        let mut effects = vec![Effect::Tell(Event::JoinRefused(community, why.to_owned()))];
        effects.extend(self.ask_others(Some(peer), community));
        effects
    }

    /// Presents a join to a member who has not answered it: other than the one that does not let us in,
    /// or that has gone.
    pub(super) fn ask_others(&mut self, than: Option<&PeerName>, community: CommunityId) -> Vec<Effect> {
        let asks = |(name, state): &(&PeerName, &Peer)| {
            let had = state.answered_joins.contains(&community) || state.unanswered_joins.contains(&community);
            than != Some(*name) && !had
        };
        let others: Vec<PeerName> = self.peers.iter().filter(asks).map(|(name, _)| name.clone()).collect();
        let present =
            |peer: &PeerName| self.ask_at_once(peer, |engine, under| engine.present_join(peer, under, community));
        others.iter().filter_map(present).collect()
    }

    /// Asks under the transcript that there is. Where there is none a hello comes first, and `show_tags`
    /// then asks all that waits.
    fn ask_at_once(
        &mut self,
        peer: &PeerName,
        ask: impl FnOnce(&mut Engine, &Transcript) -> Option<Effect>,
    ) -> Option<Effect> {
        let mut questions = self.peers.get(peer)?.questions.values();
        if questions.any(|question| matches!(question, Question::Hello)) {
            return None;
        }
        match self.asking(peer) {
            Some(transcript) => ask(self, &transcript),
            None => self.hello(peer),
        }
    }

    pub(super) fn cancel_join(&mut self, community: CommunityId) -> Done {
        match self.wanted_joins().contains(&community).then(|| self.pending.remove(&community)).flatten() {
            Some(_) => Ok((Answer::Done, vec![Effect::Keep(Keep::Settled(community))])),
            None => Err(CommandRefusal::NotFound),
        }
    }

    /// 7.3, asking: the join, sealed to those who know the community. Also where our own log says
    /// that we are in, as long as no steward has confirmed it: whoever has not heard of the
    /// admission, or knows that it lapsed, admits again (I5).
    pub(super) fn present_join(
        &mut self,
        peer: &PeerName,
        transcript: &Transcript,
        community: CommunityId,
    ) -> Option<Effect> {
        // One member after the other: each that lets us in writes it into the log.
        let asking = |question: &Question| matches!(question, Question::Join(of) if *of == community);
        let elsewhere = self.peers.values().any(|state| state.questions.values().any(asking));
        if elsewhere || self.peers.get(peer)?.answered_joins.contains(&community) {
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
        // Anybody can sign an invite to a community whose id they know.
        if !standing.log.knows_inviter(&cert) {
            return Ok(silent);
        }
        let person = join.person.id;
        if standing.state.role(person) > Role::None {
            // Admitted before: the answer got lost on the way, or came from somebody else. If the
            // newcomer knows another log by now, a sealed hello reaches them (7.4).
            let met = self.note_met(peer, community, person, join.device);
            let admit = admit_of(&standing, person);
            return Ok((self.admission(&standing, &transcript, &join, admit), met.into_iter().collect()));
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
        // A newcomer is given a key that is good to write under.
        effects.extend(self.renew_epochs(now, community));
        effects.extend(self.note_met(peer, community, person, join.device));
        effects.extend(self.follow_log(now, community, ledger)?);
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
        let policy =
            standing.state.policy.get(&policy::ADMITS_DAY).map(|most| usize::try_from(*most).unwrap_or(usize::MAX));
        if self.admissions.1 >= policy.unwrap_or(usize::MAX).min(limits::ADMISSIONS_PER_DAY) {
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
        let Some(handover) = self.handover(community, (join.person.id, join.device, cert.kem)) else {
            return refused("busy");
        };
        let admission = Admission { genesis: handover.genesis, admit, keys: handover.keys };
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
        let admission =
            opened.filter(|a| Community::check(a.genesis.clone()).is_ok_and(|founded| founded.id == community));
        let handed = admission.and_then(|a| self.take_over(&Handover { genesis: a.genesis, keys: a.keys }));
        let Some(mut effects) = handed else {
            return vec![Effect::Tell(Event::Refused("bad_admission"))];
        };
        if let Some(state) = self.peers.get_mut(peer) {
            state.answered_joins.insert(community);
        }
        // Now there is a key by which we share the community. A hello that is under way will find it
        // when the peer's tags come; else a new one does.
        effects.extend(self.greet(peer));
        effects
    }

    // ---- looking before joining (7.3)

    pub(super) fn look(&mut self, now: Millis, key: &InviteKey) -> Done {
        self.looking = Some((key.clone(), now.after(LOOK_MS)));
        let peers: Vec<PeerName> = self.peers.keys().cloned().collect();
        let look = |peer: &PeerName| self.ask_at_once(peer, |engine, under| engine.look_at(peer, under));
        let mut effects: Vec<Effect> = peers.iter().filter_map(look).collect();
        effects.extend(self.redial());
        Ok((Answer::Looking(key.community), effects))
    }

    pub(super) fn look_at(&mut self, peer: &PeerName, transcript: &Transcript) -> Option<Effect> {
        let (key, _) = self.looking.as_ref()?;
        let community = key.community;
        let sealed = PreviewRequest::seal(transcript, community, key.cert.signed.clone(), &key.secret());
        let request = Request::Preview(transcript.join_tag(community), Blob::new(sealed).ok()?);
        Some(self.ask(peer, Question::Preview(community), request))
    }

    /// What a holder of an invite may see: name, charter, size. Silent until the invite's signature
    /// over this connection holds.
    pub(super) fn answer_look<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        tag: CommunityTag,
        sealed: &[u8],
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let silent = Ok(refused("unknown"));
        let Some(transcript) = self.answering(peer) else { return silent };
        let Some(standing) = self.communities.values().find(|s| same_tag(&transcript.join_tag(s.id()), &tag)).cloned()
        else {
            return silent;
        };
        let community = standing.id();
        let Ok(request) = PreviewRequest::open(sealed, &transcript, community) else { return silent };
        let Ok(cert) = Verified::<InviteCert>::check(request.cert) else { return silent };
        if !standing.log.knows_inviter(&cert) {
            return silent;
        }
        if let Err(name) = self.may_admit(now, &standing, &cert) {
            return Ok(refused(name));
        }
        let charter = match ledger.charter(community)? {
            Some(id) => self.plain_carry(id, ledger)?.and_then(|carry| Blob::new(carry.to_bytes()).ok()),
            None => None,
        };
        let members = u32::try_from(standing.state.current().count()).unwrap_or(u32::MAX);
        let preview = Preview { genesis: standing.log.community().signed.clone(), charter, members };
        let sealed = transcript.join_key(community).seal(&encode(&preview), &[]);
        Ok(Blob::new(sealed).map_or_else(|_| refused("busy"), Response::Preview))
    }

    /// The genesis is checked against the key that was pasted; the charter is shown if a founder
    /// wrote it, since nothing here proves who else is a steward.
    pub(super) fn looked(&mut self, peer: &PeerName, community: CommunityId, sealed: &[u8]) -> Vec<Effect> {
        let Some(transcript) = self.asking(peer) else { return Vec::new() };
        let opened = transcript.join_key(community).open(sealed, &[]).ok();
        let preview = opened.and_then(|bytes| decode::<Preview>(&bytes, limits::PREVIEW_BYTES).ok());
        let founded = preview.as_ref().and_then(|preview| Community::check(preview.genesis.clone()).ok());
        let (Some(preview), Some(founded)) = (preview, founded.filter(|founded| founded.id == community)) else {
            return vec![Effect::Tell(Event::Refused("bad_preview"))];
        };
        self.looking = None;
        let carry = preview.charter.and_then(|bytes| Carry::from_bytes(bytes.as_slice()).ok());
        let carry = carry.and_then(|carry| super::CheckedCarry::check(carry).ok());
        let by_founder = carry.filter(|carry| {
            let header = &carry.item.header;
            let founder = founded.founders.iter().find(|founder| founder.id == header.author);
            header.community == community
                && header.kind == Kind::CHARTER
                && founder.is_some_and(|founder| founder.device(header.device).is_some())
        });
        let charter = by_founder.and_then(|carry| match carry.body {
            Some((_, ItemBody::Charter(charter))) => Some(charter),
            _ => None,
        });
        let name = founded.genesis.name.as_str().to_owned();
        vec![Effect::Tell(Event::Looked(Box::new(Look { community, name, charter, members: preview.members })))]
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
