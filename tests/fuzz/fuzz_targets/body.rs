#![no_main]
//! Fuzzes the decoder `body`.

hearth_fuzz::target!("body");
