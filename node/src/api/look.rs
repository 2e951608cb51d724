//! Looking at a community with an invite key in hand, before joining.
//!
//! Leaves to others: proving the key to a member (the engine). Always true: looking uses no invite up
//! and keeps nothing; what is seen is what one member says, but for name, role and community, which
//! the key proves.

use std::{collections::BTreeSet, time::Duration};

use axum::{Json, extract::State};
use hearth_protocol::{
    engine::{Answer, Command, CommandRefusal, Event, Look, PeerName},
    invite::InviteKey,
    item::Charter,
    limits,
};
use serde::{Deserialize, Serialize};

use super::{
    App, communities,
    error::{Answered, ApiError},
    other_answer, peers,
    sight::Sight,
    take::Told,
    wait::{Heard, Waiting},
};
use crate::clock;

/// How long to wait where nobody says.
const WAIT_MS: u64 = 30_000;
/// How long to wait at most: somebody looks at a screen.
const LONGEST_WAIT_MS: u64 = 2 * 60_000;

/// A key, and how long to wait.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToLook {
    key: String,
    wait_ms: Option<u64>,
}

/// A community from outside.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    community: String,
    name: String,
    domain: String,
    /// Who its members are to each other; `community` is the id.
    community_text: Option<String>,
    practice: Option<String>,
    norms: Option<String>,
    topics: Vec<String>,
    welcome: Option<String>,
    members: u64,
    /// What the key gives.
    role: &'static str,
    inviter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    inviter_name: Option<String>,
    not_after_ms: u64,
}

impl Seen {
    fn new(key: &InviteKey, name: &str, charter: Option<&Charter>, members: u64) -> Seen {
        let cert = &key.cert.value;
        let text = |text: Option<&str>| text.map(str::to_owned);
        Seen {
            community: key.community.to_string(),
            name: name.to_owned(),
            domain: charter.map(|charter| charter.domain.to_string()).unwrap_or_default(),
            community_text: text(charter.and_then(|charter| charter.community.as_ref()).map(|text| text.as_str())),
            practice: text(charter.and_then(|charter| charter.practice.as_ref()).map(|text| text.as_str())),
            norms: text(charter.and_then(|charter| charter.norms.as_ref()).map(|text| text.as_str())),
            topics: charter.map(communities::topics).unwrap_or_default(),
            welcome: text(charter.and_then(|charter| charter.welcome.as_ref()).map(|text| text.as_str())),
            members,
            role: cert.role.name(),
            inviter: cert.inviter.to_string(),
            inviter_name: None,
            not_after_ms: cert.not_after.0,
        }
    }

    fn told(key: &InviteKey, look: &Look) -> Seen {
        Seen::new(key, &look.name, look.charter.as_ref(), u64::from(look.members))
    }

    /// From inside, where the key leads to a community that one is in.
    fn inside(key: &InviteKey, sight: &Sight<'_>) -> Answered<Seen> {
        let standing = sight.standing(key.community)?;
        let charter = sight.charter(key.community)?;
        let seen = Seen::new(key, standing.name(), charter.as_ref(), standing.state.current().count() as u64);
        Ok(Seen { inviter_name: standing.name_of(key.cert.value.inviter).map(str::to_owned), ..seen })
    }
}

/// Asks a member what there is to be seen, and waits.
pub(super) async fn look(State(app): State<App>, Told(wanted): Told<ToLook>) -> Answered<Json<Seen>> {
    let key = InviteKey::from_text(&wanted.key)?;
    let (cert, now) = (&key.cert.value, clock::now());
    if app.handle.snapshot().communities.get(&key.community).is_some_and(|s| s.is_in(app.me.person())) {
        return app.read(move |sight| Seen::inside(&key, sight).map(Json)).await;
    }
    if now > cert.not_after {
        return Err(CommandRefusal::InviteExpired.into());
    }
    if now.after(limits::FUTURE_MS) < cert.not_before {
        return Err(CommandRefusal::InviteTooEarly.into());
    }
    peers::network_of(&app)?;
    let limit = Duration::from_millis(wanted.wait_ms.unwrap_or(WAIT_MS).min(LONGEST_WAIT_MS));
    let named = key.hints.iter().map(|hint| hint.0.as_slice().to_vec());
    let mut hoped_for: BTreeSet<PeerName> = named.filter(|peer| *peer != app.me.peer).collect();
    let mut waiting = Waiting::new(&app, limit);
    ask(&app, &key).await?;
    loop {
        if hoped_for.is_empty() && app.handle.snapshot().peers.is_empty() {
            return Err(nobody("nobody can be reached at the addresses in this key"));
        }
        match waiting.next().await? {
            Heard::Event(Event::Looked(look)) if look.community == key.community => {
                return Ok(Json(Seen::told(&key, &look)));
            }
            Heard::Event(Event::Unreachable(peer)) => drop(hoped_for.remove(&peer)),
            Heard::Event(_) => {}
            // The answer may be among what was missed.
            Heard::Missed => ask(&app, &key).await?,
            Heard::Over => return Err(nobody("no member has answered in time")),
        }
    }
}

async fn ask(app: &App, key: &InviteKey) -> Answered<()> {
    let Answer::Looking(_) = app.command(Command::Preview(Box::new(key.clone())), None).await? else {
        return Err(other_answer());
    };
    Ok(())
}

/// Members whom the key does not convince stay silent, so this says no more than that.
fn nobody(error: &'static str) -> ApiError {
    let hint =
        "try again when a member's node runs; if one does, the invite may be used up or ended: ask whoever invited you";
    ApiError::late("no_answer", error, hint)
}
