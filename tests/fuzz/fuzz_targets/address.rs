#![no_main]
//! Fuzzes the decoder `address`.

hearth_fuzz::target!("address");
