#![no_main]
//! Fuzzes the decoder `bundle`.

hearth_fuzz::target!("bundle");
