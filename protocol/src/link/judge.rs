//! The gates of a border: R1 to R3 from the proof alone, R4 from the log of the community that
//! the item enters. What needs the items kept so far (R5, R6, the chains of R7) is asked by the
//! engine.

use super::{Direction, Gates, LinkTerms, Owner, Proven, RelayRefusal};
use crate::{
    authority::{Log, Role, State},
    id::{CommunityId, EnvelopeId, OpId, PersonId},
    item::{Item, Kind},
    key::PublicKey,
    time::Millis,
};

/// One item about to cross, or having crossed, one border.
#[derive(Debug, Clone, Copy)]
pub struct Crossing<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its kind; for edits, tombstones and recalls their target's (8.1).
    pub kind: Kind,
    /// The community it leaves.
    pub from: CommunityId,
    /// The community it enters.
    pub to: CommunityId,
    /// The link in `from`'s log.
    pub out_link: OpId,
    /// The link in `to`'s log.
    pub in_link: OpId,
    /// Borders crossed, this one included.
    pub hop: u8,
    /// When, as the broker claims.
    pub ts: Millis,
    /// Who carries.
    pub broker: PersonId,
    /// With which device.
    pub device: PublicKey,
}

/// What the receiving side still has to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Envelopes a day that are shown (R6).
    pub per_day: u16,
    /// Whether it must be a reply to an item written in `to`.
    pub replies_only: bool,
    /// Whether stewards look first (R8).
    pub quarantine: bool,
    /// The envelope must be on the chain that ends at each of these (R7).
    pub cuts: Vec<(u32, EnvelopeId)>,
}

/// R1: whether the proof names the item's author, and the community that it was written in.
pub fn ask_author(proven: &Proven, crossing: &Crossing<'_>, gates: &mut Gates) {
    let header = &crossing.item.header;
    gates.ask(Owner::Broker, RelayRefusal::OtherOrigin, header.community == crossing.from);
    gates.ask(Owner::Broker, RelayRefusal::BadProof, proven.from == crossing.from);
    gates.ask(Owner::Broker, RelayRefusal::ItemUnproven, proven.certifies_items(header.author, header.device));
}

/// R1 to R3: whether the author and the community that the item leaves let it go, as the bundle proves.
pub fn judge_out(proven: &Proven, crossing: &Crossing<'_>, gates: &mut Gates) {
    let header = &crossing.item.header;
    ask_author(proven, crossing, gates);
    gates.ask(Owner::Author, RelayRefusal::BeyondReach, crossing.hop <= header.reach);
    match proven.link(crossing.out_link) {
        Ok(terms) => ask_out(terms, crossing, proven.role(header.author), gates),
        Err(why) => drop(gates.ask(Owner::Broker, why, false)),
    }
}

/// What the link out asks of an author of this role.
pub fn ask_out(terms: &LinkTerms, crossing: &Crossing<'_>, author: Role, gates: &mut Gates) {
    let Direction::Out { min_author_role } = terms.direction else {
        gates.ask(Owner::Broker, RelayRefusal::BadProof, false);
        return;
    };
    ask_terms(terms, crossing, crossing.to, Owner::Leaving, gates);
    gates.ask(Owner::Leaving, RelayRefusal::AuthorNotConfirmed, author >= min_author_role);
}

/// R4: whether the community that the item enters lets it in, as its log says at `heads`; none where it has no such
/// link.
pub fn judge_in(
    log: &Log,
    state: &State,
    heads: &[OpId],
    crossing: &Crossing<'_>,
    gates: &mut Gates,
) -> Option<Inbound> {
    let link = state.link_at(log, crossing.in_link, heads);
    let found = link.and_then(|link| match link.terms.direction {
        Direction::In { quarantine } => Some((link, quarantine)),
        Direction::Out { .. } => None,
    });
    gates.ask(Owner::Entering, RelayRefusal::NoInLink, found.is_some());
    let (link, quarantine) = found?;
    ask_terms(&link.terms, crossing, crossing.from, Owner::Entering, gates);
    let lowered = state.may_carry(log, (crossing.broker, crossing.device), heads);
    gates.ask(Owner::Entering, RelayRefusal::BrokerNoMember, lowered.is_ok());
    let mut cuts = Vec::new();
    for links in lowered.unwrap_or_default() {
        let cut = links.iter().find(|cut| cut.0 == crossing.in_link && cut.1 == crossing.device);
        gates.ask(Owner::Entering, RelayRefusal::AfterCut, cut.is_some());
        cuts.extend(cut.map(|cut| (cut.2, cut.3)));
    }
    for end in &link.ends {
        let cut = end.cuts.iter().find(|cut| cut.0 == crossing.device);
        gates.ask(Owner::Entering, RelayRefusal::LinkOver, cut.is_some());
        cuts.extend(cut.map(|cut| (cut.1, cut.2)));
    }
    Some(Inbound { per_day: link.terms.per_day, replies_only: link.terms.replies_only, quarantine, cuts })
}

/// What the terms of either side say of a crossing.
fn ask_terms(terms: &LinkTerms, crossing: &Crossing<'_>, other: CommunityId, owner: Owner, gates: &mut Gates) {
    gates.ask(owner, RelayRefusal::OtherDestination, terms.other == other);
    gates.ask(owner, RelayRefusal::BrokerNotNamed, terms.names(crossing.broker));
    gates.ask(owner, RelayRefusal::BeyondHops, crossing.hop <= terms.max_hops);
    gates.ask(owner, RelayRefusal::KindNotLinked, terms.kinds.contains(crossing.kind));
    gates.ask(owner, RelayRefusal::TagNotLinked, terms.allows_tags(&crossing.item.header.tags));
    gates.ask(owner, RelayRefusal::LinkOver, crossing.ts <= terms.not_after);
}
