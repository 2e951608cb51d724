//! Tables, pairs and wrapped text for people.
//!
//! Cells are escaped here, so that a title cannot break out of its line. Always true: without a terminal nothing is
//! wrapped or cut, so that what is piped on stays whole lines.

use comfy_table::{ContentArrangement, Table, presets};

use super::escape;

/// The narrowest terminal that is laid out for; below it lines run over.
const NARROWEST: u16 = 40;
/// Long lines are hard to read: running text is wrapped here at the latest.
const READABLE: u16 = 100;

/// The width of the terminal behind standard output; `None` where it is none.
#[cfg(unix)]
pub(crate) fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.max(NARROWEST))
}

/// The width of the terminal behind standard output: not known here.
#[cfg(not(unix))]
pub(crate) fn terminal_width() -> Option<u16> {
    None
}

/// Rows under a header.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<u16>,
) -> String {
    let mut table = plain(width);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| escape::line(&cell)));
    }
    unpadded(&table)
}

/// Names and what they stand for, without a header; those that stand for nothing are left out.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>, width: Option<u16>) -> String {
    let mut table = plain(width);
    for (name, value) in pairs {
        if !value.is_empty() {
            table.add_row([name.to_owned(), escape::line(&value)]);
        }
    }
    unpadded(&table)
}

/// Running text of several lines, wrapped to the terminal.
pub(crate) fn wrapped(text: &str, width: Option<u16>) -> String {
    let text = escape::block(text);
    let Some(width) = width else {
        return text;
    };
    let mut table = plain(Some(width.min(READABLE)));
    table.add_row([text]);
    unpadded(&table)
}

fn plain(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table
}

fn unpadded(table: &Table) -> String {
    let lines: Vec<String> =
        table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_each_row_on_its_line_where_there_is_no_terminal() {
        let long = "word ".repeat(60);
        let text =
            table(["id", "title"], [["a".to_owned(), long.clone()], ["b".to_owned(), "evil\ntitle".to_owned()]], None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("id") && lines[1].contains(long.trim()));
        assert!(lines[2].contains("evil\\ntitle"));
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let text = table(["id", "title"], [["a".to_owned(), "word ".repeat(60)]], Some(50));
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        assert!(text.lines().count() > 3);
    }

    #[test]
    fn running_text_is_wrapped_and_keeps_its_paragraphs() {
        let text = format!("{}\n\nend", "word ".repeat(30));
        let wrapped = wrapped(&text, Some(60));
        assert!(wrapped.lines().all(|line| line.chars().count() <= 60));
        assert!(wrapped.ends_with("\n\nend"), "{wrapped}");
    }

    #[test]
    fn pairs_without_a_value_are_left_out() {
        let text = pairs([("person", "alice".to_owned()), ("peer", String::new())], None);
        assert_eq!(text, "person  alice");
    }
}
