//! The real machine as a subject: live behind any door, or along a recording.
//!
//! A [`Gate`] stands in front of the door: it lets the debugger's interrupt through. A [`Watcher`] looks
//! on while the machine runs: at breakpoints, and behind each transition, when what a watch has seen
//! stands in the log of guest memory. A hart ends its slice with a watched access, so the position in
//! front of it is known exactly, and no two accesses beside the processors are taken for one.

mod captures;
mod gate;
mod live;
mod operator;
mod pages;
mod recorded;
mod watcher;

use std::{
    collections::BTreeSet,
    ops::Range,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    clock::{Clock, Position},
    door::{Closed, Door, Event, kind},
    journal::{DIGEST_PARTS, DIGEST_RAM, DIGEST_STATE, MARK, Reader},
    machine::{Machine, Stop, board::Config, report},
    memory::PAGE_BYTES,
    timeline::{PositionSpec, Replayer, ReplayerLeave, StateDigest, Target, checkpoint},
    vcpu::Inspect,
};

use super::{
    Another, CaptureId, DebugError, Destination, Digest, Extent, Halt, Heed, Judge, Mark, Operator,
    Subject, View, Watch, WatchHit,
};
use captures::Captures;
use gate::Gate;
use recorded::RecordedStates;
use watcher::Watcher;

pub use live::{GoLive, Leaving, Live};

struct Replay {
    recording: Reader,
    replayer: Replayer<()>,
    recorded: RecordedStates,
    marks: Vec<Mark>,
    another: Option<Another>,
    go_live: Option<GoLive>,
}

enum Outside {
    Live(Box<dyn Live>),
    Replay(Box<Replay>),
    /// The run is over.
    Closed(Closed),
}

impl Outside {
    fn door(&mut self, time_limit: Option<u64>) -> &mut dyn Door {
        match self {
            Self::Live(door) => &mut **door,
            Self::Closed(door) => door,
            Self::Replay(replay) => {
                replay.replayer.limit(time_limit.map(|ns| Target::Time { ns }));
                &mut replay.replayer
            }
        }
    }

    /// What it means that the door asked to leave; `None` to run on.
    fn left(&mut self, machine: &Machine) -> Result<Option<Halt>, DebugError> {
        match self {
            Self::Live(door) => match door.left(machine) {
                Leaving::Over { code, how } => Err(DebugError::Over { code, how }),
                Leaving::Operator => Ok(Some(Halt::Interrupted)),
                Leaving::Nothing => Ok(None),
            },
            Self::Closed(_) => Err(DebugError::Subject("the run is over".to_owned())),
            Self::Replay(replay) => match replay.replayer.take_leave() {
                Some(ReplayerLeave::Limit) => Ok(Some(Halt::Until)),
                Some(ReplayerLeave::EndOfRecording { .. }) => Ok(Some(Halt::End)),
                // `emulator verify` compares them; a debugger only passes by.
                Some(ReplayerLeave::StateDigest(_)) | None => Ok(None),
                Some(ReplayerLeave::Diverged(divergence)) => Err(failed(divergence)),
                Some(ReplayerLeave::Failed(error)) => Err(failed(error)),
            },
        }
    }
}

/// A machine under a debugger.
pub struct MachineSubject {
    machine: Machine,
    outside: Outside,
    captures: Captures,
    breakpoints: BTreeSet<u64>,
    /// What the harts know, and whether they heed it. Told late: a change costs them code.
    installed: BTreeSet<u64>,
    heeded: bool,
    watches: Vec<Watch>,
    /// Ends motion at this virtual time, when set.
    time_limit: Option<u64>,
    /// What the machine was built from, for snapshots; those of a live one name its files.
    config: Config,
}

impl MachineSubject {
    /// A live machine, switched on, that was built from `config`.
    #[must_use]
    pub fn live(machine: Machine, config: Config, door: Box<dyn Live>) -> Self {
        Self { config, ..Self::new(machine, Outside::Live(door)) }
    }

    /// A machine that was switched on through `replayer`, which follows `recording`.
    ///
    /// # Errors
    /// [`DebugError::Subject`] when the recording cannot be read or a hart cannot be captured.
    pub fn replay(
        machine: Machine,
        recording: Reader,
        mut replayer: Replayer<()>,
    ) -> Result<Self, DebugError> {
        let paths = captures::paths(&machine);
        for hart in (0..machine.harts().len()).map(|number| format!("hart{number}")) {
            // Going back without the state of a hart would be wrong in silence.
            if !paths.contains(&hart) {
                return Err(DebugError::Subject(format!("the state of {hart} cannot be captured")));
            }
        }
        let mut marks = Vec::new();
        let mut records = Vec::new();
        for record in recording.records().map_err(failed)? {
            let record = record.map_err(failed)?;
            if &*record.kind == MARK {
                let name = String::from_utf8_lossy(&record.data).into_owned();
                marks.push(Mark { name, position: record.position });
            }
            // Digests of the state are for those who compare them.
            if !matches!(&*record.kind, DIGEST_STATE | DIGEST_PARTS | DIGEST_RAM) {
                records.push(record);
            }
        }
        // Every step back seeks in them.
        replayer.hold(records.into());
        let recorded = RecordedStates::new(&recording);
        let replay = Replay { recording, replayer, recorded, marks, another: None, go_live: None };
        Ok(Self::new(machine, Outside::Replay(Box::new(replay))))
    }

    /// The same replay of a machine built from `config`, able to leave its recording.
    #[must_use]
    pub fn with_go_live(mut self, config: Config, open: GoLive) -> Self {
        self.config = config;
        if let Outside::Replay(replay) = &mut self.outside {
            replay.go_live = Some(open);
        }
        self
    }

    /// The same, able to have more of its kind made.
    #[must_use]
    pub fn with_another(mut self, another: Another) -> Self {
        if let Outside::Replay(replay) = &mut self.outside {
            replay.another = Some(another);
        }
        self
    }

    fn new(machine: Machine, outside: Outside) -> Self {
        Self {
            machine,
            outside,
            captures: Captures::default(),
            breakpoints: BTreeSet::new(),
            installed: BTreeSet::new(),
            heeded: true,
            watches: Vec::new(),
            time_limit: None,
            config: Config::default(),
        }
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// What is wrong with the states that the recording holds, if anything is: they are done without.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        match &self.outside {
            Outside::Replay(replay) => replay.recorded.warning(),
            Outside::Live(_) | Outside::Closed(_) => None,
        }
    }

    /// Host memory for checkpoints: as much as was `asked` for, or a quarter of RAM.
    #[must_use]
    pub fn checkpoint_bytes(&self, asked: Option<u64>) -> u64 {
        asked.unwrap_or(self.machine.memory().page_count() as u64 * PAGE_BYTES / 4)
    }

    fn install(&mut self, heed: Heed) {
        let heeded = heed == Heed::Breakpoints;
        if heeded && self.installed != self.breakpoints {
            for hart in self.machine.harts_mut() {
                hart.inspect_mut().set_breakpoints(&self.breakpoints);
            }
            self.installed.clone_from(&self.breakpoints);
        }
        if heeded != self.heeded {
            for hart in self.machine.harts_mut() {
                hart.inspect_mut().heed_breakpoints(heeded);
            }
            self.heeded = heeded;
        }
    }

    /// Lets an event in, here; false when the machine does not take it.
    fn inject(&mut self, event: Event) -> Result<bool, DebugError> {
        let Outside::Live(door) = &mut self.outside else { return Ok(false) };
        door.inject(event);
        // The event takes effect at this very position, before any step.
        let quiet = AtomicBool::new(false);
        let here = self.machine.position();
        let until = Position { sequence: here.sequence + 1, ..here };
        loop {
            match self.machine.run(&mut Gate::new(&mut **door, &quiet), until) {
                Stop::Until | Stop::PoweredOff { .. } => return Ok(true),
                Stop::Left => match door.left(&self.machine) {
                    Leaving::Over { code, how } => return Err(DebugError::Over { code, how }),
                    Leaving::Operator | Leaving::Nothing => {}
                },
                Stop::Debug { .. } | Stop::Undeliverable(_) => return Ok(false),
            }
        }
    }

    fn operate(&mut self, kind: &'static str) -> Result<(), DebugError> {
        let event = Event { kind: kind.into(), target: "".into(), data: Vec::new() };
        if self.inject(event)? { Ok(()) } else { Err(DebugError::Unsupported(kind)) }
    }
}

fn failed(error: impl std::fmt::Display) -> DebugError {
    DebugError::Subject(error.to_string())
}

impl View for Machine {
    fn position(&self) -> Position {
        self.position()
    }

    fn clock(&self) -> &Clock {
        self.clock()
    }

    fn hart(&self, hart: usize) -> &dyn Inspect {
        self.harts()[hart].inspect()
    }

    fn translate(&self, hart: usize, addr: u64) -> Option<u64> {
        self.hart(hart).translate(self.memory(), addr)
    }

    fn read_memory(&self, addr: u64, bytes: &mut [u8]) -> bool {
        self.memory().read(addr, bytes).is_ok()
    }
}

impl View for MachineSubject {
    fn position(&self) -> Position {
        self.machine.position()
    }

    fn clock(&self) -> &Clock {
        self.machine.clock()
    }

    fn hart(&self, hart: usize) -> &dyn Inspect {
        self.machine.hart(hart)
    }

    fn translate(&self, hart: usize, addr: u64) -> Option<u64> {
        self.machine.translate(hart, addr)
    }

    fn read_memory(&self, addr: u64, bytes: &mut [u8]) -> bool {
        self.machine.read_memory(addr, bytes)
    }
}

impl Subject for MachineSubject {
    fn hart_count(&self) -> usize {
        self.machine.harts().len()
    }

    fn hart_steps(&self, hart: usize) -> u64 {
        self.machine.state().schedule.hart_steps[hart]
    }

    fn extent(&self) -> Option<Extent> {
        match &self.outside {
            Outside::Live(_) | Outside::Closed(_) => None,
            Outside::Replay(replay) => {
                Some(Extent { begin: Position::default(), end: replay.recording.last() })
            }
        }
    }

    fn set_breakpoints(&mut self, addrs: &BTreeSet<u64>) {
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

    fn scan(
        &mut self,
        until: Position,
        heed: Heed,
        attention: &AtomicBool,
        judge: &mut Judge<'_>,
    ) -> Result<Halt, DebugError> {
        self.install(heed);
        let Self { machine, outside, watches, time_limit, .. } = self;
        let mut watcher = Watcher::new(machine.memory(), watches, judge);
        loop {
            let mut gate = Gate::new(outside.door(*time_limit), attention);
            let stop = machine.run_before(&mut watcher, &mut gate, until);
            let interrupted = gate.was_interrupted();
            if let Some(halt) = watcher.take_halt() {
                return Ok(halt);
            }
            match stop {
                Stop::Until => return Ok(Halt::Until),
                Stop::PoweredOff { code } => return Ok(Halt::PowerOff { code }),
                Stop::Left if interrupted => return Ok(Halt::Interrupted),
                Stop::Left => {
                    if let Some(halt) = outside.left(machine)? {
                        return Ok(halt);
                    }
                }
                Stop::Debug { hart } => unreachable!("hart {hart} stays where nobody wanted to"),
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

    fn another(&self) -> Option<Another> {
        match &self.outside {
            Outside::Live(_) | Outside::Closed(_) => None,
            Outside::Replay(replay) => replay.another.clone(),
        }
    }

    fn captured_bytes(&self) -> u64 {
        self.captures.bytes()
    }

    fn recorded(&self) -> Vec<Position> {
        match &self.outside {
            Outside::Live(_) | Outside::Closed(_) => Vec::new(),
            Outside::Replay(replay) => replay.recorded.positions().collect(),
        }
    }

    fn advance_recorded(&mut self, upper: Position) -> Result<bool, DebugError> {
        let Outside::Replay(replay) = &mut self.outside else { return Ok(false) };
        let Replay { recording, replayer, recorded, .. } = &mut **replay;
        let (machine, captures) = (&mut self.machine, &mut self.captures);
        while let Some(leap) = recorded.next(machine.position(), upper) {
            // A leap that fails leaves the machine anywhere.
            let here = captures.take(machine);
            let outcome = checkpoint::advance(machine, recording, leap.first, leap.number);
            if outcome.is_err() {
                captures.put_back(machine, here);
            }
            captures.release(here);
            match outcome {
                Ok(_) => {
                    replayer.seek(recording, machine.position()).map_err(failed)?;
                    return Ok(true);
                }
                Err(error) => recorded.give_up(recording, leap, &error),
            }
        }
        Ok(false)
    }

    fn is_unwritten(
        &mut self,
        from: Position,
        to: Position,
        ranges: &[Range<u64>],
    ) -> Result<bool, DebugError> {
        let Outside::Replay(replay) = &mut self.outside else { return Ok(false) };
        let pages = recorded::pages_of(self.machine.memory(), ranges);
        Ok(replay.recorded.is_unwritten(&mut replay.recording, from, to, &pages))
    }

    fn note_executed(&mut self, on: bool) {
        for hart in self.machine.harts_mut() {
            hart.inspect_mut().note_executed(on);
        }
    }

    fn executed_pages(&self) -> Option<BTreeSet<u64>> {
        let mut pages = BTreeSet::new();
        for hart in self.machine.harts() {
            pages.extend(hart.inspect().executed_pages()?);
        }
        Some(pages)
    }

    fn write_register(&mut self, hart: usize, number: usize, value: u128) -> bool {
        let Ok(number) = u32::try_from(number) else { return false };
        let mut data = number.to_le_bytes().to_vec();
        data.extend(value.to_le_bytes());
        let target = format!("hart{hart}").into();
        let event = Event { kind: kind::WRITE_REGISTER.into(), target, data };
        self.inject(event).unwrap_or(false)
    }

    fn write_memory(&mut self, addr: u64, bytes: &[u8]) -> bool {
        let mut data = addr.to_le_bytes().to_vec();
        data.extend(bytes);
        let event = Event { kind: kind::WRITE_MEMORY.into(), target: "".into(), data };
        self.inject(event).unwrap_or(false)
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
        let kept = match &mut self.outside {
            Outside::Live(door) => door.mark(&self.machine, name),
            Outside::Replay(replay) => {
                replay.marks.push(Mark { name: name.to_owned(), position });
                true
            }
            Outside::Closed(_) => false,
        };
        let nowhere = "a mark is kept in a recording: start with --record FILE";
        if kept { Ok(()) } else { Err(DebugError::Usage(nowhere.to_owned())) }
    }

    fn info(&self) -> String {
        report::info(&self.machine)
    }

    fn stats(&self) -> String {
        let recording = match &self.outside {
            Outside::Live(door) => door.stats(),
            Outside::Replay(replay) => replay.recorded.in_words(),
            Outside::Closed(_) => String::new(),
        };
        report::stats(&self.machine) + &recording
    }

    fn device_paths(&self) -> Vec<String> {
        captures::paths(&self.machine)
    }

    fn dump_device(&self, path: &str) -> Option<String> {
        captures::dump(&self.machine, path)
    }

    fn device_json(&self, path: &str) -> Option<String> {
        captures::dump_json(&self.machine, path)
    }

    fn digest(&mut self) -> Result<Digest, DebugError> {
        let state = StateDigest::whole_of(&self.machine).map_err(failed)?;
        Ok(Digest { state, ram: self.captures.ram_root(&self.machine) })
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
            Outside::Replay(_) | Outside::Closed(_) => None,
        }
    }
}
