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

    /// The first position at `steps`: no idle time has passed there and nothing has happened.
    #[must_use]
    pub const fn at_steps(steps: u64) -> Self {
        Self { steps, idle_ns: 0, sequence: 0 }
    }
}

/// The virtual clock: what one step lasts and where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Virtual picoseconds that one step lasts; 1,000 (one nanosecond) unless the machine says so.
    pub step_ps: u64,
    /// Where the timeline stands at the start of the current slice.
    pub position: Position,
    /// Ticks that the guest has added to its time base by setting it, modulo 2^64. The device that
    /// has the counter keeps them.
    pub offset_ticks: u64,
}

/// Virtual time in nanoseconds at which a counter of ticks of `tick_ns`, which is `offset_ticks` ahead of
/// virtual time, next compares otherwise with `compare` than at `now_ns`: it reaches it, or wraps
/// around behind it. `None` when virtual time ends before.
#[must_use]
pub fn next_change_ns(now_ns: u64, tick_ns: u64, offset_ticks: u64, compare: u64) -> Option<u64> {
    let now_ticks = now_ns / tick_ns;
    let counter = now_ticks.wrapping_add(offset_ticks);
    let left = if counter < compare { compare - counter } else { counter.wrapping_neg() };
    // A counter at zero has 2^64 ticks to go.
    let at = (left > 0).then(|| now_ticks.checked_add(left)).flatten()?;
    at.checked_mul(tick_ns)
}

impl Clock {
    /// A clock at power-on, whose steps last `step_ps` picoseconds.
    ///
    /// # Panics
    /// When a step takes no time.
    #[must_use]
    pub fn new(step_ps: u64) -> Self {
        assert!(step_ps > 0, "a step lasts at least one picosecond");
        Self { step_ps, position: Position::default(), offset_ticks: 0 }
    }

    /// The counter of a time base with ticks of `tick_ns` nanoseconds, after `steps` steps in total.
    #[must_use]
    pub fn ticks_at(&self, steps: u64, tick_ns: u64) -> u64 {
        (self.ns_at(steps) / tick_ns).wrapping_add(self.offset_ticks)
    }

    /// The same at the start of the current slice.
    #[must_use]
    pub fn ticks(&self, tick_ns: u64) -> u64 {
        self.ticks_at(self.position.steps, tick_ns)
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
    fn a_counter_changes_where_it_reaches_or_wraps_behind_the_compared_value() {
        for (now_ns, offset_ticks, compare, next) in [
            (0, 0, 5, Some(500)),
            (499, 0, 5, Some(500)),
            (500, 0, 5, None),
            (0, 0, u64::MAX, None),
            (250, 3, 9, Some(600)),
            (250, u64::MAX - 4, 7, Some(500)),
            (250, u64::MAX - 4, u64::MAX, Some(400)),
            (500, u64::MAX - 4, 7, Some(1_200)),
        ] {
            let found = next_change_ns(now_ns, 100, offset_ticks, compare);
            assert_eq!(found, next, "at {now_ns} ns, {offset_ticks} ahead, {compare}");
        }
    }

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
