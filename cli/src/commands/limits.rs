//! `hearth limits`: every bound, with its reason.

use serde::Deserialize;

use crate::error::Error;
use crate::output::{Output, layout};
use crate::request::Request;
use crate::session::Session;
use crate::view;

/// Every bound, with its reason
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {}

#[derive(Deserialize)]
struct Bound {
    name: String,
    value: u64,
    unit: String,
    reason: String,
}

impl Limits {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let list = session.ask_list(Request::get(&["limits"]), "limits").await?;
        let width = out.width();
        out.list(&list, || Ok(listed(&view::read_all::<Bound>(&list)?, width)))
    }
}

fn listed(bounds: &[Bound], width: Option<u16>) -> String {
    let rows = bounds
        .iter()
        .map(|bound| [bound.name.clone(), format!("{} {}", bound.value, bound.unit), bound.reason.clone()]);
    layout::table(["what", "at most", "why"], rows, width)
}
