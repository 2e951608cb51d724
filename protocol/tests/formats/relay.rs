//! One bookmark on its way from the garden into the library.

use hearth_protocol::{
    encoding::V1,
    id::{EnvelopeId, OpId},
    link::{Carry, Envelope, ProofBundle},
    signed::Signed,
};

use crate::{
    cast::{Actor, at, list, text},
    items::Written,
    story::Story,
};

/// The item's number among the garden's items.
pub(crate) const BOOKMARK: usize = 1;

/// What crosses, and by what.
pub(crate) struct Relayed {
    pub(crate) out_link: OpId,
    pub(crate) bundle: ProofBundle,
    pub(crate) envelope: Signed,
    pub(crate) carry: Carry,
}

impl Relayed {
    pub(crate) fn envelope_id(&self) -> EnvelopeId {
        self.envelope.id::<Envelope>().into()
    }
}

pub(crate) fn relay(
    (garden, out_link): (&Story, OpId),
    (library, in_link): (&Story, OpId),
    items: &[Written],
    [author, broker]: [&Actor; 2],
) -> Relayed {
    let step = |wanted: OpId| garden.steps.iter().find(|step| step.id == wanted).expect("it is a step of the garden");
    let confirmed = garden.steps.iter().find(|step| step.title.ends_with("confirms bob")).expect("alice confirmed bob");
    let bundle = ProofBundle {
        version: V1,
        genesis: garden.log.community().signed.clone(),
        operations: list(vec![step(out_link).signed.clone(), confirmed.signed.clone()]),
        persons: list(vec![author.record()]),
    };
    let item = &items[BOOKMARK];
    let envelope = Envelope {
        version: V1,
        item: item.item.id(),
        from: garden.id(),
        to: library.id(),
        out_link,
        in_link,
        hop: 1,
        prev: None,
        seq: 0,
        prev_by_device: None,
        ts: at(60),
        proof: bundle.hash(),
        broker: broker.id(),
        device: broker.device.public(),
        heads: list(library.log.heads()),
        note: text("What our reading circle asked for."),
        summary: Some(text("How waiting works.")),
        tags: list(vec![text("reading")]),
    };
    let envelope = Signed::seal(&envelope, &[&broker.device]);
    let carry = Carry {
        version: V1,
        item: item.item.clone(),
        body: Some(item.salted()),
        envelope: Some(envelope.clone()),
        bundle: Some(bundle.hash()),
        person: Some(author.record()),
    };
    Relayed { out_link, bundle, envelope, carry }
}
