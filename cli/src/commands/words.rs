//! `hearth words`: shows the recovery words until two of them have been typed back.
//!
//! Whether the typed words are right is for the node to say, which then takes them off the device.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::input;
use crate::output::Output;
use crate::request::Request;
use crate::session::Session;

/// Show the 24 recovery words, until you have written them down
#[derive(Debug, clap::Args)]
pub(crate) struct Words {
    /// You have them on paper: take them off this device, after two of them are typed
    #[arg(long)]
    written: bool,
}

/// Words in a row on the screen.
const IN_A_ROW: usize = 4;

impl Words {
    pub(crate) async fn run(self, session: &mut Session, out: &mut Output) -> Result<(), Error> {
        let answer = session.ask(Request::get(&["words"])).await?;
        let words = answer["words"].as_str().ok_or_else(|| Error::OddAnswer { what: "it has no words".to_owned() })?;
        let words: Vec<&str> = words.split_whitespace().collect();
        if self.written {
            return written(words.len(), session, out).await;
        }
        out.tell(&answer, || {
            Ok(format!(
                "These words are your identity: who has them is you, and without them a lost device is a lost you.\n\
                 Write them on paper, in this order.\n\n{}\n\n\
                 When that is done, take them off this device: hearth words --written",
                numbered(&words)
            ))
        })
    }
}

async fn written(count: usize, session: &mut Session, out: &mut Output) -> Result<(), Error> {
    let mut answers = Map::new();
    for number in two_of(count)? {
        let word = input::answer(&format!("Word {number} of {count}: "), out)?;
        answers.insert(number.to_string(), Value::from(word.to_lowercase()));
    }
    session.ask(Request::post(&["words", "written"], json!({ "answers": answers }))?).await?;
    out.tell(&json!({ "written": true }), || {
        Ok("The words are off this device; only your paper has them now.\nKeep it where you keep what must not get lost."
            .to_owned())
    })
}

/// Two different numbers from 1 to `count`, in order.
fn two_of(count: usize) -> Result<[usize; 2], Error> {
    let Some(others) = count.checked_sub(1).filter(|others| *others > 0) else {
        return Err(Error::OddAnswer { what: format!("it has {count} words") });
    };
    let one = random_below(count)?;
    let step = 1 + random_below(others)?;
    let other = (one + step) % count;
    Ok([one.min(other) + 1, one.max(other) + 1])
}

/// Which word is asked for need not be secret, so the slight lean of a remainder does no harm.
fn random_below(bound: usize) -> Result<usize, Error> {
    let random = getrandom::u32()?;
    Ok(usize::try_from(random).unwrap_or(usize::MAX) % bound)
}

fn numbered(words: &[&str]) -> String {
    let rows: Vec<String> = words
        .chunks(IN_A_ROW)
        .enumerate()
        .map(|(row, words)| {
            let cells = words.iter().enumerate().map(|(at, word)| format!("{:>2} {word:<12}", row * IN_A_ROW + at + 1));
            cells.collect::<String>().trim_end().to_owned()
        })
        .collect();
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hear;

    #[test]
    fn two_different_words_are_asked_for_in_order() {
        for _ in 0..500 {
            let [one, other] = two_of(24).expect("there is entropy");
            assert!(1 <= one && one < other && other <= 24, "{one} {other}");
        }
        assert_eq!(two_of(2).expect("there is entropy"), [1, 2]);
        assert!(two_of(1).is_err() && two_of(0).is_err());
    }

    #[tokio::test]
    async fn the_words_are_numbered_for_people_and_whole_for_scripts() {
        let answer = (200, json!({"words": "alpha beta gamma delta epsilon"}));
        let heard = hear(&["words"], [answer.clone()]).await;
        assert!(heard.printed.contains(" 1 alpha") && heard.printed.contains("\n 5 epsilon\n"), "{}", heard.printed);
        let heard = hear(&["words", "--json"], [answer]).await;
        assert_eq!(heard.printed, "{\"words\":\"alpha beta gamma delta epsilon\"}\n");
    }

    #[tokio::test]
    async fn words_that_are_gone_are_not_asked_for() {
        let gone = json!({"error": "the words are off this device", "reason": "written", "hint": ""});
        let heard = hear(&["words", "--written"], [(404, gone)]).await;
        let error = heard.done.expect_err("they are gone");
        assert_eq!((error.reason(), error.exit_code()), ("written", 1));
        assert_eq!(heard.asked, ["GET /words"]);
    }
}
