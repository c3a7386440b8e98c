//! The debugger's engine: stops, steps and walks in both directions, for any front end.
//!
//! Problem: GDB, a monitor on the console, a query on the command line and one day a DAP client
//! want the same abilities, and reverse execution must be right every time, which it is only when
//! there is one implementation that an oracle can test by the ten thousand.
//!
//! Strategy: the [`Engine`] knows a [`Subject`], a machine on a timeline that runs forward and can
//! be put back to captured positions, and nothing else: no GDB types, no architecture. Going back
//! is always: restore an earlier checkpoint, run forward, stop at the right place. [`gdb`] and
//! [`monitor`] translate between the engine and their users.
//!
//! Invariants:
//! * a stop is a [`Position`](crate::clock::Position); one position has one machine state, however
//!   it was reached;
//! * whether there is a hit at a position depends on that state alone, so a walk back finds exactly
//!   the hits of the walk forward;
//! * nothing here changes a recording: writing registers or memory in replay is refused.
//!
//! Deliberately absent: symbols and source lines (the front end's), software breakpoints that
//! change guest memory (a breakpoint is a set of addresses, so the guest never sees one).

mod checkpoints;
mod engine;
mod error;
pub mod expression;
pub mod gdb;
pub mod machine;
pub mod monitor;
mod stop;
mod subject;

pub use checkpoints::Checkpoints;
pub use engine::{Effort, Engine, Motion, Past, Searched, Traced};
pub use error::{DebugError, Show};
pub use stop::{Access, Breakpoint, BreakpointKind, Reason, Stop, Watchpoint};
pub use subject::{
    Another, CaptureId, Destination, Digest, Extent, Halt, Heed, Judge, Mark, Operator, Subject,
    View, Watch, WatchHit,
};

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the toy's numbers are small")]
mod tests {
    mod oracle;
    mod program;
    mod protocol;
    mod toy;
    mod walks;
}
