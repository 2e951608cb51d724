//! What is computed from items, and formats in and out.

pub mod import;
