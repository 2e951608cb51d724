#![no_main]
//! Fuzzes the decoder `sealed_hello`.

hearth_fuzz::target!("sealed_hello");
