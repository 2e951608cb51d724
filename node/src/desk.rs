//! The job that works through the selections of this node's person: what came is judged in the order of the store, and
//! what goes by itself is carried.
//!
//! Leaves to others: whether an item is selected (`query`), what is done with it then (`desk`, in the protocol), and
//! every decision that is kept (the engine). Always true: each selection goes on where it stopped, so that nothing is
//! missed while the node is off and nothing is judged twice; what stands in its way is in [`Tended`] until it is gone.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hearth_protocol::{
    desk::{Candidate, Decision, Selection, Step},
    engine::{Answer, Command, CommandRefusal, DeskCommand, Event, Standing, check_crossing, newest_version},
    id::{ItemId, PersonId},
    item::{Body, Kind, Tag},
    key::PublicKey,
    ledger::Ledger as _,
    limits,
    link::{Owner, Refused, RelayRefusal},
    query::Seen,
};
use tokio::sync::{broadcast::error::RecvError, watch};

use crate::{
    clock,
    handle::{Failure, Handle, Snapshot},
    store::{Listed, Overlay, ReadError, Reader},
};

/// Items of the store's sequence that are judged at once.
const PAGE: usize = 500;
/// Time between hearing of something and looking at it.
const PAUSE: Duration = Duration::from_millis(250);
/// Time after which all is looked at again, whatever was told: quotas begin anew, links end.
const ROUND: Duration = Duration::from_secs(60);

/// How far the job has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tended {
    /// What waits to be judged.
    pub(crate) queue: u64,
    /// What went wrong last, until it goes well.
    pub(crate) error: Option<String>,
}

/// Who looks, and at what.
pub(crate) struct Desk<'a> {
    pub(crate) store: &'a Overlay<'a>,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) me: (PersonId, PublicKey),
}

/// What is to be done next.
#[derive(Debug, Default)]
struct Plan {
    commands: Vec<DeskCommand>,
    queue: u64,
    /// Whether there is more to judge right after this.
    goes_on: bool,
}

/// A command, or what stands in the way of one.
type Next = (Option<DeskCommand>, Option<Refused>);

/// Works until the driver ends.
pub(crate) async fn tend(handle: Handle, reader: Reader, me: (PersonId, PublicKey), told: watch::Sender<Tended>) {
    let mut events = handle.events();
    loop {
        let goes_on = match round(&handle, &reader, me).await {
            Ok(plan) => {
                told.send_replace(Tended { queue: plan.queue, error: None });
                plan.goes_on
            }
            Err(Failure::Stopping) => return,
            Err(why) => {
                tracing::warn!(%why, "the selections cannot be worked through");
                told.send_modify(|tended| tended.error = Some(why.to_string()));
                false
            }
        };
        if goes_on {
            continue;
        }
        let heard = async {
            loop {
                match events.recv().await {
                    Ok(Event::Item(..) | Event::Hidden(..) | Event::Authority(_)) | Err(RecvError::Lagged(_)) => {
                        return true;
                    }
                    Ok(_) => {}
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        // Where nothing is told for a while, time itself may have changed something.
        if !tokio::time::timeout(ROUND, heard).await.unwrap_or(true) {
            return;
        }
        // What comes together is looked at together.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Plans from what is kept and has it carried out.
async fn round(handle: &Handle, reader: &Reader, me: (PersonId, PublicKey)) -> Result<Plan, Failure> {
    let (snapshot, reader) = (handle.snapshot(), reader.clone());
    let planned = tokio::task::spawn_blocking(move || {
        let store = Overlay::new(&reader);
        plan(&Desk { store: &store, snapshot: &snapshot, me })
    });
    let read = |why: ReadError| Failure::Store(why.to_string());
    let mut plan = planned.await.map_err(|why| Failure::Store(why.to_string()))?.map_err(read)?;
    for command in std::mem::take(&mut plan.commands) {
        match handle.command(Command::Desk(command), None).await {
            Ok(Answer::Relayed(..) | Answer::Done) => {}
            // As things stand now: the next round looks at it again.
            Ok(_) | Err(Failure::Refused(CommandRefusal::NotOnDesk | CommandRefusal::EditedSince)) => {}
            Err(Failure::Refused(CommandRefusal::Relay(refused))) => {
                if refused.why == RelayRefusal::OverQuota {
                    plan.goes_on = true;
                    break;
                }
            }
            Err(why) => return Err(why),
        }
    }
    Ok(plan)
}

fn plan(desk: &Desk<'_>) -> Result<Plan, ReadError> {
    let mut plan = Plan::default();
    let end = desk.store.next_number()?;
    for selection in desk.store.selections()?.into_iter().filter(|selection| selection.on) {
        let behind = end.saturating_sub(selection.next);
        if desk.sides(&selection).is_none() {
            // Left, or not joined yet: what comes of it waits.
            plan.queue = plan.queue.max(behind);
            continue;
        }
        let waiting = desk.waiting(&selection)?;
        let room = limits::CANDIDATES.saturating_sub(waiting.len());
        for candidate in waiting {
            let (next, refused) = desk.next_of(&selection, &candidate)?;
            plan.commands.extend(next);
            if refused.is_some_and(|refused| refused.why == RelayRefusal::OverQuota) {
                // So would all that come after it.
                break;
            }
        }
        let mut left = behind;
        if let Some((judged, goes_on)) = desk.judge(&selection, room)? {
            if let DeskCommand::Judge { judged: (_, next), .. } = &judged {
                left = end.saturating_sub(*next);
            }
            plan.commands.push(judged);
            plan.goes_on |= goes_on;
        }
        plan.queue = plan.queue.max(left);
    }
    Ok(plan)
}

impl Desk<'_> {
    /// The communities on both sides, where this node is in both.
    pub(crate) fn sides(&self, selection: &Selection) -> Option<(&Standing, &Standing)> {
        let standing = |id| self.snapshot.communities.get(&id).map(Arc::as_ref);
        Some((standing(selection.from)?, standing(selection.to)?))
    }

    /// The candidates that nobody has decided.
    pub(crate) fn waiting(&self, selection: &Selection) -> Result<Vec<Candidate>, ReadError> {
        let mut all = self.store.candidates(selection.id)?;
        all.retain(|candidate| candidate.state == Decision::Waiting);
        Ok(all)
    }

    /// An item as it stands where it was written; none where it does not, or was taken back.
    pub(crate) fn standing_item(&self, selection: &Selection, id: ItemId) -> Result<Option<Listed>, ReadError> {
        let shown = self.store.show(id, &[selection.from], &[])?;
        Ok(shown
            .filter(|shown| !shown.retracted && !shown.hidden && shown.listed.by.is_none())
            .map(|shown| shown.listed))
    }

    /// Whether an item is what a selection selects.
    pub(crate) fn selects(&self, selection: &Selection, listed: &Listed) -> Result<bool, ReadError> {
        let query = &selection.query;
        let header = &listed.item.header;
        let endorsers =
            if query.endorsed == 0 { 0 } else { self.store.endorsers(listed.item.id, selection.from)?.len() };
        let says = says(listed.body.as_ref());
        let seen = Seen { kind: header.kind, author: header.author, tags: tags(listed), says: &says, endorsers };
        // Replies are no candidates by their community alone, but where their kind is asked for.
        let is_asked_for = header.kind.is_listed() || query.kinds.contains(&header.kind);
        Ok(is_asked_for && query.matches(&seen))
    }

    /// The first gate that refuses an item, and whether stewards of the other side look first.
    pub(crate) fn refused(&self, selection: &Selection, listed: &Listed) -> Result<(Option<Refused>, bool), ReadError> {
        let Some(sides) = self.sides(selection) else {
            return Ok((Some(Refused { why: RelayRefusal::NoOutLink, owner: Owner::Leaving }), false));
        };
        let check = check_crossing(clock::now(), self.me, &listed.item, sides, self.store)?;
        Ok((check.gates.refused(), check.quarantine))
    }

    /// Whether this person has carried it there.
    pub(crate) fn is_carried(&self, selection: &Selection, item: ItemId) -> Result<bool, ReadError> {
        let hops = self.store.hops(item, &[selection.to])?;
        Ok(hops.iter().any(|hop| hop.envelope.broker == self.me.0))
    }

    /// Judges what came since, as far as there is room for candidates. Answers whether there is more.
    fn judge(&self, selection: &Selection, room: usize) -> Result<Option<(DeskCommand, bool)>, ReadError> {
        let page = self.store.numbered_from(selection.next, PAGE)?;
        let (mut next, mut found, mut kept_back) = (selection.next, Vec::new(), 0);
        let mut seen = BTreeSet::new();
        for (number, read_in, id) in &page {
            if found.len() >= room {
                break;
            }
            next = number.saturating_add(1);
            if *read_in != selection.from {
                continue;
            }
            let Some(id) = self.judged(*id)?.filter(|id| seen.insert(*id)) else { continue };
            let Some(listed) = self.standing_item(selection, id)? else { continue };
            if !self.selects(selection, &listed)?
                || self.is_carried(selection, id)?
                || self.store.candidate(selection.id, id)?.is_some()
            {
                continue;
            }
            let (refused, _) = self.refused(selection, &listed)?;
            match (selection.step(refused), newest_version(id, self.store)?) {
                (Step::KeepBack, _) => kept_back += 1,
                (Step::Wait | Step::Carry, Some(version)) => found.push((id, version)),
                (Step::Wait | Step::Carry, None) => {}
            }
        }
        if next == selection.next {
            return Ok(None);
        }
        // What is carried by itself is so in the round after, out of the queue.
        let goes_on = page.len() >= PAGE || (selection.auto && !found.is_empty());
        let judged = (selection.next, next);
        Ok(Some((DeskCommand::Judge { selection: selection.id, judged, found, kept_back }, goes_on)))
    }

    /// What is judged for an item that came: itself; of an endorsement what is endorsed.
    fn judged(&self, id: ItemId) -> Result<Option<ItemId>, ReadError> {
        let item = self.store.item(id)?.and_then(|signed| signed.trusted().ok());
        Ok(item.and_then(|item| match item.header.kind {
            Kind::ENDORSEMENT => item.header.target,
            Kind::EDIT | Kind::TOMBSTONE | Kind::RECALL | Kind::LABEL => None,
            Kind(_) => Some(item.id),
        }))
    }

    /// What becomes of a candidate without anybody's word, and which gate refuses it where it would go by itself.
    fn next_of(&self, selection: &Selection, candidate: &Candidate) -> Result<Next, ReadError> {
        let (id, item) = (selection.id, candidate.item);
        let Some(listed) = self.standing_item(selection, item)? else {
            return Ok((Some(DeskCommand::Settle(id, item)), None));
        };
        if self.is_carried(selection, item)? {
            return Ok((Some(DeskCommand::Settle(id, item)), None));
        }
        // Its newest version has to be what is selected.
        if !selection.auto || !self.selects(selection, &listed)? {
            return Ok((None, None));
        }
        let (refused, _) = self.refused(selection, &listed)?;
        let (Step::Carry, Some(version)) = (selection.step(refused), newest_version(item, self.store)?) else {
            return Ok((None, refused));
        };
        let map = self.store.tag_map(selection.from, selection.to)?;
        let said = map.translate(tags(&listed)).into_iter().map(|(_, said)| said.to_string());
        let (note, tags) = (selection.note.clone(), said.take(limits::TAGS).collect());
        Ok((Some(DeskCommand::Accept { selection: id, item, version, note, summary: None, tags }), None))
    }
}

/// An item's tags now.
pub(crate) fn tags(listed: &Listed) -> &[Tag] {
    &listed.edit.as_ref().unwrap_or(&listed.item).header.tags
}

/// What an item says, in as many texts as it has.
fn says(body: Option<&Body>) -> Vec<&str> {
    match body {
        Some(Body::Post(post)) => post.title.iter().map(|t| t.as_str()).chain([post.text.as_str()]).collect(),
        Some(Body::Reply(reply)) => vec![reply.text.as_str()],
        Some(Body::Bookmark(mark)) => {
            let texts = mark.title.iter().map(|t| t.as_str()).chain(mark.note.iter().map(|t| t.as_str()));
            texts.chain(mark.excerpt.iter().map(|t| t.as_str())).chain([mark.url.as_str()]).collect()
        }
        _ => Vec::new(),
    }
}
