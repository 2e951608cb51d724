//! JSON on one line in which nothing steers a terminal: what serde_json leaves raw is written as `\uXXXX` too.
//!
//! Always true: parsed again, the line gives the same value.

use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::Formatter;

use super::escape;

/// The value on one line, without a line break at its end.
pub(crate) fn line(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Visible);
    value.serialize(&mut serializer).expect("a JSON value always serialises into memory");
    String::from_utf8(bytes).expect("serde_json writes UTF-8")
}

struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(escape::is_hidden) {
            let (plain, hidden) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = hidden.chars();
            let mut units = [0; 2];
            for unit in characters.next().map_or(&[] as &[u16], |hidden| hidden.encode_utf16(&mut units)) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hidden_characters_are_written_as_numbers() {
        let value = json!({"a\u{202e}": "x\u{1b}y\u{7f}\u{9b}z\u{2066}\"\\\n"});
        assert_eq!(line(&value), r#"{"a\u202e":"x\u001by\u007f\u009bz\u2066\"\\\n"}"#);
    }

    #[test]
    fn a_line_parses_back_to_the_same_value() {
        let every: String = (0..0x3000).filter_map(char::from_u32).chain(['👩', '\u{feff}']).collect();
        let value = json!({ "text": every, "n": [1, null, true] });
        let printed = line(&value);
        assert!(!printed.contains(escape::is_hidden));
        let back: Value = serde_json::from_str(&printed).expect("it is JSON");
        assert_eq!(back, value);
    }
}
