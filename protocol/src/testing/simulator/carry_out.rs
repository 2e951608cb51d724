//! Carrying out what an engine decides: the one place that knows every effect.

use super::{Due, Simulator, node::named};
use crate::{
    engine::{Effect, Event, Verdict},
    limits,
    time::Millis,
};

impl Simulator {
    /// Carries out effects in their order. What is to be kept is kept by then.
    ///
    /// # Panics
    /// When the engine breaks a bound of the wire, or judges or answers what it was never asked.
    pub(super) fn carry_out(&mut self, name: &str, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Tell(event) => {
                    if let Event::Item(_, id) = &event {
                        assert!(
                            self.node(name).memory.has(&id.0),
                            "SEED={}: {name} tells of what it does not keep: {id}",
                            self.seed
                        );
                    }
                    self.tally.note(self.now, ("tell", name, ""), format!("{event:?}").as_bytes());
                    if self.conditions.aloud {
                        eprintln!("    {name} tells {event:?}");
                    }
                    self.node_mut(name).events.push(event);
                }
                Effect::Answer(ticket, answer) => {
                    self.tally.note(self.now, ("answer", name, ""), format!("{answer:?}").as_bytes());
                    self.node_mut(name).answers.insert(ticket, answer);
                }
                Effect::Ask { peer, id, request } => {
                    let bytes = request.to_bytes();
                    assert!(bytes.len() <= limits::REQUEST_BYTES, "a request fits its frame");
                    self.ask_peer(name, &named(&peer), id, bytes);
                }
                Effect::Respond { token, mut response } => {
                    if let Some(tamper) = &mut self.node_mut(name).tamper {
                        tamper.0(&mut response);
                    }
                    let bytes = response.to_bytes();
                    assert!(bytes.len() <= limits::RESPONSE_BYTES, "a response fits its frame");
                    self.answer_peer(name, token, bytes);
                }
                Effect::Publish { topic, data } => {
                    assert!(data.len() <= limits::GOSSIP_BYTES, "gossip fits its frame");
                    self.publish(name, &topic, data);
                }
                Effect::Subscribe(topic) => {
                    self.node_mut(name).topics.insert(topic);
                }
                Effect::Unsubscribe(topic) => {
                    self.node_mut(name).topics.remove(&topic);
                }
                Effect::Judge { token, verdict } => self.judged(name, token, verdict),
                Effect::Disconnect(peer) => self.part(name, &named(&peer)),
                Effect::Ban(peer) => self.ban(name, &named(&peer)),
                Effect::Pardon(peer) => {
                    self.node_mut(name).banned.remove(&named(&peer));
                }
                Effect::HearGossip(peer) => {
                    self.node_mut(name).hears.insert(named(&peer));
                }
                Effect::SpeakGossip(peer) => {
                    self.node_mut(name).speaks.insert(named(&peer));
                }
                Effect::Dial { peer, .. } => self.dial(name, &named(&peer)),
                Effect::Wake(at) => self.set_timer(name, at),
                Effect::Keep(_) => {}
            }
        }
    }

    /// `at` is a time of the node's own clock.
    fn set_timer(&mut self, name: &str, at: Millis) {
        let number = self.number();
        let now = self.now;
        let node = self.node_mut(name);
        node.wake = number;
        let life = node.life;
        let wait = at.since(node.clock(now));
        self.schedule(self.now.after(wait), Due::Wake { at: name.to_owned(), life, number });
    }

    fn judged(&mut self, name: &str, token: u64, verdict: Verdict) {
        let held = self.node_mut(name).held.remove(&token).expect("a verdict is of something that is held");
        match verdict {
            Verdict::Accept => {
                self.node_mut(name).passed_on.extend(held.id);
                self.spread(name, Some(&held.from), &held.frame, held.hops);
            }
            Verdict::Ignore => self.tally.gossip.ignored = self.tally.gossip.ignored.saturating_add(1),
            Verdict::Reject => self.tally.gossip.rejected = self.tally.gossip.rejected.saturating_add(1),
        }
    }
}
