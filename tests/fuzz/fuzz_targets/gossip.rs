#![no_main]
//! Fuzzes the decoder `gossip`.

hearth_fuzz::target!("gossip");
