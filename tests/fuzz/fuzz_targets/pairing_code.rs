#![no_main]
//! Fuzzes the decoder `pairing_code`.

hearth_fuzz::target!("pairing_code");
