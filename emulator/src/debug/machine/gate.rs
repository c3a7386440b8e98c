//! The door between machine and outside while a debugger is attached.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    clock::Position,
    door::{Door, Moment, Output, PowerOn, Reply, Wake},
};

/// Steps between two looks at the attention flag: a few milliseconds.
const POLL_STEPS: u64 = 1 << 18;

/// A door that leaves when `attention` is set.
pub(super) struct Gate<'a> {
    door: &'a mut dyn Door,
    attention: &'a AtomicBool,
    passed: Passed,
    /// Where a pass began that ends with its first transition, so that no two writes beside the
    /// processors (events, devices) are taken for one.
    split_from: Option<Position>,
}

/// What passed the gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    /// Whether the machine was asked to leave because of the attention flag.
    pub(super) interrupted: bool,
    /// Whether it was asked to leave only to be looked at.
    pub(super) split: bool,
    /// Where the machine asked last, and where before that.
    last: Position,
    previous: Position,
}

impl Passed {
    /// The position in front of the last transition that led to `now`.
    pub(super) fn before(&self, now: Position) -> Position {
        let base = if self.last == now { self.previous } else { self.last };
        if now.steps > base.steps + 1 {
            return Position { steps: now.steps - 1, sequence: 0, ..now };
        }
        base
    }
}

impl<'a> Gate<'a> {
    pub(super) fn new(
        door: &'a mut dyn Door,
        attention: &'a AtomicBool,
        here: Position,
        watching: bool,
    ) -> Self {
        let passed = Passed { interrupted: false, split: false, last: here, previous: here };
        Self { door, attention, passed, split_from: watching.then_some(here) }
    }

    pub(super) fn passed(&self) -> Passed {
        self.passed
    }

    fn is_interrupted(&mut self) -> bool {
        let interrupted = self.attention.load(Ordering::Relaxed);
        self.passed.interrupted |= interrupted;
        interrupted
    }
}

impl Door for Gate<'_> {
    fn power_on(&mut self) -> PowerOn {
        self.door.power_on()
    }

    fn horizon(&mut self, now: Moment) -> u64 {
        self.door.horizon(now).min(now.position.steps + POLL_STEPS)
    }

    fn take(&mut self, now: Moment) -> Reply {
        if self.is_interrupted() {
            return Reply::Leave;
        }
        if now.position != self.passed.last {
            self.passed.previous = self.passed.last;
            self.passed.last = now.position;
        }
        if self.split_from.is_some_and(|start| start != now.position) {
            self.passed.split = true;
            return Reply::Leave;
        }
        self.door.take(now)
    }

    fn idle(&mut self, now: Moment, deadline_ns: Option<u64>) -> Wake {
        if self.is_interrupted() {
            return Wake::Leave;
        }
        self.door.idle(now, deadline_ns)
    }

    fn wait_at_most(&mut self, limit: Option<Duration>) {
        self.door.wait_at_most(limit);
    }

    fn output(&mut self, now: Position, output: Output<'_>) {
        self.door.output(now, output);
    }
}
