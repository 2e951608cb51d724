//! Serving a peer that catches up with this node: what the sets of a community are, and what is in
//! them.
//!
//! Leaves to others: who is served (`session`), what they are given (`standing`), and what a peer makes of
//! it (`sync`).
//! Always true: what a reader is not given is, whatever they ask, as if it did not exist. What one request
//! costs is bounded by what it is answered with, but for a view or a longer sketch, which are made once.

use super::{Decided, Effect, Engine, Event, PeerName, author::item, session::refused, sets::Given};
use crate::{
    bytes::Blob,
    id::{BundleHash, CommunityId, EnvelopeId, ItemId, OpId, PersonId},
    ledger::Ledger,
    limits,
    link::{Carry, Envelope},
    reconcile::{Place, Position, ShortId, Sketch, positions, short, stands_at},
    time::Millis,
    wire::{AnyId, Fingerprint, Request, Response, SetName},
};

/// A member who is served: the community, and what of it they are given.
pub(super) type Reader = (CommunityId, Given);

/// Bytes before what a salted body says (9.2).
const SALT_BYTES: usize = 16;

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
        let reader = (community, self.given(community, reader));
        let response = match request {
            Request::Compare(_, sets, from, cells) => {
                effects = self.compared_by(now, peer, reader, &sets, ledger)?;
                self.answer_compare(reader, &sets, (from, cells), ledger)?
            }
            Request::Bring(_, set, wanted, offered) => {
                effects = self.take_offer(peer, reader, set, &offered, ledger)?;
                self.answer_bring(reader, set, &wanted, ledger)?
            }
            Request::Periods(_, set) => {
                effects = self.compare_in_turn(peer, community);
                self.answer_periods(reader, set, ledger)?
            }
            Request::List(_, set, period, after) => answer_list(reader, (set, period), after, ledger)?,
            Request::Take(_, set, period, after) => self.answer_take(reader, (set, period), after, ledger)?,
            Request::Fetch(_, set, ids) => self.send(reader, set, (&ids, Bodies::All), ledger)?,
            Request::Ids(_, set, fingerprint, after) => self.answer_ids(reader, set, fingerprint, after, ledger)?,
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
        (community, given): Reader,
        theirs: &[(SetName, Fingerprint)],
        (from, cells): (u16, u16),
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let most = limits::CELLS.checked_div(theirs.len()).unwrap_or_default();
        let (from, cells) = (usize::from(from), usize::from(cells).min(most));
        let to = from.saturating_add(cells);
        let mut answers = Vec::new();
        for (set, theirs) in theirs {
            let Some(since) = given.from(*set) else {
                let nothing = Fingerprint::default();
                let empty = Sketch::with_cells(to.min(limits::CELLS)).cells(from, to);
                let shown = if nothing == *theirs { Vec::new() } else { empty.to_bytes() };
                answers.push((nothing, Blob::new(shown).unwrap_or_default()));
                continue;
            };
            let view = (community, *set, since);
            let ours = self.sets.view(view, ledger)?.fingerprint();
            let shown = if ours == *theirs {
                Vec::new()
            } else {
                self.sets.with_cells(view, to, ledger)?.sketch().cells(from, to).to_bytes()
            };
            answers.push((ours, Blob::new(shown).unwrap_or_default()));
        }
        Ok(Response::Compare(answers))
    }

    /// Sends what is wanted of a set, as far as it is here and fits; large bodies where nothing else is wanted.
    fn answer_bring<L: Ledger>(
        &self,
        reader: Reader,
        set: SetName,
        wanted: &[ShortId],
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let mut ids = Vec::new();
        for id in wanted {
            ids.extend(ledger.find(reader.0, set, *id)?);
        }
        let mut bodies = Bodies::All;
        for id in &ids {
            if !is_large(set, id, ledger)? {
                bodies = Bodies::Early;
                break;
            }
        }
        self.send(reader, set, (&ids, bodies), ledger)
    }

    /// What a peer has and we have not is fetched from it.
    fn take_offer<L: Ledger>(
        &mut self,
        peer: &PeerName,
        reader: Reader,
        set: SetName,
        offered: &[ShortId],
        ledger: &L,
    ) -> Decided<L> {
        if reader.1.from(set).is_none() {
            return Ok(Vec::new());
        }
        let missing = missing(reader, set, offered, ledger)?;
        if missing.is_empty() { Ok(Vec::new()) } else { Ok(self.fetch_offered(peer, reader.0, set, &missing)) }
    }

    fn answer_periods<L: Ledger>(
        &mut self,
        (community, given): Reader,
        set: SetName,
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let Some(since) = given.from(set) else { return Ok(Response::Periods(Vec::new())) };
        let periods = self.sets.view((community, set, since), ledger)?.periods();
        // The newest, if there are ever so many.
        let newest = periods.iter().rev().take(limits::PERIODS).map(|(period, fingerprint)| (*period, *fingerprint));
        let mut newest: Vec<(u64, Fingerprint)> = newest.collect();
        newest.reverse();
        Ok(Response::Periods(newest))
    }

    /// Sends all that is in a period but large bodies, as far as it fits: a log from its beginning, the newest
    /// items first.
    fn answer_take<L: Ledger>(
        &self,
        reader: Reader,
        (set, period): (SetName, u64),
        after: Option<Place>,
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let places = places(reader, (set, period), after, limits::FETCH, ledger)?;
        let mut sending = Sending::default();
        let mut next = None;
        for (position, id) in &places {
            if let Some(bytes) = self.held(reader.0, set, (id, Bodies::Early), ledger)?
                && !sending.takes(bytes)
            {
                break;
            }
            next = Some((*position, *id));
        }
        let rest = places.len() == limits::FETCH || next != places.last().copied();
        Ok(Response::Take(set, sending.things, next.filter(|_| rest)))
    }

    /// Lists ids, where the sets differ: how older nodes compare. Ids are in no order of time, so that a part
    /// of a set is not listed so.
    fn answer_ids<L: Ledger>(
        &self,
        (community, given): Reader,
        set: SetName,
        theirs: Fingerprint,
        after: Option<AnyId>,
        ledger: &L,
    ) -> Result<Response, L::Error> {
        if given.from(set) != Some(0) {
            return Ok(Response::Ids(Fingerprint::default(), Vec::new(), false));
        }
        let ours = self.sets.fingerprint(community, set);
        if ours == theirs {
            return Ok(Response::Ids(ours, Vec::new(), false));
        }
        let ids = ledger.ids(community, set, after, limits::IDS_PER_PAGE)?;
        let more = ids.len() == limits::IDS_PER_PAGE;
        Ok(Response::Ids(ours, ids, more))
    }

    /// Sends what is asked for and here, as far as it fits.
    fn send<L: Ledger>(
        &self,
        reader: Reader,
        set: SetName,
        (ids, bodies): (&[AnyId], Bodies),
        ledger: &L,
    ) -> Result<Response, L::Error> {
        let mut sending = Sending::default();
        for id in ids {
            if let Some(bytes) = self.thing(reader, set, (id, bodies), ledger)?
                && !sending.takes(bytes)
            {
                break;
            }
        }
        Ok(Response::Fetch(set, sending.things))
    }

    /// What is named so, as it travels; nothing that the reader is not given.
    fn thing<L: Ledger>(
        &self,
        reader: Reader,
        set: SetName,
        (id, bodies): (&AnyId, Bodies),
        ledger: &L,
    ) -> Result<Option<Vec<u8>>, L::Error> {
        let is_open = !matches!(set, SetName::Items | SetName::Inner | SetName::Envelopes);
        if !is_open && !is_given(reader, set, id, ledger)? {
            return Ok(None);
        }
        self.held(reader.0, set, (id, bodies), ledger)
    }

    /// What a reader is given, as it travels.
    fn held<L: Ledger>(
        &self,
        community: CommunityId,
        set: SetName,
        (id, bodies): (&AnyId, Bodies),
        ledger: &L,
    ) -> Result<Option<Vec<u8>>, L::Error> {
        Ok(match set {
            SetName::Operations => {
                self.standing(community).and_then(|s| s.log.get(OpId(*id))).map(|place| place.signed.to_bytes())
            }
            SetName::Items | SetName::Inner => self.plain_carry(ItemId(*id), ledger)?.map(|carry| sent(carry, bodies)),
            SetName::Envelopes => self.relayed_carry(EnvelopeId(*id), ledger)?.map(|carry| sent(carry, bodies)),
            SetName::Bundles => ledger.bundle(BundleHash(*id))?,
            SetName::Blobs => ledger.blob(*id)?,
        })
    }

    pub(super) fn plain_carry<L: Ledger>(&self, id: ItemId, ledger: &L) -> Result<Option<Carry>, L::Error> {
        Ok(ledger.carried(id)?.map(|(item, body)| Carry::plain(item, body)))
    }
}

/// Which bodies are sent with the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bodies {
    /// All.
    All,
    /// All but large ones.
    Early,
}

/// A carry as it travels, with the bodies that go along.
fn sent(mut carry: Carry, bodies: Bodies) -> Vec<u8> {
    let salted = limits::EARLY_BODY_BYTES.saturating_add(SALT_BYTES);
    carry.body = carry.body.filter(|body| bodies == Bodies::All || body.as_slice().len() <= salted);
    carry.to_bytes()
}

/// Whether something has a large body, by what its header says.
fn is_large<L: Ledger>(set: SetName, id: &AnyId, ledger: &L) -> Result<bool, L::Error> {
    let id = match set {
        SetName::Items | SetName::Inner => Some(ItemId(*id)),
        SetName::Envelopes => {
            let envelope = ledger.envelope(EnvelopeId(*id))?.and_then(|kept| kept.signed.read::<Envelope>().ok());
            envelope.map(|envelope| envelope.item)
        }
        SetName::Operations | SetName::Bundles | SetName::Blobs => None,
    };
    let item = id.map(|id| item(ledger, id)).transpose()?.flatten();
    let length = item.map_or(0, |item| usize::try_from(item.header.body_len).unwrap_or(usize::MAX));
    Ok(length > limits::EARLY_BODY_BYTES)
}

/// Whether a set is gone through from its beginning: a log, whose operations rest on earlier ones. Of
/// the others the newest come first.
pub(super) fn rises(set: SetName) -> bool {
    set == SetName::Operations
}

/// A page of what a reader is given of a period.
fn places<L: Ledger>(
    (community, given): Reader,
    (set, period): (SetName, u64),
    after: Option<Place>,
    most: usize,
    ledger: &L,
) -> Result<Vec<Place>, L::Error> {
    let (first, last) = positions(set, period);
    match given.from(set) {
        Some(since) if since <= last => {
            ledger.places(community, set, (first.max(since), last), after, rises(set), most)
        }
        _ => Ok(Vec::new()),
    }
}

/// A page of the ids of a period.
fn answer_list<L: Ledger>(
    reader: Reader,
    (set, period): (SetName, u64),
    after: Option<Place>,
    ledger: &L,
) -> Result<Response, L::Error> {
    let most = limits::IDS_PER_PAGE;
    let places = places(reader, (set, period), after, most, ledger)?;
    let next = places.last().copied().filter(|_| places.len() == most);
    Ok(Response::List(places.iter().map(|(_, id)| short(id)).collect(), next))
}

/// Those of these ids that are not here, as far as a reader may know.
pub(super) fn missing<L: Ledger>(
    reader: Reader,
    set: SetName,
    ids: &[ShortId],
    ledger: &L,
) -> Result<Vec<ShortId>, L::Error> {
    // Older nodes know one set of items only.
    let sets: &[SetName] = if set == SetName::Items { &[SetName::Items, SetName::Inner] } else { &[set] };
    let mut missing = Vec::new();
    for id in ids {
        let mut here = false;
        for set in sets {
            here = here
                || match ledger.find(reader.0, *set, *id)? {
                    Some(id) => is_within(reader.1, *set, &id, ledger)?,
                    None => false,
                };
        }
        if !here {
            missing.push(*id);
        }
    }
    Ok(missing)
}

/// Whether something is in a set, and where a reader is given it.
fn is_given<L: Ledger>((community, given): Reader, set: SetName, id: &AnyId, ledger: &L) -> Result<bool, L::Error> {
    Ok(given.from(set).is_some() && ledger.holds(community, set, *id)? && is_within(given, set, id, ledger)?)
}

/// Whether what is in a set stands where it is given.
fn is_within<L: Ledger>(given: Given, set: SetName, id: &AnyId, ledger: &L) -> Result<bool, L::Error> {
    let Some(since) = given.from(set) else { return Ok(false) };
    Ok(since == 0 || position(set, id, ledger)? >= since)
}

/// Where an item or an envelope stands that is here.
fn position<L: Ledger>(set: SetName, id: &AnyId, ledger: &L) -> Result<Position, L::Error> {
    if set == SetName::Envelopes {
        let envelope = ledger.envelope(EnvelopeId(*id))?.and_then(|kept| kept.signed.read::<Envelope>().ok());
        return Ok(envelope.map_or(0, |envelope| envelope.ts.0));
    }
    match item(ledger, ItemId(*id))? {
        Some(item) => Ok(stands_at(&item.header, ledger)?.1),
        None => Ok(0),
    }
}

/// Things that go into one response.
#[derive(Default)]
struct Sending {
    things: Vec<Blob<{ 512 * 1024 }>>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bytes::Bytes, item::SignedItem, key::Signature, testing::around};

    #[test]
    fn a_body_goes_along_with_its_header_up_to_a_length() {
        let item = SignedItem { header: Blob::default(), signature: Signature(Bytes([0; 64])) };
        around(limits::EARLY_BODY_BYTES, [true, true, false], |n| {
            let carry = Carry::plain(item.clone(), Some(Blob::new(vec![0; SALT_BYTES + n]).unwrap()));
            assert!(Carry::from_bytes(&sent(carry.clone(), Bodies::All)).unwrap().body.is_some());
            Carry::from_bytes(&sent(carry, Bodies::Early)).unwrap().body.is_some()
        });
    }
}
