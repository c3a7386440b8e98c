//! Back: restore an earlier state, run forward, stop at the right place.
//!
//! A reverse-continue looks at the stretches between checkpoints from the newest to the oldest. In
//! each the machine runs forward with all stop points armed, and the *last* stop is the answer. Hits are
//! judged where the machine meets them and none ends the run, so one that is no stop, since a
//! condition is false or a value stays, costs next to nothing. In a stretch with many stops, those behind
//! its middle make those before it irrelevant: after [`DENSE`] of them the rest is halved and the
//! later half is looked at first, so a loop that stops a million times costs its length in steps.
//!
//! Why it finds exactly the forward stops: whether there is a hit depends on the state at a position
//! alone, and both directions ask the same two functions.

use crate::{
    clock::Position,
    debug::{CaptureId, DebugError, Halt, Heed, Reason, Stop, View},
};

use super::{Engine, points::Points};

/// Stops in one stretch after which the rest of it is halved.
const DENSE: u32 = 256;

/// Steps behind the origin that are looked at before anybody is asked for help.
const NEAR: u64 = 1 << 24;

/// A rest shorter than this, in steps, is not halved.
const SHORT: u64 = 1024;

/// A stop found by looking back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) position: Position,
    pub(super) hart: usize,
    pub(super) reason: Reason,
}

/// The outcome of looking back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// The last hit.
    Found(Hit),
    /// None.
    Nothing,
    /// Interrupted; everything behind the machine's present position was looked at.
    Interrupted,
}

/// Which hits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Not the breakpoints of this hart.
    OtherHarts(usize),
}

impl Engine {
    /// Brings the machine to the first position at or behind `target`; false when interrupted on
    /// the way.
    pub(super) fn travel(&mut self, target: Position) -> Result<bool, DebugError> {
        self.disarm();
        let here = self.position();
        if let Some((at, id)) = self.checkpoints.at_or_before(target)
            && (here > target || at > here)
        {
            self.subject.restore(id);
        }
        self.hop(target)?;
        while self.position() < target {
            let steps = self.position().steps;
            let next = self.checkpoints.next_stop(steps, target.steps);
            let until = next.map_or(target, Position::at_steps);
            match self.subject.run(until, Heed::Nothing, &self.attention)? {
                Halt::Interrupted => return Ok(false),
                Halt::End | Halt::PowerOff { .. } => break,
                Halt::Until | Halt::Watch { .. } | Halt::Breakpoint { .. } => {}
            }
            if self.position() < target {
                self.checkpoints.capture(&mut *self.subject);
            }
        }
        Ok(true)
    }

    /// Goes on over states that the recording holds, as near in front of `target` as they lead.
    pub(super) fn hop(&mut self, target: Position) -> Result<(), DebugError> {
        while self.subject.advance_recorded(target)? {
            self.checkpoints.capture(&mut *self.subject);
        }
        Ok(())
    }

    /// The last position before `upper` from which a stretch can be looked at without running
    /// there.
    fn boundary_before(&self, upper: Position) -> Option<Position> {
        let captured = self.checkpoints.before(upper).map(|(at, _)| at);
        let recorded = self.subject.recorded();
        let recorded = recorded.iter().rev().find(|at| at.steps < upper.steps).copied();
        captured.max(recorded)
    }

    pub(super) fn begin(&self) -> Position {
        self.subject.extent().map_or_else(Position::default, |extent| extent.begin)
    }

    /// Goes back to the last stop.
    pub(super) fn reverse_continue(&mut self) -> Result<Stop, DebugError> {
        let focus = self.focus;
        match self.search_back()? {
            Search::Found(hit) => {
                self.travel_surely(hit.position)?;
                Ok(self.stop(hit.hart, hit.reason))
            }
            Search::Nothing => {
                self.travel_surely(self.begin())?;
                Ok(self.stop(focus, Reason::Begin))
            }
            Search::Interrupted => Ok(self.stop(focus, Reason::Interrupted)),
        }
    }

    /// Travels a short way, however impatient the user is.
    pub(super) fn travel_surely(&mut self, target: Position) -> Result<(), DebugError> {
        while !self.travel(target)? {
            self.attention.store(false, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    }

    /// Looks for the last hit before the present position. The stop points must have been looked
    /// up ([`Engine::arm`]). The machine stands anywhere afterwards, unless it was interrupted.
    pub(super) fn search_back(&mut self) -> Result<Search, DebugError> {
        let origin = self.position();
        let capture = self.subject.capture();
        let outcome = self.search_stretches(origin, capture);
        self.subject.release(capture);
        outcome
    }

    fn search_stretches(
        &mut self,
        origin: Position,
        capture: CaptureId,
    ) -> Result<Search, DebugError> {
        let mut upper = origin;
        let mut is_near = true;
        while let Some(boundary) = self.boundary_before(upper) {
            // Near the origin captured states cut the way short; behind them others help.
            let is_captured = self.checkpoints.before(upper).is_some_and(|(at, _)| at == boundary);
            if is_near && !(is_captured && origin.steps - upper.steps < NEAR) {
                is_near = false;
                if let Some(search) = self.search_widely(upper, capture)? {
                    return Ok(search);
                }
            }
            if self.has_no_hit(boundary, upper)? {
                // The events at the boundary itself belong to what lies before.
                let behind = Position { sequence: u64::MAX, ..boundary };
                upper = if behind < upper { behind } else { boundary };
                continue;
            }
            let Some((_, id)) = self.checkpoints.before(upper) else { break };
            self.subject.restore(id);
            self.disarm();
            self.hop(upper)?;
            let start = self.position();
            self.arm_again();
            match self.look_through(upper)? {
                Search::Nothing => upper = start,
                Search::Interrupted => {
                    let known = self.checkpoints.at_or_before(upper).filter(|(at, _)| *at == upper);
                    self.subject.restore(known.map_or(capture, |(_, id)| id));
                    return Ok(Search::Interrupted);
                }
                found @ Search::Found(_) => return Ok(found),
            }
        }
        Ok(Search::Nothing)
    }

    /// The last hit between the present position and `upper`.
    pub(super) fn last_hit(
        &mut self,
        upper: Position,
        wanted: Wanted,
    ) -> Result<Search, DebugError> {
        let mut upper = upper;
        let mut last = Search::Nothing;
        while self.position() < upper {
            let mut stops = 0;
            let mut judge = |points: &mut Points, view: &dyn View, halt: &Halt| {
                if matches!(halt, Halt::Breakpoint { hart } if wanted == Wanted::OtherHarts(*hart))
                {
                    return false;
                }
                if let Some((hart, reason)) = points.judge(view, halt) {
                    let position = match halt {
                        Halt::Watch { before, .. } => *before,
                        _ => view.position(),
                    };
                    last = Search::Found(Hit { position, hart, reason });
                    stops += 1;
                }
                stops >= DENSE && upper.steps.saturating_sub(view.position().steps) > SHORT
            };
            match self.scan_spaced(upper, &mut judge)? {
                Halt::Until => {}
                Halt::Interrupted => return Ok(Search::Interrupted),
                Halt::End | Halt::PowerOff { .. } => break,
                Halt::Breakpoint { .. } | Halt::Watch { .. } => {
                    match self.later_half(&mut upper, wanted)? {
                        Search::Nothing => {}
                        decided => return Ok(decided),
                    }
                }
            }
        }
        Ok(last)
    }

    /// Looks at the later half of the way to `upper`. When nothing is there, the machine stands
    /// where it stood and `upper` is the middle.
    fn later_half(&mut self, upper: &mut Position, wanted: Wanted) -> Result<Search, DebugError> {
        let here = self.position();
        let capture = self.subject.capture();
        self.disarm();
        let middle = Position::at_steps(here.steps + (upper.steps - here.steps) / 2);
        let halt = self.subject.run(middle, Heed::Nothing, &self.attention);
        self.arm_again();
        let outcome = match halt {
            Ok(Halt::Interrupted) => Ok(Search::Interrupted),
            Ok(_) => {
                let middle = self.position();
                let outcome = self.last_hit(*upper, wanted);
                *upper = middle.min(*upper);
                outcome
            }
            Err(error) => Err(error),
        };
        if matches!(outcome, Ok(Search::Nothing)) {
            self.subject.restore(capture);
            self.points.remember(&*self.subject);
        }
        self.subject.release(capture);
        outcome
    }

    /// Goes back in front of the last step of `hart`.
    pub(super) fn reverse_step(&mut self, hart: usize) -> Result<Stop, DebugError> {
        let origin = self.position();
        match self.reverse_step_from(hart, origin)? {
            Some((hart, reason)) => Ok(self.stop(hart, reason)),
            None => {
                self.travel_surely(origin)?;
                Ok(self.stop(hart, Reason::Interrupted))
            }
        }
    }

    /// The hart and the reason of the stop; `None` when interrupted.
    fn reverse_step_from(
        &mut self,
        hart: usize,
        origin: Position,
    ) -> Result<Option<(usize, Reason)>, DebugError> {
        let target = self.last_step_of(hart, origin)?;
        let begin = self.begin();
        let arrived = match target {
            Some(target) if target > begin => self.undo_to(target.steps)?,
            _ => self.travel(begin)?,
        };
        if !arrived {
            return Ok(None);
        }
        let harts = self.subject.hart_count();
        let Points { watched, breakpoints, .. } = &self.points;
        if watched.is_empty() && (harts == 1 || breakpoints.is_empty()) {
            return Ok(Some((hart, target.map_or(Reason::Begin, |_| Reason::Done))));
        }
        // A watched access inside the step, or another hart's breakpoint on the way, comes first.
        let landed = self.position();
        let capture = self.subject.capture();
        self.arm_again();
        let outcome = self.last_hit(origin, Wanted::OtherHarts(hart));
        let reached = match &outcome {
            Ok(Search::Found(hit)) if hit.position > landed => self.travel(hit.position),
            _ => {
                self.subject.restore(capture);
                Ok(true)
            }
        };
        self.subject.release(capture);
        if !reached? {
            return Ok(None);
        }
        Ok(match outcome? {
            Search::Found(hit) => Some((hit.hart, hit.reason)),
            Search::Interrupted => None,
            Search::Nothing => Some((hart, target.map_or(Reason::Begin, |_| Reason::Done))),
        })
    }

    /// The position in front of the last step that `hart` took before `origin`, where the machine
    /// stands; `None` when it has taken none.
    fn last_step_of(
        &mut self,
        hart: usize,
        origin: Position,
    ) -> Result<Option<Position>, DebugError> {
        let begin = self.begin();
        if origin.steps <= begin.steps {
            return Ok(None);
        }
        if self.subject.hart_count() == 1 {
            return Ok(Some(Position::at_steps(origin.steps - 1).max(begin)));
        }
        let taken = self.subject.hart_steps(hart);
        let mut reach = 64;
        let mut low = loop {
            let steps = origin.steps.saturating_sub(reach).max(begin.steps);
            self.travel(Position::at_steps(steps).max(begin))?;
            if self.subject.hart_steps(hart) < taken {
                break steps;
            }
            if steps <= begin.steps {
                return Ok(None);
            }
            reach *= 4;
        };
        let mut high = origin.steps;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            self.travel(Position::at_steps(middle))?;
            if self.subject.hart_steps(hart) < taken {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(Some(Position::at_steps(low).max(begin)))
    }
}
