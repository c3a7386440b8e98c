//! Versioned, self-describing state for emulated devices.
#![forbid(unsafe_code)]

pub mod container;
pub mod define;
pub mod error;
pub mod instance;
pub mod schema;
pub mod walk;
pub mod wire;
