//! The undo window: the states in front of the last few steps, for runs of steps back.
//!
//! Problem: a front end walks back over a source line one step at a time, and each step would be a
//! restore and a run. Strategy: the first step back leaves the states of the steps before it behind,
//! and the next ones take them from there; a run that goes on gets a wider window each time. States
//! share what they have in common, so one more costs what its step wrote.
//!
//! Invariants: a state in the window is that of a position of the recording, so it never gets stale;
//! the window only ever makes going back quicker.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use crate::{
    clock::Position,
    debug::{CaptureId, DebugError, Halt, Heed, Subject},
};

use super::Engine;

/// States in the first window of a run.
const FIRST: u64 = 16;
/// States in the widest.
const WIDEST: u64 = 512;

/// States by the number of steps taken, each at the first position with that number.
#[derive(Debug, Default)]
pub(super) struct Window {
    states: BTreeMap<u64, CaptureId>,
    /// Width of the last one.
    width: u64,
}

impl Window {
    /// Gives all states up.
    pub(super) fn clear(&mut self, subject: &mut dyn Subject) {
        for id in std::mem::take(&mut self.states).into_values() {
            subject.release(id);
        }
    }

    /// The width of the window that ends with `steps`: wider when it goes on where the last began.
    fn width_at(&self, steps: u64) -> u64 {
        let goes_on = self.states.first_key_value().is_some_and(|(first, _)| *first == steps + 1);
        if goes_on { (self.width * 2).min(WIDEST) } else { FIRST }
    }
}

impl Engine {
    /// Brings the machine to the first position with `steps` steps, and keeps the states of the
    /// steps before it; false when interrupted on the way.
    pub(super) fn undo_to(&mut self, steps: u64) -> Result<bool, DebugError> {
        if let Some(id) = self.window.states.get(&steps) {
            self.subject.restore(*id);
            return Ok(true);
        }
        let begin = self.begin();
        let width = self.window.width_at(steps);
        let low = steps.saturating_sub(width).max(begin.steps);
        if !self.travel(Position::at_steps(low).max(begin))? {
            return Ok(false);
        }
        self.window.clear(&mut *self.subject);
        self.window.width = width;
        self.disarm();
        loop {
            let here = self.position().steps;
            self.window.states.insert(here, self.subject.capture());
            if here >= steps {
                return Ok(true);
            }
            // A few steps in front of where the user stood: over before anyone could interrupt.
            let halt = self.subject.run(
                Position::at_steps(here + 1),
                Heed::Nothing,
                &AtomicBool::new(false),
            )?;
            if halt != Halt::Until {
                return Err(DebugError::Subject(format!("the replay ends early: {halt:?}")));
            }
        }
    }
}
