//! The pages in which a processor executed instructions, for a debugger that wants to pass over what
//! never came near a breakpoint.
//!
//! Problem: to ask at every instruction would cost more than it saves. Strategy: the interpreter notes
//! the page of each block. Generated code notes nothing: when noting begins, a translator takes away
//! all ways into its code but the dispatcher, and gives a way back when the page it leads to was noted.
//! So noting costs one slow entry for each region and stretch.
//!
//! Invariant: every page that holds the first byte of an executed instruction is noted; one that was
//! reached without anything being executed may be noted, too.

use std::collections::BTreeSet;

use crate::memory::PAGE_SHIFT;

/// No page has this number.
const NONE: u64 = u64::MAX;

/// The pages. Not part of the saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedPages {
    is_on: bool,
    pages: BTreeSet<u64>,
    last: u64,
    generation: u64,
}

impl Default for ExecutedPages {
    fn default() -> Self {
        Self { is_on: false, pages: BTreeSet::new(), last: NONE, generation: 0 }
    }
}

impl ExecutedPages {
    /// Forgets all, and notes from now on, or no more.
    pub fn set(&mut self, on: bool) {
        self.is_on = on;
        self.pages.clear();
        self.last = NONE;
        self.generation += u64::from(on);
    }

    /// Whether pages are noted.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The instruction at virtual `pc` is about to be executed.
    #[inline]
    pub fn note(&mut self, pc: u64) {
        let page = pc >> PAGE_SHIFT;
        if self.is_on && page != self.last {
            self.last = page;
            self.pages.insert(page);
        }
    }

    /// Whether the page of virtual `pc` was noted, or nothing is.
    #[must_use]
    pub fn allows(&self, pc: u64) -> bool {
        !self.is_on || self.pages.contains(&(pc >> PAGE_SHIFT))
    }

    /// Numbers of the virtual pages noted so far; `None` when nothing is.
    #[must_use]
    pub fn pages(&self) -> Option<&BTreeSet<u64>> {
        self.is_on.then_some(&self.pages)
    }

    /// How often noting was begun.
    #[inline]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_noted_from_the_beginning_of_a_stretch_to_its_end() {
        let mut executed = ExecutedPages::default();
        executed.note(0x1000);
        assert_eq!(executed.pages(), None);
        assert!(executed.allows(0x1000), "nothing is noted, so nothing has to be");
        executed.set(true);
        assert!(!executed.allows(0x1000));
        for pc in [0x1000, 0x1ffe, 0x2000, 0x1004, u64::MAX] {
            executed.note(pc);
        }
        let pages = BTreeSet::from([1, 2, u64::MAX >> PAGE_SHIFT]);
        assert_eq!(executed.pages(), Some(&pages));
        assert!(executed.allows(0x1abc) && !executed.allows(0x3000));
        executed.set(true);
        assert_eq!((executed.pages(), executed.generation()), (Some(&BTreeSet::new()), 2));
    }
}
