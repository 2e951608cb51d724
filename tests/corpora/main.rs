//! Every decoder against bytes that were made to hurt it: examples, small changes of them, and collected vectors.
//!
//! The fuzz targets under `tests/fuzz` look further with the same list; what they find goes into `tests/fuzz/corpus`
//! and is tried here ever after.
//!
//! Leaves to others: what decoded values mean. Always true: nothing here needs more than a minute or the network.

mod examples;
mod hostile;
mod imported;
// The fuzz package, from which it comes, shows it to its targets.
#[expect(unreachable_pub)]
#[path = "../fuzz/src/imports.rs"]
mod imports;
mod mutants;
mod numbers;
mod signatures;
