//! Tests of the rules: each refusal by name, the worked examples of the rules, and random
//! histories against a second implementation.

// Numbers in these tests are small.
#![allow(clippy::cast_possible_truncation)]

mod clauses;
mod cost;
mod differential;
mod found;
mod histories;
mod invites;
mod oracle;
mod properties;
mod refusals;
mod seeds;
mod storing;
mod worked;
mod writing;

use std::fmt::Write as _;

use super::{Log, Role, State, findings};

/// All that a log says, as text that two nodes have in common or not (P1).
fn said(log: &Log, state: &State) -> String {
    let mut said = format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n",
        state.members, state.links, state.invites, state.policy, state.epochs
    );
    let mut ids: Vec<_> = log.operations().map(|place| place.id).collect();
    ids.sort_unstable();
    for id in ids {
        let _ = writeln!(said, "{id} {}", state.is_effective(log, id));
    }
    for person in state.members.keys() {
        let grants = Role::ALL.map(|role| state.grant(*person, role));
        let entitled = state.entitled(log, *person, Role::None);
        let _ = writeln!(said, "{person} {:?} {grants:?} {entitled:?}", state.role(*person));
    }
    let _ = writeln!(said, "{:?}\n{:?}", log.heads(), findings(log, state));
    said
}
