//! The toy machine as a subject.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
};

use super::program::{Access, Next, Program, RAM_BYTES, State, VIRTUAL_BASE};
use crate::{
    clock::{Clock, Position},
    debug::{
        CaptureId, DebugError, Destination, Digest, Extent, Halt, Heed, Judge, Mark, Subject, View,
        Watch, WatchHit,
    },
    memory::GuestMemory,
    vcpu::{Architecture, Disassembly, Feature, Inspect, Register, RegisterKind, Traps},
};

const fn register(name: &'static str) -> Register {
    Register { name, bits: 64, kind: RegisterKind::Integer }
}

/// An architecture that nothing else here is built for.
pub(super) static TOY: Architecture = Architecture {
    gdb_name: "toy",
    gdb_steps_past_watched: false,
    features: &[
        Feature {
            name: "org.example.toy.core",
            registers: &[register("r0"), register("r1"), register("r2"), register("r3")],
        },
        Feature { name: "org.example.toy.control", registers: &[register("pc")] },
    ],
    pc: 4,
    sp: 3,
    little_endian: true,
};

impl Inspect for super::program::Hart {
    fn architecture(&self) -> &'static Architecture {
        &TOY
    }

    fn read_register(&self, number: usize, _: &Clock) -> Option<u128> {
        let value = if number == TOY.pc { Some(&self.pc) } else { self.registers.get(number) };
        value.copied().map(u128::from)
    }

    fn write_register(&mut self, _: usize, _: u128, _: &Clock) -> bool {
        false
    }

    fn pc(&self) -> u64 {
        self.pc
    }

    fn mode(&self) -> &'static str {
        "only"
    }

    fn traps(&self) -> Traps {
        Traps::default()
    }

    fn translate(&self, _: &GuestMemory, _: u64) -> Option<u64> {
        None
    }

    fn set_breakpoints(&mut self, _: &BTreeSet<u64>) {}

    fn heed_breakpoints(&mut self, _: bool) {}

    fn disassemble(&self, _: &[u8], _: u64) -> Option<Disassembly> {
        None
    }
}

/// The toy machine, replayed from its beginning to its end.
pub(super) struct Toy {
    pub(super) program: Rc<Program>,
    pub(super) state: State,
    end: Position,
    clock: Clock,
    breakpoints: BTreeSet<u64>,
    watches: Vec<Watch>,
    captures: BTreeMap<CaptureId, State>,
    next_capture: u64,
    /// Captured states that count as part of the recording.
    recorded: Vec<State>,
    /// Calls of `run` so far.
    runs: Rc<Cell<u64>>,
}

impl Toy {
    pub(super) fn new(program: Rc<Program>, end: Position, recorded: Vec<State>) -> Self {
        let state = State::new(&program);
        Self {
            program,
            state,
            end,
            clock: Clock::new(1_000),
            breakpoints: BTreeSet::new(),
            watches: Vec::new(),
            captures: BTreeMap::new(),
            next_capture: 0,
            recorded,
            runs: Rc::default(),
        }
    }

    pub(super) fn runs(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.runs)
    }
}

impl View for Toy {
    fn position(&self) -> Position {
        self.state.position()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn hart(&self, hart: usize) -> &dyn Inspect {
        &self.state.harts[hart]
    }

    fn translate(&self, _: usize, addr: u64) -> Option<u64> {
        addr.checked_sub(VIRTUAL_BASE).filter(|addr| *addr < RAM_BYTES)
    }

    fn read_memory(&self, addr: u64, bytes: &mut [u8]) -> bool {
        let start = addr as usize;
        let found = self.state.memory.get(start..start + bytes.len());
        found.map(|found| bytes.copy_from_slice(found)).is_some()
    }
}

impl Subject for Toy {
    fn hart_count(&self) -> usize {
        self.state.harts.len()
    }

    fn hart_steps(&self, hart: usize) -> u64 {
        self.state.harts[hart].steps
    }

    fn extent(&self) -> Option<Extent> {
        Some(Extent { begin: Position::default(), end: self.end })
    }

    fn set_breakpoints(&mut self, addrs: &BTreeSet<u64>) {
        self.breakpoints.clone_from(addrs);
    }

    fn set_watches(&mut self, watches: &[Watch]) {
        self.watches = watches.to_vec();
    }

    fn scan(
        &mut self,
        until: Position,
        heed: Heed,
        attention: &AtomicBool,
        judge: &mut Judge<'_>,
    ) -> Result<Halt, DebugError> {
        self.runs.set(self.runs.get() + 1);
        loop {
            if self.position() >= until.min(self.end) {
                return Ok(if until > self.end { Halt::End } else { Halt::Until });
            }
            if attention.load(Ordering::Relaxed) {
                return Ok(Halt::Interrupted);
            }
            let next = self.state.next(&self.program);
            let before = self.position();
            let mut hart = 0;
            if let Next::Step { hart: stepping } = next {
                hart = stepping;
                if heed == Heed::Breakpoints
                    && self.breakpoints.contains(&self.state.harts[stepping].pc)
                {
                    let halt = Halt::Breakpoint { hart };
                    if judge(self, &halt) {
                        return Ok(halt);
                    }
                }
            }
            let accesses = self.state.advance(&self.program).into_iter();
            let hits = accesses.map(|Access { range, write }| WatchHit { range, write });
            let hits: Vec<_> =
                hits.filter(|hit| self.watches.iter().any(|watch| watch.is_hit(hit))).collect();
            let halt = Halt::Watch { before, hart, hits };
            if !matches!(&halt, Halt::Watch { hits, .. } if hits.is_empty()) && judge(self, &halt) {
                return Ok(halt);
            }
        }
    }

    fn capture(&mut self) -> CaptureId {
        let id = CaptureId(self.next_capture);
        self.next_capture += 1;
        self.captures.insert(id, self.state.clone());
        id
    }

    fn restore(&mut self, capture: CaptureId) {
        self.state = self.captures[&capture].clone();
    }

    fn release(&mut self, capture: CaptureId) {
        assert!(self.captures.remove(&capture).is_some(), "{capture:?} is released once");
    }

    fn captured_bytes(&self) -> u64 {
        self.captures.len() as u64 * RAM_BYTES
    }

    fn recorded(&self) -> Vec<Position> {
        self.recorded.iter().map(State::position).collect()
    }

    fn advance_recorded(&mut self, upper: Position) -> Result<bool, DebugError> {
        let here = self.position();
        let within = |state: &&State| state.position() > here && state.position() < upper;
        let Some(found) = self.recorded.iter().find(within) else { return Ok(false) };
        self.state = found.clone();
        Ok(true)
    }

    fn is_unwritten(
        &mut self,
        from: Position,
        to: Position,
        ranges: &[Range<u64>],
    ) -> Result<bool, DebugError> {
        // Only what lies between recorded states is known.
        let known: Vec<_> = self.recorded.iter().map(State::position).collect();
        let first = known.iter().rposition(|at| *at <= from);
        let (Some(first), Some(last)) = (first, known.iter().position(|at| *at >= to)) else {
            return Ok(false);
        };
        let mut state = self.recorded[first].clone();
        while state.position() < known[last] {
            for access in state.advance(&self.program) {
                let touches = |range: &Range<u64>| {
                    range.start < access.range.end && access.range.start < range.end
                };
                if access.write && ranges.iter().any(touches) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn write_register(&mut self, _: usize, _: usize, _: u128) -> bool {
        false
    }

    fn write_memory(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }

    fn parse_position(&self, text: &str) -> Result<Destination, DebugError> {
        let steps = text.parse().map_err(|_| DebugError::Position(format!("no steps: {text}")))?;
        Ok(Destination::Position(Position::at_steps(steps)))
    }

    fn set_time_limit(&mut self, _: Option<u64>) {}

    fn marks(&self) -> Vec<Mark> {
        Vec::new()
    }

    fn mark(&mut self, _: &str) -> Result<(), DebugError> {
        Ok(())
    }

    fn device_paths(&self) -> Vec<String> {
        Vec::new()
    }

    fn device_json(&self, _: &str) -> Option<String> {
        None
    }

    fn digest(&mut self) -> Result<Digest, DebugError> {
        Ok(Digest { state: super::oracle::digest(&self.state), ram: 0 })
    }

    fn dump_device(&self, _: &str) -> Option<String> {
        None
    }
}
