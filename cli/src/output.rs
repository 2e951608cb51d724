//! Printing: answers on standard output, questions, errors and progress on standard error.
//!
//! What an answer says is for the commands. Always true: no raw control character leaves the program, whatever a
//! peer put into a title, a name or an error; nothing but JSON stands on standard output with `--json`.

pub(crate) mod escape;
mod json;
pub(crate) mod layout;
pub(crate) mod progress;
pub(crate) mod qr;
pub(crate) mod time;

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::error::Error;
use progress::Progress;

/// For whom is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Human,
    /// For scripts.
    Json,
}

impl Form {
    /// The form that the arguments ask for, also where they cannot be parsed.
    pub(crate) fn asked_for(arguments: &[OsString]) -> Self {
        let options = arguments.iter().skip(1).take_while(|argument| *argument != "--");
        if options.into_iter().any(|argument| argument == "--json") { Self::Json } else { Self::Human }
    }
}

/// Where answers and errors go, and in which form.
pub(crate) struct Output {
    form: Form,
    answers: Box<dyn Write + Send>,
    asides: Box<dyn Write + Send>,
    width: Option<u16>,
    progress: Progress,
}

impl fmt::Debug for Output {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Output")
            .field("form", &self.form)
            .field("width", &self.width)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// To this process's standard output and standard error.
    pub(crate) fn standard(form: Form) -> Self {
        let on_terminals = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self {
            form,
            answers: Box::new(io::BufWriter::new(io::stdout())),
            asides: Box::new(io::stderr()),
            width: layout::terminal_width(),
            progress: match form {
                Form::Human if on_terminals => Progress::Shown,
                _ => Progress::Hidden,
            },
        }
    }

    /// To places of a test's choosing, without a terminal.
    #[cfg(test)]
    pub(crate) fn to(form: Form, answers: impl Write + Send + 'static, asides: impl Write + Send + 'static) -> Self {
        Self { form, answers: Box::new(answers), asides: Box::new(asides), width: None, progress: Progress::Hidden }
    }

    /// For whom is printed.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// The width of the terminal in columns, where there is one.
    pub(crate) fn width(&self) -> Option<u16> {
        self.width
    }

    /// Whether long work may show that it goes on.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// One answer: the node's object as it came, or what it means to a person.
    pub(crate) fn tell(&mut self, answer: &Value, human: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
        self.list(std::slice::from_ref(answer), human)
    }

    /// Several answers: one object a line, or what they mean to a person.
    pub(crate) fn list(
        &mut self,
        answers: &[Value],
        human: impl FnOnce() -> Result<String, Error>,
    ) -> Result<(), Error> {
        match self.form {
            Form::Json => answers.iter().try_for_each(|answer| self.json(answer)),
            Form::Human => {
                let text = human()?;
                self.say(&text)
            }
        }
    }

    /// Text for people, with a line break at its end.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Error> {
        let text = escape::block(text);
        writeln!(self.answers, "{}", text.trim_end_matches('\n')).map_err(Error::Printing)
    }

    /// One object on a line of its own.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Error> {
        writeln!(self.answers, "{}", json::line(value)).map_err(Error::Printing)
    }

    /// Everything said so far is out: before something that may take long, and at the end.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.answers.flush().map_err(Error::Printing)
    }

    /// A question to the person, on standard error, where the answer is typed behind it.
    pub(crate) fn prompt(&mut self, question: &str) {
        // A closed standard error makes the question invisible, not impossible to answer.
        let _ = write!(self.asides, "{}", escape::block(question)).and_then(|()| self.asides.flush());
    }

    /// What went wrong, on standard error, in the form that was asked for.
    pub(crate) fn error(&mut self, error: &Error) {
        // The answer so far comes first; where it cannot be printed, the error still can.
        let _ = self.answers.flush();
        let text = match (self.form, error) {
            (Form::Json, _) => json::line(&error.to_json()),
            (Form::Human, Error::Arguments { rendered, .. }) => escape::block(rendered).trim_end().to_owned(),
            (Form::Human, _) => for_people(error),
        };
        // Nobody is left to tell where standard error is closed; the exit code still says it.
        let _ = writeln!(self.asides, "{text}").and_then(|()| self.asides.flush());
    }
}

fn for_people(error: &Error) -> String {
    let mut text = format!("error: {}", escape::line(&error.to_string()));
    let hint = error.hint();
    for (at, line) in hint.lines().enumerate() {
        let before = if at == 0 { "\n  hint: " } else { "\n        " };
        write!(text, "{before}{}", escape::line(line)).expect("writing to a String does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Kept;
    use serde_json::json;

    const EVIL: &str = "\u{1b}[2J\u{7}\u{7f}\u{9b}31m\u{202e}end";

    fn arguments(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn json_is_asked_for_anywhere_but_behind_two_dashes() {
        assert_eq!(Form::asked_for(&arguments("hearth list --json --oops")), Form::Json);
        assert_eq!(Form::asked_for(&arguments("hearth post -- --json")), Form::Human);
        assert_eq!(Form::asked_for(&arguments("--json list")), Form::Human);
    }

    #[test]
    fn an_answer_is_an_object_for_scripts_and_a_sentence_for_people() {
        let answer = json!({"peers": 2});
        for (form, printed) in [(Form::Json, "{\"peers\":2}\n"), (Form::Human, "two\n")] {
            let kept = Kept::default();
            let mut out = Output::to(form, kept.clone(), Kept::default());
            out.tell(&answer, || Ok("two".to_owned())).expect("memory takes it");
            out.flush().expect("memory takes it");
            assert_eq!(kept.text(), printed);
        }
    }

    #[test]
    fn a_list_for_scripts_has_a_line_for_each() {
        let kept = Kept::default();
        let mut out = Output::to(Form::Json, kept.clone(), Kept::default());
        out.list(&[json!({"n": 1}), json!({"n": 2})], || Ok(String::new())).expect("memory takes it");
        assert_eq!(kept.text(), "{\"n\":1}\n{\"n\":2}\n");
    }

    #[test]
    fn no_raw_control_character_leaves_in_either_form() {
        for form in [Form::Human, Form::Json] {
            let (answers, asides) = (Kept::default(), Kept::default());
            let mut out = Output::to(form, answers.clone(), asides.clone());
            out.tell(&json!({ "title": EVIL }), || Ok(EVIL.to_owned())).expect("memory takes it");
            out.error(&Error::Answered {
                status: 400,
                error: format!("{EVIL}\nerror: a second one"),
                reason: "evil".to_owned(),
                hint: EVIL.to_owned(),
            });
            out.prompt(EVIL);
            for text in [answers.text(), asides.text()] {
                assert!(!text.replace('\n', "").contains(escape::is_hidden), "{text:?}");
                assert!(text.contains("end"), "{text:?}");
            }
            assert_eq!(
                asides.text().lines().filter(|line| line.starts_with("error:")).count(),
                usize::from(form == Form::Human)
            );
        }
    }

    #[test]
    fn an_error_says_what_and_what_to_do() {
        let asides = Kept::default();
        let mut out = Output::to(Form::Human, Kept::default(), asides.clone());
        out.error(&Error::Answered {
            status: 403,
            error: "`garden` lets no bookmarks out".to_owned(),
            reason: "kind_not_linked".to_owned(),
            hint: "ask a steward\nor relay a post".to_owned(),
        });
        let expected = "error: `garden` lets no bookmarks out\n  hint: ask a steward\n        or relay a post\n";
        assert_eq!(asides.text(), expected);
    }

    #[test]
    fn an_error_for_scripts_is_one_object() {
        let asides = Kept::default();
        let mut out = Output::to(Form::Json, Kept::default(), asides.clone());
        out.error(&Error::NoDataFolder);
        let value: Value = serde_json::from_str(&asides.text()).expect("it is JSON");
        assert_eq!(value["reason"], "no_data_folder");
        assert!(value["error"].is_string() && value["hint"].is_string());
        assert_eq!(asides.text().lines().count(), 1);
    }
}
