//! The timeline of a run: recording it, replaying it, and places on it.
//!
//! Problem: the machine must not know whether it runs live, is recorded or is replayed. Strategy:
//! each of these is a [`Door`](crate::door::Door). [`Recorder`] stands in front of a live door and
//! writes down what passes; [`Replayer`] is a door that lets the recorded events in where they came.
//! Digests of the whole state are taken between two runs of the machine, by whoever drives it.
//!
//! Invariants: a replay that leaves the recorded path is stopped at the first place where that can
//! be seen, with a [`Divergence`] that says what was recorded and what was found. Nothing waits for
//! an event that never comes: a machine that runs past one, or waits for ever in front of one, has
//! diverged.

pub mod bisect;
mod capture;
pub mod checkpoint;
pub mod described;
mod divergence;
pub mod listing;
mod open;
mod recorder;
mod replayer;
mod session;
mod spec;
mod state;
#[cfg(test)]
mod tests;
pub mod verify;

pub use checkpoint::Stops;
pub use divergence::Divergence;
pub use open::{OpenError, Opened, Tuning, build, start};
pub use recorder::{Recorder, RecorderLeave};
pub use replayer::{RecordedState, Replayer, ReplayerLeave, Sink};
pub use session::{
    Attended, Ledger, RecordSession, ReplaySession, ReplayStop, SessionError, how_off,
};
pub use spec::{PositionSpec, SpecError, Target};
pub use state::{DigestChain, ForeignDigest, StateDigest};

/// Steps from one transcript digest to the next, unless `--digest-every` says otherwise.
pub const TRANSCRIPT_EVERY: u64 = 1 << 24;
/// Steps from one state digest to the next, unless `--digest-every` says otherwise.
pub const STATE_EVERY: u64 = 1 << 28;
