#![no_main]
//! Fuzzes the decoder `genesis`.

hearth_fuzz::target!("genesis");
