//! What becomes of peers that misbehave: strikes, and bans of growing length.
//!
//! A strike is what no honest node sends, since it has looked at the same first, by the same rules
//! and on nothing but the bytes and their past: frames that are none, signatures that do not hold,
//! operations that B1 refuses, what was not asked for. What depends on what a node happens to know
//! (early items, unknown heads, roles) is refused and counted, and nobody is blamed.
//!
//! Leaves to others: counting (`conduct`), and closing connections (the network). Always true:
//! what a banned peer sends is not looked at; no device of this node's own person is banned.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Answer, CommandRefusal, Conduct, Done, Effect, Engine, Event, Fetched, Input, Keep, PeerName, Verdict,
    session::Question,
};
use crate::{
    encoding::Malformed,
    id::OpId,
    ledger::Ban,
    limits,
    reconcile::{CELL_BYTES, ShortId, short},
    signed::Unsound,
    time::Millis,
    wire::{Request, Response, SetName},
};

/// Something comes that nobody asked this peer for.
const NOT_ASKED_FOR: &str = "not_asked_for";
/// Periods that do not rise.
const OUT_OF_ORDER: &str = "periods_out_of_order";

/// What may come in answer to a question.
#[derive(Debug)]
pub(super) enum Awaited {
    /// Fingerprints of so many sets, with at most so many cells of each.
    Compare(usize, usize),
    /// These of a set, each once.
    Fetch(SetName, BTreeSet<ShortId>),
    /// Anything of a set.
    Take(SetName),
    /// Periods of a set, rising.
    Periods,
    /// What is in a period.
    List,
    /// What the question says.
    Other,
}

impl Awaited {
    pub(super) fn by(request: &Request) -> Awaited {
        match request {
            Request::Compare(_, sets, _, cells) => Awaited::Compare(sets.len(), usize::from(*cells)),
            Request::Fetch(_, set, ids) => Awaited::Fetch(*set, ids.iter().map(short).collect()),
            Request::Bring(_, set, wanted, _) => Awaited::Fetch(*set, wanted.iter().copied().collect()),
            Request::Take(_, set, ..) => Awaited::Take(*set),
            Request::Periods(..) => Awaited::Periods,
            Request::List(..) => Awaited::List,
            _ => Awaited::Other,
        }
    }
}

/// A refusal that is a strike.
pub(super) fn struck(name: &'static str) -> [Effect; 2] {
    [Effect::Tell(Event::Refused(name)), Effect::Tell(Event::Struck(name))]
}

/// The same of bytes: what a newer Hearth may say is refused without blame.
pub(super) fn struck_by(why: Unsound) -> Vec<Effect> {
    let refused = struck(why.name());
    let newer = matches!(why, Unsound::Malformed(Malformed::NEWER));
    refused.into_iter().take(if newer { 1 } else { 2 }).collect()
}

impl Engine {
    /// What is remembered of how peers behave.
    #[must_use]
    pub fn conduct(&self) -> &Arc<Conduct> {
        &self.conduct
    }

    /// Whether an input is looked at. What comes from a banned peer is not: it is cut off once more,
    /// and gossip that is held for its sake goes nowhere.
    pub(super) fn turns_away(&self, now: Millis, input: &Input) -> Option<Vec<Effect>> {
        let peer = input.peer()?;
        self.conduct.ban(peer, now)?;
        Some(match input {
            Input::Connected(_) => vec![Effect::Ban(peer.clone())],
            Input::Gossip { token, .. } => vec![Effect::Judge { token: *token, verdict: Verdict::Ignore }],
            _ => Vec::new(),
        })
    }

    /// Whether what comes in answer is what the peer was asked for; else by which name it is refused.
    pub(super) fn unasked(&mut self, input: &Input) -> Option<&'static str> {
        let (Input::Arrived { peer, id, .. }
        | Input::Answered { peer, id, .. }
        | Input::AddressesAnswered { peer, id, .. }
        | Input::Unanswered { peer, id }) = input
        else {
            return None;
        };
        let state = self.peers.get_mut(peer)?;
        if let Input::Arrived { thing, .. } = input {
            // An answer to what nobody wants to know any more is nobody's fault.
            state.questions.get(id)?;
            return (!state.awaited.get_mut(id)?.takes(thing)).then_some(NOT_ASKED_FOR);
        }
        let awaited = state.awaited.remove(id);
        let (question, awaited) = (state.questions.get(id)?, awaited?);
        match input {
            Input::AddressesAnswered { .. } if !matches!(question, Question::Addresses(_)) => Some(NOT_ASKED_FOR),
            Input::Answered { response: Ok(response), .. } => awaited.refuses(question, response),
            _ => None,
        }
    }

    /// Notes what an input of a peer has led to, and bans the peer when it was too much.
    pub(super) fn account(&mut self, now: Millis, peer: &PeerName, effects: &mut Vec<Effect>) {
        let counts =
            |effect: &Effect| matches!(effect, Effect::Tell(Event::Refused(_) | Event::Struck(_) | Event::Synced(..)));
        if !effects.iter().any(counts) {
            return;
        }
        let peers = &self.peers;
        let stays = |name: &[u8]| peers.contains_key(name);
        let conduct = Arc::make_mut(&mut self.conduct);
        let mut worst = None;
        for effect in effects.iter() {
            match effect {
                Effect::Tell(Event::Refused(name)) => conduct.refused(peer, name, now, stays),
                Effect::Tell(Event::Synced(community, with)) => conduct.synced(with, *community, now, stays),
                Effect::Tell(Event::Struck(name)) if conduct.strike(peer, now, stays) >= limits::STRIKES => {
                    worst = Some(*name);
                }
                _ => {}
            }
        }
        if let Some(name) = worst.filter(|_| self.bans_peers && !self.is_own_device(peer)) {
            let ban = Arc::make_mut(&mut self.conduct).begin(peer, name, now);
            effects.extend(ban.into_iter().flat_map(|ban| self.shut_out(peer, ban)));
        }
    }

    /// Notes that a peer has refused us something.
    pub(super) fn note_refusal(&mut self, now: Millis, input: &Input) {
        let Input::Answered { peer, id, response: Ok(Response::Refused(name)) } = input else { return };
        if self.peers.get(peer).is_some_and(|state| state.questions.contains_key(id)) {
            let peers = &self.peers;
            let stays = |name: &[u8]| peers.contains_key(name);
            Arc::make_mut(&mut self.conduct).refused_us(peer, name.as_str(), now, stays);
        }
    }

    /// Refuses an answer that nobody asked for: the question stays without one.
    pub(super) fn refuse_answer(&mut self, input: &Input, name: &'static str) -> Vec<Effect> {
        let mut effects = match input {
            Input::Answered { peer, id, .. } | Input::AddressesAnswered { peer, id, .. } => self.unanswered(peer, *id),
            _ => Vec::new(),
        };
        effects.extend(struck(name));
        effects
    }

    /// Carries out a ban that has been noted.
    fn shut_out(&mut self, peer: &PeerName, ban: Ban) -> Vec<Effect> {
        let until = ban.until;
        let mut effects = vec![Effect::Keep(Keep::Ban(ban))];
        for gone in Arc::make_mut(&mut self.conduct).forget_bans(peer) {
            effects.extend([Effect::Keep(Keep::Forgiven(gone.clone())), Effect::Pardon(gone)]);
        }
        effects.extend([Effect::Ban(peer.clone()), Effect::Tell(Event::Banned(peer.clone(), until))]);
        if self.peers.contains_key(peer) {
            effects.extend(self.disconnected(peer));
        }
        effects
    }

    /// At the start: the network knows of no ban yet.
    pub(super) fn bar_banned(&mut self, now: Millis) -> Vec<Effect> {
        Arc::make_mut(&mut self.conduct).bar(now).into_iter().map(Effect::Ban).collect()
    }

    /// Lets those connect again whose ban has ended.
    pub(super) fn lift_bans(&mut self, now: Millis) -> Vec<Effect> {
        if self.conduct.next_end().is_none_or(|end| end > now) {
            return Vec::new();
        }
        Arc::make_mut(&mut self.conduct).ended(now).into_iter().map(Effect::Pardon).collect()
    }

    /// This node's person bans a peer, until they end it.
    pub(super) fn ban_by_hand(&mut self, peer: &PeerName) -> Done {
        if self.is_own_device(peer) {
            return Err(CommandRefusal::OwnDevice);
        }
        let ban = Arc::make_mut(&mut self.conduct).begin_by_hand(peer);
        let ban = ban.ok_or(CommandRefusal::Field("no peer has such a name"))?;
        Ok((Answer::Done, self.shut_out(peer, ban)))
    }

    /// This node's person ends a ban; strikes and bans of before are forgotten too.
    pub(super) fn unban(&mut self, now: Millis, peer: &PeerName) -> Done {
        if self.conduct.ban(peer, now).is_none() {
            return Err(CommandRefusal::NotBanned);
        }
        Arc::make_mut(&mut self.conduct).forgive(peer);
        let mut effects = vec![Effect::Keep(Keep::Forgiven(peer.clone())), Effect::Pardon(peer.clone())];
        effects.extend(self.redial());
        Ok((Answer::Done, effects))
    }

    /// Whether a peer is this node, or has proven to be another device of the same person that is
    /// not revoked.
    fn is_own_device(&self, peer: &PeerName) -> bool {
        let me = self.me.person();
        let proven = |standing: &Arc<super::Standing>| {
            let met = standing.met.get(peer);
            met.is_some_and(|(person, device)| *person == me && standing.state.device(me, *device).is_some())
        };
        *peer == self.me.peer || self.communities.values().any(proven)
    }

    /// Bans nobody, whatever they send: for tests that want to know whether checks are missing behind
    /// that.
    #[cfg(any(test, feature = "testing"))]
    pub fn ban_nobody(&mut self) {
        self.bans_peers = false;
    }
}

impl Awaited {
    /// Whether a thing is one of those that were asked for; what was asked for by name comes once.
    fn takes(&mut self, thing: &Fetched) -> bool {
        let (Awaited::Fetch(set, _) | Awaited::Take(set)) = self else { return false };
        let name = match (set, thing) {
            // Nobody can tell which it was meant to be.
            (_, Fetched::Refused(_)) => return true,
            (SetName::Operations, Fetched::Operation(operation)) => OpId::from(operation.id()).0,
            (SetName::Items | SetName::Inner, Fetched::Carry(carry)) if carry.envelope.is_none() => carry.id().0,
            (SetName::Envelopes, Fetched::Carry(carry)) => match carry.envelope_id() {
                Some(id) => id.0,
                None => return false,
            },
            (SetName::Bundles, Fetched::Bundle(hash, _)) => hash.0,
            (SetName::Blobs, Fetched::Blob(hash, _)) => *hash,
            _ => return false,
        };
        match self {
            Awaited::Fetch(_, ids) => ids.remove(&short(&name)),
            _ => true,
        }
    }

    fn refuses(&self, question: &Question, response: &Response) -> Option<&'static str> {
        let fits = match (question, response) {
            (_, Response::Refused(_))
            | (Question::Hello, Response::Hello(_))
            | (Question::Tags, Response::Tags(_))
            | (Question::Prove(_), Response::Prove(_))
            | (Question::Join(_), Response::Join(_))
            | (Question::Preview(_), Response::Preview(_))
            | (Question::Keys(_), Response::Keys(_))
            | (Question::Communities, Response::Communities(_))
            | (Question::Restore, Response::Restore(_)) => true,
            (Question::Pull(_), Response::Compare(sets)) => {
                matches!(self, Awaited::Compare(count, cells) if sets.len() == *count
                    && sets.iter().all(|(_, shown)| shown.as_slice().len() <= cells.saturating_mul(CELL_BYTES)))
            }
            (Question::Pull(_), Response::Fetch(set, _)) => matches!(self, Awaited::Fetch(asked, _) if asked == set),
            (Question::Pull(_), Response::Take(set, ..)) => matches!(self, Awaited::Take(asked) if asked == set),
            (Question::Pull(_), Response::Periods(periods)) => {
                let rising = periods.is_sorted_by(|(a, _), (b, _)| a < b);
                return match self {
                    Awaited::Periods if rising => None,
                    Awaited::Periods => Some(OUT_OF_ORDER),
                    _ => Some(NOT_ASKED_FOR),
                };
            }
            (Question::Pull(_), Response::List(..)) => matches!(self, Awaited::List),
            _ => false,
        };
        (!fits).then_some(NOT_ASKED_FOR)
    }
}
