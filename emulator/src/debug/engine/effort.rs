//! How a search of the past spends its effort: what it passes over, what it notes for the next one, and
//! when it asks other cores for help.
//!
//! Problem: most of a recording never comes near a breakpoint, and a walk back repeats all of it.
//! Strategy: pages that were written stand in the recording; in which pages instructions were executed
//! is noted while a stretch is looked through in vain, so that the next search need not. What is known
//! of neighbouring stretches adds up.
//!
//! Invariant: a stretch is passed over only when all its steps are known not to have been in a page
//! with a breakpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Engine,
    reverse::{Search, Wanted},
};
use crate::{clock::Position, debug::DebugError, memory::PAGE_SHIFT};

/// Most stretches whose pages are kept.
const MOST: usize = 1024;

/// Thresholds of a search. They change nothing that is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Machines on other cores that help.
    pub scouts: usize,
    /// Fewest steps that are worth their help.
    pub scout_steps: u64,
    /// Fewest steps of a stretch whose executed pages are worth noting.
    pub note_steps: u64,
}

impl Default for Effort {
    /// As many scouts as there are cores to spare. A machine runs `scout_steps` in less time than it
    /// takes to have another one ready, and `note_steps` in ten times what noting costs.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { scouts: (cores - 1).min(7), scout_steps: 1 << 28, note_steps: 1 << 24 }
    }
}

/// What searches of the past did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Stretches looked through, on this core or another.
    pub stretches: u64,
    /// Stretches passed over, since nothing in them can be a hit.
    pub passed_over: u64,
}

/// A stretch of steps, from the first to the one behind the last, and the pages executed in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    from: u64,
    to: u64,
    pages: BTreeSet<u64>,
}

/// Stretches whose executed pages are known, by their first steps.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<u64, Noted>);

impl Notes {
    pub(super) fn add(&mut self, noted: Noted) {
        let is_longer = self.0.get(&noted.from).is_none_or(|known| known.to < noted.to);
        if is_longer && self.0.len() < MOST {
            self.0.insert(noted.from, noted);
        }
    }

    /// Takes all out.
    pub(super) fn take(&mut self) -> Vec<Noted> {
        std::mem::take(&mut self.0).into_values().collect()
    }

    /// Whether it is known that none of `pages` was executed from step `from` up to step `to`.
    fn exclude(&self, from: u64, to: u64, pages: &BTreeSet<u64>) -> bool {
        let mut reached = from;
        while reached < to {
            let before = self.0.range(..=reached).map(|(_, noted)| noted);
            let clean = before.filter(|noted| noted.pages.is_disjoint(pages));
            match clean.map(|noted| noted.to).max() {
                Some(behind) if behind > reached => reached = behind,
                _ => return false,
            }
        }
        true
    }
}

/// The step behind the last one that lies before `position`.
fn end_of(position: Position) -> u64 {
    // A sequence that is none stands for behind all events, where the next step was taken already.
    position.steps + u64::from(position.sequence == u64::MAX)
}

impl Engine {
    /// Sets the thresholds of searches.
    pub fn set_effort(&mut self, effort: Effort) {
        self.effort = effort;
        self.scouts = None;
    }

    /// What searches of the past did so far.
    #[must_use]
    pub fn searched(&self) -> Searched {
        self.searched
    }

    /// Whether it is known that nothing hits a stop point between two positions.
    pub(super) fn has_no_hit(&mut self, from: Position, to: Position) -> Result<bool, DebugError> {
        if self.points.watchpoints.iter().any(|known| known.access.reads()) {
            return Ok(false);
        }
        let pages = self.points.breakpoints.iter().map(|known| known.addr >> PAGE_SHIFT).collect();
        if !self.points.breakpoints.is_empty()
            && !self.notes.exclude(from.steps, end_of(to), &pages)
        {
            return Ok(false);
        }
        let ranges: Vec<_> = self.points.watched.iter().map(|(_, range)| range.clone()).collect();
        let nothing = ranges.is_empty() || self.subject.is_unwritten(from, to, &ranges)?;
        self.searched.passed_over += u64::from(nothing);
        Ok(nothing)
    }

    /// The last hit between the present position and `upper`; what ran there is noted when there is
    /// none.
    pub(super) fn look_through(&mut self, upper: Position) -> Result<Search, DebugError> {
        self.searched.stretches += 1;
        let (from, to) = (self.position().steps, end_of(upper));
        let is_long = to.saturating_sub(from) >= self.effort.note_steps;
        if is_long {
            self.subject.note_executed(true);
        }
        let outcome = self.last_hit(upper, Wanted::All);
        if is_long {
            if let (Ok(Search::Nothing), Some(pages)) = (&outcome, self.subject.executed_pages()) {
                self.notes.add(Noted { from, to, pages });
            }
            self.subject.note_executed(false);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_stretches_add_up_and_gaps_do_not() {
        let mut notes = Notes::default();
        for (from, to, pages) in
            [(0, 10, [1, 2]), (10, 20, [2, 3]), (15, 30, [4, 4]), (40, 50, [1, 1])]
        {
            notes.add(Noted { from, to, pages: pages.into() });
        }
        for (from, to, page, excluded) in [
            (0, 30, 5, true),
            (0, 30, 1, false),
            (10, 30, 1, true),
            (9, 30, 1, false),
            (0, 20, 4, true),
            (0, 21, 4, false),
            (12, 13, 4, true),
            (5, 45, 5, false),
            (40, 50, 2, true),
            (40, 51, 2, false),
            (60, 60, 1, true),
        ] {
            let found = notes.exclude(from, to, &BTreeSet::from([page]));
            assert_eq!(found, excluded, "page {page} from {from} to {to}");
        }
    }
}
