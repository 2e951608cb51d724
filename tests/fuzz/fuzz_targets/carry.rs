#![no_main]
//! Fuzzes the decoder `carry`.

hearth_fuzz::target!("carry");
