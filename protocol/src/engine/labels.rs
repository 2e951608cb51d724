//! What stewards' labels of one thing come to (T5): the latest by what their authors had seen of the log, and hidden
//! where those that saw nothing of each other disagree.
//!
//! Leaves to others: whether a label stands (`receive`), and what is shown then. Always true: it depends on which labels
//! are kept, and not on the order in which they came.

use super::author::item;
use crate::{
    authority::Log,
    id::ItemId,
    item::{Body, Item, Kind, Label},
    ledger::Ledger,
};

/// The labels of a target in the community of this log which no other one follows on, those that hide first, the newest
/// of them first: the first counts.
///
/// # Errors
/// The ledger's.
pub fn labels_of<L: Ledger>(log: &Log, target: ItemId, ledger: &L) -> Result<Vec<(Item, Label)>, L::Error> {
    let mut labels = Vec::new();
    for id in ledger.changes(target, Kind::LABEL)? {
        let Some(item) = item(ledger, id)?.filter(|item| item.header.community == log.id()) else { continue };
        if ledger.is_retracted(id, item.header.author)? {
            continue;
        }
        if let Some(Body::Label(label)) = ledger.body(&item)?.and_then(|body| item.body(&body).ok()) {
            labels.push((item, label));
        }
    }
    let is_followed = |(earlier, _): &(Item, Label)| labels.iter().any(|(later, _)| follows(log, later, earlier));
    let mut last: Vec<_> = labels.iter().filter(|label| !is_followed(label)).cloned().collect();
    last.sort_by_key(|(item, label)| (!label.hide, std::cmp::Reverse((item.header.ts, item.id))));
    Ok(last)
}

/// Whether the later one's author had seen more of the log, or as much and the earlier label too.
fn follows(log: &Log, later: &Item, earlier: &Item) -> bool {
    let (after, before) = (&later.header.auth_heads, &earlier.header.auth_heads);
    match (has_seen(log, after, before), has_seen(log, before, after)) {
        (true, true) => later.header.re.contains(&earlier.id),
        (saw, _) => saw,
    }
}

/// Whether each of the operations lies in the past of one of the heads, or is one.
fn has_seen(log: &Log, heads: &[crate::id::OpId], operations: &[crate::id::OpId]) -> bool {
    let is_seen = |id: &crate::id::OpId| heads.iter().any(|head| head == id || log.is_before(*id, *head));
    operations.iter().all(is_seen)
}
