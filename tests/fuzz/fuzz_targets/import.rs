#![no_main]
//! Fuzzes the reader of other programs' bookmark files.

hearth_fuzz::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hearth_fuzz::imports::import(bytes);
});
