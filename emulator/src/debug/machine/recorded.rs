//! The states that a recording itself holds: where they are, and which pages were written between
//! them.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    clock::Position,
    journal::Reader,
    memory::{GuestMemory, PAGE_BYTES},
    timeline::{
        checkpoint::{self, CheckpointAt, CheckpointError, Unusable},
        listing::incomplete_in_words,
    },
};

/// Steps that a machine runs in less time than it takes to put a state in place.
const WORTH_STEPS: u64 = 1 << 18;

/// The states of one recording.
#[derive(Debug)]
pub(super) struct RecordedStates {
    checkpoints: Vec<CheckpointAt>,
    /// Pages written in front of a checkpoint, by its number, as far as they were asked for and can be
    /// read.
    written: BTreeMap<usize, Option<Vec<u64>>>,
    /// What is wrong with checkpoints of the recording that are not among these.
    warning: Option<String>,
}

/// A way over checkpoints: what was written from the first to the last of these numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leap {
    pub(super) first: usize,
    pub(super) number: usize,
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
        let incomplete: Vec<_> =
            checkpoint::incomplete(recording).iter().map(|at| at.steps).collect();
        let warning = incomplete_in_words(&incomplete);
        let checkpoints = checkpoint::checkpoints(recording);
        Self { checkpoints, written: BTreeMap::new(), warning }
    }

    /// What is wrong with checkpoints of the recording, if anything is.
    pub(super) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// How many there are, and what is wrong with the rest, as lines of text.
    pub(super) fn in_words(&self) -> String {
        let name = "recorded";
        let mut text = format!("{name:<14} {} states\n", self.checkpoints.len());
        if let Some(warning) = &self.warning {
            text += &format!("{name:<14} {warning}\n");
        }
        text
    }

    /// Where they are; a sequence is given as 0.
    pub(super) fn positions(&self) -> impl Iterator<Item = Position> {
        self.checkpoints.iter().map(|checkpoint| checkpoint.position)
    }

    /// The next state that is worth going to from `here` and has fewer steps than `upper`.
    pub(super) fn next(&self, here: Position, upper: Position) -> Option<Leap> {
        // Not those in front of the machine: what was written there may have changed since.
        let first = self.checkpoints.partition_point(|known| place(known.position) < place(here));
        let worth = here.steps.saturating_add(WORTH_STEPS);
        let number = self.checkpoints.partition_point(|known| known.position.steps < worth);
        let next = self.checkpoints.get(number)?;
        (next.position.steps < upper.steps).then_some(Leap { first, number })
    }

    /// `leap` failed with `error`: from now on nothing is expected of the checkpoint that is to blame
    /// and those behind it.
    pub(super) fn give_up(&mut self, recording: &mut Reader, leap: Leap, error: &CheckpointError) {
        let bad = (leap.first..=leap.number)
            .find_map(|number| Some((number, checkpoint::check_pieces(recording, number).err()?)));
        let (number, why) = match bad {
            Some((number, why)) => (number, why.to_string()),
            None => (leap.number, error.to_string()),
        };
        let steps = self.checkpoints[number].position.steps;
        let behind = self.checkpoints.len() - 1 - number;
        let warning = Unusable { number, steps, behind, why }.to_string();
        tracing::warn!(target: "debug", "{warning}; going there takes longer");
        self.warning = Some(warning);
        self.checkpoints.truncate(number);
        self.written.clear();
    }

    /// Whether none of `pages` was written from `from` to `to`, as far as checkpoints tell: what cannot be
    /// read tells nothing.
    pub(super) fn is_unwritten(
        &mut self,
        recording: &mut Reader,
        from: Position,
        to: Position,
        pages: &[u64],
    ) -> bool {
        // A checkpoint tells what was written since the one before it.
        let first = self.checkpoints.partition_point(|known| place(known.position) <= place(from));
        let is_before = |known: &CheckpointAt| {
            place(known.position) < place(to)
                || (place(known.position) == place(to) && to.sequence > 0)
        };
        let last = self.checkpoints.partition_point(is_before);
        if first == 0 || last == self.checkpoints.len() {
            return false;
        }
        (first..=last).all(|number| {
            let written = self
                .written
                .entry(number)
                .or_insert_with(|| checkpoint::written_pages(recording, number).ok());
            let is_beside =
                |written: &Vec<u64>| pages.iter().all(|page| written.binary_search(page).is_err());
            written.as_ref().is_some_and(is_beside)
        })
    }
}
