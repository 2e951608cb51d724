//! Every gate between an item and another community, asked by an honest broker before it signs, and by whoever wants to
//! know; and those that depend on what is kept (R5 to R7), which receivers ask too.
//!
//! Leaves to others: signing, keeping and telling (`relay`). Always true: a check changes nothing.

use super::{
    Standing,
    author::{envelope, item},
    input::judged_kind,
    walks::{Place, Walks},
};
use crate::{
    authority::Role,
    id::{CommunityId, EnvelopeId, OpId, PersonId},
    item::{Item, Kind},
    key::PublicKey,
    ledger::Ledger,
    link::{
        Crossing, Direction, Envelope, Gates, Inbound, LinkTerms, Owner, ProofBundle, Refused, RelayRefusal,
        ask_author, ask_out, judge_in, judge_out,
    },
    time::Millis,
};

/// A broker and the device that carries.
type Broker = (PersonId, PublicKey);

/// What a broker may expect of a crossing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Every gate that was asked. Those of a link's terms are asked where there is a link.
    pub gates: Gates,
    /// Whether stewards look first (R8).
    pub quarantine: bool,
    /// The links out and in that would be named.
    pub links: Option<(OpId, OpId)>,
    /// The next number of this device on this border, and the envelope before it.
    pub(super) place: (u32, Option<EnvelopeId>),
}

/// Asks every gate of a crossing over one border, as things stand here.
///
/// # Errors
/// The ledger's.
pub fn check_crossing<L: Ledger>(
    now: Millis,
    broker: Broker,
    carried: &Item,
    (leaving, entering): (&Standing, &Standing),
    ledger: &L,
) -> Result<Check, L::Error> {
    let (from, to, author) = (leaving.id(), entering.id(), carried.header.author);
    let end = ledger.relay_end(from, to, broker.1)?;
    let place = (end.map_or(0, |(seq, _)| seq.saturating_add(1)), end.map(|(_, id)| id));
    let mut gates = Gates::default();
    gates.ask(Owner::Author, RelayRefusal::Retracted, !ledger.is_retracted(carried.id, author)?);
    gates.ask(Owner::Author, RelayRefusal::BeyondReach, carried.header.reach >= 1);
    gates.ask(Owner::Leaving, RelayRefusal::OtherOrigin, carried.header.community == from);
    gates.ask(Owner::Leaving, RelayRefusal::AuthorLeft, leaving.state.role(author) > Role::None);
    // Receivers cannot know it yet (8.5).
    gates.ask(Owner::Leaving, RelayRefusal::AfterCut, leaving.state.role(broker.0) > Role::None);
    let out = pick(now, broker.0, leaving, to, Owner::Leaving, &mut gates);
    let into = pick(now, broker.0, entering, from, Owner::Entering, &mut gates);
    let (out_link, in_link) = (out.map(|(id, _)| id), into.map(|(id, _)| id));
    let nowhere = OpId::new([0; 32]);
    let crossing = Crossing {
        item: carried,
        kind: kind(carried, ledger)?,
        from,
        to,
        out_link: out_link.unwrap_or(nowhere),
        in_link: in_link.unwrap_or(nowhere),
        hop: 1,
        ts: now,
        broker: broker.0,
        device: broker.1,
    };
    if let Some((_, terms)) = out {
        let ruled = |role: &Role| leaving.state.ruled_grant(&leaving.log, author, *role).is_some();
        let role = [Role::Steward, Role::Core, Role::Member].into_iter().find(ruled).unwrap_or_default();
        ask_out(terms, &crossing, role, &mut gates);
        let per_day = usize::from(terms.per_day);
        let is_spent = ledger.turns(crossing.in_link, now.day(), per_day)?.len() >= per_day;
        gates.ask(Owner::Leaving, RelayRefusal::OverQuota, !is_spent);
    }
    // Another broker's envelope is one more path; a second one of our own says nothing new.
    gates.ask(Owner::Entering, RelayRefusal::OnItsPath, !is_carried_by(broker.0, carried, to, ledger)?);
    let mut quarantine = false;
    if in_link.is_some() {
        let heads = entering.log.heads();
        if let Some(entry) = judge_in(&entering.log, &entering.state, &heads, &crossing, &mut gates) {
            let replies_only = out.is_some_and(|(_, terms)| terms.replies_only);
            // An envelope that is not signed yet is the last of its number.
            let last = (place.0, EnvelopeId::new([0xff; 32]));
            ask_kept(&crossing, last, (&entry, replies_only), ledger, &mut Walks::default(), &mut gates)?;
            quarantine = entry.quarantine;
        }
    }
    Ok(Check { gates, quarantine, links: out_link.zip(in_link), place })
}

/// The newest link towards a community that names the broker and is not over; asks for each of these.
fn pick<'a>(
    now: Millis,
    broker: PersonId,
    standing: &'a Standing,
    other: CommunityId,
    owner: Owner,
    gates: &mut Gates,
) -> Option<(OpId, &'a LinkTerms)> {
    let is_out = owner == Owner::Leaving;
    let mut links: Vec<_> = standing
        .state
        .links
        .iter()
        .filter(|l| l.terms.other == other && matches!(l.terms.direction, Direction::Out { .. }) == is_out)
        .collect();
    let missing = if is_out { RelayRefusal::NoOutLink } else { RelayRefusal::NoInLink };
    if !gates.ask(owner, missing, !links.is_empty()) {
        return None;
    }
    links.retain(|link| link.terms.names(broker));
    if !gates.ask(owner, RelayRefusal::BrokerNotNamed, !links.is_empty()) {
        return None;
    }
    // Renewed terms replace older ones.
    let live = links.into_iter().rfind(|link| link.ends.is_empty() && now <= link.terms.not_after);
    gates.ask(owner, RelayRefusal::LinkOver, live.is_some());
    live.map(|link| (link.id, &link.terms))
}

/// Whether what is kept here shows that a crossing was allowed, by nobody's word but those of its author and of the
/// stewards of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It does.
    Proven,
    /// Not without this, which is not here.
    Lacks(&'static str),
    /// It shows that it was not.
    Refused(Refused),
}

impl Permission {
    /// The word that commands and the API show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Permission::Proven => "valid",
            Permission::Lacks(what) => what,
            Permission::Refused(refused) => refused.why.name(),
        }
    }
}

/// Checks again, offline, what a crossing was allowed by (8.5): every signature of its proof (R1 to R3), and the log of
/// the community that it entered (R4).
///
/// # Errors
/// The ledger's.
pub fn prove_crossing<L: Ledger>(
    carried: &Item,
    envelope: &Envelope,
    entering: Option<&Standing>,
    ledger: &L,
) -> Result<Permission, L::Error> {
    let Some(bytes) = ledger.bundle(envelope.proof)? else { return Ok(Permission::Lacks("no_proof")) };
    let Some(entering) = entering else { return Ok(Permission::Lacks("no_log")) };
    if envelope.heads.iter().any(|head| !entering.log.contains(*head)) {
        return Ok(Permission::Lacks("missing_heads"));
    }
    let mut gates = Gates::default();
    let crossing = envelope.crossing(carried, kind(carried, ledger)?);
    match ProofBundle::from_bytes(&bytes).map_err(|_| RelayRefusal::BadProof).and_then(|bundle| bundle.check()) {
        Err(why) => drop(gates.ask(Owner::Broker, why, false)),
        Ok(proven) if carried.header.kind.needs_no_leave() => ask_author(&proven, &crossing, &mut gates),
        Ok(proven) => {
            judge_out(&proven, &crossing, &mut gates);
            judge_in(&entering.log, &entering.state, &envelope.heads, &crossing, &mut gates);
        }
    }
    Ok(gates.refused().map_or(Permission::Proven, Permission::Refused))
}

/// The kind that links judge an item by (8.1).
pub(super) fn kind<L: Ledger>(carried: &Item, ledger: &L) -> Result<Kind, L::Error> {
    let target = match carried.header.target {
        Some(target) => item(ledger, target)?.map(|target| target.header.kind),
        None => None,
    };
    Ok(judged_kind(carried.header.kind, target))
}

/// R5 to R7: what depends on what is kept here.
pub(super) fn ask_kept<L: Ledger>(
    crossing: &Crossing<'_>,
    place: Place,
    (entry, leaves_as_reply_only): (&Inbound, bool),
    ledger: &L,
    walks: &mut Walks,
    gates: &mut Gates,
) -> Result<(), L::Error> {
    let header = &crossing.item.header;
    gates.ask(Owner::Entering, RelayRefusal::OnItsPath, header.community != crossing.to);
    for (last, end) in &entry.cuts {
        let is_before = walks.holds((*last, *end), place, ledger)?;
        gates.ask(Owner::Entering, RelayRefusal::AfterCut, is_before);
    }
    if entry.replies_only || leaves_as_reply_only {
        let mut answers = false;
        for parent in &header.re {
            answers |= item(ledger, *parent)?.is_some_and(|parent| parent.header.community == crossing.to);
        }
        let owner = if entry.replies_only { Owner::Entering } else { Owner::Leaving };
        gates.ask(owner, RelayRefusal::NotAReply, answers);
    }
    let turn = (crossing.broker, crossing.device, place.0, place.1);
    let per_day = usize::from(entry.per_day);
    let earlier = ledger.turns(crossing.in_link, crossing.ts.day(), per_day)?.partition_point(|other| *other < turn);
    gates.ask(Owner::Entering, RelayRefusal::OverQuota, earlier < per_day);
    // Last: a retraction that comes later changes only what would be shown.
    let is_retracted = ledger.is_retracted(crossing.item.id, header.author)?;
    gates.ask(Owner::Author, RelayRefusal::Retracted, !is_retracted);
    Ok(())
}

/// Whether this broker has carried the item there before.
fn is_carried_by<L: Ledger>(broker: PersonId, carried: &Item, to: CommunityId, ledger: &L) -> Result<bool, L::Error> {
    for id in ledger.envelopes_of(to, carried.id)? {
        if envelope(ledger, id)?.is_some_and(|envelope| envelope.broker == broker) {
            return Ok(true);
        }
    }
    Ok(false)
}
