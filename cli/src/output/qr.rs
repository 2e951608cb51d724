//! QR codes on a terminal: half blocks, two modules above each other in every character.
//!
//! What is drawn is the light; the dark is left to the terminal's background, so that the code is dark on light where
//! that is dark, as it mostly is. On a light one it is light on dark, which most scanners read too. Always true: a code
//! has its whole quiet zone, and is not drawn where a line would be broken.

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules of light around a code, by the standard: without them a scanner does not find it.
const QUIET: i32 = 4;

/// The text as a QR code; where that cannot be drawn, a sentence that says why.
///
/// Capitals, digits and `:` alone make a smaller code.
pub(crate) fn drawn(text: &str, width: Option<u16>) -> String {
    // A clean screen needs no more correction; what fits for free is taken all the same.
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Low) else {
        return "(It is too long for a QR code.)".to_owned();
    };
    let columns = code.size() + 2 * QUIET;
    match width {
        Some(width) if i32::from(width) < columns => {
            format!("(The QR code needs a terminal of {columns} columns; this one has {width}.)")
        }
        _ => lines(&code),
    }
}

fn lines(code: &QrCode) -> String {
    let all = -QUIET..code.size() + QUIET;
    // Outside of the code no module is dark; below the quiet zone nothing is drawn.
    let is_light = |x, y| all.contains(&y) && !code.get_module(x, y);
    let character = |x, y| match (is_light(x, y), is_light(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    let line = |y| all.clone().map(|x| character(x, y)).collect::<String>();
    all.clone().step_by(2).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_protocol::{
        authority::{Grant, Role},
        bytes::{Blob, List},
        invite::{Hint, InviteKey, InviteTerms},
        key::SecretKey,
        pasted,
        time::Millis,
    };

    /// A key with addresses of `hints` nodes.
    fn key(hints: u8) -> InviteKey {
        let hint = |number: u8| {
            Hint(
                Blob::new(vec![number; 38]).expect("a peer's name fits"),
                Blob::new(vec![number; 24]).expect("an address fits"),
            )
        };
        let terms = InviteTerms {
            role: Role::Member,
            max_uses: 1,
            only: None,
            not_before: Millis(1_795_000_000_000),
            not_after: Millis(1_795_000_001_000),
        };
        let inviter = ([6; 32].into(), Grant::Founder(0), &SecretKey::new(&[5; 32]));
        let hints = List::new((0..hints).map(hint).collect()).expect("one to four nodes are named");
        InviteKey::create([7; 32].into(), inviter, &terms, hints, [8; 24]).expect("the terms are within their bounds")
    }

    /// What a scanner makes of what is on the screen, each module a few pixels wide.
    fn scanned(drawn: &str) -> String {
        const PIXELS: usize = 3;
        let rows: Vec<Vec<bool>> = drawn
            .lines()
            .flat_map(|line| [['█', '▀'], ['█', '▄']].map(|light| line.chars().map(|c| !light.contains(&c)).collect()))
            .collect();
        let (wide, high) = (rows[0].len() * PIXELS, (rows.len() - 1) * PIXELS);
        let shade = |at: usize| if rows[at / wide / PIXELS][at % wide / PIXELS] { 0 } else { 255 };
        let image: Vec<u8> = (0..wide * high).map(shade).collect();
        let mut scanner = quircs::Quirc::default();
        let codes: Vec<_> = scanner.identify(wide, high, &image).collect();
        assert_eq!(codes.len(), 1, "one code is found");
        let data = codes[0].as_ref().expect("it is whole").decode().expect("it can be read");
        String::from_utf8(data.payload).expect("a link is text")
    }

    #[test]
    fn a_scanned_code_is_the_same_invite_key() {
        for hints in 1..=4 {
            let key = key(hints);
            let drawn = drawn(&pasted::to_link(&key.to_text()), None);
            let read = InviteKey::from_text(&scanned(&drawn)).expect("a link is a key");
            assert_eq!(read.to_text(), key.to_text());
        }
    }

    #[test]
    fn a_code_has_its_quiet_zone_and_lines_of_one_length() {
        let link = pasted::to_link(&key(1).to_text());
        let drawn = drawn(&link, None);
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
        assert!(lines[..2].iter().flatten().all(|c| *c == '█'));
        // An odd number of rows: the last line has only the upper half.
        let (last, whole) = lines.split_last().expect("there are lines");
        assert!(last.iter().all(|c| *c == '▀') && whole.iter().all(|line| line[..4] == ['█'; 4]));
        // A key of one address fits on the narrowest of usual terminals.
        assert!(lines[0].len() <= 80, "{}", lines[0].len());
        assert_eq!(super::drawn(&link, Some(80)), drawn);
    }

    #[test]
    fn a_code_that_does_not_fit_is_not_drawn() {
        assert!(drawn("HEARTH:", Some(20)).starts_with("(The QR code needs a terminal of 29 columns"));
        assert!(drawn("HEARTH:", Some(29)).starts_with('█'));
        assert!(drawn(&"A".repeat(5_000), None).contains("too long"));
    }
}
