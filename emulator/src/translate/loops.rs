//! Which loops keep what they compute out of the processor's memory.
//!
//! Problem: a register that a loop writes in every turn is stored in every turn, though nobody looks
//! before the loop is left. Strategy: all registers that a small innermost loop writes count as not
//! stored anywhere in it, and each way out of it stores them. So the ways out grow, also those in
//! front of accesses that are refused, and that is what bounds the loops that this is done for.
//!
//! A loop is the blocks from the target of a jump backwards to the jump. Any set of blocks would be
//! correct: inside, values live in host registers; on every edge out, they are stored.

use super::{
    plan::Plan,
    usage::{Notes, Registers},
};
use std::collections::BTreeMap;

/// Stores on the ways out of a loop at most.
const MOST_STORES: u32 = 96;

/// A loop that a block belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loop {
    /// The address that it begins at, which tells loops apart.
    start: u64,
    /// Registers written in it.
    pub(super) written: Registers,
}

/// The loops of a region, by block.
#[derive(Clone, Debug, Default)]
pub(super) struct Loops(BTreeMap<u64, Loop>);

impl Loops {
    /// Chooses them, given what each block does.
    pub(super) fn of<I: Copy>(plan: &Plan<I>, notes: &BTreeMap<u64, Notes>) -> Self {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for (&start, block) in &plan.blocks {
            let back = block.successors().filter(|target| *target <= start);
            spans.extend(back.filter(|to| plan.blocks.contains_key(to)).map(|to| (to, start)));
        }
        // Of two that overlap, the shorter one lies inside.
        spans.sort_by_key(|(first, last)| (last - first, *first));
        let mut loops = Self::default();
        for (first, last) in spans {
            let blocks = || plan.blocks.range(first..=last);
            if blocks().any(|(start, _)| loops.0.contains_key(start)) {
                continue;
            }
            let written = blocks().fold(0, |all, (start, _)| all | notes[start].written);
            let ways_out: u32 = blocks()
                .map(|(start, block)| {
                    let inside = |to: &u64| (first..=last).contains(to);
                    let outside = block.successors().filter(|to| !inside(to)).map(|_| 1_u32);
                    notes[start].accesses + u32::from(block.need.is_some()) + outside.sum::<u32>()
                })
                .sum();
            if ways_out * written.count_ones() <= MOST_STORES {
                loops.0.extend(blocks().map(|(start, _)| (*start, Loop { start: first, written })));
            }
        }
        loops
    }

    /// The loop that keeps the registers of the block at `start`.
    pub(super) fn at(&self, start: u64) -> Option<Loop> {
        self.0.get(&start).copied()
    }
}
