//! Serving a peer that catches up with this node: what the sets of a community are, and what is in
//! them.
//!
//! Leaves to others: who is served (`session`), and what a peer makes of it (`sync`).
//! Always true: what one request costs is bounded by what it is answered with, but for a longer
//! sketch, which is made once for each doubling.

use super::{Decided, Effect, Engine, Event, PeerName, session::refused, standing::floor};
use crate::{
    authority::Role,
    bytes::Blob,
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId},
    item::{Header, SignedItem},
    ledger::Ledger,
    limits,
    link::Carry,
    reconcile::{Place, ShortId, positions, short},
    signed::Payload as _,
    time::Millis,
    wire::{AnyId, Fingerprint, Request, Response, SetName, Thing},
};

/// Bytes of things in one response; the rest of the frame is left to framing.
const THINGS_BYTES: usize = limits::RESPONSE_BYTES - 64 * 1024;

impl Engine {
    /// Answers a member about the sets of a community.
    pub(super) fn serve<L: Ledger>(
        &mut self,
        now: Millis,
        peer: &PeerName,
        (community, reader): (CommunityId, PersonId),
        request: Request,
        ledger: &L,
    ) -> Result<(Response, Vec<Effect>), L::Error> {
        let mut effects = Vec::new();
        let role = self.standing(community).map(|standing| standing.state.role(reader)).unwrap_or_default();
        let response = match request {
            Request::Compare(_, sets, from, cells) => {
                effects = self.compared_by(now, peer, community, &sets);
                self.answer_compare(community, &sets, (from, cells), ledger)?
            }
            Request::Bring(_, set, wanted, offered) => {
                effects = self.take_offer(peer, community, set, &offered, ledger)?;
                self.answer_bring((community, role), set, &wanted, ledger)?
            }
            Request::Periods(_, set) => {
                effects = self.compare_in_turn(peer, community);
                self.answer_periods(community, set)
            }
            Request::List(_, set, period, after) => answer_list(community, set, period, after, ledger)?,
            Request::Take(_, set, period, after) => {
                self.answer_take((community, role), (set, period), after, ledger)?
            }
            Request::Fetch(_, set, ids) => self.answer_fetch((community, role), set, &ids, ledger)?,
            Request::Ids(_, set, fingerprint, after) => self.answer_ids(community, set, fingerprint, after, ledger)?,
            _ => refused("unknown"),
        };
        if let Response::Fetch(_, things) | Response::Take(_, things, _) = &response
            && !things.is_empty()
        {
            effects.push(Effect::Tell(Event::Served(community, peer.clone())));
        }
        Ok((response, effects))
    }

    /// Fingerprints, and of each set that differs, from one cell on, so many.
    fn answer_compare<L: Ledger>(
        &mut self,
        community: CommunityId,
        theirs: &[(SetName, Fingerprint)],
        (from, cells): (u16, u16),
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let most = limits::CELLS.checked_div(theirs.len()).unwrap_or_default();
        let (from, cells) = (usize::from(from), usize::from(cells).min(most));
        let to = from.saturating_add(cells);
        let mut answers = Vec::new();
        for (set, theirs) in theirs {
            let ours = self.sets.fingerprint(community, *set);
            let shown = if ours == *theirs {
                Vec::new()
            } else {
                self.sets.with_cells(community, *set, to, ledger)?.sketch().cells(from, to).to_bytes()
            };
            answers.push((ours, Blob::new(shown).unwrap_or_default()));
        }
        Ok(Response::Compare(answers))
    }

    /// Sends what is wanted of a set, as far as it is here and fits.
    fn answer_bring<L: Ledger>(
        &self,
        (community, role): (CommunityId, Role),
        set: SetName,
        wanted: &[ShortId],
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let mut ids = Vec::new();
        for id in wanted {
            ids.extend(ledger.find(community, set, *id)?);
        }
        self.answer_fetch((community, role), set, &ids, ledger)
    }

    /// What a peer has and we have not is fetched from it.
    fn take_offer<L: Ledger>(
        &mut self,
        peer: &PeerName,
        community: CommunityId,
        set: SetName,
        offered: &[ShortId],
        ledger: &L,
    ) -> Decided<L> {
        let missing = missing(community, set, offered, ledger)?;
        if missing.is_empty() || !SetName::COMPARED.contains(&set) {
            Ok(Vec::new())
        } else {
            Ok(self.fetch_offered(peer, community, set, &missing))
        }
    }

    fn answer_periods(&self, community: CommunityId, set: SetName) -> Response {
        let periods = self.sets.get(community, set).into_iter().flat_map(|summary| summary.periods());
        // The newest, if there are ever so many.
        let newest = periods.rev().take(limits::PERIODS).map(|(period, fingerprint)| (*period, *fingerprint));
        let mut newest: Vec<(u64, Fingerprint)> = newest.collect();
        newest.reverse();
        Response::Periods(newest)
    }

    /// Sends all that is in a period, as far as it fits: a log from its beginning, the newest items first.
    fn answer_take<L: Ledger>(
        &self,
        (community, role): (CommunityId, Role),
        (set, period): (SetName, u64),
        after: Option<Place>,
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let places = ledger.places(community, set, positions(set, period), after, rises(set), limits::FETCH)?;
        let mut sending = Sending::default();
        let mut next = None;
        for (position, id) in &places {
            if let Some(bytes) = self.held((community, role), set, id, ledger)?
                && !sending.takes(bytes)
            {
                break;
            }
            next = Some((*position, *id));
        }
        let rest = places.len() == limits::FETCH || next != places.last().copied();
        Ok(Response::Take(set, sending.things, next.filter(|_| rest)))
    }

    /// Lists ids, where the sets differ: how older nodes compare.
    fn answer_ids<L: Ledger>(
        &self,
        community: CommunityId,
        set: SetName,
        theirs: Fingerprint,
        after: Option<AnyId>,
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let ours = self.sets.fingerprint(community, set);
        if ours == theirs || !SetName::COMPARED.contains(&set) {
            return Ok(Response::Ids(ours, Vec::new(), false));
        }
        let ids = ledger.ids(community, set, after, limits::IDS_PER_PAGE)?;
        let more = ids.len() == limits::IDS_PER_PAGE;
        Ok(Response::Ids(ours, ids, more))
    }

    /// Sends what is asked for and here, as far as it fits.
    fn answer_fetch<L: Ledger>(
        &self,
        (community, role): (CommunityId, Role),
        set: SetName,
        ids: &[AnyId],
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let mut sending = Sending::default();
        for id in ids {
            if let Some(bytes) = self.thing((community, role), set, id, ledger)?
                && !sending.takes(bytes)
            {
                break;
            }
        }
        Ok(Response::Fetch(set, sending.things))
    }

    /// What is named so, as it travels, if the community's set holds it.
    fn thing<L: Ledger>(
        &self,
        (community, role): (CommunityId, Role),
        set: SetName,
        id: &AnyId,
        ledger: &L,
    ) -> Result<Option<Vec<u8>>, L::Error> {
        if matches!(set, SetName::Items | SetName::Envelopes) && !ledger.holds(community, set, *id)? {
            return Ok(None);
        }
        self.held((community, role), set, id, ledger)
    }

    /// What a set is known to hold, as it travels; nothing of a scope that the reader's role is not in (E1).
    fn held<L: Ledger>(
        &self,
        (community, role): (CommunityId, Role),
        set: SetName,
        id: &AnyId,
        ledger: &L,
    ) -> Result<Option<Vec<u8>>, L::Error> {
        Ok(match set {
            SetName::Operations => {
                self.standing(community).and_then(|s| s.log.get(OpId(*id))).map(|place| place.signed.to_bytes())
            }
            SetName::Items => {
                let scope = |item: &SignedItem| Header::from_canonical(item.header.as_slice()).ok().map(|h| h.scope);
                let found = ledger.carried(ItemId(*id))?;
                let found = found.filter(|(item, _)| scope(item).is_some_and(|scope| role >= floor(scope)));
                found.map(|(item, body)| Carry::plain(item, body).to_bytes())
            }
            SetName::Envelopes => self.relayed_carry(EnvelopeId(*id), ledger)?.map(|carry| carry.to_bytes()),
            SetName::Bundles => ledger.bundle(BundleHash(*id))?,
            SetName::Blobs => ledger.blob(*id)?,
        })
    }

    pub(super) fn plain_carry<L: Ledger>(&self, id: ItemId, ledger: &L) -> Result<Option<Carry>, L::Error> {
        Ok(ledger.carried(id)?.map(|(item, body)| Carry::plain(item, body)))
    }
}

/// Whether a set is gone through from its beginning: a log, whose operations rest on earlier ones. Of
/// the others the newest come first.
pub(super) fn rises(set: SetName) -> bool {
    set == SetName::Operations
}

/// A page of the ids of a period.
fn answer_list<L: Ledger>(
    community: CommunityId,
    set: SetName,
    period: u64,
    after: Option<Place>,
    ledger: &L,
) -> Result<Response, L::Error> {
    let most = limits::IDS_PER_PAGE;
    let places = ledger.places(community, set, positions(set, period), after, rises(set), most)?;
    let next = places.last().copied().filter(|_| places.len() == most);
    Ok(Response::List(places.iter().map(|(_, id)| short(id)).collect(), next))
}

/// Those of these ids that are not here.
pub(super) fn missing<L: Ledger>(
    community: CommunityId,
    set: SetName,
    ids: &[ShortId],
    ledger: &L,
) -> Result<Vec<ShortId>, L::Error> {
    let mut missing = Vec::new();
    for id in ids {
        if ledger.find(community, set, *id)?.is_none() {
            missing.push(*id);
        }
    }
    Ok(missing)
}

/// Things that go into one response.
#[derive(Default)]
struct Sending {
    things: Vec<Thing>,
    bytes: usize,
}

impl Sending {
    /// Takes one more, if it fits.
    fn takes(&mut self, bytes: Vec<u8>) -> bool {
        // The frame around each thing takes a few bytes more.
        let all = self.bytes.saturating_add(bytes.len().saturating_add(8));
        if all > THINGS_BYTES {
            return false;
        }
        self.bytes = all;
        self.things.extend(Blob::new(bytes));
        true
    }
}
