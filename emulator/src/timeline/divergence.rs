//! How a replay can leave the recorded path.

use crate::clock::Position;

/// A position in words: steps, and what else is needed to tell it from its neighbours.
struct At(Position);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position { steps, idle_ns, sequence } = self.0;
        write!(f, "instruction {steps}")?;
        if idle_ns != 0 || sequence != 0 {
            write!(f, " (position {steps}:{idle_ns}:{sequence})")?;
        }
        Ok(())
    }
}

/// Where and how a replay left the recorded path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Divergence {
    /// The hash over bus accesses, traps and interrupts differs.
    #[error(
        "{} differs: recorded transcript {recorded:016x}, found {found:016x}; equal up to {}",
        At(*.position), At(*.equal_up_to)
    )]
    Transcript {
        /// Where it was compared.
        position: Position,
        /// The last place where it was equal.
        equal_up_to: Position,
        /// The recorded hash.
        recorded: u64,
        /// The hash of the replay.
        found: u64,
    },
    /// Parts of the state differ.
    #[error(
        "the state at {} differs in {}; equal up to {}",
        At(*.position), parts.join(", "), At(*.equal_up_to)
    )]
    State {
        /// Where it was compared.
        position: Position,
        /// The last place where it was equal.
        equal_up_to: Position,
        /// What differs: instance paths with fields, harts, `ram`.
        parts: Vec<String>,
    },
    /// The machine ran past a place at which, in the recording, it was idle.
    #[error(
        "the machine ran on to {} but was recorded waiting at {} for {what}; equal up to {}",
        At(*.now), At(*.recorded), At(*.equal_up_to)
    )]
    RanPast {
        /// Where the machine is.
        now: Position,
        /// The recorded position that it missed.
        recorded: Position,
        /// What stands there in the recording.
        what: String,
        /// The last place where it was equal.
        equal_up_to: Position,
    },
    /// The machine waits for ever, but in the recording it went on.
    #[error(
        "the machine waits for ever at {} but was recorded running on to {} ({what}); equal up to {}",
        At(*.now), At(*.recorded), At(*.equal_up_to)
    )]
    WaitsForEver {
        /// Where the machine waits.
        now: Position,
        /// The next recorded position.
        recorded: Position,
        /// What stands there in the recording.
        what: String,
        /// The last place where it was equal.
        equal_up_to: Position,
    },
    /// The machine stopped by itself before the recording ends.
    #[error(
        "the machine stopped at {} ({how}) but was recorded running on to {}; equal up to {}",
        At(*.now), At(*.recorded), At(*.equal_up_to)
    )]
    Stopped {
        /// Where it stopped.
        now: Position,
        /// How, such as `power-off 0`.
        how: String,
        /// The last recorded position.
        recorded: Position,
        /// The last place where it was equal.
        equal_up_to: Position,
    },
    /// The recording says that the machine stopped by itself here; the replay did not.
    #[error(
        "the machine was recorded stopping at {} ({how}) but runs on; equal up to {}",
        At(*.recorded), At(*.equal_up_to)
    )]
    RunsOn {
        /// Where it was recorded stopping.
        recorded: Position,
        /// How, such as `power-off 0`.
        how: String,
        /// The last place where it was equal.
        equal_up_to: Position,
    },
}

impl Divergence {
    /// The last place that was equal, and the first at which the difference could be seen.
    #[must_use]
    pub fn interval(&self) -> (Position, Position) {
        match self {
            Self::Transcript { position, equal_up_to, .. }
            | Self::State { position, equal_up_to, .. }
            | Self::RanPast { now: position, equal_up_to, .. }
            | Self::WaitsForEver { now: position, equal_up_to, .. }
            | Self::Stopped { now: position, equal_up_to, .. }
            | Self::RunsOn { recorded: position, equal_up_to, .. } => (*equal_up_to, *position),
        }
    }
}
