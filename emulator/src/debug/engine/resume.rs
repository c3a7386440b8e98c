//! The motions that a user asks for.

use std::{ops::Range, sync::atomic::Ordering};

use crate::{
    clock::Position,
    debug::{DebugError, Reason, Stop},
};

use super::Engine;

/// How to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Forward to the next stop.
    Continue,
    /// Forward until the hart has taken one step. Other harts move as their turns come.
    Step {
        /// The hart.
        hart: usize,
    },
    /// Forward until the hart stands outside of a range of code, as a source line is.
    StepRange {
        /// The hart.
        hart: usize,
        /// Virtual addresses.
        range: Range<u64>,
    },
    /// Back to the last stop.
    ReverseContinue,
    /// Back in front of the last step that the hart has taken.
    ReverseStep {
        /// The hart.
        hart: usize,
    },
    /// To a position, without stops.
    Seek(Position),
}

impl Engine {
    /// Moves and comes back with the reason for the stop.
    ///
    /// # Errors
    /// [`DebugError::Live`] when a live run is asked to go back or to seek, [`DebugError::NoHart`],
    /// [`DebugError::Outside`]; [`DebugError::Subject`] when the host failed or a replay diverged,
    /// and then the machine stands where it happened.
    pub fn resume(&mut self, motion: Motion) -> Result<Stop, DebugError> {
        let outcome = self.carry_out(motion);
        self.attention.store(false, Ordering::Relaxed);
        outcome
    }

    fn carry_out(&mut self, motion: Motion) -> Result<Stop, DebugError> {
        // Whoever went elsewhere and comes back wants to be told again.
        let here = self.position();
        self.reported = self.reported.filter(|(at, _)| *at == here);
        if let Motion::Step { hart }
        | Motion::StepRange { hart, .. }
        | Motion::ReverseStep { hart } = motion
        {
            self.check_hart(hart)?;
        }
        let goes_back = matches!(
            motion,
            Motion::ReverseContinue | Motion::ReverseStep { .. } | Motion::Seek(_)
        );
        if goes_back && !self.is_replay() {
            return Err(DebugError::Live);
        }
        self.arm();
        match motion {
            Motion::Continue => self.go_on(),
            Motion::Step { hart } => self.step(hart),
            Motion::StepRange { hart, range } => self.step_range(hart, &range),
            Motion::ReverseContinue => self.reverse_continue(),
            Motion::ReverseStep { hart } => self.reverse_step(hart),
            Motion::Seek(target) => self.seek(target),
        }
    }

    fn seek(&mut self, target: Position) -> Result<Stop, DebugError> {
        let Some(extent) = self.subject.extent() else { return Err(DebugError::Live) };
        if target > extent.end {
            return Err(DebugError::Outside { position: target, end: extent.end });
        }
        let arrived = self.travel(target.max(extent.begin))?;
        let reason = if arrived { Reason::Done } else { Reason::Interrupted };
        Ok(self.stop(self.focus, reason))
    }
}
