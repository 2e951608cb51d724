//! Text of others made harmless for a terminal: what would steer it or hide is written out visibly.
//!
//! Letters of all scripts pass untouched. Always true: escaping twice gives the same text as escaping once.

use std::fmt::Write as _;

/// Whether a character steers a terminal (C0, DEL, C1) or makes text look like other text (bidirectional controls,
/// invisible marks, line breaks that are no `\n`).
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// For one line: a title, a name, an error. Line breaks and tabs are written out too.
pub(crate) fn line(text: &str) -> String {
    escaped(text, &[])
}

/// For text of several lines: line breaks and tabs stay.
pub(crate) fn block(text: &str) -> String {
    escaped(text, &['\n', '\t'])
}

fn escaped(text: &str, kept: &[char]) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        let written = match character {
            _ if !is_hidden(character) || kept.contains(&character) => {
                safe.push(character);
                Ok(())
            }
            '\n' => write!(safe, "\\n"),
            '\r' => write!(safe, "\\r"),
            '\t' => write!(safe, "\\t"),
            '\0'..='\x7f' => write!(safe, "\\x{:02x}", u32::from(character)),
            _ => write!(safe, "\\u{{{:x}}}", u32::from(character)),
        };
        written.expect("writing to a String does not fail");
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_becomes_visible() {
        for code in (0..0x20).chain(0x7f..0xa0).chain(0x202a..0x202f).chain(0x2066..0x206a) {
            let character = char::from_u32(code).expect("the ranges hold characters only");
            let safe = line(&character.to_string());
            assert!(safe.starts_with('\\') && !safe.contains(is_hidden), "{code:x}: {safe:?}");
        }
    }

    #[test]
    fn an_escape_sequence_is_shown_and_not_obeyed() {
        assert_eq!(line("\u{1b}[31mred\u{9b}0m"), "\\x1b[31mred\\u{9b}0m");
        assert_eq!(line("abc\u{202e}txt.exe"), "abc\\u{202e}txt.exe");
    }

    #[test]
    fn a_line_stays_one_line_and_a_block_keeps_its_own() {
        assert_eq!(line("one\ntwo\r\tthree\u{2028}"), "one\\ntwo\\r\\tthree\\u{2028}");
        assert_eq!(block("one\n\ttwo\r\n"), "one\n\ttwo\\r\n");
    }

    #[test]
    fn scripts_and_emoji_pass_untouched() {
        let text = "Grüße, привет, שלום, नमस्ते, 你好 👩‍🌾 — “quotes” \\ %";
        assert_eq!(line(text), text);
    }

    #[test]
    fn escaping_twice_changes_nothing_more() {
        let once = line("\u{1b}\\x1b\u{85}\n");
        assert_eq!(line(&once), once);
    }
}
