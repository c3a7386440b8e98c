//! What is debugged: a deterministic machine on a timeline, in the few words that the engine needs.
//!
//! The trait is the seam at which reverse execution is proved: the same engine runs on a toy whose
//! every transition an oracle has written down, and on the real machine.

use std::{
    collections::BTreeSet,
    ops::Range,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    clock::{Clock, Position},
    machine::Machine,
    snapshot::SaveOptions,
    vcpu::Inspect,
};

use super::DebugError;

/// A captured machine state, held by the subject until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaptureId(pub u64);

/// The part of the timeline that can be visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub begin: Position,
    /// Where it ends.
    pub end: Position,
}

/// A watched stretch of physical memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Physical addresses.
    pub range: Range<u64>,
    /// Stop at reads.
    pub read: bool,
    /// Stop at writes.
    pub write: bool,
}

impl Watch {
    /// Whether `hit` is one of this watch.
    #[must_use]
    pub fn is_hit(&self, hit: &WatchHit) -> bool {
        let wanted = if hit.write { self.write } else { self.read };
        wanted && self.range.start < hit.range.end && hit.range.start < self.range.end
    }
}

/// An access to watched memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchHit {
    /// Physical addresses accessed.
    pub range: Range<u64>,
    /// Whether it was a write.
    pub write: bool,
}

/// Whether a run stops at breakpoints. Watches always count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heed {
    /// Stop at them.
    Breakpoints,
    /// Pass over them.
    Nothing,
}

/// Why a run came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The position asked for, or the first one behind it, is reached.
    Until,
    /// The hart stands in front of an instruction with a breakpoint.
    Breakpoint {
        /// The hart that would take the next step.
        hart: usize,
    },
    /// Watched memory was accessed, in the transition from `before` to the present position.
    Watch {
        /// Position in front of the step, the event or the idle warp that made the access.
        before: Position,
        /// The hart that made it, or took the last step.
        hart: usize,
        /// The accesses, at least one.
        hits: Vec<WatchHit>,
    },
    /// `attention` was set.
    Interrupted,
    /// The recording has no more.
    End,
    /// The guest switched the machine off.
    PowerOff {
        /// Exit code.
        code: u8,
    },
}

/// A place on the timeline as users ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// This position.
    Position(Position),
    /// The first position with at least this much virtual time.
    Time {
        /// Virtual nanoseconds since power-on.
        ns: u64,
    },
}

/// A hash over a whole state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Over everything but RAM.
    pub state: u64,
    /// Over RAM.
    pub ram: u128,
}

/// A named position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub position: Position,
}

/// Makes another subject with the same recording, at its beginning, on whatever thread calls it.
pub type Another = Arc<dyn Fn() -> Result<Box<dyn Subject>, DebugError> + Send + Sync>;

/// A machine that stands still, as whoever judges its state sees it.
pub trait View {
    /// Where it stands.
    fn position(&self) -> Position;

    /// The clock, for virtual time and for registers that depend on it.
    fn clock(&self) -> &Clock;

    /// Hart number `hart`.
    ///
    /// # Panics
    /// When there is none; the engine checks numbers that come from outside.
    fn hart(&self, hart: usize) -> &dyn Inspect;

    /// The physical address of virtual `addr` under the present page table of `hart`.
    fn translate(&self, hart: usize, addr: u64) -> Option<u64>;

    /// Reads guest RAM at physical `addr`; false when a part of it is not RAM.
    fn read_memory(&self, addr: u64, bytes: &mut [u8]) -> bool;
}

/// Looks at a halt where it happens; whether the run stays there. It runs on without having stopped
/// otherwise.
pub type Judge<'a> = dyn FnMut(&dyn View, &Halt) -> bool + 'a;

/// A machine under a debugger.
///
/// Between runs it stands at a position, and equal positions of one recording mean equal states.
pub trait Subject: View {
    /// Number of harts, at least 1.
    fn hart_count(&self) -> usize;

    /// Steps that `hart` has taken since the machine was switched on.
    fn hart_steps(&self, hart: usize) -> u64;

    /// The part of the timeline that can be visited; `None` for a live run.
    fn extent(&self) -> Option<Extent>;

    /// Replaces the breakpoints of all harts (virtual addresses).
    fn set_breakpoints(&mut self, addrs: &BTreeSet<u64>);

    /// Replaces the watched ranges.
    fn set_watches(&mut self, watches: &[Watch]);

    /// Runs forward to the first position at or behind `until`, unless something halts it before.
    /// An access to watched memory halts at once, also when it led to `until`. Comes back soon
    /// after `attention` is set, wherever it is then.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when the host failed or the replay diverged.
    fn run(
        &mut self,
        until: Position,
        heed: Heed,
        attention: &AtomicBool,
    ) -> Result<Halt, DebugError> {
        self.scan(until, heed, attention, &mut |_, _| true)
    }

    /// The same past every breakpoint and access at which `judge` does not want to stay. It is asked
    /// for nothing else.
    ///
    /// # Errors
    /// As [`Subject::run`].
    fn scan(
        &mut self,
        until: Position,
        heed: Heed,
        attention: &AtomicBool,
        judge: &mut Judge<'_>,
    ) -> Result<Halt, DebugError>;

    /// The flag that [`Subject::run`] will be given, for a door that waits.
    fn set_attention(&mut self, _attention: Arc<AtomicBool>) {}

    /// Captures the present state. Never called on a live run.
    fn capture(&mut self) -> CaptureId;

    /// Puts the machine back to a captured state.
    fn restore(&mut self, capture: CaptureId);

    /// Forgets a captured state.
    fn release(&mut self, capture: CaptureId);

    /// How to have more of the same, for work on several cores; `None` when that cannot be.
    fn another(&self) -> Option<Another> {
        None
    }

    /// Host memory that all captured states together occupy beside one of them, in bytes.
    fn captured_bytes(&self) -> u64;

    /// Positions of the states that the recording itself holds, ascending. A sequence may be given
    /// as 0; it is exact once the machine was brought there.
    fn recorded(&self) -> Vec<Position> {
        Vec::new()
    }

    /// Brings the machine on to the next state that the recording itself holds, when that has fewer
    /// steps than `upper` and is worth the way; false when there is none.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when the recording cannot be read.
    fn advance_recorded(&mut self, _upper: Position) -> Result<bool, DebugError> {
        Ok(false)
    }

    /// Whether the recording proves that nothing was written to any of these physical ranges between
    /// two positions.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when the recording cannot be read.
    fn is_unwritten(
        &mut self,
        _from: Position,
        _to: Position,
        _ranges: &[Range<u64>],
    ) -> Result<bool, DebugError> {
        Ok(false)
    }

    /// Notes from now on in which pages the harts execute instructions, beginning with none, or ceases
    /// to. It costs little, and changes nothing else.
    fn note_executed(&mut self, _on: bool) {}

    /// Numbers of the virtual pages in which any hart executed an instruction since; perhaps of more.
    /// `None` when that is not known.
    fn executed_pages(&self) -> Option<BTreeSet<u64>> {
        None
    }

    /// Writes register `number` of `hart`, as an event from outside. Never called in replay.
    fn write_register(&mut self, hart: usize, number: usize, value: u128) -> bool;

    /// Writes guest memory at physical `addr`, as an event from outside. Never called in replay.
    fn write_memory(&mut self, addr: u64, bytes: &[u8]) -> bool;

    /// Reads a position as users write it: a step count, `12.5s`, `45%`, `event:12`, `mark:NAME`,
    /// `end`.
    ///
    /// # Errors
    /// [`DebugError::Position`] when it is none.
    fn parse_position(&self, text: &str) -> Result<Destination, DebugError>;

    /// From now on a run also ends, with [`Halt::Until`], at the first position with at least this
    /// much virtual time.
    fn set_time_limit(&mut self, ns: Option<u64>);

    /// Named positions, ascending.
    fn marks(&self) -> Vec<Mark>;

    /// Names the present position.
    ///
    /// # Errors
    /// [`DebugError::Usage`] when there is no recording to keep the name.
    fn mark(&mut self, name: &str) -> Result<(), DebugError>;

    /// Instance paths of all devices and harts, in wiring order.
    fn device_paths(&self) -> Vec<String>;

    /// The derived state of the instance at `path` as lines of text; `None` when there is none.
    fn dump_device(&self, path: &str) -> Option<String>;

    /// What the machine consists of, as lines of text.
    fn info(&self) -> String {
        String::new()
    }

    /// Counters, as lines of text.
    fn stats(&self) -> String {
        String::new()
    }

    /// The same as JSON.
    fn device_json(&self, path: &str) -> Option<String>;

    /// A hash over the whole state: equal states have equal ones, whatever way led to them.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when a part of the state cannot be saved.
    fn digest(&mut self) -> Result<Digest, DebugError>;

    /// Leaves the recording here: from now on the run is live. With `child` it is recorded to that
    /// file, which names the present recording as its parent.
    ///
    /// # Errors
    /// [`DebugError::Unsupported`] unless the subject replays and can do it; [`DebugError::Subject`]
    /// when the host failed.
    fn go_live(&mut self, _child: Option<&Path>) -> Result<(), DebugError> {
        Err(DebugError::Unsupported("go-live"))
    }

    /// What an operator may do to a live machine; `None` in replay.
    fn operator(&mut self) -> Option<&mut dyn Operator> {
        None
    }
}

/// The operator of a live machine. Everything is an event on the timeline.
pub trait Operator {
    /// The machine.
    fn machine(&self) -> &Machine;

    /// Resets the machine, as its reset button does.
    ///
    /// # Errors
    /// [`DebugError::Over`] when the run ends instead.
    fn reset(&mut self) -> Result<(), DebugError>;

    /// Switches the machine off, as pulling the plug does.
    ///
    /// # Errors
    /// As [`Operator::reset`].
    fn power_off(&mut self) -> Result<(), DebugError>;

    /// Saves the machine's state to a file.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when the host failed or a device cannot be saved.
    fn save(&mut self, file: &Path, options: SaveOptions<'_>) -> Result<(), DebugError>;

    /// Loads the state in a file.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when there is none or it does not fit; the machine is unchanged.
    fn load(&mut self, file: &Path) -> Result<(), DebugError>;

    /// The machine stood still for a while of the host's time, which it need not catch up with.
    fn rested(&mut self);

    /// The run is over; `how` says how. A recording ends in good order. Nothing may be asked of the
    /// machine's outside afterwards.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when a recording cannot be ended.
    fn close(&mut self, how: &str) -> Result<(), DebugError>;
}
