//! How bounds are shown, and those that reading checks, looked at from both sides.
//!
//! Leaves to others: the bounds that an engine keeps, which are looked at beside what keeps them.

mod fields;
mod frames;
mod whole;

use std::collections::BTreeSet;

use ciborium::Value;

use super::*;
use crate::encoding::encode;

#[test]
fn a_bound_is_shown_with_the_value_that_is_in_force_and_its_whole_reason() {
    let shown = ALL.iter().find(|limit| limit.name() == "gossip_bytes").expect("it is listed");
    assert_eq!((shown.value, shown.unit), (GOSSIP_BYTES as u64, "bytes"));
    assert!(shown.reason().starts_with("Largest gossip message, sealed. libp2p-gossipsub"), "{}", shown.reason());
    assert!(shown.reason().ends_with("by its header and fetched."), "{}", shown.reason());
}

#[test]
fn no_two_bounds_have_one_name() {
    let names: BTreeSet<String> = ALL.iter().map(Limit::name).collect();
    assert_eq!(names.len(), ALL.len());
}

/// The bytes of something whose field at `path` is replaced by what no author could put there.
fn put(bytes: &[u8], path: &[usize], field: Value) -> Vec<u8> {
    let mut whole: Value = ciborium::from_reader(bytes).unwrap();
    let at = path.iter().fold(&mut whole, |value, at| &mut value.as_array_mut().unwrap()[*at]);
    *at = field;
    encode(&whole)
}

/// So many bytes of text.
fn text(bytes: usize) -> Value {
    Value::Text("a".repeat(bytes))
}

/// A byte string of this length.
fn blob(bytes: usize) -> Value {
    Value::Bytes(vec![0; bytes])
}

/// So many elements.
fn list(count: usize, element: impl FnMut(usize) -> Value) -> Value {
    Value::Array((0..count).map(element).collect())
}

/// So many byte strings of this length, ascending.
fn ids(count: usize, bytes: usize) -> Value {
    list(count, |number| {
        Value::Bytes([&[0; 8], &(number as u64).to_be_bytes()[..], &[0; 64]].concat()[..bytes].to_vec())
    })
}

/// Anything, as a field of something else.
fn field(value: &impl serde::Serialize) -> Value {
    Value::serialized(value).unwrap()
}
