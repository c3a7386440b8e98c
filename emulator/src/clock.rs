//! Virtual time: a pure function of the position on the timeline.
//!
//! Problem: a run must be repeatable to the instruction, so nothing the guest sees may come from
//! the host's clock. Strategy: one global count of *steps* (retired instructions plus traps taken,
//! over all harts), an instruction time, and the idle time that was skipped while every hart
//! waited. Every clock and timer of the board is computed from these.
//!
//! Invariants: `now_ns` never decreases along a run; it depends on nothing but a [`Position`] and
//! the instruction time, which is a property of the machine.
//!
//! With several harts the harts take turns on the one count, so virtual time advances by one
//! instruction time for each step of *any* hart.

/// A point on the timeline, totally ordered.
///
/// Idle warps and several events at one step have their own place, so two different machine states
/// never share a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Steps (retired instructions plus traps taken) since power-on, over all harts.
    pub steps: u64,
    /// Virtual nanoseconds skipped while every hart was idle.
    pub idle_ns: u64,
    /// Number of events delivered at exactly these steps and this idle time.
    pub sequence: u64,
}

impl Position {
    /// Behind every position that a run can reach.
    pub const MAX: Self = Self { steps: u64::MAX, idle_ns: u64::MAX, sequence: u64::MAX };
}

/// The virtual clock: what one step lasts and where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Virtual picoseconds that one step lasts; 1,000 (one nanosecond) unless the machine says so.
    pub step_ps: u64,
    /// Where the timeline stands at the start of the current slice.
    pub position: Position,
}

impl Clock {
    /// A clock at power-on.
    #[must_use]
    pub fn new(step_ps: u64) -> Self {
        assert!(step_ps > 0, "a step lasts at least one picosecond");
        Self { step_ps, position: Position::default() }
    }

    /// Virtual nanoseconds after `steps` steps in total, with the idle time so far.
    #[must_use]
    pub fn ns_at(&self, steps: u64) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "2^64 ns are 584 years of guest time")]
        let run_ns = (u128::from(steps) * u128::from(self.step_ps) / 1_000) as u64;
        run_ns + self.position.idle_ns
    }

    /// Virtual nanoseconds at the start of the current slice.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.ns_at(self.position.steps)
    }

    /// The first step count at which virtual time is at least `deadline_ns`; the present one when
    /// it has passed.
    #[must_use]
    pub fn steps_at(&self, deadline_ns: u64) -> u64 {
        let run_ns = deadline_ns.saturating_sub(self.position.idle_ns);
        let steps = (u128::from(run_ns) * 1_000).div_ceil(u128::from(self.step_ps));
        u64::try_from(steps).unwrap_or(u64::MAX).max(self.position.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_falls_on_the_first_step_that_reaches_it() {
        for (step_ps, idle_ns, deadline_ns, steps) in [
            (1_000, 0, 10, 10),
            (2_000, 0, 9, 5),
            (300, 0, 1, 4),
            (1_000, 7, 10, 3),
            (1_000, 7, 5, 0),
        ] {
            let mut clock = Clock::new(step_ps);
            clock.position.idle_ns = idle_ns;
            let found = clock.steps_at(deadline_ns);
            assert_eq!(found, steps, "{step_ps} ps, idle {idle_ns} ns, deadline {deadline_ns} ns");
            assert!(clock.ns_at(found) >= deadline_ns);
            assert!(found == 0 || clock.ns_at(found - 1) < deadline_ns || idle_ns >= deadline_ns);
        }
    }
}
