//! Whose turn it is: round robin with a fixed quantum, decided from state alone. The turn of a hart
//! that is alone never ends, so its slices are as long as timers allow.

use vmstate::VmState;

/// The turn of the harts. Saved with the machine.
#[derive(VmState, Clone, Debug, PartialEq, Eq)]
#[vmstate(version = 1, name = "schedule", post_load = Self::loaded)]
pub struct Schedule {
    /// Harts that take turns.
    #[vmstate(equal)]
    pub harts: u32,
    /// Steps of one turn.
    #[vmstate(equal)]
    pub quantum: u64,
    /// The hart whose turn it is.
    pub cursor: u32,
    /// Steps left of its turn.
    pub quantum_left: u64,
    /// Steps that each hart has taken since power-on; a reset keeps them.
    #[vmstate(max_len = 64)]
    pub hart_steps: Vec<u64>,
}

impl Schedule {
    /// Turns of `quantum` steps for `harts` harts; the first is hart 0's.
    ///
    /// # Panics
    /// When there is no hart or a turn has no step.
    #[must_use]
    pub fn new(harts: usize, quantum: u64) -> Self {
        assert!(harts > 0 && quantum > 0, "{harts} harts, {quantum} steps");
        let number = u32::try_from(harts).expect("a machine has few harts");
        Self {
            harts: number,
            quantum,
            cursor: 0,
            quantum_left: quantum,
            hart_steps: vec![0; harts],
        }
    }

    /// What a file says must be a turn that this machine can come to.
    fn loaded(&mut self) -> Result<(), &'static str> {
        if self.hart_steps.len() != self.harts as usize {
            return Err("hart_steps has another number of harts");
        }
        if self.cursor >= self.harts {
            return Err("cursor names no hart");
        }
        if self.quantum_left > self.quantum {
            return Err("quantum_left is longer than a turn");
        }
        Ok(())
    }

    pub(super) fn reset(&mut self) {
        self.cursor = 0;
        self.quantum_left = self.quantum;
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor as usize
    }

    /// Steps that the hart whose turn it is may take.
    pub(super) fn steps_left(&self) -> u64 {
        if self.harts == 1 { u64::MAX } else { self.quantum_left }
    }

    /// The hart whose turn it is took steps.
    pub(super) fn took(&mut self, steps: u64) {
        if self.harts > 1 {
            self.quantum_left -= steps;
        }
        let cursor = self.cursor();
        self.hart_steps[cursor] += steps;
    }

    /// Gives the turn to the next hart that can use it, when the present one cannot. While all wait
    /// nothing changes, so that it does not matter how often this is asked.
    pub(super) fn settle(&mut self, is_idle: impl Fn(usize) -> bool) {
        let harts = self.hart_steps.len();
        if self.quantum_left > 0 && !is_idle(self.cursor()) {
            return;
        }
        let next = (1..=harts).map(|ahead| (self.cursor() + ahead) % harts);
        if let Some(next) = next.into_iter().find(|&hart| !is_idle(hart)) {
            self.cursor = u32::try_from(next).expect("a machine has few harts");
            self.quantum_left = self.quantum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_of_a_hart_that_is_alone_never_ends() {
        let mut schedule = Schedule::new(1, 10);
        schedule.took(1 << 40);
        schedule.settle(|_| false);
        assert_eq!((schedule.cursor, schedule.quantum_left), (0, 10));
        assert_eq!((schedule.steps_left(), schedule.hart_steps[0]), (u64::MAX, 1 << 40));
    }

    #[test]
    fn turns_go_round_and_pass_over_harts_that_wait() {
        let mut schedule = Schedule::new(3, 10);
        schedule.settle(|_| false);
        assert_eq!((schedule.cursor, schedule.quantum_left), (0, 10));
        schedule.took(10);
        schedule.settle(|hart| hart == 1);
        assert_eq!((schedule.cursor, schedule.quantum_left), (2, 10));
        schedule.took(4);
        schedule.settle(|_| true);
        assert_eq!((schedule.cursor, schedule.quantum_left), (2, 6), "all wait: nothing changes");
        schedule.settle(|hart| hart == 2);
        assert_eq!((schedule.cursor, schedule.quantum_left), (0, 10));
        assert_eq!(schedule.hart_steps, [10, 0, 4]);
    }
}
