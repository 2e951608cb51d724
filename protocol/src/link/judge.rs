//! The gates of a border: R1 to R3 from the proof alone, R4 from the log of the community that
//! the item enters. What needs the items kept so far (R5, R6, the chains of R7) is asked by the
//! engine.

use super::{Direction, LinkTerms, Proven, RelayRefusal};
use crate::{
    authority::{Log, State},
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

/// R1 to R3: whether the community that the item leaves lets it go, as the bundle proves.
///
/// # Errors
/// The first gate that refuses.
pub fn judge_out(proven: &Proven, crossing: &Crossing<'_>) -> Result<(), RelayRefusal> {
    let header = &crossing.item.header;
    if header.community != crossing.from {
        return Err(RelayRefusal::OtherOrigin);
    }
    if proven.from != crossing.from {
        return Err(RelayRefusal::BadProof);
    }
    if !proven.certifies_items(header.author, header.device) {
        return Err(RelayRefusal::ItemUnproven);
    }
    if crossing.hop > header.reach {
        return Err(RelayRefusal::BeyondReach);
    }
    let terms = proven.link(crossing.out_link)?;
    let Direction::Out { min_author_role } = terms.direction else { return Err(RelayRefusal::BadProof) };
    judge_terms(terms, crossing, crossing.to)?;
    if proven.role(header.author) < min_author_role {
        return Err(RelayRefusal::AuthorNotConfirmed);
    }
    Ok(())
}

/// R4: whether the community that the item enters lets it in, as its log says at `heads`.
///
/// # Errors
/// The first gate that refuses.
pub fn judge_in(log: &Log, state: &State, heads: &[OpId], crossing: &Crossing<'_>) -> Result<Inbound, RelayRefusal> {
    let link = state.link_at(log, crossing.in_link, heads).ok_or(RelayRefusal::NoInLink)?;
    let Direction::In { quarantine } = link.terms.direction else { return Err(RelayRefusal::NoInLink) };
    judge_terms(&link.terms, crossing, crossing.from)?;
    let lowered =
        state.may_carry(log, (crossing.broker, crossing.device), heads).map_err(|_| RelayRefusal::BrokerNoMember)?;
    let mut cuts = Vec::new();
    for links in lowered {
        let cut = links
            .iter()
            .find(|cut| cut.0 == crossing.in_link && cut.1 == crossing.device)
            .ok_or(RelayRefusal::AfterCut)?;
        cuts.push((cut.2, cut.3));
    }
    for end in &link.ends {
        let cut = end.cuts.iter().find(|cut| cut.0 == crossing.device).ok_or(RelayRefusal::LinkOver)?;
        cuts.push((cut.1, cut.2));
    }
    Ok(Inbound { per_day: link.terms.per_day, replies_only: link.terms.replies_only, quarantine, cuts })
}

/// What the terms of either side say of a crossing.
fn judge_terms(terms: &LinkTerms, crossing: &Crossing<'_>, other: CommunityId) -> Result<(), RelayRefusal> {
    if terms.other != other {
        return Err(RelayRefusal::OtherDestination);
    }
    if !terms.names(crossing.broker) {
        return Err(RelayRefusal::BrokerNotNamed);
    }
    if crossing.hop > terms.max_hops {
        return Err(RelayRefusal::BeyondHops);
    }
    if !terms.kinds.contains(crossing.kind) {
        return Err(RelayRefusal::KindNotLinked);
    }
    if !terms.allows_tags(&crossing.item.header.tags) {
        return Err(RelayRefusal::TagNotLinked);
    }
    if crossing.ts > terms.not_after {
        return Err(RelayRefusal::LinkOver);
    }
    Ok(())
}
