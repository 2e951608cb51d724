//! What this node's person does to a community's authority log: founding, inviting, admitting,
//! ruling, linking, leaving.

use std::{collections::BTreeSet, sync::Arc};

use super::{Answer, Command, CommandRefusal, Decided, Done, Effect, Engine, Keep, Standing, Ticket, own_space_name};
use crate::{
    authority::{Body, FeedEnd, Grant, LinkCut, LinkEnd, Role, Rule, Subject},
    bytes::List,
    community::{Community, Founder},
    epoch::Scope,
    id::{CertId, CommunityId, OpId, PersonId},
    invite::{Hint, InviteKey, InviteTerms},
    item::{Charter, Draft},
    ledger::Ledger,
    limits,
    link::{Direction, LinkTerms},
    text::Text,
    time::Millis,
};

impl Engine {
    pub(super) fn command<L: Ledger>(
        &mut self,
        now: Millis,
        ticket: Ticket,
        command: Command,
        ledger: &L,
    ) -> Decided<L> {
        let decided: Done = match command {
            Command::CreateCommunity { name, domain, parent } => {
                self.create_community(now, name, domain, parent, ledger)?
            }
            Command::Write { communities, draft } => self.write_into(now, &communities, &draft, ledger)?,
            Command::Import { community, bookmarks, dry_run } => {
                self.import(now, community, &bookmarks, dry_run, ledger)?
            }
            Command::Invite { community, role, uses, life_ms, only } => {
                self.invite(now, community, role, uses, life_ms, only)
            }
            Command::EndInvite { community, cert } => {
                self.act(now, community, Role::Core, Body::InviteEnd(cert)).map(done)
            }
            Command::Join(key, text) => self.ask_to_join(now, &key, text),
            Command::CancelJoin(community) => self.cancel_join(community),
            Command::Rule { community, person, role, reason } => {
                self.rule(now, community, person, role, &reason, ledger)?
            }
            Command::Propose { community, person, role, reason } => {
                self.propose(now, community, person, (role, reason), ledger)?
            }
            Command::Leave(community) => self.act(now, community, Role::Peripheral, Body::Leave).map(done),
            Command::Link(community, terms) => self.link(now, community, terms),
            Command::EndLink { community, link } => self.end_link(now, community, link, ledger)?,
            Command::Relay { item, to, note, summary, tags } => {
                self.relay(now, item, to, (note, summary, &tags), ledger)?
            }
            Command::Desk(command) => self.desk(now, command, ledger)?,
            Command::SetPolicy { community, key, value } => {
                self.act(now, community, Role::Steward, Body::Policy(key, value)).map(done)
            }
            Command::Preview(key) => self.look(now, &key),
            Command::Pair => self.make_pairing_code(now),
            Command::RevokeDevices { devices, since, next } => {
                self.revoke_devices(now, &devices, since, next.map(|next| *next), ledger)?
            }
            Command::TakeOver(handover) => self.take_over_own(&handover),
            Command::Ban(peer) => self.ban_by_hand(&peer),
            Command::Unban(peer) => self.unban(now, &peer),
            Command::Sync => Ok((Answer::Syncing(self.peers.len() as u64), self.round())),
        };
        Ok(match decided {
            Ok((answer, mut effects)) => {
                effects.push(Effect::Answer(ticket, Ok(answer)));
                effects
            }
            Err(refusal) => vec![Effect::Answer(ticket, Err(refusal))],
        })
    }

    fn create_community<L: Ledger>(
        &mut self,
        now: Millis,
        name: Text<{ limits::COMMUNITY_NAME_BYTES }>,
        domain: Text<4000>,
        parent: Option<CommunityId>,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let own = name.as_str() == own_space_name();
        if own && self.own_space().is_some() {
            return Ok(Err(CommandRefusal::Field("`mine` is the name of your own space")));
        }
        if self.communities.len() >= limits::COMMUNITIES {
            return Ok(Err(CommandRefusal::TooManyCommunities));
        }
        let (community, mut effects) = match self.found(now, name, parent) {
            Ok(founded) => founded,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if !own {
            let charter = Charter {
                version: crate::encoding::V1,
                domain,
                community: None,
                practice: None,
                norms: None,
                topics: List::none(),
                start_here: None,
                welcome: None,
            };
            match self.write(now, community, &Draft::new(crate::item::Body::Charter(charter)), ledger)? {
                Ok((_, written)) => effects.extend(written),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok((Answer::Community(community), effects)))
    }

    /// The genesis, and the first epoch.
    fn found(
        &mut self,
        now: Millis,
        name: Text<{ limits::COMMUNITY_NAME_BYTES }>,
        parent: Option<CommunityId>,
    ) -> Result<(CommunityId, Vec<Effect>), CommandRefusal> {
        let founder = Founder(self.founding_record(), self.me.name.clone());
        let community = Community::found(self.random.bytes(), name, founder, &self.me.device, parent, now)?;
        let id = community.id;
        let mut effects = vec![Effect::Keep(Keep::Community(id, community.signed.clone()))];
        self.communities.insert(id, Arc::new(Standing::new(community, self.me.names())));
        effects.extend(self.open_epoch(now, id, Scope::All)?);
        Ok((id, effects))
    }

    fn invite(
        &mut self,
        now: Millis,
        community: CommunityId,
        role: Role,
        uses: u32,
        life_ms: u64,
        only: Option<PersonId>,
    ) -> Done {
        let me = self.me.person();
        let standing = self.standing(community).ok_or(CommandRefusal::NoCommunity)?;
        if standing.is_own_space() {
            return Err(CommandRefusal::OwnSpace);
        }
        let refusal = CommandRefusal::RoleTooLow { need: Role::Core, have: standing.state.role(me) };
        let grant = standing.state.grant(me, Role::Core).ok_or(refusal)?;
        let hints = self.hints(standing)?;
        let terms = InviteTerms { role, max_uses: uses, only, not_before: now, not_after: now.after(life_ms) };
        let entropy = self.random.bytes();
        let key = InviteKey::create(community, (me, grant, &self.me.device), &terms, hints, entropy).map_err(
            |why| match why {
                crate::encoding::Malformed::Field(why) => CommandRefusal::Field(why),
                other => CommandRefusal::Unsound(other.into()),
            },
        )?;
        let id = CertId::from(key.cert.id());
        let keep = Effect::Keep(Keep::Invite(community, key.cert.signed.clone()));
        Ok((Answer::Invite(id, key.to_text()), vec![keep]))
    }

    /// This node first, then up to three other members, so that the key works while we sleep.
    pub(super) fn hints(&self, standing: &Standing) -> Result<List<Hint, 1, 4>, CommandRefusal> {
        let own = self.listening.as_ref().into_iter();
        let others = standing.book.iter().filter(|(peer, _)| **peer != self.me.peer).map(|(_, list)| list);
        let mut hints = Vec::new();
        for list in own.chain(others) {
            if let Some(address) = list.addresses.first() {
                hints.push(Hint(list.peer.clone(), address.clone()));
            }
        }
        hints.truncate(4);
        List::new(hints).map_err(|_| CommandRefusal::NoAddress)
    }

    pub(super) fn rule<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        person: PersonId,
        role: Role,
        reason: &Text<{ limits::REASON_BYTES }>,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let Some(standing) = self.standing(community).cloned() else { return Ok(Err(CommandRefusal::NoCommunity)) };
        let Some(member) = standing.state.members.get(&person) else { return Ok(Err(CommandRefusal::NoPerson)) };
        if role == Role::Member && member.role == Role::Member && !member.confirmed {
            // Nothing would be lowered or raised: what is meant is to confirm (B14).
            let effects = self.confirm(now, community, person);
            let refusal =
                CommandRefusal::RoleTooLow { need: Role::Steward, have: standing.state.role(self.me.person()) };
            return Ok(if effects.is_empty() { Err(refusal) } else { Ok((Answer::Role(role), effects)) });
        }
        let mut feeds = BTreeSet::new();
        let mut links = Vec::new();
        for device in &member.devices {
            for scope in [Scope::All, Scope::Inner] {
                if let Some((seq, id)) = ledger.chain_end(community, scope, device.device)? {
                    feeds.insert((device.device, scope, seq, id));
                }
            }
            for link in standing.state.links.iter().filter(|l| l.terms.names(person)) {
                let (from, to) = match link.terms.direction {
                    Direction::Out { .. } => (community, link.terms.other),
                    Direction::In { .. } => (link.terms.other, community),
                };
                if let Some((seq, id)) = ledger.relay_end(from, to, device.device)? {
                    links.push(LinkCut(link.id, device.device, seq, id));
                }
            }
        }
        links.truncate(16);
        let feeds: Vec<FeedEnd> = feeds
            .into_iter()
            .map(|(device, scope, seq, id)| FeedEnd(device, scope, seq, id))
            .take(limits::FEEDS)
            .collect();
        let is_lowered = role < Role::Member;
        let ruled = self.rule_with(now, community, person, (role, reason.clone()), feeds, links);
        let Ok((answer, mut effects)) = ruled else { return Ok(ruled) };
        if is_lowered {
            effects.extend(self.give_notice(now, community, |link| link.terms.names(person), reason, ledger)?);
        }
        Ok(Ok((answer, effects)))
    }

    /// A ruling that may do nothing: whoever could carry it out sees it as a motion.
    fn propose<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        person: PersonId,
        (role, reason): (Role, Text<{ limits::REASON_BYTES }>),
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let Some(standing) = self.standing(community) else { return Ok(Err(CommandRefusal::NoCommunity)) };
        if !standing.state.members.contains_key(&person) {
            return Ok(Err(CommandRefusal::NoPerson));
        }
        let me = self.me.person();
        if standing.state.grant_over(&standing.log, me, person, role).is_some() {
            return self.rule(now, community, person, role, &reason, ledger);
        }
        let Ok(subjects) = List::new(vec![Subject::Person(person)]) else {
            return Ok(Err(CommandRefusal::Field("a ruling is on somebody")));
        };
        let (feeds, links) = (List::none(), List::none());
        let rule = Rule { subjects, role, vouch: false, cut: None, feeds, links, reason };
        Ok(self.act(now, community, Role::Steward, Body::Rule(rule)).map(done))
    }

    fn rule_with(
        &mut self,
        now: Millis,
        community: CommunityId,
        person: PersonId,
        (role, reason): (Role, Text<{ limits::REASON_BYTES }>),
        feeds: Vec<FeedEnd>,
        links: Vec<LinkCut>,
    ) -> Done {
        let bounds = |_| CommandRefusal::Field("more chains than one ruling closes");
        // A role that is given closes no chain.
        let (feeds, links) = if role < Role::Member { (feeds, links) } else { (Vec::new(), Vec::new()) };
        let rule = Rule {
            subjects: List::new(vec![Subject::Person(person)]).map_err(bounds)?,
            role,
            vouch: false,
            cut: None,
            feeds: List::new(feeds).map_err(bounds)?,
            links: List::new(links).map_err(bounds)?,
            reason,
        };
        let before = self.communities.get(&community).cloned();
        // Of several grants, one that lies above what is to be lowered.
        let over = before.as_ref().and_then(|s| s.state.grant_over(&s.log, self.me.person(), person, role));
        let own = before.as_ref().is_some_and(|s| s.is_own_space());
        let (_, effects) = match over.filter(|_| !own) {
            Some(auth) => {
                let device = self.me.device.clone();
                self.sign_operation(now, community, auth, &device, Body::Rule(rule), None)?
            }
            None => self.act(now, community, Role::Steward, Body::Rule(rule))?,
        };
        let reached = self.standing(community).map(|s| s.state.role(person)).unwrap_or_default();
        let mut effects = effects;
        if reached != role {
            // It bears on none of the person's grants: a motion, not a ruling (4.4).
            if let Some(before) = before {
                self.communities.insert(community, before);
            }
            return Err(CommandRefusal::Inert);
        }
        // Whoever removes opens an epoch with it (E3).
        effects.extend(self.renew_epochs(now, community));
        effects.extend(self.part_with_removed(community));
        self.plan_chores(now, community);
        Ok((Answer::Role(reached), effects))
    }

    fn link(&mut self, now: Millis, community: CommunityId, terms: LinkTerms) -> Done {
        terms.check().map_err(CommandRefusal::Field)?;
        if self.standing(terms.other).is_some_and(|other| other.is_own_space()) {
            return Err(CommandRefusal::OwnSpace);
        }
        if terms.not_after.since(now) > limits::LINK_LIFE_MS {
            return Err(CommandRefusal::Field("a link lives for 180 days at most"));
        }
        let (id, effects) = self.act(now, community, Role::Steward, Body::Link(terms))?;
        Ok((Answer::Link(id), effects))
    }

    fn end_link<L: Ledger>(
        &mut self,
        now: Millis,
        community: CommunityId,
        link: OpId,
        ledger: &L,
    ) -> Result<Done, L::Error> {
        let Some(standing) = self.standing(community).cloned() else { return Ok(Err(CommandRefusal::NoCommunity)) };
        let Some(ended) = standing.state.links.iter().find(|l| l.id == link) else {
            return Ok(Err(CommandRefusal::NotFound));
        };
        let (from, to) = match ended.terms.direction {
            Direction::Out { .. } => (community, ended.terms.other),
            Direction::In { .. } => (ended.terms.other, community),
        };
        let mut cuts = Vec::new();
        for member in ended.terms.brokers.iter().filter_map(|b| standing.state.members.get(b)) {
            for device in &member.devices {
                if let Some((seq, id)) = ledger.relay_end(from, to, device.device)? {
                    cuts.push((device.device, seq, id));
                }
            }
        }
        cuts.truncate(16);
        let Ok(cuts) = List::new(cuts) else {
            return Ok(Err(CommandRefusal::Field("more chains than one ending closes")));
        };
        let broker_may = ended.terms.names(self.me.person());
        let need = if broker_may { Role::Member } else { Role::Steward };
        let (id, mut effects) = match self.act(now, community, need, Body::LinkEnd(LinkEnd { link, cuts })) {
            Ok(ended) => ended,
            Err(refusal) => return Ok(Err(refusal)),
        };
        effects.extend(self.give_notice(now, community, |known| known.id == link, &Text::default(), ledger)?);
        Ok(Ok((Answer::Link(id), effects)))
    }

    /// The grants above one, up to a founder: what a proof must show.
    pub(super) fn grant_path(standing: &Standing, mut grant: Grant) -> Option<Vec<OpId>> {
        let mut path = Vec::new();
        while let Grant::Op(id) = grant {
            let place = standing.log.get(id)?;
            if !matches!(place.operation.body, Body::Rule(_)) || path.len() >= limits::PATH_DEPTH {
                return None;
            }
            path.push(id);
            grant = place.operation.auth;
        }
        Some(path)
    }
}

fn done((_, effects): (OpId, Vec<Effect>)) -> (Answer, Vec<Effect>) {
    (Answer::Done, effects)
}
