#![no_main]
//! Fuzzes the decoder `join`.

hearth_fuzz::target!("join");
