#![no_main]
//! Fuzzes the decoder `response`.

hearth_fuzz::target!("response");
