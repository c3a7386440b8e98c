//! A debugger's breakpoints on one processor.
//!
//! Problem: a breakpoint must cost nothing where it is not. Strategy: the interpreter asks in front of
//! each instruction of a page that has one; a translator leaves generated code there, and forgets code on a
//! page when its breakpoints change. Passing over a breakpoint changes no set, so it forgets nothing.

use std::collections::BTreeSet;

use crate::memory::PAGE_SHIFT;

/// The breakpoints. Not part of the saved state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakpoints {
    addrs: BTreeSet<u64>,
    /// Numbers of their pages.
    pages: Vec<u64>,
    ignored: bool,
    generation: u64,
}

impl Breakpoints {
    /// Replaces the virtual addresses.
    pub fn set(&mut self, addrs: &BTreeSet<u64>) {
        if self.addrs != *addrs {
            self.addrs.clone_from(addrs);
            self.pages = addrs.iter().map(|addr| addr >> PAGE_SHIFT).collect();
            self.pages.dedup();
            self.generation += 1;
        }
    }

    /// Whether they stop the processor from now on, or are passed over.
    pub fn heed(&mut self, heeded: bool) {
        self.ignored = !heeded;
    }

    /// The virtual addresses, heeded or not.
    #[must_use]
    pub fn addrs(&self) -> &BTreeSet<u64> {
        &self.addrs
    }

    /// A number that changes with the addresses.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the processor stops in front of the instruction at virtual `pc`.
    #[inline]
    #[must_use]
    pub fn stop_at(&self, pc: u64) -> bool {
        self.are_heeded() && self.addrs.contains(&pc)
    }

    /// Whether one that stops the processor lies in the page of `pc`.
    #[inline]
    #[must_use]
    pub fn are_near(&self, pc: u64) -> bool {
        !self.ignored && self.pages.contains(&(pc >> PAGE_SHIFT))
    }

    /// Whether there are any that stop the processor.
    #[inline]
    #[must_use]
    pub fn are_heeded(&self) -> bool {
        !self.addrs.is_empty() && !self.ignored
    }
}
