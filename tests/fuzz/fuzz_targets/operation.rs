#![no_main]
//! Fuzzes the decoder `operation`.

hearth_fuzz::target!("operation");
