#![no_main]
//! Fuzzes the decoder `person`.

hearth_fuzz::target!("person");
