#![no_main]
//! Fuzzes the decoder `signed_item`.

hearth_fuzz::target!("signed_item");
