#![no_main]
//! Fuzzes the decoder `invite_key`.

hearth_fuzz::target!("invite_key");
