#![no_main]
//! Fuzzes the decoder `epoch_blob`.

hearth_fuzz::target!("epoch_blob");
