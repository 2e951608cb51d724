//! What every fuzz target is: one decoder of the list that the corpora suite runs too.
//!
//! Leaves to others: the decoders and what must hold of them (`hearth_tests::decoders`).
//! Always true: a target is named as its decoder.

// Shared files name the crates that they live in; here all of it is one, and nothing heavy is built.
extern crate self as hearth_node;
extern crate self as hearth_tests;

#[path = "../../src/decoders.rs"]
pub mod decoders;
pub mod imports;
#[path = "../../../node/src/practice"]
pub mod practice {
    //! What the fuzzers need of the node: its readers of foreign files.
    pub mod import;
}

/// Declares the target of one decoder.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            let _ = ($crate::decoders::named($name).run)(bytes);
        });
    };
}

pub use libfuzzer_sys;
