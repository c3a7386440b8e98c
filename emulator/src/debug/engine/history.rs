//! Questions to the past that leave the machine where it is: who wrote this last, when did this run
//! last, what did a device hold then.

use crate::{
    clock::{Clock, Position},
    debug::{
        Access, Breakpoint, BreakpointKind, DebugError, Destination, Extent, Halt, Heed, Watchpoint,
    },
};

use super::{
    Engine,
    points::physical_ranges,
    reverse::{Hit, Search},
};

/// Longest instruction of any architecture, in bytes.
const LONGEST_INSTRUCTION: usize = 16;

/// Something that happened before the present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Position in front of it.
    pub position: Position,
    /// The hart that did it, or that took the last step before a device did.
    pub hart: usize,
    /// Where that hart stood.
    pub pc: u64,
    /// The instruction there, if it is one.
    pub instruction: Option<String>,
    /// For a write: what the memory held before and behind it.
    pub change: Option<(Vec<u8>, Vec<u8>)>,
}

impl Engine {
    /// The last write to a stretch of memory before the present position.
    ///
    /// # Errors
    /// [`DebugError::Live`], [`DebugError::Unmapped`], [`DebugError::Interrupted`].
    pub fn last_write(
        &mut self,
        hart: Option<usize>,
        addr: u64,
        bytes: u64,
    ) -> Result<Option<Past>, DebugError> {
        let watchpoint = Watchpoint { addr, bytes: bytes.max(1), access: Access::Write, hart };
        let ranges = physical_ranges(&*self.subject, &watchpoint);
        if !ranges.iter().any(|range| self.subject.read_memory(range.start, &mut [0])) {
            return Err(DebugError::Unmapped { addr });
        }
        self.ask_the_past(Vec::new(), vec![watchpoint])
    }

    /// The last time that an instruction at virtual `addr` was executed before the present position.
    ///
    /// # Errors
    /// [`DebugError::Live`], [`DebugError::Interrupted`].
    pub fn last_execution(&mut self, addr: u64) -> Result<Option<Past>, DebugError> {
        let breakpoint = Breakpoint { addr, kind: BreakpointKind::Monitor, condition: None };
        self.ask_the_past(vec![breakpoint], Vec::new())
    }

    fn ask_the_past(
        &mut self,
        breakpoints: Vec<Breakpoint>,
        watchpoints: Vec<Watchpoint>,
    ) -> Result<Option<Past>, DebugError> {
        let breakpoints = std::mem::replace(&mut self.points.breakpoints, breakpoints);
        let watchpoints = std::mem::replace(&mut self.points.watchpoints, watchpoints);
        let outcome = self.elsewhere(|engine| {
            let origin = engine.position();
            engine.arm();
            match engine.search_back()? {
                Search::Found(hit) => engine.describe(&hit, origin).map(Some),
                Search::Nothing => Ok(None),
                Search::Interrupted => Err(DebugError::Interrupted),
            }
        });
        self.points.breakpoints = breakpoints;
        self.points.watchpoints = watchpoints;
        outcome
    }

    /// Does something that moves the machine, and puts it back.
    ///
    /// # Errors
    /// [`DebugError::Live`] on a live run, and what `question` fails with.
    pub fn elsewhere<T>(
        &mut self,
        question: impl FnOnce(&mut Self) -> Result<T, DebugError>,
    ) -> Result<T, DebugError> {
        if !self.is_replay() {
            return Err(DebugError::Live);
        }
        let (reported, focus) = (self.reported, self.focus);
        let capture = self.subject.capture();
        let answer = question(self);
        self.disarm();
        self.subject.restore(capture);
        self.subject.release(capture);
        (self.reported, self.focus) = (reported, focus);
        self.attention.store(false, std::sync::atomic::Ordering::Relaxed);
        answer
    }

    /// Asks something of the machine at another position, and puts it back.
    ///
    /// # Errors
    /// [`DebugError::Live`], [`DebugError::Outside`], [`DebugError::Interrupted`].
    pub fn at<T>(
        &mut self,
        position: Position,
        question: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, DebugError> {
        let Some(Extent { begin, end }) = self.subject.extent() else {
            return Err(DebugError::Live);
        };
        if position > end {
            return Err(DebugError::Outside { position, end });
        }
        self.elsewhere(|engine| {
            if !engine.travel(position.max(begin))? {
                return Err(DebugError::Interrupted);
            }
            Ok(question(engine))
        })
    }

    /// The position that users write as `text`. For a time the machine goes there and comes back.
    ///
    /// # Errors
    /// [`DebugError::Position`], [`DebugError::Live`], [`DebugError::Interrupted`].
    pub fn find_position(&mut self, text: &str) -> Result<Position, DebugError> {
        let ns = match self.subject.parse_position(text)? {
            Destination::Position(position) => return Ok(position),
            Destination::Time { ns } => ns,
        };
        let outcome = self.elsewhere(|engine| engine.run_to_time(ns));
        self.subject.set_time_limit(None);
        outcome
    }

    /// Runs to the first position with at least `ns` of virtual time, from the nearest state before
    /// it.
    fn run_to_time(&mut self, ns: u64) -> Result<Position, DebugError> {
        let limit = self.subject.extent().map_or_else(Position::default, |extent| extent.end);
        let clock = *self.subject.clock();
        let is_early = |position: &Position| Clock { position: *position, ..clock }.now_ns() < ns;
        let recorded = self.subject.recorded().into_iter().rev().find(is_early);
        let captured = self.checkpoints.before_time(ns, &clock).map(|(at, _)| at);
        let near = captured.max(recorded).unwrap_or_else(|| self.begin());
        if !self.travel(near)? {
            return Err(DebugError::Interrupted);
        }
        self.subject.set_time_limit(Some(ns));
        loop {
            let here = self.position();
            let spaced = Position::at_steps(here.steps.saturating_add(self.checkpoints.spacing()));
            let halt = self.subject.run(spaced.min(limit), Heed::Nothing, &self.attention)?;
            let now = self.position();
            let arrived = self.subject.clock().now_ns() >= ns || now >= limit || now == here;
            match halt {
                Halt::Interrupted => return Err(DebugError::Interrupted),
                Halt::Until if !arrived => self.checkpoints.capture(&mut *self.subject),
                _ => return Ok(now),
            }
        }
    }

    fn describe(&mut self, hit: &Hit, origin: Position) -> Result<Past, DebugError> {
        if !self.travel(hit.position)? {
            return Err(DebugError::Interrupted);
        }
        let pc = self.subject.hart(hit.hart).pc();
        let instruction = self.instruction_at(hit.hart, pc).map(|(text, _)| text);
        let change = if self.points.watched.is_empty() {
            None
        } else {
            let before = self.watched_bytes();
            self.arm_again();
            self.subject.run(origin, Heed::Nothing, &self.attention)?;
            Some((before, self.watched_bytes()))
        };
        Ok(Past { position: hit.position, hart: hit.hart, pc, instruction, change })
    }

    fn watched_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (_, range) in &self.points.watched {
            let mut piece = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
            if self.subject.read_memory(range.start, &mut piece) {
                bytes.append(&mut piece);
            }
        }
        bytes
    }

    /// The instruction at virtual `addr` and its length in bytes, as `hart` would fetch it.
    #[must_use]
    pub fn instruction_at(&self, hart: usize, addr: u64) -> Option<(String, usize)> {
        let mut bytes = [0; LONGEST_INSTRUCTION];
        let count = self.read_memory(Some(hart), addr, &mut bytes);
        let decoded = self.subject.hart(hart).disassemble(&bytes[..count], addr)?;
        Some((decoded.text, decoded.bytes))
    }
}
