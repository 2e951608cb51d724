//! `hearth device`: a person's devices, adding one and revoking those that are gone.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Since, duration, filled, milliseconds, since};
use crate::commands::init::Words;
use crate::error::Error;
use crate::input;
use crate::output::{Output, layout, qr, time};
use crate::request::{PATIENCE, Request};
use crate::session::Session;
use crate::view::{self, short};

/// Your devices
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Device {
    /// The devices that sign in your name
    List,
    /// Add a device: makes a code to paste there, and waits for it
    Add(Add),
    /// Revoke devices that are lost, sold or broken
    Revoke(Revoke),
}

/// How long to wait for the new device.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// How long to wait until the code is used; it is good for ten minutes
    #[arg(long, value_name = "D", value_parser = duration, default_value = "10m", conflicts_with = "no_wait")]
    pub(crate) wait: Duration,
    /// Print the code and do not wait
    #[arg(long)]
    no_wait: bool,
}

/// Which devices.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// A device, as `hearth device list` shows it
    #[arg(value_name = "ID", required = true, value_parser = filled)]
    devices: Vec<String>,
    /// Nothing that they signed since then stands: how long ago, like 2d, or when, like 2026-11-01 or 2026-11-01T10:00 (UTC)
    #[arg(long, value_name = "D|TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Somebody else may have your identity key: replace it by the next one that your 24 words stand for
    #[arg(long)]
    stolen: bool,
    /// The 24 words, if they are off this device: they are asked for, or with `-` read from standard input
    #[arg(
        long,
        value_name = "-",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = Words::typed,
        requires = "stolen"
    )]
    words: Option<Words>,
}

#[derive(Deserialize)]
struct Known {
    device: String,
    this: bool,
    #[serde(default)]
    may: Vec<String>,
    since_ms: Option<u64>,
    revoked: bool,
    identity_key: Option<bool>,
    #[serde(default)]
    forked: Vec<Value>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
    link: String,
    until_ms: u64,
}

#[derive(Deserialize)]
struct Paired {
    device: String,
}

#[derive(Deserialize)]
struct Revoked {
    revoked: Vec<String>,
}

impl Device {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        match self {
            Self::List => {
                let list = session.ask_list(Request::get(&["devices"]), "devices").await?;
                let width = out.width();
                out.list(&list, || Ok(listed(&view::read_all(&list)?, width)))
            }
            Self::Add(add) => add.run(session, out).await,
            Self::Revoke(revoke) => revoke.run(session, out).await,
        }
    }
}

fn listed(devices: &[Known], width: Option<u16>) -> String {
    let rows = devices.iter().map(|known| {
        let what = match (known.revoked, known.this, known.identity_key) {
            (true, ..) => "revoked",
            (_, true, Some(true)) => "this one; it has your identity key",
            (_, true, _) => "this one",
            _ => "",
        };
        let twice = if known.forked.is_empty() { "" } else { "SIGNED TWO THINGS UNDER ONE NUMBER" };
        let state: Vec<&str> = [what, twice].into_iter().filter(|part| !part.is_empty()).collect();
        let since = known.since_ms.map_or_else(String::new, time::ago);
        [short(&known.device), since, known.may.join(", "), state.join("; ")]
    });
    let table = layout::table(["device", "since", "signs", "state"], rows, width);
    let twice = if devices.iter().all(|known| known.forked.is_empty()) {
        ""
    } else {
        "\n\nThere are two of a device, or somebody has its key. What that means and what to do: hearth status"
    };
    format!("{table}{twice}\n\nAnother one: hearth device add")
}

impl Add {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let answer = session.ask(Request::post(&["devices", "pair"], json!({}))?).await?;
        let made: Code = view::read(&answer)?;
        let width = out.width();
        out.tell(&answer, || Ok(shown(&made, width)))?;
        // The code is needed while this waits.
        out.flush()?;
        if self.no_wait {
            return Ok(());
        }
        let body = json!({ "wait_ms": milliseconds(self.wait), "until_ms": made.until_ms });
        let request = Request::post(&["devices", "pair", "wait"], body)?.patient(self.wait.saturating_add(PATIENCE));
        let waiting = out.progress().start("waiting for the new device; Ctrl-C ends that, and the code stays good");
        let answer = session.ask(request).await;
        drop(waiting);
        let answer = answer?;
        out.tell(&answer, || {
            let paired: Paired = view::read(&answer)?;
            Ok(format!(
                "\nThe new device is yours: {}. It comes into your communities while both are connected.\n\
                 See them all: hearth device list",
                short(&paired.device)
            ))
        })
    }
}

fn shown(made: &Code, width: Option<u16>) -> String {
    format!(
        "On the new device, type this and paste the code:\n\n    hearth init --pair -\n\n{}\n\n{}\n\n\
         It is good until {}, and once. Whoever has it signs in your name: show it to nobody.",
        made.code,
        qr::drawn(&made.link, width),
        time::moment(made.until_ms),
    )
}

impl Revoke {
    async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let since_ms = self.since.map(|since| since.ms(time::now_ms()));
        let mut body = json!({ "devices": self.devices });
        if let Some(since_ms) = since_ms {
            body["since_ms"] = Value::from(since_ms);
        }
        if self.stolen {
            body["stolen"] = Value::from(true);
            if let Some(from) = self.words {
                body["words"] = Value::from(input::words(from, out)?.as_str());
            }
        }
        let answer = session.ask(Request::post(&["devices", "revoke"], body)?).await?;
        out.tell(&answer, || {
            let revoked: Revoked = view::read(&answer)?;
            let ids: Vec<String> = revoked.revoked.iter().map(|id| short(id)).collect();
            let stands = match since_ms {
                Some(ms) => format!("What was signed there since {} does not stand.", time::moment(ms)),
                None => "What was signed there until now stands; --since takes that away too.".to_owned(),
            };
            Ok(format!(
                "Revoked {}. Nothing that is signed there from now on counts in your communities.\n{stands}\n\
                 See them all: hearth device list",
                ids.join(", "),
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::{Value, json};

    fn code() -> Value {
        json!({"code": "hearthpair1abc", "link": "HEARTH:HEARTHPAIR1ABC", "until_ms": 1_795_000_600_000_u64})
    }

    #[tokio::test]
    async fn devices_are_listed_with_what_they_may_and_what_became_of_them() {
        let known = |id: &str, this: bool, revoked: bool| json!({"device": id.repeat(32), "this": this, "may": ["items"], "key": 0, "since_ms": 0, "revoked": revoked});
        let mut here = known("ab", true, false);
        here["identity_key"] = json!(true);
        let devices = json!({"devices": [here, known("cd", false, false), known("ef", false, true)]});
        let heard = hear(&["device", "list"], [(200, devices.clone())]).await;
        heard.done.expect("the answer is whole");
        let rows: Vec<&str> = heard.printed.lines().collect();
        assert!(rows[1].starts_with("ababababab") && rows[1].ends_with("this one; it has your identity key"));
        assert!(rows[2].starts_with("cdcdcdcdcd") && rows[2].ends_with("items"), "{}", rows[2]);
        assert!(rows[3].starts_with("efefefefef") && rows[3].ends_with("revoked"));
        assert!(!heard.printed.contains("hearth status"), "nothing was signed twice");
        let heard = hear(&["device", "list", "--json"], [(200, devices.clone())]).await;
        assert_eq!(heard.printed.lines().count(), 3);
        let mut devices = devices;
        devices["devices"][1]["forked"] =
            json!([{"community": "12".repeat(32), "number": 4, "first": "34".repeat(32), "second": "56".repeat(32)}]);
        let heard = hear(&["device", "list"], [(200, devices)]).await;
        assert!(heard.printed.lines().nth(2).expect("a row").ends_with("SIGNED TWO THINGS UNDER ONE NUMBER"));
        assert!(heard.printed.contains("What that means and what to do: hearth status"), "{}", heard.printed);
    }

    #[tokio::test]
    async fn a_code_is_shown_and_then_waited_for() {
        let paired = (200, json!({"device": "cd".repeat(32)}));
        let heard = hear(&["device", "add", "--wait", "2m"], [(200, code()), paired.clone()]).await;
        heard.done.expect("the device came");
        let wait = r#"POST /devices/pair/wait {"until_ms":1795000600000,"wait_ms":120000}"#;
        assert_eq!(heard.asked, ["POST /devices/pair {}", wait]);
        for part in ["hearth init --pair -", "\n\nhearthpair1abc\n\n█", "2026-11-18 11:16 UTC", "yours: cdcdcdcdcd"] {
            assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
        }
        let heard = hear(&["device", "add", "--json"], [(200, code()), paired.clone()]).await;
        let lines: Vec<Value> =
            heard.printed.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
        assert_eq!(lines, [code(), paired.1]);
        assert!(heard.asked[1].contains(r#""wait_ms":600000"#), "{:?}", heard.asked);
    }

    #[tokio::test]
    async fn who_does_not_wait_gets_the_code_alone() {
        let heard = hear(&["device", "add", "--no-wait", "--json"], [(200, code())]).await;
        heard.done.expect("the node said yes");
        assert_eq!((heard.asked.len(), heard.printed.lines().count()), (1, 1));
    }

    #[tokio::test]
    async fn a_code_that_nobody_used_could_not() {
        let late = json!({"error": "no device has used the code yet", "reason": "no_answer", "hint": "again"});
        let heard = hear(&["device", "add"], [(200, code()), (504, late)]).await;
        let error = heard.done.expect_err("nobody came");
        assert_eq!((error.reason(), error.exit_code()), ("no_answer", 1));
        assert!(heard.printed.contains("hearthpair1abc"), "the code is printed before the wait");
    }

    #[tokio::test]
    async fn several_devices_are_revoked_from_a_time_on() {
        let answer = (200, json!({"revoked": ["ab".repeat(32), "cd".repeat(32)]}));
        let line = ["device", "revoke", "ababab", "cdcdcd", "--since", "2026-11-01"];
        let heard = hear(&line, [answer.clone()]).await;
        heard.done.expect("the node said yes");
        assert_eq!(heard.asked, [r#"POST /devices/revoke {"devices":["ababab","cdcdcd"],"since_ms":1793491200000}"#]);
        assert!(heard.printed.contains("ababababab, cdcdcdcdcd") && heard.printed.contains("since 2026-11-01 00:00"));
        let heard = hear(&["device", "revoke", "ababab"], [answer]).await;
        assert_eq!(heard.asked, [r#"POST /devices/revoke {"devices":["ababab"]}"#]);
        assert!(heard.printed.contains("until now stands"));
    }
}
