//! What somebody typed, as an id: a full one, its beginning, or a name.
//!
//! Leaves to others: what is done with it. Always true: what could be two things is neither; then
//! all that it could be are listed.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::{
    bytes::WrongLength,
    engine::own_space_name,
    id::{CertId, CommunityId, ItemId, OpId, PersonId, SelectionId},
    invite::{InviteCert, InviteKey},
    key::PublicKey,
    ledger::Ledger as _,
};

use super::{
    error::{Answered, ApiError},
    sight::{Sight, short},
};
use crate::handle::Snapshot;

/// Digits of a shortened id, at least: fewer are soon ambiguous.
const PREFIX_DIGITS: usize = 6;
/// Digits of a whole id.
const ID_DIGITS: usize = 64;
/// Matches that a hint lists at most.
const LISTED: usize = 20;

/// Something that may be meant.
struct Candidate<T> {
    id: T,
    digits: String,
    /// What it is called, in one place or another.
    names: Vec<String>,
}

impl<T: Copy + ToString> Candidate<T> {
    fn new(id: T, names: Vec<String>) -> Candidate<T> {
        Candidate { id, digits: id.to_string(), names }
    }
}

/// The one that is meant; none when nothing fits.
fn pick<T: Copy>(what: &str, text: &str, candidates: &[Candidate<T>]) -> Answered<Option<T>> {
    let digits = text.to_ascii_lowercase();
    if let Some(whole) = candidates.iter().find(|c| c.digits == digits) {
        return Ok(Some(whole.id));
    }
    let begins = |c: &Candidate<T>| is_prefix(text) && c.digits.starts_with(&digits);
    let fitting: Vec<&Candidate<T>> =
        candidates.iter().filter(|c| c.names.iter().any(|name| name == text) || begins(c)).collect();
    match fitting.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.id)),
        several => Err(ambiguous(what, text, several)),
    }
}

fn ambiguous<T>(what: &str, text: &str, several: &[&Candidate<T>]) -> ApiError {
    let mut listed: Vec<String> = several
        .iter()
        .take(LISTED)
        .map(|c| c.names.first().map_or_else(|| c.digits.clone(), |name| format!("{} ({name})", c.digits)))
        .collect();
    if several.len() > LISTED {
        listed.push(format!("{} more", several.len() - LISTED));
    }
    ApiError::typed(
        "ambiguous",
        format!("`{text}` could be {} of the {what} here", several.len()),
        format!("type the id of one: {}", listed.join(", ")),
    )
}

fn is_prefix(text: &str) -> bool {
    text.len() >= PREFIX_DIGITS && text.len() <= ID_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A whole id, whether it is known here or not.
fn whole<T: std::str::FromStr<Err = WrongLength>>(text: &str) -> Option<T> {
    (text.len() == ID_DIGITS).then(|| text.parse().ok()).flatten()
}

fn is_too_short(text: &str) -> bool {
    !text.is_empty() && text.len() < PREFIX_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What is said of an id of something that has no name.
fn no_such_id(reason: &'static str, what: &str, text: &str, hint: &'static str) -> ApiError {
    if is_too_short(text) {
        return ApiError::typed(
            "too_short",
            format!("`{text}` is too short for an id: 6 characters are the least"),
            hint,
        );
    }
    if !is_prefix(text) {
        return ApiError::typed(
            "bad_id",
            format!("`{text}` is no id of {what}: an id has the digits 0-9 and a-f"),
            hint,
        );
    }
    ApiError::missing(reason, format!("no {what} `{text}` is known here"), hint)
}

/// The one of these ids that is meant, of envelopes that wait for a steward and of their items; none where none is.
pub(super) fn waiting(text: &str, known: &[String]) -> Answered<Option<String>> {
    let digits = text.to_ascii_lowercase();
    let fits = |id: &&String| **id == digits || is_prefix(text) && id.starts_with(&digits);
    let fitting: BTreeSet<&String> = known.iter().filter(fits).collect();
    match fitting.into_iter().collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).clone())),
        several => Err(ApiError::typed(
            "ambiguous",
            format!("`{text}` could be {} of what waits", several.len()),
            "type more of the id",
        )),
    }
}

/// One of this node's communities.
pub(super) fn community(snapshot: &Snapshot, text: &str) -> Answered<CommunityId> {
    known_community(snapshot, text.trim())?.ok_or_else(|| {
        let names: Vec<&str> = snapshot.communities.values().map(|s| s.name()).take(LISTED).collect();
        let error = format!("no community of yours is called `{}`", text.trim());
        ApiError::typed("no_community", error, format!("yours are: {}", names.join(", ")))
    })
}

/// A community that this node need not be in: then by its whole id.
pub(super) fn any_community(snapshot: &Snapshot, text: &str) -> Answered<CommunityId> {
    match known_community(snapshot, text.trim())?.or_else(|| whole(text.trim())) {
        Some(community) => Ok(community),
        None => community(snapshot, text).map_err(|error| error.hinting("of a community that you are not in, type the whole id: its members see it with `hearth community show`")),
    }
}

fn known_community(snapshot: &Snapshot, text: &str) -> Answered<Option<CommunityId>> {
    if let (true, Some(own)) = (text == own_space_name(), snapshot.own_space) {
        return Ok(Some(own));
    }
    let candidates: Vec<_> =
        snapshot.communities.values().map(|s| Candidate::new(s.id(), vec![s.name().to_owned()])).collect();
    pick("communities", text, &candidates)
}

/// A person whom one of these communities knows.
pub(super) fn person(sight: &Sight<'_>, communities: &[CommunityId], text: &str) -> Answered<PersonId> {
    let text = text.trim();
    known_person(sight, communities, text)?.ok_or_else(|| {
        let hint = "`hearth member list C` names the members";
        ApiError::typed("no_person", format!("nobody called `{text}` is known there"), hint)
    })
}

/// A person who need not be known: then by the whole id.
pub(super) fn any_person(sight: &Sight<'_>, communities: &[CommunityId], text: &str) -> Answered<PersonId> {
    match known_person(sight, communities, text.trim())?.or_else(|| whole(text.trim())) {
        Some(person) => Ok(person),
        None => person(sight, communities, text),
    }
}

fn known_person(sight: &Sight<'_>, communities: &[CommunityId], text: &str) -> Answered<Option<PersonId>> {
    // Somebody may have another name in each community, and is one person all the same.
    let mut names: BTreeMap<PersonId, Vec<String>> = BTreeMap::new();
    for community in communities {
        let profiles = sight.profiles(*community)?;
        for (person, member) in &sight.standing(*community)?.state.members {
            let profile = profiles.get(person).map(|profile| profile.name.as_str().to_owned());
            names.entry(*person).or_default().extend(profile.into_iter().chain([member.name.clone()]));
        }
    }
    let candidates: Vec<_> = names.into_iter().map(|(person, names)| Candidate::new(person, names)).collect();
    pick("people", text, &candidates)
}

/// An item that is kept here.
pub(super) fn item(sight: &Sight<'_>, text: &str) -> Answered<ItemId> {
    let text = text.trim();
    let found = if is_prefix(text) { sight.store.items_like(text, LISTED + 1)? } else { Vec::new() };
    let candidates: Vec<_> = found.into_iter().map(|id| Candidate::new(id, Vec::new())).collect();
    let hint = "`hearth list` shows the items with their ids; 6 characters of one are enough";
    pick("items", text, &candidates)?.ok_or_else(|| no_such_id("no_item", "item", text, hint))
}

/// A link of one of this node's communities.
pub(super) fn link(snapshot: &Snapshot, text: &str) -> Answered<(CommunityId, OpId)> {
    let text = text.trim();
    let links = snapshot.communities.values().flat_map(|s| s.state.links.iter().map(|link| (s.id(), link.id)));
    let candidates: Vec<_> = links
        .map(|(community, id)| Candidate { id: (community, id), digits: id.to_string(), names: Vec::new() })
        .collect();
    pick("links", text, &candidates)?
        .ok_or_else(|| no_such_id("not_found", "link", text, "`hearth link list C` shows the links with their ids"))
}

/// An invite of one of this node's communities: an own one, or one that has left a trace.
pub(super) fn invite(sight: &Sight<'_>, text: &str) -> Answered<(CommunityId, CertId)> {
    let text = text.trim();
    let mut candidates = Vec::new();
    for (community, standing) in &sight.snapshot.communities {
        let own = sight.store.own_invites(*community)?;
        let own = own.iter().map(|invite| InviteCert::id_of(&invite.cert.signed));
        let used = standing.state.invites.keys().copied();
        let ids: BTreeSet<CertId> = own.chain(used).collect();
        candidates.extend(ids.into_iter().map(|id| Candidate {
            id: (*community, id),
            digits: id.to_string(),
            names: Vec::new(),
        }));
    }
    pick("invites", text, &candidates)?.ok_or_else(|| {
        no_such_id("not_found", "invite", text, "`hearth invite list C` shows the invites with their ids")
    })
}

/// One of this person's selections.
pub(super) fn selection(sight: &Sight<'_>, text: &str) -> Answered<SelectionId> {
    let text = text.trim();
    let all = sight.store.selections()?;
    let candidates: Vec<_> = all.iter().map(|selection| Candidate::new(selection.id, Vec::new())).collect();
    let hint = "`hearth select list` shows your selections with their ids";
    pick("selections", text, &candidates)?.ok_or_else(|| no_such_id("not_found", "selection", text, hint))
}

/// One of this person's devices.
pub(super) fn device<'a>(known: impl Iterator<Item = &'a PublicKey>, text: &str) -> Answered<PublicKey> {
    let text = text.trim();
    let candidates: Vec<_> =
        known.map(|device| Candidate { id: *device, digits: device.0.to_string(), names: Vec::new() }).collect();
    let hint = "`hearth device list` shows your devices with their ids";
    pick("devices", text, &candidates)?.ok_or_else(|| no_such_id("no_device", "device", text, hint))
}

/// A community that this node waits to join: by its id, or by the key itself.
pub(super) fn pending(snapshot: &Snapshot, text: &str) -> Answered<CommunityId> {
    let text = text.trim();
    let by_key = InviteKey::from_text(text)
        .ok()
        .map(|key| key.community)
        .filter(|community| snapshot.pending.contains(community));
    if let Some(community) = by_key {
        return Ok(community);
    }
    let candidates: Vec<_> = snapshot.pending.iter().map(|id| Candidate::new(*id, Vec::new())).collect();
    pick("joins that wait", text, &candidates)?.ok_or_else(|| {
        let waiting: Vec<String> = snapshot.pending.iter().map(|id| short(&id.to_string())).collect();
        let hint = if waiting.is_empty() {
            "nothing waits; `hearth join KEY` begins".to_owned()
        } else {
            format!("these wait: {}", waiting.join(", "))
        };
        ApiError::typed("no_pending_join", format!("no join into `{text}` waits for an answer"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates() -> Vec<Candidate<u8>> {
        let of = |id: u8, start: &str, name: &str| Candidate {
            id,
            digits: format!("{start}{}", "0".repeat(64 - start.len())),
            names: vec![name.to_owned()],
        };
        vec![
            of(1, "abcdef1", "garden"),
            of(2, "abcdef2", "library"),
            of(3, "1234567", "garden"),
            of(4, "fedcba9", "abcdef"),
        ]
    }

    #[test]
    fn a_name_or_six_digits_are_enough_where_they_fit_one() {
        let all = candidates();
        assert_eq!(pick("things", "library", &all).unwrap(), Some(2));
        assert_eq!(pick("things", "123456", &all).unwrap(), Some(3));
        assert_eq!(pick("things", "ABCDEF1", &all).unwrap(), Some(1));
        assert_eq!(pick("things", &all[3].digits, &all).unwrap(), Some(4));
        assert_eq!(pick("things", "12345", &all).unwrap(), None, "five digits are too few");
        assert_eq!(pick("things", "Library", &all).unwrap(), None);
        assert_eq!(pick("things", "", &all).unwrap(), None);
    }

    #[test]
    fn what_fits_several_is_refused_with_all_of_them() {
        let all = candidates();
        let error = pick("things", "garden", &all).unwrap_err();
        assert_eq!((error.status.as_u16(), error.reason.as_ref()), (400, "ambiguous"));
        assert!(error.hint.contains(&all[0].digits) && error.hint.contains(&all[2].digits), "{}", error.hint);
        // The beginning of two ids, and somebody's name.
        let error = pick("things", "abcdef", &all).unwrap_err();
        assert!([0, 1, 3].iter().all(|at| error.hint.contains(&all[*at].digits)), "{}", error.hint);
    }

    #[test]
    fn an_id_that_is_none_is_told_from_one_that_is_not_known() {
        let status = |text: &str| no_such_id("no_item", "item", text, "").status.as_u16();
        assert_eq!((status("abcde"), status("frost"), status("abcdef"), status("")), (400, 400, 404, 400));
    }
}
