//! What single attributes of a link say: its address, tags, time and whether it is private.
//!
//! Always true: whatever an attribute holds, it says something here or nothing, and never more
//! than an item takes.

use std::collections::BTreeSet;
use std::rc::Rc;

use hearth_protocol::url::{self, AddressRefusal};

use super::text::{self, Bounded};
use super::{Reason, limits};

/// The first second of 2100.
const YEAR_2100: u64 = 4_102_444_800;

/// What stands between the tags of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    Comma,
    Space,
}

/// The address as it was typed; the format lets white space stand around it.
pub(super) fn accept(address: Option<&Bounded>) -> Result<String, Reason> {
    let address = address.ok_or(Reason::NoAddress)?;
    if address.is_cut() {
        return Err(AddressRefusal::TooLong { bytes: address.given() }.into());
    }
    let address = address.text().trim_ascii();
    url::check(address)?;
    Ok(address.to_owned())
}

/// A link's own tags, then those of its folders, as many as an item takes, and whether that was
/// not all of them.
pub(super) fn tags(own: &str, gap: Gap, folders: &[Rc<str>]) -> (Vec<String>, bool) {
    let mut seen = BTreeSet::new();
    let mut tags = Vec::new();
    let mut is_cut = false;
    let is_gap = |c: char| match gap {
        Gap::Comma => c == ',',
        Gap::Space => c.is_whitespace(),
    };
    let own = own.split(is_gap).map(|typed| {
        let tag = text::tag(typed);
        is_cut |= tag.is_cut;
        tag.text
    });
    let own: Vec<String> = own.flatten().collect();
    for tag in own.into_iter().chain(folders.iter().map(|tag| tag.to_string())) {
        // A folder's tag is in lower case; beside the same in other letters it says nothing.
        if !seen.insert(tag.to_lowercase()) {
            continue;
        }
        if tags.len() == limits::TAGS {
            is_cut = true;
            break;
        }
        tags.push(tag);
    }
    (tags, is_cut)
}

/// A time in seconds, milliseconds or microseconds since 1970; their ranges do not meet.
pub(super) fn time_ms(date: &str) -> Option<u64> {
    let number: u64 = date.trim_ascii().parse().ok()?;
    match number {
        1..YEAR_2100 => number.checked_mul(1000),
        100_000_000_000.. if number / 1000 < YEAR_2100 => Some(number),
        100_000_000_000_000.. if number / 1_000_000 < YEAR_2100 => Some(number / 1000),
        _ => None,
    }
}

pub(super) fn yes_or_no(text: &str) -> Option<bool> {
    match text.trim_ascii().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}
