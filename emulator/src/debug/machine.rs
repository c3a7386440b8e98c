//! The real machine as a subject: live behind any door, or along a recording.
//!
//! A [`Gate`] stands in front of the door: it lets the debugger's interrupt through and notes where
//! each slice began, so that the position in front of an access is known exactly. What a watch has
//! seen is read from the log of guest memory after each run; the hart ends its slice with the
//! access.

mod captures;
mod gate;
mod pages;

use std::{
    collections::BTreeSet,
    ops::Bound,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    clock::{Clock, Position},
    door::{Door, Event, Moment, kind},
    journal::{MARK, Reader},
    machine::{Machine, Stop},
    memory::{Change, Changes},
    timeline::{PositionSpec, Recorder, RecorderLeave, Replayer, ReplayerLeave, Target},
    vcpu::Inspect,
};

use super::{
    CaptureId, DebugError, Destination, Extent, Halt, Heed, Mark, Operator, Subject, Watch,
    WatchHit,
};
use captures::Captures;
use gate::{Gate, Passed};

/// How the console of a live run is opened when a replay goes live.
pub type GoLive = Box<dyn FnOnce(&Machine, Option<&Path>) -> Result<Box<dyn Live>, String>>;

/// The outside of a live run: a door that can also put events in by itself.
pub trait Live: Door {
    /// Queues an event that the debugger makes; the door delivers it at the next
    /// [`take`](Door::take), recorded as any other when it is a recorder.
    fn inject(&mut self, event: Event);

    /// Why the door asked the machine to leave, when the run is over for good.
    fn is_over(&mut self) -> Option<String>;

    /// Has the door come back from waiting soon after the flag is set.
    fn heed(&mut self, attention: Arc<AtomicBool>);

    /// The run is over; `how` says how. A recorder ends its recording.
    ///
    /// # Errors
    /// What the host says.
    fn close(self: Box<Self>, _now: Moment, _how: &str) -> Result<(), String> {
        Ok(())
    }
}

impl<L: Live> Live for Recorder<L> {
    fn inject(&mut self, event: Event) {
        self.inner_mut().inject(event);
    }

    fn is_over(&mut self) -> Option<String> {
        match self.take_leave()? {
            RecorderLeave::Inner => self.inner_mut().is_over(),
            RecorderLeave::Failed => {
                let failure = self.take_failure();
                Some(failure.map_or_else(|| "recording failed".to_owned(), |why| why.to_string()))
            }
            // Under a debugger the recording goes without digests of the state
            // and without checkpoints.
            RecorderLeave::StateDigestDue | RecorderLeave::CheckpointDue => None,
        }
    }

    fn heed(&mut self, attention: Arc<AtomicBool>) {
        self.inner_mut().heed(attention);
    }

    fn close(self: Box<Self>, now: Moment, how: &str) -> Result<(), String> {
        self.finish(now, how).map(drop).map_err(|error| error.to_string())
    }
}

struct Replay {
    recording: Reader,
    replayer: Replayer<()>,
    marks: Vec<Mark>,
    go_live: Option<GoLive>,
}

enum Outside {
    Live(Box<dyn Live>),
    Replay(Box<Replay>),
}

/// A machine under a debugger.
pub struct MachineSubject {
    machine: Machine,
    outside: Outside,
    captures: Captures,
    breakpoints: BTreeSet<u64>,
    /// Whether the harts know the breakpoints.
    installed: bool,
    watches: Vec<Watch>,
    /// Ends motion at this virtual time, when set.
    time_limit: Option<u64>,
}

impl MachineSubject {
    /// A live machine, switched on.
    #[must_use]
    pub fn live(machine: Machine, door: Box<dyn Live>) -> Self {
        Self::new(machine, Outside::Live(door))
    }

    /// A machine that was switched on through `replayer`, which follows `recording`.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when the recording cannot be read or a hart cannot be captured.
    pub fn replay(
        machine: Machine,
        recording: Reader,
        replayer: Replayer<()>,
        go_live: Option<GoLive>,
    ) -> Result<Self, DebugError> {
        let paths = captures::paths(&machine);
        for hart in (0..machine.harts().len()).map(|number| format!("hart{number}")) {
            // Going back without the state of a hart would be wrong in silence.
            if !paths.contains(&hart) {
                return Err(DebugError::Subject(format!("the state of {hart} cannot be captured")));
            }
        }
        let mut marks = Vec::new();
        for record in recording.records().map_err(failed)? {
            let record = record.map_err(failed)?;
            if &*record.kind == MARK {
                let name = String::from_utf8_lossy(&record.data).into_owned();
                marks.push(Mark { name, position: record.position });
            }
        }
        let replay = Replay { recording, replayer, marks, go_live };
        Ok(Self::new(machine, Outside::Replay(Box::new(replay))))
    }

    fn new(machine: Machine, outside: Outside) -> Self {
        Self {
            machine,
            outside,
            captures: Captures::default(),
            breakpoints: BTreeSet::new(),
            installed: false,
            watches: Vec::new(),
            time_limit: None,
        }
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    fn install(&mut self, heed: Heed) {
        let wanted = heed == Heed::Breakpoints && !self.breakpoints.is_empty();
        if wanted != self.installed {
            let none = BTreeSet::new();
            let set = if wanted { &self.breakpoints } else { &none };
            for hart in self.machine.harts_mut() {
                hart.inspect_mut().set_breakpoints(set);
            }
            self.installed = wanted;
        }
    }

    /// Runs once, from one reason to stop to the next.
    fn pass(&mut self, until: Position, attention: &AtomicBool) -> (Stop, Passed) {
        let door: &mut dyn Door = match &mut self.outside {
            Outside::Live(door) => &mut **door,
            Outside::Replay(replay) => {
                replay.replayer.limit(self.time_limit.map(|ns| Target::Time { ns }));
                &mut replay.replayer
            }
        };
        let mut gate = Gate::new(door, attention, self.machine.position());
        let stop = self.machine.run(&mut gate, until);
        (stop, gate.passed())
    }

    /// What the log of guest memory says about watched accesses since its change number `seen`.
    fn hits_since(&self, seen: u64) -> Vec<WatchHit> {
        if self.watches.is_empty() {
            return Vec::new();
        }
        let memory = self.machine.memory();
        // An access ends its slice, so it is among the last changes; the log may have forgotten
        // what came long before.
        let recent = memory.change_count().saturating_sub(1024).max(seen);
        let Changes::Since(changes) = memory.changes_since(recent) else { return Vec::new() };
        changes
            .into_iter()
            .filter_map(|change| match change {
                Change::Watched { addr, bytes } => {
                    Some(WatchHit { range: addr..addr + bytes, write: true })
                }
                Change::WatchedRead { addr, bytes } => {
                    Some(WatchHit { range: addr..addr + bytes, write: false })
                }
                _ => None,
            })
            .filter(|hit| {
                self.watches.iter().any(|watch| {
                    let wanted = if hit.write { watch.write } else { watch.read };
                    wanted && watch.range.start < hit.range.end && hit.range.start < watch.range.end
                })
            })
            .collect()
    }

    /// What it means that the door asked to leave; `None` to run on.
    fn left(&mut self, passed: &Passed) -> Result<Option<Halt>, DebugError> {
        if passed.interrupted {
            return Ok(Some(Halt::Interrupted));
        }
        match &mut self.outside {
            Outside::Live(door) => match door.is_over() {
                Some(why) => Err(DebugError::Subject(why)),
                None => Ok(None),
            },
            Outside::Replay(replay) => match replay.replayer.take_leave() {
                Some(ReplayerLeave::Limit) => Ok(Some(Halt::Until)),
                Some(ReplayerLeave::EndOfRecording { .. }) => Ok(Some(Halt::End)),
                // `emulator verify` compares them; a debugger only passes by.
                Some(ReplayerLeave::StateDigest(_)) | None => Ok(None),
                Some(ReplayerLeave::Diverged(divergence)) => Err(failed(divergence)),
                Some(ReplayerLeave::Failed(error)) => Err(failed(error)),
            },
        }
    }

    fn inject(&mut self, event: Event) -> bool {
        match &mut self.outside {
            Outside::Live(door) => {
                door.inject(event);
                // The event takes effect at this very position, before any step.
                let quiet = AtomicBool::new(false);
                let here = self.machine.position();
                let until = Position { sequence: here.sequence + 1, ..here };
                self.machine.run(&mut Gate::new(&mut **door, &quiet, here), until) == Stop::Until
            }
            Outside::Replay(_) => false,
        }
    }
}

fn failed(error: impl std::fmt::Display) -> DebugError {
    DebugError::Subject(error.to_string())
}

impl Subject for MachineSubject {
    fn position(&self) -> Position {
        self.machine.position()
    }

    fn clock(&self) -> &Clock {
        self.machine.clock()
    }

    fn hart_count(&self) -> usize {
        self.machine.harts().len()
    }

    fn hart(&self, hart: usize) -> &dyn Inspect {
        self.machine.harts()[hart].inspect()
    }

    fn hart_steps(&self, hart: usize) -> u64 {
        self.machine.state().schedule.hart_steps[hart]
    }

    fn translate(&self, hart: usize, addr: u64) -> Option<u64> {
        self.hart(hart).translate(self.machine.memory(), addr)
    }

    fn read_memory(&self, addr: u64, bytes: &mut [u8]) -> bool {
        self.machine.memory().read(addr, bytes).is_ok()
    }

    fn extent(&self) -> Option<Extent> {
        match &self.outside {
            Outside::Live(_) => None,
            Outside::Replay(replay) => {
                Some(Extent { begin: Position::default(), end: replay.recording.last() })
            }
        }
    }

    fn set_breakpoints(&mut self, addrs: &BTreeSet<u64>) {
        self.install(Heed::Nothing);
        self.breakpoints.clone_from(addrs);
    }

    fn set_watches(&mut self, watches: &[Watch]) {
        let kinds = |wanted: fn(&Watch) -> bool| -> Vec<_> {
            watches.iter().filter(|watch| wanted(watch)).map(|watch| watch.range.clone()).collect()
        };
        let memory = self.machine.memory();
        memory.watch(&kinds(|watch| watch.write));
        memory.watch_reads(&kinds(|watch| watch.read));
        self.watches = watches.to_vec();
    }

    fn run(
        &mut self,
        until: Position,
        heed: Heed,
        attention: &AtomicBool,
    ) -> Result<Halt, DebugError> {
        self.install(heed);
        loop {
            let seen = self.machine.memory().change_count();
            let (stop, passed) = self.pass(until, attention);
            let hits = self.hits_since(seen);
            if !hits.is_empty() {
                let hart = match stop {
                    Stop::Debug { hart } => hart,
                    _ => self.machine.state().schedule.cursor as usize,
                };
                let before = passed.before(self.machine.position());
                return Ok(Halt::Watch { before, hart, hits });
            }
            match stop {
                Stop::Until => return Ok(Halt::Until),
                Stop::PoweredOff { code } => return Ok(Halt::PowerOff { code }),
                Stop::Debug { hart } => {
                    let pc = self.hart(hart).pc();
                    if self.installed && self.breakpoints.contains(&pc) {
                        return Ok(Halt::Breakpoint { hart });
                    }
                    // A write from outside of the guest that nobody watches any more.
                }
                Stop::Left => {
                    if let Some(halt) = self.left(&passed)? {
                        return Ok(halt);
                    }
                }
                Stop::Undeliverable(event) => {
                    return Err(DebugError::Subject(format!(
                        "the machine has nobody who takes `{}` at `{}`",
                        event.kind, event.target
                    )));
                }
            }
        }
    }

    fn set_attention(&mut self, attention: Arc<AtomicBool>) {
        if let Outside::Live(door) = &mut self.outside {
            door.heed(attention);
        }
    }

    fn capture(&mut self) -> CaptureId {
        self.captures.take(&self.machine)
    }

    fn restore(&mut self, capture: CaptureId) {
        self.captures.put_back(&mut self.machine, capture);
        if let Outside::Replay(replay) = &mut self.outside {
            let Replay { recording, replayer, .. } = &mut **replay;
            let sought = replayer.seek(recording, self.machine.position());
            assert!(sought.is_ok(), "a recording that was read once can be read again: {sought:?}");
        }
    }

    fn release(&mut self, capture: CaptureId) {
        self.captures.release(capture);
    }

    fn captured_bytes(&self) -> u64 {
        self.captures.bytes()
    }

    fn restore_recorded(&mut self, _: Position, _: Bound<Position>) -> Result<bool, DebugError> {
        Ok(false)
    }

    fn write_register(&mut self, hart: usize, number: usize, value: u128) -> bool {
        let Ok(number) = u32::try_from(number) else { return false };
        let mut data = number.to_le_bytes().to_vec();
        data.extend(value.to_le_bytes());
        let target = format!("hart{hart}").into();
        self.inject(Event { kind: kind::WRITE_REGISTER.into(), target, data })
    }

    fn write_memory(&mut self, addr: u64, bytes: &[u8]) -> bool {
        let mut data = addr.to_le_bytes().to_vec();
        data.extend(bytes);
        self.inject(Event { kind: kind::WRITE_MEMORY.into(), target: "".into(), data })
    }

    fn set_time_limit(&mut self, ns: Option<u64>) {
        self.time_limit = ns;
    }

    fn parse_position(&self, text: &str) -> Result<Destination, DebugError> {
        let refused = |error: &dyn std::fmt::Display| DebugError::Position(error.to_string());
        let Outside::Replay(replay) = &self.outside else { return Err(DebugError::Live) };
        if let Some(name) = text.strip_prefix("mark:")
            && let Some(mark) = replay.marks.iter().rev().find(|mark| mark.name == name)
        {
            return Ok(Destination::Position(mark.position));
        }
        let spec: PositionSpec = text.parse().map_err(|error| refused(&error))?;
        match spec.resolve(&replay.recording).map_err(|error| refused(&error))? {
            Target::Position(position) => {
                Ok(Destination::Position(position.min(replay.recording.last())))
            }
            Target::Time { ns } => Ok(Destination::Time { ns }),
        }
    }

    fn marks(&self) -> Vec<Mark> {
        let Outside::Replay(replay) = &self.outside else { return Vec::new() };
        let mut marks = replay.marks.clone();
        marks.sort_by_key(|mark| mark.position);
        marks
    }

    fn mark(&mut self, name: &str) -> Result<(), DebugError> {
        let position = self.machine.position();
        let Outside::Replay(replay) = &mut self.outside else {
            return Err(DebugError::Unsupported("mark"));
        };
        replay.marks.push(Mark { name: name.to_owned(), position });
        Ok(())
    }

    fn device_paths(&self) -> Vec<String> {
        captures::paths(&self.machine)
    }

    fn dump_device(&self, path: &str) -> Option<String> {
        captures::dump(&self.machine, path)
    }

    fn go_live(&mut self, child: Option<&Path>) -> Result<(), DebugError> {
        let Outside::Replay(replay) = &mut self.outside else {
            return Err(DebugError::Unsupported("go-live"));
        };
        let open = replay.go_live.take().ok_or(DebugError::Unsupported("go-live"))?;
        self.outside = Outside::Live(open(&self.machine, child).map_err(DebugError::Subject)?);
        Ok(())
    }

    fn operator(&mut self) -> Option<&mut dyn Operator> {
        match self.outside {
            Outside::Live(_) => Some(self),
            Outside::Replay(_) => None,
        }
    }
}

impl Operator for MachineSubject {
    fn reset(&mut self) {
        let kind = kind::RESET.into();
        self.inject(Event { kind, target: "".into(), data: Vec::new() });
    }

    fn save(&mut self, _: &Path) -> Result<(), DebugError> {
        Err(DebugError::Unsupported("savevm"))
    }

    fn load(&mut self, _: &Path) -> Result<(), DebugError> {
        Err(DebugError::Unsupported("loadvm"))
    }
}
