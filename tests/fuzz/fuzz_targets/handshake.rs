#![no_main]
//! Fuzzes the decoder `handshake`.

hearth_fuzz::target!("handshake");
