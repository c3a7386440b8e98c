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
    interrupted: bool,
}

impl<'a> Gate<'a> {
    pub(super) fn new(door: &'a mut dyn Door, attention: &'a AtomicBool) -> Self {
        Self { door, attention, interrupted: false }
    }

    /// Whether the machine was asked to leave because of the flag.
    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    fn is_interrupted(&mut self) -> bool {
        self.interrupted |= self.attention.load(Ordering::Relaxed);
        self.interrupted
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
