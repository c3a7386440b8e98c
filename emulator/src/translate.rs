//! Translation of hot guest code to host code.
//!
//! Problem: interpreting costs tens of host instructions for each of the guest's; translating costs
//! tens of microseconds for each. And a guest must never be able to tell which of the two ran it.
//!
//! Strategy: two tiers. The interpreter runs everything first and everything odd always. A block
//! that is entered often becomes a *region*: the blocks reachable from it inside its page, compiled
//! as one host function with loops inside. Compiling happens in the background.
//!
//! | part | question it answers |
//! |---|---|
//! | [`engine`] | which tier runs the next stretch |
//! | [`plan`], [`usage`], [`loops`], [`bases`] | what belongs into a region, where it asks for budget, what it reads, which loops store late, how it finds memory |
//! | [`emission`], [`instructions`], [`floating`] | what code the semantics become |
//! | [`host`], [`shims`], [`arena`] | how code is made, entered, called back from, and stored |
//! | [`code`], [`jumps`], [`heat`] | what code exists, how it is linked, what is hot |
//! | [`background`], [`callbacks`], [`exit`] | who compiles; what generated code calls and says |
//!
//! Invariants:
//! * The count of steps is exact whenever generated code is left, and it is left IN FRONT of every
//!   instruction that it cannot finish: devices, faults, writes to code and page tables. The
//!   interpreter then runs that instruction from its start. That costs one dispatch for such an
//!   access, and needs no map from host addresses to guest ones, no unwinding and no repair of
//!   registers, which is why it was preferred.
//! * Code memory, links and jump tables change only in the dispatcher, while no generated code
//!   runs. No mapping is writable and executable.
//! * What code was specialised on is its key: pc, RAM page and the architecture's opaque mode.
//! * Nothing of any architecture is known here; everything comes through [`Guest`](crate::isa::guest::Guest).
//!
//! Deliberately absent: optimising compilation of traces, regions across pages. A region begins where
//! control entered it, so code that is entered at two places is compiled once for each; splitting
//! regions instead would put budget checks and links into loops.

mod arena;
mod background;
mod bases;
mod callbacks;
mod code;
mod config;
mod emission;
mod engine;
mod exit;
mod floating;
mod heat;
mod host;
mod instructions;
mod jumps;
mod loops;
mod plan;
mod processor;
mod shims;
#[cfg(test)]
mod tests;
mod usage;

pub use arena::ArenaError;
pub use config::{Compilation, EngineConfig, Stats};
pub use engine::Engine;
pub use processor::{Translated, equip};

/// Translation cannot be offered, or one region could not be translated.
#[derive(Debug, thiserror::Error)]
pub enum TranslatorError {
    /// No code can be generated for this host.
    #[error("cannot translate on this host: {reason}; run with the interpreter alone")]
    Host {
        /// What is missing.
        reason: String,
    },
    /// The host gave no executable memory.
    #[error(transparent)]
    Arena(#[from] ArenaError),
    /// The compiler's thread could not be started.
    #[error("the translator's thread could not be started: {source}")]
    Thread {
        /// The host's answer.
        source: std::io::Error,
    },
    /// The code generator refused one function.
    #[error("the code generator refused a function: {reason}")]
    Compile {
        /// What it said.
        reason: String,
    },
}
