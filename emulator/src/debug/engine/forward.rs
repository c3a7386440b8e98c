//! Forward: continue, step, step out of a range.

use std::ops::Range;

use crate::{
    clock::Position,
    debug::{DebugError, Halt, Heed, Reason, Stop},
};

use super::Engine;

impl Engine {
    /// Where forward motion ends: the end of the recording, or never.
    fn limit(&self) -> Position {
        self.subject.extent().map_or(Position::at_steps(u64::MAX), |extent| extent.end)
    }

    /// Runs towards `until`; in replay it leaves checkpoints behind on a long way.
    pub(super) fn run_spaced(&mut self, until: Position, heed: Heed) -> Result<Halt, DebugError> {
        if !self.is_replay() {
            return self.subject.run(until, heed, &self.attention);
        }
        loop {
            let here = self.position().steps;
            let spaced = Position::at_steps(here.saturating_add(self.checkpoints.spacing()));
            let halt = self.subject.run(spaced.min(until), heed, &self.attention)?;
            if halt != Halt::Until || self.position() >= until {
                return Ok(halt);
            }
            self.checkpoints.capture(&mut *self.subject);
        }
    }

    /// Runs to the next stop.
    pub(super) fn go_on(&mut self) -> Result<Stop, DebugError> {
        let limit = self.limit();
        loop {
            let halt = self.run_spaced(limit, Heed::Breakpoints)?;
            if let Some(stop) = self.judge(halt)? {
                return Ok(stop);
            }
        }
    }

    /// The stop that a halt means, or none after stepping over what means none.
    fn judge(&mut self, halt: Halt) -> Result<Option<Stop>, DebugError> {
        let (hart, reason) = match halt {
            Halt::Until | Halt::End => (self.focus, Reason::End),
            Halt::Interrupted => (self.focus, Reason::Interrupted),
            Halt::PowerOff { code } => (self.focus, Reason::PowerOff { code }),
            Halt::Watch { hart, hits, .. } => match self.hit_watchpoint(&hits) {
                Some(reason) => (hart, reason),
                None => return Ok(None),
            },
            Halt::Breakpoint { hart } => {
                let here = self.position();
                let known = self.reported == Some((here, hart));
                match self.hit_breakpoint(hart).filter(|_| !known) {
                    Some(reason) => (hart, reason),
                    None => return self.pass_over(here),
                }
            }
        };
        Ok(Some(self.stop(hart, reason)))
    }

    /// Takes the step in front of which a breakpoint stands.
    fn pass_over(&mut self, here: Position) -> Result<Option<Stop>, DebugError> {
        let behind = Position::at_steps(here.steps + 1);
        match self.subject.run(behind, Heed::Nothing, &self.attention)? {
            Halt::Until => Ok(None),
            halt => self.judge(halt),
        }
    }

    /// Runs until `hart` has taken one step.
    pub(super) fn step(&mut self, hart: usize) -> Result<Stop, DebugError> {
        let taken = self.subject.hart_steps(hart);
        let limit = self.limit();
        while self.subject.hart_steps(hart) == taken {
            let here = self.position();
            if here >= limit {
                return Ok(self.stop(hart, Reason::End));
            }
            let behind = Position::at_steps(here.steps + 1).min(limit);
            let mut halt = self.subject.run(behind, Heed::Breakpoints, &self.attention)?;
            if let Halt::Breakpoint { hart: other } = halt
                && (other == hart || self.reported == Some((self.position(), other)))
            {
                halt = self.subject.run(behind, Heed::Nothing, &self.attention)?;
            }
            if halt != Halt::Until
                && let Some(stop) = self.judge(halt)?
            {
                return Ok(stop);
            }
        }
        Ok(self.stop(hart, Reason::Done))
    }

    /// Steps until `hart` stands outside of `range`.
    pub(super) fn step_range(
        &mut self,
        hart: usize,
        range: &Range<u64>,
    ) -> Result<Stop, DebugError> {
        loop {
            let stop = self.step(hart)?;
            let pc = self.subject.hart(hart).pc();
            if stop.reason != Reason::Done || !range.contains(&pc) {
                return Ok(stop);
            }
            if self.armed_breakpoints.contains(&pc)
                && let Some(reason) = self.hit_breakpoint(hart)
            {
                return Ok(self.stop(hart, reason));
            }
        }
    }
}
