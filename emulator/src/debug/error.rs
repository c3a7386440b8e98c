//! What can go wrong between a debugger and the machine.

use crate::clock::Position;

use super::expression::ExpressionError;

/// Why a debugger's request was not carried out. The machine is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum DebugError {
    /// The machine has no such hart.
    #[error("there is no hart {hart}; the machine has {count}")]
    NoHart {
        /// The number asked for.
        hart: usize,
        /// Number of harts.
        count: usize,
    },
    /// The register does not exist, or not on this processor.
    #[error("hart {hart} has no register {register}")]
    NoRegister {
        /// The hart.
        hart: usize,
        /// Name or number.
        register: String,
    },
    /// No memory there under the current page table.
    #[error("cannot access memory at {addr:#x}")]
    Unmapped {
        /// The address, virtual or physical as asked.
        addr: u64,
    },
    /// Only a recording can be walked backwards.
    #[error("this is a live run, which cannot go back; record it and replay the recording")]
    Live,
    /// A recording cannot be changed.
    #[error("a replay cannot be changed; `go-live` leaves the recording here")]
    Replaying,
    /// A position outside of the recording.
    #[error("{position} is outside of the recording, which ends at {end}", position = Show(*.position), end = Show(*.end))]
    Outside {
        /// The position asked for.
        position: Position,
        /// End of the recording.
        end: Position,
    },
    /// A text that is no position.
    #[error("{0}")]
    Position(String),
    /// A condition that cannot be read or evaluated.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// The instance path names no device.
    #[error("there is no device `{path}`; there are: {known}")]
    NoDevice {
        /// The path asked for.
        path: String,
        /// All paths.
        known: String,
    },
    /// This machine or this way of running it cannot do that.
    #[error("`{0}` is not possible here")]
    Unsupported(&'static str),
    /// A command that was not understood.
    #[error("{0}")]
    Usage(String),
    /// The user interrupted; the machine is where it was.
    #[error("interrupted")]
    Interrupted,
    /// The run is over, and not by the guest: the user quit, a signal came.
    #[error("{how}")]
    Over {
        /// Exit code of the program.
        code: u8,
        /// How the run ended.
        how: String,
    },
    /// The machine under the debugger failed.
    #[error("{0}")]
    Subject(String),
}

/// A position as debugger output shows it: the step count, and the rest where it is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show(pub Position);

impl std::fmt::Display for Show {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position { steps, idle_ns, sequence } = self.0;
        write!(f, "{steps}")?;
        if idle_ns > 0 {
            write!(f, " (idle {idle_ns} ns)")?;
        }
        if sequence > 0 {
            write!(f, " (event {sequence})")?;
        }
        Ok(())
    }
}
