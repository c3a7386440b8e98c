//! Forward: continue, step, step out of a range.

use std::ops::Range;

use crate::{
    clock::Position,
    debug::{DebugError, Halt, Heed, Reason, Stop, View},
};

use super::{Engine, points::Points};

impl Engine {
    /// Where forward motion ends: the end of the recording, or never.
    fn limit(&self) -> Position {
        self.subject.extent().map_or(Position::at_steps(u64::MAX), |extent| extent.end)
    }

    /// Runs towards `until`, and stays only at breakpoints and accesses where `judge` wants to; in replay
    /// it leaves checkpoints behind on a long way.
    pub(super) fn scan_spaced(
        &mut self,
        until: Position,
        judge: &mut dyn FnMut(&mut Points, &dyn View, &Halt) -> bool,
    ) -> Result<Halt, DebugError> {
        let is_replay = self.is_replay();
        loop {
            let Self { subject, points, attention, checkpoints, .. } = self;
            let target = if is_replay {
                let steps = subject.position().steps.saturating_add(checkpoints.spacing());
                Position::at_steps(steps).min(until)
            } else {
                until
            };
            let mut judge = |view: &dyn View, halt: &Halt| judge(points, view, halt);
            let halt = subject.scan(target, Heed::Breakpoints, attention, &mut judge)?;
            if halt != Halt::Until || subject.position() >= until {
                return Ok(halt);
            }
            checkpoints.capture(&mut **subject);
        }
    }

    /// Runs to the next stop.
    pub(super) fn go_on(&mut self) -> Result<Stop, DebugError> {
        let reported = self.reported;
        let mut found = None;
        let mut judge = |points: &mut Points, view: &dyn View, halt: &Halt| {
            found = points.judge(view, halt).filter(|(hart, _)| {
                let at_breakpoint = matches!(halt, Halt::Breakpoint { .. });
                !(at_breakpoint && reported == Some((view.position(), *hart)))
            });
            found.is_some()
        };
        let halt = self.scan_spaced(self.limit(), &mut judge)?;
        let (hart, reason) = found.unwrap_or_else(|| (self.focus, ending(&halt)));
        Ok(self.stop(hart, reason))
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
            let reported = self.reported;
            let mut found = None;
            let mut judge = |points: &mut Points, view: &dyn View, halt: &Halt| {
                found = match halt {
                    Halt::Breakpoint { hart: other }
                        if *other == hart || reported == Some((view.position(), *other)) =>
                    {
                        None
                    }
                    halt => points.judge(view, halt),
                };
                found.is_some()
            };
            let halt = self.scan_spaced(behind, &mut judge)?;
            if let Some((hart, reason)) = found {
                return Ok(self.stop(hart, reason));
            }
            if halt != Halt::Until {
                return Ok(self.stop(self.focus, ending(&halt)));
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
                && let Some(reason) = self.points.hit_breakpoint(&*self.subject, hart)
            {
                return Ok(self.stop(hart, reason));
            }
        }
    }
}

/// Why a run ended that stayed nowhere.
fn ending(halt: &Halt) -> Reason {
    match halt {
        Halt::Interrupted => Reason::Interrupted,
        Halt::PowerOff { code } => Reason::PowerOff { code: *code },
        Halt::Until | Halt::End | Halt::Breakpoint { .. } | Halt::Watch { .. } => Reason::End,
    }
}
