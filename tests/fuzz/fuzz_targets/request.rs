#![no_main]
//! Fuzzes the decoder `request`.

hearth_fuzz::target!("request");
