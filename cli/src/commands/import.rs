//! `hearth import`: a whole file of bookmarks at once.
//!
//! What a file means is for the node to say; here it is read within its bound and the result is counted out.

use std::path::PathBuf;

use serde::Deserialize;

use crate::args::{REACH, filled};
use crate::error::Error;
use crate::input;
use crate::output::{Output, layout};
use crate::request::{LONG_PATIENCE, Request};
use crate::session::Session;
use crate::view::{self, quoted};

/// Rejected lines that a person is shown; `--json` has them all.
const SHOWN: usize = 20;

/// Import bookmarks from a file
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The file
    file: PathBuf,
    /// The community that it goes to [default: mine]
    #[arg(long, value_name = "C", value_parser = filled)]
    to: Option<String>,
    /// How many borders between communities the items may cross [default: 0, none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(REACH))]
    reach: Option<u8>,
    /// The format [default: seen from the content]
    #[arg(long, value_name = "F", value_parser = filled)]
    format: Option<String>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

#[derive(Deserialize)]
struct Imported {
    read: u64,
    new: u64,
    known: u64,
    #[serde(default)]
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    line: u64,
    reason: String,
}

impl Import {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let bytes = input::file(&self.file)?;
        let shown = out.progress().start(&format!("importing {}", self.file.display()));
        let request = Request::send(&["import"], bytes)?
            .query("to", self.to.as_deref())
            .query("reach", self.reach.map(|reach| reach.to_string()).as_deref())
            .query("format", self.format.as_deref())
            .query("dry_run", self.dry_run.then_some("1"))
            .patient(LONG_PATIENCE);
        let answer = session.ask(request).await;
        drop(shown);
        let answer = answer?;
        let imported: Imported = view::read(&answer)?;
        if imported.read == 0 {
            return Err(Error::NothingRead { path: self.file });
        }
        let width = out.width();
        out.tell(&answer, || Ok(self.told(&imported, width)))
    }

    fn told(&self, imported: &Imported, width: Option<u16>) -> String {
        let Imported { read, new, known, rejected } = imported;
        let place = self.to.as_deref().unwrap_or(view::MINE);
        let would = if self.dry_run { "Would import" } else { "Imported" };
        let mut text = format!(
            "{would} into `{place}`: {read} read, {new} new, {known} known already, {} rejected.",
            rejected.len()
        );
        if !rejected.is_empty() {
            let rows = rejected.iter().take(SHOWN).map(|rejected| [rejected.line.to_string(), rejected.reason.clone()]);
            text = format!("{text}\n\n{}", layout::table(["line", "rejected because"], rows, width));
        }
        if rejected.len() > SHOWN {
            text = format!("{text}\n... and {} more: --json has them all", rejected.len() - SHOWN);
        }
        let next = if self.dry_run { "Nothing was kept. Without --dry-run it is." } else { "See them:" };
        if self.dry_run {
            format!("{text}\n\n{next}")
        } else {
            format!("{text}\n\n{next} hearth list --in {}", quoted(place))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::hear;
    use serde_json::{Value, json};
    use std::io::Write as _;

    async fn imported(flags: &[&str], answer: Value) -> crate::testing::Heard {
        let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
        file.write_all(b"<!DOCTYPE NETSCAPE-Bookmark-file-1>").expect("a line can be written");
        let path = file.path().to_str().expect("the name is text").to_owned();
        hear(&[&["import", &path], flags].concat(), [(200, answer)]).await
    }

    #[tokio::test]
    async fn a_file_is_sent_as_it_is_with_what_was_typed() {
        let answer = json!({"read": 3, "new": 1, "known": 1, "rejected": [{"line": 7, "reason": "scheme\u{1b}"}]});
        let heard = imported(&["--to", "garden", "--reach", "1", "--format", "netscape", "--dry-run"], answer).await;
        heard.done.expect("something was read");
        assert_eq!(heard.asked, ["POST /import?to=garden&reach=1&format=netscape&dry_run=1 35 bytes"]);
        for part in ["3 read, 1 new, 1 known already, 1 rejected", "scheme\\x1b", "Nothing was kept"] {
            assert!(heard.printed.contains(part), "{part} in {}", heard.printed);
        }
    }

    #[tokio::test]
    async fn a_file_without_a_single_bookmark_could_not_be_imported() {
        let heard = imported(&["--json"], json!({"read": 0, "new": 0, "known": 0, "rejected": []})).await;
        let error = heard.done.expect_err("nothing was read");
        assert_eq!((error.exit_code(), error.reason()), (1, "nothing_read"));
        assert_eq!(heard.printed, "");
    }

    #[tokio::test]
    async fn many_rejected_lines_are_cut_for_people_only() {
        let rejected: Vec<Value> = (0..25).map(|line| json!({"line": line, "reason": "no"})).collect();
        let answer = json!({"read": 25, "new": 0, "known": 0, "rejected": rejected});
        let heard = imported(&[], answer.clone()).await;
        assert!(heard.printed.contains("... and 5 more"), "{}", heard.printed);
        let heard = imported(&["--json"], answer.clone()).await;
        assert_eq!(serde_json::from_str::<Value>(&heard.printed).expect("it is JSON"), answer);
    }
}
