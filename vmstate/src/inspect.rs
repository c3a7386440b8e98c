//! Looking into state without the code of its device.
//!
//! # Problem
//! A snapshot must be readable by a build that lacks the device, and by a person. The file holds the
//! writer's schema, so bytes and schema together are enough.
//!
//! # Strategy
//! A [`Node`] is one value: its kind in the writer's schema, and its bytes. It decodes nothing until
//! asked, and its children are nodes again, so that a walk needs memory only for where it stands. Dump,
//! diff and path look-up are walks.
//!
//! # Invariants
//! - Nothing is trusted: a walk over hostile bytes ends, with an error that names section, offset and
//!   field. The schemas have been verified (`SchemaTable::verify`), so depth is bounded, and
//!   elements of no size are not counted out one by one ([`Node::children`]).
//! - What is shown is what the writer wrote, never converted to what this build would make of it.

mod children;
mod describe;
mod node;
mod path;
mod tree;

pub use children::{Child, Children, Label};
pub use describe::describe;
pub use node::{FlagsView, Node, View};
pub use path::{Found, PathError, Selection, Step, select};
pub use tree::{InstanceBytes, Tree};
