//! The states that a recording itself holds: where they are, and which pages were written between
//! them.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    clock::Position,
    journal::Reader,
    machine::Machine,
    memory::{GuestMemory, PAGE_BYTES},
    timeline::checkpoint::{self, CheckpointAt, CheckpointError},
};

/// Steps that a machine runs in less time than it takes to put a state in place.
const WORTH_STEPS: u64 = 1 << 18;

/// The states of one recording.
#[derive(Debug)]
pub(super) struct RecordedStates {
    checkpoints: Vec<CheckpointAt>,
    /// Pages written in front of a checkpoint, by its number, as far as they were asked for.
    written: BTreeMap<usize, Vec<u64>>,
}

/// Steps and idle time; the list of checkpoints does not know sequences.
fn place(position: Position) -> (u64, u64) {
    (position.steps, position.idle_ns)
}

/// Numbers of the pages that hold these ranges.
pub(super) fn pages_of(memory: &GuestMemory, ranges: &[Range<u64>]) -> Vec<u64> {
    let mut pages = Vec::new();
    for range in ranges {
        let last = range.end.saturating_sub(1) / PAGE_BYTES;
        let numbers = (range.start / PAGE_BYTES..=last).map(|number| number * PAGE_BYTES);
        pages.extend(numbers.filter_map(|addr| memory.page_of(addr)).map(|page| page as u64));
    }
    pages
}

impl RecordedStates {
    pub(super) fn new(recording: &Reader) -> Self {
        Self { checkpoints: checkpoint::checkpoints(recording), written: BTreeMap::new() }
    }

    /// Where they are; a sequence is given as 0.
    pub(super) fn positions(&self) -> impl Iterator<Item = Position> {
        self.checkpoints.iter().map(|checkpoint| checkpoint.position)
    }

    /// Brings `machine` on to the next state that is worth it and has fewer steps than `upper`.
    pub(super) fn advance(
        &self,
        machine: &mut Machine,
        recording: &mut Reader,
        upper: Position,
    ) -> Result<bool, CheckpointError> {
        let here = machine.position();
        // Not those in front of the machine: what was written there may have changed since.
        let first = self.checkpoints.partition_point(|known| place(known.position) < place(here));
        let worth = here.steps.saturating_add(WORTH_STEPS);
        let number = self.checkpoints.partition_point(|known| known.position.steps < worth);
        match self.checkpoints.get(number) {
            Some(next) if next.position.steps < upper.steps => {
                checkpoint::advance(machine, recording, first, number)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether none of `pages` was written from `from` to `to`, as far as checkpoints tell.
    pub(super) fn is_unwritten(
        &mut self,
        recording: &mut Reader,
        from: Position,
        to: Position,
        pages: &[u64],
    ) -> Result<bool, CheckpointError> {
        // A checkpoint tells what was written since the one before it.
        let first = self.checkpoints.partition_point(|known| place(known.position) <= place(from));
        let is_before = |known: &CheckpointAt| {
            place(known.position) < place(to)
                || (place(known.position) == place(to) && to.sequence > 0)
        };
        let last = self.checkpoints.partition_point(is_before);
        if first == 0 || last == self.checkpoints.len() {
            return Ok(false);
        }
        for number in first..=last {
            let written = match self.written.entry(number) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(unknown) => {
                    unknown.insert(checkpoint::written_pages(recording, number)?)
                }
            };
            if pages.iter().any(|page| written.binary_search(page).is_ok()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
