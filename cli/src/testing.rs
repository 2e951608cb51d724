//! What the tests of this crate share: a place to print to, and a carrier that brings requests to no node.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::error::Error;
use crate::output::{Form, Output};
use crate::request::Request;
use crate::session::{Carried, Carrier, Session};

/// Memory that remembers what was printed; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().expect("no test panics while it prints");
        String::from_utf8(bytes.clone()).expect("all output is UTF-8")
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics while it prints").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A carrier that gives prepared answers and remembers what it was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    asked: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
}

impl Told {
    pub(crate) fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self { asked: Arc::default(), answers: Arc::new(Mutex::new(answers.into_iter().collect())) }
    }

    /// What was asked, as `METHOD PATH BODY`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no test panics while it asks");
        asked.iter().map(ToString::to_string).collect()
    }
}

impl Carrier for Told {
    fn carry(&mut self, request: Request) -> Carried<'_> {
        self.asked.lock().expect("no test panics while it asks").push(request);
        let answer = self.answers.lock().expect("no test panics while it asks").pop_front();
        let (status, body) = answer.expect("the test prepared an answer for each request");
        let response = http::Response::builder()
            .status(status)
            .body(body.to_string().into_bytes())
            .expect("a test's status is a status");
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// What a command asked and printed when the node answers as prepared.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) done: Result<(), Error>,
    pub(crate) asked: Vec<String>,
    pub(crate) printed: String,
}

/// Runs one command line against prepared answers.
pub(crate) async fn hear(line: &[&str], answers: impl IntoIterator<Item = (u16, Value)>) -> Heard {
    use clap::Parser as _;
    let args = crate::args::Args::try_parse_from([&["hearth"], line].concat()).expect("the test types a correct line");
    let form = if args.everywhere.json { Form::Json } else { Form::Human };
    let (kept, told) = (Kept::default(), Told::new(answers));
    let mut out = Output::to(form, kept.clone(), Kept::default());
    let mut session = Session::carried_by(told.clone());
    let verb = args.verb.expect("the test types a verb");
    let done = Box::pin(crate::commands::ask(verb, &mut session, &mut out)).await;
    Heard { done, asked: told.asked(), printed: kept.text() }
}
