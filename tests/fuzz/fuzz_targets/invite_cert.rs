#![no_main]
//! Fuzzes the decoder `invite_cert`.

hearth_fuzz::target!("invite_cert");
