//! A community's authority log, each operation in a short sentence.

use axum::{Json, extract::State};
use hearth_protocol::{
    authority::{Body, Operation, Role, Rule, Subject},
    engine::Standing,
    epoch::Scope,
    id::PersonId,
    invite::{InviteCert, Join},
    link::Direction,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    App,
    error::Answered,
    policy, resolve,
    sight::{Sight, short},
    take::At,
};

#[derive(Debug, Serialize)]
struct OperationView {
    op: String,
    kind: &'static str,
    author: String,
    author_name: String,
    at_ms: u64,
    effective: bool,
    what: String,
}

/// Everything that was decided, in an order in which causes come first.
pub(super) async fn log(State(app): State<App>, At(text): At<String>) -> Answered<Json<Value>> {
    app.read(move |sight| {
        let community = resolve::community(&sight.snapshot, &text)?;
        let standing = sight.standing(community)?;
        let mut operations: Vec<OperationView> = founding(standing).into_iter().collect();
        operations.extend(standing.log.operations().map(|place| OperationView {
            op: place.id.to_string(),
            kind: place.operation.body.name(),
            author: place.operation.author.to_string(),
            author_name: name(standing, place.operation.author),
            at_ms: place.operation.ts.0,
            effective: standing.state.is_effective(&standing.log, place.id),
            what: what(sight, standing, &place.operation),
        }));
        Ok(Json(json!({ "operations": operations })))
    })
    .await
}

/// The genesis counts as the first operation.
fn founding(standing: &Standing) -> Option<OperationView> {
    let community = standing.log.community();
    let first = community.founders.first()?;
    let names: Vec<&str> = community.genesis.founders.iter().map(|founder| founder.1.as_str()).collect();
    Some(OperationView {
        op: community.id.to_string(),
        kind: "genesis",
        author: first.id.to_string(),
        author_name: name(standing, first.id),
        at_ms: community.genesis.ts.0,
        effective: true,
        what: format!("{} founded {}", names.join(", "), standing.name()),
    })
}

fn name(standing: &Standing, person: PersonId) -> String {
    standing.name_of(person).map_or_else(|| short(&person.to_string()), str::to_owned)
}

/// An operation in a short sentence.
pub(super) fn what(sight: &Sight<'_>, standing: &Standing, operation: &Operation) -> String {
    match &operation.body {
        Body::Rule(rule) => ruling(standing, rule),
        Body::Admit(cert, join) => {
            let newcomer = join.read::<Join>().map_or_else(|_| "somebody".to_owned(), |join| join.name.to_string());
            match cert.read::<InviteCert>() {
                Ok(cert) => {
                    format!("let {newcomer} in as {}, invited by {}", cert.role.name(), name(standing, cert.inviter))
                }
                Err(_) => format!("let {newcomer} in"),
            }
        }
        Body::Leave => "left".to_owned(),
        Body::InviteEnd(cert) => format!("ended the invite {}", short(&cert.to_string())),
        Body::Policy(key, value) => format!("set {} to {value}", policy::about(*key)),
        Body::Keys(keys) => match (keys.devices.len(), keys.revoked.len()) {
            (certified, 0) => format!("certified {}", devices(certified)),
            (0, revoked) => format!("revoked {}", devices(revoked)),
            (certified, revoked) => format!("certified {} and revoked {}", devices(certified), devices(revoked)),
        },
        Body::Epoch(epoch) => match epoch.scope {
            Scope::All => "opened an epoch: a new key for all members".to_owned(),
            Scope::Inner => "opened an epoch: a new key for the inner circle".to_owned(),
        },
        Body::Link(terms) => {
            let other =
                sight.community_name(terms.other).map_or_else(|| short(&terms.other.to_string()), str::to_owned);
            let brokers: Vec<String> = terms.brokers.iter().map(|broker| name(standing, *broker)).collect();
            let way = match terms.direction {
                Direction::Out { .. } => "out to",
                Direction::In { .. } => "in from",
            };
            format!("let {} carry items {way} {other}, {} a day at most", brokers.join(", "), terms.per_day)
        }
        Body::LinkEnd(end) => format!("ended the link {}", short(&end.link.to_string())),
        Body::Succeed(community) => {
            format!("named the community {} as the one that follows this one", short(&community.to_string()))
        }
        Body::Merge => "joined what had been decided apart".to_owned(),
        Body::Later(_) => "did what a newer Hearth understands".to_owned(),
    }
}

fn ruling(standing: &Standing, rule: &Rule) -> String {
    let subjects: Vec<String> = rule
        .subjects
        .iter()
        .map(|subject| match subject {
            Subject::Person(person) => name(standing, *person),
            Subject::Join(join) => {
                join.read::<Join>().map_or_else(|_| "somebody".to_owned(), |join| join.name.to_string())
            }
        })
        .collect();
    let subjects = subjects.join(", ");
    let what = match (rule.vouch, rule.role) {
        (true, role) => format!("confirmed {subjects} as {}", role.name()),
        (false, Role::None) => format!("removed {subjects}"),
        (false, role) => format!("gave {subjects} the role {}", role.name()),
    };
    if rule.reason.as_str().is_empty() { what } else { format!("{what}: {}", rule.reason) }
}

fn devices(count: usize) -> String {
    if count == 1 { "a device".to_owned() } else { format!("{count} devices") }
}
