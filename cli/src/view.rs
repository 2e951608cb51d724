//! The parts of the node's answers that people are shown, and how they are named in sentences.
//!
//! `--json` prints the answers as they came, so nothing here decides what a script sees. Always true: a field that
//! an answer lacks is left out on the screen, not made up.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::output::escape;
use crate::output::layout;
use crate::output::time;
use crate::request::Request;
use crate::session::Session;

/// Enough of an id to tell things apart on a screen, and to type.
const SHORT_ID: usize = 10;
/// A line of text that stands for an item without a title.
const GLANCE: usize = 72;
/// The person's own space.
pub(crate) const MINE: &str = "mine";

/// An answer as the type that a screen needs.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| Error::OddAnswer { what: error.to_string() })
}

/// Several of them.
pub(crate) fn read_all<T: DeserializeOwned>(values: &[Value]) -> Result<Vec<T>, Error> {
    values.iter().map(read).collect()
}

/// The first characters of an id.
pub(crate) fn short(id: &str) -> String {
    escape::line(&id.chars().take(SHORT_ID).collect::<String>())
}

/// A name with the id behind it, where both are known.
pub(crate) fn named(name: Option<&str>, id: &str) -> String {
    match name {
        Some(name) if !name.is_empty() && !id.starts_with(name) => format!("{} ({})", escape::line(name), short(id)),
        _ => short(id),
    }
}

/// Text that a shell takes as one word.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", escape::line(text).replace('\'', "'\\''"))
}

/// Where an item was written.
#[derive(Debug, Deserialize)]
pub(crate) struct Written {
    pub(crate) item: String,
    pub(crate) community: String,
}

/// An item as lists have it.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) item: String,
    pub(crate) kind: String,
    pub(crate) community: String,
    pub(crate) author: String,
    pub(crate) author_name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) reach: Option<u8>,
    pub(crate) created_ms: u64,
    pub(crate) relayed_from: Option<String>,
    pub(crate) state: Option<String>,
}

impl Item {
    /// The author's name, else the start of the id.
    pub(crate) fn by(&self) -> String {
        match self.author_name.as_deref() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => short(&self.author),
        }
    }

    /// One line of what it holds: the title, else the beginning of the text, else the address.
    pub(crate) fn glance(&self) -> String {
        let filled = |text: &&str| !text.trim().is_empty();
        let text = self.title.as_deref().filter(filled);
        let text = text.or_else(|| self.text.as_deref().filter(filled));
        let Some(text) = text.or(self.url.as_deref()) else {
            return String::new();
        };
        let line = text.trim_start().lines().next().unwrap_or_default();
        let cut: String = line.chars().take(GLANCE).collect();
        let more = cut.len() < line.len() || line.len() < text.trim().len();
        format!("{}{}", cut.trim_end(), if more { " …" } else { "" })
    }
}

/// A community as lists have it.
#[derive(Debug, Deserialize)]
pub(crate) struct Community {
    pub(crate) community: String,
    pub(crate) name: String,
    pub(crate) role: Option<String>,
    pub(crate) members: Option<u64>,
    pub(crate) items: Option<u64>,
    pub(crate) domain: Option<String>,
}

/// The names of my communities, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Asks the node for them.
    pub(crate) async fn of(session: &mut Session) -> Result<Self, Error> {
        let known = session.ask_list(Request::get(&["communities"]), "communities").await?;
        let known = read_all::<Community>(&known)?;
        Ok(Self(known.into_iter().map(|known| (known.community, known.name)).collect()))
    }

    /// The name, else the start of the id.
    pub(crate) fn name(&self, community: &str) -> String {
        self.0.get(community).cloned().unwrap_or_else(|| short(community))
    }

    /// Whether that is my own space.
    pub(crate) fn is_mine(&self, community: &str) -> bool {
        self.0.get(community).is_some_and(|name| name == MINE)
    }
}

/// Communities as a table.
pub(crate) fn communities(known: &[Community], width: Option<u16>) -> String {
    let count = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    layout::table(
        ["name", "id", "your role", "members", "items", "domain"],
        known.iter().map(|known| {
            [
                known.name.clone(),
                short(&known.community),
                known.role.clone().unwrap_or_default(),
                count(known.members),
                count(known.items),
                known.domain.clone().unwrap_or_default(),
            ]
        }),
        width,
    )
}

/// Items as a table.
pub(crate) fn items(items: &[Item], names: &Names, width: Option<u16>) -> String {
    layout::table(
        ["id", "kind", "when", "in", "by", "what"],
        items.iter().map(|item| {
            [
                short(&item.item),
                item.kind.clone(),
                time::ago(item.created_ms),
                names.name(&item.community),
                item.by(),
                item.glance(),
            ]
        }),
        width,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(fields: &Value) -> Item {
        let mut item = json!({
            "item": "aa".repeat(32), "kind": "post", "community": "cc".repeat(32),
            "author": "ab".repeat(32), "author_name": null, "title": null, "text": null, "url": null,
            "tags": [], "reach": 0, "created_ms": 1, "received_ms": 2,
        });
        for (name, value) in fields.as_object().expect("the test gives fields") {
            item[name] = value.clone();
        }
        read(&item).expect("the test gives an item")
    }

    #[test]
    fn a_glance_is_the_first_thing_that_says_something() {
        assert_eq!(item(&json!({"title": "T", "text": "x"})).glance(), "T");
        assert_eq!(item(&json!({"title": " ", "text": "\n one\ntwo"})).glance(), "one …");
        assert_eq!(item(&json!({"url": "https://a.example/"})).glance(), "https://a.example/");
        assert_eq!(item(&json!({})).glance(), "");
        let long = item(&json!({"text": "é".repeat(100)})).glance();
        assert_eq!(long.chars().count(), GLANCE + 2);
    }

    #[test]
    fn who_has_no_name_is_called_by_the_id() {
        assert_eq!(item(&json!({})).by(), "ababababab");
        assert_eq!(item(&json!({"author_name": "alice"})).by(), "alice");
    }

    #[test]
    fn a_short_id_of_a_lying_node_is_harmless() {
        assert_eq!(short("ab\u{1b}[31m"), "ab\\x1b[31m");
        assert_eq!(short("é"), "é");
    }

    #[test]
    fn an_answer_without_what_is_needed_is_odd() {
        let error = read::<Written>(&json!({"item": "a"})).expect_err("the community is missing");
        assert_eq!(error.reason(), "odd_answer");
    }

    #[test]
    fn a_shell_takes_a_quoted_text_as_one_word() {
        assert_eq!(quoted("https://a.example/b"), "https://a.example/b");
        assert_eq!(quoted("https://a.example/?a=1&b=2"), "'https://a.example/?a=1&b=2'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
