//! A community's policy: the numbers that its stewards set (B13).
//!
//! Leaves to others: obeying them. Always true: only what this version knows can be set, within its
//! bounds; what a later version has set is listed by its number.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use hearth_protocol::{
    authority::policy,
    engine::{Answer, Command, Standing},
    limits,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    error::{Answered, ApiError},
    other_answer, resolve,
    take::{At, Id, Told},
};

/// Name, key, most, and what it is.
type Row = (&'static str, u16, u32, &'static str);

const KNOWN: [Row; 6] = [
    ("default_reach", policy::DEFAULT_REACH, limits::HOPS as u32, "the reach of items whose author says nothing"),
    ("history", policy::HISTORY, 1, "whether newcomers are given what was written before them, and the keys of before"),
    ("admits_day", policy::ADMITS_DAY, u32::MAX, "the newcomers a day that one member's node lets in"),
    (
        "posts_day",
        policy::POSTS_DAY,
        u32::MAX,
        "the items of one person and day; nodes take four times as many, and defer the rest",
    ),
    ("posts_day_peripheral", policy::POSTS_DAY_PERIPHERAL, u32::MAX, "the same of a peripheral member"),
    (
        "confirm_per_day",
        policy::CONFIRM_PER_DAY,
        u32::MAX,
        "the newcomers a day that one steward's node confirms by itself",
    ),
];

/// What a key is about, in a sentence.
pub(super) fn about(key: u16) -> String {
    let known = KNOWN.iter().find(|(_, of, ..)| *of == key);
    known.map_or_else(|| format!("policy {key}"), |(.., about)| (*about).to_owned())
}

/// The values that are set, by name.
pub(super) fn values(standing: &Standing) -> BTreeMap<String, u32> {
    let name = |key: u16| {
        let known = KNOWN.iter().find(|(_, of, ..)| *of == key);
        known.map_or_else(|| key.to_string(), |(name, ..)| (*name).to_owned())
    };
    standing.state.policy.iter().map(|(key, value)| (name(*key), *value)).collect()
}

/// Which value, and to what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToSet {
    key: String,
    value: u64,
}

/// Sets one of them.
pub(super) async fn set(
    State(app): State<App>,
    id: Id,
    At(text): At<String>,
    Told(wanted): Told<ToSet>,
) -> Answered<Json<Value>> {
    let community = resolve::community(&app.handle.snapshot(), &text)?;
    let (name, key, value) = checked(&wanted.key, wanted.value)?;
    let Answer::Done = app.command(Command::SetPolicy { community, key, value }, id.0).await? else {
        return Err(other_answer());
    };
    Ok(Json(json!({ "community": community.to_string(), "key": name, "value": value })))
}

fn checked(name: &str, value: u64) -> Answered<(&'static str, u16, u32)> {
    let Some((name, key, most, _)) = KNOWN.iter().find(|(known, ..)| *known == name.trim()) else {
        let names: Vec<&str> = KNOWN.iter().map(|(name, ..)| *name).collect();
        let error = format!("a community has no value called `{}`", name.trim());
        return Err(ApiError::typed("unknown_policy", error, format!("these can be set: {}", names.join(", "))));
    };
    match u32::try_from(value).ok().filter(|value| value <= most) {
        Some(value) => Ok((name, *key, value)),
        None => {
            let error = format!("{value} is too much for `{name}`");
            Err(ApiError::typed("bad_value", error, format!("give a number from 0 to {most}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_a_name_and_a_bound() {
        let said = |name: &str, value| checked(name, value).map_err(|error| error.reason.into_owned());
        assert_eq!(said("default_reach", 3), Ok(("default_reach", 1, 3)));
        assert_eq!(said(" history ", 0), Ok(("history", 2, 0)));
        assert_eq!(said("posts_day", u64::from(u32::MAX)), Ok(("posts_day", 4, u32::MAX)));
        for (name, value) in [("default_reach", 4), ("history", 2), ("admits_day", 1 << 32)] {
            assert_eq!(said(name, value), Err("bad_value".to_owned()), "{name}");
        }
        assert_eq!(said("auto_admit", 1), Err("unknown_policy".to_owned()));
        assert!(about(policy::HISTORY).starts_with("whether newcomers are given what was written before them"));
        assert_eq!(about(900), "policy 900");
    }
}
