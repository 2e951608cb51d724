#![no_main]
//! Fuzzes the decoder `envelope`.

hearth_fuzz::target!("envelope");
