//! How often blocks are entered, and which of them have code.
//!
//! A direct-mapped table of counters: two blocks that share one take it from each other, which
//! delays their translation and does nothing else. Where code was found last time it is looked for at
//! once: a guest that switches between address spaces makes the dispatcher find the same regions anew
//! thousands of times a second.

/// What a count says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Nothing.
    Nothing,
    /// Looking whether there is code by now.
    Looking,
    /// Compiling.
    Compiling,
}

/// Entries between looks.
const LOOK: u32 = 8;

/// The count of a block whose code was found.
const FOUND: u32 = u32::MAX;

/// Counters; a power of two.
const COUNTERS: usize = 1 << 14;

/// The counters.
#[derive(Debug)]
pub(super) struct Heat {
    counters: Box<[(u64, u32)]>,
    threshold: u32,
}

impl Heat {
    pub(super) fn new(threshold: u32) -> Self {
        assert!(threshold > 0, "a block is compiled after it was entered at least once");
        Self { counters: vec![(0, 0); COUNTERS].into(), threshold }
    }

    /// Counts an entry at `pc`. It says to compile when it is time (and then again after as many).
    #[inline]
    pub(super) fn count(&mut self, pc: u64, mode: u64) -> Worth {
        let count = &mut self.counter(pc, mode).1;
        if *count == FOUND {
            return Worth::Looking;
        }
        *count += 1;
        let count = *count;
        if count >= self.threshold {
            self.counter(pc, mode).1 = 0;
            Worth::Compiling
        } else if count % LOOK == 1 {
            Worth::Looking
        } else {
            Worth::Nothing
        }
    }

    /// Notes whether there is code for `pc`.
    #[inline]
    pub(super) fn note(&mut self, pc: u64, mode: u64, found: bool) {
        let count = &mut self.counter(pc, mode).1;
        if found {
            *count = FOUND;
        } else if *count == FOUND {
            *count = 0;
        }
    }

    /// The counter of `pc`, taken from another block if need be.
    #[inline]
    fn counter(&mut self, pc: u64, mode: u64) -> &mut (u64, u32) {
        let name = pc.rotate_left(20) ^ mode;
        let mixed = (pc >> 1) ^ (pc >> 15) ^ mode;
        #[expect(clippy::cast_possible_truncation, reason = "masked to the table's size")]
        let counter = &mut self.counters[mixed as usize & (COUNTERS - 1)];
        if counter.0 != name {
            *counter = (name, 0);
        }
        counter
    }
}
