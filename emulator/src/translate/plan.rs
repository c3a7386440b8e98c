//! What a region will consist of: the blocks that are reachable from a pc inside one page, without
//! those that control was never seen to jump to: most of them report errors, and compiling them
//! would cost as much as compiling what runs.
//!
//! A region may loop, so it must ask whether enough of its budget is left. It asks at its entry and
//! at loop headers only, against the longest way to the next place that asks; so between two
//! questions it can never take more steps than it asked for.
//!
//! Every cycle contains a jump to the same or a lower address, so the targets of such jumps (and
//! the entry) are the headers, and without them the blocks in address order are acyclic.

use crate::{
    isa::{
        emit::Flow,
        guest::{Decoded, Guest},
    },
    memory::{PAGE_BYTES, PAGE_SHIFT},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Blocks of a region: register allocation is superlinear.
const MOST_BLOCKS: usize = 64;
/// Instructions of a region.
const MOST_INSTRUCTIONS: usize = 400;

/// One instruction of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<I> {
    pub(crate) pc: u64,
    pub(crate) decoded: Decoded<I>,
}

impl<I> Step<I> {
    pub(crate) fn next_pc(&self) -> u64 {
        self.pc.wrapping_add(u64::from(self.decoded.length))
    }
}

/// A straight run of instructions.
#[derive(Clone, Debug)]
pub(crate) struct Block<I> {
    pub(crate) steps: Vec<Step<I>>,
    /// Steps that must be left when the block is entered, if it asks.
    pub(crate) need: Option<u32>,
}

impl<I> Block<I> {
    pub(crate) fn start(&self) -> u64 {
        self.steps[0].pc
    }

    fn last(&self) -> &Step<I> {
        &self.steps[self.steps.len() - 1]
    }

    /// Where it may go on, as far as that is known.
    pub(crate) fn successors(&self) -> impl Iterator<Item = u64> {
        let next = self.last().next_pc();
        let (first, second) = match self.last().decoded.flow {
            Flow::Next => (Some(next), None),
            Flow::Branch { taken } => (Some(taken), Some(next)),
            Flow::Jump { target, call: false } => (Some(target), None),
            Flow::Jump { call: true, .. } | Flow::Indirect | Flow::Interpret => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// The blocks of a region, by ascending address.
#[derive(Clone, Debug)]
pub(crate) struct Plan<I> {
    pub(crate) entry: u64,
    pub(crate) mode: u64,
    pub(crate) blocks: BTreeMap<u64, Block<I>>,
}

impl<I: Copy> Plan<I> {
    /// Finds the region at `entry` in a page's bytes, made of what `was_entered` (by offset) and
    /// around the addresses in `stops`. `None` when the very first instruction is one for the
    /// interpreter.
    pub(crate) fn new<G: Guest<Instruction = I>>(
        page: &[u8],
        entry: u64,
        mode: u64,
        stops: &BTreeSet<u64>,
        was_entered: impl Fn(usize) -> bool,
    ) -> Option<Self> {
        let (steps, leaders) = discover::<G>(page, entry, mode, stops, was_entered);
        let mut blocks = BTreeMap::new();
        for &leader in &leaders {
            let mut run = Vec::new();
            let mut at = leader;
            while let Some(step) = steps.get(&at).filter(|_| at == leader || !leaders.contains(&at))
            {
                run.push(*step);
                at = step.next_pc();
                if step.decoded.flow != Flow::Next {
                    break;
                }
            }
            if !run.is_empty() {
                blocks.insert(leader, Block { steps: run, need: None });
            }
        }
        if !blocks.contains_key(&entry) {
            return None;
        }
        let mut plan = Self { entry, mode, blocks };
        plan.find_headers();
        Some(plan)
    }

    fn find_headers(&mut self) {
        let mut headers = BTreeSet::from([self.entry]);
        for (&start, block) in &self.blocks {
            headers.extend(block.successors().filter(|target| *target <= start));
        }
        let mut needs: BTreeMap<u64, u32> = BTreeMap::new();
        for (&start, block) in self.blocks.iter().rev() {
            let onward = block
                .successors()
                .filter(|target| *target > start && !headers.contains(target))
                .filter_map(|target| needs.get(&target).copied());
            let length = u32::try_from(block.steps.len()).expect("a region is small");
            needs.insert(start, length + onward.max().unwrap_or(0));
        }
        for (start, block) in &mut self.blocks {
            block.need = headers.contains(start).then(|| needs[start]);
        }
    }

    /// Number of instructions.
    pub(crate) fn instructions(&self) -> usize {
        self.blocks.values().map(|block| block.steps.len()).sum()
    }

    /// The most exits that it can have.
    pub(crate) fn most_exits(&self) -> usize {
        2 * self.blocks.len()
    }

    /// The offsets inside the page from its first byte to behind its last.
    pub(crate) fn extents(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        self.blocks.values().map(|block| {
            let start = block.start() % PAGE_BYTES;
            start..start + (block.last().next_pc().wrapping_sub(block.start()))
        })
    }
}

type Discovery<I> = (BTreeMap<u64, Step<I>>, BTreeSet<u64>);

fn discover<G: Guest>(
    page: &[u8],
    entry: u64,
    mode: u64,
    stops: &BTreeSet<u64>,
    was_entered: impl Fn(usize) -> bool,
) -> Discovery<G::Instruction> {
    let number = entry >> PAGE_SHIFT;
    let mut steps = BTreeMap::new();
    let mut leaders = BTreeSet::from([entry]);
    let mut waiting = VecDeque::from([entry]);
    while let Some(mut at) = waiting.pop_front() {
        while at >> PAGE_SHIFT == number
            && !steps.contains_key(&at)
            && steps.len() < MOST_INSTRUCTIONS
        {
            let offset = usize::try_from(at % PAGE_BYTES).expect("inside a page");
            let Some(decoded) = G::decode(&page[offset..], at, mode) else { break };
            if decoded.flow == Flow::Interpret || stops.contains(&at) {
                break;
            }
            let step = Step { pc: at, decoded };
            steps.insert(at, step);
            at = step.next_pc();
            let targets = match decoded.flow {
                Flow::Next => continue,
                Flow::Branch { taken } => [Some(taken), Some(at)],
                Flow::Jump { target, call: false } => [Some(target), None],
                Flow::Jump { call: true, .. } | Flow::Indirect | Flow::Interpret => [None, None],
            };
            for target in targets.into_iter().flatten() {
                let offset = usize::try_from(target % PAGE_BYTES).expect("inside a page");
                if target >> PAGE_SHIFT == number
                    && (target == at || steps.contains_key(&target) || was_entered(offset))
                    && leaders.len() < MOST_BLOCKS
                    && leaders.insert(target)
                {
                    waiting.push_back(target);
                }
            }
            break;
        }
    }
    (steps, leaders)
}
