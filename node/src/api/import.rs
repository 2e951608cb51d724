//! Importing bookmarks of other programs.
//!
//! A file is read whole or not at all; what it holds is written in portions, so that nobody else
//! waits long for the driver. Always true: the same request again writes nothing twice, and
//! read = new + known + rejected.

use axum::{Json, extract::State};
use hearth_protocol::{
    encoding::V1,
    engine::{Answer, Command},
    id::CommunityId,
    item::{Body, Bookmark, Draft},
    text::Text,
    time::Millis,
    url,
};
use serde::{Deserialize, Serialize};

use super::{
    App,
    drafts::{line, some_text},
    error::{Answered, ApiError},
    other_answer, resolve,
    take::{Asked, Id, Raw},
};
use crate::{
    clock,
    practice::import::{self, Candidate, Format, Rejected},
};

/// Bookmarks that are written at once: about half a second of signing.
const PORTION: usize = 2_000;

/// Where to, and how.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    to: Option<String>,
    reach: Option<u8>,
    format: Option<String>,
    #[serde(default)]
    dry_run: String,
}

/// What an import came to.
#[derive(Debug, Serialize)]
pub(super) struct Imported {
    read: u64,
    new: u64,
    known: u64,
    rejected: Vec<RejectedLine>,
}

#[derive(Debug, Serialize)]
struct RejectedLine {
    line: u32,
    reason: &'static str,
}

/// What a file came to, before anything is written.
struct Ready {
    bookmarks: Vec<(Draft, String)>,
    merged: u64,
    rejected: Vec<RejectedLine>,
}

/// Reads a file and keeps its bookmarks.
pub(super) async fn import(
    State(app): State<App>,
    id: Id,
    Asked(wanted): Asked<Wanted>,
    Raw(bytes): Raw,
) -> Answered<Json<Imported>> {
    let dry_run = match wanted.dry_run.as_str() {
        "" | "0" | "false" => false,
        "1" | "true" => true,
        _ => return Err(ApiError::typed("bad_query", "`dry_run` is 1 or 0", "send `dry_run=1`")),
    };
    let (community, ready) = app
        .read(move |sight| {
            let own = hearth_protocol::engine::own_space_name();
            let community = resolve::community(&sight.snapshot, wanted.to.as_deref().unwrap_or(own))?;
            let format = wanted.format.as_deref().map(str::parse::<Format>).transpose()?;
            Ok((community, read(&bytes, format, wanted.reach, clock::now())?))
        })
        .await?;
    let rejected = ready.rejected.len() as u64;
    let (new, known) = keep(&app, id, community, ready.bookmarks, dry_run).await?;
    let known = known + ready.merged;
    Ok(Json(Imported { read: new + known + rejected, new, known, rejected: ready.rejected }))
}

async fn keep(
    app: &App,
    id: Id,
    community: CommunityId,
    bookmarks: Vec<(Draft, String)>,
    dry_run: bool,
) -> Answered<(u64, u64)> {
    let (mut new, mut known) = (0, 0);
    let mut left = bookmarks;
    let mut number = 0;
    while !left.is_empty() {
        let rest = left.split_off(left.len().min(PORTION));
        let command = Command::Import { community, bookmarks: std::mem::replace(&mut left, rest), dry_run };
        match app.command(command, id.part(number)).await? {
            Answer::Imported { new: some, known: others } => {
                new += some;
                known += others;
            }
            _ => return Err(other_answer()),
        }
        number += 1;
    }
    Ok((new, known))
}

fn read(bytes: &[u8], format: Option<Format>, reach: Option<u8>, now: Millis) -> Answered<Ready> {
    let parsed = import::read(bytes, format)?;
    let merged = import::merge(parsed.candidates);
    let rejected = parsed
        .rejected
        .iter()
        .map(|Rejected { line, reason }| RejectedLine { line: *line, reason: reason.name() })
        .collect();
    let source = parsed.format.name();
    let bookmarks =
        merged.candidates.iter().map(|candidate| draft(candidate, source, reach, now)).collect::<Answered<_>>()?;
    Ok(Ready { bookmarks, merged: u64::from(merged.merged), rejected })
}

fn draft(candidate: &Candidate, source: &'static str, reach: Option<u8>, now: Millis) -> Answered<(Draft, String)> {
    let bookmark = Bookmark {
        version: V1,
        url: Text::exact(candidate.url.clone()).map_err(|why| ApiError::field("address", &why))?,
        title: line("title", candidate.title.as_deref())?,
        note: some_text("note", candidate.note.as_deref())?,
        excerpt: None,
        // A file may claim a time that has not come.
        added: candidate.added_ms.map_or(now, |added| Millis(added).min(now)),
        source: Some(Text::line(source).map_err(|why| ApiError::field("format", &why))?),
    };
    let draft = Draft::new(Body::Bookmark(bookmark)).tagged(&candidate.tags)?.reaching(reach)?;
    Ok((draft, url::normalise(&candidate.url)?))
}
