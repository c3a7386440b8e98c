//! How often blocks are entered.
//!
//! A direct-mapped table of counters: two blocks that share one take it from each other, which
//! delays their translation and does nothing else.

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
        let name = pc.rotate_left(20) ^ mode;
        let mixed = (pc >> 1) ^ (pc >> 15) ^ mode;
        #[expect(clippy::cast_possible_truncation, reason = "masked to the table's size")]
        let counter = &mut self.counters[mixed as usize & (COUNTERS - 1)];
        if counter.0 != name {
            *counter = (name, 0);
        }
        counter.1 += 1;
        if counter.1 >= self.threshold {
            counter.1 = 0;
            Worth::Compiling
        } else if counter.1 % LOOK == 1 {
            Worth::Looking
        } else {
            Worth::Nothing
        }
    }
}
