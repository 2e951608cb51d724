#![no_main]
//! Fuzzes the decoder `cbor`.

hearth_fuzz::target!("cbor");
