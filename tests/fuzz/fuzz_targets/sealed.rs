#![no_main]
//! Fuzzes the decoder `sealed`.

hearth_fuzz::target!("sealed");
