//! Versioned, self-describing state for emulated devices.
#![forbid(unsafe_code)]

pub mod container;
pub mod define;
pub mod diff;
pub mod dump;
pub mod error;
pub mod inspect;
pub mod instance;
pub mod instances;
pub mod json;
pub mod schema;
pub mod walk;
pub mod wire;
