//! Examples with small changes: no decoder panics, and what still decodes is what was written, byte for byte.

use std::fs;

use hearth_protocol::item::SignedItem;
use hearth_tests::decoders::{ALL, Verdict, named};
use hearth_tests::seed::Seed;

use crate::examples::{corpus, examples};

/// Changes tried on each example by its own decoder; the fuzzers try billions.
const CHANGES: usize = 4_000;

/// Changes of a signed item whose signature is checked each time.
const SIGNED_CHANGES: usize = 20_000;

/// One small change: a bit, a byte, a piece cut out, doubled, or moved in from elsewhere.
pub(crate) fn changed(bytes: &[u8], seed: &mut Seed) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = seed.between(0, bytes.len());
    let until = seed.between(at, bytes.len()) + 1;
    match seed.between(0, 6) {
        0 => changed[at] ^= 1 << seed.between(0, 8),
        1 => changed[at] = seed.draw().to_le_bytes()[0],
        2 => drop(changed.drain(at..until)),
        3 => drop(changed.splice(at..at, bytes[at..until].iter().copied())),
        4 => changed.truncate(at),
        _ => changed.insert(at, seed.draw().to_le_bytes()[0]),
    }
    changed
}

#[test]
fn small_changes_never_get_two_forms_or_a_panic_out_of_a_decoder() {
    let mut seed = Seed::take("small_changes_never_get_two_forms_or_a_panic_out_of_a_decoder");
    let examples = examples();
    for decoder in ALL {
        let mut refused = 0;
        for example in &examples[decoder.name] {
            for _ in 0..CHANGES {
                // What must hold of an accepted input is checked by the decoder's row itself.
                if (decoder.run)(&changed(example, &mut seed)) == Verdict::Refused {
                    refused += 1;
                }
            }
        }
        assert!(refused > CHANGES / 2, "{} refuses {refused} only", decoder.name);
    }
}

#[test]
fn no_changed_item_keeps_its_signature() {
    let mut seed = Seed::take("no_changed_item_keeps_its_signature");
    let examples = examples();
    let good = &examples["signed_item"][0];
    for _ in 0..SIGNED_CHANGES {
        let bytes = changed(good, &mut seed);
        let checked = SignedItem::from_bytes(&bytes).ok().map(|item| item.check().is_ok());
        assert!(bytes == *good || checked != Some(true), "{bytes:02x?}");
    }
}

/// What is kept and passed on. (A request and a response may look alike: the stream says which it is.)
const KEPT: [&str; 9] =
    ["bundle", "carry", "envelope", "genesis", "invite_cert", "join", "operation", "person", "signed_item"];

#[test]
fn nothing_that_is_kept_can_be_taken_for_another_kind() {
    let examples = examples();
    for (name, decoder) in KEPT.iter().flat_map(|name| KEPT.map(|other| (name, named(other)))) {
        if decoder.name == *name {
            continue;
        }
        for bytes in &examples[name] {
            assert_eq!((decoder.run)(bytes), Verdict::Refused, "{} took a {name}", decoder.name);
        }
    }
}

#[test]
fn what_the_fuzzers_kept_is_tried_again() {
    for decoder in ALL {
        let folder = corpus(decoder.name);
        let listing = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut tried = 0;
        for found in listing {
            let path = found.expect("the corpus can be listed").path();
            let bytes = fs::read(&path).expect("the corpus can be read");
            let _ = (decoder.run)(&bytes);
            tried += 1;
        }
        assert!(tried > 0, "{} is empty", folder.display());
    }
}
