//! The one thread that decides and writes: the engine, the store's only writer, and the order
//! between them.
//!
//! Everything that waits is taken as one batch: decided input by input, kept by one commit, then
//! told and answered. Kept before told, told before answered; only gossip's verdicts go out
//! before the disk, since others wait for them, and what they let in is on the list before it. The driver waits
//! for nobody but the disk.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    thread::JoinHandle,
};

use hearth_protocol::{
    engine::{Answer, ClockDoubt, Effect, Engine, Event, Identity, Input, PeerName, Ticket, Verdict},
    time::Millis,
    wire::Request,
};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    clock,
    handle::{Failure, RequestId, Snapshot, Work},
    home, limits,
    network::{self, NetworkHandle, Order},
    store::{Overlay, ReadError, Reader, WriteError, Writer, keep, keep_answer, kept_answer},
};

/// How much of what follows from a command is decided with it; the rest follows when the engine is woken.
const AT_ONCE: usize = 64;

/// The driver's parts, before it runs.
pub(crate) struct Driver {
    pub(crate) engine: Engine,
    pub(crate) identity: Identity,
    /// A setting of this node (B14).
    pub(crate) confirm_after_ms: Option<u64>,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) inbox: mpsc::Receiver<Work>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) wake: watch::Sender<Option<Millis>>,
    pub(crate) network: watch::Receiver<Option<NetworkHandle>>,
    /// Whose timer ends a wait.
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) state: Running,
}

/// What the driver remembers while it runs.
#[derive(Debug, Default)]
pub(crate) struct Running {
    next: Ticket,
    waiting: BTreeMap<Ticket, Waiting>,
    /// Inputs that the driver itself has brought about.
    own: VecDeque<Input>,
    refusals: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Waiting {
    request: Option<RequestId>,
    reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// Effects that wait for the commit.
#[derive(Default)]
struct Later {
    effects: Vec<Effect>,
    /// Tickets whose answer came before: a retry.
    repeated: Vec<(Ticket, Answer)>,
}

impl Later {
    /// Whether nobody outside this node learns of what is kept, so that it need not be on the disk yet. Whatever else
    /// is told finds all that was kept before it on the disk.
    fn promises_nothing(&self) -> bool {
        self.repeated.is_empty()
            && self.effects.iter().all(|effect| matches!(effect, Effect::Tell(_) | Effect::Wake(_)))
    }
}

/// What came of waiting for work.
enum Wait {
    Work(Work),
    /// Nothing came, and what was put is on the disk.
    Synced,
    /// Nobody is left to bring any.
    Over,
}

impl Driver {
    /// Runs until it is told to stop or nobody is left to tell it anything.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(crate) fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("driver".to_owned()).spawn(move || self.run())
    }

    fn run(mut self) {
        self.set_up();
        self.publish_snapshot();
        loop {
            let mut batch: Vec<Work> = self.state.own.drain(..).map(|input| Work::Input(Box::new(input))).collect();
            if batch.is_empty() {
                match self.wait() {
                    Wait::Work(work) => batch.push(work),
                    Wait::Synced => continue,
                    Wait::Over => break,
                }
            }
            fill(&mut batch, &mut self.inbox);
            if !self.run_batch(batch) {
                break;
            }
        }
        self.sync();
    }

    /// Waits for work, and meanwhile has the disk keep in time what was put.
    fn wait(&mut self) -> Wait {
        let work = match self.writer.sync_within() {
            None => self.inbox.blocking_recv(),
            Some(left) => match self.runtime.block_on(async { timeout(left, self.inbox.recv()).await }) {
                Ok(work) => work,
                Err(_) => {
                    self.sync();
                    return Wait::Synced;
                }
            },
        };
        work.map_or(Wait::Over, Wait::Work)
    }

    fn sync(&mut self) {
        if let Err(why) = self.writer.sync() {
            self.give_up(&Failure::Store(why.to_string()));
        }
    }

    fn set_up(&mut self) {
        if let Some(ms) = self.confirm_after_ms {
            self.engine.confirm_after(ms);
        }
    }

    /// Answers false when it is time to stop.
    fn run_batch(&mut self, batch: Vec<Work>) -> bool {
        let reader = self.reader.clone();
        let mut overlay = Overlay::new(&reader);
        let mut later = Later::default();
        let mut goes_on = true;
        for work in batch {
            let decided = match work {
                Work::Stop => {
                    goes_on = false;
                    break;
                }
                Work::Start => {
                    later.effects.extend(self.engine.start(clock::now()));
                    Ok(())
                }
                Work::Input(input) => self.decide(*input, &mut overlay, &mut later),
                Work::Command { command, request, reply } => {
                    self.command(*command, request, reply, &mut overlay, &mut later)
                }
            };
            if let Err(why) = decided {
                // Half an input must not be kept: what this batch has decided is given up whole.
                self.give_up(&Failure::Store(why.to_string()));
                return goes_on;
            }
            if is_full(overlay.batch().bytes()) {
                let full = std::mem::replace(&mut overlay, Overlay::new(&reader));
                if !self.commit(full, &mut later) {
                    return goes_on;
                }
            }
        }
        self.commit(overlay, &mut later);
        goes_on
    }

    fn command(
        &mut self,
        command: hearth_protocol::engine::Command,
        request: Option<RequestId>,
        reply: oneshot::Sender<Result<Answer, Failure>>,
        overlay: &mut Overlay<'_>,
        later: &mut Later,
    ) -> Result<(), ReadError> {
        let ticket = self.state.next;
        self.state.next += 1;
        self.state.waiting.insert(ticket, Waiting { request, reply });
        if let Some(request) = request
            && let Some(answer) = kept_answer(overlay, &request)?
        {
            later.repeated.push((ticket, answer));
            return Ok(());
        }
        self.decide(Input::Command(ticket, command), overlay, later)?;
        // Who is answered sees what follows from it: a label that has been written hides.
        for _ in 0..AT_ONCE {
            if !self.engine.has_ready() {
                break;
            }
            self.decide(Input::Woken, overlay, later)?;
        }
        Ok(())
    }

    fn decide(&mut self, input: Input, overlay: &mut Overlay<'_>, later: &mut Later) -> Result<(), ReadError> {
        let now = clock::now();
        tracing::trace!(input = input.name(), "input");
        for effect in self.engine.handle(now, input, &*overlay)? {
            match effect {
                Effect::Keep(kept) => keep(overlay, kept)?,
                Effect::Judge { token, verdict } => self.order(Order::Judge { token, verdict: judged(verdict) }),
                Effect::Answer(ticket, answer) => {
                    let request = self.state.waiting.get(&ticket).and_then(|w| w.request);
                    if let (Some(request), Ok(answer)) = (request, &answer) {
                        keep_answer(overlay, &request, now, answer);
                    }
                    later.effects.push(Effect::Answer(ticket, answer));
                }
                // While the last page is kept the next one is on its way; a question tells nothing.
                Effect::Ask { peer, id, request } if request.compares() => self.ask(peer, id, &request),
                effect => later.effects.push(effect),
            }
        }
        Ok(())
    }

    /// Answers false when nothing could be kept; then nothing is told either.
    fn commit(&mut self, overlay: Overlay<'_>, later: &mut Later) -> bool {
        let batch = overlay.into_batch();
        let is_due = self.writer.sync_within().is_some_and(|left| left.is_zero());
        let written =
            if later.promises_nothing() && !is_due { self.writer.put(&batch) } else { self.writer.commit(&batch) };
        match written {
            Ok(_) => {
                self.carry_out(later);
                true
            }
            Err(why) => {
                let failure = match &why {
                    WriteError::Full { .. } => Failure::DiskFull(why.to_string()),
                    _ => Failure::Store(why.to_string()),
                };
                self.give_up(&failure);
                false
            }
        }
    }

    /// Nothing of the batch was kept: whoever waits is told, and the engine forgets what it had
    /// decided by reading again what is kept.
    fn give_up(&mut self, failure: &Failure) {
        tracing::error!(why = %failure, "cannot keep");
        for (_, waiting) in std::mem::take(&mut self.state.waiting) {
            // Nobody waits any more where this fails.
            let _ = waiting.reply.send(Err(failure.clone()));
        }
        let seed = home::entropy().unwrap_or_default();
        let connected: Vec<_> = self.engine.connected_peers().into_iter().map(|(peer, _)| peer).collect();
        match Engine::load(self.identity.clone(), &seed, clock::now(), &Overlay::new(&self.reader)) {
            Ok(engine) => {
                self.engine = engine;
                self.set_up();
                let mut later = Later { effects: self.engine.start(clock::now()), repeated: Vec::new() };
                self.carry_out(&mut later);
                self.state.own.extend(connected.into_iter().map(Input::Connected));
            }
            Err(why) => tracing::error!(%why, "cannot read the store"),
        }
    }

    fn carry_out(&mut self, later: &mut Later) {
        self.publish_snapshot();
        for (ticket, answer) in later.repeated.drain(..) {
            self.reply(ticket, Ok(answer));
        }
        for effect in std::mem::take(&mut later.effects) {
            match effect {
                Effect::Tell(event) => self.tell(event),
                Effect::Answer(ticket, answer) => self.reply(ticket, answer.map_err(Failure::from)),
                Effect::Ask { peer, id, request } => self.ask(peer, id, &request),
                Effect::Respond { token, response } => self.order(Order::Respond { token, frame: response.to_bytes() }),
                Effect::Publish { topic, data } => self.order(Order::Publish { topic, data }),
                Effect::Subscribe(topic) => self.order(Order::Subscribe { topic }),
                Effect::Unsubscribe(topic) => self.order(Order::Unsubscribe { topic }),
                Effect::Dial { peer, addresses } => {
                    let addresses = addresses.iter().filter_map(|a| network::address_from_bytes(a).ok()).collect();
                    self.order(Order::Dial { peer: Some(peer), addresses });
                }
                Effect::Disconnect(peer) => self.order(Order::Part { peer }),
                Effect::Ban(peer) => self.order(Order::Ban { peer }),
                Effect::Pardon(peer) => self.order(Order::Pardon { peer }),
                Effect::HearGossip(peer) => self.order(Order::HearGossip { peer }),
                Effect::SpeakGossip(peer) => self.order(Order::SpeakGossip { peer }),
                // Nobody to wake where this fails: the node is stopping.
                Effect::Wake(at) => drop(self.wake.send(Some(at))),
                Effect::Keep(_) | Effect::Judge { .. } => {}
            }
        }
    }

    fn tell(&mut self, event: Event) {
        if let Event::Refused(name) = &event {
            let count = self.state.refusals.entry(name).or_default();
            *count += 1;
            // The 1st, 2nd, 4th, 8th ... of each name: a peer cannot fill the log.
            if count.is_power_of_two() {
                tracing::info!(name, count, "refused");
            }
        }
        if let Event::Banned(peer, until) = &event {
            tracing::warn!(peer = network::peer_text(peer), until_ms = until.0, "a peer is banned");
        }
        match &event {
            Event::Clock(Some(ClockDoubt { is_ahead, off_ms, persons, heard })) => {
                tracing::warn!(is_ahead, off_ms, persons, heard, "this device's clock is wrong, by what members sign");
            }
            Event::Clock(None) => tracing::info!("this device's clock agrees with the members' again"),
            _ => {}
        }
        // Nobody watches where this fails.
        let _ = self.events.send(event);
    }

    fn reply(&mut self, ticket: Ticket, answer: Result<Answer, Failure>) {
        if let Some(waiting) = self.state.waiting.remove(&ticket) {
            let _ = waiting.reply.send(answer);
        }
    }

    fn ask(&mut self, peer: PeerName, id: u64, request: &Request) {
        let order = Order::Request { peer: peer.clone(), id, frame: request.to_bytes() };
        if !self.try_order(order) {
            self.state.own.push_back(Input::Unanswered { peer, id });
        }
    }

    fn order(&mut self, order: Order) {
        self.try_order(order);
    }

    /// The driver never waits for the network: what does not fit is lost, and comparison repairs it.
    fn try_order(&mut self, order: Order) -> bool {
        let network = self.network.borrow().clone();
        network.is_some_and(|network| {
            network.try_order(order).inspect_err(|why| tracing::debug!(%why, "order lost")).is_ok()
        })
    }

    fn publish_snapshot(&mut self) {
        let snapshot = Snapshot {
            communities: self.engine.communities().clone(),
            own_space: self.engine.own_space(),
            pending: self.engine.pending(),
            peers: self.engine.connected_peers(),
            refusals: self.state.refusals.clone(),
            conduct: self.engine.conduct().clone(),
            clock: self.engine.clock_doubt(),
        };
        self.snapshot.send_replace(Arc::new(snapshot));
    }
}

fn judged(verdict: Verdict) -> network::Verdict {
    match verdict {
        Verdict::Accept => network::Verdict::Accept,
        Verdict::Ignore => network::Verdict::Ignore,
        Verdict::Reject => network::Verdict::Reject,
    }
}

/// Takes what waits, up to a whole batch.
fn fill(batch: &mut Vec<Work>, inbox: &mut mpsc::Receiver<Work>) {
    while batch.len() < limits::BATCH
        && let Ok(work) = inbox.try_recv()
    {
        batch.push(work);
    }
}

/// Whether a batch of so many bytes is kept before more is decided.
fn is_full(bytes: usize) -> bool {
    bytes > limits::BATCH_BYTES
}

#[cfg(test)]
mod tests {
    use hearth_protocol::testing::around;

    use super::*;

    #[test]
    fn a_batch_is_bounded_in_number_and_in_bytes() {
        let most = limits::BATCH;
        around(limits::BATCH, [most - 1, most, most], |n| {
            let (work, mut inbox) = mpsc::channel(limits::INBOX);
            (0..n).for_each(|_| work.try_send(Work::Start).expect("there is room"));
            let mut batch = Vec::new();
            fill(&mut batch, &mut inbox);
            batch.len()
        });
        around(limits::BATCH_BYTES, [false, false, true], is_full);
    }

    #[test]
    fn only_what_this_nodes_own_watchers_are_told_need_not_be_on_the_disk() {
        let promises_nothing = |effects| Later { effects, repeated: Vec::new() }.promises_nothing();
        let told = || Effect::Tell(Event::Refused("unknown"));
        assert!(promises_nothing(vec![told(), Effect::Wake(Millis(1))]));
        let leaves = [
            Effect::Answer(1, Ok(Answer::Done)),
            Effect::Disconnect(Vec::new()),
            Effect::Publish { topic: String::new(), data: Vec::new() },
            Effect::Dial { peer: Vec::new(), addresses: Vec::new() },
        ];
        for effect in leaves {
            assert!(!promises_nothing(vec![told(), effect]));
        }
    }
}
