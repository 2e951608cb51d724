//! `hearth init`: makes a home. It asks nothing.

use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::home;
use crate::output::{Output, layout};
use crate::request::Request;
use crate::session::Session;
use crate::view;

/// Make a home: an identity, a device and your own space `mine`
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// What others see as your name [default: your login name]
    #[arg(long, value_parser = crate::args::filled)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Made {
    person: String,
    device: String,
    name: String,
}

impl Init {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let name = self.name.unwrap_or_else(home::login_name);
        session.home().create(&name)?;
        let status = session.ask(Request::get(&["status"])).await?;
        let made: Made = view::read(&status)?;
        let answer = json!({ "person": made.person, "device": made.device, "name": made.name });
        let (path, width) = (session.home().path().display().to_string(), out.width());
        out.tell(&answer, || {
            let pairs = [("name", made.name), ("person", made.person), ("device", made.device), ("home", path)];
            Ok(format!(
                "Made a home.\n\n{}\n\n\
                 Write down the 24 words that bring you back: hearth words\n\
                 Keep something:                              hearth bookmark URL -t TAG\n\
                 Bring your bookmarks:                        hearth import bookmarks.html\n\
                 Join a community:                            hearth join KEY",
                layout::pairs(pairs, width),
            ))
        })
    }
}
