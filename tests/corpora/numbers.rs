//! T9: every number in an example of every format, set to what counters end with: no decoder panics, and what it still
//! accepts it writes back as the same bytes.
//!
//! Leaves to others: what is made of a number that was accepted (the engine's own tests). Always true: a number is
//! written in its one form, so that it is refused for itself and not for how it is written.

use hearth_tests::decoders::{ALL, Verdict};
use hearth_tests::shared;

use crate::examples::examples;

/// 0, 1, and about the ends of 8, 16, 31, 32, 53, 63 and 64 bits.
const NUMBERS: [u64; 18] = [
    0,
    1,
    23,
    24,
    0xff,
    0x100,
    0xffff,
    0x1_0000,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    (1 << 53) - 1,
    1 << 53,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// What formats are made of.
#[derive(Clone)]
enum Part {
    Number(u64),
    Bytes(Vec<u8>),
    /// Bytes that are a format of their own, as what is signed.
    Within(Box<Part>),
    Text(Vec<u8>),
    List(Vec<Part>),
    /// True, false, null.
    Simple(u8),
}

/// The head of a part: its major type, and its number or length.
fn head(bytes: &mut &[u8]) -> Option<(u8, u64)> {
    let (first, rest) = bytes.split_first()?;
    let (major, low) = (first >> 5, first & 0x1f);
    let length = match low {
        0..=23 => 0,
        24..=27 => 1 << (low - 24),
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    let number = number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Some((major, if length == 0 { low.into() } else { number }))
}

fn read(bytes: &mut &[u8]) -> Option<Part> {
    let (major, number) = head(bytes)?;
    let length = usize::try_from(number).ok()?;
    let cut = |bytes: &mut &[u8]| {
        let (piece, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(piece.to_vec())
    };
    Some(match major {
        0 => Part::Number(number),
        2 => {
            let piece = cut(bytes)?;
            // Only what is a list and nothing more: keys and hashes are hardly ever.
            match piece.first() {
                Some(0x82..=0x9f) => whole(&piece).map_or(Part::Bytes(piece), |part| Part::Within(Box::new(part))),
                _ => Part::Bytes(piece),
            }
        }
        3 => Part::Text(cut(bytes)?),
        4 => Part::List((0..length).map(|_| read(bytes)).collect::<Option<_>>()?),
        7 => Part::Simple(u8::try_from(number).ok()?),
        _ => return None,
    })
}

/// A part and nothing after it.
fn whole(mut bytes: &[u8]) -> Option<Part> {
    read(&mut bytes).filter(|_| bytes.is_empty())
}

fn write_head(major: u8, number: u64, to: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (low, used) = match number {
        0..=23 => (bytes[7], 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    to.push(major << 5 | low);
    to.extend_from_slice(&bytes[8 - used..]);
}

impl Part {
    fn write(&self, to: &mut Vec<u8>) {
        let mut long = |major: u8, bytes: &[u8]| {
            write_head(major, bytes.len() as u64, to);
            to.extend_from_slice(bytes);
        };
        match self {
            Part::Number(number) => write_head(0, *number, to),
            Part::Bytes(bytes) => long(2, bytes),
            Part::Within(part) => long(2, &part.bytes()),
            Part::Text(bytes) => long(3, bytes),
            Part::List(parts) => {
                write_head(4, parts.len() as u64, to);
                parts.iter().for_each(|part| part.write(to));
            }
            Part::Simple(number) => write_head(7, (*number).into(), to),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    /// Its numbers, in their order.
    fn numbers(&mut self) -> Vec<&mut u64> {
        match self {
            Part::Number(number) => vec![number],
            Part::Within(part) => part.numbers(),
            Part::List(parts) => parts.iter_mut().flat_map(Part::numbers).collect(),
            Part::Bytes(_) | Part::Text(_) | Part::Simple(_) => Vec::new(),
        }
    }
}

#[test]
fn no_number_in_any_format_gets_a_panic_or_a_second_form_out_of_a_decoder() {
    let examples = examples();
    let (mut formats, mut fields, mut accepted, mut refused) = (0, 0, 0, 0);
    for decoder in ALL {
        // Before some formats stands a byte that says which it is.
        let before = usize::from(matches!(decoder.name, "body" | "handshake"));
        let mut found = 0;
        for example in &examples[decoder.name] {
            let (first, rest) = example.split_at(before.min(example.len()));
            let Some(mut part) = whole(rest) else { continue };
            assert_eq!(part.bytes(), rest, "{}: an example is written in its one form", decoder.name);
            for nth in 0..part.numbers().len() {
                found += 1;
                for number in NUMBERS {
                    let mut part = part.clone();
                    *part.numbers()[nth] = number;
                    match (decoder.run)(&[first, &part.bytes()].concat()) {
                        Verdict::Accepted => accepted += 1,
                        Verdict::Refused => refused += 1,
                    }
                }
            }
        }
        (formats, fields) = (formats + usize::from(found > 0), fields + found);
    }
    shared::tell(&format!("T9: formats={formats} fields={fields} accepted={accepted} refused={refused}"));
    assert!(formats >= 14 && fields >= 200, "{formats} formats, {fields} numbers");
    assert!(accepted > fields && refused > fields, "{accepted}, {refused}");
}
