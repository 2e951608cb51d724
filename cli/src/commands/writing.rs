//! What all writing verbs share: an item goes to the node, and the answer says where it is now and what to type next.

use serde_json::Value;

use crate::error::Error;
use crate::output::{Form, Output, escape};
use crate::request::Request;
use crate::session::Session;
use crate::view::{self, Names, Written, short};

/// Writes one item and says for each community: `done`, the place, the id; then `next`.
pub(crate) async fn write(
    body: Value,
    done: &str,
    next: &str,
    session: &mut Session,
    out: &mut Output,
) -> Result<(), Error> {
    let items = session.ask_list(Request::post(&["items"], body)?, "items").await?;
    let names = match out.form() {
        // What was written is written, also where its place cannot be named now.
        Form::Human => Names::of(session).await.unwrap_or_default(),
        Form::Json => Names::default(),
    };
    out.list(&items, || {
        let written: Vec<Written> = view::read_all(&items)?;
        let mut lines: Vec<String> = written.iter().map(|written| place(done, written, &names)).collect();
        if let Some(first) = written.first() {
            lines.push(next.replace("ID", &short(&first.item)));
        }
        Ok(lines.join("\n"))
    })
}

fn place(done: &str, written: &Written, names: &Names) -> String {
    let (name, id) = (escape::line(&names.name(&written.community)), short(&written.item));
    if names.is_mine(&written.community) {
        format!("{done} in `{name}` as {id}: nobody else gets it.")
    } else {
        format!("{done} in `{name}` as {id}.")
    }
}
