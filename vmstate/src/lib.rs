#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod attributes;
pub mod container;
pub mod define;
pub mod diff;
pub mod dump;
pub mod error;
pub mod explain;
pub mod field;
pub mod inspect;
pub mod instance;
pub mod instances;
pub mod json;
pub mod lock;
pub mod property;
pub mod resolve;
pub mod schema;
mod types;
pub mod walk;
pub mod wire;

pub use field::{Field, Value, VmState, fresh};
pub use instance::Instance;
pub use types::TypeEntry;
pub use vmstate_derive::VmState;
