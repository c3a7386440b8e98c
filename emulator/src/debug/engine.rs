//! The engine: stop points, motion in both directions, registers and memory.
//!
//! A stop that was reported is not reported again when the user moves on from it: the engine
//! remembers the position and steps over it. So a front end need not, and a hart that waits at a
//! breakpoint of its own is still reported.

mod effort;
mod forward;
mod history;
mod resume;
mod reverse;
mod scouts;
mod trace;
mod window;

pub use effort::{Effort, Searched};
pub use history::Past;
pub use resume::Motion;
pub use trace::Traced;

use std::{
    collections::BTreeSet,
    ops::Range,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    clock::Position,
    vcpu::{Architecture, Register},
};

use super::{
    Access, Breakpoint, BreakpointKind, Checkpoints, DebugError, Reason, Stop, Subject, Watch,
    WatchHit, Watchpoint,
    expression::{Expression, Values},
};
use effort::Notes;
use scouts::Scouts;
use window::Window;

/// Bytes of the largest watched range that is compared to find a change; in a larger one every write
/// counts as one. GDB watches a few at a time.
const MOST_COMPARED: usize = 1 << 16;

/// Bytes of the granule in which virtual addresses are looked up.
const PAGE_BYTES: u64 = 4096;

/// A debugger's session with a machine.
pub struct Engine {
    subject: Box<dyn Subject>,
    breakpoints: Vec<Breakpoint>,
    watchpoints: Vec<Watchpoint>,
    /// What the subject was last told, so that a front end which removes and inserts everything at
    /// each stop costs nothing.
    armed_breakpoints: BTreeSet<u64>,
    armed_watches: Vec<Watch>,
    /// Where the last stop at a breakpoint was reported, and for which hart.
    reported: Option<(Position, usize)>,
    /// Physical ranges of the watchpoints, as they were when the machine was last resumed.
    watched: Vec<(usize, Range<u64>)>,
    /// What those hold of which a change is watched, behind the last access that was looked at.
    contents: Vec<Option<Vec<u8>>>,
    checkpoints: Checkpoints,
    window: Window,
    scouts: Option<Scouts>,
    effort: Effort,
    notes: Notes,
    searched: Searched,
    attention: Arc<AtomicBool>,
    focus: usize,
}

impl Engine {
    /// A session with `subject`; in replay at most `checkpoint_bytes` of host memory go into
    /// checkpoints.
    #[must_use]
    pub fn new(subject: Box<dyn Subject>, checkpoint_bytes: u64) -> Self {
        let checkpoints = Checkpoints::new(checkpoint_bytes, subject.extent());
        let mut engine = Self {
            subject,
            breakpoints: Vec::new(),
            watchpoints: Vec::new(),
            armed_breakpoints: BTreeSet::new(),
            armed_watches: Vec::new(),
            reported: None,
            watched: Vec::new(),
            contents: Vec::new(),
            checkpoints,
            window: Window::default(),
            scouts: None,
            effort: Effort::default(),
            notes: Notes::default(),
            searched: Searched::default(),
            attention: Arc::default(),
            focus: 0,
        };
        engine.subject.set_attention(Arc::clone(&engine.attention));
        if engine.is_replay() {
            engine.checkpoints.capture(&mut *engine.subject);
        }
        engine
    }

    /// The flag that interrupts a motion from another thread. A motion clears it when it stops.
    #[must_use]
    pub fn attention(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.attention)
    }

    /// The machine.
    #[must_use]
    pub fn subject(&self) -> &dyn Subject {
        &*self.subject
    }

    /// The machine, to do what the engine has no words for. Its position must not change.
    pub fn subject_mut(&mut self) -> &mut dyn Subject {
        &mut *self.subject
    }

    /// Ends the session and gives the machine back, without stop points.
    #[must_use]
    pub fn into_subject(mut self) -> Box<dyn Subject> {
        self.clear_stops();
        self.disarm();
        self.subject
    }

    /// Whether the machine replays a recording, so that it can go back.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.subject.extent().is_some()
    }

    /// Where the machine stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.subject.position()
    }

    /// The checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// Makes a checkpoint here.
    ///
    /// # Errors
    /// [`DebugError::Live`] on a live run.
    pub fn checkpoint(&mut self) -> Result<(), DebugError> {
        if !self.is_replay() {
            return Err(DebugError::Live);
        }
        self.checkpoints.capture(&mut *self.subject);
        Ok(())
    }

    /// Leaves the recording here; the run is live from now on, recorded to `child` if that is given.
    ///
    /// # Errors
    /// As [`Subject::go_live`]; the machine replays on then.
    pub fn go_live(&mut self, child: Option<&Path>) -> Result<(), DebugError> {
        if !self.is_replay() {
            return Err(DebugError::Unsupported("go-live"));
        }
        self.subject.go_live(child)?;
        self.scouts = None;
        // What lies behind belongs to the recording and cannot be reached any more.
        self.checkpoints.forget_all(&mut *self.subject);
        self.window.clear(&mut *self.subject);
        Ok(())
    }

    /// The hart that the last stop concerned, or that a front end selected.
    #[must_use]
    pub fn focus(&self) -> usize {
        self.focus
    }

    /// Selects the hart for what names none.
    ///
    /// # Errors
    /// [`DebugError::NoHart`].
    pub fn set_focus(&mut self, hart: usize) -> Result<(), DebugError> {
        self.check_hart(hart)?;
        self.focus = hart;
        Ok(())
    }

    fn check_hart(&self, hart: usize) -> Result<(), DebugError> {
        let count = self.subject.hart_count();
        if hart < count { Ok(()) } else { Err(DebugError::NoHart { hart, count }) }
    }

    // --- stop points

    /// Adds a breakpoint; one of the same kind at the same address is replaced.
    pub fn add_breakpoint(&mut self, breakpoint: Breakpoint) {
        self.remove_breakpoint(breakpoint.addr, breakpoint.kind);
        self.breakpoints.push(breakpoint);
    }

    /// Removes a breakpoint; false when there was none.
    pub fn remove_breakpoint(&mut self, addr: u64, kind: BreakpointKind) -> bool {
        let count = self.breakpoints.len();
        self.breakpoints.retain(|known| (known.addr, known.kind) != (addr, kind));
        self.breakpoints.len() < count
    }

    /// The breakpoints, oldest first.
    #[must_use]
    pub fn breakpoints(&self) -> &[Breakpoint] {
        &self.breakpoints
    }

    /// Adds a watchpoint.
    pub fn add_watchpoint(&mut self, watchpoint: Watchpoint) {
        if !self.watchpoints.contains(&watchpoint) {
            self.watchpoints.push(watchpoint);
        }
    }

    /// Removes a watchpoint; false when there was none.
    pub fn remove_watchpoint(&mut self, addr: u64, bytes: u64, access: Access) -> bool {
        let count = self.watchpoints.len();
        self.watchpoints
            .retain(|known| (known.addr, known.bytes, known.access) != (addr, bytes, access));
        self.watchpoints.len() < count
    }

    /// Removes every breakpoint and watchpoint but those set in the monitor.
    pub fn clear_stops(&mut self) {
        self.breakpoints.retain(|known| known.kind == BreakpointKind::Monitor);
        self.watchpoints.clear();
    }

    /// Looks the watched addresses up as they are now and hands all stop points to the subject.
    fn arm(&mut self) {
        self.watched = (0..self.watchpoints.len())
            .flat_map(|index| {
                let ranges = self.physical_ranges(&self.watchpoints[index]);
                ranges.into_iter().map(move |range| (index, range))
            })
            .collect();
        self.arm_again();
    }

    /// The same without a new look: a walk through time keeps the physical addresses.
    fn arm_again(&mut self) {
        let breakpoints = self.breakpoints.iter().map(|known| known.addr).collect();
        let watches = self.watched.iter().map(|(index, range)| {
            let access = self.watchpoints[*index].access;
            Watch { range: range.clone(), read: access.reads(), write: access.writes() }
        });
        let watches = watches.collect();
        self.tell(breakpoints, watches);
        self.remember();
    }

    /// Takes in what the watched ranges hold: the machine was moved.
    fn remember(&mut self) {
        self.contents = (0..self.watched.len()).map(|index| self.content(index)).collect();
    }

    /// What a watched range holds, if changes of it are watched.
    fn content(&self, index: usize) -> Option<Vec<u8>> {
        let (watchpoint, range) = &self.watched[index];
        if self.watchpoints[*watchpoint].access != Access::Change {
            return None;
        }
        let bytes = usize::try_from(range.end - range.start).ok();
        let mut content = vec![0; bytes.filter(|bytes| *bytes <= MOST_COMPARED)?];
        self.subject.read_memory(range.start, &mut content).then_some(content)
    }

    /// Takes every stop point away from the subject.
    fn disarm(&mut self) {
        self.tell(BTreeSet::new(), Vec::new());
    }

    fn tell(&mut self, breakpoints: BTreeSet<u64>, watches: Vec<Watch>) {
        if breakpoints != self.armed_breakpoints {
            self.subject.set_breakpoints(&breakpoints);
            self.armed_breakpoints = breakpoints;
        }
        if watches != self.armed_watches {
            self.subject.set_watches(&watches);
            self.armed_watches = watches;
        }
    }

    /// The physical ranges of a watchpoint, split at pages; what is not mapped is left out.
    fn physical_ranges(&self, watchpoint: &Watchpoint) -> Vec<Range<u64>> {
        let Some(hart) = watchpoint.hart else {
            let end = watchpoint.addr.saturating_add(watchpoint.bytes);
            return std::iter::once(watchpoint.addr..end).collect();
        };
        pieces(watchpoint.addr, watchpoint.bytes)
            .filter_map(|(addr, bytes)| {
                let start = self.subject.translate(hart, addr)?;
                Some(start..start + bytes)
            })
            .collect()
    }

    /// The watchpoint that one of `hits` is for. The machine stands behind them.
    fn hit_watchpoint(&mut self, hits: &[WatchHit]) -> Option<Reason> {
        let mut reason = None;
        for index in 0..self.watched.len() {
            let (watchpoint, range) = &self.watched[index];
            let Watchpoint { addr, access, .. } = self.watchpoints[*watchpoint];
            let is_wanted = |hit: &WatchHit| {
                let is_kind = if hit.write { access.writes() } else { access.reads() };
                is_kind && hit.range.start < range.end && range.start < hit.range.end
            };
            if !hits.iter().any(is_wanted) {
                continue;
            }
            let content = self.content(index);
            let is_same = content.is_some() && content == self.contents[index];
            self.contents[index] = content;
            if access != Access::Change || !is_same {
                reason.get_or_insert(Reason::Watchpoint { addr, access });
            }
        }
        reason
    }

    /// The breakpoint at which `hart` stands and whose condition holds.
    fn hit_breakpoint(&self, hart: usize) -> Option<Reason> {
        let pc = self.subject.hart(hart).pc();
        self.breakpoints.iter().filter(|known| known.addr == pc).find_map(|known| {
            let complaint = match &known.condition {
                None => None,
                Some(condition) => match condition.evaluate(&HartValues { engine: self, hart }) {
                    Ok(0) => return None,
                    Ok(_) => None,
                    Err(error) => Some(error.to_string()),
                },
            };
            Some(Reason::Breakpoint { addr: known.addr, kind: known.kind, complaint })
        })
    }

    /// A stop, with its hart in focus and, at a breakpoint, remembered as reported.
    fn stop(&mut self, hart: usize, reason: Reason) -> Stop {
        self.focus = hart;
        if matches!(reason, Reason::Breakpoint { .. }) {
            self.reported = Some((self.position(), hart));
        }
        Stop { hart, reason }
    }

    // --- registers and memory

    /// The architecture of the harts.
    #[must_use]
    pub fn architecture(&self) -> &'static Architecture {
        self.subject.hart(0).architecture()
    }

    /// The register's description and value.
    ///
    /// # Errors
    /// [`DebugError::NoHart`], [`DebugError::NoRegister`].
    pub fn read_register(
        &self,
        hart: usize,
        number: usize,
    ) -> Result<(&'static Register, u128), DebugError> {
        self.check_hart(hart)?;
        let missing = || DebugError::NoRegister { hart, register: number.to_string() };
        let register = self.architecture().registers().nth(number).ok_or_else(missing)?;
        let value = self.subject.hart(hart).read_register(number, self.subject.clock());
        Ok((register, value.ok_or_else(missing)?))
    }

    /// Sets a register of a live machine.
    ///
    /// # Errors
    /// [`DebugError::Replaying`], [`DebugError::NoHart`], [`DebugError::NoRegister`].
    pub fn write_register(
        &mut self,
        hart: usize,
        number: usize,
        value: u128,
    ) -> Result<(), DebugError> {
        self.check_hart(hart)?;
        if self.is_replay() {
            return Err(DebugError::Replaying);
        }
        let written = self.subject.write_register(hart, number, value);
        let missing = || DebugError::NoRegister { hart, register: number.to_string() };
        if written { Ok(()) } else { Err(missing()) }
    }

    /// Reads memory; virtual under the page table of `hart`, physical when that is `None`. Returns
    /// how many bytes from the start could be read.
    #[must_use]
    pub fn read_memory(&self, hart: Option<usize>, addr: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        for (addr, bytes) in pieces(addr, into.len() as u64) {
            let end = done + usize::try_from(bytes).unwrap_or(usize::MAX);
            let physical = match hart {
                Some(hart) => self.subject.translate(hart, addr),
                None => Some(addr),
            };
            let read =
                physical.is_some_and(|addr| self.subject.read_memory(addr, &mut into[done..end]));
            if !read {
                break;
            }
            done = end;
        }
        done
    }

    /// Writes memory of a live machine; all of it or nothing.
    ///
    /// # Errors
    /// [`DebugError::Replaying`], [`DebugError::Unmapped`].
    pub fn write_memory(
        &mut self,
        hart: Option<usize>,
        addr: u64,
        bytes: &[u8],
    ) -> Result<(), DebugError> {
        if self.is_replay() {
            return Err(DebugError::Replaying);
        }
        let mut present = vec![0; bytes.len()];
        let readable = self.read_memory(hart, addr, &mut present);
        if readable < bytes.len() {
            return Err(DebugError::Unmapped { addr: addr.wrapping_add(readable as u64) });
        }
        let mut rest = bytes;
        for (addr, length) in pieces(addr, bytes.len() as u64) {
            let (piece, behind) = rest.split_at(usize::try_from(length).unwrap_or(rest.len()));
            let physical = match hart {
                Some(hart) => self.subject.translate(hart, addr),
                None => Some(addr),
            };
            if !physical.is_some_and(|physical| self.subject.write_memory(physical, piece)) {
                return Err(DebugError::Unmapped { addr });
            }
            rest = behind;
        }
        Ok(())
    }

    /// Reads an expression that may use the registers of this architecture.
    ///
    /// # Errors
    /// [`DebugError::Expression`] with the place of the mistake.
    pub fn parse_expression(&self, text: &str) -> Result<Expression, DebugError> {
        let architecture = self.architecture();
        let is_register =
            |name: &str| matches!(name, "hart" | "steps") || architecture.register(name).is_some();
        Ok(Expression::parse(text, &is_register)?)
    }

    /// The value of an expression for `hart`.
    ///
    /// # Errors
    /// [`DebugError::Expression`].
    pub fn evaluate(&self, expression: &Expression, hart: usize) -> Result<i128, DebugError> {
        self.check_hart(hart)?;
        Ok(expression.evaluate(&HartValues { engine: self, hart })?)
    }
}

/// Splits a stretch of addresses at page boundaries; it ends where addresses end.
fn pieces(addr: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut next = Some(addr).filter(|_| bytes > 0);
    let last = addr.saturating_add(bytes.saturating_sub(1));
    std::iter::from_fn(move || {
        let start = next?;
        let end = (start | (PAGE_BYTES - 1)).min(last);
        next = end.checked_add(1).filter(|start| *start <= last);
        Some((start, end - start + 1))
    })
}

/// The values that a condition sees.
struct HartValues<'a> {
    engine: &'a Engine,
    hart: usize,
}

impl Values for HartValues<'_> {
    fn register(&self, name: &str) -> Option<i128> {
        match name {
            "hart" => i128::try_from(self.hart).ok(),
            "steps" => Some(self.engine.position().steps.into()),
            _ => {
                let (number, _) = self.engine.architecture().register(name)?;
                let (_, value) = self.engine.read_register(self.hart, number).ok()?;
                // Wider registers than 127 bits lose their top bit: none is an integer.
                i128::try_from(value & (u128::MAX >> 1)).ok()
            }
        }
    }

    fn memory(&self, addr: u64, bytes: usize) -> Option<u64> {
        let mut buffer = [0; 8];
        let part = buffer.get_mut(..bytes)?;
        if self.engine.read_memory(Some(self.hart), addr, part) < bytes {
            return None;
        }
        if !self.engine.architecture().little_endian {
            part.reverse();
        }
        Some(u64::from_le_bytes(buffer))
    }
}
