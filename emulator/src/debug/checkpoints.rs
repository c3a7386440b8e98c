//! Which captured states to keep: close together near the present, ever wider apart away from it.
//!
//! Problem: going back means restoring an earlier state and running forward, so the time of a
//! reverse step is the distance to the nearest checkpoint; memory is limited. Strategy: while the
//! engine runs towards a place, it captures at distances of 4^k steps in front of it, so that the
//! next step back starts a few steps away; on long runs it captures every [`Checkpoints::spacing`]
//! steps. When the budget is exceeded, the checkpoint goes whose removal costs least: the smallest
//! gap between its neighbours, measured against the distance to the present.
//!
//! Invariants: the first checkpoint, at the beginning of the timeline, stays for ever; which
//! checkpoints exist never changes where anything stops, only how long it takes.

use std::collections::BTreeMap;

use crate::clock::{Clock, Position};

use super::subject::{CaptureId, Extent, Subject};

/// Most checkpoints at one time: choosing the one to drop looks at all of them.
const MOST: usize = 384;

/// Distances in front of a destination at which checkpoints are made: powers of this.
const LADDER: u64 = 4;

/// Shortest distance in the ladder. Running this many steps costs less than one capture.
const SHORTEST: u64 = 64;

/// Parts into which a whole recording is divided by evenly spaced checkpoints.
const PARTS: u64 = 256;

/// Shortest spacing of checkpoints on a long run.
const SPACING: u64 = 1 << 22;

/// The captured states, by position.
#[derive(Debug)]
pub struct Checkpoints {
    kept: BTreeMap<Position, CaptureId>,
    budget_bytes: u64,
    spacing: u64,
}

impl Checkpoints {
    /// No checkpoints yet, at most `budget_bytes` of host memory for them.
    #[must_use]
    pub fn new(budget_bytes: u64, extent: Option<Extent>) -> Self {
        let steps = extent.map_or(0, |extent| extent.end.steps - extent.begin.steps);
        Self { kept: BTreeMap::new(), budget_bytes, spacing: (steps / PARTS).max(SPACING) }
    }

    /// Distance in steps between checkpoints on a long run.
    #[must_use]
    pub fn spacing(&self) -> u64 {
        self.spacing
    }

    /// Host memory that they may take.
    #[must_use]
    pub fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// Number of checkpoints.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The last checkpoint at or before `position`.
    #[must_use]
    pub fn at_or_before(&self, position: Position) -> Option<(Position, CaptureId)> {
        self.kept.range(..=position).next_back().map(|(at, id)| (*at, *id))
    }

    /// The last checkpoint before `position`.
    #[must_use]
    pub fn before(&self, position: Position) -> Option<(Position, CaptureId)> {
        self.kept.range(..position).next_back().map(|(at, id)| (*at, *id))
    }

    /// The last checkpoint at no more than `ns` of virtual time.
    #[must_use]
    pub fn before_time(&self, ns: u64, clock: &Clock) -> Option<(Position, CaptureId)> {
        let is_early = |position: &Position| Clock { position: *position, ..*clock }.now_ns() <= ns;
        self.kept.iter().rev().find(|(at, _)| is_early(at)).map(|(at, id)| (*at, *id))
    }

    /// The steps at which a run from `from` to `to` should stop for its next checkpoint, before
    /// `to` itself.
    #[must_use]
    pub fn next_stop(&self, from: u64, to: u64) -> Option<u64> {
        let rungs = std::iter::successors(Some(SHORTEST), |rung| rung.checked_mul(LADDER));
        let rung = rungs.map_while(|rung| to.checked_sub(rung)).take_while(|at| *at > from).last();
        let spaced = from.saturating_add(self.spacing);
        let next = rung.map_or(spaced, |rung| rung.min(spaced));
        // A rung that is too close to the start is not worth a capture.
        (next < to && next - from >= SHORTEST / 2).then_some(next)
    }

    /// Captures the subject where it stands, unless that was done, and drops what is too much.
    pub fn capture(&mut self, subject: &mut dyn Subject) {
        let at = subject.position();
        if self.kept.contains_key(&at) {
            return;
        }
        self.kept.insert(at, subject.capture());
        while self.kept.len() > 2
            && (self.kept.len() > MOST || subject.captured_bytes() > self.budget_bytes)
        {
            let Some(cheapest) = self.cheapest(at) else { return };
            if let Some(id) = self.kept.remove(&cheapest) {
                subject.release(id);
            }
        }
    }

    /// Drops all.
    pub fn forget_all(&mut self, subject: &mut dyn Subject) {
        for id in std::mem::take(&mut self.kept).into_values() {
            subject.release(id);
        }
    }

    /// The checkpoint whose loss costs least when the user stands at `present`; neither the first
    /// nor the present one.
    fn cheapest(&self, present: Position) -> Option<Position> {
        let positions: Vec<_> = self.kept.keys().copied().collect();
        let cost = |index: usize| {
            let gap_end = positions.get(index + 1).map_or(present.steps, |next| next.steps);
            let gap = gap_end.saturating_sub(positions[index - 1].steps);
            let distance = positions[index].steps.abs_diff(present.steps);
            // Relative width of the gap that would be left, in parts of 2^16.
            (u128::from(gap) << 16) / u128::from(distance + SHORTEST)
        };
        (1..positions.len())
            .filter(|index| positions[*index] != present)
            .min_by_key(|index| cost(*index))
            .map(|index| positions[index])
    }
}
