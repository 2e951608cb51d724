//! What leaves with a crossing, before the broker signs it: the one way in which all of it is put together, for sending
//! and for a look at it beforehand.
//!
//! Leaves to others: signing, keeping and telling (`relay`). Always true: nothing is changed; a departure that is made
//! has passed every gate of an honest broker.

use super::{
    CommandRefusal, Standing,
    author::item,
    bundles::{Author, bundle},
    crossing::{Check, check_crossing},
};
use crate::{
    authority::Role,
    bytes::{Bytes, List},
    encoding::V1,
    id::{ItemId, PersonId},
    item::{Item, SaltedBody, SignedItem, Tag},
    key::{PublicKey, Signature},
    ledger::Ledger,
    limits,
    link::{Carry, Envelope, Owner, ProofBundle, Refused},
    signed::{KeyAndSignature, Payload as _, Signed},
    text::Text,
    time::Millis,
};

/// The broker's words: note, summary, tags.
pub type Words<'a> = (Text<{ limits::NOTE_BYTES }>, Option<Text<{ limits::SUMMARY_BYTES }>>, &'a [String]);

/// All that leaves with one item, but for the broker's signature.
#[derive(Debug, Clone)]
pub struct Departure {
    /// The item, as its author signed it.
    pub item: Item,
    /// Its body, with the salt.
    pub body: SaltedBody,
    /// What the broker signs.
    pub envelope: Envelope,
    /// What proves it, which receivers fetch.
    pub bundle: ProofBundle,
    /// Whether stewards of the other side look first (R8).
    pub quarantine: bool,
}

impl Departure {
    /// The very bytes that cross, with zeros in the place of the broker's signature. What is signed and not sent could be
    /// sent by whoever finds it, so a look at it is not signed.
    #[must_use]
    pub fn unsigned(&self) -> Carry {
        let nobody = KeyAndSignature(self.envelope.device, Signature(Bytes([0; 64])));
        let signed = Signed {
            payload: crate::bytes::Blob::new(self.envelope.to_canonical())
                .expect("an envelope within its limits encodes within its limit"),
            signatures: List::new(vec![nobody]).expect("one is one to sixteen"),
        };
        carry(self.item.signed.clone(), self.body.clone(), &self.envelope, signed)
    }
}

/// What is told of a crossing.
pub(super) fn carry(item: SignedItem, body: SaltedBody, says: &Envelope, envelope: Signed) -> Carry {
    Carry { version: V1, item, body: Some(body), bundle: Some(says.proof), envelope: Some(envelope), person: None }
}

/// Puts together what leaves with an item, if every gate lets it pass.
///
/// # Errors
/// The ledger's.
pub fn depart<L: Ledger>(
    now: Millis,
    me: (PersonId, PublicKey),
    id: ItemId,
    (leaving, entering): (&Standing, &Standing),
    words: Words<'_>,
    ledger: &L,
) -> Result<Result<Departure, CommandRefusal>, L::Error> {
    let Some(carried) = item(ledger, id)? else { return Ok(Err(CommandRefusal::NoItem)) };
    let Some(body) = ledger.body(&carried)? else { return Ok(Err(CommandRefusal::NoItem)) };
    if leaving.is_own_space() || entering.is_own_space() {
        return Ok(Err(CommandRefusal::OwnSpace));
    }
    let Check { gates, links, place, quarantine } = check_crossing(now, me, &carried, (leaving, entering), ledger)?;
    let (out_link, in_link) = match (gates.refused(), links) {
        (None, Some(links)) => links,
        (Some(_), Some(links)) if cfg!(feature = "test-bypass") => links,
        (Some(refused), _) => return Ok(Err(refused.into())),
        (None, None) => return Ok(Err(CommandRefusal::NotFound)),
    };
    let bundle = match bundle(leaving, out_link, (carried.header.author, Author::AsLinked)) {
        Ok(bundle) => bundle,
        Err(why) => return Ok(Err(Refused { why, owner: Owner::Leaving }.into())),
    };
    let (note, summary, tags) = words;
    let Some(tags) = words_tags(tags) else {
        return Ok(Err(CommandRefusal::Field("at most 16 tags of at most 64 bytes")));
    };
    let Ok(heads) = List::new(entering.heads_for(entering.state.grant(me.0, Role::Member))) else {
        return Ok(Err(CommandRefusal::Field("more heads than an envelope names")));
    };
    let envelope = Envelope {
        version: V1,
        item: id,
        from: leaving.id(),
        to: entering.id(),
        out_link,
        in_link,
        hop: 1,
        prev: None,
        seq: place.0,
        prev_by_device: place.1,
        ts: now,
        proof: bundle.hash(),
        broker: me.0,
        device: me.1,
        heads,
        note,
        summary,
        tags,
    };
    Ok(Ok(Departure { item: carried, body, envelope, bundle, quarantine }))
}

fn words_tags(tags: &[String]) -> Option<List<Tag, 0, { limits::TAGS }>> {
    let tags: Option<Vec<Tag>> = tags.iter().map(|tag| Tag::line(tag).ok()).collect();
    List::new(tags?).ok()
}
