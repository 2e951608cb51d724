//! Faults that are planted on purpose, so that tests can show that they would be found.
//!
//! They stand between the engine and what carries out its effects, and between the wires and the engine: nothing that is
//! shipped knows of them. Each happens wherever it can.

use crate::{
    engine::{Effect, Verdict},
    wire::Response,
};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Gossip is passed on whatever the engine's verdict is.
    ForwardsUnjudged,
    /// The engine is never woken again once it has been woken for the first time.
    LosesWakes,
    /// The last thing of an answer is left out, as if the answer were whole.
    EndsEarly,
    /// A command is answered before what follows from it is kept.
    AcknowledgesEarly,
}

impl Planted {
    /// All of them.
    pub const ALL: [Planted; 4] =
        [Planted::ForwardsUnjudged, Planted::LosesWakes, Planted::EndsEarly, Planted::AcknowledgesEarly];

    /// Changes what an engine has decided; of gossip, with the number that names it.
    pub(super) fn change(self, gossip: Option<u64>, effects: &mut Vec<Effect>) {
        match self {
            Planted::ForwardsUnjudged => {
                for effect in effects {
                    if let Effect::Judge { token, verdict } = effect
                        && Some(*token) == gossip
                    {
                        *verdict = Verdict::Accept;
                    }
                }
            }
            Planted::LosesWakes => effects.retain(|effect| !matches!(effect, Effect::Wake(_))),
            Planted::EndsEarly => {
                for effect in effects {
                    if let Effect::Respond { response, .. } = effect {
                        end_early(response);
                    }
                }
            }
            Planted::AcknowledgesEarly => {}
        }
    }

    pub(super) fn acknowledges_early(self) -> bool {
        self == Planted::AcknowledgesEarly
    }
}

fn end_early(response: &mut Response) {
    match response {
        Response::Fetch(_, things) | Response::Take(_, things, _) => drop(things.pop()),
        Response::List(ids, _) => drop(ids.pop()),
        _ => {}
    }
}
