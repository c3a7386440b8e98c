//! Who looks on while a machine runs: a debugger that would rather count hits than stop at each.
//!
//! Problem: a loop may pass a breakpoint or write a watched word a million times, with a condition that
//! is false each time. Strategy: the machine asks on the spot and goes on; at a breakpoint even in the
//! same slice, since where slices are cut cannot be seen.

use crate::clock::Position;

use super::Machine;

/// What a run asks whoever looks on. Answers decide where it ends, never what the guest does.
pub trait Onlooker {
    /// `hart`, whose turn it is, stands at a breakpoint that it heeds. Whether the run ends here.
    fn stays_at(&mut self, machine: &Machine, hart: usize) -> bool;

    /// Steps of `hart`, an event or idle time led from `before` to the present position, and what
    /// follows from them is done. Whether the run ends here.
    fn stays_behind(&mut self, machine: &Machine, before: Position, hart: usize) -> bool;
}

/// Nobody looks on: a run ends at breakpoints, and nothing is watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Onlooker for Nobody {
    fn stays_at(&mut self, _: &Machine, _: usize) -> bool {
        true
    }

    fn stays_behind(&mut self, _: &Machine, _: Position, _: usize) -> bool {
        false
    }
}
