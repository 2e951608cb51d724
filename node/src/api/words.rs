//! The 24 recovery words: shown until two of them were typed back.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    App,
    error::{Answered, ApiError},
    take::Told,
};

/// Words that have to be typed back.
const ASKED: usize = 2;

/// The words, while they are on this device.
pub(super) async fn show(State(app): State<App>) -> Answered<Json<Value>> {
    let words = words(&app).await?;
    Ok(Json(json!({ "words": words.as_str() })))
}

async fn words(app: &App) -> Answered<Zeroizing<String>> {
    let (home, opener) = (app.home.clone(), app.opener.clone());
    let read = tokio::task::spawn_blocking(move || home.words(&opener)).await;
    let words = read.map_err(|_| ApiError::broken())??;
    words.ok_or_else(|| {
        let error = "the words were written down, and are not on this device any more";
        ApiError::missing("written", error, "they are where you wrote them down")
    })
}

/// Words typed back, by their number from 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    answers: BTreeMap<String, String>,
}

/// Takes the words off this device, once two of them were typed right.
pub(super) async fn written(State(app): State<App>, Told(typed): Told<Typed>) -> Answered<Json<Value>> {
    let words = words(&app).await?;
    check(&words, &typed.answers)?;
    let (home, opener) = (app.home.clone(), app.opener.clone());
    tokio::task::spawn_blocking(move || home.forget_words(&opener)).await.map_err(|_| ApiError::broken())??;
    Ok(Json(json!({})))
}

fn check(words: &str, answers: &BTreeMap<String, String>) -> Answered<()> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut right = std::collections::BTreeSet::new();
    for (number, answer) in answers {
        let at = number.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match at.and_then(|at| Some((at, words.get(at)?))) {
            Some((at, word)) if word.eq_ignore_ascii_case(answer.trim()) => drop(right.insert(at)),
            Some(_) => {
                let error = format!("word {} is another one", number.trim());
                return Err(ApiError::typed(
                    "wrong_word",
                    error,
                    "look at what you wrote down; `hearth words` shows the words again",
                ));
            }
            None => {
                let error = format!("there is no word number {}", number.trim());
                return Err(ApiError::typed("no_such_word", error, format!("the numbers are 1 to {}", words.len())));
            }
        }
    }
    if right.len() < ASKED {
        return Err(ApiError::typed(
            "too_few_words",
            format!("{ASKED} words have to be typed back"),
            "hearth words --written asks for them",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_right_words_are_enough_and_one_wrong_one_is_not() {
        let reason = |answers: &[(&str, &str)]| {
            let answers = answers.iter().map(|(number, word)| ((*number).to_owned(), (*word).to_owned())).collect();
            check("one two three", &answers).err().map(|error| error.reason)
        };
        assert_eq!(reason(&[("1", "one"), ("3", " Three ")]), None);
        assert_eq!(reason(&[("1", "one")]).as_deref(), Some("too_few_words"));
        assert_eq!(reason(&[("1", "one"), ("01", "one")]).as_deref(), Some("too_few_words"));
        assert_eq!(reason(&[("1", "one"), ("2", "three")]).as_deref(), Some("wrong_word"));
        for number in ["0", "4", "-1", "x"] {
            assert_eq!(reason(&[("1", "one"), (number, "one")]).as_deref(), Some("no_such_word"), "{number}");
        }
    }
}
