//! `hearth status`: who one is, what runs and what is kept; with the node stopped too.

use serde::Deserialize;

use crate::error::Error;
use crate::output::{Output, escape, layout, time};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, named, short};

/// Who you are, what runs and what is kept
#[derive(Debug, clap::Args)]
pub(crate) struct Status {}

#[derive(Deserialize)]
struct Seen {
    running: bool,
    person: String,
    name: String,
    device: String,
    peer: Option<String>,
    #[serde(default)]
    listen: Vec<String>,
    api: Option<String>,
    peers: Option<u64>,
    #[serde(default)]
    banned: u64,
    #[serde(default)]
    communities: Vec<Place>,
    #[serde(default)]
    jobs: Vec<Job>,
    store: Option<Store>,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    community_name: Option<String>,
    what: String,
    #[serde(default)]
    urgent: bool,
    #[serde(rename = "do")]
    command: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    community: String,
    name: String,
    role: Option<String>,
    members: Option<u64>,
    items: Option<u64>,
    last_sync_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Job {
    name: String,
    queue: Option<u64>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Store {
    bytes: u64,
    items: u64,
}

impl Status {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let status = session.ask(Request::get(&["status"])).await?;
        let (home, width) = (session.home().path().display().to_string(), out.width());
        out.tell(&status, || Ok(shown(&view::read(&status)?, home, width)))
    }
}

fn shown(seen: &Seen, home: String, width: Option<u16>) -> String {
    let runs = if seen.running { "The node runs." } else { "The node is stopped: hearth run" };
    let mut pairs =
        vec![("person", named(Some(&seen.name), &seen.person)), ("device", short(&seen.device)), ("home", home)];
    if let Some(store) = &seen.store {
        pairs.push(("kept", format!("{} items, {}", store.items, size(store.bytes))));
    }
    if seen.running {
        pairs.push(("api", seen.api.clone().unwrap_or_default()));
        pairs.push(("peer", seen.peer.clone().unwrap_or_default()));
        pairs.extend(seen.listen.iter().map(|address| ("listening", address.clone())));
        pairs.push(("connected", seen.peers.map_or_else(String::new, |peers| format!("{peers} peers"))));
    }
    if seen.banned > 0 {
        pairs.push(("banned", format!("{} peers: hearth peer list", seen.banned)));
    }
    for job in &seen.jobs {
        if let Some(error) = &job.error {
            pairs.push(("trouble", format!("{}, {} waiting: {error}", job.name, job.queue.unwrap_or_default())));
        }
    }
    let pairs = layout::pairs(pairs, width);
    let mut shown = format!("{runs}\n\n{pairs}\n\n{}", places(&seen.communities, width));
    let (urgent, others): (Vec<&Finding>, Vec<&Finding>) = seen.findings.iter().partition(|finding| finding.urgent);
    // What cannot wait stands where it is read first, and is not overlooked.
    shown.insert_str(0, &urgent.iter().map(|finding| format!("TAKE CARE. {}\n\n", told(finding))).collect::<String>());
    shown.extend(others.iter().map(|finding| format!("\n\n{}", told(finding))));
    shown
}

fn told(finding: &Finding) -> String {
    let what = escape::line(&finding.what);
    let told = match &finding.community_name {
        Some(name) => format!("In {}: {what}.", escape::line(name)),
        None => format!("{what}."),
    };
    match &finding.command {
        Some(command) => format!("{told}\n  To do so: {}", escape::line(command)),
        None => told,
    }
}

fn places(places: &[Place], width: Option<u16>) -> String {
    let count = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    layout::table(
        ["community", "id", "your role", "members", "items", "last sync"],
        places.iter().map(|place| {
            [
                place.name.clone(),
                short(&place.community),
                place.role.clone().unwrap_or_default(),
                count(place.members),
                count(place.items),
                place.last_sync_ms.filter(|ms| *ms > 0).map_or_else(|| "never".to_owned(), time::ago),
            ]
        }),
        width,
    )
}

fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    match bytes {
        ..KIB => format!("{bytes} bytes"),
        KIB..MIB => format!("{} KiB", bytes / KIB),
        _ => format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hear;
    use serde_json::json;

    #[test]
    fn sizes_have_a_unit_that_fits() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1024), "1 KiB");
        assert_eq!(size(1024 * 1024 * 5 / 2), "2.5 MiB");
    }

    #[tokio::test]
    async fn a_stopped_node_has_a_status_and_says_how_to_start_it() {
        let status = json!({
            "running": false, "person": "ab".repeat(32), "name": "alice", "device": "cd".repeat(32),
            "peer": null, "listen": [], "api": null, "peers": 0,
            "communities": [{"community": "ef".repeat(32), "name": "mine", "role": "steward", "members": 1,
                             "items": 3, "heads": 1, "last_sync_ms": null}],
            "jobs": [{"name": "dial", "queue": 2, "error": "no route"}], "store": {"bytes": 2048, "items": 3},
        });
        let heard = hear(&["status"], [(200, status)]).await;
        heard.done.expect("the answer is whole");
        for part in ["hearth run", "alice (ababababab)", "3 items, 2 KiB", "mine", "never", "dial, 2 waiting: no route"]
        {
            assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
        }
    }

    #[tokio::test]
    async fn what_cannot_wait_is_said_first_and_the_rest_last() {
        let finding = |name: Option<&str>, what: &str, urgent: bool| {
            let urgent = urgent.then_some(true);
            json!({"community_name": name, "what": what, "urgent": urgent.unwrap_or_default(), "do": "hearth limits"})
        };
        let status = json!({
            "running": false, "person": "ab".repeat(32), "name": "alice", "device": "cd".repeat(32),
            "findings": [finding(Some("garden"), "bob\u{8} left", false), finding(None, "THIS device signed twice", true)],
        });
        let heard = hear(&["status"], [(200, status)]).await;
        heard.done.expect("the answer is whole");
        let first = "TAKE CARE. THIS device signed twice.\n  To do so: hearth limits\n\nThe node is stopped";
        assert!(heard.printed.starts_with(first), "{}", heard.printed);
        assert!(
            heard.printed.ends_with("\n\nIn garden: bob\\x08 left.\n  To do so: hearth limits\n"),
            "{}",
            heard.printed
        );
    }
}
