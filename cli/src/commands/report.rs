//! `hearth link report`: the ledger of a community's borders, as a person reads it.

use serde::Deserialize;

use crate::output::{escape, layout, time};
use crate::view::{self, short};

/// What crossed, and what came of it.
#[derive(Deserialize)]
pub(crate) struct Report {
    name: Option<String>,
    crossings: Vec<Crossing>,
    totals: Totals,
    #[serde(default)]
    unseen: Vec<String>,
}

#[derive(Deserialize)]
struct Crossing {
    #[serde(flatten)]
    item: view::Item,
    from_name: Option<String>,
    from: String,
    to_name: Option<String>,
    to: String,
    broker: String,
    broker_name: Option<String>,
    at_ms: u64,
    error: Option<String>,
    replies: u64,
    saves: u64,
    endorsements: u64,
}

#[derive(Deserialize)]
struct Totals {
    out: Sum,
    #[serde(rename = "in")]
    into: Sum,
    brokers: Vec<Broker>,
    days: Vec<Day>,
}

#[derive(Deserialize)]
struct Sum {
    crossings: u64,
    shown: u64,
    quarantined: u64,
    held: u64,
    replies: u64,
    saves: u64,
    endorsements: u64,
}

#[derive(Deserialize)]
struct Broker {
    broker: String,
    broker_name: Option<String>,
    direction: String,
    sum: Sum,
}

#[derive(Deserialize)]
struct Day {
    day_ms: u64,
    from: String,
    from_name: Option<String>,
    to: String,
    to_name: Option<String>,
    used: u64,
    per_day: Option<u64>,
}

fn name(name: Option<&String>, id: &str) -> String {
    name.map_or_else(|| short(id), Clone::clone)
}

/// All of it for a screen.
pub(crate) fn shown(seen: &Report, width: Option<u16>) -> String {
    let community = escape::line(seen.name.as_deref().unwrap_or_default());
    let mut parts = Vec::new();
    if seen.crossings.is_empty() {
        parts.push(format!("Nothing has crossed the borders of `{community}`, as far as this node knows."));
    } else {
        let rows = seen.crossings.iter().map(|one| {
            let state = one.item.state.clone().unwrap_or_default();
            [
                short(&one.item.item),
                time::ago(one.at_ms),
                format!("{} to {}", name(one.from_name.as_ref(), &one.from), name(one.to_name.as_ref(), &one.to)),
                name(one.broker_name.as_ref(), &one.broker),
                one.item.glance(),
                one.error.as_ref().map_or(state.clone(), |error| format!("{state}: {error}")),
                one.replies.to_string(),
                one.saves.to_string(),
                one.endorsements.to_string(),
            ]
        });
        let head = ["id", "when", "border", "broker", "what", "state", "replies", "saves", "endorsed"];
        parts.push(layout::table(head, rows, width));
        let total = |way: &str, sum: &Sum| {
            let Sum { crossings, shown, quarantined, held, replies, saves, endorsements } = sum;
            format!(
                "{way}: {crossings} crossed, {shown} shown, {quarantined} with stewards, {held} held; \
                 {replies} replies, {saves} saves, {endorsements} endorsements there."
            )
        };
        let mut lines = vec![total("Out", &seen.totals.out), total("In", &seen.totals.into)];
        lines.extend(seen.totals.brokers.iter().map(|one| {
            let broker = escape::line(&name(one.broker_name.as_ref(), &one.broker));
            total(&format!("  by {broker}, {}", escape::line(&one.direction)), &one.sum)
        }));
        parts.push(lines.join("\n"));
        let days = seen.totals.days.iter().rev().map(|day| {
            let quota = day.per_day.map_or_else(String::new, |most| format!(" of {most}"));
            let date = time::moment(day.day_ms);
            let date = date.split(' ').next().unwrap_or_default().to_owned();
            let border =
                format!("{} to {}", name(day.from_name.as_ref(), &day.from), name(day.to_name.as_ref(), &day.to));
            [date, border, format!("{}{quota}", day.used)]
        });
        parts.push(layout::table(["day (UTC)", "border", "of the quota"], days, width));
    }
    for other in &seen.unseen {
        parts.push(format!(
            "What went out to {} is not known here: you are no member there. Ask a broker for their report.",
            short(other)
        ));
    }
    parts.join("\n\n")
}
