//! Versioned, self-describing state for emulated devices.
#![forbid(unsafe_code)]

pub mod container;
