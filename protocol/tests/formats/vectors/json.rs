//! JSON that is written in the order in which it was put together, whatever the parser's features are.

use std::fmt::Write as _;

/// A value to be written.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::Text(text)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Json {
        Json::Number(number)
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Json {
        Json::Bool(truth)
    }
}

impl From<Vec<Json>> for Json {
    fn from(list: Vec<Json>) -> Json {
        Json::List(list)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

/// An object, written in this order.
macro_rules! object {
    ($($name:literal: $value:expr),+ $(,)?) => {
        $crate::vectors::json::Json::Object(vec![$(($name, $crate::vectors::json::Json::from($value))),+])
    };
}
pub(crate) use object;

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Json {
    Json::Text(data_encoding::HEXLOWER.encode(bytes.as_ref()))
}

impl Json {
    /// The text of a file.
    pub(crate) fn to_file(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text.push('\n');
        text
    }

    fn write(&self, to: &mut String, depth: usize) {
        match self {
            Json::Null => to.push_str("null"),
            Json::Bool(truth) => to.push_str(if *truth { "true" } else { "false" }),
            Json::Number(number) => write!(to, "{number}").expect("writing to memory does not fail"),
            Json::Text(text) => quote(to, text),
            Json::List(list) => lines(to, depth, ('[', ']'), list, |to, element| element.write(to, depth + 1)),
            Json::Object(fields) => lines(to, depth, ('{', '}'), fields, |to, (name, value)| {
                quote(to, name);
                to.push_str(": ");
                value.write(to, depth + 1);
            }),
        }
    }
}

fn lines<T>(
    to: &mut String,
    depth: usize,
    (open, close): (char, char),
    elements: &[T],
    write: impl Fn(&mut String, &T),
) {
    to.push(open);
    for (number, element) in elements.iter().enumerate() {
        to.push_str(if number == 0 { "\n" } else { ",\n" });
        to.push_str(&"  ".repeat(depth + 1));
        write(to, element);
    }
    if !elements.is_empty() {
        to.push('\n');
        to.push_str(&"  ".repeat(depth));
    }
    to.push(close);
}

fn quote(to: &mut String, text: &str) {
    to.push('"');
    for letter in text.chars() {
        match letter {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            letter if letter.is_control() => {
                write!(to, "\\u{:04x}", u32::from(letter)).expect("writing to memory does not fail")
            }
            letter => to.push(letter),
        }
    }
    to.push('"');
}
